// Access tokens of WhatsApp accounts: sealed at the edge, kept for the account's owner, read by nobody.
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { startEdge } from '../../support/edge.js';
import { forgetForeignSeals } from '../../support/sealed_rows.js';
import { as, ask, close, made, onBehalf, sql, stack, userToken } from '../../support/stack.js';
import { unseal } from '../../support/unseal.js';
import { addAccount, freshIds } from '../support/whatsapp.js';

const MARKER = `EAAmarker${randomBytes(60).toString('hex')}`;
const KEK_2 = randomBytes(32).toString('base64url');
const COLUMN = 'whatsapp.accounts.access_token';

let logging;
let rotated;
before(async () => {
  logging = await startEdge();
  rotated = await startEdge({ KEK_2 });
});
after(async () => {
  await logging.stop();
  await rotated.stop();
  await forgetForeignSeals(sql);
  await close();
});

const makeAccount = async () => {
  const owner = randomUUID();
  return { owner, account: await addAccount(sql, freshIds(), { owner_id: owner }) };
};
const call = async (method, id, { sub, json, base, headers = {} } = {}) =>
  ask(`/v1/whatsapp/accounts/${id}/access-token`, {
    method,
    headers: {
      ...(sub && { authorization: `Bearer ${await userToken(sub)}` }),
      ...(json !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(json !== undefined && { body: typeof json === 'string' ? json : JSON.stringify(json) }),
    ...(base && { base }),
  });
const set = (id, sub, more = {}) => call('PUT', id, { sub, json: { access_token: MARKER }, ...more });
const kept = async (id) =>
  (
    await sql('select sealed, key_version::int as version from private.whatsapp_access_tokens where account_id = $1', [
      id,
    ])
  )[0];

test('what an owner hands in opens with the key, and nowhere else', async () => {
  const { owner, account } = await makeAccount();
  const other = await makeAccount();
  const answer = await set(account.id, owner, { base: logging.url });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assert.deepEqual(Object.keys(answer.body).sort(), ['account_id', 'updated_at']);
  const row = await kept(account.id);
  const place = { ...row, column: COLUMN, row: account.id, owner };
  assert.equal(await unseal(made.kek_1, place), MARKER);
  for (const moved of [
    { row: other.account.id },
    { owner: other.owner },
    { column: 'whatsapp.accounts.display_name' },
    { version: 2 },
    { sealed: row.sealed.replace('v1', 'v2') },
    // The first letter of the last part: of the last letter not every bit counts.
    { sealed: row.sealed.replace(/[^.](?=[^.]*$)/, (first) => (first === 'A' ? 'B' : 'A')) },
  ])
    await assert.rejects(unseal(made.kek_1, { ...place, ...moved }), JSON.stringify(moved));
  await assert.rejects(unseal(KEK_2, place));

  // Not with another's wrapped key or ciphertext, either.
  assert.equal((await set(other.account.id, other.owner)).status, 200);
  const theirs = (await kept(other.account.id)).sealed.split('.');
  const mine = row.sealed.split('.');
  await assert.rejects(unseal(made.kek_1, { ...place, sealed: [...theirs.slice(0, 3), ...mine.slice(3)].join('.') }));
  await assert.rejects(unseal(made.kek_1, { ...place, sealed: [...mine.slice(0, 3), ...theirs.slice(3)].join('.') }));
});

test('the same token sealed twice is two texts, and the second takes the place of the first', async () => {
  const { owner, account } = await makeAccount();
  await set(account.id, owner);
  const first = await kept(account.id);
  await set(account.id.toUpperCase(), owner);
  const second = await kept(account.id);
  const parts = [first, second].map(({ sealed }) => sealed.split('.').slice(1));
  for (const [at, part] of parts[0].entries()) assert.notEqual(part, parts[1][at]);
  assert.equal(await unseal(made.kek_1, { ...second, column: COLUMN, row: account.id, owner }), MARKER);
});

test('a newer key seals what is new; what is old opens with its own', async () => {
  const { owner, account } = await makeAccount();
  await set(account.id, owner);
  const old = await kept(account.id);
  assert.equal(old.version, 1);
  await set(account.id, owner, { base: rotated.url });
  const now = await kept(account.id);
  assert.equal(now.version, 2);
  const place = { column: COLUMN, row: account.id, owner };
  assert.equal(await unseal(KEK_2, { ...now, ...place }), MARKER);
  assert.equal(await unseal(made.kek_1, { ...old, ...place }), MARKER);
});

test('rewrapping moves it to the newest key, and it opens without the old one', async () => {
  const { owner, account } = await makeAccount();
  await set(account.id, owner);
  // Other tests store texts that were never sealed, which fail.
  let after = { relation: 'private.whatsapp_access_tokens' };
  do {
    const answer = await ask('/v1/admin/keys/rewrap', {
      base: rotated.url,
      method: 'POST',
      token: stack.service_key,
      json: { after },
    });
    assert.equal(answer.status, 200, answer.text);
    assert.ok(!answer.body.failed.some(({ row }) => row === account.id), answer.text);
    after = answer.body.after;
  } while (after !== null);
  const now = await kept(account.id);
  assert.equal(now.version, 2);
  assert.equal(await unseal(KEK_2, { ...now, column: COLUMN, row: account.id, owner }), MARKER);
});

test('an account of somebody else’s and none at all are one answer, and nothing is written', async () => {
  const { account } = await makeAccount();
  const stranger = randomUUID();
  const answers = [];
  for (const id of [account.id, randomUUID()])
    for (const method of ['PUT', 'DELETE']) {
      const json = method === 'PUT' ? { access_token: MARKER } : undefined;
      answers.push(await call(method, id, { sub: stranger, json }));
    }
  for (const { status, body } of answers) {
    assert.equal(status, 404);
    assert.deepEqual(body, answers[0].body);
    assert.equal(body.code, 'RG563');
  }
  assert.equal(await kept(account.id), undefined);
  // Nor without a user.
  const nobody = await set(account.id, undefined, { headers: { apikey: made.publishable_key } });
  assert.equal(nobody.status, 403);
  assert.equal((await set('not-an-id', stranger)).body.code, 'RG101');
});

test('past the edge, too, only the owner writes, and only what is sealed for the owner', async () => {
  const { owner, account } = await makeAccount();
  const sealed = `v1${`.${'A'.repeat(16)}`.repeat(4)}`;
  const rpc = (sub, more) =>
    as(onBehalf({ role: 'authenticated', claims: { sub } }), (run) =>
      run('select whatsapp.set_access_token($1, $2, $3, $4)', [account.id, ...more]),
    );
  const code = (wanted) => (error) => error.message.includes(wanted) || JSON.stringify(error).includes(wanted);
  await assert.rejects(rpc(randomUUID(), [owner, sealed, 1]), code('RG563'));
  await assert.rejects(rpc(owner, [randomUUID(), sealed, 1]), code('RG564'));
  await assert.rejects(rpc(owner, [owner, MARKER, 1]), code('RG564'));
  await assert.rejects(rpc(owner, [owner, null, 1]), code('RG564'));
  await assert.rejects(rpc(owner, [owner, sealed, null]), code('RG564'));
  await rpc(owner, [owner, sealed, 1]);
  await assert.rejects(
    as({ role: 'authenticated', claims: { sub: owner } }, (run) =>
      run('select whatsapp.set_access_token($1, $2, $3, $4)', [account.id, owner, sealed, 1]),
    ),
    { code: '42501' },
    'what the edge has not sealed',
  );
  await assert.rejects(
    as({ role: 'authenticated', claims: { sub: owner } }, (run) => run('select * from private.whatsapp_access_tokens')),
    { code: '42501' },
  );
});

test('what cannot be a token is refused, without repeating it', async () => {
  const { owner, account } = await makeAccount();
  for (const json of [
    {},
    { access_token: null },
    { access_token: '' },
    { access_token: 'short' },
    { access_token: `${MARKER} ${MARKER}` },
    { access_token: `${MARKER}é` },
    { access_token: 'A'.repeat(4097) },
    { access_token: MARKER, owner_id: owner },
    [MARKER],
    MARKER,
  ]) {
    const answer = await call('PUT', account.id, { sub: owner, json: JSON.stringify(json) });
    assert.deepEqual([answer.status, answer.body.code], [422, 'RG316']);
    assert.ok(!JSON.stringify(answer.body).includes(MARKER));
  }
  assert.equal(await kept(account.id), undefined);
});

test('an owner forgets it, and an account given away goes without it', async () => {
  const { owner, account } = await makeAccount();
  await set(account.id, owner);
  for (let n = 0; n < 2; n += 1) assert.equal((await call('DELETE', account.id, { sub: owner })).status, 204);
  assert.equal(await kept(account.id), undefined);

  await set(account.id, owner);
  await sql('update whatsapp.accounts set owner_id = owner_id, display_name = $2 where id = $1', [account.id, 'x']);
  assert.ok(await kept(account.id));
  await sql('update whatsapp.accounts set owner_id = $2 where id = $1', [account.id, randomUUID()]);
  assert.equal(await kept(account.id), undefined);
});

test('without a key the endpoint says which variable is missing', async () => {
  const { owner, account } = await makeAccount();
  const without = await startEdge({ KEK_1: '' });
  try {
    const answer = await set(account.id, owner, { base: without.url });
    assert.deepEqual([answer.status, answer.body.code, answer.body.details], [501, 'RG903', 'KEK_1 is not set']);
  } finally {
    await without.stop();
  }
});

test('twenty a minute', async () => {
  const { owner, account } = await makeAccount();
  const statuses = [];
  for (let n = 0; n < 21; n += 1) statuses.push((await set(account.id, owner)).status);
  assert.deepEqual(statuses, [...Array(20).fill(200), 429]);
});

test('the token is in no log, no audit row and no table', async () => {
  const { owner, account } = await makeAccount();
  const answer = await set(account.id, owner, { base: logging.url });
  assert.ok(!JSON.stringify([answer.body, [...answer.headers]]).includes(MARKER));
  await logging.logged(({ id }) => id === answer.headers.get('x-request-id'));
  assert.ok(!JSON.stringify(logging.log()).includes('EAAmarker'));
  const tables =
    await sql(`select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and n.nspname !~ '^(pg_|information_schema)'`);
  for (const { name } of tables) {
    const found = await sql(`select 1 from ${name} as t where to_jsonb(t)::text like '%EAAmarker%' limit 1`);
    assert.deepEqual(found, [], name);
  }
  const audited = await sql(
    `select operation, actor from private.audit_log where relation = 'private.whatsapp_access_tokens' and row_id = $1`,
    [account.id],
  );
  assert.deepEqual(audited, [{ operation: 'INSERT', actor: owner }]);
});
