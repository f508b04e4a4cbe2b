// Plots, drawn when they come into sight and again when the colour scheme changes.

// No toolbar: it lay on legends. A drag zooms, a double click goes back.
const CONFIG = { displayModeBar: false, responsive: true };
const DODGE = 0.09;
const LEAST_STEP = 1.3;

const drawn = new Map();
const hiddenModels = new Set();

// Plotly reads a little markup in its texts; records must not.
function unmarked(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function themed(layout) {
  const styles = getComputedStyle(document.documentElement);
  const colour = (name) => styles.getPropertyValue(name).trim();
  const axis = {
    gridcolor: colour("--line"), linecolor: colour("--line"), zeroline: false, automargin: true, fixedrange: false,
  };
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: styles.fontFamily, size: 12, color: colour("--text") },
    margin: { l: 52, r: 12, t: 36, b: 60 },
    hoverlabel: { align: "left", font: { family: styles.fontFamily } },
    showlegend: false,
    ...layout,
    xaxis: { ...axis, ...layout.xaxis },
    yaxis: { ...axis, ...layout.yaxis },
  };
}

// Keep `figure` (a function to traces and layout) drawn in `element`.
function draw(element, figure) {
  const { traces, layout } = figure();
  const done = Plotly.react(element, traces, themed(layout), CONFIG);
  drawn.set(element, figure);
  return done;
}

function redrawAll() {
  for (const [element, figure] of drawn) {
    if (element.isConnected) draw(element, figure);
    else drawn.delete(element);
  }
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);

// A place for a plot that is drawn when it comes near the visible part of the page.
function plotPlace(label, figure, click) {
  const element = make("div", { class: "plot", role: "img", "aria-label": label });
  const observer = new IntersectionObserver(async (entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    await draw(element, figure);
    if (click) element.on("plotly_click", (event) => click(event.points[0].customdata));
  }, { rootMargin: "300px" });
  observer.observe(element);
  return element;
}

// Evaluations on target sets by source and target, each with its trial's row.
function ratioPoints() {
  const sources = new Map();
  for (const [trialId, evaluations] of Object.entries(data.evaluations)) {
    const trial = recordOf(trialId);
    for (const each of evaluations) {
      if (each.role !== "target" || each.robustness_ratio === null) continue;
      if (!sources.has(trial.source)) sources.set(trial.source, new Map());
      const panels = sources.get(trial.source);
      if (!panels.has(each.target)) panels.set(each.target, []);
      panels.get(each.target).push({ ...trial, top1: each.top1, ratio: each.robustness_ratio });
    }
  }
  return sources;
}

function hoverText(point) {
  return [
    `<b>${unmarked(modelName(point.model))}</b>, ${unmarked(point.hidden_units)} hidden units, seed ${unmarked(point.seed)}`,
    `${point.learned === false ? "at chance, no ratio" : `robustness ratio ${point.ratio.toFixed(2)}`}, accuracy ${(100 * point.top1).toFixed(1)} %`,
    `trial ${unmarked(point.trial_id)}`,
  ].join("<br>");
}

function grouped(points, key) {
  const groups = new Map();
  for (const point of points) groups.set(key(point), [...(groups.get(key(point)) ?? []), point]);
  return [...groups.values()];
}

// Sizes of which fewer than half of the trials have learned are at chance and have no mean.
function meanBySize(points) {
  const able = (alike) => alike.filter((point) => point.learned !== false).length >= alike.length / 2;
  const bySize = grouped(points, (point) => JSON.stringify([point.hidden_units, point.size])).filter(able);
  bySize.sort((one, other) => one[0].hidden_units - other[0].hidden_units);
  const mean = (alike) => alike.reduce((sum, point) => sum + point.ratio, 0) / alike.length;
  return { sizes: bySize.map((alike) => alike[0].hidden_units), means: bySize.map(mean) };
}

// Sizes that stand too close to the one before keep their tick without a label.
function sizeLabels(sizes) {
  let last = 0;
  return sizes.map((size) => {
    if (size < last * LEAST_STEP) return "";
    last = size;
    return String(size);
  });
}

// One point per trial, and for each recipe and experiment a line through the means over seeds; models stand a little
// beside each other.
function ratioFigure(name, points, top) {
  const models = Object.keys(data.models);
  const traces = models.filter((model) => !hiddenModels.has(model)).flatMap((model) => {
    const own = points.filter((point) => point.model === model);
    const { colour, symbol } = data.models[model];
    const shift = 2 ** (DODGE * (models.indexOf(model) - (models.length - 1) / 2));
    const lines = grouped(own, (point) => JSON.stringify([point.recipe, point.experiment])).map(meanBySize);
    const drawn = lines.map(({ sizes, means }) => ({
      x: sizes.map((size) => size * shift), y: means, mode: "lines", line: { color: colour, width: 2 }, hoverinfo: "skip",
    }));
    const marks = {
      x: own.map((point) => point.hidden_units * shift),
      y: own.map((point) => (point.learned === false ? 0 : point.ratio)),
      customdata: own.map((point) => point.trial_id),
      text: own.map(hoverText),
      hovertemplate: "%{text}<extra></extra>",
      mode: "markers",
      marker: {
        color: colour, size: 8, line: { width: 0 },
        symbol: own.map((point) => (point.learned === false ? "x" : symbol)),
        opacity: own.map((point) => (point.learned === false ? 0.35 : 0.85)),
      },
    };
    return [...drawn, marks];
  });
  const sizes = [...new Set(points.map((point) => point.hidden_units))].sort((a, b) => a - b);
  const ends = [Math.log10(sizes[0]) - 0.12, Math.log10(sizes[sizes.length - 1]) + 0.12];
  const dotted = { color: "grey", width: 1, dash: "dot" };
  const layout = {
    title: { text: unmarked(name), font: { size: 14 }, x: 0.02, xanchor: "left" },
    xaxis: {
      type: "log", tickvals: sizes, ticktext: sizeLabels(sizes), tickangle: 0, ticks: "outside", showgrid: false,
      range: ends, title: { text: "hidden units" },
    },
    yaxis: { range: [-0.03 * top, top], title: { text: "robustness ratio" } },
    shapes: [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: 1, y1: 1, line: dotted }],
  };
  return { traces, layout };
}

// Switches that show and hide a model in all panels; they are the legend too.
function modelSwitches() {
  const switches = Object.keys(data.models).map((model) => {
    const change = (event) => {
      if (event.target.checked) hiddenModels.delete(model);
      else hiddenModels.add(model);
      redrawAll();
    };
    const box = make("input", { type: "checkbox", checked: true, change });
    return make("label", {}, box, swatch(model), modelName(model));
  });
  return make("fieldset", { class: "switches" }, make("legend", {}, "Models"), ...switches);
}

function everyRatio(sources) {
  const points = [...sources.values()].flatMap((panels) => [...panels.values()].flat());
  return points.filter((point) => point.learned !== false).map((point) => point.ratio);
}

function ratioPanels() {
  const sources = ratioPoints();
  if (!sources.size) return [make("p", { class: "empty" }, "No trial has finished yet.")];
  const top = 1.08 * Math.max(1, ...everyRatio(sources));
  const open = (trialId) => { if (trialId) location.hash = trialHash(trialId); };
  const rows = [...sources].map(([source, panels]) => {
    const places = [...panels].map(([target, points]) => {
      const name = `${domainName(source)} to ${domainName(target)}`;
      return plotPlace(`Robustness ratio against hidden units, ${name}`, () => ratioFigure(name, points, top), open);
    });
    return make("div", { class: "panels" }, ...places);
  });
  return [modelSwitches(), ...rows];
}

// Two of a trial's curves over its epochs: in training and in validation.
function curveFigure(curves, title, names, best, percent) {
  const looks = [["training", "#0072B2", "solid"], ["validation", "#D55E00", "dash"]];
  const known = names.map((name, index) => [name, looks[index]]).filter(([name]) => curves[name]);
  const traces = known.map(([name, look]) => ({
    x: curves.epoch.map((epoch) => epoch + 1),
    y: curves[name].map((value) => (percent && value !== null ? 100 * value : value)),
    name: look[0],
    mode: curves.epoch.length > 40 ? "lines" : "lines+markers",
    line: { color: look[1], dash: look[2], width: 2 },
  }));
  const chosen = best === null ? [] : [{
    type: "line", yref: "paper", y0: 0, y1: 1, x0: best + 1, x1: best + 1, line: { color: "grey", width: 1, dash: "dot" },
  }];
  const layout = {
    title: { text: title, font: { size: 14 }, x: 0.02, xanchor: "left" },
    xaxis: { title: { text: "epoch" }, tickformat: "d", dtick: curves.epoch.length < 12 ? 1 : null },
    yaxis: percent ? { rangemode: "tozero" } : {},
    showlegend: true,
    legend: { orientation: "h", x: 0, xanchor: "left", y: -0.28, yanchor: "top" },
    hovermode: "x unified",
    shapes: chosen,
  };
  return { traces, layout };
}
