"""What the admin's pages let nobody do."""

import csv
import io

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from django.utils import timezone

from automation.events.exporting import formula_safe
from automation.events.models import EventRecord
from generators import running
from generators.models import Generator
from mails.models import Mail, Message
from mails.pages.frames import FRAME_POLICY
from tests import shop

pytestmark = pytest.mark.django_db

SCRIPT = "<script>document.title = 'taken over'; fetch('/admin/')</script>"


@pytest.fixture
def message():
    """A message to somebody whose name is a script, and all that led to it."""
    generator, _mail = shop.generator(), shop.mail(body=f"<p>Dear</p>{SCRIPT}")
    shop.cart(shop.customer(first_name=SCRIPT), now=timezone.now())
    running.run(generator, timezone.now())
    return Message.objects.get()


def page_of(thing, name="change"):
    opts = thing._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{name}", args=[thing.pk])


def staff(client, *codenames):
    user = User.objects.create_user("ann", "ann@example.com", "secret", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


# Frames -------------------------------------------------------------------------------------


def test_a_mails_preview_is_framed_strictly(admin_client, message):
    page = admin_client.get(page_of(message.mail, "preview")).content.decode()
    (frame,) = [line for line in page.splitlines() if "<iframe" in line]
    assert ' sandbox title="' in frame
    response = admin_client.get(page_of(message.mail, "frame"))
    assert response["Content-Security-Policy"] == FRAME_POLICY
    assert FRAME_POLICY == (
        "default-src 'none'; img-src data: https: http:; style-src 'unsafe-inline'; "
        "frame-ancestors 'self'; sandbox"
    )
    assert response["X-Frame-Options"] == "SAMEORIGIN"
    assert response["Referrer-Policy"] == "no-referrer"
    assert "<script" not in response.content.decode()


def test_a_messages_frame_is_as_strict_even_if_something_got_into_it(admin_client, message):
    Message.objects.update(html=f"<p>Hello</p>{SCRIPT}", text="Hello")
    page = admin_client.get(page_of(message)).content.decode()
    (frame,) = [line for line in page.splitlines() if "<iframe" in line]
    assert ' sandbox title="' in frame
    response = admin_client.get(page_of(message, "frame"))
    assert response["Content-Security-Policy"] == FRAME_POLICY


@pytest.mark.parametrize("page", ["change", "preview"])
def test_a_name_that_is_a_script_is_only_a_name(admin_client, message, page):
    customer = message.event.context["cart"]["customer"]
    assert customer["first_name"] == SCRIPT
    urls = {
        "change": [page_of(message), page_of(message.event), page_of(message.mail)],
        "preview": [
            page_of(message.mail, "preview"),
            page_of(Generator.objects.get(), "preview"),
            reverse("admin:automation_events_eventrecord_changelist"),
            reverse("admin:mails_message_changelist"),
        ],
    }[page]
    for url in urls:
        assert SCRIPT not in admin_client.get(url).content.decode()


# Who may, and how ---------------------------------------------------------------------------


def changing(generator: Generator, mail: Mail) -> dict[str, str]:
    return {
        "arm": page_of(generator, "arm"),
        "pause": page_of(generator, "pause"),
        "run": page_of(generator, "run"),
        "send-test": page_of(mail, "send_test"),
    }


@pytest.mark.parametrize("step", ["arm", "pause", "run", "send-test"])
def test_looking_changes_nothing(admin_client, message, step, mailoutbox):
    generator = Generator.objects.get()
    if step == "arm":
        generator.pause()
    shop.cart(now=timezone.now())
    before = Generator.objects.values().get()
    admin_client.get(changing(generator, message.mail)[step])
    assert Generator.objects.values().get() == before
    assert EventRecord.objects.count() == 1
    assert not LogEntry.objects.exists()
    assert mailoutbox == []


@pytest.mark.parametrize("step", ["arm", "pause", "run", "send-test"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_staff_without_the_permission_is_refused(client, message, step, method, mailoutbox):
    before = Generator.objects.values().get()
    url = changing(Generator.objects.get(), message.mail)[step]
    response = getattr(staff(client), method)(url)
    assert response.status_code == 403
    assert Generator.objects.values().get() == before
    assert mailoutbox == []


@pytest.mark.parametrize("step", ["arm", "pause", "run"])
def test_looking_at_generators_does_not_mean_running_them(client, message, step):
    url = changing(Generator.objects.get(), message.mail)[step]
    assert staff(client, "view_generator").post(url).status_code == 403


def test_staff_without_permission_reads_nothing(client, message):
    generator = Generator.objects.get()
    staff(client)
    for url in (
        page_of(generator, "preview"),
        page_of(message.mail, "preview"),
        page_of(message.mail, "frame"),
        page_of(message, "frame"),
        page_of(message.event),
        reverse("admin:automation_events_eventrecord_changelist"),
        reverse("admin:automation_events_eventrecord_export"),
    ):
        assert client.get(url).status_code == 403, url


def test_strangers_are_sent_to_the_login(client, message):
    for url in (page_of(message.mail, "frame"), page_of(Generator.objects.get(), "run")):
        assert client.get(url)["Location"] == f"/admin/login/?next={url}"


def test_a_post_without_its_token_is_refused(message, admin_user):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    for url in changing(Generator.objects.get(), message.mail).values():
        assert client.post(url).status_code == 403


def test_whoever_may_only_look_sees_the_rule_and_cannot_save_it(client, message):
    generator = Generator.objects.get()
    page = staff(client, "view_generator").get(page_of(generator)).content.decode()
    assert "Carts where status is Open" in page
    assert 'name="conditions-0-field"' not in page
    assert "Run now" not in page
    assert client.post(page_of(generator), {"name": "Mine"}).status_code == 403


def test_whoever_may_change_generators_may_change_their_conditions(client, message):
    generator = Generator.objects.get()
    page = staff(client, "change_generator").get(page_of(generator)).content.decode()
    assert 'name="conditions-0-field"' in page


@pytest.mark.parametrize("kind", ["event", "message"])
def test_what_happened_cannot_be_changed(admin_client, message, kind):
    thing = {"event": message.event, "message": message}[kind]
    before = type(thing).objects.values().get()
    assert admin_client.get(page_of(thing)).status_code == 200
    assert admin_client.post(page_of(thing), {"recipient": "x@example.com"}).status_code == 403
    assert admin_client.post(page_of(thing, "delete"), {"post": "yes"}).status_code == 403
    add = reverse(f"admin:{thing._meta.app_label}_{thing._meta.model_name}_add")
    assert admin_client.get(add).status_code == 403
    assert type(thing).objects.values().get() == before


# Exports ------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_that_a_spreadsheet_would_run_is_only_text(start):
    assert formula_safe(f"{start}1+1") == f"'{start}1+1"


def test_other_cells_stay_as_they_are():
    assert [formula_safe(value) for value in ("a=1", "", 7, None)] == ["a=1", "", 7, None]


def test_the_export_is_safe_and_as_filtered(admin_client, message):
    EventRecord.objects.update(recipient="=HYPERLINK('https://example.com')@x")
    running_too = shop.generator(group_template="other")
    running.run(running_too, timezone.now())
    url = reverse("admin:automation_events_eventrecord_export")
    exported = admin_client.get(url, {"group": "cart_left"}).content.decode()
    (row,) = csv.DictReader(io.StringIO(exported))
    assert (row["group"], row["recipient"]) == (
        "cart_left",
        "'=HYPERLINK('https://example.com')@x",
    )
    everything = admin_client.get(url).content.decode()
    assert len(list(csv.DictReader(io.StringIO(everything)))) == 2


def test_the_list_links_to_the_export_of_what_it_shows(admin_client, message):
    page = admin_client.get(
        reverse("admin:automation_events_eventrecord_changelist"), {"group": "cart_left"}
    ).content.decode()
    assert "/admin/automation_events/eventrecord/export/?group=cart_left" in page


# Steps --------------------------------------------------------------------------------------


def told(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def test_a_generator_without_conditions_is_not_armed(admin_client):
    generator = shop.generator(armed=False)
    generator.conditions.all().delete()
    reason = "Add a condition first: without one it would mean every row there is."
    assert reason in admin_client.get(page_of(generator, "arm")).content.decode()
    response = admin_client.post(page_of(generator, "arm"), follow=True)
    assert told(response) == [reason]
    assert Generator.objects.get().state == "draft"


def test_what_keeps_a_generator_from_being_armed_names_its_field(admin_client):
    generator = shop.generator(armed=False)
    Generator.objects.update(group_template="{{ cart.nothing }}")
    response = admin_client.post(page_of(generator, "arm"), follow=True)
    (message,) = told(response)
    assert message.startswith("Event group: Line 1, column 4: “cart.nothing” is not known here.")


def test_running_says_what_came_of_it(admin_client, message):
    shop.cart(now=timezone.now())
    response = admin_client.post(page_of(Generator.objects.get(), "run"), follow=True)
    assert told(response) == ["2 of 2 match, 1 is new."]


def test_a_test_mail_needs_an_address(admin_client, message, admin_user, mailoutbox):
    admin_user.email = ""
    admin_user.save()
    page = admin_client.post(page_of(message.mail, "send_test"))
    assert page.context["form"].errors["to"] == [
        "Your account has no mail address. Ask whoever manages the users to add it."
    ]
    assert mailoutbox == []


def test_a_test_mail_goes_to_whoever_asks_and_nobody_else(admin_client, message, mailoutbox):
    response = admin_client.post(page_of(message.mail, "send_test"), follow=True)
    assert told(response) == ["Sent to admin@example.com."]
    assert [mail.to for mail in mailoutbox] == [["admin@example.com"]]
    assert Message.objects.count() == 1
