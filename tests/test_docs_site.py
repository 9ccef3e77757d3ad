"""The documents make a site, without a warning and without anything from elsewhere."""

import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

import generators
from automation import chains, events, rules, testing
from automation.rules import templating
from tests.documents.blocks import DOCUMENTS, ROOT

pytestmark = [pytest.mark.sqlite_only, pytest.mark.slow]

PACKAGES = [rules, templating, events, chains, generators, testing]

#: Everything but where it is written. A warning is an error.
SPHINX = ["-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going", "-c", "docs"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site")
    made = subprocess.run(
        [
            *(sys.executable, *SPHINX),
            *("-d", str(directory / "doctrees"), ".", str(directory / "html")),
        ],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (made.returncode, made.stderr) == (0, "")
    return directory / "html"


def test_make_docs_makes_it_with_the_same_options():
    said = subprocess.run(
        ["make", "-n", "docs"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    (command,) = [line for line in said.stdout.splitlines() if "sphinx" in line]
    assert command.endswith(f"python {' '.join(SPHINX)} -d var/doctrees . var/docs")


def test_every_page_is_made(site: Path):
    pages = {str(path.relative_to(ROOT).with_suffix(".html")) for path in DOCUMENTS}
    made = {str(path.relative_to(site)) for path in site.rglob("*.html")}
    assert made - pages == {"index.html", "genindex.html", "search.html"}
    assert pages - made == set()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_the_reference_has_every_public_name(site: Path, package):
    inventory = (site / "objects.inv").read_bytes()
    # Four lines of text, and the rest compressed: "name domain:role priority address title".
    listed = zlib.decompress(inventory.split(b"\n", 4)[4]).decode().splitlines()
    known = {line.split()[0] for line in listed if line.split()[1].startswith("py:")}
    assert {f"{package.__name__}.{name}" for name in package.__all__} - known == set()


def test_nothing_is_fetched_from_elsewhere(site: Path):
    tags = re.compile(r"<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=[\"'](?:https?:)?//")
    styled = re.compile(r"url\([\"']?(?:https?:)?//|@import")
    for kind, fetched in (("*.html", tags), ("*.css", styled)):
        files = list(site.rglob(kind))
        assert files
        assert [path.name for path in files if fetched.search(path.read_text())] == []


def test_the_first_page_leads_to_the_start(site: Path):
    (target,) = re.findall(r'url=([^"]+)"', (site / "index.html").read_text())
    assert (site / target).is_file()
