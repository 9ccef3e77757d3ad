"""What an advice is."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """``ERROR``: it cannot be saved like that. ``WARNING``: recipients would miss something.
    ``HINT``: it may well be meant so."""

    ERROR = "error"
    WARNING = "warning"
    HINT = "hint"


@dataclass(frozen=True)
class Advice:
    """One thing to look at. ``field``: a field of the mail, in its wording in ``language``.
    ``line`` counts from 1 in the template; 0 where no line is known."""

    level: Level
    field: str
    language: str
    message: str
    line: int = 0
