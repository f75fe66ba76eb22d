// Elements and the clock. Every text from the server becomes a text node: nothing that an agent says can become a part
// of the page.

import { describeAge, describeMoment } from "./format.js";

// Seconds that the server's clock is ahead of ours.
let clockLead = 0;

export function byId(id) {
  return document.getElementById(id);
}

export function build(tag, content = "", attributes = {}) {
  const element = document.createElement(tag);
  element.append(...[content].flat().filter((part) => part !== null && part !== ""));
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  return element;
}

export function setText(id, text) {
  const element = byId(id);
  // What did not change is left alone: screen readers tell it again otherwise.
  if (element.textContent !== String(text)) {
    element.textContent = text;
  }
}

export function show(id, isShown) {
  byId(id).hidden = !isShown;
}

export function setClock(now) {
  clockLead = now - Date.now() / 1000;
}

function showAge(time) {
  const text = describeAge(Date.now() / 1000 + clockLead - Number(time.dataset.at));
  if (time.textContent !== text) {
    time.textContent = text;
  }
}

export function buildAge(at) {
  const time = build("time", "", { datetime: new Date(at * 1000).toISOString(), title: describeMoment(at) });
  time.dataset.at = at;
  showAge(time);
  return time;
}

export function buildMoment(at) {
  return build("time", describeMoment(at), { datetime: new Date(at * 1000).toISOString() });
}

export function showAges() {
  document.querySelectorAll("time[data-at]").forEach(showAge);
}

let toastTimer = null;

export function tell(text) {
  setText("toast", text);
  show("toast", true);
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => show("toast", false), 8000);
}
