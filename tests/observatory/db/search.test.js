// Search: what a query finds, how pages follow one another, what is suggested, and what is noted about it.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { as, close, sql, stack, transaction } from '../../support/stack.js';
import { timesCalled } from '../../support/statistics.js';
import { addCall, addMember, call, makeConversation, makeProject, refused, say, user } from '../support/search.js';
import { Session, sendSession } from '../support/transcripts.js';

const owner = randomUUID();
let project;
let conversation;
before(async () => {
  project = await makeProject(owner);
  conversation = await makeConversation(project, owner, { title: 'Rename the users' });
});
after(async () => {
  await sql('delete from observatory.projects where owner_id = $1', [owner]);
  await sql('delete from observatory.search_history where user_id = $1', [owner]);
  await close();
});

const search = (q, given = {}, sub = owner) => call(sub, 'search', { q, project, ...given });
/** The ids of what is found, in order. */
const ids = async (q, given) => (await search(q, given)).results.map(({ message_id }) => message_id);

const TEXTS = {
  camel: 'The helper getUserById returns nothing',
  snake: 'Rename the column user_id and keep its index',
  path: 'Look at src/mod/file_102.rs, line 5',
  version: 'Since v2.1.173 it fails',
  kebab: 'Add --dry-run-mode to the flags',
  dotted: 'Call foo.bar.baz twice',
  acronym: 'class HTTPServerError is raised',
  prose: 'Running tests finds three broken migrations',
  chinese: '修复数据库迁移的错误',
  japanese: 'データベースの移行を直す',
  korean: '데이터베이스 마이그레이션 수정',
  thai: 'แก้ไขฐานข้อมูล',
  accent: 'Le café est fermé'.normalize('NFD'),
};
let said;
const texts = async () => {
  said ??= Promise.all(Object.entries(TEXTS).map(async ([name, text]) => [name, (await say(conversation, text)).id]));
  return Object.fromEntries(await said);
};

const FOUND = [
  ['getUserById', 'camel'],
  ['getuserbyid', 'camel'],
  ['UserById', 'camel'],
  ['get_user_by_id', 'camel'],
  ['user_id', 'snake'],
  ['userId', 'snake'],
  ['src/mod/file_102.rs', 'path'],
  ['file_102.rs', 'path'],
  ['file_102', 'path'],
  ['mod/file_102', 'path'],
  ['v2.1.173', 'version'],
  ['2.1.173', 'version'],
  ['dry-run-mode', 'kebab'],
  ['foo.bar.baz', 'dotted'],
  ['bar.baz', 'dotted'],
  ['HTTPServerError', 'acronym'],
  ['ServerError', 'acronym'],
  ['run test', 'prose'],
  ['"three broken migrations"', 'prose'],
  ['migration', 'prose'],
  ['数据库', 'chinese'],
  ['错误', 'chinese'],
  ['误', 'chinese'],
  ['迁移 数据', 'chinese'],
  ['データベース', 'japanese'],
  ['移行', 'japanese'],
  ['마이그레이션', 'korean'],
  ['베이스', 'korean'],
  ['ฐานข้อมูล', 'thai'],
  ['café', 'accent'],
];
for (const [q, name] of FOUND) {
  test(`${q} finds ${name}`, async () => {
    const known = await texts();
    assert.deepEqual(await ids(q), [known[name]]);
  });
}

const NOT_FOUND = ['getUserByName', 'id_user', 'file_103.rs', 'v2.1.17', '"broken three"', '据数', '数库', 'isNotById'];
for (const q of NOT_FOUND) {
  test(`${q} finds nothing`, async () => {
    await texts();
    assert.deepEqual(await ids(q), []);
  });
}

test('words must all be there; or gives alternatives; a minus excludes words, parts and phrases', async () => {
  const other = await makeConversation(project, owner);
  const [both, one, two] = [
    await say(other, 'zebra and quagga graze'),
    await say(other, 'zebra in the testRunner'),
    await say(other, 'quagga the quick'),
  ].map(({ id }) => id);
  assert.deepEqual(await ids('zebra quagga'), [both]);
  assert.deepEqual(new Set(await ids('zebra or quagga')), new Set([both, one, two]));
  assert.deepEqual(await ids('zebra -quagga'), [one]);
  assert.deepEqual(await ids('zebra -test'), [both], 'a part of an identifier');
  assert.deepEqual(await ids('quagga -"and quagga"'), [two]);
  assert.deepEqual(await ids('zebra -the'), [both], 'a word that every text has');
  assert.deepEqual(await ids('"zebra and"'), [both]);
});

const REFUSED = ['', '   ', '***', '-', '-zebra', '"', 'or', 'x'.repeat(501), 'a '.repeat(41)];
for (const q of REFUSED) {
  test(`${JSON.stringify(q.slice(0, 12))} is no query`, () => assert.rejects(search(q), refused('RG668', 422)));
}

test('hostile queries find nothing and break nothing', async () => {
  for (const q of [
    "'",
    "foo'bar",
    'foo\\',
    ':*',
    'foo:*',
    '!foo',
    '(foo',
    'a & | b',
    "' role user'",
    '\u{e000}x',
    '%s %L',
    '"a" "',
    '<b>x</b>',
  ])
    assert.ok(
      Array.isArray((await search(q).catch((error) => refused('RG668', 422)(error) && { results: [] })).results),
      q,
    );
});

test('the text that is highlighted is escaped, and what was found is marked', async () => {
  const other = await makeConversation(project, owner);
  await say(other, '<img src=x onerror=alert(1)> the wombat < 2 & "friends" \u{e000}');
  const [{ highlight }] = (await search('wombat')).results;
  assert.match(highlight, /<mark>wombat<\/mark>/);
  assert.doesNotMatch(highlight.replaceAll(/<\/?mark>/g, ''), /[<>]/);
  const marked = async (q) => /<mark>(.*?)<\/mark>/.exec((await search(q)).results[0].highlight)?.[1];
  await texts();
  assert.equal(await marked('getUserById'), 'getUserById');
  assert.equal((await marked('数据库'))?.length > 0, true);
  assert.equal((await marked('file_102'))?.includes('102') || (await marked('file_102')) === 'file', true);
  await say(other, `${'filler '.repeat(8000)} numbat`);
  assert.equal(await marked('numbat'), 'numbat');
  for (const { highlight: shown } of (await search('the')).results)
    assert.equal(shown.split('<mark>').length, shown.split('</mark>').length);
});

test('what tools were asked and what they answered is found, in the message that has it', async () => {
  const other = await makeConversation(project, owner);
  const use = await say(other, {
    entry_type: 'assistant',
    role: 'assistant',
    content_blocks: [{ type: 'tool_use', id: 'toolu_s1', name: 'Bash' }],
    tools: [
      {
        name: 'Bash',
        id: 'toolu_s1',
        input: { command: 'echo aardvark', list: [{ deep: 'okapi' }] },
        output: 'pangolin',
      },
    ],
  });
  const result = await say(other, { content_blocks: [{ type: 'tool_result', tool_use_id: 'toolu_s1' }] });
  assert.deepEqual(await ids('aardvark'), [use.id]);
  assert.deepEqual(await ids('okapi'), [use.id]);
  assert.deepEqual(await ids('pangolin'), [result.id]);
  assert.deepEqual(await ids('Bash', { tool: 'Bash' }), [use.id]);
  assert.deepEqual(await ids('pangolin', { tool: 'Bash' }), [result.id]);
  assert.deepEqual(await ids('pangolin', { tool: "Ba'sh\\" }), []);
  assert.deepEqual(await ids('command'), [], 'names of fields are not searched');
});

test('filters look among all that match, not among the best', async () => {
  const other = await makeConversation(project, owner);
  const old = await say(other, {
    role: 'assistant',
    entry_type: 'assistant',
    content: 'narwhal',
    occurred_at: '2025-01-01T00:00:00Z',
  });
  await sql(
    `insert into observatory.messages (project_id, conversation_id, owner_id, entry_uuid, entry_type, role, content, occurred_at)
     select $1, $2, $3, 'narwhal ' || n, 'user', 'user', 'narwhal', timestamptz '2026-05-01' + make_interval(secs => n) from generate_series(1, 1100) as n`,
    [project, other.id, owner],
  );
  await sql('select private.index_messages(array(select id from observatory.messages where conversation_id = $1))', [
    other.id,
  ]);
  const { count, is_capped: capped, results } = await search('narwhal');
  assert.deepEqual([count, capped, results.length], [1000, true, 20]);
  assert.deepEqual(await ids('narwhal', { role: 'assistant' }), [old.id]);
  assert.deepEqual(await ids('narwhal', { until: '2025-06-01T00:00:00Z' }), [old.id]);
  assert.equal((await search('narwhal', { since: '2026-05-01T00:18:00Z' })).count, 21);
  assert.deepEqual(await ids('narwhal', { role: 'system' }), []);
});

test('pages follow one another without a gap or a repetition while messages arrive', async () => {
  const other = await makeConversation(project, owner);
  const made = [];
  for (let n = 0; n < 25; n += 1) made.push((await say(other, `${'capybara '.repeat(1 + (n % 3))} ${n}`)).id);
  const seen = [];
  let cursor;
  do {
    const page = await search('capybara', { limit: 4, cursor });
    seen.push(...page.results.map(({ message_id }) => message_id));
    await say(other, 'capybara capybara capybara capybara');
    cursor = page.next;
  } while (cursor);
  assert.deepEqual(seen.toSorted(), made.toSorted());
  // Better ones first; of those that are as good, later ones.
  assert.deepEqual(seen.slice(0, 8), made.filter((_, n) => n % 3 === 2).reverse());
  for (const cursor of ['', 'x', '%', 'a.b', 'MS4yLjM', 'A'.repeat(400)])
    await assert.rejects(search('capybara', { cursor }), refused('RG669', 400), cursor);
  for (const limit of [0, -1, 101]) await assert.rejects(search('capybara', { limit }), refused('RG669', 400));
});

test('a message that is changed or deleted is found as it is now', async () => {
  const other = await makeConversation(project, owner);
  const { id } = await say(other, 'tapir');
  await sql(`update observatory.messages set content = 'dugong' where id = $1`, [id]);
  assert.deepEqual([await ids('tapir'), await ids('dugong')], [[], [id]]);
  await sql('update observatory.conversations set deleted_at = now() where id = $1', [other.id]);
  const gone = await search('dugong');
  assert.deepEqual([gone.results, gone.count], [[], 0]);
  await sql('update observatory.conversations set deleted_at = null where id = $1', [other.id]);
  await sql('delete from observatory.messages where id = $1', [id]);
  assert.deepEqual(await ids('dugong'), []);
  assert.deepEqual(await sql('select from private.message_search where message_id = $1', [id]), []);
});

test('a large session that is deleted, and still there, hides no older messages', async () => {
  const own = await makeProject(owner);
  const [kept, gone] = [await makeConversation(own, owner), await makeConversation(own, owner)];
  const old = [];
  for (let n = 0; n < 3; n++) old.push((await say(kept, 'axolotl lives in the lake')).id);
  await sql(
    `insert into observatory.messages (project_id, conversation_id, owner_id, entry_uuid, entry_type, role, content, occurred_at)
     select $1, $2, $3, 'axolotl ' || n, 'user', 'user', 'axolotl', timestamptz '2026-05-01' + make_interval(secs => n) from generate_series(1, 2500) as n`,
    [own, gone.id, owner],
  );
  await sql('select private.index_messages(array(select id from observatory.messages where conversation_id = $1))', [
    gone.id,
  ]);
  const asked = () => search('axolotl', { project: own });
  assert.equal((await asked()).is_capped, true);
  await sql('update observatory.conversations set deleted_at = now() where id = $1', [gone.id]);
  const found = await asked();
  assert.deepEqual([found.count, found.is_capped], [3, false]);
  assert.deepEqual(
    found.results.map(({ message_id }) => message_id),
    old.toReversed(),
  );
  const alike = await call(owner, 'similar', { message_id: old[0] });
  assert.deepEqual(alike.results.map(({ message_id }) => message_id).slice(0, 2), old.slice(1).toReversed());
});

test('a message that is deleted while its words are being stored leaves none of them', async () => {
  const other = await makeConversation(project, owner);
  const { id } = await say(other, 'quagga');
  await sql('delete from private.message_search where message_id = $1', [id]);
  const client = new pg.Client({ connectionString: stack.database_url });
  await client.connect();
  try {
    await client.query('begin');
    await client.query('select private.index_vectors(array[$1::uuid])', [id]);
    let isDone = false;
    const deletion = sql('delete from observatory.messages where id = $1', [id]).then(() => {
      isDone = true;
    });
    const waits = `select from pg_stat_activity where $1 = any (pg_blocking_pids(pid))`;
    while (!isDone && (await sql(waits, [client.processID])).length === 0);
    await client.query('commit');
    await deletion;
  } finally {
    await client.end();
  }
  assert.deepEqual(await sql('select from private.message_search where message_id = $1', [id]), []);
});

test('an output that is changed later, as by an erasure, is not found any more', async () => {
  const other = await makeConversation(project, owner);
  const use = await say(other, {
    role: 'assistant',
    entry_type: 'assistant',
    content_blocks: [{ type: 'tool_use', id: 'toolu_s2' }],
  });
  const made = await addCall(use, {
    id: 'toolu_s2',
    output: 'mail to somebody@example.org',
    input: { to: 'other@example.org' },
  });
  await say(other, { parent_id: use.id, content_blocks: [{ type: 'tool_result', tool_use_id: 'toolu_s2' }] });
  await sql('select private.index_messages(array[$1::uuid])', [use.id]);
  assert.equal((await search('somebody@example.org')).count, 1);
  assert.equal((await search('other@example.org')).count, 1);
  await sql(
    `update observatory.tool_calls set output = 'mail to [erased]', input = '{"to": "[erased]"}' where id = $1`,
    [made.id],
  );
  assert.equal((await search('somebody@example.org')).count, 0);
  assert.equal((await search('other@example.org')).count, 0);
});

test('a message without a role is found', async () => {
  const other = await makeConversation(project, owner);
  const { id } = await say(other, { entry_type: 'summary', role: null, content: 'a thylacine' });
  assert.deepEqual(await ids('thylacine'), [id]);
  assert.deepEqual(await ids('thylacine', { role: 'user' }), []);
});

test('a message that the data API has written is found', async () => {
  const other = await makeConversation(project, owner);
  await as(user(owner), (query) =>
    query(
      `insert into observatory.messages (project_id, conversation_id, entry_uuid, entry_type, role, content)
       values ($1, $2, 'direct', 'user', 'user', 'a quokka by hand')`,
      [project, other.id],
    ),
  );
  assert.equal((await search('quokka')).count, 1);
});

test('a text whose vector would be too large is searched by its beginning', async () => {
  const other = await makeConversation(project, owner);
  const words = Array.from({ length: 60_000 }, (_, n) => `w${n.toString(36)}${'q'.repeat(8)}`);
  const { id } = await say(other, `axolotl ${words.join(' ')}`);
  const dense = Array.from({ length: 60_000 }, (_, n) => String.fromCodePoint(0x4e00 + ((n * 7919) % 20_000))).join('');
  const { id: second } = await say(other, `olm ${dense}`);
  assert.deepEqual(await ids('axolotl'), [id]);
  assert.deepEqual(await ids('olm'), [second]);
  assert.deepEqual(await ids(dense.slice(100, 104)), [second]);
});

test('of a message with thousands of calls and results a part is read, and searched', async () => {
  const other = await makeConversation(project, owner);
  const asking = await say(other, {
    role: 'assistant',
    entry_type: 'assistant',
    content_blocks: [{ type: 'tool_use', id: 'call 1' }],
  });
  await sql(
    `insert into observatory.tool_calls (project_id, conversation_id, owner_id, message_id, tool_use_id, tool_name, input, output)
     select $1, $2, $3, $4, 'call ' || n, 'Read', jsonb_build_object('words', repeat('axon ', 400)), 'dendrite' || n || ' ' || repeat('x ', 10000)
     from generate_series(1, 1000) as n`,
    [project, other.id, owner, asking.id],
  );
  const returned = await say(other, {
    content_blocks: Array.from({ length: 1000 }, (_, n) => ({ type: 'tool_result', tool_use_id: `call ${n + 1}` })),
  });
  const lengths = await sql(
    'select char_length(private.search_text(m))::int as length from observatory.messages as m where m.conversation_id = $1 order by m.seq, m.occurred_at',
    [other.id],
  );
  assert.ok(lengths[0].length <= 200 * 2010 && lengths[1].length <= 200 * 1001, JSON.stringify(lengths));
  const [{ results }] = await sql(
    `select count(*)::int as results from private.message_search as s, unnest(tsvector_to_array(s.search)) as u (word)
     where s.message_id = $1 and u.word like 'dendrit_%'`,
    [returned.id],
  );
  assert.equal(results, 200, 'a part of each');
  assert.deepEqual(await ids('dendrite10 dendrite100'), [returned.id]);
});

test('suggestions are completed from names of tools and files, most used first', async () => {
  const sub = randomUUID();
  const own = await makeProject(sub);
  const other = await makeConversation(own, sub);
  for (const file of ['src/lib_one.rs', 'src/lib_one.rs', 'src/lib_two.rs', 'C:\\src\\Lib_three.cs'])
    await say(other, { role: 'assistant', entry_type: 'assistant', content: 'x', tools: [{ name: 'Edit', file }] });
  const suggest = async (q, given) => (await call(sub, 'suggest', { q, ...given })).suggestions;
  assert.deepEqual(await suggest('lib_'), [
    { term: 'lib_one.rs', kind: 'file', uses: 2 },
    { term: 'Lib_three.cs', kind: 'file', uses: 1 },
    { term: 'lib_two.rs', kind: 'file', uses: 1 },
  ]);
  assert.deepEqual(await suggest('ED'), [{ term: 'Edit', kind: 'tool', uses: 4 }]);
  assert.equal((await suggest('lib', { limit: 1 })).length, 1);
  for (const q of ['', 'l', 'lib%', 'li_', '\\', "lib'", 'x'.repeat(300)]) assert.deepEqual(await suggest(q), [], q);
  await sql('delete from observatory.tool_calls where conversation_id = $1 and file_path = $2', [
    other.id,
    'src/lib_one.rs',
  ]);
  assert.deepEqual(
    (await suggest('lib_')).map(({ term }) => term),
    ['Lib_three.cs', 'lib_two.rs'],
  );
  assert.deepEqual(await suggest('ED'), [{ term: 'Edit', kind: 'tool', uses: 2 }]);
  // A name with a contact is no term.
  await say(other, {
    content: 'x',
    tools: [{ name: 'Edit', file: 'mail/somebody@example.org.txt', id: 'toolu_mail' }],
  });
  assert.deepEqual(await suggest('somebody'), []);
  await sql(`delete from observatory.tool_calls where tool_use_id = 'toolu_mail'`);
  // A copy counts nowhere.
  await sql('update observatory.tool_calls set is_copy = true where conversation_id = $1', [other.id]);
  assert.deepEqual(await suggest('ED'), []);
  await sql('update observatory.tool_calls set is_copy = false where conversation_id = $1', [other.id]);
  assert.deepEqual(await suggest('ED'), [{ term: 'Edit', kind: 'tool', uses: 2 }]);
  await sql('delete from observatory.projects where id = $1', [own]);
});

test('similar messages share rare words, and are compared by their trigrams', async () => {
  const other = await makeConversation(project, owner);
  const first = await say(other, 'The deployment of kubernetes-ingress fails with certificate expired');
  const alike = await say(other, 'deployment of kubernetes-ingress failed again: certificate expired yesterday');
  await say(other, 'An unrelated note about lunch');
  const { results } = await call(owner, 'similar', { message_id: first.id });
  assert.deepEqual(
    results.map(({ message_id }) => message_id),
    [alike.id],
  );
  assert.ok(results[0].similarity > 0.3);
  assert.ok(results[0].excerpt.startsWith('deployment of'));
  const empty = await say(other, { content: '!!!' });
  assert.deepEqual((await call(owner, 'similar', { message_id: empty.id })).results, []);
  await assert.rejects(call(owner, 'similar', { message_id: randomUUID() }), refused('RG670', 404));
});

test('a message of any project of the caller has similar ones, however many projects are more active', async () => {
  const sub = randomUUID();
  const quiet = await makeProject(sub);
  const other = await makeConversation(quiet, sub);
  const first = await say(other, 'The deployment of kubernetes-ingress fails with certificate expired');
  const alike = await say(other, 'deployment of kubernetes-ingress failed again: certificate expired yesterday');
  await sql(`update observatory.projects set last_activity_at = '2020-01-01' where id = $1`, [quiet]);
  await sql(
    `insert into observatory.projects (owner_id, name) select $1, 'Active ' || n from generate_series(1, 200) as n`,
    [sub],
  );
  const { results } = await call(sub, 'similar', { message_id: first.id });
  assert.deepEqual(
    results.map(({ message_id }) => message_id),
    [alike.id],
  );
  await transaction(async (query) => {
    await query(`select set_config('request.jwt.claims', $1, true)`, [JSON.stringify({ role: 'authenticated', sub })]);
    const calls = await timesCalled(query, 'private.similarity(text,text)', () =>
      query('select observatory.similar($1)', [first.id]),
    );
    assert.equal(calls, 1, 'each is compared once');
  });
  await sql('delete from observatory.projects where owner_id = $1', [sub]);
});

test('of messages that share rare words those that share most are compared, not the latest', async () => {
  const sub = randomUUID();
  const other = await makeConversation(await makeProject(sub), sub);
  const alike = await say(other, 'deployment of kubernetes-ingress failed again: certificate expired yesterday');
  const first = await say(other, 'The deployment of kubernetes-ingress fails with certificate expired');
  // A hundred and twenty later ones have one of the words, and often. The two hundred after them do not have it, so it is rare among the latest.
  const often = 'certificate '.repeat(20);
  for (let n = 0; n < 120; n += 1) await say(other, `Note ${n}: somebody renews ${often}of a customer`);
  for (let n = 0; n < 200; n += 1) await say(other, `Note ${n}: lunch is at noon`);
  await transaction(async (query) => {
    await query(`select set_config('request.jwt.claims', $1, true)`, [JSON.stringify({ role: 'authenticated', sub })]);
    const calls = await timesCalled(query, 'private.similarity(text,text)', async () => {
      const [{ results }] = await query(`select observatory.similar($1) -> 'results' as results`, [first.id]);
      assert.equal(results[0].message_id, alike.id);
    });
    assert.equal(calls, 100);
  });
});

test('what was looked for is noted without secrets, and as one search while somebody types', async () => {
  const sub = randomUUID();
  const own = await makeProject(sub);
  const other = await makeConversation(own, sub);
  const { id } = await say(other, 'a kookaburra laughs');
  const history = () =>
    as(user(sub), (query) =>
      query('select query, results::int, opened_message_id from observatory.search_history order by at, id'),
    );
  await call(sub, 'search', { q: 'kook' });
  const { search_id } = await call(sub, 'search', { q: 'kookaburra' });
  assert.deepEqual(await history(), [{ query: 'kookaburra', results: 1, opened_message_id: null }]);
  await call(sub, 'search_opened', { search_id, message_id: id });
  await call(sub, 'search', { q: 'kookaburra wings' });
  const key = `ghp_${'a1B2c3D4e5F6'.repeat(3)}`;
  await call(sub, 'search', { q: `emu ${key}`, project: own });
  assert.deepEqual(await history(), [
    { query: 'kookaburra', results: 1, opened_message_id: id },
    { query: 'kookaburra wings', results: 0, opened_message_id: null },
    { query: 'emu [redacted:github]', results: 0, opened_message_id: null },
  ]);
  // A word that was found is suggested, and so is the user's own search; one that found nothing is not.
  const suggest = async (q) => (await call(sub, 'suggest', { q })).suggestions;
  assert.deepEqual(await suggest('kooka'), [{ term: 'kookaburra', kind: 'search', uses: 2 }]);
  assert.deepEqual(await suggest('emu'), []);
  for (const given of [
    { search_id: randomUUID(), message_id: id },
    { search_id, message_id: randomUUID() },
  ])
    await assert.rejects(call(sub, 'search_opened', given), refused('RG670', 404));
  // A transaction that only reads, as that of a token for reading, notes nothing.
  const reading = await as(user(sub), async (query) => {
    await query('set transaction read only');
    return (await query(`select observatory.search('kookaburra') as result`))[0].result;
  });
  assert.deepEqual([reading.search_id, reading.count], [null, 1]);
  await sql('delete from observatory.projects where id = $1', [own]);
});

test('owners learn what was looked for in their project, opened, and not found', async () => {
  const [boss, member] = [randomUUID(), randomUUID()];
  const own = await makeProject(boss, { viewer: member });
  const second = await makeProject(member);
  const other = await makeConversation(own, boss);
  const { id } = await say(other, 'a cassowary runs');
  const { search_id } = await call(member, 'search', { q: 'Cassowary', project: own });
  await call(member, 'search_opened', { search_id, message_id: id });
  await call(boss, 'search', { q: 'cassowary' });
  await call(boss, 'search', { q: 'dodo' });
  // Through several projects: the owner of one of them learns of it only if something of theirs was opened.
  await call(member, 'search', { q: 'private matter' });
  const analytics = await call(boss, 'search_analytics', { project: own });
  assert.deepEqual(
    { ...analytics, messages: analytics.messages.map(({ message_id }) => message_id) },
    {
      days: 90,
      searches: 3,
      searchers: 2,
      opened: 1,
      without_result: 1,
      queries: [
        { query: 'cassowary', searches: 2, opened: 1, without_result: 0 },
        { query: 'dodo', searches: 1, opened: 0, without_result: 1 },
      ],
      missing: [{ query: 'dodo', searches: 1 }],
      messages: [id],
    },
  );
  await assert.rejects(call(member, 'search_analytics', { project: own }), refused('RG666', 403));
  await assert.rejects(call(member, 'search_analytics', { project: randomUUID() }), refused('RG660', 404));
  await sql('delete from observatory.projects where id = any ($1)', [[own, second]]);
});

test('a word that was found goes with the last message that has it', async () => {
  const sub = randomUUID();
  const own = await makeProject(sub);
  const [first, second] = [await makeConversation(own, sub), await makeConversation(own, sub)];
  const said = await say(first, 'the bandicoot and the numbat');
  await say(second, 'another numbat');
  for (const q of ['bandicoot', 'numbat']) {
    const { search_id } = await call(sub, 'search', { q, project: own });
    await call(sub, 'search_opened', { search_id, message_id: said.id });
  }
  // The caller's own searches are suggested, too: not here.
  await sql('delete from observatory.search_history where user_id = $1', [sub]);
  const suggested = async () =>
    (await Promise.all(['bandi', 'numb'].map((q) => call(sub, 'suggest', { q, project: own })))).map(
      ({ suggestions }) => suggestions.map(({ term }) => term),
    );
  assert.deepEqual(await suggested(), [['bandicoot'], ['numbat']]);
  await call(sub, 'delete_conversation', { id: first.id });
  await sql('select private.purge_observatory()');
  assert.deepEqual(await suggested(), [[], ['numbat']]);
  // A message that is deleted by itself.
  await sql('delete from observatory.messages where conversation_id = $1', [second.id]);
  await sql('select private.purge_observatory()');
  assert.deepEqual(await suggested(), [[], []]);
  await sql('delete from observatory.projects where id = $1', [own]);
});

test('a user adds at most 2,000 words to a project', async () => {
  const sub = randomUUID();
  const own = await makeProject(sub);
  const said = await say(await makeConversation(own, sub), 'bilby bettong');
  await sql(
    `insert into observatory.search_terms (project_id, user_id, kind, term)
     select $1, $2, 'word', case n when 1 then 'bilby' else 'word' || n end from generate_series(1, 2000) as n`,
    [own, sub],
  );
  const { search_id } = await call(sub, 'search', { q: 'bilby bettong', project: own });
  await call(sub, 'search_opened', { search_id, message_id: said.id });
  const terms = await sql(
    `select term, uses::int from observatory.search_terms where project_id = $1 and term in ('bilby', 'bettong')`,
    [own],
  );
  assert.deepEqual(terms, [{ term: 'bilby', uses: 2 }]);
  await sql('delete from observatory.projects where id = $1', [own]);
});

test('searches are forgotten after half a year', async () => {
  await sql(
    `insert into observatory.search_history (user_id, query, results, at) values ($1, 'old', 0, now() - interval '181 days'), ($1, 'young', 0, now())`,
    [owner],
  );
  await sql('select private.clean_search_history()');
  const rows = await sql(
    `select query from observatory.search_history where user_id = $1 and query in ('old', 'young')`,
    [owner],
  );
  assert.deepEqual(rows, [{ query: 'young' }]);
});

test('a search through many projects finds the latest of all', async () => {
  const sub = randomUUID();
  const made = [];
  for (let n = 0; n < 12; n += 1) {
    const conversationOf = await makeConversation(await makeProject(sub), sub);
    made.push((await say(conversationOf, 'a lyrebird sings')).id);
  }
  const guest = randomUUID();
  const projects = await sql('select id from observatory.projects where owner_id = $1', [sub]);
  for (const { id } of projects) await addMember(id, guest);
  for (const who of [sub, guest]) {
    const { results, count } = await call(who, 'search', { q: 'lyrebird', limit: 5 });
    assert.deepEqual([count, results.map(({ message_id }) => message_id)], [12, made.toReversed().slice(0, 5)]);
  }
  await sql('delete from observatory.projects where owner_id = $1', [sub]);
});

test('the words of an upload’s messages are those of each message by itself', async () => {
  const one = new Session();
  one.user('Where is getUserById');
  const id = one.tool('Bash', { command: 'grep -r user_id', nested: [{ deep: 'words within' }] }, { stdout: '' });
  one.user([
    { type: 'text', text: 'Twice the same result' },
    { type: 'tool_result', tool_use_id: id, content: 'again' },
    { type: 'tool_result', tool_use_id: id, content: 'and again' },
  ]);
  const ids = ['toolu_b', 'toolu_a', 'toolu_c'].map((name) => `${name}_${randomUUID()}`);
  one.assistant([
    { type: 'text', text: 'Three at once' },
    ...ids.map((call_, n) => ({ type: 'tool_use', id: call_, name: 'Read', input: { file_path: `src/file_${n}.rs` } })),
  ]);
  one.user(
    ids.map((call_, n) => ({
      type: 'tool_result',
      tool_use_id: call_,
      content: `content of v${n}.1`,
      is_error: n === 1,
    })),
  );
  one.user([{ type: 'tool_result', tool_use_id: 'nobody asked', content: 'alone' }]);
  one.assistant([{ type: 'tool_use', id: `toolu_${randomUUID()}`, name: 'TodoRead', input: {} }]);
  const inputs = [
    {
      z: 'last of the short names',
      list: ['first', { y: ['second'], b: 'third' }],
      a: { c: 'fourth' },
      n: 4,
      t: true,
      u: null,
    },
    ['in a list', { of: 'objects' }, 5],
    'only a text',
    6,
    null,
  ];
  for (const input of inputs) one.assistant([{ type: 'tool_use', id: `toolu_${randomUUID()}`, name: 'Odd', input }]);
  one.assistant([{ type: 'thinking', thinking: 'silent' }]);
  await sendSession(owner, one);
  const found = await sql(
    `select s.search::text as stored,
       (nullif(private.search_vector(coalesce(private.search_text(m), '')), '') || array_to_tsvector(array_remove(array(
         select distinct ' tool ' || t.tool_name from observatory.tool_calls as t
         where t.message_id = m.id or (
           t.conversation_id = m.conversation_id and m.content_blocks @> jsonb_build_array(jsonb_build_object('tool_use_id', t.tool_use_id))
         )
       ) || (' role ' || m.role), null)))::text as alone
     from observatory.messages as m
     inner join observatory.conversations as c on c.id = m.conversation_id
     left join private.message_search as s on s.message_id = m.id
     where c.session_id = $1 order by m.seq`,
    [one.id],
  );
  assert.equal(found.length, one.records.length);
  for (const { stored, alone } of found) assert.equal(stored, alone);
  assert.ok(found.filter(({ stored }) => stored?.includes("' tool Read'")).length === 2);
  assert.ok(found.filter(({ stored }) => stored?.includes("' tool Odd'")).length === inputs.length);
});

test('the same is found before the table of words was ever analysed, by time or by the words', async () => {
  const projects = [await makeProject(owner), await makeProject(owner)];
  const [large, small] = [await makeConversation(projects[0], owner), await makeConversation(projects[1], owner)];
  await transaction(async (query) => {
    for (const [in_, count] of [
      [large, 600],
      [small, 30],
    ]) {
      const added = await query(
        `insert into observatory.messages (project_id, conversation_id, owner_id, entry_uuid, seq, entry_type, role, content, occurred_at)
         select $1, $2, $3, 'entry ' || n, n, 'user', 'user', concat_ws(' ', 'everywhere', case when n % 97 = 3 then 'seldom' end, case when n % 13 = 3 then 'sometimes' end),
           now() - n * interval '1 minute'
         from generate_series(1, $4::int) as n returning id`,
        [in_.project_id, in_.id, owner, count],
      );
      await query('select private.index_vectors($1)', [added.map(({ id }) => id)]);
    }
    const found = async (word, since, latest) => {
      const [{ hits }] = await query(
        `select array(
           select (h).message_id || ' ' || (h).bucket
           from unnest(private.search_hits($1, $2, private.exact_word(' role user'), now() + $3::interval, now() + $4::interval)) as h
           order by (h).occurred_at desc, (h).message_id desc) as hits`,
        [projects, word, since, latest],
      );
      return hits;
    };
    const all = async () => {
      const words = ['everywhere', 'seldom', 'everywhere & !seldom', 'nowhere'];
      const limits = [
        [null, null],
        ['-20 minutes', null],
        ['-300 minutes', '-5 minutes'],
      ];
      const results = [];
      for (const word of words) for (const given of limits) results.push([word, ...given, await found(word, ...given)]);
      return results;
    };
    await query('analyze private.message_search');
    assert.deepEqual(await query('select private.words_are_unknown() as unknown'), [{ unknown: false }]);
    const planned = await all();
    assert.deepEqual(
      planned.map(([, , , hits]) => hits.length),
      [630, 40, 322, 8, 2, 3, 622, 38, 319, 0, 0, 0],
    );
    await query(`update pg_class set reltuples = -1 where oid = 'private.message_search'::regclass`);
    assert.deepEqual(await query('select private.words_are_unknown() as unknown'), [{ unknown: true }]);
    const isCommon = async (project, word, size) => {
      const [{ common }] = await query('select private.is_common(private.latest_vectors($1), $2, $3) as common', [
        project,
        word,
        size,
      ]);
      return common;
    };
    const [megabyte, gigabyte] = [2 ** 20, 2 ** 30];
    assert.equal(await isCommon(projects[0], 'everywhere', megabyte), true);
    assert.equal(await isCommon(projects[0], 'nowhere', 1000 * gigabyte), false);
    // Three of the latest 200.
    assert.equal(await isCommon(projects[0], 'seldom', 1000 * gigabyte), false);
    // 15 of the latest 200.
    assert.equal(await isCommon(projects[0], 'sometimes', 10 * megabyte), false);
    assert.equal(await isCommon(projects[0], 'sometimes', 100 * megabyte), true);
    // All that the project has are fewer.
    assert.equal(await isCommon(projects[1], 'seldom', megabyte), true);
    assert.deepEqual(await all(), planned);
  });
});
