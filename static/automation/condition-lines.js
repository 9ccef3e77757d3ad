// Narrows each line of conditions down: a field's own questions, and a fitting field for the
// value instead of free text. What is chosen there is written into the text field that the
// server reads, so the form works without any of this: then all questions are offered, and
// the server says what does not fit. Lines are moved by exchanging what they say.

const { subjects = {}, units = [], texts = {} } = JSON.parse(
  document.getElementById("offered-fields")?.textContent || "{}",
);
const group = document.querySelector(".condition-lines");
const status = document.getElementById("condition-lines-status");

let lists = 0;
// A page that is gone back to gets its values back after this has run, until it is shown: for
// so long no choice may be taken away.
let isComing = document.readyState !== "complete";

const PARTS = ["joined_by", "field", "operator", "value", "within", "among"];

function controls(line) {
  return Object.fromEntries(PARTS.map((part) => [part, line.querySelector(`[name$="-${part}"]`)]));
}

function written(line) {
  return Object.fromEntries(PARTS.map((part) => [part, controls(line)[part].value]));
}

// `said` is what the line's choices shall say, as far as they are there to be chosen.
function narrow(line, said = written(line)) {
  const { field, operator, among, within } = controls(line);
  field.dispatchEvent(new Event("shown"));
  const known = subjects[field.value];
  if (field.value && !known) return; // no longer there: left as it is, to be read or removed
  offer(operator, (known?.operators || []).map(({ name, label }) => [name, label]), said.operator);
  if (known?.operators.length === 1) operator.value = known.operators[0].name;
  part(operator).hidden = !known;
  part(within).hidden = !known?.within && !within.value;
  dress(within, part(within).hidden ? undefined : inputs.span(within));
  const segments = known?.among || [];
  const isOffered = !said.among || segments.some(([name]) => name === said.among);
  offer(among, isOffered ? segments : [...segments, [said.among, said.among]], said.among);
  part(among).hidden = !segments.length && !said.among;
  showValue(line);
}

function offer(select, offered, chosen) {
  if (isComing) return;
  const options = offered.map(([name, label]) => new Option(label, name, false, name === chosen));
  select.replaceChildren(new Option("—", ""), ...options);
}

function part(control) {
  return control.closest(".line-part");
}

function showValue(line, questionChanged = false) {
  const { field, operator, value } = controls(line);
  const known = subjects[field.value];
  const asked = known?.operators.find((option) => option.name === operator.value);
  part(value).hidden = !asked?.example;
  value.placeholder = asked?.example || "";
  value.inputMode = asked?.input === "number" ? "decimal" : "text";
  value.classList.toggle("short", asked?.input === "number");
  const show = asked && inputs[asked.input];
  let made = show?.(value, known);
  if (questionChanged && !made && value.dataset.input !== asked?.input) {
    value.value = ""; // an answer to another question
    made = show?.(value, known);
  }
  value.dataset.input = asked?.input || "";
  dress(value, made);
}

// Show `made` in the place of a text field, or the text field itself.
function dress(text, made) {
  text.parentElement.querySelector(".value-input")?.remove();
  text.hidden = Boolean(made);
  if (!made) return;
  made.classList.add("value-input");
  text.after(made);
}

// Each shows the text of `value` in its own way and writes changes back into it; undefined if
// it cannot show what stands there, which then stays visible as it was typed.
const inputs = {
  choices(value, known) {
    const byName = new Map(known.choices.flatMap(([name, label]) => [[name, name], [label, name]]));
    const typed = value.value.split(",").map((part) => part.trim()).filter(Boolean);
    if (typed.some((part) => !byName.has(part))) return undefined;
    const picked = new Set(typed.map((part) => byName.get(part)));
    const list = element("span", { className: "choice-list", role: "group", ariaLabel: nameOf(value) });
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
    const { text, list } = suggesting(offered, value.value);
    text.placeholder = value.placeholder;
    text.addEventListener("input", () => write(value, text.value));
    return wrapped(value, text, list);
  },

  name_and_span(value, known) {
    const found = value.value.match(/^\s*(\S+)(?:\s+(?:in the last|within)?\s*(\d+\s*\S+))?\s*$/);
    if (value.value && !found) return undefined;
    const [, name, time] = found || [];
    const span = spanInput(time, update);
    if (!span) return undefined;
    const { text, list } = suggesting(known.suggestions, name || "");
    text.ariaLabel = texts.group;
    span.nodes[0].placeholder = texts.ever;
    text.addEventListener("input", update);
    function update() {
      write(value, [text.value.trim(), span.read()].filter(Boolean).join(" "));
    }
    return wrapped(value, text, list, ` ${texts.in_the_last} `, ...span.nodes);
  },

  share(value, known) {
    const found = value.value.match(shareText);
    if (value.value && !found) return undefined;
    const [, percent, name] = found || ["", "", ""];
    const much = element("input", { type: "text", className: "percent", value: percent,
      ariaLabel: texts.percent, title: texts.percent_title, placeholder: "20", inputMode: "decimal" });
    const { text, list } = suggesting(known.suggestions, name);
    Object.assign(text, { ariaLabel: texts.split, placeholder: "spring-test" });
    const others = element("span", { className: "quiet" });
    for (const each of [much, text]) each.addEventListener("input", update);
    const read = () => much.value.replace(/[\s%]+$/, "").trim();
    function update() {
      const of = text.value.trim();
      write(value, read() || of ? `${read()} % of ${of}` : "");
      sayOthers();
    }
    function sayOthers() {
      const ends = read().split(/[-–—]/).map((end) => Number(end.replace(",", ".")));
      const rest = Math.round((100 - ends.at(-1) + (ends.length > 1 ? ends[0] : 0)) * 100) / 100;
      const isAsked = controls(value.closest(".condition-line")).operator.value.endsWith(".not_in");
      others.textContent = isAsked && read() && rest > 0 && rest < 100 ? texts.others.replace("%s", rest) : "";
    }
    sayOthers();
    return wrapped(value, much, ` % ${texts.of} `, text, list, " ", others);
  },

  numbers: (value) => several(value, [numberInput, numberInput], pair(/\S+/)),
  day: (value) => several(value, [dayInput], /^\s*(\S*)\s*$/),
  days: (value) => several(value, [dayInput, dayInput], pair(/\S+/)),
  span: (value) => several(value, [spanInput], /^\s*(.*?)\s*$/),
  spans: (value) => several(value, [spanInput, spanInput], pair(/\d+\s*\S+/)),
};

// "20 % of spring-test": how many percent, and the name.
const shareText = new RegExp(
  `^\\s*(.*?)\\s*(?:%|percent|prozent)\\s*(?:(?:of|von|${texts.of})(?:\\s+|$))?(.*?)\\s*$`, "i");

function pair(one) {
  return new RegExp(`^\\s*(${one.source})\\s+(?:and|${texts.and})\\s+(${one.source})\\s*$`);
}

function several(value, makers, pattern) {
  const parts = value.value ? value.value.match(pattern)?.slice(1) : makers.map(() => "");
  const made = parts && makers.map((make, index) => make(parts[index], update));
  if (!made || made.includes(undefined)) return undefined;
  function update() {
    const texts = made.map((each) => each.read());
    write(value, texts.every((text) => !text) ? "" : texts.join(" and "));
  }
  if (made.length > 1) {
    made.forEach(({ nodes }, index) => nodes.forEach((node) => {
      node.ariaLabel = [index ? texts.to : texts.from, node.ariaLabel].filter(Boolean).join(", ");
    }));
  }
  const all = made.flatMap(({ nodes }, index) => (index ? [` ${texts.and} `, ...nodes] : nodes));
  return wrapped(value, ...all);
}

function numberInput(text, update) {
  const number = element("input", { type: "text", inputMode: "decimal", className: "short", value: text });
  number.addEventListener("input", update);
  return { nodes: [number], read: () => number.value.trim() };
}

function dayInput(text, update) {
  if (text && !/^\d{4}-\d\d-\d\d$/.test(text)) return undefined;
  const day = element("input", { type: "date", value: text });
  day.addEventListener("change", update);
  return { nodes: [day], read: () => day.value };
}

function spanInput(text, update) {
  const [, amount, word] = text ? text.match(/^(\d+)\s*(\S+)$/) || [] : ["", "", "days"];
  const unit = units.find(([name, ...labels]) => [name, name.replace(/s$/, ""), ...labels].includes(word));
  if (!unit) return undefined;
  const number = element("input", {
    type: "number", min: 0, max: 999999, value: amount, ariaLabel: texts.number });
  const select = element("select", { ariaLabel: texts.unit });
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

function suggesting(offered, written) {
  const text = element("input", { type: "text", value: written, autocomplete: "off" });
  const list = element("datalist", { id: `suggestions-${++lists}` });
  list.append(...offered.map(([name, label]) => new Option(label, name)));
  text.setAttribute("list", list.id);
  return { text, list };
}

function wrapped(value, ...nodes) {
  const around = element("span");
  around.append(...nodes);
  for (const each of around.querySelectorAll("input, select")) {
    each.ariaLabel = [nameOf(value), each.ariaLabel].filter(Boolean).join(", ");
  }
  return around;
}

function nameOf(control) {
  return control.labels?.[0]?.textContent || "";
}

function element(name, properties = {}) {
  return Object.assign(document.createElement(name), properties);
}

function write(value, text) {
  value.value = text;
  changed(value);
}

function changed(node) {
  node.dispatchEvent(new Event("change", { bubbles: true }));
}

// Moving lines -----------------------------------------------------------------------------

function lines() {
  return [...group.querySelectorAll(".condition-line:not(.empty-form)")];
}

// The line with which one can change places: both must say something, and stay.
function neighbour(line, step) {
  const all = lines();
  const other = all[all.indexOf(line) + step];
  const canMove = (each) =>
    each && controls(each).field.value in subjects && !each.querySelector('[name$="-DELETE"]:checked');
  return canMove(line) && canMove(other) ? other : undefined;
}

function move(line, step) {
  const other = neighbour(line, step);
  const [mine, its] = [written(line), written(other)];
  if ([line, other].includes(lines()[0])) {
    // The first line is bound to nothing: what binds the second one stays where it is.
    [mine.joined_by, its.joined_by] = [its.joined_by, mine.joined_by];
  }
  const errors = [line, other].map((each) => [...each.querySelectorAll(":scope > .errorlist")]);
  say(line, its, errors[1]);
  say(other, mine, errors[0]);
  changed(group);
  const [same, opposite] = step < 0 ? [".up", ".down"] : [".down", ".up"];
  const button = other.querySelector(same);
  (button.disabled ? other.querySelector(opposite) : button).focus();
  const place = { line: lines().indexOf(other) + 1, lines: lines().length };
  status.textContent = texts.moved.replace(/%\((\w+)\)s/g, (_found, name) => place[name]);
}

function say(line, said, errors) {
  const there = controls(line);
  for (const part of ["joined_by", "field", "value", "within"]) there[part].value = said[part];
  narrow(line, said);
  line.append(...errors);
}

function addMoves(line) {
  const around = element("span", { className: "line-moves" });
  for (const [name, sign, step] of [["up", "↑", -1], ["down", "↓", 1]]) {
    const button = element("button", {
      type: "button", className: name, title: texts[name], ariaLabel: texts[name], textContent: sign });
    button.addEventListener("click", () => move(line, step));
    around.append(button);
  }
  line.querySelector(".line-parts").append(around);
}

function refreshMoves() {
  for (const line of lines()) {
    for (const [name, step] of [[".up", -1], [".down", 1]]) {
      const button = line.querySelector(`.line-moves ${name}`);
      if (button) button.disabled = !neighbour(line, step);
    }
    line.querySelector(".line-moves").hidden = !controls(line).field.value;
  }
}

// All lines --------------------------------------------------------------------------------

function watch(line) {
  const { field, operator, value, within, among } = controls(line);
  field.addEventListener("change", () => {
    isComing = false;
    value.value = within.value = among.value = "";
    narrow(line);
  });
  operator.addEventListener("change", () => showValue(line, true));
  narrow(line);
  addMoves(line);
}

if (group && Object.keys(subjects).length) {
  lines().forEach(watch);
  refreshMoves();
  group.addEventListener("change", refreshMoves);
  document.addEventListener("formset:added", (event) => {
    if (event.target.matches(".condition-line")) watch(event.target);
    refreshMoves();
  });
  // Told before the lines that are left get their new numbers, and not by the lines themselves.
  document.addEventListener("formset:removed", () => setTimeout(() => changed(group)));
  window.addEventListener("pageshow", ({ persisted }) => {
    isComing = false;
    if (!persisted) lines().forEach((line) => narrow(line));
    refreshMoves();
  });
}
