// The memory of WebAssembly in this worker, which holds the libraries, their models and images.

/** @type {Set<WebAssembly.Memory>} */
const memories = new Set();

/** Note the memories among the exports or imports of an instance. */
function note(values) {
  for (const value of Object.values(values ?? {})) {
    if (value instanceof WebAssembly.Memory) memories.add(value);
  }
}

/** Watch all instances from now on. */
export function watchMemory() {
  for (const name of ["instantiate", "instantiateStreaming"]) {
    const make = WebAssembly[name];
    WebAssembly[name] = async (source, imports, ...others) => {
      const made = await make.call(WebAssembly, source, imports, ...others);
      Object.values(imports ?? {}).forEach(note);
      note((made.instance ?? made).exports);
      return made;
    };
  }
}

/** Return the bytes of all memories. */
export function countMemory() {
  return [...memories].reduce((total, memory) => total + memory.buffer.byteLength, 0);
}
