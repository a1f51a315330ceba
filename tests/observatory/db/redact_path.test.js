// Paths without secrets: folders that Claude Code names after a session's directory spell a key with hyphens.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { root } from '../../../dev/paths.js';
import { close, sql } from '../../support/stack.js';

after(close);

const { shapes } = JSON.parse(readFileSync(join(root, 'tests/core/support/secrets.json'), 'utf8'));
const spelled = (text) => text.replace(/[^A-Za-z0-9]/g, '-');
const redact = async (path) => (await sql('select private.redact_path($1) as path', [path]))[0].path;

/** Keys that fit into the name of a folder. */
const keys = [
  ...shapes.map(({ secret }) => secret).filter((secret) => /^[\w.+-]{10,210}$/.test(secret)),
  'whsec_aB3dE6gH9jK2mN5pQ8sT1+W4yZ7aB3dE',
  // Tokens with signs of base64url at the beginning of each part.
  'eyJh-bGciOiJIUzI1NiJ9.eyJz_dWIiOiIxMjM0NTY3ODkwIn0.ab-cdefghijklmnopqrstuvwxyz01234',
  'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0._b-cdefghijklmnopqrstuvwxyz01234',
];

test('a key of every kind is taken out of a folder, wherever and however often it stands', async () => {
  assert.ok(keys.length > 30, `${keys.length}`);
  assert.ok(keys.filter((key) => key.startsWith('eyJ')).length > 2);
  for (const key of keys) {
    const name = spelled(key);
    const prefix = name.slice(0, 6);
    const places = [
      `/p/-home-me-${name}/a.jsonl`,
      `/p/-home-me-${name}/-home-you-${name}/a.jsonl`,
      `/p/-home${prefix}-me-${prefix}/-home-${prefix}-${name}/a.jsonl`,
      `C:\\p\\C--home-${prefix}-x\\C--home-me-${name}\\a.jsonl`,
    ];
    for (const path of places) {
      const clean = await redact(path);
      assert.ok(!clean.includes(name.slice(-12)), `${path}: ${clean}`);
      assert.match(clean, /[/\\]a\.jsonl$/);
    }
  }
});

test('a folder without a key keeps its name', async () => {
  for (const path of [
    '/home/me/.claude/projects/-home-me-sk-learn-notebooks/7d9f5a52-0f3b-4b5c-8d2a-6a1f0e9c8b7d.jsonl',
    '/p/-home-me-npm-workspaces-hf-hub-and-r8-replicas/a.jsonl',
    '/p/-home-me-sk-sk-sk-sk/-AKIA-ghp-glpat-xoxb/a.jsonl',
    '/p/-home-me-ops-kubernetes-clusters-production-eu-west-1-applications-payments-service-overlays-blue/a.jsonl',
    '',
  ])
    assert.equal(await redact(path), path);
  assert.equal(await redact(null), null);
});

test('of a path longer than any system takes its last folders are kept', async () => {
  const end = `/${'-sk-AKIA-hf-ghp'.repeat(10)}/a.jsonl`;
  assert.equal(await redact(`/p${end.repeat(100)}`), `/a.jsonl${end.repeat(25)}`);
  const key = spelled(keys[0]);
  assert.ok(!(await redact(`-${key}${'/a'.repeat(2048)}`)).includes(key.slice(-12)));
});
