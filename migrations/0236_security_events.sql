-- 0236: security events. What somebody who watches over accounts wants to be told of; and how long that and the audit log are kept.
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

-- Trigger of profiles.
create function private.watch_profile() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  if new.tier <> old.tier then
    perform private.note_security_event('tier_changed', new.id, jsonb_build_object('from', old.tier, 'to', new.tier));
  end if;
  if new.email is distinct from old.email then
    perform private.note_security_event('email_changed', new.id, '{}');
  end if;
  return null;
end
$$;
create trigger user_profiles_watch after update of tier, email on clixen.user_profiles
  for each row execute function private.watch_profile();

-- Trigger of the list of users who are gone.
create function private.watch_erasure() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  perform private.note_security_event('account_erased', new.id, '{}');
  return null;
end
$$;
create trigger erased_users_watch after insert on private.erased_users
  for each row execute function private.watch_erasure();

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
create trigger projects_watch_deletes after delete on clixen.projects referencing old table as gone
  for each statement execute function private.watch_deletes();
create trigger mvp_workflows_watch_deletes after delete on clixen.mvp_workflows referencing old table as gone
  for each statement execute function private.watch_deletes();
create trigger mvp_chat_sessions_watch_deletes after delete on clixen.mvp_chat_sessions referencing old table as gone
  for each statement execute function private.watch_deletes();
create trigger mvp_chat_messages_watch_deletes after delete on clixen.mvp_chat_messages referencing old table as gone
  for each statement execute function private.watch_deletes();

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
create trigger projects_watch_owner after update of user_id on clixen.projects
  for each row when (old.user_id <> new.user_id) execute function private.watch_owner();
create trigger mvp_workflows_watch_owner after update of user_id on clixen.mvp_workflows
  for each row when (old.user_id <> new.user_id) execute function private.watch_owner();

-- Trigger of deployments: n8n does not know our key.
create function private.watch_deployment() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  if new.n8n_response -> 'status' in ('401', '403') then
    perform private.note_security_event('n8n_refused_key', new.user_id, jsonb_build_object('deployment', new.id));
  end if;
  return null;
end
$$;
create trigger deployments_watch after update of status on clixen.deployments
  for each row when (new.status = 'failed') execute function private.watch_deployment();

-- Both are kept for a year. Until then nothing of them is deleted, whoever asks; nothing is ever changed.
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
drop trigger audit_log_append_only on private.audit_log;
create trigger audit_log_append_only before update or truncate on private.audit_log
  for each statement execute function private.refuse_change();
create trigger audit_log_retention before delete on private.audit_log
  for each row execute function private.refuse_early_delete();
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

-- Telemetry is kept for 180 days.
create function private.clean_telemetry() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  gone bigint;
begin
  delete from clixen.telemetry_events as t
  where t.id in (select o.id from clixen.telemetry_events as o where o.created_at < now() - interval '180 days' limit 5000);
  get diagnostics gone = row_count;
  return gone;
end
$$;

-- Notes a run of a job that is the edge's own.
create function edge.note_job(job text, took_ms bigint, rows bigint, error text) returns boolean
  language plpgsql volatile security definer
  set search_path = ''
  as $$
begin
  insert into private.job_runs (job, started_at, finished_at, rows, error)
  values (
    note_job.job, clock_timestamp() - make_interval(secs => greatest(note_job.took_ms, 0) / 1000.0), clock_timestamp(),
    note_job.rows, left(note_job.error, 500)
  );
  return true;
end
$$;
comment on function edge.note_job(text, bigint, bigint, text) is
  'Writes down how a job of the edge''s went. Definer: the edge has no right on any table.';
revoke execute on function edge.note_job(text, bigint, bigint, text) from public;
grant execute on function edge.note_job(text, bigint, bigint, text) to edge;

-- migrate:down
drop function edge.note_job(text, bigint, bigint, text);
drop function private.clean_telemetry();
drop function private.clean_audit();
drop trigger audit_log_retention on private.audit_log;
drop trigger audit_log_append_only on private.audit_log;
create trigger audit_log_append_only
  before update or delete or truncate on private.audit_log
  for each statement execute function private.refuse_change();
drop trigger deployments_watch on clixen.deployments;
drop trigger mvp_workflows_watch_owner on clixen.mvp_workflows;
drop trigger projects_watch_owner on clixen.projects;
drop trigger mvp_chat_messages_watch_deletes on clixen.mvp_chat_messages;
drop trigger mvp_chat_sessions_watch_deletes on clixen.mvp_chat_sessions;
drop trigger mvp_workflows_watch_deletes on clixen.mvp_workflows;
drop trigger projects_watch_deletes on clixen.projects;
drop trigger erased_users_watch on private.erased_users;
drop trigger user_profiles_watch on clixen.user_profiles;
drop table private.security_events;
drop function private.refuse_early_delete();
drop function private.watch_deployment();
drop function private.watch_owner();
drop function private.watch_deletes();
drop function private.watch_erasure();
drop function private.watch_profile();
drop function private.note_security_event(text, uuid, jsonb);
