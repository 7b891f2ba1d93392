// Tables of commands, one row for each; a row leads to the story of its command.

import { address, clock, duration, h, resultWord } from "./dom.js";

const cell = (kind, ...children) => h("td", { role: "cell", class: kind }, ...children);

export function row(command) {
  const title = new Date(command.at).toISOString();
  const link = h("a", { href: `#command=${encodeURIComponent(command.id)}` }, clock(command.at));
  return h(
    "tr",
    { role: "row", "data-result": command.result },
    h("td", { role: "cell", class: "time", title }, link),
    cell("result", resultWord(command.result)),
    cell("provider", command.provider),
    cell("address", ...address(command.address)),
    h("td", { role: "cell", class: "what", title: command.what }, command.what ?? ""),
    cell("by", command.by),
    cell("waited", duration(command.waited)),
    cell("took", duration(command.took)),
  );
}

export function waitingRow(waiting) {
  const age = h("span", { "data-since": waiting.since });
  const href = `#command=${encodeURIComponent(waiting.id)}`;
  const isCommand = waiting.kind === "running";
  return h(
    "tr",
    { role: "row", "data-result": isCommand ? "started" : "request" },
    cell("time", isCommand ? h("a", { href }, age) : age),
    cell("result", waiting.kind),
    cell("provider", waiting.provider),
    cell("address", ...address(waiting.address)),
    cell("what", waiting.operation),
    cell("by", waiting.by),
  );
}

// The newest commands, in at most MOST rows: the record of an end replaces that of the start.
export class Outcomes {
  static MOST = 100;
  #rows = new Map();

  constructor(body) {
    this.body = body;
  }

  get size() {
    return this.#rows.size;
  }

  clear() {
    this.#rows.clear();
    this.body.replaceChildren();
  }

  // Adds commands, oldest first, in one change of the document.
  add(commands) {
    const newest = commands.slice(-Outcomes.MOST);
    const fragment = document.createDocumentFragment();
    for (const command of newest.reverse()) {
      const key = `${command.provider} ${command.id}`;
      const known = this.#rows.get(key);
      const made = row(command);
      if (known?.isConnected) known.replaceWith(made);
      else fragment.append(made);
      this.#rows.delete(key);
      this.#rows.set(key, made);
    }
    this.body.prepend(fragment);
    while (this.body.rows.length > Outcomes.MOST) this.body.deleteRow(-1);
    if (this.#rows.size > 2 * Outcomes.MOST) this.#forget();
  }

  #forget() {
    for (const [key, element] of this.#rows) {
      if (!element.isConnected) this.#rows.delete(key);
    }
  }
}
