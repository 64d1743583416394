// From a roster to a discount, by three people and a worker, by the words on their
// screens. Reads its wishes as JSON from the standard input, writes what it did to the
// standard output.
//
//   {"base": "http://127.0.0.1:1234", "outside": "http://127.0.0.1:5678", "shots": "/dir or empty", "password": "…", "dir": "/tmp/…",
//    "registrar": "login", "cardmanager": "login", "terminals": "login", "outlet": 1,
//    "roster": "/file.csv", "rows": 20000, "planted": [{"row": 67, "message": "…", "fix": "…"}], "phone": "139…", "name": "…"}
//
// outside is what happens without a browser: the message that comes (sms), the clerk's
// spreadsheet (correct), another till (verify); see cmd/unioncard/hand_test.go.
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { text } from "node:stream/consumers";
import { launch, open, signIn } from "./browser.mjs";
import { button, confirm, field, go, heading, link, main, sees } from "./person.mjs";
import * as holder from "./phone_person.mjs";

const wish = JSON.parse(await text(process.stdin));
const steps = [];
const faults = [];
const total = wish.rows;
const faulty = wish.planted.length;
const video = path.join(wish.dir, "camera.y4m");
if (wish.shots) await mkdir(wish.shots, { recursive: true });

const pages = {};
const office = await open(wish.base);
const issuing = await open(wish.base);
const phones = await holder.launch();
let shop; // the till's browser, with its camera
let file; // of the card maker, as rows
let code; // on the phone's screen

try {
  pages.registrar = await office.newPage();
  pages.cardmanager = await issuing.newPage();
  await step("a roster of faults is uploaded and checked", upload);
  await step("every fault is seen, with its row and what to do", everyFault);
  await step("the good rows are applied", () => apply(total - faulty));
  await step("the faulty ones are downloaded, corrected, uploaded, applied", correct);
  await step("the same file again is told so", sameFile);
  await step("a batch issues the cards", issue);
  await step("their print file is made", print);
  await step("handed out; one is activated by a clerk", handOut);
  await step("the till is activated", activate);
  await step("the worker signs in on a phone", phone);
  await step("without a network the phone shows a code", offline);
  await step("the cashier's camera reads it, the discount is given", sell);
  await step("back, the phone is told", told);
} finally {
  await Promise.all([office.close(), issuing.close(), phones.close(), shop?.close()]);
}
process.stdout.write(JSON.stringify({ steps, faults: [...faults, ...office.faults, ...issuing.faults] }) + "\n");

/** step does one thing; what goes wrong is told with the screens as they were then. */
async function step(name, todo) {
  const began = Date.now();
  try {
    await todo();
  } catch (error) {
    for (const [who, page] of Object.entries(pages)) {
      const shown = await page.locator("body").innerText({ timeout: 1000 }).catch(() => "");
      console.error(`${name}: ${who} is at ${page.url()}\n${shown.slice(0, 1500)}\n`);
      if (wish.shots) await page.screenshot({ path: path.join(wish.shots, `hand-failed-${who}.png`), fullPage: true }).catch(() => {});
    }
    throw error;
  }
  steps.push({ name, took: `${Date.now() - began} ms` });
}

async function shot(page, name, fullPage = true) {
  if (wish.shots) await page.screenshot({ path: path.join(wish.shots, `hand-${name}.png`), fullPage });
}

async function outside(what, wanted = {}) {
  const answer = await fetch(`${wish.outside}/${what}`, { method: "POST", body: JSON.stringify(wanted) });
  if (!answer.ok) throw new Error(`${what}: ${await answer.text()}`);
  return answer.json();
}

/** figure is how the console writes a number. */
function figure(n) {
  return n.toLocaleString("en-US");
}

/** take uploads a roster and waits until it is checked. */
async function take(file) {
  const page = pages.registrar;
  await go(page, "名册导入");
  await field(page, "填好的名册").setInputFiles(file);
  await button(page, "上传检查").click();
  await heading(page, /检查完了/).waitFor();
}

/** outcomes is the table of what the check found, by its first column. */
async function outcomes() {
  const found = {};
  const rows = await main(pages.registrar).locator("table").first().locator("tbody tr").all();
  for (const row of rows) {
    const [title, count] = await row.locator("td").allInnerTexts();
    found[title.trim()] = Number(count.replaceAll(/\D/g, ""));
  }
  return found;
}

async function upload() {
  const page = pages.registrar;
  await signIn(page, wish.registrar, wish.password);
  await go(page, "名册导入");
  await shot(page, "roster-upload");
  await take(wish.roster);
  assert.deepEqual(await outcomes(), { 新登记: total - faulty, 有问题: faulty });
  await shot(page, "roster-checked");
}

async function everyFault() {
  const page = pages.registrar;
  const table = page.locator("#rows");
  const seen = [];
  for (;;) {
    for (const cells of await table.locator("tbody tr").evaluateAll((rows) => rows.map((r) => [...r.cells].map((c) => c.innerText)))) {
      const [row, , problem, fix] = cells;
      seen.push({ row: Number(row.replaceAll(/\D/g, "")), problem, fix });
    }
    const next = table.getByRole("link", { name: "下一页" });
    if ((await next.count()) === 0) break;
    const here = page.url();
    await Promise.all([page.waitForURL((u) => u.href !== here), next.click()]);
  }
  assert.deepEqual(seen.map((f) => f.row), wish.planted.map((f) => f.row));
  for (const [i, { row, message, fix }] of wish.planted.entries()) {
    assert.ok(seen[i].problem.includes(message), `row ${row} says ${seen[i].problem}, want ${message}`);
    assert.ok(seen[i].fix.includes(fix), `row ${row} says ${seen[i].fix}, want ${fix}`);
  }
  await page.setViewportSize({ width: 390, height: 844 });
  await shot(page, "roster-faults-phone", false);
  await page.setViewportSize({ width: 1366, height: 768 });
}

async function apply(people) {
  const page = pages.registrar;
  await field(page, "理由").fill("2026 年度会员登记");
  await button(page, `导入 ${figure(people)} 人`).click();
  await confirm(page, "导入", new RegExp(`将导入 ${figure(people)} 人`));
  await heading(page, new RegExp(`导入 ${figure(people)} 人`)).waitFor();
  await sees(page, /已于/);
  await shot(page, "roster-applied");
}

async function correct() {
  const page = pages.registrar;
  await field(page, "交给谁、做什么用").fill("自己改正后再上传");
  const [download] = await Promise.all([page.waitForEvent("download"), button(page, "CSV").click()]);
  const from = path.join(wish.dir, "问题名册.csv");
  await download.saveAs(from);
  assert.match(download.suggestedFilename(), /问题名册.*\.csv$/);
  const { file } = await outside("correct", { file: from });
  await take(file);
  assert.deepEqual(await outcomes(), { 新登记: faulty });
  await apply(faulty);
}

async function sameFile() {
  const page = pages.registrar;
  await go(page, "名册导入");
  await field(page, "填好的名册").setInputFiles(wish.roster);
  await button(page, "上传检查").click();
  await page.getByText(/这个文件已经在.*导入过/).waitFor();
  await heading(page, new RegExp(`导入 ${figure(total - faulty)} 人`)).waitFor();
}

async function issue() {
  const page = pages.cardmanager;
  await signIn(page, wish.cardmanager, wish.password);
  await go(page, "发卡批次");
  await link(page, "新建发卡批次").first().click();
  await field(page, "批次名称").fill("2026 年秋季新会员");
  await field(page, "工会").fill("某厂工会");
  await field(page, "计划张数").fill(String(total));
  await field(page, "理由").fill("按年度发卡计划");
  await shot(page, "batch-new");
  await button(page, "建好批次").click();
  await heading(page, "2026 年秋季新会员").waitFor();
  await button(page, "开始发卡").scrollIntoViewIfNeeded();
  await page.locator("form[action$='/move']").first().getByLabel("理由").fill("名册已导入");
  await button(page, "开始发卡").click();
  await confirm(page, "开始发卡", new RegExp(`给 ${figure(total)} 位会员各发一张新卡`));
  const all = main(page).getByText(new RegExp(`已发 ${figure(total)}`));
  await all.waitFor(); // the page moves by itself
  await heading(page, "制卡文件").waitFor(); // and offers what comes next
  await shot(page, "batch-issued");
}

async function print() {
  const page = pages.cardmanager;
  await button(page, "生成制卡文件").click();
  await heading(page, new RegExp(`文件 \\d+：${figure(total)} 张`)).waitFor();
  const form = page.locator("form[action$='/download']");
  await form.getByLabel("下载什么").selectOption({ index: await csvChoice(form) });
  await form.getByLabel("交给谁、做什么用").fill("交制卡厂制卡");
  const [download] = await Promise.all([page.waitForEvent("download"), form.getByRole("button", { name: "下载" }).click()]);
  const at = path.join(wish.dir, "制卡.csv");
  await download.saveAs(at);
  const [heads, ...rows] = (await readFile(at, "utf8")).replace(/^\uFEFF/, "").trim().split("\r\n").map((line) => line.split(","));
  const column = (name) => heads.indexOf(name);
  file = rows.map((r) => ({ number: r[column("卡号")].trim(), code: r[column("印刷码")].trim(), name: r[column("姓名")], masked: r[column("姓名（脱敏）")] }));
  assert.equal(file.length, total);
  for (const r of file) assert.match(`${r.number} ${r.code}`, /^41\d{14} 41\d{34}$/);
  assert.equal(new Set(file.map((r) => r.code)).size, total, "a code of its own for every card");
  assert.ok(file.some((r) => r.name === wish.name), "with the names as they are printed");
  assert.deepEqual((await outside("verify", { codes: file.map((r) => r.code) })).problems, { card_inactive: total });
  // The next one, right after: a form that downloads is soon free again.
  await page.waitForTimeout(1100);
  await form.getByLabel("下载什么").selectOption({ index: await csvChoice(form) + 1 });
  const [second] = await Promise.all([page.waitForEvent("download"), form.getByRole("button", { name: "下载" }).click()]);
  assert.match(second.suggestedFilename(), /^制卡名单-批次\d+-文件\d+\.xlsx$/);
  await shot(page, "batch-printed");
}

function csvChoice(form) {
  return form.getByLabel("下载什么").evaluate((e) => [...e.options].findIndex((o) => o.text.startsWith("CSV")));
}

async function handOut() {
  const page = pages.cardmanager;
  await hand(/^交付/, [], "登记交付", new RegExp(`将登记交付：这个批次全部还没有交付的 ${figure(total)} 张卡。`));
  await sees(page, new RegExp(`已交付 ${figure(total)}`));
  // One comes to the office; all others are activated by their phones.
  const one = file.find((r) => r.name !== wish.name);
  await hand(/^激活/, [one.number], "激活", /将激活：您填的 1 个卡号（已交付的）。/);
  await sees(page, /已激活 1\b/);
  await shot(page, "batch-handed");
  await within("the activated card is good", async () => {
    const { problems } = await outside("verify", { codes: [one.code] });
    return problems[""] === 1;
  });
  assert.deepEqual((await outside("verify", { codes: file.map((r) => r.code) })).problems, { "": 1, card_inactive: total - 1 });
}

async function hand(what, numbers, ok, asked) {
  const page = pages.cardmanager;
  const form = page.locator("form[action$='/hand']");
  await form.getByRole("radio", { name: what }).check();
  await form.getByRole("radio", { name: numbers.length ? "这些卡号" : /^全部/ }).check();
  if (numbers.length) await form.getByLabel("卡号", { exact: true }).fill(numbers.join("\n"));
  await form.getByLabel("交给谁、怎么交的").fill("交某厂工会组织委员签收");
  await form.getByRole("button", { name: "登记" }).click();
  await confirm(page, ok, asked);
}

/** within asks until the answer is right: a question put a second after has it. */
async function within(what, ask) {
  for (const since = Date.now(); ; ) {
    const asked = Date.now();
    if (await ask()) return;
    assert.ok(asked - since < 1000, `${what}: not ${asked - since} ms after`);
  }
}

async function activate() {
  const page = (pages.terminals = await office.newPage());
  await page.context().clearCookies();
  await signIn(page, wish.terminals, wish.password);
  await page.goto(`/console/outlets/${wish.outlet}`);
  await button(page, "开通终端").click();
  const activation = (await main(page).getByRole("status").locator("p").first().innerText()).replace("复制", "").trim();

  await film(Buffer.alloc(640 * 480, 150));
  shop = await launch(wish.base, path.join(wish.dir, "till"), [
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", `--use-file-for-fake-video-capture=${video}`,
  ]);
  const till = (pages.till = await holder.watched(shop, wish.base, faults));
  await till.setViewportSize({ width: 1024, height: 768 });
  await till.goto("/till");
  await field(till, "激活码").fill(activation);
  await button(till, "激活").click();
  await till.getByRole("heading", { name: "测试超市一店" }).waitFor();
  await till.getByText("已连接").waitFor();
}

async function phone() {
  const page = (pages.phone = await holder.phone(phones, wish.base, faults));
  await holder.signIn(page, wish.phone, async (number) => (await outside("sms", { phone: number })).code);
  assert.equal(await page.locator("#face-name").innerText(), wish.name);
  await holder.shown(page);
  await shot(page, "phone-signed-in", false);
  // Signing in has activated the card: its plastic is good now, too.
  const own = file.filter((r) => r.name === wish.name);
  await within("the worker's card is activated", async () => (await outside("verify", { codes: own.map((r) => r.code) })).problems[""] === 1);
  await page.evaluate(async () => {
    await navigator.serviceWorker.ready;
    if (!navigator.serviceWorker.controller) await new Promise((resolve) => navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true }));
  });
}

async function offline() {
  const page = pages.phone;
  await page.context().setOffline(true);
  await page.reload();
  code = await holder.shown(page);
  await page.getByText(/没有网络，离线可用至/).waitFor();
  await shot(page, "phone-offline", false);
}

async function sell() {
  const till = pages.till;
  for (const key of "88") await button(till, key).click();
  // The phone is held before the camera: its screen, as it is at that moment.
  await pages.phone.waitForFunction(() => Number(document.getElementById("left").textContent) > 5);
  for (let before; before?.digits !== code.digits; ) { // the picture's code, should it turn meanwhile
    before = await holder.shown(pages.phone);
    await film(await held(pages.phone));
    code = await holder.shown(pages.phone);
  }
  await till.locator("[data-e=go]").click(); // opens the camera
  await till.locator("[data-e=word]").getByText("可以优惠", { exact: true }).waitFor();
  assert.equal(await till.locator("[data-e=payable]").innerText(), "¥79.20");
  assert.match(await till.locator("[data-e=holder]").innerText(), new RegExp(wish.name[0]));
  await shot(till, "till-quote", false);
  await till.locator("[data-e=go]").click();
  await till.locator("[data-e=word]").getByText("成交，优惠已记录", { exact: true }).waitFor();
  assert.equal(await till.locator("[data-e=saved]").innerText(), "¥8.80");
  await shot(till, "till-sold", false);
}

async function told() {
  const page = pages.phone;
  // The browser says so a moment too early, as browsers do.
  await page.route("**/m/api/me", (route) => route.abort(), { times: 1 });
  await page.context().setOffline(false);
  const box = page.getByRole("dialog");
  await box.getByText("优惠成功").waitFor();
  const said = await box.innerText();
  for (const words of ["测试超市一店", "¥88.00", "−¥8.80", "¥79.20"]) assert.ok(said.includes(words), `${words} in ${said}`);
  await shot(page, "phone-told", false);
  await box.getByRole("button", { name: "完成" }).click();
  await page.getByRole("navigation", { name: "主菜单" }).getByRole("link", { name: "消费", exact: true }).click();
  await page.getByText("测试超市一店").filter({ visible: true }).waitFor();
  await page.locator("#saved-total").getByText("¥8.80").waitFor();
  await shot(page, "phone-purchases", false);
  // The code that was shown is used up.
  assert.notEqual((await outside("verify", { codes: [code.digits] })).problems[""], 1);
}

/** held is what a camera sees of the phone held before it, in shades of grey. */
async function held(page) {
  const png = await page.locator(".white[data-face=code]").screenshot();
  const luma = await page.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const picture = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const canvas = new OffscreenCanvas(640, 480);
    const to = canvas.getContext("2d");
    to.fillStyle = "#969696"; // a shop's counter
    to.fillRect(0, 0, 640, 480);
    const scale = Math.min(600 / picture.width, 440 / picture.height);
    const [width, height] = [picture.width * scale, picture.height * scale];
    to.drawImage(picture, (640 - width) / 2, (480 - height) / 2, width, height);
    const { data } = to.getImageData(0, 0, 640, 480);
    let out = "";
    // Video's black is 16, its white 235 (ITU-R BT.601).
    for (let i = 0; i < data.length; i += 4) out += String.fromCharCode(Math.round(16 + (0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2]) * 219 / 255));
    return btoa(out);
  }, png.toString("base64"));
  return Buffer.from(luma, "base64");
}

/** film is what the camera sees from its next opening on: raw video (YUV4MPEG2) of
 * two frames without colour, which chromium shows again and again. */
function film(luma) {
  const frame = Buffer.concat([Buffer.from("FRAME\n"), luma, Buffer.alloc(640 * 480 / 2, 128)]);
  return writeFile(video, Buffer.concat([Buffer.from("YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420jpeg\n"), frame, frame]));
}
