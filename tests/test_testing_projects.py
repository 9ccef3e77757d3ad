"""What tests of projects use: run generators at a moment, and look at what mails say."""

import datetime
import re
import subprocess
import sys

import pytest

from automation import testing
from automation.events import Event, record
from automation.events.models import EventRecord
from automation.testing import assert_mail_rendered, drain, run_generators
from generators.models import Generator, State
from mails.models import Layout, Mail, Message, Variant
from mails.testing import LINES
from tests import shop

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

NOW = shop.NOW
DAY = datetime.timedelta(days=1)


def failure(call, *args, **named) -> str:
    with pytest.raises(AssertionError) as raised:
        call(*args, **named)
    return str(raised.value)


# One place for all ----------------------------------------------------------------------------


def test_everything_is_in_one_place():
    assert [name for name in testing.__all__ if not callable(getattr(testing, name))] == []
    with pytest.raises(AttributeError, match="has no attribute 'expct'"):
        testing.expct  # noqa: B018


PROJECT = """
import sys, django
from django.conf import settings
settings.configure(
    SECRET_KEY="x",
    INSTALLED_APPS=[
        "django.contrib.contenttypes", "django.contrib.auth", "django.contrib.messages",
        "django.contrib.sessions", "django.contrib.admin", "polymorphic", "import_export",
        "django_q", "automation.rules", "automation.events",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()
from automation.testing import capture_events, drain, expect
for name in ("run_generators", "assert_mail_rendered"):
    try:
        getattr(__import__("automation.testing").testing, name)
    except ImportError as error:
        print(error)
print("pytest" in sys.modules)
"""


def test_a_project_needs_only_the_apps_that_it_tests_and_no_pytest():
    run = subprocess.run([sys.executable, "-c", PROJECT], capture_output=True, text=True)
    assert (run.stdout.splitlines(), run.returncode) == (
        [
            "run_generators needs the app 'generators' in INSTALLED_APPS.",
            "assert_mail_rendered needs the app 'mails' in INSTALLED_APPS.",
            "False",
        ],
        0,
    ), run.stderr


# Run generators -------------------------------------------------------------------------------


def test_armed_generators_run_at_the_moment_that_is_given():
    cart = shop.cart(days_old=1)
    shop.mail()
    shop.generator()
    shop.generator(slug="draft", armed=False)
    assert run_generators(at=NOW) == []
    (event,) = run_generators(at=NOW + 2 * DAY)
    assert (event.group, event.row_pk, event.recorded_at) == (
        "cart_left", str(cart.pk), NOW + 2 * DAY,
    )  # fmt: skip
    assert Message.objects.get().event == event
    assert run_generators(at=NOW + 2 * DAY) == []


def test_drafts_run_if_they_are_named_and_stay_drafts():
    shop.cart()
    shop.generator(slug="mine", armed=False)
    shop.generator()
    assert [event.group for event in run_generators("mine", at=NOW)] == ["cart_left"]
    assert list(EventRecord.objects.values_list("rule__generator__slug", flat=True)) == ["mine"]
    assert Generator.objects.get(slug="mine").state == State.DRAFT


def test_without_a_moment_it_is_this_one():
    shop.cart()  # months ago
    shop.generator(slug="mine", armed=False)
    assert len(run_generators("mine")) == 1


def test_an_unknown_name_is_told_with_the_nearest():
    shop.generator(slug="cart-left")
    assert failure(run_generators, "cart-lef") == (
        "There is no generator with the short name “cart-lef”. Did you mean “cart-left”?"
    )
    assert failure(run_generators, "x") == (
        "There is no generator with the short name “x”. There are: cart-left."
    )


def test_where_there_are_none_at_all_the_next_step_is_told():
    assert failure(run_generators, "cart-left") == (
        "There is no generator with the short name “cart-left”: there are none at all. "
        "Import them first, or make one."
    )
    assert failure(run_generators) == "There are no generators. Import them first, or make one."


def test_nothing_armed_is_told():
    shop.generator(slug="mine", armed=False)
    assert failure(run_generators) == (
        "No generator is armed. Name those to run all the same: mine."
    )


def test_a_generator_that_cannot_run_says_why_in_its_own_words():
    shop.cart()
    broken = shop.generator(slug="broken", armed=False)
    broken.conditions.update(field="gone")
    Generator.objects.create(name="x", slug="empty", source="demo.cart", group_template="x")
    shop.generator(slug="typo", armed=False, group_template="{{ cart.totl }}")
    shop.generator(slug="fine", armed=False)
    shop.generator(slug="left-out", armed=False, group_template="{{ cart.customer.last_name }}")
    shop.cart(shop.customer(last_name=""))
    said = failure(run_generators, "broken", "empty", "typo", "fine", "left-out", at=NOW)
    assert [line.partition(". Did")[0] for line in said.split("\n")] == [
        "The generator “broken” failed: “gone” is not a field of Carts that rules may use.",
        "The generator “empty” failed: It has no condition: it would mean every row there is.",
        "The generator “typo” failed: group_template: Line 1, column 4: “cart.totl” is not known "
        "here",
        "The generator “left-out” failed: 1 row was left out: The event group is empty. "
        f"(row {shop.Cart.objects.latest('pk').pk})",
    ]
    assert EventRecord.objects.filter(rule__generator__slug="fine").count() == 2


def test_a_moment_without_time_zone_is_refused():
    with pytest.raises(ValueError, match="has no time zone: run_generators needs a moment"):
        run_generators(at=datetime.datetime(2026, 3, 10))


def test_a_list_of_names_is_refused():
    with pytest.raises(TypeError, match=r"takes short names, .* and \['mine'\] is"):
        run_generators(["mine"])  # type: ignore[arg-type]


# Assert mails ---------------------------------------------------------------------------------


PAID = Event(
    "order_paid",
    "order-paid:1",
    {"order": {"number": "A-1", "note": ""}},
    recipient="ann@example.com",
    language="de",
)


@pytest.fixture
def paid() -> Mail:
    mail = shop.mail(
        slug="paid",
        group="order_*",
        subject="Order {{ order.number }}",
        body="<p>Thanks for <b>A & B</b>,\nyour {{ order.number }}.</p>",
    )
    Variant.objects.create(mail=mail, language="de", subject="Bestellung {{ order.number }}",
                           body="<p>Danke.</p>")  # fmt: skip
    return mail


def test_a_mail_is_rendered_as_it_would_be_sent(paid):
    (english,) = assert_mail_rendered(
        PAID.replaced(language="fr"),
        subject="Order A-1",
        contains=["Thanks for A & B, your A-1.", "<b>A & B</b>"],
        not_contains="Danke",
        to="ann@example.com",
        language="en",
    )
    assert english == paid.render(PAID, language="en")
    (german,) = assert_mail_rendered(PAID, subject=re.compile("^Best"), language="de")
    assert german.subject == "Bestellung A-1"
    assert (EventRecord.objects.count(), Message.objects.count()) == (0, 0)


class OrderPaid(Event):
    name = "order_paid"


@pytest.mark.parametrize("named", ["order_paid", OrderPaid])
def test_of_a_group_it_is_the_event_that_was_recorded_last(paid, named):
    record([PAID])
    record([PAID.replaced(key="2", context={"order": {"number": "A-2"}})])
    assert_mail_rendered(named, subject="Bestellung A-2")
    assert_mail_rendered(EventRecord.objects.earliest("pk"), subject="Bestellung A-1")


def test_each_active_mail_that_hears_it_is_looked_at(paid):
    shop.mail(slug="stock", group="order_paid", subject="Stock", body="x", to="stock@example.com")
    shop.mail(slug="off", group="order_paid", subject="Off", body="x", is_active=False)
    shop.mail(slug="other", group="cart_left", subject="Other", body="x")
    found = assert_mail_rendered(PAID)
    assert [rendered.subject for rendered in found] == ["Bestellung A-1", "Stock"]
    assert_mail_rendered(PAID, mail="stock", subject="Stock", to=["stock@example.com"])
    assert_mail_rendered(PAID, mail=Mail.objects.get(slug="off"), subject="Off")
    assert "The mail “stock” for the event order_paid (order-paid:1) is not as expected" in failure(
        assert_mail_rendered, PAID, subject="Bestellung A-1"
    )


def test_a_failure_shows_the_mail(paid):
    Layout.objects.all().delete()
    assert failure(
        assert_mail_rendered,
        PAID,
        subject="Order",
        contains=["Merci", "Danke."],
        not_contains="Danke",
        to=["bob@example.com"],
        language="en",
    ) == (
        "The mail “paid” for the event order_paid (order-paid:1) is not as expected:\n"
        "- The subject is 'Bestellung A-1', not 'Order'.\n"
        "- 'Merci' is not in it.\n"
        "- 'Danke' is in it.\n"
        "- It goes to ann@example.com, not to bob@example.com.\n"
        "- It is in 'de', not in 'en'.\n"
        "It is:\n"
        "  To: ann@example.com\n"
        "  Subject: Bestellung A-1\n"
        "  Language: de\n\n"
        "  Danke."
    )
    said = failure(assert_mail_rendered, PAID, subject=re.compile("^Order"))
    assert "- '^Order' is not found in the subject 'Bestellung A-1'.\n" in said


def test_a_failure_shows_a_long_mail_in_part():
    shop.mail(group="order_paid", subject="x", body="<p>line</p>" * (LINES + 10))
    said = failure(assert_mail_rendered, PAID, subject="y")
    assert said.count("line") <= LINES + 1
    assert said.endswith("more lines")


def test_a_mail_with_a_value_missing_would_not_be_sent():
    shop.mail(slug="m", group="order_paid", subject="x", body="<p>Note: {{ order.note }}</p>")
    said = failure(assert_mail_rendered, PAID)
    assert "- It would not be sent. No value for: order.note\n" in said
    assert "  Empty: order.note\n" in said


def test_a_mail_that_cannot_be_made_says_why():
    shop.mail(slug="m", group="order_paid", subject="x", body="<p>{{ order.numbr }}</p>")
    assert failure(assert_mail_rendered, PAID) == (
        "The mail “m” for the event order_paid (order-paid:1) cannot be made: Body: Line 1, "
        "column 7: “order.numbr” is not known here. Did you mean “order.number”?"
    )


def test_who_hears_what_is_told_where_nobody_hears_it(paid):
    assert failure(assert_mail_rendered, Event("odrer_paid", "1")) == (
        "No mail hears the group “odrer_paid”. “paid” hears “order_*”."
    )
    shop.mail(slug="left", is_active=False)
    assert failure(assert_mail_rendered, Event("cart_lft", "1")) == (
        "No mail hears the group “cart_lft”. Did you mean “cart_left”? “left” hears “cart_left”, "
        "“paid” hears “order_*”."
    )
    assert failure(assert_mail_rendered, Event("cart_left", "1")) == (
        "No active mail hears the group “cart_left”. “left” would, but is not active: name it "
        "with mail=…, or make it active."
    )
    assert failure(assert_mail_rendered, Event("cart_left", "1"), mail="paid") == (
        "The mail “paid” hears “order_*”, not “cart_left”."
    )
    assert failure(assert_mail_rendered, PAID, mail="pad") == (
        "There is no mail with the short name “pad”. Did you mean “paid”? There are: left, paid."
    )


def test_a_group_of_which_nothing_was_recorded_is_told_with_the_nearest(paid):
    record([PAID])
    assert failure(assert_mail_rendered, "order_payed") == (
        "No event of the group “order_payed” was recorded. Did you mean “order_paid”? Recorded "
        "were events of: order_paid."
    )


def test_an_assertion_that_every_mail_meets_is_refused(paid):
    with pytest.raises(ValueError, match="A text without characters is in every mail"):
        assert_mail_rendered(PAID, contains=[" "])


def test_queued_listeners_are_told_by_the_same_place():
    assert drain() is not None
