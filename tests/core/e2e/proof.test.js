// The isolation matrix: that it is green, and that it would not be if something were forgotten or wrong.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { root } from '../../../dev/paths.js';
import { waitFor } from '../../../dev/process.js';
import { prove } from '../../../proof/matrix.js';
import { USERS } from '../../../proof/personas.js';
import { faults, html, markdown } from '../../../proof/report.js';
import { SYSTEMS } from '../../../proof/systems/index.js';
import { ask, close, made, sql, stack, userToken } from '../../support/stack.js';

after(close);

const system = { ...stack, keys: made };

test('everything that is exposed has been decided, and holds; docs/proof.md has its numbers', async () => {
  const result = await prove({ system, systems: SYSTEMS });
  assert.deepEqual(faults(result), []);
  assert.ok(result.cells.length > 1000);
  const page = readFileSync(join(root, 'docs', 'proof.md'), 'utf8');
  assert.equal(page, markdown(result, SYSTEMS), 'docs/proof.md: run `npm run proof`');
  // The heat map has a square for each cell of its tables.
  const squares = html(result).match(/<td class="(in|out)"/g).length;
  assert.ok(squares > result.cells.length / 3, `${squares} squares of ${result.cells.length} attempts`);
  assert.ok(!/<td class="(red|blank)"/.test(html(result)));
});

/** Runs the matrix with an injected fault; gives what it finds wrong. */
const withFault = async ({ up, down, only, systems = SYSTEMS, known }) => {
  await sql(`${up}; notify pgrst, 'reload schema'`);
  try {
    if (known) {
      const token = await userToken();
      await waitFor(
        'PostgREST to know it',
        async () => (await ask(known, { token, base: stack.postgrest_url })).status < 404,
      );
    }
    return faults(await prove({ system, systems, only }));
  } finally {
    await sql(`${down}; notify pgrst, 'reload schema'`);
  }
};

test('a new table, column, function and route are blanks', async () => {
  const table = await withFault({
    up: 'create table clixen.proof_new (id int primary key, word text)',
    down: 'drop table clixen.proof_new',
    only: /proof_new/,
  });
  assert.ok(table.includes('not decided: clixen.proof_new, select, stranger'));
  assert.ok(table.includes('not decided: clixen.proof_new.word, write, owner'));
  const column = await withFault({
    up: 'alter table clixen.projects add column proof_new int',
    down: 'alter table clixen.projects drop column proof_new',
    only: /projects$/,
  });
  assert.equal(column.length, 36);
  assert.match(column[0], /^not decided: clixen.projects.proof_new, read, none$/);
  const made_ = await withFault({
    up: `create function clixen.proof_new(word text) returns int language sql set search_path = '' as 'select 1'`,
    down: 'drop function clixen.proof_new(text)',
    only: /proof_new/,
  });
  assert.equal(made_.length, 12);
  assert.match(made_[0], /^not decided: clixen.proof_new\(text\), execute, none$/);
  const { 'POST /v1/leads': _, ...routes } = SYSTEMS.growth.routes;
  const systems = { ...SYSTEMS, growth: { ...SYSTEMS.growth, routes } };
  const route = faults(await prove({ system, systems, only: /leads$/ }));
  assert.ok(route.includes('not decided: POST /v1/leads, call, anon key'));
});

test('it finds an endpoint of which nobody has decided whether it depends on what the edge verifies', async () => {
  const withOut = (name, change) => {
    const functions = { ...SYSTEMS.growth.functions, [name]: change(SYSTEMS.growth.functions[name]) };
    return { ...SYSTEMS, growth: { ...SYSTEMS.growth, functions } };
  };
  const found = async (systems, only) => faults(await prove({ system, systems, only }));
  const lead = 'marketing.capture_lead(jsonb)';
  const undecided = await found(
    withOut(lead, ({ depends: _, ...decision }) => decision),
    /^POST .v1.leads$/,
  );
  assert.deepEqual(undecided, [
    'not decided: POST /v1/leads: whether marketing.capture_lead depends on what the edge verifies',
  ]);
  const needless = await found(
    withOut(lead, (decision) => ({ ...decision, depends: null })),
    /^POST .v1.leads$/,
  );
  assert.match(needless[0], /^wrong: POST \/v1\/leads: the edge calls as itself what depends on what it verifies/);
  const step = withOut('onboarding.step(text, jsonb)', (decision) => ({ ...decision, depends: 'the network' }));
  const believed = await found(step, /^PATCH .v1.onboarding.session$/);
  assert.match(believed[0], /^wrong: PATCH \/v1\/onboarding\/session: .*onboarding.step is called otherwise/);
  const granted = await withFault({
    up: 'grant execute on function marketing.capture_lead(jsonb) to service_role',
    down: 'revoke execute on function marketing.capture_lead(jsonb) from service_role',
    only: /^POST .v1.leads$/,
  });
  assert.deepEqual(granted, [
    'wrong: POST /v1/leads: marketing.capture_lead depends on what the edge verifies, and others than the edge may execute it',
  ]);
});

test('what was decided about something that is gone is named', async () => {
  const relations = { ...SYSTEMS.clixen.relations, 'clixen.gone': {} };
  const systems = { ...SYSTEMS, clixen: { ...SYSTEMS.clixen, relations } };
  assert.deepEqual(faults(await prove({ system, systems, only: /nothing/ })), ['decided, but not there: clixen.gone']);
  const projects = SYSTEMS.clixen.relations['clixen.projects'];
  const misspelt = { ...projects, select: ['ownr'], udpate: [], columns: { ...projects.columns, nmae: {} } };
  const twice = { relations: { 'clixen.projects': misspelt } };
  const wrong = {
    ...SYSTEMS,
    clixen: { ...SYSTEMS.clixen, relations: { ...relations, 'clixen.projects': misspelt } },
    twice,
  };
  assert.deepEqual(faults(await prove({ system, systems: wrong, only: /nothing/ })), [
    'decided, but not there: clixen.gone',
    'decided, but not there: clixen.projects.nmae',
    'decided, but not there: ownr, of clixen.projects',
    'decided, but not there: clixen.projects, by two systems',
    'decided, but not there: udpate, of clixen.projects',
  ]);
  const { forAnother: _, 'insert for another': __, ...silent } = projects;
  const kept = { ...SYSTEMS.clixen.relations, 'clixen.projects': silent };
  const found = faults(
    await prove({ system, systems: { ...SYSTEMS, clixen: { ...SYSTEMS.clixen, relations: kept } }, only: /projects$/ }),
  );
  assert.ok(found.includes('not decided: clixen.projects, insert for another, stranger'));
});

const FAULTS = {
  'a policy that lets everybody read': {
    up: 'create policy faulty on clixen.projects for select to authenticated using (true)',
    down: 'drop policy faulty on clixen.projects',
    finds: /wrong: clixen.projects, select, stranger, past the edge: was shown the fixture/,
  },
  'a policy that believes user_metadata': {
    up: `create policy faulty on marketing.leads for select to authenticated
         using (((select auth.jwt()) -> 'user_metadata' ->> 'role') = 'admin')`,
    down: 'drop policy faulty on marketing.leads',
    only: /leads$/,
    finds: /wrong: marketing.leads, select, viewer, through the edge: was shown the fixture/,
  },
  'row-level security switched off': {
    up: 'alter table clixen.projects disable row level security',
    down: 'alter table clixen.projects enable row level security',
    finds: /wrong: clixen.projects, delete, other tenant's admin, through the edge: was let in/,
  },
  'an insert in somebody else’s name': {
    up: 'create policy faulty on clixen.projects for insert to authenticated with check (true)',
    down: 'drop policy faulty on clixen.projects',
    finds: /wrong: clixen.projects, insert for another, stranger, through the edge: was let in/,
  },
  'a counter that its owner may set': {
    up: 'grant update (workflow_count) on clixen.projects to authenticated',
    down: 'revoke update (workflow_count) on clixen.projects from authenticated',
    finds: /wrong: clixen.projects.workflow_count, update, owner, past the edge: was let in/,
  },
  'a right that is missing': {
    up: 'revoke delete on clixen.projects from authenticated',
    down: 'grant delete on clixen.projects to authenticated',
    finds: /wrong: clixen.projects, delete, owner, through the edge: was kept out/,
  },
  'a function that the public may call, though it refuses what it is given': {
    up: `create function clixen.faulty(word text) returns int language plpgsql set search_path = ''
         as 'begin if word is null then raise exception ''no word''; end if; return 1; end';
         grant usage on schema clixen to anon; grant execute on function clixen.faulty(text) to anon`,
    down: 'drop function clixen.faulty(text); revoke usage on schema clixen from anon',
    only: /faulty/,
    systems: { ...SYSTEMS, test: { functions: { 'clixen.faulty(text)': { execute: [] } } } },
    finds: /wrong: clixen.faulty\(text\), execute, anon key, past the edge: was let in/,
  },
  'arguments that no function has': {
    up: 'select 1',
    down: 'select 1',
    only: /lead_value/,
    systems: {
      ...SYSTEMS,
      test: { functions: { 'marketing.lead_value(jsonb, text)': { arguments: () => ({ nothing: 1 }), execute: [] } } },
    },
    finds: /wrong: marketing.lead_value\(jsonb, text\), execute, service, through the edge: was not tried/,
  },
  'a profile of one’s own with a tier of one’s own': {
    up: `grant insert on clixen.user_profiles to authenticated;
         create policy faulty on clixen.user_profiles for insert to authenticated with check (id = (select auth.uid()))`,
    down: 'drop policy faulty on clixen.user_profiles; revoke insert on clixen.user_profiles from authenticated',
    only: /user_profiles$/,
    finds: /wrong: clixen.user_profiles.tier, insert, stranger, past the edge: was let in/,
  },
  'a right on a column that only a policy’s words keep from use': {
    up: `grant insert on clixen.user_profiles to authenticated;
         create policy faulty on clixen.user_profiles for insert to authenticated with check (tier = 'enterprise' and id is null)`,
    down: 'drop policy faulty on clixen.user_profiles; revoke insert on clixen.user_profiles from authenticated',
    only: /user_profiles$/,
    finds: /wrong: clixen.user_profiles.total_projects, insert, member, past the edge: was let in/,
  },
  'a policy that is wrong for some rows only': {
    up: `create policy faulty on clixen.projects for select to authenticated using (color <> '#6366f1')`,
    down: 'drop policy faulty on clixen.projects',
    finds: /wrong: clixen.projects, select, in another color, stranger, past the edge: was shown the fixture/,
  },
  'a row that may be given away': {
    up: `create policy faulty on clixen.projects for update to authenticated using (user_id = (select auth.uid())) with check (true)`,
    down: 'drop policy faulty on clixen.projects',
    finds: /wrong: clixen.projects, give away, owner/,
  },
  'a column that more may read than the row': {
    up: `create policy faulty on clixen.user_profiles for select to authenticated using (true);
         revoke select on clixen.user_profiles from authenticated; grant select (id, full_name) on clixen.user_profiles to authenticated`,
    down: `drop policy faulty on clixen.user_profiles; revoke select (id, full_name) on clixen.user_profiles from authenticated;
           grant select on clixen.user_profiles to authenticated`,
    only: /user_profiles$/,
    finds: /wrong: clixen.user_profiles.full_name, read, stranger, past the edge: was let in/,
  },
  'a function that shows somebody else’s row': {
    up: `create function clixen.faulty() returns setof clixen.user_profiles language sql stable security definer set search_path = ''
         as 'select * from clixen.user_profiles order by created_at desc limit 1';
         grant execute on function clixen.faulty() to authenticated`,
    down: 'drop function clixen.faulty()',
    only: /faulty/,
    systems: { ...SYSTEMS, test: { functions: { 'clixen.faulty()': { execute: USERS } } } },
    finds: /wrong: clixen.faulty\(\), execute, stranger, past the edge: was shown the fixture/,
  },
  'a function that changes somebody else’s row': {
    up: `create function clixen.faulty() returns int language sql volatile security definer set search_path = ''
         as $$ update clixen.projects set color = '#123456' where color <> '#123456'; select 1 $$;
         grant execute on function clixen.faulty() to authenticated`,
    down: 'drop function clixen.faulty()',
    only: /faulty/,
    systems: {
      ...SYSTEMS,
      test: { functions: { 'clixen.faulty()': { execute: USERS, touches: ['marketing.leads'] } } },
    },
    finds: /wrong: clixen.faulty\(\), execute, viewer, through the edge: was shown the fixture/,
  },
  'a helper that the public may call': {
    up: 'grant execute on function marketing.lead_value(jsonb, text) to anon',
    down: 'revoke execute on function marketing.lead_value(jsonb, text) from anon',
    only: /lead_value/,
    finds: /wrong: marketing.lead_value\(jsonb, text\), execute, anon key, through the edge: was let in/,
  },
};

for (const [name, { finds, only = /projects$/, ...fault }] of Object.entries(FAULTS)) {
  test(`it finds ${name}`, async () => {
    const found = await withFault({ ...fault, only });
    assert.ok(
      found.some((line) => finds.test(line)),
      found.slice(0, 5).join('\n') || 'nothing',
    );
  });
}

test('embedding in both directions', async () => {
  const OWN = ['owner', 'service'];
  const decision = (fixture) => ({
    fixture,
    draft: () => ({}),
    change: { word: 'changed' },
    select: OWN,
    insert: [],
    'insert for another': null,
    owner: null,
    update: [],
    delete: [],
    columns: {},
  });
  const relations = {
    'clixen.proof_parents': decision((add, { owner }, marker) =>
      add('clixen.proof_parents', { user_id: owner.sub, word: marker }),
    ),
    'clixen.proof_children': decision(async (add, { owner }, marker) => {
      const { id } = await add('clixen.proof_parents', { user_id: owner.sub, word: marker });
      return add('clixen.proof_children', { user_id: owner.sub, parent_id: id, word: marker });
    }),
  };
  const table = (name, more = '') => `
    create table clixen.${name} (id uuid primary key default gen_random_uuid(), user_id uuid, word text ${more});
    alter table clixen.${name} enable row level security;
    create policy owner_select on clixen.${name} for select to authenticated using (user_id = (select auth.uid()));
    grant select on clixen.${name} to authenticated, service_role;`;
  const up = `${table('proof_parents')} ${table('proof_children', ', parent_id uuid constraint proof_parent references clixen.proof_parents on delete cascade')}`;
  const down = 'drop table clixen.proof_children, clixen.proof_parents';
  const systems = { ...SYSTEMS, test: { relations } };
  const given = { down, systems, only: /proof_children/, known: '/proof_children?select=proof_parents(word)&limit=0' };
  const embeds = (found) => found.filter((line) => line.includes(' embeds '));
  assert.deepEqual(embeds(await withFault({ ...given, up })), []);
  const open = `${up} create policy faulty on clixen.proof_parents for select to authenticated using (true);`;
  const found = embeds(await withFault({ ...given, up: open }));
  // A stranger finds no child to start from, but every parent, and through it nothing: the parent itself shows the marker.
  assert.deepEqual(
    new Set(found.map((line) => line.replace(/^wrong: |, select.*/g, ''))),
    new Set(['clixen.proof_parents embeds clixen.proof_children']),
  );
  assert.equal(found.length, 2 * (USERS.length - 1));
});
