"""Whoever gives chains a moment without a time zone is told so, and nothing has changed."""

import datetime
from typing import Any

import pytest

from automation.chains import advancing, entering
from automation.chains.models import ChainRun
from tests import shop
from tests.sequences import OPEN, Step, chain
from tests.shop import NOW

pytestmark = pytest.mark.django_db

NAIVE = datetime.datetime(2026, 3, 10, 12)

AT_ONCE: Step = ("At once", ["NEW"], "REMINDED", {})
LATER: Step = ("Later", ["REMINDED"], "DONE", {"days": 1})

RUNS = ChainRun.objects


@pytest.mark.parametrize(
    "do",
    [
        lambda of, cart: of.arm(NAIVE),
        lambda of, cart: of.start(cart, NAIVE),
        lambda of, cart: entering.enter(of, NAIVE),
        lambda of, cart: advancing.work(NAIVE),
        lambda of, cart: advancing.advance(of, NAIVE),
        lambda of, cart: advancing.advance_run(RUNS.get(), NAIVE),
        lambda of, cart: RUNS.all().wake(NAIVE),
        lambda of, cart: RUNS.all().look_anew(NAIVE),
        lambda of, cart: RUNS.all().resume(NAIVE),
        lambda of, cart: RUNS.all().cancel(NAIVE),
        lambda of, cart: RUNS.all().move("REMINDED", NAIVE),
    ],
    ids=[
        "arm", "start", "enter", "work", "advance", "advance_run", "wake", "look_anew", "resume",
        "cancel", "move",
    ],
)  # fmt: skip
def test_a_moment_without_a_time_zone_is_refused(do: Any) -> None:
    of = chain(AT_ONCE, LATER, entry=[OPEN])
    of.start(shop.cart(), NOW)
    before = list(RUNS.values())
    with pytest.raises(ValueError, match=r"now is datetime\.datetime\(.*which has no time zone"):
        do(of, shop.cart())
    of.refresh_from_db()
    assert (list(RUNS.values()), of.state, of.failures) == (before, "armed", 0)
    assert of.lease_until is None
