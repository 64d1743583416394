// Debian's chromium, driven by playwright-core, with everything noted that a page
// should not do: breach the policy, throw, log an error, ask another server, or
// answer with a 5xx.
import { execFileSync } from "node:child_process";
import { chromium } from "playwright-core";

// A container's root has no sandbox, and its /dev/shm is small.
const flags = ["--disable-dev-shm-usage", "--disable-gpu", ...(process.getuid() === 0 ? ["--no-sandbox"] : [])];
const program = () => process.env.CHROMIUM || execFileSync("sh", ["-c", "command -v chromium || command -v chromium-browser"]).toString().trim();

/** PATIENCE is how long a step waits for what it wants to see, ms: the machine may be
 * slow and everything may be run at once; nothing is proved by giving up early. */
export const PATIENCE = 120_000;

/** patient gives a context that patience. */
export function patient(context) {
  context.setDefaultTimeout(PATIENCE);
  return context;
}

/** launch starts a browser whose profile stays, as that of a shop's machine; more
 * are flags of its own. */
export async function launch(base, profile, more = []) {
  return patient(await chromium.launchPersistentContext(profile, {
    executablePath: program(), args: [...flags, ...more], baseURL: base, locale: "zh-CN", timezoneId: "Asia/Shanghai", viewport: { width: 390, height: 844 },
  }));
}

/** open starts a browser; newPage gives pages that note into `faults`. */
export async function open(base) {
  const browser = await chromium.launch({ executablePath: program(), args: flags });
  const faults = [];
  const context = patient(await browser.newContext({ baseURL: base, locale: "zh-CN", timezoneId: "Asia/Shanghai", viewport: { width: 1366, height: 768 } }));
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (e) => console.error(`CSP: ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile || ""} ${e.sample || ""}`));
  });
  await context.route((url) => url.origin !== new URL(base).origin && url.protocol.startsWith("http"), (route) => {
    faults.push({ page: route.request().frame()?.url(), fault: `asks another server: ${route.request().url()}` });
    return route.abort();
  });
  async function newPage() {
    const page = await context.newPage();
    const note = (fault) => faults.push({ page: page.url(), fault });
    page.on("console", (m) => {
      // Chromium logs every answer of 4xx and 5xx; those of 5xx are noted below.
      if (m.type() === "error" && !/^Failed to load resource/.test(m.text())) note(`console: ${m.text()}`);
    });
    page.on("pageerror", (e) => note(`script: ${e.message}`));
    page.on("response", (r) => r.status() >= 500 && note(`${r.status()} from ${r.url()}`));
    return page;
  }
  async function close() {
    await context.close();
    await browser.close();
  }
  return { faults, newPage, close };
}

/** signIn signs in and ends on the start page. */
export async function signIn(page, login, password) {
  await page.goto("/console/login");
  await page.fill("input[name=login]", login);
  await page.fill("input[name=password]", password);
  await Promise.all([page.waitForURL((u) => u.pathname === "/console"), page.click("main button[type=submit]")]);
}
