// Everything selected, and then replaced or deleted: what comes next stands in a new paragraph.
//
// At both ends of such a selection the editor puts hidden blocks, which it takes away too late:
// what is typed lands in them, outside of any paragraph, and a chip is written twice.

const [BACKSPACE, DELETE] = ["Backspace", "Delete"];
const MODIFIERS = new Set(["Control", "Shift", "Meta", "Alt", "AltGraph", "CapsLock"]);

export function setUpEverything(editor) {
  let all = false;
  editor.on("contentDom", () => {
    const editable = editor.editable();
    const first = (name, act) => editable.attachListener(editable, name, act, null, null, -20);
    all = false;
    first("mousedown", () => {
      all = false;
    });
    first("keydown", (event) => {
      const key = event.data.$;
      if (MODIFIERS.has(key.key)) return;
      const isCommand = (key.ctrlKey || key.metaKey) && !key.getModifierState("AltGraph");
      if (isCommand) {
        const selectsAll = key.key.toLowerCase() === "a";
        all = !key.shiftKey && (selectsAll || (all && key.key !== "x"));
        return;
      }
      const replaced = all && isSelected(editor) && !editor.readOnly;
      all = false;
      if (!replaced) return;
      const deletes = [BACKSPACE, DELETE].includes(key.key);
      if (!deletes && !writes(key)) return;
      startAnew(editor);
      if (!deletes) return;
      event.data.preventDefault();
      event.cancel();
    });
  });
}

/** Whether `key` writes something; composed letters and those of other scripts come as names. */
const writes = ({ key }) => [...key].length === 1 || ["Enter", "Process", "Dead"].includes(key);

/** A chip that is all there is counts as everything, too; beside others it is only itself. */
function isSelected(editor) {
  const selection = editor.getSelection();
  if (!selection?.isFake) return !editor.document.$.getSelection().isCollapsed;
  const element = selection.getSelectedElement();
  const text = (node) => node.textContent.replace(/[\s\u200b]/g, "");
  const block = element?.getParent();
  return Boolean(
    block?.is("p") &&
    text(block.$) === text(element.$) &&
    !block.getPrevious(isWritten) &&
    !block.getNext(isWritten),
  );
}

const isWritten = (node) =>
  node.type === CKEDITOR.NODE_ELEMENT &&
  !node.hasAttribute("data-cke-temp") &&
  !node.hasAttribute("data-cke-hidden-sel");

function startAnew(editor) {
  // Or undoing would look for the selection in blocks that are no longer there.
  CKEDITOR.plugins.widgetselection.removeFillers(editor.editable());
  const start = editor.createRange();
  start.moveToPosition(editor.editable(), CKEDITOR.POSITION_AFTER_START);
  start.select();
  editor.fire("saveSnapshot");
  const paragraph = editor.document.createElement("p");
  paragraph.appendBogus();
  editor.editable().setHtml("");
  editor.editable().append(paragraph);
  editor.widgets.checkWidgets();
  const range = editor.createRange();
  range.moveToElementEditStart(paragraph);
  range.select();
  editor.fire("saveSnapshot");
}
