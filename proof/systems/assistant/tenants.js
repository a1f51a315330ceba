// Two tenants with the same kinds of people. They stand during the whole proof, since an account belongs to one tenant: fixtures are rows
// in them, and the tenant's and the owner's own rows get the marker of every fixture.
import { randomUUID } from 'node:crypto';
import { USERS } from '../../personas.js';

/** `owner` is a plain member of the first tenant, whose rows the fixtures are; `viewer` is its admin. `deactivated` was one. */
const FIRST = { owner: 'member', member: 'member', viewer: 'admin', deactivated: 'admin' };
/** `stranger` and `admin`, whose role is the whole platform's, belong to no tenant. */
const SECOND = { "other tenant's admin": 'admin', 'the other’s member': 'member' };

export const MEMBERS = ['owner', 'member', 'viewer', "other tenant's admin"];
export const MAKERS = [...MEMBERS, 'service'];
export const READERS = ['owner', 'member', 'viewer', 'service'];
export const OWN = ['owner', 'service'];
export const MANAGERS = ['viewer', 'service'];
export const OWN_OR_MANAGED = ['owner', 'viewer', 'service'];
export const OFFICE = ['service'];

/** Columns: who reads them of any row, and what else is decided. Who may write a column is asked without the policies of rows. */
export const columns = (...parts) => {
  const all = {};
  for (const [says, ...names] of parts) for (const name of names) all[name] = { read: MAKERS, ...says };
  return all;
};
export const byOffice = { insert: OFFICE, update: OFFICE };
/** Written by users when they make a row. */
export const made = { insert: [...USERS, 'service'], update: OFFICE };

const worlds = new WeakMap();

/** Rows that stand for a member. `message` is another one each time: a member rates a message once. */
const standingRows = (tenant) => ({
  tenant,
  conversation: randomUUID(),
  rated: randomUUID(),
  messages: Array.from({ length: 12 }, () => randomUUID()),
  get message() {
    this.messages.push(this.messages.shift());
    return this.messages[0];
  },
});

/** The rows that stand, by persona: {tenant, conversation, message}. Makes those that an attempt has deleted. */
export const world = async (people, sql) => {
  if (!worlds.has(people))
    worlds.set(people, { first: randomUUID(), second: randomUUID(), other: randomUUID(), by: new Map() });
  const standing = worlds.get(people);
  const { first, second, by } = standing;
  for (const [id, name] of [
    [first, 'first'],
    [second, 'second'],
  ])
    await sql(
      `insert into assistant.tenants (id, name, slug, llm_provider, llm_model) values ($1, $2, $3, 'openai', 'gpt-5-mini')
       on conflict do nothing`,
      [id, name, `proof-${randomUUID()}`],
    );
  const members = [...Object.entries(FIRST), ...Object.entries(SECOND)];
  for (const [name, role] of members) {
    const tenant = name in FIRST ? first : second;
    // A member has the id of their account here, so that a row says whose it is.
    const sub = people[name]?.sub ?? standing.other;
    await sql(
      `insert into assistant.users (id, tenant_id, auth_id, email, role, is_active) values ($1, $2, $1, $3, $4, $5) on conflict do nothing`,
      [sub, tenant, `${randomUUID()}@example.org`, role, name !== 'deactivated'],
    );
    const own = by.get(sub) ?? standingRows(tenant);
    by.set(sub, own);
    await sql(
      `insert into assistant.conversations (id, tenant_id, user_id, title) values ($1, $2, $3, 'standing') on conflict do nothing`,
      [own.conversation, tenant, sub],
    );
    for (const message of [...own.messages, own.rated])
      await sql(
        `insert into assistant.messages (id, conversation_id, content) values ($1, $2, 'standing') on conflict do nothing`,
        [message, own.conversation],
      );
    await sql(
      `insert into assistant.feedback (message_id, user_id, rating) values ($1, $2, 1) on conflict do nothing`,
      [own.rated, sub],
    );
    // Not for the member of the first tenant: the rows of a tenant share its id, and a fixture's is hidden from that member.
    if (name !== 'member')
      await sql(
        `insert into assistant.usage_metrics (tenant_id, user_id, date) values ($1, $2, '2026-01-01') on conflict do nothing`,
        [tenant, sub],
      );
  }
  return standing;
};

/** What somebody drafts in: the own tenant, conversation and message, or the owner's where there are none. */
export const own = ({ sub }, people) => {
  const { by } = worlds.get(people);
  return by.get(sub) ?? by.get(people.owner.sub);
};

// The last ones only: a column has room for so many. The name is what an attempt changes.
const mark = (table, column) => `update ${table} as t
  set name = $2, ${column} = jsonb_build_object('markers', (
    select jsonb_agg(m.value) from (
      select e.value, e.ordinality
      from jsonb_array_elements(coalesce(t.${column} -> 'markers', '[]') || to_jsonb($2::text)) with ordinality as e
      order by e.ordinality desc limit 60
    ) as m
  ))
  where id = $1 returning to_jsonb(t) as row`;

/** The first tenant, with the marker of a fixture. */
export const tenant = async (people, marker, sql) => {
  const { first } = await world(people, sql);
  return (await sql(mark('assistant.tenants', 'branding'), [first, marker]))[0].row;
};

/** The owner as a member of it. */
export const owner = async (people, marker, sql) => {
  await tenant(people, marker, sql);
  return (await sql(mark('assistant.users', 'preferences'), [people.owner.sub, marker]))[0].row;
};

/** A conversation of the owner's. */
export const conversation = async (add, people, marker, sql) => {
  const { id, tenant_id } = await owner(people, marker, sql);
  return add('assistant.conversations', { tenant_id, user_id: id, title: marker });
};

/** A message in it. */
export const message = async (add, people, marker, sql) => {
  const { id } = await conversation(add, people, marker, sql);
  return add('assistant.messages', { conversation_id: id, content: marker });
};

/** Deletes both tenants. */
export const cleanUp = async (sql, people) => {
  const subs = people.map(({ sub }) => sub);
  await sql(
    'delete from assistant.tenants where id in (select u.tenant_id from assistant.users as u where u.id = any ($1))',
    [subs],
  );
};
