"""The advice below the editor follows what is typed."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from mails.models import Mail
from tests import shop

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
]

UNKNOWN = re.compile("“cart.custmer.first_name” is not known here. Did you mean “cart.customer.")


@pytest.fixture
def page_of_mail(superuser_page: Page) -> Page:
    shop.generator()
    mail = shop.mail()
    superuser_page.goto(f"/admin/mails/mail/{mail.pk}/change/")
    expect(superuser_page.locator("#cke_id_body")).to_be_visible()
    superuser_page.wait_for_function("CKEDITOR.instances.id_body.status === 'ready'")
    return superuser_page


def advice(page: Page) -> Locator:
    return page.locator("#mail-advice")


def write(page: Page, html: str) -> None:
    page.evaluate("html => CKEDITOR.instances.id_body.setData(html)", html)


def test_an_unknown_variable_is_told_while_typing_until_it_is_mended(page_of_mail: Page) -> None:
    page = page_of_mail
    before = Mail.objects.get().subject
    page.locator("#id_subject").fill("")
    page.locator("#id_subject").press_sequentially("{{ cart.custmer.first_name }}, hello")
    expect(advice(page).locator(".advice-error")).to_have_text(UNKNOWN)
    expect(page.locator("#mail-advice-told")).to_have_text(UNKNOWN)
    page.locator("#id_subject").fill("{{ cart.customer.first_name }}, hello")
    expect(advice(page).locator(".advice-error")).to_have_count(0)
    expect(advice(page)).to_contain_text("Nothing has to be mended.")
    assert Mail.objects.get().subject == before


def test_it_follows_the_rich_editor_and_its_source(page_of_mail: Page) -> None:
    page = page_of_mail
    write(page, '<p>Hello</p><p><a href="www.example.com">our shop</a></p>')
    warning = advice(page).locator(".advice-warning")
    expect(warning).to_contain_text("“our shop” goes to “www.example.com”")
    write(page, "<p>Hello</p>")
    expect(warning).to_have_count(0)
    page.locator(".cke_button__source").click()
    page.locator("textarea.cke_source").fill("<p>{{ oops </p>")
    expect(advice(page).locator(".advice-error")).to_contain_text("is never closed")


def test_a_click_leads_to_the_field(page_of_mail: Page) -> None:
    page = page_of_mail
    write(page, "<p>{{ cart.custmer.first_name }}</p>")
    advice(page).locator(".advice-error a").click()
    page.wait_for_function("CKEDITOR.instances.id_body.focusManager.hasFocus")
    page.locator("summary", has_text="Whom it goes to").click()
    page.locator("#id_reply_to").fill("nobody")
    page.locator("summary", has_text="Whom it goes to").click()
    link = advice(page).locator("a[data-field=reply_to]")
    link.focus()
    link.press("Enter")
    expect(page.locator("#id_reply_to")).to_be_focused()


def test_hints_stay_open_while_it_is_written_on(page_of_mail: Page) -> None:
    page = page_of_mail
    hints = advice(page).locator("details")
    hints.locator("summary").click()
    page.locator("#id_subject").fill("Hello!!!")
    expect(advice(page)).to_contain_text("makes it look like spam")
    expect(hints).to_have_attribute("open", "")
    expect(hints).to_contain_text("a mailbox shows how the text begins")


def test_files_do_not_travel_for_it(page_of_mail: Page, tmp_path: Any) -> None:
    page = page_of_mail
    sent: list[bytes] = []
    page.on("request", lambda one: "advice" in one.url and sent.append(one.post_data_buffer or b""))
    page.evaluate(
        """() => {
          const input = document.createElement("input");
          Object.assign(input, { type: "file", name: "big", id: "big" });
          document.querySelector("#mail_form").append(input);
        }"""
    )
    file = tmp_path / "big.txt"
    file.write_text("BIG" * 100)
    page.locator("#big").set_input_files(file)
    page.locator("#id_subject").fill("Hello!!!")
    expect(advice(page)).to_contain_text("makes it look like spam")
    assert sent
    assert not any(b"BIGBIG" in each for each in sent)


def test_it_fits_on_a_phone(page_of_mail: Page) -> None:
    page = page_of_mail
    page.set_viewport_size({"width": 390, "height": 800})
    page.locator("#id_subject").fill(f"{{{{ {'x' * 90} }}}}")
    expect(advice(page).locator(".advice-error")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_who_was_signed_out_is_told_that_it_did_not_work(page_of_mail: Page) -> None:
    page = page_of_mail
    page.context.clear_cookies(name="sessionid")
    page.locator("#id_subject").fill("Hello!!!")
    expect(advice(page)).to_contain_text("could not be looked at")
