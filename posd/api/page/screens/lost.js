// A reader is gone: selling goes on, what to push in, and the page closes by itself when the reader is back.

import { el, icon } from "../dom.js";
import { callCode, steps, strong, verdict } from "../parts.js";

export function draw(s) {
  const { lost, notice } = s.view;
  const name = el("bdi", {}, lost.name);
  return [
    verdict("warn", icon("plug", "sign"), heading(s), [strong(s.speech.say("lost.on")), s.speech.say("lost.closes")]),
    el("section", { class: "work" },
      steps(s, [{ words: "lost.plug", why: name }, { words: "lost.until", key: "F2" }, { words: "lost.call" }]),
      callCode(s, lost.code ?? notice?.code)),
  ];
}

const heading = (s) => s.speech.say(`lost.${s.view.lost.device_class}`);

export function keys() {
  return [
    { cap: "Esc", words: ["button.close"], send: { do: "back" } },
    { cap: "F2", words: ["button.phone"], send: { do: "find_start" } },
    { cap: "F12", words: ["button.keep_selling"], go: true, send: { do: "back" } },
  ];
}

export function spoken(s) {
  return heading(s).textContent;
}
