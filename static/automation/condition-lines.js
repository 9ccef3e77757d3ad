// Narrows each line of conditions down: a field's own questions, and a fitting field for the
// value instead of free text. What is chosen there is written into the text field that the
// server reads, so the form works without any of this: then all questions are offered, and
// the server says what does not fit.

const { subjects = {}, units = [], and = "and" } = JSON.parse(
  document.getElementById("offered-fields")?.textContent || "{}",
);

function controls(line) {
  const find = (name) => line.querySelector(`[name$="-${name}"]`);
  return { field: find("field"), operator: find("operator"), value: find("value") };
}

function narrow(line) {
  const { field, operator } = controls(line);
  const known = subjects[field.value];
  if (field.value && !known) return; // no longer there: left as it is, to be read or removed
  const chosen = operator.value;
  operator.replaceChildren(
    ...[{ name: "", label: "—" }, ...(known?.operators || [])].map(
      (option) => new Option(option.label, option.name, false, option.name === chosen),
    ),
  );
  if (known?.operators.length === 1) operator.selectedIndex = 1;
  operator.closest(".line-part").hidden = !known;
  for (const part of ["within", "among"]) {
    line.querySelector(`.line-${part}`).hidden = !known?.further.includes(part);
  }
  showValue(line);
}

function showValue(line, questionChanged = false) {
  const { field, operator, value } = controls(line);
  const known = subjects[field.value];
  const asked = known?.operators.find((option) => option.name === operator.value);
  line.querySelector(".value-input")?.remove();
  value.closest(".line-part").hidden = !asked?.example;
  value.hidden = false;
  value.placeholder = asked?.example || "";
  value.inputMode = known?.kind === "number" ? "decimal" : "text";
  const show = asked && inputs[asked.input];
  let made = show?.(value, known);
  if (show && !made && questionChanged) {
    value.value = ""; // an answer to another question
    made = show(value, known);
  }
  if (!made) return;
  made.classList.add("value-input");
  value.hidden = true;
  value.after(made);
}

// Each shows the text of `value` in its own way and writes changes back into it; undefined if
// it cannot show what stands there, which then stays visible as it was typed.
const inputs = {
  choices(value, known) {
    const byName = new Map(known.choices.flatMap(([name, label]) => [[name, name], [label, name]]));
    const typed = value.value.split(",").map((part) => part.trim()).filter(Boolean);
    if (typed.some((part) => !byName.has(part))) return undefined;
    const picked = new Set(typed.map((part) => byName.get(part)));
    const list = element("span", { className: "choice-list" });
    for (const [name, label] of known.choices) {
      const box = element("input", { type: "checkbox", checked: picked.has(name) });
      box.addEventListener("change", () => {
        box.checked ? picked.add(name) : picked.delete(name);
        write(value, known.choices.map(([each]) => each).filter((each) => picked.has(each)).join(", "));
      });
      const text = element("label");
      text.append(box, ` ${label}`);
      list.append(text);
    }
    return list;
  },

  suggestions(value, known) {
    const offered = known.suggestions;
    if (!value.value || offered.some(([name]) => name === value.value)) {
      if (offered.every(([name]) => /^\S+$/.test(name))) return choice(value, offered);
    }
    // More can be meant than is offered: text, with suggestions.
    const text = element("input", { type: "text", value: value.value, placeholder: value.placeholder });
    const list = element("datalist", { id: `${value.id}-suggestions` });
    list.append(...offered.map(([name, label]) => new Option(label, name)));
    text.setAttribute("list", list.id);
    text.addEventListener("input", () => write(value, text.value));
    return wrapped(value, text, list);
  },

  day: (value) => several(value, [dayInput], /^\s*(\S*)\s*$/),
  days: (value) => several(value, [dayInput, dayInput], pair(/\S+/)),
  span: (value) => several(value, [spanInput], /^\s*(.*?)\s*$/),
  spans: (value) => several(value, [spanInput, spanInput], pair(/\d+\s*\S+/)),
};

function pair(one) {
  return new RegExp(`^\\s*(${one.source})\\s+(?:and|${and})\\s+(${one.source})\\s*$`);
}

function several(value, makers, pattern) {
  const parts = value.value ? value.value.match(pattern)?.slice(1) : makers.map(() => "");
  const made = parts && makers.map((make, index) => make(parts[index], update));
  if (!made || made.includes(undefined)) return undefined;
  function update() {
    const texts = made.map((each) => each.read());
    write(value, texts.every((text) => !text) ? "" : texts.join(" and "));
  }
  const all = made.flatMap((each, index) => (index ? [` ${and} `, ...each.nodes] : each.nodes));
  return wrapped(value, ...all);
}

function dayInput(text, update) {
  if (text && !/^\d{4}-\d\d-\d\d$/.test(text)) return undefined;
  const day = element("input", { type: "date", value: text });
  day.addEventListener("change", update);
  return { nodes: [day], read: () => day.value };
}

function spanInput(text, update) {
  const [, amount, word] = text ? text.match(/^(\d+)\s*(\S+)$/) || [] : ["", "", "days"];
  const unit = units.find(([name, label]) => [name, name.replace(/s$/, ""), label].includes(word));
  if (!unit) return undefined;
  const number = element("input", { type: "number", min: 0, max: 999999, value: amount });
  const select = element("select");
  select.append(...units.map(([name, label]) => new Option(label, name, false, name === unit[0])));
  number.addEventListener("input", update);
  select.addEventListener("change", update);
  return {
    nodes: [number, select],
    read: () => (number.value ? `${number.value} ${select.value}` : ""),
  };
}

function choice(value, offered) {
  const select = element("select");
  select.append(
    new Option("—", ""),
    ...offered.map(([name, label]) => new Option(label, name, false, name === value.value)),
  );
  select.addEventListener("change", () => write(value, select.value));
  return wrapped(value, select);
}

function wrapped(value, ...nodes) {
  const around = element("span");
  around.append(...nodes);
  const name = value.labels?.[0]?.textContent;
  if (name) around.querySelectorAll("input, select").forEach((each) => (each.ariaLabel = name));
  return around;
}

function element(name, properties = {}) {
  return Object.assign(document.createElement(name), properties);
}

function write(value, text) {
  value.value = text;
  value.dispatchEvent(new Event("change", { bubbles: true }));
}

function watch(line) {
  const { field, operator, value } = controls(line);
  if (!field || line.classList.contains("empty-form")) return;
  field.addEventListener("change", () => {
    value.value = "";
    narrow(line);
  });
  operator.addEventListener("change", () => showValue(line, true));
  narrow(line);
}

document.querySelectorAll(".condition-line").forEach(watch);
document.addEventListener("formset:added", (event) => {
  if (event.target.matches(".condition-line")) watch(event.target);
});
