"""What can be done with several actions at once from their list."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy, ngettext

from automation.events.actions import Action
from automation.events.health.backlog import COUNTED
from automation.events.states import State


@admin.action(description=gettext_lazy("Switch on"), permissions=["change"])
def switch_on(model_admin: Any, request: HttpRequest, chosen: QuerySet[Any]) -> None:
    switched = _switch(request, chosen, is_active=True)
    changed = len(switched)
    for action in switched:
        tell_waiting(request, action)
    said = ngettext("%(count)d is active now.", "%(count)d are active now.", changed)
    messages.success(request, said % {"count": changed})


@admin.action(description=gettext_lazy("Switch off"), permissions=["change"])
def switch_off(model_admin: Any, request: HttpRequest, chosen: QuerySet[Any]) -> None:
    changed = len(_switch(request, chosen, is_active=False))
    said = ngettext("%(count)d is off now.", "%(count)d are off now.", changed)
    messages.success(request, said % {"count": changed})


def _switch(request: HttpRequest, chosen: QuerySet[Any], *, is_active: bool) -> list[Any]:
    switched = list(chosen.filter(is_active=not is_active))
    for action in switched:
        action.is_active = is_active
        action.save(update_fields=["is_active"])
    if switched:
        said = "switched on" if is_active else "switched off"
        LogEntry.objects.log_actions(request.user.pk or 0, switched, CHANGE, said)
    return switched


def tell_waiting(request: HttpRequest, action: Action) -> None:
    """Say what goes out because ``action`` was switched on."""
    of_action = dict.fromkeys(action.delivery_model.ACTION_COLUMNS, action.pk)
    waiting = action.delivery_model.objects.filter(state=State.QUEUED, **of_action)
    if count := waiting.order_by()[:COUNTED].count():
        said = ngettext(
            "“%(name)s”: %(count)d that waited goes out now.",
            "“%(name)s”: %(count)d that waited go out now.",
            count,
        )
        messages.warning(request, said % {"name": action, "count": count})
