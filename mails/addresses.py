"""Addresses as editors write them: one or several, with or without a name."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.utils import quote
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

_NOT_IN_A_HEADER = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# What RFC 5322 wants to be quoted in a name.
_SPECIAL = re.compile(r"""[()<>@,:;".\[\]\\]""")
# What could end a name early.
_NOT_IN_A_NAME = re.compile(r"""["<>\\]+""")
# Tags, which are skipped as they are; what is escaped; quotation marks; separators. What is not
# closed goes on to the end, so that nothing is read twice.
_SIGNS = re.compile(r"""\{\{(?:.*?\}\}|.*)|\{%(?:.*?%\}|.*)|\\.|["]|[,;\r\n]""", re.DOTALL)


@dataclass(frozen=True)
class Address:
    """A mail address, and the name of whom it belongs to, if one was given."""

    address: str
    name: str = ""

    def __str__(self) -> str:
        """As people write it; Django encodes it for a header."""
        if not self.name:
            return self.address
        name = f'"{quote(self.name)}"' if _SPECIAL.search(self.name) else self.name
        return f"{name} <{self.address}>"


def of_user(user: Any) -> str:
    """The address of a user, by whatever field a project's users have it in; empty if none."""
    find = getattr(user, "get_email_field_name", lambda: "email")
    return str(getattr(user, find(), "") or "")


def read(text: str) -> tuple[list[Address], list[str]]:
    """The addresses in ``text``, each once whatever its case, and what of it is none. Commas,
    semicolons and line breaks are between them."""
    return read_each(split(text))


def read_each(pieces: Iterable[str]) -> tuple[list[Address], list[str]]:
    """The same of ``pieces``, each of which is one address and never several, whatever is in
    it: a name that a stranger chose must not add an address."""
    found: dict[str, Address] = {}
    wrong: list[str] = []
    for piece in pieces:
        written = _NOT_IN_A_HEADER.sub(" ", piece).strip()
        if not written:
            continue
        address = _one(written)
        if error(address.address):
            wrong.append(written)
        else:
            found.setdefault(address.address.casefold(), address)
    return list(found.values()), list(dict.fromkeys(wrong))


def split(template: str) -> list[str]:
    """``template`` cut where one address ends and the next begins, which is outside of tags and
    of quotation marks: ``"Lee, Ann" <ann@example.com>`` is one address."""
    pieces, start = [], 0
    for end in _separators(template):
        pieces.append(template[start:end])
        start = end + 1
    return [*pieces, template[start:]]


def _separators(template: str) -> Iterator[int]:
    signs = list(_SIGNS.finditer(template))
    quotes = sum(sign[0] == '"' for sign in signs)
    seen = 0
    for sign in signs:
        if sign[0] == '"':
            seen += 1
        # One that is never closed quotes nothing.
        elif sign[0] in ",;\r\n" and (seen % 2 == 0 or seen == quotes):
            yield sign.start()


def _one(written: str) -> Address:
    """``Ann Lee <ann@example.com>`` or only the address. What stands in the last brackets is
    the address."""
    if not written.endswith(">"):
        return Address(written)
    name, _bracket, address = written.removesuffix(">").rpartition("<")
    return Address(address.strip(), " ".join(_NOT_IN_A_NAME.sub(" ", name).split()))


def error(address: str) -> str:
    """Why a mail cannot be sent to ``address``; empty if it can."""
    if not address:
        return _("There is no address.")
    try:
        validate_email(address)
    except ValidationError:
        return _("“%(address)s” is not a mail address.") % {"address": address}
    return ""
