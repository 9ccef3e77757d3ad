"""Generators: who, and when."""

import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Subquery
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext_lazy as _

from automation.events.admin import moment, state_badge
from automation.events.models import Action
from automation.rules.admin import RuleAdmin, RuleList, SourceFilter, in_words
from automation.rules.bulk import clone, export, pause
from automation.rules.fields import Kind
from automation.rules.forms import SourceForm, TextWithSuggestions
from automation.rules.models import BrokenRule
from automation.rules.panel import Narrow, Panel
from automation.rules.sources import sources
from generators import bulk, panel, views
from generators.activity import events_per_day, last_runs, newest_run
from generators.gates import gates
from generators.models import MEANING_FIELDS, SCHEDULE_FIELDS, Generator, RunState, State

# An error in a list is cut to so many characters; the whole of it is on the generator's page.
SHORT = 200


def listened_groups() -> list[tuple[str, str]]:
    """The groups that somebody waits for, with who does."""
    actions = Action.objects.non_polymorphic().exclude(group__contains="*")
    return list(actions.order_by("group").values_list("group", "name"))


_GROUP = _("The name of the events it makes. Values of the row can be part of it.")
_EXAMPLE = _(
    "The name of the events it makes. Values of the row can be part of it, such as %(group)s."
)
_OWN_KEY = _("For “once for each key of your own”: rows with the same key make one event together.")
_OWN_KEY_OF_PERSON = _(
    "For “once for each key of your own”: rows with the same key make one event together. "
    "With %(person)s it is one for each person."
)


def example_group(generator: Generator) -> str:
    """A group that depends on a value of the row, which its source does show; empty if there is
    no such value."""
    try:
        source = generator.source_or_error()
    except BrokenRule:
        return ""
    fields = source.resolved_fields
    for kind in (Kind.CHOICE, Kind.TEXT):
        for shown, field in fields.items():
            if field.kind == kind and shown != source.recipient:
                name = shown.replace(LOOKUP_SEP, ".")
                return f"{source.row_name}_{{{{ {source.row_name}.{name} }}}}"
    return ""


def own_key_help(generator: Generator) -> str:
    """What an own key is for, with the address of the person as its source calls it."""
    try:
        source = generator.source_or_error()
    except BrokenRule:
        return _OWN_KEY
    if not source.recipient:
        return _OWN_KEY
    person = source.recipient.replace(LOOKUP_SEP, ".")
    return _OWN_KEY_OF_PERSON % {"person": f"{{{{ {source.row_name}.{person} }}}}"}


class GeneratorForm(SourceForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "at_time" in self.fields:
            self.fields["at_time"].widget = forms.TimeInput({"type": "time"}, format="%H:%M")
        if "group_template" in self.fields:
            self.fields["group_template"].widget = TextWithSuggestions(
                listened_groups, {"maxlength": 500}
            )
            example = example_group(self.instance) if self.instance.pk else ""
            self.fields["group_template"].help_text = (
                _EXAMPLE % {"group": example} if example else _GROUP
            )
        if "key_template" in self.fields:
            self.fields["key_template"].help_text = own_key_help(self.instance)

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        # A generator whose source is gone can still be renamed, and its lines removed.
        is_gone = self.instance.pk and self.instance.source not in dict(sources.choices())
        if is_gone and "group_template" not in self.changed_data:
            self.errors.pop("group_template", None)


class GeneratorList(RuleList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        pks = [generator.pk for generator in self.result_list]
        zone = timezone.get_current_timezone()
        found = events_per_day(pks, timezone.now(), zone)
        runs = last_runs(pks)
        for generator in self.result_list:
            generator.per_day = found[generator.pk]
            generator.newest_run = runs.get(generator.pk)


class LastRunFilter(admin.SimpleListFilter):
    """By how a generator's last run ended."""

    title = _("last run")
    parameter_name = "last_run"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            (RunState.FAILED, _("failed")),
            (RunState.DONE, _("went well")),
            ("never", _("never ran")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() not in (RunState.FAILED, RunState.DONE, "never"):
            return queryset
        ended = queryset.alias(ended=Subquery(newest_run().values("state")[:1]))
        if self.value() == "never":
            return ended.filter(ended=None)
        return ended.filter(ended=self.value())


@admin.register(Generator)
class GeneratorAdmin(RuleAdmin):
    form = GeneratorForm
    add_fields = ("name", "slug", "source", "group_template")
    change_form_template = "admin/generators/change_form.html"
    panel_template = "admin/generators/panel.html"
    preview_template = "admin/generators/preview.html"
    why_template = "admin/generators/why.html"
    panel_fields = (*MEANING_FIELDS, "time_zone")
    list_display = ("name", "sentence", "state_now", "next_run", "last_run", "activity")
    list_filter = ("state", SourceFilter, LastRunFilter)
    actions = (bulk.run, pause, clone, export)
    search_fields = ("name", "slug", "group_template")
    fieldsets = (
        (None, {"fields": ("name", "slug", "about", "shown_state")}),
        (
            _("What happens"),
            {"fields": MEANING_FIELDS},
        ),
        (
            _("When"),
            {
                "fields": (
                    "trigger", "every_minutes", "weekday", "at_time", "cron", "on_save",
                    "time_zone", "coming_runs",
                ),
            },
        ),
    )  # fmt: skip
    readonly_fields = ("shown_state", "coming_runs")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[GeneratorList]:
        return GeneratorList

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

    def panel_first(self, rule: Any, now: datetime.datetime) -> Narrow:
        return panel.new_ones(rule, now)

    def panel_further(
        self,
        request: HttpRequest,
        rule: Any,
        found: Panel,
        now: datetime.datetime,
        wrong: dict[str, list[str]],
    ) -> dict[str, Any]:
        return panel.further(rule, found, now, wrong)

    def why_further(
        self, request: HttpRequest, rule: Any, row: Any, now: datetime.datetime
    ) -> dict[str, Any]:
        return {"gates": gates(rule, row, now)}

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Only what was changed here is written: a run may be writing its part of the row."""
        if not change:
            super().save_model(request, obj, form, change)
            return
        written = {name for name in form.changed_data if name in form.fields}
        if written & set(SCHEDULE_FIELDS):
            obj.reschedule()
            written.add("next_run_at")
        if written:
            obj.save(update_fields=sorted(written))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """An armed generator that means something else now waits to be armed again: only then
        somebody sees whom it reaches."""
        super().save_related(request, form, formsets, change)
        meaning = set(MEANING_FIELDS) & set(form.changed_data)
        if not meaning and not any(lines.has_changed() for lines in formsets):
            return
        generator = Generator.objects.get(pk=form.instance.pk)
        if change and generator.state == State.ARMED:
            generator.pause(_("What it means was changed. Arm it again to see whom it reaches."))
            messages.warning(request, generator.state_reason)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        generator = kwargs.get("obj")
        if generator:
            context |= views.facts(generator)
            context["may_change"] = self.has_change_permission(request, generator)
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=_("who"))
    def sentence(self, generator: Any) -> str:
        said = generator.sentence()
        if not generator.state_reason:
            return said
        why = _("%(state)s: %(reason)s") % {
            "state": capfirst(generator.get_state_display()),
            "reason": Truncator(generator.state_reason).chars(SHORT),
        }
        return format_html('{}<br><span class="quiet">{}</span>', said, why)

    @admin.display(description=_("state"), ordering="state")
    def state_now(self, generator: Generator) -> str:
        return state_badge(generator.state, generator.get_state_display())

    @admin.display(description=_("next run"), ordering="next_run_at")
    def next_run(self, generator: Generator) -> str:
        return in_words(_("next run"), moment(generator.next_run_at))

    @admin.display(description=_("state"))
    def shown_state(self, generator: Generator) -> str:
        return views.state_sentence(generator)

    @admin.display(description=_("next times"))
    def coming_runs(self, generator: Generator) -> str:
        return views.coming_runs(generator)

    @admin.display(description=_("last run"))
    def last_run(self, generator: Any) -> str:
        run = generator.newest_run
        if run is None:
            return in_words(_("last run"), "–")
        said = Truncator(views.run_sentence(run)).chars(SHORT)
        when = moment(run.last_quiet_at or run.started_at)
        mark = "went-wrong" if run.state == RunState.FAILED else ""
        told = format_html(
            '<span class="{}">{}</span><br><span class="quiet">{}</span>', mark, said, when
        )
        return in_words(_("last run"), told)

    @admin.display(description=_("events in 30 days"))
    def activity(self, generator: Any) -> str:
        return in_words(_("events in 30 days"), views.bars(generator.per_day))
