-- 0029: changes. Which rows of some tables were written lately: their keys, never their content. GET /v1/changes streams to signed-in
-- users those that they may see. The migration of a system names its tables by private.track_changes.
-- migrate:up
create table private.tracked_tables (
  relation      regclass constraint tracked_tables_pkey primary key,
  key_columns   text not null,
  key_condition text not null,
  has_audience  boolean not null
);
comment on table private.tracked_tables is 'Tables whose changes are recorded. private.track_changes writes it.';
comment on column private.tracked_tables.key_columns is 'The columns of the primary key with their types.';
comment on column private.tracked_tables.key_condition is 'The condition by which a row t of the table has the key k.';
comment on column private.tracked_tables.has_audience is 'Whether each change names the users who could see the row. Without an audience the policies are checked for every listener, and nobody learns of a deleted row.';

alter table private.tracked_tables enable row level security;
alter table private.tracked_tables force row level security;

create table private.changes (
  id       bigint generated always as identity constraint changes_pkey primary key,
  relation regclass not null,
  verb     text not null,
  key      jsonb,
  audience uuid[],
  at       timestamptz not null default clock_timestamp(),
  position bigint,
  constraint changes_verb check (verb in ('insert', 'update', 'delete', 'reset'))
);
comment on table private.changes is 'The keys of rows that were written within the last day.';
comment on column private.changes.key is 'The primary key as an object; null if the whole table has changed (reset).';
comment on column private.changes.audience is 'Users who could see the row before or after the change; null where the table has no rule for it.';
comment on column private.changes.position is 'The place in the order of the feed, given by the first reader that sees the change after its commit: microseconds since 1970. Transactions commit in another order than they write, so ids do not say which changes a listener has had.';

create index changes_without_position on private.changes (id) where position is null;
create index changes_relation_position on private.changes (relation, position);

alter table private.changes enable row level security;
alter table private.changes force row level security;

create table private.change_positions (
  only_row      boolean constraint change_positions_pkey primary key default true,
  last_assigned bigint not null,
  last_deleted  bigint not null,
  constraint change_positions_only_row check (only_row)
);
comment on table private.change_positions is 'The highest position of any change, and the highest position of a change that has been deleted.';

alter table private.change_positions enable row level security;
alter table private.change_positions force row level security;

insert into private.change_positions (last_assigned, last_deleted) values (0, 0);

-- The name of the trigger function that private.track_changes makes for a table.
create function private.recorder_of(relation regclass) returns text
  language sql stable
  set search_path = ''
  as $$
select format('record_%s_%s', n.nspname, c.relname)
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where c.oid = recorder_of.relation
$$;
revoke execute on function private.recorder_of(regclass) from public;

-- Records the changes of a table for listeners. `audience` is an expression of a row that gives an array of the users who may see it, such
-- as array[user_id]: exactly those whom the table's policies let see the row, or fewer, and an empty one for a row that nobody sees. Only
-- they get events. The policies are checked in any case, except for a deleted row. Without an audience the policies are checked for
-- every listener and every change, and nobody gets deletions. Call it after the grants of the table.
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
      hint = 'Its policies decide who gets events of which row.';
  end if;
  key_of_row := (select format('jsonb_build_object(%s)', string_agg(format('%L, r.%s', c.name, c.name), ', ' order by c.place))
    from unnest(key_columns) with ordinality as c (name, place));
  -- Only changes of columns that users may read make an event. A type without an order is compared as text.
  seen := (select format('row(%s)', string_agg(
      'r.' || quote_ident(a.attname) || case when o.oid is null then '::text' else '' end, ', ' order by a.attnum
    ))
    from pg_catalog.pg_attribute as a
    inner join pg_catalog.pg_type as t on t.oid = a.atttypid
    left join pg_catalog.pg_opclass as o on o.opcintype = t.oid and o.opcdefault
      and o.opcmethod = (select m.oid from pg_catalog.pg_am as m where m.amname = 'btree')
    where a.attrelid = track_changes.relation and a.attnum > 0 and not a.attisdropped
      and has_column_privilege('authenticated', a.attrelid, a.attnum, 'select'));
  -- A mistake in the expressions shows now, and not at the first write.
  execute format(
    'select %s is distinct from null, coalesce(%s, ''{}''::uuid[]) from %s as r limit 0', seen, coalesce(audience, 'null'), relation
  );

  insert into private.tracked_tables (relation, key_columns, key_condition, has_audience)
  select track_changes.relation, string_agg(k.name || ' ' || k.type, ', ' order by k.place),
    string_agg(format('t.%1$s = k.%1$s', k.name), ' and ' order by k.place), track_changes.audience is not null
  from unnest(key_columns, key_types) with ordinality as k (name, type, place);
  -- A function of the table's own: PostgreSQL keeps the plans of what stands in a function, and would plan a dynamic statement at each write.
  declare
    recorder constant text := private.recorder_of(track_changes.relation);
    of_row constant text := format(
      'select %s as key, %s as audience', key_of_row,
      case when audience is null then 'null::uuid[]' else format('coalesce(%s, ''{}'')', audience) end
    );
    keyed_row constant text := of_row || format(
      ', %s as seen, %s', seen,
      (select string_agg(format('r.%s as k_%s', c.name, c.place), ', ') from unnest(key_columns) with ordinality as c (name, place))
    );
    keys constant text := (select string_agg('k_' || n, ', ') from generate_series(1, cardinality(key_columns)) as n);
    tables constant jsonb := '{"insert": "referencing new table as new_rows", "truncate": "", "delete": "referencing old table as old_rows",
      "update": "referencing old table as old_rows new table as new_rows"}';
  begin
    execute format(
      'create function private.%1$I() returns trigger
          language plpgsql
          -- Definer: the writer of a table may not write private.changes.
          security definer
          set search_path = ''''
          as $function$
        #variable_conflict use_column
        begin
          -- A change that nobody could see is not recorded.
          case tg_op
            when ''INSERT'' then
              insert into private.changes (relation, verb, key, audience)
              select tg_relid, ''insert'', c.key, c.audience from (%2$s from new_rows as r) as c where c.audience is distinct from ''{}'';
            when ''DELETE'' then
              insert into private.changes (relation, verb, key, audience)
              select tg_relid, ''delete'', c.key, c.audience from (%2$s from old_rows as r) as c
              where c.audience is distinct from ''{}''
                -- An audience names no erased user.
                and (c.audience is null or not exists (select from private.erased_users as e where e.id = any (c.audience)));
            when ''UPDATE'' then
              insert into private.changes (relation, verb, key, audience)
              select tg_relid, c.verb, c.key, c.audience
              from (
                select coalesce(n.key, o.key) as key,
                  case when o.audience is not distinct from n.audience then n.audience
                    else array(
                      select a.id from unnest(o.audience || n.audience) as a (id)
                      where not exists (select from private.erased_users as e where e.id = a.id)
                    )
                  end as audience,
                  case when o.key is null then ''insert'' when n.key is null then ''delete'' else ''update'' end as verb
                from (%3$s from old_rows as r) as o
                full join (%3$s from new_rows as r) as n using (%4$s)
                where o.seen is distinct from n.seen or o.audience is distinct from n.audience
              ) as c
              where c.audience is distinct from ''{}'';
            else
              insert into private.changes (relation, verb) values (tg_relid, ''reset'');
          end case;
          return null;
        end
        $function$;
        revoke execute on function private.%1$I() from public;', recorder, of_row, keyed_row, keys
    );
    execute (select string_agg(format(
      'create trigger %I after %s on %s %s for each statement execute function private.%I();',
      table_name || '_changes_' || t.key, t.key, relation, t.value, recorder
    ), ' ') from jsonb_each_text(tables) as t);
  end;
end
$$;
revoke execute on function private.track_changes(regclass, text) from public;

-- Ends the recording of a table, for the migration that drops it.
create function private.untrack_changes(relation regclass) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  if not exists (select from private.tracked_tables as t where t.relation = untrack_changes.relation) then
    raise undefined_object using
      message = format('%s is not tracked', relation), hint = 'Only a table of private.track_changes can be untracked.';
  end if;
  -- With its triggers.
  execute format('drop function private.%I() cascade', private.recorder_of(untrack_changes.relation));
  delete from private.tracked_tables as t where t.relation = untrack_changes.relation;
  delete from private.changes as c where c.relation = untrack_changes.relation;
end
$$;
revoke execute on function private.untrack_changes(regclass) from public;

-- Trigger: removes an erased user from all audiences.
create function private.erase_from_audiences() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  update private.changes as c set audience = array_remove(c.audience, new.id) where new.id = any (c.audience);
  return null;
end
$$;
revoke execute on function private.erase_from_audiences() from public;
create trigger erased_users_changes after insert on private.erased_users
  for each row execute function private.erase_from_audiences();

-- Gives positions to committed changes that have none, at most 50,000 at a time and one position to at most a thousand, and returns the
-- last position. The session that gives them holds the lock until its transaction is visible, so positions become visible in their order: a change
-- that is committed late gets a later position, and no listener misses it. While another session holds the lock, this one reads what is there.
create function private.assign_positions() returns bigint
  language plpgsql volatile
  set search_path = ''
  -- A plan that was made while the table was small would read all of it at each poll.
  set enable_seqscan = off
  set jit = off
  as $$
declare
  next_position bigint;
  ids bigint[] := '{0}';
begin
  if exists (select from private.changes as c where c.position is null)
    and pg_try_advisory_xact_lock(hashtextextended('rowgate change positions', 0)) then
    next_position := greatest(
      (select p.last_assigned + 1 from private.change_positions as p), (extract(epoch from clock_timestamp()) * 1000000)::bigint
    );
    for n in 1..50 loop
      ids := array(
        select c.id from private.changes as c
        where c.position is null and c.id > ids[cardinality(ids)] order by c.id limit 1000
      );
      exit when ids = '{}';
      update private.changes as c set position = next_position where c.id = any (ids);
      update private.change_positions as p set last_assigned = next_position;
      next_position := next_position + 1;
    end loop;
  end if;
  return (select p.last_assigned from private.change_positions as p);
end
$$;
revoke execute on function private.assign_positions() from public;

-- The changes that each listener may have missed, before the policies are checked. `subscriptions` is a list of {claims, table, since}. The
-- answer has an item for each: {position, has_more, rows, relation, key_columns, key_condition, shows_deletions}, or {end} with a reason.
-- `is_opening` is for one that begins: it gets an error instead of a reason.
create function edge.new_changes(subscriptions jsonb, is_opening boolean) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  -- A plan that was made while the tables were small would, after a large write, read all changes, or compare each with each subscription.
  set enable_seqscan = off
  set enable_nestloop = off
  set jit = off
  -- To plan it takes longer than to run it. In a large table PostgreSQL would plan it at each poll.
  set plan_cache_mode = force_generic_plan
  as $$
declare
  -- Of one table that an answer goes through for subscriptions that have had equally much.
  max_changes constant int := 2000;
  -- Of all subscriptions together, and one subscription more. The others get theirs with the next call, which comes at once.
  max_rows constant int := 18000;
  newest constant bigint := private.assign_positions();
  answers jsonb;
begin
  -- The edge has verified the claims. Only users listen.
  if exists (
    select from jsonb_array_elements(subscriptions) as s (value)
    where s.value #>> '{claims,role}' is distinct from 'authenticated' or s.value #>> '{claims,sub}' is null
  ) then
    perform private.refuse(403, 'RG520', 'This is for users only', null, 'Sign in.');
  end if;

  -- One statement, so that all of it sees the same changes: others may be deleting the oldest.
  with requested as materialized (
    select s.place, (s.value #>> '{claims,sub}')::uuid as user_id, s.value ->> 'table' as table_name,
      coalesce((s.value ->> 'since')::bigint, newest) as since
    from jsonb_array_elements(subscriptions) with ordinality as s (value, place)
  ), checked as materialized (
    select s.*, t.relation, t.key_columns, t.key_condition, t.has_audience,
      case
        when t.relation is null then 'table'
        when exists (select from private.erased_users as e where e.id = s.user_id) then 'erased'
        when s.since < (select p.last_deleted from private.change_positions as p) then 'again'
      end as end_reason
    from requested as s
    left join private.tracked_tables as t on t.relation::text = s.table_name
  ), subscribed as materialized (
    select s.*, row_number() over (partition by s.relation, s.since order by s.place) as number_in_range
    from checked as s
    where s.end_reason is null
  ), ranges as materialized (
    -- A position is read as a whole: no more than a thousand changes have the same.
    select r.*, least(newest, (
        select c.position - 1 from private.changes as c
        where c.relation = r.relation and c.position > r.since order by c.position offset max_changes limit 1
      )) as last_position,
      -- An audience knows users, not their claims: if the policies read others than sub, they do not say which token may see a deleted row.
      r.has_audience and not exists (
        select from pg_catalog.pg_policy as p
        where p.polrelid = r.relation and p.polcmd in ('r', '*') and pg_get_expr(p.polqual, p.polrelid) ~ 'jwt|auth\.email'
      ) as shows_deletions
    from (select distinct s.relation, s.since, s.has_audience from subscribed as s where s.since < newest) as r
  ), found_ as materialized (
    select r.relation, r.since, r.has_audience, r.shows_deletions, c.*,
      count(*) over (partition by r.relation, r.since) as number_of_changes
    from ranges as r
    cross join lateral (
      select c.id, c.verb, c.key, c.at, c.position, c.audience from private.changes as c
      where c.relation = r.relation and c.position > r.since and c.position <= r.last_position
      -- Otherwise it would be planned as a join that reads all changes.
      offset 0
    ) as c
  ), missed as materialized (
    select s.place, c.id, c.verb, c.key, c.at, c.position
    from found_ as c
    cross join lateral (select distinct u.id as user_id from unnest(c.audience) as u (id)) as a
    inner join subscribed as s on s.relation = c.relation and s.since = c.since and s.user_id = a.user_id
    where c.has_audience and c.verb <> 'reset' and (c.verb <> 'delete' or c.shows_deletions)
    union all
    select s.place, c.id, c.verb, c.key, c.at, c.position
    from found_ as c
    inner join subscribed as s on s.relation = c.relation and s.since = c.since
    where c.verb = 'reset'
      or (not c.has_audience and c.verb <> 'delete' and (s.number_in_range - 1) * c.number_of_changes < max_rows)
  ), counted as (
    -- Those that have waited are the first.
    select s.place, m.number_of_rows,
      sum(m.number_of_rows) over (order by s.since, s.place) - m.number_of_rows as rows_before
    from subscribed as s
    inner join (select m.place, count(*) as number_of_rows from missed as m group by m.place) as m on m.place = s.place
  ), answered as (
    select m.place, jsonb_agg(jsonb_build_array(m.verb, m.key, m.at, m.position) order by m.position, m.id) as rows
    from missed as m
    inner join counted as c on c.place = m.place and c.rows_before < max_rows
    group by m.place
  )
  select jsonb_agg(
    case
      when s.end_reason is not null then jsonb_build_object('end', s.end_reason)
      else jsonb_build_object(
        'position', case when w.must_wait then s.since else coalesce(r.last_position, newest) end,
        'has_more', w.must_wait or coalesce(r.last_position < newest, false), 'rows', case when w.must_wait then '[]' else coalesce(a.rows, '[]') end,
        'relation', s.relation::text, 'key_columns', s.key_columns, 'key_condition', s.key_condition,
        'shows_deletions', coalesce(r.shows_deletions, false)
      )
    end order by s.place
  )
  into answers
  from checked as s
  left join ranges as r on r.relation = s.relation and r.since = s.since
  left join subscribed as n on n.place = s.place
  left join (select distinct f.relation, f.since, f.number_of_changes from found_ as f where not f.has_audience) as f
    on f.relation = s.relation and f.since = s.since
  left join counted as c on c.place = s.place
  left join answered as a on a.place = s.place
  cross join lateral (
    select coalesce(c.rows_before >= max_rows, false) or coalesce((n.number_in_range - 1) * f.number_of_changes >= max_rows, false) as must_wait
  ) as w;

  if is_opening and answers -> 0 ->> 'end' = 'erased' then
    perform private.refuse_erased((subscriptions #>> '{0,claims,sub}')::uuid);
  elsif is_opening and answers -> 0 ->> 'end' = 'again' then
    perform private.refuse(
      410, 'RG591', 'Changes since then have been deleted', 'They are stored for a day',
      'Read the rows anew, and listen without since and without Last-Event-ID.'
    );
  elsif is_opening and answers -> 0 ->> 'end' = 'table' then
    perform private.refuse(
      404, 'RG590', 'This table has no change feed',
      (select string_agg(t.relation::text, ', ' order by t.relation::text) from private.tracked_tables as t),
      'Name one of the tables in the details, with its schema.'
    );
  end if;
  return coalesce(answers, '[]');
end
$$;
comment on function edge.new_changes(jsonb, boolean) is
  'The changes that each listener may have missed, for edge.changes, which checks the policies. Definer: the edge has no right on any table.';
revoke execute on function edge.new_changes(jsonb, boolean) from public;
grant execute on function edge.new_changes(jsonb, boolean) to edge;

-- The changes that each listener has missed and may see. `subscriptions` is a list of {claims, table, since}. The answer has an item for each:
-- {position, has_more, events}, where an event is [verb, key, at, position], or {end} with a reason. Invoker: it becomes the user of each
-- subscription, by the claims that the edge has verified, so that the policies of the table decide. PostgreSQL allows no change of roles
-- in a definer function.
create function edge.changes(subscriptions jsonb, is_opening boolean default false) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  own_claims constant text := coalesce(current_setting('request.jwt.claims', true), '');
  own_role constant text := current_setting('role');
  missed constant jsonb := edge.new_changes(subscriptions, is_opening);
  item jsonb;
  place int := -1;
  visible jsonb;
  is_late boolean := false;
  answers jsonb[] := '{}';
begin
  for item in select m.value from jsonb_array_elements(missed) with ordinality as m (value, place) order by m.place loop
    place := place + 1;
    if item ? 'end' or item -> 'rows' = '[]' then
      answers := answers || case when item ? 'end' then item
        else jsonb_build_object('position', item -> 'position', 'has_more', item -> 'has_more', 'events', '[]'::jsonb) end;
      continue;
    elsif is_late then
      answers := answers
        || jsonb_build_object('position', subscriptions -> place -> 'since', 'has_more', true, 'events', '[]'::jsonb);
      continue;
    end if;
    -- A policy that fails for one user must not stop the others. An error in the block restores role and claims.
    begin
      perform set_config('request.jwt.claims', (subscriptions -> place -> 'claims')::text, true),
        set_config('role', 'authenticated', true);
      execute format(
        'select jsonb_object_agg(k.key_text, true)
         from (select distinct r.value ->> 1 as key_text, k.* from jsonb_array_elements($1) as r, jsonb_to_record(r.value -> 1) as k (%s)
           where r.value ->> 0 in (''insert'', ''update'')) as k
         where exists (select from %s as t where %s)',
        item ->> 'key_columns', item ->> 'relation', item ->> 'key_condition'
      ) into visible using item -> 'rows';
      perform set_config('role', own_role, true), set_config('request.jwt.claims', own_claims, true);
    exception
      -- A timeout is not among the others.
      when others or query_canceled then
        is_late := sqlstate = '57014';
        -- One that begins is refused like a request of the data API that takes too long.
        if is_late and is_opening then
          raise;
        end if;
        -- A timeout comes once in a statement. So the others wait for the next poll, which comes at once.
        raise log 'changes of % cannot be read: % %', item ->> 'relation', sqlstate, sqlerrm;
        answers := answers || '{"end": "failed"}'::jsonb;
        continue;
    end;
    answers := answers || jsonb_build_object('position', item -> 'position', 'has_more', item -> 'has_more', 'events', coalesce((
      select jsonb_agg(
        -- An update that has moved a row out of sight is its deletion for users who could see it before.
        case when r.value ->> 0 = 'update' and not coalesce(visible, '{}') ? (r.value ->> 1) then jsonb_set(r.value, '{0}', '"delete"')
          else r.value end
        order by r.place
      )
      from jsonb_array_elements(item -> 'rows') with ordinality as r (value, place)
      where r.value ->> 0 in ('delete', 'reset') or coalesce(visible, '{}') ? (r.value ->> 1)
        or (r.value ->> 0 = 'update' and (item -> 'shows_deletions')::boolean)
    ), '[]'));
  end loop;
  return to_jsonb(answers);
end
$$;
comment on function edge.changes(jsonb, boolean) is
  'The changes that each listener has missed and may see. Invoker: it reads as each of the users, by their claims.';
revoke execute on function edge.changes(jsonb, boolean) from public;
grant execute on function edge.changes(jsonb, boolean) to edge;

-- Deletes changes after a day, in parts, and returns how many. A listener who needs older ones has to read the rows anew.
create function private.clean_changes() returns bigint
  language plpgsql volatile
  set search_path = ''
  set enable_seqscan = off
  set jit = off
  as $$
declare
  before constant bigint := (extract(epoch from now() - interval '1 day') * 1000000)::bigint;
  deleted bigint;
  highest bigint;
begin
  -- Without listeners no change gets a position. An exact time is not needed: a change that gets it late stays longer.
  perform private.assign_positions();
  with deleted_rows as (
    delete from private.changes as c
    where c.id = any (array(
      select c.id
      from private.tracked_tables as t
      -- By the index of each table's positions.
      cross join lateral (
        select o.id, o.position from private.changes as o where o.relation = t.relation and o.position < before
        order by o.position
        limit 10000
        for update skip locked
      ) as c
      order by c.position
      limit 10000
    ))
    returning c.position
  )
  select count(*), max(d.position) into deleted, highest from deleted_rows as d;
  update private.change_positions as p set last_deleted = highest where p.last_deleted < highest;
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
drop function private.assign_positions();
drop trigger erased_users_changes on private.erased_users;
drop function private.erase_from_audiences();
drop function private.untrack_changes(regclass);
drop function private.track_changes(regclass, text);
drop function private.recorder_of(regclass);
drop table private.change_positions;
drop table private.changes;
drop table private.tracked_tables;
