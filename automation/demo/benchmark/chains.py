"""The benchmark of chains: a tick that finds nothing, however many are asleep; many that are due at
one moment; many rows that come in when a chain is armed, beside one statement by hand."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from automation.demo.benchmark.scratch import Scratch, scratch_database


@dataclass(frozen=True)
class Result:
    """What it takes beside so many runs that sleep. ``tick`` is the median of one that finds
    nothing, in seconds; ``by_index`` whether it read an index and no row."""

    sleeping: int
    tick: float
    by_index: bool
    due: int
    advance: float
    queries: int
    events: int


@dataclass(frozen=True)
class Arrival:
    """What it takes to let so many rows in, and what one statement takes that writes the same."""

    rows: int
    limit: float
    seconds: float
    queries: int


def measure(
    url: str,
    sleeping: Sequence[int],
    due: int,
    repeat: int,
    progress: Callable[[str], Any] = lambda text: None,
) -> list[Result]:
    """Measure in a scratch database beside ``url``, once for each number of sleepers."""
    found = []
    for count in sleeping:
        with scratch_database(url) as scratch:
            progress(f"{scratch.vendor}: {count:,} asleep …")
            _process(scratch, "fill", count)
            tick = _process(scratch, "tick", repeat)
            progress(f"{due:,} due …")
            done = _process(scratch, "advance", due)
            found.append(
                Result(
                    count, tick["seconds"], tick["by_index"], done["moved"], done["seconds"],
                    done["queries"], done["events"],
                )
            )  # fmt: skip
    return found


def measure_arrivals(
    url: str, rows: Sequence[int], progress: Callable[[str], Any] = lambda text: None
) -> list[Arrival]:
    """Measure how so many rows come in, in a scratch database beside ``url`` for each number."""
    found = []
    for count in rows:
        with scratch_database(url) as scratch:
            progress(f"{scratch.vendor}: {count:,} come in …")
            _process(scratch, "fill", count, "arriving")
            limit = _process(scratch, "limit", count, "arriving")
            done = _process(scratch, "enter", count, "arriving")
        if (limit["new"], done["new"]) != (count, count):
            raise CommandError(f"{count} were to come in: {limit['new']}, {done['new']}")
        found.append(Arrival(count, limit["seconds"], done["seconds"], done["queries"]))
    return found


def arrivals_table(results: Sequence[Arrival]) -> str:
    """``results`` as a Markdown table."""
    lines = [
        "| come in | by hand, s | seconds | × by hand | a second | queries |",
        "|--:|--:|--:|--:|--:|--:|",
    ]
    for each in results:
        cells = (
            f"{each.rows:,}", f"{each.limit:.2f}", f"{each.seconds:.2f}",
            f"{each.seconds / each.limit:.2f}", f"{each.rows / each.seconds:,.0f}",
            f"{each.queries:,}",
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def table(results: Sequence[Result]) -> str:
    """``results`` as a Markdown table."""
    lines = [
        "| asleep | empty tick, ms | index only | due | seconds | a second | queries |",
        "|--:|--:|---|--:|--:|--:|--:|",
    ]
    for each in results:
        rate = each.due / each.advance if each.advance else 0
        cells = (
            f"{each.sleeping:,}", f"{each.tick * 1_000:.2f}", "yes" if each.by_index else "no",
            f"{each.due:,}", f"{each.advance:.2f}", f"{rate:,.0f}", f"{each.queries:,}",
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _process(
    scratch: Scratch, command: str, count: int, module: str = "sleepers"
) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", f"automation.demo.benchmark.{module}", command, str(count)],
        env={
            **os.environ,
            "DATABASE_URL": scratch.url,
            "PYTHONPATH": str(Path(__file__).resolve().parents[3]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CommandError(f"{module} {command} {count}: {done.stderr.strip()}")
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed
