// Elements and texts. Every text from the gateway becomes a text node, never HTML.

export const $ = (id) => document.getElementById(id);

export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const NUMBER = new Intl.NumberFormat("en");
export const number = (value) => NUMBER.format(value);

const pad = (value, width = 2) => String(value).padStart(width, "0");

export function clock(milliseconds) {
  const time = new Date(milliseconds);
  const text = `${pad(time.getHours())}:${pad(time.getMinutes())}:${pad(time.getSeconds())}`;
  const isToday = Math.abs(Date.now() - milliseconds) < 12 * 3600e3;
  return isToday ? text : `${pad(time.getMonth() + 1)}-${pad(time.getDate())} ${text}`;
}

export function duration(milliseconds) {
  if (milliseconds === undefined || milliseconds === null) return "";
  if (milliseconds < 1000) return `${Math.max(0, Math.round(milliseconds))} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

const WORDS = { started: "running" };
export const resultWord = (result) => WORDS[result] ?? result;

// Returns the cells of an address `<collection>.<scope>.<name>`: the name is what people look for.
export function address(text) {
  const [collection, scope = "", ...name] = text.split(".");
  const last = name.join(".");
  return [`${scope}${last ? "/" : ""}`, h("b", {}, last), h("small", {}, ` ${collection}`)];
}
