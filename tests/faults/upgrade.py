"""Workers of an earlier release beside those of this one, on the migrated database.

    python -m tests.faults.upgrade REVISION

What an upgrade without a pause does: the database is migrated, then the clusters are started
anew one by one. Both releases record events and deliver them meanwhile. Prints a line for the
table in docs/reliability.md; exits with 1 if anything was lost, came twice or is unknown.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.scenario import check, expect, finish, stage, summary, wait
from tests.faults.scene import GROUP, Scene
from tests.faults.server import ROOT

#: The queue that both listen to: the one of the site's own settings.
QUEUE = "flint"

RECORD = """
from automation.events import Event, record
context = {{"cart": {{"customer": {{"first_name": "Ann"}}, "items": []}}}}
record(
    Event("{group}", f"{start} {{n}}", context, recipient=f"old{start}-{{n}}@example.com")
    for n in range({count})
)
"""


class Earlier:
    """A checkout of an earlier release, whose programs work on the scene's database."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def record(self, count: int, start: int) -> None:
        script = RECORD.format(group=GROUP, start=start, count=count)
        if self._run("shell", "-c", script).wait(120):
            raise AssertionError("the earlier release could not record")

    def start_cluster(self) -> subprocess.Popen[bytes]:
        return self._run("qcluster")

    @property
    def _own_settings(self) -> dict[str, str]:
        return {
            "DJANGO_SETTINGS_MODULE": "automation.settings",
            "PYTHONPATH": str(self._directory),
        }

    def _run(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=self._directory,
            env={**os.environ, **self._own_settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


@contextmanager
def earlier(revision: str) -> Iterator[Earlier]:
    with tempfile.TemporaryDirectory(prefix="flint-earlier-") as directory:
        worktree = f"{directory}/checkout"
        _git("worktree", "add", "--detach", "--quiet", worktree, revision)
        try:
            yield Earlier(Path(worktree))
        finally:
            _git("worktree", "remove", "--force", worktree)


def play(revision: str, database: str, mails: int) -> str:
    with earlier(revision) as before, stage(database, FAULTS_NAME=QUEUE) as made:
        old = before.start_cluster()
        try:
            made.start_cluster()
            for part in range(4):
                before.record(mails // 8, part)
                made.record(mails // 8, start=part * mails)
                time.sleep(2)
            wait(made, lambda: _sent(made) > mails // 2, 120)
        finally:
            old.terminate()  # the last one of the earlier release
            old.wait(60)
        finish(made)
        check(made)
        by_old = _sent(made, by_old=True)
        expect(0 < by_old < mails, made, f"the earlier release sent {by_old} of {mails}")
        return f"{summary(made)}; {by_old} of them by the earlier release"


def _sent(made: Scene, *, by_old: bool = False) -> int:
    """The earlier release does not write down by which account a mail went out."""
    from mails.models import Message

    sent = Message.objects.filter(state="sent")
    return sent.filter(account="").count() if by_old else sent.count()


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=ROOT, check=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.upgrade")
    parser.add_argument("revision", help="the earlier release, as git knows it")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="postgres")
    parser.add_argument("--mails", type=int, default=2_000)
    given = parser.parse_args()
    try:
        seen, code = play(given.revision, given.database, given.mails), 0
    except AssertionError as error:
        seen, code = f"**{error}**", 1
    print(f"| clusters of {given.revision} and of this release side by side | all sent | {seen} |")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
