# ruff: noqa: E501 (tables of cases read best with one case on a line)
"""Layouts: templates around what is HTML already."""

import pytest

from automation.rules.templating import Problem, Safe, TemplateError, check, parse, plain_data
from tests.templating import render

pytestmark = pytest.mark.sqlite_only

BODY = "<p>O&#39;Brien &amp; Co</p>"


def test_a_layout_prints_its_content_as_it_is() -> None:
    layout = parse("<i>{{ subject }}</i>{{ content }}<b>{{ name }}</b>", html=True)
    data = plain_data({"name": "Ann & Co"})
    assert layout.render(data, extra={"content": Safe(BODY), "subject": "A & B"}) == (
        f"<i>A &amp; B</i>{BODY}<b>Ann &amp; Co</b>"
    )
    assert data == {"name": "Ann & Co"}


def test_what_is_added_hides_data_of_the_same_name() -> None:
    data = {"content": "<script>", "other": "1"}
    assert (
        render("{{ content }}{{ other }}", data, html=True, extra={"content": Safe("<p>")})
        == "<p>1"
    )


def test_only_the_program_can_vouch_for_html() -> None:
    for data in ({"x": Safe("<b>")}, {"x": [Safe("<b>")]}):
        with pytest.raises(TemplateError, match="something that is not plain: Safe"):
            render("{{ x }}", data, html=True)
    with pytest.raises(TemplateError, match="something that is not plain: Safe"):
        render("{{ x.y }}", {}, html=True, extra={"x": {"y": Safe("<b>")}})
    assert render("{{ x }}", {"x": "Safe('<b>')"}, html=True) == "Safe(&#39;&lt;b&gt;&#39;)"


def test_a_layout_holds_more_than_a_template_may_make() -> None:
    body = "x" * 900_000
    assert (
        len(render("<p>{{ content }}</p>", {}, html=True, extra={"content": Safe(body)})) == 900_007
    )
    with pytest.raises(TemplateError, match="more than 500000 characters"):
        render("{{ content }}{{ content }}", {}, html=True, extra={"content": Safe(body)})
    with pytest.raises(TemplateError, match="more than 500000 characters"):
        render("{{ content | upcase }}", {}, html=True, extra={"content": Safe(body)})


ONCE = "“content” may stand here only once."
ALONE = (
    "“{{ content }}” must stand by itself: without filters, and outside of conditions, loops and "
    "snippets."
)


@pytest.mark.parametrize(
    ("source", "problems"),
    [
        ("<main>{{ content }}</main>{{ name }}", []),
        ("{% if name %}x{% endif %}{{content}}", []),
        ("<main></main>", [Problem(0, 0, "“{{ content }}” is missing. It stands for what is put in here.")]),
        ("{% raw %}{{ content }}{% endraw %}", [Problem(0, 0, "“{{ content }}” is missing. It stands for what is put in here.")]),
        ("{{ content }}\n{{ content }}", [Problem(2, 4, ONCE)]),
        ("{% if content %}{{ content }}{% endif %}", [Problem(1, 20, ONCE)]),
        ("{% if name %}{{ content }}{% endif %}", [Problem(1, 17, ALONE)]),
        ("{% for x in items %}{{ content }}{% endfor %}", [Problem(1, 24, ALONE)]),
        ("{% capture x %}{{ content }}{% endcapture %}", [Problem(1, 19, ALONE)]),
        ("{{ content | upcase }}", [Problem(1, 4, ALONE)]),
        ("{{ content.size }}", [Problem(1, 4, ALONE)]),
        ("{{ name | append: content }}", [Problem(1, 19, ALONE)]),
        ("{% assign x = content %}{{ x }}", [Problem(1, 15, ALONE)]),
        ("{% render 's' %}", [Problem(1, 4, ALONE, "s")]),
        ("{% render 's' %}{{ content }}", [Problem(1, 20, ONCE)]),
        ("{{ content }}{{ nme }}", [Problem(1, 17, "“nme” is not known here. Did you mean “name”?")]),
    ],
)  # fmt: skip
def test_a_layout_prints_its_content_exactly_once(source: str, problems: list[Problem]) -> None:
    shape = {"name": None, "items": [None]}
    snippets = {"s": "{{ content }}"}
    found = check(source, shape, html=True, snippets=snippets, required={"content"})
    assert found == problems


def test_without_a_shape_the_content_is_looked_for_as_well() -> None:
    assert check("{{ content }}{{ x.y }}", None, required=["content"]) == []
    assert len(check("{{ x.y }}", None, required=["content"])) == 1
