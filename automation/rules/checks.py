"""System checks of what developers configure."""

from typing import Any

from django.core.checks import CheckMessage, Error, Warning, register

from automation.rules import conf
from automation.rules.fields import SENSITIVE
from automation.rules.sources import sources


@register()
def check_settings(**kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"AUTOMATION has an unknown key '{key}'.",
            hint="docs/settings.md lists the keys.",
            id="automation_rules.E001",
        )
        for key in conf.unknown_keys()
    ]


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
