-- 0531: the chat. A member asks a question in a conversation of their own: it is stored, and the edge gets what it sends to the tenant's
-- provider.
-- migrate:up
-- Why a request is none of the chat's; null if it is one. Files are looked for before.
create function private.chat_fault(request jsonb) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  -- One that is misspelt would be ignored.
  unknown constant text := (
    select f.key from jsonb_object_keys(request) as f (key)
    where f.key not in ('message', 'conversation_id', 'title', 'model', 'max_tokens')
    order by f.key limit 1
  );
begin
  return case
    when unknown is not null then 'no such field: ' || left(unknown, 100)
    when coalesce(jsonb_typeof(request -> 'message') <> 'string', true) then 'message: a text'
    when request ->> 'message' !~ '\S' then 'message: is empty'
    when char_length(request ->> 'message') > 200000 then 'message: at most 200,000 characters'
    when coalesce(jsonb_typeof(request -> 'conversation_id'), 'null') not in ('string', 'null')
      or request ->> 'conversation_id' !~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then 'conversation_id: a UUID'
    when coalesce(jsonb_typeof(request -> 'title'), 'null') not in ('string', 'null')
      or char_length(request ->> 'title') not between 1 and 200 then 'title: a text of 1 to 200 characters'
    when request ->> 'title' !~ '\S' then 'title: is blank'
    when request ->> 'title' is not null and request ->> 'conversation_id' is not null then 'title: only for a new conversation'
    when coalesce(jsonb_typeof(request -> 'model'), 'null') not in ('string', 'null') then 'model: a text'
    when request ->> 'max_tokens' is not null and private.token_limit(request -> 'max_tokens') is null
      then 'max_tokens: a whole number from 1'
  end;
end
$$;
revoke execute on function private.chat_fault(jsonb) from public;

-- What a conversation is called whose first message this is: its first line.
create function private.title_of(message text) returns text
  language sql immutable
  set search_path = ''
  as $$ select left(btrim(regexp_replace(substring(message from '\S[^\n\r]*'), '\s+', ' ', 'g')), 80) $$;
revoke execute on function private.title_of(text) from public;

-- Asks a question: {message, conversation_id, title, model, max_tokens}. Under an Idempotency-Key it is asked once: a repeated request gets
-- the stored answer in `stored`. If nothing was said, it is asked again, without being stored again.
create function assistant.begin_chat(request jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  durability constant text := current_setting('synchronous_commit');
  caller constant assistant.member := private.require_member();
  operation constant text := 'assistant.begin_chat';
  message constant text := request ->> 'message';
  fault constant text := private.chat_fault(request);
  known assistant.tenants;
  earlier jsonb;
  turn private.chat_turns;
  conversation uuid := case when fault is null then (request ->> 'conversation_id')::uuid end;
  question uuid;
  begun jsonb;
begin
  if private.has_files(request) or private.is_file(message)
    or exists (
      select from jsonb_path_query(request, '$.message[*]') as part where private.is_file_part(part)
    ) then
    perform private.refuse_attachment();
  elsif fault is not null then
    perform private.refuse(
      422, 'RG687', 'This is no question', fault, 'Send {"message": "..."} and, to go on with a conversation, its conversation_id.'
    );
  end if;
  -- In the order of private.end_turn.
  select t.* into strict known from assistant.tenants as t where t.id = caller.tenant_id for key share;
  perform from assistant.users as u where u.tenant_id = caller.tenant_id and u.id = caller.id for key share;
  if request ->> 'model' <> known.llm_model then
    perform private.refuse(
      422, 'RG687', 'This is no question', 'model: the tenant has ' || known.llm_model, 'Leave it out, or take it from GET /v1/models.'
    );
  end if;

  earlier := private.idempotency_begin(operation, request);
  if earlier is not null then
    -- Of this member: whoever has left a tenant for another one is a new member there.
    select t.* into turn from private.chat_turns as t
    where t.id = (earlier ->> 'turn')::uuid and t.user_id = caller.id and t.conversation_id is not null;
    if not found then
      perform private.refuse(404, 'RG686', 'The conversation of this request was deleted', null, 'Send the question with a new key.');
    elsif turn.ended_at is null then
      perform private.refuse(409, 'RG684', 'This request is being answered', null, 'Repeat it after the time in Retry-After.', 5);
    elsif turn.has_answer or turn.ending = 'whole' then
      return jsonb_build_object(
        'turn', turn.id, 'tenant_id', turn.tenant_id, 'conversation_id', turn.conversation_id, 'question_id', turn.question_id,
        'answer_id', case when turn.has_answer then turn.answer_id end, 'provider', turn.provider, 'model', turn.model, 'stream', true,
        'stored', private.turn_outcome(turn) || (
          select jsonb_build_object('content', coalesce(max(m.content), ''), 'model', coalesce(max(m.model_used), turn.model))
          from assistant.messages as m where m.id = turn.answer_id and m.conversation_id = turn.conversation_id
        )
      );
    end if;
    conversation := turn.conversation_id;
    question := (select m.id from assistant.messages as m where m.id = turn.question_id and m.conversation_id = turn.conversation_id);
  end if;

  if conversation is null then
    insert into assistant.conversations (tenant_id, user_id, title)
    values (caller.tenant_id, caller.id, coalesce(request ->> 'title', private.title_of(message)))
    returning id into conversation;
  else
    perform from assistant.conversations as c
    where c.id = conversation and c.tenant_id = caller.tenant_id and c.user_id = caller.id
    for no key update;
    if not found then
      perform private.refuse(404, 'RG686', 'You have no such conversation', null, 'Leave conversation_id out to begin one.');
    end if;
  end if;
  if question is null then
    question := private.add_message(conversation, null, 'user', message);
  end if;
  begun := private.begin_turn(
    caller, conversation, question,
    jsonb_build_object('messages', private.history(conversation, private.history_tokens(known.features), question)),
    private.token_limit(request -> 'max_tokens')
  );
  perform private.idempotency_end(operation, jsonb_build_object('turn', begun -> 'turn'));
  -- What somebody has said waits for the disk, unlike other reservations.
  perform set_config('synchronous_commit', durability, true);
  return begun || '{"stream": true, "include_usage": true}';
end
$$;
comment on function assistant.begin_chat(jsonb) is
  'Stores a member''s question and gives what the edge sends to the provider, with the sealed key: only the edge may call it, for a member. Definer: budgets and keys are in the schema private.';
revoke execute on function assistant.begin_chat(jsonb) from public;
grant execute on function assistant.begin_chat(jsonb) to edge;

-- migrate:down
drop function assistant.begin_chat(jsonb);
drop function private.title_of(text);
drop function private.chat_fault(jsonb);
