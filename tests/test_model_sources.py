"""Model sources: events that code makes of rows, when they are saved."""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.serializers.base import DeserializedObject
from django.db import connection, transaction
from django.db.models import Model

from automation.demo.models import Cart, Customer
from automation.events import Event, event, listen, register_model_source
from automation.events.model_sources import model_sources
from automation.events.models import EventRecord
from tests import shop
from tests.observed import Dated, Note, OldNote, fresh, tables

__all__ = ["fresh", "tables"]

pytestmark = pytest.mark.django_db


def of_customer(customer: Customer) -> Iterator[Event]:
    yield event("customer_known", customer, {"first_name": customer.first_name})
    if customer.newsletter:
        yield Event("newsletter", f"newsletter:{customer.pk}", recipient=customer.email)


def recorded() -> list[str]:
    return list(EventRecord.objects.order_by("key").values_list("key", flat=True))


def test_the_events_of_a_row_are_recorded_when_it_is_saved_each_once():
    register_model_source(Customer, of_customer)
    ann = shop.customer()
    assert recorded() == [f"customer_known:{ann.pk}"]
    ann.save()
    ann.newsletter = True
    ann.save()
    assert recorded() == [f"customer_known:{ann.pk}", f"newsletter:{ann.pk}"]


@pytest.mark.sqlite_only
def test_an_event_names_the_row_it_came_from_unless_it_names_another():
    def source(cart):
        yield Event("cart", f"cart:{cart.pk}")
        yield event("owner", cart.customer)

    register_model_source("demo.cart", source)
    cart = Cart.objects.create(customer=shop.customer())
    rows = EventRecord.objects.order_by("group").values_list("row_model", "row_pk")
    assert list(rows) == [
        ("demo.cart", str(cart.pk)), ("demo.customer", str(cart.customer.pk)),
    ]  # fmt: skip


def test_events_are_there_with_their_row_or_not_at_all():
    register_model_source(Customer, of_customer)
    with pytest.raises(LookupError), transaction.atomic():
        shop.customer()
        assert len(recorded()) == 1
        raise LookupError
    assert (recorded(), Customer.objects.count()) == ([], 0)


@pytest.mark.django_db(transaction=True)
def test_listeners_are_called_when_the_row_is_committed():
    register_model_source(Customer, of_customer)
    heard = []

    @listen("customer_known")
    def hear(event):
        heard.append(event.context["first_name"])

    with transaction.atomic():
        shop.customer(first_name="Ann")
        assert heard == []
    assert heard == ["Ann"]


@pytest.mark.sqlite_only
def test_a_source_may_return_a_list_or_nothing():
    register_model_source(Customer, lambda row: [Event("a", "a"), Event("b", "b")])
    register_model_source(Customer, lambda row: None)
    register_model_source(Customer, partial(lambda key, row: (Event("c", key),), "c"))
    shop.customer()
    assert recorded() == ["a", "b", "c"]


@pytest.mark.sqlite_only
def test_outside_of_saving_nothing_is_recorded_with_on_save_false():
    register_model_source(Customer, of_customer, on_save=False)
    shop.customer()
    assert recorded() == []


@pytest.mark.sqlite_only
def test_rows_that_a_fixture_brings_make_no_events():
    register_model_source(Customer, of_customer)
    DeserializedObject(Customer(pk=7, email="ann@example.com")).save()
    assert (Customer.objects.count(), recorded()) == (1, [])


@pytest.mark.sqlite_only
def test_rows_that_are_saved_through_a_proxy_are_rows_of_their_model(tables):
    register_model_source(Note, lambda note: [event("note", note)])
    register_model_source(OldNote, lambda note: [event("old", note)])
    note, old = Note.objects.create(), OldNote.objects.create()
    assert recorded() == [f"note:{note.pk}", f"note:{old.pk}", f"old:{old.pk}"]


# Errors -------------------------------------------------------------------------------------


def fails_at_the_end(customer: Customer) -> Iterator[Event]:
    yield Event("half", f"half:{customer.pk}")
    raise LookupError("no such thing")


def asks_wrongly(customer: Customer) -> Iterator[Event]:
    yield Event("half", f"half:{customer.pk}")
    with connection.cursor() as cursor:
        cursor.execute("SELECT no_such_column FROM demo_customer")


def has_no_key(customer: Customer) -> Iterator[Event]:
    yield Event("half", f"half:{customer.pk}")
    yield Event("no_key", "")


def brings_a_row(customer: Customer) -> Iterator[Event]:
    yield Event("half", f"half:{customer.pk}")
    yield Event("row", f"row:{customer.pk}", {"customer": customer})


@pytest.mark.parametrize("source", [fails_at_the_end, asks_wrongly, has_no_key, brings_a_row])
def test_a_source_that_fails_is_logged_and_neither_breaks_the_save_nor_records_half(source, caplog):
    register_model_source(Customer, source)
    register_model_source(Customer, of_customer)
    with transaction.atomic():
        ann = shop.customer()
        assert list(Customer.objects.all()) == [ann]  # the transaction goes on
    assert recorded() == [f"customer_known:{ann.pk}"]
    assert [record.getMessage() for record in caplog.records] == [
        f"The source {__name__}.{source.__name__} failed on demo.Customer {ann.pk}; "
        "it recorded nothing"
    ]


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("made", "said"),
    [
        ([{"group": "a"}], "wrong yielded {'group': 'a'}, which is no Event"),
        (Event("a", "b"), "wrong returned Event(group='a', key='b'"),
        (7, "wrong returned 7. Let it yield events, or return a list."),
    ],
)  # fmt: skip
def test_what_is_no_event_is_named_with_its_source(made, said, caplog):
    def wrong(row):
        return made

    register_model_source(Customer, wrong)
    shop.customer()
    assert said in caplog.text
    assert recorded() == []


class OldEvents:
    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return "old" if model is EventRecord else None


@pytest.mark.sqlite_only
def test_rows_in_another_database_than_events_record_nothing_and_it_is_said(settings, caplog):
    register_model_source(Customer, of_customer)
    settings.DATABASE_ROUTERS = [OldEvents()]
    shop.customer()
    settings.DATABASE_ROUTERS = []
    assert recorded() == []
    assert (
        "the rows of demo.Customer are in the database 'default', events in 'old'. Events are "
        "recorded in the transaction of their row" in caplog.text
    )


async def slow(row): ...


async def slow_events(row):
    yield Event("a", "a")


class SlowSource:
    async def __call__(self, row): ...


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ((Customer, "of_customer"), TypeError, "'of_customer' cannot be called."),
        ((Customer, slow), TypeError, "slow is asynchronous, and nobody would wait for it."),
        ((Customer, slow_events), TypeError, "slow_events is asynchronous"),
        ((Customer, SlowSource()), TypeError, "SlowSource is asynchronous"),
        ((Dated, of_customer), ImproperlyConfigured, "Dated is abstract and has no rows."),
        ((Model, of_customer), ImproperlyConfigured, "is no model."),
        (("demo.Costumer", of_customer), ImproperlyConfigured, "Did you mean 'demo.Customer'?"),
    ],
    ids=lambda each: "",
)
def test_what_cannot_be_a_source_is_refused(wrong, error, said):
    with pytest.raises(error, match=f"register_model_source: .*{re.escape(said)}"):
        register_model_source(*wrong)
    assert model_sources.models == []


@pytest.mark.sqlite_only
def test_rows_of_a_source_are_whole_rows_of_its_model():
    for rows in (Cart.objects.all(), Customer, Customer.objects.values("pk"),
                 Customer.objects.all()[:3],
                 Customer.objects.all().union(Customer.objects.all())):  # fmt: skip
        with pytest.raises(ImproperlyConfigured, match="register_model_source: rows (has|cannot) "):
            register_model_source(Customer, of_customer, rows=rows)
    assert model_sources.models == []


@pytest.mark.sqlite_only
def test_registering_again_changes_nothing_and_otherwise_is_refused():
    calls: list[Any] = []
    for _ in range(2):
        register_model_source(Customer, calls.append)
    shop.customer()
    assert len(calls) == 1
    with pytest.raises(ImproperlyConfigured, match="is registered for demo.Customer already, with"):
        register_model_source(Customer, calls.append, on_save=False)
