"""The pages of e-mail accounts."""

import datetime
import errno
import smtplib
import socket
import ssl
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ

from automation.events.health import Level, examinations, examine
from automation.rules.definitions import dump
from mails.answers import Meaning, words
from mails.models import Account, Mail, Message
from tests import shop
from tests.smtp import SmtpServer
from tests.test_accounts import news as news
from tests.test_delivery import deliver_due, messages, queue

pytestmark = pytest.mark.django_db


def page(name: str, *arguments: Any) -> str:
    return reverse(f"admin:mails_account_{name}", args=arguments)


@pytest.fixture
def stopped(smtp_server: SmtpServer) -> Account:
    smtp_server.refuse_sender = "530 5.7.0 Authenticate first"
    queue("a@example.com", "b@example.com")
    deliver_due()
    smtp_server.refuse_sender = None
    return Account.objects.get()


def signed_in(django_user_model: Any, *permissions: str) -> Client:
    user = django_user_model.objects.create_user("eva", "eva@example.com", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def test_the_list_shows_every_account_before_anything_was_sent(
    admin_client: Client, news: SmtpServer
):
    text = admin_client.get(page("changelist")).content.decode()
    assert [each.name for each in Account.objects.all()] == ["default", "news"]
    for account in Account.objects.all():
        assert page("change", account.pk) in text


def test_the_page_of_a_stopped_account_says_why_and_what_waits(
    admin_client: Client, stopped: Account
):
    text = admin_client.get(page("change", stopped.pk)).content.decode()
    assert "The mail server cannot be used: 530 5.7.0 Authenticate first" in text
    assert "Messages that wait for it:" in text
    assert page("try_again", stopped.pk) in text


def test_trying_again_lets_what_waits_go_out_at_once(admin_client: Client, stopped: Account):
    answer = admin_client.post(page("try_again", stopped.pk))
    assert answer.status_code == 302
    deliver_due()
    assert messages() == [("sent", "")] * 2
    assert Account.objects.get().stopped_at is None


@pytest.mark.parametrize(("name", "sender"), [("gone", ""), ("default", "old@example.com")])
def test_trying_again_what_nothing_goes_out_by_ends_its_stop(
    admin_client: Client, name: str, sender: str
):
    account = Account.of(name, sender)
    account.stop(Meaning.US, "No", timezone.now())
    answer = admin_client.post(page("try_again", account.pk), follow=True)
    assert answer.redirect_chain == [(page("changelist"), 302)]
    assert Account.objects.get(pk=account.pk).stopped_at is None


@pytest.mark.django_db(transaction=True)
def test_trying_again_rings_the_bell(admin_client: Client, stopped: Account):
    OrmQ.objects.all().delete()
    admin_client.post(page("try_again", stopped.pk))
    assert OrmQ.objects.count() == 1


def test_a_test_goes_to_whoever_asks_by_this_account(
    django_user_model: Any, news: SmtpServer, settings: Any
):
    settings.AUTOMATION = {"ACCOUNTS": {"news": {"LABEL": "News", "FROM": "news@example.com"}}}
    client = signed_in(django_user_model, "view_account", "resume_account")
    account = Account.of("news")
    client.post(page("test", account.pk))
    (received,) = news.received
    assert (received.sender, received.recipients) == ("news@example.com", ("eva@example.com",))
    assert received.subject == "[Test] News"


@pytest.mark.django_db(transaction=True)
def test_a_test_that_arrives_ends_the_stop(django_user_model: Any, stopped: Account):
    client = signed_in(django_user_model, "view_account", "resume_account")
    OrmQ.objects.all().delete()
    answer = client.post(page("test", stopped.pk), follow=True)
    assert "It works again: what waited for it goes out now." in answer.content.decode()
    assert Account.objects.get().stopped_at is None
    assert OrmQ.objects.count() == 1
    deliver_due()
    assert messages() == [("sent", "")] * 2


def test_what_the_server_says_to_a_test_is_told(django_user_model: Any, smtp_server: SmtpServer):
    smtp_server.answers["RCPT"] = "550 5.1.1 Nobody"
    client = signed_in(django_user_model, "view_account", "resume_account")
    answer = client.post(page("test", Account.of("default").pk), follow=True)
    assert "550" in answer.content.decode()
    assert smtp_server.received == []


@pytest.mark.parametrize("name", ["try_again", "test"])
def test_who_may_only_look_gets_no_further(
    django_user_model: Any, stopped: Account, smtp_server: SmtpServer, name: str
):
    client = signed_in(django_user_model, "view_account")
    assert page(name, stopped.pk) not in client.get(page("change", stopped.pk)).content.decode()
    assert client.post(page(name, stopped.pk)).status_code == 403
    assert smtp_server.received == []


@pytest.mark.parametrize("name", ["try_again", "test"])
def test_looking_does_nothing(admin_client: Client, stopped: Account, name: str):
    assert admin_client.get(page(name, stopped.pk)).status_code == 405
    assert Account.objects.get().stopped_until == stopped.stopped_until


def test_a_sender_that_is_refused_has_a_line_while_it_is(
    admin_client: Client, smtp_server: SmtpServer
):
    smtp_server.refuse_sender = "553 5.7.1 Sender rejected"
    queue("a@example.com", from_email="boss@example.com")
    deliver_due()
    assert "E-mail, boss@example.com" in admin_client.get(page("changelist")).content.decode()
    Account.objects.get(sender="boss@example.com").go_on()
    assert "boss@example.com" not in admin_client.get(page("changelist")).content.decode()


# Mails and messages -----------------------------------------------------------------------


def test_a_mail_has_a_choice_only_where_there_is_one(admin_client: Client, smtp_server: SmtpServer):
    url = reverse("admin:mails_mail_add")
    assert 'name="account"' not in admin_client.get(url).content.decode()


def test_a_mail_can_choose_among_accounts(admin_client: Client, news: SmtpServer):
    mail = shop.mail(account="gone")
    text = admin_client.get(reverse("admin:mails_mail_change", args=[mail.pk])).content.decode()
    for choice in ('<option value="">E-mail', '<option value="news">news',
                   '<option value="gone" selected>gone (is gone)'):  # fmt: skip
        assert choice in text


def test_a_message_says_which_account_stood_in(
    admin_client: Client, smtp_server: SmtpServer, news: SmtpServer, settings: Any
):
    settings.AUTOMATION = {"ACCOUNTS": {"default": {"FALLBACK": "news"}}}
    smtp_server.refuse_sender = "530 5.7.0 Authenticate first"
    queue("a@example.com")
    deliver_due()
    message = Message.objects.get()
    for url in ("changelist", "change"):
        arguments = [message.pk] if url == "change" else []
        text = admin_client.get(reverse(f"admin:mails_message_{url}", args=arguments))
        assert "news instead of E-mail" in text.content.decode()


# The doctor -------------------------------------------------------------------------------


def test_a_stopped_account_is_a_problem_of_the_home_page(stopped: Account):
    (examination,) = [each for each in examinations if each.name == "e-mail accounts"]
    assert examination.cheap
    (found,) = examination(timezone.now())
    assert (found.level, found.count) == (Level.PROBLEM, 2)
    assert "530 5.7.0 Authenticate first" in found.what
    stopped.go_on()
    assert examination(timezone.now()) == []


@pytest.mark.parametrize("minutes", [0, 30])
def test_a_stopped_account_is_told_once(stopped: Account, minutes: int):
    """Its messages have a reason, and wait; that is no news of its own."""
    now = timezone.now() + datetime.timedelta(minutes=minutes)
    Account.objects.update(stopped_until=now + datetime.timedelta(minutes=1))
    Message.objects.update(not_before=timezone.now(), reason=stopped.reason)
    Message.objects.filter(pk=Message.objects.latest("pk").pk).update(
        not_before=now + datetime.timedelta(minutes=1)
    )
    told = [found.what for found in examine(now, cheap=True) if found.model in (Account, Message)]
    assert [what for what in told if "stopped" in what or "again" in what or "530" in what] == [
        "Nothing goes out by the e-mail account “E-mail”: The mail server cannot be used: 530 "
        "5.7.0 Authenticate first"
    ]
    Mail.objects.update(is_active=False)
    told = [found.what for found in examine(now, cheap=True) if found.level > Level.OK]
    held = "Messages: 1 held: what they belong to is switched off or stopped"
    assert (held in told) == bool(minutes)


def test_deliver_says_why_nothing_goes_out(stopped: Account, capsys: Any):
    call_command("deliver")
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "messages: 0",
        "  Nothing goes out by the e-mail account “E-mail”: The mail server cannot be used: 530 "
        "5.7.0 Authenticate first (2 wait)",
    ]
    stopped.go_on()
    Message.objects.update(not_before=timezone.now())
    call_command("deliver")
    assert capsys.readouterr().out.splitlines()[-1] == "messages: 2 sent"


def test_a_server_out_of_reach_is_told_in_plain_words(
    admin_client: Client, smtp_server: SmtpServer
):
    queue("a@example.com")
    smtp_server.stop()
    deliver_due()
    smtp_server.start()
    text = admin_client.get(page("change", Account.objects.get().pk)).content.decode()
    assert (
        "The mail server cannot be used: nothing answers at its address and port ([Errno 111] "
        "Connection refused)"
    ) in text


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (socket.gaierror(-2, "Name or service not known"), "nobody knows its name ([Errno -2] "),
        (TimeoutError("timed out"), "it does not answer in time (timed out)"),
        (ConnectionResetError(104, "reset"), "it closed the connection ([Errno 104] reset)"),
        (smtplib.SMTPServerDisconnected("gone"), "it closed the connection (gone)"),
        (ssl.SSLCertVerificationError("expired"), "its certificate is not valid ("),
        (OSError(errno.EHOSTUNREACH, "No route"), "the network has no way to it ("),
        (OSError(errno.EIO, "Input"), "[Errno 5] Input"),
        (smtplib.SMTPAuthenticationError(535, b"5.7.8 Wrong"), "535 5.7.8 Wrong"),
    ],
)
def test_what_happens_to_a_connection_is_told_in_plain_words(error: Exception, said: str):
    assert words(error).startswith(said)


def test_a_mail_travels_with_the_name_of_its_account():
    mail = shop.mail(account="news")
    data = dump(Mail.objects.filter(pk=mail.pk))
    assert [entry["account"] for entry in data["mails"]] == ["news"]
