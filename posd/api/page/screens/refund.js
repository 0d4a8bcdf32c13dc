// Goods come back, line by line: the number of a line is its key.

import { cap, el, icon } from "../dom.js";
import { ESC_BACK } from "../parts.js";
import { sameDay } from "../dates.js";
import { decimalMark, groupDigits, localDigits } from "../numbers.js";

const PIECE = 1000;
const PAGE_LINES = 5;
const PAGE_LINES_OF_MANY = 4;

export function draw(s) {
  return [panel(s, s.view.refund), work(s, s.view.refund)];
}

function panel(s, refund) {
  return el("section", { class: "panel" },
    el("div", {}, el("span", { class: "badge stop" }, icon("back"), s.speech.say("refund.title"))),
    el("div", {}, el("h1", {}, el("bdi", {}, refund.name === null ? s.speech.say("recent.no_card") : s.speech.memberName(refund.name))), el("span", { class: "why" }, when(s, refund.at_ms))),
    el("div", { class: "effect" }, changes(s, refund.taken_back, "taken", -1), changes(s, refund.given_back, "given", 1),
      el("div", { class: "give" }, el("span", {}, s.speech.say("refund.pay")), el("b", {}, s.speech.price(refund.pay_back_minor)))),
    refund.warnings.map((words) => el("p", { class: "note" }, el("span", {}, s.speech.tell(words)))));
}

function when(s, ms) {
  const date = sameDay(ms, Date.now()) ? s.speech.text("date.today") : s.speech.dates.date(ms);
  return s.speech.say("refund.sale", { date, time: ms });
}

function changes(s, amounts, way, sign) {
  return Object.entries(amounts).map(([unit, amount]) => {
    const words = `refund.${way}.${unit}`;
    const label = s.speech.has(words) ? s.speech.say(words) : unit;
    const shown = unit === "CREDIT" ? s.speech.price(sign * amount) : s.speech.number(sign * amount);
    return el("div", {}, el("span", {}, label), el("b", {}, shown));
  });
}

/** Lines that are shown: five, or four and a pager when there are more. */
export function pageOf(lines, page) {
  const size = lines.length > PAGE_LINES ? PAGE_LINES_OF_MANY : PAGE_LINES;
  const last = Math.max(0, Math.ceil(lines.length / size) - 1);
  const first = Math.min(page, last) * size;
  return { first, last, shown: lines.slice(first, first + size) };
}

function work(s, refund) {
  const { first, last, shown } = pageOf(refund.lines, s.page);
  const head = el("div", {}, el("span"), el("span", {}, s.speech.say("refund.line")), el("span", { class: "head" }, s.speech.say("refund.back")), el("span", { class: "a" }, s.speech.say("refund.amount")));
  return el("section", { class: "work" }, el("h2", { class: "h" }, s.speech.say("refund.choose")),
    el("div", { class: "card lines" }, head, shown.map((line, i) => lineRow(s, line, i + 1))),
    last > 0 ? pager(s, first, shown.length, refund.lines.length) : null);
}

function pager(s, first, shown, total) {
  const numbers = { first: first + 1, last: first + shown, total };
  return el("div", { class: "pager" },
    el("button", { type: "button", onclick: s.previousPage, "aria-label": "PgUp" }, cap("PgUp")),
    el("span", {}, s.speech.say("refund.page", numbers)),
    el("button", { type: "button", onclick: s.nextPage, "aria-label": "PgDn" }, cap("PgDn")));
}

/** Thousandths as pieces ("2") or as a weight ("0.25"). */
function pieces(s, milli) {
  const whole = groupDigits(Math.floor(milli / PIECE), s.speech.set);
  const rest = milli % PIECE;
  const fraction = String(rest).padStart(3, "0").replace(/0+$/, "");
  return el("bdi", { dir: "ltr", class: "n" }, rest ? whole + decimalMark(s.speech.set) + localDigits(fraction, s.speech.set) : whole);
}

const leftOf = (line) => line.quantity_milli - line.returned_milli;

function lineRow(s, line, key) {
  const left = leftOf(line);
  const chosen = line.chosen_milli > 0;
  return el("div", { class: chosen ? "sel" : left <= 0 ? "gone" : "" },
    cap(s.speech.digits(String(key)).textContent),
    el("b", {}, line.name ? el("bdi", {}, line.name) : s.speech.say("refund.whole")),
    left > 0 ? stepper(s, line, left) : el("span", { class: "badge plain" }, icon("x"), s.speech.say("refund.gone")),
    el("span", { class: `a ${chosen ? "" : "none"}` }, chosen ? s.speech.price(line.refund_minor) : "–"));
}

function stepper(s, line, left) {
  const move = (milli) => () => s.send({ do: "refund_line", n: line.n, quantity_milli: milli });
  const size = stepOf(line);
  return el("span", { class: "step" },
    el("button", { type: "button", "aria-label": s.speech.text("refund.less"), onclick: move(Math.max(0, line.chosen_milli - size)) }, icon("minus")),
    el("span", {}, s.speech.say("refund.of", { part: pieces(s, line.chosen_milli), total: pieces(s, left) })),
    el("button", { type: "button", "aria-label": s.speech.text("refund.more"), onclick: move(Math.min(left, line.chosen_milli + size)) }, icon("plus")));
}

/** Pieces come back one by one; what was weighed comes back as a whole. */
const stepOf = (line) => (line.quantity_milli % PIECE ? leftOf(line) : PIECE);

/** The action of the number key `digit`: one more of that line, and after all of it none. */
export function lineAction(s, digit) {
  const line = pageOf(s.view.refund.lines, s.page).shown[digit - 1];
  if (!line || leftOf(line) <= 0) return null;
  const next = line.chosen_milli + stepOf(line);
  return { do: "refund_line", n: line.n, quantity_milli: next > leftOf(line) ? 0 : next };
}

export function keys(s) {
  const { refund } = s.view;
  const any = refund.lines.some((line) => line.chosen_milli > 0);
  const go = { cap: "F12", words: ["button.refund_go", { amount: s.speech.amount(refund.pay_back_minor) }], go: true, tone: "stop", send: { do: "confirm" } };
  return [
    ESC_BACK,
    { cap: "F5", words: ["button.all_lines"], send: { do: "refund_all" } },
    { cap: "F6", words: ["button.no_line"], send: { do: "refund_none" } },
    any ? go : { cap: "F12", words: ["button.choose_line"], go: true },
  ];
}

export function spoken(s) {
  return `${s.speech.text("refund.pay")}: ${s.speech.price(s.view.refund.pay_back_minor).textContent}`;
}

export const local = { PgUp: "previousPage", PgDn: "nextPage" };
export const takesLines = true;
