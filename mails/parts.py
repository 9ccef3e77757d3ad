"""What goes along with a message, as its parts: the pictures in its HTML, and attachments."""

import base64
from collections.abc import Iterable, Sequence
from functools import lru_cache, partial

from django.utils.translation import gettext as _

from automation.rules.templating import TemplateError
from mails import embedding, pictures, storage
from mails.attachments import content_type_of
from mails.composing import EncodedPart
from mails.content import Content, File


class FileUnreachable(TemplateError):
    """The storage does not answer: the mail can be made later, perhaps."""


def make_sure(file_names: Iterable[str], attachments: Iterable[File]) -> None:
    """Make sure that these pictures and attachments are there. Raises ``TemplateError``,
    which names the one that is gone, and ``FileUnreachable``."""
    for file_name in file_names:
        _picture(file_name)
    for file in attachments:
        _attachment(file)


def problems(content: Content) -> list[str]:
    """What is gone of all that a mail shows and brings along, in a sentence each."""
    templates = [
        *(wording.body for wording in content.wordings),
        content.design.header,
        content.design.footer,
        *content.snippets.values(),
    ]
    shown = dict.fromkeys(name for each in templates for name in embedding.written(each))
    found = []
    for look in (
        *(partial(_picture, file_name) for file_name in shown),
        *(partial(_attachment, file) for file in content.attachments),
    ):
        try:
            look()
        except TemplateError as error:
            found.append(str(error))
    return found


def pictures_of(html: str) -> list[EncodedPart]:
    """The pictures that the HTML of a message wants to have with it, each once. Raises what
    ``make_sure`` raises."""
    found = []
    for file_name in embedding.attached(html):
        content_type = pictures.CONTENT_TYPES[file_name.rpartition(".")[2]]
        part = _part(content_type, _picture(file_name), "inline", file_name[-20:])
        part["Content-ID"] = f"<{embedding.content_id(file_name)}>"
        found.append(part)
    return found


def attachments_of(files: Sequence[File]) -> list[EncodedPart]:
    """Raises what ``make_sure`` raises."""
    found = []
    for file in files:
        encoded = _attachment(file)
        part = _part(content_type_of(file.name), encoded, "attachment", file.name)
        if part.get_content_maintype() == "text" and _is_utf8(file.digest):
            part.set_param("charset", "utf-8")
        found.append(part)
    return found


@lru_cache(maxsize=256)
def _is_utf8(digest: str) -> bool:
    try:
        base64.b64decode(storage.encoded(f"{storage.ATTACHMENTS}/{digest}")).decode()
    except UnicodeDecodeError:
        return False
    return True


def _picture(file_name: str) -> str:
    try:
        return storage.encoded(pictures.path_of(file_name))
    except storage.Gone as error:
        said = _("The picture “%s” is gone. Upload it again, or take it out of the mail.")
        raise TemplateError(said % pictures.name_of(file_name)) from error
    except storage.Unreachable as error:
        raise _unreachable(pictures.name_of(file_name), error) from error


def _attachment(file: File) -> str:
    try:
        return storage.encoded(f"{storage.ATTACHMENTS}/{file.digest}")
    except storage.Gone as error:
        said = _("The attachment “%s” is gone. Remove it from the mail and add it again.")
        raise TemplateError(said % file.name) from error
    except storage.Unreachable as error:
        raise _unreachable(file.name, error) from error


def _unreachable(name: str, error: storage.Unreachable) -> FileUnreachable:
    return FileUnreachable(
        _("“%(name)s” cannot be read just now: %(reason)s") % {"name": name, "reason": error}
    )


def _part(content_type: str, encoded: str, disposition: str, name: str) -> EncodedPart:
    part = EncodedPart(content_type, encoded)
    # What looks encoded already would be decoded.
    is_plain = name.isascii() and "=?" not in name
    part.add_header(
        "Content-Disposition", disposition, filename=name if is_plain else ("utf-8", "", name)
    )
    return part
