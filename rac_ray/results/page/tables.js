// Tables of the report: few columns at first, the others for who asks, and claims that open.

// Whether a table is wider than its box is said beside it, and changes with the window.
function cued(box) {
  const cue = make("p", { class: "cue", hidden: true }, "This table is wider than its box: scroll it sideways.");
  const look = () => { cue.hidden = box.scrollWidth <= box.clientWidth + 1; };
  new ResizeObserver(look).observe(box);
  new ResizeObserver(look).observe(box.firstElementChild);
  return [cue, box];
}

// Boxes that show and hide columns; those after `first` are hidden until somebody asks.
function columnChoice(names, first, show) {
  if (first >= names.length) return null;
  const chosen = names.map((_, index) => index < first);
  const boxes = names.map((name, index) => {
    const change = (event) => {
      chosen[index] = event.target.checked;
      show(chosen);
    };
    return make("label", {}, make("input", { type: "checkbox", checked: chosen[index], change }), ` ${name}`);
  });
  const every = () => {
    boxes.forEach((label, index) => { label.firstChild.checked = true; chosen[index] = true; });
    show(chosen);
  };
  show(chosen);
  const all = make("button", { type: "button", click: every }, "all columns");
  return make("details", { class: "columns" }, make("summary", {}, "Columns"), all, ...boxes);
}

// Show the cells of the columns that are chosen, headings too.
function showColumns(table, chosen) {
  for (const row of table.querySelectorAll("tr")) {
    [...row.children].forEach((cell, index) => { cell.hidden = !chosen[index]; });
  }
}

function fileNames(files) {
  if (!files.length) return null;
  const names = files.flatMap((name, index) => [index ? ", " : "", make("code", {}, name)]);
  return make("p", { class: "files" }, "All digits, in the folder of this page: ", ...names);
}

// A table of a section with its further columns.
function sectionTable({ heading, table, more, files }) {
  const names = [...table.columns, ...(more?.columns ?? [])];
  const rows = table.rows.map((row, index) => [...row, ...(more?.rows[index] ?? [])]);
  const box = plainTable(names, rows, heading);
  const choice = columnChoice(names, table.columns.length, (chosen) => showColumns(box, chosen));
  return [...cued(box), choice, fileNames(files)].filter(Boolean);
}

// Columns of the paper's own numbers are there where it prints any.
const MEASURES = [
  "seen here", "as the paper measures", "chance-corrected", "at matched source accuracy",
  ...(data.paperPrints ? ["in the paper's numbers"] : []),
];

const CLAIM_HEADS = [
  "what the paper says", "verdict", "seen here", ...(data.paperPrints ? ["paper's difference"] : []), "seeds to decide",
];

const RULED = {
  "reproduced": "for", "contradicted": "against", "underpowered": "open", "not run": "none",
  "holds for these models": "open", "fails for these models": "open",
};

const SAID = { "underpowered": "undecided", "not run": "not tested" };

function ruling(outcome) {
  return make("span", { class: `ruling ${RULED[outcome] ?? "open"}` }, SAID[outcome] ?? outcome);
}

// One claim: a row, and below it what a click on its quote opens.
function claimRow(claim, index) {
  const contrasts = claim.contrasts.map((row) => row.slice(0, MEASURES.length));
  const inner = plainTable(MEASURES, contrasts, `Contrasts of: ${claim.quote}`, MEASURES.map(() => "text"));
  const told = claim.contrasts.length ? cued(inner) : [make("p", {}, "Nothing was measured.")];
  const details = make("tr", { class: "contrasts", id: `claim-${index}`, hidden: true },
    make("td", { colspan: CLAIM_HEADS.length }, make("p", { class: "note" }, `${claim.where}. ${claim.means}.`), ...told));
  const toggle = (event) => {
    details.hidden = !details.hidden;
    event.currentTarget.setAttribute("aria-expanded", String(!details.hidden));
  };
  const quote = make("button", {
    type: "button", class: "quote", "aria-expanded": "false", "aria-controls": `claim-${index}`, click: toggle,
  }, claim.quote);
  const row = make("tr", { class: "claim" },
    make("th", { scope: "row" }, quote), make("td", {}, ruling(claim.ruling)), make("td", { class: "prose" }, claim.effect),
    data.paperPrints ? make("td", {}, claim.paper) : null, make("td", {}, claim.seeds));
  return [row, details];
}

function claimTable(claims) {
  const head = make("thead", {}, make("tr", {}, ...CLAIM_HEADS.map((name) => make("th", { scope: "col" }, name))));
  const recipes = new Set(claims.map((claim) => claim.recipe));
  const rows = claims.flatMap((claim, index) => {
    const starts = recipes.size > 1 && claim.recipe !== claims[index - 1]?.recipe;
    const title = starts ? [make("tr", {}, make("th", { colspan: CLAIM_HEADS.length, scope: "rowgroup" }, claim.recipe))] : [];
    return [...title, ...claimRow(claim, index)];
  });
  return cued(scrolling(make("table", { class: "claims" }, head, make("tbody", {}, ...rows)), "Claims"));
}
