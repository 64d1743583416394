// The three forms of a member's code, told apart by length (DESIGN, "Codes").

/** digits takes what a person or a scanner gave: full-width digits, blanks and
 * hyphens are forgiven; null where anything else is in it. */
export function digits(text) {
  const plain = text.replace(/[０-９]/g, (d) => String.fromCharCode(d.charCodeAt(0) - 0xfee0)).replace(/[\s　-]/g, "");
  return /^\d*$/.test(plain) ? plain : null;
}

/** kindOf is "phone" (20 digits, changes every 30 s), "printed" (36, on the card),
 * "number" (16, the card number typed by hand), or null. */
export function kindOf(code) {
  if (!/^\d+$/.test(code)) return null;
  return { 20: "phone", 36: "printed", 16: "number" }[code.length] ?? null;
}

/** slipped reports whether a card number's check digit is wrong: (Luhn + 5) mod 10.
 * Asking the service costs nothing then either, but the cashier hears it at once. */
export function slipped(number) {
  let sum = 0;
  for (let i = number.length - 2, double = true; i >= 0; i--, double = !double) {
    const d = Number(number[i]) * (double ? 2 : 1);
    sum += d > 9 ? d - 9 : d;
  }
  return Number(number.at(-1)) !== (10 - (sum % 10) + 5) % 10;
}

/** receiptCode is a purchase's number as bars can carry it: a 9 and the 39 digits of
 * the UUID, which no other code of ours is as long as. */
export const receiptCode = (id) => `9${BigInt(`0x${id.replaceAll("-", "")}`).toString().padStart(39, "0")}`;

/** receiptId reads a receipt's code or number as printed, "" for anything else. */
export function receiptId(text) {
  const plain = text.trim().toLowerCase();
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(plain)) return plain;
  if (!/^9\d{39}$/.test(plain)) return "";
  const hex = BigInt(plain.slice(1)).toString(16).padStart(32, "0");
  return hex.length === 32 ? hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5") : "";
}

/** grouped shows typed digits in fours, as they stand on the card. */
export const grouped = (code) => code.replace(/(\d{4})(?=\d)/g, "$1 ");
