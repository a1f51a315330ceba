-- 0009: fair share. How many of PostgREST's connections one caller, and all anonymous callers together, may hold at once.
-- migrate:up
create table private.connection_shares (
  who         text primary key,
  connections int not null,
  constraint connection_shares_who check (who in ('caller', 'anonymous')),
  constraint connection_shares_connections check (connections between 0 and 10000)
);
comment on table private.connection_shares is
  'Connections of PostgREST that one caller, and all anonymous callers together, may hold at once; 0: no limit. Change a row to change the share: keep both below PostgREST''s db-pool.';
alter table private.connection_shares enable row level security;
alter table private.connection_shares force row level security;
insert into private.connection_shares (who, connections) values ('caller', 4), ('anonymous', 7);

-- Takes one of the numbered slots of a name until the end of the transaction. Gives false if all are taken.
create function private.take_slot(name text, slots int) returns boolean
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  for slot in 1..slots loop
    if pg_try_advisory_xact_lock(hashtext('rowgate slot ' || name), slot) then
      return true;
    end if;
  end loop;
  return false;
end
$$;

-- Not exposed by PostgREST: request roles may call its functions only where PostgREST itself does.
create schema request;
comment on schema request is 'What PostgREST runs before each request (db-pre-request). Not exposed.';
grant usage on schema request to anon, authenticated, edge, service_role;

create function request.begin() returns void
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  caller constant text := private.caller_key();
  anonymous constant boolean := caller not like 'user %';
  shares jsonb;
begin
  -- The back office, and what the edge does for no caller (webhooks, jobs), are not limited.
  if caller = 'service' or (auth.role() = 'edge' and private.edge_claim() is null) then
    return;
  end if;
  -- Also where the roles are not of these migrations, and for what the edge asks on behalf of an anonymous caller.
  perform set_config('lock_timeout', '1s', true);
  if anonymous then
    perform set_config('statement_timeout', '2s', true);
  end if;

  select jsonb_object_agg(s.who, s.connections) into shares from private.connection_shares as s;
  if (shares ->> 'caller')::int > 0 and not private.take_slot(caller, (shares ->> 'caller')::int) then
    perform private.refuse(
      429, 'RG518', 'Too many of your requests are under way',
      format('At most %s at once', shares ->> 'caller'), 'Send fewer at once; try again after the time in Retry-After.', 1
    );
  end if;
  if anonymous and (shares ->> 'anonymous')::int > 0
    and not private.take_slot('anonymous', (shares ->> 'anonymous')::int) then
    perform private.refuse(
      429, 'RG519', 'Too many requests of anonymous callers are under way', null,
      'Try again after the time in Retry-After.', 1
    );
  end if;
end
$$;
comment on function request.begin() is
  'Holds a caller, and all anonymous callers together, to a share of PostgREST''s connections. Definer: request roles may not read the shares.';
grant execute on function request.begin() to anon, authenticated, edge, service_role;

-- migrate:down
drop function request.begin();
drop schema request;
drop function private.take_slot(text, int);
drop table private.connection_shares;
