-- 0008: idempotency. A repeated Idempotency-Key gives the first answer again and writes nothing. The key, the hash of the request and the
-- answer are stored in the write's own transaction, so a request whose answer was lost can be sent again.
-- migrate:up
create table private.idempotency_keys (
  operation    text not null,
  caller       text not null,
  key          text not null,
  request_hash bytea not null,
  answer       jsonb,
  expires_at   timestamptz not null,
  constraint idempotency_keys_pkey primary key (operation, caller, key)
);
comment on table private.idempotency_keys is
  'Answers of writes by their Idempotency-Key, for 24 hours. idempotency_begin, which alone writes it, refuses keys of another length than 1 to 255.';

create index idempotency_keys_expires_at on private.idempotency_keys (expires_at);

alter table private.idempotency_keys enable row level security;
alter table private.idempotency_keys force row level security;

-- The namespace of the request's keys: the user, service_role, or one for all anonymous callers, because a retry may come from
-- another network.
create function private.idempotency_caller() returns text
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return coalesce(private.user_id()::text, case when private.is_server() then 'service' end, 'anon');
end
$$;

-- Starts an operation under the request's Idempotency-Key. The operation's name begins with the schema of the function that calls
-- this, so that no two systems share a client's keys. Returns the stored answer of an earlier request, or null: then do it
-- and call idempotency_end, unless the answer is known beforehand and was passed here. A second request with the same key waits
-- in the insert until the first one commits. Who has read the request's headers already passes the key.
create function private.idempotency_begin(
  operation text, request jsonb, answer jsonb default null, sent_key text default private.request_header('idempotency-key')
) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  who text;
  hash bytea;
  known private.idempotency_keys;
  first boolean;
begin
  if sent_key is null then
    return null;
  end if;
  if char_length(sent_key) not between 1 and 255 then
    perform private.refuse(400, 'RG502', 'The Idempotency-Key must have 1 to 255 characters', null, 'Use a UUID.');
  end if;
  who := private.idempotency_caller();
  -- Hash only now: a request may have half a megabyte, and most have no key.
  hash := sha256(convert_to(request::text, 'UTF8'));

  insert into private.idempotency_keys as k (operation, caller, key, request_hash, answer, expires_at)
  values (idempotency_begin.operation, who, sent_key, hash, idempotency_begin.answer, now() + interval '24 hours')
  on conflict on constraint idempotency_keys_pkey do update
    set request_hash = excluded.request_hash, answer = excluded.answer, expires_at = excluded.expires_at
    where k.expires_at < now();
  first := found;

  -- At every eighth call, after the insert, and without locked rows, as in take_token.
  if random() < 0.125 then
    delete from private.idempotency_keys as k
    where k.ctid = any (array(
      select old.ctid from private.idempotency_keys as old
      where old.expires_at < now()
      order by old.expires_at
      limit 16
      for update skip locked
    ));
  end if;

  if first then
    return null;
  end if;

  select * into strict known
  from private.idempotency_keys as k
  where k.operation = idempotency_begin.operation and k.caller = who and k.key = sent_key;
  if known.request_hash <> hash then
    perform private.refuse(
      422, 'RG503', 'This Idempotency-Key was used with another body', null,
      'Use a new key for a new request; repeat a request with its own body.'
    );
  end if;
  return known.answer;
end
$$;

-- Stores the answer of an operation under the request's Idempotency-Key, if it has one.
create function private.idempotency_end(operation text, answer jsonb) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  sent_key constant text := private.request_header('idempotency-key');
  who text;
begin
  if sent_key is null then
    return;
  end if;
  who := private.idempotency_caller();
  update private.idempotency_keys as k
  set answer = idempotency_end.answer
  where k.operation = idempotency_end.operation and k.caller = who and k.key = sent_key;
end
$$;

-- The bytes that an answer takes under the request's Idempotency-Key, with its row; 0 without a key.
create function private.idempotency_bytes(answer jsonb) returns bigint
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return case when private.request_header('idempotency-key') is null then 0 else pg_column_size(answer) + 500 end;
end
$$;

-- migrate:down
drop function private.idempotency_bytes(jsonb);
drop function private.idempotency_end(text, jsonb);
drop function private.idempotency_begin(text, jsonb, jsonb, text);
drop function private.idempotency_caller();
drop table private.idempotency_keys;
