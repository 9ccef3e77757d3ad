// Tags between the cells of a row. Whatever stands there, a browser makes a column of; so they are
// hidden, and shown at the top of the cell that follows, or at the bottom of the last one.

const BEFORE = "data-cke-liquid-before";
const AFTER = "data-cke-liquid-after";
const MARKS = [BEFORE, AFTER];
const HEIGHT = 22; // of a chip, as content.css has it

export function setUpCells(editor) {
  let timer;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(() => show(editor), 50);
  };
  editor.on("contentDom", later);
  editor.on("change", later);
  editor.on("instanceReady", () => {
    const marks = new RegExp(` (?:${MARKS.join("|")})="[^"]*"`, "g");
    editor.undoManager?.addFilterRule((html) => html.replace(marks, ""));
  });
}

function show(editor) {
  const body = editor.mode === "wysiwyg" && editor.editable()?.$;
  if (!body) return;
  const wanted = new Map();
  for (const tag of body.querySelectorAll("tr > template[data-liquid]")) {
    const next = cell(tag, "nextElementSibling");
    const [holder, name] = next ? [next, BEFORE] : [cell(tag, "previousElementSibling"), AFTER];
    if (!holder) continue;
    const marks = wanted.get(holder) || {};
    marks[name] = [...(marks[name] || []), tag.dataset.label];
    wanted.set(holder, marks);
  }
  const marked = body.querySelectorAll(MARKS.map((name) => `[${name}]`).join());
  const wasDirty = editor.checkDirty();
  editor.fire("lockSnapshot");
  for (const holder of new Set([...marked, ...wanted.keys()])) {
    for (const name of MARKS) {
      const labels = wanted.get(holder)?.[name];
      if (labels) holder.setAttribute(name, labels.join("  "));
      else holder.removeAttribute(name);
    }
  }
  editor.fire("unlockSnapshot");
  if (!wasDirty) editor.resetDirty();
}

function cell(tag, direction) {
  let next = tag[direction];
  while (next && !/^T[DH]$/.test(next.tagName)) next = next[direction];
  return next;
}

/** The hidden tag whose chip is under the mouse. */
export function tagUnder(event) {
  const holder = event.target.closest?.(`[${BEFORE}], [${AFTER}]`);
  if (!holder || event.target !== holder) return null;
  const { top, bottom } = holder.getBoundingClientRect();
  const { paddingTop, paddingBottom } = holder.ownerDocument.defaultView.getComputedStyle(holder);
  const isBefore =
    holder.hasAttribute(BEFORE) && event.clientY < top + parseFloat(paddingTop) + HEIGHT;
  const isAfter =
    holder.hasAttribute(AFTER) && event.clientY > bottom - parseFloat(paddingBottom) - HEIGHT;
  const direction = isBefore ? "previousElementSibling" : isAfter ? "nextElementSibling" : "";
  const found = direction && holder[direction];
  return found?.matches("template[data-liquid]") ? found : null;
}
