# ruff: noqa: E501 (tables of cases read best with one case on a line)
"""What is found in a template without rendering it."""

from decimal import Decimal

import pytest

from automation.rules.fields import Field, Kind
from automation.rules.templating import (
    Problem,
    TemplateError,
    check,
    parse,
    written,
)
from automation.rules.templating.filters import ARGUMENTS
from automation.rules.templating.lexer import KEYWORDS
from tests.templating import SHAPE

pytestmark = pytest.mark.sqlite_only


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


# What follows a filter ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "problems"),
    [
        ("{{ cart.status | append }}", ["18: “append” needs more after it: append: …"]),
        ("{{ cart.status | replace }}", ["18: “replace” needs more after it: replace: …"]),
        ("{{ cart.status | upcase: 'x' }}", ["18: “upcase” takes nothing after it."]),
        ("{{ cart.status | round: 1, 2 }}", ["18: There is too much after “round:”."]),
        ("{{ cart.status | truncate: length: 5 }}", ["28: “truncate” has no “length”."]),
        ("{% assign x = cart.status | divided_by %}", ["29: “divided_by” needs more after it: divided_by: …"]),
        ("{{ cart.status | default: false, allow_false: true }}{{ cart.status | default }}", []),
        ("{{ cart.status | slice: 1 }}{{ cart.status | replace: 'a', 'b' }}{{ cart.items | where: 'title' | size }}", []),
        ("{{ cart | money: 'EUR' }}", ["11: “cart” is a group of values, not one value. Name one of them: status, customer, items."]),
        ("{{ cart.items | where: 'titel' | date: 'Y' }}", [
            "24: “titel” is not known here. Did you mean “title”?",
            "40: “Y” is not what you mean: write “y” (d day, M month, y year).",
        ]),
    ],
)  # fmt: skip
def test_what_follows_a_filter_is_checked(source: str, problems: list[str]) -> None:
    assert [f"{problem.column}: {problem.message}" for problem in check(source, SHAPE)] == problems


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ amount | date }}", "“date” needs a date, and “amount” is none."),
        ("{{ paid | time }}", "“time” needs a date, and “paid” is none."),
        ("{{ birthday | datetime }}", "“datetime” needs a time, and “birthday” is a date without one."),
        ("{{ birthday | money: 'EUR' }}", "“money” needs a number, and “birthday” is none."),
        ("{{ at | plus: 1 }}", "“plus” needs a number, and “at” is none."),
        ("{% for i in items %}{{ i.paid | number }}{% endfor %}", "“number” needs a number, and “i.paid” is none."),
        ("{% assign x = amount %}{{ x | date }}", "“date” needs a date, and “x” is none."),
    ],
)  # fmt: skip
def test_a_filter_is_not_for_every_kind_of_field(source: str, message: str) -> None:
    fields = {kind: Field("x", kind=kind) for kind in Kind}
    shape = {
        "amount": fields[Kind.NUMBER],
        "paid": fields[Kind.YES_NO],
        "birthday": fields[Kind.DATE],
        "at": fields[Kind.DATETIME],
        "items": [{"paid": fields[Kind.YES_NO]}],
    }
    assert [problem.message for problem in check(source, shape)] == [message]
    for free in (Kind.TEXT, Kind.CHOICE, Kind.OTHER):
        free_shape = {**dict.fromkeys(shape, fields[free]), "items": [{"paid": fields[free]}]}
        assert check(source, free_shape) == []


def test_the_check_knows_what_every_filter_takes() -> None:
    """As many arguments as it says go through, one more does not."""
    for name, (least, most) in ARGUMENTS.items():
        for count in range(most + 2):
            values = ", ".join(["nothing"] * count)
            source = f"{{{{ nothing | {name}{': ' if count else ''}{values} }}}}"
            problems = check(source, {"nothing": None})
            refused = not least <= count <= most or (name == "money" and not count)
            assert bool(problems) == refused, source
            if refused:
                with pytest.raises(TemplateError):
                    parse(source).render({"nothing": None})


# Names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "expression"),
    [
        (("order", "total"), "order.total"),
        (("order",), "order"),
        (("order", "limit"), "order.limit"),
        (("limit", "for"), "['limit'].for"),
        (("größe", "名前"), "größe.名前"),
        (("order", "due date"), "order['due date']"),
        (("order", "2nd"), "order['2nd']"),
        (("order", "a-b"), "order['a-b']"),
        (("order", "it's"), 'order["it\'s"]'),
        (("order", 'say "x"'), "order['say \"x\"']"),
        (("order", 'it\'s "x"'), ""),
        (("order", "}}"), ""),
        (("order", "a%}b"), ""),
        (("order", "a&lt;b"), ""),
        (("order", ""), ""),
    ],
)
def test_every_variable_is_written_so_that_it_can_be_read(
    path: tuple[str, ...], expression: str
) -> None:
    assert written(path) == expression
    data: object = "found"
    for name in reversed(path):
        data = {name: data}
    for html in (False, True):
        if expression:
            assert parse(f"{{{{ {expression} }}}}", html=html).render(data) == "found"


@pytest.mark.parametrize("word", sorted(KEYWORDS | {"required", "size", "first", "last", "now"}))
def test_words_of_liquid_are_names_after_a_dot(word: str) -> None:
    data = {"order": {word: {word: "a"}}, "list": [{word: 2}], word: "root"}
    source = (
        f"{{{{ order.{word}.{word} }}}}{{{{ 'b' | append: order.{word}.{word} }}}}"
        f"{{% if order.{word}.{word} == 'a' and order.{word}.{word} contains 'a' %}}c{{% endif %}}"
        f"{{% for x in list limit: list[0].{word} %}}{{{{ x.{word} }}}}{{% endfor %}}"
        f"{{% liquid\necho order.{word}.{word}\n%}}{{% case 'a' %}}{{% when order.{word}.{word} %}}d{{% endcase %}}"
        f"{{{{ {written((word,))} }}}}"
    )
    assert parse(source).render(data) == "abac2adroot"
    shape = {"order": {word: {word: None}}, "list": [{word: None}], word: None}
    assert check(source, shape) == []


def test_a_suggestion_is_written_so_that_it_can_be_read() -> None:
    shape = {"order": {"due date": None}}
    (problem,) = check("{{ order['due dat'] }}", shape)
    assert problem.message == (
        "“order['due dat']” is not known here. Did you mean “order['due date']”?"
    )
