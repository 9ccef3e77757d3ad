// The list of what a mail can say: a click writes it where the cursor was last, in the text, its
// source or a line such as the subject. Works without the rich editor, too.

import { insertItems, insertRows } from "./loops.js";
import { AFTER } from "./placing.js";
import { insert } from "./typing.js";

const FIELD = "[data-liquid-field]";

const panel = document.querySelector(".mail-variables");
if (panel) setUp(panel);

function setUp(panel) {
  let last = null; // an input, or an editor
  const list = panel.querySelector(".mail-variables-list");
  const search = panel.querySelector('input[type="search"]');
  search.hidden = false;

  document.addEventListener("focusin", ({ target }) => {
    if (target.matches(FIELD)) remember(target);
  });
  // Editors take the focus into a frame, where this page cannot see it.
  window.CKEDITOR?.on("instanceReady", ({ editor }) => {
    editor.on("focus", () => remember(editor));
    editor.on("destroy", () => {
      if (last === editor) last = null;
    });
  });
  panel.addEventListener("click", ({ target }) => {
    const button = target.closest("button[data-insert-value], button[data-insert-html]");
    if (button) write(last || firstField(), button.dataset);
  });
  search.addEventListener("input", () => filter(list, search.value));
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // not the whole form
    list.querySelector("li:not([hidden]) button, section:not([hidden]) button")?.click();
  });
  followGroup(panel, list, search);

  function remember(target) {
    last = target;
    const name = labelOf(target);
    const place = panel.querySelector(".mail-variables-target");
    place.hidden = !name;
    place.querySelector("b").textContent = name;
  }
}

const fieldOf = (target) => target.element?.$ || target;

function labelOf(target) {
  const field = fieldOf(target);
  const group = field
    .closest(".inline-related:not(.empty-form)")
    ?.querySelector("h3 .inline_label, h3 b");
  const name = field.labels?.[0]?.textContent.trim().replace(/:$/, "") || "";
  return group ? `${name} (${group.textContent.trim()})` : name;
}

/** The first text, as its editor if it has one. */
function firstField() {
  const field = document.querySelector(`textarea${FIELD}`) || document.querySelector(FIELD);
  return window.CKEDITOR?.instances[field?.id] || field;
}

function write(target, what) {
  if (!target) return;
  if (target.mode === "wysiwyg") {
    target.focus();
    if (what.insertRows && insertRows(target, what.insertRows)) return;
    if (what.insertItems && insertItems(target, what.insertItems)) return;
    insert(target, what.insertHtml || what.insertValue);
    if (what.insertHtml) goBehind(target);
    return;
  }
  const isSource = target.mode === "source";
  const field = isSource ? target.editable().$ : target;
  const holdsHtml = isSource || field.matches('textarea[data-type="ckeditortype"]');
  const text = what.insertValue || (holdsHtml ? what.insertHtml : what.insertText);
  if (text) type(field, text);
  else if (target !== firstField()) write(firstField(), what); // a snippet: only texts can have it
}

/** Writing goes on in a paragraph behind the table or list that was inserted, not in it. */
function goBehind(editor) {
  const path = editor.elementPath();
  const inserted = path?.elements.filter((each) => each.is("table", "ul", "ol")).pop();
  if (!inserted) return;
  let next = inserted.getNext((node) => node.type === CKEDITOR.NODE_ELEMENT);
  if (!next?.is("p")) {
    next = editor.document.createElement("p", { attributes: { [AFTER]: "1" } });
    next.appendBogus();
    next.insertAfter(inserted);
  }
  const range = editor.createRange();
  range.moveToElementEditStart(next);
  range.select();
  editor.fire("saveSnapshot");
}

/** As if it were typed, so that it can be undone. */
function type(field, text) {
  const { selectionStart, selectionEnd } = field;
  field.focus();
  field.setSelectionRange(selectionStart, selectionEnd);
  if (document.execCommand("insertText", false, text)) return;
  field.setRangeText(text, selectionStart, selectionEnd, "end");
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

// Finding ---------------------------------------------------------------------------------------

function filter(list, wanted) {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (element) =>
    words.every((word) => element.dataset.words.toLowerCase().includes(word));
  let found = 0;
  for (const item of list.querySelectorAll("li[data-words]")) {
    const group = item.closest("section");
    item.hidden = !fits(item) && !(group && fits(group));
    found += !item.hidden;
  }
  for (const group of list.querySelectorAll("section")) {
    group.hidden = !fits(group) && !group.querySelector("li:not([hidden])");
    found += !group.hidden;
  }
  const none = list.querySelector(".mail-variables-none");
  if (none) none.hidden = found > 0;
}

/** The list belongs to the events that are chosen in the form, saved or not. */
function followGroup(panel, list, search) {
  const group = document.querySelector("#id_group");
  let shown = group?.value;
  group?.addEventListener("change", async () => {
    const wanted = group.value;
    if (wanted === shown) return;
    shown = wanted;
    list.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(
        `${panel.dataset.url}?${new URLSearchParams({ group: wanted })}`,
      );
      if (response.ok && wanted === shown) list.innerHTML = await response.text();
      filter(list, search.value);
    } catch {
      shown = null; // asked again with the next change; until then the old list stands
    }
    list.removeAttribute("aria-busy");
  });
}
