// Tables and functions with every kind of column, relation and result that a client of the data API meets.

/** Notes belong to projects, lines to notes; each names its parent and its owner together, as the real tables do. */
const TABLES = `
  create table sample.test_notes (
    id         uuid primary key default gen_random_uuid(),
    user_id    uuid not null default auth.uid(),
    project_id uuid not null,
    title      text not null,
    body       text,
    place       int not null default 7,
    tags       text[] not null default '{}',
    span       int4range,
    data       jsonb not null default '{}',
    done       boolean,
    constraint test_notes_own unique (id, user_id),
    constraint test_notes_title unique (user_id, title),
    constraint test_notes_place check (place >= 0),
    constraint test_notes_project foreign key (project_id, user_id)
      references sample.projects (id, user_id) on delete cascade
  );
  create table sample.test_lines (
    id      uuid primary key default gen_random_uuid(),
    user_id uuid not null default auth.uid(),
    note_id uuid not null,
    text    text not null,
    constraint test_lines_note foreign key (note_id, user_id)
      references sample.test_notes (id, user_id) on delete cascade
  );`;
const OWNED = ['test_notes', 'test_lines']
  .map(
    (table) => `
  alter table sample.${table} enable row level security;
  alter table sample.${table} force row level security;
  create policy owner_select on sample.${table} for select to authenticated using (user_id = (select auth.uid()));
  create policy owner_insert on sample.${table} for insert to authenticated with check (user_id = (select auth.uid()));
  create policy owner_update on sample.${table} for update to authenticated
    using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
  create policy owner_delete on sample.${table} for delete to authenticated using (user_id = (select auth.uid()));
  grant select, insert, update, delete on sample.${table} to authenticated, service_role;`,
  )
  .join('');
const FUNCTIONS = `
  create function sample.test_add(a int, b int default 1) returns int language sql immutable as 'select a + b';
  create function sample.test_total(numbers int[]) returns bigint language sql immutable
    as 'select sum(n) from unnest(numbers) as n';
  create function sample.test_notes_of(project text) returns setof sample.test_notes language sql stable
    as $$ select n.* from sample.test_notes as n join sample.projects as p on p.id = n.project_id where p.name = project $$;
  create function sample.test_first() returns sample.test_notes language sql stable
    as $$ select * from sample.test_notes order by title limit 1 $$;
  create function sample.test_pairs() returns table (k text, v int) language sql immutable
    as $$ values ('one', 1), ('two', 2), ('three', 3) $$;
  create function sample.test_nothing() returns void language sql as '';
  create function sample.test_echo(value jsonb) returns jsonb language sql immutable as 'select value';
  create function sample.test_sleep(seconds float) returns int language sql volatile as 'select 1 from pg_sleep(seconds)';
  create function sample.test_refuse(state text) returns int language plpgsql as $$
    begin
      if state = 'PGRST' then
        raise sqlstate 'PGRST' using message = '{"code":"X1","message":"own words","details":"d","hint":"h"}',
          detail = '{"status":418,"headers":{"Retry-After":"9"}}';
      end if;
      raise exception 'refused' using errcode = state, detail = 'the details', hint = 'the hint';
    end $$;
  grant execute on function sample.test_add(int, int), sample.test_total(int[]), sample.test_notes_of(text),
    sample.test_first(), sample.test_pairs(), sample.test_nothing(), sample.test_echo(jsonb), sample.test_sleep(float),
    sample.test_refuse(text) to authenticated;`;
/** Drops what is left of them. */
export const GONE = `
  drop function if exists sample.test_add(int, int), sample.test_total(int[]), sample.test_notes_of(text),
    sample.test_first(), sample.test_pairs(), sample.test_nothing(), sample.test_echo(jsonb), sample.test_sleep(float),
    sample.test_refuse(text);
  drop table if exists sample.test_lines, sample.test_notes`;

/** Makes them. */
export const MADE = TABLES + OWNED + FUNCTIONS;

/** Rows of test_notes, each with its project's name; the titles differ. */
export const NOTES = [
  {
    project: 'p0',
    place: 0,
    tags: ['a', 'b'],
    span: '[1,5)',
    data: { k: 1, s: 'x' },
    done: true,
    body: 'the quick brown fox',
  },
  {
    project: 'p0',
    place: 1,
    tags: ['b', 'c'],
    span: '[5,10)',
    data: { k: 2, in: { x: [1, 2] } },
    done: false,
    body: 'a lazy dog',
  },
  { project: 'p0', place: 2, body: null },
  {
    project: 'p1',
    place: 3,
    tags: ['c, d', 'e'],
    span: '[10,20)',
    data: { k: '1' },
    done: true,
    body: 'Ünï, (par) 😀 & 100%',
  },
  {
    project: 'p1',
    place: 4,
    tags: ['a'],
    span: '(,3)',
    data: { list: [1] },
    done: false,
    body: 'The Quick back\\slash',
  },
  { project: 'p2', place: 5, span: 'empty', data: { k: null }, body: 'brown and quick' },
].map((note, n) => ({ title: `n${n}`, tags: [], span: null, data: {}, done: null, ...note }));
