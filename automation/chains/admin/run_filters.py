"""How the list of those on their way is narrowed down, and searched."""

import datetime
from functools import reduce
from operator import or_
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from automation.chains.chain import Chain
from automation.chains.names import DONE, NEW, Outcome
from automation.chains.registry import code_chains
from automation.chains.resources import id_text
from automation.chains.runs import ChainResource, ChainRun
from automation.chains.wording import state_label
from automation.events.admin import is_number
from automation.rules import plain
from automation.rules.counting import in_time
from automation.rules.explaining import rows_meant
from automation.rules.fields import Kind
from automation.rules.keys import key_expression, key_field, key_meant, key_text
from automation.rules.sources import Source, UnknownSource, sources

CHAIN, TYPE = "chain__id__exact", "chain_type"

#: What has been due for longer is overdue: the tick comes every minute.
OVERDUE = datetime.timedelta(minutes=2)

#: A number without a kind is searched for among so many kinds of resources.
KINDS = 50

#: So many rows of a person, or with a name, are searched for: the newest.
ROWS = 200

#: So many words of a name are looked at.
WORDS = 5


class ChainFilter(admin.SimpleListFilter):
    title = _("chain")
    parameter_name = CHAIN

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(pk), name) for pk, name in Chain.objects.values_list("pk", "name")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        if not value:
            return queryset
        return queryset.filter(chain=int(value)) if is_number(value) else queryset.none()


class TypeFilter(admin.SimpleListFilter):
    """By the chain in code."""

    title = _("chain in code")
    parameter_name = TYPE

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        # Of one that is declared no more the runs are still there.
        names = {*code_chains.names, *filter(None, [self.value()])}
        return [(name, name) for name in sorted(names)]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(chain_type=self.value()) if self.value() else queryset


class StateFilter(admin.SimpleListFilter):
    """By the states of the chain that is looked at; of all chains with the names of those that
    have them."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        found = _states(request.GET.get(CHAIN, ""), request.GET.get(TYPE, ""))
        if self.value():  # one that the chain has lost while somebody was in it
            found.setdefault(self.value(), [])
        return [
            (name, f"{state_label(name)} ({', '.join(chains)})" if chains else state_label(name))
            for name, chains in found.items()
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(state=self.value()) if self.value() else queryset


def _states(chain: str, chain_type: str) -> dict[str, list[str]]:
    """The states of the chain that is named, or of all chains with the names of these."""
    if is_number(chain) and (named := Chain.objects.filter(pk=int(chain)).first()):
        return {state: [] for state in named.all_states}
    if chain_type in code_chains.names:
        return {state: [] for state in code_chains.get(chain_type).states}
    found: dict[str, list[str]] = {NEW: []}
    for name, states in Chain.objects.values_list("name", "states"):
        for state in states:
            found.setdefault(state, []).append(name)
    for name in code_chains.names:
        for state in code_chains.get(name).states:
            if state not in (NEW, DONE):
                found.setdefault(state, []).append(name)
    return {**found, DONE: []}


class NextLookFilter(admin.SimpleListFilter):
    """By when it is looked at next; days begin in the time zone of the site."""

    title = _("next look")
    parameter_name = "next"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("overdue", _("overdue")),
            ("today", _("today")),
            ("tomorrow", _("tomorrow")),
            ("later", _("tomorrow and later")),
            ("never", _("never")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        now = timezone.now()
        today, tomorrow, then = (_midnight(now, days) for days in (0, 1, 2))
        asked = {
            "overdue": Q(next_update__lt=now - OVERDUE),
            "today": Q(next_update__gte=today, next_update__lt=tomorrow),
            "tomorrow": Q(next_update__gte=tomorrow, next_update__lt=then),
            "later": Q(next_update__gte=tomorrow),
            "never": Q(next_update=None),
        }
        return queryset.filter(asked[self.value()]) if self.value() in asked else queryset


def _midnight(now: datetime.datetime, days: int) -> datetime.datetime:
    day = timezone.localdate(now) + datetime.timedelta(days=days)
    return timezone.make_aware(datetime.datetime.combine(day, datetime.time()))


class OutcomeFilter(admin.SimpleListFilter):
    title = _("where it stands")
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("going", _("on the way")), ("paused", _("paused")), *Outcome.choices]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        if value == "going":
            return queryset.filter(ended_at=None)
        if value == "paused":
            return queryset.filter(ended_at=None, is_paused=True)
        return queryset.filter(outcome=value) if value else queryset


def searched(text: str) -> Q:
    """The runs that people mean by ``text``: about the row with this number ("812", "Cart 812"),
    about a resource ("order:4711"), about the rows of the person with this address, or about
    rows that have each of its words in one of their texts. Raises ``TooSlow`` if such rows are
    not found soon."""
    text = plain.text(text).strip()
    asked = Q(pk__in=[])
    kind, colon, named = (part.strip() for part in text.rpartition(":"))
    if colon and kind and named:
        asked |= _with_resource([kind, *_labels(kind)], named)
    number = key_meant(named if colon else text)
    for source in _sources():
        label = source.model._meta.label_lower
        if colon and kind.lower() not in (label, source.model._meta.model_name):
            continue
        keys = _of_person(source, text) if "@" in text else [_key(source, number)]
        asked |= Q(row_model=label, row_pk__in=[key for key in keys if key is not None])
    if not colon and "@" not in text:
        asked |= _with_resource(_kinds(), number)
    if any(letter.isalpha() for letter in text) and "@" not in text:
        for source in _sources():
            label = source.model._meta.label_lower
            asked |= Q(row_model=label, row_pk__in=_with_name(source, text))
    return asked


def _with_name(source: Source, text: str) -> list[str]:
    """The newest rows on a chain that have each word of ``text`` somewhere in the texts that
    ``source`` opens, as what they or the people they are about are called."""
    known = source.resolved_fields.values()
    texts = [each.path for each in known if each.kind is Kind.TEXT and not each.annotation]
    if not texts:
        return []
    key = key_expression(source.model, OuterRef("pk"))
    runs = ChainRun.objects.filter(row_model=source.model._meta.label_lower, row_pk=key)
    rows = source.rows([]).filter(Exists(runs))
    for word in text.split()[:WORDS]:
        asked = (Q(**{f"{path}__icontains": word}) for path in texts)
        rows = rows.filter(reduce(or_, asked))
    with in_time(rows.db):
        return [key_text(pk) for pk in rows.order_by("-pk").values_list("pk", flat=True)[:ROWS]]


def _with_resource(kinds: list[str], named: str) -> Q:
    about = ChainResource.objects.filter(kind__in=kinds, resource_id=id_text(named))
    return Q(pk__in=about.values("run"))


def _labels(name: str) -> list[str]:
    """The models that are called ``name``, as resources that are rows name theirs."""
    models = (model._meta for model in apps.get_models())
    return [opts.label_lower for opts in models if opts.model_name == name.lower()]


def _kinds() -> list[str]:
    """The kinds of resources that there are: one look into the index for each, not for each row."""
    found: list[str] = []
    while len(found) < KINDS:
        further = ChainResource.objects.filter(kind__gt=found[-1] if found else "")
        kind = further.order_by("kind").values_list("kind", flat=True).first()
        if kind is None:
            break
        found.append(kind)
    return found


def _sources() -> list[Source]:
    """What chains are about."""
    found = []
    for key in Chain.objects.order_by().values_list("source", flat=True).distinct():
        try:
            found.append(sources.get(key))
        except UnknownSource:
            continue
    return found


def _key(source: Source, number: str) -> str | None:
    try:
        pk = key_field(source.model).to_python(number)
    except ValidationError:
        return None
    return key_text(pk) if pk is not None else None


def _of_person(source: Source, address: str) -> list[str]:
    if not source.recipient:
        return []
    rows = rows_meant(source, address).values_list("pk", flat=True)
    return [key_text(pk) for pk in rows[:ROWS]]
