// What the triggers of a tracked table add to a write of one row.
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { median, rounded } from '../figures.js';

export const SIZES = { writes: 2000 };
export const only = 'migrated database';

const MAX_MS = 1;
const ROUNDS = 4;

/** Tables whose rows are updated: one alone, and what each call of the observatory's ingest and each message of a chat update. */
const TABLES = {
  'clixen.projects': {
    make: `insert into clixen.projects (user_id, name) values ($1, gen_random_uuid()) returning id`,
    update: 'update clixen.projects set description = $2 where id = $1',
  },
  'observatory.conversations': {
    // The project has ten members.
    make: `with project as (insert into observatory.projects (owner_id, name) values ($1, 'Bench') returning id),
      members as (
        insert into observatory.project_members (project_id, user_id, role)
        select p.id, gen_random_uuid(), 'viewer' from project as p, generate_series(1, 9)
      )
      insert into observatory.conversations (project_id, owner_id, session_id) select p.id, $1, 'bench' from project as p returning id`,
    update: 'update observatory.conversations set title = $2 where id = $1',
  },
  'assistant.conversations': {
    make: `with tenant as (
        insert into assistant.tenants (name, slug, llm_provider, llm_model) values ('Bench', 'bench', 'openai', 'gpt-5-mini') returning id
      ),
      member as (
        insert into assistant.users (tenant_id, auth_id, email) select t.id, $1, 'bench@example.org' from tenant as t returning id, tenant_id
      )
      insert into assistant.conversations (tenant_id, user_id, title) select m.tenant_id, m.id, 'Bench' from member as m returning id`,
    update: 'update assistant.conversations set title = $2 where id = $1',
  },
};

/** Measures on a system of its own. @returns {Promise<object[]>} rows of the table */
export const measure = async ({ stack, stopping, options, say }) => {
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  await client.connect();
  try {
    const sql = async (text, values) => (await client.query(text, values)).rows;
    // The disk is not what is measured.
    await sql('set synchronous_commit = off');
    const rows = [];
    for (const [table, { make, update }] of Object.entries(TABLES)) {
      const [{ id }] = await sql(make, [randomUUID()]);
      const several = async () => {
        const times = [];
        for (let n = 0; n < options.writes / ROUNDS; n += 1) {
          stopping.signal.throwIfAborted();
          const begin = performance.now();
          await sql(update, [id, `${n}`]);
          times.push(performance.now() - begin);
        }
        return times;
      };
      const triggers = (state) =>
        sql(
          ['insert', 'update', 'delete', 'truncate']
            .map((verb) => `alter table ${table} ${state} trigger ${table.split('.')[1]}_changes_${verb}`)
            .join('; '),
        );
      const found = { with: [], without: [] };
      await several();
      // In turns, so that a busy minute of the machine meets both.
      for (let round = 0; round < ROUNDS; round += 1) {
        await triggers('enable');
        found.with.push(...(await several()));
        await triggers('disable');
        found.without.push(...(await several()));
      }
      await triggers('enable');
      const added = median(found.with) - median(found.without);
      say(`${table}: ${rounded(added)} ms`);
      rows.push({
        name: `an update of one row of ${table}: what its trigger adds`,
        aim: `at most ${MAX_MS} ms`,
        reached: `${rounded(added)} ms`,
        met: added <= MAX_MS,
        rival: `the same update without it: ${rounded(median(found.without))} ms`,
      });
    }
    return rows;
  } finally {
    await client.end();
  }
};
