"""What the lines of a rule's form have to choose from."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db.models import Model
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from automation.rules import dates
from automation.rules.conditions import Operator
from automation.rules.fields import Field, Kind
from automation.rules.rule import Condition, Segment, kinds_of_condition
from automation.rules.sources import Source, UnknownSource, sources
from automation.rules.split_condition import of_in_this_language

#: What is asked, as forms and definitions name it; the kind of condition that asks; its operator.
Asked = tuple[str, type[Condition], Operator]


@dataclass(frozen=True)
class Offer:
    """What the lines of one rule have to choose from, read once for all of them;
    ``segments`` are all there are, as (short name, name, key of their source)."""

    source: Source
    segments: list[tuple[str, str, str]]

    @classmethod
    def of(cls, source: Source) -> "Offer":
        return cls(source, list(Segment.objects.values_list("slug", "name", "source")))

    @cached_property
    def subjects(self) -> dict[str, Field]:
        """Everything that a condition can be about, by path: fields first."""
        return {
            subject.path: subject
            for model in kinds_of_condition()
            for subject in model.subjects(self.source)
        }

    def fields(self) -> list[tuple[str, Any]]:
        """The subjects as choices: the row's own first, then grouped by relation."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for field in self.subjects.values():
            groups.setdefault(str(field.group), []).append((field.path, str(field.label)))
        own = groups.pop("", [])
        return [*own, *groups.items()]

    def operators(self, subject: Field) -> list[tuple[str, str]]:
        return [(name, str(operator.label)) for name, _model, operator in self._asked_of(subject)]

    def every_operator(self) -> list[tuple[str, str]]:
        """The page's script narrows them down to those of one subject."""
        found: dict[str, str] = {}
        for subject in self.subjects.values():
            found |= dict(self.operators(subject))
        return list(found.items())

    def example(self, subject: Field, name: str) -> str:
        """What a value of the question looks like; empty if it takes none."""
        asked = {name: operator for name, _model, operator in self._asked_of(subject)}
        return example_for(subject, asked[name]) if name in asked else ""

    def value_in_this_language(self, path: str, name: str, text: str) -> str:
        """The value of a saved condition as the form shows it."""
        subject = self.subjects.get(path)
        asked = self._asked_of(subject) if subject else []
        inputs = {name: operator.input for name, _model, operator in asked}
        if inputs.get(name) == "share":
            return text.replace("% of ", f"% {of_in_this_language()} ", 1)
        has_words = inputs.get(name) in ("span", "spans", "name_and_span", "days", "numbers")
        return dates.in_this_language(text) if has_words else text

    def for_script(self) -> dict[str, Any]:
        """What the page's scripts need to search the subjects, to narrow a line down, and to
        show a fitting field for its value."""
        return {
            "about": str(self.source),
            "units": [
                [unit.value, str(unit.label), ngettext(unit.value.removesuffix("s"), unit.value, 1)]
                for unit in dates.Unit
            ],
            "texts": texts_for_script(),
            "subjects": {
                path: self._subject_for_script(subject) for path, subject in self.subjects.items()
            },
        }

    def _subject_for_script(self, subject: Field) -> dict[str, Any]:
        asked = self._asked_of(subject)
        models = list(dict.fromkeys(model for _name, model, _operator in asked))
        is_choice = subject.kind == Kind.CHOICE
        among = self._segments_among(subject)
        takes = {part for model in models for part in model.FURTHER}
        return {
            "kind": str(subject.kind),
            "keywords": str(subject.keywords),
            "operators": [
                {
                    "name": name,
                    "label": str(operator.label),
                    "example": example_for(subject, operator),
                    "input": input_for(subject, operator, self._suggestions[model]),
                }
                for name, model, operator in asked
            ],
            "choices": [[str(value), str(label)] for value, label in subject.choices]
            if is_choice
            else [],
            "suggestions": [
                suggestion for model in models for suggestion in self._suggestions[model]
            ],
            "within": "within" in takes and self._is_dated(subject),
            "among": among if "among" in takes else [],
        }

    def _asked_of(self, subject: Field) -> list[Asked]:
        return [
            (f"{model.kind}.{operator.name}", model, operator)
            for model in kinds_of_condition()
            if subject.path in self._paths[model]
            for operator in model.operators(subject)
        ]

    def _is_dated(self, subject: Field) -> bool:
        """Whether a span of time can limit the related rows that the subject is about."""
        items = self.source.lists.get(subject.path.partition(":")[0])
        return items is None or bool(items.dated_by)

    def _segments_among(self, subject: Field) -> list[tuple[str, str]]:
        """The segments that are about the related rows that the subject is about."""
        items = self.source.lists.get(subject.path.partition(":")[0])
        if items is None:
            return [(slug, name) for slug, name, _key in self.segments]
        model = self.source.list_model(items)
        return [(slug, name) for slug, name, key in self.segments if _model(key) is model]

    @cached_property
    def _paths(self) -> dict[type[Condition], set[str]]:
        return {
            model: {subject.path for subject in model.subjects(self.source)}
            for model in kinds_of_condition()
        }

    @cached_property
    def _suggestions(self) -> dict[type[Condition], list[tuple[str, str]]]:
        return {model: model.suggestions(self.source) for model in kinds_of_condition()}


def _model(key: str) -> type[Model] | None:
    try:
        return sources.get(key).model
    except UnknownSource:
        return None


def example_for(subject: Field, operator: Operator) -> str:
    """What a value looks like: of choices, two that there are."""
    if not operator.example or subject.kind != Kind.CHOICE or operator.input:
        return str(operator.example)
    labels = [str(label) for _value, label in subject.choices if "," not in str(label)]
    return ", ".join(labels[:2]) or str(operator.example)


def input_for(subject: Field, operator: Operator, suggestions: list[Any]) -> str:
    """The field that fits a value, one of ``conditions.INPUTS``; empty if there is none."""
    if not operator.example:
        return ""
    if operator.input:
        return operator.input
    if suggestions:
        return "suggestions"
    return {Kind.CHOICE: "choices", Kind.NUMBER: "number"}.get(subject.kind or Kind.OTHER, "text")


def texts_for_script() -> dict[str, str]:
    """What the page's scripts say themselves."""
    return {
        "and": _("and"),
        "search": _("Search a field"),
        "choices": _("What a line can be about"),
        "found": _("found: %s"),
        "nothing": _("Nothing is called “%s”."),
        "number": _("number"),
        "unit": _("unit"),
        "from": _("from"),
        "to": pgettext("the end of a range", "to"),
        "group": _("group"),
        "in_the_last": _("in the last"),
        "ever": _("ever"),
        "of": of_in_this_language(),
        "percent": _("percent"),
        "percent_title": _("20, or from where to where: 50–100"),
        "split": _("name of the split"),
        "others": _("the other %s percent"),
        "up": _("Move up"),
        "down": _("Move down"),
        "moved": _("Now line %(line)s of %(lines)s."),
    }
