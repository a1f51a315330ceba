// Share links: what a stranger sees, and what not; that a link ends, and that it never shows more than it did.
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { as, close, sql, stack, transaction } from '../../support/stack.js';
import { sendLines } from '../support/live.js';
import { asUser, codeOf, conversation, person, project, say, vouchedFor } from '../support/world.js';

after(close);

const share = async (who, id, { title = null, hide = null, later = false, days = 30 } = {}) =>
  (
    await asUser(who, 'select observatory.share($1, $2, $3, $4, $5) as answer', [
      id,
      title,
      hide && JSON.stringify(hide),
      later,
      days,
    ])
  )[0].answer;
/** What somebody without an account sees by the edge. */
const shown = async (token, after_ = null, agent = null) =>
  (
    await as({ role: 'edge', claims: { edge: { caller: 'anon' } } }, (query) =>
      query('select observatory.shared($1, $2, $3) as answer', [token, after_, agent]),
    )
  )[0].answer;
const textsOf = ({ messages }) => messages.flatMap(({ parts }) => parts.map(({ text }) => text));
const revoke = (who, id) => asUser(who, 'select observatory.revoke_share($1) as answer', [id]);

/** A conversation with thinking and a tool call. */
const talkWith = async (owner, id) => {
  const talk = await conversation(id, owner, ['question']);
  await say(talk, [
    {
      role: 'assistant',
      content: 'answer',
      content_blocks: JSON.stringify([
        { type: 'thinking', thinking: 'a thought' },
        { type: 'text', text: 'answer in /home/ada/app' },
        { type: 'tool_use', id: 'use1', name: 'Bash', input: { command: 'ls /Users/ada/app' } },
      ]),
    },
  ]);
  await sql(
    `insert into observatory.tool_calls (project_id, conversation_id, owner_id, tool_use_id, tool_name, input, output, status)
     values ($1, $2, $3, 'use1', 'Bash', '{"command": "ls /Users/ada/app"}', 'C:\\Users\\ada\\file', 'completed')`,
    [id, talk, owner],
  );
  return talk;
};

test('a link shows a conversation to whoever has it, without thinking and names of home directories', async () => {
  const owner = person();
  const talk = await talkWith(owner, await project(owner));
  const link = await share(owner, talk, { title: 'Shown' });
  assert.equal(link.path, `/v1/shared/${link.token}`);
  const seen = await shown(link.token);
  assert.equal(seen.title, 'Shown');
  assert.deepEqual(
    seen.messages.map(({ role, parts }) => [role, parts]),
    [
      ['user', [{ type: 'text', text: 'question' }]],
      [
        'assistant',
        [
          { type: 'text', text: 'answer in ~/app' },
          { type: 'tool', name: 'Bash', status: 'completed', input: '{"command": "ls ~/app"}', output: '~\\file' },
        ],
      ],
    ],
  );
  assert.equal(seen.next, null);
});

test('what a link hides is in no part of the answer', async () => {
  const owner = person();
  const talk = await talkWith(owner, await project(owner));
  const everything = await shown((await share(owner, talk, { hide: [] })).token);
  assert.match(JSON.stringify(everything), /a thought/);
  assert.match(JSON.stringify(everything), /\/home\/ada/);
  for (const [hide, gone] of [
    ['thinking', /a thought/],
    ['tool_inputs', /"input"/],
    ['tool_outputs', /"output"/],
    ['paths', /ada/],
  ]) {
    const seen = await shown((await share(owner, talk, { hide: [hide] })).token);
    assert.doesNotMatch(JSON.stringify(seen), gone, hide);
  }
});

/** A session with a subagent, and one below that. */
const withAgents = async (owner, id) => {
  const session_id = randomUUID();
  const talk = await conversation(id, owner, ['question'], { session_id });
  const agent = (agent_id, texts, fields = {}) =>
    conversation(id, owner, texts, { session_id, agent_id, parent_conversation_id: talk, ...fields });
  await agent('one', ['the prompt in /home/ada/app', `found ghp_${'a1B2'.repeat(9)}`, 'more', 'the end'], {
    title: 'Look in /home/ada/app',
    metadata: JSON.stringify({ agent_type: 'Explore' }),
  });
  await agent('two', ['deeper prompt', 'deeper answer'], { title: null });
  await say(talk, [
    {
      role: 'assistant',
      content: 'started',
      content_blocks: JSON.stringify([{ type: 'tool_use', id: 'starts', name: 'Agent', input: { prompt: 'x' } }]),
    },
  ]);
  await sql(
    `insert into observatory.tool_calls (
       project_id, conversation_id, owner_id, tool_use_id, tool_name, input, output, status, spawned_agent_id)
     values ($1, $2, $3, 'starts', 'Agent', '{"prompt": "x"}', 'result', 'completed', 'one')`,
    [id, talk, owner],
  );
  return { talk, session_id, agent };
};

test('a link shows a session’s subagents, by the same rules', async () => {
  const owner = person();
  const { talk } = await withAgents(owner, await project(owner));
  const { token } = await share(owner, talk);
  const whole = await shown(token);
  assert.equal(whole.agent, null);
  assert.deepEqual(whole.agents, [
    { id: 'one', type: 'Explore', title: 'the prompt in ~/app' },
    { id: 'two', type: null, title: 'deeper prompt' },
  ]);
  assert.equal(whole.messages[1].parts[0].agent, 'one');
  const one = await shown(token, null, 'one');
  assert.deepEqual([one.title, one.agent, one.agents], ['A conversation', whole.agents[0], []]);
  assert.deepEqual(textsOf(one), ['the prompt in ~/app', 'found [redacted:github]', 'more', 'the end']);
  assert.deepEqual(textsOf(await shown(token, null, 'two')), ['deeper prompt', 'deeper answer']);
  const views =
    'select coalesce(sum(views), 0)::int as n from private.share_views as v natural join private.share_tokens as t where t.hash = $1';
  const hash = createHash('sha256').update(Buffer.from(token, 'base64url')).digest();
  assert.deepEqual(await sql(views, [hash]), [{ n: 1 }], 'a reading of a subagent is none of the link');
});

test('what a link hides of tools, it hides of subagents: their prompts are inputs, what they say is output', async () => {
  const owner = person();
  const { talk } = await withAgents(owner, await project(owner));
  const inputs = (await share(owner, talk, { hide: ['tool_inputs'] })).token;
  assert.deepEqual(
    (await shown(inputs)).agents.map(({ title }) => title),
    [null, null],
  );
  assert.deepEqual(textsOf(await shown(inputs, null, 'two')), ['deeper answer']);
  const outputs = (await share(owner, talk, { hide: ['tool_outputs'] })).token;
  assert.doesNotMatch(JSON.stringify(await shown(outputs)), /"agent": ?"|Explore/);
  assert.deepEqual((await shown(outputs)).agents, []);
  assert.equal(await codeOf(shown(outputs, null, 'one')), 'RG667');
});

test('what a link hides of tools, it hides of subagents in the session’s own file, of shells and of summaries', async () => {
  const owner = person();
  const talk = await conversation(await project(owner), owner, [
    'question',
    'answer',
    { role: 'user', content: 'side prompt', is_sidechain: true },
    { role: 'assistant', content: 'side answer', is_sidechain: true },
    { role: 'user', content: '<bash-input>ls</bash-input>' },
    { role: 'user', content: '<bash-stdout>a.txt</bash-stdout><bash-stderr></bash-stderr>' },
    { role: 'user', content: 'a summary', metadata: { is_compact_summary: true } },
    {
      role: 'user',
      content: 'no, stop',
      content_blocks: JSON.stringify([
        { type: 'tool_result', tool_use_id: 'x' },
        { type: 'text', text: 'no, stop' },
      ]),
    },
  ]);
  const texts = async (hide) => textsOf(await shown((await share(owner, talk, { hide })).token));
  const all = [
    'question',
    'answer',
    'side prompt',
    'side answer',
    '<bash-input>ls</bash-input>',
    '<bash-stdout>a.txt</bash-stdout><bash-stderr></bash-stderr>',
    'a summary',
    'no, stop',
  ];
  const without = (...gone) => all.filter((_, at) => !gone.includes(at));
  assert.deepEqual(await texts([]), all);
  assert.deepEqual(await texts(['tool_inputs']), without(2));
  assert.deepEqual(await texts(['tool_outputs']), without(2, 3, 5, 6));
  // Of a subagent's own conversation, all lines are its.
  const own = await conversation(
    await project(owner),
    owner,
    [
      { role: 'user', content: 'side prompt', is_sidechain: true },
      { role: 'assistant', content: 'side answer', is_sidechain: true },
    ],
    { agent_id: 'one' },
  );
  assert.deepEqual(textsOf(await shown((await share(owner, own, { hide: ['tool_outputs'] })).token)), [
    'side prompt',
    'side answer',
  ]);
});

test('subagents and their messages that come later are shown only if that was chosen', async () => {
  const owner = person();
  const id = await project(owner);
  const { talk, session_id, agent } = await withAgents(owner, id);
  const [fixed, growing] = [await share(owner, talk), await share(owner, talk, { later: true })];
  await agent('three', ['late prompt', 'late answer']);
  const [{ id: one }] = await sql(
    `select id from observatory.conversations where session_id = $1 and agent_id = 'one'`,
    [session_id],
  );
  await say(one, ['late message']);
  const agentsOf = async ({ token }) => (await shown(token)).agents.map(({ id: name }) => name);
  assert.deepEqual(await agentsOf(fixed), ['one', 'two']);
  assert.deepEqual(await agentsOf(growing), ['one', 'two', 'three']);
  assert.equal((await shown(fixed.token, null, 'one')).messages.length, 4);
  assert.equal((await shown(growing.token, null, 'one')).messages.length, 5);
  assert.equal(await codeOf(shown(fixed.token, null, 'three')), 'RG667');
  // What others have: a session of the same name, another project, none.
  const other = person();
  const otherId = await project(other);
  await conversation(otherId, other, ['foreign'], { session_id, agent_id: 'foreign' });
  for (const name of ['foreign', 'nobody', '']) assert.equal(await codeOf(shown(growing.token, null, name)), 'RG667');
  await sql('update observatory.conversations set deleted_at = now() where id = $1', [one]);
  assert.equal(await codeOf(shown(growing.token, null, 'one')), 'RG667');
});

test('a title that a subagent gets later is shown only if that was chosen', async () => {
  const owner = person();
  const { talk, agent } = await withAgents(owner, await project(owner));
  await agent('silent', []);
  const [fixed, growing] = [await share(owner, talk), await share(owner, talk, { later: true })];
  await sql(`update observatory.conversations set title = 'later title' where owner_id = $1 and agent_id is not null`, [
    owner,
  ]);
  const [{ id: silent }] = await sql(
    `select id from observatory.conversations where owner_id = $1 and agent_id = 'silent'`,
    [owner],
  );
  await say(silent, ['later prompt']);
  const titlesOf = async ({ token }, name = null) =>
    name ? (await shown(token, null, name)).agent.title : (await shown(token)).agents.map(({ title }) => title);
  assert.deepEqual(await titlesOf(fixed), ['the prompt in ~/app', 'deeper prompt', null]);
  assert.equal(await titlesOf(fixed, 'one'), 'the prompt in ~/app');
  assert.deepEqual(await titlesOf(growing), ['later title', 'later title', 'later title']);
  assert.equal(await titlesOf(growing, 'one'), 'later title');
});

test('a link of a subagent shows that one alone', async () => {
  const owner = person();
  const { session_id } = await withAgents(owner, await project(owner));
  const [{ id: one }] = await sql(
    `select id from observatory.conversations where session_id = $1 and agent_id = 'one'`,
    [session_id],
  );
  const { token } = await share(owner, one);
  assert.deepEqual((await shown(token)).agents, []);
  assert.equal(await codeOf(shown(token, null, 'two')), 'RG667');
});

test('secrets are taken out once more, when they are shown', async () => {
  const owner = person();
  const key = `ghp_${'a1B2'.repeat(9)}`;
  // Past the redaction: as it could be stored by an older version.
  const talk = await conversation(await project(owner), owner, [`the key is ${key}`], { title: key });
  const seen = await shown((await share(owner, talk)).token);
  assert.doesNotMatch(JSON.stringify(seen), /ghp_/);
  assert.deepEqual(textsOf(seen), ['the key is [redacted:github]']);
});

test('what comes after a link was made is not shown, unless that was chosen', async () => {
  const owner = person();
  const talk = await talkWith(owner, await project(owner));
  await sql(`update observatory.tool_calls set output = null, status = 'pending' where conversation_id = $1`, [talk]);
  const [fixed, growing] = [await share(owner, talk), await share(owner, talk, { later: true })];
  await say(talk, ['later question', 'later answer']);
  await sql(
    `update observatory.tool_calls set output = 'later output', status = 'completed' where conversation_id = $1`,
    [talk],
  );
  assert.doesNotMatch(JSON.stringify(await shown(fixed.token)), /later (question|answer|output)/);
  const more = JSON.stringify(await shown(growing.token));
  for (const part of [/later question/, /later answer/, /later output/]) assert.match(more, part);
});

test('an upload that was under way when a link was made does not get into it', async () => {
  const owner = person();
  const id = await project(owner);
  const talk = await conversation(id, owner, ['before']);
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: stack.database_url });
  await client.connect();
  try {
    await client.query('begin');
    // Its transaction begins before the link, and it stores after it.
    await client.query('select now()');
    const link = await share(owner, talk);
    await client.query('select private.lock_observatory_owner($1)', [owner]);
    await client.query(
      `insert into observatory.messages (project_id, conversation_id, owner_id, entry_uuid, entry_type, role, seq, content)
       values ($1, $2, $3, 'late', 'user', 'user', 99, 'under way')`,
      [id, talk, owner],
    );
    await client.query('commit');
    assert.deepEqual(textsOf(await shown(link.token)), ['before']);
  } finally {
    await client.end();
  }
});

test('a link ends by its time, by revocation, with the conversation and with the project, and all ends look alike', async () => {
  const owner = person();
  const id = await project(owner);
  const ends = {
    time: (link) =>
      sql(
        `update observatory.share_links set created_at = now() - interval '2 days', expires_at = now() - interval '1 second' where id = $1`,
        [link.id],
      ),
    revocation: (link) => revoke(owner, link.id),
    conversation: (_, talk) => asUser(owner, 'select observatory.delete_conversation($1)', [talk]),
    project: () => asUser(owner, 'select observatory.delete_project($1)', [id]),
  };
  const messages = [];
  const ask = async (token) => {
    try {
      await shown(token);
      return 'shown';
    } catch (error) {
      return error.message;
    }
  };
  for (const [name, end] of Object.entries(ends)) {
    const talk = await conversation(id, owner, ['x']);
    const link = await share(owner, talk);
    assert.equal(await ask(link.token), 'shown', name);
    await end(link, talk);
    messages.push(await ask(link.token));
  }
  messages.push(await ask('A'.repeat(43)), await ask('short'), await ask(''), await ask('é'.repeat(43)));
  assert.equal(new Set(messages).size, 1, messages.join('\n'));
  assert.equal(JSON.parse(messages[0]).code, 'RG667');
});

test('a link is deleted 90 days after it has ended, with its token and its views', async () => {
  const owner = person();
  const talk = await talkWith(owner, await project(owner));
  const old = {
    expired: `created_at = now() - interval '92 days', expires_at = now() - interval '91 days'`,
    revoked: `created_at = now() - interval '92 days', revoked_at = now() - interval '91 days'`,
    'ended lately': `created_at = now() - interval '92 days', expires_at = now() - interval '89 days', revoked_at = now()`,
    'not ended': `created_at = now() - interval '92 days'`,
  };
  const links = {};
  for (const [name, change] of Object.entries(old)) {
    const { id, token } = await share(owner, talk);
    await shown(token);
    await sql(`update observatory.share_links set ${change} where id = $1`, [id]);
    links[id] = name;
  }
  await sql('select private.clean_share_links()');
  for (const [table, column] of [
    ['observatory.share_links', 'id'],
    ['private.share_tokens', 'share_id'],
    ['private.share_views', 'share_id'],
  ]) {
    const left = await sql(`select ${column} as id from ${table} where ${column} = any ($1)`, [Object.keys(links)]);
    assert.deepEqual(left.map(({ id }) => links[id]).toSorted(), ['ended lately', 'not ended'], table);
  }
});

test('a token has 256 random bits, is stored as a digest only, and no two are alike', async () => {
  const owner = person();
  const talk = await conversation(await project(owner), owner, ['x']);
  const links = await Promise.all(Array.from({ length: 5 }, () => share(owner, talk)));
  assert.equal(new Set(links.map(({ token }) => token)).size, 5);
  for (const { id, token } of links) {
    assert.match(token, /^[A-Za-z0-9_-]{43}$/);
    const [{ hash }] = await sql('select hash from private.share_tokens where share_id = $1', [id]);
    assert.deepEqual(hash, createHash('sha256').update(Buffer.from(token, 'base64url')).digest());
    const [{ row }] = await sql('select to_jsonb(l)::text as row from observatory.share_links as l where id = $1', [
      id,
    ]);
    assert.ok(!row.includes(token));
  }
  // One character more or less opens nothing.
  const [{ token }] = links;
  const last = token.at(-1) === 'A' ? 'Q' : 'A';
  for (const near of [token.slice(1), `${token}A`, `${token.slice(0, -2)}${token.at(-2) === 'x' ? 'y' : 'x'}${last}`])
    assert.equal(await codeOf(shown(near)), 'RG667');
});

test('a day’s allowance bounds how many links one user makes', async () => {
  const owner = person();
  const talk = await conversation(await project(owner), owner);
  await transaction(async (query) => {
    await query(`update private.daily_allowances set rows = 2 where name = 'observatory'`);
    await query(`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)`, [
      JSON.stringify({ role: 'authenticated', sub: owner }),
    ]);
    for (let n = 0; n < 2; n++) await query('select observatory.share($1)', [talk]);
    await assert.rejects(query('select observatory.share($1)', [talk]), /RG517/);
  });
});

test('only who may write in the project shares, and only its maker or an owner revokes', async () => {
  const [owner, editor, other, viewer, stranger] = [person(), person(), person(), person(), person()];
  const id = await project(owner, { editor: [editor, other], viewer });
  const talk = await conversation(id, owner, ['x']);
  assert.equal(await codeOf(share(viewer, talk)), 'RG661');
  assert.equal(await codeOf(share(stranger, talk)), 'RG662');
  assert.equal(await codeOf(share(stranger, randomUUID())), 'RG662');
  const link = await share(editor, talk);
  assert.equal(await codeOf(revoke(other, link.id)), 'RG666');
  assert.equal(await codeOf(revoke(stranger, link.id)), 'RG667');
  assert.equal(await codeOf(revoke(viewer, link.id)), 'RG666');
  const first = (await revoke(editor, link.id))[0].answer.revoked_at;
  assert.equal((await revoke(owner, link.id))[0].answer.revoked_at, first, 'twice changes nothing');
});

test('the options of a link are checked', async () => {
  const owner = person();
  const talk = await conversation(await project(owner), owner, ['x']);
  for (const options of [
    { hide: ['all'] },
    { hide: {} },
    { hide: 'paths' },
    { days: 0 },
    { days: 366 },
    { title: 'x'.repeat(501) },
  ])
    assert.equal(await codeOf(share(owner, talk, options)), 'RG675', JSON.stringify(options));
});

test('views are counted once a reading, by day, and only members see the number', async () => {
  const [owner, viewer, stranger] = [person(), person(), person()];
  const id = await project(owner, { viewer });
  const talk = await conversation(
    id,
    owner,
    Array.from({ length: 120 }, (_, n) => `message ${n}`),
  );
  const link = await share(owner, talk);
  const first = await shown(link.token);
  const second = await shown(link.token, first.next);
  const third = await shown(link.token, second.next);
  assert.equal(third.next, null);
  assert.deepEqual(
    [first, second, third].flatMap(textsOf),
    Array.from({ length: 120 }, (_, n) => `message ${n}`),
    'pages follow one another, without doubles',
  );
  await shown(link.token);
  const count = async (who) =>
    (
      await asUser(
        who,
        'select observatory.view_count(l)::int as views from observatory.share_links as l where id = $1',
        [link.id],
      )
    )[0]?.views;
  assert.deepEqual([await count(owner), await count(viewer), await count(stranger)], [2, 2, undefined]);
  const forged = await asUser(
    stranger,
    `select observatory.view_count(jsonb_populate_record(null::observatory.share_links, $1))::int as views`,
    [JSON.stringify({ id: link.id, project_id: await project(stranger) })],
  );
  assert.equal(forged[0].views, 0, 'a row that a stranger makes up');
  for (const cursor of ['', 'x', '1_1', `${'9'.repeat(30)}_${randomUUID()}`, `${first.next.toUpperCase()}x`])
    assert.equal(await codeOf(shown(link.token, cursor)), 'RG669', cursor);
  // As for an API token that may only read.
  const read = await as({ role: 'edge', claims: { edge: { caller: 'anon' } } }, async (query) => {
    await query('set transaction read only');
    return query('select observatory.shared($1) as answer', [link.token]);
  });
  assert.deepEqual(textsOf(read[0].answer), textsOf(first));
  assert.equal(await count(owner), 2, 'a view that cannot be counted');
});

test('nobody but the edge calls the function of links, and nobody reads tokens or views', async () => {
  const owner = person();
  const talk = await conversation(await project(owner), owner, ['x']);
  const { token } = await share(owner, talk);
  assert.equal(await codeOf(asUser(owner, 'select observatory.shared($1)', [token])), '42501');
  for (const table of ['private.share_tokens', 'private.share_views'])
    assert.equal(await codeOf(asUser(owner, `select * from ${table}`)), '42501');
  assert.equal(
    await codeOf(asUser(owner, `update observatory.share_links set expires_at = now() + interval '300 days'`)),
    '42501',
  );
  assert.ok(await vouchedFor(person(), 'select observatory.shared($1)', [token]), 'signed in or not, it is the same');
});

test('entries that people do not read are left out: system records, meta, results of tools', async () => {
  const owner = person();
  const talk = await conversation(await project(owner), owner, [
    'shown',
    { role: null, entry_type: 'file-history-snapshot', content: 'unknown record' },
    { role: 'user', is_meta: true, content: 'caveat' },
    {
      role: 'user',
      content: '',
      content_blocks: JSON.stringify([{ type: 'tool_result', tool_use_id: 'x', content: 'result' }]),
    },
  ]);
  assert.deepEqual(textsOf(await shown((await share(owner, talk)).token)), ['shown']);
});

test('a long text is cut, and a hostile one is only text', async () => {
  const owner = person();
  const talk = await conversation(await project(owner), owner, [
    'x'.repeat(30000),
    '</script><script>alert(1)</script>',
  ]);
  const [long, hostile] = textsOf(await shown((await share(owner, talk)).token));
  assert.deepEqual([long.length, long.endsWith(' […]')], [20004, true]);
  assert.equal(hostile, '</script><script>alert(1)</script>');
});

test('an answer that was there stays on a link when its call becomes a copy or its duration is measured', async () => {
  const owner = person();
  const talk = await talkWith(owner, await project(owner));
  const { token } = await share(owner, talk);
  const before = await shown(token);
  assert.match(JSON.stringify(before), /"output"/);
  await sql(
    `update observatory.tool_calls set is_copy = true, duration_ms = 5, duration_source = 'hook' where conversation_id = $1`,
    [talk],
  );
  assert.deepEqual(await shown(token), before);
});

test('a link that goes on growing ends with its maker’s right to write, one that does not grow stays', async () => {
  const [owner, editor] = [person(), person()];
  const id = await project(owner, { editor });
  const talk = await conversation(id, owner, ['before']);
  const [fixed, growing] = [await share(editor, talk), await share(editor, talk, { later: true })];
  const owners = await share(owner, talk, { later: true });
  const change = {
    'a viewer': `update observatory.project_members set role = 'viewer' where project_id = $1 and user_id = $2`,
    nobody: 'delete from observatory.project_members where project_id = $1 and user_id = $2',
  };
  assert.deepEqual(textsOf(await shown(growing.token)), ['before']);
  for (const [name, text] of Object.entries(change)) {
    await asUser(owner, text, [id, editor]);
    assert.equal(await codeOf(shown(growing.token)), 'RG667', name);
    assert.deepEqual(textsOf(await shown(fixed.token)), ['before'], name);
    assert.deepEqual(textsOf(await shown(owners.token)), ['before'], name);
  }
});

test('a page of a link has a limited size, however large its messages are, and its pages have all of them', async () => {
  const owner = person();
  const id = await project(owner);
  const calls = Array.from({ length: 40 }, (_, n) => `big${n}`);
  const talk = await conversation(id, owner, [
    ...Array.from({ length: 60 }, (_, n) => `${n} ${'é'.repeat(19_000)}`),
    {
      role: 'assistant',
      content: 'x',
      content_blocks: JSON.stringify(calls.map((use) => ({ type: 'tool_use', id: use, name: 'Bash' }))),
    },
    'the end',
  ]);
  for (const use of calls)
    await sql(
      `insert into observatory.tool_calls (project_id, conversation_id, owner_id, tool_use_id, tool_name, output, status)
       values ($1, $2, $3, $4, 'Bash', repeat('é', 19000), 'completed')`,
      [id, talk, owner, use],
    );
  const { token } = await share(owner, talk);
  let cursor = null;
  const seen = [];
  do {
    const page = await shown(token, cursor);
    assert.ok(Buffer.byteLength(JSON.stringify(page)) < 1_000_000);
    seen.push(...page.messages);
    cursor = page.next;
  } while (cursor);
  assert.equal(seen.length, 62);
  assert.deepEqual(seen[60].parts.at(-1), { type: 'text', text: '[…]' });
  assert.deepEqual(seen[61].parts, [{ type: 'text', text: 'the end' }]);
});

/** Conversations of other agents: a prompt, an answer with a thought, and a tool. */
const OTHERS = {
  gemini: (session, said) => [
    { sessionId: session, projectHash: 'a', startTime: '2026-11-20T10:00:00.000Z' },
    { id: 'm1', timestamp: '2026-11-20T10:00:00.000Z', type: 'user', content: 'the question' },
    {
      ...{ id: 'm2', timestamp: '2026-11-20T10:00:05.000Z', type: 'gemini', content: said, model: 'gemini-3-pro' },
      thoughts: [{ subject: 'Plan', description: 'a thought' }],
      toolCalls: [
        {
          ...{ id: 'use1', name: 'read_file', args: { file_path: 'a.txt' }, status: 'success' },
          result: [{ functionResponse: { response: { output: 'the contents' } } }],
        },
      ],
    },
  ],
  opencode: (session, said) => [
    { info: { id: session, directory: '/home/me/app', title: 'Reading', time: { created: 1_795_600_000_000 } } },
    {
      info: { id: 'msg_1', sessionID: session, role: 'user', time: { created: 1_795_600_000_001 } },
      parts: [{ type: 'text', text: 'the question' }],
    },
    {
      info: {
        ...{ id: 'msg_2', sessionID: session, role: 'assistant', modelID: 'm', time: { created: 1_795_600_000_002 } },
        tokens: { input: 1, output: 1, reasoning: 0, cache: { read: 0, write: 0 } },
      },
      parts: [
        { type: 'reasoning', text: 'a thought' },
        { type: 'text', text: said },
        {
          ...{ type: 'tool', callID: 'use1', tool: 'read_file' },
          state: { status: 'completed', input: { file_path: 'a.txt' }, output: 'the contents' },
        },
      ],
    },
  ],
};
/** Sends such a conversation, and gives its id. */
const sendOther = async (agent, owner, session, said) => {
  const lines = OTHERS[agent](session, said).map((line) => JSON.stringify(line));
  return (await sendLines(owner, `${session}-${said.length}.jsonl`, lines)).conversation_id;
};
const sessionOf = (agent) => (agent === 'opencode' ? `ses_${randomUUID()}` : randomUUID());

for (const agent of Object.keys(OTHERS)) {
  test(`a link shows what ${agent} answered, and its tools`, async () => {
    const owner = person();
    const talk = await sendOther(agent, owner, sessionOf(agent), 'the answer');
    const { messages } = await shown((await share(owner, talk, { hide: [] })).token);
    assert.deepEqual(
      messages.map(({ parts }) => parts.map(({ type, text, name, output }) => [type, text ?? name, output])),
      [
        [['text', 'the question', undefined]],
        [
          ['thinking', messages[1].parts[0].text, undefined],
          ['text', 'the answer', undefined],
          ['tool', 'read_file', 'the contents'],
        ],
      ],
    );
    assert.match(messages[1].parts[0].text, /a thought/);
  });

  test(`what an answer of ${agent} grows by after a link was made is not on it`, async () => {
    const owner = person();
    const session = sessionOf(agent);
    const talk = await sendOther(agent, owner, session, 'the answer');
    const [fixed, growing] = [await share(owner, talk), await share(owner, talk, { later: true })];
    assert.match(JSON.stringify(await shown(fixed.token)), /the answer/);
    assert.equal(await sendOther(agent, owner, session, 'the answer, and later words'), talk);
    assert.doesNotMatch(JSON.stringify(await shown(fixed.token)), /later words/);
    assert.match(JSON.stringify(await shown(growing.token)), /later words/);
  });
}

test('names of home directories are hidden in every way in which systems write them', async () => {
  const owner = person();
  const written = {
    'at /home/ada/app': 'at ~/app',
    'file:///home/ada/app': 'file://~/app',
    '/Users/ada': '~',
    'cd "/Users/ada/x y"': 'cd "~/x y"',
    'C:\\Users\\ada\\app': '~\\app',
    'c:\\users\\ada\\app': '~\\app',
    'C:/Users/Ada Lovelace/app': '~/app',
    'C:\\Users\\Ada de Lovelace\\app': '~\\app',
    'C:\\Users\\ada is a folder': '~ is a folder',
    '/mnt/c/Users/ada/app': '/mnt/c~/app',
    '~/.claude/projects/-home-ada-app': '~/.claude/projects/-~-app',
    'GET /users/7/orders': 'GET /users/7/orders',
  };
  const talk = await conversation(await project(owner), owner, Object.keys(written));
  assert.deepEqual(textsOf(await shown((await share(owner, talk)).token)), Object.values(written));
});
