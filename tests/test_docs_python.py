"""Every Python block of the documents runs, each in a process of its own."""

import pytest

from tests.documents.blocks import ALL, ELSEWHERE, HERE, MARKS, ROOT, Story, stories
from tests.documents.processes import Processes

# The database is only copied; but without a test that asks for one there is none.
pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]


@pytest.mark.parametrize("story", stories(), ids=lambda story: story.name)
def test_every_example_runs(story: Story, processes: Processes):
    processes.tell(*story.blocks)


def test_what_cannot_run_is_old_code_of_other_packages():
    reasons = {}
    for block in ALL:
        if block.mark == "not ours":
            compile(block.source, block.name, "exec")
            reasons.setdefault(block.page, set()).add(block.said)
    assert reasons == {
        "docs/from-django-dispatcher.md": {"django-dispatcher's"},
        "docs/from-django-event-system.md": {"django-event-system's"},
        "docs/from-django-spark.md": {"django-spark's"},
    }


def test_every_mark_is_known():
    assert {block.mark for block in HERE} - {"", *MARKS} == set()


def test_what_runs_elsewhere_does():
    for page, test in ELSEWHERE.items():
        assert not (ROOT / page).exists() or page in (ROOT / test).read_text()
