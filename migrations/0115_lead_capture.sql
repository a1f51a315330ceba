-- 0115: lead capture. Takes a submission of a public form: a new lead, or one more submission of a known one.
-- migrate:up
insert into private.limit_rules (name, burst, refill, shared) values ('leads', 30, '2 seconds', 30);

-- Merges another submission into the row of a known person, which the caller has locked. The lead is the summary of its
-- submissions; store_submission stores each of them. Anybody who knows an address can send this, so it fills blanks and overwrites
-- nothing but the source, which is the strongest intent of all submissions. A bot's submission changes only the count of a good
-- lead; the first clean submission replaces what a bot has sent.
create function marketing.merge_lead(draft marketing.leads, id uuid, known_spam boolean, known_reason text, lead jsonb) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  -- Reasons that only a program causes. A lead that is only held is unverified, not rejected: it is merged like any other, and
  -- overwrites nothing.
  machine constant text[] := array['honeypot', 'forged-stamp', 'too-fast'];
  sources constant text[] := marketing.lead_sources();
begin
  if draft.spam_reason = any (machine) and not (known_spam and known_reason = any (machine)) then
    update marketing.leads as l set submission_count = l.submission_count + 1
    where l.id = merge_lead.id;
    return;
  end if;
  -- Marked as spam by staff: a later submission does not undo it.
  if known_spam and known_reason is distinct from 'held' and not coalesce(known_reason = any (machine), false) then
    update marketing.leads as l set
      submission_count = l.submission_count + 1,
      last_touch = draft.last_touch || jsonb_build_object('fields', marketing.sent_fields(lead))
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
    source = case
      when array_position(sources, draft.source) > array_position(sources, l.source) then draft.source else l.source
    end,
    -- A second message is appended to the first, up to a limit.
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
    last_touch = draft.last_touch || jsonb_build_object('fields', marketing.sent_fields(lead)),
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
    -- A clean submission releases a held lead.
    spam_score = case when draft.is_spam then l.spam_score else 0 end,
    spam_reason = case when draft.is_spam then l.spam_reason end,
    is_spam = l.is_spam and draft.is_spam,
    opt_in_status = case
      when l.opt_in_status in ('none', 'revoked') and draft.opt_in_status = 'pending' then 'pending'
      else l.opt_in_status
    end
  where l.id = merge_lead.id;
  if draft.opt_in_status = 'pending' then
    perform marketing.renew_confirmation(merge_lead.id);
  end if;
end
$$;
revoke execute on function marketing.merge_lead(marketing.leads, uuid, boolean, text, jsonb) from public;

-- How many submissions of a lead, good ones or spam, are stored today. A day has at most 25.
create function marketing.submissions_today(lead_id uuid, are_spam boolean) returns bigint
  language plpgsql stable
  set search_path = ''
  -- A plan that was made while the table was small would go on reading all of it.
  set enable_seqscan = off
  set jit = off
  as $$
begin
  -- Only one index gives a lead's latest rows: whatever the statistics say, no other lead's are read.
  return (
    select count(*)
    from (
      select i.submission, i.created_at
      from marketing.lead_interactions as i
      where i.lead_id = submissions_today.lead_id and i.submission is not null
      order by i.created_at desc
      limit 25
    ) as latest
    where latest.created_at >= date_trunc('day', now(), 'UTC') and (latest.submission ? 'spam') = are_spam
  );
end
$$;
revoke execute on function marketing.submissions_today(uuid, boolean) from public;

-- Stores one submission as it was sent: up to a number for each address and UTC day, with a number of its own for programs, so
-- that they do not use up a person's. Submissions beyond are merged and counted. New and known leads, good ones and spam, get one
-- row alike.
create function marketing.store_submission(lead_id uuid, draft marketing.leads, lead jsonb) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  -- The lead of the draft itself is new: it has no submission yet.
  if lead_id <> draft.id then
    if marketing.submissions_today(lead_id, draft.is_spam) >= (case when draft.is_spam then 5 else 20 end) then
      update marketing.leads as l set submissions_dropped = l.submissions_dropped + 1 where l.id = store_submission.lead_id;
      return;
    end if;
  end if;
  insert into marketing.lead_interactions (lead_id, interaction_type, created_by, submission)
  values (store_submission.lead_id, 'submission', private.user_id(), jsonb_strip_nulls(jsonb_build_object(
    'touch', draft.first_touch, 'spam', draft.spam_reason,
    'consent', jsonb_build_object('given', draft.opt_in_status = 'pending', 'version', draft.first_touch -> 'consent_version')
  )) || jsonb_build_object('fields', marketing.sent_fields(lead)));
end
$$;
revoke execute on function marketing.store_submission(uuid, marketing.leads, jsonb) from public;

-- The key of the lock that a function takes before it looks for an address.
create function marketing.address_lock(email_normalized text) returns bigint
  language plpgsql immutable strict
  set search_path = ''
  as $$
begin
  return hashtextextended('marketing.leads ' || email_normalized, 0);
end
$$;
revoke execute on function marketing.address_lock(text) from public;

-- Takes one submission of a public form. New, repeated and spam submissions get the same answer. Executable by the edge only:
-- whether it is spam depends on what the edge has verified. PostgREST begins a transaction for each lead, in which PL/pgSQL prepares
-- every expression that it meets: hence few functions for the fields, and one expression for the row.
create function marketing.capture_lead(lead jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  answer constant jsonb := '{"status": "received"}';
  edge constant jsonb := private.edge_claim();
  -- All at once: private.request_header would parse them for each one.
  headers constant jsonb := nullif(current_setting('request.headers', true), '')::jsonb;
  sent constant text := lead::text;
  blank constant text := E' \t\r\n';
  -- The fields, with one value each.
  f jsonb := lead;
  source text;
  stored jsonb;
  draft marketing.leads;
  spam_reason text;
  too_long text[];
  address bigint;
  known_id uuid;
  known_spam boolean;
  known_reason text;
begin
  if jsonb_typeof(lead) is distinct from 'object' then
    perform private.refuse(400, 'RG507', 'A lead must be an object of fields', null, 'Send {"email": "..."}.');
  end if;
  if octet_length(sent) > 65536 then
    perform private.refuse(413, 'RG510', 'The lead is too large', 'At most 64 KB', 'Send less.');
  end if;
  perform private.limit_caller('leads');
  stored := private.idempotency_begin(
    'marketing.capture_lead',
    -- A retry of the same form has another time stamp and another Turnstile token.
    lead - '{_ts,cf-turnstile-response}'::text[], answer, headers ->> 'idempotency-key'
  );
  if stored is not null then
    return stored;
  end if;

  -- Few forms have lists and objects. A bracket may also stand in a text: then this changes nothing.
  if strpos(sent, '[') > 0 or strpos(substr(sent, 2), '{') > 0 then
    f := marketing.with_single_texts(lead);
  end if;
  source := coalesce(nullif(btrim(f ->> 'source', blank), ''), 'website-form');
  if source <> 'website-form' and source <> all (marketing.lead_sources()) then
    perform private.refuse(
      422, 'RG509', 'The source is not a known one',
      array_to_string(marketing.lead_sources(), ', '), 'Send one of these as source, or none.'
    );
  end if;
  -- How much it looks like a bot's, by what the edge has seen of it, as its signed token says. With a reason it is stored as spam, where
  -- an admin finds it.
  spam_reason := case
    when btrim(f ->> '_gotcha', blank) <> '' then 'honeypot'
    when edge ->> 'stamp' = 'forged' then 'forged-stamp'
    when edge ->> 'stamp' = 'fast' then 'too-fast'
    when edge ->> 'human' = 'held' then 'held'
  end;

  -- The columns in their order.
  draft := row(
    gen_random_uuid(),
    nullif(btrim(f ->> 'email', blank), ''),
    private.normalize_email(f ->> 'email'),
    null, -- email_domain
    nullif(btrim(f ->> 'phone_number', blank), ''),
    nullif(btrim(f ->> 'company_name', blank), ''),
    nullif(btrim(f ->> 'first_name', blank), ''),
    nullif(btrim(f ->> 'last_name', blank), ''),
    source,
    'new', -- status
    nullif(btrim(f ->> 'notes', blank), ''),
    case when lead ? 'interested_features' then marketing.lead_features(lead -> 'interested_features') else '{}' end,
    -- The page fills these in: the visitor never sees them, and cannot correct them.
    left(nullif(btrim(f ->> 'utm_source', blank), ''), 200),
    left(nullif(btrim(f ->> 'utm_medium', blank), ''), 200),
    left(nullif(btrim(f ->> 'utm_campaign', blank), ''), 200),
    left(nullif(btrim(f ->> 'utm_content', blank), ''), 200),
    left(nullif(btrim(f ->> 'utm_term', blank), ''), 200),
    left(nullif(btrim(f ->> 'referrer', blank), ''), 2000),
    left(coalesce(nullif(btrim(f ->> 'landing_page', blank), ''), headers ->> 'referer'), 2000),
    null, -- first_touch
    null, -- last_touch
    left(headers ->> 'user-agent', 512),
    edge ->> 'net',
    edge ->> 'country',
    left(edge ->> 'region', 100),
    left(edge ->> 'city', 100),
    headers ->> 'idempotency-key', -- submission_key
    marketing.lead_metadata(lead),
    1, -- submission_count
    0, -- submissions_dropped
    case spam_reason when 'honeypot' then 100 when 'forged-stamp' then 80 when 'too-fast' then 70 when 'held' then 50 else 0 end,
    spam_reason,
    spam_reason is not null, -- is_spam
    case when (spam_reason is null or spam_reason = 'held') and marketing.lead_consents(lead) then 'pending' else 'none' end,
    null, -- opted_in_at
    now(),
    now(),
    null -- deleted_at
  )::marketing.leads;

  -- What a person fills in, and can correct.
  too_long := case
    when char_length(draft.email) > 254 then '{email,254}'::text[]
    when char_length(draft.phone_number) > 50 then '{phone_number,50}'
    when char_length(draft.company_name) > 200 then '{company_name,200}'
    when char_length(draft.first_name) > 200 then '{first_name,200}'
    when char_length(draft.last_name) > 200 then '{last_name,200}'
    when char_length(draft.notes) > 5000 then '{notes,5000}'
  end;
  if too_long is not null then
    perform private.refuse(
      422, 'RG505', format('%s is too long', too_long[1]), format('At most %s characters', too_long[2]), format('Shorten %s.', too_long[1])
    );
  end if;
  if private.is_email(draft.email) is not true or draft.email_normalized like '@%' then
    perform private.refuse(
      422, 'RG508', 'The e-mail address is missing or not one', null, 'Enter an address such as name@example.org.'
    );
  end if;
  draft.email_domain := split_part(draft.email_normalized, '@', 2);
  draft.first_touch := jsonb_strip_nulls(jsonb_build_object(
    'at', now(), 'source', source, 'utm_source', draft.utm_source, 'utm_medium', draft.utm_medium,
    'utm_campaign', draft.utm_campaign, 'utm_content', draft.utm_content, 'utm_term', draft.utm_term,
    'referrer', draft.referrer, 'landing_page', draft.landing_page,
    'consent_version', left(nullif(btrim(f ->> 'consent_version', blank), ''), 100)
  ));
  draft.last_touch := draft.first_touch;

  address := marketing.address_lock(draft.email_normalized);
  -- Submissions of one address wait for each other here, before any of them knows whether there is a lead: known and new
  -- addresses take the same time.
  if not pg_try_advisory_xact_lock(address) then
    perform pg_advisory_xact_lock(address);
  end if;
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
    -- It was deleted in between: try again.
  end loop;
  perform marketing.store_submission(coalesce(known_id, draft.id), draft, lead);

  return answer;
end
$$;
comment on function marketing.capture_lead(jsonb) is
  'Takes one submission of a public form. Definer: the public has no right on the table, and this function decides what a submission may change of an existing row.';
revoke execute on function marketing.capture_lead(jsonb) from public;
grant execute on function marketing.capture_lead(jsonb) to edge;

-- migrate:down
delete from private.limit_rules where name = 'leads';
drop function marketing.capture_lead(jsonb);
drop function marketing.address_lock(text);
drop function marketing.store_submission(uuid, marketing.leads, jsonb);
drop function marketing.submissions_today(uuid, boolean);
drop function marketing.merge_lead(marketing.leads, uuid, boolean, text, jsonb);
