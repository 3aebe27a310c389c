// Places that follow a form as one types: a sample in a frame, a sentence; without script a button shows them.
"use strict";

const WAIT = 250;

function following(place, form) {
  const address = () => {
    const names = (place.dataset.fields || "").split(" ").filter(Boolean);
    const typed = [...new FormData(form)].filter(([name]) =>
      names.length ? names.includes(name) : name !== "csrf" && name !== "seen");
    return `${place.dataset.address}?${new URLSearchParams(typed)}`;
  };
  let shown = address();
  return async () => {
    const wanted = address();
    if (wanted === shown) return;
    shown = wanted;
    if (place.contentWindow) {
      const isPhone = new FormData(form).get("width") === "phone";
      place.classList.toggle("is-phone", isPhone);
      place.classList.toggle("is-desktop", !isPhone);
      // Replaced, so that Back leaves the page and not the last letter typed.
      return place.contentWindow.location.replace(wanted);
    }
    const answer = await fetch(wanted, { headers: { Accept: "text/html" }, redirect: "error" });
    if (answer.ok && shown === wanted) place.innerHTML = await answer.text();
  };
}

for (const form of document.querySelectorAll("form[data-followed]")) {
  const places = [...document.querySelectorAll("[data-follows]")].filter((place) => place.dataset.follows === form.id);
  const all = places.map((place) => following(place, form));
  let waiting;
  const soon = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => all.forEach((follow) => follow().catch(() => {})), WAIT);
  };
  form.addEventListener("input", soon);
  // The switches stand outside the form they belong to.
  for (const field of form.elements) if (!form.contains(field)) field.addEventListener("input", soon);
  for (const button of form.querySelectorAll("[data-no-script]")) button.hidden = true;
}

for (const field of document.querySelectorAll("[data-colour]")) {
  const picker = Object.assign(document.createElement("input"), { type: "color", ariaLabel: "Choose the colour" });
  const line = Object.assign(document.createElement("div"), { className: "pick-colour" });
  const follow = () => { if (/^#[0-9a-f]{6}$/i.test(field.value)) picker.value = field.value; };
  field.replaceWith(line);
  line.append(field, picker);
  follow();
  field.addEventListener("input", follow);
  picker.addEventListener("input", () => { field.value = picker.value; });
}
