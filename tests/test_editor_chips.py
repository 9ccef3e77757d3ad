"""Tags of Liquid in the rich editor, with mouse and keyboard.

None of this needs the server once the page is there, so all of it happens on one.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from playwright.sync_api import Browser, Page, expect

from tests.editor import TABLE, between, chip, content, put_cursor, ready, said, write

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def page(
    chromium: Browser, live_server: Any, django_db_setup: None, django_db_blocker: Any
) -> Iterator[Page]:
    """The form of a new mail, loaded once. The tests fail at the end if it reports an error."""
    context = chromium.new_context(base_url=live_server.url, locale="en-GB")
    found = context.new_page()
    found.set_default_timeout(15_000)
    problems: list[str] = []
    context.on("weberror", lambda error: problems.append(str(error.error)))
    context.on("console", lambda line: problems.append(line.text) if line.type == "error" else 0)
    with django_db_blocker.unblock():
        client, users = Client(), get_user_model().objects
        client.force_login(users.create_superuser("somebody", "somebody@example.com", "secret"))
        session = client.cookies["sessionid"].value
        context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
        # The advice is asked for a while after a change, when there may be no database here.
        found.route("**/advice/**", lambda route: route.fulfill(body=""))
        found.goto("/admin/mails/mail/add/")
        ready(found)
        found.wait_for_load_state("networkidle")
        users.filter(username="somebody").delete()
    yield found
    context.close()
    assert problems == []


# Chips ------------------------------------------------------------------------------------------


def test_a_value_that_is_typed_becomes_a_chip_at_once(page: Page) -> None:
    write(page, "<p>Dear</p>")
    page.keyboard.type(" {{ cart.customer.first_name }}, hello")
    expect(chip(page, "cart.customer.first_name")).to_have_count(1)
    assert said(page) == "<p>Dear {{ cart.customer.first_name }}, hello</p>"


def test_logic_that_is_typed_is_kept_letter_by_letter(page: Page) -> None:
    text = '{% if cart.total > 5 %}A & B {{ cart.status | default: "<none>" }}{% endif %}'
    write(page, "<p></p>")
    page.keyboard.type(text)
    expect(content(page).locator(".cke_liquid")).to_have_count(3)
    assert said(page) == f"<p>{text.replace('A & B', 'A &amp; B')}</p>"


def test_what_is_put_between_braces_later_becomes_a_chip_when_the_editor_is_left(
    page: Page,
) -> None:
    write(page, "<p></p>")
    page.keyboard.type("Hi {{}}!")
    for _time in range(3):
        page.keyboard.press("ArrowLeft")
    page.keyboard.type(" cart.total ")
    assert said(page) == "<p>Hi {{ cart.total }}!</p>"
    page.locator("#id_subject").focus()
    expect(chip(page, "cart.total")).to_have_count(1)
    assert said(page) == "<p>Hi {{ cart.total }}!</p>"


def test_logic_on_a_line_of_its_own_leaves_no_empty_paragraph(page: Page) -> None:
    write(page, "<p></p>")
    for line in ("{% if cart.total > 5 %}", "Much", "{% endif %}", "End"):
        page.keyboard.type(line)
        if line != "End":
            page.keyboard.press("Enter")
    assert said(page) == "{% if cart.total > 5 %}<p>Much</p>{% endif %}<p>End</p>"


def test_the_cursor_can_stand_before_the_first_chip_and_behind_the_last(page: Page) -> None:
    write(page, "<p>{{ cart.id }}{{ cart.total }}</p>")
    page.keyboard.press("End")
    page.keyboard.type(" now!")
    page.keyboard.press("Home")
    page.keyboard.type("No. ")
    assert said(page) == "<p>No. {{ cart.id }}{{ cart.total }} now!</p>"


def test_one_key_deletes_a_chip_whole(page: Page) -> None:
    write(page, "<p>A {{ cart.id }} B {{ cart.total }}</p>")
    page.keyboard.press("Backspace")  # selects it, and shows what would go
    page.keyboard.press("Backspace")
    assert said(page) == "<p>A {{ cart.id }} B</p>"
    page.keyboard.press("Control+z")
    assert said(page) == "<p>A {{ cart.id }} B {{ cart.total }}</p>"


def test_a_chip_is_selected_by_a_click_and_deleted(page: Page) -> None:
    write(page, "<p>A {{ cart.id }} B</p>{% if cart.total %}<p>C</p>{% endif %}")
    chip(page, "cart.id").click()
    page.keyboard.press("Delete")
    chip(page, "endif").click()
    page.keyboard.press("Delete")
    assert said(page) == "<p>A B</p>{% if cart.total %}<p>C</p>"


def test_a_chip_between_rows_is_selected_by_a_click_and_deleted(page: Page) -> None:
    write(page, TABLE)
    between(page, "for item in cart.items").click()
    expect(between(page, "for item in cart.items")).to_have_attribute(
        "data-cke-liquid-selected", "1"
    )
    page.keyboard.press("Delete")
    assert "{% for" not in said(page)
    page.keyboard.press("Control+z")
    assert said(page) == TABLE


def test_a_chip_between_cells_is_deleted_too(page: Page) -> None:
    row = "<td>1</td>{% if cart.total %}<td>22</td>{% endif %}"
    write(page, f"<table><tbody><tr>{row}</tr></tbody></table>")
    cell = content(page).locator("td[data-cke-liquid-before]")
    expect(cell).to_have_attribute("data-cke-liquid-before", "if cart.total")
    cell.click(position={"x": 20, "y": 10})
    page.keyboard.press("Delete")
    assert said(page) == ("<table><tbody><tr><td>1</td><td>22</td>{% endif %}</tr></tbody></table>")


def test_a_chip_is_dragged_elsewhere(page: Page) -> None:
    write(page, "<p>A {{ cart.id }} B</p><p>last</p>")
    page.mouse.move(0, 0)
    chip(page, "cart.id").hover()
    handle = content(page).locator(".cke_widget_drag_handler").first
    handle.drag_to(content(page).locator("p", has_text="last"))
    expect(content(page).locator("p", has_text="last").locator(".cke_liquid")).to_have_count(1)
    assert said(page) == "<p>A B</p><p>last{{ cart.id }}</p>"


def test_a_chip_between_rows_moves_by_keyboard(page: Page) -> None:
    body = TABLE.replace("</tbody>", "<tr><td>Total</td></tr></tbody>")
    write(page, body)
    between(page, "endfor").click()
    page.keyboard.press("Alt+ArrowDown")
    assert said(page).endswith("<tr><td>Total</td></tr>{% endfor %}</tbody></table>")
    page.keyboard.press("Alt+ArrowUp")
    assert said(page) == body


def test_a_double_click_changes_a_tag(page: Page) -> None:
    write(page, f"<p>{{{{ cart.total }}}}</p>{TABLE}")
    chip(page, "cart.total").dblclick()
    dialog = page.get_by_role("dialog", name="Change this tag")
    field = dialog.get_by_label("Tag")
    expect(field).to_have_value("{{ cart.total }}")
    field.fill("cart.id")
    dialog.get_by_role("button", name="Apply").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Write one tag")
    field.fill('{{ cart.total | default: "<0>" }}')
    dialog.get_by_role("button", name="Apply").click()
    expect(dialog).to_be_hidden()
    between(page, "for item in cart.items").dblclick()
    field.fill("{% for item in cart.items limit: 2 %}")
    dialog.get_by_role("button", name="Apply").click()
    assert said(page) == '<p>{{ cart.total | default: "<0>" }}</p>' + TABLE.replace(
        "items %}", "items limit: 2 %}"
    )


def test_enter_changes_a_selected_tag_and_escape_leaves_it(page: Page) -> None:
    write(page, "<p>{{ cart.total }}</p>")
    chip(page, "cart.total").click()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Change this tag")
    dialog.get_by_label("Tag").fill("{{ cart.id }}")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert said(page) == "<p>{{ cart.total }}</p>"
    page.wait_for_function("CKEDITOR.instances.id_body.widgets.focused")
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Remove it from the text").click()
    assert said(page) == ""


def test_a_chip_says_what_it_is(page: Page) -> None:
    write(page, "<p>{{ cart.total }}{% if cart.id %}{% endif %}</p>")
    expect(content(page).get_by_role("region", name="Value: cart.total")).to_have_count(1)
    expect(content(page).get_by_role("region", name="Logic: if cart.id")).to_have_count(1)


@pytest.mark.parametrize("key", ["c", "x"])
def test_a_chip_is_copied_and_cut(page: Page, key: str) -> None:
    tag = '{{ cart.total | default: "a < b" }}'
    write(page, f"<p>A {tag} B</p>")
    chip(page, "cart.total").click()
    page.keyboard.press(f"Control+{key}")
    page.wait_for_timeout(200)  # the editor copies in its own time
    page.keyboard.press("End")
    page.keyboard.press("Control+v")
    page.wait_for_timeout(100)
    kept = f"A {tag} B" if key == "c" else "A B"
    assert said(page) == f"<p>{kept}{tag}</p>"


def test_text_with_chips_is_copied(page: Page) -> None:
    body = "<p>A {{ cart.id }} and {% if a < b %}<b>b</b>{% endif %}</p>"
    write(page, body + TABLE)
    page.keyboard.press("Control+a")
    page.keyboard.press("Control+c")
    page.wait_for_timeout(200)
    page.keyboard.press("Control+v")
    # Around what it pastes the editor may leave a line to go on in.
    assert said(page).replace("<p>&nbsp;</p>", "") == body + TABLE


def test_tags_in_pasted_text_become_chips(page: Page) -> None:
    write(page, "<p>x</p>")
    page.evaluate(
        "html => CKEDITOR.instances.id_body.execCommand('paste', {dataValue: html})",
        "<p>{{ cart.total | plus: 1 }} &amp; {% if a &lt; b %}c{% endif %}</p>",
    )
    expect(content(page).locator(".cke_liquid")).to_have_count(3)
    assert "{{ cart.total | plus: 1 }} &amp; {% if a < b %}c{% endif %}" in said(page)


def test_what_the_editor_cannot_show_is_shown_as_source(page: Page) -> None:
    body = "{% if cart.total %}<div>{% endif %}<p>A</p>{% if cart.total %}</div>{% endif %}"
    write_source = page.locator("textarea.cke_source")
    page.evaluate("html => CKEDITOR.instances.id_body.setData(html)", body)
    expect(write_source).to_have_value(body)
    expect(page.locator(".mail-editor-note").first).to_be_visible()
    write_source.fill("<p>{{ cart.total }}</p>")
    page.get_by_role("button", name="Source").first.click()
    expect(chip(page, "cart.total")).to_have_count(1)
    expect(page.locator(".mail-editor-note").first).to_be_hidden()


# Lists and tables -----------------------------------------------------------------------------


LIST = (
    "<ul>{% for item in cart.items %}<li>each {{ item.title }}</li>{% endfor %}<li>last</li></ul>"
)


@pytest.mark.parametrize(
    ("command", "at", "becomes"),
    [
        (
            "bulletedlist",
            "each",
            "{% for item in cart.items %}<p>each {{ item.title }}</p>{% endfor %}"
            "<ul><li>last</li></ul>",
        ),
        (
            "numberedlist",
            "each",
            "<ol>{% for item in cart.items %}<li>each {{ item.title }}</li>{% endfor %}</ol>"
            "<ul><li>last</li></ul>",
        ),
        (
            "outdent",
            "last",
            "<ul>{% for item in cart.items %}<li>each {{ item.title }}</li>{% endfor %}</ul>"
            "<p>last</p>",
        ),
    ],
)
def test_a_loop_in_a_list_outlives_the_lists_commands(
    page: Page, command: str, at: str, becomes: str
) -> None:
    write(page, LIST)
    put_cursor(page, at)
    page.evaluate("name => CKEDITOR.instances.id_body.execCommand(name)", command)
    assert said(page) == becomes
    page.keyboard.press("Control+z")
    assert said(page) == LIST


@pytest.mark.parametrize(
    ("command", "becomes"),
    [
        ("rowInsertAfter", TABLE.replace("</tr>{%", "</tr><tr><td>&nbsp;</td></tr>{%")),
        ("columnInsertAfter", TABLE.replace("</td>", "</td><td>&nbsp;</td>")),
        ("rowDelete", TABLE.replace("<tr><td>{{ item.title }}</td></tr>", "")),
    ],
)
def test_a_loop_in_a_table_outlives_the_tables_commands(
    page: Page, command: str, becomes: str
) -> None:
    last = "<tr><td>last</td></tr></tbody>"
    write(page, TABLE.replace("<td>", "<td>cell ").replace("</tbody>", last))
    put_cursor(page, "cell")
    page.evaluate("name => CKEDITOR.instances.id_body.execCommand(name)", command)
    changed = said(page).replace("cell ", "")
    assert re.sub("<tr><td>last</td>(<td>&nbsp;</td>)?</tr>", "", changed) == becomes


# Everything selected ----------------------------------------------------------------------------

TAG = "{{ cart.id }}"
TOTAL = "{{ cart.total }}"

#: Bodies that begin and end with what the browser cannot put a cursor into.
BODIES = {
    "ends with a chip": f"<p>Dear {TAG}</p>",
    "begins with a chip": f"<p>{TAG} is it</p>",
    "only a chip": f"<p>{TAG}</p>",
    "several paragraphs": f"<p>{TAG}</p><p>Hello</p><p>Dear {TAG}</p>",
    "a heading": f"<h1>Dear {TAG}</h1><p>{TAG}</p>",
    "ends with a table": f"<p>{TAG}</p>{TABLE}",
    "only a table": TABLE,
    "a list": f"<ul><li>{TAG}</li><li>B {TAG}</li></ul>",
    "only words": "<p>Dear</p><p>Ann</p>",
}


@pytest.mark.parametrize("keys", ["", "Backspace", "Delete"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_what_is_typed_over_everything_takes_its_place(page: Page, body: str, keys: str) -> None:
    write(page, body)
    page.keyboard.press("Control+a")
    if keys:
        page.keyboard.press(keys)
        assert said(page) == ""
    page.keyboard.type(f"Dear {TOTAL}, hello")
    assert said(page) == f"<p>Dear {TOTAL}, hello</p>"


def test_what_was_deleted_with_everything_comes_back(page: Page) -> None:
    write(page, f"<p>Dear {TAG}</p>")
    page.keyboard.press("Control+a")
    page.keyboard.press("Backspace")
    page.keyboard.press("Control+z")
    assert said(page) == f"<p>Dear {TAG}</p>"
