-- 0110: leads. People who left their address on a public form. Anybody may leave one, only admins read them.
-- migrate:up
create schema if not exists extensions;
create extension if not exists pg_trgm with schema extensions;

-- Extensions may have been installed elsewhere before; names below are found wherever they are.
select set_config('search_path', string_agg(distinct quote_ident(n.nspname), ', ') || ', pg_catalog', true)
from pg_extension as e
join pg_namespace as n on n.oid = e.extnamespace
where e.extname = 'pg_trgm';

create schema marketing;
comment on schema marketing is 'growth: leads and what was said to them.';
grant usage on schema marketing to anon, authenticated, service_role, edge;

-- In the order of intent, the weakest first: a lead's source is the strongest of its submissions.
create type marketing.lead_source as enum (
  'newsletter-signup', 'website-form', 'contact-form', 'pricing-inquiry', 'demo-request'
);
create type marketing.lead_status as enum ('new', 'contacted', 'qualified', 'converted', 'lost');

create table marketing.leads (
  id                  uuid primary key default pg_catalog.gen_random_uuid(),
  email               text not null,
  email_normalized    text not null,
  email_domain        text not null,
  phone_number        text,
  company_name        text,
  first_name          text,
  last_name           text,
  source              marketing.lead_source not null default 'website-form',
  status              marketing.lead_status not null default 'new',
  notes               text,
  interested_features text[] not null default '{}',
  utm_source          text,
  utm_medium          text,
  utm_campaign        text,
  utm_content         text,
  utm_term            text,
  referrer            text,
  landing_page        text,
  first_touch         jsonb not null default '{}',
  last_touch          jsonb not null default '{}',
  user_agent          text,
  network             inet,
  country_code        text,
  region              text,
  city                text,
  submission_key      text,
  metadata            jsonb not null default '{}',
  submission_count    bigint not null default 1,
  submissions_dropped bigint not null default 0,
  -- squawk-ignore prefer-bigint-over-smallint
  spam_score          smallint not null default 0, -- 0 to 100
  spam_reason         text,
  is_spam             boolean not null default false,
  opt_in_status       text not null default 'none',
  opted_in_at         timestamptz,
  created_at          timestamptz not null default now(),
  updated_at          timestamptz not null default now(),
  deleted_at          timestamptz,
  constraint leads_email_length check (char_length(email) between 3 and 254),
  constraint leads_country_code check (country_code ~ '^[A-Z0-9]{2}$'),
  constraint leads_spam_score check (spam_score between 0 and 100),
  constraint leads_opt_in_status check (opt_in_status in ('none', 'pending', 'confirmed', 'revoked')),
  constraint leads_submission_count check (submission_count > 0),
  constraint leads_submissions_dropped check (submissions_dropped between 0 and submission_count)
);
comment on table marketing.leads is 'One row per person, found again by the normalised e-mail address.';
comment on column marketing.leads.email is
  'Where mail goes: as it was typed, with the domain in ASCII. What was typed is in the submissions; email_normalized finds the lead.';
comment on column marketing.leads.email_normalized is 'Tells whether two addresses are one person''s. No address to write to.';
comment on column marketing.leads.source is
  'The strongest intent of the lead''s submissions, in the order of the type; first_touch has the first one''s, last_touch the latest one''s.';
comment on column marketing.leads.submission_count is 'All submissions, whether or not they were kept.';
comment on column marketing.leads.submissions_dropped is
  'How many of them are merged into the lead and not kept as an interaction: those beyond the cap of an address and day.';
comment on column marketing.leads.network is 'The caller''s network, /24 or /48, as the edge vouches for it; never an address.';
comment on column marketing.leads.metadata is 'Fields of the form that have no column.';
comment on column marketing.leads.first_touch is 'Where the first submission came from.';
comment on column marketing.leads.last_touch is 'Where the latest one came from, and what it said.';

create unique index leads_email_normalized on marketing.leads (email_normalized) where deleted_at is null;
create index leads_created_at on marketing.leads (created_at desc, id desc);
create index leads_status on marketing.leads (status, created_at desc);
create index leads_source on marketing.leads (source, status, created_at);
create index leads_utm on marketing.leads (utm_source, utm_campaign, created_at) where utm_source is not null;
create index leads_interested_features on marketing.leads using gin (interested_features);
create index leads_email_domain on marketing.leads (email_domain);
create index leads_spam on marketing.leads (created_at) where is_spam;
create index leads_company_name on marketing.leads using gin (company_name gin_trgm_ops);

alter table marketing.leads enable row level security;
alter table marketing.leads force row level security;
create policy admin_select on marketing.leads for select to authenticated
  using (((select auth.jwt()) -> 'app_metadata' ->> 'role') = 'admin');
create policy admin_update on marketing.leads for update to authenticated
  using (((select auth.jwt()) -> 'app_metadata' ->> 'role') = 'admin')
  with check (((select auth.jwt()) -> 'app_metadata' ->> 'role') = 'admin');
grant select on marketing.leads to authenticated, service_role;
grant update (
  status, notes, phone_number, company_name, first_name, last_name, interested_features, is_spam, spam_reason, deleted_at
) on marketing.leads to authenticated, service_role;

create trigger leads_erased before insert or update on marketing.leads
  for each statement execute function private.refuse_erased_caller();
create trigger leads_updated_at before update on marketing.leads
  for each row execute function private.update_updated_at();
create trigger leads_audit after update or delete on marketing.leads
  for each row execute function private.audit();

insert into private.limit_rules (name, burst, refill, shared) values ('leads', 30, '2 seconds', 30);

-- The address that tells whether two e-mail addresses are one person's: NFC, ASCII letters in lower case, without what the big
-- providers ignore (a +tag; dots at Gmail). The domain is in ASCII: the edge converts it, and is_email refuses others.
create function marketing.normalize_email(email text) returns text
  language plpgsql immutable strict
  set search_path = ''
  as $$
declare
  plain constant text := lower(normalize(btrim(email, E' \t\r\n'), NFC) collate "C");
  local constant text := regexp_replace(plain, '@[^@]*$', '');
  domain constant text := substring(plain from '@([^@]*)$');
begin
  return case
    when domain in ('gmail.com', 'googlemail.com') then replace(split_part(local, '+', 1), '.', '') || '@gmail.com'
    when domain in (
      'outlook.com', 'hotmail.com', 'live.com', 'icloud.com', 'me.com', 'fastmail.com', 'proton.me', 'protonmail.com'
    ) then split_part(local, '+', 1) || '@' || domain
    else local || '@' || domain
  end;
end
$$;

-- Whether a text is an e-mail address that people have: dot-atom local part, a domain in ASCII of at least two labels that is no
-- number. The local part may have letters of every script, but no blanks, no quotes, no invisible characters, and none of the three
-- characters that NFC turns into one of ASCII: an address beyond ASCII would meet another person's.
create function marketing.is_email(email text) returns boolean
  language plpgsql immutable strict
  set search_path = ''
  as $$
declare
  atom constant text := '[A-Za-z0-9!#$%&''*+/=?^_`{|}~\u00A1-\U0010FFFF-]+';
  label constant text := '[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?';
  -- Blanks, separators, characters of private use, what is no character, and planes where nothing is.
  none constant text := '[\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000\uE000-\uF8FF\uFDD0-\uFDEF\uFFFC-\uFFFF'
    '\U0001FFFE\U0001FFFF\U0002FFFE\U0002FFFF\U0003FFFE-\U000DFFFF\U000E1000-\U0010FFFF]';
  becomes_ascii constant text := '[\u037E\u1FEF\u212A]';
begin
  return char_length(email) <= 254
    and char_length(split_part(email, '@', 1)) <= 64
    and email ~ format('^%1$s(\.%1$s)*@(%2$s\.)+(?![0-9]+$)(?=..)%2$s$', atom, label)
    and (email !~ '[^\u0001-\u007F]' or (email !~ private.invisible() and email !~ none and email !~ becomes_ascii));
end
$$;

-- What a form says in a field that is one text: null where it is absent or blank. Of a field that was sent several times the last text
-- that is not blank counts: pages have one input for phones and one for desktops.
create function marketing.lead_value(lead jsonb, field text) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  sent constant jsonb := lead -> field;
begin
  if jsonb_typeof(sent) = 'array' then
    return (
      select btrim(item.value #>> '{}', E' \t\r\n')
      from jsonb_array_elements(sent) with ordinality as item (value, position)
      where nullif(btrim(item.value #>> '{}', E' \t\r\n'), '') is not null
      order by item.position desc
      limit 1
    );
  end if;
  return nullif(btrim(sent #>> '{}', E' \t\r\n'), '');
end
$$;

-- One field that a person fills in: refused where it is no text or too long, for its person can mend that.
create function marketing.lead_text(lead jsonb, field text, most int default 200) returns text
  language plpgsql stable
  set search_path = ''
  as $$
declare
  sent constant jsonb := lead -> field;
  text_ constant text := marketing.lead_value(lead, field);
begin
  if (
    case jsonb_typeof(sent)
      when 'object' then true
      when 'array' then exists (
        select from jsonb_array_elements(sent) as item (value) where jsonb_typeof(item.value) in ('object', 'array')
      )
      else false
    end
  ) then
    perform private.refuse(422, 'RG504', format('%s must be a text', field), null, format('Send %s as text.', field));
  end if;
  if char_length(text_) > most then
    perform private.refuse(
      422, 'RG505', format('%s is too long', field), format('At most %s characters', most), format('Shorten %s.', field)
    );
  end if;
  return text_;
end
$$;

-- One field that a page fills in, such as utm_term: cut to its limit. Its visitor never sees it and could not mend it.
create function marketing.lead_page_text(lead jsonb, field text, most int default 200) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return left(marketing.lead_value(lead, field), most);
end
$$;

-- Whether the field `consent` says yes in one of the words that check boxes, radio buttons and scripts send. Of a field that was sent
-- several times the last counts: a hidden `consent=0` stands before its check box. Any other value is no consent.
create function marketing.lead_consents(lead jsonb) returns boolean
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  sent constant jsonb := lead -> 'consent';
  answer constant text := case when jsonb_typeof(sent) = 'array' then sent -> -1 else sent end #>> '{}';
  -- The edge has the same list, src/rooms/growth/consent.rs, to show a box ticked again; docs/operations.md shows it.
  yes constant text[] := array[
    'on', 'yes', 'y', 'true', 't', '1', 'checked', 'selected', 'agree', 'agreed', 'i agree', 'accept', 'accepted', 'i accept',
    'consent', 'i consent', 'ok', 'okay', 'opt-in', 'optin', 'granted', 'subscribe', 'ja', 'einverstanden', 'zugestimmt', 'ich stimme zu',
    'oui', 'j''accepte', 'accepté', 'd''accord', 'si', 'sí', 'sì', 'acepto', 'aceptado', 'accetto', 'sim', 'aceito', 'akkoord', 'tak'
  ];
begin
  return coalesce(lower(btrim(normalize(answer, NFC), E' \t\r\n.!') collate "C") = any (yes), false);
end
$$;

-- Fields of a form that have no column, scalars as text whatever the encoding was, so that every encoding gives one row.
create function marketing.lead_metadata(lead jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  known constant text[] := array[
    'email', 'phone_number', 'company_name', 'first_name', 'last_name', 'source', 'notes', 'interested_features',
    'utm_source', 'utm_medium', 'utm_campaign', 'utm_content', 'utm_term', 'referrer', 'landing_page',
    'consent', 'consent_version', '_gotcha', '_next', '_ts', '_typed_email', 'cf-turnstile-response'
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
create function marketing.lead_features(lead jsonb) returns text[]
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

-- The fields of a form as they were sent, without what is no field: the form's machinery.
create function marketing.sent_fields(lead jsonb) returns jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return (lead - '_next' - '_ts' - '_typed_email' - 'cf-turnstile-response')
    -- The edge has put the domain into ASCII.
    || case when lead ? '_typed_email' then jsonb_build_object('email', lead -> '_typed_email') else '{}' end;
end
$$;

-- Puts another submission of a known person into their row, which the caller has locked. The lead is the summary of its submissions,
-- each of which keep_submission keeps. Whoever knows an address can send this, so blanks are filled and nothing is overwritten, but
-- for the source: that is the strongest intent of all submissions. A bot changes nothing of a good lead but the count; the first clean
-- submission takes over what a bot has left.
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
    source = greatest(l.source, draft.source),
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
    -- A person has come back who was held.
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

-- The number of the lock that a function takes before it looks for an address.
create function marketing.address_lock(email_normalized text) returns bigint
  language plpgsql immutable strict
  set search_path = ''
  as $$
begin
  return hashtextextended('marketing.leads ' || email_normalized, 0);
end
$$;

-- Takes one submission of a public form. New, repeated and spam get the same answer. Executable by the edge only: whether it is spam
-- depends on what the edge has verified. Definer: the public has no right on the table, and what it may change of an existing row is
-- decided here.
create function marketing.capture_lead(lead jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  answer constant jsonb := '{"status": "received"}';
  edge constant jsonb := private.edge_claim();
  -- A retry of the same form has another time stamp and another token of Turnstile.
  asked constant jsonb := case when jsonb_typeof(lead) = 'object' then lead - '_ts' - 'cf-turnstile-response' end;
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
  draft.utm_source := marketing.lead_page_text(lead, 'utm_source');
  draft.utm_medium := marketing.lead_page_text(lead, 'utm_medium');
  draft.utm_campaign := marketing.lead_page_text(lead, 'utm_campaign');
  draft.utm_content := marketing.lead_page_text(lead, 'utm_content');
  draft.utm_term := marketing.lead_page_text(lead, 'utm_term');
  draft.referrer := marketing.lead_page_text(lead, 'referrer', 2000);
  draft.landing_page := coalesce(
    marketing.lead_page_text(lead, 'landing_page', 2000), left(private.request_header('referer'), 2000)
  );
  draft.first_touch := jsonb_strip_nulls(jsonb_build_object(
    'at', now(), 'source', draft.source, 'utm_source', draft.utm_source, 'utm_medium', draft.utm_medium,
    'utm_campaign', draft.utm_campaign, 'utm_content', draft.utm_content, 'utm_term', draft.utm_term,
    'referrer', draft.referrer, 'landing_page', draft.landing_page,
    'consent_version', marketing.lead_page_text(lead, 'consent_version', 100)
  ));
  draft.last_touch := draft.first_touch;
  draft.user_agent := left(private.request_header('user-agent'), 512);
  draft.network := (edge ->> 'net')::inet;
  draft.country_code := edge ->> 'country';
  draft.region := left(edge ->> 'region', 100);
  draft.city := left(edge ->> 'city', 100);
  draft.submission_key := private.request_header('idempotency-key');
  draft.metadata := marketing.lead_metadata(lead);
  draft.submission_count := 1;
  draft.submissions_dropped := 0;
  select s.score, s.reason into draft.spam_score, draft.spam_reason from marketing.spam_score(lead, edge) as s;
  draft.is_spam := draft.spam_score >= 50;
  draft.opt_in_status := case
    when marketing.lead_consents(lead) and (not draft.is_spam or draft.spam_reason = 'held') then 'pending'
    else 'none'
  end;
  draft.created_at := now();
  draft.updated_at := now();

  -- One address after the other, before anybody knows of it: a second submission waits for a known and for a new lead alike.
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
  perform marketing.keep_submission(coalesce(known_id, draft.id), draft, lead);

  return answer;
end
$$;
revoke execute on function marketing.normalize_email(text) from public;
revoke execute on function marketing.lead_value(jsonb, text) from public;
revoke execute on function marketing.lead_text(jsonb, text, int) from public;
revoke execute on function marketing.lead_page_text(jsonb, text, int) from public;
revoke execute on function marketing.lead_consents(jsonb) from public;
revoke execute on function marketing.lead_metadata(jsonb) from public;
revoke execute on function marketing.lead_features(jsonb) from public;
revoke execute on function marketing.is_email(text) from public;
revoke execute on function marketing.sent_fields(jsonb) from public;
revoke execute on function marketing.merge_lead(marketing.leads, uuid, boolean, text, jsonb) from public;
revoke execute on function marketing.address_lock(text) from public;
revoke execute on function marketing.capture_lead(jsonb) from public;
grant execute on function marketing.capture_lead(jsonb) to edge;

create trigger leads_filter before update or delete on marketing.leads
  for each statement execute function private.require_filter();

comment on function marketing.capture_lead(jsonb) is
  'Takes one submission of a public form. Definer: the public has no right on the table, and what it may change of an existing row is decided here.';

-- migrate:down
delete from private.limit_rules where name = 'leads';
drop function marketing.capture_lead(jsonb);
drop function marketing.address_lock(text);
drop function marketing.merge_lead(marketing.leads, uuid, boolean, text, jsonb);
drop function marketing.sent_fields(jsonb);
drop function marketing.lead_features(jsonb);
drop function marketing.is_email(text);
drop function marketing.lead_metadata(jsonb);
drop function marketing.lead_consents(jsonb);
drop function marketing.lead_page_text(jsonb, text, int);
drop function marketing.lead_text(jsonb, text, int);
drop function marketing.lead_value(jsonb, text);
drop function marketing.normalize_email(text);
drop table marketing.leads;
drop type marketing.lead_status;
drop type marketing.lead_source;
drop schema marketing;
-- The extensions and their schema stay: other objects of this database may use them.
