"""Sources: the models that a developer opens to editors, and how far.

A project writes its sources in ``<app>/sources.py``, which is found as ``admin.py`` is::

    from automation.rules import RelatedList, Source, sources

    sources.register(Source(
        Cart,
        fields=["status", "updated_at", "customer__first_name"],
        lists={"items": RelatedList("items", ["title", "price"], order_by=["-price"], limit=20)},
        annotations={"paid_orders": Count("customer__orders", filter=Q(...))},
        recipient="customer__email",
        language="customer__language",
        time_zone="customer__time_zone",
    ))
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import models
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.constants import LOOKUP_SEP
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from automation.rules.databases import database, elsewhere
from automation.rules.fields import Field, Kind, kind_of, models_on, resolve, walk
from automation.rules.templating import ANYTHING

#: From what is known of some rows (in their order) to what is computed for each of them.
Compute = Callable[[Sequence[Mapping[str, Any]], datetime], Iterable[Mapping[str, Any]]]


class UnknownField(LookupError):
    """A rule names a field that its source does not have (any more)."""


class UnknownSource(LookupError):
    """A rule names a source that is not registered (any more)."""


class OutOfReach(UnknownSource):
    """A rule names a source whose rows are in another database than rules and events."""


@dataclass(frozen=True)
class RelatedList:
    """Rows that belong to a row, for templates to loop over.

    ``path`` leads from the source's model to the relation to many, over at most two
    single-valued relations before it; ``fields`` are paths from there; ``order_by`` too,
    with ``-`` for descending. At most ``limit`` rows are taken. ``dated_by`` is the path of
    the date or moment that "in the last 30 days" goes by. ``keywords`` are further words that
    editors may look for questions about the list by.
    """

    path: str
    fields: Sequence[str | Field]
    order_by: Sequence[str] = ()
    limit: int = 100
    dated_by: str = ""
    label: Any = ""
    keywords: Any = ""


@dataclass(frozen=True, eq=False)
class Source:
    """A model that editors may build rules on, and what of it they see.

    - ``fields``: paths of single values, with at most three hops.
    - ``lists``: related rows by the name templates know them by.
    - ``annotations``: expressions by the name editors know them by; an aggregate becomes a
      subquery of its own, so two of them never multiply each other's rows. An annotation
      may be ``(expression, label)``, or ``(expression, label, keywords)``.
    - ``recipient``, ``language``, ``time_zone``: paths of the person that a row is about.
    - ``computed``: names of further values, which ``compute(rows, now)`` returns for each of
      the rows it is given: one mapping a row, in order, called once for many rows.
    - ``name``: what templates call the row; the model's name if empty.
    - ``label``: what editors call the source; the model's plural name if empty.
    """

    model: type[models.Model]
    fields: Sequence[str | Field]
    lists: Mapping[str, RelatedList] = field(default_factory=dict)
    annotations: Mapping[str, Any] = field(default_factory=dict)
    recipient: str = ""
    language: str = ""
    time_zone: str = ""
    computed: Sequence[str] = ()
    compute: Compute | None = None
    name: str = ""
    label: Any = ""

    @property
    def key(self) -> str:
        """What rules store: ``"shop.cart"``."""
        return f"{self.model._meta.app_label}.{self.row_name}"

    @property
    def row_name(self) -> str:
        return self.name or str(self.model._meta.model_name)

    def __str__(self) -> str:
        return str(capfirst(self.plural))

    @property
    def plural(self) -> str:
        """What its rows are called in the middle of a sentence."""
        return str(self.label or self.model._meta.verbose_name_plural)

    @cached_property
    def resolved_fields(self) -> dict[str, Field]:
        """The declared fields and annotations by path, completed from the model."""
        found = {}
        for declared in self.fields:
            given = Field(declared) if isinstance(declared, str) else declared
            found[given.path] = resolve(self.model, given)
        for name, (expression, label, keywords) in self._labelled_annotations.items():
            output = self._output_field(name, expression)
            kind = kind_of(output)
            if kind is None:
                raise ImproperlyConfigured(f"{self.key}: annotation '{name}' is no plain value.")
            if name in found:
                raise ImproperlyConfigured(f"{self.key}: '{name}' is declared twice.")
            found[name] = Field(
                name,
                label=label or name.replace("_", " "),
                kind=kind,
                annotation=True,
                whole=isinstance(output, models.IntegerField),
                keywords=keywords,
            )
        return found

    @cached_property
    def resolved_lists(self) -> dict[str, tuple[RelatedList, dict[str, Field]]]:
        """The related lists by name, each with its completed fields by path."""
        return {name: (items, self._list_fields(items)) for name, items in self.lists.items()}

    def list_model(self, items: RelatedList) -> Any:
        """The model of the rows of a related list."""
        return self._relation(items).related_model

    def list_label(self, name: str) -> str:
        items = self.lists[name]
        return str(items.label or self.list_model(items)._meta.verbose_name_plural)

    def field(self, path: str) -> Field:
        """The declared field at ``path``. Raises ``UnknownField``, naming the nearest one."""
        try:
            return self.resolved_fields[path]
        except KeyError:
            near = difflib.get_close_matches(path, self.resolved_fields, n=1)
            hint = (
                _(" Did you mean “%s”?") % self.resolved_fields[near[0]].full_label if near else ""
            )
            raise UnknownField(
                _("“%(field)s” is not a field of %(source)s that rules may use.%(hint)s")
                % {"field": path, "source": self, "hint": hint}
            ) from None

    def rows(self, paths: Iterable[str] | None = None) -> QuerySet[Any]:
        """All rows, annotated for ``paths`` (all declared annotations if None), asked where they
        are written: a copy of the database may be behind. Raises ``OutOfReach``."""
        self.make_sure_of_reach()
        queryset = self.model._default_manager.using(database())
        wanted = self._labelled_annotations
        if paths is not None:
            wanted = {name: wanted[name] for name in paths if name in wanted}
        return queryset.annotate(
            **{name: self._subquery(name, expr) for name, (expr, *_said) in wanted.items()}
        )

    @cached_property
    def read_models(self) -> list[type[models.Model]]:
        """The models that its fields and lists are read from, its own first."""
        found = dict.fromkeys([self.model])
        for path in (*self.resolved_fields, *self._roles):
            if path not in self.annotations:
                found |= dict.fromkeys(models_on(self.model, path))
        for items, fields in self.resolved_lists.values():
            found |= dict.fromkeys(models_on(self.model, items.path))
            for path in fields:
                found |= dict.fromkeys(models_on(self.list_model(items), path))
        return list(found)

    def make_sure_of_reach(self) -> None:
        """Raise ``OutOfReach`` if its rows cannot be asked in one query with rules and events."""
        for model, alias in elsewhere(self.read_models).items():
            raise OutOfReach(
                _(
                    "The rows of %(model)s are in the database “%(there)s”; rules and events are "
                    "in “%(here)s”, and both are asked in one query."
                )
                % {"model": model._meta.label, "there": alias, "here": database()}
            )

    @cached_property
    def shape(self) -> dict[str, Any]:
        """What templates can name: nested dicts, one-element lists for related lists,
        ``Field`` at the leaves; of what is computed nothing is known."""
        row: dict[str, Any] = {"id": Field("pk", kind=Kind.OTHER)}
        for path, known in self.resolved_fields.items():
            place(row, path, known)
        for name, (_items, fields) in self.resolved_lists.items():
            item: dict[str, Any] = {}
            for path, known in fields.items():
                place(item, path, known)
            row[name] = [item]
        for name in self.computed:
            row[name] = ANYTHING
        return {self.row_name: row}

    def validate(self) -> None:
        """Raise ``ImproperlyConfigured`` for whatever of the declaration cannot work."""
        for what in ("abstract", "swapped"):
            if getattr(self.model._meta, what):
                raise ImproperlyConfigured(
                    f"{self.model._meta.label} is {what}: it has no rows. Name the model that has."
                )
        if isinstance(self.model._meta.pk, models.CompositePrimaryKey):
            raise ImproperlyConfigured(
                f"{self.key}: {self.model._meta.label} has a composite primary key; events need "
                "one value that names a row."
            )
        names = set(self.resolved_fields)
        for name, (_items, fields) in self.resolved_lists.items():
            if not fields:
                raise ImproperlyConfigured(f"{self.key}: list '{name}' has no fields.")
            if name in names:
                raise ImproperlyConfigured(f"{self.key}: '{name}' is a field and a list.")
        for path in self._roles:
            # Of any kind: what is no text is told by a system check.
            resolve(self.model, Field(path, kind=Kind.TEXT, sensitive=True))
        if bool(self.computed) != bool(self.compute):
            raise ImproperlyConfigured(
                f"{self.key}: computed names the values, compute makes them: give both or none."
            )

    @property
    def _roles(self) -> list[str]:
        return [path for path in (self.recipient, self.language, self.time_zone) if path]

    @cached_property
    def _labelled_annotations(self) -> dict[str, tuple[Any, ...]]:
        """Each as its expression, label and keywords."""
        return {
            name: (*(given if isinstance(given, tuple) else (given,)), "", "")[:3]
            for name, given in self.annotations.items()
        }

    def _output_field(self, name: str, expression: Any) -> Any:
        try:
            query = self.model._default_manager.annotate(**{name: expression}).query
            return query.annotations[name].output_field
        except (FieldError, ValueError) as error:
            raise ImproperlyConfigured(f"{self.key}: annotation '{name}': {error}") from error

    def _subquery(self, name: str, expression: Any) -> Any:
        annotated = self.model._default_manager.annotate(**{name: expression})
        if not annotated.query.annotations[name].contains_aggregate:
            return expression
        output = annotated.query.annotations[name].output_field
        one_row = annotated.filter(pk=OuterRef("pk")).order_by().values(name)
        return Subquery(one_row, output_field=output)

    def _relation(self, items: RelatedList) -> Any:
        """The relation to many at the end of a list's path."""
        *before, last = items.path.split(LOOKUP_SEP)
        start = self.model
        if before:
            start = walk(self.model, LOOKUP_SEP.join(before))[0].related_model
        relations = {
            relation.name: relation
            for relation in start._meta.get_fields()
            if relation.one_to_many or relation.many_to_many
        }
        if last not in relations:
            raise ImproperlyConfigured(
                f"{self.key}: '{items.path}' leads to no list of rows. {start._meta.label} has: "
                f"{', '.join(sorted(relations)) or 'none'}."
            )
        return relations[last]

    def _list_fields(self, items: RelatedList) -> dict[str, Field]:
        target = self.list_model(items)
        for path in (*items.order_by, *filter(None, [items.dated_by])):
            walk(target, path.removeprefix("-"))
        given = [Field(item) if isinstance(item, str) else item for item in items.fields]
        return {item.path: resolve(target, item) for item in given}


def place(tree: dict[str, Any], path: str, value: Any) -> None:
    """Put ``value`` at ``a__b__c`` into nested dicts."""
    *before, last = path.split(LOOKUP_SEP)
    for part in before:
        inner = tree.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ImproperlyConfigured(f"'{path}': '{part}' is a value already, not a relation.")
        tree = inner
    tree[last] = value


class Registry:
    """The sources of a project, by key."""

    def __init__(self) -> None:
        self._sources: dict[str, Source] = {}

    def register(self, source: Source) -> Source:
        """Open ``source`` to editors. Raises ``ImproperlyConfigured`` if it cannot work."""
        source.validate()
        if source.key in self._sources:
            raise ImproperlyConfigured(
                f"A source '{source.key}' is registered already. Give one of them a name."
            )
        self._sources[source.key] = source
        return source

    def get(self, key: str) -> Source:
        """The source with this key. Raises ``UnknownSource``, and ``OutOfReach`` if its rows are
        in another database than rules and events."""
        try:
            source = self._sources[key]
        except KeyError:
            raise UnknownSource(
                _("The source “%s” is not registered in this project.") % key
            ) from None
        source.make_sure_of_reach()
        return source

    def choices(self) -> list[tuple[str, str]]:
        """What a rule can be about: the keys and names of sources, by name."""
        known = ((key, str(source)) for key, source in self._sources.items())
        return sorted(
            ((key, name) for key, name in known if not elsewhere(self._sources[key].read_models)),
            key=lambda choice: choice[1],
        )

    def keys_of(self, saved: models.Model) -> dict[str, Any]:
        """The sources that the row ``saved`` is one of, by key, and its primary key there. A row
        of a proxy is one of its model; with multi-table inheritance it may be one of a parent, or
        of a child that has the same primary key."""
        model: Any = saved._meta.concrete_model
        found = {}
        for key, source in self._sources.items():
            about: Any = source.model._meta.concrete_model
            if issubclass(model, about):
                found[key] = getattr(saved, about._meta.pk.attname)
            elif issubclass(about, model) and _shares_key(about, model):
                found[key] = saved.pk
        return found

    def __iter__(self) -> Iterator[Source]:
        return iter(self._sources.values())

    @contextmanager
    def registered(self, *added: Source) -> Iterator[None]:
        """For tests: ``added`` are registered inside, and what was there before returns."""
        before = dict(self._sources)
        try:
            for source in added:
                self._sources.pop(source.key, None)
                self.register(source)
            yield
        finally:
            self._sources = before


def _shares_key(child: Any, parent: Any) -> bool:
    """Whether the primary key of ``child`` leads to that of ``parent``."""
    key = child._meta.pk
    while key != parent._meta.pk:
        if key.remote_field is None or not key.remote_field.parent_link:
            return False
        key = key.target_field
    return True


sources = Registry()

#: What templates know beside the row, by name: no source can be called so.
taken_names: dict[str, str] = {}


def take_name(name: str, meaning: str) -> None:
    """Say that templates know something else as ``name``: what that is, for developers."""
    taken_names[name] = meaning
