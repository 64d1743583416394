// The phone page's own arithmetic, without a browser: node --test test/phone_units.mjs
import assert from "node:assert/strict";
import { test } from "node:test";
import { bars, QUIET, symbols } from "../src/m/code128.js";
import { Clock } from "../src/m/clock.js";
import { phoneNumber, smsCode } from "../src/m/signin.js";
import { codeOf, importKey, keyFor, stepOf, totp, weekOf } from "../src/m/totp.js";
import { groups, span, yuan } from "../src/m/words.js";

test("TOTP gives RFC 6238's vectors for SHA-256", async () => {
  const key = await importKey(new TextEncoder().encode("12345678901234567890123456789012"));
  assert.equal(key.extractable, false);
  // Appendix B: seconds, value; the last lies past 32 bits of seconds.
  for (const [seconds, value] of [[59, "46119246"], [1111111109, "68084774"], [1111111111, "67062674"], [1234567890, "91819424"], [2000000000, "90698825"], [20000000000, "77737706"]]) {
    assert.equal(await totp(key, stepOf(seconds * 1000)), value);
  }
  // A step past 32 bits is not cut off.
  assert.notEqual(await totp(key, 2 ** 32 + 5), await totp(key, 5));
  assert.match(await codeOf({ head: "410123456789", key }, 59_000), /^41012345678946119246$/);
});

test("weeks begin on Monday in Beijing", () => {
  assert.equal(weekOf(Date.parse("1970-01-01T00:00:00Z")), 0);
  const monday = Date.parse("2026-11-23T00:00:00+08:00");
  assert.equal(weekOf(monday), weekOf(monday - 1) + 1);
  assert.equal(weekOf(monday), weekOf(monday + 7 * 86400_000 - 1));
});

test("a key serves its week and the one after", () => {
  const now = Date.parse("2026-11-25T12:00:00+08:00");
  const week = weekOf(now);
  const keys = [{ week, slot: 0 }, { week, slot: 1 }, { week: week + 1, slot: 0 }, { week: week + 1, slot: 1 }];
  const at = (weeks) => keyFor(keys, 1, now + weeks * 7 * 86400_000);
  assert.deepEqual([at(0), at(1), at(2), at(3), at(-1)], [keys[1], keys[3], keys[3], undefined, undefined]);
});

// read undoes the drawing: pairs of digits by their widths.
function read(widths) {
  const pairs = new Map();
  for (let value = 0; value < 100; value++) {
    const pair = String(value).padStart(2, "0");
    pairs.set(bars(pair).slice(6, 12).join(""), pair);
  }
  const out = [];
  for (let i = 6; i + 13 < widths.length; i += 6) out.push(pairs.get(widths.slice(i, i + 6).join("")));
  return out.join("");
}

test("Code 128 C draws what ISO/IEC 15417 says", () => {
  // A known symbol: "123456" in set C is start 105, 12, 34, 56, check 44, stop.
  assert.deepEqual(symbols("123456"), [105, 12, 34, 56, 44, 106]);
  assert.equal(bars("123456").join(""), "211232" + "112232" + "131123" + "331121" + "132131" + "2331112");
  // Each symbol is 11 modules of 3 bars, the bars an even number of modules; no two
  // are alike. The stop is 13.
  const seen = new Set();
  for (let value = 0; value < 100; value++) {
    const w = bars(`${String(value).padStart(2, "0")}00`).slice(6, 12);
    assert.equal(w.reduce((a, b) => a + b), 11);
    assert.equal((w[0] + w[2] + w[4]) % 2, 0);
    seen.add(w.join(""));
  }
  assert.equal(seen.size, 100);
  const digits = "41012345678946119246";
  const total = bars(digits).reduce((a, b) => a + b);
  assert.equal(total, 11 + 10 * 11 + 11 + 13);
  assert.equal(QUIET, 10);
  assert.equal(read(bars(digits)), digits);
  assert.throws(() => bars("123"), RangeError);
  assert.throws(() => bars("12a4"), RangeError);
});

test("the clock takes the service's time and keeps it", () => {
  let wall = 1_000_000_000_000;
  let steady = 0;
  const pass = (ms, set = 0) => {
    wall += ms + set;
    steady += ms;
  };
  const clock = new Clock(undefined, () => wall, () => steady);
  // Ten minutes slow, answer after 400 ms: right to 200.
  clock.measure(wall - 400, wall, wall - 200 + 600_123);
  assert.equal(clock.offset, 600_123);
  assert.equal(clock.now(), wall + 600_123);
  // A worse measurement that agrees changes nothing; one that contradicts does.
  clock.measure(wall - 4000, wall, wall - 2000 + 600_901);
  assert.equal(clock.offset, 600_123);
  clock.measure(wall - 4000, wall, wall - 2000 + 700_001);
  assert.equal(clock.offset, 700_001);
  // Set back while in front: made up for exactly, the service's time goes on.
  const before = clock.now();
  pass(1000, -3_600_000);
  assert.equal(clock.tick(), true);
  assert.equal(clock.now(), before + 1000);
  assert.equal(clock.unsure, false);
  // Leapt ahead while in front: unsure until measured.
  pass(1000, 600_000);
  assert.equal(clock.tick(), true);
  assert.equal(clock.unsure, true);
  clock.measure(wall - 100, wall, wall + 1);
  assert.equal(clock.unsure, false);
  // Asleep is no reason for doubt.
  clock.rest();
  pass(0, 3_600_000);
  clock.rest();
  assert.equal(clock.tick(), false);
  // Opened again with an earlier time than was seen: set back, unsure.
  const again = new Clock(clock.state(), () => wall - 86_400_000, () => 0);
  assert.equal(again.unsure, true);
  assert.equal(new Clock(clock.state(), () => wall + 86_400_000, () => 0).unsure, false);
});

test("what people type is tidied", () => {
  for (const typed of ["13800138000", "１３８ ００１３ ８０００", "+86 138-0013-8000", "0086 13800138000"]) assert.equal(phoneNumber(typed), "13800138000");
  for (const typed of ["", "1380013800", "23800138000", "138001380001", "abc"]) assert.equal(phoneNumber(typed), "");
  assert.equal(smsCode(" １２3 456 "), "123456");
});

test("amounts and spans read well", () => {
  assert.deepEqual([0, 5, 123456, -100].map(yuan), ["¥0.00", "¥0.05", "¥1234.56", "−¥1.00"]);
  assert.deepEqual([600_000, -45_000, 7_200_000].map(span), ["10 分钟", "45 秒", "2 小时"]);
  assert.equal(groups("41012345678946119246"), "4101 2345 6789 4611 9246");
});
