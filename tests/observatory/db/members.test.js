// Members of observatory's projects: roles and verbs, leaving and removal, and invitations that say nothing of who has an account.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { as, close, sql, transaction } from '../../support/stack.js';
import { forget, work } from '../../support/statistics.js';
import { asUser, codeOf, conversation, person, project, vouchedFor } from '../support/world.js';

after(close);

const team = async () => {
  const people = { owner: person(), editor: person(), viewer: person(), stranger: person(), former: person() };
  const { owner, editor, viewer, former } = people;
  const id = await project(owner, { editor, viewer: [viewer, former] });
  await sql('delete from observatory.project_members where project_id = $1 and user_id = $2', [id, former]);
  const talk = await conversation(id, owner, ['a question', 'an answer']);
  await sql(
    `insert into observatory.tool_calls (project_id, conversation_id, owner_id, tool_use_id, tool_name) values ($1, $2, $3, 'use', 'Read')`,
    [id, talk, owner],
  );
  return { ...people, id, talk };
};
const rowsOf = (rows) => rows.length;
const ROLES = ['owner', 'editor', 'viewer', 'stranger', 'former'];

/** Who may do what: how many rows each role reaches. */
const MATRIX = {
  'select projects': [({ id }) => ['select id from observatory.projects where id = $1', [id]], [1, 1, 1, 0, 0]],
  'update projects': [
    ({ id }) => [`update observatory.projects set description = 'x' where id = $1 returning id`, [id]],
    [1, 1, 0, 0, 0],
  ],
  'delete projects': [
    ({ id }) => ['delete from observatory.projects where id = $1 returning id', [id]],
    [1, 0, 0, 0, 0],
  ],
  'select conversations': [
    ({ talk }) => ['select id from observatory.conversations where id = $1', [talk]],
    [1, 1, 1, 0, 0],
  ],
  'insert conversations': [
    ({ id }) => [
      `insert into observatory.conversations (project_id, session_id) values ($1, $2) returning id`,
      [id, randomUUID()],
    ],
    [1, 1, '42501', '42501', '42501'],
  ],
  'update conversations': [
    ({ talk }) => [`update observatory.conversations set title = 'x' where id = $1 returning id`, [talk]],
    [1, 1, 0, 0, 0],
  ],
  'delete conversations': [
    ({ talk }) => ['delete from observatory.conversations where id = $1 returning id', [talk]],
    [1, 0, 0, 0, 0],
  ],
  'select messages': [
    ({ talk }) => ['select id from observatory.messages where conversation_id = $1', [talk]],
    [2, 2, 2, 0, 0],
  ],
  'insert messages': [
    ({ id, talk }) => [
      `insert into observatory.messages (project_id, conversation_id, entry_uuid, entry_type) values ($1, $2, $3, 'user') returning id`,
      [id, talk, randomUUID()],
    ],
    [1, 1, '42501', '42501', '42501'],
  ],
  'update messages': [
    ({ talk }) => ['update observatory.messages set is_meta = true where conversation_id = $1 returning id', [talk]],
    [2, 2, 0, 0, 0],
  ],
  'delete messages': [
    ({ talk }) => ['delete from observatory.messages where conversation_id = $1 returning id', [talk]],
    [2, 0, 0, 0, 0],
  ],
  'select tool_calls': [
    ({ talk }) => ['select id from observatory.tool_calls where conversation_id = $1', [talk]],
    [1, 1, 1, 0, 0],
  ],
  'insert tool_calls': [
    ({ id, talk }) => [
      `insert into observatory.tool_calls (project_id, conversation_id, tool_use_id, tool_name) values ($1, $2, $3, 'x') returning id`,
      [id, talk, randomUUID()],
    ],
    [1, 1, '42501', '42501', '42501'],
  ],
  'update tool_calls': [
    ({ talk }) => [
      `update observatory.tool_calls set status = 'failed' where conversation_id = $1 returning id`,
      [talk],
    ],
    [1, 1, 0, 0, 0],
  ],
  'delete tool_calls': [
    ({ talk }) => ['delete from observatory.tool_calls where conversation_id = $1 returning id', [talk]],
    [1, 0, 0, 0, 0],
  ],
};

for (const [verb, [statement, wanted]] of Object.entries(MATRIX)) {
  test(`${verb}: each role as decided`, async () => {
    for (const [at, role] of ROLES.entries()) {
      const world = await team();
      const asked = asUser(world[role], ...statement(world));
      if (typeof wanted[at] === 'string') assert.equal(await codeOf(asked), wanted[at], role);
      else assert.equal(rowsOf(await asked), wanted[at], role);
    }
  });
}

test('nobody attaches a row to another project’s conversation', async () => {
  const [mine, other] = [await team(), await team()];
  const crossed = asUser(
    mine.owner,
    `insert into observatory.messages (project_id, conversation_id, entry_uuid, entry_type) values ($1, $2, 'x', 'user')`,
    [mine.id, other.talk],
  );
  assert.equal(await codeOf(crossed), '23503');
});

test('members see each other, and only owners change a role', async () => {
  const { owner, editor, viewer, stranger, id } = await team();
  const list = (who) => asUser(who, 'select user_id from observatory.project_members where project_id = $1', [id]);
  assert.equal((await list(viewer)).length, 3);
  assert.equal((await list(stranger)).length, 0);
  const promote = (who, user) =>
    asUser(
      who,
      `update observatory.project_members set role = 'editor' where project_id = $1 and user_id = $2 returning role`,
      [id, user],
    );
  assert.equal((await promote(editor, viewer)).length, 0);
  assert.equal((await promote(viewer, viewer)).length, 0, 'nor their own');
  assert.deepEqual(await promote(owner, viewer), [{ role: 'editor' }]);
  assert.equal(
    await codeOf(
      asUser(owner, `update observatory.project_members set role = 'admin' where project_id = $1 and user_id = $2`, [
        id,
        viewer,
      ]),
    ),
    '23514',
  );
});

test('who made a project stays its owner', async () => {
  const { owner, editor, id } = await team();
  await asUser(owner, `update observatory.project_members set role = 'owner' where project_id = $1 and user_id = $2`, [
    id,
    editor,
  ]);
  for (const who of [owner, editor]) {
    const demote = asUser(
      who,
      `update observatory.project_members set role = 'viewer' where project_id = $1 and user_id = $2`,
      [id, owner],
    );
    assert.equal(await codeOf(demote), 'RG666');
    const remove = asUser(who, 'delete from observatory.project_members where project_id = $1 and user_id = $2', [
      id,
      owner,
    ]);
    assert.equal(await codeOf(remove), 'RG666');
  }
});

test('a member leaves, and sees nothing in the next statement', async () => {
  const { viewer, id, talk } = await team();
  assert.equal(
    (await asUser(viewer, 'select id from observatory.messages where conversation_id = $1', [talk])).length,
    2,
  );
  await asUser(viewer, 'delete from observatory.project_members where project_id = $1 and user_id = $2', [id, viewer]);
  for (const table of ['messages', 'tool_calls'])
    assert.equal(
      (await asUser(viewer, `select id from observatory.${table} where conversation_id = $1`, [talk])).length,
      0,
      table,
    );
  assert.equal((await asUser(viewer, 'select id from observatory.projects where id = $1', [id])).length, 0);
});

test('an owner removes a member, a member nobody else', async () => {
  const { owner, editor, viewer, id } = await team();
  const remove = (who, user) =>
    asUser(who, 'delete from observatory.project_members where project_id = $1 and user_id = $2 returning user_id', [
      id,
      user,
    ]);
  assert.equal((await remove(editor, viewer)).length, 0);
  assert.equal((await remove(owner, viewer)).length, 1);
});

test('an API token with another scope sees no project, and one that only reads writes nothing', async () => {
  const { owner, id } = await team();
  const claim = (systems, access) => ({ api_token: { id: randomUUID(), systems, endpoints: [], access } });
  const see = (token) => asUser(owner, 'select id from observatory.projects where id = $1', [id], token);
  assert.equal((await see(claim(['clixen'], 'write'))).length, 0);
  assert.equal((await see(claim(['observatory'], 'read'))).length, 1);
  const write = asUser(
    owner,
    `update observatory.projects set name = 'x' where id = $1 returning id`,
    [id],
    claim(['observatory'], 'read'),
  );
  assert.equal(rowsOf(await write), 0);
  const lists = await asUser(
    owner,
    'select observatory.visible_projects() as seen, observatory.editable_projects() as edited, observatory.owned_projects() as owned',
    [],
    claim(['observatory'], 'read'),
  );
  assert.deepEqual(lists, [{ seen: [id], edited: [], owned: [] }]);
});

/** Claims of somebody whose address the issuer has verified. */
const verified = (email) => ({ email, email_verified: true });
const address = () => `${randomUUID()}@example.org`;
const invite = async (who, project_id, { role = 'viewer', email = null, user_id = null }, claims) =>
  (
    await vouchedFor(
      who,
      'select observatory.invite($1, $2, $3, $4) as answer',
      [project_id, role, email, user_id],
      claims,
    )
  )[0].answer;
const invitations = async (who, claims) =>
  (await asUser(who, 'select observatory.my_invitations() as answer', [], claims))[0].answer.invitations;
const accept = async (who, id, claims) =>
  (await asUser(who, 'select observatory.accept_invitation($1) as answer', [id], claims))[0].answer;
const roleOf = async (project_id, user) =>
  (
    await sql('select role from observatory.project_members where project_id = $1 and user_id = $2', [project_id, user])
  )[0]?.role;

test('an invitation by address is accepted by whoever has verified it, and by nobody else', async () => {
  const { owner, id } = await team();
  const [guest, other] = [person(), person()];
  const email = address();
  await invite(owner, id, { email, role: 'editor' });
  assert.deepEqual(await invitations(other, verified(address())), []);
  assert.deepEqual(await invitations(other, { email }), [], 'an address that is not verified may be anybody’s');
  assert.deepEqual(await invitations(other, { email, user_metadata: { email_verified: true } }), []);
  const [open] = await invitations(guest, verified(email.toUpperCase()));
  assert.deepEqual([open.project_id, open.role], [id, 'editor']);
  assert.equal(await codeOf(accept(other, open.id, verified(address()))), 'RG671');
  assert.deepEqual(await accept(guest, open.id, verified(email)), { project_id: id, role: 'editor' });
  assert.equal(await roleOf(id, guest), 'editor');
  assert.equal(await codeOf(accept(guest, open.id, verified(email))), 'RG671', 'once');
});

test('what concerns one project reads none of the caller’s other projects', async () => {
  const { owner, viewer, id, talk } = await team();
  const vouched = { role: 'edge', sub: owner, edge: { caller: 'authenticated' } };
  const signedIn = { role: 'authenticated', sub: owner };
  const calls = [
    ['thread', signedIn, `observatory.thread('${talk}')`],
    ['transcript', signedIn, `observatory.transcript_page('${talk}')`],
    ['search', signedIn, `observatory.search('question', '${id}')`],
    ['suggest', signedIn, `observatory.suggest('que', '${id}')`],
    ['search analytics', signedIn, `observatory.search_analytics('${id}')`],
    ['analytics', signedIn, `observatory.analytics_overview('${id}')`],
    ['reprice', signedIn, `observatory.reprice('${id}', dry_run => true)`],
    ['audit', signedIn, `observatory.verify_audit('${id}')`],
    ['share', signedIn, `observatory.share('${talk}')`],
    ['invite', vouched, `observatory.invite('${id}', 'viewer', user_id => '${viewer}')`],
    ['delete a conversation', signedIn, `observatory.delete_conversation('${talk}')`],
    ['delete a project', signedIn, `observatory.delete_project('${id}')`],
  ];
  const memberships = ['observatory.project_members', 'observatory.projects'];
  await transaction(async (query) => {
    const blocks = async () => {
      const found = {};
      for (const [name, claims, call] of calls) {
        await query('savepoint asked');
        await query(`select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)`, [
          claims.role,
          JSON.stringify(claims),
        ]);
        found[name] = (await work(query, `select ${call}`)).blocks;
        await query('rollback to asked');
      }
      return found;
    };
    await query(
      `insert into private.model_prices (provider, model, effective_from, input_micro, output_micro) values ('a', 'b', '2026-01-01', 1, 1)`,
    );
    // A thousand members of one project each: by such statistics memberships are read one by one.
    await query(
      `insert into observatory.project_members (project_id, user_id, role) select $1, gen_random_uuid(), 'viewer' from generate_series(1, 1000)`,
      [id],
    );
    await query(`analyze ${memberships}`);
    // As where tables are large: by their indexes.
    await query('set local enable_seqscan = off');
    await query('set local jit = off');
    const before = await blocks();
    await query(
      `insert into observatory.projects (id, owner_id, name) select gen_random_uuid(), $1, 'Project ' || n from generate_series(1, 500) as n`,
      [owner],
    );
    // Whatever the statistics: a plan for few memberships reads a block for each of them, another one the whole small table.
    for (const statistics of ['stale', 'none', 'fresh']) {
      if (statistics === 'none') await forget(query, memberships);
      if (statistics === 'fresh') await query(`analyze ${memberships}`);
      const after_ = await blocks();
      const more = Object.entries(after_).map(([name, count]) => [name, count - before[name]]);
      assert.deepEqual(
        more.filter(([, count]) => count > 250),
        [],
        JSON.stringify({ statistics, before, after_ }),
      );
    }
  });
});

test('a user’s invitations are found by indexes, without statistics of the tables, too', () =>
  transaction(async (query) => {
    const [owner, guest, id] = [person(), person(), randomUUID()];
    await query(
      `insert into observatory.projects (id, owner_id, name) select gen_random_uuid(), gen_random_uuid(), 'p' from generate_series(1, 3000)`,
    );
    await query(
      `insert into observatory.project_invitations (project_id, user_id, role, invited_by)
       select id, gen_random_uuid(), 'viewer', owner_id from observatory.projects`,
    );
    await query(`insert into observatory.projects (id, owner_id, name) values ($1, $2, 'Ours')`, [id, owner]);
    await query(
      `insert into observatory.project_invitations (project_id, user_id, role, invited_by) values ($1, $2, 'viewer', $3)`,
      [id, guest, owner],
    );
    await forget(query, ['observatory.projects', 'observatory.project_members', 'observatory.project_invitations']);
    await query(`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)`, [
      JSON.stringify({ role: 'authenticated', sub: guest }),
    ]);
    const [{ answer }] = await query('select observatory.my_invitations() as answer');
    assert.deepEqual(
      answer.invitations.map(({ project }) => project),
      ['Ours'],
    );
    const { blocks } = await work(query, 'select observatory.my_invitations()');
    assert.ok(blocks <= 60, `${blocks} blocks`);
  }));

test('the answer to an invitation is the same for every address and every id', async () => {
  const { owner, viewer, id } = await team();
  const known = address();
  await sql(`insert into observatory.projects (owner_id, name) values ($1, 'x')`, [person()]);
  const answers = [
    await invite(owner, id, { email: known }),
    await invite(owner, id, { email: known }),
    await invite(owner, id, { email: address() }),
    await invite(owner, id, { user_id: randomUUID() }),
    await invite(owner, id, { user_id: viewer }),
  ];
  for (const answer of answers) assert.equal(JSON.stringify(answer), '{"status":"invited"}');
});

test('only owners invite, and a stranger does not learn that there is a project', async () => {
  const { editor, viewer, stranger, former, id } = await team();
  for (const [who, code] of [
    [editor, 'RG666'],
    [viewer, 'RG666'],
    [stranger, 'RG660'],
    [former, 'RG660'],
  ])
    assert.equal(await codeOf(invite(who, id, { email: address() })), code);
  assert.equal(await codeOf(invite(stranger, randomUUID(), { email: address() })), 'RG660');
});

test('an invitation that is none is refused with the reason', async () => {
  const { owner, id } = await team();
  const mine = address();
  for (const [given, claims] of [
    [{}],
    [{ email: address(), user_id: randomUUID() }],
    [{ email: 'no address' }],
    [{ email: address(), role: 'admin' }],
    [{ user_id: owner }],
    [{ email: mine }, verified(mine)],
  ])
    assert.equal(await codeOf(invite(owner, id, given, claims)), 'RG672', JSON.stringify(given));
});

test('a project has at most 500 open invitations; those that have ended do not count', async () => {
  const { owner, id } = await team();
  await sql(
    `insert into observatory.project_invitations (project_id, user_id, role, invited_by, expires_at)
     select $1, gen_random_uuid(), 'viewer', $2, now() + case when n <= 100 then interval '-1 day' else '1 day' end
     from generate_series(1, 599) as n`,
    [id, owner],
  );
  await invite(owner, id, { email: address() });
  assert.equal(await codeOf(invite(owner, id, { email: address() })), 'RG672');
});

test('the function of invitations is the edge’s alone', async () => {
  const { owner, id } = await team();
  const direct = asUser(owner, 'select observatory.invite($1, $2, $3)', [id, 'viewer', address()]);
  assert.equal(await codeOf(direct), '42501');
  assert.equal(
    await codeOf(
      asUser(owner, `insert into observatory.project_members (project_id, user_id, role) values ($1, $2, 'viewer')`, [
        id,
        person(),
      ]),
    ),
    '42501',
  );
});

test('an invitation by user id, declined, is gone; another may follow', async () => {
  const { owner, id } = await team();
  const guest = person();
  await invite(owner, id, { user_id: guest });
  const [open] = await invitations(guest);
  assert.deepEqual(await asUser(guest, 'select observatory.decline_invitation($1) as a', [open.id]), [
    { a: { status: 'declined' } },
  ]);
  assert.deepEqual(await invitations(guest), []);
  assert.equal(await codeOf(accept(guest, open.id)), 'RG671');
  await invite(owner, id, { user_id: guest });
  assert.equal((await invitations(guest)).length, 1);
});

test('an invitation ends: by time, when its sender is no owner any more, with the project', async () => {
  const { owner, editor, id } = await team();
  const guest = person();
  await asUser(owner, `update observatory.project_members set role = 'owner' where project_id = $1 and user_id = $2`, [
    id,
    editor,
  ]);
  await invite(editor, id, { user_id: guest });
  const [open] = await invitations(guest);
  await asUser(owner, `update observatory.project_members set role = 'viewer' where project_id = $1 and user_id = $2`, [
    id,
    editor,
  ]);
  assert.equal(await codeOf(accept(guest, open.id)), 'RG671', 'its sender');
  await invite(owner, id, { user_id: guest });
  await sql(`update observatory.project_invitations set expires_at = now() - interval '1 second' where id = $1`, [
    open.id,
  ]);
  assert.equal(await codeOf(accept(guest, open.id)), 'RG671', 'its time');
  await invite(owner, id, { user_id: guest });
  assert.equal((await invitations(guest)).length, 1);
  await asUser(owner, 'select observatory.delete_project($1)', [id]);
  assert.deepEqual(await invitations(guest), [], 'the project');
});

/** Waits until somebody waits for a transaction. */
const untilAwaited = async (query) => {
  const [{ pid }] = await query('select pg_backend_pid() as pid');
  for (let tries = 0; ; tries++) {
    if ((await sql('select from pg_stat_activity where $1 = any (pg_blocking_pids(pid))', [pid])).length > 0) return;
    assert.ok(tries < 200, 'nobody waits');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

test('an invitation that an owner changes while it is accepted gives what it says now', async () => {
  const { owner, editor, id } = await team();
  const change = (guest, found, text, values) =>
    as({ role: 'service_role' }, async (query) => {
      await query(text, values);
      const accepted = accept(guest, found).then(
        ({ role }) => role,
        (error) => codeOf(Promise.reject(error)),
      );
      await untilAwaited(query);
      return { accepted };
    });
  const invited = async () => {
    const guest = person();
    await invite(owner, id, { user_id: guest, role: 'owner' });
    return [guest, (await invitations(guest))[0].id];
  };
  const [lowered, its] = await invited();
  const role = await change(lowered, its, `update observatory.project_invitations set role = 'viewer' where id = $1`, [
    its,
  ]);
  assert.equal(await role.accepted, 'viewer');
  assert.equal(await roleOf(id, lowered), 'viewer');
  const [other, theirs] = await invited();
  const sender = await change(
    other,
    theirs,
    'update observatory.project_invitations set invited_by = $2 where id = $1',
    [theirs, editor],
  );
  assert.equal(await sender.accepted, 'RG671', 'from somebody who is no owner');
  assert.equal(await roleOf(id, other), undefined);
});

test('who is removed or gets another role comes back by no earlier invitation, only by a later one', async () => {
  const { owner, editor, viewer, id } = await team();
  const changes = {
    removed: 'delete from observatory.project_members where project_id = $1 and user_id = $2',
    lowered: `update observatory.project_members set role = 'viewer' where project_id = $1 and user_id = $2`,
  };
  for (const [change, member] of [
    ['removed', viewer],
    ['lowered', editor],
  ]) {
    const email = address();
    const claims = verified(email);
    for (const given of [{ user_id: member }, { email }]) await invite(owner, id, { ...given, role: 'owner' });
    const open = await invitations(member, claims);
    assert.equal(open.length, 2);
    await asUser(owner, changes[change], [id, member]);
    const before = await roleOf(id, member);
    assert.deepEqual(await invitations(member, claims), [], change);
    for (const one of open) assert.equal(await codeOf(accept(member, one.id, claims)), 'RG671', change);
    assert.equal(await roleOf(id, member), before);
    for (const given of [{ user_id: member }, { email }]) await invite(owner, id, { ...given, role: 'editor' });
    const later = await invitations(member, claims);
    assert.equal(later.length, 2);
    // What they do themselves ends no invitation.
    for (const one of later) assert.equal((await accept(member, one.id, claims)).role, 'editor');
  }
});

test('an invitation that is accepted while its user is being removed is void', async () => {
  const { owner, viewer, id } = await team();
  await invite(owner, id, { user_id: viewer, role: 'editor' });
  const [open] = await invitations(viewer);
  const { accepted } = await as({ role: 'authenticated', claims: { sub: owner } }, async (query) => {
    await query('delete from observatory.project_members where project_id = $1 and user_id = $2', [id, viewer]);
    const code = codeOf(accept(viewer, open.id));
    await untilAwaited(query);
    return { accepted: code };
  });
  assert.equal(await accepted, 'RG671');
  assert.equal(await roleOf(id, viewer), undefined);
});

test('an invitation raises a member’s role, and never lowers it', async () => {
  const { owner, editor, viewer, id } = await team();
  for (const [guest, role, becomes] of [
    [editor, 'viewer', 'editor'],
    [viewer, 'owner', 'owner'],
  ]) {
    await invite(owner, id, { user_id: guest, role });
    const [open] = await invitations(guest);
    assert.equal((await accept(guest, open.id)).role, becomes);
  }
});

test('owners see a project’s invitations and take them back; members and who is invited do not see the rows', async () => {
  const { owner, editor, id } = await team();
  const guest = person();
  await invite(owner, id, { user_id: guest });
  const rows = (who) => asUser(who, 'select id from observatory.project_invitations where project_id = $1', [id]);
  assert.deepEqual([(await rows(owner)).length, (await rows(editor)).length, (await rows(guest)).length], [1, 0, 0]);
  await asUser(owner, 'delete from observatory.project_invitations where project_id = $1', [id]);
  assert.deepEqual(await invitations(guest), []);
});

test('an invitation is deleted 30 days after its end', async () => {
  const { owner, id } = await team();
  await invite(owner, id, { user_id: person() });
  await invite(owner, id, { user_id: person() });
  await sql(
    `update observatory.project_invitations set expires_at = now() - interval '31 days'
     where id = (select i.id from observatory.project_invitations as i where i.project_id = $1 limit 1)`,
    [id],
  );
  await sql('select private.clean_invitations()');
  assert.equal((await sql('select id from observatory.project_invitations where project_id = $1', [id])).length, 1);
});

test('an erased user’s live token accepts nothing', async () => {
  const { owner, id } = await team();
  const guest = person();
  await invite(owner, id, { user_id: guest });
  const [open] = await invitations(guest);
  await sql('select observatory.erase_user($1)', [guest]);
  assert.ok(['RG521', 'RG671'].includes(await codeOf(accept(guest, open.id))));
  assert.equal(await roleOf(id, guest), undefined);
});

test('somebody who is invited very often still reads the latest of the invitations', async () => {
  const guest = person();
  await sql(
    `with made as (
       insert into observatory.projects (owner_id, name) select gen_random_uuid(), 'p' from generate_series(1, 250) returning id, owner_id
     )
     insert into observatory.project_invitations (project_id, user_id, role, invited_by, created_at)
     select id, $1, 'viewer', owner_id, now() + row_number() over (order by id) * interval '1 second' from made`,
    [guest],
  );
  const open = await invitations(guest);
  assert.equal(open.length, 200);
  const [{ id }] = await sql(
    'select id from observatory.project_invitations where user_id = $1 order by created_at desc limit 1',
    [guest],
  );
  assert.equal(open[0].id, id);
});
