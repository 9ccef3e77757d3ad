// Start tags with Liquid among their attributes.
//
// What an attribute says with Liquid in it is not always a value that a browser can hold: a
// style with a condition, a class in the middle of one, `{% if x %}align="right"{% endif %}`. So
// the attributes are noted as they were written, and the element gets what can be shown of them.
// On the way out an attribute that still is what was shown is written as it was; one that was
// changed in the editor is written as it is now.

import {
  decode,
  encode,
  endOfTag,
  escaped,
  hasTag,
  mapped,
  roleOf,
  tagsIn,
  typed,
  unescaped,
} from "./liquid.js";

const NOTED = "data-liquid-attributes";
// Values that a browser would ask the network for, or run.
const NOT_SHOWN = /^(on.*|background|srcset|poster|data|action|formaction|lowsrc|dynsrc)$/i;

/** The start tag at `at`, or null if it never ends. `fits`: each condition in it ends where it
 * began. */
export function startTagAt(source, at) {
  const begin = /^<([a-z][^\s/>{]*)/i.exec(source.slice(at, at + 100));
  if (!begin) return null;
  const tag = { name: begin[1], attributes: [], fits: source[at + begin[0].length] !== "{" };
  let position = at + begin[0].length;
  while (position < source.length) {
    const character = source[position];
    if (character === ">") return { ...tag, end: position + 1 };
    if (/[\s/]/.test(character)) {
      position += 1;
      continue;
    }
    const attribute = attributeAt(source, position);
    if (attribute.depth) tag.fits = false;
    tag.attributes.push(attribute);
    position = attribute.end;
  }
  return null;
}

function attributeAt(source, start) {
  const name = partAt(source, start, /[\s/>=]/);
  if (name.liquid) return conditionalAt(source, start);
  const equals = /^\s*=\s*/.exec(source.slice(name.end, name.end + 50));
  if (!equals) return made(source, start, name.end, name.text, "", 0);
  const valueStart = name.end + equals[0].length;
  const quote = `"'`.includes(source[valueStart] || " ") ? source[valueStart] : "";
  const value = partAt(source, valueStart + quote.length, quote ? new RegExp(quote) : /[\s>]/);
  return made(source, start, value.end + quote.length, name.text, value.text, value.depth);
}

function made(source, start, end, name, value, depth) {
  return { name: name.toLowerCase(), raw: source.slice(start, end), value, depth, end };
}

/** From Liquid that is no value to where its condition ends: `{% if x %}align="right"{% endif %}`. */
function conditionalAt(source, start) {
  let at = start;
  let depth = 0;
  while (at < source.length) {
    const part = partAt(source, at, /[\s/>"']/);
    depth += part.depth;
    at = part.end;
    if (`"'`.includes(source[at] || " ")) {
      const inside = partAt(source, at + 1, new RegExp(source[at]));
      depth += inside.depth;
      at = inside.end + 1;
    } else if (!depth || source[at] === ">") {
      break;
    } else {
      at += 1;
    }
  }
  return { name: "", raw: source.slice(start, at), value: "", depth, end: at };
}

/** What stands from `start` to where `stop` matches outside of Liquid. */
function partAt(source, start, stop) {
  let [at, depth, liquid] = [start, 0, false];
  while (at < source.length && !stop.test(source[at])) {
    const end = endOfTag(source, at);
    if (end > 0) {
      const role = roleOf(source.slice(at, end));
      depth += role === "opens" ? 1 : role === "closes" ? -1 : 0;
      liquid = true;
    }
    at = end > 0 ? end : at + 1;
  }
  return { text: source.slice(start, at), end: at, depth, liquid };
}

// Into the editor -------------------------------------------------------------------------------

/** A start tag as the editor gets it. */
export function shown(tag, raw) {
  if (!hasTag(raw) || tag.attributes.some(({ name }) => name === NOTED)) return raw;
  const noted = tag.attributes.map(({ name, raw, value }) =>
    name ? [name, raw, hasTag(raw) ? display(name, value) : unescaped(value)] : ["", raw, null],
  );
  const seen = new Set();
  const attributes = noted
    .filter(([name, , value]) => name && value !== null && !seen.has(name) && seen.add(name))
    .map(([name, , value]) => ` ${name}="${escaped(value)}"`);
  const note = ` ${NOTED}="${encode(JSON.stringify(noted))}"`;
  return `<${tag.name}${attributes.join("")}${note}>`;
}

function display(name, value) {
  if (NOT_SHOWN.test(name)) return null;
  if (name === "style")
    return (
      declarations(value)
        .filter((each) => !hasTag(each))
        .join("; ") || null
    );
  if (name === "class")
    return (
      mapped(value, () => " ")
        .trim()
        .replace(/\s+/g, " ") || null
    );
  return mapped(value, (liquid) => liquid, unescaped);
}

/** The declarations of a style; Liquid may hold semicolons of its own. */
function declarations(style) {
  const masked = mapped(
    style,
    (tag) => "\ue000".repeat(tag.length),
    (text) => text.replace(/&[a-z]+;|&#\d+;/gi, (entity) => "\ue000".repeat(entity.length)),
  );
  const found = [];
  let start = 0;
  for (const part of masked.split(";")) {
    found.push(style.slice(start, start + part.length).trim());
    start += part.length + 1;
  }
  return joinedConditions(found.filter(Boolean));
}

/** Declarations that a condition holds together are one. */
function joinedConditions(parts) {
  const joined = [];
  let depth = 0;
  for (const part of parts) {
    if (depth) joined[joined.length - 1] += `; ${part}`;
    else joined.push(part);
    for (const { tag } of tagsIn(part)) {
      const role = roleOf(tag);
      depth += role === "opens" ? 1 : role === "closes" ? -1 : 0;
    }
  }
  return joined;
}

// Out of the editor -----------------------------------------------------------------------------

/** A start tag as it belongs into the source. `raw` is what the editor has written. */
export function written(tag, raw) {
  const noted = tag.attributes.find(({ name }) => name === NOTED);
  if (!noted) return hasTag(raw) ? mapped(raw, typed) : raw;
  const now = new Map(
    tag.attributes.filter((each) => each !== noted).map(({ name, value }) => [name, value]),
  );
  const parts = [];
  for (const [name, source, before] of JSON.parse(decode(noted.value))) {
    if (!name || (before === null && !now.has(name))) parts.push(source);
    else if (now.has(name))
      parts.push(
        same(name, before, now.get(name)) ? source : changed(name, source, before, now.get(name)),
      );
    now.delete(name);
  }
  for (const [name, value] of now) parts.push(attribute(name, value));
  return `<${[tag.name, ...parts].join(" ")}${VOID_END.test(raw) ? " />" : ">"}`;
}

const VOID_END = /\/>$/;

function attribute(name, value) {
  return `${name}="${mapped(value, typed)}"`;
}

function same(name, before, now) {
  if (before === null) return false;
  const value = unescaped(now);
  if (name === "style") return [...properties(value)].join() === [...properties(before)].join();
  if (name === "class") return words(value).sort().join() === words(before).sort().join();
  return value === before;
}

/** Of a style or class with Liquid stays what it was, followed by what is new. */
function changed(name, source, before, now) {
  if (!hasTag(source) || !["style", "class"].includes(name)) return attribute(name, now);
  const value = /^[^=]*=\s*["']?([^]*?)["']?$/.exec(source)[1];
  const known =
    name === "style"
      ? properties(before || "")
      : new Map(words(before || "").map((word) => [word, ""]));
  const present =
    name === "style"
      ? properties(unescaped(now))
      : new Map(words(unescaped(now)).map((word) => [word, ""]));
  const added = [...present].filter(([key, set]) => known.get(key) !== set);
  const separator = name === "style" ? "; " : " ";
  const text = added.map(([key, set]) => (name === "style" ? `${key}: ${set}` : key));
  const quote = /=\s*'/.test(source) ? "'" : '"';
  return `${name}=${quote}${[value.replace(/[;\s]+$/, ""), ...text.map(escaped)].join(separator)}${quote}`;
}

function words(text) {
  return text.split(/\s+/).filter((word) => word && !word.startsWith("cke_"));
}

function properties(style) {
  const parts = declarations(style).map((each) => each.split(/:([^]*)/).map((part) => part.trim()));
  return new Map(
    parts.map(([name, value = ""]) => [name.toLowerCase(), value.replace(/\s*([,:])\s*/g, "$1")]),
  );
}
