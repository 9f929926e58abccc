// Requests to the program that serves the page.

import { AnswerError } from "./answerer.js";
import { WIDTH } from "./cameras.js";

const JPEG_QUALITY = 0.8;
/** @type {Object<number, "busy" | "expired" | "refused">} */
const KINDS = { 429: "busy", 410: "expired", 422: "refused" };  // by HTTP status
const SERVER_LOST = "The program does not answer: it may have ended. Start it again, then press Start.";
const SERVER_ERROR = "An error in the program with this image; its terminal shows it. Press Start to resume.";

/**
 * @param {string} path
 * @param {BodyInit} [body]
 * @returns {Promise<Response>} of a request that succeeded
 */
export async function request(path, body) {
  let response;
  try {
    response = await fetch(path, { method: "POST", body });
  } catch {
    throw new AnswerError(SERVER_LOST);
  }
  if (response.ok) return response;
  const content = await response.json().catch(() => ({}));
  throw new AnswerError(content.error || SERVER_ERROR, KINDS[response.status]);
}

/**
 * @param {string} path
 * @param {BodyInit} [body]
 * @returns {Promise<any>} the JSON of the answer
 */
export async function post(path, body) {
  return (await request(path, body)).json().catch(() => ({}));
}

/** @param {any} content */
export const toJson = (content) => new Blob([JSON.stringify(content)], { type: "application/json" });

/** @param {string} text in base 64 */
export const decodeFile = (text) =>
  new Blob([Uint8Array.from(atob(text), (character) => character.charCodeAt(0))]);

const canvas = document.createElement("canvas");

/**
 * @param {HTMLVideoElement} video
 * @returns {Promise<Blob>} its frame as a JPEG
 */
export function takeSnapshot(video) {
  const scale = Math.min(1, WIDTH / Math.max(video.videoWidth, video.videoHeight));
  canvas.width = Math.round(video.videoWidth * scale);
  canvas.height = Math.round(video.videoHeight * scale);
  canvas.getContext("2d", { alpha: false }).drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", JPEG_QUALITY));
}

/** @param {number} seconds */
export const toQuery = (seconds) => "?seconds=" + seconds.toFixed(4);
