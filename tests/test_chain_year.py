"""A thousand carts, three time zones, clocks that change, orders at any time: whoever works at it
and whatever happens to them, the year is as ``tests/year.py`` tells it."""

import datetime
import random
import threading
from typing import Any

import pytest
from django.db import connection, connections

from automation.chains import advancing, claiming
from automation.chains.models import Chain, ChainRun
from tests.chain_workers import Workers
from tests.year import Year, assert_right, enter, stories

LONG_AGO = datetime.timedelta(days=999)


@pytest.mark.slow
@pytest.mark.sqlite_only
@pytest.mark.django_db
def test_a_year_of_a_thousand_carts_is_as_it_should_be():
    told = stories(1_000, random.Random(1))

    def advance(now: datetime.datetime) -> None:
        enter(now)
        advancing.work(now)

    Year(told, advance).pass_by()
    assert_right(told)


@pytest.mark.slow
@pytest.mark.sqlite_only
@pytest.mark.django_db
def test_a_year_is_the_same_in_chunks_of_any_size_and_order(monkeypatch):
    luck = random.Random(2)
    told = stories(40, luck)

    def advance(now: datetime.datetime) -> None:
        enter(now)
        monkeypatch.setattr(claiming, "CHUNK", luck.randint(1, 9))
        pks = list(ChainRun.objects.due(now).values_list("pk", flat=True))
        for pk in luck.sample(pks, len(pks) // 2):
            chain = Chain.objects.get()
            advancing.advance(chain, now, runs=ChainRun.objects.filter(pk=pk))
        advancing.work(now)

    Year(told, advance).pass_by()
    assert_right(told)


class Killed(BaseException):
    """What ends a worker: nothing catches it."""


@pytest.mark.slow
@pytest.mark.sqlite_only
@pytest.mark.django_db
def test_a_year_is_the_same_when_workers_are_killed_at_any_statement():
    luck = random.Random(3)
    told = stories(40, luck)
    kills = 0

    def advance(now: datetime.datetime) -> None:
        enter(now)
        for _worker in range(4):
            if not work_and_die(now):
                return
        advancing.work(now)

    def work_and_die(now: datetime.datetime) -> bool:
        nonlocal kills
        left = luck.randint(1, 60)

        def kill(execute: Any, *statement: Any) -> Any:
            nonlocal left
            left -= 1
            if not left:
                raise Killed
            return execute(*statement)

        try:
            with connection.execute_wrapper(kill):
                advancing.work(now)
        except Killed:
            kills += 1
            # Time goes by, until nobody believes any more that the worker lives.
            ChainRun.objects.exclude(lease_until=None).update(lease_until=now - LONG_AGO)
            return True
        return False

    Year(told, advance).pass_by()
    assert_right(told)
    assert kills > 20


# A thousand, several at once --------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(600)
@pytest.mark.django_db(transaction=True)
def test_a_year_of_a_thousand_is_the_same_with_several_workers_in_any_order():
    """Each takes some of those who are due, in an order of its own, and then what is left."""
    told, luck = stories(1_000, random.Random(4)), random.Random(5)
    failed: list[str] = []
    moved = [0, 0, 0]

    def advance(now: datetime.datetime) -> None:
        enter(now)
        chain = Chain.objects.get()
        due = list(ChainRun.objects.due(now).values_list("pk", flat=True))
        orders = [luck.sample(due, len(due)) for _worker in moved]
        size = luck.randint(3, 30)

        def work(number: int) -> None:
            mine = orders[number]
            try:
                for first in range(0, len(mine) // 2, size):
                    some = ChainRun.objects.filter(pk__in=mine[first : first + size])
                    note(number, advancing.advance(chain, now, runs=some))
                for done in advancing.work(now).values():
                    note(number, done)
            except Exception as error:
                failed.append(repr(error))
            finally:
                connections.close_all()

        workers = [threading.Thread(target=work, args=[number]) for number in range(len(moved))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def note(number: int, done: advancing.Advanced) -> None:
        moved[number] += done.moved
        if done.error:
            failed.append(done.error)

    Year(told, advance).pass_by()
    assert failed == []
    assert_right(told)
    assert all(moved), moved


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(600)
@pytest.mark.django_db(transaction=True)
def test_a_year_of_a_thousand_is_the_same_when_processes_are_killed():
    """Three processes do what ``advance_chains`` does; one after the other is killed in the midst
    of it, and all claims run out while the others are still at work."""
    told, luck = stories(1_000, random.Random(6)), random.Random(7)
    with Workers(3) as workers:

        def advance(now: datetime.datetime) -> None:
            kill_after = luck.randint(1, 40) if luck.random() < 0.5 else None
            if not workers.work(now, kill_after):
                workers.work(now)

        Year(told, advance).pass_by()
    assert_right(told)
    assert workers.kills > 20
    assert workers.claims_left > 10
