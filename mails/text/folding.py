"""White space and what nobody sees, as a browser shows them."""

import re

from mails.text.blocks import BREAK

#: What nobody sees, or should: soft hyphens, blanks without a width.
UNSEEN = str.maketrans("", "", "\xad\u200b\u2060\ufeff")

#: White space that is folded; a no-break space is not among it.
_WHITE = re.compile(r"[ \t\n\r\f]+")


def folded(text: str) -> str:
    """White space as a browser shows it: runs as one blank, none at the ends of lines. Of
    empty lines one stays, and none at the end."""
    if BREAK not in text:
        if text.isascii():
            return " ".join(text.split())
        return _WHITE.sub(" ", text.translate(UNSEEN)).strip(" \xa0")
    lines: list[str] = []
    for line in text.split(BREAK):
        if shown := folded(line):
            lines.append(shown)
        elif lines and lines[-1]:
            lines.append("")
    return BREAK.join(lines).rstrip(BREAK)
