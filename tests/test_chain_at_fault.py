"""One row that makes those fail that are looked at with it: all others go on, and it says why."""

import datetime
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from automation.chains import advancing, claiming, failing
from automation.chains.models import Chain, ChainRun
from automation.events.models import EventRecord
from automation.rules.sources import sources
from tests import shop
from tests.sequences import Step, chain
from tests.shop import NOW

pytestmark = pytest.mark.django_db

MAIL: Step = ("Mail", ["NEW"], "DONE", {"group": "mail"})
MINUTE = datetime.timedelta(minutes=1)

#: Rows that the project's code cannot bear.
odd: set[int] = set()


def share(rows: Any, _now: Any) -> list[dict[str, Any]]:
    return [{"share": 100 / (row["id"] not in odd)} for row in rows]


@pytest.fixture(autouse=True)
def shares() -> Iterator[None]:
    odd.clear()
    computing = replace(sources.get("demo.cart"), computed=["share"], compute=share)
    with sources.registered(computing):
        yield


def ticks(number: int, since: datetime.datetime = NOW) -> None:
    for minute in range(number):
        advancing.work(since + minute * MINUTE)


STUCK = {"": ["ZeroDivisionError: division by zero"]}


def test_one_row_that_fails_keeps_no_other_one():
    of = chain(MAIL, look_minutes=60)
    runs = [of.start(shop.cart(), NOW) for _number in range(30)]
    odd.add(int(runs[14].subject_key))
    found = advancing.work(NOW)[of]
    assert (found.looked_at, found.moved, found.error) == (30, 29, STUCK[""][0])
    of.refresh_from_db()
    assert (of.state, of.failures, EventRecord.objects.count()) == ("armed", 0, 29)
    (stuck,) = ChainRun.objects.on_their_way()
    assert (stuck.pk, stuck.state, stuck.lease_token) == (runs[14].pk, "NEW", None)
    assert (stuck.problems, stuck.next_update) == (STUCK, NOW + 60 * MINUTE)
    odd.clear()
    ticks(1, stuck.next_update)
    assert EventRecord.objects.count() == 30
    stuck.refresh_from_db()
    assert (stuck.outcome, stuck.deaths, stuck.problems) == ("done", 0, {})


@pytest.mark.parametrize("number", [7, 25])
def test_rows_that_fail_at_the_front_are_found_within_one_tick(monkeypatch, number):
    monkeypatch.setattr(claiming, "CHUNK", 50)
    of = chain(MAIL, look_minutes=60)
    runs = [of.start(shop.cart(), NOW) for _number in range(100)]
    odd.update(int(run.subject_key) for run in runs[:number])
    ticks(1)
    of.refresh_from_db()
    assert (of.state, of.failures, EventRecord.objects.count()) == ("armed", 0, 100 - number)
    stuck = ChainRun.objects.on_their_way().order_by("pk")
    assert list(stuck) == runs[:number]
    assert {(str(run.problems), run.next_update) for run in stuck} == {
        (str(STUCK), NOW + 60 * MINUTE)
    }


def test_a_few_rows_that_fail_with_nobody_else_there_pause_nothing():
    of = chain(MAIL, look_minutes=1)
    for _number in range(7):
        odd.add(int(of.start(shop.cart(), NOW).subject_key))
    ticks(30)
    of.refresh_from_db()
    assert (of.state, of.failures) == ("armed", 1)
    assert {str(run.problems) for run in ChainRun.objects.all()} == {str(STUCK)}


def test_one_that_fails_alone_is_tried_once_more_before_it_is_set_aside():
    of = chain(MAIL, look_minutes=60)
    run = of.start(shop.cart(), NOW)
    odd.add(int(run.subject_key))
    ticks(1)
    run.refresh_from_db()
    assert (run.problems, run.next_update) == ({}, NOW)
    ticks(1, NOW + MINUTE)
    run.refresh_from_db()
    assert (run.problems, run.next_update) == (STUCK, NOW + 61 * MINUTE)


def test_what_is_not_found_out_in_time_is_taken_fewer_at_a_time(monkeypatch):
    monkeypatch.setattr(failing, "SECONDS", -1)
    of = chain(MAIL)
    runs = [of.start(shop.cart(), NOW) for _number in range(30)]
    odd.add(int(runs[14].subject_key))
    ticks(1)
    assert set(ChainRun.objects.values_list("deaths", "lease_token")) == {(1, None)}
    of.refresh_from_db()
    assert (of.failures, EventRecord.objects.count()) == (1, 0)


def test_a_chain_all_of_whose_rows_fail_is_paused():
    of = chain(MAIL)
    for _number in range(30):
        odd.add(int(of.start(shop.cart(), NOW).subject_key))
    ticks(10)
    of.refresh_from_db()
    assert (of.state, EventRecord.objects.count()) == ("paused", 0)
    assert "ZeroDivisionError: division by zero" in of.state_reason
    assert not ChainRun.objects.filter(is_paused=True).exists()
    odd.clear()
    Chain.objects.get().arm(NOW + 20 * MINUTE)
    ticks(1, NOW + 20 * MINUTE)
    assert EventRecord.objects.count() == 30
