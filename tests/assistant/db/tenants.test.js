// Tenants: who changes which setting, and what a setting may be.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { close, sql } from '../../support/stack.js';
import { asServer, asUser, codeOf, forget, makeMember, makeTenant } from '../support/world.js';

let tenant;
let people;
before(async () => {
  tenant = await makeTenant();
  people = {};
  for (const role of ['member', 'admin', 'owner']) people[role] = (await makeMember(tenant.id, role)).auth_id;
});
after(async () => {
  await forget(tenant);
  await close();
});

const change = (sub, column, value) =>
  asUser(sub, `update assistant.tenants set ${column} = $1 where id = $2 returning id`, [value, tenant.id]);

/** A value that each column could have. */
const SETTINGS = {
  name: 'Another name',
  temperature: '1.5',
  max_tokens: 2000,
  system_prompt: 'Be brief.',
  features: '{"private_conversations": false}',
  branding: '{"color": "#fff"}',
};
const LIMITS = {
  id: randomUUID(),
  slug: 'another-slug',
  llm_provider: 'groq',
  llm_model: 'another',
  rate_limit_per_minute: 100000,
  daily_token_limit: 1000000000,
  is_active: true,
  created_at: '2026-01-01',
  updated_at: '2026-01-01',
};

test('admins and owners change the settings; nobody changes limits, provider, model or slug', async () => {
  for (const [column, value] of Object.entries(SETTINGS)) {
    assert.equal((await change(people.member, column, value)).length, 0, column);
    for (const role of ['admin', 'owner']) assert.equal((await change(people[role], column, value)).length, 1, column);
  }
  for (const [column, value] of Object.entries(LIMITS))
    for (const role of ['member', 'admin', 'owner'])
      assert.equal(await codeOf(change(people[role], column, value)), '42501', `${role} ${column}`);
  const columns = await sql(`select a.attname as name from pg_attribute as a
    where a.attrelid = 'assistant.tenants'::regclass and a.attnum > 0 and not a.attisdropped`);
  assert.deepEqual(
    columns.map(({ name }) => name).sort(),
    [...Object.keys(SETTINGS), ...Object.keys(LIMITS)].sort(),
    'every column is tried',
  );
});

test('features are those that something reads, with values of their kind', async () => {
  const GOOD = [
    {},
    { private_conversations: true },
    { time_zone: 'Europe/Berlin' },
    { time_zone: 'Australia/Lord_Howe', private_conversations: false },
  ];
  for (const features of GOOD)
    assert.equal(
      await codeOf(change(people.admin, 'features', JSON.stringify(features))),
      null,
      JSON.stringify(features),
    );
  const BAD = [
    { private_conversation: true },
    { private_conversations: 'true' },
    { private_conversations: null },
    { time_zone: 'Berlin' },
    { time_zone: 'europe/berlin' },
    { time_zone: 1 },
    { time_zone: ['UTC'] },
    { more: 1 },
  ];
  for (const features of BAD)
    for (const write of [
      () => change(people.admin, 'features', JSON.stringify(features)),
      () => asServer('update assistant.tenants set features = $1 where id = $2', [JSON.stringify(features), tenant.id]),
    ])
      assert.equal(await codeOf(write()), 'RG699', JSON.stringify(features));
  assert.equal(await codeOf(change(people.admin, 'features', '[]')), '23514');
  assert.equal(await codeOf(change(people.admin, 'features', JSON.stringify({ x: 'x'.repeat(17000) }))), 'RG699');
});

test('the zone of a tenant is UTC unless it has another', async () => {
  const zone = async () => (await sql('select private.tenant_zone($1) as zone', [tenant.id]))[0].zone;
  await change(people.admin, 'features', '{}');
  assert.equal(await zone(), 'UTC');
  await change(people.admin, 'features', '{"time_zone": "America/New_York"}');
  assert.equal(await zone(), 'America/New_York');
});

const NEW = { name: 'New', llm_provider: 'openai', llm_model: 'gpt-5-mini' };
const create = async (fields) =>
  (await asServer('select assistant.create_tenant($1) as made', [JSON.stringify(fields)]))[0].made;
const alter = async (id, fields) =>
  (await asServer('select assistant.change_tenant($1, $2) as made', [id, JSON.stringify(fields)]))[0].made;

test('servers create tenants, with an owner who is invited', async () => {
  const made = await create({
    ...NEW,
    slug: `s${randomUUID()}`,
    owner_email: 'Grace@Example.org',
    daily_token_limit: 7,
  });
  assert.deepEqual([made.daily_token_limit, made.rate_limit_per_minute, made.features], [7, 60, {}]);
  const [invited] = await sql('select id, email, role, auth_id from assistant.users where tenant_id = $1', [made.id]);
  assert.deepEqual(invited, { id: made.owner_id, email: 'Grace@Example.org', role: 'owner', auth_id: null });
  assert.equal(await codeOf(create({ ...NEW, slug: made.slug })), 'RG696');
  for (const { auth_id } of [{ auth_id: people.owner }])
    assert.equal(await codeOf(asUser(auth_id, `select assistant.create_tenant('{}')`)), '42501');
  await forget(made);
});

test('a setting that is wrong, missing or unknown is refused, and nothing is stored', async () => {
  const slug = `s${randomUUID()}`;
  const BAD = [
    {},
    [],
    null,
    'x',
    { ...NEW },
    { ...NEW, slug: 'Upper' },
    { ...NEW, slug: 'a--b' },
    { ...NEW, slug, name: ' ' },
    { ...NEW, slug, name: '\t' },
    { ...NEW, slug, llm_model: ' ' },
    { ...NEW, slug, name: null },
    { ...NEW, slug, temperature: 2.5 },
    { ...NEW, slug, temperature: 'warm' },
    { ...NEW, slug, max_tokens: 0 },
    { ...NEW, slug, max_tokens: 1e30 },
    { ...NEW, slug, features: [] },
    { ...NEW, slug, features: { more: true } },
    { ...NEW, slug, llm_provider: 'https://attacker.example/v1' },
    { ...NEW, slug, llm_provider: '../x' },
    { ...NEW, slug, id: randomUUID() },
    { ...NEW, slug, created_at: '2020-01-01' },
    { ...NEW, slug, owner_email: 'nobody' },
  ];
  for (const fields of BAD) assert.equal(await codeOf(create(fields)), 'RG699', JSON.stringify(fields));
  for (const fields of BAD.slice(5)) {
    const { owner_email: owner, ...rest } = fields;
    if (!owner) assert.equal(await codeOf(alter(tenant.id, rest)), 'RG699', JSON.stringify(fields));
  }
  assert.deepEqual(await sql('select id from assistant.tenants where slug = $1', [slug]), []);
});

test('servers change any setting, limits too; other settings stay', async () => {
  const before_ = (await sql('select to_jsonb(t) as row from assistant.tenants as t where id = $1', [tenant.id]))[0]
    .row;
  const made = await alter(tenant.id, { daily_token_limit: 5, llm_model: 'other', temperature: null });
  assert.deepEqual(
    { ...made, updated_at: null },
    { ...before_, daily_token_limit: 5, llm_model: 'other', temperature: null, updated_at: null },
  );
  assert.deepEqual({ ...(await alter(tenant.id, {})), updated_at: null }, { ...made, updated_at: null });
  for (const fields of [{}, { name: 'x' }]) assert.equal(await codeOf(alter(randomUUID(), fields)), 'RG691');
  const other = await makeTenant();
  assert.equal(await codeOf(alter(tenant.id, { slug: other.slug })), 'RG696');
  await forget(other);
});
