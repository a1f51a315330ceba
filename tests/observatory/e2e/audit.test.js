// The seals of the audit chain's heads: the edge makes them every day, and a rewrite of the whole chain does not get past them.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startEdge } from '../../support/edge.js';
import { ask, close, made, sql, stack, userToken } from '../../support/stack.js';
import { seal as sealAs, unseal } from '../../support/unseal.js';
import { asUser, person } from '../support/world.js';

after(close);

const seal = () => ask('/v1/jobs/seal_audit_head', { method: 'POST', token: stack.service_key });
const verify = async (json = {}) =>
  (await ask('/v1/admin/audit/verify', { method: 'POST', token: stack.service_key, json })).body;

/** A project with a few entries. */
const history = async () => {
  const owner = person();
  const [{ id }] = await asUser(owner, `insert into observatory.projects (name) values ('audited') returning id`);
  await asUser(owner, `update observatory.projects set name = 'renamed' where id = $1`, [id]);
  return { owner, id };
};

/** Of heads h: that it has the end of a project's chain. */
const HAS_END = 'exists (select from private.audit_ends as e where e.head_id = h.id and e.project_id = $1::uuid)';

/** Changes rows with the triggers off, as somebody who may do everything in the database. */
const forge = async (...statements) => {
  await sql(`alter table private.observatory_audit disable trigger all`);
  await sql(`alter table private.audit_heads disable trigger all`);
  await sql(`alter table private.audit_ends disable trigger all`);
  try {
    for (const [text, values] of statements) await sql(text, values);
  } finally {
    await sql(`alter table private.observatory_audit enable trigger all`);
    await sql(`alter table private.audit_heads enable trigger all`);
    await sql(`alter table private.audit_ends enable trigger all`);
  }
};

test('a head is sealed, opens, and is in the answer to the owner', async () => {
  const { owner, id } = await history();
  const { status, body } = await seal();
  assert.deepEqual([status, body.sealed >= 1], [200, true]);
  const answer = await verify();
  assert.ok(answer.heads >= 1 && answer.chains >= 1);
  assert.deepEqual(answer.head_faults, []);
  assert.ok(!answer.chain_faults.some(({ project_id }) => project_id === id));
  const own = await ask(`/v1/projects/${id}/audit`, { token: await userToken(owner) });
  assert.deepEqual([own.body.intact, own.body.entries, own.body.in_head_up_to], [true, 3, 3]);
  assert.deepEqual((await seal()).body, { sealed: 0 }, 'nothing has grown');
});

test('a chain that is rewritten from its beginning is whole by itself, and is found by the head', async () => {
  const { owner, id } = await history();
  await seal();
  const rewrite = [
    `update private.observatory_audit set actor = gen_random_uuid() where project_id = $1 and n = 1`,
    ...[1, 2, 3].flatMap((n) => [
      `update private.observatory_audit as a set previous = coalesce(
         (select o.hash from private.observatory_audit as o where o.project_id = $1 and o.n = ${n} - 1), a.previous)
       where a.project_id = $1 and a.n = ${n}`,
      `update private.observatory_audit as a set hash = private.audit_hash(a) where a.project_id = $1 and a.n = ${n}`,
    ]),
    `update private.audit_chains as c set hash = (select a.hash from private.observatory_audit as a where a.project_id = $1 and a.n = 3) where project_id = $1`,
  ].map((text) => [text, [id]]);
  await forge(...rewrite);
  const own = await ask(`/v1/projects/${id}/audit`, { token: await userToken(owner) });
  assert.deepEqual(
    own.body.faults.map(({ n, fault }) => [n, fault.slice(0, 18)]),
    [[3, 'not as in the head']],
  );

  // Whoever goes on to rewrite the head as well cannot seal it.
  await forge(
    [
      `update private.audit_ends as e set hash = (select c.hash from private.audit_chains as c where c.project_id = $1::uuid)
       where e.project_id = $1::uuid`,
      [id],
    ],
    [
      `update private.audit_heads as h set digest = private.audit_digest(h, private.audit_ends_of(h.id)) where ${HAS_END}`,
      [id],
    ],
  );
  assert.equal(
    (await ask(`/v1/projects/${id}/audit`, { token: await userToken(owner) })).body.intact,
    true,
    'the database believes it',
  );
  const answer = await verify();
  assert.deepEqual(
    answer.head_faults.map(({ fault }) => fault),
    ['not as sealed'],
  );

  // Nor does a seal of another head, or none, help.
  await sql(
    `update private.audit_seals as s set sealed = (select o.sealed from private.audit_seals as o where o.head_id <> s.head_id limit 1)
     where s.head_id = (select h.id from private.audit_heads as h where ${HAS_END})`,
    [id],
  );
  assert.deepEqual(
    (await verify()).head_faults.map(({ fault }) => fault),
    ['not as sealed'],
  );
  await sql(
    `delete from private.audit_seals as s where s.head_id = (select h.id from private.audit_heads as h where ${HAS_END})`,
    [id],
  );
  assert.deepEqual(
    (await verify()).head_faults.map(({ fault }) => fault),
    ['not sealed'],
  );
  await forge([`delete from private.audit_heads as h where ${HAS_END}`, [id]]);
});

test('a removed head is found by the one after it', async () => {
  await history();
  await seal();
  const { id } = await history();
  await seal();
  await history();
  await seal();
  await forge([`delete from private.audit_heads as h where ${HAS_END}`, [id]]);
  const { head_faults } = await verify();
  assert.deepEqual(
    head_faults.map(({ fault }) => fault),
    ['does not follow the head before'],
  );
  await forge(
    [
      `update private.audit_heads as h set previous = (select o.digest from private.audit_heads as o where o.place < h.place order by o.place desc limit 1)
     where h.place = (select max(place) from private.audit_heads)`,
    ],
    [`delete from private.audit_heads where place = (select max(place) from private.audit_heads)`],
  );
});

test('the newest head, removed with all that it protects, is missed by whoever knows of it', async () => {
  const { owner, id } = await history();
  await seal();
  await asUser(owner, `update observatory.projects set name = 'to be hidden' where id = $1`, [id]);
  await seal();
  const { newest, head_faults } = await verify();
  assert.deepEqual(head_faults, []);
  const known = { known_id: newest.id, known_digest: newest.digest };
  assert.deepEqual((await verify(known)).head_faults, []);
  assert.deepEqual((await verify({ ...known, known_digest: newest.digest.toUpperCase() })).head_faults, []);
  const other = { ...known, known_digest: newest.digest.replace(/.$/, (last) => (last === '0' ? '1' : '0')) };
  assert.deepEqual(
    (await verify(other)).head_faults.map(({ id: head, at, fault }) => [head, at, fault]),
    [[newest.id, null, 'is not there with the digest that you know']],
  );
  await forge(
    ['delete from private.audit_heads where id = $1', [newest.id]],
    ['delete from private.observatory_audit where project_id = $1 and n = 4', [id]],
    [
      `update private.audit_chains as c set n = 3, sealed_n = 3,
         hash = (select a.hash from private.observatory_audit as a where a.project_id = c.project_id and a.n = 3)
       where c.project_id = $1`,
      [id],
    ],
  );
  assert.equal((await ask(`/v1/projects/${id}/audit`, { token: await userToken(owner) })).body.intact, true);
  assert.deepEqual((await verify()).head_faults, [], 'on the day itself nothing else shows it');
  assert.deepEqual(
    (await verify(known)).head_faults.map(({ id: head }) => head),
    [newest.id],
  );
  assert.equal(
    (await ask('/v1/admin/audit/verify', { method: 'POST', token: stack.service_key, json: { known_id: 'x' } })).status,
    400,
  );
});

test('days without a sealed head are found, also if heads are put there later', async () => {
  await history();
  await seal();
  const { newest } = await verify();
  const place = {
    version: 1,
    column: 'private.audit_heads.digest',
    row: newest.id,
    owner: '00000000-0000-0000-0000-000000000000',
  };
  const [{ sealed }] = await sql('select sealed from private.audit_seals where head_id = $1', [newest.id]);
  const [digest, at] = (await unseal(made.kek_1, { ...place, sealed })).split(' ');
  assert.equal(digest, newest.digest);
  assert.ok(Math.abs(Number(at) - Date.now()) < 600_000);
  const put = (text) => sql('update private.audit_seals set sealed = $2 where head_id = $1', [newest.id, text]);
  try {
    // As if the edge had sealed it four days ago, and somebody had removed the heads since.
    await put(await sealAs(made.kek_1, `${digest} ${Number(at) - 4 * 86_400_000}`, place));
    const faults = async () =>
      (await verify()).head_faults.filter(({ fault }) => /days after/.test(fault)).map(({ id, fault }) => [id, fault]);
    assert.deepEqual(await faults(), [[newest.id, 'no head was sealed on the 3 days after it']]);
    // One for a day that has passed is sealed today.
    await forge([
      `insert into private.audit_heads (at, previous, digest)
       select h.at - interval '2 days', h.digest, private.audit_digest(row(null, null, h.at - interval '2 days', h.digest, null)::private.audit_heads, '{}')
       from private.audit_heads as h order by h.place desc limit 1`,
    ]);
    assert.deepEqual((await seal()).body, { sealed: 1 });
    assert.deepEqual(await faults(), [[newest.id, 'no head was sealed on the 3 days after it']]);
    for (const text of [`${digest} never`, digest, `${digest} -1`, 'x 1']) {
      await put(await sealAs(made.kek_1, text, place));
      assert.ok(
        (await verify()).head_faults.some(({ id, fault }) => id === newest.id && fault === 'not as sealed'),
        text,
      );
    }
  } finally {
    await put(sealed);
    await forge([
      `delete from private.audit_heads as h where h.place = (select max(place) from private.audit_heads)
         and not exists (select from private.audit_ends as e where e.head_id = h.id)`,
    ]);
  }
  assert.deepEqual((await verify()).head_faults, []);
});

test('without a key nothing is sealed, and that is no silence', async () => {
  const edge = await startEdge({ KEK_1: '' });
  try {
    await history();
    const { status, body } = await ask('/v1/jobs/seal_audit_head', {
      method: 'POST',
      token: stack.service_key,
      base: edge.url,
    });
    assert.deepEqual([status, body.code], [501, 'RG903']);
    assert.equal(
      (await ask('/v1/admin/audit/verify', { method: 'POST', token: stack.service_key, base: edge.url })).status,
      501,
    );
  } finally {
    await edge.stop();
  }
  await seal();
});

test('only service_role seals and verifies', async () => {
  for (const path of ['/v1/jobs/seal_audit_head', '/v1/admin/audit/verify'])
    for (const token of [undefined, await userToken(person(), { claims: { app_metadata: { role: 'admin' } } })])
      assert.ok([401, 403].includes((await ask(path, { method: 'POST', token })).status), path);
});
