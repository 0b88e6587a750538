/* What a test found: outputs, classes, confusion, the mistakes that the net is surest of. */
const byId = (id) => document.getElementById(id);
const called = (i) => DATA.names[i] ?? String(i);
const share = (value) => (value === null ? "-" : `${(100 * value).toFixed(1)} %`);
let only = null;

function picture(image) {
  const canvas = make("canvas", { width: image.width, height: image.height, role: "img" });
  const pixels = Uint8Array.from(atob(image.pixels), (c) => c.charCodeAt(0));
  const context = canvas.getContext("2d"), shown = context.createImageData(image.width, image.height);
  for (let i = 0; i < image.width * image.height; i++) {
    for (let c = 0; c < 3; c++) shown.data[i * 4 + c] = pixels[i * image.channels + (image.channels === 3 ? c : 0)];
    shown.data[i * 4 + 3] = 255;
  }
  context.putImageData(shown, 0, 0);
  return canvas;
}

function matrix() {
  const found = DATA.classes && DATA.classes.matrix;
  if (!found) return;
  const cell = (count, row, column) => {
    const sum = Math.max(1, DATA.classes.counts[row]), hue = row === column ? "var(--good)" : "var(--bad)";
    const style = count ? `background: color-mix(in srgb, ${hue} ${Math.round((70 * count) / sum)}%, transparent)` : "";
    const choose = () => { only = only && only[0] === row && only[1] === column ? null : [row, column]; wrong(); };
    const title = `${called(row)} taken for ${called(column)}: ${count}`;
    const said = count && row !== column ? make("button", { onclick: choose, title }, count) : count || "·";
    return make("td", { style, title, class: row === column ? "right" : false }, said);
  };
  byId("matrix").append(make("h3", {}, "what is taken for what: a row for each label"), make("table", {},
    make("tr", {}, make("th"), DATA.names.map((name) => make("th", {}, name))),
    found.map((row, i) => make("tr", {}, make("th", {}, called(i)), row.map((count, j) => cell(count, i, j))))));
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
    make("div", { class: "pictures" }, shown.length ? shown.map((each) => make("figure", {},
      each.image ? picture(each.image) : null,
      make("figcaption", {}, make("b", {}, called(each.given)), ` ${share(each.sure)}`, make("div", { class: "soft" },
        `is ${called(each.label)} ${share(each.right)}`)))) : "none of those that are kept")] : []));
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
