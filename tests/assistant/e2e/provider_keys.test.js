// Keys of tenants' providers: sealed at the edge for their tenant, stored for its admins and servers, read by nobody.
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { dataFilesWith } from '../../support/data_files.js';
import { startEdge } from '../../support/edge.js';
import { forgetForeignSeals } from '../../support/sealed_rows.js';
import { as, ask, close, made, onBehalf, sql, stack, userToken } from '../../support/stack.js';
import { unseal } from '../../support/unseal.js';
import { codeOf, forget, makeMember, makeTenant } from '../support/world.js';

const CANARY = `canary${randomBytes(12).toString('hex')}`;
const canaryKey = () => `sk-proj-${CANARY}${randomBytes(30).toString('hex')}`.slice(0, 120);
const KEK_2 = randomBytes(32).toString('base64url');
const COLUMN = 'assistant.tenants.provider_key';

const tenants = [];
const answers = [];
let edge;
let rotated;
before(async () => {
  edge = await startEdge();
  rotated = await startEdge({ KEK_2 });
});
after(async () => {
  await edge.stop();
  await rotated.stop();
  await forget(...tenants);
  await forgetForeignSeals(sql);
  await close();
});

const company = async () => {
  const tenant = await makeTenant();
  tenants.push(tenant);
  const people = {};
  for (const role of ['member', 'admin', 'owner']) people[role] = (await makeMember(tenant.id, role)).auth_id;
  return { tenant, ...people };
};
const call = async (method, id, { sub, token, json, base = edge.url, key } = {}) => {
  const answer = await ask(`/v1/admin/tenants/${id}/provider-key`, {
    method,
    base,
    key,
    token: token ?? (sub && (await userToken(sub))),
    headers: { ...(json !== undefined && { 'content-type': 'application/json' }) },
    ...(json !== undefined && { body: typeof json === 'string' ? json : JSON.stringify(json) }),
  });
  answers.push(`${answer.text}\n${[...answer.headers].flat().join('\n')}`);
  return answer;
};
const put = (id, more, api_key = canaryKey()) => call('PUT', id, { json: { api_key }, ...more });
const stored = async (id) =>
  (
    await sql(
      'select sealed, key_version::int as version, hint, last_four from private.provider_keys where tenant_id = $1',
      [id],
    )
  )[0];
const placeOf = ({ id }, row) => ({ ...row, column: COLUMN, row: id, owner: id });

test('admins, owners and servers store it; members and others do not', async () => {
  const { tenant, member, admin, owner } = await company();
  const other = await company();
  assert.equal((await put(tenant.id, { sub: member })).body.code, 'RG681');
  for (const sub of [other.owner, randomUUID()]) assert.equal((await put(tenant.id, { sub })).body.code, 'RG691');
  assert.equal((await put(tenant.id, { key: made.publishable_key })).body.code, 'RG520');
  assert.equal((await put(randomUUID(), { token: stack.service_key })).body.code, 'RG691');
  assert.equal(await stored(tenant.id), undefined);
  for (const who of [{ sub: admin }, { sub: owner }, { token: stack.service_key }]) {
    const key = canaryKey();
    const answer = await put(tenant.id, who, key);
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(
      { ...answer.body, set_at: null },
      {
        tenant_id: tenant.id,
        hint: 'openai',
        last_four: key.slice(-4),
        shape_warning: answer.body.shape_warning,
        set_at: null,
      },
    );
    const row = await stored(tenant.id);
    assert.equal(row.last_four, key.slice(-4));
    assert.equal(await unseal(made.kek_1, placeOf(tenant, row)), key);
  }
});

test('it opens for its own tenant only', async () => {
  const { tenant, admin } = await company();
  const other = await company();
  await put(tenant.id, { sub: admin });
  await put(other.tenant.id, { sub: other.admin });
  const row = await stored(tenant.id);
  for (const moved of [
    { row: other.tenant.id },
    { owner: other.tenant.id },
    { column: 'assistant.tenants.system_prompt' },
    { version: 2 },
    { sealed: (await stored(other.tenant.id)).sealed },
  ])
    await assert.rejects(unseal(made.kek_1, { ...placeOf(tenant, row), ...moved }), JSON.stringify(moved));
  await assert.rejects(unseal(KEK_2, placeOf(tenant, row)));
});

test('removing it is one answer, whether there was one', async () => {
  const { tenant, member, admin } = await company();
  await put(tenant.id, { sub: admin });
  assert.equal((await call('DELETE', tenant.id, { sub: member })).body.code, 'RG681');
  assert.ok(await stored(tenant.id));
  for (let n = 0; n < 2; n += 1) {
    const answer = await call('DELETE', tenant.id, { sub: admin });
    assert.deepEqual([answer.status, answer.body], [200, { status: 'removed' }]);
    assert.equal(await stored(tenant.id), undefined);
  }
  await put(tenant.id, { sub: admin });
  await sql('delete from assistant.tenants where id = $1', [tenant.id]);
  assert.equal(await stored(tenant.id), undefined, 'it goes with its tenant');
});

test('a tenant that changes its provider loses the key: it is not sent to another one', async () => {
  const { tenant, admin } = await company();
  await put(tenant.id, { sub: admin });
  const change = async (fields) => {
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify(fields);
    const answer = await ask(`/v1/admin/tenants/${tenant.id}`, {
      method: 'PATCH',
      token: stack.service_key,
      headers,
      body,
    });
    assert.equal(answer.status, 200, answer.text);
  };
  await change({ llm_provider: 'openai', llm_model: 'another', name: 'x' });
  assert.ok(await stored(tenant.id));
  await change({ llm_provider: 'groq' });
  assert.equal(await stored(tenant.id), undefined);
});

test('a newer key seals what is new, and rewrapping moves what is old', async () => {
  const { tenant, admin } = await company();
  const key = canaryKey();
  await put(tenant.id, { sub: admin }, key);
  let next = { relation: 'private.provider_keys' };
  do {
    const answer = await ask('/v1/admin/keys/rewrap', {
      base: rotated.url,
      method: 'POST',
      token: stack.service_key,
      json: { after: next },
    });
    assert.equal(answer.status, 200, answer.text);
    assert.ok(!answer.body.failed.some(({ row }) => row === tenant.id), answer.text);
    next = answer.body.after;
  } while (next !== null);
  const row = await stored(tenant.id);
  assert.equal(row.version, 2);
  assert.equal(await unseal(KEK_2, placeOf(tenant, row)), key);
});

test('what cannot be a key is refused, without repeating it', async () => {
  const { tenant, admin } = await company();
  for (const json of [
    {},
    { api_key: null },
    { api_key: `short${CANARY.slice(0, 5)}` },
    { api_key: `${canaryKey()} ${CANARY}` },
    { api_key: `${canaryKey()}\n` },
    { api_key: CANARY.repeat(40) },
    { api_key: { key: canaryKey() } },
    { api_key: canaryKey(), base_url: 'https://attacker.example' },
    { api_key: canaryKey(), tenant: randomUUID() },
    [canaryKey()],
    canaryKey(),
  ]) {
    const answer = await call('PUT', tenant.id, { sub: admin, json });
    assert.ok(answer.status >= 400 && answer.status < 500, `${answer.status} ${answer.text}`);
  }
  assert.equal(await stored(tenant.id), undefined);
});

test('past the edge nobody stores or reads one', async () => {
  const { tenant, member, admin } = await company();
  const sealed = `v1${`.${'A'.repeat(16)}`.repeat(4)}`;
  const set = (who, ...given) =>
    codeOf(as(who, (query) => query('select assistant.set_provider_key($1, $2, $3, $4)', [tenant.id, ...given])));
  const vouched = (sub) => onBehalf({ role: 'authenticated', claims: { sub } });
  assert.equal(await set(vouched(member), sealed, 1, 'wxyz'), 'RG681');
  assert.equal(await set(vouched(randomUUID()), sealed, 1, 'wxyz'), 'RG691');
  for (const given of [
    [canaryKey(), 1, 'wxyz'],
    [null, 1, 'wxyz'],
    [sealed, null, 'wxyz'],
    [sealed, 100, 'wxyz'],
    [sealed, 1, null],
  ])
    assert.equal(await set(vouched(admin), ...given), 'RG699', JSON.stringify(given));
  for (const role of ['authenticated', 'service_role', 'anon']) {
    assert.equal(await set({ role, claims: { sub: admin } }, sealed, 1, 'wxyz'), '42501', role);
    for (const statement of ['select * from private.provider_keys', 'delete from private.provider_keys'])
      assert.equal(await codeOf(as({ role, claims: { sub: admin } }, (query) => query(statement))), '42501', role);
  }
});

test('no answer, no table, no file and no log has it', async () => {
  const { tenant, admin } = await company();
  await put(tenant.id, { sub: admin });
  for (const path of ['tenants', 'users', 'tenants?select=*,users(*)']) {
    const answer = await ask(`/rest/v1/${path}`, { token: await userToken(admin) });
    answers.push(answer.text);
    assert.ok(!answer.text.includes((await stored(tenant.id)).sealed));
  }
  assert.ok(answers.length > 20);
  for (const answer of answers) assert.ok(!answer.includes(CANARY), answer.slice(0, 300));
  const tables = await sql(
    `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'm') and n.nspname !~ '^(pg_|information_schema)'`,
  );
  for (const { name } of tables) {
    const found = await sql(`select 1 from ${name} as t where t::text like '%' || $1 || '%' limit 1`, [CANARY]);
    assert.deepEqual(found, [], name);
  }
  await sql('checkpoint');
  assert.notDeepEqual(dataFilesWith(tenant.slug), [], 'what is looked for would be found');
  assert.deepEqual(dataFilesWith(CANARY), []);
  for (const one of [edge, rotated]) assert.ok(!JSON.stringify(one.log()).includes(CANARY));
  const [audit] = await sql(
    `select operation, row_id from private.audit_log where relation = 'private.provider_keys' and row_id = $1`,
    [tenant.id],
  );
  assert.deepEqual(audit, { operation: 'INSERT', row_id: tenant.id }, 'who stored a key is on record');
});
