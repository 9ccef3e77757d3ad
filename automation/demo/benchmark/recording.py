"""The benchmark of recording: from matching rows to events and queued messages."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from automation.demo.benchmark.contenders import CONTENDERS, Contender
from automation.demo.benchmark.measuring import Measured
from automation.demo.benchmark.scratch import Scratch, scratch_database

_ANCESTORS = (
    "Django~=5.2.0",
    "django-environ",
    "psycopg[binary]",
    "six",
    "django-spark==0.3.0",
    "django-drip-campaigns==1.16.2",
)


@dataclass(frozen=True)
class Result:
    """Medians of one contender: its first run, and its run with nothing new."""

    contender: Contender
    first: Measured
    again: Measured


def measure(
    url: str,
    rows: int,
    contenders: Iterable[Contender],
    repeat: int,
    environment: Path | None = None,
    progress: Callable[[str], Any] = lambda text: None,
) -> list[Result]:
    """Measure ``contenders`` on ``rows`` rows in a scratch database beside ``url``.

    They take turns, so that what else the machine does meets all of them. ``environment`` is
    where the ancestors are installed.
    """
    chosen = list(contenders)
    found: dict[str, list[list[Measured]]] = {contender.name: [] for contender in chosen}
    with scratch_database(url) as scratch:
        progress(f"{scratch.vendor}: {rows:,} rows …")
        _process(scratch, "fill", str(rows))
        for _turn in range(repeat):
            for contender in chosen:
                progress(contender.label)
                with scratch.copied() as copy:
                    line = _run(copy, contender, environment)
                found[contender.name].append([Measured(**run) for run in json.loads(line)])
    return [
        Result(
            contender,
            _median([first for first, _again in found[contender.name]]),
            _median([again for _first, again in found[contender.name]]),
        )
        for contender in chosen
    ]


def _median(runs: list[Measured]) -> Measured:
    """The run with the median time."""
    middle = statistics.median_low(run.seconds for run in runs)
    return next(run for run in runs if run.seconds == middle)


def _run(scratch: Scratch, contender: Contender, environment: Path | None) -> str:
    if contender.run is not None:
        return _process(scratch, "run", contender.name)
    assert environment is not None
    return _python(scratch, str(environment / "bin" / "python"), "ancestors", contender.name)


def _process(scratch: Scratch, *arguments: str) -> str:
    return _python(scratch, sys.executable, "automation.demo.benchmark.measuring", *arguments)


def _python(scratch: Scratch, python: str, module: str, *arguments: str) -> str:
    here = Path(__file__).resolve().parent
    path = here if module == "ancestors" else here.parents[2]
    done = subprocess.run(
        [python, "-m", module, *arguments],
        env={**os.environ, "DATABASE_URL": scratch.url, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CommandError(f"{module} {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def set_up_ancestors(environment: Path) -> None:
    """A virtual environment with the ancestors in it, made once. They would ask for other
    versions than the site's, and nothing of the site needs them."""
    if not environment.exists():
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--disable-pip-version-check", *_ANCESTORS], check=True)


def chosen(names: list[str], *, slow: bool) -> list[Contender]:
    """The named contenders that are slow, or those that are not, with the limits that they
    are held against."""
    wanted = [CONTENDERS[name] for name in names if CONTENDERS[name].slow == slow]
    limits = {contender.limit for contender in wanted}
    return [c for c in CONTENDERS.values() if c.name in limits or c in wanted]


def table(results: list[Result]) -> str:
    """``results`` as a Markdown table. Ratios are to the limit that writes the same rows."""
    by_name = {result.contender.name: result for result in results}
    lines = [
        "| | run | seconds | × limit | queries | MB over idle | events | messages | ids used |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for result in results:
        limit = by_name[result.contender.limit]
        for name, run, best in (
            ("first", result.first, limit.first),
            ("nothing new", result.again, limit.again),
        ):
            cells = [
                result.contender.label if name == "first" else "",
                name,
                f"{run.seconds:.3f}",
                f"{run.seconds / best.seconds:.2f}",
                f"{run.queries:,}",
                f"{run.memory:.1f}",
                f"{run.events:,}",
                f"{run.messages:,}",
                f"{run.ids:,}" if result.contender.run else "–",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
