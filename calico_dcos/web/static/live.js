// The rows that are looked at, live where events reach us, and by asking where they do not.

const POLL_MS = 5000;
// Without a first message for so long, something on the way keeps the events back.
const PATIENCE_MS = 5000;
const RECONNECT_MS = 30000;

export class Live {
  // onListing(listing, isWhole) and onState(state, text) are called as things happen.
  constructor(onListing, onState) {
    this.onListing = onListing;
    this.onState = onState;
    this.query = "";
    this.source = null;
    this.pollTimer = null;
    this.patience = null;
    this.reconnect = null;
  }

  follow(query) {
    this.stop();
    this.query = query;
    const source = new EventSource(`v1/events?${query}`);
    this.source = source;
    this.patience = setTimeout(() => this.startPolling(), PATIENCE_MS);
    source.addEventListener("snapshot", (event) => {
      clearTimeout(this.patience);
      this.stopPolling();
      this.onState("live", "Live");
      this.onListing(JSON.parse(event.data), true);
    });
    source.addEventListener("agents", (event) => this.onListing(JSON.parse(event.data), false));
    source.addEventListener("error", () => {
      clearTimeout(this.patience);
      this.startPolling();
      // The browser connects again by itself, but not after a refusal.
      if (source.readyState === EventSource.CLOSED && this.source === source) {
        this.reconnect = setTimeout(() => this.follow(this.query), RECONNECT_MS);
      }
    });
  }

  stop() {
    this.source?.close();
    clearTimeout(this.patience);
    clearTimeout(this.reconnect);
    this.stopPolling();
  }

  startPolling() {
    if (this.pollTimer === null) {
      this.pollTimer = setInterval(() => this.poll(), POLL_MS);
      this.poll();
    }
  }

  stopPolling() {
    clearInterval(this.pollTimer);
    this.pollTimer = null;
  }

  async poll() {
    const query = this.query;
    try {
      const answer = await fetch(`v1/agents?${query}`);
      if (!answer.ok) {
        throw new Error(`status ${answer.status}`);
      }
      const listing = await answer.json();
      if (this.pollTimer !== null && query === this.query) {
        this.onListing(listing, true);
        this.onState("polling", "Updated every few seconds");
      }
    } catch (error) {
      if (this.pollTimer !== null) {
        this.onState("lost", `The scheduler does not answer: what is shown may be old (${error.message})`);
      }
    }
  }
}
