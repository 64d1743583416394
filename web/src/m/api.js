// Asking the service. Every answer that tells the time sets the clock right.

/** Problem is the service's refusal: code, title, detail and fix (RFC 9457). */
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail || document.title || `HTTP ${status}`);
    this.status = status;
    this.code = document.code || "";
    this.fix = document.fix || "";
    this.retryAfter = document.retry_after_s;
    this.ended = document.ended || ""; // why an enrolment ended
  }
  /** words are what the holder reads. */
  get words() {
    return [this.message, this.fix].filter(Boolean).join(" ");
  }
}

/** Offline: there was no answer. */
export class Offline extends Error {
  also = ""; // what else the holder can do
  get words() {
    return `没有连上网络。请检查手机的网络后再试。${this.also}`;
  }
}

// A cheap phone on a bad line may need long; a dead line should not seem to work.
const PATIENCE = 20_000;

export class Service {
  constructor(clock) {
    this.clock = clock;
  }

  get(path) {
    return this.ask("GET", path);
  }

  post(path, body = {}) {
    return this.ask("POST", path, body);
  }

  async ask(method, path, body) {
    const answer = await this.send(`/m/api/${path}`, {
      method,
      cache: "no-store",
      headers: { Accept: "application/json", ...(body && { "Content-Type": "application/json" }) },
      body: body && JSON.stringify(body),
    });
    return answer;
  }

  /** open reads the public directory. */
  open(path, query) {
    const wanted = new URLSearchParams(Object.entries(query || {}).filter(([, value]) => value !== "" && value !== undefined));
    return this.send(`/open/v1/${path}?${wanted}`, { headers: { Accept: "application/json" } });
  }

  async send(url, init) {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), PATIENCE);
    const sent = this.clock.wall();
    let response;
    let document = {};
    try {
      response = await fetch(url, { ...init, signal: stop.signal });
      const received = this.clock.wall();
      if (/json/.test(response.headers.get("Content-Type") || "")) document = await response.json();
      // A café's sign-in page answers in the service's place.
      else if (response.ok && response.status !== 204) throw new Offline();
      if (document.server_time) this.clock.measure(sent, received, Date.parse(document.server_time));
    } catch {
      throw new Offline();
    } finally {
      clearTimeout(timer);
    }
    if (!response.ok) throw new Problem(response.status, document);
    return document;
  }
}
