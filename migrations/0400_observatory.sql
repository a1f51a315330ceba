-- 0400: observatory. Its schema, the lock under which one user's uploads and deletions happen one after the other, and the redaction of
-- rows that do not come through the edge.
-- migrate:up
do $$
begin
  -- Another system may have made it.
  if to_regnamespace('extensions') is null then
    execute 'create schema extensions';
  end if;
end
$$;
create extension if not exists pg_trgm with schema extensions;

create schema observatory;
comment on schema observatory is 'observatory: sessions of coding agents, searchable, counted and shared.';
-- anon has no right here. The role edge calls the functions whose answers depend on what the edge has verified.
grant usage on schema observatory to authenticated, service_role, edge;

-- What a user writes in a day by the data API, in all tables together.
insert into private.daily_allowances (name, bytes, rows) values ('observatory', 1073741824, 500000);

insert into private.system_schemas (schema, system) values
('observatory', 'observatory');

-- How alike two texts are, from 0 to 1. The extension may be in another schema.
do $$
begin
  execute format(
    'create function private.similarity(one text, other text) returns real language sql immutable set search_path = ''''
     return %I.similarity(one, other)',
    (
      select n.nspname
      from pg_catalog.pg_extension as e
      inner join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
      where e.extname = 'pg_trgm'
    )
  );
end
$$;
revoke execute on function private.similarity(text, text) from public;

-- Locks a user's data until the end of the transaction: only one transaction at a time stores, counts or deletes for a user. All functions
-- take locks in this order: the user's; conversations, by id; messages and tool calls; usage records, by key; rollups, by key; the project;
-- files; the head of the audit chain.
create function private.lock_observatory_owner(owner_id uuid) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  usual_timeout constant text := current_setting('lock_timeout');
begin
  -- A short timeout: a waiting request holds a connection that others could use.
  perform set_config('lock_timeout', '1s', true);
  perform pg_advisory_xact_lock(hashtextextended(lock_observatory_owner.owner_id::text, 420));
  perform set_config('lock_timeout', usual_timeout, true);
exception
  when lock_not_available then
    perform private.refuse(
      429, 'RG674', 'Your other uploads are still under way', null, 'Send fewer at once; try again after the time in Retry-After.', 1
    );
end
$$;
revoke execute on function private.lock_observatory_owner(uuid) from public;

-- JSON without the secrets in its texts and field names. It is first redacted as one text, because the name of a field may say that the field's
-- value is a secret.
create function private.redact_secrets_in(content jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  clean constant text := private.redact_secrets(content::text);
begin
  if content is null or clean = content::text then
    return content;
  end if;
  begin
    return clean::jsonb;
  exception
    when data_exception then
      -- The redacted text is no JSON any more: redact each text on its own.
      null;
  end;
  return case jsonb_typeof(content)
    when 'object' then (
      select jsonb_object_agg(private.redact_secrets(f.key), private.redact_secrets_in(f.value)) from jsonb_each(content) as f
    )
    when 'array' then (
      select jsonb_agg(private.redact_secrets_in(e.value) order by e.ordinality)
      from jsonb_array_elements(content) with ordinality as e
    )
    else to_jsonb(private.redact_secrets(content #>> '{}'))
  end;
end
$$;
revoke execute on function private.redact_secrets_in(jsonb) from public;

-- A path without secrets. Claude Code names a folder after a session's directory, and writes a hyphen for all that is no letter or digit: a
-- folder's name is cut where a secret begins in that spelling.
create function private.redact_path(path text) returns text
  language plpgsql stable strict
  set search_path = ''
  as $$
declare
  clean text := private.redact_secrets(path);
  shape record;
  -- How much of the path has been looked at.
  seen int;
  place int;
  folder text;
begin
  if char_length(clean) > 4096 then
    -- No system has longer paths. The end is kept, from the first folder that is whole.
    clean := regexp_replace(right(clean, 4096), '^[^/\\]*', '');
  end if;
  for shape in
    select p.provider, p.prefix, p.pattern, regexp_replace(p.prefix, '[^A-Za-z0-9]', '-', 'g') as spelled
    from private.secret_patterns as p
    where not p.is_named
    order by p.place
  loop
    seen := 0;
    loop
      place := strpos(substr(clean, seen + 1), '-' || shape.spelled);
      exit when place = 0;
      seen := seen + place;
      folder := substring(substr(clean, seen + 1) from '^[^/\\]*');
      if exists (
        select from unnest(array['-', '+']) as s (sign)
        -- No file system has longer names, so no more is compared. Where a plus stood, a key has a long run, which names of folders seldom have.
        where shape.prefix || translate(substr(folder, char_length(shape.prefix) + 1, 255), '-', s.sign) ~ replace(shape.pattern, '}[.]', '}[.-]')
          and (s.sign = '-' or folder ~ '[A-Za-z0-9]{16}')
      ) then
        clean := left(clean, seen) || '[redacted:' || shape.provider || ']' || substr(clean, seen + 1 + char_length(folder));
      end if;
    end loop;
  end loop;
  return clean;
end
$$;
revoke execute on function private.redact_path(text) from public;

-- Trigger: takes secrets out of the columns that its arguments name, in rows that the data API writes. The edge has redacted what it sends.
create function private.redact_direct_write() returns trigger
  language plpgsql
  -- Definer: request roles may call nothing in the schema private.
  security definer
  set search_path = ''
  as $$
declare
  after constant jsonb := to_jsonb(new);
  before constant jsonb := case when tg_op = 'UPDATE' then to_jsonb(old) else '{}' end;
  written jsonb;
begin
  select jsonb_object_agg(name, case jsonb_typeof(after -> name)
    when 'string' then to_jsonb(private.redact_secrets(after ->> name)) else private.redact_secrets_in(after -> name)
  end) into written
  from unnest(tg_argv) as name
  where after -> name is distinct from before -> name and after -> name <> 'null';
  if written is not null then
    new := jsonb_populate_record(new, written);
  end if;
  return new;
end
$$;
revoke execute on function private.redact_direct_write() from public;

-- migrate:down
delete from private.daily_allowances where name = 'observatory';
delete from private.system_schemas where system = 'observatory';
drop function private.redact_direct_write();
drop function private.redact_path(text);
drop function private.redact_secrets_in(jsonb);
drop function private.lock_observatory_owner(uuid);
drop function private.similarity(text, text);
-- The extension and its schema stay: other objects of this database may use them.
drop schema observatory;
