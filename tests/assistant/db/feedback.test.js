// Feedback: one rating of each member for each message that they see, and what is kept of what was rated.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { close, sql } from '../../support/stack.js';
import { asMember, asOffice, codeOf, conversation, forget, member, say, world } from '../support/talk.js';

let here;
let there;
let row;
let question;
let answer;
before(async () => {
  ({ here, there } = await world());
  row = await conversation(here.ada);
  [question, answer] = await say(row, [
    'a question',
    { content: 'an answer', role: 'assistant', model_used: 'gpt-5-mini' },
  ]);
});
after(async () => {
  await forget();
  await close();
});

const RATE = 'insert into assistant.feedback (message_id, rating, comment) values ($1, $2, $3) returning *';
const rate = (user, { id }, rating = 1, comment = null) => asMember(user, RATE, [id, rating, comment]);
const snapshots = ({ id }) =>
  sql('select * from private.feedback_snapshots where message_id = $1 order by taken_at', [id]);

test('members rate what they see, each message once', async () => {
  const [made] = await rate(here.ada, answer, 1, 'Helpful.');
  assert.deepEqual([made.user_id, made.rating, made.comment], [here.ada.id, '1', 'Helpful.']);
  assert.equal(await codeOf(rate(here.ada, answer, -1)), 'feedback_once');
  assert.equal(await codeOf(rate(here.bea, answer, -1)), null, 'a colleague who sees it');
  // What is foreign and what is absent answer alike.
  for (const user of [there.ada, there.admin, there.owner]) {
    assert.equal(await codeOf(rate(user, answer)), '42501');
    assert.equal(await codeOf(rate(user, { id: randomUUID() })), '42501');
  }
  assert.equal(await codeOf(rate(here.ada, { id: randomUUID() })), '42501');
});

test('nobody rates for another, and nobody rates a message that is hidden from them', async () => {
  const text = 'insert into assistant.feedback (message_id, user_id, rating) values ($1, $2, 1)';
  assert.equal(await codeOf(asMember(here.admin, text, [question.id, here.ada.id])), '42501');
  const closed = await world({ private_conversations: true });
  const [hidden] = await say(await conversation(closed.here.ada), ['mine']);
  assert.equal(await codeOf(rate(closed.here.bea, hidden)), '42501');
  // Nor where nothing is asked back: then no other policy is tried.
  const blind = (user, id) =>
    codeOf(asMember(user, 'insert into assistant.feedback (message_id, rating) values ($1, 1)', [id]));
  for (const [user, id] of [
    [closed.here.bea, hidden.id],
    [there.owner, answer.id],
    [there.owner, randomUUID()],
  ])
    assert.equal(await blind(user, id), '42501');
  assert.equal(await codeOf(rate(closed.here.admin, hidden)), null);
  // What has become hidden is out of reach, one's own rating of it, too.
  await sql(`update assistant.tenants set features = '{}' where id = $1`, [closed.here.tenant.id]);
  const [{ id }] = await rate(closed.here.bea, hidden);
  await sql(`update assistant.tenants set features = '{"private_conversations": true}' where id = $1`, [
    closed.here.tenant.id,
  ]);
  const change = 'update assistant.feedback set rating = -1 where id = $1 returning id';
  assert.deepEqual(await asMember(closed.here.bea, change, [id]), []);
  assert.deepEqual(await asMember(closed.here.bea, 'select id from assistant.feedback where id = $1', [id]), []);
});

test('ratings are 1 or -1, comments have at most 5,000 characters, not blanks only', async () => {
  const [one] = await say(row, ['x']);
  for (const rating of [0, 2, -2, null])
    assert.ok(['feedback_rating', '23502'].includes(await codeOf(rate(here.ada, one, rating))), `${rating}`);
  assert.equal(await codeOf(rate(here.ada, one, 1, 'é'.repeat(5001))), 'feedback_comment');
  for (const blank of ['', ' \n']) assert.equal(await codeOf(rate(here.ada, one, 1, blank)), 'feedback_comment');
  assert.equal(await codeOf(rate(here.ada, one, 1, 'é'.repeat(5000))), null);
});

test('one changes and takes back one’s own only, and it stays with its message', async () => {
  const [one, two] = await say(row, ['x', 'y']);
  const [{ id }] = await rate(here.ada, one, 1);
  const set = (user, column, value) =>
    asMember(user, `update assistant.feedback set ${column} = $2 where id = $1 returning rating`, [id, value]);
  assert.deepEqual(await set(here.ada, 'rating', -1), [{ rating: '-1' }]);
  for (const user of [here.bea, here.admin, there.ada]) {
    assert.deepEqual(await set(user, 'rating', 1), []);
    assert.deepEqual(await asMember(user, 'delete from assistant.feedback where id = $1 returning id', [id]), []);
  }
  assert.equal(await codeOf(set(here.ada, 'message_id', two.id)), '42501');
  assert.equal(await codeOf(set(here.ada, 'user_id', here.bea.id)), '42501');
  assert.equal(
    await codeOf(asOffice('update assistant.feedback set message_id = $2 where id = $1', [id, two.id])),
    '42501',
  );
  const deleted = await asMember(here.ada, 'delete from assistant.feedback where id = $1 returning id', [id]);
  assert.deepEqual(deleted, [{ id }]);
});

test('a snapshot keeps what was rated and the ten messages before it, and changes with the rating', async () => {
  const long = await conversation(here.ada);
  const said = await say(
    long,
    Array.from({ length: 13 }, (_, n) => `message ${n}`),
  );
  const rated = said.at(-2);
  await rate(here.bea, rated, -1);
  const [snapshot, ...others] = await snapshots(rated);
  assert.deepEqual(others, []);
  assert.deepEqual(
    [snapshot.user_id, snapshot.owner_id, snapshot.tenant_id, snapshot.conversation_id, snapshot.rating, snapshot.role],
    [here.bea.id, here.ada.id, here.tenant.id, long.id, '-1', 'assistant'],
  );
  assert.equal(snapshot.content, 'message 11');
  assert.deepEqual(
    snapshot.before.map(({ role, content }) => [role, content]),
    Array.from({ length: 10 }, (_, n) => [n % 2 === 0 ? 'assistant' : 'user', `message ${n + 1}`]),
  );
  await asMember(here.bea, 'update assistant.feedback set rating = 1 where message_id = $1', [rated.id]);
  assert.deepEqual(
    (await snapshots(rated)).map(({ id, rating }) => [id, rating]),
    [[snapshot.id, '1']],
  );
});

test('a snapshot counts against the daily allowance of who rates, each time it is taken', async () => {
  const long = await conversation(here.ada);
  const said = await say(long, ['x'.repeat(30_000), 'y'.repeat(20_000)]);
  const used = async () =>
    Number(
      (
        await sql(`select sum(bytes) as bytes from private.daily_usage where name = 'assistant' and caller = $1`, [
          `user ${here.bea.auth_id}`,
        ])
      )[0].bytes,
    );
  const change = (rating) =>
    asMember(here.bea, 'update assistant.feedback set rating = $2 where message_id = $1', [said.at(-1).id, rating]);
  const takes = async (body) => {
    const before_ = await used();
    await body();
    return (await used()) - before_;
  };
  assert.ok((await takes(() => rate(here.bea, said.at(-1), 1))) > 50_000);
  assert.ok((await takes(() => change(1))) < 1000, 'the rating stays');
  assert.ok((await takes(() => change(-1))) > 50_000);
});

test('one statement that rates many messages takes snapshots as far as the allowance goes', async () => {
  const said = await say(
    await conversation(here.ada),
    Array.from({ length: 40 }, () => 'x'.repeat(60_000)),
  );
  const ids = said.map(({ id }) => id);
  await sql(`update private.daily_allowances set bytes = 1000000 where name = 'assistant'`);
  await sql(`delete from private.daily_usage where name = 'assistant' and caller = $1`, [`user ${here.bea.auth_id}`]);
  try {
    const many = `insert into assistant.feedback (message_id, rating) select id, 1 from unnest($1::uuid[]) as id`;
    assert.equal(await codeOf(asMember(here.bea, many, [ids])), 'RG517');
    assert.equal(await codeOf(asMember(here.bea, many, [ids.slice(0, 5)])), null);
  } finally {
    await sql(`update private.daily_allowances set bytes = 209715200 where name = 'assistant'`);
  }
});

test('a snapshot is at most 64 KB of what came before, in whole messages', async () => {
  const long = await conversation(here.ada);
  const said = await say(long, ['small', 'x'.repeat(60_000), 'x'.repeat(5000), 'y'.repeat(1000), 'rated']);
  await rate(here.ada, said.at(-1));
  const [{ before: kept }] = await snapshots(said.at(-1));
  assert.deepEqual(
    kept.map(({ content }) => content.length),
    [5000, 1000],
  );
});

test('a snapshot outlives the conversation, and goes when its rating is taken back', async () => {
  const gone = await conversation(here.ada);
  const [first, second] = await say(gone, ['x', 'y']);
  await rate(here.ada, first);
  await rate(here.bea, second, -1);
  await asMember(here.ada, 'delete from assistant.feedback where message_id = $1', [first.id]);
  assert.deepEqual(await snapshots(first), []);
  await asMember(here.ada, 'delete from assistant.conversations where id = $1', [gone.id]);
  assert.deepEqual(await sql('select id from assistant.feedback where message_id = $1', [second.id]), []);
  assert.deepEqual(
    (await snapshots(second)).map(({ content, rating }) => [content, rating]),
    [['y', '-1']],
  );
});

test('a snapshot goes with the person who rated, and with the person whose words it has', async () => {
  const leaver = await member(here.tenant);
  const talk = await conversation(leaver);
  const [said] = await say(talk, ['words of the leaver']);
  const [mine] = await say(row, ['words of somebody else']);
  await rate(here.bea, said);
  await rate(leaver, mine);
  await sql('delete from assistant.users where id = $1', [leaver.id]);
  assert.deepEqual([await snapshots(said), await snapshots(mine)], [[], []]);
});

test('no request reads snapshots', async () => {
  for (const read of [(text) => asMember(here.owner, text), asOffice])
    assert.equal(await codeOf(read('select * from private.feedback_snapshots')), '42501');
});

test('the export of a person has the snapshots of their ratings and of their conversations, once each', async () => {
  const [one, two] = [await member(here.tenant), await member(here.tenant)];
  const [said] = await say(await conversation(one), ['my words']);
  const [heard] = await say(await conversation(two), ['your words']);
  await rate(one, said);
  await rate(two, said);
  await rate(one, heard);
  const [{ found }] = await sql('select private.assistant_export($1) as found', [{ users: [one.auth_id] }]);
  assert.deepEqual(found['private.feedback_snapshots'].map(({ content }) => content).sort(), [
    'my words',
    'my words',
    'your words',
  ]);
  const [{ erased }] = await sql('select private.assistant_erase($1) as erased', [{ users: [one.auth_id] }]);
  assert.equal(erased['private.feedback_snapshots'], 3);
  assert.deepEqual([await snapshots(said), await snapshots(heard)], [[], []]);
});
