# ruff: noqa: E501 (tables of cases read best with one case on a line)
"""Empty values: never "Dear ," by silence."""

import pytest

from automation.rules.templating import EmptyValue, TemplateError, check, parse
from tests.templating import render

pytestmark = pytest.mark.sqlite_only

DATA = {
    "customer": {"first_name": None, "last_name": "  ", "city": "Bern", "note": "", "age": 0, "vip": False},
    "items": [{"title": "Mug"}, {"title": ""}, {"title": None}],
    "none_yet": [],
}  # fmt: skip


def empty(source: str, **options: object) -> list[str]:
    rendered = parse(source, html=True).render_noting(DATA)
    return [value.name for value in rendered.empty]


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("Dear {{ customer.first_name }},", ["customer.first_name"]),
        ("{{ customer.last_name }}{{ customer.note }}", ["customer.last_name", "customer.note"]),
        ("{{ customer.first_name | capitalize | append: '' }}", ["customer.first_name"]),
        ("{{ customer.first_name | date }}", ["customer.first_name"]),
        ("{% capture x %}{{ customer.first_name }}{% endcapture %}Dear {{ x }}", ["customer.first_name", "x"]),
        ("{% for item in items %}{{ item.title }}{% endfor %}", ["item.title"]),
        ("{{ none_yet | join: ', ' }}", ["none_yet"]),
        ("{% echo customer.note %}", ["customer.note"]),
        ("{% if customer.city %}{{ customer.first_name }}{% endif %}", ["customer.first_name"]),
        ("{{ customer.first_name | default: customer.note }}", ["customer.first_name"]),
        ("{{ customer['first_name'] }}", ["customer.first_name"]),
        # Not empty, or empty on purpose:
        ("{{ customer.city }}{{ customer.age }}{{ customer.vip }}", []),
        ("{{ customer.first_name | default: 'friend' }}", []),
        ("{{ customer.last_name | default: 'friend' }}", []),
        ("{{ customer.first_name | default: customer.city }}", []),
        ("{{ customer.first_name | default: '' }}{{ customer.note | default }}", []),
        ("{{ '' }}{{ ' ' }}{% assign x = customer.note %}", []),
        ("{% if customer.first_name %}{{ customer.first_name }}{% endif %}", []),
        ("{% if customer.last_name %}{{ customer.last_name }}{% endif %}", []),
        ("{% if customer.city and customer.note %}{{ customer.note }}{% endif %}", []),
        ("{% unless customer.note %}{% else %}{{ customer.note }}{% endunless %}", []),
    ],
)  # fmt: skip
def test_it_is_noted_what_printed_nothing(source: str, names: list[str]) -> None:
    assert empty(source) == names


def test_an_empty_value_is_noted_with_its_place() -> None:
    template = parse(
        "a\n{{ customer.note }}{% render 's' %}{% render 's' %}", snippets={"s": "{{ name }}"}
    )
    rendered = template.render_noting({**DATA, "name": None})
    assert rendered == (
        "a\n",
        (EmptyValue("customer.note", 2, 4), EmptyValue("name", 1, 4, "s")),
    )


def test_a_loop_notes_each_place_once_and_a_template_a_hundred() -> None:
    template = parse("{% for i in (1..3000) %}{{ x }}{% endfor %}" + "{{ x }}" * 200)
    assert len(template.render_noting({"x": None}).empty) == 100


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ customer.first_name | required }}", "Line 1, column 26: “customer.first_name” is empty."),
        ("{{ customer.last_name | required }}", "Line 1, column 25: “customer.last_name” is empty."),
        ("{{ customer.note | required: 'The note' }}", "Line 1, column 20: “The note” is empty."),
        ("{% assign n = none_yet | required %}", "Line 1, column 26: “none_yet” is empty."),
    ],
)  # fmt: skip
@pytest.mark.parametrize("html", [False, True])
def test_a_required_value_that_is_empty_is_an_error(source: str, message: str, html: bool) -> None:
    with pytest.raises(TemplateError) as raised:
        parse(source, html=html).render(DATA)
    assert str(raised.value) == message


def test_a_required_value_that_is_there_is_printed() -> None:
    assert render("{{ customer.city | required }} {{ customer.age | required }}", DATA) == "Bern 0"
    shape = {"customer": {"city": None}, "items": [{"title": None}]}
    source = "{{ customer.city | required | upcase }}{% assign x = items | required %}"
    assert check(source + "{% for i in x %}{{ i.title }}{% endfor %}", shape) == []


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("customer.first_name", False),
        ("customer.last_name", False),
        ("customer.note", False),
        ("none_yet", False),
        ("customer.vip", False),
        ("customer.age", True),
        ("customer.city", True),
        ("items", True),
        ("customer.city and none_yet", False),
        ("customer.note or customer.city", True),
        ("customer.note or none_yet", False),
        ("customer.note == ''", True),
    ],
)
def test_what_is_empty_is_not_there(condition: str, holds: bool) -> None:
    source = f"{{% if {condition} %}}yes{{% else %}}no{{% endif %}}"
    assert render(source, DATA) == ("yes" if holds else "no")
    assert render(source.replace("if ", "unless ").replace("endif", "endunless"), DATA) == (
        "no" if holds else "yes"
    )


def test_lists_are_searched_for_what_is_there() -> None:
    source = "{{ items | where: 'title' | size }} {{ items | reject: 'title' | size }}"
    assert render(source, DATA) == "1 2"
