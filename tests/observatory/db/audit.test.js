// The audit chain of observatory: what is noted, and what somebody with full access to the tables cannot hide.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { close, rowsRead, sql, transaction } from '../../support/stack.js';
import { Session, sendSession, conversation as sent } from '../support/transcripts.js';
import { asUser, codeOf, conversation, person, project, somePrice, vouchedFor } from '../support/world.js';

after(close);

const entries = (id) =>
  sql(
    'select n, action, relation, actor, row_id, details from private.observatory_audit where project_id = $1 order by n',
    [id],
  );
const verified = async (who, id) =>
  (await asUser(who, 'select observatory.verify_audit($1) as answer', [id]))[0].answer;

/** A project with a history. */
const history = async () => {
  const [owner, editor] = [person(), person()];
  const [{ id }] = await asUser(owner, `insert into observatory.projects (name) values ('audited') returning id`);
  await sql(`insert into observatory.project_members (project_id, user_id, role) values ($1, $2, 'viewer')`, [
    id,
    editor,
  ]);
  await asUser(owner, `update observatory.project_members set role = 'editor' where project_id = $1 and user_id = $2`, [
    id,
    editor,
  ]);
  await asUser(owner, `update observatory.projects set name = 'renamed' where id = $1`, [id]);
  await asUser(editor, 'delete from observatory.project_members where project_id = $1 and user_id = $2', [id, editor]);
  return { owner, editor, id };
};

test('what is decided about a project is noted in order, with who did it', async () => {
  const { owner, editor, id } = await history();
  const found = await entries(id);
  assert.deepEqual(
    found.map(({ action, relation, actor }) => [action, relation.split('.')[1], actor]),
    [
      ['insert', 'projects', owner],
      ['insert', 'project_members', owner],
      ['insert', 'project_members', null],
      ['update', 'project_members', owner],
      ['update', 'projects', owner],
      ['delete', 'project_members', editor],
    ],
  );
  assert.deepEqual(found[3].details, { role: 'editor', user_id: editor, columns: ['role'] });
  assert.deepEqual(found[4].details, { owner_id: owner, columns: ['name'] });
  assert.doesNotMatch(JSON.stringify(found), /renamed|audited/, 'no texts of people');
});

test('a deleted conversation is noted once, and not again when its rows go', async () => {
  const owner = person();
  const id = await project(owner);
  const talk = await conversation(id, owner, ['one']);
  await asUser(owner, 'select observatory.delete_conversation($1)', [talk]);
  const noted = async () => (await entries(id)).filter(({ row_id }) => row_id === talk).length;
  assert.equal(await noted(), 1);
  await sql('select private.purge_observatory()');
  assert.equal(await noted(), 1);
});

test('a title that a person writes is noted, and those of uploads and hooks are not', async () => {
  const owner = person();
  const session = new Session();
  session.user('The first prompt');
  for (let n = 0; n < 3; n += 1) {
    session.raw({ type: 'ai-title', aiTitle: `Title ${n}`, sessionId: session.id });
    session.raw({ type: 'custom-title', customTitle: `Own title ${n}`, sessionId: session.id });
  }
  // In parts: each changes the title.
  await sendSession(owner, session, { size: 1 });
  const talk = await sent(owner, session.id);
  assert.equal(talk.title, 'Own title 2');
  const noted = async () => [
    (await entries(talk.project_id)).filter(({ row_id }) => row_id === talk.id).map(({ details }) => details.columns),
    (await sql(`select count(*)::int as n from private.audit_log where row_id = $1`, [talk.id]))[0].n,
  ];
  assert.deepEqual(await noted(), [[], 0]);
  await asUser(owner, `update observatory.conversations set title = 'Mine' where id = $1`, [talk.id]);
  assert.deepEqual(await noted(), [[['title']], 1]);
  await asUser(owner, `update observatory.conversations set title = 'Mine' where id = $1`, [talk.id]);
  assert.equal((await noted())[0].length, 1, 'the same title is no change');
});

test('pricing again is noted: who asked for it, and what came of it', async () => {
  await somePrice();
  const owner = person();
  const id = await project(owner);
  const reprice = async (dry) =>
    (await asUser(owner, 'select observatory.reprice($1, null, $2) as receipt', [id, dry]))[0].receipt;
  const before = (await entries(id)).length;
  await reprice(true);
  assert.equal((await entries(id)).length, before, 'a dry run changes nothing');
  const receipt = await reprice(false);
  const found = (await entries(id)).slice(before);
  assert.deepEqual(
    found.map(({ action, relation, actor, row_id }) => [action, relation, actor, row_id]),
    ['insert', 'update'].map((action) => [action, 'private.reprice_receipts', owner, receipt.id]),
  );
  const { columns, lists, ...sums } = found[1].details;
  assert.ok(columns.includes('finished_at') && Array.isArray(lists));
  assert.deepEqual(sums, {
    user_id: owner,
    ...{ records: 0, changed: 0, newly_priced: 0, unpriced: 0, before_micro: 0, after_micro: 0 },
  });
});

test('invitations and share links are noted, without addresses and tokens', async () => {
  const owner = person();
  const id = await project(owner);
  const talk = await conversation(id, owner, ['one']);
  await vouchedFor(owner, `select observatory.invite($1, 'editor', 'grace@example.org')`, [id]);
  const [{ link }] = await asUser(owner, 'select observatory.share($1) as link', [talk]);
  await asUser(owner, 'select observatory.revoke_share($1)', [link.id]);
  const found = (await entries(id)).slice(2);
  assert.deepEqual(
    found.map(({ action, relation, actor }) => [action, relation, actor]),
    [
      ['insert', 'observatory.project_invitations', owner],
      ['insert', 'observatory.share_links', owner],
      ['update', 'observatory.share_links', owner],
    ],
  );
  assert.deepEqual(found[2].details.columns, ['revoked_at']);
  const text = JSON.stringify(found);
  assert.ok(!text.includes('grace') && !text.includes(link.token));
});

test('a chain that nobody has touched is whole', async () => {
  const { owner, id } = await history();
  const answer = await verified(owner, id);
  assert.deepEqual([answer.intact, answer.entries, answer.faults], [true, 6, []]);
  assert.equal(answer.latest[0].n, 6);
});

test('only owners verify a chain, and others do not learn that there is one', async () => {
  const { editor, id } = await history();
  assert.equal(await codeOf(verified(editor, id)), 'RG660');
  assert.equal(await codeOf(verified(person(), id)), 'RG660');
  const viewer = person();
  await sql(`insert into observatory.project_members (project_id, user_id, role) values ($1, $2, 'viewer')`, [
    id,
    viewer,
  ]);
  assert.equal(await codeOf(verified(viewer, id)), 'RG666');
});

test('nobody changes an entry by the way, not even the database’s owner', async () => {
  const { id } = await history();
  for (const statement of [
    `update private.observatory_audit set action = 'x' where project_id = $1`,
    'delete from private.observatory_audit where project_id = $1',
  ])
    assert.equal(await codeOf(sql(statement, [id])), '42501');
  assert.equal(await codeOf(sql('truncate private.observatory_audit')), '42501');
});

/** What somebody does who may do everything in the database, with the triggers off. */
const ATTACKS = {
  'an altered entry': [
    `update private.observatory_audit set details = '{"role": "owner"}' where project_id = $1 and n = 4`,
    [4],
  ],
  'an altered time': [
    `update private.observatory_audit set at = at - interval '1 microsecond' where project_id = $1 and n = 2`,
    [2],
  ],
  'an altered actor': [
    'update private.observatory_audit set actor = gen_random_uuid() where project_id = $1 and n = 1',
    [1],
  ],
  'a removed entry': ['delete from private.observatory_audit where project_id = $1 and n = 3', [3, 4]],
  'a removed end': ['delete from private.observatory_audit where project_id = $1 and n = 6', [6]],
  'swapped entries': [
    `with two as (select * from private.observatory_audit where project_id = $1 and n in (2, 3))
     update private.observatory_audit as a set action = t.action, relation = t.relation, row_id = t.row_id, details = t.details, actor = t.actor, at = t.at
     from two as t where a.project_id = $1 and a.n in (2, 3) and t.n = 5 - a.n`,
    [2, 3],
  ],
  'an added entry that follows well': [
    [
      `insert into private.observatory_audit
       select project_id, 7, at, actor, 'delete', relation, row_id, details, hash, hash from private.observatory_audit
       where project_id = $1 and n = 6`,
      'update private.observatory_audit as a set hash = private.audit_hash(a) where a.project_id = $1 and a.n = 7',
    ],
    [7],
  ],
};

for (const [name, [statements, places]] of Object.entries(ATTACKS)) {
  test(`${name} is found`, async () => {
    const { id } = await history();
    await transaction(async (query) => {
      await query(`set local session_replication_role = 'replica'`);
      for (const statement of [statements].flat()) await query(statement, [id]);
      const [{ answer }] = await query('select private.check_audit_chain($1) as answer', [id]);
      assert.equal(answer.intact, false);
      for (const n of places)
        assert.ok(
          answer.faults.some((fault) => fault.n === n),
          `${n}: ${JSON.stringify(answer.faults)}`,
        );
    });
  });
}

test('a swap of two rows with their digests is found', async () => {
  const { id } = await history();
  await transaction(async (query) => {
    await query(`set local session_replication_role = 'replica'`);
    await query(
      `with two as (select * from private.observatory_audit where project_id = $1 and n in (2, 3))
       update private.observatory_audit as a set action = t.action, hash = t.hash, previous = t.previous, details = t.details
       from two as t where a.project_id = $1 and a.n in (2, 3) and t.n = 5 - a.n`,
      [id],
    );
    const [{ answer }] = await query('select private.check_audit_chain($1) as answer', [id]);
    assert.equal(answer.intact, false);
  });
});

test('two transactions at once make one chain', async () => {
  const owner = person();
  const id = await project(owner);
  await Promise.all(
    Array.from({ length: 10 }, (_, n) =>
      asUser(owner, 'update observatory.projects set description = $2 where id = $1', [id, `${n}`]),
    ),
  );
  const answer = await verified(owner, id);
  assert.deepEqual([answer.intact, answer.entries], [true, 12]);
});

test('the digest of an entry does not depend on the time zone of a session', async () => {
  const { id } = await history();
  for (const zone of ['UTC', 'Asia/Kolkata', 'America/St_Johns']) {
    await transaction(async (query) => {
      await query(`set local timezone = '${zone}'`);
      const [{ answer }] = await query('select private.check_audit_chain($1) as answer', [id]);
      assert.equal(answer.intact, true, zone);
    });
  }
});

test('a project that is deleted keeps its chain', async () => {
  const { owner, id } = await history();
  await asUser(owner, 'select observatory.delete_project($1)', [id]);
  await sql('select private.purge_observatory()');
  const [{ answer }] = await sql('select private.check_audit_chain($1) as answer', [id]);
  assert.equal(answer.intact, true);
  assert.deepEqual((await entries(id)).at(-1).details.owner_id, owner);
  assert.equal(await codeOf(verified(owner, randomUUID())), 'RG660');
});

test('the deletion of a project is one entry, however many conversations go with it', async () => {
  const { owner, id } = await history();
  for (let n = 0; n < 3; n += 1) await conversation(id, owner);
  const before = (await entries(id)).length;
  await asUser(owner, 'select observatory.delete_project($1)', [id]);
  const noted = async () => (await entries(id)).slice(before).map(({ action, relation }) => [action, relation]);
  assert.deepEqual(await noted(), [['update', 'observatory.projects']]);
  await sql('select private.purge_observatory()');
  assert.deepEqual(await noted(), [['update', 'observatory.projects']]);
});

test('heads that were removed are missed by the chains that they had', async () => {
  const { id } = await history();
  await transaction(async (query) => {
    await query('select edge.audit_head()');
    const check = async () =>
      (await query('select private.check_audit_chain($1) as answer', [id]))[0].answer.faults.map(({ fault }) => fault);
    assert.deepEqual(await check(), []);
    await query(`set local session_replication_role = 'replica'`);
    await query(
      'delete from private.audit_heads where id in (select head_id from private.audit_ends where project_id = $1)',
      [id],
    );
    assert.deepEqual(await check(), ['its head is missing']);
  });
});

test('heads older than the latest 800 are protected by those after them', async () => {
  await transaction(async (query) => {
    await query(`set local session_replication_role = 'replica'`);
    const heads = async () => (await query('select observatory.audit_heads() as answer'))[0].answer.heads;
    await query(
      `do $do$
       declare
         head private.audit_heads;
       begin
         head.at := now();
         for n in 1..850 loop
           head.previous := coalesce((select h.digest from private.audit_heads as h order by h.place desc limit 1), sha256(''::bytea));
           head.digest := private.audit_digest(head, '{}');
           insert into private.audit_heads (at, previous, digest) values (head.at, head.previous, head.digest);
         end loop;
       end
       $do$`,
    );
    const seen = await heads();
    assert.equal(seen.length, 800);
    assert.ok(seen.every(({ fault }) => fault === null));
    const [old, next] = await query('select id from private.audit_heads order by place desc offset 820 limit 2').then(
      ([after_, before]) => [before.id, after_.id],
    );
    // Rewritten well: only the head after it differs.
    await query(
      `insert into private.audit_ends (head_id, project_id, n, hash) values ($1, gen_random_uuid(), 1, 'y')`,
      [old],
    );
    await query(
      'update private.audit_heads as h set digest = private.audit_digest(h, private.audit_ends_of(h.id)) where h.id = $1',
      [old],
    );
    const found = await heads();
    assert.deepEqual([found.length, found[0].id, found[0].fault], [801, next, 'does not follow the head before']);
  });
});

test('to check one chain reads the heads that have it, and no others', async () => {
  const { id } = await history();
  await transaction(async (query) => {
    await query('select edge.audit_head()');
    await query(`insert into private.audit_heads (previous, digest) select '', '' from generate_series(1, 500)`);
    await query(
      `insert into private.audit_ends (head_id, project_id, n, hash)
       select h.id, gen_random_uuid(), n, '' from private.audit_heads as h, generate_series(1, 20) as n where h.digest = ''`,
    );
    await query('analyze private.audit_heads, private.audit_ends');
    let answer;
    const read = await rowsRead(query, "relname in ('audit_heads', 'audit_ends')", async () => {
      [{ answer }] = await query('select private.check_audit_chain($1) as answer', [id]);
    });
    assert.equal(answer.intact, true);
    assert.ok(read <= 20, `${read} rows`);
  });
});

test('a chain that is removed with its end is found by the check of all chains, as the heads have it', async () => {
  const { id } = await history();
  await transaction(async (query) => {
    await query('select edge.audit_head()');
    const before = (await query('select observatory.audit_heads() as answer'))[0].answer.heads.length;
    await query(`set local session_replication_role = 'replica'`);
    /** What the check of all chains names of this project, and of heads. */
    const check = async () => {
      const faults = [];
      let heads = [];
      let after_ = null;
      do {
        const [{ answer }] = await query('select observatory.audit_heads(after => $1) as answer', [after_]);
        faults.push(...answer.faults.filter(({ project_id }) => project_id === id));
        heads = answer.heads;
        after_ = answer.next;
      } while (after_ !== null);
      return [
        faults.flatMap((found) => found.faults.map(({ n, fault }) => `${n} ${fault}`)),
        heads.map(({ fault }) => fault).filter(Boolean),
        heads.length,
      ];
    };
    assert.deepEqual(await check(), [[], [], before]);
    await query('delete from private.audit_chains where project_id = $1', [id]);
    const [[first]] = await check();
    assert.equal(first, '1 beyond the end', 'an end alone');
    await query('delete from private.observatory_audit where project_id = $1', [id]);
    const [faults, heads] = await check();
    assert.deepEqual([faults.length, faults[0].startsWith('6 not as in the head of '), heads], [1, true, []]);
    await query('delete from private.audit_ends where project_id = $1', [id]);
    assert.deepEqual(await check(), [[], ['altered'], before], 'what a head has is in its digest');
  });
});

test('every chain is checked, a thousand with each call', async () => {
  await transaction(async (query) => {
    await query(`set local session_replication_role = 'replica'`);
    // A chain whose only entry is missing, the last of all.
    await query(
      `insert into private.audit_chains (project_id, n, hash)
       select ('ffffffff-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, case when n = 1001 then 1 else 0 end, sha256('')
       from generate_series(1, 1001) as n`,
    );
    const faulty = 'ffffffff-0000-4000-8000-000000001001';
    let after_ = null;
    const answers = [];
    do {
      const [{ answer }] = await query('select observatory.audit_heads(after => $1) as answer', [after_]);
      answers.push(answer);
      after_ = answer.next;
    } while (after_ !== null);
    assert.ok(answers.length > 1);
    const named = answers.map(({ faults }) => faults.some(({ project_id }) => project_id === faulty));
    assert.deepEqual(named, [...named.slice(1).fill(false), true]);
  });
});
