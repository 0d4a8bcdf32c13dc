// The amount and the quote: what is to be paid, what is used, what it earns, what a little more would bring.

import { el, icon } from "../dom.js";
import { amountPad, caret, ESC_BACK, gained, padKey, unitIcon, ways } from "../parts.js";
import { decimalMark, groupDigits, localDigits } from "../numbers.js";
import { memberPanel, switchKey, useKeys, useWords } from "./member.js";

export function draw(s) {
  return [s.view.member ? memberPanel(s) : noMember(s), work(s)];
}

function noMember(s) {
  return el("section", { class: "panel no-member" }, ways(), el("h1", {}, s.speech.say("no_member.title")), el("p", {}, s.speech.say("no_member.hint")));
}

function work(s) {
  const { sale } = s.view;
  const rows = el("div", { class: "card rows" }, sale ? [...useRows(s, sale), ...earnRows(s, sale)] : []);
  return el("section", { class: "work" },
    el("div", { class: "card sum" }, amountCard(s), sale ? payCard(s, sale) : el("div", { class: "pay" })),
    rows.childElementCount || s.padOpen ? el("div", { class: `mid ${s.padOpen ? "with-pad" : ""}` }, rows, s.padOpen ? amountPad(s) : null) : null,
    sale?.hints.length ? el("div", { class: "tip" }, icon("bulb"), el("span", {}, s.speech.tell(sale.hints[0]))) : null);
}

function amountCard(s) {
  const minor = s.typed.minor(s.view.money) ?? 0;
  const shown = typedFigure(s);
  const words = s.speech.inWords(minor);
  return el("div", {}, el("span", { class: "l" }, s.speech.say("amount.label")),
    el("div", { class: "amt" }, el("div", { class: `f ${size(shown)}` }, el("bdi", { dir: "ltr", class: "n" }, shown), caret()), padKey(s)),
    el("div", { class: "w" }, words ?? s.speech.price(minor)));
}

/** What was typed, grouped; a decimal mark just typed is shown before its digits come. */
function typedFigure(s) {
  const [whole, fraction] = s.typed.text.split(".");
  const figure = groupDigits(whole || "0", s.speech.set);
  return fraction === undefined ? figure : figure + decimalMark(s.speech.set) + localDigits(fraction, s.speech.set);
}

const size = (figure) => (figure.length > 13 ? "longer" : figure.length > 9 ? "long" : "");

function payCard(s, sale) {
  const figure = s.speech.amount(sale.payable_minor);
  return el("div", { class: "pay" },
    el("span", { class: "l" }, el("span", {}, s.speech.say("amount.pay")), el("span", {}, s.speech.unitName())),
    el("div", { class: `f ${size(figure.textContent)}` }, figure),
    sale.saves_minor > 0 && el("div", { class: "w" }, s.speech.say("amount.saves", { value: { amount: sale.saves_minor, unit: s.view.money.unit } })));
}

function useRows(s, sale) {
  return sale.options.map((option) => {
    const off = option.possible <= 0;
    const used = sale.redemptions.find(({ unit }) => unit === option.unit);
    const why = option.why_not ? s.speech.tell(option.why_not) : !option.on && s.speech.say("use.worth", { value: { amount: option.value_minor, unit: s.view.money.unit } });
    return el("button", { type: "button", class: `row ${off ? "off" : ""}`, "aria-pressed": String(option.on), onclick: () => s.send({ do: "use", unit: option.unit, on: !option.on }) },
      unitIcon(option.unit),
      el("span", {},
        el("b", { class: "sw" }, el("span", { class: `switch ${option.on ? "on" : ""}` }), el("span", {}, s.speech.say(...useWords(s, { unit: option.unit, on: false })))),
        why && el("span", { class: "why" }, why)),
      el("span", { class: "v" }, used ? s.speech.amount(-used.value_minor) : ""));
  });
}

function earnRows(s, sale) {
  if (!sale.earnings.length) return [];
  const why = el("span", { class: "why" }, s.speech.tell(sale.earnings[0].why));
  const gains = sale.earnings.map(({ unit, earned }) => gained(s, { unit, amount: earned }));
  return [el("div", { class: "row" }, icon("star"), el("div", {}, el("b", {}, s.speech.say("earns.title")), why), el("span", { class: "v plus" }, gains))];
}

export function keys(s) {
  const alone = [
    { cap: "F2", words: ["button.phone"], send: { do: "find_start" } },
    { cap: "F3", words: ["button.enrol"], send: { do: "enrol_start" } },
  ];
  return [
    ESC_BACK,
    ...(s.view.member ? useKeys(s) : alone),
    ...switchKey(s),
    finish(s),
  ];
}

/** Lit when the quote is the one for the amount that is shown. */
function finish(s) {
  const { sale, amount_minor: amount } = s.view;
  const settled = sale && amount !== null && amount > 0 && amount === s.typed.minor(s.view.money);
  if (!settled) return { cap: "F12", words: ["button.moment"], go: true };
  return { cap: "F12", words: ["button.finish", { amount: s.speech.amount(sale.payable_minor) }], go: true, send: { do: "confirm" } };
}

export function spoken(s) {
  const { sale } = s.view;
  return sale ? `${s.speech.text("amount.pay")}: ${s.speech.price(sale.payable_minor).textContent}` : "";
}

export const takesAmount = true;
