# ruff: noqa: E501 (tables of cases read best with one case on a line)
"""Snippets: texts that several templates put in."""

import pytest

from automation.rules.templating import Problem, check, parse
from tests.templating import DATA, SHAPE, error, render

pytestmark = pytest.mark.sqlite_only

SNIPPETS = {
    "footer": "Yours, {{ name }}",
    "line": "{{ line.title }}: {{ line.price }}{{ mark }}",
    "lines": "{% for line in order.lines %}{% render 'line', line: line %};{% endfor %}",
}


@pytest.mark.parametrize(
    ("source", "printed"),
    [
        ("{% render 'footer' %}", "Yours, O'Brien & <b>Co</b>"),
        ('{%- render "footer" -%} .', "Yours, O'Brien & <b>Co</b>."),
        ("{% render 'footer', name: 'Ann' %}|{{ order.number }}", "Yours, Ann|812"),
        ("{% for l in order.lines %}{% render 'line', line: l, mark: '!' %}{% endfor %}", "Mug & Cup: 12.50!Poster: 104.90!"),
        ("{% assign mark = '.' %}{% render 'lines' %}", "Mug & Cup: 12.50.;Poster: 104.90.;"),
        ("{% liquid\n  render 'footer', name: order.number\n%}", "Yours, 812"),
        ("{% capture x %}{% render 'footer' %}{% endcapture %}{{ x | size }}", "26"),
        ("{% if true %} {% render 'empty' %} {% endif %}|", "  |"),
    ],
)  # fmt: skip
def test_a_snippet_sees_what_the_template_sees_and_what_it_is_handed(
    source: str, printed: str
) -> None:
    assert render(source, snippets={**SNIPPETS, "empty": ""}) == printed


def test_what_a_snippet_assigns_stays_in_it() -> None:
    snippets = {
        "loud": "{% assign name = name | upcase %}{% capture c %}{{ name }}{% endcapture %}{{ c }}"
    }
    source = "{% assign c = 'c' %}{% render 'loud', name: 'ann' %} {{ c }} {{ nothing }}{{ name | size }}"
    assert render(source, snippets=snippets) == "ANN c 19"


def test_what_a_snippet_has_held_is_free_after_it() -> None:
    snippets = {"s": "{% assign big = kb | replace: 'x', kb %}{{ big | size }}"}
    source = "".join(f"{{% assign v{n} = 1 %}}{{% render 's' %}}" for n in range(12))
    assert render(source, {"kb": "x" * 600}, snippets=snippets) == "360000" * 12


def test_a_loop_inside_a_snippet_is_its_own() -> None:
    snippets = {"count": "{{ forloop.index }}{% for i in (1..3) %}{{ i }}{% break %}{% endfor %}"}
    source = "{% for t in tags %}{% render 'count' %}{{ forloop.index }} {% endfor %}"
    assert render(source, snippets=snippets) == "111 212 "


def test_in_html_a_snippet_is_html_and_its_values_are_escaped() -> None:
    snippets = {"a": "<i>{{ x }}</i>{% if order.total &gt; 1 %}!{% endif %}"}
    assert render("{% render &quot;a&quot;, x: name %}", html=True, snippets=snippets) == (
        "<i>O&#39;Brien &amp; &lt;b&gt;Co&lt;/b&gt;</i>!"
    )


def test_snippets_are_found_by_a_function_as_well() -> None:
    assert render("{% render 'footer', name: 'Ann' %}", snippets=SNIPPETS.get) == "Yours, Ann"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a\n{% render 'foter' %}", "Line 2, column 4: There is no snippet “foter”. Did you mean “footer”?"),
        ("{% render 'zzz' %}", "Line 1, column 4: There is no snippet “zzz”."),
        ("{% render '' %}", "Line 1, column 11: Here the name of a snippet is missing."),
        ("{% render %}", "Line 1, column 4: Something is missing after “render”."),
        ("{% render name %}", "Line 1, column 11: The name of a snippet stands between quotes: {% render \"footer\" %}."),
        ("{% render 'line' for order.lines %}", "Line 1, column 18: Hand a value over by name: {% render \"card\", item: item %}. For each of a list, put that into {% for item in … %}."),
        ("{% render 'line' with name as line %}", "Line 1, column 18: Hand a value over by name: {% render \"card\", item: item %}. For each of a list, put that into {% for item in … %}."),
        ("{% render 'line', line: %}", "Line 1, column 4: Something is missing or too much between these braces."),
        ("{% render 'line', 'x' %}", "Line 1, column 19: Liquid does not understand “x” here."),
        ("{% include 'footer' %}", "Line 1, column 4: There is no tag “include”. Write {% render \"…\" %} with the name of a snippet."),
        ("{% render 'open' %}", "In the snippet “open”: Line 2, column 4: “{% if %}” is never closed with “{% endif %}”."),
        ("{% render 'filter' %}", "In the snippet “filter”: Line 1, column 11: There is no filter “upcse”. Did you mean “upcase”?"),
        ("{% render 'zero' %}", "In the snippet “zero”: Line 1, column 8: A number cannot be divided by zero."),
        ("{% render 'unknown' %}", "In the snippet “unknown”: Line 1, column 4: “nme” is not known here. Did you mean “name”?"),
        ("{% render 'deep' %}", "In the snippet “zero”: Line 1, column 8: A number cannot be divided by zero."),
        ("{% render 'footer' %}{{ 1 | divided_by: 0 }}", "Line 1, column 29: A number cannot be divided by zero."),
        ("{% render 'break' %}", "In the snippet “break”: Line 1, column 4: “{% break %}” can stand only in a loop."),
        ("{% for t in tags %}{% render 'break' %}{% endfor %}", "In the snippet “break”: Line 1, column 4: “{% break %}” can stand only in a loop."),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_the_snippet_it_is_in(source: str, message: str) -> None:
    snippets = {
        **SNIPPETS,
        "open": "a\n{% if x %}",
        "filter": "{{ name | upcse }}",
        "zero": "{{ 1 | divided_by: 0 }}",
        "unknown": "{{ nme }}",
        "deep": "a {% render 'zero' %}",
        "break": "{% break %}",
    }
    assert str(error(source, snippets=snippets)) == message


@pytest.mark.parametrize(
    ("source", "snippet", "place"),
    [
        # Text that is too much is told where it begins.
        ("{% for i in (1..9) %}\n{% render 'a' %}{{ big }}{% endfor %}", "\n\n{{ nothing }}", ("", 2, 20)),
        ("{% for i in (1..9) %}\n{% render 'a' %}" + "x" * 99_999 + "{% endfor %}", "\n\n{{ nothing }}", ("", 2, 4)),
        ("{% for i in (1..9) %}{% render 'a' %}{% endfor %}", "{{ nothing }}" + "x" * 99_999, ("a", 1, 14)),
    ],
)  # fmt: skip
def test_a_place_is_never_that_of_another_text(
    source: str, snippet: str, place: tuple[str, int, int]
) -> None:
    data = {**DATA, "big": "x" * 99_999}
    found = error(source, data, snippets={"a": snippet})
    assert (found.snippet, found.line, found.column) == place


def test_without_snippets_there_are_none() -> None:
    assert error("{% render 'footer' %}").reason == "Snippets cannot be used here."


def test_an_error_knows_its_snippet() -> None:
    found = error("{% render 'a' %}", snippets={"a": "\n{{ nme }}"})
    assert (found.snippet, found.line, found.column) == ("a", 2, 4)
    assert error("{{ nme }}").snippet == ""


def test_what_the_place_of_snippets_raises_is_not_hidden() -> None:
    def broken(slug: str) -> str:
        raise ConnectionError(slug)

    with pytest.raises(ConnectionError):
        parse("{% render 'a' %}", snippets=broken)


# Circles and depth --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("snippets", "problem"),
    [
        ({"a": "{% render 'a' %}"}, Problem(1, 4, "A snippet cannot render itself: a → a.", "a")),
        ({"a": "{% render 'b' %}", "b": "x{% render 'c' %}", "c": "{% render 'a' %}"},
         Problem(1, 4, "A snippet cannot render itself: a → b → c → a.", "c")),
        ({"a": "{% render 'b' %}", "b": "{% if x %}{% render 'b' %}{% endif %}"},
         Problem(1, 14, "A snippet cannot render itself: b → b.", "b")),
    ],
)  # fmt: skip
def test_a_circle_is_found_before_it_is_used(snippets: dict[str, str], problem: Problem) -> None:
    assert check("{% render 'a' %}", None, snippets=snippets) == [problem]
    assert str(error("{% render 'a' %}", snippets=snippets)) == str(problem)


def test_a_snippet_is_checked_under_its_own_name_before_it_is_saved() -> None:
    saved = {"a": "harmless", "b": "{% render 'a' %}"}
    assert check("{% render 'b' %}", None, snippets=saved, slug="a") == [
        Problem(1, 4, "A snippet cannot render itself: a → b → a.", "b")
    ]
    assert check("{% render 'b' %}", None, snippets=saved, slug="c") == []


@pytest.mark.parametrize("order", [1, -1])
def test_snippets_are_five_deep_at_most_however_they_are_reached(order: int) -> None:
    snippets = {str(n): f"{{% render '{n + 1}' %}}" for n in range(1, 6)} | {"6": ""}
    uses = "".join(f"{{% render '{n}' %}}" for n in range(1, 7)[::order])
    assert render("{% render '2' %}", snippets=snippets) == ""
    found = error(uses, snippets=snippets)
    assert found.reason.startswith("Snippets are nested more than 5 deep: 1 → 2")


# The check ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "problems"),
    [
        ("{% for i in cart.items %}{% render 'card', item: i %}{% endfor %}",
         ["In the snippet “card”: Line 2, column 4: “item.titel” is not known here. Did you mean “item.title”?"]),
        ("{% render 'card' %}", ["In the snippet “card”: Line 2, column 4: “item” is not known here. Known are: cart, event."]),
        ("{% render 'list' %}{{ cart.statu }}",
         ["Line 1, column 23: “cart.statu” is not known here. Did you mean “cart.status”?",
          "In the snippet “card”: Line 2, column 4: “item.titel” is not known here. Did you mean “item.title”?"]),
        ("{% render 'card', item: cart.status %}", ["In the snippet “card”: Line 2, column 4: “item” is a single value, there is no “titel” in it."]),
        ("{% render 'card', item: cart.itms %}", ["Line 1, column 25: “cart.itms” is not known here. Did you mean “cart.items”?"]),
        ("{% render 'own' %}{{ mine }}", ["Line 1, column 22: “mine” is not known here. Known are: cart, event."]),
        ("{% render 'crd' %}{% render 'wrong' %}",
         ["Line 1, column 4: There is no snippet “crd”. Did you mean “card”?",
          "In the snippet “wrong”: Line 1, column 1: There is nothing between “{{” and “}}”."]),
        ("{% render 'greeting' %}", ["In the snippet “greeting”: Line 1, column 10: There is no filter “upcse”. Did you mean “upcase”?",
                                     "In the snippet “greeting”: Line 1, column 28: There is no snippet “foter”. Did you mean “footer”?"]),
    ],
)  # fmt: skip
def test_the_check_goes_through_snippets(source: str, problems: list[str]) -> None:
    snippets = {
        "card": "<td>\n{{ item.titel }}</td>",
        "list": "{% for item in cart.items %}{% render 'card' %}{% endfor %}",
        "own": "{% assign mine = cart.items %}{% for i in mine %}{{ i.title }}{% endfor %}",
        "wrong": "{{ }}",
        "greeting": "{{ 'x' | upcse }}{{ 1 }}{% render 'foter' %}",
        "footer": "{{ cart.customer.first_name }}",
    }
    found = check(source, SHAPE, snippets=snippets)
    assert [str(problem) for problem in found] == problems


def test_the_check_lets_good_snippets_pass() -> None:
    snippets = {
        "card": "{{ item.title }}{{ item.product.name }}{{ size }}{{ cart.status }}{{ forloop.index }}",
        "footer": "{{ cart.customer.first_name }}",
    }
    source = (
        "{% for i in cart.items %}{% render 'card', item: i, size: 3 %}{% endfor %}"
        "{% assign x = cart.items | first %}"
        "{% for i in (1..2) %}{% render 'card', item: x, size: 'L' %}{% endfor %}{% render 'footer' %}"
    )
    assert check(source, SHAPE, snippets=snippets) == []


# Kept ones -----------------------------------------------------------------------------------


def test_a_template_is_parsed_again_when_its_snippets_say_something_else() -> None:
    source = "{% render 'a' %}{{ nothing }}"
    first = parse(source, snippets={"a": "{% render 'b' %}", "b": "one"})
    assert parse(source, snippets={"a": "{% render 'b' %}", "b": "one", "c": ""}) is first
    second = parse(source, snippets={"a": "{% render 'b' %}", "b": "two"})
    assert (first.render(DATA), second.render(DATA)) == ("one", "two")
    assert error(source).reason == "Snippets cannot be used here."
    assert first.snippets == {"a": "{% render 'b' %}", "b": "one"}
