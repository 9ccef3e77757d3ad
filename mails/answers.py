"""What a mail server's answer means: for the message, for its sender, or for us.

The codes are those of RFC 5321 and RFC 4954, the enhanced ones ("5.7.1") of RFC 3463. The same
code means different things at different stages, so each answer is read with the stage it came at.
"""

import errno
import re
import smtplib
import socket
import ssl
from enum import Enum, StrEnum
from typing import Any

from django.utils.translation import gettext as _

from automation.rules import plain

#: So many characters of what the other side says are kept.
MOST = 1_000


class Stage(StrEnum):
    """Where in the conversation an answer came."""

    #: Connecting, the greeting, EHLO, STARTTLS, AUTH: before any message.
    OPENING = "opening"
    #: ``MAIL FROM``: the sender, and how large the message is.
    SENDER = "sender"
    #: ``RCPT TO``.
    RECIPIENT = "recipient"
    #: ``DATA``, before the message.
    DATA = "data"
    #: After the message and its final dot.
    CONTENT = "content"


class Meaning(Enum):
    #: Not now: this message again later.
    LATER = "later"
    #: Not now, whatever the message: the server is not there for us at the moment.
    AWAY = "away"
    #: Never: this recipient, or this message.
    FAILED = "failed"
    #: We may not: whatever message comes next gets the same answer.
    US = "us"
    #: We may not be this sender.
    SENDER = "sender"
    #: No answer that can be understood: nobody knows what became of the message.
    UNKNOWN = "unknown"


# Authentication required, too weak, failed; encryption required (RFC 4954, 3207).
_AUTHENTICATION = {530, 534, 535, 538}

_ENHANCED = re.compile(r"^([245]\.\d{1,3}\.\d{1,3})\b")

# How servers say at RCPT that we may not send through them at all. Postfix, Exim, Exchange,
# Sendmail, qmail, Microsoft 365, Gmail.
_RELAYING = re.compile(
    r"relay(ing)?( access)?( is)? (denied|not (permitted|allowed))|unable to relay"
    r"|not permitted to relay|authentication (is )?required|(must|need to|first) authenticate"
    r"|authenticate first|not authenticated|STARTTLS|client host (rejected|\S* ?blocked)"
    r"|blocked using|rcpthosts|sender verify failed",
    re.IGNORECASE,
)
# How they say that we may not be this sender, also after the message.
_SENDER = re.compile(
    r"sender( address)? (rejected|not (allowed|owned|verified))|send ?as|SendAsDenied"
    r"|address is not verified|not owned by user|domain (is )?not verified",
    re.IGNORECASE,
)
# How they say that we have sent too much, as a permanent error. Gmail: 5.4.5.
_QUOTA = re.compile(r"(sending|daily) .*(quota|limit) .*exceeded|(quota|limit) exceeded for sender")

# At MAIL FROM, what is about the message and not about its sender: too large, or written in a
# way that the server does not know.
_MESSAGE_AT_SENDER = re.compile(r"^5\.(2\.3|3\.4|6\.\d+)$")


def meaning(stage: Stage, code: int, text: str = "") -> Meaning:
    """What the answer ``code`` ``text`` means at ``stage``."""
    enhanced = enhanced_code(text)
    if stage is Stage.OPENING:
        # Whoever refuses us by 4xx before we said anything has no time for anybody.
        return Meaning.US if 500 <= code < 600 else Meaning.AWAY
    if 400 <= code < 500:
        return Meaning.LATER
    if not 500 <= code < 600:
        # No answer that belongs here. Before the message it was certainly not taken.
        return Meaning.UNKNOWN if stage is Stage.CONTENT else Meaning.LATER
    if code in _AUTHENTICATION or enhanced == "5.4.5" or _QUOTA.search(text):
        return Meaning.US
    if stage is Stage.SENDER:
        is_message = code == 552 or _MESSAGE_AT_SENDER.match(enhanced)
        return Meaning.FAILED if is_message else Meaning.SENDER
    if _SENDER.search(text):
        return Meaning.SENDER
    if stage is Stage.RECIPIENT and _RELAYING.search(text):
        return Meaning.US
    return Meaning.FAILED


def enhanced_code(text: str) -> str:
    found = _ENHANCED.match(text)
    return found[1] if found else ""


def words(error: BaseException) -> str:
    """What an error says, for people: in plain words where it has none, with its own behind."""
    code, said = getattr(error, "smtp_code", None), getattr(error, "smtp_error", "")
    if code is not None:
        return said_by(code, said)
    own = str(error) or type(error).__name__
    plainly = _plainly(error)
    return readable(f"{plainly} ({own})" if plainly else own)


def _plainly(error: BaseException) -> str:
    """What happened to a connection; empty if its error speaks for itself."""
    match error:
        case ssl.SSLCertVerificationError():
            return _("its certificate is not valid")
        case socket.gaierror():
            return _("nobody knows its name")
        case ConnectionRefusedError():
            return _("nothing answers at its address and port")
        case TimeoutError():
            return _("it does not answer in time")
        case ConnectionResetError() | BrokenPipeError() | smtplib.SMTPServerDisconnected():
            return _("it closed the connection")
        case OSError(errno=errno.ENETUNREACH | errno.EHOSTUNREACH):
            return _("the network has no way to it")
    return ""


def said_by(code: int, answer: Any) -> str:
    said = answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer)
    return readable(f"{code} {said}")


def readable(said: str) -> str:
    """What somebody else says, as it may be kept: what a database stores, and not too long."""
    return plain.text(said[:MOST]).strip()
