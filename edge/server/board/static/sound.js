// Bursts of pulses after IEC 60601-1-8, tables 3 and 4 (general bursts, no melody): ten pulses for high priority, three
// for medium, two for low, each with harmonics and soft edges. Silent until a person allows it: browsers ask for that,
// and so does a ward at night.

const PULSE_S = { Hi: 0.15, Me: 0.2, Lo: 0.2 };
const SPACE_S = { Hi: 0.1, Me: 0.2, Lo: 0.2 }; // x and y of the table: from the end of a pulse to the next
const LONG_S = 2 * SPACE_S.Hi + PULSE_S.Hi; // in a burst of high priority, after the 3rd and the 8th pulse
const HALF_S = 0.6; // between its two halves
export const REPEAT_S = { Hi: 6, Me: 12, Lo: 30 }; // from the begin of a burst to the next
const FUNDAMENTAL_HZ = { Hi: 660, Me: 523, Lo: 440 };
const HARMONICS = [0, 1, 0.7, 0.6, 0.5, 0.4, 0.3];
const EDGE_S = 0.025;
const ORDER = ["Hi", "Me", "Lo"];

// When each pulse of a burst begins and how long it lasts, seconds. Pure.
export function pulses(priority) {
  const count = { Hi: 10, Me: 3, Lo: 2 }[priority];
  const found = [];
  let start = 0;
  for (let number = 1; number <= count; number += 1) {
    found.push({ start, duration: PULSE_S[priority] });
    let space = SPACE_S[priority];
    if (priority === "Hi") space = { 3: LONG_S, 5: HALF_S, 8: LONG_S }[number] ?? space;
    start += PULSE_S[priority] + space;
  }
  return found;
}

// The most urgent of several; null if there is none.
export function mostUrgent(priorities) {
  return ORDER.find((each) => priorities.includes(each)) ?? null;
}

export class Sounder {
  #context = null;
  #wave = null;
  #last = { priority: null, at: -Infinity };
  isOn = false;

  // To be called from a person's click. False: this browser lets nothing be heard.
  async allow() {
    this.#context ??= new AudioContext();
    await this.#context.resume();
    this.#wave ??= this.#context.createPeriodicWave(new Float32Array(HARMONICS.length), Float32Array.from(HARMONICS));
    this.isOn = this.#context.state === "running";
    if (this.isOn) this.#play("Lo");
    return this.isOn;
  }

  forbid() {
    this.isOn = false;
  }

  get isBroken() {
    return this.isOn && this.#context.state !== "running";
  }

  // What should be heard now; to be called every second.
  keep(priority) {
    const now = performance.now() / 1000;
    if (!priority) this.#last = { priority: null, at: -Infinity };
    if (!this.isOn || !priority) return;
    const isMore = this.#last.priority && ORDER.indexOf(priority) < ORDER.indexOf(this.#last.priority);
    if (isMore || now - this.#last.at >= REPEAT_S[priority]) {
      this.#last = { priority, at: now };
      this.#play(priority);
    }
  }

  #play(priority) {
    const begin = this.#context.currentTime + 0.05;
    for (const { start, duration } of pulses(priority)) {
      const tone = new OscillatorNode(this.#context, { frequency: FUNDAMENTAL_HZ[priority], periodicWave: this.#wave });
      const level = new GainNode(this.#context, { gain: 0 });
      const at = begin + start;
      level.gain.setValueAtTime(0, at);
      level.gain.linearRampToValueAtTime(0.25, at + EDGE_S);
      level.gain.setValueAtTime(0.25, at + duration - EDGE_S);
      level.gain.linearRampToValueAtTime(0, at + duration);
      tone.connect(level).connect(this.#context.destination);
      tone.start(at);
      tone.stop(at + duration);
    }
  }
}
