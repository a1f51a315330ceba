-- 0112: lead fields. Reads and checks the fields of a submitted form.
-- migrate:up
-- The text of a value that was sent: null if it is blank. Of several values the last text that is not blank counts: pages have one
-- input for phones and one for desktops.
create function marketing.text_of(sent jsonb) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
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
revoke execute on function marketing.text_of(jsonb) from public;

-- Ends the request for a field that is no text. The person can correct it.
create function marketing.refuse_no_text(field text) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  perform private.refuse(422, 'RG504', format('%s must be a text', field), null, format('Send %s as text.', field));
end
$$;
revoke execute on function marketing.refuse_no_text(text) from public;

-- A form whose fields have one value each, where it has a column for one: for a form in which some of them are lists or objects. An
-- object is refused in what a person fills in, and is a text in what the page fills in.
create function marketing.with_single_texts(lead jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  of_person constant text[] := array[
    'email', 'source', 'phone_number', 'company_name', 'first_name', 'last_name', 'notes', '_gotcha'
  ];
  of_page constant text[] := array[
    'utm_source', 'utm_medium', 'utm_campaign', 'utm_content', 'utm_term', 'referrer', 'landing_page', 'consent_version'
  ];
  single jsonb := lead;
  name text;
  sent jsonb;
begin
  for name, sent in
    select field.key, field.value from jsonb_each(lead) as field
    where field.key = any (of_person || of_page) and jsonb_typeof(field.value) in ('array', 'object')
  loop
    if name = any (of_person) and (jsonb_typeof(sent) = 'object' or exists (
      select from jsonb_array_elements(sent) as item (value) where jsonb_typeof(item.value) in ('object', 'array')
    )) then
      perform marketing.refuse_no_text(name);
    end if;
    single := single || jsonb_build_object(name, marketing.text_of(sent));
  end loop;
  return single;
end
$$;
revoke execute on function marketing.with_single_texts(jsonb) from public;

-- Whether the field `consent` says yes in one of the words that check boxes, radio buttons and scripts send. Of a field that was
-- sent several times the last value counts: a hidden `consent=0` stands before its check box. Any other value is no consent.
create function marketing.lead_consents(lead jsonb) returns boolean
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  sent constant jsonb := lead -> 'consent';
  answer text;
  -- The edge has the same list in consent.rs, to show the box ticked again; docs/forms.md lists it.
  yes constant text[] := array[
    'on', 'yes', 'y', 'true', 't', '1', 'checked', 'selected', 'agree', 'agreed', 'i agree', 'accept', 'accepted', 'i accept',
    'consent', 'i consent', 'ok', 'okay', 'opt-in', 'optin', 'granted', 'subscribe', 'ja', 'einverstanden', 'zugestimmt', 'ich stimme zu',
    'oui', 'j''accepte', 'accepté', 'd''accord', 'si', 'sí', 'sì', 'acepto', 'aceptado', 'accetto', 'sim', 'aceito', 'akkoord', 'tak'
  ];
begin
  -- Most forms do not ask.
  if sent is null then
    return false;
  end if;
  answer := case when jsonb_typeof(sent) = 'array' then sent -> -1 else sent end #>> '{}';
  return coalesce(lower(btrim(normalize(answer, NFC), E' \t\r\n.!') collate "C") = any (yes), false);
end
$$;
revoke execute on function marketing.lead_consents(jsonb) from public;

-- The fields of a form that have no column. Scalars become texts, so that every encoding of a form gives the same row.
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
  extra jsonb;
begin
  if others = '{}' then
    return others;
  end if;
  extra := (
    select coalesce(jsonb_object_agg(
      field.key,
      case when jsonb_typeof(field.value) in ('array', 'object') then field.value else to_jsonb(field.value #>> '{}') end
    ), '{}')
    from jsonb_each(others) as field
    where field.value <> 'null'
  );
  if (select count(*) from jsonb_object_keys(extra)) > 50 or octet_length(extra::text) > 16384 then
    perform private.refuse(
      422, 'RG506', 'There are too many other fields', 'At most 50 of them and 16 KB together',
      'Send fewer fields besides those of a lead.'
    );
  end if;
  return extra;
end
$$;
revoke execute on function marketing.lead_metadata(jsonb) from public;

-- The features that were ticked: texts of at most 200 characters, at most 50.
create function marketing.lead_features(sent jsonb) returns text[]
  language plpgsql stable
  set search_path = ''
  as $$
declare
  field constant text := 'interested_features';
  listed constant jsonb := case jsonb_typeof(sent) when 'array' then sent else jsonb_build_array(sent) end;
  features text[];
begin
  if jsonb_array_length(listed) > 50 then
    perform private.refuse(422, 'RG505', format('%s has too many', field), 'At most 50', format('Send fewer %s.', field));
  end if;
  -- A list in the list counts as its last text.
  if jsonb_path_exists(listed, 'strict $[*] ? (@.type() == "object")')
    or jsonb_path_exists(listed, 'strict $[*] ? (@.type() == "array")[*] ? (@.type() == "object" || @.type() == "array")')
  then
    perform marketing.refuse_no_text(field);
  end if;
  features := array(
    select marketing.text_of(item.value) as feature
    from jsonb_array_elements(listed) with ordinality as item (value, position)
    where nullif(btrim(item.value #>> '{}'), '') is not null
    order by item.position
  );
  if exists (select from unnest(features) as feature where char_length(feature) > 200) then
    perform private.refuse(
      422, 'RG505', format('%s is too long', field), 'At most 200 characters', format('Shorten %s.', field)
    );
  end if;
  return features;
end
$$;
revoke execute on function marketing.lead_features(jsonb) from public;

-- The fields of a form as they were sent, without the technical ones.
create function marketing.sent_fields(lead jsonb) returns jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return (lead - '{_next,_ts,_typed_email,cf-turnstile-response}'::text[])
    -- The edge has converted the domain to ASCII.
    || case when lead ? '_typed_email' then jsonb_build_object('email', lead -> '_typed_email') else '{}' end;
end
$$;
revoke execute on function marketing.sent_fields(jsonb) from public;

-- migrate:down
drop function marketing.sent_fields(jsonb);
drop function marketing.lead_features(jsonb);
drop function marketing.lead_metadata(jsonb);
drop function marketing.lead_consents(jsonb);
drop function marketing.with_single_texts(jsonb);
drop function marketing.refuse_no_text(text);
drop function marketing.text_of(jsonb);
