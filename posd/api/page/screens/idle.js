// Nothing on the counter: one sentence, and the last sales.

import { el, icon } from "../dom.js";
import { amountPad, amountsOf, gained, padKey, ways } from "../parts.js";

export const wide = true;

export function draw(s) {
  return [
    el("div", { class: `idle ${s.padOpen ? "with-pad" : ""}` },
      el("div", { class: "invite" }, ways(), el("h1", {}, s.speech.say("idle.invite")),
        el("p", { class: "then" }, el("span", {}, s.speech.say("idle.amount_first")), padKey(s))),
      s.padOpen ? amountPad(s) : null,
      recent(s)),
  ];
}

function recent(s) {
  const sales = s.view.recent.slice(0, 3);
  if (!sales.length) return null;
  return el("section", { class: "recent" }, el("h2", {}, s.speech.say("recent.title")),
    el("div", { class: "list" }, sales.map((sale) => recentSale(s, sale))));
}

/** A sale can be pressed to take goods of it back. */
function recentSale(s, sale) {
  const back = sale.kind !== "sale";
  const open = back ? {} : { onclick: () => s.send({ do: "refund_start", sale_id: sale.sale_id }) };
  return el(back ? "div" : "button", { class: `card sale ${back ? "back" : ""}`, ...open },
    el("b", {}, el("bdi", {}, sale.name === null ? s.speech.say("recent.no_card") : s.speech.memberName(sale.name))),
    el("span", { class: "a" }, s.speech.price(back ? -sale.amount_minor : sale.amount_minor)),
    el("bdi", { dir: "ltr", class: "s n" }, s.speech.dates.time(sale.at_ms)),
    el("span", { class: "e" }, icon(back ? "back" : sale.queued ? "clock" : "check"), " ", result(s, sale)));
}

function result(s, sale) {
  if (sale.kind !== "sale") return s.speech.say(sale.kind === "void" ? "recent.void" : "recent.refund");
  const [first] = amountsOf(sale.earned);
  return first ? gained(s, first) : s.speech.say("recent.booked");
}

export function keys() {
  return [
    { cap: "Esc", words: ["button.clear"], send: { do: "back" } },
    { cap: "F1", words: ["button.keys"], help: true },
    { cap: "F2", words: ["button.phone"], send: { do: "find_start" } },
    { cap: "F3", words: ["button.enrol"], send: { do: "enrol_start" } },
    { cap: "F4", words: ["button.refund"], send: { do: "refund_start" } },
    { cap: "F12", words: ["button.waiting"], go: true },
  ];
}

export function spoken(s) {
  return s.speech.text("idle.invite");
}

export const takesAmount = true;
