"""A mail as it arrives, read as a mail program reads it: strictly (RFC 5322, 2045, 2047)."""

import email.policy

import pytest

from automation.events import Event, record
from automation.events.delivering import work
from mails.models import Message
from tests import shop

pytestmark = pytest.mark.django_db

NAME = "Zoë “Żaneta” 渡辺 👋"


@pytest.fixture
def received(smtp_server):
    """The one mail that arrives, as odd as a mail can be."""
    shop.mail(
        subject="{{ cart.customer.first_name }}, " + "a subject that goes on and on, " * 7 + "ü",
        preheader="{{ cart.customer.first_name }}",
        body="<p>Dear {{ cart.customer.first_name }}</p><p>" + "word" * 1_500 + "</p>"
        "<p>.</p>\n.\n<p>From here on</p>"
        '<p><a href="https://example.com/?q=' + "x" * 1_200 + '">A long link</a></p>',
        from_email='"Müller, Shop" <shop@example.com>',
        cc="“Ö” Team <team@example.com>, " + ", ".join(f"a{n}@example.com" for n in range(30)),
        reply_to="Zoë <zoe@münchen.example>",
    )
    context = {"cart": {"customer": {"first_name": NAME}, "items": []}}
    record([Event("cart_left", "1", context, recipient="ann@example.com")])
    work(Message)
    (received,) = smtp_server.received
    return received


def test_it_parses_without_a_defect(received):
    for part in received.message.walk():
        assert part.defects == []
        for name, value in part.items():
            assert value.defects == (), name


def test_no_line_is_longer_than_a_server_may_refuse(received):
    lines = received.raw.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert b"\n" not in b"".join(lines)
    head = received.raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert max(map(len, head)) <= 78
    assert all(line.isascii() for line in head)


def test_text_comes_before_html_and_both_say_their_charset(received):
    assert received.message.get_content_type() == "multipart/alternative"
    plain, html = received.message.iter_parts()
    assert [plain.get_content_type(), html.get_content_type()] == ["text/plain", "text/html"]
    assert [plain.get_content_charset(), html.get_content_charset()] == ["utf-8", "utf-8"]
    assert NAME in received.text
    assert NAME in received.html
    assert "\n.\n" in received.text.replace("\r\n", "\n")
    assert "\nFrom here on" in received.text


def test_headers_come_back_as_they_were_written(received):
    message = received.message
    stored = Message.objects.get()
    # White space where a header was folded is not part of it (RFC 5322, 2.2.3).
    assert message["Subject"].lstrip() == stored.subject
    assert stored.subject.startswith(NAME)
    assert [(a.display_name, a.addr_spec) for a in message["From"].addresses] == [
        ("Müller, Shop", "shop@example.com")
    ]
    assert message["Cc"].addresses[0].display_name == "“Ö” Team"
    assert len(message["Cc"].addresses) == 31
    assert len(received.recipients) == 32
    assert message["Reply-To"].addresses[0].addr_spec == "zoe@xn--mnchen-3ya.example"


def test_what_a_mail_must_have_is_there_once(received):
    for name in ("Date", "Message-ID", "MIME-Version", "From", "To", "Subject", "Auto-Submitted"):
        assert len(received.message.get_all(name, [])) == 1, name
    assert received.message["Message-ID"].count("@") == 1
    assert received.message["Bcc"] is None


def test_what_is_kept_is_what_arrived(received):
    stored = Message.objects.get()
    assert received.html.strip() == stored.html.replace("\r\n", "\n").strip()
    assert received.text.strip() == stored.text.replace("\r\n", "\n").strip()
    assert email.message_from_bytes(received.raw, policy=email.policy.strict)["To"] == (
        "ann@example.com"
    )
