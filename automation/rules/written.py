"""Conditions as they are written in forms, in files and in code: text for each of their parts."""

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from automation.rules.conditions import AND, sentence
from automation.rules.rule import Condition, kinds_of_condition
from automation.rules.sources import UnknownField, UnknownSource, sources


def read_condition(
    source: Any,
    *,
    field: str,
    operator: str,
    value: str = "",
    joined_by: str = AND,
    **further: str,
) -> Condition:
    """An unsaved condition from its parts as text; ``operator`` is ``"kind.operator"``, and
    ``further`` are the parts that only some kinds have.
    Raises ``ValidationError`` for whatever does not fit ``source``."""
    label = None
    for model in kinds_of_condition():
        known = {subject.path: subject for subject in model.subjects(source)}.get(field)
        if known is None:
            continue
        label = known.full_label
        for offered in model.operators(known):
            if f"{model.kind}.{offered.name}" == operator:
                condition = model(joined_by=joined_by, field=field, operator=offered.name)
                condition.set_value_text(source, str(value))
                condition.set_further_parts(source, **further)
                return condition
    if label is None:
        try:
            source.field(field)
        except UnknownField as error:
            raise ValidationError(str(error)) from error
    raise ValidationError(
        _("%(field)s cannot be asked “%(operator)s”.") % {"field": label, "operator": operator}
    )


def conditions_in_words(source: str, entries: list[dict[str, Any]]) -> str:
    """Conditions as people say them; as they are written if they cannot be asked here."""
    try:
        known = sources.get(source)
        return sentence(known, [read_condition(known, **entry) for entry in entries])
    except (UnknownSource, UnknownField, ValidationError):
        return _(" and ").join(
            " ".join(filter(None, map(entry.get, ("field", "operator", "value"))))
            for entry in entries
        )
