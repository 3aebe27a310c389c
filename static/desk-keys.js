// The desk by single keys: to the search, from row to row, from place to place. They can be turned off.
"use strict";

const OFF = "desk-keys-off";
const KEYS = [
  ["/", "Search this page’s list"],
  ["j, k", "Next row, row before"],
  ["g, then t", "Today"],
  ["g, then i", "Issues"],
  ["g, then a", "Articles"],
  ["g, then c", "Calendar"],
  ["g, then r", "Readers"],
  ["g, then f", "Figures"],
  ["g, then s", "Settings"],
  ["?", "These keys"],
];
const ROWS = "main .lines > .line, main .stories > .story, main .table tbody tr";
const PAUSE = 1500;

const isOff = () => localStorage.getItem(OFF) === "yes";
const make = (tag, text, more = {}) => Object.assign(document.createElement(tag), { textContent: text }, more);

const sheet = make("dialog", "", { className: "keys" });
const list = make("dl", "");
for (const [key, what] of KEYS) {
  const line = make("div", "");
  const name = make("dt", "");
  name.append(make("kbd", key));
  line.append(name, make("dd", what));
  list.append(line);
}
const use = make("input", "", { type: "checkbox", checked: !isOff() });
use.addEventListener("change", () => localStorage.setItem(OFF, use.checked ? "" : "yes"));
const choice = make("label", "", { className: "pick" });
choice.append(use, make("span", "Use these keys"));
const close = make("button", "Close", { className: "small" });
const form = make("form", "", { method: "dialog" });
form.append(close);
const title = make("h2", "Keys", { id: "keys-title" });
sheet.setAttribute("aria-labelledby", title.id);
sheet.append(title, list, choice, form);
document.body.append(sheet);

const opener = make("button", "Keys", { type: "button", className: "plain" });
opener.addEventListener("click", () => sheet.showModal());
document.querySelector(".leave")?.append(opener);

function step(by) {
  const rows = [...document.querySelectorAll(ROWS)].filter((row) => row.querySelector("a[href], button"));
  if (!rows.length) return;
  const here = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[here < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(here + by, 0), rows.length - 1)];
  next.querySelector("a[href], button").focus();
}

function go(letter) {
  const place = [...document.querySelectorAll(".rooms > li > a")].find((link) => link.textContent.trim()[0].toLowerCase() === letter);
  if (place) location.assign(place.href);
}

let began = 0;
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || isTyping || sheet.open || isOff()) return;
  const isPlace = Date.now() - began < PAUSE;
  began = 0;
  if (isPlace) return go(event.key);
  if (event.key === "g") began = Date.now();
  else if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else if (event.key === "?") sheet.showModal();
  else if (event.key === "/") {
    const search = document.querySelector("main input[type=search], main [role=search] input, main [role=search] select");
    if (!search) return;
    event.preventDefault();
    search.focus();
    search.select?.();
  }
});
