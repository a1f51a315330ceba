// What a read costs of which a stranger gets nothing: the same whether there is a foreign row or none. Otherwise its time would say.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { as, close, rowsRead, sql, transaction } from '../../support/stack.js';
import { forget as forgetStatistics, planAsPostgrest } from '../../support/statistics.js';
import { conversation, forget, say, world } from '../support/talk.js';

const LENGTH = 2000;
/**
 * Pages: 16 of the one foreign row, of its indexes, and of the conversation that it belongs to. Policies ask who the caller is
 * when there is a row to check, up to three times, for 6 pages each where the index of users has three levels.
 */
const ONE_ROW = 16 + 3 * 6;

let here;
let there;
let long;
before(async () => {
  ({ here, there } = await world());
  long = await conversation(here.ada);
  await sql(
    `insert into assistant.messages (conversation_id, role, content)
     select $1, (array['user', 'assistant'])[1 + n % 2], 'message ' || n from generate_series(1, ${LENGTH}) as n`,
    [long.id],
  );
  // Most conversations are short, so that the planner expects few messages of one.
  await sql(
    `insert into assistant.conversations (tenant_id, user_id, title) select $1, $2, 'number ' || n from generate_series(1, 500) as n`,
    [here.tenant.id, here.ada.id],
  );
  await sql(
    `insert into assistant.messages (conversation_id, role, content)
     select c.id, (array['user', 'assistant'])[1 + n % 2], 'message ' || n
     from assistant.conversations as c, generate_series(1, 10) as n where c.tenant_id = $1 and c.id <> $2`,
    [here.tenant.id, long.id],
  );
  [{ id: long.message }] = await sql('select id from assistant.messages where conversation_id = $1 limit 1', [long.id]);
  await sql(
    `with raters as (
       insert into assistant.users (tenant_id, email, auth_id)
       select $1::uuid, n || '-' || $1 || '@example.org', gen_random_uuid() from generate_series(1, 300) as n
       returning id
     )
     insert into assistant.feedback (message_id, user_id, rating) select $2, r.id, 1 from raters as r`,
    [here.tenant.id, long.message],
  );
  [{ id: long.feedback }] = await sql(
    `insert into assistant.feedback (message_id, user_id, rating)
     select m.id, $1, 1 from assistant.messages as m where m.conversation_id = $2 limit 300 returning id`,
    [here.ada.id, long.id],
  );
  [{ id: long.usage }] = await sql(
    `insert into assistant.usage_metrics (tenant_id, user_id, date, total_tokens, prompt_tokens)
     select $1, $2, '2025-01-01'::date + n, 1, 1 from generate_series(1, 500) as n returning id`,
    [here.tenant.id, here.ada.id],
  );
  await sql(
    `insert into assistant.usage_metrics (tenant_id, user_id, date)
     select u.tenant_id, u.id, '2025-01-01'::date + n from assistant.users as u, generate_series(1, 30) as n
     where u.tenant_id = any ($1) and u.id <> $2`,
    [[here.tenant.id, there.tenant.id], here.ada.id],
  );
  await say(await conversation(there.ada), ['a question', 'an answer', 'another question']);
  await sql('select private.refresh_feedback_summary()');
  for (const table of ['users', 'conversations', 'messages', 'feedback', 'usage_metrics'])
    await sql(`vacuum analyze assistant.${table}`);
});
after(async () => {
  await forget();
  await close();
});

const LATEST = 'order by created_at desc, id desc limit 100';
/** Statements about an id, as PostgREST makes them of filters, and the foreign id. */
const reads = () => ({
  'messages of a conversation': [`select * from assistant.messages where conversation_id = $1 ${LATEST}`, long.id],
  'messages of a conversation, counted': [
    'select count(*) from assistant.messages where conversation_id = $1',
    long.id,
  ],
  'messages of several conversations': [
    `select * from assistant.messages where conversation_id = any (array[$1, '${randomUUID()}']::uuid[]) ${LATEST}`,
    long.id,
  ],
  'answers of a conversation': [
    `select * from assistant.messages where conversation_id = $1 and role = 'assistant' ${LATEST}`,
    long.id,
  ],
  'messages after a time': [
    `select * from assistant.messages where conversation_id = $1 and created_at > now() - interval '1 hour' order by created_at`,
    long.id,
  ],
  'a message': ['select * from assistant.messages where id = $1', long.message],
  'a conversation with its messages': [
    `select c.*, m.rows from assistant.conversations as c
     left join lateral (select json_agg(t) as rows from assistant.messages as t where t.conversation_id = c.id) as m on true
     where c.id = $1`,
    long.id,
  ],
  'messages with their conversation': [
    `select m.* from assistant.messages as m
     inner join lateral (select c.* from assistant.conversations as c where c.id = m.conversation_id and c.id = $1) as c on true`,
    long.id,
  ],
  'a message with its ratings': [
    `select m.*, f.rows from assistant.messages as m
     left join lateral (select json_agg(t) as rows from assistant.feedback as t where t.message_id = m.id) as f on true
     where m.id = $1`,
    long.message,
  ],
  'conversations of a member': [
    'select * from assistant.conversations where user_id = $1 order by updated_at desc, id desc limit 50',
    here.ada.id,
  ],
  'open conversations of a member': [
    'select * from assistant.conversations where user_id = $1 and not is_archived order by updated_at desc, id desc limit 50',
    here.ada.id,
  ],
  'conversations of a tenant': ['select * from assistant.conversations where tenant_id = $1', here.tenant.id],
  'ratings of a message': ['select * from assistant.feedback where message_id = $1', long.message],
  'ratings of a message, counted': ['select count(*) from assistant.feedback where message_id = $1', long.message],
  'bad ratings of a message': ['select * from assistant.feedback where message_id = $1 and rating = -1', long.message],
  'ratings of a member': [
    'select * from assistant.feedback where user_id = $1 order by created_at desc limit 50',
    here.ada.id,
  ],
  'a rating': ['select * from assistant.feedback where id = $1', long.feedback],
  'usage of a member': ['select * from assistant.usage_metrics where user_id = $1 order by date desc', here.ada.id],
  'usage of a tenant': ['select * from assistant.usage_metrics where tenant_id = $1', here.tenant.id],
  'a day of usage': ['select * from assistant.usage_metrics where id = $1', long.usage],
  'members of a tenant': ['select * from assistant.users where tenant_id = $1', here.tenant.id],
  'a member by account': ['select * from assistant.users where auth_id = $1', here.ada.auth_id],
  'a tenant': ['select * from assistant.tenants where id = $1', here.tenant.id],
  'how a conversation was rated': ['select * from assistant.message_feedback_summary($1)', long.id],
  'a change of messages': [`update assistant.messages set metadata = '{}' where conversation_id = $1`, long.id],
  'a change of ratings': ['update assistant.feedback set rating = -1 where message_id = $1', long.message],
  'taking back ratings': ['delete from assistant.feedback where user_id = $1', here.ada.id],
  'renaming conversations': [`update assistant.conversations set title = 'x' where user_id = $1`, here.ada.id],
  'deleting a conversation': ['delete from assistant.conversations where id = $1', long.id],
});

/** How many pages a statement reads, and how many rows it gives, without its planning. */
const work = async (query, text, id) => {
  const lines = await query(`explain (analyze, buffers, timing off) ${text}`, id && [id]);
  const plan = lines.map((line) => line['QUERY PLAN']).join('\n');
  const [top] = plan.split(/^ *->/m);
  const pages = [...(top.match(/Buffers: (.*)/)?.[1] ?? '').matchAll(/(?:hit|read)=(\d+)/g)].reduce(
    (sum, [, n]) => sum + Number(n),
    0,
  );
  return { pages, rows: Number(top.match(/actual rows=(\d+)/)[1]), plan };
};
const asking = (user, body) => as({ role: 'authenticated', claims: { sub: user.auth_id } }, body);

test('of a foreign row that is there, a stranger’s statement does no more than of one that is not', async () => {
  const outsider = { auth_id: randomUUID() };
  // Functions refuse those who are in no tenant.
  for (const [name, [text, id]] of Object.entries(reads()))
    for (const stranger of [there.ada, there.admin, ...(name.startsWith('how') ? [] : [outsider])])
      await asking(stranger, async (query) => {
        // What a connection does once, such as compiling functions.
        for (const warm of [id, randomUUID()]) await work(query, text, warm);
        const [absent, foreign] = [await work(query, text, randomUUID()), await work(query, text, id)];
        assert.ok(
          Math.abs(foreign.pages - absent.pages) <= ONE_ROW,
          `${name}: ${foreign.pages} pages, and ${absent.pages} of an absent row\n${foreign.plan}\n${absent.plan}`,
        );
      });
});

test('the same statements find the rows for those who may see them', async () => {
  for (const [name, [text, id]] of Object.entries(reads())) {
    if (!text.startsWith('select') || /counted|bad/.test(name)) continue;
    await asking(here.admin, async (query) => assert.ok((await work(query, text, id)).rows > 0, name));
  }
});

test('a list without a filter reads the caller’s tenant only', async () => {
  for (const [text, table, most] of [
    [`select * from assistant.messages ${LATEST}`, 'messages', 3],
    ['select * from assistant.messages order by id limit 50', 'messages', 3],
    ['select count(*) from assistant.messages', 'messages', 3],
    [`select * from assistant.messages where role = 'user' ${LATEST}`, 'messages', 3],
    ['select * from assistant.feedback order by created_at desc limit 50', 'feedback', 0],
    ['select * from assistant.conversations order by updated_at desc limit 50', 'conversations', 1],
  ])
    await asking(there.ada, async (query) => {
      const read = await rowsRead(query, `schemaname = 'assistant' and relname = '${table}'`, () => query(text));
      assert.ok(read <= most, `${text}: ${read} rows are read\n${(await work(query, text)).plan}`);
    });
});

test('answers of a model and ratings of one kind are read in order, without those of other tenants, also without statistics', () =>
  transaction(async (query) => {
    await query('set local session_replication_role = replica');
    await query(
      `insert into assistant.messages (conversation_id, role, content, model_used, created_at)
       select $1, 'assistant', 'answer', 'a model', now() - n * interval '1 second' from generate_series(1, 10000) as n`,
      [long.id],
    );
    await query(
      `insert into assistant.feedback (message_id, user_id, rating)
       select m.id, $1, 1 from assistant.messages as m where m.model_used = 'a model'`,
      [here.ada.id],
    );
    await forgetStatistics(query, ['assistant.messages', 'assistant.feedback']);
    await query(
      `select set_config('role', 'authenticated', true), set_config('request.jwt.claims', jsonb_build_object('sub', $1::text)::text, true)`,
      [here.admin.auth_id],
    );
    await planAsPostgrest(query);
    for (const list of [`messages where model_used = 'a model'`, 'feedback where rating = 1']) {
      const { rows, plan } = await work(query, `select * from assistant.${list} order by created_at desc limit 50`);
      assert.equal(rows, 50);
      assert.doesNotMatch(plan, /Sort/);
    }
  }));

test('adding to a foreign row, and to one that is not there, is refused in the same words', async () => {
  const refusal = (user, text, id) =>
    asking(user, (query) => query(text, [id])).then(
      () => assert.fail(text),
      ({ code, message }) => ({ code, message }),
    );
  const rating = 'insert into assistant.feedback (message_id, rating) values ($1, 1)';
  for (const [text, id] of [
    [`insert into assistant.messages (conversation_id, content) values ($1, 'x') returning *`, long.id],
    [`${rating} returning *`, long.message],
    [`${rating} on conflict (message_id, user_id) do update set rating = excluded.rating returning *`, long.message],
  ])
    for (const stranger of [there.ada, there.admin]) {
      const refused = await refusal(stranger, text, id);
      assert.equal(refused.code, '42501', refused.message);
      assert.deepEqual(refused, await refusal(stranger, text, randomUUID()), text);
    }
});

test('a message stays in its conversation', async () => {
  const other = await conversation(there.ada);
  const moved = sql('update assistant.messages set conversation_id = $1 where id = $2', [other.id, long.message]);
  await assert.rejects(moved, { code: '42501' });
});

test('a conversation, its messages and ratings may be stored by one statement; all find them by their tenant', async () => {
  const [{ id, message }] = await sql(
    `with conversation as (
       insert into assistant.conversations (tenant_id, user_id) values ($1, $2) returning id
     ), message as (
       insert into assistant.messages (conversation_id, content) select c.id, 'x' from conversation as c returning id, conversation_id
     )
     insert into assistant.feedback (message_id, user_id, rating) select m.id, $2, 1 from message as m
     returning (select m.conversation_id from message as m) as id, message_id as message`,
    [here.tenant.id, here.ada.id],
  );
  await asking(here.bea, async (query) => {
    for (const [table, column, value] of [
      ['messages', 'conversation_id', id],
      ['feedback', 'message_id', message],
    ]) {
      const found = await query(`select * from assistant.${table} where ${column} = $1`, [value]);
      assert.equal(found.length, 1, table);
      const { plan } = await work(query, `select * from assistant.${table} where ${column} = $1`, value);
      assert.match(plan, /Index Cond: \(\(private\.tenant_of/, plan);
    }
  });
});

test('a look-up of each row’s tenant is planned as dearer than an index that has the tenant', async () => {
  const rows = await sql(
    `select p.oid::regproc::text as name from pg_proc as p
     where p.oid = any (array['private.tenant_of(uuid)', 'private.tenant_of_message(uuid)']::regprocedure[]) and p.procost < 1000`,
  );
  assert.deepEqual(rows, []);
});

test('an index by tenant is not made of messages without their conversation', async () => {
  await assert.rejects(sql('select private.tenant_of($1)', [randomUUID()]), {
    code: '23503',
    constraint: 'messages_conversation',
  });
  await assert.rejects(sql('select private.tenant_of_message($1)', [randomUUID()]), {
    code: '23503',
    constraint: 'feedback_message',
  });
});
