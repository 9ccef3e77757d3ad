"""Pictures of mails: taken in, found again, shown."""

from pathlib import PurePath
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.translation import gettext as _

from automation.rules import conf
from mails import attachments, embedding, encoding, storage
from mails.encoding import Encoded, PictureError
from mails.files import Picture

#: What browsers are told that a picture is, by the end of its name.
CONTENT_TYPES = {"png": "image/png", "jpg": "image/jpeg", "gif": "image/gif"}

_ENDINGS = {*CONTENT_TYPES, "jpeg", "webp"}


def take_in(upload: UploadedFile) -> Encoded:
    """The uploaded picture, made anew; its file is kept. Raises ``PictureError``, whose
    message is for who uploaded it."""
    most = conf.get().UPLOAD_MEGABYTES
    if (upload.size or 0) > most * attachments.MEGABYTE:
        raise PictureError(_("The file is larger than %d MB. Scale the picture down.") % most)
    made = encoding.encode(upload.read())
    try:
        storage.keep(path_of(file_name_of(made)), made.data)
    except storage.Unreachable as error:
        raise PictureError(_("The picture cannot be kept just now: %s") % error) from error
    return made


def keep(made: Encoded, name: str, user: Any = None) -> Picture:
    """The picture that was taken in, for all to find. The same picture is there once, under
    the name that it got first."""
    digest = storage.digest_of(made.data)
    picture, _new = Picture.objects.get_or_create(
        digest=digest,
        defaults={
            "name": _plain_name(name),
            "suffix": made.suffix,
            "file": path_of(file_name_of(made)),
            "width": made.width,
            "height": made.height,
            "uploaded_by": user if getattr(user, "pk", None) else None,
            "uploaded_at": timezone.now(),
        },
    )
    return picture


def file_name_of(made: Encoded) -> str:
    return f"{storage.digest_of(made.data)}.{made.suffix}"


def _plain_name(name: str) -> str:
    """Without the ending: the picture may be of another format now."""
    plain = PurePath(attachments.plain_name(name, _("picture")))
    return plain.stem if plain.suffix[1:].lower() in _ENDINGS else plain.name


def path_of(file_name: str) -> str:
    return f"{storage.PICTURES}/{file_name}"


def shown_pictures(html: str) -> str:
    """A rendered mail for a page of the admin: the pictures that come along with a message
    stand in it. (A sandboxed frame has no session with which it could ask for them.)"""
    return embedding.shown(html, _as_data)


def _as_data(file_name: str) -> str:
    try:
        data = storage.encoded(path_of(file_name)).replace("\n", "")
    except (storage.Gone, storage.Unreachable):
        return ""
    return f"data:{CONTENT_TYPES[file_name.rpartition('.')[2]]};base64,{data}"


def name_of(file_name: str) -> str:
    """What people call the picture."""
    digest = file_name.partition(".")[0]
    found = Picture.objects.filter(digest=digest).values_list("name", flat=True).first()
    return found or f"{digest[:12]}…"


def users_of_picture(picture: Picture) -> list[Any]:
    """The mails, layouts and snippets that show ``picture``; mails also if only an earlier
    version did."""
    from mails.mail import Mail
    from mails.models import Layout, Snippet, Variant, Version

    digest = picture.digest
    versions = Version.objects.annotate(said=Cast("data", TextField()))
    in_mails: QuerySet[Mail] = Mail.objects.filter(
        Q(body__contains=digest)
        | Q(pk__in=Variant.objects.filter(body__contains=digest).values("mail"))
        | Q(pk__in=versions.filter(said__contains=digest).values("mail"))
    )
    return [
        *in_mails,
        *Layout.objects.filter(Q(header__contains=digest) | Q(footer__contains=digest)),
        *Snippet.objects.filter(body__contains=digest),
    ]


def remove_file(file_name: str) -> None:
    """Remove the file of a picture that was deleted, unless it was uploaded again since."""
    if not Picture.objects.filter(digest=file_name.partition(".")[0]).exists():
        storage.remove(path_of(file_name))
