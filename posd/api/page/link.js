// The line to the till: views come as events, actions go as requests, one after the other.
//
// A view is the whole state, so after any interruption the newest one is enough; nothing has to be replayed. While the
// till is away nothing but the amount is kept: an old "confirm" must never arrive late.

const PROBE_MS = 700;
const ANSWER_MS = 5000;
const HEADERS = { "Content-Type": "application/json", "X-Posd-CSRF": "1" };

export class Link {
  #stream = null;
  #queue = [];
  #sending = false;
  #version = -1;
  #probing = null;
  #unanswered = null;

  /** `onView(view, unanswered)`: `unanswered` is the action whose answer was lost with the line, or null.
   *  `onState("live" | "lost" | "locked", unanswered)`. */
  constructor({ onView, onState }) {
    this.onView = onView;
    this.onState = onState;
    this.state = "lost";
  }

  start() {
    this.#probe();
  }

  /** Whether an amount that was typed has not been answered yet: then the page's own figure is the newer one. */
  get amountPending() {
    return this.#queue.some((action) => action.do === "amount");
  }

  /** Send an action; amounts that wait are replaced by later ones. False when it cannot be sent now. */
  send(action) {
    const waits = this.#queue.length - (this.#sending ? 1 : 0);
    if (action.do === "amount") {
      if (waits > 0 && this.#queue.at(-1).do === "amount") this.#queue.pop();
    } else if (this.state !== "live") return false;
    this.#queue.push(action);
    this.#drain();
    return true;
  }

  async #drain() {
    if (this.#sending || this.state !== "live") return;
    this.#sending = true;
    while (this.#queue.length && this.state === "live") await this.#deliver(this.#queue[0]);
    this.#sending = false;
  }

  async #deliver(action) {
    try {
      // Browsers repeat a POST by themselves when a kept connection closes unanswered; the key makes that one press.
      const headers = { ...HEADERS, "Idempotency-Key": crypto.randomUUID() };
      const answer = await this.#request("v1/till/actions", { method: "POST", headers, body: JSON.stringify(action) });
      if (answer.status === 401 || answer.status >= 500) throw new Error(`the till answered ${answer.status}`);
      const view = answer.ok ? await answer.json() : await this.#ask();
      this.#drop(action);
      if (view) this.#show(view);
    } catch {
      if (action.do !== "amount") {
        this.#drop(action);
        this.#unanswered = action;
      }
      this.#lose();
    }
  }

  #drop(action) {
    this.#queue = this.#queue.filter((waiting) => waiting !== action);
  }

  #request(path, options = {}) {
    return fetch(path, { ...options, cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
  }

  /** A refused request changes nothing; what the till shows is asked anew. */
  async #ask() {
    const answer = await this.#request("v1/till");
    return answer.ok ? answer.json() : null;
  }

  #lose() {
    this.#queue = this.#queue.filter((action) => action.do === "amount").slice(-1);
    this.#stream?.close();
    this.#enter("lost");
    this.#probing ??= setTimeout(() => this.#probe(), PROBE_MS);
  }

  #enter(state) {
    this.state = state;
    this.onState(state, this.#unanswered);
  }

  async #probe() {
    this.#probing = null;
    try {
      const answer = await this.#request("v1/till");
      if (answer.ok) return this.#welcome(await answer.json());
      this.#enter(answer.status === 401 || answer.status === 403 ? "locked" : "lost");
    } catch {
      this.#enter("lost");
    }
    this.#probing = setTimeout(() => this.#probe(), PROBE_MS);
  }

  #welcome(view) {
    this.#version = -1;
    this.#listen();
    const unanswered = this.#unanswered;
    this.#unanswered = null;
    this.#enter("live");
    this.#show(view, unanswered);
    this.#drain();
  }

  #listen() {
    this.#stream?.close();
    const stream = new EventSource("v1/events");
    stream.addEventListener("view", (event) => this.#show(JSON.parse(event.data)));
    stream.addEventListener("error", () => stream === this.#stream && this.#lose());
    this.#stream = stream;
  }

  #show(view, unanswered = null) {
    if (view.version < this.#version) return;
    this.#version = view.version;
    this.onView(view, unanswered);
  }
}
