"use strict";
// Tables: a click on a column's name sorts, a second one turns the order round.
const key = (row, column) => {
  const cell = row.cells[column];
  const value = cell.dataset.value;
  return value === undefined ? cell.textContent : value === "NaN" ? NaN : Number(value);
};
// What is not known comes last, whatever the order.
const compare = (a, b, sign) => {
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  if (typeof a !== "number") return sign * a.localeCompare(b);
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
  return sign * (a - b);
};
for (const box of document.querySelectorAll(".table")) {
  const body = box.querySelector("tbody");
  const heads = [...box.querySelectorAll("th")];
  heads.forEach((head, column) => head.addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const sign = up ? 1 : -1;
    const rows = [...body.rows];
    rows.sort((a, b) => compare(key(a, column), key(b, column), sign));
    body.append(...rows);
  }));
  const search = box.querySelector("input");
  if (search) {
    search.addEventListener("input", () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of body.rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every(word => text.includes(word));
      }
    });
  }
}
// Plots: the picture itself is what is downloaded.
for (const anchor of document.querySelectorAll("[data-download]")) {
  anchor.href = anchor.closest("figure").querySelector("img").src;
  anchor.download = anchor.dataset.download;
}
// Pictures: a click opens one, a mask over its photo; arrows go on to the next.
const tiles = [...document.querySelectorAll(".tile")];
if (tiles.length) {
  const dialog = document.createElement("dialog");
  dialog.tabIndex = -1;
  const line = document.createElement("p");
  const label = document.createElement("span");
  const slider = document.createElement("input");
  Object.assign(slider, { type: "range", min: 0, max: 1, step: 0.05, value: 0.5, title: "Mask over the photo" });
  const stage = document.createElement("div");
  stage.className = "stage";
  const photo = document.createElement("img");
  const mask = document.createElement("img");
  photo.alt = mask.alt = "";
  line.append(label, slider);
  stage.append(photo, mask);
  dialog.append(line, stage);
  document.body.append(dialog);
  let shown = 0;
  const fade = () => { mask.style.opacity = slider.value; };
  const show = index => {
    shown = (index + tiles.length) % tiles.length;
    const tile = tiles[shown];
    const isMask = tile.classList.contains("mask");
    photo.src = tile.closest(".row").querySelector(".photo img").src;
    mask.hidden = slider.hidden = !isMask;
    if (isMask) mask.src = tile.querySelector("img").src;
    label.textContent = tile.dataset.label;
    fade();
  };
  tiles.forEach((tile, index) => tile.addEventListener("click", () => {
    show(index);
    dialog.showModal();
    // Not the slider, which would take the arrows for itself.
    dialog.focus();
  }));
  slider.addEventListener("input", fade);
  dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", event => {
    if (event.target === slider) return;
    if (event.key === "ArrowRight") show(shown + 1);
    if (event.key === "ArrowLeft") show(shown - 1);
  });
}
