"""Signatures after Standard Webhooks 1.0 (https://www.standardwebhooks.com)."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable

PREFIX = "whsec_"


def new_secret() -> str:
    """A secret that nobody can guess, as receivers are given it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signature(keys: Iterable[str], identity: str, timestamp: int, body: bytes) -> str:
    """The value of the header ``webhook-signature``: one signature for each of the secrets
    ``keys``, one of which the receiver knows. ``timestamp``: of the call, in seconds since
    1970."""
    signed = f"{identity}.{timestamp}.".encode() + body
    return " ".join(f"v1,{_signature(key, signed)}" for key in keys)


def _signature(key: str, signed: bytes) -> str:
    secret = base64.b64decode(key.removeprefix(PREFIX))
    return base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
