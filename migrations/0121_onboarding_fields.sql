-- 0121: onboarding fields. Reads and checks what a front end sends for a session, and keeps secrets and personal data out.
-- migrate:up
-- Ends the request for an invalid field; `place` says which activity of a list has it.
create function onboarding.refuse_field(message text, hint text, place text) returns void
  language plpgsql stable
  set search_path = ''
  as $$
begin
  perform private.refuse(422, 'RG534', message, place, hint);
end
$$;
revoke execute on function onboarding.refuse_field(text, text, text) from public;

-- Checks the form of an argument: an object of known fields, at most 64 KB.
create function onboarding.check_form(form jsonb, known text[], place text default null) returns void
  language plpgsql stable
  set search_path = ''
  as $$
declare
  strangers text;
begin
  if jsonb_typeof(form) is distinct from 'object' then
    perform private.refuse(
      400, 'RG532', 'An object of fields is wanted', place, format('Send {"%s": ...}.', known[1])
    );
  end if;
  if octet_length(form::text) > 65536 then
    perform private.refuse(413, 'RG533', 'This is too large', 'At most 64 KB', 'Send less at once.');
  end if;
  -- Refused, not ignored: a misspelt field would be lost, and nobody may send the step, status or percentage.
  select string_agg(left(key, 50), ', ' order by key) into strangers
  from (select key from jsonb_object_keys(form) as key where key <> all (known) order by key limit 5) as stray;
  if strangers is not null then
    perform onboarding.refuse_field(
      format('There is no field %s', strangers), format('Fields are %s.', array_to_string(known, ', ')), place
    );
  end if;
end
$$;
revoke execute on function onboarding.check_form(jsonb, text[], text) from public;

-- One field as text: null if it is absent or blank.
create function onboarding.text_field(form jsonb, field text, most int, place text default null) returns text
  language plpgsql stable
  set search_path = ''
  as $$
declare
  words constant text := nullif(btrim(form ->> field, E' \t\r\n'), '');
begin
  if jsonb_typeof(form -> field) not in ('string', 'null') then
    perform onboarding.refuse_field(format('%s must be text', field), format('Send %s as one text.', field), place);
  end if;
  if char_length(words) > most then
    perform onboarding.refuse_field(
      format('%s is too long', field), format('Send at most %s characters.', most), place
    );
  end if;
  return words;
end
$$;
revoke execute on function onboarding.text_field(jsonb, text, int, text) from public;

-- The steps in their order, with what comes after them. Not in SQL: that would be planned at every call.
create function onboarding.steps() returns text[]
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return array['business_info', 'whatsapp_integration', 'bot_setup', 'testing', 'complete'];
end
$$;
revoke execute on function onboarding.steps() from public;

-- The step that a form names, one of those allowed; null if it names none.
create function onboarding.step_field(form jsonb, allowed text[], place text default null) returns text
  language plpgsql stable
  set search_path = ''
  as $$
declare
  named constant text := onboarding.text_field(form, 'step', 100, place);
begin
  if named <> all (allowed) then
    perform onboarding.refuse_field(
      'There is no such step', format('Steps are %s.', array_to_string(allowed, ', ')), place
    );
  end if;
  return named;
end
$$;
revoke execute on function onboarding.step_field(jsonb, text[], text) from public;

-- A text without personal data and credentials: e-mail addresses, numbers of seven digits and more, tokens.
create function onboarding.redacted(words text) returns text
  language sql immutable strict
  set search_path = ''
  as $$
select regexp_replace(
  regexp_replace(
    regexp_replace(words, '\m(rgs_[0-9a-f]{8}|EAA[A-Za-z0-9]{20}|eyJ[A-Za-z0-9_-]{10})[A-Za-z0-9._-]*', '[redacted]', 'g'),
    '[^[:space:]@＠<>"'',;:()]+(@|＠|%40)[^[:space:]@＠<>"'',;:()]+', '[redacted]', 'g'
  ),
  '[+(]*\d(?:[ ().\-/]{0,3}\d){6,}', '[redacted]', 'g'
)
$$;
revoke execute on function onboarding.redacted(text) from public;

-- Whether a name is one of a secret: access_token, appSecret, API-KEY, two_step_pin; not max_tokens.
create function onboarding.names_secret(name text) returns boolean
  language sql immutable strict
  set search_path = ''
  as $$
select plain ~ '(^|_)(token|secret|pin|passcode|credentials?|authorization|bearer|cookie|api_?key|private_?key|secret_?key|signing_?key)$'
  or plain ~ '(access|auth|bearer|refresh|verify|verification|session|app|client|user|api)_?(token|secret)(_|$)'
  or plain ~ 'passw|passphrase|(^|_)pwd'
from (
  select btrim(lower((regexp_replace(
    regexp_replace(name, '([a-z0-9])([A-Z])', '\1_\2', 'g'), '[^A-Za-z0-9]+', '_', 'g'
  )) collate "C"), '_') as plain
) as normal
$$;
revoke execute on function onboarding.names_secret(text) from public;

-- A step's answers with a change applied: each key of the change replaces the old one, null removes it.
create function onboarding.merged_data(known jsonb, data jsonb, column_name text) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  merged jsonb;
  secret text;
begin
  if data is null or data = 'null' then
    return known;
  end if;
  if jsonb_typeof(data) <> 'object' then
    perform onboarding.refuse_field(format('%s must be an object', column_name), 'Send {"<field>": <value>}.', null);
  end if;
  -- Before any query walks through it.
  if jsonb_path_exists(data, 'strict $.**{9}') then
    perform onboarding.refuse_field(
      format('%s is nested too deeply', column_name), 'Send at most eight levels.', null
    );
  end if;

  -- A boolean or null value is not a secret, whatever its name.
  select left(field.key, 50) into secret
  from jsonb_path_query(data, 'strict $.** ? (@.type() == "object")') as part,
    jsonb_each(part) as field
  where jsonb_typeof(field.value) not in ('boolean', 'null')
    and column_name <> 'business_data' and onboarding.names_secret(field.key)
  limit 1;
  if secret is null and data::text ~ '\m(rgs_[0-9a-f]{64}|EAA[A-Za-z0-9]{50}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+\.)' then
    secret := 'something that looks like a token';
  end if;
  if secret is not null then
    perform private.refuse(
      422, 'RG535', format('%s takes no secrets', column_name), format('It has %s', secret),
      'Leave it out: tokens, secrets and passwords belong to the WhatsApp account, where they are sealed.'
    );
  end if;

  merged := (known || data) - array(select field.key from jsonb_each(data) as field where field.value = 'null');
  if (select count(*) from jsonb_object_keys(merged)) > 64 or octet_length(merged::text) > 32768 then
    perform private.refuse(
      413, 'RG533', format('%s would be too large', column_name), 'At most 64 fields and 32 KB together',
      'Send less, or take fields away by sending null for them.'
    );
  end if;
  return merged;
end
$$;
revoke execute on function onboarding.merged_data(jsonb, jsonb, text) from public;

-- migrate:down
drop function onboarding.merged_data(jsonb, jsonb, text);
drop function onboarding.names_secret(text);
drop function onboarding.redacted(text);
drop function onboarding.step_field(jsonb, text[], text);
drop function onboarding.steps();
drop function onboarding.text_field(jsonb, text, int, text);
drop function onboarding.check_form(jsonb, text[], text);
drop function onboarding.refuse_field(text, text, text);
