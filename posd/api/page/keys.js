// The keyboard: which key a press is, what the browser must not do with it, and when Enter counts.

import { foldDigits } from "./numbers.js";

export const ENTER_PAUSE_MS = 300;
const BURST_GAP_MS = 30;
const BURST_KEYS = 6;

const NAMED = { Escape: "Esc", Enter: "Enter", Backspace: "Backspace", Delete: "Delete", Tab: "Tab", PageUp: "PgUp", PageDown: "PgDn" };
const HELP = new Set(["?", "؟"]);
const DECIMAL = new Set([".", "٫", "/"]);

/** A key press as `{cap}` (named as on the keyboard) or `{character}`; null when it is not ours (Ctrl+C, F11, Shift). */
export function keyOf(event) {
  const altGraph = event.getModifierState("AltGraph");
  if ((event.ctrlKey || event.altKey || event.metaKey) && !altGraph) return null;
  if (/^F([1-9]|10|12)$/.test(event.key)) return { cap: event.key };
  if (NAMED[event.key]) return { cap: NAMED[event.key] };
  if (HELP.has(event.key)) return { cap: "F1" };
  if ([...event.key].length !== 1) return null;
  return { character: foldDigits(event.key) };
}

/** The digit or decimal mark in a typed character, else null. */
export function figure(character) {
  if (/^[0-9]$/.test(character)) return character;
  return DECIMAL.has(character) ? "." : null;
}

/** Enter is the big button only after a pause: a scanner that types sends it right behind its last digit. */
export class Pace {
  #last = -Infinity;
  #burst = 0;

  /** Note a key press at `now` (ms). For Enter the answer says whether it counts: "press", "hasty" or "scanner". */
  note(key, now) {
    const gap = now - this.#last;
    this.#last = now;
    const before = this.#burst;
    this.#burst = gap < BURST_GAP_MS ? this.#burst + 1 : 0;
    if (key.cap !== "Enter" || gap >= ENTER_PAUSE_MS) return "press";
    return before >= BURST_KEYS ? "scanner" : "hasty";
  }
}
