// How fast the phone page is on a cheap phone: Chromium with the processor four times
// slower, over slow 3G (400 kbit/s, 400 ms a round trip). Reads its wishes as JSON from
// the standard input, writes the figures as JSON to the standard output.
//
//   {"base": "http://127.0.0.1:1234", "outside": "http://127.0.0.1:5678", "runs": 5}
import { text } from "node:stream/consumers";
import { launch, phone, signIn } from "./phone_person.mjs";

const wish = JSON.parse(await text(process.stdin));
const SLOW_3G = { offline: false, latency: 400, downloadThroughput: 400_000 / 8, uploadThroughput: 400_000 / 8 };
const CPU = 4;
const faults = [];
const browser = await launch();
const sms = async (number) => (await post("sms", { phone: number })).code;

async function post(what, wanted = {}) {
  return (await fetch(`${wish.outside}/${what}`, { method: "POST", body: JSON.stringify(wanted) })).json();
}

/** first is one stranger's first view: until something is painted, and until the form
 * can be used; and what came over the line by then. */
async function first() {
  const page = await phone(browser, wish.base, faults);
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Network.enable");
  await cdp.send("Network.emulateNetworkConditions", SLOW_3G);
  await cdp.send("Emulation.setCPUThrottlingRate", { rate: CPU });
  const sizes = {};
  const types = new Map();
  cdp.on("Network.responseReceived", (e) => types.set(e.requestId, e.type));
  cdp.on("Network.loadingFinished", (e) => (sizes[types.get(e.requestId)] = (sizes[types.get(e.requestId)] || 0) + e.encodedDataLength));
  await page.addInitScript(() => {
    const look = () => {
      if (document.getElementById("phone")?.checkVisibility()) window.usable = performance.now();
      else requestAnimationFrame(look);
    };
    look();
  });
  await page.goto("/m", { waitUntil: "commit" });
  await page.waitForFunction(() => window.usable && performance.getEntriesByName("first-contentful-paint")[0]);
  const times = await page.evaluate(() => ({ paint: performance.getEntriesByName("first-contentful-paint")[0].startTime, usable: window.usable }));
  const bytes = { ...sizes };
  await page.context().close();
  return { ...times, bytes };
}

/** codes are how long the holder's codes took, the digits alone and with the pictures;
 * and how long the page took to show one when opened again without a network. */
async function codes() {
  const m = await post("member");
  const page = await phone(browser, wish.base, faults);
  await signIn(page, m.phone, sms);
  await page.evaluate(() => navigator.serviceWorker.ready);
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Emulation.setCPUThrottlingRate", { rate: CPU });
  const count = () => page.evaluate(() => performance.getEntriesByName("code shown").length);
  for (let have = await count(), i = 0; i < 40; i++, have++) {
    await page.evaluate(() => document.getElementById("other-code").click());
    await page.waitForFunction((n) => performance.getEntriesByName("code shown").length > n, have);
  }
  const of = (name) => page.evaluate((n) => performance.getEntriesByName(n).map((e) => e.duration), name);
  const [digits, pictures] = [await of("code digits"), await of("code shown")];
  await page.context().setOffline(true);
  const again = [];
  for (let i = 0; i < wish.runs; i++) {
    await page.reload({ waitUntil: "commit" });
    await page.waitForFunction(() => performance.getEntriesByName("code shown").length > 0);
    again.push(await page.evaluate(() => {
      const e = performance.getEntriesByName("code shown")[0];
      return e.startTime + e.duration;
    }));
  }
  await page.context().close();
  return { digits, pictures, again };
}

const runs = [];
for (let i = 0; i < wish.runs; i++) runs.push(await first());
const of = await codes();
await browser.close();
const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
const stats = (list) => ({ best: Math.min(...list), median: median(list), worst: Math.max(...list) });
process.stdout.write(JSON.stringify({
  bytes: runs[0].bytes, paint_ms: stats(runs.map((r) => r.paint)), usable_ms: stats(runs.map((r) => r.usable)),
  digits_ms: stats(of.digits), pictures_ms: stats(of.pictures), again_ms: stats(of.again), faults,
}) + "\n");
