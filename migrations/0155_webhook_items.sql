-- 0155: webhook items. Splits a delivery of Meta's into rows of the inbox, each about one person.
-- migrate:up
-- The person of one item of a list, sender or recipient, under all their names. A message may also quote another one, contain a
-- card or mention somebody; those are not its person.
create function private.whatsapp_person(kind text, item jsonb, own_names text[]) returns text[]
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  names text[];
begin
  case kind
    when 'messages' then
      names := private.webhook_names(item, '^(to|recipient)')
        -- A system message says under which name its sender continues.
        || case when item ->> 'type' = 'system' then private.webhook_names(item -> 'system') else '{}' end;
    when 'message_echoes' then
      names := private.webhook_names(item, '^(from|sender)');
    when 'statuses' then
      -- In a group the recipient's id is the group's.
      names := private.webhook_names(item, case when item ->> 'recipient_type' = 'group' then '^from|^recipient_id$' else '^from' end);
    when 'calls' then
      names := private.webhook_names(item, case item ->> 'direction' when 'BUSINESS_INITIATED' then '^from' when 'USER_INITIATED' then '^to' end);
    when 'state_sync' then
      names := private.webhook_names(item) || private.webhook_names(item -> 'contact');
    when 'history' then
      -- The id of a chat's thread is the person's number.
      names := private.webhook_names((item #> '{threads,0,context}'))
        || array_remove(array[private.webhook_name(item #> '{threads,0,id}')], null);
      if names = '{}' then
        names := private.webhook_people(item, own_names);
      end if;
    when 'groups' then
      names := private.webhook_names(item);
      if names = '{}' then
        names := private.webhook_people(item, own_names);
      end if;
    when 'contacts', 'user_preferences', 'user_id_update' then
      names := private.webhook_names(item);
    else
      names := private.webhook_people(item, own_names);
  end case;
  names := array(select distinct name from unnest(names) as name where name <> all (own_names) order by name);
  -- A message that the business itself has sent.
  if names = '{}' and kind = 'messages' then
    names := array(
      select distinct name from unnest(private.webhook_names(item, '^(from|sender)')) as name
      where name <> all (own_names) order by name
    );
  end if;
  return names;
end
$$;

-- An item of a list, one row for each person in it: the threads of a history, the participants of a group.
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
      -- If the common fields are large, only the first part gets them.
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

-- What distinguishes a status from others of the same message: its word, and in a group the participant.
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

-- Whether two lists of names cannot belong to one person: both have a name of the same kind (a number, an id, a linked business's
-- id).
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

-- A row of the inbox for an item of a change, or for the whole change, ready to be stored.
create function private.whatsapp_draft(
  entry jsonb, item jsonb, kind text, field text, business text, number_id text, people text[], payload jsonb
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
    else coalesce(item ->> 'event', payload #>> '{value,event}', payload #>> '{value,decision}')
  end, 100);
  draft.business_account_id := business;
  draft.phone_number_id := number_id;
  draft.people := people;
  draft.payload := payload;
  draft.attempts := 0;
  return draft;
end
$$;

-- One change of a delivery, as rows for the inbox. Every message, status, echo, call, preference, thread and participant is a row
-- of its own, with its own person's contact only: an export for a person contains nothing of anybody else, and each item is
-- recognised when it is repeated together with other ones. The remaining fields of the change are stored with the first row.
create function private.whatsapp_change_items(entry jsonb, change jsonb) returns setof private.webhook_inbox
  language plpgsql stable
  set search_path = ''
  -- The planner overestimates the size of arrays, so it would compile the query, and it would plan it anew for each change.
  set jit = off
  set plan_cache_mode = force_generic_plan
  as $$
#variable_conflict use_variable
declare
  field constant text := coalesce(change ->> 'field', change #>> '{value,field}', entry ->> 'field');
  value constant jsonb := change -> 'value';
  -- Deliveries to a partner have the partner's id in the entry.
  business constant text := private.webhook_id(coalesce(value #> '{waba_info,waba_id}', entry -> 'id'));
  number_id constant text := private.webhook_id(value #> '{metadata,phone_number_id}');
  -- These fields are about a business, its numbers and templates, never about a person.
  of_business constant boolean := coalesce(
    field ~ '^(account|business|message_template|phone_number|template)_|^(flows|partner_solutions|payment_configuration_update|security)$',
    false
  );
  -- The business's own numbers do not name a person.
  own_names constant text[] := array_remove(private.webhook_name(value #> '{metadata,display_phone_number}') || array(
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
        -- A list of people in a field that is not known yet.
        else (
          select count(*) from (
            select from jsonb_array_elements(list.value) as one where private.webhook_people(one.value, own_names) <> '{}' limit 2
          ) as people
        ) = 2
      end
      order by array_position(array['messages', 'statuses'], list.key), list.key
    );
  end if;

  if coalesce(kinds, '{}') = '{}' then
    return next private.whatsapp_draft(
      entry, change, null, field, business, number_id,
      case when of_business then '{}' else private.webhook_people(change, own_names) end, change
    );
    return;
  end if;

  rest := value - kinds - 'contacts';
  contacts := case when jsonb_typeof(value -> 'contacts') = 'array' then value -> 'contacts' else '[]' end;
  speaks_of_others := rest::text ~ '"(?:from|to|input|customer|[a-z_]*(?:wa_id|user_id|recipient_id|participant_id))": ';

  -- The usual delivery: one message and its contact.
  if cardinality(kinds) = 1 and jsonb_array_length(value -> kinds[1]) = 1 and jsonb_array_length(contacts) <= 1
    and not speaks_of_others and kinds[1] <> all (array['groups', 'history']) then
    item := value -> kinds[1] -> 0;
    names := private.whatsapp_person(kinds[1], item, own_names);
    contact_names := private.whatsapp_person('contacts', contacts -> 0, own_names);
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
      list.kind, part.value as item, private.whatsapp_person(list.kind, part.value, own_names) as names
    from unnest(kinds) with ordinality as list (kind, ordinality),
      jsonb_array_elements(value -> list.kind) with ordinality as one,
      private.whatsapp_parts(list.kind, one.value) with ordinality as part (value, ordinality)
    limit 5001
  ),

  contacts as materialized (
    select one.ordinality as number, one.value as contact, private.whatsapp_person('contacts', one.value, own_names) as names
    from jsonb_array_elements(contacts) with ordinality as one
    limit 5001
  ),

  -- The item that a contact belongs to: the one that has a name in common with it. If there is one of each, also when one has
  -- only a number and the other only an id.
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

  -- Each contact is stored once, with the first of its items.
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

  -- The remaining fields of the change are stored with the first item, unless they name somebody else.
  beside as (
    select private.webhook_people(rest - 'metadata', own_names) as names where speaks_of_others
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
      end as payload
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
  from drafts as d, private.whatsapp_draft(entry, d.item, d.kind, field, business, number_id, d.people, d.payload) as draft
  order by d.number;
end
$$;

-- A delivery as rows for the inbox, cut off above the maximum.
create function private.whatsapp_items(payload jsonb) returns setof private.webhook_inbox
  language plpgsql stable
  set search_path = ''
  as $$
declare
  entry jsonb;
  -- The entry without its changes, which would otherwise be copied for each of them.
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
        -- An entry of another form is stored as if it were a change.
        case when jsonb_typeof(entry -> 'changes') = 'array' then entry -> 'changes' else jsonb_build_array(entry) end
      ) as c
    loop
      begin
        for item in select i.* from private.whatsapp_change_items(head, change) as i loop
          return next item;
          count := count + 1;
        end loop;
      exception
        -- A change that cannot be read is stored whole, and does not affect the others.
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

-- migrate:down
drop function private.whatsapp_items(jsonb);
drop function private.whatsapp_change_items(jsonb, jsonb);
drop function private.whatsapp_draft(jsonb, jsonb, text, text, text, text, text[], jsonb);
drop function private.whatsapp_names_differ(text[], text[]);
drop function private.whatsapp_status_key(jsonb);
drop function private.whatsapp_parts(text, jsonb);
drop function private.whatsapp_person(text, jsonb, text[]);
