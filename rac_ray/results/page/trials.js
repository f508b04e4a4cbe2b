// A table that is sorted by a click on a heading and narrowed by text and choices.

const collator = new Intl.Collator("en");

// Numbers by size, all else as text; what is missing comes last either way.
function compared(one, other, numeric, direction) {
  const blanks = (one === null || one === "") - (other === null || other === "");
  if (blanks || one === other) return blanks;
  return direction * (numeric ? one - other : collator.compare(String(one), String(other)));
}

const CELLS = {
  trial: (value) => make("a", { href: trialHash(value) }, value),
  state: (value, trialId) => make("span", {}, badge(value), " ", learnedMark(recordOf(trialId).learned)),
  model: (value) => make("span", { class: "model" }, swatch(value), modelName(value)),
};

function cell(value, kind, trialId) {
  const content = CELLS[kind] ? CELLS[kind](value, trialId) : shown(value, kind);
  return make("td", { class: NUMERIC.includes(kind) ? "number" : kind === "reason" && "reason" }, content);
}

class TrialTable {
  constructor({ columns, rows }, changed) {
    this.columns = columns;
    this.changed = changed;
    this.sort = null;
    this.rows = rows.map((values) => ({
      values,
      text: this.words(values),
      element: make("tr", {}, ...values.map((value, index) => cell(value, columns[index].kind, values[0]))),
    }));
    this.count = make("p", { class: "count", role: "status" });
    const input = () => this.filter();
    this.search = make("input", { type: "search", id: "filter", placeholder: "any column", input });
    this.choices = ["state", "model", "source"].map((label) => this.choice(label));
    this.body = make("tbody");
    this.heads = columns.map((column, index) => this.head(column, index));
    this.filter();
  }

  get element() {
    const search = make("label", {}, "Filter ", this.search);
    const choices = this.choices.map(({ label, select }) => make("label", {}, `${label} `, select));
    const heads = make("thead", {}, make("tr", {}, ...this.heads));
    const table = make("table", { id: "trial-table" }, heads, this.body);
    const filters = make("div", { class: "filters" }, search, ...choices, this.count);
    const first = this.columns.filter((column) => column.first).length;
    const columns = columnChoice(this.columns.map(({ label }) => label), first, (chosen) => this.choose(chosen));
    return make("div", {}, filters, ...cued(scrolling(table, "All trials")), columns ?? "", fileNames(this.files));
  }

  get files() {
    return ["trials", "evaluations", "epochs", "predictions"].map((name) => `tables/${name}.parquet`);
  }

  // What the filter looks at: all columns, hidden ones too.
  words(values) {
    const mark = recordOf(values[0]).learned === false ? " never learned" : "";
    const said = values.map((value, index) => shown(value, this.columns[index].kind)).join(" ");
    return `${said}${mark} ${modelName(recordOf(values[0]).model)}`.toLowerCase();
  }

  choose(chosen) {
    const rows = [...this.rows.map((row) => row.element), this.heads[0].parentElement].filter(Boolean);
    for (const row of rows) [...row.children].forEach((each, index) => { each.hidden = !chosen[index]; });
  }

  choice(label) {
    const index = this.columns.findIndex((column) => column.label === label);
    const values = [...new Set(this.rows.map((row) => row.values[index]))];
    const said = { model: modelName, source: domainName }[label] ?? String;
    const options = values.map((value) => make("option", { value }, said(value)));
    const all = make("option", { value: "" }, "all");
    const change = () => this.filter();
    return { label, index, select: make("select", { id: `filter-${label}`, change }, all, ...options) };
  }

  head({ label, kind }, index) {
    const button = make("button", { type: "button", click: () => this.sortBy(index) }, label);
    return make("th", { scope: "col", "aria-sort": "none", class: NUMERIC.includes(kind) && "number" }, button);
  }

  sortBy(index, direction = this.sort?.index === index ? -this.sort.direction : 1) {
    this.sort = { index, direction };
    this.heads.forEach((head, place) =>
      head.setAttribute("aria-sort", place !== index ? "none" : direction > 0 ? "ascending" : "descending")
    );
    const numeric = NUMERIC.includes(this.columns[index].kind);
    this.rows.sort((one, other) => compared(one.values[index], other.values[index], numeric, direction));
    this.filter();
  }

  filter() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (row) =>
      words.every((word) => row.text.includes(word)) &&
      this.choices.every(({ index, select }) => !select.value || String(row.values[index]) === select.value);
    const kept = this.rows.filter(fits);
    this.body.replaceChildren(...kept.map((row) => row.element));
    this.count.textContent = `${kept.length} of ${this.rows.length} trials`;
    this.changed();
  }

  // What a reload has to bring back; columns by name, for more trials may bring more of them.
  get view() {
    const sort = this.sort && { name: this.names[this.sort.index], direction: this.sort.direction };
    return { sort, search: this.search.value, choices: this.choices.map(({ select }) => select.value) };
  }

  set view({ sort, search, choices }) {
    this.search.value = search;
    this.choices.forEach(({ select }, index) => {
      select.value = choices[index];
      if (select.selectedIndex < 0) select.value = "";
    });
    const index = sort ? this.names.indexOf(sort.name) : -1;
    if (index >= 0) this.sortBy(index, sort.direction);
    else this.filter();
  }

  get names() {
    return this.columns.map(({ label }) => label);
  }
}
