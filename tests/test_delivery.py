"""What happens to messages, with a real mail server on the other side."""

import datetime
import time
from typing import Any

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from automation.demo.models import Cart
from automation.events import Event, record
from automation.events.delivering import deliver, work
from automation.events.models import EventRecord
from automation.events.states import State
from automation.events.tasks import deliver as deliver_task
from generators import running
from mails.checks import check_times
from mails.models import Account, Mail, Message
from tests import shop
from tests.smtp import SmtpServer

pytestmark = pytest.mark.django_db


def queue(*addresses: str, **values: Any) -> Mail:
    """A mail with a queued message to each address."""
    mail = shop.mail(**values)
    context = {"cart": {"customer": {"first_name": "O'Brien & <b>Co</b>"}, "items": []}}
    record(Event("cart_left", f"to {a} {n}", context, recipient=a) for n, a in enumerate(addresses))
    return mail


def deliver_due() -> None:
    work(Message)


def messages() -> list[tuple[str, str]]:
    return list(Message.objects.order_by("pk").values_list("state", "reason"))


def test_a_batch_goes_out_over_one_connection(smtp_server: SmtpServer):
    queue("a@example.com", "b@example.com", "c@example.com")
    deliver_due()
    assert [received.recipients for received in smtp_server.received] == [
        ("a@example.com",), ("b@example.com",), ("c@example.com",),
    ]  # fmt: skip
    assert smtp_server.connections == 1
    assert messages() == [("sent", "")] * 3
    message = Message.objects.first()
    assert message is not None
    assert message.handed_at is not None
    assert message.sent_at is not None
    assert message.html.encode() in smtp_server.received[0].html.replace("\r\n", "\n").encode()


def test_a_name_is_literal_in_the_subject_and_escaped_in_html(smtp_server: SmtpServer):
    queue("a@example.com")
    deliver_due()
    (received,) = smtp_server.received
    assert received.subject == "O'Brien & <b>Co</b>, your cart waits"
    assert "<b>Co</b>" not in received.html
    assert "Dear O'Brien & <b>Co</b>" in received.text


def test_a_server_out_of_reach_leaves_everything_queued_and_it_goes_out_later(
    smtp_server: SmtpServer,
):
    queue("a@example.com", "b@example.com")
    smtp_server.stop()
    deliver_due()
    for state, reason in messages():
        assert state == State.QUEUED
        assert reason.startswith("The mail server cannot be used: ")
        assert "refused" in reason
    assert list(Message.objects.values_list("attempts", flat=True)) == [0, 0]
    smtp_server.start()
    deliver_due()
    assert smtp_server.received == []  # its pause is not over yet
    Message.objects.update(not_before=timezone.now())
    Account.objects.update(stopped_until=timezone.now())
    deliver_due()
    assert len(smtp_server.received) == 2
    assert messages() == [("sent", ""), ("sent", "")]


def test_a_refused_address_fails_alone_with_the_servers_words(smtp_server: SmtpServer):
    smtp_server.refuse_recipients["b@example.com"] = "550 5.1.1 No such person"
    queue("a@example.com", "b@example.com", "c@example.com")
    deliver_due()
    assert messages() == [
        ("sent", ""), ("failed", "550 5.1.1 No such person"), ("sent", ""),
    ]  # fmt: skip
    assert smtp_server.connections == 1


def test_a_temporary_refusal_is_tried_again_later(smtp_server: SmtpServer):
    smtp_server.refuse_with = "451 4.3.0 Come back later"
    queue("a@example.com")
    deliver_due()
    message = Message.objects.get()
    assert (message.state, message.reason) == ("queued", "451 4.3.0 Come back later")
    assert message.attempts == 1
    assert message.not_before > timezone.now()
    smtp_server.refuse_with = None
    Message.objects.update(not_before=timezone.now())
    deliver_due()
    assert messages() == [("sent", "")]


def test_a_server_that_hangs_up_between_mails_is_called_again(
    smtp_server: SmtpServer, monkeypatch: pytest.MonkeyPatch
):
    smtp_server.hang_up_after = 2
    queue(*(f"{name}@example.com" for name in "abcdef"))
    render = Mail.render

    def take_a_moment(*args: Any, **options: Any) -> Any:
        time.sleep(0.05)
        return render(*args, **options)

    monkeypatch.setattr(Mail, "render", take_a_moment)
    deliver_due()
    assert messages() == [("sent", "")] * 6
    assert smtp_server.connections == 3


def test_a_connection_that_breaks_after_the_hand_over_leaves_it_unknown(smtp_server: SmtpServer):
    smtp_server.hang_up_on = {"a@example.com"}
    queue("a@example.com", "b@example.com")
    deliver_due()
    (unknown, sent) = messages()
    assert unknown[0] == "unknown"
    assert unknown[1].startswith("The connection broke before the server answered: ")
    assert sent == ("sent", "")
    Message.objects.update(not_before=timezone.now())
    deliver_due()
    assert len(smtp_server.received) == 2  # the unknown one was not guessed


def test_a_server_that_refuses_our_sender_leaves_everything_queued(smtp_server: SmtpServer):
    smtp_server.refuse_sender = "530 5.7.0 Authenticate first"
    queue("a@example.com", "b@example.com")
    deliver_due()
    reason = "The mail server cannot be used: 530 5.7.0 Authenticate first"
    assert messages() == [("queued", reason)] * 2
    assert list(Message.objects.values_list("attempts", flat=True)) == [0, 0]


def test_a_server_that_goes_away_with_421_is_called_again(smtp_server: SmtpServer):
    smtp_server.refuse_with = "421 4.3.2 Going down"
    queue("a@example.com", "b@example.com")
    deliver_due()
    assert [state for state, _reason in messages()] == ["queued", "queued"]
    assert smtp_server.connections == 2


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("", "There is no address."),
        ("ann", "“ann” is not a mail address."),
        ("a@example.com, b@example.com", "“a@example.com, b@example.com” is not a mail address."),
        ("a@example.com\r\nBcc: b@example.com",
         "“a@example.com\r\nBcc: b@example.com” is not a mail address."),
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_skipped_with_its_reason(
    smtp_server: SmtpServer, address: str, reason: str
):
    queue(address)
    deliver_due()
    assert messages() == [("skipped", reason)]
    assert smtp_server.received == []


def test_an_international_domain_is_reached(smtp_server: SmtpServer):
    queue("ann@bücher.example")
    deliver_due()
    assert [received.recipients for received in smtp_server.received] == [
        ("ann@xn--bcher-kva.example",)
    ]


def test_a_mail_that_cannot_be_rendered_fails_its_own_message_only(smtp_server: SmtpServer):
    mail = shop.mail(group="g*", subject="Hello {{ name }}", body="<p>Hello</p>")
    record([Event("g1", "1", {"name": "Ann"}, recipient="a@example.com")])
    record([Event("g2", "2", {}, recipient="b@example.com")])
    deliver_due()
    assert mail.messages.count() == 2
    (sent, failed) = messages()
    assert sent == ("sent", "")
    assert failed[0] == "failed"
    assert "name" in failed[1]
    assert len(smtp_server.received) == 1


def test_a_row_deleted_between_event_and_mail_changes_nothing(smtp_server: SmtpServer):
    shop.mail()
    shop.cart(shop.customer(first_name="Zoë", email="zoe@example.com"))
    running.run(shop.generator(), shop.NOW)
    Cart.objects.all().delete()
    deliver_due()
    (received,) = smtp_server.received
    assert received.subject == "Zoë, your cart waits"
    assert "Lamp: 99.90" in received.text


def test_one_address_for_all_of_a_group(smtp_server: SmtpServer):
    queue("a@example.com", "b@example.com", to="shop@example.com")
    deliver_due()
    assert [received.recipients for received in smtp_server.received] == [("shop@example.com",)] * 2


def test_a_claim_lost_before_the_hand_over_sends_nothing(smtp_server: SmtpServer):
    queue("a@example.com")
    batch = Message.objects.claim(timezone.now())
    Message.objects.update(state=State.QUEUED, token=None, lease_until=None)
    with Message.courier() as courier:
        deliver(batch, courier)
    assert smtp_server.received == []
    assert messages() == [("queued", "")]


def test_a_process_that_slept_longer_than_its_claim_sends_nothing(smtp_server: SmtpServer):
    queue("a@example.com")
    batch = Message.objects.claim(timezone.now())
    Message.objects.update(lease_until=timezone.now() - datetime.timedelta(seconds=1))
    with Message.courier() as courier:
        deliver(batch, courier)
    assert smtp_server.received == []
    assert messages() == [("sending", "")]  # until the sweep finds it


def test_a_batch_that_takes_too_long_is_given_back_and_the_bell_rings(
    smtp_server: SmtpServer, settings: Any
):
    settings.AUTOMATION = {"DELIVERY_SECONDS": 0}
    queue("a@example.com")
    deliver_task("mails.Message")
    assert messages() == [("queued", "")]
    assert Message.objects.get().attempts == 0
    assert OrmQ.objects.count() == 1


@pytest.mark.parametrize(
    ("automation", "cluster", "expected"),
    [
        ({}, {"timeout": 300}, []),
        ({}, {}, []),
        ({"DELIVERY_LEASE": 59}, {"timeout": 300}, ["mails.E001"]),
        ({}, {"timeout": 240}, ["mails.E002"]),
    ],
)
def test_times_that_leave_no_room_are_refused_at_the_start(
    settings: Any, automation: Any, cluster: Any, expected: list[str]
):
    settings.AUTOMATION, settings.Q_CLUSTER = automation, cluster
    assert [message.id for message in check_times()] == expected


def test_every_message_has_its_identity_from_the_start(smtp_server: SmtpServer, settings: Any):
    settings.AUTOMATION = {"MESSAGE_ID_DOMAIN": "mail.example.com"}
    queue("a@example.com")
    identity = f"<{Message.objects.get().uuid}@mail.example.com>"
    deliver_due()
    assert smtp_server.received[0].message["Message-ID"] == identity


def test_an_event_from_code_reaches_a_mail_too(smtp_server: SmtpServer):
    shop.mail(group="parcel_lost", subject="Lost: {{ number }}", body="<p>Sorry.</p>")
    record([Event("parcel_lost", "parcel 1", {"number": 7}, recipient="a@example.com")])
    deliver_due()
    assert [received.subject for received in smtp_server.received] == ["Lost: 7"]
    assert EventRecord.objects.get().rule is None
