"""Segments, and what every rule's page has: its lines of conditions, and who matches now."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from automation.rules import forms, views
from automation.rules.models import Condition, Segment
from automation.rules.sources import UnknownSource, sources


class ConditionInline(admin.TabularInline):
    model = Condition
    form = forms.ConditionLine
    formset = forms.ConditionLines
    fields = ("joined_by", "field", "operator", "value", "within", "among")
    extra = 2
    template = "admin/automation_rules/condition_lines.html"
    verbose_name = _("condition")
    verbose_name_plural = _("conditions")

    def get_queryset(self, request: HttpRequest) -> Any:
        return Condition.objects.order_by("position", "pk")


class RuleAdmin(admin.ModelAdmin):
    """The page of a rule. A new one first says what it is about; its conditions follow."""

    form = forms.SourceForm
    add_fields: tuple[str, ...] = ("name", "slug", "source")
    prepopulated_fields = {"slug": ("name",)}
    change_form_template = "admin/automation_rules/rule_change_form.html"
    save_on_top = False

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return [ConditionInline] if obj else []

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": self.add_fields})]
        return super().get_fieldsets(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_readonly_fields(request, obj), *(["about"] if obj else [])]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return {} if obj else super().get_prepopulated_fields(request, obj)

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        preview = self.admin_site.admin_view(self.preview_view)
        return [
            path("<path:object_id>/preview/", preview, name=f"{name}_preview"),
            *super().get_urls(),
        ]

    def preview_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return views.preview(self, request, object_id)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> Any:
        """From the first step straight on to the second."""
        if "_addanother" in request.POST:
            return super().response_add(request, obj, post_url_continue)
        post = request.POST.copy()
        post["_continue"] = "1"
        request.POST = post  # type: ignore[assignment]
        return super().response_add(request, obj, post_url_continue)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        rule = kwargs.get("obj")
        try:
            offered = forms.offered(sources.get(rule.source)) if rule else {}
        except UnknownSource:
            offered = {}
        context |= {"offered": offered, "sentence": rule.sentence() if rule else ""}
        return super().render_change_form(request, context, *args, **kwargs)

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
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_preview"
        return format_html('<a href="{}">{}</a>', reverse(name, args=[rule.pk]), _("Look"))


@admin.register(Segment)
class SegmentAdmin(RuleAdmin):
    list_display = ("name", "sentence", "preview_link")
    search_fields = ("name", "slug")
    fieldsets = (
        (None, {"fields": ("name", "slug", "about")}),
        (_("More"), {"classes": ("collapse",), "fields": ("time_zone",)}),
    )
