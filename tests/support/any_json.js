// JSON of every kind, for properties that must hold whatever is sent. Each run draws anew; `SEED` repeats a run.

/** The seed of this run. Tests name it when they fail. */
export const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));

let state = seed;
/** Mulberry32: from 0 to below 1. */
const random = () => {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};
export const below = (count) => Math.floor(random() * count);
export const pick = (list) => list[below(list.length)];

const nested = (depth, open, close) => open.repeat(depth) + close.repeat(depth);

/** Texts of JSON documents that have broken something somewhere. PostgreSQL can store each of them. */
export const STORABLE = [
  // Times.
  ...[
    '0000-01-01T00:00:00Z',
    '0000-12-31T23:59:59.999999Z',
    '0001-01-01T00:00:00Z',
    '9999-12-31T23:59:59Z',
    '9999-12-31T23:59:59-15:59',
    '10000-01-01T00:00:00Z',
    '294277-01-01T00:00:00Z',
    '-0001-01-01T00:00:00Z',
    '4714-11-23T00:00:00Z BC',
    '2026-02-29T00:00:00Z',
    '2026-02-30T00:00:00+00',
    '2026-06-31T12:00:00.5Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T23:59:60Z',
    '2026-01-01T00:00:00+99:99',
    '2026-01-01T00:00:00-00:60',
    '2026-01-01T00:00:00.1234567890Z',
    '2026-01-01 00:00:00 Z',
    '2026-01-01',
    '20260101T000000Z',
    '٢٠٢٦-٠١-٠١T٠٠:٠٠:٠٠Z',
    'infinity',
    '-infinity',
    'now',
    'today',
    'epoch',
    'allballs',
  ].map((text) => JSON.stringify(text)),
  // Ids.
  ...[
    '00000000-0000-0000-0000-000000000000',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
    'ffffffff-ffff-7fff-bfff-ffffffffffff',
    '00000000-0000-7000-8000-000000000000',
    '019A0000-0000-7000-8000-00000000000G',
    '{019a0000-0000-4000-8000-000000000000}',
    '019a000000004000800000000000000',
    '019a00000000400080000000000000000',
    'urn:uuid:019a0000-0000-4000-8000-000000000000',
    '019a0000-0000-4000-8000-000000000000\n',
  ].map((text) => JSON.stringify(text)),
  // Numbers.
  '0',
  '-0',
  '-1',
  '0.1',
  '1e5',
  '1E+300',
  '-1e-300',
  '9007199254740993',
  '12345678901234567890123',
  '-170141183460469231731687303715884105729',
  '253402300799999',
  '253402300800000',
  '8640000000000001',
  '9223372036854775808',
  `${'9'.repeat(400)}`,
  `0.${'0'.repeat(390)}1`,
  // Texts.
  ...[
    '',
    ' ',
    '\t',
    '\n',
    '\r\n',
    '\u0001',
    '\u007f',
    '\u0085',
    '\u00a0',
    '\u00ad',
    '\u200b',
    '\u2028',
    '\u202e',
    '\ufeff',
    '\ufffe',
    '\uffff',
    '\u{10ffff}',
    'İstanbul',
    'ﷺ',
    '👩‍👩‍👧‍👦',
    'e\u0301',
    'Z\u0351\u036b\u0343\u036a\u0302\u036b',
    'true',
    'null',
    'NaN',
    'undefined',
    '%s%n%d',
    "'; drop table analytics.events; --",
    '$1',
    '\\',
    '\\u0000',
    '"',
    '{}',
    '{a,b}',
    '[1,2)',
    'page_view',
    'DE',
    'x'.repeat(120),
    'x'.repeat(121),
    'ü'.repeat(200),
    '😀'.repeat(200),
    '😀'.repeat(201),
    'x'.repeat(30_000),
  ].map((text) => JSON.stringify(text)),
  'true',
  'false',
  'null',
  // Lists and objects.
  '[]',
  '{}',
  '[[]]',
  '[null]',
  '{"":""}',
  '{"__proto__":1,"constructor":null,"toString":{}}',
  '{"name":"page_view","type":"page_view","id":[]}',
  '{"$ref":"#"}',
  nested(100, '[', ']'),
  `${'{"a":'.repeat(100)}1${'}'.repeat(100)}`,
  `[${'1e300,'.repeat(3000)}1]`,
  `[${'0,'.repeat(14_000)}0]`,
  `{${Array.from({ length: 2000 }, (_, n) => `"k${n}":${n}`).join(',')}}`,
  `{"${'k'.repeat(20_000)}":1}`,
];

/** The same that PostgreSQL cannot store, or no more than so much of: the edge keeps them from it. */
export const UNSTORABLE = [
  '"\\u0000"',
  '{"\\u0000":1}',
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '1e999',
  '-1e400',
  '1e-20000',
  '9'.repeat(500),
  `0.${'0'.repeat(20_000)}1`,
  '{"a":1,"a":2}',
  '{"a":{"b":1,"\\u0062":2}}',
  nested(200, '[', ']'),
  nested(10_000, '[', ']'),
  `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`,
  JSON.stringify('x'.repeat(40_000)),
  JSON.stringify('ü'.repeat(17_000)),
];

const letter = () => {
  const from = pick([
    [1, 0x20],
    [0x20, 0x7f],
    [0x80, 0x600],
    [0x600, 0xd7ff],
    [0xe000, 0xffff],
    [0x10000, 0x10ffff],
  ]);
  return String.fromCodePoint(from[0] + below(from[1] - from[0]));
};
const some = (most, make) => Array.from({ length: below(most + 1) }, make);

/** A JSON document that nobody has thought of, no deeper than so many levels. */
const drawn = (depth) => {
  switch (below(depth > 0 ? 8 : 6)) {
    case 0:
      return JSON.stringify(some(pick([3, 30, 250]), letter).join(''));
    case 1:
      return `${random() < 0.5 ? '-' : ''}${below(1e9)}${random() < 0.5 ? `.${below(1e9)}` : ''}${random() < 0.3 ? `e${below(601) - 300}` : ''}`;
    case 2:
      return pick(['true', 'false', 'null']);
    case 3:
      // A time that has one wrong part at most.
      return JSON.stringify(
        [
          [['2026', '2024', '1970', '0000', '9999', String(below(10000)).padStart(4, '0')], '-'],
          [['01', '02', '12', '13', '00', String(below(100)).padStart(2, '0')], '-'],
          [['01', '28', '29', '31', '32', '00'], 'T'],
          [['00', '23', '24', '25'], ':'],
          [['00', '59', '60'], ':'],
          [['00', '59.999', '60', '61'], pick(['Z', '+00:00', '-23:59', '+24:00', ''])],
        ]
          .map(([parts, after]) => pick(parts) + after)
          .join(''),
      );
    case 6:
      return `[${some(5, () => drawn(depth - 1)).join(',')}]`;
    case 7: {
      const names = [...new Set(some(5, () => some(8, letter).join('')))];
      return `{${names.map((name) => `${JSON.stringify(name)}:${drawn(depth - 1)}`).join(',')}}`;
    }
    default:
      return pick(STORABLE);
  }
};

/** So many JSON documents, as texts: those that PostgreSQL can store first, all others drawn. */
export const anything = (count) => [
  ...STORABLE,
  ...Array.from({ length: Math.max(0, count - STORABLE.length) }, () => drawn(3)),
];

/**
 * Items of a batch, as texts: each of the values in each of the fields of an item, and in the item's own place.
 * @param {() => object} make an item that is good
 * @param {string[]} fields
 * @param {string[]} values
 */
export const spoiled = (make, fields, values) => [
  ...values,
  ...fields.flatMap((field) =>
    values.map((value) => {
      const { [field]: _, ...rest } = make();
      const text = JSON.stringify(rest);
      return `${text.slice(0, -1)}${text === '{}' ? '' : ','}${JSON.stringify(field)}:${value}}`;
    }),
  ),
];

/** Lists of at most so many items and so many bytes; a larger item has a list of its own. */
export const batches = (items, most, bytes) => {
  const lists = [[]];
  let size = 0;
  for (const item of items) {
    const length = Buffer.byteLength(item) + 1;
    if (lists.at(-1).length === most || (size > 0 && size + length > bytes)) {
      lists.push([]);
      size = 0;
    }
    lists.at(-1).push(item);
    size += length;
  }
  return lists;
};
