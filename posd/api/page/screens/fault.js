// The ledger takes nothing: what to do meanwhile, and whom to call.

import { el, icon } from "../dom.js";
import { callCode, steps, strong, verdict } from "../parts.js";

export function draw(s) {
  const { notice } = s.view;
  const said = notice && notice.words.key !== "till.stopped" ? s.speech.tell(notice.words, { code: notice.code }) : null;
  return [
    verdict("stop", icon("alert", "sign"), s.speech.say("fault.title"), [strong(s.speech.say("fault.now")), said, s.speech.say("fault.closes")]),
    el("section", { class: "work" }, steps(s, [{ words: "fault.keep" }, { words: "fault.call" }]), callCode(s, notice?.code ?? s.view.fault?.code)),
  ];
}

export function keys() {
  return [
    { cap: "Esc", words: ["button.clear"], send: { do: "back" } },
    { cap: "F1", words: ["button.keys"], help: true },
    { cap: "F12", words: ["button.stopped"], go: true },
  ];
}

export function spoken(s) {
  return s.speech.text("fault.title");
}
