"""What people decide about deliveries: one by one or many at once, each of them logged."""

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import router, transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from automation.events import bell
from automation.events.outbox import RETRIED, Delivery, DeliveryQuerySet
from automation.events.states import State

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
    #: Which of those in these states are meant; all, if it is not given.
    only: Callable[[DeliveryQuerySet, datetime.datetime], DeliveryQuerySet] | None = None

    def meant(self, chosen: Any, now: datetime.datetime) -> Any:
        """Those of ``chosen`` that the decision is possible for."""
        found = chosen.filter(state__in=self.states)
        return self.only(found, now) if self.only else found


DECISIONS = {
    "hasten": Decision(
        _("Try again now"),
        _("What waits for its next attempt is tried now. It counts as that attempt."),
        _("Yes, try now"),
        _("Is tried now."),
        (State.QUEUED,),
        lambda chosen, who, now: chosen.hasten(now),
        lambda chosen, now: chosen.pausing(now),
    ),
    "retry": Decision(
        _("Try again"),
        _("What was not delivered is queued as if it had never been tried."),
        _("Yes, try again"),
        _("Queued again."),
        RETRIED,
        lambda chosen, who, now: chosen.retry(now),
    ),
    "insist": Decision(
        _("Send all the same"),
        _(
            "What was no longer needed when it was to go out is queued again, and goes out "
            "whatever has happened since."
        ),
        _("Yes, send all the same"),
        _("Queued again, to be sent all the same."),
        (State.CANCELLED,),
        lambda chosen, who, now: chosen.insist(now),
        lambda chosen, now: chosen.overtaken(),
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


def decision_about(model: type[Delivery], name: str) -> Decision:
    """The decision with this name, in the words of this kind of delivery."""
    return replace(DECISIONS[name], **model.DECISION_WORDS.get(name, {}))


def open_to(model: type[Delivery], state: str = "") -> dict[str, Decision]:
    """What can be decided about deliveries of this kind; in this state, if one is given. What
    may be repeated is never unknown."""
    return {
        name: decision_about(model, name)
        for name, decision in DECISIONS.items()
        if (not state or state in decision.states)
        and not (model.REPEATABLE and decision.states == (State.UNKNOWN,))
        and (name != "hasten" or model.CAN_BE_HASTENED)
        and (name != "insist" or model.MUST_BE_WANTED)
    }


def open_to_one(delivery: Delivery, now: datetime.datetime) -> dict[str, Decision]:
    """What can be decided about this one."""
    this = type(delivery)._default_manager.filter(pk=delivery.pk)
    return {
        name: decision
        for name, decision in open_to(type(delivery), delivery.state).items()
        if decision.only is None or decision.meant(this, now).exists()
    }


def decide(decision: Decision, chosen: Any, user: Any, now: datetime.datetime) -> int:
    """Apply ``decision`` to those of ``chosen`` that are in a state for it, in small
    transactions, and log each. Returns how many they were. Safe beside working clusters: what
    left its state meanwhile is left alone."""
    model, decided = chosen.model, 0
    database = router.db_for_write(model)
    for pks in _chunks(decision.meant(chosen, now)):
        with transaction.atomic(using=database):
            held = model._base_manager.using(database).select_for_update()
            still = list(
                held.filter(pk__in=pks, state__in=decision.states).values_list("pk", flat=True)
            )
            deliveries = model._default_manager.using(database).filter(pk__in=still)
            decided += decision.apply(deliveries, str(user), now)
            shown = chosen.model._default_manager.filter(pk__in=still).defer("reason")
            LogEntry.objects.log_actions(user.pk, named(shown), CHANGE, str(decision.done))
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


def named(deliveries: Any) -> Any:
    """``deliveries`` with what they are named by: what they were made by."""
    columns = deliveries.model.ACTION_COLUMNS
    names = [name.removesuffix("_id") for name in columns if name.endswith("_id")]
    return deliveries.select_related(*names) if names else deliveries
