-- 0112: lead fields. Reads and checks the fields of a submitted form.
-- migrate:up
-- A field that is one text: null if it is absent or blank. Of a field that was sent several times, the last text that is not
-- blank counts: pages have one input for phones and one for desktops.
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
revoke execute on function marketing.lead_value(jsonb, text) from public;

-- A field that a person fills in: refused if it is not a text or too long, since the person can correct it.
create function marketing.lead_text(lead jsonb, field text, most int default 200) returns text
  language plpgsql stable
  set search_path = ''
  as $$
declare
  sent constant jsonb := lead -> field;
  not_text boolean;
  text_ text;
begin
  -- Most fields of most forms.
  if sent is null then
    return null;
  end if;
  not_text := jsonb_typeof(sent) = 'object';
  -- A statement of its own: an expression with a query in it is prepared anew at every call.
  if jsonb_typeof(sent) = 'array' then
    not_text := exists (
      select from jsonb_array_elements(sent) as item (value) where jsonb_typeof(item.value) in ('object', 'array')
    );
  end if;
  if not_text then
    perform private.refuse(422, 'RG504', format('%s must be a text', field), null, format('Send %s as text.', field));
  end if;
  text_ := marketing.lead_value(lead, field);
  if char_length(text_) > most then
    perform private.refuse(
      422, 'RG505', format('%s is too long', field), format('At most %s characters', most), format('Shorten %s.', field)
    );
  end if;
  return text_;
end
$$;
revoke execute on function marketing.lead_text(jsonb, text, int) from public;

-- A field that the page fills in, such as utm_term: cut to its limit, since the visitor never sees it and cannot correct it.
create function marketing.lead_page_text(lead jsonb, field text, most int default 200) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return case when lead ? field then left(marketing.lead_value(lead, field), most) end;
end
$$;
revoke execute on function marketing.lead_page_text(jsonb, text, int) from public;

-- Whether the field `consent` says yes in one of the words that check boxes, radio buttons and scripts send. Of a field that was
-- sent several times the last value counts: a hidden `consent=0` stands before its check box. Any other value is no consent.
create function marketing.lead_consents(lead jsonb) returns boolean
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  sent constant jsonb := lead -> 'consent';
  answer constant text := case when jsonb_typeof(sent) = 'array' then sent -> -1 else sent end #>> '{}';
  -- The edge has the same list in consent.rs, to show the box ticked again; docs/forms.md lists it.
  yes constant text[] := array[
    'on', 'yes', 'y', 'true', 't', '1', 'checked', 'selected', 'agree', 'agreed', 'i agree', 'accept', 'accepted', 'i accept',
    'consent', 'i consent', 'ok', 'okay', 'opt-in', 'optin', 'granted', 'subscribe', 'ja', 'einverstanden', 'zugestimmt', 'ich stimme zu',
    'oui', 'j''accepte', 'accepté', 'd''accord', 'si', 'sí', 'sì', 'acepto', 'aceptado', 'accetto', 'sim', 'aceito', 'akkoord', 'tak'
  ];
begin
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
create function marketing.lead_features(lead jsonb) returns text[]
  language plpgsql stable
  set search_path = ''
  as $$
declare
  field constant text := 'interested_features';
  listed jsonb;
begin
  if not lead ? field then
    return '{}';
  end if;
  listed := case jsonb_typeof(lead -> field)
    when 'array' then lead -> field
    else jsonb_build_array(marketing.lead_text(lead, field))
  end;
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
drop function marketing.lead_page_text(jsonb, text, int);
drop function marketing.lead_text(jsonb, text, int);
drop function marketing.lead_value(jsonb, text);
