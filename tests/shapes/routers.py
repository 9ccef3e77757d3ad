"""Where rows are kept."""

from typing import Any


class Business:
    """Everything is in "business", but for what nobody misses: that is in "default"."""

    LEFT = ("sessions", "visits")

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "default" if model._meta.app_label in self.LEFT else "business"

    db_for_write = db_for_read

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        return self.db_for_read(one) == self.db_for_read(other)

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == ("default" if app_label in self.LEFT else "business")


class Copies(Business):
    """Besides, the project's own rows are read from a copy, which is behind."""

    COPIED = "library"

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "copy" if model._meta.app_label == self.COPIED else self.db_for_write(model)

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        return self.db_for_write(one) == self.db_for_write(other)

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        copied = db == "copy" and app_label == self.COPIED
        return copied or super().allow_migrate(db, app_label, **hints)
