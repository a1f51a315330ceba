-- 9902: sample entries. What an open form of the core's own tests writes: one row for each address, read by admins.
-- migrate:up
create table sample_more.entries (
  id               uuid primary key default gen_random_uuid(),
  email            text not null,
  status           text not null default 'new',
  submission_count bigint not null default 1,
  created_at       timestamptz not null default now(),
  constraint entries_email unique (email),
  constraint entries_status check (status in ('new', 'contacted'))
);
comment on table sample_more.entries is 'One row for each address that was sent.';

alter table sample_more.entries enable row level security;
alter table sample_more.entries force row level security;
create policy admin_select on sample_more.entries for select to authenticated
  using ((select private.is_admin()));
create policy admin_update on sample_more.entries for update to authenticated
  using ((select private.is_admin()))
  with check ((select private.is_admin()));
grant select, update (status) on sample_more.entries to authenticated;
grant select, update, delete on sample_more.entries to service_role;
select private.scope_table('sample_more.entries');
select private.limit_writes('sample_more.entries', 'sample', true);

create trigger entries_erased before insert or update on sample_more.entries
  for each statement execute function private.refuse_erased_caller();
create trigger entries_filter before update or delete on sample_more.entries
  for each statement execute function private.require_filter();

select private.index_mentions('sample_more.entries', array['status']);
select private.track_changes('sample_more.entries');

insert into private.limit_rules (name, burst, refill, shared) values ('entries', 30, '2 seconds', 30);

create function sample_more.add_entry(entry jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  answer constant jsonb := '{"status": "received"}';
  stored jsonb;
begin
  if jsonb_typeof(entry) is distinct from 'object' then
    perform private.refuse(400, 'RG597', 'An entry must be an object of fields', null, 'Send {"email": "..."}.');
  end if;
  if (select count(*) > 100 or bool_or(jsonb_typeof(f.value) <> 'string') from jsonb_each(entry) as f) then
    perform private.refuse(400, 'RG597', 'An entry must have at most 100 texts', null, 'Send fewer.');
  end if;
  perform private.limit_caller('entries');
  stored := private.idempotency_begin('sample_more.add_entry', entry, answer);
  if stored is not null then
    return stored;
  end if;
  if private.is_email(entry ->> 'email') is not true then
    perform private.refuse(422, 'RG598', 'The e-mail address is missing or not one', null, 'Enter an address such as name@example.org.');
  end if;
  insert into sample_more.entries as e (email) values (private.normalize_email(entry ->> 'email'))
  on conflict on constraint entries_email do update set submission_count = e.submission_count + 1;
  return answer;
end
$$;
comment on function sample_more.add_entry(jsonb) is 'Takes one submission of an open form. Definer: the public has no right on the table.';
revoke execute on function sample_more.add_entry(jsonb) from public;
grant execute on function sample_more.add_entry(jsonb) to edge;

create function sample_more.add_entries(entries jsonb, first_line bigint) returns jsonb
  language sql volatile security definer
  set search_path = ''
  as $$
  with given as (
    select case
        when jsonb_typeof(line) = 'string' then line #>> '{}'
        when private.is_email(line ->> 'email') is not true then 'no_email'
      end as fault, private.normalize_email(line ->> 'email') as email, n
    from jsonb_array_elements(entries) with ordinality as l (line, n)
  ), added as (
    insert into sample_more.entries (email) select distinct g.email from given as g where g.fault is null
    on conflict on constraint entries_email do nothing
    returning email
  )
  select jsonb_build_object(
    'added', (select count(*) from added),
    'repeated', count(*) filter (where g.fault is null) - (select count(*) from added),
    'skipped', coalesce((select jsonb_object_agg(f.fault, f.count)
      from (select s.fault, count(*) from given as s where s.fault is not null group by s.fault) as f), '{}'),
    'bad_line', add_entries.first_line + min(g.n) filter (where g.fault is not null) - 1)
  from given as g
$$;
comment on function sample_more.add_entries(jsonb, bigint) is 'Takes entries of service_role, some lines at a time. Definer: servers may not insert entries otherwise.';
revoke execute on function sample_more.add_entries(jsonb, bigint) from public;
grant execute on function sample_more.add_entries(jsonb, bigint) to service_role;

-- For everybody.
create function sample_more.say(word text, change jsonb default '{}') returns text
  language plpgsql stable security definer
  set search_path = ''
  as $$
begin
  if word = 'x' then
    perform private.refuse(401, 'RG599', 'This word is not said', null, 'Send another one; there are many.');
  end if;
  return word;
end
$$;
comment on function sample_more.say(text, jsonb) is 'What was sent. Definer: the public may not call private.refuse.';
revoke execute on function sample_more.say(text, jsonb) from public;
grant execute on function sample_more.say(text, jsonb) to anon, authenticated, service_role;

-- migrate:down
drop function sample_more.say(text, jsonb);
drop function sample_more.add_entries(jsonb, bigint);
drop function sample_more.add_entry(jsonb);
delete from private.limit_rules where name = 'entries';
delete from private.mention_places where relation = 'sample_more.entries';
select private.untrack_changes('sample_more.entries');
drop table sample_more.entries;
