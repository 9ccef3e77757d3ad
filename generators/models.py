"""Generators: a rule, the event it makes of each new matching row, and when it runs."""

import datetime
import uuid
from itertools import chain, count
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from polymorphic.managers import PolymorphicManager, PolymorphicQuerySet

from automation.rules import conf
from automation.rules.models import BrokenRule, Rule
from automation.rules.sources import UnknownSource, sources
from automation.rules.templating import check
from generators.runs import Run, RunState
from generators.timing import Repeat, Trigger, next_run, validate_cron

if TYPE_CHECKING:
    from generators.descriptions import Description

__all__ = ["Generator", "State", "Presence", "Run", "RunState"]

TEMPLATE_LENGTH = 500

#: What of a generator travels between sites.
DEFINED_FIELDS = (
    "slug",
    "name",
    "source",
    "time_zone",
    "group_template",
    "repeat",
    "repeat_days",
    "key_template",
    "trigger",
    "every_minutes",
    "at_time",
    "weekday",
    "cron",
    "on_save",
)


#: What decides which events a generator makes, beside its conditions.
MEANING_FIELDS = ("group_template", "repeat", "repeat_days", "key_template")

#: A generator that fails so often, one run after the other, is paused. A run that its worker
#: died of counts as ``DEATH`` of them.
MOST_FAILURES = 10
DEATH = 3

#: What decides when a generator runs next.
SCHEDULE_FIELDS = ("time_zone", "trigger", "every_minutes", "at_time", "weekday", "cron")


class State(models.TextChoices):
    DRAFT = "draft", gettext_lazy("draft")
    ARMED = "armed", gettext_lazy("armed")
    PAUSED = "paused", gettext_lazy("paused")


class GeneratorQuerySet(PolymorphicQuerySet["Generator"]):
    def due(self, now: datetime.datetime) -> "GeneratorQuerySet":
        """Armed generators whose time has come and that no living worker is running."""
        return self.filter(state=State.ARMED, next_run_at__lte=now).filter(
            Q(lease_until=None) | Q(lease_until__lt=now)
        )

    def as_descriptions(self) -> "list[Description]":
        """As ``Generator.as_description``, of each."""
        return [generator.as_description() for generator in self.prefetch_related("conditions")]


class Generator(Rule):
    """A rule that makes an event of each new row that matches it."""

    name = models.CharField(gettext_lazy("name"), max_length=100)
    slug = models.SlugField(
        gettext_lazy("short name"),
        max_length=100,
        unique=True,
        help_text=gettext_lazy("Names it in exports and commands. Letters, digits and hyphens."),
    )
    group_template = models.CharField(
        gettext_lazy("event group"),
        max_length=TEMPLATE_LENGTH,
        help_text=gettext_lazy(
            "The name of the events it makes, such as cart_abandoned. Values of the row can be "
            "part of it: cart_abandoned_{{ cart.customer.country }}."
        ),
    )
    repeat = models.CharField(
        gettext_lazy("how often"), max_length=10, choices=Repeat.choices, default=Repeat.ONCE
    )
    repeat_days = models.PositiveSmallIntegerField(
        gettext_lazy("days"),
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text=gettext_lazy(
            "For “again after … days”: at most one event of a row in so many days."
        ),
    )
    key_template = models.CharField(
        gettext_lazy("own key"),
        max_length=TEMPLATE_LENGTH,
        blank=True,
        help_text=gettext_lazy(
            "For “once for each key of your own”: rows with the same key make one event together. "
            "With {{ cart.customer.email }} it is one for each person."
        ),
    )
    trigger = models.CharField(
        gettext_lazy("runs"), max_length=10, choices=Trigger.choices, default=Trigger.MINUTES
    )
    every_minutes = models.PositiveSmallIntegerField(
        gettext_lazy("minutes"),
        default=5,
        validators=[MinValueValidator(1), MaxValueValidator(1440)],
        help_text=gettext_lazy("For “every … minutes”."),
    )
    at_time = models.TimeField(
        gettext_lazy("time of day"),
        default=datetime.time(9),
        help_text=gettext_lazy("For “every day at …”, in the rule's time zone."),
    )
    weekday = models.PositiveSmallIntegerField(
        gettext_lazy("day of the week"),
        choices=WEEKDAYS,
        default=0,
        help_text=gettext_lazy("For “every week on …”."),
    )
    cron = models.CharField(
        gettext_lazy("cron expression"),
        max_length=100,
        blank=True,
        validators=[validate_cron],
        help_text=gettext_lazy("Minute, hour, day, month, weekday: 30 8 * * 1-5."),
    )
    on_save = models.BooleanField(
        gettext_lazy("at once when a row is saved"),
        default=False,
        help_text=gettext_lazy("The schedule still finds what was changed in other ways."),
    )
    state = models.CharField(
        gettext_lazy("state"), max_length=10, choices=State.choices, default=State.DRAFT
    )
    state_reason = models.TextField(gettext_lazy("why"), blank=True)

    next_run_at = models.DateTimeField(gettext_lazy("next run"), null=True, blank=True)
    offered_at = models.DateTimeField(null=True, editable=False)
    lease_token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    #: Runs that failed, one after the other.
    failures = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)

    objects = PolymorphicManager.from_queryset(GeneratorQuerySet)()  # type: ignore[misc]

    class Meta:
        verbose_name = gettext_lazy("generator")
        verbose_name_plural = gettext_lazy("generators")
        ordering = ("name",)
        indexes = [models.Index(fields=["state", "next_run_at"], name="generators_due")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        super().clean()
        errors: dict[str, Any] = {}
        if wrong := self.group_errors():
            errors["group_template"] = wrong
        if wrong := self.key_errors():
            errors["key_template"] = wrong
        if self.trigger == Trigger.CRON and not self.cron:
            errors["cron"] = _("Write the cron expression that it runs by.")
        if self.trigger == Trigger.NEVER and not self.on_save:
            errors["on_save"] = _("Without a schedule it must run when a row is saved.")
        if errors:
            raise ValidationError(errors)

    def group_errors(self) -> list[str]:
        """What is wrong with the group template, each with its position."""
        if not self.group_template.strip():
            return [_("Give the events a group: mails and listeners find them by it.")]
        try:
            return self._template_errors(self.group_template)
        except UnknownSource as error:
            return [str(error)]

    def key_errors(self) -> list[str]:
        """What is wrong with the key template, each with its position."""
        if self.repeat != Repeat.KEY:
            return []
        if not self.key_template.strip():
            return [_("Write the key: rows with the same one make one event together.")]
        if "{" not in self.key_template:
            return [_("This is the same for all rows. Name a value of the row between {{ and }}.")]
        try:
            return self._template_errors(self.key_template)
        except UnknownSource:
            return []  # told at the group

    def _template_errors(self, template: str) -> list[str]:
        shape = sources.get(self.source).shape
        if len(template) > TEMPLATE_LENGTH:
            return []  # told by the field
        return [str(problem) for problem in check(template, shape)]

    def key_prefix(self) -> str:
        """The start of its events' keys. It survives every change of names."""
        return f"generator:{self.pk}:"

    def as_description(self) -> "Description":
        """What it means, for ``events_from``: whichever way its events are recorded, each is
        recorded once. Raises ``DescriptionError`` if its keys depend on what it has recorded."""
        from generators.descriptions import Description

        return Description.of_generator(self)

    def next_run_after(self, after: datetime.datetime) -> datetime.datetime | None:
        return next_run(
            self.trigger,
            after=after,
            zone=self.zone(),
            every_minutes=self.every_minutes,
            at_time=self.at_time,
            weekday=self.weekday,
            cron=self.cron,
        )

    def arm(self, now: datetime.datetime) -> None:
        """From now on it runs; first within a minute. Raises ``ValidationError`` if it cannot."""
        self.full_clean(exclude=["next_run_at"])
        if not self.conditions.exists():
            raise ValidationError(
                _("Add a condition first: without one it would mean every row there is.")
            )
        try:
            self.rows(now)
        except BrokenRule as error:
            raise ValidationError(str(error)) from error
        self.state, self.state_reason, self.next_run_at = State.ARMED, "", now
        self.failures = 0
        self.save(update_fields=["state", "state_reason", "next_run_at", "failures"])

    def pause(self, reason: str = "") -> None:
        """It makes no more events until it is armed again."""
        self.state, self.state_reason, self.next_run_at = State.PAUSED, reason, None
        self.save(update_fields=["state", "state_reason", "next_run_at"])

    def clone(self) -> "Generator":
        """A saved draft with the same conditions under a name of its own."""
        copy = Generator(
            name=_("%(name)s (copy)") % {"name": self.name}, slug=_free_slug(f"{self.slug}-copy")
        )
        for field in DEFINED_FIELDS:
            if field not in ("name", "slug"):
                setattr(copy, field, getattr(self, field))
        copy.disarm()
        copy.save()
        for condition in self.conditions.all():
            condition.copy_to(copy)
        return copy

    def disarm(self) -> None:
        """Make it a draft again, without saving."""
        self.state, self.state_reason, self.next_run_at = State.DRAFT, "", None

    def reschedule(self) -> None:
        """Let an armed generator follow a trigger that was changed, without saving."""
        if self.state == State.ARMED:
            self.next_run_at = self.next_run_after(timezone.now())

    def claim(self) -> bool:
        """Take the generator for one run by this worker. False if another one has it.

        Claims hold by the clock of the wall, whichever moment the rule is evaluated at.
        """
        token, now = uuid.uuid4(), timezone.now()
        if self.lease_until is not None:  # it was never given back: its worker died
            self.failures = min(self.failures + DEATH, MOST_FAILURES)
        free = Generator.objects.filter(pk=self.pk).filter(
            Q(lease_until=None) | Q(lease_until__lt=now)
        )
        lease_until = now + datetime.timedelta(seconds=conf.get().RUN_LEASE)
        if not free.update(lease_token=token, lease_until=lease_until, failures=self.failures):
            return False
        self.lease_token, self.lease_until = token, lease_until
        return True

    def renew_claim(self) -> bool:
        """Say that the run is alive. False if it must end: another worker has taken over, or
        somebody has paused the generator."""
        lease_until = timezone.now() + datetime.timedelta(seconds=conf.get().RUN_LEASE)
        owned = Generator.objects.filter(pk=self.pk, lease_token=self.lease_token)
        if self.state == State.ARMED:
            owned = owned.filter(state=State.ARMED)
        return owned.update(lease_until=lease_until) == 1

    def finish_claim(self, failed: str = "") -> None:
        """Give the generator back; its next run is the first one from now on. ``failed``: what
        stopped this one. A generator that keeps failing is paused, so that it keeps nobody from
        their work."""
        self.failures = min(self.failures + 1, MOST_FAILURES) if failed else 0
        if self.failures == MOST_FAILURES and self.state == State.ARMED:
            said = _("It failed again and again, the last time because: %(reason)s")
            self.pause(said % {"reason": failed})
        owned = Generator.objects.filter(pk=self.pk, lease_token=self.lease_token)
        if self.state == State.ARMED:
            self.next_run_at = self.next_run_after(timezone.now())
            owned.filter(state=State.ARMED).update(next_run_at=self.next_run_at)
        owned.update(lease_token=None, lease_until=None, offered_at=None, failures=self.failures)
        self.lease_token = self.lease_until = self.offered_at = None


def _free_slug(wanted: str) -> str:
    """``wanted``, or with the first number behind it that no generator has."""
    taken = set(Generator.objects.filter(slug__startswith=wanted).values_list("slug", flat=True))
    numbered = (f"{wanted}-{number}" for number in count(2))
    return next(slug for slug in chain([wanted], numbered) if slug not in taken)


class Presence(models.Model):
    """A row that a generator has seen matching: in its how manieth stay, and whether it is
    still there. Only kept for "each time it matches anew"."""

    generator = models.ForeignKey(Generator, models.CASCADE, related_name="presences")
    row_pk = models.CharField(max_length=255)
    episode = models.PositiveIntegerField()
    is_present = models.BooleanField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["generator", "row_pk"], name="generators_presence_once")
        ]

    def __str__(self) -> str:
        return f"{self.generator} · {self.row_pk} · {self.episode}"
