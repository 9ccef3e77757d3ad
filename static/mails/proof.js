// Follows a proof while the cluster is at it. Without this the page has a link that refreshes it.

const progress = document.getElementById("proof-progress");
const told = document.getElementById("proof-told");

async function follow() {
  if (!progress.querySelector("[data-open]")) return;
  if (!document.hidden) {
    try {
      const answer = await fetch(progress.dataset.url);
      // Whoever has been signed out is sent to another page.
      if (!answer.ok || answer.redirected) throw new Error(answer.statusText);
      show(await answer.text());
    } catch {
      told.textContent = progress.dataset.trouble;
      told.classList.remove("visually-hidden");
    }
  }
  setTimeout(follow, 1000);
}

function show(html) {
  const focused = document.activeElement?.closest("#proof-progress button, #proof-progress a");
  const text = focused?.textContent;
  progress.innerHTML = html;
  if (text) {
    [...progress.querySelectorAll("button, a")].find((each) => each.textContent === text)?.focus();
  }
  if (!progress.querySelector("[data-open]")) {
    // The buttons for another proof are there again.
    location.reload();
  }
}

if (progress) setTimeout(follow, 1000);
