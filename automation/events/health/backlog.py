"""What waits to be delivered, for how long, and what did not arrive: of each kind of delivery."""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, Min
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.events import schedule
from automation.events.health import Examination, Finding, Level, examinations
from automation.events.health.way import Stage, way
from automation.events.outbox import Delivery, delivery_models
from automation.events.states import State

DAY = datetime.timedelta(days=1)

#: Something that is due for longer is late, and then a problem.
LATE = datetime.timedelta(minutes=5)
VERY_LATE = datetime.timedelta(minutes=15)

#: Nothing counts further on a page that somebody waits for.
COUNTED = 100_000


@dataclass(frozen=True)
class Due:
    """How many deliveries are due, and since when the longest waiting one is."""

    count: int
    since: datetime.datetime | None

    def age(self, now: datetime.datetime) -> datetime.timedelta:
        return now - self.since if self.since else datetime.timedelta()


def due(model: type[Delivery], now: datetime.datetime) -> Due:
    """Of the ``COUNTED`` longest waiting ones."""
    found = model.objects.due(now)[:COUNTED].aggregate(count=Count("pk"), since=Min("not_before"))
    return Due(found["count"], found["since"])


def oldest_due(model: type[Delivery], now: datetime.datetime) -> datetime.datetime | None:
    """Since when the longest waiting delivery is due."""
    return model.objects.due(now).values_list("not_before", flat=True).first()


def held(model: type[Delivery], now: datetime.datetime) -> int:
    """How many wait though their time has come some minutes ago, because what they belong to is
    switched off or stopped, and no alarm tells so. What is claimed in between makes it too small,
    never too large."""
    since, deliveries = now - LATE, model._default_manager.without_alarm()
    due_then = _count(deliveries.due(since))
    waiting = _count(deliveries.filter(state=State.QUEUED, not_before__lte=since))
    return max(waiting - due_then, 0)


def _examine(now: datetime.datetime) -> Iterator[Finding]:
    silent = schedule.is_silent(now)
    for model in delivery_models():
        yield from _waiting(model, now, silent)
        yield from _ended(model, now)
        yield from _left(model, now)


def _waiting(model: type[Delivery], now: datetime.datetime, silent: bool) -> Iterator[Finding]:
    found = due(model, now)
    later = _count(model.objects.filter(state=State.QUEUED, not_before__gt=now))
    yield Finding(
        Level.OK,
        _("%(kind)s: %(due)s due, %(later)s for later")
        % {"kind": _kind(model), "due": _number(found.count), "later": _number(later)},
        model=model,
        query={"state__exact": State.QUEUED.value},
        count=found.count + later,
        figure=_("waiting"),
    )
    age = found.age(now)
    # Without a cluster that is no news: its own examination says so.
    if age > LATE and not silent:
        yield Finding(
            Level.PROBLEM if age > VERY_LATE else Level.WARNING,
            _("%(kind)s: %(count)s due, the first for %(minutes)d minutes")
            % {
                "kind": _kind(model),
                "count": _number(found.count),
                "minutes": age / datetime.timedelta(minutes=1),
            },
            _("If the number falls from minute to minute, more workers help (CLUSTER_WORKERS). If "
              "it does not, look at the cluster's log and restart it."),
            model=model,
            query={"state__exact": State.QUEUED.value, "not_before__lte": now.isoformat()},
        )  # fmt: skip
    if count := held(model, now):
        yield Finding(
            Level.WARNING,
            _("%(kind)s: %(count)s held: what they belong to is switched off or stopped")
            % {"kind": _kind(model), "count": _number(count)},
            _("They go out as soon as it is switched on again. Cancel what is not to go out then."),
            model=model,
            query={
                "state__exact": State.QUEUED.value,
                "not_before__lte": (now - LATE).isoformat(),
            },
            count=count,
            figure=_("held"),
        )
    failing = _failing(model, now)
    if failing["count"]:
        yield Finding(
            Level.WARNING,
            _("%(kind)s: %(count)s to be tried again, for example after: %(reason)s")
            % {
                "kind": _kind(model),
                "count": _number(failing["count"]),
                "reason": " ".join(failing["said"].split())[:200],
            },
            _("They are tried again by themselves. Look at the reason if they do not get fewer."),
            model=model,
            query={"state__exact": State.QUEUED.value, "not_before__gt": now.isoformat()},
        )


def _failing(model: type[Delivery], now: datetime.datetime) -> dict[str, Any]:
    """How many are to be tried again for a reason that no alarm tells, and such a reason."""
    deliveries = model._default_manager.without_alarm().exclude(reason="").order_by()
    queued = deliveries.filter(state=State.QUEUED, not_before__gt=now)
    found: dict[str, Any] = queued[:COUNTED].aggregate(count=Count("pk"), said=Max("reason"))
    return found


def _ended(model: type[Delivery], now: datetime.datetime) -> Iterator[Finding]:
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    # The index knows when they were due, which is hardly ever more than a day before.
    sent = model.objects.filter(
        state=State.SENT, not_before__gte=midnight - DAY, sent_at__gte=midnight
    )
    count = _count(sent)
    yield Finding(
        Level.OK,
        _("%(kind)s: %(count)s sent today") % {"kind": _kind(model), "count": _number(count)},
        model=model,
        query={"state__exact": State.SENT.value, "sent_at__gte": midnight.isoformat()},
        count=count,
        figure=_("sent today"),
    )
    since = now - DAY
    if count := _count(model.objects.filter(state=State.FAILED, not_before__gte=since)):
        yield Finding(
            Level.WARNING,
            _("%(kind)s: %(count)s failed within a day")
            % {"kind": _kind(model), "count": _number(count)},
            _("Each says why. What was put right can be tried again."),
            model=model,
            query={"state__exact": State.FAILED.value, "not_before__gte": since.isoformat()},
            count=count,
            figure=_("failed"),
        )


def _left(model: type[Delivery], now: datetime.datetime) -> Iterator[Finding]:
    """What needs a person, or a sweep that does not come."""
    if count := _count(model.objects.filter(state=State.UNKNOWN)):
        yield Finding(
            Level.WARNING,
            _("%(kind)s: %(count)s unknown") % {"kind": _kind(model), "count": _number(count)},
            _("They were handed over, and no answer came. Find out, for example from the mail "
              "server's log, and settle them."),
            model=model,
            query={"state__exact": State.UNKNOWN.value},
            count=count,
            figure=_("unknown"),
        )  # fmt: skip
    over = model.objects.filter(state=State.SENDING, lease_until__lt=now - LATE)
    if count := _count(over):
        yield Finding(
            Level.PROBLEM,
            _("%(kind)s: %(count)s left by workers that ended, and not found again")
            % {"kind": _kind(model), "count": _number(count)},
            _("The tick finds them within a minute. Look at the cluster's log and restart it."),
            model=model,
            query={"state__exact": State.SENDING.value},
        )


def _count(deliveries: Any) -> int:
    return int(deliveries.order_by()[:COUNTED].count())


def _number(count: int) -> str:
    """``count`` as far as it was counted."""
    return _("at least %d") % count if count >= COUNTED else str(count)


def _kind(model: type[Delivery]) -> str:
    return str(capfirst(str(model._meta.verbose_name_plural)))


def register() -> None:
    examinations.register(
        Examination(
            "backlog", gettext_lazy("What waits"), "automation_events", _examine, cheap=True
        )
    )
    does = gettext_lazy("are recorded, once for each of them.")
    way.register(Stage(30, gettext_lazy("Events"), does))
