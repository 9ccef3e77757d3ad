"""What is wrong with a chain is said before it is armed, in words."""

import pytest
from django.core.exceptions import ValidationError

from automation.chains.graph import Way, loop_without_delay, reachable
from automation.chains.models import Chain, Transition
from automation.rules.models import Condition
from tests.sequences import OPEN, ORDERED, Step, chain, reminders
from tests.shop import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

ROUND = "this goes round for ever within a moment. Let one of these steps wait."


def problems(*steps: Step, **values: object) -> list[str]:
    return chain(*steps, armed=False, **values).problems()


@pytest.mark.parametrize(
    ("steps", "states", "said"),
    [
        ([], [], "Add a step: without one nobody ever goes anywhere."),
        (
            [("Go", ["NEW"], "B", {})], ["A"],
            "Go leads to “B”, which is no state of this chain.",
        ),
        (
            [("Go", ["NEW", "B"], "DONE", {})], [],
            "Go comes from “B”, which is no state of this chain.",
        ),
        ([("Go", ["DONE", "NEW"], "DONE", {})], [], "Go: nothing leads on from the end."),
        (
            [("Go", ["NEW"], "DONE", {}), ("On", ["A"], "DONE", {})], ["A"],
            "No step leads to “A”, from the start on.",
        ),
        (
            [("Go", ["NEW"], "DONE", {}), ("Go", ["NEW"], "DONE", {"days": 1})], [],
            "There are two steps called “Go”.",
        ),
        ([(" ", ["NEW"], "DONE", {})], [], "Give each step a name."),
        ([("Go", ["NEW"], "NEW", {})], [], f"NEW → NEW: {ROUND}"),
        (
            [("Go", ["NEW"], "A", {}), ("Back", ["A"], "NEW", {"when": [OPEN]})], ["A"],
            f"NEW → A → NEW: {ROUND}",
        ),
        (
            [("A", [], "A", {}), ("B", [], "B", {})], ["A", "B"],
            f"A → B → A: {ROUND}",
        ),
        (
            [("Go", ["NEW"], "DONE", {"group": "left_{{ cart.nothing }}"})], [],
            "Go: Line 1, column 9: “cart.nothing” is not known here. Known are: cart.id, "
            "cart.status, cart.total, cart.currency, cart.created_at, cart.updated_at, "
            "cart.customer, cart.paid_orders, cart.items.",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(steps: list[Step], states: list[str], said: str):
    assert [found for found in problems(*steps, states=states) if said in found] == [said]


def test_a_circle_that_takes_time_is_allowed():
    back = ("Back", ["A"], "NEW", {"wait_time": "09:00"})
    assert problems(("Go", ["NEW"], "A", {}), back) == []
    assert problems(("Again", ["NEW"], "NEW", {"days": 1})) == []


def test_templates_know_the_row_and_the_chain():
    group = "{{ cart.status }}_{{ chain.state }}_{{ chain.days_in_state }}_{{ chain.step }}"
    assert problems(("Go", ["NEW"], "DONE", {"group": group})) == []


@pytest.mark.parametrize(
    ("states", "said"),
    [
        (["A", "A"], "There are two states called “A”."),
        (["done"], "DONE is there already: name only your own states."),
        ([" "], "Give each state a name, without spaces around it."),
        (["x" * 101], f"“{'x' * 101}” is too long for the name of a state."),
        ("A", "States are a list of names."),
        ([1], "States are a list of names."),
    ],
)
def test_states_have_names_of_their_own(states: list[str], said: str):
    wrong = Chain(slug="a", name="A", source="demo.cart", states=states)
    with pytest.raises(ValidationError) as refused:
        wrong.full_clean()
    assert refused.value.message_dict["states"] == [said]


def test_rules_that_cannot_be_asked_are_said_with_whose_they_are():
    of = chain(("Go", ["NEW"], "DONE", {"when": [OPEN]}), entry=[OPEN], goal=[ORDERED], armed=False)
    Condition.objects.update(field="nothing")
    wrong = "“nothing” is not a field of Carts that rules may use."
    assert [found.rstrip() for found in of.problems()] == [
        f"Entry: {wrong}", f"Goal: {wrong}", f"Go: {wrong}",
    ]  # fmt: skip


def test_a_source_that_is_gone_is_said():
    of = chain(("Go", ["NEW"], "DONE", {}), armed=False)
    Chain.objects.update(source="gone.model")
    of.refresh_from_db()
    assert of.problems() == ["The source “gone.model” is not registered in this project."]


def test_what_is_wrong_cannot_be_armed():
    of = chain(armed=False)
    with pytest.raises(ValidationError, match="Add a step"):
        of.arm(NOW)
    of.refresh_from_db()
    assert of.state == "draft"


def test_what_is_only_odd_is_a_warning():
    odd = chain(
        ("Go", ["NEW"], "A", {}), ("Never", ["NEW"], "B", {"days": 1}), states=["A", "B"],
    )  # fmt: skip
    assert odd.warnings() == [
        "Nobody ever leaves: no step leads to the end, and there is no goal and no limit.",
        "Nobody comes in by themselves: give the entry a condition, or start the chain on an "
        "event.",
        "Never is never taken: Go comes first, for everybody and at once.",
    ]
    assert reminders().warnings() == []


def test_a_state_without_a_way_on_is_a_warning():
    steps = (("Go", ["NEW"], "DONE", {"when": [OPEN]}), ("Stay", ["NEW"], "A", {}))
    of = chain(*steps, states=["A"], entry=[OPEN])
    assert of.warnings() == [
        "Whoever is in “A” stays there for ever: no step leads on, and there is no goal and no "
        "limit."
    ]
    of.limit_days = 30
    assert of.warnings() == []


def test_rules_follow_what_their_chain_is_about():
    demo = reminders(armed=False)
    demo.time_zone = "Asia/Kathmandu"
    demo.save()
    zones = [demo.entry.time_zone, demo.goal.time_zone]
    zones += Transition.objects.values_list("time_zone", flat=True)
    assert [*map(str, zones)][2:] == ["Asia/Kathmandu"] * 4
    assert Chain.objects.get().entry.time_zone == "Asia/Kathmandu"


def test_ways_are_followed_from_new_on():
    ways = [Way("a", "NEW", "A", False), Way("b", "B", "C", False), Way("c", "A", "DONE", True)]
    assert reachable(ways) == {"NEW", "A", "DONE"}
    assert loop_without_delay([*ways, Way("d", "C", "B", True)]) == []
    assert loop_without_delay([*ways, Way("d", "C", "B", False)]) == ["B", "C", "B"]
