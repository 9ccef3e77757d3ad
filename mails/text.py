"""The plain text of a mail, made from its HTML."""

import re
from collections.abc import Iterator

from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.html_engine import Inscriptis
from inscriptis.model.config import ParserConfig
from inscriptis.model.css import CssParse
from inscriptis.model.html_element import HtmlElement
from lxml import html as lxml_html

#: The longest text of a cell in a table that is shown in columns. Tables with longer ones
#: are there for the looks; their cells follow each other.
LONGEST_CELL = 80

_BLANK_LINES = re.compile(r"\n{3,}")
_PARSER = lxml_html.HTMLParser(remove_comments=True)


def plain_text(clean: str) -> str:
    """Cleaned HTML as text. Tables keep their columns, links are followed by their address,
    images are named by their alternative text, what is hidden stays so."""
    if not clean.strip():
        return ""
    tree = lxml_html.document_fromstring(f"<body>{clean}</body>", parser=_PARSER)
    for link in tree.iter("a"):
        _write_address(link)
    for table in tree.iter("table"):
        if not _has_columns(table):
            for part in [table, *_parts(table)]:
                part.tag = "div"
    lines = (line.rstrip() for line in Inscriptis(tree, _CONFIG).get_text().split("\n"))
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip("\n")


def _write_address(link: lxml_html.HtmlElement) -> None:
    address = link.get("href", "").removeprefix("mailto:").removeprefix("tel:")
    if not address or link.text_content().strip().rstrip("/") == address.rstrip("/"):
        return
    written = f" ({address})"
    if len(link):
        link[-1].tail = (link[-1].tail or "") + written
    else:
        link.text = (link.text or "") + written


def _has_columns(table: lxml_html.HtmlElement) -> bool:
    """Whether each cell holds a few words. Only then do columns read well, and a column is
    as wide as its longest cell: one long text makes each line of the table that long."""
    if next(table.iterdescendants("table"), None) is not None:
        return False
    return all(
        len(cell.text_content().strip()) <= LONGEST_CELL
        for cell in table.iterdescendants("td", "th")
    )


def _parts(table: lxml_html.HtmlElement) -> Iterator[lxml_html.HtmlElement]:
    """The table's own sections, rows and cells; not those of tables in it."""
    for part in table.iterchildren("thead", "tbody", "tfoot", "tr", "td", "th"):
        yield part
        yield from _parts(part)


def _apply_style(style: str, element: HtmlElement) -> None:
    # Indents are for the eye: a margin of 900,000em would be as many blanks.
    for declaration in style.split(";"):
        name, _colon, value = declaration.partition(":")
        if name.strip() == "display":
            CssParse.attr_display(value.strip(), element)


_CONFIG = ParserConfig(css=CSS_PROFILES["strict"], display_images=True)
_CONFIG.attribute_handler.attribute_mapping = {"style": _apply_style}
