"""What a mail can say: the values that its events know, shown beside the editor.

Each comes with what it means and what it is for one row, so that nobody has to guess.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automation.events.event import Event
from automation.events.groups import producers
from automation.events.models import template_data
from automation.events.records import CODE_EVENT_SHAPE
from automation.rules.sources import UnknownSource, sources
from automation.rules.templating import TemplateError, parse, plain_data, written
from mails import samples
from mails.mail import Mail, zone_of

#: How long the value of the sample may be, in characters.
SAMPLE_LENGTH = 60
#: What a loop calls each of the rows that it goes through.
ITEM = "item"

Path = tuple[str, ...]


@dataclass(frozen=True)
class Variable:
    """One value. ``sample`` is what a mail would say, for the row that was looked at; empty
    where that row has nothing, or where there is no row."""

    expression: str
    meaning: str
    sample: str = ""

    @property
    def tag(self) -> str:
        return f"{{{{ {self.expression} }}}}"


@dataclass(frozen=True)
class VariableList:
    """Rows to go through, with what each of them knows."""

    expression: str
    meaning: str
    sample: str
    fields: tuple[Variable, ...]

    @property
    def begin(self) -> str:
        return f"{{% for {ITEM} in {self.expression} %}}"

    @property
    def end(self) -> str:
        return "{% endfor %}"

    @property
    def as_table(self) -> SafeString:
        titles = format_html_join("", "<th>{}</th>", ((each.meaning,) for each in self.fields))
        return format_html(
            '<table border="0" cellpadding="0" cellspacing="0" class="lines"><thead><tr>{}</tr>'
            "</thead><tbody>{}</tbody></table>",
            titles,
            self.as_rows,
        )

    @property
    def as_rows(self) -> SafeString:
        """For a table that is there already."""
        cells = format_html_join("", "<td>{}</td>", ((each.tag,) for each in self.fields))
        return format_html("{}<tr>{}</tr>{}", self.begin, cells, self.end)

    @property
    def as_list(self) -> SafeString:
        return format_html("<ul>{}</ul>", self.as_items)

    @property
    def as_items(self) -> SafeString:
        """For a list that is there already."""
        return format_html("{}<li>{}</li>{}", self.begin, self._fields(), self.end)

    @property
    def as_text(self) -> str:
        """For the subject, and for plain text."""
        return (
            f"{self.begin}{self._fields()}{{% unless forloop.last %}}, {{% endunless %}}{self.end}"
        )

    def _fields(self) -> str:
        return " ".join(each.tag for each in self.fields)


@dataclass(frozen=True)
class Variables:
    """Everything a mail on some events can say. ``sample``: the row whose values are shown.
    ``made_in_code``: no generator makes them, so that only what all such events have is known."""

    values: tuple[Variable, ...] = ()
    lists: tuple[VariableList, ...] = ()
    sample: str = ""
    made_in_code: bool = False

    def __bool__(self) -> bool:
        return bool(self.values or self.lists)


def variables(group: str, *, with_sample: bool = True) -> Variables:
    """What mails on events of ``group`` can say, with the values of the newest event, or of a
    row that would make one. A few queries, however many events there are."""
    if not group:
        return Variables()
    asked = producers(group)
    event = _newest(group) if with_sample else None
    teller = _Teller(event)
    found: dict[str, Variable | VariableList] = {}
    for shape in [producer.shape for producer in asked] or [CODE_EVENT_SHAPE]:
        for each in teller.listed(shape):
            found.setdefault(each.expression, each)
    return Variables(
        values=tuple(each for each in found.values() if isinstance(each, Variable)),
        lists=tuple(each for each in found.values() if isinstance(each, VariableList)),
        sample=_label(event) if event else "",
        made_in_code=not asked,
    )


def _newest(group: str) -> Event | None:
    found = samples.newest(Mail(group=group), timezone.now(), 1)
    return found[0] if found else None


def _label(event: Event) -> str:
    """The row as people call it; the event's key if it is of no row that is known here."""
    try:
        kind = sources.get(event.row_model).model._meta.verbose_name
    except UnknownSource:
        return event.key
    return f"{kind} {event.row_pk}"


class _Teller:
    """Says what each variable means, and what it is for ``event``. A name that Liquid cannot
    write is left out."""

    def __init__(self, event: Event | None) -> None:
        self.event = event
        self.data: Mapping[str, Any] = plain_data(template_data(event)) if event else {}

    def listed(self, shape: Mapping[str, Any]) -> Iterator[Variable | VariableList]:
        for path, inner in _leaves(shape):
            if isinstance(inner, list):
                yield self.list(path, inner[0])
            else:
                yield Variable(written(path), meaning(path, inner), self.value(path, self.data))

    def list(self, path: Path, item: Mapping[str, Any]) -> VariableList:
        rows = self._at(path)
        first = {ITEM: rows[0]} if rows else {}
        fields = tuple(
            Variable(
                written((ITEM, *inner)), meaning(inner, known), self.value((ITEM, *inner), first)
            )
            for inner, known in _leaves(item)
            if not isinstance(known, list)
        )
        count = ngettext("%d entry", "%d entries", len(rows)) % len(rows) if self.data else ""
        return VariableList(written(path), path[-1].replace("_", " "), count, fields)

    def value(self, path: Path, data: Mapping[str, Any]) -> str:
        """As the mail would say it."""
        if not data or not self.event:
            return ""
        language = self.event.language or settings.LANGUAGE_CODE
        try:
            with timezone.override(zone_of(self.event)):
                text = parse(f"{{{{ {written(path)} }}}}").render(data, language=language)
        except TemplateError:
            return ""
        return Truncator(" ".join(text.split())).chars(SAMPLE_LENGTH)

    def _at(self, path: Path) -> Any:
        value: Any = self.data
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value if isinstance(value, list | tuple) else []


def _leaves(shape: Mapping[str, Any], before: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The values and lists of ``shape`` that Liquid can write."""
    for name, inner in shape.items():
        path = (*before, name)
        if isinstance(inner, dict):
            yield from _leaves(inner, path)
        elif written(path):
            yield path, inner


def meaning(path: Path, field: Any) -> str:
    told: dict[Path, str] = {
        ("event", "group"): _("the event's group"),
        ("event", "key"): _("the event's key"),
        ("event", "subject"): _("the subject that the event brings"),
        ("event", "text"): _("the text that the event brings"),
    }
    label = getattr(field, "full_label", "") or told.get(path, "")
    return str(label or path[-1].replace("_", " "))
