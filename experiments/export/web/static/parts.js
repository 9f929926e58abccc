// The files of the app: next to the page, or packed into the one file that was opened. A classic
// script, for the page and the worker.
(() => {
  "use strict";
  const TYPES = {
    js: "text/javascript", json: "application/json", wasm: "application/wasm", webp: "image/webp", txt: "text/plain;charset=utf-8",
  };
  const IMPORT = /^(import .*?|\} )from "\.\/([\w.-]+)";$/gm;

  const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;,=>?@^_`{|}~";
  const VALUES = new Uint8Array(128);
  [...DIGITS].forEach((digit, value) => { VALUES[digit.charCodeAt(0)] = value; });

  /** Return the bytes of a text in base 85: five digits for four bytes. */
  function decode(text) {
    const digits = text.padEnd(5 * Math.ceil(text.length / 5), DIGITS.at(-1)), bytes = new DataView(new ArrayBuffer(digits.length / 5 * 4));
    for (let start = 0; start < digits.length; start += 5) {
      let value = 0;
      for (let n = start; n < start + 5; n++) value = value * 85 + VALUES[digits.charCodeAt(n)];
      bytes.setUint32(start / 5 * 4, value);
    }
    return new Uint8Array(bytes.buffer, 0, Math.floor(text.length * 4 / 5));
  }

  /** Return the content of a part of the one file. */
  async function unpack(text) {
    const stream = new Blob([decode(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  }

  class Parts {
    /** @param {Object<string, ArrayBuffer> | null} contents by path; null: files of the own origin */
    constructor(contents) {
      this.contents = contents;
      this.addresses = {};
    }

    /** Return the parts of this document: those that are packed in it, or the files next to it. */
    static async ofDocument() {
      /** @type {NodeListOf<HTMLScriptElement>} */
      const elements = document.querySelectorAll("script[data-part]"), packed = [...elements];
      if (!packed.length) return new Parts(null);
      const pairs = packed.map(async (script) => [script.dataset.part, await unpack(script.textContent)]);
      return new Parts(Object.fromEntries(await Promise.all(pairs)));
    }

    /**
     * Return the address of a file, for fetch and import.
     * @param {string} path
     * @returns {string}
     */
    locate(path) {
      if (!this.contents) return new URL(path, self.document ? document.baseURI : self.location.href).href;
      return (this.addresses[path] ??= URL.createObjectURL(new Blob([this.link(path)], { type: TYPES[path.split(".").pop()] })));
    }

    /** Return the address of a file for the page; empty if it is not there. */
    find(path) {
      return !this.contents || path in this.contents ? this.locate(path) : "";
    }

    /** Return the content of a file. */
    async read(path) {
      if (this.contents) return this.contents[path];
      const response = await fetch(this.locate(path), { cache: "no-cache" });  // never an older model
      if (!response.ok) throw new Error(`The app's file ${path} is missing. Export the app again.`);
      return response.arrayBuffer();
    }

    /** Return the content of a packed file; a module imports its neighbours by their addresses here. */
    link(path) {
      const content = this.contents[path];
      if (!path.endsWith(".js") || path.includes("/")) return content;  // a library
      const text = new TextDecoder().decode(content);
      return text.replace(IMPORT, (_, start, name) => `${start}from "${this.locate(name)}";`);
    }
  }
  self.Parts = Parts;
})();
