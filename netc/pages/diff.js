/* Two nets side by side: the differences as a list, each layer's in a panel, and where they are in the drawings. */
const byId = (id) => document.getElementById(id);
const SIGNS = { removed: "\u2212", added: "+", changed: "~", weights: "\u2248", same: " " };
const different = DATA.rows.map((row, i) => i).filter((i) => DATA.rows[i].kind !== "same");
const graphs = {};
let chosen = null;

function rowOf(side, layer) {
  return DATA.rows.findIndex((row) => row.at[side] === layer);
}

function open(side, key) {
  const section = byId(`side-${key}`);
  if (!section) return;
  const { layers, layout } = DATA.sides[side], holder = section.querySelector(".drawing");
  const graph = new Graph(holder, layout, layers, (layer) => choose(rowOf(side, layer)));
  for (const row of DATA.rows) {
    if (row.at[side] === null || row.kind === "same") continue;
    const group = graph.nodes.get(`n${graph.boxOf.get(row.at[side])}`);
    if (group) group.classList.add(`is-${row.kind}`);
  }
  graphs[side] = graph;
  handle(holder, () => graph);
  graph.fit();
}

function choose(index) {
  chosen = index;
  const nearest = Math.max(0.9, ...Object.values(graphs).map((graph) => graph.view.scale));
  for (const [side, graph] of Object.entries(graphs)) {
    const at = index === null ? null : DATA.rows[index].at[side];
    if (index !== null) graph.view.scale = nearest;
    graph.choose(at, at !== null);
  }
  const parts = index === null ? overview() : pair(DATA.rows[index]);
  byId("panel").replaceChildren(...parts.flat(Infinity).filter((part) => part !== null && part !== undefined));
  byId("panel").scrollTop = 0;
}

function next(by) {
  if (!different.length) return;
  const at = different.indexOf(chosen);
  choose(different[at < 0 ? (by > 0 ? 0 : different.length - 1) : (at + by + different.length) % different.length]);
}

const typeOf = (row) => row.at.map((at, side) => (at === null ? null : DATA.sides[side].layers[at].type));

function summed(row) {
  const types = [...new Set(typeOf(row).filter(Boolean))].join(" \u2192 ");
  const far = row.blobs.map((each) => each.said || `${(100 * each.relative).toPrecision(3)} %`).join(", ");
  return [types, row.blobs.length ? `weights ${far}` : ""].filter(Boolean).join(", ");
}

function overview() {
  const count = (kind) => DATA.rows.filter((row) => row.kind === kind).length;
  const words = [["removed", "only in A"], ["added", "only in B"], ["changed", "changed"], ["weights", "other weights"]];
  const counts = words.filter(([kind]) => count(kind)).map(([kind, word]) => `${count(kind)} ${word}`);
  const list = different.map((i) => make("button", { class: `row is-${DATA.rows[i].kind}`, onclick: () => choose(i) },
    make("b", {}, `${SIGNS[DATA.rows[i].kind]} `), DATA.rows[i].name, " ", make("span", { class: "soft" }, summed(DATA.rows[i]))));
  const same = DATA.compared ? "the same net, the same weights" : "the same net";
  return [make("h2", { id: "sum" }, DATA.same ? same : counts.join(", ")), list,
    DATA.totals.length ? [make("h3", {}, "in all"), compared(DATA.totals.map(([what, a, b, by]) => [what, a, b, by]), ["A", "B", "change"])] : null];
}

/* Rows of what, A's and B's; those that differ stand out. */
function compared(rows, head) {
  return make("table", { class: "pair" }, make("tr", {}, make("th", {}), head.map((text) => make("th", {}, text))),
    rows.map(([what, ...values]) => make("tr", values[0] === values[1] ? {} : { class: "differs" },
      make("th", {}, what), values.map((value) => make("td", {}, value)))));
}

const shapes = (blobs) => blobs.map(([name, shape]) => `${name} ${shape}`).join(", ") || "nothing";

function facts(layer) {
  if (!layer) return new Map();
  const found = new Map([["type", layer.type], ["reads", shapes(layer.bottoms)], ["makes", shapes(layer.tops)]]);
  if (layer.params.length) found.set("parameters", layer.params.map(([, shape]) => shape).join(", "));
  if (layer.macs) found.set("multiply-adds", grouped(layer.macs));
  for (const [path, value] of layer.fields) found.set(path.replace(/^\w+_param\./, ""), value);
  return found;
}

function pair(row) {
  const layers = row.at.map((at, side) => (at === null ? null : DATA.sides[side].layers[at]));
  const [a, b] = layers.map(facts), keys = [...new Set([...a.keys(), ...b.keys()])];
  const missing = (side) => (layers[side] ? "default" : "\u2013");
  const rows = keys.map((key) => [key, a.get(key) || missing(0), b.get(key) || missing(1)]);
  return [make("button", { id: "close", title: "all differences (Esc)", onclick: () => choose(null) }, "\u00d7"),
    make("h2", {}, row.name), make("div", { class: "soft" }, summed(row)),
    row.said.length ? [make("h3", {}, "differs"), row.said.map((line) => make("div", {}, line))] : null,
    rows.length ? [make("h3", {}, "layer"), compared(rows, ["A", "B"])] : null, values(row)];
}

function values(row) {
  const blobs = DATA.sides.map((side) => side.weights[row.name] || []);
  return Array.from({ length: Math.max(blobs[0].length, blobs[1].length) }, (_, i) => {
    const change = row.blobs.find((each) => each.index === i);
    const far = change ? change.said || `differs by ${(100 * change.relative).toPrecision(3)} % of its size, `
      + `by ${change.most.toPrecision(3)} at most` : DATA.compared ? "the same" : "";
    return [make("h3", {}, `blob ${i}`), far ? make("div", { class: change ? "far" : "soft" }, far) : null,
      make("div", { class: "two" }, blobs.map((list, side) => make("div", {}, list[i] ? blob("AB"[side], list[i]) : null)))];
  });
}

const each = (act) => () => Object.values(graphs).forEach(act);
const actions = { j: () => next(1), k: () => next(-1), 0: each((graph) => graph.fit()), n: () => choose(null),
  Escape: () => choose(null), d: () => theme(true), "+": each((graph) => graph.zoom(1.25)), "-": each((graph) => graph.zoom(0.8)) };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !actions[event.key]) return;
  event.preventDefault();
  actions[event.key]();
});
byId("before").addEventListener("click", actions.k);
byId("after").addEventListener("click", actions.j);
byId("fit").addEventListener("click", actions[0]);
byId("net").addEventListener("click", actions.n);
byId("theme").addEventListener("click", actions.d);
addEventListener("resize", each((graph) => graph.resized()));
open(0, "A");
open(1, "B");
choose(null);
document.body.dataset.ready = "1";
