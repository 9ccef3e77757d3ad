"""A mail in several languages: the recipient's picks, the first is for everybody else."""

import pytest
from django.core.exceptions import ValidationError

from automation.events import Event
from mails.models import Variant
from tests import shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def mail():
    mail = shop.mail(subject="Hello", body="<p>Your cart</p>", language="en")
    for language, subject in [("de", "Hallo"), ("pt-br", "Olá")]:
        Variant.objects.create(mail=mail, language=language, subject=subject, body="<p>x</p>")
    return mail


@pytest.mark.parametrize(
    ("language", "subject"),
    [("de", "Hallo"), ("de-ch", "Hallo"), ("DE_at", "Hallo"), ("pt-br", "Olá"), ("pt", "Hello"),
     ("fr", "Hello"), ("", "Hello"), ("en-gb", "Hello")],
)  # fmt: skip
def test_the_readers_language_picks(mail, language, subject):
    rendered = mail.render(Event("cart_left", "1", language=language))
    assert rendered.subject == subject
    assert f'<html lang="{rendered.language}"' in rendered.html


def test_templates_know_the_language_they_are_in(mail):
    Variant.objects.filter(language="de").update(body="<p>in {{ mail.language }}</p>")
    assert mail.render(Event("cart_left", "1", language="de-ch")).text == "in de"


def test_each_language_is_checked_and_there_once(mail):
    shop.generator()
    wrong = Variant(mail=mail, language="fr", subject="{{ cart.totl }}", body="<p>x</p>")
    with pytest.raises(ValidationError) as refused:
        wrong.full_clean()
    assert refused.value.message_dict == {
        "subject": ["Line 1, column 4: “cart.totl” is not known here. Did you mean “cart.total”?"]
    }
    for language, message in [
        ("en", "This is the language of the mail itself."),
        ("de", "The mail has this language already."),
        ("german!", "Write the language as its code, such as en, de or pt-br."),
    ]:
        with pytest.raises(ValidationError, match=message):
            Variant(mail=mail, language=language, subject="a", body="b").full_clean()
