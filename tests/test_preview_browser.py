"""Previews in a real browser: nothing of a mail runs or asks for anything, and what was chosen
stays chosen."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from automation.events.states import State
from automation.events.tasks import deliver
from generators import running
from mails import proving
from mails.models import Layout, Mail, Message, Proof, Snippet, Variant
from tests import shop
from tests.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


class Recorder(ThreadingHTTPServer):
    """Remembers which addresses it was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Recorder

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    server = Recorder()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def unguarded_page(chromium: Browser, live_server: Any, superuser_page: Page) -> Iterator[Page]:
    """Signed in, in a context of its own: Chromium tells of what it has blocked as an error."""
    state = superuser_page.context.storage_state()
    context = chromium.new_context(base_url=live_server.url, storage_state=state)
    page = context.new_page()
    page.set_default_timeout(15_000)
    yield page
    context.close()


#: What of the dangers below is only a picture.
PICTURES = {"/svg-image", "/poster", "/video", "/background", "/table", "/cell", "/bullet"}

OPEN_ALL = "document.querySelectorAll('#content details').forEach(each => (each.open = true))"

#: What runs or asks for something as soon as it is shown, {} for the recorder's address.
DANGERS = [
    "<script>fetch('{}/script')</script>",
    '<script src="{}/script-src"></script>',
    '<img src="nothing" onerror="fetch(\'{}/onerror\')">',
    '<svg onload="fetch(\'{}/svg\')"><image href="{}/svg-image"/></svg>',
    '<iframe src="{}/iframe"></iframe>',
    "<iframe srcdoc=\"<script>fetch('{}/srcdoc')</script>\"></iframe>",
    '<link rel="stylesheet" href="{}/link">',
    "<style>@import url('{}/import'); p { background: url('{}/style') }</style>",
    '<form action="{}/form"><input autofocus onfocus="this.form.submit()"></form>',
    '<input type="image" src="{}/input">',
    '<meta http-equiv="refresh" content="0;url={}/refresh">',
    "<p style=\"background: url('{}/background')\">x</p>",
    '<table background="{}/table"><tr><td background="{}/cell">x</td></tr></table>',
    "<ul style=\"list-style-image: url('{}/bullet')\"><li>x</li></ul>",
    '<video src="{}/video" poster="{}/poster" autoplay></video>',
    '<object data="{}/object"></object><embed src="{}/embed">',
    "<details open ontoggle=\"fetch('{}/toggle')\">x</details>",
    '<math><mtext><img src="nothing" onerror="fetch(\'{}/math\')"></mtext></math>',
]


def danger(written: str, recorder: Recorder) -> str:
    return written.replace("{}", recorder.url)


def dangers(recorder: Recorder) -> str:
    return "".join(danger(each, recorder) for each in DANGERS)


def name_of(recorder: Recorder, number: int) -> str:
    """A name with one of the dangers, and a picture, which only a template may have."""
    return f'<img src="{recorder.url}/pixel">' + danger(DANGERS[number], recorder)


def cart(**values: Any) -> Any:
    return shop.cart(shop.customer(**values), now=timezone.now())


def prove(seconds: float = 100) -> None:
    proof = Proof.objects.get()
    assert proof.claim(timezone.now())
    proving.work(proof, seconds)


# Nothing runs and nothing is asked for --------------------------------------------------------


def test_the_dangers_are_dangers(unguarded_page: Page, recorder: Recorder) -> None:
    """What the other tests look for does happen where nobody prevents it."""
    for each in DANGERS:
        recorder.asked.clear()
        page = unguarded_page.context.new_page()
        page.goto("/admin/")
        page.set_content(danger(each, recorder), wait_until="commit")
        wait_until(lambda: recorder.asked, 5, each)
        page.close()


@pytest.fixture
def dangerous(recorder: Recorder) -> Mail:
    """A mail with all dangers in its body, its layout, its snippet and its variant, and rows of
    people who are called like them; one message was sent."""
    # Past the checks, as it could stand in the database of an older release.
    Layout.objects.create(
        name="L",
        slug="l",
        is_default=True,
        header=dangers(recorder),
        footer="<p>f</p>",
        styles=f"@import url({recorder.url}/css); .card {{ background: url({recorder.url}/card) }}",
    )
    Snippet.objects.create(name="S", slug="s", body=dangers(recorder))
    mail = shop.mail()
    body = "<p>Dear {{ cart.customer.first_name }}</p>" + dangers(recorder) + '{% render "s" %}'
    Mail.objects.update(body=body, preheader="{{ cart.customer.first_name }}")
    Variant.objects.create(
        mail=mail, language="de", subject="{{ cart.customer.first_name }}", body=body
    )
    generator = shop.generator()
    for number in range(len(DANGERS)):
        cart(first_name=name_of(recorder, number), last_name=name_of(recorder, number))
    running.run(generator, timezone.now())
    deliver("mails.Message")
    assert {message.state for message in Message.objects.all()} == {State.SENT}
    Proof.ask(mail, None, timezone.now())
    prove()
    return Mail.objects.get()


def look_at(page: Page, recorder: Recorder, *paths: str) -> set[str]:
    """What the pages asked the recorder for. They must stay where they are."""
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    for path in paths:
        page.goto(path)
        page.wait_for_timeout(400)
        page.evaluate(OPEN_ALL)
        assert page.url.endswith(path)
    assert dialogs == []
    return set(recorder.asked)


def test_nothing_in_a_mail_runs_or_asks_for_anything(
    unguarded_page: Page, recorder: Recorder, dangerous: Mail
) -> None:
    message = Message.objects.latest("pk")
    preview = reverse("admin:mails_mail_preview", args=[dangerous.pk])
    frame = reverse("admin:mails_mail_frame", args=[dangerous.pk])
    for path in (
        preview,
        f"{preview}?dark=1&size=phone",
        f"{preview}?view=text",
        f"{preview}?view=headers",
        f"{preview}?view=languages",
        f"{preview}?language=de",
        frame,
        f"{frame}?dark=1&language=de",
        reverse("admin:mails_mail_proof", args=[dangerous.pk]),
        reverse("admin:mails_layout_frame", args=[Layout.objects.get().pk]),
        reverse("admin:mails_message_change", args=[message.pk]),
        reverse("admin:mails_message_frame", args=[message.pk]),
        reverse("admin:automation_events_eventrecord_change", args=[message.event_id]),
    ):
        assert look_at(unguarded_page, recorder, path) == set(), path


def test_nothing_in_a_mail_runs_where_it_is_written(
    unguarded_page: Page, recorder: Recorder, dangerous: Mail
) -> None:
    """The editor shows pictures, as it does those that somebody puts there."""
    for path in (
        reverse("admin:mails_mail_change", args=[dangerous.pk]),
        reverse("admin:mails_layout_change", args=[Layout.objects.get().pk]),
        reverse("admin:mails_snippet_change", args=[Snippet.objects.get().pk]),
    ):
        assert look_at(unguarded_page, recorder, path) <= PICTURES, path


def test_nothing_in_a_name_runs_or_asks_for_anything(
    superuser_page: Page, recorder: Recorder
) -> None:
    """In a mail that is as it should be; the page's own guard tells what the browser blocks."""
    shop.generator()
    mail = shop.mail(
        body="<p>Dear {{ cart.customer.first_name }} {{ cart.customer.last_name }}</p>"
    )
    page = superuser_page
    for number in range(len(DANGERS)):
        person = cart(first_name=name_of(recorder, number), last_name="X")
        page.goto(f"/admin/mails/mail/{mail.pk}/preview/?q={person.pk}")
        expect(page.frame_locator(".mail-frame").locator("p").first).to_contain_text(
            f'Dear <img src="{recorder.url}/pixel">'
        )
    assert recorder.asked == []


def test_whatever_got_into_a_message_does_not_run(
    unguarded_page: Page, recorder: Recorder, dangerous: Mail
) -> None:
    """Even if cleaning had a hole: the frame's own policy holds."""
    # Pictures may be shown; cleaning is what keeps those out that nobody put there as such.
    pictures = ("background", "bullet", "poster", "svg", "input", "style")
    harmful = [each for each in DANGERS if not any(name in each for name in pictures)]
    raw = "".join(danger(each, recorder) for each in harmful)
    Message.objects.update(html=f"<p>Hello</p>{raw}")
    message = Message.objects.latest("pk")
    page = unguarded_page
    page.goto(reverse("admin:mails_message_change", args=[message.pk]))
    expect(page.frame_locator(".mail-frame").locator("p")).to_have_text("Hello")
    page.wait_for_timeout(400)
    page.goto(reverse("admin:mails_message_frame", args=[message.pk]))
    page.wait_for_timeout(400)
    assert recorder.asked == []


# What was chosen stays chosen -----------------------------------------------------------------


def test_the_phones_width_stays_when_something_else_is_chosen(superuser_page: Page) -> None:
    shop.generator()
    mail = shop.mail()
    Variant.objects.create(mail=mail, language="de", subject="Hallo", body="<p>Hallo</p>")
    for name in ("Ann", "Bert", "Carla"):
        cart(first_name=name)
    page = superuser_page
    page.goto(f"/admin/mails/mail/{mail.pk}/preview/")
    for link in ("Phone", "Dark", "Next →", "German", "As plain text", "As a mail", "← Previous"):
        page.get_by_role("link", name=link, exact=True).click()
    page.get_by_label("With").select_option(index=2)
    page.get_by_role("button", name="Show").click()
    frame = page.locator(".mail-frame")
    assert frame.bounding_box()["width"] == 377  # a phone's 375 and its border
    content = page.frame_locator(".mail-frame")
    assert content.locator("html").evaluate("e => [innerWidth, e.scrollWidth]") == [375, 375]
    background = "e => getComputedStyle(e).backgroundColor"
    assert content.locator(".page").evaluate(background) == "rgb(22, 24, 27)"
    expect(content.locator("p").first).to_have_text("Hallo")
    expect(page.get_by_text("3 of 3")).to_be_visible()


def test_it_works_without_scripts_and_by_keyboard(
    chromium: Browser, live_server: Any, superuser_page: Page
) -> None:
    shop.generator()
    mail = shop.mail()
    for name in ("ann", "berta"):
        cart(first_name=name, email=f"{name}@example.com")
    state = superuser_page.context.storage_state()
    context = chromium.new_context(
        base_url=live_server.url, storage_state=state, java_script_enabled=False
    )
    page = context.new_page()
    page.goto(f"/admin/mails/mail/{mail.pk}/preview/?size=phone")
    page.get_by_role("searchbox", name="Search").focus()
    page.keyboard.type("berta")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 of 1")).to_be_visible()
    expect(page.frame_locator(".mail-frame").locator("p").first).to_have_text("Dear berta")
    expect(page.get_by_role("link", name="Phone")).to_have_attribute("aria-current", "true")
    page.get_by_role("button", name="Proof with all 2 rows").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Waiting for the cluster")).to_be_visible()
    prove()
    page.get_by_role("link", name="Refresh").click()
    expect(page.get_by_text("Nothing is missing and nothing is wrong.")).to_be_visible()
    context.close()


def test_a_proof_is_followed_until_it_is_done(superuser_page: Page) -> None:
    shop.generator()
    mail = shop.mail()
    for name in ("Ann", "", "Carla"):
        cart(first_name=name, email=f"x{name}@example.com")
    page = superuser_page
    page.goto(f"/admin/mails/mail/{mail.pk}/preview/")
    page.get_by_role("button", name="Proof with all 3 rows that match now").click()
    expect(page.get_by_text("Waiting for the cluster …")).to_be_visible()
    prove(seconds=0)
    expect(page.get_by_text("1 of 3 rows")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "1")
    prove()
    expect(page.get_by_text("3 of 3 rows")).to_be_visible()
    expect(page.get_by_role("button", name="Proof with all 3 rows that match now")).to_be_visible()
    page.get_by_role("link", name="x@example.com").click()
    expect(page.get_by_text("No value for: cart.customer.first_name")).to_be_visible()


def test_a_proof_is_stopped_on_its_page(superuser_page: Page) -> None:
    shop.generator()
    mail = shop.mail()
    cart()
    cart()
    page = superuser_page
    page.goto(f"/admin/mails/mail/{mail.pk}/proof/")
    page.get_by_role("button", name="Proof with all 2 rows that match now").click()
    prove(seconds=0)
    expect(page.get_by_text("1 of 2 rows")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".state")).to_have_text("stopped")
    assert Proof.objects.get().done == 1


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_the_screen(superuser_page: Page, width: int) -> None:
    generator, mail = shop.generator(), shop.mail(name="A mail with quite a long name of its own")
    Variant.objects.create(mail=mail, language="de", subject="Hallo", body="<p>Hallo</p>")
    for number in range(3):
        long = f"wolfgang-amadeus.muellerluedenscheidt{number}@a-long-company-name.example.com"
        cart(email=long, first_name="" if number else "Wolfgang-Amadeus" * 5)
    running.run(generator, timezone.now())
    deliver("mails.Message")
    cart(first_name="", email="ann@example.com")
    Proof.ask(mail, None, timezone.now())
    prove()
    page = superuser_page
    page.set_viewport_size({"width": width, "height": 800})
    sent = Message.objects.get(state=State.SENT)
    preview = f"mails/mail/{mail.pk}/preview/"
    for path in (
        preview,
        f"{preview}?view=languages&size=phone",
        f"{preview}?view=headers",
        f"{preview}?view=text&q=wolfgang",
        f"mails/mail/{mail.pk}/proof/",
        f"mails/message/{sent.pk}/change/?size=phone",
    ):
        page.goto(f"/admin/{path}")
        page.evaluate(OPEN_ALL)
        assert page.evaluate("document.documentElement.scrollWidth") == width, path
