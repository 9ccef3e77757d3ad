"""The plain text of a mail, made from its HTML."""

import re

from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.html_engine import Inscriptis
from inscriptis.model.config import ParserConfig
from lxml import html as lxml_html

_BLANK_LINES = re.compile(r"\n{3,}")
_PARSER = lxml_html.HTMLParser(remove_comments=True)
_CONFIG = ParserConfig(css=CSS_PROFILES["strict"], display_images=True)


def plain_text(clean: str) -> str:
    """Cleaned HTML as text. Tables keep their columns, links are followed by their address,
    images are named by their alternative text."""
    if not clean.strip():
        return ""
    tree = lxml_html.document_fromstring(f"<body>{clean}</body>", parser=_PARSER)
    for link in tree.iter("a"):
        _write_address(link)
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
