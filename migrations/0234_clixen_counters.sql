-- 0234: counters. What projects, sessions and profiles tell of their rows, kept by triggers: right after any mix of inserts, moves,
-- updates and deletes. Each works on a whole statement's rows at once.
-- migrate:up
-- What users themselves change, and only that, is audited and moves updated_at: not each count.
drop trigger projects_updated_at on clixen.projects;
create trigger projects_updated_at before update of user_id, name, description, color on clixen.projects
  for each row execute function private.update_updated_at();
drop trigger projects_audit on clixen.projects;
create trigger projects_audit after insert or delete or update of user_id, name, description, color on clixen.projects
  for each row execute function private.audit();
drop trigger user_profiles_updated_at on clixen.user_profiles;
create trigger user_profiles_updated_at before update of id, email, full_name, avatar_url, tier, preferences, onboarding_completed
  on clixen.user_profiles for each row execute function private.update_updated_at();
drop trigger user_profiles_audit on clixen.user_profiles;
create trigger user_profiles_audit
  after insert or delete or update of id, email, full_name, avatar_url, tier, preferences, onboarding_completed
  on clixen.user_profiles for each row execute function private.audit();

-- Trigger of what has a project_id: that project has just been worked in.
create function clixen.update_project_activity() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
declare
  touched uuid[];
begin
  if tg_op = 'INSERT' then
    touched := array(select distinct c.project_id from come as c);
  elsif tg_op = 'DELETE' then
    touched := array(select distinct g.project_id from gone as g);
  else
    touched := array(select c.project_id from come as c union select g.project_id from gone as g);
  end if;
  -- The time now, not the transaction's: messages have it too.
  update clixen.projects as p set last_activity_at = greatest(p.last_activity_at, clock_timestamp()) where p.id = any (touched);
  return null;
end
$$;
comment on function clixen.update_project_activity() is
  'Trigger of workflows and chat sessions. Definer: last_activity_at is not the user''s to write.';

-- Whoever changes a user's totals does so beside others, but not beside the making of the user's profile, which counts anew: what is
-- not in line yet would be in neither count. In line with nothing else: whoever makes a profile waits for no row afterwards.
create function private.count_beside_profiles(users uuid[]) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  one uuid;
begin
  foreach one in array users loop
    perform pg_advisory_xact_lock_shared(hashtextextended(one::text, 221));
  end loop;
end
$$;

-- Trigger of workflows: how many a project has, and its user.
create function clixen.update_mvp_workflow_counters() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
declare
  users uuid[];
begin
  if tg_op = 'INSERT' then
    update clixen.projects as p set workflow_count = p.workflow_count + n.count
    from (select c.project_id, count(*) as count from come as c group by c.project_id) as n
    where p.id = n.project_id;
    perform private.count_beside_profiles(array(select distinct c.user_id from come as c order by 1));
    update clixen.user_profiles as p set
      total_workflows_created = p.total_workflows_created + n.count,
      first_workflow_created_at = least(p.first_workflow_created_at, n.first)
    from (select c.user_id, count(*) as count, min(c.created_at) as first from come as c group by c.user_id) as n
    where p.id = n.user_id;
  elsif tg_op = 'DELETE' then
    update clixen.projects as p set workflow_count = p.workflow_count - n.count
    from (select g.project_id, count(*) as count from gone as g group by g.project_id) as n
    where p.id = n.project_id;
    perform private.count_beside_profiles(array(select distinct g.user_id from gone as g order by 1));
    update clixen.user_profiles as p set total_workflows_created = greatest(p.total_workflows_created - n.count, 0)
    from (select g.user_id, count(*) as count from gone as g group by g.user_id) as n
    where p.id = n.user_id;
  else
    update clixen.projects as p set workflow_count = p.workflow_count + n.count
    from (
      select moved.project_id, sum(moved.count) as count
      from (
        select c.project_id, 1 as count from come as c
        union all
        select g.project_id, -1 from gone as g
      ) as moved
      group by moved.project_id
      having sum(moved.count) <> 0
    ) as n
    where p.id = n.project_id;
    users := array(
      select moved.user_id
      from (
        select c.user_id, 1 as count, c.created_at from come as c
        union all
        select g.user_id, -1, g.created_at from gone as g
      ) as moved
      group by moved.user_id
      -- Also where as many came as went.
      having sum(moved.count) <> 0
        or min(moved.created_at) filter (where moved.count > 0) <> min(moved.created_at) filter (where moved.count < 0)
      order by 1
    );
    if users = '{}' then
      return null;
    end if;
    perform private.count_beside_profiles(users);
    update clixen.user_profiles as p set
      total_workflows_created = greatest(p.total_workflows_created + n.count, 0),
      first_workflow_created_at = least(p.first_workflow_created_at, n.first)
    from (
      select moved.user_id, sum(moved.count) as count, min(moved.created_at) filter (where moved.count > 0) as first
      from (
        select c.user_id, 1 as count, c.created_at from come as c
        union all
        select g.user_id, -1, g.created_at from gone as g
      ) as moved
      group by moved.user_id
    ) as n
    where p.id = n.user_id and p.id = any (users);
  end if;
  return null;
end
$$;
comment on function clixen.update_mvp_workflow_counters() is
  'Trigger of workflows. Definer: counters and totals are not the user''s to write.';

-- Trigger of messages: how many a session has, and since when there was none.
create function clixen.update_mvp_chat_counters() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
declare
  touched uuid[];
begin
  if tg_op = 'INSERT' then
    update clixen.mvp_chat_sessions as s set
      message_count = s.message_count + n.count,
      last_message_at = greatest(s.last_message_at, n.last)
    from (select c.session_id, count(*) as count, max(c.created_at) as last from come as c group by c.session_id) as n
    where s.id = n.session_id;
    return null;
  end if;
  if tg_op = 'DELETE' then
    touched := array(select distinct g.session_id from gone as g);
  else
    touched := array(
      select changed.session_id
      from (
        select c.session_id, c.created_at, 1 as count from come as c
        union all
        select g.session_id, g.created_at, -1 from gone as g
      ) as changed
      group by changed.session_id, changed.created_at
      having sum(changed.count) <> 0
    );
  end if;
  -- Counted anew: which was the last nobody remembers. In a statement after the lock, which sees whatever was counted before it.
  perform from clixen.mvp_chat_sessions as s where s.id = any (touched) order by s.id for no key update;
  update clixen.mvp_chat_sessions as s set message_count = n.count, last_message_at = n.last
  from (
    select t.id, (select count(*) from clixen.mvp_chat_messages as m where m.session_id = t.id) as count,
      (select max(m.created_at) from clixen.mvp_chat_messages as m where m.session_id = t.id) as last
    from (select distinct unnest(touched) as id) as t
  ) as n
  where s.id = n.id;
  return null;
end
$$;
comment on function clixen.update_mvp_chat_counters() is
  'Trigger of messages. Definer: message_count and last_message_at are not the user''s to write.';

-- Trigger of deployments: how many of a user's came to serve, and which sessions came to that.
create function clixen.update_deployment_counters() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
declare
  served constant text[] := '{deployed,rolled_back}';
begin
  if tg_op in ('INSERT', 'UPDATE') then
    perform private.count_beside_profiles(array(select distinct c.user_id from come as c where c.status = any (served) order by 1));
    update clixen.user_profiles as p set
      total_deployments = p.total_deployments + n.count,
      first_deployment_at = least(p.first_deployment_at, n.first)
    from (
      select c.user_id, count(*) as count, min(coalesce(c.completed_at, c.created_at)) as first
      from come as c
      where c.status = any (served)
      group by c.user_id
    ) as n
    where p.id = n.user_id;
    update clixen.mvp_chat_sessions as s set workflow_deployed = true
    from come as c
    where c.status = 'deployed' and s.workflow_id = c.workflow_id and s.user_id = c.user_id and not s.workflow_deployed;
  end if;
  if tg_op in ('DELETE', 'UPDATE') then
    perform private.count_beside_profiles(array(select distinct g.user_id from gone as g where g.status = any (served) order by 1));
    update clixen.user_profiles as p set total_deployments = greatest(p.total_deployments - n.count, 0)
    from (select g.user_id, count(*) as count from gone as g where g.status = any (served) group by g.user_id) as n
    where p.id = n.user_id;
  end if;
  return null;
end
$$;
comment on function clixen.update_deployment_counters() is
  'Trigger of deployments. Definer: totals are not the user''s to write.';

revoke execute on function private.count_beside_profiles(uuid[]) from public;
revoke execute on function clixen.update_project_activity() from public;
revoke execute on function clixen.update_mvp_workflow_counters() from public;
revoke execute on function clixen.update_mvp_chat_counters() from public;
revoke execute on function clixen.update_deployment_counters() from public;

do $$
declare
  counted record;
begin
  -- Rows that come and go are told to a trigger of one kind of statement only.
  for counted in
    values
      ('mvp_workflows', 'counters', 'update_mvp_workflow_counters'),
      ('mvp_workflows', 'activity', 'update_project_activity'),
      ('mvp_chat_sessions', 'activity', 'update_project_activity'),
      ('mvp_chat_messages', 'counters', 'update_mvp_chat_counters'),
      ('deployments', 'counters', 'update_deployment_counters')
  loop
    execute format(
      'create trigger %1$s_%2$s_insert after insert on clixen.%1$s referencing new table as come
        for each statement execute function clixen.%3$s()', counted.column1, counted.column2, counted.column3
    );
    execute format(
      'create trigger %1$s_%2$s_update after update on clixen.%1$s referencing old table as gone new table as come
        for each statement execute function clixen.%3$s()', counted.column1, counted.column2, counted.column3
    );
    execute format(
      'create trigger %1$s_%2$s_delete after delete on clixen.%1$s referencing old table as gone
        for each statement execute function clixen.%3$s()', counted.column1, counted.column2, counted.column3
    );
  end loop;
end
$$;

comment on column clixen.user_profiles.total_workflows_created is 'Workflows that the user has made and not deleted.';
comment on column clixen.user_profiles.total_deployments is 'Deployments, of workflows not deleted, that came to serve.';
comment on column clixen.user_profiles.first_workflow_created_at is 'Stays when that workflow is deleted; so does first_deployment_at.';

-- The caller's first project, made at the first call together with the profile; twenty first calls at once make one.
create function clixen.get_or_create_default_project(user_id uuid default auth.uid()) returns clixen.projects
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  caller constant uuid := (select auth.uid());
  project clixen.projects;
begin
  if get_or_create_default_project.user_id is distinct from caller then
    perform private.refuse(403, 'RG528', 'This is another user''s project', null, 'Leave user_id out, or send your own.');
  end if;
  perform clixen.ensure_user_profile();
  perform pg_advisory_xact_lock(hashtextextended(caller::text, 220));
  select * into project from clixen.projects as p where p.user_id = caller order by p.created_at, p.id limit 1;
  if not found then
    insert into clixen.projects (user_id, name, description)
    values (caller, 'My first project', 'Made for you at your first visit')
    returning * into project;
  end if;
  return project;
end
$$;
comment on function clixen.get_or_create_default_project(uuid) is
  'The caller''s first project. Definer: it makes the profile, which users may not insert.';
revoke execute on function clixen.get_or_create_default_project(uuid) from public;
grant execute on function clixen.get_or_create_default_project(uuid) to authenticated;

-- migrate:down
drop function clixen.get_or_create_default_project(uuid);
comment on column clixen.user_profiles.total_workflows_created is null;
comment on column clixen.user_profiles.total_deployments is null;
comment on column clixen.user_profiles.first_workflow_created_at is null;
drop function clixen.update_deployment_counters() cascade;
drop function clixen.update_mvp_chat_counters() cascade;
drop function clixen.update_mvp_workflow_counters() cascade;
drop function clixen.update_project_activity() cascade;
drop function private.count_beside_profiles(uuid[]);
drop trigger user_profiles_audit on clixen.user_profiles;
create trigger user_profiles_audit after insert or update or delete on clixen.user_profiles
  for each row execute function private.audit();
drop trigger user_profiles_updated_at on clixen.user_profiles;
create trigger user_profiles_updated_at before update on clixen.user_profiles
  for each row execute function private.update_updated_at();
drop trigger projects_audit on clixen.projects;
create trigger projects_audit after insert or update or delete on clixen.projects
  for each row execute function private.audit();
drop trigger projects_updated_at on clixen.projects;
create trigger projects_updated_at before update on clixen.projects
  for each row execute function private.update_updated_at();
