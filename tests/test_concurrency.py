"""Several processes at once, on PostgreSQL: everything exists once."""

import datetime

import pytest
from django.utils import timezone

from automation.demo.models import Cart
from automation.events.models import EventRecord
from generators import running
from generators.models import Generator, Run
from mails.models import Message
from tests import shop
from tests.processes import start_manage

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

ROWS = 3_000

# Both claim the generator, as if the first one's claim had run out while it was working.
BOTH_RUN = """
import time
from django.conf import settings
from django.utils import timezone
from generators import running
from generators.models import Generator
settings.AUTOMATION = {{"RECORD_CHUNK": {chunk}}}
Generator.claim = Generator.renew_claim = lambda self: True
generator = Generator.objects.get()
while timezone.now().timestamp() < {start}:
    time.sleep(0.001)
outcome = running.run(generator, timezone.now())
assert not outcome.error, outcome.error
print(outcome.new)
"""


def old_carts(count: int, days: int) -> None:
    owner, old = shop.customer(), timezone.now() - datetime.timedelta(days=days)
    Cart.objects.bulk_create(
        Cart(customer=owner, created_at=old, updated_at=old) for _row in range(count)
    )


def run_by_both(chunk: int) -> int:
    """How many new events two processes say together that run the generator at one moment."""
    script = BOTH_RUN.format(start=timezone.now().timestamp() + 4, chunk=chunk)
    processes = [start_manage("shell", "-v0", "-c", script) for _process in range(2)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    return sum(int(output.split()[-1]) for output, _error in outputs)


@pytest.fixture
def generator() -> Generator:
    shop.mail()
    old_carts(ROWS, days=3)
    return shop.generator()


def test_two_processes_that_run_the_same_generator_record_everything_once(generator):
    assert run_by_both(chunk=200) == ROWS
    assert EventRecord.objects.count() == ROWS
    assert EventRecord.objects.values("row_pk").distinct().count() == ROWS
    assert Message.objects.count() == ROWS
    assert Message.objects.values("event").distinct().count() == ROWS


@pytest.mark.parametrize("repeat", ["after", "anew", "key"])
def test_two_processes_make_each_event_once_however_rows_are_repeated(repeat):
    old_carts(500, days=30)
    generator = shop.generator(repeat=repeat, repeat_days=7, key_template="{{ cart.id }}")
    before = 0
    if repeat == "after":
        before = running.run(generator, timezone.now() - datetime.timedelta(days=7)).new
        assert before == 500
    assert run_by_both(chunk=50) == 500
    assert EventRecord.objects.count() == before + 500
    assert EventRecord.objects.values("row_pk").distinct().count() == 500


def test_two_commands_at_once_share_one_run(generator):
    processes = [start_manage("run_generators", generator.slug) for _process in range(2)]
    for process in processes:
        _output, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
    assert EventRecord.objects.count() == Message.objects.count() == ROWS
    assert sum(Run.objects.values_list("new", flat=True)) == ROWS


def test_two_workers_claim_different_deliveries(generator):
    running.run(generator, timezone.now())
    script = """
from django.utils import timezone
from mails.models import Message
claimed = []
while batch := Message.objects.claim(timezone.now(), 50):
    claimed += [message.pk for message in batch]
print(*claimed)
"""
    processes = [start_manage("shell", "-v0", "-c", script) for _process in range(2)]
    claimed = []
    for process in processes:
        output, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        claimed += output.split()
    assert len(claimed) == len(set(claimed)) == ROWS
