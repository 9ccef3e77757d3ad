import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], timeout: float = 30, message: str = "") -> T:
    """Ask ``condition`` until its answer is true, and return that answer.

    Fails after ``timeout`` seconds, saying ``message`` and the last answer.
    """
    end = time.monotonic() + timeout
    while not (answer := condition()):
        if time.monotonic() > end:
            raise AssertionError(
                f"{message or 'What was waited for'}: not within {timeout:g} seconds; "
                f"the last answer was {answer!r}."
            )
        time.sleep(0.05)
    return answer
