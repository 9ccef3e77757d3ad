"""System checks of what monitoring asks."""

from typing import Any

from django.core.checks import CheckMessage, Warning, register
from django.urls import NoReverseMatch, reverse

from automation.rules import conf


@register()
def check_metrics(**kwargs: Any) -> list[CheckMessage]:
    """A token for figures that nobody finds was forgotten somewhere else."""
    if conf.faults() or not conf.get().METRICS_TOKEN:
        return []
    try:
        reverse("automation_events:metrics")
    except NoReverseMatch:
        return [
            Warning(
                "AUTOMATION['METRICS_TOKEN'] is set, but there is no /metrics.",
                hint="Add path('', include('automation.endpoints')) to the project's urlpatterns.",
                id="automation_events.W301",
            )
        ]
    return []
