// Shows beside the conditions how many rows they mean as they stand, before they are saved: in
// all, and how many pass each line alone.

const panel = document.getElementById("rule-panel");
const form = panel?.closest("form");
let waiting, running;

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
    panel.innerHTML = await answer.text();
    countLines();
  } catch (error) {
    if (error.name === "AbortError") return;
    panel.textContent = panel.dataset.trouble;
  }
  panel.removeAttribute("aria-busy");
}

function countLines() {
  form.querySelectorAll(".line-count").forEach((count) => count.remove());
  for (const counted of panel.querySelectorAll("[data-line]")) {
    const line = document.getElementById(counted.dataset.line);
    const count = document.createElement("span");
    count.className = "line-part line-count";
    count.textContent = counted.textContent;
    count.title = panel.dataset.label.replace("…", counted.textContent);
    line?.querySelector(".line-parts").append(count);
  }
}

function later() {
  clearTimeout(waiting);
  waiting = setTimeout(refresh, 350);
}

if (panel) {
  const lines = panel.closest(".condition-lines");
  for (const change of ["input", "change", "formset:removed"]) {
    lines.addEventListener(change, later);
  }
  refresh();
}
