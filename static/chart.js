"use strict";
// Puts a chart that can be zoomed in the place of the drawing: drag over a time to see it closer; with the keyboard,
// arrows move through the steps, + and - zoom. Everything it shows is in data-chart, which is also in the page's JSON.
(function () {
  const home = document.querySelector(".charted");
  if (!home) { return; }

  const PREFIXES = ["", "k", "M", "G", "T", "P", "E"];
  function short(value, unit) {
    let size = value, power = 0;
    while (Math.abs(size) >= 999.5 && power < PREFIXES.length - 1) { size /= 1000; power += 1; }
    return Number(size.toPrecision(3)) + " " + PREFIXES[power] + unit;
  }
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const height = () => (window.innerWidth < 480 ? 220 : 320);
  const width = () => Math.max(200, holder.clientWidth);

  const holder = document.createElement("div");
  holder.className = "drawn";
  holder.tabIndex = 0;
  holder.setAttribute("role", "group");
  const said = document.createElement("p");
  said.className = "visually-hidden";
  said.setAttribute("aria-live", "polite");

  let figure = null, data = null, points = 0, plot = null;
  let at = null;        // the step that the keyboard is at
  let values = [];      // of the legend: layer, its element, the text that the server gave it
  let caption = null, words = "";

  function read(found) {
    figure = found;
    data = JSON.parse(figure.dataset.chart);
    points = data.layers[0].values.length;
    values = Array.from(figure.querySelectorAll(".legend li"), (item) => {
      const place = item.querySelector(".value");
      return [Number(item.dataset.layer) - 1, place, place.textContent];
    });
    caption = figure.querySelector("figcaption span");
    words = caption.textContent;
    holder.setAttribute("aria-label", figure.getAttribute("aria-label") +
      ". Arrow keys move through the steps, plus and minus zoom; the values are in the list.");
  }

  // Layers as lines above each other; each step ends where the next begins, so the last one gets an end of its own.
  function stacked() {
    const times = Array.from({ length: points + 1 }, (_, i) => data.start + i * data.step);
    const sums = new Array(points + 1).fill(0);
    const edges = data.layers.map((layer) => {
      for (let i = 0; i <= points; i++) { sums[i] += layer.values[Math.min(i, points - 1)]; }
      return sums.slice();
    });
    return [times, ...edges.reverse()];
  }

  function tell(step) {
    const there = step !== null;
    values.forEach(([layer, place, latest]) => {
      place.textContent = there ? short(data.layers[layer].values[step], data.unit) : latest;
    });
    if (!there) { caption.textContent = words; return; }
    const sum = data.layers.reduce((total, layer) => total + layer.values[step], 0);
    const time = new Date(1000 * (data.start + step * data.step));
    caption.textContent = time.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" }) + ": " +
      short(sum, data.unit) + " altogether";
  }

  function show(from, to) {
    const zoom = figure.dataset.zoom;
    if (!zoom || to - from < 1) { return; }
    location.assign(zoom.replace("FROM", Math.floor(from)).replace("TO", Math.ceil(to)));
  }

  const two = (number) => String(number).padStart(2, "0");
  function clock(time) {
    const at = new Date(1000 * time), span = points * data.step;
    const day = two(at.getMonth() + 1) + "-" + two(at.getDate());
    if (span > 4 * 86400) { return day; }
    const hour = two(at.getHours()) + ":" + two(at.getMinutes());
    return (span > 86400 ? day + " " : "") + hour + (span < 600 ? ":" + two(at.getSeconds()) : "");
  }

  const stepAt = (time) => Math.min(points - 1, Math.max(0, Math.floor((time - data.start) / data.step)));

  function options() {
    const line = color("--line"), sheet = color("--sheet"), count = data.layers.length;
    const axis = { stroke: color("--soft"), grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    return {
      width: width(), height: height(), legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false, setScale: false }, points: { show: false } },
      scales: {
        x: { range: () => [data.start, data.start + points * data.step] },
        y: { range: (u, low, high) => [0, high > 0 ? 1.06 * high : 1] },
      },
      axes: [{ ...axis, space: 80, size: 30, values: (u, marks) => marks.map(clock) }, { ...axis, size: 84, values: (u, marks) => marks.map((mark) => short(mark, data.unit)) }],
      series: [{}, ...data.layers.map((layer, place) => ({
        stroke: sheet, width: 1, fill: color("--layer-" + (count - place)),
        paths: uPlot.paths.stepped({ align: 1 }), points: { show: false },
      }))],
      hooks: {
        setCursor: [(u) => tell(u.cursor.left >= 0 ? stepAt(u.posToVal(u.cursor.left, "x")) : null)],
        setSelect: [(u) => show(u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x"))],
      },
    };
  }

  function build() {
    if (plot) { plot.destroy(); plot = null; }
    if (figure) { plot = new uPlot(options(), stacked(), holder); }
    if (plot && at !== null) { move(at); }
  }

  function move(step) {
    at = Math.min(points - 1, Math.max(0, step));
    plot.setCursor({ left: plot.valToPos(data.start + (at + 0.5) * data.step, "x"), top: 10 });
    said.textContent = caption.textContent;
  }

  holder.addEventListener("keydown", (event) => {
    const span = points * data.step, middle = data.start + (at === null ? span / 2 : (at + 0.5) * data.step);
    const act = {
      ArrowLeft: () => move(at === null ? points - 1 : at - 1), ArrowRight: () => move(at === null ? 0 : at + 1),
      Home: () => move(0), End: () => move(points - 1),
      "+": () => show(middle - span / 4, middle + span / 4), "-": () => show(middle - span, middle + span),
    }[event.key];
    if (act && plot) { event.preventDefault(); act(); }
  });
  holder.addEventListener("blur", () => { at = null; if (plot) { plot.setCursor({ left: -10, top: -10 }); } });

  function redraw() {
    const found = home.querySelector("figure.chart");
    home.classList.toggle("zoomable", Boolean(found));
    if (!found) { figure = null; build(); return; }
    const shown = figure && JSON.stringify(data);
    read(found);
    if (!plot || JSON.stringify(data) !== shown) { build(); }
  }

  home.prepend(holder, said);
  redraw();
  new ResizeObserver(() => { if (plot) { plot.setSize({ width: width(), height: height() }); } }).observe(holder);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", build);
  document.addEventListener("fragments", redraw);
})();
