// The order of functions in the bundle. gzip finds what functions have in common if they stand within 32 KB of each other, so functions
// are ordered by likeness: each follows one that shares much with those before it. `wasm-opt --reorder-functions-by-name` brings them
// into the order of the names that they are given here.

/** Bytes of a piece by which functions are compared. */
const PIECE_BYTES = 6;

/** A piece that more functions than these have says little, and comparing by it would take most of the time. */
const MAX_OWNERS = 1500;

/** The functions before the next one with which it is compared. */
const NEIGHBOURS = 16;

/** Added to the pieces of each function, or the shortest ones would be like everything. */
const OVERHEAD = 20;

const CUSTOM = 0;
const IMPORTS = 2;
const CODE = 10;
const NAMES = 'name';
const FUNCTION_NAMES = 1;

/** Reads the binary format: https://webassembly.github.io/spec/core/binary */
class Reader {
  constructor(bytes, at) {
    Object.assign(this, { bytes, at });
  }

  byte() {
    this.at += 1;
    return this.bytes[this.at - 1];
  }

  number() {
    const byte = this.byte();
    return byte < 0x80 ? byte : byte - 0x80 + 0x80 * this.number();
  }

  piece(length) {
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  text() {
    return this.piece(this.number()).toString();
  }

  limits() {
    const hasMaximum = this.byte() & 1;
    this.number();
    if (hasMaximum) this.number();
  }

  /** Reads an import: of a function, table, memory, global or tag. Tells whether it is a function. */
  import() {
    this.text();
    this.text();
    const kind = this.byte();
    if (kind === 1 || kind === 4) this.byte();
    if (kind === 1 || kind === 2) this.limits();
    else if (kind === 3) this.at += 2;
    else this.number();
    return kind === 0;
  }

  list(read) {
    return Array.from({ length: this.number() }, read);
  }
}

const number = (value) => (value < 0x80 ? [value] : [(value % 0x80) + 0x80, ...number(Math.floor(value / 0x80))]);
const text = (value) => [...number(value.length), ...Buffer.from(value)];

/** The sections of a module without its names, how many functions it imports, and the bodies of its own. */
const parts = (bytes) => {
  const reader = new Reader(bytes, 8);
  const sections = [bytes.subarray(0, 8)];
  let imported = 0;
  let bodies = [];
  while (reader.at < bytes.length) {
    const start = reader.at;
    const kind = reader.byte();
    const end = reader.number() + reader.at;
    const isNames = kind === CUSTOM && reader.text() === NAMES;
    if (kind === IMPORTS) imported = reader.list(() => reader.import()).filter(Boolean).length;
    if (kind === CODE) bodies = reader.list(() => reader.piece(reader.number()));
    reader.at = end;
    if (!isNames) sections.push(bytes.subarray(start, end));
  }
  return { sections, imported, bodies };
};

/** Hashes of pieces of a function's body. */
const pieces = (body) => {
  const found = new Set();
  for (let at = 0; at + PIECE_BYTES <= body.length; at += 1) {
    let hash = 0;
    for (let n = 0; n < PIECE_BYTES; n += 1) hash = Math.imul(hash ^ body[at + n], 0x01000193);
    found.add(hash);
  }
  return [...found];
};

/** The indices of functions, so that each follows one that it is like. */
const ordered = (bodies) => {
  const piecesOf = bodies.map(pieces);
  const owners = new Map();
  piecesOf.forEach((list, at) => {
    for (const piece of list) {
      if (!owners.has(piece)) owners.set(piece, []);
      owners.get(piece).push(at);
    }
  });
  const left = new Set(bodies.keys());
  // Numbers by function, as this is most of what the order costs.
  const isLeft = new Uint8Array(bodies.length).fill(1);
  const shared = new Float64Array(bodies.length);
  /** The one of those left that shares most with the last ones; rare pieces count more. */
  const next = (last) => {
    const found = [];
    last.forEach((one, distance) => {
      for (const piece of piecesOf[one]) {
        const list = owners.get(piece);
        if (list.length > MAX_OWNERS) continue;
        const weight = Math.log(bodies.length / list.length) / (distance + 1);
        for (const other of list) {
          if (!isLeft[other]) continue;
          if (shared[other] === 0) found.push(other);
          shared[other] += weight;
        }
      }
    });
    let [best] = left;
    let most = 0;
    for (const other of found) {
      const likeness = shared[other] / (piecesOf[other].length + OVERHEAD);
      if (likeness > most) [best, most] = [other, likeness];
      shared[other] = 0;
    }
    return best;
  };
  const order = [];
  while (left.size > 0) {
    const one = next(order.slice(-NEIGHBOURS).reverse());
    left.delete(one);
    isLeft[one] = 0;
    order.push(one);
  }
  return order;
};

/**
 * The module with other names for its functions: in the order of the names, functions that are alike are neighbours.
 * @param {Buffer} module the module as wasm-bindgen has written it
 */
export const namedByLikeness = (module) => {
  const { sections, imported, bodies } = parts(module);
  const names = Array.from({ length: imported }, (_, at) => `import${at}`);
  ordered(bodies).forEach((one, rank) => {
    names[imported + one] = `function${String(rank).padStart(6, '0')}`;
  });
  const map = [...number(names.length), ...names.flatMap((name, at) => [...number(at), ...text(name)])];
  const content = [...text(NAMES), FUNCTION_NAMES, ...number(map.length), ...map];
  return Buffer.concat([...sections, Buffer.from([CUSTOM, ...number(content.length), ...content])]);
};
