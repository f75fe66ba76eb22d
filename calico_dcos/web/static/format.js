// Words for figures: pure functions.

export const GROUPS = ["complete", "working", "waiting", "failed"];

export const MARKS = {
  PENDING: "·",
  WAITING: "‖",
  DELAYED: "↻",
  STARTING: "…",
  STARTED: "…",
  IN_PROGRESS: "…",
  COMPLETE: "✓",
  ERROR: "✕",
};

// What the status does not say is shown in its place.
export const BADGES = {
  off: "○",
  waived: "~",
  refused: "⊘",
  unknown: "?",
  "at fault": "!",
};

export function describeStep(step) {
  return step.badge || describeStatus(step.status);
}

export function describeStatus(status) {
  return status.toLowerCase().replaceAll("_", " ");
}

export function describeCount(count) {
  return count.toLocaleString("en");
}

export function describeSize(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

export function describeAge(seconds) {
  if (seconds < 90) {
    return `${Math.max(0, Math.round(seconds))} s`;
  }
  if (seconds < 90 * 60) {
    return `${Math.round(seconds / 60)} min`;
  }
  return seconds < 48 * 3600 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

export function describeMoment(at) {
  return new Date(at * 1000).toLocaleString();
}

export function describeMark(mark) {
  const who = mark.who || "an operator";
  const when = new Date(mark.at * 1000).toLocaleString();
  return `by ${who}, ${when}${mark.reason ? `: ${mark.reason}` : ""}`;
}

export function findCurrentStep(agent) {
  const isActive = (step) => ["STARTED", "STARTING"].includes(step.status);
  return agent.steps.find(isActive) || agent.steps.find((step) => step.status !== "COMPLETE");
}

export function describeDownload(step) {
  if (!step || step.done_bytes === null) {
    return "";
  }
  const total = step.total_bytes === null ? "" : ` of ${describeSize(step.total_bytes)}`;
  return `${describeSize(step.done_bytes)}${total}`;
}

export function describeReason(agent) {
  const current = findCurrentStep(agent);
  const told = current && current.message && agent.message.endsWith("is at work") ? current.message : "";
  return [told || agent.message, describeDownload(current)].filter(Boolean).join(" – ");
}
