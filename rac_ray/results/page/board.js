// The page of a leaderboard: what it says, a table of each board, who was compared with whom, the sweeps.

function boardPage() {
  const header = make("header", {},
    make("p", { class: "eyebrow" }, make("b", {}, data.title)),
    make("h1", {}, "Which video models are the most robust at the same accuracy on their own domain?"),
    ...data.answer.map((said) => make("p", { class: "answer" }, said)));
  const parts = data.sections.map((section) => {
    const main = section.group === "main";
    return make("section", {}, ...(section.group === "figures" ? [folded(section)] : sectionParts(section, main)));
  });
  return [header, ...parts];
}

document.getElementById("overview").append(...boardPage());
