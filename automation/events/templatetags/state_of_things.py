"""``{% state_of_things %}``: what the admin's home page says about the installation."""

from typing import Any

from django import template
from django.utils import timezone

from automation.events.health import home

register = template.Library()


@register.inclusion_tag("admin/automation_events/state.html", takes_context=True)
def state_of_things(context: dict[str, Any]) -> dict[str, Any]:
    return {"panel": home.panel(context["request"], timezone.now())}
