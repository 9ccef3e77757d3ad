// What Liquid is: where a tag begins and ends, what it is called, and how it travels through
// HTML without being touched.

const NAME = /^\{%-?\s*(#|\w+)/;
const PART = new Set(["else", "elsif", "when"]);
const BLOCKS = new Set(["if", "unless", "case", "for", "tablerow", "capture", "ifchanged"]);

/** Where the last tags of a text may end. Who looks for many tags looks this up once: a text of
 * nothing but opening braces would be searched to its end for each of them. */
export function lastEnds(source) {
  return { "}}": source.lastIndexOf("}}"), "%}": source.lastIndexOf("%}") };
}

/** Where the tag that begins at `start` ends, or -1 if there is none. `comment` and `raw` reach
 * to their end: what they hold is no HTML of the mail. */
export function endOfTag(source, start, ends = null) {
  if (source[start] !== "{" || !"{%".includes(source[start + 1] || " ")) return -1;
  const closing = source[start + 1] === "{" ? "}}" : "%}";
  if (ends && ends[closing] < start + 2) return -1;
  const end = source.indexOf(closing, start + 2);
  if (end < 0) return -1;
  const name = nameOf(source.slice(start, end + 2));
  if (name === "raw") return endOf(/\{%-?\s*(endraw)\s*-?%\}/g, source, end + 2);
  if (name === "comment") return endOf(/\{%-?\s*(comment|endcomment)\b[^]*?%\}/g, source, end + 2);
  return end + 2;
}

function endOf(pattern, source, after) {
  pattern.lastIndex = after;
  let depth = 1;
  for (let found; (found = pattern.exec(source));) {
    depth += found[1].startsWith("end") ? -1 : 1;
    if (!depth) return pattern.lastIndex;
  }
  return after;
}

/** The tags of a text, as `{start, end, tag}`. */
export function* tagsIn(source) {
  const ends = lastEnds(source);
  for (let at = source.indexOf("{"); at >= 0;) {
    const end = endOfTag(source, at, ends);
    if (end > 0) yield { start: at, end, tag: source.slice(at, end) };
    at = source.indexOf("{", end > 0 ? end : at + 1);
  }
}

export function hasTag(text) {
  return !tagsIn(text).next().done;
}

/** Every tag of a text through `tagged`, everything between them through `between`. */
export function mapped(source, tagged, between = (text) => text) {
  let made = "";
  let after = 0;
  for (const { start, end, tag } of tagsIn(source)) {
    made += between(source.slice(after, start)) + tagged(tag);
    after = end;
  }
  return made + between(source.slice(after));
}

/** "if" for `{% if … %}`, "" for `{{ … }}`. */
export function nameOf(tag) {
  return NAME.exec(tag)?.[1] || "";
}

export function isLogic(tag) {
  return tag.startsWith("{%");
}

/** What a tag does to the blocks around it: "opens", "parts", "closes" or "". */
export function roleOf(tag) {
  const name = nameOf(tag);
  if (BLOCKS.has(name)) return "opens";
  if (PART.has(name)) return "parts";
  return name.startsWith("end") && BLOCKS.has(name.slice(3)) ? "closes" : "";
}

/** A tag as letters that neither HTML nor the editor changes. */
export function encode(tag) {
  return encodeURIComponent(tag.toWellFormed?.() ?? tag).replace(/--/g, "%2D%2D");
}

export const decode = decodeURIComponent;

// Entities ------------------------------------------------------------------------------------

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

export function escaped(text) {
  return text.replace(/[&<>"]/g, (character) => ENTITIES[character]);
}

export function unescaped(text) {
  if (!text.includes("&")) return text;
  const reader = document.createElement("textarea");
  reader.innerHTML = text.replace(/</g, "&lt;");
  return reader.value;
}

/** A tag as it was meant by somebody who typed it into the text, where it became HTML. */
export function typed(tag) {
  return unescaped(tag)
    .replace(/\u00a0/g, " ")
    .replace(/\u200b/g, "");
}
