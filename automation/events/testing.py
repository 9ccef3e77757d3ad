"""For tests: what is raised while something is done, and whether that is what was expected.

Both hear what is dispatched and what is recorded in this process, in whatever thread, at the
moment when it is written: also inside the transaction of a test, and also if the transaction is
rolled back later. What other processes do, such as a cluster's, they do not hear.
"""

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, Self, TypeVar, overload

from automation.events import watching
from automation.events.dispatch import Pattern
from automation.events.event import Event
from automation.events.expecting import Expected, missing, unwanted
from automation.events.watching import Raised

__all__ = ["expect", "expect_nothing", "capture_events", "Raised"]

# unittest leaves the frames of such a module out of what it shows of a failure.
__unittest = True

#: What a test of a class can be.
_METHODS = (FunctionType, staticmethod, classmethod)

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class _Watching(ABC):
    """A context manager; as a decorator it is around a function, or around each test of a
    class."""

    def __init__(self, *, call_listeners: bool = True) -> None:
        self.call_listeners = call_listeners
        self._start()

    def _start(self) -> None:
        self._raised: list[Raised] = []
        self._known: list[Event] = []

    def note(self, raised: Raised) -> None:
        self._raised.append(raised)

    def note_known(self, event: Event) -> None:
        self._known.append(event)

    @abstractmethod
    def silences(self, raised: Raised) -> bool: ...

    @abstractmethod
    def _again(self) -> Self:
        """What watches one call of a decorated function."""

    def _end(self) -> None:  # noqa: B027 - there need not be anything to say
        """The body came to its end."""

    def __enter__(self) -> Self:
        self._start()
        watching.watch(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        __tracebackhide__ = True  # pytest shows the line of the test
        watching.leave(self)
        if kind is None:
            self._end()

    def __call__(self, decorated: Decorated) -> Decorated:
        if isinstance(decorated, type):
            return self._around_tests(decorated)
        if isinstance(decorated, staticmethod | classmethod):
            around: Any = type(decorated)
            return around(self(decorated.__func__))
        if not callable(decorated) or inspect.isgeneratorfunction(decorated):
            raise TypeError(
                f"{type(self).__name__}() decorates test functions, methods and classes of tests, "
                f"and {decorated!r} is none. Write `with {type(self).__name__}(...):` inside."
            )
        if inspect.iscoroutinefunction(decorated):

            @functools.wraps(decorated)
            async def watched(*args: Any, **kwargs: Any) -> Any:
                __tracebackhide__ = True
                with self._again():
                    return await decorated(*args, **kwargs)

        else:

            @functools.wraps(decorated)
            def watched(*args: Any, **kwargs: Any) -> Any:
                __tracebackhide__ = True
                with self._again():
                    return decorated(*args, **kwargs)

        return watched  # type: ignore[return-value]

    def _around_tests(self, tests: Any) -> Any:
        for name in dir(tests):
            method: Any = inspect.getattr_static(tests, name)
            if name.startswith("test") and issubclass(type(method), _METHODS):
                setattr(tests, name, self(method))
        return tests


class expect(_Watching):
    """Fails with an ``AssertionError`` unless each of ``events`` is raised inside.

    An event is named as for ``listen``: a text is a regular expression for the whole group, a
    compiled one may match anywhere in it, a subclass of ``Event`` stands for its group. Of an
    ``Event`` everything that it gives must be so: its group, its key, each value of its context,
    and what its class keeps on it besides.

    With ``count`` each is raised just so often (0: not at all), with ``nothing_else`` no other
    event is. With ``call_listeners=False`` no listener is told of those that are expected, and
    none is queued. What the body raises comes through as it is. Raises ``ValueError`` or
    ``TypeError`` for what names no event.
    """

    def __init__(
        self,
        *events: Pattern | Event,
        count: int | None = None,
        nothing_else: bool = False,
        call_listeners: bool = True,
    ) -> None:
        if not events and not nothing_else:
            raise ValueError(
                "Say what is expected, as expect('order_paid'); nothing at all is expect_nothing()."
            )
        if count is not None and (isinstance(count, bool) or not isinstance(count, int)):
            raise TypeError(f"count is {count!r}; write how often it is raised, as a number.")
        if count is not None and (count < 0 or not events):
            raise ValueError("count says how often the expected events are raised: 0 or more.")
        self.events, self.count, self.nothing_else = events, count, nothing_else
        self._expected = [Expected(each) for each in events]
        super().__init__(call_listeners=call_listeners)

    def silences(self, raised: Raised) -> bool:
        return not self.call_listeners and any(e.matches(raised.event) for e in self._expected)

    def _again(self) -> Self:
        return type(self)(
            *self.events,
            count=self.count,
            nothing_else=self.nothing_else,
            call_listeners=self.call_listeners,
        )

    def _end(self) -> None:
        __tracebackhide__ = True
        said = missing(self._expected, self.count, self._raised, self._known)
        if self.nothing_else and not said:
            said = unwanted(self._expected, self._raised)
        if said:
            raise AssertionError(said)


def expect_nothing(*, call_listeners: bool = True) -> expect:
    """Fails with an ``AssertionError`` if any event is raised inside."""
    return expect(nothing_else=True, call_listeners=call_listeners)


class capture_events(_Watching, Sequence[Raised]):
    """What is raised inside, in its order; it can be read inside and afterwards. Entered again,
    it begins anew. With ``call_listeners=False`` no listener is called, nor queued."""

    def silences(self, raised: Raised) -> bool:
        return not self.call_listeners

    def _again(self) -> Self:
        return self

    @property
    def recorded(self) -> list[Raised]:
        """Those that were new and were written."""
        return [raised for raised in self._raised if raised.how == "recorded"]

    @property
    def dispatched(self) -> list[Raised]:
        """Those that listeners were called with, and nothing was written."""
        return [raised for raised in self._raised if raised.how == "dispatched"]

    @property
    def known(self) -> list[Event]:
        """What was to be recorded, and was not raised: its key is recorded already."""
        return list(self._known)

    def of(self, event: Pattern | Event) -> list[Raised]:
        """Those that ``expect`` would take for ``event``."""
        expected = Expected(event)
        return [raised for raised in self._raised if expected.matches(raised.event)]

    @overload
    def __getitem__(self, index: int) -> Raised: ...
    @overload
    def __getitem__(self, index: slice) -> list[Raised]: ...
    def __getitem__(self, index: int | slice) -> Raised | list[Raised]:
        return self._raised[index]

    def __len__(self) -> int:
        return len(self._raised)

    def __eq__(self, other: object) -> bool:
        return self._raised == other if isinstance(other, list) else self is other

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<capture_events: {self._raised!r}>"
