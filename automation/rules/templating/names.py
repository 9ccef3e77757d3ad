"""How variables are named: in a template, in messages, and by mistake."""

import difflib
import html
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from automation.rules.templating.lexer import KEYWORDS

_WORD = re.compile(r"[^\W\d]\w*")


def written(path: Sequence[str]) -> str:
    """The Liquid for the variable at ``path``: ``order.total``, ``order['due date']``. "" if it has
    a name that Liquid cannot write, such as one with both kinds of quotes."""
    parts = [_part(name, first=not depth) for depth, name in enumerate(path)]
    return "".join(parts) if all(parts) else ""


def _part(name: str, first: bool) -> str:
    if _WORD.fullmatch(name) and not (first and name in KEYWORDS):
        return name if first else f".{name}"
    ends_early = "}}" in name or "%}" in name
    # A rich editor's entities are resolved between braces, also where they are part of a name.
    if ends_early or not name or html.unescape(name).replace("\xa0", " ") != name:
        return ""
    quote = next((quote for quote in "'\"" if quote not in name), "")
    return f"[{quote}{name}{quote}]" if quote else ""


def dotted(path: Sequence[Any]) -> str:
    """``path`` as messages show it, which is as Liquid writes it where it can."""
    return "".join(
        _part(part, not depth) or f".{part}" if isinstance(part, str) else f"[{part}]"
        for depth, part in enumerate(path)
    ).removeprefix(".")


def unknown_variable(path: Sequence[Any], depth: int, known: Any, roots: Mapping[str, Any]) -> str:
    """What to say about ``path``, which has no ``path[depth]`` in ``known``, what is there.
    ``roots`` are the names that a path can start with."""
    before, part = dotted(path[:depth]), path[depth]
    if depth and isinstance(known, list):
        return _(
            "“%(name)s” is a list, there is no “%(part)s” in it. "
            "Go through it: {%% for item in %(name)s %%}."
        ) % {"name": before, "part": part}
    if depth and not isinstance(known, Mapping):
        return _("“%(name)s” is a single value, there is no “%(part)s” in it.") % {
            "name": before,
            "part": part,
        }
    if near := _nearest(path, depth, known, roots):
        return _("“%(name)s” is not known here. Did you mean “%(near)s”?") % {
            "name": dotted(path),
            "near": near,
        }
    names = [dotted([*path[:depth], name]) for name in [*known][:12]]
    return _("“%(name)s” is not known here. Known are: %(names)s.") % {
        "name": dotted(path[: depth + 1]),
        "names": ", ".join(names) or "–",
    }


def _nearest(path: Sequence[Any], depth: int, known: Any, roots: Mapping[str, Any]) -> str:
    """The real name that was probably meant: the closest at each step, else a name that
    ends alike, else one that looks alike."""
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
        return dotted(found)
    names = [] if depth else list(_all_names(roots))
    alike = [name for name in names if name.endswith(f".{path[-1]}")]
    return next(iter(alike or difflib.get_close_matches(dotted(path), names, 1, 0.7)), "")


def _all_names(shape: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for name, below in shape.items():
        yield f"{before}{name}"
        if isinstance(below, Mapping) and name not in ("forloop", "tablerowloop"):
            yield from _all_names(below, f"{before}{name}.")
