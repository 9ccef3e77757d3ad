"""The real parts that other tests rely on do what those tests believe."""

import smtplib
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.mail import EmailMultiAlternatives, send_mail
from django_q.tasks import async_task

from tests.processes import Cluster, start_manage
from tests.smtp import SmtpServer
from tests.waiting import wait_until


def test_the_mail_server_remembers_what_it_accepted(smtp_server: SmtpServer) -> None:
    mail = EmailMultiAlternatives(
        "Grüezi", "Text ü", "Shop <shop@example.com>", ["ann@example.com"]
    )
    mail.attach_alternative("<p>HTML ü</p>", "text/html")
    mail.send()
    (received,) = smtp_server.received
    assert (received.sender, received.recipients) == ("shop@example.com", ("ann@example.com",))
    assert (received.subject, received.text, received.html) == (
        "Grüezi",
        "Text ü",
        "<p>HTML ü</p>",
    )


def test_the_mail_server_refuses_as_told(smtp_server: SmtpServer) -> None:
    smtp_server.refuse_with = "451 Come back later"
    with pytest.raises(smtplib.SMTPDataError) as refused:
        send_mail("Subject", "Text", None, ["ann@example.com"])
    assert refused.value.args == (451, b"Come back later")
    smtp_server.refuse_with = None
    smtp_server.refuse_recipients["ann@example.com"] = "550 No such user"
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send_mail("Subject", "Text", None, ["ann@example.com"])
    assert smtp_server.received == []


def test_the_mail_server_comes_back_at_the_same_port(smtp_server: SmtpServer) -> None:
    smtp_server.stop()
    with pytest.raises(ConnectionRefusedError):
        send_mail("Subject", "Text", None, ["ann@example.com"])
    smtp_server.start()
    send_mail("Subject", "Text", None, ["ann@example.com"])
    assert [mail.subject for mail in smtp_server.received] == ["Subject"]


@pytest.mark.django_db(transaction=True)
def test_another_process_sees_the_test_database() -> None:
    User.objects.create_user("ann")
    program = "from django.contrib.auth.models import User; print(User.objects.get().username)"
    process = start_manage("shell", "--no-imports", "--command", program)
    output, errors = process.communicate(timeout=60)
    assert (output, process.returncode) == ("ann\n", 0), errors


def test_the_cluster_works_on_the_test_database_and_mails(
    cluster: Cluster, smtp_server: SmtpServer
) -> None:
    async_task("django.core.mail.send_mail", "From the cluster", "Text", None, ["ann@example.com"])
    wait_until(lambda: smtp_server.received, message="A mail from the cluster")
    assert [mail.subject for mail in smtp_server.received] == ["From the cluster"]


@pytest.mark.redis
def test_the_cluster_works_with_the_redis_broker(cluster: Cluster, smtp_server: SmtpServer) -> None:
    async_task("django.core.mail.send_mail", "By Redis", "Text", None, ["ann@example.com"])
    wait_until(lambda: smtp_server.received, message="A mail from the cluster")
    assert [mail.subject for mail in smtp_server.received] == ["By Redis"]


@pytest.mark.browser
def test_the_browser_is_signed_in(superuser_page: Any) -> None:
    superuser_page.goto("/admin/")
    assert superuser_page.locator("#user-tools strong").text_content() == "admin"
