-- 0501: tenants. Companies, each with its own model, settings and limits. Admins change the settings; the limits, the provider and the model
-- are written by service_role only: the operator pays for them.
-- migrate:up
create table assistant.tenants (
  id                    uuid constraint tenants_pkey primary key default gen_random_uuid(),
  name                  text not null,
  slug                  text not null,
  llm_provider          text not null,
  llm_model             text not null,
  temperature           numeric(3, 2),
  max_tokens            bigint not null default 1024,
  system_prompt         text,
  features              jsonb not null default '{}',
  rate_limit_per_minute bigint not null default 60,
  daily_token_limit     bigint not null default 100000,
  branding              jsonb not null default '{}',
  is_active             boolean not null default true,
  created_at            timestamptz not null default now(),
  updated_at            timestamptz not null default now(),
  constraint tenants_slug unique (slug),
  constraint tenants_name check (char_length(name) between 1 and 120 and name ~ '\S'),
  constraint tenants_slug_form check (slug ~ '^[a-z0-9](-?[a-z0-9]){1,59}$'),
  constraint tenants_llm_provider check (llm_provider ~ '^[a-z][a-z0-9_]{1,39}$'),
  constraint tenants_llm_model check (char_length(llm_model) between 1 and 200 and llm_model ~ '\S'),
  constraint tenants_temperature check (temperature between 0 and 2),
  constraint tenants_max_tokens check (max_tokens between 1 and 128000),
  constraint tenants_system_prompt check (char_length(system_prompt) <= 20000),
  constraint tenants_features check (jsonb_typeof(features) = 'object' and octet_length(features::text) <= 16384),
  constraint tenants_rate_limit_per_minute check (rate_limit_per_minute between 1 and 100000),
  constraint tenants_daily_token_limit check (daily_token_limit between 0 and 1000000000000000),
  constraint tenants_branding check (jsonb_typeof(branding) = 'object' and octet_length(branding::text) <= 16384)
);
comment on table assistant.tenants is 'Companies that give their people an assistant. A tenant that is not active is closed to all its members.';
comment on column assistant.tenants.llm_provider is 'Which provider answers. Its address is the edge''s configuration; no tenant chooses one.';
comment on column assistant.tenants.temperature is 'Null: the provider''s own default.';
comment on column assistant.tenants.max_tokens is 'The most tokens of one answer.';
comment on column assistant.tenants.features is
  'private_conversations: members see their own conversations only. time_zone: whose midnight begins the day of daily_token_limit. history_tokens: how much of a conversation goes along with a question. Other keys are refused.';
comment on column assistant.tenants.branding is 'What the tenant''s own pages show, such as colours.';

alter table assistant.tenants enable row level security;
alter table assistant.tenants force row level security;
create policy member_select on assistant.tenants for select to authenticated
  using (id = (select (assistant.me()).tenant_id));
create policy admin_update on assistant.tenants for update to authenticated
  using (id = (select (assistant.me()).tenant_id) and (select assistant.is_admin()))
  with check (id = (select (assistant.me()).tenant_id) and (select assistant.is_admin()));
grant select, update (name, temperature, max_tokens, system_prompt, features, branding) on assistant.tenants to authenticated;
grant select, insert, update, delete on assistant.tenants to service_role;
select private.scope_table('assistant.tenants', array['update']);
select private.limit_writes('assistant.tenants', 'assistant', true);

-- The time zone of a tenant's days.
create function private.tenant_zone(tenant uuid) returns text
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return coalesce((select t.features ->> 'time_zone' from assistant.tenants as t where t.id = tenant_zone.tenant), 'UTC');
end
$$;
revoke execute on function private.tenant_zone(uuid) from public;

-- How many tokens of a conversation go along with a question.
create function private.history_tokens(features jsonb) returns bigint
  language sql immutable
  set search_path = ''
  as $$ select coalesce((features ->> 'history_tokens')::bigint, 8000) $$;
revoke execute on function private.history_tokens(jsonb) from public;

-- Trigger: refuses features that nothing would read. A misspelt private_conversations would show everybody's conversations to all.
create function private.check_tenant_features() returns trigger
  language plpgsql
  -- Definer: request roles may call nothing in the schema private.
  security definer
  set search_path = ''
  as $$
declare
  wrong text;
begin
  select format('features.%s: %s', left(f.key, 100), case f.key
    when 'private_conversations' then 'true or false'
    when 'time_zone' then 'the name of a time zone, such as Europe/Berlin'
    when 'history_tokens' then 'a whole number of 0 to 200000'
    else 'no such feature'
  end) into wrong
  from jsonb_each(new.features) as f
  where case f.key
    when 'private_conversations' then jsonb_typeof(f.value) <> 'boolean'
    when 'time_zone' then case jsonb_typeof(f.value)
      when 'string' then not exists (select from pg_catalog.pg_timezone_names as z where z.name = f.value #>> '{}')
      else true
    end
    when 'history_tokens' then jsonb_typeof(f.value) <> 'number' or f.value::text !~ '^([0-9]{1,5}|1[0-9]{5}|200000)$'
    else true
  end
  order by f.key
  limit 1;
  if found then
    perform private.refuse(422, 'RG699', 'A setting is invalid', wrong, 'Correct it and send it again.');
  end if;
  return new;
end
$$;
revoke execute on function private.check_tenant_features() from public;

create trigger tenants_erased before insert or update on assistant.tenants
  for each statement execute function private.refuse_erased_caller();
create trigger tenants_filter before update or delete on assistant.tenants
  for each statement execute function private.require_filter();
create trigger tenants_check_features before insert or update of features on assistant.tenants
  for each row when (jsonb_typeof(new.features) = 'object') execute function private.check_tenant_features();
create trigger tenants_updated_at before update on assistant.tenants
  for each row execute function private.update_updated_at();
create trigger tenants_audit after insert or delete or update on assistant.tenants
  for each row execute function private.audit();

select private.index_mentions('assistant.tenants', array['name', 'system_prompt', 'branding']);

-- migrate:down
delete from private.mention_places where relation = 'assistant.tenants';
drop function private.tenant_zone(uuid);
drop table assistant.tenants;
drop function private.check_tenant_features();
drop function private.history_tokens(jsonb);
