"""Whether mails can be sent: the mail server, the senders, and what mails need."""

import datetime
import smtplib
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail.backends import smtp
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.events.health import Examination, Finding, Level, examinations, words
from automation.events.health.way import Stage, way
from mails import accounts, mailers, parts
from mails.accounts import Account
from mails.mail import Mail
from mails.proofreading import problems_of_mail, problems_of_said

#: For how long the mail server may take over each of its answers, in seconds.
TIMEOUT = 10

#: Django's own default sender, and the site's: nobody reads answers there.
NOBODYS = ("@localhost", "@localhost>")


def _servers(now: datetime.datetime) -> Iterator[Finding]:
    """Connect to each, greet, log in as configured, and say good-bye. Nothing is sent."""
    for mailer in mailers.mailers():
        try:
            connection = mailer.connection()
        except (ImportError, ImproperlyConfigured, TypeError, ValueError) as error:
            said = _("The e-mail account “%(account)s” cannot be used: %(error)s")
            yield Finding(Level.PROBLEM, said % {"account": mailer, "error": words(error)})
        else:
            yield from _server(connection)


def _server(connection: Any) -> Iterator[Finding]:
    if not isinstance(connection, smtp.EmailBackend):
        if not settings.DEBUG and settings.EMAIL_BACKEND.startswith("django.core.mail."):
            yield Finding(
                Level.WARNING,
                _("Mails go nowhere: EMAIL_BACKEND is %s.") % settings.EMAIL_BACKEND,
                _("Set EMAIL_URL to your mail server."),
            )
        return
    connection.timeout = TIMEOUT
    name = f"{connection.host}:{connection.port}"
    try:
        connection.open()
        if smtp_connection := connection.connection:
            smtp_connection.ehlo_or_helo_if_needed()
    except (OSError, smtplib.SMTPException) as error:
        yield Finding(
            Level.PROBLEM,
            _("The mail server %(server)s cannot be used: %(error)s")
            % {"server": name, "error": _said(error)},
            _("Correct EMAIL_URL, or ask who runs the server. Messages wait until it works."),
        )
    else:
        yield Finding(Level.OK, _("The mail server %s takes mails from us.") % name)
    finally:
        connection.fail_silently = True  # it may be gone already
        connection.close()


def _said(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        answer = error.smtp_error
        said = answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer)
        return f"{error.smtp_code} {said}"
    return words(error)


def _accounts(now: datetime.datetime) -> Iterator[Finding]:
    """What keeps messages from going out now, as the workers found it."""
    for alarm in accounts.alarms(now):
        yield Finding(
            Level.PROBLEM,
            str(alarm),
            _("Correct it. Messages wait, nothing is lost, and it is tried again by itself."),
            model=Account,
            count=alarm.waiting,
            figure=_("messages wait for an e-mail account"),
        )


def _senders(now: datetime.datetime) -> Iterator[Finding]:
    sender = settings.DEFAULT_FROM_EMAIL
    if sender and not sender.endswith(NOBODYS):
        return
    active = Mail.objects.filter(is_active=True, from_email="")
    if name := active.values_list("name", flat=True).first():
        yield Finding(
            Level.WARNING,
            _("Mails without a sender of their own come from “%(sender)s”, such as “%(mail)s”.")
            % {"sender": sender, "mail": name},
            _("Set DEFAULT_FROM_EMAIL to an address that your mail server may send from."),
            model=Mail,
            query={"is_active__exact": 1},
        )


def _mails(now: datetime.datetime) -> Iterator[Finding]:
    active = Mail.objects.filter(is_active=True).select_related("layout")
    for mail in active.prefetch_related("variants", "attachments"):
        problems = [said for found in problems_of_mail(mail).values() for said in found]
        for variant in mail.variants.all():
            problems += [
                said for found in problems_of_said(variant, mail).values() for said in found
            ]
        problems += parts.problems(mail.content())
        if problems:
            yield Finding(
                Level.PROBLEM,
                _("The mail “%(mail)s” does not work: %(problem)s")
                % {"mail": mail, "problem": problems[0]},
                _("Correct it: each of its messages would fail."),
                model=Mail,
                query={"q": mail.slug},
            )


def register() -> None:
    app = "mails"
    for examination in (
        Examination("mail server", gettext_lazy("The mail server"), app, _servers,
                    asks_database=False),
        Examination("e-mail accounts", gettext_lazy("E-mail accounts"), app, _accounts,
                    cheap=True),
        Examination("senders", gettext_lazy("Senders"), app, _senders),
        Examination("mails", gettext_lazy("Mails"), app, _mails),
    ):  # fmt: skip
        examinations.register(examination)
    does = gettext_lazy("say what is sent for events of a group.")
    way.register(Stage(40, gettext_lazy("Mails"), does))
    does = gettext_lazy("are what went out, to whom, and what did not.")
    way.register(Stage(50, gettext_lazy("Messages"), does))
