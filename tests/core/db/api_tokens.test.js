// API tokens in the database: the owner's account as it is now, a person's data, and what a check costs.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { as, close, freshEmail, onBehalf, transaction } from '../../support/stack.js';
import { forget, planAsPostgrest, work } from '../../support/statistics.js';
import { hashOf, unknownToken } from '../support/api_tokens.js';

after(close);

const ACCOUNTS = `create schema if not exists auth;
  create table auth.users (id uuid primary key, email text, email_confirmed_at timestamptz, raw_app_meta_data jsonb,
    banned_until timestamptz, deleted_at timestamptz);
  select private.attach_account_triggers()`;

const add = async (query, user_id, { text = unknownToken(), name = 'a test' } = {}) => {
  const scopes = { systems: ['sample'], endpoints: [], access: 'read' };
  const [{ id }] = await query(
    `insert into private.api_tokens (user_id, name, token_hash, prefix, scopes, expires_at)
    values ($1, $2, decode($3, 'hex'), 'rgt_abcdef', $4, now() + interval '1 day') returning id`,
    [user_id, name, hashOf(text), scopes],
  );
  return { id, text, scopes };
};
const exchange = async (query, text) =>
  (await query('select edge.exchange_api_token($1) as token', [hashOf(text)]))[0].token;

test('an exchange has the rights that the account has now', () =>
  transaction(async (query) => {
    await query(ACCOUNTS);
    const sub = randomUUID();
    const email = freshEmail();
    await query('insert into auth.users (id, email, raw_app_meta_data) values ($1, $2, $3)', [
      sub,
      email,
      { role: 'admin' },
    ]);
    const { text, id, scopes } = await add(query, sub);
    const { expires_at, ...token } = await exchange(query, text);
    assert.ok(expires_at > Date.now() / 1000);
    assert.deepEqual(
      token,
      { id, user_id: sub, scopes, account: { app_metadata: { role: 'admin' } } },
      'no unconfirmed address',
    );
    await query(`update auth.users set raw_app_meta_data = '{}', email_confirmed_at = now() where id = $1`, [sub]);
    assert.deepEqual((await exchange(query, text)).account, { app_metadata: {}, email, email_verified: true });
  }));

test('the tokens of a banned user are revoked for good, and those of a deleted one are gone', () =>
  transaction(async (query) => {
    await query(ACCOUNTS);
    const [banned, deleted, other] = [randomUUID(), randomUUID(), randomUUID()];
    const tokens = {};
    for (const sub of [banned, deleted, other]) {
      await query('insert into auth.users (id) values ($1)', [sub]);
      tokens[sub] = await add(query, sub);
    }
    await query(`update auth.users set banned_until = now() + interval '1 day' where id = $1`, [banned]);
    assert.equal(await exchange(query, tokens[banned].text), null);
    await query('update auth.users set banned_until = null where id = $1', [banned]);
    assert.equal(await exchange(query, tokens[banned].text), null, 'the end of the ban');
    await query('delete from auth.users where id = $1', [deleted]);
    assert.equal(await exchange(query, tokens[deleted].text), null);
    assert.deepEqual(await query('select id from private.api_tokens where user_id = $1', [deleted]), []);
    await query('update auth.users set deleted_at = now() where id = $1', [other]);
    assert.equal(await exchange(query, tokens[other].text), null, 'marked as deleted');
  }));

test('a ban ends tokens also where no trigger saw it', () =>
  transaction(async (query) => {
    await query(`${ACCOUNTS}; alter table auth.users disable trigger user`);
    const sub = randomUUID();
    await query(`insert into auth.users (id, banned_until) values ($1, now() + interval '1 day')`, [sub]);
    assert.equal(await exchange(query, (await add(query, sub)).text), null);
  }));

test('an exchange of an unknown, a revoked or an expired token gives nothing and writes nothing', () =>
  transaction(async (query) => {
    const [revoked, expired, good] = [
      await add(query, randomUUID()),
      await add(query, randomUUID()),
      await add(query, randomUUID()),
    ];
    await query('update private.api_tokens set revoked_at = now() where id = $1', [revoked.id]);
    await query(`update private.api_tokens set expires_at = now() where id = $1`, [expired.id]);
    for (const text of [revoked.text, expired.text, unknownToken()]) assert.equal(await exchange(query, text), null);
    assert.equal((await exchange(query, good.text)).id, good.id);
    const used = await query('select id from private.api_tokens where last_used_at is not null and id = any ($1)', [
      [revoked.id, expired.id, good.id],
    ]);
    assert.deepEqual(used, [{ id: good.id }]);
  }));

test('a person’s tokens are exported without their hash, and erased', () =>
  transaction(async (query) => {
    await query(ACCOUNTS);
    const sub = randomUUID();
    const email = freshEmail();
    await query('insert into auth.users (id, email, email_confirmed_at) values ($1, $2, now())', [sub, email]);
    const { id, scopes } = await add(query, sub, { name: `for ${email}` });
    const [{ data }] = await query('select edge.export_person($1) as data', [email]);
    const [token, ...more] = data['private.api_tokens'];
    assert.deepEqual([token.id, token.name, token.scopes, token.token_hash], [id, `for ${email}`, scopes, undefined]);
    assert.equal(more.length, 0);
    assert.equal(data.mentions['private.api_tokens'], undefined, 'their own');
    const [{ receipt }] = await query('select edge.erase_person($1) as receipt', [email]);
    assert.equal(receipt.erased['private.api_tokens'], 1);
    assert.deepEqual(await query('select id from private.api_tokens where id = $1', [id]), []);
  }));

test('a user has fifty live tokens at most, and old ones are deleted after 90 days', () =>
  transaction(async (query) => {
    const sub = randomUUID();
    const tokens = [];
    for (let n = 0; n < 50; n += 1) tokens.push(await add(query, sub));
    const make = async () => {
      const { claims, role } = onBehalf({ role: 'authenticated', claims: { sub } });
      await query(`select set_config('request.jwt.claims', $1, true)`, [JSON.stringify({ role, ...claims })]);
      await query('savepoint before');
      try {
        await query(`select edge.create_api_token($1, 'rgt_abcdef', 'x', '["sample"]')`, [hashOf(unknownToken())]);
        return 'made';
      } catch (error) {
        await query('rollback to before');
        return JSON.parse(error.message).code;
      } finally {
        await query(`select set_config('request.jwt.claims', '', true)`);
      }
    };
    assert.equal(await make(), 'RG577');
    await query(`update private.api_tokens set revoked_at = now() - interval '91 days' where id = $1`, [tokens[0].id]);
    assert.equal(await make(), 'made');
    assert.equal(await make(), 'RG577');
    const [{ rows }] = await query('select private.clean_api_tokens()::int as rows');
    assert.ok(rows >= 1);
    assert.deepEqual(await query('select id from private.api_tokens where id = $1', [tokens[0].id]), []);
  }));

test('a policy asks for the scope once a statement, not once a row', () =>
  transaction(async (query) => {
    const sub = randomUUID();
    await query(`insert into sample.projects (user_id, name) select $1, n::text from generate_series(1, 500) as n`, [
      sub,
    ]);
    await query(`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)`, [
      JSON.stringify({ role: 'authenticated', sub }),
    ]);
    const lines = await query('explain (analyze, costs off, timing off, summary off) select id from sample.projects');
    const plan = lines.map((line) => line['QUERY PLAN']).join('\n');
    assert.match(plan, /InitPlan/);
    assert.match(plan, /rows=500/);
    for (const [, loops] of plan.matchAll(/Result \(actual rows=1(?:\.00)? loops=(\d+)\)/g))
      assert.equal(loops, '1', plan);
  }));

test('the planner expects that rows are in the scope', () =>
  transaction(async (query) => {
    const sub = randomUUID();
    await query(`insert into sample.projects (user_id, name) select $1, n::text from generate_series(1, 500) as n`, [
      sub,
    ]);
    await query('analyze sample.projects');
    await query(`select set_config('request.jwt.claims', $1, true)`, [JSON.stringify({ role: 'authenticated', sub })]);
    const expected = async (role) => {
      await query(`set local role ${role}`);
      const [row] = await query(
        'explain (format json) select id from sample.projects where user_id = (select auth.uid())',
      );
      return row['QUERY PLAN'][0].Plan['Plan Rows'];
    };
    const without = await expected('service_role');
    const within = await expected('authenticated');
    assert.ok(within > 0.9 * without, `${within} rows of ${without}`);
  }));

test('no request role may read or write tokens, or call their functions', async () => {
  const statements = [
    'select from private.api_tokens',
    'update private.api_tokens set revoked_at = null where true',
    `insert into private.system_schemas values ('a', 'b')`,
    'select private.api_token()',
    `select private.check_api_token('{}', 'sample')`,
    `select private.scope_table('sample.projects')`,
  ];
  for (const role of ['anon', 'authenticated', 'edge', 'service_role', 'authenticator']) {
    for (const statement of statements) {
      await transaction(async (run) => {
        await run(`set local role ${role}`);
        await assert.rejects(run(statement), { code: '42501' }, `${role}: ${statement}`);
      });
    }
  }
  for (const role of ['anon', 'authenticated', 'service_role']) {
    await assert.rejects(
      as({ role }, (query) => query(`select edge.exchange_api_token('00')`)),
      { code: '42501' },
      role,
    );
  }
});

test('a token is made without a look at tokens of others, also without statistics', () =>
  transaction(async (query) => {
    const owner = randomUUID();
    const table = 'private.api_tokens';
    await query('set local session_replication_role = replica');
    // Tokens that expire together: their index is small, so that the planner is tempted to read it.
    await query(
      `insert into ${table} (user_id, name, token_hash, prefix, scopes, expires_at)
       select gen_random_uuid(), 'Token', sha256(convert_to($1 || n, 'UTF8')), 'rgt_000000',
         '{"systems": [], "endpoints": ["GET /v1/nothing"], "access": "read"}', now() + interval '1 year'
       from generate_series(1, 100000) as n`,
      [owner],
    );
    await query('set local session_replication_role = origin');
    await query(`analyze ${table}`);
    await forget(query, [table]);
    await planAsPostgrest(query);
    const claims = { role: 'edge', sub: owner, edge: { caller: 'authenticated' } };
    await query(`select set_config('role', 'edge', true), set_config('request.jwt.claims', $1, true)`, [
      JSON.stringify(claims),
    ]);
    const { blocks, plan } = await work(
      query,
      `select edge.create_api_token('${'ab'.repeat(32)}', 'rgt_9fK2Qx', 'Import', endpoints => '["GET /v1/nothing"]')`,
    );
    assert.ok(blocks < 80, `${blocks} blocks\n${plan}`);
  }));
