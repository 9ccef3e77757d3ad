"""The site's settings, as the tests run them."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

# What a shell sets for the site must not change what the tests see. DATABASE_URL and
# REDIS_URL stay: they choose what the tests run on (tests/run.py sets them).
for _name in (
    "ALLOWED_HOSTS",
    "DEFAULT_FROM_EMAIL",
    "EMAIL_URL",
    "LANGUAGE_CODE",
    "METRICS_TOKEN",
    "SECRET_KEY_FALLBACKS",
    "TIME_ZONE",
):
    os.environ.pop(_name, None)
os.environ["DEBUG"] = "1"
os.environ["SECRET_KEY"] = "only for tests"

from automation.settings import *  # noqa: E402

# A directory and a database name of its own for each run, so that two runs at the same
# time do not disturb each other.
_directory = Path(tempfile.mkdtemp(prefix="flint-tests-"))
atexit.register(shutil.rmtree, _directory, ignore_errors=True)

STATIC_ROOT = _directory / "static"
STATIC_ROOT.mkdir()
MEDIA_ROOT = _directory / "media"

_database = DATABASES["default"]
if _database["ENGINE"] == "django.db.backends.sqlite3":
    # A file and not memory: the processes of a cluster open the same database.
    _database["TEST"] = {"NAME": str(_directory / "tests.sqlite3")}
    # No test cuts the power, and waiting for the disk is most of their time.
    _database["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
else:
    _database["TEST"] = {"NAME": f"test_flint_{os.getpid()}"}
    # A connection kept by a thread of the live server would keep the database from
    # being removed at the end.
    _database["CONN_MAX_AGE"] = 0

# Passwords in tests protect nothing.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
