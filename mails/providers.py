"""Providers that take mails over HTTP, by way of django-anymail, if it is installed."""

import datetime
import email.utils
import re
import ssl
from typing import Any
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone
from django.utils.translation import gettext as _

from automation.events.delivering import Fail, Later, Unknown
from automation.events.states import Cause
from automation.rules import plain
from mails.answers import Meaning, Stage, readable
from mails.connections import Connection, Sent, Trouble, unanswered

#: Providers that know a request which comes twice, by the header in which they want its name.
IDEMPOTENCY = {"Resend": "Idempotency-Key"}
#: For so long they know it, less an hour.
KNOWN_FOR = datetime.timedelta(hours=23)

#: What a message's metadata says at the provider, and its notices say back.
MESSAGE, UUID_ = "message", "uuid"

# How providers say that we may not be this sender.
_SENDER = re.compile(
    r"sender signature|(domain|sender|from address|identity)[^.]{0,80} (not|isn't) "
    r"(been )?(verified|confirmed|allowed|authorized)|verify (a|your) (domain|sender)",
    re.IGNORECASE,
)


def is_provider(backend: Any) -> bool:
    try:
        from anymail.backends.base import AnymailBaseBackend
    except ImportError:
        return False
    return isinstance(backend, AnymailBaseBackend)


class ProviderConnection(Connection):
    """One HTTP session with a provider."""

    def __init__(self, backend: Any) -> None:
        super().__init__(backend)
        self._key = IDEMPOTENCY.get(backend.esp_name, "")
        self._takes_metadata = True

    @property
    def REPEATABLE(self) -> bool:  # type: ignore[override]
        return bool(self._key)

    def send(self, email: EmailMultiAlternatives, identity: tuple[int, UUID]) -> Sent:
        from anymail import exceptions

        if self._key:
            self.backend.session.headers[self._key] = str(identity[1])
        if self._takes_metadata:
            said: Any = email
            said.metadata = {MESSAGE: str(identity[0]), UUID_: str(identity[1])}
        try:
            sent = self.backend.send_messages([email])
        except exceptions.AnymailUnsupportedFeature as error:
            if not self._takes_metadata or "metadata" not in str(error):
                raise Fail(_first_line(error), Cause.REFUSED) from error
            self._takes_metadata = False
            del said.metadata
            return self.send(email, identity)
        except exceptions.AnymailRecipientsRefused as error:
            raise Fail(_("The provider refuses this address."), Cause.REFUSED) from error
        except exceptions.AnymailAPIError as error:
            self._said_no(error)
        except (exceptions.AnymailError, UnicodeError) as error:
            # It could not be written as this provider wants it; nothing was sent.
            raise Fail(_first_line(error), Cause.REFUSED) from error
        except ImproperlyConfigured as error:
            raise Trouble(Meaning.US, _first_line(error)) from error
        except Exception as error:  # an answer that django-anymail does not understand, say
            self.close()
            self._in_doubt(_first_line(error), error)
        if not sent:
            raise Fail(_("The mail server took no message and gave no reason."), Cause.REFUSED)
        return self._sent(email)

    def _sent(self, email: Any) -> Sent:
        """What the provider says of each recipient."""
        status = email.anymail_status
        refused = [
            address
            for address, each in status.recipients.items()
            if each.status in ("invalid", "rejected", "failed")
        ]
        first = email.to[0].casefold() if email.to else ""
        provider_id = self._id_of(status, first)
        if any(address.casefold() in first for address in refused):
            said = _("The provider refuses this address.")
            raise Fail(said, Cause.REFUSED, provider_id=provider_id)
        if not provider_id and "unknown" in (status.status or ()):
            raise Unknown(_("The provider did not say whether it takes it."))
        note = _("Without a copy to: %s") % ", ".join(refused) if refused else ""
        return Sent(note, provider_id)

    def _id_of(self, status: Any, recipient: str) -> str:
        for address, each in status.recipients.items():
            if address.casefold() in recipient:
                return plain.text(str(each.message_id or ""))[:255]
        return plain.text(status.message_id)[:255] if isinstance(status.message_id, str) else ""

    def _said_no(self, error: Any) -> None:
        """Raise what an error of the provider's API means."""
        code = error.status_code
        if code is None:
            self._no_answer(error)
        reason = _reason(error)
        if code in (502, 504) or 200 <= code < 300:
            # A gateway, or nobody that can be understood: the provider may have it.
            self._in_doubt(reason, error)
        if code == 409 and self._key:
            # The same name for something else: the first one may have gone out.
            raise Unknown(reason) from error
        if code in (408, 409, 425, 429) or code >= 500:
            raise Later(reason, _retry_after(error.response)) from error
        if code in (403, 422, 400) and _SENDER.search(reason):
            raise Trouble(Meaning.SENDER, reason, Stage.SENDER) from error
        if code in (400, 413, 422):
            raise Fail(reason, Cause.REFUSED) from error
        # 401, 402, 403, 404: our key, our bill, our rights, our address of the API.
        raise Trouble(Meaning.US, reason) from error

    def _no_answer(self, error: Any) -> None:
        import requests
        from urllib3.exceptions import NewConnectionError

        self.close()
        cause = error.__cause__
        inner = getattr(cause.args[0], "reason", None) if cause and cause.args else None
        never = isinstance(inner, NewConnectionError)
        if never or isinstance(error, requests.ConnectTimeout | requests.exceptions.InvalidURL):
            raise Trouble(Meaning.AWAY, _first_line(inner or cause)) from error
        if inner is not None and _is_stranger(inner):
            raise Trouble(Meaning.US, _first_line(inner)) from error
        self._in_doubt(str(cause or error), error)

    def _in_doubt(self, reason: str, error: Exception) -> None:
        """There was no answer. The same request again does no harm where it is known."""
        if self._key:
            said = _("The provider did not answer: %s") % reason
            raise Later(said, in_doubt_since=timezone.now()) from error
        raise unanswered(Exception(reason)) from error


def _is_stranger(error: BaseException) -> bool:
    """Whether the other side could not prove who it is, so that nothing was said to it."""
    found = [error, *error.args]
    return any(isinstance(each, ssl.SSLCertVerificationError) for each in found)


def _reason(error: Any) -> str:
    """The status and what the provider says, in one line."""
    response = error.response
    said = ""
    try:
        data = response.json()
        if isinstance(data, dict):
            found = (data.get(key) for key in ("message", "Message", "error", "errors", "detail"))
            said = next((str(each) for each in found if each), "")
    except ValueError:
        said = response.text
    return readable(f"{error.status_code} {said or response.reason}")


def _first_line(error: BaseException) -> str:
    return readable((str(error) or type(error).__name__).splitlines()[0])


def _retry_after(response: Any) -> float | None:
    """The seconds that a provider asks for, at most an hour."""
    said = response.headers.get("Retry-After", "")
    if said.isdigit():
        return float(min(max(int(said), 1), 3600))
    moment = email.utils.parsedate_tz(said) if said else None
    if moment is None:
        return None
    seconds = email.utils.mktime_tz(moment) - timezone.now().timestamp()
    return min(max(seconds, 1.0), 3600.0)
