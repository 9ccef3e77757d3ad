"""The demo's mails: complete for every row, readable in light and dark, on a phone and a desk."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.db import transaction
from django.urls import reverse
from playwright.sync_api import Browser, Page

from automation.demo.definitions import FILE
from automation.demo.shop import load_shop
from automation.events.groups import producers
from automation.rules import definitions
from mails import styles
from mails.content import Wording
from mails.models import Layout, Mail
from mails.rendering import RenderedMail, compile_mail
from tests.test_demo_shop import NOW

# Only ``mails`` asks the database, before all tests; but without a test that does there is none.
pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

#: A wording with everything that the built-in layout gives a look.
BUILT_IN = compile_mail(
    Wording(
        "en", "Hello",
        '<h1>A</h1><h2>B</h2><h3>C</h3><p class="lead">d <a href="https://x.example">e</a></p>'
        '<p class="muted small">f</p><p class="box">g <span class="muted">h</span></p>'
        '<p><a class="button" href="https://x.example">i</a></p><blockquote>j</blockquote>'
        '<table class="lines"><tr><th>k</th><th class="number">l</th></tr>'
        '<tr><td>m</td><td class="number">1</td></tr></table>'
        '<table width="100%"><tr><td class="column" width="50%">n</td>'
        '<td class="column" width="50%">o</td></tr></table>',
    )
).render({})  # fmt: skip


class Made(NamedTuple):
    slug: str
    mail: RenderedMail


@pytest.fixture(scope="module")
def mails(django_db_setup: None, django_db_blocker: Any) -> list[Made]:
    """Every mail of the demo for every row that matches, in English and in German."""
    made = []
    with django_db_blocker.unblock(), transaction.atomic():
        load_shop(NOW)
        definitions.load(json.loads(FILE.read_text(encoding="utf-8")))
        happened = [
            event
            for producer in producers()
            for chunk in producer.chunks(NOW, size=1_000)
            for event in chunk.events
        ]
        for mail in Mail.objects.order_by("slug"):
            content = mail.content()
            made += [
                Made(mail.slug, mail.render(event, content=content, language=language))
                for event in happened
                if mail.hears(event.group)
                for language in ("en", "de")
            ]
        transaction.set_rollback(True)
    return made


@pytest.fixture(scope="module")
def longest(mails: list[Made]) -> dict[tuple[str, str], RenderedMail]:
    """Of each mail and language the longest one, and one in the built-in layout."""
    found = {("built-in", "en"): BUILT_IN}
    for slug, mail in sorted(mails, key=lambda made: len(made.mail.html)):
        found[slug, mail.language] = mail
    return found


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(offline=True)
    yield context.new_page()
    context.close()


# What they say ----------------------------------------------------------------------------


def test_every_mail_is_for_somebody_and_speaks_english_and_german(mails):
    both = {"cart-reminder", "cart-voucher", "cart-last-reminder", "welcome", "order-shipped",
            "birthday", "win-back", "regulars-first", "review-request"}  # fmt: skip
    assert {(slug, mail.language) for slug, mail in mails} == {
        *((slug, language) for slug in both for language in ("en", "de")),
        ("order-large", "en"),  # to the team, which reads one language
    }


def test_no_row_leaves_a_hole_in_its_mail(mails):
    assert {mail.empty for _slug, mail in mails} == {()}
    said = [f"{mail.subject}\n{mail.preheader}\n{mail.text}" for _slug, mail in mails]
    assert [text for text in said if re.search(r"[{}]|None|(?<! ) ,|, ,|\( *\)", text)] == []


def test_each_has_a_preview_line_that_fits(mails):
    lengths = {len(mail.preheader) for _slug, mail in mails}
    assert min(lengths) > 20
    assert max(lengths) <= 100


def test_amounts_are_written_as_the_reader_does(mails):
    carts = [mail for slug, mail in mails if slug.startswith("cart-")]
    english = " ".join(mail.text for mail in carts if mail.language == "en")
    german = " ".join(mail.text for mail in carts if mail.language == "de")
    assert re.search(r"€\d+\.\d\d", english)
    assert re.search(r"CHF \d+\.\d\d", english)
    assert re.search(r"\d+,\d\d €", german)
    assert not re.search(r"\d\.\d\d (€|£|CHF)", german)


def test_the_lines_of_a_cart_make_up_its_total(mails):
    for mail in [mail for slug, mail in mails if slug.startswith("cart-")]:
        amounts = re.findall(r'class="number(?: total)?"[^>]*>[^\d<]*([\d.,]+)', mail.html)
        *lines, total = [int(re.sub(r"\D", "", amount)) for amount in amounts]
        assert sum(lines) == total


def test_each_layout_can_be_looked_at_before_anybody_gets_a_mail(admin_client):
    definitions.load(json.loads(FILE.read_text(encoding="utf-8")))
    for layout in Layout.objects.all():
        url = reverse("admin:mails_layout_frame", args=[layout.pk])
        assert "A headline" in admin_client.get(url).content.decode(), layout


# How they are made ------------------------------------------------------------------------


def test_each_is_far_smaller_than_what_providers_clip(mails):
    assert max(len(mail.html.encode()) for _slug, mail in mails) < 30_000


def test_tables_for_the_looks_are_none_to_a_screen_reader(mails):
    opened = {tag for _slug, mail in mails for tag in re.findall(r"<table[^>]*>", mail.html)}
    assert {tag for tag in opened if 'role="presentation"' not in tag and "lines" not in tag} == (
        set()
    )


def test_no_picture_has_to_be_fetched(mails):
    assert [slug for slug, mail in mails if "<img" in mail.html or "url(" in mail.html] == []


def test_every_button_is_one_in_outlook(mails):
    """Word, with which Outlook draws, gives a link no padding and its cell does not grow."""
    for _slug, mail in mails:
        assert mail.html.count('class="button"') == mail.html.count('class="button-cell"')


# How they look ----------------------------------------------------------------------------

#: What of a page's text is hard to read: [text, contrast, what WCAG AA asks for].
HARD_TO_READ = """() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b]
    .map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, alpha = 1] = parts(getComputedStyle(at).backgroundColor);
      if (alpha === 1) return [r, g, b];
      if (alpha) throw new Error(`half transparent: ${at.outerHTML}`);
    }
    throw new Error("nothing behind the text has a colour");
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const pair = [light(parts(style.color)), light(ground(element))].sort((a, b) => b - a);
    const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
    const size = parseFloat(style.fontSize);
    const needed = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    if (contrast < needed) found.push([node.data.trim(), contrast.toFixed(2), needed]);
  }
  return found;
}"""


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_the_contrast_that_wcag_asks_for(page, longest, scheme):
    page.emulate_media(color_scheme=scheme)
    found = {}
    for name, mail in longest.items():
        page.set_content(mail.html)
        found[name] = page.evaluate(HARD_TO_READ)
    assert found == {name: [] for name in longest}


@pytest.mark.browser
def test_in_the_dark_no_large_part_stays_light(page, longest):
    page.emulate_media(color_scheme="dark")
    for name, mail in longest.items():
        page.set_content(mail.html)
        for part in ("body", ".page", ".card"):
            colour = page.locator(part).evaluate("part => getComputedStyle(part).backgroundColor")
            assert max(map(int, re.findall(r"\d+", colour)[:3])) < 60, (name, part)


@pytest.mark.browser
@pytest.mark.parametrize("width", [640, 375, 320])
def test_none_is_wider_than_the_window(page, longest, width):
    page.set_viewport_size({"width": width, "height": 600})
    for name, mail in longest.items():
        page.set_content(mail.html)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name


@pytest.mark.browser
def test_columns_stand_below_one_another_on_a_phone(page, longest):
    page.set_content(longest["regulars-first", "en"].html)
    for width, beside in ((640, True), (375, False)):
        page.set_viewport_size({"width": width, "height": 600})
        first, second = (page.locator(".card td.column").nth(index) for index in range(2))
        assert (first.bounding_box()["y"] == second.bounding_box()["y"]) is beside


@pytest.mark.browser
def test_what_drops_all_style_sheets_still_shows_them_well(page, longest):
    page.set_viewport_size({"width": 375, "height": 600})
    for name, mail in longest.items():
        page.set_content(re.sub(r"<style>.*?</style>", "", mail.html, flags=re.DOTALL))
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, name
        assert page.evaluate(HARD_TO_READ) == [], name


def test_the_styles_in_the_documents_are_possible_ones():
    page = Path(__file__).parent.parent / "docs" / "layouts.md"
    blocks = re.findall(r"```css\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert [styles.problems(css) for css in blocks] == [[]]
