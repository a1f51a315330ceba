// Summaries: each caller gets what they may see, the sums equal the events, and readers do not wait for a refresh.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { as, close, sql, transaction } from '../../support/stack.js';
import {
  addEvents,
  event,
  makeMember,
  makeTenant,
  refusal,
  removeTenants,
  runJob,
  signedIn,
  summary,
  today,
} from '../support/usage.js';

const tenants = [];
const people = async (given) => {
  const tenant = await makeTenant(given);
  tenants.push(tenant);
  return {
    tenant,
    member_a: await makeMember(tenant),
    member_b: await makeMember(tenant),
    admin: await makeMember(tenant, 'admin'),
    owner: await makeMember(tenant, 'owner'),
  };
};
after(async () => {
  await removeTenants(tenants);
  await runJob('refresh_usage_summary');
  await runJob('refresh_feedback_summary');
  await close();
});

/** Midday of a day in a month of the last year; now, where that is still to come. */
const monthsAgo = (months, day = 10) => {
  const now = new Date();
  const midday = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, day, 12);
  return new Date(Math.min(midday, now.getTime())).toISOString();
};
const monthly = (who) =>
  as(signedIn(who), (query) =>
    query(
      'select month::text, user_id, requests::int, total_tokens::int, cost_micro::int from assistant.monthly_usage_summary()',
    ),
  );
const rated = (who, conversation) =>
  as(signedIn(who), (query) =>
    query('select message_id, ups::int, downs::int from assistant.message_feedback_summary($1) order by message_id', [
      conversation,
    ]),
  );
const refresh = async (name) => {
  const { error, more } = await runJob(name);
  assert.deepEqual([error, more], [null, false]);
};

test('a month’s summary shows members their own and admins their tenant, and nothing of another one', async () => {
  const [here, there] = [await people(), await people()];
  for (const { member_a: a, member_b: b, tenant } of [here, there])
    await addEvents([
      event(a, { model: `of ${tenant}` }),
      event(b, { model: `of ${tenant}` }),
      event({ tenant }, { model: `of ${tenant}`, prompt_tokens: 7 }),
    ]);
  for (const [{ tenant, member_a: a, admin, owner }, other] of [
    [here, there],
    [there, here],
  ]) {
    for (const who of [admin, owner]) {
      const { of, totals, days } = await summary(who, '2026-11');
      assert.deepEqual([of, totals.requests, totals.total_tokens], ['tenant', 3, 150 + 150 + 57]);
      assert.deepEqual(
        days.map(({ model }) => model),
        [`of ${tenant}`],
      );
    }
    const own = await summary(a, '2026-11');
    assert.deepEqual([own.of, own.totals.requests, own.totals.total_tokens], ['member', 1, 150]);
    assert.ok(!JSON.stringify([own, await today(admin), await summary(admin, '2026-11')]).includes(other.tenant));
  }
  const nobody = { sub: randomUUID() };
  for (const attempt of [
    () => summary(nobody, '2026-11'),
    () => today(nobody),
    () => monthly(nobody),
    () => rated(nobody),
  ])
    assert.equal((await refusal(attempt())).code, 'RG680');
});

test('those who are deactivated, and members of a deactivated tenant, get no summary at the next call', async () => {
  const { tenant, member_a: a, admin } = await people();
  await summary(a, '2026-11');
  await sql('update assistant.users set is_active = false where id = $1', [a.id]);
  for (const attempt of [() => summary(a, '2026-11'), () => today(a), () => monthly(a), () => rated(a)])
    assert.equal((await refusal(attempt())).code, 'RG680');
  await summary(admin, '2026-11');
  await sql('update assistant.tenants set is_active = false where id = $1', [tenant]);
  assert.equal((await refusal(summary(admin, '2026-11'))).code, 'RG680');
});

test('a token of an erased user, and one whose scope is another system, get none', async () => {
  const { member_a: a, member_b: b } = await people();
  const scoped = { api_token: { id: randomUUID(), systems: ['clixen'], endpoints: [], access: 'read' } };
  for (const name of ['usage_summary()', 'current_day_usage()'])
    await assert.rejects(
      as(signedIn(b, scoped), (query) => query(`select assistant.${name}`)),
      { code: 'PGRST' },
    );
  await sql('select private.mark_erased($1)', [a.sub]);
  assert.equal((await refusal(summary(a, '2026-11'))).code, 'RG521');
});

test('the monthly summary equals the events, by member and as a whole, and keeps tenants apart', async () => {
  const { tenant, member_a: a, member_b: b, admin } = await people();
  const other = await people();
  const events = [0, 0, 1, 2, 11, 12].flatMap((months, n) => [
    event(a, { at: monthsAgo(months), prompt_tokens: 10 + n }),
    event(n % 2 ? b : { tenant }, { at: monthsAgo(months, 11), prompt_tokens: 100 + n, model: 'another' }),
  ]);
  await addEvents([...events, event(other.member_a, { at: monthsAgo(1) }), event(a, { at: monthsAgo(14) })]);
  await refresh('refresh_usage_summary');
  const wanted = {};
  for (const { at, user_id: user, prompt_tokens: p, completion_tokens: c } of events)
    for (const who of new Set([null, user ?? null])) {
      const key = `${at.slice(0, 7)}-01 ${who}`;
      const [requests, tokens] = wanted[key] ?? [0, 0];
      wanted[key] = [requests + 1, tokens + p + c];
    }
  const found = (rows) =>
    Object.fromEntries(
      rows.map(({ month, user_id: user, requests, total_tokens: tokens }) => [`${month} ${user}`, [requests, tokens]]),
    );
  assert.deepEqual(found(await monthly(admin)), wanted);
  const ofOne = Object.fromEntries(Object.entries(wanted).filter(([key]) => key.endsWith(a.id)));
  assert.deepEqual(found(await monthly(a)), ofOne);
  assert.equal((await monthly(other.admin)).length, 2);
  // Again, and with less: a member goes.
  await sql('delete from assistant.users where id = $1', [a.id]);
  await refresh('refresh_usage_summary');
  const kept = Object.fromEntries(Object.entries(wanted).filter(([key]) => !key.endsWith(a.id)));
  assert.deepEqual(found(await monthly(admin)), kept);
});

/** A conversation of a member with an answer that everybody in the list has rated. */
const ratedAnswer = async (tenant, author, ratings) => {
  const [{ id }] = await sql(`insert into assistant.conversations (tenant_id, user_id) values ($1, $2) returning id`, [
    tenant,
    author.id,
  ]);
  const [{ id: message }] = await sql(
    `insert into assistant.messages (conversation_id, role, content) values ($1, 'assistant', 'An answer') returning id`,
    [id],
  );
  for (const [who, rating] of ratings)
    await sql('insert into assistant.feedback (message_id, user_id, rating) values ($1, $2, $3)', [
      message,
      who.id,
      rating,
    ]);
  return { conversation: id, message };
};

test('the summary of feedback shows what the caller sees: not another tenant’s, nor others’ private conversations', async () => {
  const [open, closed] = [await people(), await people({ features: { private_conversations: true } })];
  const made = {};
  for (const [name, { tenant, member_a: a, member_b: b, admin }] of Object.entries({ open, closed }))
    made[name] = await ratedAnswer(tenant, a, [
      [a, 1],
      [b, -1],
      [admin, -1],
    ]);
  await refresh('refresh_feedback_summary');
  const of = ({ message }) => [{ message_id: message, ups: 1, downs: 2 }];
  for (const who of [open.member_a, open.member_b, open.admin]) {
    assert.deepEqual(await rated(who), of(made.open));
    assert.deepEqual(await rated(who, made.open.conversation), of(made.open));
    assert.deepEqual(await rated(who, made.closed.conversation), []);
    assert.deepEqual(await rated(who, randomUUID()), []);
  }
  for (const who of [closed.member_a, closed.admin, closed.owner]) assert.deepEqual(await rated(who), of(made.closed));
  assert.deepEqual(await rated(closed.member_b), []);
  // What is deleted after the refresh is gone at once.
  await sql('delete from assistant.conversations where id = $1', [made.open.conversation]);
  assert.deepEqual(await rated(open.member_a), []);
  await refresh('refresh_feedback_summary');
  assert.deepEqual(
    await sql('select from private.message_feedback_summary where message_id = $1', [made.open.message]),
    [],
  );
});

test('a refresh does not keep readers waiting, nor do readers keep it', async () => {
  const { tenant, member_a: a, member_b: b, admin } = await people();
  await addEvents([event(a, { at: monthsAgo(0) })]);
  await ratedAnswer(tenant, a, [[b, 1]]);
  await refresh('refresh_usage_summary');
  await refresh('refresh_feedback_summary');
  let done = false;
  let reads = 0;
  const reader = async () => {
    while (!done) {
      const [row] = (await monthly(admin)).filter(({ user_id: user }) => user === null);
      // Never half: an old state or a new one.
      assert.ok(row.requests >= 1);
      assert.equal(row.total_tokens, 150 * row.requests);
      assert.equal((await rated(admin)).length, 1);
      reads += 1;
    }
  };
  // One holds what it has read for the whole time.
  await transaction(async (query) => {
    await query('select count(*) from private.monthly_usage_summary');
    await query('select count(*) from private.message_feedback_summary');
    const readers = Promise.all(Array.from({ length: 8 }, reader));
    try {
      for (let n = 0; n < 10; n += 1) {
        await addEvents([event(n % 2 ? a : b, { at: monthsAgo(0) })]);
        await refresh('refresh_usage_summary');
        await refresh('refresh_feedback_summary');
      }
      // A reader reads while a refresh is not finished.
      await transaction(async (refreshing) => {
        await refreshing('select private.refresh_usage_summary(), private.refresh_feedback_summary()');
        const before = reads;
        await monthly(admin);
        await rated(admin);
        assert.ok(reads >= before);
      });
    } finally {
      done = true;
    }
    await readers;
  });
  assert.ok(reads > 0);
  assert.equal((await monthly(admin)).find(({ user_id: user }) => user === null).requests, 11);
});

test('nobody reads the summaries past their functions', async () => {
  for (const role of ['anon', 'authenticated', 'edge', 'service_role'])
    for (const view of ['monthly_usage_summary', 'message_feedback_summary'])
      await transaction(async (query) => {
        await query(`set local role ${role}`);
        await assert.rejects(query(`select from private.${view}`), { code: '42501' });
      });
});
