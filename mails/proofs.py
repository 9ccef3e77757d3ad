"""Proofs: a mail rendered for every row that matches, and what was found by that."""

import datetime
import uuid
from typing import Any, Self

from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy

from automation.events.event import ADDRESS_LENGTH
from automation.rules.databases import database
from mails.mail import Mail
from mails.versions import Version

#: For how long a proof is a worker's without a sign of life from it.
LEASE = datetime.timedelta(minutes=2)
#: So many workers may die one after the other without getting any further.
MOST_ATTEMPTS = 3


class ProofState(models.TextChoices):
    WAITING = "waiting", gettext_lazy("waiting")
    RUNNING = "running", gettext_lazy("running")
    DONE = "done", gettext_lazy("done")
    STOPPED = "stopped", gettext_lazy("stopped")
    FAILED = "failed", gettext_lazy("failed")


#: States in which there is something left to do.
OPEN = (ProofState.WAITING, ProofState.RUNNING)


class Kind(models.TextChoices):
    """What a proof says of a row's mail."""

    FINE = "fine", gettext_lazy("rendered, nothing missing")
    EMPTY = "empty", gettext_lazy("a value is missing")
    ERROR = "error", gettext_lazy("error")
    UNREACHABLE = "unreachable", gettext_lazy("no address")


class ProofQuerySet(models.QuerySet["Proof"]):
    def ownerless(self, now: datetime.datetime) -> Self:
        """Those with something left to do that no living worker is at."""
        return self.filter(state__in=OPEN).filter(Q(lease_until=None) | Q(lease_until__lt=now))


class Proof(models.Model):
    """One proof of a mail, as it was when that was asked for. Where it is stands in the row, so
    any worker can go on with it: ``remaining`` are the keys of the producers that are left, of
    the first of which the rows up to ``after`` are done."""

    mail = models.ForeignKey(
        Mail, models.CASCADE, related_name="proofs", verbose_name=gettext_lazy("mail")
    )
    version = models.ForeignKey(
        Version, models.CASCADE, related_name="+", verbose_name=gettext_lazy("version")
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=gettext_lazy("asked for by"),
    )
    #: The language of whoever asked: in it the findings are told.
    told_in = models.CharField(max_length=20, blank=True, editable=False)
    state = models.CharField(
        gettext_lazy("state"),
        max_length=10,
        choices=ProofState.choices,
        default=ProofState.WAITING,
    )
    reason = models.TextField(gettext_lazy("reason"), blank=True)
    requested_at = models.DateTimeField(gettext_lazy("asked for at"))
    started_at = models.DateTimeField(gettext_lazy("started at"), null=True)
    finished_at = models.DateTimeField(gettext_lazy("finished at"), null=True)
    #: Rows that match; None until they are counted.
    total = models.PositiveBigIntegerField(gettext_lazy("rows"), null=True)
    done = models.PositiveBigIntegerField(gettext_lazy("done"), default=0)
    #: How many mails of each kind, by language, and how often each problem.
    by_language = models.JSONField(default=dict, editable=False)
    by_problem = models.JSONField(default=list, editable=False)
    remaining = models.JSONField(default=list, editable=False)
    after = models.CharField(max_length=255, blank=True, editable=False)
    stop_requested = models.BooleanField(default=False, editable=False)
    lease_token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)

    objects = ProofQuerySet.as_manager()

    class Meta:
        verbose_name = gettext_lazy("proof")
        verbose_name_plural = gettext_lazy("proofs")
        ordering = ("-pk",)
        constraints = [
            models.UniqueConstraint(
                fields=["mail"], condition=Q(state__in=OPEN), name="mails_proof_one_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.mail} · {self.get_state_display()}"

    @classmethod
    def ask(cls, mail: Mail, user: Any, now: datetime.datetime) -> tuple["Proof", bool]:
        """The mail's proof that is on its way, or a new one of what the mail says now, in place
        of those before; and whether it is new."""
        running = cls.objects.filter(mail=mail, state__in=OPEN)
        if (found := running.first()) is not None:
            return found, False
        version = mail.keep_version()
        try:
            with transaction.atomic(using=database()):
                made = cls.objects.create(
                    mail=mail,
                    version=version,
                    requested_by=user,
                    requested_at=now,
                    told_in=get_language() or "",
                )
                cls.objects.filter(mail=mail).exclude(pk=made.pk).delete()
        except IntegrityError:
            return cls.objects.filter(mail=mail).latest("pk"), False  # somebody else was first
        return made, True

    # A worker's claim ------------------------------------------------------------------------

    def claim(self, now: datetime.datetime) -> bool:
        """Take it for this worker. False if another one has it or nothing is left to do."""
        token = uuid.uuid4()
        taken = type(self).objects.ownerless(now).filter(pk=self.pk)
        if not taken.update(
            state=ProofState.RUNNING,
            lease_token=token,
            lease_until=now + LEASE,
            attempts=models.F("attempts") + 1,
        ):
            return False
        self.refresh_from_db()
        return self.lease_token == token

    def keep(self, **written: Any) -> bool:
        """Write down how far it is, as the worker whose it is, which stays its own. False if
        it is another's by now, or gone."""
        owned = type(self).objects.filter(pk=self.pk, lease_token=self.lease_token)
        return owned.update(lease_until=timezone.now() + LEASE, **written) == 1

    def let_go(self) -> None:
        """Let any worker go on with it."""
        type(self).objects.filter(pk=self.pk, lease_token=self.lease_token).update(
            lease_token=None, lease_until=None, attempts=0
        )

    def finish(self, state: ProofState, reason: str = "", **written: Any) -> bool:
        """Nothing is left to do; the claim ends. False as ``keep``."""
        owned = type(self).objects.filter(pk=self.pk, lease_token=self.lease_token)
        return (
            owned.update(
                state=state,
                reason=reason,
                finished_at=timezone.now(),
                lease_token=None,
                lease_until=None,
                **written,
            )
            == 1
        )

    def request_stop(self, now: datetime.datetime) -> None:
        """Let it end soon: its worker does that; without one it ends at once."""
        type(self).objects.filter(pk=self.pk).update(stop_requested=True)
        type(self).objects.ownerless(now).filter(pk=self.pk).update(
            state=ProofState.STOPPED, finished_at=now, lease_token=None, lease_until=None
        )

    # What it has found -------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    def number(self, kind: Kind) -> int:
        """How many mails of this kind there are, over all languages."""
        return sum(counts.get(kind, 0) for counts in self.by_language.values())

    @property
    def problems(self) -> int:
        return sum(self.number(kind) for kind in Kind if kind != Kind.FINE)


class ProofFinding(models.Model):
    """A row whose mail has a problem; ``name`` is what names it in the preview."""

    proof = models.ForeignKey(
        Proof, models.CASCADE, related_name="findings", verbose_name=gettext_lazy("proof")
    )
    kind = models.CharField(gettext_lazy("kind"), max_length=12, choices=Kind.choices)
    problem = models.TextField(gettext_lazy("problem"))
    name = models.CharField(gettext_lazy("name"), max_length=255, blank=True)
    row_model = models.CharField(gettext_lazy("kind of row"), max_length=100, blank=True)
    row_pk = models.CharField(gettext_lazy("row"), max_length=255, blank=True)
    recipient = models.CharField(gettext_lazy("person"), max_length=ADDRESS_LENGTH, blank=True)
    language = models.CharField(gettext_lazy("language"), max_length=20, blank=True)

    class Meta:
        verbose_name = gettext_lazy("finding")
        verbose_name_plural = gettext_lazy("findings")
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.row_pk}: {self.problem}"
