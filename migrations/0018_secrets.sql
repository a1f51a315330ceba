-- 0018: secrets. Random keys that never leave the database, keyed digests, and base64url for signed links.
-- migrate:up
create table private.secrets (
  name   text primary key,
  secret bytea not null,
  constraint secrets_length check (octet_length(secret) >= 32)
);
comment on table private.secrets is
  'Random keys that the database generates once. They sign links and hash addresses: without them all links end, and an address''s consent cannot be found again.';

alter table private.secrets enable row level security;
alter table private.secrets force row level security;

-- A keyed digest of a message. Hashed twice, which prevents length extension.
create function private.digest(secret text, message bytea) returns bytea
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return (
    select sha256(s.secret || sha256(s.secret || digest.message)) from private.secrets as s where s.name = digest.secret
  );
end
$$;
revoke execute on function private.digest(text, bytea) from public;

-- base64url without padding.
create function private.base64url(bytes bytea) returns text
  language sql immutable strict
  set search_path = ''
  as $$ select rtrim(translate(encode(bytes, 'base64'), E'+/\n', '-_'), '=') $$;
revoke execute on function private.base64url(bytea) from public;

-- The bytes that a base64url text encodes, or null if it does not encode exactly that many.
create function private.from_base64url(words text, bytes int) returns bytea
  language sql immutable strict
  set search_path = ''
  as $$
select case
    when words ~ '^[A-Za-z0-9_-]+$' and char_length(words) = (bytes * 8 + 5) / 6
      then decode(translate(words, '-_', '+/') || repeat('=', (3 - bytes % 3) % 3), 'base64')
  end
$$;
revoke execute on function private.from_base64url(text, int) from public;

-- migrate:down
drop function private.from_base64url(text, int);
drop function private.base64url(bytea);
drop function private.digest(text, bytea);
drop table private.secrets;
