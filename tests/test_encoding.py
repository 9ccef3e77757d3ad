"""What is kept of an uploaded picture: its pixels, and nothing else."""

import io
import struct
import zlib

import pytest
from PIL import Image, ImageCms, ImageDraw, PngImagePlugin

from mails.encoding import Encoded, PictureError, encode
from tests.uploads import BLUE, RED, SVG, image, written

pytestmark = pytest.mark.sqlite_only  # none of these asks the database

SEE_THROUGH = (200, 30, 40, 128)


def opened(made: Encoded) -> Image.Image:
    return Image.open(io.BytesIO(made.data))


def refused(data: bytes) -> str:
    with pytest.raises(PictureError) as raised:
        encode(data)
    return str(raised.value)


def near(colour: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(abs(one - two) < 8 for one, two in zip(colour, other, strict=True))


# Formats ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "suffix"),
    [
        (image("PNG"), "png"),
        (image("JPEG"), "jpg"),
        (image("GIF"), "png"),
        (image("WEBP"), "jpg"),
        (image("WEBP", colour=SEE_THROUGH), "png"),
        (image("PNG", colour=(7,)), "png"),
        (written(Image.new("P", (4, 4)), "PNG"), "png"),
        (written(Image.new("1", (4, 4)), "PNG"), "png"),
        (written(Image.new("LA", (4, 4)), "PNG"), "png"),
        (written(Image.new("CMYK", (4, 4)), "JPEG"), "jpg"),
    ],
)
def test_what_comes_out_is_what_mail_programs_show(data, suffix):
    made = encode(data)
    assert made.suffix == suffix
    assert opened(made).format == {"png": "PNG", "jpg": "JPEG"}[suffix]
    assert opened(made).size == (made.width, made.height)


def test_colours_and_transparency_stay():
    assert opened(encode(image("PNG"))).getpixel((3, 3)) == RED
    assert opened(encode(image("PNG", colour=SEE_THROUGH))).getpixel((3, 3)) == SEE_THROUGH
    assert near(opened(encode(image("JPEG"))).getpixel((3, 3)), RED)
    sixteen_bits = written(Image.new("I;16", (9, 9), 40_000), "PNG")
    assert opened(encode(sixteen_bits)).getpixel((3, 3)) == (156, 156, 156)


def test_transparency_that_nothing_shows_through_is_left_out():
    assert opened(encode(image("PNG", colour=(*RED, 255)))).mode == "RGB"


def test_the_same_picture_becomes_the_same_bytes():
    assert encode(image("PNG")) == encode(image("PNG"))


def test_a_photo_that_was_saved_as_png_becomes_a_jpeg():
    parts = [Image.effect_noise((900, 700), 20) for _ in range(3)]
    made = encode(written(Image.merge("RGB", parts), "PNG"))
    assert made.suffix == "jpg"
    assert len(made.data) < 300_000


def test_a_wide_picture_is_scaled_down_and_a_small_one_is_not_scaled_up():
    made = encode(image("PNG", (3200, 100)))
    assert (made.width, made.height) == (1600, 50)
    assert opened(encode(image("JPEG", (4032, 3024)))).size == (1600, 1200)
    assert opened(encode(image("PNG", (5, 5)))).size == (5, 5)


def test_a_photo_is_upright():
    made = Image.new("RGB", (40, 20), RED)
    ImageDraw.Draw(made).rectangle((0, 0, 19, 19), fill=BLUE)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right
    shown = opened(encode(written(made, "JPEG", exif=exif, quality=95, subsampling=0)))
    assert shown.size == (20, 40)
    assert near(shown.getpixel((10, 5)), BLUE)
    assert near(shown.getpixel((10, 35)), RED)


def profile_with_red_and_blue_swapped() -> bytes:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {}
    for number in range(int.from_bytes(profile[128:132])):
        at = 132 + 12 * number
        tags[bytes(profile[at : at + 4])] = at + 4
    red, blue = tags[b"rXYZ"], tags[b"bXYZ"]
    profile[red : red + 8], profile[blue : blue + 8] = (
        profile[blue : blue + 8],
        profile[red : red + 8],
    )
    return bytes(profile)


@pytest.mark.parametrize("picture_format", ["PNG", "JPEG"])
def test_colours_of_another_profile_become_those_of_screens(picture_format):
    profile = profile_with_red_and_blue_swapped()
    shown = opened(encode(image(picture_format, colour=(200, 0, 0), icc_profile=profile)))
    assert near(shown.getpixel((3, 3)), (0, 0, 200))
    assert "icc_profile" not in shown.info


def test_a_profile_that_makes_no_sense_is_left_out():
    shown = opened(encode(image("PNG", icc_profile=b"nonsense")))
    assert shown.getpixel((3, 3)) == RED
    assert "icc_profile" not in shown.info


# What is left behind ------------------------------------------------------------------------


def test_what_else_a_picture_says_is_gone():
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "Where we live")
    for data in (
        image("JPEG", exif=exif, comment=b"Where we live"),
        image("PNG", pnginfo=text, exif=exif),
        image("GIF", comment=b"Where we live"),
        image("WEBP", exif=exif),
    ):
        made = encode(data)
        assert b"live" not in made.data
        assert b"camera" not in made.data
        assert not opened(made).getexif()


@pytest.mark.parametrize("picture_format", ["PNG", "JPEG", "GIF"])
def test_what_hides_behind_a_picture_is_gone(picture_format):
    hidden = b"<script>alert(1)</script><?php system('id') ?>PK\x03\x04"
    assert hidden not in encode(image(picture_format) + hidden).data


# Moving pictures ----------------------------------------------------------------------------


def moving(size=(60, 40), count=4, **options) -> bytes:
    frames = []
    for number in range(count):
        frame = Image.new("RGB", size, RED)
        ImageDraw.Draw(frame).rectangle((number * 10, 0, number * 10 + 9, 19), fill=BLUE)
        frames.append(frame)
    return written(
        frames[0], "GIF", save_all=True, append_images=frames[1:], duration=70, **options
    )


def test_a_moving_gif_moves_as_before():
    shown = opened(encode(moving(loop=0, comment=b"Where we live")))
    assert (shown.format, shown.n_frames, shown.info["loop"]) == ("GIF", 4, 0)
    for number in range(4):
        shown.seek(number)
        frame = shown.convert("RGB")
        assert shown.info["duration"] == 70
        assert frame.getpixel((number * 10 + 5, 10)) == BLUE
        assert frame.getpixel((55, 10)) == RED
        if number:
            assert frame.getpixel((5, 10)) == RED


def test_nothing_of_a_frame_shows_through_the_next():
    frames = []
    for number in range(3):
        frame = Image.new("RGBA", (60, 40))
        ImageDraw.Draw(frame).rectangle((number * 20, 0, number * 20 + 19, 19), fill=BLUE)
        frames.append(frame)
    frames.append(Image.new("RGBA", (60, 40), (*RED, 255)))
    data = written(frames[0], "GIF", save_all=True, append_images=frames[1:], disposal=2)
    shown = opened(encode(data))
    for number, frame in enumerate(frames):
        shown.seek(number)
        seen = shown.convert("RGBA")
        for x in (10, 30, 50):
            assert seen.getpixel((x, 10))[3] == frame.getpixel((x, 10))[3]
    assert seen.getpixel((30, 10)) == (*RED, 255)


def test_a_gif_that_plays_once_plays_once():
    assert "loop" not in opened(encode(moving())).info


def test_a_wide_moving_gif_is_scaled_down():
    shown = opened(encode(moving(size=(2000, 200))))
    assert (shown.size, shown.n_frames) == ((1600, 160), 4)


def test_a_gif_that_moves_for_too_long_is_refused():
    assert refused(moving(size=(2500, 2500), count=5)) == (
        "The picture moves for too long for its size. Shorten it, or scale it down."
    )


def test_only_gifs_move():
    frames = [Image.new("RGB", (9, 9), colour) for colour in (RED, BLUE)]
    for picture_format in ("WEBP", "PNG"):
        data = written(frames[0], picture_format, save_all=True, append_images=frames[1:])
        assert getattr(opened(encode(data)), "n_frames", 1) == 1


# What is refused ----------------------------------------------------------------------------


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def says_it_is(width: int, height: int) -> bytes:
    """A PNG of a few bytes."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(50_000, 50_000), (10_000, 10_000), (5_001, 5_000)])
def test_a_bomb_is_refused_before_it_goes_off(size):
    assert refused(says_it_is(*size)) == (
        "The picture has more than 25 million pixels. Scale it down."
    )


def test_a_picture_as_narrow_as_a_thread_is_refused():
    assert refused(image("PNG", (1, 8001))) == (
        "The picture is too high for its width. Cut it into pieces."
    )
    assert encode(image("PNG", (8001, 1))).width == 1600


@pytest.mark.parametrize("picture_format", ["PNG", "JPEG", "WEBP"])
def test_a_picture_that_was_cut_off_is_refused(picture_format):
    noise = written(Image.effect_noise((200, 200), 50).convert("RGB"), picture_format)
    assert refused(noise[: len(noise) // 2]) == (
        "The picture is damaged. Open it in a picture program and save it again."
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (SVG, "Mail programs do not show SVG. Save the picture as PNG."),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n' + SVG, "Mail programs do not show SVG."),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "Mail programs do not show HEIC or AVIF."),
        (b"<html><script>alert(1)</script></html>", "This is no picture."),
        (b"%PDF-1.7", "This is no picture. Use PNG, JPEG, GIF or WebP."),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "This is no picture."),
        (image("BMP"), "This is no picture."),
        (image("TIFF"), "This is no picture."),
        (image("ICO"), "This is no picture."),
        (b"", "This is no picture."),
        (b"GIF89a", "This is no picture."),
    ],
)
def test_what_is_no_picture_for_a_mail_is_refused(data, reason):
    assert refused(data).startswith(reason)
