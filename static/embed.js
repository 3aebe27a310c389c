// For a page that frames our sign-up box: makes the frame as tall as what it shows. Keeps nothing and sends nothing.
(() => {
  "use strict";
  const ours = new URL(document.currentScript.src).origin;
  const frames = () => [...document.querySelectorAll("iframe")].filter((frame) => frame.src.startsWith(`${ours}/embed`));
  addEventListener("message", (event) => {
    const height = event.data?.newsletterHeight;
    if (event.origin !== ours || !Number.isFinite(height)) return;
    for (const frame of frames()) {
      if (frame.contentWindow === event.source) frame.height = Math.min(Math.ceil(height), 4000);
    }
  });
  // A box that was there before this script has told its height to nobody.
  for (const frame of frames()) frame.contentWindow?.postMessage({ newsletterAsks: true }, ours);
})();
