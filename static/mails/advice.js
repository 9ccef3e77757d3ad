// Looks at the mail as it stands in the form while it is written, before it is saved: what is
// wrong with it, and what could be better. Without this the page shows it of what is saved.

const PAUSE = 600; // milliseconds without a key

const panel = document.getElementById("mail-advice");
const told = document.getElementById("mail-advice-told");
const form = panel?.closest("form");
let waiting, running;

function later() {
  clearTimeout(waiting);
  waiting = setTimeout(refresh, PAUSE);
}

async function refresh() {
  running?.abort();
  running = new AbortController();
  panel.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(panel.dataset.url, {
      method: "POST",
      body: written(),
      signal: running.signal,
    });
    // Whoever has been signed out is sent to another page.
    if (!answer.ok || answer.redirected) throw new Error(answer.statusText);
    show(await answer.text());
  } catch (error) {
    if (error.name === "AbortError") return;
    panel.textContent = panel.dataset.trouble;
  }
  panel.removeAttribute("aria-busy");
}

/** What the form says, without the files in it: those need not travel for this. */
function written() {
  for (const editor of editors()) editor.updateElement();
  const data = new FormData(form);
  for (const [name, value] of [...data]) if (value instanceof File) data.delete(name);
  return data;
}

const editors = () => Object.values(window.CKEDITOR?.instances || {});

function show(html) {
  const isOpen = panel.querySelector("details")?.open;
  const focused = panel.contains(document.activeElement) && document.activeElement.dataset.field;
  panel.innerHTML = html;
  if (isOpen) panel.querySelector("details")?.setAttribute("open", "");
  if (focused) panel.querySelector(`[data-field="${CSS.escape(focused)}"]`)?.focus();
  const said = [...panel.querySelectorAll(".advice-error, .advice-none")];
  told.textContent = said.map((each) => each.textContent.trim()).join(". ");
}

/** Where what is said has to be changed: the field, or the editor that stands for it. */
function goTo(name) {
  const field = form.elements.namedItem(name);
  if (!field) return;
  for (let around = field.closest("details"); around; around = around.parentElement.closest("details")) {
    around.open = true;
  }
  const editor = window.CKEDITOR?.instances[field.id];
  const shown = editor?.container?.$ || field;
  shown.scrollIntoView({ block: "center" });
  (editor || field).focus();
}

if (form) {
  for (const change of ["input", "change", "formset:removed"]) form.addEventListener(change, later);
  window.CKEDITOR?.on("instanceReady", ({ editor }) => {
    editor.on("change", later);
    // In the source there are keys, and no changes until it is left.
    editor.on("mode", () => {
      if (editor.mode === "source") editor.editable().attachListener(editor.editable(), "input", later);
    });
  });
  panel.addEventListener("click", (event) => {
    const name = event.target.closest("[data-field]")?.dataset.field;
    if (!name) return;
    event.preventDefault();
    goTo(name);
  });
}
