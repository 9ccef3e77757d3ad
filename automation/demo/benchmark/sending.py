"""The benchmark of sending: from queued messages to what a mail server took.

The server is one that only takes mails and keeps none: ``smtp-sink``, which comes with postfix.
"""

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from automation.demo.benchmark.scratch import Scratch, scratch_database
from automation.demo.benchmark.senders import SENDERS, Sent

LABELS = {
    "raw": "`smtplib` with ready bytes",
    "naive": "filled by Liquid, Django's message, nothing recorded",
    "flint": "Flint",
}
#: What the ratios are to: one process of this.
LIMIT = "raw"
#: Where Debian installs what is not for everybody.
_SYSTEM_PATH = "/usr/sbin"


@dataclass(frozen=True)
class Result:
    """Medians of one sender in so many processes at once. ``cpu``, ``queries`` and ``commits``
    are for one mail; ``cpu`` is in seconds and of the senders, not of server and database."""

    sender: str
    workers: int
    seconds: float
    mails: int
    cpu: float
    queries: float
    commits: float

    @property
    def each(self) -> float:
        """Seconds for one mail."""
        return self.seconds / self.mails


def measure(
    url: str,
    mails: int,
    workers: Sequence[int],
    repeat: int,
    server: str = "",
    progress: Callable[[str], Any] = lambda text: None,
) -> tuple[list[Result], dict[str, float]]:
    """Send ``mails`` mails with each sender in each number of ``workers``, ``repeat`` times;
    they take turns. Returns the medians, and where one message's time goes, in µs.

    ``server``: HOST:PORT of a mail server that only takes mails; empty: one is started.
    """
    counts = list(dict.fromkeys([1, *workers]))
    found: dict[tuple[str, int], list[Result]] = {}
    with mail_server(server) as address, scratch_database(url) as scratch:
        progress(f"{scratch.vendor}: {mails:,} mails …")
        site = Site(scratch, address)
        site.run("make")
        for _turn in range(repeat):
            for sender in SENDERS:
                for count in counts:
                    progress(f"{LABELS[sender]}, {count}")
                    if sender == "flint":
                        site.run("fill", str(mails))
                    result = site.sent(sender, mails, count)
                    found.setdefault((sender, count), []).append(result)
        progress("where the time goes")
        site.run("fill", str(mails))
        [parts] = site.together(["profile"])
    return [_median(results) for results in found.values()], parts


def _median(results: list[Result]) -> Result:
    middle = statistics.median_low(result.seconds for result in results)
    return next(result for result in results if result.seconds == middle)


@dataclass(frozen=True)
class Site:
    """Processes of the site on a scratch database, which send to ``address``."""

    scratch: Scratch
    address: str

    def run(self, *arguments: str) -> None:
        _finished(self._start(arguments))

    def sent(self, sender: str, mails: int, workers: int) -> Result:
        shares = [mails // workers + (number < mails % workers) for number in range(workers)]
        lines = self.together(*(["send", sender, str(share)] for share in shares))
        sent = [Sent(**line) for line in lines]
        if sum(each.mails for each in sent) != mails:
            raise CommandError(_("Not every mail was sent."))
        return Result(
            sender,
            workers,
            seconds=max(each.ended for each in sent) - min(each.started for each in sent),
            mails=mails,
            cpu=sum(each.cpu for each in sent) / mails,
            queries=sum(each.queries for each in sent) / mails,
            commits=sum(each.commits for each in sent) / mails,
        )

    def together(self, *processes: list[str]) -> list[Any]:
        """What processes print that begin to work at the same moment."""
        started = [self._start(arguments) for arguments in processes]
        try:
            for process in started:
                assert process.stdout is not None
                if process.stdout.readline() != "ready\n":
                    _finished(process)
            for process in started:
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
            return [json.loads(_finished(process)) for process in started]
        finally:
            for process in started:
                process.kill()

    def _start(self, arguments: Sequence[str]) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "automation.demo.benchmark.senders", self.address, *arguments],
            env={
                **os.environ,
                "DATABASE_URL": self.scratch.url,
                "PYTHONPATH": str(Path(__file__).resolve().parents[3]),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def _finished(process: "subprocess.Popen[str]") -> str:
    """What it prints. Raises ``CommandError`` if it fails."""
    printed, complaint = process.communicate()
    if process.returncode:
        raise CommandError(complaint.strip())
    return printed


# The mail server --------------------------------------------------------------------------


@contextmanager
def mail_server(address: str = "") -> Iterator[str]:
    """HOST:PORT of a server that takes mails and keeps none: the one at ``address``, or one of
    our own, which ends with this. Raises ``CommandError`` if it cannot be had."""
    if address:
        yield address
        return
    program = shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}")
    if program is None:
        raise CommandError(
            _(
                "The program “smtp-sink” is not installed. It comes with postfix: apt-get install "
                "postfix. Or name another server that only takes mails, with --server HOST:PORT."
            )
        )
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    # It refuses to run as root.
    whom = ["-u", "nobody"] if os.geteuid() == 0 else []
    command = [program, *whom, address, "100"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            _wait_for(process, address)
            yield address
        finally:
            process.kill()


def _wait_for(process: "subprocess.Popen[str]", address: str) -> None:
    host, _colon, port = address.partition(":")
    for _attempt in range(100):
        with suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    process.kill()
    complaint = process.stderr.read().strip() if process.stderr else ""
    raise CommandError(_("smtp-sink does not start: %s") % complaint)


# What is printed ----------------------------------------------------------------------------


def table(results: list[Result]) -> str:
    """``results`` as a Markdown table."""
    [limit] = [each for each in results if (each.sender, each.workers) == (LIMIT, 1)]
    lines = [
        "| | processes | mails a second | × limit | ms of processor a mail | queries a mail "
        "| commits a mail |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {LABELS[each.sender]} | {each.workers} | {1 / each.each:,.0f} "
        f"| {each.each / limit.each:.2f} | {each.cpu * 1000:.2f} | {each.queries:.2f} "
        f"| {each.commits:.2f} |"
        for each in results
    ]
    return "\n".join(lines)


def parts_table(parts: dict[str, float]) -> str:
    """Where one message's time goes, as a Markdown table."""
    total = sum(parts.values())
    lines = ["| part of one message | µs | of all |", "|---|--:|--:|"]
    lines += [f"| {name} | {each:,.0f} | {each / total:.0%} |" for name, each in parts.items()]
    return "\n".join([*lines, f"| all | {total:,.0f} | 100% |"])
