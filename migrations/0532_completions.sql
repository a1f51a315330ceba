-- 0532: chat completions. Programs that speak OpenAI's API ask the tenant's provider at the tenant's expense. Nothing that they say is stored.
-- migrate:up
-- Why a message of a request is none; null if it is one. Files are looked for before.
create function private.completion_message_fault(message jsonb) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  content constant jsonb := coalesce(message -> 'content', 'null');
begin
  return case
    when jsonb_typeof(message) <> 'object' then 'an object with role and content'
    when coalesce(message ->> 'role' not in ('system', 'developer', 'user', 'assistant', 'tool'), true)
      then 'role: system, developer, user, assistant or tool'
    when jsonb_typeof(content) = 'null' and message ->> 'role' = 'assistant' then null
    when jsonb_typeof(content) = 'string' then null
    when jsonb_typeof(content) <> 'array' then 'content: a text'
    when exists (
      select from jsonb_array_elements(content) as part
      where coalesce(part ->> 'type' not in ('text', 'refusal') or jsonb_typeof(part -> (part ->> 'type')) <> 'string', true)
    ) then 'content: a text, or parts of type text'
  end;
end
$$;
revoke execute on function private.completion_message_fault(jsonb) from public;

-- Why a request is none; null if it is one.
create function private.completion_fault(request jsonb) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  messages constant jsonb := case when jsonb_typeof(request -> 'messages') = 'array' then request -> 'messages' else '[]' end;
  limit_ text;
begin
  foreach limit_ in array array['max_tokens', 'max_completion_tokens'] loop
    if request ->> limit_ is not null and private.token_limit(request -> limit_) is null then
      return limit_ || ': a whole number from 1';
    end if;
  end loop;
  return case
    when jsonb_array_length(messages) not between 1 and 2000 then 'messages: an array of 1 to 2,000 messages'
    when coalesce(jsonb_typeof(request -> 'model'), 'null') not in ('string', 'null') then 'model: a text'
    when coalesce(jsonb_typeof(request -> 'stream'), 'null') not in ('boolean', 'null') then 'stream: true or false'
    when request ->> 'n' <> '1' then 'n: one answer for a request'
    when coalesce(request -> 'modalities', 'null') not in ('null', '["text"]') then 'modalities: text only'
    when request ?| array['functions', 'function_call'] then 'functions: send tools'
    -- Providers' own tools, such as a search of the web, cost by the use, which no sum here has.
    when coalesce(jsonb_typeof(request -> 'tools'), 'null') not in ('array', 'null') or exists (
      select from jsonb_path_query(request, 'strict $.tools[*]', silent => true) as tool
      where coalesce(tool ->> 'type', '') not in ('function', 'custom')
    ) then 'tools: an array of tools of type function or custom'
    else (
      select format('messages[%s]: %s', m.ordinality - 1, private.completion_message_fault(m.value))
      from jsonb_array_elements(messages) with ordinality as m
      where private.completion_message_fault(m.value) is not null
      order by m.ordinality limit 1
    )
  end;
end
$$;
revoke execute on function private.completion_fault(jsonb) from public;

-- A message with what providers know of it. Parts keep their text: caching, for one, is another provider's word. Fields without a value, which
-- OpenAI's answers have and programs send again, are left out: some providers refuse them.
create function private.completion_message(message jsonb) returns jsonb
  language sql immutable
  set search_path = ''
  as $$
select jsonb_object_agg(f.key, case
  when f.key = 'content' and jsonb_typeof(f.value) = 'array' then (
    select coalesce(jsonb_agg(jsonb_build_object('type', part -> 'type', part ->> 'type', part -> (part ->> 'type')) order by p.ordinality), '[]')
    from jsonb_array_elements(f.value) with ordinality as p (part, ordinality)
  )
  else f.value
end)
from jsonb_each(message) as f
where f.key in ('role', 'content', 'name', 'tool_calls', 'tool_call_id', 'refusal') and (f.value <> 'null' or f.key = 'content')
$$;
revoke execute on function private.completion_message(jsonb) from public;

-- Begins a request in OpenAI's form. Of its fields, those that change the answer go to the provider; fields that name somebody (user,
-- metadata), have the provider keep something or cost extra (store, service_tier), and those that nobody here knows are left out.
create function assistant.begin_completion(request jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  caller constant assistant.member := private.require_member();
  fault text;
  known assistant.tenants;
  body jsonb;
begin
  if request ->> 'audio' is not null
    or exists (select from jsonb_path_query(request, '$.messages[*].content[*]') as part where private.is_file_part(part)) then
    perform private.refuse_attachment();
  end if;
  fault := private.completion_fault(request);
  if fault is not null then
    perform private.refuse(422, 'RG687', 'This is no request for a chat completion', fault, 'Correct it and send it again.');
  end if;
  -- In the order of private.end_turn.
  select t.* into strict known from assistant.tenants as t where t.id = caller.tenant_id for key share;
  perform from assistant.users as u where u.tenant_id = caller.tenant_id and u.id = caller.id for key share;
  if request ->> 'model' <> known.llm_model then
    perform private.refuse(
      404, 'RG688', 'There is no such model', 'The tenant has ' || known.llm_model, 'Take it from GET /v1/models, or leave model out.'
    );
  end if;
  body := coalesce((
    select jsonb_object_agg(f.key, f.value) from jsonb_each(request) as f
    where f.value <> 'null' and f.key in (
      'temperature', 'top_p', 'stop', 'presence_penalty', 'frequency_penalty', 'seed', 'logit_bias', 'logprobs', 'top_logprobs', 'tools',
      'tool_choice', 'parallel_tool_calls', 'response_format', 'reasoning_effort', 'verbosity'
    )
  ), '{}') || jsonb_build_object(
    'messages',
    case when known.system_prompt ~ '\S' then jsonb_build_array(jsonb_build_object('role', 'system', 'content', known.system_prompt)) else '[]' end
    || (
      select jsonb_agg(private.completion_message(m.value) order by m.ordinality)
      from jsonb_array_elements(request -> 'messages') with ordinality as m
    )
  );
  return private.begin_turn(
    caller, null, null, body,
    least(private.token_limit(request -> 'max_tokens'), private.token_limit(request -> 'max_completion_tokens'))
  ) || jsonb_build_object(
    'stream', coalesce(request -> 'stream' = 'true', false),
    'include_usage', coalesce(request #> '{stream_options,include_usage}' = 'true', false)
  );
end
$$;
comment on function assistant.begin_completion(jsonb) is
  'Gives what the edge sends to a member''s provider, with the sealed key: only the edge may call it, for a member. Definer: budgets and keys are in the schema private.';
revoke execute on function assistant.begin_completion(jsonb) from public;
grant execute on function assistant.begin_completion(jsonb) to edge;

-- A tenant's model in OpenAI's form.
create function private.model_of(tenant assistant.tenants) returns jsonb
  language sql immutable
  set search_path = ''
  as $$
select jsonb_build_object(
  'id', tenant.llm_model, 'object', 'model', 'created', floor(extract(epoch from tenant.created_at))::bigint, 'owned_by', tenant.llm_provider
)
$$;
revoke execute on function private.model_of(assistant.tenants) from public;

-- The models that the caller may ask: the tenant's.
create function assistant.list_models() returns jsonb
  language plpgsql stable security definer
  set search_path = ''
  as $$
declare
  caller constant assistant.member := private.require_member();
begin
  return jsonb_build_object('object', 'list', 'data', (
    select jsonb_build_array(private.model_of(t)) from assistant.tenants as t where t.id = caller.tenant_id
  ));
end
$$;
comment on function assistant.list_models() is
  'The model of the caller''s tenant. Definer: request roles may call nothing in the schema private; it shows the caller''s own tenant only.';
revoke execute on function assistant.list_models() from public;
grant execute on function assistant.list_models() to authenticated;

-- One of them, by its name.
create function assistant.find_model(model text) returns jsonb
  language plpgsql stable security definer
  set search_path = ''
  as $$
declare
  caller constant assistant.member := private.require_member();
  known assistant.tenants;
begin
  select t.* into strict known from assistant.tenants as t where t.id = caller.tenant_id;
  if find_model.model is distinct from known.llm_model then
    perform private.refuse(404, 'RG688', 'There is no such model', 'The tenant has ' || known.llm_model, 'Take it from GET /v1/models.');
  end if;
  return private.model_of(known);
end
$$;
comment on function assistant.find_model(text) is
  'The model of the caller''s tenant, if it has this name. Definer: request roles may call nothing in the schema private; it shows the caller''s own tenant only.';
revoke execute on function assistant.find_model(text) from public;
grant execute on function assistant.find_model(text) to authenticated;

-- migrate:down
drop function assistant.find_model(text);
drop function assistant.list_models();
drop function private.model_of(assistant.tenants);
drop function assistant.begin_completion(jsonb);
drop function private.completion_message(jsonb);
drop function private.completion_fault(jsonb);
drop function private.completion_message_fault(jsonb);
