// The receipt: drawn into the page and printed by the print style sheet, 58 or 80
// mm wide as the printer is. It names no member beyond what the service masked.
import encodeQR from "qr";
import { bars, QUIET } from "../m/code128.js";
import { receiptCode } from "./code.js";
import { make, ui } from "./ui.js";
import { on, STATES, yuan } from "./format.js";

/** print prints a purchase as it is now. */
export function print(purchase, shop, operator) {
  draw(purchase, shop, operator);
  window.print();
}

/** qr is read by cameras and by scanners that take pictures. */
function qr(digits) {
  const rows = encodeQR(digits, "raw", { ecc: "medium", encoding: "numeric", border: 4 });
  return drawing("qr", rows.length, rows.length, rows.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ""))).join(""));
}

/** code128 is read by lasers too, where the paper is wide enough for it. */
function code128(digits) {
  let x = QUIET;
  let path = "";
  bars(digits).forEach((width, i) => {
    if (i % 2 === 0) path += `M${x} 0h${width}v1h-${width}z`;
    x += width;
  });
  return drawing("bars", x + QUIET, 1, path);
}

function drawing(name, width, height, path) {
  const element = (tag, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const svg = element("svg", { class: name, viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "shape-rendering": "crispEdges" });
  svg.append(element("path", { d: path }));
  return svg;
}

function draw(p, shop, operator) {
  const line = (name, value) => make("p", { class: "pair" }, make("span", {}, name), make("span", {}, value));
  const returned = p.returned_fen > 0;
  ui.receipt.replaceChildren(...[
    make("h2", {}, shop?.outlet_name || shop?.merchant_name || "商家"),
    make("p", { class: "centre" }, "工会会员优惠小票"),
    line("时间", on(p.committed_at)),
    line("终端", String(shop?.terminal ?? "")),
    operator && line("收银员", operator),
    p.number && line("会员卡", p.number),
    make("hr"),
    line("原价", yuan(p.amount_fen)),
    p.discount_fen > 0 ? line("工会会员优惠", `-${yuan(p.discount_fen)}`) : make("p", {}, "本单没有优惠"),
    ...(p.offers ?? []).map((o) => make("p", { class: "offer" }, o.title ?? o)),
    make("p", { class: "pair total" }, make("span", {}, "实收"), make("span", {}, `¥${yuan(p.payable_fen)}`)),
    p.state !== "committed" && line("状态", STATES[p.state]),
    returned && line("已退给会员", yuan(p.returned_fen)),
    returned && line("收回优惠", yuan(p.given_back_fen)),
    make("hr"),
    make("p", {}, "交易编号（退换时出示）"),
    make("p", { class: "number" }, p.id),
    qr(receiptCode(p.id)),
    code128(receiptCode(p.id)),
    make("p", { class: "centre" }, "优惠由商家与工会签约提供"),
  ].filter(Boolean));
}
