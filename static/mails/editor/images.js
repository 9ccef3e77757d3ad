// Pictures: uploaded here, chosen from those that were, or by their address.

import { ask, dialog, offerVariables, showProblem, text } from "./dialogs.js";
import { Chosen } from "./image-dialog.js";
import { escaped } from "./liquid.js";
import { upload } from "./uploads.js";

export function setUpImages(editor, textarea) {
  const { uploadUrl = "", imagesUrl = "" } = textarea.dataset;
  const open = () => editImage(editor, { uploadUrl, imagesUrl });
  editor.on("pluginsLoaded", () => {
    editor.addCommand("image", { exec: open });
    editor.ui.addButton("Image", { label: text("image"), command: "image", toolbar: "insert,10" });
  });
  editor.on("doubleclick", (event) => {
    if (event.data.element.is("img") && !editor.widgets.getByElement(event.data.element)) open();
  });
  takeFiles(editor, uploadUrl);
}

/** Image files that are dropped or pasted are uploaded, and stand where they fell. */
function takeFiles(editor, uploadUrl) {
  editor.on(
    "paste",
    async (event) => {
      const transfer = event.data.dataTransfer;
      const files = Array.from({ length: transfer.getFilesCount() }, (_, index) =>
        transfer.getFile(index),
      );
      const images = files.filter((file) => file.type.startsWith("image/"));
      if (!images.length || transfer.getData("text/html")) return;
      event.cancel();
      if (!uploadUrl) {
        editor.showNotification(text("noUpload"), "warning");
        return;
      }
      for (const file of images) {
        const notice = editor.showNotification(text("uploading", file.name), "progress", 0);
        try {
          const image = await upload(uploadUrl, file);
          insertImage(editor, { ...image, alt: "" });
          notice.hide();
          editor.showNotification(text("describe"), "info");
        } catch (error) {
          notice.update({ type: "warning", message: error.message });
        }
      }
    },
    null,
    null,
    1,
  );
}

function selectedImage(editor) {
  const element = editor.getSelection()?.getSelectedElement();
  return element?.is("img") ? element : null;
}

function insertImage(editor, { url, alt, width }) {
  const wide = width ? ` width="${escaped(String(width))}"` : "";
  editor.insertHtml(`<img alt="${escaped(alt)}" src="${escaped(url)}"${wide}>`);
}

function changeImage(editor, element, { url, alt, width }) {
  element.setAttributes({ "data-cke-saved-src": url, alt });
  if (!/^\{/.test(url)) element.setAttribute("src", url);
  element.removeAttribute("height");
  element.removeStyle("width");
  element.removeStyle("height");
  if (width) element.setAttribute("width", width);
  else element.removeAttribute("width");
}

function editImage(editor, urls) {
  const shown = dialog("image");
  const fields = shown.querySelector("form").elements;
  const element = selectedImage(editor);
  const bookmark = editor.getSelection().createBookmarks2();
  const chosen = new Chosen(shown, urls);
  chosen.start(element);
  offerVariables(shown);
  ask(shown, editor, (answer) => {
    if (answer !== "save") return true;
    const problem = chosen.problem();
    if (problem) {
      showProblem(shown, problem.message);
      problem.field?.focus();
      return false;
    }
    const image = {
      url: chosen.url,
      alt: fields.decoration.checked ? "" : fields.alt.value.trim(),
      width: fields.width.value.trim(),
    };
    editor.focus();
    editor.getSelection().selectBookmarks(bookmark);
    editor.fire("saveSnapshot");
    if (element) changeImage(editor, element, image);
    else insertImage(editor, image);
    editor.fire("saveSnapshot");
    return true;
  });
}
