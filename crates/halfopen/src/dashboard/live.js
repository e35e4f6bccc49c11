// Puts the parts of this page in place as they come. Without this, loading the page again does the same.
"use strict";
(() => {
  const path = document.body.dataset.live;
  const says = document.getElementById("live");
  const source = new EventSource(path);
  source.addEventListener("parts", (event) => {
    for (const html of JSON.parse(event.data)) {
      const part = new DOMParser().parseFromString(html, "text/html").body.firstElementChild;
      const shown = part && document.getElementById(part.id);
      // Whoever is in it with the keyboard stays there.
      if (shown && shown.outerHTML !== part.outerHTML && !shown.contains(document.activeElement)) {
        shown.replaceWith(part);
      }
    }
  });
  source.addEventListener("open", () => { says.textContent = "Live."; });
  source.addEventListener("error", () => { says.textContent = "Not live: what you see may be old."; });
})();
