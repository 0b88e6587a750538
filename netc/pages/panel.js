/* What is told of the chosen layer, or of the net as a whole. */
const layerLink = (index, choose) => make("button", { onclick: () => choose(index, true) }, DATA.layers[index].name);

function blobs(rows, choose) {
  return make("div", { class: "links" }, rows.map(([name, shape, others]) => make("div", {},
    `${name} `, make("span", { class: "soft" }, shape || "one number"), others.length ? " — " : "",
    others.map((other, i) => [i ? ", " : "", layerLink(other, choose)]))));
}

/* The middle position's receptive field on the input. */
function receptive(layer) {
  const input = DATA.inputs.find((each) => each.shape.length === 4);
  if (!layer.sees || !input) return null;
  const [height, width] = input.shape.slice(2);
  let area = [0, 0, height, width], said = "each position sees all of it";
  if (layer.sees !== "all") {
    const [size, step, offset] = layer.sees;
    if (size.length !== 2) return null;
    const middle = [height, width].map((side, i) => Math.round((side / 2 - offset[i] - size[i] / 2) / (step[i] || 1)));
    area = [...middle.map((at, i) => offset[i] + at * step[i]), ...size];
    said = `each position sees ${size.join(" x ")} of ${height} x ${width}, the next one ${step.join(" x ")} further`;
  }
  const scale = 150 / Math.max(height, width), pad = 20;
  const [y, x, h, w] = area.map((value) => value * scale);
  const frame = make("svg:svg", { class: "chart", viewBox: `0 0 ${width * scale + 2 * pad} ${height * scale + 2 * pad}`,
    style: "max-width: 220px", role: "img", "aria-label": said },
    make("svg:rect", { class: "frame", x: pad, y: pad, width: width * scale, height: height * scale }),
    make("svg:rect", { class: "field", x: pad + x, y: pad + y, width: Math.max(w, 1), height: Math.max(h, 1) }));
  return [make("h3", {}, `sees of ${input.name}`), frame, make("div", { class: "soft", id: "sees" }, said)];
}

function weights(layer) {
  return layer.params.filter(([name]) => DATA.weights[name]).map(([name]) => blob(name, DATA.weights[name]));
}

function layerPanel(index, choose) {
  const layer = DATA.layers[index], type = DATA.types[layer.type];
  const costs = [];
  if (layer.macs) costs.push(["multiply-adds", `${grouped(layer.macs)} for the batch of ${DATA.batch}`]);
  if (layer.count) costs.push(["parameters", grouped(layer.count)]);
  costs.push(["its tops take", bytes(layer.bytes)]);
  const docs = layer.fields.map(([path, value]) => {
    const parts = path.split("."), doc = parts[0] === type.param ? type.fields[parts[1]] : null;
    return [path.replace(`${type.param}.`, ""), make("span", {}, value, doc ? make("div", { class: "soft" }, doc) : null)];
  });
  return [
    make("button", { id: "close", title: "the net as a whole (Esc)", onclick: () => choose(null) }, "\u00d7"),
    make("h2", {}, layer.name), make("div", {}, `${layer.type} `, make("span", { class: "soft" },
      [...layer.runs, layer.line].filter(Boolean).join(" · "))),
    make("h3", {}, "reads"), layer.bottoms.length ? blobs(layer.bottoms.map(([n, s, p]) => [n, s, [p]]), choose) : "nothing",
    make("h3", {}, "makes"), make("div", { id: "tops" }, blobs(layer.tops, choose)),
    make("h3", {}, "costs"), table(costs),
    layer.params.length ? [make("h3", {}, "parameters"),
      table(layer.params.map(([name, shape, learned]) => [name, `${shape}${learned ? "" : ", not learned"}`]))] : null,
    layer.fields.length ? [make("h3", {}, "fields"), table(docs)] : null,
    receptive(layer), weights(layer),
    make("h3", {}, "what it does"), make("div", {}, type.about),
    Object.entries(type.sections).map(([name, text]) => [make("h3", {}, name), make("pre", {}, text)]),
  ];
}

/* Bytes alive at each step of the schedule; the peak is marked, and a click chooses the layer of a step. */
function timeline(choose) {
  const { curve, steps, peak, most } = DATA.memory, width = 340, height = 90, top = Math.max(1, ...curve);
  const at = (i) => (i / Math.max(1, curve.length)) * width, up = (value) => height - (value / top) * (height - 14);
  const path = curve.map((value, i) => `L${at(i).toFixed(1)} ${up(value).toFixed(1)}L${at(i + 1).toFixed(1)} ${up(value).toFixed(1)}`);
  const line = make("div", { class: "soft", id: "step" }, `peak ${most} at ${steps[peak]}`);
  const step = (event) => {
    const box = chart.getBoundingClientRect();
    return Math.min(curve.length - 1, Math.max(0, Math.floor(((event.clientX - box.x) / box.width) * curve.length)));
  };
  const chart = make("svg:svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", id: "timeline",
    "aria-label": `memory over ${steps.length} steps, peak ${most}`,
    onmousemove: (event) => { const i = step(event); line.textContent = `${steps[i]}: ${bytes(curve[i])}`; },
    onmouseleave: () => { line.textContent = `peak ${most} at ${steps[peak]}`; },
    onclick: (event) => {
      const name = steps[step(event)].replace(/^\S+ /, ""), found = DATA.layers.findIndex((each) => each.name === name);
      if (found >= 0) choose(found, true);
    } },
    make("svg:path", { class: "area", d: `M0 ${height}${path.join("")}L${width} ${height}Z` }),
    make("svg:line", { class: "peak", x1: at(peak + 0.5), x2: at(peak + 0.5), y1: 10, y2: height }),
    make("svg:text", { x: Math.min(width - 4, at(peak) + 4), y: 9, "text-anchor": at(peak) > width / 2 ? "end" : "start" },
      `peak ${most}`));
  return [chart, line];
}

const COSTS = { "multiply-adds": ["macs", short], parameters: ["count", short], "bytes of tops": ["bytes", bytes] };
let cost = "multiply-adds";

function bars(choose) {
  const [key, shown] = COSTS[cost];
  const order = DATA.layers.map((layer, i) => i).filter((i) => DATA.layers[i][key])
    .sort((a, b) => DATA.layers[b][key] - DATA.layers[a][key]).slice(0, 40);
  const most = order.length ? DATA.layers[order[0]][key] : 1;
  return make("div", { class: "bars" }, order.map((i) => {
    const layer = DATA.layers[i], share = `${Math.max(0.5, (100 * layer[key]) / most)}%`;
    return make("button", { onclick: () => choose(i, true), title: layer.name },
      make("span", { class: "name" }, layer.name), make("span", { class: "bar", style: `width: ${share}` }),
      make("span", { class: "value" }, shown(layer[key])));
  }));
}

function netPanel(choose, again) {
  const memory = DATA.memory;
  return [
    make("h2", {}, DATA.name), DATA.totals.map((line) => make("div", {}, line)),
    make("h3", {}, `memory over the schedule (${memory.executor} executor)`), timeline(choose),
    table(memory.parts.map(([name, count]) => [name, count]), [1]),
    make("h3", {}, "alive at the peak"),
    table(memory.alive.map(([name, kind, layer, count]) => [layer && layer !== name ? `${name} of ${layer}` : name, kind, count]),
      [2]),
    make("h3", {}, "where the cost is"),
    make("div", { class: "tabs" }, Object.keys(COSTS).map((name) => make("button", { "aria-pressed": String(name === cost),
      onclick: () => { cost = name; again(); } }, name))),
    bars(choose),
  ];
}

const KEYS = [["/", "search; Enter: the next one found"], ["j, k", "the next, the last layer"], ["+, -", "nearer, farther"],
  ["arrows", "move"], ["0", "the whole net"], ["c", "composites as boxes, opened, or each layer by itself"], ["f", "fold or open the composite of the layer"],
  ["n, Esc", "the net as a whole"], ["d", "dark or light"], ["click", "on a frame: fold or open it; on a box: its layer"]];
