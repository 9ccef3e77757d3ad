// Asks before the page of a chain is left while its form has what is not saved: the buttons and
// links beside the form lead elsewhere.

const form = document.getElementById("chain_form");
const written = () => new URLSearchParams(new FormData(form)).toString();
// What was refused is not saved either.
const saved = form?.querySelector(".errornote") ? null : form && written();
let saving = false;

form?.addEventListener("submit", () => (saving = true));
addEventListener("pageshow", () => (saving = false)); // back from a page that could not be reached
addEventListener("beforeunload", (event) => {
  if (form && !saving && written() !== saved) event.preventDefault();
});
