"""What is wrong with a template, found without rendering it.

A ``Shape`` says which names there are: a mapping is a group of names, a list of exactly one
element is a list of such, anything else is a single value. One that has a ``kind``, as the
fields of a source do, is checked against what filters need.

    {"cart": {"status": None, "items": [{"title": None}]}}

The check follows loops, assignments and snippets: ``item.titel`` in ``for item in cart.items``
is found, also where a snippet gets the item. What it cannot know it lets pass.
"""

from collections.abc import Collection
from typing import Any

from automation.rules.templating.checker import ANYTHING, Checker, Problem, Shape, TooMuch, problem
from automation.rules.templating.errors import TemplateError, too_complicated
from automation.rules.templating.reading import parse_tree
from automation.rules.templating.snippets import Snippets

__all__ = ["ANYTHING", "Problem", "Shape", "check", "snippets_of", "variables_of"]


def check(
    source: str,
    shape: Shape | None,
    *,
    html: bool = False,
    snippets: Snippets | None = None,
    slug: str = "",
    required: Collection[str] = (),
) -> list[Problem]:
    """What is wrong with ``source``, in the order of its text, then that of its snippets.
    Never raises; what ``snippets`` raises passes through.

    ``shape`` is what its variables can be; None if that is not known, then only tags,
    filters and the grammar are looked at. ``slug`` is the name of the source if it is itself a
    snippet, so that a circle is found before it is saved. ``required`` are variables that must
    be printed exactly once, outside of everything, as a layout prints ``content``.
    """
    try:
        checker = _checked(source, shape, required, html=html, snippets=snippets, slug=slug)
    except TemplateError as error:
        return [problem(error)]
    checker.check_required()
    return sorted(checker.problems, key=lambda found: (found.snippet, found.line, found.column))


def variables_of(
    source: str,
    shape: Shape | None = None,
    *,
    html: bool = False,
    snippets: Snippets | None = None,
) -> set[tuple[str, ...]]:
    """The paths of the data that ``source`` and its snippets use, through loops and
    assignments: ``item.title`` in a loop over ``cart.items`` is ``("cart", "items", "title")``.
    Empty if it cannot be read."""
    try:
        return _checked(source, shape, html=html, snippets=snippets).used
    except TemplateError:
        return set()


def snippets_of(source: str, *, html: bool = False, snippets: Snippets | None = None) -> set[str]:
    """The names of the snippets that ``source`` renders, and with ``snippets`` those that
    these render in turn. Empty if it cannot be read."""
    try:
        parsed = parse_tree(source, html=html, snippets=snippets)
    except TemplateError:
        return set()
    return {render.slug for text in parsed.texts.values() for render in text.renders}


def _checked(
    source: str, shape: Shape | None, required: Collection[str] = (), **options: Any
) -> Checker:
    parsed = parse_tree(source, **options)
    checker = Checker(parsed, shape, required)
    try:
        checker.check(parsed.texts[""].nodes)
    except (RecursionError, TooMuch):
        raise TemplateError(too_complicated()) from None
    return checker
