// The search in the recent audit.

import { $, number } from "./dom.js";
import { row } from "./rows.js";
import { get } from "./stream.js";

export function watchSearch() {
  $("search").addEventListener("submit", (event) => {
    event.preventDefault();
    search(new FormData(event.target));
  });
}

export function query(form) {
  const parameters = new URLSearchParams();
  for (const [name, value] of form) {
    const text = value.trim();
    if (!text) continue;
    if (name === "result") text.split(" ").forEach((each) => parameters.append(name, each));
    else if (name === "since") parameters.set(name, new Date(Date.now() - text * 1000).toISOString());
    else parameters.set(name, text);
  }
  return parameters.size ? `?${parameters}` : "";
}

async function search(form) {
  const table = $("found-rows").closest("table");
  $("search-result").textContent = "Searching";
  try {
    const found = await (await get(`/page/audit${query(form)}`)).json();
    $("found-rows").replaceChildren(...found.rows.map(row));
    table.hidden = !found.rows.length;
    const commands = found.rows.length === 1 ? "1 command" : `${number(found.rows.length)} commands`;
    $("search-result").textContent =
      `${commands}; ${number(found.read)} of ${number(found.total)} records read`;
  } catch (error) {
    table.hidden = true;
    $("search-result").textContent = error.message;
  }
}
