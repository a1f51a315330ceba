-- 0016: identity. Names and addresses are compared in one spelling that does not depend on the database's locale: ASCII letter case only
-- (collate "C"), NFC, without invisible characters. A Turkish locale folds I to ı; others fold İ to i, which would turn one address into
-- another person's.
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
  plain constant text := lower(normalize(btrim(email, E' \t\r\n'), NFC) collate "C");
  local constant text := regexp_replace(plain, '@[^@]*$', '');
  domain constant text := substring(plain from '@([^@]*)$');
begin
  return case
    when domain in ('gmail.com', 'googlemail.com') then replace(split_part(local, '+', 1), '.', '') || '@gmail.com'
    when domain in (
      'outlook.com', 'hotmail.com', 'live.com', 'icloud.com', 'me.com', 'fastmail.com', 'proton.me', 'protonmail.com'
    ) then split_part(local, '+', 1) || '@' || domain
    else local || '@' || domain
  end;
end
$$;
revoke execute on function private.normalize_email(text) from public;

-- Whether a text is an e-mail address as people have them: a dot-atom local part, and a domain in ASCII of at least two labels
-- that is not a number. The local part may have letters of every script, but no blanks, quotes or invisible characters, and none
-- of the three characters that NFC turns into ASCII: an address with one of them would become another person's.
create function private.is_email(email text) returns boolean
  language plpgsql immutable strict
  set search_path = ''
  as $$
declare
  atom constant text := '[A-Za-z0-9!#$%&''*+/=?^_`{|}~\u00A1-\U0010FFFF-]+';
  label constant text := '[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?';
  -- Blanks, separators, private-use characters, noncharacters, and unassigned planes.
  none constant text := '[\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000\uE000-\uF8FF\uFDD0-\uFDEF\uFFFC-\uFFFF'
    '\U0001FFFE\U0001FFFF\U0002FFFE\U0002FFFF\U0003FFFE-\U000DFFFF\U000E1000-\U0010FFFF]';
  becomes_ascii constant text := '[\u037E\u1FEF\u212A]';
begin
  return char_length(email) <= 254
    and char_length(split_part(email, '@', 1)) <= 64
    and email ~ format('^%1$s(\.%1$s)*@(%2$s\.)+(?![0-9]+$)(?=..)%2$s$', atom, label)
    and (email !~ '[^\u0001-\u007F]' or (email !~ private.invisible() and email !~ none and email !~ becomes_ascii));
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

-- migrate:down
drop function private.email_of(jsonb);
drop function private.is_email(text);
drop function private.normalize_email(text);
drop function private.invisible();
