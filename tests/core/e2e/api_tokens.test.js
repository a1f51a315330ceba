// API tokens through the edge and past it: what each scope opens, who makes them, and when they end.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startEdge } from '../../support/edge.js';
import { withUpstream } from '../../support/fake_upstream.js';
import { hangUp } from '../../support/hang_up.js';
import { ask, close, edgeToken, has, made, needs, sql, stack, userToken } from '../../support/stack.js';
import { startProxy } from '../../support/tcp_proxy.js';
import { hashOf, makeToken, minted, unknownToken } from '../support/api_tokens.js';

after(close);

const PAST = stack.postgrest_url;
/** A user with a project. */
const someone = async () => {
  const sub = randomUUID();
  const token = await userToken(sub);
  await sql(`insert into sample.projects (user_id, name) values ($1, 'the first')`, [sub]);
  return { sub, token };
};
const ended = (answer) => [answer.status, answer.body?.code];
const projectsOf = async (sub) =>
  (await sql('select count(*)::int as count from sample.projects where user_id = $1', [sub]))[0].count;

test('a token is shown once, and its text is stored nowhere', async () => {
  const { sub, token } = await someone();
  const key = randomUUID();
  const first = await ask('/v1/tokens', {
    token,
    json: { name: ' import ', systems: ['sample'], access: 'write' },
    headers: { 'idempotency-key': key },
  });
  assert.equal(first.status, 201, first.text);
  assert.match(first.body.token, /^rgt_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/);
  const { token: text, id, created_at, expires_at, ...shown } = first.body;
  assert.deepEqual(shown, {
    name: 'import',
    prefix: text.slice(0, 10),
    systems: ['sample'],
    endpoints: [],
    access: 'write',
    last_used_at: null,
    revoked_at: null,
  });
  assert.match(first.headers.get('cache-control'), /no-store/);
  const days = (new Date(expires_at) - new Date(created_at)) / 86_400_000;
  assert.ok(days >= 365 && days <= 366);
  const again = await ask('/v1/tokens', {
    token,
    json: { name: ' import ', systems: ['sample'], access: 'write' },
    headers: { 'idempotency-key': key },
  });
  assert.notEqual(again.body.token, text, 'a repeated request makes another token');

  assert.equal((await ask('/rest/v1/projects?select=name', { token: text })).status, 200);
  const failed = await ask('/rest/v1/nothing', { token: text });
  assert.equal(failed.status, 404);
  const list = await ask('/v1/tokens', { token });
  assert.equal(list.body.length, 2);
  assert.ok(list.body.every((each) => each.token === undefined && each.token_hash === undefined));
  for (const answer of [again, failed, list]) assert.ok(!answer.text.includes(text));
  assert.ok(!(await ask(`/v1/tokens/${id}`, { token, method: 'DELETE' })).text.includes(text));

  // Every text of every table, and every log.
  const tables =
    await sql(`select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'm') and n.nspname !~ '^pg_|^information_schema$'`);
  assert.ok(tables.length > 20);
  const secret = text.slice(4, 40);
  for (const { name } of tables) {
    const [{ count }] = await sql(`select count(*)::int from ${name} as t where strpos(t::text, $1) > 0`, [secret]);
    assert.equal(count, 0, name);
  }
  const [{ kept }] = await sql(`select encode(token_hash, 'hex') as kept from private.api_tokens where id = $1`, [id]);
  assert.equal(kept, hashOf(text));
  const folder = join(process.env.ROWGATE_TEST_DATA, 'log');
  const logs = readdirSync(folder);
  assert.ok(logs.length > 1);
  for (const log of logs) assert.ok(!readFileSync(join(folder, log), 'utf8').includes(secret), log);
  assert.equal(await projectsOf(sub), 1);
});

test('a token acts as its owner and sees what its owner sees', async () => {
  const [owner, other] = [await someone(), await someone()];
  const { token } = await makeToken(owner.token, { systems: ['sample'], access: 'write' });
  const rows = await ask('/rest/v1/projects?select=user_id', { token });
  assert.deepEqual(rows.body, [{ user_id: owner.sub }]);
  const added = await ask('/rest/v1/projects', { token, json: { name: 'by a token' } });
  assert.equal(added.status, 201, added.text);
  assert.equal(await projectsOf(owner.sub), 2);
  const foreign = await ask(`/rest/v1/projects?user_id=eq.${other.sub}`, { token, method: 'DELETE' });
  assert.equal(foreign.status, 204);
  assert.equal(await projectsOf(other.sub), 1);
  const forged = await ask('/rest/v1/projects', { token, json: { name: 'x', user_id: other.sub } });
  assert.equal(forged.status, 403, forged.text);
});

/** Requests, and whether each kind of scope opens them. */
const COUNT = { path: '/v1/samples/count' };
const ADD = { path: '/v1/samples/add', json: { name: 'by a token' } };
const REQUESTS = {
  'read a table': [{ path: '/rest/v1/projects?select=id' }, 'read', 'write'],
  'write to a table': [{ path: '/rest/v1/projects', json: { name: 'by the table' } }, 'write'],
  'change a table': [{ path: '/rest/v1/projects?name=eq.x', method: 'PATCH', json: { name: 'y' } }, 'write'],
  'delete from a table': [{ path: '/rest/v1/projects?name=eq.x', method: 'DELETE' }, 'write'],
  'call a function that reads': [{ path: '/rest/v1/rpc/count_projects', json: {} }, 'read', 'write'],
  'call a function that writes': [{ path: '/rest/v1/rpc/add_project', json: { name: 'by the function' } }, 'write'],
  'an endpoint that reads': [COUNT, 'read', 'write', 'named'],
  'an endpoint that writes': [ADD, 'write', 'named'],
  'an endpoint for API tokens': [{ path: '/v1/opened', json: {} }, 'token'],
  'an endpoint for workers': [{ path: '/v1/worker', json: {} }, 'worker'],
  'an endpoint for servers': [{ path: '/v1/spend', json: { owner: randomUUID(), amount: 0 } }],
  'the export of a person': [{ path: '/v1/admin/gdpr/export', json: { email: 'a@tokens.example' } }],
  'a new token': [{ path: '/v1/tokens', json: { name: 'x', systems: ['sample'] } }],
  'the list of tokens': [{ path: '/v1/tokens' }],
  'the end of a token': [{ path: `/v1/tokens/${randomUUID()}`, method: 'DELETE' }],
};
const NAMES = {
  named: ['GET /v1/samples/count', 'POST /v1/samples/add'],
  token: ['POST /v1/opened'],
  worker: ['POST /v1/worker'],
};
const SCOPES = {
  read: { systems: ['sample'], access: 'read' },
  write: { systems: ['sample'], access: 'write' },
  named: { endpoints: NAMES.named, access: 'write' },
  token: { endpoints: NAMES.token, access: 'write' },
  worker: { endpoints: NAMES.worker, access: 'write' },
  // In any scope: none of these is for API tokens.
  'named in vain': {
    endpoints: [
      'POST /v1/spend',
      'POST /v1/admin/gdpr/export',
      'POST /v1/tokens',
      'GET /v1/tokens',
      'DELETE /v1/tokens/{id}',
      'GET /rest/v1/{relation}',
      'POST /rest/v1/rpc/{function}',
    ],
    access: 'write',
  },
  ...(has('clixen') && { 'another system': { systems: ['clixen'], access: 'write' } }),
  ...(has('clixen') && { 'another system, to read': { systems: ['clixen'], access: 'read' } }),
};

for (const [name, scope] of Object.entries(SCOPES)) {
  test(`a token opens what its scope names and nothing else: ${name}`, async () => {
    const { sub, token } = await someone();
    // An administrator's tokens have no more of it.
    const owner = await makeToken(token, scope);
    for (const [what, [{ path, ...options }, ...opens]] of Object.entries(REQUESTS)) {
      const before = await projectsOf(sub);
      const answer = await ask(path, {
        token: owner.token,
        ...options,
        ...(options.method && options.json && { body: JSON.stringify(options.json) }),
      });
      if (opens.includes(name)) {
        assert.ok(answer.status < 300, `${what}: ${answer.text}`);
      } else {
        assert.deepEqual([answer.status, answer.body.code.slice(0, 4)], [403, 'RG21'], `${what}: ${answer.text}`);
        assert.equal(await projectsOf(sub), before, what);
      }
    }
  });

  test(`nor does it past the edge, with the token that the edge sends upstream: ${name}`, async () => {
    const { sub, token } = await someone();
    const owner = await makeToken(token, scope);
    const bearer = await minted(owner, sub);
    for (const [what, [{ path, ...options }, ...opens]] of Object.entries(REQUESTS)) {
      if (!path.startsWith('/rest/v1/')) continue;
      const before = await projectsOf(sub);
      const answer = await ask(path.slice('/rest/v1'.length), {
        base: PAST,
        token: bearer,
        ...options,
        headers: {
          'accept-profile': 'sample',
          'content-profile': 'sample',
          ...(options.json && { 'content-type': 'application/json' }),
        },
      });
      if (opens.includes(name)) {
        assert.ok(answer.status < 300, `${what}: ${answer.text}`);
      } else {
        assert.ok([403, 405].includes(answer.status), `${what}: ${answer.status} ${answer.text}`);
        assert.equal(await projectsOf(sub), before, what);
      }
    }
    // The functions of the core.
    for (const [called, json] of [
      ['export_person', { email: 'a@tokens.example' }],
      ['erase_person', { email: 'a@tokens.example' }],
      ['api_tokens', {}],
    ]) {
      const answer = await ask(`/rpc/${called}`, {
        base: PAST,
        token: bearer,
        json,
        headers: { 'content-profile': 'edge' },
      });
      assert.deepEqual(ended(answer), [403, 'RG219'], called);
    }
  });
}

test('the token of one endpoint calls that endpoint’s function past the edge, and no other one', async () => {
  const { sub, token } = await someone();
  const owner = await makeToken(token, SCOPES.named);
  const call = { endpoint: 'GET /v1/samples/count', system: 'sample', schema: 'sample', function: 'count_projects' };
  const ask_ = async (path, more, headers = { 'content-profile': 'sample' }, json = {}) =>
    ended(
      await ask(path, { base: PAST, token: await minted(owner, sub, { call: { ...call, ...more } }), json, headers }),
    );
  assert.deepEqual(await ask_('/rpc/count_projects', {}), [200, undefined]);
  assert.deepEqual(await ask_('/rpc/add_project', {}, undefined, { name: 'x' }), [403, 'RG219'], 'another function');
  assert.deepEqual(
    await ask_('/rpc/count_projects', { endpoint: 'GET /v1/other' }),
    [403, 'RG219'],
    'another endpoint',
  );
  assert.deepEqual(
    await ask_('/rpc/say', { function: 'say' }, { 'content-profile': 'sample_more' }, { word: 'hello' }),
    [403, 'RG219'],
    'another schema',
  );
  const table = await ask('/projects', {
    base: PAST,
    token: await minted(owner, sub, { call }),
    headers: { 'accept-profile': 'sample' },
  });
  assert.deepEqual(ended(table), [403, 'RG219']);
});

test('past the edge a token that names no live API token, or changes it, is refused', async () => {
  const [{ sub, token }, other] = [await someone(), await someone()];
  const owner = await makeToken(token, { systems: ['sample'], access: 'read' });
  const attempts = {
    'its own scope': [await minted(owner, sub), 200],
    'a wider access': [await minted(owner, sub, { access: 'write' }), 401],
    'more systems': [await minted(owner, sub, { systems: ['sample', 'growth'] }), 401],
    'more endpoints': [await minted(owner, sub, { endpoints: ['POST /v1/opened'] }), 401],
    'another user': [await minted(owner, other.sub), 401],
    'an unknown id': [await minted(owner, sub, { id: randomUUID() }), 401],
    'no API token': [await minted(owner, sub, {}, { api_token: undefined }), 401],
    'an empty one': [await minted(owner, sub, {}, { api_token: {} }), 401],
    none: [await minted(owner, sub, {}, { api_token: null }), 401],
  };
  for (const [what, [bearer, status]] of Object.entries(attempts)) {
    const answer = await ask('/projects?select=id', {
      base: PAST,
      token: bearer,
      headers: { 'accept-profile': 'sample' },
    });
    assert.equal(answer.status, status, `${what}: ${answer.text}`);
    if (status === 401) assert.equal(answer.body.code, 'RG218', what);
  }
  // The same in calls that the edge vouches for.
  const vouched = async (api_token) =>
    ended(
      await ask('/rpc/opened', {
        base: PAST,
        token: await edgeToken({ role: 'edge', sub, edge: { caller: 'authenticated' }, api_token }),
        json: {},
        headers: { 'content-profile': 'sample_more' },
      }),
    );
  const call = { endpoint: 'POST /v1/opened', system: 'sample', schema: 'sample_more', function: 'opened' };
  const { token: _, id, systems, endpoints, access } = owner;
  assert.deepEqual(await vouched({ id, systems, endpoints, access, call }), [200, undefined]);
  assert.deepEqual(await vouched({ id: randomUUID(), systems, endpoints, access, call }), [401, 'RG218']);
  assert.deepEqual(await vouched({ id, systems, endpoints, access, call: { ...call, function: 'other' } }), [
    403,
    'RG219',
  ]);
});

test(
  'an administrator’s token of one system exports and erases nobody, which concerns all systems',
  needs('growth'),
  async () => {
    const sub = randomUUID();
    const app_metadata = { role: 'admin' };
    const admin = await userToken(sub, { claims: { app_metadata } });
    const owner = await makeToken(admin, { systems: ['growth'], access: 'write' });
    const json = { email: `${randomUUID()}@tokens.example` };
    const headers = { 'content-profile': 'marketing' };
    for (const called of ['gdpr_export_user_data', 'gdpr_delete_user_data']) {
      const bearer = await minted(owner, sub, {}, { app_metadata });
      const past = await ask(`/rpc/${called}`, { base: PAST, token: bearer, json, headers });
      assert.deepEqual(ended(past), [403, 'RG219'], called);
      const own = await ask(`/rpc/${called}`, { base: PAST, token: admin, json, headers });
      assert.equal(own.status, 200, own.text);
    }
  },
);

test('workers: a server makes tokens for endpoints, which open these and nothing else', async () => {
  const wide = await ask('/v1/tokens', { token: stack.service_key, json: { name: 'x', systems: ['sample'] } });
  assert.deepEqual(ended(wide), [422, 'RG576']);
  const worker = await makeToken(stack.service_key, {
    endpoints: ['POST /v1/opened', 'POST /v1/worker'],
    access: 'write',
  });
  for (const path of ['/v1/opened', '/v1/worker']) {
    const answer = await ask(path, { token: worker.token, json: {} });
    assert.equal(answer.status, 200, answer.text);
    const { user, caller, token } = answer.body;
    assert.deepEqual([user, caller, token.id], [null, 'service_role', worker.id], path);
  }
  for (const [what, [{ path, ...options }, ...opens]] of Object.entries(REQUESTS)) {
    if (opens.includes('token') || opens.includes('worker')) continue;
    const answer = await ask(path, {
      token: worker.token,
      ...options,
      ...(options.method && options.json && { body: JSON.stringify(options.json) }),
    });
    assert.deepEqual(ended(answer), [403, 'RG219'], `${what}: ${answer.text}`);
  }
  const fromBrowser = await ask('/v1/opened', {
    token: worker.token,
    json: {},
    headers: { origin: 'https://page.example' },
  });
  assert.deepEqual(ended(fromBrowser), [403, 'RG209']);
  const listed = await ask('/v1/tokens', { token: stack.service_key });
  assert.ok(listed.body.some(({ id }) => id === worker.id));
  const { token } = await someone();
  assert.deepEqual((await ask('/v1/tokens', { token })).body, [], 'users do not see them');
  assert.deepEqual(ended(await ask(`/v1/tokens/${worker.id}`, { token, method: 'DELETE' })), [404, 'RG575']);
  assert.equal((await ask(`/v1/tokens/${worker.id}`, { token: stack.service_key, method: 'DELETE' })).status, 200);
  assert.equal((await ask('/v1/opened', { token: worker.token, json: {} })).status, 401);
});

test('an endpoint for API tokens opens for nobody else: no user, no server, nobody', async () => {
  const { sub, token } = await someone();
  const opened = (bearer, key) => ask('/v1/opened', { token: bearer, key, json: {} });
  assert.deepEqual(ended(await opened(token)), [403, 'RG214']);
  assert.deepEqual(ended(await opened(stack.service_key)), [403, 'RG214']);
  assert.deepEqual(ended(await opened(undefined, made.publishable_key)), [401, 'RG213']);
  assert.deepEqual(ended(await ask('/v1/worker', { token, json: {} })), [403, 'RG214']);
  assert.equal((await ask('/v1/worker', { token: stack.service_key, json: {} })).body.token, null);
  const own = await makeToken(token, SCOPES.token);
  const { user, caller, token: seen } = (await opened(own.token)).body;
  assert.deepEqual([user, caller, seen.id], [sub, 'authenticated', own.id]);
});

test('a revoked token ends at once, an expired one at its time, and nobody revokes another’s', async () => {
  const [{ token }, other] = [await someone(), await someone()];
  const [first, second] = [await makeToken(token, SCOPES.read), await makeToken(token, SCOPES.read)];
  const read = (bearer) => ask('/rest/v1/projects?select=id', { token: bearer });
  for (const each of [first, second]) assert.equal((await read(each.token)).status, 200);
  assert.deepEqual(ended(await ask(`/v1/tokens/${first.id}`, { token: other.token, method: 'DELETE' })), [
    404,
    'RG575',
  ]);
  assert.equal((await read(first.token)).status, 200);
  const revoked = await ask(`/v1/tokens/${first.id}`, { token, method: 'DELETE' });
  assert.equal(revoked.status, 200, revoked.text);
  assert.ok(revoked.body.revoked_at);
  const again = await ask(`/v1/tokens/${first.id}`, { token, method: 'DELETE' });
  assert.equal(again.body.revoked_at, revoked.body.revoked_at, 'a repeated one changes nothing');
  // The edge still knows the token; the database refuses it.
  assert.deepEqual(ended(await read(first.token)), [401, 'RG218']);
  assert.equal((await read(second.token)).status, 200);
  await sql(`update private.api_tokens set expires_at = now() - interval '1 second' where id = $1`, [second.id]);
  assert.deepEqual(ended(await read(second.token)), [401, 'RG218']);
  const third = await makeToken(token, SCOPES.read);
  await sql(`update private.api_tokens set expires_at = now() - interval '1 second' where id = $1`, [third.id]);
  assert.deepEqual(ended(await read(third.token)), [401, 'RG217'], 'not known to the edge');
  const events = await sql(
    `select kind, count(*)::int as count from private.security_events where details ->> 'id' = any ($1) group by kind order by kind`,
    [[first.id, second.id]],
  );
  assert.deepEqual(events, [
    { kind: 'api_token_made', count: 2 },
    { kind: 'api_token_revoked', count: 1 },
  ]);
});

test('the tokens of an erased user are gone, and make nothing meanwhile', async () => {
  const { sub, token } = await someone();
  const owner = await makeToken(token, SCOPES.write);
  assert.equal((await ask('/rest/v1/projects?select=id', { token: owner.token })).status, 200);
  await sql('select private.erase_account($1)', [sub]);
  assert.deepEqual(ended(await ask('/rest/v1/projects', { token: owner.token, json: { name: 'x' } })), [401, 'RG218']);
  assert.deepEqual(await sql('select id from private.api_tokens where user_id = $1', [sub]), []);
  assert.equal((await ask('/v1/tokens', { token, json: { name: 'x', systems: ['sample'] } })).body.code, 'RG521');
});

test('the last use is recorded once a minute', async () => {
  const { token } = await someone();
  const owner = await makeToken(token, SCOPES.read);
  const read = () => ask('/rest/v1/projects?select=id', { token: owner.token });
  const used = async () =>
    (await sql('select last_used_at, xmin from private.api_tokens where id = $1', [owner.id]))[0];
  await Promise.all([read(), read(), read()]);
  const first = await used();
  assert.ok(first.last_used_at);
  for (let n = 0; n < 10; n += 1) assert.equal((await read()).status, 200);
  const edge = await startEdge();
  try {
    assert.equal((await ask('/rest/v1/projects?select=id', { token: owner.token, base: edge.url })).status, 200);
    assert.deepEqual(await used(), first, 'another isolate exchanges it, too');
  } finally {
    await edge.stop();
  }
});

test('tokens that cannot be are refused, with what is wrong', async () => {
  const { token } = await someone();
  const faults = [
    [{ systems: ['sample'], name: '' }, 422, 'RG576'],
    [{ systems: ['sample'], name: 'x'.repeat(121) }, 422, 'RG576'],
    [{}, 422, 'RG576'],
    [{ systems: [] }, 422, 'RG576'],
    [{ systems: ['nothing'] }, 422, 'RG576'],
    [{ systems: 'sample' }, 422, 'RG576'],
    [{ systems: [1] }, 422, 'RG576'],
    [{ endpoints: ['/v1/opened'] }, 422, 'RG576'],
    [{ systems: ['sample'], access: 'admin' }, 422, 'RG576'],
    [{ systems: ['sample'], expires_at: '2020-01-01T00:00:00Z' }, 422, 'RG576'],
    [{ systems: ['sample'], expires_at: '2100-01-01T00:00:00Z' }, 422, 'RG576'],
    [{ systems: ['sample'], user_id: randomUUID() }, 400, 'RG325'],
    [{ systems: ['sample'], token_hash: '00' }, 400, 'RG325'],
  ];
  for (const [body, status, code] of faults) {
    // One user may make ten a minute.
    const answer = await ask('/v1/tokens', { token: await userToken(), json: { name: 'x', ...body } });
    assert.deepEqual(ended(answer), [status, code], `${JSON.stringify(body)}: ${answer.text}`);
  }
  const key = await ask('/v1/tokens', { key: made.publishable_key, json: { name: 'x', systems: ['sample'] } });
  assert.deepEqual(ended(key), [403, 'RG520']);
  assert.equal((await ask('/v1/tokens', { json: { name: 'x' } })).status, 401);
  const many = await Promise.all(
    Array.from({ length: 14 }, () => ask('/v1/tokens', { token, json: { name: 'x', systems: ['sample'] } })),
  );
  assert.ok(many.some(({ status }) => status === 429));
});

test('wrong tokens: a mistyped one costs no call, and one address asks about a few unknown ones only', async () => {
  const edge = await startEdge();
  try {
    const read = (bearer) => ask('/rest/v1/projects?select=id', { token: bearer, base: edge.url });
    const { token } = await someone();
    const good = await makeToken(token, SCOPES.read);
    assert.equal((await read(good.token)).status, 200);
    const asked = async () =>
      Number(
        (
          await sql(
            `select sum(idx_scan) as scans from pg_stat_user_indexes where indexrelname = 'api_tokens_token_hash'`,
          )
        )[0].scans,
      );
    for (const wrong of ['rgt_', `${good.token}x`, good.token.replace(/.$/, (last) => (last === 'a' ? 'b' : 'a'))])
      assert.deepEqual(ended(await read(wrong)), [401, 'RG217']);
    const same = unknownToken();
    for (const answer of await Promise.all(Array.from({ length: 40 }, () => read(same))))
      assert.deepEqual(ended(answer), [401, 'RG217'], 'one call for all of them');
    const flood = await Promise.all(Array.from({ length: 60 }, () => read(unknownToken())));
    const refused = flood.filter(({ status }) => status === 429);
    assert.ok(refused.length >= 35, `${refused.length} of 60`);
    assert.ok(refused.every(({ headers }) => Number(headers.get('retry-after')) > 0));
    assert.ok(flood.every(({ status }) => [401, 429].includes(status)));
    assert.equal((await read(good.token)).status, 200, 'a known one is not affected');
    assert.ok((await asked()) >= 0);
  } finally {
    await edge.stop();
  }
});

test('unknown tokens of many addresses do not fill the places of all others', async () => {
  let [open, most] = [0, 0];
  const answer = (response) => {
    open += 1;
    most = Math.max(most, open);
    const end = () => {
      open -= 1;
      response.writeHead(200, { 'content-type': 'application/json' }).end('null');
    };
    setTimeout(end, 500);
  };
  await withUpstream(answer, async (url) => {
    const edge = await startEdge({ POSTGREST_URL: url, LIMITS: JSON.stringify({ waiting: 24 }) });
    try {
      const read = (n) =>
        ask('/rest/v1/projects?select=id', {
          ...{ token: unknownToken(), base: edge.url },
          headers: { 'cf-connecting-ip': `2001:db8:1:${n}::1` },
        });
      const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => read(n)));
      const refused = answers.filter(({ body }) => body.code === 'RG407');
      assert.ok(refused.length > 20 && refused.every(({ status }) => status === 429), `${refused.length}`);
      assert.ok(answers.every(({ body }) => ['RG217', 'RG407'].includes(body.code)));
      assert.equal(most, 3);
      assert.deepEqual(ended(await read(1)), [401, 'RG217']);
    } finally {
      await edge.stop();
    }
  });
});

test('a good token does not count as a wrong one when its client hangs up', async () => {
  const proxy = await startProxy(new URL(stack.postgrest_url).port);
  const edge = await startEdge({ POSTGREST_URL: proxy.url });
  try {
    const { token } = await someone();
    const [good, other] = [await makeToken(token, SCOPES.read), await makeToken(token, SCOPES.read)];
    const path = '/rest/v1/projects?select=id';
    proxy.delay = 3000;
    for (let n = 0; n < 25; n++) await hangUp(edge.url, path, { token: good.token, milliseconds: 250 });
    proxy.delay = 0;
    assert.equal((await ask(path, { base: edge.url, token: other.token })).status, 200);
  } finally {
    await edge.stop();
    await proxy.close();
  }
});
