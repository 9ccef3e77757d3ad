"""Commands as the documents show them: which program, with what, and what came out."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from tests.documents.blocks import Block, in_language


@dataclass(frozen=True)
class Command:
    """What follows one ``$`` (or ``#``, root's) of a block, and the output that it shows."""

    block: Block
    line: int
    text: str
    output: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.block.page}:{self.line}"

    def parts(self) -> Iterator[list[str]]:
        """The words of each program that it starts, without variables before it and without
        where its output goes."""
        lexer = shlex.shlex(self.text, posix=True, punctuation_chars=True)
        lexer.whitespace_split, words = True, []
        for word in [*lexer, ";"]:
            if set(word) <= set(";&|"):
                if words:
                    yield words
                words = []
            elif words or not re.fullmatch(r"[A-Z_]+=.*", word):
                words.append(word)

    @property
    def programs(self) -> list[list[str]]:
        return [
            words[: next((n for n, word in enumerate(words) if word in "<>"), None)]
            for words in self.parts()
        ]


def commands() -> Iterator[Command]:
    for block in in_language("console", "sh"):
        lines = block.source.splitlines()
        starts = [n for n, line in enumerate(lines) if line.startswith(("$ ", "# "))]
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            last = start
            while lines[last].endswith("\\"):
                last += 1
            text = " ".join(line.rstrip("\\") for line in lines[start : last + 1])[2:]
            output = tuple(lines[last + 1 : end])
            yield Command(block, block.line + start, text, output)


def masked(line: str) -> str:
    """A line without what differs from day to day: numbers, months, halves of the day."""
    line = re.sub(r"\b[A-Z][a-z]{2,8}\.? (?=\d)|\b[ap]\.m\.|\bnoon\b|\bmidnight\b", "N", line)
    line = re.sub(r"\d[\d:.,]*", "N", line)
    return re.sub(r"[N ,]*N[N ,]*", " N ", re.sub(r"\s+", " ", line)).strip()


def shows(expected: tuple[str, ...], actual: str) -> bool:
    """Whether ``expected`` is the output, but for numbers; ``…`` stands for any lines."""
    pattern = "\n".join(
        ".*" if line == "…" else re.escape(masked(line)) for line in expected if line.strip()
    )
    said = "\n".join(masked(line) for line in actual.splitlines() if line.strip())
    return re.fullmatch(pattern, said, re.S) is not None
