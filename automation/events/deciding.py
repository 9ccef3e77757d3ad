"""What people decide about deliveries: one by one or many at once, each of them logged."""

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import router, transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from automation.events import bell
from automation.events.outbox import RETRIED, Delivery, DeliveryQuerySet, State

#: So many are decided in one transaction.
AT_A_TIME = 1_000


@dataclass(frozen=True)
class Decision:
    """``apply`` takes deliveries, who decides, and now (aware); it returns for how many the
    decision was possible. The texts are for people: ``label`` offers it, ``question`` and
    ``button`` stand on the page that asks, ``done`` tells what happened to each."""

    label: Promise
    question: Promise
    button: Promise
    done: Promise
    states: tuple[State, ...]
    apply: Callable[[DeliveryQuerySet, str, datetime.datetime], int]


DECISIONS = {
    "retry": Decision(
        _("Try again"),
        _("What was not delivered is queued as if it had never been tried."),
        _("Yes, try again"),
        _("Queued again."),
        RETRIED,
        lambda chosen, who, now: chosen.retry(now),
    ),
    "cancel": Decision(
        _("Do not send"),
        _("What is still queued will not go out, unless somebody tries it again."),
        _("Yes, do not send"),
        _("Cancelled."),
        (State.QUEUED,),
        lambda chosen, who, now: chosen.cancel(who),
    ),
    "resend": Decision(
        _("Send again (may arrive twice)"),
        _(
            "Nobody knows whether it arrived. Whoever got it already gets it a second time. "
            "Whoever runs the mail server finds it in its log by the Message-ID."
        ),
        _("Yes, send again"),
        _("Queued again, though nobody knew whether it had arrived."),
        (State.UNKNOWN,),
        lambda chosen, who, now: chosen.resend(now),
    ),
    "arrived": Decision(
        _("It arrived"),
        _("Nobody knew whether it arrived, and you do: it counts as sent."),
        _("Yes, it arrived"),
        _("Settled: it arrived."),
        (State.UNKNOWN,),
        lambda chosen, who, now: chosen.settle(True, who, now),
    ),
    "lost": Decision(
        _("It did not arrive"),
        _("Nobody knew whether it arrived, and you do: it counts as failed."),
        _("Yes, it did not arrive"),
        _("Settled: it did not arrive."),
        (State.UNKNOWN,),
        lambda chosen, who, now: chosen.settle(False, who, now),
    ),
}


def open_to(model: type[Delivery], state: str = "") -> dict[str, Decision]:
    """What can be decided about deliveries of this kind; in this state, if one is given. What
    may be repeated is never unknown."""
    return {
        name: decision
        for name, decision in DECISIONS.items()
        if (not state or state in decision.states)
        and not (model.REPEATABLE and decision.states == (State.UNKNOWN,))
    }


def decide(decision: Decision, chosen: Any, user: Any, now: datetime.datetime) -> int:
    """Apply ``decision`` to those of ``chosen`` that are in a state for it, in small
    transactions, and log each. Returns how many they were. Safe beside working clusters: what
    left its state meanwhile is left alone."""
    model, decided = chosen.model, 0
    database = router.db_for_write(model)
    for pks in _chunks(chosen.filter(state__in=decision.states)):
        with transaction.atomic(using=database):
            held = model._base_manager.using(database).select_for_update()
            still = list(
                held.filter(pk__in=pks, state__in=decision.states).values_list("pk", flat=True)
            )
            deliveries = model._default_manager.using(database).filter(pk__in=still)
            decided += decision.apply(deliveries, str(user), now)
            shown = chosen.model._default_manager.filter(pk__in=still).defer("reason")
            if names := _to_be_named(model):
                shown = shown.select_related(*names)
            LogEntry.objects.log_actions(user.pk, shown, CHANGE, str(decision.done))
            bell.ring(model, using=database)
    return decided


def _chunks(rows: Any) -> Iterator[list[int]]:
    """Primary keys, some at a time; the order is theirs, so that no row is met twice."""
    last = 0
    while pks := list(
        rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:AT_A_TIME]
    ):
        yield pks
        last = pks[-1]


def _to_be_named(model: Any) -> list[str]:
    """What a delivery is named by in the log, besides itself: what it was made by."""
    return [name.removesuffix("_id") for name in model.ACTION_COLUMNS if name.endswith("_id")]
