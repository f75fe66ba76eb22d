// The connectivity test: a row for each pair of agents, a column for each action, the story of those that failed.

import { build, buildAge, byId, setText, show } from "./dom.js";

const BUSY_MS = 1000;
const IDLE_MS = 10000;
const MARKS = { passed: "✓", failed: "✕", "not tested": "–" };

let shown = "";
let timer = null;
let isRunning = false;

export function startConnectivity(askFor) {
  byId("connectivity-button").addEventListener("click", () => {
    const command = isRunning ? "stop-test" : "start-test";
    askFor({ command, subject: "the connectivity test" });
  });
  loadConnectivity();
}

export async function loadConnectivity() {
  clearTimeout(timer);
  try {
    const answer = await fetch("v1/connectivity");
    if (answer.ok) {
      showRun((await answer.json()).run);
    }
  } catch {
    // What is shown stays: the line at the top says that the scheduler does not answer.
  }
  timer = setTimeout(loadConnectivity, isRunning ? BUSY_MS : IDLE_MS);
}

function showRun(run) {
  isRunning = Boolean(run) && run.status === "running";
  const text = JSON.stringify(run);
  if (text === shown) {
    return;
  }
  shown = text;
  setText("connectivity-button", isRunning ? "Stop the test" : "Run the test");
  show("connectivity-result", Boolean(run));
  if (!run) {
    return;
  }
  byId("connectivity-text").dataset.status = run.status;
  byId("connectivity-text").replaceChildren(
    build("b", capitalize(run.message.replace("connectivity test: ", ""))),
    run.ended_at === null ? ", begun " : ", ended ",
    buildAge(run.ended_at === null ? run.started_at : run.ended_at),
    " ago",
  );
  const columns = listColumns(run);
  byId("connectivity-head").replaceChildren(
    build("tr", [buildHead("From"), buildHead("To"), ...columns.map(({ name }) => buildHead(name))]),
  );
  byId("connectivity-pairs").replaceChildren(...run.pairs.map((pair) => buildPair(pair, columns)));
  const stories = run.pairs.flatMap((pair) => pair.results.filter(isStory).map((result) => buildStory(pair, result)));
  const leftOut = Object.entries(run.left_out).map(([test, reason]) =>
    build("li", [build("b", `${test}: not tested: `), reason]),
  );
  byId("connectivity-stories").replaceChildren(...stories, ...leftOut);
}

function capitalize(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function buildHead(text) {
  return build("th", text, { scope: "col" });
}

function listColumns(run) {
  const names = run.pairs.flatMap((pair) => pair.results.map((result) => `${result.test} ${result.action}`));
  return [...new Set(names)].map((name) => ({ name }));
}

function buildPair(pair, columns) {
  const results = Object.fromEntries(pair.results.map((result) => [`${result.test} ${result.action}`, result]));
  const cells = columns.map(({ name }) => buildCell(results[name]));
  const waits = pair.message ? [build("p", pair.message, { class: "muted" })] : [];
  const client = build("th", [pair.client, ...waits], { scope: "row", class: "name" });
  return build("tr", [client, build("td", pair.server), ...cells], { "data-status": pair.status, class: "pair" });
}

function buildCell(result) {
  if (!result) {
    return build("td");
  }
  const measured = [
    result.rtt_ms === null ? "" : `${result.rtt_ms.toFixed(1)} ms`,
    result.mtu === null ? "" : `${result.mtu} bytes`,
  ].filter(Boolean);
  const mark = build("span", MARKS[result.outcome], { "aria-hidden": "true" });
  const word = result.outcome === "passed" ? "ok" : result.outcome;
  const attributes = { class: "tried", "data-outcome": result.outcome, title: result.message };
  return build("td", build("span", [mark, ` ${measured.join(", ") || word}`], attributes));
}

function isStory(result) {
  return result.outcome !== "passed";
}

function buildStory(pair, result) {
  const place = `${pair.client} → ${pair.server}: ${result.test} ${result.action}: ${result.outcome}: `;
  return build("li", [build("b", place), result.message], { "data-outcome": result.outcome });
}
