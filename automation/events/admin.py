"""Events, as a list to read, filter and export."""

import datetime
import uuid
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from import_export.admin import ExportMixin
from import_export.formats.base_formats import CSV

from automation.events import queue_admin as queue_admin  # closes the queue's pages
from automation.events.erasing import views as erase_views
from automation.events.exporting import EventResource
from automation.events.housekeeping.own_chores import EMPTY
from automation.events.models import EventRecord
from automation.events.outbox import delivery_models
from automation.events.rows import kind_of_row, titles
from automation.rules.dates import said_moment
from automation.rules.keys import without_hyphens
from automation.rules.models import Rule
from automation.rules.styled_admin import StyledAdmin
from automation.rules.views import linked


class ReadOnlyAdmin(StyledAdmin):
    """What happened can be read and not be changed."""

    show_full_result_count = False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        # Not "Select message to view": it is read as it is.
        title = {"title": capfirst(self.opts.verbose_name_plural)}
        return super().changelist_view(request, {**title, **(extra_context or {})})

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        """A UUID is found as people copy it, and as keys of rows are written."""
        found, doubles = super().get_search_results(request, queryset, search_term)
        written = without_hyphens(search_term)
        if written == search_term:
            return found, doubles
        others, more_doubles = super().get_search_results(request, queryset, written)
        return found | others, doubles or more_doubles

    def response_action(self, request: HttpRequest, queryset: Any) -> Any:
        """Without what no row of the list can be called, which Django would ask for."""
        posted = request.POST.copy()
        chosen = posted.getlist(ACTION_CHECKBOX_NAME)
        posted.setlist(ACTION_CHECKBOX_NAME, [pk for pk in chosen if is_number(pk)])
        request.POST = posted  # type: ignore[assignment]
        return super().response_action(request, queryset)


def moment(when: datetime.datetime | None) -> str:
    """A moment as lists show it: short, in the site's time zone, the year only of others."""
    if when is None:
        return "–"
    return said_moment(timezone.localtime(when), timezone.localtime())


def state_badge(state: str, label: Any) -> str:
    """A state as the product's pages show it."""
    return format_html('<span class="state state-{}">{}</span>', state, label)


def data_table(data: Any) -> str:
    """Plain data as nested tables that people can read."""
    if isinstance(data, dict):
        rows = format_html_join(
            "",
            '<tr><th scope="row">{}</th><td>{}</td></tr>',
            ((key, data_table(data[key])) for key in data),
        )
        return format_html('<table class="data">{}</table>', rows)
    if isinstance(data, list):
        return _list_table(data)
    if isinstance(data, bool):
        return gettext("yes") if data else gettext("no")
    if isinstance(data, datetime.datetime):
        return moment(data)
    return format_html("{}", "–" if data is None or data == "" else data)


def _list_table(data: list[Any]) -> str:
    names = list(data[0]) if data and isinstance(data[0], dict) else []
    if not names or any(not isinstance(item, dict) or list(item) != names for item in data):
        items = format_html_join("", "<li>{}</li>", ((data_table(item),) for item in data))
        return format_html('<ol class="data">{}</ol>', items) if data else "–"
    head = format_html_join("", '<th scope="col">{}</th>', ((name,) for name in names))
    rows = format_html_join(
        "",
        "<tr>{}</tr>",
        (
            (format_html_join("", "<td>{}</td>", ((data_table(item[name]),) for name in names)),)
            for item in data
        ),
    )
    return format_html(
        '<table class="data"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>', head, rows
    )


def is_number(text: str) -> bool:
    """Whether ``text`` can be a primary key: not every address that is typed has one."""
    return text.isascii() and text.isdigit() and len(text) < 19


class RuleFilter(admin.SimpleListFilter):
    title = _("made by")
    parameter_name = "rule"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rules = Rule.objects.filter(pk__in=EventRecord.objects.values("rule").distinct())
        return sorted(((str(rule.pk), str(rule)) for rule in rules), key=lambda choice: choice[1])

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        if not value:
            return queryset
        return queryset.filter(rule=int(value)) if is_number(value) else queryset.none()


class RowFilter(admin.SimpleListFilter):
    """By the kind of row, as people call it."""

    title = _("kind of row")
    parameter_name = "row_model"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        labels = EventRecord.objects.order_by().values_list("row_model", flat=True).distinct()
        return sorted(
            ((label, kind_of_row(label)) for label in labels if label),
            key=lambda choice: choice[1],
        )

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(row_model=self.value()) if self.value() else queryset


class RecordingFilter(admin.SimpleListFilter):
    """The events of one run, which the run's page links to."""

    title = _("run")
    parameter_name = "recording"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(self.value() or "", _("only this run"))] if self.value() else []

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if not self.value():
            return queryset
        try:
            return queryset.filter(recording=uuid.UUID(self.value()))
        except ValueError:
            return queryset.none()


class EventList(ChangeList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        events: list[Any] = list(self.result_list)
        found = titles((event.row_model, event.row_pk) for event in events)
        for event in events:
            event.row_title = found[event.row_model, event.row_pk]
        self.result_list = events


@admin.register(EventRecord)
class EventRecordAdmin(ExportMixin, ReadOnlyAdmin):
    import_export_change_list_template = "admin/automation_events/change_list.html"
    resource_classes = [EventResource]
    formats = [CSV]
    skip_export_form = True
    list_display = ("when", "what", "person", "row")
    list_display_links = ("when", "what")
    list_filter = (
        ("group", admin.AllValuesFieldListFilter),
        RuleFilter,
        RowFilter,
        "recorded_at",
        RecordingFilter,
    )
    list_per_page = 50
    date_hierarchy = "recorded_at"
    search_fields = ("key", "row_pk", "recipient")
    search_help_text = _("Search by key, number or key of the row, or address")
    ordering = ("-pk",)
    list_select_related = ()
    fields = (
        "when", "group", "key", "made_by", "the_row", "recipient", "language",
        "time_zone", "caused", "known",
    )  # fmt: skip
    readonly_fields = ("when", "made_by", "the_row", "caused", "known")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("rule")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return EventList

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Of an event that was emptied only what is left."""
        if obj is None or obj.emptied_at is None:
            return self.fields
        return [name for name in self.fields if name not in EMPTY or getattr(obj, name)]

    def get_urls(self) -> list[Any]:
        erase = self.admin_site.admin_view(self.erase_view)
        return [
            path("erase/", erase, name="automation_events_eventrecord_erase"),
            *super().get_urls(),
        ]

    def erase_view(self, request: HttpRequest) -> HttpResponse:
        return erase_views.erase(self, request)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        may_erase = erase_views.may_erase(request)
        return super().changelist_view(request, {**(extra_context or {}), "may_erase": may_erase})

    def export_action(self, request: HttpRequest) -> HttpResponse:
        try:
            return super().export_action(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(reverse("admin:automation_events_eventrecord_changelist"))

    def has_export_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    @admin.display(description=_("recorded"), ordering="recorded_at")
    def when(self, event: EventRecord) -> str:
        return moment(event.recorded_at)

    @admin.display(description=_("event"), ordering="group")
    def what(self, event: EventRecord) -> str:
        quiet = format_html('<br><span class="quiet">{}</span>', event.rule) if event.rule else ""
        return format_html("{}{}", event.group, quiet)

    @admin.display(description=_("person"), ordering="recipient")
    def person(self, event: EventRecord) -> str:
        return event.recipient or "–"

    @admin.display(description=_("row"))
    def row(self, event: Any) -> str:
        return event.row_title or "–"

    @admin.display(description=_("made by"))
    def made_by(self, event: EventRecord) -> str:
        if event.rule is None:
            return "–"
        return linked(event.rule._meta, event.rule.pk, str(event.rule))

    @admin.display(description=_("row"))
    def the_row(self, event: EventRecord) -> str:
        if not event.row_model:
            return "–"
        (title,) = titles([(event.row_model, event.row_pk)]).values()
        try:
            opts = apps.get_model(event.row_model)._meta
        except LookupError:
            return title
        return linked(opts, event.row_pk, title)

    @admin.display(description=_("what came of it"))
    def caused(self, event: EventRecord) -> str:
        found = []
        for model in delivery_models():
            deliveries: Any = model._default_manager
            for delivery in deliveries.filter(event=event):
                badge = state_badge(delivery.state, delivery.get_state_display())
                found.append((linked(delivery._meta, delivery.pk, str(delivery)), badge))
        return format_html_join(SafeString("<br>"), "{} {}", found) if found else "–"

    @admin.display(description=_("what was known"))
    def known(self, event: EventRecord) -> str:
        if event.emptied_at is not None:
            return gettext("What was known of it was removed on %s.") % moment(event.emptied_at)
        return data_table(event.context)


# They derive from what stands above.
from automation.events.listeners import admin as listener_admin  # noqa: E402, F401
from automation.events.webhooks import admin as webhook_admin  # noqa: E402, F401
