// This phone's right to show codes: a device key made here that can't be read out,
// and the codes' keys of this week and the next, renewed when there is a network.
//
// A renewal token is good once, and a second use ends the enrolment: that is how a
// copied database is noticed. So renewals wait for each other over all tabs, and
// the token is read inside the lock, never from memory.
import { read, write } from "./store.js";
import { importKey, keyFor } from "./totp.js";

const DAY = 24 * 3600 * 1000;
/** OFFLINE is how long codes are shown after the last contact, in ms. */
export const OFFLINE = 7 * DAY;
// Keys older than this are renewed at the next contact, long before they are needed.
const RENEW_AFTER = DAY / 2;

const base64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const alone = (work) => (navigator.locks ? navigator.locks.request("unioncard-enrolment", work) : work());

/** load gives the kept enrolment: {enrolment, renewal, device, epoch, keys, renewed,
 * contact}; moments in ms of the service's time. */
export const load = () => read("enrolment");

/** enrol makes this phone the one that shows the codes. Problem enrolled_elsewhere
 * if another one does and takeover is false. */
export function enrol(service, clock, prefix, takeover) {
  return alone(async () => {
    const device = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
    const spki = await crypto.subtle.exportKey("spki", device.publicKey);
    const answer = await service.post("enrol", { device_key: base64(spki), takeover });
    return keep(clock, prefix, device.privateKey, answer);
  });
}

/** renew fetches keys if those held are getting old, or are of another epoch than
 * the service takes now (any, if none is given). */
export function renew(service, clock, epoch) {
  return alone(async () => {
    const held = await load();
    if (!held || (held.epoch === epoch && !due(held, clock.now()))) return held;
    const proof = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, held.device, new TextEncoder().encode(held.renewal));
    const answer = await service.post("keys", { enrolment: held.enrolment, renewal: held.renewal, proof: base64(proof) });
    return keep(clock, held.keys[0].head.slice(0, 2), held.device, answer);
  });
}

async function keep(clock, prefix, device, answer) {
  const keys = await Promise.all(
    answer.keys.map(async (k) => ({ week: k.week, slot: k.slot, head: prefix + k.alias, key: await importKey(bytes(k.key)) })),
  );
  const now = clock.now();
  const next = { enrolment: answer.enrolment, device, renewal: answer.renewal, epoch: answer.epoch, keys, renewed: now, contact: now };
  await write({ enrolment: next, clock: clock.state() });
  return next;
}

/** touch notes a contact that found the enrolment alive. */
export function touch(clock) {
  return alone(async () => {
    const held = await load();
    if (!held) return undefined;
    const next = { ...held, contact: clock.now() };
    await write({ enrolment: next, clock: clock.state() });
    return next;
  });
}

/** forget throws the keys away. */
export const forget = () => alone(() => write({ enrolment: undefined }));

/** due says whether keys should be renewed at the next occasion. */
export function due(held, now) {
  return now > held.renewed + RENEW_AFTER || now < held.renewed - DAY || !keyFor(held.keys, 0, now) || !keyFor(held.keys, 1, now);
}

/** until is when this phone stops to show codes without a new contact. */
export const until = (held) => held.contact + OFFLINE;
