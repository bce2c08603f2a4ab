// Records the microphone: samples go to the live socket, and stay here as a wav file.

const COMMIT_TIMEOUT_MS = 15000;

export class Microphone {
  constructor(options, listeners) {
    this.options = options;
    this.listeners = listeners;
    this.blocks = [];
    this.numSamples = 0;
    this.ended = new Promise((resolve, reject) => { this.end = { resolve, reject }; });
  }

  // Returns the recording, as a file, when it is stopped; nothing when it is cancelled.
  async record() {
    try {
      await this.#open();
    } catch (error) {
      this.#close();
      const isRefused = error.name === "NotAllowedError" || error.name === "NotFoundError";
      throw new Error(isRefused ? "The browser gives no microphone to this page." : error.message);
    }
    try {
      return await this.ended;
    } finally {
      this.#close();
    }
  }

  async stop() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.node?.port.postMessage("flush");
    await new Promise((resolve) => { setTimeout(resolve, 100); }); // the last block is on its way
    if (this.socket?.readyState === WebSocket.OPEN) {
      const answered = new Promise((resolve) => { this.committed = resolve; });
      this.socket.send(JSON.stringify({ type: "input_audio_buffer.commit" }));
      const late = new Promise((resolve) => { setTimeout(resolve, COMMIT_TIMEOUT_MS); });
      await Promise.race([answered, late]);
    }
    this.end.resolve(this.numSamples ? this.#toFile() : null);
  }

  cancel() {
    this.end.resolve(null);
  }

  async #open() {
    if (!navigator.mediaDevices) {
      throw new Error("Browsers record on https pages and on localhost alone.");
    }
    this.stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
    this.context = new AudioContext();
    await this.context.audioWorklet.addModule("/page/recorder.js");
    await this.#connect();
    this.node = new AudioWorkletNode(this.context, "recorder");
    this.node.port.onmessage = (event) => this.#take(event.data);
    const source = this.context.createMediaStreamSource(this.stream);
    const silence = new GainNode(this.context, { gain: 0 }); // heard by nobody, but it runs
    source.connect(this.node).connect(silence).connect(this.context.destination);
    await this.context.resume();
  }

  #connect() {
    const query = new URLSearchParams({ rate: this.context.sampleRate, model: this.options.model });
    const address = `${location.origin.replace(/^http/, "ws")}/v1/realtime?${query}`;
    const key = this.options.key ? [`openai-insecure-api-key.${this.options.key}`] : [];
    this.socket = new WebSocket(address, ["realtime", ...key]);
    return new Promise((resolve, reject) => {
      this.socket.onopen = resolve;
      this.socket.onerror = () => reject(new Error("The server takes no live audio now."));
      this.socket.onclose = () => this.committed?.();
      this.socket.onmessage = (message) => {
        const event = JSON.parse(message.data);
        if (event.type === "error") this.end.reject(new Error(event.error.message));
        else if (event.type === "input_audio_buffer.committed") this.committed?.();
        else if (event.type.endsWith(".completed") || event.type === "transcript.partial") {
          this.listeners.onText(event);
        }
      };
    });
  }

  #take(samples) {
    this.blocks.push(samples);
    this.numSamples += samples.length;
    this.listeners.onTime(this.numSamples / this.context.sampleRate);
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(samples.buffer);
  }

  #toFile() {
    const rate = this.context.sampleRate;
    const numBytes = this.numSamples * 2;
    const head = new DataView(new ArrayBuffer(44));
    const write = (at, text) => [...text].forEach((c, i) => head.setUint8(at + i, c.charCodeAt(0)));
    write(0, "RIFF");
    head.setUint32(4, 36 + numBytes, true);
    write(8, "WAVEfmt ");
    head.setUint32(16, 16, true);
    head.setUint16(20, 1, true); // PCM
    head.setUint16(22, 1, true); // channels
    head.setUint32(24, rate, true);
    head.setUint32(28, rate * 2, true);
    head.setUint16(32, 2, true);
    head.setUint16(34, 16, true);
    write(36, "data");
    head.setUint32(40, numBytes, true);
    return new File([head, ...this.blocks], "recording.wav", { type: "audio/wav" });
  }

  #close() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.context?.close();
    this.socket?.close();
  }
}
