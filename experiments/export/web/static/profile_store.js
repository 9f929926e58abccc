// The visitor's profile, kept in this browser for the next visit.

const DATABASE = "unvoiced", STORE = "profiles";

/** @returns {Promise<any>} the result of a request to the database */
const settle = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = request.onblocked = () => reject(request.error);
});

async function openStore(mode) {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  const database = await settle(request), transaction = database.transaction(STORE, mode);
  transaction.oncomplete = transaction.onabort = () => database.close();
  return transaction.objectStore(STORE);
}

/** Keeps the bytes of one profile for each model. */
export class ProfileStore {
  /** @param {string} model its fingerprint */
  constructor(model) {
    this.model = model;
  }

  /** @returns {Promise<Uint8Array | null>} null for none */
  async load() {
    try {
      const content = await settle((await openStore("readonly")).get(this.model));
      return content instanceof Uint8Array ? content : null;
    } catch {  // this browser keeps nothing
      return null;
    }
  }

  /**
   * @param {Uint8Array | null} content null deletes it
   * @returns {Promise<boolean>} whether this browser keeps it
   */
  async save(content) {
    try {
      const store = await openStore("readwrite");
      await settle(content ? store.put(content, this.model) : store.delete(this.model));
      return true;
    } catch {
      return false;
    }
  }
}
