"""Events, as a list to read, filter and export."""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from import_export.admin import ExportMixin
from import_export.formats.base_formats import CSV

from automation.events.exporting import EventResource
from automation.events.models import EventRecord
from automation.events.outbox import delivery_models
from automation.rules.models import Rule


class ReadOnlyAdmin(admin.ModelAdmin):
    """What happened can be read and not be changed."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def state_badge(state: str, label: Any) -> str:
    """A state as the product's pages show it."""
    return format_html('<span class="state state-{}">{}</span>', state, label)


def data_table(data: Any) -> str:
    """Plain data as nested tables that people can read."""
    if isinstance(data, dict):
        rows = format_html_join(
            "", "<tr><th>{}</th><td>{}</td></tr>", ((key, data_table(data[key])) for key in data)
        )
        return format_html('<table class="data">{}</table>', rows)
    if isinstance(data, list):
        items = format_html_join("", "<li>{}</li>", ((data_table(item),) for item in data))
        return format_html('<ol class="data">{}</ol>', items)
    return format_html("{}", "–" if data is None or data == "" else data)


class RuleFilter(admin.SimpleListFilter):
    title = _("made by")
    parameter_name = "rule"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rules = Rule.objects.filter(pk__in=EventRecord.objects.values("rule").distinct())
        return sorted(((str(rule.pk), str(rule)) for rule in rules), key=lambda choice: choice[1])

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(rule=self.value()) if self.value() else queryset


@admin.register(EventRecord)
class EventRecordAdmin(ExportMixin, ReadOnlyAdmin):
    resource_classes = [EventResource]
    formats = [CSV]
    skip_export_form = True
    list_display = ("recorded_at", "group", "person", "row", "made_by")
    list_display_links = ("recorded_at", "group")
    list_filter = (
        ("group", admin.AllValuesFieldListFilter),
        RuleFilter,
        "row_model",
        "recorded_at",
    )
    date_hierarchy = "recorded_at"
    search_fields = ("key", "row_pk", "recipient")
    search_help_text = _("Search by key, number of the row, or address")
    ordering = ("-pk",)
    list_select_related = ()
    fields = (
        "recorded_at", "group", "key", "made_by", "the_row", "recipient", "language",
        "time_zone", "caused", "known",
    )  # fmt: skip
    readonly_fields = ("made_by", "the_row", "caused", "known")

    class Media:
        css = {"all": ["automation/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("rule")

    @admin.display(description=_("person"), ordering="recipient")
    def person(self, event: EventRecord) -> str:
        return event.recipient or "–"

    @admin.display(description=_("row"))
    def row(self, event: EventRecord) -> str:
        return f"{event.row_model.rpartition('.')[2]} {event.row_pk}".strip() or "–"

    @admin.display(description=_("made by"))
    def made_by(self, event: EventRecord) -> str:
        if event.rule is None:
            return "–"
        return link_to(event.rule._meta, event.rule.pk, str(event.rule))

    @admin.display(description=_("row"))
    def the_row(self, event: EventRecord) -> str:
        if not event.row_model:
            return "–"
        try:
            opts = apps.get_model(event.row_model)._meta
        except LookupError:
            return f"{event.row_model} {event.row_pk}"
        return link_to(opts, event.row_pk, f"{opts.verbose_name} {event.row_pk}")

    @admin.display(description=_("what came of it"))
    def caused(self, event: EventRecord) -> str:
        found = []
        for model in delivery_models():
            deliveries: Any = model._default_manager
            for delivery in deliveries.filter(event=event):
                badge = state_badge(delivery.state, delivery.get_state_display())
                found.append((link_to(delivery._meta, delivery.pk, str(delivery)), badge))
        return format_html_join(format_html("<br>"), "{} {}", found) if found else "–"

    @admin.display(description=_("what was known"))
    def known(self, event: EventRecord) -> str:
        return data_table(event.context)


def link_to(opts: Any, pk: Any, label: str) -> str:
    """A link to a row's page, or its bare name where it has none."""
    try:
        url = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[pk])
    except NoReverseMatch:
        return label
    return format_html('<a href="{}">{}</a>', url, label)
