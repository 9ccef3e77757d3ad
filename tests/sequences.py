"""Chains as editors would build them, on the rows of the demo shop."""

import itertools
from typing import Any

from automation.chains.models import Chain, Entry, Goal, Transition
from tests.shop import NOW, ask

_numbers = itertools.count(1)

OPEN = ("status", "field.one_of", "open")
ORDERED = ("status", "field.one_of", "ordered")
TWO_PAID = ("paid_orders", "field.at_least", "2")

#: As ``transition`` takes them: name, from, to, and what else it has.
Step = tuple[str, list[str], str, dict[str, Any]]


def chain(
    *steps: Step,
    states: list[str] | None = None,
    entry: list[tuple[str, ...]] | None = None,
    goal: list[tuple[str, ...]] | None = None,
    armed: bool = True,
    **values: Any,
) -> Chain:
    """A chain about carts; armed at ``NOW`` unless it is not to be."""
    number = next(_numbers)
    named = [step[2] for step in steps] if states is None else states
    known = {"name": f"Cart {number}", "slug": f"cart-chain-{number}", "source": "demo.cart"}
    own = [state for state in dict.fromkeys(named) if state not in ("NEW", "DONE")]
    made = Chain.objects.create(**{**known, "states": own, **values})
    for position, step in enumerate(steps):
        transition(made, *step[:3], position=position, **step[3])
    if entry:
        ask(Entry.objects.create(chain=made), *entry)
    if goal:
        ask(Goal.objects.create(chain=made), *goal)
    made = Chain.objects.get(pk=made.pk)
    if armed:
        made.arm(NOW)
    return made


def transition(
    of: Chain,
    name: str,
    from_states: list[str],
    to_state: str,
    *,
    when: list[tuple[str, ...]] | None = None,
    days: int = 0,
    minutes: int = 0,
    group: str = "",
    **values: Any,
) -> Transition:
    wait = {"wait_number": minutes or days, "wait_unit": "minutes" if minutes else "days"}
    made = Transition.objects.create(
        chain=of,
        name=name,
        from_states=from_states,
        to_state=to_state,
        group_template=group,
        **{**wait, **values},
    )
    ask(made, *(when or []))
    return made


def reminders(**values: Any) -> Chain:
    """The demo's abandoned cart: a reminder after two days, another one a week later, with a
    voucher for whoever has two paid orders; over when it is ordered, or two weeks later."""
    return chain(
        ("Reminder", ["NEW"], "REMINDED", {"days": 2, "group": "cart_reminder"}),
        ("Voucher", ["REMINDED"], "LAST", {
            "days": 7, "when": [TWO_PAID], "group": "cart_voucher"}),
        ("Second reminder", ["REMINDED"], "LAST", {"days": 7, "group": "cart_last_reminder"}),
        ("Enough", ["LAST"], "DONE", {"days": 14}),
        entry=[OPEN],
        goal=[ORDERED],
        **values,
    )  # fmt: skip
