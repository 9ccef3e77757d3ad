"""``@register``: what makes a class of ``<app>/listeners.py`` listen or observe."""

from abc import ABC, abstractmethod
from typing import Self, TypeVar

from django.core.exceptions import ImproperlyConfigured


class Registrable(ABC):
    """A class that takes effect once it is registered. Defining it alone does nothing."""

    #: Those that are registered.
    registered: "set[type[Registrable]]" = set()

    @classmethod
    @abstractmethod
    def connect(cls) -> None:
        """Take effect. Doing it again changes nothing. Raises ``ImproperlyConfigured`` for a class
        that cannot work."""

    @classmethod
    def made(cls) -> Self:
        """An instance of it. Raises ``ImproperlyConfigured`` if it needs more than that."""
        try:
            return cls()
        except TypeError as error:
            raise ImproperlyConfigured(
                f"{cls.__module__}.{cls.__qualname__} cannot be made without arguments: {error}."
            ) from error


RegistrableType = TypeVar("RegistrableType", bound=type[Registrable])


def register(registrable: RegistrableType) -> RegistrableType:
    """Class decorator: let this ``Listener`` or ``Observer`` take effect, with an instance of its
    own. Raises ``TypeError`` for anything else, ``ImproperlyConfigured`` for one that cannot
    work."""
    if not (isinstance(registrable, type) and issubclass(registrable, Registrable)):
        raise TypeError(
            f"{registrable!r} is no subclass of Listener or Observer. "
            "A function is registered with @listen(...)."
        )
    registrable.connect()
    Registrable.registered.add(registrable)
    return registrable
