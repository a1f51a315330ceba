-- 0013: erased users. Their tokens stay valid for a while, and must create nothing in any system.
-- migrate:up
create table private.erased_users (
  id uuid constraint erased_users_pkey primary key,
  at timestamptz not null default now()
);
comment on table private.erased_users is 'Ids of users whose account was deleted. Nothing is created for them any more.';

alter table private.erased_users enable row level security;
alter table private.erased_users force row level security;

-- Ends the request if a user is erased.
create function private.refuse_erased(user_id uuid) returns void
  language plpgsql stable
  set search_path = ''
  as $$
begin
  if exists (select from private.erased_users as e where e.id = refuse_erased.user_id) then
    perform private.refuse(403, 'RG521', 'This account was deleted', null, 'Sign up again.');
  end if;
end
$$;
revoke execute on function private.refuse_erased(uuid) from public;

-- Marks a user as erased, before systems delete the user's rows: no write of the user is in flight any more, and none can
-- begin. Answers that are stored for the user's retries go at once.
create function private.mark_erased(user_id uuid) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  perform pg_advisory_xact_lock(hashtextextended(mark_erased.user_id::text, 222));
  insert into private.erased_users (id) values (mark_erased.user_id) on conflict do nothing;
  delete from private.idempotency_keys as k where k.caller = mark_erased.user_id::text;
end
$$;
revoke execute on function private.mark_erased(uuid) from public;

-- Trigger before each insert and update of every table that requests write to: the token of an erased user creates nothing. A
-- write that meets an erasure in progress is refused at once: if it waited, it could hold a lock that the erasure waits for.
create function private.refuse_erased_caller() returns trigger
  language plpgsql
  -- Definer: request roles may read nothing in this schema.
  security definer
  set search_path = ''
  as $$
declare
  caller constant uuid := private.user_id();
begin
  if caller is null then
    return null;
  end if;
  if not pg_try_advisory_xact_lock_shared(hashtextextended(caller::text, 222)) then
    perform private.refuse(403, 'RG521', 'This account is being deleted', null, 'Sign up again.');
  end if;
  perform private.refuse_erased(caller);
  return null;
end
$$;
revoke execute on function private.refuse_erased_caller() from public;

-- Trigger: records the erasure as a security event.
create function private.watch_erasure() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  perform private.note_security_event('account_erased', new.id, '{}');
  return null;
end
$$;

create trigger erased_users_watch after insert on private.erased_users
  for each row execute function private.watch_erasure();

-- migrate:down
drop function private.refuse_erased_caller();
drop function private.mark_erased(uuid);
drop function private.refuse_erased(uuid);
drop table private.erased_users;
drop function private.watch_erasure();
