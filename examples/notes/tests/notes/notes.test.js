// notes, through the edge: a user's own notes, and the public form.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { systems } from '../../dev/systems.js';
import { sendExamples } from '../support/schemas.js';
import { ask, close, sql, transaction, userToken } from '../support/stack.js';

after(close);

const NOTES = { 'accept-profile': 'notes', 'content-profile': 'notes' };

test('a note is its writer’s: others do not see it', async () => {
  const [mine, others] = [await userToken(), await userToken()];
  const text = randomUUID();
  const made = await ask('/rest/v1/notes', { token: mine, headers: NOTES, json: { text } });
  assert.equal(made.status, 201, made.text);
  for (const [token, wanted] of [
    [mine, [text]],
    [others, []],
  ]) {
    const latest = await ask('/v1/notes/latest?count=1', { token });
    assert.equal(latest.status, 200, latest.text);
    assert.deepEqual(
      latest.body.map((note) => note.text),
      wanted,
    );
  }
  assert.equal((await ask('/v1/notes/latest')).status, 401);
});

test('whatever number of latest notes is wanted, it is 1 to 100', async () => {
  const sub = randomUUID();
  await sql(`insert into notes.notes (user_id, text) select $1, 'Note ' || n from generate_series(1, 101) as n`, [sub]);
  const token = await userToken(sub);
  for (const [count, wanted] of [
    ['', 10],
    ['?count=3', 3],
    ['?count=0', 1],
    ['?count=-1', 1],
    ['?count=2000000000', 100],
  ]) {
    const latest = await ask(`/v1/notes/latest${count}`, { token });
    assert.deepEqual([latest.status, latest.body.length], [200, wanted], count);
  }
});

test('anybody may send a suggestion, by a script or a form; a repeated one is stored once', async () => {
  const suggestion = randomUUID();
  const headers = { 'idempotency-key': randomUUID() };
  for (let times = 0; times < 2; times += 1) {
    const sent = await ask('/v1/notes/suggestions', { json: { suggestion }, headers });
    assert.deepEqual([sent.status, sent.body], [201, { status: 'received' }]);
  }
  const posted = await ask('/v1/notes/suggestions', {
    method: 'POST',
    body: new URLSearchParams({ suggestion }),
    headers: { accept: 'text/html', 'sec-fetch-mode': 'navigate' },
  });
  assert.equal(posted.status, 303, posted.text);
  assert.equal(posted.headers.get('location'), 'https://www.example.org/thanks');
  const rows = await sql('select from notes.suggestions where suggestion = $1', [suggestion]);
  assert.equal(rows.length, 2);

  const empty = await ask('/v1/notes/suggestions', { json: { suggestion: ' ' } });
  assert.deepEqual([empty.status, empty.body.code], [422, 'RG700']);
});

test('a deleted account takes its notes along', async () => {
  const sub = randomUUID();
  await ask('/rest/v1/notes', { token: await userToken(sub), headers: NOTES, json: { text: 'mine' } });
  await sql('select private.erase_account($1)', [sub]);
  assert.deepEqual(await sql('select from notes.notes where user_id = $1', [sub]), []);
});

test('a person’s export has their notes, and their erasure takes them; those of others stay', () =>
  transaction(async (query) => {
    const [person, other] = [randomUUID(), randomUUID()];
    const email = `${person}@notes.example`;
    // The accounts of a server that has Supabase's.
    await query('create table auth.users (id uuid, email text, email_confirmed_at timestamptz)');
    await query('insert into auth.users values ($1, $2, now())', [person, email]);
    await query(`insert into notes.notes (user_id, text) values ($1, $3), ($2, $3)`, [
      person,
      other,
      `Write to ${email}`,
    ]);
    await query(`select set_config('request.jwt.claims', '{"role": "service_role"}', true)`);

    const [{ found }] = await query('select edge.export_person($1) as found', [email]);
    assert.deepEqual(
      found['notes.notes'].map((note) => note.user_id),
      [person],
    );
    assert.deepEqual(found.mentions, { 'notes.notes': 1 }, 'that of somebody else');

    const [{ receipt }] = await query('select edge.erase_person($1) as receipt', [email]);
    assert.equal(receipt.erased['notes.notes'], 1);
    assert.deepEqual(await query('select user_id from notes.notes where user_id in ($1, $2)', [person, other]), [
      { user_id: other },
    ]);
  }));

test('the job deletes suggestions that are older than a year', async () => {
  const [old, fresh] = [randomUUID(), randomUUID()];
  await sql(
    `insert into notes.suggestions (suggestion, created_at) values ($1, now() - interval '367 days'), ($2, now() - interval '300 days')`,
    [old, fresh],
  );
  const [{ done }] = await sql(`select edge.run_job('clean_suggestions') as done`);
  assert.equal(done.error, null);
  assert.ok(done.rows >= 1);
  assert.deepEqual(await sql('select suggestion from notes.suggestions where suggestion in ($1, $2)', [old, fresh]), [
    { suggestion: fresh },
  ]);
});

test('each example of the manifest gets an answer that fits its schema', async () => {
  const token = await userToken();
  await ask('/rest/v1/notes', { token, headers: NOTES, json: { text: 'mine' } });
  const manifest = systems().find(({ name }) => name === 'notes');
  await sendExamples(manifest, ask, { 'GET /v1/notes/latest': async () => ({ token }) });
});
