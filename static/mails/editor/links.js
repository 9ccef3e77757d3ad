// Links: an address that may hold variables, and whether it looks like a button.

import { ask, dialog, offerVariables, showProblem, text } from "./dialogs.js";
import { escaped, hasTag } from "./liquid.js";

const SCHEME = /^(https?:\/\/|mailto:|tel:)\S/i;
const MAIL = /^[^\s@:/]+@[^\s@]+\.[^\s@]+$/;

export function setUpLinks(editor) {
  editor.on("pluginsLoaded", () => {
    editor.addCommand("link", { exec: () => editLink(editor), contextSensitive: false });
  });
  editor.on(
    "doubleclick",
    (event) => {
      if (event.data.dialog !== "link") return;
      event.data.dialog = "";
      editLink(editor);
    },
    null,
    null,
    50,
  );
}

/** What was typed as an address that leads somewhere from a mailbox, or "". */
export function addressOf(typed) {
  const address = typed.trim();
  if (SCHEME.test(address) || /^\{[{%]/.test(address)) return address;
  if (MAIL.test(address)) return `mailto:${address}`;
  if (/^[^\s:/]+\.[^\s:]+/.test(address)) return `https://${address}`;
  return "";
}

function editLink(editor) {
  const shown = dialog("link");
  const { words, address, button } = shown.querySelector("form").elements;
  const link = CKEDITOR.plugins.link.getSelectedLink(editor);
  if (link) editor.getSelection().selectElement(link);
  const [range] = editor.getSelection().getRanges();
  const bookmark = editor.getSelection().createBookmarks2();
  const needsWords = !link && range.collapsed;
  words.value = "";
  words.closest("label").hidden = !needsWords;
  address.value = link?.data("cke-saved-href") || link?.getAttribute("href") || "";
  button.checked = link?.hasClass("button") || false;
  shown.querySelector('[value="remove"]').hidden = !link;
  showProblem(shown);
  offerVariables(shown);
  ask(shown, editor, (answer) => {
    if (!answer) return true;
    const href = addressOf(address.value);
    if (answer === "save" && !href) {
      showProblem(shown, text("noAddress"));
      address.focus();
      return false;
    }
    editor.focus();
    editor.getSelection().selectBookmarks(bookmark);
    editor.fire("saveSnapshot");
    if (answer === "remove") editor.execCommand("unlink");
    else if (link) change(link, href, button.checked);
    else if (needsWords) write(editor, words.value.trim() || href, href, button.checked);
    else wrap(editor, href, button.checked);
    editor.fire("saveSnapshot");
    return true;
  });
  (needsWords ? words : address).focus();
}

function change(link, href, asButton) {
  link.setAttributes({ href, "data-cke-saved-href": href });
  if (asButton) link.addClass("button");
  else link.removeClass("button");
}

function write(editor, words, href, asButton) {
  const look = asButton ? ' class="button"' : "";
  editor.insertHtml(
    `<a${look} href="${escaped(href)}">${hasTag(words) ? words : escaped(words)}</a>`,
  );
}

function wrap(editor, href, asButton) {
  const attributes = {
    href,
    "data-cke-saved-href": href,
    ...(asButton ? { class: "button" } : {}),
  };
  const style = new CKEDITOR.style({ element: "a", attributes });
  style.type = CKEDITOR.STYLE_INLINE;
  editor.applyStyle(style);
}
