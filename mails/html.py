"""Rendered HTML made safe and fit for mail: cleaned, styled inline, put into the layout.

Everything here works on the HTML that a template has made, never on a template: a parser
of HTML would move ``{% for %}`` out of its table.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import css_inline
import nh3
from django.conf import settings
from django.utils.html import escape
from django.utils.translation import gettext as _

from mails import layout
from mails.buttons import with_cells

#: The largest body in characters, before and after cleaning.
MAX_HTML = 1_000_000
#: The most tags, opening and closing ones, of a body.
MAX_TAGS = 20_000
#: How deeply tags may be nested. libxml2 loses the text below 256, css-inline crashes the
#: process somewhere above 5,000.
MAX_DEPTH = 200
#: An HTML parser repeats every formatting tag that was left open in each paragraph that
#: follows: 50 kB of HTML fill gigabytes. So many repetitions there may be at the most.
MAX_REPEATED = 1_000_000


class HtmlError(ValueError):
    """A body that cannot become a mail. The message is for whoever wrote it."""


# Cleaning -----------------------------------------------------------------------------------


def _names(listed: str) -> set[str]:
    return set(listed.split())


_SIDES = ("", "-top", "-right", "-bottom", "-left")
_TEXT_TAGS = _names(
    "a abbr b big blockquote br caption center code dd del div dl dt em font h1 h2 h3 h4 h5 h6 "
    "hr i img ins kbd li mark ol p pre q s small span strike strong sub sup tt u ul"
)
_TABLE_TAGS = _names("table thead tbody tfoot tr td th col colgroup")
_ALIGNED = _names("align valign bgcolor width height")
#: The CSS properties that a mail may have.
STYLE_PROPERTIES = frozenset(
    _names(
        "color background-color opacity direction display visibility overflow float clear "
        "width min-width max-width height min-height max-height vertical-align box-sizing "
        "font font-family font-size font-style font-variant font-weight line-height "
        "letter-spacing text-align text-decoration text-indent text-transform white-space "
        "word-break word-wrap overflow-wrap list-style-type list-style-position table-layout "
        "caption-side border-collapse border-spacing border-radius"
    )
    | {f"{box}{side}" for box in ("margin", "padding", "border") for side in _SIDES}
    | {f"border{side}-{part}" for side in _SIDES for part in ("color", "style", "width")}
)
#: The tags that a mail may have, those that go with all that is in them, and where its links
#: may lead.
TAGS = frozenset(_TEXT_TAGS | _TABLE_TAGS)
TAKEN_WITH_THEIR_CONTENT = frozenset(
    _names(
        "script style iframe frame frameset noframes object embed applet noembed noscript svg math "
        "template title textarea select xmp audio video canvas dialog"
    )
)
URL_SCHEMES = frozenset(_names("http https mailto tel cid"))


# Positions, backgrounds by URL, ids and everything that runs or loads a page is left out.
# A link without a scheme leads nowhere from a mailbox; in a preview it would lead into the
# admin. So relative URLs go, too.
@lru_cache(maxsize=64)
def _cleaner(classes: frozenset[str]) -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=set(TAGS),
        clean_content_tags=set(TAKEN_WITH_THEIR_CONTENT),
        attributes={
            "*": {"align", "dir", "lang", "style", "title"},
            "a": {"href"},
            "font": {"color", "face", "size"},
            "hr": {"noshade", "size", "width"},
            "img": {"alt", "border", "height", "hspace", "src", "vspace", "width"},
            "li": {"type", "value"},
            "ol": {"start", "type"},
            "ul": {"type"},
            "table": {"border", "cellpadding", "cellspacing", "role", "summary", *_ALIGNED},
            "td": {"abbr", "colspan", "nowrap", "rowspan", "scope", *_ALIGNED},
            "th": {"abbr", "colspan", "nowrap", "rowspan", "scope", *_ALIGNED},
            **{tag: {*_ALIGNED} for tag in ("thead", "tbody", "tfoot", "tr")},
            **{tag: {"span", *_ALIGNED} for tag in ("col", "colgroup")},
        },
        tag_attribute_values={"a": {"target": {"_blank"}}},
        allowed_classes={tag: {*layout.CLASSES, *classes} for tag in TAGS},
        filter_style_properties=set(STYLE_PROPERTIES),
        url_schemes=set(URL_SCHEMES),
        url_relative="deny",
        link_rel="noopener",
    )


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_FORMATTING = re.compile(
    r"<(?:b|big|code|em|font|i|s|small|strike|strong|tt|u)[\s/]", re.IGNORECASE
)
# Exactly what the cleaner writes: attributes in double quotes, no comments, text escaped.
_WRITTEN_TAG = re.compile(r'<(/?)([a-z][a-z0-9]*)(?: [^\s=>"]+(?:="[^"]*")?)*>')
_WITHOUT_END = frozenset({"br", "col", "hr", "img"})


def cleaned(html: str, classes: frozenset[str] = frozenset()) -> str:
    """``html`` with everything gone that has no place in a mail; of classes, the built-in
    ones and ``classes`` stay. Raises ``HtmlError`` for HTML that would keep the parsers busy
    for too long, or that they would not survive."""
    html = _CONTROL.sub("", html)
    tags = html.count("<")
    if len(html) > MAX_HTML or tags > MAX_TAGS:
        raise HtmlError(_("The mail is too large."))
    # Of each formatting tag without attributes a parser keeps three at the most.
    if tags > 500 and tags * (len(_FORMATTING.findall(html)) + 36) > MAX_REPEATED:
        raise HtmlError(_("The mail has too many formatting tags with attributes of their own."))
    clean = _cleaner(classes).clean(html)
    if len(clean) > MAX_HTML:
        raise HtmlError(_("The mail is too large."))
    if clean.count("</") > MAX_DEPTH and _depth(clean) > MAX_DEPTH:
        raise HtmlError(_("The mail's tags are nested more than %d deep.") % MAX_DEPTH)
    return clean


def _depth(clean: str) -> int:
    depth = deepest = 0
    for closing, name in _WRITTEN_TAG.findall(clean):
        if closing:
            depth -= 1
        elif name not in _WITHOUT_END:
            depth += 1
            deepest = max(deepest, depth)
    return deepest


# Styling ------------------------------------------------------------------------------------

_INLINER = css_inline.CSSInliner(load_remote_stylesheets=False)
# Between parts that are styled at once. Cleaned HTML has no ids, so it is nowhere else; and
# what is styled is a part's own tags, as none of them is beside those of another part.
_PART = '<div id="flint-part">'
_PARTS = re.compile(r'<div id="flint-part"[^>]*>')


def styled(clean: str, styles: str = "") -> str:
    """Cleaned HTML with the built-in styles and ``styles`` on its tags; styles of its own
    win. A button that is a paragraph of its own stands in a cell with its colour."""
    return with_cells(_INLINER.inline_fragment(clean, f"{layout.CONTENT_STYLES}{styles}"))


def styled_parts(parts: Mapping[str, str], styles: str = "") -> dict[str, str]:
    """Cleaned parts of a mail, by their name, as ``styled`` makes them: all at once, for the
    styles take longer to read than to write."""
    together = "</div>".join(f"{_PART}{part}" for part in parts.values())
    done = _PARTS.split(styled(f"{together}</div>", styles))[1:]
    return {name: part.removesuffix("</div>") for name, part in zip(parts, done, strict=True)}


@dataclass(frozen=True)
class Frame:
    """What stands around a mail's parts, in pieces: ``filled`` puts them together."""

    pieces: tuple[str, ...]

    def filled(self, **parts: str) -> str:
        """The whole mail. ``parts`` are HTML by the name of their mark; those that the frame
        has no place for are left out."""
        by_mark = {getattr(layout, name.upper()): part for name, part in parts.items()}
        return "".join(by_mark.get(piece, piece) for piece in self.pieces)


@lru_cache(maxsize=256)
def frame(
    language: str, *, header: bool, footer: bool, styles: str = "", media_styles: str = ""
) -> Frame:
    """The frame for mails in ``language``, with places for a header and a footer or without.
    ``styles`` are written into its tags."""
    right_to_left = language.partition("-")[0] in settings.LANGUAGES_BIDI
    document = layout.document(
        language=escape(language),
        direction="rtl" if right_to_left else "ltr",
        header=header,
        footer=footer,
        media_styles=media_styles,
    )
    inliner = css_inline.CSSInliner(
        load_remote_stylesheets=False,
        keep_style_tags=True,
        extra_css=f"{layout.PART_STYLES}{styles}",
    )
    document = inliner.inline(document)
    marks = (layout.TITLE, layout.PREHEADER, layout.HEADER, layout.CONTENT, layout.FOOTER)
    return Frame(tuple(re.split(f"({'|'.join(marks)})", document)))


def preheader(text: str) -> str:
    """What a mailbox shows after the subject: hidden in the mail itself, and followed by
    blanks that keep the mail's beginning out of that line."""
    if not text:
        return ""
    # In lines: one of more than 998 characters would have all of the mail encoded for it.
    filling = f"{'&#847;&zwnj;&nbsp;' * 15}\n" * max(0, 6 - len(text) // 15)
    return (
        '<div style="display: none; max-height: 0; overflow: hidden; mso-hide: all;">'
        f"{escape(text)}{filling}</div>\n"
    )
