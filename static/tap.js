"use strict";
// The tap of one device: starts when asked to, shows lines, ends with the stream. Never starts again by itself.
(function () {
  const MOST_LINES = 1000;
  const at = (id) => document.getElementById(id);
  const form = at("tap"), lines = at("tap-lines"), filter = at("tap-filter"), start = at("tap-start"), pause = at("tap-pause");
  let kept = [], source = null, paused = false;

  function tell(tone, word) {
    at("tap-state").className = "state " + tone;
    at("tap-state").textContent = word;
  }
  function draw() {
    const wanted = filter.value.toLowerCase();
    lines.textContent = kept.filter((line) => line.toLowerCase().includes(wanted)).join("\n");
    lines.scrollTop = lines.scrollHeight;
  }
  function end(tone, word) {
    if (source) { source.close(); source = null; }
    start.textContent = "Start";
    pause.disabled = true;
    tell(tone, word);
  }
  function begin() {
    source = new EventSource(form.dataset.stream);
    source.onopen = () => tell("on", "running");
    source.onerror = () => end("bad", "the stream broke off, or too many taps are open");
    source.addEventListener("end", () => end("off", "over"));
    source.onmessage = (event) => {
      kept = kept.concat(JSON.parse(event.data)).slice(-MOST_LINES);
      if (!paused) { draw(); }
    };
    start.textContent = "Stop";
    pause.disabled = false;
    lines.hidden = false;
    tell("wait", "starting");
  }

  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  start.addEventListener("click", () => (source ? end("off", "stopped") : begin()));
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    if (!paused) { draw(); }
  });
  at("tap-clear").addEventListener("click", () => { kept = []; draw(); });
  filter.addEventListener("input", draw);
  window.addEventListener("pagehide", () => { if (source) { source.close(); } });
})();
