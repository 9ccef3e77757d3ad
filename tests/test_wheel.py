"""What is built to be installed: all of the product, none of its own site, and every need said."""

import ast
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import automation
from tests.projects import ROOT, build, requirement_lines

PACKAGES = ("automation", "generators", "mails")
#: The site of this repository.
OWN_SITE = ("demo", "settings.py", "urls.py", "asgi.py", "wsgi.py")
#: What django-anymail works with: it is asked about them only where it is there itself.
OF_PROVIDERS = ("requests", "urllib3")
METADATA = f"django_flint-{automation.__version__}.dist-info"

pytestmark = pytest.mark.sqlite_only


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def shipped() -> set[Path]:
    """The files of the packages that belong to the product, wherever they lie."""
    return {
        path
        for top in (*PACKAGES, "templates", "static")
        for path in (ROOT / top).rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and path.suffix != ".po"
        and not path.is_relative_to(ROOT / "automation" / "demo")
        and path.relative_to(ROOT).parts[:2] not in {("automation", name) for name in OWN_SITE}
    }


# The files --------------------------------------------------------------------------------


def test_the_wheel_holds_the_product_and_nothing_else(wheel: Path) -> None:
    inside = {path.relative_to(ROOT) for path in shipped()}
    wanted = {
        str(Path("automation", path) if path.parts[0] in ("templates", "static") else path)
        for path in inside
    }
    found = {name for name in contents(wheel) if not name.startswith(METADATA)}
    assert found == wanted
    assert {
        "automation/templates/admin/index.html",
        "automation/static/automation/admin.css",
    } < found
    assert {f"{package}/py.typed" for package in PACKAGES} < found


def test_the_wheel_says_whose_it_is(wheel: Path) -> None:
    found = contents(wheel)
    assert found[f"{METADATA}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    said = found[f"{METADATA}/METADATA"].decode()
    assert f"\nName: django-flint\nVersion: {automation.__version__}\n" in said


def test_a_wheel_built_from_the_sdist_is_the_same(wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(build("sdist", tmp_path / "sdist")) as archive:
        # The first releases of Python 3.11 know no filters yet.
        safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(tmp_path / "unpacked", **safely)
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    again = build("wheel", tmp_path / "wheel", unpacked)
    assert again.name == wheel.name
    assert contents(again) == contents(wheel)


# What it needs ----------------------------------------------------------------------------


def requirements(pyproject: dict[str, Any]) -> dict[str, Requirement]:
    """All that may be needed, extras too, by name."""
    project = pyproject["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    needs = [Requirement(line) for lines in groups for line in lines]
    return {canonicalize_name(need.name): need for need in needs}


def test_every_need_is_tested_in_a_pinned_version_that_it_allows(pyproject: dict[str, Any]) -> None:
    lines = [*requirement_lines(), *requirement_lines("requirements-dev.txt")]
    pins = {canonicalize_name(pin.name): pin for pin in map(Requirement, lines)}
    for name, need in requirements(pyproject).items():
        (pinned,) = pins[name].specifier
        assert need.specifier.contains(pinned.version), f"{need} is tested with {pinned.version}"
        assert any(one.operator == "<" for one in need.specifier), (
            f"{need} allows everything to come"
        )
        assert need.extras <= pins[name].extras


def test_whatever_is_imported_is_said_to_be_needed(pyproject: dict[str, Any]) -> None:
    imported: dict[str, str] = {}
    for path in sorted(shipped()):
        if path.suffix == ".py":
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and not node.level:
                    names = [node.module or ""]
                imported |= {name.partition(".")[0]: str(path) for name in names}
    others = set(imported) - sys.stdlib_module_names - {*PACKAGES, "__main__"}
    brought_by = packages_distributions()
    needed = {*requirements(pyproject), *OF_PROVIDERS}
    assert "django" in others
    assert [
        f"{module} ({imported[module]})"
        for module in sorted(others)
        if not {canonicalize_name(name) for name in brought_by[module]} & needed
    ] == []


def test_it_is_built_with_what_the_tests_build_it_with(pyproject: dict[str, Any]) -> None:
    (builder,) = pyproject["build-system"]["requires"]
    assert builder in requirement_lines("requirements-dev.txt")
