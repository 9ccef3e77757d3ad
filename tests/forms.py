"""Forms of pages, filled in as a browser without scripts would."""

from typing import Any

import lxml.html
from django.test import Client


def filled(client: Client, url: str, form_name: str, /, **changed: str) -> dict[str, str]:
    """What the form ``<form_name>_form`` of the page would send, with some fields ``changed``."""
    page = lxml.html.fromstring(client.get(url).content.decode())
    (form,) = [form for form in page.forms if form.get("id") == f"{form_name}_form"]
    unknown = {field for field in changed if field[0] != "_"} - set(form.fields)
    assert unknown == set(), f"The form has no {unknown}"
    return {**dict(form.form_values()), **changed}


def errors(response: Any) -> dict[str, list[str]]:
    """The errors that a page shows, by the field that they stand at; those of condition
    lines as "conditions-0-value"."""
    assert response.status_code == 200
    found = response.context["adminform"].form.errors.get_json_data()
    told = {field: [error["message"] for error in said] for field, said in found.items()}
    for formset in response.context["inline_admin_formsets"]:
        for number, form in enumerate(formset.formset.forms):
            for field, said in form.errors.items():
                told[f"{formset.formset.prefix}-{number}-{field}"] = list(said)
    return told
