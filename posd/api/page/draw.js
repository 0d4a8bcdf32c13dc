// From the situation to the page: top bar, strip, stage and key row. A region is built anew only when what it shows changed.

import { cap, el, icon } from "./dom.js";
import { sameDay } from "./dates.js";
import * as amount from "./screens/amount.js";
import * as bank from "./screens/bank.js";
import * as done from "./screens/done.js";
import * as enrol from "./screens/enrol.js";
import * as fault from "./screens/fault.js";
import * as find from "./screens/find.js";
import * as help from "./screens/help.js";
import * as idle from "./screens/idle.js";
import * as lost from "./screens/lost.js";
import * as member from "./screens/member.js";
import * as refund from "./screens/refund.js";

const SCREENS = { amount, bank, done, enrol, fault, find, idle, lost, member, refund };
const READER_ICONS = { msr: "card", scanner: "scan", smartcard: "tap" };
const READER_STATES = { ready: "ready", opening: "waking", waiting: "waking" };
const MARKS = { ready: "check", waking: "clock", away: "x" };
const STRIP_ICONS = { busy: "clock", ok: "check", warn: "alert", stop: "alert" };
const OWN_NOTICE = new Set(["fault", "bank"]);
const shown = new Map();

/** The screen module for the situation. */
export function screenOf(s) {
  return s.help ? help : (SCREENS[s.view.screen] ?? idle);
}

/** Bring the page up to date with `s`. */
export function draw(s) {
  const screen = screenOf(s);
  const root = document.documentElement;
  root.lang = s.speech.language;
  root.dir = s.speech.direction;
  root.dataset.version = s.view.version;
  document.title = `${s.view.shop.name}`;
  const { version, signal, ...view } = s.view;
  const frame = [s.speech.language, view.shop, view.readers, view.link, s.line, s.minute];
  region("top", frame, () => top(s));
  region("strip", [...frame, view.notice, view.screen, s.notice, s.unanswered], () => strip(s));
  const typing = [s.help, s.padOpen, s.page, s.typed, s.person, s.line];
  region("stage", [view, typing], () => screen.draw(s));
  document.getElementById("stage").classList.toggle("wide", Boolean(screen.wide));
  region("keys", [view, typing], () => screen.keys(s).map((key) => keyButton(s, key)));
  region("spoken", [screen.spoken(s), view.notice, s.notice, s.line, s.speech.language], () => [speak(s, screen)]);
}

function region(id, signature, build) {
  const now = JSON.stringify(signature);
  if (shown.get(id) === now) return;
  shown.set(id, now);
  document.getElementById(id).replaceChildren(...[build()].flat(Infinity).filter(Boolean));
}

function top(s) {
  const { shop, link, readers } = s.view;
  const online = link.state === "online";
  return [
    el("bdi", { class: "shop" }, shop.name),
    el("span", { class: "who" }, tillName(s, shop)),
    el("span", { class: "fill" }),
    el("ul", { class: "readers", "aria-label": s.speech.text("top.readers") }, readers.map((reader) => readerMark(s, reader))),
    el("span", { class: `badge ${online ? "ok" : "warn"}` }, icon(online ? "cloud" : "nocloud"), s.speech.say(`link.${link.state}`)),
    el("span", { class: "clock" }, el("small", {}, el("bdi", {}, s.speech.dates.weekday(s.minute))), el("bdi", { dir: "ltr", class: "n" }, s.speech.dates.time(s.minute))),
  ];
}

function tillName(s, shop) {
  const till = /^[0-9]+$/.test(shop.till) ? s.speech.say("top.till", { till: Number(shop.till) }) : el("bdi", {}, shop.till);
  return shop.cashier ? [till, s.speech.comma, el("bdi", {}, shop.cashier)] : till;
}

function readerMark(s, reader) {
  const state = READER_STATES[reader.state] ?? "away";
  const label = s.speech.text(`reader.state.${state}`, { reader: reader.name });
  return el("li", { class: state, title: label, "aria-label": label }, icon(READER_ICONS[reader.device_class] ?? "card"), icon(MARKS[state], "mark"));
}

/** One thing at a time: the line to the till, then a notice, then the line to the club. */
function strip(s) {
  if (s.line !== "live") return lineStrip(s);
  if (s.notice) return noticeStrip(s, s.notice);
  if (s.view.notice && !OWN_NOTICE.has(s.view.screen)) return noticeStrip(s, s.view.notice);
  return s.view.link.state === "online" ? [] : linkStrip(s);
}

function lineStrip(s) {
  const words = s.line === "locked" ? "till.locked" : s.unanswered ? "sale.checking" : "till.restarting";
  return el("div", { class: "strip busy", role: "status" }, icon("clock"), el("b", {}, s.speech.say(words)));
}

function noticeStrip(s, { words, tone, code }) {
  const inside = s.speech.tell(words, code ? { code } : {});
  const beside = code && !inside.querySelector?.(".id") ? el("bdi", { dir: "ltr", class: "id" }, code) : null;
  return el("div", { class: `strip ${tone}`, role: tone === "stop" ? "alert" : "status" }, icon(STRIP_ICONS[tone] ?? "alert"), el("b", {}, inside), el("span", { class: "fill" }), beside);
}

const LINK_WORDS = { offline: "banner.offline", paused: "banner.paused", halted: "banner.halted", none: "till.not_linked" };

function linkStrip(s) {
  const { state, queue, last_sync_ms: last } = s.view.link;
  const facts = state === "none" ? [] : [el("span", {}, s.speech.say("banner.queue", { count: queue })), last && el("span", { class: "extra" }, s.speech.say("banner.last", { time: lastSent(s, last) }))];
  return el("div", { class: "strip warn", role: "status" }, icon("nocloud"), el("b", {}, s.speech.say(LINK_WORDS[state] ?? "banner.offline")),
    state === "offline" && el("span", { class: "extra" }, s.speech.say("banner.safe")), el("span", { class: "fill" }), el("span", { class: "fact" }, facts));
}

function lastSent(s, ms) {
  return sameDay(ms, s.minute) ? ms : s.speech.dates.date(ms);
}

function keyButton(s, key) {
  const kind = key.cap === "Esc" ? "esc" : key.go ? `go ${key.tone ?? ""}` : "";
  const dead = !key.send && !key.help;
  const away = s.line !== "live" && !key.help;
  return el("button", { type: "button", class: kind, disabled: dead || away, "aria-pressed": key.pressed === undefined ? null : String(key.pressed), "aria-keyshortcuts": key.cap, onclick: () => s.press(key) },
    cap(key.cap), el("span", { class: "label" }, s.speech.say(...key.words)));
}

function speak(s, screen) {
  if (s.line !== "live") return s.speech.text("till.restarting");
  const notice = s.notice ?? s.view.notice;
  return notice ? s.speech.tell(notice.words, { code: notice.code ?? "" }).textContent : screen.spoken(s);
}
