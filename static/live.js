"use strict";
// Keeps an open page current: fragments come by server-sent events and are merged into the page by their ids.
// Nothing here is needed to read a page; without scripts "Look again" does the same.
(function () {
  const body = document.body;

  // Times in the reader's zone; the server's title has UTC.
  const two = (number) => String(number).padStart(2, "0");
  function localTimes(root) {
    for (const time of root.querySelectorAll("time[datetime]:not(.ago)")) {
      const at = new Date(time.dateTime);
      if (isNaN(at)) { continue; }
      time.textContent = at.getFullYear() + "-" + two(at.getMonth() + 1) + "-" + two(at.getDate()) + " " +
        two(at.getHours()) + ":" + two(at.getMinutes()) + ":" + two(at.getSeconds());
    }
    for (const zone of root.querySelectorAll(".zone")) {
      const minutes = -new Date().getTimezoneOffset(), size = Math.abs(minutes);
      zone.textContent = "UTC" + (minutes < 0 ? "-" : "+") + two(Math.floor(size / 60)) + ":" + two(size % 60);
    }
  }

  // Makes `old` like `fresh` with as few changes as it takes, so that focus, selection, scrolling, open details and
  // what somebody types stay as they are.
  const KEPT = new Set(["open", "value"]);
  function merge(old, fresh) {
    for (const { name, value } of [...fresh.attributes]) {
      if (!KEPT.has(name) && old.getAttribute(name) !== value) { old.setAttribute(name, value); }
    }
    for (const { name } of [...old.attributes]) {
      if (!KEPT.has(name) && !fresh.hasAttribute(name)) { old.removeAttribute(name); }
    }
    mergeChildren(old, fresh);
  }
  function alike(a, b) {
    return a.nodeType === b.nodeType && a.nodeName === b.nodeName &&
      (a.nodeType !== 1 || (a.id === b.id && a.getAttribute("href") === b.getAttribute("href")));
  }
  function mergeChildren(old, fresh) {
    const wanted = [...fresh.childNodes];
    wanted.forEach((node, place) => {
      const there = old.childNodes[place];
      if (!there) {
        old.append(node);
      } else if (!alike(there, node)) {
        there.replaceWith(node);
      } else if (there.nodeType === 1) {
        merge(there, node);
      } else if (there.data !== node.data) {
        there.data = node.data;
      }
    });
    while (old.childNodes.length > wanted.length) { old.lastChild.remove(); }
  }

  function show(fragments) {
    for (const [id, html] of Object.entries(fragments)) {
      const place = document.getElementById(id);
      const selection = document.getSelection();
      if (!place || (selection && !selection.isCollapsed && place.contains(selection.anchorNode))) { continue; }
      const fresh = document.createElement("template");
      fresh.innerHTML = html;
      localTimes(fresh.content);
      mergeChildren(place, fresh.content);
    }
    document.dispatchEvent(new CustomEvent("fragments", { detail: Object.keys(fragments) }));
  }

  localTimes(document);
  if (!body.dataset.live) { return; }

  const sign = document.getElementById("live");
  function tell(tone, word) {
    sign.hidden = false;
    sign.firstElementChild.className = "state " + tone;
    sign.firstElementChild.textContent = word;
  }
  let source = null;
  function open() {
    if (source || document.hidden) { return; }
    source = new EventSource("/events?page=" + encodeURIComponent(body.dataset.live));
    source.onopen = () => tell("on", "live");
    source.onerror = () => tell("wait", "reconnecting");  // the browser tries again by itself
    source.addEventListener("fragments", (event) => show(JSON.parse(event.data)));
  }
  function close() {
    if (source) { source.close(); source = null; tell("off", "paused"); }
  }
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  open();
})();
