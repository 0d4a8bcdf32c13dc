// A member without a card: by phone number.

import { el, icon } from "../dom.js";
import { ESC_BACK, strong, verdict } from "../parts.js";
import { phoneField, phonePad } from "./enrol.js";

export function draw(s) {
  const { problem } = s.view.find;
  const lines = [strong(problem && s.speech.tell(problem)), s.speech.say("find.hint")];
  return [
    verdict("new", icon("phone", "sign"), s.speech.say("find.title"), lines),
    el("section", { class: "work" }, el("div", { class: "split" }, el("div", { class: "form" }, phoneField(s)), phonePad(s))),
  ];
}

export function keys(s) {
  const find = { cap: "F12", words: ["button.find"], go: true, send: { do: "find", phone: s.person.phone } };
  return [
    ESC_BACK,
    { cap: "F3", words: ["button.enrol"], send: { do: "enrol_start" } },
    { cap: "F9", words: ["button.skip_card"], send: { do: "skip" } },
    s.person.enough ? find : { cap: "F12", words: ["button.type_phone"], go: true },
  ];
}

export function spoken(s) {
  const { problem } = s.view.find;
  return problem ? s.speech.tell(problem).textContent : s.speech.text("find.title");
}

export const takesPerson = "phone";
