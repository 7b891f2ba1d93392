// The dialog with one command: #command=ID in the address opens it, so that it can be linked.

import { $, address, clock, duration, h, resultWord } from "./dom.js";
import { get } from "./stream.js";

const PREFIX = "#command=";

export function watchHash() {
  addEventListener("hashchange", follow);
  $("story-close").addEventListener("click", () => $("story").close());
  $("story").addEventListener("close", () => {
    if (location.hash.startsWith(PREFIX)) history.replaceState(null, "", location.pathname);
  });
  follow();
}

function follow() {
  if (!location.hash.startsWith(PREFIX)) {
    $("story").close();
    return;
  }
  show(decodeURIComponent(location.hash.slice(PREFIX.length)));
}

async function show(id) {
  $("story-title").textContent = "Command";
  $("story-body").replaceChildren(h("p", { class: "hint" }, "Reading the audit"));
  if (!$("story").open) $("story").showModal();
  try {
    const answer = await get(`/page/commands/${encodeURIComponent(id)}`);
    fill(await answer.json());
  } catch (error) {
    $("story-body").replaceChildren(h("p", { class: "problem" }, error.message));
  }
}

function fill(story) {
  const { row, records } = story;
  const request = records.find((each) => each.request)?.request;
  const last = records.findLast((each) => each.result !== "started") ?? records.at(-1);
  $("story-title").replaceChildren(`${row.operation} `, ...address(row.address));
  const facts = [
    ["Id", h("code", {}, row.id)],
    ["Result", h("b", { "data-result": row.result }, resultWord(row.result), row.status ? ` ${row.status}` : "")],
    ["Provider", row.provider],
    ["By", story.by],
    ["Reason", story.reason],
    ["Changes", story.changes.length ? story.changes.join(", ") : null],
    ["Waited", duration(row.waited)],
    ["Took", duration(row.took)],
    ["Trace", story.trace ? h("code", {}, story.trace) : null],
  ].filter(([, value]) => value);
  $("story-body").replaceChildren(
    h("dl", { class: "facts" }, ...facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
    h("h3", {}, "Timeline"),
    timeline(records),
    ...part("Request", request?.body ?? request?.summary, request?.withheld),
    ...part("Before", last.before),
    ...part("After", last.after),
    h("details", {}, h("summary", {}, `All ${records.length} records`), json(records, "All records")),
  );
}

function timeline(records) {
  const asked = records.find((each) => each.asked)?.asked;
  const steps = asked ? [[asked, "asked", ""]] : [];
  let starts = 0;
  for (const each of records) {
    if (each.result === "started") starts += 1;
    const word = each.result !== "started" ? each.result : starts > 1 ? "started again" : "started";
    steps.push([each.finished ?? each.started ?? each.asked, word, each.worker ?? ""]);
  }
  const first = Date.parse(steps[0]?.[0]);
  return h(
    "ol",
    { class: "timeline" },
    ...steps.map(([at, word, worker]) =>
      h(
        "li",
        {},
        h("time", { datetime: at, title: at }, clock(Date.parse(at))),
        h("span", {}, `+${duration(Date.parse(at) - first)}`),
        h("b", {}, word),
        h("small", {}, worker),
      ),
    ),
  );
}

function part(title, value, withheld) {
  if (value === undefined && !withheld) return [];
  const shown = [h("h3", {}, title)];
  if (withheld) shown.push(h("p", { class: "hint" }, withheld));
  if (value !== undefined) shown.push(json(value, title));
  return shown;
}

const json = (value, label) =>
  h("pre", { tabindex: "0", role: "region", "aria-label": label }, JSON.stringify(value, null, 2));
