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

-- migrate:down
drop function private.invisible();
