// Data that this browser keeps for the visitor.

const PREFIX = "unvoiced.";

/**
 * @param {string} name
 * @returns {any} the stored value; null for none
 */
export function loadValue(name) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name));
  } catch {  // storage is switched off, or something else has written there
    return null;
  }
}

/**
 * @param {string} name
 * @param {any} value null removes it
 * @returns {boolean} whether this browser keeps it
 */
export function storeValue(name, value) {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, JSON.stringify(value));
    return true;
  } catch {  // storage is full or switched off
    return false;
  }
}
