"""What developers name in declarations: models, and functions that are called in their turn."""

import difflib
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction
from django.db.models import Model

#: What an object is called through.
CALL = "__call__"


def model_of(given: Any, who: str) -> type[Model]:
    """The model that is meant by a class or by ``"app.Model"``. Raises
    ``ImproperlyConfigured``, in the name of ``who`` wants it, for what has no rows of its own."""
    if not apps.models_ready:
        raise ImproperlyConfigured(
            f"{who}: the models are not loaded yet. Do it in <app>/listeners.py, which is imported "
            "when they are."
        )
    model = _model_named(given, who) if isinstance(given, str) else given
    if not (isinstance(model, type) and issubclass(model, Model) and model is not Model):
        raise ImproperlyConfigured(
            f'{who}: {given!r} is no model. Give a model class, or its name as "app.Model".'
        )
    if model._meta.abstract:
        raise ImproperlyConfigured(
            f"{who}: {dotted_name(model)} is abstract and has no rows. Name the models that derive "
            "from it."
        )
    if model._meta.swapped:
        raise ImproperlyConfigured(
            f"{who}: {model._meta.label} is not used in this project, which has "
            f"{model._meta.swapped} in its place. Name that one."
        )
    return model


def _model_named(name: str, who: str) -> type[Model]:
    try:
        return apps.get_model(name)
    except (LookupError, ValueError):
        models = apps.get_models(include_auto_created=True)
        near = nearest(name, [model._meta.label for model in models])
        hint = f" Did you mean '{near}'?" if near else ' Write it as "app.Model".'
        raise ImproperlyConfigured(f"{who}: there is no model '{name}'.{hint}") from None


def nearest(name: str, known: list[str], cutoff: float = 0.6) -> str:
    """What of ``known`` a mistyped ``name`` may have meant; empty if nothing is near."""
    by_lower = {each.lower(): each for each in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[found[0]] if found else ""


def with_proxies(model: type[Model]) -> list[type[Model]]:
    """``model`` and the proxies of it: Django's signals name the class that was used."""
    all_models = model._meta.apps.get_models(include_swapped=True)
    return [model, *(each for each in all_models if is_proxy_of(each, model))]


def is_proxy_of(model: type[Model], other: type[Model]) -> bool:
    """Whether ``model`` is another class for the rows of ``other``."""
    return (
        model is not other
        and issubclass(model, other)
        and model._meta.concrete_model is other._meta.concrete_model
    )


def is_asynchronous(function: Callable[..., Any]) -> bool:
    """Whether calling it gives something that somebody would have to wait for."""
    called = _called(function)
    return any(inspect.iscoroutinefunction(f) or inspect.isasyncgenfunction(f) for f in called)


def why_never_run(listener: Callable[..., Any]) -> str:
    """Why calling ``listener`` would do nothing; empty if it does something."""
    if is_asynchronous(listener):
        return (
            "is asynchronous, and nobody would wait for it. Listen with a function that calls it "
            "through asgiref.sync.async_to_sync."
        )
    if any(inspect.isgeneratorfunction(f) for f in _called(listener)):
        return "is a generator: calling it runs nothing. Write it without yield."
    return ""


def _called(function: Callable[..., Any]) -> list[Any]:
    """Whose code runs when ``function`` is called: its own, or that of an object's class."""
    return [function] if inspect.isroutine(function) else [function, getattr(function, CALL)]


def why_not_told(listener: Callable[..., Any], queued: bool) -> str:
    """Why ``listener`` cannot be called with an event; empty if it can. A queued one is given the
    event alone; with others, code may dispatch as many arguments as they take."""
    try:
        signature = inspect.signature(listener)
    except (TypeError, ValueError):  # of something built in, which does not say what it takes
        return ""
    if queued:
        try:
            signature.bind(None)
        except TypeError as error:
            return (
                f"cannot be queued: the cluster calls it with the event and nothing else, and "
                f"that fails: {error}."
            )
    takes_event = {
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    }
    if not any(each.kind in takes_event for each in signature.parameters.values()):
        return "takes no event: it is called with the event as its first argument."
    return ""


def dotted_name(declared: Any) -> str:
    """A function, a class or an object as developers find it."""
    if isinstance(declared, partial):
        declared = declared.func
    name = getattr(declared, "__qualname__", None) or type(declared).__qualname__
    return f"{declared.__module__}.{name}"


@contextmanager
def unharmed(database: str) -> Iterator[None]:
    """Inside of a transaction: what fails within is undone, and the transaction goes on. On
    PostgreSQL nothing else could be asked in it after an error of the database."""
    if connections[database].in_atomic_block:
        with transaction.atomic(using=database):
            yield
    else:
        yield
