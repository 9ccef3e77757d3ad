"""An event as a value: what happened, before it is recorded."""

import datetime
import hashlib
import uuid
from collections.abc import Mapping
from copy import copy
from dataclasses import FrozenInstanceError, dataclass, field, fields
from functools import cache, wraps
from inspect import get_annotations, isdatadescriptor
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.db.models import Model

from automation.rules import plain
from automation.rules.keys import key_text

if TYPE_CHECKING:
    from automation.events.dispatch import Answer
    from automation.events.recording import Recording

KEY_LENGTH = 255
GROUP_LENGTH = 100
ADDRESS_LENGTH = 320

_TEXTS = ("group", "recipient", "language", "time_zone", "row_model", "row_pk")

#: Where a stored context has what the event brings for a mail.
OWN = "event"


@dataclass(frozen=True, init=False)
class Event:
    """Something that happened: a value, which nothing changes.

    ``group`` decides who cares; ``key`` is unique over all events, ever: the same key is
    recorded once. ``context`` is plain data (see ``automation.rules.plain``).
    ``recipient`` is the address of the person it is about, ``language`` and ``time_zone``
    theirs. ``subject`` and ``text`` are what the event itself brings for a mail, plain text:
    templates know them as ``event.subject`` and ``event.text``. ``row_model``
    (``"shop.cart"``) and ``row_pk`` name the row it came from.

    A subclass names a kind of event: its group is its ``name``, or ``<module>::<class>``
    where it gives none. Its ``__init__`` takes what it is made of; it may pass key, context
    and so on to this one, and keep anything else on itself. Raises ``ValueError`` or
    ``TypeError`` for a ``name`` that no group can have, and ``TypeError`` for another field that
    is written on the class, where it would have no effect. The fields of a dataclass have one.
    """

    group: str = ""
    key: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    recipient: str = ""
    language: str = ""
    time_zone: str = ""
    row_model: str = ""
    row_pk: str = ""
    subject: str = ""
    text: str = ""

    #: The group of a subclass.
    name: ClassVar[str] = ""

    def __init__(
        self,
        group: str = "",
        key: str = "",
        context: Mapping[str, Any] | None = None,
        recipient: str = "",
        language: str = "",
        time_zone: str = "",
        row_model: str = "",
        row_pk: str = "",
        subject: str = "",
        text: str = "",
    ) -> None:
        # Straight into the instance: it is frozen, and events are made by the million.
        values = self.__dict__
        values["group"] = group or type(self).group
        values["key"] = key
        values["context"] = {} if context is None else context
        values["recipient"] = recipient
        values["language"] = language
        values["time_zone"] = time_zone
        values["row_model"] = row_model
        values["row_pk"] = row_pk
        values["subject"] = subject
        values["text"] = text

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """On the class, so that an event has them whose ``__init__`` does not call ours."""
        super().__init_subclass__(**kwargs)
        group = f"{cls.__module__}::{cls.__qualname__}"
        if "name" in cls.__dict__:
            if not isinstance(cls.name, str):
                raise TypeError(f"{cls.__qualname__}: name is {cls.name!r}; it must be a text.")
            try:
                group = stored_group(cls.name)
            except ValueError as error:
                raise ValueError(f"{cls.__qualname__}: {error}") from None
        _make_sure_of_effect(cls, group)
        cls.group = group
        if own := cls.__dict__.get("__post_init__"):

            @wraps(own)
            def with_group(self: Event, *args: Any) -> None:
                Event.__post_init__(self)
                own(self, *args)

            cls.__post_init__ = with_group  # type: ignore[method-assign]

    def __eq__(self, other: object) -> bool:
        """Of the same class, with the same fields and whatever else the class keeps."""
        if not isinstance(other, Event) or type(self) is not type(other):
            return NotImplemented
        return _all_of(self) == _all_of(other)

    def __post_init__(self) -> None:
        """For a subclass that is a dataclass: its ``__init__`` knows the fields only."""
        self.__dict__["group"] = self.__dict__.get("group") or type(self).group

    @property
    def stored_context(self) -> dict[str, Any]:
        """The context as it is stored: with what the event brings for a mail. Raises
        ``TypeError`` for a context that is no mapping, and ``ValueError`` for one whose own
        ``event`` would be lost, or read as what the event brings."""
        if type(self.context) is not dict and not isinstance(self.context, Mapping):
            raise TypeError(
                f"{self.group}: the context is {self.context!r}; it must be a mapping of names "
                'to values, such as {"order": {"number": 7}}.'
            )
        context = dict(self.context)
        if OWN in context and (self.subject or self.text or is_brought(context[OWN])):
            raise ValueError(
                f"{self.group}: the context has a name '{OWN}', which is what the event itself "
                "brings, its subject and text. Give it another name."
            )
        if self.subject or self.text:
            context[OWN] = {"subject": self.subject or "", "text": self.text or ""}
        return context

    def replaced(self, **changed: Any) -> Self:
        """The same event with these fields ``changed``; the rest of a subclass stays."""
        other = copy(self)
        other.__dict__.update(changed)
        return other

    def dispatch(self, /, *args: Any, **kwargs: Any) -> "list[Answer]":
        """Call every listener that hears this event now, in this process; nothing is recorded.
        They are called with the event, then with the arguments. See ``dispatch``."""
        from automation.events.dispatch import dispatch

        if not isinstance(self, Event):
            raise TypeError("Make the event first: dispatch() is called on an instance of it.")
        return dispatch(self, *args, **kwargs)

    def record(self, *, now: datetime.datetime | None = None) -> "Recording":
        """Record the event, unless its key is recorded already. See ``record``."""
        from automation.events.recording import record

        return record([self], now=now)


def _all_of(event: Event) -> dict[str, Any]:
    """Its fields, also those that its ``__init__`` did not set, and what it keeps besides."""
    return {name: getattr(event, name) for name in _FIELDS} | vars(event)


_FIELDS = tuple(each.name for each in fields(Event))


def _make_sure_of_effect(kind: type[Event], group: str) -> None:
    """Raise ``TypeError`` for what looks as if it were told to the events of a class, and is not:
    a plain attribute is no field. Those of a dataclass are, and a property tells each event's.
    What is annotated may become a dataclass's in a moment: that shows with the first event."""
    annotated = get_annotations(kind)
    for name, value in list(kind.__dict__.items()):
        if wanted := _instead(name, value, group):
            if name != "group" and name in annotated:
                kind.__new__ = _new_if_of_effect  # type: ignore[method-assign,assignment]
            else:
                raise TypeError(f"{kind.__qualname__}: {name} on the class has no effect. {wanted}")


def _instead(name: str, value: Any, group: str) -> str:
    """What to write instead of an attribute of a class; empty if there is nothing wrong with it."""
    if isdatadescriptor(value) or name == "name":
        return ""
    if name == "group":
        return (
            f"Write name = {value!r}: that is the group of a class of events."
            if value != group
            else ""
        )
    if name.lower() == "name":
        return f"Write name = {value!r}, in small letters."
    if name in Event.__dataclass_fields__:
        return f"Write def __init__(self, …): super().__init__({name}=…, …)."
    return ""


def without_effect(kind: type[Event]) -> tuple[str, str] | None:
    """What is wrong with a class that gives a field a default as a dataclass does, and is none,
    and what to do; None if nothing is."""
    if "__dataclass_fields__" in kind.__dict__:
        return None
    for name in get_annotations(kind):
        wanted = name in kind.__dict__ and _instead(name, kind.__dict__[name], kind.group)
        if wanted:
            said = f"the default of {name} has no effect, because the class is no dataclass."
            return said, f"Put @dataclass(frozen=True, kw_only=True) above it, or: {wanted}"
    return None


def _new_if_of_effect(kind: Any, *args: Any, **kwargs: Any) -> Any:
    _make_sure_defaults_have_effect(kind)
    return object.__new__(kind)


@cache
def _make_sure_defaults_have_effect(kind: type) -> None:
    for each in kind.__mro__:
        if each is not Event and issubclass(each, Event) and (found := without_effect(each)):
            raise TypeError(f"{each.__qualname__}: {' '.join(found)}")


def is_brought(found: Any) -> bool:
    """Whether it is what an event brings for a mail, as it is stored in a context."""
    return isinstance(found, dict) and found.keys() == {"subject", "text"}


def stored_text(event: Event) -> str:
    """The context of ``event`` as JSON. Raises ``TypeError`` and ``ValueError`` that name the
    event, and where in its context something stands that is not plain data."""
    context = event.stored_context
    try:
        return plain.dumps(context)
    except (TypeError, ValueError, RecursionError) as error:
        fault = plain.fault(context, "context") or f"the context cannot be kept: {error}."
        raise TypeError(f"{event.group} ({event.key}): {fault}") from error


_refuse = Event.__setattr__


def _refuse_change(self: Event, name: str, value: Any) -> None:
    try:
        _refuse(self, name, value)
    except FrozenInstanceError:
        raise FrozenInstanceError(
            f"{type(self).__qualname__}: an event is a value, whose {name} nothing changes. Pass "
            f"it on in __init__, super().__init__({name}=…), or make another: "
            f"event.replaced({name}=…)."
        ) from None


Event.__setattr__ = _refuse_change  # type: ignore[method-assign,assignment]  # says what to do
# What an event has whose class does not call ``Event.__init__``; nothing can be put into it.
Event.context = MappingProxyType({})


def event(
    group: str | type[Event],
    instance: Model | int | str | uuid.UUID,
    context: Mapping[str, Any] | None = None,
    **rest: Any,
) -> Event:
    """The event of ``group`` that happens once for ``instance``, a saved row or what names one:
    its key is ``<group>:<primary key>``. Of a row the event also says which it was. ``rest``
    are further fields of ``Event``. Raises ``ValueError`` for a row that has no key yet and for
    an empty name."""
    group = name_of(group)
    if isinstance(instance, Model):
        if instance.pk is None:
            raise ValueError(f"{group}: {instance!r} has no key: it is not saved yet, or deleted.")
        named = key_text(instance.pk)
        rest = {"row_model": instance._meta.label_lower, "row_pk": named, **rest}
    else:
        named = "" if instance is None else key_text(instance)
        if not named:
            raise ValueError(f"{group}: what the event is about has no name.")
    return Event(group, f"{group}:{named}", context, **rest)


def name_of(event: str | type[Event]) -> str:
    """The group that is meant by a name or a class of events. Raises ``TypeError`` for what is
    neither."""
    if isinstance(event, str):
        return event
    if isinstance(event, type) and issubclass(event, Event) and event is not Event:
        return event.group
    raise TypeError(f"{event!r} is no name of an event and no subclass of Event.")


def stored_event(event: Event) -> Event:
    """``event`` as it is stored, with everything cleaned that no database can hold. A
    recipient that is longer than any address is none. Raises ``ValueError`` as
    ``stored_key`` and ``stored_group`` do, and ``TypeError`` for what is no event or gives
    something else where a text must be."""
    try:
        stored: dict[str, Any] = {
            "key": stored_key(event.key),
            "group": stored_group(event.group),
            "recipient": stored_address(event.recipient or ""),
            "language": plain.text(event.language or "")[:20],
            "time_zone": plain.text(event.time_zone or "")[:50],
            "row_model": plain.text(event.row_model or "")[:100],
            "row_pk": plain.text(event.row_pk or "")[:255],
        }
    except (TypeError, AttributeError, ValueError) as error:
        if isinstance(event, Event) and isinstance(error, ValueError):
            raise ValueError(_unfit(event, error)) from None
        raise _misuse(event) from error
    # Nearly always nothing has to change, and a copy would cost more than all the rest.
    changed = {name: text for name, text in stored.items() if text != getattr(event, name)}
    return event.replaced(**changed) if changed else event


def _unfit(event: Event, error: ValueError) -> str:
    """What is wrong with the key or the group of an event, and with which event."""
    if not event.key:
        return f"{event.group or type(event).__name__}: {error}"
    named = " Give the class a name: name = …" if type(event) is not Event else ""
    return f"{error}{named}"


def _misuse(event: Any) -> TypeError:
    """What is wrong with something that cannot be recorded."""
    if not isinstance(event, Event):
        meant = " Make the event first." if isinstance(event, type) else ""
        return TypeError(f"Only events can be recorded, and {event!r} is none.{meant}")
    found = {name: getattr(event, name) for name in ("key", *_TEXTS)}
    wrong = {name: value for name, value in found.items() if not isinstance(value, str)}
    said = "; ".join(f"{name} is {value!r}" for name, value in wrong.items() if value is not None)
    return TypeError(f"{event.group}: {said}. It must be a text.")


def stored_address(address: str) -> str:
    return plain.text(address) if len(address) <= ADDRESS_LENGTH else ""


def stored_key(key: str) -> str:
    """``key`` as it is stored: a longer one than the column is cut and ends in its SHA-256,
    so that it is still unique. Raises ``ValueError`` for an empty one."""
    if not key:
        raise ValueError("An event needs a key: it is what makes it happen only once.")
    key = plain.text(key)
    if len(key) <= KEY_LENGTH:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"{key[: KEY_LENGTH - len(digest) - 1]}:{digest}"


def stored_group(group: str) -> str:
    """``group`` as it is stored. Raises ``ValueError`` if it is empty or too long."""
    group = plain.text(group).strip()
    if not group or len(group) > GROUP_LENGTH:
        named = f": {group[:200]}." if group else "."
        raise ValueError(
            f"An event's group has 1 to {GROUP_LENGTH} characters; this one has {len(group)}{named}"
        )
    return group
