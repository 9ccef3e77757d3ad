"""The site's own settings, with short times: what takes a minute there takes seconds here."""

import json
import os
from pathlib import Path

os.environ.setdefault("DEBUG", "1")
os.environ.setdefault("SECRET_KEY", "only for tests")

from automation.settings import *

INSTALLED_APPS = [*INSTALLED_APPS, "tests.faults"]

#: Where the run keeps its files; tests/faults/scene.py makes it.
FAULTS_DIRECTORY = Path(os.environ["FAULTS_DIRECTORY"])
MEDIA_ROOT = Path(os.environ.get("FAULTS_MEDIA", FAULTS_DIRECTORY / "media"))

EMAIL_TIMEOUT = 3
AUTOMATION = {
    **AUTOMATION,
    "DELIVERY_BATCH": 100,
    "DELIVERY_LEASE": 6,
    "DELIVERY_SECONDS": 20,
    "WEBHOOK_SECONDS": 3,
    **json.loads(os.environ.get("FAULTS_AUTOMATION", "{}")),
}
# A queue of its own: other clusters may use the same Redis.
Q_CLUSTER = {**Q_CLUSTER, "name": os.environ.get("FAULTS_NAME", "faults")}
