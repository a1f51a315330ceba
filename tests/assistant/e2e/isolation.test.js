// Two tenants with the same kinds of people: nobody reads, changes or learns of anything of the other tenant, through the edge or past it.
// What is foreign answers byte for byte like what does not exist.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { allSystems } from '../../../dev/systems.js';
import { ask, close, freshEmail, sql, stack, userToken } from '../../support/stack.js';
import { forget, makeConversation, makeFeedback, makeMember, makeTenant, makeUsage } from '../support/world.js';

const LAYERS = { edge: stack.edge_url, database: stack.postgrest_url };
const pathAt = (layer, path) => (layer === 'edge' ? path : path.replace('/rest/v1', ''));

/** A tenant with people, and a row of the member's in every table; every text has the tenant's mark. */
const company = async () => {
  const mark = `mark${randomUUID().slice(0, 8)}`;
  const tenant = await makeTenant({ name: mark, slug: mark, system_prompt: mark, branding: JSON.stringify({ mark }) });
  const people = {};
  for (const role of ['member', 'admin', 'owner'])
    people[role] = await makeMember(tenant.id, role, { name: mark, email: `${randomUUID()}@${mark}.example` });
  people.colleague = await makeMember(tenant.id, 'member', { name: mark });
  people.deactivated = await makeMember(tenant.id, 'admin', { is_active: false, name: mark });
  const [invited] = await sql(`insert into assistant.users (tenant_id, email, name) values ($1, $2, $3) returning *`, [
    tenant.id,
    freshEmail(),
    mark,
  ]);
  const conversation = await makeConversation(people.member, [`question ${mark}`, `answer ${mark}`], {
    title: mark,
    metadata: JSON.stringify({ mark }),
  });
  const feedback = await makeFeedback(conversation.messages[1].id, people.member.id, { comment: mark });
  const usage = await makeUsage(tenant.id, people.member.id, { prompt_tokens: 7, total_tokens: 7 });
  const sum = await makeUsage(tenant.id, null, { prompt_tokens: 7, total_tokens: 7 });
  const ids = {
    tenants: tenant.id,
    users: people.member.id,
    conversations: conversation.id,
    messages: conversation.messages[1].id,
    feedback: feedback.id,
    usage_metrics: usage.id,
  };
  const rows = [...Object.values(ids), ...Object.values(people).flatMap(({ id, auth_id }) => [id, auth_id])];
  rows.push(invited.id, sum.id, ...conversation.messages.map(({ id }) => id));
  return { mark, tenant, people, conversation, invited, ids, secrets: [mark, ...rows] };
};

let a;
let b;
/** Who tries to get at the first tenant: people of the second, somebody without a tenant, and who was deactivated in the first. */
let strangers;
before(async () => {
  a = await company();
  b = await company();
  strangers = {
    'member of the other': b.people.member.auth_id,
    'admin of the other': b.people.admin.auth_id,
    'owner of the other': b.people.owner.auth_id,
    outsider: randomUUID(),
    deactivated: a.people.deactivated.auth_id,
  };
});
after(async () => {
  await forget(a.tenant, b.tenant);
  await close();
});

/** Functions with arguments, and endpoints with ids, that other files of these tests try across tenants. */
const TRIED_ELSEWHERE = [];
const ENDPOINTS_TRIED_ELSEWHERE = [];

const send = async (sub, layer, path, { method = 'GET', json, prefer } = {}) =>
  ask(pathAt(layer, path), {
    base: LAYERS[layer],
    method,
    token: await userToken(sub),
    headers: {
      'accept-profile': 'assistant',
      'content-profile': 'assistant',
      ...(json !== undefined && { 'content-type': 'application/json' }),
      ...(prefer && { prefer }),
    },
    ...(json !== undefined && { body: JSON.stringify(json) }),
  });
const HEADERS = [
  'content-range',
  'content-type',
  'proxy-status',
  'retry-after',
  'location',
  'www-authenticate',
  'preference-applied',
];
/** What an answer says, without the id that was asked for. */
const said = ({ status, text, headers }, id) => ({
  status,
  text: text.replaceAll(id, 'id').replaceAll(/"instance":"[^"]*"|"request_id":"[^"]*"/g, ''),
  headers: HEADERS.map((name) => headers.get(name)?.replaceAll(id, 'id')),
});
const assertSilent = (answer, { secrets }, what) => {
  const all = `${answer.text}\n${[...answer.headers].flat().join('\n')}`;
  for (const secret of secrets)
    assert.ok(!all.includes(secret), `${what} tells ${secret}: ${answer.text.slice(0, 300)}`);
};
/** Sends a request about a foreign row and about an absent one, and asserts that the answers are the same. */
const sameAsAbsent = async (name, layer, request, id) => {
  const absent = randomUUID();
  const [one, other] = [await request(id), await request(absent)];
  assert.deepEqual(said(one, id), said(other, absent), `${name}, ${layer}`);
  return one;
};

/** A value for each column that users may write. */
const VALUES = {
  tenants: { name: 'x', temperature: 1, max_tokens: 5, system_prompt: 'x', features: {}, branding: {} },
  users: { name: 'x', preferences: {} },
  conversations: { title: 'x', metadata: {}, is_archived: true },
  messages: { metadata: { x: 1 } },
  // An upsert sends the last two.
  feedback: { rating: -1, comment: 'x', message_id: randomUUID(), user_id: randomUUID() },
  usage_metrics: {},
};

test('every table of the schema is tried, with every column that users may write', async () => {
  const columns = await sql(`select c.relname as table, a.attname as column from pg_class as c
    join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = 'assistant'::regnamespace and c.relkind in ('r', 'p')
      and has_column_privilege('authenticated', c.oid, a.attnum, 'update')`);
  const tables = await sql(`select c.relname as name from pg_class as c
    where c.relnamespace = 'assistant'::regnamespace and c.relkind in ('r', 'p', 'v', 'm') order by 1`);
  assert.deepEqual(
    tables.map(({ name }) => name),
    Object.keys(VALUES).sort(),
  );
  for (const { table, column } of columns) assert.ok(column in VALUES[table], `${table}.${column}`);
});

for (const layer of Object.keys(LAYERS)) {
  test(`reading, ${layer}: own rows only, counted or not, and a foreign id is an absent one`, async () => {
    for (const table of Object.keys(VALUES)) {
      for (const [name, sub] of Object.entries(strangers)) {
        const what = `${name} reads ${table}`;
        const read = (id) => send(sub, layer, `/rest/v1/${table}?id=eq.${id}`, { prefer: 'count=exact' });
        const one = await sameAsAbsent(what, layer, read, a.ids[table]);
        assert.equal(one.status, 200, one.text);
        assert.deepEqual(one.body, [], what);
        const all = await send(sub, layer, `/rest/v1/${table}?select=*`, { prefer: 'count=exact' });
        assertSilent(all, a, what);
        if (['outsider', 'deactivated'].includes(name)) assert.deepEqual(all.body, [], what);
        assert.equal(all.headers.get('content-range')?.split('/')[1], `${all.body.length}`);
      }
      // The same people of the own tenant find it.
      const own = await send(a.people.admin.auth_id, layer, `/rest/v1/${table}?id=eq.${a.ids[table]}`);
      assert.equal(own.body.length, 1, `the tenant's admin reads ${table}`);
    }
  });

  test(`embedding, ${layer}: in neither direction`, async () => {
    const keys =
      await sql(`select r.conrelid::regclass::text as child, r.confrelid::regclass::text as parent, r.conname as name
      from pg_constraint as r where r.contype = 'f' and r.connamespace = 'assistant'::regnamespace and r.confrelid::regclass::text like 'assistant.%'`);
    assert.ok(keys.length >= 6);
    const table = (name) => name.split('.')[1];
    const paths = keys.flatMap(({ child, parent, name }) => {
      const [c, p] = [table(child), table(parent)];
      return [
        `/rest/v1/${c}?select=*,${p}!${name}(*)`,
        `/rest/v1/${p}?select=*,${c}!${name}(*)`,
        `/rest/v1/${p}?select=id,${c}!${name}!inner(id)`,
        `/rest/v1/${c}?select=id,${p}!${name}!inner(id)&${p}.id=eq.${a.ids[p]}`,
        `/rest/v1/${p}?select=id,${c}!${name}!inner(id)&${c}.id=eq.${a.ids[c]}`,
      ];
    });
    paths.push(
      '/rest/v1/tenants?select=*,users(*,conversations(*,messages(*,feedback(*))),usage_metrics!usage_metrics_user(*))',
    );
    for (const path of paths) {
      for (const [name, sub] of Object.entries(strangers)) {
        const answer = await send(sub, layer, path);
        assert.equal(answer.status, 200, `${path}: ${answer.text}`);
        assertSilent({ ...answer, headers: [] }, a, `${name} ${path}`);
      }
      const own = await send(a.people.admin.auth_id, layer, path);
      assert.ok(own.text.includes(a.tenant.id) || own.body.length > 0, `the tenant's admin: ${path} ${own.text}`);
    }
  });

  test(`changing and deleting, ${layer}: nothing of the other's, and a foreign id is an absent one`, async () => {
    const snapshot = async () => {
      const found = {};
      for (const table of Object.keys(VALUES))
        found[table] = await sql(`select to_jsonb(t) as row from assistant.${table} as t where id = $1`, [
          a.ids[table],
        ]);
      return found;
    };
    const before_ = await snapshot();
    for (const [table, values] of Object.entries(VALUES)) {
      for (const [name, sub] of Object.entries(strangers)) {
        for (const [column, value] of Object.entries(values)) {
          const patch = (id) =>
            send(sub, layer, `/rest/v1/${table}?id=eq.${id}`, {
              method: 'PATCH',
              json: { [column]: value },
              prefer: 'return=representation,count=exact',
            });
          const answer = await sameAsAbsent(`${name} changes ${table}.${column}`, layer, patch, a.ids[table]);
          assert.deepEqual(answer.body, [], answer.text);
        }
        const remove = (id) =>
          send(sub, layer, `/rest/v1/${table}?id=eq.${id}`, {
            method: 'DELETE',
            prefer: 'return=representation,count=exact',
          });
        await sameAsAbsent(`${name} deletes ${table}`, layer, remove, a.ids[table]);
      }
    }
    assert.deepEqual(await snapshot(), before_);
  });

  test(`adding, ${layer}: nothing to the other's rows, and a foreign id is an absent one`, async () => {
    const member = a.people.member.id;
    /** A row that names a row of the other tenant's. */
    const drafts = {
      'conversations of a foreign tenant': ['conversations', (id) => ({ title: 'x', tenant_id: id }), a.tenant.id],
      'conversations of a foreign member': ['conversations', (id) => ({ title: 'x', user_id: id }), member],
      'conversations of both': ['conversations', (id) => ({ title: 'x', tenant_id: a.tenant.id, user_id: id }), member],
      messages: ['messages', (id) => ({ content: 'x', conversation_id: id }), a.ids.conversations],
      feedback: ['feedback', (id) => ({ rating: 1, message_id: id }), a.ids.messages],
      'feedback in a foreign name': [
        'feedback',
        (id) => ({ rating: 1, message_id: b.conversation.messages[0].id, user_id: id }),
        member,
      ],
      users: ['users', (id) => ({ tenant_id: id, email: 'x@example.org' }), a.tenant.id],
      usage_metrics: ['usage_metrics', (id) => ({ tenant_id: id, date: '2026-03-01' }), a.tenant.id],
    };
    for (const [what, [table, draft, id]] of Object.entries(drafts)) {
      for (const [name, sub] of Object.entries(strangers)) {
        const insert = (given) => send(sub, layer, `/rest/v1/${table}`, { method: 'POST', json: draft(given) });
        const answer = await sameAsAbsent(`${name} adds ${what}`, layer, insert, id);
        assert.ok([401, 403].includes(answer.status), `${what}: ${answer.status} ${answer.text}`);
      }
    }
    // An upsert of an id that is taken is no way to learn of it: users choose no ids.
    for (const sub of Object.values(strangers)) {
      const upsert = (id) =>
        send(sub, layer, '/rest/v1/conversations', {
          method: 'POST',
          json: { id, title: 'x' },
          prefer: 'resolution=merge-duplicates',
        });
      const answer = await sameAsAbsent('upsert', layer, upsert, a.ids.conversations);
      assert.equal(answer.status, 403, answer.text);
    }
    const [{ n }] = await sql(`select count(*)::int as n from assistant.conversations where tenant_id = $1`, [
      a.tenant.id,
    ]);
    assert.equal(n, 1);
  });

  test(`functions, ${layer}: the same answer about a foreign id and an absent one`, async () => {
    const calls = {
      invite_member: [(tenant) => ({ tenant, email: freshEmail() }), a.tenant.id],
      change_member: [(member) => ({ member, role: 'member' }), a.people.member.id],
      join_tenant: [(id) => ({ id }), a.invited.id],
      leave_tenant: [(tenant) => ({ tenant }), a.tenant.id],
      remove_provider_key: [(tenant) => ({ tenant }), a.tenant.id],
      create_tenant: [(id) => ({ tenant: { slug: id } }), a.tenant.slug],
      change_tenant: [(tenant) => ({ tenant, changes: { name: 'x' } }), a.tenant.id],
      erase_user: [(user_id) => ({ user_id }), a.people.member.auth_id],
      begin_request: [(tenant) => ({ tenant, user: a.people.member.id, estimate: 1 }), a.tenant.id],
      end_request: [(reservation) => ({ reservation, prompt: 1, completion: 1, model: 'x' }), a.ids.usage_metrics],
      add_usage_events: [(tenant_id) => ({ events: [{ tenant_id }] }), a.tenant.id],
      increment_usage_metrics: [
        (tenant) => ({ tenant, user: null, date: '2026-01-01', prompt: 1, completion: 1 }),
        a.tenant.id,
      ],
    };
    /** Of functions for members, what strangers are answered holds nothing of the other tenant's. */
    const own = {
      usage_summary: { month: '2026-01' },
      find_model: { model: 'gpt-5-mini' },
      message_feedback_summary: { conversation: a.ids.conversations },
    };
    const functions = await sql(`select p.proname as name from pg_proc as p
      where p.pronamespace = 'assistant'::regnamespace and p.pronargs > 0 and p.prorettype <> 'trigger'::regtype
        and (has_function_privilege('authenticated', p.oid, 'execute') or has_function_privilege('service_role', p.oid, 'execute'))`);
    const others = TRIED_ELSEWHERE.filter((name) => functions.some((one) => one.name === name));
    assert.deepEqual(
      functions.map(({ name }) => name).sort(),
      [...Object.keys(calls), ...Object.keys(own), ...others].sort(),
      'every function is tried',
    );
    for (const [called, [body, id]] of Object.entries(calls))
      for (const [name, sub] of Object.entries(strangers)) {
        // It is the tenant of who is deactivated there: they may leave it.
        if (called === 'leave_tenant' && name === 'deactivated') continue;
        const call = (given) => send(sub, layer, `/rest/v1/rpc/${called}`, { method: 'POST', json: body(given) });
        const answer = await sameAsAbsent(`${name} calls ${called}`, layer, call, id);
        assert.ok([403, 404].includes(answer.status), `${called}: ${answer.status} ${answer.text}`);
      }
    const silent = [
      'me',
      'my_tenant',
      'my_id',
      'is_admin',
      'my_invitations',
      'current_day_usage',
      'monthly_usage_summary',
      'list_models',
    ];
    for (const [called, json] of [...silent.map((name) => [name, {}]), ...Object.entries(own)])
      for (const [name, sub] of Object.entries(strangers))
        assertSilent(
          await send(sub, layer, `/rest/v1/rpc/${called}`, { method: 'POST', json }),
          a,
          `${name} ${called}`,
        );
  });
}

test('endpoints: the same answer about a foreign id and an absent one', async () => {
  const requests = {
    'POST /v1/admin/tenants/{id}/members': [a.tenant.id, { email: 'x@example.org' }],
    'PATCH /v1/admin/members/{id}': [a.people.member.id, { role: 'member' }],
    'POST /v1/members/invitations/{id}/join': [a.invited.id, undefined],
    'PUT /v1/admin/tenants/{id}/provider-key': [a.tenant.id, { api_key: 'k'.repeat(40) }],
    'DELETE /v1/admin/tenants/{id}/provider-key': [a.tenant.id, undefined],
    'PATCH /v1/admin/tenants/{id}': [a.tenant.id, { name: 'x' }],
  };
  const { endpoints } = allSystems().find(({ name }) => name === 'assistant');
  const withIds = endpoints.filter(({ path }) => path.includes('id}')).map(({ method, path }) => `${method} ${path}`);
  assert.deepEqual(
    withIds.filter((name) => !(name in requests)),
    ENDPOINTS_TRIED_ELSEWHERE,
    'every endpoint is tried',
  );
  for (const [endpoint, [id, json]] of Object.entries(requests))
    for (const [name, sub] of Object.entries(strangers)) {
      const [method, path] = endpoint.split(' ');
      const call = (given) => send(sub, 'edge', path.replace('{id}', given), { method, json });
      const answer = await sameAsAbsent(`${name} ${endpoint}`, 'edge', call, id);
      assert.ok([403, 404].includes(answer.status), `${endpoint}: ${answer.status} ${answer.text}`);
    }
  assert.deepEqual(await sql('select 1 from private.provider_keys where tenant_id = $1', [a.tenant.id]), []);
});

test('the publishable key alone opens nothing', async () => {
  for (const table of Object.keys(VALUES)) {
    const answer = await ask(`/rest/v1/${table}`, {
      key: stack.publishable_key,
      headers: { 'accept-profile': 'assistant' },
    });
    assert.equal(answer.status, 401, `${table}: ${answer.status} ${answer.text}`);
  }
});

test('roles that a token claims, and an admin of the whole platform, count for nothing', async () => {
  const CLAIMS = [
    { app_metadata: { role: 'admin' } },
    { app_metadata: { tenant_id: a.tenant.id, role: 'owner', tenant_role: 'owner' } },
    { user_metadata: { tenant_id: a.tenant.id, role: 'admin' } },
    { tenant_id: a.tenant.id },
  ];
  for (const claims of CLAIMS)
    for (const table of Object.keys(VALUES)) {
      const answer = await ask(`/rest/v1/${table}`, { token: await userToken(randomUUID(), { claims }) });
      assert.deepEqual(answer.body, [], `${table} ${JSON.stringify(claims)}`);
    }
});

test('an API token reads the tenant with the system in its scope, and nothing without it', async () => {
  const token = await userToken(a.people.member.auth_id);
  const make = async (scope) => (await ask('/v1/tokens', { token, json: { name: 'test', ...scope } })).body.token;
  const reads = async (bearer, path = 'conversations') => ask(`/rest/v1/${path}`, { token: bearer });
  const one = await make({ systems: ['assistant'], access: 'read' });
  assert.deepEqual(
    (await reads(one)).body.map(({ id }) => id),
    [a.ids.conversations],
  );
  assert.equal((await ask('/rest/v1/conversations', { token: one, json: { title: 'x' } })).status >= 400, true);
  const other = await make({ endpoints: ['GET /v1/members/invitations'], access: 'read' });
  const answer = await reads(other);
  assert.equal(answer.status, 403, answer.text);
  assertSilent(answer, { secrets: [a.mark] }, 'a token of another scope');
});

const titles = async (who) =>
  (await send(who.auth_id, 'edge', '/rest/v1/conversations?select=id')).body.map(({ id }) => id);
const rowsOf = async (who, table) => (await send(who.auth_id, 'edge', `/rest/v1/${table}?select=id`)).body.length;

test('private conversations: colleagues see them, or not, from the next request on; admins always', async () => {
  const { people, ids, tenant } = a;
  const set = async (features) => {
    const answer = await send(people.admin.auth_id, 'edge', `/rest/v1/tenants?id=eq.${tenant.id}`, {
      method: 'PATCH',
      json: { features },
    });
    assert.equal(answer.status, 204, answer.text);
  };
  const rate = (message_id) =>
    send(people.colleague.auth_id, 'edge', '/rest/v1/feedback', { method: 'POST', json: { message_id, rating: 1 } });
  assert.deepEqual(await titles(people.colleague), [ids.conversations]);
  for (const [on, count] of [
    [true, 0],
    [false, 1],
    [true, 0],
  ]) {
    await set({ private_conversations: on });
    assert.equal((await titles(people.colleague)).length, count);
    assert.equal(await rowsOf(people.colleague, 'messages'), 2 * count);
    assert.equal(await rowsOf(people.colleague, 'feedback'), count);
    const embedded = await send(
      people.colleague.auth_id,
      'edge',
      `/rest/v1/users?select=*,conversations(*,messages(*)),feedback(*)&id=eq.${people.member.id}`,
    );
    assert.equal(embedded.body[0].conversations.length, count);
    assert.equal(embedded.body[0].feedback.length, count);
    for (const who of [people.member, people.admin, people.owner]) {
      assert.deepEqual(await titles(who), [ids.conversations], who.role);
      assert.equal(await rowsOf(who, 'messages'), 2);
    }
  }
  const [hidden, absent] = [await rate(ids.messages), await rate(randomUUID())];
  assert.deepEqual(said(hidden, ids.messages), said(absent, ids.messages));
  assert.equal(hidden.status, 403, hidden.text);
  await set({});
  assert.equal((await rate(ids.messages)).status, 201);
  await sql('delete from assistant.feedback where user_id = $1', [people.colleague.id]);
});

test('usage: one’s own, and for admins the tenant’s', async () => {
  const counts = {};
  for (const [name, who] of Object.entries(a.people)) counts[name] = await rowsOf(who, 'usage_metrics');
  assert.deepEqual(counts, { member: 1, admin: 2, owner: 2, colleague: 0, deactivated: 0 });
});

test('who is deactivated or erased, and a closed tenant’s members, are out at the next request', async () => {
  const c = await company();
  const { member, colleague, admin } = c.people;
  const see = async (who) => {
    const seen = [];
    for (const layer of Object.keys(LAYERS))
      for (const table of Object.keys(VALUES)) {
        const answer = await send(who.auth_id, layer, `/rest/v1/${table}?select=id`);
        seen.push(answer.status === 200 ? answer.body.length > 0 : answer.status);
      }
    return [...new Set(seen)];
  };
  assert.deepEqual(await see(member), [true]);
  const deactivate = (value) =>
    send(admin.auth_id, 'edge', `/v1/admin/members/${member.id}`, { method: 'PATCH', json: { is_active: value } });
  assert.equal((await deactivate(false)).status, 200);
  assert.deepEqual(await see(member), [false]);
  const write = (who) => send(who.auth_id, 'edge', '/rest/v1/conversations', { method: 'POST', json: { title: 'x' } });
  assert.equal((await write(member)).status, 403);
  assert.equal((await deactivate(true)).status, 200);
  assert.deepEqual(await see(member), [true]);

  const close_ = (is_active) =>
    ask(`/v1/admin/tenants/${c.tenant.id}`, {
      method: 'PATCH',
      token: stack.service_key,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ is_active }),
    });
  assert.equal((await close_(false)).status, 200);
  for (const who of [member, colleague, admin]) assert.deepEqual(await see(who), [false]);
  assert.equal((await write(admin)).status, 403);
  assert.equal((await close_(true)).status, 200);
  assert.deepEqual(await see(admin), [true]);

  const erased = await ask('/rest/v1/rpc/erase_user', { token: stack.service_key, json: { user_id: member.auth_id } });
  assert.equal(erased.status, 200, erased.text);
  assert.deepEqual(await see(member), [false]);
  for (const [path, json] of [
    ['/rest/v1/conversations', { title: 'x' }],
    ['/rest/v1/messages', { conversation_id: b.ids.conversations, content: 'x' }],
    ['/rest/v1/feedback', { message_id: b.ids.messages, rating: 1 }],
    [`/v1/members/invitations/${c.invited.id}/join`, undefined],
    ['/v1/members/leave', {}],
    [`/v1/admin/tenants/${c.tenant.id}/members`, { email: 'x@example.org' }],
  ]) {
    const answer = await send(member.auth_id, 'edge', path, { method: 'POST', json });
    assert.ok(['RG521', 'RG680'].includes(answer.body?.code), `${path}: ${answer.status} ${answer.text}`);
  }
  await forget(c.tenant);
});
