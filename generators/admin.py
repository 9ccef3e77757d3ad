"""Generators: who, and when."""

from typing import Any

from django.contrib import admin
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.translation import gettext_lazy as _

from automation.events.admin import state_badge
from automation.rules.admin import RuleAdmin
from generators import views
from generators.models import Generator, Run


@admin.register(Generator)
class GeneratorAdmin(RuleAdmin):
    add_fields = ("name", "slug", "source", "group_template")
    change_form_template = "admin/generators/change_form.html"
    list_display = ("name", "sentence", "group_template", "state_badge", "next_run_at", "last_run")
    list_filter = ("state", "source")
    search_fields = ("name", "slug", "group_template")
    fieldsets = (
        (None, {"fields": ("name", "slug", "about", "shown_state")}),
        (_("What happens"), {"fields": ("group_template", "repeat")}),
        (_("When"), {
                "fields": (
                    "trigger", "every_minutes", "weekday", "at_time", "cron", "on_save",
                    "time_zone",
                ),
            }),
    )
    readonly_fields = ("shown_state",)

    class Media:
        css = {"all": ["automation/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> Any:
        last = Prefetch("runs", Run.objects.order_by("-started_at", "-pk")[:1], to_attr="last_runs")
        return super().get_queryset(request).prefetch_related("conditions", last)

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/arm/", wrap(self.arm_view), name="generators_generator_arm"),
            path("<int:pk>/pause/", wrap(self.pause_view), name="generators_generator_pause"),
            path("<int:pk>/run/", wrap(self.run_view), name="generators_generator_run"),
            *super().get_urls(),
        ]

    def arm_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return views.arm(self, request, pk)

    def pause_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return views.pause(self, request, pk)

    def run_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return views.run(self, request, pk)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        generator = kwargs.get("obj")
        if generator:
            context |= views.facts(generator)
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=_("state"), ordering="state")
    def state_badge(self, generator: Generator) -> str:
        return state_badge(generator.state, generator.get_state_display())

    @admin.display(description=_("state"))
    def shown_state(self, generator: Generator) -> str:
        return views.state_sentence(generator)

    @admin.display(description=_("last run"))
    def last_run(self, generator: Any) -> str:
        runs = generator.last_runs
        return views.run_sentence(runs[0]) if runs else "–"
