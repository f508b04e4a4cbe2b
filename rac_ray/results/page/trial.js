// The page of one trial.

function back() {
  return make("p", {}, make("a", { href: "#trials" }, "← all trials"));
}

const ROLES = {
  source_val: "validation at home", source_test: "test at home", target: "other domain", paired: "paired clips",
  control: "control",
};

function headline(trial) {
  const name = `${modelName(trial.model)}, ${trial.hidden_units} hidden units, ${domainName(trial.source)}, seed ${trial.seed}`;
  return make("header", {},
    back(),
    make("h1", { tabindex: "-1" }, swatch(trial.model), name),
    make("p", { class: "lead" }, badge(trial.state), learnedMark(trial.learned), " ", make("code", {}, trial.trial_id)),
    trial.reason ? make("p", { class: "reason" }, trial.reason) : null
  );
}

function tiles(trial) {
  const pairs = [
    ["best validation accuracy", trial.best_val_top1 === null ? null : `${shown(trial.best_val_top1, "percent")} %`],
    ["in epoch", trial.best_epoch === null ? null : trial.best_epoch + 1],
    ["epochs trained", trial.epochs],
    ["parameters", shown(trial.parameters, "integer")],
    ["seconds", shown(trial.seconds_total, "seconds")],
  ];
  return make("dl", { class: "tiles" }, ...pairs.map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, shown(value)))
  ));
}

function curves(trial) {
  const rows = data.epochs[trial.trial_id];
  if (!rows) return [];
  const loss = () => curveFigure(rows, "Loss", ["train_loss", "val_loss"], trial.best_epoch, false);
  const top1 = () => curveFigure(rows, "Accuracy in %", ["train_top1", "val_top1"], trial.best_epoch, true);
  const note = "The dotted line marks the epoch whose weights were kept.";
  return [
    make("h2", {}, "Learning curves"),
    make("p", { class: "note" }, note),
    make("div", { class: "panels wide" }, plotPlace("Loss per epoch", loss), plotPlace("Accuracy per epoch", top1)),
  ];
}

// A trial that never learned has no ratios: who knows nothing loses nothing.
function scores(evaluations, learned) {
  const columns = [
    "set", "role", "clips", "correct", "accuracy in %", "robustness ratio", "ratio beyond guessing",
    "ratio to source test",
  ];
  const rows = evaluations.map((each) => [
    setName(each), ROLES[each.role] ?? each.role, each.clips, each.correct, each.top1,
    ...[each.robustness_ratio, each.chance_corrected_ratio, each.ratio_to_source_test].map((ratio) =>
      learned === false ? "at chance" : ratio),
  ]);
  const kinds = ["text", "text", "integer", "integer", "percent", "ratio", "ratio", "ratio"];
  return [make("h2", {}, "Evaluations"), ...cued(plainTable(columns, rows, "Evaluations", kinds))];
}

function accuracyOf(each) {
  return `${setName(each)}: ${shown(each.top1, "percent")} %`;
}

// Clips by true and predicted class; the darker, the larger the share of the true class.
function confusion(each) {
  const heads = data.labels.map((label) => make("th", { scope: "col" }, label));
  const rows = each.confusion.map((counts, truth) => {
    const total = counts.reduce((a, b) => a + b, 0) || 1;
    const cells = counts.map((count, predicted) => {
      const shade = make("td", { class: truth === predicted ? "number right" : "number" }, String(count));
      shade.style.setProperty("--share", (count / total).toFixed(3));
      return shade;
    });
    return make("tr", {}, make("th", { scope: "row" }, data.labels[truth]), ...cells);
  });
  const top = make("tr", {}, make("td", { class: "corner" }, "true ↓ predicted →"), ...heads);
  const title = accuracyOf(each);
  const table = make("table", { class: "confusion" }, make("caption", {}, title), make("thead", {}, top));
  table.append(make("tbody", {}, ...rows));
  return scrolling(table, title);
}

// Of many classes the pairs that were mistaken most often.
function mistaken(each) {
  const { pairs, more } = each.mistaken;
  const rows = pairs.map(([truth, said, clips, all]) => [data.labels[truth], data.labels[said], clips, clips / all]);
  const title = accuracyOf(each);
  const table = plainTable(["true", "predicted", "clips", "of the true class %"], rows, title,
    ["text", "text", "integer", "percent"]);
  const rest = rows.length ? `Other pairs that were mistaken: ${more}.` : "No clip was mistaken.";
  return make("section", {}, make("h3", {}, title), rows.length ? table : null, make("p", { class: "note" }, rest));
}

function confusions(evaluations) {
  const whole = evaluations.filter((each) => each.confusion);
  const frequent = evaluations.filter((each) => each.mistaken);
  if (!whole.length && !frequent.length) return [];
  const note = "The most frequent mistakes of each set; tables/predictions.parquet beside this page has every answer.";
  return [
    make("h2", {}, "What was taken for what"),
    frequent.length ? make("p", { class: "note" }, note) : null,
    make("div", { class: frequent.length ? "sets" : "matrices" }, ...whole.map(confusion), ...frequent.map(mistaken)),
  ];
}

function clip(row) {
  const [truth, said] = [data.labels[row.label], data.labels[row.predicted]];
  const image = make("img", { width: 128, height: 128, alt: `Clip ${row.clip}: ${truth}, taken for ${said}` });
  image.src = `data:image/gif;base64,${data.clips[row.clip]}`;
  const caption = make("figcaption", {},
    make("span", {}, "true ", make("b", {}, truth)),
    make("span", {}, "predicted ", make("b", {}, said)),
    make("span", {}, `softmax ${row.confidence.toFixed(2)}`),
    make("code", {}, row.clip)
  );
  return make("figure", { class: "clip" }, image, caption);
}

// Who asked the system for less motion starts the clips by hand.
function mistakes(trialId, evaluations) {
  const worst = data.mistakes[trialId] ?? {};
  const sets = evaluations.filter(({ target, split }) => worst[`${target}/${split}`]);
  if (!sets.length) return [];
  const group = (each) => {
    const name = `${each.target}/${each.split}`;
    const why = data.withoutClips[name];
    const clips = why ? make("p", { class: "note" }, `Not shown: ${why}.`)
      : make("div", { class: "clips" }, ...worst[name].map(clip));
    return make("section", {}, make("h3", {}, setName(each)), clips);
  };
  const place = make("div", { class: "sets" });
  const play = () => place.replaceChildren(...sets.map(group));
  if (still.matches) place.append(make("button", { type: "button", click: play }, "Play clips"));
  else play();
  const note = "Of the first clips of each target set those that were misclassified with the largest softmax.";
  return [make("h2", {}, "Most confidently wrong"), make("p", { class: "note" }, note), place];
}

function attempts(trialId) {
  const rows = data.failures.filter((failure) => failure.trials.includes(trialId));
  return rows.length ? [make("h2", {}, "Failed attempts"), ...failureTable(rows, false)] : [];
}

function keys(name, pairs) {
  return make("section", {}, make("details", {}, make("summary", {}, name), valueList(pairs)));
}

function settings(trial) {
  const pairs = (names) => names.map((name) => [name, trial[name]]);
  return [
    keys("Recipe, as in its record", pairs(data.details.recipe)),
    keys("Record, as it is stored (epochs count from 0)", pairs(data.details.record)),
  ];
}

function trialPage(trialId) {
  if (!Object.hasOwn(data.details.rows, trialId)) {
    return [back(), make("h1", { tabindex: "-1" }, `No trial ${trialId}`)];
  }
  const trial = recordOf(trialId);
  const evaluations = data.evaluations[trialId] ?? [];
  return [
    headline(trial),
    trial.state === "done" ? tiles(trial) : null,
    ...attempts(trialId),
    ...curves(trial),
    ...(evaluations.length ? scores(evaluations, trial.learned) : []),
    ...confusions(evaluations),
    ...mistakes(trialId, evaluations),
    ...settings(trial),
  ].filter(Boolean);
}
