"""Starting a chain on events, in the admin: the action, and what came of each event."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from automation.chains.oddities import about_others
from automation.chains.pages.changes import to_chain
from automation.chains.pages.steps import chain_of
from automation.chains.starting import ChainStart, StartChain
from automation.events import bulk
from automation.events.admin import moment, state_badge
from automation.events.delivery_admin import CauseFilter, DeliveryAdmin
from automation.events.event import GROUP_LENGTH
from automation.events.groups import GROUP_HELP, made_groups, producers
from automation.rules.admin import in_words
from automation.rules.bulk import export
from automation.rules.definition_admin import Importable
from automation.rules.forms import TextWithSuggestions
from automation.rules.views import linked


class StartForm(forms.ModelForm):
    class Meta:
        model = StartChain
        fields = ("name", "slug", "chain", "group", "is_active", "expires_hours")
        widgets = {"group": TextWithSuggestions(made_groups, {"maxlength": GROUP_LENGTH})}
        help_texts = {"group": GROUP_HELP}
        error_messages = {
            "slug": {"unique": _("This short name is taken. Choose another one.")},
            "group": {"required": _("Name the event group that this is for.")},
            "chain": {"required": _("Choose the chain that is started.")},
        }


@admin.register(StartChain)
class StartChainAdmin(Importable):
    form = StartForm
    list_display = ("name", "state", "group", "chain")
    list_filter = ("is_active", "chain")
    list_select_related = ("chain",)
    search_fields = ("name", "slug", "group")
    prepopulated_fields = {"slug": ("name",)}
    actions = (bulk.switch_on, bulk.switch_off, export)
    fieldsets = (
        (None, {"fields": ("name", "slug", "chain", "group", "is_active")}),
        (_("More"), {"classes": ("collapse",), "fields": ("expires_hours",)}),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).non_polymorphic()

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        try:
            return super().get_object(request, object_id, from_field)
        except OverflowError:  # no database has such a long number
            return None

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and obj.is_active and "is_active" in form.changed_data:
            bulk.tell_waiting(request, obj)
        if not producers(obj.group):
            said = gettext(
                "Nobody makes events of the group “%s” here. Unless code records some, the chain "
                "is never started by it."
            )
            messages.warning(request, said % obj.group)
        for wrong in about_others(obj.chain, [obj]):
            messages.warning(request, wrong)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        start = kwargs.get("obj")
        context["chain"] = start.chain if start is not None else chain_of(request)
        return super().render_change_form(request, context, *args, **kwargs)

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return to_chain(obj.chain)

    response_post_save_change = response_post_save_add

    @admin.display(description=_("state"), ordering="is_active")
    def state(self, start: StartChain) -> str:
        if start.is_active:
            return state_badge("armed", gettext("active"))
        return state_badge("paused", gettext("not active"))


@admin.register(ChainStart)
class ChainStartAdmin(DeliveryAdmin):
    """What came of each event that starts a chain."""

    list_display = ("when", "start", "event", "badge", "reason")
    list_filter = ("state", CauseFilter, "start")
    list_select_related = ("start", "event")
    fields = ("when", "start", "event_link", "badge", "reason", "run")
    readonly_fields = fields

    @admin.display(description=_("when"), ordering="pk")
    def when(self, delivery: ChainStart) -> str:
        return moment(delivery.created_at)

    @admin.display(description=_("state"), ordering="state")
    def badge(self, delivery: ChainStart) -> str:
        return in_words(_("state"), state_badge(delivery.state, delivery.get_state_display()))

    @admin.display(description=_("event"))
    def event_link(self, delivery: ChainStart) -> str:
        return linked(delivery.event._meta, delivery.event_id, str(delivery.event))
