-- 0310: AI services. The operator's catalogue of models; prices are those of private.model_prices. Anybody reads the active ones.
-- migrate:up
create table flashfusion.ai_services (
  id                        uuid primary key default gen_random_uuid(),
  name                      text not null,
  provider                  text not null,
  model_name                text not null,
  api_endpoint              text,
  capabilities              jsonb not null default '[]',
  pricing_model             text not null default 'per_token',
  cost_per_1k_tokens        numeric(12, 6),
  max_tokens                bigint,
  context_window            bigint,
  supports_streaming        boolean not null default true,
  supports_function_calling boolean not null default false,
  is_active                 boolean not null default true,
  created_at                timestamptz not null default now(),
  updated_at                timestamptz not null default now(),
  constraint ai_services_name_length check (char_length(name) between 1 and 120),
  constraint ai_services_provider check (provider ~ '^[a-z][a-z0-9_.-]{0,59}$'),
  constraint ai_services_model_name check (model_name ~ '^[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,119}$'),
  constraint ai_services_api_endpoint check (api_endpoint ~ '^https://' and char_length(api_endpoint) <= 2000),
  constraint ai_services_capabilities check (jsonb_typeof(capabilities) = 'array' and octet_length(capabilities::text) <= 16384),
  constraint ai_services_pricing_model check (pricing_model in ('per_token', 'per_request', 'free')),
  constraint ai_services_cost check (cost_per_1k_tokens >= 0),
  constraint ai_services_sizes check (max_tokens > 0 and context_window > 0)
);
comment on table flashfusion.ai_services is 'Models that users may call. Written by service_role; everybody reads the active ones.';
comment on column flashfusion.ai_services.cost_per_1k_tokens is
  'In dollars, for display where no price is known. Costs are computed from private.model_prices.';

create unique index ai_services_model on flashfusion.ai_services (provider, model_name);

alter table flashfusion.ai_services enable row level security;
alter table flashfusion.ai_services force row level security;
create policy anyone_select on flashfusion.ai_services for select to anon, authenticated
  using (is_active);
grant select on flashfusion.ai_services to anon, authenticated;
grant select, insert, update, delete on flashfusion.ai_services to service_role;
select private.scope_table('flashfusion.ai_services');

create trigger ai_services_erased before insert or update on flashfusion.ai_services
  for each statement execute function private.refuse_erased_caller();
create trigger ai_services_filter before update or delete on flashfusion.ai_services
  for each statement execute function private.require_filter();
create trigger ai_services_updated_at before update on flashfusion.ai_services
  for each row execute function private.update_updated_at();
create trigger ai_services_audit after insert or update or delete on flashfusion.ai_services
  for each row execute function private.audit();

select private.index_mentions('flashfusion.ai_services', array['name', 'api_endpoint', 'capabilities']);

-- What a service costs now, in micro-USD per million tokens; null if no price is known. PostgREST serves it as a column of the table.
create function flashfusion.price(service flashfusion.ai_services) returns jsonb
  language plpgsql stable security definer
  set search_path = ''
  as $$
declare
  known private.model_prices;
begin
  -- The stored row: a caller may send any other one, and not every price is public.
  select p.* into known
  from flashfusion.ai_services as s, private.price_of(s.provider, s.model_name, now()) as p
  where s.id = service.id and (s.is_active or private.is_server());
  return case when known.provider is not null then jsonb_build_object(
    'input_micro', known.input_micro, 'output_micro', known.output_micro, 'cache_read_micro', known.cache_read_micro,
    'cache_write_micro', known.cache_write_micro, 'effective_from', known.effective_from
  ) end;
end
$$;
comment on function flashfusion.price(flashfusion.ai_services) is
  'What a service costs now. Definer: prices are in the schema private, and public like the service.';
revoke execute on function flashfusion.price(flashfusion.ai_services) from public;
grant execute on function flashfusion.price(flashfusion.ai_services) to anon, authenticated, service_role;

-- The active services with their prices, as the endpoint shows them to everybody.
create function flashfusion.list_services() returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return jsonb_build_object('services', coalesce((
    select jsonb_agg(
      jsonb_build_object(
        'id', s.id, 'name', s.name, 'provider', s.provider, 'model_name', s.model_name, 'capabilities', s.capabilities,
        'pricing_model', s.pricing_model, 'max_tokens', s.max_tokens, 'context_window', s.context_window,
        'supports_streaming', s.supports_streaming, 'supports_function_calling', s.supports_function_calling,
        'price', flashfusion.price(s)
      ) order by s.provider, s.model_name
    )
    from flashfusion.ai_services as s
    where s.is_active
  ), '[]'));
end
$$;
comment on function flashfusion.list_services() is 'The active services with their prices.';
revoke execute on function flashfusion.list_services() from public;
grant execute on function flashfusion.list_services() to anon, authenticated, service_role;

-- migrate:down
delete from private.mention_places where relation = 'flashfusion.ai_services';
drop function flashfusion.list_services();
drop function flashfusion.price(flashfusion.ai_services);
drop table flashfusion.ai_services;
