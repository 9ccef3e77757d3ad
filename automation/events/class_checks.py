"""System checks of the events and listeners that a project writes as classes."""

import inspect
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning, register

from automation.events.event import GROUP_LENGTH, Event, without_effect
from automation.events.observers import Observer
from automation.events.registering import Registrable


@register()
def check_registered(**kwargs: Any) -> list[CheckMessage]:
    """A class that was written to hear something, and was never registered, hears nothing."""
    return [
        Warning(
            f"{_name(kind)} is not registered, so nothing calls it.",
            hint="Put @register above the class (from automation.events import register), or "
            "make it abstract if it is the base of others.",
            id="automation_events.W001",
        )
        for kind in _written_by_projects(Registrable)
        if kind not in Registrable.registered
        and not inspect.isabstract(kind)
        and not kind.__subclasses__()
    ]


@register()
def check_names_of_events(**kwargs: Any) -> list[CheckMessage]:
    """Who listens for one of two events of the same name would get both."""
    by_name: dict[str, list[str]] = {}
    for kind in _written_by_projects(Event):
        by_name.setdefault(kind.group, []).append(_name(kind))
    return [
        Error(
            f"The events {' and '.join(sorted(kinds))} have the same name '{name}'.",
            hint="Give each a name of its own: what listens for one of them would get both.",
            id="automation_events.E005",
        )
        for name, kinds in by_name.items()
        if len(kinds) > 1
    ]


@register()
def check_length_of_events(**kwargs: Any) -> list[CheckMessage]:
    """A class without a name is called by its module and itself, which may be long. It can be
    dispatched, but nobody has to find out when the first one is recorded."""
    return [
        Warning(
            f"{_name(kind)} cannot be recorded: its group has {len(kind.group)} characters, and "
            f"the most are {GROUP_LENGTH}.",
            hint='Give it a shorter one in the class: name = "…".',
            id="automation_events.W002",
        )
        for kind in _written_by_projects(Event)
        if len(kind.group) > GROUP_LENGTH
    ]


@register()
def check_defaults_of_events(**kwargs: Any) -> list[CheckMessage]:
    """Whoever writes an annotated default means it; the first event would say so only later."""
    return [
        Error(f"{_name(kind)}: {found[0]}", hint=found[1], id="automation_events.E006")
        for kind in _written_by_projects(Event)
        if (found := without_effect(kind))
    ]


@register()
def check_methods_of_observers(**kwargs: Any) -> list[CheckMessage]:
    """A mistyped method beside a right one is never called, and nothing else would say so."""
    return [
        Warning(
            f"{_name(kind)}.{name} is never called. Did you mean '{meant}'?",
            hint="If it is a method of your own, give it a name that is less near, such as "
            f"'_{name}'.",
            id="automation_events.W003",
        )
        for kind in _written_by_projects(Observer)
        if kind in Registrable.registered
        for name, meant in sorted(kind.mistyped().items())
    ]


def _written_by_projects(base: Any) -> Iterator[Any]:
    """The subclasses of ``base`` in modules of installed apps, but for those of this one."""
    for kind in base.__subclasses__():
        app = apps.get_containing_app_config(kind.__module__)
        if app is not None and app.label != "automation_events" and "<" not in kind.__qualname__:
            yield kind
        yield from _written_by_projects(kind)


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
