// The isolation matrix finds what was forgotten and what is wrong: each test injects one fault.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { waitFor } from '../../../dev/process.js';
import { prove } from '../../../proof/matrix.js';
import { USERS } from '../../../proof/personas.js';
import { faults } from '../../../proof/report.js';
import { SYSTEMS } from '../../../proof/systems/index.js';
import { ask, close, has, made, sql, stack, userToken } from '../../support/stack.js';

after(close);

const system = { ...stack, keys: made };

/** Runs the matrix with an injected fault; gives what it finds wrong. */
const withFault = async ({ up, down, only, systems = SYSTEMS, known }) => {
  // A function of a new name: as soon as PostgREST knows it, it knows the rest.
  const mark = `mark_${randomUUID().replaceAll('-', '')}`;
  await sql(`${up};
    create function sample_more.${mark}() returns int language sql set search_path = '' as 'select 1';
    notify pgrst, 'reload schema'`);
  try {
    const headers = { 'accept-profile': 'sample_more' };
    const isKnown = async () =>
      (await ask(`/rpc/${mark}`, { base: stack.postgrest_url, token: await userToken(), headers })).status !== 404;
    await waitFor('PostgREST to know what was made', isKnown);
    if (known) {
      const token = await userToken();
      await waitFor(
        'PostgREST to know it',
        async () => (await ask(known, { token, base: stack.postgrest_url })).status < 404,
      );
    }
    return faults(await prove({ system, systems, only }));
  } finally {
    await sql(`${down}; drop function sample_more.${mark}(); notify pgrst, 'reload schema'`);
  }
};

test('a new table, column, function and route are blanks', async () => {
  const table = await withFault({
    up: 'create table sample.proof_new (id int primary key, word text)',
    down: 'drop table sample.proof_new',
    only: /proof_new/,
  });
  assert.ok(table.includes('not decided: sample.proof_new, select, stranger'));
  assert.ok(table.includes('not decided: sample.proof_new.word, write, owner'));
  const column = await withFault({
    up: 'alter table sample.projects add column proof_new int',
    down: 'alter table sample.projects drop column proof_new',
    only: /projects$/,
  });
  assert.equal(column.length, 36);
  assert.match(column[0], /^not decided: sample.projects.proof_new, read, none$/);
  const made_ = await withFault({
    up: `create function sample.proof_new(word text) returns int language sql set search_path = '' as 'select 1'`,
    down: 'drop function sample.proof_new(text)',
    only: /proof_new/,
  });
  assert.equal(made_.length, 12);
  assert.match(made_[0], /^not decided: sample.proof_new\(text\), execute, none$/);
  const { 'POST /v1/entries': _, ...routes } = SYSTEMS.sample.routes;
  const systems = { ...SYSTEMS, sample: { ...SYSTEMS.sample, routes } };
  const route = faults(await prove({ system, systems, only: /entries$/ }));
  assert.ok(route.includes('not decided: POST /v1/entries, call, anon key'));
});

test('it finds an endpoint of which nobody has decided whether it depends on what the edge verifies', async () => {
  /** The decisions with another one about a function. */
  const withOut = (name, change, of = 'sample') => {
    const functions = { ...SYSTEMS[of].functions, [name]: change(SYSTEMS[of].functions[name]) };
    return { ...SYSTEMS, [of]: { ...SYSTEMS[of], functions } };
  };
  const found = async (systems, only) => faults(await prove({ system, systems, only }));
  const lead = 'sample_more.add_entry(jsonb)';
  const undecided = await found(
    withOut(lead, ({ depends: _, ...decision }) => decision),
    /^POST .v1.entries$/,
  );
  assert.deepEqual(undecided, [
    'not decided: POST /v1/entries: whether sample_more.add_entry depends on what the edge verifies',
  ]);
  const needless = await found(
    withOut(lead, (decision) => ({ ...decision, depends: null })),
    /^POST .v1.entries$/,
  );
  assert.match(needless[0], /^wrong: POST \/v1\/entries: the edge calls as itself what depends on what it verifies/);
  if (has('growth')) {
    const step = withOut(
      'onboarding.step(text, jsonb)',
      (decision) => ({ ...decision, depends: 'the network' }),
      'growth',
    );
    const believed = await found(step, /^PATCH .v1.onboarding.session$/);
    assert.match(believed[0], /^wrong: PATCH \/v1\/onboarding\/session: .*onboarding.step is called otherwise/);
  }
  const granted = await withFault({
    up: 'grant execute on function sample_more.add_entry(jsonb) to service_role',
    down: 'revoke execute on function sample_more.add_entry(jsonb) from service_role',
    only: /^POST .v1.entries$/,
  });
  assert.deepEqual(granted, [
    'wrong: POST /v1/entries: sample_more.add_entry depends on what the edge verifies, and others than the edge may execute it',
  ]);
});

test('what was decided about something that is gone is named', async () => {
  const relations = { ...SYSTEMS.sample.relations, 'sample.gone': {} };
  const systems = { ...SYSTEMS, sample: { ...SYSTEMS.sample, relations } };
  assert.deepEqual(faults(await prove({ system, systems, only: /nothing/ })), ['decided, but not there: sample.gone']);
  const projects = SYSTEMS.sample.relations['sample.projects'];
  const misspelt = { ...projects, select: ['ownr'], udpate: [], columns: { ...projects.columns, nmae: {} } };
  const twice = { relations: { 'sample.projects': misspelt } };
  const wrong = {
    ...SYSTEMS,
    sample: { ...SYSTEMS.sample, relations: { ...relations, 'sample.projects': misspelt } },
    twice,
  };
  assert.deepEqual(faults(await prove({ system, systems: wrong, only: /nothing/ })), [
    'decided, but not there: sample.gone',
    'decided, but not there: sample.projects.nmae',
    'decided, but not there: ownr, of sample.projects',
    'decided, but not there: sample.projects, by two systems',
    'decided, but not there: udpate, of sample.projects',
  ]);
  const { forAnother: _, 'insert for another': __, ...silent } = projects;
  const kept = { ...SYSTEMS.sample.relations, 'sample.projects': silent };
  const found = faults(
    await prove({ system, systems: { ...SYSTEMS, sample: { ...SYSTEMS.sample, relations: kept } }, only: /projects$/ }),
  );
  assert.ok(found.includes('not decided: sample.projects, insert for another, stranger'));
});

const FAULTS = {
  'a policy that lets everybody read': {
    up: 'create policy faulty on sample.projects for select to authenticated using (true)',
    down: 'drop policy faulty on sample.projects',
    finds: /wrong: sample.projects, select, stranger, past the edge: was shown the fixture/,
  },
  'a policy that believes user_metadata': {
    up: `create policy faulty on sample_more.entries for select to authenticated
         using (((select auth.jwt()) -> 'user_metadata' ->> 'role') = 'admin')`,
    down: 'drop policy faulty on sample_more.entries',
    only: /entries$/,
    finds: /wrong: sample_more.entries, select, viewer, through the edge: was shown the fixture/,
  },
  'row-level security switched off': {
    up: 'alter table sample.projects disable row level security',
    down: 'alter table sample.projects enable row level security',
    finds: /wrong: sample.projects, delete, other tenant's admin, through the edge: was let in/,
  },
  'an insert in somebody else’s name': {
    up: 'create policy faulty on sample.projects for insert to authenticated with check (true)',
    down: 'drop policy faulty on sample.projects',
    finds: /wrong: sample.projects, insert for another, stranger, through the edge: was let in/,
  },
  'a counter that its owner may set': {
    up: 'grant update (workflow_count) on sample.projects to authenticated',
    down: 'revoke update (workflow_count) on sample.projects from authenticated',
    finds: /wrong: sample.projects.workflow_count, update, owner, past the edge: was let in/,
  },
  'a right that is missing': {
    up: 'revoke delete on sample.projects from authenticated',
    down: 'grant delete on sample.projects to authenticated',
    finds: /wrong: sample.projects, delete, owner, through the edge: was kept out/,
  },
  'a function that the public may call, though it refuses what it is given': {
    up: `create function sample.faulty(word text) returns int language plpgsql set search_path = ''
         as 'begin if word is null then raise exception ''no word''; end if; return 1; end';
         grant usage on schema sample to anon; grant execute on function sample.faulty(text) to anon`,
    down: 'drop function sample.faulty(text); revoke usage on schema sample from anon',
    only: /faulty/,
    systems: { ...SYSTEMS, test: { functions: { 'sample.faulty(text)': { execute: [] } } } },
    finds: /wrong: sample.faulty\(text\), execute, anon key, past the edge: was let in/,
  },
  'arguments that no function has': {
    up: 'select 1',
    down: 'select 1',
    only: /field_of/,
    systems: {
      ...SYSTEMS,
      test: { functions: { 'sample_more.field_of(jsonb, text)': { arguments: () => ({ nothing: 1 }), execute: [] } } },
    },
    finds: /wrong: sample_more.field_of\(jsonb, text\), execute, service, through the edge: was not tried/,
  },
  'a profile of one’s own with a tier of one’s own': {
    up: `grant insert on sample.user_profiles to authenticated;
         create policy faulty on sample.user_profiles for insert to authenticated with check (id = (select auth.uid()))`,
    down: 'drop policy faulty on sample.user_profiles; revoke insert on sample.user_profiles from authenticated',
    only: /user_profiles$/,
    finds: /wrong: sample.user_profiles.tier, insert, stranger, past the edge: was let in/,
  },
  'a right on a column that only a policy’s words keep from use': {
    up: `grant insert on sample.user_profiles to authenticated;
         create policy faulty on sample.user_profiles for insert to authenticated with check (tier = 'enterprise' and id is null)`,
    down: 'drop policy faulty on sample.user_profiles; revoke insert on sample.user_profiles from authenticated',
    only: /user_profiles$/,
    finds: /wrong: sample.user_profiles.total_projects, insert, member, past the edge: was let in/,
  },
  'a policy that is wrong for some rows only': {
    up: `create policy faulty on sample.projects for select to authenticated using (color <> '#6366f1')`,
    down: 'drop policy faulty on sample.projects',
    finds: /wrong: sample.projects, select, in another color, stranger, past the edge: was shown the fixture/,
  },
  'a row that may be given away': {
    up: `create policy faulty on sample.projects for update to authenticated using (user_id = (select auth.uid())) with check (true)`,
    down: 'drop policy faulty on sample.projects',
    finds: /wrong: sample.projects, give away, owner/,
  },
  'a column that more may read than the row': {
    up: `create policy faulty on sample.user_profiles for select to authenticated using (true);
         revoke select on sample.user_profiles from authenticated; grant select (id, full_name) on sample.user_profiles to authenticated`,
    down: `drop policy faulty on sample.user_profiles; revoke select (id, full_name) on sample.user_profiles from authenticated;
           grant select on sample.user_profiles to authenticated`,
    only: /user_profiles$/,
    finds: /wrong: sample.user_profiles.full_name, read, stranger, past the edge: was let in/,
  },
  'a function that shows somebody else’s row': {
    up: `create function sample.faulty() returns setof sample.user_profiles language sql stable security definer set search_path = ''
         as 'select * from sample.user_profiles order by created_at desc limit 1';
         grant execute on function sample.faulty() to authenticated`,
    down: 'drop function sample.faulty()',
    only: /faulty/,
    systems: { ...SYSTEMS, test: { functions: { 'sample.faulty()': { execute: USERS } } } },
    finds: /wrong: sample.faulty\(\), execute, stranger, past the edge: was shown the fixture/,
  },
  'a function that changes somebody else’s row': {
    up: `create function sample.faulty() returns int language sql volatile security definer set search_path = ''
         as $$ update sample.projects set color = '#123456' where color <> '#123456'; select 1 $$;
         grant execute on function sample.faulty() to authenticated`,
    down: 'drop function sample.faulty()',
    only: /faulty/,
    systems: {
      ...SYSTEMS,
      test: { functions: { 'sample.faulty()': { execute: USERS, touches: ['sample_more.entries'] } } },
    },
    finds: /wrong: sample.faulty\(\), execute, viewer, through the edge: was shown the fixture/,
  },
  'a helper that the public may call': {
    up: 'grant execute on function sample_more.field_of(jsonb, text) to anon',
    down: 'revoke execute on function sample_more.field_of(jsonb, text) from anon',
    only: /field_of/,
    finds: /wrong: sample_more.field_of\(jsonb, text\), execute, anon key, through the edge: was let in/,
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
    'sample.proof_parents': decision((add, { owner }, marker) =>
      add('sample.proof_parents', { user_id: owner.sub, word: marker }),
    ),
    'sample.proof_children': decision(async (add, { owner }, marker) => {
      const { id } = await add('sample.proof_parents', { user_id: owner.sub, word: marker });
      return add('sample.proof_children', { user_id: owner.sub, parent_id: id, word: marker });
    }),
  };
  const table = (name, more = '') => `
    create table sample.${name} (id uuid primary key default gen_random_uuid(), user_id uuid, word text ${more});
    alter table sample.${name} enable row level security;
    create policy owner_select on sample.${name} for select to authenticated using (user_id = (select auth.uid()));
    grant select on sample.${name} to authenticated, service_role;`;
  const up = `${table('proof_parents')} ${table('proof_children', ', parent_id uuid constraint proof_parent references sample.proof_parents on delete cascade')}`;
  const down = 'drop table sample.proof_children, sample.proof_parents';
  const systems = { ...SYSTEMS, test: { relations } };
  const given = { down, systems, only: /proof_children/, known: '/proof_children?select=proof_parents(word)&limit=0' };
  const embeds = (found) => found.filter((line) => line.includes(' embeds '));
  assert.deepEqual(embeds(await withFault({ ...given, up })), []);
  const open = `${up} create policy faulty on sample.proof_parents for select to authenticated using (true);`;
  const found = embeds(await withFault({ ...given, up: open }));
  // A stranger finds no child to start from, but every parent, and through it nothing: the parent itself shows the marker.
  assert.deepEqual(
    new Set(found.map((line) => line.replace(/^wrong: |, select.*/g, ''))),
    new Set(['sample.proof_parents embeds sample.proof_children']),
  );
  assert.equal(found.length, 2 * (USERS.length - 1));
});
