// From comments and marks in the editor's parser to chips, and back: where each may stand, and what
// it looks like there.

import { decode, encode, escaped, hasTag, isLogic } from "./liquid.js";
import { asComment, asSpan, HELD, IMPLIED, INLINE, LINE, MARK, STRUCTURE } from "./source.js";

const EMPTY = "data-liquid-empty";
const OWN_LINE = "data-liquid-own-line";
const PICTURE =
  "data:image/svg+xml," +
  encodeURIComponent(
    '<svg xmlns="http://www.w3.org/2000/svg" width="160" height="90" viewBox="0 0 160 90">' +
      '<rect width="160" height="90" fill="#dfe3e8"/><circle cx="52" cy="32" r="9" fill="#aeb6c0"/>' +
      '<path d="M20 76l36-30 20 16 26-32 38 46z" fill="#aeb6c0"/></svg>',
  );

/** What holds tags becomes chips: in a line, on a line of their own, or between rows. */
export function place(fragment, editor, pasted) {
  const found = [];
  showPictures(fragment);
  fragment.forEach((node) => {
    if (isTag(node)) found.push([node, placeOf(node, pasted)]);
  });
  for (const [node, name] of found) {
    if (name === "div") dropBlanks(node);
    node.replaceWith(parserChip(name, heldBy(node), editor));
  }
}

/** Blanks beside a block mean nothing, and the editor loses its place over them. */
function dropBlanks(node) {
  // The parser leaves references to blanks that it has dropped itself.
  const isThere = (other) => node.parent.children.includes(other);
  for (const blank of [node.previous, node.next].filter(isThere))
    if (isBlank(blank)) blank.remove();
}

/** Copied chips as what they hold: what they show is no text of the mail. */
export function withoutChips(html) {
  if (!html.includes('data-liquid="')) return html;
  const reader = document.createElement("template");
  reader.innerHTML = html;
  for (const copy of reader.content.querySelectorAll("[data-liquid]")) {
    const outer = copy.closest("[data-cke-widget-wrapper]") || copy;
    const tag = decode(copy.dataset.liquid);
    const mark = copy.matches("div") ? ` ${OWN_LINE}=""` : "";
    outer.outerHTML = copy.matches("template") ? asComment(tag) : asSpan(tag, mark);
  }
  return reader.innerHTML;
}

function heldBy(node) {
  return decode(node.attributes?.[HELD] ?? node.value.slice(MARK.length));
}

/** A picture whose address is not known yet is asked of no server. */
function showPictures(fragment) {
  fragment.forEach((node) => {
    if (node.name === "img" && hasTag(node.attributes["data-cke-saved-src"] || "")) {
      node.attributes.src = PICTURE;
    }
  }, CKEDITOR.NODE_ELEMENT);
}

function isTag(node) {
  return node.type === CKEDITOR.NODE_COMMENT
    ? node.value.startsWith(MARK)
    : HELD in (node.attributes || {});
}

function placeOf(node, pasted) {
  const { parent } = node;
  if (STRUCTURE.has(parent.name)) return "template";
  const isRoot = parent.type === CKEDITOR.NODE_DOCUMENT_FRAGMENT || parent.name === "body";
  const holdsBlocks = isRoot || CKEDITOR.dtd[parent.name]?.div;
  if (!holdsBlocks || inLine(node, "previous") || inLine(node, "next")) return "span";
  if (node.attributes && OWN_LINE in node.attributes) return "div";
  const alone = !parent.children.some(isBlock);
  return alone && (!isRoot || pasted) ? "span" : "div";
}

/** Whether text or something in it stands next to `node`, other tags aside. */
function inLine(node, direction) {
  let next = node[direction];
  while (next && (next.type === CKEDITOR.NODE_COMMENT || isTag(next) || isBlank(next))) {
    next = next[direction];
  }
  return Boolean(next) && !isBlock(next);
}

const isBlank = (node) => node.type === CKEDITOR.NODE_TEXT && !/[^\t\n\f\r ]/.test(node.value);

function isBlock(node) {
  const { $block, $blockLimit, $list } = CKEDITOR.dtd;
  return (
    node.type === CKEDITOR.NODE_ELEMENT &&
    (node.name in $block || node.name in $blockLimit || node.name in $list)
  );
}

/** A chip for the editor's parser. */
export function parserChip(name, tag, editor) {
  const made = new CKEDITOR.htmlParser.element(name, {
    class: `cke_liquid ${kind(tag)}`,
    "data-liquid": encode(tag),
  });
  if (name === "template") {
    Object.assign(made.attributes, {
      contenteditable: "false",
      "aria-label": editor.liquid.describe(tag),
      "data-label": inside(tag),
    });
  } else {
    made.setHtml(content(tag));
  }
  return made;
}

export const kind = (tag) => (/^\{\{/.test(tag) ? "cke_liquid_variable" : "cke_liquid_logic");

/** What a chip shows. The braces are there for copying as text. */
export function content(tag) {
  const brace = (text) => `<span class="cke_liquid_brace">${text}</span>`;
  const [open, close] = isLogic(tag) ? ["{%", "%}"] : ["{{", "}}"];
  if (!/^\{[{%]/.test(tag)) return escaped(inside(tag));
  return `${brace(`${open} `)}${escaped(inside(tag))}${brace(` ${close}`)}`;
}

export function inside(tag) {
  const style = /^<style/i.test(tag);
  const text = style ? "CSS" : tag.replace(/^\{[{%]-?|-?[%}]\}$/g, "");
  return text.replace(/\s+/g, " ").trim();
}

/** A paragraph for what comes after something inserted; nothing of the mail until it is used. */
export const AFTER = "data-liquid-after";

const isUnused = (node) =>
  node.children.every((child) => isBlank(child) || child.name === "br" || isBookmark(child));

/** Where the editor remembers a selection; copying may take it along. */
const isBookmark = ({ attributes }) => attributes?.id?.startsWith("cke_bm_");

/** Chips, with whatever the editor has put around them, become what the writer writes. */
export function release(fragment) {
  const found = [];
  fragment.forEach(
    (node) => {
      const { attributes } = node;
      if (["data-liquid", IMPLIED, AFTER].some((name) => name in attributes) || isBookmark(node))
        found.push(node);
    },
    CKEDITOR.NODE_ELEMENT,
    true,
  );
  for (const node of found) {
    if (isBookmark(node)) {
      node.remove();
      continue;
    }
    if (AFTER in node.attributes) {
      delete node.attributes[AFTER];
      if (isUnused(node)) node.remove();
      continue;
    }
    if (IMPLIED in node.attributes) {
      node.replaceWithChildren();
      continue;
    }
    const isWidget = "data-cke-widget-wrapper" in node.parent.attributes;
    const name = node.name === "span" ? INLINE : LINE;
    const tag = new CKEDITOR.htmlParser.element(name, {
      "data-liquid": node.attributes["data-liquid"],
    });
    (isWidget ? node.parent : node).replaceWith(tag);
  }
}

// The editor fills what is empty with a blank and drops a line break at the end of a paragraph.
// What came like this stays so.
export function keepEmptyLines(fragment) {
  const { $block, $blockLimit } = CKEDITOR.dtd;
  fragment.forEach(
    (node) => {
      if (node.name === "br") {
        if (isLastInBlock(node)) node.attributes["data-cke-eol"] = "1";
      } else if (
        (node.name in $block || node.name in $blockLimit) &&
        CKEDITOR.dtd[node.name]?.["#"]
      ) {
        if (node.children.every(isBlank)) node.attributes[EMPTY] = "1";
      }
    },
    CKEDITOR.NODE_ELEMENT,
    true,
  );
}

function isLastInBlock(node) {
  let { next } = node;
  while (next && isBlank(next)) next = next.next;
  return next ? isBlock(next) : isBlock(node.parent) || node.parent.type !== CKEDITOR.NODE_ELEMENT;
}

/** For the editor's `fillEmptyBlocks`. */
export function fillsEmpty(block) {
  const isEmpty = EMPTY in block.attributes;
  delete block.attributes[EMPTY];
  return !isEmpty;
}

/** What has been written into is no longer empty, nor is what is split off it. */
export function dropEmptyMarks(editor) {
  for (const block of editor.editable()?.$.querySelectorAll?.(`[${EMPTY}]`) || []) {
    if (block.textContent.replace(/\u200b/g, "").trim()) block.removeAttribute(EMPTY);
  }
}
