// Chips between the rows of a table or the items of a list: selected, changed, moved and deleted
// by mouse and keyboard, as the editor's widgets are elsewhere.

import { setUpCells, tagUnder } from "./cells.js";
import { remove } from "./chips.js";

const SELECTED = "data-cke-liquid-selected";
const [BACKSPACE, ENTER, LEFT, UP, RIGHT, DOWN, DELETE] = [8, 13, 37, 38, 39, 40, 46];

export function setUpBetween(editor) {
  setUpCells(editor);
  editor.on("contentDom", () => {
    followMouse(editor);
    followKeys(editor);
  });
  editor.on("selectionCheck", () => markSelected(editor));
  editor.on("instanceReady", () => {
    editor.undoManager?.addFilterRule((html) => html.replaceAll(` ${SELECTED}="1"`, ""));
  });
}

function followMouse(editor) {
  const editable = editor.editable();
  const onChip = (name, act) =>
    editable.attachListener(editable, name, (event) => {
      const target = chipUnder(event.data);
      if (!target) return;
      event.data.preventDefault();
      event.data.$.stopPropagation(); // no selecting of cells
      act(target);
    });
  onChip("mousedown", () => {});
  onChip("mouseup", () => {});
  onChip("click", (target) => select(editor, target));
  onChip("dblclick", (target) => editor.liquid.edit(target));
}

function chipUnder(event) {
  const target = event.getTarget();
  if (isBetween(target)) return target;
  const hidden = tagUnder(event.$);
  return hidden && new CKEDITOR.dom.element(hidden);
}

const isBetween = (element) =>
  Boolean(element?.is?.("template") && element.hasAttribute("data-liquid"));

function select(editor, element) {
  editor.getSelection().fake(element);
  editor.focus();
}

function selected(editor) {
  const selection = editor.mode === "wysiwyg" && editor.getSelection();
  const element = selection?.isFake && selection.getSelectedElement();
  return isBetween(element) ? element : null;
}

// Before the editor itself, which would take the chip for a selected cell.
function followKeys(editor) {
  const editable = editor.editable();
  editable.attachListener(
    editable,
    "keydown",
    (event) => {
      const element = selected(editor);
      const act = element && ACTS[event.data.getKeystroke()];
      if (!act) return;
      event.data.preventDefault();
      event.cancel();
      act(editor, element);
    },
    null,
    null,
    -10,
  );
}

const ACTS = {
  [ENTER]: (editor, element) => editor.liquid.edit(element),
  [DELETE]: drop,
  [BACKSPACE]: drop,
  [LEFT]: (editor, element) => leave(editor, element, false),
  [UP]: (editor, element) => leave(editor, element, false),
  [RIGHT]: (editor, element) => leave(editor, element, true),
  [DOWN]: (editor, element) => leave(editor, element, true),
  [CKEDITOR.ALT + UP]: (editor, element) => move(editor, element, true),
  [CKEDITOR.ALT + DOWN]: (editor, element) => move(editor, element, false),
};

function leave(editor, element, after) {
  const range = editor.createRange();
  if (range.moveToClosestEditablePosition(element, after)) range.select();
}

function drop(editor, element) {
  const beside =
    element.getNext(isElement) || element.getPrevious(isElement) || element.getParent();
  remove(editor, element);
  const range = editor.createRange();
  range.moveToElementEditStart(beside);
  range.select();
}

const isElement = (node) => node.type === CKEDITOR.NODE_ELEMENT;

/** One row, cell or item up or down. */
function move(editor, element, up) {
  const other = up ? element.getPrevious(isElement) : element.getNext(isElement);
  if (!other) return;
  editor.fire("saveSnapshot");
  if (up) element.insertBefore(other);
  else element.insertAfter(other);
  select(editor, element);
  editor.fire("saveSnapshot");
}

function markSelected(editor) {
  const element = selected(editor);
  const body = editor.editable()?.$;
  for (const marked of body?.querySelectorAll(`[${SELECTED}]`) || []) {
    if (marked !== element?.$) marked.removeAttribute(SELECTED);
  }
  element?.setAttribute(SELECTED, "1");
}
