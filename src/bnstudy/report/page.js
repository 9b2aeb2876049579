// Adds to a page that is complete without it: values of charts under the pointer, lines to choose, tables to sort, and
// choices that live in the address.
"use strict";
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const made = (tag, text = "", facts = {}) => Object.assign(document.createElement(tag), { textContent: text }, facts);

// The address holds what was chosen: ?verdict=fails&hide=seed-1
const chosen = new URLSearchParams(location.search);
function keep(name, values) {
  chosen.delete(name);
  for (const value of values) chosen.append(name, value);
  const query = String(chosen);
  history.replaceState(null, "", (query ? `?${query}` : location.pathname) + location.hash);
}

// A link into a folded part opens it, in browsers that do not do so themselves too.
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch { // such as #%
    return text;
  }
}
function unfold() {
  const target = location.hash && document.getElementById(decoded(location.hash.slice(1)));
  if (!target) return;
  for (let part = target.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
  target.scrollIntoView();
}
addEventListener("hashchange", unfold);
unfold();

// Charts: a path is `M x y x y`, in units of the data.
const points = path => path.getAttribute("d").split("M").filter(Boolean).map(part => {
  const numbers = part.trim().split(/\s+/).map(Number);
  return numbers.filter((_, i) => i % 2 === 0).map((x, i) => [x, numbers[2 * i + 1]]);
}).flat();
const shown = value => Math.abs(value) >= 1e4 || (value && Math.abs(value) < 1e-2) ? value.toExponential(2) : String(+value.toPrecision(4));

for (const chart of all(".chart")) {
  const group = chart.querySelector("svg g");
  if (!group) continue;
  const lines = all("path", group).map(path => ({ path, name: path.textContent, points: points(path) }));
  const log = "log" in group.dataset, out = made("output", "Point at the chart, or press ← and →, to read its values.");
  const mark = document.createElementNS("http://www.w3.org/2000/svg", "line");
  mark.setAttribute("class", "mark");
  group.before(mark);
  chart.append(out);
  const svg = group.ownerSVGElement, box = svg.viewBox.baseVal;
  const steps = [...new Set(lines.flatMap(line => line.points.map(([x]) => x)))].sort((a, b) => a - b);
  let at = -1;
  function read(x) {
    const nearest = steps.reduce((best, step) => Math.abs(step - x) < Math.abs(best - x) ? step : best, steps[0]);
    at = steps.indexOf(nearest);
    const middle = group.transform.baseVal.consolidate().matrix, across = middle.a * nearest + middle.e;
    for (const end of ["x1", "x2"]) mark.setAttribute(end, across);
    mark.setAttribute("y1", 0);
    mark.setAttribute("y2", box.height - 28);
    const found = lines.filter(line => !line.path.hasAttribute("hidden")).map(line => {
      const point = line.points.find(([x]) => x === nearest);
      return point && `${line.name} ${shown(log ? 10 ** point[1] : point[1])}`;
    }).filter(Boolean);
    out.textContent = `${svg.dataset.across} ${shown(nearest)}: ${found.join(", ")}`;
  }
  svg.addEventListener("pointermove", event => {
    read(new DOMPoint(event.clientX, event.clientY).matrixTransform(group.getScreenCTM().inverse()).x);
  });
  svg.tabIndex = 0;
  svg.addEventListener("keydown", event => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) {
      event.preventDefault();
      read(steps[Math.min(steps.length - 1, Math.max(0, at + step))]);
    }
  });
}

for (const charts of all(".charts")) {
  const paths = all("g path", charts), facts = {};
  for (const path of paths) for (const [name, value] of Object.entries(path.dataset)) (facts[name] ??= new Set()).add(value);
  const hidden = new Set(chosen.getAll("hide"));
  const redraw = () => {
    for (const path of paths) {
      path.toggleAttribute("hidden", Object.entries(path.dataset).some(([name, value]) => hidden.has(`${name}-${value}`)));
    }
  };
  const choices = made("fieldset", "", { className: "choices" });
  choices.append(made("legend", "Show"));
  for (const [name, values] of Object.entries(facts)) {
    if (values.size < 2) continue;
    for (const value of values) {
      const id = `${name}-${value}`, listed = all(".legend [data-line]").find(item => name === "line" && item.dataset.line === value);
      const label = made("label");
      const box = made("input", "", { type: "checkbox", checked: !hidden.has(id) });
      box.dataset.hides = id;
      box.addEventListener("change", () => {
        hidden[box.checked ? "delete" : "add"](id);
        keep("hide", hidden);
        redraw();
      });
      label.append(box, ...(listed ? listed.childNodes : [` ${name === "seed" ? "seed " : ""}${value}`]));
      (listed ?? choices).append(label);
    }
  }
  if (choices.children.length > 1) charts.before(choices);
  redraw();
}

// Filters are radio buttons; the style sheet does the filtering, but for what several together leave empty.
function prune() {
  for (const part of all("#claims :is(.group, .unrun)")) {
    part.hidden = all(".claim", part).every(claim => getComputedStyle(claim).display === "none");
  }
}
for (const radio of all(".filter input, .pick input")) {
  const value = radio.id.replace(`only-${radio.name}-`, "");
  if (value && chosen.get(radio.name) === value) radio.checked = true;
  radio.addEventListener("change", () => {
    keep(radio.name, value ? [value] : []);
    prune();
  });
}
prune();

// Tables with one row of heads: a click on a head sorts, a second one the other way.
const number = text => {
  const found = text.replace(/[−–]/g, "-").replace(/(\d),(?=\d{3})/g, "$1").match(/^[+-]?\d+(\.\d+)?/);
  return found ? Number(found[0]) : NaN;
};
// The address says which table of the page, which column and which way: ?sort=2-3-down
const sorted = new Map(chosen.getAll("sort").map(word => [word.split("-")[0], word]));
all("table.plain:not(.evidence)").forEach((table, which) => {
  const heads = all("thead tr", table).length === 1 ? all("thead th", table) : [];
  const body = table.tBodies[0];
  if (!body || body.rows.length < 3) return;
  function sort(head, down) {
    const column = head.cellIndex;
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = row => row.cells[column]?.dataset.sort ?? row.cells[column]?.textContent.trim() ?? "";
    const order = (a, b) => {
      const [x, y] = [number(key(a)), number(key(b))];
      if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;  // words after numbers, both ways
      return (Number.isNaN(x) ? key(a).localeCompare(key(b)) : x - y) * (down ? -1 : 1);
    };
    body.append(...[...body.rows].sort(order));
  }
  for (const head of heads) {
    if (![...body.rows].some(row => row.cells[head.cellIndex]?.textContent.trim())) continue;
    const word = way => `${which}-${head.cellIndex}-${way}`;
    const button = made("button", "", { type: "button", className: "sort" });
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      sort(head, down);
      sorted.set(String(which), word(down ? "down" : "up"));
      keep("sort", sorted.values());
    });
    const way = ["up", "down"].find(way => sorted.get(String(which)) === word(way));
    if (way) sort(head, way === "down");
  }
});
