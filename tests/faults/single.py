"""One fault at a time, held against what must come of it.

    python -m tests.faults.single NAME | all | list

Prints a line for the table in docs/reliability.md; exits with 1 if it came differently.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from tests.faults import single_machine, single_mail, single_processes
from tests.faults.own_servers import CannotBeShown
from tests.faults.scenario import Scenario
from tests.faults.server import ROOT

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for module in (single_mail, single_processes, single_machine)
    for scenario in module.scenarios
}

#: Seconds for one of them.
PATIENCE = 300


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.single", description="Break one thing and look at it."
    )
    parser.add_argument("name", choices=[*SCENARIOS, "all", "list"], metavar="NAME | all | list")
    parser.add_argument("--log", type=Path, help="keep what the clusters said in this file")
    given = parser.parse_args()
    if given.name == "list":
        for scenario in SCENARIOS.values():
            print(f"{scenario.name:24} {scenario.done}: {scenario.expected}")
        return 0
    if given.name == "all":
        return max(_in_a_process(name) for name in SCENARIOS)
    return _show(SCENARIOS[given.name], given.log)


def _show(scenario: Scenario, log: Path | None) -> int:
    began = time.monotonic()
    try:
        seen, code = scenario.play(log), 0
    except CannotBeShown as error:
        seen, code = f"not shown: {error}", 0
    except AssertionError as error:
        seen, code = f"**{error}**", 1
    seconds = time.monotonic() - began
    print(f"| {scenario.done} | {scenario.expected} | {seen} | {seconds:.0f} s |", flush=True)
    return code


def _in_a_process(name: str) -> int:
    """Django's settings are read once in a process."""
    command = [sys.executable, "-m", "tests.faults.single", name]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)
    try:
        return min(process.wait(PATIENCE), 1)
    except subprocess.TimeoutExpired:
        print(f"| {name} | | **not over within {PATIENCE} seconds** | |")
        return 1
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
