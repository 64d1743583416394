// What the till must not lose: its key, its settings, and what it sent without
// hearing the answer. IndexedDB, written through to the disk before it counts.

const VERSION = 1;

export async function openDatabase(name = "unioncard-till") {
  const request = indexedDB.open(name, VERSION);
  request.onupgradeneeded = () => {
    request.result.createObjectStore("kept"); // identity, settings, by name
    request.result.createObjectStore("open", { keyPath: "key" }); // what is unanswered, by idempotency key
  };
  const db = await done(request);
  // Another tab with a newer program: let it go on, this one is done for.
  db.onversionchange = () => db.close();
  return new Database(db);
}

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
  request.onblocked = () => reject(new Error("blocked by another tab"));
});

class Database {
  #db;

  constructor(db) {
    this.#db = db;
  }

  get(store, key) {
    return done(this.#db.transaction(store).objectStore(store).get(key));
  }

  all(store) {
    return done(this.#db.transaction(store).objectStore(store).getAll());
  }

  /** put returns once the value is on the disk. */
  put(store, value, key) {
    return this.#write(store, (s) => s.put(value, key));
  }

  remove(store, key) {
    return this.#write(store, (s) => s.delete(key));
  }

  #write(store, change) {
    return new Promise((resolve, reject) => {
      const tx = this.#db.transaction(store, "readwrite", { durability: "strict" });
      change(tx.objectStore(store));
      tx.oncomplete = () => resolve();
      tx.onabort = () => reject(tx.error);
      tx.onerror = () => reject(tx.error);
    });
  }
}
