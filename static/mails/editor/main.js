// The rich editor of mails: CKEditor, taught what Liquid is. Loaded after ckeditor.js and before
// the editors are made.

import { setUpBetween } from "./between.js";
import { setUpCaret } from "./caret.js";
import { setUpChips } from "./chips.js";
import { text } from "./dialogs.js";
import { setUpEverything } from "./everything.js";
import { setUpImages } from "./images.js";
import { setUpLinks } from "./links.js";
import { isLogic } from "./liquid.js";
import { setUpLists } from "./lists.js";
import { inside } from "./placing.js";
import { setUpSafety } from "./safety.js";
import { setUpTables } from "./tables.js";
import { editTag } from "./tag-dialog.js";
import { setUpTyping } from "./typing.js";

// Without CKEditor there are plain fields, which save as well.
if (window.CKEDITOR) {
  setUpTables();
  CKEDITOR.on("instanceCreated", ({ editor }) => setUp(editor));
}

function setUp(editor) {
  const textarea = editor.element.$;
  const note = textarea.closest(".mail-editor")?.querySelector(".mail-editor-note");
  if (!note) return; // somebody else's editor
  setUpChips(editor, {
    edit: (element) => editTag(editor, element),
    describe: (tag) => text(isLogic(tag) ? "logic" : "variable", inside(tag)),
    told: setUpSafety(editor, (shown) => {
      note.hidden = !shown;
    }),
  });
  setUpBetween(editor);
  setUpLists(editor);
  setUpEverything(editor);
  setUpCaret(editor);
  setUpTyping(editor);
  setUpLinks(editor);
  setUpImages(editor, textarea);
  nameContent(editor, textarea);
}

/** Screen readers hear the field's name inside the editor, too. */
function nameContent(editor, textarea) {
  editor.on("contentDom", () => {
    const name = textarea.labels?.[0]?.textContent.trim().replace(/:$/, "");
    if (name) editor.editable().setAttribute("aria-label", name);
  });
}
