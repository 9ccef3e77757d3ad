"""Queued listeners: told by the cluster, at least once, whatever happens to a worker."""

import datetime
import logging
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from automation.events import Event, dispatch, listen, record
from automation.events.declared import dotted_name
from automation.events.delivering import deliver
from automation.events.dispatch import listeners
from automation.events.listeners.courier import ListenerCourier
from automation.events.models import EventRecord, ListenerCall
from automation.events.tasks import ring_for_deliveries
from tests import shop
from tests.listening import listeners as theirs  # registers them here, too, for good
from tests.processes import Cluster
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db

NOW = shop.NOW

heard: list[str] = []


def hear(event: Event) -> None:
    heard.append(event.key)


def hear_also(event: Event) -> None:
    heard.append(f"also {event.key}")


def stumble(event: Event) -> None:
    raise LookupError(f"no stock for {event.key}")


def break_the_database(event: Event) -> None:
    with transaction.atomic():
        EventRecord.objects.create(key=event.key, recording=uuid.uuid4(), recorded_at=NOW)


@pytest.fixture(autouse=True)
def forget() -> None:
    heard.clear()


@pytest.fixture
def queued() -> Iterator[None]:
    with listeners.registered("order_.*", hear, queue=True):
        yield


def happen(*keys: str, group: str = "order_paid", now: datetime.datetime | None = None) -> None:
    record((Event(group, key) for key in keys), now=now)


def tell_due(now: datetime.datetime | None = None) -> None:
    batch = ListenerCall.objects.claim(now or timezone.now())
    with ListenerCourier() as courier:
        deliver(batch, courier)


def calls(*columns: str) -> list[Any]:
    return list(ListenerCall.objects.order_by("pk").values_list(*columns))


# Written down -----------------------------------------------------------------------------


def test_a_queued_listener_is_told_in_the_cluster_and_not_where_it_is_recorded(
    queued: None, django_capture_on_commit_callbacks: Any
):
    with (
        listeners.registered("order_.*", hear_also),
        django_capture_on_commit_callbacks(execute=True),
    ):
        happen("1", "2")
    assert heard == ["also 1", "also 2"]
    heard.clear()
    assert calls("listener", "state", "event__key") == [
        (f"{__name__}.hear", "queued", "1"), (f"{__name__}.hear", "queued", "2"),
    ]  # fmt: skip
    tell_due()
    assert heard == ["1", "2"]
    assert calls("state", "reason") == [("sent", ""), ("sent", "")]


def test_it_is_told_once_of_an_event_however_often_that_is_recorded(queued: None):
    with listeners.registered("order_paid", hear, queue=True):  # heard twice, told once
        happen("1")
        happen("1")
    assert len(calls("pk")) == 1


def test_what_it_does_not_hear_it_is_not_told(queued: None):
    happen("1", group="cart_left")
    assert calls("pk") == []


def test_the_call_is_there_with_the_event_or_not_at_all(queued: None):
    with pytest.raises(LookupError), transaction.atomic():
        happen("1")
        assert len(calls("pk")) == 1
        raise LookupError
    assert (calls("pk"), EventRecord.objects.count()) == ([], 0)


def test_calls_cost_a_constant_number_of_statements(queued: None):
    record([])
    counts = []
    with listeners.registered("order_.*", hear_also, queue=True):
        for number in (2, 200):
            with CaptureQueriesContext(connection) as captured:
                happen(*(f"{number}-{each}" for each in range(number)))
            counts.append(len(captured))
    assert counts[0] == counts[1]
    assert len(calls("pk")) == 404


def test_what_is_dispatched_without_recording_is_told_at_once(queued: None):
    dispatch("order_opened")
    assert heard == [""]
    assert calls("pk") == []


# Told -------------------------------------------------------------------------------------


def test_an_error_is_shown_and_it_is_told_again_later(caplog: pytest.LogCaptureFixture):
    with listeners.registered("order_.*", stumble, queue=True):
        happen("1")
        tell_due()
    assert calls("state", "reason", "attempts") == [
        ("queued", "LookupError: no stock for 1", 1)
    ]  # fmt: skip
    assert ListenerCall.objects.get().not_before > timezone.now()
    (logged,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert logged.getMessage() == f"The listener {__name__}.stumble failed"
    assert logged.exc_info is not None


def test_it_is_given_up_after_so_many_attempts(settings: Any):
    settings.AUTOMATION = {"DELIVERY_ATTEMPTS": 2}
    with listeners.registered("order_.*", stumble, queue=True):
        happen("1")
        tell_due()
        ListenerCall.objects.update(not_before=timezone.now())
        tell_due()
    assert calls("state", "cause", "reason") == [
        ("failed", "given_up", "Given up after 2 attempts: LookupError: no stock for 1")
    ]


def test_a_listener_that_fails_stops_no_other(queued: None):
    with (
        listeners.registered("order_.*", stumble, queue=True),
        listeners.registered("order_.*", break_the_database, queue=True),
        listeners.registered("order_.*", hear_also, queue=True),
    ):
        happen("1", "2")
        tell_due()
    assert sorted(heard) == ["1", "2", "also 1", "also 2"]
    states = dict.fromkeys(calls("listener", "state"))
    assert {(name.rpartition(".")[2], state) for name, state in states} == {
        ("hear", "sent"), ("hear_also", "sent"), ("stumble", "queued"),
        ("break_the_database", "queued"),
    }  # fmt: skip
    broken = ListenerCall.objects.filter(listener=dotted_name(break_the_database))
    assert {reason.partition(":")[0] for (reason,) in broken.values_list("reason")} == {
        "IntegrityError"
    }


def test_one_that_is_no_longer_there_waits_for_its_release_and_then_fails(queued: None):
    happen("1")
    happen("2", now=timezone.now() - datetime.timedelta(hours=2))
    ListenerCall.objects.update(listener="shop.listeners.gone")
    tell_due()
    said = "There is no listener of this name: it was renamed or removed."
    assert calls("state", "cause", "reason", "attempts") == [
        ("queued", "", said, 0), ("failed", "gone", said, 1),
    ]  # fmt: skip


def test_a_name_in_the_database_runs_nothing_that_is_not_registered(queued: None):
    happen("1", now=timezone.now() - datetime.timedelta(hours=2))
    ListenerCall.objects.update(listener=dotted_name(hear_also))
    tell_due()
    assert heard == []
    assert calls("state") == [("failed",)]


def test_a_worker_that_died_with_it_is_followed_by_another(queued: None):
    happen("1")
    (call,) = ListenerCall.objects.claim(timezone.now())
    assert call.hand_over(timezone.now())
    ListenerCall.objects.update(lease_until=timezone.now() - datetime.timedelta(seconds=1))
    assert ListenerCall.objects.sweep(timezone.now()) == (1, 0)
    tell_due()
    assert heard == ["1"]
    assert calls("state", "deaths") == [("sent", 1)]


leases: list[datetime.datetime] = []


def look_at_the_lease(event: Event) -> None:
    leases.extend(ListenerCall.objects.values_list("lease_until", flat=True))


def test_a_slow_listener_keeps_its_claim_as_long_as_a_task_may_take(settings: Any):
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "timeout": 300}
    with listeners.registered("order_.*", look_at_the_lease, queue=True):
        happen("1")
        tell_due()
    (until,) = leases
    assert abs((until - timezone.now()).total_seconds() - 300) < 60


# Registered -------------------------------------------------------------------------------


def test_what_the_cluster_could_not_find_is_not_registered():
    def local(event: Event) -> None: ...

    class Called:
        def __call__(self, event: Event) -> None: ...

    before = len(listeners.hearing("x"))
    for listener in (local, lambda event: None, partial(hear), Called()):
        with pytest.raises(ValueError, match="cannot be queued: the cluster would not find it"):
            listen("x", queue=True)(listener)
    assert len(listeners.hearing("x")) == before


def test_two_functions_of_one_name_are_not_both_queued(queued: None):
    def other(event: Event) -> None: ...

    other.__qualname__ = "hear"
    with (
        pytest.raises(ValueError, match=f"two listeners called {__name__}.hear, and one of"),
        listeners.registered("x", other, queue=True),
    ):
        raise AssertionError("it was registered")


def test_a_queued_function_is_found_also_beside_a_partial_of_it(queued: None):
    beside = partial(hear)
    with listeners.registered("x", beside):
        assert listeners.named(dotted_name(hear)) == hear
    assert dotted_name(beside) == f"{__name__}.hear"


# With a real cluster ----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_cluster_tells_listeners_and_again_when_a_worker_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    heard_there = tmp_path / "heard"
    monkeypatch.setenv("HEARD", str(heard_there))
    cluster = Cluster(tmp_path / "cluster.log", DJANGO_SETTINGS_MODULE="tests.listening.settings")
    cluster.start()
    try:
        happen("1", "2", group="tests_listening_quiet")
        happen("3", group="tests_listening_killer")
        killer = ListenerCall.objects.filter(listener=dotted_name(theirs.kill_the_worker_once))
        trace = heard_there.with_suffix(".killed")
        wait_until(trace.exists, message="The worker is killed")
        # A minute's wait for the tick, and the end of the claim, without waiting.
        killer.update(lease_until=timezone.now() - datetime.timedelta(seconds=1))
        ListenerCall.objects.exclude(pk__in=killer).filter(state="sending").update(
            lease_until=timezone.now() - datetime.timedelta(seconds=1)
        )
        ring_for_deliveries(timezone.now())
        wait_until(lambda: not ListenerCall.objects.exclude(state="sent").exists(), 60)
    finally:
        cluster.stop()
        print(cluster.log())
    assert trace.read_text() == "and told again"
    assert set(heard_there.read_text().split()) == {"1", "2", "3"}
    assert killer.get().deaths == 1
