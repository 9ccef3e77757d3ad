"""What runs are about is told as people call it."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from automation.chains.models import Chain, ChainRun
from automation.chains.run_pages.subjects import subjects
from automation.demo.models import Cart, Customer
from automation.rules.sources import Source, sources
from tests import coded, shop
from tests.observed import Ticket, tables
from tests.sequences import reminders
from tests.shop import NOW

__all__ = ["tables"]

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]


def told() -> list[str]:
    runs = ChainRun.objects.select_related("chain").prefetch_related("resources").order_by("pk")
    return [str(subject) for subject in subjects(runs).values()]


def about(source: str) -> Chain:
    made = Chain.objects.create(name=source, slug=source.replace(".", "-"), source=source)
    made.transitions.create(name="Go", to_state="DONE", wait_number=9, source=source)
    made.arm(NOW)
    return made


def test_a_row_is_told_by_its_number_its_own_name_and_its_person():
    ann = shop.customer(email="ann@example.com", first_name="Ann", last_name="Miller")
    nobody = shop.customer(email="x@example.com", first_name="", last_name="")
    cart, other = shop.cart(ann), shop.cart(nobody)
    reminders().start(cart, NOW)
    reminders().start(other, NOW)
    about("demo.customer").start(ann, NOW)
    order = ann.orders.create(number="2026-7")
    about("demo.order").start(order, NOW)
    assert told() == [
        f"Cart {cart.pk} · Ann Miller <ann@example.com>",
        f"Cart {other.pk} · x@example.com",
        f"Customer {ann.pk} · Ann Miller <ann@example.com>",
        f"Order {order.pk} · 2026-7 · Ann Miller <ann@example.com>",
    ]


def test_of_a_row_that_is_gone_its_number_is_left():
    cart = shop.cart()
    reminders().start(cart, NOW)
    pk = cart.pk
    cart.delete()
    assert told() == [f"Cart {pk}"]


def test_a_source_that_is_registered_no_more_hides_no_run():
    cart = shop.cart()
    of = reminders()
    of.start(cart, NOW)
    Chain.objects.update(source="demo.gone")
    assert told() == [f"Cart {cart.pk}"]


def test_a_row_without_a_number_is_told_by_its_name(tables, monkeypatch):
    monkeypatch.setattr(Ticket, "__str__", lambda ticket: ticket.text)
    with sources.registered(Source(Ticket, ["text"])):
        of = about("tests.ticket")
        of.start(Ticket.objects.create(text="Row 3, seat 14"), NOW)
        assert told() == ["Row 3, seat 14"]


def test_a_run_in_code_is_told_by_its_resources():
    with coded.registered():
        coded.run()
        assert told() == ["customer 57844, online_booking 123456"]


def test_many_runs_ask_one_question_for_each_source():
    first, second, customers = reminders(), reminders(), about("demo.customer")

    def begin(number: int) -> None:
        for _number in range(number):
            cart = shop.cart()
            first.start(cart, NOW), second.start(cart, NOW), customers.start(cart.customer, NOW)

    def asked() -> int:
        runs = list(ChainRun.objects.select_related("chain").prefetch_related("resources"))
        with CaptureQueriesContext(connection) as captured:
            found: Any = subjects(runs)
        assert len(found) == len(runs)
        return len(captured)

    begin(1)
    assert asked() == 2
    begin(8)
    assert (asked(), Cart.objects.count(), Customer.objects.count()) == (2, 9, 9)
