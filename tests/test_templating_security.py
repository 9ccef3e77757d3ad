"""What editors' templates cannot reach."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from automation.rules.templating import check
from tests.templating import error, render

pytestmark = pytest.mark.sqlite_only


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
    "tag",
    ["extends", "section", "load", "block", "macro", "call", "import", "with", "doc", "layout"],
)
def test_nothing_can_be_loaded(tag: str) -> None:
    assert error(f"{{% {tag} 'settings' %}}").reason.startswith(f"There is no tag “{tag}”.")


@pytest.mark.parametrize(
    "source",
    [
        "{% render 'settings' %}",
        "{% render '/etc/passwd' %}",
        "{% render '../automation/settings.py' %}",
        "{% render '__class__' %}",
        "{% render 'get' %}",
    ],
)
def test_only_what_it_is_given_is_a_snippet(source: str) -> None:
    slug = source.split("'")[1]
    assert error(source, snippets={"footer": ""}).reason == f"There is no snippet “{slug}”."


def test_a_snippet_reaches_no_more_than_its_template() -> None:
    snippets = {"s": "{{ x.__class__ }}", "t": "{{ name.__class__.__mro__ }}"}
    assert "is not known here" in error("{% render 's', x: order %}", snippets=snippets).reason
    assert "is not known here" in error("{% render 't' %}", snippets=snippets).reason
    assert (
        error("{% render 'u', forloop: tags %}", snippets={"u": "{{ forloop.it }}"}).snippet == "u"
    )


def test_what_a_filter_is_told_by_the_program_cannot_be_told_by_a_template() -> None:
    for name in ("localisation", "now"):
        source = f"{{{{ order.at | date: 'yyyy', {name}: order }}}}"
        assert render(source) == "2026" or name == "now"
        assert [problem.message for problem in check(source, None)] == [f"“date” has no “{name}”."]


@pytest.mark.parametrize("name", ["safe", "escapejs", "base64_decode", "eval", "json", "t"])
def test_filters_that_are_not_needed_are_not_there(name: str) -> None:
    assert error(f"{{{{ name | {name} }}}}").reason.startswith(f"There is no filter “{name}”.")


def test_rendering_leaves_the_data_as_they_were() -> None:
    data = {"list": [3, 1, 2]}
    render("{% assign list = list | sort %}{{ list | reverse | concat: list }}", data)
    assert data == {"list": [3, 1, 2]}


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
