"""Who was erased: a keyed hash of each address, by which it is known again and cannot be read.

The hash is an HMAC-SHA256 with a key made of ``SECRET_KEY``; what was hashed with one of the
``SECRET_KEY_FALLBACKS`` is still known.
"""

import datetime
import hashlib
import hmac
import html
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from urllib.parse import quote

from django.conf import settings
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.events.erasing import under_way
from automation.events.event import ADDRESS_LENGTH, Event, stored_key
from automation.rules import plain

SALT = "automation.events.erased"

# What an address may be made of, for one that stands somewhere in a text: what comes directly
# before or after it would make it another one.
_ADDRESS = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)*")
_BEFORE = r"(?:(?<=%[0-9A-Fa-f]{2})|(?<![\w.+%-]))"
_AFTER = r"(?![\w-]|\.\w)"

# Values in one query.
_AT_A_TIME = 500

# Up to so many are read at once instead of being asked for.
_FEW = 300


class ErasedAddress(models.Model):
    """Somebody who is not to be written to any more, until a person allows it again. The row
    stays even then: keys of events that had the address in them are told by it."""

    digest = models.CharField(max_length=64, unique=True, editable=False)
    erased_at = models.DateTimeField(gettext_lazy("erased at"))
    allowed_at = models.DateTimeField(gettext_lazy("allowed again at"), null=True)

    class Meta:
        verbose_name = gettext_lazy("erased person")
        verbose_name_plural = gettext_lazy("erased people")
        default_permissions = ()

    def __str__(self) -> str:
        return self.pseudonym

    @property
    def pseudonym(self) -> str:
        """What stands where the address stood."""
        return f"erased-{self.digest[:24]}"

    @classmethod
    def of(cls, address: str) -> "ErasedAddress | None":
        return cls.objects.filter(digest__in=digests(address)).first()

    @classmethod
    def remember(cls, address: str, now: datetime.datetime) -> "ErasedAddress":
        """Let nothing be sent to ``address`` from ``now`` (aware) on. Idempotent."""
        found = cls.of(address)
        if found is None:
            found, _new = cls.objects.get_or_create(
                digest=digests(address)[0], defaults={"erased_at": now}
            )
        if found.allowed_at is not None:
            found.erased_at, found.allowed_at = now, None
            found.save(update_fields=["erased_at", "allowed_at"])
        return found

    @classmethod
    def allow(cls, address: str, now: datetime.datetime) -> "ErasedAddress | None":
        """Let ``address`` be written to again. None if it was not erased."""
        found = cls.of(address)
        if found is None or found.allowed_at is not None:
            return None
        found.allowed_at = now
        found.save(update_fields=["allowed_at"])
        return found


class Erased:
    """Who was erased, for one batch: asks the database once, for many only if they are many.
    ``address in erased`` is whether nothing may be sent there."""

    def __init__(self, addresses: Iterable[str] = ()) -> None:
        self._found: dict[str, ErasedAddress | None] = {}
        #: Everybody, by digest; None if they are too many.
        self._everybody: dict[str, ErasedAddress] | None = None
        self._is_asked = False
        self.look_up(addresses)

    def __contains__(self, address: object) -> bool:
        found = self.person(str(address))
        return found is not None and found.allowed_at is None

    def person(self, address: str) -> ErasedAddress | None:
        """Who was erased under this address, also if they may be written to again."""
        self.look_up([address])
        return self._found.get(normalised(address))

    @property
    def is_empty(self) -> bool:
        """Whether none of the addresses that were looked up belongs to anybody erased."""
        return not any(self._found.values())

    def look_up(self, addresses: Iterable[str]) -> None:
        """Ask for all of ``addresses`` that are not known yet."""
        new = {normalised(address) for address in addresses if address} - self._found.keys()
        if not new:
            return
        if not self._is_asked:
            self._ask()
        self._found |= dict.fromkeys(new)
        if self._everybody == {}:
            return
        by_digest = {digest: address for address in new for digest in digests(address)}
        known = self._everybody if self._everybody is not None else _those_of(list(by_digest))
        for digest in by_digest.keys() & known.keys():
            self._found[by_digest[digest]] = known[digest]

    def _ask(self) -> None:
        self._is_asked = True
        few = list(ErasedAddress.objects.values_list("digest", "allowed_at")[: _FEW + 1])
        if len(few) <= _FEW:
            self._everybody = {
                digest: ErasedAddress(digest=digest, allowed_at=at) for digest, at in few
            }


def _those_of(hashes: list[str]) -> dict[str, ErasedAddress]:
    found: dict[str, ErasedAddress] = {}
    for start in range(0, len(hashes), _AT_A_TIME):
        some = ErasedAddress.objects.filter(digest__in=hashes[start : start + _AT_A_TIME])
        found |= {person.digest: person for person in some}
    return found


def is_erased(addresses: Iterable[str]) -> set[str]:
    """Those of ``addresses`` to which nothing may be sent."""
    asked = list(addresses)
    erased = Erased(asked)
    return {address for address in asked if address in erased}


def screened(events: Sequence[Event]) -> tuple[list[Event], dict[str, Event]]:
    """``events`` as they may be recorded, and those about somebody who was erased as they came,
    by the key under which they are recorded. One query, if nobody ever was erased; to be asked
    in the transaction that records them, for whose end erasing waits."""
    addresses = [found for event in events for found in _addresses_of(event)]
    if not addresses:
        return list(events), {}
    under_way.hold()
    erased = Erased(addresses)
    if erased.is_empty:
        return list(events), {}
    screened_events, about = [], {}
    for event in events:
        stored = event
        for address in _addresses_of(event):
            if person := erased.person(address):
                stored = _without(stored, address, person.pseudonym)
        if event.recipient in erased:
            nobody = dict.fromkeys(("recipient", "language", "time_zone", "subject", "text"), "")
            stored = stored.replaced(**nobody, context={})
            about[stored.key] = event
        screened_events.append(stored)
    return screened_events, about


def _addresses_of(event: Event) -> list[str]:
    in_key = _ADDRESS.findall(event.key) if "@" in event.key else []
    return [event.recipient, *in_key] if event.recipient else in_key


def _without(event: Event, address: str, pseudonym: str) -> Event:
    return event.replaced(
        key=stored_key(occurrences(address).sub(pseudonym, event.key)),
        row_pk=occurrences(address).sub(pseudonym, event.row_pk),
    )


# Addresses ----------------------------------------------------------------------------------


def normalised(address: str) -> str:
    """One form of all the ways in which people write the same address."""
    if address.isascii():
        return address.strip().lower()
    text = unicodedata.normalize("NFC", plain.text(address).strip()).casefold()
    name, at, domain = text.rpartition("@")
    return f"{name}{at}{_ascii(domain)}"


def problem_of(address: str) -> str:
    """Why nobody can be erased by ``address``; empty if somebody can. It need not be one that
    mails can be sent to."""
    if len(address) <= ADDRESS_LENGTH and re.fullmatch(r"\s*[^\s@]+@[^\s@]+\s*", address):
        return ""
    return _("“%(address)s” is not a mail address.") % {"address": address[:ADDRESS_LENGTH]}


def digests(address: str) -> list[str]:
    """The keyed hash of ``address`` with each secret key, the one in force first: what Django's
    ``salted_hmac`` gives, several times as fast."""
    text = normalised(address).encode()
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return [hmac.digest(_key(key), text, "sha256").hex() for key in keys]


@lru_cache(maxsize=10)
def _key(secret: str) -> bytes:
    return hashlib.sha256(f"{SALT}{secret}".encode()).digest()


@lru_cache(maxsize=1_000)
def spellings(address: str) -> tuple[str, ...]:
    """How ``address`` may stand in texts: as it is, in a link, in HTML, its domain in either
    way of writing it. The case of letters is another matter."""
    given = plain.text(address).strip()
    name, at, domain = given.rpartition("@")
    plainly = [
        given,
        normalised(given),
        f"{name}{at}{_ascii(domain)}",
        f"{name}{at}{_read(domain)}",
    ]
    found = dict.fromkeys(plainly)
    found |= dict.fromkeys(quote(each, safe="") for each in plainly)
    found |= dict.fromkeys(quote(each, safe="+'") for each in plainly)
    found |= dict.fromkeys(html.escape(each) for each in plainly)
    return tuple(sorted(found, key=len, reverse=True))


@lru_cache(maxsize=1_000)
def occurrences(address: str) -> re.Pattern[str]:
    """What finds ``address`` in a text, and not in addresses that only end or begin as it."""
    ways = "|".join(map(re.escape, spellings(address)))
    return re.compile(f"{_BEFORE}(?:{ways}){_AFTER}", re.IGNORECASE)


def _ascii(domain: str) -> str:
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        return domain


def _read(domain: str) -> str:
    try:
        return domain.encode("ascii").decode("idna")
    except UnicodeError:
        return domain
