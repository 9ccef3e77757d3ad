"""The pages of mails and messages: what they show, and what they refuse clearly."""

import uuid
from typing import Any

import lxml.html
import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from automation.events.models import EventRecord
from mails.admin.shortening import shortened
from mails.models import Mail, Message, Snippet, Variant
from tests import shop
from tests.forms import errors, filled

pytestmark = pytest.mark.django_db

ADD = "/admin/mails/mail/add/"


def change(mail: Mail) -> str:
    return reverse("admin:mails_mail_change", args=[mail.pk])


def with_two_languages(client: Any, first: str, second: str) -> tuple[Mail, dict[str, str]]:
    """A mail that has ``first`` and the form that would give it ``second``, too."""
    mail = shop.mail(subject="Hello", body="<p>Hello</p>")
    Variant.objects.create(mail=mail, language=first, subject="Hallo", body="<p>Hallo</p>")
    form = filled(client, change(mail), "mail")
    added = {"language": second, "subject": "Tag", "preheader": "", "body": "<p>Tag</p>"}
    form |= {f"variants-1-{name}": value for name, value in {**added, "text": ""}.items()}
    return mail, {**form, "variants-TOTAL_FORMS": "2"}


@pytest.mark.parametrize(("first", "second"), [("de", "de"), ("de-ch", "de-CH")])
def test_a_language_twice_is_told_at_its_line_and_nothing_is_lost(
    admin_client: Any, first: str, second: str
) -> None:
    mail, form = with_two_languages(admin_client, first, second)
    answer = admin_client.post(change(mail), form)
    assert errors(answer) == {"variants-1-language": ["The mail has this language already."]}
    assert 'value="Tag"' in answer.content.decode()
    assert mail.variants.count() == 1


def test_a_language_twice_is_told_by_the_advice(admin_client: Any) -> None:
    mail, form = with_two_languages(admin_client, "de", "de")
    answer = admin_client.post(f"/admin/mails/mail/advice/?mail={mail.pk}", form)
    assert "The mail has this language already." in answer.content.decode()


def test_two_new_lines_with_one_language_are_told(admin_client: Any) -> None:
    mail, form = with_two_languages(admin_client, "fr", "de")
    mail.variants.all().delete()
    form |= {"variants-0-id": "", "variants-0-language": "de", "variants-INITIAL_FORMS": "0"}
    assert list(errors(admin_client.post(change(mail), form))) == ["variants-1-language"]


@pytest.mark.parametrize("page", ["versions/", "versions/1/", "change/", "history/", "delete/"])
def test_a_number_that_no_mail_can_have_is_not_found(admin_client: Any, page: str) -> None:
    answer = admin_client.get(f"/admin/mails/mail/{'1' * 21}/{page}", follow=True)
    assert answer.status_code in (200, 404)  # the admin's own pages lead back with a message
    assert "adminform" not in (answer.context or {})


def test_a_mail_without_events_is_told_once(admin_client: Any) -> None:
    answer = admin_client.post(ADD, filled(admin_client, ADD, "mail", group=""))
    assert errors(answer)["group"] == ["Name the event group that this is for."]


def test_a_new_mail_is_told_what_is_still_missing(admin_client: Any) -> None:
    page = admin_client.get(ADD).content.decode()
    assert "Still to be written: subject, text." in page
    assert "Nothing has to be mended." not in page


# Lists and what can be inserted -------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "short"),
    [
        ("Hello", "Hello"),
        ("{{ cart.customer.first_name }}, your cart", "‹first name›, your cart"),
        ('{{ name | default: "you" }}!', "‹name›!"),
        ("{% if a %}One{% else %}Two{% endif %} left", "One / Two left"),
        ("x" * 200, "x" * 79 + "…"),
    ],
)
def test_a_subject_is_listed_without_its_tags(template: str, short: str) -> None:
    assert shortened(template) == short


def test_the_list_says_which_mails_are_active_in_words(admin_client: Any) -> None:
    shop.mail(subject="{% if cart.id %}Hi{% endif %}", is_active=False)
    page = lxml.html.fromstring(admin_client.get("/admin/mails/mail/").content.decode())
    assert page.xpath("//td[@class='field-what_it_says']/text()") == ["Hi"]
    assert page.xpath("//td[@class='field-state']//text()") == ["not active"]


def test_snippets_can_be_inserted(admin_client: Any) -> None:
    Snippet.objects.create(name="Opening hours", slug="opening-hours", body="<p>9–17</p>")
    page = lxml.html.fromstring(admin_client.get(ADD).content.decode())
    [button] = page.xpath("//aside//button[contains(., 'Opening hours')]")
    assert button.get("data-insert-html") == '{% render "opening-hours" %}'


# Messages -----------------------------------------------------------------------------------


@pytest.fixture
def message() -> Message:
    mail = shop.mail(subject="Hello", body="<p>Hello</p>")
    version = mail.keep_version()
    version.data = {**version.data, "attachments": [{"name": "terms.pdf", "digest": "a" * 64}]}
    version.save()
    now = timezone.now()
    event = EventRecord.objects.create(
        group="cart_left", key="1", context={}, recording=uuid.uuid4(), recorded_at=now
    )
    return Message.objects.create(
        event=event,
        mail=mail,
        version=version,
        recipient="ann@example.com",
        subject="Hello Ann",
        html="<p>Hello</p>",
        headers={"To": "ann@example.com", "Cc": "team@example.com", "Bcc": "archive@example.com"},
        state="sent",
        created_at=now,
        not_before=now,
        sent_at=now,
    )


def test_a_message_says_who_got_copies_and_which_files(admin_client: Any, message: Message) -> None:
    url = reverse("admin:mails_message_change", args=[message.pk])
    page = lxml.html.fromstring(admin_client.get(url).content.decode())
    for name, address in (("copy_to", "team"), ("hidden_copy_to", "archive")):
        [row] = page.xpath(f"//div[contains(@class, 'field-{name}')]")
        assert f"{address}@example.com" in row.text_content()
    [link] = page.xpath("//ul[@class='attachments']//a")
    assert link.text == "terms.pdf"


def test_files_are_no_links_for_who_may_not_see_mails(
    client: Any, django_user_model: Any, message: Message
) -> None:
    staff = django_user_model.objects.create_user("staff", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_message"))
    client.force_login(staff)
    url = reverse("admin:mails_message_change", args=[message.pk])
    page = lxml.html.fromstring(client.get(url).content.decode())
    assert page.xpath("//ul[@class='attachments']/li/text()") == ["terms.pdf"]


def test_messages_are_found_by_their_subject(admin_client: Any, message: Message) -> None:
    found = [
        admin_client.get("/admin/mails/message/", {"q": words}).context["cl"].result_count
        for words in ("hello ann", "hello bea")
    ]
    assert found == [1, 0]
