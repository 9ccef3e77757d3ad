"""Those on their way in the admin: their list, and the page of one."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from automation.chains.admin import run_filters
from automation.chains.run_pages import asking, looking, starting, taking
from automation.chains.run_pages.decisions import DECIDE, DECISIONS, open_to
from automation.chains.run_pages.subjects import Subject, about, subjects
from automation.chains.run_pages.timeline import facts, state_of
from automation.chains.runs import ChainRun
from automation.chains.wording import state_label
from automation.events.admin import ReadOnlyAdmin, moment
from automation.rules.admin import in_words
from automation.rules.counting import TooSlow
from automation.rules.views import linked


class RunList(ChangeList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        runs: list[Any] = list(self.result_list)
        found = subjects(runs)
        for run in runs:
            run.told = found[run.pk]
        self.result_list = runs


@admin.register(ChainRun)
class ChainRunAdmin(ReadOnlyAdmin):
    """Runs are not edited. Whoever may decide about them can have them looked at, pause, move and
    end them, from the list and from the page of one."""

    change_form_template = "admin/automation_chains/run.html"
    change_list_template = "admin/automation_chains/run_list.html"
    list_display = ("began", "subject", "on_what", "where", "next_one", "badge")
    list_display_links = ("began", "subject")
    list_filter = (
        run_filters.NextLookFilter,
        run_filters.OutcomeFilter,
        run_filters.ChainFilter,
        run_filters.TypeFilter,
        run_filters.StateFilter,
    )
    list_per_page = 50
    show_facets = admin.ShowFacets.NEVER  # they would count a million of them
    list_select_related = ("chain",)
    search_fields = ("row_pk",)
    search_help_text = _(
        "Search by number or name of the row, by resource (order:4711), or by the name or the "
        "address of the person"
    )
    ordering = ("-pk",)
    fields = ("the_chain", "the_subject", "state_now", "began", "by_whom", "looked")
    readonly_fields = fields

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        try:
            return super().get_object(request, object_id, from_field)
        except OverflowError:  # SQLite's numbers end somewhere
            return None

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RunList

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("chain").prefetch_related("resources")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        if not search_term:
            return queryset, False
        try:
            return queryset.filter(run_filters.searched(search_term)), False
        except TooSlow:
            said = _("There are too many rows to look for a name. Search by number or by address.")
            messages.warning(request, said)
            return queryset.none(), False

    def get_urls(self) -> list[Any]:
        wrap, name = self.admin_site.admin_view, "automation_chains_chainrun"
        return [
            path("start/", wrap(self.start_view), name=f"{name}_start"),
            path("<int:pk>/look/", wrap(self.look_view), name=f"{name}_look"),
            path("<int:pk>/take/<int:step>/", wrap(self.take_view), name=f"{name}_take"),
            *super().get_urls(),
        ]

    def start_view(self, request: HttpRequest) -> HttpResponse:
        return starting.start_by_hand(self, request)

    def look_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return looking.look(self, request, pk)

    def take_view(self, request: HttpRequest, pk: int, step: int) -> HttpResponse:
        return taking.take(self, request, pk, step)

    def get_actions(self, request: HttpRequest) -> Any:
        found = super().get_actions(request)
        for name, decision in DECISIONS.items():
            if request.user.has_perm(decision.permission):
                found[name] = (asking.asks(name), name, decision.label)
        return found

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        more = {"may_start": request.user.has_perm(DECIDE)}
        return super().changelist_view(request, {**more, **(extra_context or {})})

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        run = context["original"]
        context |= facts(run, timezone.now())
        context |= {"title": str(run), "subtitle": None}
        context["may_look"] = looking.may(request) and not run.is_over
        if request.user.has_perm(DECIDE):
            context["decisions"] = open_to(run).items()
            context["may_take"] = not context["holds"]
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=_("started"), ordering="started_at")
    def began(self, run: ChainRun) -> str:
        return moment(run.started_at)

    @admin.display(description=_("about"))
    def subject(self, run: Any) -> str:
        told: Subject = run.told
        if not told.person:
            return told.name
        return format_html('{}<br><span class="quiet">{}</span>', told.name, told.person)

    @admin.display(description=_("chain"))
    def on_what(self, run: ChainRun) -> str:
        return str(run.chain or run.chain_type)

    @admin.display(description=_("state"), ordering="entered_at")
    def where(self, run: ChainRun) -> str:
        since = gettext("since %(when)s") % {"when": moment(run.entered_at)}
        return in_words(
            _("state"),
            format_html('{} <span class="quiet">{}</span>', state_label(run.state), since),
        )

    @admin.display(description=_("next look"), ordering="next_update")
    def next_one(self, run: ChainRun) -> str:
        late = run.next_update and run.next_update < timezone.now() - run_filters.OVERDUE
        said = format_html('<span class="went-wrong">{}</span>', _("overdue")) if late else ""
        return in_words(_("next look"), format_html("{} {}", moment(run.next_update), said))

    @admin.display(description=_("where it stands"), ordering="outcome")
    def badge(self, run: ChainRun) -> str:
        return state_of(run)

    @admin.display(description=_("chain"))
    def the_chain(self, run: ChainRun) -> str:
        if run.chain is None:
            return gettext("%(name)s, in code") % {"name": run.chain_type}
        return linked(run.chain._meta, run.chain_id, str(run.chain))

    @admin.display(description=_("about"))
    def the_subject(self, run: ChainRun) -> str:
        said = about(run, subjects([run])[run.pk])
        if run.number == 1:
            return said
        again = gettext("on this chain for the %(number)s. time") % {"number": run.number}
        return format_html('{} <span class="quiet">{}</span>', said, again)

    @admin.display(description=_("state"))
    def state_now(self, run: ChainRun) -> str:
        since = gettext("since %(when)s") % {"when": moment(run.entered_at)}
        return format_html(
            '<strong>{}</strong> <span class="quiet">{}</span> {}',
            state_label(run.state), since, state_of(run),
        )  # fmt: skip

    @admin.display(description=_("started by"))
    def by_whom(self, run: ChainRun) -> str:
        if run.started_by is not None:
            return linked(run.started_by._meta, run.started_by_id, str(run.started_by))
        return run.requested_by or (gettext("the chain itself") if run.chain else "–")

    @admin.display(description=_("last look"))
    def looked(self, run: ChainRun) -> str:
        return moment(run.looked_at)
