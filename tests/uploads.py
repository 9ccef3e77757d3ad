"""Files to upload, and mails that bring them along."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from PIL import Image

from automation.events import Event, record
from automation.events.delivering import work
from mails import pictures, storage
from mails.files import Attachment, Picture
from mails.models import Mail, Message
from tests import shop

RED, BLUE = (200, 30, 40), (20, 40, 200)

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture(autouse=True)
def no_other_files(settings: Any, tmp_path: Path) -> None:
    """Each test of a module that imports it begins without files."""
    settings.MEDIA_ROOT = tmp_path
    storage.forget()


@pytest.fixture
def counted_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that are read from the disk, one for each time."""
    opened: list[str] = []
    really = default_storage.open

    def noted(path: str, *args: Any) -> Any:
        opened.append(path)
        return really(path, *args)

    monkeypatch.setattr(default_storage._wrapped, "open", noted)
    return opened


def image(picture_format: str = "PNG", size=(30, 20), colour: Any = RED, **options: Any) -> bytes:
    """A picture of one colour."""
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[len(colour)]
    return written(Image.new(mode, size, colour), picture_format, **options)


def written(made: Image.Image, picture_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    made.save(file, picture_format, **options)
    return file.getvalue()


def upload(data: bytes, name: str = "logo.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


def picture(name: str = "Logo", **options: Any) -> Picture:
    """One that was uploaded."""
    return pictures.keep(pictures.take_in(upload(image(**options))), name)


def pdf(text: str = "Prices") -> bytes:
    return b"%PDF-1.7\n% " + text.encode() + b"\n%%EOF\n"


def zipped(**entries: bytes) -> bytes:
    """A ZIP file; ``__`` in a name stands for a slash, ``_`` at the end of one for a dot."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), data)
    return file.getvalue()


# Mails --------------------------------------------------------------------------------------


def address(shown: Picture) -> str:
    """What the editor writes."""
    return reverse("admin:mails_image_file", args=[shown.file_name])


def mail_with(*shown: Picture, **values: Any) -> Mail:
    body = "".join(f'<p><img alt="{each.name}" src="{address(each)}"></p>' for each in shown)
    return shop.mail(body=body, **values)


def attach(mail: Mail, data: bytes, name: str) -> Attachment:
    made = Attachment(mail=mail, file=upload(data, name))
    made.save()
    return made


def event(key: str = "1", recipient: str = "a@example.com") -> Event:
    context = {"cart": {"customer": {"first_name": "Ann"}, "items": []}}
    return Event("cart_left", key, context, recipient=recipient)


def deliver_to(*addresses: str) -> list[tuple[str, str]]:
    """State and reason of each message."""
    record([event(f"{number}", each) for number, each in enumerate(addresses)])
    work(Message)
    return list(Message.objects.order_by("pk").values_list("state", "reason"))
