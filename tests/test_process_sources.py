"""All rows go through their model sources, in chunks, whatever one of them fails at."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import connection, transaction
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from automation.demo.models import Cart, Customer, Order
from automation.events import (
    Event,
    event,
    listen,
    process_sources,
    processing,
    record,
    register_model_source,
)
from automation.events.models import EventRecord
from tests import shop
from tests.observed import fresh
from tests.people import many, of_customer, people, recorded

__all__ = ["fresh"]

pytestmark = pytest.mark.django_db

NOW = shop.NOW


def counts(done: processing.Processed) -> tuple[int, int, int, int]:
    return done.rows, done.seen, done.new, done.failed


def test_all_rows_go_through_and_again_nothing_is_new():
    register_model_source(Customer, of_customer, on_save=False)
    people("Ann", "Bob")
    people("Cem", newsletter=True)
    (done,) = process_sources(Customer, now=NOW)
    assert counts(done) == (3, 4, 4, 0)
    assert recorded() == ["Ann", "Bob", "Cem"]
    assert set(EventRecord.objects.values_list("recorded_at", flat=True)) == {NOW}
    (again,) = process_sources(now=NOW)
    assert counts(again) == (3, 4, 0, 0)
    assert EventRecord.objects.count() == 4


@pytest.mark.sqlite_only
def test_only_the_models_that_are_named_and_each_of_their_sources():
    register_model_source(Customer, of_customer, on_save=False)
    register_model_source(Customer, lambda row: [event("other", row)], on_save=False)
    register_model_source(Cart, lambda row: [event("cart", row)], on_save=False)
    Cart.objects.create(customer=people("Ann")[0])
    found = process_sources("demo.customer")
    assert [counts(done) for done in found] == [(1, 1, 1, 0), (1, 1, 1, 0)]
    found = process_sources()
    assert [done.new for done in found] == [0, 0, 1]


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    "filters", [{"carts__status": "open"}, Q(carts__status="open"), None], ids=["dict", "q", "none"]
)
def test_a_filter_says_which_rows_and_finds_each_once(filters):
    register_model_source(Customer, of_customer, on_save=False)
    ann, _bob = people("Ann", "Bob")
    Cart.objects.create(customer=ann)
    Cart.objects.create(customer=ann)
    (done,) = process_sources(Customer, filters=filters)
    assert counts(done) == ((1, 1, 1, 0) if filters else (2, 2, 2, 0))


@pytest.mark.sqlite_only
def test_a_source_says_which_rows_it_looks_at_and_what_comes_with_them():
    register_model_source(
        Cart,
        lambda cart: [event("cart", cart, {"name": cart.customer.first_name})],
        on_save=False,
        rows=Cart.objects.filter(status="open").select_related("customer"),
    )
    for name in ("Ann", "Bob", "Cem"):
        Cart.objects.create(customer=people(name)[0])
    Cart.objects.create(customer=people("Dan")[0], status="ordered")
    with CaptureQueriesContext(connection) as queries:
        process_sources(Cart)
    assert recorded("cart") == ["Ann", "Bob", "Cem"]
    assert [q["sql"] for q in queries if 'FROM "demo_customer"' in q["sql"]] == []


def test_statements_do_not_grow_with_the_rows(monkeypatch):
    monkeypatch.setattr(processing, "ROWS", 40)
    register_model_source(Customer, of_customer, on_save=False)
    many(1)
    process_sources()

    def count(number: int) -> int:
        rows = many(number)
        with CaptureQueriesContext(connection) as queries:
            (done,) = process_sources(filters={"pk__in": [row.pk for row in rows]})
        assert (done.rows, done.new) == (number, number)
        return len(queries)

    few = count(2)
    assert count(39) == few
    assert count(120) - count(80) == count(80) - count(40) == few


@pytest.mark.sqlite_only
def test_only_a_chunk_of_rows_is_in_memory(monkeypatch):
    monkeypatch.setattr(processing, "ROWS", 3)
    asked = []
    register_model_source(Customer, lambda row: asked.append(row.pk), on_save=False)
    rows = [each.pk for each in many(7)]
    progress = []
    with CaptureQueriesContext(connection) as queries:
        process_sources(progress=lambda done: progress.append(done.rows))
    assert (asked, progress) == (rows, [3, 6, 7])
    selects = [q["sql"] for q in queries if 'FROM "demo_customer"' in q["sql"]]
    assert [sql.rpartition("ORDER BY")[2] for sql in selects] == [
        ' "demo_customer"."id" ASC LIMIT 3'
    ] * 3


@pytest.mark.sqlite_only
def test_a_row_with_many_events_takes_several_portions_and_none_is_lost(settings):
    settings.AUTOMATION = {"RECORD_CHUNK": 4}
    register_model_source(
        Customer, lambda row: (Event("many", f"{row.pk}:{n}") for n in range(3)), on_save=False
    )
    many(5)
    with CaptureQueriesContext(connection) as queries:
        assert counts(process_sources()[0]) == (5, 15, 15, 0)
    inserts = [q["sql"] for q in queries if "INSERT INTO" in q["sql"]]
    assert len(inserts) == 5  # two rows would be more than four events


@pytest.mark.sqlite_only
def test_the_order_of_a_sources_rows_loses_none(monkeypatch):
    monkeypatch.setattr(processing, "ROWS", 3)
    backwards = Customer.objects.order_by("pk").reverse()
    register_model_source(Customer, of_customer, on_save=False, rows=backwards)
    many(10)
    assert counts(process_sources()[0]) == (10, 10, 10, 0)


# A row that fails ---------------------------------------------------------------------------


def fragile(customer: Customer) -> Iterator[Event]:
    yield event("known", customer, {"name": customer.first_name})
    match customer.first_name:
        case "raises":
            raise LookupError("no such thing")
        case "asks":
            with connection.cursor() as cursor:
                cursor.execute("SELECT no_such_column FROM demo_customer")
        case "keyless":
            yield Event("known", "")
        case "object":
            yield event("met", customer, {"name": customer})
        case "dict":
            yield {"group": "known"}


WRONG = ("raises", "asks", "keyless", "object", "dict")


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_row_that_fails_stops_no_other_and_makes_nothing(wrong, dry_run, caplog):
    register_model_source(Customer, fragile, on_save=False)
    _ann, row, *_rest = people("Ann", wrong, "Bob", "Cem")
    with transaction.atomic():
        (done,) = process_sources(dry_run=dry_run)
        assert recorded() == ([] if dry_run else ["Ann", "Bob", "Cem"])
    assert counts(done) == (4, 3, 3, 1)
    ((pk, reason),) = done.reasons
    said = {
        "raises": "LookupError: no such thing",
        "asks": "Error: ",  # each database says it in its own words
        "keyless": "ValueError: known: An event needs a key: it is what makes it happen only once.",
        "object": "TypeError: ",
        "dict": f"TypeError: {__name__}.fragile yielded {{'group': 'known'}}, which is no Event.",
    }
    assert pk == row.pk
    assert said[wrong] in reason
    assert [each.getMessage() for each in caplog.records] == [
        f"The source {__name__}.fragile failed on 1 rows of demo.Customer, the first of them "
        f"{row.pk}: {reason}"
    ]


@pytest.mark.sqlite_only
def test_of_many_rows_that_fail_the_first_reasons_are_kept_and_the_others_counted():
    register_model_source(Customer, fragile, on_save=False)
    rows = people(*["keyless"] * 15, "Ann", *["raises"] * 15, "Bob")
    (done,) = process_sources()
    assert counts(done) == (32, 2, 2, 30)
    assert recorded() == ["Ann", "Bob"]
    assert len(done.reasons) == 10
    assert {pk for pk, _reason in done.reasons} < {row.pk for row in rows}


@pytest.mark.sqlite_only
def test_one_row_that_cannot_be_written_is_found_by_halves():
    register_model_source(Customer, fragile, on_save=False)
    people(*["Ann"] * 63, "keyless", *["Bob"] * 64)
    with CaptureQueriesContext(connection) as queries:
        assert counts(process_sources()[0]) == (128, 127, 127, 1)
    inserts = [q["sql"] for q in queries if "INSERT INTO" in q["sql"]]
    assert len(inserts) == 7  # halves of 128 rows


# Dry runs, and beside others -----------------------------------------------------------------


@pytest.mark.sqlite_only
def test_a_dry_run_counts_what_would_be_new_and_records_nothing():
    register_model_source(Customer, of_customer, on_save=False)
    ann, *_rest = people("Ann", "Bob", "Cem")
    record([event("known", ann)])
    with CaptureQueriesContext(connection) as queries:
        (done,) = process_sources(dry_run=True)
    assert counts(done) == (3, 3, 2, 0)
    assert {q["sql"].split()[0] for q in queries} <= {"SELECT", "SAVEPOINT", "RELEASE"}


@pytest.mark.django_db(transaction=True)
def test_each_chunk_stays_that_was_recorded_before_it_was_killed(monkeypatch):
    monkeypatch.setattr(processing, "ROWS", 2)
    register_model_source(Customer, of_customer, on_save=False)
    people("Ann", "Bob", "Cem", "Dan")
    heard = []

    @listen("known")
    def hear(event):
        heard.append(event.context["name"])

    def kill(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        process_sources(progress=kill)
    assert recorded() == sorted(heard) == ["Ann", "Bob"]
    assert counts(process_sources()[0]) == (4, 4, 2, 0)
    assert recorded() == sorted(heard) == ["Ann", "Bob", "Cem", "Dan"]


# What cannot be -----------------------------------------------------------------------------


@pytest.mark.sqlite_only
def test_what_cannot_be_processed_is_refused_before_anything_is_done():
    with pytest.raises(ImproperlyConfigured, match=r"for demo.Order. register_model_source\(\) do"):
        process_sources(Order)
    register_model_source(Customer, of_customer, on_save=False)
    register_model_source(Cart, lambda cart: None, on_save=False)
    people("Ann")
    for models, error, said in [
        ([Customer, Order], ImproperlyConfigured, "no source is registered for demo.Order."),
        (["demo.Costumer"], ImproperlyConfigured, "Did you mean 'demo.Customer'?"),
    ]:
        with pytest.raises(error, match=said):
            process_sources(*models)
    with pytest.raises(FieldError, match="Cannot resolve keyword 'first_name'"):
        process_sources(filters={"first_name": "Ann"})  # carts have none
    with pytest.raises(TypeError, match="filters is 'open'. Give a Q, or a mapping"):
        process_sources(filters="open")  # type: ignore[arg-type]
    assert recorded() == []


class OldCustomers:
    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return "old" if model is Customer else None


@pytest.mark.sqlite_only
def test_rows_in_another_database_are_refused(settings):
    register_model_source(Customer, of_customer)
    settings.DATABASE_ROUTERS = [OldCustomers()]
    with pytest.raises(
        ImproperlyConfigured, match="are in the database 'old', events in 'default'"
    ):
        process_sources()
