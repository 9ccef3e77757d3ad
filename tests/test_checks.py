"""System checks: each misuse that can be seen at start is told with an id, a sentence and a hint.

docs/checks.md lists all ids; what is not shown here is shown where the feature is tested.
"""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.test.utils import override_settings
from django.utils import timezone

from automation.demo.models import Cart
from automation.events import register
from automation.events.class_checks import (
    check_defaults_of_events,
    check_length_of_events,
    check_methods_of_observers,
    check_names_of_events,
    check_registered,
)
from automation.rules import conf
from automation.rules.checks import check_names, check_people, check_settings
from automation.rules.models import BrokenRule, Segment
from automation.rules.project_checks import (
    check_admin,
    check_apps,
    check_databases,
    check_time_zones,
)
from automation.rules.sources import OutOfReach, Source, sources
from generators import Description, DescriptionError, events_from
from mails.checks import check_accounts, check_backends, check_message_ids, check_times
from tests.observed import registries

ROOT = Path(__file__).resolve().parent.parent
ID = re.compile(r"\b(?:automation_(?:rules|events|chains)|generators|mails)\.[EW]\d{3}\b")

pytestmark = pytest.mark.sqlite_only


def told(found: list[CheckMessage]) -> list[tuple[str, str]]:
    """Each id with its sentence; all of them give a hint."""
    assert [message for message in found if not message.hint] == []
    return [(str(message.id), message.msg) for message in found]


# AUTOMATION -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, []),
        ({"NO_SUCH": 1}, [("E001", "AUTOMATION has an unknown key 'NO_SUCH'.")]),
        ([], [("E002", "AUTOMATION must be a dict, not list.")]),
        (None, [("E002", "AUTOMATION must be a dict, not NoneType.")]),
        (
            {"DELIVERY_LEASE": "60", "SITE_URL": None, "ACCOUNTS": {"a": 1}, "RECORD_CHUNK": 0},
            [
                ("E003", "AUTOMATION['RECORD_CHUNK'] is 0, and must be a whole number from 1 on."),
                (
                    "E003",
                    "AUTOMATION['DELIVERY_LEASE'] is '60', and must be a whole number from 1 on.",
                ),
                ("E003", "AUTOMATION['ACCOUNTS'] is {'a': 1}, and must be a dict of dicts."),
                ("E003", "AUTOMATION['SITE_URL'] is None, and must be a text."),
            ],
        ),
    ],
)
def test_what_of_automation_cannot_be_used_is_told_once(
    settings: Any, given: Any, expected: list[tuple[str, str]]
) -> None:
    settings.AUTOMATION = given
    assert told(check_settings()) == [(f"automation_rules.{id}", said) for id, said in expected]
    # No other check stumbles over it.
    ours = [each for each in checks.run_checks() if ID.fullmatch(str(each.id))]
    assert ours == check_settings()


def test_automation_that_is_no_dict_is_refused_when_it_is_read(settings: Any) -> None:
    settings.AUTOMATION = ["SITE_URL"]
    with pytest.raises(ImproperlyConfigured, match=r"^AUTOMATION must be a dict, not list\.$"):
        conf.get()


# The project ------------------------------------------------------------------------------


def test_a_project_without_use_tz_is_told(settings: Any) -> None:
    assert told(check_time_zones()) == []
    settings.USE_TZ = False
    assert told(check_time_zones()) == [
        (
            "automation_rules.E004",
            "USE_TZ is False: moments without a time zone can mean two moments, or none.",
        )
    ]


def test_an_app_that_our_pages_need_is_named(settings: Any) -> None:
    assert told(check_apps()) == []
    without = [app for app in settings.INSTALLED_APPS if app not in ("polymorphic", "ckeditor")]
    with override_settings(INSTALLED_APPS=without):
        found = told(check_apps())
    assert found == [
        (
            "automation_rules.E005",
            "'polymorphic' is not in INSTALLED_APPS, and automation.rules needs it.",
        ),
        ("automation_rules.E005", "'ckeditor' is not in INSTALLED_APPS, and mails needs it."),
    ]


def test_a_project_without_the_admin_in_its_urls_is_told(settings: Any) -> None:
    assert told(check_admin()) == []
    settings.ROOT_URLCONF = "automation.events.urls"
    assert told(check_admin()) == [
        (
            "automation_rules.W002",
            "The admin is not in the project's urlpatterns, and Flint is used in it.",
        )
    ]


@pytest.mark.parametrize(
    ("left_out", "said"),
    [
        ("django.contrib.contenttypes", "automation.rules needs 'django.contrib.contenttypes'"),
        ("django_q", "automation.events needs 'django_q'"),
        ("automation.rules", "automation.events needs 'automation.rules'"),
        ("automation.events", "generators needs 'automation.events'"),
    ],
)
def test_an_app_that_ours_are_made_of_is_asked_for_in_the_first_line(
    tmp_path: Path, left_out: str, said: str
) -> None:
    code = (
        "import django; from tests.shapes import settings as shapes\n"
        "from django.conf import settings\n"
        "given = {name: getattr(shapes, name) for name in dir(shapes) if name.isupper()}\n"
        f"given['INSTALLED_APPS'].remove({left_out!r})\n"
        "order = ['automation.rules', 'automation.events', 'generators', 'mails']\n"
        "apps = [app for app in given['INSTALLED_APPS'] if app not in order]\n"
        "ours = [app for app in order if app in given['INSTALLED_APPS']]\n"
        "given['INSTALLED_APPS'] = [*ours, *apps]\n"
        "settings.configure(**given); django.setup()"
    )
    result = python(code, tmp_path)
    assert result.stderr.splitlines()[-1] == (
        f"django.core.exceptions.ImproperlyConfigured: {said} in INSTALLED_APPS. "
        f'Add to it: "{left_out}", (docs/projects.md lists all that Flint needs.)'
    )


def python(code: str, directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "SHAPES_DIRECTORY": str(directory), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


# Databases --------------------------------------------------------------------------------


class Elsewhere:
    """Sends some apps to another database, reads some from a copy, gives some no tables."""

    def __init__(self, write: str = "", read: str = "", untabled: str = "") -> None:
        self.write, self.read, self.untabled = write, read, untabled

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return "other" if model._meta.app_label in self.write.split() else None

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        reads = model._meta.app_label in self.read.split()
        return "copy" if reads else self.db_for_write(model)

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return False if app_label in self.untabled.split() else None


@pytest.mark.parametrize(
    ("router", "expected"),
    [
        (Elsewhere(), []),
        (Elsewhere(write="sessions"), []),
        (
            Elsewhere(write="mails"),
            ["The app 'mails' is written to the database 'other'."],
        ),
        (
            Elsewhere(write="auth contenttypes"),
            [
                "The app 'contenttypes' is written to the database 'other'.",
                "The app 'auth' is written to the database 'other'.",
            ],
        ),
        (
            Elsewhere(read="automation_events"),
            ["The app 'automation_events' is read from the database 'copy'."],
        ),
        (Elsewhere(untabled="generators"), ["The app 'generators' gets no tables."]),
    ],
)
def test_what_is_ours_has_to_be_in_one_database(
    settings: Any, router: Elsewhere, expected: list[str]
) -> None:
    settings.DATABASE_ROUTERS = [router]
    found = [(id, said.partition(". ")[0] + ".") for id, said in told(check_databases())]
    assert found == [("automation_rules.E006", said) for said in expected]


def test_a_source_in_another_database_is_an_error_and_never_asked(settings: Any) -> None:
    settings.DATABASE_ROUTERS = [Elsewhere(write="demo")]
    # The kind of condition of the shop's app has to be where rules are.
    others = [each for each in told(check_databases()) if each[0] == "automation_rules.E006"]
    assert len(others) == 1
    found = {said for id, said in told(check_databases()) if id == "automation_rules.E007"}
    assert (
        "The source 'demo.cart' reads demo.Cart from the database 'other'; rules and events are "
        "in 'default', and both are asked in one query."
    ) in found
    reason = (
        "The rows of demo.Cart are in the database “other”; rules and events are in “default”, "
        "and both are asked in one query."
    )
    with pytest.raises(OutOfReach) as refused:
        sources.get("demo.cart")
    assert str(refused.value) == reason
    assert sources.choices() == []
    described = Description("demo.cart", "cart_left", every_row=True)
    with pytest.raises(DescriptionError) as wrong:
        events_from([described])
    assert wrong.value.problems == [f"“cart_left”: {reason}"]
    with pytest.raises(OutOfReach):
        Source(Cart, ["status"]).rows()
    with pytest.raises(BrokenRule) as broken:
        Segment(source="demo.cart").rows(timezone.now())
    assert str(broken.value) == Segment(source="demo.cart").sentence() == reason


def test_rows_are_asked_where_they_are_written_and_not_in_a_copy(settings: Any) -> None:
    settings.DATABASE_ROUTERS = [Elsewhere(read="demo")]
    assert Cart.objects.all().db == "copy"
    assert sources.get("demo.cart").rows().db == "default"
    assert told(check_databases())[0][0] == "automation_rules.E006"  # the shop's condition


# Sources ----------------------------------------------------------------------------------


def test_what_a_source_says_of_a_person_has_to_be_text() -> None:
    wrong = Source(Cart, ["status"], recipient="customer__id", language="total", name="wrong")
    right = Source(Cart, ["status"], recipient="customer__email", name="right")
    with sources.registered(wrong, right):
        assert told(check_people()) == [
            (
                "automation_rules.E008",
                "The source 'demo.wrong' takes its recipient from 'customer__id', which holds no "
                "texts.",
            ),
            (
                "automation_rules.E008",
                "The source 'demo.wrong' takes its language from 'total', which holds no texts.",
            ),
        ]


def test_a_model_without_rows_is_refused() -> None:
    class Base(models.Model):
        name = models.CharField(max_length=10)

        class Meta:
            abstract = True
            app_label = "demo"

    with pytest.raises(ImproperlyConfigured, match="demo.Base is abstract: it has no rows"):
        sources.register(Source(Base, ["name"]))


# Events and listeners ---------------------------------------------------------------------


@pytest.fixture
def careless(settings: Any) -> Iterator[None]:
    from tests.shapes.careless import listeners

    with (
        registries(),
        override_settings(INSTALLED_APPS=[*settings.INSTALLED_APPS, "tests.shapes.careless"]),
    ):
        register(listeners.Mistyped)
        yield


CARELESS = "tests.shapes.careless.listeners"


def test_what_a_project_writes_with_care_is_not_told_of() -> None:
    import tests.shapes.careless.listeners  # noqa: F401 - of no installed app

    found = [check_registered(), check_names_of_events(), check_length_of_events()]
    assert [*found, check_defaults_of_events(), check_methods_of_observers()] == [[]] * 5


def test_a_listener_that_was_never_registered_is_told(careless: None) -> None:
    assert told(check_registered()) == [
        (
            "automation_events.W001",
            f"{CARELESS}.Forgotten is not registered, so nothing calls it.",
        )
    ]


def test_two_events_of_one_name_are_told(careless: None) -> None:
    assert told(check_names_of_events()) == [
        (
            "automation_events.E005",
            f"The events {CARELESS}.Paid and {CARELESS}.PaidAgain have the same name "
            "'careless_paid'.",
        )
    ]


def test_an_event_whose_class_has_too_long_a_name_is_told(careless: None) -> None:
    long = "PaidByAnAgreementThatHasAVeryLongNameWhichNobodyHasEverThoughtOfShortening"
    assert told(check_length_of_events()) == [
        (
            "automation_events.W002",
            f"{CARELESS}.{long} cannot be recorded: its group has 107 characters, and the most "
            "are 100.",
        )
    ]


def test_a_default_that_only_a_dataclass_has_is_told(careless: None) -> None:
    assert told(check_defaults_of_events()) == [
        (
            "automation_events.E006",
            f"{CARELESS}.Defaulted: the default of recipient has no effect, because the class is "
            "no dataclass.",
        )
    ]


def test_a_mistyped_method_beside_a_right_one_is_told(careless: None) -> None:
    assert told(check_methods_of_observers()) == [
        (
            "automation_events.W003",
            f"{CARELESS}.Mistyped.upated is never called. Did you mean 'updated'?",
        )
    ]


# Mail -------------------------------------------------------------------------------------


def test_mailers_that_are_no_dict_are_told_once(settings: Any) -> None:
    settings.MAILERS = ["news"]
    found = [("mails.E010", "MAILERS must be a dict of accounts by name.")]
    assert told(check_accounts()) == found
    assert check_times() == check_backends() == []


@pytest.mark.parametrize(
    ("domain", "is_one"),
    [
        ("mail.example.com", True),
        ("localhost", True),
        ("bücher.example", True),
        ("https://example.com", False),
        ("a@example.com", False),
        ("example.com.", False),
        ("-x.example", False),
        ("two words", False),
    ],
)
def test_the_domain_of_message_ids_has_to_be_one(settings: Any, domain: str, is_one: bool) -> None:
    settings.AUTOMATION = {"MESSAGE_ID_DOMAIN": domain}
    said = f"AUTOMATION['MESSAGE_ID_DOMAIN'] is no domain: '{domain}'."
    assert told(check_message_ids()) == ([] if is_one else [("mails.E011", said)])


def test_an_account_that_sends_nothing_is_told_before_a_deployment(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    assert told(check_backends()) == []
    settings.MAILERS = {"news": {"BACKEND": "django.core.mail.backends.dummy.EmailBackend"}}
    assert told(check_backends()) == [
        (
            "mails.W001",
            "The e-mail account 'news' sends nothing: django.core.mail.backends.dummy.EmailBackend "
            "is for development.",
        )
    ]


# The list ---------------------------------------------------------------------------------


LABELS = {
    "automation/rules": "automation_rules",
    "automation/events": "automation_events",
    "automation/chains": "automation_chains",
    "generators": "generators",
    "mails": "mails",
}


def ids_of_the_code() -> set[str]:
    """Ids stand in the code whole, or without the app's label."""
    found = set()
    for folder, label in LABELS.items():
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                given = str(node.value) if isinstance(node, ast.Constant) else ""
                if ID.fullmatch(given):
                    found.add(given)
                elif re.fullmatch(r"[EW]\d{3}", given):
                    found.add(f"{label}.{given}")
    return found


def test_every_id_stands_in_the_table_and_every_row_is_an_id() -> None:
    table = re.findall(r"^\| `([\w.]+)` \|", (ROOT / "docs" / "checks.md").read_text(), re.M)
    assert sorted(table) == sorted(ids_of_the_code())


def test_every_id_is_raised_by_a_test() -> None:
    files = [path.read_text() for path in sorted((ROOT / "tests").glob("test_*.py"))]
    named = set(ID.findall("\n".join(files)))
    # These tests name them without the app's label.
    for name, label in (
        ("test_checks.py", "automation_rules"),
        ("test_cluster_checks.py", "automation_events"),
    ):
        text = (ROOT / "tests" / name).read_text()
        named |= {f"{label}.{number}" for number in re.findall(r'"([EW]\d{3})"', text)}
    assert ids_of_the_code() - named == set()


@pytest.mark.parametrize(
    ("name", "meaning"), [("event", "the event itself"), ("mail", "the mail that is written")]
)
def test_a_row_is_not_called_what_templates_know_as_something_else(name: str, meaning: str):
    assert check_names() == []
    with sources.registered(Source(Cart, ["status"], name=name)):
        assert told(check_names()) == [
            (
                "automation_rules.E009",
                f"The source 'demo.{name}' calls its rows '{name}', which templates know as "
                f"{meaning}.",
            )
        ]
