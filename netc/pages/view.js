/* The page of a net: which layout is shown, which layer is chosen, what is searched. */
const byId = (id) => document.getElementById(id);
const graphs = {};
let style = DATA.first, chosen = null, hits = [], hit = -1;

const STYLES = ["compact", "plain", "full"].filter((each) => DATA.layouts[each]);

function following() { return STYLES[(STYLES.indexOf(style) + 1) % STYLES.length]; }

function graph() { return graphs[style]; }

function show(next) {
  style = next;
  if (!graphs[style]) {
    graphs[style] = new Graph(byId(`layout-${style}`), DATA.layouts[style], DATA.layers, (layer) => choose(layer));
    graphs[style].fit();
  }
  for (const each of document.querySelectorAll(".layout")) each.classList.toggle("shown", each.id === `layout-${style}`);
  byId("layout").textContent = { compact: "fold composites", plain: "open composites", full: "each layer" }[following()];
  graph().choose(chosen, chosen !== null);
  graph().mark(hits);
}

function choose(layer, follow = false) {
  chosen = layer;
  graph().choose(layer, follow);
  panel();
}

function panel() {
  const parts = chosen === null ? netPanel(choose, panel) : layerPanel(chosen, choose);
  byId("panel").replaceChildren(...parts.flat(Infinity).filter((part) => part !== null && part !== undefined));
  byId("panel").scrollTop = 0;
}

function search() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const text = (layer) => [layer.name, layer.type, ...layer.tops.map(([name]) => name)].join(" ").toLowerCase();
  hits = words.length ? DATA.layers.map((layer, i) => i)
    .filter((i) => words.every((word) => text(DATA.layers[i]).includes(word))) : [];
  const whole = byId("search").value.trim().toLowerCase();
  hits.sort((a, b) => (DATA.layers[b].name.toLowerCase() === whole) - (DATA.layers[a].name.toLowerCase() === whole));
  hit = -1;
  graph().mark(hits);
  const list = byId("found"), box = byId("search").getBoundingClientRect();
  list.hidden = !words.length;
  list.style.left = `${Math.min(box.x, innerWidth - 290)}px`;
  list.style.top = `${box.bottom + 4}px`;
  list.style.width = `${Math.max(box.width, 280)}px`;
  const shown = hits.slice(0, 100).map((i) => make("li", { role: "option", onmousedown: () => found(hits.indexOf(i)) },
    DATA.layers[i].name, " ", make("span", { class: "soft" }, DATA.layers[i].type)));
  list.replaceChildren(...(shown.length ? shown : [make("li", { class: "soft" }, "nothing found")]));
}

function found(next) {
  if (!hits.length) return;
  hit = (next + hits.length) % hits.length;
  [...byId("found").children].forEach((item, i) => item.classList.toggle("on", i === hit));
  choose(hits[hit], true);
}

function next(by) {
  const last = DATA.layers.length - 1;
  choose(chosen === null ? (by > 0 ? 0 : last) : Math.min(last, Math.max(0, chosen + by)), true);
}

function foldChosen() {
  const around = chosen === null ? [] : graph().clustersOf(`n${graph().boxOf.get(chosen)}`);
  if (around.length) graph().fold(around[around.length - 1]);
}

function keys() {
  byId("panel").replaceChildren(make("h2", {}, "keys"), table(KEYS));
}

const toggle = () => show(following());
const actions = { "/": () => byId("search").focus(), j: () => next(1), k: () => next(-1), 0: () => graph().fit(),
  "+": () => graph().zoom(1.25), "=": () => graph().zoom(1.25), "-": () => graph().zoom(0.8), c: toggle, f: foldChosen,
  n: () => choose(null), Escape: () => choose(null), d: () => theme(true), "?": keys,
  ArrowLeft: () => graph().pan(60, 0), ArrowRight: () => graph().pan(-60, 0),
  ArrowUp: () => graph().pan(0, 60), ArrowDown: () => graph().pan(0, -60) };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === byId("search")) {
    if (event.key === "Enter") found(hit + (event.shiftKey ? -1 : 1));
    if (event.key === "Escape") { byId("search").value = ""; search(); byId("graph").focus(); }
    return;
  }
  const scrolls = event.key.startsWith("Arrow") && event.target.closest && event.target.closest("aside");
  if (actions[event.key] && !scrolls) {
    event.preventDefault();
    actions[event.key]();
  }
});
byId("search").addEventListener("input", search);
byId("search").addEventListener("blur", () => { byId("found").hidden = true; });
byId("layout").addEventListener("click", toggle);
byId("fit").addEventListener("click", () => graph().fit());
byId("in").addEventListener("click", () => graph().zoom(1.25));
byId("out").addEventListener("click", () => graph().zoom(0.8));
byId("net").addEventListener("click", () => choose(null));
byId("theme").addEventListener("click", () => theme(true));
byId("keys").addEventListener("click", keys);
handle(byId("graph"), graph);
addEventListener("resize", () => graph().resized());
show(style);
panel();
document.body.dataset.ready = "1";
