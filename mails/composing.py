"""An e-mail put together from its parts, and written out fast.

What is written is what Python's ``email`` package writes, byte by byte. It takes nearly all of its
time for cases that no mail of ours has, so the usual ones are written here and all others there.
"""

import io
import secrets
from collections.abc import Iterator, Sequence
from email.generator import BytesGenerator
from email.message import Message as Part
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.utils import formatdate
from functools import cached_property, partial
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, SafeMIMEText
from django.core.mail.message import RFC5322_EMAIL_LINE_LENGTH_LIMIT as MAX_LINE

# The longest line of a header; what is longer is folded.
_MAX_HEADER_LINE = 78


class EncodedPart(MIMEBase):
    """A file as a part: ``encoded`` is its base64, in lines."""

    def __init__(self, content_type: str, encoded: str) -> None:
        main, _slash, sub = content_type.partition("/")
        super().__init__(main, sub)
        self.set_payload(encoded)
        self["Content-Transfer-Encoding"] = "base64"


class TextPart(SafeMIMEText):
    """Django's part for a text that needs no encoding of its own, ``written`` in UTF-8: made
    without a look at each of its lines."""

    def __init__(self, subtype: str, written: bytes) -> None:
        self.encoding = "utf-8"
        MIMENonMultipart.__init__(self, "text", subtype, charset=self.encoding)
        self["Content-Transfer-Encoding"] = "7bit" if written.isascii() else "8bit"
        self.set_payload(written.decode("ascii", "surrogateescape"))


class Email(EmailMultiAlternatives):
    """An e-mail with files and a Message-ID of ours among its ``headers``. What is attached
    with a Content-ID is shown in the HTML and stands together with it (``multipart/related``,
    RFC 2387). Other mail backends than SMTP find all files in ``attachments``."""

    def message(self, *args: Any, **options: Any) -> Any:
        """What was looked at is what is sent: it is made once."""
        return self._made

    @cached_property
    def _made(self) -> Any:
        everything: list[Any] = self.attachments
        shown = [part for part in everything if isinstance(part, MIMEBase) and part["Content-ID"]]
        self.attachments = [part for part in everything if part not in shown]
        try:
            body = self._create_mime_attachment(self.body, "text/plain")
            message: Any = self._create_message(body)  # type: ignore[attr-defined]
        finally:
            self.attachments = everything
        if shown:
            _relate(message, shown)
        for part in message.walk():
            if part.is_multipart():
                # Without one, all that is inside is searched for one that is not in it.
                part.set_boundary(f"=_{secrets.token_hex(16)}")
        for name, value in self._headers():
            message[name] = value
        message.as_bytes = partial(_as_bytes, message)
        return message

    def _headers(self) -> Iterator[tuple[str, Any]]:
        """In the order in which Django writes them."""
        yield "Subject", self.subject
        yield "From", self.from_email
        for name, addresses in (("To", self.to), ("Cc", self.cc), ("Reply-To", self.reply_to)):
            if addresses:
                yield name, ", ".join(map(str, addresses))
        yield "Date", formatdate(localtime=settings.EMAIL_USE_LOCALTIME)
        yield from self.extra_headers.items()

    def _create_mime_attachment(self, content: Any, mimetype: str) -> Any:
        main, _slash, sub = mimetype.partition("/")
        if main == "text" and (written := _usual(content)) is not None:
            return TextPart(sub, written)
        return super()._create_mime_attachment(content, mimetype)  # type: ignore[misc]


def _usual(text: str) -> bytes | None:
    """``text`` as it is written, if a mail can have it without any encoding of its own."""
    try:
        written = text.encode()
    except UnicodeEncodeError:
        return None
    if b"\r" in written or max(map(len, written.split(b"\n"))) > MAX_LINE:
        return None
    return written


def _relate(message: Part, shown: Sequence[MIMEBase]) -> None:
    """Put the HTML of ``message`` together with what is shown in it, where the HTML stood."""
    for part in message.walk():
        inside: Any = part.get_payload() if part.is_multipart() else ()
        for position, html in enumerate(inside):
            if html.get_content_type() == "text/html" and html.get_filename() is None:
                inside[position] = MIMEMultipart("related", _subparts=[html, *shown])
                inside[position].set_param("type", "text/html")
                return


class _Generator(BytesGenerator):
    _fp: io.BytesIO
    _NL: str

    # Python's generator writes line by line, and a file has many: of a picture of 300 kB it took
    # 9 ms for each message.
    def _handle_text(self, part: Part) -> None:
        if isinstance(part, EncodedPart | TextPart):
            lines: str = part._payload  # type: ignore[union-attr]
            self._fp.write(lines.replace("\n", self._NL).encode("ascii", "surrogateescape"))
        else:
            super()._handle_text(part)  # type: ignore[misc]

    _writeBody = _handle_text

    def _write_headers(self, part: Part) -> None:
        policy: Any = self.policy
        for name, value in part.raw_items():
            if isinstance(value, str) and _fits(name, value):
                self._fp.write(f"{name}: {value}{self._NL}".encode("ascii"))
            else:
                self._fp.write(policy.fold_binary(name, value))
        self._fp.write(self._NL.encode("ascii"))


def _fits(name: str, value: str) -> bool:
    """Whether a header is written as it is."""
    fits = len(f"{name}: {value}") <= _MAX_HEADER_LINE
    return fits and value.isascii() and value.isprintable()


def _as_bytes(message: Part, unixfrom: bool = False, linesep: str = "\n") -> bytes:
    written = io.BytesIO()
    # As Django does it: a line that begins with "From " is one.
    _Generator(written, mangle_from_=False).flatten(message, unixfrom=unixfrom, linesep=linesep)
    return written.getvalue()
