// What the desk adds where script runs: live numbers, unsaved words kept. Every page works without it.
"use strict";

const EVERY = 2000;

// What was just done is said once: a reload, ours or the editor's, does not say it again.
const here = new URL(location.href);
if (here.searchParams.has("told")) {
  here.searchParams.delete("told");
  history.replaceState(null, "", here);
}

async function fetchInto(place, address) {
  const answer = await fetch(address, { headers: { Accept: "text/html" }, redirect: "error" });
  if (!answer.ok) return false;
  // The page has moved on while this was under way.
  if (place.dataset.live && place.dataset.live !== address) return true;
  const text = await answer.text();
  if (place.dataset.shown !== text) {
    place.dataset.shown = text;
    // What was folded out stays so.
    const open = [...place.querySelectorAll("details")].map((details) => details.open);
    place.innerHTML = text;
    place.querySelectorAll("details").forEach((details, number) => (details.open = open[number] ?? details.open));
  }
  return true;
}

// What takes a moment to count comes after the page; without it a link counts it.
for (const place of document.querySelectorAll("[data-load]")) {
  fetchInto(place, place.dataset.load).catch(() => false);
}

// What preflight has found since opens or closes the approval, as the page would were it loaded again.
function openOrClose(told) {
  const note = document.getElementById("kept-back");
  if (!told || !note) return;
  const isClosed = told.dataset.blocks !== "0";
  note.hidden = !isClosed;
  for (const button of document.querySelectorAll("[data-approve]")) button.disabled = isClosed;
}

// The mail beside the composer is loaded anew when what it shows has been saved, here or by somebody else.
let shownVersion;
function follow(told) {
  const frame = document.querySelector("iframe[data-follows]");
  if (!told || !frame) return;
  if (shownVersion !== undefined && shownVersion !== told.dataset.version) frame.src = frame.src;
  shownVersion = told.dataset.version;
}

// Live numbers: fetched anew while the page is looked at; at the end the page is loaded once more, with its new buttons.
for (const place of document.querySelectorAll("[data-live]")) {
  const state = () => place.querySelector("[data-state]")?.dataset.state;
  const before = state();
  const again = async () => {
    if (!document.hidden) {
      try {
        await fetchInto(place, place.dataset.live);
        const told = place.querySelector("[data-blocks]");
        openOrClose(told);
        follow(told);
      } catch {
        // The next round asks again.
      }
      if (before !== undefined && state() !== before) return location.reload();
    }
    // What says of itself that it is as it stays for now is asked for less often.
    setTimeout(again, place.querySelector("[data-settled]") ? 4 * EVERY : EVERY);
  };
  setTimeout(again, EVERY);
}

// Words typed and not yet saved survive a press on another button of the page, and a login in between.
for (const form of document.querySelectorAll("form[data-keep]")) {
  const key = form.dataset.keep;
  const fields = [...form.querySelectorAll("input[name]:not([type=hidden]), textarea:not([hidden])")];
  // What the words stood on that were being changed: with others there by now, saving shows both.
  const seen = form.querySelector("[name=mark]");
  const mark = form.querySelector("[data-unsaved]");
  const look = () => {
    const differs = fields.some((field) => field.value !== field.defaultValue);
    if (mark) mark.hidden = !differs;
    const named = [...fields, ...(seen ? [seen] : [])].map((field) => [field.name, field.value]);
    if (differs) sessionStorage.setItem(key, JSON.stringify(Object.fromEntries(named)));
    else sessionStorage.removeItem(key);
  };
  const kept = JSON.parse(sessionStorage.getItem(key) || "null");
  if (kept) for (const field of fields) if (field.name in kept) field.value = kept[field.name];
  if (kept?.mark && seen && fields.some((field) => field.value !== field.defaultValue)) seen.value = kept.mark;
  look();
  for (const happened of ["input", "saved"]) form.addEventListener(happened, look);
}

for (const link of document.querySelectorAll("[data-forget]")) {
  link.addEventListener("click", () => sessionStorage.removeItem(link.dataset.forget));
}

for (const field of document.querySelectorAll("input[data-select]")) {
  field.addEventListener("focus", () => field.select());
}

// What is there to be pasted elsewhere is copied at a press.
for (const field of document.querySelectorAll("textarea[data-copy]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = field.dataset.copy;
  const told = document.createElement("span");
  told.setAttribute("role", "status");
  told.className = "soft";
  button.addEventListener("click", async () => {
    field.select();
    await navigator.clipboard.writeText(field.value);
    told.textContent = "Copied.";
  });
  const line = document.createElement("p");
  line.className = "bar-of-buttons";
  line.append(button, told);
  field.after(line);
}

// The minute in which a send can be undone, counted down by the server's clock.
for (const place of document.querySelectorAll("[data-seconds-left]")) {
  const end = performance.now() + 1000 * Number(place.dataset.secondsLeft);
  const count = () => {
    const left = Math.max(0, Math.ceil((end - performance.now()) / 1000));
    place.textContent = left === 0 ? "It goes now." : `It goes in ${left} ${left === 1 ? "second" : "seconds"}.`;
    if (left) setTimeout(count, 250);
  };
  count();
}
