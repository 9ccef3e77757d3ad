"""What comes before a message is said at once, and means what it means one by one."""

import smtplib
import socket
from collections.abc import Iterator

import pytest

from automation.events import Event, delivering, record
from mails.models import Message
from mails.pipelining import Together, is_possible
from tests import shop
from tests.smtp import SmtpServer

pytestmark = pytest.mark.sqlite_only

ANN, BOB = "ann@example.com", "bob@example.com"


class Pipelining(SmtpServer):
    """Takes commands together, and says so."""

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        await super().handle_EHLO(server, session, envelope, hostname, responses)
        return [*responses[:-1], "250-PIPELINING", *responses[-1:]]


@pytest.fixture
def server() -> Iterator[Pipelining]:
    running = Pipelining()
    running.start()
    yield running
    running.stop()


@pytest.fixture
def client(server) -> Iterator[smtplib.SMTP]:
    client = smtplib.SMTP(server.host, server.port, timeout=5)
    client.ehlo()
    yield client
    client.close()


def before_the_message(conversation, *recipients: str) -> list[int]:
    """The codes of the answers, as a connection asks for them."""
    found = [conversation.mail("shop@example.com")]
    found += [conversation.rcpt(each) for each in recipients]
    found.append(conversation.docmd("DATA"))
    return [code for code, _text in found]


def together(client, *recipients: str) -> list[int]:
    said = Together(client, "shop@example.com", recipients, ["size=12"])
    return before_the_message(said, *recipients)


def test_a_message_arrives_as_when_asked_one_by_one(server, client):
    for ask in (together, before_the_message):
        assert ask(client, ANN, BOB) == [250, 250, 250, 354]
        client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        assert client.getreply()[0] == 250
    first, second = server.received
    assert first == second
    assert first.recipients == (ANN, BOB)


def test_all_is_said_before_anything_is_answered(client, monkeypatch):
    said: list[str] = []
    send, getreply = client.send, client.getreply
    monkeypatch.setattr(client, "send", lambda text: (said.append(text), send(text)))
    monkeypatch.setattr(client, "getreply", lambda: (said.append("answer"), getreply())[1])
    together(client, ANN)
    assert said == [
        f"MAIL FROM:<shop@example.com> size=12\r\nRCPT TO:<{ANN}>\r\nDATA\r\n", *["answer"] * 3,
    ]  # fmt: skip


@pytest.mark.parametrize("refused", ["451 Later", "550 No"])
def test_a_recipient_that_is_refused_gets_no_message_and_no_copy_does(server, client, refused):
    """The server waits for the message to the other one: it must get none, not an empty one."""
    server.refuse_recipients = {ANN: refused}
    assert together(client, ANN, BOB)[:2] == [250, int(refused[:3])]
    with pytest.raises(smtplib.SMTPServerDisconnected):
        client.rset()
    assert server.received == []


def test_a_copy_that_is_refused_stops_nobody_else(server, client):
    server.refuse_recipients = {BOB: "550 No"}
    assert together(client, ANN, BOB) == [250, 250, 550, 354]
    client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
    assert client.getreply()[0] == 250
    assert [each.recipients for each in server.received] == [(ANN,)]


def test_a_sender_that_is_refused_leaves_the_connection_as_it_was(server, client):
    server.refuse_sender = "550 Not you"
    assert together(client, ANN)[0] == 550
    server.refuse_sender = None
    assert client.rset()[0] == 250
    assert together(client, ANN) == [250, 250, 354]


def test_a_server_that_says_no_more_is_asked_no_more(client, monkeypatch):
    replies = iter([(250, b"OK"), (421, b"Going down")])
    monkeypatch.setattr(client, "getreply", lambda: next(replies))
    assert together(client, ANN, BOB) == [250, 421, 421, 421]


def test_a_connection_that_is_gone_is_an_error_before_the_message(server, client):
    assert client.sock is not None
    client.sock.shutdown(socket.SHUT_RDWR)
    with pytest.raises((smtplib.SMTPServerDisconnected, OSError)):
        together(client, ANN)
    assert server.received == []


def test_nothing_adds_a_command_of_its_own(client):
    with pytest.raises(ValueError, match="more than one line"):
        Together(client, "shop@example.com", [ANN], [f"size=1\r\nRCPT TO:<{BOB}>"])


def test_it_is_for_servers_that_offer_it(client, smtp_server):
    assert is_possible(client, [ANN])
    assert not is_possible(client, [])
    assert not is_possible(client, [ANN] * 51)
    with smtplib.SMTP(smtp_server.host, smtp_server.port) as other:
        other.ehlo()
        assert not is_possible(other, [ANN])


# The whole way ------------------------------------------------------------------------------


def deliver(server: SmtpServer, settings, *recipients: str, **mail) -> list[str]:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = server.host, server.port
    shop.mail(**mail)
    record(Event("cart_left", each, {"cart": {}}, recipient=each) for each in recipients)
    delivering.work(Message)
    return list(Message.objects.order_by("pk").values_list("state", flat=True))


@pytest.mark.django_db
@pytest.mark.parametrize("cc", ["", "boss@example.com"])
def test_a_message_that_is_refused_stops_no_other_one(server, settings, cc):
    server.refuse_recipients = {ANN: "550 No"}
    states = deliver(server, settings, ANN, BOB, body="<p>Hello</p>", subject="x", cc=cc)
    assert states == ["failed", "sent"]
    assert [each.recipients for each in server.received] == [(BOB, cc) if cc else (BOB,)]
    assert server.connections == (2 if cc else 1)


@pytest.mark.django_db
def test_a_sender_that_is_refused_for_now_waits(server, settings):
    server.refuse_sender = "451 Later"
    assert deliver(server, settings, ANN, BOB, body="<p>Hello</p>", subject="x") == ["queued"] * 2
    assert server.received == []
