/* The drawn net: to pan, zoom, choose in, and fold. Places are the layout's; nothing is laid out here. */
class Graph {
  /* holder: the element that the drawing is in; layout: which layers are in which box; layers: of the net. */
  constructor(holder, layout, layers, choose) {
    this.layout = layout;
    this.layers = layers;
    this.holder = holder;
    this.svg = this.holder.querySelector("svg");
    const [, , width, height] = this.svg.getAttribute("viewBox").split(/\s+/).map(Number);
    this.size = { width, height };
    this.svg.removeAttribute("viewBox");
    this.inner = this.svg.querySelector("g");
    const [, left, top] = this.inner.getAttribute("transform").match(/translate\(([-\d.]+)[ ,]+([-\d.]+)\)/);
    this.base = { x: Number(left), y: Number(top) };
    this.view = { x: 0, y: 0, scale: 1 };
    this.nodes = new Map();
    this.edges = [];
    this.clusters = new Map();
    this.places = new Map();
    this.folded = new Set();
    this.boxOf = new Map();
    this.layout.boxes.forEach(([layers], i) => layers.forEach((layer) => this.boxOf.set(layer, i)));
    for (const group of this.svg.querySelectorAll("g[data-of]")) this.take(group, choose);
  }

  take(group, choose) {
    const of = group.dataset.of;
    if (group.classList.contains("node")) {
      this.nodes.set(of, group);
      if (of[0] !== "n") return;
      const layers = this.layout.boxes[Number(of.slice(1))][0];
      group.setAttribute("role", "button");
      group.setAttribute("tabindex", "-1");
      group.setAttribute("aria-label", this.layers[layers[0]].name);
      group.addEventListener("click", () => this.moved || choose(layers[0]));
    } else if (group.classList.contains("edge")) {
      const [from, to] = of.split("->");
      this.edges.push({ group, from, to });
    } else if (group.classList.contains("cluster")) {
      const number = Number(of.split("_")[1]);
      this.clusters.set(number, group);
      this.places.set(number, document.createComment(""));
      group.before(this.places.get(number));
      group.addEventListener("click", () => this.moved || this.fold(number));
      const box = group.getBBox();
      const inside = this.layout.boxes.filter(([, around]) => around.includes(number));
      const layers = inside.reduce((sum, [list]) => sum + list.length, 0);
      const place = { class: "count", x: box.x + box.width / 2, y: box.y + box.height / 2, "text-anchor": "middle" };
      group.append(make("svg:text", place, `${layers} layers`));
    }
  }

  clustersOf(of) {
    return of[0] === "n" ? this.layout.boxes[Number(of.slice(1))][1] : [];
  }

  hidden(of) {
    return this.clustersOf(of).some((number) => this.folded.has(number));
  }

  /* The outermost folded cluster around a node, or the node. */
  seenAs(of) {
    const around = this.clustersOf(of).find((number) => this.folded.has(number));
    return around === undefined ? of : `cluster_${around}`;
  }

  fold(number, wanted = !this.folded.has(number)) {
    if (wanted) this.folded.add(number); else this.folded.delete(number);
    if (wanted) this.inner.append(this.clusters.get(number)); else this.places.get(number).after(this.clusters.get(number));
    for (const [of, group] of this.nodes) group.classList.toggle("gone", this.hidden(of));
    for (const { group, from, to } of this.edges) {
      group.classList.toggle("gone", this.hidden(from) && this.seenAs(from) === this.seenAs(to));
    }
    for (const [inner, group] of this.clusters) {
      const around = this.layout.boxes.find(([, list]) => list.includes(inner))[1];
      const outer = around.slice(0, around.indexOf(inner));
      group.classList.toggle("gone", outer.some((each) => this.folded.has(each)));
      group.classList.toggle("folded", this.folded.has(inner));
    }
  }

  choose(layer, follow) {
    const of = `n${this.boxOf.get(layer)}`;
    for (const group of this.nodes.values()) group.classList.remove("chosen");
    for (const edge of this.edges) edge.group.classList.toggle("near", edge.from === of || edge.to === of);
    if (layer === null) return;
    this.nodes.get(of).classList.add("chosen");
    for (const number of this.clustersOf(of)) if (this.folded.has(number)) this.fold(number, false);
    if (follow) this.center(this.nodes.get(of));
  }

  mark(layers) {
    const hit = new Set(layers.map((layer) => `n${this.boxOf.get(layer)}`));
    for (const [of, group] of this.nodes) group.classList.toggle("hit", hit.has(of));
  }

  room() {
    return { width: this.svg.clientWidth || 1, height: this.svg.clientHeight || 1 };
  }

  /* Whoever has moved keeps the place; else the whole net stays in sight. */
  resized() {
    if (this.moving) this.apply(); else this.fit();
  }

  apply() {
    const { x, y, scale } = this.view;
    this.inner.setAttribute("transform", `translate(${x} ${y}) scale(${scale}) translate(${this.base.x} ${this.base.y})`);
  }

  fit() {
    const room = this.room();
    const scale = Math.min(1.5, (room.width - 16) / this.size.width, (room.height - 16) / this.size.height);
    const least = Math.min(0.6, (room.width - 16) / this.size.width);
    const shown = Math.max(scale, Math.min(least, 0.35));
    this.view = { scale: shown, x: (room.width - this.size.width * shown) / 2,
      y: Math.max(8, (room.height - this.size.height * shown) / 2) };
    this.moving = false;
    this.apply();
  }

  zoom(factor, x = this.room().width / 2, y = this.room().height / 2) {
    const scale = Math.min(8, Math.max(0.02, this.view.scale * factor));
    const change = scale / this.view.scale;
    this.view = { scale, x: x - (x - this.view.x) * change, y: y - (y - this.view.y) * change };
    this.moving = true;
    this.apply();
  }

  pan(dx, dy) {
    this.view.x += dx;
    this.view.y += dy;
    this.moving = true;
    this.apply();
  }

  center(group) {
    const box = group.getBBox(), room = this.room();
    this.moving = true;
    if (this.view.scale < 0.5) this.view.scale = 0.9;
    this.view.x = room.width / 2 - (box.x + box.width / 2 + this.base.x) * this.view.scale;
    this.view.y = room.height / 2 - (box.y + box.height / 2 + this.base.y) * this.view.scale;
    this.apply();
  }
}

/* Wheel, mouse, touch and pinch for whatever graph is shown. */
function handle(element, graph) {
  const pointers = new Map();
  let apart = 0;
  element.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = element.getBoundingClientRect();
    graph().zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.clientX - box.x, event.clientY - box.y);
  }, { passive: false });
  element.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, event);
    graph().moved = false;
    apart = 0;
  });
  element.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const dx = event.clientX - before.clientX, dy = event.clientY - before.clientY;
    if (pointers.size === 1) {
      if (!graph().moved && Math.hypot(dx, dy) < 4) return;
      graph().moved = true;
      graph().pan(dx, dy);
    }
    pointers.set(event.pointerId, event);
    if (pointers.size === 2) {
      const [a, b] = [...pointers.values()], box = element.getBoundingClientRect();
      const now = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
      if (apart) graph().zoom(now / apart, (a.clientX + b.clientX) / 2 - box.x, (a.clientY + b.clientY) / 2 - box.y);
      apart = now;
      graph().moved = true;
    }
  });
  const up = (event) => { pointers.delete(event.pointerId); apart = 0; };
  for (const name of ["pointerup", "pointercancel", "pointerleave"]) element.addEventListener(name, up);
}
