// Whole numbers in words. Where a language's grammar is not certain for a number, the answer is null and nothing is shown.

const SCALES = 4;

/** Groups of three digits from the right: [[units], [thousands], …]. */
function groups(value) {
  const digits = String(value);
  const found = [];
  for (let end = digits.length; end > 0; end -= 3) found.push(Number(digits.slice(Math.max(0, end - 3), end)));
  return found;
}

const EN_SMALL = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen " +
  "seventeen eighteen nineteen").split(" ");
const EN_TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split(" ");
const EN_SCALE = ["", " thousand", " million", " billion", " trillion"];

function enGroup(n) {
  const words = [];
  if (n >= 100) words.push(`${EN_SMALL[Math.floor(n / 100)]} hundred`);
  const rest = n % 100;
  if (rest >= 20) words.push(EN_TENS[Math.floor(rest / 10)] + (rest % 10 ? `-${EN_SMALL[rest % 10]}` : ""));
  else if (rest) words.push(EN_SMALL[rest]);
  return words.join(" ");
}

function english(value) {
  if (value === 0) return "zero";
  return groups(value).map((n, i) => (n ? enGroup(n) + EN_SCALE[i] : "")).filter(Boolean).reverse().join(" ");
}

const FA_SMALL = ("صفر یک دو سه چهار پنج شش هفت هشت نه ده یازده دوازده سیزده چهارده پانزده شانزده هفده هجده نوزده").split(" ");
const FA_TENS = "_ _ بیست سی چهل پنجاه شصت هفتاد هشتاد نود".split(" ");
const FA_HUNDREDS = "_ صد دویست سیصد چهارصد پانصد ششصد هفتصد هشتصد نهصد".split(" ");
const FA_SCALE = ["", " هزار", " میلیون", " میلیارد", " هزار میلیارد"];

function faGroup(n) {
  const words = [];
  if (n >= 100) words.push(FA_HUNDREDS[Math.floor(n / 100)]);
  const rest = n % 100;
  if (rest >= 20) words.push(FA_TENS[Math.floor(rest / 10)], ...(rest % 10 ? [FA_SMALL[rest % 10]] : []));
  else if (rest) words.push(FA_SMALL[rest]);
  return words.join(" و ");
}

function persian(value) {
  if (value === 0) return "صفر";
  const parts = groups(value).map((n, i) => {
    if (!n) return "";
    return n === 1 && i === 1 ? "هزار" : faGroup(n) + FA_SCALE[i];
  });
  return parts.filter(Boolean).reverse().join(" و ");
}

// Arabic, for masculine nouns (all units that we have): from three to ten the number takes the feminine form.
const AR_SMALL = ("_ واحد اثنان ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة عشرة").split(" ");
const AR_TEENS = ["أحد عشر", "اثنا عشر", "ثلاثة عشر", "أربعة عشر", "خمسة عشر", "ستة عشر", "سبعة عشر", "ثمانية عشر", "تسعة عشر"];
const AR_TENS = "_ _ عشرون ثلاثون أربعون خمسون ستون سبعون ثمانون تسعون".split(" ");
const AR_HUNDREDS = "_ مئة مئتان ثلاثمئة أربعمئة خمسمئة ستمئة سبعمئة ثمانمئة تسعمئة".split(" ");
const AR_SCALE = [
  null,
  { one: "ألف", two: "ألفان", few: "آلاف", many: "ألفًا", other: "ألف" },
  { one: "مليون", two: "مليونان", few: "ملايين", many: "مليونًا", other: "مليون" },
  { one: "مليار", two: "ملياران", few: "مليارات", many: "مليارًا", other: "مليار" },
];

/** Which form the noun behind `n` takes; null where usage differs (101, 102, 201 …). */
function arForm(n) {
  if (n === 1) return "one";
  if (n === 2) return "two";
  const rest = n % 100;
  if (rest === 1 || rest === 2) return null;
  if (rest === 0) return "other";
  return rest <= 10 ? "few" : "many";
}

function arGroup(n, construct) {
  const words = [];
  const hundreds = Math.floor(n / 100);
  const rest = n % 100;
  if (hundreds) words.push(hundreds === 2 && !rest && construct ? "مئتا" : AR_HUNDREDS[hundreds]);
  if (rest >= 20) words.push(...(rest % 10 ? [AR_SMALL[rest % 10]] : []), AR_TENS[Math.floor(rest / 10)]);
  else if (rest > 10) words.push(AR_TEENS[rest - 11]);
  else if (rest) words.push(AR_SMALL[rest]);
  return words.join(" و");
}

/** One group with its scale word; `last`: the counted noun follows directly, so the scale word loses its ending. */
function arScaled(n, scale, last) {
  const form = arForm(n);
  if (form === null) return null;
  const words = AR_SCALE[scale];
  if (form === "one") return words.one;
  if (form === "two") return last ? words.two.slice(0, -1) : words.two;
  return `${arGroup(n, true)} ${form === "many" && last ? words.other : words[form]}`;
}

function arabic(value) {
  const found = groups(value);
  const lowest = found.findIndex((n) => n > 0);
  const parts = found.map((n, i) => {
    if (!n) return "";
    return i === 0 ? arGroup(n, true) : arScaled(n, i, i === lowest);
  });
  return parts.includes(null) ? null : parts.filter(Boolean).reverse().join(" و");
}

/** `value` of a noun in words, or null. `noun`: its forms by plural category, or one text for all. */
export function spell(language, value, noun) {
  if (!Number.isSafeInteger(value) || value <= 0 || value >= 10 ** (3 * SCALES)) return null;
  const form = (category) => (typeof noun === "string" ? noun : (noun[category] ?? noun.other));
  if (language === "en") return `${english(value)} ${form(value === 1 ? "one" : "other")}`;
  if (language === "fa") return `${persian(value)} ${form("other")}`;
  const category = arForm(value);
  if (category === "one" || category === "two") return form(category);
  const words = category && arabic(value);
  return words ? `${words} ${form(category)}` : null;
}
