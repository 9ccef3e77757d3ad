"""Several e-mail accounts: which a mail goes out by, what stops one, what stands in for it."""

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from automation.events.states import State
from automation.events.tasks import tick
from mails.accounts import Alarm, alarms
from mails.answers import Meaning
from mails.checks import check_accounts
from mails.mailers import mailer
from mails.models import Account, Mail, Message
from tests import shop
from tests.smtp import SmtpServer
from tests.test_delivery import deliver_due, messages, queue

pytestmark = pytest.mark.django_db

REFUSED = "The mail server cannot be used: 530 5.7.0 Authenticate first"


@pytest.fixture
def news(smtp_server: SmtpServer, settings: Any) -> Iterator[SmtpServer]:
    """A second mail server, the account "news"."""
    server = SmtpServer()
    server.start()
    smtp = "django.core.mail.backends.smtp.EmailBackend"
    settings.MAILERS = {
        "news": {"BACKEND": smtp, "OPTIONS": {"host": server.host, "port": server.port}}
    }
    yield server
    server.stop()


def sent_by() -> list[tuple[str, str]]:
    return list(Message.objects.order_by("pk").values_list("state", "account"))


def due_again(now: datetime.datetime | None = None) -> None:
    Message.objects.update(not_before=timezone.now())
    deliver_due()


def stops() -> list[tuple[str, int]]:
    """Each account that is stopped, with for how many minutes."""
    return [
        (each.name, round((each.stopped_until - timezone.now()).total_seconds() / 60))
        for each in Account.objects.stopped()
        if each.stopped_until
    ]


# Which account ----------------------------------------------------------------------------


def test_a_mail_goes_out_by_its_account(smtp_server: SmtpServer, news: SmtpServer):
    queue("a@example.com", account="news")
    deliver_due()
    assert sent_by() == [("sent", "news")]
    assert (len(smtp_server.received), len(news.received)) == (0, 1)


def test_a_mail_that_names_none_goes_out_by_the_default_one(
    smtp_server: SmtpServer, news: SmtpServer
):
    queue("a@example.com")
    deliver_due()
    assert sent_by() == [("sent", "default")]
    assert (len(smtp_server.received), len(news.received)) == (1, 0)


def test_an_account_of_its_own_knows_nothing_of_the_default_ones_password(
    news: SmtpServer, settings: Any
):
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "shop", "secret"
    settings.EMAIL_USE_TLS = True
    account = mailer("news")
    assert account is not None
    backend = account.connection()
    assert (backend.username, backend.password, backend.use_tls) == ("", "", False)


def test_an_account_has_its_own_sender_and_a_mails_own_comes_first(news: SmtpServer, settings: Any):
    settings.AUTOMATION = {"ACCOUNTS": {"news": {"FROM": "News <news@example.com>"}}}
    queue("a@example.com", slug="one", account="news")
    deliver_due()
    Mail.objects.update(from_email="boss@example.com")
    Message.objects.update(state=State.QUEUED)
    due_again()
    assert [received.sender for received in news.received] == [
        "news@example.com", "boss@example.com",
    ]  # fmt: skip
    assert Message.objects.get().headers["From"] == "boss@example.com"


def test_a_mail_whose_account_is_gone_waits_and_says_so(smtp_server: SmtpServer):
    queue("a@example.com", account="gone")
    deliver_due()
    reason = "There is no e-mail account “gone” any more."
    assert messages() == [("queued", reason)]
    assert Message.objects.get().attempts == 0
    assert alarms(timezone.now()) == [Alarm("gone", reason, None, 1)]


def test_accounts_of_one_batch_use_a_connection_each(smtp_server: SmtpServer, news: SmtpServer):
    shop.mail(slug="one")
    queue("a@example.com", "b@example.com", slug="two", account="news")
    deliver_due()
    assert sorted(sent_by()) == [("sent", "default")] * 2 + [("sent", "news")] * 2
    assert (smtp_server.connections, news.connections) == (1, 1)


# What stops one ---------------------------------------------------------------------------


def test_an_account_that_is_refused_rests_ever_longer(smtp_server: SmtpServer):
    smtp_server.refuse_sender = "530 5.7.0 Authenticate first"
    queue("a@example.com")
    lengths = []
    for _time in range(6):
        due_again()
        lengths += [minutes for _name, minutes in stops()]
        Account.objects.update(stopped_until=timezone.now())
    assert lengths == [1, 2, 4, 8, 15, 15]
    assert smtp_server.connections == 6


def test_one_worker_tries_with_one_message_and_then_all_go_on(smtp_server: SmtpServer):
    smtp_server.refuse_sender = "530 5.7.0 Authenticate first"
    queue("a@example.com", "b@example.com", "c@example.com")
    deliver_due()
    since = Account.objects.get().stopped_at
    Account.objects.update(stopped_until=timezone.now())
    first, second = Account.objects.get(), Account.objects.get()
    now = timezone.now()
    assert [first.try_again(now), second.try_again(now)] == [True, False]
    Account.objects.update(stopped_until=timezone.now())
    due_again()
    assert messages() == [("queued", REFUSED)] * 3
    assert smtp_server.connections == 2
    assert Account.objects.get().stopped_at == since
    smtp_server.refuse_sender = None
    Account.objects.update(stopped_until=timezone.now())
    due_again()
    assert messages() == [("sent", "")] * 3
    account = Account.objects.get()
    assert (account.stopped_at, account.refusals, account.reason) == (None, 0, "")


def test_what_two_workers_find_at_the_same_time_counts_once():
    one, other = Account.of("default"), Account.of("default")
    now = timezone.now()
    one.stop(Meaning.US, "No", now)
    other.stop(Meaning.US, "No", now)
    assert Account.objects.get().refusals == 1
    assert other.stopped_until == one.stopped_until


def test_messages_of_a_stopped_account_are_not_claimed_again_and_again(
    smtp_server: SmtpServer, news: SmtpServer
):
    smtp_server.refuse_sender = "530 5.7.0 Authenticate first"
    queue("a@example.com", slug="one")
    deliver_due()
    queue("b@example.com", slug="two", account="news")
    Message.objects.update(not_before=timezone.now())
    assert {message.mail.account for message in Message.objects.due(timezone.now())} == {"news"}


def test_a_server_out_of_reach_is_remembered_for_a_minute(smtp_server: SmtpServer):
    smtp_server.stop()
    queue("a@example.com")
    deliver_due()
    assert stops() == [("default", 1)]
    smtp_server.start()
    due_again()
    assert smtp_server.connections == 0
    Account.objects.update(stopped_until=timezone.now())
    due_again()
    assert messages() == [("sent", "")]
    assert stops() == []


def test_an_alarm_says_what_waits(smtp_server: SmtpServer, settings: Any):
    settings.AUTOMATION = {"ACCOUNTS": {"default": {"LABEL": "The shop's post"}}}
    smtp_server.refuse_sender = "530 5.7.0 Authenticate first"
    assert alarms(timezone.now()) == []
    queue("a@example.com", "b@example.com")
    deliver_due()
    since = Account.objects.get().stopped_at
    assert alarms(timezone.now()) == [Alarm("The shop's post", REFUSED, since, 2)]


DAY = datetime.timedelta(days=1)


def a_stop_of(name: str, sender: str = "") -> Account:
    account = Account.of(name, sender)
    account.stop(Meaning.US, "No", timezone.now() - DAY)
    return account


def test_a_stop_of_which_no_message_would_find_the_end_is_over(news: SmtpServer, settings: Any):
    settings.AUTOMATION = {"ACCOUNTS": {"default": {"FALLBACK": "news"}}}
    mail = shop.mail(from_email="sales@example.com")
    shop.mail(account="gone")
    shop.mail(from_email="old@example.com", is_active=False)
    a_stop_of("gone")
    a_stop_of("default", "old@example.com")
    for sender in ("", "sales@example.com"):
        a_stop_of("default", sender)
        a_stop_of("news", sender)
    used = [("default", ""), ("default", "sales@example.com")]
    used += [("news", ""), ("news", "sales@example.com")]
    assert len(alarms(timezone.now())) == len(used)
    tick()
    assert list(Account.objects.stopped().values_list("name", "sender")) == used
    Mail.objects.filter(pk=mail.pk).update(from_email="", account="news")
    tick()
    assert list(Account.objects.stopped().values_list("name", "sender")) == [("news", "")]
    assert len(alarms(timezone.now())) == 1


def test_a_stop_ends_when_somebody_corrects_the_settings(smtp_server: SmtpServer, settings: Any):
    settings.EMAIL_HOST_PASSWORD = "typo"
    smtp_server.refuse_sender = "530 5.7.0 Authenticate first"
    queue("a@example.com")
    deliver_due()
    tick()
    stopped = Account.objects.stopped().get()
    assert "typo" not in repr(Account.objects.values().get())
    smtp_server.refuse_sender = None
    settings.EMAIL_HOST_PASSWORD = "correct"
    tick()
    assert Account.objects.stopped().count() == 0
    deliver_due()
    assert sent_by() == [("sent", "default")]
    Account.objects.filter(pk=stopped.pk).update(stopped_at=timezone.now())
    tick()  # it is not known what it was stopped with
    assert Account.objects.stopped().count() == 1


def test_a_stop_of_one_account_does_not_end_for_what_another_is_set_to(
    news: SmtpServer, settings: Any
):
    for name in ("default", "news"):
        shop.mail(account=name)
        a_stop_of(name)
    host = {**settings.MAILERS["news"]["OPTIONS"], "timeout": 7}
    settings.MAILERS = {"news": {**settings.MAILERS["news"], "OPTIONS": host}}
    tick()
    assert [each.name for each in Account.objects.stopped()] == ["default"]


def test_a_stop_lasts_as_long_as_it_was_said(smtp_server: SmtpServer):
    Account.of("default").stop(Meaning.US, "No", timezone.now())
    tick()
    assert Account.objects.stopped().count() == 1
    assert alarms(timezone.now()) == []  # nothing waits


def test_what_was_sent_today_is_counted(smtp_server: SmtpServer):
    queue("a@example.com", "b@example.com")
    deliver_due()
    account = Account.objects.get()
    assert account.sent_today == 2
    account.count(3, timezone.now())
    assert Account.objects.get().sent_today == 5
    account.count(1, timezone.now() + datetime.timedelta(days=1))
    assert Account.objects.get().sent_that_day == 1


# What stands in for it --------------------------------------------------------------------


@pytest.fixture
def standing_in(news: SmtpServer, settings: Any) -> SmtpServer:
    settings.AUTOMATION = {
        "ACCOUNTS": {"default": {"FALLBACK": "news"}, "news": {"FROM": "news@example.com"}}
    }
    return news


def test_another_account_stands_in_at_once_with_its_own_sender(
    smtp_server: SmtpServer, standing_in: SmtpServer
):
    smtp_server.stop()
    queue("a@example.com", "b@example.com", from_email="boss@example.com")
    deliver_due()
    assert sent_by() == [("sent", "news")] * 2
    received = standing_in.received[0]
    assert received.sender == "news@example.com"
    assert received.message["Reply-To"] == "boss@example.com"
    smtp_server.start()


def test_it_stands_in_also_when_only_the_message_itself_is_refused(
    smtp_server: SmtpServer, standing_in: SmtpServer
):
    smtp_server.refuse_sender = "530 5.7.0 Authenticate first"
    queue("a@example.com", "b@example.com")
    deliver_due()
    assert sent_by() == [("sent", "news")] * 2
    assert (smtp_server.connections, standing_in.connections) == (1, 1)


def test_the_first_account_is_tried_again_later(smtp_server: SmtpServer, standing_in: SmtpServer):
    smtp_server.refuse_sender = "530 5.7.0 Authenticate first"
    queue("a@example.com", slug="one")
    deliver_due()
    smtp_server.refuse_sender = None
    Account.objects.update(stopped_until=timezone.now())
    queue("b@example.com", slug="two")
    due_again()
    assert sent_by()[0] == ("sent", "news")
    assert set(sent_by()[1:]) == {("sent", "default")}
    assert stops() == []


def test_when_both_are_stopped_messages_wait_for_the_first_that_comes_back(
    smtp_server: SmtpServer, standing_in: SmtpServer
):
    smtp_server.stop()
    standing_in.stop()
    queue("a@example.com")
    deliver_due()
    assert [state for state, _reason in messages()] == ["queued"]
    assert list(Message.objects.due(timezone.now() + datetime.timedelta(seconds=30))) == []
    assert len(alarms(timezone.now())) == 2
    standing_in.start()
    Account.objects.filter(name="news").update(stopped_until=timezone.now())
    due_again()
    assert sent_by() == [("sent", "news")]
    smtp_server.start()


# Configuration ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accounts", "expected"),
    [
        ({"default": {"RATE": 14, "DOMAINS": {"gmail.com": 0.5}, "FALLBACK": "news"}}, []),
        ({"shop": {}}, ["mails.E006"]),
        ({"news": {"RAET": 1}}, ["mails.E007"]),
        ({"news": {"RATE": 0}}, ["mails.E008"]),
        ({"news": {"DOMAIN_RATE": "fast"}}, ["mails.E008"]),
        ({"news": {"DOMAINS": {"gmail.com": -1}}}, ["mails.E008"]),
        ({"news": {"FALLBACK": "shop"}}, ["mails.E009"]),
        ({"news": {"FALLBACK": "default"}, "default": {"FALLBACK": "news"}}, ["mails.E009"] * 2),
        ({"news": {"FALLBACK": "news"}}, ["mails.E009"]),
    ],
)
def test_what_is_wrong_with_accounts_is_refused_at_the_start(
    settings: Any, accounts: Any, expected: list[str]
):
    settings.MAILERS = {"news": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
    settings.AUTOMATION = {"ACCOUNTS": accounts}
    assert [found.id for found in check_accounts()] == expected


def test_a_mailer_of_another_shape_is_refused(settings: Any):
    settings.MAILERS = {"news": {"HOST": "mail.example.com"}}
    assert [found.id for found in check_accounts()] == ["mails.E005"]


# Queries ----------------------------------------------------------------------------------


def test_a_batch_asks_the_database_twice_for_each_message_and_else_a_fixed_number_of_times(
    smtp_server: SmtpServer,
):
    def queries(count: int) -> int:
        queue(*(f"{count}-{n}@example.com" for n in range(count)), slug=f"mail-{count}")
        with CaptureQueriesContext(connection) as captured:
            deliver_due()
        Mail.objects.update(is_active=False)
        return len(captured)

    queries(1)  # the account is written down the first time
    few, many = queries(2), queries(22)
    assert many - few == 2 * 20
