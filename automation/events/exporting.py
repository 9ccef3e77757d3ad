"""Exports of what a list shows, with cells that a spreadsheet does not run."""

from typing import Any

from import_export import resources
from import_export.fields import Field

from automation.events.models import EventRecord
from automation.rules import plain

# What makes a spreadsheet take a cell for a formula (OWASP, "CSV Injection").
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def formula_safe(value: Any) -> Any:
    """``value`` with a ' before it if a spreadsheet would take it for a formula."""
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value


class FormulaSafeResource(resources.ModelResource):
    """An export every text cell of which is safe to open in a spreadsheet."""

    def export_field(self, field: Any, instance: Any, **kwargs: Any) -> Any:
        return formula_safe(super().export_field(field, instance, **kwargs))


class EventResource(FormulaSafeResource):
    context = Field(column_name="context")

    class Meta:
        model = EventRecord
        fields = (
            "recorded_at", "group", "key", "rule", "row_model", "row_pk", "recipient",
            "language", "time_zone", "context",
        )  # fmt: skip
        export_order = fields

    def dehydrate_context(self, event: EventRecord) -> str:
        return plain.dumps(event.context)
