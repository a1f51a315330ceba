// The quota of one tenant in the database: how long a request takes to begin and to end, how many do so in a second, and whether exactly
// those pass for whom there is room.
import pg from 'pg';
import { median, p99, rounded } from '../figures.js';
import { perSecond } from '../pgbench.js';

/** What the tenant has used before; connections; seconds of each of the three sides, together. */
export const SIZES = { events: 1_000_000, connections: 32, seconds: 60 };
export const only = 'migrated database';

const TENANT = '00000000-0000-4000-8000-00000000aaaa';
const SMALL = '00000000-0000-4000-8000-00000000bbbb';
const MEMBERS = 100;
const ROUNDS = 3;
const PAIRS = 2000;
const ROOM = 5000;

const TENANTS = `
  insert into assistant.tenants (id, name, slug, llm_provider, llm_model, rate_limit_per_minute, daily_token_limit) values
  ('${TENANT}', 'Large', 'large', 'openai', 'gpt-5-mini', 100000, 1000000000000000),
  ('${SMALL}', 'Small', 'small', 'openai', 'gpt-5-mini', 100000, ${ROOM} * 1000 + 500);
  insert into assistant.users (id, tenant_id, auth_id, email)
  select md5(t.slug || ' member ' || n)::uuid, t.id, gen_random_uuid(), 'member-' || n || '@example.org'
  from assistant.tenants as t, generate_series(0, ${MEMBERS - 1}) as n;
  insert into private.model_prices (provider, model, effective_from, input_micro, output_micro)
  values ('openai', 'gpt-5-mini', '2025-01-01', 250000, 2000000)`;

/** The events of a year. */
const EVENTS = `
  insert into private.usage_events (
    tenant_id, event_id, user_id, at, day, provider, model, prompt_tokens, completion_tokens, cost_micro, source, payload_hash
  )
  select '${TENANT}', 'request ' || md5(n::text)::uuid, md5('large member ' || n % ${MEMBERS})::uuid, at, at::date, 'openai', 'gpt-5-mini',
    900, 210, 645, 'request', sha256(n::text::bytea)
  from generate_series(1, $1::int) as n, lateral (select now() - n * interval '365 days' / $1::int as at) as t`;

const OURS = `\\set n random(0, ${MEMBERS - 1})
select assistant.begin_request('${TENANT}', md5('large member ' || :n)::uuid, 1500) ->> 'reservation' as reservation \\gset
select assistant.end_request(:reservation, 900, 210, 'gpt-5-mini');
`;

/**
 * The rival: one row, and nothing else. Both statements wait for the disk, as they do unless somebody thinks of it. It knows no minute, no
 * day, no member, no price, no request that is never ended, and counts twice what is sent twice.
 */
const RIVAL = `select plain_quota.begin(1500);
select plain_quota.end(1500, 1110);
`;
/** The floor: the same row, which does not wait for the disk; what was used is a row of its own, which does. */
const FLOOR = `select plain_quota.begin_without_disk(1500);
select plain_quota.store(1110);
`;
const PLAIN = `
  create schema plain_quota;
  create table plain_quota.quota (id int primary key, most bigint, used bigint) with (fillfactor = 50);
  insert into plain_quota.quota values (1, 1000000000000000, 0);
  create table plain_quota.events (id bigint generated always as identity primary key, tokens bigint);
  create function plain_quota.begin(n bigint) returns boolean language plpgsql as $$
    begin
      update plain_quota.quota set used = used + n where id = 1 and used + n <= most;
      return found;
    end $$;
  create function plain_quota.end(n bigint, actual bigint) returns void language plpgsql as $$
    begin
      update plain_quota.quota set used = used - n + actual where id = 1;
    end $$;
  create function plain_quota.begin_without_disk(n bigint) returns boolean language plpgsql as $$
    begin
      perform set_config('synchronous_commit', 'off', true);
      return plain_quota.begin(n);
    end $$;
  create function plain_quota.store(actual bigint) returns void language plpgsql as $$
    begin
      insert into plain_quota.events (tokens) values (actual);
    end $$`;

const begin = async (client, tenant, slug, n, estimate) => {
  const text = `select assistant.begin_request($1, md5($2 || ' member ' || $3::int)::uuid, $4) ->> 'reservation' as id`;
  return (await client.query({ name: 'begin', text, values: [tenant, slug, n % MEMBERS, estimate] })).rows[0].id;
};
const end = (client, id, prompt, completion) =>
  client.query({
    name: 'end',
    text: `select assistant.end_request($1, $2, $3, 'gpt-5-mini')`,
    values: [id, prompt, completion],
  });

/** Milliseconds of requests one after the other: {begun, ended, both}. */
const times = async (client) => {
  const found = { begun: [], ended: [], both: [] };
  for (let n = 0; n < PAIRS; n += 1) {
    const start = performance.now();
    const id = await begin(client, TENANT, 'large', n, 1500);
    const between = performance.now();
    await end(client, id, 900, 210);
    const stop = performance.now();
    // The first ones plan.
    if (n < 100) continue;
    found.begun.push(between - start);
    found.ended.push(stop - between);
    found.both.push(stop - start);
  }
  return found;
};

/** Requests of a tenant with room for some, over all connections, until each is refused. Gives how many passed. */
const untilRefused = async (databaseUrl, connections) => {
  let passed = 0;
  const one = async (_, n) => {
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    try {
      for (;;) {
        await end(client, await begin(client, SMALL, 'small', n, 1000), 900, 100);
        passed += 1;
      }
    } catch (error) {
      if (JSON.parse(error.message).code !== 'RG683') throw error;
    } finally {
      await client.end();
    }
  };
  await Promise.all(Array.from({ length: connections }, one));
  return passed;
};

/** Measures on a system of its own. @returns {Promise<object[]>} rows of the table */
export const measure = async ({ stack, stopping, options, say }) => {
  const { signal } = stopping;
  const { events, connections, seconds } = options;
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  await client.connect();
  const rows = [];
  const note = (row) => {
    rows.push(row);
    say(`${row.name}: ${row.reached} (${row.aim})`);
  };
  try {
    await client.query(TENANTS);
    await client.query(PLAIN);
    await client.query('set session_replication_role = replica');
    await client.query(EVENTS, [events]);
    await client.query('set session_replication_role = default');
    await client.query('vacuum analyze private.usage_events');

    const { begun, ended, both } = await times(client);
    note({
      name: `a request begins and ends, one after the other; ${events} events of the tenant before`,
      aim: 'under 3 ms',
      reached: `${rounded(median(both))} ms, p99 ${rounded(p99(both))} ms: ${rounded(median(begun))} ms and ${rounded(median(ended))} ms`,
      met: median(both) < 3,
    });

    // In turns, since the machine is not the same at every minute.
    const rounds = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const measured = { clients: connections, seconds: seconds / ROUNDS, signal };
      rounds.push({
        ours: await perSecond(stack.databaseUrl, { ...measured, script: OURS }),
        rival: await perSecond(stack.databaseUrl, { ...measured, script: RIVAL }),
        floor: await perSecond(stack.databaseUrl, { ...measured, script: FLOOR }),
      });
    }
    const of = (side) => Math.round(median(rounds.map((round) => round[side])));
    note({
      name: `requests of one tenant begin and end, ${connections} connections`,
      aim: 'at least 1,000 a second',
      reached: `${of('ours')} a second`,
      met: of('ours') >= 1000,
      rival: `one row with \`used + n <= most\`, and no minute, day, member, price or sweeping: ${of('rival')} a second; the floor, that row without waiting for the disk and a durable row for each end: ${of('floor')} a second`,
    });

    const passed = await untilRefused(stack.databaseUrl, connections);
    await client.query('select private.fold_usage($1, null)', [SMALL]);
    const { rows: found } = await client.query(
      `select used::float8, reserved::float8 from private.budgets where owner = $1`,
      [SMALL],
    );
    note({
      name: `a tenant with room for ${ROOM} requests, ${connections} connections until each is refused`,
      aim: `exactly ${ROOM}`,
      reached: `${passed}; ${found[0].used} tokens used, ${found[0].reserved} reserved`,
      met: passed === ROOM && found[0].used === ROOM * 1000 && found[0].reserved === 0,
    });
    return rows;
  } finally {
    await client.end();
  }
};
