"""The models of this floor; each kind of thing has its own module."""

from automation.rules.field_conditions import (
    AnniversaryCondition,
    DateCondition,
    FieldCondition,
    RelativeDateCondition,
)
from automation.rules.related_conditions import RelatedCondition, SegmentCondition
from automation.rules.rule import BrokenRule, Condition, Rule, Segment
from automation.rules.split_condition import SplitCondition

__all__ = [
    "AnniversaryCondition",
    "BrokenRule",
    "Condition",
    "DateCondition",
    "FieldCondition",
    "RelatedCondition",
    "RelativeDateCondition",
    "Rule",
    "Segment",
    "SegmentCondition",
    "SplitCondition",
]
