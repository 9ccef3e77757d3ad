# ruff: noqa: E501 (tables of cases read best with one case on a line)
"""What editors' templates can say."""

import datetime
import enum
import uuid

import pytest
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy

from automation.rules.templating import check
from tests.templating import UTC, error, render

pytestmark = pytest.mark.sqlite_only


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


@pytest.mark.parametrize(
    "value",
    ["a\r\nb", "a\x0bb", "\u202eשלום", "👩‍👩‍👧", "ﷺ" * 50, " " * 1000, "{{ name }}", "%}"],
)
def test_strange_text_comes_out_as_it_is(value: str) -> None:
    assert render("{{ x }}|{{ x | append: '' }}", {"x": value}) == f"{value}|{value}"


def test_what_no_database_stores_becomes_a_replacement_character() -> None:
    assert render("{{ x }}\ud800", {"x": "a\0b\udfff"}) == "a\ufffdb\ufffd\ufffd"
