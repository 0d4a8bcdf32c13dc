// A member, and no amount yet: who it is, what there is, what can be used.

import { el, icon } from "../dom.js";
import { amountPad, balance, caret, ESC_BACK, padKey, unitIcon, unitName } from "../parts.js";

const TIER_COLOURS = new Set(["bronze", "silver", "gold", "diamond"]);
const LONG_NAME = 14;
const USE_KEYS = ["F5", "F6"];

export function draw(s) {
  return [memberPanel(s), work(s)];
}

/** Who stands at the counter. It never moves between the card and the end of the sale. */
export function memberPanel(s) {
  const { member } = s.view;
  return el("section", { class: "panel" }, who(s, member), path(s, member),
    member.balances.map((held) => balance(s, held, unitName(s, held.unit), usable(s, held))));
}

function who(s, member) {
  const colour = member.tier && TIER_COLOURS.has(member.tier.code) ? member.tier.code : "plain";
  return el("div", { class: "who-row" },
    el("span", { class: `face ${colour}`, "aria-hidden": "true" }, [...s.speech.memberName(member.name.trim())][0]),
    el("h1", { class: member.name.length > LONG_NAME ? "long" : null }, el("bdi", {}, s.speech.memberName(member.name))),
    el("span", { class: "sub" }, s.speech.digits(member.phone_mask)),
    member.tier && el("span", { class: `badge ${colour}` },
      Array.from({ length: Math.min(Math.max(member.tier.rank, 1), 4) }, () => icon("gem")), el("bdi", {}, s.speech.nameOf(member.tier.name))));
}

function path(s, { path: way }) {
  if (!way) return null;
  return el("div", { class: "path" },
    el("div", { class: "track" }, el("div", { class: "done-part", style: { "inline-size": `${way.permille / 10}%` } })),
    el("span", {}, s.speech.say("path.to", { amount: { amount: way.missing_minor, unit: s.view.money.unit }, tier: way.next.name })));
}

function usable(s, held) {
  if (held.amount <= 0) return null;
  if (held.usable >= held.amount) return el("span", { class: "now" }, icon("check"), el("span", {}, s.speech.say("usable.all")));
  const said = held.usable > 0 ? s.speech.say("usable.part", { balance: { amount: held.usable, unit: held.unit } }) : s.speech.say("usable.none");
  return el("span", { class: "now less" }, icon("clock"), el("span", {}, said));
}

function work(s) {
  const rows = el("div", { class: "card rows" }, s.view.member.balances.map((held) => useRow(s, held)));
  return el("section", { class: "work" },
    el("div", { class: "card sum one" },
      el("div", {}, el("span", { class: "l" }, s.speech.say("amount.label")),
        el("div", { class: "f empty" }, caret(), " ", el("span", { class: "u" }, s.speech.unitName()))),
      el("div", { class: "amt" }, el("p", { class: "w" }, s.speech.say("amount.type")), padKey(s))),
    s.view.member.balances.length ? el("h2", { class: "h" }, s.speech.say("use.title")) : null,
    el("div", { class: `mid ${s.padOpen ? "with-pad" : ""}` }, rows, s.padOpen ? amountPad(s) : null));
}

/** What a balance can do now, with the reason where it can do less. */
function useRow(s, held) {
  const kind = held.usable <= 0 ? "none" : held.usable < held.amount ? "part" : "all";
  const worth = { amount: kind === "none" ? held.amount : held.usable, unit: held.unit };
  const shown = held.unit === "CREDIT" ? { amount: worth.amount, unit: s.view.money.unit } : worth;
  return el("div", { class: `row ${kind === "none" ? "off" : ""}` }, unitIcon(held.unit),
    el("div", {}, el("b", {}, s.speech.say("use.up_to", { name: unitName(s, held.unit), balance: shown })),
      el("span", { class: "why" }, reason(s, held, kind))),
    BADGES[kind](s));
}

function reason(s, held, kind) {
  if (held.why) return s.speech.tell(held.why);
  const option = s.view.sale?.options.find(({ unit }) => unit === held.unit);
  if (kind === "none" && option?.why_not) return s.speech.tell(option.why_not);
  return kind === "none" ? "" : s.speech.say("use.keep");
}

const BADGES = {
  all: (s) => el("span", { class: "badge ok" }, icon("check"), s.speech.say("badge.ready")),
  part: (s) => el("span", { class: "badge warn" }, icon("clock"), s.speech.say("badge.part")),
  none: (s) => el("span", { class: "badge plain" }, icon("clock"), s.speech.say("badge.not_now")),
};

/** F5 and F6 use or keep the first two things that can be used; a third has its switch only. */
export function useKeys(s) {
  const options = s.view.sale?.options ?? [];
  return options.slice(0, USE_KEYS.length).map((option, i) => ({
    cap: USE_KEYS[i],
    words: useWords(s, option),
    send: { do: "use", unit: option.unit, on: !option.on },
    pressed: option.on,
  }));
}

export function useWords(s, { unit, on }) {
  const base = on ? "use.on" : "use";
  return s.speech.has(`${base}.${unit}`) ? [`${base}.${unit}`] : [`${base}.other`, { name: unit }];
}

/** A second card was read: it takes the sale over when this is pressed, never by itself. */
export function switchKey(s) {
  const second = s.view.notice?.words.key === "card.second_card";
  return second ? [{ cap: "F7", words: ["button.switch_member"], send: { do: "switch_member" } }] : [];
}

export function keys(s) {
  return [
    ESC_BACK,
    { cap: "F4", words: ["button.refund"], send: { do: "refund_start" } },
    ...useKeys(s),
    ...switchKey(s),
    { cap: "F12", words: ["button.type_amount"], go: true },
  ];
}

export function spoken(s) {
  const { member } = s.view;
  return [s.speech.memberName(member.name), ...member.balances.map((held) => s.speech.quantity(held).textContent)].join(s.speech.comma);
}

export const takesAmount = true;
