// Usage and cost: many uses, written by several connections at once, add up exactly.
import pg from 'pg';

/** Uses that are recorded, and connections that record them. */
export const SIZES = { uses: 1_000_000, writers: 4 };
export const only = 'migrated database';

const USERS = 100;
const PART = 10_000;
/** Tokens of the n-th use: input, output, read from and written to the cache. */
const TOKENS = ['(n * 7919) % 20011', '(n * 104729) % 4001', '(n * 31) % 90001', '(n * 17) % 1009'].map(
  (text) => `(${text})::bigint`,
);
const PRICE = `row('bench', 'bench', now(), 'standard', 'global', 0, 3000000, 15000000, 300000, 3750000, 6000000, null, 'own')::private.model_prices`;

/** Measures on a system of its own. @returns {Promise<object[]>} rows of the table */
export const measure = async ({ stack, stopping, options, say }) => {
  const { signal } = stopping;
  const connect = async () => {
    const client = new pg.Client({ connectionString: stack.databaseUrl });
    await client.connect();
    return client;
  };
  const parts = Array.from({ length: Math.ceil(options.uses / PART) }, (_, n) => n * PART);
  const start = performance.now();
  const write = async () => {
    const client = await connect();
    try {
      for (let from = parts.pop(); from !== undefined && !signal.aborted; from = parts.pop()) {
        await client.query(
          `select count(private.spend(
             md5('user ' || n % ${USERS})::uuid, null, 'bench', ${TOKENS.join(' + ')}, private.cost_micro(${PRICE}, ${TOKENS.join(', ')})
           )) from generate_series($1::bigint, $2::bigint) as n`,
          [from, Math.min(from + PART, options.uses) - 1],
        );
      }
    } finally {
      await client.end();
    }
  };
  await Promise.all(Array.from({ length: options.writers }, write));
  signal.throwIfAborted();
  const seconds = (performance.now() - start) / 1000;
  const client = await connect();
  try {
    // What each use costs, computed anew and without the functions of the product.
    const wanted = `select md5('user ' || n % ${USERS})::uuid as user_id, count(*) as events, sum(${TOKENS.join(' + ')}) as tokens,
        sum(ceil((${TOKENS[0]} * 3000000::numeric + ${TOKENS[1]} * 15000000::numeric + ${TOKENS[2]} * 300000::numeric
          + ${TOKENS[3]} * 3750000::numeric) / 1000000)) as cost
      from generate_series(0, $1::bigint - 1) as n group by 1`;
    const { rows } = await client.query(
      `with wanted as (${wanted}),
       totals as (
         select user_id, sum(events) as events, sum(tokens) as tokens, sum(cost_micro) as cost from private.usage_totals group by 1
       ),
       uses as (
         select user_id, count(*) as events, sum(api_tokens_used) as tokens, sum(cost_incurred) as cost
         from flashfusion.usage_analytics group by 1
       )
       select count(*)::int as users,
         count(*) filter (where row(w.events, w.tokens, w.cost) is distinct from row(t.events, t.tokens, t.cost))::int as wrong_totals,
         count(*) filter (where row(w.events, w.tokens, w.cost) is distinct from row(u.events, u.tokens, u.cost))::int as wrong_rows,
         sum(w.cost)::text as cost, (sum(t.cost) - sum(w.cost))::text as difference
       from wanted as w full join totals as t using (user_id) full join uses as u using (user_id)`,
      [options.uses],
    );
    const [{ users, wrong_totals: totals, wrong_rows: uses, cost, difference }] = rows;
    const row = {
      name: `usage and cost of ${options.uses} uses by ${USERS} users, ${options.writers} writers`,
      aim: 'equal to the micro-USD',
      reached: `${cost} micro-USD, difference ${difference}; users with other rows: ${uses}, with other totals: ${totals}; ${Math.round(options.uses / seconds)} uses a second`,
      met: users === USERS && totals === 0 && uses === 0,
    };
    say(`${row.name}: ${row.reached} (${row.aim})`);
    return [row];
  } finally {
    await client.end();
  }
};
