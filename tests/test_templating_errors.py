# ruff: noqa: E501 (tables of cases read best with one case on a line)
"""What a template says when something is wrong with it."""

import pytest
from django.utils import translation

from tests.templating import error

pytestmark = pytest.mark.sqlite_only


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("Hi {{ nme }}", "Line 1, column 7: “nme” is not known here. Did you mean “name”?"),
        ("\n{{ order.totl }}", "Line 2, column 4: “order.totl” is not known here. Did you mean “order.total”?"),
        ("{{ tags | upcaze }}", "Line 1, column 11: There is no filter “upcaze”. Did you mean “upcase”?"),
        ("{% iff a %}", "Line 1, column 4: There is no tag “iff”. Did you mean “if”?"),
        ("a\n {% if name %}", "Line 2, column 5: “{% if %}” is never closed with “{% endif %}”."),
        ("{% for x in tags %}\n{% if x %}\n{% endfor %}",
         "Line 3, column 4: “{% endfor %}” does not close “{% if %}” from line 2: that needs “{% endif %}”."),
        ("{% endif %}", "Line 1, column 4: “{% endif %}” closes nothing here."),
        ("{% else %}", "Line 1, column 4: “{% else %}” can stand only between "
         "“{% case / for / if / unless %}” and its end."),
        ("{% break %}", "Line 1, column 4: “{% break %}” can stand only in a loop."),
        ("a {{ name", "Line 1, column 3: “{{” is never closed with “}}”."),
        ("{% name", "Line 1, column 1: “{%” is never closed with “%}”."),
        ("{{ }}", "Line 1, column 1: There is nothing between “{{” and “}}”."),
        ("{% %}", "Line 1, column 1: A tag starts with its name, as in “{% if … %}”."),
        ("{% if name = 1 %}{% endif %}", "Line 1, column 12: “=” does not compare anything. "
         "Use == != < > <= >= or contains."),
        ("{{ 'a }}", "Line 1, column 4: This text is never closed with '."),
        ("{{ name | }}", "Line 1, column 1: Something is missing or too much between these braces."),
        ("{{ name nme }}", "Line 1, column 9: Liquid does not understand “nme” here."),
        ("{% if %}{% endif %}", "Line 1, column 4: Something is missing after “if”."),
        ("{{ name if true }}", "Line 1, column 9: Liquid does not know “if” here. Use “{% if … %}” tags."),
        ("{{ order }}", "Line 1, column 4: This is a group of values, not one value. Name one of them."),
        ("{% for x in order %}{% endfor %}", "Line 1, column 13: “order” is not a list, "
         "so there is nothing to go through."),
        ("{{ order.number | divided_by: 0 }}", "Line 1, column 19: A number cannot be divided by zero."),
        ("{{ nothing | times: 2 }}", "Line 1, column 14: A number is needed here, and there is no value."),
        ("{{ name | times: 2 }}", "Line 1, column 11: “O'Brien & <b>Co</b>” is not a number."),
        ("{{ name | append }}", "Line 1, column 11: “append” cannot be used like this."),
        ("{{ order.lines | map: 'titel' }}", "Line 1, column 18: The items of this list have no “titel”."),
        ("{{ name | date: '%Y' }}", "Line 1, column 11: “O'Brien & <b>Co</b>” is not a date."),
        ("{% raw %}x", "Line 1, column 4: “{% raw %}” is never closed with “{% endraw %}”."),
        ("{% comment %}x", "Line 1, column 4: “{% comment %}” is never closed with “{% endcomment %}”."),
        ("{% if a %}{% else b %}{% endif %}", "Line 1, column 19: Liquid does not understand “b” here."),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(source: str, message: str) -> None:
    assert str(error(source)) == message


def test_line_and_column_count_from_one_and_characters_are_characters() -> None:
    found = error("é👍\r\n\x0b {{ nme }}")
    assert (found.line, found.column) == (2, 6)


def test_messages_speak_the_readers_language() -> None:
    with translation.override("de"):
        assert str(error("{{ nme }}"))  # whatever is translated, it does not fail
