-- 0007: daily allowances. How many bytes and rows a caller, and all anonymous callers together, may write in a day.
-- migrate:up
-- How much may be written in one day (UTC).
create table private.daily_allowances (
  name      text primary key,
  bytes     bigint,
  rows      bigint,
  all_bytes bigint,
  all_rows  bigint,
  constraint daily_allowances_positive check (bytes > 0 and rows > 0 and all_bytes > 0 and all_rows > 0)
);
comment on table private.daily_allowances is
  'How much may be written in one day of UTC: bytes and rows of one user or address, all_bytes and all_rows of all anonymous callers together; null: no limit. Change a row to change an allowance. service_role has none.';

alter table private.daily_allowances enable row level security;
alter table private.daily_allowances force row level security;

-- Unlogged, as rate_limits: after a crash the day starts again at zero.
create unlogged table private.daily_usage (
  day    date not null,
  name   text not null,
  caller text not null,
  -- The use of all anonymous callers is spread over several rows: on one row, each of them would wait for the one before.
  part   bigint not null,
  bytes  bigint not null,
  rows   bigint not null,
  constraint daily_usage_pkey primary key (day, name, caller, part)
);
comment on table private.daily_usage is 'What has been written today, by caller as private.caller_key names them, and for "anonymous", all of those together.';

alter table private.daily_usage enable row level security;
alter table private.daily_usage force row level security;

-- Ends the request with 429 if the caller, or all anonymous callers together, have used up today's allowance. It locks nothing
-- and counts nothing: use_allowance counts what is written, at the end. So requests that are in flight when a caller reaches the
-- limit still succeed.
create function private.require_allowance(name text) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  who constant text := private.caller_key();
  moment constant timestamp := now() at time zone 'UTC';
  allowed private.daily_allowances;
  used_bytes bigint;
  used_rows bigint;
  spent text;
begin
  if who = 'service' then
    return;
  end if;
  select * into allowed from private.daily_allowances as a where a.name = require_allowance.name;
  -- Two single look-ups: this runs before every batch, and a join would cost more than the rest of it.
  select u.bytes, u.rows into used_bytes, used_rows
  from private.daily_usage as u
  where u.day = moment::date and u.name = allowed.name and u.caller = who and u.part = 0;
  if used_bytes >= allowed.bytes or used_rows >= allowed.rows then
    spent := case when used_bytes >= allowed.bytes then 'bytes' else 'rows' end || ' of one caller';
  elsif who not like 'user %' and (allowed.all_bytes is not null or allowed.all_rows is not null) then
    select sum(u.bytes), sum(u.rows) into used_bytes, used_rows
    from private.daily_usage as u
    where u.day = moment::date and u.name = allowed.name and u.caller = 'anonymous';
    if used_bytes >= allowed.all_bytes or used_rows >= allowed.all_rows then
      spent := case when used_bytes >= allowed.all_bytes then 'bytes' else 'rows' end || ' of all anonymous callers';
    end if;
  end if;
  if spent is not null then
    perform private.refuse(
      429, 'RG517', 'The daily allowance is used up', format('%s: %s', name, spent), 'Try again after the time in Retry-After.',
      retry_after => ceil(extract(epoch from date_trunc('day', moment) + interval '1 day' - moment))::int
    );
  end if;
end
$$;

-- Counts what the caller has written. Call it last in the transaction: the rows stay locked until its end.
create function private.use_allowance(name text, bytes bigint, rows bigint) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  who constant text := private.caller_key();
  today constant date := (now() at time zone 'UTC')::date;
  fresh boolean;
begin
  if who = 'service' then
    return;
  end if;
  with counted as (
    insert into private.daily_usage as u (day, name, caller, part, bytes, rows)
    select today, a.name, each.caller, each.part, use_allowance.bytes, use_allowance.rows
    from private.daily_allowances as a
    cross join (values (1, who, 0), (2, 'anonymous', pg_backend_pid() % 16)) as each (place, caller, part)
    where a.name = use_allowance.name and (each.place = 1 or who not like 'user %')
    -- The caller's own row first, in every transaction: no deadlocks.
    order by each.place
    on conflict on constraint daily_usage_pkey do update
      set bytes = u.bytes + excluded.bytes, rows = u.rows + excluded.rows
    returning xmax = 0 as fresh
  )
  select bool_or(counted.fresh) into fresh from counted;

  -- Each new row deletes two of earlier days, so that the table stays as large as one day. It skips locked rows, as take_token
  -- does.
  if fresh then
    delete from private.daily_usage as u
    where u.ctid = any (array(
      select old.ctid from private.daily_usage as old
      where old.day < today
      order by old.day
      limit 2
      for update skip locked
    ));
  end if;
end
$$;

-- Triggers of tables that users write by themselves: the same for each statement. The first argument is the allowance.
create function private.require_allowance_of_user() returns trigger
  language plpgsql
  -- Definer: request roles may call nothing in the schema private.
  security definer
  set search_path = ''
  as $$
begin
  if private.user_id() is not null then
    perform private.require_allowance(tg_argv[0]);
  end if;
  return null;
end
$$;
revoke execute on function private.require_allowance_of_user() from public;

create function private.use_allowance_of_user() returns trigger
  language plpgsql
  -- Definer: request roles may call nothing in the schema private.
  security definer
  set search_path = ''
  as $$
declare
  bytes bigint;
  rows_ bigint;
begin
  if private.user_id() is not null then
    select sum(pg_column_size(n.*)), count(*) into bytes, rows_ from new_rows as n;
    if rows_ > 0 then
      perform private.use_allowance(tg_argv[0], bytes, rows_);
    end if;
  end if;
  return null;
end
$$;
revoke execute on function private.use_allowance_of_user() from public;

-- Holds users to a daily allowance for what they insert and update in a table. What definer functions and other triggers write for a user
-- counts, too, unless direct is true.
create function private.limit_writes(relation regclass, allowance text, direct boolean default false) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  stem constant text := (select c.relname from pg_catalog.pg_class as c where c.oid = limit_writes.relation);
  condition constant text := case when direct then 'when (current_user = ''authenticated'' and pg_trigger_depth() = 0)' else '' end;
begin
  execute format(
    'create trigger %I before insert or update on %s for each statement %s execute function private.require_allowance_of_user(%L)',
    stem || '_allowance', limit_writes.relation, condition, limit_writes.allowance
  );
  execute format(
    'create trigger %I after insert on %s referencing new table as new_rows for each statement %s execute function private.use_allowance_of_user(%L)',
    stem || '_use_inserts', limit_writes.relation, condition, limit_writes.allowance
  );
  execute format(
    'create trigger %I after update on %s referencing new table as new_rows for each statement %s execute function private.use_allowance_of_user(%L)',
    stem || '_use_updates', limit_writes.relation, condition, limit_writes.allowance
  );
end
$$;
revoke execute on function private.limit_writes(regclass, text, boolean) from public;

-- migrate:down
drop function private.limit_writes(regclass, text, boolean);
drop function private.use_allowance_of_user();
drop function private.require_allowance_of_user();
drop function private.use_allowance(text, bigint, bigint);
drop function private.require_allowance(text);
drop table private.daily_usage;
drop table private.daily_allowances;
