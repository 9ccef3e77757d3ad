"""Single faults of the mail server."""

import os
import time

from tests.faults.scenario import (
    Scenario,
    accepted,
    check,
    expect,
    finish,
    register,
    stage,
    states,
    summary,
    wait,
)
from tests.faults.scene import Scene

scenarios: list[Scenario] = []

#: How many mails go out in each of them.
MAILS = 300


@register(
    scenarios,
    "the mail server is down for 10 s",
    "at most the one that each worker had on the wire is unknown; all others wait and are sent",
)
def server_down() -> str:
    with stage() as made:
        made.record(MAILS)
        made.start_cluster()
        wait(made, lambda: accepted(made) > 50, 60)
        made.mail_server.behave(down=True)
        time.sleep(10)
        made.mail_server.behave(down=False)
        finish(made)
        # The one or two on the wire when it went away.
        check(made, unknown=2)
        return summary(made)


@register(
    scenarios, "5 times hung up after a mail was accepted", "those 5 are unknown, all others sent"
)
def hung_up_after() -> str:
    with stage() as made:
        made.mail_server.behave(drop_after=5)
        made.record(MAILS)
        made.start_cluster()
        finish(made)
        check(made, unknown=5)
        expect(states() == {"sent": MAILS - 5, "unknown": 5}, made, "not 5 are unknown")
        expect(accepted(made) == MAILS, made, "not all were accepted")
        return summary(made)


@register(
    scenarios,
    "5 times hung up at `DATA`",
    "at most those 5 are unknown, all others sent",
)
def hung_up_before() -> str:
    with stage() as made:
        made.mail_server.behave(drop_before=5)
        made.record(MAILS)
        made.start_cluster()
        finish(made)
        check(made, unknown=5)
        return summary(made)


def _temporary(**behaviour: str) -> str:
    """All mails meet an answer that is temporary, and go out when it is over."""
    with stage() as made:
        made.mail_server.behave(**behaviour)
        made.record(MAILS)
        made.start_cluster()
        wait(made, _has_tried, 60, hurry=False)
        expect(set(states()) <= {"queued", "sending"}, made, "not all wait")
        expect(accepted(made) == 0, made, "some were accepted")
        made.mail_server.behave_well()
        finish(made)
        check(made)
        expect(states() == {"sent": MAILS}, made, "not all are sent")
        return summary(made)


def _has_tried() -> bool:
    from mails.models import Message

    return Message.objects.exclude(reason="").filter(state="queued").count() >= 20


for _answer, _place in (
    ("421 4.3.2 Going down", "content"),
    ("451 4.3.0 Come back later", "content"),
    ("450 4.2.1 Mailbox busy", "rcpt"),
    ("452 4.3.1 Out of storage", "mail"),
):

    def _play(answer: str = _answer, place: str = _place) -> str:
        return _temporary(**{place: answer})

    _play.__name__ = f"answer_{_answer[:3]}"
    register(
        scenarios, f"“{_answer}” to every mail for a while", "all wait, all are sent"
    )(_play)  # fmt: skip


@register(scenarios, "550 to 3 addresses, 552 to 2 mails", "those 5 have failed, all others sent")
def refused() -> str:
    with stage() as made:
        addresses = [f"ann{number}@example.com" for number in (1, 50, 100, 150, 200)]
        made.mail_server.behave(
            recipients=dict.fromkeys(addresses[:3], "550 5.1.1 No such person"),
            contents=dict.fromkeys(addresses[3:], "552 5.2.2 Mailbox full"),
        )
        made.record(MAILS)
        made.start_cluster()
        finish(made)
        check(made, failed=5)
        return summary(made)


@register(scenarios, "554 to the content of 3 mails", "those 3 have failed, all others sent")
def refused_content() -> str:
    with stage() as made:
        addresses = [f"ann{number}@example.com" for number in (1, 50, 100)]
        made.mail_server.behave(contents=dict.fromkeys(addresses, "554 5.7.1 Looks like spam"))
        made.record(MAILS)
        made.start_cluster()
        finish(made)
        check(made, failed=3)
        return summary(made)


def _refuses_us(made: Scene, said: str, **behaviour: str) -> str:
    """Nothing is tried in vain, nothing fails; when the server takes us again, all go out."""
    from mails.models import Message

    made.mail_server.behave(**behaviour)
    made.record(MAILS)
    made.start_cluster()
    queued = Message.objects.filter(state="queued", reason__contains=said)
    wait(made, lambda: queued.count() >= 100, 60, hurry=False)
    expect(set(states()) <= {"queued", "sending"}, made, "not all wait")
    made.mail_server.behave_well()
    finish(made)
    check(made)
    expect(states() == {"sent": MAILS}, made, "not all are sent")
    return summary(made)


@register(scenarios, "535 to the login for a while", "all wait, with its words; all are sent")
def login_refused() -> str:
    with stage() as made:
        url = made.mail_server.url.replace("//", "//user:password@")
        os.environ["EMAIL_URL"] = url
        return _refuses_us(made, "535", auth="535 5.7.8 Wrong password")


@register(scenarios, "554 at the greeting for a while", "all wait, with its words; all are sent")
def refused_at_the_greeting() -> str:
    with stage() as made:
        return _refuses_us(made, "554", greeting="554 5.3.2 No service here")


@register(scenarios, "530 to the sender for a while", "all wait, with its words; all are sent")
def sender_refused() -> str:
    with stage() as made:
        return _refuses_us(made, "530", mail="530 5.7.0 Authenticate first")


@register(scenarios, "each answer takes 0.2 s", "all are sent")
def slow_server() -> str:
    with stage() as made:
        made.mail_server.behave(tarpit=0.2, delay=0.2)
        made.record(40)
        made.start_cluster()
        finish(made)
        check(made)
        expect(states() == {"sent": 40}, made, "not all are sent")
        return summary(made)


@register(
    scenarios,
    "answers to contents come after the time limit for 10 s",
    "those handed over in that time are unknown, and were accepted; all others sent",
)
def too_slow_server() -> str:
    with stage() as made:
        made.mail_server.behave(delay=30)
        made.record(MAILS)
        made.start_cluster()
        wait(made, lambda: accepted(made) > 0, 60)
        time.sleep(10)
        made.mail_server.behave(delay=0)
        finish(made)
        # Two workers, each waits three seconds for each of them.
        check(made, unknown=12)
        expect(accepted(made) == MAILS, made, "not all were accepted")
        return summary(made)
