// npm run bench -- growth: what growth's speeds must be, at the sizes that they are about, each beside a rival that does the same
// without what makes it fast. Plans are kept beside the figures.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { interruptible } from '../../dev/interrupt.js';
import { root } from '../../dev/paths.js';
import { SetupError } from '../../dev/setup.js';
import { settle, verdict } from '../aims.js';
import { keep } from '../document.js';
import { median, p99, rounded } from '../figures.js';
import { machine, measuredOn, packageVersion } from '../machine.js';
import { withBenchmarkSystem } from '../system.js';
import { needWrk } from '../wrk.js';
import {
  eventsThroughTheEdge,
  knownAndNew,
  LEAD_CONNECTIONS,
  leadsThroughTheEdge,
  rowsThroughPostgrest,
  webhooksThroughTheEdge,
} from './edge.js';
import { loadEvents, loadLeads } from './load.js';
import { DASHBOARD, LOOKUP, STEP } from './queries.js';

const say = (line) => console.error(`[bench] ${line}`);

/** What the figures are about. */
const SIZES = { leads: 1_000_000, events: 10_000_000, sessions: 100_000 };

const parsed = (flags) => {
  const string = (value) => ({ type: 'string', default: `${value}` });
  try {
    const { values } = parseArgs({
      args: flags,
      options: {
        ...Object.fromEntries(Object.entries(SIZES).map(([name, size]) => [name, string(size)])),
        seconds: string(10),
        part: { type: 'string' },
      },
    });
    const { part, ...numbers } = values;
    if (part !== undefined && part !== 'leads') throw new Error(`There is no part ${part}.`);
    return {
      ...(part && { part }),
      ...Object.fromEntries(Object.entries(numbers).map(([name, text]) => [name, Number(text)])),
    };
  } catch (error) {
    throw new SetupError(
      `${error.message}\nFlags: --part leads --leads 1000000 --events 10000000 --sessions 100000 --seconds 10.`,
    );
  }
};

/** How often one of the first takes longer than one of the second. */
const later = (first, second) => {
  const longer = first.map((one) => second.filter((other) => one > other).length);
  return longer.reduce((sum, count) => sum + count, 0) / (first.length * second.length);
};

class Bench {
  constructor({ sql, client }) {
    Object.assign(this, { sql, client, rows: [] });
  }

  add(row) {
    this.rows.push(row);
    say(`${row.name}: ${row.reached} (${row.aim}: ${verdict(row.met)})${row.rival ? `; ${row.rival}` : ''}`);
  }

  /** Milliseconds inside the server: of a plan that is run, without what shows it. */
  async times(query, values, times, settings = '') {
    const found = [];
    for (let n = 0; n < times; n += 1) {
      await this.client.query(`begin; ${settings}`);
      const { rows } = await this.client.query({
        text: `explain (analyze, timing off, format json) ${query}`,
        values: values(n),
      });
      await this.client.query('rollback');
      const [plan] = rows[0]['QUERY PLAN'];
      // The first few read from disk.
      if (n >= 3) found.push(plan['Execution Time']);
    }
    return found;
  }

  async plan(query, values, settings = '') {
    await this.client.query(`begin; ${settings}`);
    const { rows } = await this.client.query({ text: `explain (analyze, buffers) ${query}`, values });
    await this.client.query('rollback');
    return rows.map((row) => row['QUERY PLAN']).join('\n');
  }

  async query({ name, aim, most, query, values, rival, times = 50 }) {
    const found = await this.times(query, values, times);
    const row = {
      name,
      aim,
      met: median(found) < most,
      reached: `${rounded(median(found))} ms, p99 ${rounded(p99(found))} ms`,
      plan: await this.plan(query, values(0)),
    };
    if (rival) {
      const slow = await this.times(rival.query ?? query, rival.values ?? values, 5, rival.settings);
      row.rival = `${rival.name}: ${rounded(median(slow))} ms, ${rounded(median(slow) / median(found))} times as long`;
    }
    this.add(row);
  }
}

/** Everything pending, as often as the edge's clock asks for it. */
const rollUp = async (sql) => {
  let done = 0;
  const start = performance.now();
  for (let rows = 1; rows > 0; done += rows) {
    rows = Number((await sql('select analytics.process_pending_events() as rows'))[0].rows);
  }
  return { done, ms: performance.now() - start };
};

/** Tables of growth, as the planner knows them. */
const TABLES = `select c.oid from pg_class as c where c.relkind in ('r', 'm')
  and c.relnamespace::regnamespace::text in ('marketing', 'onboarding', 'analytics', 'experiments', 'whatsapp', 'private')`;

/** What the planner may believe of them one day: nobody's answer may hang on it. */
const STATISTICS = {
  'fresh statistics': ['analyze'],
  'no statistics': [
    `delete from pg_statistic where starelid in (${TABLES})`,
    `update pg_class set reltuples = -1, relpages = 0 where oid in (${TABLES})`,
  ],
  'statistics of a smaller day': [
    `delete from pg_statistic where starelid in (${TABLES})`,
    `update pg_class set reltuples = 1000, relpages = 10 where oid in (${TABLES})`,
  ],
};

/** What is held on people of whom a form has named a session and a browser; each asked for and erased once. */
const measureGdpr = async (bench, { leads, databaseUrl }) => {
  const call = async (name, email) => {
    // A connection of its own: what was planned before is not taken again.
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    try {
      await client.query('begin');
      await client.query(`select set_config('request.jwt.claims', '{"role": "service_role"}', true)`);
      const start = performance.now();
      const { rows } = await client.query(`select marketing.${name}($1) as answer`, [email]);
      await client.query('commit');
      return { ms: performance.now() - start, answer: rows[0].answer };
    } finally {
      await client.end();
    }
  };
  let n = 0;
  for (const [statistics, statements] of Object.entries(STATISTICS)) {
    const times = { export: [], erase: [] };
    const people = [];
    for (const last = n + 10; n < last; n += 1) {
      const [{ email }] = await bench.sql(
        `update marketing.leads set metadata = named.fields, last_touch = jsonb_build_object('fields', named.fields)
         from (select jsonb_build_object('session_id', 'session ' || $1::int, 'anonymous_id', 'browser ' || $1::int) as fields) as named
         where email_normalized = $2 returning email`,
        // Every third session has a browser.
        [1002 + 3 * n, LOOKUP({ leads }).values(n + 1)[0]],
      );
      people.push(email);
    }
    for (const statement of statements) await bench.sql(statement);
    for (const email of people) {
      const exported = await call('gdpr_export_user_data', email);
      const erased = await call('gdpr_delete_user_data', email);
      const held = exported.answer['analytics.events'].length;
      if (held === 0 || erased.answer.erased['analytics.events'] !== held) {
        throw new SetupError(`${email}: ${held} events were exported, ${JSON.stringify(erased.answer)} erased.`);
      }
      times.export.push(exported.ms);
      times.erase.push(erased.ms);
    }
    for (const [name, found] of Object.entries(times)) {
      bench.add({
        name: `gdpr: ${name} of a person, their session and browser named; ${statistics}`,
        aim: 'under 1 s',
        met: Math.max(...found) < 1000,
        reached: `${rounded(median(found))} ms, longest ${rounded(Math.max(...found))} ms`,
      });
    }
  }
  await bench.sql('analyze');
};

const measureLeads = async (bench, { stack, signal, options }) => {
  const { sql } = bench;
  await loadLeads(sql, { ...options, say, signal });
  await bench.query(LOOKUP(options));
  const leads = await leadsThroughTheEdge({ url: stack.edgeUrl, seconds: options.seconds, signal });
  const [{ count }] = await sql('select count(*)::int as count from marketing.leads where email_domain = $1', [
    leads.domain,
  ]);
  // Of those that were on their way at the end, some are stored and have nobody to tell.
  if (count < leads.acknowledged || count > leads.acknowledged + LEAD_CONNECTIONS)
    throw new SetupError(`${leads.acknowledged} leads were acknowledged, ${count} are stored.`);
  const plain = await rowsThroughPostgrest({
    sql,
    url: stack.postgrestUrl,
    token: stack.description.service_key,
    seconds: options.seconds,
    signal,
  });
  bench.add({
    name: 'leads through the edge',
    aim: '500/s, nothing lost',
    met: leads.perSecond >= 500,
    reached: `${Math.round(leads.perSecond)}/s, p99 ${rounded(leads.p99)} ms; ${leads.acknowledged} acknowledged, ${count} stored`,
    rival: `rows of one table, inserted by PostgREST without the edge and without any rule: ${Math.round(plain.perSecond)}/s; leads are ${rounded(leads.perSecond / plain.perSecond)} of it`,
  });
};

const measured = async ({ stack, stopping, options }) => {
  const { signal } = stopping;
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  await client.connect();
  const sql = async (text, values) => (await client.query(text, values)).rows;
  const bench = new Bench({ sql, client });
  const postgresql = (await sql('show server_version'))[0].server_version;
  try {
    await measureLeads(bench, { stack, signal, options });
    if (options.part === 'leads') return { rows: bench.rows, postgresql };
    const { known, fresh } = await knownAndNew({ url: stack.edgeUrl, count: 2000, signal });
    bench.add({
      name: 'a lead whose address is known, against one that is new, one at a time',
      aim: 'nothing to tell them by',
      met: Math.abs(later(known, fresh) - 0.5) <= 0.05,
      reached: `${rounded(median(known))} ms against ${rounded(median(fresh))} ms; of two answers the later one is the known address’s in ${Math.round(100 * later(known, fresh))} % (50 % tells nothing)`,
    });
    await loadEvents(sql, { ...options, say, signal });
    say('adding up what was loaded');
    const first = await rollUp(sql);
    say(`${first.done} events in ${Math.round(first.ms / 1000)} s`);
    for (const table of ['analytics.event_aggregations', 'private.event_actors']) await sql(`vacuum analyze ${table}`);
    for (const query of DASHBOARD) await bench.query(query);
    await bench.query(STEP(options));
    await measureGdpr(bench, { ...options, databaseUrl: stack.databaseUrl });
    const before = (await sql('select count(*)::int as count from analytics.events'))[0].count;
    const events = await eventsThroughTheEdge({ url: stack.edgeUrl, seconds: options.seconds, signal });
    const stored = (await sql('select count(*)::int as count from analytics.events'))[0].count - before;
    if (stored !== events.accepted)
      throw new SetupError(`${events.accepted} events were acknowledged, ${stored} are stored.`);
    bench.add({
      name: 'events through the edge, batches of 500',
      aim: '10,000 events/s on two cores',
      met: events.perSecond >= 10_000,
      reached: `${Math.round(events.perSecond)} events/s; ${events.accepted} acknowledged, ${stored} stored`,
    });
    await rollUp(sql);
    const counted = await eventsThroughTheEdge({ url: stack.edgeUrl, most: 100_000, signal });
    const rolled = await rollUp(sql);
    const countedFrom = performance.now();
    await sql(`select type, name, date_trunc('month', occurred_at), count(*), count(distinct user_id), count(distinct session_id)
      from analytics.events group by 1, 2, 3`);
    const counting = performance.now() - countedFrom;
    bench.add({
      name: `rolling up ${rolled.done} new events`,
      aim: '100,000 under 5 s',
      met: rolled.ms * (100_000 / rolled.done) < 5000,
      reached: `${rounded(rolled.ms / 1000)} s`,
      rival: `counting one of the five granularities anew: ${rounded(counting / 1000)} s`,
    });
    if (rolled.done !== counted.accepted)
      throw new SetupError(`${counted.accepted} events were sent, ${rolled.done} rolled up.`);
    await sql(
      `insert into whatsapp.accounts (owner_id, business_account_id, phone_number_id, phone_number, is_verified)
       values (gen_random_uuid(), '1', '1', '+1 555 0100', true)`,
    );
    const { whatsapp_app_secret: secret } = stack.keys;
    const hooks = await webhooksThroughTheEdge({ url: stack.edgeUrl, secret, number: '1', count: 300, signal });
    bench.add({
      name: 'a delivery of WhatsApp’s webhook, through the edge',
      aim: 'under 50 ms',
      met: median(hooks) < 50,
      reached: `${rounded(median(hooks))} ms, p99 ${rounded(p99(hooks))} ms`,
    });
    return { rows: bench.rows, postgresql };
  } finally {
    await client.end();
  }
};

const markdown = ({ facts, options, rows }) => {
  const list = Object.entries({ ...facts, ...options }).map(
    ([name, value]) => `- ${name.replaceAll('_', ' ')}: ${value}`,
  );
  const table = rows.map(
    ({ name, aim, reached, met, rival, measured }) =>
      `| ${name} | ${aim} | ${reached}${measured ? ` (${measured})` : ''} | ${verdict(met)} | ${rival ?? ''} |`,
  );
  const plans = rows.filter(({ plan }) => plan).map(({ name, plan }) => `## ${name}\n\n\`\`\`\n${plan}\n\`\`\``);
  return `${['# Growth', '', ...list, '', '| what | must reach | reached | aim | rival |', '|---|---|---|---|---|', ...table, '', ...plans].join('\n')}\n`;
};

/** The results of the last whole run, with the rows of a part of it; those say when they were measured. */
const withPart = (part, rows) => {
  const known = JSON.parse(readFileSync(join(root, 'bench', 'results', 'growth.json'), 'utf8'));
  const { leads, events, sessions, seconds, rows: before, ...facts } = known;
  const measured = measuredOn(part);
  const newer = new Map(rows.map((row) => [row.name, { ...row, measured }]));
  return {
    facts,
    options: { leads, events, sessions, seconds },
    rows: before.map((row) => newer.get(row.name) ?? row),
  };
};

/**
 * Runs the benchmark.
 * @param {string[]} flags of the command line
 */
export const run = async (flags) => {
  const options = parsed(flags);
  needWrk();
  await interruptible(async (stopping) => {
    const { rows, postgresql } = await withBenchmarkSystem({ stopping, say }, (parts) =>
      measured({ ...parts, stopping, options }),
    );
    const facts = { ...machine(), workerd: packageVersion('workerd'), postgresql };
    console.log(markdown({ facts, options, rows }).split('\n## ')[0]);
    settle(rows);
    if (['leads', 'events', 'sessions'].some((size) => options[size] !== SIZES[size])) {
      say('sizes were chosen: bench/results/ is left as it is');
      return;
    }
    const { part, ...sizes } = options;
    const kept = part ? withPart(facts, rows) : { facts, options: sizes, rows };
    keep('growth', markdown(kept), { ...kept.facts, ...kept.options, rows: kept.rows }, say);
  });
};
