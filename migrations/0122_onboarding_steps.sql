-- 0122: onboarding steps. Starts a session, reports and records its progress, and marks idle ones as abandoned.
-- migrate:up
insert into private.limit_rules (name, burst, refill, shared) values
  ('onboarding', 30, '2 seconds', 30), ('onboarding-steps', 120, '1 second', 60);

-- No limit for all callers together: a flood must not keep others from signing up.
insert into private.daily_allowances (name, bytes, rows) values ('onboarding', 52428800, 50000);

-- What the holder of a token may see: nothing of the lead, of the session's id, or of the caller.
create function onboarding.progress_of(session onboarding.sessions) returns jsonb
  -- Not in SQL: that would be planned at every call.
  language plpgsql stable
  set search_path = ''
  as $$
declare
  steps constant text[] := onboarding.steps();
begin
  return jsonb_build_object(
    'current_step', session.current_step,
    'status', session.status,
    'progress_percentage', session.progress_percentage,
    'next_step', steps[array_position(steps, session.current_step) + 1],
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
revoke execute on function onboarding.progress_of(onboarding.sessions) from public;

-- The session of a token, locked if it is to be changed. Absent, wrong and expired tokens take the same time and get the same
-- answer.
create function onboarding.session_of(token text, to_change boolean) returns onboarding.sessions
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  hash constant bytea := sha256(convert_to(coalesce(token, ''), 'UTF8'));
  session onboarding.sessions;
begin
  -- Addresses end up in logs and histories.
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
  -- Counted from the start, not from the last call: nobody can keep a stolen token alive.
  if (session.started_at > now() - interval '30 days') is not true then
    perform private.refuse(
      401, 'RG530', 'The session token is missing or not good', null,
      'Send the token that starting the session gave; it is good for 30 days. Otherwise start again.'
    );
  end if;
  return session;
end
$$;
revoke execute on function onboarding.session_of(text, boolean) from public;

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
    if private.is_email(address) is not true then
      perform onboarding.refuse_field(
        'The e-mail address is not one', 'Enter an address such as name@example.org, or leave it out.', null
      );
    end if;
    perform pg_advisory_xact_lock_shared(marketing.address_lock(private.normalize_email(address)));
    -- Locked, so that the lead still exists when the session refers to it.
    select l.id into lead
    from marketing.leads as l
    where l.email_normalized = private.normalize_email(address) and l.deleted_at is null
    for key share;
    if not found then
      -- Takes as long as the foreign key's look-up of a known lead.
      perform from marketing.leads as l where l.id = nobody for key share;
    end if;
  end if;

  insert into onboarding.sessions as s (lead_id, session_token_hash, status, user_agent, network, business_data)
  values (
    lead,
    sha256(convert_to(token, 'UTF8')),
    case when answers = '{}' then 'not_started' else 'in_progress' end,
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
  'Starts a session: {email?, business_data?} gives {session_token, session}. The token is returned once and stored nowhere, so an Idempotency-Key has no effect, since its answer would have to be stored: a client that loses the answer starts again, and the lost session ends as abandoned. A known address links the session to its lead, and the answer does not show it. Definer: the public has no right on the table.';
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
  'The progress of the token''s session. Reading is no activity. Completed and abandoned sessions can be read until the token''s 30 days are over. Volatile, so that PostgREST refuses GET and the token is never in an address. Definer: the token decides, and its holder has no right on the table.';
revoke execute on function onboarding.progress(text) from public;
grant execute on function onboarding.progress(text) to anon, authenticated, service_role;

create function onboarding.step(session_token text, change jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  steps constant text[] := onboarding.steps();
  worked constant text[] := trim_array(steps, 1);
  session onboarding.sessions := onboarding.session_of(step.session_token, true);
  -- The time now, not the transaction's start: it may have waited for the session.
  moment constant timestamptz := clock_timestamp();
  changed onboarding.sessions := session;
  named text;
  given jsonb;
  done boolean;
begin
  perform onboarding.check_form(change, array['step', 'data', 'completed']);
  named := onboarding.step_field(change, worked);
  if named is null then
    -- A missing step does not mean the current one: a repeated request would then work on the next step.
    perform onboarding.refuse_field('step is missing', format('Steps are %s.', array_to_string(worked, ', ')), null);
  end if;
  if jsonb_typeof(change -> 'completed') not in ('boolean', 'null') then
    perform onboarding.refuse_field('completed must be true or false', 'Send "completed": true, without quotes.', null);
  end if;
  done := coalesce((change ->> 'completed')::boolean, false);
  if array_position(steps, named) > array_position(steps, session.current_step) then
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
    -- A repeated request gets the same answer again.
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
    status = case when changed.testing_completed_at is null then 'in_progress' else 'completed' end,
    abandoned_at = null,
    last_activity_at = moment
  where s.id = session.id
  returning s.* into changed;
  perform private.use_allowance('onboarding', pg_column_size(change), 1);
  return onboarding.progress_of(changed);
end
$$;
comment on function onboarding.step(text, jsonb) is
  'Works on a step: {step, data?, completed?} gives the progress. data is merged by its top-level keys, null removes one; completed: true goes on to the next step, and the last one completes the session; false changes nothing. Earlier steps can be changed until then. A repeated request changes only last_activity_at. An abandoned session is in progress again. Definer: the token decides, and its holder has no right on the table.';
revoke execute on function onboarding.step(text, jsonb) from public;
grant execute on function onboarding.step(text, jsonb) to anon, authenticated, service_role;

-- Marks sessions in which nothing happened for two hours as abandoned, 5,000 at most, and returns how many. It skips locked
-- sessions: somebody is using them, or another run marks them.
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
    where s.id = any (array(select idle.id from idle union all select unbegun.id from unbegun));
    get diagnostics batch = row_count;
    abandoned := abandoned + batch;
    exit when batch = 0 or abandoned >= 5000;
  end loop;
  return abandoned;
end
$$;
comment on function onboarding.abandon_inactive_sessions() is
  'Marks sessions in progress or not begun in which nothing happened for two hours as abandoned, and returns how many. Granted to nobody: edge.run_job calls it.';
revoke execute on function onboarding.abandon_inactive_sessions() from public;

insert into private.jobs (name, function, schedule, description) values (
  'abandon_inactive_sessions', 'onboarding.abandon_inactive_sessions', '7 * * * *',
  'Marks onboarding sessions in which nothing happened for two hours as abandoned.'
);

-- migrate:down
delete from private.jobs where name = 'abandon_inactive_sessions';
delete from private.daily_allowances where name = 'onboarding';
delete from private.limit_rules where name in ('onboarding', 'onboarding-steps');
drop function onboarding.abandon_inactive_sessions();
drop function onboarding.step(text, jsonb);
drop function onboarding.progress(text);
drop function onboarding.start(jsonb);
drop function onboarding.session_of(text, boolean);
drop function onboarding.progress_of(onboarding.sessions);
