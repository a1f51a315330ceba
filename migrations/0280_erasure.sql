-- 0280: erasure. Erases everything that clixen stores about a user.
-- migrate:up
-- Erases what clixen stores about users, and returns the number of rows by table.
create function private.erase_clixen_users(users uuid[]) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  one uuid;
  counts jsonb;
  rows_ bigint;
begin
  for one in select u.id from unnest(users) as u (id) order by u.id loop
    perform private.lock_user(one);
  end loop;
  -- These are deleted with their projects.
  counts := jsonb_build_object(
    'clixen.mvp_workflows', (select count(*) from clixen.mvp_workflows as w where w.user_id = any (users)),
    'clixen.mvp_chat_sessions', (select count(*) from clixen.mvp_chat_sessions as s where s.user_id = any (users)),
    'clixen.mvp_chat_messages', (select count(*) from clixen.mvp_chat_messages as m where m.user_id = any (users)),
    'clixen.deployments', (select count(*) from clixen.deployments as d where d.user_id = any (users))
  );
  -- The profile first: otherwise it would count every row that is deleted.
  delete from clixen.user_profiles as p where p.id = any (users);
  get diagnostics rows_ = row_count;
  counts := counts || jsonb_build_object('clixen.user_profiles', rows_);
  delete from clixen.projects as p where p.user_id = any (users);
  get diagnostics rows_ = row_count;
  counts := counts || jsonb_build_object('clixen.projects', rows_);
  delete from clixen.telemetry_events as t where t.user_id = any (users);
  get diagnostics rows_ = row_count;
  counts := counts || jsonb_build_object('clixen.telemetry_events', rows_);
  delete from private.n8n_slugs as s where s.user_id = any (users);
  return counts;
end
$$;
revoke execute on function private.erase_clixen_users(uuid[]) from public;

-- Hook: an account was deleted.
create function private.erase_clixen_account(account jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  return private.erase_clixen_users(array[(account ->> 'id')::uuid]);
end
$$;
revoke execute on function private.erase_clixen_account(jsonb) from public;

insert into private.hooks (system, event, function) values ('clixen', 'account_erased', 'private.erase_clixen_account');

-- The same for service_role, where another system has the accounts.
create function clixen.erase_user(user_id uuid) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
begin
  perform private.mark_erased(erase_user.user_id);
  return private.erase_clixen_users(array[erase_user.user_id]);
end
$$;
comment on function clixen.erase_user(uuid) is
  'Erases what clixen stores about a user. Definer: it reaches tables of the schema private; for service_role only.';
revoke execute on function clixen.erase_user(uuid) from public;
grant execute on function clixen.erase_user(uuid) to service_role;

-- migrate:down
drop function clixen.erase_user(uuid);
delete from private.hooks where system = 'clixen' and event = 'account_erased';
drop function private.erase_clixen_account(jsonb);
drop function private.erase_clixen_users(uuid[]);
