"""Tables while they are read: which rows have columns, and which are there for the looks."""

import re
from dataclasses import dataclass, field

from mails.text.blocks import BREAK, LINK, LINKS, Block
from mails.text.columns import LONGEST_CELL, Cell, in_columns
from mails.text.lines import NARROWEST, WIDTH


@dataclass
class Table:
    """``outside`` are the blocks around it. It stands in so many ``indents`` and ``lists``,
    behind ``prefix``."""

    outside: list[Block]
    indents: int
    lists: int
    prefix: str
    caption: str = ""
    rows: list[list[tuple[list[Block], Cell]]] = field(default_factory=list)
    open_cell: Cell | None = None

    def begin_row(self) -> None:
        self.rows.append([])

    def begin_cell(self, tag: str, attributes: str) -> None:
        if not self.rows:
            self.begin_row()
        self.open_cell = Cell(tag, attributes)

    def end_cell(self, blocks: list[Block]) -> None:
        if not self.rows:
            self.begin_row()
        self.rows[-1].append((blocks, self.open_cell or Cell()))
        self.open_cell = None

    def blocks(self, addresses: list[str], references: dict[int, int]) -> list[Block]:
        """What becomes of it. ``addresses`` are those of all links, by their number.
        ``references`` are the numbers that people see, of the links that have one: those in
        this and earlier tables."""
        found: list[Block] = []
        if self.caption:
            found.append(self._block(self.caption, "p"))
        together: list[list[Cell]] = []
        has_headings = False
        for row in self.rows:
            if self._has_columns(row, has_headings):
                for blocks, cell in row:
                    has_headings = has_headings or cell.is_heading
                    if blocks:
                        cell.say(blocks[0].text)
                together.append([cell for _blocks, cell in row])
                continue
            found += self._in_columns(together, addresses, references)
            together, has_headings = [], False
            for blocks, _cell in row:
                found += [blocks[0]._replace(apart=True), *blocks[1:]] if blocks else []
        return found + self._in_columns(together, addresses, references)

    def _has_columns(self, row: list[tuple[list[Block], Cell]], has_headings: bool) -> bool:
        """Whether each cell of ``row`` holds a few words. Only then do columns read well."""
        if len(row) < 2 and not (has_headings and row):
            return False
        for blocks, _cell in row:
            if not blocks:
                continue
            text, kind, _apart, first, rest = blocks[0]
            if (
                len(blocks) > 1
                or kind not in ("p", "link")
                or first != self.prefix
                or rest != first
                or (len(text) > LONGEST_CELL and len(LINKS.sub("", text)) > LONGEST_CELL)
            ):
                return False
        return True

    def _in_columns(
        self, rows: list[list[Cell]], addresses: list[str], references: dict[int, int]
    ) -> list[Block]:
        """``rows`` as a block of lines, followed by the addresses of their links."""
        linked: dict[int, int] = {}

        def reference(found: re.Match[str]) -> str:
            link = int(found[1])
            linked[link] = references.setdefault(link, len(references) + 1)
            return f" [{linked[link]}]"

        is_empty = True
        for row in rows:
            for cell in row:
                if cell.text:
                    is_empty = False
                    if LINK in cell.text:
                        cell.say(LINKS.sub(reference, cell.text))
        if is_empty:
            return []
        lines = in_columns(rows, max(NARROWEST, WIDTH - len(self.prefix)))
        found = [self._block("\n".join(lines), "pre")]
        if linked:
            listed = [f"[{number}] {addresses[link]}" for link, number in linked.items()]
            found.append(self._block("\n".join(listed), "pre"))
        return found

    def _block(self, text: str, kind: str) -> Block:
        return Block(text, kind, True, self.prefix, self.prefix)

    def say_caption(self, blocks: list[Block]) -> None:
        self.caption = BREAK.join(filter(None, [self.caption, *(block.text for block in blocks)]))
