// Tasks through the edge: their endpoints, real worker processes that are killed, and the example.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { root } from '../../../dev/paths.js';
import { ask, close, made, sql, stack, userToken } from '../../support/stack.js';
import { clear, load, makeAgent, makeUser, sweep } from '../support/tasks.js';

const children = new Set();
before(() => sql(`update private.limit_rules set burst = 100000 where name = 'tasks'`));
after(async () => {
  for (const child of children) child.kill('SIGKILL');
  await sql(`update private.limit_rules set burst = 300 where name = 'tasks'`);
  await clear();
  await close();
});

const worker = (name, json) => ask(`/v1/workers/${name}`, { token: stack.service_key, json });
const claim = async (agent, given = {}) => {
  const { status, body, text } = await worker('claim', { worker: 'tester', agents: [agent], quantity: 10, ...given });
  assert.equal(status, 200, text);
  return body.tasks;
};

/** A process whose lines are read. */
const start = (file, env, ...args) => {
  const child = spawn(process.execPath, [join(root, file), ...args], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.add(child);
  const lines = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  const ended = new Promise((resolve) => {
    child.once('close', (code, signal) => {
      children.delete(child);
      resolve(signal ?? code);
    });
  });
  return { child, lines, ended };
};

test('a task through the edge, from its request to its result', async () => {
  const agent = await makeAgent();
  const sub = await makeUser();
  const token = await userToken(sub);
  const json = { agent_id: agent, task_type: 'test', task_data: { text: 'four' }, priority: 2 };
  const headers = { 'idempotency-key': randomUUID() };
  const first = await ask('/v1/tasks', { token, json, headers });
  assert.equal(first.status, 201, first.text);
  const again = await ask('/v1/tasks', { token, json, headers });
  assert.deepEqual([again.status, again.body.id], [201, first.body.id]);
  const other = await ask('/v1/tasks', { token, json: { ...json, priority: 3 }, headers });
  assert.deepEqual([other.status, other.body.code], [422, 'RG503']);

  const [task] = await claim(agent);
  assert.equal(task.id, first.body.id);
  const held = { id: task.id, lease_token: task.lease_token };
  assert.equal((await worker('heartbeat', held)).status, 200);
  const wrong = await worker('complete', { ...held, lease_token: randomUUID() });
  assert.deepEqual([wrong.status, wrong.body.code], [409, 'RG611']);
  assert.deepEqual((await worker('complete', { ...held, result: [1, 'two'] })).body, {
    id: task.id,
    status: 'completed',
  });
  const seen = await ask(`/rest/v1/agent_tasks?id=eq.${task.id}&select=status,result`, {
    token,
    headers: { 'accept-profile': 'flashfusion' },
  });
  assert.deepEqual(seen.body, [{ status: 'completed', result: [1, 'two'] }]);
  const cancelled = await ask(`/v1/tasks/${task.id}/cancel`, { method: 'POST', token });
  assert.deepEqual([cancelled.status, cancelled.body.code], [409, 'RG612']);
});

test('fail, snooze and cancel through the edge', async () => {
  const agent = await makeAgent();
  const token = await userToken(await makeUser());
  const enqueue = async () => (await ask('/v1/tasks', { token, json: { agent_id: agent, task_type: 'test' } })).body;
  await enqueue();
  const [failing] = await claim(agent);
  const failed = await worker('fail', { id: failing.id, lease_token: failing.lease_token, error: 'it broke' });
  assert.equal(failed.body.status, 'retrying', failed.text);
  await enqueue();
  const [snoozing] = await claim(agent);
  const snoozed = await worker('snooze', { id: snoozing.id, lease_token: snoozing.lease_token, seconds: 60 });
  assert.equal(snoozed.body.status, 'pending', snoozed.text);
  const { id } = await enqueue();
  assert.equal((await ask(`/v1/tasks/${id}/cancel`, { method: 'POST', token })).body.status, 'cancelled');
  const stranger = await ask(`/v1/tasks/${snoozing.id}/cancel`, { method: 'POST', token: await userToken() });
  assert.deepEqual([stranger.status, stranger.body.code], [404, 'RG610']);
});

test('a lease that has ended is of no use through the edge, either', async () => {
  const agent = await makeAgent();
  const token = await userToken(await makeUser());
  await ask('/v1/tasks', { token, json: { agent_id: agent, task_type: 'test' } });
  const [zombie] = await claim(agent, { lease_seconds: 1 });
  await new Promise((resolve) => setTimeout(resolve, 1200));
  for (const [name, more] of [
    ['complete', { result: 'mine' }],
    ['fail', { error: 'none' }],
    ['heartbeat', {}],
    ['snooze', { seconds: 5 }],
  ]) {
    const { status, body } = await worker(name, { id: zombie.id, lease_token: zombie.lease_token, ...more });
    assert.deepEqual([status, body.code], [409, 'RG611'], name);
  }
});

test('users are no workers, and workers’ functions are not in the data API', async () => {
  const token = await userToken();
  for (const name of ['claim', 'heartbeat', 'complete', 'complete-batch', 'fail', 'snooze', 'pause']) {
    const refused = await ask(`/v1/workers/${name}`, { token, json: { worker: 'me' } });
    assert.equal(refused.status, 403, refused.text);
    assert.equal((await ask(`/v1/workers/${name}`, { json: { worker: 'me' } })).status, 401);
  }
  for (const bearer of [token, stack.service_key]) {
    const called = await ask('/rest/v1/rpc/claim_tasks', {
      token: bearer,
      json: { worker: 'me' },
      headers: { 'content-profile': 'flashfusion' },
    });
    assert.ok([401, 403, 404].includes(called.status), called.text);
  }
});

test('a worker may have an API token of its own; a user’s token makes nobody a worker', async () => {
  const agent = await makeAgent();
  await load(agent, await makeUser(), 1);
  const endpoints = ['claim', 'heartbeat', 'complete', 'fail', 'snooze'].map((name) => `POST /v1/workers/${name}`);
  const json = { name: 'worker', endpoints, access: 'write' };
  const made = await ask('/v1/tokens', { token: stack.service_key, json });
  assert.equal(made.status, 201, made.text);
  const { token, id } = made.body;
  const asked = { worker: 'mine', agents: [agent] };
  const claimed = await ask('/v1/workers/claim', { token, json: asked });
  assert.equal(claimed.body.tasks?.length, 1, claimed.text);
  const [task] = claimed.body.tasks;
  const done = await ask('/v1/workers/complete', { token, json: { id: task.id, lease_token: task.lease_token } });
  assert.equal(done.body.status, 'completed', done.text);
  const pausing = await ask('/v1/workers/pause', {
    token,
    json: { until: new Date(0).toISOString(), agent_id: agent },
  });
  assert.equal(pausing.status, 403, 'it does not name this endpoint');
  const users = await ask('/v1/tokens', { token: await userToken(), json });
  if (users.status === 201) {
    const refused = await ask('/v1/workers/claim', { token: users.body.token, json: asked });
    assert.equal(refused.status, 403, refused.text);
  }
  await ask(`/v1/tokens/${id}`, { method: 'DELETE', token: stack.service_key });
});

test('a batch ends through the edge, by who may; what is not valid ends no task', async () => {
  const agent = await makeAgent();
  await load(agent, await makeUser(), 3);
  const made = (endpoints, access = 'write') =>
    ask('/v1/tokens', { token: stack.service_key, json: { name: 'worker', endpoints, access } });
  const others = await made(['POST /v1/workers/claim', 'POST /v1/workers/complete']);
  const mine = await made(['POST /v1/workers/complete-batch']);
  assert.deepEqual([others.status, mine.status], [201, 201], `${others.text} ${mine.text}`);
  const end = (tasks, token = mine.body.token) => ask('/v1/workers/complete-batch', { token, json: { tasks } });
  const tasks = (await claim(agent)).map(({ id, lease_token }) => ({ id, lease_token, result: 'a'.repeat(262_000) }));
  assert.equal(tasks.length, 3);
  assert.equal((await end(tasks, others.body.token)).status, 403);
  const foreign = tasks.map(({ id }) => ({ id, lease_token: randomUUID() }));
  assert.deepEqual(
    (await end(foreign)).body.tasks.map(({ status }) => status),
    ['lease_lost', 'lease_lost', 'lease_lost'],
  );
  for (const [name, sent, status, code] of [
    ['twice', [tasks[0], { ...tasks[0], id: tasks[0].id.toUpperCase() }], 422, 'RG615'],
    ['null', null, 400, 'RG325'],
    ['nulls', [tasks[0], null], 422],
    ['no lease', [{ id: tasks[0].id, lease_token: null }], 422],
    ['a number', [{ ...tasks[0], lease_token: 7 }], 422],
    ['too large', [tasks[1], { ...tasks[0], result: 'a'.repeat(262_144) }], 422, 'RG617'],
    ['a hundred of 256 KB', Array.from({ length: 100 }, () => tasks[0]), 413],
    ['a character that PostgreSQL does not store', [tasks[1], { ...tasks[0], result: 'a\u0000b' }], 400, 'RG301'],
  ]) {
    const { status: found, body, text } = await end(sent);
    assert.equal(found, status, `${name}: ${text}`);
    if (code) assert.equal(body.code, code, name);
  }
  const [{ n }] = await sql(
    `select count(*)::int as n from flashfusion.agent_tasks where agent_id = $1 and status = 'running'`,
    [agent],
  );
  assert.equal(n, 3, 'none has ended');
  const ended = await end(tasks.map((task, at) => (at ? task : { ...task, id: task.id.toUpperCase() })));
  assert.deepEqual(
    ended.body.tasks,
    tasks.map(({ id }) => ({ id, status: 'completed' })),
    ended.text,
  );
  for (const { body } of [others, mine])
    await ask(`/v1/tokens/${body.id}`, { method: 'DELETE', token: stack.service_key });
});

test('everybody reads the catalogue, which is cached; nothing more is in it', async () => {
  const agent = await makeAgent();
  await sql(`insert into private.agent_settings (agent_id, config, health_check_url) values ($1, $2, $3)`, [
    agent,
    { key: 'hidden-config' },
    'https://hidden.example/health',
  ]);
  const [{ id: service }] = await sql(
    `insert into flashfusion.ai_services (name, provider, model_name) values ('Priced', 'tester', $1) returning id`,
    [`m-${randomUUID()}`],
  );
  await sql(
    `insert into private.model_prices (provider, model, effective_from, input_micro, output_micro)
     select provider, model_name, now() - interval '1 day', 3000000, 15000000 from flashfusion.ai_services where id = $1`,
    [service],
  );
  try {
    // The answer of a minute ago may be cached: another query string is another answer, where the endpoint has arguments; so wait.
    const read = async (path, found) => {
      for (let n = 0; n < 70; n += 1) {
        const answer = await ask(path);
        assert.equal(answer.status, 200, answer.text);
        assert.match(answer.headers.get('cache-control'), /max-age=\d+/);
        assert.doesNotMatch(answer.text, /hidden/);
        const one = found(answer.body);
        if (one) return one;
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
      return assert.fail(`${path} does not show the new row`);
    };
    const shown = await read('/v1/services', ({ services }) => services.find(({ id }) => id === service));
    assert.deepEqual([shown.price.input_micro, shown.price.output_micro], [3_000_000, 15_000_000]);
    assert.ok(await read('/v1/agents', ({ agents }) => agents.find(({ id }) => id === agent)));
    const headers = { 'accept-profile': 'flashfusion' };
    const { publishable_key: key } = made;
    const rows = await ask(`/rest/v1/agents?id=eq.${agent}`, { key, headers });
    assert.equal(rows.body.length, 1, rows.text);
    assert.doesNotMatch(rows.text, /hidden/);
    const hiddenToo = `/rest/v1/agents?id=eq.${agent}&select=name,config,health_check_url`;
    const office = await ask(hiddenToo, { token: stack.service_key, headers });
    assert.deepEqual(
      [office.body[0]?.config, office.body[0]?.health_check_url],
      [{ key: 'hidden-config' }, 'https://hidden.example/health'],
      office.text,
    );
    for (const who of [{ key }, { token: await userToken() }]) {
      const refused = await ask(hiddenToo, { ...who, headers });
      assert.ok([401, 403].includes(refused.status), refused.text);
      const called = await ask('/rest/v1/rpc/config', {
        ...who,
        headers: { 'content-profile': 'flashfusion' },
        json: { agent: { id: agent } },
      });
      assert.ok([401, 403, 404].includes(called.status), called.text);
    }
    const computed = await ask(`/rest/v1/ai_services?id=eq.${service}&select=name,price`, { key, headers });
    assert.equal(computed.body[0]?.price.output_micro, 15_000_000, computed.text);
  } finally {
    await sql(`delete from private.model_prices where provider = 'tester'`);
    await sql(`delete from flashfusion.ai_services where provider = 'tester'`);
  }
});

test('eight workers, 10,000 tasks, random kills: each is completed once, or dead with its errors', async () => {
  const agent = await makeAgent();
  const users = [];
  for (let n = 0; n < 20; n += 1) users.push(await makeUser(n % 2 ? 'pro' : 'free'));
  for (const sub of users) await load(agent, sub, 500);
  // Ten poison whoever takes them. The others may be unlucky several times: they have retries enough.
  await sql(`update flashfusion.agent_tasks as t set max_retries = 20 where t.agent_id = $1`, [agent]);
  const poison = await sql(
    `update flashfusion.agent_tasks as t set max_retries = 2, task_data = '{"poison": true}'
     where t.id in (select id from flashfusion.agent_tasks where agent_id = $1 order by id limit 10) returning id`,
    [agent],
  );
  const given = (name) =>
    JSON.stringify({ agent, leaseSeconds: 2, name, token: stack.service_key, url: stack.edge_url });
  const all = [];
  const slots = Array.from({ length: 8 });
  let ends = false;
  let starts = 0;
  const keepRunning = async (slot) => {
    while (!ends) {
      starts += 1;
      const name = `worker ${slot} ${starts}`;
      const process_ = start('tests/flashfusion/support/worker.js', {}, given(name));
      slots[slot] = process_;
      all.push({ ...process_, name });
      await process_.ended;
    }
  };
  const running = slots.map((_, slot) => keepRunning(slot));
  const counts = async () =>
    Object.fromEntries(
      (
        await sql('select status, count(*)::int as n from flashfusion.agent_tasks where agent_id = $1 group by 1', [
          agent,
        ])
      ).map(({ status, n }) => [status, n]),
    );
  let kills = 0;
  const limit = Date.now() + 420_000;
  for (;;) {
    const { completed = 0, dead = 0 } = await counts();
    if (completed + dead === 10_000 || Date.now() > limit) break;
    // Waits for other attempts are over: what is tested is that they come.
    await sql(
      `update private.task_backlog set run_at = clock_timestamp() where agent_id = $1 and not is_due and run_at > clock_timestamp()`,
      [agent],
    );
    await sweep();
    if (completed < 9500) {
      slots[Math.floor(Math.random() * 8)]?.child.kill('SIGKILL');
      kills += 1;
    }
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
  ends = true;
  for (const { child } of slots) child.kill('SIGTERM');
  await Promise.all(running);

  assert.deepEqual(await counts(), { completed: 9990, dead: 10 });
  assert.ok(kills >= 5, `${kills} kills`);
  const dead = await sql('select id, errors from flashfusion.agent_tasks where agent_id = $1 and status = $2', [
    agent,
    'dead',
  ]);
  assert.deepEqual(dead.map(({ id }) => id).sort(), poison.map(({ id }) => id).sort());
  for (const { errors } of dead) assert.equal(errors.length, 3);
  // Nobody was told twice that a task is completed, and the result is that of the worker that was told so.
  const told = new Map();
  const by = new Map();
  for (const { lines, name } of all) {
    for (const line of lines) {
      const [, id] = /^completed (\S+)$/.exec(line) ?? [];
      if (!id) continue;
      told.set(id, (told.get(id) ?? 0) + 1);
      by.set(id, name);
    }
  }
  const results = await sql(
    `select id, result ->> 'by' as by from flashfusion.agent_tasks where agent_id = $1 and status = 'completed'`,
    [agent],
  );
  assert.deepEqual(
    results.filter((row) => by.has(row.id) && by.get(row.id) !== row.by),
    [],
  );
  assert.deepEqual(
    [...told.values()].filter((times) => times > 1),
    [],
  );
  // Only a worker that was killed may have completed a task and not been told.
  const killed = new Set(all.filter(({ child }) => child.signalCode === 'SIGKILL').map(({ name }) => name));
  assert.deepEqual(
    results.filter((row) => !told.has(row.id) && !killed.has(row.by)),
    [],
  );
  assert.ok(told.size > 0);
  const left = await sql(
    'select count(*)::int as n from (select task_id from private.task_queue where agent_id = $1 union all select task_id from private.task_backlog where agent_id = $1) as l',
    [agent],
  );
  assert.deepEqual(left, [{ n: 0 }]);
});

test('the worker of the examples keeps a task for longer than its lease, and stops one that its owner cancels', async () => {
  const agent = await makeAgent();
  const token = await userToken(await makeUser());
  const enqueue = async (ms) => {
    const json = { agent_id: agent, task_type: 'test', task_data: { ms }, max_retries: 0 };
    return (await ask('/v1/tasks', { token, json })).body.id;
  };
  const [long, endless] = [await enqueue(7000), await enqueue(600_000)];
  const given = { agent, leaseSeconds: 3, name: 'a slow worker', token: stack.service_key, url: stack.edge_url };
  const { child, ended } = start('tests/flashfusion/support/worker.js', {}, JSON.stringify(given));
  const row = async (id) =>
    (await sql('select status, error_message from flashfusion.agent_tasks where id = $1', [id]))[0];
  const until = async (id, status) => {
    for (let n = 0; n < 600 && (await row(id)).status !== status; n += 1) {
      await sql('select private.reap_tasks()');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return row(id);
  };
  assert.equal((await until(endless, 'running')).status, 'running');
  assert.deepEqual(await until(long, 'completed'), { status: 'completed', error_message: null });
  const cancelled = await ask(`/v1/tasks/${endless}/cancel`, { method: 'POST', token });
  assert.equal(cancelled.body.cancel_requested, true, cancelled.text);
  assert.deepEqual(await until(endless, 'cancelled'), {
    status: 'cancelled',
    error_message: 'Cancelled by its owner',
  });
  child.kill('SIGTERM');
  assert.equal(await ended, 0);
});

test('the worker of the examples completes a task, and fails one that it cannot do', async () => {
  const agent = await makeAgent();
  const token = await userToken(await makeUser());
  // It takes tasks of all agents: there must be no others.
  await sql('delete from private.task_backlog');
  await sql('delete from private.task_queue');
  const enqueue = async (task_data) =>
    (await ask('/v1/tasks', { token, json: { agent_id: agent, task_type: 'test', task_data, max_retries: 0 } })).body
      .id;
  const good = await enqueue({ text: 'seven..' });
  const bad = await enqueue({ words: 1 });
  const { child, lines, ended } = start('examples/flashfusion/worker.js', {
    ROWGATE_URL: stack.edge_url,
    ROWGATE_TOKEN: stack.service_key,
  });
  for (let n = 0; n < 100 && lines.length < 2; n += 1) await new Promise((resolve) => setTimeout(resolve, 100));
  child.kill('SIGTERM');
  assert.equal(await ended, 0);
  const rows = await sql(
    'select status, result, error_message from flashfusion.agent_tasks where id = any ($1) order by status',
    [[good, bad]],
  );
  assert.deepEqual(rows, [
    { status: 'completed', result: { letters: 7 }, error_message: null },
    { status: 'dead', result: null, error_message: 'task_data.text is missing' },
  ]);
});
