-- 0110: leads. People who left their address on a public form. Anybody may leave one, only admins read them.
-- migrate:up
create schema if not exists extensions;
create extension if not exists citext with schema extensions;
create extension if not exists pg_trgm with schema extensions;

-- Extensions may have been installed elsewhere before; names below are found wherever they are.
select set_config('search_path', string_agg(distinct quote_ident(n.nspname), ', ') || ', pg_catalog', true)
from pg_extension as e
join pg_namespace as n on n.oid = e.extnamespace
where e.extname in ('citext', 'pg_trgm');

create schema marketing;
comment on schema marketing is 'growth: leads and what was said to them.';
grant usage on schema marketing to anon, authenticated, service_role;

create type marketing.lead_source as enum (
  'website-form', 'demo-request', 'newsletter-signup', 'pricing-inquiry', 'contact-form'
);
create type marketing.lead_status as enum ('new', 'contacted', 'qualified', 'converted', 'lost');

create table marketing.leads (
  id                  uuid primary key default gen_random_uuid(),
  email               citext not null,
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
  constraint leads_submission_count check (submission_count > 0)
);
comment on table marketing.leads is 'One row per person, found again by the normalised e-mail address.';
comment on column marketing.leads.email is 'As it was typed.';
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

create trigger leads_updated_at before update on marketing.leads
  for each row execute function private.update_updated_at();
create trigger leads_audit after update or delete on marketing.leads
  for each row execute function private.audit();

insert into private.limit_rules (name, burst, refill, shared) values ('leads', 30, '2 seconds', 30);

-- The address that tells whether two e-mail addresses are one person's: lower case, without what the big providers
-- ignore (a +tag; dots at Gmail).
create function marketing.normalize_email(email text) returns text
  language sql immutable strict
  set search_path = ''
  as $$
select case
    when domain in ('gmail.com', 'googlemail.com') then replace(split_part(local, '+', 1), '.', '') || '@gmail.com'
    when domain in (
      'outlook.com', 'hotmail.com', 'live.com', 'icloud.com', 'me.com', 'fastmail.com', 'proton.me', 'protonmail.com'
    ) then split_part(local, '+', 1) || '@' || domain
    else local || '@' || domain
  end
from (
  select
    lower(regexp_replace(btrim(email), '@[^@]*$', '')) as local,
    lower(substring(btrim(email) from '@([^@]*)$')) as domain
) as parts
$$;

-- One field of a form as text: null where it is absent or blank, refused where it is no text or too long.
create function marketing.lead_text(lead jsonb, field text, most int default 200) returns text
  language plpgsql stable
  set search_path = ''
  as $$
declare
  text_ constant text := nullif(btrim(lead ->> field, E' \t\r\n'), '');
begin
  if jsonb_typeof(lead -> field) in ('array', 'object') then
    perform private.refuse(
      422, 'RG504', format('%s must be one text', field), null, format('Send %s once, as text.', field)
    );
  end if;
  if char_length(text_) > most then
    perform private.refuse(
      422, 'RG505', format('%s is too long', field), format('At most %s characters', most), format('Shorten %s.', field)
    );
  end if;
  return text_;
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

-- Takes one submission of a public form. New, repeated and spam get the same answer. Definer: the public has no right
-- on the table, and what it may change of an existing row is decided here: blanks are filled, nothing is overwritten.
create function marketing.capture_lead(lead jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  answer constant jsonb := '{"status": "received"}';
  edge constant jsonb := private.edge_claim();
  stored jsonb;
  address text;
  normalized text;
  features text[];
  agent constant text := left(private.request_header('user-agent'), 512);
  spam boolean;
  agreed boolean;
  touch jsonb;
begin
  if jsonb_typeof(lead) is distinct from 'object' then
    perform private.refuse(400, 'RG507', 'A lead must be an object of fields', null, 'Send {"email": "..."}.');
  end if;
  perform private.limit_caller('leads');
  stored := private.idempotency_begin('capture_lead', lead);
  if stored is not null then
    return stored;
  end if;

  address := marketing.lead_text(lead, 'email', 254);
  if address is null or address !~ '^[^[:space:][:cntrl:]@<>(),;:"\\]{1,64}@([^[:space:][:cntrl:]@<>(),;:"\\.]{1,63}\.)+[^[:space:][:cntrl:]@<>(),;:"\\.]{2,63}$' then
    perform private.refuse(
      422, 'RG508', 'The e-mail address is missing or not one', null, 'Enter an address such as name@example.org.'
    );
  end if;
  normalized := marketing.normalize_email(address);
  if coalesce(marketing.lead_text(lead, 'source'), 'website-form') <> all (enum_range(null::marketing.lead_source)::text[]) then
    perform private.refuse(
      422, 'RG509', 'The source is not a known one',
      array_to_string(enum_range(null::marketing.lead_source), ', '), 'Send one of these as source, or none.'
    );
  end if;
  features := case jsonb_typeof(lead -> 'interested_features')
    when 'array' then array(
      select btrim(feature) from jsonb_array_elements_text(lead -> 'interested_features') as feature
      where btrim(feature) <> '' limit 50
    )
    else array_remove(array[marketing.lead_text(lead, 'interested_features')], null)
  end;
  spam := marketing.lead_text(lead, '_gotcha', 65536) is not null;
  agreed := lower(lead ->> 'consent') in ('on', 'yes', 'true', '1');
  touch := jsonb_strip_nulls(jsonb_build_object(
    'at', now(),
    'source', marketing.lead_text(lead, 'source'),
    'utm_source', marketing.lead_text(lead, 'utm_source'),
    'utm_medium', marketing.lead_text(lead, 'utm_medium'),
    'utm_campaign', marketing.lead_text(lead, 'utm_campaign'),
    'utm_content', marketing.lead_text(lead, 'utm_content'),
    'utm_term', marketing.lead_text(lead, 'utm_term'),
    'referrer', marketing.lead_text(lead, 'referrer', 2000),
    'landing_page', coalesce(marketing.lead_text(lead, 'landing_page', 2000), left(private.request_header('referer'), 2000))
  ));

  insert into marketing.leads as known (
    email, email_normalized, email_domain, phone_number, company_name, first_name, last_name, source, notes,
    interested_features, utm_source, utm_medium, utm_campaign, utm_content, utm_term, referrer, landing_page,
    first_touch, last_touch, user_agent, network, country_code, submission_key, metadata, spam_score, spam_reason,
    is_spam, opt_in_status
  )
  values (
    address, normalized, split_part(normalized, '@', 2),
    marketing.lead_text(lead, 'phone_number', 50), marketing.lead_text(lead, 'company_name'),
    marketing.lead_text(lead, 'first_name'), marketing.lead_text(lead, 'last_name'),
    coalesce(marketing.lead_text(lead, 'source'), 'website-form')::marketing.lead_source,
    marketing.lead_text(lead, 'notes', 5000), features,
    touch ->> 'utm_source', touch ->> 'utm_medium', touch ->> 'utm_campaign', touch ->> 'utm_content',
    touch ->> 'utm_term', touch ->> 'referrer', touch ->> 'landing_page',
    touch, touch, agent, (edge ->> 'net')::inet, edge ->> 'country',
    private.request_header('idempotency-key'), marketing.lead_metadata(lead),
    case when spam then 100 else 0 end, case when spam then 'honeypot' end, spam,
    case when agreed and not spam then 'pending' else 'none' end
  )
  on conflict (email_normalized) where deleted_at is null do update set
    phone_number = coalesce(known.phone_number, excluded.phone_number),
    company_name = coalesce(known.company_name, excluded.company_name),
    first_name = coalesce(known.first_name, excluded.first_name),
    last_name = coalesce(known.last_name, excluded.last_name),
    -- A second message is kept below the first.
    notes = case
      when excluded.notes is null or excluded.is_spam and not known.is_spam then known.notes
      when known.notes is null then excluded.notes
      when position(excluded.notes in known.notes) > 0 then known.notes
      else left(known.notes || E'\n\n' || excluded.notes, 20000)
    end,
    interested_features = (
      select array(select distinct f from unnest(known.interested_features || excluded.interested_features) as f order by f limit 50)
    ),
    utm_source = coalesce(known.utm_source, excluded.utm_source),
    utm_medium = coalesce(known.utm_medium, excluded.utm_medium),
    utm_campaign = coalesce(known.utm_campaign, excluded.utm_campaign),
    utm_content = coalesce(known.utm_content, excluded.utm_content),
    utm_term = coalesce(known.utm_term, excluded.utm_term),
    referrer = coalesce(known.referrer, excluded.referrer),
    landing_page = coalesce(known.landing_page, excluded.landing_page),
    last_touch = excluded.last_touch || jsonb_build_object('fields', lead - '_gotcha' - 'cf-turnstile-response'),
    user_agent = coalesce(excluded.user_agent, known.user_agent),
    network = coalesce(excluded.network, known.network),
    country_code = coalesce(excluded.country_code, known.country_code),
    submission_key = coalesce(excluded.submission_key, known.submission_key),
    metadata = case
      when octet_length((excluded.metadata || known.metadata)::text) <= 65536 then excluded.metadata || known.metadata
      else known.metadata
    end,
    submission_count = known.submission_count + 1,
    -- One clean submission clears a person; a later bot does not soil them.
    spam_score = least(known.spam_score, excluded.spam_score),
    spam_reason = case when known.is_spam and excluded.is_spam then known.spam_reason end,
    is_spam = known.is_spam and excluded.is_spam,
    opt_in_status = case when known.opt_in_status = 'none' then excluded.opt_in_status else known.opt_in_status end;

  perform private.idempotency_end('capture_lead', answer);
  return answer;
end
$$;
revoke execute on function marketing.normalize_email(text) from public;
revoke execute on function marketing.lead_text(jsonb, text, int) from public;
revoke execute on function marketing.lead_metadata(jsonb) from public;
revoke execute on function marketing.capture_lead(jsonb) from public;
grant execute on function marketing.capture_lead(jsonb) to anon, authenticated, service_role;

-- migrate:down
delete from private.limit_rules where name = 'leads';
drop function marketing.capture_lead(jsonb);
drop function marketing.lead_metadata(jsonb);
drop function marketing.lead_text(jsonb, text, int);
drop function marketing.normalize_email(text);
drop table marketing.leads;
drop type marketing.lead_status;
drop type marketing.lead_source;
drop schema marketing;
-- The extensions and their schema stay: other objects of this database may use them.
