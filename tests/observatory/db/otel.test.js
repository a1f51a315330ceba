// Logs of OpenTelemetry: costs and durations find the responses and tool calls of transcripts, in any order, and each record counts once.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { as, close, onBehalf, sql, transaction } from '../../support/stack.js';
import { timesCalled } from '../../support/statistics.js';
import {
  callsOf,
  conversationsOf,
  hook,
  rowsOf,
  sendLines,
  somebody,
  take,
  takeLogs,
  vouched,
} from '../support/live.js';
import { logs, record } from '../support/logs.js';

after(close);

const DAY = 86_400_000;
const request = (id, more = {}) => ({
  model: 'claude-opus-5',
  request_id: id,
  cost_usd_micros: 5310,
  cost_usd: 0.00531,
  duration_ms: 900,
  input_tokens: 3,
  output_tokens: 5,
  cache_read_tokens: 7,
  cache_creation_tokens: 11,
  query_source: 'repl_main_thread',
  ...more,
});

/** A prompt, and a response of this request with a tool. */
const transcript = (session, id = 'req_1') =>
  [
    { type: 'user', uuid: 'u1', parentUuid: null, message: { role: 'user', content: 'Fix it' } },
    {
      type: 'assistant',
      uuid: 'u2',
      parentUuid: 'u1',
      requestId: id,
      message: {
        id: `msg_of_${id}`,
        role: 'assistant',
        model: 'claude-opus-5',
        content: [{ type: 'tool_use', id: 'toolu_1', name: 'Bash', input: { command: 'ls' } }],
        usage: { input_tokens: 3, output_tokens: 5, cache_read_input_tokens: 7, cache_creation_input_tokens: 11 },
      },
    },
  ].map((line, n) =>
    JSON.stringify({
      sessionId: session,
      timestamp: `2026-11-20T10:00:0${n}.000Z`,
      cwd: '/home/me/app',
      isSidechain: false,
      ...line,
    }),
  );

const usageOf = (user) =>
  rowsOf(
    `select jsonb_build_object('id', api_message_id, 'kind', kind, 'total', total_tokens, 'reported', reported_cost_micro_usd) as row
    from observatory.usage_records where owner_id = $1 order by api_message_id`,
    [user],
  );
const noticesOf = (user) =>
  rowsOf('select to_jsonb(n) as row from observatory.notices as n where user_id = $1 order by created_at', [user]);

test('what a request cost is told of its response, whichever comes first', async (t) => {
  const id = `req_${randomUUID()}`;
  const orders = {
    'the log first': async (user, session) => {
      await take(user, hook(session, 'UserPromptSubmit'));
      await takeLogs(user, record(session, 'api_request', request(id)));
      // Until then it stands for itself.
      assert.deepEqual(await usageOf(user), [{ id: `otel:${id}`, kind: 'auxiliary', total: 26, reported: 5310 }]);
      await sendLines(user, `${session}.jsonl`, transcript(session, id));
    },
    'the log before anything else is known of the session': async (user, session) => {
      await takeLogs(user, record(session, 'api_request', request(id)));
      assert.deepEqual([await usageOf(user), await conversationsOf(user, session)], [[], []]);
      await sendLines(user, `${session}.jsonl`, transcript(session, id));
    },
    'the transcript first': async (user, session) => {
      await sendLines(user, `${session}.jsonl`, transcript(session, id));
      await takeLogs(user, record(session, 'api_request', request(id)));
    },
    'both twice': async (user, session) => {
      for (const _ of [1, 2]) {
        await takeLogs(user, record(session, 'api_request', request(id), { at: 1_795_000_000_000 }));
        await sendLines(user, `${session}.jsonl`, transcript(session, id));
      }
    },
    'a cost in dollars only': async (user, session) => {
      await takeLogs(user, record(session, 'api_request', request(id, { cost_usd_micros: '' })));
      await sendLines(user, `${session}.jsonl`, transcript(session, id));
    },
    'numbers as texts': async (user, session) => {
      const texts = Object.fromEntries(Object.entries(request(id)).map(([key, value]) => [key, String(value)]));
      await takeLogs(user, record(session, 'api_request', texts));
      await sendLines(user, `${session}.jsonl`, transcript(session, id));
    },
  };
  for (const [name, order] of Object.entries(orders)) {
    await t.test(name, async () => {
      const { user, session } = somebody();
      await order(user, session);
      assert.deepEqual(await usageOf(user), [{ id: `msg_of_${id}`, kind: 'message', total: 26, reported: 5310 }]);
      assert.equal((await conversationsOf(user, session)).length, 1);
    });
  }
});

test('a request that no transcript has, such as for a title, stays and counts', async () => {
  const { user, session } = somebody();
  await sendLines(user, `${session}.jsonl`, transcript(session));
  await takeLogs(
    user,
    record(session, 'api_request', request('req_1'), { sequence: 1 }),
    record(session, 'api_request', request('req_title', { query_source: 'auxiliary', model: 'claude-haiku-4-5' }), {
      sequence: 2,
    }),
  );
  assert.deepEqual(await usageOf(user), [
    { id: 'msg_of_req_1', kind: 'message', total: 26, reported: 5310 },
    { id: 'otel:req_title', kind: 'auxiliary', total: 26, reported: 5310 },
  ]);
});

test('another user’s transcript with the same request is not touched', async () => {
  const [one, other] = [somebody(), somebody()];
  const id = `req_${randomUUID()}`;
  await sendLines(other.user, `${other.session}.jsonl`, transcript(other.session, id));
  await sendLines(one.user, `${one.session}.jsonl`, transcript(one.session, 'req_of_one'));
  await takeLogs(one.user, record(one.session, 'api_request', request(id)));
  assert.deepEqual(
    (await usageOf(other.user)).map(({ reported }) => reported),
    [null],
  );
  // Nor a session of somebody else's.
  await takeLogs(one.user, record(other.session, 'api_request', request(id)));
  assert.deepEqual(
    (await usageOf(other.user)).map(({ reported }) => reported),
    [null],
  );
});

test('a record that an exporter repeats counts once, and a sequence that begins anew is not a repetition', async () => {
  const { user, session } = somebody();
  await take(user, hook(session, 'UserPromptSubmit'));
  const first = record(session, 'api_request', request('req_1'), { at: Date.now() - 5000, sequence: 1 });
  const resumed = record(session, 'api_request', request('req_2'), { at: Date.now(), sequence: 1 });
  assert.deepEqual(await takeLogs(user, first, first), { partialSuccess: {} });
  assert.deepEqual(await takeLogs(user, first, resumed), { partialSuccess: {} });
  const rows = await sql('select sequence::int, request_id from private.otel_events where owner_id = $1 order by id', [
    user,
  ]);
  assert.deepEqual(rows, [
    { sequence: 1, request_id: 'req_1' },
    { sequence: 1, request_id: 'req_2' },
  ]);
  assert.equal((await usageOf(user)).length, 2);
});

test('how long a tool took is known from the log where no hook says it, and from the hook where one does', async (t) => {
  const result = (session) =>
    record(session, 'tool_result', { tool_name: 'Bash', tool_use_id: 'toolu_1', success: 'true', duration_ms: 4200 });
  const orders = {
    'the log alone': [4200, (user, session) => takeLogs(user, result(session))],
    'the log before the transcript': [4200, null, (user, session) => takeLogs(user, result(session))],
    'the hook, then the log': [
      5310,
      async (user, session) => {
        await take(user, hook(session, 'PostToolUse'));
        await takeLogs(user, result(session));
      },
    ],
    'the log, then the hook': [
      5310,
      async (user, session) => {
        await takeLogs(user, result(session));
        await take(user, hook(session, 'PostToolUse'));
      },
    ],
  };
  for (const [name, [wanted, afterwards, before]] of Object.entries(orders)) {
    await t.test(name, async () => {
      const { user, session } = somebody();
      await before?.(user, session);
      await sendLines(user, `${session}.jsonl`, transcript(session));
      await afterwards?.(user, session);
      const { toolu_1 } = await callsOf(user, session);
      assert.deepEqual([toolu_1.duration_ms, toolu_1.duration_source], [wanted, 'hook']);
      const waiting = await sql('select from private.otel_events where owner_id = $1 and applied_at is null', [user]);
      assert.equal(waiting.length, 0);
    });
  }
});

test('hooks, transcript and logs of one session are one conversation, whose last compaction is shown', async () => {
  const { user, session } = somebody();
  await takeLogs(user, record(session, 'user_prompt', { prompt: 'Fix it', prompt_length: 6 }));
  await take(user, hook(session, 'UserPromptSubmit', { prompt: 'Fix it' }));
  await sendLines(user, `${session}.jsonl`, transcript(session));
  await takeLogs(
    user,
    record(
      session,
      'compaction',
      { trigger: 'auto', success: 'true', pre_tokens: 150_000, post_tokens: 9000 },
      { at: 1_795_000_000_000 },
    ),
  );
  const [conversation, ...more] = await conversationsOf(user, session);
  assert.deepEqual(more, []);
  assert.deepEqual([conversation.live.compaction.trigger, conversation.live.compaction.pre_tokens], ['auto', 150_000]);
  assert.deepEqual([conversation.title, conversation.live_since !== null], ['Fix it', true]);
});

test('what the logs say of the user’s account and words is not stored', async () => {
  const { user, session } = somebody();
  await takeLogs(
    user,
    record(session, 'user_prompt', {
      prompt: 'a very private prompt',
      'user.account_uuid': 'account-1',
      'organization.id': 'org-1',
    }),
    record(session, 'api_request', request('req_1', { 'user.account_uuid': 'account-1', 'organization.id': 'org-1' }), {
      sequence: 2,
    }),
    record(
      session,
      'tool_result',
      { tool_use_id: 'toolu_1', tool_parameters: '{"command":"a private command"}', duration_ms: 1 },
      { sequence: 3 },
    ),
  );
  const rows = await rowsOf('select to_jsonb(e) as row from private.otel_events as e where owner_id = $1', [user]);
  assert.equal(rows.length, 3);
  assert.doesNotMatch(JSON.stringify(rows), /private|person@|account-1|org-1/);
});

test('records that no coding agent has written are named, and cost the others nothing', async () => {
  const { user, session } = somebody();
  await take(user, hook(session, 'UserPromptSubmit'));
  const answer = await takeLogs(
    user,
    record(session, 'api_request', request('req_1')),
    { body: { stringValue: 'GET /' }, attributes: [] },
    record('', 'api_request', request('req_2')),
    { ...record(session, 'x'), attributes: 'none' },
    record(session, 'An Event'),
    'no record',
    5,
  );
  assert.deepEqual(
    [answer.partialSuccess.rejectedLogRecords, typeof answer.partialSuccess.errorMessage],
    [6, 'string'],
  );
  assert.equal((await usageOf(user)).length, 1);
});

test('a request without logs is fine, and what is no request is refused', async () => {
  const { user } = somebody();
  const send = (body) =>
    vouched(user, (run) => run('select observatory.take_otel($1) as answer', [JSON.stringify(body)]));
  for (const body of [
    {},
    { resourceLogs: [] },
    { resourceLogs: [{}] },
    { resourceLogs: [{ scopeLogs: [{ logRecords: {} }] }] },
  ])
    assert.deepEqual(await send(body), [{ answer: { partialSuccess: {} } }]);
  for (const body of [[], 'x', 5, null, { resourceLogs: {} }, { resourceLogs: 'x' }])
    await assert.rejects(send(body), /RG332/);
  const query = (run) => run('select observatory.take_otel($1)', [JSON.stringify(logs())]);
  await assert.rejects(as(onBehalf({ role: 'anon' }), query), /RG520/);
  for (const role of ['anon', 'authenticated', 'service_role'])
    await assert.rejects(as({ role, claims: { sub: user } }, query), /permission denied/);
});

test('a live token of an erased user stores no logs', async () => {
  const { user, session } = somebody();
  await sql('insert into private.erased_users (id) values ($1)', [user]);
  await assert.rejects(takeLogs(user, record(session, 'api_request', request('req_1'))), /RG521/);
});

test('the attributes of each record are read once', async () => {
  const records = Array.from({ length: 5 }, () => record(randomUUID(), 'api_request', request(randomUUID())));
  await transaction(async (query) => {
    const calls = await timesCalled(query, 'private.otel_attributes(jsonb)', () =>
      query('select count(attributes) from private.otel_records($1)', [JSON.stringify(logs(...records))]),
    );
    assert.equal(calls, records.length + 1, 'and those of the resource');
  });
});

test('times and numbers that are none harm nothing', async () => {
  const { user, session } = somebody();
  await take(user, hook(session, 'UserPromptSubmit'));
  for (const [n, time] of ['0', '-1', '', 'x', '99999999999999999999', null, {}, 1.5].entries()) {
    const odd = {
      ...record(
        session,
        'api_request',
        request(`req_${n}`, { cost_usd_micros: '-5', cost_usd: 'NaN', input_tokens: '1e999' }),
      ),
      timeUnixNano: time,
    };
    assert.deepEqual(await takeLogs(user, odd), { partialSuccess: {} });
  }
  assert.deepEqual(
    [...new Set((await usageOf(user)).map(({ total, reported }) => `${total} ${reported}`))],
    ['23 null'],
  );
});

/** Makes a session's rows as old as that. */
const age = async (user, session, days) => {
  await sql(
    `update observatory.conversations set created_at = now() - make_interval(days => $3),
      last_message_at = case when last_message_at is not null then now() - make_interval(days => $3) end
    where owner_id = $1 and session_id = $2`,
    [user, session, days],
  );
  await sql(
    `update observatory.hook_events set at = now() - make_interval(days => $3) where owner_id = $1 and session_id = $2`,
    [user, session, days],
  );
};

test('a sweep that deleted transcripts which were never sent becomes a notice to the owner, once', async () => {
  const { user, session: never } = somebody();
  const [sent, young, heard, sweeper] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
  for (const session of [never, sent, young]) await take(user, hook(session, 'UserPromptSubmit'));
  await sendLines(user, `${sent}.jsonl`, transcript(sent));
  await age(user, never, 40);
  await age(user, sent, 40);
  await age(user, young, 20);
  // Known by nothing but its logs.
  await takeLogs(user, record(heard, 'api_request', request('req_heard'), { at: Date.now() - 40 * DAY }));
  const sweep = (deleted, more = {}) =>
    record(sweeper, 'retention_sweep', { transcripts_deleted: deleted, period_days: 30, ...more }, { at: Date.now() });
  await takeLogs(user, sweep(0));
  assert.deepEqual(await noticesOf(user), []);
  await takeLogs(user, sweep(3));
  const [notice, ...more] = await noticesOf(user);
  assert.deepEqual(more, []);
  assert.deepEqual([notice.kind, notice.read_at, notice.details.count], ['transcripts_deleted', null, 2]);
  assert.match(notice.title, /2 sessions/);
  assert.deepEqual(notice.details.sessions.toSorted(), [never, heard].toSorted());
  // The next day's sweep deletes others, which were sent.
  await takeLogs(user, sweep(5));
  assert.equal((await noticesOf(user)).length, 1);
  // Then the young one is old enough.
  await age(user, young, 31);
  await takeLogs(user, sweep(1));
  assert.deepEqual((await noticesOf(user)).map(({ details }) => details.sessions.length).toSorted(), [1, 2]);
  assert.deepEqual(await noticesOf(randomUUID()), []);
});

test('several sweeps in one request make one notice', async () => {
  const { user, session: first } = somebody();
  const [second, sweeper] = [randomUUID(), randomUUID()];
  for (const session of [first, second])
    await takeLogs(user, record(session, 'api_request', request(`req_${session}`), { at: Date.now() - 40 * DAY }));
  await takeLogs(
    user,
    ...[0, 1, 2].map((n) =>
      record(
        sweeper,
        'retention_sweep',
        { transcripts_deleted: n, period_days: 30 },
        { at: Date.now() - (n + 1) * 1000, sequence: n },
      ),
    ),
  );
  const [notice, ...more] = await noticesOf(user);
  assert.deepEqual(more, []);
  assert.deepEqual([notice.details.deleted, notice.details.sessions.toSorted()], [3, [first, second].toSorted()]);
});

test('a session that its owner has deleted here is in no notice, before and after its rows are gone', async () => {
  const remove = {
    'by the endpoint': (user, id) =>
      as({ role: 'authenticated', claims: { sub: user } }, (query) =>
        query('select observatory.delete_conversation($1)', [id]),
      ),
    'by the data API': (user, id) =>
      as({ role: 'authenticated', claims: { sub: user } }, (query) =>
        query('delete from observatory.conversations where id = $1', [id]),
      ),
  };
  for (const [name, run] of Object.entries(remove)) {
    const { user, session } = somebody();
    const { session: never } = somebody();
    for (const one of [session, never])
      await takeLogs(user, record(one, 'api_request', request(`req_${one}`), { at: Date.now() - 40 * DAY }));
    await sendLines(user, `${session}.jsonl`, transcript(session));
    await age(user, session, 40);
    const [{ id }] = await conversationsOf(user, session);
    await run(user, id);
    const sweep = (deleted) =>
      record(randomUUID(), 'retention_sweep', { transcripts_deleted: deleted, period_days: 30 });
    await takeLogs(user, sweep(2));
    const found = async () => (await noticesOf(user)).map(({ details }) => details.sessions);
    assert.deepEqual(await found(), [[never]], name);
    for (let more = true; more; ) [{ more }] = await sql('select private.purge_observatory() > 0 as more');
    await takeLogs(user, sweep(3));
    assert.deepEqual(await found(), [[never]], name);
  }
});

test('a user reads, marks and deletes their own notices, and nobody else’s', async () => {
  const [{ user }, { user: stranger }] = [somebody(), somebody()];
  await sql(`select private.notice($1, 'test', 'key', 'A notice', '{"n": 1}')`, [user]);
  await sql(`select private.notice($1, 'test', 'key', 'The same again')`, [user]);
  const run = (sub, text) => as({ role: 'authenticated', claims: { sub } }, (query) => query(text, [user]));
  const read = 'select title, read_at from observatory.notices where user_id = $1';
  assert.deepEqual(await run(user, read), [{ title: 'A notice', read_at: null }]);
  assert.deepEqual(await run(stranger, read), []);
  const mark = `update observatory.notices set read_at = '1999-01-01Z' where user_id = $1 returning read_at > now() - interval '1 day' as is_now`;
  assert.deepEqual(await run(stranger, mark), []);
  assert.deepEqual(await run(user, mark), [{ is_now: true }]);
  await assert.rejects(run(user, `update observatory.notices set title = 'x' where user_id = $1`), /permission denied/);
  await assert.rejects(
    run(user, `insert into observatory.notices (user_id, kind, dedupe_key, title) values ($1, 'x', 'x', 'x')`),
    /permission denied/,
  );
  const remove = 'delete from observatory.notices where user_id = $1 returning title';
  assert.deepEqual(await run(stranger, remove), []);
  assert.equal((await run(user, remove)).length, 1);
  await sql('insert into private.erased_users (id) values ($1)', [user]);
  assert.deepEqual(await sql(`select private.notice($1, 'test', 'other', 'Too late') as id`, [user]), [{ id: null }]);
});

test('a session of which nothing was heard for a year is forgotten, unless a sweep would report it once more', async () => {
  const { user, session: old } = somebody();
  const [young, reported, gone] = [randomUUID(), randomUUID(), randomUUID()];
  await take(user, hook(reported, 'UserPromptSubmit'));
  for (const session of [old, young, reported, gone]) await takeLogs(user, record(session, 'user_prompt', {}));
  await sql(
    `update private.otel_sessions set last_at = now() - interval '366 days', lost_at = case when session_id = any ($3) then now() end
    where owner_id = $1 and session_id <> $2`,
    [user, young, [reported, gone]],
  );
  await sql('select private.clean_live()');
  const left = await sql('select session_id from private.otel_sessions where owner_id = $1', [user]);
  assert.deepEqual(left.map(({ session_id: id }) => id).sort(), [young, reported].sort());
});
