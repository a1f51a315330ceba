-- 0340: code generations. Code that an AI service writes for a project. Each one is a call that counts against the user's
-- api_usage_limit: it is reserved at the start, and settled at the end.
-- migrate:up
create table flashfusion.code_generations (
  id              uuid primary key default gen_random_uuid(),
  project_id      uuid not null,
  -- The token's sub. Identity belongs to the issuer, so there is no foreign key.
  user_id         uuid not null,
  ai_service_id   uuid not null,
  prompt          text not null,
  generated_code  text,
  file_path       text,
  language        text,
  framework       text,
  generation_type text not null default 'code',
  status          text not null default 'pending',
  error_message   text,
  tokens_used     bigint,
  cost_estimate   bigint,
  quality_score   numeric(4, 2),
  created_at      timestamptz not null default now(),
  completed_at    timestamptz,
  metadata        jsonb not null default '{}',
  constraint code_generations_project foreign key (project_id, user_id)
    references flashfusion.projects (id, user_id) on delete cascade,
  constraint code_generations_ai_service_id foreign key (ai_service_id) references flashfusion.ai_services (id) on delete restrict,
  constraint code_generations_prompt_length check (char_length(prompt) between 1 and 32768),
  constraint code_generations_generated_code_length check (char_length(generated_code) <= 1048576),
  constraint code_generations_file_path_length check (char_length(file_path) between 1 and 500),
  constraint code_generations_language_length check (char_length(language) between 1 and 60),
  constraint code_generations_framework_length check (char_length(framework) between 1 and 60),
  constraint code_generations_generation_type check (
    generation_type in ('code', 'component', 'page', 'api', 'test', 'refactor', 'fix', 'documentation')
  ),
  constraint code_generations_status check (status in ('pending', 'completed', 'failed')),
  constraint code_generations_error_message_length check (char_length(error_message) <= 2000),
  constraint code_generations_amounts check (tokens_used >= 0 and cost_estimate >= 0 and quality_score between 0 and 10),
  constraint code_generations_metadata check (jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 16384)
);
comment on table flashfusion.code_generations is 'Code that an AI service writes for a project.';
comment on column flashfusion.code_generations.cost_estimate is 'In micro-USD, by the price at that time; null where the price is not known.';
comment on column flashfusion.code_generations.quality_score is 'The user''s rating, 0 to 10.';

create index code_generations_user_id on flashfusion.code_generations (user_id, created_at desc, id desc);
-- With the user for the policies: without statistics two indexes would be combined, and all that they find sorted.
create index code_generations_project on flashfusion.code_generations (project_id, user_id, created_at desc);
create index code_generations_ai_service_id on flashfusion.code_generations (ai_service_id);

alter table flashfusion.code_generations enable row level security;
alter table flashfusion.code_generations force row level security;
create policy owner_select on flashfusion.code_generations for select to authenticated
  using (user_id = (select auth.uid()));
create policy owner_update on flashfusion.code_generations for update to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));
create policy owner_delete on flashfusion.code_generations for delete to authenticated
  using (user_id = (select auth.uid()));
grant select, delete, update (file_path, quality_score, metadata) on flashfusion.code_generations to authenticated;
grant select, delete on flashfusion.code_generations to service_role;
select private.scope_table('flashfusion.code_generations');
select private.limit_writes('flashfusion.code_generations', 'flashfusion', true);

create trigger code_generations_erased before insert or update on flashfusion.code_generations
  for each statement execute function private.refuse_erased_caller();
create trigger code_generations_filter before update or delete on flashfusion.code_generations
  for each statement execute function private.require_filter();
create trigger code_generations_audit after delete on flashfusion.code_generations
  for each row execute function private.audit();
create trigger code_generations_watch_deletes after delete on flashfusion.code_generations referencing old table as old_rows
  for each statement execute function private.watch_deletes();

select private.index_mentions(
  'flashfusion.code_generations', array['prompt', 'generated_code', 'file_path', 'error_message', 'metadata']
);
select private.track_changes('flashfusion.code_generations', 'array[user_id]');

-- Without foreign keys: a user who deletes a generation before its end has still made the call, which its end then counts.
create table private.generation_reservations (
  generation_id uuid primary key,
  reservation   uuid not null,
  user_id       uuid not null,
  project_id    uuid not null,
  ai_service_id uuid not null,
  created_at    timestamptz not null default now()
);
comment on table private.generation_reservations is 'The call that is reserved for a code generation which has not ended, also if its row was deleted.';

create index generation_reservations_user_id on private.generation_reservations (user_id);
create index generation_reservations_created_at on private.generation_reservations (created_at);

alter table private.generation_reservations enable row level security;
alter table private.generation_reservations force row level security;

insert into private.budget_rules (scope, period, limit_micro, description) values (
  'flashfusion.calls', 'month', 1000, 'Calls of AI services by a user. users.api_usage_limit sets the limit.'
);
insert into private.limit_rules (name, burst, refill, shared) values ('generations', 300, '100 milliseconds', 1);
insert into private.daily_allowances (name, bytes, rows) values ('generations', 52428800, 50000);

-- Begins a code generation of the caller: stores it and reserves a call. A worker with a service_role token carries it out.
create function flashfusion.start_generation(
  project_id uuid, ai_service_id uuid, prompt text, generation_type text default 'code', file_path text default null,
  language text default null, framework text default null, metadata jsonb default '{}'
) returns flashfusion.code_generations
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  caller constant flashfusion.users := private.flashfusion_caller();
  made flashfusion.code_generations;
begin
  perform private.limit_caller('generations');
  perform private.require_allowance('generations');
  if not exists (
    select from flashfusion.projects as p where p.id = start_generation.project_id and p.user_id = caller.id
  ) then
    perform private.refuse(422, 'RG614', 'There is no such project of yours', null, 'Send one of your own.');
  end if;
  if not exists (select from flashfusion.ai_services as s where s.id = start_generation.ai_service_id and s.is_active) then
    perform private.refuse(422, 'RG619', 'There is no such service', null, 'GET /v1/services lists them.');
  end if;
  insert into flashfusion.code_generations (
    project_id, user_id, ai_service_id, prompt, generation_type, file_path, language, framework, metadata
  )
  values (
    start_generation.project_id, caller.id, start_generation.ai_service_id, start_generation.prompt,
    start_generation.generation_type, start_generation.file_path, start_generation.language, start_generation.framework,
    coalesce(start_generation.metadata, '{}')
  )
  returning * into made;
  perform private.use_allowance('generations', octet_length(made.prompt) + octet_length(made.metadata::text) + 1000, 1);
  -- The limit of now: a tier may have changed. The budget's row comes last, as everybody who spends waits for it.
  if (private.budget_of('flashfusion.calls', caller.id) ->> 'limit')::bigint <> caller.api_usage_limit then
    perform private.set_budget('flashfusion.calls', caller.id, 'month', caller.api_usage_limit);
  end if;
  insert into private.generation_reservations (generation_id, reservation, user_id, project_id, ai_service_id)
  values (made.id, private.reserve('flashfusion.calls', caller.id, 1, interval '25 hours'), caller.id, made.project_id, made.ai_service_id);
  return made;
end
$$;
comment on function flashfusion.start_generation(uuid, uuid, text, text, text, text, text, jsonb) is
  'Begins a code generation of the caller and reserves a call. Definer: users may not write what counts, and budgets are in the schema private.';
revoke execute on function flashfusion.start_generation(uuid, uuid, text, text, text, text, text, jsonb) from public;
grant execute on function flashfusion.start_generation(uuid, uuid, text, text, text, text, text, jsonb) to authenticated;

-- Ends a code generation, for the worker that has carried it out. A call that the provider has not taken (no tokens) does not count. Of one
-- whose row was deleted meanwhile only the usage is stored.
create function flashfusion.finish_generation(
  id uuid, generated_code text default null, error text default null, input_tokens bigint default 0,
  output_tokens bigint default 0, cache_read_tokens bigint default 0, cache_write_tokens bigint default 0
) returns flashfusion.code_generations
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  tokens constant bigint := input_tokens + output_tokens + cache_read_tokens + cache_write_tokens;
  made flashfusion.code_generations;
  service flashfusion.ai_services;
  cost bigint;
  reserved private.generation_reservations;
begin
  if coalesce(least(input_tokens, output_tokens, cache_read_tokens, cache_write_tokens), -1) < 0 or tokens > 1000000000 then
    perform private.refuse(422, 'RG615', 'The numbers of tokens are not valid', 'Each is 0 or more');
  end if;
  select * into made from flashfusion.code_generations as g where g.id = finish_generation.id for update;
  if found and made.status <> 'pending' then
    perform private.refuse(409, 'RG612', 'The generation has ended', format('It is %s', made.status));
  end if;
  delete from private.generation_reservations as r where r.generation_id = finish_generation.id returning r.* into reserved;
  if found and made.id is null then
    made.id := reserved.generation_id;
    made.user_id := reserved.user_id;
    made.project_id := reserved.project_id;
    made.ai_service_id := reserved.ai_service_id;
    made.created_at := reserved.created_at;
  elsif made.id is null then
    perform private.refuse(404, 'RG618', 'There is no such generation');
  end if;
  select * into service from flashfusion.ai_services as s where s.id = made.ai_service_id;
  if tokens > 0 then
    cost := private.cost_micro(
      private.price_of(service.provider, service.model_name, now(), input_tokens + cache_read_tokens + cache_write_tokens),
      input_tokens, output_tokens, cache_read_tokens, cache_write_tokens
    );
  else
    cost := 0;
  end if;
  made.status := case when finish_generation.error is null then 'completed' else 'failed' end;
  made.generated_code := finish_generation.generated_code;
  made.error_message := left(finish_generation.error, 2000);
  made.tokens_used := tokens;
  made.cost_estimate := cost;
  made.completed_at := clock_timestamp();
  update flashfusion.code_generations as g set
    status = made.status, generated_code = made.generated_code, error_message = made.error_message,
    tokens_used = made.tokens_used, cost_estimate = made.cost_estimate, completed_at = made.completed_at
  where g.id = made.id;
  if tokens > 0 then
    perform private.spend(
      made.user_id, made.project_id, 'code_generation', tokens, cost,
      jsonb_build_object(
        'generation_id', made.id, 'provider', service.provider, 'model', service.model_name, 'input_tokens', input_tokens,
        'output_tokens', output_tokens, 'cache_read_tokens', cache_read_tokens, 'cache_write_tokens', cache_write_tokens,
        'is_priced', cost is not null
      )
    );
  end if;
  perform private.settle(reserved.reservation, case when tokens > 0 then 1 else 0 end);
  update flashfusion.users as u
  set api_usage_count = (private.budget_of('flashfusion.calls', made.user_id) ->> 'used')::bigint
  where u.id = made.user_id;
  return made;
end
$$;
comment on function flashfusion.finish_generation(uuid, text, text, bigint, bigint, bigint, bigint) is
  'Ends a code generation with its tokens and cost. Definer: what counts is written by functions only. For service_role only.';
revoke execute on function flashfusion.finish_generation(uuid, text, text, bigint, bigint, bigint, bigint) from public;
grant execute on function flashfusion.finish_generation(uuid, text, text, bigint, bigint, bigint, bigint) to service_role;

-- Job: generations that no worker has ended within a day have failed, before their calls are free again: otherwise users could begin any
-- number while no worker is there, and all of them would run. Returns how many calls it has given back.
create function private.fail_generations() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  overdue constant uuid[] := array(
    select r.generation_id from private.generation_reservations as r
    where r.created_at < now() - interval '24 hours' order by r.created_at limit 1000
  );
  due private.generation_reservations[];
begin
  -- In the order of flashfusion.finish_generation: the generation, then its reservation.
  perform from flashfusion.code_generations as g where g.id = any (overdue) order by g.id for update;
  with ended as (
    delete from private.generation_reservations as r where r.generation_id = any (overdue) returning r.*
  )
  select coalesce(array_agg(row(e.*)::private.generation_reservations), '{}') into due from ended as e;
  update flashfusion.code_generations as g set
    status = 'failed', error_message = 'No worker has ended it within a day.', completed_at = clock_timestamp()
  from unnest(due) as d
  where g.id = d.generation_id and g.status = 'pending';
  perform private.settle_all(array(select d.reservation from unnest(due) as d), array(select 0::bigint from unnest(due) as d));
  return cardinality(due);
end
$$;
revoke execute on function private.fail_generations() from public;

insert into private.jobs (name, function, schedule, more_from, description) values (
  'fail_generations', 'private.fail_generations', '*/5 * * * *', 1000, 'Fails code generations that no worker has ended within a day.'
);

-- migrate:down
delete from private.jobs where name = 'fail_generations';
drop function private.fail_generations();
delete from private.daily_allowances where name = 'generations';
delete from private.limit_rules where name = 'generations';
delete from private.budgets where scope = 'flashfusion.calls';
delete from private.budget_rules where scope = 'flashfusion.calls';
delete from private.mention_places where relation = 'flashfusion.code_generations';
select private.untrack_changes('flashfusion.code_generations');
drop function flashfusion.finish_generation(uuid, text, text, bigint, bigint, bigint, bigint);
drop function flashfusion.start_generation(uuid, uuid, text, text, text, text, text, jsonb);
drop table private.generation_reservations;
drop table flashfusion.code_generations;
