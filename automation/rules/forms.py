"""The form of a rule: one line for each condition."""

import zoneinfo
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import prefetch_related_objects
from django.forms.models import BaseInlineFormSet
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.rules import dates, editing
from automation.rules.definitions import read_condition
from automation.rules.fields import Field
from automation.rules.offers import Offer
from automation.rules.rule import BrokenRule, Condition, Rule
from automation.rules.sources import UnknownField, UnknownSource, sources


class TextWithSuggestions(forms.TextInput):
    """A text field that offers what is likely to be meant. ``suggestions`` is asked whenever
    the field is shown, for (text, what it stands for)."""

    def __init__(
        self, suggestions: Callable[[], Iterable[tuple[str, str]]], attrs: Any = None
    ) -> None:
        super().__init__({"class": "vTextField", "autocomplete": "off", **(attrs or {})})
        self.suggestions = suggestions

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        listed = f"{(attrs or {}).get('id', name)}-suggestions"
        field = super().render(name, value, {**(attrs or {}), "list": listed}, renderer)
        options = format_html_join("", '<option value="{}">{}</option>', self.suggestions())
        return format_html('{}<datalist id="{}">{}</datalist>', field, listed, options)


def time_zones() -> list[tuple[str, str]]:
    """The names of all time zones that belong to a place."""
    return [(name, "") for name in sorted(zoneinfo.available_timezones()) if "/" in name]


class SourceForm(forms.ModelForm):
    """The base of every rule's form: "about" is chosen from the sources, once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "source" in self.fields:
            label, help_text = self.fields["source"].label, self.fields["source"].help_text
            self.fields["source"] = forms.ChoiceField(
                label=label, help_text=help_text, choices=[("", "—"), *sources.choices()]
            )
        if "slug" in self.fields:
            self.fields["slug"].error_messages["unique"] = gettext_lazy(
                "This short name is taken. Choose another one."
            )
        if "time_zone" in self.fields:
            self.fields["time_zone"].widget = TextWithSuggestions(time_zones)
        if self.instance.pk:
            opened_with = editing.fingerprint(self.instance, list(self.fields))
            self.fields["opened_with"] = editing.OpenedWith(initial=opened_with)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if "opened_with" in self.fields:
            sent = (cleaned or {}).get("opened_with")
            if sent and sent != self.fields["opened_with"].initial:
                raise ValidationError(editing.changed_meanwhile(self.instance), code="meanwhile")
        return cleaned


#: What a line is written with; what it means is read from all of them together.
TEXTS = ("field", "operator", "value", "within", "among")

#: So many lines fit into a form: of many more, the server would refuse all that is sent.
MAX_LINES = 100


class ConditionLine(forms.ModelForm):
    """One line: and|or · field · operator · value. What kind of condition it is follows from
    the operator."""

    field = forms.ChoiceField(
        label=gettext_lazy("field"),
        error_messages={
            "required": gettext_lazy("Choose what the line is about, or remove the line."),
            "invalid_choice": gettext_lazy("“%(value)s” is not there. Choose from the list."),
        },
    )
    operator = forms.ChoiceField(
        label=gettext_lazy("question"),
        error_messages={
            "required": gettext_lazy("Choose what is asked about it, such as “is”."),
            "invalid_choice": gettext_lazy(
                "There is no question “%(value)s”. Choose from the list."
            ),
        },
    )
    value = forms.CharField(label=gettext_lazy("value"), required=False, max_length=500)
    within = forms.CharField(
        label=gettext_lazy("of the last"),
        required=False,
        max_length=30,
        widget=forms.TextInput(attrs={"placeholder": gettext_lazy("30 days")}),
    )
    among = forms.ChoiceField(label=gettext_lazy("only those in"), required=False)

    class Meta:
        model = Condition
        fields = ("joined_by",)

    def __init__(self, *args: Any, offer: Offer | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer = offer
        self.replaced: Condition | None = None
        if offer is not None:
            self._offer_choices(offer)
        elif self.instance.pk:
            self._offer_what_is_saved()
        if self.instance.pk:
            self.initial = {**self.initial, **self._as_saved(self.instance)}

    def _as_saved(self, condition: Condition) -> dict[str, str]:
        """The condition as it was written, in the words of the language in use."""
        operator, value = f"{condition.kind}.{condition.operator}", condition.value_text()
        further = condition.further_parts()
        if self.offer is not None:
            value = self.offer.value_in_this_language(condition.field, operator, value)
        if "within" in further:
            further["within"] = dates.in_this_language(further["within"])
        return {"field": condition.field, "operator": operator, "value": value, **further}

    def _offer_choices(self, offer: Offer) -> None:
        chooser: Any = self.fields["field"]
        chooser.choices = [("", "—"), *offer.fields()]
        operators: Any = self.fields["operator"]
        operators.choices = [("", "—"), *offer.every_operator()]
        among: Any = self.fields["among"]
        among.choices = [("", "—"), *((slug, name) for slug, name, _key in offer.segments)]
        path, operator = self.instance.field, self.instance.operator
        if path and path not in offer.subjects:
            # A field that is gone stays visible, so that the line can be mended or removed.
            chooser.choices = [*chooser.choices, (path, _("%s (no longer there)") % path)]
        asked = f"{self.instance.kind}.{operator}"
        if operator and asked not in dict(operators.choices):
            operators.choices = [*operators.choices, (asked, operator)]

    def _offer_what_is_saved(self) -> None:
        """Without a source there is nothing else to choose from: a line can stay or be removed."""
        saved = self._as_saved(self.instance)
        for name in ("field", "operator", "among"):
            chooser: Any = self.fields[name]
            chooser.choices = [
                ("", "—"),
                *([(saved[name], saved[name])] if saved.get(name) else []),
            ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        path, operator = cleaned.get("field"), cleaned.get("operator")
        if self.offer is None and set(self.changed_data) & set(TEXTS):
            self.add_error(
                "value",
                _("What this rule is about is gone. Leave the line as it was, or remove it."),
            )
        if self.offer is None or not path or not operator or "value" in self.errors:
            return cleaned
        subject = self.offer.subjects.get(path)
        if subject is not None:
            fitting = dict(self.offer.operators(subject))
            if operator not in fitting:
                self.add_error("operator", self._does_not_fit(subject, operator, fitting))
                return cleaned
            example = self.offer.example(subject, operator)
            if example and not cleaned.get("value", "").strip():
                missing = _("Enter a value, for example %(example)s.") % {"example": example}
                self.add_error("value", missing)
                return cleaned
        try:
            condition = read_condition(
                self.offer.source,
                field=path,
                operator=operator,
                value=cleaned.get("value", ""),
                joined_by=cleaned.get("joined_by", ""),
                **{name: cleaned[name] for name in ("within", "among") if cleaned.get(name)},
            )
        except ValidationError as error:
            self.add_error("value", error)
            return cleaned
        self._take(condition)
        return cleaned

    def _post_clean(self) -> None:
        # The admin names all of the line's fields as the model's. What they mean has been put
        # on the instance already; Django would write their bare texts over it.
        cleaned = self.cleaned_data
        self.cleaned_data = {name: cleaned[name] for name in cleaned if name not in TEXTS}
        super()._post_clean()  # type: ignore[misc]
        self.cleaned_data = cleaned

    def _get_validation_exclusions(self) -> set[str]:
        return {*super()._get_validation_exclusions(), *TEXTS}  # type: ignore[misc]

    def _does_not_fit(self, subject: Field, operator: str, fitting: dict[str, str]) -> str:
        operators: Any = self.fields["operator"]
        labels = dict(operators.choices)
        return _("“%(field)s” cannot be asked “%(operator)s”. Choose one of: %(fitting)s.") % {
            "field": subject.full_label,
            "operator": labels.get(operator, operator),
            "fitting": ", ".join(fitting.values()),
        }

    def _take(self, condition: Condition) -> None:
        """Put ``condition`` in the place of the line's instance: as the same row if it is of
        the same kind, else as a new one."""
        before = self.instance
        if before.pk and type(before) is type(condition):
            condition.pk = condition.id = before.pk
            condition.condition_ptr_id = before.pk  # type: ignore[attr-defined]
            condition.polymorphic_ctype_id = before.polymorphic_ctype_id
            condition._state.adding = False
        elif before.pk:
            self.replaced = before
        condition.rule_id = before.rule_id
        condition.position = before.position
        self.instance = condition

    def save(self, commit: bool = True) -> Any:
        if commit and self.replaced is not None:
            self.replaced.delete()
        return super().save(commit)


class SavedLine(forms.ModelChoiceField):
    """Which saved line this is: one of those that were read already. Django would read each of
    them once more, whenever the form is sent, saved or not."""

    lines: Iterable[Condition] = ()
    default_error_messages = {
        "required": editing.LINE_CHANGED_MEANWHILE,
        "invalid_choice": editing.LINE_CHANGED_MEANWHILE,
    }

    def to_python(self, value: Any) -> Condition | None:
        if value in self.empty_values:
            return None
        for line in self.lines:
            if str(line.pk) == str(getattr(value, "pk", value)):
                return line
        raise ValidationError(self.error_messages["invalid_choice"], code="invalid_choice")


class ConditionLines(BaseInlineFormSet):
    """All lines of a rule, in their order."""

    default_error_messages = {"too_many_forms": editing.TOO_MANY_LINES}

    @cached_property
    def offer(self) -> Offer | None:
        """None if the rule's source is gone: then its lines can only be removed."""
        try:
            source = sources.get(self.instance.source)
        except UnknownSource:
            return None
        return Offer.of(source)

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        return {**super().get_form_kwargs(index), "offer": self.offer}

    def get_queryset(self) -> Any:
        if not hasattr(self, "_queryset"):
            read_what_they_name(super().get_queryset())
        return super().get_queryset()

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        key = form.fields["id"]
        field = SavedLine(key.queryset, required=False, widget=key.widget, initial=key.initial)
        field.lines = self.get_queryset()
        form.fields["id"] = field

    def clean(self) -> None:
        super().clean()
        forms: list[Any] = self.forms
        saved: list[Any] = self.initial_forms
        if any("id" in form.errors for form in saved):
            # The admin shows as many lines as there are in the database.
            self._queryset = [form.instance for form in saved]
        kept = [form for form in forms if form not in self.deleted_forms]
        for position, form in enumerate(kept):
            form.instance.position = position
        written = [form for form in forms if form.has_changed() or form in saved]
        written = [form for form in written if not self._should_delete_form(form)]  # type: ignore[attr-defined]
        self._refuse_circles(written)
        if len(written) > MAX_LINES:
            raise ValidationError(
                editing.TOO_MANY_LINES % {"num": MAX_LINES}, code="too_many_forms"
            )

    def _refuse_circles(self, written: list[Any]) -> None:
        """A line that cannot be asked is told at it: one that leads back to this rule through
        segments above all."""
        if self.offer is None:
            return
        for form in written:
            if form.has_changed() and form.is_valid() and form.instance.operator:
                condition, source = form.instance, self.offer.source
                try:
                    with self.instance.being_asked():
                        now = self.instance.local(timezone.now())
                        condition.expression(source, now)
                        condition.to_q(source, now, condition.field)
                except BrokenRule as error:
                    form.add_error("value", str(error))
                except UnknownField:
                    pass  # the line itself was read: another rule's field is gone

    def complete(self) -> list[Condition]:
        """The conditions of all lines that can be asked as they stand, unsaved, each with the
        prefix of its line as ``line``; lines that are empty, marked for removal or wrong are
        left out."""
        found = []
        for form in self.forms:
            if form.is_valid() and form.instance.operator and not self._should_delete_form(form):  # type: ignore[attr-defined]
                form.instance.line = form.prefix
                found.append(form.instance)
        return found

    def unfinished(self) -> list[tuple[str, str]]:
        """The lines that cannot be asked as they stand: the prefix of each, and what is
        missing. Empty lines and those marked for removal are none of them."""
        return [
            (str(form.prefix), str(next(iter(form.errors.values()))[0]))
            for form in self.forms
            if not form.is_valid() and not self._should_delete_form(form)  # type: ignore[attr-defined]
        ]

    def save_existing_objects(self, commit: bool = True) -> list[Any]:
        # Django passes over lines that became another kind: they have no primary key yet.
        lines: list[Any] = self.initial_forms
        replacing = [form for form in lines if form.replaced is not None]
        saved = super().save_existing_objects(commit)
        for form in replacing:
            if form in self.deleted_forms:
                self.deleted_objects.append(form.replaced)
                if commit:
                    form.replaced.delete()
            else:
                self.changed_objects.append((form.instance, form.changed_data))
                saved.append(self.save_existing(form, form.instance, commit=commit))
        if commit:
            # A line that did not change itself may have moved up.
            for form in lines:
                if form not in self.deleted_forms and form.instance.pk and not form.has_changed():
                    Condition.objects.filter(pk=form.instance.pk).update(
                        position=form.instance.position
                    )
        return saved


def read_what_they_name(conditions: Iterable[Condition]) -> None:
    """Read the rows that ``conditions`` point at, such as segments, with one query for each
    kind of condition instead of one for each line."""
    by_kind: dict[type[Condition], list[Condition]] = defaultdict(list)
    for condition in conditions:
        by_kind[type(condition)].append(condition)
    for kind, alike in by_kind.items():
        if kind is Condition:
            continue
        for field in kind._meta.local_fields:
            if field.many_to_one and not getattr(field.remote_field, "parent_link", False):
                named: Any = field.related_model
                of_rule = issubclass(named, Rule)
                prefetch_related_objects(
                    alike, f"{field.name}__conditions" if of_rule else field.name
                )
