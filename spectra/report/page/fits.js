"use strict";
// Every fit that the page holds: data, components on their background, sum and residual; chosen by slider, list or key.
const PALETTE = Array.from({ length: 8 }, (_, i) => `var(--c${i})`);

class FitView {
  constructor(section) {
    const { fits } = section.data;
    this.section = section; this.fits = fits; this.x = unpack(fits.x); this.at = 0;
    this.plot = new Plot("Fit", 440);
    this.plot.more = { n: () => this.go(1), p: () => this.go(-1), PageDown: () => this.go(1), PageUp: () => this.go(-1) };
    this.shown = fits.spectra.map((_, i) => i);
    this.list = element("select", { onchange: () => this.show(+this.list.value), "aria-label": "Spectrum" });
    this.slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "Spectrum, by its place", oninput: () => this.show(this.shown[+this.slider.value]) });
    this.only = element("input", { type: "checkbox", onchange: () => this.filter() });
    const bad = fits.spectra.filter(s => section.bad(s.spectrum)).length;
    this.table = element("div", { className: "scroll" });
    const controls = element("div", { className: "controls" },
      element("button", { type: "button", textContent: "‹ Previous", onclick: () => this.go(-1) }), this.list,
      element("button", { type: "button", textContent: "Next ›", onclick: () => this.go(1) }), this.slider);
    if (bad) controls.append(element("label", {}, this.only, ` only failed (${bad})`));
    controls.append(element("button", { type: "button", textContent: "All of the axis", onclick: () => this.plot.reset() }));
    if (fits.spectra.length < 2) controls.replaceChildren(controls.lastChild);
    const note = [`${fits.spectra.length} of ${section.data.total} fits are in this page`, fits.every > 1 ? `one point of ${fits.every} is drawn` : ""].filter(Boolean).join("; ");
    this.root = element("div", { className: "viewer" }, controls, this.plot.root, this.table,
      element("p", { className: "small" }, `${note}. Drag or wheel to zoom, double-click for all; keys: + − ← → 0, and n, p for the next and previous spectrum.`));
    this.filter();
  }

  filter() {
    this.shown = this.fits.spectra.map((_, i) => i).filter(i => !this.only.checked || this.section.bad(this.fits.spectra[i].spectrum));
    this.list.replaceChildren(...this.shown.map(i => element("option", { value: i, textContent: this.section.name(this.fits.spectra[i].spectrum) })));
    this.slider.max = Math.max(this.shown.length - 1, 0);
    this.show(this.shown.includes(this.at) ? this.at : this.shown[0] ?? 0);
  }

  go(step) {
    const place = this.shown.indexOf(this.at) + step;
    if (place >= 0 && place < this.shown.length) this.show(this.shown[place]);
  }

  has(spectrum) { return this.fits.spectra.some(s => s.spectrum === spectrum); }

  open(spectrum) {
    this.only.checked = false; this.filter();
    this.show(this.fits.spectra.findIndex(s => s.spectrum === spectrum));
    this.plot.box.focus({ preventScroll: true });
    this.root.scrollIntoView({ block: "center" });
  }

  show(i) {
    this.at = i;
    this.list.value = i; this.slider.value = this.shown.indexOf(i);
    const one = this.fits.spectra[i], x = this.x, name = this.section.name(one.spectrum);
    this.slider.setAttribute("aria-valuetext", name);
    const data = unpack(one.data), layers = [];
    const spec = { x: { label: this.fits.axis, flip: this.fits.descends }, told: `Fit of ${name}` };
    const main = { share: 4, main: true, label: this.fits.title, layers };
    spec.panels = [main];
    let inside = x;
    if (one.fit) {
      const fit = unpack(one.fit), base = unpack(one.base), residual = unpack(one.residual);
      inside = x.filter((_, k) => Number.isFinite(fit[k]));
      const high = extent([fit.map((v, k) => Math.abs(v - base[k]))])[1];
      for (const [k, text] of Object.entries(one.parts)) {
        const part = unpack(text), sum = part.map((v, j) => v + base[j]), c = PALETTE[k % 8];
        layers.push({ kind: "area", x, y: sum, low: base, colour: c, name: this.fits.components[k] });
        layers.push({ kind: "line", x, y: sum.map((v, j) => Math.abs(part[j]) > 2e-3 * high ? v : NaN), colour: c, width: 1.1 });
      }
      if (base.some(v => v)) layers.push({ kind: "line", x, y: base, colour: "var(--floor)", dash: "5 4", name: "background" });
      layers.push({ kind: "points", x, y: data.map((v, k) => Number.isFinite(fit[k]) ? v : NaN), colour: "var(--data)", width: x.length < 200 ? 4 : 2.6, name: "data" });
      layers.push({ kind: "line", x, y: fit, colour: "var(--fit)", width: 1.6, name: "fit" });
      const label = one.over_sigma ? "Residual / σ" : "Residual";
      spec.panels.unshift({ share: 1, label, centred: true, layers: [
        { kind: "line", x: this.x.filter((_, k) => k === 0 || k === x.length - 1), y: [0, 0], colour: "var(--floor)", width: 0.8 },
        { kind: "line", x, y: residual, colour: "var(--data)", width: 1 }] });
      spec.told += `: ${Object.keys(one.parts).length} components, background, data and residual`;
      spec.reading = v => {
        let k = 0;
        for (let j = 1; j < x.length; j++) if (Math.abs(x[j] - v) < Math.abs(x[k] - v)) k = j;
        return `${short(x[k])}: data ${short(data[k])}, fit ${short(fit[k])}, ${label.toLowerCase()} ${short(residual[k])}`;
      };
    } else {
      layers.push({ kind: "line", x, y: data, colour: "var(--data)", name: `data; not fitted: ${this.section.flagsOf(one.spectrum) || "no fit"}` });
      spec.told = `${name} was not fitted; data only`;
    }
    spec.x.range = extent([inside]);
    this.plot.show(spec, { keep: true });
    this.table.replaceChildren(this.numbers(one.spectrum));
  }

  // The numbers of this spectrum: a row per component, or one row.
  numbers(spectrum) {
    const { columns, rows } = this.section.rowsOf(spectrum);
    const own = columns.filter(c => c.name === "component" || c.component), shown = own.length ? own : columns.filter(c => !c.component);
    const head = element("tr", {}, ...shown.map(c => element("th", { scope: "col", textContent: c.header })));
    const body = (own.length ? rows : rows.slice(0, 1)).map(row => element("tr", {}, ...shown.map(c => element("td", { textContent: c.told(row) }))));
    return element("table", {}, element("caption", { className: "small", textContent: this.section.name(spectrum) }), element("thead", {}, head), element("tbody", {}, ...body));
  }
}
