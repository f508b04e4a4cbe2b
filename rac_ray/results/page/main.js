// Which page is seen, and what of it a reload brings back.

const overview = document.getElementById("overview");
const trialPlace = document.getElementById("trial");
let overviewScroll = 0;
let table = null;

// Kept in the browser's history entry: it survives a reload and needs no storage.
function remember() {
  if (!table) return;
  const refresh = document.getElementById("refresh")?.checked ?? false;
  history.replaceState({ table: table.view, scroll: scrollY, overviewScroll, refresh }, "");
}

function showTrial(trialId) {
  if (!overview.hidden) overviewScroll = scrollY;
  trialPlace.replaceChildren(...trialPage(trialId));
  overview.hidden = true;
  trialPlace.hidden = false;
  document.title = `${trialId} · ${data.title}`;
  scrollTo(0, 0);
  trialPlace.querySelector("h1").focus({ preventScroll: true });
}

function showOverview(anchor) {
  const returning = overview.hidden;
  overview.hidden = false;
  trialPlace.hidden = true;
  trialPlace.replaceChildren();
  document.title = data.title;
  if (returning && (!anchor || anchor === "trials") && overviewScroll) scrollTo(0, overviewScroll);
  else if (anchor) document.getElementById(anchor)?.scrollIntoView();
}

function route() {
  const [, trialId] = location.hash.match(/^#trial\/(.+)$/) ?? [];
  if (trialId) showTrial(decodeURIComponent(trialId));
  else showOverview(location.hash.slice(1));
  remember();
}

// Not while somebody types or has something selected.
function reload() {
  const box = document.getElementById("refresh");
  const busy = document.activeElement?.matches("input[type=search], select") || !getSelection().isCollapsed;
  if (!box.checked || busy || document.hidden) return;
  remember();
  location.reload();
}

function start() {
  const before = history.state;
  table = new TrialTable(data.trials, remember);
  overview.append(...overviewPage(table));
  if (before) {
    table.view = before.table;
    const box = document.getElementById("refresh");
    if (box) box.checked = before.refresh;
  }
  route();
  if (before) {
    overviewScroll = before.overviewScroll;
    scrollTo(0, before.scroll);
  }
  addEventListener("hashchange", route);
  addEventListener("pagehide", remember);
  if (data.refreshSeconds) setInterval(reload, 1000 * data.refreshSeconds);
}

start();
