// Dates and times of the cashier's language and the shop's calendar. Short forms are built here: ICU mixes marks into them.

import { localDigits } from "./numbers.js";

const LEVANT = new Set(["IQD", "SYP", "JOD", "LBP"]);

/** Formatters for one language. `calendar`: persian or gregory. */
export class Dates {
  constructor(language, calendar, set, unit) {
    const region = { en: "en-GB", fa: "fa-IR", ar: LEVANT.has(unit) ? "ar-IQ" : "ar-AE" }[language] ?? "en-GB";
    const locale = `${region}-u-ca-${calendar}-nu-latn`;
    this.set = set;
    this.day = new Intl.DateTimeFormat(locale, { weekday: language === "en" ? "short" : "long", day: "numeric", month: "long", year: "numeric" });
    this.hour = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", hour12: false });
  }

  /** "14:28", always 24 hours. */
  time(ms) {
    return localDigits(this.hour.format(ms), this.set);
  }

  /** "30 Aban 1405". */
  date(ms) {
    const { day, month, year } = this.#parts(ms);
    return localDigits(`${day} ${month} ${year}`, this.set);
  }

  /** "Sat 30 Aban 1405". */
  weekday(ms) {
    return `${this.#parts(ms).weekday} ${this.date(ms)}`;
  }

  #parts(ms) {
    const parts = Object.fromEntries(this.day.formatToParts(ms).map(({ type, value }) => [type, value]));
    return { ...parts, year: parts.year ?? parts.relatedYear };
  }
}

/** Whether two instants lie on the same day of this machine. */
export function sameDay(one, other) {
  return new Date(one).toDateString() === new Date(other).toDateString();
}
