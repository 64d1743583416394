// A phone with a person: chromium as a phone's browser, with everything noted that
// the page should not do, and what a holder does on it by the words on the screen.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chromium } from "playwright-core";
import decodeQR from "qr/decode.js";
import { patient } from "./browser.mjs";

const executablePath = process.env.CHROMIUM || execFileSync("sh", ["-c", "command -v chromium || command -v chromium-browser"]).toString().trim();
// A container's root has no sandbox, and its /dev/shm is small.
const args = ["--disable-dev-shm-usage", "--disable-gpu", ...(process.getuid() === 0 ? ["--no-sandbox"] : [])];

export const launch = () => chromium.launch({ executablePath, args });

const look = (base) => ({
  baseURL: base, locale: "zh-CN", timezoneId: "Asia/Shanghai", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true,
});

/** kept is a browser whose storage lies in a folder, as a phone's does. */
export const kept = async (folder, base) => patient(await chromium.launchPersistentContext(folder, { executablePath, args, ...look(base) }));

/** phone is a new phone; what it should not do is noted in faults. */
export const phone = async (browser, base, faults, more) => watched(patient(await browser.newContext({ ...look(base), ...more })), base, faults);

/** watched opens the page's tab in a context. */
export async function watched(context, base, faults) {
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (e) => console.error(`CSP: ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile || ""}`));
    // Headless chromium has no screen to keep on: what is asked for is noted.
    window.screenLocks = 0;
    navigator.wakeLock.request = async () => {
      const lock = new EventTarget();
      window.screenLocks++;
      lock.release = async () => {
        window.screenLocks--;
        lock.dispatchEvent(new Event("release"));
      };
      return lock;
    };
  });
  const page = context.pages()[0] || (await context.newPage());
  const note = (fault) => faults.push({ page: page.url(), fault });
  page.on("console", (m) => m.type() === "error" && !/^Failed to load resource/.test(m.text()) && note(`console: ${m.text()}`));
  page.on("pageerror", (e) => note(`script: ${e.stack}`));
  page.on("response", (r) => r.status() >= 500 && note(`${r.status()} from ${r.url()}`));
  page.on("request", (r) => new URL(r.url()).origin !== base && /^http/.test(r.url()) && note(`asks another server: ${r.url()}`));
  return page;
}

/** signIn signs in as a holder does, and waits for what `ends` selects. */
export async function signIn(page, number, sms, ends = "#digits:not(:empty)") {
  if (page.url() === "about:blank") await page.goto("/m");
  await page.getByLabel("手机号", { exact: true }).fill(number);
  await page.getByRole("button", { name: "获取短信验证码" }).click();
  await page.getByLabel("短信验证码").filter({ visible: true }).waitFor();
  await page.getByLabel("短信验证码").filter({ visible: true }).fill(await sms(number));
  await page.getByRole("button", { name: "登录", exact: true }).click();
  await page.locator(ends).filter({ visible: true }).waitFor();
}

/** shown is the code on the screen, once its pictures are those of the digits. */
export async function shown(page) {
  await page.waitForFunction(() => document.getElementById("digits").dataset.code && document.getElementById("digits").checkVisibility());
  for (let i = 0; i < 3; i++) {
    const seen = await page.evaluate(() => {
      const dark = (id, from, rows) => {
        const canvas = document.getElementById(id);
        const { data } = canvas.getContext("2d").getImageData(0, from(canvas), canvas.width, rows(canvas));
        let bits = "";
        for (let i = 0; i < data.length; i += 4) bits += data[i] < 128 ? "1" : "0";
        return { width: canvas.width, bits };
      };
      const { textContent, dataset } = document.getElementById("digits");
      return {
        digits: textContent.replaceAll(" ", ""), slot: dataset.slot,
        qr: dark("qr", () => 0, (c) => c.height), bars: dark("bars", (c) => Math.floor(c.height / 2), () => 1),
      };
    });
    const qr = decodeQR({ width: seen.qr.width, height: seen.qr.bits.length / seen.qr.width, data: pixels(seen.qr.bits) });
    const bars = scan(seen.bars.bits);
    if (qr === seen.digits && bars === seen.digits) return { digits: seen.digits, slot: Number(seen.slot) };
    // The half minute was over between two pictures; once is chance.
    if (i === 2) assert.deepEqual({ qr, bars }, { qr: seen.digits, bars: seen.digits });
  }
  throw new Error("unreachable");
}

/** pixels makes a picture of what is dark. */
function pixels(bits) {
  const data = new Uint8ClampedArray(bits.length * 4).fill(255);
  for (let i = 0; i < bits.length; i++) if (bits[i] === "1") data.fill(0, i * 4, i * 4 + 3);
  return data;
}

/** scan reads a Code 128 C as a laser does: along one line, by the widths of dark and
 * light in modules. */
export function scan(line, pairs = 10) {
  const runs = line.match(/0+|1+/g).map((run) => run.length);
  const unit = Math.min(...runs);
  assert.ok(runs[0] >= 10 * unit && runs.at(-1) >= 10 * unit, "quiet zones");
  assert.ok(runs.every((r) => r % unit === 0), "bars in whole modules");
  const widths = runs.slice(1, -1).map((r) => r / unit);
  assert.equal(widths.length, (pairs + 2) * 6 + 7, "start, pairs, check, stop");
  assert.equal(widths.slice(0, 6).join(""), "211232", "start C");
  assert.equal(widths.slice(-7).join(""), "2331112", "stop");
  const values = [];
  for (let i = 6; i < widths.length - 7; i += 6) values.push(VALUES.indexOf(widths.slice(i, i + 6).join("")));
  const check = values.pop();
  assert.equal(values.reduce((sum, v, i) => sum + v * (i + 1), 105) % 103, check, "check symbol");
  return values.map((v) => String(v).padStart(2, "0")).join("");
}

// Code 128's symbols 0 to 102 by their widths (ISO/IEC 15417 table 1), written down
// here a second time, as the scanner knows them without our page.
const VALUES = (
  "212222222122222221121223121322131222122213122312132212221213221312231212112232122132122231113222" +
  "123122123221223211221132221231213212223112312131311222321122321221312212322112322211212123212321" +
  "232121111323131123131321112313132113132311211313231113231311112133112331132131113123113321133121" +
  "313121211331231131213113213311213131311123311321331121312113312311332111314111221411431111111224" +
  "111422121124121421141122141221112214112412122114122411142112142211241211221114413111241112134111" +
  "111242121142121241114212124112124211411212421112421211212141214121412121111143111341131141114113" +
  "114311411113411311113141114131311141411131"
).match(/.{6}/g);

/** press presses Tab until something is in focus, then a key, as who uses no pointer does. */
export async function press(page, target, key = "Enter") {
  const wanted = await target.elementHandle();
  for (let i = 0; i < 60; i++) {
    if (await wanted.evaluate((e) => e === document.activeElement)) return page.keyboard.press(key);
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not reach ${target}`);
}
