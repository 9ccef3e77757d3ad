"""A generator's run: each new row that matches becomes one event."""

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import OrmQ

from automation.demo.models import Cart, Customer
from automation.events.models import EventRecord
from automation.rules.keys import key_text
from automation.rules.sources import sources
from generators import repeating, running
from generators.models import Generator, Run
from generators.tasks import run_row
from mails.models import Message
from tests import shop

pytestmark = pytest.mark.django_db

NOW = shop.NOW
DAY = datetime.timedelta(days=1)


def test_each_matching_row_becomes_one_event():
    old, _young = shop.cart(days_old=3), shop.cart(days_old=1)
    generator = shop.generator()
    assert running.run(generator, NOW) == running.Outcome(looked_at=2, matched=1, new=1)
    event = EventRecord.objects.get()
    assert (event.group, event.rule_id, event.row_model, event.row_pk) == (
        "cart_left", generator.pk, "demo.cart", str(old.pk),
    )  # fmt: skip
    assert event.recipient == old.customer.email
    assert running.run(generator, NOW) == running.Outcome(looked_at=2, matched=1, new=0)


def test_a_row_that_matches_later_follows_later():
    shop.cart(days_old=1)
    generator = shop.generator()
    assert running.run(generator, NOW).new == 0
    assert running.run(generator, NOW + 2 * DAY).new == 1


def test_the_snapshot_keeps_the_types_and_the_related_rows():
    shop.cart(days_old=3)
    running.run(shop.generator(), NOW)
    known, cart = EventRecord.objects.get().context["cart"], Cart.objects.get()
    assert known["total"] == cart.total
    assert known["updated_at"] == cart.updated_at
    assert known["customer"]["first_name"] == "Ann"
    assert [(item["title"], str(item["price"])) for item in known["items"]] == [
        ("Lamp", "99.90"), ("Bulb", "30.00"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("repeat", "same", "next_period"),
    [
        ("day", datetime.timedelta(hours=10), DAY),
        ("week", 5 * DAY, 6 * DAY),
        ("month", 20 * DAY, 22 * DAY),
        ("year", 200 * DAY, 300 * DAY),
    ],
)
def test_a_repeated_event_comes_once_in_each_period(repeat, same, next_period):
    shop.cart(days_old=3)
    generator = shop.generator(repeat=repeat)
    assert running.run(generator, NOW).new == 1
    assert running.run(generator, NOW + same).new == 0
    assert running.run(generator, NOW + next_period).new == 1
    assert EventRecord.objects.count() == 2


def test_the_group_can_depend_on_the_row():
    shop.cart(shop.customer(country="CH"))
    shop.cart(shop.customer(country="DE"))
    generator = shop.generator(group_template="cart_left_{{ cart.customer.country | downcase }}")
    running.run(generator, NOW)
    groups = EventRecord.objects.order_by("group").values_list("group", flat=True)
    assert list(groups) == ["cart_left_ch", "cart_left_de"]


def inserted(queries: CaptureQueriesContext) -> list[str]:
    """The statements that made rows. A counter is one row, however often it counts."""
    statements = [query["sql"] for query in queries]
    return [sql for sql in statements if sql.startswith("INSERT") and "_tally" not in sql]


def count_queries(generator: Generator) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert running.run(generator, NOW).error == ""
    return len(queries)


def test_queries_do_not_grow_with_the_rows():
    shop.mail()
    generator = shop.generator()
    owner = shop.customer()
    shop.cart(owner)
    running.run(generator, NOW)  # whatever is cached is cached now
    shop.cart(owner)
    few = count_queries(generator)
    for _number in range(30):
        shop.cart(owner)
    assert count_queries(generator) == few
    assert Message.objects.count() == 32


def test_a_run_with_nothing_new_inserts_nothing():
    shop.mail()
    shop.cart()
    generator = shop.generator()
    running.run(generator, NOW)
    with CaptureQueriesContext(connection) as queries:
        assert running.run(generator, NOW).new == 0
    assert inserted(queries) == []
    run = Run.objects.get()
    assert (run.new, run.matched, run.quiet_runs, run.last_quiet_at) == (1, 1, 1, NOW)


def test_more_rows_than_a_chunk_and_a_window(settings, monkeypatch):
    settings.AUTOMATION = {"RECORD_CHUNK": 2}
    monkeypatch.setattr(running, "WINDOW", 5)
    owner = shop.customer()
    for _number in range(13):
        shop.cart(owner)
    assert running.run(shop.generator(), NOW).new == 13
    assert EventRecord.objects.values("row_pk").distinct().count() == 13


def test_a_generator_that_is_paused_while_it_runs_stops_after_the_chunk(settings, monkeypatch):
    settings.AUTOMATION = {"RECORD_CHUNK": 2}
    owner = shop.customer()
    for _number in range(6):
        shop.cart(owner)
    generator = shop.generator()
    write = running.write

    def pause_then_write(*args):
        Generator.objects.get().pause()
        return write(*args)

    monkeypatch.setattr(running, "write", pause_then_write)
    outcome = running.run(generator, NOW)
    assert outcome is not None
    assert outcome.error == (
        "The run was stopped: it was paused, or another worker has taken it over."
    )
    assert (outcome.new, EventRecord.objects.count()) == (2, 2)
    assert Generator.objects.get().state == "paused"


def test_a_row_that_changes_while_the_run_is_on_its_way_makes_no_event(monkeypatch):
    first, _second = shop.cart(), shop.cart()
    generator = shop.generator()
    windows = running.windows

    def change_then(rows):
        for pks in windows(rows):
            Cart.objects.filter(pk=first.pk).update(status="ordered")
            yield pks

    monkeypatch.setattr(running, "windows", change_then)
    assert running.run(generator, NOW).new == 1
    assert EventRecord.objects.get().row_pk != str(first.pk)


def test_a_schedule_that_is_changed_during_a_run_counts_at_its_end(monkeypatch):
    shop.cart()
    generator = shop.generator(trigger="daily")
    write = running.write

    def change_then_write(*args):
        Generator.objects.update(trigger="minutes", every_minutes=5)
        return write(*args)

    monkeypatch.setattr(running, "write", change_then_write)
    running.run(generator, NOW)
    next_run = Generator.objects.get().next_run_at
    assert next_run is not None
    assert next_run - timezone.now() <= datetime.timedelta(minutes=5)


def test_a_generator_that_is_running_is_left_alone():
    generator = shop.generator()
    assert generator.claim()
    assert running.run(Generator.objects.get(), NOW) is None
    Generator.objects.update(lease_until=timezone.now())
    assert running.run(Generator.objects.get(), NOW) is not None


def test_a_key_is_written_the_same_in_python_and_sql():
    customer = shop.customer()
    generator = shop.generator(
        ("created_at", "relative_date.less_than_ago", "1 day"), source="demo.customer"
    )
    rows = repeating._with_key(sources.get("demo.customer").rows([]), generator, NOW)
    assert rows.get()._event_key == f"generator:{generator.pk}:{key_text(customer.pk)}"
    assert Customer.objects.count() == 1


def test_a_rule_without_conditions_cannot_be_armed():
    generator = shop.generator(armed=False)
    generator.conditions.all().delete()
    with pytest.raises(Exception, match="Add a condition first"):
        generator.arm(timezone.now())


# Each time it matches anew --------------------------------------------------------------------


def anew_keys() -> list[str]:
    return [key.rpartition(":")[2] for key in
            EventRecord.objects.order_by("pk").values_list("key", flat=True)]  # fmt: skip


def test_a_row_that_leaves_and_comes_back_makes_another_event():
    cart = shop.cart(days_old=3)
    generator = shop.generator(("status", "field.one_of", "open"), repeat="anew")
    for status, expected in (
        ("open", 1), ("open", 0), ("ordered", 0), ("ordered", 0), ("open", 1), ("open", 0),
        ("ordered", 0), ("open", 1),
    ):  # fmt: skip
        Cart.objects.filter(pk=cart.pk).update(status=status)
        outcome = running.run(generator, NOW)
        assert outcome is not None
        assert (outcome.new, outcome.error) == (expected, "")
    assert anew_keys() == ["1", "2", "3"]


def test_a_row_that_left_and_came_back_between_two_runs_was_never_seen_out():
    cart = shop.cart(days_old=3)
    generator = shop.generator(("status", "field.one_of", "open"), repeat="anew")
    running.run(generator, NOW)
    Cart.objects.filter(pk=cart.pk).update(status="ordered")
    Cart.objects.filter(pk=cart.pk).update(status="open")
    assert running.run(generator, NOW).new == 0


def test_matching_anew_takes_constant_queries_and_writes_nothing_when_nothing_changed():
    generator = shop.generator(("status", "field.one_of", "open"), repeat="anew")
    owner = shop.customer()
    shop.cart(owner)
    running.run(generator, NOW)
    shop.cart(owner)
    few = count_queries(generator)
    for _number in range(20):
        shop.cart(owner)
    assert count_queries(generator) == few
    with CaptureQueriesContext(connection) as queries:
        running.run(generator, NOW)
    assert inserted(queries) == []


# At once when a row is saved -----------------------------------------------------------------


def test_exactly_the_saved_row_is_looked_at():
    first, second = shop.cart(days_old=3), shop.cart(days_old=3)
    generator = shop.generator()
    assert running.run_row(generator, second.pk, NOW) == 1
    assert running.run_row(generator, second.pk, NOW) == 0
    assert list(EventRecord.objects.values_list("row_pk", flat=True)) == [str(second.pk)]
    assert running.run(generator, NOW).new == 1
    assert running.run_row(generator, first.pk, NOW) == 0


def test_a_saved_row_that_came_back_makes_another_event():
    cart = shop.cart(days_old=3)
    generator = shop.generator(("status", "field.one_of", "open"), repeat="anew", on_save=True)
    seen = []
    for status in ("open", "ordered", "open", "open", "ordered", "ordered", "open"):
        Cart.objects.filter(pk=cart.pk).update(status=status)
        seen.append(running.run_row(generator, cart.pk, NOW))
    assert seen == [1, 0, 1, 0, 0, 0, 1]
    assert anew_keys() == ["1", "2", "3"]


def test_a_save_rings_for_armed_generators_that_want_it_after_the_commit(
    django_capture_on_commit_callbacks,
):
    wanted = shop.generator(on_save=True, trigger="never")
    shop.generator(on_save=True, armed=False)
    shop.generator()
    with django_capture_on_commit_callbacks(execute=True):
        cart = shop.cart()
        assert OrmQ.objects.count() == 0
    assert [(task.task["func"], task.task["args"]) for task in OrmQ.objects.all()] == [
        ("generators.tasks.run_row", (wanted.pk, str(cart.pk)))
    ]
    run_row(wanted.pk, str(cart.pk))
    assert EventRecord.objects.get().row_pk == str(cart.pk)
