"""``expect`` as a decorator of tests: functions, asynchronous ones, and classes of them."""

import asyncio
import re
import unittest
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import TestCase

from automation.events import Event, dispatch, record
from automation.events.testing import expect
from tests.test_expect import heard, nobody_watches_afterwards

__all__ = ["nobody_watches_afterwards"]

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]


@pytest.mark.parametrize("group", ["order_paid", "order_sent"])
def test_a_decorated_function_keeps_its_arguments_and_result(group: str):
    @expect(group)
    def place(number: int, *, twice: bool) -> str:
        """Said."""
        dispatch(group)
        return f"{number} {twice}"

    assert place(1, twice=True) == place(1, twice=True) == "1 True"
    assert (place.__name__, place.__doc__) == ("place", "Said.")


def test_each_call_of_a_decorated_function_is_watched_by_itself():
    @expect("order_paid", count=1)
    def place(happens: bool) -> None:
        if happens:
            dispatch("order_paid")

    place(True)
    with pytest.raises(AssertionError, match="order_paid: not raised"):
        place(False)
    place(True)


def test_a_decorated_function_may_call_itself():
    @expect("order_paid")
    def place(happens: bool) -> None:
        if happens:
            dispatch("order_paid")
            with pytest.raises(AssertionError, match="order_paid: not raised"):
                place(False)

    place(True)


def test_an_asynchronous_function_is_watched_until_it_has_ended():
    @expect("order_paid")
    async def place(happens: bool) -> None:
        await asyncio.sleep(0)
        if happens:
            dispatch("order_paid")

    asyncio.run(place(True))
    with pytest.raises(AssertionError, match="order_paid: not raised"):
        asyncio.run(place(False))


def test_what_cannot_be_decorated_is_refused():
    def fixture() -> Iterator[None]:
        yield

    for decorated in (fixture, 3):
        with pytest.raises(TypeError, match=re.escape("expect() decorates test functions")):
            expect("x")(decorated)  # type: ignore[type-var]


def outcome(case: type[unittest.TestCase]) -> list[str]:
    """The names of the tests that failed."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.errors == []
    return [test.id().rpartition(".")[2] for test, _trace in result.failures]


def test_each_test_of_a_decorated_class_is_watched():
    @expect("order_paid")
    class Tests(unittest.TestCase):
        def setUp(self) -> None:
            self.group = "order_paid"

        def test_raised(self) -> None:
            dispatch(self.group)

        def test_not_raised(self) -> None: ...

    assert outcome(Tests) == ["test_not_raised"]


class Expecting(TestCase):
    @expect("order_paid")
    def test_raised(self) -> None:
        record([Event("order_paid", "1")])

    @expect("order_paid")
    def test_not_raised(self) -> None: ...

    def test_within(self) -> None:
        with expect("order_paid"):
            record([Event("order_paid", "1")])


# Run by the test below, and not found by itself.
Expecting.__test__ = False  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", [staticmethod, classmethod])
def test_a_test_of_a_class_may_be_static_or_of_the_class(kind: Any):
    def test_it(*given: Any) -> Any:
        heard.append("called")
        return given

    class Tests:
        test_decorated = expect("order_paid")(kind(test_it))

    Tests.test_of_class = kind(test_it)  # type: ignore[attr-defined]
    watched: Any = expect("order_paid")(Tests)
    for owner in (watched, watched()):
        for name in ("test_of_class", "test_decorated"):
            with pytest.raises(AssertionError, match="order_paid: not raised"):
                getattr(owner, name)()
    assert heard == ["called"] * 4


def test_in_djangos_own_test_case():
    assert outcome(Expecting) == ["test_not_raised"]


def test_unittest_shows_the_line_of_the_test_and_not_ours():
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromName("test_not_raised", Expecting).run(result)
    ((_test, trace),) = result.failures
    assert "automation/events" not in trace
