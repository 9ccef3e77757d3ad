"""From tags to blocks of text."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape

from mails.text.blocks import BREAK, LINK, Block
from mails.text.folding import UNSEEN, folded
from mails.text.tables import Table
from mails.text.tags import attributes_of, is_hidden, number_of

#: Lists and quotations that are nested deeper than this many characters are not indented
#: further.
DEEPEST_INDENT = 24

_RULE = "-" * 40
#: A tag and the text that follows it.
_TOKEN = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)([^>]*)>([^<]*)")
_HREF = re.compile(r'\bhref="([^"]*)"')
_BUTTON = re.compile(r'\bclass="(?:[^"]*\s)?button["\s]')
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")

_NO_END = frozenset({"br", "col", "hr", "img"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_APART = _HEADINGS | {"p", "pre", "dl"}
_OWN_LINE = _APART | {"div", "center", "dt", "caption", "thead", "tbody", "tfoot"}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass
class _Indent:
    """What stands before the lines of a list's item or a quotation."""

    tag: str
    first: str
    rest: str


@dataclass
class _List:
    is_nested: bool
    is_ordered: bool = False
    number: int = 1
    letters: str = ""

    def marker(self, value: str) -> str:
        if not self.is_ordered:
            return "* "
        number = number_of(value, self.number)
        self.number = number + 1
        if self.letters and 0 < number <= len(_LETTERS):
            return f"{self.letters[number - 1]}. "
        return f"{number}. "


class Reader:
    """Reads HTML and keeps its ``blocks``, and the ``addresses`` of the links in them, whose
    numbers stand in the blocks' texts."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.addresses: list[str] = []
        self._pieces: list[str] = []
        self._kind = "p"
        self._apart = False
        self._indents: list[_Indent] = []
        self._lists: list[_List] = []
        self._tables: list[Table] = []
        self._numbers: dict[str, int] = {}
        self._references: dict[int, int] = {}
        self._link: tuple[str, int, bool] | None = None
        self._has_picture = False
        self._begins_with_link = False

    def read(self, html: str) -> None:
        hidden, depth = "", 0
        pieces = self._pieces
        html = _CONTROL.sub("", html)
        before = html.partition("<")[0]
        for end, name, attributes, text in [("", "", "", before), *_TOKEN.findall(html)]:
            if hidden:
                if name == hidden:
                    depth += -1 if end else 1
                    if not depth:
                        hidden = ""
                if hidden:
                    continue
            elif end:
                if (finish := _END.get(name)) is not None:
                    finish(self)
            elif "style=" in attributes and is_hidden(attributes):
                if name not in _NO_END:
                    hidden, depth = name, 1
                    continue
            elif (begin := _BEGIN.get(name)) is not None:
                begin(self, name, attributes)
            if text and (pieces or self._kind == "pre" or not text.isspace()):
                pieces.append(unescape(text) if "&" in text else text)
        self._flush()
        while self._tables:
            self._end_table()

    # Text -------------------------------------------------------------------------------------

    def _flush(self) -> None:
        """What was collected becomes a block."""
        pieces, kind = self._pieces, self._kind
        if not pieces:
            return
        text = pieces[0] if len(pieces) == 1 else "".join(pieces)
        pieces.clear()
        is_link, self._begins_with_link = self._begins_with_link, False
        if kind != "pre":
            text = folded(text)
            if not text:
                return
            if is_link and kind == "p" and text.endswith(LINK) and text.count(LINK) == 2:
                kind = "link"
        else:
            text = text.translate(UNSEEN)
            if not text.strip():
                return
        if self._indents:
            self._put_indented(text, kind)
        else:
            self.blocks.append(Block(text, kind, self._apart))
        self._apart = False

    def _put_indented(self, text: str, kind: str) -> None:
        first = "".join([each.first for each in self._indents])
        rest = self._prefix()
        for each in self._indents:
            each.first = each.rest
        if first != rest and kind == "link":
            kind = "p"
        self.blocks.append(Block(text, kind, self._apart, first, rest))

    def _prefix(self) -> str:
        return "".join([each.rest for each in self._indents])

    def _begin_own_line(self, name: str, attributes: str) -> None:
        self._flush()
        self._kind = "p"

    def _begin_apart(self, name: str, attributes: str) -> None:
        self._flush()
        # The first paragraph of an item stands beside its marker.
        if not (self._indents and self._indents[-1].first != self._indents[-1].rest):
            self._apart = True
        self._kind = name if name in _HEADINGS or name == "pre" else "p"

    def _end_own_line(self) -> None:
        self._flush()
        self._kind = "p"

    def _end_apart(self) -> None:
        self._flush()
        self._apart = True
        self._kind = "p"

    def _begin_break(self, name: str, attributes: str) -> None:
        self._pieces.append("\n" if self._kind == "pre" else BREAK)

    def _begin_rule(self, name: str, attributes: str) -> None:
        self._flush()
        self._apart, self._kind = True, "pre"
        self._pieces.append(_RULE)
        self._end_apart()

    def _begin_image(self, name: str, attributes: str) -> None:
        if text := folded(attributes_of(attributes).get("alt", "")):
            self._pieces.append(f"[{text}]")
        self._has_picture = True

    def _begin_quote(self, name: str, attributes: str) -> None:
        self._pieces.append("“")

    def _end_quote(self) -> None:
        self._pieces.append("”")

    # Links --------------------------------------------------------------------------------------

    def _begin_link(self, name: str, attributes: str) -> None:
        href = _HREF.search(attributes)
        is_button = "button" in attributes and _BUTTON.search(attributes) is not None
        if is_button:
            self._flush()
            self._apart = True
        self._link = (unescape(href[1]) if href else "", len(self._pieces), is_button)
        self._has_picture = False

    def _end_link(self) -> None:
        if self._link is None:
            return
        (href, start, is_button), self._link = self._link, None
        pieces = self._pieces
        shown = folded("".join(pieces[start:]))
        # Blocks in a link have taken its text with them; the address still follows.
        if href and (shown or self._has_picture or len(pieces) < start):
            address = _address(href)
            if not shown:
                pieces.append(address)
            elif not _says(shown, href, address):
                self._begins_with_link = start < 9 and not "".join(pieces[:start]).strip()
                pieces.append(f"{LINK}{self._number(address)}{LINK}")
        if is_button:
            self._flush()
            self._apart = True

    def _number(self, address: str) -> int:
        if address not in self._numbers:
            self._numbers[address] = len(self.addresses)
            self.addresses.append(address)
        return self._numbers[address]

    # Lists and quotations -------------------------------------------------------------------

    def _push(self, tag: str, first: str, rest: str) -> None:
        if len(self._prefix()) + len(rest) > DEEPEST_INDENT:
            first = rest = ""
        self._indents.append(_Indent(tag, first, rest))

    def _pop(self, tag: str) -> None:
        """Out of the innermost ``tag``, and of whatever was left open in it."""
        around = self._tables[-1].indents if self._tables else 0
        for position in range(len(self._indents) - 1, around - 1, -1):
            if self._indents[position].tag == tag:
                del self._indents[position:]
                return

    def _lists_around(self) -> int:
        """How many lists the innermost table stands in."""
        return self._tables[-1].lists if self._tables else 0

    def _begin_list(self, name: str, attributes: str) -> None:
        self._flush()
        listed = _List(is_nested=len(self._lists) > self._lists_around())
        self._apart = self._apart or not listed.is_nested
        if name == "ol":
            found = attributes_of(attributes)
            listed.is_ordered, listed.number = True, number_of(found.get("start", ""), 1)
            listed.letters = {"a": _LETTERS, "A": _LETTERS.upper()}.get(found.get("type", ""), "")
        self._lists.append(listed)

    def _end_list(self) -> None:
        self._flush()
        if len(self._lists) > self._lists_around():
            self._apart = not self._lists.pop().is_nested

    def _begin_item(self, name: str, attributes: str) -> None:
        self._flush()
        listed = self._lists[-1] if self._lists else _List(is_nested=False)
        marker = listed.marker(attributes_of(attributes).get("value", "") if attributes else "")
        indent = "" if listed.is_nested else "  "
        self._push(name, f"{indent}{marker}", indent + " " * len(marker))

    def _end_item(self) -> None:
        self._flush()
        self._pop("li")
        self._apart = False

    def _begin_blockquote(self, name: str, attributes: str) -> None:
        self._flush()
        self._apart = True
        self._push(name, "> ", "> ")

    def _end_blockquote(self) -> None:
        self._end_apart()
        self._pop("blockquote")

    def _begin_definition(self, name: str, attributes: str) -> None:
        self._flush()
        self._push(name, "    ", "    ")

    def _end_definition(self) -> None:
        self._flush()
        self._pop("dd")

    # Tables -------------------------------------------------------------------------------------

    def _begin_table(self, name: str, attributes: str) -> None:
        self._flush()
        self._tables.append(
            Table(self.blocks, len(self._indents), len(self._lists), self._prefix())
        )
        self.blocks = []

    def _begin_row(self, name: str, attributes: str) -> None:
        self._end_cell()
        if self._tables:
            self._tables[-1].begin_row()

    def _begin_cell(self, name: str, attributes: str) -> None:
        self._end_cell()
        self._apart = False
        if self._tables:
            self._tables[-1].begin_cell(name, attributes)

    def _end_cell(self) -> None:
        if self._pieces:
            self._flush()
        if self._tables:
            table = self._tables[-1]
            if table.open_cell is not None or self.blocks:
                table.end_cell(self.blocks)
                del self._indents[table.indents :], self._lists[table.lists :]
                self.blocks = []

    def _end_caption(self) -> None:
        self._flush()
        if self._tables and self._tables[-1].open_cell is None:
            self._tables[-1].say_caption(self.blocks)
            self.blocks = []

    def _end_table(self) -> None:
        self._end_cell()
        if self._tables:
            table = self._tables.pop()
            table.outside.extend(table.blocks(self.addresses, self._references))
            self.blocks = table.outside
            self._apart = True


_BEGIN: dict[str, Callable[[Reader, str, str], None]] = {
    **dict.fromkeys(_OWN_LINE, Reader._begin_own_line),
    **dict.fromkeys(_APART, Reader._begin_apart),
    "br": Reader._begin_break,
    "hr": Reader._begin_rule,
    "img": Reader._begin_image,
    "q": Reader._begin_quote,
    "a": Reader._begin_link,
    "ul": Reader._begin_list,
    "ol": Reader._begin_list,
    "li": Reader._begin_item,
    "blockquote": Reader._begin_blockquote,
    "dd": Reader._begin_definition,
    "table": Reader._begin_table,
    "tr": Reader._begin_row,
    "td": Reader._begin_cell,
    "th": Reader._begin_cell,
}
_END: dict[str, Callable[[Reader], None]] = {
    **dict.fromkeys(_OWN_LINE, Reader._end_own_line),
    **dict.fromkeys(_APART, Reader._end_apart),
    "q": Reader._end_quote,
    "a": Reader._end_link,
    "ul": Reader._end_list,
    "ol": Reader._end_list,
    "li": Reader._end_item,
    "blockquote": Reader._end_blockquote,
    "dd": Reader._end_definition,
    "table": Reader._end_table,
    "td": Reader._end_cell,
    "th": Reader._end_cell,
    "caption": Reader._end_caption,
}


def _address(href: str) -> str:
    for scheme in ("mailto:", "tel:"):
        if href.startswith(scheme):
            return href.removeprefix(scheme).partition("?")[0]
    return href


def _says(shown: str, href: str, address: str) -> bool:
    """Whether ``shown`` tells the address already."""
    if href.startswith("tel:"):
        return sum(map(str.isdecimal, shown)) > 5

    def bare(text: str) -> str:
        return text.removeprefix("https://").removeprefix("http://").rstrip("/")

    return bare(shown) == bare(address)
