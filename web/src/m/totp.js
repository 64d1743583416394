// The code a phone shows: prefix, the week's alias, and an RFC 6238 value (30 s,
// HMAC-SHA-256, 8 digits). Keys are WebCrypto's and never leave it. It is the same
// arithmetic as package card's; cmd/unioncard/phone_page_test.go holds them equal.

/** STEP is how long a code lasts, in ms. */
export const STEP = 30_000;
const WEEK = 7 * 24 * 3600 * 1000;
// Weeks begin on Monday 00:00 in Beijing; the epoch was a Thursday 08:00 there.
const WEEK_SHIFT = (8 * 3600 + 3 * 24 * 3600) * 1000;

/** stepOf and weekOf number a moment's step and week; moments are in ms. */
export const stepOf = (at) => Math.floor(at / STEP);
export const weekOf = (at) => Math.floor((at + WEEK_SHIFT) / WEEK);

/** importKey takes 32 bytes and gives a key that signs and can't be read again. */
export const importKey = (raw) => crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);

/** totp is RFC 6238's value of a step as eight digits. */
export async function totp(key, step) {
  const message = new DataView(new ArrayBuffer(8));
  message.setUint32(0, Math.floor(step / 2 ** 32));
  message.setUint32(4, step % 2 ** 32);
  const mac = new DataView(await crypto.subtle.sign("HMAC", key, message.buffer));
  const at = mac.getUint8(31) & 15;
  return String((mac.getUint32(at) & 0x7fffffff) % 1e8).padStart(8, "0");
}

/** keyFor is the key of a slot to use at a moment: of its week, or of the one
 * before, which the service takes for a week longer; undefined without either. */
export function keyFor(keys, slot, at) {
  const week = weekOf(at);
  const of = (w) => keys.find((k) => k.slot === slot && k.week === w);
  return of(week) || of(week - 1);
}

/** codeOf is the 20 digits that a key shows at a moment. */
export const codeOf = async (entry, at) => entry.head + (await totp(entry.key, stepOf(at)));
