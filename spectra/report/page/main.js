"use strict";
// Puts the viewers into the page: each section's data stand in the page as JSON; without this script the pictures stay.
class Section {
  constructor(root, data) {
    this.root = root; this.data = data;
    const { numbers } = data;
    this.spectra = unpack(numbers.spectra);
    this.count = this.spectra.length;
    this.parts = numbers.components ? numbers.components.length : 1;
    this.rows = this.count * this.parts;
    const set = text => { const yes = unpack(text); return new Set(this.spectra.filter((_, i) => yes[i])); };
    const bad = set(numbers.failed), flagged = set(numbers.flagged);
    this.bad = spectrum => bad.has(spectrum);
    this.flagged = spectrum => flagged.has(spectrum);
    this.spectrumOf = i => this.spectra[Math.floor(i / this.parts)];
    this.dims = data.dims.map(d => ({ ...d, values: unpack(d.values) }));
    this.columns = numbers.columns.map(c => this.column(c));
    this.along = numbers.against[0] && { ...numbers.against[0], values: unpack(numbers.against[0].values) };
    this.place = new Map([...this.spectra].map((s, i) => [s, i]));
    this.kept = new Map();
  }

  column(c) {
    const at = i => c.component ? i : Math.floor(i / this.parts);
    const header = c.label ? `${c.name} (${c.label})` : c.name;
    if (c.texts) { const text = i => c.texts[c.codes[at(i)]]; return { ...c, header, text, told: text }; }
    const values = unpack(c.values), sigma = c.sigma && unpack(c.sigma), systematic = c.systematic && unpack(c.systematic);
    const told = i => { const s = systematic?.[at(i)]; return uncertain(values[at(i)], sigma?.[at(i)]) + (Number.isFinite(s) ? ` ± ${+s.toPrecision(2)}` : ""); };
    return { ...c, header: systematic ? `${header} ± noise ± systematic` : header, value: i => values[at(i)], told };
  }

  // A value per spectrum of a column, of one component.
  values(column, part = 0, what = "values") {
    if (!column[what]) return null;
    const name = `${column.name}|${part}|${what}`;
    if (!this.kept.has(name)) {
      const all = unpack(column[what]);
      this.kept.set(name, column.component ? Float64Array.from({ length: this.count }, (_, i) => all[i * this.parts + part]) : all);
    }
    return this.kept.get(name);
  }

  rowsOf(spectrum) {
    const i = this.place.get(spectrum);
    return { columns: this.columns, rows: i === undefined ? [] : Array.from({ length: this.parts }, (_, k) => i * this.parts + k) };
  }

  flagsOf(spectrum) {
    const column = this.columns.find(c => c.name === "flags"), [row] = this.rowsOf(spectrum).rows;
    return column && row !== undefined ? column.told(row).replaceAll("_", " ") : "";
  }

  name(spectrum) {
    if (this.data.total === 1) return "the spectrum";
    const flags = this.flagsOf(spectrum), told = flags ? ` – ${flags}` : "";
    if (this.dims.length) {
      const [down, across] = this.dims, at = [Math.floor(spectrum / across.size), spectrum % across.size];
      return this.dims.map((d, k) => `${d.name} ${d.names ? d.names[at[k]] : short(+d.values[at[k]].toPrecision(5))}`).join(", ") + told;
    }
    const place = `${spectrum + 1} of ${this.data.total}`, i = this.place.get(spectrum);
    if (!this.along || i === undefined) return `Spectrum ${place}${told}`;
    const { label, names, values } = this.along, [, stem, unit] = /^(.*?)(?: since .*?)?(?: \((.*)\))?$/.exec(label);
    return `${names ? (isNaN(names[i]) ? names[i] : `${stem} ${names[i]}`) : `${stem} ${short(+values[i].toPrecision(4))} ${unit ?? ""}`.trim()} (${place})${told}`;
  }

  build() {
    const put = (kind, make) => {
      const place = this.root.querySelector(`[data-view="${kind}"]`);
      if (!place) return null;
      const view = make();
      place.append(view.root);
      return view;
    };
    if (this.data.fits) this.fitView = put("fits", () => new FitView(this));
    if (this.data.curves.length || this.data.planes.length || this.count > 1) this.seriesView = put("series", () => new SeriesView(this));
    this.tableView = put("table", () => new TableView(this));
  }
}

const failures = [];
addEventListener("error", event => { failures.push(event.message); document.documentElement.dataset.failures = failures.join("\n"); });

const sections = [...document.querySelectorAll("section[data-section]")].map(root =>
  new Section(root, JSON.parse(document.getElementById(`data-${root.dataset.section}`).textContent)));
document.documentElement.classList.add("js");
sections.forEach(section => section.build());

const redraw = () => sections.forEach(s => { s.fitView?.plot.draw(); s.seriesView?.draw(); });
const theme = document.getElementById("theme");
theme.addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  redraw();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
document.querySelectorAll(".copy").forEach(button => button.addEventListener("click", async () => {
  const text = document.getElementById(button.dataset.of).innerText;
  try { await navigator.clipboard.writeText(text); button.textContent = "Copied"; } catch { button.textContent = "Select the text and copy it"; }
}));
if (location.hash.startsWith("#dark")) { document.documentElement.dataset.theme = "dark"; redraw(); }
