"""The blocks of the documents, and what the marks before them say.

Every block is run, or held against something real, by its language (``tests/test_docs_*.py``).
A comment right before a block says what else is to be known of it:

- ``<!-- run: continues -->``: it goes on where the Python block before it on the page ended.
- ``<!-- file: shop/sources.py -->``: it is this file of a project. A page with files is one
  project: they are written, installed and imported, and its other Python blocks run in it.
- ``<!-- settings -->``: it stands in a project's settings. With it the checks find nothing. With
  ``continues`` the settings before it on the page hold, too.
- ``<!-- not ours: … -->``: it cannot run, for this reason.

A comment of several lines that begins with such a mark is a Python block that readers do not
see: what an example takes for granted.
"""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])

#: Pages whose blocks another test runs.
ELSEWHERE = {"docs/tutorial.md": "tests/test_existing_project.py"}

MARKS = ("run", "file", "settings", "not ours")

_BLOCK = re.compile(
    r"^<!-- (?P<hidden>[a-z ]+(?:: (?:(?!-->)[^\n])*)?)\n(?P<code>.*?)^-->$"
    r"|(?:^ *<!-- (?P<mark>[^\n]*?) -->\n+)?"
    r"^(?P<indent> *)```(?P<language>[^\n`]*)\n(?P<source>.*?)^(?P=indent)```$",
    re.M | re.S,
)


@dataclass(frozen=True)
class Block:
    """``line`` is that of the first line of ``source`` on ``page`` (``docs/rules.md``)."""

    page: str
    line: int
    language: str
    source: str
    mark: str = ""
    said: str = ""
    hidden: bool = False

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def continues(self) -> bool:
        return self.said == "continues"


def blocks_of(document: Path) -> Iterator[Block]:
    text = document.read_text()
    page = str(document.relative_to(ROOT))
    for found in _BLOCK.finditer(text):
        hidden = found["hidden"] is not None
        part = "code" if hidden else "source"
        mark, _colon, said = (found["hidden"] or found["mark"] or "").partition(":")
        yield Block(
            page,
            text.count("\n", 0, found.start(part)) + 1,
            "python" if hidden else found["language"].strip(),
            textwrap.dedent(found[part]),
            mark.strip(),
            said.strip(),
            hidden,
        )


ALL = [block for document in DOCUMENTS for block in blocks_of(document)]
HERE = [block for block in ALL if block.page not in ELSEWHERE]


def in_language(*languages: str) -> list[Block]:
    """The blocks that are held against something here."""
    return [block for block in HERE if block.language in languages and block.mark != "not ours"]


@dataclass(frozen=True)
class Story:
    """Python blocks that run one after the other in one process; with files, a project."""

    blocks: tuple[Block, ...]

    @property
    def name(self) -> str:
        return self.blocks[0].name

    @property
    def is_project(self) -> bool:
        return any(block.mark == "file" for block in self.blocks)


def stories() -> list[Story]:
    told: list[list[Block]] = []
    projects = {block.page for block in HERE if block.mark == "file"}
    for block in HERE:
        runs = block.language == "python" or block.mark == "file"
        if not runs or block.mark == "not ours":
            continue
        last = told[-1][0] if told else None
        goes_on = last and last.page == block.page
        if goes_on and (block.continues or block.page in projects):
            told[-1].append(block)
        else:
            told.append([block])
    return [Story(tuple(blocks)) for blocks in told]
