// A fork in another project than its original: who sees the fork's project only finds and reads the whole chain there, and nobody else does.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { close, sql } from '../../support/stack.js';
import { call, refused } from '../support/search.js';
import { Session, sendSession, conversation as sent } from '../support/transcripts.js';
import { asUser, forget, person, project, vouchedFor } from '../support/world.js';

const owners = [];
after(async () => {
  await forget(owners);
  await close();
});

/** What somebody finds: the sessions of the results, in order, and how many there are. */
const found = async (who, q, within) => {
  const { results, count } = await call(who, 'search', { q, ...(within && { project: within }) });
  const titles = results.map(({ conversation_id, is_copy }) => [conversation_id, is_copy]);
  assert.equal(count, titles.length);
  return titles;
};

/** A session with a prompt, a tool and an answer, and words that stand nowhere else. */
const original = (cwd) => {
  const session = new Session({ cwd });
  session.user('Explain the originalprompt');
  session.tool('Grep', { pattern: 'originalinput' }, { stdout: 'originaloutput' }, { output: 'originaloutput' });
  session.assistant('This is the originalanswer');
  return session;
};

/** A fork as the agent writes it: the whole chain again under another session, and what the fork adds. */
const forkOf = (session, cwd, word, marked = false) => {
  const fork = new Session({ cwd, at: session.at });
  for (const record of session.records)
    fork.raw({
      ...record,
      sessionId: fork.id,
      ...(marked && { forkedFrom: { sessionId: session.id, messageUuid: record.uuid } }),
    });
  fork.last = session.last;
  fork.user(`Now the ${word}`);
  return fork;
};

/** A user with a session in one project and a fork of it in another one, each with a member of its own. */
const world = async ({ forkFirst = false, marked = false } = {}) => {
  const [owner, ofOriginal, ofFork, ofBoth, stranger] = Array.from({ length: 5 }, person);
  owners.push(owner);
  const home = `/home/me/${person()}`;
  const projects = {
    original: await project(owner, { viewer: [ofOriginal, ofBoth] }, { root_path: `${home}/original` }),
    fork: await project(owner, { viewer: [ofFork, ofBoth] }, { root_path: `${home}/fork` }),
  };
  const session = original(`${home}/original`);
  const fork = forkOf(session, `${home}/fork`, 'forkedprompt', marked);
  const sends = [
    () => sendSession(owner, session, { size: 2 }),
    () => sendSession(owner, fork, { size: 2, project: projects.fork }),
  ];
  for (const send of forkFirst ? sends.reverse() : sends) await send();
  const talks = { original: (await sent(owner, session.id)).id, fork: (await sent(owner, fork.id)).id };
  return { owner, ofOriginal, ofFork, ofBoth, stranger, projects, session, fork, talks, home };
};

const WORDS = ['originalprompt', 'originalinput', 'originaloutput', 'originalanswer'];
/** Results of tools are found with their call's message and with their own. */
const HITS = { originalprompt: 1, originalinput: 1, originaloutput: 1, originalanswer: 1 };

for (const [name, options] of Object.entries({
  'sent after its original': {},
  'sent before its original': { forkFirst: true },
  'that says what it was copied from': { marked: true },
})) {
  test(`a fork ${name} is found whole by who sees only its project`, async () => {
    const { ofOriginal, ofFork, ofBoth, owner, stranger, projects, talks } = await world(options);
    for (const word of WORDS) {
      const times = HITS[word];
      assert.deepEqual(await found(ofFork, word), Array(times).fill([talks.fork, true]), `${word}, the fork's member`);
      assert.deepEqual(await found(ofOriginal, word), Array(times).fill([talks.original, false]), word);
      for (const who of [ofBoth, owner]) {
        assert.deepEqual(await found(who, word), Array(times).fill([talks.original, false]), `${word} once`);
        assert.deepEqual(
          await found(who, word, projects.fork),
          Array(times).fill([talks.fork, true]),
          `${word} in the fork`,
        );
      }
      assert.deepEqual(await found(stranger, word), []);
    }
    assert.deepEqual(await found(ofOriginal, 'forkedprompt'), [], 'what the fork added is its own');
    await assert.rejects(found(ofFork, 'originalprompt', projects.original), refused('RG660', 404));
  });
}

test('messages like one of the fork are not its original, and each is there once', async () => {
  const { ofBoth, ofFork, talks } = await world();
  const [{ id: copy }] = await sql(
    `select id from observatory.messages where conversation_id = $1 and content = 'Explain the originalprompt'`,
    [talks.fork],
  );
  const [{ id: first }] = await sql(
    `select id from observatory.messages where conversation_id = $1 and content = 'Explain the originalprompt'`,
    [talks.original],
  );
  const like = async (who, message) =>
    (await call(who, 'similar', { message_id: message })).results.map(({ message_id }) => message_id);
  for (const [who, message] of [
    [ofBoth, copy],
    [ofBoth, first],
    [ofFork, copy],
  ]) {
    const ids = await like(who, message);
    assert.ok(!ids.includes(copy) && !ids.includes(first));
    const entries = await sql('select entry_uuid from observatory.messages where id = any ($1)', [ids]);
    assert.equal(new Set(entries.map(({ entry_uuid }) => entry_uuid)).size, ids.length);
  }
});

test('the thread, the transcript and the shared page of a fork have the whole chain', async () => {
  const { owner, ofFork, ofOriginal, talks, session, fork } = await world();
  const { messages } = await call(ofFork, 'thread', { id: talks.fork });
  const lines = [...session.records, fork.records.at(-1)].map(({ uuid }) => uuid);
  assert.deepEqual(
    messages.map(({ entry_uuid }) => entry_uuid),
    lines,
  );
  assert.deepEqual(
    messages.map(({ is_copy, depth }) => [is_copy, depth]),
    lines.map((_, at) => [at < lines.length - 1, at]),
  );
  const [call_] = messages.find(({ tool_calls }) => tool_calls).tool_calls;
  assert.deepEqual([call_.input, call_.output], [{ pattern: 'originalinput' }, 'originaloutput']);
  await assert.rejects(call(ofOriginal, 'thread', { id: talks.fork }), refused('RG662', 404));
  await assert.rejects(call(ofFork, 'thread', { id: talks.original }), refused('RG662', 404));

  const page = { id: talks.fork };
  assert.equal((await call(ofFork, 'transcript_page', page)).text, fork.text);
  await assert.rejects(call(ofOriginal, 'transcript_page', page), refused('RG662', 404));

  const [{ link }] = await asUser(owner, 'select observatory.share($1) as link', [talks.fork]);
  const [{ answer }] = await vouchedFor(person(), 'select observatory.shared($1) as answer', [link.token]);
  const text = JSON.stringify(answer.messages);
  for (const word of [...WORDS, 'forkedprompt']) assert.ok(text.includes(word), word);
});

test('a copy is found on when its original, or the project of it, is deleted; and its words are completed', async () => {
  for (const deleted of ['conversation', 'project']) {
    const { owner, ofFork, ofBoth, talks, projects } = await world();
    if (deleted === 'project') await asUser(owner, 'select observatory.delete_project($1)', [projects.original]);
    else await asUser(owner, 'select observatory.delete_conversation($1)', [talks.original]);
    for (const purged of [false, true]) {
      for (const who of [ofFork, ofBoth, owner])
        for (const word of WORDS) assert.deepEqual(await found(who, word), [[talks.fork, false]], `${word} ${purged}`);
      await sql('select private.purge_observatory()');
    }
  }
});

test('of several forks in one project each entry is found once, also when one of them is deleted', async () => {
  const { owner, ofFork, ofBoth, session, talks, home, projects } = await world();
  const second = forkOf(session, `${home}/fork`, 'secondfork');
  await sendSession(owner, second, { project: projects.fork });
  const { id } = await sent(owner, second.id);
  for (const word of WORDS) {
    const hits = await found(ofFork, word);
    assert.equal(hits.length, 1, word);
    assert.ok(hits[0][1] && [talks.fork, id].includes(hits[0][0]));
    assert.deepEqual(await found(ofBoth, word), [[talks.original, false]]);
  }
  await asUser(owner, 'select observatory.delete_conversation($1)', [talks.fork]);
  for (const word of WORDS) assert.deepEqual(await found(ofFork, word), [[id, true]]);
  assert.deepEqual(await found(ofFork, 'forkedprompt'), []);
  await asUser(owner, 'select observatory.delete_conversation($1)', [talks.original]);
  for (const word of WORDS) assert.deepEqual(await found(ofFork, word), [[id, false]]);
});

test('within one project a fork’s copies are not stored for search a second time', async () => {
  const owner = person();
  owners.push(owner);
  const session = original();
  const fork = forkOf(session, session.cwd, 'forkedprompt');
  await sendSession(owner, session);
  await sendSession(owner, fork);
  const { id } = await sent(owner, fork.id);
  const [{ n }] = await sql(
    `select count(*)::int as n from private.message_search as s inner join observatory.messages as m on m.id = s.message_id
     where m.conversation_id = $1 and m.is_copy`,
    [id],
  );
  assert.equal(n, 0);
  for (const word of WORDS) assert.deepEqual(await found(owner, word), [[(await sent(owner, session.id)).id, false]]);
});

test('a removed member of the fork’s project finds nothing of the chain at once', async () => {
  const { ofFork, projects } = await world();
  await sql('delete from observatory.project_members where project_id = $1 and user_id = $2', [projects.fork, ofFork]);
  for (const word of [...WORDS, 'forkedprompt']) assert.deepEqual(await found(ofFork, word), []);
});
