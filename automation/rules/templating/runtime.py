"""The machine that editors' templates run on: python-liquid with every door locked.

Two environments, one for HTML and one for text. No loader, so nothing can be included but the
snippets that were found beforehand; no ``now``, so a template says the same whenever it is
rendered; and a context that reaches items of mappings and lists and nothing else, counts what
loops, snippets and variables cost, looks at the clock, and notes which values were empty.
"""

import difflib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TextIO

from django.utils.translation import gettext as _
from liquid import Environment, RenderContext, Token
from liquid.ast import Node
from liquid.builtin import content, illegal, output
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.tags import (
    assign_tag,
    capture_tag,
    case_tag,
    comment_tag,
    cycle_tag,
    decrement_tag,
    echo_tag,
    for_tag,
    if_tag,
    ifchanged_tag,
    increment_tag,
    inline_comment_tag,
    liquid_tag,
    tablerow_tag,
    unless_tag,
)
from liquid.exceptions import LiquidError
from liquid.mode import Mode
from liquid.parser import get_parser
from liquid.stream import TokenStream
from liquid.tag import Tag
from liquid.token import TOKEN_OUTPUT
from liquid.utils import ReadOnlyChainMap

from automation.rules.templating.dates import DATE_FORMS
from automation.rules.templating.filters import LOCALISED, filters
from automation.rules.templating.lexer import MAX_NESTING, Stream, liquid_lines, tokens
from automation.rules.templating.localising import Localisation
from automation.rules.templating.snippets import MAX_DEPTH, MAX_RENDERED, RenderTag
from automation.rules.templating.values import (
    MAX_TEXT,
    MAX_VARIABLES,
    Data,
    Refused,
    bounded,
    is_empty,
    markup,
    text,
    too_long,
)

#: How often all loops of a template together may go round.
MAX_ITERATIONS = 100_000
#: How many seconds a template may take.
MAX_SECONDS = 2.0
#: How many empty values one rendering notes.
MAX_NOTED = 100

_LOOP_VARIABLES = (for_tag.ForLoop, tablerow_tag.TableRow)
_TAGS: tuple[type[Tag], ...] = (
    content.Literal,
    illegal.Illegal,
    assign_tag.AssignTag,
    capture_tag.CaptureTag,
    case_tag.CaseTag,
    comment_tag.CommentTag,
    decrement_tag.DecrementTag,
    for_tag.BreakTag,
    for_tag.ContinueTag,
    for_tag.ForTag,
    if_tag.IfTag,
    ifchanged_tag.IfChangedTag,
    increment_tag.IncrementTag,
    inline_comment_tag.InlineCommentTag,
    liquid_tag.LiquidTag,
    RenderTag,
    tablerow_tag.TablerowTag,
    unless_tag.UnlessTag,
)


class Buffer:
    """What a template writes to: text of a bounded length. Half a character is no error."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.size = 0

    def write(self, part: str) -> int:
        self.size += len(part)
        if self.size > MAX_TEXT:
            raise too_long()
        self.parts.append(part)
        return len(part)

    def getvalue(self) -> str:
        return "".join(self.parts)


class Noted(NamedTuple):
    """An output that printed nothing: what was to be printed, and where."""

    name: str
    token: Token
    snippet: str


class _Outer(NamedTuple):
    """What a snippet must not change of the template around it."""

    variables: Any
    sizes: dict[str, int]
    total_size: int


class Context(RenderContext):
    """One rendering: its variables and what it has used up."""

    __slots__ = (
        "deadline",
        "empty",
        "iterations",
        "localisation",
        "rendered",
        "sizes",
        "snippets",
        "token",
        "total_size",
    )

    def __init__(
        self, template: Any, data: Data, seconds: float, localisation: Localisation
    ) -> None:
        super().__init__(template, globals=data)
        self.localisation = localisation
        #: The snippets that we are in, the innermost last, and how many there have been.
        self.snippets: list[str] = []
        self.rendered = 0
        #: The outputs that printed nothing, each once.
        self.empty: dict[tuple[int, str], Noted] = {}
        # Without python-liquid's own ``now`` and ``today``.
        self.scope = ReadOnlyChainMap(self.locals, self.globals, self.counters)
        self.deadline = time.perf_counter() + seconds
        self.iterations = 0
        self.sizes: dict[str, int] = {}
        self.total_size = 0
        #: Where we are, for an error that does not know itself.
        self.token: Token | None = None

    @property
    def snippet(self) -> str:
        """The snippet that we are in; "" in the template itself."""
        return self.snippets[-1] if self.snippets else ""

    def tick(self, token: Token | None = None) -> None:
        """Note where we are; ``Refused`` if the time is over."""
        self.token = token or self.token
        if time.perf_counter() > self.deadline:
            raise Refused(_("Rendering takes too long."), self.token)

    def get(self, path: list[object], *, token: Token | None, default: object = None) -> object:
        """The value at ``path``. Nothing below nothing is nothing; a name that does not exist
        is ``Refused``."""
        self.tick(token)
        value: Any = self.scope
        for depth, key in enumerate(path):
            try:
                value = self.scope[key] if not depth else self.get_item(value, key)  # type: ignore[index]
            except (KeyError, TypeError):
                raise self._unknown(path, depth, value, token) from None
        return value

    def get_item(self, obj: Any, key: Any) -> Any:
        """An item of a mapping or a list, ``first``, ``last`` or ``size``. Never anything
        else; ``KeyError`` if it is not there."""
        kind = type(obj)
        if obj is None:
            return None
        if kind is dict:
            return len(obj) if key == "size" and "size" not in obj else obj[key]
        if kind is list or kind is range:
            if type(key) is int:
                return obj[key] if -len(obj) <= key < len(obj) else None
            if key in ("first", "last"):
                return (obj[0] if key == "first" else obj[-1]) if obj else None
        if key == "size" and (kind is list or kind is range or isinstance(obj, str)):
            return len(obj)
        if isinstance(obj, _LOOP_VARIABLES):
            return obj[key]
        raise KeyError(key)

    def _unknown(self, path: list[object], depth: int, parent: Any, token: Token | None) -> Refused:
        names = [str(key)[:60] for key in path[: depth + 1]]
        known = [str(key) for key in parent] if isinstance(parent, Mapping) else []
        near = difflib.get_close_matches(names[-1], known, 1)
        if not near:
            return Refused(_("“%s” is not known here.") % ".".join(names), token)
        return Refused(
            _("“%(name)s” is not known here. Did you mean “%(near)s”?")
            % {"name": ".".join(names), "near": ".".join([*names[:-1], *near])},
            token,
        )

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        self.tick(token)
        try:
            found = self.env.filters[name]
        except KeyError:
            raise Refused(_("There is no filter “%s”.") % name, token) from None

        def bounded_filter(*args: Any, **kwargs: Any) -> object:
            if name in LOCALISED:
                kwargs["localisation"] = self.localisation
                if name in DATE_FORMS:
                    kwargs["now"] = self.globals.get("now")
            try:
                return bounded(found(*args, **kwargs))
            except Refused as refused:
                refused.token = refused.token or token
                raise
            except Exception as error:
                raise Refused(_("“%s” cannot be used like this.") % name, token) from error

        return bounded_filter

    def assign(self, key: str, val: Any) -> None:
        size = _size(val)
        self.total_size += size - self.sizes.get(key, 0)
        self.sizes[key] = size
        if self.total_size > MAX_VARIABLES:
            raise Refused(_("The variables of this template hold too much."))
        self.locals[key] = val

    def enter_snippet(self, slug: str, handed: dict[str, Any], token: Token) -> _Outer:
        """Begin a snippet: what it assigns goes to ``handed``, before the outer variables."""
        self.tick(token)
        self.rendered += 1
        if self.rendered > MAX_RENDERED:
            raise Refused(_("Snippets are used more than %d times.") % MAX_RENDERED, token)
        outer = _Outer(self.locals, self.sizes, self.total_size)
        self.snippets.append(slug)
        self.scope.push(handed)
        self.locals, self.sizes = handed, {}
        return outer

    def leave_snippet(self, outer: _Outer, token: Token) -> None:
        self.snippets.pop()
        self.scope.pop()
        self.locals, self.sizes, self.total_size = outer
        self.token = token

    def note_empty(self, expression: FilteredExpression) -> None:
        """Note that ``expression`` printed nothing, unless that is what its author wants."""
        if not isinstance(expression.left, Path) or len(self.empty) >= MAX_NOTED:
            return
        for used in expression.filters or []:
            # default: "" says that nothing is all right; default: another.name does not.
            if used.name == "default" and not (used.args and isinstance(used.args[0].value, Path)):
                return
        noted = Noted(str(expression.left), expression.token, self.snippet)
        self.empty[(expression.token.start_index, noted.snippet)] = noted

    def counted(self, items: Sequence[object], token: Token) -> Iterator[object]:
        """``items`` of a loop, one by one, as long as there is time."""
        for item in items:
            self.iterations += 1
            if self.iterations > MAX_ITERATIONS:
                raise Refused(_("The loops go round more than %d times.") % MAX_ITERATIONS, token)
            self.tick(token)
            yield item

    def get_buffer(self, buf: Any = None) -> Any:
        self.tick()
        return Buffer()


def _size(value: object) -> int:
    if isinstance(value, str):
        return len(value) + 50
    if isinstance(value, list):
        return 100 + sum(_size(item) if isinstance(item, str) else 10 for item in value)
    return 50  # a number, or a part of the data, which is there anyway


# Printing -----------------------------------------------------------------------------------


def _print(value: object, token: Token, context: RenderContext, buffer: TextIO) -> str:
    try:
        printed = markup(value) if context.autoescape else text(value)
        buffer.write(printed)
    except Refused as refused:
        refused.token = refused.token or token
        raise
    return printed


class OutputNode(output.OutputNode):
    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        expression: Any = self.expression
        printed = _print(expression.evaluate(context), expression.token, context, buffer)
        if is_empty(printed):
            ours: Context = context  # type: ignore[assignment]
            ours.note_empty(expression)
        return len(printed)


class _Output(output.Output):
    node_class = OutputNode

    def parse(self, stream: TokenStream) -> output.OutputNode:
        token = stream.eat(TOKEN_OUTPUT)
        inner = stream.into_inner(tag=token, eat=False)
        return OutputNode(token, FilteredExpression.parse(self.env, inner))


class EchoNode(OutputNode):
    __slots__ = ()


class _EchoTag(echo_tag.EchoTag):
    node_class = EchoNode  # type: ignore[assignment]


class _CycleNode(cycle_tag.CycleNode):
    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        # A cycle is known by its name, or by how its values are written in the template.
        name = text(self.group.evaluate(context)) if self.group else ""
        key = (name[:200], "" if name else ",".join(map(str, self.args)))
        value = self.args[context.cycle(key, len(self.args)) % len(self.args)]
        return len(_print(value.evaluate(context), self.token, context, buffer))


class _CycleTag(cycle_tag.CycleTag):
    node_class = _CycleNode


# The environments ---------------------------------------------------------------------------


class LockedEnvironment(Environment):
    # The lexer has refused deeper templates with their place; these are the second line.
    block_nesting_limit = MAX_NESTING + 1
    context_depth_limit = (MAX_NESTING + 1) * (MAX_DEPTH + 1) + 10

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        own: tuple[type[Tag], ...] = (_Output, _EchoTag, _CycleTag)
        for tag in _TAGS + own:
            self.add_tag(_placed(tag))
        for name in ("if", "unless"):
            self.tags[name].mode = Mode.STRICT  # type: ignore[attr-defined]
        self.tags["liquid"]._tokenize = liquid_lines  # type: ignore[attr-defined]
        self.filters = filters(as_html=self.autoescape)

    def nodes(self, source: str) -> list[Node]:
        """The parsed template. Raises ``Refused`` or another ``LiquidError``."""
        stream = Stream(iter(tokens(source, in_html=self.autoescape)))
        return get_parser(self).parse(stream)


def _placed(tag: type[Tag]) -> type[Tag]:
    """``tag``, which reads names as ``Stream`` does, also inside ``{% liquid %}``, and whose
    errors always know where they are: python-liquid's do not if they are found at the end of
    an expression."""

    class Placed(tag):  # type: ignore[misc, valid-type]
        def get_node(self, stream: TokenStream) -> Node:
            start = stream.current
            stream.__class__ = Stream
            try:
                return super().get_node(stream)
            except LiquidError as error:
                if error.token is None or error.token.start_index < 0:
                    error.token = start
                raise

    return Placed


HTML = LockedEnvironment(autoescape=True)
TEXT = LockedEnvironment(autoescape=False)
