"""The queue holds calls of functions: nobody but a superuser comes near it."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from django.utils import timezone
from django_q.models import Failure, OrmQ, Schedule, Task
from import_export.admin import ImportMixin

from automation.events import bell
from generators import running
from tests import shop

pytestmark = pytest.mark.django_db

QUEUE = [model for model in admin.site._registry if model._meta.app_label == "django_q"]


@pytest.fixture
def everything_but_superuser(client: Any) -> Any:
    user = User.objects.create_user("ann", is_staff=True)
    user.user_permissions.set(Permission.objects.all())
    client.force_login(user)
    return client


def test_there_are_four_pages():
    assert sorted(model.__name__ for model in QUEUE) == ["Failure", "OrmQ", "Schedule", "Success"]


@pytest.mark.parametrize("model", QUEUE)
@pytest.mark.parametrize("method", ["get", "post"])
def test_no_permission_opens_the_queue(everything_but_superuser, model, method):
    bell.enqueue("time.time")
    schedule = Schedule.objects.get()
    task = Task.objects.create(
        id="1",
        name="t",
        func="os.getcwd",
        started=timezone.now(),
        stopped=timezone.now(),
        success=model is not Failure,
    )
    pk = {OrmQ: OrmQ.objects.get().pk, Schedule: schedule.pk}.get(model, task.pk)
    before = (list(OrmQ.objects.values()), list(Schedule.objects.values()))
    client, name = everything_but_superuser, f"admin:django_q_{model._meta.model_name}"
    do = getattr(client, method)
    for url in (
        reverse(f"{name}_changelist"),
        reverse(f"{name}_add"),
        *(reverse(f"{name}_{page}", args=[pk]) for page in ("change", "delete", "history")),
    ):
        data = {
            "action": "resubmit_task", "_selected_action": [pk], "post": "yes",
            "name": "x", "func": "os.system", "args": "'id'", "schedule_type": "O", "repeats": "1",
        }  # fmt: skip
        assert do(url, data).status_code == 403, url
    assert (list(OrmQ.objects.values()), list(Schedule.objects.values())) == before


def test_it_does_not_show_on_the_home_page(everything_but_superuser):
    page = everything_but_superuser.get(reverse("admin:index")).content.decode()
    assert "django_q" not in page
    assert reverse("admin:generators_generator_changelist") in page


def test_a_superuser_sees_it(admin_client):
    for model in QUEUE:
        url = reverse(f"admin:django_q_{model._meta.model_name}_changelist")
        assert admin_client.get(url).status_code == 200


def test_nothing_of_the_queue_can_be_imported():
    assert not [model for model in QUEUE if isinstance(admin.site._registry[model], ImportMixin)]


def test_tasks_carry_names_and_numbers_only(django_capture_on_commit_callbacks):
    """Nothing that a pickle could hide: what is to be done stands in the tables."""
    shop.mail()
    generator = shop.generator(on_save=True)
    with django_capture_on_commit_callbacks(execute=True):
        shop.cart()
        running.run(generator, shop.NOW)
    arguments = [each for task in OrmQ.objects.all() for each in task.task["args"]]
    assert arguments
    assert {type(each) for each in arguments} <= {int, str}
