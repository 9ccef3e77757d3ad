import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from automation.demo.benchmark import chains, recording, rendering, sending
from automation.demo.benchmark.contenders import CONTENDERS


class Command(BaseCommand):
    help = (
        "Measure the product: recording beside the fastest that the same database can do, in a "
        "scratch database of its own; rendering beside its template language alone; sending "
        "beside ready bytes; chains beside any number that sleep. Never touches the site's data."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parts = parser.add_subparsers(dest="part", required=True)
        part = parts.add_parser("recording", help="from matching rows to queued messages")
        part.add_argument("--rows", type=int, default=100_000)
        part.add_argument(
            "--slow-rows",
            type=int,
            default=100_000,
            help="at most so many rows for the slow ones, which get a table of their own",
        )
        part.add_argument("--repeat", type=int, default=3, help="medians of so many (3)")
        part.add_argument(
            "--only", nargs="+", default=[], choices=list(CONTENDERS), metavar="CONTENDER",
            help=f"some of: {', '.join(CONTENDERS)}",
        )  # fmt: skip
        part.add_argument(
            "--ancestors",
            type=Path,
            metavar="DIRECTORY",
            help="measure django-spark and django-drip-campaigns too, in a virtual environment "
            "that is made there, such as var/benchmark-venv",
        )
        _add_database_url(part)
        part.add_argument("--json", type=Path, dest="file", help="write the figures there too")
        part = parts.add_parser("rendering", help="from an event to the bytes of a message")
        part.add_argument("--mails", type=int, default=300, help="so many in each round (300)")
        part.add_argument("--repeat", type=int, default=9, help="medians of so many rounds (9)")
        part.add_argument("--json", type=Path, dest="file", help="write the figures there too")
        part = parts.add_parser("sending", help="from queued messages to the mail server")
        part.add_argument("--mails", type=int, default=5_000, help="so many in each run (5000)")
        part.add_argument(
            "--workers", type=_numbers, default=[1, 2], metavar="1,2",
            help="in so many processes at once",
        )  # fmt: skip
        part.add_argument("--repeat", type=int, default=3, help="medians of so many (3)")
        part.add_argument(
            "--server", default="", metavar="HOST:PORT",
            help="a mail server that only takes mails; smtp-sink is started if none is named",
        )  # fmt: skip
        _add_database_url(part)
        part.add_argument("--json", type=Path, dest="file", help="write the figures there too")
        part = parts.add_parser("chains", help="ticks beside many who sleep, and many who are due")
        part.add_argument(
            "--sleeping", type=_numbers, default=[1_000, 1_000_000], metavar="1000,1000000",
            help="beside so many runs that sleep",
        )  # fmt: skip
        part.add_argument("--due", type=int, default=10_000, help="so many are due at once (10000)")
        part.add_argument(
            "--entering", type=_numbers, default=[100_000, 400_000], metavar="100000,400000",
            help="so many rows come in when a chain is armed",
        )  # fmt: skip
        part.add_argument("--repeat", type=int, default=200, help="medians of so many ticks (200)")
        _add_database_url(part)
        part.add_argument("--json", type=Path, dest="file", help="write the figures there too")

    def handle(self, *, part: str, **options: Any) -> None:
        getattr(self, part)(**options)

    def rendering(self, *, mails: int, repeat: int, file: Path | None, **options: Any) -> None:
        results = rendering.measure(mails, repeat)
        sizes = ", ".join(f"{name} {size:,}" for name, size in rendering.sizes().items())
        self.stdout.write(f"\nBytes of the mail: {sizes}\n\n{rendering.table(results)}\n")
        if file is not None:
            figures = {result.step.name: result.seconds for result in results}
            file.write_text(json.dumps(figures, indent=2) + "\n")

    def sending(
        self,
        *,
        mails: int,
        workers: list[int],
        repeat: int,
        server: str,
        database_url: str,
        file: Path | None,
        **options: Any,
    ) -> None:
        results, parts = sending.measure(
            database_url, mails, workers, repeat, server, self._progress
        )
        self.stdout.write(f"\n{sending.table(results)}\n\n{sending.parts_table(parts)}\n")
        if file is not None:
            figures = {"runs": [asdict(result) for result in results], "parts": parts}
            file.write_text(json.dumps(figures, indent=2) + "\n")

    def chains(
        self,
        *,
        sleeping: list[int],
        due: int,
        entering: list[int],
        repeat: int,
        database_url: str,
        file: Path | None,
        **options: Any,
    ) -> None:
        results = chains.measure(database_url, sleeping, due, repeat, self._progress)
        arrivals = chains.measure_arrivals(database_url, entering, self._progress)
        self.stdout.write(f"\n{chains.table(results)}\n")
        self.stdout.write(f"\n{chains.arrivals_table(arrivals)}\n")
        if file is not None:
            figures = {
                "sleeping": [asdict(result) for result in results],
                "entering": [asdict(arrival) for arrival in arrivals],
            }
            file.write_text(json.dumps(figures, indent=2) + "\n")

    def recording(
        self,
        *,
        rows: int,
        slow_rows: int,
        repeat: int,
        only: list[str],
        ancestors: Path | None,
        database_url: str,
        file: Path | None,
        **options: Any,
    ) -> None:
        names = only or [
            name for name, one in CONTENDERS.items() if ancestors or one.run is not None
        ]
        if ancestors:
            recording.set_up_ancestors(ancestors)
        elif any(CONTENDERS[name].run is None for name in names):
            raise CommandError(_("Say with --ancestors where they are to be installed."))
        fast, slow = recording.chosen(names, slow=False), recording.chosen(names, slow=True)
        if slow_rows >= rows:
            fast, slow = [c for c in CONTENDERS.values() if c in fast or c in slow], []
        figures = []
        for size, contenders in ((rows, fast), (min(rows, slow_rows), slow)):
            if not contenders:
                continue
            results = recording.measure(
                database_url, size, contenders, repeat, ancestors, self._progress
            )
            self.stdout.write(f"\n{size:,} rows\n\n{recording.table(results)}\n")
            figures += [_plain(size, result) for result in results]
        if file is not None:
            file.write_text(json.dumps(figures, indent=2) + "\n")

    def _progress(self, text: str) -> None:
        self.stderr.write(f"  {text}")


def _add_database_url(part: CommandParser) -> None:
    part.add_argument(
        "--database-url",
        default=os.environ.get("DATABASE_URL") or "sqlite://",
        help="a database is made beside this one and removed again (sqlite://: a file)",
    )


def _numbers(listed: str) -> list[int]:
    return [int(number) for number in listed.split(",")]


def _plain(size: int, result: recording.Result) -> dict[str, Any]:
    return {
        "contender": result.contender.name,
        "rows": size,
        "first": asdict(result.first),
        "nothing_new": asdict(result.again),
    }
