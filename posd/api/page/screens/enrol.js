// A new member in one screen: digits go to the number, letters to the name, wherever one is.

import { cap, el, icon } from "../dom.js";
import { groupPhone } from "../entry.js";
import { caret, ESC_BACK, pad, strong, verdict } from "../parts.js";

const NUMBERS_BEGIN = { IRR: "09", IQD: "07", AED: "05", SAR: "05" };
const MEDIA = new Set(["magstripe", "barcode", "chip"]);

export function draw(s) {
  const { enrol } = s.view;
  return [
    verdict("new", icon("join", "sign"), s.speech.say(enrol.card ? "enrol.title" : "enrol.title.no_card"), [strong(problem(s, enrol)), about(s, enrol), strong(gift(s, enrol))]),
    el("section", { class: "work" }, el("div", { class: "split" },
      el("div", { class: "form" }, phoneField(s), nameField(s), consent(s), enrol.card ? link(s) : null),
      phonePad(s))),
  ];
}

const problem = (s, enrol) => enrol.problem && s.speech.tell(enrol.problem);

function about(s, enrol) {
  if (!enrol.card) return s.speech.say("enrol.how");
  const words = `enrol.card.${MEDIA.has(enrol.medium) ? enrol.medium : "chip"}`;
  return s.speech.say(words, { tail: `****${enrol.tail}` });
}

function gift(s, enrol) {
  const [first] = Object.entries(enrol.gift ?? {});
  return first && s.speech.say("enrol.gift", { earned: { unit: first[0], amount: first[1] } });
}

/** The number as it is typed; find uses it too. */
export function phoneField(s) {
  const { person } = s;
  const state = person.enough ? el("span", { class: "ok" }, icon("check"), " ", s.speech.say("field.complete")) : el("span");
  return el("div", { class: `field ${person.here === "phone" ? "here" : ""}`, onclick: () => s.goToField("phone") },
    el("span", { class: "l" }, el("span", {}, s.speech.say("field.phone")), state),
    el("div", { class: "f" }, s.speech.digits(groupPhone(person.phone)), person.here === "phone" && caret()));
}

function nameField(s) {
  const { person } = s;
  return el("div", { class: `field ${person.here === "name" ? "here" : ""}`, onclick: () => s.goToField("name") },
    el("span", { class: "l" }, el("span", {}, s.speech.say("field.name")), el("span", {}, s.speech.say("field.optional"))),
    el("div", { class: "f" }, el("bdi", {}, person.name), person.here === "name" && caret()));
}

function check(s, key, on, words, toggle) {
  return el("button", { type: "button", class: "check", "aria-pressed": String(on), onclick: toggle },
    cap(key), el("span", { class: "box" }, on && icon("check")), el("span", {}, s.speech.say(words)));
}

const consent = (s) => check(s, "F6", s.person.consent, "field.consent", s.toggleConsent);
const link = (s) => check(s, "F2", s.person.link, "field.link", s.toggleLink);

/** The pad of a phone number: its soft key types how numbers begin here. */
export function phonePad(s) {
  const start = NUMBERS_BEGIN[s.view.money.unit] ?? "+";
  return pad(s, { types: start, shown: s.speech.digits(start) }, { press: s.typePerson, erase: s.erasePerson });
}

export function keys(s) {
  const { phone, name, consent: agreed, link: old } = s.person;
  const join = { do: "enrol", phone, name: name.trim(), consent: agreed, link: old };
  const words = old ? "button.link" : "button.join";
  return [
    ESC_BACK,
    { cap: "F9", words: ["button.skip_join"], send: { do: "skip" } },
    s.person.enough ? { cap: "F12", words: [words], go: true, send: join } : { cap: "F12", words: ["button.type_phone"], go: true },
  ];
}

export function spoken(s) {
  const { enrol } = s.view;
  return enrol.problem ? s.speech.tell(enrol.problem).textContent : s.speech.text(enrol.card ? "enrol.title" : "enrol.title.no_card");
}

/** Keys of this screen that change only what is being typed. */
export const local = { F6: "toggleConsent", F2: "toggleLink", Tab: "switchField" };
export const takesPerson = "both";
