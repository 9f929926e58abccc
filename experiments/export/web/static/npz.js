// Archives of NumPy arrays: zip files with one entry for each array. Anyone may have written one, so
// that sizes are bounded before anything is unpacked, and nothing but numbers is read.

const END_SIZE = 22, ENTRY_SIZE = 46, LOCAL_SIZE = 30, MAX_COMMENT = 65_535;  // bytes of the zip format
const END_MARK = 0x06054b50, ENTRY_MARK = 0x02014b50, LOCAL_MARK = 0x04034b50;
const STORED = 0, DEFLATED = 8, ENCRYPTED_FLAG = 1, VERSION = 20, FIRST_DATE = 33;  // 1980-01-01
const NPY_MAGIC = [0x93, ...new TextEncoder().encode("NUMPY")];
const HEADER = /^\{'descr': '([|<][a-z]\d)', 'fortran_order': (True|False), 'shape': \((|\d{1,9},|\d{1,9}, \d{1,9}),? ?\), ?\} *\n$/;
const DAMAGED = "it is damaged or no archive of arrays";

/** @typedef {{type: string, shape: number[], content: DataView}} NpyArray its type as NumPy names it, such as "<f2" */

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit += 1) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

function computeCrc(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/**
 * Return the output of a transform stream.
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {any} transform
 * @param {number} [most] bytes of the output
 * @throws {Error} the output is larger, or the input is damaged
 */
export async function pipeBytes(bytes, transform, most = Infinity) {
  const reader = new Blob([bytes]).stream().pipeThrough(transform).getReader(), chunks = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > most) {
      await reader.cancel().catch(() => {});
      throw new Error(DAMAGED);
    }
    chunks.push(value);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/**
 * Return the arrays of an archive by name.
 * @param {Uint8Array} bytes
 * @param {string[]} names all that it must have
 * @param {number} most bytes of their content
 * @returns {Promise<Object<string, NpyArray>>}
 * @throws {Error} with the reason
 */
export async function unpackArrays(bytes, names, most) {
  const entries = listEntries(bytes);
  if (entries.reduce((sum, { size }) => sum + size, 0) > most) throw new Error(`it unpacks to more than ${most >> 20} MiB`);
  const found = entries.map(({ name }) => name).sort(), expected = names.map((name) => `${name}.npy`).sort();
  if (found.join("\n") !== expected.join("\n")) throw new Error("its arrays have other names");
  /** @type {Object<string, NpyArray>} */
  const arrays = {};
  for (const entry of entries) arrays[entry.name.slice(0, -4)] = parseArray(await readEntry(bytes, entry));
  return arrays;
}

function viewBytes(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Return the view of a part of a file that begins with a mark. */
function cutRecord(bytes, start, size, mark) {
  if (start < 0 || start + size > bytes.length) throw new Error(DAMAGED);
  const view = viewBytes(bytes.subarray(start, start + size));
  if (view.getUint32(0, true) !== mark) throw new Error(DAMAGED);
  return view;
}

function findEnd(bytes) {
  const view = viewBytes(bytes), last = bytes.length - END_SIZE;
  for (let start = last; start >= Math.max(0, last - MAX_COMMENT); start -= 1) {
    if (view.getUint32(start, true) === END_MARK) return start;
  }
  throw new Error(DAMAGED);
}

/** Return the entries of a zip file, from its directory. */
function listEntries(bytes) {
  const end = cutRecord(bytes, findEnd(bytes), END_SIZE, END_MARK), entries = [];
  const count = end.getUint16(10, true);
  if (count > 100) throw new Error("its arrays have other names");
  let start = end.getUint32(16, true);
  for (let n = 0; n < count; n += 1) {
    const view = cutRecord(bytes, start, ENTRY_SIZE, ENTRY_MARK), nameSize = view.getUint16(28, true);
    const name = new TextDecoder().decode(bytes.subarray(start + ENTRY_SIZE, start + ENTRY_SIZE + nameSize));
    if (view.getUint16(8, true) & ENCRYPTED_FLAG) throw new Error(DAMAGED);
    entries.push({
      name, method: view.getUint16(10, true), crc: view.getUint32(16, true), packedSize: view.getUint32(20, true),
      size: view.getUint32(24, true), place: view.getUint32(42, true),
    });
    start += ENTRY_SIZE + nameSize + view.getUint16(30, true) + view.getUint16(32, true);
  }
  return entries;
}

async function readEntry(bytes, { method, crc, packedSize, size, place }) {
  const local = cutRecord(bytes, place, LOCAL_SIZE, LOCAL_MARK);
  const start = place + LOCAL_SIZE + local.getUint16(26, true) + local.getUint16(28, true);
  if (start + packedSize > bytes.length) throw new Error(DAMAGED);
  if (method !== STORED && method !== DEFLATED) throw new Error("it is compressed by another method than NumPy uses");
  const packed = bytes.subarray(start, start + packedSize);
  const content = method === STORED ? packed : await inflate(packed, size);
  if (content.length !== size || computeCrc(content) !== crc) throw new Error(DAMAGED);
  return content;
}

async function inflate(packed, size) {
  try {
    return await pipeBytes(packed, new DecompressionStream("deflate-raw"), size);
  } catch {
    throw new Error(DAMAGED);
  }
}

/** Return the array of a .npy file of one or two dimensions. */
function parseArray(bytes) {
  const view = viewBytes(bytes);
  if (bytes.length < 12 || NPY_MAGIC.some((byte, n) => bytes[n] !== byte)) throw new Error(DAMAGED);
  const isFirst = bytes[6] === 1, start = isFirst ? 10 : 12;
  const headerSize = isFirst ? view.getUint16(8, true) : view.getUint32(8, true);
  const match = HEADER.exec(new TextDecoder("latin1").decode(bytes.subarray(start, start + Math.min(headerSize, 10_000))));
  if (!match) throw new Error(DAMAGED);
  const [, type, order, sizes] = match, shape = sizes.split(",").filter(Boolean).map(Number);
  const itemSize = Number(type.slice(2)), content = bytes.slice(start + headerSize);
  if (content.length !== itemSize * shape.reduce((product, size) => product * size, 1)) throw new Error(DAMAGED);
  const isByColumns = order === "True" && shape.length === 2;
  return { type, shape, content: viewBytes(isByColumns ? transpose(content, shape, itemSize) : content) };
}

/**
 * Return the items by rows.
 * @param {Uint8Array} content
 * @param {number[]} shape
 * @param {number} itemSize bytes
 */
function transpose(content, [rows, columns], itemSize) {
  const turned = new Uint8Array(content.length);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const start = (column * rows + row) * itemSize;
      turned.set(content.subarray(start, start + itemSize), (row * columns + column) * itemSize);
    }
  }
  return turned;
}

/**
 * Return an archive, as NumPy's savez_compressed writes it.
 * @param {Object<string, {type: string, shape: number[], content: Uint8Array}>} arrays by name
 */
export async function packArrays(arrays) {
  const parts = [], directory = [];
  let place = 0;
  for (const [name, array] of Object.entries(arrays)) {
    const content = writeArray(array), title = new TextEncoder().encode(`${name}.npy`);
    const packed = await pipeBytes(content, new CompressionStream("deflate-raw"));
    const facts = [[computeCrc(content), 4], [packed.length, 4], [content.length, 4], [title.length, 2], [0, 2]];
    const head = [[VERSION, 2], [0, 2], [DEFLATED, 2], [0, 2], [FIRST_DATE, 2], ...facts];
    const local = [writeNumbers([[LOCAL_MARK, 4], ...head]), title, packed];
    directory.push(writeNumbers([[ENTRY_MARK, 4], [VERSION, 2], ...head, [0, 2], [0, 2], [0, 2], [0, 4], [place, 4]]), title);
    parts.push(...local);
    place += local.reduce((sum, part) => sum + part.length, 0);
  }
  const count = directory.length / 2, size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = [[END_MARK, 4], [0, 2], [0, 2], [count, 2], [count, 2], [size, 4], [place, 4], [0, 2]];
  return new Uint8Array(await new Blob([...parts, ...directory, writeNumbers(end)]).arrayBuffer());
}

/** Return numbers [value, bytes] as they stand in a file, the low byte first. */
function writeNumbers(numbers) {
  return Uint8Array.from(numbers.flatMap(([value, size]) => Array.from({ length: size }, (_, n) => Math.floor(value / 256 ** n) % 256)));
}

function writeArray({ type, shape, content }) {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const header = new TextEncoder().encode(text.padEnd(64 * Math.ceil((text.length + 11) / 64) - 11) + "\n");
  const bytes = new Uint8Array(10 + header.length + content.length);
  bytes.set([...NPY_MAGIC, 1, 0, header.length % 256, header.length >> 8]);
  bytes.set(header, 10);
  bytes.set(content, 10 + header.length);
  return bytes;
}
