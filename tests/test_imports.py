"""Importing Flint asks for nothing: no database, no setting, no configured project."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.sqlite_only


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["automation", "automation.rules", "automation.events", "mails"])
def test_the_public_packages_can_be_imported_before_anything_is_configured(name: str) -> None:
    code = f"import {name}\nfrom django.conf import settings\nassert not settings.configured"
    result = run(code)
    assert (result.stderr, result.returncode) == ("", 0)


def test_what_needs_a_project_says_so() -> None:
    code = "from automation.events import Event, record\nrecord([Event('paid', 'paid:1')])"
    result = run(code)
    assert result.stderr.splitlines()[-1].startswith(
        "django.core.exceptions.ImproperlyConfigured: Requested setting Q_CLUSTER, but "
        "settings are not configured. You must either define the environment variable "
        "DJANGO_SETTINGS_MODULE"
    )


#: Starts a project and imports every module of ours; writes down what of them read a setting
#: while it was imported, and fails with the first question to a database.
EVERY_MODULE = """
import importlib, json, pkgutil, sys
from pathlib import Path

import django.conf
from django.db.backends.base.base import BaseDatabaseWrapper

ROOT = Path.cwd()
PACKAGES = ("automation.rules", "automation.events", "generators", "mails")
OURS = [str(ROOT / name.replace(".", "/")) for name in PACKAGES]
SKIPPED = ("django/conf/", "django/utils/functional.py")


def is_ours(name):
    return name.startswith(tuple(OURS))


def refuse(self):
    raise AssertionError("a database was asked")


BaseDatabaseWrapper.connect = refuse
read = set()
original = django.conf.LazySettings.__getattr__
attribute = django.conf.LazySettings.__getattribute__


def watched(self, name):
    if name.isupper():
        frame = sys._getframe(1)
        while any(part in frame.f_code.co_filename for part in SKIPPED):
            frame = frame.f_back
        reader = frame.f_code.co_filename
        while frame is not None and "importlib" not in frame.f_code.co_filename:
            is_module = frame.f_code.co_name == "<module>"
            if is_module and is_ours(frame.f_code.co_filename) and is_ours(reader):
                read.add(f"{Path(reader).relative_to(ROOT)}: {name}")
            frame = frame.f_back
    return attribute(self, name)


django.conf.LazySettings.__getattribute__ = watched
import django

django.setup()
imported = []
for package in PACKAGES:
    module = importlib.import_module(package)
    for found in pkgutil.walk_packages(module.__path__, f"{package}."):
        importlib.import_module(found.name)
        imported.append(found.name)
json.dump({"read": sorted(read), "imported": len(imported)}, sys.stdout)
"""


def test_no_module_asks_a_database_or_reads_a_setting_when_it_is_imported(tmp_path: Path) -> None:
    result = run(
        EVERY_MODULE,
        DJANGO_SETTINGS_MODULE="tests.shapes.settings",
        SHAPES_DIRECTORY=str(tmp_path),
    )
    assert (result.stderr, result.returncode) == ("", 0)
    told = json.loads(result.stdout)
    modules = len(
        [
            path
            for package in ("automation/rules", "automation/events", "generators", "mails")
            for path in (ROOT / package).rglob("*.py")
        ]
    )
    assert told["imported"] == modules - 4  # the packages themselves
    # The user model is what migrations and foreign keys have to name.
    assert {each.partition(": ")[2] for each in told["read"]} == {"AUTH_USER_MODEL"}


def test_no_package_names_its_app_config() -> None:
    assert [
        str(path.relative_to(ROOT))
        for package in ("automation", "generators", "mails")
        for path in (ROOT / package).rglob("*.py")
        if "default_app" + "_config" in path.read_text()
    ] == []
