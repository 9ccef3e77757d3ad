"""Starting a chain because an event happened: an action, and its outbox."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy

from automation.chains.chain import Chain
from automation.chains.runs import ChainRun
from automation.events.models import Action
from automation.events.outbox import Delivery

if TYPE_CHECKING:
    from automation.events.delivering import Courier


class StartChain(Action):
    """Lets the row that an event is about come into a chain."""

    chain = models.ForeignKey(
        Chain, models.CASCADE, related_name="starts", verbose_name=gettext_lazy("chain")
    )

    class Meta:
        verbose_name = gettext_lazy("start of a chain")
        verbose_name_plural = gettext_lazy("events that start chains")

    @property
    def delivery_model(self) -> type[Delivery]:
        return ChainStart

    def clean(self) -> None:
        super().clean()
        from automation.chains.checking import starts_itself

        if self.is_active and self.chain_id is not None:
            steps = list(self.chain.transitions.in_order())
            if wrong := starts_itself(self.chain, steps, [self]):
                raise ValidationError({"group": wrong})

    def deactivate(self) -> None:
        """Let it not hear of events, without saving."""
        self.is_active = False


class ChainStart(Delivery):
    """One event that lets a row come into a chain: with what came of it."""

    #: An event starts a chain once, however often it is handed over.
    REPEATABLE: ClassVar[bool] = True
    ANEW: ClassVar[dict[str, Any]] = {"run": None}
    ACTION_COLUMNS = ("start_id",)

    start = models.ForeignKey(
        StartChain,
        models.CASCADE,
        db_index=False,
        related_name="deliveries",
        verbose_name=gettext_lazy("start of a chain"),
    )
    run = models.ForeignKey(
        ChainRun,
        models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=gettext_lazy("run"),
    )

    class Meta(Delivery.Meta):
        abstract = False
        verbose_name = gettext_lazy("start by an event")
        verbose_name_plural = gettext_lazy("starts by events")
        ordering = ("-pk",)
        constraints = [
            models.UniqueConstraint(fields=["start", "event"], name="automation_start_once")
        ]

    def __str__(self) -> str:
        return str(self.start)

    @property
    def action(self) -> StartChain:
        return self.start

    @classmethod
    def courier(cls) -> "Courier":
        from automation.chains.courier import StartCourier

        return StartCourier()
