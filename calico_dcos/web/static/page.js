// The status page: puts its parts together.

import { loadConnectivity, startConnectivity } from "./connectivity.js";
import { byId, setClock, setText, showAges } from "./dom.js";
import { showSummary } from "./header.js";
import { Live } from "./live.js";
import { askFor, startOperator } from "./operator.js";
import { markOutlook, showOutlook, startOutlook } from "./outlook.js";
import { Table } from "./table.js";

const CLOCK_MS = 2000;
const TYPING_MS = 150;
const LIMIT = 50;

const wish = { q: "", group: "", kind: "", outlook: "", sort: "attention", offset: 0, limit: LIMIT };
const table = new Table(askFor);
const live = new Live(showListing, showConnection);
let typing = null;

function showListing(listing, isWhole) {
  setClock(listing.now);
  showSummary(listing.summary);
  showOutlook(listing.summary);
  // A page that is not there any more: the last one is shown instead.
  if (listing.matching > 0 && wish.offset >= listing.matching) {
    turnTo(Math.floor((listing.matching - 1) / LIMIT) * LIMIT);
    return;
  }
  table.showListing(listing, isWhole, wish);
}

function showConnection(state, text) {
  byId("connection").dataset.state = state;
  setText("connection", text);
}

function follow() {
  const given = Object.entries(wish).filter(([, value]) => value !== "");
  live.follow(new URLSearchParams(given).toString());
}

function wishFor(change) {
  Object.assign(wish, { offset: 0 }, change);
  document.querySelectorAll("#groups button").forEach((button) => {
    button.setAttribute("aria-pressed", String(button.dataset.group === wish.group));
  });
  markOutlook(wish.outlook);
  follow();
}

function turnTo(offset) {
  wish.offset = Math.max(0, offset);
  follow();
}

byId("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => wishFor({ q: byId("search").value.trim() }), TYPING_MS);
});
byId("kind").addEventListener("change", () => wishFor({ kind: byId("kind").value }));
byId("sort").addEventListener("change", () => wishFor({ sort: byId("sort").value }));
document.querySelectorAll("#groups button").forEach((button) => {
  button.addEventListener("click", () => wishFor({ group: button.dataset.group }));
});
byId("before").addEventListener("click", () => turnTo(wish.offset - LIMIT));
byId("after").addEventListener("click", () => turnTo(wish.offset + LIMIT));
byId("brake").addEventListener("click", () => askFor({ command: byId("brake").dataset.command }));
document.addEventListener("keydown", (event) => {
  const isTyping = ["INPUT", "TEXTAREA", "SELECT"].includes(event.target.tagName) || document.querySelector("dialog[open]");
  if (event.key === "/" && !isTyping) {
    event.preventDefault();
    byId("search").focus();
  }
});

startOutlook((outlook) => wishFor({ outlook }));
startOperator(() => {
  table.refreshDetails();
  loadConnectivity();
});
startConnectivity(askFor);
setInterval(showAges, CLOCK_MS);
follow();
