-- 0012: security events. What happened to accounts and to their data, for those who monitor them; and how long both logs are
-- kept.
-- migrate:up
create table private.security_events (
  id         bigint generated always as identity constraint security_events_pkey primary key,
  at         timestamptz not null default now(),
  kind       text not null,
  user_id    uuid,
  actor      uuid,
  actor_role text,
  request_id text,
  details    jsonb not null default '{}',
  constraint security_events_kind check (kind ~ '^[a-z][a-z0-9_]{0,59}$')
);
comment on table private.security_events is 'Append-only. What happened to accounts and to their data; no secret, no address, no content.';

create index security_events_kind on private.security_events (kind, at desc);
create index security_events_user_id on private.security_events (user_id, at desc) where user_id is not null;
create index security_events_at on private.security_events using brin (at);

alter table private.security_events enable row level security;
alter table private.security_events force row level security;

-- In PL/pgSQL, which keeps the plan of the insert: a function in SQL is planned again in each transaction.
create function private.note_security_event(kind text, user_id uuid, details jsonb) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  insert into private.security_events (kind, user_id, actor, actor_role, request_id, details)
  values (
    note_security_event.kind, note_security_event.user_id, (select auth.uid()), coalesce(private.caller_role(), session_user),
    left(private.request_header('x-request-id'), 128), note_security_event.details
  );
end
$$;

-- Trigger: one statement deleted many rows of a user, which is how a stolen token or a wrong filter looks.
create function private.watch_deletes() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
declare
  many record;
begin
  for many in select o.user_id, count(*) as count from old_rows as o group by o.user_id having count(*) >= 100 loop
    perform private.note_security_event(
      'bulk_delete', many.user_id, jsonb_build_object('relation', tg_table_schema || '.' || tg_table_name, 'rows', many.count)
    );
  end loop;
  return null;
end
$$;

-- Trigger: a row has another owner.
create function private.watch_owner() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  perform private.note_security_event('owner_changed', old.user_id, jsonb_build_object(
    'relation', tg_table_schema || '.' || tg_table_name, 'id', old.id, 'to', new.user_id
  ));
  return null;
end
$$;

create trigger security_events_append_only before update or truncate on private.security_events
  for each statement execute function private.refuse_change();
create trigger security_events_retention before delete on private.security_events
  for each row execute function private.refuse_early_delete();

-- Deletes rows of both logs that are older than a year, at most 20,000 of each, and returns how many.
create function private.clean_audit() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  return private.delete_older('private.audit_log', 'at', now() - interval '365 days', 20000)
    + private.delete_older('private.security_events', 'at', now() - interval '365 days', 20000);
end
$$;

insert into private.jobs (name, function, schedule, description) values (
  'clean_audit', 'private.clean_audit', '7 * * * *',
  'Deletes rows of the audit log and of security events after a year.'
);

-- migrate:down
delete from private.jobs where name = 'clean_audit';
drop function private.clean_audit();
drop function private.watch_owner();
drop function private.watch_deletes();
drop function private.note_security_event(text, uuid, jsonb);
drop table private.security_events;
