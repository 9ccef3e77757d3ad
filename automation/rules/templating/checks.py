"""What is wrong with a template, found without rendering it.

A ``Shape`` says which names there are: a mapping is a group of names, a list of exactly one
element is a list of such, anything else is a single value. One that has a ``kind``, as the
fields of a source do, is checked against what filters need.

    {"cart": {"status": None, "items": [{"title": None}]}}

The check follows loops, assignments and snippets: ``item.titel`` in ``for item in cart.items``
is found, also where a snippet gets the item. What it cannot know it lets pass.
"""

from automation.rules.templating.checker import ANYTHING, Checker, Problem, Shape, TooMuch, problem
from automation.rules.templating.errors import TemplateError, too_complicated
from automation.rules.templating.reading import parse_tree
from automation.rules.templating.snippets import Snippets

__all__ = ["ANYTHING", "Problem", "Shape", "check"]


def check(
    source: str,
    shape: Shape | None,
    *,
    html: bool = False,
    snippets: Snippets | None = None,
    slug: str = "",
) -> list[Problem]:
    """What is wrong with ``source``, in the order of its text, then that of its snippets.
    Never raises; what ``snippets`` raises passes through.

    ``shape`` is what its variables can be; None if that is not known, then only tags,
    filters and the grammar are looked at. ``slug`` is the name of the source if it is itself a
    snippet, so that a circle is found before it is saved.
    """
    try:
        parsed = parse_tree(source, html=html, snippets=snippets, slug=slug)
        checker = Checker(parsed, shape)
        checker.check(parsed.texts[""].nodes)
    except TemplateError as error:
        return [problem(error)]
    except (RecursionError, TooMuch):
        return [Problem(0, 0, too_complicated())]
    return sorted(checker.problems, key=lambda found: (found.snippet, found.line, found.column))
