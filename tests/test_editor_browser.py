"""The rich editor of mails and what stands around it, in a real browser."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

from mails.files import Picture
from mails.models import Mail
from tests import shop
from tests.editor import between, content, ready, said, write

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def mail_page(superuser_page: Page) -> Page:
    """The form of a new mail for carts, of which there is one; its editor is ready."""
    shop.generator()
    shop.cart(shop.customer(first_name="Ann"), now=timezone.now())
    superuser_page.goto("/admin/mails/mail/add/?group=cart_left")
    ready(superuser_page)
    return superuser_page


@pytest.fixture
def own_context(
    chromium: Browser, live_server: Any, superuser_page: Page
) -> Iterator[BrowserContext]:
    """Signed in, too, but free to have errors in its console: Chromium notes every answer that
    is one."""
    context = chromium.new_context(
        base_url=live_server.url, storage_state=superuser_page.context.storage_state()
    )
    yield context
    context.close()


# What the mail can say --------------------------------------------------------------------------


def panel(page: Page) -> Any:
    return page.get_by_role("complementary", name="What the mail can say")


def test_each_value_is_listed_with_its_meaning_and_what_it_is_for_a_row(mail_page: Page) -> None:
    entry = panel(mail_page).get_by_role("button", name="{{ cart.customer.first_name }}")
    expect(entry).to_contain_text("customer › first name")
    expect(entry).to_contain_text("Ann")


def test_a_click_writes_a_value_at_the_cursor(mail_page: Page) -> None:
    write(mail_page, "<p>Dear</p>")
    mail_page.keyboard.type(" friend ")
    panel(mail_page).get_by_role("button", name="{{ cart.customer.first_name }}").click()
    mail_page.keyboard.type(", hello")
    assert said(mail_page) == "<p>Dear friend {{ cart.customer.first_name }}, hello</p>"


def test_a_click_writes_into_the_field_that_was_used_last(mail_page: Page) -> None:
    write(mail_page, "<p>x</p>")
    subject = mail_page.locator("#id_subject")
    subject.fill("Dear , hello")
    subject.evaluate("field => field.setSelectionRange(5, 5)")
    value = panel(mail_page).get_by_role("button", name="{{ cart.customer.first_name }}")
    value.click()
    expect(subject).to_have_value("Dear {{ cart.customer.first_name }}, hello")
    expect(panel(mail_page).get_by_role("status")).to_contain_text("Subject")
    mail_page.locator("#id_preheader").focus()
    value.press("Enter")
    expect(mail_page.locator("#id_preheader")).to_have_value("{{ cart.customer.first_name }}")
    assert said(mail_page) == "<p>x</p>"


def test_a_click_writes_into_the_source(mail_page: Page) -> None:
    write(mail_page, "<p>ab</p>")
    mail_page.get_by_role("button", name="Source").first.click()
    source = mail_page.locator("textarea.cke_source")
    source.evaluate("field => { field.focus(); field.setSelectionRange(4, 4); }")
    panel(mail_page).get_by_role("button", name="{{ cart.total }}").click()
    assert said(mail_page) == "<p>a{{ cart.total }}b</p>"


def test_a_list_is_written_as_a_table_or_a_list(mail_page: Page) -> None:
    write(mail_page, "<p>x</p>")
    panel(mail_page).get_by_role("button", name="Insert as a list").click()
    expect(between(mail_page, "for item in cart.items")).to_have_count(1)
    assert said(mail_page) == (
        "<p>x</p><ul>{% for item in cart.items %}"
        "<li>{{ item.title }} {{ item.quantity }} {{ item.price }}</li>{% endfor %}</ul>"
    )
    write(mail_page, "<p>x</p>")
    panel(mail_page).get_by_role("button", name="Insert as a table").click()
    assert said(mail_page) == (
        '<p>x</p><table border="0" cellpadding="0" cellspacing="0" class="lines"><thead><tr>'
        "<th>title</th><th>quantity</th><th>price for one</th></tr></thead><tbody>"
        "{% for item in cart.items %}<tr><td>{{ item.title }}</td><td>{{ item.quantity }}</td>"
        "<td>{{ item.price }}</td></tr>{% endfor %}</tbody></table>"
    )


@pytest.mark.parametrize("button", ["Insert as a table", "Insert as a list"])
def test_writing_goes_on_behind_what_was_inserted(mail_page: Page, button: str) -> None:
    write(mail_page, "<p>Hi</p>")
    panel(mail_page).get_by_role("button", name=button).click()
    before = said(mail_page)
    assert before.endswith(("</table>", "</ul>"))
    mail_page.keyboard.type("See you")
    mail_page.keyboard.press("Enter")
    mail_page.keyboard.type("Ann")
    assert said(mail_page) == f"{before}<p>See you</p><p>Ann</p>"


def test_in_a_table_a_list_becomes_rows_and_in_a_list_items(mail_page: Page) -> None:
    write(mail_page, '<table><tbody><tr><td>A</td><td class="number">B</td></tr></tbody></table>')
    content(mail_page).locator("td").first.click()
    panel(mail_page).get_by_role("button", name="Insert as a table").click()
    assert said(mail_page) == (
        '<table><tbody><tr><td>A</td><td class="number">B</td></tr>{% for item in cart.items %}'
        '<tr><td>{{ item.title }}</td><td class="number">{{ item.quantity }}</td></tr>'
        "{% endfor %}</tbody></table>"
    )
    mail_page.keyboard.press("Control+z")
    assert "{% for" not in said(mail_page)
    write(mail_page, "<ul><li>A</li></ul>")
    panel(mail_page).get_by_role("button", name="Insert as a list").click()
    assert said(mail_page).startswith("<ul><li>A</li>{% for item in cart.items %}<li>{{ item")


def test_the_list_can_be_searched(mail_page: Page) -> None:
    search = panel(mail_page).get_by_role("searchbox", name="Search the values")
    search.fill("first")
    expect(panel(mail_page).locator("li:visible")).to_have_count(1)
    search.fill("zzz")
    expect(panel(mail_page)).to_contain_text("Nothing here has such a name.")
    search.fill("customer first")
    write(mail_page, "<p>x</p>")
    search.press("Enter")
    assert said(mail_page) == "<p>x{{ cart.customer.first_name }}</p>"


def test_the_list_follows_the_events_that_are_chosen(mail_page: Page) -> None:
    shop.generator(
        ("country", "field.one_of", "CH"), source="demo.customer", group_template="customer_new"
    )
    mail_page.locator("#id_group").fill("customer_new")
    mail_page.locator("#id_group").press("Tab")
    expect(panel(mail_page)).to_contain_text("{{ customer.first_name }}")
    expect(panel(mail_page)).not_to_contain_text("{{ cart.total }}")
    mail_page.locator("#id_group").fill("nobody")
    mail_page.locator("#id_group").press("Tab")
    expect(panel(mail_page)).to_contain_text("No generator makes events of the group “nobody”")


def test_without_the_rich_editor_values_are_written_into_the_plain_field(
    own_context: BrowserContext, mail_page: Page
) -> None:
    page = own_context.new_page()
    page.route("**/ckeditor.js", lambda route: route.abort())
    page.goto("/admin/mails/mail/add/?group=cart_left")
    body = page.locator("#id_body")
    body.fill("<p>ab</p>")
    body.evaluate("field => field.setSelectionRange(4, 4)")
    panel(page).get_by_role("button", name="{{ cart.total }}").click()
    expect(body).to_have_value("<p>a{{ cart.total }}b</p>")


def test_each_language_has_an_editor_of_its_own(mail_page: Page) -> None:
    write(mail_page, "<p>one</p>")
    mail_page.get_by_text("Add another Further language").click()
    second = "id_variants-0-body"
    ready(mail_page, second)
    write(mail_page, "<p>two</p>", second)
    panel(mail_page).get_by_role("button", name="{{ cart.total }}").click()
    assert said(mail_page, second) == "<p>two{{ cart.total }}</p>"
    assert said(mail_page) == "<p>one</p>"
    mail_page.locator("#id_variants-0-subject").focus()
    panel(mail_page).get_by_role("button", name="{{ cart.id }}").click()
    expect(mail_page.locator("#id_variants-0-subject")).to_have_value("{{ cart.id }}")


# Links ------------------------------------------------------------------------------------------


def test_a_link_may_lead_to_a_value_and_look_like_a_button(mail_page: Page) -> None:
    write(mail_page, "<p>Go</p>")
    mail_page.keyboard.press("Shift+Home")
    mail_page.locator(".cke_button__link").first.click()
    dialog = mail_page.get_by_role("dialog", name="Link")
    dialog.get_by_label("Address", exact=True).fill("not an address")
    dialog.get_by_role("button", name="Apply").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Write where the link leads")
    dialog.get_by_label("Address", exact=True).fill("https://example.com/?a=1&b=")
    dialog.get_by_label("Insert a value into the address").select_option("id")
    dialog.get_by_label("Looks like a button").check()
    dialog.get_by_role("button", name="Apply").click()
    assert said(mail_page) == (
        '<p><a class="button" href="https://example.com/?a=1&amp;b={{ cart.id }}">Go</a></p>'
    )


def test_a_link_is_changed_and_removed(mail_page: Page) -> None:
    write(mail_page, '<p><a href="{{ cart.url }}?a=1&b={{ cart.id }}">Go {{ cart.id }}</a></p>')
    link = content(mail_page).locator("a")
    link.dblclick(position={"x": 5, "y": 5})
    dialog = mail_page.get_by_role("dialog", name="Link")
    address = dialog.get_by_label("Address", exact=True)
    expect(address).to_have_value("{{ cart.url }}?a=1&b={{ cart.id }}")
    address.fill("hello@example.com")
    dialog.get_by_role("button", name="Apply").click()
    assert said(mail_page) == '<p><a href="mailto:hello@example.com">Go {{ cart.id }}</a></p>'
    link.dblclick(position={"x": 5, "y": 5})
    dialog.get_by_role("button", name="Remove the link").click()
    assert said(mail_page) == "<p>Go {{ cart.id }}</p>"


# Pictures -----------------------------------------------------------------------------------------


def test_a_picture_by_its_address_needs_words_for_what_it_shows(mail_page: Page) -> None:
    write(mail_page, "<p>x</p>")
    mail_page.locator(".cke_button__image").first.click()
    dialog = mail_page.get_by_role("dialog", name="Picture")
    dialog.get_by_role("tab", name="By address").click()
    dialog.get_by_label("Address", exact=True).fill("{{ cart.image }}")
    dialog.get_by_role("button", name="Insert").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Say what the picture shows")
    dialog.get_by_label("What it shows").fill('A "lamp" & more')
    dialog.get_by_label("Width in pixels").fill("300")
    dialog.get_by_role("button", name="Insert").click()
    assert said(mail_page) == (
        '<p>x<img alt="A &quot;lamp&quot; &amp; more" src="{{ cart.image }}" width="300" /></p>'
    )
    content(mail_page).locator("img").last.dblclick()
    expect(dialog.get_by_label("Address", exact=True)).to_have_value("{{ cart.image }}")
    dialog.get_by_label("What it shows").fill("Lamp")
    dialog.get_by_role("button", name="Insert").click()
    assert said(mail_page) == '<p>x<img alt="Lamp" src="{{ cart.image }}" width="300" /></p>'


@pytest.fixture
def lamp(tmp_path: Any, settings: Any) -> Any:
    """A small picture as a file; what is uploaded is kept apart."""
    settings.MEDIA_ROOT = tmp_path / "media"
    path = tmp_path / "lamp.png"
    Image.new("RGB", (40, 30), "red").save(path)
    return path


def test_a_picture_is_uploaded_and_chosen_again(mail_page: Page, lamp: Any) -> None:
    write(mail_page, "<p>x</p>")
    mail_page.locator(".cke_button__image").first.click()
    dialog = mail_page.get_by_role("dialog", name="Picture")
    dialog.get_by_label("Choose a picture, or drop it here").set_input_files(lamp)
    expect(dialog.get_by_role("status")).to_contain_text("lamp, 40 × 30")
    dialog.get_by_label("What it shows").fill("A lamp")
    dialog.get_by_role("button", name="Insert").click()
    url = reverse("admin:mails_image_file", args=[Picture.objects.get().file_name])
    image = f'<img alt="A lamp" src="{url}" width="40" />'
    assert said(mail_page) == f"<p>x{image}</p>"

    mail_page.keyboard.press("End")
    mail_page.locator(".cke_button__image").first.click()
    dialog.get_by_role("tab", name="Uploaded").click()
    dialog.get_by_role("searchbox").fill("lam")
    dialog.get_by_label("lamp").check()
    dialog.get_by_label("Only decoration, it says nothing").check()
    dialog.get_by_role("button", name="Insert").click()
    assert said(mail_page) == f"<p>x{image}{image.replace('A lamp', '')}</p>"


def test_what_is_no_picture_is_refused_with_the_reason(
    own_context: BrowserContext, mail_page: Page, tmp_path: Any
) -> None:
    (tmp_path / "lamp.png").write_text("no picture")
    page = own_context.new_page()
    page.goto("/admin/mails/mail/add/")
    ready(page)
    page.locator(".cke_button__image").first.click()
    dialog = page.get_by_role("dialog", name="Picture")
    dialog.get_by_label("Choose a picture, or drop it here").set_input_files(tmp_path / "lamp.png")
    expect(dialog.get_by_role("alert")).to_contain_text("This is no picture.")
    assert Picture.objects.count() == 0


def test_a_picture_that_is_pasted_is_uploaded(mail_page: Page, lamp: Any) -> None:
    write(mail_page, "<p>x</p>")
    mail_page.evaluate(
        """([bytes]) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "lamp.png", {type: "image/png"}));
          const editor = CKEDITOR.instances.id_body;
          editor.editable().$.dispatchEvent(new ClipboardEvent(
            "paste", {clipboardData: data, bubbles: true, cancelable: true}));
        }""",
        [list(lamp.read_bytes())],
    )
    expect(content(mail_page).locator("img[src*='/file/']")).to_have_count(1)
    url = reverse("admin:mails_image_file", args=[Picture.objects.get().file_name])
    assert said(mail_page) == f'<p>x<img alt="" src="{url}" width="40" /></p>'


# Looks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_editor_follows_the_colours_of_the_admin(mail_page: Page, theme: str) -> None:
    mail_page.emulate_media(color_scheme="light" if theme == "dark" else "dark")
    mail_page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    colours = mail_page.evaluate(
        """[".cke_top", ".mail-variables"].map(name => {
          const style = getComputedStyle(document.querySelector(name));
          const parts = style.backgroundColor.match(/\\d+/g);
          return Math.max(...parts.slice(0, 3).map(Number));
        })"""
    )
    assert all(colour > 200 if theme == "light" else colour < 60 for colour in colours), colours


@pytest.mark.parametrize("width", [390, 1280])
def test_the_dialogs_are_no_wider_than_the_screen(mail_page: Page, width: int) -> None:
    mail_page.set_viewport_size({"width": width, "height": 800})
    for button, name in (("link", "Link"), ("image", "Picture")):
        mail_page.locator(f".cke_button__{button}").first.click()
        box = mail_page.get_by_role("dialog", name=name).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        mail_page.keyboard.press("Escape")
    assert mail_page.evaluate("document.documentElement.scrollWidth") == width


def test_a_mail_is_written_and_saved(mail_page: Page) -> None:
    mail_page.get_by_label("Name:", exact=True).fill("Your cart")
    mail_page.locator("#id_subject").fill("Your cart")
    write(mail_page, "<p>Dear</p>")
    mail_page.keyboard.type(" {{ cart.customer.first_name }}")
    panel(mail_page).get_by_role("button", name="Insert as a table").click()
    mail_page.get_by_role("button", name="Save", exact=True).click()
    expect(mail_page.locator(".success")).to_contain_text("was added successfully")
    body = Mail.objects.get().body
    assert "<p>Dear {{ cart.customer.first_name }}</p>" in body
    assert "{% for item in cart.items %}" in body
