// The recording as bars; a slider for eyes, mouse, and keys.

const BAR = 3; // of the screen's points, with the gap
const STEP_S = 2;

export class Waveform {
  constructor(canvas, onSeek) {
    this.canvas = canvas;
    this.onSeek = onSeek;
    this.peaks = [];
    this.spans = [];
    this.duration = 0;
    this.position = 0;
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    canvas.addEventListener("pointerdown", (event) => this.#seekTo(event));
    canvas.addEventListener("pointermove", (event) => { if (event.buttons) this.#seekTo(event); });
    canvas.addEventListener("keydown", (event) => this.#handleKey(event));
  }

  // Spans are [start, end, number of the speaker], in order of time.
  show(peaks, duration, spans) {
    Object.assign(this, { peaks, duration, spans, position: 0 });
    this.canvas.setAttribute("aria-valuemax", duration.toFixed(1));
    this.move(0);
  }

  move(position) {
    this.position = position;
    this.canvas.setAttribute("aria-valuenow", position.toFixed(1));
    this.canvas.setAttribute("aria-valuetext", `${position.toFixed(1)} of ${this.duration.toFixed(1)} seconds`);
    this.draw();
  }

  draw() {
    const { canvas } = this;
    const scale = devicePixelRatio || 1;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    if (!width || !this.peaks.length) return;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(name);
    const numBars = Math.floor(width / BAR);
    const loudest = Math.max(...this.peaks, 0.01);
    let span = 0;
    for (let bar = 0; bar < numBars; bar += 1) {
      const from = Math.floor((bar / numBars) * this.peaks.length);
      const to = Math.max(from + 1, Math.floor(((bar + 1) / numBars) * this.peaks.length));
      const peak = Math.max(...this.peaks.slice(from, to)) / loudest;
      const time = (bar / numBars) * this.duration;
      while (span < this.spans.length && this.spans[span][1] < time) span += 1;
      const isSpoken = span < this.spans.length && this.spans[span][0] <= time;
      if (isSpoken) pen.fillStyle = colour(`--speaker-${this.spans[span][2] % 6}`);
      else pen.fillStyle = colour("--bar");
      pen.globalAlpha = time <= this.position ? 1 : 0.45;
      const size = Math.max(2, peak * (height - 12));
      pen.fillRect(bar * BAR, (height - size) / 2, BAR - 1, size);
    }
    pen.globalAlpha = 1;
    pen.fillStyle = colour("--text");
    pen.fillRect(Math.min(width - 2, (this.position / this.duration) * width), 0, 2, height);
  }

  #seekTo(event) {
    const box = this.canvas.getBoundingClientRect();
    const share = Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
    this.onSeek(share * this.duration);
  }

  #handleKey(event) {
    const places = {
      ArrowLeft: this.position - STEP_S,
      ArrowDown: this.position - STEP_S,
      ArrowRight: this.position + STEP_S,
      ArrowUp: this.position + STEP_S,
      Home: 0,
      End: this.duration,
    };
    if (!(event.key in places)) return;
    event.preventDefault();
    this.onSeek(Math.max(0, Math.min(this.duration, places[event.key])));
  }
}
