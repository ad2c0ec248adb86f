// Brings the pages' charts to life. Every chart's figures stand in the page as JSON; only the load chart asks again.
import { draw, redraw } from "./charts.js";

const LOAD_EVERY_MS = 60_000;

for (const form of document.querySelectorAll("form[data-submit-on-change]")) {
  form.addEventListener("change", () => form.requestSubmit());
}

await document.fonts.ready; // the charts measure their words when they are drawn

const charts = new Map();
for (const place of document.querySelectorAll("[data-chart]")) {
  const name = place.dataset.chart;
  const source = document.querySelector(`script[data-for="${name}"]`);
  charts.set(name, draw(place, name, JSON.parse(source.textContent)));
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach(redraw));
addEventListener("resize", () => charts.forEach((chart) => chart.resize()));

const load = charts.get("load");
if (load) {
  setInterval(async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(load.figures.address, { headers: { Accept: "application/json" } });
      if (!answer.ok) return; // the next minute asks again; what is shown stays
      load.figures = { ...load.figures, ...(await answer.json()) };
      redraw(load);
    } catch (error) {
      console.info("the load chart keeps what it has:", error);
    }
  }, LOAD_EVERY_MS);
}
