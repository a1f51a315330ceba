-- 0114: consent. Who agreed to what, and when; and the signed link by which an address confirms it (double opt-in).
-- migrate:up
-- 244 random bits each.
insert into private.secrets (name, secret)
select name, sha256(uuid_send(pg_catalog.gen_random_uuid()) || uuid_send(pg_catalog.gen_random_uuid()))
from (values ('consent'), ('confirmation')) as needed (name);

-- An address as consent records have it: always the same, and of no use without the secret.
create function private.address_hash(email_normalized text) returns bytea
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return private.digest('consent', convert_to(email_normalized, 'UTF8'));
end
$$;
revoke execute on function private.address_hash(text) from public;

create table private.consent_records (
  id           bigint generated always as identity primary key,
  address_hash bytea not null,
  action       text not null,
  channel      text not null,
  text_version text not null,
  at           timestamptz not null default now()
);
comment on table private.consent_records is
  'Append-only: proof that an address, of which only a hash is stored, agreed to a text. It outlives the lead, because it proves that writing to it was allowed.';

create index consent_records_address on private.consent_records (address_hash, at desc);

alter table private.consent_records enable row level security;
alter table private.consent_records force row level security;

create trigger consent_records_append_only
  before update or delete or truncate on private.consent_records
  for each statement execute function private.refuse_change();

-- As private.check_lead.
create function private.check_consent_record() returns trigger
  language plpgsql
  set search_path = ''
  as $$
declare
  broken constant text := case
    when not (new.action in ('requested', 'confirmed', 'revoked')) then 'consent_records_action'
    when not (new.channel ~ '^[a-z][a-z0-9_-]{0,39}$') then 'consent_records_channel'
    when not (char_length(new.text_version) between 1 and 100) then 'consent_records_text_version'
  end;
begin
  if broken is not null then
    raise check_violation using constraint = broken, message = format('a consent record breaks the rule %s', broken);
  end if;
  return null;
end
$$;
revoke execute on function private.check_consent_record() from public;
create trigger consent_records_check after insert on private.consent_records
  for each row execute function private.check_consent_record();

-- Leads whose consent was requested and not yet given.
create table private.confirmation_requests (
  lead_id       uuid constraint confirmation_requests_pkey primary key
    constraint confirmation_requests_lead references marketing.leads (id) on delete cascade,
  requested_at  timestamptz not null default now(),
  times_handed  bigint not null default 0,
  handed_at     timestamptz
);
comment on table private.confirmation_requests is
  'Consents that were requested and not yet given: when, and how often the mailer has received the lead. A request ends after seven days.';

create index confirmation_requests_due on private.confirmation_requests (times_handed, requested_at, lead_id);
create index confirmation_requests_requested_at on private.confirmation_requests (requested_at);

alter table private.confirmation_requests enable row level security;
alter table private.confirmation_requests force row level security;

-- The token of a lead's confirmation link: the lead, its expiry, and a signature of both, of the address, and of the request for
-- consent that it answers. A later request invalidates the links of earlier ones.
create function marketing.confirmation_token(lead marketing.leads, expires_at timestamptz) returns text
  language sql stable
  set search_path = ''
  as $$
select private.base64url(signed.head || substr(private.digest('confirmation', signed.head || signed.request || convert_to(lead.email_normalized, 'UTF8')), 1, 20))
from (
  select uuid_send(lead.id) || int8send(extract(epoch from expires_at)::bigint) as head, int8send(coalesce(max(c.id), 0)) as request
  from private.consent_records as c
  where c.address_hash = private.address_hash(lead.email_normalized) and c.action = 'requested'
) as signed
$$;
revoke execute on function marketing.confirmation_token(marketing.leads, timestamptz) from public;

-- Addresses that wait for confirmation, with the token of each link, for the mailer: those that it has not received
-- yet, the oldest first. It receives one again only if it passes an interval to wait, three times in all, and after all new ones.
-- The link is <edge>/v1/leads/confirm?token=<token>, valid for seven days.
create function marketing.pending_confirmations(most int default 100, again_after interval default null)
  returns table (lead_id uuid, email text, first_name text, token text, expires_at timestamptz, requested_at timestamptz)
  language plpgsql volatile security definer
  set search_path = ''
  as $$
begin
  if (select auth.role()) is distinct from 'service_role' then
    return;
  end if;
  delete from private.confirmation_requests as c where c.requested_at < now() - interval '7 days';
  return query
  with due as (
    select c.lead_id
    from private.confirmation_requests as c
    inner join marketing.leads as l on l.id = c.lead_id
    where l.opt_in_status = 'pending' and l.deleted_at is null and not l.is_spam
      and c.times_handed < 3 and (c.handed_at is null or c.handed_at < now() - again_after)
    order by c.times_handed, c.requested_at, c.lead_id
    limit least(greatest(most, 0), 1000)
    -- Two mailers receive different leads.
    for update of c skip locked
  ),

  handed as (
    update private.confirmation_requests as c set times_handed = c.times_handed + 1, handed_at = now()
    from due
    where c.lead_id = due.lead_id
    returning c.lead_id, c.times_handed, c.requested_at
  )

  select l.id, l.email, l.first_name, marketing.confirmation_token(l, e.at), e.at, h.requested_at
  from handed as h
  inner join marketing.leads as l on l.id = h.lead_id
  cross join (select date_trunc('second', now()) + interval '7 days' as at) as e
  order by h.times_handed, h.requested_at, h.lead_id;
end
$$;
comment on function marketing.pending_confirmations(int, interval) is
  'Gives the mailer leads whose address is to be confirmed, each once, with signed tokens. Definer: nobody may read the signing key; only service_role gets rows.';
revoke execute on function marketing.pending_confirmations(int, interval) from public;
grant execute on function marketing.pending_confirmations(int, interval) to service_role;

-- Confirms the address whose link carries the token, however often it is called.
create function marketing.confirm_lead(token text) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  bytes constant bytea := private.from_base64url(token, 44);
  known marketing.leads;
  seconds bigint;
  expires_at timestamptz;
begin
  if bytes is not null then
    select * into known from marketing.leads as l
    where l.id = encode(substr(bytes, 1, 16), 'hex')::uuid and l.deleted_at is null
    for update;
    seconds := ('x' || encode(substr(bytes, 17, 8), 'hex'))::bit(64)::bigint;
    -- A forged token may name a year that a timestamp cannot have.
    expires_at := case when seconds between 0 and 253402300799 then to_timestamp(seconds) end;
  end if;
  -- An old link does not renew a consent that was revoked.
  if (
    known.opt_in_status in ('pending', 'confirmed') and expires_at >= now() and marketing.confirmation_token(known, expires_at) = token
  ) is not true then
    perform private.refuse(
      400, 'RG512', 'The link is not good, or not any more', 'A link is good for seven days',
      'Fill in the form again, and open the link of the new message.'
    );
  end if;
  if known.opt_in_status <> 'confirmed' then
    update marketing.leads as l set opt_in_status = 'confirmed', opted_in_at = now() where l.id = known.id;
    insert into private.consent_records (address_hash, action, channel, text_version)
    values (private.address_hash(known.email_normalized), 'confirmed', 'email', 'link');
    delete from private.confirmation_requests as c where c.lead_id = known.id;
  end if;
  return '{"status": "confirmed"}';
end
$$;
comment on function marketing.confirm_lead(text) is
  'Confirms an address by the token of a signed link. Definer: the holder of a link has no right on the table; the signature proves whose row it is.';
revoke execute on function marketing.confirm_lead(text) from public;
grant execute on function marketing.confirm_lead(text) to anon, authenticated, service_role;

-- Trigger: records that a consent was requested or revoked, whatever changed the lead.
create function marketing.record_consent() returns trigger
  language plpgsql
  -- Definer: no request role may write the records.
  security definer
  set search_path = ''
  as $$
begin
  insert into private.consent_records (address_hash, action, channel, text_version)
  values (
    private.address_hash(new.email_normalized),
    case new.opt_in_status when 'pending' then 'requested' else 'revoked' end,
    'email',
    coalesce(left(nullif(new.last_touch ->> 'consent_version', ''), 100), 'unstated')
  );
  if tg_op = 'UPDATE' then
    delete from private.confirmation_requests as c where c.lead_id = new.id;
  end if;
  if new.opt_in_status = 'pending' then
    insert into private.confirmation_requests (lead_id) values (new.id);
  end if;
  return null;
end
$$;
comment on function marketing.record_consent() is
  'Records that a consent was requested or revoked, and queues the message. Definer: no request role may write the records.';
revoke execute on function marketing.record_consent() from public;
create trigger leads_consent_asked after insert on marketing.leads
  for each row when (new.opt_in_status = 'pending') execute function marketing.record_consent();
create trigger leads_consent_changed after update of opt_in_status on marketing.leads
  for each row when (new.opt_in_status in ('pending', 'revoked') and new.opt_in_status <> old.opt_in_status)
  execute function marketing.record_consent();

-- A lead with a pending consent has submitted again: after a day it gets another message, and earlier links end.
create function marketing.renew_confirmation(lead_id uuid) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  lead marketing.leads;
begin
  select l.* into lead from marketing.leads as l where l.id = renew_confirmation.lead_id and l.opt_in_status = 'pending';
  if not found then
    return;
  end if;
  insert into private.confirmation_requests as c (lead_id) values (lead.id)
  on conflict on constraint confirmation_requests_pkey do update set requested_at = now(), times_handed = 0, handed_at = null
    where c.requested_at < now() - interval '1 day';
  if found then
    insert into private.consent_records (address_hash, action, channel, text_version)
    values (
      private.address_hash(lead.email_normalized), 'requested', 'email',
      coalesce(left(nullif(lead.last_touch ->> 'consent_version', ''), 100), 'unstated')
    );
  end if;
end
$$;
revoke execute on function marketing.renew_confirmation(uuid) from public;

-- Trigger: a lead that was spam or deleted, with a pending consent, is one no more. Its request may have ended meanwhile, as nobody got the
-- message.
create function marketing.renew_released() returns trigger
  language plpgsql
  -- Definer: no request role may write the records.
  security definer
  set search_path = ''
  as $$
begin
  perform marketing.renew_confirmation(new.id);
  return null;
end
$$;
comment on function marketing.renew_released() is
  'Queues the message to a lead that is no longer spam or deleted. Definer: no request role may write the records.';
revoke execute on function marketing.renew_released() from public;
create trigger leads_released after update of is_spam, deleted_at on marketing.leads
  for each row when (
    new.opt_in_status = 'pending' and not new.is_spam and new.deleted_at is null and (old.is_spam or old.deleted_at is not null)
  )
  execute function marketing.renew_released();

-- Trigger: staff may record that a consent was revoked. Only its person gives one, through the form and the link.
create function marketing.refuse_opt_in_change() returns trigger
  language plpgsql
  security definer
  set search_path = ''
  as $$
begin
  perform private.refuse(
    403, 'RG513', 'A consent is given by its person only', null, 'Set opt_in_status to revoked, or leave it as it is.'
  );
  return null;
end
$$;
comment on function marketing.refuse_opt_in_change() is
  'Refuses a change of opt_in_status other than to revoked by staff. Definer: the caller may call nothing in the schema private.';
revoke execute on function marketing.refuse_opt_in_change() from public;
create trigger leads_keep_opt_in before update of opt_in_status on marketing.leads
  for each row when (
    new.opt_in_status <> old.opt_in_status and new.opt_in_status <> 'revoked'
    and current_user in ('authenticated', 'service_role')
  )
  execute function marketing.refuse_opt_in_change();

-- migrate:down
drop trigger leads_keep_opt_in on marketing.leads;
drop trigger leads_released on marketing.leads;
drop trigger leads_consent_changed on marketing.leads;
drop trigger leads_consent_asked on marketing.leads;
delete from private.secrets where name in ('consent', 'confirmation');
drop function marketing.refuse_opt_in_change();
drop function marketing.renew_released();
drop function marketing.renew_confirmation(uuid);
drop function marketing.record_consent();
drop function marketing.confirm_lead(text);
drop function marketing.pending_confirmations(int, interval);
drop function marketing.confirmation_token(marketing.leads, timestamptz);
drop table private.confirmation_requests;
drop table private.consent_records;
drop function private.check_consent_record();
drop function private.address_hash(text);
