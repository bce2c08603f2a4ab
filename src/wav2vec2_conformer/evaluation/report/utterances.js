// The utterances: searched, filtered, sorted, and built a few at a time.

const utterances = report.utterances.map((utterance, position) => {
  const counts = utterance.systems.map((result) => result[isWords ? "words" : "characters"]);
  const texts = [utterance.reference, utterance.audio_filepath, utterance.speaker, ...Object.values(utterance.labels), ...utterance.systems.map((result) => result.hypothesis)];
  return {
    ...utterance,
    position,
    counts,
    errors: counts.map(errorsOf),
    rates: counts.map(rateOf),
    change: isPair ? errorsOf(counts[1]) - errorsOf(counts[0]) : 0,
    searched: texts.filter(Boolean).join("\n").toLowerCase(),
  };
});

const last = systems.length - 1; // errors are those of the newer system, where there are two
const SORTS = {
  "most errors": (a, b) => b.errors[last] - a.errors[last] || b.rates[last] - a.rates[last],
  "highest rate": (a, b) => b.rates[last] - a.rates[last],
  "order of the manifest": (a, b) => a.position - b.position,
  "longest audio": (a, b) => (b.duration_s ?? 0) - (a.duration_s ?? 0),
};
const FILTERS = {
  all: () => true,
  "with errors": (utterance) => utterance.errors[last] > 0,
  "without errors": (utterance) => utterance.errors[last] === 0,
  "with insertions": (utterance) => utterance.counts[last].insertions > 0,
  "with deletions": (utterance) => utterance.counts[last].deletions > 0,
  "nothing recognized": (utterance) => utterance.systems[last].hypothesis.trim() === "",
};
if (isPair) {
  SORTS["largest difference"] = (a, b) => Math.abs(b.change) - Math.abs(a.change);
  FILTERS[`${systems[1].name} is better`] = (utterance) => utterance.change < 0;
  FILTERS[`${systems[1].name} is worse`] = (utterance) => utterance.change > 0;
}

const [search, show, sort, rows, more, count, part] =
  ["search", "show", "sort", "rows", "more", "count", "part"].map((id) => document.getElementById(id));
for (const [select, choices] of [[show, FILTERS], [sort, SORTS]]) {
  select.append(...Object.keys(choices).map((name) => element("option", { value: name }, name)));
}

let found = [];

function partOf(utterance, key) {
  if (key === "duration") return utterance.duration_bin;
  return (key === "speaker" ? utterance.speaker : utterance.labels[key]) ?? report.no_label;
}

function choosePart(choice) {
  chosenPart?.button.setAttribute("aria-pressed", "false");
  chosenPart = choice;
  chosenPart?.button.setAttribute("aria-pressed", "true");
  part.hidden = choice === null;
  part.textContent = choice === null ? "" : `${choice.key}: ${choice.label} ✕`;
  part.setAttribute("aria-label", choice === null ? "" : `Show all again, not ${choice.key} ${choice.label} alone`);
  select();
}

function select() {
  const wanted = search.value.trim().toLowerCase();
  found = utterances.filter((utterance) =>
    FILTERS[show.value](utterance) && utterance.searched.includes(wanted) &&
    (chosenPart === null || partOf(utterance, chosenPart.key) === chosenPart.label));
  found.sort((a, b) => SORTS[sort.value](a, b) || a.position - b.position);
  const errors = systems.map((_, i) => found.reduce((sum, utterance) => sum + utterance.errors[i], 0));
  const sums = errors.map((sum) => sum.toLocaleString("en")).join(" / ");
  count.textContent = `${plural(found.length, "utterance")} of ${utterances.length.toLocaleString("en")}, ${isPair ? `${sums} errors` : plural(errors[0], "error")}`;
  rows.replaceChildren();
  addRows();
}

function addRows() {
  const first = rows.children.length;
  rows.append(...found.slice(first, first + ROWS_AT_ONCE).map(row));
  more.hidden = rows.children.length >= found.length;
}

function row(utterance) {
  const wrong = isPair ? `${utterance.errors.join(" / ")} errors` : plural(utterance.errors[0], "error");
  const seconds = utterance.duration_s === null ? null : `${utterance.duration_s.toFixed(1)} s`;
  const facts = [seconds, utterance.speaker === null ? null : `speaker ${utterance.speaker}`,
    ...Object.entries(utterance.labels).filter(([, value]) => value !== null).map(([key, value]) => `${key} ${value}`)];
  const item = element("li", {}, element("div", { class: "facts" },
    element("b", { class: "num" }, `${wrong} in ${plural(utterance.counts[0].num_reference, report.unit)}`),
    element("span", { class: "num" }, utterance.rates.map((rate) => percent(rate, 0)).join(" / ")),
    element("span", { class: "name" }, utterance.audio_filepath),
    ...facts.filter(Boolean).map((fact) => element("span", { class: "num", dir: "auto" }, fact))));
  utterance.systems.forEach((result, i) => {
    if (isPair) item.append(element("p", { class: "who" }, mark(i), ` ${systems[i].name}`));
    item.append(diff(result.alignment));
  });
  const source = report.audio_sources[utterance.position];
  if (source) {
    item.append(element("audio", { controls: "", preload: "none", src: source, "aria-label": `Audio of ${utterance.audio_filepath}` }));
  }
  item.append(wholeTexts(utterance));
  return item;
}

function diff(alignment) {
  const line = element("p", { class: "diff", dir: "auto" });
  for (const [i, edit] of alignment.entries()) {
    if (i && isWords) line.append(" ");
    if (edit.equal !== undefined) {
      line.append(edit.equal);
      continue;
    }
    const sides = [];
    if (edit.reference !== undefined) sides.push(element("del", {}, visible(edit.reference)));
    if (edit.hypothesis !== undefined) sides.push(element("ins", {}, visible(edit.hypothesis)));
    line.append(sides.length === 2 ? element("span", { class: "pair" }, ...sides) : sides[0]);
  }
  if (!alignment.length) line.append("(nothing said, nothing recognized)");
  return line;
}

// A space that is wrong, in characters, has to be seen.
const visible = (text) => (text === " " ? "␣" : text);

function wholeTexts(utterance) {
  const list = element("dl", {}, element("dt", {}, "said"), element("dd", { dir: "auto" }, utterance.reference));
  utterance.systems.forEach((result, i) => {
    list.append(element("dt", {}, isPair ? systems[i].name : "recognized"), element("dd", { dir: "auto" }, result.hypothesis));
  });
  return element("details", {}, element("summary", {}, "Texts as they are"), list);
}

let waiting;
search.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(select, 150);
});
document.querySelector("form.tools").addEventListener("submit", (event) => event.preventDefault());
show.addEventListener("change", select);
sort.addEventListener("change", select);
part.addEventListener("click", () => choosePart(null));
more.addEventListener("click", () => {
  const first = rows.children.length;
  addRows();
  const next = rows.children[first];
  next?.setAttribute("tabindex", "-1");
  next?.focus(); // the reader goes on where the new rows start
});
new IntersectionObserver((entries) => {
  if (entries.some((entry) => entry.isIntersecting) && !more.hidden) addRows();
}, { rootMargin: "600px" }).observe(more);
select();
