"use strict";
// Keeps a page current: the daemon tells that it is there, and the page is fetched again as long as somebody looks at it.
(function () {
  const PERIOD_MS = 5000;
  const main = document.getElementById("main");
  let last = Date.now(), busy = false;

  function inUse() {
    const selection = document.getSelection();
    return document.hidden || main.contains(document.activeElement) || (selection && !selection.isCollapsed);
  }

  function replace(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("main");
    if (!fresh || inUse()) { return; }
    const scrolled = Array.from(main.querySelectorAll(".scroll"), (box) => box.scrollLeft);
    main.replaceChildren(...fresh.childNodes);
    main.querySelectorAll(".scroll").forEach((box, i) => { box.scrollLeft = scrolled[i] || 0; });
  }

  new EventSource("/events").onmessage = function () {
    if (busy || inUse() || Date.now() - last < PERIOD_MS) { return; }
    busy = true;
    fetch(location.pathname)
      .then((answer) => (answer.ok ? answer.text().then(replace) : null))
      .catch(() => null)  // the daemon has stopped; the browser waits for it
      .finally(() => { busy = false; last = Date.now(); });
  };
})();
