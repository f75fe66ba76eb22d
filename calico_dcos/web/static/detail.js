// What a row opens to: steps, planned changes with their impact, facts, history, and the operator's hands.

import { build, buildAge, buildMoment } from "./dom.js";
import { describeMark } from "./format.js";
import { buildState } from "./steps.js";

// However often its row changes, an open agent is asked for at most so often.
const PAUSE_MS = 700;

export class Detail {
  constructor(key, columns, onCommand) {
    this.key = key;
    this.onCommand = onCommand;
    this.cell = build("td", build("p", "Loading…", { class: "muted" }), { colspan: columns, role: "cell" });
    this.row = build("tr", this.cell, { class: "detail", role: "row", "data-detail": key });
    this.timer = null;
    this.isLoading = false;
    this.isStale = false;
    this.text = "";
  }

  close() {
    clearTimeout(this.timer);
    this.row.remove();
  }

  refresh() {
    if (this.timer !== null) {
      this.isStale = true;
      return;
    }
    this.isStale = false;
    this.load();
    this.timer = setTimeout(() => {
      this.timer = null;
      if (this.isStale) {
        this.refresh();
      }
    }, PAUSE_MS);
  }

  async load() {
    if (this.isLoading) {
      this.isStale = true;
      return;
    }
    this.isLoading = true;
    try {
      const answer = await fetch(`v1/agents/${encodeURIComponent(this.key)}`);
      const text = await answer.text();
      if (text !== this.text) {
        this.text = text;
        this.fill(answer.ok ? JSON.parse(text) : null);
      }
    } catch (error) {
      this.cell.replaceChildren(build("p", `Not loaded: ${error.message}`, { class: "muted" }));
      this.text = "";
    } finally {
      this.isLoading = false;
    }
  }

  fill(agent) {
    if (agent === null) {
      this.cell.replaceChildren(build("p", "This agent is not there any more.", { class: "muted" }));
      return;
    }
    // A redraw must not take the keyboard away, nor close what was opened.
    const focused = document.activeElement?.dataset?.control;
    const opened = new Set([...this.cell.querySelectorAll("details[open]")].map((part) => part.dataset.part));
    this.cell.replaceChildren(
      build(
        "div",
        [
          this.buildControls(agent),
          this.buildSteps(agent),
          build("div", [buildChanges(agent), buildHistory(agent)]),
          buildFacts(agent),
        ],
        { class: "detail-grid" },
      ),
    );
    this.cell.querySelectorAll("details").forEach((part) => {
      part.open = part.open || opened.has(part.dataset.part);
    });
    if (focused) {
      this.cell.querySelector(`[data-control="${focused}"]`)?.focus();
    }
  }

  buildControl(command, label, step) {
    const control = `${command} ${step || ""}`.trim();
    const where = step ? ` ${step} on ${this.key}` : ` ${this.key}`;
    const button = build("button", [label, build("span", where, { class: "quiet" })], {
      type: "button",
      class: "button quiet-button small",
      "data-control": control,
    });
    button.addEventListener("click", () => this.onCommand({ command, step, agent: this.key }));
    return button;
  }

  buildControls(agent) {
    const controls = [
      agent.pause ? this.buildControl("resume", "Resume") : this.buildControl("pause", "Pause"),
      this.buildControl("retry", "Retry"),
    ];
    if (agent.group === "failed" && !agent.released) {
      controls.push(this.buildControl("release-slot", "Release its slot"));
    }
    if (agent.absent_since) {
      controls.push(this.buildControl("forget", "Forget"));
    }
    if (agent.group !== "complete") {
      controls.push(this.buildControl("skip", "Skip this agent"));
    }
    const told = [
      agent.pause ? `Paused ${describeMark(agent.pause)}` : "",
      agent.released ? `Its slot was released ${describeMark(agent.released)}` : "",
    ].filter(Boolean);
    const id = `Mesos agent ${agent.agent_id}${agent.ip ? ` at ${agent.ip}:${agent.port}` : ""}`;
    return build(
      "section",
      [
        build("div", [...controls, build("span", id, { class: "muted" })], { class: "controls" }),
        ...told.map((line) => build("p", line, { class: "restart" })),
      ],
      { class: "wide", "aria-label": `Controls of ${this.key}` },
    );
  }

  buildSteps(agent) {
    const list = agent.steps.map((step) => this.buildStep(step));
    return build("section", [build("h3", "Steps"), build("ol", list, { class: "step-list" })]);
  }

  buildStep(step) {
    const isOpen = step.status !== "COMPLETE" && step.name !== "inspect";
    const head = [build("b", step.name), buildState(step.status, step.badge)];
    if (step.since) {
      head.push(build("span", buildAge(step.since), { class: "muted" }));
    }
    const sandbox = buildSandboxLink(step.task);
    if (sandbox) {
      head.push(sandbox);
    }
    if (isOpen) {
      head.push(this.buildControl("force-complete", "Force complete", step.name));
      head.push(this.buildControl("skip", "Skip", step.name));
    }
    const failed = step.attempts ? `${step.attempts} failed: ${step.reason}` : "";
    const lines = [step.message, failed === "" || step.message.includes(step.reason) ? "" : failed].filter(Boolean);
    return build("li", [
      build("div", head, { class: "step-head" }),
      ...lines.map((line) => build("span", line, { class: "muted" })),
    ]);
  }
}

function buildSandboxLink(task) {
  const framework = document.getElementById("framework").textContent;
  const master = document.getElementById("master").textContent;
  if (!task || framework === "–") {
    return null;
  }
  const place = [task.agent_id, "frameworks", framework, "executors", task.id].map(encodeURIComponent).join("/");
  // Behind DC/OS, Mesos' own page is beside the services.
  const mesos = /\/service\/[^/]+\/$/.test(location.pathname) ? "../../mesos/" : `${location.protocol}//${master}/`;
  return build("a", "sandbox", { href: `${mesos}#/agents/${place}/browse`, title: task.id });
}

function buildChanges(agent) {
  const items = Object.entries(agent.changes).flatMap(([step, changes]) =>
    changes.map((change) =>
      build("li", [
        build("span", [build("b", `${step} `), change.message]),
        build("span", `because ${change.reason}`, { class: "muted" }),
        build("span", `impact: ${change.impact || "none"}`, { class: "muted" }),
        change.restarts ? build("span", `restarts ${change.restarts}`, { class: "restart" }) : null,
      ]),
    ),
  );
  const refusals = Object.entries(agent.refusals).map(([step, reason]) =>
    build("li", build("span", [build("b", `${step} is refused: `), reason], { class: "restart" })),
  );
  const doubts = [
    ...Object.entries(agent.unknowns).map(([step, reason]) => [`${step} could not be looked at: `, reason]),
    ...Object.entries(agent.faults).map(([step, reason]) => [`${step} is of no use: `, reason]),
  ].map(([head, reason]) => build("li", build("span", [build("b", head), reason], { class: "restart" })));
  const proofs = Object.entries(agent.proofs).map(([step, seen]) =>
    build("li", build("span", [build("b", `${step} is proven: `), seen], { class: "muted" })),
  );
  const warnings = Object.entries(agent.warnings).flatMap(([step, texts]) =>
    texts.map((text) => build("li", build("span", [build("b", `${step}, a warning: `), text]))),
  );
  const seen = agent.inspected_at ? ["as of ", buildAge(agent.inspected_at), " ago"] : ["not looked at yet"];
  const none = items.length + refusals.length + doubts.length === 0 ? build("p", "Nothing is left to do.", { class: "muted" }) : null;
  return build("section", [
    build("h3", ["Planned changes ", build("span", seen, { class: "muted" })]),
    agent.inspected_at ? none : null,
    build("ul", [...refusals, ...doubts, ...items, ...warnings, ...proofs], { class: "changes" }),
  ]);
}

function buildHistory(agent) {
  const lines = [...agent.history].reverse().map((note) => build("li", [buildMoment(note.at), build("span", note.text)]));
  return build("section", [build("h3", "History"), build("ol", lines, { class: "history" })]);
}

function buildFacts(agent) {
  const facts = flatten(agent.facts).flatMap(([name, value]) => [build("dt", name), build("dd", value)]);
  const list = build("dl", facts, { class: "facts" });
  const title = build("summary", build("h3", `Facts of the host (${facts.length / 2})`, { class: "inline" }));
  return build("details", [title, list], { class: "wide", "data-part": "facts" });
}

function flatten(value, name = "") {
  if (value !== null && typeof value === "object") {
    const parts = Object.entries(value).flatMap(([key, part]) => flatten(part, name ? `${name}.${key}` : key));
    return parts.length === 0 && name ? [[name, "none"]] : parts;
  }
  return [[name, value === null ? "unknown" : String(value)]];
}
