// Pieces of 16-bit sound, one behind the other: each is played where its first sample belongs, a little later than it
// came, so that a piece may be late. What is missing is silent; nothing is played twice or nearer together than it was.

const AHEAD_S = 0.4; // from what is played to the first piece that came
const MOST_AHEAD_S = 3; // more has piled up behind a slow network: begin anew
const LOWEST_HZ = 8000; // that every browser takes
const FADE_S = 0.008; // where silence begins or ends, so that it does not click

// (N,) samples from -1 to 1 of base64; twice as many where the rate is too low for a browser.
export function decode(pcm, rateHz) {
  const bytes = Uint8Array.from(atob(pcm), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const samples = Float32Array.from({ length: bytes.length / 2 }, (_, n) => view.getInt16(2 * n, true) / 32768);
  if (rateHz >= LOWEST_HZ) return samples;
  return Float32Array.from({ length: 2 * samples.length }, (_, n) => (n % 2 ? (samples[(n - 1) / 2] + samples[Math.min((n + 1) / 2, samples.length - 1)]) / 2 : samples[n / 2]));
}

// Let the samples beside each silent stretch fall to nothing.
export function fade(samples, silent, count) {
  const scale = samples.length / count;
  for (const { from, to } of silent) {
    for (let n = 0; n < count * scale; n += 1) {
      const away = n < from * scale ? from * scale - n : n >= to * scale ? n - to * scale + 1 : 0;
      const edge = fade.samples * scale;
      if (away < edge) samples[n] *= away / edge;
    }
  }
}
fade.samples = FADE_S * LOWEST_HZ;

export class PcmPlayer {
  #context = null;
  #gain = null;
  #next = null; // {index, at}: where the next piece should begin, and when that is played
  #silences = []; // {begin, end, why}, on the context's clock
  #nodes = new Set();

  // To be called from a person's press. False: this browser lets nothing be heard.
  async allow() {
    if (!this.#context) {
      this.#context = new AudioContext({ latencyHint: "playback" });
      this.#gain = new GainNode(this.#context);
      const limiter = new DynamicsCompressorNode(this.#context, { threshold: -6, knee: 0, ratio: 20, attack: 0.002, release: 0.1 }); // a knock is no louder than breath
      this.#gain.connect(limiter).connect(this.#context.destination);
    }
    await this.#context.resume();
    return this.#context.state === "running";
  }

  set volumeDb(db) {
    if (this.#gain) this.#gain.gain.value = 10 ** (db / 20);
  }

  take({ sample: { rate, first, count }, pcm, silent }) {
    const samples = decode(pcm, rate);
    fade(samples, silent, count);
    const at = this.#placed(first, rate);
    this.#next = { index: first + count, at: at + count / rate };
    for (const { from, to, why } of silent) this.#silences.push({ begin: at + from / rate, end: at + to / rate, why });
    const buffer = new AudioBuffer({ length: samples.length, numberOfChannels: 1, sampleRate: (rate * samples.length) / count });
    buffer.copyToChannel(samples, 0);
    const node = new AudioBufferSourceNode(this.#context, { buffer });
    node.connect(this.#gain);
    node.start(at);
    this.#nodes.add(node);
    node.addEventListener("ended", () => this.#nodes.delete(node));
    return samples;
  }

  // Why nothing is heard now; empty: sound is.
  get silence() {
    const now = this.#context?.currentTime ?? 0;
    this.#silences = this.#silences.filter(({ end }) => end > now);
    if (this.#silences.length && this.#silences[0].begin <= now) return this.#silences[0].why;
    return this.#next && this.#next.at <= now ? "lost" : "";
  }

  // Whether any sound came.
  get isPlaying() {
    return this.#next !== null;
  }

  stop() {
    for (const node of this.#nodes) node.stop();
    this.#nodes.clear();
    this.#next = null;
    this.#silences = [];
  }

  #placed(first, rate) {
    const now = this.#context.currentTime;
    if (this.#next) {
      const hole = (first - this.#next.index) / rate;
      const at = this.#next.at + hole;
      if (hole >= 0 && at >= now && at - now < MOST_AHEAD_S) {
        if (hole > 0) this.#silences.push({ begin: this.#next.at, end: at, why: "lost" });
        return at;
      }
      if (at - now >= MOST_AHEAD_S) this.stop();
    }
    return now + AHEAD_S;
  }
}
