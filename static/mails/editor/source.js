// A mail's source on its way into the editor and out of it.
//
// An HTML parser would move `{% for %}` out of its table, and lose `<td {% if x %}…>`. So on the
// way in each tag in the text becomes a comment, which may stand anywhere, and the attributes of
// an element that has Liquid in them are noted, as they were written, in one attribute. On the
// way out both become again what they were.

import { shown, startTagAt, written } from "./attributes.js";
import {
  decode,
  encode,
  endOfTag,
  lastEnds,
  mapped,
  nameOf,
  roleOf,
  tagsIn,
  typed,
} from "./liquid.js";

const VOID = new Set(
  "area base basefont bgsound br col embed frame hr img input link meta param source track wbr".split(
    " ",
  ),
);
/** Where nothing but rows, cells or items may stand. */
export const STRUCTURE = new Set("table thead tbody tfoot tr colgroup ul ol dl".split(" "));
/** A `<tbody>` that nobody wrote. */
export const IMPLIED = "data-liquid-implied";
const SECTIONS = new Set(["thead", "tbody", "tfoot"]);
const OUTSIDE_ROWS = new Set([...SECTIONS, "caption", "colgroup"]);
// Whose content is no HTML.
const RAW = new Set("script style textarea title xmp iframe noembed noframes noscript".split(" "));
const CLOSES_PARAGRAPH = new Set(
  (
    "address article aside blockquote center dd details div dl dt fieldset figure footer form h1 h2 " +
    "h3 h4 h5 h6 header hr li main nav ol p pre section table ul"
  ).split(" "),
);
// What a start tag closes without saying so, up to where.
const CLOSES = {
  li: [["li"], ["ul", "ol"]],
  dt: [["dt", "dd"], ["dl"]],
  dd: [["dt", "dd"], ["dl"]],
  td: [
    ["td", "th"],
    ["tr", "table"],
  ],
  th: [
    ["td", "th"],
    ["tr", "table"],
  ],
  tr: [["tr"], ["table"]],
  thead: [["thead", "tbody", "tfoot", "tr"], ["table"]],
  tbody: [["thead", "tbody", "tfoot", "tr"], ["table"]],
  tfoot: [["thead", "tbody", "tfoot", "tr"], ["table"]],
};

/** How a comment that holds a tag begins; the attribute of an element that does; on the way out,
 * elements that do, with a line of their own or in a line. */
export const MARK = "{liquid}";
export const HELD = "data-liquid-held";
const COMMENT = "{comment}";
export const LINE = "liquid-line";
export const INLINE = "liquid-tag";
const WRITTEN = new RegExp(`<(${LINE}|${INLINE}) data-liquid="([^"]*)"></\\1>`, "g");

export const asComment = (tag) => `<!--${MARK}${encode(tag)}-->`;
export const asSpan = (tag, mark = "") => `<span ${HELD}="${encode(tag)}"${mark}>x</span>`;

/** `source` as HTML that the editor can take, and whether it can give it back: a condition that
 * opens an element without closing it is no tree. `pasted`: what stands between the braces is
 * HTML, too. */
export function toEditor(source, { pasted = false } = {}) {
  const reader = new Reader(source, pasted);
  reader.read();
  return { html: reader.pieces.map((piece) => piece.html).join(""), fits: reader.fits };
}

class Reader {
  constructor(source, pasted) {
    Object.assign(this, { source, pasted, at: 0, pieces: [], fits: true });
    this.ends = lastEnds(source);
    this.open = []; // elements by name, and blocks of Liquid as {block}
  }

  read() {
    const { source } = this;
    while (this.at < source.length) {
      const end = endOfTag(source, this.at, this.ends);
      if (end > 0) this.liquid(end);
      else if (source.startsWith("<!--", this.at)) this.comment();
      else if (/^<[a-z]/i.test(source.substr(this.at, 2))) this.startTag();
      else if (/^<\/[a-z]/i.test(source.substr(this.at, 3))) this.endTag();
      else this.text();
    }
  }

  put(html, what = "text") {
    this.pieces.push({ html, what });
  }

  upTo(end) {
    const text = this.source.slice(this.at, end);
    this.at = end;
    return text;
  }

  text() {
    const next = this.source.slice(this.at + 1).search(/[<{]/);
    this.put(this.upTo(next < 0 ? this.source.length : this.at + 1 + next));
  }

  comment() {
    const end = this.source.indexOf("-->", this.at + 4);
    const text = this.upTo(end < 0 ? this.source.length : end + 3);
    for (const { tag } of tagsIn(text)) this.follow(tag);
    // What Outlook reads of comments, the editor would take for malformed ones.
    this.put(this.pasted ? text : `<!--${COMMENT}${encode(text)}-->`, "comment");
  }

  // Liquid -------------------------------------------------------------------------------------

  liquid(end) {
    const tag = this.upTo(end);
    this.follow(tag);
    this.put(this.held(this.pasted ? typed(tag) : tag), roleOf(tag) || "tag");
  }

  /** Between rows only a comment can stand; in a line it would be no text, which costs blanks. */
  held(tag) {
    return STRUCTURE.has(this.top()?.name) ? asComment(tag) : asSpan(tag);
  }

  /** Note that a block begins, goes on or ends: all elements in between must be closed. */
  follow(tag) {
    const role = roleOf(tag);
    if (role === "opens") {
      this.open.push({ block: nameOf(tag) });
    } else if (role) {
      while (this.open.at(-1)?.implied) this.closeImplied();
      if (!this.open.at(-1)?.block) {
        this.fits &&= !this.open.some((each) => each.block);
        return;
      }
      if (role === "closes") this.open.pop();
    }
  }

  // Elements -----------------------------------------------------------------------------------

  startTag() {
    const tag = startTagAt(this.source, this.at);
    if (!tag) return this.text(); // never closed: text, then
    const name = tag.name.toLowerCase();
    const raw = this.upTo(tag.end);
    this.closeWhatItCloses(name);
    if (name === "tr" && this.top()?.name === "table") this.implyBody();
    if (RAW.has(name)) return this.rawElement(name, raw);
    this.fits &&= tag.fits;
    this.put(shown(tag, raw), "start");
    if (!VOID.has(name)) this.open.push({ name });
  }

  /** Styles are kept, though no mail has them; what runs is left to the editor to drop. */
  rawElement(name, start) {
    const found = new RegExp(`</${name}[^>]*>`, "i").exec(this.source.slice(this.at));
    const end = found ? this.at + found.index + found[0].length : this.source.length;
    const whole = start + this.upTo(end);
    const kept = name === "style" && !this.pasted;
    this.put(kept ? this.held(whole) : this.pasted && name === "style" ? "" : whole, "tag");
  }

  endTag() {
    const end = this.source.indexOf(">", this.at);
    const raw = this.upTo(end < 0 ? this.source.length : end + 1);
    const name = /^<\/([^\s/>]*)/.exec(raw)[1].toLowerCase();
    if (name === "table") while (this.top()?.implied) this.closeImplied();
    this.close(name);
    this.put(raw, OUTSIDE_ROWS.has(name) ? "section" : "end");
  }

  top() {
    return this.open.findLast((each) => each.name);
  }

  close(name) {
    const index = this.open.findLastIndex((each) => each.name === name);
    if (index >= 0) this.cut(index);
  }

  /** Close everything from `index` on. If that ends an element outside of the present block,
   * the block is no part of the tree. */
  cut(index) {
    const cut = this.open.splice(index);
    const blocks = cut.filter((each) => each.block);
    this.fits &&= !blocks.length;
    this.open.push(...blocks);
  }

  closeWhatItCloses(name) {
    if (CLOSES_PARAGRAPH.has(name))
      this.closeNearest(["p"], ["td", "th", "table", "li", "div", "center", "blockquote", "a"]);
    if (CLOSES[name]) this.closeNearest(...CLOSES[name]);
  }

  closeNearest(names, within) {
    for (let index = this.open.length - 1; index >= 0; index--) {
      const { name, implied } = this.open[index];
      if (within.includes(name)) return;
      if (!names.includes(name)) continue;
      if (implied && index === this.open.length - 1) this.closeImplied();
      else this.cut(index);
      return;
    }
  }

  // Rows that stand in a table without `<tbody>`: a parser puts one around them, and leaves the
  // tags of a loop outside of it.

  implyBody() {
    let index = this.pieces.length;
    let blocks = 0;
    for (; index > 0; index--) {
      const { what, html } = this.pieces[index - 1];
      if (what === "opens") blocks += 1;
      else if (what !== "tag" && !(what === "text" && !html.trim())) break;
    }
    this.pieces.splice(index, 0, { html: `<tbody ${IMPLIED}="">`, what: "start" });
    this.open.splice(this.open.length - blocks, 0, { name: "tbody", implied: true });
  }

  closeImplied() {
    this.put("</tbody>", "section");
    this.open.pop();
  }
}

// Out of the editor -----------------------------------------------------------------------------

/** What the editor has written, as source. */
export function fromEditor(html) {
  let made = "";
  html = html.replace(WRITTEN, (_, name, encoded) => `<!--${MARK}${encoded}-->`);
  for (let at = 0; at < html.length;) {
    if (html.startsWith("<!--", at)) {
      const end = html.indexOf("-->", at) + 3 || html.length;
      const inside = html.slice(at + 4, end - 3);
      const mark = [MARK, COMMENT].find((each) => inside.startsWith(each));
      made += mark ? decode(inside.slice(mark.length)) : html.slice(at, end);
      at = end;
      continue;
    }
    const tag = html[at] === "<" && startTagAt(html, at);
    if (tag) {
      made += written(tag, html.slice(at, tag.end));
      at = tag.end;
      continue;
    }
    const next = html.indexOf("<", at + 1);
    const end = next < 0 ? html.length : next;
    made += mapped(html.slice(at, end), typed);
    at = end;
  }
  return made;
}
