"""System checks of the project that our apps are installed in."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.checks import CheckMessage, Error, Warning, register
from django.db import models, router
from django.urls import NoReverseMatch, reverse

from automation.rules.databases import database, elsewhere
from automation.rules.installing import installed, to_add
from automation.rules.sources import sources


@register()
def check_time_zones(**kwargs: Any) -> list[CheckMessage]:
    if settings.USE_TZ:
        return []
    return [
        Error(
            "USE_TZ is False: moments without a time zone can mean two moments, or none.",
            hint="Set USE_TZ = True. Django's documentation says how a project gets there "
            "(Time zones, migration guide).",
            id="automation_rules.E004",
        )
    ]


@register()
def check_apps(**kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"'{needed}' is not in INSTALLED_APPS, and {ours.name} needs it.",
            hint=f"{to_add([needed])} (docs/projects.md lists all that Flint needs.)",
            id="automation_rules.E005",
        )
        for ours in installed.values()
        for needed in ours.needs
        if not apps.is_installed(needed)
    ]


@register()
def check_admin(**kwargs: Any) -> list[CheckMessage]:
    try:
        reverse("admin:index")
    except NoReverseMatch:
        return [
            Warning(
                "The admin is not in the project's urlpatterns, and Flint is used in it.",
                hint="Add path('admin/', admin.site.urls) to urlpatterns. A site of your own must "
                "be the default one (docs/projects.md).",
                id="automation_rules.W002",
            )
        ]
    return []


@register()
def check_databases(**kwargs: Any) -> list[CheckMessage]:
    """All that is ours, and what it has foreign keys to, is in one database."""
    if not router.routers:
        return []
    return [*_misplaced(), *_misplaced_sources()]


def _ours() -> list[type[models.Model]]:
    """Our models, and those of the project that are kinds of ours."""

    def is_ours(model: type[models.Model]) -> bool:
        labels = (each._meta.app_label for each in model.__mro__ if hasattr(each, "_meta"))
        return any(label in installed for label in labels)

    return [model for model in apps.get_models() if is_ours(model)]


def _misplaced() -> Iterator[CheckMessage]:
    ours, here = _ours(), database()
    found: dict[tuple[str, str], str] = {}
    for model, alias in elsewhere([*ours, ContentType, get_user_model(), LogEntry]).items():
        found.setdefault((model._meta.app_label, f"is written to the database '{alias}'"), "write")
    for model in ours:
        if (read := router.db_for_read(model)) != router.db_for_write(model):
            found.setdefault((model._meta.app_label, f"is read from the database '{read}'"), "read")
        elif not router.allow_migrate_model(here, model):
            found.setdefault((model._meta.app_label, "gets no tables"), "migrate")
    methods = {
        "write": "db_for_write and db_for_read",
        "read": "db_for_read",
        "migrate": "allow_migrate",
    }
    for (label, what), method in found.items():
        yield Error(
            f"The app '{label}' {what}. Rules and events are in '{here}', and all that belongs "
            "to them has to be there.",
            hint=f"Let {methods[method]} of DATABASE_ROUTERS answer for it with '{here}', or for "
            "Flint's apps with the database of your rows: docs/projects.md has a router.",
            id="automation_rules.E006",
        )


def _misplaced_sources() -> Iterator[CheckMessage]:
    for source in sources:
        for model, alias in elsewhere(source.read_models).items():
            yield Error(
                f"The source '{source.key}' reads {model._meta.label} from the database "
                f"'{alias}'; rules and events are in '{database()}', and both are asked in one "
                "query.",
                hint="Keep Flint's apps in the database of the rows (docs/projects.md), or leave "
                "this out of the source.",
                obj=source.model,
                id="automation_rules.E007",
            )
