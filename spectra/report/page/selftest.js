"use strict";
// With #selftest in the address the page uses itself as a reader would and writes what it saw into data-selftest.
if (location.hash.endsWith("selftest")) addEventListener("load", () => setTimeout(() => {
  const seen = [];
  const check = (name, truth, detail = "") => seen.push({ name, ok: Boolean(truth), detail: String(detail) });
  const pointer = (svg, type, x, y) => { const box = svg.getBoundingClientRect(); svg.dispatchEvent(new PointerEvent(type, { bubbles: true, clientX: box.left + x, clientY: box.top + y, pointerId: 1, button: 0 })); };
  const press = (box, key) => box.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  const clean = svg => ![...svg.querySelectorAll("path, text, rect")].some(mark => mark.outerHTML.includes("NaN"));
  const zooms = (plot, name) => {
    const whole = plot.range().join(), { svg, box } = plot, [top, bottom] = plot.box_y, middle = (top + bottom) / 2;
    pointer(svg, "pointerdown", 200, middle); pointer(svg, "pointermove", 320, middle + 4); pointer(svg, "pointerup", 320, middle + 4);
    const [low, high] = plot.range();
    check(`${name}: drag zooms`, plot.range().join() !== whole && low < high, plot.range());
    svg.dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
    check(`${name}: double-click shows all`, plot.range().join() === whole);
    box.focus();
    svg.dispatchEvent(new WheelEvent("wheel", { deltaY: -100, bubbles: true, cancelable: true, clientX: svg.getBoundingClientRect().left + 300 }));
    check(`${name}: wheel zooms`, plot.range().join() !== whole);
    const before = plot.range().join();
    press(box, "ArrowRight");
    const moved = plot.range().join();
    press(box, "ArrowLeft");
    check(`${name}: arrow keys move`, moved !== before || plot.range().join() !== before);
    press(box, "0");
    check(`${name}: 0 shows all`, plot.range().join() === whole);
    check(`${name}: nothing is drawn at no number`, clean(svg));
  };
  try {
    sections.forEach((section, k) => {
      const { fitView: fits, seriesView: series, tableView: table } = section;
      if (fits) {
        zooms(fits.plot, `fits ${k}`);
        check(`fits ${k}: descends where the field does`, !fits.fits.descends || fits.plot.atX(fits.plot.range()[1]) < fits.plot.atX(fits.plot.range()[0]));
        fits.fits.spectra.slice(0, 20).forEach((_, i) => { fits.show(i); check(`fits ${k}: ${i} drawn`, fits.plot.svg.querySelectorAll("path").length > 3 && clean(fits.plot.svg)); });
        fits.show(0); press(fits.plot.box, "n");
        check(`fits ${k}: n is the next`, fits.fits.spectra.length < 2 || fits.at === 1);
        const bad = fits.fits.spectra.filter(s => section.bad(s.spectrum)).length;
        if (bad) { fits.only.checked = true; fits.filter(); check(`fits ${k}: only failed`, fits.shown.length === bad); fits.only.checked = false; fits.filter(); }
        fits.show(0);
      }
      if (series) {
        series.items.forEach((item, i) => {
          series.what.value = i; series.offer();
          for (const option of series.how.options) for (let a = 0; a < series.against.options.length; a++) {
            series.how.value = option.value; series.against.value = a; series.draw();
            const { svg } = series.plot;
            check(`series ${k}: ${item.name}, ${option.value} against ${a}`, svg.querySelector("path[stroke], image") && clean(svg));
          }
        });
        series.what.value = 0; series.offer(); zooms(series.plot, `series ${k}`);
      }
      if (table) {
        const column = table.columns.findIndex(c => c.value);
        if (column >= 0) {
          const values = () => table.found.map(table.columns[column].value).filter(Number.isFinite), head = table.heads[column];
          head.firstChild.click();
          check(`table ${k}: sorts up`, values().every((v, i, all) => !i || all[i - 1] <= v) && head.getAttribute("aria-sort") === "ascending");
          head.firstChild.click();
          check(`table ${k}: sorts down`, values().every((v, i, all) => !i || all[i - 1] >= v) && head.getAttribute("aria-sort") === "descending");
        }
        table.which.value = "failed"; table.which.dispatchEvent(new Event("change"));
        const bad = [...section.spectra].filter(s => section.bad(s)).length;
        check(`table ${k}: only failures`, table.found.length === bad * section.parts, `${table.found.length} rows`);
        table.which.value = "all"; table.words.value = "no such text anywhere"; table.words.dispatchEvent(new Event("input"));
        check(`table ${k}: finds nothing of what is not there`, table.found.length === 0);
        table.words.value = ""; table.words.dispatchEvent(new Event("input"));
        check(`table ${k}: all again`, table.found.length === section.rows);
        table.sorted = null; table.order = [...Array(section.rows).keys()]; table.heads.forEach(h => h.setAttribute("aria-sort", "none")); table.update();
      }
    });
    const drawn = () => sections.map(({ seriesView: v, fitView: f }) => [v?.what.value, v?.how.value, v?.against.value, v?.plot.svg.childElementCount, f?.at].join()).join(";");
    const before = drawn();
    dispatchEvent(new Event("beforeprint"));
    const figures = [...document.querySelectorAll(".paper figure")];
    check("paper: pictures of all views", figures.length > 0 && figures.every(f => clean(f) && f.querySelector("path[stroke], image")), `${figures.length} pictures`);
    dispatchEvent(new Event("afterprint"));
    check("paper: gone after", !document.querySelector(".paper figure") && drawn() === before, `${before} | ${drawn()}`);
  } catch (error) { check("no error", false, error.stack); }
  check("no failure on the page", !failures.length, failures.join("; "));
  document.documentElement.dataset.selftest = JSON.stringify(seen);
  scrollTo(0, 0);
}, 300));
