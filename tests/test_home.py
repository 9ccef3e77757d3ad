"""The home page says whether everything works, to each as far as they may see it."""

import datetime
import re
from html import unescape

import lxml.html
import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from django.utils import timezone
from django_q.models import Schedule
from playwright.sync_api import Page, expect

from automation.events.cluster import heartbeat
from automation.events.health import Examination, Finding, Level, examinations
from automation.events.schedule import TICK_NAME
from automation.events.states import State
from generators.models import Generator
from mails.models import Message
from tests import shop
from tests.processes import start_manage
from tests.test_admin_queries import grows
from tests.test_health import messages

pytestmark = pytest.mark.django_db

MINUTE = datetime.timedelta(minutes=1)


@pytest.fixture(autouse=True)
def works(db):
    """A cluster is at work."""
    Schedule.objects.filter(name=TICK_NAME).update(next_run=timezone.now() + MINUTE)
    heartbeat.beat("web:1", timezone.now())


def state(client) -> str:
    """The text of the panel; empty if there is none."""
    page = client.get(reverse("admin:index")).content.decode()
    found = re.search(r'<section class="state-of-things.*?</section>', page, re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", found[0])).split()) if found else ""


def staff(client, *permissions):
    user = User.objects.create_user("eve", password="eve", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return client


def test_a_healthy_site_is_one_line(admin_client):
    assert state(admin_client) == (
        "Everything works. The cluster was at work less than a minute ago."
    )


def test_what_waits_and_what_was_sent_are_numbers(admin_client):
    shop.generator()
    messages(2)
    messages(3, state=State.SENT, sent_at=timezone.now())
    assert state(admin_client) == (
        "Everything works. The cluster was at work less than a minute ago. "
        "Messages 2 waiting 3 sent today Generators 1 armed"
    )


def test_what_needs_somebody_is_told_with_the_next_step(admin_client):
    messages(1, state=State.UNKNOWN)
    assert state(admin_client) == (
        "It works. Please look at this. The cluster was at work less than a minute ago. "
        "Messages: 1 unknown They were handed over, and no answer came. Find out, for example "
        "from the mail server's log, and settle them. What you cannot put right yourself, "
        "whoever runs this site can. Messages 1 unknown"
    )


def test_the_worst_comes_first(admin_client):
    messages(1, state=State.FAILED)
    heartbeat.beat("web:1", timezone.now() - 181 * MINUTE)
    said = state(admin_client)
    assert said.startswith(
        "Something does not work. The cluster was last at work 3 hours ago. The cluster does not "
        "run: nothing is sent, and no generator runs."
    )
    assert said.index("does not run") < said.index("1 failed within a day")


def test_a_number_is_for_who_may_see_the_list(client):
    messages(1, state=State.FAILED)
    shop.generator().pause("There is no such field.")
    said = state(staff(client, "view_generator"))
    assert "Paused: " in said
    assert "Messages" not in said


def test_who_may_not_see_what_is_wrong_is_not_told_that_all_is_well(client):
    late = timezone.now() - 20 * MINUTE
    messages(1, not_before=late)
    assert state(staff(client, "view_generator")) == (
        "Something does not work. The cluster was at work less than a minute ago. In a list that "
        "you may not open, something is wrong. Tell somebody who looks after this site. "
        "What you cannot put right yourself, whoever runs this site can."
    )


def test_it_tells_the_way_of_a_row_to_a_message(admin_client):
    page = lxml.html.fromstring(admin_client.get(reverse("admin:index")).content.decode())
    stages = [
        " ".join(each.text_content().split()) for each in page.xpath("//ol[@class='the-way']/li")
    ]
    assert stages == [
        "Generators find the rows that you mean, such as carts left for two days.",
        "Chains take them through steps over time, such as a reminder and then a voucher.",
        "Events are recorded, once for each of them.",
        "Mails say what is sent for events of a group.",
        "Messages are what went out, to whom, and what did not.",
    ]


def test_the_way_knows_the_apps_that_are_installed(tmp_path):
    (tmp_path / "without_chains.py").write_text(
        "from automation.settings import *\n"
        "INSTALLED_APPS = [app for app in INSTALLED_APPS if app != 'automation.chains']\n"
    )
    program = (
        "from automation.events.health.way import way; print([str(each.name) for each in way])"
    )
    process = start_manage(
        *("shell", "--no-imports", "--settings", "without_chains", "--command", program),
        PYTHONPATH=str(tmp_path),
    )
    output, errors = process.communicate(timeout=60)
    assert output == "['Generators', 'Events', 'Mails', 'Messages']\n", errors


@pytest.mark.parametrize("permissions", [(), ("view_user",)])
def test_who_sees_nothing_of_the_product_sees_no_state(client, permissions):
    assert state(staff(client, *permissions)) == ""


def test_an_examination_that_fails_does_not_take_the_page_with_it(admin_client):
    def fails(now):
        raise RuntimeError("It broke.")

    with examinations.only(Examination("a", "The moon", "mails", fails, cheap=True)):
        assert "The moon: this could not be examined: RuntimeError: It broke." in (
            state(admin_client)
        )


def test_what_rows_say_is_text(admin_client):
    shop.generator(name="<b>bold</b>").pause("<script>alert(1)</script>")
    page = admin_client.get(reverse("admin:index")).content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "<b>bold" not in page


def test_it_asks_no_more_with_more_of_everything(admin_client):
    def make():
        messages(1, state=State.UNKNOWN)
        messages(1, not_before=timezone.now() - 20 * MINUTE)
        shop.generator().runs.create(started_at=timezone.now(), state="failed", error="It failed.")
        shop.generator().pause("There is no such field.")

    few, many = grows(admin_client, reverse("admin:index"), make)
    assert few == many
    assert (Message.objects.count(), Generator.objects.count()) == (24, 24)


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_the_screen_and_leads_to_the_list(superuser_page: Page, width: int):
    long = Finding(Level.PROBLEM, "x" * 300, "y" * 300, model=Message)
    count = Finding(Level.OK, "", model=Message, count=12345, figure="waiting")
    with examinations.only(Examination("a", "A", "mails", lambda now: [long, count], cheap=True)):
        superuser_page.set_viewport_size({"width": width, "height": 760})
        superuser_page.goto("/admin/")
        assert superuser_page.evaluate("document.documentElement.scrollWidth") == width
        superuser_page.get_by_role("link", name="12345 waiting").click()
        expect(superuser_page.get_by_role("heading", name="Messages")).to_be_visible()
