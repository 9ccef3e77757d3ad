"""Blocks of text, and how they are written."""

import re
from itertools import takewhile
from typing import NamedTuple

from mails.text.lines import NARROWEST, WIDTH, display_width, wrapped

# Marks in a block's text, which has no control characters of its own.
BREAK = "\x01"
LINK = "\x02"
#: A link's number between its marks.
LINKS = re.compile(f"{LINK}(\\d+){LINK}")

_UNDERLINES = {"h1": "=", "h2": "-"}


class Block(NamedTuple):
    """Text that begins on a line of its own. ``kind``: a tag, with "link" for a link that
    stands alone. ``first`` and ``rest`` stand before its lines; with ``apart`` an empty line
    comes before it."""

    text: str
    kind: str = "p"
    apart: bool = False
    first: str = ""
    rest: str = ""


def written(blocks: list[Block], addresses: list[str]) -> str:
    """``blocks`` as one text. ``addresses`` are those of its links, by their number."""
    lines: list[str] = []
    before = ""
    for block in blocks:
        if block.apart and lines:
            lines.append(_both(before, block.rest))
        first, *rest = _lines(block, addresses)
        before = block.rest
        lines.append(f"{block.first}{first}".rstrip())
        lines += [f"{before}{line}".rstrip() for line in rest] if before else rest
    return "\n".join(lines).replace("\xa0", " ")


def _both(one: str, other: str) -> str:
    """What stands before an empty line between two blocks."""
    if not one or not other:
        return ""
    same = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return "".join(character for character, _same in same).rstrip()


def _lines(block: Block, addresses: list[str]) -> list[str]:
    text = block.text
    if LINK in text:
        text = _with_addresses(text, block.kind, addresses)
    if block.kind == "pre":
        return [line.rstrip() for line in text.strip("\n").split("\n")]
    width = max(NARROWEST, WIDTH - len(block.rest))
    if BREAK in text:
        lines = [line for part in text.split(BREAK) for line in wrapped(part, width)]
    else:
        lines = wrapped(text, width)
    if underline := _UNDERLINES.get(block.kind):
        lines.append(underline * min(width, max(map(display_width, lines))))
    return lines


def _with_addresses(text: str, kind: str, addresses: list[str]) -> str:
    """A link that stands alone is followed by its address on a line of its own."""
    if kind == "link":
        shown, number, _end = text.split(LINK)
        colon = "" if shown[-1:] in "!?.:…]→»" else ":"
        return f"{shown}{colon}{BREAK}{addresses[int(number)]}"
    return LINKS.sub(lambda found: f" ({addresses[int(found[1])]})", text)
