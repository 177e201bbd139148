"use strict";
const EVERY = 3000;
const at = id => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const grow = (made, given, inside) => {
  for (const [name, value] of Object.entries(given)) made.setAttribute(name, value);
  made.append(...inside.filter(part => part !== null));
  return made;
};
const h = (tag, given, ...inside) => grow(document.createElement(tag), given, inside);
const s = (tag, given, ...inside) => grow(document.createElementNS(SVG, tag), given, inside);
const number = (value, digits = 3) => value === null || value === undefined ? "–"
  : new Intl.NumberFormat("en", { maximumSignificantDigits: digits }).format(value);
const whole = value => new Intl.NumberFormat("en", { maximumFractionDigits: 0 }).format(value);
const share = value => value === null || value === undefined ? "–"
  : value > 0 && value < 0.001 ? "<0.1 %" : number(100 * value) + " %";
const ms = seconds => seconds === null ? ["–", ""]
  : seconds < 1 ? [number(1000 * seconds), " ms"] : [number(seconds), " s"];
const lasts = seconds => seconds === null ? "–" : seconds < 1 ? number(1000 * seconds) + " ms"
  : seconds < 90 ? number(seconds) + " s" : seconds < 5400 ? number(seconds / 60) + " min"
  : seconds < 130000 ? number(seconds / 3600) + " h" : number(seconds / 86400) + " days";
const clock = seconds => new Date(1000 * seconds).toLocaleTimeString();
const since = seconds => seconds === null ? null
  : h("span", { class: "badge" }, "▲ since " + clock(seconds));
const facts = pairs => h("dl", {}, ...pairs.map(([name, value, unit]) =>
  h("div", {}, h("dt", {}, name), h("dd", {}, value, h("small", {}, unit || "")))));
const grid = (caption, heads, rows) => h("table", {}, h("caption", {}, caption),
  h("thead", {}, h("tr", {}, ...heads.map(([name, kind]) =>
    h("th", { scope: "col", class: kind || "" }, name)))),
  h("tbody", {}, ...rows.map(cells => h("tr", {}, ...cells.map((cell, index) =>
    h(index ? "td" : "th", index ? { class: heads[index][1] || "" } : { scope: "row" }, ...[cell].flat()))))));

// pictures: each has its meaning as text, too
const curve = (points, name, show) => {
  const most = Math.max(...points.map(point => point || 0));
  const x = index => (100 * index / (points.length - 1)).toFixed(2);
  const y = value => (38 - 36 * (value || 0) / (most || 1)).toFixed(2);
  const line = points.map((value, index) => `${x(index)},${y(value)}`).join(" ");
  return h("div", {},
    h("p", { class: "soft small" }, `${name}, last five minutes, at most ${show(most)}`),
    s("svg", { viewBox: "0 0 100 40", width: "100%", height: "72", preserveAspectRatio: "none",
      role: "img", "aria-label": `${name} in the last five minutes, at most ${show(most)}` },
      s("line", { class: "axis", x1: 0, y1: 39, x2: 100, y2: 39 }),
      s("polygon", { class: "area", points: `0,38 ${line} 100,38` }),
      s("polyline", { class: "curve", points: line })));
};
const bars = column => {
  const used = column.training.map((share, index) => index)
    .filter(index => column.training[index] || column.live[index]);
  const most = Math.max(...used.map(i => Math.max(column.training[i], column.live[i])), 1e-9);
  const width = 120 / Math.max(used.length, 1);
  const bar = (kind, value, index, from, part) => s("rect", { class: kind, width: (width * part).toFixed(2),
    x: (width * (index + from)).toFixed(2), y: (28 - 28 * value / most).toFixed(2),
    height: (28 * value / most).toFixed(2) });
  const apart = used.reduce((sum, i) => sum + Math.abs(column.training[i] - column.live[i]), 0) / 2;
  return s("svg", { viewBox: "0 0 120 28", width: "120", height: "28", role: "img",
    "aria-label": `${column.name}: training and live differ in ${share(apart)} of the rows` },
    ...used.map((i, n) => bar("training", column.training[i], n, .05, .9)),
    ...used.map((i, n) => bar("live", column.live[i], n, .3, .4)));
};
const interval = figure => {
  const ends = [figure.low, figure.high, figure.value, figure.trained].filter(Number.isFinite);
  const low = Math.min(...ends), span = Math.max(...ends) - low || 1;
  const x = value => (4 + 112 * (value - low) / span).toFixed(1);
  const bounded = Number.isFinite(figure.low) && Number.isFinite(figure.high);
  return s("svg", { viewBox: "0 0 120 20", width: "120", height: "20", role: "img",
    "aria-label": `between ${number(figure.low)} and ${number(figure.high)}, in training ${number(figure.trained)}` },
    s("line", { class: "axis", x1: 0, y1: 10, x2: 120, y2: 10 }),
    bounded ? s("line", { class: "range", x1: x(figure.low), y1: 10, x2: x(figure.high), y2: 10 }) : null,
    Number.isFinite(figure.trained) ? s("line", { class: "mark", x1: x(figure.trained), y1: 2, x2: x(figure.trained), y2: 18 }) : null);
};
const KINDS = ["", "second", "third"];
const lines = (points, names, changes) => {  // names: [key, text] of what each point has
  const values = points.flatMap(point => names.map(([key]) => point[key]));
  const low = Math.min(...values), span = Math.max(...values) - low || 1;
  const x = index => (100 * index / Math.max(points.length - 1, 1)).toFixed(2);
  const last = points[points.length - 1];
  const text = names.map(([key, name]) => `${name} ${number(last[key])}`).join(", ");
  return h("div", {}, h("p", { class: "soft small" }, `${text}; between ${number(low)} and ${number(low + span)}`),
    s("svg", { viewBox: "0 0 100 40", width: "100%", height: "96", preserveAspectRatio: "none",
      role: "img", "aria-label": `Over all versions: at last ${text}` },
      s("line", { class: "axis", x1: 0, y1: 39, x2: 100, y2: 39 }),
      ...changes.map(index => s("line", { class: "change", x1: x(index), y1: 0, x2: x(index), y2: 39 })),
      ...names.map(([key], line) => s("polyline", { class: `curve ${KINDS[line]}`,
        points: points.map((point, i) => `${x(i)},${(38 - 36 * (point[key] - low) / span).toFixed(2)}`).join(" ") })).reverse()));
};
const spark = (points, name) => s("svg", { viewBox: "0 0 120 28", width: "120", height: "28", role: "img",
  "aria-label": `weight of ${name}, from ${number(points[0])} to ${number(points[points.length - 1])}` },
  s("line", { class: "axis", x1: 0, y1: 27, x2: 120, y2: 27 }),
  s("polyline", { class: "curve", points: points.map((value, i) =>
    `${(120 * i / Math.max(points.length - 1, 1)).toFixed(1)},${(26 - 24 * Math.max(0, Math.min(1, value))).toFixed(1)}`).join(" ") }));
