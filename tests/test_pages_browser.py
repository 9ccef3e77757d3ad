"""The admin's pages in a real browser, used as an editor uses them."""

import json
import re
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from automation.demo.definitions import FILE, load_definitions
from automation.demo.shop import load_shop
from automation.events.models import EventRecord
from automation.events.states import State
from generators import running
from generators.models import Generator
from mails.models import Mail, Message
from tests import shop
from tests.condition_lines import choose_field
from tests.smtp import SmtpServer

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
]

LIQUID = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


def write_body(page: Page, html: str) -> None:
    """Put ``html`` into the mail's editor and wait until it is there."""
    page.wait_for_function("window.CKEDITOR?.instances.id_body?.status === 'ready'")
    page.evaluate(
        "html => new Promise(done => CKEDITOR.instances.id_body.setData(html, done))", html
    )


def body_of(page: Page) -> str:
    page.wait_for_function("window.CKEDITOR?.instances.id_body?.status === 'ready'")
    return str(page.evaluate("CKEDITOR.instances.id_body.getData()"))


# The day of an editor -----------------------------------------------------------------------


def test_an_editor_builds_a_generator_and_a_mail_and_sees_what_went_out(
    superuser_page: Page, smtp_server: SmtpServer
) -> None:
    now = timezone.now()
    ann = shop.customer(first_name="Ann", email="ann@example.com")
    left = shop.cart(ann, days_old=3, now=now)
    shop.cart(days_old=1, now=now)
    shop.cart(days_old=3, now=now, status="ordered")
    page = superuser_page

    build_the_generator(page)
    expect(page.locator(".figure")).to_have_text("1 of 3 carts match now")
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    expect(page.locator("#result_list tbody")).to_contain_text(f"Cart {left.pk}")

    page.get_by_role("link", name="Back to the conditions").click()
    expect(page.locator("#rule-panel")).to_contain_text("Nobody listens to these events yet.")
    page.get_by_role("link", name="Write a mail for them").click()
    write_the_mail(page)
    expect(page.locator(".inbox-line strong")).to_have_text("Ann, your cart waits")
    frame = page.frame_locator(".mail-frame")
    expect(frame.locator("h1")).to_have_text("Still there?")
    expect(frame.locator("body")).to_contain_text("Dear Ann")
    page.get_by_role("link", name="As plain text").click()
    expect(page.locator(".mail-text")).to_contain_text("Dear Ann")

    arm_and_run(page)
    assert EventRecord.objects.get().row_pk == str(left.pk)
    expect(page.locator(".facts .results")).to_contain_text("1 of 3 match, 1 new")

    call_command("deliver")
    (received,) = smtp_server.received
    assert (received.recipients, received.subject) == (
        ("ann@example.com",),
        "Ann, your cart waits",
    )
    page.get_by_role("link", name="Messages").click()
    row = page.locator("#result_list tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("ann@example.com")
    expect(row).to_contain_text("sent")
    row.get_by_role("link").first.click()
    expect(page.frame_locator(".mail-frame").locator("h1")).to_have_text("Still there?")


def build_the_generator(page: Page) -> None:
    page.goto("/admin/")
    page.locator("#content-main").get_by_role("link", name="Generators", exact=True).last.click()
    page.get_by_role("link", name="Add generator").click()
    page.get_by_label("Name:", exact=True).press_sequentially("Cart left")
    expect(page.get_by_label("Short name:")).to_have_value("cart-left")
    page.get_by_label("About:").select_option("Carts")
    page.get_by_label("Event group:").fill("cart_left")
    page.get_by_role("button", name="Next: the conditions").click()
    expect(page.locator(".success")).to_contain_text("was added successfully")

    first, second = page.locator(".condition-line").nth(0), page.locator(".condition-line").nth(1)
    choose_field(first, "status")
    first.get_by_label("Question").select_option("is one of")
    first.get_by_label("Open").check()
    choose_field(second, "last changed on")
    second.get_by_label("Question").select_option("more than … ago")
    second.locator("input[type=number]").fill("2")
    second.locator(".value-input select").select_option("days")
    page.get_by_role("button", name="Save and see who matches").click()


def write_the_mail(page: Page) -> None:
    expect(page.get_by_label("On events:")).to_have_value("cart_left")
    page.get_by_label("Name:", exact=True).fill("Your cart")
    page.get_by_label("Active").check()
    page.locator("#id_subject").fill("{{ cart.customer.first_name }}, your cart waits")
    write_body(page, "<h1>Still there?</h1><p>Hello</p>")
    page.evaluate(
        """() => {
          const editor = CKEDITOR.instances.id_body;
          const range = editor.createRange();
          range.moveToElementEditEnd(editor.editable());
          editor.focus();
          editor.getSelection().selectRanges([range]);
        }"""
    )
    page.keyboard.press("Enter")
    page.keyboard.type("Dear ")
    page.get_by_role("button", name="{{ cart.customer.first_name }}").click()
    page.get_by_role("button", name="Save and preview").click()


def arm_and_run(page: Page) -> None:
    page.goto("/admin/generators/generator/")
    page.get_by_role("link", name="Cart left", exact=True).click()
    page.get_by_role("link", name="Arm …").click()
    expect(page.locator(".figure")).to_have_text("1 event would be made at once")
    expect(page.locator("#content-main")).to_contain_text("Mail Your cart")
    page.get_by_role("button", name="Arm it").click()
    expect(page.locator(".success")).to_contain_text("Cart left is armed.")
    page.get_by_role("button", name="Run now").click()
    expect(page.locator(".success")).to_have_text("1 of 3 match, 1 is new.")


# Lines of conditions --------------------------------------------------------------------------


def test_each_kind_of_field_has_its_own_way_to_write_a_value(superuser_page: Page) -> None:
    generator = Generator.objects.create(
        name="Everybody", slug="all", source="demo.customer", group_template="all"
    )
    page = superuser_page
    page.goto(f"/admin/generators/generator/{generator.pk}/change/")
    for number in range(5):
        if number > 1:
            page.get_by_role("button", name="Add another Condition").click()
        line = page.locator(".condition-line:not(.empty-form)").nth(number)
        field, question = [
            ("country", "is one of"),
            ("first name", "starts with"),
            ("number of paid orders", "is at least"),
            ("gets the newsletter", "is yes"),
            ("birthday", "is from … to …"),
        ][number]
        choose_field(line, field)
        line.get_by_label("Question").select_option(question)
    lines = page.locator(".condition-line:not(.empty-form)")
    lines.nth(0).get_by_label("Switzerland").check()
    lines.nth(0).get_by_label("Austria").check()
    lines.nth(1).locator(".line-value input").fill("A")
    lines.nth(2).locator(".line-value input").fill("3")
    lines.nth(2).get_by_label("and / or").select_option("or")
    expect(lines.nth(3).locator(".line-value")).to_be_hidden()
    lines.nth(4).locator("input[type=date]").first.fill("1980-01-01")
    lines.nth(4).locator("input[type=date]").last.fill("1989-12-31")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".rule-sentence")).to_have_text(
        "Customers where country is one of Switzerland or Austria and (first name starts with A "
        "or number of paid orders is at least 3) and gets the newsletter is yes and birthday is "
        "from Jan. 1, 1980 to Dec. 31, 1989"
    )
    # What was saved is shown in the same way.
    expect(lines.nth(0).get_by_label("Austria")).to_be_checked()
    expect(lines.nth(0).get_by_label("Germany")).not_to_be_checked()
    expect(lines.nth(4).locator("input[type=date]").last).to_have_value("1989-12-31")


def test_a_wrong_value_stays_as_it_was_typed_with_what_to_do(superuser_page: Page) -> None:
    generator = shop.generator(("total", "field.more", "2"))
    page = superuser_page
    page.goto(f"/admin/generators/generator/{generator.pk}/change/")
    line = page.locator(".condition-line").first
    line.locator(".line-value input").fill("two")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(line.locator(".line-value input")).to_have_value("two")
    expect(line.locator(".errorlist")).to_have_text(
        "“two” is not a number. Write it in digits, for example 2 or 19.90."
    )


def test_a_line_is_removed_and_another_added(superuser_page: Page) -> None:
    generator = shop.generator()
    page = superuser_page
    page.goto(f"/admin/generators/generator/{generator.pk}/change/")
    page.locator(".condition-line").first.get_by_label("remove").check()
    page.locator(".condition-line .inline-deletelink").first.click()
    page.get_by_role("button", name="Add another Condition").click()
    line = page.locator(".condition-line:not(.empty-form)").last
    choose_field(line, "customer gets the newsletter")
    line.get_by_label("Question").select_option("is yes")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".rule-sentence")).to_have_text(
        "Carts where last changed on more than 2 days ago and customer gets the newsletter is yes"
    )


def test_the_counts_follow_the_lines_before_anything_is_saved(superuser_page: Page) -> None:
    shop.cart(shop.customer(country="CH"))
    shop.cart(shop.customer(country="DE"))
    shop.cart(shop.customer(country="DE"), status="ordered")
    generator = shop.generator(("status", "field.one_of", "open"))
    page = superuser_page
    page.goto(f"/admin/generators/generator/{generator.pk}/change/")
    figure = page.locator("#rule-panel .figure")
    expect(figure).to_have_text("2 of 3 carts match now")
    expect(page.locator("#conditions-0 .line-count")).to_have_text("2")

    choose_field(page.locator("#conditions-1"), "customer country")
    page.locator("#id_conditions-1-operator").select_option("field.one_of")
    page.locator("#conditions-1").get_by_label("Germany").check()
    expect(figure).to_have_text("1 of 3 carts match now")
    expect(page.locator("#conditions-1 .line-count")).to_have_text("2")

    page.locator("#id_conditions-1-joined_by").select_option("or")
    expect(figure).to_have_text("3 of 3 carts match now")
    page.locator("#id_conditions-0-DELETE").check()
    expect(figure).to_have_text("2 of 3 carts match now")
    assert generator.conditions.count() == 1


def test_only_what_belongs_to_a_schedule_is_shown(superuser_page: Page) -> None:
    generator = shop.generator()
    page = superuser_page
    page.goto(f"/admin/generators/generator/{generator.pk}/change/")
    shown = {}
    for trigger in ("minutes", "hourly", "daily", "weekly", "cron", "never"):
        page.get_by_label("Runs:").select_option(trigger)
        rows = ("every_minutes", "weekday", "at_time", "cron")
        shown[trigger] = [name for name in rows if page.locator(f".field-{name}").is_visible()]
    assert shown == {
        "minutes": ["every_minutes"],
        "hourly": [],
        "daily": ["at_time"],
        "weekly": ["weekday", "at_time"],
        "cron": ["cron"],
        "never": [],
    }


def test_a_form_is_saved_without_scripts(
    chromium: Browser, live_server: Any, superuser_page: Page
) -> None:
    generator = shop.generator()
    context = chromium.new_context(
        base_url=live_server.url,
        java_script_enabled=False,
        storage_state=superuser_page.context.storage_state(),
    )
    page = context.new_page()
    page.goto(f"/admin/generators/generator/{generator.pk}/change/")
    page.fill("[name=conditions-1-value]", "5 days")
    page.select_option("[name=conditions-2-field]", "total")
    page.select_option("[name=conditions-2-operator]", "field.more")
    page.fill("[name=conditions-2-value]", "20")
    page.click("[name=_continue]")
    expect(page.locator(".rule-sentence")).to_have_text(
        "Carts where status is Open and last changed on more than 5 days ago and total is "
        "more than 20"
    )
    context.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_the_screen(superuser_page: Page, width: int) -> None:
    generator, mail = shop.generator(), shop.mail()
    shop.cart(shop.customer(email=f"{'long' * 12}@example.com"), now=timezone.now())
    running.run(generator, timezone.now())
    message = Message.objects.get()
    page = superuser_page
    page.set_viewport_size({"width": width, "height": 800})
    for path in (
        "",
        "generators/generator/",
        "generators/generator/add/",
        f"generators/generator/{generator.pk}/change/",
        f"generators/generator/{generator.pk}/preview/",
        f"generators/generator/{generator.pk}/arm/",
        "mails/mail/",
        f"mails/mail/{mail.pk}/change/",
        f"mails/mail/{mail.pk}/preview/",
        "mails/message/",
        f"mails/message/{message.pk}/change/",
        "automation_events/eventrecord/",
        f"automation_events/eventrecord/{message.event_id}/change/",
        "automation_rules/segment/",
    ):
        page.goto(f"/admin/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") == width, path


# The mail's editor ------------------------------------------------------------------------------


def test_the_demos_mails_survive_being_opened_and_saved(superuser_page: Page) -> None:
    load_shop(timezone.now())
    load_definitions()
    bodies = {entry["slug"]: entry["body"] for entry in json.loads(FILE.read_text())["mails"]}
    assert len(bodies) == 10
    page = superuser_page
    for mail in Mail.objects.all():
        event = next(iter(sample_events(mail)))
        before = mail.render(event)
        saved = []
        for _time in range(2):
            page.goto(f"/admin/mails/mail/{mail.pk}/change/")
            body_of(page)
            page.get_by_role("button", name="Save", exact=True).click()
            expect(page.locator(".success")).to_contain_text("was changed successfully")
            mail.refresh_from_db()
            saved.append(mail.body)
        assert LIQUID.findall(saved[0]) == LIQUID.findall(bodies[mail.slug])
        assert saved[0] == saved[1]
        after = mail.render(event)
        assert after.text == before.text
        assert without_folds(after.html) == without_folds(before.html)


def sample_events(mail: Mail) -> Any:
    from mails import samples

    return [sample.event for sample in samples.find(mail, timezone.now()).found]


def without_folds(html: str) -> str:
    """HTML without the white space between its tags, which the editor sets anew, and with
    the attributes of each tag in one order."""
    html = re.sub(r"\s*(<[^>]*>)\s*", r"\1", html)
    attribute = r' [\w-]+="[^"]*"'
    return re.sub(
        rf"(?:{attribute})+", lambda found: "".join(sorted(re.findall(attribute, found[0]))), html
    )


def test_the_editor_uploads_nothing_and_drops_what_runs(superuser_page: Page) -> None:
    page = superuser_page
    page.goto("/admin/mails/mail/add/")
    write_body(
        page, '<p onclick="x()">a<svg onload="x()"></svg><iframe src="/admin/"></iframe></p>'
    )
    assert body_of(page).strip() == "<p>a</p>"
    config = "CKEDITOR.instances.id_body.config"
    for name in ("filebrowserUploadUrl", "filebrowserBrowseUrl", "uploadUrl", "imageUploadUrl"):
        assert page.evaluate(f"{config}.{name} || ''") == ""
    loaded = page.evaluate("Object.keys(CKEDITOR.instances.id_body.plugins)")
    assert {"filebrowser", "uploadimage", "exportpdf", "scayt", "wsc"}.isdisjoint(loaded)
    page.locator(".cke_button__link").click()
    expect(page.get_by_role("dialog", name="Link")).to_be_visible()


# What must not run ------------------------------------------------------------------------------


def test_a_script_does_not_run_in_a_preview(superuser_page: Page) -> None:
    script = "<script>fetch('/taken-over')</script><img src=x onerror=\"fetch('/taken-over')\">"
    shop.cart(shop.customer(first_name=script), now=timezone.now())
    shop.generator()
    mail = shop.mail(body="<p>Dear {{ cart.customer.first_name }}</p>" + script)
    asked: list[str] = []
    superuser_page.on("request", lambda request: asked.append(request.url))
    superuser_page.goto(f"/admin/mails/mail/{mail.pk}/preview/")
    frame = superuser_page.frame_locator(".mail-frame")
    expect(frame.locator("p").first).to_contain_text("Dear <script>fetch")
    superuser_page.wait_for_timeout(300)
    assert [url for url in asked if "taken-over" in url] == []


def test_a_script_that_got_into_a_message_does_not_run(
    chromium: Browser, live_server: Any, superuser_page: Page
) -> None:
    generator, mail = shop.generator(), shop.mail()
    shop.cart(now=timezone.now())
    running.run(generator, timezone.now())
    assert mail.messages.count() == 1
    Message.objects.update(
        state=State.SENT,
        html="<p>Hello</p><script>fetch('/taken-over')</script>"
        '<form action="/taken-over"><button>Go</button></form>',
    )
    # A context of its own: Chromium tells of what it has blocked as an error.
    context = chromium.new_context(
        base_url=live_server.url, storage_state=superuser_page.context.storage_state()
    )
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"/admin/mails/message/{Message.objects.get().pk}/change/")
    frame = page.frame_locator(".mail-frame")
    expect(frame.locator("p")).to_have_text("Hello")
    frame.get_by_role("button", name="Go").click()
    page.goto(f"/admin/mails/message/{Message.objects.get().pk}/frame/")  # not in a frame at all
    page.wait_for_timeout(300)
    assert [url for url in asked if "taken-over" in url] == []
    context.close()
