"""The chains that code declares, by their types; ``<app>/chains.py`` is found by itself."""

import datetime
import difflib
import functools
import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured

from automation.chains.code import Transition, UnknownChain
from automation.chains.graph import Way, loop_without_delay, reachable
from automation.chains.names import DONE, NAME_LENGTH, NEW

if TYPE_CHECKING:
    from automation.chains.runs import ChainRun

#: Called with the transition that was taken, and the arguments for callbacks.
Callback = Callable[..., Any]
#: What transitions know from the beginning, or a function that says it of a run.
InitialContext = Mapping[str, Any] | Callable[["ChainRun"], Mapping[str, Any]]


@dataclass(frozen=True)
class CodeChain:
    """A chain as code declares it. See ``register``."""

    name: str
    transitions: Mapping[str, tuple[type[Transition], ...]]
    callback: Callback | None = None
    initial_context: InitialContext | None = None
    look_every: datetime.timedelta | None = None

    @property
    def states(self) -> list[str]:
        """NEW, its own ones in their order, DONE."""
        return [NEW, *(state for state in self.transitions if state not in (NEW, DONE)), DONE]

    @property
    def ways(self) -> list[Way]:
        return [
            Way(name_of(each), state, each.final_state, takes_time(each))
            for state, leading in self.transitions.items()
            for each in leading
        ]

    def context_for(self, run: "ChainRun") -> Mapping[str, Any]:
        given = self.initial_context
        return (given(run) if callable(given) else given) or {}


class Registry:
    def __init__(self) -> None:
        self._chains: dict[str, CodeChain] = {}

    def add(self, chain: CodeChain) -> None:
        """Raises ``ImproperlyConfigured`` with everything that is wrong with ``chain``."""
        wrong = [*_problems(chain)]
        if chain.name in self._chains:
            wrong.insert(0, "There is a chain of this type already. Give it another name.")
        if wrong:
            raise ImproperlyConfigured(f"The chain {chain.name!r}: {' '.join(wrong)}")
        self._chains[chain.name] = chain

    def get(self, name: str) -> CodeChain:
        """Raises ``UnknownChain``."""
        if name not in self._chains:
            near = difflib.get_close_matches(str(name), self._chains, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else (
                "Declare it with chains.register(…) in an app's chains.py."
            )  # fmt: skip
            raise UnknownChain(f"There is no chain of the type {name!r}. {hint}")
        return self._chains[name]

    def remove(self, name: str) -> None:
        """Forget a chain, so that another one can have its name. Its runs stay where they are."""
        self._chains.pop(name, None)

    @property
    def names(self) -> list[str]:
        return list(self._chains)

    @property
    def automatic(self) -> list[CodeChain]:
        """Those whose runs the cluster executes."""
        return [chain for chain in self if chain.look_every is not None]

    def __iter__(self) -> Iterator[CodeChain]:
        return iter(list(self._chains.values()))

    @contextmanager
    def registered(self) -> Iterator[None]:
        before = dict(self._chains)
        try:
            yield
        finally:
            self._chains = before


code_chains = Registry()


def register(
    chain_type: str,
    transitions: Mapping[str, Sequence[type[Transition]]],
    *,
    callback: Callback | None = None,
    initial_context: InitialContext | None = None,
    look_every: datetime.timedelta | None = None,
) -> CodeChain:
    """Declare the chain ``chain_type``: for each state, from ``NEW`` on, the transitions that lead
    on from there; the first valid one is taken. ``DONE`` need not be named.

    With ``look_every`` the cluster executes its runs, with ``callback`` and ``initial_context``: as
    soon as they are created, after each step when its ``next_update`` has come, and every
    ``look_every`` as long as nothing is valid. Without it they are executed by code alone.

    Raises ``ImproperlyConfigured`` with all that is wrong: a type that is there already, an unknown
    state, one that cannot be reached, a circle that takes no time, a transition without a state
    or without ``is_valid``.
    """
    if not isinstance(transitions, Mapping):
        raise ImproperlyConfigured(
            f"The chain {chain_type!r}: its transitions are a dict, {{NEW: [...], ...}}, and not "
            f"{transitions!r}."
        )
    leading = {
        state: tuple(each) if isinstance(each, list | tuple) else (each,)
        for state, each in transitions.items()
    }
    chain = CodeChain(chain_type, leading, callback, initial_context, look_every)
    code_chains.add(chain)
    return chain


def registered() -> Any:
    """For tests: what is registered inside is gone after it."""
    return code_chains.registered()


def name_of(transition: type[Transition]) -> str:
    return transition.name or transition.__name__


def takes_time(transition: type[Transition]) -> bool:
    """Whether it says when the run is looked at next."""
    return transition.next_update is not None


# What can be wrong -----------------------------------------------------------------------


def _problems(chain: CodeChain) -> Iterator[str]:
    yield from _of_itself(chain)
    wrong = [said for each in _classes(chain) for said in _of_transition(each)]
    yield from wrong
    if not wrong:
        yield from _of_states(chain)


def _of_itself(chain: CodeChain) -> Iterator[str]:
    if not isinstance(chain.name, str) or not 0 < len(chain.name) <= NAME_LENGTH:
        yield f"Its type is a text of 1 to {NAME_LENGTH} characters."
    if chain.callback is not None and not _can_be_called(chain.callback):
        yield f"{chain.callback!r} is no callback: it cannot be called, or only be awaited."
    given = chain.initial_context
    if given is not None and not isinstance(given, Mapping) and not _can_be_called(given):
        yield "Its initial_context is a dict, or a function that is given the run and returns one."
    every = chain.look_every
    if every is not None and not (
        isinstance(every, datetime.timedelta) and every >= datetime.timedelta(minutes=1)
    ):
        yield f"look_every is a timedelta of a minute or more, and not {every!r}."


def _can_be_called(function: Any) -> bool:
    return callable(function) and not inspect.iscoroutinefunction(function)


def _of_transition(each: Any) -> Iterator[str]:
    if not (isinstance(each, type) and issubclass(each, Transition)):
        yield f"{each!r} is no subclass of Transition."
        return
    name = name_of(each)
    if len(name) > NAME_LENGTH:
        yield f"{name}: its name is longer than {NAME_LENGTH} characters."
    if inspect.isabstract(each):
        missing = ", ".join(f"{method}()" for method in sorted(each.__abstractmethods__))
        yield f"{name} does not have {missing}."
    for method in ("is_valid", "build_context", "build_event", "callback"):
        if inspect.iscoroutinefunction(getattr(each, method, None)):
            yield f"{name}: {method}() can only be awaited, and nobody does. Drop the async."
    state = each.final_state
    if not isinstance(state, str) or not state:
        yield f"{name} has no final_state."
    elif len(state) > NAME_LENGTH:
        yield f"{name}: its final_state is longer than {NAME_LENGTH} characters."
    elif state == NEW:
        yield f"{name} leads to NEW, where runs only begin."
    yield from _of_next_update(name, each.next_update)


def _of_next_update(name: str, given: Any) -> Iterator[str]:
    if given is None or isinstance(given, property | functools.cached_property):
        return
    if isinstance(given, datetime.datetime) and given.tzinfo is None:
        yield f"{name}: its next_update has no time zone."
    elif isinstance(given, datetime.timedelta) and given <= datetime.timedelta(0):
        yield f"{name}: its next_update must be later than now."
    elif not isinstance(given, datetime.date | datetime.timedelta):
        yield (
            f"{name}: its next_update is a datetime, a date, a timedelta or a property, and not "
            f"{given!r}."
        )


def _of_states(chain: CodeChain) -> Iterator[str]:
    if not chain.transitions.get(NEW):
        yield "Say what leads on from NEW: every run begins there."
        return
    if chain.transitions.get(DONE):
        yield "Nothing leads on from DONE."
        return
    for way in chain.ways:
        if way.to_state not in chain.transitions and way.to_state != DONE:
            yield (
                f"{way.name} leads to {way.to_state!r}, of which nothing is said. Add "
                f"{way.to_state!r}: [...]."
            )
    reached = reachable(chain.ways)
    for state in chain.states:
        if state not in reached and state != DONE:
            yield f"No transition leads to {state!r}, from NEW on."
    yield from _of_names(chain)
    if circle := loop_without_delay(chain.ways):
        yield (
            f"{' → '.join(circle)} goes round for ever within a moment. Give one of these "
            "transitions a next_update."
        )


def _of_names(chain: CodeChain) -> Iterator[str]:
    twice = set()
    for state, leading in chain.transitions.items():
        for name, count in Counter(map(name_of, leading)).items():
            if count > 1:
                twice.add(name)
                yield f"{name} is there twice, after {state!r}."
    for name, count in Counter(map(name_of, _classes(chain))).items():
        if count > 1 and name not in twice:
            yield f"Two transitions are called {name}."


def _classes(chain: CodeChain) -> list[Any]:
    """What was given as its transitions, each once."""
    found: list[Any] = []
    for leading in chain.transitions.values():
        found += [each for each in leading if each not in found]
    return found
