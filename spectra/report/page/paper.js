"use strict";
// On paper: what the viewers can show, as pictures that the same plots draw; made when the page is printed, gone after.
const MOST_TRENDS = 12;

// A picture of all that each step shows, [show, what the caption adds], one after another; then the view is as it was.
function pictures(view, steps, back) {
  const { plot } = view, kept = plot.view;
  plot.box.style.width = "520px";  // two stand beside each other, with letters that can be read
  const made = steps.map(([show, more]) => {
    plot.view = {};
    show();
    const svg = plot.svg.cloneNode(true);
    svg.removeAttribute("height");  // it is as high as its width on paper asks for
    return element("figure", {}, plot.key.cloneNode(true), svg, element("figcaption", { textContent: `${plot.spec.told}${more ?? ""}.` }));
  });
  plot.box.style.width = "";
  back();
  plot.view = kept; plot.draw();
  return made;
}

function fitsOnPaper(view, printed) {
  const at = view.at, steps = [];
  view.fits.spectra.forEach((one, i) => { if (printed.includes(one.spectrum)) steps.push([() => view.show(i)]); });
  return pictures(view, steps, () => view.show(at));
}

function seriesOnPaper(view) {
  const choices = [view.what, view.how, view.part, view.against], before = choices.map(choice => choice.value);
  const show = i => { view.what.value = i; view.offer(); };
  const near = i => { show(i); view.plot.view = { x: view.near.range }; view.plot.draw(); };
  let trends = 0;
  const steps = view.items.flatMap((item, i) => item.kind === "numbers" && ++trends > MOST_TRENDS ? []
    : item.curve?.zoom ? [[() => show(i)], [() => near(i), ", near the edge"]] : [[() => show(i)]]);
  return pictures(view, steps, () => {
    show(before[0]);
    choices.forEach((choice, k) => { choice.value = before[k]; });
    view.draw();
  });
}

let chosenTheme;
addEventListener("beforeprint", () => {
  chosenTheme = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
  redraw();
  sections.forEach(({ root, data, fitView, seriesView }) => root.querySelector(".paper")?.replaceChildren(
    ...(fitView ? fitsOnPaper(fitView, data.printed) : []), ...(seriesView?.items.length ? seriesOnPaper(seriesView) : [])));
});
addEventListener("afterprint", () => {
  document.querySelectorAll(".paper").forEach(place => place.replaceChildren());
  if (chosenTheme) document.documentElement.dataset.theme = chosenTheme; else delete document.documentElement.dataset.theme;
  redraw();
});
