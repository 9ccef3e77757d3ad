"""What a mail server's answers mean, and what becomes of messages for them."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.smtp import EmailBackend
from django.utils import timezone

from automation.events import Event, record
from automation.events.delivering import Later
from automation.events.states import Cause, State
from mails.answers import MOST, Meaning, Stage, meaning, said_by, words
from mails.connections import connect
from mails.models import Account, Message
from tests import shop
from tests.receiver import certificate_for
from tests.smtp import DROP, HALFWAY, SmtpServer
from tests.test_delivery import deliver_due, messages, queue

pytestmark = pytest.mark.django_db

RELAY = "554 5.7.1 <b@example.com>: Relay access denied"


@pytest.mark.parametrize(
    ("stage", "answer", "expected"),
    [
        # Before any message: the server refuses us, or has no time.
        (Stage.OPENING, "421 4.3.2 Too many connections", Meaning.AWAY),
        (Stage.OPENING, "454 4.7.0 Temporary authentication failure", Meaning.AWAY),
        (Stage.OPENING, "554 5.7.1 No SMTP service here", Meaning.US),
        (Stage.OPENING, "535 5.7.8 Username and password not accepted", Meaning.US),
        (Stage.OPENING, "530 5.7.0 Must issue a STARTTLS command first", Meaning.US),
        (Stage.OPENING, "502 5.5.1 Command not implemented", Meaning.US),
        # The sender.
        (Stage.SENDER, "421 4.7.0 Try again later", Meaning.LATER),
        (Stage.SENDER, "451 4.3.0 Temporary error", Meaning.LATER),
        (Stage.SENDER, "452 4.3.1 Insufficient storage", Meaning.LATER),
        (Stage.SENDER, "530 5.7.0 Authentication required", Meaning.US),
        (Stage.SENDER, "538 5.7.11 Encryption required", Meaning.US),
        (Stage.SENDER, "550 5.7.1 Sender rejected", Meaning.SENDER),
        (Stage.SENDER, "553 5.1.8 Domain of sender does not exist", Meaning.SENDER),
        (Stage.SENDER, "552 5.3.4 Message too big", Meaning.FAILED),
        (Stage.SENDER, "550 5.6.7 Address needs SMTPUTF8", Meaning.FAILED),
        # The recipient.
        (Stage.RECIPIENT, "421 4.3.2 Closing", Meaning.LATER),
        (Stage.RECIPIENT, "450 4.2.0 Greylisted", Meaning.LATER),
        (Stage.RECIPIENT, "451 4.7.1 Try later", Meaning.LATER),
        (Stage.RECIPIENT, "452 4.2.2 Mailbox full", Meaning.LATER),
        (Stage.RECIPIENT, "550 5.1.1 No such person", Meaning.FAILED),
        (Stage.RECIPIENT, "551 User not local", Meaning.FAILED),
        (Stage.RECIPIENT, "552 5.2.2 Mailbox full", Meaning.FAILED),
        (Stage.RECIPIENT, "553 5.1.3 Bad address", Meaning.FAILED),
        (Stage.RECIPIENT, "554 5.7.1 Rejected for policy reasons", Meaning.FAILED),
        (Stage.RECIPIENT, RELAY, Meaning.US),
        (Stage.RECIPIENT, "550 5.7.1 Unable to relay", Meaning.US),
        (Stage.RECIPIENT, "550 relay not permitted", Meaning.US),
        (Stage.RECIPIENT, "553 sorry, that domain isn't in my list of allowed rcpthosts",
         Meaning.US),
        (Stage.RECIPIENT, "530 5.7.57 Client not authenticated to send mail", Meaning.US),
        (Stage.RECIPIENT, "535 5.7.8 Authentication failed", Meaning.US),
        (Stage.RECIPIENT, "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using x",
         Meaning.US),
        # DATA, and the message.
        (Stage.DATA, "451 4.3.0 Later", Meaning.LATER),
        (Stage.DATA, "554 5.5.1 No valid recipients", Meaning.FAILED),
        (Stage.DATA, "250 What?", Meaning.LATER),
        (Stage.CONTENT, "421 4.3.2 Going down", Meaning.LATER),
        (Stage.CONTENT, "451 4.3.0 Later", Meaning.LATER),
        (Stage.CONTENT, "452 4.3.1 Full", Meaning.LATER),
        (Stage.CONTENT, "550 5.7.1 Spam", Meaning.FAILED),
        (Stage.CONTENT, "552 5.3.4 Too big", Meaning.FAILED),
        (Stage.CONTENT, "553 Bad header", Meaning.FAILED),
        (Stage.CONTENT, "554 5.6.0 Rejected", Meaning.FAILED),
        (Stage.CONTENT, "554 Relay access denied", Meaning.FAILED),
        (Stage.CONTENT, "550 5.4.5 Daily user sending limit exceeded", Meaning.US),
        (Stage.CONTENT, "554 5.2.252 SendAsDenied", Meaning.SENDER),
        (Stage.CONTENT, "554 Message rejected: Email address is not verified", Meaning.SENDER),
        (Stage.CONTENT, "354 What?", Meaning.UNKNOWN),
    ],
)  # fmt: skip
def test_an_answer_means_what_it_means_at_its_stage(stage: Stage, answer: str, expected: Meaning):
    code, _space, text = answer.partition(" ")
    assert meaning(stage, int(code), text) is expected


def account() -> Account:
    return Account.objects.get()


@pytest.mark.parametrize("code", [421, 450, 451, 452])
@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "END"])
def test_a_temporary_answer_at_any_stage_is_later_for_this_message_only(
    smtp_server: SmtpServer, stage: str, code: int
):
    smtp_server.answers[stage] = f"{code} 4.0.0 Later"
    queue("a@example.com")
    deliver_due()
    assert messages() == [("queued", f"{code} 4.0.0 Later")]
    assert Message.objects.get().attempts == 1
    assert account().stopped_at is None
    smtp_server.answers.clear()
    Message.objects.update(not_before=timezone.now())
    deliver_due()
    assert messages() == [("sent", "")]


def test_a_server_that_ends_one_connection_after_the_other_is_left_alone(
    smtp_server: SmtpServer,
):
    smtp_server.answers["MAIL"] = "421 4.7.0 Too many messages"
    queue(*(f"{n}@example.com" for n in range(9)))
    deliver_due()
    assert smtp_server.connections == 2
    assert [state for state, _reason in messages()] == ["queued"] * 9
    assert list(Message.objects.order_by("pk").values_list("attempts", flat=True)) == [1] + [0] * 8
    assert account().refusals == 0
    assert account().stopped_at is not None


@pytest.mark.parametrize("code", [550, 552, 553, 554])
@pytest.mark.parametrize("stage", ["RCPT", "DATA", "END"])
def test_a_permanent_answer_fails_this_message_and_the_line_goes_on(
    smtp_server: SmtpServer, stage: str, code: int
):
    queue("a@example.com", "b@example.com")
    smtp_server.answers[stage] = f"{code} 5.0.0 No"
    deliver_due()
    assert messages() == [("failed", f"{code} 5.0.0 No")] * 2
    assert set(Message.objects.values_list("cause", flat=True)) == {Cause.REFUSED}
    assert smtp_server.connections == 1
    assert account().stopped_at is None


@pytest.mark.parametrize(
    ("stage", "answer"),
    [
        ("EHLO", "554 5.7.1 Not you"),
        ("MAIL", "530 5.7.0 Authenticate first"),
        ("MAIL", "550 5.7.1 Sender rejected"),
        ("RCPT", "530 5.7.0 Authenticate first"),
        ("RCPT", "535 5.7.8 Authentication failed"),
        ("RCPT", "554 5.7.1 Relay access denied"),
        ("END", "550 5.4.5 Daily user sending limit exceeded"),
    ],
)
def test_a_server_that_refuses_us_stops_the_account_and_nothing_is_lost(
    smtp_server: SmtpServer, stage: str, answer: str
):
    smtp_server.answers[stage] = answer
    queue("a@example.com", "b@example.com", "c@example.com")
    deliver_due()
    reason = f"The mail server cannot be used: {answer}"
    assert messages() == [("queued", reason)] * 3
    assert set(Message.objects.values_list("attempts", flat=True)) == {0}
    assert smtp_server.connections == 1
    assert account().reason == reason
    smtp_server.answers.clear()
    Message.objects.update(not_before=timezone.now())
    deliver_due()
    assert smtp_server.connections == 1  # nobody connects while it is stopped


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA"])
def test_a_connection_that_breaks_before_the_message_is_later_and_not_unknown(
    smtp_server: SmtpServer, stage: str
):
    smtp_server.answers[stage] = DROP
    queue("a@example.com")
    deliver_due()
    ((state, reason),) = messages()
    assert state == State.QUEUED
    assert reason.startswith("The connection broke before the message was handed over: ")
    assert Message.objects.get().attempts == 1


def test_a_connection_that_breaks_while_the_message_is_written_is_later(smtp_server: SmtpServer):
    """It has no final dot, so no server can have taken it."""
    smtp_server.answers["DATA"] = HALFWAY
    larger_than_any_buffer = "x" * 998 + "\n"
    email = EmailMultiAlternatives(
        "Hello", larger_than_any_buffer * 30_000, "shop@example.com", ["a@example.com"]
    )
    line = connect(get_connection())
    line.open()
    with pytest.raises(Later, match="The connection broke while the message was handed over: "):
        line.send(email, (1, uuid.uuid4()))


def test_a_connection_that_breaks_after_the_message_is_unknown(smtp_server: SmtpServer):
    smtp_server.answers["END"] = DROP
    queue("a@example.com")
    deliver_due()
    assert [state for state, _reason in messages()] == ["unknown"]


def test_a_server_that_takes_too_long_with_its_answer_leaves_a_message_unknown(
    smtp_server: SmtpServer, settings: Any
):
    settings.EMAIL_TIMEOUT = 0.2
    smtp_server.slow = 1
    queue("a@example.com")
    deliver_due()
    ((state, reason),) = messages()
    assert state == State.UNKNOWN
    assert "timed out" in reason


def test_a_refused_copy_stops_neither_the_message_nor_the_batch(smtp_server: SmtpServer):
    smtp_server.answers["RCPT", "copy@example.com"] = "550 5.1.1 Nobody"
    queue("a@example.com", "b@example.com", cc="copy@example.com", bcc="hidden@example.com")
    deliver_due()
    note = "Without a copy to: copy@example.com (550 5.1.1 Nobody)"
    assert messages() == [("sent", note)] * 2
    assert [received.recipients for received in smtp_server.received] == [
        ("a@example.com", "hidden@example.com"), ("b@example.com", "hidden@example.com"),
    ]  # fmt: skip


def test_copies_do_not_go_out_without_the_message(smtp_server: SmtpServer):
    smtp_server.answers["RCPT", "a@example.com"] = "550 5.1.1 Nobody"
    queue("a@example.com", cc="copy@example.com")
    deliver_due()
    assert messages() == [("failed", "550 5.1.1 Nobody")]
    assert smtp_server.received == []


def test_one_address_that_may_not_be_relayed_stops_nobody_else(smtp_server: SmtpServer):
    """The first one is refused as if all were; the trial shows that it is alone."""
    smtp_server.answers["RCPT", "a@example.com"] = RELAY
    queue("a@example.com", "b@example.com", "c@example.com")
    deliver_due()
    assert [state for state, _reason in messages()] == ["queued"] * 3
    first, *others = Message.objects.order_by("pk").values_list("not_before", flat=True)
    assert others == [account().stopped_until] * 2
    assert first > others[0]  # so that another one is tried
    now = timezone.now()
    Account.objects.update(stopped_until=now)
    Message.objects.filter(not_before=others[0]).update(not_before=now)
    deliver_due()
    assert [state for state, _reason in messages()] == ["queued", "sent", "sent"]
    assert account().stopped_at is None
    Message.objects.update(not_before=timezone.now())
    deliver_due()
    assert messages()[0] == ("queued", RELAY)
    assert Message.objects.order_by("pk")[0].attempts == 1  # it counts from now on
    assert account().stopped_at is None


def test_a_mails_own_sender_that_is_refused_stops_only_its_messages(smtp_server: SmtpServer):
    smtp_server.answers["MAIL", "boss@example.com"] = "553 5.7.1 Sender rejected"
    queue("a@example.com", "b@example.com", slug="boss", from_email="boss@example.com")
    shop.mail(slug="shop", group="other")
    context = {"cart": {"customer": {"first_name": "Ann"}, "items": []}}
    record([Event("other", "other 1", context, recipient="c@example.com")])
    deliver_due()
    reason = "The mail server cannot be used: 553 5.7.1 Sender rejected"
    assert messages() == [("queued", reason), ("queued", reason), ("sent", "")]
    assert list(Account.objects.exclude(stopped_at=None).values_list("sender", flat=True)) == [
        "boss@example.com"
    ]


class WritesAnyLetters(EmailBackend):
    """A project's own backend: it sends in its own way."""

    def _send(self, email_message: Any) -> bool:
        self.connection.sendmail(
            email_message.from_email, email_message.to, "Hello", mail_options=["SMTPUTF8"]
        )
        return True


def test_a_server_that_does_not_know_the_letters_of_an_address_fails_that_message_in_words(
    smtp_server: SmtpServer, settings: Any
):
    smtp_server.stop()
    smtp_server.knows_utf8 = False
    smtp_server.start()
    settings.EMAIL_BACKEND = f"{__name__}.WritesAnyLetters"
    queue("a@example.com")
    deliver_due()
    ((state, reason),) = messages()
    assert state == State.FAILED
    assert reason.startswith("The mail server does not know the letters of an address: ")


def test_dots_at_the_beginning_of_lines_arrive(smtp_server: SmtpServer):
    queue("a@example.com", text=".one\n..two\n.\nend")
    deliver_due()
    assert smtp_server.received[0].text.rstrip("\n") == ".one\n..two\n.\nend"


def test_a_wrong_password_stops_the_account(smtp_server: SmtpServer, settings: Any):
    smtp_server.refuse_login = True
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "shop", "wrong"
    queue("a@example.com")
    deliver_due()
    ((state, reason),) = messages()
    assert state == State.QUEUED
    assert reason.startswith("The mail server cannot be used: 535 ")
    smtp_server.refuse_login = False
    Account.objects.update(stopped_until=timezone.now())
    Message.objects.update(not_before=timezone.now())
    deliver_due()
    assert messages() == [("sent", "")]
    assert account().stopped_at is None


# What a server says is somebody else's text -----------------------------------------------


def test_what_no_database_can_keep_of_an_answer_is_replaced_and_the_batch_goes_on(
    smtp_server: SmtpServer,
):
    smtp_server.refuse_recipients["a@example.com"] = "550 5.1.1 No such\x00 person"
    queue("a@example.com", "b@example.com")
    deliver_due()
    assert messages() == [("failed", "550 5.1.1 No such\ufffd person"), ("sent", "")]


def test_a_server_that_refuses_us_in_words_that_no_database_keeps_stops_the_account(
    smtp_server: SmtpServer,
):
    smtp_server.answers["EHLO"] = "554 5.7.1 go\x00 away"
    queue("a@example.com")
    deliver_due()
    reason = "The mail server cannot be used: 554 5.7.1 go\ufffd away"
    assert Account.objects.get().reason == reason
    assert messages() == [("queued", reason)]


def test_a_long_answer_is_cut():
    assert said_by(550, b"x" * 5_000) == "550 " + "x" * (MOST - 4)
    assert words(OSError("x" * 5_000)) == "x" * MOST


def test_a_server_whose_certificate_is_not_valid_refuses_us(
    smtp_server: SmtpServer, settings: Any, tmp_path: Path
):
    smtp_server.stop()
    smtp_server.certificate = certificate_for("mail.example", tmp_path)
    smtp_server.start()
    settings.EMAIL_USE_TLS = True
    queue("a@example.com")
    deliver_due()
    account = Account.objects.get()
    assert account.refusals == 1  # one that is out of reach has none, and is tried each minute
    assert "certificate verify failed" in account.reason
    assert messages() == [("queued", account.reason)]
