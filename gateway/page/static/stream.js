// The stream of events, read with fetch: EventSource cannot send a token in a header.

const TOKEN = "machinist-token";
const FIRST_DELAY = 500;
const LONGEST_DELAY = 10_000;
const HIDDEN_FOR = 60_000;

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const setToken = (token) => sessionStorage.setItem(TOKEN, token);

// Sends a GET with the token; throws Refused with the gateway's message if it is not answered 200.
export async function get(path, more = {}) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = { ...more.headers, ...(token ? { authorization: `Bearer ${token}` } : {}) };
  const answer = await fetch(path, { ...more, headers, cache: "no-store" });
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw new Refused(answer.status, problem.message ?? `status ${answer.status}`);
}

// Reads events until `stop` is called. After a loss it continues behind the last event.
export class Stream {
  #last = null;
  #query = "";
  #abort = null;
  #delay = FIRST_DELAY;
  #hidden = null;
  #stopped = false;

  constructor(handlers) {
    this.handlers = handlers;
    document.addEventListener("visibilitychange", () => this.#visibility());
  }

  // Starts again with another filter, from the newest outcomes on.
  open(query) {
    this.#query = query;
    this.#last = null;
    this.#delay = FIRST_DELAY;
    this.#stopped = false;
    this.#abort?.abort();
    this.#run((this.#abort = new AbortController()));
  }

  stop() {
    this.#stopped = true;
    this.#abort?.abort();
  }

  async #run(abort) {
    while (!abort.signal.aborted) {
      try {
        await this.#read(abort.signal);
        this.#delay = FIRST_DELAY;
      } catch (error) {
        if (abort.signal.aborted) return;
        this.handlers.lost(error);
        if (error.status === 401 || error.status === 403) return;
      }
      await new Promise((done) => setTimeout(done, this.#delay * (0.5 + Math.random() / 2)));
      this.#delay = Math.min(2 * this.#delay, LONGEST_DELAY);
    }
  }

  async #read(signal) {
    const headers = this.#last === null ? {} : { "last-event-id": this.#last };
    const answer = await get(`/page/events${this.#query}`, { signal, headers });
    this.handlers.opened(this.#last !== null);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done || signal.aborted) return;
      text += value;
      const events = text.split("\n\n");
      text = events.pop();
      events.forEach((each) => this.#dispatch(each));
    }
  }

  #dispatch(event) {
    const fields = {};
    for (const line of event.split("\n")) {
      const colon = line.indexOf(": ");
      if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 2);
    }
    if (!fields.event) return;
    this.#delay = FIRST_DELAY;
    this.handlers[fields.event]?.(JSON.parse(fields.data));
    if (fields.id) this.#last = fields.id;
  }

  // A page that nobody sees for a minute costs the gateway nothing.
  #visibility() {
    clearTimeout(this.#hidden);
    if (this.#stopped) return;
    if (document.hidden) {
      this.#hidden = setTimeout(() => this.#abort?.abort(), HIDDEN_FOR);
    } else if (this.#abort?.signal.aborted) {
      this.#run((this.#abort = new AbortController()));
    }
  }
}
