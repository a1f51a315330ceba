// Tenants, members and usage for the tests of quota and usage.
import { randomUUID } from 'node:crypto';
import { as, sql } from '../../support/stack.js';

export const SERVICE = { role: 'service_role' };
/** A member as PostgREST knows them. */
export const signedIn = ({ sub }, claims = {}) => ({ role: 'authenticated', claims: { sub, ...claims } });

/** A tenant with limits of its own; `zone` and further features. */
export const makeTenant = async ({
  tokens = 1_000_000,
  rate = 100_000,
  zone,
  features = {},
  provider = 'openai',
} = {}) => {
  const [{ id }] = await sql(
    `insert into assistant.tenants (name, slug, llm_provider, llm_model, features, rate_limit_per_minute, daily_token_limit)
     values ('Tested', $1, $2, 'a-model', $3, $4, $5) returning id`,
    [`t-${randomUUID()}`, provider, JSON.stringify({ ...features, ...(zone && { time_zone: zone }) }), rate, tokens],
  );
  return id;
};

/** A member who has joined: {id, sub, tenant}. */
export const makeMember = async (tenant, role = 'member') => {
  const sub = randomUUID();
  const [{ id }] = await sql(
    `insert into assistant.users (tenant_id, auth_id, email, role) values ($1, $2, $3, $4) returning id`,
    [tenant, sub, `${sub}@example.org`, role],
  );
  return { id, sub, tenant };
};

/** Deletes tenants and with them everything of theirs. */
export const removeTenants = (tenants) => sql('delete from assistant.tenants where id = any ($1)', [tenants]);

const call = (who, text, values) =>
  as(who, async (query) => (await query(`select ${text} as result`, values))[0].result);

export const begin = ({ tenant, id }, estimate, who = SERVICE) =>
  call(who, 'assistant.begin_request($1, $2, $3)', [tenant, id, estimate]);
export const end = (reservation, prompt, completion, model = 'a-model', who = SERVICE) =>
  call(who, 'assistant.end_request($1, $2, $3, $4)', [reservation, prompt, completion, model]);
export const addEvents = (events, who = SERVICE) =>
  call(who, 'assistant.add_usage_events($1)', [JSON.stringify({ events })]);
export const increment = (tenant, member, date, prompt, completion, cost, who = SERVICE) =>
  call(who, 'assistant.increment_usage_metrics($1, $2, $3, $4, $5, $6)', [
    ...[tenant, member?.id ?? null, date, prompt, completion, cost],
  ]);
export const summary = (member, month) => call(signedIn(member), 'assistant.usage_summary($1)', [month]);
export const today = (member) => call(signedIn(member), 'assistant.current_day_usage()', []);

/** An event of a member, as service_role sends it. */
export const event = (member, given = {}) => ({
  event_id: randomUUID(),
  tenant_id: member.tenant,
  ...(member.id && { user_id: member.id }),
  at: '2026-11-02T09:00:00Z',
  provider: 'usage-tests',
  model: 'priced',
  prompt_tokens: 100,
  completion_tokens: 50,
  ...given,
});

/** What a tenant has left today: {limit, used, reserved, left}. */
export const budget = async (tenant) => {
  const [{ budget: found }] = await sql(`select private.budget_of('assistant.tokens', $1) as budget`, [tenant]);
  return { limit: found.limit, used: found.used, reserved: found.reserved, left: found.left };
};

/** Runs a job as the edge does. */
export const runJob = async (name) =>
  (await as({ role: 'edge' }, (query) => query('select edge.run_job($1) as run', [name])))[0].run;

/** A refusal of a function: {status, code, details, headers}; another error is thrown. */
export const refusal = (promise) =>
  promise.then(
    (result) => {
      throw new Error(`it was accepted: ${JSON.stringify(result)}`);
    },
    (error) => {
      if (error.code !== 'PGRST') throw error;
      return { ...JSON.parse(error.message), ...JSON.parse(error.detail) };
    },
  );

/** Sums by day and member, of one of the two tables of sums: {"2026-11-02 <id or all>": [tokens, ...]}. */
export const metricsOf = async (tenant) =>
  Object.fromEntries(
    (
      await sql(
        `select date::text || ' ' || coalesce(user_id::text, 'all') as key, prompt_tokens::int as p, completion_tokens::int as c,
           total_tokens::int as t, request_count::int as n, estimated_cost::int as cost
         from assistant.usage_metrics where tenant_id = $1`,
        [tenant],
      )
    ).map(({ key, p, c, t, n, cost }) => [key, [p, c, t, n, cost]]),
  );
export const daysOf = async (tenant) =>
  Object.fromEntries(
    (
      await sql(
        `select day::text || ' ' || coalesce(user_id::text, 'all') || ' ' || model as key, prompt_tokens::int as p,
           completion_tokens::int as c, requests::int as n, cost_micro::int as cost, unpriced::int as unpriced
         from private.usage_days where tenant_id = $1`,
        [tenant],
      )
    ).map(({ key, p, c, n, cost, unpriced }) => [key, [p, c, n, cost, unpriced]]),
  );

/** Reads a list of structured fields with integer and string parameters, as RateLimit and RateLimit-Policy are: {name: {q: 60}}. */
export const readList = (text) => {
  const item =
    /^"([\x20\x21\x23-\x5b\x5d-\x7e]+)"((?:;[a-z*][a-z0-9_.*-]*=(?:-?\d{1,15}|"[\x20\x21\x23-\x5b\x5d-\x7e]*"))*)$/;
  return Object.fromEntries(
    text.split(', ').map((part) => {
      const found = item.exec(part);
      if (!found) throw new Error(`${part} is no item of a structured field`);
      const parameters = found[2]
        .split(';')
        .slice(1)
        .map((each) => each.split('='));
      return [found[1], Object.fromEntries(parameters.map(([name, value]) => [name, JSON.parse(value)]))];
    }),
  );
};
