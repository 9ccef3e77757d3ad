"""The form of a rule: one line for each condition."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.models import BaseInlineFormSet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.rules.definitions import read_condition
from automation.rules.fields import Field, Kind
from automation.rules.rule import Condition, Rule, Segment, kinds_of_condition
from automation.rules.sources import Source, UnknownSource, sources


class SourceForm(forms.ModelForm):
    """The base of every rule's form: "about" is chosen from the sources, once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "source" in self.fields:
            label, help_text = self.fields["source"].label, self.fields["source"].help_text
            self.fields["source"] = forms.ChoiceField(
                label=label, help_text=help_text, choices=[("", "—"), *sources.choices()]
            )


class ConditionLine(forms.ModelForm):
    """One line: and|or · field · operator · value. What kind of condition it is follows from
    the operator."""

    field = forms.ChoiceField(label=gettext_lazy("field"))
    operator = forms.ChoiceField(label=gettext_lazy("question"))
    value = forms.CharField(label=gettext_lazy("value"), required=False, max_length=500)
    within = forms.CharField(
        label=gettext_lazy("of the last"),
        required=False,
        max_length=30,
        widget=forms.TextInput(attrs={"placeholder": "30 days"}),
    )
    among = forms.ChoiceField(label=gettext_lazy("only those in"), required=False)

    class Meta:
        model = Condition
        fields = ("joined_by",)

    def __init__(self, *args: Any, rule: Rule | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rule = rule
        self.replaced: Condition | None = None
        try:
            self.source: Source | None = sources.get(rule.source) if rule else None
        except UnknownSource:
            self.source = None
        self._offer_choices()
        condition: Any = self.instance
        if condition.pk:
            self.initial = {
                **self.initial,
                "field": condition.field,
                "operator": f"{condition.kind}.{condition.operator}",
                "value": condition.value_text(),
                **condition.further_parts(),
            }

    def _offer_choices(self) -> None:
        if self.source is None:
            return
        subjects = subjects_of(self.source)
        chooser: Any = self.fields["field"]
        chooser.choices = [("", "—"), *_grouped(list(subjects.values()))]
        operators: Any = self.fields["operator"]
        operators.choices = [("", "—"), *_all_operators(self.source)]
        among: Any = self.fields["among"]
        among.choices = [("", "—"), *Segment.objects.values_list("slug", "name")]
        path, operator = self.instance.field, self.instance.operator
        if path and path not in subjects:
            # A field that is gone stays visible, so that the line can be mended or removed.
            chooser.choices = [*chooser.choices, (path, _("%s (no longer there)") % path)]
            operators.choices = [*operators.choices, (f"{self.instance.kind}.{operator}", operator)]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.source is None or not cleaned.get("field") or not cleaned.get("operator"):
            return cleaned
        try:
            condition = read_condition(
                self.source,
                field=cleaned["field"],
                operator=cleaned["operator"],
                value=cleaned.get("value", ""),
                joined_by=cleaned.get("joined_by", ""),
                **{name: cleaned[name] for name in ("within", "among") if cleaned.get(name)},
            )
        except ValidationError as error:
            self.add_error("value", error)
            return cleaned
        self._take(condition)
        return cleaned

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


class ConditionLines(BaseInlineFormSet):
    """All lines of a rule, in their order."""

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        return {**super().get_form_kwargs(index), "rule": self.instance}

    def clean(self) -> None:
        super().clean()
        kept = [form for form in self.forms if form not in self.deleted_forms]
        for position, form in enumerate(kept):
            form.instance.position = position

    def save_existing_objects(self, commit: bool = True) -> list[Any]:
        saved = super().save_existing_objects(commit)
        if commit:
            # A line that did not change itself may have moved up.
            for form in self.initial_forms:
                if form not in self.deleted_forms and form.instance.pk and not form.has_changed():
                    Condition.objects.filter(pk=form.instance.pk).update(
                        position=form.instance.position
                    )
        return saved


def _grouped(fields: list[Field]) -> list[tuple[str, Any]]:
    """Choices of fields: the row's own first, then grouped by relation."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for field in fields:
        groups.setdefault(str(field.group), []).append((field.path, str(field.label)))
    own = groups.pop("", [])
    return [*own, *groups.items()]


def subjects_of(source: Source) -> dict[str, Field]:
    """Everything that a condition can be about, by path: fields first."""
    return {
        subject.path: subject
        for model in kinds_of_condition()
        for subject in model.subjects(source)
    }


def _all_operators(source: Source) -> list[tuple[str, str]]:
    """Every operator there is; the page's script narrows them down to those of one field."""
    found: dict[str, str] = {}
    for model in kinds_of_condition():
        for subject in model.subjects(source):
            for operator in model.operators(subject):
                found[f"{model.kind}.{operator.name}"] = str(operator.label)
    return list(found.items())


def offered(source: Source) -> dict[str, Any]:
    """What the page's script needs to narrow a line down: for each subject its operators with
    an example of a value, its choices, what else could be meant, and its further parts."""
    found: dict[str, Any] = {}
    for model in kinds_of_condition():
        for subject in model.subjects(source):
            entry = found.setdefault(
                subject.path,
                {"kind": str(subject.kind), "operators": [], "suggestions": [], "further": []},
            )
            entry["operators"] += [
                {
                    "name": f"{model.kind}.{operator.name}",
                    "label": str(operator.label),
                    "example": operator.example,
                }
                for operator in model.operators(subject)
            ]
            entry["choices"] = (
                [[str(value), str(label)] for value, label in subject.choices]
                if subject.kind == Kind.CHOICE
                else []
            )
            entry["suggestions"] += model.suggestions(source)
            entry["further"] = list(model.FURTHER)
    return found
