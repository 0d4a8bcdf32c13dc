// Pieces that several screens share. All take `s`, the situation: view, speech, what is being typed, and `send`.

import { cap, el, icon } from "./dom.js";

const UNIT_ICONS = { PTS: "star", CREDIT: "purse" };
const LONG_FIGURE = 9;

export function unitIcon(unit) {
  return icon(UNIT_ICONS[unit] ?? "star");
}

/** "Points", "Credit"; an owner's own unit by its code. */
export function unitName(s, unit, prefix = "balance") {
  for (const key of [`${prefix}.${unit}`, `balance.${unit}`]) if (s.speech.has(key)) return s.speech.text(key);
  return unit;
}

/** Verdict panel: one colour, one icon, one word; then lines, of which `strong` ones stand out. */
export function verdict(tone, sign, heading, lines, more = []) {
  const paragraphs = lines.filter(Boolean).map((line) => el("p", {}, line));
  return el("section", { class: `panel verdict ${tone}` }, sign, el("h1", {}, heading), paragraphs, more);
}

export function strong(nodes) {
  return nodes && el("b", {}, nodes);
}

/** Amounts by unit as a list, points first; nothing that is zero. */
export function amountsOf(byUnit) {
  const list = Object.entries(byUnit).map(([unit, amount]) => ({ unit, amount }));
  return list.filter(({ amount }) => amount !== 0).sort((one, other) => (other.unit === "PTS") - (one.unit === "PTS"));
}

/** What is earned: with a plus where the language sets signs before numbers. */
export function gained(s, quantity) {
  return el("span", {}, s.speech.direction === "ltr" && "+", s.speech.quantity(quantity));
}

/** Three things to do. Each: key of the words; `key.why` stands under it; `key` of the keyboard where there is one. */
export function steps(s, list) {
  const step = ({ words, why, key }, i) =>
    el("li", { class: "card" },
      el("span", { class: "num" }, s.speech.number(i + 1)),
      el("span", {}, el("b", {}, s.speech.say(words)), el("span", { class: "why" }, why ?? s.speech.say(`${words}.why`))),
      key ? cap(key) : el("span"));
  return [el("h2", { class: "h" }, s.speech.say("todo.title")), el("ol", { class: "steps" }, list.map(step))];
}

/** The code that is read out on the phone. */
export function callCode(s, code) {
  if (!code) return null;
  return el("div", { class: "code" }, el("span", {}, s.speech.say("code.call")), el("bdi", { dir: "ltr", class: "id" }, code));
}

export function caret() {
  return el("span", { class: "caret" });
}

/** A balance: its name, its figure, and below what the caller says of it. */
export function balance(s, { unit, amount }, label, more = null) {
  const figure = unit === "CREDIT" ? s.speech.price(amount) : s.speech.number(amount);
  const long = figure.querySelector(".n")?.textContent.length ?? figure.textContent.length;
  return el("div", { class: `bal ${long > LONG_FIGURE ? "long" : ""}` },
    el("span", { class: "l" }, unitIcon(unit), el("span", {}, label)), el("span", { class: "f" }, figure), more);
}

/** Number pad. `press(character)` gets a digit or what the soft key types; `erase()` the other soft key. */
export function pad(s, soft, { press, erase }) {
  const digit = (n) => el("button", { type: "button", onclick: () => press(n) }, s.speech.digits(n));
  return el("div", { class: "pad" }, [..."123456789"].map(digit),
    el("button", { type: "button", class: "soft", "aria-label": s.speech.text("button.delete"), onclick: erase }, icon("del")),
    digit("0"),
    el("button", { type: "button", class: "soft", onclick: () => press(soft.types) }, soft.shown));
}

/** The pad beside an amount. */
export function amountPad(s) {
  return pad(s, { types: "000", shown: s.speech.say("button.thousand") }, { press: s.typeAmount, erase: s.eraseAmount });
}

export function padKey(s) {
  return el("button", { type: "button", class: "padkey", "aria-pressed": String(s.padOpen), "aria-label": s.speech.text("button.pad"), onclick: s.togglePad }, icon("kb"));
}

/** The three ways to present a card. */
export function ways() {
  return el("ul", { class: "ways", "aria-hidden": "true" }, ["swipe", "scan", "tap"].map((name) => el("li", {}, icon(name))));
}

/** The key that always leads back. */
export const ESC_BACK = { cap: "Esc", words: ["button.back"], send: { do: "back" } };
