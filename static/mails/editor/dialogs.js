// Dialogs of the editor. Their HTML comes with the widget, so it speaks the reader's language.

const parts = () => document.querySelector("template.mail-editor-parts");

/** A text for people, by name; `%s` in it is replaced. */
export function text(name, value = "") {
  const texts = JSON.parse(parts()?.dataset.texts || "{}");
  return (texts[name] || name).replace("%s", () => value);
}

/** The dialog with this name, made when it is first needed. */
export function dialog(name) {
  const made = document.querySelector(`dialog[data-dialog="${name}"]`);
  if (made) return made;
  const fresh = parts().content.querySelector(`[data-dialog="${name}"]`).cloneNode(true);
  document.body.append(fresh);
  // Escape and "Cancel" leave nothing of an earlier answer.
  fresh.addEventListener("cancel", () => {
    fresh.returnValue = "";
  });
  return fresh;
}

/** Show what is wrong, or that nothing is. */
export function showProblem(shown, message = "") {
  const note = shown.querySelector('[role="alert"]');
  if (message) note.textContent = message;
  note.hidden = !message;
}

/** Ask with `shown`; `answered(value)` gets the button's value and returns whether it is done.
 * The editor is where it was afterwards. */
export function ask(shown, editor, answered) {
  const form = shown.querySelector("form");
  const answer = (event) => {
    if (answered(event.submitter?.value || "")) return;
    event.preventDefault();
  };
  form.addEventListener("submit", answer);
  shown.addEventListener(
    "close",
    () => {
      form.removeEventListener("submit", answer);
      editor.focus();
    },
    { once: true },
  );
  shown.showModal();
}

/** Fill the lists of variables beside the fields of a dialog. */
export function offerVariables(shown) {
  const known = [...document.querySelectorAll(".mail-variables [data-insert-value]")];
  for (const list of shown.querySelectorAll("select[data-variables]")) {
    list.hidden = !known.length;
    list.replaceChildren(
      list.options[0],
      ...known.map((each) => new Option(each.dataset.meaning, each.dataset.insertValue)),
    );
    list.onchange = () => {
      const field = shown.querySelector("form").elements[list.dataset.variables];
      field.setRangeText(list.value, field.selectionStart, field.selectionEnd, "end");
      field.dispatchEvent(new Event("input"));
      list.selectedIndex = 0;
      field.focus();
    };
  }
}
