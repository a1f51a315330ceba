-- 0022: accounts. Where this database has the accounts (auth.users), systems follow their creation, change and deletion by hooks.
-- migrate:up
-- Trigger of auth.users. The hooks account_created and account_changed get {"id", "email", "banned"}: the address, once it is confirmed.
create function private.follow_account() returns trigger
  language plpgsql
  -- Definer: the role that writes accounts has no right here.
  security definer
  set search_path = ''
  as $$
declare
  account constant jsonb := to_jsonb(new);
begin
  perform private.call_hooks(case tg_op when 'INSERT' then 'account_created' else 'account_changed' end, jsonb_build_object(
    'id', new.id, 'email', case when account ->> 'email_confirmed_at' is not null then private.email_of(account -> 'email') end,
    'banned', coalesce((account ->> 'banned_until')::timestamptz > now(), false)
  ));
  return null;
end
$$;
revoke execute on function private.follow_account() from public;

-- Erases a user in all systems, by the hook account_erased, which gets {"id"}. Returns the answer of each system.
create function private.erase_account(user_id uuid) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  perform private.mark_erased(erase_account.user_id);
  return private.call_hooks('account_erased', jsonb_build_object('id', erase_account.user_id));
end
$$;
revoke execute on function private.erase_account(uuid) from public;

-- Trigger of auth.users.
create function private.erase_deleted_account() returns trigger
  language plpgsql
  -- Definer: the role that writes accounts has no right here.
  security definer
  set search_path = ''
  as $$
begin
  perform private.erase_account(old.id);
  return null;
end
$$;
revoke execute on function private.erase_deleted_account() from public;

-- Attaches the triggers to auth.users if that table is there and has none of them yet. Returns whether the table is there. The
-- table may appear at any time, so every `npm run db:migrate` calls this function.
create function private.attach_account_triggers() returns boolean
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  accounts constant regclass := to_regclass('auth.users');
begin
  if accounts is null then
    return false;
  end if;
  if not exists (select from pg_trigger as t where t.tgrelid = accounts and t.tgname = 'rowgate_follow_account') then
    execute format(
      'create trigger rowgate_follow_account after insert or update of %s on auth.users
        for each row execute function private.follow_account()',
      (
        select string_agg(format('%I', a.attname), ', ') from pg_attribute as a
        where a.attrelid = accounts and a.attname in ('email', 'email_confirmed_at', 'banned_until')
      )
    );
  end if;
  if not exists (select from pg_trigger as t where t.tgrelid = accounts and t.tgname = 'rowgate_erase_account') then
    create trigger rowgate_erase_account after delete on auth.users
      for each row execute function private.erase_deleted_account();
  end if;
  return true;
end
$$;
revoke execute on function private.attach_account_triggers() from public;

select private.attach_account_triggers();

-- migrate:down
drop function private.attach_account_triggers();
-- With the triggers on auth.users, which only the owner of that table could drop by name; on Supabase that is another role.
drop function private.erase_deleted_account() cascade;
drop function private.erase_account(uuid);
drop function private.follow_account() cascade;
