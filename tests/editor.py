"""Driving the rich editor of mails in a real browser."""

from typing import Any

from playwright.sync_api import FrameLocator, Page

TABLE = (
    "<table><tbody>{% for item in cart.items %}<tr><td>{{ item.title }}</td></tr>{% endfor %}"
    "</tbody></table>"
)


def ready(page: Page, field: str = "id_body") -> None:
    page.wait_for_function(f"window.CKEDITOR?.instances['{field}']?.status === 'ready'")


def write(page: Page, html: str, field: str = "id_body") -> None:
    """Put ``html`` into the editor; the cursor stands at the end of it."""
    page.evaluate(
        """([field, html]) => new Promise(done => {
          const editor = CKEDITOR.instances[field];
          editor.setData(html, () => {
            editor.focus();
            const range = editor.createRange();
            range.moveToElementEditEnd(editor.editable());
            range.select();
            setTimeout(done, 30);
          });
        })""",
        [field, html],
    )


def said(page: Page, field: str = "id_body") -> str:
    """What the mail would be saved with, without the editor's line breaks."""
    data = page.evaluate(f"CKEDITOR.instances['{field}'].getData()")
    return "".join(line.strip() for line in data.splitlines())


def content(page: Page) -> FrameLocator:
    return page.frame_locator(".field-body .cke_wysiwyg_frame").first


def chip(page: Page, label: str) -> Any:
    return content(page).locator(".cke_liquid", has_text=label)


def between(page: Page, label: str) -> Any:
    """A chip between the rows of a table, or the items of a list."""
    return content(page).locator(f'template[data-label="{label}"]')


def put_cursor(page: Page, text: str) -> None:
    """Before ``text``."""
    page.evaluate(
        """text => {
          const editor = CKEDITOR.instances.id_body;
          const body = editor.editable().$;
          const texts = body.ownerDocument.createTreeWalker(body, NodeFilter.SHOW_TEXT);
          while (texts.nextNode()) if (texts.currentNode.data.includes(text)) break;
          const range = editor.createRange();
          const node = texts.currentNode;
          range.setStart(new CKEDITOR.dom.text(node), node.data.indexOf(text));
          range.collapse(true);
          editor.focus();
          range.select();
        }""",
        text,
    )
