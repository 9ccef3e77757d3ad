"""What is told about a mail beside the editor, before it is saved and after."""

import re
from typing import Any

import lxml.html
import pytest
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from automation.events.event import Event
from mails.advice import Level, advice
from mails.advice.markup import Markup
from mails.content import Content, Design, Wording
from mails.models import Mail, Variant
from tests import shop
from tests.forms import filled

pytestmark = pytest.mark.django_db

HINT, WARNING = Level.HINT, Level.WARNING
LINK = '<a href="https://x.example/unsubscribe">Unsubscribe</a>'


def found(body: str) -> list[tuple[Level, str, int]]:
    return [(each.level, each.message, each.line) for each in Markup(body).found()]


def messages(body: str) -> list[str]:
    return [each.message for each in Markup(body).found()]


def told(
    events: tuple[Event, ...] = (),
    mail: Mail | None = None,
    further: tuple[Wording, ...] = (),
    **said: Any,
) -> list[tuple[Level, str, str]]:
    """What is told of a mail without faults but for what is ``said``."""
    values = {"subject": "Hello", "body": f"<p>Hello</p>{LINK}", "preheader": "Good news", **said}
    wording = Wording("en", **values)
    content = Content((wording, *further), Design())
    return [
        (each.level, each.field, each.message)
        for each in advice(mail or Mail(name="Your cart"), content, events)
    ]


# Links --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "link",
    [
        '<a href="https://x.example/">our shop</a>',
        '<a href="{{ order.tracking_url }}">the parcel</a>',
        '<a href="https://x.example/{{ cart.id }}?a={{ b | default: "x>y" }}">cart</a>',
        '<a href="{% if a > 1 %}https://x.example/a{% endif %}">cart</a>',
        '<a href="mailto:ann@x.example">write</a> <a href="tel:+41441234567">call</a>',
        '<a href="https://x.example"><img src="https://x.example/a.png" width="90" alt="A"></a>',
        '<a href="https://x.example">{{ item.title }}</a>',
        '<a name="top"></a>',
        '{% comment %}<a href="#"></a>{% endcomment %}',
    ],
)
def test_a_good_link_is_not_mentioned(link: str) -> None:
    assert found(f"<p>{link}</p>") == []


@pytest.mark.parametrize(
    ("link", "level", "said"),
    [
        ('<a href="#">go</a>', WARNING, "“go” leads nowhere"),
        ("<a>go</a>", WARNING, "“go” leads nowhere"),
        ('<a href=" ">go</a>', WARNING, "“go” leads nowhere"),
        ('<a href="www.x.example/a">go</a>', WARNING, "Write https://www.x.example/a"),
        ('<a href="x.example:8000">go</a>', WARNING, "Write https://x.example:8000"),
        ('<a href="/cart/{{ id }}">go</a>', WARNING, "Write https://…/cart/…"),
        ('<a href="ann@x.example">go</a>', WARNING, "Write mailto:ann@x.example"),
        ('<a href="mailto:ann">go</a>', WARNING, "no mail address"),
        ('<a href="ftp://x.example">go</a>', WARNING, "begins with “ftp:”"),
        ('<a href="javascript:alert(1)">go</a>', WARNING, "begins with “javascript:”"),
        ('<a href="http://x.example">go</a>', HINT, "“go” is not encrypted"),
        ('<a href="https://x.example"> &nbsp; </a>', WARNING, "A link has no text"),
        ('<a href="https://x.example"><img src="https://x.example/a.png" width="9" alt=""></a>',
         WARNING, "only a picture without a text"),
        ('<a href="https://x.example">Click here!</a>', HINT, "says nothing"),
        ('<a href="https://x.example">hier</a>', HINT, "says nothing"),
    ],
)  # fmt: skip
def test_a_link_that_does_not_work_is_told(link: str, level: Level, said: str) -> None:
    [(its_level, message, line)] = found(f"<p>\n{link}</p>")
    assert said in message
    assert (its_level, line) == (level, 2)


def test_lines_are_those_of_the_template_whatever_liquid_spans() -> None:
    body = (
        '{% if a\n > 1 %}\n<table>{% for x in y %}\n<tr><td>{{\nx }}</td></tr>\n<a href="#">go</a>'
    )
    [(_level, _message, line)] = found(body)
    assert line == 6


# Pictures, and what is taken out ------------------------------------------------------------


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        ('<img src="https://x.example/a.png" width="100" alt="A">', []),
        ('<img src="https://x.example/a.png" style="width: 100%" alt="">', []),
        ('<img src="{{ item.picture }}" width="600" alt="{{ item.title }}">', []),
        ('<img src="https://x.example/a.png" width="100">', ["“a.png” has no text"]),
        ('<img src="http://x.example/a.png" width="100" alt="">', ["not encrypted"]),
        ('<img src="https://x.example/a.png" alt="A">', ["“A” has no width"]),
        ('<img src="https://x.example/a.png" width="601" alt="A">', ["601 pixels wide"]),
        ('<img src="/a.png" width="9" alt="A">', ["“A” has no whole address"]),
        ('<img src="data:image/png;base64,AA" width="9" alt="A">', ["upload it"]),
        ('<img width="9" alt="A">', ["no address"]),
    ],
)
def test_a_picture_that_not_everybody_sees_is_told(picture: str, said: list[str]) -> None:
    told = messages(picture)
    assert len(told) == len(said)
    assert all(part in message for part, message in zip(said, told, strict=True))


@pytest.mark.parametrize(
    ("body", "level", "said"),
    [
        ("<script>alert(1)</script>", WARNING, "<script> is taken out: recipients do not get it."),
        ("<form action='https://x.example'>a</form>", WARNING, "<form> is taken out"),
        ("<iframe src='https://x.example'></iframe>", WARNING, "<iframe> is taken out"),
        ("<section>a</section>", HINT, "what stands in it stays"),
        ("<p onclick='x()'>a</p>", WARNING, "“onclick” is taken out"),
        ("<p style='position: fixed'>a</p>", HINT, "“position” is taken out"),
        ("<p style='background: #eee'>a</p>", HINT, "Write background-color."),
        ("<p style='color: #333'>dark</p>", HINT, "“dark” is hardly visible for people who"),
        ("<p><font color='#eeeeee'>light</font></p>", HINT, "“light” is hardly visible on white"),
    ],
)
def test_what_recipients_would_miss_is_told_once(body: str, level: Level, said: str) -> None:
    [(its_level, message, _line)] = found(body * (2 if "visible" not in said else 1))
    assert said in message
    assert its_level == level


@pytest.mark.parametrize(
    "body",
    [
        "<p style='color: #1a7f37; padding: 0'>green</p>",
        "<p style='color: #fff; background-color: #000'>white on black</p>",
        "<table><tr><td bgcolor='#000000'><p style='color: white'>on black</p></td></tr></table>",
        '<a class="button" style="color:#ffffff" href="https://x.example">white on a button</a>',
        "<p style='color: {{ colour }}; mso-line-height-rule: exactly'>any</p>",
    ],
)
def test_what_is_seen_well_is_not_mentioned(body: str) -> None:
    assert found(body) == []


@pytest.mark.timeout(10)
@pytest.mark.parametrize("body", ["{{" * 100_000, "{% comment %}" * 30_000, "<a>" * 50_000, "<"])
def test_no_template_takes_long(body: str) -> None:
    list(Markup(body).found())


# Subject, preview line, languages -----------------------------------------------------------


def test_a_mail_without_faults_is_left_alone() -> None:
    assert told() == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"subject": "x" * 71}, (WARNING, "subject", "It has 71 characters.")),
        ({"subject": "BUY NOW {{ name }}"}, (WARNING, "subject", "all in capitals")),
        ({"subject": "Buy now!!!"}, (WARNING, "subject", "“!!!” makes it look like spam")),
        ({"preheader": ""}, (HINT, "preheader", "a mailbox shows how the text begins")),
        ({"preheader": " hello "}, (WARNING, "preheader", "the same as the subject")),
        ({"body": "<p>Hello</p>"}, (HINT, "body", "no link to unsubscribe")),
    ],
)
def test_what_a_mailbox_would_show_badly_is_told(said: Any, expected: Any) -> None:
    [(level, field, message)] = told(**said)
    assert (level, field) == expected[:2]
    assert expected[2] in message


@pytest.mark.parametrize("subject", ["OK", "Is {{ a }}{{ b }} yours?!", "x" * 70])
def test_a_usual_subject_is_left_alone(subject: str) -> None:
    assert told(subject=subject) == []


def test_a_text_that_is_not_translated_is_told() -> None:
    same = Wording("de", "Hallo", f"<p>Hello</p> {LINK}".replace("> <", "><"), "Neues")
    assert told(further=(same,)) == [
        (WARNING, "body", "It is the same as in English: is it still to be translated?")
    ]
    other = Wording("de", "Hallo", f"<p>Hallo</p>{LINK}", "Neues")
    assert told(further=(other,)) == []


# With events --------------------------------------------------------------------------------


def event(number: int, name: str | None = "Ann", language: str = "") -> Event:
    context = {"customer": {"first_name": name}, "text": "x" * 1000}
    return Event("g", f"key:{number}", context, "ann@example.com", language)


GREETED = f"<p>Dear\n{{{{ customer.first_name }}}}</p>{LINK}"


def test_a_value_that_is_often_empty_is_told_with_a_fallback() -> None:
    events = (event(1), event(2, ""), event(3, None))
    assert told(events, body=GREETED) == [
        (
            WARNING,
            "body",
            "“customer.first_name” is empty in 2 of 3 events: without it the mail does not go out. "
            'Give it a fallback: {{ customer.first_name | default: "…" }}',
        )
    ]
    with_fallback = GREETED.replace("first_name", 'first_name | default: "you"')
    assert told(events, body=with_fallback) == []


def test_an_empty_value_is_only_a_hint_where_the_mail_goes_out_all_the_same() -> None:
    content = Content((Wording("en", "Hello", GREETED, "Good news"),), send_incomplete=True)
    [one] = advice(Mail(name="x"), content, [event(1, "")])
    assert (one.level, one.line) == (HINT, 2)
    assert "the mail goes out with a gap there" in one.message


def test_a_language_that_recipients_read_and_the_mail_has_not_is_told() -> None:
    events = (event(1, language="de"), event(2, language="de-ch"), event(3, language="en-gb"))
    assert told(events) == [
        (HINT, "language", "2 of 3 recipients read German and get it in English.")
    ]
    german = Wording("de", "Hallo", f"<p>Hallo</p>{LINK}", "Neues")
    assert told(events, further=(german,)) == []


def test_a_mail_that_is_clipped_is_told() -> None:
    body = f"{{% for i in (1..110) %}}<p>{{{{ text }}}}</p>{{% endfor %}}{LINK}"
    [(level, field, message)] = told((event(1),), body=body)
    assert (level, field) == (WARNING, "body")
    assert re.match(r"The mail has 1\d\d kB\. Gmail shows the first 102 kB", message)
    assert told((event(1),), body=body.replace("110", "50")) == []


def test_a_subject_that_gets_too_long_is_told() -> None:
    [(_level, field, message)] = told((event(1, "x" * 80),), subject="{{ customer.first_name }}!")
    assert (field, message[:21]) == ("subject", "It has 81 characters.")


def test_an_event_for_which_it_cannot_be_made_is_told_with_the_reason() -> None:
    broken = Event("g", "key:4", {}, "ann@example.com")
    assert told((broken, event(5)), body=GREETED) == [
        (
            Level.ERROR,
            "",
            "For 1 of 2 events it cannot be made: "
            "Body: Line 2, column 4: “customer” is not known here.",
        )
    ]


@pytest.mark.parametrize("subject", ["{{ '' }}", "{% for i in (1..1000000000) %}x{% endfor %}"])
def test_a_mail_that_fails_again_and_again_is_tried_three_times(subject: str) -> None:
    [(level, _field, message)] = told(tuple(map(event, range(20))), subject=subject)
    assert level == Level.ERROR
    assert message.startswith("For 3 of 3 events it cannot be made: Subject: ")


def test_a_mail_that_takes_long_is_looked_at_for_one_event(monkeypatch: Any) -> None:
    monkeypatch.setattr("mails.advice.samples.SECONDS", 0)
    events = (event(1), *(Event("g", f"broken:{n}", {}, "") for n in range(3)))
    assert told(events, body=GREETED) == []


def test_who_a_fixed_address_is_of_reads_what_was_written_for_them() -> None:
    mail, german = Mail(name="x", to="team@example.com"), event(1, language="de")
    content = Content((Wording("en", "Hi", f"<p>Hi</p>{LINK}", "News"),), to=mail.to)
    assert advice(mail, content, [german]) == []


# On the page --------------------------------------------------------------------------------

ADVICE = "/admin/mails/mail/advice/"
CHANGE = "admin:mails_mail_change"


def items(html: str) -> list[str]:
    found = lxml.html.fromstring(f"<div>{html}</div>").xpath("//li[contains(@class, 'advice-')]")
    return [" ".join(item.text_content().split()) for item in found]


def looked_at(client: Any, mail: Mail, **changed: str) -> list[str]:
    """What the panel says of the mail's form with some fields ``changed``."""
    form = filled(client, reverse(CHANGE, args=[mail.pk]), "mail", **changed)
    answer = client.post(f"{ADVICE}?mail={mail.pk}", form)
    assert answer.status_code == 200
    return items(answer.content.decode())


def test_it_tells_of_the_form_as_it_stands_and_saves_nothing(admin_client: Any) -> None:
    shop.generator()
    mail = shop.mail()
    said = looked_at(
        admin_client,
        mail,
        subject="{{ cart.custmer.first_name }}",
        body='<p><a href="www.x.example">go</a></p>',
    )
    assert said[0] == (
        "Subject Line 1, column 4: “cart.custmer.first_name” is not known here. "
        "Did you mean “cart.customer.first_name”?"
    )
    assert said[1].startswith("Text, line 1 The link “go” goes to “www.x.example”")
    assert Mail.objects.get().subject == mail.subject
    assert Mail.objects.get().body == mail.body


def test_what_is_not_written_yet_is_no_error(admin_client: Any) -> None:
    answer = admin_client.post(ADVICE, {"subject": "", "group": ""})
    assert "Still to be written: subject, text." in answer.content.decode()
    assert "Nothing has to be mended." not in answer.content.decode()
    assert items(answer.content.decode()) == []


def test_a_mail_that_was_never_saved_is_looked_at_too(admin_client: Any) -> None:
    written = {"subject": "Hi!!!", "body": "<p>Hi</p>", "group": "cart_left"}
    said = items(admin_client.post(ADVICE, written).content.decode())
    assert "Subject “!!!” makes it look like spam." in said
    assert Mail.objects.count() == 0


def test_a_further_language_is_told_with_its_name_and_field(admin_client: Any) -> None:
    mail = shop.mail()
    Variant.objects.create(mail=mail, language="de", subject="Hallo", body="<p>Hallo</p>")
    form = filled(admin_client, reverse(CHANGE, args=[mail.pk]), "mail")
    form["variants-0-body"] = '<p>Hallo</p>\n<a href="#">los</a> {{ oops'
    html = admin_client.post(f"{ADVICE}?mail={mail.pk}", form).content.decode()
    assert 'href="#id_variants-0-body"' in html
    [error] = [item for item in items(html) if item.startswith("Text (German)")]
    assert "is never closed" in error
    form["variants-0-body"] = '<p>Hallo</p>\n<a href="#">los</a>'
    html = admin_client.post(f"{ADVICE}?mail={mail.pk}", form).content.decode()
    assert "Text (German), line 2 The link “los” leads nowhere." in items(html)


def test_a_further_language_that_is_removed_is_left_out(admin_client: Any) -> None:
    mail = shop.mail()
    Variant.objects.create(mail=mail, language="de", subject="Hallo!!!", body="<p>Hallo</p>")
    form = filled(admin_client, reverse(CHANGE, args=[mail.pk]), "mail")
    gone = {**form, "variants-0-DELETE": "on"}
    for data, count in ((form, 1), (gone, 0)):
        html = admin_client.post(f"{ADVICE}?mail={mail.pk}", data).content.decode()
        assert html.count("look like spam") == count


def test_rows_that_match_now_are_looked_at_if_nothing_happened_yet(admin_client: Any) -> None:
    shop.generator()
    shop.cart(shop.customer(first_name=""))
    shop.cart()
    mail = shop.mail(subject="Your cart")
    [said] = [each for each in looked_at(admin_client, mail) if "is empty" in each]
    assert "“cart.customer.first_name” is empty in 1 of 2 events" in said


def test_the_page_has_it_without_scripts(admin_client: Any) -> None:
    mail = shop.mail(body='<p><a href="#">go</a></p>')
    page = admin_client.get(reverse(CHANGE, args=[mail.pk])).content.decode()
    assert "Text, line 1 The link “go” leads nowhere." in items(page)
    assert admin_client.get(reverse("admin:mails_mail_add")).status_code == 200


def test_after_saving_warnings_are_one_message(admin_client: Any) -> None:
    mail = shop.mail()
    form = filled(
        admin_client,
        reverse(CHANGE, args=[mail.pk]),
        "mail",
        body='<p><a href="#">go</a><a href="www.x.example">there</a></p>',
    )
    answer = admin_client.post(reverse(CHANGE, args=[mail.pk]), form)
    said = [str(each) for each in get_messages(answer.wsgi_request)]
    counted = [each for each in said if "to look at" in each]
    assert counted == ["There are 2 things to look at before it goes out: see below its text."]


def test_a_good_mail_is_saved_without_one(admin_client: Any) -> None:
    mail = shop.mail()
    form = filled(admin_client, reverse(CHANGE, args=[mail.pk]), "mail")
    answer = admin_client.post(reverse(CHANGE, args=[mail.pk]), form)
    assert answer.status_code == 302
    said = [str(each) for each in get_messages(answer.wsgi_request)]
    assert [each for each in said if "to look at" in each] == []


def test_it_asks_for_permission(client: Any, django_user_model: Any) -> None:
    mail = shop.mail(body='<p><a href="#">go</a></p>')
    staff = django_user_model.objects.create_user("staff", is_staff=True)
    client.force_login(staff)
    assert client.post(f"{ADVICE}?mail={mail.pk}").status_code == 403
    assert client.post(ADVICE).status_code == 403
    staff.user_permissions.add(Permission.objects.get(codename="view_mail"))
    # Who may only look sees what is saved, whatever is sent.
    html = client.post(f"{ADVICE}?mail={mail.pk}", {"subject": "Hi!!!"}).content.decode()
    assert "“go” leads nowhere" in html
    assert "spam" not in html
    Variant.objects.create(mail=mail, language="de", subject="Hallo!!!", body="<p>Hallo</p>")
    page = client.get(reverse(CHANGE, args=[mail.pk]))
    assert page.status_code == 200
    assert "“go” leads nowhere" in page.content.decode()
    assert client.post(ADVICE).status_code == 403


@pytest.mark.parametrize("pk", ["0", "99", "x", "1" * 30, "-1"])
def test_a_mail_that_is_not_there_is_not_found(admin_client: Any, pk: str) -> None:
    assert admin_client.post(f"{ADVICE}?mail={pk}").status_code == 404


def test_it_is_not_for_links(admin_client: Any) -> None:
    assert admin_client.get(ADVICE).status_code == 405


def test_more_events_cost_no_more_queries(admin_client: Any) -> None:
    shop.generator()
    mail = shop.mail()
    counts = []
    for _turn in range(3):
        shop.cart()
        shop.cart()
        with CaptureQueriesContext(connection) as asked:
            looked_at(admin_client, mail)
        counts.append(len(asked))
    assert counts[1] == counts[2]
