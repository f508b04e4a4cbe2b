// The page that the report opens with: the answer first, how it came about last.

// Who asked the system for less motion starts the clips by hand.
const still = matchMedia("(prefers-reduced-motion: reduce)");

function progress() {
  const total = Object.values(data.states).reduce((a, b) => a + b, 0);
  const counts = Object.entries(data.states).filter(([, count]) => count);
  const words = counts.map(([state, count]) => `${count} ${state}`).join(", ");
  return make("p", { class: "eyebrow" }, make("b", {}, data.title), ` · ${total} trials: ${words}`);
}

function navigation(ids) {
  const links = ids.map(([id, name]) => make("li", {}, make("a", { href: `#${id}` }, name)));
  return make("nav", { "aria-label": "Parts of this page" }, make("ul", {}, ...links));
}

// How many claims got which verdict.
function rulingCounts() {
  const known = data.opening.rulings.filter(([, count]) => count);
  if (!known.length) return null;
  const counts = known.map(([outcome, count]) => make("li", {}, make("b", {}, String(count)), " ", ruling(outcome)));
  return make("ul", { class: "rulings", "aria-label": "Claims by verdict" }, ...counts);
}

// A moving clip of each domain, with its name in a few words.
function domainShown({ label, looks, trained_on: trained, clip }, moving) {
  const image = clip && moving ? make("img", { width: 96, height: 96, alt: `A clip of ${label}` }) : null;
  if (image) image.src = `data:image/gif;base64,${clip}`;
  const caption = make("figcaption", {}, make("b", {}, label), make("span", {}, looks),
    trained ? make("span", { class: "own" }, "trained on") : null);
  return make("figure", { class: "domain" }, image, caption);
}

function domains() {
  const shown = data.opening.domains;
  if (!shown.length) return null;
  const place = make("div", { class: "domains" });
  const draw = (moving) => place.replaceChildren(...shown.map((domain) => domainShown(domain, moving)));
  draw(!still.matches);
  if (still.matches && shown.some(({ clip }) => clip)) {
    const button = make("button", { type: "button", click: () => { draw(true); button.remove(); } }, "Play clips");
    place.append(button);
  }
  return place;
}

function opening(links) {
  const { question, answer, next } = data.opening;
  const said = answer.length ? make("p", { class: "answer" }, answer.join(" ")) : null;
  return make("header", {},
    progress(),
    make("h1", {}, question || data.title),
    said,
    rulingCounts(),
    next ? make("p", { class: "next" }, next) : null,
    domains(),
    refreshSwitch(),
    navigation(links));
}

function drawing({ heading, svg, caption }, main) {
  const image = make("img", { alt: heading, loading: main ? null : "lazy" });
  image.src = `data:image/svg+xml;base64,${svg}`;
  const box = make("div", { class: "canvas", tabindex: "0", role: "region", "aria-label": `Figure: ${heading}` }, image);
  return make("figure", { class: "drawing" }, box, caption ? make("figcaption", {}, caption) : null);
}

// A figure with the table of its numbers under it.
function sectionParts(section, main = false) {
  const { heading, note, table, svg } = section;
  const parts = [make(main ? "h2" : "h3", {}, heading)];
  if (svg) parts.push(drawing(section, main));
  if (note) parts.push(make("p", { class: "note" }, note));
  if (table) parts.push(...sectionTable(section));
  return parts;
}

function folded(section) {
  const { heading, note } = section;
  return make("details", { class: "folded" }, make("summary", {}, heading),
    note ? make("p", { class: "note" }, note) : null, ...sectionTable(section));
}

function claimParts() {
  const note = "One row per claim. A claim is reproduced only if each of its comparisons shows as the paper measures, "
    + "chance-corrected, and at matched source accuracy, and stays sure enough when p is corrected over all claims. Seen "
    + "here: as the paper measures, the comparison that holds the claim back (where it is contradicted: that speaks most "
    + "against it), in whichever measure, with its 95% interval. A click on a claim shows all comparisons and measures.";
  return [make("p", { class: "note" }, note), ...claimTable(data.claims),
    fileNames(["tables/claims.csv", "tables/claims.md", "tables/claims.tex"]), ...ofGroup("claims").map(folded)];
}

function ofGroup(group) {
  return data.sections.filter((section) => section.group === group);
}

// Failed attempts, with their trial where it is not clear which.
function failureTable(rows, withTrial) {
  const own = ["attempt", "class", "reason", "then", "host", "traceback"];
  const heads = withTrial ? ["trial", "model", "hidden units", ...own] : own;
  const lines = rows.map((row) => {
    const trial = withTrial ? recordOf(row.trials[0]) : null;
    const about = withTrial
      ? [make("a", { href: trialHash(row.trials[0]) }, row.trial_id), modelName(trial.model), shown(trial.hidden_units)]
      : [];
    const then = row.given_up === true ? "given up" : row.given_up === false ? "tried again" : "–";
    const cells = [...about, shown(row.attempt), shown(row.class), shown(row.reason), then, shown(row.host)];
    const reason = cells.length - 3;
    return make("tr", {},
      ...cells.map((value, index) => make("td", { class: index === reason && "reason" }, value)),
      make("td", {}, traceback(row.traceback))
    );
  });
  const head = make("thead", {}, make("tr", {}, ...heads.map((name) => make("th", { scope: "col" }, name))));
  return cued(scrolling(make("table", { class: "failures" }, head, make("tbody", {}, ...lines)), "Failed attempts"));
}

function failures() {
  const untold = data.untold ? [make("p", { class: "note" }, `${data.untold}.`)] : [];
  const none = untold.length ? [] : [make("p", { class: "empty" }, "No attempt has failed.")];
  return [...untold, ...(data.failures.length ? failureTable(data.failures, true) : none)];
}

function provenance() {
  const several = (values) => values.length > 1;
  const pairs = data.provenance.map(({ label, values, more }) => {
    const items = values.map(([value, count]) => make("li", {}, value, several(values) ? ` (${count} trials)` : ""));
    if (more) items.push(make("li", {}, `and ${more} more`));
    return [label, make("ul", {}, ...items)];
  });
  const made = make("details", {}, make("summary", {}, "Commit, versions, machines, data"));
  made.append(pairs.length ? valueList(pairs) : make("p", {}, "No record has been written yet."));
  return [make("p", { class: "note" }, data.stamp), made];
}

function refreshSwitch() {
  if (!data.refreshSeconds) return null;
  const box = make("input", { type: "checkbox", id: "refresh", checked: true, change: remember });
  const label = make("label", {}, box, ` reload every ${data.refreshSeconds} s while trials run`);
  return make("p", { class: "note" }, label);
}

// Parts in their order: an id, a name for the navigation, a heading, and what stands there.
function parts(table) {
  const charts = "The robustness ratio is the accuracy on another domain over the best validation accuracy at home; 1 "
    + "means that nothing is lost. A point per trial, a line through the means over seeds, which count all trials of a "
    + "size. A click on a point opens its trial. Trials at chance are faint crosses at the bottom: they have no ratio.";
  const figures = ofGroup("figures").flatMap((section) => sectionParts(section));
  const tables = ofGroup("tables").flatMap((section) => sectionParts(section));
  return [
    ["claims", "Claims", "Claims, and what became of them", data.claims.length ? claimParts() : []],
    ["trials", "Trials", "Trials", [data.rule ? make("p", { class: "note" }, data.rule) : null, table.element]],
    ["ratios", "Charts", "Robustness ratio by size: charts to explore", [make("p", { class: "note" }, charts), ...ratioPanels()]],
    ["figures", "Figures", "Figures and their numbers", figures],
    ["tables", "Tables", "Further tables", tables],
    ["failures", "Failures", "Failed attempts", failures()],
    ["provenance", "Provenance", "How these results were made", provenance()],
  ].filter(([, , , content]) => content.length);
}

function overviewPage(table) {
  const [main] = ofGroup("main");
  const others = parts(table);
  const links = [...(main ? [["main", "Main figure"]] : []), ...others];
  return [
    opening(links),
    main ? make("section", { id: "main" }, ...sectionParts(main, true)) : null,
    ...others.map(([id, , heading, content]) => make("section", { id }, make("h2", {}, heading), ...content.filter(Boolean))),
  ].filter(Boolean);
}
