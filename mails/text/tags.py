"""What is written in a tag."""

import re
from html import unescape

_ATTRIBUTE = re.compile(r'([a-z-]+)\s*=\s*(?:"([^"]*)"|\'([^\']*)\')')
_MAY_HIDE = re.compile(r"display|visibility|font-size|max-height")
_ZERO = re.compile(r"0[.0]*[a-z%]*")


def attributes_of(written: str) -> dict[str, str]:
    return {
        name: unescape(double or single) for name, double, single in _ATTRIBUTE.findall(written)
    }


def is_hidden(attributes: str) -> bool:
    if not _MAY_HIDE.search(attributes):
        return False
    style: dict[str, str] = {}
    for declaration in attributes_of(attributes).get("style", "").lower().split(";"):
        name, _colon, value = declaration.partition(":")
        style[name.strip()] = value.partition("!")[0].strip()
    return (
        style.get("display") == "none"
        or style.get("visibility") == "hidden"
        or _ZERO.fullmatch(style.get("font-size", "")) is not None
        or (
            style.get("overflow") == "hidden"
            and _ZERO.fullmatch(style.get("max-height", "")) is not None
        )
    )


def number_of(written: str, otherwise: int) -> int:
    return int(written) if written.isdecimal() and len(written) < 6 else otherwise
