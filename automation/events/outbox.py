"""The outbox: what an event causes, as rows that no crash can lose or do twice.

A delivery is claimed, marked right before it is handed over, and settled after the
answer. Each step is one conditional update that only the living owner of the claim
can make:

    queued → sending → sent | failed | skipped | cancelled
                     → queued again (a temporary error, or the claim ran out before hand-over)
                     → unknown      (the claim ran out after hand-over: nobody can know)

What people decide is one conditional update, too: ``cancel``, ``retry``, ``insist``, ``resend``,
``settle``.
"""

import datetime
import logging
import random
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.apps import apps
from django.db import models, router, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.events import owned
from automation.events.claims import claim_size, lease, locked
from automation.events.event import stored_address
from automation.events.inserting import insert_rows
from automation.events.states import Cause, State
from automation.rules import conf

if TYPE_CHECKING:
    from automation.events.delivering import Courier

logger = logging.getLogger(__name__)


class DeliveryQuerySet(models.QuerySet[Any]):
    def due(self, now: datetime.datetime) -> Self:
        """Queued deliveries whose time has come, the longest waiting first."""
        return self.filter(state=State.QUEUED, not_before__lte=now).order_by("not_before", "pk")

    def obstacles(self, now: datetime.datetime) -> list[str]:
        """What keeps all that waits for the same thing from going out now, for people."""
        return []

    def without_alarm(self) -> Self:
        """Those that no alarm about what they wait for tells of."""
        return self

    def claim(self, now: datetime.datetime, limit: int | None = None) -> list[Any]:
        """Take up to ``limit`` due deliveries for this worker, until the lease runs out.

        Committed before it returns; no other worker gets the same ones meanwhile. Those that
        a worker died of, perhaps, are taken by themselves and ever fewer at a time, so that
        the one which kills is found and the others go out.
        """
        token = uuid.uuid4()
        database = router.db_for_write(self.model)
        with transaction.atomic(using=database):
            due = self.using(database).due(now)
            chosen = locked(due, lambda deaths: claim_size(deaths, limit))
            self.model._base_manager.using(database).filter(
                pk__in=chosen, state=State.QUEUED
            ).update(
                state=State.SENDING,
                token=token,
                lease_until=lease(now),
                handed_at=None,
                attempts=models.F("attempts") + 1,
            )
        owned = self.model._default_manager.using(database).filter(pk__in=chosen, token=token)
        return list(owned.order_by("pk"))

    def renew(self, token: uuid.UUID, now: datetime.datetime) -> int:
        """Go on holding what was claimed with ``token`` and not handed over yet. Never shortens
        a claim."""
        held = self.filter(token=token, state=State.SENDING, handed_at=None)
        return held.filter(lease_until__lt=lease(now)).update(lease_until=lease(now))

    def give_back(self, token: uuid.UUID) -> int:
        """Queue again what was claimed with ``token`` and not handed over; nothing is wrong
        with it."""
        held = self.filter(token=token, state=State.SENDING, handed_at=None)
        return held.update(
            state=State.QUEUED,
            token=None,
            lease_until=None,
            attempts=models.F("attempts") - 1,
        )

    def sweep(self, now: datetime.datetime) -> tuple[int, int]:
        """Find what dead workers left: (queued again, unknown now)."""
        over = self.filter(state=State.SENDING, lease_until__lt=now)
        unfinished = over if self.model.REPEATABLE else over.filter(handed_at=None)
        killers = unfinished.filter(deaths__gte=MOST_DEATHS - 1).update(
            state=State.FAILED,
            cause=Cause.DIED,
            deaths=models.F("deaths") + 1,
            token=None,
            lease_until=None,
            reason=_("Each worker that had it died, %(count)d of them.") % {"count": MOST_DEATHS},
        )
        again = unfinished.update(
            state=State.QUEUED,
            token=None,
            lease_until=None,
            handed_at=None,
            not_before=now,
            deaths=models.F("deaths") + 1,
        )
        # The token stays: the worker may only be slow, and then it knows.
        unknown = over.exclude(handed_at=None).update(
            state=State.UNKNOWN,
            lease_until=None,
            reason=_("The worker stopped while it waited for the answer."),
        )
        for count, what in ((killers, "killed their workers"), (unknown, "are unknown")):
            if count:
                logger.warning("%s: %d deliveries %s", self.model._meta.label, count, what)
        return again, unknown

    # What people decide -----------------------------------------------------------------------

    def pausing(self, now: datetime.datetime) -> Self:
        """Those that were tried, and wait to be tried again by themselves."""
        return self.filter(state=State.QUEUED, not_before__gt=now, attempts__gt=0)

    def hasten(self, now: datetime.datetime) -> int:
        """Do not wait: try those now that would be tried again later. Attempts count on."""
        return self.pausing(now).update(not_before=now)

    def cancel(self, who: str) -> int:
        """Do not deliver those of these that are queued. Returns how many that were."""
        reason = _("Cancelled by %(who)s.") % {"who": who}
        return self.filter(state=State.QUEUED).update(
            state=State.CANCELLED, cause=Cause.PERSON, reason=reason
        )

    def retry(self, now: datetime.datetime) -> int:
        """Queue those again that were not delivered: failed, skipped, cancelled ones."""
        return self.filter(state__in=RETRIED).update(**self._anew(now))

    def overtaken(self) -> Self:
        """Those that were cancelled as what they tell was no longer wanted."""
        return self.filter(state=State.CANCELLED, cause=Cause.OVERTAKEN)

    def insist(self, now: datetime.datetime) -> int:
        """Queue ``overtaken`` ones again, which are not asked about any more: their cause says
        that a person has decided."""
        return self.overtaken().update(**{**self._anew(now), "cause": Cause.PERSON})

    def resend(self, now: datetime.datetime) -> int:
        """Queue unknown ones again: who got it already gets it twice."""
        return self.filter(state=State.UNKNOWN).update(**self._anew(now))

    def settle(self, sent: bool, who: str, now: datetime.datetime) -> int:
        """Somebody knows what became of unknown ones."""
        said = _("%(who)s says: it arrived.") if sent else _("%(who)s says: it did not arrive.")
        return self.filter(state=State.UNKNOWN).update(
            state=State.SENT if sent else State.FAILED,
            cause="" if sent else Cause.PERSON,
            reason=said % {"who": who},
            sent_at=models.functions.Coalesce("handed_at", models.Value(now)) if sent else None,
            token=None,
        )

    def _anew(self, now: datetime.datetime) -> dict[str, Any]:
        """What a delivery is like that was never tried."""
        empty = dict.fromkeys(("token", "lease_until", "handed_at", "sent_at"))
        counts = {"attempts": 0, "deaths": 0}
        said = {"cause": "", "reason": ""}
        return {
            "state": State.QUEUED, "not_before": now, **said, **counts, **empty,
            **self.model.ANEW,
        }  # fmt: skip


#: What ``retry`` takes.
RETRIED = (State.FAILED, State.SKIPPED, State.CANCELLED)

#: A delivery fails when so many workers died while they held it, the last ones nothing else.
MOST_DEATHS = 6


class Delivery(models.Model):
    """One thing that an event caused, from the moment it was decided: outbox and history.

    A subclass adds what it delivers with (an action, a listener) and names its ``courier``.
    ``uuid`` is the delivery's name outside: Message-ID, idempotency key.
    """

    STATES: ClassVar[type[State]] = State
    #: How people call states of this kind, where the common words would be wrong.
    STATE_WORDS: ClassVar[Mapping[str, Any]] = {}
    #: What can have kept it from being delivered, for the filter.
    CAUSES: ClassVar[Sequence[Cause]] = [each for each in Cause if each != Cause.RAISED]
    #: What the decisions of people are called, by their names, where the common texts would be
    #: wrong: the fields of ``Decision`` that are different.
    DECISION_WORDS: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    #: Whether people may end the pause before the next attempt.
    CAN_BE_HASTENED: ClassVar[bool] = False
    #: Whether it does no harm to hand it over again when nobody knows what became of it: the
    #: other side knows it by its ``uuid``, or does not mind.
    REPEATABLE: ClassVar[bool] = False
    #: Whether it is asked right before the hand-over if its event is still wanted
    #: (``automation.events.wanted``); it is cancelled if it is not.
    MUST_BE_WANTED: ClassVar[bool] = False

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
    # Without choices, and with defaults of the database: workers of the release before write
    # no such columns, and a new cause needs no migration.
    cause = models.CharField(gettext_lazy("cause"), max_length=20, default="", db_default="")
    attempts = models.PositiveSmallIntegerField(gettext_lazy("attempts"), default=0)
    deaths = models.PositiveSmallIntegerField(
        gettext_lazy("workers that died"), default=0, db_default=0
    )
    created_at = models.DateTimeField(gettext_lazy("created at"))
    not_before = models.DateTimeField(gettext_lazy("not before"))
    token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(gettext_lazy("claimed until"), null=True, editable=False)
    handed_at = models.DateTimeField(gettext_lazy("handed over at"), null=True)
    sent_at = models.DateTimeField(gettext_lazy("sent at"), null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        abstract = True
        # What happened is not edited; people may decide about it.
        default_permissions = ("view", "decide")
        indexes = [
            # In the order in which they are claimed: a large run has them all due at one moment.
            models.Index(fields=["state", "not_before", "id"], name="%(class)s_due"),
            models.Index(fields=["created_at"], name="%(class)s_created"),
            models.Index(fields=["recipient"], name="%(class)s_recipient"),
        ]

    @classmethod
    def courier(cls) -> "Courier":
        """Who takes deliveries of this kind to the other side."""
        raise NotImplementedError

    #: Values of further columns that a delivery has which was never tried.
    ANEW: ClassVar[dict[str, Any]] = {}

    @classmethod
    def state_word(cls, state: str) -> Any:
        """A state as people call it."""
        return cls.STATE_WORDS.get(state, State(state).label)

    @property
    def is_in_doubt(self) -> bool:
        """Whether an earlier attempt may have delivered it, while it is tried again."""
        return False

    @property
    def is_last_attempt(self) -> bool:
        """Whether it is given up if it has to be put back once more."""
        return self.attempts >= conf.get().DELIVERY_ATTEMPTS

    @property
    def action(self) -> Any:
        """The action that the delivery was made by, None if there is none."""
        return None

    @classmethod
    def enqueue(
        cls, action_id: int | str, rows: Iterable[tuple[int, str]], now: datetime.datetime
    ) -> int:
        """Write a queued delivery for each (event id, recipient); returns how many."""
        columns = [*cls.ACTION_COLUMNS, "event_id", "recipient", "uuid", "created_at", "not_before"]
        constants = {
            "state": State.QUEUED.value, "reason": "", "cause": "", "attempts": 0,
            "deaths": 0, **cls.CONSTANTS,
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
        written |= {"handed_at": now, "lease_until": lease(now)}
        return owned.write(self, (State.SENDING,), written, living_at=now)

    def settle_sent(self, now: datetime.datetime, note: str = "", **written: Any) -> bool:
        """The other side said yes. ``note``: what a person should know all the same.

        This need not wait for the disk, as the next hand-over does: a database that dies before
        that may come back with this one delivery being sent, and the sweep makes it unknown."""
        return self._settle(State.SENT, note, sent_at=now, may_be_lost=True, **written)

    def settle_failed(self, reason: str, cause: str = "", **written: Any) -> bool:
        """It will never work as it is; a person can retry it."""
        return self._settle(State.FAILED, reason, cause, **written)

    def settle_skipped(self, reason: str, cause: str = "") -> bool:
        """It was decided not to be delivered."""
        return self._settle(State.SKIPPED, reason, cause)

    def settle_cancelled(self, reason: str, cause: str = "") -> bool:
        """It was wanted, and is not any more."""
        return self._settle(State.CANCELLED, reason, cause)

    def settle_unknown(self, reason: str) -> bool:
        """It was handed over, and there was no answer."""
        return self._settle(State.UNKNOWN, reason)

    def put_back(
        self, now: datetime.datetime, reason: str, pause: float | None = None, **written: Any
    ) -> bool:
        """A temporary error: try again later, with growing pauses (in seconds; ``pause``: this
        one), for a bounded number of times."""
        if self.is_last_attempt:
            given_up = _("Given up after %(attempts)d attempts: %(reason)s")
            words = given_up % {"attempts": self.attempts, "reason": reason}
            return self.settle_failed(words, Cause.GIVEN_UP, **written)
        later = now + datetime.timedelta(seconds=pause or back_off(self.attempts))
        written |= {"not_before": later, "handed_at": None}
        return self._settle(State.QUEUED, reason, self.cause, **written)

    def postpone(self, until: datetime.datetime, reason: str, **written: Any) -> bool:
        """Try again at ``until``; it was not this delivery's fault, so it does not count."""
        return self._settle(
            State.QUEUED,
            reason,
            self.cause,
            attempts=max(self.attempts - 1, 0),
            not_before=until,
            handed_at=None,
            **written,
        )

    def release(self) -> bool:
        """Give the claim back untouched."""
        return self.postpone(self.not_before, self.reason)

    def _settle(
        self,
        state: State,
        reason: str,
        cause: str = "",
        may_be_lost: bool = False,
        **written: Any,
    ) -> bool:
        written |= {"state": state, "reason": reason, "cause": cause}
        written |= {"token": None, "lease_until": None}
        # Also one that the sweep took for unknown meanwhile: now somebody knows.
        states = State.SENDING, State.UNKNOWN
        return owned.write(self, states, written, may_be_lost=may_be_lost)


def back_off(attempts: int) -> float:
    """Seconds to wait after so many attempts: 30 s, doubling, at most 6 hours, ±25 %."""
    return min(30 * 2 ** max(attempts - 1, 0), 6 * 3600) * random.uniform(0.75, 1.25)


def delivery_models() -> list[type[Delivery]]:
    """Every kind of delivery that is installed."""
    return [model for model in apps.get_models() if issubclass(model, Delivery)]
