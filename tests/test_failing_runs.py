"""What goes wrong in a run is said once, where it can be seen, and stops nothing else."""

import datetime

import pytest
from django.db import OperationalError

from automation.demo.models import Cart, Customer
from automation.events.models import EventRecord
from automation.rules.models import Condition
from generators import running
from generators.models import Generator, Run
from generators.tasks import run_row
from tests import shop

pytestmark = pytest.mark.django_db

NOW = shop.NOW
DAY = datetime.timedelta(days=1)


def test_a_generator_that_is_deleted_while_it_runs_ends_quietly(settings, monkeypatch):
    settings.AUTOMATION = {"RECORD_CHUNK": 1}
    shop.cart(), shop.cart()
    generator = shop.generator()
    renew = Generator.renew_claim

    def delete_before_the_second(self):
        if Run.objects.exists():
            Generator.objects.get().delete()
        return renew(self)

    monkeypatch.setattr(Generator, "renew_claim", delete_before_the_second)
    outcome = running.run(generator, NOW)
    assert outcome is not None
    assert outcome.error.startswith("The run was stopped")
    assert (Generator.objects.count(), Run.objects.count()) == (0, 0)
    assert EventRecord.objects.count() == 1


def test_a_row_whose_group_cannot_be_made_is_left_out_and_said():
    shop.cart(shop.customer(last_name=""))
    shop.cart(shop.customer(last_name="Meier"))
    shop.cart(shop.customer(last_name="x" * 100))
    generator = shop.generator(group_template="{{ cart.customer.last_name }}{{ cart.status }}")
    generator.group_template = (
        "{% if cart.customer.last_name != '' %}g_{% endif %}{{ cart.customer.last_name }}"
    )
    generator.save()
    outcome = running.run(generator, NOW)
    assert outcome is not None
    assert outcome.new == 1
    assert outcome.error == (
        "2 rows were left out, the first because: The event group is empty. "
        f"(row {Cart.objects.earliest('pk').pk})"
    )


def test_what_goes_wrong_again_and_again_is_said_once():
    shop.cart(shop.customer(last_name=""))
    generator = shop.generator(group_template="{{ cart.customer.last_name }}")
    for minutes in (0, 5, 10):
        running.run(generator, NOW + datetime.timedelta(minutes=minutes))
    run = Run.objects.get()
    assert (run.state, run.new, run.quiet_runs) == ("failed", 0, 2)
    assert run.last_quiet_at == NOW + datetime.timedelta(minutes=10)


def test_something_else_that_goes_wrong_is_said_anew():
    cart = shop.cart(shop.customer(last_name=""))
    generator = shop.generator(group_template="{{ cart.customer.last_name }}")
    running.run(generator, NOW)
    shop.cart(shop.customer(last_name=""))
    running.run(generator, NOW)
    Customer.objects.update(last_name="Meier")
    running.run(generator, NOW)
    assert list(Run.objects.order_by("pk").values_list("state", "new", "error")) == [
        ("failed", 0, f"1 row was left out: The event group is empty. (row {cart.pk})"),
        ("failed", 0, "2 rows were left out, the first because: The event group is empty. "
                      f"(row {cart.pk})"),
        ("done", 2, ""),
    ]  # fmt: skip


def test_new_rows_beside_one_that_is_left_out_are_one_run_and_then_quiet():
    shop.cart(shop.customer(last_name=""))
    shop.cart(shop.customer(last_name="Meier"))
    generator = shop.generator(group_template="{{ cart.customer.last_name }}")
    for _time in range(3):
        running.run(generator, NOW)
    run = Run.objects.get()
    assert (run.state, run.new, run.quiet_runs) == ("failed", 1, 2)
    assert EventRecord.objects.get().recording == run.recording


def test_a_run_whose_worker_was_killed_is_told_by_the_next_one():
    generator = shop.generator()
    killed = Run.objects.create(generator=generator, started_at=NOW)
    running.run(generator, NOW + DAY)
    killed.refresh_from_db()
    assert (killed.state, killed.error) == (
        "failed",
        "It never came to its end: its worker was stopped. A later run went on.",
    )
    assert generator.runs.first().state == "done"


def test_a_rule_with_a_field_that_is_gone_is_paused_and_records_nothing():
    shop.cart()
    generator = shop.generator()
    Condition.objects.filter(rule=generator).first().delete()
    condition = Condition.objects.get(rule=generator)
    condition.field = "vanished"
    condition.save()
    outcome = running.run(generator, NOW)
    generator.refresh_from_db()
    assert "“vanished” is not a field of Carts" in outcome.error
    assert (generator.state, generator.state_reason) == ("paused", outcome.error)
    assert (generator.next_run_at, EventRecord.objects.count()) == (None, 0)
    assert Run.objects.get().state == "failed"


def test_a_rule_whose_source_is_gone_is_paused():
    generator = shop.generator()
    Generator.objects.update(source="demo.vanished")
    generator.refresh_from_db()
    assert running.run(generator, NOW).error == (
        "The source “demo.vanished” is not registered in this project."
    )


def test_a_failing_generator_says_so_and_stays_armed():
    shop.cart()
    generator = shop.generator(group_template="{{ cart.total | divided_by: 0 }}")
    outcome = running.run(generator, NOW)
    assert outcome.error
    run = Run.objects.get()
    assert (run.state, run.error, run.new) == ("failed", outcome.error, 0)
    generator.refresh_from_db()
    assert (generator.state, generator.lease_until) == ("armed", None)


def test_a_generator_that_keeps_failing_is_paused_and_one_success_forgets_it(monkeypatch):
    def fail(*args):
        raise ValueError("broken")

    shop.cart()
    generator = shop.generator()
    for failures in (9, 10):
        with monkeypatch.context() as patched:
            patched.setattr(running.repeating, "with_had", fail)
            for _time in range(failures):
                assert generator.state == "armed"
                assert running.run(generator, NOW).error == "ValueError: broken"
        if failures == 9:
            assert running.run(generator, NOW).new == 1
    generator.refresh_from_db()
    assert (generator.state, generator.failures) == ("paused", 10)
    assert generator.state_reason == (
        "It failed again and again, the last time because: ValueError: broken"
    )
    generator.arm(NOW)
    assert (generator.state, generator.failures) == ("armed", 0)


def test_a_database_out_of_reach_pauses_no_generator(monkeypatch):
    def fail(*args):
        raise OperationalError("the connection is gone")

    generator = shop.generator()
    monkeypatch.setattr(running.repeating, "with_had", fail)
    for _time in range(12):
        assert running.run(generator, NOW).error
    generator.refresh_from_db()
    assert (generator.state, generator.failures) == ("armed", 0)


def test_a_generator_that_its_workers_die_of_is_paused_and_not_run_again():
    shop.cart()
    generator, runs = shop.generator(), 0
    while generator.state == "armed":
        assert generator.claim()
        if generator.failures == 10:
            generator.finish_claim()
            Generator.objects.update(failures=10)
            generator = Generator.objects.get()
            assert running.run(generator, NOW).new == 0
            break
        runs += 1
        Generator.objects.update(lease_until=NOW)  # the worker is gone, its claim is over
        generator = Generator.objects.get()
    generator.refresh_from_db()
    assert (generator.state, runs) == ("paused", 4)
    assert generator.state_reason == (
        "It failed again and again, the last time because: Each worker that ran it died."
    )


def test_a_saved_row_that_fails_is_a_failed_run_and_a_thousand_are_one():
    carts = [shop.cart(shop.customer(last_name="")) for _row in range(3)]
    generator = shop.generator(group_template="{{ cart.customer.last_name }}", on_save=True)
    for minutes in (0, 7):
        for cart in carts:
            now = NOW + datetime.timedelta(minutes=minutes)
            assert running.run_row(generator, cart.pk, now) == 0
        running.run(generator, now)  # the schedule says it once, too
    in_rows, _in_schedule = generator.runs.order_by("pk")
    assert (in_rows.state, in_rows.looked_at, in_rows.quiet_runs) == ("failed", 1, 5)
    assert in_rows.error == f"The event group is empty.\nFirst when row {carts[0].pk} was saved."
    assert running.run_row(generator, carts[0].pk, NOW + 2 * DAY) == 0
    assert generator.runs.count() == 3  # it is said again each day


def test_an_error_that_nobody_expected_in_a_saved_row_is_a_failed_run(monkeypatch, caplog):
    def fail(*args):
        raise RuntimeError("the source broke\x00")

    monkeypatch.setattr(running, "snapshots", fail)
    cart = shop.cart()
    generator = shop.generator(on_save=True)
    assert running.run_row(generator, cart.pk, NOW) == 0
    run = Run.objects.get()
    assert run.error.splitlines()[0] == "RuntimeError: the source broke\ufffd"
    assert "the source broke" in caplog.text
    assert Generator.objects.get().state == "armed"


@pytest.mark.parametrize("wrong", ["field", "source", "no condition"])
def test_a_saved_row_of_a_broken_rule_pauses_it_with_the_reason(wrong):
    cart = shop.cart()
    generator = shop.generator(on_save=True)
    if wrong == "source":
        Generator.objects.update(source="demo.vanished")
    elif wrong == "field":
        generator.conditions.update(field="vanished")
    else:
        generator.conditions.all().delete()
    run_row(generator.pk, str(cart.pk))
    generator.refresh_from_db()
    assert generator.state == "paused"
    assert Run.objects.get().error.startswith(generator.state_reason)
    assert EventRecord.objects.count() == 0
