-- 0153: webhook inbox. Every message, status and change of Meta's webhook, each stored once. One that cannot be applied is stored with the
-- reason: Meta repeats every delivery that is not answered with 200.
-- migrate:up
-- Whom a delivery names besides its own person. It splits the text, in which a quote inside a value is always escaped; one
-- regular expression for all of it took five times as long.
create function private.webhook_mentions(payload jsonb, people text[]) returns text[]
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  text constant text := payload::text;
begin
  return nullif(array(
    select ltrim(left(part.value, strpos(part.value, '"') - 1), '+') as name
    from (
      select p.value, lag(p.value) over (order by p.ordinality) as before
      from unnest(string_to_array(text, '": "')) with ordinality as p (value, ordinality)
    ) as part
    where left(part.value, 200) ~ '^[+]?[0-9]{5,20}"|^[A-Z][A-Z][.][A-Za-z0-9.]{1,140}"'
      and right(part.before, 14) ~ '(?:from|to|input|customer|phone|phone_number|_id)$'
      and ltrim(left(part.value, strpos(part.value, '"') - 1), '+') <> all (people)
    union
    select key from unnest(private.contacts_in(array[text])) as key where key <> all (people)
  ), '{}');
end
$$;

create table private.webhook_inbox (
  id                  bigint generated always as identity constraint webhook_inbox_pkey primary key,
  source              text not null,
  dedupe_key          text not null,
  received_at         timestamptz not null default now(),
  happened_at         timestamptz not null,
  field               text,
  event               text,
  business_account_id text,
  phone_number_id     text,
  people              text[] not null default '{}',
  payload             jsonb not null,
  mentions            text[] generated always as (private.webhook_mentions(payload, people)) stored,
  applied_at          timestamptz,
  outcome             text,
  attempts            bigint not null default 0,
  constraint webhook_inbox_source check (source in ('whatsapp')),
  -- Of two simultaneous deliveries of the same change, the second waits here for the first.
  constraint webhook_inbox_source_dedupe_key unique (source, dedupe_key),
  constraint webhook_inbox_dedupe_key check (char_length(dedupe_key) between 1 and 500),
  constraint webhook_inbox_outcome check (char_length(outcome) <= 500)
);
comment on table private.webhook_inbox is
  'The whole content of webhooks, whether or not it could be applied. Messages are personal data: private.clean_webhook_inbox deletes them after 30 days.';
comment on column private.webhook_inbox.happened_at is 'The sender''s time of the event, never later than its arrival.';
comment on column private.webhook_inbox.people is
  'The one person that the row is about, the sender or the recipient: phone numbers, in digits, and WhatsApp user ids. Empty if it is about nobody or about several people.';
comment on column private.webhook_inbox.outcome is
  'applied; outdated (something newer had come); or why nothing came of it. Null: not tried.';
comment on column private.webhook_inbox.mentions is 'Whom the payload names besides; null if nobody.';

create index webhook_inbox_received_at on private.webhook_inbox (received_at);
-- Without a pending list: emptying it would make one delivery in thousands slow.
create index webhook_inbox_people on private.webhook_inbox using gin (people) with (fastupdate = off);
-- Finds what to apply to an account that is verified later.
create index webhook_inbox_business on private.webhook_inbox (business_account_id, id) where field <> 'messages';

alter table private.webhook_inbox enable row level security;
alter table private.webhook_inbox force row level security;

select private.index_mentions('private.webhook_inbox', array['payload'], 'redact', 'mentions');

-- Deletes rows that arrived before a time, 100,000 at most, and returns how many.
create function private.clean_webhook_inbox(before timestamptz) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  return private.delete_older('private.webhook_inbox', 'received_at', clean_webhook_inbox.before, 100000);
end
$$;

-- The ids of a person's rows in the inbox, by phone number in any notation or WhatsApp user id. Messages may name a person by
-- either: a person who has written under both is found by both, and by the id that Meta gave them in place of the number. A
-- number may have had another owner: a number that only an id has led to does not find rows with another id.
create function private.webhook_inbox_of_phone(phone text) returns setof bigint
  language plpgsql stable
  set search_path = ''
  -- Every step is a look-up in one index, whatever the statistics say.
  set enable_seqscan = off
  set enable_indexscan = off
  set enable_indexonlyscan = off
  set jit = off
  as $$
declare
  known constant text := case
    when phone ~ '^[A-Z]{2}[.][A-Za-z0-9.]{1,140}$' then phone
    when char_length(regexp_replace(phone, '[^0-9]', '', 'g')) between 5 and 20
      -- People write 00 for the + of a foreign number.
      then regexp_replace(regexp_replace(phone, '[^0-9]', '', 'g'), '^00', '')
  end;
  ids text[] := array[known];
  found_ text[];
  others text[] := '{}';
begin
  if known is null then
    return;
  end if;
  for step in 1..10 loop
    found_ := array(
      select distinct other.name
      from private.webhook_inbox as i, unnest(i.people) as other (name)
      where i.people && ids
    );
    others := array(select name from unnest(found_) as name where name !~ '^[A-Z]{2}[.]' and name <> known);
    found_ := array(select name from unnest(found_) as name where name ~ '^[A-Z]{2}[.]' or name = known);
    exit when found_ <@ ids;
    ids := found_ || ids;
  end loop;
  return query
  select i.id from private.webhook_inbox as i where i.people && ids
  union
  select i.id from private.webhook_inbox as i
  where known ~ '^[A-Z]{2}[.]' and i.people && others
    and not exists (select from unnest(i.people) as other (name) where other.name ~ '^[A-Z]{2}[.]');
end
$$;

-- migrate:down
delete from private.mention_places where relation = 'private.webhook_inbox';
drop function private.webhook_inbox_of_phone(text);
drop function private.clean_webhook_inbox(timestamptz);
drop table private.webhook_inbox;
drop function private.webhook_mentions(jsonb, text[]);
