"""What the form of a rule holds against: other editors, circles, too much, and what is gone."""

import pytest
from django.urls import reverse
from django.utils.html import strip_tags

from automation.demo.models import Cart
from automation.rules.models import BrokenRule, Condition, Segment
from automation.rules.sources import Source, sources
from generators.models import Generator
from tests import shop
from tests.forms import errors, filled

pytestmark = pytest.mark.django_db

OPEN = ("status", "field.one_of", "open")


def page_of(rule):
    return reverse(f"admin:{rule._meta.app_label}_{rule._meta.model_name}_change", args=[rule.pk])


def form_of(client, rule, **changed):
    return filled(client, page_of(rule), rule._meta.model_name, **changed)


def post(client, rule, **changed):
    return client.post(page_of(rule), form_of(client, rule, **changed))


def segment(name, *lines, source="demo.cart"):
    made = Segment.objects.create(name=name, slug=name.lower(), source=source)
    shop.ask(made, *lines)
    return made


# Two editors ------------------------------------------------------------------------------


def test_a_rule_that_somebody_changed_meanwhile_is_not_overwritten(admin_client):
    generator = shop.generator(OPEN)
    mine = form_of(admin_client, generator, name="Mine")
    assert post(admin_client, generator, name="Hers").status_code == 302
    response = admin_client.post(page_of(generator), mine)
    (said,) = errors(response)["__all__"]
    assert strip_tags(said).startswith(
        "This was changed after you opened the page, so your changes were not saved. It was last "
        "saved by admin ("
    )
    assert '<a href="" target="_blank"' in response.content.decode()
    assert Generator.objects.get().name == "Hers"


def test_a_changed_line_counts_as_a_change_and_a_run_does_not(admin_client):
    generator = shop.generator(OPEN)
    mine = form_of(admin_client, generator, name="Mine")
    Generator.objects.update(next_run_at=shop.NOW, lease_until=shop.NOW)
    assert admin_client.post(page_of(generator), mine).status_code == 302
    mine = form_of(admin_client, generator, name="Mine too")
    line = Condition.objects.get()
    line.value = ["ordered"]
    line.save()
    assert list(errors(admin_client.post(page_of(generator), mine))) == ["__all__"]


def test_a_line_that_is_gone_is_told_at_the_line_with_all_that_was_typed(admin_client):
    generator = shop.generator(OPEN, shop.OLD)
    mine = form_of(admin_client, generator, **{"conditions-1-value": "9 days"})
    del mine["opened_with"]
    Condition.objects.first().delete()
    page = admin_client.post(page_of(generator), mine).content.decode()
    assert page.count("This line was changed by somebody else meanwhile. Open the page again") == 1
    assert 'id="conditions-1"' in page
    assert 'value="9 days"' in page


# Circles ----------------------------------------------------------------------------------


def test_a_segment_cannot_be_made_of_itself(admin_client):
    vips = segment("Vips", OPEN)
    itself = {
        "conditions-0-field": "segment",
        "conditions-0-operator": "segment.in",
        "conditions-0-value": "vips",
    }
    said = errors(post(admin_client, vips, **itself))
    assert said["conditions-0-value"] == ["“Vips” is made of itself."]
    assert Condition.objects.get().field == "status"


def test_a_segment_cannot_close_a_circle_by_way_of_another(admin_client):
    vips = segment("Vips", OPEN)
    segment("Good", ("segment", "segment.in", "vips"))
    circle = {
        "conditions-1-field": "segment",
        "conditions-1-operator": "segment.not_in",
        "conditions-1-value": "good",
    }
    said = errors(post(admin_client, vips, **circle))
    assert said["conditions-1-value"] == ["“Vips” is made of itself."]


# Values and numbers of lines ----------------------------------------------------------------


@pytest.mark.parametrize("value", [",", " , ,"])
def test_choices_of_nothing_but_commas_are_no_value(admin_client, value):
    generator = shop.generator(("status", "field.not_one_of", "open"))
    (said,) = errors(post(admin_client, generator, **{"conditions-0-value": value})).values()
    assert said[0].startswith("Enter a value, for example ")


def test_a_form_of_a_million_lines_is_refused_before_they_are_read(admin_client):
    generator = shop.generator(OPEN)
    response = post(admin_client, generator, **{"conditions-TOTAL_FORMS": "999999"})
    (lines,) = response.context["inline_admin_formsets"]
    assert len(lines.formset.forms) < 110
    assert "A form holds at most 100 conditions." in response.content.decode()


def test_a_line_more_than_fits_is_told_in_words(admin_client):
    generator = shop.generator(*[OPEN] * 100)
    form = form_of(admin_client, generator)
    line = {"joined_by": "and", "field": "status", "operator": "field.one_of", "value": "open"}
    form |= {"conditions-TOTAL_FORMS": "101"}
    form |= {f"conditions-100-{name}": text for name, text in line.items()}
    page = admin_client.post(page_of(generator), form).content.decode()
    assert "A form holds at most 100 conditions." in page
    assert Condition.objects.count() == 100


def test_a_rule_longer_than_a_form_says_so_and_can_be_renamed(admin_client):
    generator = shop.generator(*[OPEN] * 150)
    assert "This rule has 150 conditions" in admin_client.get(page_of(generator)).content.decode()
    assert post(admin_client, generator, name="Long").status_code == 302
    assert Generator.objects.get().name == "Long"
    assert Condition.objects.count() == 150


# What is gone -----------------------------------------------------------------------------


def test_a_generator_whose_source_is_gone_can_be_renamed_and_lose_lines(admin_client):
    generator = shop.generator(OPEN, shop.OLD, armed=False)
    Generator.objects.update(source="demo.vanished")
    removed = {"name": "Old", "conditions-0-DELETE": "on"}
    assert post(admin_client, generator, **removed).status_code == 302
    assert Generator.objects.get().name == "Old"
    assert Condition.objects.get().field == "updated_at"


def test_a_line_whose_source_is_gone_cannot_be_changed(admin_client):
    generator = shop.generator(OPEN, armed=False)
    Generator.objects.update(source="demo.vanished")
    said = errors(post(admin_client, generator, **{"conditions-0-value": "ordered"}))
    assert said == {
        "conditions-0-value": [
            "What this rule is about is gone. Leave the line as it was, or remove it."
        ]
    }


def test_a_source_without_a_person_is_not_asked_about_one(admin_client):
    line = ("event", "event.person_had_not", "cart_left")
    generator = shop.generator(line, armed=False)
    with sources.registered(Source(Cart, ["status"])):
        with pytest.raises(BrokenRule, match="“the person did not have” cannot be asked"):
            generator.rows(shop.NOW)
        page = admin_client.get(page_of(generator)).content.decode()
        assert '"event.had_not"' in page
        said = errors(post(admin_client, generator))
    assert said["conditions-0-operator"][0].startswith(
        "“Segments and history › events of the row” cannot be asked “"
    )
