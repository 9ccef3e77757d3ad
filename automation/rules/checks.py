"""System checks of what developers configure."""

from pathlib import Path
from typing import Any

from django.apps import apps
from django.contrib.staticfiles.finders import find
from django.core.checks import CheckMessage, Error, Warning, register
from django.db import models
from django.template import TemplateDoesNotExist
from django.template.loader import get_template

from automation.rules import conf
from automation.rules.fields import SENSITIVE, walk
from automation.rules.sources import sources, taken_names

TEXTS = (models.CharField, models.TextField)

#: What a source says of the person that a row is about.
ROLES = {
    "recipient": "a mail address",
    "language": "a language, such as de or en-gb",
    "time_zone": "a time zone, such as Europe/Zurich",
}


@register()
def check_settings(**kwargs: Any) -> list[CheckMessage]:
    return [
        Error(said, hint="docs/settings.md lists the keys.", id=f"automation_rules.{number}")
        for number, said in conf.faults()
    ]


@register()
def check_people(**kwargs: Any) -> list[CheckMessage]:
    """Whom a row is about is written in texts."""
    return [
        Error(
            f"The source '{source.key}' takes its {role} from '{path}', which holds no texts.",
            hint=f"Name the path of {wanted}.",
            obj=source.model,
            id="automation_rules.E008",
        )
        for source in sources
        for role, wanted in ROLES.items()
        if (path := getattr(source, role)) and not _holds_texts(source.model, path)
    ]


def _holds_texts(model: type[models.Model], path: str) -> bool:
    field, _hops = walk(model, path)
    # A field of another make, such as one of time zones, says what it is stored as.
    return isinstance(field, TEXTS) or field.get_internal_type() in ("CharField", "TextField")


@register()
def check_names(**kwargs: Any) -> list[CheckMessage]:
    """What templates call a row is not what they call something else."""
    return [
        Error(
            f"The source '{source.key}' calls its rows '{source.row_name}', which templates know "
            f"as {taken_names[source.row_name]}.",
            hint="Give it another one: Source(..., name='…').",
            obj=source.model,
            id="automation_rules.E009",
        )
        for source in sources
        if source.row_name in taken_names
    ]


@register()
def check_pages(**kwargs: Any) -> list[CheckMessage]:
    """The pages of all our apps are brought by one of them."""
    try:
        get_template("admin/automation_rules/page.html")
    except TemplateDoesNotExist:
        return [
            Error(
                "The templates of the pages in the admin are not found.",
                hint=_to_find("templates"),
                id="automation_rules.E201",
            )
        ]
    return []


@register()
def check_looks(**kwargs: Any) -> list[CheckMessage]:
    """Pages that are found without what they look like."""
    if not apps.is_installed("django.contrib.staticfiles") or find("automation/admin.css"):
        return []
    return [
        Warning(
            "The style sheets and scripts of the pages in the admin are not found.",
            hint=_to_find("static"),
            id="automation_rules.W003",
        )
    ]


def _to_find(directory: str) -> str:
    """What to do where a directory of the app that brings our pages is not found."""
    here = Path(__file__).resolve().parent.parent
    if not (here / directory).is_dir() and (here.parent / directory).is_dir():
        # "pip install --editable", or a path to the checkout.
        return (
            f"Flint is used from its checkout, where {here.parent / directory} is beside the app "
            "that the wheel has it in. Install the wheel (make wheel), or add the directory to "
            + ("DIRS of TEMPLATES." if directory == "templates" else "STATICFILES_DIRS.")
        )
    set_too = (
        "set APP_DIRS of TEMPLATES to True."
        if directory == "templates"
        else "leave AppDirectoriesFinder in STATICFILES_FINDERS."
    )
    return f"Add 'automation' to INSTALLED_APPS, best before 'django.contrib.admin', and {set_too}"


@register()
def check_sensitive_fields(**kwargs: Any) -> list[CheckMessage]:
    """A secret that was opened on purpose is allowed, and never forgotten."""
    return [
        Warning(
            f"The source '{source.key}' shows editors the field '{path}'.",
            hint="Remove it from the source unless editors must see it.",
            obj=source.model,
            id="automation_rules.W001",
        )
        for source in sources
        for path, field in source.resolved_fields.items()
        if field.sensitive and SENSITIVE.search(path)
    ]
