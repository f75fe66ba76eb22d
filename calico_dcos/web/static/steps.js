// Six steps as a row of states.

import { build } from "./dom.js";
import { MARKS, describeStatus } from "./format.js";

export function buildSteps(steps) {
  return build("ol", steps.map(buildPip), { class: "steps", role: "list" });
}

function buildPip(step) {
  const told = [`${step.name}: ${describeStatus(step.status)}`, step.message].filter(Boolean).join(" – ");
  const mark = build("span", MARKS[step.status] || "?", { "aria-hidden": "true" });
  return build("li", [mark, build("span", told, { class: "quiet" })], {
    class: "pip",
    "data-status": step.status,
    title: told,
  });
}

export function buildState(status) {
  return build("span", describeStatus(status), { class: "state", "data-status": status });
}
