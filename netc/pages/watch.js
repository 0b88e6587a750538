/* A run as it goes: asks for the lines of metrics that are new, and draws what they say. */
const run = { from: 0, id: "", losses: [], rates: [], speed: [], tests: new Map(), snapshots: [], inspected: null, view: null };
const COLOURS = ["#3584e4", "#e66100", "#2ec27e", "#9141ac", "#e01b24", "#b5835a", "#21a3b1", "#8a8f98"];
const put = (list, at, value) => { if (typeof value === "number") list.push([at, value]); };

function forget() {
  Object.assign(run, { losses: [], rates: [], speed: [], tests: new Map(), snapshots: [], inspected: null, view: null });
}

function take(line) {
  if (typeof line.iteration !== "number") return;
  if (line.kind === "train") {
    put(run.losses, line.iteration, line.average_loss);
    put(run.rates, line.iteration, line.lr);
    put(run.speed, line.iteration, line.images_per_second);
  } else if (line.kind === "test") {
    for (const [name, value] of Object.entries(line.outputs || {})) {
      const key = line.net ? `test ${line.net} ${name}` : name;
      if (!run.tests.has(key)) run.tests.set(key, []);
      put(run.tests.get(key), line.iteration, value);
    }
  } else if (line.kind === "snapshot") run.snapshots.push(line);
  else if (line.kind === "inspect") run.inspected = line;
  else if (line.kind === "view") run.inspected = run.view = line;
}

function ticks(least, most, wanted) {
  const rough = (most - least) / wanted, unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * unit).find((each) => each >= rough) || unit;
  const found = [];
  for (let i = Math.ceil(least / step - 1e-9); i * step <= most + step * 1e-9; i += 1) found.push(i * step);
  return found;
}

function chart(title, curves, logarithmic) {
  const points = curves.flatMap(([, list]) => list);
  if (!points.length) return null;
  const log = logarithmic && points.every(([, y]) => y > 0), value = (y) => (log ? Math.log10(y) : y);
  let [x0, x1] = [Math.min(...points.map((p) => p[0])), Math.max(...points.map((p) => p[0]))];
  let [y0, y1] = [Math.min(...points.map((p) => value(p[1]))), Math.max(...points.map((p) => value(p[1])))];
  if (x0 === x1) x1 = x0 + 1;
  if (y0 === y1) [y0, y1] = [y0 - (Math.abs(y0) * 0.1 || 1), y1 + (Math.abs(y1) * 0.1 || 1)];
  const width = 480, height = 190, left = 52, right = 18, bottom = 18;
  const at = (x) => left + ((x - x0) / (x1 - x0)) * (width - left - right);
  const up = (y) => height - bottom - ((value(y) - y0) / (y1 - y0)) * (height - bottom - 8);
  const grid = ticks(y0, y1, 5).map((y) => {
    const place = up(log ? 10 ** y : y), shown = log ? 10 ** y : y;
    return [make("svg:line", { class: "grid", x1: left, x2: width - right, y1: place, y2: place }),
      make("svg:text", { x: left - 5, y: place + 3, "text-anchor": "end" }, String(Number(shown.toPrecision(3))))];
  });
  const below = ticks(x0, x1, 6).map((x) => make("svg:text", { x: at(x), y: height - 3, "text-anchor": "middle" }, short(x)));
  const lines = curves.map(([, list], i) => make("svg:polyline", { stroke: COLOURS[i % 8],
    points: list.map(([x, y]) => `${at(x).toFixed(1)},${up(y).toFixed(1)}`).join(" ") }));
  const legend = curves.length > 1 ? make("div", { class: "legend soft" }, curves.map(([name], i) =>
    make("span", {}, make("i", { style: `background: ${COLOURS[i % 8]}` }), name))) : null;
  return make("section", {}, make("h3", {}, title), legend,
    make("svg:svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title }, grid, below, lines));
}

function spark(counts) {
  const most = Math.max(1, ...counts);
  return make("svg:svg", { class: "spark", viewBox: `0 0 ${counts.length * 4} 20`, width: counts.length * 4, height: 20 },
    counts.map((n, i) => make("svg:rect", { x: i * 4, y: 20 - (20 * n) / most, width: 3.4, height: (20 * n) / most })));
}

function layers() {
  const found = run.inspected, rows = [];
  for (const [what, list] of [["activation", found && found.activations], ["gradient", found && found.gradients]]) {
    for (const each of list || []) if (Array.isArray(each.histogram)) {
      rows.push([each.layer || each.blob, what, spark(each.histogram), `std ${Number(each.std).toPrecision(3)}`]);
    }
  }
  return rows.length ? [make("h3", {}, `values ${found.kind === "view" ? "after" : "in iteration"} ${grouped(found.iteration)}${found.kind === "view" ? " iterations" : ""}`), table(rows)] : [];
}

/* What a run with --view tells besides: filters, what is taken for what, and the pictures that were. */
function looks() {
  const { iteration, names, matrix, wrong, filters: blobs } = run.view || {}, found = [];
  if (Array.isArray(matrix)) {
    const counts = matrix.map((row) => row.reduce((a, b) => a + b, 0));
    found.push(make("section", { id: "matrix" }, make("h3", {}, `what is taken for what after ${grouped(iteration)} iterations: `
      + "a row for each label"), confusion(names, matrix, counts)));
  }
  if (Array.isArray(wrong) && wrong.length) {
    found.push(make("section", {}, make("h3", {}, "the mistakes that the net is surest of"), mistaken(names, wrong)));
  }
  for (const each of blobs || []) found.push(make("section", {}, make("h3", {}, each.name), filters({ filters: each })));
  return found;
}

function draw() {
  const last = (list) => (list.length ? list[list.length - 1][1] : null);
  const cell = (name, value) => (value === null || value === undefined ? null : make("div", {}, make("b", {}, value), name));
  const losses = [...run.tests].filter(([name]) => /loss/i.test(name));
  const others = [...run.tests].filter(([name, list]) => !/loss/i.test(name) && list.length);
  const iteration = run.losses.length ? grouped(run.losses[run.losses.length - 1][0]) : null;
  const loss = last(run.losses), speed = last(run.speed);
  document.getElementById("now").replaceChildren(...[cell("iteration", iteration),
    cell("loss", loss === null ? null : loss.toPrecision(4)), cell("images a second", speed === null ? null : grouped(Math.round(speed))),
    ...others.map(([name, list]) => cell(`test ${name}`, last(list).toPrecision(4))),
    run.snapshots.length ? cell("last snapshot at", grouped(run.snapshots[run.snapshots.length - 1].iteration)) : null]
    .filter(Boolean));
  document.getElementById("charts").replaceChildren(...[
    chart("loss", [["train", run.losses], ...losses.map(([name, list]) => [`test ${name}`, list])].filter(([, l]) => l.length), true),
    ...others.map(([name, list]) => chart(`test ${name}`, [[name, list]])),
    chart("learning rate", [["rate", run.rates]]), chart("images a second", [["speed", run.speed]])].filter(Boolean));
  document.getElementById("looks").replaceChildren(...looks());
  document.getElementById("layers").replaceChildren(...layers());
}

function state(text, bad) {
  const element = document.getElementById("state");
  element.textContent = text;
  element.classList.toggle("bad", Boolean(bad));
}

async function ask() {
  let wait = document.hidden ? 4000 : 1000;
  try {
    const answer = await fetch(`lines?from=${run.from}&id=${encodeURIComponent(run.id)}`, { cache: "no-store" });
    if (!answer.ok) throw new Error(`the answer is ${answer.status}`);
    const found = await answer.json();
    if (found.again) forget();
    run.from = found.from;
    run.id = found.id;
    for (const line of found.lines) {
      try { take(JSON.parse(line)); } catch (error) { /* a line that is no JSON says nothing */ }
    }
    if (found.more) wait = 0;
    state(found.id ? `${found.name}, as of ${new Date().toLocaleTimeString()}` : `waiting for ${found.name}`);
    if (found.lines.length || found.again) draw();
    document.body.dataset.lines = String(Number(document.body.dataset.lines || 0) + found.lines.length);
  } catch (error) {
    state(`netc watch does not answer any more (${error.message}); the run itself goes on`, true);
    wait = 5000;
  }
  setTimeout(ask, wait);
}
document.getElementById("theme").addEventListener("click", () => theme(true));
draw();
ask();
