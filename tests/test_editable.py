"""A project that has the checkout itself, as ``pip install --editable`` gives it."""

import os
import re
import sys
import zipfile
from pathlib import Path

import pytest

from tests.projects import ROOT, Project, build

pytestmark = [pytest.mark.slow, pytest.mark.sqlite_only]

SETTINGS = """
INSTALLED_APPS = [
    "automation", "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
    "django.contrib.sessions", "django.contrib.messages", "django.contrib.staticfiles",
    "polymorphic", "import_export", "ckeditor", "django_q", "automation.rules",
    "automation.events", "automation.chains", "generators", "mails",
]
SILENCED_SYSTEM_CHECKS = ["ckeditor.W001"]
Q_CLUSTER = {
    "orm": "default", "workers": 2, "queue_limit": 2, "timeout": 300, "retry": 3600,
    "max_attempts": 1, "ack_failures": True, "save_limit": -1, "catch_up": False,
}
EMAIL_TIMEOUT = 30
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """What an editable installation adds to Python's path: the one line of its ``.pth`` file."""
    with zipfile.ZipFile(build("wheel:editable", tmp_path / "built")) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith(".pth")]
        return archive.read(name).decode().strip()


def test_what_it_does_not_find_is_said_with_its_path_and_then_found(
    path: str, tmp_path: Path
) -> None:
    assert path == str(ROOT)
    project = Project.start(Path(sys.executable), tmp_path / "project")
    project.write("shop/settings.py", SETTINGS)
    said = " ".join(project.manage("check", code=1, PYTHONPATH=path).split())
    for number, directory, setting in (
        ("E201", "templates", "DIRS of TEMPLATES"), ("W003", "static", "STATICFILES_DIRS"),
    ):  # fmt: skip
        assert f"automation_rules.{number}" in said
        assert f"where {ROOT / directory} is beside the app" in said
        assert f"add the directory to {setting}." in said
    (block,) = re.findall(
        r"### From a checkout.*?```python\n(.*?)```", (ROOT / "docs/projects.md").read_text(), re.S
    )
    with project.path("shop/settings.py").open("a") as settings:
        settings.write(f"TEMPLATES_BEFORE = TEMPLATES{os.linesep}{block}")
        settings.write('TEMPLATES[0]["OPTIONS"] = TEMPLATES_BEFORE[0]["OPTIONS"]')
    assert project.manage("check", PYTHONPATH=path) == (
        "System check identified no issues (1 silenced).\n"
    )
    page = "from django.template.loader import get_template as get; print(get('admin/index.html'))"
    assert "state_of_things" in project.shell(
        f"{page}; print(open(get('admin/index.html').origin.name).read())", PYTHONPATH=path
    )
