"""Definitions: what editors build, as data that travels between sites.

Each kind of thing registers how it is written and read; everything is named by its short
name (slug), never by a primary key. What is imported arrives disarmed.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils.translation import gettext as _

from automation.rules import plain
from automation.rules.databases import database
from automation.rules.rule import Rule, Segment
from automation.rules.sources import UnknownSource, sources
from automation.rules.written import conditions_in_words
from automation.rules.written import read_condition as read_condition

VERSION = 1


class DefinitionError(Exception):
    """A file of definitions that cannot be imported: ``problems`` says where and why."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Part:
    """What a thing has besides its plain fields, such as the rows that belong to it.

    ``dump`` gives it as JSON has it. ``load`` gives it back to the thing that was read: before
    that is checked and saved, or, with ``after``, when it has been. It raises
    ``ValidationError`` for what does not fit; what is missing in a file is ``missing``.
    ``in_words`` says what ``dump`` gave for a thing to people, a line for each; ``label`` is what
    they call it, if the model does not say that."""

    name: str
    dump: Callable[[Any], Any]
    load: Callable[[Any, Any], None]
    after: bool = True
    missing: Any = ()
    in_words: Callable[[Any, Any], str] | None = None
    label: Any = ""


@dataclass(frozen=True)
class DefinedKind:
    """A kind of thing that can be exported: its name in files, its model, its plain fields
    and its other parts. ``disarm`` is called on what was read, before it is saved. With
    ``name_each_other`` things of this kind are checked when all of them have been read.
    ``affected`` gives what is there and becomes different with a thing; ``stops`` says, of a thing
    as it is here and in words, what it does that ends with the import; ``loaded`` is called
    with the thing and whoever imports it (or None) when everything has been read."""

    name: str
    model: type[models.Model]
    fields: tuple[str, ...]
    disarm: Callable[[Any], None] = lambda thing: None
    parts: tuple[Part, ...] = ()
    name_each_other: bool = False
    affected: Callable[[Any], Iterable[Any]] = lambda thing: ()
    stops: Callable[[Any], Iterable[str]] = lambda thing: ()
    loaded: Callable[[Any, Any], None] = lambda thing, author: None

    @property
    def known(self) -> tuple[str, ...]:
        """What an entry may have."""
        return (*self.fields, *(part.name for part in self.parts))


@dataclass(frozen=True)
class Change:
    """What an import did, or would do, to one thing: ``before`` is None for a new one; both
    are as ``dump`` writes them. ``affected``: what else is different by that. ``stops``: what
    the thing did until then, in words. ``words``: what differs in words, before and after, by
    name, where not only the data says it."""

    kind: str
    thing: Any
    before: dict[str, Any] | None
    after: dict[str, Any]
    affected: list[Any] = field(default_factory=list)
    stops: list[str] = field(default_factory=list)
    words: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def fields(self) -> list[str]:
        """The names of what differs."""
        before = self.before or {}
        return [name for name, value in self.after.items() if before.get(name) != value]


@dataclass
class Report:
    """What an import created and changed, in the order of the file."""

    changes: list[Change] = field(default_factory=list)

    @property
    def created(self) -> dict[str, int]:
        """How many of each kind were created."""
        return Counter(change.kind for change in self.changes if change.before is None)

    @property
    def changed(self) -> dict[str, int]:
        """How many of each kind were there already."""
        return Counter(change.kind for change in self.changes if change.before is not None)


_kinds: dict[str, DefinedKind] = {}


def register(kind: DefinedKind) -> None:
    _kinds[kind.name] = kind


def dump(only: models.QuerySet[Any] | None = None) -> dict[str, Any]:
    """Everything there is, or ``only`` these things of one kind, as ``load`` reads it."""
    data: dict[str, Any] = {"version": VERSION}
    for kind in _kinds.values():
        if only is None or only.model is kind.model:
            things = kind.model._default_manager.all() if only is None else only
            data[kind.name] = [_dump_one(kind, thing) for thing in things.order_by("slug")]
    return data


def load(data: Any, *, rehearse: bool = False, author: Any = None) -> Report:
    """Create or change what ``data`` defines, all of it or nothing; with ``rehearse`` nothing
    in any case. ``author`` is the user who does it, if one does. Raises ``DefinitionError``
    with everything that is wrong."""
    _check_form(data)
    report = Report()
    problems: list[str] = []
    with transaction.atomic(using=database()):
        for kind in _kinds.values():
            changes, wrong = _load_kind(kind, data.get(kind.name, []))
            report.changes += changes
            problems += wrong
        if problems:
            raise DefinitionError(problems)
        if rehearse:
            transaction.set_rollback(True, using=database())
        else:
            for change in report.changes:
                _kinds[change.kind].loaded(change.thing, author)
    return report


def models_in(data: Any) -> list[type[models.Model]]:
    """The models of what ``data`` defines. Raises ``DefinitionError`` if it has not the form
    of definitions."""
    _check_form(data)
    return [kind.model for kind in _kinds.values() if data.get(kind.name)]


def label_of(change: Change, name: str) -> str:
    """What people call the part of ``change`` with this name, if it says so itself."""
    return next((str(each.label) for each in _kinds[change.kind].parts if each.name == name), "")


def _check_form(data: Any) -> None:
    if not isinstance(data, dict) or "version" not in data:
        raise DefinitionError([_("This is not a file of definitions.")])
    if type(data["version"]) is not int or data["version"] != VERSION:
        raise DefinitionError(
            [
                _("The file is of version %(found)s; this site reads version %(known)s.")
                % {"found": data["version"], "known": VERSION}
            ]
        )
    problems = [
        _("“%(name)s” is not known. Known are: %(kinds)s.")
        % {"name": name, "kinds": ", ".join(_kinds)}
        for name in data
        if name != "version" and name not in _kinds
    ]
    problems += [
        _("%(name)s must be a list of objects.") % {"name": name}
        for name in _kinds
        if not isinstance(data.get(name, []), list)
        or not all(isinstance(entry, dict) for entry in data.get(name, []))
    ]
    if problems:
        raise DefinitionError(problems)


def _dump_one(kind: DefinedKind, thing: Any) -> dict[str, Any]:
    return {
        **{name: _value(thing, name) for name in kind.fields},
        **{part.name: part.dump(thing) for part in kind.parts},
    }


def _value(thing: Any, name: str) -> Any:
    """A field's value as JSON has it, or as text."""
    field = thing._meta.get_field(name)
    value = field.value_from_object(thing)
    return value if isinstance(value, str | int | None) else field.value_to_string(thing)


def _load_kind(kind: DefinedKind, entries: list[dict[str, Any]]) -> tuple[list[Change], list[str]]:
    """All things of a kind, and what is wrong with them. All are there before their parts are
    read: a segment's line may name a segment that comes later."""
    problems: list[str] = []
    loaded: list[tuple[int, dict[str, Any], Any, Any, list[str]]] = []
    for position, entry in enumerate(entries):
        try:
            loaded.append((position, entry, *_load_one(kind, entry)))
        except ValidationError as error:
            problems += _located(f"{kind.name}[{position}]", error)
    changes = []
    for position, entry, thing, before, stops in loaded:
        try:
            for part in kind.parts:
                if part.after:
                    part.load(thing, entry.get(part.name, part.missing))
            if kind.name_each_other:
                thing.full_clean()
        except ValidationError as error:
            problems += _located(f"{kind.name}[{position}]", error)
        else:
            after = _dump_one(kind, thing)
            affected = list(kind.affected(thing)) if before != after else []
            words = _in_words(kind, thing, before or {}, after)
            changes.append(Change(kind.name, thing, before, after, affected, stops, words))
    return changes, problems


def _in_words(kind: DefinedKind, thing: Any, *both: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    return {
        part.name: tuple(
            part.in_words(thing, each[part.name]) if each.get(part.name) else "" for each in both
        )
        for part in kind.parts
        if part.in_words is not None
    }


def _load_one(
    kind: DefinedKind, entry: dict[str, Any]
) -> tuple[Any, dict[str, Any] | None, list[str]]:
    """The thing, saved, but for the parts that come after; what it was before, and what it did
    that ends by this."""
    if unknown := set(entry) - set(kind.known):
        raise ValidationError(
            _("Unknown: %(names)s. Known are: %(known)s.")
            % {"names": ", ".join(sorted(unknown)), "known": ", ".join(kind.known)}
        )
    thing = kind.model._default_manager.filter(slug=entry.get("slug", "")).first()
    before = _dump_one(kind, thing) if thing else None
    stops = list(kind.stops(thing)) if thing else []
    thing = thing or kind.model()
    for name in kind.fields:
        if name in entry:
            setattr(thing, name, plain_value(thing, name, entry[name]))
    kind.disarm(thing)
    for part in kind.parts:
        if not part.after:
            part.load(thing, entry.get(part.name, part.missing))
    if kind.name_each_other:
        thing.clean_fields()
    else:
        thing.full_clean()
    thing.save()
    return thing, before, stops


def plain_value(thing: Any, name: str, value: Any) -> Any:
    """``value`` if it is of the JSON type that ``_value`` writes for this field."""
    field = thing._meta.get_field(name)
    wanted: type = str
    if isinstance(field, models.BooleanField):
        wanted = bool
    elif isinstance(field, models.IntegerField):
        wanted = int
    if value is None and field.null:
        return value
    if type(value) is not wanted:
        kinds = {str: _("a text"), bool: _("true or false"), int: _("a whole number")}
        raise ValidationError({name: _("This must be %(kind)s.") % {"kind": kinds[wanted]}})
    if isinstance(value, str) and plain.text(value) != value:
        raise ValidationError({name: _("This has characters that cannot be stored.")})
    return value


_PARTS = ("field", "operator", "value", "joined_by", "within", "among")


def _check_parts(entry: Any) -> None:
    """Raise ``ValidationError`` unless ``entry`` has the form of a condition."""
    if not isinstance(entry, dict) or not {"field", "operator"} <= set(entry):
        raise ValidationError(_("A condition is an object with at least a field and an operator."))
    for name, value in entry.items():
        if name not in _PARTS:
            raise ValidationError(
                _("Unknown: %(names)s. Known are: %(known)s.")
                % {"names": name, "known": ", ".join(_PARTS)}
            )
        if not isinstance(value, str) or plain.text(value) != value:
            raise ValidationError({name: _("This must be %(kind)s.") % {"kind": _("a text")}})


def _load_conditions(rule: Rule, entries: Any) -> None:
    try:
        source = sources.get(rule.source)
    except UnknownSource as error:
        raise ValidationError({"source": str(error)}) from error
    if not isinstance(entries, list):
        raise ValidationError({"conditions": _("conditions must be a list of objects.")})
    rule.conditions.all().delete()
    for position, entry in enumerate(entries):
        try:
            _check_parts(entry)
            condition = read_condition(source, **entry)
            condition.rule, condition.position = rule, position
            condition.full_clean()
        except ValidationError as error:
            raise ValidationError({f"conditions[{position}]": error.messages}) from error
        condition.save()


def _dump_conditions(rule: Rule) -> list[dict[str, Any]]:
    return [
        {
            "joined_by": condition.joined_by,
            "field": condition.field,
            "operator": f"{condition.kind}.{condition.operator}",
            "value": condition.value_text(),
            **condition.further_parts(),
        }
        for condition in rule.conditions.all()
    ]


#: What every kind of rule has.
CONDITIONS = Part(
    "conditions",
    _dump_conditions,
    _load_conditions,
    in_words=lambda rule, entries: conditions_in_words(rule.source, entries),
)

register(
    DefinedKind("segments", Segment, ("slug", "name", "source", "time_zone"), parts=(CONDITIONS,))
)


def _located(where: str, error: ValidationError) -> Iterable[str]:
    if hasattr(error, "error_dict"):
        return [
            f"{where}.{name}: {message}"
            for name, messages in error.message_dict.items()
            for message in messages
        ]
    return [f"{where}: {message}" for message in error.messages]
