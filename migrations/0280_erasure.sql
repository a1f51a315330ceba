-- 0280: erasure. Erases everything that clixen stores about a user.
-- migrate:up
-- Erases what clixen stores about a user, and returns the number of rows by table. For the back office, and for the trigger
-- below.
create function clixen.erase_user(user_id uuid) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  counts jsonb;
  rows_ bigint;
begin
  perform private.mark_erased(erase_user.user_id);
  perform private.lock_user(erase_user.user_id);
  -- These are deleted with their projects.
  counts := jsonb_build_object(
    'mvp_workflows', (select count(*) from clixen.mvp_workflows as w where w.user_id = erase_user.user_id),
    'mvp_chat_sessions', (select count(*) from clixen.mvp_chat_sessions as s where s.user_id = erase_user.user_id),
    'mvp_chat_messages', (select count(*) from clixen.mvp_chat_messages as m where m.user_id = erase_user.user_id),
    'deployments', (select count(*) from clixen.deployments as d where d.user_id = erase_user.user_id)
  );
  -- The profile first: otherwise it would count every row that is deleted.
  delete from clixen.user_profiles as p where p.id = erase_user.user_id;
  get diagnostics rows_ = row_count;
  counts := counts || jsonb_build_object('user_profiles', rows_);
  delete from clixen.projects as p where p.user_id = erase_user.user_id;
  get diagnostics rows_ = row_count;
  counts := counts || jsonb_build_object('projects', rows_);
  delete from clixen.telemetry_events as t where t.user_id = erase_user.user_id;
  get diagnostics rows_ = row_count;
  counts := counts || jsonb_build_object('telemetry_events', rows_);
  delete from private.n8n_slugs as s where s.user_id = erase_user.user_id;
  delete from private.idempotency_keys as k where k.caller = erase_user.user_id::text;
  return counts;
end
$$;
comment on function clixen.erase_user(uuid) is
  'Erases what clixen stores about a user. Definer: it reaches tables of the schema private; for the back office only.';
revoke execute on function clixen.erase_user(uuid) from public;
grant execute on function clixen.erase_user(uuid) to service_role;

create function clixen.erase_deleted_user() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  perform clixen.erase_user(old.id);
  return null;
end
$$;
comment on function clixen.erase_deleted_user() is 'Trigger of auth.users. Definer: the role that writes accounts has no right here.';
revoke execute on function clixen.erase_deleted_user() from public;

do $$
begin
  if to_regclass('auth.users') is not null then
    create trigger rowgate_clixen_erase after delete on auth.users
      for each row execute function clixen.erase_deleted_user();
  end if;
end
$$;

-- migrate:down
-- With the trigger on auth.users, which only the owner of that table could drop by name; on Supabase that is another role.
drop function clixen.erase_deleted_user() cascade;
drop function clixen.erase_user(uuid);
