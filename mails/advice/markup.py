"""A template of a mail looked at as HTML: its links, its pictures, and what no mail can have.

Liquid is masked first, so that what is found stands on the lines of the template.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _
from lxml import etree
from lxml import html as lxml_html

from mails import embedding
from mails.advice.colours import hard_to_see
from mails.advice.kinds import Level
from mails.html import STYLE_PROPERTIES, TAGS, TAKEN_WITH_THEIR_CONTENT, URL_SCHEMES

#: Stand for a value, and for a tag of Liquid. Nobody writes these characters.
VALUE, LOGIC = "\ue000", "\ue001"
#: How wide a mail is, in pixels.
WIDTH = 600

_LIQUID = re.compile(r"\{\{|\{%-?[ \t\n\r]*(comment\b)?")
_END_OF_COMMENT = re.compile(r"\{%-?\s*endcomment\s*-?%\}")
_SCHEME = re.compile(r"([a-z][a-z0-9+-]*):", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s@/]+@[^\s@/]+\.[a-z]+", re.IGNORECASE)
_PIXELS = re.compile(r"(\d{1,6})(?:\.\d*)?(?:px)?")
# These take something with them that was meant to be seen or used.
_MISSED = TAKEN_WITH_THEIR_CONTENT | {"form", "input", "button"}
_WRAPPERS = frozenset({"html", "head", "body"})
#: What says nothing to those who go from link to link.
_SAYS_NOTHING = frozenset({
    "click here", "click", "here", "link", "this link", "more", "hier", "hier klicken",
    "klicken sie hier", "klick hier", "mehr", "ici", "cliquez ici", "qui", "clicca qui", "aquí",
    "haz clic aquí",
})  # fmt: skip


@dataclass(frozen=True)
class Found:
    level: Level
    message: str
    line: int = 0


class Markup:
    """The HTML of one template. ``own_colours``: its layout chooses the colours of the page."""

    def __init__(self, source: str, *, own_colours: bool = False) -> None:
        self.source = source
        self.own_colours = own_colours

    @cached_property
    def elements(self) -> list[Any]:
        hidden = masked(self.source)
        if "<" not in hidden:
            return []
        parser = lxml_html.HTMLParser(remove_comments=True, remove_pis=True)
        try:
            page = lxml_html.document_fromstring(f"<body>{hidden}</body>", parser=parser)
        except (etree.ParserError, ValueError):
            return []
        return [each for each in page.iter() if isinstance(each.tag, str)]

    def found(self) -> Iterator[Found]:
        """In the order of the text, as far as it is about a place."""
        told: set[str] = set()
        for element in self.elements:
            line = element.sourceline or 0
            if element.tag == "a":
                yield from (Found(*each, line) for each in _about_link(element))
            elif element.tag == "img":
                yield from (Found(*each, line) for each in _about_picture(element))
            for level, about, message in _taken_out(element):
                if about not in told:
                    told.add(about)
                    yield Found(level, message, line)
            if not self.own_colours and (message := hard_to_see(element)):
                yield Found(Level.HINT, message % shown(element), line)


def masked(source: str) -> str:
    """``source`` with a sign for each tag of Liquid, in as many lines as before. What is in a
    comment is no part of the mail."""
    pieces: list[str] = []
    at = 0
    for found in _LIQUID.finditer(source):
        if found.start() < at:
            continue
        if found[1]:
            ending = _END_OF_COMMENT.search(source, found.end())
            end = ending.end() if ending else -1
        else:
            end = source.find("}}" if found[0] == "{{" else "%}", found.end()) + 2
        if end < 2:
            break  # it is not closed, which is an error
        mark = VALUE if found[0] == "{{" else LOGIC
        pieces += [source[at : found.start()], mark, "\n" * source.count("\n", found.start(), end)]
        at = end
    return "".join([*pieces, source[at:]])


def shown(element: Any) -> str:
    """What names an element for people: the beginning of its text."""
    text = " ".join(element.text_content().replace(LOGIC, "").replace(VALUE, "…").split())
    return text if len(text) <= 40 else f"{text[:39].rstrip()}…"


# Links --------------------------------------------------------------------------------------


def _about_link(link: Any) -> Iterator[tuple[Level, Any]]:
    if link.get("href") is None and (link.get("name") or link.get("id")):
        return  # a place to jump to
    name = shown(link)
    yield from _about_text_of(link, name)
    href = link.get("href", "").replace(LOGIC, "").strip()
    if not href or href.startswith("#"):
        yield Level.WARNING, _("The link “%s” leads nowhere.") % name
    elif not href.startswith(VALUE):
        yield from _about_address(href, name)


def _about_text_of(link: Any, name: str) -> Iterator[tuple[Level, Any]]:
    if name.strip("\xa0 \u200b"):
        if name.casefold().strip(" .!…→»>") in _SAYS_NOTHING:
            message = _("The link “%s” says nothing about where it leads.")
            yield Level.HINT, message % name
        return
    pictures = list(link.iter("img"))
    if not pictures:
        yield Level.WARNING, _("A link has no text, so nobody sees it.")
    elif not any((picture.get("alt") or "").strip() for picture in pictures):
        message = _("A link is only a picture without a text: say in words where it leads.")
        yield Level.WARNING, message


def _about_address(href: str, name: str) -> Iterator[tuple[Level, Any]]:
    shown_href = _shortened(href)
    found = _SCHEME.match(href)
    scheme = found[1].lower() if found else ""
    if not scheme:
        if _ADDRESS.fullmatch(href):
            better = f"mailto:{href}"
        elif href.startswith("/"):
            better = f"https://…{shown_href}"
        else:
            better = f"https://{shown_href}"
        message = _(
            "The link “%(name)s” goes to “%(address)s”, which is no whole address: recipients get "
            "it without a link. Write %(better)s"
        )
        yield Level.WARNING, message % {"name": name, "address": shown_href, "better": better}
    elif scheme not in URL_SCHEMES:
        message = _(
            "The link “%(name)s” begins with “%(scheme)s:”: recipients get it without a link. "
            "Possible are https:, http:, mailto: and tel:."
        )
        yield Level.WARNING, message % {"name": name, "scheme": scheme}
    elif scheme == "mailto" and "@" not in href and VALUE not in href:
        message = _("The link “%s” has no mail address after “mailto:”.")
        yield Level.WARNING, message % name
    elif scheme == "http":
        message = _("The link “%s” is not encrypted. Most sites can be reached by https://, too.")
        yield Level.HINT, message % name


def _shortened(address: str) -> str:
    address = address.replace(VALUE, "…")
    return address if len(address) <= 60 else f"{address[:59]}…"


# Pictures -----------------------------------------------------------------------------------


def _about_picture(picture: Any) -> Iterator[tuple[Level, Any]]:
    source = picture.get("src", "").replace(LOGIC, "").strip()
    is_data = source.lower().startswith("data:")
    name = _shortened(picture.get("alt") or ("data:" if is_data else source.rpartition("/")[2]))
    if embedding.MARK not in source and not source.startswith(VALUE):
        yield from _about_source(source, name)
    if picture.get("alt") is None:
        message = _(
            "The picture “%s” has no text. Many people see a mail without its pictures first: say "
            "what it shows, or leave the text empty if it is decoration."
        )
        yield Level.WARNING, message % name
    width = _width(picture)
    if not width:
        message = _("The picture “%s” has no width: Outlook shows it as large as it is.")
        yield Level.HINT, message % name
    elif (pixels := _PIXELS.fullmatch(width)) and int(pixels[1]) > WIDTH:
        message = _("The picture “%(name)s” is %(width)s pixels wide. A mail has %(most)d.")
        values = {"name": name, "width": pixels[1], "most": WIDTH}
        yield Level.WARNING, message % values


def _about_source(source: str, name: str) -> Iterator[tuple[Level, Any]]:
    found = _SCHEME.match(source)
    scheme = found[1].lower() if found else ""
    if not source:
        yield Level.WARNING, _("A picture has no address, so nobody sees it.")
    elif scheme == "data":
        message = _("The picture “%s” stands in the text itself and is taken out: upload it.")
        yield Level.WARNING, message % name
    elif scheme not in ("http", "https", "cid"):
        message = _("The picture “%s” has no whole address, so nobody sees it.")
        yield Level.WARNING, message % name
    elif scheme == "http":
        message = _("The picture “%s” is not encrypted, so some programs do not show it.")
        yield Level.WARNING, message % name


def _width(picture: Any) -> str:
    width = str(picture.get("width") or "").strip()
    style = dict(declarations(picture))
    return width or style.get("width", "") or style.get("max-width", "")


# What is taken out --------------------------------------------------------------------------


def _taken_out(element: Any) -> Iterator[tuple[Level, str, Any]]:
    """With what it is about: each is told once."""
    tag = element.tag
    if tag not in TAGS and tag not in _WRAPPERS:
        if tag in _MISSED:
            message = _("<%s> is taken out: recipients do not get it.") % tag
            yield Level.WARNING, tag, message
        else:
            yield Level.HINT, tag, _("<%s> is taken out; what stands in it stays.") % tag
        return
    for name in element.keys():  # noqa: SIM118 (an element is no mapping)
        if name.startswith("on"):
            message = _("“%s” is taken out: nothing runs in a mail.") % name
            yield Level.WARNING, name, message
    for name, _value in declarations(element):
        if name not in STYLE_PROPERTIES and not name.startswith(("mso-", "-", VALUE, LOGIC)):
            message = _("The style “%s” is taken out.") % name[:40]
            if name == "background":
                instead = _("Write background-color.")
                message = f"{message} {instead}"
            yield Level.HINT, name, message


def declarations(element: Any) -> Iterator[tuple[str, str]]:
    for declaration in (element.get("style") or "").split(";"):
        name, colon, value = declaration.partition(":")
        if colon:
            yield name.replace(LOGIC, "").strip().lower(), value.strip().lower()
