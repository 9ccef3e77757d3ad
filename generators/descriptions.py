"""Generators that live in code: the same rules, keys and events, without a row."""

import datetime
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from automation.events.event import GROUP_LENGTH, Event, name_of
from automation.rules import conditions as language
from automation.rules.in_code import Line, did_you_mean, read_line
from automation.rules.rule import BrokenRule, Condition, validate_time_zone
from automation.rules.sources import OutOfReach, Source, UnknownField, sources
from automation.rules.templating import check
from generators.timing import Repeat, period

if TYPE_CHECKING:
    from generators.models import Generator

#: How often a row can make an event where nothing is kept about it but the events' keys.
REPEATS = (Repeat.ONCE, Repeat.DAY, Repeat.WEEK, Repeat.MONTH, Repeat.YEAR)

#: The longest name, and the longest beginning of keys.
NAME_LENGTH = 100


class DescriptionError(ValueError):
    """Descriptions that cannot be used: ``problems`` says of which what is wrong, all of it."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


@dataclass(frozen=True)
class Description:
    """Which events the rows of a source make, for ``events_from``. Nothing is looked at before
    it is used; ``problems()`` says what is wrong.

    ``source`` is a registered source by its key (``"shop.cart"``), its model or itself, or a
    ``Source`` that is not registered, so that editors do not see it. ``group`` is the events'
    group, a template, or a subclass of ``Event`` that stands for its own. ``conditions`` are
    ``(field, operator, value)`` each, with a fourth
    ``"or"`` where it is an alternative to the one above; without any it is refused, unless
    ``every_row`` says that all rows are meant.

    ``name`` is the first part of the events' keys, ``"<name>:<primary key>"``: whoever changes
    it makes every row's event anew. Without one it is the group. ``key`` is a template for keys
    of your own, ``key_prefix`` what stands before each key instead of the name. ``repeat``
    (``"once"``, ``"day"``, ``"week"``, ``"month"``, ``"year"``) says how often a row makes an
    event; days begin and end in ``time_zone``, or that of the site.
    """

    source: str | type[models.Model] | Source
    group: str | type[Event]
    conditions: Sequence[Line] = ()
    name: str = ""
    key: str = ""
    key_prefix: str = ""
    repeat: str = Repeat.ONCE
    time_zone: str = ""
    every_row: bool = False

    def __str__(self) -> str:
        return str(self.name or self.group_template)

    @property
    def group_template(self) -> str:
        """The group, also where it is given as a class of events."""
        return self.group if isinstance(self.group, str) else name_of(self.group)

    @classmethod
    def of_generator(cls, generator: "Generator") -> Self:
        """What ``generator`` means, whatever its state; its events have the keys that they have
        when it runs. Raises ``DescriptionError`` if those depend on what it has recorded."""
        return cls(
            source=generator.source,
            group=generator.group_template,
            conditions=tuple(generator.conditions.all()),
            name=generator.slug,
            time_zone=generator.time_zone,
            **_keys(
                generator.slug, generator.repeat, generator.key_template, generator.key_prefix()
            ),
        )

    @classmethod
    def of_definition(cls, entry: Mapping[str, Any]) -> Self:
        """One of the ``"generators"`` of an exported file. Its keys begin with the short name,
        as the generator's number is another one on each site. When it runs says nothing here.
        Raises ``DescriptionError``."""
        slug = str(entry.get("slug", ""))
        if missing := [name for name in ("source", "group_template") if not entry.get(name)]:
            raise DescriptionError([f"The definition “{slug}” has no “{missing[0]}”."])
        repeat, key = entry.get("repeat", Repeat.ONCE), entry.get("key_template", "")
        return cls(
            source=entry["source"],
            group=entry["group_template"],
            conditions=tuple(entry.get("conditions", ())),
            name=slug,
            time_zone=entry.get("time_zone", ""),
            **_keys(slug, repeat, key, f"{slug}:"),
        )

    def problems(self) -> list[str]:
        """Everything that is wrong with it, in words that say what to do. A few queries if its
        conditions name segments."""
        try:
            Ready.of(self, datetime.datetime.now(datetime.UTC))
        except DescriptionError as error:
            return error.problems
        return []


def _keys(name: str, repeat: str, key_template: str, prefix: str) -> dict[str, Any]:
    """The parts of a description that decide its keys, for those of a generator."""
    if repeat == Repeat.KEY:
        return {"key": key_template, "key_prefix": f"{prefix}key:"}
    if repeat not in REPEATS:
        known = dict(Repeat.choices).get(repeat, repeat)
        raise DescriptionError(
            [
                f"“{name}” makes events “{known}”: that depends on the events it has recorded as a "
                "generator, so it cannot be a description. Run the generator instead."
            ]
        )
    return {"repeat": repeat, "key_prefix": prefix}


@dataclass(frozen=True)
class Ready:
    """A description made ready to be asked at a moment. ``now`` is in its time zone; ``prefix``
    and ``suffix`` are what its keys have around the row's own."""

    description: Description
    source: Source
    conditions: tuple[Condition, ...]
    now: datetime.datetime
    prefix: str
    suffix: str

    @classmethod
    def of(cls, description: Description, now: datetime.datetime) -> Self:
        """Raises ``DescriptionError`` with everything that is wrong."""
        if wrong := _problems_of_types(description):
            raise DescriptionError(wrong)
        problems = [*_problems_of_names(description), *_problems_of_keys(description)]
        local = now
        try:
            validate_time_zone(description.time_zone or settings.TIME_ZONE)
            local = now.astimezone(zoneinfo.ZoneInfo(description.time_zone or settings.TIME_ZONE))
        except ValidationError as error:
            problems += error.messages
        conditions: list[Condition] = []
        source = None
        try:
            found = _source(description.source)
            found.make_sure_of_reach()
            source = found
        except ValidationError as error:
            problems += error.messages
        except OutOfReach as error:
            problems.append(str(error))
        if source is not None:
            problems += _problems_of_templates(description, source)
            conditions, wrong = _conditions(description, source, local)
            problems += wrong
        if problems or source is None:
            raise DescriptionError([f"“{description}”: {problem}" for problem in problems])
        prefix = description.key_prefix
        if not prefix and not description.key:
            prefix = f"{description.name or description.group_template.strip()}:"
        name = period(description.repeat, local)
        return cls(
            description, source, tuple(conditions), local, prefix, f":{name}" if name else ""
        )


def _problems_of_types(description: Description) -> list[str]:
    """What is no text and must be one; nothing else can be looked at before."""
    found = []
    named = description.name or "A description"
    try:
        name_of(description.group)
    except TypeError:
        said = "It must be a text or a subclass of Event"
        found.append(f"“{named}”: The group is {description.group!r}. {said}.")
    for part in ("name", "key", "key_prefix", "time_zone"):
        if not isinstance(value := getattr(description, part), str):
            found.append(f"“{named}”: {part} is {value!r}. It must be a text; empty is none.")
    return found


def _problems_of_names(description: Description) -> list[str]:
    found, group = [], description.group_template
    if not group.strip():
        found.append("Give the events a group: mails and listeners find them by it.")
    varies = "{" in group
    if not varies and len(group.strip()) > GROUP_LENGTH:
        found.append(f"The group is longer than {GROUP_LENGTH} characters.")
    if varies and not (description.name or description.key or description.key_prefix):
        found.append(
            "Give it a name: keys begin with it, and the group is another one for each row."
        )
    for part, said in ((description.name, "name"), (description.key_prefix, "key_prefix")):
        if len(part) > NAME_LENGTH:
            found.append(f"The {said} is longer than {NAME_LENGTH} characters.")
    return found


def _problems_of_keys(description: Description) -> list[str]:
    found = []
    if description.repeat not in list(REPEATS):
        known = ", ".join(f"“{repeat}”" for repeat in REPEATS)
        found.append(
            f"It cannot repeat “{description.repeat}”. In code there are {known}; with a key of "
            "your own in “key” anything else can be said."
        )
    if description.key and "{" not in description.key:
        found.append(
            f"The key “{description.key}” is the same for all rows. Name a value of the row "
            "between {{ and }}."
        )
    return found


def _problems_of_templates(description: Description, source: Source) -> list[str]:
    templates = {"group": description.group_template, "key": description.key}
    return [
        f"{part}: {problem}"
        for part, template in templates.items()
        for problem in check(template, source.shape)
    ]


def _source(named: Any) -> Source:
    """Raises ``ValidationError``."""
    if isinstance(named, Source):
        return named
    known = {source.key: source for source in sources}
    if isinstance(named, type) and issubclass(named, models.Model):
        about = [source for source in known.values() if source.model is named]
        if len(about) == 1:
            return about[0]
        if about:
            keys = ", ".join(source.key for source in about)
            raise ValidationError(f"{named._meta.label} has several sources. Name one: {keys}.")
        named = named._meta.label_lower
    if named not in known:
        raise ValidationError(
            f"The source “{named}” is not registered." + did_you_mean(str(named), known)
        )
    return known[named]


def _conditions(
    description: Description, source: Source, now: datetime.datetime
) -> tuple[list[Condition], list[str]]:
    """The conditions, and what is wrong with them."""
    if not description.conditions:
        if description.every_row:
            return [], []
        return [], ["It has no condition: it would mean every row there is. Is that what is "
                    "meant, say every_row=True."]  # fmt: skip
    found, problems = [], []
    for position, line in enumerate(description.conditions):
        try:
            condition = read_line(source, line)
            # Asked once by itself, so that what is wrong with it is known to be about it.
            language.prepared(source, [condition], now)
            found.append(condition)
        except ValidationError as error:
            problems += [f"conditions[{position}]: {message}" for message in error.messages]
        except (UnknownField, BrokenRule) as error:
            problems.append(f"conditions[{position}]: {error}")
    return found, problems
