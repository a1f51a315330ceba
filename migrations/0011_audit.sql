-- 0011: audit. Who changed which row: written by triggers, never by a request, and without the values.
-- migrate:up
create table private.audit_log (
  id         bigint generated always as identity primary key,
  at         timestamptz not null default now(),
  actor      uuid,
  actor_role text,
  request_id text,
  operation  text not null,
  relation   text not null,
  row_id     text,
  columns    text[],
  constraint audit_log_operation check (operation in ('INSERT', 'UPDATE', 'DELETE'))
);
comment on table private.audit_log is
  'Append-only. Names of changed columns, never their values: no secret and no message body is in it.';

create index audit_log_row on private.audit_log (relation, row_id, at desc);
create index audit_log_actor on private.audit_log (actor, at desc) where actor is not null;
create index audit_log_at on private.audit_log using brin (at);

alter table private.audit_log enable row level security;
alter table private.audit_log force row level security;

-- Trigger: records a change of one row. Definer, since no request role may write the log; of the caller it reads the verified
-- claims only.
create function private.audit() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
declare
  before constant jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
  after constant jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
  changed constant text[] := case when tg_op = 'UPDATE' then (
    select array_agg(now_.key order by now_.key)
    from jsonb_each(after) as now_
    where now_.value is distinct from before -> now_.key and now_.key <> 'updated_at'
  ) end;
begin
  -- Nobody has changed anything, and could fill the log with it.
  if tg_op = 'UPDATE' and changed is null then
    return null;
  end if;
  insert into private.audit_log (actor, actor_role, request_id, operation, relation, row_id, columns)
  values (
    private.user_id(),
    coalesce(private.caller_role(), session_user),
    left(private.request_header('x-request-id'), 128),
    tg_op,
    tg_table_schema || '.' || tg_table_name,
    coalesce(after, before) ->> coalesce(tg_argv[0], 'id'),
    changed
  );
  return null;
end
$$;

create function private.refuse_change() returns trigger
  language plpgsql
  set search_path = ''
  as $$
begin
  raise exception '%.% is append-only', tg_table_schema, tg_table_name using errcode = 'insufficient_privilege';
end
$$;

-- Trigger of logs that are kept for a year: until then nobody deletes a row, and nobody ever changes one.
create function private.refuse_early_delete() returns trigger
  language plpgsql
  set search_path = ''
  as $$
begin
  if old.at > now() - interval '365 days' then
    raise exception '%.% is append-only for a year', tg_table_schema, tg_table_name using errcode = 'insufficient_privilege';
  end if;
  return old;
end
$$;

create trigger audit_log_append_only before update or truncate on private.audit_log
  for each statement execute function private.refuse_change();
create trigger audit_log_retention before delete on private.audit_log
  for each row execute function private.refuse_early_delete();

-- migrate:down
drop function private.audit();
drop table private.audit_log;
drop function private.refuse_early_delete();
drop function private.refuse_change();
