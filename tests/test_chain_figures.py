"""How many went which way through a chain, and what became of them."""

import datetime

import pytest
from django.utils import timezone

from automation.chains import advancing, entering
from automation.chains.checking import read_whole
from automation.chains.models import Chain, ChainRun, ChainStep
from automation.chains.picture import picture
from automation.chains.traffic import Share, traffic
from automation.chains.vanishing import keep_counting, rename_all, rename_in_steps
from automation.demo.models import Cart
from automation.rules import definitions
from tests import shop
from tests.sequences import OPEN, ORDERED, chain, reminders, transition
from tests.shop import NOW
from tests.test_chain_pages import items, page_of

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

DAY = datetime.timedelta(days=1)


def figures(of, now) -> dict[tuple[str, str], int]:
    """How many took each step lately, by its name of today and the state it came from."""
    of, steps = read_whole(of.pk)
    names = {step.pk: step.name for step in steps}
    return {(names[pk], at): n for (pk, at), n in traffic(of, steps, now).went.items()}


def compared(of, now) -> dict[tuple[str, str], Share]:
    of, steps = read_whole(of.pk)
    names = {step.pk: step.name for step in steps}
    return {(names[pk], at): share for (pk, at), share in traffic(of, steps, now).compared.items()}


def rename_states(of, **names) -> None:
    """As saving the form of a chain does it."""
    of = Chain.objects.get(pk=of.pk)
    of.states = [names.get(state, state) for state in of.states]
    of.save()
    rename_in_steps(of, names)
    keep_counting(of, names)
    rename_all(of, names)


def walked(carts: int, days: int) -> Chain:
    """A chain of reminders that so many have gone through for so many days."""
    for _number in range(carts):
        shop.cart()
    of = reminders()
    entering.enter(of, NOW)
    for day in range(days + 1):
        advancing.work(NOW + day * DAY)
    return of


# Names --------------------------------------------------------------------------------------


def test_a_step_with_another_name_keeps_its_figures():
    of = walked(carts=3, days=9)
    of.transitions.filter(name="Reminder").update(name="First reminder")
    transition(of, "Reminder", ["LAST"], "DONE", position=9)
    assert figures(of, NOW + 10 * DAY) == {
        ("First reminder", "NEW"): 3, ("Second reminder", "REMINDED"): 3,
    }  # fmt: skip
    # What was called so then is called so in the history.
    assert ChainStep.objects.filter(transition="Reminder").count() == 3


def test_a_state_with_another_name_keeps_its_figures():
    of = walked(carts=2, days=9)
    rename_states(of, REMINDED="WARNED")
    assert figures(of, NOW + 10 * DAY) == {
        ("Reminder", "NEW"): 2, ("Second reminder", "WARNED"): 2,
    }  # fmt: skip
    rename_states(of, WARNED="TOLD")
    assert figures(of, NOW + 10 * DAY)["Second reminder", "TOLD"] == 2
    rename_states(of, TOLD="REMINDED")
    assert figures(of, NOW + 10 * DAY)["Second reminder", "REMINDED"] == 2
    assert Chain.objects.get().former_states == {"WARNED": "REMINDED", "TOLD": "REMINDED"}
    assert set(ChainStep.objects.values_list("from_state", flat=True)) == {"NEW", "REMINDED"}


def test_a_new_state_with_the_former_name_of_another_takes_nothing_from_it():
    of = walked(carts=2, days=9)
    rename_states(of, REMINDED="WARNED")
    of.refresh_from_db()
    of.states = ["REMINDED", *of.states]
    of.save()
    transition(of, "Anew", ["REMINDED"], "LAST", position=9)
    assert figures(of, NOW + 10 * DAY) == {
        ("Reminder", "NEW"): 2, ("Second reminder", "WARNED"): 2,
    }  # fmt: skip


def test_states_are_renamed_in_the_form_with_their_figures(admin_client):
    from tests import forms

    of = walked(carts=2, days=9)
    sent = forms.filled(admin_client, page_of(of), "chain", states="FIRST\nSECOND")
    answer = admin_client.post(page_of(of), {**sent, "where_to_0": "SECOND", "_continue": "1"})
    assert answer.status_code == 302
    assert figures(of, NOW + 10 * DAY) == {
        ("Reminder", "NEW"): 2, ("Second reminder", "FIRST"): 2,
    }  # fmt: skip
    assert of.clone().former_states == {}


def test_an_import_keeps_the_figures_of_the_steps_it_names():
    of = walked(carts=2, days=2)
    definitions.load(definitions.dump())
    assert figures(of, NOW + 3 * DAY) == {("Reminder", "NEW"): 2}


def test_a_removed_step_has_no_figures_and_its_history_stays():
    of = walked(carts=2, days=2)
    of.transitions.get(name="Reminder").delete()
    assert figures(of, NOW + 3 * DAY) == {}
    assert list(ChainStep.objects.values_list("transition", flat=True)) == ["Reminder"] * 2


# Different ways -----------------------------------------------------------------------------


def halves(**values) -> Chain:
    """A chain in which one half is reminded, and the other half gets a voucher."""
    half = ("split", "split.in", "50 % of halves")
    return chain(
        ("Reminder", ["NEW"], "A", {"when": [half]}),
        ("Voucher", ["NEW"], "B", {}),
        ("Enough", ["A", "B"], "DONE", {"days": 14}),
        entry=[OPEN],
        **values,
    )


def test_of_different_ways_the_figures_say_who_reached_the_goal(admin_client):
    carts = [shop.cart() for _number in range(12)]
    of = halves(goal=[ORDERED])
    entering.enter(of, NOW)
    advancing.work(NOW)
    states = dict(ChainRun.objects.values_list("row_pk", "state"))
    ways = {state: [c for c in carts if states[str(c.pk)] == state] for state in ("A", "B")}
    assert all(ways.values())
    Cart.objects.filter(pk__in=[ways["A"][0].pk, *(c.pk for c in ways["B"])]).update(
        status=Cart.Status.ORDERED
    )
    advancing.work(NOW + DAY)
    expected = {
        ("Reminder", "NEW"): Share(len(ways["A"]), 0),
        ("Voucher", "NEW"): Share(len(ways["B"]), 0),
    }
    assert compared(of, NOW + DAY) == expected
    ChainRun.objects.wake(NOW + 2 * DAY)
    advancing.work(NOW + 2 * DAY)
    expected = {
        ("Reminder", "NEW"): Share(len(ways["A"]), 1),
        ("Voucher", "NEW"): Share(len(ways["B"]), len(ways["B"])),
    }
    assert compared(of, NOW + 2 * DAY) == expected
    shown = picture(*(whole := read_whole(of.pk)), traffic(*whole, NOW + 2 * DAY))
    some, all_of_them = len(ways["A"]), len(ways["B"])
    assert [way.arrived for way in shown.ways] == [
        f"1 of {some} ({100 // some}%)", f"{all_of_them} of {all_of_them} (100%)", "", "",
    ]  # fmt: skip
    ChainStep.objects.update(at=timezone.now())
    assert items(admin_client.get(page_of(of)), "//ul[contains(@class, 'compared')]/li") == [
        f"Reminder Start → A: 1 of {some} ({100 // some}%)",
        f"Voucher Start → B: {all_of_them} of {all_of_them} (100%)",
    ]
    ChainStep.objects.update(at=NOW)
    assert compared(of, NOW + 40 * DAY) == dict.fromkeys(expected, Share())


def test_without_a_goal_or_different_ways_nothing_is_compared():
    straight = chain(("Go", ["NEW"], "A", {}), ("On", ["A"], "DONE", {}), goal=[ORDERED])
    assert (compared(halves(), NOW), compared(straight, NOW)) == ({}, {})


def test_whoever_takes_a_step_twice_is_one():
    shop.cart()
    of = chain(
        ("Again", ["A"], "A", {"days": 1}),
        ("Go", ["NEW"], "A", {}),
        ("Other", ["A"], "DONE", {"days": 9}),
        entry=[OPEN],
        goal=[ORDERED],
    )
    entering.enter(of, NOW)
    for day in range(4):
        advancing.work(NOW + day * DAY)
    assert figures(of, NOW + 4 * DAY)["Again", "A"] == 3
    assert compared(of, NOW + 4 * DAY)["Again", "A"] == Share(1, 0)
