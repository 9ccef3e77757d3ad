// Narrows each line of conditions down: a field's own operators, and choices to tick instead
// of typing. The form works without it: then all operators are offered, and the server says
// what does not fit.

const offered = JSON.parse(document.getElementById("offered-fields")?.textContent || "{}");

function controls(row) {
  const find = (name) => row.querySelector(`[name$="-${name}"]`);
  return { field: find("field"), operator: find("operator"), value: find("value") };
}

function narrow(row) {
  const { field, operator, value } = controls(row);
  if (!field || !operator || !value) return;
  const known = offered[field.value];
  const chosen = operator.value;
  const options = known
    ? [{ name: "", label: "—" }, ...known.operators]
    : [{ name: "", label: "—" }];
  operator.replaceChildren(
    ...options.map((option) => new Option(option.label, option.name, false, option.name === chosen)),
  );
  operator.disabled = false;
  showValue(row, known);
}

function showValue(row, known) {
  const { operator, value } = controls(row);
  row.querySelector(".choice-list")?.remove();
  const asked = known?.operators.find((option) => option.name === operator.value);
  const takesValue = Boolean(asked?.example);
  value.hidden = !takesValue;
  value.placeholder = asked?.example || "";
  if (takesValue && known.choices.length) offerChoices(value, known.choices);
}

function offerChoices(value, choices) {
  const picked = new Set(value.value.split(",").map((part) => part.trim()).filter(Boolean));
  const list = document.createElement("span");
  list.className = "choice-list";
  for (const [stored, label] of choices) {
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = picked.has(stored);
    box.addEventListener("change", () => {
      box.checked ? picked.add(stored) : picked.delete(stored);
      value.value = choices.map(([name]) => name).filter((name) => picked.has(name)).join(", ");
    });
    const text = document.createElement("label");
    text.append(box, ` ${label}`);
    list.append(text);
  }
  value.hidden = true;
  value.after(list);
}

function watch(row) {
  const { field, operator } = controls(row);
  if (!field || row.classList.contains("empty-form")) return;
  field.addEventListener("change", () => {
    controls(row).value.value = "";
    narrow(row);
  });
  operator.addEventListener("change", () => showValue(row, offered[field.value]));
  narrow(row);
}

document.querySelectorAll("#conditions-group tr.form-row").forEach(watch);
document.addEventListener("formset:added", (event) => watch(event.target));
