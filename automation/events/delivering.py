"""Delivering what was claimed: the one way for every kind of delivery.

Everything that can fail is done before the hand-over; the intent is written down; then it is
handed over and settled by the answer. What fails after the hand-over is *unknown*, unless the
other side gave an answer or knows a delivery that comes twice.
"""

import datetime
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Self

from django.db import DatabaseError, InterfaceError, OperationalError, connections, router
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automation.events.health.metrics import count_ended
from automation.events.outbox import Delivery
from automation.events.states import Cause
from automation.events.wanted import StillWanted
from automation.rules import conf, plain

logger = logging.getLogger(__name__)

# A claim is renewed when so much of its lease is over.
_RENEWED_AFTER = 1 / 4

# What is due within so many seconds is waited for, at least for so many seconds at a time.
_A_MOMENT, _SHORTEST = 3.0, 0.1

# For so many seconds an answer is tried to be written down.
_INSIST = 40

#: What the other side says is kept up to so many characters.
LONGEST_REASON = 2_000


class Outcome(Exception):
    """What a courier raises when it does not say yes. The reason is for people; ``written``:
    further columns."""

    def __init__(self, reason: str, **written: Any) -> None:
        # The other side says what it likes, also what no database can hold.
        self.reason = plain.text(reason)[:LONGEST_REASON]
        self.written = cleaned(written)
        super().__init__(self.reason)


class _Final(Outcome):
    def __init__(self, reason: str, cause: str = "", **written: Any) -> None:
        super().__init__(reason, **written)
        self.cause = cause


class Skip(_Final):
    """It is decided not to be delivered."""


class Cancel(_Final):
    """It was wanted, and is not any more."""


class Fail(_Final):
    """It will never work as it is."""


class Later(Outcome):
    """Certainly not delivered now: it counts as an attempt. ``pause``: seconds until the next
    one, growing from attempt to attempt if it is not given."""

    def __init__(self, reason: str, pause: float | None = None, **written: Any) -> None:
        super().__init__(reason, **written)
        self.pause = pause


class Wait(Outcome):
    """Certainly not delivered now, and not for anything that is wrong with this delivery."""

    def __init__(self, reason: str, until: datetime.datetime, **written: Any) -> None:
        super().__init__(reason, **written)
        self.until = until


class Unknown(Outcome):
    """It was handed over, and there was no answer."""


@dataclass
class Prepared:
    """A delivery that is ready to be handed over. ``written``: what of it is written down
    together with the intent, by column."""

    written: dict[str, Any] = field(default_factory=dict)


@dataclass
class Accepted:
    """The other side said yes. ``note``: what people should know all the same; ``written``:
    further columns."""

    note: str = ""
    written: dict[str, Any] = field(default_factory=dict)


class Courier(ABC):
    """Takes deliveries of one kind to the other side: one for each worker and stretch of work,
    used as a context manager. Both steps raise an ``Outcome`` if it is not a yes."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of connections. Must not raise."""
        return None

    def begin(self, batch: Sequence[Any]) -> None:
        """Look up what the deliveries of a batch have in common, with few queries."""
        return None

    @abstractmethod
    def prepare(self, delivery: Any) -> Prepared:
        """Do everything that can fail. Any other exception than an ``Outcome`` fails the
        delivery with what it says."""

    @abstractmethod
    def hand_over(self, delivery: Any, prepared: Any) -> Accepted:
        """Hand it over; the intent is written down. Any other exception than an ``Outcome``
        means that nobody knows what became of it."""


@dataclass
class Work:
    """What came of a stretch of work: how many were settled in which way."""

    claimed: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    #: Whether there may be more to do.
    unfinished: bool = False


def work(
    model: type[Delivery],
    *,
    limit: int | None = None,
    on_full: Callable[[], Any] | None = None,
    progress: Callable[[Work], Any] | None = None,
    seconds: float | None = None,
    waits: bool = True,
) -> Work:
    """Claim what is due of this kind and deliver it, batch by batch, for ``seconds``
    (``DELIVERY_SECONDS``) and at most ``limit`` of them. ``on_full`` is called when a whole batch
    was there: another worker may help. ``progress`` is called after each batch. It waits for what
    is due within a moment, unless it is told not to (``waits``). Raises only when the database
    is gone; the sweep finds the rest then."""
    end = time.monotonic() + (seconds or conf.get().DELIVERY_SECONDS)
    done = Work()
    with ExitStack() as stack:
        courier: Courier | None = None
        while not limit or done.claimed < limit:
            left = limit - done.claimed if limit else None
            batch = model.objects.claim(timezone.now(), left)
            if not batch:
                if not waits or not _something_comes(model):
                    return done
                if time.monotonic() > end:
                    done.unfinished = True
                    return done
                continue
            if on_full is not None and len(batch) >= conf.get().DELIVERY_BATCH:
                on_full()
                on_full = None
            done.claimed += len(batch)
            if courier is None:
                courier = stack.enter_context(model.courier())
            counts = deliver(batch, courier, end)
            count_ended(model, counts)
            done.counts.update(counts)
            if progress is not None:
                progress(done)
            if time.monotonic() > end:
                done.unfinished = True
                return done
    return done


def _something_comes(model: type[Delivery]) -> bool:
    """Wait for what is due within a moment: the bell rings for it in a minute only. Returns
    whether there was anything to wait for."""
    now = timezone.now()
    soon = model.objects.due(now + datetime.timedelta(seconds=_A_MOMENT))
    first = soon.values_list("not_before", flat=True).first()
    if first is None:
        return False
    time.sleep(max((first - now).total_seconds(), _SHORTEST))
    return True


def deliver(batch: Sequence[Delivery], courier: Courier, end: float | None = None) -> Counter[str]:
    """Deliver a claimed batch until ``end`` (of ``time.monotonic``): every delivery is settled,
    queued again or given back when it returns. Returns how many became what. Raises only when
    the database is gone."""
    counts: Counter[str] = Counter()
    end = end if end is not None else time.monotonic() + conf.get().DELIVERY_SECONDS
    with _Renewal(batch):
        _begin(batch, courier)
        wanted = StillWanted(batch)
        for position, delivery in enumerate(batch):
            if time.monotonic() > end:
                for waiting in batch[position:]:
                    waiting.release()
                break
            try:
                counts[_deliver_one(delivery, courier, wanted)] += 1
            except (OperationalError, InterfaceError):
                _give_back(batch)
                raise
    return counts


def _begin(batch: Sequence[Delivery], courier: Courier) -> None:
    try:
        courier.begin(batch)
    except (OperationalError, InterfaceError):
        _give_back(batch)
        raise


def _give_back(batch: Sequence[Delivery]) -> None:
    """No worker died of these: the database is locked, or out of reach."""
    deliveries: Any = type(batch[0])._default_manager
    try:
        _insist(lambda: deliveries.give_back(batch[0].token), batch[0])
    except DatabaseError:
        logger.exception("What is left of a batch could not be given back; the sweep finds it")


class _Renewal:
    """Keeps the claim of a batch for as long as this process lives, however long a step of it
    takes: in a thread, which has a connection of its own and needs it only for long ones."""

    def __init__(self, batch: Sequence[Delivery]) -> None:
        self._token, self._deliveries = batch[0].token, type(batch[0])._default_manager
        self._every = conf.get().DELIVERY_LEASE * _RENEWED_AFTER
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        self._thread.join()

    def _renew(self) -> None:
        deliveries: Any = self._deliveries
        while not self._done.wait(self._every):
            try:
                deliveries.renew(self._token, timezone.now())
            except DatabaseError as error:
                logger.warning("A claim could not be renewed: %s", error)
            finally:
                connections.close_all()


def _deliver_one(delivery: Delivery, courier: Courier, wanted: StillWanted) -> str:
    """The name of the state that it ends in, or of what it was postponed for."""
    try:
        _make_sure_that_it_may_go(delivery)
        _make_sure_that_it_is_wanted(delivery, wanted)
        prepared = courier.prepare(delivery)
        _make_sure_that_it_is_wanted(delivery, wanted)  # now that it has been prepared
        if not delivery.hand_over(timezone.now(), **cleaned(prepared.written)):
            return "lost"  # The claim is somebody else's by now.
    except (OperationalError, InterfaceError):
        raise
    except Outcome as outcome:
        return _settled(delivery, _not_handed_over(delivery, outcome))
    except Exception as error:
        logger.exception("%s %s could not be made", delivery._meta.label, delivery.pk)
        failed = Fail(_words(error), Cause.ERROR)
        return _settled(delivery, _not_handed_over(delivery, failed))
    answer = _answer(delivery, courier, prepared)
    return _insist(partial(_settled, delivery, answer), delivery)


def _answer(delivery: Delivery, courier: Courier, prepared: Prepared) -> Accepted | Outcome:
    """What the other side made of it."""
    try:
        return courier.hand_over(delivery, prepared)
    except Outcome as outcome:
        return outcome
    except Exception as error:
        logger.exception("%s %s is unknown", delivery._meta.label, delivery.pk)
        return Unknown(_words(error))


def _insist(settle: Callable[[], Any], delivery: Delivery) -> Any:
    """Write something down, for a while also against a database that is locked or restarts: an
    answer that is not written down is unknown."""
    connection = connections[router.db_for_write(type(delivery))]
    end = time.monotonic() + _INSIST
    while True:
        try:
            return settle()
        except (OperationalError, InterfaceError) as error:
            if connection.in_atomic_block or time.monotonic() > end:
                raise
            label = delivery._meta.label
            logger.warning("%s %s cannot be written down yet: %s", label, delivery.pk, error)
            connection.close()
            time.sleep(0.5)


def _settled(delivery: Delivery, outcome: Accepted | Outcome) -> str:
    """Settle ``delivery`` by what its courier returned or raised."""
    if isinstance(outcome, Unknown) and delivery.REPEATABLE:
        outcome = Later(outcome.reason)
    match outcome:
        case Accepted():
            note = plain.text(outcome.note)[:LONGEST_REASON]
            delivery.settle_sent(timezone.now(), note, **cleaned(outcome.written))
            return delivery.STATES.SENT
        case Skip():
            delivery.settle_skipped(outcome.reason, outcome.cause)
            return delivery.STATES.SKIPPED
        case Cancel():
            delivery.settle_cancelled(outcome.reason, outcome.cause)
            return delivery.STATES.CANCELLED
        case Fail():
            delivery.settle_failed(outcome.reason, outcome.cause, **outcome.written)
            return delivery.STATES.FAILED
        case Wait():
            delivery.postpone(outcome.until, outcome.reason, **outcome.written)
            return "waiting"
        case Later():
            delivery.put_back(timezone.now(), outcome.reason, outcome.pause, **outcome.written)
            return delivery.STATES.FAILED if delivery.is_last_attempt else "later"
        case _:
            delivery.settle_unknown(outcome.reason)
            return delivery.STATES.UNKNOWN


def _words(error: Exception) -> str:
    """What an error says, for people."""
    if isinstance(error, MemoryError):
        return _("It takes more memory than a worker has.")
    return str(error) or type(error).__name__


def _not_handed_over(delivery: Delivery, outcome: Outcome) -> Outcome:
    """What becomes of a delivery that is not handed over this time. If an earlier attempt may
    have delivered it, an end is not the end that it says."""
    if delivery.is_in_doubt and isinstance(outcome, _Final):
        said = _("An earlier attempt may have delivered it. Not tried again: %s")
        return Unknown(said % outcome.reason)
    return outcome


def _make_sure_that_it_may_go(delivery: Delivery) -> None:
    """Raises ``Skip`` if it must not go out any more."""
    if delivery.event.emptied_at is not None:
        raise Skip(_("What was known of the event was removed."), Cause.GONE)
    hours = getattr(delivery.action, "expires_hours", None)
    if hours is None or timezone.now() <= delivery.created_at + datetime.timedelta(hours=hours):
        return
    said = ngettext(
        "It was to go out within %(hours)d hour.", "It was to go out within %(hours)d hours.", hours
    )
    raise Skip(said % {"hours": hours}, Cause.EXPIRED)


def _make_sure_that_it_is_wanted(delivery: Delivery, wanted: StillWanted) -> None:
    """Raises ``Cancel`` if its event is to reach nobody any more."""
    if reason := wanted.reason_against(delivery):
        raise Cancel(reason, Cause.OVERTAKEN)


def cleaned(written: Mapping[str, Any]) -> dict[str, Any]:
    """Columns as every database can hold them."""
    return {
        name: plain.text(value) if isinstance(value, str) else value
        for name, value in written.items()
    }
