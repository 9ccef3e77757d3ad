"""Chains in the admin: their list, and the page of one."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from automation.chains.chain import Chain, State
from automation.chains.forms import ChainForm
from automation.chains.pages import arming
from automation.chains.pages.changes import pause_changed, to_chain
from automation.chains.pages.facts import at_once, facts, runs_url
from automation.chains.traffic import next_looks, on_each
from automation.chains.vanishing import move_all, rename_all, rename_in_steps, steps_then
from automation.chains.wording import state_label
from automation.events.admin import moment, state_badge
from automation.rules import bulk
from automation.rules.admin import SourceFilter, in_words
from automation.rules.counting import Counted
from automation.rules.databases import database
from automation.rules.definition_admin import Importable
from automation.rules.forms import read_what_they_name
from automation.rules.sources import UnknownSource, sources

# A reason in a list is cut to so many characters; the whole of it is on the chain's page.
SHORT = 200

#: What stands for a moment that is not found quickly.
TOO_LONG = _("It takes too long to find out.")

#: What decides how a chain goes on. Another name, or another pace of looking, pauses nothing.
MEANING_FIELDS = ("states", "reentry", "limit_days", "time_zone")


class ChainList(ChangeList):
    def get_queryset(self, request: HttpRequest, *args: Any) -> Any:
        return super().get_queryset(request, *args).prefetch_related("entry__conditions")

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        chains: list[Any] = list(self.result_list)
        entries = [chain.entry for chain in chains if hasattr(chain, "entry")]
        read_what_they_name(line for entry in entries for line in entry.conditions.all())
        counts, looks = on_each(chains), next_looks(chains)
        for chain in chains:
            chain.count = Counted(None if counts is None else counts[chain.pk])
            chain.next_look = TOO_LONG if looks is None else moment(looks.get(chain.pk))
        self.result_list = chains


@admin.register(Chain)
class ChainAdmin(Importable):
    form = ChainForm
    change_form_template = "admin/automation_chains/chain/change_form.html"
    prepopulated_fields = {"slug": ("name",)}
    list_display = ("name", "about", "sentence", "state_now", "under_way", "next_one")
    list_filter = ("state", SourceFilter)
    actions = (bulk.pause, bulk.clone, bulk.export)
    search_fields = ("name", "slug")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ChainList

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": ("name", "slug", "source", "states")})]
        states = "states" if self.has_change_permission(request, obj) else "shown_states"
        more = ("limit_days", "entry_minutes", "look_minutes", "time_zone")
        return [
            (_("The chain"), {"fields": ("name", "slug", "about", states, "reentry")}),
            (_("More"), {"classes": ("collapse",), "fields": more}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        also = ["about", "shown_states"] if obj else []
        return [*super().get_readonly_fields(request, obj), *also]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return {} if obj else super().get_prepopulated_fields(request, obj)

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        try:
            return super().get_object(request, object_id, from_field)
        except OverflowError:  # SQLite's numbers end somewhere
            return None

    def get_urls(self) -> list[Any]:
        wrap, name = self.admin_site.admin_view, "automation_chains_chain"
        return [
            path("<int:pk>/arm/", wrap(self.arm_view), name=f"{name}_arm"),
            path("<int:pk>/pause/", wrap(self.pause_view), name=f"{name}_pause"),
            path("<int:pk>/rule/<slug:kind>/", wrap(self.rule_view), name=f"{name}_rule"),
            *super().get_urls(),
        ]

    def arm_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return arming.arm(self, request, pk)

    def pause_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return arming.pause(self, request, pk)

    def rule_view(self, request: HttpRequest, pk: int, kind: str) -> HttpResponse:
        return arming.open_rule(self, request, pk, kind)

    def get_actions(self, request: HttpRequest) -> Any:
        # With a chain goes the history of all that were on it: one at a time, and asked.
        found = super().get_actions(request)
        found.pop("delete_selected", None)
        return found

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        chain = self.get_object(request, object_id)
        may = chain is not None and self.has_delete_permission(request, chain)
        if may and chain.runs.exists():
            said = gettext("“%(name)s” has a history, which stays. Pause it instead.")
            messages.error(request, said % {"name": chain})
            return to_chain(chain)
        return super().delete_view(request, object_id, extra_context)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Only what was changed here is written: a worker may be writing its part of the row. Who
        is in a state that is no more goes where the form says."""
        if not change:
            super().save_model(request, obj, form, change)
            return
        written = [name for name in form.changed_data if name in form._meta.fields]
        if not written:
            return
        with transaction.atomic(using=database()):
            if set(written) & set(MEANING_FIELDS):
                pause_changed(request, obj)
            obj.save(update_fields=written)
            if "states" in written:
                self._follow(request, obj, form)

    def _follow(self, request: HttpRequest, chain: Chain, form: Any) -> None:
        """Steps and runs follow states that were renamed or taken away."""
        if steps := rename_in_steps(chain, form.renamed):
            said = gettext("These steps name the state as it is called now: %(steps)s.")
            messages.info(request, said % {"steps": ", ".join(steps)})
        names = {old: new for old, new in form.renamed.items() if form.answers.get(old) == new}
        rename_all(chain, names)
        others = {state: to for state, to in form.answers.items() if state not in names}
        if count := move_all(chain, others, timezone.now(), request.user):
            said = ngettext(
                "%(count)d was moved as you said.", "%(count)d were moved as you said.", count
            )
            messages.info(request, said % {"count": count})

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> Any:
        """From the first step straight on to the page with everything else."""
        if "_popup" in request.POST:
            return super().response_add(request, obj, post_url_continue)
        post = request.POST.copy()
        post["_continue"] = "1"
        request.POST = post  # type: ignore[assignment]
        return super().response_add(request, obj, post_url_continue)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        chain = kwargs.get("obj")
        if chain is not None:
            context |= facts(chain, timezone.now())
            context["may_change"] = self.has_change_permission(request, chain)
            form = context["adminform"].form
            context["questions"] = form.questions() if hasattr(form, "questions") else []
            if context["questions"]:
                context["at_once"] = at_once(
                    form.all_states, steps_then(chain, form.all_states, form.renamed)
                )
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=_("about"), ordering="source")
    def about(self, chain: Chain) -> str:
        try:
            return str(sources.get(chain.source))
        except UnknownSource as error:
            return str(error)

    @admin.display(description=_("states"))
    def shown_states(self, chain: Chain) -> str:
        return " → ".join(state_label(state) for state in chain.all_states)

    @admin.display(description=_("what it does"))
    def sentence(self, chain: Chain) -> str:
        entry = chain.entry_rule()
        way = self.shown_states(chain)
        said = f"{entry.sentence()}: {way}" if entry is not None else way
        if not chain.state_reason:
            return said
        why = gettext("%(state)s: %(reason)s") % {
            "state": capfirst(chain.get_state_display()),
            "reason": Truncator(chain.state_reason).chars(SHORT),
        }
        return format_html('{}<br><span class="quiet">{}</span>', said, why)

    @admin.display(description=_("state"), ordering="state")
    def state_now(self, chain: Chain) -> str:
        return state_badge(chain.state, chain.get_state_display())

    @admin.display(description=_("on their way"))
    def under_way(self, chain: Any) -> str:
        url = runs_url(chain)
        shown = format_html('<a href="{}">{}</a>', url, chain.count) if url else chain.count
        return in_words(_("on their way"), shown)

    @admin.display(description=_("next look"))
    def next_one(self, chain: Any) -> str:
        return in_words(
            _("next look"), chain.next_look if chain.state == State.ARMED else moment(None)
        )
