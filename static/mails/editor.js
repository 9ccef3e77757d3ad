// Keeps Liquid as it was typed while the rich editor works on the mail around it.
//
// Tags such as {% for %} would be moved out of tables and wrapped in paragraphs: they are
// hidden from the editor's parser ("protected source"). Variables stay visible as text. What
// HTML would change inside of either (<, >, &, quotes, runs of white space) is written as
// entities on the way in and read back on the way out, so each is what it was.
//
// This file is loaded after ckeditor.js and before the editors are made.
(function () {
  const LIQUID = /\{\{[\s\S]*?\}\}|\{%[\s\S]*?%\}/g;
  const LOGIC = /\{%[\s\S]*?%\}/g;
  const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  const CHARACTERS = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'", nbsp: " " };

  // White space that HTML would fold, as characters that mean nothing to anybody.
  const SPACES = { " ": "\ue120", "\n": "\ue10a", "\r": "\ue10d", "\t": "\ue109" };
  const SPACE_OF = Object.fromEntries(Object.entries(SPACES).map(([space, mark]) => [mark, space]));

  function wrapped(tag) {
    return tag
      .replace(/[&<>"']/g, (character) => ENTITIES[character])
      .replace(/\s{2,}|[\n\r\t]/g, (run) => run.replace(/[ \n\r\t]/g, (space) => SPACES[space]));
  }

  function unwrapped(tag) {
    return tag
      .replace(/\u00a0/g, " ")
      .replace(/&(amp|lt|gt|quot|#39|nbsp);/g, (_, name) => CHARACTERS[name])
      .replace(/[\ue120\ue10a\ue10d\ue109]/g, (mark) => SPACE_OF[mark]);
  }

  function convert(turn) {
    return (event) => {
      const data = event.data;
      if (typeof data.dataValue === "string") data.dataValue = data.dataValue.replace(LIQUID, turn);
    };
  }

  // The hidden tags as chips: written on the element that follows, or on the one before, or,
  // in the middle of a text, on the element around it. Attributes of this kind are the editor's
  // own and never get into the mail.
  function showLogic(editor) {
    const body = editor.mode === "wysiwyg" && editor.document?.getBody().$;
    if (!body) return;
    editor.fire("lockSnapshot");
    for (const name of ["data-cke-logic", "data-cke-logic-after"]) {
      body.querySelectorAll(`[${name}]`).forEach((element) => element.removeAttribute(name));
    }
    const comments = body.ownerDocument.createTreeWalker(body, NodeFilter.SHOW_COMMENT);
    while (comments.nextNode()) {
      const tag = hiddenTag(comments.currentNode);
      if (tag) writeOn(...nextTo(comments.currentNode), tag);
    }
    editor.fire("unlockSnapshot");
  }

  function hiddenTag(comment) {
    const found = /^\{cke_protected\}([\s\S]*)$/.exec(comment.data);
    const source = found ? decodeURIComponent(found[1]) : "";
    return /^\{%/.test(source) ? unwrapped(source) : "";
  }

  function nextTo(comment) {
    const isNothing = (node) =>
      node.nodeType === Node.COMMENT_NODE || (node.nodeType === Node.TEXT_NODE && !node.data.trim());
    let next = comment.nextSibling;
    while (next && isNothing(next)) next = next.nextSibling;
    if (next?.nodeType === Node.ELEMENT_NODE) return [next, "data-cke-logic"];
    let before = comment.previousSibling;
    while (before && isNothing(before)) before = before.previousSibling;
    if (!next && before?.nodeType === Node.ELEMENT_NODE) return [before, "data-cke-logic-after"];
    return [comment.parentNode, "data-cke-logic"];
  }

  function writeOn(element, name, tag) {
    const shown = element.tagName === "TR" ? element.cells[0] || element : element;
    shown.setAttribute(name, [shown.getAttribute(name), tag].filter(Boolean).join(" "));
  }

  CKEDITOR.on("instanceCreated", ({ editor }) => {
    editor.on("configLoaded", () => {
      editor.config.protectedSource = [...(editor.config.protectedSource || []), LOGIC];
    });
    // A width stays where it was written: mail programs know the attribute best.
    editor.on(
      "toHtml",
      () => {
        editor.filter._.transformations = {};
      },
      null,
      null,
      0,
    );
    // Before the editor's own first step (5) and after its last one (15).
    editor.on("toHtml", convert(wrapped), null, null, 1);
    editor.on("toDataFormat", convert(unwrapped), null, null, 20);

    let timer;
    const later = () => {
      clearTimeout(timer);
      timer = setTimeout(() => showLogic(editor), 150);
    };
    editor.on("contentDom", later);
    editor.on("change", later);
  });

  // A click on a name in the list below writes it into the text.
  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("code.insert").forEach((name) => {
      name.setAttribute("role", "button");
      name.tabIndex = 0;
      const insert = () => {
        const editor = Object.values(CKEDITOR.instances)[0];
        if (editor?.mode !== "wysiwyg") return;
        editor.focus();
        editor.insertText(name.textContent);
      };
      name.addEventListener("click", insert);
      name.addEventListener("keydown", (event) => {
        if (event.key === "Enter") insert();
      });
    });
  });
})();
