import { text } from "./dialogs.js";

/** Upload an image file; `{url, width, height}`. Throws an `Error` for people to read. */
export async function upload(url, file) {
  const body = new FormData();
  body.append("file", file);
  const token = document.querySelector("[name=csrfmiddlewaretoken]")?.value || "";
  let response, answer;
  try {
    response = await fetch(url, {
      method: "POST",
      body,
      headers: { "X-CSRFToken": token, Accept: "application/json" },
    });
    answer = await response.json();
  } catch {
    throw new Error(text("notUploaded", file.name));
  }
  if (!response.ok) throw new Error(answer.error || text("notUploaded", file.name));
  return answer;
}
