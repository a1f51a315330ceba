// Rollups and counters equal a recount, whatever happens to the rows that they sum up.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { as, close, rowsRead, sql, transaction } from '../../support/stack.js';
import { call, conversation, differences, forget, makeProject, prompt, response, store } from '../support/entries.js';

const owners = [];
const project = async () => {
  const made = await makeProject();
  owners.push(made.owner);
  return made;
};
after(async () => {
  await forget(owners);
  await close();
});

const right = { rollups: 0, counters: 0 };
const rows = (table, who, order) =>
  sql(`select * from observatory.${table} where project_id = $1 order by ${order}`, [who.project]);
const numbers = (row, names) => names.map((name) => (row[name] === null ? null : Number(row[name])));

test('a day’s messages, prompts, tool calls, errors and sessions are counted by hour', async () => {
  const who = await project();
  const at = (time) => ({ at: `2026-03-01T${time}Z` });
  const [use, result] = call('Bash', { result: { is_error: true, duration_ms: 700 }, tokens: { output: 5 } });
  await store(who, 'one', [
    prompt('Do it', at('09:59:59')),
    { ...use, ...at('10:00:00') },
    { ...result, ...at('10:00:01') },
    prompt('caveat', { ...at('10:10:00'), is_meta: true }),
    prompt('<local-command-stdout>ok</local-command-stdout>', at('10:11:00')),
    prompt('A summary', { ...at('10:12:00'), metadata: { is_compact_summary: true } }),
    prompt('of a subagent', { ...at('10:13:00'), is_sidechain: true }),
    { ...prompt('a title', at('10:14:00')), role: null, kind: 'ai-title' },
  ]);
  await sql(`update observatory.conversations set started_at = '2026-03-01T09:00Z' where owner_id = $1`, [who.owner]);
  const names = ['hour', 'prompts', 'messages', 'tool_calls', 'errors', 'sessions', 'raw_tokens'];
  assert.deepEqual(
    (await rows('activity_rollups', who, 'hour')).map((row) => numbers(row, names)),
    [
      [9, 1, 1, 0, 0, 1, 0],
      [10, 0, 6, 1, 1, 0, 5],
    ],
  );
  assert.deepEqual(await differences(who), right);
});

test('durations of tools go into buckets of powers of two', async () => {
  const who = await project();
  const durations = [0, 1, 2, 3, 4, 7, 8, 1023, 1024, 8_388_607, 8_388_608, 900_000_000];
  await store(
    who,
    'one',
    durations.flatMap((duration_ms) => call('Bash', { at: '2026-03-01T10:00:00Z', result: { duration_ms } })),
  );
  const [row] = await rows('tool_rollups', who, 'tool_name');
  const wanted = Array(24).fill(0);
  for (const duration of durations) wanted[Math.min(23, Math.floor(Math.log2(Math.max(1, duration))))] += 1;
  assert.deepEqual(row.buckets.map(Number), wanted);
  assert.deepEqual(numbers(row, ['calls', 'timed', 'duration_ms']), [
    12,
    12,
    durations.reduce((sum, one) => sum + one, 0),
  ]);
});

test('a day is one of UTC, and times that cannot be are moved into the range', async () => {
  const who = await project();
  const at = (time) => response(`msg_${time}`, { at: time, tokens: { output: 1 } });
  await store(who, 'one', [
    at('2026-03-01T23:59:59.999Z'),
    at('2026-03-02T00:00:00Z'),
    at('2026-03-02T01:30:00+02:00'),
    at('1970-01-01T00:00:00Z'),
    at('2999-01-01T00:00:00Z'),
  ]);
  const days = (await rows('daily_rollups', who, 'day')).map((row) => [
    row.day.toLocaleDateString('sv'),
    Number(row.requests),
  ]);
  assert.deepEqual(days.slice(0, 3), [
    ['2020-01-01', 1],
    ['2026-03-01', 2],
    ['2026-03-02', 1],
  ]);
  assert.ok(days[3][0] < '2998');
  assert.deepEqual(await differences(who), right);
});

/** Terms of tools and files that are not what a recount of the calls gives. */
const wrongTerms = ({ project }) =>
  sql(
    `with counted as (
       select t.project_id, t.owner_id as user_id, k.kind, k.term, count(*) as uses
       from observatory.tool_calls as t
       inner join observatory.conversations as c on c.id = t.conversation_id and c.deleted_at is null
       cross join private.call_terms(t.tool_name, t.file_path) as k
       where t.project_id = $1 and not t.is_copy
       group by 1, 2, 3, 4),
     stored as (
       select s.project_id, s.user_id, s.kind, s.term, s.uses from observatory.search_terms as s where s.project_id = $1 and s.kind <> 'word')
     (select 'counted' as side, c.* from counted as c except select 'counted', s.* from stored as s)
     union all
     (select 'stored', s.* from stored as s except select 'stored', c.* from counted as c)`,
    [project],
  );

test('after random changes the rollups and terms equal a recount', async () => {
  const who = await project();
  const pick = (list) => list[Math.floor(Math.random() * list.length)];
  for (let step = 0; step < 60; step += 1) {
    const session = pick(['one', 'two', 'three']);
    const at = `2026-03-0${1 + Math.floor(Math.random() * 5)}T1${Math.floor(Math.random() * 10)}:00:00Z`;
    const where = '(select id from observatory.TABLE where project_id = $1 order by random() limit 3)';
    const change = (table, set) =>
      sql(`update observatory.${table} set ${set} where id in ${where.replace('TABLE', table)}`, [who.project]);
    const remove = (table) =>
      sql(`delete from observatory.${table} where id in ${where.replace('TABLE', table)}`, [who.project]);
    const what = Math.floor(Math.random() * 14);
    if (what < 4)
      await store(who, session, [
        prompt('Hello', { at }),
        ...call(pick(['Bash', 'Read']), {
          at,
          tokens: { output: 3, input: 2 },
          result: { duration_ms: pick([1, 50, 3000]), is_error: pick([true, false]) },
        }),
      ]);
    else if (what === 4)
      await change('tool_calls', `duration_ms = 77, duration_source = 'hook', is_error = not is_error`);
    else if (what === 5) await change('messages', 'is_copy = not is_copy');
    else if (what === 6) await change('usage_records', `cost_micro_usd = 5, price = '{}', priced_at = now()`);
    else if (what === 7) await change('messages', `role = 'assistant', input_tokens = 9`);
    else if (what === 8) await remove(pick(['messages', 'tool_calls', 'usage_records']));
    else if (what === 9) await change('tool_calls', 'is_copy = not is_copy');
    else if (what === 10) await sql('select private.purge_observatory(3)');
    else if (what < 13)
      await sql(
        `select private.hide_conversations(array(select id from observatory.conversations where owner_id = $1 and session_id = $2))`,
        [who.owner, session],
      );
    else
      await sql('delete from observatory.conversations where owner_id = $1 and session_id = $2', [who.owner, session]);
    assert.deepEqual(await differences(who), right, `step ${step}: ${what}`);
    assert.deepEqual(await wrongTerms(who), [], `step ${step}: ${what}`);
  }
});

test('rows that count nothing any more are gone', async () => {
  const who = await project();
  await store(who, 'one', [prompt('Hello'), ...call('Bash', { tokens: { output: 3 }, result: { duration_ms: 5 } })]);
  await sql('delete from observatory.conversations where owner_id = $1', [who.owner]);
  for (const table of ['daily_rollups', 'activity_rollups', 'tool_rollups'])
    assert.deepEqual(await rows(table, who, 'day'), [], table);
});

test('members of one project upload at once, and no count is lost', async () => {
  const who = await project();
  const others = await Promise.all(Array.from({ length: 4 }, project));
  await Promise.all(
    [who, ...others].map(async ({ owner }) => {
      for (let n = 0; n < 10; n += 1)
        await store({ owner, project: who.project }, `session of ${owner}`, [
          prompt('Hello'),
          ...call('Bash', { tokens: { output: 1 }, result: { duration_ms: 5 } }),
        ]);
    }),
  );
  assert.deepEqual(await differences(who), right);
  const [{ requests, users }] = await sql(
    'select sum(requests)::int as requests, count(distinct user_id)::int as users from observatory.daily_rollups where project_id = $1',
    [who.project],
  );
  assert.deepEqual([requests, users], [50, 5]);
});

test('messages that an editor inserts by hand are counted, too', async () => {
  const who = await project();
  await as({ role: 'authenticated', claims: { sub: who.owner } }, async (query) => {
    const [{ id }] = await query(
      `insert into observatory.conversations (project_id, session_id) values ($1, 'by hand') returning id`,
      [who.project],
    );
    await query(
      `insert into observatory.messages (project_id, conversation_id, entry_uuid, entry_type, role, content, occurred_at)
       values ($1, $2, 'a', 'user', 'user', 'Hello', '2026-03-01T10:00Z'), ($1, $2, 'b', 'assistant', 'assistant', 'Hi', '2026-03-01T11:00Z')`,
      [who.project, id],
    );
    await query(
      `insert into observatory.tool_calls (project_id, conversation_id, tool_use_id, tool_name) values ($1, $2, 't', 'Bash')`,
      [who.project, id],
    );
  });
  const row = await conversation(who, 'by hand');
  assert.deepEqual([row.message_count, row.tool_call_count], [2, 1]);
  assert.deepEqual(
    [row.started_at, row.last_message_at].map((time) => new Date(time).toISOString()),
    ['2026-03-01T10:00:00.000Z', '2026-03-01T11:00:00.000Z'],
  );
  assert.deepEqual(await differences(who), right);
});

test('the nightly check finds and mends what somebody wrote past the triggers', async () => {
  const who = await project();
  const at = new Date(Date.now() - 60_000).toISOString();
  await store(who, 'one', [
    prompt('Hello', { at }),
    ...call('Bash', { at, tokens: { output: 3 }, result: { duration_ms: 5 } }),
  ]);
  const faults = [
    'update observatory.daily_rollups set output_tokens = output_tokens + 1 where project_id = $1',
    'update observatory.activity_rollups set messages = 0 where project_id = $1',
    'update observatory.tool_rollups set buckets[3] = 5 where project_id = $1',
    'update observatory.tool_rollups set errors = 4 where project_id = $1',
    'delete from observatory.daily_rollups where project_id = $1',
    `insert into observatory.activity_rollups select project_id, day, 23 - hour, gen_random_uuid(), 1, 0, 0, 0, 0, 0
     from observatory.activity_rollups where project_id = $1 limit 1`,
  ];
  for (const fault of faults) {
    await sql(fault, [who.project]);
    assert.equal((await differences(who)).rollups, 1, fault);
    await transaction(async (query) => {
      // Of all projects only this one, so that it is looked at.
      await query('update observatory.projects set deleted_at = now() where id <> $1', [who.project]);
      await query('select private.check_rollups()');
      const events = await query(
        `select details from private.security_events where kind = 'rollups_wrong' and details ->> 'project_id' = $1`,
        [who.project],
      );
      assert.equal(events.length, 1, fault);
      const [{ again }] = await query('select private.recount_rollups($1)::int as again', [who.project]);
      assert.equal(again, 0, fault);
    });
    await sql('select private.recount_rollups($1)', [who.project]);
  }
});

/** Projects with a message and a call of a minute ago, and a wrong roll-up of it; `body` runs while the nightly check sees no others. */
const withFaults = async (count, body) => {
  const all = await Promise.all(Array.from({ length: count }, project));
  const at = new Date(Date.now() - 60_000).toISOString();
  for (const who of all) await store(who, 'one', [prompt('Hello', { at })]);
  const ids = all.map((who) => who.project);
  await transaction(async (query) => {
    await query('update observatory.projects set deleted_at = now() where id <> all ($1)', [ids]);
    await query('update observatory.activity_rollups set messages = 7 where project_id = any ($1)', [ids]);
    await query(
      `create function pg_temp.hold() returns trigger language plpgsql as $$
       begin
         perform pg_sleep(tg_argv[1]::float8);
         if tg_argv[0] <> '' then
           raise 'no' using errcode = tg_argv[0];
         end if;
         return new;
       end $$`,
    );
    /** Holds up the mending of these projects, or ends it with this code. */
    const hold = (held, code, seconds = 0) =>
      query(
        `create or replace trigger held before update on observatory.activity_rollups
         for each row when (old.project_id in (${held.map((id) => `'${id}'`)})) execute function pg_temp.hold('${code}', '${seconds}')`,
      );
    const check = async () => Number((await query('select private.check_rollups() as n'))[0].n);
    const mended = async () =>
      (
        await query(
          `select r.project_id from observatory.activity_rollups as r where r.project_id = any ($1) and r.messages = 1
           and exists (
             select from private.security_events as e
             where e.kind = 'rollups_wrong' and e.details ->> 'project_id' = r.project_id::text
           )`,
          [ids],
        )
      ).map(({ project_id }) => project_id);
    await body({ ids, query, hold, check, mended });
  });
};

test('a day that the nightly check cannot count, or for too long, undoes no other', async () => {
  await withFaults(3, async ({ ids, hold, check, mended }) => {
    await hold([ids[1]], '22003');
    assert.equal(await check(), 2);
    assert.deepEqual((await mended()).sort(), [ids[0], ids[2]].sort());
    // As a statement that runs out of time: the check ends, by chance before or after the two others.
    await hold([ids[1]], '57014');
    assert.ok((await check()) <= 2);
    assert.equal((await mended()).length, 2);
  });
});

test('the nightly check stops by the clock', async () => {
  await withFaults(4, async ({ ids, hold, check, mended }) => {
    await hold(ids, '', 1.6);
    assert.equal(await check(), 2);
    assert.equal((await mended()).length, 2, 'what it has mended stays');
    await hold(ids, '');
    await check();
    assert.equal((await mended()).length, 4, 'the next one goes on');
  });
});

test('to count a day again reads what is not earlier, and nothing of all the time before', async () => {
  const who = await project();
  await store(who, 'one', [prompt('Hello', { at: '2026-02-01T10:00:00Z' })]);
  const { id } = await conversation(who, 'one');
  await transaction(async (query) => {
    await query(`set local session_replication_role = 'replica'`);
    const place = `'${who.owner}', '${who.project}', '${id}'`;
    const at = `timestamptz '2026-03-01 00:00+00' + n * interval '10 minutes'`;
    for (const [columns, values] of Object.entries({
      'messages (owner_id, project_id, conversation_id, entry_uuid, entry_type, role, content, created_at, occurred_at)': `'e' || n, 'user', 'user', 'x', ${at}, ${at}`,
      'tool_calls (owner_id, project_id, conversation_id, tool_use_id, tool_name, input, created_at, started_at)': `'t' || n, 'Read', to_jsonb(repeat('x', 1500)), ${at}, ${at}`,
      'usage_records (owner_id, project_id, conversation_id, api_message_id, kind, source, model, entry_uuid, created_at, occurred_at)': `'m' || n, 'message', 'claude', 'a model', 'e' || n, ${at}, ${at}`,
    }))
      await query(`insert into observatory.${columns} select ${place}, ${values} from generate_series(1, 20000) as n`);
    await query('analyze observatory.messages, observatory.tool_calls, observatory.usage_records');
    for (const table of ['messages', 'tool_calls', 'usage_records']) {
      const read = await rowsRead(query, `relname = '${table}'`, async () => {
        const [{ wrong }] = await query(
          `select private.recount_rollups($1, '2026-07-15', '2026-07-15')::int as wrong`,
          [who.project],
        );
        if (table === 'messages') assert.ok(wrong > 0, 'nothing had counted them');
      });
      assert.ok(read <= 1000, `${table}: ${read} rows`);
    }
  });
});

test('a day that is counted again has what is moved to it, of whatever day its time says', async () => {
  const who = await project();
  const day = new Date().toISOString().slice(0, 10);
  const later = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
  const times = ['1970-01-01T00:00:00Z', '2020-01-01T12:00:00Z', `${day}T00:00:00Z`, '2999-01-01T00:00:00Z'];
  await store(
    who,
    'one',
    times.flatMap((at, n) => [
      prompt('Hello', { at }),
      response(`msg_${n}`, { at, tokens: { output: 1 } }),
      ...call('Bash', { at, result: { duration_ms: 5 } }),
    ]),
  );
  await transaction(async (query) => {
    const wanted = await query('select * from observatory.activity_rollups where project_id = $1 order by day, hour', [
      who.project,
    ]);
    assert.ok(wanted.length >= 3);
    for (const [first, last] of [
      [day, day],
      ['2020-01-01', '2020-01-01'],
      [later, 'infinity'],
      ['2020-01-02', later],
    ]) {
      const [{ wrong }] = await query('select private.recount_rollups($1, $2, $3)::int as wrong', [
        who.project,
        first,
        last,
      ]);
      assert.equal(wrong, 0, `${first} to ${last}`);
    }
    for (const table of ['daily_rollups', 'activity_rollups', 'tool_rollups'])
      await query(`delete from observatory.${table} where project_id = $1`, [who.project]);
    for (const one of ['2020-01-01', day, later])
      await query('select private.recount_rollups($1, $2, $2)', [who.project, one]);
    assert.deepEqual(
      await query('select * from observatory.activity_rollups where project_id = $1 order by day, hour', [who.project]),
      wanted,
    );
    const [{ again }] = await query('select private.recount_rollups($1)::int as again', [who.project]);
    assert.equal(again, 0);
  });
});
