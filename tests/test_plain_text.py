"""The plain text of a mail is as good as if somebody had written it.

``texts/`` has bodies and the texts that they become; each ``.html`` there has its ``.txt``.
"""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mails.html import HtmlError, cleaned
from mails.text import plain_text

pytestmark = pytest.mark.sqlite_only

BODIES = sorted((Path(__file__).parent / "texts").glob("*.html"))


def text_of(body: str) -> str:
    return plain_text(cleaned(body))


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.stem)
def test_a_body_becomes_its_text(body: Path) -> None:
    assert text_of(body.read_text()) == body.with_suffix(".txt").read_text().rstrip("\n")


def test_each_text_has_its_body() -> None:
    texts = {text.stem for text in (Path(__file__).parent / "texts").glob("*.txt")}
    assert texts == {body.stem for body in BODIES}
    assert len(texts) >= 12


@pytest.mark.parametrize("body", ["", "  ", "<p> </p>", "<p>&nbsp;<br></p>", "<ul><li></li></ul>",
    "<table><tr><td></td></tr></table>", "<h1>&shy;</h1>"])  # fmt: skip
def test_nothing_to_say_is_an_empty_text(body: str) -> None:
    assert text_of(body) == ""


def test_a_line_of_prose_is_no_longer_than_78_columns() -> None:
    said = "Ein schöner Satz mit Ümlauten, der weitergeht. " * 9
    lines = text_of(f"<p>{said}</p><ul><li>{said}</li></ul>").split("\n")
    assert max(map(len, lines)) <= 78
    assert min(len(line) for line in lines[:4]) > 60
    assert text_of(f"<p>{'x' * 78} {'y' * 78}</p>") == f"{'x' * 78}\n{'y' * 78}"
    assert text_of(f"<p>{'x' * 200} y</p>") == f"{'x' * 200}\ny"


def test_what_looks_like_a_mark_of_ours_is_not_one() -> None:
    assert text_of("<p>a\x010\x01b\x020\x02c&#1;&#2;</p>") == "a0b0c"


def test_headings_of_a_table_without_values_are_kept() -> None:
    wide = "".join(f"<th colspan='9'>Heading {number}</th>" for number in range(9))
    text = text_of(f"<table><tr>{wide}</tr><tr><td></td></tr></table>")
    assert text.split("\n") == [f"Heading {number}" for number in range(9)]


def test_deep_indents_stay_on_the_page() -> None:
    text = text_of("<blockquote>" * 60 + "<p>deep</p>")
    assert len(text.splitlines()[-1]) <= 40
    assert text.endswith("deep")


@pytest.mark.parametrize(
    "body",
    [
        "<table>" + "<tr><td rowspan=999 colspan=999>x</td><td>y</td></tr>" * 3_000,
        "<table><tr><td>a</td><td>b</td></tr></table>" * 2_000,
        "<p>" + "<a href='https://x.example/'>b</a> " * 9_000,
        "<blockquote>" * 150 + "x<br>" * 15_000,
        "<p style='" + "max-height:0;" * 60_000 + "'>x</p>",
        "<p>" + "日本語" * 200_000,
        "<p>" + "\u200d\u0301" * 300_000,
    ],
)
@pytest.mark.timeout(20)
def test_a_text_is_made_in_time_and_is_no_monster(body: str) -> None:
    assert len(text_of(body)) < 10 * len(body)


_TAGS = st.sampled_from(
    ["p", "div", "h1", "h2", "ul", "ol", "li", "dl", "dt", "dd", "table", "caption", "tbody", "tr",
     "td", "th", "a", "b", "span", "pre", "blockquote", "br", "hr", "img", "q"]
)  # fmt: skip
_WRITTEN = st.sampled_from(
    ['', ' href="https://x.example"', ' class="button"', ' colspan="2" rowspan="3"',
     ' start="7" type="a"', ' align="right"']
)  # fmt: skip
_SOUP = st.lists(
    st.one_of(
        st.builds("<{}{}>".format, _TAGS, _WRITTEN),
        st.builds("</{}>".format, _TAGS),
        st.sampled_from(["WORD", " ", "\n", "WORD 12.50", "&nbsp;", "WORD " * 30]),
    ),
    max_size=40,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(_SOUP)
def test_no_word_is_lost_whatever_the_tags(body: str) -> None:
    try:
        clean = cleaned(body)
    except HtmlError:
        return
    text = plain_text(clean)
    assert text.count("WORD") >= clean.count("WORD")
    assert not set(text) & set("\x00\x01\x02")
    assert text == text.strip("\n")
