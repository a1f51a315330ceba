// A person's data in assistant: exported and erased by account and by address, also where they have left; a tenant's sums stay.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { close, freshEmail, sql, transaction } from '../../support/stack.js';
import {
  asUser,
  codeOf,
  forget,
  makeConversation,
  makeFeedback,
  makeMember,
  makeTenant,
  makeUsage,
} from '../support/world.js';

const tenants = [];
after(async () => {
  await forget(...tenants);
  await close();
});

/** A member with a row in every table, and a colleague with the same. */
const people = async () => {
  const tenant = await makeTenant();
  tenants.push(tenant);
  const email = freshEmail();
  const make = async (address) => {
    const member = await makeMember(tenant.id, 'member', { email: address });
    const talk = await makeConversation(member, ['question', 'answer'], { is_archived: true });
    await makeConversation(member, ['another']);
    await makeFeedback(talk.messages[1].id, member.id, { comment: 'comment' });
    await makeUsage(tenant.id, member.id);
    return { ...member, talk };
  };
  const person = await make(email);
  const colleague = await make(freshEmail());
  await makeUsage(tenant.id, null);
  await makeFeedback(colleague.talk.messages[1].id, person.id);
  await makeFeedback(person.talk.messages[1].id, colleague.id);
  return { tenant, email, person, colleague };
};
/** What the person has; feedback is what they gave. */
const OWN = {
  'assistant.users': 1,
  'assistant.conversations': 2,
  'assistant.messages': 3,
  'assistant.feedback': 2,
  'assistant.usage_metrics': 1,
};
const only = (counts) => Object.fromEntries(Object.keys(OWN).map((name) => [name, counts[name]]));
const left = async (tenant) =>
  (
    await sql(
      `select (select count(*)::int from assistant.users where tenant_id = $1) as users,
        (select count(*)::int from assistant.conversations where tenant_id = $1) as conversations,
        (select count(*)::int from assistant.usage_metrics where tenant_id = $1 and user_id is null) as sums,
        (select count(*)::int from assistant.usage_metrics where tenant_id = $1 and user_id is not null) as usage`,
      [tenant.id],
    )
  )[0];

test('every table with rows of members is known, by the catalog', async () => {
  const tables = await sql('select t.relation::text as name from private.assistant_tables() as t');
  for (const name of Object.keys(OWN).filter((one) => one !== 'assistant.messages'))
    assert.ok(
      tables.some((table) => table.name === name),
      name,
    );
  const columns = await sql(`select c.oid::regclass::text as name from pg_class as c
    join pg_attribute as a on a.attrelid = c.oid and a.attname in ('user_id', 'member_id') and not a.attisdropped
    where c.relnamespace = 'assistant'::regnamespace and c.relkind in ('r', 'p')`);
  for (const { name } of columns)
    assert.ok(
      tables.some((table) => table.name === name),
      name,
    );
});

test('an erasure by account takes everything of the person, and nothing of anybody else', async () => {
  const { tenant, person, colleague } = await people();
  const [{ counts }] = await sql('select assistant.erase_user($1) as counts', [person.auth_id]);
  assert.deepEqual(only(counts), OWN);
  assert.deepEqual(await left(tenant), { users: 1, conversations: 2, sums: 1, usage: 1 });
  const [{ n }] = await sql('select count(*)::int as n from assistant.feedback where user_id = $1', [colleague.id]);
  assert.equal(n, 1, 'what the colleague said of the erased answer went with it');
  assert.equal(await codeOf(asUser(person.auth_id, 'insert into assistant.conversations default values')), 'RG521');
  const [{ counts: again }] = await sql('select assistant.erase_user($1) as counts', [person.auth_id]);
  assert.deepEqual(only(again), Object.fromEntries(Object.keys(OWN).map((name) => [name, 0])));
});

test('an export and an erasure by address find the member, an invitation, and nobody else', async () => {
  const { email, person } = await people();
  const other = await makeTenant();
  tenants.push(other);
  await sql('insert into assistant.users (tenant_id, email) values ($1, $2)', [other.id, email.toUpperCase()]);
  const [{ found }] = await sql('select edge.export_person($1) as found', [email]);
  assert.equal(found['assistant.users'].length, 2);
  const counts = Object.fromEntries(Object.keys(OWN).map((name) => [name, found[name].length]));
  assert.deepEqual(counts, { ...OWN, 'assistant.users': 2 });
  assert.ok(found['assistant.conversations'].every(({ user_id }) => user_id === person.id));
  const [{ receipt }] = await sql('select edge.erase_person($1) as receipt', [email]);
  assert.deepEqual(only(receipt.erased), { ...OWN, 'assistant.users': 2 });
  const [{ again }] = await sql('select edge.export_person($1) as again', [email]);
  assert.deepEqual(
    Object.keys(OWN).map((name) => again[name].length),
    [0, 0, 0, 0, 0],
  );
});

test('an erasure is done in parts, however much a member has', () =>
  transaction(async (query) => {
    const [{ id: tenant }] = await query(
      `insert into assistant.tenants (name, slug, llm_provider, llm_model) values ('x', $1, 'x1', 'x') returning id`,
      [`t${randomUUID()}`],
    );
    const make = async () => {
      const email = freshEmail();
      const [{ id, auth_id }] = await query(
        'insert into assistant.users (tenant_id, email, auth_id) values ($1, $2, gen_random_uuid()) returning id, auth_id',
        [tenant, email],
      );
      await query(
        `with talk as (insert into assistant.conversations (tenant_id, user_id) values ($1, $2) returning id)
         insert into assistant.messages (conversation_id, content) select talk.id, 'x' from talk`,
        [tenant, id],
      );
      return { id, email, auth_id };
    };
    const [person, colleague] = [await make(), await make()];
    await query(
      `insert into assistant.messages (conversation_id, content)
       select c.id, 'x' from assistant.conversations as c, generate_series(1, 10000) where c.user_id = $1`,
      [person.id],
    );
    await query(
      `insert into private.usage_events
         (tenant_id, event_id, user_id, at, day, provider, model, prompt_tokens, completion_tokens, source, payload_hash)
       select $1, 'event ' || n, $2, now(), '2026-01-01', 'x', 'x', 1, 1, 'chat', sha256('x') from generate_series(1, 10001) as n`,
      [tenant, person.id],
    );
    const answers = [];
    for (let more = true; more; ) {
      const [{ answer }] = await query(
        `select private.assistant_erase(jsonb_build_object('users', $1::jsonb)) as answer`,
        [JSON.stringify([person.auth_id])],
      );
      answers.push(answer);
      more = Object.keys(answer.left ?? {}).length > 0;
    }
    assert.deepEqual(answers.slice(0, -1), [
      { 'assistant.messages': 10000, left: { 'assistant.messages': 1 } },
      {
        'private.usage_events': 10000,
        left: { 'assistant.messages': 1, 'assistant.conversations': 1, 'private.usage_events': 1 },
      },
    ]);
    assert.deepEqual([answers[2]['assistant.users'], answers[2]['assistant.messages']], [1, 1]);
    const [rest] = await query(
      `select
        (select count(*)::int from private.usage_events where tenant_id = $1) as events,
        (select count(*)::int from private.usage_events where user_id is not null and tenant_id = $1) as own,
        (select count(*)::int from assistant.messages as m
         join assistant.conversations as c on c.id = m.conversation_id and c.user_id = $2) as messages`,
      [tenant, colleague.id],
    );
    assert.deepEqual(
      rest,
      { events: 10001, own: 0, messages: 1 },
      'the tenant’s events stay, and the colleague’s rows',
    );
  }));

test('who has left is found by the account, with what they said', async () => {
  const { tenant, person } = await people();
  await asUser(person.auth_id, 'select assistant.leave_tenant()');
  assert.deepEqual(await left(tenant), { users: 2, conversations: 4, sums: 1, usage: 2 });
  const [{ counts }] = await sql('select assistant.erase_user($1) as counts', [person.auth_id]);
  assert.deepEqual(only(counts), OWN);
  assert.deepEqual(await left(tenant), { users: 1, conversations: 2, sums: 1, usage: 1 });
  assert.deepEqual(await sql('select 1 from private.former_members where auth_id = $1', [person.auth_id]), []);
});

test('an address finds nobody who had it before: not who has left, nor who is deactivated', async () => {
  const { tenant, email, person } = await people();
  await asUser(person.auth_id, 'select assistant.leave_tenant()');
  const suspended = await makeMember(tenant.id, 'member', { email: email.toUpperCase() });
  await makeConversation(suspended, ['question']);
  await sql('update assistant.users set is_active = false where id = $1', [suspended.id]);
  const other = await makeTenant();
  tenants.push(other);
  const heir = await makeMember(other.id, 'member', { email });
  await makeConversation(heir, ['question']);
  const doubts = [person.id, suspended.id].toSorted();
  const [{ found }] = await sql('select edge.export_person($1) as found', [email]);
  assert.deepEqual(
    found['assistant.users'].map(({ id }) => id),
    [heir.id],
  );
  assert.deepEqual(found.unproven, { members: doubts });
  const [{ receipt }] = await sql('select edge.erase_person($1) as receipt', [email]);
  assert.deepEqual(receipt.unproven, { members: doubts });
  assert.deepEqual([receipt.erased['assistant.users'], receipt.erased['assistant.conversations']], [1, 1]);
  const [{ n }] = await sql('select count(*)::int as n from assistant.conversations where user_id = any ($1)', [
    doubts,
  ]);
  assert.equal(n, 3, 'what they said is there');
});

test('a member whose account is in this database is found by the account’s address, and not by the invited one', async () => {
  const { email, person, colleague } = await people();
  const now = freshEmail();
  await transaction(async (query) => {
    await query('create table auth.users (id uuid primary key, email text, email_confirmed_at timestamptz)');
    await query('insert into auth.users values ($1, $2, now()), ($3, $4, now())', [
      ...[person.auth_id, now],
      ...[colleague.auth_id, email],
    ]);
    const exported = async (address) => (await query('select edge.export_person($1) as found', [address]))[0].found;
    const former = await exported(email);
    assert.deepEqual(
      former['assistant.users'].map(({ id }) => id),
      [colleague.id],
    );
    assert.deepEqual(former.unproven, { members: [person.id] });
    const current = await exported(now);
    assert.deepEqual(
      current['assistant.users'].map(({ id }) => id),
      [person.id],
    );
    assert.deepEqual(current.unproven, {});
  });
});

test('a person’s own rows are no mentions; others’ are', async () => {
  const { email, person, colleague } = await people();
  await makeConversation(person, [`my address is ${email}`], { title: `mine: ${email}` });
  await makeConversation(colleague, [`ask ${email}`], { title: 'a title' });
  const [{ found }] = await sql('select edge.export_person($1) as found', [email]);
  assert.equal(found.mentions['assistant.messages'], 1);
  assert.equal(found.mentions['assistant.conversations'] ?? 0, 0);
});

test('an export or erasure reads no table from end to end', async () => {
  const { email } = await people();
  await transaction(async (query) => {
    const scans = async () =>
      (
        await query(`select coalesce(sum(seq_scan), 0)::int as n from pg_stat_xact_user_tables
          where schemaname = 'assistant' or relname in ('former_members')`)
      )[0].n;
    // Foreign keys keep the plans of this connection's earlier deletions, which were made with other settings.
    await query('discard plans');
    const before = await scans();
    await query('select edge.export_person($1)', [email]);
    await query('select edge.erase_person($1)', [email]);
    assert.equal(await scans(), before);
  });
});
