/* The values of a parameter blob: how they are distributed, and its filters as pictures. */
function histogram(of) {
  const most = Math.max(...of.histogram), width = 300, height = 60, step = width / of.histogram.length;
  const bars = of.histogram.map((count, i) => make("svg:rect", { class: "area", x: i * step, width: step * 0.9,
    y: height - (count / most) * height, height: (count / most) * height }));
  return make("svg:svg", { class: "chart", viewBox: `0 0 ${width} ${height + 14}`, role: "img", "aria-label": "histogram" },
    bars, make("svg:text", { x: 0, y: height + 11 }, of.low.toPrecision(3)),
    make("svg:text", { x: width, y: height + 11, "text-anchor": "end" }, of.high.toPrecision(3)));
}

function filters(of) {
  const { count, height, width, channels } = of.filters;
  const pixels = Uint8Array.from(atob(of.filters.pixels), (c) => c.charCodeAt(0));
  const columns = Math.ceil(Math.sqrt(count * 1.6)), rows = Math.ceil(count / columns);
  const canvas = make("canvas", { class: "filters", width: columns * (width + 1), height: rows * (height + 1),
    role: "img", "aria-label": `${count} filters` });
  canvas.style.width = `${Math.min(340, columns * (width + 1) * 5)}px`;
  const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
  for (let f = 0; f < count; f++) for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
    const from = ((f * height + y) * width + x) * channels;
    const to = ((Math.floor(f / columns) * (height + 1) + y) * canvas.width + (f % columns) * (width + 1) + x) * 4;
    for (let c = 0; c < 3; c++) image.data[to + c] = pixels[from + (channels === 3 ? c : 0)];
    image.data[to + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

function blob(name, of) {
  const bad = of.bad ? `, ${of.bad} not finite` : "";
  const said = of.histogram
    ? `mean ${of.mean.toPrecision(3)}, deviation ${of.std.toPrecision(3)}, ${(100 * of.zeros).toFixed(1)} % zeros${bad}`
    : `no finite value${bad}`;
  return [make("h3", {}, name), of.filters ? filters(of) : null, of.histogram ? histogram(of) : null,
    make("div", { class: "soft" }, said)];
}
