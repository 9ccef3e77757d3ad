"""What must hold for the project as a whole."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polib
import pytest
from django.core import checks
from django.core.management import call_command

ROOT = Path(__file__).resolve().parent.parent

#: The environment of docs/deployment.md, and nothing else.
PRODUCTION = {
    "PATH": os.environ["PATH"],
    "SECRET_KEY": "".join(chr(33 + (index * 37) % 90) for index in range(64)),
    "ALLOWED_HOSTS": "flint.example.com",
    "EMAIL_URL": "smtp+tls://user:password@mail.example.com:587",
    "DEFAULT_FROM_EMAIL": "Shop <shop@example.com>",
}

pytestmark = pytest.mark.sqlite_only


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def project_files() -> list[Path]:
    """What is in git, or would be after ``git add``."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in names.split("\0") if name and (path := ROOT / name).is_file()]


# The framework's own checks ---------------------------------------------------------------


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=1)


@pytest.mark.django_db
def test_the_checks_find_nothing_but_the_editor() -> None:
    found = checks.run_checks(databases=["default"])
    assert [message.id for message in found] == ["ckeditor.W001"], found


def test_the_checks_find_nothing_in_production(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/flint.sqlite3"
    result = manage(
        "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION, DATABASE_URL=database
    )
    assert (result.stderr, result.stdout, result.returncode) == (
        "",
        "System check identified no issues (1 silenced).\n",
        0,
    )


def test_the_static_files_are_complete(settings: Any, tmp_path: Path) -> None:
    """Every file that a style sheet names exists: production refuses to start without."""
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    assert (tmp_path / "staticfiles.json").is_file()


# Configuration ----------------------------------------------------------------------------


def test_without_debug_a_secret_key_must_be_set() -> None:
    result = manage("check", PATH=os.environ["PATH"])
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        "django.core.exceptions.ImproperlyConfigured: SECRET_KEY is not set. Set it in the "
        "environment to a long random value, or set DEBUG=1 on a machine that only you can reach."
    )


# The repository ---------------------------------------------------------------------------


def test_nothing_refers_to_what_lies_beside_the_repository() -> None:
    outside = "../" + "shared"
    assert [
        str(path.relative_to(ROOT))
        for path in project_files()
        if outside.encode() in path.read_bytes()
    ] == []


def test_every_version_is_pinned() -> None:
    lines = [
        line.partition("#")[0].strip()
        for name in ("requirements.txt", "requirements-dev.txt")
        for line in (ROOT / name).read_text().splitlines()
    ]
    assert [line for line in lines if line and "==" not in line] == ["-r requirements.txt"]


# Translations -----------------------------------------------------------------------------


def catalogues(root: Path = ROOT) -> list[Path]:
    packages = ("automation", "generators", "mails")
    return sorted(
        path
        for package in packages
        for path in (root / package).rglob("locale/de/LC_MESSAGES/django.po")
    )


def texts(catalogue: polib.POFile) -> set[tuple[str | None, str, str]]:
    return {(e.msgctxt, e.msgid, e.msgid_plural) for e in catalogue if not e.obsolete}


def test_there_are_catalogues() -> None:
    assert [str(path.relative_to(ROOT).parents[3]) for path in catalogues()] == [
        "automation/chains",
        "automation/demo",
        "automation/events",
        "automation",
        "automation/rules",
        "generators",
        "mails",
    ]


def test_every_collected_text_is_translated() -> None:
    assert [
        f"{path.relative_to(ROOT)}: {entry.msgid!r}"
        for path in catalogues()
        for entry in polib.pofile(str(path))
        if entry.fuzzy or not entry.translated()
    ] == []


def test_the_compiled_translations_are_the_written_ones() -> None:
    def translations(catalogue: Any) -> dict[Any, Any]:
        return {
            (entry.msgctxt, entry.msgid): (entry.msgstr, dict(entry.msgstr_plural))
            for entry in catalogue.translated_entries()
        }

    assert [path for path in catalogues() if not path.with_suffix(".mo").is_file()] == []
    for path in catalogues():
        compiled = polib.mofile(str(path.with_suffix(".mo")))
        assert translations(compiled) == translations(polib.pofile(str(path))), path


@pytest.mark.gettext
def test_the_catalogues_hold_every_text_of_the_code(tmp_path: Path) -> None:
    """If it fails: ``make messages``, then translate what is new."""
    for path in project_files():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    for catalogue in catalogues():
        # makemessages collects in the nearest "locale" of each file.
        (tmp_path / catalogue.relative_to(ROOT).parents[2]).mkdir(parents=True, exist_ok=True)
    ignored = [part for name in ("tests", "var", "build") for part in ("--ignore", name)]
    subprocess.run(
        [sys.executable, "manage.py", "makemessages", "--locale=de", "--no-obsolete", *ignored],
        cwd=tmp_path,
        env={**os.environ, "DEBUG": "1", "DJANGO_SETTINGS_MODULE": "automation.settings"},
        stdout=subprocess.DEVNULL,
        check=True,
    )

    def by_package(root: Path) -> dict[str, set[tuple[str | None, str, str]]]:
        return {
            str(path.relative_to(root)): texts(polib.pofile(str(path))) for path in catalogues(root)
        }

    assert by_package(ROOT) == by_package(tmp_path)


def test_type_checkers_see_no_name_that_is_not_there():
    """A module's ``__getattr__`` would let them take every misspelt name for one."""
    packages = ("automation", "generators", "mails")
    modules = [path for package in packages for path in (ROOT / package).rglob("*.py")]
    lazy = [path for path in modules if "\ndef __getattr__(" in path.read_text()]
    assert (len(modules) > 100, lazy) == (True, [])
