-- 0020: hooks. What happens to accounts, and what somebody wants to know or have erased, concerns all systems: each system registers
-- its functions here, and the core calls them.
-- migrate:up
create table private.hooks (
  system   text not null,
  event    text not null,
  function text not null,
  constraint hooks_pkey primary key (event, system),
  constraint hooks_system check (system ~ '^[a-z][a-z0-9_]{0,59}$'),
  constraint hooks_event check (
    event in (
      'account_created', 'account_changed', 'account_erased', 'person_addresses', 'person_users', 'person_found', 'person_rows',
      'person_export', 'person_kept', 'person_erase'
    )
  ),
  constraint hooks_function check (function ~ '^[a-z_][a-z0-9_]*[.][a-z_][a-z0-9_]*$')
);
comment on table private.hooks is 'Functions of systems that the core calls. Only the owner of this table writes it; the migration of a system inserts its own.';
comment on column private.hooks.event is
  'When it is called. account_...: an account of auth.users is created, has another confirmed address or is banned, is deleted (0022). person_...: somebody''s data is looked for, exported or erased (0021).';
comment on column private.hooks.function is
  'The function to call, with its schema. It takes one jsonb and returns one jsonb; only the owner of this table may execute it.';

alter table private.hooks enable row level security;
alter table private.hooks force row level security;

-- Trigger: refuses a function that is not there, or that somebody else may execute.
create function private.check_hook() returns trigger
  language plpgsql
  set search_path = ''
  as $$
begin
  if private.internal_function(new.function, 'jsonb', 'jsonb') is null then
    raise undefined_function using
      message = format('%s(jsonb) is no function of a hook', new.function),
      hint = 'It returns jsonb, and is granted to nobody: revoke execute on it from public.';
  end if;
  return new;
end
$$;

create trigger hooks_check before insert or update on private.hooks
  for each row execute function private.check_hook();

-- Calls the functions of an event, and returns the answer of each system. While they run, the planner can use only the index of each
-- condition: plans that depended on the statistics read whole tables for minutes when these were missing or old. With index scans
-- allowed, it would read a whole index in the order of its keys; a bitmap needs a condition.
create function private.call_hooks(event text, argument jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  set enable_seqscan = off
  set enable_indexscan = off
  set enable_indexonlyscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off
  as $$
declare
  hook private.hooks;
  call text;
  answer jsonb;
  answers jsonb := '{}';
begin
  for hook in select h.* from private.hooks as h where h.event = call_hooks.event order by h.system loop
    call := private.internal_function(hook.function, 'jsonb', 'jsonb');
    if call is null then
      raise undefined_function using message = format('%s(jsonb) is no function of a hook', hook.function);
    end if;
    execute format('select %s($1)', call) into answer using argument;
    answers := answers || jsonb_build_object(hook.system, answer);
  end loop;
  return answers;
end
$$;
revoke execute on function private.call_hooks(text, jsonb) from public;

-- The answers of all systems as one: objects are united, lists are joined.
create function private.united(answers jsonb) returns jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  answer jsonb;
  all_ jsonb := '{}';
begin
  -- Not by jsonb_object_agg: for each text of a list it reads the rest of the list, which takes seconds for ten thousand ids.
  for answer in select a.value from jsonb_each(answers) as a where jsonb_typeof(a.value) = 'object' loop
    all_ := all_ || answer;
  end loop;
  return all_;
end
$$;
revoke execute on function private.united(jsonb) from public;

create function private.joined(answers jsonb) returns jsonb
  language sql immutable
  set search_path = ''
  as $$
select coalesce(jsonb_agg(distinct item.value), '[]')
from jsonb_each(answers) as answer
cross join lateral jsonb_array_elements(case jsonb_typeof(answer.value) when 'array' then answer.value else '[]' end) as item
$$;
revoke execute on function private.joined(jsonb) from public;

-- migrate:down
drop function private.joined(jsonb);
drop function private.united(jsonb);
drop function private.call_hooks(text, jsonb);
drop table private.hooks;
drop function private.check_hook();
