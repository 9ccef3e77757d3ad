"""The rules of a chain in the admin: who comes in, its steps, who has arrived."""

import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Max
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from automation.chains.chain import Chain
from automation.chains.checking import problems_of_template
from automation.chains.forms import StepsFrom, state_choices
from automation.chains.pages import step_panel, steps
from automation.chains.pages.changes import note_on_chain, pause_changed, to_chain
from automation.chains.traffic import those_at_the_start
from automation.chains.transitions import Entry, Goal, Transition
from automation.chains.wording import from_label, state_label, wait_label
from automation.events.groups import made_groups
from automation.rules.admin import ConditionInline, RuleAdmin
from automation.rules.forms import SourceForm, TextWithSuggestions
from automation.rules.models import BrokenRule
from automation.rules.panel import Narrow, Panel

WAIT_FIELDS = ("wait_number", "wait_unit", "wait_weekday", "wait_time")
#: As the form has them: the wait in two rows.
STEP_FIELDS: Any = (
    "name", "from_states", "to_state", WAIT_FIELDS[:2], WAIT_FIELDS[2:], "group_template",
)  # fmt: skip


class LinesOfChain(ConditionInline):
    """Whoever may change the chain may change the lines of its rules."""

    def _may(self, request: HttpRequest, action: str) -> bool:
        return bool(request.user.has_perm(f"automation_chains.{action}_chain"))


class RuleOfChainAdmin(RuleAdmin):
    """A rule of a chain. It is reached from the page of its chain, and may be seen and changed by
    whoever may see and change that."""

    prepopulated_fields: dict[str, Any] = {}
    change_form_template = "admin/automation_chains/rule_change_form.html"
    preview_template = "admin/automation_chains/preview.html"
    why_template = "admin/automation_chains/why.html"
    panel_fields = ()
    list_display = ("__str__",)

    def get_model_perms(self, request: HttpRequest) -> dict[str, bool]:
        return {}  # not on the front page

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return HttpResponseRedirect(reverse("admin:automation_chains_chain_changelist"))

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("chain")

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return [LinesOfChain] if super().get_inlines(request, obj) else []

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, "view") or self._may(request, "change")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, "change")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, "change") or self._may(request, "delete")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def _may(self, request: HttpRequest, action: str) -> bool:
        return bool(request.user.has_perm(f"automation_chains.{action}_chain"))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if set(form.changed_data) - {"name"} or any(lines.has_changed() for lines in formsets):
            pause_changed(request, form.instance.chain)

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> Any:
        return to_chain(obj.chain)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        note_on_chain(request, obj.chain, obj, "changed")
        return super().log_change(request, obj, message)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        chain = obj.chain
        super().delete_model(request, obj)
        note_on_chain(request, chain, obj, "removed")
        pause_changed(request, chain)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        rule = self.get_object(request, object_id)
        chain = rule.chain if rule is not None else None
        response = super().delete_view(request, object_id, extra_context)
        if chain is not None and response.status_code == 302:
            return to_chain(chain)
        return response

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        rule = kwargs.get("obj")
        if rule is not None:
            context["chain"] = rule.chain
            context["title"] = self.title_of(rule)
            context["asks"] = bool(rule.conditions.all())
        return super().render_change_form(request, context, *args, **kwargs)

    def title_of(self, rule: Any) -> str:
        raise NotImplementedError

    def panel_further(
        self,
        request: HttpRequest,
        rule: Any,
        found: Panel,
        now: datetime.datetime,
        wrong: dict[str, list[str]],
    ) -> dict[str, Any]:
        return {"has_no_condition": not found.lines}


@admin.register(Entry)
class EntryAdmin(RuleOfChainAdmin):
    form = forms.ModelForm
    panel_template = "admin/automation_chains/entry_panel.html"
    fieldsets = ((None, {"fields": ("about",)}),)

    def title_of(self, rule: Any) -> str:
        return gettext("Who comes in?")

    def panel_first(self, rule: Any, now: datetime.datetime) -> Narrow | None:
        return step_panel.not_yet_in(rule.chain)

    def panel_further(
        self,
        request: HttpRequest,
        rule: Any,
        found: Panel,
        now: datetime.datetime,
        wrong: dict[str, list[str]],
    ) -> dict[str, Any]:
        return step_panel.of_entry(rule, found)


@admin.register(Goal)
class GoalAdmin(RuleOfChainAdmin):
    form = forms.ModelForm
    panel_template = "admin/automation_chains/goal_panel.html"
    fieldsets = ((None, {"fields": ("about",)}),)

    def title_of(self, rule: Any) -> str:
        return gettext("Who has arrived?")

    def panel_first(self, rule: Any, now: datetime.datetime) -> Narrow | None:
        return step_panel.on_the_way(rule.chain)

    def panel_further(
        self,
        request: HttpRequest,
        rule: Any,
        found: Panel,
        now: datetime.datetime,
        wrong: dict[str, list[str]],
    ) -> dict[str, Any]:
        return step_panel.of_goal(rule, found)


class StepForm(SourceForm):
    """A step. ``chain`` is set by the page: the one that it belongs to."""

    chain: Chain
    from_states = StepsFrom(
        label=gettext_lazy("From"),
        error_messages={
            "required": gettext_lazy("Choose where the step comes from."),
            "invalid_choice": gettext_lazy("“%(value)s” is no state of this chain."),
        },
    )
    to_state = forms.ChoiceField(
        label=pgettext_lazy("state", "To"),
        error_messages={
            "required": gettext_lazy("Choose where the step leads to."),
            "invalid_choice": gettext_lazy("“%(value)s” is no state of this chain."),
        },
    )

    class Meta:
        model = Transition
        fields = ("name", "from_states", "to_state", *WAIT_FIELDS, "group_template")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        step = self.instance
        if step.chain_id is None:
            step.chain = self.chain
        step.source, step.time_zone = self.chain.source, self.chain.time_zone
        if "wait_time" not in self.fields:
            return  # somebody who may only look
        comes_from: Any = self.fields["from_states"]
        comes_from.choices = [
            (StepsFrom.ANY, _("any state")),
            *state_choices(self.chain, step.from_states, end=False),
        ]
        if step.pk is None:
            comes_from.prepare_value = lambda value: value
        leads_to: Any = self.fields["to_state"]
        leads_to.choices = [("", "—"), *state_choices(self.chain, [step.to_state], end=True)]
        self.fields["wait_time"].widget = forms.TimeInput({"type": "time"}, format="%H:%M")
        self.fields["wait_weekday"].help_text = ""  # the first choice says it
        weekday: Any = self.fields["wait_weekday"]
        weekday.choices = [("", _("any day")), *list(weekday.choices)[1:]]
        self.fields["group_template"].widget = TextWithSuggestions(made_groups, {"maxlength": 500})
        self.fields["group_template"].help_text = gettext_lazy(
            "The name of the event that this step makes. Values of the row can be part of it, and "
            "of the chain, such as {{ chain.state }}. Empty: no event."
        )

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        same = self.chain.transitions.filter(name=name).exclude(pk=self.instance.pk)
        if same.exists():
            said = gettext("This chain has a step called “%(name)s” already.")
            raise forms.ValidationError(said % {"name": name})
        return name

    def clean_group_template(self) -> str:
        template: str = self.cleaned_data["group_template"].strip()
        try:
            wrong = problems_of_template(template, self.chain.source_or_error())
        except BrokenRule as error:
            wrong = [str(error)] if "group_template" in self.changed_data else []
        if wrong:
            raise forms.ValidationError(wrong)
        return template

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        comes_from, leads_to = cleaned.get("from_states"), cleaned.get("to_state")
        waits = cleaned.get("wait_number") or any(
            cleaned.get(n) is not None for n in WAIT_FIELDS[2:]
        )
        if comes_from and leads_to in comes_from and not waits:
            said = gettext("A step back to the same state must wait: otherwise it never ends.")
            self.add_error("wait_number", said)
        return cleaned


@admin.register(Transition)
class TransitionAdmin(RuleOfChainAdmin):
    form = StepForm
    add_fields = (
        "name",
        "from_states",
        "to_state",
        WAIT_FIELDS[:2],
        WAIT_FIELDS[2:],
        "group_template",
    )  # type: ignore[assignment]
    panel_template = "admin/automation_chains/step_panel.html"
    panel_fields = ("from_states", "to_state", *WAIT_FIELDS, "group_template")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "name",
                    "from_states",
                    "to_state",
                    WAIT_FIELDS[:2],
                    WAIT_FIELDS[2:],
                    "group_template",
                )
            },
        ),
    )

    readonly_fields = ("shown_way", "shown_wait")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None and not self.has_change_permission(request, obj):
            return [(None, {"fields": ("name", "shown_way", "shown_wait", "group_template")})]
        return super().get_fieldsets(request, obj)

    @admin.display(description=_("from and to"))
    def shown_way(self, step: Transition) -> str:
        return f"{from_label(step)} → {state_label(step.to_state)}"

    @admin.display(description=_("wait"))
    def shown_wait(self, step: Transition) -> str:
        return wait_label(step.wait)

    def get_urls(self) -> list[Any]:
        move = self.admin_site.admin_view(self.move_view)
        return [
            path("<int:pk>/move/", move, name="automation_chains_transition_move"),
            *super().get_urls(),
        ]

    def move_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return steps.move(self, request, pk)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._may(request, "change")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> Any:
        chain = steps.chain_of(request)
        if chain is None:
            messages.info(request, gettext("Open a chain first: a step is added there."))
            return HttpResponseRedirect(reverse("admin:automation_chains_chain_changelist"))
        title = gettext("Add a step")
        context = {"chain": chain, "title": title, **(extra_context or {})}
        return super().add_view(request, form_url, context)

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, **kwargs)
        chain = obj.chain if obj is not None else steps.chain_of(request)
        return type("StepForm", (form,), {"chain": chain})

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        chain = steps.chain_of(request)
        return steps.likely_next(chain) if chain is not None else {}

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            last = obj.chain.transitions.aggregate(last=Max("position"))["last"]
            obj.position = 0 if last is None else last + 1
        super().save_model(request, obj, form, change)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        note_on_chain(request, obj.chain, obj, "added")
        return super().log_addition(request, obj, message)

    def title_of(self, rule: Any) -> str:
        return gettext("Step “%(name)s”") % {"name": rule}

    def panel_first(self, rule: Any, now: datetime.datetime) -> Narrow | None:
        return step_panel.where_it_begins(rule)

    def panel_among(self, rule: Any, now: datetime.datetime) -> Narrow | None:
        return those_at_the_start(rule, now)

    def panel_further(
        self,
        request: HttpRequest,
        rule: Any,
        found: Panel,
        now: datetime.datetime,
        wrong: dict[str, list[str]],
    ) -> dict[str, Any]:
        from_start = self.panel_among(rule, now) is not None
        return {**step_panel.of_step(rule, found, now, wrong), "from_start": from_start}
