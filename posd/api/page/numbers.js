// Digits: three sets in, one set out. Everything inside the page is ASCII; only what is shown is translated.

const SETS = { latn: "0123456789", arab: "٠١٢٣٤٥٦٧٨٩", arabext: "۰۱۲۳۴۵۶۷۸۹" };
const MARKS = { latn: [",", "."], arab: ["٬", "٫"], arabext: ["٬", "٫"] };
const ARAB_DIGIT_UNITS = new Set(["IQD", "SYP", "EGP", "IRR"]);

/** Persian and Arabic digits as ASCII; all else unchanged. */
export function foldDigits(text) {
  return text.replace(/[٠-٩۰-۹]/g, (digit) => {
    const code = digit.codePointAt(0);
    return String(code - (code >= 0x06f0 ? 0x06f0 : 0x0660));
  });
}

/** The digit set of a language: ar has two, by the country that its money tells, unless the shop said which. */
export function digitSet(language, unit, wish) {
  if (language === "fa") return "arabext";
  if (language !== "ar") return "latn";
  return wish ?? (ARAB_DIGIT_UNITS.has(unit) ? "arab" : "latn");
}

/** ASCII digits in `text` as digits of `set`. */
export function localDigits(text, set) {
  return String(text).replace(/[0-9]/g, (digit) => SETS[set][digit]);
}

/** A whole number, grouped by three; minus is U+2212 and stands left. Takes integers and BigInt only. */
export function groupDigits(value, set) {
  const whole = BigInt(value);
  const digits = String(whole < 0n ? -whole : whole).replace(/\B(?=(\d{3})+$)/g, MARKS[set][0]);
  return (whole < 0n ? "−" : "") + localDigits(digits, set);
}

export function decimalMark(set) {
  return MARKS[set][1];
}
