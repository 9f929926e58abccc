// Words and phrases of a person's own, checked and as they are spelled: unvoiced/writing/personal.py.
import { isText } from "./metadata.js";

const MAX_WORDS = 500, MAX_PHRASES = 100, MAX_PHRASE_CHARACTERS = 200;  // of a visitor, as on the page
export const MAX_WORD_LETTERS = 24;
const FOREIGN_LETTERS = { "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ß": "ss" };

/** Return the letters a to z that spell a text, without accents, spaces and signs. */
export function foldLetters(text) {
  const plain = text.toLowerCase().replace(/[æœøłđðþıß]/g, (letter) => FOREIGN_LETTERS[letter]);
  return plain.normalize("NFKD").replace(/[^a-z]/g, "");
}

/**
 * Return words of one's own by the letters that spell them.
 * @param {string[]} words
 * @returns {Map<string, string>}
 */
export function checkWords(words) {
  const spelled = new Map(checkTexts(words, "Words of your own", MAX_WORDS).map((text) => [foldLetters(text), text]));
  for (const [letters, text] of spelled) {
    if (letters.length > MAX_WORD_LETTERS) {
      throw new Error(`Words of your own: “${text}” has ${letters.length} letters; expected at most ${MAX_WORD_LETTERS}. Use a phrase instead.`);
    }
  }
  return spelled;
}

/** Return quick phrases, each once. */
export function checkPhrases(phrases) {
  const texts = checkTexts(phrases, "Quick phrases", MAX_PHRASES);
  const long = texts.find((text) => [...text].length > MAX_PHRASE_CHARACTERS);
  if (long) throw new Error(`Quick phrases: “${long.slice(0, 40)}…” has more than ${MAX_PHRASE_CHARACTERS} characters. Shorten it.`);
  return [...new Set(texts)];
}

function checkTexts(texts, place, most) {
  const found = texts.map((text) => text.normalize("NFC").trim().split(/\s+/).join(" ")).filter(Boolean);
  if (found.length > most) throw new Error(`${place}: ${found.length} entries; expected at most ${most}. Use a shorter list.`);
  for (const text of found) {
    if (!isText(1000)(text)) throw new Error(`${place}: an entry has control characters or is too long; expected text. Remove it.`);
    if (!foldLetters(text)) throw new Error(`${place}: “${text}” has no letter from A to Z; expected a text that can be spelled. Write it with these letters.`);
  }
  return found;
}
