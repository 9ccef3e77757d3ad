"""Chains in code, about carts that exist in name only."""

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest

from automation import chains
from automation.chains import DONE, NEW, Transition
from automation.chains.models import ChainRun
from automation.chains.registry import CodeChain, code_chains
from tests.shop import NOW

DAY = datetime.timedelta(days=1)
HOUR = datetime.timedelta(hours=1)

CART: list[Any] = [("online_booking", "123456"), ("customer", "57844")]


class Step(Transition):
    """Valid as soon as its state is old enough."""

    days: ClassVar[int] = 0

    def is_valid(self) -> bool:
        if self.now < self.run.entered_at + self.days * DAY:
            self.errors.append(f"It waits for {self.days} days.")
            return False
        return True

    def build_context(self) -> dict[str, Any]:
        return {"booking": self.resource("online_booking"), **self.context}


class TwoDays(Step):
    final_state = "REMINDED"
    days = 2


class AWeek(Step):
    final_state = "REMINDED_AGAIN"
    days = 7


class Back(Step):
    final_state = "REMINDED"


class BackLater(Back):
    next_update = DAY


class Complete(Step):
    final_state = DONE

    def is_valid(self) -> bool:
        if not self.context.get("complete"):
            self.errors.append("Booking is not complete yet")
            return False
        return True


CARTS: dict[str, Any] = {
    NEW: [Complete, TwoDays],
    TwoDays.final_state: [Complete, AWeek],
    AWeek.final_state: [Complete],
    Complete.final_state: [],
}


@contextmanager
def registered(transitions: Any = None, name: str = "carts", **options: Any) -> Iterator[CodeChain]:
    """A chain that is there inside, instead of one with its name."""
    with chains.registered():
        code_chains.remove(name)
        yield chains.register(name, transitions or CARTS, **options)


@pytest.fixture(autouse=True)
def carts() -> Iterator[None]:
    """The chain "carts" is there for each test of a module that imports this."""
    with registered():
        yield


def run(resources: Any = None, **values: Any) -> ChainRun:
    """A run of the chain "carts" that began at ``NOW``."""
    found, _created = chains.get_or_create("carts", resources or CART, **{"now": NOW, **values})
    return found
