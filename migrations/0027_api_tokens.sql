-- 0027: API tokens. Long-lived tokens for programs, each with a scope: the systems and endpoints that it opens, and whether it may write. The
-- edge exchanges a token for one of its own that lives a minute and names the scope; every request checks that name here.
-- migrate:up
create table private.system_schemas (
  schema text constraint system_schemas_pkey primary key,
  system text not null,
  constraint system_schemas_system check (system ~ '^[a-z][a-z0-9_]{0,59}$')
);
comment on table private.system_schemas is
  'Which system each schema of the data API belongs to. Only the owner of this table writes it; the first migration of a system inserts its schemas. API tokens reach no other schema.';

alter table private.system_schemas enable row level security;
alter table private.system_schemas force row level security;

create table private.api_tokens (
  id           uuid constraint api_tokens_pkey primary key default gen_random_uuid(),
  user_id      uuid,
  name         text not null,
  token_hash   bytea not null,
  prefix       text not null,
  scopes       jsonb not null,
  created_at   timestamptz not null default now(),
  last_used_at timestamptz,
  expires_at   timestamptz not null,
  revoked_at   timestamptz,
  constraint api_tokens_token_hash unique (token_hash),
  constraint api_tokens_hash_length check (octet_length(token_hash) = 32),
  constraint api_tokens_name check (char_length(name) between 1 and 120),
  constraint api_tokens_prefix check (prefix ~ '^rgt_[0-9A-Za-z]{6}$'),
  constraint api_tokens_scopes check (
    scopes ?& array['systems', 'endpoints', 'access'] and scopes ->> 'access' in ('read', 'write')
    and jsonb_typeof(scopes -> 'systems') = 'array' and jsonb_typeof(scopes -> 'endpoints') = 'array'
    and octet_length(scopes::text) <= 4096
  ),
  constraint api_tokens_worker check (user_id is not null or scopes -> 'systems' = '[]')
);
comment on table private.api_tokens is 'API tokens by their SHA-256. The text of a token never reaches the database: the edge makes it, and shows it once.';
comment on column private.api_tokens.user_id is 'The user as whom the token acts. Null: a worker without a user, for the endpoints of the scope only.';
comment on column private.api_tokens.prefix is 'The first characters of the token, by which its owner recognises it.';
comment on column private.api_tokens.scopes is
  '{"systems": [...], "endpoints": [...], "access": "read" or "write"}: systems whose data API and endpoints the token opens, and further endpoints, each as its method and path.';
comment on column private.api_tokens.last_used_at is 'Accurate to a minute: written at most once in that time.';

create index api_tokens_user_id on private.api_tokens (user_id, created_at desc);
create index api_tokens_expires_at on private.api_tokens (expires_at);

alter table private.api_tokens enable row level security;
alter table private.api_tokens force row level security;

-- Trigger: tokens that are made and revoked are security events.
create function private.watch_api_tokens() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  if tg_op = 'INSERT' then
    perform private.note_security_event('api_token_made', new.user_id, jsonb_build_object('id', new.id, 'scopes', new.scopes));
  elsif new.revoked_at is not null and old.revoked_at is null then
    perform private.note_security_event('api_token_revoked', new.user_id, jsonb_build_object('id', new.id));
  end if;
  return null;
end
$$;
revoke execute on function private.watch_api_tokens() from public;

create trigger api_tokens_erased before insert on private.api_tokens
  for each statement execute function private.refuse_erased_caller();
create trigger api_tokens_audit after insert or delete or update of name, scopes, expires_at, revoked_at on private.api_tokens
  for each row execute function private.audit();
create trigger api_tokens_watch after insert or update of revoked_at on private.api_tokens
  for each row execute function private.watch_api_tokens();

select private.index_mentions('private.api_tokens', array['name']);

-- The scope of the API token that the caller has used: {id, systems, endpoints, access} and, in the call of an endpoint,
-- {call: {endpoint, system, schema, function}}; null for all other callers. In requests of
-- the data API the token's owner is private.user_id(); it is null in a call for a worker without a user.
create function private.api_token() returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return nullif(current_setting('request.jwt.claims', true), '')::jsonb -> 'api_token';
end
$$;
revoke execute on function private.api_token() from public;

-- Whether these claims of an API token, if there are some, open a system: to 'read' or to 'write'. It reads the claim only: request.begin() has
-- compared that with the token's row.
create function private.token_allows(system text, access text) returns boolean
  language plpgsql stable
  set search_path = ''
  as $$
declare
  token constant jsonb := current_setting('request.jwt.claims', true)::jsonb -> 'api_token';
begin
  return token is null or (
    ((jsonb_typeof(token -> 'systems') = 'array' and token -> 'systems' ? token_allows.system) or token #>> '{call,system}' = token_allows.system)
    and (token_allows.access = 'read' or token ->> 'access' = 'write')
  ) is true;
end
$$;
revoke execute on function private.token_allows(text, text) from public;
grant execute on function private.token_allows(text, text) to authenticated;

-- Whether the caller may use a system: to 'read' or to 'write'. Policies call it as `(select private.scope_allows('<system>', 'read'))`, once a
-- statement and with the rights of the caller.
-- One expression, as private.is_admin(), of few parts: preparing them takes longer than running them. Most callers have used no API token: their
-- claims, in whose text that name does not stand, are not parsed.
create function private.scope_allows(system text, access text) returns boolean
  language sql stable
  return (current_setting('request.jwt.claims', true) like '%api\_token%') is not true
  or private.token_allows(scope_allows.system, scope_allows.access);
revoke execute on function private.scope_allows(text, text) from public;
grant execute on function private.scope_allows(text, text) to authenticated;

-- The user, or null outside of the scope of their API token. Policies may compare it with the user of a row, and functions that policies ask
-- begin with it: one expression takes less time than two.
create function private.user_in_scope(system text, access text) returns uuid
  language sql stable
  return case when private.scope_allows(user_in_scope.system, user_in_scope.access) then auth.uid() end;
revoke execute on function private.user_in_scope(text, text) from public;
grant execute on function private.user_in_scope(text, text) to authenticated;

-- Holds API tokens to their scope in a table: adds a restrictive policy for each of these verbs that users have. Call it after the grants. A
-- verb may be left out if its other policies let no row pass outside of the scope: a condition that is the same for all rows is still checked
-- for each row.
-- The planner does not know what the condition says. It expects that a value is not null, but that a boolean is true for half of the rows:
-- it would plan a page of half of the rows that there are.
create function private.scope_table(relation regclass, verbs text[] default array['select', 'insert', 'update', 'delete']) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  system text;
  verb text;
  allows text;
begin
  select s.system into system
  from private.system_schemas as s
  inner join pg_catalog.pg_namespace as n on n.nspname = s.schema
  inner join pg_catalog.pg_class as c on c.relnamespace = n.oid
  where c.oid = scope_table.relation;
  if not found then
    raise no_data_found using
      message = format('the schema of %s belongs to no system', scope_table.relation),
      hint = 'Insert it into private.system_schemas.';
  end if;
  foreach verb in array verbs loop
    continue when not case verb
      when 'delete' then has_table_privilege('authenticated', scope_table.relation, verb)
      else has_any_column_privilege('authenticated', scope_table.relation, verb)
    end;
    allows := format(
      '((select nullif(private.scope_allows(%L, %L), false)) is not null)', system, case verb when 'select' then 'read' else 'write' end
    );
    execute format(
      'create policy scope_%1$s on %2$s as restrictive for %1$s to authenticated %3$s',
      verb, scope_table.relation,
      case verb
        when 'insert' then 'with check ' || allows
        when 'update' then 'using ' || allows || ' with check ' || allows
        else 'using ' || allows
      end
    );
  end loop;
end
$$;
revoke execute on function private.scope_table(regclass, text[]) from public;

-- Ends the request unless the API token of these claims is live, belongs to the claims' user and has exactly the claims' scope, and
-- unless the scope opens what is requested: a schema of one of its systems or, in a call of an endpoint, that endpoint's function and
-- no other. Returns the access. request.begin() calls it; `schema` is the one that PostgREST has chosen.
create function private.check_api_token(claims jsonb, schema text) returns text
  language plpgsql stable
  set search_path = ''
  as $$
declare
  claim constant jsonb := claims -> 'api_token';
  call constant jsonb := claim -> 'call';
  token private.api_tokens;
  opened boolean;
begin
  select t.* into token from private.api_tokens as t where t.id = (claim ->> 'id')::uuid;
  if not found or token.revoked_at is not null or token.expires_at <= now()
    or token.user_id::text is distinct from claims ->> 'sub' or token.scopes is distinct from claim - 'id' - 'call' then
    perform private.refuse(
      401, 'RG218', 'The API token was revoked, has expired or has changed', null, 'Make a new one at POST /v1/tokens.'
    );
  end if;
  if call is not null then
    opened := (token.scopes -> 'endpoints' ? (call ->> 'endpoint') or token.scopes -> 'systems' ? (call ->> 'system'))
      and '/rpc/' || (call ->> 'function') = current_setting('request.path', true) and call ->> 'schema' = check_api_token.schema;
  else
    opened := claims ->> 'role' = 'authenticated' and exists (
      select from private.system_schemas as s where s.schema = check_api_token.schema and token.scopes -> 'systems' ? s.system
    );
  end if;
  if opened is not true then
    perform private.refuse(
      403, 'RG219', 'The API token does not open this', check_api_token.schema, 'Use a token with this system or endpoint in its scope.'
    );
  end if;
  return token.scopes ->> 'access';
end
$$;
revoke execute on function private.check_api_token(jsonb, text) from public;

-- Whether an owner's account still may be used: it is not erased and, where this database has the accounts, not banned.
create function private.account_claims(user_id uuid) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  account jsonb;
begin
  if exists (select from private.erased_users as e where e.id = account_claims.user_id) then
    return null;
  end if;
  if to_regclass('auth.users') is not null then
    execute 'select to_jsonb(u) from auth.users as u where u.id = $1' into account using account_claims.user_id;
  end if;
  if (account ->> 'banned_until')::timestamptz > now() or account ->> 'deleted_at' is not null then
    return null;
  end if;
  return jsonb_strip_nulls(jsonb_build_object(
    'app_metadata', account -> 'raw_app_meta_data',
    'email', case when account ->> 'email_confirmed_at' is not null then account -> 'email' end,
    'email_verified', case when account ->> 'email_confirmed_at' is not null then true end
  ));
end
$$;
revoke execute on function private.account_claims(uuid) from public;

-- What the edge makes of an API token: {id, user_id, scopes, account}; null for one that is unknown, revoked or expired, or whose owner
-- is erased or banned. `account` is what the owner's account says now, not when the token was made: rights that somebody has lost are
-- lost to their tokens.
create function edge.exchange_api_token(token_hash text) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  token private.api_tokens;
  account jsonb := '{}';
begin
  select t.* into token from private.api_tokens as t where t.token_hash = decode(exchange_api_token.token_hash, 'hex');
  if not found or token.revoked_at is not null or token.expires_at <= now() then
    return null;
  end if;
  if token.user_id is not null then
    account := private.account_claims(token.user_id);
    if account is null then
      return null;
    end if;
  end if;
  -- Not at every use: the row would be written by every request.
  if coalesce(token.last_used_at < now() - interval '1 minute', true) then
    update private.api_tokens as t set last_used_at = now()
    where t.id = (
      select own.id from private.api_tokens as own where own.id = token.id for no key update skip locked
    );
  end if;
  return jsonb_build_object(
    'id', token.id, 'user_id', token.user_id, 'scopes', token.scopes, 'account', account,
    'expires_at', floor(extract(epoch from token.expires_at))::bigint
  );
end
$$;
comment on function edge.exchange_api_token(text) is
  'The owner and the scope of a live API token, by its hash. Definer: the edge has no right on any table.';
revoke execute on function edge.exchange_api_token(text) from public;
grant execute on function edge.exchange_api_token(text) to edge;

-- Whose tokens the caller makes, lists and revokes: a user's own, or those of workers without a user (null). Ends the request of
-- everybody else, and of those who have used an API token: a token that was found must not outlive itself in another one.
create function private.token_owner() returns uuid
  language plpgsql stable
  set search_path = ''
  as $$
begin
  perform private.refuse_api_token();
  if private.caller_role() is distinct from 'service_role' then
    return private.require_user();
  end if;
  return null;
end
$$;
revoke execute on function private.token_owner() from public;

-- A token as its owner sees it.
create function private.shown_api_token(token private.api_tokens) returns jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return jsonb_build_object(
    'id', token.id, 'name', token.name, 'prefix', token.prefix, 'created_at', token.created_at,
    'last_used_at', token.last_used_at, 'expires_at', token.expires_at, 'revoked_at', token.revoked_at
  ) || token.scopes;
end
$$;
revoke execute on function private.shown_api_token(private.api_tokens) from public;

-- The texts of a list; null if it is not a list of texts of this form.
create function private.scope_names(list jsonb, form text) returns text[]
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  if list is null then
    return '{}';
  end if;
  if jsonb_typeof(list) <> 'array' or jsonb_array_length(list) > 50
    or exists (select from jsonb_array_elements(list) as e where jsonb_typeof(e) <> 'string' or e #>> '{}' !~ form) then
    return null;
  end if;
  return array(select distinct name from jsonb_array_elements_text(list) as name order by name);
end
$$;
revoke execute on function private.scope_names(jsonb, text) from public;

create function edge.create_api_token(
  token_hash text, prefix text, name text default null, systems jsonb default null, endpoints jsonb default null,
  access text default 'read', expires_at timestamptz default null
) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  owner constant uuid := private.token_owner();
  system_names constant text[] := private.scope_names(systems, '^[a-z][a-z0-9_]{0,59}$');
  endpoint_names constant text[] := private.scope_names(endpoints, '^(GET|POST|PUT|PATCH|DELETE) /[A-Za-z0-9._~{}/-]{1,200}$');
  until constant timestamptz := coalesce(create_api_token.expires_at, now() + interval '1 year');
  fault text;
  token private.api_tokens;
begin
  fault := case
    when char_length(btrim(create_api_token.name)) between 1 and 120 is not true then 'name must have 1 to 120 characters'
    when create_api_token.access in ('read', 'write') is not true then 'access must be read or write'
    when system_names is null then 'systems must be a list of names of systems'
    when endpoint_names is null then 'endpoints must be a list such as ["POST /v1/keys/{id}/use"]'
    when cardinality(system_names) + cardinality(endpoint_names) = 0 then 'systems or endpoints must name something'
    when owner is null and cardinality(system_names) > 0 then 'service_role makes tokens for endpoints only, not for systems'
    when exists (
      select from unnest(system_names) as wanted where not exists (select from private.system_schemas as s where s.system = wanted)
    ) then 'systems must be of ' || coalesce((select string_agg(distinct s.system, ', ') from private.system_schemas as s), 'none')
    when until not between now() + interval '1 minute' and now() + interval '5 years' then
      'expires_at must lie a minute to five years in the future'
  end;
  if fault is not null then
    perform private.refuse(422, 'RG576', 'This token cannot be made', fault, 'Correct what the details name.');
  end if;
  -- Simultaneous requests must not pass the number together.
  perform pg_advisory_xact_lock(hashtextextended(coalesce(owner::text, 'workers'), 227));
  if (
    select count(*) >= 50
    -- By the owner alone: without statistics the planner would also read which tokens of all users have not expired.
    from (
      select o.revoked_at, o.expires_at from private.api_tokens as o where o.user_id = owner or owner is null and o.user_id is null offset 0
    ) as t
    where t.revoked_at is null and t.expires_at > now()
  ) then
    perform private.refuse(409, 'RG577', 'There are 50 API tokens already', null, 'Revoke one that is not used any more.');
  end if;
  insert into private.api_tokens (user_id, name, token_hash, prefix, scopes, expires_at)
  values (
    owner, btrim(create_api_token.name), decode(create_api_token.token_hash, 'hex'), create_api_token.prefix,
    jsonb_build_object('systems', system_names, 'endpoints', endpoint_names, 'access', create_api_token.access), until
  )
  returning * into token;
  return private.shown_api_token(token);
end
$$;
comment on function edge.create_api_token(text, text, text, jsonb, jsonb, text, timestamptz) is
  'Stores an API token of the caller by its hash. Definer: the edge has no right on any table.';
revoke execute on function edge.create_api_token(text, text, text, jsonb, jsonb, text, timestamptz) from public;
grant execute on function edge.create_api_token(text, text, text, jsonb, jsonb, text, timestamptz) to edge;

create function edge.api_tokens() returns jsonb
  language plpgsql stable security definer
  set search_path = ''
  as $$
declare
  owner constant uuid := private.token_owner();
begin
  return coalesce((
    select jsonb_agg(private.shown_api_token(t) order by t.created_at desc, t.id)
    -- No index serves `is not distinct from`.
    from private.api_tokens as t where t.user_id = owner or owner is null and t.user_id is null
  ), '[]');
end
$$;
comment on function edge.api_tokens() is 'The caller''s API tokens. Definer: the edge has no right on any table.';
revoke execute on function edge.api_tokens() from public;
grant execute on function edge.api_tokens() to edge;

create function edge.revoke_api_token(token_id uuid) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  owner constant uuid := private.token_owner();
  token private.api_tokens;
begin
  update private.api_tokens as t set revoked_at = coalesce(t.revoked_at, now())
  where t.id = revoke_api_token.token_id and t.user_id is not distinct from owner
  returning t.* into token;
  if not found then
    perform private.refuse(404, 'RG575', 'The caller has no API token with this id', null, 'Take an id from GET /v1/tokens.');
  end if;
  return private.shown_api_token(token);
end
$$;
comment on function edge.revoke_api_token(uuid) is 'Revokes an API token of the caller, at once. Definer: the edge has no right on any table.';
revoke execute on function edge.revoke_api_token(uuid) from public;
grant execute on function edge.revoke_api_token(uuid) to edge;

-- Deletes tokens that were revoked or expired 90 days ago.
create function private.clean_api_tokens() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  deleted bigint;
begin
  delete from private.api_tokens as t
  where t.id = any (array(
    select old.id from private.api_tokens as old
    where least(old.expires_at, old.revoked_at) < now() - interval '90 days'
    limit 5000
    for update skip locked
  ));
  get diagnostics deleted = row_count;
  return deleted;
end
$$;
revoke execute on function private.clean_api_tokens() from public;

insert into private.jobs (name, function, schedule, description) values (
  'clean_api_tokens', 'private.clean_api_tokens', '17 3 * * *', 'Deletes API tokens 90 days after they were revoked or expired.'
);

-- Hook: the tokens of an erased user.
create function private.erase_api_tokens(account jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  rows_ bigint;
begin
  delete from private.api_tokens as t where t.user_id = (account ->> 'id')::uuid;
  get diagnostics rows_ = row_count;
  return jsonb_build_object('api_tokens', rows_);
end
$$;
revoke execute on function private.erase_api_tokens(jsonb) from public;

-- Hook: the tokens of a banned user are revoked. The end of a ban does not bring them back.
create function private.revoke_api_tokens(account jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  if (account -> 'banned')::boolean then
    update private.api_tokens as t set revoked_at = now() where t.user_id = (account ->> 'id')::uuid and t.revoked_at is null;
  end if;
  return null;
end
$$;
revoke execute on function private.revoke_api_tokens(jsonb) from public;

-- Hooks: a person's tokens. Their names are the person's own words.
create function private.person_api_tokens(person jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  users constant uuid[] := private.texts(person -> 'users')::uuid[];
begin
  return jsonb_build_object('private.api_tokens', array(select t.id from private.api_tokens as t where t.user_id = any (users)));
end
$$;
revoke execute on function private.person_api_tokens(jsonb) from public;

create function private.export_api_tokens(person jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  users constant uuid[] := private.texts(person -> 'users')::uuid[];
begin
  return jsonb_build_object('private.api_tokens', (
    select coalesce(jsonb_agg(to_jsonb(t) - 'token_hash' order by t.created_at, t.id), '[]')
    from private.api_tokens as t where t.user_id = any (users)
  ));
end
$$;
revoke execute on function private.export_api_tokens(jsonb) from public;

create function private.erase_person_api_tokens(person jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  users constant uuid[] := private.texts(person -> 'users')::uuid[];
  rows_ bigint;
begin
  delete from private.api_tokens as t where t.user_id = any (users);
  get diagnostics rows_ = row_count;
  return jsonb_build_object('private.api_tokens', rows_);
end
$$;
revoke execute on function private.erase_person_api_tokens(jsonb) from public;

insert into private.hooks (system, event, function) values
('api_tokens', 'account_erased', 'private.erase_api_tokens'),
('api_tokens', 'account_changed', 'private.revoke_api_tokens'),
('api_tokens', 'person_rows', 'private.person_api_tokens'),
('api_tokens', 'person_export', 'private.export_api_tokens'),
('api_tokens', 'person_erase', 'private.erase_person_api_tokens');

-- migrate:down
delete from private.hooks where system = 'api_tokens';
drop function private.erase_person_api_tokens(jsonb);
drop function private.export_api_tokens(jsonb);
drop function private.person_api_tokens(jsonb);
drop function private.revoke_api_tokens(jsonb);
drop function private.erase_api_tokens(jsonb);
delete from private.jobs where name = 'clean_api_tokens';
drop function private.clean_api_tokens();
drop function edge.revoke_api_token(uuid);
drop function edge.api_tokens();
drop function edge.create_api_token(text, text, text, jsonb, jsonb, text, timestamptz);
drop function private.scope_names(jsonb, text);
drop function private.shown_api_token(private.api_tokens);
drop function private.token_owner();
drop function edge.exchange_api_token(text);
drop function private.account_claims(uuid);
drop function private.check_api_token(jsonb, text);
drop function private.user_in_scope(text, text);
drop function private.scope_table(regclass, text[]);
drop function private.scope_allows(text, text);
drop function private.token_allows(text, text);
drop function private.api_token();
delete from private.mention_places where relation = 'private.api_tokens';
drop table private.api_tokens;
drop function private.watch_api_tokens();
drop table private.system_schemas;
