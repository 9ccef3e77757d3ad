"""Editors' templates: Liquid that sees plain data, knows its limits and says what is wrong."""

from automation.rules.templating.checks import ANYTHING, Problem, Shape, check
from automation.rules.templating.templates import (
    Data,
    Template,
    TemplateError,
    parse,
    plain_data,
)

__all__ = [
    "ANYTHING",
    "Data",
    "Problem",
    "Shape",
    "Template",
    "TemplateError",
    "check",
    "parse",
    "plain_data",
]
