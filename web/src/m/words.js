// Amounts and moments as the holder reads them.
const beijing = (options) => new Intl.DateTimeFormat("zh-CN", { timeZone: "Asia/Shanghai", hour12: false, ...options });
const minute = beijing({ month: "long", day: "numeric", hour: "2-digit", minute: "2-digit" });
const second = beijing({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const whole = beijing({ year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" });

/** yuan writes fen: 123456 is ¥1234.56. */
export const yuan = (fen) => `${fen < 0 ? "−" : ""}¥${Math.floor(Math.abs(fen) / 100)}.${String(Math.abs(fen) % 100).padStart(2, "0")}`;

/** moment writes 11月30日 18:23 in Beijing, moments in ms. */
export const moment = (at) => minute.format(at);
export const clockTime = (at) => second.format(at);
export const date = (at) => whole.format(at);

/** span writes how long in the largest unit that fits: 10 分钟. */
export function span(ms) {
  const seconds = Math.round(Math.abs(ms) / 1000);
  for (const [unit, word] of [[86400, "天"], [3600, "小时"], [60, "分钟"]]) {
    if (seconds >= unit) return `${Math.round(seconds / unit)} ${word}`;
  }
  return `${seconds} 秒`;
}

/** groups puts a space after each four digits. */
export const groups = (digits) => digits.replace(/(\d{4})(?=\d)/g, "$1 ");
