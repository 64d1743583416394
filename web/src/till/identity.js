// Who this till is: an Ed25519 key made by the browser, which no script can read
// out (non-extractable), and what the service said when it was activated. A log-in
// is an assertion signed with the key (RFC 7523).

const ALGORITHM = { name: "Ed25519" };

/** supported says why this browser can't be a till, "" if it can. */
export async function supported() {
  if (!globalThis.isSecureContext) return "insecure";
  if (!globalThis.crypto?.subtle || !globalThis.indexedDB || !navigator.locks) return "old";
  try {
    await crypto.subtle.generateKey(ALGORITHM, false, ["sign", "verify"]);
    return "";
  } catch {
    return "old";
  }
}

const encode = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)));
const url64 = (bytes) => encode(bytes).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const utf8 = (value) => new TextEncoder().encode(JSON.stringify(value));

/** newKey makes a key and keeps it before anybody hears of it, so that the answer
 * to an activation may be lost and asked for again with the same code. A key made
 * for the same code earlier is used again. */
export async function newKey(db, code) {
  const waiting = await db.get("kept", "activating");
  if (waiting?.code === code) return waiting;
  const pair = await crypto.subtle.generateKey(ALGORITHM, false, ["sign", "verify"]);
  const made = { code, privateKey: pair.privateKey, publicKey: encode(await crypto.subtle.exportKey("raw", pair.publicKey)) };
  await db.put("kept", made, "activating");
  return made;
}

/** adopt keeps what the service answered, with the key it was given. */
export async function adopt(db, key, answer) {
  const identity = {
    clientId: answer.client_id, terminal: answer.terminal, merchant: answer.merchant, outlet: answer.outlet,
    audience: answer.token_endpoint, privateKey: key.privateKey, since: Date.now(),
  };
  await db.put("kept", identity, "identity");
  await db.remove("kept", "activating");
  return identity;
}

/** assertion signs who we are for an audience, good for one minute from now (ms, by
 * the service's clock). */
export async function assertion(identity, audience, now) {
  const seconds = Math.floor(now / 1000);
  const head = url64(utf8({ alg: "EdDSA", typ: "JWT" }));
  const body = url64(utf8({
    iss: identity.clientId, sub: identity.clientId, aud: audience, jti: crypto.randomUUID(), iat: seconds, exp: seconds + 60,
  }));
  const signature = await crypto.subtle.sign(ALGORITHM, identity.privateKey, new TextEncoder().encode(`${head}.${body}`));
  return `${head}.${body}.${url64(signature)}`;
}

/** normalCode is an activation code as it is sent, "" for what can be none: people
 * write O for 0 and I or L for 1. */
export function normalCode(text) {
  const plain = text.toUpperCase().replace(/[^0-9A-Z]/g, "");
  return plain.length === 12 ? plain.match(/.{4}/g).join("-") : "";
}
