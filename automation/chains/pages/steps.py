"""Steps of a chain: which chain a page is about, what a new one may be, and their order."""

from itertools import pairwise
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse

from automation.chains.chain import Chain
from automation.chains.names import DONE, NEW
from automation.chains.pages.changes import note_on_chain, pause_changed, to_chain
from automation.chains.transitions import Transition
from automation.events.admin import is_number
from automation.rules.databases import database


def chain_of(request: HttpRequest) -> Chain | None:
    """The chain that the address of a page names."""
    named = request.GET.get("chain", "")
    return Chain.objects.filter(pk=named).first() if is_number(named) else None


def likely_next(chain: Chain) -> dict[str, Any]:
    """What a new step most likely is: from the first state that nothing leads on from to the
    one after it."""
    states, steps = chain.all_states, list(chain.transitions.all())
    for state, following in pairwise(states):
        if not any(step.leads_from(state) and step.from_states for step in steps):
            return {"from_states": [state], "to_state": following}
    return {"from_states": [states[-2]], "to_state": DONE} if chain.states else {
        "from_states": [NEW], "to_state": DONE,
    }  # fmt: skip


def move(model_admin: Any, request: HttpRequest, pk: int) -> HttpResponse:
    """Change the place of a step among the others: the first valid one is taken. The page that
    follows begins at the button that was pressed, so that it can be pressed again."""
    if not is_number(str(pk)):
        raise Http404
    step = Transition.objects.select_related("chain").filter(pk=pk).first()
    if step is None:
        raise Http404
    if not model_admin.has_change_permission(request, step):
        raise PermissionDenied
    way = "up" if "up" in request.POST else "down"
    if request.method == "POST":
        with transaction.atomic(using=database()):
            other = _swap(step, -1 if way == "up" else 1)
            if other is not None:
                note_on_chain(request, step.chain, step, "moved")
                if _meet(step, other):
                    pause_changed(request, step.chain)
    return to_chain(step.chain, _button(step, way))


def _button(step: Transition, way: str) -> str:
    """The button that moves ``step`` on that ``way``; the other one where it can go no further."""
    pks = list(step.chain.transitions.in_order().values_list("pk", flat=True))
    ends = {"up": (pks[0], "down"), "down": (pks[-1], "up")}
    end, back = ends[way]
    return f"step-{step.pk}-{back if step.pk == end else way}"


def _meet(one: Transition, other: Transition) -> bool:
    """Whether there is a state from which both lead on: only then their order decides anything."""
    states = {*one.chain.all_states, *one.from_states}
    return any(one.leads_from(state) and other.leads_from(state) for state in states)


def _swap(step: Transition, by: int) -> Transition | None:
    """Change places with the one before (-1) or after (1), which is returned. None if there is
    none. Call it in a transaction."""
    steps = list(Transition.objects.filter(chain=step.chain).in_order())
    place = next(number for number, each in enumerate(steps) if each.pk == step.pk)
    if not 0 <= place + by < len(steps):
        return None
    other = steps[place + by]
    steps[place], steps[place + by] = steps[place + by], steps[place]
    for position, each in enumerate(steps):
        if each.position != position:
            Transition.objects.filter(pk=each.pk).update(position=position)
    return other
