"""What a mail's preview shows, finds and sends."""

from contextlib import contextmanager

import lxml.html
import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from django.utils import timezone

from automation.demo.models import Cart, Customer
from automation.events import Event, record, tasks
from automation.events.models import EventRecord
from automation.rules.counting import TooSlow
from generators import running
from mails.models import Layout, Mail, Message, Variant
from mails.samples import READ
from tests import shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def mail():
    return shop.mail()


def page_of(mail, name="preview"):
    return reverse(f"admin:mails_mail_{name}", args=[mail.pk])


def cart(**values):
    """A cart that matches now."""
    return shop.cart(shop.customer(**values), now=timezone.now())


def happened(mail, key, **values):
    person = {"first_name": "Ann", "email": "ann@example.com"}
    context = {"cart": {"customer": person, "items": []}}
    record([Event(mail.group, key, context, **{"recipient": "ann@example.com", **values})])


def shown(client, mail, **query):
    response = client.get(page_of(mail), query)
    assert response.status_code == 200
    return response.context


def offered(client, mail, **query):
    """The people whose mails can be looked at."""
    return [sample.event.recipient for sample in shown(client, mail, **query)["samples"]]


def frame(client, mail, **query):
    return client.get(page_of(mail, "frame"), query).content.decode()


def links(client, mail, **query):
    """Where the links and forms of the page lead, by what they say."""
    page = lxml.html.fromstring(client.get(page_of(mail), query).content.decode())
    return {" ".join(link.text_content().split()): link.get("href") for link in page.iter("a")}


# What can be looked at ----------------------------------------------------------------------


def test_the_newest_events_come_first_then_rows_that_match_now(admin_client, mail):
    shop.generator()
    cart(email="row@example.com")
    happened(mail, "first", recipient="first@example.com")
    happened(mail, "second", recipient="second@example.com")
    assert offered(admin_client, mail) == [
        "second@example.com",
        "first@example.com",
        "row@example.com",
    ]


def test_a_row_whose_event_happened_is_offered_once(admin_client, mail):
    generator = shop.generator()
    cart(email="ann@example.com")
    running.run(generator, timezone.now())
    assert offered(admin_client, mail) == ["ann@example.com"]


@pytest.mark.parametrize("pattern", ["cart_*", "*_left", "c*t_*ft", "*"])
def test_a_pattern_finds_the_events_that_it_hears(admin_client, mail, pattern):
    happened(mail, "heard", recipient="heard@example.com")
    record([Event("order_sent", "other")])
    Mail.objects.update(group=pattern)
    heard = ["heard@example.com"] if pattern != "*" else ["", "heard@example.com"]
    assert offered(admin_client, mail) == heard


def test_a_pattern_finds_events_behind_many_that_it_does_not_hear(admin_client, mail):
    happened(mail, "heard", recipient="heard@example.com")
    record([Event("cart_new", f"other{number}") for number in range(READ + 1)])
    Mail.objects.update(group="c*_left")
    assert offered(admin_client, mail) == ["heard@example.com"]


def test_a_search_that_takes_too_long_says_so_and_finds_whole_addresses(
    admin_client, mail, monkeypatch
):
    @contextmanager
    def no_time(*arguments):
        raise TooSlow
        yield

    monkeypatch.setattr("mails.samples.in_time", no_time)
    monkeypatch.setattr("generators.producing.in_time", no_time)
    generator = shop.generator()
    happened(mail, "one", recipient="ann@example.com")
    assert offered(admin_client, mail, q="ann") == []
    context = shown(admin_client, mail, q="ann@example.com")
    assert [sample.name for sample in context["samples"]] == ["one"]
    assert context["notes"] == [
        "There are too many events to search quickly. Write the whole address or key.",
        f"“{generator.name}” has too many rows to look through them quickly.",
    ]


@pytest.mark.parametrize("text", ["berta", "BERTA@", "  berta@example.com "])
def test_people_are_found_by_a_part_of_their_address(admin_client, mail, text):
    shop.generator()
    cart(email="berta@example.com")
    cart(email="carla@example.com")
    happened(mail, "berta", recipient="Berta@example.com")
    happened(mail, "carla", recipient="carla@example.com")
    found = offered(admin_client, mail, q=text)
    assert found == ["Berta@example.com", "berta@example.com"]


def test_a_row_is_found_by_its_number_with_an_event_or_without(admin_client, mail):
    generator = shop.generator()
    first, second = cart(email="first@example.com"), cart(email="second@example.com")
    assert offered(admin_client, mail, q=str(first.pk)) == ["first@example.com"]
    running.run(generator, timezone.now())
    assert offered(admin_client, mail, q=str(second.pk)) == ["second@example.com"]


@pytest.mark.parametrize("repeat", ["once", "day", "anew"])
def test_a_row_is_found_by_the_key_of_its_event(admin_client, mail, repeat):
    generator = shop.generator(repeat=repeat)
    cart(email="first@example.com")
    cart(email="second@example.com")
    for event in running.events(generator, generator.rows(timezone.now()), timezone.now()):
        assert offered(admin_client, mail, q=event.key) == [event.recipient]
    running.run(generator, timezone.now())
    for known in EventRecord.objects.all():
        assert known.recipient in offered(admin_client, mail, q=known.key)


@pytest.mark.parametrize("text", ["nobody", "9" * 30, "%", "_", "\x00", "'; --", "generator:"])
def test_what_is_not_there_is_not_found(admin_client, mail, text):
    shop.generator()
    cart()
    happened(mail, "one")
    context = shown(admin_client, mail, q=text)
    assert context["samples"] == []
    assert text.strip() in admin_client.get(page_of(mail), {"q": text}).context["choice"].search


def test_one_can_go_through_what_was_found_and_nothing_else(admin_client, mail):
    for number in range(3):
        happened(mail, f"ann{number}", recipient=f"ann{number}@example.com")
        happened(mail, f"bert{number}", recipient=f"bert{number}@example.com")
    seen = []
    key = ""
    while key is not None:
        context = shown(admin_client, mail, q="ann", key=key)
        seen.append(context["chosen"].event.key)
        key = context.get("next")
    assert seen == ["ann2", "ann1", "ann0"]
    assert context["previous"] == "ann1"


def test_what_is_chosen_stays_when_something_else_is_chosen(admin_client, mail):
    Variant.objects.create(mail=mail, language="de", subject="S", body="<p>B</p>")
    for number in range(3):
        happened(mail, f"ann{number}")
    chosen = {"q": "ann", "key": "ann1", "language": "de", "size": "phone", "dark": "1"}
    found = links(admin_client, mail, **chosen)
    for name, changed in {
        "Desktop": {"size": "desktop"},
        "Light": {"dark": None},
        "English": {"language": "en"},
        "As plain text": {"view": "text"},
        "Next →": {"key": "ann0"},
        "← Previous": {"key": "ann2"},
        "Show all": {"q": None, "key": None},
    }.items():
        context = admin_client.get(found[name]).context
        wanted = {"view": "html", **chosen, **changed}
        choice = context["choice"]
        assert (choice.search, choice.language, choice.size, choice.dark, choice.view) == (
            wanted["q"] or "",
            wanted["language"] or "",
            wanted["size"],
            bool(wanted["dark"]),
            wanted["view"],
        ), name
        if wanted["key"]:
            assert context["chosen"].event.key == wanted["key"], name


def test_an_old_event_can_still_be_looked_at(admin_client, mail):
    for number in range(40):
        happened(mail, f"event{number}")
    context = shown(admin_client, mail, key="event0")
    assert context["chosen"].event.key == "event0"
    assert "Dear Ann" in frame(admin_client, mail, key="event0")


def test_every_row_that_matches_can_be_looked_at(admin_client, mail):
    shop.generator()
    first = cart(first_name="Oldest")
    for _number in range(30):
        cart()
    name = shown(admin_client, mail, q=str(first.pk))["chosen"].name
    assert shown(admin_client, mail, key=name)["chosen"].event.row_pk == str(first.pk)
    assert "Dear Oldest" in frame(admin_client, mail, key=name)


def test_somebody_who_matches_no_longer_is_not_somebody_else(admin_client, mail):
    shop.generator()
    gone, _stays = cart(first_name="Gone"), cart(first_name="Stays")
    name = shown(admin_client, mail, q=str(gone.pk))["chosen"].name
    Cart.objects.filter(pk=gone.pk).update(status="ordered")
    response = admin_client.get(page_of(mail), {"key": name})
    assert [str(said) for said in response.context["messages"]] == [
        "What you looked at matches no longer. Here is another one."
    ]
    assert "matches no longer" in frame(admin_client, mail, key=name)
    assert "Stays" not in frame(admin_client, mail, key=name)


def test_another_mails_event_cannot_be_looked_at(admin_client, mail):
    other = shop.mail(group="order_sent")
    happened(other, "other")
    assert "matches no longer" in frame(admin_client, mail, key="other")


@pytest.mark.parametrize(
    "query",
    [
        {"key": "\x00"},
        {"key": "generator:1:" + "9" * 40},
        {"key": "x" * 5000},
        {"view": "x", "size": "x", "language": "x"},
        {"view": "languages"},
    ],
)
def test_an_address_that_makes_no_sense_shows_something_sensible(admin_client, mail, query):
    shop.generator()
    cart()
    context = shown(admin_client, mail, **query)
    assert (context["choice"].view, context["choice"].size) == ("html", "desktop")
    assert admin_client.get(page_of(mail, "frame"), query).status_code == 200


# How it looks -------------------------------------------------------------------------------


def test_the_inbox_line_is_sender_subject_and_how_it_goes_on(admin_client, mail):
    happened(mail, "one")
    Mail.objects.update(from_email="The Shop <shop@example.com>")
    (look,) = shown(admin_client, mail)["looks"]
    assert (look.sender, look.rendered.subject) == ("The Shop", "Ann, your cart waits")
    assert look.beginning.startswith("Dear Ann")
    Mail.objects.update(preheader="Only today")
    assert shown(admin_client, mail)["looks"][0].beginning == "Only today"


def test_it_is_read_in_the_persons_language_or_in_any_other(admin_client, mail):
    Variant.objects.create(mail=mail, language="de", subject="Hallo", body="<p>Guten Tag</p>")
    happened(mail, "one", language="de-ch")
    assert "Guten Tag" in frame(admin_client, mail)
    assert "Guten Tag" in frame(admin_client, mail, language="de")
    assert "Dear Ann" in frame(admin_client, mail, language="en")
    looks = shown(admin_client, mail, view="languages")["looks"]
    assert [(look.language, look.rendered.subject) for look in looks] == [
        ("en", "Ann, your cart waits"),
        ("de", "Hallo"),
    ]


def test_an_error_in_one_language_leaves_the_others(admin_client, mail):
    Variant.objects.create(mail=mail, language="de", subject="S", body="<p>{{ nothing.at }}</p>")
    happened(mail, "one")
    english, german = shown(admin_client, mail, view="languages")["looks"]
    assert english.rendered is not None
    assert german.error.startswith("Body: Line 1, column 7: ")
    assert "Body: Line 1, column 7: " in frame(admin_client, mail, language="de")


def test_a_missing_value_is_named_and_what_comes_of_it(admin_client, mail):
    shop.generator()
    cart(first_name="")
    page = admin_client.get(page_of(mail)).content.decode()
    assert "No value for: cart.customer.first_name" in page
    assert "So this mail would be skipped." in page
    Mail.objects.update(send_incomplete=True)
    page = admin_client.get(page_of(mail)).content.decode()
    assert "No value for: cart.customer.first_name." in page
    assert "So this mail would be skipped." not in page


@pytest.mark.parametrize(
    ("recipient", "reason"),
    [
        ("", "There is no address."),
        ("not an address", "“not an address” is not a mail address."),
    ],
)
def test_whoever_would_get_nothing_is_told_why(admin_client, mail, recipient, reason):
    happened(mail, "one", recipient=recipient)
    assert shown(admin_client, mail)["unreached"] == [reason]


def test_the_headers_are_those_of_the_message(admin_client, mail):
    Mail.objects.update(
        cc="{{ cart.customer.email }}, boss@example.com, nonsense", reply_to="Help <h@example.com>"
    )
    happened(mail, "one")
    assert shown(admin_client, mail, view="headers")["headers"] == [
        ("From", "Flint <flint@localhost>"),
        ("To", "ann@example.com"),
        ("Copy", "boss@example.com"),
        ("No copy, as it is no address", "nonsense"),
        ("Answers to", "Help <h@example.com>"),
        ("Subject", "Ann, your cart waits"),
        ("Language", "English"),
    ]


def test_dark_and_light_are_as_chosen_and_not_as_the_browser_is(admin_client, mail):
    happened(mail, "one")
    assert "@media all" in frame(admin_client, mail, dark="1")
    assert "@media not all" in frame(admin_client, mail)


def test_a_preview_shows_what_is_delivered(admin_client, mail):
    Layout.objects.create(name="Shop", slug="shop", footer="<p>Our shop</p>", is_default=True)
    generator = shop.generator()
    cart()
    seen = frame(admin_client, mail)
    running.run(generator, timezone.now())
    tasks.deliver("mails.Message")
    message = Message.objects.get()
    assert "Our shop" in message.html
    assert (
        seen
        == admin_client.get(
            reverse("admin:mails_message_frame", args=[message.pk])
        ).content.decode()
    )


# Tests --------------------------------------------------------------------------------------


def staff(client, *codenames):
    user = User.objects.create_user("eva", "eva@example.com", "secret", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


def send(client, mail, follow=True, **written):
    return client.post(page_of(mail, "send_test"), written, follow=follow)


def test_a_test_goes_to_several_others(admin_client, mail, mailoutbox):
    happened(mail, "one")
    send(admin_client, mail, to="ann@example.com; Bert <bert@example.com>")
    assert [sent.to for sent in mailoutbox] == [["ann@example.com"], ["bert@example.com"]]
    assert {sent.subject for sent in mailoutbox} == {"[Test] Ann, your cart waits"}
    assert LogEntry.objects.get().change_message == (
        "Test of one sent to ann@example.com, bert@example.com"
    )


def test_a_test_of_what_is_shown_is_sent(admin_client, mail, mailoutbox):
    Variant.objects.create(mail=mail, language="de", subject="Hallo", body="<p>Guten Tag</p>")
    happened(mail, "one")
    happened(mail, "two")
    url = f"{page_of(mail, 'send_test')}?key=one&language=de&size=phone"
    response = admin_client.post(url)
    assert response["Location"] == f"{page_of(mail)}?key=one&language=de&size=phone"
    assert [sent.subject for sent in mailoutbox] == ["[Test] Hallo"]
    assert LogEntry.objects.get().change_message == "Test of one sent to admin@example.com"


def test_a_test_to_a_foreign_address_takes_a_permission(client, mail, mailoutbox):
    happened(mail, "one")
    staff(client, "view_mail", "change_mail")
    assert b"Send to others" not in client.get(page_of(mail)).content
    page = send(client, mail, to="eva@example.com, foreign@example.com")
    assert page.context["form"].errors["to"] == [
        "You may send tests to yourself, not to foreign@example.com. That takes the permission "
        "“send test mails to others”. Nothing was sent."
    ]
    assert mailoutbox == []
    assert not LogEntry.objects.exists()


def test_everybody_who_may_change_mails_may_send_a_test_to_oneself(client, mail, mailoutbox):
    happened(mail, "one")
    staff(client, "view_mail", "change_mail")
    send(client, mail)
    send(client, mail, to="EVA@example.com")
    assert [sent.to for sent in mailoutbox] == [["eva@example.com"], ["EVA@example.com"]]


def test_the_permission_alone_sends_nothing(client, mail, mailoutbox):
    happened(mail, "one")
    staff(client, "view_mail", "send_test_to_others")
    assert send(client, mail, to="foreign@example.com").status_code == 403
    assert mailoutbox == []


def test_whoever_has_the_permission_sends_to_others(client, mail, mailoutbox):
    happened(mail, "one")
    staff(client, "view_mail", "change_mail", "send_test_to_others")
    send(client, mail, to="foreign@example.com")
    assert [sent.to for sent in mailoutbox] == [["foreign@example.com"]]


@pytest.mark.parametrize(
    ("written", "reasons"),
    [
        ("ann@example.com, nonsense", ["“nonsense” is not a mail address."]),
        ("ann@example.com\r\nBcc: x@example.com", ["“Bcc: x@example.com” is not a mail address."]),
        (
            ", ".join(f"ann{number}@example.com" for number in range(11)),
            ["These are 11 addresses. A test goes to 10 at the most."],
        ),
    ],
)
def test_what_is_wrong_with_the_addresses_is_told_and_nothing_lost(
    admin_client, mail, mailoutbox, written, reasons
):
    happened(mail, "one")
    response = admin_client.post(f"{page_of(mail, 'send_test')}?size=phone", {"to": written})
    assert response.context["form"].errors["to"] == reasons
    assert response.context["form"]["to"].value() == written
    assert response.context["choice"].size == "phone"
    assert mailoutbox == []


def test_a_test_of_what_matches_no_longer_is_not_sent(admin_client, mail, mailoutbox):
    happened(mail, "one")
    response = admin_client.post(f"{page_of(mail, 'send_test')}?key=gone", follow=True)
    assert "What you looked at matches no longer. Nothing was sent." in [
        str(said) for said in response.context["messages"]
    ]
    assert mailoutbox == []


def test_a_mail_server_that_refuses_somebody_is_told(admin_client, mail, smtp_server):
    happened(mail, "one")
    smtp_server.refuse_recipients["bert@example.com"] = "550 No such user"
    response = send(admin_client, mail, to="bert@example.com, ann@example.com")
    refused, sent = (str(said) for said in response.context["messages"])
    assert refused.startswith("bert@example.com: The mail server did not take it: ")
    assert sent == "Sent to ann@example.com."
    assert [received.recipients for received in smtp_server.received] == [("ann@example.com",)]


# Messages -----------------------------------------------------------------------------------


@pytest.fixture
def message(mail):
    generator = shop.generator()
    cart(first_name="<Ann>")
    running.run(generator, timezone.now())
    tasks.deliver("mails.Message")
    return Message.objects.get()


def message_page(client, message):
    url = reverse("admin:mails_message_change", args=[message.pk])
    return lxml.html.fromstring(client.get(url).content.decode())


def test_a_message_shows_all_that_was_sent(admin_client, message):
    page = message_page(admin_client, message)
    assert [summary.text for summary in page.iter("summary")][-4:] == [
        "As plain text",
        "Headers",
        "Source of the HTML",
        "The values it was made from",
    ]
    (source,) = page.find_class("mail-source")
    assert source.text_content() == message.html
    (headers,) = page.find_class("mail-headers")
    shown = {row[0].text: row[1].text for row in headers.iter("tr")}
    assert shown["To"] == message.recipient
    assert shown["Subject"] == "<Ann>, your cart waits"
    assert "Ann" in page.find_class("data")[0].text_content()


def test_a_message_leads_to_what_it_was_made_from(admin_client, message):
    page = message_page(admin_client, message)
    linked = {link.get("href") for link in page.iter("a")}
    wanted = {
        reverse("admin:mails_mail_version", args=[message.mail_id, 1]),
        reverse("admin:automation_events_eventrecord_change", args=[message.event_id]),
        reverse("admin:demo_cart_change", args=[message.event.row_pk]),
    }
    assert wanted <= linked


def test_whoever_may_not_see_events_does_not_see_their_values(client, message):
    Customer.objects.update(country="ZZ")
    page = message_page(staff(client, "view_message"), message)
    assert page.find_class("data") == []


def test_a_message_that_is_not_sent_yet_says_so(admin_client, mail):
    happened(mail, "one")
    page = message_page(admin_client, Message.objects.get())
    assert page.find_class("mail-frame") == []
    assert "What it says is kept here once it is handed" in page.text_content()
