"""Why a run is where it is, and where all of them are."""

import datetime

import pytest

from automation.chains import advancing, entering
from automation.chains.activity import ended, in_states, on_their_way, ways_taken
from automation.chains.models import ChainRun, ChainStep
from automation.chains.why import why
from automation.demo.models import Cart
from tests import shop
from tests.sequences import OPEN, ORDERED, chain, reminders
from tests.shop import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

DAY = datetime.timedelta(days=1)


def test_each_way_says_its_wait_and_its_conditions():
    demo = reminders(limit_days=30, time_zone="UTC")
    run = demo.start(shop.cart(shop.customer(time_zone="UTC")), NOW)
    advancing.work(NOW + 2 * DAY)
    run.refresh_from_db()
    found = why(run, NOW + 5 * DAY)
    assert [(way.transition.name, way.over_at, way.has_waited) for way in found.ways] == [
        ("Voucher", NOW + 9 * DAY, False),
        ("Second reminder", NOW + 9 * DAY, False),
    ]
    (condition,) = found.ways[0].conditions
    assert (condition.sentence, condition.shown, condition.passed) == (
        "number of paid orders before is at least 2", "0", False,
    )  # fmt: skip
    assert [way.is_valid for way in why(run, NOW + 9 * DAY).ways] == [False, True]
    assert [line.passed for line in found.goal] == [False]
    assert (found.limit, found.decision.next_update) == (NOW + 30 * DAY, NOW + 9 * DAY)
    assert why(run, NOW + 9 * DAY).decision.transition.name == "Second reminder"


def test_a_run_whose_row_is_gone_says_so():
    demo = reminders()
    cart = shop.cart()
    run = demo.start(cart, NOW)
    cart.delete()
    found = why(run, NOW)
    assert ([way.conditions for way in found.ways], found.goal) == ([None], None)
    assert found.decision.outcome == "left"


def test_somebody_can_have_a_run_looked_at_at_once():
    of = chain(
        ("Ordered", ["NEW"], "DONE", {"when": [ORDERED]}),
        ("Later", ["NEW"], "A", {"days": 2}),
    )
    first, second = of.start(shop.cart(), NOW), of.start(shop.cart(), NOW)
    advancing.work(NOW)
    Cart.objects.update(status=Cart.Status.ORDERED)
    done = advancing.advance_run(first, NOW, requested_by="ann")
    assert (done.moved, done.steps) == (1, {"Ordered": 1})
    assert list(ChainStep.objects.values_list("run", "requested_by")) == [(first.pk, "ann")]
    ChainRun.objects.filter(pk=second.pk).pause()
    assert advancing.advance_run(second, NOW).looked_at == 0
    of.pause()
    assert advancing.advance_run(second, NOW).looked_at == 0


def test_where_everybody_is_and_which_way_they_came():
    for _number in range(3):
        shop.cart()
    demo = reminders()
    entering.enter(demo, NOW)
    advancing.work(NOW + 2 * DAY)
    ChainRun.objects.filter(pk=ChainRun.objects.latest("pk").pk).move("LAST", NOW + 3 * DAY, "ann")
    ChainRun.objects.filter(pk=ChainRun.objects.earliest("pk").pk).cancel(NOW + 3 * DAY)
    other = chain(("Go", ["NEW"], "DONE", {}), entry=[OPEN])
    now = NOW + 4 * DAY
    assert in_states(demo) == {"REMINDED": 1, "LAST": 1}
    assert on_their_way([demo, other]) == {demo.pk: 2, other.pk: 0}
    reminder = demo.transitions.get(name="Reminder")
    assert ways_taken(demo, now) == {
        (reminder.pk, "Reminder", "NEW"): 3, (None, "", "REMINDED"): 1,
    }  # fmt: skip
    assert ways_taken(demo, now, days=1) == {}
    assert (ended(demo, now), ended(demo, now, days=1)) == ({"cancelled": 1}, {})
