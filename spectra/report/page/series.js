"use strict";
// A series: numbers as trends or maps against time, voltage or anything else; curves overlaid, as a waterfall, as a heat map;
// of one spectrum, maps over two axes.
class SeriesView {
  constructor(section) {
    this.section = section;
    const { numbers, curves, planes, dims } = section.data;
    this.map = dims.length === 2 ? dims : null;
    const groups = new Map();
    numbers.columns.forEach(c => { if (c.trend && "values" in c) groups.set(c.group, [...(groups.get(c.group) ?? []), c]); });
    const all = section.count > 1 ? [...groups].map(([group, columns]) => ({ kind: "numbers", name: columns[0].title, group, columns })).reverse() : [];
    const rank = ({ columns: [c] }) => c.answer ? 0 : c.sigma ? 1 : 2;  // what was asked first, then what was worked out last
    this.items = [
      ...all.sort((a, b) => rank(a) - rank(b)),
      ...curves.map(curve => ({ kind: "curves", name: curve.label, curve })),
      ...planes.map(plane => ({ kind: "planes", name: plane.label, plane }))];
    const choice = (name, change) => element("select", { "aria-label": name, onchange: change });
    this.what = choice("Quantity", () => this.offer());
    for (const [kind, label] of [["numbers", "Numbers"], ["curves", "Curves"], ["planes", "Maps"]]) {
      const group = element("optgroup", { label });
      this.items.forEach((item, i) => { if (item.kind === kind) group.append(element("option", { value: i, textContent: item.name })); });
      if (group.children.length) this.what.append(group);
    }
    this.how = choice("Drawn as", () => this.draw());
    this.part = choice("Component", () => this.draw());
    this.against = choice("Against", () => this.draw());
    this.near = element("button", { type: "button", textContent: "Near the edge", onclick: () => { this.plot.view = { x: this.near.range }; this.plot.draw(); } });
    this.plot = new Plot("Series", 400);
    this.label = (text, control) => element("label", {}, `${text} `, control);
    this.wrapped = { how: this.label("as", this.how), part: this.label("of", this.part), against: this.label("against", this.against) };
    this.note = element("p", { className: "small" });
    this.root = element("div", { className: "viewer" }, element("div", { className: "controls" }, this.label("Show", this.what), ...Object.values(this.wrapped), this.near,
      element("button", { type: "button", textContent: "All", onclick: () => this.plot.reset() })), this.plot.root, this.note);
    if (this.items.length) this.offer();
  }

  coordinates() {
    const { numbers } = this.section.data, place = { label: "Spectrum number", values: this.section.spectra, name: "" };
    const found = numbers.against.map(a => ({ ...a, values: unpack(a.values) }));
    const own = this.items.filter(i => i.kind === "numbers" && i.columns.length === 1 && !i.columns[0].component)
      .map(i => ({ label: i.name, values: this.section.values(i.columns[0]), name: i.group }));
    return [...found, place, ...own];
  }

  offer() {
    const item = this.item = this.items[+this.what.value], several = this.section.count > 1;
    const ways = item.kind === "planes" ? ["map"] : item.kind === "numbers" ? [...(this.map ? ["map"] : []), "trend"] : several ? (this.section.data.total > 40 ? ["heat map", "waterfall", "overlaid"] : ["overlaid", "waterfall", "heat map"]) : ["overlaid"];
    this.how.replaceChildren(...ways.map(w => element("option", { value: w, textContent: w })));
    this.axes = this.coordinates();
    const before = this.against.selectedIndex;
    this.against.replaceChildren(...this.axes.map((a, i) => element("option", { value: i, textContent: a.label })));
    if (before > 0) this.against.selectedIndex = before;
    const names = item.plane ? item.plane.spectra.map(spectrum => this.section.name(spectrum)) : item.kind !== "numbers" ? [] : item.columns[0].component ? this.section.data.numbers.components : item.columns.length > 1 ? item.columns.map(c => c.name) : [];
    this.part.replaceChildren(...names.map((n, i) => element("option", { value: i, textContent: n.replace(/^.*\[(.*)\]$/, "$1") })));
    this.names = names.map(n => n.replace(/^.*\[(.*)\]$/, "$1"));
    this.plot.view = {};
    this.draw();
  }

  // Lines of a group of columns: one per component or label, [name, values, sigma, systematic].
  lines() {
    const { columns } = this.item, [one] = columns, { section } = this;
    if (one.component) return this.names.map((name, k) => [name, section.values(one, k), section.values(one, k, "sigma"), section.values(one, k, "systematic")]);
    return columns.map((c, k) => [this.names[k] ?? null, section.values(c), section.values(c, 0, "sigma"), section.values(c, 0, "systematic")]);
  }

  draw() {
    const as = this.how.value, { item } = this;
    this.wrapped.part.hidden = as !== "map" || !this.names.length;
    this.wrapped.against.hidden = as === "map" || this.section.count < 2;
    this.wrapped.how.hidden = this.how.options.length < 2;
    this.near.hidden = !item.curve?.zoom || as === "map";
    this.near.range = item.curve?.zoom;
    this.note.textContent = "";
    const told = item.plane ? this.plane() : item.kind === "curves" ? this.curves(as) : as === "map" ? this.over() : this.trend();
    this.plot.show(told, { keep: as === this.last });
    this.last = as;
  }

  open(i) { const spectrum = this.section.spectra[i]; if (this.section.fitView?.has(spectrum)) this.section.fitView.open(spectrum); }

  trend() {
    const axis = this.axes[+this.against.value], x = axis.values, many = x.length > 1500;
    const lines = this.lines(), layers = [];
    lines.forEach(([name, y, sigma, systematic], k) => {
      const c = PALETTE[k % 8], ordered = axis.names == null && !many && x.length > 1;
      if (ordered) layers.push({ kind: "line", x, y, colour: c, width: 0.8 });
      layers.push({ kind: "points", x, y, sigma: many ? null : sigma, systematic: many ? null : systematic, colour: c, width: many ? 2 : 5, name });
    });
    const range = extent([x]), air = 0.02 * (range[1] - range[0]) || 0.5;
    const nearest = (px, py) => {
      let best = -1, least = Infinity;
      for (const [, y] of lines) for (let i = 0; i < x.length; i++) {
        const d = Math.hypot(this.plot.atX(x[i]) - this.plot.atX(px), this.plot.atY(y[i]) - this.plot.atY(py));
        if (d < least) { least = d; best = i; }
      }
      return best;
    };
    const bars = lines.some(l => l[2]) ? (many ? "; too many points for their error bars" : `; bars are one standard uncertainty${lines.some(l => l[3]) ? ", pale ones what all may be off by together" : ""}`) : "";
    this.note.textContent = `${x.length} of ${this.section.data.total} spectra${bars}. A click on a point opens its fit where the page has it.`;
    return { x: { label: axis.names ? "" : axis.label, range: [range[0] - air, range[1] + air], names: axis.names },
      panels: [{ main: true, label: this.item.name, layers }], told: `${this.item.name} against ${axis.label}, ${x.length} spectra${bars}`,
      reading: (px, py) => { const i = nearest(px, py); return i < 0 ? "" : `${this.section.name(this.section.spectra[i])}: ${lines.map(([n, y, s]) => `${n ? `${n} ` : ""}${uncertain(y[i], s?.[i])}`).join(", ")}`; },
      click: (px, py) => { const i = nearest(px, py); if (i >= 0) this.open(i); } };
  }

  over() {
    const [down, across] = this.map, ys = unpack(down.values), xs = unpack(across.values);
    const k = +this.part.value || 0, values = this.lines()[k][1], grid = new Map();
    this.section.spectra.forEach((s, i) => grid.set(s, i));
    const { step } = this.section.data.numbers;  // where rows and columns were left out, a pixel takes the first of its block
    const near = (r, c) => grid.get(r * across.size + c) ?? grid.get((r - r % step) * across.size + (c - c % step));
    const z = (r, c) => { const i = near(r, c); return i === undefined ? NaN : values[i]; };
    const finite = [...values].filter(Number.isFinite).sort((a, b) => a - b);
    const limits = finite.length ? [finite[Math.floor(0.01 * (finite.length - 1))], finite[Math.ceil(0.99 * (finite.length - 1))]] : [0, 1];
    const edges = v => { const [a, b] = extent([v]), half = (b - a) / Math.max(v.length - 1, 1) / 2 || 0.5; return [a - half, b + half]; };
    const layer = { kind: "image", image: true, x: xs, y: ys, z, limits };
    const name = this.names[k] ? `${this.item.name}, ${this.names[k]}` : this.item.name;
    const at = (px, py) => { let r = 0, c = 0; ys.forEach((v, i) => { if (Math.abs(v - py) < Math.abs(ys[r] - py)) r = i; }); xs.forEach((v, i) => { if (Math.abs(v - px) < Math.abs(xs[c] - px)) c = i; }); return near(r, c); };
    this.note.textContent = `${grid.size} of ${this.section.data.total} spectra; grey where there is no number; the colours leave one percent out at either end. A click opens the fit where the page has it.`;
    return { x: { label: across.label, range: edges(xs) }, panels: [{ main: true, label: down.label, range: edges(ys), layers: [layer] }], bar: [...limits, name], told: `Map of ${name}`,
      reading: (px, py) => { const i = at(px, py); return i === undefined ? "" : `${this.section.name(this.section.spectra[i])}: ${short(values[i])}`; },
      click: (px, py) => { const i = at(px, py); if (i !== undefined) this.open(i); } };
  }

  // A map of one spectrum over two axes; the colours are those of all spectra, so that two can be compared.
  plane() {
    const { plane } = this.item, part = +this.part.value || 0, xs = unpack(plane.across.values), ys = unpack(plane.down.values);
    plane.unpacked ??= plane.values.map(unpack);
    const values = plane.unpacked[part], name = this.section.name(plane.spectra[part]), limits = extent(plane.unpacked);
    const layer = { kind: "image", image: true, x: xs, y: ys, z: (r, c) => values[r * xs.length + c], limits };
    if (plane.veil) { const veil = unpack(plane.veil); layer.veil = (r, c) => veil[r * xs.length + c]; }
    const nearest = (all, v) => all.reduce((best, value, i) => Math.abs(value - v) < Math.abs(all[best] - v) ? i : best, 0);
    const left = plane.every[0] * plane.every[1] > 1 ? `; one point of ${plane.every[0]} × ${plane.every[1]}` : "";
    this.note.textContent = `${plane.spectra.length} of ${this.section.data.total} spectra${left}; one scale of colours${plane.veil ? "; veiled where the ends of the data reach" : ""}. Drag or wheel to zoom, double-click for all.`;
    return { x: { label: plane.across.label, range: extent([xs]), flip: plane.across.descends }, bar: [...limits, plane.title], told: `${plane.label}, ${name}`,
      panels: [{ main: true, label: plane.down.label, range: extent([ys]), layers: [layer] }],
      reading: (px, py) => `${short(px)}, ${short(py)}: ${short(values[nearest(ys, py) * xs.length + nearest(xs, px)])}` };
  }

  curves(as) {
    const { curve } = this.item, x = unpack(curve.x), all = unpack(curve.values), spectra = unpack(curve.spectra), n = x.length;
    const axis = this.axes[+this.against.value], index = new Map();
    this.section.spectra.forEach((s, i) => index.set(s, i));
    const at = [...spectra].map(s => { const i = index.get(s); return i === undefined ? (axis.name === "" ? s : NaN) : axis.values[i]; });
    const rows = [...at.keys()].filter(r => Number.isFinite(at[r]) || at.length === 1);
    const row = r => all.subarray(r * n, (r + 1) * n), [low, high] = extent([at]), share = r => high > low ? (at[r] - low) / (high - low) : 0;
    const spec = { x: { label: curve.axis, range: extent([x]), flip: curve.descends }, told: rows.length > 1 ? `${curve.label} of ${rows.length} spectra, ${as}` : curve.label };
    this.note.textContent = [`${spectra.length} of ${this.section.data.total} spectra`, curve.every > 1 ? `one point of ${curve.every}` : ""].filter(Boolean).join("; ") + ". Drag or wheel to zoom, double-click for all.";
    if (as === "heat map") {
      const finite = Float64Array.from(all).filter(Number.isFinite).sort(), limits = finite.length ? [finite[Math.floor(0.005 * (finite.length - 1))], finite[Math.ceil(0.995 * (finite.length - 1))]] : [0, 1];
      const layer = { kind: "image", image: true, x, y: Float64Array.from(rows, r => at[r]), z: (r, c) => all[rows[r] * n + c], limits };
      return { ...spec, bar: [...limits, curve.title], panels: [{ main: true, label: axis.label, range: extent([layer.y]), layers: [layer] }],
        reading: (px, py) => `${short(px)}, ${axis.label} ${short(py)}` };
    }
    const shown = rows.length > 60 ? Array.from({ length: 60 }, (_, i) => rows[Math.round(i * (rows.length - 1) / 59)]) : rows;
    if (as === "waterfall") shown.sort((a, b) => at[a] - at[b]);
    const [least, most] = extent(shown.map(row)), step = as === "waterfall" ? 1.2 * (most - least) / Math.max(Math.sqrt(shown.length) * 2, 1) : 0;
    const layers = shown.map((r, i) => ({ kind: "line", x, y: step ? row(r).map(v => v + i * step) : row(r), colour: shown.length > 1 ? colour(share(r)) : "var(--data)", width: 1.1 }));
    if (shown.length < rows.length) this.note.textContent += ` ${shown.length} of them are drawn here; the heat map has all.`;
    return { ...spec, bar: shown.length > 1 ? [low, high, axis.label] : null, panels: [{ main: true, unscaled: Boolean(step), label: step ? `${curve.title}, shifted` : curve.title, layers }],
      reading: (px, py) => step ? short(px) : `${short(px)}, ${short(py)}` };
  }
}
