"""Pruning and erasing by several processes at once, and by some that are killed."""

import datetime
import signal

import pytest
from django.utils import timezone

from automation.events.erasing import persons
from automation.events.housekeeping.pruning import prune_due
from automation.events.models import ErasedAddress, EventRecord, Pruning
from tests.processes import start_manage

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

ROWS = 6_000
ANN = "ann@example.com"

# Killed after a statement and before the end of its transaction.
KILLED = """
import os, signal
from django.conf import settings
from django.db import connection
from django.utils import timezone
from automation.events.erasing import persons
from automation.events.housekeeping import pruning
settings.AUTOMATION = {"KEEP_DAYS": {"events": 30}}
seen = []
def count(execute, sql, params, many, context):
    result = execute(sql, params, many, context)
    if sql.startswith('UPDATE "automation_events_eventrecord"') and seen.append(1) is None:
        if len(seen) == STATEMENT:
            os.kill(os.getpid(), signal.SIGKILL)
    return result
with connection.execute_wrapper(count):
    WORK
"""


@pytest.fixture
def events() -> None:
    long_ago = timezone.now() - datetime.timedelta(days=100)
    EventRecord.objects.bulk_create(
        (
            EventRecord(
                key=f"{number}:{ANN}", group="g", recording="0" * 32, recipient=ANN,
                context={"name": "Ann"}, recorded_at=long_ago,
            )
            for number in range(ROWS)
        ),
        batch_size=1_000,
    )  # fmt: skip


def killed(work: str, *, at: int) -> None:
    """Do ``work`` in a process that is killed at its so manieth change of events."""
    code = KILLED.replace("WORK", work).replace("STATEMENT", str(at))
    process = start_manage("shell", "-v0", "-c", code)
    _out, error = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, error


def together(*arguments: str) -> list[str]:
    processes = [start_manage(*arguments) for _process in range(2)]
    outputs = [process.communicate(timeout=100) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    return [output for output, _error in outputs]


def full() -> int:
    return EventRecord.objects.exclude(recipient="").count()


def test_two_that_prune_at_once_do_everything_once(events):
    outputs = together("prune", "--kind", "events", "--days", "30")
    assert sum(int(output.split()[-1]) for output in outputs) == ROWS
    assert full() == 0


def test_what_a_killed_worker_left_is_done_by_the_next_one(events, settings):
    settings.AUTOMATION = {"KEEP_DAYS": {"events": 30}}
    now = timezone.now()
    Pruning.objects.create(name="events", begun_at=now - datetime.timedelta(days=2))
    killed("pruning.prune_due(timezone.now())", at=3)
    assert full() == ROWS - 2_000
    assert Pruning.objects.get(is_open=True).pruned == 2_000
    prune_due(now)
    assert full() == ROWS - 2_000  # it may be alive
    prune_due(now + datetime.timedelta(minutes=10))
    assert full() == 0
    assert Pruning.objects.get(is_open=False).pruned == ROWS


def test_two_that_erase_at_once_disturb_nothing(events):
    together("erase", ANN, "--yes")
    assert full() == 0
    pseudonym = ErasedAddress.objects.get().pseudonym
    keys = set(EventRecord.objects.values_list("key", flat=True))
    assert keys == {f"{number}:{pseudonym}" for number in range(ROWS)}


def test_erasing_goes_on_after_a_kill(events):
    killed(f"list(persons.erase({ANN!r}, timezone.now()))", at=20)
    assert 0 < full() < ROWS
    assert ErasedAddress.objects.count() == 1
    persons.together(persons.erase(ANN, timezone.now()))
    assert full() == 0
    assert not EventRecord.objects.filter(key__contains=ANN).exists()
