// The dialog in which a picture is uploaded, chosen or named by its address.

import { showProblem, text } from "./dialogs.js";
import { addressOf } from "./links.js";
import { upload } from "./uploads.js";

/** What has been chosen in the dialog so far, from whichever tab. */
export class Chosen {
  constructor(shown, { uploadUrl, imagesUrl }) {
    Object.assign(this, { shown, uploadUrl, imagesUrl, url: "" });
    this.fields = shown.querySelector("form").elements;
    this.tabs = [...shown.querySelectorAll('[role="tab"]')];
    this.tabs[0].hidden = !uploadUrl;
    this.tabs[1].hidden = !imagesUrl;
    shown.querySelector('[role="tablist"]').hidden = !uploadUrl && !imagesUrl;
    this.listen();
  }

  start(element) {
    const { address, alt, decoration, width, file, q } = this.fields;
    this.url = element?.data("cke-saved-src") || element?.getAttribute("src") || "";
    address.value = this.url;
    alt.value = element?.getAttribute("alt") || "";
    decoration.checked = Boolean(element) && !alt.value;
    width.value = element?.getAttribute("width") || "";
    file.value = "";
    q.value = "";
    showProblem(this.shown);
    this.show({ url: this.url });
    this.open(this.url || !this.uploadUrl ? this.tabs[2] : this.tabs[0]);
  }

  listen() {
    const { address, file, q } = this.fields;
    const drop = this.shown.querySelector(".mail-image-drop");
    for (const tab of this.tabs) tab.onclick = () => this.open(tab);
    this.shown.querySelector('[role="tablist"]').onkeydown = (event) => this.follow(event);
    file.onchange = () => file.files[0] && this.upload(file.files[0]);
    address.oninput = () => {
      const typed = address.value.trim();
      this.url = typed.startsWith("/") ? typed : addressOf(typed); // uploaded ones have no scheme
    };
    q.oninput = () => this.list();
    q.onkeydown = (event) => {
      if (event.key === "Enter") event.preventDefault();
    };
    address.onchange = () => this.show({ url: this.url });
    drop.ondragover = (event) => event.preventDefault();
    drop.ondrop = (event) => {
      event.preventDefault();
      if (event.dataTransfer.files[0]) this.upload(event.dataTransfer.files[0]);
    };
  }

  follow(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const open = this.tabs.filter((tab) => !tab.hidden);
    const next = open[(open.indexOf(event.target) + step + open.length) % open.length];
    this.open(next);
    next.focus();
  }

  open(chosen) {
    for (const tab of this.tabs) {
      const isOpen = tab === chosen;
      tab.setAttribute("aria-selected", isOpen);
      tab.tabIndex = isOpen ? 0 : -1;
      this.shown.querySelector(`#${tab.getAttribute("aria-controls")}`).hidden = !isOpen;
    }
    if (chosen === this.tabs[1]) this.list();
  }

  async upload(file) {
    showProblem(this.shown);
    this.say(text("uploading", file.name));
    try {
      this.choose({ name: file.name, ...(await upload(this.uploadUrl, file)) });
      this.fields.alt.focus();
    } catch (error) {
      this.say("");
      showProblem(this.shown, error.message);
    }
  }

  /** The pictures whose names hold what is searched for, from `page` on. */
  async list(page = 1) {
    const place = this.shown.querySelector(".mail-image-list");
    const more = this.shown.querySelector(".mail-image-more");
    const wanted = new URLSearchParams({ q: this.fields.q.value, page });
    if (page === 1) place.replaceChildren();
    place.setAttribute("aria-busy", "true");
    let answer = { images: [] };
    try {
      const response = await fetch(`${this.imagesUrl}?${wanted}`, {
        headers: { Accept: "application/json" },
      });
      if (!response.ok) throw new Error();
      answer = await response.json();
    } catch {
      showProblem(this.shown, text("noList"));
    }
    if (wanted.get("q") !== this.fields.q.value) return; // searched for something else since
    place.removeAttribute("aria-busy");
    place.append(...answer.images.map((image) => this.picture(image)));
    this.shown.querySelector(".mail-image-none").hidden = place.children.length > 0;
    more.hidden = !(answer.page < answer.pages);
    more.onclick = () => this.list(page + 1);
  }

  picture(image) {
    const label = document.createElement("label");
    const radio = Object.assign(document.createElement("input"), {
      type: "radio",
      name: "uploaded",
      checked: image.url === this.url,
    });
    const shown = Object.assign(document.createElement("img"), {
      src: image.url,
      alt: "",
      loading: "lazy",
    });
    radio.onchange = () => this.choose(image);
    label.append(
      radio,
      shown,
      Object.assign(document.createElement("span"), { textContent: image.name }),
    );
    return label;
  }

  choose(image) {
    this.url = image.url;
    this.fields.address.value = image.url;
    // As wide as a mail is, at the most.
    if (image.width) this.fields.width.value = Math.min(image.width, 520);
    this.show(image);
  }

  show({ url, name = "", width, height }) {
    const place = this.shown.querySelector(".mail-image-chosen");
    const known = url && !url.includes("{");
    place.hidden = !known;
    place.querySelector("img").src = known ? url : "data:,";
    place.querySelector("span").textContent = [name, width && `${width} × ${height}`]
      .filter(Boolean)
      .join(", ");
  }

  say(message) {
    const place = this.shown.querySelector(".mail-image-chosen");
    place.hidden = !message;
    place.querySelector("span").textContent = message;
  }

  problem() {
    const { address, alt, decoration, width } = this.fields;
    if (!this.url) {
      const tab = this.tabs.find((each) => each.getAttribute("aria-selected") === "true");
      return { message: text("noImage"), field: tab === this.tabs[2] ? address : null };
    }
    if (!alt.value.trim() && !decoration.checked) return { message: text("noAlt"), field: alt };
    if (width.value.trim() && !/^(\d+%?|\{.*\})$/.test(width.value.trim()))
      return { message: text("noWidth"), field: width };
    return null;
  }
}
