"""Telling queued listeners here and now, instead of in the cluster."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, TypeVar, overload

from django.utils import timezone

from automation.events import delivering
from automation.events.declared import why_never_run
from automation.events.models import ListenerCall
from automation.events.states import State

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Drained:
    """How many calls of queued listeners succeeded (``told``), raised and are tried again later
    (``postponed``), and ended for good without success (``ended``). Their errors are on the rows
    of *Calls of listeners*."""

    told: int = 0
    postponed: int = 0
    ended: int = 0

    if not TYPE_CHECKING:  # which say so themselves

        def __call__(self, *args, **kwargs):
            raise TypeError("Write @drain without parentheses: drain() calls the listeners now.")


@overload
def drain() -> Drained: ...
@overload
def drain(function: Callable[P, R]) -> Callable[P, R]: ...
def drain(function: Callable[P, R] | None = None) -> Drained | Callable[P, R]:
    """Call queued listeners with every recorded event that waits for them now, in this process,
    until nothing is due; also what they record themselves. Mails and webhooks stay where they
    are. Safe beside a running cluster: each call is claimed by one of them.

    As a decorator it does so after each call of ``function`` that did not raise, and returns
    what that returned. Raises ``TypeError`` for an asynchronous one and a generator.
    """
    if function is None:
        return _drain()
    if not callable(function) or why_never_run(function):
        raise TypeError("drain decorates functions that are neither asynchronous nor generators.")

    @functools.wraps(function)
    def drained(*args: P.args, **kwargs: P.kwargs) -> R:
        result = function(*args, **kwargs)
        _drain()
        return result

    return drained


def _drain() -> Drained:
    ListenerCall.objects.sweep(timezone.now())
    counts = delivering.work(ListenerCall, seconds=math.inf, waits=False).counts
    told, later = counts[State.SENT], counts["later"] + counts["waiting"]
    return Drained(told, later, counts.total() - told - later)
