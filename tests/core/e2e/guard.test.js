// The platform's rate limiter in front, where one is bound: wrangler's own for Cloudflare's, and one that is broken.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { edge as wranglerEdge } from '../../../dev/edge.js';
import { root } from '../../../dev/paths.js';
import { freePort } from '../../../dev/process.js';
import { BUNDLE } from '../../../dev/workerd.js';
import { startEdge, variables } from '../../support/edge.js';
import { ask, close, freshEmail, made, userToken } from '../../support/stack.js';
import { startService } from '../support/services.js';

after(close);

const LIMIT = 5;

/** The project's wrangler.toml with the binding as docs/configuration.md has it. */
const configuration = (directory) => {
  const file = join(directory, 'wrangler.toml');
  writeFileSync(
    file,
    `name = "rowgate-guarded"
main = ${JSON.stringify(join(root, 'build', 'entry.js'))}
compatibility_date = "2026-11-17"

[[ratelimits]]
name = "RATE_LIMITER"
namespace_id = "1001"
simple = { limit = ${LIMIT}, period = 10 }
`,
  );
  return file;
};

test('the limiter counts by user or address, and by route', async () => {
  const data = mkdtempSync(join(tmpdir(), 'rowgate-guard-'));
  const auth = await startService();
  const guarded = wranglerEdge({
    data,
    port: await freePort(),
    variables: variables({ AUTH_URL: auth.url, LIMITS: '{"address_attempts":0,"account_attempts":0}' }),
    config: configuration(data),
    // This configuration builds nothing.
    entry: BUNDLE['entry.js'],
    logFile: join(data, 'log'),
    say: () => {},
  });
  try {
    await guarded.part.start();
    const get = (options) => ask('/rest/v1/projects?limit=1', { base: guarded.url, ...options });
    const [one, two] = [await userToken(), await userToken()];
    const statuses = [];
    for (let n = 0; n < 3 * LIMIT; n++) statuses.push((await get({ token: one })).status);
    // A period may end in between, once.
    const passed = statuses.filter((status) => status === 200).length;
    assert.ok(passed >= LIMIT && passed <= 2 * LIMIT, `${statuses}`);
    let refused = await get({ token: one });
    // Or just now.
    for (let n = 0; n < LIMIT && refused.status === 200; n++) refused = await get({ token: one });
    assert.deepEqual([refused.status, refused.body.code], [429, 'RG311']);
    assert.equal(refused.headers.get('retry-after'), '10');
    assert.equal((await get({ token: two })).status, 200, 'another user');
    const elsewhere = await ask('/rest/v1/rpc/none', { base: guarded.url, token: one });
    assert.equal(elsewhere.status, 404, 'another route');
    const anonymous = [];
    for (let n = 0; n < 3 * LIMIT; n++) anonymous.push((await get({ key: made.publishable_key })).status);
    assert.ok(anonymous.includes(429));
    const forged = [];
    for (let n = 0; n < 3 * LIMIT; n++) forged.push((await get({ token: `${two.slice(0, -4)}AAAA` })).status);
    assert.ok(forged.includes(429), `${forged}`);
    // Attempts to sign in count for their account, too: here on routes none of which is asked too often.
    const attempt = (path, email) =>
      ask(`/auth/v1/${path}`, { base: guarded.url, key: made.publishable_key, json: { email } });
    const routes = ['token?grant_type=password', 'otp', 'verify', 'recover', 'resend', 'magiclink'];
    const attempts = [];
    for (const path of [...routes, ...routes]) attempts.push((await attempt(path, 'ada@example.org')).status);
    assert.ok(attempts.includes(429), `${attempts}`);
    assert.equal((await attempt('signup', freshEmail())).status, 200, 'another account');
    const lead = await ask('/v1/entries', { base: guarded.url, json: { email: freshEmail() } });
    assert.equal(lead.status, 201);
    const health = [];
    for (let n = 0; n < 3 * LIMIT; n++) health.push((await ask('/healthz', { base: guarded.url })).status);
    assert.ok(
      health.every((status) => status === 200),
      'health is not counted',
    );
  } finally {
    await guarded.part.stop();
    await auth.stop();
    rmSync(data, { recursive: true, force: true });
  }
});

test('while the limiter fails each route is open or closed as it has chosen', async () => {
  const broken = await startEdge({}, ['(name = "RATE_LIMITER", text = "no limiter")']);
  try {
    const base = broken.url;
    const read = await ask('/rest/v1/projects?limit=1', { base, token: await userToken() });
    assert.equal(read.status, 200, 'open');
    assert.equal((await ask('/v1/entries', { base, json: { email: freshEmail() } })).status, 201, 'open');
    assert.equal((await ask('/healthz', { base })).status, 200);
    const ready = await ask('/readyz', { base });
    assert.deepEqual([ready.status, ready.body.code], [503, 'RG312'], 'closed');
    assert.ok(ready.headers.get('retry-after'));
    await broken.logged(({ event }) => event === 'rate_limiter_failed');
  } finally {
    await broken.stop();
  }
});
