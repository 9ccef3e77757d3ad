"""A chain as an editor builds it: its states, who comes in, and how it goes on."""

import datetime
import uuid
import zoneinfo
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.chains.names import DONE, NEW
from automation.rules import conf
from automation.rules.models import BrokenRule
from automation.rules.plain import PlainDataField
from automation.rules.rule import validate_time_zone
from automation.rules.sources import Source, UnknownSource, sources

if TYPE_CHECKING:
    from automation.chains.runs import ChainRun
    from automation.chains.transitions import Entry, Goal

#: A chain whose runs cannot be looked at so often, one time after the other, is paused.
MOST_FAILURES = 10

_LIFE = ("state", "state_reason", "next_entry_at")
_WORK = ("failures", "entry_failures", "lease_token", "lease_until")


class State(models.TextChoices):
    DRAFT = "draft", gettext_lazy("draft")
    ARMED = "armed", gettext_lazy("armed")
    PAUSED = "paused", gettext_lazy("paused")


class Reentry(models.TextChoices):
    NEVER = "never", gettext_lazy("never")
    AFTER_DONE = "after_done", gettext_lazy("when it has ended")
    ALWAYS = "always", gettext_lazy("always, also while it is on its way")


class ChainQuerySet(models.QuerySet["Chain"]):
    def entering(self, now: datetime.datetime) -> "ChainQuerySet":
        """Armed chains that are to look for new rows at ``now``, and that no living worker does
        that for."""
        free = Q(lease_until=None) | Q(lease_until__lt=timezone.now())
        return self.filter(free, state=State.ARMED, next_entry_at__lte=now)


class Chain(models.Model):
    """A sequence of states over time, which each row of a source goes through by itself."""

    slug = models.SlugField(
        gettext_lazy("short name"),
        max_length=100,
        unique=True,
        help_text=gettext_lazy("Names it in exports and commands. Letters, digits and hyphens."),
    )
    name = models.CharField(gettext_lazy("name"), max_length=100)
    source = models.CharField(gettext_lazy("about"), max_length=100)
    time_zone = models.CharField(
        gettext_lazy("time zone"),
        max_length=50,
        blank=True,
        validators=[validate_time_zone],
        help_text=gettext_lazy(
            "Of whoever has none of their own, and where days begin for conditions. Empty: the "
            "time zone of this site."
        ),
    )
    state = models.CharField(
        gettext_lazy("state"), max_length=10, choices=State.choices, default=State.DRAFT
    )
    state_reason = models.TextField(gettext_lazy("why"), blank=True)
    states = PlainDataField(
        gettext_lazy("states"),
        default=list,
        blank=True,
        help_text=gettext_lazy("Between NEW, where everybody begins, and DONE, the end."),
    )
    #: What its states are called now, by the names that the histories of runs have.
    former_states = PlainDataField(default=dict, blank=True, editable=False)
    reentry = models.CharField(
        gettext_lazy("again"),
        max_length=10,
        choices=Reentry.choices,
        default=Reentry.NEVER,
        help_text=gettext_lazy("Whether the same row can come in once more."),
    )
    limit_days = models.PositiveSmallIntegerField(
        gettext_lazy("at most … days"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text=gettext_lazy("Whoever is on the way for longer leaves. Empty: no limit."),
    )
    look_minutes = models.PositiveSmallIntegerField(
        gettext_lazy("look again after minutes"),
        default=60,
        validators=[MinValueValidator(1), MaxValueValidator(10080)],
        help_text=gettext_lazy(
            "How often somebody is looked at again who has waited and does not match yet."
        ),
    )
    entry_minutes = models.PositiveSmallIntegerField(
        gettext_lazy("look for new rows every … minutes"),
        default=5,
        validators=[MinValueValidator(1), MaxValueValidator(1440)],
    )
    next_entry_at = models.DateTimeField(null=True, editable=False)
    lease_token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    #: Stretches of work that failed, one after the other; and searches for new rows.
    failures = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    entry_failures = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)

    objects = ChainQuerySet.as_manager()

    class Meta:
        verbose_name = gettext_lazy("chain")
        verbose_name_plural = gettext_lazy("chains")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Its rules follow what it is about, and its time zone."""
        super().save(*args, **kwargs)
        written = kwargs.get("update_fields")
        if written is None or {"source", "time_zone"} & set(written):
            self._tell_rules()

    def _tell_rules(self) -> None:
        from automation.chains.transitions import Entry, Goal, Transition

        known = {"source": self.source, "time_zone": self.time_zone}
        differs = ~Q(source=self.source) | ~Q(time_zone=self.time_zone)
        for model in (Entry, Goal, Transition):
            rules: Any = model._default_manager
            rules.filter(differs, chain=self).update(**known)

    # What it is made of ----------------------------------------------------------------------

    @property
    def all_states(self) -> list[str]:
        """NEW, its own ones in their order, DONE."""
        return [NEW, *self.states, DONE]

    def entry_rule(self) -> "Entry | None":
        """Who comes in by itself; None if nobody does."""
        return _asking(getattr(self, "entry", None))

    def goal_rule(self) -> "Goal | None":
        """Who has arrived; None if there is no goal."""
        return _asking(getattr(self, "goal", None))

    def source_or_error(self) -> Source:
        """The source. Raises ``BrokenRule`` if it is not registered."""
        try:
            return sources.get(self.source)
        except UnknownSource as error:
            raise BrokenRule(str(error)) from error

    def zone(self, name: str = "") -> zoneinfo.ZoneInfo:
        """The time zone called ``name``, as a row has it; the chain's own where there is none of
        that name, or that of the site. Raises ``BrokenRule`` if the chain's own is none."""
        for known in filter(None, (name, self.time_zone or settings.TIME_ZONE)):
            try:
                return zoneinfo.ZoneInfo(known)
            except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
                continue
        raise BrokenRule(
            _("“%(name)s” is not a time zone. Write it as in Europe/Zurich.")
            % {"name": self.time_zone}
        )

    # Its life --------------------------------------------------------------------------------

    def clean(self) -> None:
        super().clean()
        from automation.chains.checking import problems_of_states

        if wrong := problems_of_states(self.states):
            raise ValidationError({"states": wrong})
        before = Chain.objects.filter(pk=self.pk).values_list("source", flat=True).first()
        if before not in (None, self.source) and self.runs.exists():
            said = _(
                "Rows have come into this chain, so it stays about what it is about. Give the one "
                "about something else another short name."
            )
            raise ValidationError({"source": said})

    def problems(self) -> list[str]:
        """Why it cannot be armed as it stands in the database; empty if it can."""
        from automation.chains.checking import problems

        return problems(self)

    def warnings(self) -> list[str]:
        """What is odd about it, though it can be armed."""
        from automation.chains.checking import warnings

        return warnings(self)

    def arm(self, now: datetime.datetime) -> None:
        """From ``now`` (aware) on rows come in and go on; who was on the way goes on from where
        they are, and is looked at anew: meanwhile a step may have become another one. Raises
        ``ValidationError`` with everything that is wrong with it."""
        from automation.chains.vanishing import stranded
        from automation.events.recording import moment

        now = moment(now)
        self.full_clean()

        wrong = self.problems()
        if not wrong and (lost := stranded(self)):
            said = _(
                "Some are in states that this chain has not (any more): %(states)s. Move them to "
                "another one, or end them."
            )
            wrong = [said % {"states": ", ".join(lost)}]
        if wrong:
            raise ValidationError(wrong)
        # First, and waiting for workers that began before it was changed: they undo what they do.
        self.runs.on_their_way().look_anew(now)
        self.state, self.state_reason, self.next_entry_at = State.ARMED, "", now
        self.failures = self.entry_failures = 0
        self.lease_token = self.lease_until = None
        self.save(update_fields=[*_LIFE, *_WORK])

    def pause(self, reason: str = "") -> None:
        """Nobody comes in or goes on until it is armed again. Nobody is lost by that."""
        self.state, self.state_reason, self.next_entry_at = State.PAUSED, reason, None
        self.save(update_fields=_LIFE)

    def stop(self, reason: str, *still: Any) -> None:
        """Pause it for what a worker has found out, unless somebody has disarmed it by now;
        ``still``: what must hold of it in the database, as ``filter`` takes it."""
        stopped = {"state": State.PAUSED, "state_reason": reason, "next_entry_at": None}
        if Chain.objects.filter(*still, pk=self.pk, state=State.ARMED).update(**stopped):
            self.state, self.state_reason, self.next_entry_at = State.PAUSED, reason, None

    def clone(self) -> "Chain":
        """A saved draft with the same steps and rules under a name of its own, with nobody on it.
        What starts it on events stays with the original."""
        from automation.chains.copying import clone

        return clone(self)

    def disarm(self) -> None:
        """Make it a draft again, without saving."""
        self.state, self.state_reason, self.next_entry_at = State.DRAFT, "", None

    def start(self, row: Any, now: datetime.datetime, requested_by: str = "") -> "ChainRun":
        """Let ``row`` (or its primary key) come in at ``now`` (aware), because somebody wants it.
        Raises ``NotStarted`` with the reason: it is not armed, there is no such row, or this row
        must not come in again."""
        from automation.chains.entering import start

        return start(self, row, now, requested_by=requested_by)

    def claim_entry(self) -> bool:
        """Take the chain for letting rows in, by this worker. False if another one has it, or it
        is not armed (any more). Claims hold by the clock of the wall."""
        token, now = uuid.uuid4(), timezone.now()
        lease_until = now + datetime.timedelta(seconds=conf.get().RUN_LEASE)
        free = Q(lease_until=None) | Q(lease_until__lt=now)
        mine = Chain.objects.filter(free, pk=self.pk, state=State.ARMED)
        if not mine.update(lease_token=token, lease_until=lease_until):
            return False
        self.lease_token, self.lease_until = token, lease_until
        return True

    def renew_entry(self) -> bool:
        """Say that the worker is alive. False if it must end: another one has taken over, or the
        chain is not armed any more."""
        lease_until = timezone.now() + datetime.timedelta(seconds=conf.get().RUN_LEASE)
        owned = Chain.objects.filter(pk=self.pk, lease_token=self.lease_token, state=State.ARMED)
        return owned.update(lease_until=lease_until) == 1

    def finish_entry(self, now: datetime.datetime) -> None:
        """Give the chain back; it looks for new rows again ``entry_minutes`` after ``now``."""
        owned = Chain.objects.filter(pk=self.pk, lease_token=self.lease_token)
        following = now + datetime.timedelta(minutes=self.entry_minutes)
        owned.filter(state=State.ARMED).update(next_entry_at=following)
        owned.update(lease_token=None, lease_until=None)
        self.lease_token = self.lease_until = None


def _asking(rule: Any) -> Any:
    """``rule`` if it has conditions."""
    return rule if rule is not None and list(rule.conditions.all()) else None
