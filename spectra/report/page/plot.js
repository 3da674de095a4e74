"use strict";
// A plot that zooms: panels above each other with one common axis, drawn as SVG from arrays. No library, no network.
const SVG = "http://www.w3.org/2000/svg";

function node(name, attributes = {}, text = null) {
  const made = document.createElementNS(SVG, name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (text !== null) made.textContent = text;
  return made;
}

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const key in properties) {
    if (key.includes("-") || key === "role" || key === "for") made.setAttribute(key, properties[key]);
    else made[key] = properties[key];
  }
  made.append(...children);
  return made;
}

// Numbers as the report writes them: 32-bit floats above an offset, little-endian, in base64.
function unpack(text) {
  const bytes = Uint8Array.from(atob(text.f), c => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float64Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true) + text.o);
}

function extent(arrays) {
  let low = Infinity, high = -Infinity;
  for (const values of arrays) for (const v of values) { if (v < low) low = v; if (v > high) high = v; }
  return low <= high ? [low, high] : [0, 1];
}

function short(v, step = 0) {
  if (!Number.isFinite(v)) return "–";
  const size = Math.abs(v);
  if (size >= 1e5 || (size > 0 && size < 1e-3)) {
    const [mantissa, exponent] = v.toExponential(3).split("e");
    return `${+mantissa}·10${[...String(+exponent)].map(c => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] ?? "⁻").join("")}`;
  }
  const places = step ? Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)) : null;
  return places === null ? String(+v.toPrecision(7)) : v.toFixed(places);
}

// Value ± uncertainty, both to the same place, two digits of the uncertainty.
function uncertain(value, sigma) {
  if (!Number.isFinite(value)) return "–";
  if (!(sigma > 0) || !Number.isFinite(sigma)) return String(+value.toPrecision(6));
  let places = 1 - Math.floor(Math.log10(sigma));
  places = 1 - Math.floor(Math.log10(+sigma.toPrecision(2)));
  if (places > 9 || Math.abs(value) >= 1e7) return `${+value.toPrecision(6)} ± ${+sigma.toPrecision(2)}`;
  const unit = 10 ** -Math.min(places, 0);
  const told = v => places >= 0 ? v.toFixed(places) : String(Math.round(v / unit) * unit);
  return `${told(value)} ± ${told(sigma)}`;
}

function ticks(low, high, wanted) {
  const raw = (high - low) / Math.max(wanted, 1), power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find(m => m * power >= raw * 0.999);
  const found = [];
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-9; v += step) found.push(Math.abs(v) < step * 1e-9 ? 0 : v);
  return [found, step];
}

const VIRIDIS = [[68, 1, 84], [71, 45, 123], [59, 82, 139], [44, 114, 142], [33, 145, 140], [40, 174, 128], [94, 201, 98], [173, 220, 48], [253, 231, 37]];
function viridis(share) {
  const at = Math.min(Math.max(share, 0), 1) * 8, i = Math.min(Math.floor(at), 7), part = at - i;
  return VIRIDIS[i].map((c, k) => Math.round(c + part * (VIRIDIS[i + 1][k] - c)));
}
const isDark = () => getComputedStyle(document.documentElement).getPropertyValue("--dark").trim() === "1";
const colour = share => `rgb(${viridis(isDark() ? 0.2 + 0.8 * share : 0.9 * share).join(",")})`;

class Plot {
  // spec: {x: {label, range, flip, ticks}, panels: [{share, label, layers, range}], told, click}
  constructor(label, height = 380) {
    this.height = height;
    this.view = {};
    this.svg = node("svg", { role: "img", "aria-label": label });
    this.read = element("p", { className: "read", ariaHidden: "true" });
    this.box = element("div", { className: "plot", tabIndex: 0, role: "group", "aria-label": `${label}. Plus and minus zoom, arrow keys move, 0 shows all.` }, this.svg);
    this.key = element("ul", { className: "key" });
    this.root = element("div", {}, this.key, this.box, this.read);
    this.listen();
    new ResizeObserver(() => requestAnimationFrame(() => { if (this.box.clientWidth !== this.width) this.draw(); })).observe(this.box);
  }

  show(spec, { keep = false } = {}) {
    this.spec = spec;
    if (!keep) this.view = {};
    this.svg.setAttribute("aria-label", spec.told ?? "");
    this.draw();
  }

  range() { return this.view.x ?? this.spec.x.range; }

  draw() {
    if (!this.spec || !this.box.clientWidth) return;
    const width = this.width = Math.max(this.box.clientWidth, 260), H = this.height;
    const { x, panels } = this.spec;
    const R = 10, T = 8, gap = 12, { names } = x;
    const scales = panels.map(panel => this.scale(panel, H * (panel.share ?? 1) / panels.reduce((sum, p) => sum + (p.share ?? 1), 0)));
    let L = Math.max(64, 26 + 7 * Math.max(...scales.map(s => s.texts.reduce((most, text) => Math.max(most, text.length), 0))));
    // names that do not stand beside each other lean
    const longest = names ? Math.max(...names.map(n => n.length)) * 6.6 : 0, leans = names && longest > (width - L - R) / names.length;
    if (leans) L = Math.max(L, Math.min(0.8 * longest, 150));
    this.leans = leans;
    const B = leans ? 28 + Math.min(0.57 * longest, 120) : 44;
    this.inner = { L, R, T, B };
    this.svg.setAttribute("viewBox", `0 0 ${width} ${H}`);
    this.svg.setAttribute("height", H);
    this.svg.replaceChildren();
    const [x0, x1] = this.range(), span = x1 - x0 || 1;
    this.atX = v => L + (x.flip ? x1 - v : v - x0) / span * (width - L - R);
    this.fromX = p => { const u = (p - L) / (width - L - R); return x.flip ? x1 - u * span : x0 + u * span; };
    const total = panels.reduce((sum, p) => sum + (p.share ?? 1), 0), room = H - T - B - gap * (panels.length - 1);
    let top = T;
    panels.forEach((panel, i) => {
      const tall = room * (panel.share ?? 1) / total;
      this.panel(panel, scales[i], top, tall, i === panels.length - 1);
      top += tall + gap;
    });
    this.svg.append(node("text", { x: (L + width - R) / 2, y: H - 6, "text-anchor": "middle" }, x.label));
    this.keys(panels);
  }

  // Range of a panel of about this height, its ticks and what stands at them.
  scale(panel, tall) {
    const range = (panel.main && this.view.y) || panel.range || this.fitted(panel);
    if (panel.unscaled) return { range, levels: [], texts: [] };
    const [levels, step] = ticks(...range, Math.max(tall / 70, 2));
    return { range, levels, texts: levels.map(v => short(v, step)) };
  }

  panel(panel, { range: [y0, y1], levels, texts }, top, tall, last) {
    const { L, R } = this.inner, width = this.width, bottom = top + tall, main = panel.main;
    const atY = v => bottom - (v - y0) / ((y1 - y0) || 1) * tall;
    if (main) { this.atY = atY; this.fromY = p => y0 + (bottom - p) / tall * (y1 - y0); this.box_y = [top, bottom]; }
    const clip = `clip${Plot.count = (Plot.count ?? 0) + 1}`;
    const area = node("clipPath", { id: clip });
    area.append(node("rect", { x: L, y: top, width: width - L - R, height: tall }));
    const marks = node("g", { "clip-path": `url(#${clip})` });
    for (const layer of panel.layers) marks.append(...this.layer(layer, atY, bottom));
    this.svg.append(area, marks, node("rect", { x: L, y: top, width: width - L - R, height: tall, class: "frame" }));
    const every = this.spec.x.names ? Math.ceil(this.spec.x.names.length / Math.max((width - L - R) / 16, 1)) : 1;
    const [lines, step] = this.spec.x.names ? [this.spec.x.names.map((_, i) => i).filter(i => i % every === 0), 1] : ticks(...this.range(), width / 110);
    for (const v of lines) {
      const p = this.atX(v);
      if (p < L - 1 || p > width - R + 1) continue;
      this.svg.append(node("path", { d: `M${p} ${bottom}v-5`, class: "tick" }));
      if (last) this.svg.append(this.tickText(p, bottom, this.spec.x.names ? this.spec.x.names[v] ?? "" : short(v, step)));
    }
    levels.forEach((v, i) => {
      this.svg.append(node("path", { d: `M${L} ${atY(v)}h5`, class: "tick" }));
      this.svg.append(node("text", { x: L - 5, y: atY(v) + 4, "text-anchor": "end" }, texts[i]));
    });
    const label = panel.label ?? "", most = Math.max(Math.floor(tall / 6.8), 8);
    this.svg.append(node("text", { transform: `translate(12 ${top + tall / 2}) rotate(-90)`, "text-anchor": "middle" }, label.length > most ? `${label.slice(0, most - 1)}…` : label));
  }

  tickText(p, bottom, text) {
    if (!this.leans) return node("text", { x: p, y: bottom + 16, "text-anchor": "middle" }, text);
    const told = text.length > 34 ? `${text.slice(0, 33)}…` : text;
    return node("text", { transform: `translate(${p + 4} ${bottom + 14}) rotate(-35)`, "text-anchor": "end" }, told);
  }

  // Range of a panel: what of its layers lies inside the view, with a little air.
  fitted(panel) {
    const [x0, x1] = this.range();
    let low = Infinity, high = -Infinity;
    for (const { x, y, low: floor, sigma, image } of panel.layers) {
      if (image) continue;
      for (let i = 0; i < y.length; i++) {
        if (!(x[i] >= x0 && x[i] <= x1) || !Number.isFinite(y[i])) continue;
        const s = sigma && Number.isFinite(sigma[i]) ? sigma[i] : 0;
        low = Math.min(low, y[i] - s, floor && Number.isFinite(floor[i]) ? floor[i] : Infinity);
        high = Math.max(high, y[i] + s);
      }
    }
    if (!(low <= high)) return [0, 1];
    const air = 0.06 * (high - low) || Math.abs(high) * 0.01 || 1;
    return panel.centred ? [-Math.max(-low, high) - air, Math.max(-low, high) + air] : [low - air, high + air];
  }

  layer(layer, atY, bottom) {
    const { x, y, kind } = layer, X = this.atX, stroke = layer.colour;
    if (kind === "image") return [this.image(layer, atY)];
    const path = (values, back) => {
      let d = "", pen = back ? "L" : "M";
      for (let k = 0; k < values.length; k++) {
        const i = back ? values.length - 1 - k : k;
        if (!Number.isFinite(values[i]) || !Number.isFinite(x[i])) { if (!back) pen = "M"; continue; }
        d += `${pen}${X(x[i]).toFixed(1)} ${atY(values[i]).toFixed(1)}`; pen = "L";
      }
      return d;
    };
    if (kind === "area") return [node("path", { d: `${path(y)}${path(layer.low, true)}Z`, fill: stroke, "fill-opacity": 0.25 })];
    if (kind === "line") return [node("path", { d: path(y), stroke, fill: "none", "stroke-width": layer.width ?? 1.4, "stroke-dasharray": layer.dash ?? "none" })];
    let dots = "", bars = "", pale = "";
    for (let i = 0; i < y.length; i++) {
      if (!Number.isFinite(y[i]) || !Number.isFinite(x[i])) continue;
      const px = X(x[i]).toFixed(1);
      dots += `M${px} ${atY(y[i]).toFixed(1)}h0`;
      if (layer.systematic && layer.systematic[i] > 0) pale += `M${px} ${atY(y[i] - layer.systematic[i]).toFixed(1)}V${atY(y[i] + layer.systematic[i]).toFixed(1)}`;
      if (layer.sigma && layer.sigma[i] > 0) bars += `M${px} ${atY(y[i] - layer.sigma[i]).toFixed(1)}V${atY(y[i] + layer.sigma[i]).toFixed(1)}`;
    }
    return [node("path", { d: pale, stroke, fill: "none", "stroke-width": 5, "stroke-opacity": 0.2 }), node("path", { d: bars, stroke, fill: "none", "stroke-width": 1 }),
      node("path", { d: dots, stroke, fill: "none", "stroke-width": layer.width ?? 3, "stroke-linecap": "round" })];
  }

  // A heat map of the visible part: each pixel takes the nearest column and the nearest row.
  image(layer, atY) {
    const [x0, x1] = this.range(), flip = this.spec.x.flip;
    const [top, bottom] = this.box_y ?? [0, this.height], W = 480, H = 300;
    const y1 = this.fromY(top), y0 = this.fromY(bottom);
    const near = (values, order) => v => {
      let a = 0, b = order.length - 1;
      while (b - a > 1) { const m = (a + b) >> 1; if (values[order[m]] <= v) a = m; else b = m; }
      return order[Math.abs(values[order[a]] - v) <= Math.abs(values[order[b]] - v) ? a : b];
    };
    const sorted = values => [...values.keys()].filter(i => Number.isFinite(values[i])).sort((a, b) => values[a] - values[b]);
    layer.orders ??= [sorted(layer.x), sorted(layer.y)];
    const column = near(layer.x, layer.orders[0]), row = near(layer.y, layer.orders[1]);
    const columns = Array.from({ length: W }, (_, i) => { const u = (i + 0.5) / W; return column(flip ? x1 - u * (x1 - x0) : x0 + u * (x1 - x0)); });
    const canvas = element("canvas", { width: W, height: H }), pen = canvas.getContext("2d"), pixels = pen.createImageData(W, H);
    const [low, high] = layer.limits, scale = 1 / ((high - low) || 1), paper = isDark() ? 30 : 255;
    for (let j = 0; j < H; j++) {
      const r = row(y1 - (j + 0.5) / H * (y1 - y0));
      for (let i = 0; i < W; i++) {
        const v = layer.z(r, columns[i]), at = 4 * (j * W + i);
        const rgb = Number.isFinite(v) ? viridis((v - low) * scale) : [190, 190, 190];
        if (layer.veil?.(r, columns[i])) for (let k = 0; k < 3; k++) rgb[k] += 0.55 * (paper - rgb[k]);
        pixels.data[at] = rgb[0]; pixels.data[at + 1] = rgb[1]; pixels.data[at + 2] = rgb[2]; pixels.data[at + 3] = 255;
      }
    }
    pen.putImageData(pixels, 0, 0);
    const { L, R } = this.inner;
    return node("image", { href: canvas.toDataURL(), x: L, y: top, width: this.width - L - R, height: bottom - top, preserveAspectRatio: "none" });
  }

  keys(panels) {
    const items = this.spec.key ?? panels.flatMap(p => p.layers).filter(l => l.name);
    this.key.replaceChildren(...items.map(({ name, colour: c, kind }) => {
      const mark = node("svg", { width: 18, height: 10, "aria-hidden": "true" });
      mark.append(kind === "area" ? node("rect", { width: 18, height: 10, fill: c, "fill-opacity": 0.5 })
        : kind === "points" ? node("path", { d: "M9 5h0", stroke: c, "stroke-width": 5, "stroke-linecap": "round" })
        : node("path", { d: "M0 5h18", stroke: c, "stroke-width": 2 }));
      return element("li", {}, mark, ` ${name}`);
    }));
    if (this.spec.bar) {
      const [low, high, label] = this.spec.bar, strip = element("span", { className: "strip" });
      strip.style.background = `linear-gradient(to right, ${VIRIDIS.map(c => `rgb(${c.join(",")})`).join(",")})`;
      this.key.append(element("li", {}, `${label}: ${short(+low.toPrecision(4))} `, strip, ` ${short(+high.toPrecision(4))}`));
    }
  }

  zoom(factor, centre = null) {
    const [x0, x1] = this.range(), [a, b] = this.spec.x.range, middle = centre ?? (x0 + x1) / 2;
    const low = Math.max(middle - (middle - x0) * factor, a), high = Math.min(middle + (x1 - middle) * factor, b);
    if (high - low < (b - a) * 1e-5) return;
    this.view.x = low <= a && high >= b ? null : [low, high];
    if (!this.view.x) this.view.y = null;
    this.draw();
  }

  move(share) {
    const [x0, x1] = this.range(), [a, b] = this.spec.x.range, width = x1 - x0;
    let by = share * width * (this.spec.x.flip ? -1 : 1);
    by = Math.min(Math.max(by, a - x0), b - x1);
    if (this.view.x) { this.view.x = [x0 + by, x1 + by]; this.draw(); }
  }

  reset() { this.view = {}; this.draw(); }

  listen() {
    let from = null, marked = null;
    const place = event => { const box = this.svg.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
    this.svg.addEventListener("pointerdown", event => {
      if (!this.spec || event.button) return;
      from = place(event);
      try { this.svg.setPointerCapture(event.pointerId); } catch { /* a pointer that is gone */ }
    });
    this.svg.addEventListener("pointermove", event => {
      if (!this.spec || !this.fromX) return;
      const [px, py] = place(event);
      this.read.textContent = this.spec.reading?.(this.fromX(px), this.fromY?.(py)) ?? "";
      if (!from) return;
      marked?.remove();
      const tall = Math.abs(py - from[1]) > 30, [top, bottom] = this.box_y;
      marked = node("rect", { class: "marked", x: Math.min(px, from[0]), width: Math.abs(px - from[0]), y: tall ? Math.min(py, from[1]) : top, height: tall ? Math.abs(py - from[1]) : bottom - top });
      this.svg.append(marked);
    });
    const end = event => {
      if (!from) return;
      const [px, py] = place(event), [fx, fy] = from;
      from = null; marked?.remove(); marked = null;
      if (Math.abs(px - fx) < 5) { this.spec.click?.(this.fromX(px), this.fromY(py)); return; }
      const ends = [this.fromX(px), this.fromX(fx)].sort((a, b) => a - b), [a, b] = this.spec.x.range;
      this.view.x = [Math.max(ends[0], a), Math.min(ends[1], b)];
      this.view.y = Math.abs(py - fy) > 30 ? [this.fromY(py), this.fromY(fy)].sort((p, q) => p - q) : null;
      this.draw();
    };
    this.svg.addEventListener("pointerup", end);
    this.svg.addEventListener("pointercancel", () => { from = null; marked?.remove(); });
    this.svg.addEventListener("dblclick", () => this.reset());
    this.svg.addEventListener("wheel", event => {
      if (!this.spec || !(this.box.contains(document.activeElement) || event.ctrlKey)) return;  // else the page scrolls
      event.preventDefault();
      this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.fromX(place(event)[0]));
    }, { passive: false });
    this.box.addEventListener("keydown", event => {
      const act = { "+": () => this.zoom(0.8), "=": () => this.zoom(0.8), "-": () => this.zoom(1.25), ArrowLeft: () => this.move(-0.15), ArrowRight: () => this.move(0.15), 0: () => this.reset(), Escape: () => this.reset(), ...this.more };
      if (!act[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      act[event.key]();
    });
  }
}
