"""Segments, and what every rule's page has: its lines of conditions, and who matches now."""

import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_permission_codename
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from automation.rules import forms, views
from automation.rules.definition_admin import Importable
from automation.rules.models import Condition, Rule, Segment
from automation.rules.panel import Narrow, Panel
from automation.rules.sources import UnknownSource, sources


class ConditionInline(admin.StackedInline):
    """The lines of a rule. Whoever may change the rule may change them."""

    model = Condition
    form = forms.ConditionLine
    formset = forms.ConditionLines
    fields = ("joined_by", "field", "operator", "value", "within", "among")
    extra = 2
    max_num = forms.MAX_LINES
    template = "admin/automation_rules/condition_lines.html"
    verbose_name = _("condition")
    verbose_name_plural = _("conditions")

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        # A few more than fit are read, so that what was typed is shown with the error.
        most = forms.MAX_LINES + self.extra
        return super().get_formset(request, obj, **{"absolute_max": most, **kwargs})

    def get_queryset(self, request: HttpRequest) -> Any:
        return Condition.objects.order_by("position", "pk")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, "view") or self._may(request, "change")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, "change")

    has_add_permission = has_delete_permission = has_change_permission

    def _may(self, request: HttpRequest, action: str) -> bool:
        opts = self.parent_model._meta
        codename = get_permission_codename(action, opts)
        return bool(request.user.has_perm(f"{opts.app_label}.{codename}"))


def in_words(label: Any, value: Any) -> str:
    """A list's cell that names its column where there is no table head: on a phone each row
    is a card."""
    return format_html('<span class="cell-label">{}</span> {}', label, value)


class RuleList(ChangeList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rules: list[Rule] = list(self.result_list)
        forms.read_what_they_name(line for rule in rules for line in rule.conditions.all())
        self.result_list = rules


class SourceFilter(admin.SimpleListFilter):
    """By what a rule is about, as people call it."""

    title = _("about")
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(sources.choices())

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(source=self.value()) if self.value() else queryset


class RuleAdmin(Importable):
    """The page of a rule. A new one first says what it is about; its conditions follow."""

    form = forms.SourceForm
    add_fields: tuple[str, ...] = ("name", "slug", "source")
    prepopulated_fields = {"slug": ("name",)}
    change_form_template = "admin/automation_rules/rule_change_form.html"
    save_on_top = False
    #: The panel beside the form, and the page "Which match now?". A kind of rule that has more
    #: to show extends them, and gives what they show with ``panel_further``.
    panel_template = "admin/automation_rules/panel.html"
    preview_template = "admin/automation_rules/preview.html"
    #: The page that says why a row matches or does not; ``why_further`` gives what else it shows.
    why_template = "admin/automation_rules/why.html"
    #: What the panel follows beside the conditions before it is saved.
    panel_fields: tuple[str, ...] = ("time_zone",)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("conditions")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RuleList

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return [ConditionInline] if obj and not self._is_too_long(obj) else []

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": self.add_fields})]
        fieldsets = list(super().get_fieldsets(request, obj))
        if self._is_too_long(obj):
            said = _(
                "This rule has %(lines)d conditions; a form holds at most %(most)d. Change them in "
                "a file of definitions and import that, or ask for a segment instead of them."
            ) % {"lines": len(obj.conditions.all()), "most": forms.MAX_LINES}
            fieldsets.insert(1, (_("Conditions"), {"fields": (), "description": said}))
        return fieldsets

    def _is_too_long(self, rule: Rule) -> bool:
        """Whether it has more lines than a form can send."""
        return len(rule.conditions.all()) > forms.MAX_LINES

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_readonly_fields(request, obj), *(["about"] if obj else [])]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return {} if obj else super().get_prepopulated_fields(request, obj)

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        try:
            return super().get_object(request, object_id, from_field)
        except OverflowError:  # SQLite's numbers end somewhere
            return None

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        preview = self.admin_site.admin_view(self.preview_view)
        panel = self.admin_site.admin_view(self.panel_view)
        why = self.admin_site.admin_view(self.why_view)
        return [
            path("<path:object_id>/panel/", panel, name=f"{name}_panel"),
            path("<path:object_id>/preview/", preview, name=f"{name}_preview"),
            path("<path:object_id>/why/", why, name=f"{name}_why"),
            *super().get_urls(),
        ]

    def preview_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return views.preview(self, request, object_id)

    def panel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return views.live_panel(self, request, object_id)

    def why_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return views.why(self, request, object_id)

    def panel_first(self, rule: Any, now: datetime.datetime) -> Narrow | None:
        """What picks, of the matching rows, those that the panel shows before others; None if
        they are all alike."""
        return None

    def panel_among(self, rule: Any, now: datetime.datetime) -> Narrow | None:
        """What picks, of all rows, those that the panel is about; None if it is about all."""
        return None

    def panel_further(
        self,
        request: HttpRequest,
        rule: Any,
        found: Panel,
        now: datetime.datetime,
        wrong: dict[str, list[str]],
    ) -> dict[str, Any]:
        """What ``panel_template`` and ``preview_template`` show beside the counts and rows that
        were ``found``: ``columns`` (of ``Column``) are shown of each row. ``rule`` has what the
        form says, unsaved; what is ``wrong`` with its ``panel_fields`` is told already."""
        return {}

    def why_further(
        self, request: HttpRequest, rule: Any, row: Any, now: datetime.datetime
    ) -> dict[str, Any]:
        """What ``why_template`` shows beside the conditions of the row with the primary key
        ``row``: whatever else decides."""
        return {}

    def take_unsaved(self, request: HttpRequest, rule: Rule) -> dict[str, list[str]]:
        """Put on ``rule`` what the form that was sent says beside the conditions, without
        saving it. Returns what is wrong with ``panel_fields``, by name: that stays as it was."""
        if not self.has_change_permission(request, rule):
            return {}
        saved = {name: getattr(rule, name) for name in self.panel_fields}
        form = self.get_form(request, rule, change=True)(request.POST, instance=rule)
        wrong = {name: list(form.errors[name]) for name in saved if name in form.errors}
        for name in wrong:
            setattr(rule, name, saved[name])
        return wrong

    def unsaved_lines(self, request: HttpRequest, rule: Rule) -> forms.ConditionLines:
        """The lines of the form that was sent."""
        lines = ConditionInline(self.model, self.admin_site).get_formset(request, rule)
        found: forms.ConditionLines = lines(
            request.POST, instance=rule, queryset=ConditionInline.model.objects.all()
        )
        return found

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> Any:
        """From the first step straight on to the second."""
        if "_popup" in request.POST:
            return super().response_add(request, obj, post_url_continue)
        post = request.POST.copy()
        post["_continue"] = "1"
        request.POST = post  # type: ignore[assignment]
        return super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Any) -> Any:
        if "_preview" in request.POST:
            return HttpResponseRedirect(self.url_of("preview", obj))
        return super().response_change(request, obj)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        rule = kwargs.get("obj")
        if rule:
            forms.read_what_they_name(rule.conditions.all())
        lines = [line.formset for line in context["inline_admin_formsets"]]
        offer = lines[0].offer if lines else None
        context |= {
            "offered": offer.for_script() if offer else {},
            "sentence": rule.sentence() if rule else "",
            "panel_fields": self.panel_fields,
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def url_of(self, page: str, rule: Any) -> str:
        """The address of a page of ``rule``: "preview", "why"."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=[rule.pk])

    @admin.display(description=_("about"))
    def about(self, rule: Any) -> str:
        try:
            return str(sources.get(rule.source))
        except UnknownSource as error:
            return str(error)

    @admin.display(description=_("who"))
    def sentence(self, rule: Any) -> str:
        return str(rule.sentence())

    @admin.display(description=_("matching now"))
    def preview_link(self, rule: Any) -> str:
        return format_html('<a href="{}">{}</a>', self.url_of("preview", rule), _("Look"))


@admin.register(Segment)
class SegmentAdmin(RuleAdmin):
    list_display = ("name", "sentence", "preview_link")
    list_filter = (SourceFilter,)
    search_fields = ("name", "slug")
    fieldsets = (
        (None, {"fields": ("name", "slug", "about")}),
        (_("More"), {"classes": ("collapse",), "fields": ("time_zone",)}),
    )
