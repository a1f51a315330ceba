-- 0161: what Meta's webhook says of WhatsApp accounts. Every message, status and change is kept once in an inbox and applied to the
-- accounts that staff have verified. What cannot be applied is kept with the reason: Meta repeats whatever is not answered with 200.
-- migrate:up
-- Whom a delivery names beside whose it is. It reads the text, in which a quote within a value is never bare; one regular expression
-- for all of it took five times as long.
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
  -- Two deliveries of the same at once: the second waits here for the first.
  constraint webhook_inbox_source_dedupe_key unique (source, dedupe_key),
  constraint webhook_inbox_dedupe_key check (char_length(dedupe_key) between 1 and 500),
  constraint webhook_inbox_outcome check (char_length(outcome) <= 500)
);
comment on table private.webhook_inbox is
  'What webhooks said, whole, whatever we make of it. Messages are personal data: private.clean_webhook_inbox deletes them, after 30 days.';
comment on column private.webhook_inbox.happened_at is 'When the sender says it happened, never later than it came.';
comment on column private.webhook_inbox.people is
  'The one person that the row is about, who sent it or to whom it was sent: phone numbers, in digits, and WhatsApp user ids. Empty where it is about nobody, or about several.';
comment on column private.webhook_inbox.outcome is
  'applied; outdated (something newer had come); or why nothing came of it. Null: not tried.';
comment on column private.webhook_inbox.mentions is 'Whom the payload names beside; null where there is nobody.';
create index webhook_inbox_received_at on private.webhook_inbox (received_at);
-- Without a pending list, whose emptying would make one delivery in thousands slow.
create index webhook_inbox_people on private.webhook_inbox using gin (people) with (fastupdate = off);
-- What is applied to an account that is verified later.
create index webhook_inbox_business on private.webhook_inbox (business_account_id, id) where field <> 'messages';
alter table private.webhook_inbox enable row level security;
alter table private.webhook_inbox force row level security;

-- Events may come late and out of order: an older one must not undo a newer one of its kind, but says something new if the newer
-- one was of another kind.
create table private.whatsapp_clocks (
  account_id  uuid not null constraint whatsapp_clocks_account references whatsapp.accounts on delete cascade,
  subject     uuid not null, -- the account, or one of its templates
  kind        text not null,
  happened_at timestamptz not null,
  constraint whatsapp_clocks_pkey primary key (account_id, subject, kind)
);
comment on table private.whatsapp_clocks is 'When the latest event of each kind happened that was applied to an account or a template.';
alter table private.whatsapp_clocks enable row level security;
alter table private.whatsapp_clocks force row level security;

-- Whether an event of this kind is no older than what was applied before; notes it if so. Of two in one second the later one to
-- come counts.
create function private.whatsapp_is_news(account_id uuid, subject uuid, kind text, happened_at timestamptz) returns boolean
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  insert into private.whatsapp_clocks as c (account_id, subject, kind, happened_at)
  values (whatsapp_is_news.account_id, whatsapp_is_news.subject, whatsapp_is_news.kind, whatsapp_is_news.happened_at)
  on conflict on constraint whatsapp_clocks_pkey do update
    set happened_at = excluded.happened_at
    where c.happened_at <= excluded.happened_at;
  return found;
end
$$;

-- A time in seconds (or milliseconds) since 1970, as number or text; null where it is none.
create function private.webhook_time(said jsonb) returns timestamptz
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return case
    when said #>> '{}' ~ '^[0-9]{9,10}$' then to_timestamp((said #>> '{}')::float8)
    when said #>> '{}' ~ '^[0-9]{12,13}$' then to_timestamp((said #>> '{}')::float8 / 1000)
  end;
end
$$;

-- A text, cut to a length; null where it is no text or blank.
create function private.webhook_text(said jsonb, most int) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return case when jsonb_typeof(said) = 'string' then nullif(left(btrim(said #>> '{}'), most), '') end;
end
$$;

-- One of Meta's words, such as APPROVED; null where it is none.
create function private.webhook_word(said jsonb) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return case when jsonb_typeof(said) = 'string' and said #>> '{}' ~ '^[A-Za-z0-9_]{1,64}$' then upper((said #>> '{}') collate "C") end;
end
$$;

-- An id of Meta's: digits, as text or number.
create function private.webhook_id(said jsonb) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return case when jsonb_typeof(said) in ('string', 'number') and said #>> '{}' ~ '^[0-9]{1,32}$' then said #>> '{}' end;
end
$$;

-- A WhatsApp name in a value: a phone number, as digits, or a user id, such as DE.1502576394655843; null where it is neither.
create function private.webhook_name(said jsonb) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  text constant text := case when jsonb_typeof(said) in ('string', 'number') then left(said #>> '{}', 200) end;
  digits text;
begin
  if text ~ '^[A-Z]{2}[.][A-Za-z0-9.]{1,140}$' then
    return text;
  elsif text ~ '^[+]?[0-9][0-9 ()./-]{3,30}$' then
    digits := regexp_replace(text, '[^0-9]', '', 'g');
    return case when char_length(digits) between 5 and 20 then digits end;
  end if;
  return null;
end
$$;

-- The names that an object's own fields give to a person, in whatever role: from, to_user_id, recipient_participant_id, wa_id,
-- parent_user_id and their like, as a value or as {"previous": ..., "current": ...}. Fields whose name fits `but` are left out,
-- and what stands deeper in the object may be somebody else's.
create function private.webhook_names(object jsonb, but text default null) returns text[]
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  names text[] := '{}';
  name text;
  field record;
begin
  if jsonb_typeof(object) is distinct from 'object' then
    return names;
  end if;
  for field in select f.key, f.value from jsonb_each(object) as f loop
    if field.key ~ '^(?:(?:previous|current|old|new|parent|from|to|recipient|participant|sender|customer)_)*(?:user_id|wa_id|phone_number)$|^(?:from|to|input|customer|(?:(?:from|to|sender|recipient|participant)_)+id)$'
      and (but is null or field.key !~ but) then
      if jsonb_typeof(field.value) = 'object' then
        names := names || private.webhook_name(field.value -> 'previous') || private.webhook_name(field.value -> 'current');
      else
        names := names || private.webhook_name(field.value);
      end if;
    end if;
  end loop;
  return array(select distinct n.name from unnest(names) as n (name) where n.name is not null order by n.name);
end
$$;

-- The one person that a payload of an unknown shape names, by all names that it has for them; nobody where it may speak of
-- several: then all that it names stands in one object.
create function private.webhook_people(payload jsonb, nobodys text[]) returns text[]
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  one text[];
  every text[];
begin
  -- Reading the text first is a third of the work of a path through every object.
  if payload::text !~ '"(?:from|to|input|customer|[a-z_]*(?:_id|phone_number))": [[{"0-9]' then
    return '{}';
  end if;
  for one in
    select array(select name from unnest(private.webhook_names(part.value)) as name where name <> all (nobodys) order by name)
    from jsonb_path_query(payload, 'strict $.**', silent => true) as part (value)
    where jsonb_typeof(part.value) = 'object'
  loop
    continue when one = '{}';
    if every is null or one @> every then
      every := one;
    elsif not every @> one then
      return '{}';
    end if;
  end loop;
  return coalesce(every, '{}');
end
$$;

-- The person of one item of a list: who sent it, or whom it was sent to, under all names that it has for them. A message may quote
-- another, show a card or mention somebody: none of these is its person.
create function private.whatsapp_person(kind text, item jsonb, nobodys text[]) returns text[]
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  names text[];
begin
  case kind
    when 'messages' then
      names := private.webhook_names(item, '^(to|recipient)')
        -- A system message says under which name its sender goes on.
        || case when item ->> 'type' = 'system' then private.webhook_names(item -> 'system') else '{}' end;
    when 'message_echoes' then
      names := private.webhook_names(item, '^(from|sender)');
    when 'statuses' then
      -- Of a group the recipient's id is the group's.
      names := private.webhook_names(item, case when item ->> 'recipient_type' = 'group' then '^from|^recipient_id$' else '^from' end);
    when 'calls' then
      names := private.webhook_names(item, case item ->> 'direction' when 'BUSINESS_INITIATED' then '^from' when 'USER_INITIATED' then '^to' end);
    when 'state_sync' then
      names := private.webhook_names(item) || private.webhook_names(item -> 'contact');
    when 'history' then
      -- A chat's thread has the number of the person as its id.
      names := private.webhook_names((item #> '{threads,0,context}'))
        || array_remove(array[private.webhook_name(item #> '{threads,0,id}')], null);
      if names = '{}' then
        names := private.webhook_people(item, nobodys);
      end if;
    when 'groups' then
      names := private.webhook_names(item);
      if names = '{}' then
        names := private.webhook_people(item, nobodys);
      end if;
    when 'contacts', 'user_preferences', 'user_id_update' then
      names := private.webhook_names(item);
    else
      names := private.webhook_people(item, nobodys);
  end case;
  names := array(select distinct name from unnest(names) as name where name <> all (nobodys) order by name);
  -- A message in which the business itself is the sender.
  if names = '{}' and kind = 'messages' then
    names := array(
      select distinct name from unnest(private.webhook_names(item, '^(from|sender)')) as name
      where name <> all (nobodys) order by name
    );
  end if;
  return names;
end
$$;

-- An item of a list, one row for each of those whom it speaks of: the threads of a history, the participants of a group.
create function private.whatsapp_parts(kind text, item jsonb) returns setof jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  lists constant text[] := case kind
    when 'history' then array['threads'] when 'groups' then array['added_participants', 'removed_participants', 'failed_participants']
  end;
  head constant jsonb := case when jsonb_typeof(item) = 'object' and lists is not null then item - lists end;
  is_first boolean := true;
  part record;
begin
  if head is not null then
    for part in
      select list.key, one.value
      from jsonb_each(item) as list,
        jsonb_array_elements(case when jsonb_typeof(list.value) = 'array' then list.value else '[]' end) as one
      where list.key = any (lists)
    loop
      -- What the parts have in common stays with the first, if there is much of it.
      return next case when is_first or octet_length(head::text) <= 1000 then head else '{}' end
        || jsonb_build_object(part.key, jsonb_build_array(part.value));
      is_first := false;
    end loop;
  end if;
  if is_first then
    return next item;
  end if;
end
$$;

-- What tells a status from others of the same message: its word, and in a group who of it.
create function private.whatsapp_status_key(status jsonb) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  is_group constant boolean := coalesce(status ->> 'recipient_type' = 'group', false);
  word constant text := left(status ->> 'status', 64);
  ids text[];
begin
  if not is_group and status::text !~ '"[a-z_]*participant[a-z_]*": ' then
    return word;
  end if;
  ids := array(
    select f.value #>> '{}' from jsonb_each(status) as f where f.key ~ 'participant|(?:user_id|wa_id)$' order by f.key
  );
  return concat_ws(' ', word, case
    when cardinality(ids) = 1 and char_length(ids[1]) <= 150 then ids[1]
    when cardinality(ids) > 0 then encode(sha256(convert_to(ids::text, 'UTF8')), 'hex')
    else encode(sha256(convert_to(status::text, 'UTF8')), 'hex')
  end);
end
$$;

-- Whether two lists of names cannot be one person's: they have names of one kind (a number, an id, a linked business's id).
create function private.whatsapp_names_differ(names text[], others text[]) returns boolean
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return exists (
    select from unnest(names) as one (name), unnest(others) as other (name)
    where (one.name ~ '^[0-9]') = (other.name ~ '^[0-9]') and (one.name ~ '[.]ENT[.]') = (other.name ~ '[.]ENT[.]')
  );
end
$$;

-- A row of the inbox for an item of a change, or for the whole of it, as it is to be kept.
create function private.whatsapp_draft(
  entry jsonb, item jsonb, kind text, field text, business text, number_id text, people text[], kept jsonb
) returns private.webhook_inbox
  language plpgsql stable
  set search_path = ''
  as $$
declare
  draft private.webhook_inbox;
begin
  draft.source := 'whatsapp';
  draft.dedupe_key := case
    when kind in ('messages', 'statuses') and field = 'messages' and char_length(item ->> 'id') between 1 and 200 then
      concat_ws(' ', item ->> 'id', case when kind = 'statuses' then private.whatsapp_status_key(item) end)
    else encode(sha256(convert_to(jsonb_build_array(entry -> 'id', entry -> 'time', item)::text, 'UTF8')), 'hex')
  end;
  draft.received_at := now();
  draft.happened_at := least(now(), coalesce(
    private.webhook_time(item -> 'timestamp'), private.webhook_time(entry -> 'time'), now()
  ));
  draft.field := left(field, 100);
  draft.event := left(case kind
    when 'messages' then 'message'
    when 'statuses' then item ->> 'status'
    when 'contacts' then 'contact'
    else coalesce(item ->> 'event', kept #>> '{value,event}', kept #>> '{value,decision}')
  end, 100);
  draft.business_account_id := business;
  draft.phone_number_id := number_id;
  draft.people := people;
  draft.payload := kept;
  draft.attempts := 0;
  return draft;
end
$$;

-- One change of a delivery, as drafts of the inbox. Every message, status, echo, call, preference, thread, participant is a row of
-- its own, with the contact that is its person's and no other: whoever asks for what is theirs gets nothing of anybody else, and
-- each may come again in other company. What else the change says is kept with the first.
create function private.whatsapp_change_items(entry jsonb, change jsonb) returns setof private.webhook_inbox
  language plpgsql stable
  set search_path = ''
  -- The planner takes every array for a long one, and would compile; and it would plan anew for each change.
  set jit = off
  set plan_cache_mode = force_generic_plan
  as $$
#variable_conflict use_variable
declare
  field constant text := coalesce(change ->> 'field', change #>> '{value,field}', entry ->> 'field');
  value constant jsonb := change -> 'value';
  -- What is told to a partner has the partner's id in the entry.
  business constant text := private.webhook_id(coalesce(value #> '{waba_info,waba_id}', entry -> 'id'));
  number_id constant text := private.webhook_id(value #> '{metadata,phone_number_id}');
  -- These speak of a business, of its numbers and templates, and of nobody else.
  of_business constant boolean := coalesce(
    field ~ '^(account|business|message_template|phone_number|template)_|^(flows|partner_solutions|payment_configuration_update|security)$',
    false
  );
  -- The business's own numbers are nobody's.
  nobodys constant text[] := array_remove(private.webhook_name(value #> '{metadata,display_phone_number}') || array(
    select private.webhook_name(to_jsonb(a.phone_number)) from whatsapp.accounts as a
    where a.is_verified and a.business_account_id = business
    union all
    select private.webhook_name(to_jsonb(a.phone_number)) from whatsapp.accounts as a
    where a.is_verified and a.phone_number_id = number_id
  ), null);
  kinds text[];
  rest jsonb;
  contacts jsonb;
  speaks_of_others boolean;
  item jsonb;
  names text[];
  contact_names text[];
begin
  if jsonb_typeof(value) = 'object' and not of_business then
    kinds := array(
      select list.key
      from jsonb_each(value) as list
      where jsonb_typeof(list.value) = 'array' and list.value <> '[]' and case
        when field = 'messages' and list.key in ('messages', 'statuses') then true
        when list.key in (
          'messages', 'statuses', 'message_echoes', 'calls', 'history', 'state_sync', 'user_preferences', 'user_id_update', 'groups'
        ) then true
        when list.key in ('contacts', 'errors') then false
        -- A list of people that nobody knows yet.
        else (
          select count(*) from (
            select from jsonb_array_elements(list.value) as one where private.webhook_people(one.value, nobodys) <> '{}' limit 2
          ) as people
        ) = 2
      end
      order by array_position(array['messages', 'statuses'], list.key), list.key
    );
  end if;

  if coalesce(kinds, '{}') = '{}' then
    return next private.whatsapp_draft(
      entry, change, null, field, business, number_id,
      case when of_business then '{}' else private.webhook_people(change, nobodys) end, change
    );
    return;
  end if;

  rest := value - kinds - 'contacts';
  contacts := case when jsonb_typeof(value -> 'contacts') = 'array' then value -> 'contacts' else '[]' end;
  speaks_of_others := rest::text ~ '"(?:from|to|input|customer|[a-z_]*(?:wa_id|user_id|recipient_id|participant_id))": ';

  -- What most deliveries are: one message and its contact.
  if cardinality(kinds) = 1 and jsonb_array_length(value -> kinds[1]) = 1 and jsonb_array_length(contacts) <= 1
    and not speaks_of_others and kinds[1] <> all (array['groups', 'history']) then
    item := value -> kinds[1] -> 0;
    names := private.whatsapp_person(kinds[1], item, nobodys);
    contact_names := private.whatsapp_person('contacts', contacts -> 0, nobodys);
    if names && contact_names or not private.whatsapp_names_differ(names, contact_names) then
      return next private.whatsapp_draft(
        entry, item, kinds[1], field, business, number_id,
        array(select distinct n.name from unnest(names || contact_names) as n (name) order by n.name), change
      );
      return;
    end if;
  end if;

  return query
  with items as materialized (
    select row_number() over (order by list.ordinality, one.ordinality, part.ordinality) as number,
      list.kind, part.value as item, private.whatsapp_person(list.kind, part.value, nobodys) as names
    from unnest(kinds) with ordinality as list (kind, ordinality),
      jsonb_array_elements(value -> list.kind) with ordinality as one,
      private.whatsapp_parts(list.kind, one.value) with ordinality as part (value, ordinality)
    limit 5001
  ),

  contacts as materialized (
    select one.ordinality as number, one.value as contact, private.whatsapp_person('contacts', one.value, nobodys) as names
    from jsonb_array_elements(contacts) with ordinality as one
    limit 5001
  ),

  -- Whose contact it is: of the item that has a name in common with it. Where there is one of each, also if one has only a number
  -- and the other only an id.
  owners as materialized (
    select distinct i.number as item, c.number as contact
    from (select i.number, name from items as i, unnest(i.names) as name) as i
    inner join (select c.number, name from contacts as c, unnest(c.names) as name) as c on c.name = i.name
    union
    select i.number, c.number
    from items as i, contacts as c
    where (select count(*) from items) = 1 and (select count(*) from contacts) = 1
      and not private.whatsapp_names_differ(i.names, c.names)
  ),

  -- A contact is kept once, with the first of its items.
  kept_with as (
    select first.item, jsonb_agg(c.contact order by c.number) as contacts
    from (select o.contact, min(o.item) as item from owners as o group by o.contact) as first
    inner join contacts as c on c.number = first.contact
    group by first.item
  ),

  names_of as (
    select o.item, array_agg(distinct name) as names
    from owners as o
    inner join contacts as c on c.number = o.contact, unnest(c.names) as name
    group by o.item
  ),

  -- What the change says beside, with the first item unless it speaks of somebody.
  beside as (
    select private.webhook_people(rest - 'metadata', nobodys) as names where speaks_of_others
  ),

  drafts as (
    select i.number, i.kind, i.item,
      array(select distinct name from unnest(i.names || coalesce(n.names, '{}')) as name order by name) as people,
      case
        when i.number = 1 and not speaks_of_others then change || jsonb_build_object(
          'value', rest || jsonb_build_object(i.kind, jsonb_build_array(i.item))
            || case when k.contacts is null then '{}' else jsonb_build_object('contacts', k.contacts) end
        )
        else jsonb_build_object('field', field, 'value', jsonb_build_object(
          'metadata', jsonb_build_object('phone_number_id', left(value #>> '{metadata,phone_number_id}', 100)),
          i.kind, jsonb_build_array(i.item)
        ) || case when k.contacts is null then '{}' else jsonb_build_object('contacts', k.contacts) end)
      end as kept
    from items as i
    left join kept_with as k on k.item = i.number
    left join names_of as n on n.item = i.number
    union all
    select 10000 + c.number, 'contacts', c.contact, c.names,
      jsonb_build_object('field', field, 'value', jsonb_build_object(
        'metadata', jsonb_build_object('phone_number_id', left(value #>> '{metadata,phone_number_id}', 100)),
        'contacts', jsonb_build_array(c.contact)
      ))
    from contacts as c
    where c.number not in (select o.contact from owners as o)
    union all
    select 20000, null, rest, b.names, change || jsonb_build_object('value', rest) from beside as b
  )

  select draft.*
  from drafts as d, private.whatsapp_draft(entry, d.item, d.kind, field, business, number_id, d.people, d.kept) as draft
  order by d.number;
end
$$;

-- A delivery as drafts of the inbox, at most as many as are too many.
create function private.whatsapp_items(payload jsonb) returns setof private.webhook_inbox
  language plpgsql stable
  set search_path = ''
  as $$
declare
  entry jsonb;
  -- The entry without its changes, which would be copied for each of them.
  head jsonb;
  change jsonb;
  item private.webhook_inbox;
  count int := 0;
begin
  for entry in select e.value from jsonb_array_elements(payload -> 'entry') as e loop
    head := case when jsonb_typeof(entry) = 'object' then entry - 'changes' end;
    for change in
      select c.value
      from jsonb_array_elements(
        -- An entry of another shape is kept as if it were a change.
        case when jsonb_typeof(entry -> 'changes') = 'array' then entry -> 'changes' else jsonb_build_array(entry) end
      ) as c
    loop
      begin
        for item in select i.* from private.whatsapp_change_items(head, change) as i loop
          return next item;
          count := count + 1;
        end loop;
      exception
        -- One that cannot be read is kept whole, and costs no other.
        when data_exception or program_limit_exceeded then
          item := private.whatsapp_draft(head, change, null, null, private.webhook_id(head -> 'id'), null, '{}', change);
          item.outcome := 'failed: ' || sqlstate;
          return next item;
          count := count + 1;
      end;
      if count > 5000 then
        return;
      end if;
    end loop;
  end loop;
end
$$;

-- What a tier allows a day: TIER_250 is 250, TIER_2K is 2000; null where it is unlimited, not set, or none.
create function private.whatsapp_tier_limit(tier text) returns bigint
  language sql immutable
  set search_path = ''
  as $$
select number[1]::bigint * case number[2] when 'K' then 1000 when 'M' then 1000000 else 1 end
from regexp_match(tier, '^TIER_([0-9]{1,9})([KM]?)$') as number
$$;

-- A tier, which Meta says as such (TIER_2K) or as its number (2000, -1 for none); null where it is neither.
create function private.whatsapp_tier(said jsonb) returns text
  language sql immutable
  set search_path = ''
  as $$
select case
    when text ~ '^TIER_[A-Z0-9_]{1,58}$' then text
    when text = '-1' then 'TIER_UNLIMITED'
    when text ~ '^[1-9][0-9]{0,5}000$' then 'TIER_' || left(text, -3) || 'K'
    when text ~ '^[0-9]{1,9}$' then 'TIER_' || text
  end
from (select upper((said #>> '{}') collate "C") as text where jsonb_typeof(said) in ('string', 'number')) as given
$$;

-- Buttons as Meta's API writes them, of those in its webhook: message_template_button_url is url.
create function private.whatsapp_buttons(said jsonb) returns jsonb
  language sql immutable
  set search_path = ''
  as $$
select jsonb_agg(button.fields order by button.position)
from (
  select b.ordinality as position, (
    select jsonb_object_agg(replace(f.key, 'message_template_button_', ''), f.value) from jsonb_each(b.value) as f
  ) as fields
  from jsonb_array_elements(said) with ordinality as b
  where jsonb_typeof(b.value) = 'object'
) as button
where button.fields is not null
$$;

-- A template's components after an edit: new texts, and of the old ones what a webhook does not tell.
create function private.whatsapp_components(template whatsapp.templates) returns jsonb
  language sql immutable
  set search_path = ''
  as $$
select coalesce(jsonb_agg(part.value order by part.position), '[]')
from (
  select 1 as position, jsonb_build_object('type', 'HEADER', 'format', 'TEXT', 'text', template.header_content) as value
  where template.header_type = 'TEXT'
  union all
  select 2, jsonb_build_object('type', 'BODY', 'text', template.body_text) where template.body_text is not null
  union all
  select 3, jsonb_build_object('type', 'FOOTER', 'text', template.footer_text) where template.footer_text is not null
  union all
  select 4, jsonb_build_object('type', 'BUTTONS', 'buttons', template.buttons) where template.buttons <> '[]'
  union all
  select case when old.value ->> 'type' = 'HEADER' then 0 else 5 end, old.value
  from jsonb_array_elements(template.components) as old
  where coalesce(old.value ->> 'type', '') <> all (array['BODY', 'FOOTER', 'BUTTONS'])
    and not (old.value ->> 'type' = 'HEADER' and (template.header_type = 'TEXT' or old.value ->> 'format' = 'TEXT'))
) as part
$$;

-- Applies what a change says of a template to that template of each verified account of the business: its status, category, quality,
-- texts, whichever it has, and whatever field it came in. One made in Meta's own manager is not known here, and is added.
create function private.apply_template_change(change private.webhook_inbox, only_account uuid) returns text
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  said constant jsonb := change.payload -> 'value';
  at constant timestamptz := change.happened_at;
  said_id constant text := private.webhook_id(said -> 'message_template_id');
  said_name constant text := substring(left(said ->> 'message_template_name', 513) from '^[a-z0-9_]+$');
  said_language constant text := substring(
    replace(said ->> 'message_template_language', '-', '_') from '^[A-Za-z]{2,3}(?:_[A-Za-z0-9]{2,8}){0,2}$'
  );
  said_status constant text := private.webhook_word(said -> 'event');
  said_category constant text := coalesce(
    private.webhook_word(said -> 'new_category'), private.webhook_word(said -> 'message_template_category')
  );
  said_quality constant text := private.webhook_word(said -> 'new_quality_score');
  says_texts constant boolean := said ? 'message_template_element';
  is_gone constant boolean := coalesce(said_status in ('DELETED', 'PENDING_DELETION'), false);
  account uuid;
  template whatsapp.templates;
  now_ whatsapp.templates;
  outcome text := 'unknown account';
begin
  if (said_id is null and (said_name is null or said_language is null)) or char_length(said_name) > 512
    or (coalesce(said_status, said_category, said_quality) is null and not says_texts) then
    return 'odd shape';
  end if;

  for account in
    select a.id from whatsapp.accounts as a
    where a.is_verified and a.business_account_id = change.business_account_id and a.id = coalesce(only_account, a.id)
    order by a.id
  loop
    select t.* into template from whatsapp.templates as t where t.account_id = account and t.whatsapp_template_id = said_id;
    if template.id is null then
      select t.* into template
      from whatsapp.templates as t
      where t.account_id = account and t.template_name = said_name and t.language = said_language;
      -- A name can be used again when its template is gone: what is still said of the old one is not the new one's.
      if (template.whatsapp_template_id <> said_id and (is_gone or at <= template.last_event_at))
        or (is_gone and template.status = 'DRAFT') then
        outcome := case outcome when 'applied' then outcome else 'outdated' end;
        continue;
      end if;
    end if;
    if template.id is null and (is_gone or said_name is null or said_language is null) then
      outcome := case outcome when 'unknown account' then 'unknown template' else outcome end;
      continue;
    end if;
    if template.id is null then
      insert into whatsapp.templates as t (account_id, template_name, language, status, whatsapp_template_id)
      values (account, said_name, said_language, 'UNKNOWN', said_id)
      -- The owner has drafted it this moment.
      on conflict on constraint templates_account_name_language do update set whatsapp_template_id = said_id
      returning t.* into template;
    end if;

    now_ := template;
    now_.whatsapp_template_id := coalesce(said_id, template.whatsapp_template_id);
    if said_status is not null and private.whatsapp_is_news(account, template.id, 'status', at) then
      now_.status := said_status;
      now_.rejected_reason := nullif(private.webhook_text(said -> 'reason', 500), 'NONE');
    end if;
    if said_category is not null and private.whatsapp_is_news(account, template.id, 'category', at) then
      now_.category := said_category;
      now_.previous_category := coalesce(private.webhook_word(said -> 'previous_category'), template.previous_category);
    end if;
    if said_quality is not null and private.whatsapp_is_news(account, template.id, 'quality', at) then
      now_.quality_score := said_quality;
    end if;
    if says_texts and private.whatsapp_is_news(account, template.id, 'texts', at) then
      now_.body_text := private.webhook_text(said -> 'message_template_element', 4096);
      now_.footer_text := private.webhook_text(said -> 'message_template_footer', 1000);
      -- Only a header of text is told, and only buttons that lead somewhere.
      if said ? 'message_template_title' then
        now_.header_type := 'TEXT';
        now_.header_content := private.webhook_text(said -> 'message_template_title', 2000);
      elsif template.header_type = 'TEXT' then
        now_.header_type := null;
        now_.header_content := null;
      end if;
      now_.buttons := coalesce(
        case when jsonb_typeof(said -> 'message_template_buttons') = 'array' then
          private.whatsapp_buttons(said -> 'message_template_buttons') end,
        (
          select jsonb_agg(b.value order by b.ordinality)
          from jsonb_array_elements(template.buttons) with ordinality as b
          where coalesce(b.value ->> 'type', '') <> all (array['URL', 'PHONE_NUMBER'])
        ),
        '[]'
      );
      now_.components := private.whatsapp_components(now_);
    end if;

    if now_ is not distinct from template and at <= template.last_event_at then
      outcome := case outcome when 'applied' then outcome else 'outdated' end;
      continue;
    end if;
    update whatsapp.templates as t set
      whatsapp_template_id = now_.whatsapp_template_id, status = now_.status, rejected_reason = now_.rejected_reason,
      category = now_.category, previous_category = now_.previous_category, quality_score = now_.quality_score,
      body_text = now_.body_text, footer_text = now_.footer_text, header_type = now_.header_type,
      header_content = now_.header_content, buttons = now_.buttons, components = now_.components,
      last_event_at = greatest(template.last_event_at, at)
    where t.id = template.id;
    outcome := 'applied';
  end loop;
  return outcome;
end
$$;

-- Applies what a change says of a business account, or of one number of it, to its verified accounts.
create function private.apply_account_change(change private.webhook_inbox, only_account uuid) returns text
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  said constant jsonb := change.payload -> 'value';
  at constant timestamptz := change.happened_at;
  event constant text := private.webhook_word(said -> 'event');
  decision constant text := private.webhook_word(said -> 'decision');
  -- The number it is about; null where it is about all of the business's.
  number constant text := regexp_replace(
    left(coalesce(said ->> 'display_phone_number', said ->> 'phone_number'), 100), '[^0-9]', '', 'g'
  );
  -- Since February 2026 the limit is the business's; before, the number's.
  tier constant text := coalesce(
    private.whatsapp_tier(said -> 'max_daily_conversations_per_business'),
    private.whatsapp_tier(said -> 'max_daily_conversation_per_phone'),
    private.whatsapp_tier(said -> 'current_limit')
  );
  tier_of_all constant boolean := private.whatsapp_tier(said -> 'max_daily_conversations_per_business') is not null;
  standing text;
  quality text;
  throughput text;
  name_status text;
  account whatsapp.accounts;
  now_ whatsapp.accounts;
  is_meant boolean;
  outcome text := 'unknown account';
begin
  case change.field
    when 'phone_number_quality_update' then
      throughput := case event when 'THROUGHPUT_UPGRADE' then 'HIGH' end;
      -- No longer low; which of the others it is now is not said.
      quality := case event when 'FLAGGED' then 'RED' when 'UNFLAGGED' then 'UNKNOWN' end;
    when 'phone_number_name_update' then
      name_status := decision;
    when 'account_review_update' then
      standing := decision;
    when 'account_update' then
      standing := case
        when event = 'DISABLED_UPDATE' then coalesce(private.webhook_word(said #> '{ban_info,waba_ban_state}'), event)
        when event = 'PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE' then
          private.webhook_word(said #> '{partner_client_certification_info,status}')
        when event in (
          'VERIFIED_ACCOUNT', 'ACCOUNT_VIOLATION', 'ACCOUNT_RESTRICTION', 'ACCOUNT_DELETED', 'ACCOUNT_OFFBOARDED',
          'ACCOUNT_RECONNECTED'
        ) then event
      end;
    else
      null;
  end case;
  if number = '' then
    return 'odd shape';
  end if;
  if coalesce(standing, quality, throughput, name_status, tier) is null then
    return 'nothing to apply';
  end if;

  for account in
    select a.* from whatsapp.accounts as a
    where a.is_verified and a.business_account_id = change.business_account_id and a.id = coalesce(only_account, a.id)
    order by a.id
  loop
    is_meant := number is null or number = regexp_replace(account.phone_number, '[^0-9]', '', 'g');
    continue when not (is_meant or tier_of_all);
    outcome := case outcome when 'applied' then outcome else 'outdated' end;
    now_ := account;
    if tier is not null and private.whatsapp_is_news(account.id, account.id, 'tier', at) then
      now_.messaging_limit_tier := tier;
      now_.messages_limit_daily := private.whatsapp_tier_limit(tier);
      outcome := 'applied';
    end if;
    if is_meant and throughput is not null and private.whatsapp_is_news(account.id, account.id, 'throughput', at) then
      now_.throughput_level := throughput;
      outcome := 'applied';
    end if;
    if is_meant and quality is not null and private.whatsapp_is_news(account.id, account.id, 'quality', at) then
      now_.quality_rating := quality;
      outcome := 'applied';
    end if;
    if is_meant and standing is not null and private.whatsapp_is_news(account.id, account.id, 'standing', at) then
      now_.verification_status := standing;
      outcome := 'applied';
    end if;
    if is_meant and name_status is not null and private.whatsapp_is_news(account.id, account.id, 'name', at) then
      now_.name_status := name_status;
      -- What people now see in WhatsApp.
      if name_status = 'APPROVED' then
        now_.display_name := coalesce(private.webhook_text(said -> 'requested_verified_name', 200), account.display_name);
      end if;
      outcome := 'applied';
    end if;
    if now_ is distinct from account then
      update whatsapp.accounts as a set
        messaging_limit_tier = now_.messaging_limit_tier, messages_limit_daily = now_.messages_limit_daily,
        throughput_level = now_.throughput_level, quality_rating = now_.quality_rating,
        verification_status = now_.verification_status, name_status = now_.name_status, display_name = now_.display_name
      where a.id = account.id;
    end if;
  end loop;
  return outcome;
end
$$;

-- Applies changes of the inbox to the verified accounts that they are about, or to one of them only: in the order in which they
-- happened, and those of one second in the order given.
-- One that fails is kept with its error, and the others are applied.
create function private.apply_webhooks(ids bigint[], only_account uuid default null) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  change private.webhook_inbox;
  result text;
begin
  -- Whoever has these has the accounts' templates and clocks, too: in one order, so that nobody waits for each other.
  perform a.id
  from whatsapp.accounts as a
  where a.is_verified and a.id = coalesce(only_account, a.id) and a.business_account_id in (
    select i.business_account_id from private.webhook_inbox as i where i.id = any (ids)
  )
  order by a.id
  for no key update;

  update whatsapp.accounts as a
  set last_webhook_at = greatest(a.last_webhook_at, heard.at)
  from (
    select i.business_account_id, max(i.received_at) as at from private.webhook_inbox as i where i.id = any (ids) group by 1
  ) as heard
  where a.is_verified and a.id = coalesce(only_account, a.id) and a.business_account_id = heard.business_account_id;

  for change in
    select i.* from private.webhook_inbox as i where i.id = any (ids) order by i.happened_at, array_position(ids, i.id)
  loop
    begin
      result := case
        when jsonb_typeof(change.payload -> 'value') is distinct from 'object' or change.business_account_id is null
          then 'odd shape'
        when change.field in (
          'message_template_status_update', 'message_template_quality_update', 'message_template_components_update',
          'template_category_update'
        ) then private.apply_template_change(change, only_account)
        when change.field in (
          'phone_number_quality_update', 'phone_number_name_update', 'account_update', 'account_review_update',
          'business_capability_update'
        ) then private.apply_account_change(change, only_account)
        else 'unknown field'
      end;
    exception
      -- What the data is to blame for. Anything else may go well the next time, and Meta comes again.
      when data_exception or integrity_constraint_violation or program_limit_exceeded then
        result := left('failed: ' || sqlstate || ' ' || sqlerrm, 500);
    end;
    update private.webhook_inbox as i set
      outcome = result, attempts = i.attempts + 1, applied_at = case when result = 'applied' then now() end
    where i.id = change.id;
  end loop;
end
$$;

-- Trigger: what came for an account before staff had verified it, as far as it is still there, and but for messages.
create function private.catch_up_account() returns trigger
  language plpgsql
  -- Definer: staff may call nothing in this schema.
  security definer
  set search_path = ''
  as $$
declare
  waiting bigint[];
begin
  if tg_op = 'UPDATE' and old.is_verified then
    return null;
  end if;
  select array_agg(w.id order by w.id) into waiting
  from (
    select i.id from private.webhook_inbox as i
    where i.business_account_id = new.business_account_id and i.field <> 'messages'
    order by i.id desc
    limit 1000
  ) as w;
  if waiting is not null then
    perform private.apply_webhooks(waiting, new.id);
  end if;
  return null;
end
$$;
create trigger accounts_catch_up after insert or update of is_verified on whatsapp.accounts
  for each row when (new.is_verified) execute function private.catch_up_account();

-- Takes one delivery of Meta's webhook.
create function whatsapp.receive_webhook(payload jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  items private.webhook_inbox[];
  keys text[];
  stored bigint;
  applied bigint;
  outdated bigint := 0;
  touched text[];
  sent_by text[];
  sent_at timestamptz[];
  waiting bigint[];
begin
  if jsonb_typeof(payload) is distinct from 'object' or jsonb_typeof(payload -> 'entry') is distinct from 'array'
    or coalesce(payload ->> 'object', 'whatsapp_business_account') <> 'whatsapp_business_account' then
    perform private.refuse(
      400, 'RG560', 'This is no webhook of a WhatsApp business account', null,
      'Send what Meta sends: {"object": "whatsapp_business_account", "entry": [...]}.'
    );
  end if;
  -- Meta sends 3 MB at most, and 1000 changes. What it has sent once it repeats until it is taken: these are for what it never
  -- sends. As PostgreSQL writes it there are more spaces and noughts.
  if octet_length(payload::text) > 16777216 then
    perform private.refuse(413, 'RG561', 'The webhook is too large', 'At most 3 MB', 'Send less at once.');
  end if;
  select array_agg(i), array_agg(i.dedupe_key) into items, keys from private.whatsapp_items(payload) as i;
  if cardinality(items) > 5000 then
    perform private.refuse(413, 'RG562', 'The webhook has too many changes', 'At most 5000', 'Send fewer at once.');
  end if;

  -- In the order of the keys: of two deliveries that share some, one waits for the other, never both.
  with new_items as (
    insert into private.webhook_inbox as w (
      source, dedupe_key, happened_at, field, event, business_account_id, phone_number_id, people, payload, outcome, applied_at,
      attempts
    )
    select i.source, i.dedupe_key, i.happened_at, i.field, i.event, i.business_account_id, i.phone_number_id, i.people, i.payload,
      case
        when i.outcome is not null then i.outcome
        when i.field is distinct from 'messages' then null
        when a.id is not null then 'applied'
        when i.phone_number_id is not null then 'unknown account'
        else 'odd shape'
      end,
      case when a.id is not null then now() end,
      case when i.field = 'messages' then 1 else 0 end
    from unnest(items) as i
    left join whatsapp.accounts as a on a.is_verified and a.phone_number_id = i.phone_number_id and i.field = 'messages'
    order by i.dedupe_key
    on conflict on constraint webhook_inbox_source_dedupe_key do nothing
    returning w.id, w.dedupe_key, w.event, w.phone_number_id, w.happened_at, w.outcome
  )
  select
    count(*), count(*) filter (where n.outcome = 'applied'),
    array_agg(distinct n.phone_number_id) filter (where n.outcome = 'applied'),
    array_agg(n.phone_number_id order by n.id) filter (where n.outcome = 'applied' and n.event = 'sent'),
    array_agg(n.happened_at order by n.id) filter (where n.outcome = 'applied' and n.event = 'sent'),
    array_agg(n.id order by k.position) filter (where n.outcome is null)
  into stored, applied, touched, sent_by, sent_at, waiting
  from new_items as n
  inner join (
    select given.key, min(given.position) as position from unnest(keys) with ordinality as given (key, position) group by given.key
  ) as k on k.key = n.dedupe_key;

  if touched is not null then
    perform a.id from whatsapp.accounts as a
    where a.is_verified and a.phone_number_id = any (touched)
    order by a.id
    for no key update;
    -- Of the days on which messages were sent the last one counts, and an earlier one never brings back its own.
    update whatsapp.accounts as a set
      last_webhook_at = greatest(a.last_webhook_at, now()),
      messages_sent_today = case
        when day.sent_on > (a.last_message_sent_at at time zone 'UTC')::date
          or (day.sent_on is not null and a.last_message_sent_at is null) then day.messages
        when day.sent_on = (a.last_message_sent_at at time zone 'UTC')::date then a.messages_sent_today + day.messages
        else a.messages_sent_today
      end,
      last_message_sent_at = greatest(a.last_message_sent_at, day.last_at)
    from unnest(touched) as t (phone_number_id)
    left join (
      select distinct on (s.phone_number_id)
        s.phone_number_id, (s.at at time zone 'UTC')::date as sent_on, count(*) as messages, max(s.at) as last_at
      from unnest(sent_by, sent_at) as s (phone_number_id, at)
      group by 1, 2
      order by 1, 2 desc
    ) as day on day.phone_number_id = t.phone_number_id
    where a.is_verified and a.phone_number_id = t.phone_number_id;
  end if;

  if waiting is not null then
    perform private.apply_webhooks(waiting);
    select applied + count(*) filter (where i.outcome = 'applied'), count(*) filter (where i.outcome = 'outdated')
    into applied, outdated
    from private.webhook_inbox as i
    where i.id = any (waiting);
  end if;

  return jsonb_build_object(
    'stored', stored, 'repeated', coalesce(cardinality(items), 0) - stored, 'applied', applied, 'outdated', outdated,
    'unknown', stored - applied - outdated
  );
end
$$;
comment on function whatsapp.receive_webhook(jsonb) is
  'Takes one delivery of Meta''s webhook: keeps each change once, applies it, and tells how many. Definer: the edge, which has checked Meta''s signature, has no right on any table.';
revoke execute on function whatsapp.receive_webhook(jsonb) from public;
grant execute on function whatsapp.receive_webhook(jsonb) to edge;

-- Whether a verify token is that of an active account. Only staff can have set its hash.
create function whatsapp.verify_token_fits(token text) returns boolean
  language sql stable security definer
  set search_path = ''
  as $$
select coalesce(octet_length(token) between 1 and 1024, false) and exists (
  select from whatsapp.accounts as a
  where a.is_active and a.webhook_verify_token_hash = (select sha256(convert_to(token, 'UTF8')))
)
$$;
comment on function whatsapp.verify_token_fits(text) is
  'Whether Meta''s verify token is that of an active account. Definer: the edge has no right on the table, and is told nothing else.';
revoke execute on function whatsapp.verify_token_fits(text) from public;
grant execute on function whatsapp.verify_token_fits(text) to edge;

-- Deletes what came before a time, 100,000 rows at most, and gives how many: a job calls it again until there are none.
create function private.clean_webhook_inbox(before timestamptz) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  deleted bigint;
begin
  delete from private.webhook_inbox as i
  where i.id in (
    select old.id from private.webhook_inbox as old
    where old.received_at < clean_webhook_inbox.before
    order by old.received_at
    limit 100000
    for update skip locked
  );
  get diagnostics deleted = row_count;
  return deleted;
end
$$;

-- Ids of what the inbox has of somebody, by phone number in any writing or WhatsApp user id. Messages may name a person by either:
-- whoever has written under both is found by both, and by the id that Meta gave them instead of it. A number may have had another
-- owner: what names somebody by another id is not found by a number that only an id has led to.
create function private.webhook_inbox_of_phone(phone text) returns setof bigint
  language plpgsql stable
  set search_path = ''
  -- Every step is a look into one index, whatever the statistics say.
  set enable_seqscan = off
  set enable_indexscan = off
  set enable_indexonlyscan = off
  as $$
declare
  known constant text := case
    when phone ~ '^[A-Z]{2}[.][A-Za-z0-9.]{1,140}$' then phone
    when char_length(regexp_replace(phone, '[^0-9]', '', 'g')) between 5 and 20
      -- As people write a foreign number.
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
drop function private.webhook_inbox_of_phone(text);
drop function private.clean_webhook_inbox(timestamptz);
drop function whatsapp.verify_token_fits(text);
drop function whatsapp.receive_webhook(jsonb);
drop trigger accounts_catch_up on whatsapp.accounts;
drop function private.catch_up_account();
drop function private.apply_webhooks(bigint[], uuid);
drop function private.apply_account_change(private.webhook_inbox, uuid);
drop function private.apply_template_change(private.webhook_inbox, uuid);
drop function private.whatsapp_components(whatsapp.templates);
drop function private.whatsapp_buttons(jsonb);
drop function private.whatsapp_tier(jsonb);
drop function private.whatsapp_tier_limit(text);
drop function private.whatsapp_items(jsonb);
drop function private.whatsapp_change_items(jsonb, jsonb);
drop function private.whatsapp_draft(jsonb, jsonb, text, text, text, text, text[], jsonb);
drop function private.whatsapp_names_differ(text[], text[]);
drop function private.whatsapp_status_key(jsonb);
drop function private.whatsapp_parts(text, jsonb);
drop function private.whatsapp_person(text, jsonb, text[]);
drop function private.webhook_people(jsonb, text[]);
drop function private.webhook_names(jsonb, text);
drop function private.webhook_name(jsonb);
drop function private.webhook_id(jsonb);
drop function private.webhook_word(jsonb);
drop function private.webhook_text(jsonb, int);
drop function private.webhook_time(jsonb);
drop function private.whatsapp_is_news(uuid, uuid, text, timestamptz);
drop table private.whatsapp_clocks;
drop table private.webhook_inbox;
drop function private.webhook_mentions(jsonb, text[]);
