// clixen.user_profiles: at the first call, with what the issuer says and no more; counted right, and gone for good.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, close, sql, stack, transaction, userToken } from '../../support/stack.js';

after(close);

const ensure = (token) => ask('/rest/v1/rpc/create_user_profile', { token, json: {} });
const project = (token) => ask('/rest/v1/projects', { token, json: { name: randomUUID() } });

test('the first call makes it, further ones find it; tier and totals stay the database’s', async () => {
  const sub = randomUUID();
  const token = await userToken(sub, {
    claims: { email: `${sub}@example.org`, email_verified: true, tier: 'enterprise' },
  });
  await project(token);
  const answers = await Promise.all(Array.from({ length: 20 }, () => ensure(token)));
  for (const { status, body } of answers) {
    assert.deepEqual(
      [status, body.id, body.email, body.tier, body.total_projects],
      [200, sub, `${sub}@example.org`, 'free', 1],
    );
  }
  assert.equal(Object.keys(answers[0].body).length, 14);
});

test('an unverified address is not stored, and another user’s answer shows nothing', async () => {
  const given = [
    { a: 1 },
    ['x@example.org'],
    true,
    12345,
    '<script>',
    'a\nBcc: x@example.org',
    ' ',
    `${'x'.repeat(300)}@example.org`,
  ];
  for (const email of given) {
    const { status, body } = await ensure(await userToken(randomUUID(), { claims: { email, email_verified: true } }));
    assert.deepEqual([status, body.email], [200, null], JSON.stringify(email));
  }
  const address = `${randomUUID()}@example.org`;
  // Only the boolean true says that the issuer has verified it.
  for (const email_verified of [false, undefined, null, 'true', 'false', 'yes', 1, 0, [true], { true: true }, '']) {
    const unverified = await userToken(randomUUID(), { claims: { email: address, email_verified } });
    assert.equal((await ensure(unverified)).body.email, null, JSON.stringify(email_verified));
  }
  const claims = { email: address, email_verified: true };
  for (let n = 0; n < 2; n++)
    assert.equal((await ensure(await userToken(randomUUID(), { claims }))).body.email, address);
});

test('projects that are made beside the first call are counted, and so are those that are moved', async () => {
  const users = await Promise.all(Array.from({ length: 10 }, async () => ({ sub: randomUUID() })));
  await Promise.all(
    users.map(async (user) => {
      const token = await userToken(user.sub);
      await Promise.all([ensure(token), ...Array.from({ length: 6 }, () => project(token))]);
    }),
  );
  const totals = () =>
    sql('select total_projects::int as total from clixen.user_profiles where id = any ($1) order by 1', [
      users.map(({ sub }) => sub),
    ]);
  assert.deepEqual(
    await totals(),
    users.map(() => ({ total: 6 })),
  );
  const [one, two] = users;
  await sql('update clixen.projects set user_id = $2 where user_id = $1', [one.sub, two.sub]);
  assert.deepEqual([(await totals()).at(0).total, (await totals()).at(-1).total], [0, 12]);
});

test('a profile that is being made waits for a project that is, and counts it', async () => {
  const sub = randomUUID();
  const token = await userToken(sub);
  await transaction(async (run) => {
    await run('insert into clixen.projects (user_id, name) values ($1, $2)', [sub, 'meanwhile']);
    const made = ensure(token);
    await sleep(300);
    await run('commit');
    assert.equal((await made).body.total_projects, 1);
  });
});

test('an erased user’s token brings nothing back', async () => {
  const sub = randomUUID();
  const token = await userToken(sub, { claims: { email: `${sub}@example.org` } });
  await ensure(token);
  await project(token);
  const erased = await ask('/rest/v1/rpc/erase_user', { token: stack.service_key, json: { user_id: sub } });
  assert.deepEqual([erased.status, erased.body['clixen.projects'], erased.body['clixen.user_profiles']], [200, 1, 1]);
  for (const answer of [await ensure(token), await project(token)]) {
    assert.deepEqual([answer.status, answer.body.code], [403, 'RG521']);
  }
  assert.deepEqual((await ask('/rest/v1/projects', { token })).body, []);
  const other = await userToken();
  const refused = await ask('/rest/v1/rpc/erase_user', { token: other, json: { user_id: sub } });
  assert.equal(refused.status, 403);
});

test('erasing a user of many projects is one line of the audit log about their profile, and their making another', async () => {
  const sub = randomUUID();
  await sql('insert into clixen.user_profiles (id) values ($1)', [sub]);
  await sql(`insert into clixen.projects (user_id, name) select $1, 'many ' || n from generate_series(1, 500) as n`, [
    sub,
  ]);
  await ask('/rest/v1/rpc/erase_user', { token: stack.service_key, json: { user_id: sub } });
  const rows = await sql(
    `select operation, count(*)::int as times from private.audit_log where relation = 'clixen.user_profiles' and row_id = $1
     and operation <> 'UPDATE' group by 1 order by 1`,
    [sub],
  );
  assert.deepEqual(rows, [
    { operation: 'DELETE', times: 1 },
    { operation: 'INSERT', times: 1 },
  ]);
  const [{ updates }] = await sql(
    `select count(*)::int as updates from private.audit_log where row_id = $1 and operation = 'UPDATE'`,
    [sub],
  );
  assert.equal(updates, 0, 'counts cause no update events');
});
