-- 0490: person. Exports and erases what observatory stores about a user. A project that others write in goes on under one of them.
-- migrate:up
-- The tables of the system with rows of users, and the column that says whose; children first. Rollups are not among them: they go with
-- what they count.
create function private.observatory_tables(out relation regclass, out owner name) returns setof record
  language sql stable
  set search_path = ''
  as $$
select c.oid::regclass, a.attname
from pg_catalog.pg_class as c
inner join pg_catalog.pg_attribute as a
  on a.attrelid = c.oid and a.attname in ('owner_id', 'user_id', 'created_by', 'invited_by') and not a.attisdropped
where (c.relnamespace = 'observatory'::regnamespace or c.oid = any (
    array['private.otel_events', 'private.otel_sessions', 'private.reprice_receipts']::regclass[]
  ))
  and c.relkind in ('r', 'p') and not c.relispartition
  and c.relname !~ '_rollups$'
order by array_position(
  array['tool_calls', 'messages', 'conversations', 'project_paths', 'project_members', 'projects']::name[], c.relname
) nulls first, c.relname
$$;
revoke execute on function private.observatory_tables() from public;

-- Tables with the rows of conversations, which may be so many that an erasure hides them at once and leaves the rest to the job purge_observatory.
create function private.large_observatory_tables() returns regclass[]
  language sql stable
  set search_path = ''
  as $$
select array[
  'observatory.messages', 'observatory.tool_calls', 'observatory.git_links', 'observatory.hook_events', 'observatory.ingest_files',
  'observatory.session_files', 'observatory.usage_records'
]::regclass[]
$$;
revoke execute on function private.large_observatory_tables() from public;

-- Gives a project to another user. It keeps its name, unless that user has a project of the name.
create function private.hand_over_project(project_id uuid, to_user uuid) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  delete from observatory.project_paths as w
  using observatory.projects as p
  where p.id = hand_over_project.project_id and w.project_id = p.id and w.owner_id = p.owner_id;
  for attempt in 1..1000 loop
    begin
      update observatory.projects as p
      set owner_id = hand_over_project.to_user, root_path = null,
        name = left(p.name, 110) || case when attempt > 1 then ' ' || attempt else '' end
      where p.id = hand_over_project.project_id;
      return;
    exception
      when unique_violation then
        null;
    end;
  end loop;
end
$$;
revoke execute on function private.hand_over_project(uuid, uuid) from public;

-- Erases what observatory stores about users, and returns the number of rows by table.
create function private.erase_observatory_users(users uuid[]) returns jsonb
  language plpgsql volatile
  set search_path = ''
  -- By index, also where projects are believed to have most of the rows.
  set enable_seqscan = off
  set jit = off
  as $$
declare
  one record;
  rows_ bigint;
  counts jsonb := '{}';
  going uuid[];
  taken bigint := 0;
  is_large boolean;
begin
  for one in select u.id from unnest(users) as u (id) order by u.id loop
    perform private.lock_observatory_owner(one.id);
  end loop;
  -- To the longest-standing other owner, or else editor.
  for one in
    select p.id, (
      select m.user_id
      from observatory.project_members as m
      where m.project_id = p.id and m.role <> 'viewer' and m.user_id <> all (users)
      order by m.role <> 'owner', m.created_at, m.user_id
      limit 1
    ) as heir
    from observatory.projects as p
    where p.owner_id = any (users) and p.deleted_at is null
    order by p.id
  loop
    if one.heir is not null then
      perform private.hand_over_project(one.id, one.heir);
    end if;
  end loop;
  for one in select t.relation, t.owner from private.observatory_tables() as t loop
    execute format('select count(*) from %s as t where t.%I = any ($1)', one.relation, one.owner) into rows_ using users;
    counts := counts || jsonb_build_object(one.relation::text, rows_ + coalesce((counts ->> one.relation::text)::bigint, 0));
  end loop;
  -- These projects take along what others have sent to them, such as former members.
  going := array(select p.id from observatory.projects as p where p.owner_id = any (users));
  for one in select t.relation from unnest(private.large_observatory_tables()) as t (relation) loop
    execute format('select count(*) from (select from %s as t where t.project_id = any ($1) limit 50001) as o', one.relation)
      into rows_ using going;
    taken := taken + rows_;
    exit when taken > 50000;
  end loop;
  -- Rows or, of files, megabytes.
  is_large := taken > 50000
    or (select sum((counts ->> t.relation::text)::bigint) from unnest(private.large_observatory_tables()) as t (relation)) > 50000
    or (select sum(f.byte_offset) from observatory.ingest_files as f where f.owner_id = any (users) or f.project_id = any (going)) > 500000000
    or (select sum(f.bytes) from observatory.session_files as f where f.owner_id = any (users) or f.project_id = any (going)) > 500000000;
  if is_large then
    for one in select p.id from observatory.projects as p where p.owner_id = any (users) order by p.id loop
      perform private.hide_project(one.id);
    end loop;
    perform private.hide_conversations(array(
      select c.id from observatory.conversations as c where c.owner_id = any (users) order by c.id
    ));
  end if;
  for one in select t.relation, t.owner from private.observatory_tables() as t loop
    -- Hidden rows keep their owner until the job deletes them.
    continue when is_large and one.relation = any (
      private.large_observatory_tables() || array['observatory.conversations', 'observatory.projects']::regclass[]
    );
    if one.relation = 'observatory.project_members'::regclass then
      delete from observatory.project_members as m
      where m.user_id = any (users)
        and not exists (select from observatory.projects as p where p.id = m.project_id and p.owner_id = m.user_id);
    elsif one.relation = 'private.reprice_receipts'::regclass then
      -- A receipt explains sums of the project, and stays with it.
      update private.reprice_receipts as r set user_id = null where r.user_id = any (users);
    else
      execute format('delete from %s as t where t.%I = any ($1)', one.relation, one.owner) using users;
    end if;
  end loop;
  -- No conversation has taken these.
  delete from observatory.hook_events as e where e.owner_id = any (users) and e.conversation_id is null;
  update observatory.project_members as m set added_by = null where m.added_by = any (users) and m.added_by <> m.user_id;
  return counts;
end
$$;
revoke execute on function private.erase_observatory_users(uuid[]) from public;

-- Hook: an account was deleted.
create function private.erase_observatory_account(account jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  return private.erase_observatory_users(array[(account ->> 'id')::uuid]);
end
$$;
revoke execute on function private.erase_observatory_account(jsonb) from public;

-- Hook: erases a person's rows, and counts them by table.
create function private.observatory_erase(person jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  return private.erase_observatory_users(private.texts(person -> 'users')::uuid[]);
end
$$;
revoke execute on function private.observatory_erase(jsonb) from public;

-- Hook: a person's rows, by table, the latest first. Transcripts can be downloaded.
create function private.observatory_export(person jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  users constant uuid[] := private.texts(person -> 'users')::uuid[];
  one record;
  all_ jsonb := '{"left_off": {}}';
begin
  for one in
    select t.relation, t.owner, coalesce((
      select a.attname
      from pg_catalog.pg_attribute as a
      where a.attrelid = t.relation and a.attname in ('created_at', 'at', 'occurred_at') and not a.attisdropped
      order by array_position(array['created_at', 'at', 'occurred_at']::name[], a.attname)
      limit 1
    ), 'id') as newest
    from private.observatory_tables() as t
  loop
    all_ := private.export_rows(
      all_, one.relation::text, 'to_jsonb(t)', format('%s as t where t.%I = any ($1::uuid[])', one.relation, one.owner),
      format('t.%I desc, t.id', one.newest), users::text[]
    );
  end loop;
  return all_;
end
$$;
revoke execute on function private.observatory_export(jsonb) from public;

-- Hook: counts what stays: entries of audit chains, which nobody can change.
create function private.observatory_kept(person jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return jsonb_build_object('private.observatory_audit', (
    select count(*) from private.observatory_audit as a where a.actor = any (private.texts(person -> 'users')::uuid[])
  ));
end
$$;
revoke execute on function private.observatory_kept(jsonb) from public;

-- Hook: the ids of a person's own rows, by table; of large tables, of those that name the person.
create function private.observatory_rows_of(person jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  users constant uuid[] := private.texts(person -> 'users')::uuid[];
  keys constant text[] := private.contact_keys(private.contacts_of(person));
  one record;
  ids jsonb;
  all_ jsonb := '{}';
begin
  for one in
    select t.relation, t.owner, p.keys
    from private.observatory_tables() as t
    inner join private.mention_places as p on p.relation = t.relation::text
  loop
    execute format(
      'select coalesce(jsonb_agg(t.id), ''[]'') from %s as t where (%s) && $1 and t.%I = any ($2)', one.relation, one.keys, one.owner
    ) into ids using keys, users;
    all_ := all_ || jsonb_build_object(one.relation::text, ids);
  end loop;
  return all_;
end
$$;
revoke execute on function private.observatory_rows_of(jsonb) from public;

insert into private.hooks (system, event, function) values
('observatory', 'account_erased', 'private.erase_observatory_account'),
('observatory', 'person_rows', 'private.observatory_rows_of'),
('observatory', 'person_export', 'private.observatory_export'),
('observatory', 'person_kept', 'private.observatory_kept'),
('observatory', 'person_erase', 'private.observatory_erase');

-- The same for service_role, where another system has the accounts.
create function observatory.erase_user(user_id uuid) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
begin
  perform private.mark_erased(erase_user.user_id);
  return private.erase_observatory_users(array[erase_user.user_id]);
end
$$;
comment on function observatory.erase_user(uuid) is
  'Erases what observatory stores about a user. Definer: it reaches tables of the schema private; for service_role only.';
revoke execute on function observatory.erase_user(uuid) from public;
grant execute on function observatory.erase_user(uuid) to service_role;

-- migrate:down
drop function observatory.erase_user(uuid);
delete from private.hooks
where system = 'observatory' and event in ('account_erased', 'person_rows', 'person_export', 'person_kept', 'person_erase');
drop function private.observatory_rows_of(jsonb);
drop function private.observatory_kept(jsonb);
drop function private.observatory_export(jsonb);
drop function private.observatory_erase(jsonb);
drop function private.erase_observatory_account(jsonb);
drop function private.erase_observatory_users(uuid[]);
drop function private.hand_over_project(uuid, uuid);
drop function private.large_observatory_tables();
drop function private.observatory_tables();
