"""Reading a template and the snippets that it renders, before anything is rendered."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from django.utils.translation import gettext as _
from liquid import BoundTemplate
from liquid.ast import Node
from liquid.builtin.expressions.filtered import Filter
from liquid.exceptions import LiquidError

from automation.rules import plain
from automation.rules.templating.errors import (
    MAX_PROBLEMS,
    TemplateError,
    reason_of,
    template_error,
    too_complicated,
)
from automation.rules.templating.expressions import harden, inner
from automation.rules.templating.lexer import MAX_SOURCE
from automation.rules.templating.runtime import HTML, TEXT, LockedEnvironment
from automation.rules.templating.snippets import (
    MAX_DEPTH,
    MAX_SNIPPETS,
    RenderNode,
    Snippets,
    source_of,
    unknown_snippet,
)


@dataclass(frozen=True)
class Text:
    """The template itself, whose slug is "", or one of its snippets."""

    slug: str
    source: str
    nodes: list[Node]
    filters: list[Filter]
    renders: list[RenderNode]


@dataclass
class Parsed:
    """A template in parts. Its ``errors`` are those of its snippets: unknown, unreadable, or in
    a circle."""

    environment: LockedEnvironment
    bound: BoundTemplate
    texts: dict[str, Text] = field(default_factory=dict)
    errors: list[TemplateError] = field(default_factory=list)

    @property
    def snippets(self) -> dict[str, str]:
        """The sources of all snippets."""
        return {slug: text.source for slug, text in self.texts.items() if slug}


def parse_tree(
    source: str, *, html: bool = False, snippets: Snippets | None = None, slug: str = ""
) -> Parsed:
    """The parts of ``source``, whose filters may still be unknown. ``slug`` is its name if it
    is itself a snippet. Raises ``TemplateError`` for what is wrong with the source."""
    environment = HTML if html else TEXT
    text = _read(environment, source, "")
    parsed = Parsed(environment, BoundTemplate(environment, text.nodes), {"": text})
    _Snippets(parsed, snippets).attach(text, [slug] if slug else [])
    return parsed


def _read(environment: LockedEnvironment, source: str, slug: str) -> Text:
    try:
        nodes = environment.nodes(plain.text(source))
        return Text(slug, source, nodes, harden(nodes), list(_renders(nodes)))
    except LiquidError as error:
        raise template_error(reason_of(error), error.token, slug) from None
    except RecursionError:
        raise template_error(too_complicated(), None, slug) from None
    except Exception as error:
        reason = _("This cannot be read as a template: %s") % error
        raise template_error(reason, None, slug) from error


def _renders(nodes: Iterable[Node]) -> Iterator[RenderNode]:
    for node in nodes:
        if isinstance(node, RenderNode):
            yield node
        yield from _renders(inner(node))


class _Snippets:
    """The snippets of one template, each read once however often it is rendered."""

    def __init__(self, parsed: Parsed, snippets: Snippets | None) -> None:
        self.parsed = parsed
        self.snippets = snippets
        self.length = len(parsed.texts[""].source)
        #: What is known of each name: how many levels of snippets there are, itself included;
        #: None for one that does not exist.
        self.heights: dict[str, int | None] = {}

    def attach(self, text: Text, chain: list[str]) -> int:
        """Give the tags of ``text``, reached through ``chain``, the nodes of their snippets.
        Returns the levels of snippets below it."""
        height = 0
        for render in text.renders:
            if len(self.parsed.errors) >= MAX_PROBLEMS:
                break
            try:
                height = max(height, self._attach(render, chain))
            except TemplateError as error:
                self.parsed.errors.append(error)
            except _Wrong as wrong:
                self.parsed.errors.append(template_error(wrong.reason, render.token, text.slug))
        return height

    def _attach(self, render: RenderNode, chain: list[str]) -> int:
        slug = render.slug
        if slug in chain:
            circle = [*chain[chain.index(slug) :], slug]
            raise _Wrong(_("A snippet cannot render itself: %s.") % " → ".join(circle))
        if slug not in self.heights:
            self._read(slug, chain)
        height = self.heights[slug]
        if height is None:
            raise _Wrong(unknown_snippet(self.snippets, slug))
        if len(chain) + height > MAX_DEPTH:
            raise _Wrong(
                _("Snippets are nested more than %(depth)d deep: %(chain)s.")
                % {"depth": MAX_DEPTH, "chain": " → ".join([*chain, slug])}
            )
        if slug in self.parsed.texts:  # else it has been told already what is wrong with it
            render.nodes = self.parsed.texts[slug].nodes
        return height

    def _read(self, slug: str, chain: list[str]) -> None:
        if len(self.heights) >= MAX_SNIPPETS:
            raise _Wrong(_("There are more than %d snippets in this template.") % MAX_SNIPPETS)
        source = source_of(self.snippets, slug)
        if source is None:
            self.heights[slug] = None
            return
        self.length += len(source)
        if self.length > MAX_SOURCE:
            raise _Wrong(
                _("With its snippets the template has more than %d characters.") % MAX_SOURCE
            )
        self.heights[slug] = 1
        text = _read(self.parsed.environment, source, slug)
        self.parsed.texts[slug] = text
        self.heights[slug] = 1 + self.attach(text, [*chain, slug])


class _Wrong(Exception):
    """A snippet that cannot be used where it is named."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
