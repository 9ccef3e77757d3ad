"""What is wrong with a template, found without rendering it.

A ``Shape`` says which names there are: a mapping is a group of names, a list of exactly one
element is a list of such, anything else is a single value.

    {"cart": {"status": None, "items": [{"title": None}]}}

The check follows loops and assignments: ``item.titel`` in ``for item in cart.items`` is
found. What it cannot know it lets pass.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from liquid import Token
from liquid.ast import Node
from liquid.builtin.expressions import (
    FilteredExpression,
    LoopExpression,
    Path,
    StringLiteral,
)
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.for_tag import ForNode
from liquid.builtin.tags.tablerow_tag import TablerowNode
from liquid.expression import Expression

from automation.rules.templating.filters import LIST_FILTERS, NUMBER_FILTERS, TEXT_FILTERS
from automation.rules.templating.templates import (
    Parsed,
    TemplateError,
    parse_tree,
    placed,
    position,
    unknown_filter,
)

Shape = Mapping[str, Any]

_VALUE: Any = None
#: A value of which nothing is known: everything is allowed with it.
ANYTHING: Any = object()
_FORLOOP = dict.fromkeys(
    ("name", "length", "index", "index0", "rindex", "rindex0", "first", "last")
) | {"parentloop": ANYTHING}
_TABLEROWLOOP = {name: _VALUE for name in _FORLOOP if name not in ("name", "parentloop")} | (
    dict.fromkeys(("col", "col0", "col_first", "col_last", "row"))
)
_KEEP_THE_LIST = frozenset(
    {"where", "reject", "sort", "sort_natural", "reverse", "uniq", "compact"}
)
_ONE_OF_THE_LIST = frozenset({"first", "last", "find"})
_FIELD_FIRST = frozenset(
    {"where", "reject", "find", "has", "map", "sum", "sort", "sort_natural", "uniq"}
)


@dataclass(frozen=True)
class Problem:
    """One mistake, in words for whoever wrote the template. Line and column count from 1;
    0 where no place is known. ``str()`` names them."""

    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return placed(self.message, self.line, self.column) if self.line else self.message


def check(source: str, shape: Shape | None, *, html: bool = False) -> list[Problem]:
    """All that is wrong with ``source``, in the order of its text. Never raises.

    ``shape`` is what its variables can be; None if that is not known, then only tags,
    filters and the grammar are looked at.
    """
    try:
        parsed = parse_tree(source, html=html)
        checker = _Checker(parsed, shape)
        checker.check(parsed.bound.nodes)
    except TemplateError as error:
        return [Problem(error.line or 0, error.column or 0, error.reason)]
    except RecursionError:
        return [Problem(0, 0, _("The template is too complicated."))]
    return sorted(checker.problems, key=lambda problem: (problem.line, problem.column))


class _Checker:
    def __init__(self, parsed: Parsed, shape: Shape | None) -> None:
        self.parsed = parsed
        self.shape = shape
        self.scopes: list[dict[str, Any]] = [dict(shape or {})]
        self.problems: dict[Problem, None] = {}
        for used in parsed.filters:
            if used.name not in parsed.environment.filters:
                self._problem(unknown_filter(used.name, parsed.environment), used.token)

    def check(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            if isinstance(node, ForNode | TablerowNode):
                self._loop(node)
            elif isinstance(node, AssignNode):
                self._assign(node.name, self._shape(node.expression))
            else:
                self._other(node)

    def _other(self, node: Node) -> None:
        for expression in node.expressions():
            shape = self._shape(expression)
            if isinstance(node, OutputNode):
                self._printable(expression, shape)
        for name in node.template_scope():  # capture, increment, decrement
            self._assign(name, _VALUE)
        self.check(self._children(node))

    def _children(self, node: Node) -> Iterable[Node]:
        return node.children(_no_context(), include_partials=False)

    def _loop(self, node: ForNode | TablerowNode) -> None:
        expression = node.expression
        items = self._shape(expression.iterable)
        if self.shape is not None and items is not ANYTHING and not isinstance(items, list):
            self._problem(
                _("“%s” is not a list, so there is nothing to go through.") % expression.iterable,
                expression.iterable.token,
            )
        for bound in (expression.limit, expression.offset, expression.cols):
            if bound is not None:
                self._shape(bound)
        item = items[0] if isinstance(items, list) else ANYTHING
        loop = (
            {"forloop": _FORLOOP} if isinstance(node, ForNode) else {"tablerowloop": _TABLEROWLOOP}
        )
        self.scopes.append({expression.identifier: item, **loop})
        self.check([node.block])
        self.scopes.pop()
        if isinstance(node, ForNode) and node.default:
            self.check([node.default])

    def _assign(self, name: str, shape: Any) -> None:
        known = self.scopes[0]
        # Set twice to different things, perhaps in branches: it may be either.
        known[name] = shape if name not in known or known[name] == shape else ANYTHING

    # What an expression is ------------------------------------------------------------------

    def _shape(self, expression: Expression) -> Any:
        if isinstance(expression, Path):
            return self._path(expression)
        if isinstance(expression, FilteredExpression):
            shape = self._shape(expression.left)
            for used in expression.filters or []:
                shape = self._filtered(expression, shape, used)
            return shape
        for child in expression.children():
            self._shape(child)
        if isinstance(expression, RangeLiteral):
            return [_VALUE]
        return ANYTHING if isinstance(expression, LoopExpression) else _VALUE

    def _filtered(self, expression: FilteredExpression, shape: Any, used: Filter) -> Any:
        for argument in used.args:
            self._shape(argument.value)
        name = used.name
        if isinstance(shape, Mapping) and name in TEXT_FILTERS | NUMBER_FILTERS | LIST_FILTERS:
            self._whole_group(expression, shape, used.token)
            return ANYTHING
        if name in LIST_FILTERS and isinstance(shape, list):
            self._field(shape[0], used)
            if name in _KEEP_THE_LIST:
                return shape
            if name in _ONE_OF_THE_LIST:
                return shape[0]
        if name in TEXT_FILTERS | NUMBER_FILTERS and name != "split":
            return _VALUE
        return ANYTHING

    def _field(self, item: Any, used: Filter) -> None:
        """``where: "titel"`` names a field of the list's items."""
        if used.name not in _FIELD_FIRST or not used.args or not isinstance(item, Mapping):
            return
        named = used.args[0].value
        if isinstance(named, StringLiteral) and named.value not in item:
            self._unknown([named.value], 0, item, named.token)

    def _path(self, path: Path) -> Any:
        for inner in path.children():
            self._shape(inner)
        if self.shape is None:
            return ANYTHING
        shape: Any = ANYTHING
        for depth, key in enumerate(path.path):
            known: Any = self._names() if not depth else shape
            if known is ANYTHING or (isinstance(key, Path) and not isinstance(known, list)):
                return ANYTHING
            if isinstance(key, Path):
                shape = known[0]
                continue
            if isinstance(known, Mapping) and key in known:
                shape = known[key]
            elif key == "size" and depth:
                shape = _VALUE
            elif isinstance(known, list) and (isinstance(key, int) or key in ("first", "last")):
                shape = known[0]
            else:
                self._unknown([*path.path], depth, known, path.token)
                return ANYTHING
        return shape

    def _names(self) -> dict[str, Any]:
        return {name: shape for scope in self.scopes for name, shape in scope.items()}

    # Problems -------------------------------------------------------------------------------

    def _problem(self, message: str, token: Token) -> None:
        line, column = position(token)
        self.problems[Problem(line, column, message)] = None

    def _printable(self, expression: Expression, shape: Any) -> None:
        if self.shape is None or shape is ANYTHING:
            return
        filtered = isinstance(expression, FilteredExpression) and expression.filters
        if isinstance(shape, Mapping):
            self._whole_group(expression, shape, expression.token)
        elif (
            isinstance(shape, list)
            and not filtered
            and not isinstance(getattr(expression, "left", None), RangeLiteral)
        ):
            self._problem(
                _("“%(name)s” is a list. Go through it: {%% for item in %(name)s %%}.")
                % {"name": expression},
                expression.token,
            )

    def _whole_group(self, expression: Expression, shape: Shape, token: Token) -> None:
        name = expression.left if isinstance(expression, FilteredExpression) else expression
        self._problem(
            _("“%(name)s” is a group of values, not one value. Name one of them: %(names)s.")
            % {"name": name, "names": ", ".join(list(shape)[:12])},
            token,
        )

    def _unknown(self, path: list[Any], depth: int, known: Any, token: Token) -> None:
        name = _dotted(path[: depth + 1] if depth + 1 < len(path) else path)
        whole = _dotted(path)
        near = self._nearest(path, depth, known)
        if depth and not isinstance(known, Mapping | list):
            message = _("“%(name)s” is a single value, there is no “%(part)s” in it.") % {
                "name": _dotted(path[:depth]),
                "part": path[depth],
            }
        elif depth and isinstance(known, list):
            message = _(
                "“%(name)s” is a list, there is no “%(part)s” in it. "
                "Go through it: {%% for item in %(name)s %%}."
            ) % {"name": _dotted(path[:depth]), "part": path[depth]}
        elif near:
            message = _("“%(name)s” is not known here. Did you mean “%(near)s”?") % {
                "name": whole,
                "near": near,
            }
        else:
            message = _("“%(name)s” is not known here. Known are: %(names)s.") % {
                "name": name,
                "names": ", ".join(_dotted([*path[:depth], key]) for key in [*known][:12]) or "–",
            }
        self._problem(message, token)

    def _nearest(self, path: list[Any], depth: int, known: Any) -> str:
        """The real name that was probably meant: the closest at each step, else a name that
        ends alike, else one that looks alike."""
        if not isinstance(known, Mapping):
            return ""
        found = [*path[:depth]]
        shape: Any = known
        for key in path[depth:]:
            if isinstance(shape, list) and (isinstance(key, int) or key in ("first", "last")):
                found.append(key)
                shape = shape[0]
                continue
            if not isinstance(shape, Mapping):
                break
            near = difflib.get_close_matches(str(key), [str(name) for name in shape], 1)
            if not near:
                break
            found.append(near[0])
            shape = shape[near[0]]
        if len(found) == len(path):
            return _dotted(found)
        names = list(_all_names(self._names() if not depth else {}))
        wanted = _dotted(path)
        alike = [name for name in names if name.endswith(f".{path[-1]}")]
        return next(iter(alike or difflib.get_close_matches(wanted, names, 1, 0.7)), "")


def _all_names(shape: Shape, before: str = "") -> Iterator[str]:
    for name, below in shape.items():
        yield f"{before}{name}"
        if isinstance(below, Mapping) and below is not _FORLOOP:
            yield from _all_names(below, f"{before}{name}.")


def _dotted(path: list[Any]) -> str:
    parts = [f"[{part}]" if not isinstance(part, str) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".")


def _no_context() -> Any:
    # Only nodes that load other templates look at it, and there are none.
    return None
