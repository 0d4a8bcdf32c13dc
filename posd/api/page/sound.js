// One sound per result, made here: no files. Soft attack, about -18 dB, never the only signal.

const LEVEL = 0.125;
const ATTACK_S = 0.008;
const RELEASE_S = 0.03;

/** Notes: [frequency in Hz, start in ms, length in ms, level]. */
export const SOUNDS = {
  found: [[660, 0, 90], [880, 110, 90]],
  done: [[660, 0, 90], [880, 110, 90], [1109, 220, 160]],
  done_offline: [[660, 0, 90], [880, 110, 90], [440, 220, 120, 0.6]],
  refused: [[440, 0, 160], [294, 180, 220]],
  error: [[220, 0, 120], [220, 210, 120]],
  super: [[523, 0, 80], [523, 160, 80], [523, 320, 80]],
};

export class Sound {
  #context = null;
  #last = null;

  /** A browser keeps silent until the first key or touch. */
  wake() {
    this.#context ??= new AudioContext();
    if (this.#context.state === "suspended") this.#context.resume();
  }

  /** Play the view's signal once per number; a page that has just come stays silent about what is past. */
  signal(signal) {
    const n = signal?.n ?? 0;
    const fresh = this.#last !== null && n !== this.#last;
    this.#last = n;
    if (fresh && signal && SOUNDS[signal.tone]) this.#play(SOUNDS[signal.tone]);
    return fresh;
  }

  #play(notes) {
    this.wake();
    const now = this.#context.currentTime;
    for (const [frequency, start, length, level = 1] of notes) {
      this.#note(frequency, now + start / 1000, length / 1000, LEVEL * level);
    }
  }

  #note(frequency, at, length, level) {
    const tone = new OscillatorNode(this.#context, { type: "sine", frequency });
    const gain = new GainNode(this.#context, { gain: 0 });
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(level, at + ATTACK_S);
    gain.gain.setValueAtTime(level, at + length - RELEASE_S);
    gain.gain.linearRampToValueAtTime(0, at + length);
    tone.connect(gain).connect(this.#context.destination);
    tone.start(at);
    tone.stop(at + length);
  }
}
