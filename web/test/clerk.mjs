// A county clerk's work with one merchant, from the application to the end of the
// contract, through clicks and keys as a person makes them: by the words on the
// screen, never by ids. Reads its wishes as JSON from the standard input, writes
// what it did as JSON to the standard output.
//
//   {"base": "http://127.0.0.1:1234", "outside": "http://127.0.0.1:5678", "shots": "/dir or empty", "today": "2026-11-24",
//    "password": "…", "clerk": "login", "colleague": "login", "auditor": "login"}
//
// outside is what happens without a browser: the till (activate, verify, sell) and
// the days that pass; see cmd/unioncard/clerk_test.go.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { text } from "node:stream/consumers";
import { open, signIn } from "./browser.mjs";
import { button, confirm, curveDrawn, field, go, heading, link, main, picture, sees, tabTo } from "./person.mjs";

const wish = JSON.parse(await text(process.stdin));
const merchant = { name: "郑州山河饺子馆有限公司", outlet: "山河饺子馆建设路店", code: "91410000170001401D", slip: "91410000170001401E" };
const steps = [];
const [office, other] = await Promise.all([open(wish.base), open(wish.base)]);
if (wish.shots) await mkdir(wish.shots, { recursive: true });
const clerk = await office.newPage();
const colleague = await other.newPage();
let contract; // its address, once there is one
let outlet;

try {
  await step("the clerk signs in and enters an application", enter);
  await step("what is missing is shown, and brought", review);
  await step("terms below the floor are seen and mended", draft);
  await step("nobody approves the own work", ownWork);
  await step("the till is installed", install);
  await step("the colleague approves, by keyboard", () => decide("发布优惠条件", "满200元减10元", "条件不低于省级底线，同意。"));
  await step("printed, stamped, published", publish);
  await step("listed and accepted within a second", listed);
  await step("pages on a phone", phone);
  await step("the contract is ended for cause", end);
  await step("delisted and refused within a second", delisted);
  await step("nothing is left open", closed);
  await step("the auditor sees it", audit);
} finally {
  await Promise.all([office.close(), other.close()]);
}
process.stdout.write(JSON.stringify({ steps, faults: [...office.faults, ...other.faults] }) + "\n");

/** step does one thing; what goes wrong is told with the page as it was then. */
async function step(name, todo) {
  const began = Date.now();
  try {
    await todo();
  } catch (error) {
    for (const [who, page] of Object.entries({ clerk, colleague })) {
      const shown = await page.locator("main").innerText({ timeout: 1000 }).catch(() => "");
      console.error(`${name}: the ${who} is at ${page.url()}\n${shown.slice(0, 2000)}\n`);
      if (wish.shots) await page.screenshot({ path: path.join(wish.shots, `failed-${who}.png`), fullPage: true });
    }
    throw error;
  }
  steps.push({ name, took: `${Date.now() - began} ms` });
}

async function shot(page, name) {
  if (wish.shots) await page.screenshot({ path: path.join(wish.shots, `clerk-${name}.png`), fullPage: true });
}

/** outside asks for something that happens without a browser. */
async function outside(what, wanted = {}) {
  const answer = await fetch(`${wish.outside}/${what}`, { method: "POST", body: JSON.stringify(wanted) });
  if (!answer.ok) throw new Error(`${what}: ${await answer.text()}`);
  return answer.json();
}

/** within asks until the answer is right. A question put a second or more after
 * `since` must have the right answer. */
async function within(since, what, ask) {
  for (;;) {
    const asked = Date.now();
    const [right, answer] = await ask();
    if (right) return answer;
    assert.ok(asked - since < 1000, `${what}: still ${JSON.stringify(answer)} ${asked - since} ms after`);
  }
}

async function enter() {
  await signIn(clerk, wish.clerk, wish.password);
  await go(clerk, "入网申请");
  await link(main(clerk), "录入申请").first().click();
  const typed = {
    统一社会信用代码: merchant.slip, 商家名称: merchant.name, "法定代表人或经营者": "李建国", 联系人姓名: "王秀兰", 联系电话: "0371-67781234",
    门店名称: merchant.outlet, 详细地址: "建设路 66 号", "位置（选填）": "113.6138,34.7485",
  };
  for (const [label, value] of Object.entries(typed)) await field(clerk, label).fill(value);
  await field(clerk, "行业").selectOption("餐饮");
  await field(clerk, "所在县（市、区）").selectOption("中原区");
  await button(clerk, "存为草稿").click();

  // A slip in the code comes back at its field, with everything that was typed.
  const code = field(clerk, "统一社会信用代码");
  await clerk.locator("[aria-invalid]").first().waitFor();
  assert.equal(await code.getAttribute("aria-invalid"), "true");
  const said = await code.evaluate((e) => e.getAttribute("aria-describedby").split(" ").map((id) => document.getElementById(id)?.innerText).join(" "));
  assert.match(said, /校验|核对|18 位/);
  assert.equal(await clerk.locator("[aria-invalid]").count(), 1);
  for (const [label, value] of Object.entries(typed)) assert.equal(await field(clerk, label).inputValue(), value, label);
  await shot(clerk, "refused");
  await code.fill(merchant.code);
  await button(clerk, "存为草稿").click();
  await heading(clerk, merchant.name).waitFor();
  await button(clerk, "提交").click();
  await button(clerk, "开始审核").click();
  await heading(clerk, "通过，进入洽谈").waitFor();
}

async function review() {
  await sees(clerk, /核对清单还差：营业执照、企业信用查询、经营许可、门店照片、门店地址属实、联系人核实、实地走访/);
  await sees(clerk, "还没有上传营业执照。");
  assert.ok(await button(clerk, "通过，进入洽谈").isDisabled());
  for (const [i, kind] of ["营业执照", "经营许可", "门店照片"].entries()) {
    await field(clerk, "这是什么材料").selectOption(kind);
    await field(clerk, "文件").setInputFiles(await picture(clerk, kind));
    await button(clerk, "上传").click();
    await clerk.locator("#files tbody tr").nth(i).waitFor();
  }
  const photo = clerk.getByRole("img", { name: "营业执照：营业执照.jpg" });
  await photo.scrollIntoViewIfNeeded();
  await clerk.waitForFunction((e) => e.complete && e.naturalWidth > 0, await photo.elementHandle());

  // The clerk is at the shop, with a phone.
  await clerk.setViewportSize({ width: 390, height: 844 });
  await field(clerk, "看到的情况").fill("招牌清楚，正常营业，用收银机收款；与店长见面。");
  await field(clerk, "照片（选填，最多 6 张）").setInputFiles([await picture(clerk, "门头"), await picture(clerk, "店内")]);
  await button(clerk, "记下走访").click();
  await sees(clerk, "与店长见面");
  await shot(clerk, "application-phone");
  await clerk.setViewportSize({ width: 1366, height: 768 });

  // A tick changes the list and what rests on it; the page stays as it is, with what
  // was typed meanwhile.
  await clerk.evaluate(() => { window.sameDocument = true; });
  await field(clerk, "到期后还受理退款").fill("45");
  for (const item of ["营业执照", "企业信用查询", "经营许可", "门店照片", "门店地址属实", "联系人核实", "实地走访"]) {
    const tick = button(clerk, `核对无误 ：${item}`);
    await tick.scrollIntoViewIfNeeded();
    const before = await clerk.evaluate(() => window.scrollY);
    await tick.click();
    await button(clerk, `取消 ${item}`).waitFor();
    const moved = Math.abs(await clerk.evaluate(() => window.scrollY) - before);
    assert.ok(moved < 100, `the page jumped ${moved} px at ${item}`);
  }
  assert.ok(await clerk.evaluate(() => window.sameDocument), "a tick loaded the page anew");
  assert.equal(await field(clerk, "到期后还受理退款").inputValue(), "45");
  await field(clerk, "到期后还受理退款").fill("30");
  await sees(clerk, "将建立商家、门店和一份协议草稿");
  await shot(clerk, "application");
  await field(clerk, "协议开始").fill(wish.today);
  await button(clerk, "通过，进入洽谈").click();
  await confirm(clerk, "通过", /1 家门店和协议草稿/);
  await heading(clerk, "下一步：起草优惠条件").waitFor();
  assert.doesNotMatch(await main(clerk).innerText(), /现管 0 家/);
  contract = clerk.url();
}

async function draft() {
  await link(main(clerk), "起草优惠条件").first().click();
  await main(clerk).getByRole("link", { name: "满减" }).first().click();
  await field(clerk, "满").pressSequentially("300");
  await field(clerk, "减").pressSequentially("10");
  await sees(clerk, "低于省级底线，发布时会被退回");
  await sees(clerk, /消费 200(\.00)? 元时，本协议优惠 0(\.00)? 元，底线优惠 10(\.00)? 元，少 10(\.00)? 元。/);
  const below = await curveDrawn(clerk);
  assert.equal(below.chart.marks.length, 1);
  assert.equal(Number(below.chart.marks[0].x), 200);
  assert.equal(below.chart.series.length, 2);
  assert.ok(below.painted > 1000 && below.red > 50, `${below.painted} painted, ${below.red} red`);
  await shot(clerk, "below");
  await button(clerk, "保存到草稿").click();
  await heading(clerk, "优惠（1 项）").waitFor();
  await sees(clerk, "低于省级底线，发布时会被退回");

  // It cannot be proposed like this.
  await link(clerk, "下一步：提请审批").click();
  await field(clerk, "理由").fill("商家同意满减。");
  await button(clerk, "提请审批").click();
  await clerk.getByRole("alert").getByText(/底线/).first().waitFor();
  await shot(clerk, "refused-proposal");

  await link(main(clerk), "再改条件").click();
  await main(clerk).getByRole("link", { name: /^修改/ }).click();
  await field(clerk, "满").fill("200");
  await sees(clerk, "不低于省级底线，可以提请审批");
  const good = await curveDrawn(clerk);
  assert.ok(!good.chart.marks?.length && good.painted > 1000);
  await shot(clerk, "mended");
  await button(clerk, "保存到草稿").click();
  await sees(clerk, "不低于省级底线，可以提请审批");
  await link(clerk, "下一步：提请审批").click();
  await field(clerk, "理由").fill("谈了两轮，商家同意与省级底线一致。");
  await button(clerk, "提请审批").click();
  await sees(clerk, /测试colleague/);
}

async function ownWork() {
  await clerk.goto(contract);
  await heading(clerk, "下一步：等待审批").waitFor();
  await shot(clerk, "waiting");
  await link(main(clerk), "查看或撤回").click();
  await sees(clerk, "提请和审批必须是两个人。");
  assert.equal(await button(clerk, "批准").count(), 0);
  const forged = await clerk.evaluate(async (url) => {
    const answer = await fetch(url, { method: "POST", body: new URLSearchParams({ decision: "approve", reason: "同意" }) });
    return { status: answer.status, text: await answer.text() };
  }, `${clerk.url()}/decide`);
  assert.equal(forged.status, 422);
  assert.match(forged.text, /必须是两个人|另一个人|自己/);
  await shot(clerk, "own");
}

async function install() {
  await clerk.goto(contract);
  await main(clerk).getByRole("link", { name: merchant.name, exact: true }).click();
  await main(clerk).getByRole("link", { name: merchant.outlet, exact: true }).click();
  outlet = clerk.url();
  await sees(clerk, "还没有终端。");
  await button(clerk, "开通终端").click();
  const code = await main(clerk).getByRole("status").locator("p").first().innerText();
  await outside("activate", { code: code.replace("复制", "").trim() });
  assert.equal((await outside("verify", { amount_fen: 25000 })).problem, "no_contract");
  await clerk.goto(outlet);
  assert.equal(await main(clerk).locator("tbody tr").count(), 1);
}

/** decide is the colleague's part, without a mouse: sign in, see on the dashboard
 * that something waits, open it from the list, read it, give a reason, approve. */
async function decide(title, shows, reason) {
  const page = colleague;
  const keys = page.keyboard;
  if (page.url() === "about:blank") {
    await page.goto("/console/login");
    await tabTo(page, field(page, "登录名"));
    await keys.type(wish.colleague);
    await tabTo(page, field(page, "密码"));
    await keys.type(wish.password);
    await keys.press("Enter");
    await heading(page, "工作台").waitFor();
  } else {
    await page.goto("/console");
  }
  const waiting = main(page).getByRole("link", { name: /等我审批/ });
  assert.match(await waiting.innerText(), /1/);
  await shot(page, "dashboard");
  await tabTo(page, waiting);
  await keys.press("Enter");
  const entry = main(page).getByRole("link", { name: title }).first();
  await entry.waitFor();
  await tabTo(page, entry);
  await keys.press("Enter");
  await heading(page, title).waitFor();
  await sees(page, shows);
  await shot(page, "proposal");
  await tabTo(page, field(page, "您的意见"));
  await keys.type(reason);
  await tabTo(page, button(page, "批准"));
  await keys.press("Enter");
  const dialog = page.getByRole("dialog");
  await tabTo(page, dialog.getByRole("button", { name: "批准", exact: true }));
  await keys.press("Enter");
  await sees(page, "已批准。");
  return Date.now();
}

async function publish() {
  await clerk.goto(contract);
  await heading(clerk, "下一步：打印、盖章、上传扫描件").waitFor();
  await link(main(clerk), "打印协议").first().click();
  await sees(clerk, /满200元减10元/);
  await clerk.emulateMedia({ media: "print" });
  const code = (await main(clerk).locator("tfoot").getByText(/[0-9a-f]{64}/).first().innerText()).match(/[0-9a-f]{64}/)[0].slice(-8);
  await clerk.emulateMedia({ media: null });
  // What is on the scan nobody but the checker reads: a small picture does.
  const scan = await picture(clerk, "盖章协议");
  await shot(clerk, "print");
  await link(clerk, "返回协议").click();

  await field(clerk, "盖章协议的扫描件").setInputFiles(scan);
  await field(clerk, "核验码后 8 位").fill("00000000");
  await button(clerk, "上传").click();
  await sees(clerk, /与批准的协议不符/);
  await field(clerk, "盖章协议的扫描件").setInputFiles(scan);
  await field(clerk, "核验码后 8 位").fill(code);
  await button(clerk, "上传").click();
  await sees(clerk, "扫描件已收下");
  await shot(clerk, "publish");
  await button(clerk, "发布生效").click();
  const answered = clerk.waitForResponse((r) => r.url().endsWith("/publish"));
  await confirm(clerk, "发布", /门店进入公开目录/);
  await answered;
  await Promise.all([inDirectory(Date.now(), true), atTill(Date.now(), "")]);
  await sees(clerk, "已发布，");
}

/** inDirectory: the public directory lists the outlet, or does so no more. */
function inDirectory(since, there) {
  return within(since, "directory", async () => {
    const answer = await clerk.request.get("/outlets", { params: { q: "山河饺子" } });
    const listed = (await answer.text()).includes(merchant.outlet);
    return [listed === there, listed];
  });
}

/** atTill: a member's card is answered like this at the till. */
function atTill(since, problem) {
  return within(since, "till", async () => {
    const answer = await outside("verify", { amount_fen: 25000 });
    return [answer.problem === problem, answer.problem];
  });
}

async function listed() {
  const page = await other.newPage();
  await page.goto("/");
  await field(page, "找什么").fill("山河饺子");
  await button(page, "查找").click();
  await sees(page, /找到 1 家/);
  await link(page, merchant.outlet).click();
  await heading(page, merchant.outlet).waitFor();
  await sees(page, /满200元减10元/);
  await sees(page, "建设路 66 号");
  await shot(page, "directory");
  await page.close();
  const sold = await outside("sell", { amount_fen: 25000 });
  assert.equal(sold.problem, "");
  assert.equal(sold.discount_fen, 1000);
}

async function phone() {
  await clerk.setViewportSize({ width: 390, height: 844 });
  for (const [name, url] of [["dashboard", "/console"], ["applications", "/console/applications"], ["contract", contract], ["terms", `${contract}/terms`]]) {
    await clerk.goto(url);
    const wide = await clerk.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wide <= 1, `${name} is ${wide} px wider than a phone`);
    await shot(clerk, `phone-${name}`);
  }
  await button(clerk, "打开菜单").click();
  await go(clerk, "入网申请");
  await link(main(clerk), merchant.name).click();
  await sees(clerk, "申请已通过");
  await link(main(clerk), "打开协议").click();
  await heading(clerk, "下一步：暂时不用办什么").waitFor();
  await clerk.setViewportSize({ width: 1366, height: 768 });
}

async function end() {
  await clerk.goto(contract);
  await link(main(clerk), "暂停与终止").click();
  await sees(clerk, /1 笔，为会员省 10(\.00)? 元/);
  await main(clerk).getByLabel(/立即终止/).check();
  await field(clerk, "原因").selectOption("拒不履行优惠约定");
  await main(clerk).getByLabel("退款期满后，商家整体退出网络").check();
  await main(clerk).locator("form", { has: button(clerk, "提请终止") }).getByLabel("理由", { exact: true }).fill("三次抽查都拒绝给优惠，已书面通知。");
  await shot(clerk, "exit");
  await button(clerk, "提请终止").click();
  await confirm(clerk, "提请终止", /1 家门店停止优惠，退款期满后停用 1 台终端/);
  await sees(clerk, "已提请终止，等另一位同事批准。");
}

async function delisted() {
  const since = await decide("终止协议", "拒不履行优惠约定", "抽查记录属实，同意终止。");
  await Promise.all([inDirectory(since, false), atTill(since, "contract_ended")]);
}

async function closed() {
  await outside("pass", { days: 29 }); // refunds are still taken
  await go(clerk, "商家退出");
  const plan = main(clerk).getByRole("row", { name: merchant.name });
  await plan.getByText("拒不履行优惠约定").waitFor();
  await shot(clerk, "exits");
  await plan.getByRole("link", { name: merchant.name }).click();
  await heading(clerk, /退出计划/).waitFor();
  await heading(clerk, /退出计划 退款期/).waitFor();
  await sees(clerk, new RegExp(new Date(Date.parse(wish.today) + 30 * 86400000).toISOString().slice(0, 10)));
  await sees(clerk, "再次受理申请");
  await shot(clerk, "plan");
  await outside("pass", { days: 31 });
  await clerk.reload();
  await heading(clerk, /退出计划 已办结/).waitFor();
  const left = await main(clerk).locator(".card", { has: heading(clerk, "未了事项") }).innerText();
  assert.match(left, /未了事项\s*没有。/);
  await shot(clerk, "done");
  await go(clerk, "商家退出");
  await sees(clerk, "现在没有正在退出的协议。");
  await clerk.goto(contract);
  await heading(clerk, "下一步：没有了，协议已终止").waitFor();
  await clerk.goto(outlet);
  await main(clerk).getByRole("row", { name: /已停用/ }).waitFor();
  await sees(clerk, "商家已退出网络");
  assert.equal(await button(clerk, "开通终端").count(), 0);
  await shot(clerk, "outlet-after");
  await go(clerk, "工作台");
  await sees(clerk, "没有等您办理的事项。");
  assert.notEqual((await outside("verify", { amount_fen: 25000 })).problem, "");
}

async function audit() {
  await clerk.context().clearCookies();
  await signIn(clerk, wish.auditor, wish.password);
  assert.equal(await link(clerk, "录入申请").count(), 0);
  await go(clerk, "操作日志");
  await field(clerk, "对象").selectOption("协议");
  await field(clerk, "对象编号").fill(contract.match(/\d+$/)[0]);
  await button(clerk, "查询").click();
  await sees(clerk, /本页 \d+ 条/);
  const events = await main(clerk).locator("tbody").innerText();
  for (const what of ["起草协议", "上传签章协议", "发布条款", "协议生效", "终止协议"]) assert.ok(events.includes(what), `${what} is not in:\n${events}`);
  await shot(clerk, "events");
}
