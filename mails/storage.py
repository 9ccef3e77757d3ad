"""The bytes of pictures and attachments, kept under the SHA-256 of what they are.

So the same file is kept once, the digest in a mail's version names exactly what was sent, and
whatever is read under its digest is what it was, or counts as gone.
"""

import base64
import contextlib
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import PurePosixPath

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

#: Where they are kept, in the project's default storage.
PICTURES = "mails/pictures"
ATTACHMENTS = "mails/attachments"

#: How many bytes a process remembers, so that a file is not read for each message.
REMEMBERED = 32 * 1024 * 1024


class Gone(Exception):
    """There is no such file, or it is no longer what it was."""


class Unreachable(Exception):
    """The storage does not do its part. It may later."""


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def keep(path: str, data: bytes) -> None:
    """Keep ``data`` at ``path``, whose name is its digest. Idempotent; what a full disk or a
    killed process left there half-written is written anew. Raises ``Unreachable``."""
    with contextlib.suppress(Gone):
        if _read(path) == data:
            return
        remove(path)
    with _reaching():
        written = default_storage.save(path, ContentFile(data))
        if written != path:  # somebody else kept the same just now
            default_storage.delete(written)


def remove(path: str) -> None:
    """Remove what is kept at ``path``, if anything is. Raises ``Unreachable``."""
    with _reaching():
        default_storage.delete(path)


def read(path: str) -> bytes:
    """What is kept at ``path``. Raises ``Gone`` and ``Unreachable``."""
    data = _read(path)
    if digest_of(data) != PurePosixPath(path).stem:
        raise Gone(path)
    return data


def encoded(path: str) -> str:
    """What is kept at ``path``, in base64 as a mail has it. Remembered for the next message.
    Raises ``Gone`` and ``Unreachable``."""
    found = _remembered.get(path)
    if found is None:
        found = base64.encodebytes(read(path)).decode("ascii")
        _remembered.put(path, found)
    return found


def forget() -> None:
    """Read every file anew from now on."""
    _remembered.clear()


def _read(path: str) -> bytes:
    try:
        with _reaching(), default_storage.open(path) as file:
            return bytes(file.read())
    except FileNotFoundError as error:
        raise Gone(path) from error


@contextlib.contextmanager
def _reaching() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:  # each kind of storage has errors of its own
        raise Unreachable(str(error) or type(error).__name__) from error


class _Remembered:
    """Texts by path, the latest used ones, up to so many characters together."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: str) -> str | None:
        with self._lock:
            if path in self._texts:
                self._texts.move_to_end(path)
            return self._texts.get(path)

    def put(self, path: str, text: str) -> None:
        with self._lock:
            if path in self._texts:
                return
            self._texts[path] = text
            self._size += len(text)
            while self._size > self._most:
                self._size -= len(self._texts.popitem(last=False)[1])

    def clear(self) -> None:
        with self._lock:
            self._texts.clear()
            self._size = 0


_remembered = _Remembered(REMEMBERED)
