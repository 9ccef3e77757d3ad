"""Listeners that write down what they hear, in the file that the environment names."""

import os
import signal
from pathlib import Path
from typing import Any

from automation.events import Event, Listener, listen, register


@listen("tests_listening_.*", queue=True)
def write_down(event: Event) -> None:
    with Path(os.environ["HEARD"]).open("a") as heard:
        heard.write(f"{event.key}\n")


@listen("tests_listening_killer", queue=True)
def kill_the_worker_once(event: Event) -> None:
    """The process is gone before it can say what became of it."""
    trace = Path(os.environ["HEARD"]).with_suffix(".killed")
    if not trace.exists():
        trace.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    trace.write_text("and told again")


@register
class Noting(Listener):
    listens_for = ["tests_noting"]
    queue = True

    def handle(self, event: Event, *args: Any, **kwargs: Any) -> None:
        with Path(os.environ["HEARD"]).open("a") as heard:
            heard.write(f"noted:{event.key}\n")
