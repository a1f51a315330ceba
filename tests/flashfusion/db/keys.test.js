// Keys in the database: what it refuses, how keys live and end, and who sees them.
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { close, onBehalf, sql } from '../../support/stack.js';
import {
  addKey,
  call,
  confirmKey,
  hasSecret,
  keyOf,
  keyRow,
  refusal,
  revokeKey,
  rotateKey,
  run,
  sealedText,
  user,
} from '../support/keys.js';
import { makeAgent } from '../support/tasks.js';

const DAY = 86_400_000;
const inDays = (days) => new Date(Date.now() + days * DAY).toISOString();

// What is limited is tested once; elsewhere it is in the way.
before(() => sql(`update private.limit_rules set burst = 100000 where name = 'key-verifications'`));
after(async () => {
  await sql(`update private.limit_rules set burst = 10 where name = 'key-verifications'`);
  await close();
});

test('a key is stored without what the edge has sealed, and its sealed text apart from it', async () => {
  const who = user();
  const made = await addKey(who, { service: ' OpenAI ', alias: 'Main' });
  assert.deepEqual(
    [made.service_name, made.key_alias, made.status, made.is_active, made.last_four, made.key_prefix],
    ['openai', 'Main', 'active', true, 'wxyz', 'sk-'],
  );
  assert.deepEqual([made.warning, made.verification, made.usage_count, made.last_used_at], [null, null, 0, null]);
  const rows = await run(who, 'select * from flashfusion.user_api_keys');
  assert.equal(rows.length, 1);
  assert.ok(!Object.keys(rows[0]).includes('sealed'));
  assert.ok(await hasSecret(made.id));
});

test('an unknown service, a key of another provider, a bad time, alias or scope are refused', async () => {
  const who = user();
  const other = user();
  await run(who, 'select flashfusion.ensure_user()');
  const [{ id: foreign }] = await run(other, `insert into flashfusion.projects (name) values ('Theirs') returning id`);
  for (const [more, code] of [
    [{ service: 'no-such-service' }, 'RG600'],
    [{ service: '' }, 'RG600'],
    [{ service: null }, 'RG600'],
    [{ hint: 'anthropic' }, 'RG327'],
    [{ service: 'mistral', hint: 'openai' }, 'RG327'],
    [{ expires_at: 'tomorrow' }, 'RG606'],
    [{ expires_at: 'infinity' }, 'RG606'],
    [{ expires_at: '2027-02-30T00:00:00Z' }, 'RG606'],
    [{ expires_at: '2020-01-01T00:00:00Z' }, 'RG606'],
    [{ expires_at: '2999-01-01T00:00:00Z' }, 'RG606'],
    [{ alias: '' }, 'RG606'],
    [{ alias: 'a'.repeat(101) }, 'RG606'],
    [{ projects: [foreign] }, 'RG606'],
    [{ projects: [null] }, 'RG606'],
    [{ agents: [randomUUID()] }, 'RG606'],
    [{ owner_id: other.claims.sub }, 'RG326'],
    [{ owner_id: null }, 'RG326'],
    [{ sealed: 'sk-proj-plain' }, 'RG326'],
    [{ sealed: null }, 'RG326'],
    [{ key_version: 0 }, 'RG326'],
  ])
    await assert.rejects(addKey(who, more), refusal(code, 422), JSON.stringify(more));
  assert.deepEqual(await run(who, 'select id from flashfusion.user_api_keys'), []);
});

test('a provider of an active service is a service, too', async () => {
  const add = (active) =>
    sql(`insert into flashfusion.ai_services (name, provider, model_name, is_active) values ($1, $2, 'a-model', $3)`, [
      randomUUID(),
      `provider-${active}`,
      active,
    ]);
  await add(true);
  await add(false);
  try {
    const who = user();
    assert.equal((await addKey(who, { service: 'provider-true', hint: null })).service_name, 'provider-true');
    await assert.rejects(addKey(who, { service: 'provider-false', hint: null }), refusal('RG600', 422));
  } finally {
    await sql(`delete from flashfusion.ai_services where provider like 'provider-%'`);
  }
});

test('a form that the service’s keys do not have is a warning', async () => {
  const who = user();
  assert.match((await addKey(who, { hint: null })).warning, /does not have the form/);
  assert.equal((await addKey(who, { service: 'mistral', hint: null })).warning, null);
});

test('the same key again is known, whoever else has it', async () => {
  const who = user();
  const fingerprint = randomBytes(32).toString('hex');
  const first = await addKey(who, { fingerprint, alias: 'one' });
  await assert.rejects(addKey(who, { fingerprint, alias: 'two' }), refusal('RG601', 409));
  await assert.rejects(rotateKey(who, first.id, { fingerprint }), refusal('RG601', 409));
  await addKey(user(), { fingerprint });
  await revokeKey(who, first.id);
  assert.equal((await addKey(who, { fingerprint, alias: 'three' })).status, 'active');
});

test('two active keys of a service have two aliases, in any spelling; none counts as one', async () => {
  const who = user();
  await addKey(who, { alias: 'Straße' });
  for (const alias of ['straße', 'stra\u200bße', 'STRAßE'])
    await assert.rejects(addKey(who, { alias }), refusal('RG605', 409), alias);
  await addKey(who, { alias: 'Straße', service: 'groq', hint: 'groq' });
  const unnamed = await addKey(who, {});
  await assert.rejects(addKey(who, {}), refusal('RG605', 409));
  await run(who, 'update flashfusion.user_api_keys set is_active = false where id = $1', [unnamed.id]);
  await addKey(who, {});
  await assert.rejects(run(who, 'update flashfusion.user_api_keys set is_active = true where id = $1', [unnamed.id]), {
    code: '23505',
  });
});

test('a plan has room for so many keys', async () => {
  const who = user();
  const [{ keys }] = await sql(`select (private.entitlements_of('free') ->> 'keys')::int as keys`);
  for (let n = 0; n < keys; n += 1) await addKey(who, { alias: `key ${n}` });
  await assert.rejects(addKey(who, { alias: 'one more' }), refusal('RG607', 403));
  const [first] = await run(who, 'select id from flashfusion.user_api_keys limit 1');
  await revokeKey(who, first.id);
  await addKey(who, { alias: 'one more' });
});

test('with its Idempotency-Key an addition or a rotation is done once; another key or alias is another body', async () => {
  const who = user(randomUUID(), { 'idempotency-key': randomUUID() });
  const given = keyOf(who, { alias: 'once' });
  const again = (more) =>
    call(onBehalf(who), 'flashfusion.add_key', { ...given, key_id: randomUUID(), sealed: sealedText(), ...more });
  const first = await call(onBehalf(who), 'flashfusion.add_key', given);
  assert.deepEqual(await again(), first);
  await assert.rejects(again({ alias: 'other' }), refusal('RG503', 422));
  await assert.rejects(again({ fingerprint: randomBytes(32).toString('hex') }), refusal('RG503', 422));
  const fingerprint = randomBytes(32).toString('hex');
  const second = await rotateKey(who, first.id, { fingerprint });
  assert.deepEqual(await rotateKey(who, first.id, { fingerprint }), second);
  assert.equal((await sql('select 1 from flashfusion.user_api_keys where user_id = $1', [who.claims.sub])).length, 2);
  // What is stored for a retry has no sealed text.
  const [{ answers }] = await sql(
    `select jsonb_agg(answer)::text as answers from private.idempotency_keys where caller = $1`,
    [who.claims.sub],
  );
  assert.ok(!answers.includes('v1.') && answers.includes(first.id));
});

test('ten at once with one fingerprint: one is stored', async () => {
  const who = user();
  const fingerprint = randomBytes(32).toString('hex');
  const outcomes = await Promise.allSettled(
    Array.from({ length: 10 }, (_, n) => addKey(who, { fingerprint, alias: `at once ${n}` })),
  );
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
  for (const { reason } of outcomes.filter(({ status }) => status === 'rejected'))
    assert.ok(refusal('RG601', 409)(reason));
});

test('a rotation overlaps: both keys have their sealed texts until the new one is confirmed', async () => {
  const who = user();
  const old = await addKey(who, { alias: 'Main' });
  const made = await rotateKey(who, old.id, { expires_at: inDays(100) });
  assert.deepEqual([made.status, made.rotated_from, made.key_alias, made.usage_count], ['pending', old.id, 'Main', 0]);
  assert.equal((await keyRow(old.id)).status, 'active');
  assert.deepEqual([await hasSecret(old.id), await hasSecret(made.id)], [true, true]);
  await assert.rejects(rotateKey(who, old.id), refusal('RG608', 409));
  await assert.rejects(rotateKey(who, made.id), refusal('RG604', 409));
  await assert.rejects(confirmKey(who, old.id), refusal('RG603', 409));

  assert.equal((await confirmKey(who, made.id)).status, 'active');
  const before = await keyRow(old.id);
  assert.deepEqual([before.status, before.is_active, Boolean(before.revoked_at)], ['revoked', false, true]);
  assert.deepEqual([await hasSecret(old.id), await hasSecret(made.id)], [false, true]);
  await assert.rejects(confirmKey(who, made.id), refusal('RG603', 409));
  await assert.rejects(rotateKey(who, old.id), refusal('RG604', 409));
});

test('a key whose scope has a deleted project or agent is rotated, and its successor has the same scope', async () => {
  const who = user();
  await run(who, 'select flashfusion.ensure_user()');
  const [{ id: project }] = await run(who, `insert into flashfusion.projects (name) values ('Mine') returning id`);
  const agent = await makeAgent();
  const old = await addKey(who, { projects: [project], agents: [agent] });
  await run(who, 'delete from flashfusion.projects where id = $1', [project]);
  await sql('delete from flashfusion.agents where id = $1', [agent]);
  const made = await rotateKey(who, old.id);
  assert.deepEqual([made.projects, made.agents], [[project], [agent]]);
  assert.equal((await confirmKey(who, made.id)).status, 'active');
  // A new key takes none of them.
  for (const more of [{ projects: [project] }, { agents: [agent] }])
    await assert.rejects(addKey(who, { alias: 'new', ...more }), refusal('RG606', 422));
});

test('a successor that cannot be used is not confirmed, and the first key stays', async () => {
  const who = user();
  const old = await addKey(who, {});
  const made = await rotateKey(who, old.id, { expires_at: inDays(1) });
  await run(who, 'update flashfusion.user_api_keys set is_active = false where id = $1', [made.id]);
  await assert.rejects(confirmKey(who, made.id), refusal('RG603', 409));
  await run(who, 'update flashfusion.user_api_keys set is_active = true where id = $1', [made.id]);
  // Expired, and the job that marks it has not run.
  await sql('update flashfusion.user_api_keys set expires_at = now() where id = $1', [made.id]);
  await assert.rejects(confirmKey(who, made.id), refusal('RG603', 409));
  assert.deepEqual([(await keyRow(old.id)).status, await hasSecret(old.id)], ['active', true]);
});

test('a successor may be given up, and the first key rotated again', async () => {
  const who = user();
  const old = await addKey(who, {});
  const made = await rotateKey(who, old.id);
  await revokeKey(who, made.id);
  assert.equal((await keyRow(old.id)).status, 'active');
  const next = await rotateKey(who, old.id);
  // A key that is gone leaves its successor.
  await run(who, 'delete from flashfusion.user_api_keys where id = $1', [old.id]);
  assert.equal((await confirmKey(who, next.id)).status, 'active');
});

test('revoking deletes the sealed text, for good', async () => {
  const who = user();
  const made = await addKey(who, {});
  for (let n = 0; n < 2; n += 1) assert.equal(await revokeKey(who, made.id), true);
  assert.equal(await hasSecret(made.id), false);
  await assert.rejects(run(who, 'update flashfusion.user_api_keys set is_active = true where id = $1', [made.id]), {
    code: '23514',
  });
  const gone = await addKey(who, {});
  await run(who, 'delete from flashfusion.user_api_keys where id = $1', [gone.id]);
  assert.equal(await hasSecret(gone.id), false);
});

test('another user’s key and none at all are one answer', async () => {
  const who = user();
  const { id } = await addKey(who, {});
  const pending = await rotateKey(who, id);
  const stranger = user();
  for (const act of [
    (key) => rotateKey(stranger, key),
    (key) => confirmKey(stranger, key),
    (key) => revokeKey(stranger, key),
    (key) => call(stranger, 'flashfusion.verify_key', { id: key }),
  ]) {
    const answers = [];
    for (const key of [id, pending.id, randomUUID()])
      await assert.rejects(act(key), (error) => answers.push(error.message) && refusal('RG602', 404)(error));
    assert.equal(new Set(answers).size, 1);
  }
  assert.deepEqual(await run(stranger, 'select * from flashfusion.user_api_keys'), []);
  assert.deepEqual([(await keyRow(id)).status, (await keyRow(pending.id)).status], ['active', 'pending']);
});

test('users write the alias, is_active and the scope of their keys, and nothing else', async () => {
  const who = user();
  const made = await addKey(who, {});
  const [{ id: project }] = await run(who, `insert into flashfusion.projects (name) values ('Mine') returning id`);
  await run(
    who,
    `update flashfusion.user_api_keys set key_alias = 'New', is_active = false, projects = $2 where id = $1`,
    [made.id, [project]],
  );
  const row = await keyRow(made.id);
  assert.deepEqual([row.key_alias, row.is_active, row.projects], ['New', false, [project]]);
  // A project that is deleted stays in the scope, which would be empty otherwise: open to all projects.
  await run(who, 'delete from flashfusion.projects where id = $1', [project]);
  await run(who, `update flashfusion.user_api_keys set projects = $2 where id = $1`, [made.id, [project]]);
  for (const change of [
    ...[
      `status = 'active'`,
      'expires_at = null',
      'usage_count = 0',
      `service_name = 'groq'`,
      'user_id = gen_random_uuid()',
    ],
    ...['verified_at = now()', 'rotated_from = null', `fingerprint = repeat('0', 64)`, 'last_used_at = now()'],
  ])
    await assert.rejects(
      run(who, `update flashfusion.user_api_keys set ${change} where id = $1`, [made.id]),
      { code: '42501' },
      change,
    );
  for (const table of ['api_key_secrets', 'key_services', 'key_reminders'])
    await assert.rejects(run(who, `select * from private.${table}`), { code: '42501' });
  // service_role stops a key, and widens no scope.
  const service = { role: 'service_role' };
  await run(service, 'update flashfusion.user_api_keys set is_active = false where id = $1', [made.id]);
  await assert.rejects(run(service, `update flashfusion.user_api_keys set projects = '{}' where id = $1`, [made.id]), {
    code: '42501',
  });
});

test('keys that never expire can be listed', async () => {
  const who = user();
  const forever = await addKey(who, { alias: 'forever' });
  await addKey(who, { alias: 'for a year', expires_at: inDays(365) });
  const rows = await run(
    who,
    'select id from flashfusion.user_api_keys where expires_at is null and revoked_at is null',
  );
  assert.deepEqual(rows, [{ id: forever.id }]);
});

const remind = async () => Number((await sql('select private.remind_of_keys() as done'))[0].done);
const expire = async () => Number((await sql('select private.expire_keys() as done'))[0].done);
const notices = async (who, type = 'key_expires') =>
  (
    await sql(
      'select metadata, message from flashfusion.notifications where user_id = $1 and type = $2 order by (metadata ->> $3)::int desc',
      [who.claims.sub, type, 'days'],
    )
  ).map(({ metadata, message }) => ({ days: metadata.days, message }));
/** Moves a key and its reminder in time, as if days had passed. */
const pass = async (id, days) => {
  await sql(`update private.key_reminders set due_at = due_at - make_interval(days => $2) where key_id = $1`, [
    id,
    days,
  ]);
  // Without the trigger, which would plan anew.
  await sql(`begin; set local session_replication_role = replica;
    update flashfusion.user_api_keys set expires_at = expires_at - interval '${days} days' where id = '${id}'; commit`);
};

test('users are reminded 30, 20, 10 and 1 days before a key expires, once each', async () => {
  const who = user();
  const { id } = await addKey(who, { alias: 'Main', expires_at: inDays(40) });
  const seen = [];
  for (let day = 0; day <= 41; day += 1) {
    for (let n = 0; n < 2; n += 1) await remind();
    const found = await notices(who);
    if (found.length > seen.length) seen.push(40 - day);
    await pass(id, 1);
  }
  assert.deepEqual(seen, [30, 20, 10, 1]);
  const found = await notices(who);
  assert.deepEqual(
    found.map(({ days }) => days),
    [30, 20, 10, 1],
  );
  assert.match(
    found[0].message,
    /^Your OpenAI key "Main" \(\.\.\.wxyz\) expires in 30 days, on \d{4}-\d\d-\d\d \(UTC\)\.$/,
  );
  assert.match(found[3].message, /expires in a day/);
});

test('a successor that expires unconfirmed is revoked: rotated in its turn, it would give a plan more keys than it has', async () => {
  const who = user();
  const { id } = await addKey(who, {});
  const next = await rotateKey(who, id, { expires_at: inDays(1) });
  await pass(next.id, 2);
  await expire();
  const [row] = await sql(
    'select status, is_active, revoked_at is not null as ended from flashfusion.user_api_keys where id = $1',
    [next.id],
  );
  assert.deepEqual(row, { status: 'revoked', is_active: false, ended: true });
  assert.deepEqual(await sql('select from private.api_key_secrets where key_id = $1', [next.id]), []);
  await assert.rejects(rotateKey(who, next.id), refusal('RG604', 409));
  assert.equal((await rotateKey(who, id)).rotated_from, id);
});

test('reminders come within minutes of their time, and so does the end', async () => {
  const rows = await sql(`select schedule from private.jobs where name in ('remind_of_keys', 'expire_keys')`);
  assert.deepEqual(rows, [{ schedule: '*/5 * * * *' }, { schedule: '*/5 * * * *' }]);
});

test('a reminder that is late names the days that are left, and one that never came is not sent afterwards', async () => {
  const who = user();
  const { id } = await addKey(who, { expires_at: inDays(40) });
  await pass(id, 25);
  await remind();
  assert.deepEqual(
    (await notices(who)).map(({ days }) => days),
    [15],
  );
  await pass(id, 5);
  await remind();
  assert.deepEqual(
    (await notices(who)).map(({ days }) => days),
    [15, 10],
  );
});

test('no reminder of a key that was to expire sooner, has ended or is switched off', async () => {
  const who = user();
  const soon = await addKey(who, { alias: 'soon', expires_at: inDays(5) });
  const revoked = await addKey(who, { alias: 'revoked', expires_at: inDays(40) });
  const off = await addKey(who, { alias: 'off', expires_at: inDays(40) });
  await revokeKey(who, revoked.id);
  await run(who, 'update flashfusion.user_api_keys set is_active = false where id = $1', [off.id]);
  await pass(off.id, 11);
  await remind();
  assert.deepEqual(await notices(who), []);
  await pass(soon.id, 4);
  await remind();
  assert.deepEqual(
    (await notices(who)).map(({ days }) => days),
    [1],
  );
});

test('a key that has expired loses its sealed text, and its owner learns of it once', async () => {
  const who = user();
  const made = await addKey(who, { expires_at: inDays(2) });
  await expire();
  assert.equal((await keyRow(made.id)).status, 'active');
  await pass(made.id, 3);
  for (let n = 0; n < 2; n += 1) await expire();
  assert.equal((await keyRow(made.id)).status, 'expired');
  assert.equal(await hasSecret(made.id), false);
  assert.equal((await notices(who, 'key_expired')).length, 1);
  await assert.rejects(call(who, 'flashfusion.verify_key', { id: made.id }), refusal('RG604', 409));
  // The next one takes its place.
  const next = await rotateKey(who, made.id);
  assert.equal((await confirmKey(who, next.id)).status, 'active');
});

const edge = { role: 'edge' };
const verified = (id, valid) => call(edge, 'edge.key_verified', { key_id: id, is_valid: valid });

test('what a service says of a key is its status', async () => {
  const who = user();
  const made = await addKey(who, { alias: 'one', verify: true });
  assert.equal(made.verification, 'requested');
  const seen = await call(edge, 'edge.key_to_verify', { key_id: made.id });
  assert.deepEqual([seen.row, seen.owner, seen.key_version], [made.id, who.claims.sub, 1]);
  assert.equal((await verified(made.id, false)).status, 'invalid');
  assert.ok(await hasSecret(made.id));
  const again = await verified(made.id, true);
  assert.deepEqual([again.status, Boolean(again.verified_at)], ['active', true]);

  // A pending key waits for its confirmation all the same, and what has ended does not come back.
  const pending = await rotateKey(who, made.id);
  assert.equal((await verified(pending.id, false)).status, 'pending');
  assert.equal((await verified(pending.id, true)).status, 'pending');
  await revokeKey(who, pending.id);
  assert.equal((await verified(pending.id, true)).status, 'revoked');
  assert.equal(await call(edge, 'edge.key_to_verify', { key_id: pending.id }), null);
  assert.equal(await verified(randomUUID(), true), null);
});

test('adding and rotating keys ask a service no more often than verifications do, and count against the daily allowance', async () => {
  const who = user();
  const sealed = sealedText();
  const made = await addKey(who, { alias: 'first', sealed });
  const [used] = await sql(
    `select rows::int, bytes::int from private.daily_usage where name = 'flashfusion' and caller = $1`,
    [`user ${who.claims.sub}`],
  );
  assert.deepEqual(used, { rows: 1, bytes: 1000 + sealed.length });
  await sql(`update private.limit_rules set burst = 3 where name = 'key-verifications'`);
  try {
    const second = await addKey(who, { alias: 'second', verify: true });
    await call(who, 'flashfusion.verify_key', { id: made.id });
    await rotateKey(who, made.id, { verify: true });
    for (const ask of [
      () => addKey(who, { alias: 'third', verify: true }),
      () => rotateKey(who, second.id, { verify: true }),
    ])
      await assert.rejects(ask(), refusal('RG501', 429));
    assert.equal((await addKey(who, { alias: 'third' })).verification, null);
  } finally {
    await sql(`update private.limit_rules set burst = 100000 where name = 'key-verifications'`);
  }
});

test('an invalid key whose alias another one has taken stays invalid', async () => {
  const who = user();
  const first = await addKey(who, { alias: 'Main' });
  await verified(first.id, false);
  await addKey(who, { alias: 'Main' });
  const again = await verified(first.id, true);
  assert.deepEqual([again.status, Boolean(again.verified_at)], ['invalid', true]);
});

test('only the edge hands in keys and asks for their sealed texts', async () => {
  const who = user();
  const { id } = await addKey(who, {});
  for (const caller of [who, { role: 'service_role' }, { role: 'anon' }]) {
    await assert.rejects(call(caller, 'flashfusion.add_key', keyOf(who)), { code: '42501' });
    await assert.rejects(call(caller, 'edge.key_to_verify', { key_id: id }), { code: '42501' });
    await assert.rejects(verifiedBy(caller, id), { code: '42501' });
  }
});
const verifiedBy = (caller, id) => call(caller, 'edge.key_verified', { key_id: id, is_valid: true });

test('an erased user’s token stores nothing', async () => {
  const who = user();
  const made = await addKey(who, {});
  await sql('insert into private.erased_users (id) values ($1)', [who.claims.sub]);
  await assert.rejects(addKey(who, { alias: 'after' }), refusal('RG521', 403));
  await assert.rejects(rotateKey(who, made.id), refusal('RG521', 403));
  await assert.rejects(
    run(who, `update flashfusion.user_api_keys set key_alias = 'x' where id = $1`, [made.id]),
    refusal('RG521', 403),
  );
});

test('a change of a key is audited without its values', async () => {
  const who = user();
  const made = await addKey(who, {});
  await run(who, `update flashfusion.user_api_keys set key_alias = 'Renamed' where id = $1`, [made.id]);
  await revokeKey(who, made.id);
  const rows = await sql(
    `select relation, operation, columns, actor from private.audit_log where row_id = $1 order by id`,
    [made.id],
  );
  assert.deepEqual(
    rows.map(({ relation, operation, columns }) => `${relation} ${operation} ${columns ?? ''}`.trim()),
    [
      'flashfusion.user_api_keys INSERT',
      'private.api_key_secrets INSERT',
      'flashfusion.user_api_keys UPDATE key_alias',
      'private.api_key_secrets DELETE',
      'flashfusion.user_api_keys UPDATE is_active,revoked_at,status',
    ],
  );
  for (const { actor } of rows) assert.equal(actor, who.claims.sub);
});
