// The use of keys in the database: whose API token opens which key, what stops it, and what stays of a use.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { waitFor } from '../../../dev/process.js';
import { as, close, onBehalf, sql } from '../../support/stack.js';
import {
  addKey,
  call,
  confirmKey,
  keyRow,
  refusal,
  revokeKey,
  rotateKey,
  run,
  sealedText,
  user,
} from '../support/keys.js';
import { claim, clear, enqueue, lapse, makeAgent } from '../support/tasks.js';

after(async () => {
  await clear();
  await close();
});

const USE = 'POST /v1/keys/{id}/use';
const scope = (endpoints = [USE]) => ({ id: randomUUID(), systems: [], endpoints, access: 'write' });
/** A worker's API token, of a user or, without one, of a server. */
const worker = (sub, api_token = scope()) =>
  onBehalf({
    role: sub ? 'authenticated' : 'service_role',
    claims: { ...(sub && { sub }), ...(api_token && { api_token }) },
  });
/** A task of a user that a worker has. */
const anotherUser = async () => {
  const who = user();
  await run(who, 'select flashfusion.ensure_user()');
  return who;
};
const leased = async (sub, project_id) => {
  const agent = await makeAgent();
  await enqueue(sub, agent, { project_id });
  const [task] = await claim(agent);
  return { agent, lease: { task_id: task.id, lease_token: task.lease_token } };
};
const open = (who, id, more = {}) => call(who, 'flashfusion.open_key', { key_id: id, ...more });

test('a token of the owner’s and one without a user open a key; each use is counted, timed and recorded', async () => {
  const who = user();
  const { id } = await addKey(who, { alias: 'Main' });
  const token = scope();
  const before = Date.now();
  const found = await open(worker(who.claims.sub, token), id);
  assert.deepEqual(Object.keys(found).sort(), ['answer', 'stored']);
  assert.deepEqual([found.stored.row, found.stored.owner], [id, who.claims.sub]);
  assert.deepEqual([found.answer.usage_count, found.answer.key_alias], [1, 'Main']);
  const { agent, lease } = await leased(who.claims.sub);
  assert.equal((await open(worker(), id, lease)).answer.usage_count, 2);
  const row = await keyRow(id);
  assert.equal(row.usage_count, 2);
  const at = new Date(row.last_used_at).getTime();
  assert.ok(at >= before - 1000 && at <= Date.now() + 1000);
  const events = await sql(
    `select user_id, details from private.security_events where kind = 'api_key_opened' and details ->> 'key_id' = $1 order by id`,
    [id],
  );
  assert.deepEqual(
    events.map(({ user_id, details }) => [user_id, details.token === token.id, details.agent_id]),
    [
      [who.claims.sub, true, null],
      [who.claims.sub, false, agent],
    ],
  );
  const audited = await sql(
    `select columns from private.audit_log where relation = 'flashfusion.user_api_keys' and row_id = $1 and operation = 'UPDATE'`,
    [id],
  );
  assert.deepEqual(audited, [
    { columns: ['last_used_at', 'usage_count'] },
    { columns: ['last_used_at', 'usage_count'] },
  ]);
});

test('nobody else opens one: not its owner, not service_role, not a token of another scope or another user', async () => {
  const who = user();
  const { id } = await addKey(who);
  for (const [label, caller, code, status] of [
    ['the owner', worker(who.claims.sub, null), 'RG609', 403],
    ['service_role', worker(undefined, null), 'RG609', 403],
    ['a token of a system', worker(who.claims.sub, { ...scope([]), systems: ['flashfusion'] }), 'RG609', 403],
    ['a token of another endpoint', worker(who.claims.sub, scope(['POST /v1/keys'])), 'RG609', 403],
    ['another user’s token', worker(randomUUID()), 'RG602', 404],
  ])
    await assert.rejects(open(caller, id), refusal(code, status), label);
  for (const caller of [who, { role: 'service_role' }, { role: 'anon' }])
    await assert.rejects(open(caller, id), { code: '42501' });
  await assert.rejects(open(worker(), randomUUID()), refusal('RG602', 404));
  assert.deepEqual([(await keyRow(id)).usage_count, (await keyRow(id)).last_used_at], [0, null]);
});

test('what is revoked, expired or switched off opens no more; what is pending or invalid does', async () => {
  const who = user();
  const off = await addKey(who, { alias: 'off' });
  await run(who, 'update flashfusion.user_api_keys set is_active = false where id = $1', [off.id]);
  await assert.rejects(open(worker(), off.id), refusal('RG604', 409));
  const expired = await addKey(who, { alias: 'expired', expires_at: new Date(Date.now() + 1e6).toISOString() });
  // To the second, before the job has marked it.
  await sql(`update flashfusion.user_api_keys set expires_at = now() - interval '1 second' where id = $1`, [
    expired.id,
  ]);
  await assert.rejects(open(worker(), expired.id), refusal('RG604', 409));
  const invalid = await addKey(who, { alias: 'invalid' });
  await call({ role: 'edge' }, 'edge.key_verified', { key_id: invalid.id, is_valid: false });
  assert.equal((await open(worker(), invalid.id)).answer.status, 'invalid');

  const old = await addKey(who, { alias: 'rotated' });
  const pending = await rotateKey(who, old.id);
  assert.equal((await open(worker(), pending.id)).answer.status, 'pending');
  assert.equal((await open(worker(), old.id)).answer.status, 'active');
  await confirmKey(who, pending.id);
  await assert.rejects(open(worker(), old.id), refusal('RG604', 409));
  assert.equal((await open(worker(), pending.id)).answer.status, 'active');
  await revokeKey(who, pending.id);
  await assert.rejects(open(worker(), pending.id), refusal('RG604', 409));
});

test('a key with a scope opens for running tasks of its agents and projects only', async () => {
  const who = user();
  const { sub } = who.claims;
  await run(who, 'select flashfusion.ensure_user()');
  const [{ id: project }] = await run(who, `insert into flashfusion.projects (name) values ('Mine') returning id`);
  const mine = await leased(sub, project);
  const other = await leased(sub);
  const theirs = await leased((await anotherUser()).claims.sub);
  const ofProject = await addKey(who, { projects: [project] });
  const ofAgent = await addKey(who, { alias: 'for an agent', agents: [mine.agent] });
  for (const { id } of [ofProject, ofAgent]) {
    for (const more of [{}, { task_id: null }, other.lease])
      await assert.rejects(open(worker(sub), id, more), refusal('RG609', 403));
    for (const more of [
      { task_id: mine.lease.task_id },
      { ...mine.lease, lease_token: other.lease.lease_token },
      { ...mine.lease, task_id: other.lease.task_id },
      theirs.lease,
      { task_id: randomUUID(), lease_token: randomUUID() },
    ])
      await assert.rejects(open(worker(sub), id, more), refusal('RG611', 409));
    assert.equal((await open(worker(sub), id, mine.lease)).answer.usage_count, 1);
  }
  await lapse(mine.lease.task_id);
  for (const { id } of [ofProject, ofAgent])
    await assert.rejects(open(worker(sub), id, mine.lease), refusal('RG611', 409));
  assert.equal((await keyRow(ofAgent.id)).usage_count, 1);
});

test('a deactivated owner’s key opens for nobody', async () => {
  const who = user();
  const { id } = await addKey(who);
  await sql('update flashfusion.users set is_active = false where id = $1', [who.claims.sub]);
  await assert.rejects(open(worker(), id), refusal('RG632', 403));
});

test('twenty uses at once are twenty', async () => {
  const who = user();
  const { id } = await addKey(who);
  const found = await Promise.all(Array.from({ length: 20 }, () => open(worker(), id)));
  assert.deepEqual(
    found.map(({ answer }) => answer.usage_count).sort((a, b) => a - b),
    Array.from({ length: 20 }, (_, n) => n + 1),
  );
  assert.equal((await keyRow(id)).usage_count, 20);
});

test('a user’s own token opens what is sealed so often; a worker’s without a user is not limited', async () => {
  const who = user();
  const { id } = await addKey(who);
  await sql(`update private.limit_rules set burst = 3, refill = '1 hour' where name = 'secret-uses'`);
  try {
    for (let n = 0; n < 3; n += 1) await open(worker(who.claims.sub), id);
    await assert.rejects(open(worker(who.claims.sub), id), refusal('RG501', 429));
    // One limit for all that is sealed, and for all tokens of a user.
    for (const [name, column, endpoint] of [
      ['environment', 'deployment_id', 'POST /v1/deployments/{id}/environment/use'],
      ['credentials', 'integration_id', 'POST /v1/integrations/{id}/credentials/use'],
    ])
      await assert.rejects(
        call(worker(who.claims.sub, scope([endpoint])), `flashfusion.open_${name}`, { [column]: randomUUID() }),
        refusal('RG501', 429),
      );
    for (let n = 0; n < 4; n += 1) await open(worker(), id);
    assert.equal((await keyRow(id)).usage_count, 7);
  } finally {
    await sql(`update private.limit_rules set burst = 300, refill = '2 seconds' where name = 'secret-uses'`);
  }
});

test('a use that is under way when the key is revoked is before it, and none is after it', async () => {
  const who = user();
  const { id } = await addKey(who);
  let revoked;
  await as(worker(), async (query) => {
    await query('select flashfusion.open_key($1)', [id]);
    revoked = revokeKey(who, id);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal((await keyRow(id)).status, 'active', 'it waits');
  });
  await revoked;
  await assert.rejects(open(worker(), id), refusal('RG604', 409));
});

for (const [table, column, secrets, name, kind, code] of [
  ['deployments', 'deployment_id', 'deployment_environments', 'environment', 'environment_opened', 'RG650'],
  ['integrations', 'integration_id', 'integration_credentials', 'credentials', 'credentials_opened', 'RG651'],
])
  test(`${name}: stored by the owner, opened by a worker’s token, seen by nobody`, async () => {
    const who = user();
    await run(who, 'select flashfusion.ensure_user()');
    const [{ id: project }] = await run(who, `insert into flashfusion.projects (name) values ('Mine') returning id`);
    const [{ id }] =
      table === 'deployments'
        ? await run(
            who,
            `insert into flashfusion.deployments (project_id, deployment_target) values ($1, 'vercel') returning id`,
            [project],
          )
        : await run(
            who,
            `insert into flashfusion.integrations (integration_type, integration_name) values ('github', 'Mine') returning id`,
          );
    const set = (by, more = {}) =>
      call(onBehalf(by), `flashfusion.set_${name}`, {
        [column]: id,
        owner_id: by.claims.sub,
        sealed: sealedText(),
        key_version: 1,
        names: ['ONE', 'TWO'],
        ...more,
      });
    const endpoint = {
      environment: 'POST /v1/deployments/{id}/environment/use',
      credentials: 'POST /v1/integrations/{id}/credentials/use',
    };
    const token = scope([endpoint[name]]);
    const opened = (caller) => call(caller, `flashfusion.open_${name}`, { [column]: id });
    await assert.rejects(opened(worker(undefined, token)), refusal(code, 404), 'there is none');
    const used = async () =>
      (
        await sql(
          `select rows::int, bytes::int from private.daily_usage where name = 'flashfusion' and caller = $1 and part = 0`,
          [`user ${who.claims.sub}`],
        )
      )[0];
    const before = await used();
    const large = `${sealedText()}${'A'.repeat(40_000)}`;
    await set(who, { sealed: large });
    const after = await used();
    assert.equal(after.rows - before.rows, 1, 'the row with the names');
    const bytes = after.bytes - before.bytes;
    assert.ok(bytes > large.length && bytes < large.length + 2000, `${bytes} bytes count`);
    await sql(`update private.daily_usage set bytes = 1e9 where name = 'flashfusion' and caller = $1`, [
      `user ${who.claims.sub}`,
    ]);
    await assert.rejects(set(who), refusal('RG517', 429));
    await sql(`delete from private.daily_usage where caller = $1`, [`user ${who.claims.sub}`]);
    await set(who);
    const stored = async () =>
      (await sql(`select sealed from private.${secrets} where ${column} = $1`, [id]))[0]?.sealed;
    const first = await stored();
    await assert.rejects(set(user()), refusal(code, 404));
    for (const [more, wanted] of [
      [{ names: ['1 bad'] }, 'RG606'],
      [{ names: [null] }, 'RG606'],
      [{ names: Array.from({ length: 201 }, (_, n) => `N${n}`) }, 'RG606'],
      [{ sealed: 'plain' }, 'RG326'],
      [{ owner_id: randomUUID() }, 'RG326'],
    ])
      await assert.rejects(set(who, more), refusal(wanted, 422));
    assert.equal(await stored(), first);

    for (const caller of [worker(undefined, token), worker(who.claims.sub, token)])
      assert.deepEqual((await opened(caller)).stored, {
        row: id,
        owner: who.claims.sub,
        sealed: first,
        key_version: 1,
      });
    await assert.rejects(opened(worker(randomUUID(), token)), refusal(code, 404));
    for (const caller of [worker(who.claims.sub, null), worker(undefined, null), worker(undefined, scope())])
      await assert.rejects(opened(caller), refusal('RG609', 403));
    const events = await sql(`select details from private.security_events where kind = $1 and details ->> $2 = $3`, [
      kind,
      column,
      id,
    ]);
    assert.equal(events.length, 2);

    const [row] = await run(who, `select * from flashfusion.${table}`);
    assert.deepEqual(row[name === 'environment' ? 'environment_variables' : 'credentials'], ['ONE', 'TWO']);
    await assert.rejects(run(who, `select * from private.${secrets}`), { code: '42501' });
    await set(who, { names: [] });
    assert.equal(await stored(), undefined);
    await set(who);
    await run(who, `delete from flashfusion.${table} where id = $1`, [id]);
    assert.equal(await stored(), undefined, 'it goes with its row');
  });

test('deployments of a project are counted, also at once; nobody deploys another’s', async () => {
  const who = user();
  const [{ id: project }] = await run(who, `insert into flashfusion.projects (name) values ('Mine') returning id`);
  const deploy = (by) =>
    run(
      by,
      `insert into flashfusion.deployments (project_id, deployment_target) values ($1, 'vercel') returning version::int`,
      [project],
    );
  const versions = (await Promise.all(Array.from({ length: 8 }, () => deploy(who)))).map(([{ version }]) => version);
  assert.deepEqual(versions.sort(), [1, 2, 3, 4, 5, 6, 7, 8]);
  await assert.rejects(deploy(user()), { code: '23503' });
  // A statement that would take its time after the row keeps no version from the owner meanwhile.
  const blocked = assert.rejects(
    run(
      user(),
      `insert into flashfusion.deployments (project_id, deployment_target)
       select $1, 'vercel' from generate_series(0, 1) as n where pg_sleep(3 * n) is not null`,
      [project],
    ),
    { code: '23503' },
  );
  // Either it is refused at once, or it sleeps after its first row.
  await Promise.race([
    blocked,
    waitFor('the statement to sleep', async () => {
      const asleep = await sql(
        `select from pg_stat_activity where wait_event = 'PgSleep' and query ~ 'generate_series.0, 1.'`,
      );
      return asleep.length > 0;
    }),
  ]);
  const [{ version }] = await as(who, async (query) => {
    await query(`set local lock_timeout = '500ms'`);
    return query(
      `insert into flashfusion.deployments (project_id, deployment_target) values ($1, 'vercel') returning version::int`,
      [project],
    );
  });
  assert.equal(version, 9);
  await blocked;
});
