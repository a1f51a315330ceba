// A person's data in flashfusion: all of it is exported, all of it is erased but what the law wants kept, and a live token makes nothing more.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { as, ask, close, sql, transaction, userToken } from '../../support/stack.js';
import { rows as generated } from '../support/generated_rows.js';
import { fillFor, keyOf, ownedTables } from '../support/owned_rows.js';
import { event, idOf, invoice, session, subscription } from '../support/stripe.js';

after(close);

/** The tables of the schema that have rows of users. */
let tables;
before(async () => {
  tables = await ownedTables(sql);
});
const OWNED = () => tables;
const fill = (query, user, address) => fillFor(query, tables, user, address);
const countOf = async (query, table, user) =>
  (await query(`select count(*)::int as n from ${table} where ${keyOf(table)} = $1`, [user]))[0].n;

/** Another user with a few rows. */
const neighbour = async (query) => {
  const user = randomUUID();
  await query('select private.flashfusion_user($1)', [user]);
  await query(`insert into flashfusion.projects (user_id, name) values ($1, 'Kept')`, [user]);
  await query(`select private.notify($1, 'info', 'x', 'Kept', 'Kept')`, [user]);
  return user;
};

test('every table of users is known, and has rows made for it here', () => {
  for (const name of ['users', 'projects', 'notifications', 'billing', 'user_api_keys', 'deployments', 'integrations'])
    assert.ok(OWNED().includes(`flashfusion.${name}`), name);
  assert.deepEqual(
    OWNED().filter((table) => !generated[table]),
    [],
  );
});

test('every table of users finds a user’s rows by an index, and refuses those who are deactivated', async () => {
  const missing = await sql(`select t::text as name from private.flashfusion_tables() as t where not exists (
    select from pg_index as i join pg_attribute as a on a.attrelid = t and a.attname = 'user_id'
    where i.indrelid = t and i.indkey[0] = a.attnum and i.indpred is null)`);
  assert.deepEqual(missing, []);
  const open = await sql(`select t::text as name from private.flashfusion_tables() as t where not exists (
    select from pg_trigger as g where g.tgrelid = t and g.tgfoid = 'private.refuse_deactivated()'::regprocedure)`);
  assert.deepEqual(open, []);
});

test('an export has the rows of every table, and nobody else’s', async () => {
  const user = randomUUID();
  const mine = `${randomUUID()}@example.org`;
  await transaction(async (query) => {
    await fill(query, user, mine);
    const other = await neighbour(query);
    const [{ exported }] = await query('select edge.export_person($1) as exported', [mine]);
    for (const table of OWNED()) assert.equal(exported[table]?.length, 1, table);
    assert.ok(!JSON.stringify(exported).includes(other));
    assert.doesNotMatch(JSON.stringify(exported), /sealed|wrapped|ciphertext"/);
  });
});

test('an erasure removes the rows of every table but billing, and counts them', async () => {
  const user = randomUUID();
  const mine = `${randomUUID()}@example.org`;
  await transaction(async (query) => {
    await fill(query, user, mine);
    const other = await neighbour(query);
    const [{ receipt }] = await query('select edge.erase_person($1) as receipt', [mine]);
    for (const table of OWNED()) {
      const stays = table === 'flashfusion.billing';
      assert.equal(await countOf(query, table, user), stays ? 1 : 0, table);
      if (!stays) assert.equal(receipt.erased[table], 1, table);
    }
    assert.equal(receipt.kept['flashfusion.billing'], 1);
    for (const table of ['users', 'projects', 'notifications'])
      assert.equal(await countOf(query, `flashfusion.${table}`, other), 1, `${table} of another`);
  });
});

test('an erasure is done in parts, however much a user has', () =>
  transaction(async (query) => {
    const [user, mine] = [randomUUID(), `${randomUUID()}@example.org`];
    await fill(query, user, mine);
    await query(
      `insert into flashfusion.agent_tasks (agent_id, user_id, task_type, status, completed_at)
       select a.id, $1, 'x', 'completed', now()
       from (select id from flashfusion.agents limit 1) as a, generate_series(1, 10000)`,
      [user],
    );
    await query(
      `insert into flashfusion.notifications (user_id, title, message) select $1, 'x', 'x' from generate_series(1, 20000)`,
      [user],
    );
    const answers = [];
    for (let more = true; more; ) {
      const [{ answer }] = await query('select edge.erase_person($1) as answer', [mine]);
      answers.push(answer);
      more = Object.keys(answer.left).length > 0;
    }
    const seen = answers.map(({ erased, left }) =>
      ['agent_tasks', 'notifications'].map((name) => [erased, left].map((rows) => rows[`flashfusion.${name}`] ?? 0)),
    );
    assert.deepEqual(seen, [
      [
        [10000, 1],
        [0, 0],
      ],
      [
        [0, 1],
        [10000, 10000],
      ],
      [
        [0, 1],
        [10000, 1],
      ],
      [
        [1, 0],
        [1, 0],
      ],
    ]);
    for (const table of OWNED().filter((name) => name !== 'flashfusion.billing'))
      assert.equal(await countOf(query, table, user), 0, table);
  }));

test('a deleted account is erased in the same way, at once with its secrets', async () => {
  const user = randomUUID();
  await transaction(async (query) => {
    await fill(query, user, `${randomUUID()}@example.org`);
    const [{ done }] = await query('select private.erase_account($1) as done', [user]);
    assert.equal(done.flashfusion['flashfusion.projects'], 1);
    for (const table of OWNED().filter((name) => name !== 'flashfusion.billing'))
      assert.equal(await countOf(query, table, user), 0, table);
    const left = await query(
      `select c.oid::regclass::text as name from pg_class as c join pg_attribute as a on a.attrelid = c.oid and a.attname = 'user_id'
       where c.relnamespace = 'private'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition`,
    );
    for (const { name } of left.filter(
      (table) => !/erased|to_forget|security_events|usage_totals|billing_customers/.test(table.name),
    ))
      assert.equal(await countOf(query, name, user), 0, name);
  });
});

test('Stripe’s events lose what they say of an erased person, and stay known', async () => {
  const user = randomUUID();
  const customer = idOf('cus');
  const address = `${randomUUID()}@example.org`;
  const sub = subscription({ customer });
  const deliver = (sent) =>
    as({ role: 'edge' }, (query) =>
      query('select flashfusion.take_billing_event($1) as answer', [JSON.stringify(sent)]),
    );
  const bill = event('invoice.paid', invoice(sub, { customer_email: address, customer_name: 'Jo' }));
  await deliver(event('checkout.session.completed', session(user, customer, { customer_details: { email: address } })));
  await deliver(event('customer.subscription.created', sub));
  await deliver(bill);
  await sql('select private.flashfusion_user($1, $2)', [user, address]);
  const [{ exported }] = await sql('select edge.export_person($1) as exported', [address]);
  assert.deepEqual([exported['private.billing_events'].length, exported.mentions], [3, {}]);
  const [{ receipt }] = await sql('select edge.erase_person($1) as receipt', [address]);
  assert.deepEqual(
    [receipt.erased['private.billing_events'], receipt.kept['private.billing_events'], receipt.mentions],
    [3, 3, {}],
  );
  const rows = await sql('select payload from private.billing_events where customer_id = $1', [customer]);
  assert.deepEqual(
    rows.map(({ payload }) => payload),
    [{}, {}, {}],
  );
  // The user comes back, and has what the subscription gives; a replay changes nothing.
  await deliver(bill);
  assert.equal(
    (await sql('select payload from private.billing_events where event_id = $1', [bill.id]))[0].payload.id,
    undefined,
  );
});

test('an event that nobody’s customer sent is counted as a mention, and can be redacted', async () => {
  const address = `${randomUUID()}@example.org`;
  const sent = event('customer.created', { id: idOf('cus'), object: 'customer', email: address });
  await as({ role: 'edge' }, (query) => query('select flashfusion.take_billing_event($1)', [JSON.stringify(sent)]));
  const [{ receipt }] = await sql('select edge.erase_person($1, null, true) as receipt', [address]);
  assert.deepEqual([receipt.erased_mentions['private.billing_events'], receipt.mentions], [1, {}]);
  const [{ payload }] = await sql('select payload from private.billing_events where event_id = $1', [sent.id]);
  assert.equal(payload.data.object.email, '[erased]');
});

test('the live token of an erased user makes nothing and reads nothing', async () => {
  const user = randomUUID();
  const token = await userToken(user);
  const json = { name: 'Mine' };
  assert.equal((await ask('/rest/v1/projects', { token, json })).status, 201);
  await ask('/rest/v1/rpc/ensure_user', { token, json: {} });
  await sql('select private.erase_account($1)', [user]);
  for (const [path, body] of [
    ['/rest/v1/projects', json],
    ['/rest/v1/rpc/ensure_user', {}],
    ['/rest/v1/rpc/read_notifications', { everything: true }],
    ['/v1/notifications/read', { all: true }],
  ]) {
    const answer = await ask(path, { token, json: body });
    assert.deepEqual([answer.status, answer.body.code], [403, 'RG521'], path);
  }
  for (const table of ['projects', 'users', 'notifications', 'billing'])
    assert.deepEqual((await ask(`/rest/v1/${table}`, { token })).body, [], table);
});

test('a deactivated user reads and deletes, and changes nothing', async () => {
  const user = randomUUID();
  const token = await userToken(user);
  await ask('/rest/v1/rpc/ensure_user', { token, json: {} });
  const made = await ask('/rest/v1/projects', {
    token,
    json: { name: 'Mine' },
    headers: { prefer: 'return=representation' },
  });
  await sql('update flashfusion.users set is_active = false where id = $1', [user]);
  const path = `/rest/v1/projects?id=eq.${made.body[0].id}`;
  const patch = await ask(path, {
    token,
    method: 'PATCH',
    body: '{"name": "x"}',
    headers: { 'content-type': 'application/json' },
  });
  const insert = await ask('/rest/v1/projects', { token, json: { name: 'Another' } });
  for (const { status, body } of [patch, insert]) assert.deepEqual([status, body.code], [403, 'RG632']);
  assert.equal((await ask(path, { token })).body.length, 1);
  assert.equal((await ask(path, { token, method: 'DELETE' })).status, 204);
});

test('a deactivated user changes no row of any table', async () => {
  const user = randomUUID();
  await transaction(async (query) => {
    await fill(query, user, `${randomUUID()}@example.org`);
    await query('update flashfusion.users set is_active = false where id = $1', [user]);
    await query(`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)`, [
      JSON.stringify({ role: 'authenticated', sub: user }),
    ]);
    let tried = 0;
    for (const table of OWNED().filter((name) => name !== 'flashfusion.users')) {
      const granted = await query(
        `select a.attname as name from pg_attribute as a
         where a.attrelid = $1::regclass and a.attnum > 0 and has_column_privilege($1::regclass, a.attnum, 'update')`,
        [table],
      );
      for (const { name } of granted) {
        await query('savepoint one');
        await assert.rejects(
          query(`update ${table} set ${name} = ${name} where user_id = $1`, [user]),
          ({ message }) => JSON.parse(message).code === 'RG632',
          `${table}.${name}`,
        );
        await query('rollback to one');
        tried += 1;
      }
      assert.equal((await query(`select 1 from ${table} where user_id = $1`, [user])).length, 1, table);
    }
    assert.ok(tried > 20, `${tried}`);
    const changed = await query(`update flashfusion.users set full_name = 'X' where id = $1 returning 1`, [user]);
    assert.deepEqual(changed, []);
  });
});

test('ensure_user notes the last login of a session, once a minute, and not that of an API token', async () => {
  const user = randomUUID();
  const call = (claims = {}) =>
    as(
      { role: 'authenticated', claims: { sub: user, ...claims } },
      async (query) => (await query('select last_login_at as at from flashfusion.ensure_user()'))[0].at,
    );
  const first = await call();
  assert.ok(Date.now() - first < 60_000);
  assert.deepEqual(await call(), first);
  const back = () =>
    sql(
      `update flashfusion.users set last_login_at = now() - interval '1 hour' where id = $1 returning last_login_at as at`,
      [user],
    );
  const [{ at }] = await back();
  const api_token = { id: randomUUID(), systems: ['flashfusion'], endpoints: [], access: 'write' };
  assert.deepEqual(await call({ api_token }), at);
  assert.ok((await call()) > at);
});

test('ensure_user takes another verified address, so that the former one no longer finds the user', async () => {
  const user = randomUUID();
  const [before, now] = [0, 1].map(() => `${randomUUID()}@example.org`);
  const call = async (claims) => {
    await sql(`update flashfusion.users set last_login_at = now() - interval '1 hour' where id = $1`, [user]);
    return as(
      { role: 'authenticated', claims: { sub: user, ...claims } },
      async (query) => (await query('select email from flashfusion.ensure_user()'))[0].email,
    );
  };
  assert.equal(await call({ email: 'unproven@example.org' }), null);
  assert.equal(await call({ email: before, email_verified: true }), before);
  assert.equal(await call({ email: before.toUpperCase(), email_verified: true }), before, 'the same one');
  assert.equal(await call({ email: now, email_verified: 'true' }), before, 'not the boolean');
  assert.equal(await call({}), before);
  const api_token = { id: randomUUID(), systems: ['flashfusion'], endpoints: [], access: 'write' };
  assert.equal(await call({ email: now, email_verified: true, api_token }), before);
  assert.equal(await call({ email: now, email_verified: true }), now);
  const users = async (email) => (await sql('select private.person($1, null) as found', [email]))[0].found.users;
  assert.deepEqual([await users(before), await users(now)], [[], [user]]);
});

test('service_role erases a user, and only it', async () => {
  const user = randomUUID();
  await sql('select private.flashfusion_user($1)', [user]);
  const run = (role) =>
    as({ role, claims: { sub: user } }, (query) => query('select flashfusion.erase_user($1) as counts', [user]));
  await assert.rejects(run('authenticated'), /permission denied/);
  assert.equal((await run('service_role'))[0].counts['flashfusion.users'], 1);
});
