-- 0130: onboarding. How far somebody who signs up has come, without an account: whoever holds a session's token goes on with it.
-- migrate:up
create type onboarding.step_name as enum ('business_info', 'whatsapp_integration', 'bot_setup', 'testing', 'complete');
create type onboarding.session_status as enum ('not_started', 'in_progress', 'completed', 'abandoned');

create table onboarding.sessions (
  id                                uuid primary key default pg_catalog.gen_random_uuid(),
  lead_id                           uuid,
  session_token_hash                bytea not null,
  -- Computed of the four times, so that nothing and nobody can pass over a step.
  current_step                      onboarding.step_name not null generated always as (
    case
      when business_info_completed_at is null then 'business_info'::onboarding.step_name
      when whatsapp_integration_completed_at is null then 'whatsapp_integration'::onboarding.step_name
      when bot_setup_completed_at is null then 'bot_setup'::onboarding.step_name
      when testing_completed_at is null then 'testing'::onboarding.step_name
      else 'complete'::onboarding.step_name
    end
  ) stored,
  status                            onboarding.session_status not null default 'not_started',
  -- squawk-ignore prefer-bigint-over-smallint
  progress_percentage               smallint not null generated always as (
    25 * num_nonnulls(
      business_info_completed_at, whatsapp_integration_completed_at, bot_setup_completed_at, testing_completed_at
    )
  ) stored,
  business_info_completed_at        timestamptz,
  whatsapp_integration_completed_at timestamptz,
  bot_setup_completed_at            timestamptz,
  testing_completed_at              timestamptz,
  completed_at                      timestamptz,
  started_at                        timestamptz not null default now(),
  last_activity_at                  timestamptz not null default now(),
  abandoned_at                      timestamptz,
  user_agent                        text,
  network                           inet,
  business_data                     jsonb not null default '{}',
  whatsapp_config                   jsonb not null default '{}',
  bot_config                        jsonb not null default '{}',
  created_at                        timestamptz not null default now(),
  updated_at                        timestamptz not null default now(),
  constraint sessions_lead foreign key (lead_id) references marketing.leads on delete set null,
  constraint sessions_token_hash_length check (octet_length(session_token_hash) = 32),
  constraint sessions_user_agent_length check (char_length(user_agent) <= 512),
  constraint sessions_business_data check (jsonb_typeof(business_data) = 'object'),
  constraint sessions_whatsapp_config check (jsonb_typeof(whatsapp_config) = 'object'),
  constraint sessions_bot_config check (jsonb_typeof(bot_config) = 'object'),
  constraint sessions_steps_in_order check (
    (business_info_completed_at is not null or whatsapp_integration_completed_at is null)
    and (whatsapp_integration_completed_at is not null or bot_setup_completed_at is null)
    and (bot_setup_completed_at is not null or testing_completed_at is null)
  ),
  constraint sessions_completed check (
    (status = 'completed') = (completed_at is not null) and (status = 'completed') = (testing_completed_at is not null)
  ),
  constraint sessions_abandoned check ((status = 'abandoned') = (abandoned_at is not null)),
  constraint sessions_not_started check (status <> 'not_started' or business_info_completed_at is null)
);
comment on table onboarding.sessions is
  'One onboarding, found by the hash of its token. It is personal data of whoever fills it in: what they typed, their network and browser, their activities. A lead''s sessions are erased with the lead.';
comment on column onboarding.sessions.lead_id is
  'The lead whose address was given at the start; nobody proved that it is theirs. Whoever erases a lead erases its sessions first: without this they cannot be found.';
comment on column onboarding.sessions.session_token_hash is
  'SHA-256 of the token, which is stored nowhere. The hash opens nothing.';
comment on column onboarding.sessions.network is 'The caller''s network, /24 or /48, as the edge vouches for it; never an address.';
comment on column onboarding.sessions.business_data is 'Answers of the step business_info.';
comment on column onboarding.sessions.whatsapp_config is 'Answers of the step whatsapp_integration; never a secret: those are sealed with the account.';
comment on column onboarding.sessions.bot_config is 'Answers of the step bot_setup.';

create unique index sessions_token_hash on onboarding.sessions (session_token_hash);
create index sessions_lead_id on onboarding.sessions (lead_id);
create index sessions_last_activity_at on onboarding.sessions (last_activity_at) where status = 'in_progress';
create index sessions_step on onboarding.sessions (current_step, status);
create index sessions_started_at on onboarding.sessions (started_at desc);
create index sessions_completed_at on onboarding.sessions (completed_at) where completed_at is not null;

alter table onboarding.sessions enable row level security;
alter table onboarding.sessions force row level security;
create policy admin_select on onboarding.sessions for select to authenticated
  using (((select auth.jwt()) -> 'app_metadata' ->> 'role') = 'admin');
grant select on onboarding.sessions to authenticated, service_role;

create table onboarding.step_activities (
  id                 uuid primary key default pg_catalog.gen_random_uuid(),
  session_id         uuid not null,
  step               onboarding.step_name not null,
  activity_type      text not null,
  field_name         text,
  field_value        text,
  error_message      text,
  time_spent_seconds bigint,
  metadata           jsonb not null default '{}',
  created_at         timestamptz not null default now(),
  constraint step_activities_session foreign key (session_id) references onboarding.sessions on delete cascade,
  -- Lenient: front ends have kinds of their own.
  constraint step_activities_type check (activity_type ~ '^[a-z][a-z0-9_]{0,49}$'),
  constraint step_activities_field_name_length check (char_length(field_name) between 1 and 100),
  constraint step_activities_field_value_length check (char_length(field_value) <= 200),
  constraint step_activities_error_message_length check (char_length(error_message) <= 500),
  constraint step_activities_time_spent check (time_spent_seconds between 0 and 86400),
  constraint step_activities_metadata check (jsonb_typeof(metadata) = 'object')
);
comment on table onboarding.step_activities is
  'What happened in a session, as its front end tells: where people stop, and at which fields. Erased with the session.';
comment on column onboarding.step_activities.activity_type is
  'One of step_view, step_leave, step_complete, field_focus, field_change, validation_error, help_opened, link_clicked, test_message_sent, or a front end''s own.';
comment on column onboarding.step_activities.field_value is
  'What was typed, for fields that private.onboarding_plain_fields lists; else [redacted].';

create index step_activities_session on onboarding.step_activities (session_id, created_at);
create index step_activities_type on onboarding.step_activities (step, activity_type, created_at);
create index step_activities_errors on onboarding.step_activities (field_name) where activity_type = 'validation_error';

alter table onboarding.step_activities enable row level security;
alter table onboarding.step_activities force row level security;
create policy admin_select on onboarding.step_activities for select to authenticated
  using (((select auth.jwt()) -> 'app_metadata' ->> 'role') = 'admin');
grant select on onboarding.step_activities to authenticated, service_role;

create trigger step_activities_erased before insert or update on onboarding.step_activities
  for each statement execute function private.refuse_erased_caller();
create trigger sessions_erased before insert or update on onboarding.sessions
  for each statement execute function private.refuse_erased_caller();
create trigger sessions_updated_at before update on onboarding.sessions
  for each row execute function private.update_updated_at();

create table private.onboarding_plain_fields (
  field_name text constraint onboarding_plain_fields_pkey primary key
);
comment on table private.onboarding_plain_fields is
  'Fields of onboarding whose values activities may keep: choices out of a list, never words of a person''s own. Add a row to keep another.';
alter table private.onboarding_plain_fields enable row level security;
alter table private.onboarding_plain_fields force row level security;
insert into private.onboarding_plain_fields (field_name) values
  ('industry'), ('company_size'), ('country'), ('language'), ('timezone'), ('currency'), ('message_volume'), ('use_case'),
  ('bot_template'), ('bot_tone'), ('connection_method');

insert into private.limit_rules (name, burst, refill, shared) values
  ('onboarding', 30, '2 seconds', 30), ('onboarding-steps', 120, '1 second', 60);
-- None for everybody together: one flood keeps nobody else from signing up.
insert into private.daily_allowances (name, bytes, rows) values ('onboarding', 52428800, 50000);

-- Ends the request for a field that is not what it must be; the place says which of several activities has it.
create function onboarding.refuse_field(message text, hint text, place text) returns void
  language plpgsql stable
  set search_path = ''
  as $$
begin
  perform private.refuse(422, 'RG534', message, place, hint);
end
$$;

-- Holds an argument to its form: an object of known fields, of at most 64 KB.
create function onboarding.check_form(form jsonb, known text[], place text default null) returns void
  language plpgsql stable
  set search_path = ''
  as $$
declare
  strangers text;
begin
  if jsonb_typeof(form) is distinct from 'object' then
    perform private.refuse(
      400, 'RG532', 'An object of fields is wanted', place, format('Send {"%s": ...}.', known[1])
    );
  end if;
  if octet_length(form::text) > 65536 then
    perform private.refuse(413, 'RG533', 'This is too large', 'At most 64 KB', 'Send less at once.');
  end if;
  -- Said and not passed over: what is misspelt would be lost, and the step, status and percentage are nobody's to send.
  select string_agg(left(key, 50), ', ' order by key) into strangers
  from (select key from jsonb_object_keys(form) as key where key <> all (known) order by key limit 5) as stray;
  if strangers is not null then
    perform onboarding.refuse_field(
      format('There is no field %s', strangers), format('Fields are %s.', array_to_string(known, ', ')), place
    );
  end if;
end
$$;

-- One field as text: null where it is absent or blank.
create function onboarding.text_field(form jsonb, field text, most int, place text default null) returns text
  language plpgsql stable
  set search_path = ''
  as $$
declare
  words constant text := nullif(btrim(form ->> field, E' \t\r\n'), '');
begin
  if jsonb_typeof(form -> field) not in ('string', 'null') then
    perform onboarding.refuse_field(format('%s must be text', field), format('Send %s as one text.', field), place);
  end if;
  if char_length(words) > most then
    perform onboarding.refuse_field(
      format('%s is too long', field), format('Send at most %s characters.', most), place
    );
  end if;
  return words;
end
$$;

-- The step that a form names, out of those that are allowed there; null where it names none.
create function onboarding.step_field(form jsonb, allowed onboarding.step_name[], place text default null)
  returns onboarding.step_name
  language plpgsql stable
  set search_path = ''
  as $$
declare
  named constant text := onboarding.text_field(form, 'step', 100, place);
begin
  if named <> all (allowed::text[]) then
    perform onboarding.refuse_field(
      'There is no such step', format('Steps are %s.', array_to_string(allowed, ', ')), place
    );
  end if;
  return named::onboarding.step_name;
end
$$;

-- A text without what tells who somebody is or opens something: e-mail addresses, numbers of seven digits and more, tokens.
create function onboarding.redacted(words text) returns text
  language sql immutable strict
  set search_path = ''
  as $$
select regexp_replace(
  regexp_replace(
    regexp_replace(words, '\m(rgs_[0-9a-f]{8}|EAA[A-Za-z0-9]{20}|eyJ[A-Za-z0-9_-]{10})[A-Za-z0-9._-]*', '[redacted]', 'g'),
    '[^[:space:]@＠<>"'',;:()]+(@|＠|%40)[^[:space:]@＠<>"'',;:()]+', '[redacted]', 'g'
  ),
  '[+(]*\d(?:[ ().\-/]{0,3}\d){6,}', '[redacted]', 'g'
)
$$;

-- Whether a name is one that secrets go by: access_token, appSecret, API-KEY, two_step_pin; not max_tokens.
create function onboarding.names_secret(name text) returns boolean
  language sql immutable strict
  set search_path = ''
  as $$
select plain ~ '(^|_)(token|secret|pin|passcode|credentials?|authorization|bearer|cookie|api_?key|private_?key|secret_?key|signing_?key)$'
  or plain ~ '(access|auth|bearer|refresh|verify|verification|session|app|client|user|api)_?(token|secret)(_|$)'
  or plain ~ 'passw|passphrase|(^|_)pwd'
from (
  select btrim(lower((regexp_replace(
    regexp_replace(name, '([a-z0-9])([A-Z])', '\1_\2', 'g'), '[^A-Za-z0-9]+', '_', 'g'
  )) collate "C"), '_') as plain
) as normal
$$;

-- A step's answers with a change of them: each key of the change takes the place of the old one, null takes it away.
create function onboarding.merged_data(known jsonb, data jsonb, column_name text) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  merged jsonb;
  secret text;
begin
  if data is null or data = 'null' then
    return known;
  end if;
  if jsonb_typeof(data) <> 'object' then
    perform onboarding.refuse_field(format('%s must be an object', column_name), 'Send {"<field>": <value>}.', null);
  end if;
  -- Before anything walks through it.
  if jsonb_path_exists(data, 'strict $.**{9}') then
    perform onboarding.refuse_field(
      format('%s is nested too deeply', column_name), 'Send at most eight levels.', null
    );
  end if;

  -- A flag that says whether there is a secret is none.
  select left(field.key, 50) into secret
  from jsonb_path_query(data, 'strict $.** ? (@.type() == "object")') as part,
    jsonb_each(part) as field
  where jsonb_typeof(field.value) not in ('boolean', 'null')
    and column_name <> 'business_data' and onboarding.names_secret(field.key)
  limit 1;
  if secret is null and data::text ~ '\m(rgs_[0-9a-f]{64}|EAA[A-Za-z0-9]{50}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+\.)' then
    secret := 'something that looks like a token';
  end if;
  if secret is not null then
    perform private.refuse(
      422, 'RG535', format('%s takes no secrets', column_name), format('It has %s', secret),
      'Leave it out: tokens, secrets and passwords belong to the WhatsApp account, where they are sealed.'
    );
  end if;

  merged := (known || data) - array(select field.key from jsonb_each(data) as field where field.value = 'null');
  if (select count(*) from jsonb_object_keys(merged)) > 64 or octet_length(merged::text) > 32768 then
    perform private.refuse(
      413, 'RG533', format('%s would be too large', column_name), 'At most 64 fields and 32 KB together',
      'Send less, or take fields away by sending null for them.'
    );
  end if;
  return merged;
end
$$;

-- What the holder of a token is told: nothing of the lead, of the session's id, of the caller.
create function onboarding.progress_of(session onboarding.sessions) returns jsonb
  -- Not in SQL: that would be planned at every call.
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return jsonb_build_object(
    'current_step', session.current_step,
    'status', session.status,
    'progress_percentage', session.progress_percentage,
    'next_step', (enum_range(session.current_step, null))[2],
    'steps', jsonb_build_array(
      jsonb_build_object('step', 'business_info', 'completed_at', session.business_info_completed_at),
      jsonb_build_object('step', 'whatsapp_integration', 'completed_at', session.whatsapp_integration_completed_at),
      jsonb_build_object('step', 'bot_setup', 'completed_at', session.bot_setup_completed_at),
      jsonb_build_object('step', 'testing', 'completed_at', session.testing_completed_at)
    ),
    'started_at', session.started_at,
    'last_activity_at', session.last_activity_at,
    'completed_at', session.completed_at,
    'business_data', session.business_data,
    'whatsapp_config', session.whatsapp_config,
    'bot_config', session.bot_config
  );
end
$$;

-- The session of a token, locked if it is to be changed. Absent, wrong and expired tokens cost the same and get one answer.
create function onboarding.session_of(token text, to_change boolean) returns onboarding.sessions
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  hash constant bytea := sha256(convert_to(coalesce(token, ''), 'UTF8'));
  session onboarding.sessions;
begin
  -- Addresses are logged and remembered.
  if current_setting('request.method', true) in ('GET', 'HEAD') then
    perform private.refuse(
      405, 'RG538', 'A session token does not belong into an address', null, 'Send it in the body of a POST.'
    );
  end if;
  perform private.limit_caller('onboarding-steps');
  if to_change then
    perform private.require_allowance('onboarding');
    select * into session from onboarding.sessions as s where s.session_token_hash = hash for no key update;
  else
    select * into session from onboarding.sessions as s where s.session_token_hash = hash;
  end if;
  -- From the start and not from the last call: nobody keeps a stolen token alive.
  if (session.started_at > now() - interval '30 days') is not true then
    perform private.refuse(
      401, 'RG530', 'The session token is missing or not good', null,
      'Send the token that starting the session gave; it is good for 30 days. Otherwise start again.'
    );
  end if;
  return session;
end
$$;

create function onboarding.start(session jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  edge constant jsonb := private.edge_claim();
  -- Two strong random numbers, 244 bits together.
  token constant text :=
    'rgs_' || encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex');
  nobody constant uuid := gen_random_uuid();
  address text;
  answers jsonb;
  lead uuid;
  made onboarding.sessions;
begin
  perform onboarding.check_form(start.session, array['email', 'business_data']);
  perform private.limit_caller('onboarding');
  perform private.require_allowance('onboarding');
  address := onboarding.text_field(start.session, 'email', 254);
  answers := onboarding.merged_data('{}', start.session -> 'business_data', 'business_data');
  if address is not null then
    if marketing.is_email(address) is not true then
      perform onboarding.refuse_field(
        'The e-mail address is not one', 'Enter an address such as name@example.org, or leave it out.', null
      );
    end if;
    perform pg_advisory_xact_lock_shared(marketing.address_lock(marketing.normalize_email(address)));
    -- Locked, so that it is still there when the session names it.
    select l.id into lead
    from marketing.leads as l
    where l.email_normalized = marketing.normalize_email(address) and l.deleted_at is null
    for key share;
    if not found then
      -- The look that a foreign key takes.
      perform from marketing.leads as l where l.id = nobody for key share;
    end if;
  end if;

  insert into onboarding.sessions as s (lead_id, session_token_hash, status, user_agent, network, business_data)
  values (
    lead,
    sha256(convert_to(token, 'UTF8')),
    case when answers = '{}' then 'not_started' else 'in_progress' end::onboarding.session_status,
    left(private.request_header('user-agent'), 512),
    (edge ->> 'net')::inet,
    answers
  )
  returning s.* into made;
  perform private.use_allowance('onboarding', pg_column_size(start.session), 1);
  return jsonb_build_object('session_token', token, 'session', onboarding.progress_of(made));
end
$$;
comment on function onboarding.start(jsonb) is
  'Starts a session: {email?, business_data?} gives {session_token, session}. The token is told this once and kept nowhere, so an Idempotency-Key is not heeded, for its answer would be kept: whoever loses the answer starts again, and the lost session abandons itself. A known address links the session to its lead and is told in no way. Definer: the public has no right on the table.';
revoke execute on function onboarding.start(jsonb) from public;
grant execute on function onboarding.start(jsonb) to edge;

create function onboarding.progress(session_token text) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
begin
  return onboarding.progress_of(onboarding.session_of(progress.session_token, false));
end
$$;
comment on function onboarding.progress(text) is
  'How far the session of this token is. Reading is no activity. Completed and abandoned sessions can be read until the token''s 30 days are over. Volatile, so that the token is never in an address. Definer: the token decides, and its holder has no right on the table.';
revoke execute on function onboarding.progress(text) from public;
grant execute on function onboarding.progress(text) to anon, authenticated, service_role;

create function onboarding.step(session_token text, change jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  worked constant onboarding.step_name[] := enum_range(null, 'testing'::onboarding.step_name);
  session onboarding.sessions := onboarding.session_of(step.session_token, true);
  -- Of now, not of the transaction's start: it may have waited for the session.
  moment constant timestamptz := clock_timestamp();
  changed onboarding.sessions := session;
  named onboarding.step_name;
  given jsonb;
  done boolean;
begin
  perform onboarding.check_form(change, array['step', 'data', 'completed']);
  named := onboarding.step_field(change, worked);
  if named is null then
    -- Not taken for the current one: a request that is sent again would work on the next.
    perform onboarding.refuse_field('step is missing', format('Steps are %s.', array_to_string(worked, ', ')), null);
  end if;
  if jsonb_typeof(change -> 'completed') not in ('boolean', 'null') then
    perform onboarding.refuse_field('completed must be true or false', 'Send "completed": true, without quotes.', null);
  end if;
  done := coalesce((change ->> 'completed')::boolean, false);
  if named > session.current_step then
    perform private.refuse(
      409, 'RG531', 'An earlier step comes first', format('%s is not complete', session.current_step),
      format('Complete %s first.', session.current_step)
    );
  end if;

  given := change -> 'data';
  case named
    when 'business_info' then
      changed.business_data := onboarding.merged_data(session.business_data, given, 'business_data');
      changed.business_info_completed_at := coalesce(session.business_info_completed_at, case when done then moment end);
    when 'whatsapp_integration' then
      changed.whatsapp_config := onboarding.merged_data(session.whatsapp_config, given, 'whatsapp_config');
      changed.whatsapp_integration_completed_at :=
        coalesce(session.whatsapp_integration_completed_at, case when done then moment end);
    when 'bot_setup' then
      changed.bot_config := onboarding.merged_data(session.bot_config, given, 'bot_config');
      changed.bot_setup_completed_at := coalesce(session.bot_setup_completed_at, case when done then moment end);
    else
      if given not in ('{}', 'null') then
        perform onboarding.refuse_field('testing takes no data', 'Send what was tried as activities.', null);
      end if;
      changed.testing_completed_at := coalesce(session.testing_completed_at, case when done then moment end);
  end case;

  if session.status = 'completed' then
    -- What was sent once more gets its answer once more.
    if changed is distinct from session then
      perform private.refuse(
        409, 'RG537', 'The onboarding is complete', 'It takes no more changes', 'Start another session, or sign in.'
      );
    end if;
    return onboarding.progress_of(session);
  end if;

  update onboarding.sessions as s set
    business_data = changed.business_data,
    whatsapp_config = changed.whatsapp_config,
    bot_config = changed.bot_config,
    business_info_completed_at = changed.business_info_completed_at,
    whatsapp_integration_completed_at = changed.whatsapp_integration_completed_at,
    bot_setup_completed_at = changed.bot_setup_completed_at,
    testing_completed_at = changed.testing_completed_at,
    completed_at = changed.testing_completed_at,
    status = case when changed.testing_completed_at is null then 'in_progress' else 'completed' end::onboarding.session_status,
    abandoned_at = null,
    last_activity_at = moment
  where s.id = session.id
  returning s.* into changed;
  perform private.use_allowance('onboarding', pg_column_size(change), 1);
  return onboarding.progress_of(changed);
end
$$;
comment on function onboarding.step(text, jsonb) is
  'Works on a step: {step, data?, completed?} gives the progress. data is merged by its top-level keys, null takes one away; completed: true goes on to the next step, and the last one completes the session; false changes nothing. Earlier steps may be worked on again until then. Sent again it changes nothing but last_activity_at. An abandoned session is in progress again. Definer: the token decides, and its holder has no right on the table.';
revoke execute on function onboarding.step(text, jsonb) from public;
grant execute on function onboarding.step(text, jsonb) to anon, authenticated, service_role;

-- One activity as its row will be, but for its id and time.
create function onboarding.activity_row(session onboarding.sessions, form jsonb, place text)
  returns onboarding.step_activities
  language plpgsql stable
  set search_path = ''
  as $$
declare
  made onboarding.step_activities;
  spent numeric;
begin
  perform onboarding.check_form(
    form,
    array['activity_type', 'step', 'field_name', 'field_value', 'error_message', 'time_spent_seconds', 'metadata'],
    place
  );
  made.session_id := session.id;
  made.step := coalesce(
    onboarding.step_field(form, enum_range(null::onboarding.step_name), place), session.current_step
  );
  made.activity_type := onboarding.text_field(form, 'activity_type', 50, place);
  if (made.activity_type ~ '^[a-z][a-z0-9_]*$') is not true then
    perform onboarding.refuse_field(
      'activity_type is missing or not one', 'Send one such as step_view: lowercase letters, digits and _.', place
    );
  end if;
  made.field_name := onboarding.text_field(form, 'field_name', 100, place);
  if made.field_name !~ '^[A-Za-z_][A-Za-z0-9_.:\[\]-]*$' then
    perform onboarding.refuse_field(
      'field_name is not one', 'Send the name of the field: letters, digits and _ . : [ ] -', place
    );
  end if;

  if jsonb_typeof(form -> 'field_value') in ('array', 'object') then
    perform onboarding.refuse_field('field_value must be one value', 'Send it as text, or leave it out.', place);
  end if;
  made.field_value := case
    when form ->> 'field_value' is null then null
    when exists (select from private.onboarding_plain_fields as f where f.field_name = made.field_name)
      then left(onboarding.redacted(form ->> 'field_value'), 200)
    else '[redacted]'
  end;
  -- Cut and not refused: how long an error is is not the visitor's choice.
  made.error_message := left(onboarding.redacted(onboarding.text_field(form, 'error_message', 65536, place)), 500);

  if jsonb_typeof(form -> 'time_spent_seconds') not in ('number', 'null') then
    perform onboarding.refuse_field('time_spent_seconds must be a number', 'Send it without quotes.', place);
  end if;
  spent := (form ->> 'time_spent_seconds')::numeric;
  if spent < 0 then
    perform onboarding.refuse_field('time_spent_seconds is negative', 'Send 0 or more.', place);
  end if;
  -- A page that stays open over night is a day at most.
  made.time_spent_seconds := case when spent is not null then least(spent, 86400)::bigint end;

  if coalesce(jsonb_typeof(form -> 'metadata'), 'null') not in ('object', 'null') or exists (
    select from jsonb_each(case jsonb_typeof(form -> 'metadata') when 'object' then form -> 'metadata' end) as field
    where jsonb_typeof(field.value) in ('array', 'object')
  ) then
    perform onboarding.refuse_field(
      'metadata must be an object of single values', 'Send {"<name>": <text, number, true or false>}.', place
    );
  end if;
  select coalesce(jsonb_object_agg(
    onboarding.redacted(field.key),
    case jsonb_typeof(field.value)
      when 'string' then to_jsonb(onboarding.redacted(field.value #>> '{}')) else field.value
    end
  ), '{}') into made.metadata
  from jsonb_each(case jsonb_typeof(form -> 'metadata') when 'object' then form -> 'metadata' else '{}' end) as field;
  if octet_length(made.metadata::text) > 1024 then
    perform onboarding.refuse_field('metadata is too large', 'Send at most 1 KB.', place);
  end if;
  return made;
end
$$;

create function onboarding.activity(session_token text, activity jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  most constant bigint := 2000;
  session constant onboarding.sessions := onboarding.session_of(activity.session_token, true);
  moment constant timestamptz := clock_timestamp();
  retriable constant boolean := private.request_header('idempotency-key') is not null;
  -- Each session has Idempotency-Keys of its own.
  operation constant text := 'onboarding.activity ' || session.id;
  listed jsonb := activity.activity;
  there bigint;
  answer jsonb;
  made onboarding.step_activities;
begin
  if octet_length(listed::text) > 65536 then
    perform private.refuse(413, 'RG533', 'This is too large', 'At most 64 KB', 'Send less at once.');
  end if;
  if jsonb_typeof(listed) = 'object' then
    listed := jsonb_build_array(listed);
  end if;
  if jsonb_typeof(listed) is distinct from 'array' or jsonb_array_length(listed) not between 1 and 50 then
    perform private.refuse(
      400, 'RG532', 'One activity or a list of them is wanted', 'At most 50', 'Send {"activity_type": "..."} or a list of 1 to 50.'
    );
  end if;
  if retriable then
    answer := private.idempotency_begin(operation, listed);
    if answer is not null then
      return answer;
    end if;
  end if;

  -- The session is locked: nobody else adds any meanwhile.
  there := (select count(*) from onboarding.step_activities as a where a.session_id = session.id);
  if there + jsonb_array_length(listed) > most then
    perform private.refuse(
      409, 'RG536', 'The session has no room for more activities', format('At most %s', most),
      'Go on without them; steps can still be completed.'
    );
  end if;
  for nth in 0 .. jsonb_array_length(listed) - 1 loop
    made := onboarding.activity_row(session, listed -> nth, format('In activity %s', nth));
    insert into onboarding.step_activities (
      session_id, step, activity_type, field_name, field_value, error_message, time_spent_seconds, metadata, created_at
    )
    values (
      made.session_id, made.step, made.activity_type, made.field_name, made.field_value, made.error_message,
      -- In the order of the list.
      made.time_spent_seconds, made.metadata, moment + nth * interval '1 microsecond'
    );
  end loop;

  update onboarding.sessions as s set
    status = case when s.status = 'completed' then s.status else 'in_progress' end,
    abandoned_at = null,
    last_activity_at = moment
  where s.id = session.id;
  perform private.use_allowance('onboarding', pg_column_size(listed), jsonb_array_length(listed));
  answer := jsonb_build_object('accepted', jsonb_array_length(listed));
  if retriable then
    perform private.idempotency_end(operation, answer);
  end if;
  return answer;
end
$$;
comment on function onboarding.activity(text, jsonb) is
  'Notes what happened in a session: {activity_type, step?, field_name?, field_value?, error_message?, time_spent_seconds?, metadata?} or a list of up to 50, all of them or none, gives {accepted}. Heeds an Idempotency-Key. An abandoned session is in progress again; a completed one stays so. Definer: the token decides, and its holder has no right on the table.';
revoke execute on function onboarding.activity(text, jsonb) from public;
grant execute on function onboarding.activity(text, jsonb) to anon, authenticated, service_role;

-- Marks sessions in which nothing happened for two hours as abandoned, and gives their number. For the job runner, which asks
-- again while there are 5,000 or more. What is locked is at work, or another run's.
create function onboarding.abandon_inactive_sessions() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  abandoned bigint := 0;
  batch bigint;
begin
  loop
    with idle as (
      select s.id from onboarding.sessions as s
      where s.status = 'in_progress' and s.last_activity_at < now() - interval '2 hours'
      order by s.last_activity_at
      limit 1000
      for no key update skip locked
    ),
    -- Found by the index on step and status: a session that was not begun is at its first step.
    unbegun as (
      select s.id from onboarding.sessions as s
      where s.current_step = 'business_info' and s.status = 'not_started'
        and s.last_activity_at < now() - interval '2 hours'
      limit 1000
      for no key update skip locked
    )
    update onboarding.sessions as s set status = 'abandoned', abandoned_at = now()
    where s.id in (select idle.id from idle union all select unbegun.id from unbegun);
    get diagnostics batch = row_count;
    abandoned := abandoned + batch;
    exit when batch = 0 or abandoned >= 5000;
  end loop;
  return abandoned;
end
$$;
comment on function onboarding.abandon_inactive_sessions() is
  'Marks sessions in progress or not begun in which nothing happened for two hours as abandoned, and gives their number. Granted to nobody: the job runner is its own.';

revoke execute on function onboarding.refuse_field(text, text, text) from public;
revoke execute on function onboarding.check_form(jsonb, text[], text) from public;
revoke execute on function onboarding.text_field(jsonb, text, int, text) from public;
revoke execute on function onboarding.step_field(jsonb, onboarding.step_name[], text) from public;
revoke execute on function onboarding.redacted(text) from public;
revoke execute on function onboarding.names_secret(text) from public;
revoke execute on function onboarding.merged_data(jsonb, jsonb, text) from public;
revoke execute on function onboarding.progress_of(onboarding.sessions) from public;
revoke execute on function onboarding.session_of(text, boolean) from public;
revoke execute on function onboarding.activity_row(onboarding.sessions, jsonb, text) from public;
revoke execute on function onboarding.abandon_inactive_sessions() from public;

-- migrate:down
drop function onboarding.abandon_inactive_sessions();
drop function onboarding.activity(text, jsonb);
drop function onboarding.activity_row(onboarding.sessions, jsonb, text);
drop function onboarding.step(text, jsonb);
drop function onboarding.progress(text);
drop function onboarding.start(jsonb);
drop function onboarding.session_of(text, boolean);
drop function onboarding.progress_of(onboarding.sessions);
drop function onboarding.merged_data(jsonb, jsonb, text);
drop function onboarding.names_secret(text);
drop function onboarding.redacted(text);
drop function onboarding.step_field(jsonb, onboarding.step_name[], text);
drop function onboarding.text_field(jsonb, text, int, text);
drop function onboarding.check_form(jsonb, text[], text);
drop function onboarding.refuse_field(text, text, text);
delete from private.limit_rules where name in ('onboarding', 'onboarding-steps');
delete from private.daily_allowances where name = 'onboarding';
drop table private.onboarding_plain_fields;
drop table onboarding.step_activities;
drop table onboarding.sessions;
drop type onboarding.session_status;
drop type onboarding.step_name;
