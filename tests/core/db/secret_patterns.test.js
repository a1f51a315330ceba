// Secret patterns: one list for hints and for redaction, and what redaction takes out of a text.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root } from '../../../dev/paths.js';
import { close, sql } from '../../support/stack.js';

after(close);

const redact = async (text) => (await sql('select private.redact_secrets($1) as text', [text]))[0].text;

const SAMPLES = {
  alphanumeric: 'aB3dE6gH9jK2mN5pQ8sT1vW4yZ7',
  url: 'aB3_dE6-gH9jK2mN5pQ8sT1vW4yZ7',
  dotted: 'aB3.dE6_gH9-K2mN5pQ8sT1vW4yZ7',
  base64: 'aB3+dE6/gH9jK2mN5pQ8sT1vW4yZ7',
  encoded: 'aB3%2BdE6-gH9.K2mN5pQ8sT1vW4',
  hex: '0123456789abcdef',
  base32: 'ABCDEFGHIJKLMNOP234567',
};
const ofLength = (charset, length) =>
  SAMPLES[charset].repeat(Math.ceil(length / SAMPLES[charset].length)).slice(0, length);

let rows;
before(async () => {
  rows = await sql(
    `select provider, prefix, charset, usual_min as min, usual_max as max, mark from private.secret_patterns
     where charset is not null order by place`,
  );
});

test('the rows are the list of the edge', () => {
  const source = readFileSync(join(root, 'src/secret_patterns/mod.rs'), 'utf8');
  const [, list] = source.match(/const PATTERNS: [^=]*= \{(.*?)\n\};/s);
  const listed = [
    ...list.matchAll(/(?:mark: "(\w+)",\s*\.\.)?pattern\("([^"]+)", "([^"]+)", (\w+), \((\d+), (\d+)\)\)/g),
  ].map(([, mark = '', provider, prefix, charset, min, max]) => ({
    provider,
    prefix,
    charset: charset.toLowerCase(),
    min: Number(min),
    max: Number(max),
    mark,
  }));
  assert.ok(listed.length > 40);
  assert.equal(listed.length, Number(source.match(/PATTERNS: \[Pattern; (\d+)\]/)[1]));
  assert.deepEqual(rows, listed);
});

test('each shape is taken out of prose, JSON, addresses and shell, short or long', async () => {
  for (const { provider, prefix, charset, min, max } of rows) {
    for (const length of [min, max, Math.max(10, Math.ceil(min * 0.8))]) {
      const secret = prefix + ofLength(charset, length);
      for (const [before, after] of [
        ['', ''],
        ['the key is ', '.\n'],
        ['export KEY="', '"; ls'],
        ['{"text":"a\\n', '"}'],
        ['https://x.example/?key%3D', '&a=b'],
      ]) {
        const clean = await redact(before + secret + after);
        assert.ok(!clean.includes(secret.slice(prefix.length, prefix.length + 9)), `${before}${secret}: ${clean}`);
        assert.ok(clean.startsWith(before) && clean.includes('[redacted:'), clean);
        if (prefix !== 'sk-') assert.ok(clean.includes(`[redacted:${provider}]`), `${secret}: ${clean}`);
        if (charset !== 'encoded' && charset !== 'dotted') assert.ok(clean.endsWith(after), clean);
      }
    }
  }
});

/** A text, and the text as JSON in JSON in JSON, at each level. */
const nested = (text) => {
  const once = JSON.stringify({ text });
  const twice = JSON.stringify({ json: once });
  return [text, once, twice, JSON.stringify({ more: [twice] })];
};

const { contexts, shapes, named, kept } = JSON.parse(
  readFileSync(join(root, 'tests/core/support/secrets.json'), 'utf8'),
);

/** What becomes of texts, and how many secrets are counted in them. */
const redactAll = (texts) =>
  sql(
    'select private.redact_secrets(t) as clean, private.count_secrets(t) as count from unnest($1::text[]) with ordinality as u (t, n) order by n',
    [texts],
  );

test('the cases that the edge has hold here, too: each secret goes, no matter what stands around it', async () => {
  const cases = [
    ...shapes.flatMap(({ provider, secret }) =>
      contexts.map(([before, after]) => [before + secret + after, `${before}[redacted:${provider}]${after}`]),
    ),
    ...named.map(({ provider, before, secret, after }) => [
      before + secret + after,
      `${before}[redacted:${provider}]${after}`,
    ]),
  ];
  const texts = cases.flatMap(([text]) => nested(text));
  const wanted = cases.flatMap(([, clean]) => nested(clean));
  const rows = await redactAll(texts);
  for (const [at, { clean, count }] of rows.entries()) {
    assert.equal(clean, wanted[at], texts[at]);
    assert.equal(count, 1, texts[at]);
  }
});

test('an escape hides no secret at any level, and escapes that hide nothing stay', async () => {
  const escaped = (text, slashes, every) =>
    [...text]
      .map((one, at) =>
        at % every === 0 ? `${'\\'.repeat(slashes)}u00${one.charCodeAt(0).toString(16).padStart(2, '0')}` : one,
      )
      .join('');
  const secret = `ghp_${'a1B2'.repeat(9)}`;
  const texts = [1, 2, 4].flatMap((slashes) =>
    [1, 3, 50].map((every) => `{"a": 1.50, "b": "x ${escaped(secret, slashes, every)} y"}`),
  );
  for (const [at, { clean, count }] of (await redactAll(texts)).entries())
    assert.deepEqual([clean, count], ['{"a": 1.50, "b": "x [redacted:github] y"}', 1], texts[at]);
  assert.equal(
    await redact(String.raw`{"a":"{\u0022password\u0022:\u0022hunter2\u0022}"}`),
    String.raw`{"a":"{\"password\":\"[redacted:password]\"}"}`,
  );
  assert.equal(await redact(String.raw`{"a":"\u005cu0067${secret.slice(1)}"}`), '{"a":"[redacted:github]"}');
  for (const text of [String.raw`{"a":"\u003cb\u003e \u00e9 \\u0067 \u0000"}`, '\\u00', '\\u006', '\\u00+6', 'u0067']) {
    assert.equal(await redact(text), text);
    assert.equal(await redact(`${text} ${secret}`), `${text} [redacted:github]`);
  }
});

test('a password in a field of JSON goes whole, with the quotes and backslashes in it', async () => {
  for (const password of ['a"b\\c', 'ends\\', '\\"quoted"']) {
    const text = JSON.stringify({ env: { a: [{ password, b: '"c\\' }] } });
    const wanted = JSON.stringify({ env: { a: [{ password: '[redacted:password]', b: '"c\\' }] } });
    for (const [at, level] of nested(text).slice(0, 2).entries()) assert.equal(await redact(level), nested(wanted)[at]);
  }
});

test('what is no secret stays', async () => {
  const texts = kept.flatMap(nested);
  for (const [at, { clean, count }] of (await redactAll(texts)).entries())
    assert.deepEqual([clean, count], [texts[at], 0]);
  assert.deepEqual(await redactAll([null]), [{ clean: null, count: null }]);
});

test('secrets are counted, but not those that are out already', async () => {
  const [{ secret }] = shapes;
  const text = `[redacted:github] ${secret} https://${secret}:hunter2@host ${'AKIAABCDEFGHIJKLMNOP'}${secret}`;
  const [{ clean, count }] = await redactAll([text]);
  assert.equal(
    clean,
    '[redacted:github] [redacted:openai] https://[redacted:openai]:[redacted:password]@host [redacted:aws][redacted:openai]',
  );
  assert.equal(count, 5);
});

test('a megabyte with secrets among it loses them, and nothing else', async () => {
  const line = 'A line of a log with a path /usr/lib/x.so, a number 12345 and task-550e8400e29b41d4a716446655440000.\n';
  const secret = `ghp_${'aB3d'.repeat(9)}`;
  const lines = Array.from({ length: 10_000 }, (_, at) => (at % 100 === 0 ? `token ${secret}\n` : line));
  const started = performance.now();
  const clean = await redact(lines.join(''));
  // A figure for people, not a condition.
  console.log(`1 MB with 100 secrets: ${Math.round(performance.now() - started)} ms`);
  assert.equal(clean, lines.join('').replaceAll(secret, '[redacted:github]'));
});
