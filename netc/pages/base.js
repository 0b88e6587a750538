"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);

/* An element with attributes and children; texts are text, never HTML. */
function make(name, attributes = {}, ...children) {
  const element = name.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", name.slice(4)) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(key, value);
  }
  for (const child of children.flat(Infinity)) if (child !== null && child !== undefined) element.append(child);
  return element;
}

const grouped = (n) => n.toLocaleString("en-US");

function short(count) {
  for (const unit of ["", " k", " M", " G", " T"]) {
    if (count < 999.5) return unit ? `${Number(count.toPrecision(3))}${unit}` : `${Math.round(count)}`;
    count /= 1000;
  }
  return `${Math.round(count)} P`;
}

function bytes(count) {
  if (count < 1000) return `${count} B`;
  for (const unit of ["kB", "MB", "GB"]) {
    count /= 1000;
    if (count < 1000 || unit === "GB") return `${count.toFixed(1)} ${unit}`;
  }
}

function table(rows, numbers = []) {
  return make("table", {}, rows.map((row) => make("tr", {}, row.map((cell, i) =>
    make(i ? "td" : "th", numbers.includes(i) ? { class: "number" } : {}, cell)))));
}

/* Dark or light: as the person chose, else as the system says. */
function theme(next) {
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  let chosen = null;
  try { chosen = localStorage.getItem("netc-theme"); } catch (error) { /* a page from a file may have no storage */ }
  const now = document.documentElement.dataset.theme || chosen || system;
  const wanted = next ? (now === "dark" ? "light" : "dark") : now;
  document.documentElement.dataset.theme = wanted;
  if (next) try { localStorage.setItem("netc-theme", wanted); } catch (error) { /* as above */ }
}
theme(false);
