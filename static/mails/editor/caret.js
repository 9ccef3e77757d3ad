// The cursor beside chips, where browsers lose it.

const END = 35;
const HOME = 36;

export function setUpCaret(editor) {
  editor.on(
    "key",
    ({ data }) => {
      const key = data.keyCode & ~(CKEDITOR.CTRL | CKEDITOR.SHIFT);
      if (key === HOME || key === END) leaveChip(editor, key === HOME);
    },
    null,
    null,
    0,
  ); // before the chip itself, which would keep the key
  editor.on("contentDom", () => {
    const editable = editor.editable();
    editable.attachListener(editable, "keyup", ({ data }) => {
      if (data.getKeystroke() === HOME) beforeFirstChip(editor);
    });
  });
}

/** From a selected chip the key goes on from the text beside it. */
function leaveChip(editor, before) {
  const selection = editor.getSelection();
  const element = selection?.isFake && selection.getSelectedElement();
  if (!element || !editor.widgets.getByElement(element, true)?.inline) return;
  const range = editor.createRange();
  range.moveToPosition(
    element,
    before ? CKEDITOR.POSITION_BEFORE_START : CKEDITOR.POSITION_AFTER_END,
  );
  range.select();
}

/** "Home" stops behind a chip that begins a line, or even inside of it. */
function beforeFirstChip(editor) {
  const { anchorNode, isCollapsed } = editor.document.$.getSelection();
  const block = editor.elementPath()?.block;
  const first = block?.getFirst(isSomething);
  if (
    !isCollapsed ||
    first?.type !== CKEDITOR.NODE_ELEMENT ||
    !editor.widgets.getByElement(first, true)
  )
    return;
  const range = editor.createRange();
  range.setStartAfter(first);
  range.setEnd(new CKEDITOR.dom.node(anchorNode), editor.document.$.getSelection().anchorOffset);
  if (!first.$.contains(anchorNode) && /[^\s\u200b]/.test(range.cloneContents().$.textContent))
    return;
  range.moveToPosition(first, CKEDITOR.POSITION_BEFORE_START);
  range.select();
}

const isSomething = (node) =>
  node.type === CKEDITOR.NODE_ELEMENT || /[^\s\u200b]/.test(node.getText());
