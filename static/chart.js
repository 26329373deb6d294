"use strict";
// Puts a chart that can be zoomed in the place of the drawing: drag over a time to see it closer; with the keyboard,
// arrows move through the steps, + and - zoom. Everything it shows is in data-chart, which is also in the page's JSON.
(function () {
  const UNITS = ["", "k", "M", "G", "T", "P", "E"];
  function short(value, unit) {
    let size = value, power = 0;
    while (Math.abs(size) >= 999.5 && power < UNITS.length - 1) { size /= 1000; power += 1; }
    return Number(size.toPrecision(3)) + " " + UNITS[power] + unit;
  }

  function color(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  // Layers as lines above each other; each step ends where the next begins, so the last one gets an end of its own.
  function stacked(data) {
    const points = data.layers[0].values.length;
    const times = Array.from({ length: points + 1 }, (_, i) => data.start + i * data.step);
    const sums = new Array(points + 1).fill(0);
    const edges = data.layers.map((layer) => {
      for (let i = 0; i <= points; i++) { sums[i] += layer.values[Math.min(i, points - 1)]; }
      return sums.slice();
    });
    return [times, ...edges.reverse()];
  }

  function draw(figure) {
    const data = JSON.parse(figure.dataset.chart);
    const home = figure.closest(".charted");
    const count = data.layers.length, points = count ? data.layers[0].values.length : 0;
    if (!count) { return null; }
    const holder = document.createElement("div");
    holder.className = "drawn";
    holder.tabIndex = 0;
    holder.setAttribute("role", "group");
    holder.setAttribute("aria-label", figure.getAttribute("aria-label") +
      ". Arrow keys move through the steps, plus and minus zoom, the values are in the list.");
    const said = document.createElement("p");
    said.className = "visually-hidden";
    said.setAttribute("aria-live", "polite");
    const values = [...figure.querySelectorAll(".legend li")].map((li) => [Number(li.dataset.layer), li.querySelector(".value")]);
    const latest = values.map(([, place]) => place.textContent);
    const caption = figure.querySelector("figcaption"), words = caption.innerHTML;

    function tell(step) {
      const there = step !== null && step >= 0 && step < points;
      values.forEach(([layer, place], i) => {
        place.textContent = there ? short(data.layers[layer - 1].values[step], data.unit) : latest[i];
      });
      if (!there) { caption.innerHTML = words; return; }
      const sum = data.layers.reduce((total, layer) => total + layer.values[step], 0);
      const at = new Date(1000 * (data.start + step * data.step)).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
      caption.textContent = at + ": " + short(sum, data.unit) + " altogether";
    }

    function show(from, to) {
      const zoom = figure.dataset.zoom;
      if (!zoom || to - from < 1) { return; }
      const query = zoom.replace("FROM", Math.floor(from)).replace("TO", Math.ceil(to));
      location.assign(query.startsWith("/") ? query : location.pathname + "?" + query);
    }

    const height = () => (window.innerWidth < 480 ? 220 : 320);
    function options() {
      const ink = color("--soft"), line = color("--line"), sheet = color("--sheet");
      const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "12px system-ui, sans-serif" };
      return {
        width: Math.max(200, holder.clientWidth), height: height(),
        legend: { show: false },
        cursor: { y: false, drag: { x: true, y: false, setScale: false }, points: { show: false } },
        scales: { x: { time: true, range: [data.start, data.start + points * data.step] }, y: { range: (u, low, high) => [0, high > 0 ? high * 1.06 : 1] } },
        axes: [{ ...axis, space: 70 }, { ...axis, size: 84, values: (u, marks) => marks.map((mark) => short(mark, data.unit)) }],
        series: [{}, ...data.layers.map((layer, i) => ({
          label: layer.label, stroke: sheet, width: 1, fill: color("--layer-" + (count - i)),
          paths: uPlot.paths.stepped({ align: 1 }), points: { show: false },
        }))],
        hooks: {
          setCursor: [(u) => tell(u.cursor.left === undefined || u.cursor.left < 0 ? null : stepAt(u.posToVal(u.cursor.left, "x")))],
          setSelect: [(u) => show(u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x"))],
        },
      };
    }
    function stepAt(time) { return Math.min(points - 1, Math.max(0, Math.floor((time - data.start) / data.step))); }

    let plot = null, at = null;
    function build() {
      if (plot) { plot.destroy(); }
      plot = new uPlot(options(), stacked(data), holder);
    }
    function move(step) {
      at = Math.min(points - 1, Math.max(0, step));
      const left = plot.valToPos(data.start + (at + 0.5) * data.step, "x");
      plot.setCursor({ left, top: 10 });
      said.textContent = caption.textContent;
    }
    holder.addEventListener("keydown", (event) => {
      const end = data.start + points * data.step, span = end - data.start;
      const middle = at === null ? data.start + span / 2 : data.start + (at + 0.5) * data.step;
      const act = {
        ArrowLeft: () => move(at === null ? points - 1 : at - 1), ArrowRight: () => move(at === null ? 0 : at + 1),
        Home: () => move(0), End: () => move(points - 1),
        "+": () => show(middle - span / 4, middle + span / 4), "-": () => show(middle - span, middle + span),
      }[event.key];
      if (act) { event.preventDefault(); act(); }
    });
    holder.addEventListener("blur", () => { at = null; plot.setCursor({ left: -10, top: -10 }); tell(null); });

    figure.prepend(holder);
    figure.append(said);
    home.classList.add("zoomable");
    build();
    const resized = new ResizeObserver(() => plot.setSize({ width: Math.max(200, holder.clientWidth), height: height() }));
    resized.observe(holder);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", build);
    return () => { resized.disconnect(); dark.removeEventListener("change", build); plot.destroy(); holder.remove(); said.remove(); };
  }

  let undo = null, drawn = "";
  function redraw() {
    const figure = document.querySelector("figure.chart");
    if (figure && figure.dataset.chart === drawn && figure.querySelector(".drawn")) { return; }
    if (undo) { undo(); undo = null; }
    drawn = figure ? figure.dataset.chart : "";
    if (figure) { undo = draw(figure); }
  }
  redraw();
  document.addEventListener("fragments", redraw);
})();
