"""Going through a template as rendering does, with shapes instead of values."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

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


class _Known(NamedTuple):
    """What is known of a value: its shape, and where in the data it comes from, if it does."""

    shape: Any
    path: tuple[str, ...] | None = None


_UNKNOWN = _Known(ANYTHING)
_ONE = _Known(_VALUE)


class TooMuch(Exception):
    """Checking this would take too long."""


class Checker:
    """What is wrong with a template, and which variables it uses, once ``check`` has gone
    through its nodes."""

    def __init__(self, parsed: Parsed, shape: Shape | None, required: Collection[str] = ()) -> None:
        self.parsed = parsed
        self.shape = shape
        #: Where assignments go: the names of the template, or of the snippet we are in.
        self.own = {name: _Known(below, (name,)) for name, below in (shape or {}).items()}
        self.own |= {name: _Known(_VALUE, (name,)) for name in required}
        self.scopes: list[dict[str, _Known]] = [self.own]
        self.snippet = ""
        self.checked = 0
        self.problems: dict[Problem, None] = {problem(error): None for error in parsed.errors}
        self.told: set[tuple[int, str, int, int]] = set()
        self.used: set[tuple[str, ...]] = set()
        #: Where the required names stand: token and snippet.
        self.places: dict[str, list[tuple[Token, str]]] = {name: [] for name in required}
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
                self._assign(node.name, self._known(node.expression))
            elif isinstance(node, RenderNode):
                self._render(node)
            else:
                self._other(node)

    def _other(self, node: Node) -> None:
        for expression in node.expressions():
            known = self._known(expression)
            if isinstance(node, OutputNode):
                self._printable(expression, known.shape)
        for name in node.template_scope():  # capture, increment, decrement
            self._assign(name, _ONE)
        self.check(inner(node))

    def _loop(self, node: ForNode | TablerowNode) -> None:
        expression = node.expression
        items, path = self._known(expression.iterable)
        if self.shape is not None and items is not ANYTHING and not isinstance(items, list):
            self._problem(
                _("“%s” is not a list, so there is nothing to go through.") % expression.iterable,
                expression.iterable.token,
            )
        for bound in (expression.limit, expression.offset, expression.cols):
            if bound is not None:
                self._known(bound)
        item = _Known(items[0] if isinstance(items, list) else ANYTHING, path)
        loop = (
            {"forloop": _Known(_FORLOOP)}
            if isinstance(node, ForNode)
            else {"tablerowloop": _Known(_TABLEROWLOOP)}
        )
        self.scopes.append({expression.identifier: item, **loop})
        self.check([node.block])
        self.scopes.pop()
        if isinstance(node, ForNode) and node.default:
            self.check([node.default])

    def _assign(self, name: str, known: _Known) -> None:
        # Set twice to different things, perhaps in branches: it may be either.
        self.own[name] = known if self.own.get(name, known) == known else _UNKNOWN

    def _render(self, node: RenderNode) -> None:
        handed = {argument.name: self._known(argument.value) for argument in node.arguments}
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

    def _known(self, expression: Expression) -> _Known:
        if isinstance(expression, Path):
            return self._path(expression)
        if isinstance(expression, FilteredExpression):
            known = self._known(expression.left)
            for used in expression.filters or []:
                known = self._filtered(expression, known, used)
            return known
        for child in expression.children():
            self._known(child)
        if isinstance(expression, RangeLiteral):
            return _Known([_VALUE])
        return _UNKNOWN if isinstance(expression, LoopExpression) else _ONE

    def _filtered(self, expression: FilteredExpression, known: _Known, used: Filter) -> _Known:
        for argument in used.args:
            self._known(argument.value)
        self._arguments(used)
        name, shape = used.name, known.shape
        if isinstance(shape, Mapping) and name in _ONE_VALUE | LIST_FILTERS:
            self._whole_group(expression, shape, used.token)
            return _UNKNOWN
        self._kind(expression, getattr(shape, "kind", None), used)
        if name in LIST_FILTERS and isinstance(shape, list):
            self._field(known, used)
            if name in _KEEP_THE_LIST:
                return known
            if name in _ONE_OF_THE_LIST:
                return _Known(shape[0], known.path)
        if name == "required":
            return known
        return _ONE if name in _ONE_VALUE and name != "split" else _UNKNOWN

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

    def _field(self, items: _Known, used: Filter) -> None:
        """``where: "titel"`` names a field of the list's items."""
        item = items.shape[0]
        if used.name not in _FIELD_FIRST or not used.args or not isinstance(item, Mapping):
            return
        named = used.args[0].value
        if not isinstance(named, StringLiteral):
            return
        if named.value not in item:
            self._unknown([named.value], 0, item, named.token)
        elif items.path:
            self.used.add((*items.path, named.value))

    def _path(self, path: Path) -> _Known:
        for part in path.children():
            self._known(part)
        root = path.path[0]
        if not isinstance(root, str):
            return _UNKNOWN
        if root in self.places:
            self.places[root].append((path.token, self.snippet))
        known = self._root(root, path)
        for depth, key in enumerate(path.path[1:], start=1):
            known = self._below(known, key, path, depth)
        if known.path:
            self.used.add(known.path)
        return known

    def _root(self, name: str, path: Path) -> _Known:
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        if self.shape is None:
            return _Known(ANYTHING, (name,))
        self._unknown(path.path, 0, ANYTHING, path.token)
        return _UNKNOWN

    def _below(self, known: _Known, key: Any, path: Path, depth: int) -> _Known:
        """What ``key`` is in what is ``known``."""
        shape, above = known
        if isinstance(shape, list) and (not isinstance(key, str) or key in ("first", "last")):
            return _Known(shape[0], above)
        if isinstance(key, Path) or (shape is ANYTHING and not isinstance(key, str)):
            return _Known(ANYTHING, above)
        below = (*above, str(key)) if above else None
        if shape is ANYTHING:
            return _Known(ANYTHING, below)
        if isinstance(shape, Mapping) and key in shape:
            return _Known(shape[key], below)
        if key == "size":
            return _Known(_VALUE, above)
        self._unknown(path.path, depth, shape, path.token)
        return _UNKNOWN

    def _names(self) -> dict[str, Any]:
        return {name: known.shape for scope in self.scopes for name, known in scope.items()}

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

    def check_required(self) -> None:
        """Note a problem unless each of the required names is printed exactly once, outside of
        everything."""
        for name, places in self.places.items():
            outermost = [
                (node.expression.token, "")
                for node in self.parsed.texts[""].nodes
                if isinstance(node, OutputNode) and str(node.expression) == name
            ]
            if not places:
                message = _("“{{ %(name)s }}” is missing. It stands for what is put in here.")
                self.problems[Problem(0, 0, message % {"name": name})] = None
            elif len(places) > 1:
                self.snippet = places[1][1]
                self._problem(_("“%s” may stand here only once.") % name, places[1][0])
            elif places != outermost:
                self.snippet = places[0][1]
                message = _(
                    "“{{ %(name)s }}” must stand by itself: without filters, and outside of "
                    "conditions, loops and snippets."
                )
                self._problem(message % {"name": name}, places[0][0])

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
