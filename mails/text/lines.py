"""Lines of plain text, as wide as people see them: some characters take two columns, some none."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

#: The longest line of prose. Addresses are never broken.
WIDTH = 78
#: So much stays for the text, however deep it is indented.
NARROWEST = 24

_JOINER, _EMOJI_STYLE = "\u200d", "\ufe0f"
# What does not begin a line in Chinese and Japanese.
_NOT_FIRST = frozenset("、。，．・：；？！）」』】〉》’”ーぁぃぅぇぉっゃゅょァィゥェォッャュョ々")
# Letters and signs that take a column each: Latin, Greek, Cyrillic, Hebrew, punctuation.
_ONE_EACH = re.compile(
    r"[\x00-\x7f\xa0-\xac\xae-\u02ff\u0370-\u0482\u048a-\u0530\u05d0-\u05ea\u2010-\u2027"
    r"\u2030-\u205e\u20a0-\u20bf]*"
)


def display_width(text: str) -> int:
    """How many columns ``text`` takes."""
    if text.isascii() or _ONE_EACH.fullmatch(text):
        return len(text)
    width, before = 0, ""
    for character in text:
        if character == _EMOJI_STYLE:
            width += before != "" and _columns(before) == 1
        elif before != _JOINER:
            width += _columns(character)
        before = character
    return width


@lru_cache(maxsize=4096)
def _columns(character: str) -> int:
    if "\U0001f3fb" <= character <= "\U0001f3ff":  # the colour of a skin
        return 0
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrapped(line: str, width: int = WIDTH) -> list[str]:
    """``line``, whose words have one blank between them, in lines of at most ``width``
    columns, as far as the words allow."""
    if 2 * len(line) <= width:
        return [line]
    if line.isascii() or _ONE_EACH.fullmatch(line):
        return _wrapped_simply(line, width)
    return _wrapped_by_width(line, width) if display_width(line) > width else [line]


def _wrapped_simply(line: str, width: int) -> list[str]:
    lines: list[str] = []
    start, end = 0, len(line)
    while end - start > width:
        cut = line.rfind(" ", start + 1, start + width + 1)
        if cut < 0:
            cut = line.find(" ", start + width)
            if cut < 0:
                break
        lines.append(line[start:cut])
        start = cut + 1
    return [*lines, line[start:]]


def _wrapped_by_width(line: str, width: int) -> list[str]:
    lines: list[str] = []
    current, used = "", 0
    for word in line.split(" "):
        for blank, piece in _breakable(word):
            size = display_width(piece)
            if current and used + blank + size > width:
                lines.append(current)
                current, used = piece, size
            else:
                current += " " * (blank if current else 0) + piece
                used += size + (blank if used else 0)
    return [*lines, current]


def _breakable(word: str) -> Iterator[tuple[int, str]]:
    """The pieces of ``word`` between which a line may end, and whether a blank is before each:
    the word itself, or the characters of a script that is written without blanks."""
    piece, blank = "", 1
    for character in word:
        if (
            piece
            and 2 in (_columns(character), _columns(piece[-1]))
            and _columns(character)
            and character not in _NOT_FIRST
            and piece[-1] != _JOINER
        ):
            yield blank, piece
            piece, blank = "", 0
        piece += character
    yield blank, piece
