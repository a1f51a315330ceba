// Copies: what several sessions of a user have counts for one of them, whatever is sent first.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { as, close, rowsRead, sql, transaction } from '../../support/stack.js';
import { forget as forgetStatistics } from '../../support/statistics.js';
import {
  call,
  conversation,
  copies,
  differences,
  forget,
  makeProject,
  prompt,
  records,
  response,
  state,
  store,
} from '../support/entries.js';

const TABLES = [
  'observatory.conversations',
  'observatory.messages',
  'observatory.tool_calls',
  'observatory.usage_records',
  'private.fork_pairs',
];

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

/** A chain of so many turns. */
const chain = (name, turns) =>
  Array.from({ length: turns }, (_, n) => [
    prompt(`Prompt ${n}`, { uuid: `${name}-${n}-p` }),
    ...call('Bash', { id: `${name}-${n}-t`, tokens: { input: 1, output: 10 + n }, result: { duration_ms: 5 } }).map(
      (one, k) => ({
        ...one,
        uuid: `${name}-${n}-${k}`,
      }),
    ),
  ]).flat();
const uuids = (entries) => entries.map(({ uuid }) => uuid).sort();
const count = async (who, session) => {
  const { message_count: messages, tool_call_count: calls, output_tokens: output } = await conversation(who, session);
  return { messages, calls, output };
};

test('a fork’s copy of the chain counts for the session that ended there, in whatever order they come', async () => {
  const shared = chain('s', 3);
  const own = chain('own', 2);
  for (const forkFirst of [false, true]) {
    const who = await project();
    const sends = [() => store(who, 'original', shared), () => store(who, 'a-fork', [...shared, ...own])];
    for (const send of forkFirst ? sends.reverse() : sends) await send();
    assert.deepEqual(await copies(who, 'original'), []);
    assert.deepEqual(await copies(who, 'a-fork'), uuids(shared));
    assert.deepEqual(await count(who, 'original'), { messages: 9, calls: 3, output: 33 });
    assert.deepEqual(await count(who, 'a-fork'), { messages: 6, calls: 2, output: 21 });
    assert.equal((await records(who)).length, 5);
    // Only the raw sum has the copies.
    assert.equal((await conversation(who, 'a-fork')).raw_tokens, 3 + 33 + 2 + 21);
    assert.deepEqual(await differences(who), { rollups: 0, counters: 0 });
  }
});

test('entries that say that they were copied never own, also where the session went on', async () => {
  const shared = chain('s', 2);
  for (const forkFirst of [false, true]) {
    const who = await project();
    const fork = [...shared.map((one) => ({ ...one, forked_from: 'z-original' })), ...chain('own', 1)];
    const original = [...shared, ...chain('later', 2)];
    const sends = [() => store(who, 'z-original', original), () => store(who, 'fork', fork)];
    for (const send of forkFirst ? sends.reverse() : sends) await send();
    assert.deepEqual([await copies(who, 'z-original'), await copies(who, 'fork')], [[], uuids(shared)]);
  }
});

test('in a chain of forks each owns what it added', async () => {
  const [a, b, c] = ['a', 'b', 'c'].map((name) => chain(name, 2));
  const files = { 'z-first': a, 'm-second': [...a, ...b], 'a-third': [...a, ...b, ...c] };
  for (const order of [
    ['z-first', 'm-second', 'a-third'],
    ['a-third', 'm-second', 'z-first'],
    ['m-second', 'a-third', 'z-first'],
  ]) {
    const who = await project();
    for (const session of order) await store(who, session, files[session]);
    assert.deepEqual(await copies(who, 'z-first'), [], order.join());
    assert.deepEqual(await copies(who, 'm-second'), uuids(a), order.join());
    assert.deepEqual(await copies(who, 'a-third'), uuids([...a, ...b]), order.join());
    assert.deepEqual(await differences(who), { rollups: 0, counters: 0 });
  }
});

/** All orders of a list. */
const orders = (list) =>
  list.length < 2 ? [list] : list.flatMap((one, at) => orders(list.toSpliced(at, 1)).map((rest) => [one, ...rest]));

test('in a chain of unmarked forks whose first session went on, too, each owns what it added, at every depth', async () => {
  const a = chain('a', 2);
  // The first session goes on before its fork does.
  const later = chain('later', 1);
  const [b, c, d] = ['b', 'c', 'd'].map((name) => chain(name, 2));
  const files = {
    'z-first': [...a, ...later],
    'm-second': [...a, ...b],
    'b-third': [...a, ...b, ...c],
    'a-fourth': [...a, ...b, ...c, ...d],
  };
  for (const order of orders(Object.keys(files))) {
    const who = await project();
    for (const session of order) await store(who, session, files[session]);
    const found = await Promise.all(Object.keys(files).map((session) => copies(who, session)));
    assert.deepEqual(found, [[], uuids(a), uuids([...a, ...b]), uuids([...a, ...b, ...c])], order.join());
    assert.deepEqual(await differences(who), { rollups: 0, counters: 0 }, order.join());
  }
});

test('a session that hooks saw first owns, though the fork went on before it', async () => {
  const shared = chain('s', 2);
  const fork = chain('own', 1);
  const later = chain('later', 1);
  for (const hooksFirst of [false, true]) {
    const who = await project();
    const see = () =>
      sql(
        `update observatory.conversations set live_since =
           case session_id when 'z-original' then timestamptz '2026-01-01' else '2026-01-02' end where owner_id = $1`,
        [who.owner],
      );
    await store(who, 'fork', [...shared, ...fork]);
    if (hooksFirst) {
      await store(who, 'z-original', shared.slice(0, 1));
      await see();
    }
    await store(who, 'z-original', [...shared, ...later]);
    if (!hooksFirst) {
      assert.deepEqual(await copies(who, 'z-original'), uuids(shared), 'without hooks the one that went on first');
      await see();
    }
    assert.deepEqual([await copies(who, 'z-original'), await copies(who, 'fork')], [[], uuids(shared)]);
    assert.deepEqual(await differences(who), { rollups: 0, counters: 0 });
  }
});

test('if only a copy was sent, it counts; when the original is deleted, the copy counts', async () => {
  const who = await project();
  const shared = chain('s', 2);
  const marked = shared.map((one) => ({ ...one, forked_from: 'original' }));
  await store(who, 'fork', [...marked, ...chain('own', 1)]);
  assert.deepEqual(await count(who, 'fork'), { messages: 9, calls: 3, output: 31 });
  await store(who, 'original', shared);
  assert.deepEqual(await count(who, 'fork'), { messages: 3, calls: 1, output: 10 });
  // Deleted by its sender, and gone from the table at once.
  await sql(`delete from observatory.conversations where owner_id = $1 and session_id = 'original'`, [who.owner]);
  assert.deepEqual(await copies(who, 'fork'), []);
  assert.deepEqual(await count(who, 'fork'), { messages: 9, calls: 3, output: 31 });
  assert.equal((await records(who)).length, 3);
  assert.deepEqual(await differences(who), { rollups: 0, counters: 0 });
});

test('a conversation that is deleted, and still there, gives what it has to its copies', async () => {
  const who = await project();
  const shared = chain('s', 2);
  await store(who, 'original', shared);
  await store(who, 'fork', [...shared, ...chain('own', 1)]);
  await sql(`update observatory.conversations set deleted_at = now() where owner_id = $1 and session_id = 'original'`, [
    who.owner,
  ]);
  assert.deepEqual([await copies(who, 'fork'), await copies(who, 'original')], [[], uuids(shared)]);
  assert.deepEqual(await count(who, 'fork'), { messages: 9, calls: 3, output: 31 });
  await sql(`delete from observatory.conversations where owner_id = $1 and session_id = 'original'`, [who.owner]);
  assert.deepEqual(await count(who, 'fork'), { messages: 9, calls: 3, output: 31 });
  assert.deepEqual(await differences(who), { rollups: 0, counters: 0 });
});

test('a session that is sent again while the deleted one is being purged keeps its usage', async () => {
  for (const purged of [0, 4, 12]) {
    const who = await project();
    const entries = chain('s', 4);
    await store(who, 'one', entries);
    const before = await records(who);
    const counted = await count(who, 'one');
    const { id } = await conversation(who, 'one');
    await as({ role: 'authenticated', claims: { sub: who.owner } }, (query) =>
      query('select observatory.delete_conversation($1)', [id]),
    );
    // The job has deleted some of the messages, and none of the usage.
    await sql(
      `delete from observatory.messages
       where id = any (array(select m.id from observatory.messages as m where m.conversation_id = $1 order by m.seq limit $2))`,
      [id, purged],
    );
    await store(who, 'one', entries);
    assert.deepEqual(await differences(who), { rollups: 0, counters: 0 });
    await sql(`select private.purge_conversation($1, $2, 1000000, clock_timestamp() + interval '1 minute')`, [
      id,
      who.owner,
    ]);
    assert.deepEqual(await sql('select from observatory.conversations where id = $1', [id]), []);
    assert.equal((await records(who)).length, before.length, `${purged} messages purged`);
    assert.deepEqual(await count(who, 'one'), counted);
    assert.deepEqual(await differences(who), { rollups: 0, counters: 0 });
  }
});

test('a project that is deleted gives what its sessions have to forks in other projects', async () => {
  const shared = chain('s', 2);
  for (const remove of [
    (query, id) => query('select observatory.delete_project($1)', [id]),
    // Past the function: then the job does it.
    async (_query, id) => {
      await sql('update observatory.projects set deleted_at = now() where id = $1', [id]);
      await sql('select private.purge_observatory()');
    },
  ]) {
    const who = await project();
    const other = await makeProject(who.owner);
    await store(who, 'original', shared);
    await store(other, 'fork', [...shared, ...chain('own', 1)]);
    assert.deepEqual(await copies(who, 'fork'), uuids(shared));
    await as({ role: 'authenticated', claims: { sub: who.owner } }, (query) => remove(query, who.project));
    assert.deepEqual(await copies(who, 'fork'), []);
    assert.deepEqual(await count(who, 'fork'), { messages: 9, calls: 3, output: 31 });
    assert.deepEqual(
      (await records(who)).map(({ project_id }) => project_id),
      [other.project, other.project, other.project],
    );
    assert.deepEqual(await differences(other), { rollups: 0, counters: 0 });
  }
});

test('two conversations that share entries are deleted by one statement', async () => {
  const who = await project();
  const shared = chain('s', 2);
  await store(who, 'original', shared);
  await store(who, 'fork', [...shared, ...chain('own', 1)]);
  await sql('delete from observatory.conversations where owner_id = $1', [who.owner]);
  const left = await state(who);
  for (const [name, rows] of Object.entries(left)) assert.deepEqual(rows, [], name);
});

test('a project with forks is deleted', async () => {
  const who = await project();
  const shared = chain('s', 2);
  await store(who, 'original', shared);
  await store(who, 'fork', [...shared, ...chain('own', 1)]);
  await sql('delete from observatory.projects where id = $1', [who.project]);
  for (const [name, rows] of Object.entries(await state(who))) assert.deepEqual(rows, [], name);
});

test('a response that a subagent repeats counts for the session that owns the line', async () => {
  const who = await project();
  const shared = chain('s', 1);
  await store(who, 'a-fork', [...shared, ...chain('own', 1)]);
  await store(who, 'z-original', shared);
  await store(who, 'z-original', [response('msg_s-0-t', { tokens: { output: 900 }, is_sidechain: true })], {
    agent: 'a',
  });
  const found = (await records(who)).find(({ api_message_id: id }) => id === 'msg_s-0-t');
  assert.deepEqual([found.session, found.agent, found.output_tokens], ['z-original', null, 10]);
});

/** What a turn of dice decides. */
const pick = (list) => list[Math.floor(Math.random() * list.length)];

test('files with forks, cut anywhere, sent in any order, in parts and again: always the same rows', async () => {
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => chain(name, 4));
  // A session that ended, an unmarked fork of it, a fork of the fork, a marked branch, and one that goes on beside its fork.
  const files = {
    'y-root': a,
    'x-fork': [...a, ...b],
    'b-fork-of-fork': [...a, ...b, ...c],
    'c-branch': [...a.map((one) => ({ ...one, forked_from: 'y-root' })), ...d],
    'w-beside': [...a, ...b.slice(0, 3), ...chain('e', 2)],
  };
  let wanted;
  for (let run = 0; run < 25; run += 1) {
    const who = await project();
    const rest = Object.fromEntries(Object.entries(files).map(([session, lines]) => [session, [...lines]]));
    const sent = [];
    if (run === 0) for (const [session, lines] of Object.entries(files)) await store(who, session, lines);
    else
      while (Object.values(rest).some((lines) => lines.length > 0)) {
        const session = pick(Object.keys(rest).filter((name) => rest[name].length > 0));
        const part = rest[session].splice(0, 1 + Math.floor(Math.random() * 20));
        sent.push([session, part]);
        await store(who, session, part);
        if (Math.random() < 0.2) await store(who, ...pick(sent));
      }
    assert.deepEqual(await differences(who), { rollups: 0, counters: 0 }, `run ${run}`);
    const found = await state(who);
    // The owner has another id in each run.
    const text = JSON.stringify(found).replaceAll(who.owner, 'owner').replaceAll(who.project, 'project');
    wanted ??= text;
    if (text !== wanted) assert.deepEqual(JSON.parse(text), JSON.parse(wanted), `run ${run}`);
  }
});

test('two uploads of one user at once leave what one after the other leaves', async () => {
  const shared = chain('s', 6);
  const fork = [...shared, ...chain('own', 3)];
  const seen = [];
  for (const together of [false, true]) {
    const who = await project();
    const parts = (lines) => [lines.slice(0, 10), lines.slice(10, 15), lines.slice(15)];
    const send = async (session, lines) => {
      for (const part of parts(lines)) await store(who, session, part);
    };
    if (together) await Promise.all([send('original', shared), send('fork', fork)]);
    else
      for (const [session, lines] of [
        ['original', shared],
        ['fork', fork],
      ])
        await send(session, lines);
    seen.push(
      JSON.parse(
        JSON.stringify(await state(who))
          .replaceAll(who.owner, 'owner')
          .replaceAll(who.project, 'project'),
      ),
    );
    assert.deepEqual(await differences(who), { rollups: 0, counters: 0 });
  }
  assert.deepEqual(seen[1], seen[0]);
});

test('an upload to one more fork reads as much more as there are forks, not as there are pairs of them, whatever the planner expects', async () => {
  const who = await project();
  const shared = chain('many', 7);
  const names = Array.from({ length: 48 }, (_, n) => `fork-${String(n).padStart(3, '0')}`);
  const read = { 'no statistics': {}, 'fresh statistics': {}, 'one message of an owner expected': {} };
  for (const [n, name] of names.entries()) {
    // The last fork of twelve, and of four times as many.
    if (n === 11 || n === 47)
      for (const [statistics, counted] of Object.entries(read))
        await transaction(async (query) => {
          await query('set local enable_seqscan = off');
          if (statistics === 'no statistics') await forgetStatistics(query, TABLES);
          if (statistics === 'one message of an owner expected')
            for (const column of ['owner_id', 'project_id', 'conversation_id'])
              await query(`alter table observatory.messages alter column ${column} set (n_distinct = -1)`);
          if (statistics !== 'no statistics') await query(`analyze ${TABLES}`);
          counted[n + 1] = await rowsRead(query, `schemaname = 'observatory' and relname = 'messages'`, () =>
            store(who, name, shared, { query }),
          );
        });
    await store(who, name, shared);
  }
  for (const [statistics, counted] of Object.entries(read)) {
    assert.ok(counted[48] < 6 * counted[12], `${statistics}: ${JSON.stringify(counted)}`);
    // Each copy is read a few times.
    for (const forks of [12, 48])
      assert.ok(counted[forks] < 50 * forks * shared.length, `${statistics}: ${JSON.stringify(counted)}`);
  }
  // All that they have counts for one of them.
  assert.deepEqual(await copies(who, names[0]), []);
  for (const name of names.slice(1)) assert.deepEqual(await copies(who, name), uuids(shared), name);
  assert.deepEqual(await differences(who), { rollups: 0, counters: 0 });
  // Each of them goes on.
  for (const name of ['fork-020', 'fork-000', 'fork-047']) await store(who, name, [...shared, ...chain(name, 1)]);
  const owning = [];
  for (const name of names) if ((await copies(who, name)).length === 0) owning.push(name);
  assert.deepEqual(owning, ['fork-001']);
  assert.deepEqual(await differences(who), { rollups: 0, counters: 0 });
  const [{ n }] = await sql(
    `select count(*)::int as n from private.fork_pairs as p
     inner join observatory.conversations as c on c.id = p.one where c.owner_id = $1`,
    [who.owner],
  );
  assert.equal(n, 48 * 47);
});

test('what is too much for one upload is settled by the job', async () => {
  const who = await project();
  const shared = chain('s', 5);
  await store(who, 'original', shared);
  await store(who, 'fork', [...shared, ...chain('own', 1)]);
  // Somebody notices late which of the two was first.
  await as({ role: 'none' }, async (query) => {
    await query('set local session_replication_role = replica');
    await query(
      `update observatory.conversations set live_since = '2026-01-02' where owner_id = $1 and session_id = 'original'`,
      [who.owner],
    );
  });
  const [{ id }] = await sql(`select id from observatory.conversations where owner_id = $1 and session_id = 'fork'`, [
    who.owner,
  ]);
  const [{ done }] = await sql('select private.settle_pairs(array[$1::uuid], 4)::int as done', [id]);
  assert.equal(done, 4);
  assert.equal((await copies(who, 'original')).length, 4);
  assert.deepEqual(await differences(who), { rollups: 0, counters: 0 });
  await sql('select private.settle_forks_later()');
  assert.deepEqual([await copies(who, 'fork'), await copies(who, 'original')], [[], uuids(shared)]);
  assert.deepEqual(await differences(who), { rollups: 0, counters: 0 });
});
