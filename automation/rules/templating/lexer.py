"""Cutting a template into tokens, in a time that grows with its length and no faster.

python-liquid's own lexer is made of regular expressions that a few kilobytes of blanks or
unclosed tags keep busy for hours. This one makes the same tokens. It also knows which tag
belongs into which, so that "never closed" says where the opening tag is.
"""

import difflib
import html
import re
from collections.abc import Iterator

from django.utils.translation import gettext as _
from liquid import Token, TokenStream
from liquid.builtin.expressions._tokenize import _keywords
from liquid.token import (
    TOKEN_COMMENT,
    TOKEN_CONTENT,
    TOKEN_DOT,
    TOKEN_EXPRESSION,
    TOKEN_OUTPUT,
    TOKEN_REQUIRED,
    TOKEN_TAG,
    TOKEN_WORD,
)

from automation.rules.templating.values import Refused

#: The longest template, in characters.
MAX_SOURCE = 256 * 1024
#: How deeply blocks may be nested.
MAX_NESTING = 30
#: The longest text between two braces, and how many brackets it may have: looking for the
#: other end of each takes time.
MAX_EXPRESSION = 4_000
MAX_BRACKETS = 50

#: Words that Liquid uses itself: a variable of such a name is written ``['limit']``.
#: ``required`` belongs to a tag that there is not here; here it is a filter.
KEYWORDS: frozenset[str] = frozenset(_keywords) - {TOKEN_REQUIRED}

BLOCKS = frozenset({"if", "unless", "case", "for", "tablerow", "capture", "ifchanged"})
_PARTS = {
    "else": frozenset({"if", "unless", "case", "for"}),
    "elsif": frozenset({"if", "unless"}),
    "when": frozenset({"case"}),
}
_INSIDE_LOOPS = frozenset({"break", "continue"})
_SINGLE = frozenset(
    {"assign", "cycle", "increment", "decrement", "echo", "liquid", "#", "comment", "raw", "render"}
)
TAGS = BLOCKS | _SINGLE | _INSIDE_LOOPS
_KNOWN = TAGS | _PARTS.keys() | {f"end{name}" for name in BLOCKS | {"comment", "raw"}}

_NAME = re.compile(r"#|\w+")
_END_RAW = re.compile(r"\{%-?[ \t\r\n]*endraw[ \t\r\n]*-?%\}")
_COMMENT = re.compile(r"\{%-?[ \t\r\n]*(comment|endcomment)\b")


def tokens(source: str, *, in_html: bool) -> list[Token]:
    """The tokens of ``source``. In HTML the entities inside braces are resolved: a rich
    editor writes ``{% if a &gt; 1 %}``. Raises ``Refused``."""
    if len(source) > MAX_SOURCE:
        raise Refused(
            _("The template is too long: %(length)d characters, and %(most)d is the most.")
            % {"length": len(source), "most": MAX_SOURCE}
        )
    return list(_Lexer(source, in_html).tokens())


class _Lexer:
    def __init__(self, source: str, in_html: bool) -> None:
        self.source = source
        self.in_html = in_html
        self.position = 0
        self.open_blocks: list[Token] = []
        self.trim_next = False

    def tokens(self) -> Iterator[Token]:
        source, end = self.source, len(self.source)
        while self.position < end:
            start = self._next_brace()
            if start > self.position:
                yield from self._content(self.position, start)
                self.position = start
            elif source[start + 1] == "{":
                yield from self._output()
            else:
                yield from self._tag()
        if self.open_blocks:
            opened = self.open_blocks[-1]
            raise Refused(
                _("“{%% %(tag)s %%}” is never closed with “{%% end%(tag)s %%}”.")
                % {"tag": opened.value},
                opened,
            )

    def _next_brace(self) -> int:
        position = self.position
        while (position := self.source.find("{", position)) >= 0:
            if self.source[position + 1 : position + 2] in ("{", "%"):
                return position
            position += 1
        return len(self.source)

    def _token(self, kind: str, value: str, start: int) -> Token:
        return Token(kind, value, start, self.source)

    def _content(self, start: int, end: int) -> Iterator[Token]:
        value = self.source[start:end]
        if self.trim_next:
            value = value.lstrip()
            self.trim_next = False
        if self.source[end + 2 : end + 3] == "-":
            value = value.rstrip()
        if value:
            yield self._token(TOKEN_CONTENT, value, start)

    def _inside(self, closing: str) -> tuple[str, int]:
        """What stands between the braces at the position, and where it starts; moves on."""
        opened = self.position
        end = self.source.find(closing, opened + 2)
        if end < 0:
            raise Refused(
                _("“%(opening)s” is never closed with “%(closing)s”.")
                % {"opening": self.source[opened : opened + 2], "closing": closing},
                self._token(TOKEN_TAG, "", opened),
            )
        start, stop = opened + 2, end
        if self.source[start] == "-" and start < stop:
            start += 1
        self.trim_next = stop > start and self.source[stop - 1] == "-"
        if self.trim_next:
            stop -= 1
        self.position = end + 2
        value = self.source[start:stop]
        if self.in_html:
            value = html.unescape(value).replace("\xa0", " ")
        bare = value.lstrip()
        return bare.rstrip(), start + len(value) - len(bare)

    def _output(self) -> Iterator[Token]:
        opened = self.position
        value, start = self._inside("}}")
        token = self._token(TOKEN_OUTPUT, "", opened)
        if not value:
            raise Refused(_("There is nothing between “{{” and “}}”."), token)
        yield token
        yield self._expression(value, start)

    def _expression(self, value: str, start: int) -> Token:
        token = self._token(TOKEN_EXPRESSION, value, start)
        if len(value) > MAX_EXPRESSION:
            raise Refused(_("There is too much between these braces."), token)
        if value.count("(") + value.count("[") > MAX_BRACKETS:
            raise Refused(_("There are too many brackets between these braces."), token)
        return token

    def _tag(self) -> Iterator[Token]:
        opened = self.position
        value, start = self._inside("%}")
        named = _NAME.match(value)
        if named is None:
            token = self._token(TOKEN_TAG, "", opened)
            raise Refused(_("A tag starts with its name, as in “{% if … %}”."), token)
        name = named.group()
        token = self._token(TOKEN_TAG, name, start)
        if name == "raw":
            yield from self._raw(token)
            return
        self._place(token)
        yield token
        rest = value[named.end() :]
        bare = rest.lstrip()
        at = start + len(value) - len(bare)
        if name == "comment":
            yield from self._comment(token)
        elif name == "liquid":
            # The tag's own parser asks ``liquid_lines`` for what is inside; it is looked at
            # here because the same rules hold for tags in there.
            whole = self._token(TOKEN_EXPRESSION, bare, at)
            self._inner_lines(whole)
            if bare:
                yield whole
        elif bare:
            yield self._expression(bare, at)

    def _raw(self, token: Token) -> Iterator[Token]:
        closing = _END_RAW.search(self.source, self.position)
        if closing is None:
            raise Refused(_("“{% raw %}” is never closed with “{% endraw %}”."), token)
        if closing.start() > self.position:
            yield from self._content(self.position, closing.start())
        self.position = closing.end()
        self.trim_next = closing.group().endswith("-%}")

    def _comment(self, token: Token) -> Iterator[Token]:
        depth, start = 1, self.position
        for found in _COMMENT.finditer(self.source, start):
            depth += 1 if found.group(1) == "comment" else -1
            if not depth:
                yield self._token(TOKEN_COMMENT, self.source[start : found.start()], start)
                self.position = found.start()
                _value, at = self._inside("%}")
                yield self._token(TOKEN_TAG, "endcomment", at)
                return
        raise Refused(_("“{% comment %}” is never closed with “{% endcomment %}”."), token)

    def _inner_lines(self, token: Token) -> None:
        outer, self.open_blocks = self.open_blocks, [*self.open_blocks]
        commented = 0
        for inner in liquid_lines(token.value, token):
            if inner.kind == TOKEN_EXPRESSION:
                if not commented:
                    self._expression(inner.value, inner.start_index)
            elif inner.value in ("comment", "endcomment"):
                commented += 1 if inner.value == "comment" else -1
            elif not commented:
                if inner.value == "raw":
                    raise Refused(_("“raw” cannot stand inside “liquid”."), inner)
                self._place(inner)
        if len(self.open_blocks) != len(outer):
            raise Refused(_("A block that begins inside “liquid” must end there."), token)
        self.open_blocks = outer

    def _place(self, token: Token) -> None:
        """Note that a block begins or ends, or refuse a tag that cannot stand here."""
        name = token.value
        opened = self.open_blocks[-1].value if self.open_blocks else ""
        if name in BLOCKS:
            if len(self.open_blocks) >= MAX_NESTING:
                raise Refused(_("Blocks are nested more than %d deep here.") % MAX_NESTING, token)
            self.open_blocks.append(token)
        elif name.startswith("end") and name[3:] in BLOCKS:
            if name[3:] != opened:
                raise Refused(self._unexpected_end(name), token)
            self.open_blocks.pop()
        elif name in _PARTS and opened not in _PARTS[name]:
            raise Refused(
                _("“{%% %(tag)s %%}” can stand only between “{%% %(blocks)s %%}” and its end.")
                % {"tag": name, "blocks": " / ".join(sorted(_PARTS[name]))},
                token,
            )
        elif name in _INSIDE_LOOPS:
            if not any(block.value in ("for", "tablerow") for block in self.open_blocks):
                raise Refused(_("“{%% %s %%}” can stand only in a loop.") % name, token)
        elif name not in _KNOWN:
            raise Refused(_unknown_tag(name), token)
        elif name in ("endcomment", "endraw"):
            raise Refused(self._unexpected_end(name), token)

    def _unexpected_end(self, name: str) -> str:
        if not self.open_blocks:
            return _("“{%% %s %%}” closes nothing here.") % name
        opened = self.open_blocks[-1]
        return _(
            "“{%% %(tag)s %%}” does not close “{%% %(opened)s %%}” from line %(line)d: "
            "that needs “{%% end%(opened)s %%}”."
        ) % {
            "tag": name,
            "opened": opened.value,
            "line": self.source.count("\n", 0, opened.start_index) + 1,
        }


def _unknown_tag(name: str) -> str:
    if name == "include":
        return _('There is no tag “include”. Write {% render "…" %} with the name of a snippet.')
    known = _KNOWN if name.startswith("end") else TAGS | _PARTS.keys()
    near = difflib.get_close_matches(name[:40], sorted(known), 1)
    if near:
        return _("There is no tag “%(name)s”. Did you mean “%(near)s”?") % {
            "name": name[:40],
            "near": near[0],
        }
    return _("There is no tag “%s”.") % name[:40]


def liquid_lines(value: str, token: Token) -> Iterator[Token]:
    """The tokens of what stands in ``{% liquid %}``: one tag on each line."""
    start = token.start_index
    for line in value.split("\n"):
        bare = line.strip()
        if bare:
            at = start + line.index(bare)
            named = _NAME.match(bare)
            if named is None:
                raise Refused(
                    _("Each line inside “liquid” starts with the name of a tag."),
                    Token(TOKEN_TAG, "", at, token.source),
                )
            yield Token(TOKEN_TAG, named.group(), at, token.source)
            rest = bare[named.end() :].lstrip()
            if rest:
                yield Token(TOKEN_EXPRESSION, rest, at + len(bare) - len(rest), token.source)
        start += len(line) + 1


class Stream(TokenStream):
    """The tokens of a template. What follows a dot in an expression is a name, whatever else
    Liquid uses that word for: ``order.limit``."""

    def into_inner(self, *, tag: Token | None = None, eat: bool = True) -> TokenStream:
        inner = super().into_inner(tag=tag, eat=eat)
        before = ""
        for index, token in enumerate(inner.tokens):
            if token.kind == TOKEN_REQUIRED or (before == TOKEN_DOT and token.kind in KEYWORDS):
                inner.tokens[index] = token._replace(kind=TOKEN_WORD)
            before = token.kind
        return inner
