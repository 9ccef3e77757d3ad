"""Buttons are buttons in Outlook, too: a paragraph with one gets a cell of its colour."""

import pytest

from mails.buttons import with_cells
from mails.html import cleaned, styled

pytestmark = pytest.mark.sqlite_only

LINK = '<a class="button" href="https://x.example/?a=1&amp;b=2">Go</a>'


def made(html: str, styles: str = "") -> str:
    return styled(cleaned(html), styles)


def test_a_button_by_itself_gets_a_cell_with_its_colour_and_padding():
    html = made(f"<p>{LINK}</p>")
    assert (
        '<td class="button-cell" bgcolor="#1a5fb4" '
        'style="mso-padding-alt: 12px 24px; border-radius: 6px;"><a '
    ) in html
    assert html.startswith('<div style="margin: 0 0 16px 0;"><table role="presentation" ')
    assert "https://x.example/?a=1&amp;b=2" in html
    assert html.endswith("Go</a></td></tr></table></div>")


def test_the_cell_follows_the_layout():
    html = made(f"<p>{LINK}</p>", "a.button { background-color: #AA0000; padding: 1px 2px }")
    assert 'bgcolor="#AA0000" style="mso-padding-alt: 1px 2px; border-radius: 6px;"' in html


def test_a_centred_button_has_a_centred_table():
    assert 'border="0" align="center"><tr>' in made(f'<p class="center">{LINK}</p>')
    assert 'border="0" align="center"><tr>' in made(f'<p style="text-align:center">{LINK}</p>')


def test_what_stands_in_the_button_stays():
    assert "<strong>Go</strong> on</a></td>" in made(
        '<p>\n <a class="button" href="https://x.example"><strong>Go</strong> on</a>\n</p>'
    )


@pytest.mark.parametrize(
    "html",
    [
        f"<p>Now: {LINK}</p>",
        f"<p>{LINK} or {LINK}</p>",
        f"<ul><li>{LINK}</li></ul>",
        f'<p class="right">{LINK}</p>',  # its table would float
        '<p><a class="muted" href="https://x.example">button</a></p>',
        '<p><a href="https://x.example" title="button">Go</a></p>',
        '<p><a class="button" style="background-color: red" href="https://x.example">Go</a></p>',
        f'<p><a class="button" href="https://x.example">{"x" * 600}</a></p>',
    ],
)
def test_everything_else_stays_as_it_is(html: str):
    assert "<table" not in made(html)


def test_a_mail_full_of_beginnings_is_read_through():
    hostile = '<p><a class="button" href="https://x.example">' + "<b>" * 100
    assert with_cells(hostile * 2000) == hostile * 2000
