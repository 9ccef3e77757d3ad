"""``path("", include("automation.endpoints"))``: one line, and told where it is missing."""

from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import Client
from django.urls import reverse

from automation.rules.checks import check_looks
from mails.embedding import public_url

BOTH = {"SITE_URL": "https://shop.example", "METRICS_TOKEN": "token"}
PICTURE = f"{'0' * 64}.png"

pytestmark = pytest.mark.sqlite_only


def found() -> list[str]:
    return sorted(str(message.id) for message in run_checks())


@pytest.mark.parametrize("urls", ["automation.urls", "tests.below_a_prefix"])
def test_with_the_endpoints_nothing_is_missed(settings: Any, urls: str) -> None:
    settings.ROOT_URLCONF, settings.AUTOMATION = urls, BOTH
    assert found() == ["ckeditor.W001"]


def test_without_them_the_checks_name_what_does_not_work(settings: Any) -> None:
    settings.ROOT_URLCONF, settings.AUTOMATION = "tests.without_endpoints", BOTH
    assert found() == ["automation_events.W301", "ckeditor.W001", "mails.E004"]


def test_whoever_needs_none_of_them_may_leave_them_out(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.without_endpoints"
    assert found() == ["ckeditor.W001"]


@pytest.mark.django_db
def test_below_a_prefix_everything_answers_there(client: Client, settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.below_a_prefix"
    settings.AUTOMATION = {"METRICS_TOKEN": "token"}
    assert client.get("/flint/healthz").json() == {"status": "ok"}
    assert client.get("/flint/healthz/cluster").headers["Content-Type"] == "application/json"
    figures = client.get("/flint/metrics", headers={"Authorization": "Bearer token"})
    assert (figures.status_code, b"# HELP" in figures.content) == (200, True)
    assert client.get("/healthz").status_code == 404


def test_links_to_pictures_have_the_prefix(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.below_a_prefix"
    assert public_url("https://shop.example", PICTURE) == (
        f"https://shop.example/flint/mails/pictures/{PICTURE}"
    )
    assert reverse("automation_events:healthz") == "/flint/healthz"


def test_without_the_app_that_brings_them_missing_pages_are_an_error(settings: Any) -> None:
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": []}]
    assert found() == ["automation_rules.E201", "ckeditor.W001"]


def test_pages_without_their_looks_are_told(settings: Any) -> None:
    settings.STATICFILES_DIRS = []
    assert found() == ["automation_rules.W003", "ckeditor.W001"]
    settings.INSTALLED_APPS = [
        app for app in settings.INSTALLED_APPS if app != "django.contrib.staticfiles"
    ]
    assert check_looks() == []  # they come from elsewhere
