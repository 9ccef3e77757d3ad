// Tags of Liquid in the text, as chips: a name for the eye, the tag itself kept beside it,
// letter by letter.
//
// In the flow of text a chip is a widget of CKEditor's, which brings selecting, deleting,
// dragging, copying and undoing. Between the rows of a table or the items of a list nothing but
// rows and items may stand, except `<template>`: so a chip is one there (between.js).

import { decode, encode } from "./liquid.js";
import {
  content,
  dropEmptyMarks,
  fillsEmpty,
  inside,
  keepEmptyLines,
  kind,
  parserChip,
  place,
  release,
  withoutChips,
} from "./placing.js";
import { fromEditor, LINE, toEditor } from "./source.js";

/** Set `editor` up, before its plugins are loaded. `edit(chip)` opens what changes a tag;
 * `describe(tag)` is what screen readers say of it; `told(source, fits)` is told each text that
 * the editor gets, and whether it can be shown without changing it. */
export function setUpChips(editor, { edit, describe, told }) {
  editor.liquid = { edit, describe };
  editor.on("configLoaded", () => {
    editor.config.fillEmptyBlocks = fillsEmpty;
  });
  editor.on("pluginsLoaded", () => addWidgets(editor));
  editor.on("instanceReady", () => {
    editor.dataProcessor.writer.setRules(LINE, { breakBeforeOpen: true, breakAfterClose: true });
  });
  editor.on("change", () => dropEmptyMarks(editor));
  setUpWayIn(editor, told);
  setUpWayOut(editor);
}

// The editor's own steps. In: parsing (5), filtering (6), widgets (8). Out: parsing (5), cleaning
// (10), widgets (13), writing (15).
function step(editor, name, priority, act) {
  editor.on(name, ({ data }) => act(data), null, null, priority);
}

function setUpWayIn(editor, told) {
  const isPasted = ({ context }) => context === null;
  // A width stays where it was written: mail programs know the attribute best.
  step(editor, "toHtml", 0, () => {
    editor.filter._.transformations = {};
  });
  step(editor, "toHtml", 1, (data) => {
    const pasted = isPasted(data);
    const { html, fits } = toEditor(withoutChips(data.dataValue), { pasted });
    if (!pasted) told(data.dataValue, fits);
    data.dataValue = html;
  });
  leaveBareText(editor, "toHtml");
  step(editor, "toHtml", 7, (data) => {
    if (!isPasted(data)) keepEmptyLines(data.dataValue);
    place(data.dataValue, editor, isPasted(data));
  });
}

function setUpWayOut(editor) {
  // The editor takes away only one of the marks that it has put beside chips for the cursor.
  const mark = "\u200b".repeat(7);
  step(editor, "toDataFormat", 1, (data) => {
    data.dataValue = data.dataValue.replaceAll(mark, "");
  });
  leaveBareText(editor, "toDataFormat");
  // What is copied keeps its chips.
  step(editor, "toDataFormat", 7, (data) => {
    if (!data.widgetsCopy) release(data.dataValue);
  });
  step(editor, "toDataFormat", 20, (data) => {
    if (!data.widgetsCopy) data.dataValue = fromEditor(data.dataValue);
  });
}

/** Text outside of any paragraph stays there until somebody works on it. */
function leaveBareText(editor, name) {
  let before;
  step(editor, name, 4, (data) => {
    before = editor.config.autoParagraph;
    if (data.dataValue.trim()) editor.config.autoParagraph = false;
  });
  step(editor, name, 5.5, () => {
    editor.config.autoParagraph = before;
  });
}

function addWidgets(editor) {
  for (const [name, element] of [
    ["liquid", "span"],
    ["liquidLine", "div"],
  ]) {
    editor.widgets.add(name, {
      inline: element === "span",
      upcast: (node) => node.name === element && "data-liquid" in node.attributes,
      getLabel() {
        return editor.liquid.describe(tagOf(this.element));
      },
      edit(event) {
        event.cancel();
        editor.liquid.edit(this.element);
      },
    });
  }
}

export function tagOf(element) {
  return decode(element.getAttribute("data-liquid"));
}

/** A chip for the editor's document; those in the text are to be made widgets. */
export function chipElement(editor, name, tag) {
  const holder = editor.document.createElement("div");
  const writer = new CKEDITOR.htmlParser.basicWriter();
  parserChip(name, tag, editor).writeHtml(writer);
  holder.setHtml(writer.getHtml());
  return holder.getFirst();
}

/** Give the chip `element` another tag. */
export function retag(editor, element, tag) {
  editor.fire("saveSnapshot");
  element.setAttribute("data-liquid", encode(tag));
  for (const name of ["cke_liquid_logic", "cke_liquid_variable"]) element.removeClass(name);
  element.addClass(kind(tag));
  if (element.is("template")) {
    element.setAttribute("data-label", inside(tag));
    element.setAttribute("aria-label", editor.liquid.describe(tag));
  } else {
    element.setHtml(content(tag));
    editor.widgets.getByElement(element).fire("data", {}); // which renews its accessible name
  }
  editor.fire("saveSnapshot");
}

export function remove(editor, element) {
  editor.fire("saveSnapshot");
  const widget = editor.widgets.getByElement(element);
  if (widget) editor.widgets.del(widget);
  else element.remove();
  editor.fire("saveSnapshot");
}
