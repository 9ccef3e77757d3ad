// Makes the field of a condition line searchable: a text field with the list of all fields,
// as the ARIA Authoring Practices describe an editable combobox with list autocomplete. The
// select below it stays in the form, hidden: it is what is sent, and all there is without
// scripts. A "shown" event on the select says that its value was set by a script.

const { subjects = {}, about = "", texts = {} } = JSON.parse(
  document.getElementById("offered-fields")?.textContent || "{}",
);
const status = document.getElementById("condition-lines-status");
let made = 0;

// What is searched ------------------------------------------------------------------------

function entries(select) {
  return [...select.options].filter((option) => option.value).map((option) => {
    const known = subjects[option.value];
    const group = option.parentElement.label || about;
    // What is no plain value is found by what is asked about it, too.
    const asked = isValue(option) ? [] : known.operators.map(({ label }) => label);
    const further = plain(known?.keywords || "");
    return {
      value: option.value,
      label: option.text,
      group,
      text: textOf(option),
      further,
      words: [plain(option.text), plain(group), `${plain(asked.join(" "))} ${further}`],
    };
  });
}

function isValue(option) {
  return subjects[option.value]?.kind !== "other";
}

// What stands in the field once the option is chosen.
function textOf(option) {
  const group = option.parentElement.label;
  return group && isValue(option) ? `${group} › ${option.text}` : option.text;
}

function plain(text) {
  const bare = text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replaceAll("ß", "ss");
  return bare.replace(/[^\p{L}\p{N}]+/gu, " ").trim();
}

// How well an entry fits what was typed; 0 if one of the words is nowhere in it.
function fit(entry, typed) {
  let points = entry.words[0] === typed ? 9 : entry.words[0].startsWith(typed) ? 4 : 0;
  if (` ${entry.further} `.includes(` ${typed} `)) points += 5;
  for (const word of typed.split(" ")) {
    const found = entry.words.map((text, place) =>
      ` ${text}`.includes(` ${word}`) ? 6 - 2 * place : text.includes(word) ? 5 - 2 * place : 0,
    );
    const best = Math.max(...found);
    if (!best) return 0;
    points += best;
  }
  return points;
}

function search(all, text) {
  const typed = plain(text);
  if (!typed) return all;
  const rated = all.map((entry) => [entry, fit(entry, typed)]).filter(([, points]) => points);
  return rated.sort(([, one], [, other]) => other - one).map(([entry]) => entry);
}

// The field and its list -------------------------------------------------------------------

function searchable(select) {
  const around = element("span", { className: "field-search" });
  const input = element("input", {
    type: "text", id: `${select.id}-search`, className: "field-search-input",
    autocomplete: "off", spellcheck: false, placeholder: texts.search,
  });
  const popup = element("div", { className: "field-options", hidden: true });
  const list = element("div", { id: `field-options-${++made}` });
  const nothing = element("p", { className: "nothing" });
  set(input, { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false",
    "aria-controls": list.id, "aria-haspopup": "listbox", autocapitalize: "none" });
  set(list, { role: "listbox", "aria-label": texts.choices });
  for (const name of ["aria-invalid", "aria-describedby"]) {
    if (select.hasAttribute(name)) input.setAttribute(name, select.getAttribute(name));
  }
  popup.append(list, nothing);
  around.append(input, popup);
  select.labels.forEach((label) => (label.htmlFor = input.id));
  select.after(around);
  select.hidden = true;

  let found = []; // the options of the list, in its order
  let active = null;

  const isOpen = () => !popup.hidden;
  const chosen = () => found.find((option) => option.dataset.value === select.value);

  function show() {
    input.value = select.value ? textOf(select.selectedOptions[0]) : "";
  }

  function fill(text) {
    const groups = new Map();
    for (const entry of search(entries(select), text)) {
      groups.set(entry.group, [...(groups.get(entry.group) || []), entry]);
    }
    list.replaceChildren(...[...groups].map(([name, members], number) => {
      const heading = element("div", {
        id: `${list.id}-${number}`, className: "heading", textContent: name });
      const group = element("div");
      set(group, { role: "group", "aria-labelledby": heading.id });
      group.append(heading, ...members.map(optionOf));
      return group;
    }));
    found = [...list.querySelectorAll("[role=option]")];
    found.forEach((option, number) => (option.id = `${list.id}-option-${number}`));
    chosen()?.classList.add("chosen");
    nothing.textContent = found.length ? "" : texts.nothing.replace("%s", text.trim());
    list.hidden = !found.length;
    nothing.hidden = Boolean(found.length);
    input.setAttribute("aria-expanded", String(Boolean(found.length)));
    activate(null);
  }

  function open(text = "") {
    const wasOpen = isOpen();
    popup.hidden = false;
    fill(text);
    if (wasOpen) return;
    // Above the keyboard of a phone there is little room.
    const isTouch = matchMedia("(pointer: coarse)").matches;
    (isTouch ? around : popup).scrollIntoView({ block: isTouch ? "start" : "nearest" });
  }

  function close() {
    popup.hidden = true;
    input.setAttribute("aria-expanded", "false");
    activate(null);
    show();
  }

  function activate(option) {
    active?.setAttribute("aria-selected", "false");
    active = option || null;
    active?.setAttribute("aria-selected", "true");
    active?.scrollIntoView({ block: "nearest" });
    if (active) input.setAttribute("aria-activedescendant", active.id);
    else input.removeAttribute("aria-activedescendant");
  }

  function step(by) {
    const from = active ? found.indexOf(active) : by > 0 ? -1 : found.length;
    const to = from + by;
    // One step leads from the end to the beginning, a page stops there.
    const last = found.length - 1;
    activate(found[Math.abs(by) > 1 ? Math.min(Math.max(to, 0), last) : (to + last + 1) % (last + 1)]);
  }

  function choose(option) {
    const isOther = select.value !== option.dataset.value;
    select.value = option.dataset.value;
    close();
    if (isOther) select.dispatchEvent(new Event("change", { bubbles: true }));
  }

  const keys = {
    ArrowDown: () => (isOpen() ? step(1) : (open(), activate(chosen() || found[0]))),
    ArrowUp: () => (isOpen() ? step(-1) : (open(), activate(chosen() || found.at(-1)))),
    PageDown: () => isOpen() && (step(8), true),
    PageUp: () => isOpen() && (step(-8), true),
    Home: () => isOpen() && (activate(found[0]), true),
    End: () => isOpen() && (activate(found.at(-1)), true),
    // As in a select, Enter never sends the form.
    Enter: () => (!isOpen() ? (open(), activate(chosen())) : active ? choose(active) : undefined),
    Escape: () => isOpen() && (close(), input.select(), true),
    Tab: () => {
      if (isOpen() && active) choose(active);
      return false;
    },
  };

  input.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.isComposing) return;
    if (event.shiftKey && event.key !== "Tab") return;
    if (event.altKey && event.key === "ArrowDown") open();
    else if (event.altKey && event.key === "ArrowUp") close();
    else if (event.altKey || !(event.key in keys) || keys[event.key]() === false) return;
    event.preventDefault();
  });
  input.addEventListener("input", (event) => {
    event.stopPropagation(); // nothing of the form has changed
    open(input.value);
    if (!plain(input.value)) return;
    activate(found[0]);
    const said = found.length ? texts.found.replace("%s", found.length) : nothing.textContent;
    if (status) status.textContent = said;
  });
  input.addEventListener("change", (event) => event.stopPropagation());
  input.addEventListener("click", () => {
    if (isOpen()) return;
    open();
    activate(chosen());
    input.select();
  });
  input.addEventListener("blur", () => {
    if (!isOpen()) return;
    // What was typed in full is meant; anything else was a search that came to nothing.
    const typed = plain(input.value);
    const meant = found.filter((option) => typed && option.dataset.names.split("\n").includes(typed));
    if (meant.length === 1) choose(meant[0]);
    else close();
  });
  popup.addEventListener("mousedown", (event) => event.preventDefault()); // keeps the focus
  document.addEventListener("pointerdown", (event) => {
    if (isOpen() && !around.contains(event.target)) input.blur();
  });
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) choose(option);
  });
  for (const change of ["change", "shown"]) select.addEventListener(change, show);
  show();
  return input;
}

function optionOf(entry) {
  const option = element("div", { textContent: entry.label });
  set(option, { role: "option", "aria-selected": "false" });
  option.dataset.value = entry.value;
  option.dataset.names = `${entry.words[0]}\n${plain(entry.text)}`;
  return option;
}

function element(name, properties = {}) {
  return Object.assign(document.createElement(name), properties);
}

function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
}

for (const select of document.querySelectorAll(".condition-line:not(.empty-form) .line-field select")) {
  searchable(select);
}
document.addEventListener("formset:added", (event) => {
  const select = event.target.querySelector(".line-field select");
  if (select) searchable(select).focus();
});
