// What the till reckons without a page: the scanner's keys, money, codes.
import assert from "node:assert/strict";
import { Api } from "../src/till/api.js";
import { digits, kindOf, receiptCode, receiptId, slipped } from "../src/till/code.js";
import { fenOf, givenBack, pressed, yuan } from "../src/till/format.js";
import { Settle } from "../src/till/settle.js";
import { basket } from "../src/till/parts.js";
import { fixOf, whyNot } from "../src/till/words.js";
import { QUIET, Wedge } from "../src/till/wedge.js";

export async function units() {
  await sent();
  await givenUp();
  await anew();
  money();
  codes();
  words();
  wedge();
  parts();
}

/** parts: what is not told is nothing, the rest is never more than what remains. */
function parts() {
  const shop = { parts: [{ category: "t", name: "烟草" }, { category: "l", name: "酒水" }], rest: "rest", by_items: [{ offer: "egg", title: "团购价" }] };
  for (const [fen, at, typed, lines, over] of [
    [23000, shop, {}, [["rest", 23000]], 0], [23000, shop, { t: "30" }, [["t", 3000], ["rest", 20000]], 0],
    [23000, shop, { t: "30.", l: "200" }, [["t", 3000], ["l", 20000]], 0], [23000, shop, { t: "30", l: "200.01" }, null, 1],
    [23000, shop, { gone: "30", t: "0" }, [["rest", 23000]], 0], [0, shop, { t: "1" }, null, 100],
    [23000, { parts: [] }, {}, null, 0], [23000, {}, {}, null, 0], [23000, null, {}, null, 0],
  ]) {
    const told = basket(fen, at, typed);
    assert.deepEqual([told.items?.map((l) => [l.category, l.amount_fen]) ?? null, told.over], [lines, over], JSON.stringify(typed));
    for (const l of told.items ?? []) assert.deepEqual([l.qty_milli, l.unit_price_fen], [1000, l.amount_fen]);
  }
  const message = "所购商品不参加该优惠";
  assert.equal(whyNot({ reason: "scope", offer: "t", message }, shop), message);
  for (const offer of [{ reason: "scope", offer: "egg", message }, { reason: "items_missing", offer: "t", message }]) assert.match(whyNot(offer, shop), /请按上面的金额收/);
}

/** sent: once an entry is kept, whatever breaks afterwards is never told as "not
 * sent", which would make the cashier do it again under another key. */
async function sent() {
  const db = (broken) => ({
    put: async () => broken === "put" && assert.fail("the disk is full"),
    remove: () => Promise.reject(new Error("the database was closed")),
    all: () => Promise.reject(new Error("the database was closed")),
  });
  const send = async (broken, call) => {
    const settle = new Settle({ db: db(broken), api: { call }, shown: () => {}, settled: () => {} });
    try {
      return await settle.send({ key: "k", kind: "refund", path: "/v1/purchases/x/refunds", body: {} });
    } finally {
      settle.stop();
    }
  };
  const done = { ok: true, status: 201, body: {} };
  assert.equal(await send("remove", async () => done), done);
  assert.equal((await send("call", () => Promise.reject(new Error("no key")))).lost, true);
  let calls = 0;
  await assert.rejects(send("put", async () => (calls++, done)));
  assert.equal(calls, 0);
}

/** givenUp: a purchase given up while it is being sent again is reversed. */
async function givenUp() {
  const kept = new Map([["k", { key: "k", kind: "purchase", path: "/v1/purchases", body: {}, client: "c", at: 1, state: "open", until: "2999-01-01T00:00:00Z" }]]);
  const db = { put: async (_, e) => kept.set(e.key, e), get: async (_, key) => kept.get(key), all: async () => [...kept.values()] };
  const asked = [];
  let given;
  const call = async (method, path) => {
    asked.push(`${method} ${path.split("?")[0]}`);
    if (method === "GET") return { problem: { code: "not_found" }, status: 404 };
    if (path === "/v1/reversals") return { ok: true, status: 200, body: { state: "reversed" } };
    given = settle.giveUp("k");
    await Promise.resolve();
    return { ok: true, status: 201, body: { state: "committed" } };
  };
  const results = [];
  const settle = new Settle({ db, api: { call, now: () => 0 }, shown: () => {}, settled: (e) => results.push(e.result.state) });
  await settle.start("c");
  await given;
  assert.deepEqual([asked, results], [["GET /v1/purchases", "POST /v1/purchases", "POST /v1/reversals"], ["reversed"]]);
}

/** anew: a till that is activated anew while its old key is being refused stays. */
async function anew() {
  const { privateKey } = await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
  const told = [];
  const api = new Api({ changed: (trouble) => told.push(trouble), keep: () => {} });
  const asked = [];
  globalThis.location = { origin: "http://till" };
  const real = globalThis.fetch;
  globalThis.fetch = (path, init) => new Promise((answer) => {
    asked.push((status, body) => answer(new Response(JSON.stringify(body), { status })));
    if (path !== "/oauth/token") asked.pop()(200, {});
    else if (asked.length === 2) asked[1](200, { access_token: "new", expires_in: 3600 });
    else api.first?.(init);
  });
  try {
    const first = new Promise((sent) => (api.first = sent));
    api.be({ clientId: "old", audience: "a", privateKey });
    const old = api.call("GET", "/v1/terminal");
    await first;
    api.be({ clientId: "new", audience: "a", privateKey });
    const now = await api.call("GET", "/v1/terminal");
    asked[0](401, { error: "invalid_client" });
    assert.equal((await old).lost, true);
    assert.equal(now.ok, true);
    assert.deepEqual(told, [null]);
  } finally {
    globalThis.fetch = real;
    delete globalThis.location;
  }
}

function money() {
  for (const [text, fen] of [["88", 8800], ["88.5", 8850], [".05", 5], ["0.29", 29], ["1000000", 100_000_000], ["1000000.01", null], ["", null], [".", null], ["1.234", null], ["1e3", null], ["-1", null], ["８", null]]) {
    assert.equal(fenOf(text), fen, text);
  }
  for (let fen = 0; fen < 20_000; fen += 7) assert.equal(fenOf(yuan(fen)), fen);
  const type = (keys) => [...keys].reduce((text, key) => pressed(text, key === "<" ? "back" : key), "");
  for (const [keys, text] of [["0088", "88"], [".5", "0.5"], ["12.345", "12.34"], ["1..2", "1.2"], ["99<<", ""], ["12345678", "123456"], ["1<.<", "0"]]) assert.equal(type(keys), text, keys);
  // Refunds take the discount back in proportion and to the fen in the end.
  let p = { payable_fen: 99_999_999, discount_fen: 88_888_888, returned_fen: 0, given_back_fen: 0 };
  for (const refund of [1, 33_333_333, 12_345_678]) {
    const back = givenBack(p, refund);
    p = { ...p, returned_fen: p.returned_fen + refund, given_back_fen: p.given_back_fen + back };
    assert.equal(BigInt(p.given_back_fen), (88_888_888n * BigInt(p.returned_fen)) / 99_999_999n);
  }
  assert.equal(givenBack(p, p.payable_fen - p.returned_fen), p.discount_fen - p.given_back_fen);
}

function codes() {
  assert.equal(digits("４1 64-14　6"), "4164146");
  assert.equal(digits("41x"), null);
  assert.deepEqual([16, 20, 36, 18, 0].map((n) => kindOf("4".repeat(n))), ["number", "phone", "printed", null, null]);
  for (const id of ["00000000-0000-4000-8000-000000000001", "ffffffff-ffff-ffff-ffff-ffffffffffff", "019ab0c3-5f2e-7d31-9c44-0123456789ab"]) {
    assert.match(receiptCode(id), /^9\d{39}$/);
    assert.equal(receiptId(receiptCode(id)), id);
    assert.equal(receiptId(` ${id.toUpperCase()} `), id);
  }
  for (const none of ["", "4".repeat(36), "4".repeat(40), "9".repeat(40), `9${"0".repeat(38)}`, "019ab0c3"]) assert.equal(receiptId(none), "");
  assert.equal(slipped("4164146703451104"), false); // the README's
  for (let i = 0; i < 16; i++) {
    const wrong = [..."4164146703451104"];
    wrong[i] = String((Number(wrong[i]) + 1) % 10);
    assert.equal(slipped(wrong.join("")), true, wrong.join(""));
  }
}

/** words: nothing that a cashier reads is written for programmers. */
function words() {
  for (const code of ["code_used", "quote_expired", "void_too_late", "purchase_undone", "refund_exceeds", "unknown_field", "idempotency_key_reused", "text_invalid", "guess_blocked", "not_found", "code_format"]) {
    const said = fixOf({ code, fix: "调用 /v1/purchases/{id}/refunds，按 retry_after_s" });
    assert.ok(said && !/[a-z_]{4,}/.test(said), `${code}: ${said}`);
  }
  assert.equal(fixOf({ code: "card_lost", fix: "请会员联系所在工会。" }), "请会员联系所在工会。");
}

/** wedge: keys with their pauses, what is swallowed and what comes out. */
function wedge() {
  const CODE = "41".padEnd(20, "7");
  const run = (keys) => {
    const did = { scanned: [], swallowed: "", through: "", rollbacks: 0 };
    const w = new Wedge({ begin: () => {}, rollback: () => did.rollbacks++, scanned: (text) => did.scanned.push(text) });
    let now = 1000;
    for (const [key, pause] of keys) {
      now += pause;
      if (key === "quiet") w.quiet(now);
      else if (w.press(key, now)) did.swallowed += key.length === 1 ? key : `<${key}>`;
      else did.through += key.length === 1 ? key : `<${key}>`;
    }
    return did;
  };
  const typed = (text, pause) => [...text].map((key) => [key, pause]);
  const enter = (pause) => ["Enter", pause];
  for (const [name, keys, want] of [
    ["a scanner", [...typed(CODE, 5), enter(5)], { scanned: [CODE], rollbacks: 1, through: CODE.slice(0, 3) }],
    ["the second Enter of one that sends two", [...typed(CODE, 5), enter(5), enter(10)], { scanned: [CODE], through: CODE.slice(0, 3) }],
    ["Tab at the end", [...typed(CODE, 5), ["Tab", 5]], { scanned: [CODE], through: CODE.slice(0, 3) }],
    ["nothing at the end", [...typed(CODE, 5), ["quiet", QUIET]], { scanned: [CODE], through: CODE.slice(0, 3) }],
    ["asked too early", [...typed(CODE, 5), ["quiet", QUIET - 1], ["1", 0]], { scanned: [] }],
    ["a slow scanner", [...typed(CODE, 90), enter(90)], { scanned: [CODE], rollbacks: 1, through: CODE }],
    ["a hiccup in the middle", [...typed(CODE.slice(0, 9), 5), ...typed(CODE.slice(9, 10), 120), ...typed(CODE.slice(10), 5), enter(5)], { scanned: [CODE], rollbacks: 1 }],
    ["a product's bar code", [...typed("6901234567892", 8), enter(8)], { scanned: ["6901234567892"], through: "690" }],
    ["a link", [...typed("https://x.cn/?a=1", 8), enter(8)], { scanned: ["https://x.cn/?a=1"], through: "htt" }],
    ["an amount by hand", [...typed("128.50", 140), enter(200)], { scanned: [], through: "128.50<Enter>", swallowed: "", rollbacks: 0 }],
    ["an amount by quick hands", [...typed("128.50", 75), enter(90)], { scanned: [], through: "128.50<Enter>", swallowed: "" }],
    ["two fingers at once, again and again", [["1", 0], ["2", 20], ["3", 90], ["4", 20], ["5", 90], ["6", 20], enter(120)], { scanned: [], through: "123456<Enter>" }],
    ["an amount, then a scan", [...typed("128", 140), ...typed(CODE, 400).slice(0, 1), ...typed(CODE.slice(1), 5), enter(5)], { scanned: [CODE], rollbacks: 1 }],
    ["Enter alone", [enter(500)], { scanned: [], through: "<Enter>" }],
  ]) {
    const got = run(keys);
    for (const [field, value] of Object.entries(want)) assert.deepEqual(got[field], value, `${name}: ${field}`);
  }
}
