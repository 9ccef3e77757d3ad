"""Going through a template as rendering does, with shapes instead of values."""

from collections.abc import Iterable, Mapping
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
from liquid.builtin.expressions.arguments import KeywordArgument
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.for_tag import ForNode
from liquid.builtin.tags.tablerow_tag import TablerowNode
from liquid.expression import Expression

from automation.rules.templating.dates import DATE_FORMS
from automation.rules.templating.errors import (
    MAX_PROBLEMS,
    TemplateError,
    placed,
    position,
    unknown_filter,
)
from automation.rules.templating.expressions import inner
from automation.rules.templating.filters import (
    LIST_FILTERS,
    LOCALISED,
    NUMBER_FILTERS,
    TEXT_FILTERS,
    wrong_arguments,
    wrong_constant,
)
from automation.rules.templating.lexer import MAX_SOURCE
from automation.rules.templating.localising import NUMBER_FORMS
from automation.rules.templating.names import unknown_variable
from automation.rules.templating.reading import Parsed
from automation.rules.templating.snippets import RenderNode

Shape = Mapping[str, Any]

_VALUE: Any = None
#: A value of which nothing is known: everything is allowed with it.
ANYTHING: Any = object()


class OpenShape(dict[str, Any]):
    """A shape that does not know all: names at its top that it does not have are allowed, and
    so is everything below them."""


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
_NUMBERS = NUMBER_FILTERS | NUMBER_FORMS.keys()
_ONE_VALUE = TEXT_FILTERS | NUMBER_FILTERS | LOCALISED.keys()

#: How many characters of snippets are looked at, each as often as it is rendered: what is known
#: in it may differ.
MAX_CHECKED = 2 * MAX_SOURCE


@dataclass(frozen=True)
class Problem:
    """One mistake, in words for whoever wrote the template. Line and column count from 1, in
    the template, or in the snippet if one is named; 0 where no place is known. ``str()`` names
    them."""

    line: int
    column: int
    message: str
    snippet: str = ""

    def __str__(self) -> str:
        return placed(self.message, self.line, self.column, self.snippet)


def problem(error: TemplateError) -> Problem:
    return Problem(error.line or 0, error.column or 0, error.reason, error.snippet)


class TooMuch(Exception):
    """Checking this would take too long."""


class Checker:
    """What is wrong with a template, once ``check`` has gone through its nodes."""

    def __init__(self, parsed: Parsed, shape: Shape | None) -> None:
        self.parsed = parsed
        self.shape = shape
        #: Where assignments go: the names of the template, or of the snippet we are in.
        self.own = dict(shape or {})
        self.scopes: list[dict[str, Any]] = [self.own]
        self.snippet = ""
        self.checked = 0
        self.problems: dict[Problem, None] = {problem(error): None for error in parsed.errors}
        self.told: set[tuple[int, str, int, int]] = set()
        for text in parsed.texts.values():
            self.snippet = text.slug
            for used in text.filters:
                if used.name not in parsed.environment.filters:
                    reason = unknown_filter(used.name, parsed.environment.filters)
                    self._problem(reason, used.token)
        self.snippet = ""

    def check(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            if isinstance(node, ForNode | TablerowNode):
                self._loop(node)
            elif isinstance(node, AssignNode):
                self._assign(node.name, self._shape_of(node.expression))
            elif isinstance(node, RenderNode):
                self._render(node)
            else:
                self._other(node)

    def _other(self, node: Node) -> None:
        for expression in node.expressions():
            shape = self._shape_of(expression)
            if isinstance(node, OutputNode):
                self._printable(expression, shape)
        for name in node.template_scope():  # capture, increment, decrement
            self._assign(name, _VALUE)
        self.check(inner(node))

    def _loop(self, node: ForNode | TablerowNode) -> None:
        expression = node.expression
        items = self._shape_of(expression.iterable)
        if self.shape is not None and items is not ANYTHING and not isinstance(items, list):
            self._problem(
                _("“%s” is not a list, so there is nothing to go through.") % expression.iterable,
                expression.iterable.token,
            )
        for bound in (expression.limit, expression.offset, expression.cols):
            if bound is not None:
                self._shape_of(bound)
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
        # Set twice to different things, perhaps in branches: it may be either.
        self.own[name] = shape if self.own.get(name, shape) == shape else ANYTHING

    def _render(self, node: RenderNode) -> None:
        handed = {argument.name: self._shape_of(argument.value) for argument in node.arguments}
        if node.slug not in self.parsed.texts or not node.nodes:
            return
        # Snippets that render snippets twice each are as many as grains on a chessboard.
        self.checked += 100 + len(self.parsed.texts[node.slug].source)
        if self.checked > MAX_CHECKED:
            raise TooMuch
        outer = self.own, self.snippet
        self.own, self.snippet = handed, node.slug
        self.scopes.append(handed)
        self.check(node.nodes)
        self.scopes.pop()
        self.own, self.snippet = outer

    # What an expression is ------------------------------------------------------------------

    def _shape_of(self, expression: Expression) -> Any:
        if isinstance(expression, Path):
            return self._path(expression)
        if isinstance(expression, FilteredExpression):
            shape = self._shape_of(expression.left)
            for used in expression.filters or []:
                shape = self._filtered(expression, shape, used)
            return shape
        for child in expression.children():
            self._shape_of(child)
        if isinstance(expression, RangeLiteral):
            return [_VALUE]
        return ANYTHING if isinstance(expression, LoopExpression) else _VALUE

    def _filtered(self, expression: FilteredExpression, shape: Any, used: Filter) -> Any:
        for argument in used.args:
            self._shape_of(argument.value)
        self._arguments(used)
        name = used.name
        if isinstance(shape, Mapping) and name in _ONE_VALUE | LIST_FILTERS:
            self._whole_group(expression, shape, used.token)
            return ANYTHING
        self._kind(expression, getattr(shape, "kind", None), used)
        if name in LIST_FILTERS and isinstance(shape, list):
            self._field(shape[0], used)
            if name in _KEEP_THE_LIST:
                return shape
            if name in _ONE_OF_THE_LIST:
                return shape[0]
        if name == "required":
            return shape
        return _VALUE if name in _ONE_VALUE and name != "split" else ANYTHING

    def _kind(self, expression: FilteredExpression, kind: object, used: Filter) -> None:
        """A source's fields say what kind of value they hold. Text may hold anything."""
        if used.name in _NUMBERS and kind in ("yes_no", "date", "datetime"):
            message = _("“%(filter)s” needs a number, and “%(name)s” is none.")
        elif used.name in DATE_FORMS and kind in ("yes_no", "number"):
            message = _("“%(filter)s” needs a date, and “%(name)s” is none.")
        elif used.name in ("time", "datetime") and kind == "date":
            message = _("“%(filter)s” needs a time, and “%(name)s” is a date without one.")
        else:
            return
        self._problem(message % {"filter": used.name, "name": expression.left}, used.token)

    def _arguments(self, used: Filter) -> None:
        if used.name not in self.parsed.environment.filters:
            return
        named = [argument for argument in used.args if isinstance(argument, KeywordArgument)]
        for argument in named:
            if (used.name, argument.name) != ("default", "allow_false"):
                reason = _("“%(filter)s” has no “%(name)s”.")
                words = {"filter": used.name, "name": argument.name}
                self._problem(reason % words, argument.token)
        if wrong := wrong_arguments(used.name, len(used.args) - len(named)):
            self._problem(wrong, used.token)
        first = used.args[0].value if used.args else None
        if isinstance(first, StringLiteral) and (wrong := wrong_constant(used.name, first.value)):
            self._problem(wrong, first.token)

    def _field(self, item: Any, used: Filter) -> None:
        """``where: "titel"`` names a field of the list's items."""
        if used.name not in _FIELD_FIRST or not used.args or not isinstance(item, Mapping):
            return
        named = used.args[0].value
        if isinstance(named, StringLiteral) and named.value not in item:
            self._unknown([named.value], 0, item, named.token)

    def _path(self, path: Path) -> Any:
        for part in path.children():
            self._shape_of(part)
        root = path.path[0]
        if not isinstance(root, str):
            return ANYTHING
        shape = self._root(root, path)
        for depth, key in enumerate(path.path[1:], start=1):
            shape = self._below(shape, key, path, depth)
        return shape

    def _root(self, name: str, path: Path) -> Any:
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        if self.shape is not None and not isinstance(self.shape, OpenShape):
            self._unknown(path.path, 0, ANYTHING, path.token)
        return ANYTHING

    def _below(self, shape: Any, key: Any, path: Path, depth: int) -> Any:
        """What ``key`` is in ``shape``."""
        if isinstance(shape, list) and (not isinstance(key, str) or key in ("first", "last")):
            return shape[0]
        if shape is ANYTHING or isinstance(key, Path):
            return ANYTHING
        if isinstance(shape, Mapping) and key in shape:
            return shape[key]
        if key == "size":
            return _VALUE
        self._unknown(path.path, depth, shape, path.token)
        return ANYTHING

    def _names(self) -> dict[str, Any]:
        return {name: shape for scope in self.scopes for name, shape in scope.items()}

    # Problems -------------------------------------------------------------------------------

    def _problem(self, message: str, token: Token) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems[Problem(*position(token), message, self.snippet)] = None

    def _unknown(self, path: list[Any], depth: int, known: Any, token: Token) -> None:
        """Note that there is no ``path[depth]`` in ``known``; ``ANYTHING`` stands for all
        that there is."""
        # Finding what was meant takes long; a snippet may be in a loop or used a hundred times.
        place = (token.start_index, self.snippet, depth, id(known))
        if place in self.told or len(self.problems) >= MAX_PROBLEMS:
            return
        self.told.add(place)
        names = self._names()
        known = names if known is ANYTHING else known
        self._problem(unknown_variable(path, depth, known, names), token)

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
