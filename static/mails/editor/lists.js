// Commands for lists take a list apart and build it anew of its items, and what stands between the
// items is lost. So it goes along inside of them, and comes out again afterwards.

import { chipElement, tagOf } from "./chips.js";
import { decode, roleOf } from "./liquid.js";

const COMMANDS = new Set(["bulletedlist", "numberedlist", "indent", "outdent"]);
const CARRIED = "data-liquid-carried";

export function setUpLists(editor) {
  // After the state for "undo" was kept, and before the new one is.
  editor.on(
    "beforeCommandExec",
    ({ data }) => {
      if (COMMANDS.has(data.name) && editor.mode === "wysiwyg") pickUp(editor);
    },
    null,
    null,
    999,
  );
  editor.on(
    "afterCommandExec",
    ({ data }) => {
      if (COMMANDS.has(data.name) && editor.mode === "wysiwyg") putDown(editor);
    },
    null,
    null,
    1,
  );
}

function pickUp(editor) {
  for (const chip of editor.editable().$.querySelectorAll(":is(ul, ol) > template[data-liquid]")) {
    const [after, before] = [
      sibling(chip, "nextElementSibling"),
      sibling(chip, "previousElementSibling"),
    ];
    const goesBack = roleOf(decode(chip.dataset.liquid)) === "closes" ? before || !after : !after;
    const item = goesBack ? before : after;
    if (!item) continue;
    const carried = chip.ownerDocument.createElement("span");
    carried.setAttribute(CARRIED, goesBack ? "after" : "before");
    carried.dataset.liquid = chip.dataset.liquid;
    carried.contentEditable = "false";
    carried.textContent = "x";
    if (goesBack) item.append(carried);
    // Several before one item stay in their order.
    else item.insertBefore(carried, firstNotCarried(item));
    chip.remove();
  }
}

function sibling(chip, direction) {
  let next = chip[direction];
  while (next && next.tagName !== "LI") next = next[direction];
  return next;
}

const firstNotCarried = (item) =>
  [...item.childNodes].find((node) => !node.matches?.(`[${CARRIED}]`)) || null;

function putDown(editor) {
  const carried = [...editor.editable().$.querySelectorAll(`[${CARRIED}]`)];
  for (const span of carried.filter((each) => each.getAttribute(CARRIED) === "before"))
    place(editor, span);
  for (const span of carried.filter((each) => each.getAttribute(CARRIED) === "after").reverse())
    place(editor, span);
}

/** Before or after the block that it was carried in. */
function place(editor, span) {
  const block = new CKEDITOR.dom.element(
    span.closest("li, p, div, h1, h2, h3, h4, h5, h6, td, th, body"),
  );
  const inList = block.is("li");
  const holder = block.is("td", "th", "body") ? new CKEDITOR.dom.element(span) : block;
  const chip = chipElement(
    editor,
    inList ? "template" : "div",
    tagOf(new CKEDITOR.dom.element(span)),
  );
  if (span.getAttribute(CARRIED) === "before") chip.insertBefore(holder);
  else chip.insertAfter(holder);
  span.remove();
  if (!inList) editor.widgets.initOn(chip, "liquidLine");
}
