-- 0110: leads. People who left their address on a public form. Anybody may leave one; only admins read them.
-- migrate:up
-- The extension may have been installed in another schema before; this finds its operator classes wherever it is.
select set_config('search_path', string_agg(distinct quote_ident(n.nspname), ', ') || ', pg_catalog', true)
from pg_extension as e
join pg_namespace as n on n.oid = e.extnamespace
where e.extname = 'pg_trgm';

create table marketing.leads (
  id                  uuid primary key default pg_catalog.gen_random_uuid(),
  email               text not null,
  email_normalized    text not null,
  email_domain        text not null,
  phone_number        text,
  company_name        text,
  first_name          text,
  last_name           text,
  -- Not an enum, nor is status: its comparison is not leakproof, so row-level security would keep it from using an index.
  source              text not null default 'website-form',
  status              text not null default 'new',
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
  deleted_at          timestamptz
);
comment on table marketing.leads is 'One row per person, identified by the normalised e-mail address.';
comment on column marketing.leads.email is
  'Where mail goes: as it was typed, with the domain in ASCII. The submissions have what was typed; email_normalized identifies the lead.';
comment on column marketing.leads.email_normalized is 'Equal for two addresses of one person. Not an address to write to.';
comment on column marketing.leads.source is
  'The strongest intent of the lead''s submissions: from newsletter-signup, website-form, contact-form and pricing-inquiry up to demo-request. first_touch has the first one''s, last_touch the latest one''s.';
comment on column marketing.leads.status is 'One of new, contacted, qualified, converted and lost.';
comment on column marketing.leads.submission_count is 'All submissions, whether or not they are stored as interactions.';
comment on column marketing.leads.submissions_dropped is
  'How many of them are merged into the lead but not stored as an interaction: those beyond the limit of an address and day.';
comment on column marketing.leads.network is 'The caller''s network, /24 or /48, as the edge has verified it; never an address.';
comment on column marketing.leads.metadata is 'Fields of the form that have no column.';
comment on column marketing.leads.first_touch is 'Where the first submission came from.';
comment on column marketing.leads.last_touch is 'Where the latest one came from, and its fields.';

create unique index leads_email_normalized on marketing.leads (email_normalized) where deleted_at is null;
create index leads_created_at on marketing.leads (created_at desc, id desc);
-- What lists are usually of. A planner without statistics takes rows that are not deleted for few, and would sort them all.
create index leads_newest on marketing.leads (created_at desc, id desc) where deleted_at is null;
create index leads_status on marketing.leads (status, created_at desc, id desc);
create index leads_source on marketing.leads (source, status, created_at);
create index leads_utm on marketing.leads (utm_source, utm_campaign, created_at desc, id desc) where utm_source is not null;
create index leads_interested_features on marketing.leads using gin (interested_features);
create index leads_email_domain on marketing.leads (email_domain);
create index leads_spam on marketing.leads (created_at) where is_spam;
-- Most leads name no company, and a list of them all is of no use.
create index leads_company_name on marketing.leads using gin (company_name gin_trgm_ops) where company_name is not null;
create index leads_deleted on marketing.leads (email_normalized) where deleted_at is not null;
-- Only the beginnings of the values: a form may send more than an index entry can hold, and no lead must be refused for it.
create index leads_named_session on marketing.leads (left(metadata ->> 'session_id', 200))
  where metadata ->> 'session_id' is not null;
create index leads_named_browser on marketing.leads (left(metadata ->> 'anonymous_id', 200))
  where metadata ->> 'anonymous_id' is not null;
create index leads_last_session on marketing.leads (left(last_touch -> 'fields' ->> 'session_id', 200))
  where last_touch -> 'fields' ->> 'session_id' is not null;
create index leads_last_browser on marketing.leads (left(last_touch -> 'fields' ->> 'anonymous_id', 200))
  where last_touch -> 'fields' ->> 'anonymous_id' is not null;

alter table marketing.leads enable row level security;
alter table marketing.leads force row level security;
-- Not as a boolean: of one that it does not know the planner expects half of the rows, and it would sort those of a campaign that it could
-- read in order.
create policy admin_select on marketing.leads for select to authenticated
  using ((select nullif(private.is_admin(), false)) is not null);
create policy admin_update on marketing.leads for update to authenticated
  using ((select private.is_admin()))
  with check ((select private.is_admin()));
grant select on marketing.leads to authenticated, service_role;
grant update (
  status, notes, phone_number, company_name, first_name, last_name, interested_features, is_spam, spam_reason, deleted_at,
  -- Only to revoked: see marketing.refuse_opt_in_change.
  opt_in_status
) on marketing.leads to authenticated, service_role;
select private.scope_table('marketing.leads');

-- The contacts that a lead's texts name, except the lead's own. Definer: an index expression is evaluated with the rights of the
-- writer of the row, who may call nothing else in this schema.
create function private.lead_mentions(email text, texts text[]) returns text[]
  language plpgsql immutable security definer
  set search_path = ''
  as $$
declare
  named text[] := private.contacts_in(texts);
begin
  -- Most leads name nobody: for them the key of the own address is not made.
  if named is not null then
    named := nullif(array_remove(named, private.contact_key(email)), '{}');
  end if;
  return named;
end
$$;
grant execute on function private.lead_mentions(text, text[]) to authenticated, service_role;

create trigger leads_erased before insert or update on marketing.leads
  for each statement execute function private.refuse_erased_caller();
create trigger leads_filter before update or delete on marketing.leads
  for each statement execute function private.require_filter();
create trigger leads_updated_at before update on marketing.leads
  for each row execute function private.update_updated_at();
create trigger leads_audit after update or delete on marketing.leads
  for each row execute function private.audit();

-- Where a lead can come from, in the order of intent, the weakest first. Not in SQL: that would be planned at every call.
create function marketing.lead_sources() returns text[]
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return array['newsletter-signup', 'website-form', 'contact-form', 'pricing-inquiry', 'demo-request'];
end
$$;
revoke execute on function marketing.lead_sources() from public;

-- What check constraints would check. PostgreSQL reads the text of each of them again in every statement, and each lead waits for it.
-- Only functions write these columns, and they refuse or cut what a form sends; staff set status, and opt_in_status to revoked only.
create function private.check_lead() returns trigger
  language plpgsql
  -- Definer: staff may not call marketing.lead_sources.
  security definer
  set search_path = ''
  as $$
declare
  broken constant text := case
    when not (char_length(new.email) between 3 and 254) then 'leads_email_length'
    when new.source <> 'website-form' and new.source <> all (marketing.lead_sources()) then 'leads_source'
    when not (new.status in ('new', 'contacted', 'qualified', 'converted', 'lost')) then 'leads_status'
    when not (new.country_code ~ '^[A-Z0-9]{2}$') then 'leads_country_code'
    when not (new.spam_score between 0 and 100) then 'leads_spam_score'
    when not (new.opt_in_status in ('none', 'pending', 'confirmed', 'revoked')) then 'leads_opt_in_status'
    when not (new.submission_count > 0) then 'leads_submission_count'
    when not (new.submissions_dropped between 0 and new.submission_count) then 'leads_submissions_dropped'
  end;
begin
  if broken is not null then
    raise check_violation using
      constraint = broken, message = format('a lead breaks the rule %s', broken),
      hint = case broken
        when 'leads_status' then 'Send new, contacted, qualified, converted or lost as status.' else 'Correct the value and send it again.'
      end;
  end if;
  return null;
end
$$;
revoke execute on function private.check_lead() from public;
create trigger leads_check
  after insert or update of email, source, status, country_code, spam_score, opt_in_status, submission_count, submissions_dropped
  on marketing.leads for each row execute function private.check_lead();

select private.index_mentions('marketing.leads', array[
  'phone_number', 'company_name', 'first_name', 'last_name', 'notes', 'interested_features', 'utm_source', 'utm_medium',
  'utm_campaign', 'utm_content', 'utm_term', 'referrer', 'landing_page', 'first_touch', 'last_touch', 'metadata', 'user_agent'
], 'redact', 'private.lead_mentions(email, array[''+'' || ltrim(phone_number, ''+''), company_name, first_name, last_name, notes, '
  || 'utm_source, utm_medium, utm_campaign, utm_content, utm_term, referrer, landing_page, first_touch::text, '
  -- A new lead's two touches are one: it is searched once.
  || 'nullif(last_touch, first_touch)::text, '
  || 'metadata::text, user_agent] || interested_features)');

-- migrate:down
delete from private.mention_places where relation = 'marketing.leads';
drop table marketing.leads;
drop function private.check_lead();
drop function marketing.lead_sources();
drop function private.lead_mentions(text, text[]);
