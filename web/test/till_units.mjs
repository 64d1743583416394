// What the till reckons without a page: the scanner's keys, money, codes.
import assert from "node:assert/strict";
import { digits, kindOf, slipped } from "../src/till/code.js";
import { fenOf, givenBack, pressed, yuan } from "../src/till/format.js";
import { fixOf } from "../src/till/words.js";
import { QUIET, Wedge } from "../src/till/wedge.js";

export function units() {
  money();
  codes();
  words();
  wedge();
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
