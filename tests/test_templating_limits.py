# ruff: noqa: E501 (tables of cases read best with one case on a line)
"""What editors' templates cannot use up: time and memory."""

import datetime
import threading
import time

import pytest

from automation.rules.templating import check, parse
from tests.templating import DATA, error, render

pytestmark = pytest.mark.sqlite_only


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
        ("{{ '1e-9999999999' | at_most: 5 }}", "This number has too many digits."),
        ("{{ '0e9999999999' | at_most: 5 }}", "This number has too many digits."),
        ("{{ '" + "0" * 50 + "7' | plus: 1 }}", "“" + "0" * 40 + "” is not a number."),
        ("{{ '1e1000000' | money: 'EUR' }}", "This number is too large."),
        ("{{ '-1e1000000' | number }}", "This number is too large."),
        ("{{ '1e-1000000' | percent }}", "This number has too many digits."),
        ("{{ 'NaN' | money: 'EUR' }}", "A number is needed here."),
        ("{{ '-Infinity' | number }}", "A number is needed here."),
        ("{{ 'sNaN' | percent }}", "A number is needed here."),
        ("{{ 1.5 | number: 999999999 }}", "A number can be shown with 0 to 10 digits after the point."),
        ("{{ order.total | money: kb }}", "“" + "x" * 40 + "” is not the code of a currency. These have three letters: EUR, CHF, USD."),
        ("{{ order.at | date: kb }}", "This form of a date is too long."),
        ("{{ order.at | date: '" + "y" * 3900 + "' }}", "This form of a date is too long."),
        ("{{ order.at | time: '" + "S" * 100 + "' }}", "“" + "S" * 100 + "” is not a form of a date. Write short, medium, long or full, or a form such as dd.MM.yyyy."),
        ("{{ order.at | date: '%99999999Y' }}", "“%99999999Y” is not a form of a date. Write short, medium, long or full, or a form such as dd.MM.yyyy."),
        ("{{ order.at | date: '" + "M" * 150 + "' }}", "“" + "M" * 150 + "” is not a form of a date. Write short, medium, long or full, or a form such as dd.MM.yyyy."),
        ("{{ '-0001-01-01' | date }}", "“-0001-01-01” is not a date."),
        ("{{ '0001-01-01T00:00:00+14:00' | datetime }}", "“0001-01-01” is not a date."),
        ("{{ '99999-01-01' | date }}", "“99999-01-01” is not a date."),
        ("{{ first_day }}", "“0001-01-01” is not a date."),
        ("{{ first_day | upcase }}", "“0001-01-01” is not a date."),
    ],
)  # fmt: skip
@pytest.mark.parametrize("html", [False, True])
def test_a_bomb_fails_itself_with_a_reason(source: str, reason: str, html: bool) -> None:
    east = datetime.timezone(datetime.timedelta(hours=14))
    first_day = datetime.datetime(1, 1, 1, tzinfo=east)
    data = {**DATA, "kb": "x" * 1000, "n": 10**9, "first_day": first_day}
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
    began = time.thread_time()
    found = error(source, data, seconds=0.1)
    assert time.thread_time() - began < 1.5
    assert found.line == 1
    # Text of this length may as well be refused for what is made of it.
    assert found.reason in (
        "Rendering takes too long.",
        "This makes a list of more than 10000 items.",
        "This makes a text of more than 500000 characters.",
    )


def test_a_form_of_a_date_makes_a_short_text() -> None:
    assert len(render("{{ order.at | date: '" + "y" * 200 + "' }}")) == 200
    assert len(render("{{ order.at | date: '" + "%c" * 100 + "' }}")) < 5_000


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
    began = time.thread_time()
    check(source, {"name": None, "a": None}, html=html)
    assert time.thread_time() - began < 8  # hours, with python-liquid's own lexer


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


# Snippets -----------------------------------------------------------------------------------

#: Each renders the next a hundred times.
HUNDREDFOLD = {str(n): f"{{% render '{n + 1}' %}}" * 100 for n in range(1, 5)} | {"5": "x"}
FULL = "x" * 100_000


@pytest.mark.parametrize(
    ("source", "snippets", "reason"),
    [
        ("{% render '1' %}", HUNDREDFOLD, "Snippets are used more than 10000 times."),
        ("{% render '1' %}", HUNDREDFOLD | {"5": ""}, "Snippets are used more than 10000 times."),
        ("{% for i in (1..9999) %}{% render 'a' %}{% render 'a' %}{% endfor %}", {"a": ""}, "Snippets are used more than 10000 times."),
        ("{% render '1' %}", HUNDREDFOLD | {"5": "x" * 1000}, "This makes a text of more than 500000 characters."),
        ("{% for i in (1..9) %}{% render 'a' %}{% endfor %}", {"a": FULL}, "This makes a text of more than 500000 characters."),
        ("{% for i in (1..400) %}{% render 'a' %}{% endfor %}", {"a": "{% for j in (1..400) %}{% endfor %}"}, "The loops go round more than 100000 times."),
        ("{% render 'a', x: 'y' %}", {"a": DOUBLING + "{% assign x = x | append: x %}{% endfor %}"}, "This makes a text of more than 500000 characters."),
        ("{% render 'a' %}", {"a": "".join(f"{{% assign v{i} = kb | replace: 'x', 'yyyyyyyyyyyyyyyyyyyy' %}}" for i in range(200))}, "The variables of this template hold too much."),
        ("{% render 'a' %}{% render 'b' %}{% render 'c' %}", {"a": FULL, "b": FULL, "c": FULL}, "With its snippets the template has more than 262144 characters."),
        ("{% render 'a' %}", {"a": "x" * 300_000}, "With its snippets the template has more than 262144 characters."),
        ("".join(f"{{% render '{n}' %}}" for n in range(60)), {str(n): "" for n in range(60)}, "There are more than 50 snippets in this template."),
        ("{% render 'a' %}", {"a": "{% if name %}" * 31}, "Blocks are nested more than 30 deep here."),
    ],
)  # fmt: skip
def test_a_snippet_bomb_fails_itself_with_a_reason(
    source: str, snippets: dict[str, str], reason: str
) -> None:
    data = {**DATA, "kb": "x" * 1000}
    assert error(source, data, snippets=snippets, seconds=60).reason == reason


def test_blocks_may_be_nested_in_every_snippet_of_a_chain() -> None:
    def nested(inside: str) -> str:
        return "{% for i in (1..1) %}" * 30 + inside + "{% endfor %}" * 30

    snippets = {str(n): nested(f"{{% render '{n + 1}' %}}") for n in range(1, 5)}
    snippets["5"] = nested("{{ name }}")
    assert render(nested("{% render '1' %}"), snippets=snippets) == DATA["name"]


@pytest.mark.parametrize("seconds", [0.1])
def test_snippets_that_take_too_long_are_stopped(seconds: float) -> None:
    slow = "{% for i in (1..9999) %}{% assign x = text | upcase | downcase %}{% endfor %}"
    began = time.thread_time()
    found = error(
        "{% for i in (1..9) %}{% render 'slow' %}{% endfor %}",
        {"text": "ab" * 200_000},
        snippets={"slow": slow},
        seconds=seconds,
    )
    assert time.thread_time() - began < 1.5
    assert (found.reason, found.snippet) == ("Rendering takes too long.", "slow")


@pytest.mark.parametrize(
    ("source", "snippets"),
    [
        ("{% render '1' %}", HUNDREDFOLD),
        ("{% render '1' %}" * 100, HUNDREDFOLD | {"5": "{{ nme }}"}),
        ("{% assign a = name %}{% render 'a' %}" * 7_000, {"a": "{{ nme }}" * 100}),
        ("{% render 'gone' %}" * 13_000, {}),
        ("".join(f"{{% render '{n}' %}}" for n in range(12_000)), {"footer": ""}),
        ("{% render 'a' %}" * 15_000, {"a": "{% render 'a' %}"}),
        ("{{ nme }}" * 25_000, {}),
        ("".join(f"{{{{ nme{n} }}}}" for n in range(18_000)), {}),
    ],
)
def test_checking_ends_soon_whatever_the_snippets_are(
    source: str, snippets: dict[str, str]
) -> None:
    shape = {"name": None, **{f"name_{n}": None for n in range(300)}}
    began = time.thread_time()
    problems = check(source, shape, snippets=snippets)
    assert time.thread_time() - began < 8
    assert 1 <= len(problems) <= 100


def test_templates_with_their_snippets_do_not_stay_in_memory() -> None:
    first = parse("kept{{ x }}")
    for number in range(10):
        parse(f"{number}{{% render 'a' %}}", snippets={"a": "x" * 200_000})
    assert parse("kept{{ x }}") is not first


def test_a_changed_snippet_takes_the_place_of_the_old_one() -> None:
    first = parse("stays{{ x }}")
    for number in range(20):
        parse("{% render 'a' %}", snippets={"a": f"{number}" + "x" * 200_000})
    assert parse("stays{{ x }}") is first
