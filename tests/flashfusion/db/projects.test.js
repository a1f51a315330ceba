// Public projects in the database: what a request reads of them, and what its conditions see.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { close, sql, transaction } from '../../support/stack.js';
import { withoutStatistics, work } from '../../support/statistics.js';

after(close);

/** Projects from one number to another, every fourth public, of a hundred users in turn. */
const ADD_PROJECTS = `insert into flashfusion.projects (user_id, name, is_public, created_at)
  select md5('owner ' || n % 100)::uuid, 'Project ' || n, n % 4 = 0, now() - n * interval '1 minute' from generate_series($1::int, $2::int) as n`;
const STATISTICS = {
  stale: [],
  fresh: ['analyze flashfusion.projects, flashfusion.users'],
  none: withoutStatistics(['flashfusion.projects', 'flashfusion.users']),
};
const PAGE = 'order by created_at desc, id desc limit 20';
/** Of each row: its place in the index, the project and its owner. */
const MAX_BLOCKS = 20 * 8;

test('a page of public projects is read in order with any statistics, however many there are', () =>
  transaction(async (query) => {
    await query('set local session_replication_role = replica');
    await query(`insert into flashfusion.users (id) select md5('owner ' || n)::uuid from generate_series(0, 99) as n`);
    await query(ADD_PROJECTS, [1, 400]);
    await query('analyze flashfusion.projects, flashfusion.users');
    await query(ADD_PROJECTS, [401, 8000]);
    const [{ at, id }] = await query(
      `select created_at::text as at, id from flashfusion.public_projects ${PAGE} offset 500`,
    );
    for (const [state, statements] of Object.entries(STATISTICS)) {
      for (const statement of statements) await query(statement);
      await query('set local role anon');
      for (const where of [
        '',
        `where created_at < '${at}'`,
        `where created_at <= '${at}' and (created_at, id) < ('${at}', '${id}')`,
      ]) {
        const text = `select * from flashfusion.public_projects ${where} ${PAGE}`;
        const { blocks, rows, plan } = await work(query, text);
        assert.equal(rows, 20);
        assert.ok(blocks <= MAX_BLOCKS, `${where}, ${state} statistics: ${blocks} blocks\n${plan}`);
      }
      await query('reset role');
    }
  }));

/** Notes what it is asked of. It is cheap, so that the planner would ask it first. */
const NOSY = `create function pg_temp.sees(value text) returns boolean
  language plpgsql stable cost 0.0001
  as $$ begin perform set_config('test.seen', concat_ws(' ', current_setting('test.seen', true), value), true); return true; end $$`;
const TEXTS = ['name', 'description', 'project_type', 'framework', 'template', 'deployment_url', 'owner'];

test('a condition sees nothing of projects that are not public, or whose owner is deactivated', () =>
  transaction(async (query) => {
    const add = async (word, isActive, isPublic) => {
      const sub = randomUUID();
      await query('insert into flashfusion.users (id, username, is_active) values ($1, $2, $3)', [sub, word, isActive]);
      const [{ id }] = await query(
        `insert into flashfusion.projects (user_id, name, description, project_type, framework, template, deployment_url, is_public)
         values ($1, $2, $2, $2, $2, $2, 'https://' || $2, $3) returning id`,
        [sub, word, isPublic],
      );
      return id;
    };
    const shown = await add('shown_to_all', true, true);
    const hidden = [await add('kept_private', true, false), await add('kept_inactive', false, true)];
    await query(NOSY);
    await query('grant execute on function pg_temp.sees(text) to anon');
    const ids = [shown, ...hidden].map((id) => `'${id}'`).join(', ');
    await query('set local role anon');
    for (const column of TEXTS) {
      for (const where of [
        'true',
        `id in (${ids})`,
        `id = '${hidden[0]}'`,
        `id = '${hidden[1]}'`,
        "created_at > now() - interval '1 day'",
      ]) {
        await query(`select set_config('test.seen', '', true)`);
        const text = `select id from flashfusion.public_projects where pg_temp.sees(${column}) and ${where}`;
        const isThere = (await query(text)).some(({ id }) => id === shown);
        const [{ seen }] = await query(`select current_setting('test.seen') as seen`);
        assert.doesNotMatch(seen, /kept_/, text);
        assert.equal(/shown_to_all/.test(seen), isThere, text);
        assert.equal(isThere, !where.startsWith('id = '), text);
      }
    }
  }));

// The view lets the planner compare these columns before it knows whether a row is shown.
test('comparisons of ids and times tell nothing of what they compare', async () => {
  const leaky = await sql(
    `select o.oid::regoperator::text as name from pg_operator as o inner join pg_proc as p on p.oid = o.oprcode
     where o.oprresult = 'boolean'::regtype and o.oprleft = o.oprright
       and o.oprleft = any (select a.atttypid from pg_attribute as a
         where a.attrelid = 'flashfusion.public_projects'::regclass and a.attname in ('id', 'created_at'))
       and not p.proleakproof`,
  );
  assert.deepEqual(leaky, []);
});
