"""Files of attachments that no mail has any more, and no version of one had.

Whoever removes an attachment leaves its file: versions name it. When they are gone, too, or there
never was one, nothing leads to it.
"""

import datetime
from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.core.files.storage import default_storage
from django.db.models import TextField
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy

from automation.events.housekeeping.chore import Chore
from mails import storage
from mails.files import Attachment
from mails.versions import Version


def chore() -> Chore:
    return Chore(
        "attachment_files",
        gettext_lazy("files of attachments that nothing names any more"),
        30,
        remove,
        lambda before: sum(1 for _path in _leftover(before)),
    )


def remove(before: datetime.datetime, limit: int) -> Iterator[int]:
    """Remove the files that came before that and that nothing names. A storage that cannot say
    what it has, or since when, keeps them all."""
    found = _leftover(before)
    while some := list(islice(found, limit)):
        if removed := sum(map(_remove, some)):
            yield removed


def _leftover(before: datetime.datetime) -> Iterator[str]:
    """The paths of those that nothing named a moment ago."""
    try:
        _directories, names = default_storage.listdir(storage.ATTACHMENTS)
    except (FileNotFoundError, NotImplementedError):
        return
    named = _named()
    for name in sorted(set(names) - named):
        path = f"{storage.ATTACHMENTS}/{name}"
        if _came_before(path, before):
            yield path


def _came_before(path: str, before: datetime.datetime) -> bool:
    try:
        came: datetime.datetime = default_storage.get_modified_time(path)
    except (FileNotFoundError, NotImplementedError):
        return False
    return came < before


def _named() -> set[str]:
    """The digests that mails and their versions name."""
    found = set(Attachment.objects.values_list("digest", flat=True))
    for files in Version.objects.values_list("data__attachments", flat=True).iterator():
        found.update(file["digest"] for file in files or ())
    return found


def _remove(path: str) -> bool:
    """Whether it is gone. Somebody may upload the same file at this very moment, who finds it
    there and does not write it: so it is looked at again afterwards, and put back."""
    digest = path.rpartition("/")[2]
    if _is_named(digest):
        return False
    try:
        data = storage.read(path)
    except storage.Gone:  # it is damaged: nobody can have wanted it
        data = None
    storage.remove(path)
    if data is not None and _is_named(digest):
        storage.keep(path, data)
        return False
    return True


def _is_named(digest: str) -> bool:
    versions: Any = Version.objects.annotate(said=Cast("data", TextField()))
    return (
        Attachment.objects.filter(digest=digest).exists()
        or versions.filter(said__contains=digest).exists()
    )
