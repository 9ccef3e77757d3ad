"""The models of this floor; each kind of thing has its own module."""

from automation.rules.field_conditions import (
    AnniversaryCondition,
    FieldCondition,
    RelativeDateCondition,
)
from automation.rules.rule import BrokenRule, Condition, Rule, Segment

__all__ = [
    "AnniversaryCondition",
    "BrokenRule",
    "Condition",
    "FieldCondition",
    "RelativeDateCondition",
    "Rule",
    "Segment",
]
