// What the editor cannot show without changing it is shown as source, and left alone.

import { tagsIn } from "./liquid.js";

/** Returns what `setUpChips` tells of the texts that `editor` gets. `tell(shown)` explains to the
 * person who edits why there is only source. */
export function setUpSafety(editor, tell) {
  let given = null;
  let loading = null;
  let unfit = null;

  // Parsed is what is pasted, too; but only a whole text takes the place of another one.
  editor.on("contentDomUnload", () => {
    loading = given;
    unfit = null;
  });
  editor.on(
    "dataReady",
    () => {
      const loaded = loading;
      loading = null;
      if (!loaded || editor.mode === "source") return;
      const { source, fits } = loaded;
      unfit = fits && sameTags(source, editor.getData()) ? null : source;
      if (unfit === null) tell(false);
      else if (editor.status === "ready") setTimeout(showSource);
      else editor.once("instanceReady", () => setTimeout(showSource));
    },
    null,
    null,
    999,
  );
  // Until then nobody gets anything else.
  editor.on(
    "getData",
    (event) => {
      if (unfit !== null && editor.mode !== "source") event.data.dataValue = unfit;
    },
    null,
    null,
    999,
  );

  function showSource() {
    if (unfit === null) return;
    const source = unfit;
    editor.setMode("source", () => {
      unfit = null;
      const wasDirty = editor.checkDirty();
      editor.editable().setValue(source);
      if (!wasDirty) editor.resetDirty();
      tell(true);
    });
  }

  keepUntouched(editor);
  return (source, fits) => {
    given = { source, fits };
  };
}

function sameTags(one, other) {
  const tags = (source) => [...tagsIn(source)].map(({ tag }) => tag).join("\n");
  return tags(one) === tags(other);
}

/** A text that nobody has changed is saved as it was, letter by letter. */
function keepUntouched(editor) {
  let original = null;
  editor.on("instanceReady", () => {
    const textarea = editor.element.$;
    original = textarea.value;
    setTimeout(() => editor.resetDirty());
    textarea.form?.addEventListener("submit", () => {
      if (editor.status !== "destroyed" && !editor.checkDirty()) textarea.value = original;
    });
  });
}
