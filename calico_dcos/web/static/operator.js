// The operator's hands: commands with a reason, behind a token.

import { build, buildMoment, byId, setText, show, tell } from "./dom.js";

const TOKEN_KEY = "calico-operator-token";
const TITLES = {
  pause: "Pause",
  resume: "Resume",
  retry: "Retry",
  "force-complete": "Force to complete",
  skip: "Skip",
  "release-slot": "Release the slot of",
  forget: "Forget",
  "start-test": "Run",
  "stop-test": "Stop",
};
const MEANINGS = {
  pause: "Nothing new is started or ended; tasks that run go on. A paused walk still brings back lost services.",
  resume: "The walk goes on where it was.",
  retry: "Failed attempts are forgotten, and the step is tried again at once.",
  "force-complete": "The step counts as complete, whatever the host looks like, until its settings change.",
  skip: "It is left out, as if it were disabled, until it is retried.",
  "release-slot": "The walk goes on past this agent, which stays as it is.",
  forget: "It leaves the plan, because it was taken out of the cluster. Should it return, it is new.",
  "start-test": "Small tasks on agents that are complete send packets to each other, for about half a minute.",
  "stop-test": "Its tasks are ended; what was not tried yet is told as not tested.",
};

let token = "";
let pending = null;

export function startOperator(onDone) {
  try {
    token = sessionStorage.getItem(TOKEN_KEY) || "";
  } catch {
    // Without storage the token lasts as long as the page.
  }
  showToken();
  document.querySelectorAll("dialog [data-close]").forEach((button) => {
    button.addEventListener("click", () => button.closest("dialog").close());
  });
  byId("token-button").addEventListener("click", () => askForToken(null));
  byId("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    keepToken(byId("token").value.trim());
    byId("token-dialog").close();
    const next = pending;
    pending = null;
    if (next && token) {
      askFor(next);
    }
  });
  byId("token-forget").addEventListener("click", () => {
    keepToken("");
    byId("token-dialog").close();
  });
  byId("command-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    byId("command-submit").disabled = true;
    const isDone = await send(pending, byId("command-reason").value.trim());
    byId("command-submit").disabled = false;
    if (isDone) {
      byId("command-dialog").close();
      onDone();
    }
  });
  byId("audit").addEventListener("toggle", loadAudit);
}

function keepToken(value) {
  token = value;
  try {
    sessionStorage.setItem(TOKEN_KEY, value);
  } catch {
    // Without storage the token lasts as long as the page.
  }
  showToken();
}

function showToken() {
  setText("token-label", token ? "Operator" : "Read-only");
}

function askForToken(next) {
  pending = next;
  byId("token").value = token;
  byId("token-dialog").showModal();
}

// command: {command, step, agent, subject}; without an agent it is for the whole walk, or for the subject.
export function askFor(command) {
  if (!token) {
    askForToken(command);
    return;
  }
  pending = command;
  const what = [command.step, command.step ? "on" : "", command.agent || command.subject || "the walk"].filter(Boolean).join(" ");
  setText("command-title", `${TITLES[command.command]} ${what}`);
  setText("command-text", MEANINGS[command.command]);
  setText("command-submit", TITLES[command.command].split(" ")[0]);
  byId("command-reason").value = "";
  show("command-error", false);
  byId("command-dialog").showModal();
  byId("command-reason").focus();
}

function choosePath(agent) {
  return agent ? `v1/agents/${encodeURIComponent(agent)}/commands` : "v1/plans/deploy/commands";
}

async function send(command, reason) {
  const headers = { "Content-Type": "application/json", "X-Calico-Token": token };
  const isTest = command.command.endsWith("-test");
  const word = command.command.replace("-test", "");
  const body = JSON.stringify(isTest ? { command: word, reason } : { command: word, step: command.step || null, reason });
  const path = isTest ? "v1/connectivity" : choosePath(command.agent);
  let message;
  try {
    const answer = await fetch(path, { method: "POST", headers, body });
    const told = await answer.json();
    message = told.message || told.error || `status ${answer.status}`;
    if (answer.ok) {
      tell(message);
      loadAudit();
      return true;
    }
  } catch (error) {
    message = `The scheduler does not answer: ${error.message}`;
  }
  setText("command-error", message);
  show("command-error", true);
  return false;
}

export async function loadAudit() {
  if (!byId("audit").open) {
    return;
  }
  try {
    const answer = await fetch("v1/audit?limit=50");
    const entries = answer.ok ? (await answer.json()).entries : [];
    byId("audit-list").replaceChildren(...entries.map(buildEntry));
    show("audit-empty", entries.length === 0);
  } catch {
    show("audit-empty", true);
  }
}

function buildEntry(entry) {
  const what = [entry.command, entry.step, entry.agent ? `on ${entry.agent}` : "the walk"].filter(Boolean).join(" ");
  const line = [build("b", what), ` by ${entry.who || "an operator"}`, entry.reason ? `: ${entry.reason}` : ""];
  return build("li", [buildMoment(entry.at), build("span", line)]);
}
