// Wires the page: views in, actions out, keys to screens. What is typed is shown at once; the till confirms it.

import { draw, screenOf } from "./draw.js";
import { AmountEntry, PersonEntry } from "./entry.js";
import { figure, keyOf, Pace } from "./keys.js";
import { Link } from "./link.js";
import { lineAction, pageOf } from "./screens/refund.js";
import { Sound } from "./sound.js";
import { LANGUAGES, loadCatalogues, Speech } from "./words.js";

const NOTICE_MS = 6000;
const PERSON_SCREENS = new Set(["enrol", "find"]);
const OVERLAYS = new Set(["lost", "fault"]);

/** The situation: the till's view, what is being typed, and what the screens may ask for. */
class Situation {
  view = null;
  line = "lost";
  help = false;
  padOpen = false;
  page = 0;
  typed = new AmountEntry();
  person = new PersonEntry();
  notice = null;
  unanswered = false;
  minute = Date.now();

  constructor(catalogues) {
    this.catalogues = catalogues;
    this.languageNames = LANGUAGES.map((language) => catalogues[language]["language.name"]);
    this.sound = new Sound();
    this.pace = new Pace();
    this.link = new Link({ onView: (view, unanswered) => this.receive(view, unanswered), onState: (state, unanswered) => this.lineIs(state, unanswered) });
  }

  /** A new view: the screen follows it, and what was typed for another screen is forgotten. */
  receive(view, unanswered) {
    const before = this.view;
    this.view = view;
    if (!before || before.language !== view.language || this.speech?.money.name !== view.money.name) this.speech = new Speech(this.catalogues[view.language], view.language, view);
    if (before?.screen !== view.screen) this.#enter(view.screen);
    if (before?.refund?.sale_id !== view.refund?.sale_id) this.page = 0;
    if (!this.link.amountPending) this.typed.adopt(view.amount_minor, view.money);
    if (unanswered?.do === "confirm") this.#settle(view);
    this.sound.signal(view.signal);
    this.redraw();
  }

  #enter(screen) {
    this.help = false;
    if (!PERSON_SCREENS.has(screen) && !OVERLAYS.has(screen)) this.person = new PersonEntry();
  }

  /** The line broke while a sale was being booked: the till's own list says whether it was. */
  #settle(view) {
    const booked = view.recent[0]?.sale_id !== this.newestBefore;
    if (view.screen === "done") return;
    this.say({ words: { key: booked ? "sale.was_recorded" : "sale.not_recorded", args: {} }, tone: booked ? "ok" : "warn" });
  }

  /** A line of the page's own, for a while. */
  say(notice) {
    this.notice = notice;
    clearTimeout(this.noticeTimer);
    this.noticeTimer = setTimeout(() => { this.notice = null; this.redraw(); }, NOTICE_MS);
  }

  lineIs(state, unanswered) {
    this.line = state;
    this.unanswered = unanswered?.do === "confirm";
    this.redraw();
  }

  redraw() {
    if (this.speech) draw(this);
  }

  send(action) {
    this.notice = null;
    if (action.do === "confirm") this.newestBefore = this.view.recent[0]?.sale_id;
    this.link.send(action);
  }

  /** A button of the key row, by key or by touch. */
  press(key) {
    if (key.help) {
      this.help = !this.help;
      this.redraw();
    } else if (key.send && this.line === "live") this.send(key.send);
  }

  typeAmount = (characters) => this.#amount([...characters].filter((character) => this.typed.type(character, this.view.money)).length > 0);
  eraseAmount = () => this.#amount(this.typed.erase());

  #amount(changed) {
    if (!changed) return;
    this.send({ do: "amount", amount_minor: this.typed.minor(this.view.money) });
    this.redraw();
  }

  #change(work) {
    work(this.person);
    this.redraw();
  }

  typePerson = (characters) => this.#change((person) => [...characters].forEach((one) => person.type(one, screenOf(this).takesPerson)));
  erasePerson = () => this.#change((person) => person.erase());
  switchField = () => this.#change((person) => person.switchField());
  goToField = (field) => this.#change((person) => { person.here = field; });
  toggleConsent = () => this.#change((person) => { person.consent = !person.consent; });
  toggleLink = () => this.#change((person) => { person.link = !person.link; });
  togglePad = () => { this.padOpen = !this.padOpen; this.redraw(); };
  nextPage = () => this.#turn(this.page + 1);
  previousPage = () => this.#turn(this.page - 1);

  #turn(page) {
    this.page = Math.min(Math.max(page, 0), pageOf(this.view.refund.lines, 0).last);
    this.redraw();
  }

  nextLanguage = () => {
    const next = (LANGUAGES.indexOf(this.view.language) + 1) % LANGUAGES.length;
    this.send({ do: "language", language: LANGUAGES[next] });
  };

  /** True when the key was one of ours. */
  keyDown(key) {
    const verdict = this.pace.note(key, performance.now());
    if (key.character !== undefined) return this.#character(key.character);
    if (key.cap === "Enter") return this.#enterKey(verdict);
    return this.#cap(key.cap);
  }

  #enterKey(verdict) {
    if (verdict === "scanner") this.say({ words: { key: "till.scanner_types", args: {} }, tone: "warn" });
    if (verdict === "press") this.#pressCap("F12");
    else this.redraw();
    return true;
  }

  #cap(name) {
    const screen = screenOf(this);
    const local = screen.local?.[name];
    if (local) this[local]();
    else if (name === "F1") this.press({ help: true });
    else if (name === "F10") this.nextLanguage();
    else if (name === "Backspace" || name === "Delete") this.#erase(screen);
    else if (name === "Tab") return false;
    else this.#pressCap(name);
    return true;
  }

  #pressCap(name) {
    const key = screenOf(this).keys(this).find(({ cap }) => cap === name);
    if (key) this.press(key);
  }

  #erase(screen) {
    if (screen.takesPerson) this.erasePerson();
    else if (screen.takesAmount) this.eraseAmount();
  }

  #character(character) {
    const screen = screenOf(this);
    if (screen.takesPerson) this.typePerson(character);
    else if (screen.takesAmount && figure(character) !== null) this.typeAmount(figure(character));
    else if (screen.takesLines && /^[1-9]$/.test(character)) this.#line(Number(character));
    else return false;
    return true;
  }

  #line(digit) {
    const action = lineAction(this, digit);
    if (action && this.line === "live") this.send(action);
  }
}

function chooseTheme() {
  const theme = new URLSearchParams(location.search).get("theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
}

/** Everything on this page is pressed, nothing is focused: a focused button would take Enter and Space for itself. */
function listen(situation) {
  addEventListener("keydown", (event) => {
    const key = keyOf(event);
    if (!key || !situation.view) return;
    situation.sound.wake();
    if (/^F/.test(key.cap ?? "")) event.preventDefault();
    if (event.repeat && key.cap && !["Backspace", "Delete"].includes(key.cap)) return event.preventDefault();
    if (situation.keyDown(key)) event.preventDefault();
  }, { capture: true });
  addEventListener("mousedown", (event) => event.preventDefault());
  addEventListener("pointerdown", () => situation.sound.wake());
  addEventListener("contextmenu", (event) => event.preventDefault());
}

function keepTime(situation) {
  const tick = () => {
    situation.minute = Date.now();
    situation.redraw();
    setTimeout(tick, 60_000 - (Date.now() % 60_000));
  };
  tick();
}

chooseTheme();
const situation = new Situation(await loadCatalogues());
listen(situation);
keepTime(situation);
situation.link.start();
