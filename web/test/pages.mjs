// Walks every page that links lead to, in public and signed in, and holds each to
// what all pages must be: good by axe-core, whole within a phone's width, one
// heading of the first rank, nothing against the policy. Reads its wishes as JSON
// from the standard input, writes what it saw as JSON to the standard output.
//
//   {"base": "http://127.0.0.1:1234", "shots": "/dir or empty", "public": ["/"], "keyboard": ["/console/login"],
//    "accounts": [{"login": "…", "password": "…", "starts": ["/console"], "keyboard": ["/console/outlets"]}]}
//
// An account walks the pages that none before it has seen, and its own starts.
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { text } from "node:stream/consumers";
import { open, signIn } from "./browser.mjs";

const wish = JSON.parse(await text(process.stdin));
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const { faults, newPage, close } = await open(wish.base);
const seen = new Map(); // pattern → what was seen
if (wish.shots) await mkdir(wish.shots, { recursive: true });

try {
  const page = await newPage();
  await walk(page, wish.public, false);
  for (const url of wish.keyboard) await keyboard(page, url);
  for (const account of wish.accounts) {
    await signIn(page, account.login, account.password);
    for (const start of account.starts) seen.delete(pattern(start));
    await walk(page, account.starts, true);
    for (const url of account.keyboard || []) await keyboard(page, url);
    await page.context().clearCookies();
  }
} finally {
  await close();
}
process.stdout.write(JSON.stringify({ pages: [...seen.values()], faults }) + "\n");

/** pattern is an address's page: every outlet's page is the same page. */
function pattern(url) {
  const u = new URL(url, wish.base);
  return u.pathname.replace(/\/\d+(?=\/|$)/g, "/:id");
}

/** walk visits each page once that can be reached from the starts. */
async function walk(page, starts, inside) {
  const todo = [...starts];
  while (todo.length > 0) {
    const url = new URL(todo.shift(), wish.base);
    const key = pattern(url);
    if (seen.has(key) || url.origin !== wish.base || url.pathname.startsWith("/console") !== inside && url.pathname !== "/console/login") continue;
    if (/^\/(docs|openapi|assets|open\/|console\/files)/.test(url.pathname) || url.searchParams.has("format")) continue;
    const result = { pattern: key, url: url.pathname + url.search, faults: [] };
    seen.set(key, result);
    let response;
    try {
      response = await page.goto(url.href, { waitUntil: "load" });
    } catch (error) {
      if (!/Download is starting/.test(error.message)) result.faults.push(error.message.split("\n")[0]);
      continue;
    }
    result.status = response.status();
    if (result.status !== 200) {
      result.faults.push(`answers ${result.status}`);
      continue;
    }
    if (!(response.headers()["content-type"] || "").startsWith("text/html")) continue;
    await charts(page, result);
    await look(page, result);
    for (const href of await page.$$eval("a[href]", (links) => links.filter((a) => !a.hasAttribute("download")).map((a) => a.href))) todo.push(href);
  }
}

/** charts waits until each chart of the page is drawn. */
async function charts(page, result) {
  for (const chart of await page.$$("[data-chart]")) {
    try {
      await page.waitForFunction((e) => e.hasAttribute("data-chart-ready"), chart, { timeout: 10000 });
    } catch {
      result.faults.push("a chart is not drawn");
    }
  }
}

async function look(page, result) {
  const main = await page.evaluate(() => ({
    h1: document.querySelectorAll("h1").length,
    title: document.title,
    main: document.querySelectorAll("main#main").length,
    lang: document.documentElement.lang,
  }));
  if (main.h1 !== 1) result.faults.push(`${main.h1} headings of the first rank`);
  if (main.main !== 1) result.faults.push("no main#main for the skip link");
  if (main.lang !== "zh-CN" || !main.title) result.faults.push("no language or no title");
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  for (const v of found.violations) {
    if (v.impact === "serious" || v.impact === "critical") {
      result.faults.push(`axe ${v.id} (${v.impact}): ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(" | ")}`);
    }
  }
  for (const [width, height] of [[390, 844], [1366, 768], [1920, 1080]]) {
    await page.setViewportSize({ width, height });
    // What scripts size, charts above all, follows the window a moment later.
    await page.waitForFunction(() => document.documentElement.scrollWidth - document.documentElement.clientWidth <= 1, null, { timeout: 5000 }).catch(() => {});
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wide > 1) result.faults.push(`${wide} px wider than a screen of ${width}`);
    if (wish.shots) {
      const name = result.pattern.replace(/^\//, "").replace(/[^\w-]+/g, "_") || "index";
      await page.screenshot({ path: path.join(wish.shots, `${name}-${width}.png`), fullPage: true });
    }
  }
  await page.setViewportSize({ width: 1366, height: 768 });
}

/** keyboard: Tab reaches every control of the page, the skip link first. */
async function keyboard(page, url) {
  const result = { pattern: `keyboard ${url}`, url, faults: [], status: 200 };
  seen.set(result.pattern, result);
  await page.goto(url);
  const count = await page.evaluate(() => {
    // A group of radio buttons is one stop.
    const groups = new Set();
    const stops = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")].filter((e) => {
      if (e.disabled || e.type === "hidden" || e.tabIndex < 0 || !e.checkVisibility({ visibilityProperty: true })) return false;
      if (e.type === "radio") return !groups.has(e.name) && groups.add(e.name);
      return true;
    });
    stops.forEach((e, i) => e.setAttribute("data-stop", String(i)));
    // Start from the top, wherever the page itself put the focus.
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute("tabindex");
    return stops.length;
  });
  const reached = new Set();
  for (let i = 0; i < count + 12 && reached.size < count; i++) {
    await page.keyboard.press("Tab");
    const stop = await page.evaluate(() => ({ n: document.activeElement?.getAttribute("data-stop"), skip: document.activeElement?.matches(".skip"), outline: getComputedStyle(document.activeElement).outlineStyle !== "none" || getComputedStyle(document.activeElement).boxShadow !== "none" }));
    if (i === 0 && !stop.skip) result.faults.push("the skip link is not the first stop");
    if (stop.n !== null && stop.n !== undefined) {
      reached.add(stop.n);
      if (!stop.outline) result.faults.push(`stop ${stop.n} shows no focus`);
    }
  }
  if (reached.size < count) {
    const missed = await page.$$eval("[data-stop]", (all, got) => all.filter((e) => !got.includes(e.dataset.stop)).map((e) => e.outerHTML.slice(0, 120)), [...reached]);
    result.faults.push(`Tab reaches ${reached.size} of ${count} controls; not ${missed.slice(0, 3).join(" | ")}`);
  }
}
