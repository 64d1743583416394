// A member's card on phones, against the real program. Reads its wishes as JSON from
// the standard input, writes what it did as JSON to the standard output.
//
//   {"base": "http://127.0.0.1:1234", "outside": "http://127.0.0.1:5678", "shots": "/dir or empty", "profiles": "/dir"}
//
// outside is the rest of the world: a registered member (member), the message that
// comes (sms), what the server says the phone should show (codes), the shop's till
// (sell); see cmd/unioncard/phone_page_test.go.
import assert from "node:assert/strict";
import { cp, mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { text } from "node:stream/consumers";
import { kept, launch, phone, press, shown, signIn, watched } from "./phone_person.mjs";

const wish = JSON.parse(await text(process.stdin));
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const steps = [];
const faults = [];
const open = new Map(); // pages of the present step, for telling how it failed
if (wish.shots) await mkdir(wish.shots, { recursive: true });
const sms = async (number) => (await outside("sms", { phone: number })).code;
const sell = (digits, amount_fen) => outside("sell", { code: digits, amount_fen });
const says = (page, words) => page.getByText(words).filter({ visible: true }).first().waitFor();
const TABS = { 会员码: "code", 消费券: "vouchers", 消费: "purchases", 优惠商家: "nearby", 我的: "mine" };
const done = (page) => page.getByRole("dialog").getByRole("button", { name: "完成" }).click();
const go = (page, tab) => page.getByRole("navigation", { name: "主菜单" }).getByRole("link", { name: tab, exact: true }).click();

/** ready: the page is kept by its service worker. */
const ready = (page) => page.evaluate(async () => {
  await navigator.serviceWorker.ready;
  if (!navigator.serviceWorker.controller) await new Promise((resolve) => navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true }));
});

/** older makes the keys held look as if fetched half a day ago and more, so that the
 * page renews them at its next contact. */
const older = (page) => page.evaluate(async () => {
  const db = await new Promise((resolve) => (indexedDB.open("unioncard-phone").onsuccess = (e) => resolve(e.target.result)));
  const store = db.transaction("kept", "readwrite").objectStore("kept");
  const held = await new Promise((resolve) => (store.get("enrolment").onsuccess = (e) => resolve(e.target.result)));
  held.renewed -= 13 * 3600_000;
  await new Promise((resolve) => (store.put(held, "enrolment").onsuccess = resolve));
  db.close();
  return held.renewal;
});

const renewed = async (page) => {
  const answer = page.waitForResponse((r) => r.url().endsWith("/m/api/keys"));
  const before = await older(page);
  await page.reload();
  await answer;
  return before;
};

const browser = await launch();

try {
  await step("sign in, by keyboard, with a slip", byKeyboard);
  await step("sold, told, and the other code", sold);
  await step("without a network", away);
  await step("a clock ten minutes off", skewed);
  await step("seven days", sevenDays);
  await step("a second phone takes over", takeOver);
  await step("a copied database", copied);
  await step("the session runs out, the number changes", sessions);
  await step("a stranger at the old session", confirmed);
  await step("lost and found", lost);
  await step("offers near", near);
  await step("every view, both types, three screens", views);
  await step("signed out", signedOut);
} finally {
  await browser.close();
}
process.stdout.write(JSON.stringify({ steps, faults }) + "\n");

async function step(name, todo) {
  const began = Date.now();
  open.clear();
  try {
    await todo();
  } catch (error) {
    for (const [who, page] of open) {
      console.error(`${name}: ${who} is at ${page.url()}\n${(await page.locator("body").innerText({ timeout: 1000 }).catch(() => "")).slice(0, 1500)}\n`);
      if (wish.shots) await page.screenshot({ path: path.join(wish.shots, `phone-failed-${who}.png`) }).catch(() => {});
    }
    throw error;
  }
  for (const page of open.values()) await page.context().close();
  steps.push({ name, took: `${Date.now() - began} ms` });
}

async function outside(what, wanted = {}) {
  const answer = await fetch(`${wish.outside}/${what}`, { method: "POST", body: JSON.stringify(wanted) });
  if (!answer.ok) throw new Error(`${what}: ${await answer.text()}`);
  return answer.json();
}

/** take is a new phone in this step. */
async function take(who, more) {
  const page = await phone(browser, wish.base, faults, more);
  open.set(who, page);
  return page;
}

/** member is a new member, signed in on a new phone. */
async function member(who, before) {
  const m = await outside("member");
  const page = await take(who);
  await before?.(page);
  await signIn(page, m.phone, sms);
  return { ...m, page };
}

/** right holds the code on the screen to the server's of about the same moment. */
async function right(page, serial, ahead = 0) {
  const seen = await shown(page);
  const { codes } = await outside("codes", { serial, ahead_s: ahead });
  assert.ok(codes[seen.slot].includes(seen.digits), `shows ${seen.digits}, want one of ${codes[seen.slot]}`);
  return seen;
}

async function byKeyboard() {
  const m = await outside("member");
  const page = await take("holder");
  await page.goto("/m");
  const field = page.getByLabel("手机号", { exact: true });
  await field.waitFor();
  await press(page, page.getByRole("button", { name: "获取短信验证码" }));
  await says(page, "请填写 11 位手机号");
  assert.equal(await field.evaluate((e) => e === document.activeElement), true, "the field in question has the focus");
  await page.keyboard.type(`+86 ${m.phone}`);
  await page.keyboard.press("Enter");
  await says(page, "验证码已发往");
  const code = await sms(m.phone);
  await page.keyboard.type(code === "000000" ? "111111" : "000000");
  await page.keyboard.press("Enter");
  await page.locator("#sms-wrong").filter({ visible: true }).waitFor();
  await page.keyboard.press("Control+A");
  await page.keyboard.type(code);
  await page.keyboard.press("Enter");
  await right(page, m.serial);
  assert.equal(await page.locator("#face-name").innerText(), "欧阳建国");
  assert.equal(await page.locator("#face-own").innerText(), "某厂工会");
  assert.match(await page.locator("#net").innerText(), /断网后可用至/);
  assert.equal(await page.evaluate(() => window.screenLocks), 1, "the screen is kept on");
  await press(page, page.getByRole("link", { name: "我的" }));
  await says(page, "手机或卡丢了");
  assert.equal(await page.evaluate(() => window.screenLocks), 0, "and let go of");
  // What lies on the phone: no key that can be read, no phone number, no purchase;
  // and the service worker keeps no answer of the API.
  await ready(page);
  const lies = await page.evaluate(async () => {
    const db = await new Promise((resolve) => (indexedDB.open("unioncard-phone").onsuccess = (e) => resolve(e.target.result)));
    const all = await new Promise((resolve) => (db.transaction("kept").objectStore("kept").getAll().onsuccess = (e) => resolve(e.target.result)));
    const held = all.find((v) => v?.keys);
    const cached = [];
    for (const name of await caches.keys()) for (const request of await (await caches.open(name)).keys()) cached.push(new URL(request.url).pathname);
    return { extractable: [held.device, ...held.keys.map((k) => k.key)].map((k) => k.extractable), text: JSON.stringify(all) + JSON.stringify(localStorage), cached };
  });
  assert.deepEqual(lies.extractable, Array(5).fill(false));
  assert.ok(!lies.text.includes(m.phone), "no phone number on the phone");
  assert.ok(lies.cached.includes("/m") && lies.cached.some((u) => /phone-.*\.js$/.test(u)), `the page is kept: ${lies.cached}`);
  assert.ok(!lies.cached.some((u) => u.includes("/api/")), `no answer is kept: ${lies.cached}`);
}

async function sold() {
  const { page, serial } = await member("holder");
  const first = await right(page, serial);
  assert.equal((await sell(first.digits, 10000)).problem, "");
  await says(page, "优惠成功");
  const told = await page.getByRole("dialog").innerText();
  for (const words of ["测试超市一店", "¥100.00", "−¥10.00", "¥90.00"]) assert.ok(told.includes(words), `${words} in ${told}`);
  if (wish.shots) await page.screenshot({ path: path.join(wish.shots, "phone-used.png") });
  await done(page);
  const second = await right(page, serial);
  assert.notEqual(second.slot, first.slot, "the other slot's code is shown");
  assert.equal((await sell(second.digits, 20050)).problem, "");
  await says(page, "¥200.50");
  await done(page);
  // Within one half minute both are used now, and the page says when there is a new one.
  const third = await shown(page);
  if (third.digits === first.digits) await says(page, "此码已用");
  await go(page, "消费");
  await says(page, "¥30.05");
  assert.equal(await page.locator("#purchases > li").count(), 2);
  // The plastic card saves 500 a day at most; what is bought after that saves nothing.
  const { code: printed } = await outside("printed", { serial });
  assert.equal((await sell(printed, 400_000)).problem, "");
  await says(page, "¥4000.00");
  await done(page);
  assert.equal((await sell(printed, 300_000)).problem, "");
  await says(page, "¥3000.00");
  await done(page);
  assert.equal((await sell(printed, 5000)).problem, "");
  await says(page, "消费已记录，本单没有优惠");
  assert.doesNotMatch(await page.getByRole("dialog").innerText(), /优惠成功|−¥0.00/);
  if (wish.shots) await page.screenshot({ path: path.join(wish.shots, "phone-used-none.png") });
  await done(page);
}

async function away() {
  const { page, serial } = await member("holder");
  await ready(page);
  await page.context().setOffline(true);
  await page.reload();
  const seen = await right(page, serial);
  await says(page, /没有网络，离线可用至 \d+月\d+日/);
  assert.equal((await sell(seen.digits, 5000)).problem, "", "the till takes it");
  // The phone can't know; the holder asks for another code.
  await page.getByRole("button", { name: "换一个码" }).click();
  await page.waitForFunction((slot) => document.getElementById("digits").dataset.slot !== String(slot), seen.slot);
  const other = await right(page, serial);
  assert.notEqual(other.slot, seen.slot);
  await go(page, "消费");
  await says(page, "没有连上网络");
  await go(page, "会员码");
  await page.context().setOffline(false);
  // Back, it is told what it missed.
  await says(page, "优惠成功");
  await done(page);
  await says(page, "断网后可用至");
}

async function skewed() {
  for (const [minutes, word] of [[10, "快"], [-10, "慢"]]) {
    const { page, serial } = await member(`phone ${word}`, (p) => p.clock.install({ time: Date.now() + minutes * 60_000 }));
    await says(page, `手机时间${word}了约 10 分钟`);
    await right(page, serial);
    await ready(page);
    await page.context().setOffline(true);
    await page.reload();
    const seen = await right(page, serial);
    await says(page, "如果之后又改过手机时间，请联网一次");
    assert.equal((await sell(seen.digits, 5000)).problem, "");
  }
}

async function sevenDays() {
  const { page, serial } = await member("holder", (p) => p.clock.install());
  await ready(page);
  await page.context().setOffline(true);
  await page.clock.fastForward((167 * 60 + 50) * 60_000); // ten minutes before the end
  await says(page, "没有网络，离线可用至");
  await right(page, serial, 167 * 3600 + 50 * 60);
  await page.clock.fastForward(11 * 60_000);
  await says(page, "太久没有联网");
  assert.equal(await page.locator("#digits").isVisible(), false);
  await page.reload();
  await says(page, "太久没有联网");
  // With a network again the clock is found to be seven days off, and all is well.
  await page.context().setOffline(false);
  await page.reload();
  await right(page, serial);
  await says(page, "手机时间快了约 7 天");
}

async function takeOver() {
  const { page: old, serial, phone: number } = await member("old phone");
  const before = await right(old, serial);
  const page = await take("new phone");
  await signIn(page, number, sms, "#message-act");
  await says(page, "会员码在另一部手机上");
  await page.getByRole("button", { name: "换到这部手机" }).click();
  await right(page, serial);
  await says(old, "会员码已转到另一部手机");
  assert.notEqual((await sell(before.digits, 5000)).problem, "", "the old phone's code is dead");
  await old.reload();
  await says(old, "会员码已转到另一部手机");
  assert.equal((await sell((await right(page, serial)).digits, 5000)).problem, "");
  assert.deepEqual((await outside("enrolments", { serial })).ended, ["taken_over", "live"]);
}

async function copied() {
  const folders = ["phone", "copy"].map((name) => path.join(wish.profiles, name));
  const m = await outside("member");
  let page = await watched(await kept(folders[0], wish.base), wish.base, faults);
  open.set("phone", page);
  await signIn(page, m.phone, sms);
  await right(page, m.serial);
  await page.context().close();
  // All of the phone's storage, its cookies too.
  await cp(folders[0], folders[1], { recursive: true });
  page = await watched(await kept(folders[0], wish.base), wish.base, faults);
  open.set("phone", page);
  await page.goto("/m");
  const seen = await right(page, m.serial);
  assert.notEqual(await renewed(page), await renewed(page), "each renewal has a token of its own");
  await right(page, m.serial);
  const copy = await watched(await kept(folders[1], wish.base), wish.base, faults);
  open.set("copy", copy);
  await copy.goto("/m");
  const answer = copy.waitForResponse((r) => r.url().endsWith("/m/api/keys"));
  await older(copy);
  await copy.reload();
  assert.equal((await answer).status(), 401, "the copy is refused");
  await says(copy, "会员码已停用");
  // Which of the two is the holder's can't be known: neither has a code now.
  await page.reload();
  await says(page, "会员码已停用");
  assert.notEqual((await sell(seen.digits, 5000)).problem, "");
  assert.deepEqual((await outside("enrolments", { serial: m.serial })).ended, ["copied"]);
  // The holder signs in anew, with a message that only the holder gets: the sessions
  // are over, the copy's too.
  assert.equal((await copy.request.get("/m/api/me")).status(), 401);
  await signIn(page, m.phone, sms);
  await right(page, m.serial);
}

async function sessions() {
  const { page, serial, phone: number } = await member("holder");
  await outside("change", { serial, what: "over" });
  await page.reload();
  await says(page, "登录已过期，离线可用至");
  assert.equal((await sell((await right(page, serial)).digits, 5000)).problem, "", "the keys outlive the session");
  await shots(page, "expired");
  await page.getByRole("button", { name: "重新登录" }).filter({ visible: true }).click();
  await page.getByRole("heading", { name: "登录工会会员卡" }).waitFor();
  await page.getByRole("button", { name: "先不登录，返回会员码" }).click();
  await right(page, serial);
  await go(page, "我的");
  await shots(page, "mine-expired");
  // Reporting the loss goes on by itself once signed in; here only signing in is wanted.
  await page.getByRole("button", { name: "重新登录" }).filter({ visible: true }).click();
  await signIn(page, number, sms);
  await says(page, "断网后可用至");
  await right(page, serial);

  await outside("change", { serial, what: "number" });
  await page.reload();
  await says(page, "登记的手机号已经更改");
  await page.getByLabel("手机号", { exact: true }).waitFor();
  assert.equal(await page.locator("#digits").isVisible(), false, "dead codes are not shown");
  await shots(page, "number");
  await page.reload();
  await says(page, "登记的手机号已经更改");
}

async function confirmed() {
  const { page: old, serial, phone: number } = await member("old phone");
  await right(old, serial);
  const page = await take("new phone");
  await signIn(page, number, sms, "#message-act");
  await outside("change", { serial, what: "old" });
  await page.getByRole("button", { name: "换到这部手机" }).click();
  await says(page, "再确认一次是您本人");
  await shots(page, "confirm");
  await right(old, serial);
  // Away to read the message and back: the form still stands there.
  const asked = page.waitForResponse((r) => r.url().endsWith("/m/api/me"));
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await asked;
  await signIn(page, number, sms);
  await right(page, serial);
  assert.deepEqual((await outside("enrolments", { serial })).ended, ["taken_over", "live"]);
}

/** shots keeps pictures on both phones. */
async function shots(page, name) {
  const was = page.viewportSize();
  for (const [width, height] of [[360, 640], [390, 844]]) {
    await page.setViewportSize({ width, height });
    await audit(page, `${name}, ${width}`);
    if (wish.shots) await page.screenshot({ path: path.join(wish.shots, `phone-${name}-${width}.png`) });
  }
  await page.setViewportSize(was);
}

async function lost() {
  const { page, serial, phone: number } = await member("holder");
  const seen = await right(page, serial);
  await page.getByRole("button", { name: "挂失" }).click();
  await press(page, page.getByRole("button", { name: "挂失会员卡" }));
  assert.match(await page.getByRole("dialog").innerText(), /马上停用[\s\S]*解除挂失[\s\S]*补卡/);
  await page.keyboard.press("Escape");
  assert.equal((await sell(seen.digits, 5000)).problem, "", "nothing happened before it was confirmed");
  await done(page);
  await ready(page);
  await page.context().setOffline(true);
  await press(page, page.getByRole("button", { name: "挂失会员卡" }));
  await press(page, page.getByRole("dialog").getByRole("button", { name: "挂失", exact: true }));
  await says(page, "也可以借别人的手机登录挂失，或联系所在工会");
  await page.context().setOffline(false);
  await press(page, page.getByRole("button", { name: "挂失会员卡" }));
  await press(page, page.getByRole("dialog").getByRole("button", { name: "挂失", exact: true }));
  await says(page, "会员卡已挂失");
  const { codes } = await outside("codes", { serial });
  assert.equal((await sell(codes[1][0], 5000)).problem, "card_lost");
  await go(page, "会员码");
  assert.equal(await page.locator("#net").innerText(), "已联网");
  await shots(page, "lost");
  await page.getByRole("button", { name: "找到了，解除挂失" }).click();
  await page.getByRole("button", { name: "获取短信验证码" }).click();
  await page.getByLabel("短信验证码").filter({ visible: true }).fill(await sms(number));
  await page.getByRole("button", { name: "找到了，解除挂失" }).click();
  await page.getByRole("button", { name: "挂失会员卡" }).waitFor();
  await says(page, "已解除挂失");
  await shots(page, "found");
  await go(page, "会员码");
  await page.getByRole("button", { name: "换一个码" }).waitFor();
  await right(page, serial);
}

async function near() {
  const { page } = await member("holder");
  await go(page, "优惠商家");
  // The holder's own county comes first, without a position.
  await says(page, "测试超市一店");
  assert.equal(await page.getByLabel("区县").inputValue(), "410102");
  await page.getByLabel("区县").selectOption("410105");
  await page.getByRole("button", { name: "查找" }).click();
  await says(page, "没有找到");
  await page.getByRole("button", { name: "按我的位置" }).click();
  await says(page, "没有取得您的位置");
}

async function views() {
  const { page, serial } = await member("holder");
  await outside("vouchers", { serial });
  for (const type of ["normal", "large"]) {
    if (type === "large") await page.getByRole("button", { name: "大字" }).first().click();
    for (const tab of Object.keys(TABS)) {
      await go(page, tab);
      await page.waitForFunction(() => !/正在(查|定|打)/.test(document.body.innerText));
      for (const [width, height] of [[360, 640], [390, 844], [1366, 768]]) {
        await page.setViewportSize({ width, height });
        await audit(page, `${tab}, ${type} type, ${width}`);
        if (wish.shots) await page.screenshot({ path: path.join(wish.shots, `phone-${TABS[tab]}-${type}-${width}.png`) });
      }
    }
  }
  const stranger = await take("stranger");
  await stranger.goto("/m");
  await stranger.getByLabel("手机号", { exact: true }).waitFor();
  await audit(stranger, "sign-in");
  const manifest = await (await stranger.request.get("/m/manifest.webmanifest")).json();
  for (const icon of manifest.icons) {
    const size = await stranger.evaluate(async (src) => {
      const { width, height } = await createImageBitmap(await (await fetch(src)).blob());
      return `${width}x${height}`;
    }, icon.src);
    assert.equal(size, icon.sizes);
  }
}

async function audit(page, where) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${where}: ${wide} px too wide`);
  assert.equal(await page.locator("h1").count(), 1, where);
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  assert.deepEqual(found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 120)).join(" | ")}`), [], where);
}

async function signedOut() {
  const { page, serial } = await member("holder");
  const seen = await right(page, serial);
  await go(page, "我的");
  await page.getByRole("button", { name: "退出登录", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "退出登录" }).click();
  await page.getByLabel("手机号", { exact: true }).waitFor();
  assert.notEqual((await sell(seen.digits, 5000)).problem, "", "its code is dead");
  const left = await page.evaluate(async () => {
    const db = await new Promise((resolve) => (indexedDB.open("unioncard-phone").onsuccess = (e) => resolve(e.target.result)));
    return new Promise((resolve) => (db.transaction("kept").objectStore("kept").getAllKeys().onsuccess = (e) => resolve(e.target.result)));
  });
  assert.deepEqual(left.filter((name) => name !== "clock"), [], "nothing of the holder is left");
}
