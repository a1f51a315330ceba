// GET and HEAD change nothing: every route that they have is walked, first with a look at every row before and after, then with a
// database that takes no write. Limits, counters and the audit of who looked are the exception.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { exposed } from '../../../proof/catalog.js';
import { SYSTEMS } from '../../../proof/systems/index.js';
import { ask, close, freshEmail, has, made, sql, stack, userToken } from '../../support/stack.js';

after(close);

/** What a look may leave behind. */
const MAY_CHANGE = [
  'private.rate_limits',
  'private.daily_usage',
  'private.audit_log',
  'private.security_events',
  // Who looked for what, and how often a shared page was opened.
  'observatory.search_history',
  'private.share_views',
  // A change gets its place when somebody first asks for it.
  'private.changes',
  'private.change_positions',
];

const TABLES = `
select format('%I.%I', n.nspname, c.relname) as name
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and not c.relispartition and n.nspname !~ '^(pg_|information_schema)'
  and format('%I.%I', n.nspname, c.relname) <> all ($1)
order by 1`;

let tables;
/** All requests of the walk: a path and its headers. */
let walk;

before(async () => {
  tables = (await sql(TABLES, [MAY_CHANGE])).map(({ name }) => name);
  walk = await requests();
});

/** Every row of every table, and every sequence, in a digest each. */
const snapshot = async () => {
  const digests = {};
  for (const name of tables) {
    const [{ digest }] = await sql(`select md5(string_agg(t::text, '|' order by t::text)) as digest from ${name} as t`);
    digests[name] = digest;
  }
  const sequences = await sql(`select schemaname || '.' || sequencename as name, last_value from pg_sequences
    where schemaname || '.' || sequencename !~ '^private\\.(audit_log|security_events)'`);
  for (const { name, last_value } of sequences) digests[`sequence ${name}`] = last_value;
  return digests;
};

const query = (fields) => new URLSearchParams(fields).toString();

/** What each route of the edge is asked for, so that it gets as far as its work; all others as the proof asks for them. */
const paths = async () => {
  if (!has('growth')) return { session: 'x' };
  const email = freshEmail();
  const lead = await ask('/v1/leads', { json: { email, consent: 'yes' } });
  assert.equal(lead.status, 201, lead.text);
  const [{ token }] = await sql(
    `select marketing.confirmation_token(l, now() + interval '1 day') as token from marketing.leads as l where email = $1`,
    [email],
  );
  const session = await ask('/v1/onboarding/sessions', { json: {} });
  const [experiment] = await sql(
    `insert into experiments.experiments (name, control_variant, test_variants)
     values ($1, '{"id": "a", "weight": 0.5}', '[{"id": "b", "weight": 0.5}]') returning id`,
    [`read-only ${randomUUID()}`],
  );
  const verify = query({
    'hub.mode': 'subscribe',
    'hub.verify_token': made.whatsapp_verify_token,
    'hub.challenge': 'x',
  });
  const unknown = query({ 'hub.mode': 'subscribe', 'hub.verify_token': 'of an account', 'hub.challenge': 'x' });
  return {
    '/v1/leads/confirm': [`/v1/leads/confirm?token=${token}`],
    '/v1/onboarding/session': ['/v1/onboarding/session'],
    '/v1/experiments/{id}/results': [`/v1/experiments/${experiment.id}/results`],
    '/v1/whatsapp/webhook': [`/v1/whatsapp/webhook?${verify}`, `/v1/whatsapp/webhook?${unknown}`],
    session: session.body.session_token,
  };
};

const requests = async () => {
  const { session, ...special } = await paths();
  const routes = Object.values(SYSTEMS).flatMap((system) => Object.entries(system.routes));
  const gets = routes.filter(([name]) => name.startsWith('GET ')).map(([name, { path }]) => [name.slice(4), path]);
  assert.ok(gets.length > 3 && Object.keys(special).every((path) => gets.some(([pattern]) => pattern === path)));
  const all = gets.flatMap(([pattern, path]) => special[pattern] ?? [path ?? pattern]).map((path) => [path, {}]);
  const { relations, functions } = await exposed(sql);
  for (const { schema, relation } of relations) {
    all.push([`/rest/v1/${relation}?limit=1`, { 'accept-profile': schema }]);
  }
  for (const { schema, function: called, arguments: names } of functions) {
    // Of every kind of value one: some fit the types, and get as far as the function.
    for (const value of [randomUUID(), '{}', '1']) {
      const fields = Object.fromEntries(names.map((name) => [name, value]));
      all.push([`/rest/v1/rpc/${called}?${query(fields)}`, { 'accept-profile': schema }]);
    }
  }
  const admin = await userToken(randomUUID(), { claims: { app_metadata: { role: 'admin' } } });
  const credentials = [
    { apikey: made.publishable_key },
    { authorization: `Bearer ${admin}`, 'x-session-token': session },
    { authorization: `Bearer ${stack.service_key}` },
  ];
  return all.flatMap(([path, headers]) => credentials.map((shown) => ({ path, headers: { ...headers, ...shown } })));
};

/** What came of each request. */
const answers = async () => {
  const seen = [];
  for (const { path, headers } of walk) {
    for (const method of ['GET', 'HEAD']) {
      await sql('delete from private.rate_limits; delete from private.daily_usage');
      for (const accept of path.startsWith('/rest/') ? ['*/*'] : ['application/json', 'text/html']) {
        const { status, text } = await ask(path, { method, headers: { ...headers, accept } });
        assert.ok(status < 500, `${method} ${path} ${status} ${text}`);
        seen.push(`${method} ${path} ${status}`);
      }
    }
  }
  return seen;
};

test('no GET and no HEAD changes a row, and none needs to', async () => {
  const rows = await snapshot();
  const free = await answers();
  assert.deepEqual(await snapshot(), rows);
  const reached = new Set(free.filter((line) => line.endsWith(' 200')).map((line) => line.split(' ')[1].split('?')[0]));
  const ofGrowth = ['/v1/leads/confirm', '/v1/onboarding/session', '/v1/whatsapp/webhook', '/v1/admin/leads.csv'];
  for (const path of ['/rest/v1/projects', ...(has('growth') ? ofGrowth : [])]) {
    assert.ok(reached.has(path), `${path} was answered`);
  }
  await sql(`create function private.test_refuse_write() returns trigger language plpgsql as
    $$ begin raise exception 'written by a read: %', tg_table_name; end $$`);
  try {
    for (const name of tables) {
      await sql(`create trigger test_read_only before insert or update or delete or truncate on ${name}
        for each statement execute function private.test_refuse_write()`);
    }
    await assert.rejects(sql(`insert into sample_more.entries (email) values ('a@example.org')`), /written by a read/);
    assert.deepEqual(await answers(), free);
  } finally {
    await sql('drop function private.test_refuse_write() cascade');
  }
});
