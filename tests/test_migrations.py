"""An upgrade needs no pause: while clusters are restarted one by one, workers of the release
before work on tables that are already migrated. So migrations only add.

docs/deployment.md#upgrade tells operators; this holds it.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState

pytestmark = pytest.mark.sqlite_only

#: What the last release has. Raise it with every release.
RELEASED = {
    "automation_rules": "0002_names_of_conditions",
    "automation_events": "0001_initial",
    "generators": "0002_key_template",
    "mails": "0003_proofs",
}

#: Migrations that were looked at by a person: why the old release's workers can live with them.
REVIEWED: dict[tuple[str, str], str] = {
    ("mails", "0005_fast_compression"): "How PostgreSQL compresses is nothing that programs see.",
}

HARMLESS = (
    migrations.CreateModel,
    migrations.AddIndex,
    migrations.RemoveIndex,
    migrations.RenameIndex,
    migrations.AlterModelOptions,
    migrations.AlterModelManagers,
    migrations.AlterModelTableComment,
)
ADVICE: dict[type[Operation], str] = {
    migrations.RemoveField: "Leave the column (nullable or with a db_default) for one release.",
    migrations.DeleteModel: "Leave the table for one release.",
    migrations.RenameField: "Add a field, fill it, and remove the old one a release later.",
    migrations.RenameModel: "Change verbose_name, or set db_table and keep the name.",
    migrations.AlterModelTable: "Keep the table's name.",
    migrations.AddConstraint: "Old workers do not know it and may break it: add it a release "
    "after the code that keeps it.",
    migrations.RemoveConstraint: "Old workers may rely on it: remove it a release later.",
    migrations.AlterUniqueTogether: "Use constraints.",
    migrations.RunPython: "Say in REVIEWED why old workers can go on beside it.",
    migrations.RunSQL: "Say in REVIEWED why old workers can go on beside it.",
}
WIDER = {
    ("CharField", "TextField"),
    ("SlugField", "CharField"),
    ("SmallIntegerField", "IntegerField"),
    ("IntegerField", "BigIntegerField"),
    ("PositiveSmallIntegerField", "PositiveIntegerField"),
    ("PositiveIntegerField", "PositiveBigIntegerField"),
}


def problem(operation: Operation, app: str, before: ProjectState, new: set[str]) -> str:
    """What the workers of the release before could not live with, and what to do instead.

    ``before`` is the state it changes; ``new`` names the models that release does not know.
    """
    model = str(getattr(operation, "model_name", None) or getattr(operation, "name", "")).lower()
    if isinstance(operation, HARMLESS) or (
        f"{app}.{model}" in new
        and not isinstance(operation, migrations.RunPython | migrations.RunSQL)
    ):
        return ""
    advice = ADVICE.get(type(operation), "Say in REVIEWED why old workers can go on beside it.")
    if isinstance(operation, migrations.AddField):
        if _can_be_left_out(operation.field):
            return ""
        advice = "Old workers leave it out: make it nullable, or give it a db_default."
    elif isinstance(operation, migrations.AlterField):
        old = _model(before, app, model).get_field(operation.name)
        advice = _narrower(old, operation.field)
        if not advice:
            return ""
    return f"{operation.describe()}. {advice}"


def _can_be_left_out(field: Any) -> bool:
    return bool(field.null or field.many_to_many or field.has_db_default())


def _narrower(old: Any, new: Any) -> str:
    """What of ``old`` the changed field has no room for any more."""
    kinds = (old.get_internal_type(), new.get_internal_type())
    if kinds[0] != kinds[1] and kinds not in WIDER:
        return f"A {kinds[0]} cannot become a {kinds[1]}: add another field."
    if old.null and not new.null and not new.has_db_default():
        return "Old workers still write nothing into it: leave it nullable."
    if new.max_length and (old.max_length or 0) > new.max_length:
        return "Old workers still write longer values: leave its length."
    if new.unique and not old.unique:
        return "Old workers may write the same value twice: add a constraint a release later."
    if old.has_db_default() and not new.has_db_default():
        return "Old workers may leave it out: keep its db_default."
    if (old.db_column or "") != (new.db_column or ""):
        return "Keep the column's name."
    if old.remote_field and old.deconstruct()[3]["to"] != new.deconstruct()[3]["to"]:
        return "Add another field for what it leads to."
    return ""


def _model(state: ProjectState, app: str, model: str) -> ModelState:
    return state.models[app, model]


def problems(loader: MigrationLoader) -> Iterator[str]:
    """Of every migration since the last release, in the order in which they run."""
    released = {key for leaf in RELEASED.items() for key in loader.graph.forwards_plan(leaf)}
    state = loader.project_state(list(RELEASED.items()))
    new: set[str] = set()
    done = set(released)
    for leaf in sorted(loader.graph.leaf_nodes()):
        for key in loader.graph.forwards_plan(leaf):
            if key in done:
                continue
            done.add(key)
            for operation in loader.graph.nodes[key].operations:
                if key[0] in RELEASED and key not in REVIEWED:
                    if found := problem(operation, key[0], state, new):
                        yield f"{'.'.join(key)}: {found}"
                    if isinstance(operation, migrations.CreateModel):
                        new.add(f"{key[0]}.{operation.name_lower}")
                operation.state_forwards(key[0], state)


def test_migrations_since_the_last_release_only_add() -> None:
    assert list(problems(MigrationLoader(None))) == []


def test_what_is_reviewed_exists() -> None:
    known = set(MigrationLoader(None).graph.nodes)
    assert {*RELEASED.items(), *REVIEWED} - known == set()


# The check itself -------------------------------------------------------------------------


def shop() -> ProjectState:
    state = ProjectState()
    fields = {
        "id": models.BigAutoField(primary_key=True),
        "name": models.CharField(max_length=50),
        "note": models.TextField(null=True),
        "stock": models.IntegerField(db_default=0),
        "owner": models.ForeignKey("auth.User", models.PROTECT, null=True),
    }
    state.add_model(ModelState("mails", "Mail", list(fields.items())))
    return state


ADDS = [
    migrations.CreateModel("Other", [("id", models.BigAutoField(primary_key=True))]),
    migrations.AddIndex("Mail", models.Index(fields=["name"], name="by_name")),
    migrations.AddField("Mail", "price", models.IntegerField(null=True)),
    migrations.AddField("Mail", "price", models.IntegerField(db_default=1)),
    migrations.AddField("Mail", "tags", models.ManyToManyField("auth.Group")),
    migrations.AlterField("Mail", "name", models.CharField("Name", max_length=60, blank=True)),
    migrations.AlterField("Mail", "name", models.TextField()),
    migrations.AlterField("Mail", "name", models.CharField(max_length=50, null=True)),
    migrations.AlterField("Mail", "stock", models.BigIntegerField(db_default=0)),
    migrations.AlterField(
        "Mail", "owner", models.ForeignKey("auth.User", models.CASCADE, null=True)
    ),
]

BREAKS: list[tuple[Operation, str]] = [
    (migrations.RemoveField("Mail", "note"), "Leave the column (nullable or with a db_default)"),
    (migrations.DeleteModel("Mail"), "Leave the table for one release."),
    (migrations.RenameField("Mail", "note", "text"), "Add a field, fill it"),
    (migrations.RenameModel("Mail", "Letter"), "Change verbose_name"),
    (migrations.AlterModelTable("Mail", "letters"), "Keep the table's name."),
    (
        migrations.AddConstraint(
            "Mail", models.UniqueConstraint(fields=["name"], name="one_of_each")
        ),
        "Old workers do not know it",
    ),
    (migrations.RemoveConstraint("Mail", "one_of_each"), "Old workers may rely on it"),
    (migrations.RunPython(migrations.RunPython.noop), "Say in REVIEWED"),
    (migrations.RunSQL("SELECT 1"), "Say in REVIEWED"),
    (migrations.SeparateDatabaseAndState(), "Say in REVIEWED"),
    (
        migrations.AddField("Mail", "price", models.IntegerField(default=1)),
        "make it nullable, or give it a db_default",
    ),
    (migrations.AlterField("Mail", "note", models.TextField()), "leave it nullable"),
    (migrations.AlterField("Mail", "name", models.CharField(max_length=49)), "leave its length"),
    (
        migrations.AlterField("Mail", "name", models.CharField(max_length=50, unique=True)),
        "the same value twice",
    ),
    (migrations.AlterField("Mail", "name", models.IntegerField()), "cannot become"),
    (
        migrations.AlterField("Mail", "name", models.CharField(max_length=50, db_column="n")),
        "Keep the column's name.",
    ),
    (migrations.AlterField("Mail", "stock", models.IntegerField()), "keep its db_default"),
    (
        migrations.AlterField(
            "Mail", "owner", models.ForeignKey("auth.Group", models.PROTECT, null=True)
        ),
        "Add another field for what it leads to.",
    ),
]


@pytest.mark.parametrize("operation", ADDS, ids=lambda operation: operation.describe())
def test_what_adds_is_let_pass(operation: Operation) -> None:
    assert problem(operation, "mails", shop(), set()) == ""


@pytest.mark.parametrize(("operation", "advice"), BREAKS, ids=[o.describe() for o, _ in BREAKS])
def test_what_old_workers_cannot_live_with_is_named_with_advice(
    operation: Operation, advice: str
) -> None:
    found = problem(operation, "mails", shop(), set())
    assert found.startswith(operation.describe())
    assert advice in found


def test_a_model_that_the_old_release_does_not_know_may_change_at_will() -> None:
    new = {"mails.mail"}
    assert problem(migrations.RemoveField("Mail", "note"), "mails", shop(), new) == ""
    assert problem(migrations.RemoveField("Mail", "note"), "generators", shop(), new) != ""
    assert problem(migrations.RunSQL("SELECT 1"), "mails", shop(), new) != ""
