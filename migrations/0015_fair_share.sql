-- 0015: fair share. How many of PostgREST's connections one caller, and all anonymous callers together, may hold at once.
-- migrate:up
create table private.connection_shares (
  only_row  boolean primary key default true,
  caller    bigint not null,
  anonymous bigint not null,
  constraint connection_shares_only_row check (only_row),
  constraint connection_shares_caller check (caller between 0 and 10000),
  constraint connection_shares_anonymous check (anonymous between 0 and 10000)
);
comment on table private.connection_shares is
  'Connections of PostgREST that one caller, and all anonymous callers together, may hold at once; 0: no limit. Change the row to change the shares: keep both below PostgREST''s db-pool.';

alter table private.connection_shares enable row level security;
alter table private.connection_shares force row level security;

insert into private.connection_shares (caller, anonymous) values (3, 7);

-- Not exposed by PostgREST, so request roles cannot call its function through the data API.
create schema request;
comment on schema request is 'What PostgREST runs before each request (db-pre-request). Not exposed.';
grant usage on schema request to anon, authenticated, edge, service_role;

-- Whether this standby may lack something that was committed more than four seconds ago. The edge sends a user's reads to the primary for five
-- seconds after a write (LAG_SECONDS in src/isolate/writers.rs). A standby that was restarted answers before it has applied again what it had
-- applied before.
create function private.is_behind() returns boolean
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  -- The clock of the primary may be a second ahead.
  if now() - pg_last_xact_replay_timestamp() between interval '-1 s' and interval '4 s' then
    return false;
  end if;
  -- Nothing may have been committed since: it has applied all that the primary had when it sent its last message. The times of sending and receipt
  -- are equal until the first message of a connection.
  return not exists (
    select from pg_catalog.pg_stat_wal_receiver as r
    where r.status = 'streaming' and r.last_msg_send_time between now() - interval '4 s' and now() + interval '1 s'
      and r.last_msg_send_time <> r.last_msg_receipt_time and r.latest_end_lsn <= pg_last_wal_replay_lsn()
  );
end
$$;
revoke execute on function private.is_behind() from public;

-- Every request pays for this function: it reads the claims once and calls few others. It tells callers apart
-- by the user's `sub`, by the id of a worker's API token, or by the address in the edge's claim. Each share is a numbered advisory
-- lock of the caller's, which ends with the transaction.
-- The default of `path` is the search path of the request, which begins with the schema that PostgREST has chosen: inside, it is the
-- function's own.
create function request.begin(path text default current_setting('search_path')) returns void
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  claims constant jsonb := nullif(current_setting('request.jwt.claims', true), '')::jsonb;
  role constant text := claims ->> 'role';
  seen constant jsonb := private.edge_claim(claims);
  is_user constant boolean := claims ->> 'sub' is not null and role in ('authenticated', 'edge');
  is_server constant boolean := coalesce(role = 'service_role' or seen ->> 'caller' = 'service_role', false);
  is_worker constant boolean := is_server and claims -> 'api_token' ->> 'id' is not null;
  name constant int := hashtext('rowgate ' || coalesce(
    case when is_user then 'user ' || (claims ->> 'sub') end,
    case when is_worker then 'worker ' || (claims -> 'api_token' ->> 'id') end,
    'addr ' || (seen ->> 'addr'), 'nobody'
  ));
  everybody constant int := hashtext('rowgate anonymous');
  shares private.connection_shares;
  access text;
  slot int;
begin
  -- The edge then asks the primary. Not a status from 500 on: PostgREST would write the request's filters to its log. If the primary is down, the
  -- edge asks again, for what there is.
  if pg_is_in_recovery() and private.is_behind()
    and nullif(current_setting('request.headers', true), '')::jsonb ->> 'x-read-preference' is distinct from 'replica' then
    perform private.refuse(
      421, 'RG578', 'This copy of the database is behind', null, 'Ask the primary; or send x-read-preference: replica, for what there is.', 1
    );
  end if;
  -- The edge signs tokens of users for the holders of API tokens only.
  if claims ? 'api_token' or claims ->> 'iss' = 'rowgate' then
    access := private.check_api_token(claims, btrim(split_part(path, ',', 1), '" '));
  end if;
  -- No limit for service_role, except its workers, nor for the edge's calls on behalf of no caller (webhooks, jobs).
  if is_server and not is_worker or (role = 'edge' and seen is null) then
    if access = 'read' then
      perform set_config('transaction_read_only', 'on', true);
    end if;
    return;
  end if;
  -- The settings of the caller's role, for databases whose roles these migrations did not create, and for calls of the edge on
  -- behalf of a caller.
  if current_setting('lock_timeout') <> '1s' then
    perform set_config('lock_timeout', '1s', true);
  end if;
  if not (is_user or is_worker) and current_setting('statement_timeout') <> '2s' then
    perform set_config('statement_timeout', '2s', true);
  end if;

  select * into shares from private.connection_shares;
  -- What all anonymous callers share is nobody's request.
  if (seen -> 'shared')::boolean then
    shares.caller := 0;
  end if;
  slot := shares.caller::int;
  while slot > 0 and not pg_try_advisory_xact_lock(name, slot) loop
    slot := slot - 1;
  end loop;
  if slot = 0 and shares.caller > 0 then
    perform private.refuse(
      429, 'RG518', 'Too many of your requests are under way',
      format('At most %s at once', shares.caller), 'Send fewer at once; try again after the time in Retry-After.', 1
    );
  end if;
  -- service_role has no rate limits.
  if seen -> 'limit' is not null and not is_worker then
    perform private.limit_endpoint(seen -> 'limit');
  end if;
  -- Nothing turns this off again in the transaction. Only the limits before are written.
  if access = 'read' then
    perform set_config('transaction_read_only', 'on', true);
  end if;
  if is_user or is_worker then
    return;
  end if;
  slot := shares.anonymous::int;
  while slot > 0 and not pg_try_advisory_xact_lock(everybody, slot) loop
    slot := slot - 1;
  end loop;
  if slot = 0 and shares.anonymous > 0 then
    perform private.refuse(
      429, 'RG519', 'Too many requests of anonymous callers are under way', null,
      'Try again after the time in Retry-After.', 1
    );
  end if;
end
$$;
comment on function request.begin(text) is
  'Holds a caller, and all anonymous callers together, to a share of PostgREST''s connections, and an API token to its scope; refuses on a standby that is behind. Definer: request roles may not read shares and tokens.';
grant execute on function request.begin(text) to anon, authenticated, edge, service_role;

-- migrate:down
drop function request.begin(text);
drop schema request;
drop function private.is_behind();
drop table private.connection_shares;
