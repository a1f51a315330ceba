-- 0016: identity. Names and addresses are compared in one spelling that does not depend on the database's locale: ASCII letter case only
-- (collate "C"), NFC, without invisible characters. A Turkish locale folds I to ı; others fold İ to i, which would turn one address into
-- another person's. Here, too: which address the caller has verified, and that rows stay their user's.
-- migrate:up
-- A character class for regular expressions: invisible characters, which are Unicode's Default_Ignorable_Code_Point and category
-- Cf, the Braille blank and the musical null notehead. Indexes repeat it, since request roles cannot execute this function;
-- src/text.rs has it in Rust.
create function private.invisible() returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return '[\u00AD\u034F\u0600-\u0605\u061C\u06DD\u070F\u0890\u0891\u08E2\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u202A-\u202E'
    '\u2060-\u206F\u2800\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB\U000110BD\U000110CD\U00013430-\U0001343F\U0001BCA0-\U0001BCA3'
    '\U0001D159\U0001D173-\U0001D17A\U000E0000-\U000E0FFF]';
end
$$;
revoke execute on function private.invisible() from public;

-- The form of an e-mail address that is equal for two addresses of one person: NFC, ASCII letters in lower case, without what the
-- big providers ignore (a +tag; dots at Gmail). The domain is in ASCII: the edge converts it, and is_email refuses others.
create function private.normalize_email(email text) returns text
  language plpgsql immutable strict
  set search_path = ''
  as $$
declare
  -- An address in ASCII is in NFC already.
  trimmed constant text := btrim(case when octet_length(email) = char_length(email) then email else normalize(email, NFC) end, E' \t\r\n');
  plain constant text := lower(trimmed collate "C");
  domain constant text := split_part(plain, '@', -1);
  local constant text := left(plain, char_length(plain) - char_length(domain) - 1);
begin
  return case
    when strpos(plain, '@') = 0 then null
    when domain in ('gmail.com', 'googlemail.com') then replace(split_part(local, '+', 1), '.', '') || '@gmail.com'
    when domain in (
      'outlook.com', 'hotmail.com', 'live.com', 'icloud.com', 'me.com', 'fastmail.com', 'proton.me', 'protonmail.com'
    ) then split_part(local, '+', 1) || '@' || domain
    else local || '@' || domain
  end;
end
$$;
revoke execute on function private.normalize_email(text) from public;
-- Indexes of systems have it as an expression, which runs with the rights of the writer of the row.
grant execute on function private.normalize_email(text) to authenticated, service_role;

-- Whether a text is an e-mail address as people have them: a dot-atom local part, and a domain in ASCII of at least two labels
-- that is not a number. The local part may have letters of every script, but no blanks, quotes or invisible characters, and none
-- of the three characters that NFC turns into ASCII: an address with one of them would become another person's.
create function private.is_email(email text) returns boolean
  language plpgsql immutable strict
  set search_path = ''
  as $$
declare
  local constant text := split_part(email, '@', 1);
  domain constant text := split_part(email, '@', 2);
  last constant text := split_part(domain, '.', -1);
  -- Blanks, separators, private-use characters, noncharacters, and unassigned planes.
  none constant text := '[\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000\uE000-\uF8FF\uFDD0-\uFDEF\uFFFC-\uFFFF'
    '\U0001FFFE\U0001FFFF\U0002FFFE\U0002FFFF\U0003FFFE-\U000DFFFF\U000E1000-\U0010FFFF]';
  becomes_ascii constant text := '[\u037E\u1FEF\u212A]';
begin
  -- Small patterns: one for everything, with lengths of labels in it, takes PostgreSQL five times as long.
  return char_length(email) <= 254
    and char_length(local) <= 64
    and email = local || '@' || domain
    and local ~ '^[A-Za-z0-9!#$%&''*+/=?^_`{|}~\u00A1-\U0010FFFF.-]+$'
    and strpos('.' || local || '.', '..') = 0
    and domain ~ '^[A-Za-z0-9]+([.-]+[A-Za-z0-9]+)*$'
    and strpos(domain, '..') = 0 and strpos(domain, '.-') = 0 and strpos(domain, '-.') = 0
    and (char_length(domain) <= 63 or domain !~ '[^.]{64}')
    -- Two labels at least, and the last one no number.
    and last <> domain and char_length(last) >= 2 and ltrim(last, '0123456789') <> ''
    and (octet_length(email) = char_length(email) or (email !~ private.invisible() and email !~ none and email !~ becomes_ascii));
end
$$;
revoke execute on function private.is_email(text) from public;

-- An e-mail address of an issuer or an account: a text of the right form, or null.
create function private.email_of(address jsonb) returns text
  language sql immutable
  set search_path = ''
  as $$
select text
from (select case when jsonb_typeof(address) = 'string' then btrim(address #>> '{}') end as text) as given
where char_length(text) <= 254 and text ~ '^[^[:space:][:cntrl:]@]+@[^[:space:][:cntrl:]@]+$'
$$;
revoke execute on function private.email_of(jsonb) from public;

-- The caller's address, in the form that is equal for all its spellings, if it has been verified: the one that the account has
-- confirmed or, where another system has the accounts, the issuer's word. Null otherwise: it may be anybody's.
create function private.caller_email() returns text
  language plpgsql stable
  set search_path = ''
  as $$
declare
  claims constant jsonb := nullif(current_setting('request.jwt.claims', true), '')::jsonb;
  address text;
  is_known boolean;
begin
  if to_regclass('auth.users') is not null then
    execute 'select true, case when to_jsonb(u) ->> ''email_confirmed_at'' is not null then u.email::text end from auth.users as u where u.id = $1'
      into is_known, address using private.user_id();
  end if;
  if is_known is not true and claims -> 'email_verified' = 'true' then
    address := private.email_of(claims -> 'email');
  end if;
  return private.normalize_email(address);
end
$$;
revoke execute on function private.caller_email() from public;

-- Trigger: users do not change who owns a row.
create function private.refuse_another_user() returns trigger
  language plpgsql
  set search_path = ''
  as $$
begin
  raise insufficient_privilege using message = format('the user of a row of %I.%I does not change', tg_table_schema, tg_table_name);
end
$$;
revoke execute on function private.refuse_another_user() from public;

-- migrate:down
drop function private.refuse_another_user();
drop function private.caller_email();
drop function private.email_of(jsonb);
drop function private.is_email(text);
drop function private.normalize_email(text);
drop function private.invisible();
