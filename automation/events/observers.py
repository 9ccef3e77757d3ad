"""Observers: classes whose methods are called when rows change."""

import inspect
import re
from collections.abc import Sequence
from typing import Any, ClassVar

from django.core.exceptions import ImproperlyConfigured
from django.db import router
from django.db.models import Model

from automation.events.declared import dotted_name, is_asynchronous, is_proxy_of, nearest, unharmed
from automation.events.dispatch import listeners
from automation.events.event import Event
from automation.events.model_signals import (
    HAPPENINGS,
    ModelEvent,
    event_name,
    model_for_signals,
    register_signals_for,
)
from automation.events.registering import Registrable

#: A model, or what names one.
Observed = type[Model] | str


class Observer(Registrable):
    """What follows the rows of ``observes``: a model, its name as ``"app.Model"``, or a list of
    them. ``@register`` makes it do so, with an instance of its own. It overrides the methods that
    it needs.

    They are called in the process that saves or deletes, within the transaction if there is one,
    with the event (a ``ModelEvent``) and the row. An error in one is logged, what it wrote in the
    transaction is undone, and the save goes on. Nothing is recorded, and nothing called for what
    Django sends no signals for: ``bulk_create``, ``bulk_update``, ``QuerySet.update`` and raw SQL.
    """

    observes: ClassVar[Observed | Sequence[Observed]] = ()

    def creating(self, event: ModelEvent, instance: Any) -> Any:
        """Before a row is inserted; what is set on it is saved."""

    def created(self, event: ModelEvent, instance: Any) -> Any:
        """After a row was inserted."""

    def updating(self, event: ModelEvent, instance: Any) -> Any:
        """Before a row is saved that was there; what is set on it is saved."""

    def updated(self, event: ModelEvent, instance: Any) -> Any:
        """After a row was saved that was there before."""

    def deleting(self, event: ModelEvent, instance: Any) -> Any:
        """Before a row is deleted."""

    def deleted(self, event: ModelEvent, instance: Any) -> Any:
        """After a row was deleted; it still has its primary key."""

    @classmethod
    def connect(cls) -> None:
        models = cls._models()
        overridden = [name for name in HAPPENINGS if getattr(cls, name) is not _of_base(name)]
        if not overridden:
            raise ImproperlyConfigured(f"{dotted_name(cls)} has none of the methods {_names(cls)}")
        observer = cls.made()
        methods = [ObserverMethod(observer, name) for name in overridden]
        for method in methods:
            method.validate()
        register_signals_for(*models)
        for model in models:
            for method in methods:
                listeners.add(re.escape(event_name(model, method.name)), method)

    @classmethod
    def mistyped(cls) -> dict[str, str]:
        """Methods that could be called with an event and a row, and what their names nearly
        are."""
        near = {
            name: nearest(name, list(HAPPENINGS), cutoff=0.8)
            for name in _own_names(cls)
            if name not in HAPPENINGS and _takes_event_and_row(getattr(cls, name), None)
        }
        return {name: meant for name, meant in near.items() if meant}

    @classmethod
    def _models(cls) -> list[type[Model]]:
        given = cls.observes
        several = [given] if isinstance(given, str | type) else given
        if not isinstance(several, Sequence | set | frozenset) or not several:
            raise ImproperlyConfigured(
                f"{dotted_name(cls)}: write what it observes, such as observes = Order or "
                'observes = ["shop.Order"].'
            )
        models = list(dict.fromkeys(model_for_signals(each, dotted_name(cls)) for each in several))
        # Rows of a proxy are rows of its model: it hears of them once.
        return [m for m in models if not any(is_proxy_of(m, other) for other in models)]


class ObserverMethod:
    """A method of an observer as a listener: what it fails at leaves the transaction unharmed."""

    def __init__(self, observer: Observer, name: str) -> None:
        self.observer = observer
        self.name = name
        self.__module__ = type(observer).__module__
        self.__qualname__ = f"{type(observer).__qualname__}.{name}"

    def __call__(self, event: Event, instance: Model) -> Any:
        if isinstance(event, ModelEvent):
            database = event.using
        else:  # an event of the same name that somebody has dispatched
            database = router.db_for_write(type(instance), instance=instance)
        with unharmed(database):
            return self.method(event, instance)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObserverMethod) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    def __repr__(self) -> str:
        return f"<{dotted_name(self)}>"

    @property
    def _identity(self) -> tuple[type[Observer], str]:
        return type(self.observer), self.name

    @property
    def method(self) -> Any:
        return getattr(self.observer, self.name)

    def validate(self) -> None:
        """Raise ``ImproperlyConfigured`` if it could never be called."""
        if is_asynchronous(self.method):
            raise ImproperlyConfigured(
                f"{dotted_name(self)} is asynchronous, and nobody would wait for it. Call what is "
                "asynchronous through asgiref.sync.async_to_sync."
            )
        if not _takes_event_and_row(self.method):
            raise ImproperlyConfigured(
                f"{dotted_name(self)} is called with the event and the row: write "
                f"def {self.name}(self, event, instance)."
            )


def _of_base(name: str) -> Any:
    return getattr(Observer, name)


def _takes_event_and_row(method: Any, *before: Any) -> bool:
    try:
        inspect.signature(method).bind(*before, None, None)
    except (TypeError, ValueError):  # it takes something else, or is no function
        return False
    return True


def _own_names(cls: type[Observer]) -> list[str]:
    own = [name for base in cls.__mro__ for name in vars(base) if base not in Observer.__mro__]
    return [name for name in own if not name.startswith("_")]


def _names(cls: type[Observer]) -> str:
    """The methods there are, and what a mistyped one may have meant."""
    near = {name: nearest(name, list(HAPPENINGS)) for name in _own_names(cls)}
    hints = [f" Did you mean '{meant}' with '{name}'?" for name, meant in near.items() if meant]
    return f"{', '.join(HAPPENINGS[:-1])} and {HAPPENINGS[-1]}.{''.join(hints)}"
