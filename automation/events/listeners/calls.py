"""Queued listeners: what the cluster is to tell to code, as deliveries of the outbox."""

import datetime
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models, router, transaction
from django.utils.translation import gettext_lazy

from automation.events.dispatch import NAME_LENGTH
from automation.events.inserting import insert_rows
from automation.events.outbox import Delivery
from automation.events.states import Cause, State
from automation.rules import plain

if TYPE_CHECKING:
    from automation.events.delivering import Courier

#: So much of an error is kept for people; all of it is in the log.
REASON_LENGTH = 1_000


def reason(error: Exception) -> str:
    """What code of a project raised, for people. Never raises itself."""
    try:
        said = str(error)
    except Exception:  # its own __str__ is wrong; tracebacks write the same
        said = "<exception str() failed>"
    return plain.text(f"{type(error).__name__}: {said}")[:REASON_LENGTH]


class ListenerCall(Delivery):
    """One event, told to one listener. To a queued one at least once, as it must not mind. Of one
    that is called where the event is recorded there is a row only if it failed."""

    ACTION_COLUMNS: ClassVar[Sequence[str]] = ("listener",)
    REPEATABLE: ClassVar[bool] = True
    CAN_BE_HASTENED: ClassVar[bool] = True
    STATE_WORDS: ClassVar[Mapping[str, Any]] = {
        State.SENDING: gettext_lazy("being called"),
        State.SENT: gettext_lazy("done"),
    }
    CAUSES: ClassVar[Sequence[Cause]] = [
        Cause.RAISED, Cause.GIVEN_UP, Cause.GONE, Cause.DIED, Cause.ERASED, Cause.PERSON
    ]  # fmt: skip
    DECISION_WORDS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "cancel": {
            "label": gettext_lazy("Do not call"),
            "question": gettext_lazy(
                "What is still queued will not be called, unless somebody tries it again."
            ),
            "button": gettext_lazy("Yes, do not call"),
        }
    }

    listener = models.CharField(gettext_lazy("listener"), max_length=NAME_LENGTH)

    class Meta(Delivery.Meta):
        abstract = False
        verbose_name = gettext_lazy("call of a listener")
        verbose_name_plural = gettext_lazy("calls of listeners")
        ordering = ("-pk",)
        constraints = [
            models.UniqueConstraint(fields=["event", "listener"], name="automation_told_once")
        ]

    def __str__(self) -> str:
        return self.listener

    def get_state_display(self) -> str:  # type: ignore[no-redef]
        return str(self.state_word(self.state))

    @classmethod
    def courier(cls) -> "Courier":
        from automation.events.listeners.courier import ListenerCourier

        return ListenerCourier()

    @classmethod
    def write_failed(
        cls, listener: str, errors: Iterable[tuple[int, Exception]], now: datetime.datetime
    ) -> None:
        """Write down that ``listener`` raised these for events, by their ids, where they were
        recorded: nobody calls it again unless a person wants it."""
        columns = ["listener", "event_id", "uuid", "reason"]
        constants = {
            "recipient": "", "created_at": now, "not_before": now, "attempts": 1, "deaths": 0,
            "state": State.FAILED.value, "cause": Cause.RAISED.value,
        }  # fmt: skip
        rows = ((listener, event_id, uuid.uuid4(), reason(error)) for event_id, error in errors)
        with transaction.atomic(using=router.db_for_write(cls)):
            insert_rows(cls, columns, rows, constants)
