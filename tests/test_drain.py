"""``drain``: what waits for queued listeners is told here and now."""

import datetime
import threading
import unittest
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import TestCase
from django.utils import timezone

from automation.demo.models import Customer
from automation.events import Event, drain, record
from automation.events.dispatch import listeners
from automation.events.draining import Drained
from automation.events.models import ListenerCall
from mails.models import Message
from tests import shop
from tests.listening import listeners as theirs  # noqa: F401 - registers them here
from tests.processes import Cluster
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db

heard: list[str] = []


def hear(event: Event) -> None:
    heard.append(event.key)


def go_on(event: Event) -> None:
    """Three times, each time with a further event."""
    heard.append(event.key)
    if event.key < "3":
        record([Event("step", str(int(event.key) + 1))])


def stumble(event: Event) -> None:
    raise LookupError("no stock")


@pytest.fixture(autouse=True)
def queued() -> Iterator[None]:
    heard.clear()
    with (
        listeners.registered("order_.*", hear, queue=True),
        listeners.registered("step", go_on, queue=True),
        listeners.registered("broken", stumble, queue=True),
    ):
        yield


def happen(*keys: str, group: str = "order_paid") -> None:
    record(Event(group, key) for key in keys)


def test_what_waits_is_told_here_and_once():
    happen("1", "2")
    assert heard == []
    assert drain() == Drained(told=2)
    assert heard == ["1", "2"]
    assert drain() == Drained()
    assert ListenerCall.objects.filter(state="sent").count() == 2


def test_what_listeners_record_themselves_is_told_too():
    happen("1", group="step")
    assert drain() == Drained(told=3)
    assert heard == ["1", "2", "3"]


def test_an_error_is_on_its_row_and_is_tried_again_later():
    happen("1", group="broken")
    happen("2")
    assert drain() == Drained(told=1, postponed=1)
    call = ListenerCall.objects.get(state="queued")
    assert call.reason == "LookupError: no stock"
    assert call.not_before > timezone.now()
    assert drain() == Drained()


def test_what_ends_without_success_is_counted(settings: Any):
    settings.AUTOMATION = {"DELIVERY_ATTEMPTS": 1}
    happen("1", group="broken")
    assert drain() == Drained(ended=1)
    assert ListenerCall.objects.get().state == "failed"


def test_it_goes_on_until_nothing_is_due_however_long_that_takes(settings: Any):
    settings.AUTOMATION = {"DELIVERY_SECONDS": 1e-9, "DELIVERY_BATCH": 1}
    happen("1", "2", "3")
    assert drain() == Drained(told=3)


def test_what_a_dead_worker_left_is_told():
    happen("1")
    assert len(ListenerCall.objects.claim(timezone.now())) == 1
    ListenerCall.objects.update(lease_until=timezone.now() - datetime.timedelta(seconds=1))
    assert drain() == Drained(told=1)
    assert ListenerCall.objects.get().deaths == 1


def test_mails_stay_where_they_are():
    shop.mail(group="order_paid")
    record([Event("order_paid", "1", recipient="ann@example.com")])
    drain()
    assert Message.objects.get().state == "queued"


# As a decorator ---------------------------------------------------------------------------


def test_it_drains_after_each_call_of_a_decorated_function():
    @drain
    def place(*keys: str, group: str = "order_paid") -> int:
        """Said."""
        happen(*keys, group=group)
        return len(heard)

    assert (place("1"), heard) == (0, ["1"])
    assert (place("2", "3", group="order_sent"), heard) == (1, ["1", "2", "3"])
    assert (place.__name__, place.__doc__) == ("place", "Said.")


def test_nothing_is_told_if_the_decorated_function_raises():
    @drain
    def place() -> None:
        happen("1")
        raise LookupError("its own")

    with pytest.raises(LookupError, match="its own"):
        place()
    assert (heard, ListenerCall.objects.get().state) == ([], "queued")


def test_what_would_end_before_it_began_is_not_decorated():
    async def later() -> None: ...

    def yields() -> Iterator[None]:
        yield

    for function in (later, yields, 3):
        with pytest.raises(TypeError, match="drain decorates functions that are neither"):
            drain(function)  # type: ignore[call-overload]


# Beside others ----------------------------------------------------------------------------


def ask_wrongly(event: Event) -> None:
    Customer.objects.create(email="ann@example.com")
    with connection.cursor() as cursor:
        cursor.execute("SELECT no_such_column FROM demo_customer")


def test_one_that_the_database_refuses_something_leaves_the_transaction_of_a_test_unharmed():
    assert connection.in_atomic_block
    with listeners.registered("order_paid", ask_wrongly, queue=True):
        happen("1", "2")
        assert drain() == Drained(told=2, postponed=2)
    assert (heard, Customer.objects.count()) == (["1", "2"], 0)
    assert ListenerCall.objects.filter(reason__contains="no_such_column").count() == 2


class Draining(TestCase):
    def test_in_the_transaction_of_a_test(self) -> None:
        assert connection.in_atomic_block
        happen("1")
        assert drain() == Drained(told=1)
        assert heard == ["1"]


Draining.__test__ = False  # type: ignore[attr-defined]


def test_in_djangos_own_test_case():
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Draining).run(result)
    assert (result.testsRun, result.errors, result.failures) == (1, [], [])


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_several_at_once_tell_each_call_once(settings: Any):
    settings.AUTOMATION = {"DELIVERY_BATCH": 7}
    keys = [f"{number:03}" for number in range(60)]
    happen(*keys)
    drained: list[Drained] = []

    def work() -> None:
        try:
            drained.append(drain())
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(heard) == keys
    assert sum(each.told for each in drained) == 60


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_beside_a_running_cluster_each_call_is_made_once(tmp_path, monkeypatch):
    heard_anywhere = tmp_path / "heard"
    monkeypatch.setenv("HEARD", str(heard_anywhere))
    cluster = Cluster(tmp_path / "cluster.log", DJANGO_SETTINGS_MODULE="tests.listening.settings")
    cluster.start()
    try:
        for number in range(20):
            happen(str(number), group="tests_listening_quiet")
            drain()
        wait_until(lambda: not ListenerCall.objects.exclude(state="sent").exists())
    finally:
        cluster.stop()
        print(cluster.log())
    assert sorted(map(int, heard_anywhere.read_text().split())) == list(range(20))


def test_who_decorates_with_parentheses_is_told():
    with pytest.raises(TypeError, match="Write @drain without parentheses"):

        @drain()  # type: ignore[operator, untyped-decorator, unused-ignore]
        def import_orders() -> None: ...
