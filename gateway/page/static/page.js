// The live page: connects the stream of events with the parts of the document.

import { $, duration, h, number } from "./dom.js";
import { card, summary } from "./providers.js";
import { Outcomes, waitingRow } from "./rows.js";
import { query, watchSearch } from "./search.js";
import { watchHash } from "./story.js";
import { setToken, Stream } from "./stream.js";

const TYPING = 300;

const outcomes = new Outcomes($("outcome-rows"));
const shown = {};
let held = null;
let heldCount = 0;
let leftOut = 0;

const stream = new Stream({
  opened(isResumed) {
    say("live", "Live");
    $("token").hidden = true;
    $("content").hidden = false;
    if (!isResumed) {
      outcomes.clear();
      leftOut = 0;
    }
  },
  lost(error) {
    if (error.status === 401 || error.status === 403) askForToken(error);
    else say("lost", `Connecting again: ${error.message}`);
  },
  state: showState,
  outcomes(batch) {
    leftOut += Object.values(batch.leftOut).reduce((total, count) => total + count, 0) + batch.gap;
    if (held) hold(batch.rows);
    else outcomes.add(batch.rows);
    showCounts();
  },
});

function say(state, text) {
  const status = $("status");
  status.dataset.state = state;
  if (status.textContent !== text) status.textContent = text;
}

function askForToken(error) {
  say("lost", "Not authorised");
  $("token-reason").textContent = error.message;
  $("token").hidden = false;
  $("content").hidden = true;
  $("token").elements.token.focus();
}

// Replaces children only if what they show has changed, so that idle parts cost nothing.
function update(id, value, children) {
  const text = JSON.stringify(value);
  if (shown[id] === text) return;
  shown[id] = text;
  $(id).replaceChildren(...children());
}

function showState(state) {
  const problems = [
    state.broker && `The gateway has no connection to the broker: ${state.broker}`,
    state.audit && `The outcomes cannot be read: ${state.audit}`,
    ...state.missing.map((each) => `Missing on the broker: ${each}`),
  ].filter(Boolean);
  update("problems", problems, () => problems.map((each) => h("li", {}, each)));
  $("problems").hidden = !problems.length;
  $("gateway").textContent = `gateway ${state.gateway}, ${state.version}`;
  update("summary", [state.providers, state.waiting, state.dead], () => summary(state));
  update("cards", [state.providers, Math.floor(Date.now() / 60e3)], () =>
    state.providers.length
      ? state.providers.map(card)
      : [h("p", { class: "hint" }, "No provider is known yet.")],
  );
  update("waiting-rows", state.waiting, () => state.waiting.map(waitingRow));
  $("waiting-none").hidden = state.waiting.length > 0;
  $("waiting-rows").closest("table").hidden = !state.waiting.length;
  showAges();
}

function showAges() {
  for (const element of document.querySelectorAll("[data-since]")) {
    const text = duration(Date.now() - element.dataset.since);
    if (element.textContent !== text) element.textContent = text;
  }
}

function hold(rows) {
  heldCount += rows.length;
  held.push(...rows);
  held.splice(0, Math.max(0, held.length - Outcomes.MOST));
}

function showCounts() {
  const parts = [];
  if (held) parts.push(`paused, ${number(heldCount)} new`);
  if (leftOut) parts.push(`${number(leftOut)} more not shown: search the audit`);
  const text = parts.join("; ");
  if ($("left-out").textContent !== text) $("left-out").textContent = text;
  $("outcomes-none").hidden = outcomes.size > 0;
}

function pause() {
  const rows = held;
  held = rows ? null : [];
  heldCount = 0;
  $("pause").setAttribute("aria-pressed", String(!rows));
  $("pause").textContent = rows ? "Pause" : "Continue";
  if (rows) outcomes.add(rows);
  showCounts();
}

function open() {
  if (held) pause();
  stream.open(query(new FormData($("live"))));
}

let typing;
$("live").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(open, TYPING);
});
$("live").addEventListener("submit", (event) => event.preventDefault());
$("pause").addEventListener("click", pause);
$("token").addEventListener("submit", (event) => {
  event.preventDefault();
  setToken(event.target.elements.token.value.trim());
  event.target.reset();
  open();
});
setInterval(showAges, 1000);
watchSearch();
open();
watchHash();
