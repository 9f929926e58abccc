// The visitor's profile, kept in this browser for the next visit.

const DATABASE = "unvoiced", STORE = "profiles";

/** @returns {Promise<any>} the result of a request to the database */
const settle = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = request.onblocked = () => reject(request.error);
});

/**
 * Return the result of a request to the store, once its changes are on the disk: a full one fails at the end.
 * @param {"readonly" | "readwrite"} mode
 * @param {(store: IDBObjectStore) => IDBRequest} request
 */
async function useStore(mode, request) {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = await settle(opening);
  try {
    const transaction = database.transaction(STORE, mode);
    const ending = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
    const [result] = await Promise.all([settle(request(transaction.objectStore(STORE))), ending]);
    return result;
  } finally {
    database.close();
  }
}

/** Keeps the bytes of one profile for each model. */
export class ProfileStore {
  /** @param {string} model its fingerprint */
  constructor(model) {
    this.model = model;
    this.place = `last model of ${self.location.pathname}`;  // which the next version of the app may replace
  }

  /** @returns {Promise<Uint8Array<ArrayBuffer> | null>} null for none */
  async load() {
    const content = await this.read(this.model);
    return content instanceof Uint8Array ? /** @type {Uint8Array<ArrayBuffer>} */ (content) : null;
  }

  /** Return whether the profile of this app was made with another model than it has now. */
  async hasOther() {
    const last = await this.read(this.place);
    return typeof last === "string" && last !== this.model && await this.read(last) instanceof Uint8Array;
  }

  async read(key) {
    try {
      return await useStore("readonly", (store) => store.get(key));
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
      await useStore("readwrite", (store) => {
        if (content) store.put(this.model, this.place);
        return content ? store.put(content, this.model) : store.delete(this.model);
      });
      return true;
    } catch {
      return false;
    }
  }
}
