"""A mail rendered for every row that matches, and what is found by that."""

import datetime

import pytest
from django.contrib.auth.models import Permission, User
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from automation.demo.models import Cart
from automation.events import schedule
from automation.events.models import EventRecord
from automation.events.tasks import deliver, tick
from generators import running
from mails import proving, tasks
from mails.models import Mail, Message, Proof, ProofFinding, Variant
from mails.proofs import LEASE, Kind, ProofState
from tests import shop
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def ticking(db):
    """A cluster has just been there, however long ago the tests' database was made."""
    Schedule.objects.update(next_run=timezone.now())


@pytest.fixture
def mail():
    return shop.mail()


@pytest.fixture
def generator():
    return shop.generator()


def cart(**values):
    """A cart that matches now."""
    return shop.cart(shop.customer(**values), now=timezone.now())


def asked(mail, user=None):
    mail.refresh_from_db()
    proof, is_new = Proof.ask(mail, user, timezone.now())
    assert is_new
    return proof


def proved(mail):
    proof = asked(mail)
    tasks.prove(proof.pk)
    proof.refresh_from_db()
    return proof


def counts(proof):
    return {kind.value: number for kind in Kind if (number := proof.number(kind))}


def offered():
    """The proofs that the queue has tasks for."""
    queued = [task for task in OrmQ.objects.all() if task.func() == tasks.PROVE_TASK]
    return [pk for task in queued for pk in task.args()]


def page_of(mail, name="proof"):
    return reverse(f"admin:mails_mail_{name}", args=[mail.pk])


def text_of(client, mail, name="proof"):
    response = client.get(page_of(mail, name))
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


# What it finds ------------------------------------------------------------------------------


def test_each_row_is_fine_or_told_with_its_reason(mail, generator):
    Mail.objects.update(
        body="<p>{% if cart.customer.last_name == 'Wrong' %}"
        "{{ cart.nothing }}{% endif %}Dear you</p>",
    )
    cart()
    empty = cart(first_name="")
    wrong = cart(last_name="Wrong")
    nobody = cart(email="nonsense")
    proof = proved(mail)
    assert (proof.state, proof.total, proof.done) == (ProofState.DONE, 4, 4)
    assert counts(proof) == {"fine": 1, "empty": 1, "error": 1, "unreachable": 1}
    found = {finding.row_pk: (finding.kind, finding.problem) for finding in proof.findings.all()}
    assert found == {
        str(empty.pk): ("empty", "No value for: cart.customer.first_name"),
        str(wrong.pk): ("error", found[str(wrong.pk)][1]),
        str(nobody.pk): ("unreachable", "“nonsense” is not a mail address."),
    }
    assert found[str(wrong.pk)][1].startswith("Body: Line 1, column ")


def test_it_says_beforehand_what_the_delivery_does(mail, generator):
    Mail.objects.update(
        body="<p>{{ cart.customer.first_name }}{% if cart.customer.last_name == 'Wrong' %}"
        "{{ cart.nothing }}{% endif %}</p>",
    )
    for values in ({}, {"first_name": ""}, {"last_name": "Wrong"}, {"email": "x"}, {"email": ""}):
        cart(**values)
    proof = proved(mail)
    running.run(generator, timezone.now())
    deliver("mails.Message")
    outcome = {"sent": Kind.FINE, "failed": Kind.ERROR}
    found = {finding.row_pk: finding.kind for finding in proof.findings.all()}
    for message in Message.objects.all():
        kind = found.get(message.event.row_pk, Kind.FINE)
        if message.state == "skipped":
            assert kind in (Kind.EMPTY, Kind.UNREACHABLE)
            assert message.reason == proof.findings.get(row_pk=message.event.row_pk).problem
        else:
            assert kind == outcome[message.state]
    assert Message.objects.count() == 5


def test_nothing_happens_and_nothing_is_sent(mail, generator, mailoutbox):
    cart()
    proved(mail)
    assert not EventRecord.objects.exists()
    assert not Message.objects.exists()
    assert mailoutbox == []


def test_each_language_is_counted(mail, generator):
    Variant.objects.create(mail=mail, language="de", subject="{{ nothing.at }}", body="<p>x</p>")
    cart(language="en")
    cart(language="de")
    cart(language="de")
    assert proved(mail).by_language == {"en": {"fine": 1}, "de": {"error": 2}}


def test_rows_of_all_generators_that_the_mail_hears_are_looked_at(mail):
    Mail.objects.update(group="cart_*", body="<p>x</p>", subject="x")
    shop.generator(group_template="cart_left")
    shop.generator(group_template="cart_{{ cart.status }}")
    shop.generator(group_template="order_sent")
    cart()
    proof = proved(mail)
    assert (proof.total, proof.done, counts(proof)) == (2, 2, {"fine": 2})


def test_rows_whose_event_goes_elsewhere_are_no_finding(mail, admin_client):
    Mail.objects.update(group="cart_left_CH", body="<p>x</p>", subject="x")
    shop.generator(group_template="cart_left_{{ cart.customer.country }}")
    cart(country="CH")
    cart(country="DE")
    cart(country="")
    proof = proved(mail)
    assert (proof.done, counts(proof)) == (3, {"fine": 1})
    assert "2 more rows match and make no event that this mail hears." in text_of(
        admin_client, mail
    )


def test_a_rule_that_cannot_be_asked_is_told(mail, generator):
    type(generator).objects.filter(pk=generator.pk).update(time_zone="Nowhere/Else")
    proof = proved(mail)
    assert (proof.state, proof.done) == (ProofState.DONE, 0)
    (finding,) = proof.findings.all()
    assert finding.problem.startswith(f"{generator.name}: “Nowhere/Else” is not a time zone.")


def test_the_same_mistake_is_counted_once_whatever_the_value(mail, generator):
    Mail.objects.update(body="<p>{{ cart.customer.first_name | plus: 1 }}</p>")
    for name in ("Ann", "Berta", "Carla"):
        cart(first_name=name)
    ((kind, said, count),) = proved(mail).by_problem
    assert (kind, count) == ("error", 3)
    assert "“…”" in said


def test_a_missing_value_is_told_even_if_the_mail_is_sent_all_the_same(mail, generator):
    Mail.objects.update(send_incomplete=True)
    cart(first_name="")
    assert counts(proved(mail)) == {"empty": 1}


def test_no_more_is_looked_at_or_listed_than_there_is_room_for(
    mail, generator, admin_client, monkeypatch
):
    for module in ("mails.proving", "mails.pages.proof"):
        monkeypatch.setattr(f"{module}.MAX_ROWS", 4)
        monkeypatch.setattr(f"{module}.MAX_FINDINGS", 2)
    for _number in range(6):
        cart(first_name="")
    proof = proved(mail)
    assert (proof.state, proof.total, proof.done) == (ProofState.DONE, 6, 4)
    assert (counts(proof), proof.findings.count()) == ({"empty": 4}, 2)
    page = text_of(admin_client, mail)
    assert "6 rows match. A proof looks at the first 4 of them." in page
    assert "and 2 more" in page


def test_the_mail_is_proved_as_it_was_when_it_was_asked_for(mail, generator, admin_client):
    cart()
    proof = asked(mail)
    Mail.objects.update(body="<p>{{ nothing.at }}</p>")
    tasks.prove(proof.pk)
    proof.refresh_from_db()
    assert counts(proof) == {"fine": 1}
    assert "The mail has been changed since this proof." in text_of(admin_client, mail)


# How it gets on -----------------------------------------------------------------------------


def test_a_worker_goes_on_where_the_one_before_stopped(mail, generator):
    for number in range(7):
        cart(first_name="" if number % 2 else "Ann")
    whole = proved(mail)
    expected = (counts(whole), [finding.row_pk for finding in whole.findings.all()])
    proof = asked(mail)
    tasks_needed = 0
    while proof.state != ProofState.DONE:
        assert proof.claim(timezone.now())
        proving.work(proof, seconds=0)
        proof.refresh_from_db()
        tasks_needed += 1
    assert tasks_needed == 8
    assert (counts(proof), [finding.row_pk for finding in proof.findings.all()]) == expected


def test_what_is_left_is_another_task(mail, generator, monkeypatch):
    cart()
    cart()
    monkeypatch.setattr(proving.work, "__defaults__", (0.0,))
    proof = asked(mail)
    tasks.prove(proof.pk)
    assert offered() == [proof.pk]
    proof.refresh_from_db()
    assert (proof.state, proof.done, proof.lease_until) == (ProofState.RUNNING, 1, None)


def test_a_proof_that_a_dead_worker_left_is_found_by_the_tick(mail, generator, monkeypatch):
    for _number in range(3):
        cart()
    proof = asked(mail)
    assert proof.claim(timezone.now())
    monkeypatch.setattr(proving, "KEEP_EVERY", 0.0)
    looked = []

    def die(*arguments):
        if len(looked) == 2:
            raise SystemExit  # as SIGKILL: nothing of ours runs after it
        looked.append(arguments)
        return Kind.FINE, ""

    monkeypatch.setattr(proving, "problem", die)
    with pytest.raises(SystemExit):
        proving.work(proof)
    monkeypatch.undo()
    tick()
    assert offered() == []  # as far as anybody knows the worker lives
    Proof.objects.update(lease_until=timezone.now() - LEASE)
    tick()
    assert offered() == [proof.pk]
    tasks.prove(proof.pk)
    proof.refresh_from_db()
    assert (proof.state, proof.done, counts(proof)) == (ProofState.DONE, 3, {"fine": 3})


def test_a_living_worker_is_left_alone(mail, generator):
    cart()
    proof = asked(mail)
    assert proof.claim(timezone.now())
    tasks.prove(proof.pk)
    proof.refresh_from_db()
    assert (proof.state, proof.done) == (ProofState.RUNNING, 0)


def test_a_worker_that_was_taken_for_dead_writes_nothing_more(mail, generator, monkeypatch):
    monkeypatch.setattr(proving, "KEEP_EVERY", 0.0)
    cart(first_name="")
    cart(first_name="")
    slow, quick = asked(mail), Proof.objects.get()
    assert slow.claim(timezone.now())
    problem = proving.problem

    def overtaken(*arguments):
        if quick.state == ProofState.WAITING:
            assert quick.claim(timezone.now() + 2 * LEASE)
            assert proving.work(quick)
        return problem(*arguments)

    monkeypatch.setattr(proving, "problem", overtaken)
    assert proving.work(slow)
    proof = Proof.objects.get()
    assert (proof.state, counts(proof), proof.findings.count()) == ("done", {"empty": 2}, 2)


def test_workers_that_die_at_the_same_place_end_the_proof(mail, generator):
    cart()
    proof = asked(mail)
    for _time in range(3):
        assert proof.claim(timezone.now())
        Proof.objects.update(lease_until=timezone.now() - LEASE)
    tasks.prove(proof.pk)
    proof.refresh_from_db()
    assert proof.state == ProofState.FAILED
    assert proof.reason == "Workers stopped 3 times at the same place, after row 0."


def test_an_error_of_ours_ends_the_proof_with_a_reason(mail, generator, monkeypatch, caplog):
    cart()
    monkeypatch.setattr(proving, "problem", lambda *arguments: 1 / 0)
    proof = proved(mail)
    assert (proof.state, proof.reason) == (ProofState.FAILED, "division by zero")
    assert "The proof of" in caplog.text


def test_a_proof_of_a_mail_that_is_gone_is_gone(mail, generator, monkeypatch):
    monkeypatch.setattr(proving, "KEEP_EVERY", 0.0)
    cart(first_name="")
    proof = asked(mail)

    def delete(*arguments):
        Mail.objects.get().delete()
        return Kind.EMPTY, "x"

    monkeypatch.setattr(proving, "problem", delete)
    tasks.prove(proof.pk)
    assert not ProofFinding.objects.exists()
    tasks.prove(proof.pk)


def test_more_rows_take_no_more_queries(mail, generator):
    def queries():
        Proof.objects.all().delete()
        proof = asked(mail)
        with CaptureQueriesContext(connection) as captured:
            tasks.prove(proof.pk)
        return len(captured)

    for _number in range(2):
        cart(first_name="")
    few = queries()
    for _number in range(30):
        cart(first_name="")
    assert queries() == few


def test_each_chunk_takes_as_many_queries_and_only_its_own_rows(mail, generator, monkeypatch):
    monkeypatch.setattr(proving, "CHUNK", 5)
    monkeypatch.setattr(proving, "KEEP_EVERY", 3_600)  # it counts queries, and not seconds

    def queries():
        Proof.objects.all().delete()
        proof = asked(mail)
        with CaptureQueriesContext(connection) as captured:
            tasks.prove(proof.pk)
        return len(captured)

    totals = []
    for _time in range(3):
        for _number in range(5):
            cart()
        totals.append(queries())
    assert totals[2] - totals[1] == totals[1] - totals[0] <= 3


# One at a time, and stopped -----------------------------------------------------------------


def test_there_is_one_proof_of_a_mail_at_a_time(mail):
    first = asked(mail)
    assert Proof.ask(mail, None, timezone.now()) == (first, False)
    with pytest.raises(IntegrityError):
        Proof.objects.create(mail=mail, version=mail.keep_version(), requested_at=timezone.now())


def test_a_new_proof_takes_the_place_of_the_one_before(mail, generator):
    cart(first_name="")
    before = proved(mail)
    assert proved(mail) != before
    assert Proof.objects.count() == 1
    assert ProofFinding.objects.count() == 1


def test_a_proof_that_nobody_is_at_stops_at_once(mail, generator, admin_client):
    cart()
    proof = asked(mail)
    admin_client.post(page_of(mail, "proof_stop"))
    tasks.prove(proof.pk)
    proof.refresh_from_db()
    assert (proof.state, proof.done) == (ProofState.STOPPED, 0)


def test_a_proof_on_its_way_stops_soon_and_keeps_what_it_found(
    mail, generator, admin_client, monkeypatch
):
    monkeypatch.setattr(proving, "KEEP_EVERY", 0.0)
    for _number in range(3):
        cart(first_name="")
    problem = proving.problem

    def stopped(*arguments):
        admin_client.post(page_of(mail, "proof_stop"))
        return problem(*arguments)

    monkeypatch.setattr(proving, "problem", stopped)
    proof = proved(mail)
    assert (proof.state, proof.done, proof.findings.count()) == (ProofState.STOPPED, 1, 1)
    assert not proof.is_open


# The page -----------------------------------------------------------------------------------


def test_a_proof_is_started_by_a_button_and_waits_for_the_cluster(
    admin_client, mail, generator, django_capture_on_commit_callbacks
):
    cart()
    assert "Proof with the 1 row that matches now" in text_of(admin_client, mail, "preview")
    with django_capture_on_commit_callbacks(execute=True):
        response = admin_client.post(page_of(mail, "proof_start"))
    assert response["Location"] == page_of(mail)
    assert "Waiting for the cluster …" in text_of(admin_client, mail)
    (offered_proof,) = offered()
    tasks.prove(offered_proof)
    assert "Nothing is missing and nothing is wrong." in text_of(admin_client, mail)


def test_without_a_cluster_the_page_says_so(admin_client, mail):
    asked(mail)
    Schedule.objects.update(next_run=timezone.now() - datetime.timedelta(minutes=3))
    assert "Waiting for the cluster. It seems not to run" in text_of(admin_client, mail)
    Schedule.objects.all().delete()
    assert "Waiting for the cluster. It seems not to run" in text_of(admin_client, mail)


def test_a_cluster_that_ticks_is_not_silent(db):
    assert not schedule.is_silent(timezone.now())
    assert schedule.is_silent(timezone.now() + datetime.timedelta(minutes=3))


def test_a_cluster_that_stopped_in_the_middle_is_told(admin_client, mail):
    proof = asked(mail)
    assert proof.claim(timezone.now() - 2 * LEASE)
    assert "The cluster stopped in the middle of it." in text_of(admin_client, mail)


def test_the_page_says_how_far_it_is_and_for_how_long(admin_client, mail):
    proof = asked(mail)
    assert proof.claim(timezone.now())
    started = timezone.now() - datetime.timedelta(seconds=30)
    Proof.objects.update(started_at=started, total=4000, done=1000)
    for name in ("proof", "proof_progress"):
        page = text_of(admin_client, mail, name)
        assert "<strong>1,000</strong> of 4,000 rows" in page
        assert "about 2 minutes left" in page
        assert 'max="4000" value="1000"' in page


def test_a_finding_leads_to_the_mail_of_just_that_row(admin_client, mail, generator):
    wrong = cart(first_name="", email="wrong@example.com")
    for _number in range(30):
        cart()
    (finding,) = proved(mail).findings.all()
    link = f"{page_of(mail, 'preview')}?key=generator%3A{generator.pk}%3A{wrong.pk}"
    assert link in text_of(admin_client, mail)
    context = admin_client.get(link).context
    assert context["chosen"].event.recipient == "wrong@example.com" == finding.recipient


@pytest.mark.parametrize("repeat", ["day", "anew"])
def test_a_finding_leads_there_also_if_its_event_has_another_key_by_now(admin_client, mail, repeat):
    generator = shop.generator(repeat=repeat)
    cart(first_name="")
    (finding,) = proved(mail).findings.all()
    running.run(generator, timezone.now())
    context = admin_client.get(page_of(mail, "preview"), {"key": finding.name}).context
    assert context["chosen"].event.row_pk == finding.row_pk


def test_the_page_asks_no_more_with_more_findings(admin_client, mail, generator):
    def queries():
        admin_client.get(page_of(mail))
        with CaptureQueriesContext(connection) as captured:
            admin_client.get(page_of(mail))
        return len(captured)

    cart(first_name="")
    proved(mail)
    few = queries()
    for _number in range(20):
        cart(first_name="")
    proved(mail)
    assert queries() == few


def test_the_preview_asks_no_more_with_more_rows(admin_client, mail, generator):
    def queries():
        admin_client.get(page_of(mail, "preview"))
        with CaptureQueriesContext(connection) as captured:
            admin_client.get(page_of(mail, "preview"))
        return len(captured)

    cart()
    few = queries()
    for _number in range(20):
        cart()
    assert queries() == few


# Who may ------------------------------------------------------------------------------------


def staff(client, *codenames):
    user = User.objects.create_user("eva", "eva@example.com", "secret", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


def test_whoever_may_only_look_starts_and_stops_nothing(client, mail):
    proof = asked(mail)
    staff(client, "view_mail")
    assert client.get(page_of(mail)).status_code == 200
    assert client.post(page_of(mail, "proof_stop")).status_code == 403
    proof.delete()
    assert client.post(page_of(mail, "proof_start")).status_code == 403
    assert b"<button" not in client.get(page_of(mail)).content.partition(b'id="content-main"')[2]
    assert not Proof.objects.exists()


@pytest.mark.parametrize("name", ["proof", "proof_progress", "proof_start", "proof_stop"])
def test_staff_without_a_permission_is_refused(client, mail, name):
    asked(mail)
    assert staff(client).get(page_of(mail, name)).status_code == 403


@pytest.mark.parametrize("name", ["proof_start", "proof_stop"])
def test_looking_changes_nothing(admin_client, mail, name):
    if name == "proof_stop":
        asked(mail)
    before = list(Proof.objects.values())
    admin_client.get(page_of(mail, name))
    assert list(Proof.objects.values()) == before


# In the cluster -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_cluster_proves_a_mail(cluster, admin_client):
    mail, _generator = shop.mail(), shop.generator()
    for number in range(20):
        cart(first_name="" if number == 7 else "Ann")
    admin_client.post(page_of(mail, "proof_start"))
    wait_until(lambda: Proof.objects.get().state == ProofState.DONE, 60, "The proof is done")
    assert counts(Proof.objects.get()) == {"fine": 19, "empty": 1}
    assert Cart.objects.count() == 20
