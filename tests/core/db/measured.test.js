// The functions that users may call by the data API, and those that the edge calls, are measured by `npm run bench -- scale`, or the list of
// their system says why not.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { callsOf, endpointsOf } from '../../../bench/scale/endpoints.js';
import { CORE, listsOf } from '../../../bench/scale/lists.js';
import { productSystems } from '../../../dev/systems.js';
import { close, has, sql, transaction } from '../../support/stack.js';

after(close);

/** But for those that policies, views and defaults call, which every statement does, and for computed columns. */
const CALLABLE = `
  select distinct p.pronamespace::regnamespace || '.' || p.proname as name from pg_proc as p
  where p.pronamespace = any ($1::regnamespace[]) and p.prorettype <> 'trigger'::regtype
    and (has_function_privilege('anon', p.oid, 'execute') or has_function_privilege('authenticated', p.oid, 'execute'))
    and not exists (
      select from pg_depend as d
      where d.refclassid = 'pg_proc'::regclass and d.refobjid = p.oid
        and d.classid in ('pg_policy'::regclass, 'pg_rewrite'::regclass, 'pg_attrdef'::regclass)
    )
    and not exists (select from pg_type as t where t.oid = p.proargtypes[0] and t.typtype = 'c' and p.pronargs = 1)
  order by 1`;

/** The functions that a system's lists measure, or of which they say why not. */
const measuredOf = async (name, list) => {
  const calls = await callsOf(name);
  const functions = Object.entries(calls.functions?.() ?? {});
  for (const [function_, entry] of functions)
    assert.match(
      typeof entry === 'string' ? entry : entry.why,
      /\.$/,
      `${function_}: why its curve bends, or why it is not measured`,
    );
  const reads = list.reads({ size: 0.1 }).map(({ query }) => (typeof query === 'function' ? query({}) : query));
  return [
    ...functions.map(([function_]) => function_),
    ...[...endpointsOf(name).values()].map(({ call }) => call),
    ...reads.flatMap((query) => [...query.matchAll(/\b(\w+\.\w+)\(/g)].map(([, called]) => called)),
  ];
};

const callable = async (schemas, more) => {
  let found;
  await transaction(async (query) => {
    if (more) await query(more);
    found = await query(CALLABLE, [schemas]);
  });
  return found.map((row) => row.name);
};

test('each function that users may call by the data API has a call in the benchmark', async () => {
  const there = productSystems().filter(({ name }) => has(name));
  const lists = await listsOf(there);
  assert.deepEqual(
    lists.map(([name]) => name),
    there.map(({ name }) => name),
    'bench/<system>/reads.js',
  );
  for (const [name, list] of lists) {
    const { schemas } = productSystems().find((system) => system.name === name);
    const measured = new Set(await measuredOf(name, list));
    const missing = async (more) => (await callable(schemas, more)).filter((each) => !measured.has(each));
    assert.deepEqual(await missing(), [], `bench/${name}/endpoints.js: functions`);
    const probe = `${schemas[0]}.probe()`;
    const added = `create function ${probe} returns int language sql as 'select 1'; grant execute on function ${probe} to authenticated`;
    assert.deepEqual(await missing(added), [`${schemas[0]}.probe`]);
  }
});

/** Functions of the schema of the edge, which the core's and the systems' migrations make. */
const OF_THE_EDGE = `select distinct 'edge.' || p.proname as name from pg_proc as p
  where p.pronamespace = 'edge'::regnamespace and has_function_privilege('edge', p.oid, 'execute') order by 1`;

test('each function that the edge calls has a call in the benchmark, or a reason why not', async () => {
  const names = [CORE, ...productSystems().map(({ name }) => name)];
  const listed = new Set();
  for (const name of names) {
    const calls = await callsOf(name);
    for (const { call } of endpointsOf(name).values()) listed.add(call);
    for (const [step, entry] of Object.entries(calls.steps?.() ?? {})) {
      listed.add(step);
      if (entry.reads) continue;
      assert.match(
        typeof entry === 'string' ? entry : entry.why,
        /\.$/,
        `${step}: why its curve bends, or why it is not measured`,
      );
      assert.ok(typeof entry === 'string' || entry.holds, `${step} does not say what its answer must hold`);
    }
  }
  const there = (await sql(OF_THE_EDGE)).map(({ name }) => name);
  const ofTests = (name) => /^edge\.(sample|probe)/.test(name);
  assert.deepEqual(
    there.filter((name) => !listed.has(name) && !ofTests(name)),
    [],
    'bench/<system>/endpoints.js: steps',
  );
});
