// What is left to change: in sum, by which the table can be filtered, and for one agent in short.

import { build, byId, setText } from "./dom.js";
import { describeCount } from "./format.js";

const SERVICES = { docker: "Docker", "mesos-agent": "the Mesos agent" };

export function startOutlook(choose) {
  document.querySelectorAll("#outlooks button").forEach((button) => {
    // What is chosen already is let go of.
    button.addEventListener("click", () => choose(button.getAttribute("aria-pressed") === "true" ? "" : button.dataset.outlook));
  });
}

export function showOutlook(summary) {
  const { outlook, total } = summary;
  document.body.classList.toggle("preflight", summary.is_preflight);
  setText("outlook-title", summary.is_preflight ? "Preflight: what would change" : "What is left to change");
  const seen = `${describeCount(outlook.inspected)} of ${describeCount(total)} agents inspected`;
  setText("outlook-text", outlook.inspected > 0 && outlook.nothing === total ? `${seen}: nothing is left to do.` : `${seen}.`);
  document.querySelectorAll("#outlooks button").forEach((button) => {
    const count = outlook[button.dataset.outlook];
    button.dataset.count = count;
    const figure = button.querySelector("b");
    if (figure.textContent !== describeCount(count)) {
      figure.textContent = describeCount(count);
    }
  });
}

export function markOutlook(word) {
  document.querySelectorAll("#outlooks button").forEach((button) => {
    button.setAttribute("aria-pressed", String(button.dataset.outlook === word));
  });
  // What is exported is what is chosen.
  byId("outlook-json").setAttribute("href", `v1/preflight${word ? `?outlook=${word}` : ""}`);
  byId("outlook-csv").setAttribute("href", `v1/preflight?format=csv${word ? `&outlook=${word}` : ""}`);
}

export function buildOutlook(agent, isPreflight) {
  const { outlook } = agent;
  const steps = Object.entries(outlook.changes).map(([step, count]) => (count > 1 ? `${step} (${count})` : step));
  const parts = [
    steps.length ? build("span", `${isPreflight ? "Would change" : "To do"}: ${steps.join(", ")}`) : null,
    ...outlook.restarts.map((service) => build("span", `restarts ${SERVICES[service] || service}`, { class: "chip" })),
    ...outlook.refused.map((step) => build("span", `${step} is refused`, { class: "chip bad" })),
    ...outlook.unclear.map((step) => build("span", `${step} is unclear`, { class: "chip" })),
  ].filter(Boolean);
  if (parts.length === 0 && isPreflight) {
    parts.push(build("span", outlook.is_inspected ? "Nothing to do" : "Not inspected yet"));
  }
  if (isPreflight && outlook.node) {
    parts.push(build("span", `as ${outlook.node.name} with ${outlook.node.address}`, { class: "chip" }));
  }
  return parts.length ? build("div", parts, { class: "outlook" }) : null;
}
