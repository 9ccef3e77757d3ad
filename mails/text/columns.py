"""Tables of values as plain text, in aligned columns."""

import re
from functools import lru_cache

from mails.text.blocks import BREAK
from mails.text.lines import display_width, wrapped

#: The longest text of a cell in a table that is shown in columns. Tables with longer ones
#: are there for the looks.
LONGEST_CELL = 80
#: More columns than these fit on no line.
MOST_COLUMNS = 20

_BETWEEN = "  "
#: Not narrower than this: else its words would stand below one another.
_NARROWEST_COLUMN = 24
_LONGEST_HEADING = 40
_NUMBER = re.compile(r"[^\w\s]?\s?(?:[A-Za-z]{0,3}\s?)?[-+−–]?\d[\d.,:'’\s\xa0]*\s?\S{0,4}")
_RIGHT = re.compile(r'\balign="right"|class="(?:[^"]* )?(?:number|right)[" ]|\btext-align:\s*right')
_SPAN = re.compile(r'\b(col|row)span="(\d{1,3})"')


class Cell:
    """A cell: its text, whose lines end with ``BREAK``, and how many columns and rows of the
    table it takes."""

    __slots__ = ("columns", "is_heading", "is_right", "rows", "text", "width")

    def __init__(self, tag: str = "td", attributes: str = "") -> None:
        self.text = ""
        self.width = 0
        self.is_heading = tag == "th"
        self.is_right, self.columns, self.rows = _layout(attributes)

    def say(self, text: str) -> None:
        self.text = text
        if BREAK in text:
            self.width = max(map(display_width, text.split(BREAK)))
        else:
            self.width = display_width(text)


@lru_cache(maxsize=256)
def _layout(attributes: str) -> tuple[bool, int, int]:
    """Whether a cell is set to the right, and how many columns and rows it takes."""
    taken = {"col": 1, "row": 1}
    for direction, count in _SPAN.findall(attributes):
        taken[direction] = max(1, min(int(count), MOST_COLUMNS))
    return _RIGHT.search(attributes) is not None, taken["col"], taken["row"]


def in_columns(rows: list[list[Cell]], width: int) -> list[str]:
    """The lines of a table, at most ``width`` wide; a table that does not fit has a line for
    each value."""
    has_spans = any(cell.columns > 1 or cell.rows > 1 for row in rows for cell in row)
    if has_spans:
        grid = _grid(rows)
        if grid is None:
            return _one_by_one(rows)
        rows = grid
    columns = _columns(rows)
    widths = [max([cell.width for cell in column if cell.columns == 1] + [0]) for column in columns]
    if has_spans:
        _make_room(rows, widths)
    if not _shrunk(widths, width):
        return _one_by_one(rows)
    right = [_is_right(column) for column in columns]
    lines: list[str] = []
    for position, row in enumerate(rows):
        lines += _lines(row, widths, right)
        if not position and len(rows) > 1 and _is_headings(row):
            lines.append(_BETWEEN.join("-" * each for each in widths))
    return lines


def _columns(rows: list[list[Cell]]) -> list[list[Cell]]:
    columns: list[list[Cell]] = [[] for _ in range(max(map(len, rows)))]
    for row in rows:
        for column, cell in zip(columns, row, strict=False):
            column.append(cell)
    return columns


def _grid(rows: list[list[Cell]]) -> list[list[Cell]] | None:
    """``rows`` with empty cells wherever one of their cells goes on. None if there are too
    many columns."""
    below: dict[int, int] = {}
    grid: list[list[Cell]] = []
    for row in rows:
        full: list[Cell] = []
        for cell in [*row, None]:
            while below.get(len(full), 0):
                below[len(full)] -= 1
                full.append(_TAKEN)
            if cell is None:
                break
            for number in range(cell.columns):
                below[len(full)] = cell.rows - 1
                full.append(_TAKEN if number else cell)
        if len(full) > MOST_COLUMNS:
            return None
        grid.append(full)
    return grid


_TAKEN = Cell()


def _make_room(rows: list[list[Cell]], widths: list[int]) -> None:
    """Make the last of the columns wider that a cell takes, if it needs more room."""
    for row in rows:
        for number, cell in enumerate(row):
            if cell.columns > 1:
                last = min(number + cell.columns, len(widths)) - 1
                between = len(_BETWEEN) * (last - number)
                room = sum(widths[number : last + 1]) + between
                widths[last] += max(0, cell.width - room)


def _shrunk(widths: list[int], width: int) -> bool:
    """Make the widest column narrower until all fit; False if they cannot."""
    if len(widths) > MOST_COLUMNS:
        return False
    over = sum(widths) + len(_BETWEEN) * (len(widths) - 1) - width
    if over <= 0:
        return True
    widest = max(range(len(widths)), key=widths.__getitem__)
    if widths[widest] - over < _NARROWEST_COLUMN:
        return False
    widths[widest] -= over
    return True


def _is_right(column: list[Cell]) -> bool:
    """Whether a column is set to the right: as its cells say, or because it has numbers."""
    values = [cell for cell in column if cell.text and not cell.is_heading and cell.columns == 1]
    if not values:
        return all(cell.is_right for cell in column)
    if 2 * sum([cell.is_right for cell in values]) > len(values):
        return True
    numbers = [cell.width for cell in values if _NUMBER.fullmatch(cell.text)]
    if 2 * len(numbers) <= len(values):
        return False
    longest = max(numbers)
    return all(cell.width <= longest for cell in values)


def _is_headings(row: list[Cell]) -> bool:
    return any(cell.is_heading for cell in row) and all(
        cell.is_heading or not cell.text for cell in row
    )


def _lines(row: list[Cell], widths: list[int], right: list[bool]) -> list[str]:
    found: list[tuple[list[str], int, bool]] = []
    height, number = 1, 0
    while number < len(row):
        cell, room, is_right = row[number], widths[number], right[number]
        if cell.columns > 1:
            columns = min(cell.columns, len(widths) - number)
            room = sum(widths[number : number + columns]) + len(_BETWEEN) * (columns - 1)
            is_right = False
        lines = [cell.text]
        if cell.width > room or BREAK in cell.text:
            lines = [part for line in cell.text.split(BREAK) for part in wrapped(line, room)]
            height = max(height, len(lines))
        found.append((lines, room, is_right))
        number += cell.columns
    return [
        _BETWEEN.join(
            [
                _padded(lines[at] if at < len(lines) else "", room, is_right)
                for lines, room, is_right in found
            ]
        ).rstrip()
        for at in range(height)
    ]


def _padded(text: str, room: int, is_right: bool) -> str:
    blanks = " " * (room - display_width(text))
    return blanks + text if is_right else text + blanks


def _one_by_one(rows: list[list[Cell]]) -> list[str]:
    """A paragraph for each row: its values below one another, named by the headings."""
    names: list[str] = []
    if _is_headings(rows[0]) and any(cell.text for row in rows[1:] for cell in row):
        names = [cell.text.replace(BREAK, " ")[:_LONGEST_HEADING] for cell in rows[0]]
        rows = rows[1:]
    lines: list[str] = []
    for row in rows:
        lines += [""] if lines else []
        for number, cell in enumerate(row):
            if text := cell.text.replace(BREAK, " "):
                name = names[number] if number < len(names) else ""
                lines += wrapped(f"{name}: {text}" if name else text)
    return lines
