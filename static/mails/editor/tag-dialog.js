// Changing a tag by itself, with all its filters.

import { remove, retag, tagOf } from "./chips.js";
import { ask, dialog, showProblem, text } from "./dialogs.js";
import { endOfTag } from "./liquid.js";

export function editTag(editor, element) {
  const shown = dialog("tag");
  const input = shown.querySelector("textarea");
  const before = tagOf(element);
  input.value = before;
  showProblem(shown);
  ask(shown, editor, (answer) => {
    if (answer === "remove") remove(editor, element);
    if (answer !== "save" || input.value === before) return true;
    const tag = input.value.trim();
    if (endOfTag(tag, 0) !== tag.length) {
      showProblem(shown, text("notATag"));
      input.focus();
      return false;
    }
    retag(editor, element, tag);
    return true;
  });
  input.select();
}
