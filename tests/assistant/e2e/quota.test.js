// Quota through the edge: a tenant with room for 37 requests lets exactly 37 of 200 pass, and says to the rest when to come again.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { ask, close, sql, stack, userToken } from '../../support/stack.js';
import { budget, event, makeMember, makeTenant, metricsOf, removeTenants } from '../support/usage.js';

const tenants = [];
after(async () => {
  await removeTenants(tenants);
  await close();
});

const rpc = (name, json, token = stack.service_key) =>
  ask(`/rest/v1/rpc/${name}`, { token, json, headers: { 'content-profile': 'assistant' } });
const begin = ({ tenant, id }, estimate) => rpc('begin_request', { tenant, user: id, estimate });
const end = (reservation, prompt, completion) =>
  rpc('end_request', { reservation, prompt, completion, model: 'a-model' });

test('200 requests over ten connections, room for 37, one of a new member: exactly 37 pass, ten times of ten', async () => {
  for (let run = 0; run < 10; run += 1) {
    const tenant = await makeTenant({ tokens: 37 * 100 + 50 });
    tenants.push(tenant);
    const members = await Promise.all(Array.from({ length: 50 }, () => makeMember(tenant)));
    const answers = [];
    const left = Array.from({ length: 200 }, (_, n) => n);
    const connection = async () => {
      for (let n = left.pop(); n !== undefined; n = left.pop())
        answers.push(await begin(n === 170 ? await makeMember(tenant) : members[n % 50], 100));
    };
    await Promise.all(Array.from({ length: 10 }, connection));
    const passed = answers.filter(({ status }) => status === 200);
    assert.equal(passed.length, 37, `run ${run}`);
    for (const { status, body, headers } of answers.filter((answer) => answer.status !== 200)) {
      assert.deepEqual([status, body.code, body.details], [429, 'RG683', '50 of 3750 left, the request may need 100']);
      assert.ok(Number(headers.get('retry-after')) > 0);
    }
    assert.deepEqual(await budget(tenant), { limit: 3750, used: 0, reserved: 3700, left: 50 });
    // Each is ended twice, and counts once.
    const ends = await Promise.all(
      passed.slice(0, 10).flatMap(({ body }) => [end(body.reservation, 60, 10), end(body.reservation, 60, 10)]),
    );
    for (const { status, text } of ends) assert.equal(status, 200, text);
    assert.equal(ends.filter(({ body }) => body.is_new).length, 10);
  }
});

test('no user begins, ends or counts, past the edge neither', async () => {
  const tenant = await makeTenant();
  tenants.push(tenant);
  const owner = await makeMember(tenant, 'owner');
  const token = await userToken(owner.sub);
  const calls = {
    begin_request: { tenant, user: owner.id, estimate: 1 },
    end_request: { reservation: owner.id, prompt: 1, completion: 1, model: 'x' },
    add_usage_events: { events: [] },
    increment_usage_metrics: { tenant, user: null, date: '2026-01-01', prompt: 1, completion: 1 },
  };
  for (const [name, json] of Object.entries(calls)) {
    assert.equal((await rpc(name, json, token)).status, 403, name);
    const past = await ask(`/rpc/${name}`, {
      base: stack.postgrest_url,
      token,
      json,
      headers: { 'content-profile': 'assistant' },
    });
    assert.equal(past.status, 403, name);
  }
  assert.equal((await ask('/v1/usage/events', { token, json: { events: [event(owner)] } })).status, 403);
  for (const path of ['/rest/v1/usage_metrics?tenant_id=not.is.null', `/rest/v1/usage_metrics?tenant_id=eq.${tenant}`])
    assert.equal(
      (await ask(path, { token, method: 'DELETE', headers: { 'content-profile': 'assistant' } })).status,
      403,
      path,
    );
});

test('events of service_role count once, a conflict is 409 and names the id, and members read their own', async () => {
  const [tenant, other] = [await makeTenant(), await makeTenant()];
  tenants.push(tenant, other);
  const [member, colleague, stranger] = [
    await makeMember(tenant),
    await makeMember(tenant),
    await makeMember(other, 'owner'),
  ];
  const send = (json) => ask('/v1/usage/events', { token: stack.service_key, json });
  const events = [event(member), event(colleague), event(member, { user_id: 'nobody' })];
  const first = await send({ events });
  assert.deepEqual(
    [first.status, first.body],
    [200, { accepted: 2, duplicates: 0, rejected: [{ index: 2, code: 'user_id_invalid' }] }],
  );
  assert.deepEqual((await send(events)).body.duplicates, 2, 'a list alone');
  assert.deepEqual((await send(events[0])).body.duplicates, 1, 'one event alone');
  const conflict = await send({ events: [event(member), { ...events[0], prompt_tokens: 1 }] });
  assert.deepEqual(
    [conflict.status, conflict.body.code, conflict.body.details],
    [409, 'RG685', `["${events[0].event_id}"]`],
  );
  assert.equal((await send({ events: [] })).status, 422);
  assert.deepEqual((await metricsOf(tenant))['2026-11-02 all'][3], 2);

  const summary = async (who, query = '?month=2026-11') =>
    ask(`/v1/usage/summary${query}`, { token: await userToken(who.sub) });
  const own = await summary(member);
  assert.deepEqual([own.status, own.body.of, own.body.totals.requests], [200, 'member', 1]);
  assert.match(own.headers.get('cache-control'), /no-store/);
  assert.equal((await summary(stranger)).body.totals.requests, 0);
  assert.equal((await summary(member, '?month=2026-1')).status, 422);
  assert.equal((await summary({ sub: undefined })).body.code, 'RG680');
  assert.equal((await ask('/v1/usage/summary')).status, 401);

  const reads = {
    current_day_usage: ({ quota, own: mine }) => assert.deepEqual([quota.limit, mine.requests], [1_000_000, 0]),
    monthly_usage_summary: (months) => assert.ok(Array.isArray(months)),
    message_feedback_summary: (ratings) => assert.deepEqual(ratings, []),
  };
  for (const [name, check] of Object.entries(reads)) {
    const read = await ask(`/rest/v1/rpc/${name}`, {
      token: await userToken(member.sub),
      headers: { 'accept-profile': 'assistant' },
    });
    assert.equal(read.status, 200, read.text);
    check(read.body);
  }

  const rows = async (who) =>
    (
      await ask('/rest/v1/usage_metrics?select=user_id', {
        token: await userToken(who.sub),
        headers: { 'accept-profile': 'assistant' },
      })
    ).body.map(({ user_id: user }) => user);
  assert.deepEqual(await rows(member), [member.id]);
  assert.deepEqual(await rows(stranger), []);
  await sql(`update assistant.users set role = 'admin' where id = $1`, [member.id]);
  assert.deepEqual((await rows(member)).sort(), [member.id, colleague.id, null].sort());
  await sql('update assistant.users set is_active = false where id = $1', [member.id]);
  assert.deepEqual(await rows(member), []);
  assert.equal((await summary(member)).body.code, 'RG680');
});
