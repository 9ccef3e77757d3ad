"""The way of a row to a message, as the home page tells it: each app adds the part that it does."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    """``does`` goes on where ``name`` ends, so that both are one sentence. Stages are told in the
    order of ``position``, from the row (0) to the message (100)."""

    position: int
    name: Any
    does: Any


class Way:
    """The stages that the installed apps have registered."""

    def __init__(self) -> None:
        self._stages: dict[int, Stage] = {}

    def register(self, stage: Stage) -> None:
        """Registering another one at the same position replaces it."""
        self._stages[stage.position] = stage

    def __iter__(self) -> Iterator[Stage]:
        return (self._stages[position] for position in sorted(self._stages))


way = Way()
