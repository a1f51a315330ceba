// Projects and users through the edge: the owner's own, and of public projects what the view shows, to anybody, from caches.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { edge as wranglerEdge } from '../../../dev/edge.js';
import { freePort } from '../../../dev/process.js';
import { startEdge, variables } from '../../support/edge.js';
import { ask, close, made, sql, stack, userToken } from '../../support/stack.js';

after(close);

const SHOWN = [
  'id',
  'name',
  'description',
  'project_type',
  'framework',
  'template',
  'deployment_url',
  'created_at',
  'owner',
];
const owner = randomUUID();
const hidden = {
  config: { secret: 'marker_config' },
  features: ['marker_features'],
  repository_url: 'https://git.example.org/marker_repo',
};
let shown;
let kept;

before(async () => {
  await sql('select private.flashfusion_user($1)', [owner]);
  await sql(
    `update flashfusion.users set username = $2, email = 'marker_mail@example.org', full_name = 'marker_name' where id = $1`,
    [owner, `u${owner.replaceAll('-', '').slice(0, 20)}`],
  );
  const token = await userToken(owner);
  const make = async (more) => {
    const row = { name: `marker_${randomUUID()}`, description: 'What it does', ...hidden, ...more };
    const answer = await ask('/rest/v1/projects', { token, json: row, headers: { prefer: 'return=representation' } });
    assert.equal(answer.status, 201, answer.text);
    return answer.body[0];
  };
  shown = await make({ is_public: true });
  kept = await make({});
});

/** Everybody who may read the view: with a publishable key, as a stranger, as the owner, as a server. */
const everybody = async () => ({
  anon: { key: made.publishable_key },
  stranger: { token: await userToken() },
  owner: { token: await userToken(owner) },
  service: { token: stack.service_key },
});

test('anybody reads of a public project what the view shows, and nothing beside', async () => {
  for (const [who, as] of Object.entries(await everybody())) {
    const { status, body, text } = await ask(`/rest/v1/public_projects?id=eq.${shown.id}`, as);
    assert.equal(status, 200, who);
    assert.deepEqual(Object.keys(body[0]).sort(), SHOWN.toSorted(), who);
    assert.deepEqual([body[0].name, body[0].owner], [shown.name, `u${owner.replaceAll('-', '').slice(0, 20)}`]);
    assert.doesNotMatch(text, /marker_(config|features|repo|mail|name)/);
    assert.ok(!text.includes(owner), 'not the owner’s id');
  }
});

test('a private project answers like one that does not exist, however it is asked for', async () => {
  for (const [who, as] of Object.entries(await everybody())) {
    for (const query of [
      ...[
        (id) => `id=eq.${id}`,
        (id) => `id=in.(${id})`,
        (id) => `or=(id.eq.${id},id.is.null)`,
        (id) => `select=count()&id=eq.${id}`,
      ],
      ...[(id) => `id=gte.${id}&id=lte.${id}&order=name.desc`, (id) => `select=id,name&id=eq.${id}&limit=1`],
    ]) {
      const [there, absent] = await Promise.all(
        [kept.id, randomUUID()].map((id) =>
          ask(`/rest/v1/public_projects?${query(id)}`, { ...as, headers: { prefer: 'count=exact' } }),
        ),
      );
      assert.deepEqual([there.status, there.text], [absent.status, absent.text], `${who} ${query('x')}`);
      assert.equal(there.headers.get('content-range'), absent.headers.get('content-range'));
      assert.ok(!there.text.includes(kept.id));
    }
    // Filters see no hidden column and no table behind the view.
    for (const query of [
      ...[
        'select=config',
        'config=not.is.null',
        'order=user_id',
        'user_id=not.is.null',
        'select=user_id',
        'is_public=is.true',
        'select=id,users(email)',
      ],
      ...[
        'select=id,projects(config)',
        'select=*,user_api_keys(*)',
        'select=*,agent_tasks(*)',
        'select=id,owner:users(email)',
      ],
    ]) {
      const answer = await ask(`/rest/v1/public_projects?${query}`, as);
      assert.ok(answer.status >= 400 && answer.status < 500, `${who} ${query} ${answer.status} ${answer.text}`);
    }
  }
});

test('a project leaves the view when its owner hides it, deletes it, is deactivated or erased', async () => {
  const user = randomUUID();
  const token = await userToken(user);
  await ask('/rest/v1/rpc/ensure_user', { token, json: {} });
  const make = async () =>
    (
      await ask('/rest/v1/projects', {
        token,
        json: { name: 'Short', is_public: true },
        headers: { prefer: 'return=representation' },
      })
    ).body[0].id;
  const seen = async (id) =>
    (await ask(`/rest/v1/public_projects?id=eq.${id}`, { key: made.publishable_key })).body.length === 1;
  const patch = (id, change) =>
    ask(`/rest/v1/projects?id=eq.${id}`, {
      token,
      method: 'PATCH',
      body: JSON.stringify(change),
      headers: { 'content-type': 'application/json' },
    });
  const [one, two, three] = [await make(), await make(), await make()];
  assert.deepEqual([await seen(one), await seen(two), await seen(three)], [true, true, true]);
  await patch(one, { is_public: false });
  await ask(`/rest/v1/projects?id=eq.${two}`, { token, method: 'DELETE' });
  assert.deepEqual([await seen(one), await seen(two), await seen(three)], [false, false, true]);
  await sql('update flashfusion.users set is_active = false where id = $1', [user]);
  assert.equal(await seen(three), false);
  await sql('update flashfusion.users set is_active = true where id = $1', [user]);
  assert.equal(await seen(three), true);
  await sql('select private.erase_account($1)', [user]);
  assert.equal(await seen(three), false);
});

test('nobody writes through the view', async () => {
  for (const as of Object.values(await everybody())) {
    for (const base of [stack.edge_url, stack.postgrest_url]) {
      if (base === stack.postgrest_url && as.key) continue;
      const path = `${base === stack.edge_url ? '/rest/v1' : ''}/public_projects?id=eq.${shown.id}`;
      const headers = { 'content-type': 'application/json', 'content-profile': 'flashfusion' };
      for (const method of ['POST', 'PATCH', 'DELETE']) {
        const answer = await ask(path, {
          base,
          ...as,
          method,
          headers,
          ...(method !== 'DELETE' && { body: '{"name": "x"}' }),
        });
        assert.ok([400, 401, 403, 405].includes(answer.status), `${method} ${answer.status} ${answer.text}`);
      }
    }
  }
  assert.equal((await sql('select name from flashfusion.projects where id = $1', [shown.id]))[0].name, shown.name);
});

test('public projects are cacheable, and the cache is the same for everybody without a token', async () => {
  // On the runtime that has Cloudflare's cache.
  const data = mkdtempSync(join(tmpdir(), 'rowgate-cached-'));
  const edge = wranglerEdge({
    data,
    port: await freePort(),
    variables: variables({ CACHED_READS: JSON.stringify({ 'flashfusion.public_projects': 60 }) }),
    logFile: join(data, 'log'),
    say: () => {},
  });
  await edge.part.start();
  try {
    const path = `/rest/v1/public_projects?id=eq.${shown.id}`;
    const read = () => ask(path, { base: edge.url, key: made.publishable_key });
    const first = await read();
    assert.deepEqual([first.status, first.body.length], [200, 1]);
    assert.match(first.headers.get('cache-control'), /^public, max-age=\d+$/);
    await sql(`update flashfusion.projects set description = 'Changed' where id = $1`, [shown.id]);
    assert.equal((await read()).body[0].description, 'What it does');
    const own = await ask(path, { base: edge.url, token: await userToken() });
    assert.deepEqual([own.body[0].description, own.headers.get('cache-control')], ['Changed', 'private, no-store']);
  } finally {
    await edge.part.stop();
    rmSync(data, { recursive: true, force: true });
  }
});

test('a change of what a project is makes its next version; looking at it does not', async () => {
  const token = await userToken(owner);
  const patch = async (change) => {
    const headers = { 'content-type': 'application/json', prefer: 'return=representation' };
    const answer = await ask(`/rest/v1/projects?id=eq.${kept.id}`, {
      token,
      method: 'PATCH',
      body: JSON.stringify(change),
      headers,
    });
    return answer.body[0]?.version ?? answer.status;
  };
  assert.equal(await patch({ name: 'Another' }), 2);
  assert.equal(await patch({ name: 'Another' }), 2);
  assert.equal(await patch({ last_accessed_at: new Date().toISOString() }), 2);
  assert.equal(await patch({ config: { a: 1 }, status: 'active' }), 3);
  assert.equal(await patch({ version: 99 }), 403);
});

test('a tier has its number of projects, also when many are made at once', async () => {
  const user = randomUUID();
  const token = await userToken(user);
  const rows = Array.from({ length: 48 }, (_, n) => ({ name: `P${n}` }));
  assert.equal((await ask('/rest/v1/projects', { token, json: rows })).status, 201);
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, n) => ask('/rest/v1/projects', { token, json: { name: `Q${n}` } })),
  );
  const refused = answers.filter(({ status }) => status !== 201);
  for (const { status, body } of refused) assert.ok([403, 429].includes(status), body?.code);
  assert.ok(refused.some(({ body }) => body.code === 'RG633'));
  const [{ count }] = await sql('select count(*)::int from flashfusion.projects where user_id = $1', [user]);
  assert.ok(count <= 50 && count >= 48, `${count}`);
  assert.equal(
    (await ask('/rest/v1/projects', { token, json: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] })).body.code,
    'RG633',
  );
  await sql('select private.flashfusion_user($1)', [user]);
  await sql(`update flashfusion.users set subscription_tier = 'pro' where id = $1`, [user]);
  assert.equal(
    (await ask('/rest/v1/projects', { token, json: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] })).status,
    201,
  );
});

test('what users write by themselves has a daily allowance, and nobody else’s is touched', async () => {
  const [user, other] = [await userToken(), await userToken()];
  const write = (token, relation, row) => ask(`/rest/v1/${relation}`, { token, json: row });
  const integration = { integration_type: 'github', integration_name: 'Mine', config: { text: 'x'.repeat(60_000) } };
  await sql(`update private.daily_allowances set bytes = 100000, rows = 5 where name = 'flashfusion'`);
  try {
    assert.equal((await write(user, 'integrations', integration)).status, 201);
    assert.equal((await write(user, 'projects', { name: 'One' })).status, 201);
    assert.equal((await write(user, 'integrations', integration)).status, 201);
    const refused = await write(user, 'projects', { name: 'Two' });
    assert.deepEqual([refused.status, refused.body.code], [429, 'RG517'], 'bytes');
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
    const rows = Array.from({ length: 5 }, () => ({ name: 'Small' }));
    assert.equal((await write(other, 'projects', rows)).status, 201);
    const patch = await ask('/rest/v1/projects?name=eq.Small', {
      token: other,
      method: 'PATCH',
      body: '{"name": "x"}',
      headers: { 'content-type': 'application/json' },
    });
    assert.deepEqual([patch.status, patch.body.code], [429, 'RG517'], 'rows');
    assert.equal((await ask('/rest/v1/projects?name=eq.Small', { token: other, method: 'DELETE' })).status, 204);
  } finally {
    await sql(`update private.daily_allowances set bytes = 104857600, rows = 50000 where name = 'flashfusion'`);
  }
});

test('a username is unique without regard to case, and its owner is not told to others', async () => {
  const [first, second] = [randomUUID(), randomUUID()];
  const name = `Jo_${randomUUID().slice(0, 8)}`;
  const take = async (user, username) => {
    const token = await userToken(user);
    await ask('/rest/v1/rpc/ensure_user', { token, json: {} });
    return ask(`/rest/v1/users?id=eq.${user}`, {
      token,
      method: 'PATCH',
      body: JSON.stringify({ username }),
      headers: { 'content-type': 'application/json' },
    });
  };
  assert.equal((await take(first, name)).status, 204);
  const taken = await take(second, name.toUpperCase());
  assert.equal(taken.status, 409);
  assert.ok(!taken.text.includes(first));
  for (const odd of ['a', 'ümläut', 'a b', 'а_cyrillic', '1abc', 'x'.repeat(40)])
    assert.equal((await take(second, odd)).status, 400, odd);
});

test('/readyz names the variables that are missing, and fails for none of them', async () => {
  const bare = await startEdge({ KEK_1: '' });
  const full = await ask('/readyz');
  try {
    const { status, body } = await ask('/readyz', { base: bare.url });
    assert.equal(status, 200);
    assert.equal(body.status, 'ready');
    for (const name of ['KEK_1', 'STRIPE_API_KEY', 'STRIPE_WEBHOOK_SECRET'])
      assert.ok(body.missing.includes(name), name);
    assert.ok(!body.missing.includes('WHATSAPP_APP_SECRET'), 'it is set');
    assert.doesNotMatch(JSON.stringify(full.body), /STRIPE_API_KEY|KEK_1/);
    assert.equal((await ask('/rest/v1/projects?limit=1', { base: bare.url, token: await userToken() })).status, 200);
  } finally {
    await bare.stop();
  }
});
