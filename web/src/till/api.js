// The terminal API from the browser. An answer is one of
//   {ok: true, status, body}            what was asked for
//   {problem: {code, title, detail, fix, …}, status}   refused, for good
//   {lost: true, why}                   nobody knows: no network, no time, or a server in trouble
// and for whoever this till is, trouble says what stands in the way: null,
// "offline", "suspended", "key" (changed or unknown), "clock".
import { assertion } from "./identity.js";

const TOKEN = "/oauth/token";
/** EARLY is how long before its end a token is replaced, ms. */
const EARLY = 5 * 60_000;
/** NEW is how long after an activation the service's nodes may not know the key yet, ms. */
const NEW = 10_000;

/** unsure are answers that leave open whether the thing was done, or say that it
 * was not even looked at and may be asked again. */
const UNSURE = new Set(["outcome_unknown", "idempotency_key_in_flight", "overloaded", "view_stale", "internal", "body_incomplete", "unauthorized"]);

export class Api {
  #identity;
  #token = null; // {value, until}: by our own clock
  #asking = null;
  #skew = 0; // the service's clock minus ours, ms

  /** changed(trouble, detail) is told when what stands in the way changes. */
  constructor({ changed, keep }) {
    Object.assign(this, { changed, keep, trouble: undefined });
  }

  /** be makes this the till's identity; null: none. */
  be(identity) {
    this.#identity = identity;
    this.#token = this.#asking = null;
    this.trouble = undefined;
  }

  /** now is the service's time, ms. */
  now() {
    return Date.now() + this.#skew;
  }

  /** skew is how far our clock is behind, ms. */
  get skew() {
    return this.#skew;
  }

  activate(code, publicKey) {
    return this.#send("POST", "/v1/terminals/activate", { body: { code, public_key: publicKey }, patience: 15_000 });
  }

  /** call makes one request as this terminal. */
  async call(method, path, { body, key, patience = 8_000 } = {}) {
    for (let attempt = 0; ; attempt++) {
      const me = this.#identity;
      const token = await this.#bearer();
      if (!token.value) return token;
      const answer = await this.#send(method, path, { body, key, patience, token: token.value });
      if (answer.status === 401 && attempt === 0) {
        this.#token = null; // ended early: the key was changed, or the server restarted with other keys
        continue;
      }
      if (me !== this.#identity) return answer; // says nothing of who we are now
      if (answer.problem?.code === "terminal_suspended") this.#tell("suspended", answer.problem);
      else if (answer.lost && !answer.status) this.#tell("offline");
      else this.#tell(null);
      if (answer.ok) this.#set(answer, 0);
      return answer;
    }
  }

  /** #set takes the service's time out of an answer that tells it. */
  #set({ body }, rounded) {
    if (body?.server_time) this.#skew = Date.parse(body.server_time) + rounded - Date.now();
  }

  async #send(method, path, { body, key, token, patience, form }) {
    const headers = {};
    if (body) headers["Content-Type"] = "application/json";
    if (token) headers.Authorization = `Bearer ${token}`;
    if (key) headers["Idempotency-Key"] = `"${key}"`;
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), patience);
    try {
      const response = await fetch(path, { method, headers, body: form ?? (body && JSON.stringify(body)), signal: stop.signal, cache: "no-store", credentials: "omit" });
      const text = await response.text();
      return read(response.status, text);
    } catch {
      return { lost: true, why: stop.signal.aborted ? "slow" : "network" };
    } finally {
      clearTimeout(timer);
    }
  }

  /** #bearer is a token that is good for a while; one log-in serves all who wait. */
  async #bearer() {
    if (this.#token && Date.now() < this.#token.until) return this.#token;
    if (this.#asking) return this.#asking;
    const asking = this.#logIn().finally(() => this.#asking === asking && (this.#asking = null));
    return (this.#asking = asking);
  }

  /** #logIn tries the audience that the service named at activation and, if its
   * address has changed since, that of this page; and once more with its clock. */
  async #logIn() {
    const me = this.#identity;
    const audiences = [...new Set([me.audience, location.origin + TOKEN])];
    let answer;
    for (let i = 0, clock = false; i < audiences.length;) {
      const form = new URLSearchParams({
        grant_type: "client_credentials", client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        client_assertion: await assertion(me, audiences[i], this.now()),
      });
      answer = await this.#send("POST", TOKEN, { form, patience: 8_000 });
      // Activated anew meanwhile: the old key's answer must not send the new one back.
      if (me !== this.#identity) return { lost: true, why: "network" };
      const before = this.#skew;
      this.#set(answer, 500); // in whole seconds
      if (answer.ok) {
        if (audiences[i] !== me.audience) await this.keep({ ...me, audience: audiences[i] });
        this.#token = { value: answer.body.access_token, until: Date.now() + answer.body.expires_in * 1000 - EARLY };
        this.#tell(null);
        return this.#token;
      }
      if (answer.body?.error !== "invalid_client") break;
      if (!clock && Math.abs(this.#skew - before) > 20_000) {
        clock = true; // the same again, by the service's clock
        continue;
      }
      if (++i === audiences.length && Math.abs(Date.now() - me.since) < NEW) {
        await new Promise((again) => setTimeout(again, 1_000));
        i = 0;
      }
    }
    return this.#refused(answer);
  }

  #refused(answer) {
    switch (answer.body?.error) {
      case "unauthorized_client":
        this.#tell("suspended");
        return { problem: { code: "terminal_suspended", title: "终端已停用", detail: "本终端已被停用，暂时不能收款。", fix: "请联系签约的帮扶中心恢复终端。" }, status: 403 };
      case "invalid_client":
        this.#tell("key");
        return { problem: { code: "terminal_key", title: "终端密钥无效", detail: "本终端的密钥已更换，或这台机器的登记已注销。", fix: "请向帮扶中心要新的激活码，重新激活。" }, status: 401 };
    }
    if (!answer.problem) this.#tell("offline");
    return answer.problem ? answer : { lost: true, why: answer.why ?? "server" };
  }

  #tell(trouble, detail) {
    if (trouble === this.trouble) return;
    this.trouble = trouble;
    this.changed(trouble, detail);
  }
}

/** read turns an HTTP answer into ours. The token endpoint's errors have `error`. */
function read(status, text) {
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    return { lost: true, why: "server", status }; // a proxy's page
  }
  if (status < 300) return { ok: true, status, body };
  if (body.error) return { status, body };
  if (!body.code) return { lost: true, why: "server", status };
  if (status >= 500 || UNSURE.has(body.code)) return { lost: true, why: "server", status, problem: body };
  return { problem: body, status };
}
