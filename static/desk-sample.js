// A sample that follows the form beside it as one types; without script a button shows it.
"use strict";

const WAIT = 250;

for (const form of document.querySelectorAll("form[data-sample]")) {
  const frame = document.getElementById(form.dataset.sample);
  const readings = document.getElementById(form.dataset.accent);
  const typed = () => new URLSearchParams([...new FormData(form)].filter(([name]) => name !== "csrf" && name !== "seen"));
  let shown = frame.src, waiting;
  const show = async () => {
    const address = `${frame.dataset.address}?${typed()}`;
    frame.classList.toggle("is-phone", typed().get("width") === "phone");
    frame.classList.toggle("is-desktop", typed().get("width") !== "phone");
    if (address === shown) return;
    shown = address;
    // Replaced, so that Back leaves the page and not the last letter typed.
    frame.contentWindow.location.replace(address);
    const answer = await fetch(`${readings.dataset.address}?${new URLSearchParams({ accent: typed().get("accent") })}`);
    if (answer.ok) readings.innerHTML = await answer.text();
  };
  const soon = () => {
    clearTimeout(waiting);
    waiting = setTimeout(show, WAIT);
  };
  form.addEventListener("input", soon);
  // The switches stand outside the form they belong to.
  for (const field of form.elements) if (!form.contains(field)) field.addEventListener("input", soon);
  for (const button of form.querySelectorAll("[data-no-script]")) button.hidden = true;

  for (const field of form.querySelectorAll("[data-colour]")) {
    const picker = Object.assign(document.createElement("input"), { type: "color", ariaLabel: "Choose the colour" });
    const line = Object.assign(document.createElement("div"), { className: "pick-colour" });
    const follow = () => { if (/^#[0-9a-f]{6}$/i.test(field.value)) picker.value = field.value; };
    field.replaceWith(line);
    line.append(field, picker);
    follow();
    field.addEventListener("input", follow);
    picker.addEventListener("input", () => { field.value = picker.value; });
  }
}
