"""The plain text of a mail, made from its HTML.

One pass over the tags, which the cleaning has left well-formed, collects blocks
(``reading``); only when all is known are they written in lines (``blocks``). Tables that
hold values keep their columns (``tables``, ``columns``), those that are there for the looks
become paragraphs.
"""

from mails.text.blocks import written
from mails.text.reading import Reader

__all__ = ["plain_text"]


def plain_text(clean: str) -> str:
    """Cleaned HTML as text in lines of 78 characters. Links are followed by their address,
    images are named by their alternative text, what is hidden stays so."""
    if not clean.strip():
        return ""
    reader = Reader()
    reader.read(clean)
    return written(reader.blocks, reader.addresses)
