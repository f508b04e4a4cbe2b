// What the page shows, and elements made from it. Text of records becomes text nodes, never markup.

const data = JSON.parse(document.getElementById("data").textContent);

const NUMERIC = ["integer", "percent", "ratio", "seconds", "number"];

const FORMATS = {
  integer: (value) => value.toLocaleString("en"),
  percent: (value) => (100 * value).toFixed(1),
  ratio: (value) => value.toFixed(2),
  domain: (value) => domainName(value),
  seconds: (value) => (value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString("en")),
  number: (value) => String(value),
};

// A value as people read it; a dash for none.
function shown(value, kind) {
  if (value === null || value === undefined || value === "") return "–";
  const format = FORMATS[kind];
  return format && (typeof value === "number" || kind === "domain") ? format(value) : String(value);
}

// An element; functions among the attributes listen to events, strings among the children become text.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

function trialHash(trialId) {
  return `#trial/${encodeURIComponent(trialId)}`;
}

// All columns of a trial's row by name.
function recordOf(trialId) {
  const { recipe, record, rows } = data.details;
  const values = rows[trialId];
  return Object.fromEntries([...recipe, ...record].map((name, index) => [name, values[index]]));
}

function modelName(model) {
  return data.models[model]?.name ?? String(model);
}

function domainName(key) {
  return data.opening.names[key] ?? String(key);
}

// Test sets of other domains than the one that was trained on have the name of their domain.
function setName({ target, split, role }) {
  if (split === "test" && !role.startsWith("source")) return domainName(target);
  return `${domainName(target)} ${split === "val" ? "validation" : split}`;
}

// What stands beside the state of a trial that has never been above guessing.
function learnedMark(learned) {
  return learned === false ? make("span", { class: "badge guessing" }, "never learned") : "";
}

function swatch(model) {
  const element = make("span", { class: "swatch", "aria-hidden": "true" });
  element.style.backgroundColor = data.models[model]?.colour ?? "grey";
  return element;
}

function badge(state) {
  return make("span", { class: `badge ${state}` }, state);
}

// A table that is wider than the page scrolls on its own, by keyboard too.
function scrolling(table, label) {
  return make("div", { class: "scrolling", tabindex: "0", role: "region", "aria-label": label }, table);
}

function guessedKinds(columns, rows) {
  return columns.map((_, index) => (rows.some((row) => typeof row[index] === "number") ? "number" : "text"));
}

// Columns with a longer text are broken into lines.
const SENTENCE = 60;

// A table of plain values; numbers stand to the right.
function plainTable(columns, rows, label, kinds = guessedKinds(columns, rows)) {
  const prose = kinds.map((_, index) => rows.some((row) => String(row[index]).length > SENTENCE));
  const look = kinds.map((kind, index) => ({ class: (NUMERIC.includes(kind) && "number") || (prose[index] && "prose") }));
  const heads = columns.map((name, index) => make("th", { scope: "col", ...look[index] }, name));
  const body = rows.map((row) =>
    make("tr", {}, ...row.map((value, index) => make("td", look[index], shown(value, kinds[index]))))
  );
  return scrolling(make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...body)), label);
}

// Names and values, side by side.
function valueList(pairs) {
  return make("dl", { class: "values" }, ...pairs.map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, value instanceof Node ? value : shown(value, "number")))
  ));
}

// The end of a traceback, put into the page when it is opened.
function traceback(text) {
  if (!text) return document.createTextNode("–");
  const details = make("details", {}, make("summary", {}, "traceback"));
  const fill = () => details.append(make("pre", { tabindex: "0" }, text));
  details.addEventListener("toggle", fill, { once: true });
  return details;
}
