-- 0123: onboarding activities. What happened in a session, as its front end reports it: where people stop, and at which fields.
-- migrate:up
create table onboarding.step_activities (
  id                 uuid primary key default pg_catalog.gen_random_uuid(),
  session_id         uuid not null,
  step               text not null, -- not an enum, as the status of leads
  activity_type      text not null,
  field_name         text,
  field_value        text,
  error_message      text,
  time_spent_seconds bigint,
  metadata           jsonb not null default '{}',
  created_at         timestamptz not null default now(),
  constraint step_activities_session foreign key (session_id) references onboarding.sessions on delete cascade,
  constraint step_activities_step check (step in ('business_info', 'whatsapp_integration', 'bot_setup', 'testing', 'complete')),
  -- Lenient: front ends may have types of their own.
  constraint step_activities_type check (activity_type ~ '^[a-z][a-z0-9_]{0,49}$'),
  constraint step_activities_field_name_length check (char_length(field_name) between 1 and 100),
  constraint step_activities_field_value_length check (char_length(field_value) <= 200),
  constraint step_activities_error_message_length check (char_length(error_message) <= 500),
  constraint step_activities_time_spent check (time_spent_seconds between 0 and 86400),
  constraint step_activities_metadata check (jsonb_typeof(metadata) = 'object')
);
comment on table onboarding.step_activities is
  'What happened in a session, as its front end reports it: where people stop, and at which fields. Erased with the session.';
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
  using ((select private.is_admin()));
grant select on onboarding.step_activities to authenticated, service_role;
select private.scope_table('onboarding.step_activities');

create trigger step_activities_erased before insert or update on onboarding.step_activities
  for each statement execute function private.refuse_erased_caller();

select private.index_mentions(
  'onboarding.step_activities', array['activity_type', 'field_name', 'field_value', 'error_message', 'metadata']
);

create table private.onboarding_plain_fields (
  field_name text constraint onboarding_plain_fields_pkey primary key
);
comment on table private.onboarding_plain_fields is
  'Fields of onboarding whose values activities may store: choices from a list, never free text. Add a row to store another one.';

alter table private.onboarding_plain_fields enable row level security;
alter table private.onboarding_plain_fields force row level security;

insert into private.onboarding_plain_fields (field_name) values
  ('industry'), ('company_size'), ('country'), ('language'), ('timezone'), ('currency'), ('message_volume'), ('use_case'),
  ('bot_template'), ('bot_tone'), ('connection_method');

-- One activity as a row, without id and time.
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
  made.step := coalesce(onboarding.step_field(form, onboarding.steps(), place), session.current_step);
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
  -- Cut, not refused: the visitor cannot shorten an error message.
  made.error_message := left(onboarding.redacted(onboarding.text_field(form, 'error_message', 65536, place)), 500);

  if jsonb_typeof(form -> 'time_spent_seconds') not in ('number', 'null') then
    perform onboarding.refuse_field('time_spent_seconds must be a number', 'Send it without quotes.', place);
  end if;
  spent := (form ->> 'time_spent_seconds')::numeric;
  if spent < 0 then
    perform onboarding.refuse_field('time_spent_seconds is negative', 'Send 0 or more.', place);
  end if;
  -- A page that stays open over night counts as one day at most.
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
revoke execute on function onboarding.activity_row(onboarding.sessions, jsonb, text) from public;

create function onboarding.activity(session_token text, activity jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  most constant bigint := 2000;
  session constant onboarding.sessions := onboarding.session_of(activity.session_token, true);
  moment constant timestamptz := clock_timestamp();
  retriable constant boolean := private.request_header('idempotency-key') is not null;
  -- Each session has its own namespace of Idempotency-Keys.
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

  -- The session is locked, so the count cannot change meanwhile.
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
      -- Keeps the order of the list.
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
  'Records what happened in a session: {activity_type, step?, field_name?, field_value?, error_message?, time_spent_seconds?, metadata?} or a list of up to 50, all of them or none, gives {accepted}. Supports an Idempotency-Key. An abandoned session is in progress again; a completed one stays completed. Definer: the token decides, and its holder has no right on the table.';
revoke execute on function onboarding.activity(text, jsonb) from public;
grant execute on function onboarding.activity(text, jsonb) to anon, authenticated, service_role;

-- migrate:down
delete from private.mention_places where relation = 'onboarding.step_activities';
drop function onboarding.activity(text, jsonb);
drop function onboarding.activity_row(onboarding.sessions, jsonb, text);
drop table private.onboarding_plain_fields;
drop table onboarding.step_activities;
