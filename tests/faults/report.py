"""What came of a fault test: counted from what the mail server accepted and what the database
says, which know nothing of each other."""

import json
from collections import Counter
from dataclasses import asdict, dataclass, field

from tests.faults.kinds import Fault

#: For so long a pause of sending may last when a cluster was killed, in seconds.
LONGEST_PAUSE = 60

#: A hand-over that a fault interrupts had begun at most so many seconds before it.
HAND_OVER = 4


@dataclass
class Row:
    """One message, as the database has it in the end."""

    identity: str
    state: str
    cause: str = ""
    handed_at: float | None = None


@dataclass
class Figures:
    database: str
    broker: str
    command: str
    seed: int
    mails: int
    faults: int
    accepted: int = 0
    distinct: int = 0
    duplicates: int = 0
    #: *Sent* and never accepted, or in no state that shows it to a person, or no row at all.
    lost: int = 0
    unknown: int = 0
    unknown_accepted: int = 0
    #: Unknown without any fault that could have done it.
    unexplained: int = 0
    failed: int = 0
    skipped: int = 0
    causes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0
    per_second: float = 0
    longest_pause: float = 0
    unknown_by_fault: dict[str, str] = field(default_factory=dict)
    #: How often the test itself had to start a cluster again that took no tasks any more.
    revived: int = 0
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    def as_row(self) -> str:
        """A line of the table in docs/reliability.md."""
        cells = [
            {"sqlite": "SQLite", "postgres": "PostgreSQL"}[self.database],
            {"orm": "database", "redis": "Redis"}[self.broker],
            f"{self.mails:,}", self.faults, f"{self.accepted:,}", self.lost, self.duplicates,
            f"{self.unknown} ({self.unknown_accepted} accepted)", self.failed,
            f"{self.seconds:.0f} s", f"{self.per_second:.0f}", f"{self.longest_pause:.0f} s",
        ]  # fmt: skip
        return f"| {' | '.join(map(str, cells))} |"

    def as_text(self) -> str:
        lines = [
            f"{self.mails:,} mails, {self.faults} faults, {self.database}, {self.broker} broker, "
            f"{self.command}, seed {self.seed}",
            f"accepted      {self.accepted:,}, {self.distinct:,} of them different",
            f"duplicates    {self.duplicates}",
            f"lost          {self.lost}",
            f"unknown       {self.unknown}: {self.unknown_accepted} accepted, "
            f"{self.unknown - self.unknown_accepted} not; {self.unexplained} without a fault",
            f"failed        {self.failed}, skipped {self.skipped} {self.causes or ''}",
            f"time          {self.seconds:.1f} s, {self.per_second:.0f} mails a second while "
            "faults went on",
            f"longest pause {self.longest_pause:.1f} s after something was killed",
            f"revived       {self.revived} times a cluster that took no tasks",
            "unknown by fault:",
            *(f"  {kind}: {text}" for kind, text in sorted(self.unknown_by_fault.items())),
            *(f"PROBLEM: {problem}" for problem in self.problems),
        ]
        return "\n".join(lines)


def count(
    figures: Figures, accepted: list[tuple[float, str]], rows: list[Row], faults: list[Fault]
) -> Figures:
    """Fill in what is counted, and name what breaks the promise."""
    times = Counter(identity for _when, identity in accepted)
    figures.accepted, figures.distinct = len(accepted), len(times)
    figures.duplicates = figures.accepted - figures.distinct
    states = Counter(row.state for row in rows)
    final = {"sent", "failed", "skipped", "cancelled", "unknown"}
    lost = [row for row in rows if row.state not in final and not times[row.identity]]
    lost += [row for row in rows if row.state == "sent" and not times[row.identity]]
    figures.lost = len(lost) + max(figures.mails - len(rows), 0)
    unknown = [row for row in rows if row.state == "unknown"]
    figures.unknown = len(unknown)
    figures.unknown_accepted = sum(bool(times[row.identity]) for row in unknown)
    figures.failed, figures.skipped = states["failed"], states["skipped"]
    figures.causes = dict(Counter(r.cause for r in rows if r.state in ("failed", "skipped")))
    figures.unexplained = _blame(unknown, faults)
    figures.unknown_by_fault = _by_kind(faults)
    figures.longest_pause = _longest_pause([when for when, _id in accepted], faults)
    refused = sum(times[row.identity] > 0 for row in rows if row.state in ("failed", "skipped"))
    strangers = len(times.keys() - {row.identity for row in rows})
    unfinished = sum(states[state] for state in states if state not in final)
    figures.problems = [
        text
        for wrong, text in (
            (figures.lost, f"{figures.lost} mails are lost"),
            (figures.duplicates, f"{figures.duplicates} mails came twice"),
            (figures.unknown > len(faults), "more unknown mails than faults"),
            (figures.unexplained, f"{figures.unexplained} mails are unknown without a fault"),
            (refused, f"{refused} mails were accepted and count as not sent"),
            (strangers, f"{strangers} mails were accepted that the database does not know"),
            (unfinished, f"{unfinished} mails are still queued or being sent"),
            (
                figures.longest_pause > LONGEST_PAUSE,
                f"nothing was sent for {figures.longest_pause:.0f} s after something was killed",
            ),
        )
        if wrong
    ]
    return figures


def _blame(unknown: list[Row], faults: list[Fault]) -> int:
    """Give each unknown mail to the fault that did it; returns how many none can have done."""
    unexplained = 0
    for row in sorted(unknown, key=lambda row: row.handed_at or 0):
        handed = row.handed_at or 0
        possible = [
            fault
            for fault in faults
            if fault.unknown < fault.bound
            and fault.at - HAND_OVER <= handed <= (fault.over or fault.at) + HAND_OVER
        ]
        if not possible:
            unexplained += 1
            continue
        # One that was over when it was handed over is the least likely.
        min(possible, key=lambda fault: abs(fault.at - handed)).unknown += 1
    return unexplained


def _by_kind(faults: list[Fault]) -> dict[str, str]:
    times, unknown = Counter(f.kind for f in faults), Counter[str]()
    for fault in faults:
        unknown[fault.kind] += fault.unknown
    return {kind: f"{unknown[kind]} of {times[kind]} times" for kind in times}


def _longest_pause(accepted: list[float], faults: list[Fault]) -> float:
    """From when something was killed to the next mail, at its longest."""
    pauses, position = [0.0], 0
    ordered = sorted(accepted)
    for fault in sorted((f for f in faults if f.kills), key=lambda fault: fault.at):
        while position < len(ordered) and ordered[position] <= fault.at:
            position += 1
        if position == len(ordered):
            break  # there was nothing left to send
        pauses.append(ordered[position] - fault.at)
    return max(pauses)
