// The cards of the providers: rates, latencies, workers, partitions with their owners.

import { duration, h, number } from "./dom.js";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const FAILED = ["failed", "dead", "unknown"];
const NOT_EXECUTED = ["expired", "refused", "superseded"];

const sum = (results, names) => names.reduce((total, name) => total + (results[name] ?? 0), 0);
const pair = (values) => (values.length ? values.map(duration).join(" / ") : "–");
const atMost = (values) => (values.length ? `≤ ${pair(values)}` : "–");
const field = (name, value, isBad = false) =>
  h("div", isBad ? { class: "bad" } : {}, h("dt", {}, name), h("dd", {}, value));

export function totals(providers) {
  const results = {};
  for (const { minute } of providers) {
    for (const [name, count] of Object.entries(minute.results)) {
      results[name] = (results[name] ?? 0) + count;
    }
  }
  const all = Object.values(results).reduce((total, count) => total + count, 0);
  return { all, failed: sum(results, FAILED), notExecuted: sum(results, NOT_EXECUTED) };
}

export function summary(state) {
  const { all, failed, notExecuted } = totals(state.providers);
  const slowest = Math.max(0, ...state.providers.map(({ minute }) => minute.took[1] ?? 0));
  const running = state.waiting.filter(({ kind }) => kind === "running").length;
  const most = 20;
  return [
    field("commands/min", number(all)),
    field("failed", number(failed), failed > 0),
    field("not executed", number(notExecuted), notExecuted > 0),
    field("slowest 5 %", slowest ? `> ${duration(slowest)}` : "–"),
    field("running", running < most ? number(running) : `${most} or more`),
    state.dead === null ? null : field("dead letters", number(state.dead), state.dead > 0),
  ].filter(Boolean);
}

export function card(provider) {
  const letters = new Map(provider.workers.map(({ name }, index) => [name, letter(index)]));
  const { minute, answered } = provider;
  const failed = sum(minute.results, FAILED);
  const all = Object.values(minute.results).reduce((total, count) => total + count, 0);
  const attached = provider.workers.filter(({ state }) => state === "attached").length;
  return h(
    "article",
    {},
    h("h3", {}, provider.name, " ", badge(attached)),
    h(
      "dl",
      { class: "facts" },
      field("commands/min", number(all)),
      field("failed", number(failed), failed > 0),
      field("waited 50/95 %", pair(minute.waited)),
      field("took 50/95 %", pair(minute.took)),
      field("queries/min here", answered ? number(answered.rate) : "–"),
      field("took 50/95 %", answered ? atMost(answered.took) : "–"),
      field("queries waiting", provider.queries === null ? "–" : number(provider.queries)),
    ),
    partitions(provider, letters),
    provider.workers.length ? workers(provider, letters) : null,
  );
}

const letter = (index) => LETTERS[index] ?? String(index + 1);

const badge = (attached) =>
  h(
    "span",
    { class: attached ? "badge" : "badge bad" },
    attached === 0 ? "no worker" : `${attached} worker${attached === 1 ? "" : "s"}`,
  );

function partitions(provider, letters) {
  const heads = provider.partitions.map((_, slot) => h("th", { scope: "col" }, String(slot)));
  const owners = provider.partitions.map(({ owner }) =>
    owner === null
      ? h("td", { class: "bad", title: "no worker owns the partition" }, "none")
      : h("td", { class: "owner", title: owner }, letters.get(owner) ?? "?"),
  );
  const ready = provider.partitions.map(({ ready }) =>
    h("td", ready ? { class: "bad" } : {}, ready === null ? "–" : number(ready)),
  );
  const head = (text) => h("th", { scope: "row" }, text);
  return h(
    "table",
    { class: "partitions" },
    h("caption", {}, `Partitions of ${provider.name}`),
    h("thead", {}, h("tr", {}, head("Partition"), ...heads)),
    h("tbody", {}, h("tr", {}, head("Owner"), ...owners), h("tr", {}, head("Waiting"), ...ready)),
  );
}

function workers(provider, letters) {
  const rows = provider.workers.map((worker) =>
    h(
      "li",
      {},
      h("b", {}, letters.get(worker.name)),
      ` ${worker.name} `,
      h("small", {}, details(worker)),
    ),
  );
  return h("ul", { class: "workers", "aria-label": `Workers of ${provider.name}` }, ...rows);
}

function details(worker) {
  const since = `for ${duration(Date.now() - worker.since)}`;
  const late = Math.abs(worker.behind) >= 1 ? `, clock ${worker.behind.toFixed(1)} s behind` : "";
  const state = worker.state === "attached" ? "" : `${worker.state}, `;
  return `${state}${worker.version}, ${since}${late}`;
}
