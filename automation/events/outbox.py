"""The outbox: what an event causes, as rows that no crash can lose or do twice.

A delivery is claimed, marked right before it is handed over, and settled after the
answer. Each step is one conditional update that only the living owner of the claim
can make:

    queued → sending → sent | failed | skipped
                     → queued again (a temporary error, or the claim ran out before hand-over)
                     → unknown      (the claim ran out after hand-over: nobody can know)
"""

import datetime
import logging
import random
import uuid
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

from django.apps import apps
from django.db import connections, models, router, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.events.event import stored_address
from automation.events.inserting import insert_rows
from automation.rules import conf

logger = logging.getLogger(__name__)


class State(models.TextChoices):
    QUEUED = "queued", gettext_lazy("queued")
    SENDING = "sending", gettext_lazy("being sent")
    SENT = "sent", gettext_lazy("sent")
    FAILED = "failed", gettext_lazy("failed")
    UNKNOWN = "unknown", gettext_lazy("unknown")
    CANCELLED = "cancelled", gettext_lazy("cancelled")
    SKIPPED = "skipped", gettext_lazy("skipped")


class DeliveryQuerySet(models.QuerySet[Any]):
    def due(self, now: datetime.datetime) -> Self:
        """Queued deliveries whose time has come, the longest waiting first."""
        return self.filter(state=State.QUEUED, not_before__lte=now).order_by("not_before", "pk")

    def claim(self, now: datetime.datetime, limit: int | None = None) -> list[Any]:
        """Take up to ``limit`` due deliveries for this worker, until the lease runs out.

        Committed before it returns; no other worker gets the same ones meanwhile.
        """
        settings = conf.get()
        token = uuid.uuid4()
        database = router.db_for_write(self.model)
        features = connections[database].features
        with transaction.atomic(using=database):
            due = self.using(database).due(now)
            if features.has_select_for_update_skip_locked:
                of = ("self",) if features.has_select_for_update_of else ()
                due = due.select_for_update(skip_locked=True, of=of)
            chosen = list(due.values_list("pk", flat=True)[: limit or settings.DELIVERY_BATCH])
            if not chosen:
                return []
            self.model._base_manager.using(database).filter(
                pk__in=chosen, state=State.QUEUED
            ).update(
                state=State.SENDING,
                token=token,
                lease_until=now + datetime.timedelta(seconds=settings.DELIVERY_LEASE),
                handed_at=None,
                attempts=models.F("attempts") + 1,
            )
        owned = self.model._default_manager.using(database).filter(pk__in=chosen, token=token)
        return list(owned.order_by("pk"))

    def sweep(self, now: datetime.datetime) -> tuple[int, int]:
        """Find what dead workers left: (queued again, unknown now)."""
        over = self.filter(state=State.SENDING, lease_until__lt=now)
        again = over.filter(handed_at=None).update(
            state=State.QUEUED, token=None, lease_until=None, not_before=now
        )
        unknown = over.exclude(handed_at=None).update(
            state=State.UNKNOWN,
            token=None,
            lease_until=None,
            reason=_("The worker stopped while it waited for the answer."),
        )
        if unknown:
            logger.warning("%s: %d deliveries are unknown", self.model._meta.label, unknown)
        return again, unknown


class Delivery(models.Model):
    """One thing that an event caused, from the moment it was decided: outbox and history.

    A subclass adds what it delivers with (an action, a listener) and implements
    ``deliver``. ``uuid`` is the delivery's name outside: Message-ID, idempotency key.
    """

    STATES: ClassVar[type[State]] = State

    uuid = models.UUIDField(default=uuid.uuid4, editable=False)
    event = models.ForeignKey(
        "automation_events.EventRecord",
        models.PROTECT,
        related_name="%(class)ss",
        verbose_name=gettext_lazy("event"),
    )
    recipient = models.CharField(gettext_lazy("to"), max_length=320, blank=True)
    state = models.CharField(
        gettext_lazy("state"), max_length=10, choices=State.choices, default=State.QUEUED
    )
    reason = models.TextField(gettext_lazy("reason"), blank=True)
    attempts = models.PositiveSmallIntegerField(gettext_lazy("attempts"), default=0)
    created_at = models.DateTimeField(gettext_lazy("created at"))
    not_before = models.DateTimeField(gettext_lazy("not before"))
    token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(gettext_lazy("claimed until"), null=True, editable=False)
    handed_at = models.DateTimeField(gettext_lazy("handed over at"), null=True)
    sent_at = models.DateTimeField(gettext_lazy("sent at"), null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        abstract = True
        indexes = [
            models.Index(fields=["state", "not_before"], name="%(class)s_due"),
            models.Index(fields=["created_at"], name="%(class)s_created"),
            models.Index(fields=["recipient"], name="%(class)s_recipient"),
        ]

    @classmethod
    def deliver(cls, batch: Sequence[Self]) -> int:
        """Deliver a claimed batch, for at most ``DELIVERY_SECONDS``; returns how many it had
        no time for and gave back. Must settle or release every one of them, and raise for
        none: what is wrong with one delivery is told on its row."""
        raise NotImplementedError

    @classmethod
    def enqueue(
        cls, action_id: int, rows: Iterable[tuple[int, str]], now: datetime.datetime
    ) -> int:
        """Write a queued delivery for each (event id, recipient); returns how many."""
        columns = [*cls.ACTION_COLUMNS, "event_id", "recipient", "uuid", "created_at", "not_before"]
        constants = {
            "state": State.QUEUED.value, "reason": "", "attempts": 0, **cls.CONSTANTS,
        }  # fmt: skip
        values = (
            (action_id, event_id, stored_address(recipient), uuid.uuid4(), now, now)
            for event_id, recipient in rows
        )
        return insert_rows(cls, columns, values, constants)

    #: The column that names what the delivery is made with.
    ACTION_COLUMNS: ClassVar[Sequence[str]] = ("action_id",)
    #: Values of further columns without a database default, the same for every new row.
    CONSTANTS: ClassVar[dict[str, Any]] = {}

    def hand_over(self, now: datetime.datetime, **written: Any) -> bool:
        """Write down that the delivery is handed over right now. False: the claim is somebody
        else's or has run out, so it must not be."""
        self.handed_at = now
        return self._step(now, handed_at=now, lease=True, **written)

    def settle_sent(self, now: datetime.datetime, note: str = "") -> bool:
        """The other side said yes. ``note``: what a person should know all the same."""
        return self._settle(State.SENT, note, sent_at=now)

    def settle_failed(self, reason: str) -> bool:
        """It will never work as it is; a person can retry it."""
        return self._settle(State.FAILED, reason)

    def settle_skipped(self, reason: str) -> bool:
        """It was decided not to be delivered."""
        return self._settle(State.SKIPPED, reason)

    def settle_unknown(self, reason: str) -> bool:
        """It was handed over, and there was no answer."""
        return self._settle(State.UNKNOWN, reason)

    def put_back(self, now: datetime.datetime, reason: str) -> bool:
        """A temporary error: try again later, with growing pauses, for a bounded number of
        times."""
        if self.attempts >= conf.get().DELIVERY_ATTEMPTS:
            return self.settle_failed(
                _("Given up after %(attempts)d attempts: %(reason)s")
                % {"attempts": self.attempts, "reason": reason}
            )
        later = now + datetime.timedelta(seconds=back_off(self.attempts))
        return self._settle(State.QUEUED, reason, not_before=later, handed_at=None)

    def postpone(self, until: datetime.datetime, reason: str) -> bool:
        """Try again at ``until``; it was not this delivery's fault, so it does not count."""
        return self._settle(
            State.QUEUED,
            reason,
            attempts=max(self.attempts - 1, 0),
            not_before=until,
            handed_at=None,
        )

    def release(self) -> bool:
        """Give the claim back untouched."""
        return self.postpone(self.not_before, self.reason)

    def _settle(self, state: State, reason: str, **written: Any) -> bool:
        return self._step(None, state=state, reason=reason, token=None, lease_until=None, **written)

    def _step(self, now: datetime.datetime | None, lease: bool = False, **written: Any) -> bool:
        owned = type(self)._base_manager.filter(pk=self.pk, token=self.token, state=State.SENDING)
        if lease:
            owned = owned.filter(lease_until__gt=now)
        return owned.update(**written) == 1


def back_off(attempts: int) -> float:
    """Seconds to wait after so many attempts: 30 s, doubling, at most 6 hours, ±25 %."""
    return min(30 * 2 ** max(attempts - 1, 0), 6 * 3600) * random.uniform(0.75, 1.25)


def delivery_models() -> list[type[Delivery]]:
    """Every kind of delivery that is installed."""
    return [model for model in apps.get_models() if issubclass(model, Delivery)]
