// Runs where the browser's audio runs: joins its short blocks and makes 16-bit samples of them.

const BLOCK_S = 0.1;

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Int16Array(Math.round(sampleRate * BLOCK_S));
    this.length = 0;
    this.port.onmessage = () => this.send();
  }

  process([input]) {
    for (const value of input[0] ?? []) {
      const clipped = Math.max(-1, Math.min(1, value));
      this.block[this.length] = Math.round(clipped * 32767);
      this.length += 1;
      if (this.length === this.block.length) this.send();
    }
    return true;
  }

  send() {
    if (!this.length) return;
    this.port.postMessage(this.block.slice(0, this.length));
    this.length = 0;
  }
}

registerProcessor("recorder", Recorder);
