// What this phone keeps, in IndexedDB: the device's key and the codes' keys (all
// non-extractable), the face of the card, the clock's difference, the slot. Never
// purchases, never a phone number.
const NAME = "unioncard-phone";
const KEPT = "kept";

let opened;

function database() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(KEPT);
    request.onsuccess = () => {
      // Another tab wants to delete or upgrade: let it, open again when needed.
      request.result.onversionchange = () => {
        request.result.close();
        opened = undefined;
      };
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
  });
  return opened;
}

async function transact(mode, work) {
  const db = await database();
  return new Promise((resolve, reject) => {
    const transaction = db.transaction(KEPT, mode, { durability: "strict" });
    const result = work(transaction.objectStore(KEPT));
    transaction.oncomplete = () => resolve(result?.result);
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
}

/** read gives one kept thing, undefined if there is none. */
export const read = (name) => transact("readonly", (kept) => kept.get(name));

/** write keeps several things at once, or none of them; undefined deletes. */
export const write = (things) =>
  transact("readwrite", (kept) => {
    for (const [name, value] of Object.entries(things)) {
      if (value === undefined) kept.delete(name);
      else kept.put(value, name);
    }
  });

/** clear forgets everything. */
export const clear = () => transact("readwrite", (kept) => void kept.clear());
