// Inside the framed sign-up box: tells the page around it how tall the box is, and nothing else.
"use strict";

const tell = () => parent.postMessage({ newsletterHeight: document.body.getBoundingClientRect().height }, "*");
if (parent !== window) {
  new ResizeObserver(tell).observe(document.body);
  addEventListener("message", (event) => {
    if (event.source === parent) tell();
  });
}
