"""Bodies of the kind that mails have, opened and saved in the rich editor again and again.

What must hold for each of ``corpus/*.html``: every tag of Liquid comes out letter by letter and
in its order, the HTML around it settles at once, and the mail that is made of it is the same.
"""

import datetime
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import lxml.html
import pytest
from playwright.sync_api import Page, expect

from mails.content import Wording
from mails.rendering import compile_mail

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
]

CORPUS = {path.stem: path.read_text() for path in sorted(Path(__file__).parent.glob("corpus/*"))}

#: Conditions that open an element without closing it are no tree. The editor shows the source.
ONLY_AS_SOURCE = {
    "closes_an_element_in_a_branch",
    "cut_through_html",
    "open_element_in_a_branch",
    "unclosed_formatting_in_a_branch",
}

TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)

#: What the editor notes for itself has no place in a mail.
OF_THE_EDITOR = re.compile(r"data-liquid|cke_|data-cke|data-widget|\u200b|liquid-(?:tag|line)")

# Driving the editor -----------------------------------------------------------------------------

#: Opens the page's editor with a text, waits until it is shown, and asks for what is there.
DRIVER = """
  const editor = CKEDITOR.instances.id_body;
  const pause = () => new Promise((done) => setTimeout(done));
  const mode = (name) => new Promise((done) => editor.setMode(name, done));
  window.driver = {
    async open(html) {
      if (editor.mode === "source") {
        editor.setData("");
        await mode("wysiwyg");
      }
      await new Promise((done) => editor.setData(html, done));
      for (let turn = 0; turn < 3; turn++) await pause();
      while (!editor.editable()) await pause();
      return editor.getData();
    },
    async rounds(html, count) {
      const found = [];
      for (let turn = 0; turn < count; turn++) {
        html = await this.open(html);
        found.push(html);
      }
      return { found, mode: editor.mode };
    },
    async throughSource(html) {
      await this.open(html);
      for (let turn = 0; turn < 2; turn++) {
        await mode("source");
        await mode("wysiwyg");
        for (let turn = 0; turn < 3; turn++) await pause();
      }
      return editor.getData();
    },
    async afterAWord(html) {
      const before = await this.open(html);
      const body = editor.editable().$;
      const texts = body.ownerDocument.createTreeWalker(body, NodeFilter.SHOW_TEXT);
      let place = null;
      while (texts.nextNode()) {
        const text = texts.currentNode;
        const isChip = text.parentElement.closest("[data-liquid], [data-cke-widget-wrapper]");
        if (!isChip && /\\w/.test(text.data)) place = text;
      }
      if (!place) return null;
      editor.focus();
      const range = editor.createRange();
      range.setStart(new CKEDITOR.dom.text(place), place.data.search(/\\w/) + 1);
      range.collapse(true);
      range.select();
      editor.fire("saveSnapshot");
      editor.insertText("WORD");
      editor.fire("saveSnapshot");
      const after = editor.getData();
      editor.execCommand("undo");
      const undone = editor.getData();
      editor.execCommand("redo");
      return { before, after, undone, redone: editor.getData() };
    },
  };
"""


@pytest.fixture
def editor(superuser_page: Page) -> Page:
    """The form of a mail with its editor ready, and ``driver`` in it."""
    superuser_page.goto("/admin/mails/mail/add/")
    superuser_page.wait_for_function("window.CKEDITOR?.instances.id_body?.status === 'ready'")
    superuser_page.evaluate(f"() => {{ {DRIVER} }}")
    return superuser_page


# What a mail made of a body is ------------------------------------------------------------------

ITEMS = [
    {
        "title": "Lamp & <shade>", "quantity": 2, "price": Decimal("99.90"), "before": "109.90",
        "image": "https://example.com/lamp.png", "notes": ["fragile", "blue > green"],
    },
    {
        "title": "Bulb", "quantity": 1, "price": Decimal("30.00"), "before": "",
        "image": "", "notes": [],
    },
]  # fmt: skip

#: Two sets of data, so that each condition is seen both ways.
FULL: dict[str, Any] = {
    "order": {
        "number": "A-1 & 2", "status": "shipped", "paid": True, "total": Decimal("129.90"),
        "currency": "CHF", "discount": Decimal("5.00"), "note": 'said "yes"', "secret": "s",
        "created_at": datetime.datetime(2026, 3, 10, 12, tzinfo=datetime.UTC),
        "url": "https://shop.example.com/o/1?a=1&b=2", "payment": "card", "street": "Weg 1",
        "zip": "8000", "city": "Zürich", "newsletter": False, "items": ITEMS,
        "parcels": [{"number": 1, "items": ITEMS}, {"number": 2, "items": []}],
        "customer": {
            "first_name": "Ann", "last_name": "O'Brien", "language": "de", "paid_orders": 3,
        },
    },
    "codes": ["X1", "X2"], "width": 320, "count": 2, "color": "red", "campaign": "a b",
    "signature": "Your shop", "side": "right", "forloop": {},
}  # fmt: skip
BARE: dict[str, Any] = {
    **FULL,
    "order": {
        **FULL["order"], "status": "open", "paid": False, "total": Decimal("4.00"), "discount": 0,
        "note": "", "newsletter": True, "items": ITEMS[1:], "parcels": [],
        "customer": {**FULL["order"]["customer"], "first_name": "", "language": "en",
                     "paid_orders": 0},
    },
    "codes": [], "count": 1, "side": "left",
}  # fmt: skip

INLINE = re.compile(
    "a|abbr|b|big|code|del|em|font|i|img|ins|kbd|mark|q|s|small|span|strike|strong|sub|sup|tt|u"
)


def mails_of(body: str) -> list[tuple[str, str]]:
    """What recipients get of ``body``: HTML and text, without what means nothing in either."""
    compiled = compile_mail(Wording("en", "Subject", body))
    found = []
    for data in (FULL, BARE):
        rendered = compiled.render(data)
        found.append((as_seen(rendered.html), " ".join(rendered.text.split(" "))))
    return [(html, re.sub(r"\s+", " ", text).strip()) for html, text in found]


def as_seen(html: str) -> str:
    """HTML without white space that no reader sees: between blocks, and runs of it in text.
    Attributes stand in one order."""
    parts: list[str] = []

    def walk(element: Any, in_pre: bool) -> None:
        if not isinstance(element.tag, str):
            parts.append(folded(element.tail, in_pre))
            return
        attributes = "".join(
            f' {name}="{"" if value == name else folded(value, False).strip()}"'
            for name, value in sorted(element.items())
        )
        fence = "" if INLINE.fullmatch(element.tag) else "\0"
        parts.append(f"{fence}<{element.tag}{attributes}>{fence}")
        parts.append(folded(element.text, in_pre or element.tag == "pre"))
        for child in element:
            walk(child, in_pre or element.tag == "pre")
        parts.append(f"{fence}</{element.tag}>{fence}{folded(element.tail, in_pre)}")

    walk(lxml.html.document_fromstring(html), False)
    return re.sub(r" *\0 *", "", re.sub(" +", " ", "".join(parts)))


def folded(text: str | None, in_pre: bool) -> str:
    return (text or "").replace(" ", "\1") if in_pre else re.sub(r"[ \t\r\n\f]+", " ", text or "")


# Tests ------------------------------------------------------------------------------------------


def test_five_rounds_change_neither_a_tag_nor_the_mail(editor: Page) -> None:
    wrong = {}
    for name, body in CORPUS.items():
        answer = editor.evaluate("([html, count]) => driver.rounds(html, count)", [body, 5])
        rounds = answer["found"]
        shown_as = "source" if name in ONLY_AS_SOURCE else "wysiwyg"
        meant = mails_of(body)
        found = {
            "shown": answer["mode"] == shown_as,
            "tags": all(TAG.findall(each) == TAG.findall(body) for each in rounds),
            "settled": all(each == rounds[0] for each in rounds),
            "clean": not any(OF_THE_EDITOR.search(each) for each in rounds),
            "mail": all(mails_of(each) == meant for each in dict.fromkeys(rounds)),
        }
        if failed := [what for what, holds in found.items() if not holds]:
            wrong[name] = failed
    assert len(CORPUS) >= 30
    assert wrong == {}


def test_source_and_back_changes_nothing(editor: Page) -> None:
    wrong = []
    for name, body in CORPUS.items():
        if name in ONLY_AS_SOURCE:
            continue
        once = editor.evaluate("html => driver.open(html)", body)
        if editor.evaluate("html => driver.throughSource(html)", body) != once:
            wrong.append(name)
    assert wrong == []


def test_a_word_is_added_taken_back_and_added_again_and_nothing_else(editor: Page) -> None:
    wrong = {}
    tried = 0
    for name, body in CORPUS.items():
        if name in ONLY_AS_SOURCE:
            continue
        found = editor.evaluate("html => driver.afterAWord(html)", body)
        if found is None:
            continue  # nothing but tags
        tried += 1
        if "WORD" not in found["after"] or found["after"].replace("WORD", "") != found["before"]:
            wrong[name] = "more than the word"
        elif (found["undone"], found["redone"]) != (found["before"], found["after"]):
            wrong[name] = "undo"
    assert tried >= 25
    assert wrong == {}


def test_a_body_that_is_only_opened_is_saved_letter_by_letter(editor: Page) -> None:
    from mails.models import Mail

    page = editor
    mail = Mail.objects.create(name="A", slug="a", group="nobody", subject="S", body="")
    for name in ("order_confirmation", "cut_through_html", "from_word"):
        # As a browser sends it.
        body = CORPUS[name].replace("\n", "\r\n")
        Mail.objects.update(body=body)
        page.goto(f"/admin/mails/mail/{mail.pk}/change/")
        page.wait_for_function("window.CKEDITOR?.instances.id_body?.status === 'ready'")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.locator(".success")).to_contain_text("was changed successfully")
        mail.refresh_from_db()
        assert mail.body.strip() == body.strip(), name
