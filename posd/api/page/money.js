// Money is an integer of minor parts. A shop may show another unit of the same money (toman: ten rial), so what is shown
// is the integer divided by factor × 10^minor_digits, exactly: never rounded, never a float.

import { decimalMark, groupDigits, localDigits } from "./numbers.js";

const SAFE_DIGITS = 15;

/** How many digits the integer has behind the point of what is shown. */
function places({ factor, minor_digits: minorDigits }) {
  const zeros = String(factor).length - 1;
  if (Number(`1e${zeros}`) !== factor) throw new RangeError(`a display factor must be a power of ten, not ${factor}`);
  return zeros + minorDigits;
}

/** Minor parts as text of digits and marks: 12880000 rial in toman is "1,288,000". What a factor would hide is shown. */
export function formatAmount(minor, money, set) {
  const value = BigInt(minor);
  const size = places(money);
  const digits = String(value < 0n ? -value : value).padStart(size + 1, "0");
  const whole = digits.slice(0, digits.length - size);
  let fraction = digits.slice(digits.length - size);
  while (fraction.length > money.minor_digits && fraction.endsWith("0")) fraction = fraction.slice(0, -1);
  const shown = groupDigits(whole, set) + (fraction ? decimalMark(set) + localDigits(fraction, set) : "");
  return (value < 0n ? "−" : "") + shown;
}

/** What was typed ("1288000", "12.5", "") in minor parts; null for nothing. */
export function parseAmount(text, money) {
  if (!/[0-9]/.test(text)) return null;
  const size = places(money);
  const [whole, fraction = ""] = text.split(".");
  return Number(BigInt((whole || "0") + fraction.padEnd(size, "0").slice(0, size)));
}

/** Minor parts as the text that would have been typed for them. */
export function typedAmount(minor, money) {
  return formatAmount(minor, money, "latn").replaceAll(",", "");
}

/** `text` with one more character, as far as an amount allows it. */
export function typeAmount(text, character, money) {
  if (character === ".") return money.minor_digits > 0 && !text.includes(".") ? `${text || "0"}.` : text;
  const next = text === "0" ? character : text + character;
  const [whole, fraction = ""] = next.split(".");
  if (fraction.length > money.minor_digits || whole.length + places(money) > SAFE_DIGITS) return text;
  return next;
}
