"""Queued listeners: what the cluster is to tell to code, as deliveries of the outbox."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy

from automation.events.dispatch import NAME_LENGTH
from automation.events.outbox import Delivery

if TYPE_CHECKING:
    from automation.events.delivering import Courier


class ListenerCall(Delivery):
    """One event, told to one queued listener: at least once, as the listener must not mind."""

    ACTION_COLUMNS: ClassVar[Sequence[str]] = ("listener",)
    REPEATABLE: ClassVar[bool] = True

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

    @classmethod
    def courier(cls) -> "Courier":
        from automation.events.listeners.courier import ListenerCourier

        return ListenerCourier()
