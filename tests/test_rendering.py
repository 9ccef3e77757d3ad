# ruff: noqa: E501 (tables of cases read best with one case on a line)
"""What becomes of a mail's templates: safe HTML, a subject on one line, readable text."""

import subprocess
import sys
import time
from decimal import Decimal
from typing import Any

import pytest

from automation.rules.templating import TemplateError
from mails.content import Wording
from mails.html import cleaned
from mails.rendering import RenderedMail, compile_mail
from mails.text import plain_text

pytestmark = pytest.mark.sqlite_only

DATA: dict[str, Any] = {
    "name": "O'Brien & Co",
    "items": [
        {"title": "Mug & Cup", "price": Decimal("12.50")},
        {"title": "Poster", "price": Decimal("129.90")},
    ],
}


def rendered(
    body: str = "<p>Hello</p>", subject: str = "Hello", data: Any = DATA, **options: Any
) -> RenderedMail:
    wording = Wording(options.pop("language", "en"), subject, body, **options)
    return compile_mail(wording).render(data)


def subject_of(source: str, **data: Any) -> str:
    return rendered(subject=source, data=data).subject


def content(body: str, data: Any = DATA) -> str:
    """The body cleaned, before the layout's styles are written into it."""
    from automation.rules.templating import parse

    return cleaned(parse(body, html=True).render(data))


# The subject --------------------------------------------------------------------------------


def test_a_name_is_literal_in_the_subject_and_escaped_in_the_body() -> None:
    mail = rendered("<p>{{ name }}</p>", "Cart of {{ name }}")
    assert mail.subject == "Cart of O'Brien & Co"
    assert ">O'Brien &amp; Co</p>" in mail.html
    assert mail.text == "O'Brien & Co"


@pytest.mark.parametrize(
    "character",
    ["\r\n", "\n", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\t",
     "\x01", "\x1b", "\x7f", "\x9f", "\u3000", "\xa0"],
)  # fmt: skip
def test_nothing_in_a_subject_ends_its_line(character: str) -> None:
    assert subject_of("Hi{{ x }}Bcc: a@example.com", x=character) == "Hi Bcc: a@example.com"
    assert subject_of(f"{character}Hi{character}") == "Hi"


def test_nul_becomes_a_replacement_character() -> None:
    assert subject_of("a{{ x }}b\0", x="\0") == "a\ufffdb\ufffd"


def test_white_space_is_folded() -> None:
    assert subject_of("  Hi \n\n  {{ x }}  ", x="  Ann \t B ") == "Hi Ann B"


def test_half_a_character_is_replaced() -> None:
    assert subject_of("{{ x }}", x="a\ud800b") == "a\ufffdb"


def test_emoji_and_right_to_left_text_stay() -> None:
    assert subject_of("{{ x }}", x="👍 שלום") == "👍 שלום"


def test_a_long_subject_ends_with_an_ellipsis() -> None:
    assert subject_of("{{ x }}", x="x" * 5000) == "x" * 254 + "…"
    assert subject_of("{{ x }}", x="x" * 255) == "x" * 255


@pytest.mark.parametrize("source", ["", "  ", "{{ x }}", "\n{% if x %}a{% endif %}\x0b"])
def test_an_empty_subject_is_an_error(source: str) -> None:
    with pytest.raises(TemplateError, match=r"^Subject: It is empty\.$"):
        subject_of(source, x=None)


# Errors -------------------------------------------------------------------------------------


def test_an_error_says_whether_subject_or_body_is_at_fault() -> None:
    for subject, body, message in [
        ("{{ nme }}", "x", "Subject: Line 1, column 4: “nme” is not known here."),
        ("x", "{{ nme }}", "Body: Line 1, column 4: “nme” is not known here."),
        ("{% if %}", "x", "Subject: Line 1, column 4: “{% if %}” is never closed"),
        ("x", "<p>\n{{ name", "Body: Line 2, column 1: “{{” is never closed with “}}”."),
    ]:
        with pytest.raises(TemplateError) as raised:
            rendered(body, subject)
        assert str(raised.value).startswith(message)
        assert (raised.value.line, raised.value.column) != (None, None)


def test_data_that_are_not_plain_are_a_template_error() -> None:
    with pytest.raises(TemplateError, match="not plain: object"):
        rendered(data={"x": object()})


def test_a_mail_is_compiled_once() -> None:
    once, again = (compile_mail(Wording("en", "a", "<p>b</p>")) for _ in range(2))
    assert (once.subject, once.body) == (again.subject, again.body)


# What is cleaned ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "clean"),
    [
        ("<p>a<script>alert(1)</script>b</p>", "<p>ab</p>"),
        ("<style>p{color:red}</style><p>a</p>", "<p>a</p>"),
        ("<iframe src='https://x'>a</iframe>b", "b"),
        ("<svg><script>alert(1)</script></svg><math><mi>x</mi></math>b", "b"),
        ("<form action='https://x'><input name=a>a<button>b</button></form>", "ab"),
        ("<object data='x'>a</object><embed src='x'>b", "b"),
        ("<p onclick='alert(1)' ONMOUSEOVER=alert(1)>a</p>", "<p>a</p>"),
        ("<img src=x onerror=alert(1)>", "<img>"),
        ("<a href='javascript:alert(1)'>a</a>", '<a rel="noopener">a</a>'),
        ("<a href=' java&#10;script:alert(1)'>a</a>", '<a rel="noopener">a</a>'),
        ("<a href='JaVaScRiPt&colon;alert(1)'>a</a>", '<a rel="noopener">a</a>'),
        ("<a href='vbscript:x'>a</a><a href='file:///etc/passwd'>b</a>", '<a rel="noopener">a</a><a rel="noopener">b</a>'),
        ("<a href='data:text/html,<script>alert(1)</script>'>a</a>", '<a rel="noopener">a</a>'),
        ("<img src='data:image/svg+xml;base64,PHN2Zz4=' alt='a'>", '<img alt="a">'),
        ("<a href='/admin/logout/'>a</a><a href='//x.example'>b</a>", '<a rel="noopener">a</a><a rel="noopener">b</a>'),
        ("<p style=\"position:fixed;color:red;background-image:url('https://x')\">a</p>", '<p style="color:red">a</p>'),
        ("<meta http-equiv=refresh content='0;url=https://x'><base href='https://x'><link rel=stylesheet href=x>a", "a"),
        ("<!-- comment --><!--[if mso]><p>x</p><![endif]-->a", "a"),
        ("<p id='x' class='card lead' data-x=1>a</p>", '<p class="lead">a</p>'),
        ("<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>a", "<img>'&gt;a"),
        ("<textarea><script>alert(1)</script></textarea>a", "a"),
        ("a\x00\x0b\x1bb", "a\ufffdb"),
        ("</p></table><b>a", "<p></p><b>a</b>"),
    ],
)  # fmt: skip
def test_what_has_no_place_in_a_mail_is_taken_out(body: str, clean: str) -> None:
    assert content(body) == clean


@pytest.mark.parametrize(
    "html",
    [
        '<h1>a</h1><h2>b</h2><p align="center">c <b>d</b> <i>e</i><br>f</p><hr>',
        '<ul><li>a</li></ul><ol start="3" type="a"><li>b</li></ol><blockquote>c</blockquote>',
        '<table width="100%" border="0" cellpadding="4" cellspacing="0" align="center" '
        'bgcolor="#eee" role="presentation"><tbody><tr valign="top" bgcolor="#fff">'
        '<td width="50" colspan="2" align="right" valign="top">a</td></tr></tbody></table>',
        '<p style="color:red;padding-top:4px;border-left-width:1px">a</p>',
        '<img src="https://x.example/a.png" alt="A" width="10" height="10" border="0">',
    ],
)
def test_what_mails_are_made_of_stays(html: str) -> None:
    assert sorted(content(html)) == sorted(html)
    assert plain_text(content(html)) == plain_text(html)


@pytest.mark.parametrize("href", ["https://x.example/?a=1&amp;b=2", "http://x", "mailto:a@b.example", "tel:+41"])  # fmt: skip
def test_links_of_four_kinds_stay(href: str) -> None:
    assert content(f'<a href="{href}" target="_blank">a</a>') == (
        f'<a href="{href}" target="_blank" rel="noopener">a</a>'
    )


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</p></td></table>", "{{ 7 | times: 7 }}"],
)  # fmt: skip
def test_a_name_is_text_whatever_it_contains(name: str) -> None:
    mail = rendered("<p>Dear {{ name }}!</p>", "Hi {{ name }}", {"name": name})
    assert mail.subject == f"Hi {name}"
    assert mail.text == f"Dear {name}!"
    assert "<script" not in mail.html
    assert "<img" not in mail.html
    assert mail.html.count("</table>") == 2


def test_a_value_in_a_link_cannot_become_a_script_or_leave_its_attribute() -> None:
    def link(url: str) -> str:
        return content('<a href="{{ url }}">a</a>', {"url": url})

    assert link("javascript:alert(1)") == '<a rel="noopener">a</a>'
    assert link("https://x.example/?a=1&b=2") == (
        '<a href="https://x.example/?a=1&amp;b=2" rel="noopener">a</a>'
    )
    assert link('https://x.example/"onclick="alert(1)') == (
        '<a href="https://x.example/&quot;onclick=&quot;alert(1)" rel="noopener">a</a>'
    )


def test_capture_and_filters_are_no_way_past_the_cleaner() -> None:
    assert content("{% capture x %}<scr{% endcapture %}{{ x }}ipt>alert(1)</script>a") == "a"
    assert content("{{ '<script>alert(1)</script>a' }}") == "a"
    assert content("{{ x | url_decode }}", {"x": "%3Cscript%3E"}) == "&lt;script&gt;"


def test_a_loop_stays_in_its_table() -> None:
    body = (
        "<table><tbody>{% for item in items %}<tr><td>{{ item.title }}</td>"
        "<td>{{ item.price }}</td></tr>{% endfor %}</tbody></table>"
    )
    assert content(body) == (
        "<table><tbody><tr><td>Mug &amp; Cup</td><td>12.50</td></tr>"
        "<tr><td>Poster</td><td>129.90</td></tr></tbody></table>"
    )


def test_what_a_rich_editor_makes_of_operators_is_read() -> None:
    body = "<p>{% if items.size &gt;&nbsp;1 and name != &quot;x&quot; %}many{% endif %}</p>"
    assert content(body) == "<p>many</p>"


# What would stop the process ----------------------------------------------------------------


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 5_000,  # css-inline: stack overflow from about 8,000
        "<div>" * 19_000,
        "<table><tr><td>" * 6_000,
        "<b title=1>" * 300,
        "<p>" + "".join(f"<b title={i}>" for i in range(3_000)) + "<p>x" * 3_000,  # 2.4 GB
        "<p>" + "".join(f"<b/title={i}>" for i in range(3_000)) + "<p>x" * 3_000,
        "".join(f"<b title={i}><table><td></b></table>" for i in range(2_000)) + "<p>x" * 2_000,
        "<a>" * 200_000,
        "x" * 1_000_001,
    ],
)
def test_html_that_no_parser_survives_is_refused(html: str) -> None:
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30));"
        "from mails.html import HtmlError, cleaned, styled;"
        "from mails.text import plain_text\n"
        "try: clean = cleaned(sys.stdin.read()); styled(clean); plain_text(clean)\n"
        "except HtmlError as error: print(error)"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", "import django; from django.conf import settings;"
         f"settings.configure(USE_I18N=False); {script}"],
        input=html, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("The mail")
    assert time.monotonic() - began < 15


def test_a_large_newsletter_is_not_refused() -> None:
    item = (
        '<tr><td style="padding:4px"><a href="https://x.example/{i}"><strong>Item {i}</strong>'
        '</a><br><span style="color:#555">text</span></td><td align="right">1.00</td></tr>'
    )
    body = "<table>" + "".join(item.format(i=i) for i in range(600)) + "</table>"
    assert cleaned(body).count("<strong>") == 600


def test_a_bomb_in_the_body_is_a_template_error() -> None:
    with pytest.raises(TemplateError, match=r"^Body: The mail's tags are nested more than 200"):
        rendered("{% for i in (1..300) %}<div>{% endfor %}")
    with pytest.raises(TemplateError, match=r"^Body: Line 1, .* more than 500000 characters\.$"):
        rendered("{% for i in (1..9999) %}" + "x" * 100 + "{% endfor %}")


# The whole mail -----------------------------------------------------------------------------


def test_the_layout_surrounds_the_content() -> None:
    html = rendered("<p>Hello</p>", "A <b> & C").html
    assert html.startswith(
        '<!DOCTYPE html><html lang="en" dir="ltr"><head>\n<meta charset="utf-8">'
    )
    assert "<title>A &lt;b&gt; &amp; C</title>" in html
    assert "@media (prefers-color-scheme: dark)" in html
    assert '<meta name="color-scheme" content="light dark">' in html
    assert html.count("<style>") == html.count("</style>") == 1
    assert '\n<p style="margin: 0 0 16px 0;">Hello</p>\n</td>' in html
    assert "\x00" not in html


def test_language_and_direction_are_the_mails() -> None:
    assert '<html lang="he" dir="rtl">' in rendered(language="he").html
    assert '<html lang="de-ch" dir="ltr">' in rendered(language="de-ch").html
    assert '<html lang="&quot;>" dir="ltr">' in rendered(language='">').html


def test_the_layouts_styles_are_written_into_the_tags_and_own_styles_win() -> None:
    html = rendered(
        '<p class="muted" style="margin:0">a</p><a class="button" href="https://x.example">b</a>'
    ).html
    assert '<p class="muted" style="color: #5f6b7a;margin:0">a</p>' in html.replace(
        "margin: 0", "margin:0"
    )
    assert "background-color: #1a5fb4" in html


def test_nothing_is_fetched() -> None:
    html = rendered('<link rel="stylesheet" href="http://127.0.0.1:9/x.css"><p>a</p>').html
    assert "127.0.0.1" not in html


def test_the_same_data_make_the_same_mail_byte_for_byte() -> None:
    body = "{% for i in items %}<p>{{ i.title }}</p>{% endfor %}"
    assert rendered(body) == rendered(body)


# The text -----------------------------------------------------------------------------------


def test_the_text_keeps_links_lists_and_tables_readable() -> None:
    mail = rendered(
        '<h1>Your cart</h1><p>Hello {{ name }},<br>you left something:</p>'
        "<table><thead><tr><th>Item</th><th>Price</th></tr></thead><tbody>{% for i in items %}"
        "<tr><td>{{ i.title }}</td><td>{{ i.price }}</td></tr>{% endfor %}</tbody></table>"
        '<p><a href="https://shop.example/cart">Go to <b>your cart</b></a></p>'
        "<ul><li>one</li><li>two</li></ul>"
        '<p><img src="https://x.example/a.png" alt="Our logo"><img src="https://x.example/b.png"></p>'
        '<p>Write to <a href="mailto:a@shop.example">a@shop.example</a> or see '
        '<a href="https://shop.example/">https://shop.example</a></p>'
    )  # fmt: skip
    assert mail.text == (
        "Your cart\n=========\n\n"
        "Hello O'Brien & Co,\nyou left something:\n\n"
        "Item        Price\n---------  ------\nMug & Cup   12.50\nPoster     129.90\n\n"
        "Go to your cart:\nhttps://shop.example/cart\n\n"
        "  * one\n  * two\n\n"
        "[Our logo]\n\n"
        "Write to a@shop.example or see https://shop.example"
    )


def test_an_empty_body_has_an_empty_text() -> None:
    assert rendered("").text == ""
    assert rendered("<p> </p>").text == ""


def test_hidden_text_is_not_in_the_text() -> None:
    assert rendered('<p style="display:none">a</p><p>b</p>').text == "b"


@pytest.mark.parametrize(
    "value", ["a\r\nb", "a\x0bb", "a\0b", "a\ud800b", "👍", "שלום", "<3 & >", "]]>"]
)
def test_strange_values_reach_the_mail(value: str) -> None:
    mail = rendered("<p>{{ x }}</p>", "{{ x }}", {"x": value})
    mail.html.encode()
    mail.text.encode()
    mail.subject.encode()


def test_cells_of_a_table_for_the_looks_follow_each_other() -> None:
    long = "word " * 30
    mail = rendered(
        f"<table><tr><td><p>{long}</p></td><td>"
        "<table><tr><td>a</td><td>1.00</td></tr><tr><td>bcd</td><td>2.00</td></tr></table>"
        "</td></tr></table>"
    )
    assert mail.text == (
        f"{('word ' * 15).strip()}\n{('word ' * 15).strip()}\n\na    1.00\nbcd  2.00"
    )


@pytest.mark.parametrize(
    "body",
    [
        f"<table><tr><td>{'x' * 150_000}</td></tr>{'<tr><td>a</td></tr>' * 4000}</table>",  # 4 GB
        f"<ul style='padding-left:900000em'>{'<li>x</li>' * 500}</ul>",  # 500 MB
        f"<p style='margin-left:900000em'>x</p><p style='margin-top:900000em'>x</p>{' ' * 200_000}",
    ],
)
def test_the_text_is_no_longer_than_what_it_is_made_of(body: str) -> None:
    assert len(rendered(body).text) < len(body)
