"""Snippets: texts that several templates share. ``{% render "footer" %}`` prints one.

A snippet sees the variables of the template that renders it, and what is handed to it:
``{% render "product-card", item: item %}``. What it assigns stays inside. The name is a
constant, so that all snippets of a template are known, read and checked before it is rendered.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TextIO

from django.utils.translation import gettext as _
from liquid import RenderContext, Token
from liquid.ast import Node
from liquid.builtin.expressions import KeywordArgument, StringLiteral
from liquid.builtin.expressions.primitive import parse_primitive
from liquid.expression import Expression
from liquid.stream import TokenStream
from liquid.tag import Tag
from liquid.token import TOKEN_FOR, TOKEN_TAG, TOKEN_WITH

from automation.rules.templating.values import Refused

if TYPE_CHECKING:
    from automation.rules.templating.runtime import Context

#: Where the texts of snippets are found by name: a mapping, or a function that returns None for
#: an unknown name. It is asked for every snippet each time a template is parsed or checked.
Snippets = Mapping[str, str] | Callable[[str], str | None]

#: The most snippets that one template may use, those of its snippets included.
MAX_SNIPPETS = 50
#: How deeply snippets may render snippets.
MAX_DEPTH = 5
#: How often one rendering may print snippets, all of them together.
MAX_RENDERED = 10_000


class RenderNode(Node):
    """``{% render "slug", name: value %}``. Whoever reads the template sets ``nodes``."""

    __slots__ = ("arguments", "nodes", "slug")

    def __init__(self, token: Token, slug: str, arguments: list[KeywordArgument]) -> None:
        super().__init__(token)
        self.slug = slug
        self.arguments = arguments
        self.nodes: list[Node] = []
        self.blank = False

    def expressions(self) -> Iterable[Expression]:
        return [argument.value for argument in self.arguments]

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        ours: Context = context  # type: ignore[assignment]
        handed = {argument.name: argument.value.evaluate(context) for argument in self.arguments}
        outer = ours.enter_snippet(self.slug, handed, self.token)
        for node in self.nodes:
            ours.token = node.token
            node.render(context, buffer)
        # Not reached after an error, so that the context still knows where it happened.
        ours.leave_snippet(outer, self.token)
        return 1


class RenderTag(Tag):
    name = "render"
    block = False
    node_class = RenderNode

    def parse(self, stream: TokenStream) -> Node:
        token = stream.eat(TOKEN_TAG)
        inner = stream.into_inner(tag=token, eat=False)
        slug = parse_primitive(self.env, inner)
        if not isinstance(slug, StringLiteral):
            raise Refused(
                _('The name of a snippet stands between quotes: {% render "footer" %}.'), slug.token
            )
        if not slug.value.strip():
            raise Refused(_("Here the name of a snippet is missing."), slug.token)
        if inner.current.kind in (TOKEN_FOR, TOKEN_WITH):
            raise Refused(
                _(
                    'Hand a value over by name: {% render "card", item: item %}. '
                    "For each of a list, put that into {% for item in … %}."
                ),
                inner.current,
            )
        return RenderNode(token, slug.value.strip(), KeywordArgument.parse(self.env, inner))


def source_of(snippets: Snippets | None, slug: str) -> str | None:
    """The text of a snippet, or None if there is none of this name."""
    if snippets is None:
        return None
    return snippets.get(slug) if isinstance(snippets, Mapping) else snippets(slug)


def unknown_snippet(snippets: Snippets | None, slug: str) -> str:
    if snippets is None:
        return _("Snippets cannot be used here.")
    known = list(snippets) if isinstance(snippets, Mapping) else []
    near = difflib.get_close_matches(slug[:60], known, 1, 0.5)
    if near:
        return _("There is no snippet “%(slug)s”. Did you mean “%(near)s”?") % {
            "slug": slug[:60],
            "near": near[0],
        }
    return _("There is no snippet “%s”.") % slug[:60]
