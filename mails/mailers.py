"""The e-mail accounts that messages can go out by: Django's ``MAILERS``, and what is ours of each.

``MAILERS`` has the shape that Django 6.1 gives it. Without one there is a single account,
"default": Django's ``EMAIL_BACKEND`` and the rest of ``EMAIL_*``.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.mail import get_connection
from django.core.mail.backends import smtp
from django.utils.crypto import salted_hmac
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from automation.rules import conf

DEFAULT = "default"

#: The keys of an account in ``AUTOMATION["ACCOUNTS"]``.
KEYS = ("LABEL", "FROM", "RATE", "DOMAIN_RATE", "DOMAINS", "FALLBACK")

# What an SMTP account has that says nothing: never what EMAIL_* says, which is another account's.
_SMTP = {
    "host": "localhost", "port": 25, "username": "", "password": "", "use_tls": False,
    "use_ssl": False,
}  # fmt: skip


@dataclass(frozen=True)
class Mailer:
    """An account. Rates are in messages a second, ``None`` without a limit; ``domains`` are
    rates for the addresses of a domain, ``domain_rate`` is that of all others."""

    name: str
    label: str = ""
    from_email: str = ""
    rate: float | None = None
    domain_rate: float | None = None
    domains: Mapping[str, float] = field(default_factory=dict)
    fallback: str = ""

    def __str__(self) -> str:
        if self.label:
            return self.label
        return _("E-mail") if self.name == DEFAULT else self.name

    @property
    def sender(self) -> str:
        """Whom mails are from that do not say so themselves."""
        return self.from_email or settings.DEFAULT_FROM_EMAIL

    @property
    def fingerprint(self) -> str:
        """Other if its settings are: a keyed hash, from which nobody gets a password."""
        names = [name for name in dir(settings) if name.startswith("EMAIL_")]
        given = {name: getattr(settings, name) for name in [*names, "DEFAULT_FROM_EMAIL"]}
        given["ANYMAIL"] = getattr(settings, "ANYMAIL", None)
        own = [self.name, given, _configured().get(self.name), self.from_email]
        # Of what is no plain value only the class: its name may be another in each process.
        text = json.dumps(own, sort_keys=True, default=lambda value: type(value).__qualname__)
        return salted_hmac("mails.account", text, algorithm="sha256").hexdigest()[:16]

    def rate_of(self, domain: str) -> float | None:
        return self.domains.get(domain, self.domain_rate)

    def connection(self) -> Any:
        """A new mail backend. Raises ``ImproperlyConfigured`` or ``ImportError`` if there is
        none such."""
        configured = _configured().get(self.name)
        if configured is None:
            return get_connection()
        backend = import_string(configured.get("BACKEND", settings.EMAIL_BACKEND))
        options = dict(configured.get("OPTIONS", {}))
        if isinstance(backend, type) and issubclass(backend, smtp.EmailBackend):
            options = {**_SMTP, "timeout": settings.EMAIL_TIMEOUT, **options}
        return backend(**options)


def names() -> list[str]:
    """The names of all accounts, the default one first."""
    return list(dict.fromkeys([DEFAULT, *_configured()]))


def mailer(name: str) -> Mailer | None:
    """The account of this name, None if there is none. An empty name is the default one."""
    name = name or DEFAULT
    if name not in names():
        return None
    ours = conf.get().ACCOUNTS.get(name, {})
    return Mailer(
        name=name,
        label=str(ours.get("LABEL", "")),
        from_email=ours.get("FROM", ""),
        rate=ours.get("RATE"),
        domain_rate=ours.get("DOMAIN_RATE"),
        domains={domain.lower(): rate for domain, rate in ours.get("DOMAINS", {}).items()},
        fallback=ours.get("FALLBACK", ""),
    )


def backend_of(name: str) -> str:
    """The path of the class that sends the mails of the account of this name."""
    return str(_configured().get(name, {}).get("BACKEND", settings.EMAIL_BACKEND))


def mailers() -> list[Mailer]:
    return [found for found in map(mailer, names()) if found is not None]


def patience() -> float:
    """For how long a server may take over an answer, of all accounts, in seconds."""
    given = [each.get("OPTIONS", {}).get("timeout") for each in _configured().values()]
    return max(settings.EMAIL_TIMEOUT or 60, *(each for each in given if each), 0)


def ways(name: str) -> Iterator[Mailer]:
    """The account of this name, its fallback, the fallback of that, each once."""
    seen: set[str] = set()
    found = mailer(name)
    while found is not None and found.name not in seen:
        seen.add(found.name)
        yield found
        found = mailer(found.fallback) if found.fallback else None


def problem_of_setting() -> str:
    """What is wrong with ``MAILERS`` as a whole; empty if nothing is."""
    given = getattr(settings, "MAILERS", None) or {}
    return "" if isinstance(given, Mapping) else "MAILERS must be a dict of accounts by name."


def problems() -> Iterator[tuple[str, str]]:
    """What is wrong with the configuration: (id of the check, what)."""
    known = names()
    for name, given in _configured().items():
        if not isinstance(given, Mapping) or set(given) - {"BACKEND", "OPTIONS"}:
            yield "E005", f"MAILERS['{name}'] must be a dict with 'BACKEND' and 'OPTIONS'."
    for name, ours in conf.get().ACCOUNTS.items():
        where = f"AUTOMATION['ACCOUNTS']['{name}']"
        if name not in known:
            yield "E006", f"{where}: there is no such account in MAILERS."
        for key in sorted(set(ours) - set(KEYS)):
            yield "E007", f"{where} has an unknown key '{key}'. Known are: {', '.join(KEYS)}."
        rates = {key: ours.get(key) for key in ("RATE", "DOMAIN_RATE")}
        rates |= {f"DOMAINS['{domain}']": rate for domain, rate in ours.get("DOMAINS", {}).items()}
        for key, rate in rates.items():
            if rate is not None and not (isinstance(rate, int | float) and rate > 0):
                yield "E008", f"{where}: {key} must be a number above 0."
        fallback = ours.get("FALLBACK")
        if fallback and fallback not in known:
            yield "E009", f"{where}: FALLBACK names '{fallback}', which is no account."
        elif fallback and _comes_back(name):
            yield "E009", f"{where}: FALLBACK leads back to where it began."


def _comes_back(name: str) -> bool:
    """Whether the fallbacks of an account lead to itself."""
    accounts, seen = conf.get().ACCOUNTS, set()
    follow = accounts.get(name, {}).get("FALLBACK")
    while follow and follow not in seen:
        if follow == name:
            return True
        seen.add(follow)
        follow = accounts.get(follow, {}).get("FALLBACK")
    return False


def _configured() -> Mapping[str, Any]:
    return getattr(settings, "MAILERS", None) or {}
