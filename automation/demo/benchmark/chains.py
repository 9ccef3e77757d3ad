"""The benchmark of chains: a tick that finds nothing, however many are asleep; and many that are
due at one moment."""

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


def _process(scratch: Scratch, command: str, count: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "automation.demo.benchmark.sleepers", command, str(count)],
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
        raise CommandError(f"sleepers {command} {count}: {done.stderr.strip()}")
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed
