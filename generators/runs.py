"""Runs: what each evaluation of a generator found."""

import datetime
import uuid
from typing import TYPE_CHECKING

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

if TYPE_CHECKING:
    from generators.models import Generator


class RunState(models.TextChoices):
    RUNNING = "running", gettext_lazy("running")
    DONE = "done", gettext_lazy("done")
    FAILED = "failed", gettext_lazy("failed")


class Run(models.Model):
    """One evaluation of a generator. Runs that find nothing new write no row of their own:
    they are counted on the one before, so that a quiet generator costs no space."""

    generator = models.ForeignKey(
        "generators.Generator",
        models.CASCADE,
        related_name="runs",
        verbose_name=gettext_lazy("generator"),
    )
    recording = models.UUIDField(default=uuid.uuid4, editable=False)
    state = models.CharField(
        gettext_lazy("state"), max_length=10, choices=RunState.choices, default=RunState.RUNNING
    )
    rule_sentence = models.TextField(gettext_lazy("the rule as it was"), blank=True)
    started_at = models.DateTimeField(gettext_lazy("started"))
    duration = models.DurationField(gettext_lazy("duration"), null=True, blank=True)
    looked_at = models.PositiveBigIntegerField(gettext_lazy("looked at"), default=0)
    matched = models.PositiveBigIntegerField(gettext_lazy("matched"), default=0)
    new = models.PositiveBigIntegerField(gettext_lazy("new"), default=0)
    error = models.TextField(gettext_lazy("error"), blank=True)
    quiet_runs = models.PositiveIntegerField(gettext_lazy("runs without news since"), default=0)
    last_quiet_at = models.DateTimeField(gettext_lazy("last looked"), null=True, blank=True)

    class Meta:
        verbose_name = gettext_lazy("run")
        verbose_name_plural = gettext_lazy("runs")
        ordering = ("-started_at", "-pk")
        indexes = [models.Index(fields=["generator", "-started_at"], name="generators_run_latest")]

    def __str__(self) -> str:
        return f"{self.generator} · {self.started_at:%Y-%m-%d %H:%M}"

    def count_again(self, now: datetime.datetime, **found: int) -> None:
        """Note that another run at ``now`` said the same as this one."""
        again = models.F("quiet_runs") + 1
        Run.objects.filter(pk=self.pk).update(quiet_runs=again, last_quiet_at=now, **found)

    def give_up(self) -> None:
        """Note that its worker is gone, unless it has come to its end after all."""
        Run.objects.filter(pk=self.pk, state=RunState.RUNNING).update(
            state=RunState.FAILED,
            error=_("It never came to its end: its worker was stopped. A later run went on."),
        )

    @classmethod
    def note_failed_row(
        cls, generator: "Generator", row: str, reason: str, now: datetime.datetime
    ) -> None:
        """Write down that the event of a saved row could not be made. The same reason is
        written down once a day, and counted from then on: rows are saved by the thousand."""
        same = generator.runs.filter(
            state=RunState.FAILED,
            started_at__gt=now - datetime.timedelta(days=1),
            error__startswith=f"{reason}\n",
        ).first()
        if same:
            same.count_again(now)
            return
        cls.objects.create(
            generator=generator,
            state=RunState.FAILED,
            started_at=now,
            rule_sentence=generator.sentence(),
            looked_at=1,
            error=f"{reason}\n" + _("First when row %(row)s was saved.") % {"row": row},
        )
