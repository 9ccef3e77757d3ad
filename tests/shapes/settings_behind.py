"""The same project, whose own rows are read from a copy that is behind."""

from tests.shapes.settings import *  # noqa: F403
from tests.shapes.settings import DATABASES, _database

DATABASES["copy"] = _database("copy")
DATABASE_ROUTERS = ["tests.shapes.routers.Copies"]
