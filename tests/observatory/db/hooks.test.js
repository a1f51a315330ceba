// Hook events: all are stored, and a session's conversation and tool calls show them, in whatever order they and the transcript come.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { as, close, onBehalf, sql, transaction } from '../../support/stack.js';
import { callsOf, conversationsOf, EVENTS, hook, rowsOf, sendLines, somebody, take, vouched } from '../support/live.js';

after(close);

const eventsOf = (user, session) =>
  rowsOf(
    `select to_jsonb(e) as row from observatory.hook_events as e where owner_id = $1 and session_id = $2 order by at, id`,
    [user, session],
  );

/** Holds a user's lock, as an upload does, while the body runs. */
const whileBusy = (user, body) =>
  transaction(async (query) => {
    await query('select private.lock_observatory_owner($1)', [user]);
    await body();
  });

test('all 31 events make a session, each as its first one, and are stored', async (t) => {
  assert.equal(Object.keys(EVENTS).length, 31);
  for (const event of Object.keys(EVENTS)) {
    await t.test(event, async () => {
      const { user, session } = somebody();
      const sent = hook(session, event);
      await take(user, sent);
      const [stored, ...more] = await eventsOf(user, session);
      assert.deepEqual(more, []);
      assert.equal(stored.event, event);
      assert.notEqual(stored.applied_at, null);
      const { session_id, hook_event_name, agent_id = null, tool_use_id = null, ...rest } = sent;
      assert.deepEqual([stored.agent_id, stored.tool_use_id], [agent_id, tool_use_id]);
      // What it shows is in the transcript, and there are hundreds of them in a minute.
      assert.deepEqual(stored.payload, event === 'MessageDisplay' ? {} : rest);
      const [conversation] = await conversationsOf(user, session);
      assert.deepEqual(
        [conversation.session_id, conversation.agent_id, conversation.source],
        [session, null, 'claude'],
      );
      const [project] = await sql('select name, root_path from observatory.projects where id = $1', [
        conversation.project_id,
      ]);
      if (event !== 'MessageDisplay') assert.deepEqual(project, { name: 'app', root_path: '/home/me/app' });
    });
  }
});

test('an event that no version has yet is stored, too', async () => {
  const { user, session } = somebody();
  await take(user, hook(session, 'PostModelSwitch', { model: 'another', nested: { a: [1] } }));
  const [stored] = await eventsOf(user, session);
  assert.deepEqual([stored.event, stored.payload.nested], ['PostModelSwitch', { a: [1] }]);
});

test('what is no event is refused, and stores nothing', async (t) => {
  const { user, session } = somebody();
  const cases = {
    'no session': { hook_event_name: 'Stop' },
    'an empty session': { session_id: '', hook_event_name: 'Stop' },
    'a session of 201 characters': { session_id: 's'.repeat(201), hook_event_name: 'Stop' },
    'a session that is no text': { session_id: 5, hook_event_name: 'Stop' },
    'no event': { session_id: session },
    'an event with a blank': { session_id: session, hook_event_name: 'Stop it' },
    'an event that is a list': { session_id: session, hook_event_name: ['Stop'] },
    'a list': [{ session_id: session, hook_event_name: 'Stop' }],
    'a text': 'Stop',
    null: null,
  };
  for (const [name, sent] of Object.entries(cases)) {
    await t.test(name, () => assert.rejects(take(user, sent), /RG331/));
  }
  assert.deepEqual(
    await rowsOf('select to_jsonb(e) as row from observatory.hook_events as e where owner_id = $1', [user]),
    [],
  );
});

test('a tool call is pending, then completed, failed, interrupted or rejected, with the duration that the agent measured', async () => {
  const { user, session } = somebody();
  const pre = (id) => hook(session, 'PreToolUse', { tool_use_id: id });
  await take(user, pre('toolu_1'));
  let calls = await callsOf(user, session);
  assert.deepEqual(
    [
      calls.toolu_1.status,
      calls.toolu_1.tool_name,
      calls.toolu_1.input,
      calls.toolu_1.duration_ms,
      calls.toolu_1.message_id,
    ],
    ['pending', 'Bash', { command: 'cargo test' }, null, null],
  );
  await take(
    user,
    pre('toolu_3'),
    pre('toolu_4'),
    hook(session, 'PostToolUse'),
    hook(session, 'PermissionDenied'),
    hook(session, 'PostToolUseFailure'),
    hook(session, 'PostToolUseFailure', { tool_use_id: 'toolu_4', is_interrupt: true, duration_ms: '77' }),
  );
  calls = await callsOf(user, session);
  const shown = ({ status, is_error, error_message, duration_ms, duration_source }) => [
    status,
    is_error,
    error_message,
    duration_ms,
    duration_source,
  ];
  assert.deepEqual(shown(calls.toolu_1), ['completed', false, null, 5310, 'hook']);
  assert.deepEqual(JSON.parse(calls.toolu_1.output), EVENTS.PostToolUse.tool_response);
  assert.deepEqual(shown(calls.toolu_2), ['rejected', false, 'not allowed', null, null]);
  assert.deepEqual(shown(calls.toolu_3), ['failed', true, 'Exit code 1', 12, 'hook']);
  assert.deepEqual(shown(calls.toolu_4), ['interrupted', true, 'Exit code 1', 77, 'hook']);
});

test('without duration_ms the time from Pre to Post counts, until something better comes', async () => {
  const { user, session } = somebody();
  const { duration_ms, ...old } = EVENTS.PostToolUse;
  const post = { ...hook(session, 'PostToolUse'), duration_ms: undefined };
  await take(user, hook(session, 'PreToolUse'), post);
  await sql(
    `update observatory.hook_events set at = at + interval '1500 milliseconds', applied_at = null
    where owner_id = $1 and event = 'PostToolUse'`,
    [user],
  );
  await sql('select private.apply_hook_events($1, $2)', [user, session]);
  let { toolu_1: call } = await callsOf(user, session);
  assert.equal(call.duration_source, 'pair');
  assert.ok(call.duration_ms >= 1500 && old, String(call.duration_ms));
  // The same call in a version that measures: a failure is another event.
  await take(user, hook(session, 'PostToolUseFailure', { tool_use_id: 'toolu_1', duration_ms }));
  ({ toolu_1: call } = await callsOf(user, session));
  assert.deepEqual([call.duration_source, call.duration_ms], ['hook', 5310]);
});

test('an event that two settings send is stored once', async () => {
  const { user, session } = somebody();
  await take(user, hook(session, 'PostToolUse'), hook(session, 'PostToolUse'));
  await Promise.all([1, 2, 3, 4].map(() => take(user, hook(session, 'PreToolUse'))));
  assert.deepEqual((await eventsOf(user, session)).map(({ event }) => event).sort(), ['PostToolUse', 'PreToolUse']);
});

test('a subagent has a conversation of its own, below the session’s', async () => {
  const { user, session } = somebody();
  const agent = { agent_id: 'a1b2c3', agent_type: 'Explore' };
  await take(
    user,
    hook(session, 'SubagentStart'),
    hook(session, 'PreToolUse', { ...agent, tool_use_id: 'toolu_sub' }),
    hook(session, 'PostToolUse', { ...agent, tool_use_id: 'toolu_sub' }),
    hook(session, 'UserPromptSubmit'),
    hook(session, 'SubagentStop'),
  );
  const [main, sub] = await conversationsOf(user, session);
  assert.deepEqual([main.agent_id, main.status, main.parent_conversation_id], [null, 'active', null]);
  assert.deepEqual([sub.agent_id, sub.status, sub.parent_conversation_id], ['a1b2c3', 'ended', main.id]);
  assert.deepEqual([sub.live.agent_type, sub.live.last_assistant_message], ['Explore', 'Found it']);
  assert.equal((await callsOf(user, session)).toolu_sub.conversation_id, sub.id);
});

test('the status is that of the last event that has one, whichever is applied last', async () => {
  const { user, session } = somebody();
  const status = async () => (await conversationsOf(user, session))[0].status;
  for (const [event, wanted] of [
    ['InstructionsLoaded', 'active'],
    ['UserPromptSubmit', 'active'],
    ['Stop', 'idle'],
    ['Notification', 'idle'],
    ['UserPromptSubmit', 'active'],
    ['StopFailure', 'failed'],
    ['PreToolUse', 'active'],
    ['SessionEnd', 'ended'],
  ]) {
    await take(user, hook(session, event));
    assert.equal(await status(), wanted, event);
  }
  assert.notEqual((await conversationsOf(user, session))[0].ended_at, null);
  // A Stop that came before the end and was left.
  await sql(`update observatory.hook_events set applied_at = null where owner_id = $1 and event = 'Stop'`, [user]);
  await sql('select private.apply_hook_events($1, $2)', [user, session]);
  assert.equal(await status(), 'ended');
  // A session that is resumed.
  await take(user, hook(session, 'UserPromptSubmit'));
  const [resumed] = await conversationsOf(user, session);
  assert.deepEqual([resumed.status, resumed.ended_at], ['active', null]);
  // What a user has put away stays there until the session goes on.
  await sql(`update observatory.conversations set status = 'archived' where id = $1`, [resumed.id]);
  await take(user, hook(session, 'Stop'));
  assert.equal(await status(), 'archived');
  await take(user, hook(session, 'UserPromptSubmit'));
  assert.equal(await status(), 'active');
});

test('title, last message and summary of a live session are shown before its transcript comes', async () => {
  const { user, session } = somebody();
  await take(
    user,
    hook(session, 'UserPromptSubmit', { prompt: '<command-name>/clear</command-name>' }),
    hook(session, 'UserPromptSubmit'),
    hook(session, 'UserPromptSubmit', { prompt: 'A second prompt' }),
    hook(session, 'Stop'),
    hook(session, 'PostCompact', { permission_mode: 'acceptEdits' }),
  );
  const [conversation] = await conversationsOf(user, session);
  assert.deepEqual([conversation.title, conversation.title_source], ['Fix the test of getUserById', 'prompt']);
  assert.deepEqual(conversation.live, {
    permission_mode: 'acceptEdits',
    last_assistant_message: 'Done',
    compact_summary: 'The test was fixed',
  });
});

test('an event never waits for an upload of the same user: it is stored, and applied afterwards', async () => {
  const { user, session } = somebody();
  await whileBusy(user, async () => {
    await take(user, hook(session, 'PreToolUse'), hook(session, 'PostToolUse'));
    assert.deepEqual(await conversationsOf(user, session), []);
    assert.deepEqual(
      (await eventsOf(user, session)).map(({ applied_at }) => applied_at),
      [null, null],
    );
    await sql('select private.apply_hooks()');
    assert.deepEqual(await conversationsOf(user, session), []);
  });
  await sql('select private.apply_hooks()');
  const { toolu_1 } = await callsOf(user, session);
  assert.deepEqual([toolu_1.status, toolu_1.duration_ms], ['completed', 5310]);
});

test('a row that somebody else holds costs no event: it stays, with the fault, and is applied later', async () => {
  const { user, session } = somebody();
  await take(user, hook(session, 'UserPromptSubmit'));
  const [{ id }] = await conversationsOf(user, session);
  await transaction(async (query) => {
    await query('select from observatory.conversations where id = $1 for update', [id]);
    await take(user, hook(session, 'Stop'));
    const last = (await eventsOf(user, session)).at(-1);
    assert.deepEqual([last.applied_at, last.attempts, last.failure], [null, 1, '55P03']);
  });
  await sql('select private.apply_hooks()');
  const last = (await eventsOf(user, session)).at(-1);
  assert.notEqual(last.applied_at, null);
  assert.deepEqual([last.failure, (await conversationsOf(user, session))[0].status], [null, 'idle']);
});

test('an event is stored while somebody else holds one of its session that still waits', async () => {
  const { user, session } = somebody();
  await whileBusy(user, () => take(user, hook(session, 'UserPromptSubmit')));
  await transaction(async (query) => {
    await query('select from observatory.hook_events where owner_id = $1 for update', [user]);
    await take(user, hook(session, 'Stop'));
    assert.deepEqual(
      (await eventsOf(user, session)).map(({ applied_at, attempts, failure }) => [applied_at, attempts, failure]),
      [
        [null, 0, null],
        [null, 1, '55P03'],
      ],
    );
  });
  await sql('select private.apply_hooks()');
  assert.ok(
    (await eventsOf(user, session)).every(({ applied_at, failure }) => applied_at !== null && failure === null),
  );
  assert.equal((await conversationsOf(user, session))[0].status, 'idle');
});

test('an event of more than 64 KB is stored without its long values, and its tool call without them', async () => {
  const { user, session } = somebody();
  const long = 'ü'.repeat(60_000);
  await take(
    user,
    hook(session, 'PostToolUse', { tool_input: { content: long }, tool_response: { stdout: long } }),
    hook(
      session,
      'Notification',
      Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`field_${n}`, 'x'.repeat(1900)])),
    ),
  );
  const [post, note] = await eventsOf(user, session);
  assert.equal(post.payload.cut, true);
  assert.deepEqual([post.payload.tool_name, post.payload.duration_ms], ['Bash', 5310]);
  assert.ok(Buffer.byteLength(JSON.stringify(post.payload)) < 65_536);
  assert.deepEqual(note.payload, { cut: true });
  const { toolu_1 } = await callsOf(user, session);
  assert.deepEqual(
    [toolu_1.status, toolu_1.duration_ms, toolu_1.input, toolu_1.output],
    ['completed', 5310, null, null],
  );
});

test('who may not write in a project any more writes nothing in it by hooks, and nobody in what is deleted', async () => {
  const { user, session } = somebody();
  await take(user, hook(session, 'UserPromptSubmit'));
  const [conversation] = await conversationsOf(user, session);
  const other = randomUUID();
  const project = conversation.project_id;
  // Somebody else's project, in which the user was an editor.
  await sql('update observatory.projects set owner_id = $2 where id = $1', [project, other]);
  await sql(`update observatory.project_members set role = 'viewer' where project_id = $1 and user_id = $2`, [
    project,
    user,
  ]);
  await take(user, hook(session, 'Stop'));
  assert.equal((await conversationsOf(user, session))[0].status, 'active');
  assert.equal((await eventsOf(user, session)).length, 1);
  await sql(`update observatory.project_members set role = 'editor' where project_id = $1 and user_id = $2`, [
    project,
    user,
  ]);
  await take(user, hook(session, 'Stop'));
  assert.equal((await conversationsOf(user, session))[0].status, 'idle');
  await sql('update observatory.conversations set deleted_at = now() where id = $1', [conversation.id]);
  await take(user, hook(session, 'SessionEnd'));
  assert.equal((await conversationsOf(user, session))[0].status, 'idle');
  assert.deepEqual(
    (await eventsOf(user, session)).map(({ event }) => event),
    ['UserPromptSubmit', 'Stop'],
  );
});

test('what a session reports after its owner has deleted it is a new conversation, with nothing of the old one', async () => {
  const { user, session } = somebody();
  await take(user, hook(session, 'UserPromptSubmit'), hook(session, 'PreToolUse'));
  const [{ id }] = await conversationsOf(user, session);
  await as({ role: 'authenticated', claims: { sub: user } }, (query) =>
    query('select observatory.delete_conversation($1)', [id]),
  );
  await take(user, hook(session, 'PostToolUse', { tool_use_id: 'toolu_later' }));
  const [made, ...more] = await conversationsOf(user, session);
  assert.notEqual(made.id, id);
  assert.deepEqual([made.title, made.tool_call_count, more], [null, 1, []]);
  assert.deepEqual(Object.keys(await callsOf(user, session)), ['toolu_later']);
});

test('a session of which the first events name no directory moves to the project of the directory that something names later', async (t) => {
  const bare = (session, event) => ({ ...hook(session, event), cwd: undefined });
  const names = {
    'an event': (user, session) => take(user, hook(session, 'PostToolUse')),
    'an event of a subagent': (user, session) => take(user, hook(session, 'SubagentStop', { agent_id: 'another' })),
    'the transcript': (user, session) => sendLines(user, `${session}.jsonl`, transcript(session)),
  };
  for (const [name, next] of Object.entries(names)) {
    await t.test(name, async () => {
      const { user, session } = somebody();
      await take(user, ...['UserPromptSubmit', 'SubagentStart', 'PreToolUse'].map((event) => bare(session, event)));
      const places = () =>
        sql(
          `select distinct p.name, p.root_path from observatory.projects as p
           where p.id in (
             select project_id from observatory.conversations where owner_id = $1
             union all select project_id from observatory.hook_events where owner_id = $1
             union all select project_id from observatory.tool_calls where owner_id = $1)`,
          [user],
        );
      assert.deepEqual(await places(), [{ name: 'Sessions', root_path: null }]);
      await next(user, session);
      assert.deepEqual(await places(), [{ name: 'app', root_path: '/home/me/app' }]);
      // From then on it stays.
      await take(user, hook(session, 'CwdChanged', { cwd: '/elsewhere' }));
      assert.deepEqual(await places(), [{ name: 'app', root_path: '/home/me/app' }]);
    });
  }
});

test('events are taken from users only, through the edge, and not from those who are erased', async () => {
  const { user, session } = somebody();
  const query = (run) => run('select observatory.take_hook($1)', [JSON.stringify(hook(session, 'Stop'))]);
  await assert.rejects(as(onBehalf({ role: 'anon' }), query), /RG520/);
  for (const role of ['anon', 'authenticated', 'service_role'])
    await assert.rejects(as({ role, claims: { sub: user } }, query), /permission denied/);
  await sql('insert into private.erased_users (id) values ($1)', [user]);
  await assert.rejects(vouched(user, query), /RG521/);
  assert.deepEqual(await eventsOf(user, session), []);
});

test('members of the project read its events, and nobody writes them', async () => {
  const { user, session } = somebody();
  await take(user, hook(session, 'Stop'));
  const stranger = randomUUID();
  const read = (sub) =>
    as({ role: 'authenticated', claims: { sub } }, (query) =>
      query('select event from observatory.hook_events where session_id = $1', [session]),
    );
  assert.deepEqual(await read(user), [{ event: 'Stop' }]);
  assert.deepEqual(await read(stranger), []);
  for (const text of [
    `insert into observatory.hook_events (owner_id, session_id, event) values ($1, 'x', 'Stop')`,
    'update observatory.hook_events set owner_id = $1 where owner_id = $1',
    'delete from observatory.hook_events where owner_id = $1',
  ]) {
    await assert.rejects(
      as({ role: 'authenticated', claims: { sub: user } }, (query) => query(text, [user])),
      /permission denied/,
    );
  }
});

test('a day’s allowance bounds what one user stores', async () => {
  const { user, session } = somebody();
  await transaction(async (query) => {
    await query(`update private.daily_allowances set rows = 2 where name = 'live_events'`);
    await query(`select set_config('role', 'edge', true), set_config('request.jwt.claims', $1, true)`, [
      JSON.stringify({ role: 'edge', sub: user, edge: { caller: 'authenticated' } }),
    ]);
    const send = (event) => query('select observatory.take_hook($1)', [JSON.stringify(hook(session, event))]);
    await send('UserPromptSubmit');
    await send('Stop');
    await assert.rejects(send('SessionEnd'), /RG517/);
  });
});

test('events of 90 days ago are deleted', async () => {
  const { user, session } = somebody();
  await take(user, hook(session, 'UserPromptSubmit'), hook(session, 'Stop'));
  await sql(
    `update observatory.hook_events set at = now() - interval '91 days' where owner_id = $1 and event = 'UserPromptSubmit'`,
    [user],
  );
  await sql('select private.clean_live()');
  assert.deepEqual(
    (await eventsOf(user, session)).map(({ event }) => event),
    ['Stop'],
  );
});

/** A transcript in which a tool runs, fails, and a prompt stands before it. */
const transcript = (session) =>
  [
    {
      type: 'user',
      uuid: 'u1',
      parentUuid: null,
      message: { role: 'user', content: 'Fix the   test\nof getUserById' },
    },
    {
      type: 'assistant',
      uuid: 'u2',
      parentUuid: 'u1',
      requestId: 'req_1',
      message: {
        id: 'msg_1',
        role: 'assistant',
        model: 'claude-opus-5',
        content: [
          { type: 'tool_use', id: 'toolu_1', name: 'Bash', input: { command: 'cargo test' } },
          { type: 'tool_use', id: 'toolu_3', name: 'Bash', input: { command: 'false' } },
        ],
        usage: { input_tokens: 3, output_tokens: 5 },
      },
    },
    {
      type: 'user',
      uuid: 'u3',
      parentUuid: 'u2',
      toolUseResult: { stdout: 'ok', stderr: '', interrupted: false, durationMs: 6000 },
      message: { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'ok' }] },
    },
    {
      type: 'user',
      uuid: 'u4',
      parentUuid: 'u3',
      message: {
        role: 'user',
        content: [{ type: 'tool_result', tool_use_id: 'toolu_3', is_error: true, content: 'Exit code 1\nfalse' }],
      },
    },
  ].map((line, n) =>
    JSON.stringify({
      sessionId: session,
      timestamp: `2026-11-20T10:00:0${n}.000Z`,
      cwd: '/home/me/app',
      version: '2.1.240',
      isSidechain: false,
      ...line,
    }),
  );

/** What may differ: ids, and the time of arrival. */
const settled = async (user, session) => {
  const bare = ({
    id,
    project_id,
    owner_id,
    conversation_id,
    message_id,
    created_at,
    updated_at,
    session_id,
    live_since,
    source_path,
    ...rest
  }) => rest;
  const conversations = await conversationsOf(user, session);
  const calls = await callsOf(user, session);
  return {
    conversations: conversations.map(bare).map(({ ended_at, ...rest }) => ({ ...rest, has_ended: ended_at !== null })),
    calls: Object.values(calls).map((call) => ({ ...bare(call), has_message: call.message_id !== null })),
  };
};

test('events before, during, between and after the transcript make the same rows', async (t) => {
  const sequence = ['UserPromptSubmit', 'PreToolUse', 'PostToolUse', 'PostToolUseFailure', 'Stop', 'SessionEnd'];
  const events = (session) => sequence.map((event) => hook(session, event));
  const orders = {
    'events first': async (user, session, file) => {
      await take(user, ...events(session));
      await sendLines(user, file, transcript(session));
    },
    'the transcript first': async (user, session, file) => {
      await sendLines(user, file, transcript(session));
      await take(user, ...events(session));
    },
    'half of the transcript between them': async (user, session, file) => {
      const lines = transcript(session);
      const base = lines.slice(0, 2).reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
      await take(user, ...events(session).slice(0, 2));
      await sendLines(user, file, lines.slice(0, 2));
      await take(user, ...events(session).slice(2, 4));
      await sendLines(user, file, lines.slice(2), { base });
      await take(user, ...events(session).slice(4));
    },
    'while an upload holds the lock': async (user, session, file) => {
      await whileBusy(user, () => take(user, ...events(session)));
      await sendLines(user, file, transcript(session));
    },
    'left for the job': async (user, session, file) => {
      await sendLines(user, file, transcript(session));
      await whileBusy(user, () => take(user, ...events(session)));
      await sql('select private.apply_hooks()');
    },
    'everything twice': async (user, session, file) => {
      await take(user, ...events(session));
      await sendLines(user, file, transcript(session));
      await take(user, ...events(session).filter(({ tool_use_id }) => tool_use_id));
      await sendLines(user, file, transcript(session));
    },
  };
  let wanted;
  for (const [name, order] of Object.entries(orders)) {
    await t.test(name, async () => {
      const { user, session } = somebody();
      await order(user, session, `${session}.jsonl`);
      const made = await settled(user, session);
      wanted ??= made;
      assert.deepEqual(made, wanted);
    });
  }
  const [conversation] = wanted.conversations;
  assert.deepEqual(
    [wanted.conversations.length, conversation.status, conversation.has_ended, conversation.title],
    [1, 'ended', true, 'Fix the test of getUserById'],
  );
  const [ran, failed] = wanted.calls;
  // The transcript says what came of it, the hook how long it took.
  assert.deepEqual(
    [ran.status, ran.output, ran.duration_ms, ran.duration_source, ran.has_message],
    ['completed', 'ok', 5310, 'hook', true],
  );
  assert.deepEqual([failed.status, failed.error_message, failed.duration_ms], ['failed', 'Exit code 1\nfalse', 12]);
});
