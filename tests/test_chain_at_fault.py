"""One row that makes those fail that are looked at with it: all others go on, and it says why."""

import datetime
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from automation.chains import advancing, claiming
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


def test_one_row_that_fails_keeps_no_other_one(monkeypatch):
    monkeypatch.setattr(claiming, "CHUNK", 100)
    of = chain(MAIL, look_minutes=60)
    runs = [of.start(shop.cart(), NOW) for _number in range(30)]
    odd.add(int(runs[14].subject_key))
    ticks(8)
    of.refresh_from_db()
    assert (of.state, EventRecord.objects.count()) == ("armed", 29)
    (stuck,) = ChainRun.objects.on_their_way()
    assert (stuck.pk, stuck.state, stuck.lease_token) == (runs[14].pk, "NEW", None)
    assert stuck.problems == {"": ["ZeroDivisionError: division by zero"]}
    assert stuck.next_update > NOW + 60 * MINUTE
    odd.clear()
    ticks(1, stuck.next_update)
    of.refresh_from_db()
    assert (of.failures, EventRecord.objects.count()) == (0, 30)
    stuck.refresh_from_db()
    assert (stuck.outcome, stuck.deaths, stuck.problems) == ("done", 0, {})


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
