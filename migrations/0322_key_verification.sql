-- 0322: verification and expiry of keys. The edge asks a key's service whether it accepts the key; users are reminded before a key
-- expires.
-- migrate:up
insert into private.limit_rules (name, burst, refill, shared) values ('key-verifications', 10, '6 seconds', 1);

-- Asks for a verification of one of the caller's keys, which the edge then carries out.
create function flashfusion.verify_key(id uuid) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  owner constant flashfusion.users := private.flashfusion_caller();
  found_ flashfusion.user_api_keys;
begin
  perform private.limit_caller('key-verifications');
  found_ := private.own_key(owner.id, verify_key.id);
  if found_.status in ('expired', 'revoked') then
    perform private.refuse(409, 'RG604', 'This key cannot be used', 'It is ' || found_.status, 'Add a new one: POST /v1/keys.');
  end if;
  return private.key_answer(found_, null, true);
end
$$;
comment on function flashfusion.verify_key(uuid) is
  'One of the caller''s keys, to be verified; by itself it changes nothing. Definer: it locks the row, and counts what is limited.';
revoke execute on function flashfusion.verify_key(uuid) from public;
grant execute on function flashfusion.verify_key(uuid) to authenticated;

-- The sealed text of a key for the edge, which opens it, and sends it to its service only.
create function edge.key_to_verify(key_id uuid) returns jsonb
  language sql stable security definer
  set search_path = ''
  as $$
select jsonb_build_object('row', k.id, 'owner', k.user_id, 'sealed', s.sealed, 'key_version', s.key_version)
from flashfusion.user_api_keys as k
join private.api_key_secrets as s on s.key_id = k.id
where k.id = key_to_verify.key_id
$$;
comment on function edge.key_to_verify(uuid) is 'The sealed text of a key that is to be verified. Definer: the edge has no right on any table.';
revoke execute on function edge.key_to_verify(uuid) from public;
grant execute on function edge.key_to_verify(uuid) to edge;

-- Records what a service has said of a key, and returns the row. A pending key stays pending. Where another key has taken the alias
-- of an invalid one, it stays invalid, which keeps nobody from using it.
create function edge.key_verified(key_id uuid, is_valid boolean) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  changed flashfusion.user_api_keys;
begin
  begin
    update flashfusion.user_api_keys as k set
      status = case
        when k.status not in ('active', 'invalid') then k.status
        when key_verified.is_valid then 'active'
        else 'invalid'
      end,
      verified_at = case when key_verified.is_valid then clock_timestamp() else k.verified_at end
    where k.id = key_verified.key_id
    returning * into changed;
  exception
    when unique_violation then
      update flashfusion.user_api_keys as k set verified_at = clock_timestamp() where k.id = key_verified.key_id returning * into changed;
  end;
  return case when changed.id is not null then to_jsonb(changed) end;
end
$$;
comment on function edge.key_verified(uuid, boolean) is 'Records the outcome of a verification. Definer: the edge has no right on any table.';
revoke execute on function edge.key_verified(uuid, boolean) from public;
grant execute on function edge.key_verified(uuid, boolean) to edge;

-- The next reminder of each key that expires.
create table private.key_reminders (
  key_id uuid constraint key_reminders_pkey primary key
    constraint key_reminders_key references flashfusion.user_api_keys on delete cascade,
  due_at timestamptz not null
);
comment on table private.key_reminders is
  'When users are reminded next that a key expires: 30, 20, 10 and 1 days before. A key without a row has no reminder left.';

create index key_reminders_due_at on private.key_reminders (due_at);

alter table private.key_reminders enable row level security;
alter table private.key_reminders force row level security;

-- The first time after a moment at which a reminder of a key is due, or null.
create function private.next_key_reminder(expires_at timestamptz, after timestamptz) returns timestamptz
  language sql immutable
  set search_path = ''
  as $$
select min(next_key_reminder.expires_at - make_interval(days => d.before))
from unnest('{30,20,10,1}'::int[]) as d (before)
where next_key_reminder.expires_at - make_interval(days => d.before) > next_key_reminder.after
$$;
revoke execute on function private.next_key_reminder(timestamptz, timestamptz) from public;

-- Trigger: plans the next reminder of a key; none for one that expires sooner than the first would be, or can be used no more.
create function private.plan_key_reminder() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
declare
  due constant timestamptz := case
    when new.status in ('pending', 'active', 'invalid') then private.next_key_reminder(new.expires_at, now())
  end;
begin
  if due is null then
    delete from private.key_reminders as r where r.key_id = new.id;
  else
    insert into private.key_reminders as r (key_id, due_at) values (new.id, due)
    on conflict on constraint key_reminders_pkey do update set due_at = excluded.due_at;
  end if;
  return null;
end
$$;
comment on function private.plan_key_reminder() is 'Trigger of user_api_keys. Definer: no request has a right on the table of reminders.';
revoke execute on function private.plan_key_reminder() from public;
create trigger user_api_keys_plan_reminder after insert on flashfusion.user_api_keys
  for each row when (new.expires_at is not null) execute function private.plan_key_reminder();
create trigger user_api_keys_plan_reminders after update of expires_at, status on flashfusion.user_api_keys
  for each row when (new.expires_at is distinct from old.expires_at or new.status <> old.status) execute function private.plan_key_reminder();

-- How a notification names a key.
create function private.key_title(named flashfusion.user_api_keys) returns text
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return coalesce((select s.title from private.key_services as s where s.name = named.service_name), named.service_name)
    || coalesce(' key "' || named.key_alias || '"', ' key') || ' (...' || named.last_four || ')';
end
$$;
revoke execute on function private.key_title(flashfusion.user_api_keys) from public;

-- Job: sends the reminders that are due, each once. A reminder that is late names the days that are left.
create function private.remind_of_keys() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  due record;
  named flashfusion.user_api_keys;
  next_at timestamptz;
  days int;
  done bigint := 0;
begin
  for due in
    select r.key_id from private.key_reminders as r where r.due_at <= now() order by r.due_at limit 1000 for update skip locked
  loop
    select * into named from flashfusion.user_api_keys as k where k.id = due.key_id;
    next_at := private.next_key_reminder(named.expires_at, now());
    if next_at is null then
      delete from private.key_reminders as r where r.key_id = due.key_id;
    else
      update private.key_reminders as r set due_at = next_at where r.key_id = due.key_id;
    end if;
    days := ceil(extract(epoch from named.expires_at - now()) / 86400);
    if days > 0 and named.is_active then
      perform private.notify(
        named.user_id, 'key_expires', format('key_expires %s %s', named.id, days), 'A key expires soon',
        format('Your %s expires in %s, on %s (UTC).', private.key_title(named), case days when 1 then 'a day' else days || ' days' end,
          to_char(named.expires_at at time zone 'UTC', 'YYYY-MM-DD')),
        null, jsonb_build_object('key_id', named.id, 'service', named.service_name, 'expires_at', named.expires_at, 'days', days)
      );
    end if;
    done := done + 1;
  end loop;
  return done;
end
$$;
revoke execute on function private.remind_of_keys() from public;

-- Job: marks keys that have expired, revokes successors that have expired unconfirmed, and deletes the sealed texts of both. /use refuses them from the second of their expiry.
create function private.expire_keys() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  ended flashfusion.user_api_keys;
  done bigint := 0;
begin
  for ended in
    update flashfusion.user_api_keys as k set
      -- A successor that nobody has confirmed has never been one of the keys of the plan. As an expired key it could be rotated in its turn.
      status = case k.status when 'pending' then 'revoked' else 'expired' end,
      is_active = k.is_active and k.status <> 'pending',
      revoked_at = case k.status when 'pending' then now() end
    where k.id = any (array(
      select o.id from flashfusion.user_api_keys as o
      where o.expires_at <= now() and o.status in ('pending', 'active', 'invalid')
      order by o.expires_at
      limit 1000
      for update skip locked
    ))
    returning k.*
  loop
    delete from private.api_key_secrets as s where s.key_id = ended.id;
    perform private.notify(
      ended.user_id, 'key_expired', 'key_expired ' || ended.id, 'A key has expired',
      format('Your %s has expired.', private.key_title(ended)), null,
      jsonb_build_object('key_id', ended.id, 'service', ended.service_name, 'expires_at', ended.expires_at)
    );
    done := done + 1;
  end loop;
  return done;
end
$$;
revoke execute on function private.expire_keys() from public;

insert into private.jobs (name, function, schedule, more_from, description) values
('expire_keys', 'private.expire_keys', '*/5 * * * *', 1000, 'Marks users'' keys that have expired, revokes successors that were never confirmed, and deletes the sealed texts.'),
('remind_of_keys', 'private.remind_of_keys', '*/5 * * * *', 1000, 'Notifies users 30, 20, 10 and 1 days before a key expires.');

-- migrate:down
delete from private.jobs where name in ('expire_keys', 'remind_of_keys');
drop function private.expire_keys();
drop function private.remind_of_keys();
drop function private.key_title(flashfusion.user_api_keys);
drop trigger user_api_keys_plan_reminders on flashfusion.user_api_keys;
drop trigger user_api_keys_plan_reminder on flashfusion.user_api_keys;
drop function private.plan_key_reminder();
drop function private.next_key_reminder(timestamptz, timestamptz);
drop table private.key_reminders;
drop function edge.key_verified(uuid, boolean);
drop function edge.key_to_verify(uuid);
drop function flashfusion.verify_key(uuid);
delete from private.limit_rules where name = 'key-verifications';
