// An issue's words are saved while they are typed, and never over what somebody else has written meanwhile.
"use strict";

const REST = 1500;
const words = document.querySelector("form[data-autosave]");
const texts = words ? [...words.querySelectorAll("input:not([type=hidden]), textarea")] : [];
const isTyped = () => texts.some((field) => field.value !== field.defaultValue);
let resting;
let isSaving = false;
// Once it was refused, saving is the editor's press, which shows both.
let isRefused = false;

function tell(text, isWrong = false) {
  const place = words.querySelector("[data-autosaved]");
  place.textContent = text;
  place.classList.toggle("bad", isWrong);
}

function later() {
  clearTimeout(resting);
  resting = setTimeout(() => next(save), REST);
}

async function save() {
  if (isRefused || !isTyped()) return;
  isSaving = true;
  try {
    const sent = new FormData(words);
    const answer = await fetch(words.action, { method: "POST", body: sent, headers: { Accept: "text/html" } });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.ok && fresh.querySelector("[data-composer] form[data-autosave]")) return saved(sent, fresh);
    isRefused = answer.status === 409;
    if (isRefused) tell("Not saved: somebody else has changed it meanwhile. Press Save the words to see both.", true);
    else tell(`Not saved: ${fresh.querySelector("main > .wrong[role=alert]")?.textContent || "log in again in another window, then go on."}`, true);
  } catch {
    tell("Not saved: the server did not answer. It is tried again.", true);
    later();
  } finally {
    isSaving = false;
  }
}

// What was typed while it was saved is still to be saved.
function saved(sent, fresh) {
  for (const field of texts) field.defaultValue = sent.get(field.name).replaceAll("\r\n", "\n");
  words.elements.mark.value = fresh.querySelector("form[data-autosave]").elements.mark.value;
  swap(fresh, null, document.activeElement);
  tell(`Saved ${new Date().toTimeString().slice(0, 5)}`);
  words.dispatchEvent(new Event("saved"));
  if (isTyped()) later();
}

// Undone, or done in another window: words that nobody is changing here follow.
function followWords(fresh) {
  const form = fresh.querySelector("form[data-autosave]");
  if (!form || isTyped() || words.contains(document.activeElement)) return;
  for (const field of texts) field.value = field.defaultValue = form.elements[field.name].value;
  words.elements.mark.value = form.elements.mark.value;
}

if (words) {
  words.addEventListener("input", () => {
    tell("");
    later();
  });
  words.addEventListener("submit", (event) => {
    clearTimeout(resting);
    if (!isSaving) return;
    event.preventDefault();
    turn.then(() => words.requestSubmit());
  });
  // What was typed before an act is a step before it, so that the act is the one that can be undone.
  work.addEventListener("acting", () => {
    clearTimeout(resting);
    next(save);
  });
  work.addEventListener("swapped", (event) => followWords(event.detail));
}
