"""What may go along with a mail: kinds of files, told by what is in them, and their names."""

import io
import re
import zipfile
from dataclasses import dataclass
from pathlib import PurePath

from django.utils.translation import gettext as _

from automation.rules import conf

#: The longest name of a file, and the most bytes it may take: percent-encoded, as a header has
#: it (RFC 2231), it stays on one line of a mail.
MAX_NAME = 150
MAX_NAME_BYTES = 200

MEGABYTE = 1024 * 1024


class AttachmentError(ValueError):
    """What was uploaded cannot go along with a mail. The message is for who uploaded it."""


@dataclass(frozen=True)
class Kind:
    """``begins``: what its content begins with. ``has``: what stands in it, if it is a ZIP
    file inside. A kind with neither is text."""

    content_type: str
    begins: tuple[bytes, ...] = ()
    has: str = ""


_OFFICE = "application/vnd.openxmlformats-officedocument"
_OPEN = "application/vnd.oasis.opendocument"

#: By the end of the name. What could run something, or hide anything, is not among them.
KINDS: dict[str, Kind] = {
    "pdf": Kind("application/pdf", (b"%PDF-",)),
    "png": Kind("image/png", (b"\x89PNG\r\n\x1a\n",)),
    "jpg": Kind("image/jpeg", (b"\xff\xd8\xff",)),
    "jpeg": Kind("image/jpeg", (b"\xff\xd8\xff",)),
    "gif": Kind("image/gif", (b"GIF87a", b"GIF89a")),
    "txt": Kind("text/plain"),
    "csv": Kind("text/csv"),
    "ics": Kind("text/calendar", (b"BEGIN:VCALENDAR",)),
    "vcf": Kind("text/vcard", (b"BEGIN:VCARD",)),
    "docx": Kind(f"{_OFFICE}.wordprocessingml.document", (b"PK",), "word/document.xml"),
    "xlsx": Kind(f"{_OFFICE}.spreadsheetml.sheet", (b"PK",), "xl/workbook.xml"),
    "pptx": Kind(f"{_OFFICE}.presentationml.presentation", (b"PK",), "ppt/presentation.xml"),
    "odt": Kind(f"{_OPEN}.text", (b"PK",), "content.xml"),
    "ods": Kind(f"{_OPEN}.spreadsheet", (b"PK",), "content.xml"),
    "odp": Kind(f"{_OPEN}.presentation", (b"PK",), "content.xml"),
}

# What a mail program might show as a page, whatever the file is called.
_PAGE = re.compile(rb"<(?:!doctype|html|head|body|script|svg|iframe|\?xml)\b", re.IGNORECASE)
_MACROS = re.compile(r"(?:^|/)vbaproject\.bin$|^(?:basic|scripts)/", re.IGNORECASE)


def kind_of(name: str) -> Kind | None:
    return KINDS.get(PurePath(name).suffix[1:].lower())


def content_type_of(name: str) -> str:
    kind = kind_of(name)
    return kind.content_type if kind else "application/octet-stream"


def check(name: str, data: bytes) -> None:
    """Raises ``AttachmentError`` if a file of this name and content may not go along."""
    most = conf.get().UPLOAD_MEGABYTES
    if len(data) > most * MEGABYTE:
        raise AttachmentError(_("The file is larger than %d MB.") % most)
    kind = kind_of(name)
    if kind is None:
        raise AttachmentError(_refusal(name))
    head = data.removeprefix(b"\xef\xbb\xbf")[:1024]
    if kind.begins and not head.startswith(kind.begins):
        raise AttachmentError(_not_what_it_says(name))
    if kind.content_type.startswith("text/") and (b"\0" in data or _PAGE.match(head.lstrip())):
        raise AttachmentError(_not_what_it_says(name))
    if kind.has:
        _check_inside(name, kind, data)


def _check_inside(name: str, kind: Kind, data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as document:
            names = document.namelist()
            if "mimetype" in names:
                with document.open("mimetype") as entry:
                    says = entry.read(200).decode("ascii").strip()
            else:
                says = ""
    except Exception as error:  # a ZIP file can be broken in many ways
        raise AttachmentError(_not_what_it_says(name)) from error
    wrong_kind = kind.content_type.startswith(_OPEN) and says != kind.content_type
    if kind.has not in names or wrong_kind:
        raise AttachmentError(_not_what_it_says(name))
    if any(_MACROS.search(inside) for inside in names):
        raise AttachmentError(_("The document has macros in it. Save it without them."))


def _refusal(name: str) -> str:
    suffix = PurePath(name).suffix.lower()
    known = ", ".join(KINDS)
    if not suffix:
        return _("The file's name has no ending that says what it is. Allowed are: %s.") % known
    if suffix in (".docm", ".xlsm", ".pptm", ".dotm", ".xltm"):
        return _("Documents with macros are not let through by mail servers. Save it as %s.") % (
            f"{suffix[:-1]}x"
        )
    return _("Files of the kind “%(suffix)s” cannot go along. Allowed are: %(known)s.") % {
        "suffix": suffix,
        "known": known,
    }


def _not_what_it_says(name: str) -> str:
    return _("The name says “%s”, but there is something else in the file.") % (
        PurePath(name).suffix.lower()
    )


# Names --------------------------------------------------------------------------------------

# Control characters, what ends a line, and what turns the direction of writing, so that
# "txt.exe" is read as "exe.txt".
_NOT_IN_A_NAME = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe\uffff\ud800-\udfff]+"
)
_BLANKS = re.compile(r"\s+")


def plain_name(name: str, fallback: str) -> str:
    """``name`` without path and control characters, short enough for a header."""
    name = name.replace("\\", "/").rpartition("/")[2]
    name = _BLANKS.sub(" ", _NOT_IN_A_NAME.sub(" ", name)).strip(" .")
    stem, dot, suffix = name.rpartition(".")
    if not dot or not 0 < len(suffix) <= 5:
        stem, suffix = name, ""
    ending = f".{suffix}" if suffix else ""
    stem = stem[: MAX_NAME - len(ending)]
    stem = stem.encode()[: MAX_NAME_BYTES - len(ending.encode())].decode(errors="ignore").strip()
    return f"{stem}{ending}" if stem else f"{fallback}{ending}"


def name_for(name: str, content_type: str) -> str:
    """``name`` with the ending of what the file is."""
    if content_type_of(name) == content_type:
        return name
    endings = [ending for ending, kind in KINDS.items() if kind.content_type == content_type]
    stem = name.rpartition(".")[0] if kind_of(name) else name
    return plain_name(f"{stem}.{endings[0]}", _("file")) if endings else name
