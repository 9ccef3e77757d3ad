"""``python -m tests.faults --help``."""

import argparse
import random
import signal
import sys
from pathlib import Path
from typing import Any

from tests.faults.apps import WAYS_TO_BREAK
from tests.faults.run import Run
from tests.faults.scene import scene


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description="Break things while mails go out, and count."
    )
    parser.add_argument("--mails", type=int, default=20_000)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--broker", choices=["orm", "redis"], default="orm")
    parser.add_argument("--seed", type=int, help="the same faults in the same order")
    parser.add_argument("--only", default="", metavar="WORDS",
                        help="only kinds of fault with these words in their name")  # fmt: skip
    parser.add_argument("--workers", type=int, default=2, help="of each cluster")
    parser.add_argument("--clusters", type=int, default=1)
    parser.add_argument("--command", default="", help="qcluster or run_cluster")
    parser.add_argument("--patience", type=float, default=3600, help="seconds for all of it")
    parser.add_argument("--break", dest="wrong", choices=sorted(WAYS_TO_BREAK),
                        help="make delivery wrong on purpose: the test must find it")  # fmt: skip
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--markdown", action="store_true", help="print a line of the table")
    parser.add_argument("--log", type=Path, help="keep what the clusters said in this file")
    given = parser.parse_args()
    # An end that is asked for is one with everything put away.
    signal.signal(signal.SIGTERM, lambda *_signal: sys.exit(143))
    seed = given.seed if given.seed is not None else random.randrange(10_000)
    environment = {"CLUSTER_WORKERS": str(given.workers), "FAULTS_BREAK": given.wrong or ""}
    with scene(given.database, given.broker, **environment) as made:
        run = Run(
            made, given.mails, given.faults, seed, given.clusters, given.command, given.only,
            given.patience,
        )  # fmt: skip
        try:
            figures = run()
        finally:
            if given.log:
                given.log.write_text("\n".join(cluster.log() for cluster in made.clusters))
    _say(figures, given)
    return 1 if figures.problems else 0


def _say(figures: Any, given: Any) -> None:
    print(figures.as_text())
    if given.markdown:
        print(figures.as_row())
    if given.json:
        given.json.write_text(figures.as_json())
    if given.wrong:
        print(f"Delivery was made wrong on purpose: {given.wrong}.")


if __name__ == "__main__":
    sys.exit(main())
