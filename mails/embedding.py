"""Own pictures in the HTML of a mail: what the editor wrote becomes what a mailbox understands.

The editor writes the address under which colleagues see a picture in the admin. Recipients
cannot open that: their message brings the picture along (``cid:``), or, if the site's own
address is known, links to it.
"""

import base64
import re
from collections.abc import Callable

from django.urls import get_script_prefix, reverse

from automation.rules import conf

#: The name of a picture's file: its digest, and its format.
FILE_NAME = r"[0-9a-f]{64}\.(?:png|jpg|gif)"

#: What every address of a picture in the admin has in it, wherever the admin is.
MARK = "mails/picture/file/"

# No "=" before the mark: a page full of "src=" would be read again from each of them.
_WRITTEN = re.compile(
    rf"""(\b(?i:src)\s{{0,9}}=\s{{0,9}}["']?)[^"'<>=\s]*?{MARK}({FILE_NAME})(?=["'\s>])"""
)
_EMBEDDED = re.compile(r"""(\bsrc=")cid:([A-Za-z0-9_-]{43})\.(png|jpg|gif)@flint(?=")""")


def embedded(html: str) -> tuple[str, list[str]]:
    """``html`` with its own pictures as recipients can see them, and their file names."""
    if MARK not in html:
        return html, []
    names: dict[str, None] = {}
    site = conf.get().SITE_URL

    def turned(found: re.Match[str]) -> str:
        names[found[2]] = None
        return f"{found[1]}{public_url(site, found[2]) if site else f'cid:{content_id(found[2])}'}"

    return _WRITTEN.sub(turned, html), list(names)


def written(html: str) -> list[str]:
    """The file names of the own pictures in ``html``, a template."""
    return list(dict.fromkeys(found[2] for found in _WRITTEN.finditer(html)))


def content_id(file_name: str) -> str:
    """What a picture is called inside a message (RFC 2392), without the ``<>``: short enough
    for a header of one line."""
    digest, _dot, suffix = file_name.partition(".")
    short = base64.urlsafe_b64encode(bytes.fromhex(digest)).decode().rstrip("=")
    return f"{short}.{suffix}@flint"


def attached(html: str) -> list[str]:
    """The file names of the pictures that a rendered mail wants to have with it, each once."""
    if "cid:" not in html:
        return []
    return list(dict.fromkeys(_file_name(found) for found in _EMBEDDED.finditer(html)))


def shown(html: str, address: Callable[[str], str]) -> str:
    """A rendered mail with the pictures that come along taken from ``address(file_name)``."""
    return _EMBEDDED.sub(lambda found: f"{found[1]}{address(_file_name(found))}", html)


def _file_name(found: re.Match[str]) -> str:
    return f"{base64.urlsafe_b64decode(f'{found[2]}=').hex()}.{found[3]}"


def public_url(site: str, file_name: str) -> str:
    """Where recipients get a picture, if the site is at ``site``."""
    path = reverse("mails:picture", args=[file_name])
    # The cluster does not know under which prefix a server runs the site; ``site`` has it.
    return f"{site.rstrip('/')}/{path.removeprefix(get_script_prefix())}"
