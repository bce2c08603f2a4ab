"use strict";
// Builds the page from the report's data. Text only ever goes in as text nodes.

const report = JSON.parse(document.getElementById("data").textContent);
const systems = report.systems;
const isPair = systems.length === 2;
const isWords = report.unit === "word";
const mainRate = isWords ? "wer" : "cer";
const ROWS_AT_ONCE = 40;

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function drawing(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const percent = (part, digits = 2) => `${(part * 100).toFixed(digits)}%`;
const signed = (part) => `${part > 0 ? "+" : part < 0 ? "−" : ""}${percent(Math.abs(part))}`;
const points = (part) => signed(part).replace("%", " points");
const plural = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
const errorsOf = (counts) => counts.substitutions + counts.deletions + counts.insertions;
// An empty reference counts as one word, as in jiwer.
const rateOf = (counts) => errorsOf(counts) / Math.max(counts.num_reference, 1);
const intervalText = (rate) =>
  rate.low === null ? "no interval" : `${(rate.low * 100).toFixed(2)} to ${percent(rate.high)}`;

// A bar from zero to the rate with its interval as a whisker; the scale ends at `end`.
function rateBar(rate, end, position) {
  const x = (value) => Math.min(100, (value / end) * 100);
  const label = `${percent(rate.rate)}, 95% interval ${intervalText(rate)}`;
  const svg = drawing("svg", { class: `rate ${position ? "second" : ""}`, viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": label },
    drawing("rect", { class: "track", x: 0, y: 2, width: 100, height: 6, rx: 1 }),
    drawing("rect", { class: "bar", x: 0, y: 2, width: x(rate.rate), height: 6 }));
  if (rate.low !== null) svg.append(whisker(x(rate.low), x(rate.high)));
  return svg;
}

function whisker(low, high) {
  const ends = `M${low} 0.5V9.5M${high} 0.5V9.5M${low} 5H${high}`;
  return drawing("path", { class: "whisker", d: ends, fill: "none" });
}

function heading() {
  const names = systems.map((system) => system.name).join(" and ");
  document.title = `${names} on ${report.manifest.split(/[\\/]/).pop()}`;
  document.getElementById("title").textContent = document.title;
  const drawn = `95% intervals over ${plural(report.num_resampled, report.resampled)}`;
  const memory = report.peak_memory_mb === null ? null : `peak memory ${Math.round(report.peak_memory_mb)} MB`;
  const decoding = Object.entries(report.decoding ?? {}).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`);
  const facts = [plural(report.num_utterances, "utterance"), `normalizer ${report.normalizer}`, ...decoding, drawn, memory, report.created, report.program];
  document.getElementById("about").textContent = facts.filter(Boolean).join(" · ");
}

function summary() {
  const end = Math.max(...systems.map((s) => Math.max(s[mainRate].high ?? 0, s[mainRate].rate)), 0.01) * 1.05;
  const cards = systems.map((system, position) => {
    const main = system[mainRate];
    const rows = ["wer", "cer"].map((name) => {
      const rate = system[name];
      const values = [percent(rate.rate), intervalText(rate), rate.substitutions, rate.deletions, rate.insertions, rate.num_reference];
      return element("tr", {}, element("th", { scope: "row" }, name.toUpperCase()),
        ...values.map((value) => element("td", { class: "num" }, value.toLocaleString("en"))));
    });
    const titles = ["", "rate", "95% interval", "sub.", "del.", "ins.", "ref."];
    const speed = system.speed === null ? null :
      `${system.speed.times_real_time.toFixed(1)} × real time (${system.speed.audio_s.toFixed(0)} s of audio in ${system.speed.wall_s.toFixed(1)} s)`;
    return element("article", { class: "card" },
      element("h3", {}, isPair ? mark(position) : null, isPair ? " " : null, system.name),
      element("p", { class: "big num" }, percent(main.rate), " ", element("small", {}, mainRate.toUpperCase())),
      rateBar(main, end, position),
      element("p", { class: "quiet" }, `95% interval ${intervalText(main)}`),
      element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Counts" }, element("table", {},
        element("thead", {}, element("tr", {}, ...titles.map((title) => element("th", { scope: "col" }, title)))),
        element("tbody", {}, ...rows))),
      speed === null ? null : element("p", { class: "quiet num" }, speed));
  });
  document.getElementById("summary").append(element("div", { class: "cards" }, ...cards));
}

const mark = (position) => element("span", { class: position ? "second-mark" : "first-mark", "aria-hidden": "true" });

function comparison() {
  const found = report.comparison;
  if (found === null) return;
  const section = document.getElementById("comparison");
  const size = Math.max(Math.abs(found.difference), Math.abs(found.low ?? 0), Math.abs(found.high ?? 0), 0.001) * 1.1;
  const x = (value) => 50 + (value / size) * 50;
  const bar = [x(0), x(found.difference)].sort((a, b) => a - b);
  const interval = found.low === null ? "" : `, 95% interval ${signed(found.low).replace("%", "")} to ${points(found.high)}`;
  const text = `${points(found.difference)} ${mainRate.toUpperCase()}${interval}`;
  const svg = drawing("svg", { class: "rate second", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": text },
    drawing("rect", { class: "track", x: 0, y: 2, width: 100, height: 6 }),
    drawing("rect", { class: "bar", x: bar[0], y: 2, width: bar[1] - bar[0], height: 6 }),
    drawing("path", { class: "zero", d: "M50 0V10" }));
  if (found.low !== null) svg.append(whisker(x(found.low), x(found.high)));
  const relative = found.relative_difference === null ? "" : ` (${percent(Math.abs(found.relative_difference), 1)} ${found.relative_difference < 0 ? "fewer" : "more"} errors)`;
  section.hidden = false;
  section.append(element("h2", {}, "Difference"), element("div", { class: "card" },
    element("p", { class: "verdict" }, found.explanation),
    svg, element("p", { class: "quiet num" }, `${text}${relative}. Left of the middle: ${systems[1].name} is better.`),
    element("p", {}, `${systems[1].name}: `, element("span", { class: "good" }, `better in ${plural(found.num_better, "utterance")}`), ", ",
      element("span", { class: "bad" }, `worse in ${found.num_worse.toLocaleString("en")}`), `, equal in ${found.num_equal.toLocaleString("en")}.`),
    element("p", { class: "quiet" }, `Test: ${found.test}, over ${plural(found.num_resampled, found.resampled)}.`)));
}

function failures() {
  const failed = systems.flatMap((system) => system.failures.map((failure) => (isPair ? `${system.name}: ${failure}` : failure)));
  if (!failed.length) return;
  const section = document.getElementById("failures");
  section.hidden = false;
  section.append(element("h2", {}, "Failures"), element("details", { class: "card" },
    element("summary", {}, `${plural(failed.length, "result")} missing; those utterances are in no rate`),
    element("ul", {}, ...failed.map((failure) => element("li", {}, failure)))));
}

let chosenPart = null; // {key, label, button}: the slice that is shown alone

function slices() {
  const section = document.getElementById("slices");
  const cards = Object.entries(systems[0].slices).map(([key, parts]) => {
    const pairs = parts.map((part) => systems.map((system) => system.slices[key].find((other) => other.label === part.label)));
    const end = Math.max(...pairs.flat().map((part) => Math.max(part.high ?? 0, part.rate)), 0.01);
    const rows = pairs.map((pair) => {
      const facts = `${pair.map((part) => percent(part.rate, 1)).join(" / ")} (${pair[0].num_utterances.toLocaleString("en")})`;
      const button = element("button", { class: "part", type: "button", "aria-pressed": "false", title: `Show ${key} ${pair[0].label} alone` },
        element("span", { class: "label", dir: "auto" }, pair[0].label),
        element("span", { class: "bars" }, ...pair.map((part, position) => rateBar(part, end, position))),
        element("span", { class: "value num" }, facts));
      button.addEventListener("click", () => choosePart(chosenPart?.button === button ? null : { key, label: pair[0].label, button }));
      return element("li", {}, button);
    });
    return element("div", { class: "card" }, element("h3", {}, key), element("ul", { class: isPair ? "parts pairs" : "parts" }, ...rows));
  });
  if (cards.length) section.append(element("h2", {}, `${mainRate.toUpperCase()} of parts (utterances)`), element("div", { class: "cards" }, ...cards));
}

heading();
summary();
comparison();
failures();
slices();
