// Lists of one user's rows beside one other thing: without statistics they are read in order, too.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { close, transaction } from '../../support/stack.js';
import { forget, planAsPostgrest, work } from '../../support/statistics.js';

after(close);

const [user, one] = [randomUUID(), randomUUID()];
const ROWS = 10_000;
const AT = `now() - n * interval '1 minute'`;
/** By table: the column that a list asks for, and the rows. */
const LISTS = {
  agent_tasks: ['agent_id', `(user_id, agent_id, task_type, created_at) select $1, $2, 'review', ${AT}`],
  code_generations: [
    'project_id',
    `(user_id, project_id, ai_service_id, prompt, created_at) select $1, $2, $2, 'A form', ${AT}`,
  ],
};

for (const [table, [column, rows]] of Object.entries(LISTS))
  test(`the latest ${table} by ${column} are read in order without statistics`, () =>
    transaction(async (query) => {
      await query('set local session_replication_role = replica');
      await query(`insert into flashfusion.${table} ${rows} from generate_series(1, ${ROWS}) as n`, [user, one]);
      await forget(query, [`flashfusion.${table}`]);
      await query(
        `select set_config('role', 'authenticated', true), set_config('request.jwt.claims', jsonb_build_object('sub', $1::text)::text, true)`,
        [user],
      );
      await planAsPostgrest(query);
      const text = `select id from flashfusion.${table} where ${column} = '${one}' order by created_at desc limit 50`;
      const { rows: found, plan } = await work(query, text);
      assert.equal(found, 50);
      assert.doesNotMatch(plan, /Sort/);
    }));
