// What a person does with a page: finds things by their words, and goes by keys.
import assert from "node:assert/strict";

export const button = (page, name) => page.getByRole("button", { name, exact: true });
export const link = (page, name) => page.getByRole("link", { name, exact: true });
export const field = (page, label) => page.getByLabel(label, { exact: true }).filter({ visible: true });
export const heading = (page, name) => page.getByRole("heading", { name });
export const main = (page) => page.locator("main");

/** sees waits until the page says something. */
export const sees = (page, words) => main(page).getByText(words).first().waitFor();

/** go follows the menu. */
export const go = (page, entry) => page.getByRole("navigation", { name: "主菜单" }).getByRole("link", { name: entry, exact: true }).click();

/** confirm goes on in the dialog that says what will happen. */
export async function confirm(page, ok, says) {
  const dialog = page.getByRole("dialog");
  assert.match(await dialog.innerText(), says);
  await dialog.getByRole("button", { name: ok, exact: true }).click();
}

/** tabTo presses Tab until something is in focus, as who uses no mouse does. */
export async function tabTo(page, target) {
  const wanted = await target.elementHandle();
  for (let i = 0; i < 80; i++) {
    if (await wanted.evaluate((e) => e === document.activeElement)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not reach ${target}`);
}

/** curveDrawn is what the curve's canvas shows: all that is painted, and what has
 * the mark's red. */
export async function curveDrawn(page) {
  const chart = main(page).locator("#verdict [data-chart-ready]");
  await chart.waitFor();
  return chart.evaluate((e) => {
    const canvas = e.querySelector("canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let painted = 0;
    let red = 0;
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] > 0) painted++;
      if (data[i + 3] > 200 && data[i] > 200 && data[i + 1] < 80 && data[i + 2] < 80) red++;
    }
    return { painted, red, chart: JSON.parse(e.dataset.chart) };
  });
}

/** picture makes a photo or a scan on the fly. */
export async function picture(page, words) {
  const sheet = await page.context().newPage();
  await sheet.setViewportSize({ width: 480, height: 320 });
  await sheet.setContent(`<h1>${words}</h1><p>副本　1-1</p>`);
  const buffer = await sheet.screenshot({ type: "jpeg" });
  await sheet.close();
  return { name: `${words}.jpg`, mimeType: "image/jpeg", buffer };
}
