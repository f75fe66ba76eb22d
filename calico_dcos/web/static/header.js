// What one look tells: how far, what now, why not, how long, and where the brake is.

import { build, buildAge, byId, setText, show } from "./dom.js";
import { GROUPS, describeAge, describeCount, describeDownload, describeMark, describeMoment, describeReason, findCurrentStep } from "./format.js";
import { buildSteps } from "./steps.js";

let shownActive = "";
let shownReasons = "";

export function showSummary(summary) {
  document.title = `${summary.complete} of ${summary.total} – ${summary.service}`;
  setText("service", summary.service);
  setText("master", summary.master || "–");
  setText("framework", summary.framework_id || "–");
  showTroubles(summary);
  showProgress(summary);
  showActive(summary);
  showReasons(summary);
}

function showTroubles(summary) {
  const notConnected = "Not connected to the Mesos master: nothing new is started.";
  const limit = 5;
  const more = summary.errors.length > limit ? [`and ${summary.errors.length - limit} more`] : [];
  const troubles = [
    ...summary.troubles.map(describeTrouble),
    ...(summary.is_connected || summary.troubles.length ? [] : [notConnected]),
    ...summary.errors.slice(0, limit),
    ...more,
  ];
  setText("trouble", troubles.join("\n"));
  show("trouble", troubles.length > 0);
  const isPaused = Boolean(summary.pause);
  const told = isPaused ? `The walk is paused ${describeMark(summary.pause)}` : summary.message || "";
  setText("paused", told);
  show("paused", told !== "");
  setText("brake-label", isPaused ? "Resume the walk" : "Pause the walk");
  setText("brake-mark", isPaused ? "▶" : "❚❚");
  byId("brake").dataset.command = isPaused ? "resume" : "pause";
  byId("brake").disabled = false;
}

function describeTrouble({ source, words, remedy, since }) {
  const told = remedy ? `${words}; ${remedy}` : words;
  return `${source}, since ${describeMoment(since)}: ${told}`;
}

function showProgress(summary) {
  setText("done", describeCount(summary.complete));
  setText("total", describeCount(summary.total));
  setText("left", describeLeft(summary));
  const share = (group) => `${(100 * summary[group]) / Math.max(1, summary.total)}%`;
  document.querySelectorAll("#meter span").forEach((part) => {
    part.style.width = share(part.dataset.group);
  });
  const counts = GROUPS.map((group) => `${summary[group]} ${group}`).join(", ");
  byId("meter").setAttribute("aria-label", `Of ${summary.total} agents: ${counts}`);
  document.querySelectorAll("#groups button").forEach((button) => {
    const count = button.dataset.group ? summary[button.dataset.group] : summary.total;
    button.dataset.count = count;
    const figure = button.querySelector("b");
    if (figure.textContent !== describeCount(count)) {
      figure.textContent = describeCount(count);
    }
  });
}

function describeLeft(summary) {
  if (summary.total > 0 && summary.complete === summary.total) {
    return summary.off.length ? `Everything that is on is done. Off: ${summary.off.join(", ")}.` : "Everything is done.";
  }
  if (summary.total === 0) {
    return "Waits for the first agent.";
  }
  if (summary.is_preflight) {
    return "Preflight: nothing is changed.";
  }
  if (summary.left_s === null) {
    return "The time left is known once the first agent is complete.";
  }
  const isStopped = summary.failed > 0 && summary.slots_held === 0 && summary.working === 0;
  return isStopped ? "The walk stands still." : `About ${describeAge(summary.left_s)} left`;
}

function showActive(summary) {
  const next = summary.next.length ? `; next: ${summary.next.join(", ")}` : "";
  setText("slots", `${summary.slots_held} of ${summary.slots} ${summary.slots === 1 ? "slot" : "slots"} held${next}`);
  show("now-empty", summary.active.length === 0);
  const text = JSON.stringify(summary.active);
  if (text !== shownActive) {
    shownActive = text;
    byId("now").replaceChildren(...summary.active.map(buildCard));
  }
}

function buildCard(agent) {
  const current = findCurrentStep(agent);
  const reason = describeReason(agent);
  const since = build("span", ["in its slot ", buildAge(agent.slot_since)], { class: "muted" });
  const parts = [
    build("div", [build("b", agent.key), since], { class: "card-head" }),
    buildSteps(agent.steps),
    build("p", [current && !reason.startsWith(current.name) ? build("b", `${current.name} `) : null, reason]),
  ];
  if (current && current.done_bytes !== null && current.total_bytes) {
    const fill = build("span", "", { class: "bar-fill" });
    fill.style.width = `${(100 * current.done_bytes) / current.total_bytes}%`;
    parts.push(build("div", fill, { class: "bar-track", role: "img", "aria-label": describeDownload(current) }));
  }
  return build("li", parts, { class: "card", "data-key": agent.key });
}

function showReasons(summary) {
  show("reasons-empty", summary.reasons.length === 0);
  const text = JSON.stringify(summary.reasons);
  if (text !== shownReasons) {
    shownReasons = text;
    const lines = summary.reasons.map(({ reason, agents }) =>
      build("li", [build("b", describeCount(agents)), build("span", reason)]),
    );
    byId("reasons").replaceChildren(...lines);
  }
}
