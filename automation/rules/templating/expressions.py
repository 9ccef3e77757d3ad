"""Liquid's expressions, bounded and strict: what python-liquid parses, evaluated our way.

``harden`` exchanges the classes of parsed expressions for those here. They have the same
slots, so nothing of what was parsed is lost.
"""

import datetime
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from liquid import RenderContext
from liquid.ast import Node
from liquid.builtin.expressions import (
    BooleanExpression,
    FilteredExpression,
    LoopExpression,
    StringLiteral,
)
from liquid.builtin.expressions.arguments import PositionalArgument
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.expressions.logical import (
    ContainsExpression,
    EqExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LogicalAndExpression,
    LogicalOrExpression,
    LtExpression,
    NeExpression,
)
from liquid.builtin.expressions.primitive import Blank, Empty, FloatLiteral, RangeLiteral
from liquid.builtin.tags.case_tag import _AnyExpression
from liquid.expression import Expression

from automation.rules.templating.values import (
    MAX_ITEMS,
    Refused,
    holds,
    text,
    too_many,
    whole_number,
)

if TYPE_CHECKING:
    from automation.rules.templating.runtime import Context

# Comparing ----------------------------------------------------------------------------------


def equal(left: object, right: object) -> bool:
    if isinstance(right, Empty | Blank):
        left, right = right, left
    if isinstance(left, Blank) and (right is None or right is False):
        return True
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right  # in Python 1 equals True
    return bool(left == right)


def _order(left: object, right: object) -> tuple[Any, Any] | None:
    """Both values where one can come before the other, None where one is missing."""
    if left is None or right is None:
        return None
    for kind in (str, int | Decimal, datetime.datetime, datetime.date, datetime.time,
                 datetime.timedelta):  # fmt: skip
        if isinstance(left, kind) and isinstance(right, kind):
            # A moment is a date to Python, and a yes is a number; neither is to a reader.
            if isinstance(left, bool) or isinstance(right, bool):
                break
            if isinstance(left, datetime.datetime) != isinstance(right, datetime.datetime):
                break
            return left, right
    raise Refused(_("These two values cannot be compared."))


class _Compared(Expression):
    __slots__ = ()
    left: Expression
    right: Expression

    def _values(self, context: RenderContext) -> tuple[Any, Any] | None:
        try:
            return _order(self.left.evaluate(context), self.right.evaluate(context))
        except Refused as refused:
            refused.token = refused.token or self.token
            raise


class _Equal(EqExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        return equal(self.left.evaluate(context), self.right.evaluate(context))


class _NotEqual(NeExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        return not equal(self.left.evaluate(context), self.right.evaluate(context))


class _Less(LtExpression, _Compared):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        return bool((values := self._values(context)) and values[0] < values[1])


class _Greater(GtExpression, _Compared):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        return bool((values := self._values(context)) and values[0] > values[1])


class _AtMost(LeExpression, _Compared):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        return bool((values := self._values(context)) and values[0] <= values[1])


class _AtLeast(GeExpression, _Compared):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        return bool((values := self._values(context)) and values[0] >= values[1])


class _Contains(ContainsExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        whole, part = self.left.evaluate(context), self.right.evaluate(context)
        if whole is None or part is None:
            return False
        if isinstance(whole, str):
            return str(text(part)) in str(whole)
        if isinstance(whole, list | range):
            return any(equal(item, part) for item in whole)
        raise Refused(_("Only texts and lists contain something."), self.token)


class _OneOf(_AnyExpression):
    """The values of a ``when``. However many of them match, its block is rendered once."""

    __slots__ = ()

    def evaluate(self, context: RenderContext) -> list[bool]:
        left = self.left.evaluate(context)
        return [True] if any(equal(left, one.evaluate(context)) for one in self.expressions) else []


class _Condition(BooleanExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> bool:
        return holds(self.expression.evaluate(context))


class _And(LogicalAndExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        return holds(self.left.evaluate(context)) and holds(self.right.evaluate(context))


class _Or(LogicalOrExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        return holds(self.left.evaluate(context)) or holds(self.right.evaluate(context))


# Ranges and loops ---------------------------------------------------------------------------


class _Range(RangeLiteral):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> range:
        try:
            start = whole_number(self.start.evaluate(context))
            stop = whole_number(self.stop.evaluate(context))
            if stop - start >= MAX_ITEMS:
                raise too_many()
        except Refused as refused:
            refused.token = refused.token or self.token
            raise
        return range(start, max(start, stop + 1))


class _Loop(LoopExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> tuple[Iterator[object], int]:
        items: Any = self.iterable.evaluate(context)
        if items is None:
            items = []
        if not isinstance(items, list | range):
            raise Refused(
                _("“%s” is not a list, so there is nothing to go through.") % self.iterable,
                self.iterable.token,
            )
        key = f"{self.identifier}-{self.iterable}"
        start = self._start(context, key)
        stop = len(items)
        if self.limit is not None:
            stop = min(stop, start + self._whole(self.limit, context))
        context.stopindex(key=key, index=max(start, stop))
        items = items[start:stop]
        counted: Context = context  # type: ignore[assignment]
        return counted.counted(items[::-1] if self.reversed else items, self.token), len(items)

    def _start(self, context: RenderContext, key: str) -> int:
        if self.offset is None:
            return 0
        if isinstance(self.offset, StringLiteral) and self.offset.value == "continue":
            return context.stopindex(key)
        return self._whole(self.offset, context)

    @staticmethod
    def _whole(expression: Expression, context: RenderContext) -> int:
        try:
            return max(whole_number(expression.evaluate(context)), 0)
        except Refused as refused:
            refused.token = refused.token or expression.token
            raise


_HARDENED: dict[type, type] = {
    EqExpression: _Equal,
    NeExpression: _NotEqual,
    LtExpression: _Less,
    GtExpression: _Greater,
    LeExpression: _AtMost,
    GeExpression: _AtLeast,
    ContainsExpression: _Contains,
    _AnyExpression: _OneOf,
    BooleanExpression: _Condition,
    LogicalAndExpression: _And,
    LogicalOrExpression: _Or,
    RangeLiteral: _Range,
    LoopExpression: _Loop,
}


def harden(nodes: Iterable[Node]) -> list[Filter]:
    """Make every expression below ``nodes`` ours. Returns the filters met on the way, so
    that the caller can look whether they exist."""
    found: list[Filter] = []
    for node in nodes:
        for expression in node.expressions():
            _harden(expression, found)
        found += harden(inner(node))
    return found


def inner(node: Node) -> Iterable[Node]:
    """The nodes inside ``node``; those of a snippet are not."""
    context: Any = None  # only nodes that load other templates look at it, ours do not
    return node.children(context, include_partials=False)


def _harden(expression: Expression, found: list[Filter]) -> None:
    kind = type(expression)
    if kind in _HARDENED:
        expression.__class__ = _HARDENED[kind]
    elif kind is FloatLiteral:
        # 1.19 is meant as it is written; no binary fraction equals it.
        expression.value = Decimal(expression.token.value)  # type: ignore[attr-defined]
    elif kind is FilteredExpression:
        used = expression.filters or []  # type: ignore[attr-defined]
        for needed in used:
            if needed.name == "required" and not needed.args:
                # A filter sees only its value; its message shall name the variable.
                name = StringLiteral(needed.token, str(expression.left))  # type: ignore[attr-defined]
                needed.args = [PositionalArgument(name)]
        found += used
    for child in expression.children():
        _harden(child, found)
