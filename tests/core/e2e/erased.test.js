// An erased user's token lives on for a while. It makes nothing in any system: every table and function that users can write to is
// tried, as the catalog and the routes list them, through the edge and past it.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { exposed } from '../../../proof/catalog.js';
import { routes as listRoutes } from '../../../proof/matrix.js';
import { personas } from '../../../proof/personas.js';
import { Target } from '../../../proof/probes.js';
import { SYSTEMS } from '../../../proof/systems/index.js';
import { startEdge } from '../../support/edge.js';
import { ask, close, has, made, sql, stack } from '../../support/stack.js';

const decided = (kind) => Object.assign({}, ...Object.values(SYSTEMS).map((system) => system[kind]));
const RELATIONS = decided('relations');
const FUNCTIONS = decided('functions');
const ROUTES = decided('routes');

/** Counters of requests, which a refused one gives back and one that only reads uses up. */
const COUNTERS = ['private.rate_limits', 'private.daily_usage'];

let experiment;
/** Bodies that make a row with a word in it, where those of the proof make none. */
const BODIES = {
  'POST /v1/telemetry': (word) => [{ event_type: 'erased', event_category: 'auth', error_message: word }],
  'POST /v1/onboarding/sessions': (word) => ({ business_data: { name: word } }),
  'POST /v1/experiments/exposures': (word) => [{ experiment_id: experiment, session_id: word }],
};

/** Some of the attempts that make something, by system. */
const WRITES = {
  sample: [
    /^insert into sample.projects, edge$/,
    /^insert into sample.projects, database$/,
    /^call sample_more.add_entry\(jsonb\), vouched$/,
    /^POST .v1.entries$/,
  ],
  clixen: [
    /^insert into clixen.projects, edge$/,
    /^insert into clixen.telemetry_events, database$/,
    /^call clixen.track_telemetry\(jsonb\), vouched$/,
    /^POST .v1.telemetry$/,
    /^call clixen.open_deployment/,
  ],
  flashfusion: [
    /^insert into flashfusion.projects, edge$/,
    /^insert into flashfusion.projects, database$/,
    /^update flashfusion.notifications, edge$/,
  ],
  observatory: [
    /^insert into observatory.projects, edge$/,
    /^insert into observatory.messages, database$/,
    /^update observatory.conversations, edge$/,
  ],
  assistant: [
    /^insert into assistant.conversations, edge$/,
    /^insert into assistant.messages, database$/,
    /^update assistant.users, edge$/,
  ],
  growth: [
    /^insert into whatsapp.accounts, edge$/,
    /^insert into whatsapp.templates, database$/,
    /^insert into experiments.experiments, edge$/,
    /^insert into marketing.lead_interactions, database$/,
    /^update whatsapp.accounts, database$/,
    /^call marketing.capture_lead\(jsonb\), vouched$/,
    /^call analytics.track_events\(jsonb\), vouched$/,
    /^call onboarding.start\(jsonb\), vouched$/,
    /^call experiments.auto_assign_experiments\(text, text, text\), vouched$/,
    /^call whatsapp.set_access_token/,
    /^POST .v1.leads$/,
    /^POST .v1.events$/,
    /^POST .v1.onboarding.sessions$/,
    /^POST .v1.experiments.assign$/,
    /^POST .v1.experiments.exposures$/,
    /^PUT .v1.whatsapp.accounts.\{id\}.access-token$/,
  ],
};

let edge;
let target;
let catalog;
let routes;
let tables;
before(async () => {
  // Deployments need an n8n, checkouts Stripe, and the chat a provider; none is called.
  const nowhere = 'http://127.0.0.1:9/';
  const stripe = { STRIPE_WEBHOOK_SECRET: 'whsec_erased', STRIPE_API_KEY: 'sk_test_nobody', STRIPE_URL: nowhere };
  edge = await startEdge({
    N8N_URL: nowhere,
    N8N_API_KEY: 'DEV-ONLY-nobody-listens',
    ...stripe,
    BILLING_RETURN_URL: `${nowhere}billing`,
    LLM_PROVIDER_URLS: `openai=${nowhere}`,
  });
  target = new Target({ ...stack, edge_url: edge.url }, sql);
  catalog = await exposed(sql);
  routes = listRoutes();
  tables = (
    await sql(`select format('%I.%I', n.nspname, c.relname) as name from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p') and not c.relispartition and n.nspname !~ '^pg_|^information_schema$|^public$' order by 1`)
  ).map(({ name }) => name);
  if (!has('growth')) return;
  const [{ id }] = await sql(
    `insert into experiments.experiments (name, status, unit, control_variant, test_variants)
     values ('erased', 'running', 'session_id', '{"id": "a", "weight": 0.5}', '[{"id": "b", "weight": 0.5}]') returning id`,
  );
  experiment = id;
});
after(async () => {
  await edge?.stop();
  if (has('growth')) {
    await sql(`delete from experiments.experiments where name = 'erased'`);
    // Later test files count all events that there are.
    await sql(`delete from analytics.events where name ~ '^(marker|call)-'`);
    await sql(`delete from analytics.event_aggregations where event_name ~ '^(marker|call)-'`);
  }
  await close();
});

/** How many rows of each table hold a word of each list, by table; a table without any is left out. */
const traces = async (...lists) => {
  const counts = lists.map((_, at) => `count(*) filter (where t::text like any ($${at + 1}))::int`);
  const queries = tables
    .filter((name) => !COUNTERS.includes(name))
    .map((name) => `select '${name}' as name, array[${counts.join(', ')}] as rows from ${name} as t`);
  const found = await sql(
    queries.join(' union all '),
    lists.map((words) => words.map((word) => `%${word}%`)),
  );
  return lists.map((_, at) =>
    Object.fromEntries(found.filter(({ rows }) => rows[at] > 0).map(({ name, rows }) => [name, rows[at]])),
  );
};

/** A user, who is an admin besides, with a row in every relation. */
const user = async () => {
  const { admin: who, ...others } = await personas({ ...stack, keys: made }, sql);
  const fixtures = {};
  const mine = { ...others, owner: who };
  for (const relation of catalog.relations) {
    const decision = RELATIONS[relation.name];
    const { row } = await target.addFixture(decision, mine);
    fixtures[relation.name] = { row, relation: { ...relation, key: decision.key ?? relation.key } };
  }
  return { who, people: mine, fixtures };
};

/** What a user can try to write, by name: each attempt gives what it was answered. */
const attempts = async ({ who, people, fixtures }) => {
  const list = {};
  const written = await sql(
    `select format('%I.%I', n.nspname, c.relname) as name,
       has_any_column_privilege('authenticated', c.oid, 'INSERT') as insert, has_any_column_privilege('authenticated', c.oid, 'UPDATE') as update
     from pg_class as c join pg_namespace as n on n.oid = c.relnamespace where format('%I.%I', n.nspname, c.relname) = any ($1)`,
    [Object.keys(fixtures)],
  );
  for (const layer of ['edge', 'database']) {
    for (const { name, ...may } of written) {
      const { relation, row } = fixtures[name];
      const at = { schema: relation.schema, path: `/${relation.relation}` };
      const decision = RELATIONS[name];
      if (may.insert)
        list[`insert into ${name}, ${layer}`] = (word) =>
          target.ask(who, layer, { ...at, method: 'POST', json: decision.draft(who, word, people) });
      if (may.update)
        list[`update ${name}, ${layer}`] = async () => {
          const path = `${at.path}?${target.filter(relation, row)}`;
          const answer = await target.ask(who, layer, { ...at, path, method: 'PATCH', json: decision.change });
          // As it was, or the same update by the other way would change nothing.
          const former = Object.fromEntries(Object.keys(decision.change).map((column) => [column, row[column]]));
          if (answer.status < 300) await target.change(relation, row, former);
          return answer;
        };
    }
  }
  const rows = Object.fromEntries(Object.entries(fixtures).map(([name, { row }]) => [name, row]));
  for (const { name, schema, function: called, arguments: names } of catalog.functions) {
    const decision = FUNCTIONS[name];
    const layers = [
      ...(decision.execute.includes('admin') ? ['edge', 'database'] : []),
      ...(decision.vouched?.execute.includes('admin') ? ['vouched'] : []),
    ];
    for (const layer of layers)
      list[`call ${name}, ${layer}`] = (word) =>
        target.ask(who, layer, {
          schema,
          path: `/rpc/${called}`,
          method: 'POST',
          json: decision.arguments?.(word, rows) ?? Object.fromEntries(names.map((each) => [each, null])),
        });
  }
  for (const { method, path, calls } of routes) {
    const body = BODIES[`${method} ${path}`] ?? ROUTES[`${method} ${path}`].body;
    if (!calls || !['POST', 'PUT', 'PATCH'].includes(method)) continue;
    const id = path.includes('/workflows/') ? rows['clixen.mvp_workflows']?.id : rows['whatsapp.accounts']?.id;
    list[`${method} ${path}`] = (word) =>
      ask(path.replace('{id}', id), {
        base: edge.url,
        method,
        body: JSON.stringify(body?.(word) ?? {}),
        headers: { 'content-type': 'application/json', ...who.headers.edge },
      });
  }
  return list;
};

test('what users write, erased users do not: no table, no function, no endpoint, through the edge or past it', async () => {
  const living = await user();
  const gone = await user();
  const mine = await attempts(living);
  const theirs = await attempts(gone);
  assert.deepEqual(Object.keys(theirs), Object.keys(mine));
  const least = has('growth') && has('clixen') ? 60 : 3;
  assert.ok(Object.keys(mine).length > least, `${Object.keys(mine).length} attempts`);
  const erased = await ask('/rest/v1/rpc/erase_user', { token: stack.service_key, json: { user_id: gone.who.sub } });
  assert.equal(erased.status, 200, erased.text);

  const makes = [];
  const wrong = [];
  for (const name of Object.keys(mine)) {
    await sql('truncate private.rate_limits');
    const word = `call-${randomUUID()}`;
    const [ofGone, ofLiving] = [
      [word, gone.who.sub],
      [word, living.who.sub],
    ];
    const [left] = await traces(ofGone);
    const answer = await theirs[name](word);
    const [found, had] = await traces(ofGone, ofLiving);
    for (const [table, rows] of Object.entries(found))
      if (rows > (left[table] ?? 0)) wrong.push(`${name}: ${table}, ${answer.status} ${answer.text.slice(0, 100)}`);
    if (answer.status >= 500) wrong.push(`${name}: ${answer.status} ${answer.text}`);
    // The same of somebody who is there, so that it is the erasure that keeps it out.
    await mine[name](word);
    const [has] = await traces(ofLiving);
    if (Object.entries(has).some(([table, rows]) => rows > (had[table] ?? 0))) {
      makes.push(name);
      // Either it says so, or what it would have worked on is gone.
      const kept = answer.status === 404 || (answer.status === 403 && answer.text.includes('RG521'));
      if (!kept) wrong.push(`${name}: ${answer.status} ${answer.text}`);
    }
  }
  assert.deepEqual(wrong, []);
  const expected = ['sample', 'clixen', 'growth'].filter(has).flatMap((name) => WRITES[name]);
  for (const wanted of expected)
    assert.ok(
      makes.some((name) => wanted.test(name)),
      `${wanted} makes nothing: ${makes.join('; ')}`,
    );
});
