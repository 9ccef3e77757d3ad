"""Addresses as editors write them: one or several, with or without a name."""

import re
from dataclasses import dataclass
from email.utils import quote

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

_NOT_IN_A_HEADER = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# What RFC 5322 wants to be quoted in a name.
_SPECIAL = re.compile(r"""[()<>@,:;".\[\]\\]""")
# Outside of quotation marks: `"Lee, Ann" <ann@example.com>` is one address.
_SEPARATOR = re.compile(r"""[,;\r\n](?=(?:[^"]*"[^"]*")*[^"]*$)""")


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


def read(text: str) -> tuple[list[Address], list[str]]:
    """The addresses in ``text``, each once whatever its case, and what of it is none. Commas,
    semicolons and line breaks are between them."""
    found: dict[str, Address] = {}
    wrong: list[str] = []
    for written in filter(None, map(str.strip, _SEPARATOR.split(text))):
        address = _one(written)
        if error(address.address):
            wrong.append(written)
        else:
            found.setdefault(address.address.casefold(), address)
    return list(found.values()), list(dict.fromkeys(wrong))


def _one(written: str) -> Address:
    """``Ann Lee <ann@example.com>`` or only the address."""
    written = _NOT_IN_A_HEADER.sub(" ", written).strip()
    if not written.endswith(">"):
        return Address(written)
    name, _bracket, address = written.removesuffix(">").rpartition("<")
    return Address(address.strip(), name.strip().strip('"').replace('\\"', '"'))


def error(address: str) -> str:
    """Why a mail cannot be sent to ``address``; empty if it can."""
    if not address:
        return _("There is no address.")
    try:
        validate_email(address)
    except ValidationError:
        return _("“%(address)s” is not a mail address.") % {"address": address}
    return ""
