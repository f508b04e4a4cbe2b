// The page that the report opens with.

function progress() {
  const total = Object.values(data.states).reduce((a, b) => a + b, 0);
  const counts = Object.entries(data.states).filter(([, count]) => count);
  const parts = counts.map(([state, count]) => {
    const part = make("span", { class: state });
    part.style.flexGrow = count;
    return part;
  });
  const words = counts.flatMap(([state, count]) => [make("li", {}, make("b", {}, String(count)), " ", badge(state))]);
  return make("div", { class: "progress" },
    make("div", { class: "bar", "aria-hidden": "true" }, ...parts),
    make("ul", {}, make("li", {}, make("b", {}, String(total)), " trials"), ...words)
  );
}

function provenance() {
  const several = (values) => values.length > 1;
  const pairs = data.provenance.map(({ label, values, more }) => {
    const items = values.map(([value, count]) => make("li", {}, value, several(values) ? ` (${count} trials)` : ""));
    if (more) items.push(make("li", {}, `and ${more} more`));
    return [label, make("ul", {}, ...items)];
  });
  const made = make("details", { open: true }, make("summary", {}, "How these results were made"));
  made.append(pairs.length ? valueList(pairs) : make("p", {}, "No record has been written yet."));
  return made;
}

function navigation(ids) {
  const links = ids.map(([id, name]) => make("li", {}, make("a", { href: `#${id}` }, name)));
  return make("nav", { "aria-label": "Parts of this page" }, make("ul", {}, ...links));
}

function givenSection({ heading, note, table, svg }, index) {
  const section = make("section", { id: `section-${index}` }, make("h2", {}, heading));
  if (note) section.append(make("p", { class: "note" }, note));
  if (table) section.append(plainTable(table.columns, table.rows, heading));
  if (svg) {
    const image = make("img", { alt: heading, loading: "lazy" });
    image.src = `data:image/svg+xml;base64,${svg}`;
    section.append(make("figure", { class: "drawing" }, image));
  }
  return section;
}

// Failed attempts, with their trial where it is not clear which.
function failureTable(rows, withTrial) {
  const own = ["attempt", "class", "reason", "then", "host", ""];
  const heads = withTrial ? ["trial", "model", "hidden units", ...own] : own;
  const lines = rows.map((row) => {
    const trial = withTrial ? recordOf(row.trial_id) : null;
    const about = withTrial
      ? [make("a", { href: trialHash(row.trial_id) }, row.trial_id), modelName(trial.model), shown(trial.hidden_units)]
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
  return scrolling(make("table", { class: "failures" }, head, make("tbody", {}, ...lines)), "Failed attempts");
}

function failures() {
  const known = data.failures.filter((row) => Object.hasOwn(data.details.rows, row.trial_id));
  return known.length ? failureTable(known, true) : make("p", { class: "empty" }, "No attempt has failed.");
}

function refreshSwitch() {
  if (!data.refreshSeconds) return null;
  const box = make("input", { type: "checkbox", id: "refresh", checked: true, change: remember });
  const label = make("label", {}, box, ` reload every ${data.refreshSeconds} s while trials run`);
  return make("p", { class: "note" }, label);
}

function overviewPage(table) {
  const named = data.sections.map((section, index) => [`section-${index}`, section.heading]);
  const own = [["ratios", "Robustness ratio"], ["trials", "Trials"], ["failures", "Failed attempts"]];
  const part = ([id, heading], ...content) => make("section", { id }, make("h2", {}, heading), ...content);
  const note = "Target top-1 over best source-validation top-1: a point per trial, a line through the means over "
    + "seeds. A click on a point opens its trial.";
  return [
    make("header", {}, make("h1", {}, data.title), progress(), make("p", { class: "note" }, data.stamp),
      refreshSwitch(), provenance(), navigation([...named, ...own])),
    ...data.sections.map(givenSection),
    part(own[0], make("p", { class: "note" }, note), ...ratioPanels()),
    part(own[1], table.element),
    part(own[2], failures()),
  ].filter(Boolean);
}
