"""Buttons that Outlook for Windows shows as buttons.

It draws with Word, which gives a link neither padding nor rounded corners: a button would be
a word on a coloured strip. Word does so for cells of tables. So a link of the class
``button`` that is a paragraph of its own gets a cell around it, with the colour and the
padding that the layout gives the link.
"""

import re

from mails.layout import BUTTON_CELL

# What css-inline writes: attributes in double quotes. Lengths are bounded, or many
# paragraphs without an end would take for ever.
_PARAGRAPH = re.compile(
    r"<p( [^<>]{0,2000})?>\s{0,20}"
    r'(<a (?=[^<>]{0,5000}\bclass="(?:[^"<>]{0,200} )?button[" ])[^<>]{1,5000}>'
    r"(?:[^<]|<(?!/?[ap][ >])){1,500}</a>)\s{0,20}</p>"
)
_STYLE = re.compile(r'\bstyle="([^"]*)"')
_COLOUR = re.compile(r"#[0-9a-f]{6}\b", re.IGNORECASE)
_CENTERED = re.compile(r'text-align:\s*center|\balign="center"')
_TO_THE_RIGHT = re.compile(r'text-align:\s*right|\balign="right"')


def with_cells(html: str) -> str:
    """``html``, its styles on its tags, with a cell around each button that is a paragraph."""
    return _PARAGRAPH.sub(_in_cell, html) if "button" in html else html


def _in_cell(found: re.Match[str]) -> str:
    paragraph, link = found[1] or "", found[2]
    written = _STYLE.search(link)
    style = _declarations(written[1]) if written else {}
    colour = _COLOUR.match(style.get("background-color", ""))
    # A table at the right would float.
    if not colour or _TO_THE_RIGHT.search(paragraph):
        return found[0]
    cell = f"mso-padding-alt: {style.get('padding', '0')};"
    if radius := style.get("border-radius"):
        cell += f" border-radius: {radius};"
    align = ' align="center"' if _CENTERED.search(paragraph) else ""
    return (
        f'<div{paragraph}><table role="presentation" cellpadding="0" cellspacing="0" '
        f'border="0"{align}><tr><td class="{BUTTON_CELL}" bgcolor="{colour[0]}" '
        f'style="{cell}">{link}</td></tr></table></div>'
    )


def _declarations(style: str) -> dict[str, str]:
    pairs = (declaration.partition(":") for declaration in style.split(";"))
    return {name.strip(): value.strip() for name, _colon, value in pairs}
