"""An e-mail put together from its parts, and written out fast."""

import io
import secrets
from collections.abc import Sequence
from email.generator import BytesGenerator
from email.message import Message as Part
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from functools import cached_property, partial
from typing import Any

from django.core.mail import EmailMultiAlternatives


class EncodedPart(MIMEBase):
    """A file as a part: ``encoded`` is its base64, in lines."""

    def __init__(self, content_type: str, encoded: str) -> None:
        main, _slash, sub = content_type.partition("/")
        super().__init__(main, sub)
        self.set_payload(encoded)
        self["Content-Transfer-Encoding"] = "base64"


class Email(EmailMultiAlternatives):
    """An e-mail with files. What is attached with a Content-ID is shown in the HTML and stands
    together with it (``multipart/related``, RFC 2387). Other mail backends than SMTP find all
    files in ``attachments``."""

    def message(self, *args: Any, **options: Any) -> Any:
        """What was looked at is what is sent: it is made once."""
        return self._made

    @cached_property
    def _made(self) -> Any:
        everything: list[Any] = self.attachments
        shown = [part for part in everything if isinstance(part, MIMEBase) and part["Content-ID"]]
        self.attachments = [part for part in everything if part not in shown]
        try:
            message: Any = super().message()
        finally:
            self.attachments = everything
        if shown:
            _relate(message, shown)
        for part in message.walk():
            if part.is_multipart():
                # Without one, all that is inside is searched for one that is not in it.
                part.set_boundary(f"=_{secrets.token_hex(16)}")
        message.as_bytes = partial(_as_bytes, message)
        return message


def _relate(message: Part, shown: Sequence[MIMEBase]) -> None:
    """Put the HTML of ``message`` together with what is shown in it, where the HTML stood."""
    for part in message.walk():
        inside: Any = part.get_payload() if part.is_multipart() else ()
        for position, html in enumerate(inside):
            if html.get_content_type() == "text/html" and html.get_filename() is None:
                inside[position] = MIMEMultipart("related", _subparts=[html, *shown])
                inside[position].set_param("type", "text/html")
                return


# Python's generator writes line by line, and a file has many: of a picture of 300 kB it took
# 9 ms for each message.
class _Generator(BytesGenerator):
    _fp: io.BytesIO
    _NL: str

    def _handle_text(self, part: Part) -> None:
        if isinstance(part, EncodedPart):
            lines: Any = part.get_payload()
            self._fp.write(lines.replace("\n", self._NL).encode("ascii"))
        else:
            super()._handle_text(part)  # type: ignore[misc]

    _writeBody = _handle_text


def _as_bytes(message: Part, unixfrom: bool = False, linesep: str = "\n") -> bytes:
    written = io.BytesIO()
    # As Django does it: a line that begins with "From " is one.
    _Generator(written, mangle_from_=False).flatten(message, unixfrom=unixfrom, linesep=linesep)
    return written.getvalue()
