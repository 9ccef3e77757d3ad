# ruff: noqa: E501 (tables of cases read best with one case on a line)
"""What editors' templates can say, and what they cannot do."""

import datetime
import enum
import threading
import time
import uuid
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone, translation
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy

from automation.rules.templating import Problem, TemplateError, check, parse

pytestmark = pytest.mark.sqlite_only

UTC = datetime.UTC
DATA: dict[str, Any] = {
    "name": "O'Brien & <b>Co</b>",
    "nothing": None,
    "order": {
        "number": 812,
        "total": Decimal("129.90"),
        "paid": True,
        "at": datetime.datetime(2026, 3, 1, 22, 30, tzinfo=UTC),
        "due": datetime.date(2026, 3, 15),
        "hour": datetime.time(9, 5),
        "customer": None,
        "lines": [
            {"title": "Mug & Cup", "price": Decimal("12.50"), "amount": 2},
            {"title": "Poster", "price": Decimal("104.90"), "amount": 1},
        ],
    },
    "tags": ["new", "sale"],
    "none_yet": [],
}


def render(source: str, data: Any = DATA, *, html: bool = False) -> str:
    return parse(source, html=html).render(data)


def error(source: str, data: Any = DATA, *, html: bool = False, **options: Any) -> TemplateError:
    with pytest.raises(TemplateError) as raised:
        parse(source, html=html).render(data, **options)
    return raised.value


# What it prints -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "printed"),
    [
        ("{{ name }}", "O'Brien & <b>Co</b>"),
        ("{{ order.total }}", "129.90"),
        ("{{ order.total | times: 2 }}", "259.80"),
        ("{{ order.total | times: 1.1 }}", "142.890"),
        ("{{ order.total | divided_by: 3 | round: 2 }}", "43.30"),
        ("{{ 10 | divided_by: 4 }}", "2"),
        ("{{ 10 | divided_by: 4.0 }}", "2.5"),
        ("{{ 2.5 | round }}", "3"),
        ("{{ -7 | modulo: 3 }}{{ -7.0 | modulo: 3 }}", "22.0"),
        ("{{ 0.1 | plus: 0.2 }}", "0.3"),
        ("{{ '12.50' | minus: 1 }}", "11.50"),
        ("{{ order.lines | sum: 'price' }}", "117.40"),
        ("{{ order.total | floor }} {{ order.total | ceil }} {{ -3 | abs }}", "129 130 3"),
        ("{{ order.total | at_most: 100 }} {{ 3 | at_least: order.total }}", "100 129.90"),
        ("[{{ nothing }}]", "[]"),
        ("{{ order.paid }}", "true"),
        ("{{ order.at }}", "2026-03-01 22:30"),
        ("{{ order.at | date: '%d.%m.%Y %H:%M' }}", "01.03.2026 22:30"),
        ("{{ order.due | date: '%-d %B' }} {{ order.due }} {{ order.hour }}", "15 March 2026-03-15 09:05"),
        ("{{ '2026-03-01' | date: '%Y' }}{{ nothing | date: '%Y' }}", "2026"),
        ("{{ tags }}", "newsale"),
        ("{{ tags | join: ', ' }}", "new, sale"),
        ("{{ order.lines | map: 'title' | join: ', ' }}", "Mug & Cup, Poster"),
        ("{{ order.lines.first.title }} {{ order.lines[1].title }} {{ order.lines.last.price }}",
         "Mug & Cup Poster 104.90"),
        ("{{ order.lines.size }} {{ name.size }} {{ tags | size }}", "2 19 2"),
        ("{{ nothing | default: 'friend' }} {{ name | default: 'x' | size }}", "friend 19"),
        ("{{ order.lines | where: 'amount', 2 | map: 'title' }}", "Mug & Cup"),
        ("{{ order.lines | sort: 'title' | reverse | map: 'title' | first }}", "Poster"),
        ("{{ 'a,b,a' | split: ',' | uniq | join: '+' }}", "a+b"),
        ("{{ 'hello world' | capitalize | truncate: 8 }}", "Hello..."),
        ("{{ 'one two three' | truncatewords: 2 }}", "one two..."),
        ("{{ 'a  b ' | squish | append: '!' | prepend: '>' | upcase }}", ">A B!"),
        ("{{ 'x-y-z' | replace: '-', '+' | remove_first: '+' | remove_last: '+' }}", "xyz"),
        ("{{ 'a b&c' | url_encode }} {{ 'a+b%26c' | url_decode }}", "a+b%26c a b&c"),
        ("{{ '<p>a &amp; b<script>x</script></p> 1 < 2' | strip_html }}", "a & b 1 < 2"),
        ("{{ 'hello' | slice: 1, 3 }} {{ 'hello' | slice: -3, 2 }}", "ell ll"),
        ("{{ (1..3) }} {{ (1..3) | join: ' ' }}", "1..3 1 2 3"),
    ],
)  # fmt: skip
def test_values_are_printed_exactly(source: str, printed: str) -> None:
    assert render(source) == printed


def test_moments_are_shown_in_the_current_time_zone() -> None:
    with timezone.override("Europe/Zurich"):
        assert render("{{ order.at }} {{ order.at | date: '%H' }}") == "2026-03-01 23:30 23"


def test_now_is_what_the_data_say() -> None:
    at = datetime.datetime(2026, 3, 1, tzinfo=UTC)
    assert render("{{ 'now' | date: '%Y' }}", {"now": at}) == "2026"
    assert error("{{ 'now' | date: '%Y' }}", {}).reason == (
        "“now” is not known here: use a date of the data."
    )
    assert error("{{ now }}", {}).reason == "“now” is not known here."


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("order.total > 100", True),
        ("order.total > 129.90", False),
        ("order.total >= 129.90", True),
        ("order.total == 129.9", True),
        ("order.number <= 811", False),
        ("order.at > order.at", False),
        ("order.at <= order.at", True),
        ("nothing > 1", False),
        ("nothing == nil", True),
        ("nothing == blank", True),
        ("none_yet == empty", True),
        ("tags contains 'new'", True),
        ("name contains 'Brien'", True),
        ("nothing contains 'x'", False),
        ("order.paid == true and order.number == 812", True),
        ("order.customer", False),
        ("order.customer.name == 'Ann'", False),
        ("order.paid == 1", False),
    ],
)
def test_conditions_compare_values_of_one_kind(condition: str, holds: bool) -> None:
    assert render(f"{{% if {condition} %}}yes{{% else %}}no{{% endif %}}") == (
        "yes" if holds else "no"
    )


@pytest.mark.parametrize("condition", ["name > 1", "order.at > 1", "order.at > order.due"])
def test_values_of_different_kinds_are_not_compared(condition: str) -> None:
    assert error(f"{{% if {condition} %}}{{% endif %}}").reason == (
        "These two values cannot be compared."
    )


@pytest.mark.parametrize(
    ("source", "printed"),
    [
        ("{% for l in order.lines %}{{ forloop.index }}{{ l.title }};{% endfor %}", "1Mug & Cup;2Poster;"),
        ("{% for l in none_yet %}x{% else %}none{% endfor %}", "none"),
        ("{% for l in nothing %}x{% else %}none{% endfor %}", "none"),
        ("{% for i in (1..5) limit: 2 offset: 1 %}{{ i }}{% endfor %}", "23"),
        ("{% for i in (1..4) limit: 2 %}{{ i }}{% endfor %}{% for i in (1..4) offset: continue %}{{ i }}{% endfor %}", "1234"),
        ("{% for i in (1..3) reversed %}{{ i }}{% endfor %}", "321"),
        ("{% for i in (1..9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i > 3 %}{% break %}{% endif %}{{ i }}{% endfor %}", "13"),
        ("{% for i in (1..2) %}{% for j in (1..2) %}{{ forloop.parentloop.index }}{{ j }} {% endfor %}{% endfor %}", "11 12 21 22 "),
        ("{% tablerow t in tags cols: 1 %}{{ t }}{% endtablerow %}",
         '<tr class="row1">\n<td class="col1">new</td></tr>\n<tr class="row2"><td class="col1">sale</td></tr>\n'),
        ("{% assign x = order.lines.first %}{{ x.title }}", "Mug & Cup"),
        ("{% capture x %}[{{ name }}]{% endcapture %}{{ x | size }}", "21"),
        ("{% case order.number %}{% when 1, 812, 812 %}it{% else %}no{% endcase %}", "it"),
        ("{% unless order.paid %}no{% else %}paid{% endunless %}", "paid"),
        ("{% cycle 'a', 'b' %}{% cycle 'a', 'b' %}{% cycle 'a', 'b' %}{% cycle 'x': 'c' %}", "abac"),
        ("{% increment n %}{% increment n %}{% decrement m %}", "01-1"),
        ("{% for t in tags %}{% ifchanged %}{{ t.size }}{% endifchanged %}{% endfor %}", "34"),
        ("a{% comment %} {{ {% if %} {% endcomment %}b{% # note %}c", "abc"),
        ("{% raw %}{{ x }}{% if %}{% endraw %}", "{{ x }}{% if %}"),
        ("{% liquid\n  assign x = 2\n  if x > 1\n    echo name\n  endif\n%}", "O'Brien & <b>Co</b>"),
        ("a  {{- 1 -}}  b {%- if true -%} c {%- endif -%} d", "a1bcd"),
        ("{% if true %} \n {% endif %}|", "|"),
        ("{ {{ 1 }} } { % {}", "{ 1 } { % {}"),
    ],
)  # fmt: skip
def test_the_usual_tags_work(source: str, printed: str) -> None:
    assert render(source) == printed


def test_html_escapes_what_the_data_say_and_not_what_the_template_says() -> None:
    escaped = "O&#39;Brien &amp; &lt;b&gt;Co&lt;/b&gt;"
    assert render("<i>{{ name }}</i>", html=True) == f"<i>{escaped}</i>"
    assert render("{{ name | escape }}", html=True) == escaped
    assert render("{{ '<br>' | append: name }}", html=True) == f"<br>{escaped}"
    assert render("{{ name | append: '<br>' }}", html=True) == f"{escaped}<br>"
    assert render("{% assign n = name | upcase %}{{ n }}", html=True) == (
        "O&#39;BRIEN &amp; &lt;B&gt;CO&lt;/B&gt;"
    )
    assert render("{% capture x %}<i>{{ name }}</i>{% endcapture %}{{ x }}", html=True) == (
        f"<i>{escaped}</i>"
    )
    assert render("{{ order.lines | map: 'title' | join: '<br>' }}", html=True) == (
        "Mug &amp; Cup<br>Poster"
    )
    assert render("{{ order.lines | map: 'title' }}", html=True) == "Mug &amp; CupPoster"
    assert render("{{ name | newline_to_br }}", {"name": "a\n<b>"}, html=True) == (
        "a<br />\n&lt;b&gt;"
    )
    assert render("{{ name | strip_html }}", html=True) == "O&#39;Brien &amp; Co"


def test_text_that_calls_itself_safe_is_escaped_like_any_other() -> None:
    assert render("{{ x }}", {"x": mark_safe("<b>")}, html=True) == "&lt;b&gt;"


def test_entities_that_a_rich_editor_puts_between_braces_are_read() -> None:
    source = "{% if order.total &gt; 100 &amp;&nbsp;%}"
    assert check(source, None, html=True) != []
    source = (
        "<p>&gt;{% if order.total &gt;&nbsp;100 %}{{ nothing | default: &quot;x&quot; }}{% endif %}"
    )
    assert render(source, html=True) == "<p>&gt;x"


def test_every_subclass_of_plain_data_becomes_plain() -> None:
    class Colour(enum.StrEnum):
        RED = "red"

    identity = uuid.UUID(int=7)
    data = {
        "colour": Colour.RED,
        "id": identity,
        "lazy": gettext_lazy("Yes"),
        "float": 0.1,
        "pair": (1, 2),
    }
    assert render("{{ colour }} {{ id }} {{ lazy }} {{ float | plus: 0.2 }} {{ pair | join }}", data) == (
        f"red {identity} Yes 0.3 1 2"
    )  # fmt: skip


def test_data_that_are_not_plain_are_refused() -> None:
    assert error("x", {"user": SimpleNamespace(password="secret")}).message == (
        "The data holds something that is not plain: SimpleNamespace."
    )
    circle: dict[str, Any] = {}
    circle["circle"] = circle
    assert error("x", circle).message == "The data is nested too deeply."
    assert error("x", {"n": Decimal("1E+999999")}).message == (
        "The data holds a number that is too large."
    )


@pytest.mark.parametrize(
    "value",
    ["a\r\nb", "a\x0bb", "\u202eשלום", "👩‍👩‍👧", "ﷺ" * 50, " " * 1000, "{{ name }}", "%}"],
)
def test_strange_text_comes_out_as_it_is(value: str) -> None:
    assert render("{{ x }}|{{ x | append: '' }}", {"x": value}) == f"{value}|{value}"


def test_what_no_database_stores_becomes_a_replacement_character() -> None:
    assert render("{{ x }}\ud800", {"x": "a\0b\udfff"}) == "a\ufffdb\ufffd\ufffd"


# What it says when something is wrong -------------------------------------------------------


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


# What it cannot reach -----------------------------------------------------------------------


@pytest.mark.parametrize("root", ["name", "order", "order.total", "order.at", "tags", "nothing"])
@pytest.mark.parametrize(
    "attribute",
    [
        "__class__", "__class__.__mro__", "__dict__", "__init__.__globals__", "__html__",
        "__liquid__", "__getitem__", "items", "keys", "clear", "pop", "append", "format",
        "upper", "real", "year", "tzinfo", "as_tuple", "password",
    ],
)  # fmt: skip
def test_nothing_but_items_can_be_reached(root: str, attribute: str) -> None:
    for path in (f"{root}.{attribute}", f"{root}['{attribute.partition('.')[0]}']"):
        if root == "nothing":  # nothing below nothing is nothing
            assert render(f"{{{{ {path} }}}}") == ""
        else:
            assert "is not known here" in error(f"{{{{ {path} }}}}").reason
            assert "is not known here" in error(f"{{% if {path} %}}{{% endif %}}").reason
            assert "is not known here" in error(f"{{% for i in {path} %}}{{% endfor %}}").reason


@pytest.mark.parametrize(
    "source",
    [
        "{{ forloop }}",
        "{% for i in tags %}{{ forloop.it }}{% endfor %}",
        "{% for i in tags %}{{ forloop.step }}{% endfor %}",
        "{% for i in tags %}{{ forloop.__class__ }}{% endfor %}",
        "{% tablerow i in tags %}{{ tablerowloop.it }}{% endtablerow %}",
        "{{ order.lines | map: '__class__' }}",
        "{{ tags | map: 'upper' }}",
        "{{ tags | where: '__class__' }}",
        "{{ (1..3).start }}",
        "{{ name[0] }}",
        "{{ [name] }}",
        "{{ [order].total }}",
        "{{ order[tags] }}",
    ],
)
def test_no_way_around(source: str) -> None:
    assert error(source).line == 1


@pytest.mark.parametrize(
    "tag", ["include", "render", "extends", "block", "macro", "call", "import", "with", "doc", "layout"]
)  # fmt: skip
def test_nothing_can_be_loaded(tag: str) -> None:
    assert error(f"{{% {tag} 'settings' %}}").reason.startswith(f"There is no tag “{tag}”.")


@pytest.mark.parametrize("name", ["safe", "escapejs", "base64_decode", "eval", "json", "t"])
def test_filters_that_are_not_needed_are_not_there(name: str) -> None:
    assert error(f"{{{{ name | {name} }}}}").reason.startswith(f"There is no filter “{name}”.")


def test_rendering_leaves_the_data_as_they_were() -> None:
    data = {"list": [3, 1, 2]}
    render("{% assign list = list | sort %}{{ list | reverse | concat: list }}", data)
    assert data == {"list": [3, 1, 2]}


# What it cannot use up ----------------------------------------------------------------------

DOUBLING = "{% for i in (1..64) %}"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{% for i in (1..1000000000) %}{% endfor %}", "This makes a list of more than 10000 items."),
        ("{% for i in (1..n) %}{% endfor %}", "This makes a list of more than 10000 items."),
        ("{% assign x = (1..1000000000) %}", "This makes a list of more than 10000 items."),
        ("{{ (1..1000000000) | join }}", "This makes a list of more than 10000 items."),
        ("{{ (1..1000000000).size }}", "Liquid does not understand “.” here."),
        ("{{ (1..1000000000) | size }}", "This makes a list of more than 10000 items."),
        ("{{ (1..1000000000) | last }}", "This makes a list of more than 10000 items."),
        ("{% tablerow i in (1..1000000000) %}{% endtablerow %}", "This makes a list of more than 10000 items."),
        ("{% cycle (1..1000000000), 2 %}", "This makes a list of more than 10000 items."),
        ("{% if (1..1000000000) contains 3 %}{% endif %}", "This makes a list of more than 10000 items."),
        ("{% case (1..1000000000) %}{% when 1 %}{% endcase %}", "This makes a list of more than 10000 items."),
        ("{% for i in tags limit: (1..1000000000) %}{% endfor %}", "This makes a list of more than 10000 items."),
        ("{% for i in (1..9999) %}{% for j in (1..9999) %}{% endfor %}{% endfor %}", "The loops go round more than 100000 times."),
        ("{% for i in (1..400) %}{% for j in (1..400) %}x{% endfor %}{% endfor %}", "The loops go round more than 100000 times."),
        ("{% for i in (1..9999) %}{{ kb }}{% endfor %}", "This makes a text of more than 500000 characters."),
        ("{% capture x %}{% for i in (1..9999) %}{{ kb }}{% endfor %}{% endcapture %}", "This makes a text of more than 500000 characters."),
        ("{% assign x = kb %}" + DOUBLING + "{% capture x %}{{ x }}{{ x }}{% endcapture %}{% endfor %}", "This makes a text of more than 500000 characters."),
        ("{% assign x = kb %}" + DOUBLING + "{% assign x = x | append: x %}{% endfor %}", "This makes a text of more than 500000 characters."),
        ("{% assign x = kb %}" + DOUBLING + "{% assign x = x | prepend: x %}{% endfor %}", "This makes a text of more than 500000 characters."),
        ("{% assign x = kb %}" + DOUBLING + "{% assign x = x | replace: 'x', 'xx' %}{% endfor %}", "This makes a text of more than 500000 characters."),
        ("{% assign x = kb | replace: 'x', kb | replace: 'x', kb | replace: 'x', kb %}", "This makes a text of more than 500000 characters."),
        ("{% assign x = kb %}" + DOUBLING + "{% assign x = x | replace: '', 'y' %}{% endfor %}", "This makes a text of more than 500000 characters."),
        ("{% assign l = kb | split: '' %}{{ l | join: kb }}", "This makes a text of more than 500000 characters."),
        ("{% assign l = kb | split: '' %}" + DOUBLING + "{% assign l = l | concat: l %}{% endfor %}", "This makes a list of more than 10000 items."),
        ("{{ kb | append: kb | append: kb | append: kb | append: kb | append: kb | append: kb | append: kb | append: kb | append: kb | append: kb | split: '' }}", "This makes a list of more than 10000 items."),
        ("{% assign l = kb | append: kb | split: 'z' %}" + DOUBLING + "{% assign l = l | concat: l %}{% endfor %}{{ l }}", "This makes a text of more than 500000 characters."),
        ("{% assign x = 10 %}" + DOUBLING + "{% assign x = x | times: x %}{% endfor %}", "This number is too large."),
        ("{% assign x = 10.5 %}" + DOUBLING + "{% assign x = x | times: x %}{% endfor %}", "This number is too large."),
        ("{{ '1e999999' | plus: 1 }}", "This number is too large."),
        ("{{ 1.5 | round: 999999999 }}", "A number can be rounded to 0 to 20 digits."),
        ("{{ order.at | date: kb }}", "This form of a date is too long."),
        ("{% assign a = kb | replace: 'x', 'yyyyyyyyyyyyyyyyyyyy' %}" + "".join(
            f"{{% assign v{i} = a | append: '{i}' %}}" for i in range(200)), "The variables of this template hold too much."),
        ("{% if name %}" * 3000 + "{% endif %}" * 3000, "Blocks are nested more than 30 deep here."),
        ("{% if name %}" * 3000, "Blocks are nested more than 30 deep here."),
        ("{% for i in (1..2) %}" * 40, "Blocks are nested more than 30 deep here."),
        ("{% liquid\n" + "if name\n" * 31 + "endif\n" * 31 + "%}", "Blocks are nested more than 30 deep here."),
        ("{{ " + "a[" * 2000 + "1" + "]" * 2000 + " }}", "There is too much between these braces."),
        ("{{ " + "a[" * 200 + "1" + "]" * 200 + " }}", "There are too many brackets between these braces."),
        ("{% if " + "a and " * 650 + "a %}{% endif %}", "The template is too complicated."),
        ("x" * 300_000, "The template is too long: 300000 characters, and 262144 is the most."),
        ("{{ 'x' }}{{ " + "9" * 3990 + " | plus: 1 }}", "This number is too large."),
    ],
)  # fmt: skip
@pytest.mark.parametrize("html", [False, True])
def test_a_bomb_fails_itself_with_a_reason(source: str, reason: str, html: bool) -> None:
    data = {**DATA, "kb": "x" * 1000, "n": 10**9}
    assert error(source, data, html=html, seconds=60).reason == reason


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in (1..9999) %}{% assign x = text | upcase | downcase %}{% endfor %}",
        "{% for i in (1..9999) %}{% assign x = text | replace: 'ab', 'ba' %}{% endfor %}",
        "{% for i in (1..9999) %}{% if text contains 'zz' %}{% endif %}{% endfor %}",
        "{% for i in (1..9999) %}" + "{% if 1 == 2 %}{% endif %}" * 5000 + "{% endfor %}",
        "{% for i in (1..9999) %}{% assign x = text | strip_html %}{% endfor %}",
        "{% for i in (1..9999) %}{% cycle text, i %}{% endfor %}",
        "{% for i in (1..9999) %}{% assign l = text | split: 'a' %}{% endfor %}",
        "{% for i in (1..300) %}{% for j in (1..300) %}"
        "{% assign x = numbers | sort | uniq | reverse %}{% endfor %}{% endfor %}",
    ],
)
def test_a_template_that_takes_too_long_is_stopped(source: str) -> None:
    data = {"text": "ab" * 200_000, "numbers": list(range(9000))}
    parse(source)
    began = time.monotonic()
    found = error(source, data, seconds=0.1)
    assert time.monotonic() - began < 1.5
    assert found.line == 1
    # Text of this length may as well be refused for what is made of it.
    assert found.reason in (
        "Rendering takes too long.",
        "This makes a list of more than 10000 items.",
        "This makes a text of more than 500000 characters.",
    )


@pytest.mark.parametrize(
    "source",
    [
        "{{" + " " * 200_000,
        "{%" + " " * 200_000,
        "{{" * 100_000,
        "{% raw %}" * 25_000,
        "{% comment %}" * 18_000,
        "{% doc %}" * 25_000,
        "{{ " + "(" * 3_900 + " }}",
        "{{ " + "['" * 1_900 + " }}",
        "{{ a" + " " * 200_000 + "}}",
        "{% liquid " + "a b" + " " * 200_000 + "c %}",
        "{% liquid\n" + "# x\n" * 60_000 + "%}",
        "{{ name }}" * 25_000,
        "{" * 200_000,
        "{{ '" + "<" * 3_900 + "' | strip_html }}",
        "{%if a%}{%else%}{%endif%}" * 10_000,
    ],
)
@pytest.mark.parametrize("html", [False, True])
def test_reading_a_template_takes_a_time_that_grows_with_its_length(
    source: str, html: bool
) -> None:
    began = time.monotonic()
    check(source, {"name": None, "a": None}, html=html)
    assert time.monotonic() - began < 8  # hours, with python-liquid's own lexer


def test_when_with_many_equal_values_does_not_multiply() -> None:
    ones = ",".join("1" * 100)
    source = f"{{% case 1 %}}{{% when {ones} %}}" * 10 + "x" + "{% endcase %}" * 10
    assert render(source) == "x"


def test_templates_are_parsed_once_and_render_in_several_threads() -> None:
    source = "{% for i in (1..200) %}{{ i }}{{ n }}{% endfor %}"
    assert parse(source) is parse(source)
    results: dict[int, str] = {}
    threads = [
        threading.Thread(target=lambda n=n: results.update({n: parse(source).render({"n": n})}))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {
        n: "".join(f"{i}{n}" for i in range(1, 201)) for n in range(8)
    }  # fmt: skip


def test_large_templates_do_not_stay_in_memory() -> None:
    first = parse("first{{ x }}")
    for number in range(10):
        parse(f"{number}" + "x" * 200_000)
    assert parse("first{{ x }}") is not first


# What is found without rendering ------------------------------------------------------------

SHAPE = {
    "cart": {
        "status": None,
        "customer": {"first_name": None, "last_name": None},
        "items": [{"title": None, "price": None, "product": {"name": None}, "tags": [None]}],
    },
    "event": {"group": None, "key": None},
}


@pytest.mark.parametrize(
    ("source", "problems"),
    [
        ("{{ cart.custmer.first_name }}", ["4: “cart.custmer.first_name” is not known here. Did you mean “cart.customer.first_name”?"]),
        ("{{ first_name }}", ["4: “first_name” is not known here. Did you mean “cart.customer.first_name”?"]),
        ("{{ zzz }}", ["4: “zzz” is not known here. Known are: cart, event."]),
        ("{{ cart.zzz }}", ["4: “cart.zzz” is not known here. Known are: cart.status, cart.customer, cart.items."]),
        ("{{ cart.status.name }}", ["4: “cart.status” is a single value, there is no “name” in it."]),
        ("{{ cart }}", ["4: “cart” is a group of values, not one value. Name one of them: status, customer, items."]),
        ("{{ cart.items }}", ["4: “cart.items” is a list. Go through it: {% for item in cart.items %}."]),
        ("{{ cart.items.title }}", ["4: “cart.items” is a list, there is no “title” in it. Go through it: {% for item in cart.items %}."]),
        ("{{ cart | upcase }}", ["11: “cart” is a group of values, not one value. Name one of them: status, customer, items."]),
        ("{% for i in cart %}{{ i.x }}{% endfor %}", ["13: “cart” is not a list, so there is nothing to go through."]),
        ("{% for i in cart.status %}{% endfor %}", ["13: “cart.status” is not a list, so there is nothing to go through."]),
        ("{% for item in cart.items %}{{ item.titel }}{% endfor %}", ["32: “item.titel” is not known here. Did you mean “item.title”?"]),
        ("{% for item in cart.items %}{% endfor %}{{ item.title }}", ["44: “item” is not known here. Known are: cart, event."]),
        ("{% for i in cart.items %}{% for t in i.tags %}{{ t }}{{ i.product.nme }}{% endfor %}{% endfor %}", ["57: “i.product.nme” is not known here. Did you mean “i.product.name”?"]),
        ("{% assign x = cart.customer %}{{ x.frist_name }}", ["34: “x.frist_name” is not known here. Did you mean “x.first_name”?"]),
        ("{% tablerow i in cart.items %}{{ i.prize }}{% endtablerow %}", ["34: “i.prize” is not known here. Did you mean “i.price”?"]),
        ("{{ cart.items[0].titl }}", ["4: “cart.items[0].titl” is not known here. Did you mean “cart.items[0].title”?"]),
        ("{{ cart.items | map: 'titel' }}", ["22: “titel” is not known here. Did you mean “title”?"]),
        ("{% if cart.statu == 'open' %}{% endif %}", ["7: “cart.statu” is not known here. Did you mean “cart.status”?"]),
        ("{% case cart.status %}{% when event.kee %}{% endcase %}", ["31: “event.kee” is not known here. Did you mean “event.key”?"]),
        ("{% liquid\necho cart.statu\n%}", ["6: “cart.statu” is not known here. Did you mean “cart.status”?"]),
        ("{{ cart.status | upcse }}{{ cart.statu | appendd: evnt.key }}", [
            "18: There is no filter “upcse”. Did you mean “upcase”?",
            "29: “cart.statu” is not known here. Did you mean “cart.status”?",
            "42: There is no filter “appendd”. Did you mean “append”?",
            "51: “evnt.key” is not known here. Did you mean “event.key”?",
        ]),
        ("{% if cart.status %}", ["4: “{% if %}” is never closed with “{% endif %}”."]),
    ],
)  # fmt: skip
def test_the_check_finds(source: str, problems: list[str]) -> None:
    found = check(source, SHAPE)
    assert [f"{problem.column}: {problem.message}" for problem in found] == problems


@pytest.mark.parametrize(
    "source",
    [
        "Hello",
        "",
        "{{ cart.customer.first_name | default: 'friend' }} {{ cart['status'] }}",
        "{% for item in cart.items %}{{ forloop.index }} {{ item.title }} {{ item.product.name }}"
        "{% for tag in item.tags %}{{ tag }}{{ forloop.parentloop.index }}{% endfor %}{% endfor %}",
        "{% assign x = cart.customer %}{{ x.first_name }}",
        "{% assign x = cart.items | where: 'title', 'Mug' %}{% for y in x %}{{ y.price }}{% endfor %}",
        "{% assign x = cart.items | first %}{{ x.title }}",
        "{% assign x = cart.items | map: 'product' %}{% for y in x %}{{ y.name }}{% endfor %}",
        "{% assign x = 1 %}{% assign x = cart.customer %}{{ x.first_name }}",
        "{% capture x %}a{% endcapture %}{{ x | upcase }}",
        "{% increment n %}{{ n }}",
        "{% tablerow i in cart.items cols: 2 %}{{ tablerowloop.col }}{{ i.title }}{% endtablerow %}",
        "{{ cart.items.first.title }}{{ cart.items[0].title }}{{ cart.items.size }}",
        "{% assign i = 1 %}{{ cart.items[i].title }}{{ cart[event.key] }}",
        "{% for i in (1..3) %}{{ i }}{% endfor %}{{ (1..3) }}",
        "{% assign parts = cart.status | split: ',' %}{% for p in parts %}{{ p }}{% endfor %}",
        "{{ cart.items | map: 'title' | join: ', ' }}{{ cart.items | sum: 'price' }}",
        "{% if cart.customer %}{% elsif cart.items == empty %}{% endif %}",
        "{% for i in cart.items %}{% else %}{{ cart.status }}{% endfor %}",
        "{% raw %}{{ nope }}{% endraw %}{% comment %}{{ nope }}{% endcomment %}",
        "{% cycle cart.status, 'b' %}{% unless cart.status %}{% endunless %}",
    ],
)
def test_the_check_lets_pass(source: str) -> None:
    assert check(source, SHAPE) == []


def test_without_a_shape_only_the_grammar_is_checked() -> None:
    assert check("{{ anything.at.all }}{% for i in x %}{{ i.y }}{% endfor %}{{ z }}", None) == []
    assert check("{{ x | nope }}", None) == [Problem(1, 8, "There is no filter “nope”.")]
    assert check("{% if x %}", None) == [
        Problem(1, 4, "“{% if %}” is never closed with “{% endif %}”.")
    ]


def test_a_problem_reads_as_a_sentence_with_its_place() -> None:
    (problem,) = check("a\n{{ zzz }}", SHAPE)
    assert str(problem) == "Line 2, column 4: “zzz” is not known here. Known are: cart, event."


def test_what_the_check_lets_pass_renders_with_data_of_that_shape() -> None:
    item = {"title": "Mug", "price": Decimal(1), "product": {"name": "P"}, "tags": ["t"]}
    data = {
        "cart": {
            "status": "open",
            "customer": {"first_name": "Ann", "last_name": "B"},
            "items": [item, item],
        },
        "event": {"group": "g", "key": "status"},
    }
    for mark in test_the_check_lets_pass.pytestmark:
        for source in mark.args[1]:
            parse(source).render(data)
