-- 0123: lead spam. What the edge has noticed of a submission counts: how fast a form was answered, and whether a person did.
-- migrate:up

-- How much a submission looks like a bot's, 0 to 100, and why; from 50 on it is kept as spam, where an admin finds it. The
-- edge notes in _edge what it alone can see. Whoever calls past the edge and leaves that out is taken
-- for a plain form, also where the edge asks for a person: what PostgREST lets in is the operator's to decide.
create function marketing.spam_score(lead jsonb, out score int, out reason text)
  language sql stable
  set search_path = ''
  as $$
select signs.score, signs.reason
from (
  values
    (marketing.lead_text(lead, '_gotcha', 65536) is not null, 100, 'honeypot'),
    (lead -> '_edge' ->> 'stamp' = 'forged', 80, 'forged-stamp'),
    (lead -> '_edge' ->> 'stamp' = 'fast', 70, 'too-fast'),
    (lead -> '_edge' ->> 'human' = 'held', 50, 'held'),
    (true, 0, null)
) as signs (seen, score, reason)
where signs.seen
order by signs.score desc
limit 1
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

-- Puts another submission of a known person into their row, which the caller has locked. Whoever knows an address can
-- send this, so blanks are filled and nothing is overwritten; what differs is kept in last_touch. A bot changes nothing of
-- a good lead but the count; the first clean submission takes over what a bot has left.
create or replace function marketing.merge_lead(draft marketing.leads, known_spam boolean, lead jsonb) returns void
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

-- Takes one submission of a public form. New, repeated and spam get the same answer. Definer: the public has no right
-- on the table, and what it may change of an existing row is decided here.
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

revoke execute on function marketing.spam_score(jsonb) from public;

-- migrate:down
-- Takes one submission of a public form. New, repeated and spam get the same answer. Definer: the public has no right
-- on the table, and what it may change of an existing row is decided here.
create or replace function marketing.capture_lead(lead jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  answer constant jsonb := '{"status": "received"}';
  edge constant jsonb := private.edge_claim();
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
  stored := private.idempotency_begin('capture_lead', lead);
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
    'referrer', draft.referrer, 'landing_page', draft.landing_page
  ));
  draft.last_touch := draft.first_touch;
  draft.user_agent := left(private.request_header('user-agent'), 512);
  draft.network := (edge ->> 'net')::inet;
  draft.country_code := edge ->> 'country';
  draft.submission_key := private.request_header('idempotency-key');
  draft.metadata := marketing.lead_metadata(lead);
  draft.submission_count := 1;
  draft.is_spam := marketing.lead_text(lead, '_gotcha', 65536) is not null;
  draft.spam_score := case when draft.is_spam then 100 else 0 end;
  draft.spam_reason := case when draft.is_spam then 'honeypot' end;
  draft.opt_in_status := case
    when lower(marketing.lead_text(lead, 'consent')) in ('on', 'yes', 'true', '1') and not draft.is_spam then 'pending'
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

-- Puts another submission of a known person into their row, which the caller has locked. Whoever knows an address can
-- send this, so blanks are filled and nothing is overwritten; what differs is kept in last_touch. A bot changes nothing of
-- a good lead but the count; the first clean submission takes over what a bot has left.
create or replace function marketing.merge_lead(draft marketing.leads, known_spam boolean, lead jsonb) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  if draft.is_spam and not known_spam then
    update marketing.leads as l set submission_count = l.submission_count + 1
    where l.email_normalized = draft.email_normalized and l.deleted_at is null;
    return;
  end if;

  if known_spam and not draft.is_spam then
    update marketing.leads as l set
      email = draft.email, phone_number = draft.phone_number, company_name = draft.company_name,
      first_name = draft.first_name, last_name = draft.last_name, source = draft.source, notes = draft.notes,
      interested_features = draft.interested_features, utm_source = draft.utm_source, utm_medium = draft.utm_medium,
      utm_campaign = draft.utm_campaign, utm_content = draft.utm_content, utm_term = draft.utm_term,
      referrer = draft.referrer, landing_page = draft.landing_page, first_touch = draft.first_touch,
      last_touch = draft.last_touch, user_agent = draft.user_agent, network = draft.network,
      country_code = draft.country_code, submission_key = draft.submission_key, metadata = draft.metadata,
      submission_count = l.submission_count + 1, spam_score = 0, spam_reason = null, is_spam = false,
      opt_in_status = draft.opt_in_status
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
    last_touch = draft.last_touch || jsonb_build_object('fields', lead - '_next' - 'cf-turnstile-response'),
    user_agent = coalesce(draft.user_agent, l.user_agent),
    network = coalesce(draft.network, l.network),
    country_code = coalesce(draft.country_code, l.country_code),
    submission_key = coalesce(draft.submission_key, l.submission_key),
    metadata = case
      when octet_length((draft.metadata || l.metadata)::text) <= 65536 then draft.metadata || l.metadata
      else l.metadata
    end,
    submission_count = l.submission_count + 1,
    opt_in_status = case when l.opt_in_status = 'none' then draft.opt_in_status else l.opt_in_status end
  where l.email_normalized = draft.email_normalized and l.deleted_at is null;
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
    'consent', '_gotcha', '_next', 'cf-turnstile-response'
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

drop function marketing.spam_score(jsonb);
