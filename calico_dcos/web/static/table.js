// The table: one page of rows, each of which opens to all that is known of its agent.

import { Detail } from "./detail.js";
import { build, buildAge, byId, setText, show } from "./dom.js";
import { describeCount, describeReason } from "./format.js";
import { buildOutlook } from "./outlook.js";
import { buildState, buildSteps, nameSteps } from "./steps.js";

const COLUMNS = 7;
const PROGRAMS = [
  ["Mesos", "mesos_version"],
  ["Docker", "docker_version"],
];

function buildVersions(agent) {
  const known = PROGRAMS.filter(([, field]) => agent[field]);
  return known.map(([name, field]) => build("span", `${name} ${agent[field]}`));
}

export class Table {
  constructor(onCommand) {
    this.onCommand = onCommand;
    this.agents = new Map();
    this.rows = new Map();
    this.details = new Map();
    this.order = [];
    this.walkMessage = "";
    this.isPreflight = false;
  }

  showListing(listing, isWhole, page) {
    this.isPreflight = listing.summary.is_preflight;
    this.walkMessage = listing.summary.message;
    const told = new Map(listing.agents.map((agent) => [agent.key, agent]));
    const gone = isWhole ? [...this.agents.keys()].filter((key) => !told.has(key)) : listing.gone;
    gone.forEach((key) => this.drop(key));
    told.forEach((agent) => this.put(agent));
    listing.agents.slice(0, 1).forEach((agent) => setText("legend", nameSteps(agent.steps)));
    if (listing.order) {
      this.arrange(listing.order);
    }
    this.showRange(listing, page);
  }

  put(agent) {
    this.agents.set(agent.key, agent);
    if (!this.rows.has(agent.key)) {
      this.rows.set(agent.key, this.buildRow(agent.key));
    }
    this.fill(this.rows.get(agent.key), agent);
    this.details.get(agent.key)?.refresh();
  }

  drop(key) {
    this.agents.delete(key);
    this.rows.get(key)?.remove();
    this.rows.delete(key);
    this.details.get(key)?.close();
    this.details.delete(key);
  }

  arrange(order) {
    this.order = order;
    const body = byId("agents");
    const wanted = order.flatMap((key) => [this.rows.get(key), this.details.get(key)?.row]).filter(Boolean);
    // Only what is out of place moves: whoever has the focus keeps it.
    wanted.forEach((row, index) => {
      if (body.children[index] !== row) {
        body.insertBefore(row, body.children[index] || null);
      }
    });
  }

  buildRow(key) {
    const row = build("tr", "", { class: "agent", "data-key": key, role: "row" });
    const toggle = build("button", "›", {
      type: "button",
      class: "toggle",
      "aria-expanded": "false",
      "aria-label": `Details of ${key}`,
    });
    toggle.addEventListener("click", () => this.toggle(key));
    row.append(build("td", toggle, { class: "opener", role: "cell" }));
    return row;
  }

  fill(row, agent) {
    const [opener] = row.children;
    const names = [agent.key, agent.is_public ? build("span", "public", { class: "tag" }) : null];
    row.replaceChildren(
      opener,
      build("th", names, { scope: "row", role: "rowheader", class: "name" }),
      build("td", buildVersions(agent), { class: "versions", role: "cell" }),
      build("td", buildState(agent.status), { role: "cell" }),
      build("td", buildSteps(agent.steps), { role: "cell" }),
      build("td", this.buildReason(agent), { class: "reason", role: "cell" }),
      build("td", agent.since ? buildAge(agent.since) : "", { class: "since", role: "cell" }),
    );
  }

  buildReason(agent) {
    const reason = describeReason(agent);
    // What keeps all of them waiting is told once, above.
    const isTold = this.isPreflight && reason === this.walkMessage;
    return [isTold ? null : reason, buildOutlook(agent, this.isPreflight)];
  }

  toggle(key) {
    const button = this.rows.get(key).querySelector(".toggle");
    const open = this.details.get(key);
    if (open) {
      open.close();
      this.details.delete(key);
    } else {
      const detail = new Detail(key, COLUMNS, this.onCommand);
      this.details.set(key, detail);
      this.rows.get(key).after(detail.row);
      detail.refresh();
    }
    button.setAttribute("aria-expanded", String(!open));
  }

  refreshDetails() {
    this.details.forEach((detail) => detail.refresh());
  }

  showRange(listing, page) {
    const first = page.offset + 1;
    const last = Math.min(page.offset + page.limit, listing.matching);
    const range = `${describeCount(first)} to ${describeCount(last)} of ${describeCount(listing.matching)}`;
    setText("range", listing.matching === 0 ? "0 agents" : range);
    setText("empty", listing.summary.total === 0 ? "No agent is known yet." : "No agent is like that.");
    show("empty", listing.matching === 0);
    byId("before").disabled = page.offset === 0;
    byId("after").disabled = last >= listing.matching;
  }
}
