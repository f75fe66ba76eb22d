// The steps of an agent as a row of states.

import { build } from "./dom.js";
import { BADGES, MARKS, describeStatus, describeStep } from "./format.js";

export function buildSteps(steps) {
  return build("ol", steps.map(buildPip), { class: "steps", role: "list" });
}

export function nameSteps(steps) {
  return `Steps, from left to right: ${steps.map((step) => step.name).join(", ")}.`;
}

function buildPip(step) {
  const told = [`${step.name}: ${describeStep(step)}`, step.message].filter(Boolean).join(" – ");
  const mark = build("span", BADGES[step.badge] || MARKS[step.status] || "?", { "aria-hidden": "true" });
  return build("li", [mark, build("span", told, { class: "quiet" })], {
    class: "pip",
    "data-status": step.status,
    "data-badge": step.badge,
    title: told,
  });
}

export function buildState(status, badge = "") {
  return build("span", badge || describeStatus(status), { class: "state", "data-status": status, "data-badge": badge });
}
