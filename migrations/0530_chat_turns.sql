-- 0530: turns of the chat. A turn is a question to a provider and its answer, with the reservation that pays for it. The edge saves what
-- was said while the answer arrives, and ends the turn; a job ends those of which it hears no more.
-- migrate:up
create table private.chat_turns (
  id                uuid constraint chat_turns_pkey primary key,
  tenant_id         uuid not null,
  user_id           uuid,
  conversation_id   uuid,
  question_id       uuid,
  answer_id         uuid,
  provider          text not null,
  model             text not null,
  prompt_estimate   bigint not null,
  said              text,
  said_estimate     bigint not null default 0,
  started_at        timestamptz not null default now(),
  seen_at           timestamptz,
  ended_at          timestamptz,
  ending            text,
  finish_reason     text,
  has_answer        boolean not null default false,
  prompt_tokens     bigint,
  completion_tokens bigint,
  is_estimated      boolean,
  constraint chat_turns_tenant foreign key (tenant_id) references assistant.tenants (id) on delete cascade,
  -- What a turn has used counts for the tenant, also when the member or the conversation is deleted meanwhile.
  constraint chat_turns_user foreign key (tenant_id, user_id) references assistant.users (tenant_id, id) on delete set null (user_id),
  constraint chat_turns_conversation foreign key (conversation_id) references assistant.conversations (id) on delete set null,
  constraint chat_turns_estimates check (prompt_estimate >= 0 and said_estimate >= 0),
  constraint chat_turns_ending check (
    ending in ('whole', 'hung_up', 'cut', 'slow', 'error', 'refused', 'unreachable', 'lost') and (ending is null) = (ended_at is null)
  ),
  constraint chat_turns_finish_reason check (char_length(finish_reason) <= 60),
  constraint chat_turns_tokens check (prompt_tokens >= 0 and completion_tokens >= 0)
-- A running turn is updated every five seconds: with room in its page, the row stays out of the indexes.
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
comment on table private.chat_turns is 'Questions to providers, each with its reservation, whose id it has. A row stays for two days, longer than an Idempotency-Key.';
comment on column private.chat_turns.conversation_id is 'Null: a request of POST /v1/chat/completions, or the conversation was deleted.';
comment on column private.chat_turns.question_id is 'Null: a request of POST /v1/chat/completions.';
comment on column private.chat_turns.answer_id is 'The id that the answer has, if one was stored.';
comment on column private.chat_turns.said is 'What was said so far, until the turn ends. Of a conversation only: other requests leave no text here.';
comment on column private.chat_turns.said_estimate is 'About how many tokens that was.';
comment on column private.chat_turns.seen_at is 'When the edge last told of the turn. Null: it has not yet.';

create index chat_turns_user on private.chat_turns (tenant_id, user_id);
create index chat_turns_conversation on private.chat_turns (conversation_id) where conversation_id is not null;
create index chat_turns_running on private.chat_turns (started_at) where ended_at is null;
create index chat_turns_started_at on private.chat_turns using brin (started_at);

alter table private.chat_turns enable row level security;
alter table private.chat_turns force row level security;

-- Trigger: what was said goes with its conversation.
create function private.forget_said() returns trigger
  language plpgsql
  set search_path = ''
  as $$
begin
  new.said := null;
  return new;
end
$$;
revoke execute on function private.forget_said() from public;

create trigger chat_turns_forget_said before update of conversation_id on private.chat_turns
  for each row when (new.conversation_id is null) execute function private.forget_said();

-- About how many tokens a text has: a third of its bytes.
create function private.estimate_tokens(content text) returns bigint
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return ceil(octet_length(coalesce(content, '')) / 3.0)::bigint;
end
$$;
revoke execute on function private.estimate_tokens(text) from public;

-- A number of tokens or milliseconds as a service has given it; null for anything else.
create function private.whole_number(given jsonb) returns bigint
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return case when jsonb_typeof(given) = 'number' and given::text ~ '^\d{1,9}(\.0*)?$' then (given::text)::numeric::bigint end;
end
$$;
revoke execute on function private.whole_number(jsonb) from public;

-- The most tokens that a client wants, where a large number is as good as any larger one; null for what is no whole number from 1.
create function private.token_limit(given jsonb) returns bigint
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return case jsonb_typeof(given) when 'number' then
    case when given::numeric >= 1 and given::numeric % 1 = 0 then least(given::numeric, 999999999)::bigint end
  end;
end
$$;
revoke execute on function private.token_limit(jsonb) from public;

-- What is known of a turn that has ended.
create function private.turn_outcome(turn private.chat_turns) returns jsonb
  language sql immutable
  set search_path = ''
  as $$
select jsonb_build_object(
  'answer_id', case when turn.has_answer then turn.answer_id end, 'prompt_tokens', turn.prompt_tokens,
  'completion_tokens', turn.completion_tokens, 'is_estimated', turn.is_estimated, 'finish_reason', turn.finish_reason, 'end', turn.ending
)
$$;
revoke execute on function private.turn_outcome(private.chat_turns) from public;

-- Reserves what a request may need, and gives what the edge sends to the provider; ends with 429 where the tenant has no room. `body`: the
-- request without its limit of tokens, which is `cap` or the tenant's. All that a turn locks before is locked in the order of
-- private.end_turn; the tenant's budget comes last.
create function private.begin_turn(caller assistant.member, conversation uuid, question uuid, body jsonb, cap bigint) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  known assistant.tenants;
  most bigint;
  whole jsonb;
  prompt bigint;
  begun jsonb;
  answer constant uuid := case when question is not null then private.uuid_v7() end;
begin
  select t.* into strict known from assistant.tenants as t where t.id = caller.tenant_id;
  most := least(coalesce(cap, known.max_tokens), known.max_tokens);
  whole := case when known.temperature is null then '{}' else jsonb_build_object('temperature', known.temperature) end
    || begin_turn.body || jsonb_build_object('model', known.llm_model)
    -- OpenAI's newer models refuse the older name; most other providers know only that one.
    || jsonb_build_object(case known.llm_provider when 'openai' then 'max_completion_tokens' else 'max_tokens' end, most);
  prompt := private.estimate_tokens(whole::text);
  begun := private.begin_usage(known.id, prompt + most);
  insert into private.chat_turns (id, tenant_id, user_id, conversation_id, question_id, answer_id, provider, model, prompt_estimate)
  values (
    (begun ->> 'reservation')::uuid, known.id, caller.id, conversation, question, answer, known.llm_provider, known.llm_model, prompt
  );
  return jsonb_build_object(
    'turn', begun -> 'reservation', 'tenant_id', known.id, 'conversation_id', conversation, 'question_id', question, 'answer_id', answer,
    'provider', known.llm_provider, 'model', known.llm_model, 'body', whole, 'fields', begun -> 'fields', 'stored', null,
    'key', (
      select jsonb_build_object('sealed', k.sealed, 'key_version', k.key_version)
      from private.provider_keys as k
      -- In one statement with the provider whose key it is: both may have changed since the tenant was read.
      inner join assistant.tenants as t on t.id = k.tenant_id and t.llm_provider = known.llm_provider
      where k.tenant_id = known.id
    )
  );
end
$$;
revoke execute on function private.begin_turn(assistant.member, uuid, uuid, jsonb, bigint) from public;

-- Ends a turn: stores its answer, and counts what it has used. Where the provider has not said how much that was, it is estimated, and the
-- event says so. A turn that has ended stays as it is, however often this is called and with what.
--
-- A provider that has refused the request or was not reached has used nothing; nor has a turn that was lost before the edge told of it.
-- Locks are taken in this order, in which deletions take them, too: tenant, member, conversation, turn, usage.
create function private.end_turn(turn uuid, outcome jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  ending_ constant text := outcome ->> 'end';
  content constant text := coalesce(outcome ->> 'content', '');
  prompt bigint := private.whole_number(outcome -> 'prompt_tokens');
  completion bigint := private.whole_number(outcome -> 'completion_tokens');
  reasoning constant bigint := coalesce(private.whole_number(outcome -> 'reasoning_tokens'), 0);
  said_tokens bigint := private.estimate_tokens(
    content || coalesce(outcome ->> 'reasoning', '')
    || case when outcome -> 'tool_calls' not in ('null', '[]') then (outcome -> 'tool_calls')::text else '' end
  );
  answered_by constant text := nullif(left(outcome ->> 'model', 200), '');
  known private.chat_turns;
  is_free boolean;
begin
  select t.* into known from private.chat_turns as t where t.id = end_turn.turn;
  perform from assistant.tenants as t where t.id = known.tenant_id for key share;
  perform from assistant.users as u where u.tenant_id = known.tenant_id and u.id = known.user_id for key share;
  perform from assistant.conversations as c where c.id = known.conversation_id for no key update;
  select t.* into known from private.chat_turns as t where t.id = end_turn.turn for no key update;
  if not found then
    return null;
  elsif known.ended_at is not null then
    return private.turn_outcome(known) || '{"is_new": false}';
  end if;

  said_tokens := greatest(said_tokens, known.said_estimate);
  is_free := prompt is null and completion is null and said_tokens = 0
    and (ending_ in ('refused', 'unreachable') or (ending_ = 'lost' and known.seen_at is null));
  known.is_estimated := not is_free and (prompt is null or completion is null);
  known.prompt_tokens := case when is_free then 0 else coalesce(prompt, known.prompt_estimate) end;
  known.completion_tokens := case when is_free then 0 else coalesce(completion, said_tokens) end;
  known.finish_reason := left(outcome ->> 'finish_reason', 60);
  if known.conversation_id is not null then
    known.has_answer := private.add_message(
      known.conversation_id, known.answer_id, 'assistant', content,
      -- What a provider counts includes reasoning, which is not in the text. A text has a token at least, and no more than bytes.
      case when completion > reasoning and coalesce(outcome ->> 'reasoning', '') = ''
        then least(completion - reasoning, octet_length(content)) end,
      coalesce(answered_by, known.model),
      private.whole_number(outcome -> 'latency_ms'),
      jsonb_strip_nulls(jsonb_build_object(
        'end', ending_, 'question_id', known.question_id, 'finish_reason', known.finish_reason, 'is_estimated', known.is_estimated,
        'first_token_ms', private.whole_number(outcome -> 'first_token_ms'), 'upstream_id', left(outcome ->> 'upstream_id', 200),
        'error', left(outcome ->> 'error', 500)
      ))
    ) is not null;
  end if;
  update private.chat_turns as t set
    ended_at = now(), ending = ending_, said = null, said_estimate = said_tokens, has_answer = known.has_answer,
    finish_reason = known.finish_reason, prompt_tokens = known.prompt_tokens, completion_tokens = known.completion_tokens,
    is_estimated = known.is_estimated
  where t.id = known.id
  returning t.* into known;

  if is_free then
    perform private.release(known.id);
  else
    perform private.record_usage(
      known.tenant_id, 'chat ' || known.id, known.user_id, now(), known.provider,
      -- The model that was asked for, unless only the name that the provider has given is on the list of prices.
      case
        when answered_by is null
          or private.cost_of_tokens(known.provider, known.model, now(), known.prompt_tokens, known.completion_tokens) is not null
          then known.model
        else answered_by
      end,
      known.prompt_tokens, known.completion_tokens, reservation => known.id, source => 'chat', is_estimated => known.is_estimated
    );
    perform private.fold_event(known.tenant_id, 'chat ' || known.id);
  end if;
  return private.turn_outcome(known) || '{"is_new": true}';
end
$$;
revoke execute on function private.end_turn(uuid, jsonb) from public;

-- Saves what was said so far, and that the turn goes on. Whether it does: not if it has ended, or was never begun.
create function edge.save_chat(turn uuid, content text) returns boolean
  language plpgsql volatile security definer
  set search_path = ''
  as $$
begin
  -- The next one comes soon.
  perform set_config('synchronous_commit', 'off', true);
  update private.chat_turns as t set
    seen_at = now(),
    said = case when t.conversation_id is not null then left(save_chat.content, 200000) end,
    said_estimate = private.estimate_tokens(save_chat.content)
  where t.id = save_chat.turn and t.ended_at is null;
  return found;
end
$$;
comment on function edge.save_chat(uuid, text) is
  'Saves what a provider has said so far. Definer: the edge has no right on any table.';
revoke execute on function edge.save_chat(uuid, text) from public;
grant execute on function edge.save_chat(uuid, text) to edge;

-- Ends a turn with what came of it: {end, content, reasoning, tool_calls, finish_reason, prompt_tokens, completion_tokens, reasoning_tokens,
-- model, latency_ms, first_token_ms, error, upstream_id}. Gives {answer_id, prompt_tokens, completion_tokens, is_estimated, finish_reason,
-- end, is_new}; `end` is "lost" where the job was earlier.
create function edge.end_chat(turn uuid, outcome jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  answer jsonb;
begin
  if coalesce(outcome ->> 'end' not in ('whole', 'hung_up', 'cut', 'slow', 'error', 'refused', 'unreachable'), true) then
    perform private.refuse(422, 'RG694', 'This is not the end of a turn', left(outcome ->> 'end', 60));
  end if;
  answer := private.end_turn(turn, outcome);
  if answer is null then
    perform private.refuse(422, 'RG694', 'There is no such turn', null, 'Take the one that the begin of the chat gives.');
  end if;
  return answer;
end
$$;
comment on function edge.end_chat(uuid, jsonb) is
  'Stores an answer and counts what it has used. Definer: the edge has no right on any table.';
revoke execute on function edge.end_chat(uuid, jsonb) from public;
grant execute on function edge.end_chat(uuid, jsonb) to edge;

-- Job: ends the turns of which the edge has not told for two minutes, because it was ended itself, with what was saved of them; returns how
-- many. It keeps what it locks until its end, and waits for nothing: a turn whose conversation is in use is left to the next run.
create function private.end_lost_turns(most bigint default 100) returns bigint
  language plpgsql volatile
  set search_path = ''
  set lock_timeout = '10ms'
  as $$
declare
  lost private.chat_turns;
  done bigint := 0;
begin
  for lost in
    select t.* from private.chat_turns as t
    where t.ended_at is null and coalesce(t.seen_at, t.started_at) < now() - interval '2 minutes'
    order by t.started_at
    limit most
  loop
    begin
      perform private.end_turn(lost.id, jsonb_build_object('end', 'lost', 'content', lost.said));
      done := done + 1;
    exception
      when lock_not_available then
        null;
    end;
  end loop;
  return done;
end
$$;
revoke execute on function private.end_lost_turns(bigint) from public;

-- Forgets turns after two days, and returns how many.
create function private.clean_chat_turns() returns bigint
  language sql volatile
  set search_path = ''
  as $$ select private.delete_older('private.chat_turns', 'started_at', now() - interval '2 days', 20000) $$;
revoke execute on function private.clean_chat_turns() from public;

insert into private.jobs (name, function, schedule, more_from, description) values
('end_lost_turns', 'private.end_lost_turns', '*/5 * * * *', 100, 'Ends answers of the assistant of which the edge tells no more.'),
('clean_chat_turns', 'private.clean_chat_turns', '7 * * * *', 5000, 'Forgets turns of the assistant''s chat after two days.');

-- migrate:down
delete from private.jobs where name in ('end_lost_turns', 'clean_chat_turns');
drop function private.clean_chat_turns();
drop function private.end_lost_turns(bigint);
drop function edge.end_chat(uuid, jsonb);
drop function edge.save_chat(uuid, text);
drop function private.end_turn(uuid, jsonb);
drop function private.begin_turn(assistant.member, uuid, uuid, jsonb, bigint);
drop function private.turn_outcome(private.chat_turns);
drop function private.token_limit(jsonb);
drop function private.whole_number(jsonb);
drop function private.estimate_tokens(text);
drop table private.chat_turns;
drop function private.forget_said();
