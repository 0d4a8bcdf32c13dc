// What the cashier is typing. It lives here, is shown at once and survives a till that restarts.

import { figure } from "./keys.js";
import { parseAmount, typeAmount, typedAmount } from "./money.js";

const PHONE_LENGTH = 16;
const NAME_LENGTH = 40;
export const PHONE_ENOUGH = 8;

/** The amount of a sale. `text` is ASCII, in the unit that the shop shows. */
export class AmountEntry {
  text = "";

  /** True when `character` changed the amount. */
  type(character, money) {
    const mark = figure(character);
    const next = mark === null ? this.text : typeAmount(this.text, mark, money);
    const changed = next !== this.text;
    this.text = next;
    return changed;
  }

  erase() {
    const changed = this.text !== "";
    this.text = this.text.slice(0, -1);
    return changed;
  }

  minor(money) {
    return parseAmount(this.text, money);
  }

  /** Take over the till's amount, unless it is what was typed anyway ("12." is 12). */
  adopt(minor, money) {
    if (minor === this.minor(money)) return;
    this.text = minor === null ? "" : typedAmount(minor, money);
  }
}

/** A phone number and a name: digits go to the number, letters to the name, wherever one is. Consent is asked, so it starts off. */
export class PersonEntry {
  phone = "";
  name = "";
  consent = false;
  link = false;
  here = "phone";

  /** `fields`: "phone" alone, or "both". */
  type(character, fields) {
    if (/^[0-9]$/.test(character) || (character === "+" && this.phone === "")) return this.#add("phone", character, PHONE_LENGTH);
    if (fields !== "both" || /[\p{C}]/u.test(character.replace("\u200c", ""))) return false;
    if (this.name === "" && character.trim() === "") return false;
    return this.#add("name", character, NAME_LENGTH);
  }

  erase() {
    if (this.here === "name" && this.name === "") this.here = "phone";
    const characters = [...this[this.here]];
    this[this.here] = characters.slice(0, -1).join("");
    return characters.length > 0;
  }

  switchField() {
    this.here = this.here === "phone" ? "name" : "phone";
  }

  get enough() {
    return this.phone.length >= PHONE_ENOUGH;
  }

  #add(field, character, longest) {
    this.here = field;
    if ([...this[field]].length >= longest) return false;
    this[field] += character;
    return true;
  }
}

/** A national number of eleven digits in its groups, 0935 000 0172; others as they were typed. */
export function groupPhone(phone) {
  if (!/^0[1-9]/.test(phone) || phone.length > 11) return phone;
  return [phone.slice(0, 4), phone.slice(4, 7), phone.slice(7)].filter(Boolean).join(" ");
}
