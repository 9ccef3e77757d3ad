// Shows beside the conditions what the form means as it stands, before it is saved: how many
// rows, how many pass each line alone, and whatever else this kind of rule has to say.

const panel = document.getElementById("rule-panel");
const form = panel?.closest("form");
const spoken = panel?.nextElementSibling;
let waiting, running, changed = false;

async function refresh() {
  running?.abort();
  running = new AbortController();
  panel.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(panel.dataset.url, {
      method: "POST",
      body: new FormData(form),
      signal: running.signal,
    });
    if (!answer.ok) throw new Error(answer.statusText);
    if (answer.redirected) sayHowToSignIn();
    else show(await answer.text());
  } catch (error) {
    if (error.name === "AbortError") return;
    panel.textContent = panel.dataset.trouble;
    form.querySelectorAll(".line-count").forEach((count) => count.remove());
  }
  panel.removeAttribute("aria-busy");
}

function show(html) {
  const folded = [...panel.querySelectorAll("details:not([open])")].map((each) => each.dataset.part);
  panel.innerHTML = html;
  for (const part of folded) {
    panel.querySelector(`details[data-part="${part}"]`)?.removeAttribute("open");
  }
  if (changed) {
    // What is not saved yet must not be lost by following a link.
    panel.querySelectorAll("a").forEach((link) => (link.target = "_blank"));
  }
  spoken.textContent = [...panel.querySelectorAll(".errorlist, .figures, .unfinished")]
    .map((each) => each.textContent.trim().replace(/\s+/g, " "))
    .join(". ");
  countLines();
}

// Saving would lead to the page to sign in, and what was typed would be gone.
function sayHowToSignIn() {
  const link = document.createElement("a");
  Object.assign(link, { href: panel.dataset.login, target: "_blank" });
  link.textContent = spoken.textContent = panel.dataset.signedOut;
  panel.replaceChildren(link);
}

function countLines() {
  form.querySelectorAll(".line-count").forEach((count) => count.remove());
  for (const counted of panel.querySelectorAll("[data-line]")) {
    const line = document.getElementById(counted.dataset.line);
    const count = document.createElement("span");
    count.className = "line-part line-count";
    count.textContent = counted.textContent;
    count.title = counted.dataset.missing || panel.dataset.label.replace("…", counted.textContent);
    line?.querySelector(".line-parts").append(count);
  }
}

function later(event) {
  const follows = panel.dataset.follows.split(" ").includes(event.target.name);
  if (!follows && !event.target.closest(".condition-lines")) return;
  changed = true;
  clearTimeout(waiting);
  waiting = setTimeout(refresh, 350);
}

if (panel) {
  for (const change of ["input", "change", "formset:removed"]) {
    form.addEventListener(change, later);
  }
  refresh();
}
