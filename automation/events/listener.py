"""Listeners that are classes."""

import inspect
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.exceptions import ImproperlyConfigured

from automation.events.declared import why_never_run, why_not_told
from automation.events.dispatch import Pattern, listeners
from automation.events.event import Event
from automation.events.registering import Registrable


class Listener(Registrable):
    """What hears all events of ``listens_for``: classes of events, texts and compiled regular
    expressions, as ``listen`` takes them. With ``queue`` recorded events are told to it in the
    cluster. ``@register`` makes it listen, with one instance for the process.
    """

    listens_for: ClassVar[Sequence[Pattern]] = ()
    queue: ClassVar[bool] = False

    #: Queued calls find it by the name of its class.
    IS_NAMED_BY_CLASS: ClassVar[bool] = True

    if TYPE_CHECKING:
        # A listener of one class of events says so, and takes the arguments that it is
        # dispatched with: any signature may override this one.
        def handle(self, *args: Any, **kwargs: Any) -> Any: ...

    else:

        @abstractmethod
        def handle(self, event: Event, *args: Any, **kwargs: Any) -> Any:
            """Called with each event that it hears, then with the arguments of ``dispatch``. What
            it returns or raises is in the answers of ``dispatch``."""

    def __call__(self, event: Event, /, *args: Any, **kwargs: Any) -> Any:
        return self.handle(event, *args, **kwargs)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    @classmethod
    def connect(cls) -> None:
        name = f"{cls.__module__}.{cls.__qualname__}"
        if not cls.listens_for or not isinstance(cls.listens_for, (list, tuple, set, frozenset)):
            raise ImproperlyConfigured(
                f'{name}: write what it listens for as a list, such as ["order_.*"].'
            )
        if inspect.isabstract(cls):
            raise ImproperlyConfigured(f"{name} has no method handle(self, event).")
        if problem := why_never_run(cls.handle):
            raise ImproperlyConfigured(f"{name}.handle {problem}")
        listener = cls.made()
        if problem := why_not_told(listener.handle, cls.queue):
            raise ImproperlyConfigured(f"{name}.handle {problem} Write def handle(self, event).")
        for pattern in cls.listens_for:
            try:
                listeners.add(pattern, listener, cls.queue)
            except (TypeError, ValueError) as error:
                raise ImproperlyConfigured(f"{name}: {error}") from error
