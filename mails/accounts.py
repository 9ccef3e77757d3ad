"""What all workers know of an e-mail account: whether it is stopped, until when, and why.

A server that refuses *us* refuses whatever comes next, and a server that is out of reach costs
each worker a long wait. So who finds that out writes it down, and nobody connects until the time
is over. Then one worker tries with one message; if that goes well, all go on.
"""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mails.answers import Meaning, readable
from mails.mailers import DEFAULT, Mailer, mailer, names, ways

#: An account that was refused rests so many minutes, the longer the more often.
PAUSES = (1, 2, 4, 8, 15)
#: A server that is out of reach is tried again after so many seconds.
AWAY = 60
#: For so many seconds one worker has the trial to itself.
TRIAL = 60
#: An account that sent something so recently is not the reason why one address is refused.
PROVEN = datetime.timedelta(minutes=15)


class AccountQuerySet(models.QuerySet["Account"]):
    def stopped(self) -> Self:
        return self.exclude(stopped_at=None)

    def resting(self, now: datetime.datetime) -> Self:
        return self.filter(stopped_until__gt=now)


class Account(models.Model):
    """The state of an account, or of one sender at it. Written when there is something to say;
    whatever is secret stays in the settings."""

    name = models.CharField(gettext_lazy("account"), max_length=100)
    # A mail's own sender that the account refuses; empty: the account itself.
    sender = models.CharField(gettext_lazy("sender"), max_length=320, blank=True, default="")
    stopped_at = models.DateTimeField(gettext_lazy("stopped since"), null=True)
    stopped_until = models.DateTimeField(gettext_lazy("tried again at"), null=True)
    reason = models.TextField(gettext_lazy("reason"), blank=True, default="")
    # The fingerprint of its settings when it was stopped; empty if that is not known.
    stopped_with = models.CharField(max_length=16, blank=True, default="", db_default="")
    refusals = models.PositiveSmallIntegerField(default=0)
    last_ok_at = models.DateTimeField(gettext_lazy("last sent"), null=True)
    day = models.DateField(null=True)
    sent_that_day = models.PositiveIntegerField(default=0)

    objects = AccountQuerySet.as_manager()

    class Meta:
        verbose_name = gettext_lazy("e-mail account")
        verbose_name_plural = gettext_lazy("e-mail accounts")
        ordering = ("name", "sender")
        default_permissions = ("view",)
        permissions = [("resume_account", "Can let an e-mail account try again")]
        constraints = [
            models.UniqueConstraint(fields=["name", "sender"], name="mails_account_once")
        ]

    def __str__(self) -> str:
        label = str(self.mailer or self.name)
        return f"{label}, {self.sender}" if self.sender else label

    @property
    def mailer(self) -> Mailer | None:
        return mailer(self.name)

    @property
    def sent_today(self) -> int:
        return self.sent_that_day if self.day == timezone.localdate() else 0

    def rests(self, now: datetime.datetime) -> bool:
        return self.stopped_until is not None and self.stopped_until > now

    def is_proven(self, now: datetime.datetime) -> bool:
        return self.last_ok_at is not None and self.last_ok_at > now - PROVEN

    def try_again(self, now: datetime.datetime) -> bool:
        """Take the trial after a stop, which one worker gets. Without a stop there is none."""
        if self.stopped_at is None:
            return True
        until = now + datetime.timedelta(seconds=TRIAL)
        if not self._still().update(stopped_until=until):
            return False
        self.stopped_until = until
        return True

    def stop(self, meaning: Meaning, reason: str, now: datetime.datetime) -> None:
        """Nobody uses it for a while. Who was slower than another worker changes nothing."""
        refusals = 0 if meaning is Meaning.AWAY else min(self.refusals + 1, len(PAUSES))
        seconds = 60 * PAUSES[refusals - 1] if refusals else AWAY
        stopped = {
            "stopped_at": self.stopped_at or now,
            "stopped_until": now + datetime.timedelta(seconds=seconds),
            "stopped_with": self.mailer.fingerprint if self.mailer else "",
            "refusals": refusals,
            "reason": readable(reason),
        }
        if self._still().update(**stopped):
            for name, value in stopped.items():
                setattr(self, name, value)
        else:
            self.refresh_from_db()

    def go_on(self) -> None:
        """It works again."""
        if self.stopped_at is not None:
            self._itself().update(**_GOING)
            for name, value in _GOING.items():
                setattr(self, name, value)

    def is_used(self) -> bool:
        """Whether an active mail may go out by it, so that a message finds the end of its stop."""
        from mails.models import Mail

        leading = [name for name in names() if self.name in (way.name for way in ways(name))]
        leads_here = Mail.objects.filter(is_active=True, account__in=called(leading))
        if self.sender:
            leads_here = leads_here.filter(from_email=self.sender)
        return leads_here.exists()

    def resume(self, now: datetime.datetime) -> bool:
        """A person says that it shall be tried again now, with what waits for just that. What
        nobody would try is not stopped any more."""
        resumed: dict[str, Any] = {"stopped_until": now} if self.is_used() else _GOING
        return self._end_pause(now, resumed)

    def is_set_anew(self) -> bool:
        """Whether somebody changed its settings since it was stopped."""
        by = self.mailer
        return bool(self.stopped_with) and by is not None and by.fingerprint != self.stopped_with

    def start_anew(self, now: datetime.datetime) -> bool:
        """Its settings are others: what was found with the former ones does not count, and what
        waits goes out. False as of ``has_proved``."""
        return self._end_pause(now, _GOING)

    def has_proved(self, now: datetime.datetime) -> bool:
        """A test by it arrived: it works again, and what waits goes out. False: it was not
        stopped, or another worker has stopped it anew meanwhile."""
        return self._end_pause(now, _GOING)

    def _end_pause(self, now: datetime.datetime, resumed: dict[str, Any]) -> bool:
        from automation.events.states import State
        from mails.models import Message

        until = self.stopped_until
        if until is None or not self._still().update(**resumed):
            return False
        for name, value in resumed.items():
            setattr(self, name, value)
        # They were put off until exactly then.
        Message.objects.filter(state=State.QUEUED, not_before=until).update(not_before=now)
        return True

    def count(self, sent: int, now: datetime.datetime) -> None:
        """So many more were sent by it."""
        today = timezone.localdate(now)
        counted = Case(When(day=today, then=F("sent_that_day") + sent), default=Value(sent))
        self._itself().update(last_ok_at=now, sent_that_day=counted, day=today)
        self.last_ok_at = now

    def _itself(self) -> models.QuerySet["Account"]:
        return Account.objects.filter(pk=self.pk)

    def _still(self) -> models.QuerySet["Account"]:
        """This row, if it is stopped as it was when it was read."""
        return self._itself().filter(stopped_until=self.stopped_until)

    @classmethod
    def of(cls, name: str, sender: str = "") -> "Account":
        return cls.objects.get_or_create(name=name, sender=sender)[0]


_GOING: dict[str, Any] = {
    "stopped_at": None,
    "stopped_until": None,
    "stopped_with": "",
    "refusals": 0,
    "reason": "",
}


def no_way_out(now: datetime.datetime) -> Q:
    """Which messages go out by no account now: theirs rests, with all its fallbacks. A condition
    and no list, so that it takes no query of its own."""
    resting = Account.objects.resting(now).filter(sender="").order_by()
    found = Q()
    for name in names():
        stuck = Q(mail__account__in=_called(name))
        for way in ways(name):
            stuck &= Q(Exists(resting.filter(name=way.name)))
        found |= stuck
    return found


@dataclass(frozen=True)
class Alarm:
    """An account that sends nothing. ``waiting``: how many messages wait for it, as far as they
    were counted."""

    account: str
    reason: str
    since: datetime.datetime | None
    waiting: int

    def __str__(self) -> str:
        said = _("Nothing goes out by the e-mail account “%(account)s”: %(reason)s")
        return said % {"account": self.account, "reason": self.reason}


def alarms(now: datetime.datetime) -> list[Alarm]:
    """What keeps messages from going out: no account that nothing would go out by anyway."""
    from mails.models import Mail

    found = [
        Alarm(str(each), each.reason, each.stopped_at, _waiting(each.name, each.sender))
        for each in Account.objects.stopped()
        if each.is_used()
    ]
    known = ["", *names()]
    for name in (
        Mail.objects.exclude(account__in=known).values_list("account", flat=True).distinct()
    ):
        if waiting := _waiting(name):
            found.append(Alarm(name, missing(name), None, waiting))
    return found


def told_by_alarms() -> Q:
    """Which messages wait for what ``alarms`` tells of. A condition, as ``no_way_out``."""
    stopped = Account.objects.stopped().order_by()
    found = ~Q(mail__account__in=["", *names()])
    for name in names():
        of_account = stopped.filter(name=name, sender__in=["", OuterRef("mail__from_email")])
        found |= Q(Exists(of_account), mail__account__in=_called(name))
    return found & Q(mail__is_active=True)


def end_old_stops(now: datetime.datetime, **kwargs: Any) -> None:
    """Whoever corrects a mail's sender, or its account, leaves a stop behind of which no message
    finds the end. Whoever corrects the settings need not wait for one."""
    for account in Account.objects.stopped():
        if account.is_set_anew():
            account.start_anew(now)
        elif not account.rests(now) and not account.is_used():
            account.resume(now)


def missing(name: str) -> str:
    return _("There is no e-mail account “%s” any more.") % name


def waiting_for(account: Account) -> int:
    return _waiting(account.name, account.sender)


def _waiting(name: str, sender: str = "") -> int:
    from automation.events.health.backlog import COUNTED
    from automation.events.states import State
    from mails.models import Message

    queued = Message.objects.filter(state=State.QUEUED, mail__is_active=True)
    queued = queued.filter(mail__account__in=_called(name))
    if sender:
        queued = queued.filter(mail__from_email=sender)
    return queued.order_by()[:COUNTED].count()


def _called(name: str) -> Iterable[str]:
    """How mails name the account."""
    return ("", DEFAULT) if name == DEFAULT else (name,)


def called(found: Iterable[str]) -> list[str]:
    return [each for name in found for each in _called(name)]
