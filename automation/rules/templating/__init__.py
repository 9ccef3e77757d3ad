"""Editors' templates: Liquid that sees plain data, knows its limits and says what is wrong."""

from automation.rules.templating.checks import ANYTHING, Problem, Shape, check
from automation.rules.templating.errors import TemplateError
from automation.rules.templating.names import written
from automation.rules.templating.snippets import Snippets
from automation.rules.templating.templates import (
    Data,
    EmptyValue,
    Rendered,
    Template,
    parse,
    plain_data,
)

__all__ = [
    "ANYTHING",
    "Data",
    "EmptyValue",
    "Problem",
    "Rendered",
    "Shape",
    "Snippets",
    "Template",
    "TemplateError",
    "check",
    "parse",
    "plain_data",
    "written",
]
