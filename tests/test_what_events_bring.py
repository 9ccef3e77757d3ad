"""Mails that say what an event in code brings: its own subject and text."""

import pytest
from django.core.exceptions import ValidationError

from automation.events import Event, record
from automation.events.delivering import work
from mails.models import Mail, Message
from mails.proofreading import problems_of_mail
from tests import shop
from tests.smtp import SmtpServer

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

NOTICE = Event(
    "notice", "n:1", recipient="ann@example.com", subject="Paid", text="Dear Ann\nthanks.\n\nBye"
)


def notice(**values: str) -> Mail:
    defaults = {"group": "notice", "subject": "{{ event.subject }}", "body": "{{ event.text }}"}
    return shop.mail(**{**defaults, **values})


def sent(event: Event, smtp_server: SmtpServer) -> list[tuple[str, str]]:
    record([event])
    work(Message)
    return list(Message.objects.values_list("state", "reason"))


def test_a_mail_sends_the_subject_and_the_text_that_the_event_brings(smtp_server: SmtpServer):
    notice(body="<p>{{ event.text }}</p>")
    assert sent(NOTICE, smtp_server) == [("sent", "")]
    (received,) = smtp_server.received
    assert received.message["Subject"] == "Paid"
    assert ">Dear Ann<br>thanks.<br><br>Bye</p>" in received.html
    assert received.text == "Dear Ann\nthanks.\n\nBye"


def test_the_text_stays_text_in_html():
    event = Event("notice", "1", text='<b>1 & 2</b>\r\n<script>x</script>\n"3"')
    rendered = notice(subject="x", body="<p>{{ event.text }}</p>").render(event)
    assert ">&lt;b&gt;1 &amp; 2&lt;/b&gt;<br>&lt;script&gt;x&lt;/script&gt;<br>" in rendered.html
    assert rendered.text.split("\n") == ["<b>1 & 2</b>", "<script>x</script>", '"3"']


@pytest.mark.parametrize("text", ["one line", "  one line \n"])
def test_a_text_of_one_line_is_as_it_is(text):
    rendered = notice(subject="x", body="<p>{{ event.text | strip }}</p>").render(
        Event("notice", "1", text=text)
    )
    assert ">one line</p>" in rendered.html


def test_a_filter_for_lines_makes_no_further_breaks():
    rendered = notice(subject="x", body="<p>{{ event.text | newline_to_br }}</p>").render(NOTICE)
    assert ">Dear Ann<br>thanks.<br><br>Bye</p>" in rendered.html


def test_a_plain_text_of_its_own_has_the_lines():
    rendered = notice(text="Notice:\n{{ event.text }}").render(NOTICE)
    assert rendered.text == "Notice:\nDear Ann\nthanks.\n\nBye"


def test_a_line_break_in_the_subject_adds_no_header(smtp_server: SmtpServer):
    notice()
    event = NOTICE.replaced(subject="Paid\r\nBcc: eve@example.com\n\nBody\u2028more")
    assert sent(event, smtp_server) == [("sent", "")]
    (received,) = smtp_server.received
    assert received.message["Subject"] == "Paid Bcc: eve@example.com Body more"
    assert received.message["Bcc"] is None
    assert received.recipients == ("ann@example.com",)


@pytest.mark.parametrize(
    ("brought", "reason"),
    [
        ({"subject": ""}, "Subject: It is empty."),
        ({"text": ""}, "No value for: event.text"),
        ({"text": " \n \n"}, "No value for: event.text"),
    ],
)
def test_a_mail_that_shows_what_the_event_does_not_bring_is_not_sent(
    brought, reason, smtp_server: SmtpServer
):
    notice()
    ((state, said),) = sent(NOTICE.replaced(**brought), smtp_server)
    assert (state, said) == ("failed" if "Subject" in reason else "skipped", reason)
    assert smtp_server.received == []


def test_a_mail_with_words_of_its_own_skips_an_event_that_brings_neither(smtp_server: SmtpServer):
    notice(subject="Notice: {{ event.subject }}")
    event = NOTICE.replaced(subject="", text="")
    assert sent(event, smtp_server) == [("skipped", "No value for: event.subject, event.text")]


def test_events_of_generators_have_no_such_variable():
    shop.generator()
    with pytest.raises(ValidationError) as raised:
        shop.mail(subject="{{ event.subject }}", body="<p>{{ event.text }}</p>")
    known = "event.group, event.key."
    assert raised.value.message_dict == {
        "subject": ["Line 1, column 4: “event.subject” is not known here. Known are: " + known],
        "body": ["Line 1, column 7: “event.text” is not known here. Known are: " + known],
    }


def test_a_mistyped_variable_of_an_event_in_code_is_refused():
    mail = Mail(name="x", slug="x", group="notice", subject="{{ event.sujbect }}", body="x")
    assert problems_of_mail(mail) == {
        "subject": [
            "Line 1, column 4: “event.sujbect” is not known here. Did you mean “event.subject”?"
        ]
    }
    mail.subject = "{{ invoice.number }}{% for line in invoice.lines %}{{ line.title }}{% endfor %}"
    assert problems_of_mail(mail) == {}
