// Booked: what was paid, what there is now, what stands on the receipt. The till leads on by itself after three seconds.

import { el, icon } from "../dom.js";
import { amountsOf, balance, strong, unitName, verdict } from "../parts.js";

const HEADINGS = { sale: "done.title", refund: "done.title.refund", void: "done.title.void" };

export function draw(s) {
  const { done } = s.view;
  const sign = el("span", { class: "disc" }, icon("check"));
  const bar = el("div", { class: "count", "aria-hidden": "true" }, el("i"));
  return [
    verdict("ok", sign, s.speech.say(HEADINGS[done.kind] ?? "done.title"),
      [...gains(s, done), s.speech.say(done.queued ? "done.queued" : "done.sent")], [bar, el("p", {}, s.speech.say("done.next"))]),
    el("section", { class: "work" }, el("div", { class: "outcome" }, el("div", {}, slip(s, done), after(s, done)), paper(s, done))),
  ];
}

function gains(s, done) {
  if (done.name === null) return [strong(s.speech.say("done.no_card"))];
  const earned = done.kind === "sale" ? amountsOf(done.earned).slice(0, 2) : [];
  if (!earned.length) return [strong(el("bdi", {}, s.speech.memberName(done.name)))];
  return earned.map((amount) => strong(s.speech.say("done.for", { earned: amount, member: done.name })));
}

function slip(s, done) {
  const sold = done.kind === "sale";
  const off = done.total_minor - done.payable_minor;
  return el("div", { class: "card slip" },
    line(s.speech.say(sold ? "slip.sale" : "slip.returned"), s.speech.amount(done.total_minor)),
    quantities(s, sold ? "slip.used" : "slip.given", done.spent),
    sold && off > 0 && line(s.speech.say("slip.off"), s.speech.amount(-off)),
    line(s.speech.say(sold ? "slip.paid" : "slip.paid_back"), s.speech.price(done.payable_minor), "total"),
    quantities(s, sold ? "earns.title" : "slip.taken", done.earned));
}

const line = (label, value, kind) => el("div", { class: kind }, el("span", {}, label), el("span", {}, value));

function quantities(s, words, amounts) {
  return amountsOf(amounts).map((amount, i) => line(i === 0 ? s.speech.say(words) : "", s.speech.quantity(amount)));
}

function after(s, done) {
  const held = Object.entries(done.balances).map(([unit, amount]) => ({ unit, amount }));
  return el("div", { class: "after" }, held.map((one) => balance(s, one, unitName(s, one.unit, "balance.now"))));
}

function paper(s, done) {
  const code = el("div", { class: "code" }, el("span", {}, s.speech.say("paper.code")), el("bdi", { dir: "ltr", class: "id" }, done.receipt_code));
  return el("div", { class: "paper" }, el("h2", {}, s.speech.say("paper.title")),
    el("ul", {}, done.receipt.map((words) => el("li", {}, s.speech.tell(words)))), done.receipt_code ? code : null);
}

export function keys(s) {
  const second = [
    { cap: "F4", words: ["button.refund"], send: { do: "refund_start" } },
    { cap: "F8", words: ["button.undo"], send: { do: "undo" } },
  ];
  return [
    { cap: "Esc", words: ["button.next"], send: { do: "back" } },
    ...(s.view.done.can_undo ? second : []),
    { cap: "F12", words: ["button.next_customer"], go: true, send: { do: "back" } },
  ];
}

export function spoken(s) {
  return s.speech.text(HEADINGS[s.view.done.kind] ?? "done.title");
}

export const takesAmount = true;
