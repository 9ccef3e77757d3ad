"""What is committed between the question and the step: the statement that makes a step asks once
more, so nobody takes one who has arrived before it began."""

import datetime
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.test.utils import CaptureQueriesContext

from automation.chains import advancing, deciding, entering
from automation.chains.models import Chain, ChainRun, ChainStep
from automation.demo.models import Cart
from automation.events.models import EventRecord
from tests import shop
from tests.coded import DAY
from tests.sequences import OPEN, ORDERED, Step, chain, reminders
from tests.shop import NOW

pytestmark = pytest.mark.django_db

MINUTE = datetime.timedelta(minutes=1)
DUE = NOW + 2 * DAY

WHILE_OPEN: Step = ("Go", ["NEW"], "DONE", {"days": 2, "group": "go", "when": [OPEN]})
WITHOUT_EVENT: Step = ("Go", ["NEW"], "DONE", {"days": 2})


def happened() -> list[tuple[str, str]]:
    """The events: their group, and the row."""
    return list(EventRecord.objects.order_by("pk").values_list("group", "row_pk"))


def looked_at(of: Chain, at: datetime.datetime = DUE) -> advancing.Advanced:
    return advancing.advance(Chain.objects.get(pk=of.pk), at)


@contextmanager
def right_before_the_step(do: Callable[[], Any]) -> Iterator[None]:
    """``do`` happens on another connection, and is committed, when the worker is about to send the
    statement that makes its steps."""
    done: list[bool] = []

    def elsewhere() -> None:
        do()
        connections.close_all()

    def before(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if not done and sql.startswith("UPDATE") and '"steps" = ' in sql:
            done.append(True)
            other = threading.Thread(target=elsewhere)
            other.start()
            other.join()
        return execute(sql, *rest)

    with connection.execute_wrapper(before):
        yield
    assert done == [True]


@contextmanager
def after_the_question(monkeypatch: Any, do: Callable[[], Any]) -> Iterator[None]:
    """``do`` happens between the decision and what is written."""
    decide = deciding.decide

    def decided(*asked: Any) -> Any:
        found = decide(*asked)
        do()
        return found

    with monkeypatch.context() as patched:
        patched.setattr(advancing, "decide", decided)
        yield


def buy(*carts: Cart) -> Callable[[], Any]:
    pks = [cart.pk for cart in carts]
    return lambda: Cart.objects.filter(pk__in=pks).update(status=Cart.Status.ORDERED)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_purchase_committed_right_before_the_step_is_in_time():
    first, second = shop.cart(), shop.cart()
    of = reminders()
    entering.enter(of, NOW)
    with right_before_the_step(buy(first)):
        done = looked_at(of)
    assert (done.looked_at, done.moved, done.events) == (2, 1, 1)
    assert happened() == [("cart_reminder", str(second.pk))]
    bought = ChainRun.objects.get(subject_key=str(first.pk))
    assert (bought.state, bought.steps, bought.next_update, bought.lease_token) == (
        "NEW", 0, DUE + MINUTE, None,
    )  # fmt: skip
    assert not bought.history.exists()
    assert looked_at(of, DUE + MINUTE).ended == {"goal": 1}
    assert happened() == [("cart_reminder", str(second.pk))]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("step", [WHILE_OPEN, WITHOUT_EVENT])
def test_a_step_is_not_taken_by_whose_row_was_deleted_or_stopped_matching_before_it(step):
    first, second, third = (shop.cart() for _number in range(3))
    of = chain(step, entry=[OPEN], goal=[ORDERED] if step is WITHOUT_EVENT else None)
    entering.enter(of, NOW)

    def change() -> None:
        buy(first)()
        second.items.all().delete()
        Cart.objects.filter(pk=second.pk).delete()

    with right_before_the_step(change):
        assert looked_at(of).moved == 1
    assert ChainStep.objects.get().run.subject_key == str(third.pk)
    looked_at(of, DUE + MINUTE)
    outcomes = dict(ChainRun.objects.values_list("subject_key", "outcome"))
    assert outcomes == {
        str(first.pk): "goal" if step is WITHOUT_EVENT else "",
        str(second.pk): "left",
        str(third.pk): "done",
    }


@pytest.mark.sqlite_only
@pytest.mark.django_db(transaction=True)
def test_on_sqlite_nobody_buys_between_the_question_and_the_step(monkeypatch):
    cart = shop.cart()
    of = reminders()
    entering.enter(of, NOW)
    refused: list[str] = []

    def buy_elsewhere() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA busy_timeout = 0")
            buy(cart)()
        except OperationalError as error:
            refused.append(str(error))
        finally:
            connections.close_all()

    def elsewhere() -> None:
        other = threading.Thread(target=buy_elsewhere)
        other.start()
        other.join()

    with after_the_question(monkeypatch, elsewhere):
        assert looked_at(of).events == 1
    assert refused == ["database is locked"]


def test_two_runs_of_a_row_stand_for_themselves(monkeypatch):
    cart = shop.cart()
    of = chain(
        ("First", ["NEW"], "A", {"days": 2, "group": "first", "when": [OPEN]}),
        ("Second", ["A"], "DONE", {"group": "second"}),
        entry=[OPEN], reentry="always",
    )  # fmt: skip
    new, further = of.start(cart, NOW), of.start(cart, NOW)
    ChainRun.objects.filter(pk=further.pk).move("A", DUE)
    with after_the_question(monkeypatch, buy(cart)):
        assert looked_at(of).moved == 1
    assert happened() == [("second", str(cart.pk))]
    assert [run.state for run in ChainRun.objects.order_by("pk")] == ["NEW", "DONE"]
    new.refresh_from_db()
    assert new.next_update == DUE + MINUTE


def test_asking_again_costs_no_statement_for_each_run():
    def statements(count: int) -> int:
        ChainRun.objects.all().delete()
        Cart.objects.all().delete()
        for _number in range(count):
            shop.cart()
        entering.enter(Chain.objects.get(), NOW)
        with CaptureQueriesContext(connection) as found:
            assert looked_at(Chain.objects.get()).moved == count
        return len(found)

    reminders()
    statements(1)  # what kinds of conditions there are is known from now on
    assert (statements(2), statements(30)) == (38, 38)
