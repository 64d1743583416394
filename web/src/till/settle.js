// What was sent without an answer coming back. Every purchase, void and refund is
// written to the disk before it is sent and taken out when its outcome has been
// shown; so it is never asked for twice under two keys, and never forgotten, whether
// the network, the tab or the machine went away.
//
// A purchase is looked up by its key. If it is not there it is sent again under the
// same key while its quote is good, which is always safe; afterwards, or when the
// cashier gives it up, its key is reversed: after that it is undone or can never
// come into being, so "nothing was sold" is final. Voids and refunds are idempotent
// by their keys and are just sent again.

/** WAITS between attempts, ms; the last repeats. */
const WAITS = [1_500, 3_000, 6_000, 15_000, 30_000, 60_000];

export class Settle {
  #tries = 0;
  #timer = 0;
  #running = null;
  #sending = new Set(); // keys whose first request is still travelling

  /** shown(entries) is told of every change, settled(entry) of each outcome. */
  constructor({ db, api, shown, settled }) {
    Object.assign(this, { db, api, shown, settled, client: "" });
  }

  /** open lists what is unanswered or not yet acknowledged, oldest first. */
  async open() {
    return (await this.db.all("open")).sort((a, b) => a.at - b.at);
  }

  /** start looks after what an earlier run left. */
  async start(clientId) {
    this.client = clientId;
    this.shown(await this.open());
    await this.now();
  }

  /** send keeps an entry and makes its first request. The answer is the API's; one
   * that is lost stays here and is asked for again by itself. It throws only where
   * the entry could not be kept, and then nothing was sent. */
  async send(entry) {
    const kept = { ...entry, client: this.client, at: Date.now(), state: "open" };
    await this.db.put("open", kept);
    this.#sending.add(kept.key);
    const answer = await this.api.call("POST", kept.path, { body: kept.body, key: kept.key, patience: 12_000 })
      .catch(() => ({ lost: true, why: "network" })); // whatever broke, it may have been sent
    this.#sending.delete(kept.key);
    if (!answer.lost) {
      await this.db.remove("open", kept.key).catch(() => {}); // asked for once more, then, by its key
      return answer;
    }
    this.#tries = 0;
    this.#later();
    this.shown(await this.open().catch(() => [kept]));
    return answer;
  }

  /** giveUp has a purchase reversed instead of sent again. */
  async giveUp(key) {
    const entry = await this.db.get("open", key);
    if (!entry || entry.state !== "open") return;
    await this.db.put("open", { ...entry, giveUp: true });
    this.shown(await this.open());
    await this.now();
  }

  /** seen takes out what was settled and has been read. */
  async seen(key) {
    const entry = await this.db.get("open", key);
    if (entry && entry.state !== "open") await this.db.remove("open", key);
    this.shown(await this.open());
  }

  /** now asks at once; two askers share one round. */
  now() {
    this.#tries = 0;
    this.#running ??= this.#round().finally(() => (this.#running = null));
    return this.#running;
  }

  stop() {
    clearTimeout(this.#timer);
  }

  #later() {
    clearTimeout(this.#timer);
    const wait = WAITS[Math.min(this.#tries++, WAITS.length - 1)];
    this.#timer = setTimeout(() => {
      this.#running ??= this.#round().finally(() => (this.#running = null));
    }, wait);
  }

  async #round() {
    clearTimeout(this.#timer);
    let left = 0;
    for (const entry of await this.open()) {
      if (entry.state === "settled" || this.#sending.has(entry.key)) continue;
      if (entry.client !== this.client) {
        // Only the terminal that sent it may ask by its key; this machine may become
        // that terminal again.
        if (entry.state !== "stranded") await this.#note(entry, { state: "stranded" });
        continue;
      }
      let result = await (entry.kind === "purchase" ? this.#purchase(entry) : this.#again(entry));
      // Given up while it was being asked about: the cashier takes the full price.
      if (result?.purchase && (await this.db.get("open", entry.key))?.giveUp) result = await this.#reverse(entry);
      if (!result) {
        left++;
        continue;
      }
      await this.#note(entry, { state: "settled", result, body: undefined });
      this.settled({ ...entry, state: "settled", result });
    }
    this.shown(await this.open());
    if (left > 0) this.#later();
  }

  #note(entry, change) {
    return this.db.put("open", { ...entry, ...change });
  }

  /** #purchase returns what became of one, null while that is not known. */
  async #purchase(entry) {
    // The cashier may have given it up since the round began.
    if ((await this.db.get("open", entry.key))?.giveUp) return this.#reverse(entry);
    const found = await this.api.call("GET", `/v1/purchases?key=${encodeURIComponent(entry.key)}`);
    if (found.ok) return { state: found.body.state, purchase: found.body };
    if (found.problem?.code === "key_reversed") return { state: "tombstone" };
    if (found.problem?.code !== "not_found") return null;
    if (this.api.now() >= Date.parse(entry.until)) return this.#reverse(entry);
    const again = await this.api.call("POST", entry.path, { body: entry.body, key: entry.key, patience: 12_000 });
    if (again.ok) return { state: again.body.state, purchase: again.body };
    if (!again.problem || again.lost || blocked(again)) return null;
    return this.#reverse(entry, again.problem);
  }

  async #reverse(entry, problem) {
    const answer = await this.api.call("POST", "/v1/reversals", { body: { key: entry.key } });
    if (answer.ok) return { state: answer.body.state, problem, gaveUp: entry.giveUp };
    if (!answer.problem || answer.lost || blocked(answer)) return null;
    // Too late to reverse, so it stands as it is.
    const found = await this.api.call("GET", `/v1/purchases?key=${encodeURIComponent(entry.key)}`);
    if (found.ok) return { state: found.body.state, purchase: found.body, problem: answer.problem };
    return found.problem && !found.lost ? { state: "tombstone", problem: answer.problem } : null;
  }

  /** #again sends a void or refund again. */
  async #again(entry) {
    const answer = await this.api.call("POST", entry.path, { body: entry.body, key: entry.key, patience: 12_000 });
    if (answer.ok) return { state: answer.body.state, undo: answer.body };
    if (!answer.problem || answer.lost || blocked(answer)) return null;
    return { state: "refused", problem: answer.problem };
  }
}

/** blocked: who asks may not, so nothing was learnt about what was asked. */
const blocked = (answer) => ["terminal_suspended", "terminal_key"].includes(answer.problem?.code);
