"""What the cluster told to code, and what it has still to tell."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from automation.events.admin import moment, state_badge
from automation.events.declared import dotted_name
from automation.events.delivery_admin import CauseFilter, DeliveryAdmin, StateFilter
from automation.events.dispatch import listeners
from automation.events.models import ListenerCall
from automation.events.states import State
from automation.rules.views import linked

#: So many of the newest calls are asked for their listeners: to ask all would read all.
NEWEST = 1_000


class ListenerFilter(admin.SimpleListFilter):
    """Those that are told in the cluster, and those that failed lately."""

    title = _("listener")
    parameter_name = "listener"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        calls = ListenerCall.objects.order_by("-pk").values_list("listener", flat=True)
        known = {dotted_name(each.listener) for each in listeners if each.queued}
        known.update(calls[:NEWEST], filter(None, [self.value()]))
        return [(name, name) for name in sorted(known)]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(listener=self.value()) if self.value() else queryset


@admin.register(ListenerCall)
class ListenerCallAdmin(DeliveryAdmin):
    change_form_template = "admin/automation_events/delivery.html"
    list_display = ("when", "what", "badge")
    list_display_links = ("when", "what")
    list_filter = (("state", StateFilter), CauseFilter, ListenerFilter, "created_at")
    search_fields = ("event__key__exact",)
    search_help_text = _("Search by the whole key of the event")
    list_select_related = ("event",)
    list_per_page = 50
    ordering = ("-pk",)
    fields = (
        "state_now", "listener", "the_event", "created_at", "not_before", "sent_at", "attempts",
    )  # fmt: skip
    readonly_fields = ("state_now", "the_event")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What has a meaning in the call's state."""
        unset = {"sent_at"} if obj and not obj.sent_at else set()
        if obj and obj.state != State.QUEUED:
            unset.add("not_before")
        return [name for name in self.fields if name not in unset]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("event__context")

    @admin.display(description=_("created"), ordering="created_at")
    def when(self, call: ListenerCall) -> str:
        return moment(call.created_at)

    @admin.display(description=_("listener"), ordering="listener")
    def what(self, call: ListenerCall) -> str:
        parts = [
            format_html("{}", call.listener),
            format_html('<span class="quiet">{}</span>', call.event),
        ]
        if call.reason:
            reason = Truncator(call.reason).chars(160)
            parts.append(format_html('<span class="went-wrong">{}</span>', reason))
        return format_html_join(SafeString("<br>"), "{}", ((part,) for part in parts))

    @admin.display(description=_("state"), ordering="state")
    def badge(self, call: ListenerCall) -> str:
        return state_badge(call.state, call.get_state_display())

    @admin.display(description=_("state"))
    def state_now(self, call: ListenerCall) -> str:
        return format_html("{} {}", self.badge(call), call.reason)

    @admin.display(description=_("event"))
    def the_event(self, call: ListenerCall) -> str:
        return linked(call.event._meta, call.event_id, str(call.event))
