// The way of the union's money, from a budget to the proof, by the words on the screens
// of an office's finance and approver, a worker, and a merchant. Reads its wishes as
// JSON from the standard input, writes what it did to the standard output.
//
//   {"base": "http://127.0.0.1:1234", "outside": "http://127.0.0.1:5678", "shots": "/dir or empty", "password": "…", "dir": "/tmp/…",
//    "finance": "login", "approver": "login", "negotiator": "login", "merchant": 1, "phone": "138…", "serial": 1,
//    "packs": 40, "perPack": 4, "face": 4000, "basket": 5000, "today": "2026-11-24"}
//
// outside is what happens without a browser: messages (sms), the crowd and the tills
// (storm), the till's file (file), a refund (refund), the nights (night) and the proof
// (audit); see cmd/unioncard/money_test.go.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { text } from "node:stream/consumers";
import { open, signIn } from "./browser.mjs";
import { button, confirm, field, go, heading, link, main, sees } from "./person.mjs";
import * as holder from "./phone_person.mjs";

const wish = JSON.parse(await text(process.stdin));
const steps = [];
const said = [];
const faults = [];
const pages = {};
const money = wish.packs * wish.perPack * wish.face;
const owner = { name: "马老板", phone: "13800009999" };
const series = "满50减40消费券";
let planted; // the three differences
let statement; // the address of the first one, in the portal

if (wish.shots) await mkdir(wish.shots, { recursive: true });
const browsers = Object.fromEntries(await Promise.all(["finance", "approver", "negotiator", "owner"].map(async (who) => [who, await open(wish.base)])));
const phones = await holder.launch();
try {
  for (const who of Object.keys(browsers)) {
    pages[who] = await browsers[who].newPage();
    pages[who].setDefaultTimeout(Number(process.env.PATIENCE || 60_000));
  }
  await step("finance drafts a budget and proposes it", budget);
  await step("the approver opens it", () => approve("启用补贴预算", grouped(money)));
  await step("finance makes a campaign out of all of it", campaign);
  await step("the approver opens the campaign", () => approve("启用消费券", grouped(money)));
  await step("a worker claims on the phone", claim);
  await step("a crowd claims, tills spend it to the last fen", storm);
  await step("the worker sees what was used", used);
  await step("the office invites the merchant's owner", invite);
  await step("a night; the owner signs in and sees the statement", portal);
  await step("the till's file has three differences", reconcile);
  await step("both sides settle them", settle);
  await step("a late refund, another night: the next day's adjustments", late);
  await step("the money adds up", audit);
} finally {
  await Promise.all([...Object.values(browsers).map((b) => b.close()), phones.close()]);
}
for (const b of Object.values(browsers)) faults.push(...b.faults);
process.stdout.write(JSON.stringify({ steps, faults, said }) + "\n");

async function step(name, todo) {
  const began = Date.now();
  try {
    await todo();
  } catch (error) {
    for (const [who, page] of Object.entries(pages)) {
      const shown = await page.locator("body").innerText({ timeout: 1000 }).catch(() => "");
      console.error(`${name}: ${who} is at ${page.url()}\n${shown.slice(0, 3000)}\n`);
      if (wish.shots) await page.screenshot({ path: path.join(wish.shots, `money-failed-${who}.png`), fullPage: true }).catch(() => {});
    }
    throw error;
  }
  steps.push({ name, took: `${Date.now() - began} ms` });
}

async function shot(page, name) {
  if (wish.shots) await page.screenshot({ path: path.join(wish.shots, `money-${name}.png`), fullPage: true });
}

async function outside(what, wanted = {}) {
  const answer = await fetch(`${wish.outside}/${what}`, { method: "POST", body: JSON.stringify(wanted) });
  if (!answer.ok) throw new Error(`${what}: ${await answer.text()}`);
  return answer.json();
}

/** yuan is how the pages write fen, and grouped where finance reads large sums. */
function yuan(fen) {
  return (fen / 100).toFixed(2);
}

function grouped(fen) {
  return yuan(fen).replace(/\B(?=(\d{3})+\.)/g, ",");
}

function day(n) {
  return new Date(Date.parse(`${wish.today}T00:00:00Z`) + n * 86400_000).toISOString().slice(0, 10);
}

async function budget() {
  const page = pages.finance;
  await signIn(page, wish.finance, wish.password);
  await go(page, "补贴预算");
  await link(main(page), "新建补贴预算").first().click();
  await field(page, "名称").fill("2026 年惠职工");
  await field(page, "金额").fill("0");
  await field(page, "从哪天开始").fill(day(0));
  await field(page, "到哪天为止（含）").fill(day(60));
  await field(page, "依据或理由").fill("主席办公会纪要第 12 号");
  await button(page, "存为草稿").click();
  // Nothing is put aside for nothing; what was typed stays.
  await page.locator("[aria-invalid]").first().waitFor();
  assert.equal(await field(page, "名称").inputValue(), "2026 年惠职工");
  await field(page, "金额").fill(String(money / 100));
  await button(page, "存为草稿").click();
  await heading(page, "2026 年惠职工").waitFor();
  await propose(page);
}

/** propose proposes to open the draft on the page. */
async function propose(page) {
  await field(page, "理由").fill("请批准启用");
  await button(page, "提请启用").click();
  await sees(page, "正等审批");
}

/** approve decides on the one proposal that waits. */
async function approve(title, shows) {
  const page = pages.approver;
  if (page.url() === "about:blank") await signIn(page, wish.approver, wish.password);
  await page.goto("/console/proposals");
  await main(page).getByRole("link", { name: title }).first().click();
  await sees(page, shows);
  await shot(page, `proposal-${title}`);
  await field(page, "您的意见").fill("同意");
  await button(page, "批准").click();
  await page.getByRole("dialog").getByRole("button", { name: "批准", exact: true }).click();
  await sees(page, /批准：同意/);
}

async function campaign() {
  const page = pages.finance;
  await page.reload();
  await link(page, "从中发消费券").click();
  const typed = { 名称: series, 满: wish.basket / 100, 减: wish.face / 100, 发多少份: wish.packs, 每份几张: wish.perPack, 从哪天起能用: day(0), "到哪天为止（含）": day(30) };
  for (const [label, value] of Object.entries(typed)) await field(page, label).fill(String(value));
  await sees(page, "够用");
  await page.getByLabel("会员在手机上自己领").check();
  await field(page, "什么时候开抢").fill(`${day(0)}T00:00`);
  await field(page, "领到什么时候为止").fill(`${day(20)}T00:00`);
  await page.getByLabel(/^不同享/).check();
  await field(page, "依据或理由").fill("双节惠职工活动方案");
  await shot(page, "series-form");
  await button(page, "存为草稿").click();
  await heading(page, series).waitFor();
  await propose(page);
}

async function claim() {
  const page = (pages.worker = await holder.phone(phones, wish.base, faults));
  await holder.signIn(page, wish.phone, async (number) => (await outside("sms", { phone: number })).code);
  await page.getByRole("navigation", { name: "主菜单" }).getByRole("link", { name: "消费券" }).click();
  await page.getByRole("button", { name: `领取${series}` }).click();
  await page.getByText(`领到了 ${wish.perPack} 张`).waitFor();
  await page.getByText(`${wish.perPack} 张可用`).waitFor();
  await shot(page, "claimed");
}

async function storm() {
  const { told } = await outside("storm", { series, serial: wish.serial });
  said.push(told);
  // The merchant's own discount is all that is left to give.
  const left = await outside("nothing-left");
  assert.equal(left.quote.discount_fen, wish.basket / 10);
  const page = pages.finance;
  await page.reload();
  await sees(page, new RegExp(`已领\\s*${wish.packs.toLocaleString("en-US")}\\s*份`));
  await sees(page, new RegExp(`已用\\s*${grouped(money)}\\s*元，还剩 0.00 元`));
  await shot(page, "burnt");
}

async function used() {
  const page = pages.worker;
  await page.reload();
  await page.getByRole("navigation", { name: "主菜单" }).getByRole("link", { name: "消费券" }).click();
  await page.getByText(`已用 ${wish.perPack} 张`).waitFor();
  assert.equal(await page.getByText("用于测试超市一店").count(), wish.perPack);
  await shot(page, "used");
}

async function invite() {
  const page = pages.negotiator;
  await signIn(page, wish.negotiator, wish.password);
  await page.goto(`/console/merchants/${wish.merchant}`);
  await link(page, "商家后台人员").click();
  await field(page, "姓名").fill(owner.name);
  await field(page, "手机号").fill(owner.phone);
  await button(page, "开通").click();
  await sees(page, owner.name);
}

/** totp is the second factor's code of a moment (RFC 6238). */
function totp(secret, at = Date.now()) {
  const bits = [...secret.replaceAll(" ", "")].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const mac = createHmac("sha1", key).update(step).digest();
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

async function portal() {
  const night = await outside("night");
  said.push(night.said.trim());
  const page = pages.owner;
  await page.goto("/portal/login");
  await field(page, "手机号").fill(owner.phone);
  await button(page, "获取短信验证码").click();
  await field(page, "短信验证码").fill((await outside("sms", { phone: owner.phone })).code);
  await button(page, "下一步").click();
  const secret = (await page.locator("code").first().innerText()).trim();
  await field(page, "动态验证码").fill(totp(secret));
  await button(page, "完成设置").click();
  await page.getByRole("navigation", { name: "主菜单" }).waitFor();
  await shot(page, "portal");
  await go(page, "结算单");
  await main(page).locator("tbody a").first().click();
  statement = page.url();
  const sold = wish.packs * wish.perPack;
  await sees(page, new RegExp(`${sold} 笔，消费 ${yuan(sold * wish.basket)} 元，优惠 ${yuan(money)} 元：商家承担 0.00 元，工会承担 ${yuan(money)} 元`));
  await shot(page, "statement");
}

async function reconcile() {
  planted = await outside("file");
  const page = pages.owner;
  await go(page, "对账");
  await field(page, "起始日期").fill(day(0));
  await field(page, "截止日期").fill(day(0));
  await field(page, "笔数").fill(String(planted.rows));
  await field(page, "金额合计").fill(String(planted.total_fen / 100));
  await field(page, "收银文件").setInputFiles(planted.file);
  await button(page, "上传核对").click();
  await heading(page, /还有 3 条差异待处理/).waitFor({ timeout: 60_000 });
  for (const ref of [planted.offline, planted.missing, planted.wrong]) await sees(page, ref);
  await shot(page, "differences");
}

/** difference opens the one about a receipt, in the list on the page. */
function difference(page, ref) {
  return main(page).locator("tbody tr").filter({ hasText: ref }).getByRole("link").first().click();
}

async function settle() {
  const page = pages.owner;
  const list = page.url();
  // What the till lost: the service's record stands.
  await difference(page, planted.missing);
  await within(page, "以系统为准", { 理由: "收银机重启时漏记" }, "以系统为准");
  await confirm(page, "以系统为准", /不再由工会核实/);
  await sees(page, "收银机重启时漏记");
  // The other two are explained, and the office decides.
  for (const [ref, note] of [[planted.offline, "中午断网，收银员按会员价手工打折，有小票"], [planted.wrong, "收银员后来加了一件商品，没有重新扫码"]]) {
    await page.goto(list);
    await difference(page, ref);
    await field(page, "情况说明").fill(note);
    await button(page, "提交说明").click();
    await sees(page, note);
  }
  // What was added afterwards earns nothing; the sale without a network is made good.
  const desk = pages.finance;
  await work(desk, planted.wrong, "收银员后来加了一件商品");
  await within(desk, "以系统为准", { 理由: "加的商品没有经过核验，按系统记录结算" }, "以系统为准");
  await confirm(desk, "了结", /商家会看到您的理由/);
  await sees(desk, "加的商品没有经过核验");
  await work(desk, planted.offline, "中午断网");
  await within(desk, "认可线下销售", { 工会承担: String(wish.face / 100), 理由: "看过小票和当日断网记录" }, "提请认可");
  await sees(desk, "正等审批");
  await shot(desk, "difference");
  await approve("认可对账差异", /补给商家|工会补给/);
  await page.goto(list);
  await heading(page, /对平了/).waitFor();
  await shot(page, "settled");
}

/** work opens a difference in the office, with what the merchant said. */
async function work(page, ref, note) {
  await go(page, "对账差异");
  await difference(page, ref);
  await sees(page, note);
}

/** within fills in and sends one of several forms on a page, by its heading. */
async function within(page, title, typed, send) {
  const card = main(page).locator(".card-body").filter({ has: page.getByRole("heading", { name: title, exact: true }) });
  for (const [label, value] of Object.entries(typed)) await card.getByLabel(label, { exact: true }).fill(value);
  await card.getByRole("button", { name: send, exact: true }).click();
}

async function late() {
  await outside("refund");
  await outside("night");
  const page = pages.owner;
  await page.goto("/portal/statements");
  await main(page).locator("tbody a").first().click();
  assert.notEqual(page.url(), statement);
  await heading(page, "调整").waitFor();
  // The refund takes the union's share back, the accepted sale adds it; the day before
  // stays as it was.
  const rows = await main(page).locator("section, .card").filter({ has: page.getByRole("heading", { name: "调整", exact: true }) }).locator("tbody tr").allInnerTexts();
  assert.equal(rows.length, 2);
  assert.ok(rows.some((r) => r.includes(yuan(-wish.face)) && r.includes(day(0))), rows.join(" / "));
  assert.ok(rows.some((r) => r.includes(yuan(wish.face)) && !r.includes(yuan(-wish.face)) && r.includes("小票")), rows.join(" / "));
  await shot(page, "next-day");
  await page.goto(statement);
  await sees(page, `工会承担 ${yuan(money)} 元`);
}

async function audit() {
  const { said: proofs } = await outside("audit");
  assert.match(proofs, /the money adds up/);
  said.push(proofs.trim());
}
