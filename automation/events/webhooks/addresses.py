"""Where a webhook may call: web addresses outside of the network that this site stands in.

A name is looked up once for a call, every address that it has must be a public one, and the call
goes to one of exactly these. So a name that changes its answer in between (DNS rebinding) gains
nothing.
"""

import ipaddress
import re
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.utils.encoding import iri_to_uri
from django.utils.translation import gettext as _

from automation.rules import conf

PORTS = {"http": 80, "https": 443}

#: All IPv6 addresses that are handed out to the public (RFC 4291, 2.4).
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
#: IPv4 addresses as a translator writes them (RFC 6052): the one that is meant counts.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
#: What ``is_global`` takes for public, at least in some versions of Python, and no webhook is at.
_NEVER = [
    ipaddress.ip_network(network)
    for network in (
        "168.63.129.16/32",  # Azure's own services, from within each virtual machine
        "192.0.0.0/24",  # protocols (RFC 6890); Oracle's cloud has its metadata here
        "192.88.99.0/24",  # relays of 6to4, given up (RFC 7526)
        "2001::/23",  # protocols (RFC 2928), Teredo among them
        "3fff::/20",  # documentation (RFC 9637)
    )
]

# Programs do not agree on what these mean in an address.
_AMBIGUOUS = re.compile(r"[\s\x00-\x20\x7f\\]")
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?")


class Refused(Exception):
    """This address is not called; the text says why, and what to do."""


class NotFound(Exception):
    """The name is not known now. It may be later."""


@dataclass(frozen=True)
class Target:
    """A web address, taken apart. ``host`` is in lower case and ASCII, ``path`` has the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        return self._bracketed if self.port == PORTS[self.scheme] else self._with_port

    @property
    def is_opened(self) -> bool:
        """Whether the settings allow it, wherever it is."""
        opened = [host.lower() for host in conf.get().WEBHOOK_INSIDE_HOSTS]
        return self._bracketed in opened or self._with_port in opened

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def _with_port(self) -> str:
        return f"{self._bracketed}:{self.port}"


def read(url: str) -> Target:
    """The parts of ``url``. Raises ``Refused`` for what is not called, as far as that can be told
    without looking up a name: one that is written as a number is told, too."""
    if _AMBIGUOUS.search(url):
        raise Refused(_("Write the address without blanks, line breaks and backslashes."))
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna").decode("ascii"), parts.port
    except ValueError as error:  # also a UnicodeError: a label that no name can have
        raise Refused(
            _("This is not a web address. One looks like https://example.com/hook.")
        ) from error
    if parts.scheme not in PORTS:
        raise Refused(_("Write an address that begins with https:// or http://."))
    if "@" in parts.netloc:
        raise Refused(
            _("Leave out the user and the password: calls are signed, and addresses are shown.")
        )
    if port == 0:
        raise Refused(_("The port must be a number from 1 to 65535."))
    if not _is_host(host):
        raise Refused(_("This is not a web address. One looks like https://example.com/hook."))
    path = iri_to_uri(parts.path or "/") + (f"?{iri_to_uri(parts.query)}" if parts.query else "")
    target = Target(parts.scheme, host, port or PORTS[parts.scheme], path)
    if not target.is_opened:
        _refuse_inside(target, _numeric(target))
    return target


def is_opened_host(written: Any) -> bool:
    """Whether the settings can open a host that is written like this."""
    if not isinstance(written, str):
        return False
    try:
        parts = urlsplit(f"//{written}")
        return parts.netloc == written and _is_host(parts.hostname or "") and parts.port != 0
    except ValueError:
        return False


def look_up(target: Target) -> list[str]:
    """The addresses to call for ``target``, in the order in which to try them, within
    ``WEBHOOK_SECONDS``. Raises ``Refused`` if any of them is not public, and ``NotFound`` if there
    is none."""
    seconds = conf.get().WEBHOOK_SECONDS
    try:
        found = _in_time(lambda: _addresses(target, 0), seconds)
    except TimeoutError as error:
        raise NotFound(
            _("Where “%(host)s” is could not be found out within %(seconds)g seconds.")
            % {"host": target.host, "seconds": seconds}
        ) from error
    except OSError as error:
        raise NotFound(
            _("There is no host “%s”. Check how it is written.") % target.host
        ) from error
    if not target.is_opened:
        _refuse_inside(target, found)
    return found


def is_public(address: str) -> bool:
    """Whether everybody means the same host by ``address``, and it is not one for a group."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        wrapped = _wrapped(ip)
        if wrapped is not None:
            return is_public(str(wrapped))
        if ip not in _GLOBAL_UNICAST:
            return False
    if any(ip in network for network in _NEVER):
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _wrapped(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a packet to ``ip`` ends at, if it is one in disguise."""
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


def _is_host(host: str) -> bool:
    if ":" not in host:
        return _NAME.fullmatch(host) is not None
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return "%" not in host


def _numeric(target: Target) -> list[str]:
    """The address that a host is, in any spelling that the system understands (127.1,
    0x7f000001); none for a name."""
    try:
        return _addresses(target, socket.AI_NUMERICHOST)
    except OSError:
        return []


def _addresses(target: Target, flags: int) -> list[str]:
    found = socket.getaddrinfo(
        target.host, target.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=flags
    )
    return list(dict.fromkeys(str(place[0]) for *_kind, place in found))


def _in_time(look: Callable[[], list[str]], seconds: float) -> list[str]:
    """What ``look`` finds. The system's own look-up knows no end: if it takes longer than
    ``seconds`` it is left to itself, and this raises ``TimeoutError``."""
    looking: Future[list[str]] = Future()

    def run() -> None:
        try:
            looking.set_result(look())
        except Exception as error:
            looking.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return looking.result(seconds)


def _refuse_inside(target: Target, addresses: list[str]) -> None:
    inside = [address for address in addresses if not is_public(address)]
    if not inside:
        return
    raise Refused(
        _(
            "“%(host)s” leads to %(address)s, an address inside of a network. Calls only go to "
            "public addresses. A developer can open this host with the setting "
            "WEBHOOK_INSIDE_HOSTS."
        )
        % {"host": target.host, "address": inside[0]}
    )
