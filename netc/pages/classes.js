/* Classes that are taken for others: as a table, and as the pictures that were taken so. */
const share = (value) => (value === null ? "-" : `${(100 * value).toFixed(1)} %`);

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

/* names: of the classes. found: a row for each label. choose: hears of a click on a number beside the diagonal. */
function confusion(names, found, counts, choose) {
  const called = (i) => names[i] ?? String(i);
  const cell = (count, row, column) => {
    const sum = Math.max(1, counts[row]), hue = row === column ? "var(--good)" : "var(--bad)";
    const style = count ? `background: color-mix(in srgb, ${hue} ${Math.round((70 * count) / sum)}%, transparent)` : "";
    const title = `${called(row)} taken for ${called(column)}: ${count}`;
    const button = choose && count && row !== column;
    const said = button ? make("button", { onclick: () => choose(row, column), title }, count) : count || "·";
    return make("td", { style, title, class: row === column ? "right" : false }, said);
  };
  return make("table", {}, make("tr", {}, make("th"), names.map((name) => make("th", {}, name))),
    found.map((row, i) => make("tr", {}, make("th", {}, called(i)), row.map((count, j) => cell(count, i, j)))));
}

function mistaken(names, list) {
  const called = (i) => names[i] ?? String(i);
  return make("div", { class: "pictures" }, list.map((each) => make("figure", {}, each.image ? picture(each.image) : null,
    make("figcaption", {}, make("b", {}, called(each.given)), ` ${share(each.sure)}`, make("div", { class: "soft" },
      `is ${called(each.label)} ${share(each.right)}`)))));
}
