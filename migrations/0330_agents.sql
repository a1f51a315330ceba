-- 0330: agents. The operator's catalogue of agents, which work on users' tasks. Anybody reads the active ones.
-- migrate:up
create table flashfusion.agents (
  id               uuid primary key default gen_random_uuid(),
  name             text not null,
  type             text not null,
  capabilities     jsonb not null default '[]',
  status           text not null default 'online',
  created_at       timestamptz not null default now(),
  updated_at       timestamptz not null default now(),
  last_activity_at timestamptz,
  version          text not null default '1',
  is_active        boolean not null default true,
  constraint agents_name_length check (char_length(name) between 1 and 120),
  constraint agents_type check (type ~ '^[a-z][a-z0-9_.-]{0,59}$'),
  constraint agents_capabilities check (jsonb_typeof(capabilities) = 'array' and octet_length(capabilities::text) <= 16384),
  constraint agents_status check (status in ('online', 'offline', 'busy', 'maintenance', 'error')),
  constraint agents_version_length check (char_length(version) between 1 and 60)
);
comment on table flashfusion.agents is 'Agents that work on tasks. Written by service_role; everybody reads the active ones.';
comment on column flashfusion.agents.last_activity_at is 'When a worker last took a task of this agent: noted once a minute.';

create unique index agents_name_key on flashfusion.agents (lower(name collate "C"));
create index agents_active on flashfusion.agents (type, id) where is_active;

alter table flashfusion.agents enable row level security;
alter table flashfusion.agents force row level security;
create policy anyone_select on flashfusion.agents for select to anon, authenticated
  using (is_active);
grant select on flashfusion.agents to anon, authenticated;
grant select, insert, update, delete on flashfusion.agents to service_role;
select private.scope_table('flashfusion.agents');

create trigger agents_erased before insert or update on flashfusion.agents
  for each statement execute function private.refuse_erased_caller();
create trigger agents_filter before update or delete on flashfusion.agents
  for each statement execute function private.require_filter();
create trigger agents_updated_at before update of id, name, type, capabilities, status, version, is_active on flashfusion.agents
  for each row execute function private.update_updated_at();
create trigger agents_audit after insert or delete or update of id, name, type, capabilities, status, version, is_active
  on flashfusion.agents for each row execute function private.audit();

select private.index_mentions('flashfusion.agents', array['name', 'capabilities']);

-- In a table of its own: a grant by column would make `select=*` fail for everybody else.
create table private.agent_settings (
  agent_id         uuid primary key references flashfusion.agents (id) on delete cascade,
  config           jsonb not null default '{}',
  health_check_url text,
  constraint agent_settings_config check (jsonb_typeof(config) = 'object' and octet_length(config::text) <= 65536),
  constraint agent_settings_health_check_url check (health_check_url ~ '^https?://' and char_length(health_check_url) <= 2000)
);
comment on table private.agent_settings is 'What only service_role may know of an agent: its configuration, and the address of its health check.';

alter table private.agent_settings enable row level security;
alter table private.agent_settings force row level security;

-- Reads the settings of an agent, or writes those that are given.
create function flashfusion.agent_settings(agent_id uuid, config jsonb default null, health_check_url text default null) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  settings private.agent_settings;
begin
  if not exists (select from flashfusion.agents as a where a.id = agent_settings.agent_id) then
    perform private.refuse(404, 'RG613', 'There is no such agent', null, 'Read flashfusion.agents.');
  end if;
  insert into private.agent_settings as s (agent_id, config, health_check_url)
  values (agent_settings.agent_id, coalesce(agent_settings.config, '{}'), agent_settings.health_check_url)
  on conflict on constraint agent_settings_pkey do update set
    config = coalesce(agent_settings.config, s.config),
    health_check_url = coalesce(agent_settings.health_check_url, s.health_check_url)
  returning * into settings;
  return jsonb_build_object(
    'agent_id', settings.agent_id, 'config', settings.config, 'health_check_url', settings.health_check_url
  );
end
$$;
comment on function flashfusion.agent_settings(uuid, jsonb, text) is
  'An agent''s configuration and health check, for service_role. Definer: the table is in the schema private.';
revoke execute on function flashfusion.agent_settings(uuid, jsonb, text) from public;
grant execute on function flashfusion.agent_settings(uuid, jsonb, text) to service_role;

-- The same as columns of the table, which PostgREST serves to service_role: `select=*,config,health_check_url`.
create function flashfusion.config(agent flashfusion.agents) returns jsonb
  language sql stable security definer
  set search_path = ''
  as $$ select coalesce((select s.config from private.agent_settings as s where s.agent_id = agent.id), '{}') $$;
comment on function flashfusion.config(flashfusion.agents) is
  'An agent''s configuration, for service_role. Definer: the table is in the schema private.';
revoke execute on function flashfusion.config(flashfusion.agents) from public;
grant execute on function flashfusion.config(flashfusion.agents) to service_role;

create function flashfusion.health_check_url(agent flashfusion.agents) returns text
  language sql stable security definer
  set search_path = ''
  as $$ select s.health_check_url from private.agent_settings as s where s.agent_id = agent.id $$;
comment on function flashfusion.health_check_url(flashfusion.agents) is
  'The address of an agent''s health check, for service_role. Definer: the table is in the schema private.';
revoke execute on function flashfusion.health_check_url(flashfusion.agents) from public;
grant execute on function flashfusion.health_check_url(flashfusion.agents) to service_role;

-- The active agents, as the endpoint shows them to everybody.
create function flashfusion.list_agents() returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return jsonb_build_object('agents', coalesce((
    select jsonb_agg(
      jsonb_build_object(
        'id', a.id, 'name', a.name, 'type', a.type, 'capabilities', a.capabilities, 'status', a.status
      ) order by a.type, a.name
    )
    from flashfusion.agents as a
    where a.is_active
  ), '[]'));
end
$$;
comment on function flashfusion.list_agents() is 'The active agents.';
revoke execute on function flashfusion.list_agents() from public;
grant execute on function flashfusion.list_agents() to anon, authenticated, service_role;

-- migrate:down
delete from private.mention_places where relation = 'flashfusion.agents';
drop function flashfusion.list_agents();
drop function flashfusion.health_check_url(flashfusion.agents);
drop function flashfusion.config(flashfusion.agents);
drop function flashfusion.agent_settings(uuid, jsonb, text);
drop table private.agent_settings;
drop table flashfusion.agents;
