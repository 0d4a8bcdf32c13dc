// A payment card was presented. Nothing of it was kept, and the sale goes on.

import { el, icon } from "../dom.js";
import { callCode, ESC_BACK, steps, strong, verdict } from "../parts.js";

export function draw(s) {
  return [
    verdict("stop", icon("bank", "sign"), s.speech.say("bank.title"), [strong(s.speech.say("bank.kept"))]),
    el("section", { class: "work" }, steps(s, [{ words: "bank.back" }, { words: "bank.ask" }, { words: "bank.phone", key: "F2" }]), callCode(s, s.view.notice?.code)),
  ];
}

export function keys() {
  return [
    ESC_BACK,
    { cap: "F2", words: ["button.phone"], send: { do: "find_start" } },
    { cap: "F9", words: ["button.skip_card"], send: { do: "skip" } },
    { cap: "F12", words: ["button.next_card"], go: true, send: { do: "back" } },
  ];
}

export function spoken(s) {
  return `${s.speech.text("bank.title")}. ${s.speech.text("bank.kept")}`;
}

export const takesAmount = true;
