// Events for tests: ids as browsers make them, and a fresh count to hold the aggregations against.
import { randomBytes, randomUUID } from 'node:crypto';
import { sql } from '../../support/stack.js';

/** A UUIDv7 of a time in milliseconds. */
export const uuidv7 = (time = Date.now()) => {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(time, 0, 6);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
};

/** An event that no other test sends. */
export const anEvent = (more = {}) => ({ id: uuidv7(), type: 'user_action', name: `test ${randomUUID()}`, ...more });

/** Everything that is pending, in as many runs as it takes. */
export const rollUp = async (most = 50_000) => {
  let done = 0;
  for (;;) {
    const [{ rows }] = await sql('select analytics.process_pending_events($1)::int as rows', [most]);
    done += rows;
    // A run ends with its time, too.
    if (rows === 0) return done;
  }
};

const STEPS = ['minute', 'hour', 'day', 'week', 'month'];

/** What each row of the aggregations ought to be, counted from the events, as lines of text. */
export const freshCount = async () => {
  const counts = `count(*) || ' ' || count(distinct user_id) || ' ' || count(distinct session_id)`;
  const bucket = (step) => `extract(epoch from date_trunc('${step}', occurred_at, 'UTC'))::bigint`;
  const parts = STEPS.flatMap((step) => [
    `select concat_ws(' | ', '${step}', ${bucket(step)}, type, name, '', ${counts}) as line from analytics.events group by type, name, ${bucket(step)}`,
    ...(step === 'hour'
      ? ['country', 'device_type'].map(
          (column) =>
            `select concat_ws(' | ', 'hour', ${bucket(step)}, type, name, jsonb_build_object('${column}', ${column})::text, count(*) || ' - -')
             from analytics.events group by type, name, ${bucket(step)}, ${column}`,
        )
      : []),
    ...(['day', 'week', 'month'].includes(step)
      ? [
          `select concat_ws(' | ', '${step}', ${bucket(step)}, '', '', '', ${counts}) from analytics.events group by ${bucket(step)}`,
        ]
      : []),
  ]);
  return (await sql(parts.join(' union all '))).map(({ line }) => line).sort();
};

/** The same of the rows that there are. */
export const aggregated = async () => {
  const rows =
    await sql(`select concat_ws(' | ', granularity, extract(epoch from time_bucket)::bigint, coalesce(event_type::text, ''),
      coalesce(event_name, ''), coalesce(dimensions::text, ''), event_count || ' ' || coalesce(unique_users::text, '-') || ' ' || coalesce(unique_sessions::text, '-')) as line
    from analytics.event_aggregations`);
  return rows.map(({ line }) => line).sort();
};
