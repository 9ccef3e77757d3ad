"""Who is on the way through a chain, where they are, and how they came there."""

import datetime
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from automation.chains.chain import Chain
from automation.chains.claiming import ChainRunQuerySet
from automation.chains.names import NAME_LENGTH, NEW, Outcome
from automation.events.models import EventRecord
from automation.rules.plain import PlainDataField

if TYPE_CHECKING:
    from automation.chains.code import Execution

#: So much of who asked for something is kept.
WHO_LENGTH = 255
ZONE_LENGTH = 50


class ChainRun(models.Model):
    """One subject on its way through a chain: a row of the source of a ``Chain``, or the
    resources that code has named (``chain_type``, and no ``chain``)."""

    chain = models.ForeignKey(
        Chain,
        models.CASCADE,
        null=True,
        blank=True,
        db_index=False,  # the indexes below begin with it
        related_name="runs",
        verbose_name=gettext_lazy("chain"),
    )
    chain_type = models.CharField(
        gettext_lazy("chain in code"), max_length=100, blank=True, default="", db_default=""
    )
    #: A row's primary key as text; in code a digest of the resources.
    subject_key = models.CharField(gettext_lazy("row"), max_length=255)
    #: How manieth time the subject is on this chain.
    number = models.PositiveIntegerField(gettext_lazy("time"), default=1, db_default=1)
    row_model = models.CharField(
        gettext_lazy("kind of row"), max_length=100, blank=True, default="", db_default=""
    )
    row_pk = models.CharField(
        gettext_lazy("primary key"), max_length=255, blank=True, default="", db_default=""
    )
    time_zone = models.CharField(
        gettext_lazy("time zone"), max_length=ZONE_LENGTH, blank=True, default="", db_default=""
    )
    state = models.CharField(
        gettext_lazy("state"), max_length=NAME_LENGTH, default=NEW, db_default=NEW
    )
    entered_at = models.DateTimeField(gettext_lazy("in this state since"))
    started_at = models.DateTimeField(gettext_lazy("started"))
    steps = models.PositiveIntegerField(gettext_lazy("steps"), default=0, db_default=0)
    #: None: never, as it has ended or is paused.
    next_update = models.DateTimeField(gettext_lazy("next look"), null=True, blank=True)
    #: Of a chain in code: it must not be executed before, as its last transition said.
    not_before = models.DateTimeField(
        gettext_lazy("not before"), null=True, blank=True, editable=False
    )
    is_paused = models.BooleanField(gettext_lazy("paused"), default=False, db_default=False)
    ended_at = models.DateTimeField(gettext_lazy("ended"), null=True, blank=True)
    outcome = models.CharField(
        gettext_lazy("outcome"),
        max_length=10,
        choices=Outcome.choices,
        blank=True,
        default="",
        db_default="",
    )
    started_by = models.ForeignKey(
        EventRecord,
        models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="started_runs",
        verbose_name=gettext_lazy("started by"),
    )
    requested_by = models.CharField(
        gettext_lazy("asked for by"), max_length=WHO_LENGTH, blank=True, default="", db_default=""
    )
    #: Whether its row has stopped matching the entry since: only then it comes in by that again.
    has_left = models.BooleanField(default=False, db_default=False, editable=False)
    #: Why it did not move on when it was looked at last: reasons by name of transition.
    problems = PlainDataField(gettext_lazy("why not further"), default=dict, blank=True)
    looked_at = models.DateTimeField(gettext_lazy("last look"), null=True, blank=True)
    lease_token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    #: Workers that died while they had it, or that failed with it among others.
    deaths = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)

    objects = ChainRunQuerySet.as_manager()

    class Meta:
        verbose_name = gettext_lazy("run of a chain")
        verbose_name_plural = gettext_lazy("on their way")
        ordering = ("-pk",)
        # Nobody writes them by hand; people may decide about them.
        default_permissions = ("view",)
        permissions = (
            ("advance_run", "Can have runs of chains looked at now"),
            ("decide_run", "Can start, pause, move and end runs of chains"),
        )
        constraints = [
            models.UniqueConstraint(
                fields=["chain", "subject_key", "number"], name="automation_chain_run_once"
            ),
            models.UniqueConstraint(
                fields=["chain_type", "subject_key", "number"],
                condition=~Q(chain_type=""),
                name="automation_code_run_once",
            ),
            # What an event has started, it does not start again.
            models.UniqueConstraint(
                fields=["chain", "started_by"],
                condition=Q(started_by__isnull=False),
                name="automation_started_once",
            ),
        ]
        indexes = [
            # Asleep or ended costs nothing: what is due is found without reading a row.
            models.Index(
                fields=["chain", "next_update", "id"],
                condition=Q(next_update__isnull=False),
                name="automation_run_due",
            ),
            models.Index(
                fields=["chain_type", "next_update", "id"],
                condition=Q(next_update__isnull=False) & ~Q(chain_type=""),
                name="automation_code_run_due",
            ),
            models.Index(
                fields=["lease_until"],
                condition=Q(lease_until__isnull=False),
                name="automation_run_lease",
            ),
            models.Index(
                fields=["chain", "state"],
                condition=Q(ended_at__isnull=True),
                name="automation_run_state",
            ),
            models.Index(fields=["row_model", "row_pk"], name="automation_run_row"),
            models.Index(
                fields=["ended_at"],
                condition=Q(ended_at__isnull=False),
                name="automation_run_ended",
            ),
        ]

    def __str__(self) -> str:
        return _("%(chain)s: %(subject)s") % {
            "chain": self.chain or self.chain_type,
            "subject": self.subject,
        }

    @property
    def subject(self) -> str:
        """What it is about, as people name it; in code that may be many things."""
        if not self.row_model:
            return f"#{self.pk}" if self.chain_type else self.subject_key
        try:
            kind = apps.get_model(self.row_model)._meta.verbose_name
        except LookupError:
            kind = self.row_model
        return capfirst(f"{kind} {self.row_pk}")

    @property
    def is_over(self) -> bool:
        return self.ended_at is not None

    def event_key(self, step: int) -> str:
        """The key of the event that this step of it makes."""
        return f"chain:{self.pk}:{step}"

    def execute(
        self,
        initial_context: Mapping[str, Any] | None = None,
        callback: Callable[..., Any] | None = None,
        callback_kwargs: Mapping[str, Any] | None = None,
        requested_by: Any = "",
        dry_run: bool = False,
        *,
        force: bool = False,
        now: datetime.datetime | None = None,
    ) -> "Execution":
        """Let a run of a chain in code take its next step: the first valid transition of its state.

        ``initial_context`` is what transitions know from the beginning. The transition's own
        ``callback(**callback_kwargs)`` is called, or else ``callback(transition,
        **callback_kwargs)``, in the transaction of the step: if it raises, nothing has changed. A
        run that has ended is left as it is, and nothing is called. ``requested_by`` stands in the
        history. ``dry_run`` writes and calls nothing, and says what would happen. ``force`` does it
        although it is not due. ``now`` (aware; the clock's if None) is the moment that counts.

        Raises ``NotDue``, ``Locked``, ``Disabled``, ``UnknownChain``, ``UnknownState``,
        ``ChainError`` if a callback executes its own run, and what the chain's own code raises;
        nothing has changed then.
        """
        from automation.chains.executing import Wanted, execute

        wanted = Wanted(
            now or timezone.now(), initial_context, callback, callback_kwargs or {}, requested_by
        )
        return execute(self, wanted, dry_run=dry_run, force=force)


class ChainResource(models.Model):
    """Something that a run of a chain in code is about."""

    run = models.ForeignKey(
        ChainRun, models.CASCADE, related_name="resources", verbose_name=gettext_lazy("run")
    )
    kind = models.CharField(gettext_lazy("kind"), max_length=100)
    resource_id = models.CharField(gettext_lazy("number"), max_length=255)

    class Meta:
        verbose_name = gettext_lazy("resource")
        verbose_name_plural = gettext_lazy("resources")
        ordering = ("kind", "resource_id")
        constraints = [
            models.UniqueConstraint(
                fields=["run", "kind", "resource_id"], name="automation_resource_once"
            )
        ]
        indexes = [models.Index(fields=["kind", "resource_id"], name="automation_resource")]

    def __str__(self) -> str:
        return f"{self.kind} {self.resource_id}"


class ChainStep(models.Model):
    """One change of state of a run. ``at`` is when; ``requested_by`` who wanted it, empty where
    its time had come."""

    run = models.ForeignKey(
        ChainRun, models.CASCADE, related_name="history", verbose_name=gettext_lazy("run")
    )
    from_state = models.CharField(gettext_lazy("from"), max_length=NAME_LENGTH)
    to_state = models.CharField(pgettext_lazy("state", "to"), max_length=NAME_LENGTH)
    at = models.DateTimeField(gettext_lazy("when"))
    transition = models.CharField(
        gettext_lazy("transition"), max_length=NAME_LENGTH, blank=True, default="", db_default=""
    )
    #: Of a chain in the admin: the transition that was called so then, also when it is gone.
    transition_pk = models.BigIntegerField(null=True, editable=False)
    requested_by = models.CharField(
        gettext_lazy("asked for by"), max_length=WHO_LENGTH, blank=True, default="", db_default=""
    )
    event = models.ForeignKey(
        EventRecord,
        models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="chain_steps",
        verbose_name=gettext_lazy("event"),
    )
    note = models.TextField(gettext_lazy("note"), blank=True, default="", db_default="")

    class Meta:
        verbose_name = gettext_lazy("step that was taken")
        verbose_name_plural = gettext_lazy("steps that were taken")
        ordering = ("at", "pk")
        indexes = [models.Index(fields=["at"], name="automation_step_at")]

    def __str__(self) -> str:
        return f"{self.from_state} → {self.to_state}"


def key_is_taken(key: str) -> str:
    """What is said of a step whose event cannot be recorded as somebody else has its key."""
    said = _("There is another event with the key “%(key)s” already, so this one is not recorded.")
    return said % {"key": key}


def who(requested_by: Any) -> str:
    """Who asked for something, as it is kept."""
    return str(requested_by or "")[:WHO_LENGTH]
