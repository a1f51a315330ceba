-- 0177: how long an answer took does not say whether an address is known: it comes at the next whole 5 ms since the call began,
-- whatever was done for it. And taking leads in costs less: what is asked of the request is asked once; a constant answer is
-- kept with its key at once; a known lead is read once.
-- migrate:up

-- The user, as auth.uid() says, which older versions of Supabase's read from a setting of its own. Most callers here have no sub,
-- and need not wait for it to be looked at.
create function private.user_id() returns uuid
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return case
    when nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub' is not null
      or nullif(current_setting('request.jwt.claim.sub', true), '') is not null then auth.uid()
  end;
end
$$;

-- Waits for the next whole step since a start, so that what was done between says nothing by how long it took. pg_sleep waits
-- whole milliseconds, rounded up, and what is left of one would tell all the same: that is waited for awake.
create function private.wait_for_step(start timestamptz, step interval) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  steps constant float8 := ceil(extract(epoch from clock_timestamp() - start) / extract(epoch from step));
  due constant timestamptz := start + step * steps;
begin
  -- Half a millisecond less than is meant, or what a float has too much is rounded up, too. A sleeper wakes a little late.
  perform pg_sleep((floor(1000 * extract(epoch from due - clock_timestamp()) - 0.2) - 0.5) / 1000);
  -- A clock that is set back ends it.
  while clock_timestamp() between due - interval '2 milliseconds' and due loop
  end loop;
end
$$;

-- The step that a function answers on: 5 ms, and 50 for the first call of a connection, which has everything to compile, and
-- more of it for one address than for another.
create function private.answer_step(function text) returns interval
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  compiled constant text := 'rowgate.' || function;
begin
  if current_setting(compiled, true) = 'yes' then
    return interval '5 milliseconds';
  end if;
  perform set_config(compiled, 'yes', false);
  return interval '50 milliseconds';
end
$$;

create or replace function private.caller_key() returns text
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return coalesce(
    'user ' || private.user_id()::text,
    case when auth.role() = 'service_role' then 'service' end,
    'addr ' || (private.edge_claim() ->> 'addr'),
    'nobody'
  );
end
$$;

create or replace function private.idempotency_caller() returns text
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return coalesce(private.user_id()::text, case when auth.role() = 'service_role' then 'service' end, 'anon');
end
$$;

-- As before, and of tables whose key has another name: the trigger's argument.
create or replace function private.audit() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
declare
  before constant jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
  after constant jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
begin
  insert into private.audit_log (actor, actor_role, request_id, operation, relation, row_id, columns)
  values (
    private.user_id(),
    coalesce((select auth.role()), session_user),
    left(private.request_header('x-request-id'), 128),
    tg_op,
    tg_table_schema || '.' || tg_table_name,
    coalesce(after, before) ->> coalesce(tg_argv[0], 'id'),
    case when tg_op = 'UPDATE' then (
      select array_agg(now_.key order by now_.key)
      from jsonb_each(after) as now_
      where now_.value is distinct from before -> now_.key and now_.key <> 'updated_at'
    ) end
  );
  return null;
end
$$;

drop function private.idempotency_begin(text, jsonb);
-- Starts an operation under the request's Idempotency-Key. Gives the stored answer of an earlier one, or null: do it,
-- then call idempotency_end, unless the answer is known beforehand and was given here. A second request of the same key
-- waits in the insert until the first is through.
create function private.idempotency_begin(operation text, request jsonb, answer jsonb default null) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  asked constant text := private.request_header('idempotency-key');
  who constant text := private.idempotency_caller();
  hash constant bytea := sha256(convert_to(request::text, 'UTF8'));
  known private.idempotency_keys;
  first boolean;
begin
  if asked is null then
    return null;
  end if;
  if char_length(asked) not between 1 and 255 then
    perform private.refuse(400, 'RG502', 'The Idempotency-Key must have 1 to 255 characters', null, 'Use a UUID.');
  end if;

  insert into private.idempotency_keys as k (operation, caller, key, request_hash, answer, expires_at)
  values (idempotency_begin.operation, who, asked, hash, idempotency_begin.answer, now() + interval '24 hours')
  on conflict on constraint idempotency_keys_pkey do update
    set request_hash = excluded.request_hash, answer = excluded.answer, expires_at = excluded.expires_at
    where k.expires_at < now();
  first := found;

  -- After the insert, and skipping what is locked, as in take_token.
  delete from private.idempotency_keys as k
  where (k.operation, k.caller, k.key) in (
    select old.operation, old.caller, old.key from private.idempotency_keys as old
    where old.expires_at < now()
    order by old.expires_at
    limit 2
    for update skip locked
  );

  if first then
    return null;
  end if;

  select * into strict known
  from private.idempotency_keys as k
  where k.operation = idempotency_begin.operation and k.caller = who and k.key = asked;
  if known.request_hash <> hash then
    perform private.refuse(
      422, 'RG503', 'This Idempotency-Key was used with another body', null,
      'Use a new key for a new request; repeat a request with its own body.'
    );
  end if;
  return known.answer;
end
$$;

-- Fields of a form that have no column, scalars as text whatever the encoding was, so that every encoding gives one row.
create or replace function marketing.lead_metadata(lead jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  known constant text[] := array[
    'email', 'phone_number', 'company_name', 'first_name', 'last_name', 'source', 'notes', 'interested_features',
    'utm_source', 'utm_medium', 'utm_campaign', 'utm_content', 'utm_term', 'referrer', 'landing_page',
    'consent', 'consent_version', '_gotcha', '_next', '_ts', '_edge', 'cf-turnstile-response'
  ];
  others constant jsonb := lead - known;
  extra constant jsonb := case when others = '{}' then others else (
    select coalesce(jsonb_object_agg(
      field.key,
      case when jsonb_typeof(field.value) in ('array', 'object') then field.value else to_jsonb(field.value #>> '{}') end
    ), '{}')
    from jsonb_each(others) as field
    where field.value <> 'null'
  ) end;
begin
  if (select count(*) from jsonb_object_keys(extra)) > 50 or octet_length(extra::text) > 16384 then
    perform private.refuse(
      422, 'RG506', 'There are too many other fields', 'At most 50 of them and 16 KB together',
      'Send fewer fields besides those of a lead.'
    );
  end if;
  return extra;
end
$$;

-- The features somebody ticked: texts of at most 200 characters, at most 50.
create or replace function marketing.lead_features(lead jsonb) returns text[]
  language plpgsql stable
  set search_path = ''
  as $$
declare
  field constant text := 'interested_features';
  listed constant jsonb := case jsonb_typeof(lead -> field)
    when 'array' then lead -> field
    else jsonb_build_array(marketing.lead_text(lead, field))
  end;
begin
  if not lead ? field then
    return '{}';
  end if;
  if jsonb_array_length(listed) > 50 then
    perform private.refuse(422, 'RG505', format('%s has too many', field), 'At most 50', format('Send fewer %s.', field));
  end if;
  return array(
    select marketing.lead_text(jsonb_build_object(field, item.value), field) as feature
    from jsonb_array_elements(listed) with ordinality as item (value, position)
    where nullif(btrim(item.value #>> '{}'), '') is not null
    order by item.position
  );
end
$$;

drop function marketing.merge_lead(marketing.leads, boolean, jsonb);
-- Puts another submission of a known person into their row, which the caller has locked. Whoever knows an address can
-- send this, so blanks are filled and nothing is overwritten; what differs is kept in last_touch. A bot changes nothing of
-- a good lead but the count; the first clean submission takes over what a bot has left.
create function marketing.merge_lead(draft marketing.leads, id uuid, known_spam boolean, known_reason text, lead jsonb) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  -- What a program does. What is only held is merged as anybody's: nothing of it is lost, and nothing is overwritten by it.
  machine constant text[] := array['honeypot', 'forged-stamp', 'too-fast'];
begin
  if draft.spam_reason = any (machine) and not (known_spam and known_reason = any (machine)) then
    update marketing.leads as l set submission_count = l.submission_count + 1
    where l.id = merge_lead.id;
    return;
  end if;
  -- Taken for spam by somebody: that is no later submission's to undo.
  if known_spam and known_reason is distinct from 'held' and not coalesce(known_reason = any (machine), false) then
    update marketing.leads as l set
      submission_count = l.submission_count + 1,
      last_touch = draft.last_touch || jsonb_build_object('fields', lead - '_next' - '_ts' - '_edge' - 'cf-turnstile-response')
    where l.id = merge_lead.id;
    return;
  end if;

  if known_spam and known_reason = any (machine) and not coalesce(draft.spam_reason = any (machine), false) then
    update marketing.leads as l set
      email = draft.email, phone_number = draft.phone_number, company_name = draft.company_name,
      first_name = draft.first_name, last_name = draft.last_name, source = draft.source, notes = draft.notes,
      interested_features = draft.interested_features, utm_source = draft.utm_source, utm_medium = draft.utm_medium,
      utm_campaign = draft.utm_campaign, utm_content = draft.utm_content, utm_term = draft.utm_term,
      referrer = draft.referrer, landing_page = draft.landing_page, first_touch = draft.first_touch,
      last_touch = draft.last_touch, user_agent = draft.user_agent, network = draft.network,
      country_code = draft.country_code, region = draft.region, city = draft.city, submission_key = draft.submission_key, metadata = draft.metadata,
      submission_count = l.submission_count + 1, spam_score = draft.spam_score, spam_reason = draft.spam_reason,
      is_spam = draft.is_spam,
      opt_in_status = case
        when l.opt_in_status = 'confirmed' or draft.opt_in_status = 'none' then l.opt_in_status else draft.opt_in_status
      end
    where l.id = merge_lead.id;
    return;
  end if;

  update marketing.leads as l set
    phone_number = coalesce(l.phone_number, draft.phone_number),
    company_name = coalesce(l.company_name, draft.company_name),
    first_name = coalesce(l.first_name, draft.first_name),
    last_name = coalesce(l.last_name, draft.last_name),
    -- A second message is kept below the first, while there is room.
    notes = case
      when draft.notes is null or position(draft.notes in l.notes) > 0 then l.notes
      when l.notes is null then draft.notes
      when char_length(l.notes) + char_length(draft.notes) > 20000 then l.notes
      else l.notes || E'\n\n' || draft.notes
    end,
    interested_features = case
      when draft.interested_features <@ l.interested_features then l.interested_features
      else array(
        select distinct feature from unnest(l.interested_features || draft.interested_features) as feature
        order by feature limit 50
      )
    end,
    utm_source = coalesce(l.utm_source, draft.utm_source),
    utm_medium = coalesce(l.utm_medium, draft.utm_medium),
    utm_campaign = coalesce(l.utm_campaign, draft.utm_campaign),
    utm_content = coalesce(l.utm_content, draft.utm_content),
    utm_term = coalesce(l.utm_term, draft.utm_term),
    referrer = coalesce(l.referrer, draft.referrer),
    landing_page = coalesce(l.landing_page, draft.landing_page),
    last_touch = draft.last_touch || jsonb_build_object('fields', lead - '_next' - '_ts' - '_edge' - 'cf-turnstile-response'),
    user_agent = coalesce(draft.user_agent, l.user_agent),
    network = coalesce(draft.network, l.network),
    country_code = coalesce(draft.country_code, l.country_code),
    region = coalesce(draft.region, l.region),
    city = coalesce(draft.city, l.city),
    submission_key = coalesce(draft.submission_key, l.submission_key),
    metadata = case
      when draft.metadata = '{}' then l.metadata
      when octet_length((draft.metadata || l.metadata)::text) <= 65536 then draft.metadata || l.metadata
      else l.metadata
    end,
    submission_count = l.submission_count + 1,
    -- A person has come back who was held.
    spam_score = case when draft.is_spam then l.spam_score else 0 end,
    spam_reason = case when draft.is_spam then l.spam_reason end,
    is_spam = l.is_spam and draft.is_spam,
    opt_in_status = case
      when l.opt_in_status in ('none', 'revoked') and draft.opt_in_status = 'pending' then 'pending'
      else l.opt_in_status
    end
  where l.id = merge_lead.id;
end
$$;

-- The number of the lock that whoever looks for an address takes first.
create function marketing.address_lock(email_normalized text) returns bigint
  language plpgsql immutable strict
  set search_path = ''
  as $$
begin
  return hashtextextended('marketing.leads ' || email_normalized, 0);
end
$$;

-- Takes one submission of a public form. New, repeated and spam get the same answer. Definer: the public has no right
-- on the table, and what it may change of an existing row is decided here.
create or replace function marketing.capture_lead(lead jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  answer constant jsonb := '{"status": "received"}';
  started constant timestamptz := clock_timestamp();
  step interval;
  edge constant jsonb := private.edge_claim();
  -- What the edge notes, and what is good once, are another's at the next try.
  asked constant jsonb := case when jsonb_typeof(lead) = 'object' then lead - '_edge' - '_ts' - 'cf-turnstile-response' end;
  stored jsonb;
  draft marketing.leads;
  known_id uuid;
  known_spam boolean;
  known_reason text;
begin
  if jsonb_typeof(lead) is distinct from 'object' then
    perform private.refuse(400, 'RG507', 'A lead must be an object of fields', null, 'Send {"email": "..."}.');
  end if;
  if octet_length(lead::text) > 65536 then
    perform private.refuse(413, 'RG510', 'The lead is too large', 'At most 64 KB', 'Send less.');
  end if;
  perform private.limit_caller('leads');
  stored := private.idempotency_begin('capture_lead', asked, answer);
  if stored is not null then
    return stored;
  end if;

  draft.email := marketing.lead_text(lead, 'email', 254);
  draft.email_normalized := marketing.normalize_email(draft.email::text);
  if marketing.is_email(draft.email::text) is not true or draft.email_normalized like '@%' then
    perform private.refuse(
      422, 'RG508', 'The e-mail address is missing or not one', null, 'Enter an address such as name@example.org.'
    );
  end if;
  if coalesce(marketing.lead_text(lead, 'source'), 'website-form') <> all (enum_range(null::marketing.lead_source)::text[]) then
    perform private.refuse(
      422, 'RG509', 'The source is not a known one',
      array_to_string(enum_range(null::marketing.lead_source), ', '), 'Send one of these as source, or none.'
    );
  end if;

  draft.id := gen_random_uuid();
  draft.email_domain := split_part(draft.email_normalized, '@', 2);
  draft.phone_number := marketing.lead_text(lead, 'phone_number', 50);
  draft.company_name := marketing.lead_text(lead, 'company_name');
  draft.first_name := marketing.lead_text(lead, 'first_name');
  draft.last_name := marketing.lead_text(lead, 'last_name');
  draft.source := coalesce(marketing.lead_text(lead, 'source'), 'website-form');
  draft.status := 'new';
  draft.notes := marketing.lead_text(lead, 'notes', 5000);
  draft.interested_features := marketing.lead_features(lead);
  draft.utm_source := marketing.lead_text(lead, 'utm_source');
  draft.utm_medium := marketing.lead_text(lead, 'utm_medium');
  draft.utm_campaign := marketing.lead_text(lead, 'utm_campaign');
  draft.utm_content := marketing.lead_text(lead, 'utm_content');
  draft.utm_term := marketing.lead_text(lead, 'utm_term');
  draft.referrer := marketing.lead_text(lead, 'referrer', 2000);
  draft.landing_page := coalesce(
    marketing.lead_text(lead, 'landing_page', 2000), left(private.request_header('referer'), 2000)
  );
  draft.first_touch := jsonb_strip_nulls(jsonb_build_object(
    'at', now(), 'source', draft.source, 'utm_source', draft.utm_source, 'utm_medium', draft.utm_medium,
    'utm_campaign', draft.utm_campaign, 'utm_content', draft.utm_content, 'utm_term', draft.utm_term,
    'referrer', draft.referrer, 'landing_page', draft.landing_page,
    'consent_version', left(marketing.lead_text(lead, 'consent_version'), 100)
  ));
  draft.last_touch := draft.first_touch;
  draft.user_agent := left(private.request_header('user-agent'), 512);
  draft.network := (edge ->> 'net')::inet;
  draft.country_code := edge ->> 'country';
  draft.region := left(lead -> '_edge' ->> 'region', 100);
  draft.city := left(lead -> '_edge' ->> 'city', 100);
  draft.submission_key := private.request_header('idempotency-key');
  draft.metadata := marketing.lead_metadata(lead);
  draft.submission_count := 1;
  select s.score, s.reason into draft.spam_score, draft.spam_reason from marketing.spam_score(lead) as s;
  draft.is_spam := draft.spam_score >= 50;
  draft.opt_in_status := case
    when lower(marketing.lead_text(lead, 'consent')) in ('on', 'yes', 'true', '1') and (not draft.is_spam or draft.spam_reason = 'held') then 'pending'
    else 'none'
  end;
  draft.created_at := now();
  draft.updated_at := now();

  step := private.answer_step('capture_lead');
  -- One address after the other, before anybody knows of it: whoever waits for a known lead waits for a new one, too.
  perform pg_advisory_xact_lock(marketing.address_lock(draft.email_normalized));
  loop
    insert into marketing.leads values (draft.*)
    on conflict (email_normalized) where deleted_at is null do nothing;
    exit when found;
    select l.id, l.is_spam, l.spam_reason into known_id, known_spam, known_reason
    from marketing.leads as l
    where l.email_normalized = draft.email_normalized and l.deleted_at is null
    for update;
    if found then
      perform marketing.merge_lead(draft, known_id, known_spam, known_reason, lead);
      exit;
    end if;
    -- It was deleted in between: once more.
  end loop;

  -- A new lead has not compiled what a known one needs: it is tried out once in a connection, and undone.
  if known_id is null and step > interval '5 milliseconds' then
    begin
      perform marketing.merge_lead(draft, draft.id, false, null, lead);
      raise sqlstate 'UNDO0';
    exception
      when sqlstate 'UNDO0' then null;
    end;
  end if;
  -- A known address takes longer than a new one. The back office may know which it was.
  if auth.role() is distinct from 'service_role' then
    perform private.wait_for_step(started, step);
  end if;
  return answer;
end
$$;

create or replace function onboarding.start(session jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  edge constant jsonb := private.edge_claim();
  -- Two strong random numbers, 244 bits together.
  token constant text :=
    'rgs_' || encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex');
  nobody constant uuid := gen_random_uuid();
  started constant timestamptz := clock_timestamp();
  address text;
  answers jsonb;
  lead uuid;
  made onboarding.sessions;
begin
  perform onboarding.check_form(start.session, array['email', 'business_data']);
  perform private.limit_caller('onboarding');
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
  -- To link a lead takes longer.
  if address is not null and auth.role() is distinct from 'service_role' then
    perform private.wait_for_step(started, private.answer_step('onboarding_start'));
  end if;
  return jsonb_build_object('session_token', token, 'session', onboarding.progress_of(made));
end
$$;

revoke execute on function marketing.address_lock(text) from public;
revoke execute on function marketing.merge_lead(marketing.leads, uuid, boolean, text, jsonb) from public;

-- migrate:down
create or replace function onboarding.start(session jsonb) returns jsonb
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
  address := onboarding.text_field(start.session, 'email', 254);
  answers := onboarding.merged_data('{}', start.session -> 'business_data', 'business_data');
  if address is not null then
    if marketing.is_email(address) is not true then
      perform onboarding.refuse_field(
        'The e-mail address is not one', 'Enter an address such as name@example.org, or leave it out.', null
      );
    end if;
    -- Locked, so that it is still there when the session names it.
    select l.id into lead
    from marketing.leads as l
    where l.email_normalized = marketing.normalize_email(address) and l.deleted_at is null
    for key share;
    if not found then
      -- The look that a foreign key takes: it must not be told by the time either whether the address is known.
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
  return jsonb_build_object('session_token', token, 'session', onboarding.progress_of(made));
end
$$;

create or replace function marketing.capture_lead(lead jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  answer constant jsonb := '{"status": "received"}';
  edge constant jsonb := private.edge_claim();
  -- What the edge notes, and what is good once, are another's at the next try.
  asked constant jsonb := case when jsonb_typeof(lead) = 'object' then lead - '_edge' - '_ts' - 'cf-turnstile-response' end;
  stored jsonb;
  draft marketing.leads;
  known_spam boolean;
begin
  if jsonb_typeof(lead) is distinct from 'object' then
    perform private.refuse(400, 'RG507', 'A lead must be an object of fields', null, 'Send {"email": "..."}.');
  end if;
  if octet_length(lead::text) > 65536 then
    perform private.refuse(413, 'RG510', 'The lead is too large', 'At most 64 KB', 'Send less.');
  end if;
  perform private.limit_caller('leads');
  stored := private.idempotency_begin('capture_lead', asked);
  if stored is not null then
    return stored;
  end if;

  draft.email := marketing.lead_text(lead, 'email', 254);
  draft.email_normalized := marketing.normalize_email(draft.email::text);
  if marketing.is_email(draft.email::text) is not true or draft.email_normalized like '@%' then
    perform private.refuse(
      422, 'RG508', 'The e-mail address is missing or not one', null, 'Enter an address such as name@example.org.'
    );
  end if;
  if coalesce(marketing.lead_text(lead, 'source'), 'website-form') <> all (enum_range(null::marketing.lead_source)::text[]) then
    perform private.refuse(
      422, 'RG509', 'The source is not a known one',
      array_to_string(enum_range(null::marketing.lead_source), ', '), 'Send one of these as source, or none.'
    );
  end if;

  draft.id := gen_random_uuid();
  draft.email_domain := split_part(draft.email_normalized, '@', 2);
  draft.phone_number := marketing.lead_text(lead, 'phone_number', 50);
  draft.company_name := marketing.lead_text(lead, 'company_name');
  draft.first_name := marketing.lead_text(lead, 'first_name');
  draft.last_name := marketing.lead_text(lead, 'last_name');
  draft.source := coalesce(marketing.lead_text(lead, 'source'), 'website-form');
  draft.status := 'new';
  draft.notes := marketing.lead_text(lead, 'notes', 5000);
  draft.interested_features := marketing.lead_features(lead);
  draft.utm_source := marketing.lead_text(lead, 'utm_source');
  draft.utm_medium := marketing.lead_text(lead, 'utm_medium');
  draft.utm_campaign := marketing.lead_text(lead, 'utm_campaign');
  draft.utm_content := marketing.lead_text(lead, 'utm_content');
  draft.utm_term := marketing.lead_text(lead, 'utm_term');
  draft.referrer := marketing.lead_text(lead, 'referrer', 2000);
  draft.landing_page := coalesce(
    marketing.lead_text(lead, 'landing_page', 2000), left(private.request_header('referer'), 2000)
  );
  draft.first_touch := jsonb_strip_nulls(jsonb_build_object(
    'at', now(), 'source', draft.source, 'utm_source', draft.utm_source, 'utm_medium', draft.utm_medium,
    'utm_campaign', draft.utm_campaign, 'utm_content', draft.utm_content, 'utm_term', draft.utm_term,
    'referrer', draft.referrer, 'landing_page', draft.landing_page,
    'consent_version', left(marketing.lead_text(lead, 'consent_version'), 100)
  ));
  draft.last_touch := draft.first_touch;
  draft.user_agent := left(private.request_header('user-agent'), 512);
  draft.network := (edge ->> 'net')::inet;
  draft.country_code := edge ->> 'country';
  draft.region := left(lead -> '_edge' ->> 'region', 100);
  draft.city := left(lead -> '_edge' ->> 'city', 100);
  draft.submission_key := private.request_header('idempotency-key');
  draft.metadata := marketing.lead_metadata(lead);
  draft.submission_count := 1;
  select s.score, s.reason into draft.spam_score, draft.spam_reason from marketing.spam_score(lead) as s;
  draft.is_spam := draft.spam_score >= 50;
  draft.opt_in_status := case
    when lower(marketing.lead_text(lead, 'consent')) in ('on', 'yes', 'true', '1') and (not draft.is_spam or draft.spam_reason = 'held') then 'pending'
    else 'none'
  end;
  draft.created_at := now();
  draft.updated_at := now();

  loop
    insert into marketing.leads values (draft.*)
    on conflict (email_normalized) where deleted_at is null do nothing;
    exit when found;
    select l.is_spam into known_spam
    from marketing.leads as l
    where l.email_normalized = draft.email_normalized and l.deleted_at is null
    for update;
    if found then
      perform marketing.merge_lead(draft, known_spam, lead);
      exit;
    end if;
    -- It was deleted in between: once more.
  end loop;

  perform private.idempotency_end('capture_lead', answer);
  return answer;
end
$$;

drop function marketing.merge_lead(marketing.leads, uuid, boolean, text, jsonb);
drop function marketing.address_lock(text);
create function marketing.merge_lead(draft marketing.leads, known_spam boolean, lead jsonb) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  known marketing.leads;
  -- What a program does. What is only held is merged as anybody's: nothing of it is lost, and nothing is overwritten by it.
  machine constant text[] := array['honeypot', 'forged-stamp', 'too-fast'];
begin
  select * into strict known from marketing.leads as l
  where l.email_normalized = draft.email_normalized and l.deleted_at is null;
  if draft.spam_reason = any (machine) and not (known_spam and known.spam_reason = any (machine)) then
    update marketing.leads as l set submission_count = l.submission_count + 1
    where l.email_normalized = draft.email_normalized and l.deleted_at is null;
    return;
  end if;
  -- Taken for spam by somebody: that is no later submission's to undo.
  if known_spam and known.spam_reason is distinct from 'held' and not coalesce(known.spam_reason = any (machine), false) then
    update marketing.leads as l set
      submission_count = l.submission_count + 1,
      last_touch = draft.last_touch || jsonb_build_object('fields', lead - '_next' - '_ts' - '_edge' - 'cf-turnstile-response')
    where l.email_normalized = draft.email_normalized and l.deleted_at is null;
    return;
  end if;

  if known_spam and known.spam_reason = any (machine) and not coalesce(draft.spam_reason = any (machine), false) then
    update marketing.leads as l set
      email = draft.email, phone_number = draft.phone_number, company_name = draft.company_name,
      first_name = draft.first_name, last_name = draft.last_name, source = draft.source, notes = draft.notes,
      interested_features = draft.interested_features, utm_source = draft.utm_source, utm_medium = draft.utm_medium,
      utm_campaign = draft.utm_campaign, utm_content = draft.utm_content, utm_term = draft.utm_term,
      referrer = draft.referrer, landing_page = draft.landing_page, first_touch = draft.first_touch,
      last_touch = draft.last_touch, user_agent = draft.user_agent, network = draft.network,
      country_code = draft.country_code, region = draft.region, city = draft.city, submission_key = draft.submission_key, metadata = draft.metadata,
      submission_count = l.submission_count + 1, spam_score = draft.spam_score, spam_reason = draft.spam_reason,
      is_spam = draft.is_spam,
      opt_in_status = case
        when l.opt_in_status = 'confirmed' or draft.opt_in_status = 'none' then l.opt_in_status else draft.opt_in_status
      end
    where l.email_normalized = draft.email_normalized and l.deleted_at is null;
    return;
  end if;

  update marketing.leads as l set
    phone_number = coalesce(l.phone_number, draft.phone_number),
    company_name = coalesce(l.company_name, draft.company_name),
    first_name = coalesce(l.first_name, draft.first_name),
    last_name = coalesce(l.last_name, draft.last_name),
    -- A second message is kept below the first, while there is room.
    notes = case
      when draft.notes is null or position(draft.notes in l.notes) > 0 then l.notes
      when l.notes is null then draft.notes
      when char_length(l.notes) + char_length(draft.notes) > 20000 then l.notes
      else l.notes || E'\n\n' || draft.notes
    end,
    interested_features = array(
      select distinct feature from unnest(l.interested_features || draft.interested_features) as feature
      order by feature limit 50
    ),
    utm_source = coalesce(l.utm_source, draft.utm_source),
    utm_medium = coalesce(l.utm_medium, draft.utm_medium),
    utm_campaign = coalesce(l.utm_campaign, draft.utm_campaign),
    utm_content = coalesce(l.utm_content, draft.utm_content),
    utm_term = coalesce(l.utm_term, draft.utm_term),
    referrer = coalesce(l.referrer, draft.referrer),
    landing_page = coalesce(l.landing_page, draft.landing_page),
    last_touch = draft.last_touch || jsonb_build_object('fields', lead - '_next' - '_ts' - '_edge' - 'cf-turnstile-response'),
    user_agent = coalesce(draft.user_agent, l.user_agent),
    network = coalesce(draft.network, l.network),
    country_code = coalesce(draft.country_code, l.country_code),
    region = coalesce(draft.region, l.region),
    city = coalesce(draft.city, l.city),
    submission_key = coalesce(draft.submission_key, l.submission_key),
    metadata = case
      when octet_length((draft.metadata || l.metadata)::text) <= 65536 then draft.metadata || l.metadata
      else l.metadata
    end,
    submission_count = l.submission_count + 1,
    -- A person has come back who was held.
    spam_score = case when draft.is_spam then l.spam_score else 0 end,
    spam_reason = case when draft.is_spam then l.spam_reason end,
    is_spam = l.is_spam and draft.is_spam,
    opt_in_status = case
      when l.opt_in_status in ('none', 'revoked') and draft.opt_in_status = 'pending' then 'pending'
      else l.opt_in_status
    end
  where l.email_normalized = draft.email_normalized and l.deleted_at is null;
end
$$;
revoke execute on function marketing.merge_lead(marketing.leads, boolean, jsonb) from public;

create or replace function marketing.lead_features(lead jsonb) returns text[]
  language plpgsql stable
  set search_path = ''
  as $$
declare
  field constant text := 'interested_features';
  listed constant jsonb := case jsonb_typeof(lead -> field)
    when 'array' then lead -> field
    else jsonb_build_array(marketing.lead_text(lead, field))
  end;
begin
  if jsonb_array_length(listed) > 50 then
    perform private.refuse(422, 'RG505', format('%s has too many', field), 'At most 50', format('Send fewer %s.', field));
  end if;
  return array(
    select marketing.lead_text(jsonb_build_object(field, item.value), field) as feature
    from jsonb_array_elements(listed) with ordinality as item (value, position)
    where nullif(btrim(item.value #>> '{}'), '') is not null
    order by item.position
  );
end
$$;

create or replace function marketing.lead_metadata(lead jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  known constant text[] := array[
    'email', 'phone_number', 'company_name', 'first_name', 'last_name', 'source', 'notes', 'interested_features',
    'utm_source', 'utm_medium', 'utm_campaign', 'utm_content', 'utm_term', 'referrer', 'landing_page',
    'consent', 'consent_version', '_gotcha', '_next', '_ts', '_edge', 'cf-turnstile-response'
  ];
  extra constant jsonb := (
    select coalesce(jsonb_object_agg(
      field.key,
      case when jsonb_typeof(field.value) in ('array', 'object') then field.value else to_jsonb(field.value #>> '{}') end
    ), '{}')
    from jsonb_each(lead) as field
    where field.key <> all (known) and field.value <> 'null'
  );
begin
  if (select count(*) from jsonb_object_keys(extra)) > 50 or octet_length(extra::text) > 16384 then
    perform private.refuse(
      422, 'RG506', 'There are too many other fields', 'At most 50 of them and 16 KB together',
      'Send fewer fields besides those of a lead.'
    );
  end if;
  return extra;
end
$$;

drop function private.idempotency_begin(text, jsonb, jsonb);
create function private.idempotency_begin(operation text, request jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  asked constant text := private.request_header('idempotency-key');
  who constant text := private.idempotency_caller();
  hash constant bytea := sha256(convert_to(request::text, 'UTF8'));
  known private.idempotency_keys;
  first boolean;
begin
  if asked is null then
    return null;
  end if;
  if char_length(asked) not between 1 and 255 then
    perform private.refuse(400, 'RG502', 'The Idempotency-Key must have 1 to 255 characters', null, 'Use a UUID.');
  end if;

  insert into private.idempotency_keys as k (operation, caller, key, request_hash, expires_at)
  values (idempotency_begin.operation, who, asked, hash, now() + interval '24 hours')
  on conflict on constraint idempotency_keys_pkey do update
    set request_hash = excluded.request_hash, answer = null, expires_at = excluded.expires_at
    where k.expires_at < now();
  first := found;

  -- After the insert, and skipping what is locked, as in take_token.
  delete from private.idempotency_keys as k
  where (k.operation, k.caller, k.key) in (
    select old.operation, old.caller, old.key from private.idempotency_keys as old
    where old.expires_at < now()
    order by old.expires_at
    limit 2
    for update skip locked
  );

  if first then
    return null;
  end if;

  select * into strict known
  from private.idempotency_keys as k
  where k.operation = idempotency_begin.operation and k.caller = who and k.key = asked;
  if known.request_hash <> hash then
    perform private.refuse(
      422, 'RG503', 'This Idempotency-Key was used with another body', null,
      'Use a new key for a new request; repeat a request with its own body.'
    );
  end if;
  return known.answer;
end
$$;

create or replace function private.audit() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
declare
  before constant jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
  after constant jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
begin
  insert into private.audit_log (actor, actor_role, request_id, operation, relation, row_id, columns)
  values (
    (select auth.uid()),
    coalesce((select auth.role()), session_user),
    left(private.request_header('x-request-id'), 128),
    tg_op,
    tg_table_schema || '.' || tg_table_name,
    coalesce(after, before) ->> coalesce(tg_argv[0], 'id'),
    case when tg_op = 'UPDATE' then (
      select array_agg(now_.key order by now_.key)
      from jsonb_each(after) as now_
      where now_.value is distinct from before -> now_.key and now_.key <> 'updated_at'
    ) end
  );
  return null;
end
$$;

create or replace function private.idempotency_caller() returns text
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return coalesce(auth.uid()::text, case when auth.role() = 'service_role' then 'service' end, 'anon');
end
$$;

create or replace function private.caller_key() returns text
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return coalesce(
    'user ' || auth.uid()::text,
    case when auth.role() = 'service_role' then 'service' end,
    'addr ' || (private.edge_claim() ->> 'addr'),
    'nobody'
  );
end
$$;
drop function private.answer_step(text);
drop function private.wait_for_step(timestamptz, interval);
drop function private.user_id();
