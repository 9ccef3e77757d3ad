"""Rows that are created, updated and deleted, as events in this process.

Nothing is kept between what happens before a save and after it: saves may be nested, and
may fail.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save
from django.dispatch import Signal

from automation.events.declared import is_proxy_of, model_of, with_proxies
from automation.events.dispatch import dispatch
from automation.events.event import Event
from automation.rules.keys import key_text

if TYPE_CHECKING:
    from django.db.models.options import Options

#: What happens to rows, in the order in which it does.
HAPPENINGS = ("creating", "created", "updating", "updated", "deleting", "deleted")

_registered: set[type[Model]] = set()


class ModelEvent(Event):
    """Something that happens to a row, told in the process where it does, and not recorded.

    ``row_model`` and ``row_pk`` name the row; ``using`` is the alias of its database, and
    ``update_fields`` what ``save`` was limited to, None if it was not.
    """

    def __init__(
        self,
        model: type[Model],
        happening: str,
        instance: Model,
        using: str,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        key = _given_key(instance, model._meta)
        super().__init__(
            event_name(model, happening),
            row_model=model._meta.label_lower,
            row_pk="" if key is None else key_text(key),
        )
        self.using = using
        self.update_fields = update_fields


def event_name(model: type[Model], happening: str) -> str:
    """``events::db::shop::models::Example::created``"""
    module = model.__module__.replace(".", "::")
    return f"events::db::{module}::{model.__name__}::{happening}"


def register_signals_for(*models: type[Model] | str) -> None:
    """Let what happens to rows of ``models`` be dispatched as events, with the row as argument:
    ``events::db::shop::models::Example::creating`` for ``shop.models.Example``, and
    ``…::created``, ``…::updating``, ``…::updated``, ``…::deleting``, ``…::deleted``.

    Doing it again changes nothing. Rows that are saved or deleted through a proxy of a model are
    rows of it. Loading fixtures makes no events. Raises ``ImproperlyConfigured`` for what is no
    model, or one for whose rows Django sends no signals.
    """
    # All of them are looked at first: either all are registered or none.
    for model in [model_for_signals(given, "register_signals_for") for given in models]:
        _connect(model)


def model_for_signals(given: type[Model] | str, who: str) -> type[Model]:
    """The model that is meant. Raises ``ImproperlyConfigured`` as ``model_of`` does, and for the
    table of a many-to-many field."""
    model = model_of(given, who)
    if model._meta.auto_created:
        raise ImproperlyConfigured(
            f"{who}: Django makes the rows of {model._meta.label} by itself and sends no signals "
            "for them. Use from_signal(m2m_changed, …)."
        )
    return model


@contextmanager
def registered() -> Iterator[None]:
    """For tests: what is registered inside is gone after it."""
    before = set(_registered)
    try:
        yield
    finally:
        for model in _registered - before:
            _disconnect(model)
        for model in before:  # it may share a proxy with one that is gone
            _connect(model)


def _connect(model: type[Model]) -> None:
    _registered.add(model)
    for sender in with_proxies(model):
        for signal, receiver in _receivers():
            signal.connect(receiver, sender=sender)


def _disconnect(model: type[Model]) -> None:
    _registered.discard(model)
    for sender in with_proxies(model):
        for signal, receiver in _receivers():
            signal.disconnect(receiver, sender=sender)


def _receivers() -> list[tuple[Signal, Callable[..., None]]]:
    return [
        (pre_save, _before_save),
        (post_save, _after_save),
        (pre_delete, _before_delete),
        (post_delete, _after_delete),
    ]


def _before_save(
    sender: type[Model], instance: Model, raw: bool, using: str, update_fields: Any, **kwargs: Any
) -> None:
    if raw:
        return
    happening = "creating" if is_created(instance, using, update_fields) else "updating"
    _tell(sender, happening, instance, using, update_fields)


def _after_save(
    sender: type[Model],
    instance: Model,
    created: bool,
    raw: bool,
    using: str,
    update_fields: Any,
    **kwargs: Any,
) -> None:
    if not raw:
        _tell(sender, "created" if created else "updated", instance, using, update_fields)


def _before_delete(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    _tell(sender, "deleting", instance, using)


def _after_delete(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    _tell(sender, "deleted", instance, using)


def _tell(
    sender: type[Model], happening: str, instance: Model, using: str, update_fields: Any = None
) -> None:
    for model in _told_of(sender):
        dispatch(ModelEvent(model, happening, instance, using, update_fields), instance)


def _told_of(sender: type[Model]) -> list[type[Model]]:
    """The registered models whose rows those of ``sender`` are."""
    return [
        model
        for model in sender.__mro__
        if model in _registered and (model is sender or is_proxy_of(sender, model))
    ]


# Created or updated -----------------------------------------------------------------------------


def is_created(instance: Model, using: str, update_fields: Iterable[str] | None) -> bool:
    """Whether saving ``instance`` now inserts a row, as Django will decide it. One query if it
    is new and has a key that no default gave it: only the database knows whether that row is
    there. What ``save(force_update=True)`` was told nobody is told before the save."""
    if update_fields is not None:
        return False
    meta = _concrete(instance)
    key = _key(instance, meta)
    if not instance._state.adding:
        return key is None
    if key is None or _is_inserted_unasked(meta):
        return True
    rows = meta.model._base_manager.using(using)
    try:
        return not rows.filter(pk=key).exists()
    except (TypeError, ValueError):
        return True  # No key of this model: the save says so.


def _concrete(instance: Model) -> "Options[Any]":
    model = instance._meta.concrete_model
    assert model is not None  # only abstract models have none, and no instances
    return model._meta


def _key(instance: Model, meta: "Options[Any]") -> Any:
    """The primary key that the row will be looked for by; None if it has none yet. A row of a
    child model has that of its parent."""
    given = _given_key(instance, meta)
    if given is not None:
        return given
    for parent, link in meta.parents.items():
        if link is meta.pk:
            return _key(instance, parent._meta)
    return None


def _given_key(instance: Model, meta: "Options[Any]") -> Any:
    key = instance._get_pk_val(meta)
    is_incomplete = isinstance(key, tuple) and None in key  # one of several columns
    return None if is_incomplete else key


def _is_inserted_unasked(meta: "Options[Any]") -> bool:
    """Whether Django inserts a new row without trying to update it first: where keys come from
    a default, as UUIDs mostly do, also if one was given."""
    own = all(field.has_default() or field.has_db_default() for field in meta.pk_fields)
    return own or any(_is_inserted_unasked(parent._meta) for parent in meta.parents)
