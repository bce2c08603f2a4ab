// A result: the words, the waveform and the sound, which follow each other.
import { Waveform } from "./waveform.js";

const LOW = 0.5;
const MEDIUM = 0.8;
const NUM_COLOURS = 6;

const find = (id) => document.getElementById(id);

function clock(value) {
  return `${Math.floor(value / 60)}:${(value % 60).toFixed(1).padStart(4, "0")}`;
}

export class Player {
  constructor() {
    this.words = [];
    this.buttons = [];
    this.now = -1;
    this.duration = 0;
    this.audio = find("audio");
    this.waveform = new Waveform(find("waveform"), (time) => this.#seek(time));
    this.audio.addEventListener("play", () => this.#showPlaying());
    this.audio.addEventListener("pause", () => this.#showPlaying());
    this.audio.addEventListener("seeked", () => this.#follow());
    this.audio.addEventListener("error", () => this.#showPlayable(false));
    this.audio.addEventListener("loadedmetadata", () => this.#showPlayable(true));
    find("play").addEventListener("click", () => this.#toggle());
    find("words").addEventListener("click", (event) => this.#choose(event.target.closest(".word")));
    find("words").addEventListener("keydown", (event) => this.#handleKey(event));
    document.addEventListener("keydown", (event) => this.#handleSpace(event));
  }

  show(file, result) {
    this.words = result.words;
    this.duration = result.duration;
    this.now = -1;
    this.time = 0;
    if (this.audio.src) URL.revokeObjectURL(this.audio.src);
    this.audio.src = URL.createObjectURL(file);
    const told = new Set(result.words.map((word) => word.speaker).filter(Boolean));
    const speakers = told.size > 1 ? [...told] : []; // one speaker is no news
    this.#showWords(result.segments, speakers);
    this.#showLegend(speakers);
    const numberOf = (word) => Math.max(0, speakers.indexOf(word.speaker));
    const spans = result.words.map((word) => [word.start, word.end, numberOf(word)]);
    this.waveform.show(result.peaks, result.duration, spans);
    const percent = Math.round(result.confidence * 100);
    find("mean").textContent = this.words.length ? `mean confidence ${percent} %` : "";
    this.#follow();
  }

  stop() {
    this.audio.pause();
  }

  #showWords(segments, speakers) {
    this.buttons = [];
    const lines = [];
    for (const [start, , numWords] of segments) {
      const line = document.createElement("p");
      line.dir = "auto";
      const time = document.createElement("span");
      time.className = "time";
      time.textContent = clock(start);
      line.append(time);
      for (let i = 0; i < numWords; i += 1) line.append(this.#makeWord(speakers), " ");
      lines.push(line);
    }
    if (!lines.length) {
      const line = document.createElement("p");
      line.textContent = "No speech was recognized.";
      lines.push(line);
    }
    find("words").replaceChildren(...lines);
  }

  #makeWord(speakers) {
    const number = this.buttons.length;
    const word = this.words[number];
    const element = document.createElement("span");
    element.className = "word";
    element.textContent = word.word;
    element.setAttribute("role", "button");
    element.tabIndex = number ? -1 : 0; // arrow keys move on from there
    const percent = Math.round(word.confidence * 100);
    element.title = `${percent} % sure, ${clock(word.start)}${word.speaker ? `, ${word.speaker}` : ""}`;
    if (word.confidence < LOW) element.classList.add("low");
    else if (word.confidence < MEDIUM) element.classList.add("medium");
    const speaker = speakers.indexOf(word.speaker);
    if (speaker >= 0) element.classList.add(`speaker-${speaker % NUM_COLOURS}`);
    this.buttons.push(element);
    return element;
  }

  #showLegend(speakers) {
    find("legend").hidden = !speakers.length;
    find("legend").replaceChildren(
      ...speakers.map((speaker, number) => {
        const entry = document.createElement("li");
        entry.className = `speaker-${number % NUM_COLOURS}`;
        entry.textContent = `● ${speaker}`;
        return entry;
      }),
    );
  }

  #choose(element) {
    const number = this.buttons.indexOf(element);
    if (number < 0) return;
    this.#focus(number);
    this.#seek(this.words[number].start);
    this.audio.play().catch(() => this.#showPlayable(false));
  }

  #focus(number) {
    this.buttons.forEach((button) => { button.tabIndex = -1; });
    this.buttons[number].tabIndex = 0;
    this.buttons[number].focus();
  }

  #handleKey(event) {
    const number = this.buttons.indexOf(event.target);
    if (number < 0) return;
    if (event.key === "Enter") {
      this.#choose(event.target);
      return;
    }
    const isRightToLeft = getComputedStyle(event.target.parentElement).direction === "rtl"
      || event.target.parentElement.matches(":dir(rtl)");
    const steps = { ArrowRight: isRightToLeft ? -1 : 1, ArrowLeft: isRightToLeft ? 1 : -1 };
    const places = { Home: 0, End: this.buttons.length - 1 };
    const place = event.key in steps ? number + steps[event.key] : places[event.key];
    if (place === undefined || place < 0 || place >= this.buttons.length) return;
    event.preventDefault();
    this.#focus(place);
  }

  #handleSpace(event) {
    const isElsewhere = event.target.closest("button, input, select, summary, textarea");
    if (event.key !== " " || isElsewhere || find("result").hidden) return;
    event.preventDefault();
    this.#toggle();
  }

  #toggle() {
    if (this.audio.paused) this.audio.play().catch(() => this.#showPlayable(false));
    else this.audio.pause();
  }

  #seek(time) {
    this.time = time;
    this.audio.currentTime = time;
    this.#follow();
  }

  #showPlayable(isPlayable) {
    find("play").disabled = !isPlayable;
    find("unplayable").hidden = isPlayable;
  }

  #showPlaying() {
    find("play").textContent = this.audio.paused ? "Play" : "Pause";
    if (!this.audio.paused) this.#tick();
  }

  #tick() {
    this.#follow();
    if (!this.audio.paused) requestAnimationFrame(() => this.#tick());
  }

  // Show where the sound is.
  #follow() {
    const canTell = this.audio.readyState > 0;
    const time = canTell ? this.audio.currentTime : this.time;
    this.waveform.move(Math.min(time, this.duration));
    find("clock").textContent = `${clock(time)} of ${clock(this.duration)}`;
    const now = this.#wordAt(time);
    if (now === this.now) return;
    this.buttons[this.now]?.classList.remove("now");
    this.buttons[now]?.classList.add("now");
    if (!this.audio.paused) this.buttons[now]?.scrollIntoView({ block: "nearest" });
    this.now = now;
  }

  // The last word that has begun, as long as it lasts; -1 between words.
  #wordAt(time) {
    let low = 0;
    let high = this.words.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.words[middle].start <= time) low = middle + 1;
      else high = middle;
    }
    return low && time < this.words[low - 1].end ? low - 1 : -1;
  }
}
