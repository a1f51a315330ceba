// Sessions whose transcripts have the same file name: each keeps its lines, and nobody reads those of one in the project of another.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { close, sql } from '../../support/stack.js';
import { ask, header, info, opencodeSession, prompt, reply, response } from '../support/agents.js';
import { call, conversation, messages, refused, Session, send } from '../support/transcripts.js';
import { forget, person, project } from '../support/world.js';

const owners = [];
after(async () => {
  await forget(owners);
  await close();
});

const lines = (list) => list.map((one) => `${JSON.stringify(one)}\n`).join('');
const transcript = async (who, id) =>
  (await call({ role: 'authenticated', claims: { sub: who } }, 'transcript_page', { id })).text;
const filesOf = (owner) =>
  sql('select id, conversation_id, variant, generation from observatory.ingest_files where owner_id = $1', [owner]);

/** How an agent's sessions are made: an id, and the text of a file with so many prompts. */
const AGENTS = {
  opencode: {
    file: 'opencode/export.json',
    id: opencodeSession,
    text: (id, word, count) =>
      lines([
        info(id),
        ...Array.from({ length: count }, (_, n) => [
          ask(id, `msg_${word}${n}`, `${word} ${n}`, 2 * n),
          reply(id, `msg_${word}${n}r`, `${word} answer ${n}`, 2 * n + 1),
        ]).flat(),
      ]),
  },
  'opencode, a document in one line': {
    file: 'opencode/export.json',
    id: opencodeSession,
    text: (id, word, count) =>
      lines([
        {
          ...info(id, { title: word }),
          messages: Array.from({ length: count }, (_, n) => ask(id, `msg_${word}${n}`, `${word} ${n}`, n)),
        },
      ]),
  },
  'Claude Code': {
    file: 'transcript.jsonl',
    id: randomUUID,
    text: (id, word, count) => {
      const one = new Session({ id, cwd: '/home/me/app' });
      for (let n = 0; n < count; n += 1) one.user(`${word} ${n}`, { uuid: `${id}-${n}` });
      return one.text;
    },
  },
  'Claude Code, with a first line that names no session': {
    file: 'transcript.jsonl',
    id: randomUUID,
    text: (id, word, count) => {
      const one = new Session({ id, cwd: '/home/me/app' });
      one.raw({ type: 'summary', summary: 'A summary', leafUuid: 'leaf' });
      for (let n = 0; n < count; n += 1) one.user(`${word} ${n}`, { uuid: `${id}-${n}` });
      return one.text;
    },
  },
  'Gemini CLI': {
    file: 'chats/session.json',
    id: randomUUID,
    text: (id, word, count) =>
      lines([
        header(id),
        ...Array.from({ length: count }, (_, n) => [
          prompt(`${id}-${n}`, `${word} ${n}`),
          response(`${id}-${n}r`, `${word} answer ${n}`),
        ]).flat(),
      ]),
  },
};

for (const [name, agent] of Object.entries(AGENTS)) {
  test(`two sessions with one file name, each in its project, keep their lines to themselves: ${name}`, async (t) => {
    for (const size of [2, 500]) {
      await t.test(`${size} lines at once`, async () => {
        const [owner, viewerA, viewerB] = [person(), person(), person()];
        owners.push(owner);
        const sessions = {
          a: { id: agent.id(), project: await project(owner, { viewer: viewerA }), viewer: viewerA },
          b: { id: agent.id(), project: await project(owner, { viewer: viewerB }), viewer: viewerB },
        };
        const upload = async (which, count, more = {}) => {
          const one = sessions[which];
          one.text = agent.text(one.id, which, count);
          const answer = await send(owner, agent.file, one.text, { size, project: one.project, ...more });
          assert.equal(answer.next_offset, `${Buffer.byteLength(one.text)}`);
          one.conversation = await conversation(owner, one.id);
          assert.equal(one.conversation.project_id, one.project);
        };
        const expectTexts = async (which) => {
          for (const one of which.map((key) => sessions[key])) {
            for (const reader of [owner, one.viewer])
              assert.equal(await transcript(reader, one.conversation.id), one.text);
            const other = one === sessions.a ? sessions.b : sessions.a;
            await assert.rejects(transcript(other.viewer, one.conversation.id), refused('RG662', 404));
          }
        };
        await upload('a', 4);
        // Shorter than the other one, as long and longer.
        for (const count of [3, 4, 6]) {
          await upload('b', count);
          await expectTexts(['a', 'b']);
        }
        await upload('a', 7);
        await expectTexts(['a', 'b']);
        // Sent again, in either order, nothing changes.
        const before = await filesOf(owner);
        assert.equal(before.length, 2);
        const counts = async () =>
          Promise.all(['a', 'b'].map(async (key) => (await messages(sessions[key].conversation.id)).length));
        const stored = await counts();
        for (const [which, count] of [
          ['b', 6],
          ['a', 7],
          ['b', 6],
        ])
          await upload(which, count);
        assert.deepEqual(await filesOf(owner), before);
        assert.deepEqual(await counts(), stored);

        // The lines of a deleted session are gone, and no others.
        const remove = (which) =>
          call({ role: 'authenticated', claims: { sub: owner } }, 'delete_conversation', {
            id: sessions[which].conversation.id,
          });
        await remove('a');
        await expectTexts(['b']);
        await assert.rejects(transcript(viewerA, sessions.a.conversation.id), refused('RG662', 404));
        // Stored anew: the other one stays.
        await upload('a', 2);
        await expectTexts(['a', 'b']);
        await remove('b');
        await sql('select private.purge_observatory()');
        await expectTexts(['a']);
        assert.deepEqual(
          (await filesOf(owner)).map(({ conversation_id: id }) => id),
          [sessions.a.conversation.id],
        );
      });
    }
  });
}

test('a session with the file name of another goes on where it ended, also if both are as long', async () => {
  const owner = person();
  owners.push(owner);
  const [one, other] = [new Session(), new Session()];
  for (const session of [one, other]) {
    for (let n = 0; n < 3; n += 1) session.user(`Prompt ${n}`);
    await send(owner, 'transcript.jsonl', session.text);
  }
  assert.equal(one.text.length, other.text.length);
  for (const session of [other, one, other]) {
    const offset = Buffer.byteLength(session.text);
    session.user('More');
    const rest = Buffer.from(session.text).subarray(offset);
    const answer = await send(owner, 'transcript.jsonl', rest, { offset });
    assert.deepEqual([answer.messages, answer.next_offset], [1, `${Buffer.byteLength(session.text)}`]);
  }
  for (const session of [one, other]) {
    const made = await conversation(owner, session.id);
    assert.equal(await transcript(owner, made.id), session.text);
    assert.equal((await messages(made.id)).length, session.records.length);
  }
});

test('a session that was continued on two machines has both files beside one of another session', async () => {
  const owner = person();
  owners.push(owner);
  const first = new Session();
  first.user('Another session');
  const here = new Session();
  for (let n = 0; n < 4; n += 1) here.user(`Before ${n}`);
  const there = new Session({ id: here.id, cwd: here.cwd, at: here.at });
  Object.assign(there, { records: [...here.records], last: here.last });
  here.user('Here');
  there.user('There');
  for (const session of [first, here, there, here, first, there])
    await send(owner, 'transcript.jsonl', session.text, { size: 3 });
  here.user('Here again');
  there.user('There again');
  for (const session of [here, there, first]) await send(owner, 'transcript.jsonl', session.text, { size: 3 });
  assert.equal((await filesOf(owner)).length, 3);
  const wanted = new Set(`${here.text}${there.text}`.trim().split('\n'));
  const text = await transcript(owner, (await conversation(owner, here.id)).id);
  assert.deepEqual(text.trim().split('\n').toSorted(), [...wanted].toSorted());
  assert.equal(await transcript(owner, (await conversation(owner, first.id)).id), first.text);
});

test('a hundred sessions may share a file name, and no more', async () => {
  const owner = person();
  owners.push(owner);
  const sendOther = (more) => {
    const one = new Session({ cwd: '/home/me/app' });
    one.user('First');
    return send(owner, 'transcript.jsonl', one.text, more);
  };
  for (let n = 0; n < 100; n += 1) await sendOther();
  await assert.rejects(sendOther(), refused('RG677', 422));
  assert.equal((await sendOther({ session: randomUUID() })).messages, 1);
});
