-- 0154: webhook values. Reads times, words, ids and names of people out of a webhook's JSON.
-- migrate:up
-- A time in seconds (or milliseconds) since 1970, as a number or a text; null if it is not one.
create function private.webhook_time(value jsonb) returns timestamptz
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return case
    when value #>> '{}' ~ '^[0-9]{9,10}$' then to_timestamp((value #>> '{}')::float8)
    when value #>> '{}' ~ '^[0-9]{12,13}$' then to_timestamp((value #>> '{}')::float8 / 1000)
  end;
end
$$;

-- A text, cut to a length; null if it is not a text or blank.
create function private.webhook_text(value jsonb, most int) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return case when jsonb_typeof(value) = 'string' then nullif(left(btrim(value #>> '{}'), most), '') end;
end
$$;

-- One of Meta's words, such as APPROVED; null if it is not one.
create function private.webhook_word(value jsonb) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return case when jsonb_typeof(value) = 'string' and value #>> '{}' ~ '^[A-Za-z0-9_]{1,64}$' then upper((value #>> '{}') collate "C") end;
end
$$;

-- One of Meta's ids: digits, as a text or a number.
create function private.webhook_id(value jsonb) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return case when jsonb_typeof(value) in ('string', 'number') and value #>> '{}' ~ '^[0-9]{1,32}$' then value #>> '{}' end;
end
$$;

-- A person's name in WhatsApp: a phone number, as digits, or a user id, such as DE.1502576394655843; null if it is neither.
create function private.webhook_name(value jsonb) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  text constant text := case when jsonb_typeof(value) in ('string', 'number') then left(value #>> '{}', 200) end;
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

-- The names that an object's own fields give a person, in any role: from, to_user_id, recipient_participant_id, wa_id,
-- parent_user_id and similar ones, as a value or as {"previous": ..., "current": ...}. It skips fields whose name matches `but`,
-- and nested objects, which may name somebody else.
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

-- The one person that a payload of an unknown form names, under all their names; empty if it may name several, that is, unless
-- one object has all the names.
create function private.webhook_people(payload jsonb, own_names text[]) returns text[]
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  one text[];
  every text[];
begin
  -- Searching the text first costs a third of a path query over every object.
  if payload::text !~ '"(?:from|to|input|customer|[a-z_]*(?:_id|phone_number))": [[{"0-9]' then
    return '{}';
  end if;
  for one in
    select array(select name from unnest(private.webhook_names(part.value)) as name where name <> all (own_names) order by name)
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

-- migrate:down
drop function private.webhook_people(jsonb, text[]);
drop function private.webhook_names(jsonb, text);
drop function private.webhook_name(jsonb);
drop function private.webhook_id(jsonb);
drop function private.webhook_word(jsonb);
drop function private.webhook_text(jsonb, int);
drop function private.webhook_time(jsonb);
