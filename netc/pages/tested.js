/* What a test found: outputs, classes, confusion, the mistakes that the net is surest of. */
const byId = (id) => document.getElementById(id);
const called = (i) => DATA.names[i] ?? String(i);
let only = null;

function matrix() {
  const found = DATA.classes && DATA.classes.matrix;
  if (!found) return;
  const choose = (row, column) => { only = only && only[0] === row && only[1] === column ? null : [row, column]; wrong(); };
  byId("matrix").append(make("h3", {}, "what is taken for what: a row for each label"),
    confusion(DATA.names, found, DATA.classes.counts, choose));
}

function classes() {
  if (!DATA.classes) return;
  const rows = DATA.names.map((name, i) => [name, grouped(DATA.classes.counts[i]), share(DATA.classes.precision[i]),
    share(DATA.classes.recall[i]), share(DATA.classes.f1[i])]);
  rows.sort((a, b) => parseFloat(a[3]) - parseFloat(b[3]));
  byId("classes").append(make("h3", {}, "classes, those with the lowest recall first"),
    table([["class", "samples", "precision", "recall", "F1"], ...rows], [1, 2, 3, 4]));
}

function wrong() {
  const shown = DATA.wrong.filter((each) => !only || (each.label === only[0] && each.given === only[1]));
  const title = only ? `${called(only[0])} taken for ${called(only[1])}` : "the mistakes that the net is surest of";
  byId("wrong").replaceChildren(...(DATA.wrong.length ? [make("h3", {}, title),
    shown.length ? mistaken(DATA.names, shown) : make("div", {}, "none of those that are kept")] : []));
}

byId("title").textContent = DATA.title;
byId("about").textContent = DATA.about;
const cells = Object.entries(DATA.means).map(([name, value]) => [name, Number(value === null ? NaN : value).toPrecision(4)]);
if (DATA.classes) cells.unshift(["right", share(DATA.classes.accuracy)]);
byId("now").replaceChildren(...cells.map(([name, value]) => make("div", {}, make("b", {}, value), name)));
matrix();
classes();
wrong();
if (DATA.curves) {
  byId("curves").append(make("h3", {}, "the run"), make("img", { src: `data:image/svg+xml;base64,${DATA.curves}`,
    alt: "losses, tests and rates of the run" }));
}
byId("theme").addEventListener("click", () => theme(true));
document.body.dataset.ready = "1";
