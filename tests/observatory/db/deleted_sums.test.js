// What is deleted counts nowhere from that moment on, before the job has removed its rows: sums, terms, words and links.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { as, close, sql } from '../../support/stack.js';
import { conversation, differences, state } from '../support/entries.js';
import { call } from '../support/search.js';
import { Session, sendSession, conversation as sent } from '../support/transcripts.js';
import { asUser, codeOf, forget, person } from '../support/world.js';

const owners = [];
after(async () => {
  await forget(owners);
  await close();
});

const remove = (who, id) => asUser(who, 'select observatory.delete_conversation($1)', [id]);
const ROLLUPS = ['daily', 'activity', 'tools'];
/** Sums of a project, and what analytics answer of it. */
const sums = async (who, project) => {
  const rows = await state({ project });
  const answers = await Promise.all(
    ['overview', 'tools', 'models', 'activity', 'users'].map((name) =>
      call(who, `analytics_${name}`, { project, from: '2026-11-01', to: '2026-11-30' }),
    ),
  );
  return JSON.parse(JSON.stringify([ROLLUPS.map((name) => rows[name]), answers]));
};
const terms = (who, project) =>
  asUser(who, 'select kind, term, uses from observatory.search_terms where project_id = $1 order by kind, term', [
    project,
  ]);
const suggested = async (who, project, q) =>
  (await call(who, 'suggest', { q, project })).suggestions.filter(({ kind }) => kind !== 'search');
/** Purges until nothing is left. */
const purge = async (most = 5000) => {
  for (let n = 0; n < 100; n += 1)
    if (Number((await sql('select private.purge_observatory($1) as n', [most]))[0].n) === 0) return;
};

/** A session with a subagent, tools and a web search. */
const session = (cwd, tool = 'Grep') => {
  const one = new Session({ cwd });
  one.user('Where is the wombat');
  one.tool(tool, { file_path: `${cwd}/src/${tool}file.rs` }, { stdout: 'there' });
  one.tool('Bash', { command: 'false' }, { stdout: '' }, { isError: true });
  one.assistant('Found it');
  return one;
};

test('the sums and terms of a deleted conversation go with it, in one transaction', async () => {
  const owner = person();
  owners.push(owner);
  const cwd = `/home/me/${owner}`;
  const stays = session(cwd);
  await sendSession(owner, stays);
  const { project_id: project } = await sent(owner, stays.id);
  const before = [await sums(owner, project), await terms(owner, project)];
  const goes = session(cwd, 'Onlyhere');
  await sendSession(owner, goes);
  const agent = new Session({ id: goes.id, cwd, agent: 'a1' });
  agent.user('Look for the quokka');
  agent.assistant('No quokka');
  await sendSession(owner, agent);
  assert.notDeepEqual([await sums(owner, project), await terms(owner, project)], before);
  assert.equal((await suggested(owner, project, 'onlyh')).length, 2, 'the tool and its file');

  await remove(owner, (await sent(owner, goes.id)).id);
  assert.deepEqual([await sums(owner, project), await terms(owner, project)], before, 'at once');
  assert.deepEqual(await suggested(owner, project, 'onlyh'), []);
  assert.deepEqual(await differences({ project }), { rollups: 0, counters: 0 });
  for (const most of [1, 3, 5000]) {
    await sql('select private.purge_observatory($1)', [most]);
    assert.deepEqual([await sums(owner, project), await terms(owner, project)], before, `while rows go, ${most}`);
    assert.deepEqual((await differences({ project })).rollups, 0);
  }
  await purge();
  assert.deepEqual([await sums(owner, project), await terms(owner, project)], before, 'afterwards');
  assert.deepEqual(await differences({ project }), { rollups: 0, counters: 0 });
});

test('a deleted conversation whose row is deleted by hand is not taken away twice', async () => {
  const owner = person();
  owners.push(owner);
  const [stays, goes] = [session(`/home/me/${owner}`), session(`/home/me/${owner}`)];
  await sendSession(owner, stays);
  const { project_id: project } = await sent(owner, stays.id);
  const before = await sums(owner, project);
  await sendSession(owner, goes);
  const { id } = await sent(owner, goes.id);
  await remove(owner, id);
  await sql('delete from observatory.conversations where id = $1', [id]);
  assert.deepEqual(await sums(owner, project), before);
  // And one that nobody has deleted before takes its sums along.
  await sendSession(owner, goes);
  await asUser(owner, 'delete from observatory.conversations where id = $1', [(await sent(owner, goes.id)).id]);
  assert.deepEqual(await sums(owner, project), before);
});

test('what a fork has as copies counts for the fork as soon as the original is deleted', async () => {
  const owner = person();
  owners.push(owner);
  const original = session(`/home/me/${owner}`);
  const fork = new Session({ cwd: original.cwd, at: original.at });
  for (const record of original.records) fork.raw({ ...record, sessionId: fork.id });
  fork.last = original.last;
  fork.user('Now the fork');
  await sendSession(owner, original);
  await sendSession(owner, fork);
  const { project_id: project, id } = await sent(owner, original.id);
  const counted = async () => {
    const { message_count, tool_call_count, output_tokens } = await conversation({ owner }, fork.id);
    return [message_count, tool_call_count, output_tokens];
  };
  const [, [overview]] = await sums(owner, project);
  assert.deepEqual(await counted(), [1, 0, 0]);
  await remove(owner, id);
  const [, [after_]] = await sums(owner, project);
  const { sessions, raw_tokens, ...same } = overview.totals;
  assert.deepEqual(after_.totals, { ...same, sessions: sessions - 1, raw_tokens: raw_tokens / 2 });
  assert.deepEqual(await counted(), [7, 2, 15]);
  assert.deepEqual(await differences({ project }), { rollups: 0, counters: 0 });
  await purge(2);
  assert.deepEqual((await sums(owner, project))[1][0].totals, after_.totals);
  assert.deepEqual(await differences({ project }), { rollups: 0, counters: 0 });
});

test('words that only a deleted conversation has are completed no more, and come back if another one has them', async () => {
  const owner = person();
  owners.push(owner);
  const cwd = `/home/me/${owner}`;
  const [stays, goes] = [new Session({ cwd }), new Session({ cwd })];
  stays.user('The numbat stays');
  goes.user('The numbat and the bandicoot go');
  for (const one of [stays, goes]) await sendSession(owner, one);
  const { project_id: project } = await sent(owner, stays.id);
  for (const q of ['bandicoot', 'numbat']) {
    const { search_id, results } = await call(owner, 'search', { q, project });
    const { message_id } = results.find(({ highlight }) => q === 'bandicoot' || highlight.includes('stays'));
    await call(owner, 'search_opened', { search_id, message_id });
  }
  const listed = async () =>
    (
      await asUser(
        owner,
        `select term from observatory.search_terms where project_id = $1 and kind = 'word' order by 1`,
        [project],
      )
    ).map(({ term }) => term);
  assert.deepEqual(await listed(), ['bandicoot', 'numbat']);
  const opened = async () => (await call(owner, 'search_analytics', { project })).messages.length;
  assert.equal(await opened(), 2);
  await remove(owner, (await sent(owner, goes.id)).id);
  assert.equal(await opened(), 1, 'a message of a deleted conversation is named no more');
  // The caller's own searches are suggested, too.
  await sql('delete from observatory.search_history where user_id = $1', [owner]);
  const words = async () =>
    [...(await suggested(owner, project, 'bandi')), ...(await suggested(owner, project, 'numb'))]
      .map(({ term }) => term)
      .concat(await listed())
      .sort();
  assert.deepEqual(await words(), [], 'at once');
  // The job looks, though the messages themselves have still to be removed.
  await sql('select private.delete_stale_terms()');
  assert.deepEqual(await words(), ['numbat', 'numbat']);
  await purge();
  assert.deepEqual(await words(), ['numbat', 'numbat']);
  await as({ role: 'none' }, (query) => query('delete from observatory.messages where owner_id = $1', [owner]));
  assert.deepEqual(await words(), []);
});

test('the links of a deleted conversation are listed no more', async () => {
  const owner = person();
  owners.push(owner);
  const one = session(`/home/me/${owner}`);
  await sendSession(owner, one);
  const { id } = await sent(owner, one.id);
  await asUser(owner, `select observatory.share($1, 'A title')`, [id]);
  const links = () => asUser(owner, 'select title from observatory.share_links where conversation_id = $1', [id]);
  assert.deepEqual(await links(), [{ title: 'A title' }]);
  await remove(owner, id);
  assert.deepEqual(await links(), []);
});

test('rows that come while a deleted conversation still has its rows count, but none that come into it', async () => {
  const owner = person();
  owners.push(owner);
  const cwd = `/home/me/${owner}`;
  const [goes, stays] = [session(cwd), session(cwd, 'Read')];
  await sendSession(owner, goes);
  const { id, project_id: project } = await sent(owner, goes.id);
  const [empty] = await sums(owner, project);
  await remove(owner, id);
  await sendSession(owner, stays);
  const before = await sums(owner, project);
  assert.equal(before[1][0].totals.sessions, 1);
  assert.deepEqual(
    before[0].map((rows) => rows.length > 0),
    empty.map((rows) => rows.length > 0),
    'each rollup has what came',
  );
  assert.deepEqual(await differences({ project }), { rollups: 0, counters: 0 });
  const termsBefore = await terms(owner, project);
  // As an upload that had found its conversation before it was deleted.
  const rows = {
    messages: `entry_uuid, entry_type, role, input_tokens) values ($1, $2, $3, gen_random_uuid()::text, 'user', 'user', 7)`,
    tool_calls: `tool_use_id, tool_name) values ($1, $2, $3, 'late', 'Late')`,
    usage_records: `api_message_id, entry_uuid, kind, model, source, input_tokens, occurred_at)
      values ($1, $2, $3, 'late', 'late', 'message', 'late', 'claude', 7, now())`,
  };
  for (const [table, rest] of Object.entries(rows)) {
    await sql(`insert into observatory.${table} (conversation_id, project_id, owner_id, ${rest}`, [id, project, owner]);
    assert.deepEqual(await sums(owner, project), before, table);
  }
  assert.deepEqual((await differences({ project })).rollups, 0);
  assert.deepEqual(await terms(owner, project), termsBefore);
  // A user cannot add to it at all.
  for (const [table, rest] of [
    ['messages', `entry_uuid, entry_type) values ($1, $2, 'later', 'user')`],
    ['tool_calls', `tool_use_id, tool_name) values ($1, $2, 'later', 'Later')`],
  ])
    assert.equal(
      await codeOf(
        asUser(owner, `insert into observatory.${table} (conversation_id, project_id, ${rest}`, [id, project]),
      ),
      '42501',
      table,
    );
});
