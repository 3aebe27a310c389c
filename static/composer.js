// An issue's page where script runs: stories change in place and by keys, and nothing typed is lost by it.
"use strict";

const work = document.querySelector("[data-composer]");
const said = document.querySelector("[data-said]");
const ACTS = "[data-acts] form";
const TYPED = "input[id]:not([type=hidden], [type=file]), textarea[id]";
const NO_ANSWER = "Not saved: the server did not answer. Press again.";

function say(text, isWrong = false) {
  said.textContent = text;
  said.classList.toggle("is-bad", isWrong);
}

const inField = (element) => element.matches("input:not([type=checkbox], [type=radio]), textarea, select");

// Where the focus is, in words that find the same place again after the part was replaced.
function whereabouts(element) {
  const row = element.closest("li[id]");
  const name = element.name ? `[name="${CSS.escape(element.name)}"]` : "";
  const value = element.matches("button[value]") ? `[value="${CSS.escape(element.value)}"]` : "";
  return { row: row?.id, becomes: row?.dataset.becomes, itself: element.localName + name + value, isRow: element === row };
}

function returnTo(place) {
  const row = document.getElementById(place.row) || document.getElementById(place.becomes);
  const same = place.isRow ? row : row?.querySelector(`${place.itself}:not(:disabled)`);
  const near = row && row.id === place.row ? row.querySelector("button:not(:disabled)") : row;
  const target = same || near || row || document.querySelector("[data-undo]") || document.getElementById("stories-title");
  target?.focus({ preventScroll: true });
  target?.closest("li[id]")?.scrollIntoView({ block: "nearest" });
}

// What is typed or opened in a part stays over its replacement, but for the form that was just saved.
function keep(part, saved) {
  const isOthers = (element) => !saved?.contains(element) && !(saved && element.contains(saved));
  return {
    ticked: [...part.querySelectorAll("input[type=checkbox][id]:checked")].filter(isOthers).map((each) => each.id),
    open: [...part.querySelectorAll("details[open][id]")].filter(isOthers).map((each) => each.id),
    typed: [...part.querySelectorAll(TYPED)].filter((field) => isOthers(field) && field.value !== field.defaultValue).map((field) => [field.id, field.value]),
  };
}

function giveBack(kept) {
  for (const id of kept.open) document.getElementById(id)?.setAttribute("open", "");
  for (const id of kept.ticked) {
    const box = document.getElementById(id);
    if (box) box.checked = true;
  }
  for (const [id, value] of kept.typed) {
    const field = document.getElementById(id);
    if (field) field.value = value;
  }
}

function swap(fresh, saved, spared) {
  for (const part of work.querySelectorAll("[data-part]")) {
    const next = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
    if (!next || next.innerHTML === part.innerHTML || part.contains(spared || null)) continue;
    const kept = keep(part, saved);
    part.replaceChildren(...document.importNode(next, true).childNodes);
    giveBack(kept);
  }
  sayChoice();
  const meanwhile = work.querySelector("[data-meanwhile]");
  meanwhile.dataset.live = fresh.querySelector("[data-meanwhile]").dataset.live;
  meanwhile.replaceChildren();
  delete meanwhile.dataset.shown;
  work.dispatchEvent(new CustomEvent("swapped", { detail: fresh }));
}

// What the press will do with the later arrivals, in numbers.
function sayChoice() {
  const button = document.querySelector("[data-choose]");
  if (!button) return;
  const boxes = [...button.form.elements].filter((each) => each.type === "checkbox");
  const taken = boxes.filter((each) => each.checked).length;
  const left = boxes.length - taken;
  button.textContent = taken ? `Take ${taken}${left ? `, leave ${left}` : ""}` : button.dataset.choose;
}
document.addEventListener("change", (event) => event.target.matches(".tick") && sayChoice());
if (work) sayChoice();

async function send(form, body, place) {
  const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" } });
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const next = fresh.querySelector("[data-composer]");
  // Logged out, or the issue moved on: then the whole page is another.
  if (!next || next.dataset.state !== work.dataset.state) return answer.redirected ? location.assign(answer.url) : location.reload();
  const problem = fresh.querySelector("main > .wrong[role=alert]")?.textContent;
  swap(fresh, answer.ok ? form : null);
  say(problem || fresh.querySelector("main > .told")?.textContent || "", Boolean(problem));
  returnTo(place);
}

// One after the other: of two quick presses the second is about what the first has made.
let turn = Promise.resolve();
function next(act) {
  turn = turn.then(act).catch(() => say(NO_ANSWER, true));
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!work || !form.matches(ACTS)) return;
  event.preventDefault();
  const body = new FormData(form, event.submitter);
  const place = whereabouts(event.submitter || document.activeElement);
  document.querySelector("main > .told")?.remove();
  if (!form.action.endsWith("/undo")) work.dispatchEvent(new Event("acting"));
  next(() => send(form, body, place));
});

// As if the button were pressed that is there when its turn comes, with the focus left where it is.
function press(selector, from) {
  const place = whereabouts(from);
  if (selector !== "[data-undo]") work.dispatchEvent(new Event("acting"));
  next(() => {
    const button = document.querySelector(selector);
    return button && !button.disabled && send(button.form, new FormData(button.form, button), place);
  });
}

document.addEventListener("keydown", (event) => {
  if (!work || inField(event.target)) return;
  const direction = { ArrowUp: "up", ArrowDown: "down" }[event.key];
  const story = event.target.closest("li.story");
  if (direction && story?.querySelector(".story-acts") && event.altKey && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    press(`#${story.id} button[value=${direction}]`, event.target);
  } else if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey) {
    event.preventDefault();
    press("[data-undo]", event.target);
  }
});
