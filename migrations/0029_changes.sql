-- 0029: changes. Which rows of some tables were written lately: their keys, never their content. The edge tells signed-in users of
-- those that they may see (GET /v1/changes). The migration of a system names its tables by private.track_changes.
-- migrate:up
create table private.tracked_tables (
  relation regclass constraint tracked_tables_pkey primary key,
  keys     text not null,
  matches  text not null,
  told     boolean not null
);
comment on table private.tracked_tables is 'Tables whose changes are kept for listeners. private.track_changes writes it.';
comment on column private.tracked_tables.keys is 'The columns of the primary key with their types.';
comment on column private.tracked_tables.matches is 'The condition by which a row t of the table has the key k.';
comment on column private.tracked_tables.told is 'Whether each change has an audience. Without one every listener is asked for, and nobody learns of a deleted row.';

alter table private.tracked_tables enable row level security;
alter table private.tracked_tables force row level security;

create table private.changes (
  id       bigint generated always as identity constraint changes_pkey primary key,
  relation regclass not null,
  verb     text not null,
  key      jsonb,
  audience uuid[],
  at       timestamptz not null default clock_timestamp(),
  stamp    bigint,
  constraint changes_verb check (verb in ('insert', 'update', 'delete', 'reset'))
);
comment on table private.changes is 'The keys of rows that were written within the last day.';
comment on column private.changes.key is 'The primary key as an object; null if the whole table has changed (reset).';
comment on column private.changes.audience is 'Users who could see the row before or after the change; null where the table has no rule for it.';
comment on column private.changes.stamp is 'When it was first seen by a reader, in microseconds since 1970. Transactions end in another order than they write, so ids say nothing about which change a listener has not had yet.';

create index changes_unstamped on private.changes (id) where stamp is null;
create index changes_stamped on private.changes (relation, stamp);

alter table private.changes enable row level security;
alter table private.changes force row level security;

create table private.change_clock (
  only_row boolean constraint change_clock_pkey primary key default true,
  stamp    bigint not null,
  cleared  bigint not null,
  constraint change_clock_only_row check (only_row)
);
comment on table private.change_clock is 'The last stamp that was given, and the highest stamp of a change that has been deleted since.';

alter table private.change_clock enable row level security;
alter table private.change_clock force row level security;

insert into private.change_clock (stamp, cleared) values (0, 0);

-- Trigger of tracked tables, for each statement. The transition tables have the names old_rows and new_rows. Definer: who writes a
-- table may not write private.changes. Arguments: expressions of a row for its key, its audience, and what users see of it; the columns of
-- its key under other names, and these names.
create function private.note_changes() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
declare
  of_row constant text := format('select %s as key, %s as audience', tg_argv[0], tg_argv[1]);
begin
  if tg_op = 'TRUNCATE' then
    insert into private.changes (relation, verb) values (tg_relid, 'reset');
    return null;
  end if;
  execute 'insert into private.changes (relation, verb, key, audience) select $1, c.verb, c.key, c.audience from (' || case tg_op
    when 'INSERT' then of_row || ', ''insert'' as verb from new_rows as r'
    -- Nobody who is erased is told, and no trace of them stays.
    when 'DELETE' then format(
      'select d.* from (%s, ''delete'' as verb from old_rows as r) as d
       where d.audience is null or not exists (select from private.erased_users as e where e.id = any (d.audience))', of_row
    )
    else format(
      'select coalesce(n.key, o.key) as key,
         case when o.audience is not distinct from n.audience then n.audience
           else array(
             select a.id from unnest(o.audience || n.audience) as a (id)
             where not exists (select from private.erased_users as e where e.id = a.id)
           )
         end as audience,
         case when o.key is null then ''insert'' when n.key is null then ''delete'' else ''update'' end as verb
       from (%1$s, %2$s as seen, %3$s from old_rows as r) as o
       full join (%1$s, %2$s as seen, %3$s from new_rows as r) as n using (%4$s)
       where o.seen is distinct from n.seen or o.audience is distinct from n.audience',
      of_row, tg_argv[2], tg_argv[3], tg_argv[4]
    )
  -- What nobody would be told is not kept.
  end || ') as c where c.audience is distinct from ''{}''' using tg_relid::regclass;
  return null;
end
$$;
revoke execute on function private.note_changes() from public;

-- Keeps the changes of a table for listeners. `audience` is an expression of a row that gives an array of the users who may see it, such
-- as array[user_id]: exactly those whom the table's policies let see the row, and an empty one for a row that nobody sees. Only they are
-- told, the row's policies are asked in any case, and a deleted row is known to them alone. Without an audience every listener's
-- policies are asked for every change, and deletions are not told. Call it after the grants of the table.
create function private.track_changes(relation regclass, audience text default null) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  table_name constant text := (select c.relname from pg_catalog.pg_class as c where c.oid = track_changes.relation);
  key_columns text[];
  key_types text[];
  unfit text;
  key_of_row text;
  seen text;
begin
  select array_agg(quote_ident(a.attname) order by k.place), array_agg(format_type(a.atttypid, null) order by k.place),
    string_agg(a.attname, ', ') filter (
      where a.atttypid not in ('uuid'::regtype, 'bigint'::regtype, 'integer'::regtype, 'smallint'::regtype)
        or not has_column_privilege('authenticated', i.indrelid, a.attnum, 'select')
    )
  into key_columns, key_types, unfit
  from pg_catalog.pg_index as i
  cross join lateral unnest(i.indkey::int2[]) with ordinality as k (attnum, place)
  inner join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
  where i.indrelid = track_changes.relation and i.indisprimary;
  if key_columns is null or unfit is not null then
    raise feature_not_supported using
      message = format('%s cannot be tracked: %s', relation, coalesce('unfit columns of its key: ' || unfit, 'it has no primary key')),
      hint = 'Listeners get keys, so these are integers or UUIDs that authenticated may select: a text may name a person.';
  end if;
  if not (select c.relrowsecurity and c.relforcerowsecurity from pg_catalog.pg_class as c where c.oid = track_changes.relation) then
    raise feature_not_supported using
      message = format('%s cannot be tracked: its row-level security is not enabled and forced', relation),
      hint = 'Its policies decide who is told of which row.';
  end if;
  key_of_row := (select format('jsonb_build_object(%s)', string_agg(format('%L, r.%s', c.name, c.name), ', ' order by c.place))
    from unnest(key_columns) with ordinality as c (name, place));
  -- What users do not see tells them nothing when it changes. A type without an order is compared as text.
  seen := (select format('row(%s)', string_agg(
      'r.' || quote_ident(a.attname) || case when o.oid is null then '::text' else '' end, ', ' order by a.attnum
    ))
    from pg_catalog.pg_attribute as a
    inner join pg_catalog.pg_type as t on t.oid = a.atttypid
    left join pg_catalog.pg_opclass as o on o.opcintype = t.oid and o.opcdefault
      and o.opcmethod = (select m.oid from pg_catalog.pg_am as m where m.amname = 'btree')
    where a.attrelid = track_changes.relation and a.attnum > 0 and not a.attisdropped
      and has_column_privilege('authenticated', a.attrelid, a.attnum, 'select'));
  -- A fault of the expressions shows now, and not when somebody writes.
  execute format(
    'select %s is distinct from null, coalesce(%s, ''{}''::uuid[]) from %s as r limit 0', seen, coalesce(audience, 'null'), relation
  );

  insert into private.tracked_tables (relation, keys, matches, told)
  select track_changes.relation, string_agg(k.name || ' ' || k.type, ', ' order by k.place),
    string_agg(format('t.%1$s = k.%1$s', k.name), ' and ' order by k.place), track_changes.audience is not null
  from unnest(key_columns, key_types) with ordinality as k (name, type, place);
  declare
    arguments constant text := format(
      '%L, %L, %L, %L, %L', key_of_row,
      case when audience is null then 'null::uuid[]' else format('coalesce(%s, ''{}'')', audience) end, seen,
      (select string_agg(format('r.%s as k_%s', c.name, c.place), ', ') from unnest(key_columns) with ordinality as c (name, place)),
      (select string_agg('k_' || n, ', ') from generate_series(1, cardinality(key_columns)) as n)
    );
    verbs constant jsonb := '{"insert": "referencing new table as new_rows", "truncate": "", "delete": "referencing old table as old_rows",
      "update": "referencing old table as old_rows new table as new_rows"}';
  begin
    execute (select string_agg(format(
      'create trigger %I after %s on %s %s for each statement execute function private.note_changes(%s);',
      table_name || '_changes_' || v.key, v.key, relation, v.value, arguments
    ), ' ') from jsonb_each_text(verbs) as v);
  end;
end
$$;
revoke execute on function private.track_changes(regclass, text) from public;

-- Forgets a table, for the migration that drops it.
create function private.untrack_changes(relation regclass) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  execute (
    select string_agg(format('drop trigger %I on %s;', g.tgname, untrack_changes.relation), ' ')
    from pg_catalog.pg_trigger as g
    where g.tgrelid = untrack_changes.relation and g.tgfoid = 'private.note_changes()'::regprocedure
  );
  delete from private.tracked_tables as t where t.relation = untrack_changes.relation;
  delete from private.changes as c where c.relation = untrack_changes.relation;
end
$$;
revoke execute on function private.untrack_changes(regclass) from public;

-- Trigger: nothing that is kept names a user who is erased.
create function private.forget_listener() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  update private.changes as c set audience = array_remove(c.audience, new.id) where new.id = any (c.audience);
  return null;
end
$$;
revoke execute on function private.forget_listener() from public;
create trigger erased_users_changes after insert on private.erased_users
  for each row execute function private.forget_listener();

-- Gives stamps to changes that are committed and have none, to 50,000 at a time and at most a thousand the same one, and returns the last
-- stamp. Who holds the lock has it until the transaction is visible, so stamps become visible in their order: a change whose transaction ended late
-- gets a later stamp, and no listener misses it. While another session holds the lock, this one reads what is there.
create function private.stamp_changes() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  first bigint;
begin
  if exists (select from private.changes as c where c.stamp is null)
    and pg_try_advisory_xact_lock(hashtextextended('rowgate change stamps', 0)) then
    first := greatest(
      (select c.stamp + 1 from private.change_clock as c), (extract(epoch from clock_timestamp()) * 1000000)::bigint
    );
    with given as (
      update private.changes as c set stamp = n.stamp
      from (
        select u.id, first + (row_number() over (order by u.id) - 1) / 1000 as stamp
        from (
          select o.id from private.changes as o where o.stamp is null order by o.id limit 50000
        ) as u
      ) as n
      where c.id = n.id
      returning n.stamp
    )
    update private.change_clock as k set stamp = g.stamp
    from (select max(given.stamp) as stamp from given) as g
    where g.stamp is not null;
  end if;
  return (select c.stamp from private.change_clock as c);
end
$$;
revoke execute on function private.stamp_changes() from public;

-- What each listener may have missed, before the policies are asked: `asks` is a list of {claims, table, since}, and the answer has an item
-- for each: {to, more, rows, keys, matches, relation}, or {end} for one that is over. Who begins (one ask) gets errors instead.
create function edge.new_changes(asks jsonb, begins boolean) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  -- A plan that was made while the table was small reads all of it for each listener after a large write.
  set enable_seqscan = off
  as $$
declare
  most constant int := 2000;
  -- Of all asks together: the others get theirs with the next question, which comes at once.
  left_over int := 20000;
  clock bigint := private.stamp_changes();
  oldest constant bigint := (select c.cleared from private.change_clock as c);
  ask jsonb;
  tracked private.tracked_tables;
  listener uuid;
  since bigint;
  rows jsonb;
  last bigint;
  answers jsonb[] := '{}';
  why text;
begin
  for ask in select a.value from jsonb_array_elements(asks) with ordinality as a (value, place) order by a.place loop
    -- The edge has verified the claims. Only users listen.
    if ask #>> '{claims,role}' is distinct from 'authenticated' or ask #>> '{claims,sub}' is null then
      perform private.refuse(403, 'RG520', 'This is for users only', null, 'Sign in.');
    end if;
    listener := (ask #>> '{claims,sub}')::uuid;
    since := coalesce((ask ->> 'since')::bigint, clock);
    tracked := null;
    select t.* into tracked from private.tracked_tables as t where t.relation::text = ask ->> 'table';
    why := case
      when tracked.relation is null then 'table'
      when exists (select from private.erased_users as e where e.id = listener) then 'erased'
      when since < oldest then 'old'
    end;
    if why is not null then
      if begins and why = 'erased' then
        perform private.refuse_erased(listener);
      elsif begins and why = 'old' then
        perform private.refuse(
          410, 'RG591', 'Changes since then are not kept any more', 'They are kept for a day',
          'Read the rows anew, and listen without since and without Last-Event-ID.'
        );
      elsif begins then
        perform private.refuse(
          404, 'RG590', 'Changes of this table are not told',
          (select string_agg(t.relation::text, ', ' order by t.relation::text) from private.tracked_tables as t),
          'Name one of the tables in the details, with its schema.'
        );
      end if;
      answers := answers || jsonb_build_object('end', why);
      continue;
    end if;
    rows := '[]';
    last := null;
    if since < clock and left_over <= 0 then
      last := since;
    elsif since < clock then
      -- Where there are more, a stamp is told as a whole or not at all.
      with found_ as (
        select c.id, c.verb, c.key, c.at, c.stamp
        from private.changes as c
        where c.relation = tracked.relation and c.stamp > since and c.stamp <= clock
          and (c.verb = 'reset' or case when tracked.told then listener = any (c.audience) else c.verb <> 'delete' end)
        order by c.stamp, c.id
        limit most + 1
      ), cut as (
        select case when count(*) > most then max(f.stamp) - 1 end as last from found_ as f
      )
      select jsonb_agg(jsonb_build_array(f.verb, f.key, f.at, f.stamp) order by f.stamp, f.id), max(cut.last)
      into rows, last
      from found_ as f
      cross join cut
      where cut.last is null or f.stamp <= cut.last;
      left_over := left_over - coalesce(jsonb_array_length(rows), 0);
    end if;
    answers := answers || jsonb_build_object(
      'to', coalesce(last, clock), 'more', last is not null, 'rows', coalesce(rows, '[]'),
      'relation', tracked.relation::text, 'keys', tracked.keys, 'matches', tracked.matches, 'told', tracked.told
    );
  end loop;
  return to_jsonb(answers);
end
$$;
comment on function edge.new_changes(jsonb, boolean) is
  'The changes that each listener may have missed, for edge.changes, which asks the policies. Definer: the edge has no right on any table.';
revoke execute on function edge.new_changes(jsonb, boolean) from public;
grant execute on function edge.new_changes(jsonb, boolean) to edge;

-- What each listener has missed and may see: `asks` is a list of {claims, table, since}; the answer has an item for each: {to, more, events},
-- of which each is [verb, key, at, stamp], or {end}. Invoker: it becomes the user of each ask, by the claims that the edge has verified, so
-- that the policies of the table itself decide. PostgreSQL allows no change of roles in a definer function.
create function edge.changes(asks jsonb, begins boolean default false) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  own_claims constant text := coalesce(current_setting('request.jwt.claims', true), '');
  own_role constant text := current_setting('role');
  found_ constant jsonb := edge.new_changes(asks, begins);
  item jsonb;
  place int := -1;
  visible jsonb;
  answers jsonb[] := '{}';
begin
  for item in select f.value from jsonb_array_elements(found_) with ordinality as f (value, place) order by f.place loop
    place := place + 1;
    if item ? 'end' or item -> 'rows' = '[]' then
      answers := answers || case when item ? 'end' then item
        else jsonb_build_object('to', item -> 'to', 'more', item -> 'more', 'events', '[]'::jsonb) end;
      continue;
    end if;
    -- A policy that fails for one user must not stop the others. Leaving the block takes back role and claims.
    begin
      perform set_config('request.jwt.claims', (asks -> place -> 'claims')::text, true), set_config('role', 'authenticated', true);
      execute format(
        'select jsonb_object_agg(k.own_key, true)
         from (select distinct r.value ->> 1 as own_key, k.* from jsonb_array_elements($1) as r, jsonb_to_record(r.value -> 1) as k (%s)
           where r.value ->> 0 in (''insert'', ''update'')) as k
         where exists (select from %s as t where %s)',
        item ->> 'keys', item ->> 'relation', item ->> 'matches'
      ) into visible using item -> 'rows';
      perform set_config('role', own_role, true), set_config('request.jwt.claims', own_claims, true);
    exception
      when others then
        raise log 'changes of % cannot be asked for: % %', item ->> 'relation', sqlstate, sqlerrm;
        answers := answers || '{"end": "failed"}'::jsonb;
        continue;
    end;
    answers := answers || jsonb_build_object('to', item -> 'to', 'more', item -> 'more', 'events', coalesce((
      select jsonb_agg(
        -- What an update has moved out of sight is gone for those who could see it before.
        case when r.value ->> 0 = 'update' and not coalesce(visible, '{}') ? (r.value ->> 1) then jsonb_set(r.value, '{0}', '"delete"')
          else r.value end
        order by r.place
      )
      from jsonb_array_elements(item -> 'rows') with ordinality as r (value, place)
      where r.value ->> 0 in ('delete', 'reset') or coalesce(visible, '{}') ? (r.value ->> 1)
        or (r.value ->> 0 = 'update' and (item -> 'told')::boolean)
    ), '[]'));
  end loop;
  return to_jsonb(answers);
end
$$;
comment on function edge.changes(jsonb, boolean) is
  'The changes that each listener has missed and may see. Invoker: it asks as each of the users, by their claims.';
revoke execute on function edge.changes(jsonb, boolean) from public;
grant execute on function edge.changes(jsonb, boolean) to edge;

-- Deletes changes after a day, in parts, and returns how many. A listener who asks for older ones is told to read anew.
create function private.clean_changes() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  before constant bigint := (extract(epoch from now() - interval '1 day') * 1000000)::bigint;
  deleted bigint;
  highest bigint;
begin
  -- Without listeners nothing is stamped. An exact time is not needed: what is stamped late is kept longer.
  perform private.stamp_changes();
  with gone as (
    delete from private.changes as c
    where c.id = any (array(
      select o.id from private.changes as o where o.stamp < before order by o.stamp limit 10000 for update skip locked
    ))
    returning c.stamp
  )
  select count(*), max(gone.stamp) into deleted, highest from gone;
  update private.change_clock as k set cleared = highest where k.cleared < highest;
  return deleted;
end
$$;
revoke execute on function private.clean_changes() from public;

insert into private.jobs (name, function, schedule, description, more_from) values (
  'clean_changes', 'private.clean_changes', '*/5 * * * *', 'Deletes the keys of changed rows after a day.', 10000
);

-- migrate:down
delete from private.jobs where name = 'clean_changes';
drop function private.clean_changes();
drop function edge.changes(jsonb, boolean);
drop function edge.new_changes(jsonb, boolean);
drop function private.stamp_changes();
drop trigger erased_users_changes on private.erased_users;
drop function private.forget_listener();
drop function private.untrack_changes(regclass);
drop function private.track_changes(regclass, text);
drop function private.note_changes();
drop table private.change_clock;
drop table private.changes;
drop table private.tracked_tables;
