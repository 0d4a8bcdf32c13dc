// The catalogue, and how its sentences become nodes: plural forms, quantities, and an isolate around every inserted value.

import { Dates } from "./dates.js";
import { el } from "./dom.js";
import { formatAmount } from "./money.js";
import { digitSet, groupDigits, localDigits } from "./numbers.js";
import { spell } from "./spelling.js";

export const LANGUAGES = ["en", "fa", "ar"];
const RIGHT_TO_LEFT = new Set(["fa", "ar"]);
const LEFT_TO_RIGHT_NAMES = new Set(["code", "key", "key_yes", "key_no", "url", "phone", "tail"]);
const LATIN_NAMES = new Set(["code", "key", "key_yes", "key_no", "url"]);
const NO_BREAK = "\u00a0";
const INSTANTS = { time: "time", time_end: "time", date: "date" };

/** Keys that sentences name; the till does not know the keyboard, the page does. */
const KEY_OF = {
  "idle.prompt": "F2",
  "card.unknown": "F12",
  "card.second_card": "F7",
  "member.not_found": "F3",
  "enrol.phone_taken": "F2",
  "till.scanner_types": "Esc",
};

/** All catalogues by language. */
export async function loadCatalogues() {
  const loaded = await Promise.all(LANGUAGES.map(async (language) => (await fetch(`words/${language}.json`)).json()));
  return Object.fromEntries(LANGUAGES.map((language, i) => [language, loaded[i]]));
}

/** CLDR's plural category; Persian nouns have one form, but zero may have its own wording. */
export function pluralForm(language, n) {
  if (language !== "ar") return n === 1 && language === "en" ? "one" : "other";
  if (n < 3) return ["zero", "one", "two"][n];
  const rest = n % 100;
  if (rest >= 3 && rest <= 10) return "few";
  return rest >= 11 ? "many" : "other";
}

/** Speaks one language about one shop's money. */
export class Speech {
  constructor(catalogue, language, { money, calendar, digits }) {
    this.catalogue = catalogue;
    this.language = language;
    this.direction = RIGHT_TO_LEFT.has(language) ? "rtl" : "ltr";
    this.comma = this.direction === "rtl" ? "، " : ", ";
    this.money = money;
    this.set = digitSet(language, money.unit, digits);
    this.dates = new Dates(language, calendar, this.set, money.unit);
  }

  has(key) {
    return key in this.catalogue;
  }

  /** The sentence `key` as nodes. A key that is not there shows itself: better a strange word than an empty button. */
  say(key, args = {}) {
    const nodes = this.#sentence(key, args).split(/(\{[a-z_]+\})/).map((piece) => this.#piece(piece, key, args));
    const fragment = document.createDocumentFragment();
    fragment.append(...nodes.filter((node) => node !== ""));
    return fragment;
  }

  /** `{"key", "args"}` as the view gives them. */
  tell(words, more = {}) {
    return this.say(words.key, { ...words.args, ...more });
  }

  /** The same as plain text, for the live region and for titles. */
  text(key, args = {}) {
    return this.say(key, args).textContent;
  }

  /** Money without its unit. */
  amount(minor) {
    return this.#isolate(formatAmount(minor, this.money, this.set), "ltr", "n");
  }

  /** Money with its unit: the number and its unit stand together in the direction of the language. */
  price(minor) {
    return el("bdi", { dir: this.direction, class: "q" }, this.amount(minor), el("span", { class: "u" }, NO_BREAK, this.unitName()));
  }

  unitName() {
    return this.catalogue[`money.${this.money.name}`] ?? this.money.name;
  }

  /** A bare whole number. */
  number(n) {
    return this.#isolate(groupDigits(n, this.set), "ltr", "n");
  }

  /** Text of digits that is no number: a phone, the end of a card. Masks are asterisks: a dot reads as a zero. */
  digits(text) {
    return this.#isolate(localDigits(String(text).replaceAll("•", "*"), this.set), "ltr", "n");
  }

  /** An amount of any unit: "101 points", "10,130 toman credit", "1,013,360 toman". */
  quantity({ amount, unit }) {
    if (unit === this.money.unit) return this.price(amount);
    const shown = unit === "CREDIT" ? this.price(amount) : this.number(amount);
    const entry = this.catalogue[`unit.${unit}`];
    if (!entry) return el("bdi", { class: "q" }, unit, ": ", shown);
    const sentence = typeof entry === "string" ? entry : this.#form(entry, Math.abs(amount));
    const pieces = sentence.split("{n}");
    return el("bdi", { dir: this.direction, class: "q" }, pieces.flatMap((piece, i) => (i ? [shown, piece] : [piece])));
  }

  /** Money in words, or null where the words are not certain or there are parts behind the point. */
  inWords(minor) {
    const scale = BigInt(this.money.factor) * 10n ** BigInt(this.money.minor_digits);
    const noun = this.catalogue[`noun.${this.money.name}`];
    if (!noun || BigInt(minor) % scale !== 0n) return null;
    return spell(this.language, Number(BigInt(minor) / scale), noun);
  }

  /** A name that the owner gave in one or more languages; without one of the reader's, the first. */
  nameOf(names) {
    return names[this.language] ?? Object.values(names)[0] ?? "";
  }

  /** A member's name; nobody has to give one. */
  memberName(name) {
    return name || this.text("member.nameless");
  }

  #sentence(key, args) {
    const entry = this.catalogue[key];
    if (entry === undefined) return key;
    return typeof entry === "string" ? entry : this.#form(entry, args.count ?? 0);
  }

  #form(entry, n) {
    return (n === 0 && entry.zero) || entry[pluralForm(this.language, n)] || entry.other;
  }

  #piece(piece, key, args) {
    if (!piece.startsWith("{") || !piece.endsWith("}")) return piece;
    const name = piece.slice(1, -1);
    return this.#value(name, args[name] ?? "", key);
  }

  #value(name, value, key) {
    if (value instanceof Node) return value;
    if (value === "") return this.#unsaid(name, key);
    if (typeof value === "object") return this.#compound(name, value);
    if (name in INSTANTS && typeof value === "number") return this.#isolate(this.dates[INSTANTS[name]](value), "auto", "n");
    if (typeof value === "number") return this.number(value);
    if (LATIN_NAMES.has(name)) return this.#isolate(value, "ltr", "id");
    if (LEFT_TO_RIGHT_NAMES.has(name)) return this.digits(value);
    if (name === "tier") return this.#isolate(this.catalogue[`tier.${value}`] ?? value, "auto");
    if (name === "unit") return this.#isolate(this.catalogue[`money.${value}`] ?? value, "auto");
    return this.#isolate(value, "auto");
  }

  /** What the till leaves to the page: the key to press and the unit of the till. */
  #unsaid(name, key) {
    if (name === "key" && KEY_OF[key]) return this.#isolate(KEY_OF[key], "ltr", "id");
    if (name === "member") return this.#isolate(this.memberName(""), "auto");
    return name === "unit" ? this.#isolate(this.unitName(), "auto") : "";
  }

  #compound(name, value) {
    if ("key" in value) return this.tell(value);
    if (name === "amount_words") return this.#isolate(this.inWords(value.amount) ?? "", "auto");
    return "amount" in value ? this.quantity(value) : this.#isolate(this.nameOf(value), "auto");
  }

  #isolate(text, direction, kind) {
    return el("bdi", { dir: direction, class: kind }, text);
  }
}
