// Tags that are typed become chips: at once when the closing brace is typed, the rest when the
// editor is left.

import { chipElement, tagOf } from "./chips.js";
import { escaped, isLogic, nameOf, tagsIn, typed } from "./liquid.js";

export function setUpTyping(editor) {
  editor.on("contentDom", () => {
    const editable = editor.editable();
    editable.attachListener(editable, "input", ({ data }) => {
      if (data.$.data === "}") convertBeforeCaret(editor);
      else if (data.$.inputType === "insertText") breakable(editor);
    });
  });
  editor.on("blur", () => convertAll(editor));
  editor.on(
    "key",
    (event) => {
      if (event.data.keyCode === 13 && leaveLogicLine(editor)) event.cancel();
    },
    null,
    null,
    6,
  );
}

/** Put `html` where the caret is, which then stands behind it. */
export function insert(editor, html) {
  editor.insertHtml(html);
  const { focused } = editor.widgets;
  if (!focused) return;
  const before = focused.wrapper.getPrevious();
  if (before?.type === CKEDITOR.NODE_TEXT) allowBreak(before.$);
  const range = editor.createRange();
  range.setStartAfter(focused.wrapper);
  range.collapse(true);
  range.select();
}

/** Beside what cannot be edited browsers write a blank at which no line breaks. */
function breakable(editor) {
  const { anchorNode, anchorOffset } = editor.document.$.getSelection();
  if (anchorNode?.nodeType !== Node.TEXT_NODE) return;
  const isAtEnd = anchorOffset === anchorNode.length;
  if (isAtEnd && isChip(beside(anchorNode, "nextSibling")) && allowBreak(anchorNode)) {
    editor.document.$.getSelection().collapse(anchorNode, anchorOffset);
  }
  const blank = /^\u200b*\u00a0(?=[^\s\u200b])/.exec(anchorNode.data);
  if (blank && isChip(beside(anchorNode, "previousSibling")))
    anchorNode.replaceData(blank[0].length - 1, 1, " ");
}

function beside(node, direction) {
  let next = node[direction];
  while (next?.nodeType === Node.TEXT_NODE && !/[^\u200b]/.test(next.data)) next = next[direction];
  return next;
}

const isChip = (node) =>
  node?.nodeType === Node.ELEMENT_NODE && node.matches("[data-cke-widget-wrapper]");

function allowBreak(text) {
  if (!/[^\s\u200b]\u00a0$/.test(text.data)) return false;
  text.replaceData(text.length - 1, 1, " ");
  return true;
}

const isEmpty = (tag) => !/[^\s{}%-]/.test(typed(tag));

function convertBeforeCaret(editor) {
  const [range] = editor.getSelection().getRanges();
  if (!range?.collapsed || range.startContainer.type !== CKEDITOR.NODE_TEXT) return;
  const text = range.startContainer.getText().slice(0, range.startOffset);
  const last = [...tagsIn(text)].at(-1);
  if (!last || last.end !== text.length || isEmpty(last.tag)) return;
  editor.fire("saveSnapshot");
  range.setStart(range.startContainer, last.start);
  range.select();
  insert(editor, escaped(typed(last.tag)));
}

function convertAll(editor) {
  if (editor.mode !== "wysiwyg" || editor.readOnly) return;
  const body = editor.editable().$;
  const texts = body.ownerDocument.createTreeWalker(body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const node = texts.currentNode;
    if (node.data.includes("{") && !node.parentElement.closest("[data-liquid]")) {
      for (const tag of tagsIn(node.data)) found.unshift([node, tag]);
    }
  }
  const wanted = found.filter(([, { tag }]) => !isEmpty(tag));
  if (!wanted.length) return;
  editor.fire("lockSnapshot");
  for (const [node, { start, end, tag }] of wanted) {
    node.splitText(end);
    const old = node.splitText(start);
    const element = chipElement(editor, "span", typed(tag));
    old.replaceWith(element.$);
    editor.widgets.initOn(element, "liquid");
  }
  editor.fire("unlockSnapshot");
}

/** A paragraph with nothing but conditions or loops in it is no paragraph of the mail: when it
 * is left by Enter, they get lines of their own. Returns whether it was one. */
function leaveLogicLine(editor) {
  const selection = editor.getSelection();
  const block = selection?.isFake ? null : editor.elementPath()?.block;
  if (!block?.is("p") || !CKEDITOR.dtd[block.getParent().getName()]?.div) return false;
  const nodes = block
    .getChildren()
    .toArray()
    .filter((node) => !isNothing(node));
  const widgets = nodes.map(
    (node) => node.type === CKEDITOR.NODE_ELEMENT && editor.widgets.getByElement(node, true),
  );
  const tags = widgets.map((widget) => widget && tagOf(widget.element));
  if (!tags.length || !tags.every((tag) => tag && isLogic(tag) && nameOf(tag) !== "echo"))
    return false;
  editor.fire("saveSnapshot");
  for (const [index, widget] of widgets.entries()) {
    editor.widgets.destroy(widget, true);
    nodes[index].remove();
    const element = chipElement(editor, "div", tags[index]);
    element.insertBefore(block);
    editor.widgets.initOn(element, "liquidLine");
  }
  block.setHtml("");
  block.appendBogus();
  const range = editor.createRange();
  range.moveToElementEditStart(block);
  range.select();
  editor.fire("saveSnapshot");
  return true;
}

function isNothing(node) {
  if (node.type === CKEDITOR.NODE_TEXT) return !/[^\s\u200b]/.test(node.getText());
  return node.type !== CKEDITOR.NODE_ELEMENT || node.is("br");
}
