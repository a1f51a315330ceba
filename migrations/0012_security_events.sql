-- 0012: security events. What happened to accounts and to their data, for whoever monitors them; and the retention of both logs.
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
  constraint security_events_kind check (
    kind in ('tier_changed', 'email_changed', 'account_erased', 'bulk_delete', 'owner_changed', 'n8n_refused_key')
  )
);
comment on table private.security_events is 'Append-only. What happened to accounts and to what is theirs; no secret, no address, no content.';

create index security_events_kind on private.security_events (kind, at desc);
create index security_events_user_id on private.security_events (user_id, at desc) where user_id is not null;
create index security_events_at on private.security_events using brin (at);

alter table private.security_events enable row level security;
alter table private.security_events force row level security;

create function private.note_security_event(kind text, user_id uuid, details jsonb) returns void
  language sql volatile
  set search_path = ''
  as $$
insert into private.security_events (kind, user_id, actor, actor_role, request_id, details)
values (
  note_security_event.kind, note_security_event.user_id, (select auth.uid()), coalesce(private.caller_role(), session_user),
  left(private.request_header('x-request-id'), 128), note_security_event.details
)
$$;

-- Trigger: many rows gone at once, which is how a stolen token or a wrong filter looks.
create function private.watch_deletes() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
declare
  many record;
begin
  for many in select g.user_id, count(*) as count from gone as g group by g.user_id having count(*) >= 100 loop
    perform private.note_security_event(
      'bulk_delete', many.user_id, jsonb_build_object('relation', tg_table_schema || '.' || tg_table_name, 'rows', many.count)
    );
  end loop;
  return null;
end
$$;

-- Trigger: what was one user's is another's.
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

-- Deletes a part of what is older than a year: whoever runs it runs it again while it gives 5,000 or more.
create function private.clean_audit() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  before constant timestamptz := now() - interval '365 days';
  part constant int := 5000;
  gone bigint;
  rows_ bigint;
begin
  delete from private.audit_log as a
  where a.id in (select o.id from private.audit_log as o where o.at < before order by o.id limit part);
  get diagnostics gone = row_count;
  delete from private.security_events as s
  where s.id in (select o.id from private.security_events as o where o.at < before order by o.id limit part);
  get diagnostics rows_ = row_count;
  return gone + rows_;
end
$$;

-- migrate:down
drop function private.clean_audit();
drop function private.watch_owner();
drop function private.watch_deletes();
drop function private.note_security_event(text, uuid, jsonb);
drop table private.security_events;
