"""Deliveries in the admin, of whatever kind: read, filtered, and decided about."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.events.admin import ReadOnlyAdmin
from automation.events.deciding import decide, decision_about, named, open_to, open_to_one
from automation.events.states import State

#: So many of those that it is about are named on the page that asks.
NAMED = 10


class CauseFilter(admin.SimpleListFilter):
    """Why something was not delivered."""

    title = gettext_lazy("cause")
    parameter_name = "cause"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [(cause.value, cause.label) for cause in model_admin.model.CAUSES]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(cause=self.value()) if self.value() else queryset


class StateFilter(admin.ChoicesFieldListFilter):
    """By the state, in the words of this kind of delivery."""

    def choices(self, changelist: Any) -> Any:
        words = [changelist.model.state_word(state) for state in State.values]
        for choice, word in zip(super().choices(changelist), [None, *words], strict=True):
            yield choice if word is None else {**choice, "display": word}


class DeliveryAdmin(ReadOnlyAdmin):
    """Deliveries are not edited. Whoever may decide about them can retry, cancel, send again
    or settle them, from the list and from the page of one."""

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.decide_{self.opts.model_name}")

    def get_actions(self, request: HttpRequest) -> Any:
        found = super().get_actions(request)
        if self.has_decide_permission(request):
            # Of a filtered list only what fits it.
            for name, decision in open_to(self.model, request.GET.get("state__exact", "")).items():
                found[name] = (_asks(name), name, decision.label)
        return found

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        context = dict(extra_context or {})
        delivery = self.get_object(request, object_id) if object_id else None
        if delivery is not None and self.has_decide_permission(request):
            context["decisions"] = open_to_one(delivery, timezone.now()).items()
        return super().changeform_view(request, object_id, form_url, context)


def _asks(name: str) -> Any:
    """An action of the list that asks first, with numbers, and then does it."""

    def asks(model_admin: DeliveryAdmin, request: HttpRequest, chosen: Any) -> HttpResponse:
        if "confirmed" in request.POST:
            return _done(model_admin, request, chosen, name)
        return _question(model_admin, request, chosen, name)

    return asks


def _question(
    model_admin: DeliveryAdmin, request: HttpRequest, chosen: Any, name: str
) -> HttpResponse:
    decision = decision_about(model_admin.model, name)
    meant = decision.meant(chosen, timezone.now())
    total, count = chosen.count(), meant.count()
    return TemplateResponse(
        request,
        "admin/automation_events/decide.html",
        {
            **model_admin.admin_site.each_context(request),
            "title": decision.label,
            "opts": model_admin.opts,
            "decision": decision,
            "wanted": ", ".join(
                str(model_admin.model.state_word(each)) for each in decision.states
            ),
            "name": name,
            "count": count,
            "others": total - count,
            "named": named(meant)[:NAMED],
            "more": max(count - NAMED, 0),
            "chosen": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across", "0"),
            "back": request.POST.get("back", ""),
            "checkbox": ACTION_CHECKBOX_NAME,
        },
    )


def _done(model_admin: DeliveryAdmin, request: HttpRequest, chosen: Any, name: str) -> HttpResponse:
    decision = decision_about(model_admin.model, name)
    opts = model_admin.opts
    decided = decide(decision, chosen, request.user, timezone.now())
    if decided:
        kind = opts.verbose_name if decided == 1 else opts.verbose_name_plural
        said = f"{decided} {kind}: {decision.done}"
        messages.success(request, said)
    else:
        messages.warning(request, _("None of them is in a state for that any more."))
    one = request.POST.getlist(ACTION_CHECKBOX_NAME)
    if request.POST.get("back") and len(one) == 1 and one[0].isdecimal():
        page = f"admin:{opts.app_label}_{opts.model_name}_change"
        return HttpResponseRedirect(reverse(page, args=one))
    return HttpResponseRedirect(request.get_full_path())
