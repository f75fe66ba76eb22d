// The status page: shows what the server tells, live where that reaches us, and by asking where it does not.
// Every text from the server becomes a text node: nothing that an agent says can become a part of the page.
"use strict";

const POLL_MS = 5000;
// Without a first message for so long, something on the way keeps the events back.
const PATIENCE_MS = 5000;
const RECONNECT_MS = 60000;
const CLOCK_MS = 5000;

const MARKS = {
  PENDING: "○",
  WAITING: "○",
  DELAYED: "↻",
  STARTING: "…",
  STARTED: "…",
  IN_PROGRESS: "…",
  COMPLETE: "✓",
  ERROR: "✕",
};

const agents = new Map();
const rows = new Map();
// Seconds that the server's clock is ahead of ours.
let clockLead = 0;
let pollTimer = null;

function byId(id) {
  return document.getElementById(id);
}

function build(tag, text, attributes) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes || {})) {
    element.setAttribute(name, value);
  }
  return element;
}

function describeStatus(status) {
  return status.toLowerCase().replace("_", " ");
}

function describeSize(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function describeAge(seconds) {
  if (seconds < 90) {
    return `${Math.max(0, Math.round(seconds))} s`;
  }
  if (seconds < 90 * 60) {
    return `${Math.round(seconds / 60)} min`;
  }
  return seconds < 48 * 3600 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

function describeReason(agent) {
  const loading = agent.steps.find((step) => step.status !== "COMPLETE" && step.done_bytes !== null);
  if (!loading) {
    return agent.message;
  }
  const total = loading.total_bytes === null ? "" : ` of ${describeSize(loading.total_bytes)}`;
  return `${agent.message} – ${describeSize(loading.done_bytes)}${total}`;
}

function buildStep(step) {
  const item = build("li", "");
  const state = build("span", `${MARKS[step.status] || "?"} ${step.name}`, {
    "class": "state",
    "data-status": step.status,
    "title": [describeStatus(step.status), step.message].filter(Boolean).join(": "),
  });
  state.append(build("span", ` ${describeStatus(step.status)}`, { "class": "quiet" }));
  item.append(state);
  return item;
}

function buildSince(since) {
  const cell = build("td", "", { "class": "since" });
  if (since) {
    cell.dataset.label = "since";
    const moment = new Date(since * 1000);
    const time = build("time", "", { "datetime": moment.toISOString(), "title": moment.toLocaleString() });
    time.dataset.at = since;
    cell.append(time);
    showAge(time);
  }
  return cell;
}

function showAge(time) {
  time.textContent = describeAge(Date.now() / 1000 + clockLead - Number(time.dataset.at));
}

function fillRow(row, agent) {
  const status = build("td", "");
  status.append(build("span", describeStatus(agent.status), { "class": "state", "data-status": agent.status }));
  const steps = build("td", "");
  const list = build("ol", "", { "class": "steps" });
  list.append(...agent.steps.map(buildStep));
  steps.append(list);
  row.replaceChildren(
    build("th", agent.key, { "scope": "row" }),
    build("td", agent.is_public ? "public" : "private"),
    build("td", agent.mesos_version, { "data-label": "Mesos" }),
    status,
    steps,
    build("td", describeReason(agent), { "class": "reason" }),
    buildSince(agent.since),
  );
}

function compareKeys(one, other) {
  return one.localeCompare(other, undefined, { numeric: true });
}

function putAgent(agent) {
  agents.set(agent.key, agent);
  if (!rows.has(agent.key)) {
    rows.set(agent.key, build("tr", ""));
  }
  fillRow(rows.get(agent.key), agent);
}

function dropAgent(key) {
  agents.delete(key);
  rows.get(key)?.remove();
  rows.delete(key);
}

function sortRows() {
  const body = byId("agents");
  const keys = [...rows.keys()].sort(compareKeys);
  keys.forEach((key, index) => {
    if (body.children[index] !== rows.get(key)) {
      body.insertBefore(rows.get(key), body.children[index] || null);
    }
  });
  byId("empty").hidden = rows.size > 0;
}

function showSummary(summary) {
  document.title = `${summary.complete} of ${summary.total} – ${summary.service}`;
  byId("service").textContent = summary.service;
  byId("progress").max = Math.max(1, summary.total);
  byId("progress").value = summary.complete;
  for (const name of ["complete", "working", "waiting", "failed", "total"]) {
    byId(name).textContent = summary[name];
    byId(name).parentElement.dataset.count = summary[name];
  }
  const notConnected = "Not connected to the Mesos master: nothing new is started.";
  const troubles = [
    ...(summary.notice ? [summary.notice] : []),
    ...(summary.is_connected || summary.notice ? [] : [notConnected]),
    ...summary.errors,
  ];
  byId("trouble").textContent = troubles.join("\n");
  byId("trouble").hidden = troubles.length === 0;
}

function showListing(listing, isWhole) {
  clockLead = listing.now - Date.now() / 1000;
  const known = new Set(listing.agents.map((agent) => agent.key));
  const gone = isWhole ? [...agents.keys()].filter((key) => !known.has(key)) : listing.gone;
  gone.forEach(dropAgent);
  listing.agents.forEach(putAgent);
  if (isWhole || listing.agents.length > 0) {
    sortRows();
  }
  showSummary(listing.summary);
}

function tellConnection(text) {
  byId("connection").textContent = text;
}

async function poll() {
  try {
    const answer = await fetch("v1/agents");
    if (!answer.ok) {
      throw new Error(`status ${answer.status}`);
    }
    showListing(await answer.json(), true);
    tellConnection("Updated every few seconds");
  } catch (error) {
    tellConnection(`The scheduler does not answer: what is shown may be old (${error.message})`);
  }
}

function startPolling() {
  if (pollTimer === null) {
    poll();
    pollTimer = setInterval(poll, POLL_MS);
  }
}

function stopPolling() {
  clearInterval(pollTimer);
  pollTimer = null;
}

function follow() {
  const source = new EventSource("v1/events");
  const patience = setTimeout(startPolling, PATIENCE_MS);
  source.addEventListener("snapshot", (event) => {
    clearTimeout(patience);
    stopPolling();
    tellConnection("Live");
    showListing(JSON.parse(event.data), true);
  });
  source.addEventListener("agents", (event) => showListing(JSON.parse(event.data), false));
  source.addEventListener("error", () => {
    clearTimeout(patience);
    startPolling();
    // The browser connects again by itself, but not after a refusal.
    if (source.readyState === EventSource.CLOSED) {
      setTimeout(follow, RECONNECT_MS);
    }
  });
}

setInterval(() => document.querySelectorAll("time[data-at]").forEach(showAge), CLOCK_MS);
follow();
