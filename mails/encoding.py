"""Pictures made anew: whatever was uploaded, only its pixels get on.

What is kept is what Pillow wrote, never what somebody sent: no metadata (where a photo was
taken), nothing that is hidden behind the picture, no format that mail programs do not show.
"""

import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _
from PIL import Image, ImageCms, ImageOps, ImageSequence, UnidentifiedImageError

#: What is read. What is written is PNG, JPEG or, if it moves, GIF.
FORMATS = ("PNG", "JPEG", "GIF", "WEBP")

#: The most pixels, of all the frames of a moving picture together: 100 MB of memory.
MAX_PIXELS = 25_000_000
#: What is wider is scaled down to this. A mail is 600 pixels wide, and good screens have
#: two for each.
MAX_WIDTH = 1600
#: What is higher than this after that is refused.
MAX_HEIGHT = 8000

#: An opaque PNG that takes more bytes than this is written as JPEG, if that takes less than
#: a quarter: it is a photo then, and lettering or a drawing is not.
LARGE = 300_000

_QUALITY = 85


class PictureError(ValueError):
    """What was uploaded cannot be a picture of a mail. The message is for who uploaded it."""


@dataclass(frozen=True)
class Encoded:
    """A picture as it is kept. ``suffix``: ``png``, ``jpg`` or ``gif``."""

    data: bytes
    suffix: str
    width: int
    height: int


def encode(data: bytes) -> Encoded:
    """The picture in ``data``, made anew. Raises ``PictureError``."""
    try:
        # Of PNG it checks the sums; a picture cannot be used any more after it.
        _opened(data).verify()
        image = _opened(data)
        if image.format == "GIF" and getattr(image, "is_animated", False):
            return _encoded_moving(image)
        return _encoded_still(image)
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        raise PictureError(_unknown_format(data)) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError(_too_many_pixels()) from error
    except Exception as error:  # Pillow's readers raise anything for bytes that make no sense
        raise PictureError(
            _("The picture is damaged. Open it in a picture program and save it again.")
        ) from error


def _opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    # Only its head is read so far.
    if image.width * image.height > MAX_PIXELS:
        raise PictureError(_too_many_pixels())
    return image


def _too_many_pixels() -> str:
    return _("The picture has more than %d million pixels. Scale it down.") % (
        MAX_PIXELS // 1_000_000
    )


def _unknown_format(data: bytes) -> str:
    head = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head:
        return _("Mail programs do not show SVG. Save the picture as PNG.")
    if data[4:8] == b"ftyp":
        return _("Mail programs do not show HEIC or AVIF. Save the picture as JPEG.")
    return _("This is no picture. Use PNG, JPEG, GIF or WebP.")


# One picture --------------------------------------------------------------------------------


def _encoded_still(image: Image.Image) -> Encoded:
    is_photo = image.format == "JPEG" or (
        image.format == "WEBP" and not image.has_transparency_data
    )
    plain = _scaled(_plain(image))
    if is_photo:
        return _made(plain, "jpg", _jpeg(plain))
    png = _written(plain, "PNG", optimize=True)
    if plain.mode == "RGB" and len(png) > LARGE:
        jpeg = _jpeg(plain)
        if len(jpeg) < len(png) / 4:
            return _made(plain, "jpg", jpeg)
    return _made(plain, "png", png)


def _plain(image: Image.Image) -> Image.Image:
    """Upright, in sRGB, with transparency only if something shows through, and nothing else
    known about it."""
    if image.format == "JPEG":
        # A JPEG can be read at a half, a quarter or an eighth of its size.
        image.draft(None, (MAX_WIDTH, MAX_HEIGHT))
    image.load()
    profile = image.info.get("icc_profile")
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):  # more than 8 bits for each pixel
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    wanted = "RGBA" if image.has_transparency_data else "RGB"
    alpha = image.convert("RGBA").getchannel("A") if wanted == "RGBA" else None
    image = _in_srgb(image, profile).convert("RGB")
    if alpha is not None and alpha.getextrema()[0] != 255:
        image.putalpha(alpha)
    image.info = {}
    return image


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK"):
        return image
    if image.mode == "RGBA":
        image = image.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image  # a profile that makes no sense; the colours are what they are
    return converted or image


def _scaled(image: Image.Image) -> Image.Image:
    if image.width > MAX_WIDTH:
        height = max(1, round(image.height * MAX_WIDTH / image.width))
        image = image.resize((MAX_WIDTH, height), Image.Resampling.LANCZOS)
    if image.height > MAX_HEIGHT:
        raise PictureError(_("The picture is too high for its width. Cut it into pieces."))
    return image


def _jpeg(image: Image.Image) -> bytes:
    return _written(image, "JPEG", quality=_QUALITY, optimize=True, progressive=True)


def _written(image: Image.Image, picture_format: str, **options: object) -> bytes:
    written = io.BytesIO()
    image.save(written, picture_format, **options)
    return written.getvalue()


def _made(image: Image.Image, suffix: str, data: bytes) -> Encoded:
    return Encoded(data, suffix, image.width, image.height)


# Moving pictures ----------------------------------------------------------------------------


def _encoded_moving(image: Image.Image) -> Encoded:
    for count, frame in enumerate(ImageSequence.Iterator(image), start=1):
        if count * frame.width * frame.height > MAX_PIXELS:
            raise PictureError(
                _("The picture moves for too long for its size. Shorten it, or scale it down.")
            )
    durations = [_shown_for(frame) for frame in ImageSequence.Iterator(image)]
    again = {"loop": image.info["loop"]} if "loop" in image.info else {}
    frames = _frames(image)
    first = next(frames)
    # Each frame is written whole over what was there before, so it never shows through.
    data = _written(
        first,
        "GIF",
        save_all=True,
        append_images=itertools.chain(frames),
        duration=durations,
        disposal=2,
        **again,
    )
    return _made(first, "gif", data)


def _shown_for(frame: Image.Image) -> int:
    """Milliseconds."""
    return int(frame.info.get("duration") or 100)


def _frames(image: Image.Image) -> Iterator[Image.Image]:
    for frame in ImageSequence.Iterator(image):
        yield _scaled(_plain(frame.copy()))
