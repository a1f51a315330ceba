// Listeners to changed rows in the database: what the edge asks for them.
import assert from 'node:assert/strict';
import { as } from './stack.js';

/** The claims of a user's token. */
export const claimsOf = (sub, more = {}) => ({ sub, role: 'authenticated', aud: 'authenticated', ...more });

/**
 * What the function answers the edge that polls for listeners. Other tests assign positions at the same time: unless `waits` is false, it waits
 * until theirs are committed.
 */
export const poll = (list, isOpening = false, waits = true) =>
  as({ role: 'edge' }, async (query) => {
    if (waits) await query(`select pg_advisory_xact_lock(hashtextextended('rowgate change positions', 0))`);
    const [{ answer }] = await query('select edge.changes($1::jsonb, $2) as answer', [JSON.stringify(list), isOpening]);
    const [{ role, claims }] = await query(
      `select current_setting('role') as role, current_setting('request.jwt.claims') as claims`,
    );
    assert.deepEqual([role, JSON.parse(claims)], ['edge', { role: 'edge' }], 'it is the edge again');
    return answer;
  });

/** A listener to a table: `next()` gives what it has not had yet, as [verb, id]. */
export const listen = async (sub, table = 'sample.projects', more = {}) => {
  const claims = claimsOf(sub, more);
  const [{ position }] = await poll([{ claims, table }], true);
  const own = {
    since: position,
    subscription: () => ({ claims, table, since: own.since }),
    take: (answer) => {
      assert.equal(answer.end, undefined, JSON.stringify(answer));
      assert.ok(answer.position >= own.since);
      own.since = answer.position;
      return answer.events.map(([verb, key]) => [verb, key?.id ?? null]);
    },
    next: async (waits = true) => own.take((await poll([own.subscription()], false, waits))[0]),
  };
  return own;
};

/** The tables that are tracked. */
export const tracked = async (query, schema) =>
  (
    await query(
      `select t.relation::text as name from private.tracked_tables as t
       inner join pg_catalog.pg_class as c on c.oid = t.relation where c.relnamespace = $1::regnamespace order by 1`,
      [schema],
    )
  ).map(({ name }) => name);
