"""An existing project takes all of Flint in, from the wheel, by what docs/tutorial.md says."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polib
import pytest

from tests.machine import free_port
from tests.projects import ROOT, Project
from tests.smtp import SmtpServer
from tests.visitor import Visitor
from tests.waiting import wait_until

TUTORIAL = ROOT / "docs" / "tutorial.md"
ADMIN = {
    "DJANGO_SUPERUSER_USERNAME": "ann",
    "DJANGO_SUPERUSER_PASSWORD": "secret",
    "DJANGO_SUPERUSER_EMAIL": "ann@example.com",
}
#: What the project had before: an admin with its own name and looks.
THEIR_LOOKS = (
    '{% extends "admin/base.html" %}{% block title %}Their shop{% endblock %}'
    '{% block branding %}<div id="site-name">Their shop</div>{% endblock %}'
    "{% block extrastyle %}<style>/* their style */</style>{% endblock %}"
)
#: Where the product is in the admin of a superuser.
PAGES = [
    "automation_chains/chain",
    "automation_chains/chainrun",
    "automation_chains/chainstart",
    "automation_chains/startchain",
    "automation_rules/segment",
    "automation_events/eventrecord",
    "automation_events/listenercall",
    "automation_events/webhook",
    "automation_events/webhookcall",
    "generators/generator",
    "mails/account",
    "mails/layout",
    "mails/mail",
    "mails/message",
    "mails/picture",
    "mails/snippet",
]
LOOKS_IN = """
from django.test import Client
ann = Client(SERVER_NAME="localhost")
ann.force_login(User.objects.get(username="ann"))
print(ann.get("/admin/").content.decode())
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.sqlite_only,
    pytest.mark.timeout(600),  # with the installation, which is counted to the first test
]


@pytest.fixture(scope="module")
def shop(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The tutorial's project, to the point where the two processes are started."""
    project = Project.start(installed, tmp_path_factory.mktemp("shop"))
    project.write("templates/admin/base_site.html", THEIR_LOOKS)
    project.write("shop/settings.py", 'TEMPLATES[0]["DIRS"] = [BASE_DIR / "templates"]')
    project.write("orders/__init__.py", "")
    project.take(TUTORIAL)
    project.manage("makemigrations", "orders")
    project.manage("migrate")
    project.manage("createsuperuser", "--noinput", **ADMIN)
    return project


@pytest.fixture(scope="module")
def ann(shop: Project) -> Iterator[Visitor]:
    """The superuser, signed in at the running site."""
    port = free_port()
    with shop.running("runserver", f"127.0.0.1:{port}", "--noreload"):
        wait_until(lambda: _answers(port), 60, "The site answers")
        visitor = Visitor(f"http://127.0.0.1:{port}")
        visitor.open("/admin/")
        visitor.fill("Username", "ann")
        visitor.fill("Password", "secret")
        visitor.press("Log in")
        yield visitor


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def fill(visitor: Visitor, form: str) -> None:
    """Write into the form that is open what the tutorial wants there."""
    (rows,) = re.findall(rf"<!-- form: {form} -->\n((?:\|.*\n)+)", TUTORIAL.read_text())
    for field, value in re.findall(r"^\| (.+?) \| (.+?) \|$", rows, re.M):
        visitor.fill(field, value)


def order(visitor: Visitor, number: str) -> None:
    """Save a row of the project's own model, at its own page."""
    visitor.open("/admin/orders/order/add/")
    for field, value in {
        "Customer": "ann@example.com",
        "Number": number,
        "Status": "Paid",
        "Total": "19.90",
    }.items():
        visitor.fill(field, value)
    visitor.press("Save")


def status_of(visitor: Visitor, pk: int) -> str:
    page = visitor.open(f"/admin/orders/order/{pk}/change/")
    return str(page.get_element_by_id("id_status").value)


def found(checked: str) -> set[str]:
    return set(re.findall(r"\((\w+\.[EW]\d+)\)", checked))


def styles(page: Any) -> list[str]:
    """Of the product, as the page links to them."""
    links = [link.get("href") for link in page.iterfind(".//link[@rel='stylesheet']")]
    return [link for link in links if link.endswith("automation/admin.css")]


# What Django has to say -------------------------------------------------------------------


def test_the_checks_find_nothing_but_the_editor(shop: Project) -> None:
    assert found(shop.manage("check")) == {"ckeditor.W001"}


def test_no_migration_is_missing(shop: Project) -> None:
    assert shop.manage("makemigrations", "--check", "--dry-run").endswith("No changes detected\n")


def test_static_files_are_collected_and_none_is_there_twice(shop: Project) -> None:
    said = shop.manage("collectstatic", "--noinput")
    assert "Found another file" not in said
    collected = shop.path("static/automation/admin.css")
    assert collected.read_bytes() == (ROOT / "static/automation/admin.css").read_bytes()


# The pages --------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_our_looks_in_their_admin(ann: Visitor, page: str) -> None:
    opened = ann.open(f"/admin/{page}/")
    assert opened.findtext(".//title") == "Their shop"
    assert opened.findtext(".//style") == "/* their style */"
    (style,) = styles(opened)
    assert ann.fetch(style) == (ROOT / "static/automation/admin.css").read_text()


def test_these_are_all_the_pages(ann: Visitor) -> None:
    ann.open("/admin/")
    links = {a.get("href") for a in ann.page.iterfind(".//div[@id='content-main']//th/a")}
    apps = ("automation_", "generators", "mails")
    assert {link for link in links if link.startswith(tuple(f"/admin/{app}" for app in apps))} == {
        f"/admin/{page}/" for page in PAGES
    }


def test_their_own_pages_stay_as_they_were(ann: Visitor) -> None:
    assert styles(ann.open("/admin/orders/order/")) == []


def test_the_home_page_shows_the_state_of_things(ann: Visitor) -> None:
    opened = ann.open("/admin/")
    assert opened.findtext(".//title") == "Their shop"
    assert len(opened.find_class("state-of-things")) == len(styles(opened)) == 1


def test_whoever_monitors_gets_an_answer(ann: Visitor) -> None:
    assert ann.fetch("/healthz") == '{"status": "ok"}'


@pytest.mark.parametrize(
    ("instead", "shows_state", "title"),
    [
        (["django.contrib.admin", "automation"], False, "Site administration"),
        (["automation", "automation.apps.AdminConfig"], True, "Who, when and what"),
    ],
    ids=["behind the admin", "the site of ours"],
)
def test_the_other_ways_to_have_it(
    shop: Project, instead: list[str], shows_state: bool, title: str
) -> None:
    apps = f"INSTALLED_APPS = [*{instead!r}, *INSTALLED_APPS[2:]]"
    shop.write("shop/other.py", f"from shop.settings import *\n{apps}\n")
    shop.manage("check", "--settings", "shop.other")
    page = shop.shell(LOOKS_IN, DJANGO_SETTINGS_MODULE="shop.other")
    assert ("state-of-things" in page, f"<h1>{title}</h1>" in page) == (shows_state, True)


def test_it_speaks_german_where_the_project_does(shop: Project) -> None:
    shop.write("shop/german.py", "from shop.settings import *\nLANGUAGE_CODE = 'de'\n")
    page = shop.shell(LOOKS_IN, DJANGO_SETTINGS_MODULE="shop.german")
    catalogue = polib.pofile(str(ROOT / "automation/events/locale/de/LC_MESSAGES/django.po"))
    wanted = catalogue.find("are recorded, once for each of them.")
    assert wanted.msgstr in page


# The way ----------------------------------------------------------------------------------


def test_a_paid_order_is_thanked_for_and_the_projects_code_hears_of_it(
    shop: Project, ann: Visitor, smtp_server: SmtpServer
) -> None:
    """The tutorial from "Now the editor" on, over HTTP, with a cluster at work."""
    ann.open("/admin/orders/customer/add/")
    ann.fill("First name", "Ann")
    ann.fill("Email", "ann@example.com")
    ann.press("Save")
    order(ann, "A-1")
    ann.open("/admin/generators/generator/add/")
    fill(ann, "generator")
    ann.press("Next: the conditions")
    fill(ann, "conditions")
    ann.press("Save and see who matches")
    assert "ann@example.com" in ann.says()
    assert len(styles(ann.page)) == 1
    ann.open("/admin/mails/mail/add/")
    fill(ann, "mail")
    ann.press("Save and preview")
    assert "Thank you, Ann" in ann.says()
    assert len(styles(ann.page)) == 1
    ann.open("/admin/generators/generator/1/change/")
    ann.follow("Arm …")
    assert "1 event would be made at once" in ann.says()
    assert len(styles(ann.page)) == 1
    ann.press("Arm it")
    mailbox = shop.path("mailbox")
    with shop.running("run_cluster"):
        ann.press("Run now")
        said = wait_until(lambda: "".join(map(Path.read_text, mailbox.glob("*"))), 60, "A file")
    assert "\nSubject: Thank you, Ann\n" in said

    server = f"EMAIL_HOST, EMAIL_PORT = '{smtp_server.host}', {smtp_server.port}"
    backend = "EMAIL_BACKEND = 'django.core.mail.backends.smtp.EmailBackend'"
    shop.write("shop/settings.py", f"{backend}\n{server}\n")
    with shop.running("run_cluster"):
        order(ann, "A-2")
        wait_until(lambda: smtp_server.received, 60, "The mail arrives")
        wait_until(lambda: status_of(ann, 2) == "packing", 60, "The listener has heard")
    (received,) = smtp_server.received
    assert received.recipients == ("ann@example.com",)
    assert received.subject == "Thank you, Ann"
    assert "Your order A-2 over 19.90 is paid." in received.text

    exported = shop.manage("export_definitions", with_errors=False)
    shop.write("orders/definitions.json", exported)
    assert "\nRan 1 test in " in shop.manage("test")
