// Money and times as a cashier reads them. Money is integer fen throughout; no
// amount is ever a fraction of a number.

/** MAX_FEN is the largest basket the service takes. */
export const MAX_FEN = 100_000_000;

/** yuan writes fen: 8800 → "88.00". */
export function yuan(fen) {
  const cents = Math.abs(fen);
  return `${fen < 0 ? "-" : ""}${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}`;
}

/** fenOf reads typed yuan: "88", "88.5", ".5"; null for what is no amount. */
export function fenOf(text) {
  const m = /^(\d{0,7})(?:\.(\d{0,2}))?$/.exec(text.trim());
  if (!m || (!m[1] && !m[2])) return null;
  const fen = Number(m[1] || 0) * 100 + Number((m[2] || "").padEnd(2, "0"));
  return fen <= MAX_FEN ? fen : null;
}

/** pressed is an amount's text after one more key of the pad; the same text where
 * the key makes no sense. */
export function pressed(text, key) {
  if (key === "back") return text.slice(0, -1);
  if (key === "." && text.includes(".")) return text;
  const next = text === "0" && key !== "." ? key : (text === "" && key === "." ? "0" : text) + key;
  return fenOf(next) === null ? text : next;
}

const clock = new Intl.DateTimeFormat("zh-CN", { timeZone: "Asia/Shanghai", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const stamp = new Intl.DateTimeFormat("zh-CN", { timeZone: "Asia/Shanghai", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

/** at is a moment's time of day in Beijing, where the shop is. */
export const at = (time) => clock.format(new Date(time));

/** on is a moment's day and time in Beijing. */
export const on = (time) => stamp.format(new Date(time));

/** givenBack is how much of a purchase's discount a refund takes back: the last
 * refund takes the rest, others in proportion, as the service reckons it. */
export function givenBack(purchase, refundFen) {
  const { payable_fen: payable, returned_fen: returned, discount_fen: discount, given_back_fen: before } = purchase;
  if (payable === 0 || returned + refundFen >= payable) return discount - before;
  // The product may be past what a double holds.
  return Number((BigInt(discount) * BigInt(returned + refundFen)) / BigInt(payable)) - before;
}

/** STATES are a purchase's states in words. */
export const STATES = {
  committed: "已成交", voided: "已撤销", reversed: "已冲正", partially_refunded: "部分退款", refunded: "已退完", tombstone: "没有成交",
};
