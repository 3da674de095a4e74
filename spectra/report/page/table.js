"use strict";
// The table of results: sorts by any column, finds texts, shows failed or flagged spectra only; fifty rows at a time.
const ROWS = 50;

class TableView {
  constructor(section) {
    this.section = section; this.sorted = null; this.page = 0;
    this.columns = section.columns;
    this.order = Array.from({ length: section.rows }, (_, i) => i);
    this.words = element("input", { type: "search", size: 18, oninput: () => this.update() });
    this.which = element("select", { "aria-label": "Spectra", onchange: () => this.update() },
      ...[["all", "all spectra"], ["failed", "only failed"], ["flagged", "only flagged"], ["fine", "without a flag"]].map(([value, textContent]) => element("option", { value, textContent })));
    this.said = element("span", { role: "status", className: "small" });
    this.back = element("button", { type: "button", textContent: "‹", ariaLabel: "Rows before", onclick: () => this.turn(-1) });
    this.next = element("button", { type: "button", textContent: "›", ariaLabel: "Rows behind", onclick: () => this.turn(1) });
    this.body = element("tbody");
    this.heads = this.columns.map((c, k) => element("th", { scope: "col", "aria-sort": "none" },
      element("button", { type: "button", className: "sort", onclick: () => this.sort(k) }, c.header)));
    const table = element("table", {}, element("thead", {}, element("tr", {}, ...this.heads)), this.body);
    this.root = element("div", { className: "viewer" },
      element("div", { className: "controls" }, element("label", {}, "Find ", this.words), this.which, this.back, this.next, this.said),
      element("div", { className: "scroll long", tabIndex: 0, role: "region", "aria-label": "Table of results" }, table));
    this.update();
  }

  sort(k) {
    const down = this.sorted?.k === k && !this.sorted.down;
    this.sorted = { k, down };
    this.heads.forEach((head, j) => head.setAttribute("aria-sort", j === k ? (down ? "descending" : "ascending") : "none"));
    const { value, text } = this.columns[k], sign = down ? -1 : 1;
    const compare = text ? (a, b) => sign * text(a).localeCompare(text(b), undefined, { numeric: true })
      : (a, b) => { const p = value(a), q = value(b); return Number.isNaN(p) ? (Number.isNaN(q) ? 0 : 1) : Number.isNaN(q) ? -1 : sign * (p - q); };
    this.order = Array.from({ length: this.section.rows }, (_, i) => i).sort((a, b) => compare(a, b) || a - b);
    this.update();
  }

  update() {
    const words = this.words.value.toLowerCase().split(/\s+/).filter(Boolean), { bad, flagged, spectrumOf } = this.section;
    const wanted = { all: () => true, failed: i => bad(spectrumOf(i)), flagged: i => flagged(spectrumOf(i)), fine: i => !flagged(spectrumOf(i)) }[this.which.value];
    const has = i => { const line = this.columns.map(c => c.told(i)).join(" ").toLowerCase(); return words.every(w => line.includes(w)); };
    this.found = this.order.filter(i => wanted(i) && (!words.length || has(i)));
    this.page = 0;
    this.fill();
  }

  turn(step) { this.page = Math.min(Math.max(this.page + step, 0), Math.ceil(this.found.length / ROWS) - 1); this.fill(); }

  fill() {
    const first = this.page * ROWS, rows = this.found.slice(first, first + ROWS), { section } = this;
    this.body.replaceChildren(...rows.map(i => {
      const spectrum = section.spectrumOf(i), cells = this.columns.map(c => element("td", { textContent: c.told(i) }));
      if (section.fitView?.has(spectrum)) {
        const button = element("button", { type: "button", className: "open", textContent: cells[0].textContent, ariaLabel: `Show the fit of ${section.name(spectrum)}`, onclick: () => section.fitView.open(spectrum) });
        cells[0].replaceChildren(button);
      }
      return element("tr", { className: section.bad(spectrum) ? "bad" : "" }, ...cells);
    }));
    this.back.disabled = !this.page; this.next.disabled = first + ROWS >= this.found.length;
    const n = this.found.length, of = n === section.rows ? "" : ` of ${section.rows}`;
    this.said.textContent = n ? `rows ${first + 1} to ${Math.min(first + ROWS, n)} of ${n}${of ? ` (${section.rows} in all)` : ""}` : `no rows${of}`;
  }
}
