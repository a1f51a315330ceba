// notes, through the edge: a user's own notes, and the public form.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { systems } from '../../dev/systems.js';
import { sendExamples } from '../support/schemas.js';
import { ask, close, sql, userToken } from '../support/stack.js';

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

test('each example of the manifest gets an answer that fits its schema', async () => {
  const token = await userToken();
  await ask('/rest/v1/notes', { token, headers: NOTES, json: { text: 'mine' } });
  const manifest = systems().find(({ name }) => name === 'notes');
  await sendExamples(manifest, ask, { 'GET /v1/notes/latest': async () => ({ token }) });
});
