// The keys. Lies over any screen and never goes to the till.

import { cap, el } from "../dom.js";

export const wide = true;

const SHEET = [
  ["Esc", "help.esc"],
  ["Enter", "help.enter"],
  ["F2", "help.phone"],
  ["F12", "help.go"],
  ["F3", "help.enrol"],
  ["F8", "help.undo"],
  ["F4", "help.refund"],
  ["F9", "help.skip"],
  ["F5", "help.first"],
  ["F10", "help.language"],
  ["F6", "help.second"],
  ["0–9", "help.digits"],
];

export function draw(s) {
  const row = ([key, words]) => el("div", { class: "card" }, cap(key), el("span", {}, s.speech.say(words)));
  const names = s.languageNames.flatMap((name, i) => [i ? s.speech.comma : "", el("bdi", {}, name)]);
  const language = el("button", { type: "button", class: "card", onclick: s.nextLanguage }, cap("F10"), el("span", {}, names));
  return [
    el("section", { class: "work" }, el("h2", { class: "h" }, s.speech.say("help.title"), " ", cap("F1"), " ", cap("?")),
      el("div", { class: "sheet" }, SHEET.map((entry) => (entry[0] === "F10" ? language : row(entry)))),
      el("p", {}, s.speech.say("help.note"))),
  ];
}

export function keys() {
  return [{ cap: "Esc", words: ["button.close"], help: true }];
}

export function spoken(s) {
  return s.speech.text("help.title");
}
