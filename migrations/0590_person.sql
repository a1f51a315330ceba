-- 0590: person. Exports and erases what assistant stores about somebody: their memberships, and everything that refers to these. A tenant's
-- own sums of usage stay; they name nobody.
-- migrate:up
-- The tables whose rows belong to members, by the catalog: `joins` is the condition between a row t and its member u; `is_kept` says that a row
-- stays without its member. Messages belong to the member whose conversation they are in.
create function private.assistant_tables(out relation regclass, out joins text, out is_kept boolean) returns setof record
  language sql stable
  set search_path = ''
  as $$
-- Of a table that names two members in a row, either of them.
select own.conrelid::regclass, '(' || string_agg(own.joins, ' or ' order by own.joins) || ')', bool_and(own.is_kept)
from (
  select r.conrelid, '(' || string_agg(format('t.%I = u.%I', a.attname, b.attname), ' and ' order by k.at) || ')' as joins, r.confdeltype = 'n' as is_kept
  from pg_catalog.pg_constraint as r
  cross join lateral unnest(r.conkey, r.confkey) with ordinality as k (child, parent, at)
  inner join pg_catalog.pg_attribute as a on a.attrelid = r.conrelid and a.attnum = k.child
  inner join pg_catalog.pg_attribute as b on b.attrelid = r.confrelid and b.attnum = k.parent
  where r.contype = 'f' and r.confrelid = 'assistant.users'::regclass and r.conrelid <> 'private.former_members'::regclass
  group by r.oid, r.conrelid
) as own
group by own.conrelid
union all
select 'assistant.users'::regclass, 't.id = u.id', false
$$;
revoke execute on function private.assistant_tables() from public;

-- The members and invitations that have one of a person's addresses.
create function private.members_named(person jsonb) returns uuid[]
  language plpgsql stable
  set search_path = ''
  as $$
declare
  addresses constant text[] := array(
    select distinct private.normalize_email(e) from unnest(private.texts(coalesce(person -> 'emails', '[]'))) as e
    where private.normalize_email(e) is not null
  );
begin
  return array(select u.id from assistant.users as u where private.normalize_email(u.email) = any (addresses));
end
$$;
revoke execute on function private.members_named(jsonb) from public;

-- The members that a person is, has been or is invited as. By an address only invitations that nobody took, and active members whose account this
-- database does not have. Of other members the account is known or they are gone: the address may be somebody else's by now.
create function private.members_of(person jsonb) returns uuid[]
  language plpgsql stable
  set search_path = ''
  as $$
declare
  accounts constant uuid[] := private.texts(coalesce(person -> 'users', '[]'))::uuid[];
  members uuid[];
  named uuid[];
  known uuid[];
begin
  members := array(select u.id from assistant.users as u where u.auth_id = any (accounts));
  members := members || array(select f.member_id from private.former_members as f where f.auth_id = any (accounts));
  named := private.members_named(person);
  members := members || array(
    select u.id from assistant.users as u where u.id = any (named) and u.auth_id is null and u.last_active_at is null
  );
  named := array(select u.id from assistant.users as u where u.id = any (named) and u.auth_id is not null and u.is_active);
  if to_regclass('auth.users') is not null then
    execute 'select array(
      select u.id from assistant.users as u
      where u.id = any ($1) and exists (select from auth.users as a where a.id = u.auth_id offset 0)
    )' into known using named;
  end if;
  members := members || array(select n.id from unnest(named) as n (id) where n.id <> all (coalesce(known, '{}')));
  return array(select distinct m.id from unnest(members) as m (id) order by m.id);
end
$$;
revoke execute on function private.members_of(jsonb) from public;

-- Hook: the members who have a person's address and may be somebody else by now.
create function private.assistant_found(person jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  members constant uuid[] := private.members_of(person);
begin
  return jsonb_build_object('unproven', jsonb_strip_nulls(jsonb_build_object('members', (
    select jsonb_agg(m.id order by m.id) from unnest(private.members_named(person)) as m (id) where m.id <> all (members)
  ))));
end
$$;
revoke execute on function private.assistant_found(jsonb) from public;

-- Erases members with all their rows, and returns the number of rows by table.
create function private.erase_members(members uuid[]) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  one record;
  rows_ bigint;
  counts jsonb := '{}';
begin
  for one in
    select distinct u.tenant_id from assistant.users as u where u.id = any (members) order by u.tenant_id
  loop
    perform private.lock_tenant(one.tenant_id);
  end loop;
  for one in select t.relation, t.joins from private.assistant_tables() as t loop
    execute format('select count(*) from assistant.users as u inner join %s as t on %s where u.id = any ($1)', one.relation, one.joins)
      into rows_ using members;
    counts := counts || jsonb_build_object(one.relation::text, rows_);
  end loop;
  counts := counts || jsonb_build_object('assistant.messages', (
    select count(*)
    from assistant.users as u
    inner join assistant.conversations as c on c.tenant_id = u.tenant_id and c.user_id = u.id
    inner join assistant.messages as m on m.conversation_id = c.id
    where u.id = any (members)
  ));
  delete from assistant.users as u where u.id = any (members);
  return counts;
end
$$;
revoke execute on function private.erase_members(uuid[]) from public;

-- Hook: an account was deleted.
create function private.erase_assistant_account(account jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  return private.erase_members(private.members_of(jsonb_build_object('users', jsonb_build_array(account ->> 'id'))));
end
$$;
revoke execute on function private.erase_assistant_account(jsonb) from public;

-- Hook: erases a person's rows, and counts them by table. At most a part of them, from one table; the members, by whom the others are found, and
-- everything else go when there is no more than one part of all.
create function private.assistant_erase(person jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  members constant uuid[] := private.members_of(person);
  most constant int := 10000;
  one record;
  rows_ tid[];
  total bigint := 0;
  left_ jsonb := '{}';
begin
  for one in select distinct u.tenant_id from assistant.users as u where u.id = any (members) order by u.tenant_id loop
    perform private.lock_tenant(one.tenant_id);
  end loop;
  for one in
    select
      'assistant.messages' as relation, 'delete from assistant.messages as t' as remedy,
      'inner join assistant.conversations as c on c.tenant_id = u.tenant_id and c.user_id = u.id
       inner join assistant.messages as t on t.conversation_id = c.id' as source, 1 as place
    union all
    select
      t.relation::text, format(case when t.is_kept then 'update %s as t set user_id = null' else 'delete from %s as t' end, t.relation),
      format('inner join %s as t on %s', t.relation, t.joins), 2
    from private.assistant_tables() as t where t.relation <> 'assistant.users'::regclass
    order by place, relation
  loop
    -- By their places, which no other row gets while this statement runs: some of the tables have no id. A row that somebody changes
    -- meanwhile is left to the next call.
    execute format('select array(select t.ctid from assistant.users as u %s where u.id = any ($1) limit $2)', one.source) into rows_ using members, 2 * most;
    total := total + cardinality(rows_);
    if total > most then
      execute format('%s where t.ctid = any ($1)', one.remedy) using rows_[:most];
      left_ := left_ || jsonb_build_object(one.relation, nullif(greatest(0, cardinality(rows_) - most), 0));
      return jsonb_build_object(one.relation, least(cardinality(rows_), most), 'left', jsonb_strip_nulls(left_));
    end if;
    left_ := left_ || jsonb_build_object(one.relation, nullif(cardinality(rows_), 0));
  end loop;
  return private.erase_members(members);
end
$$;
revoke execute on function private.assistant_erase(jsonb) from public;

-- Hook: a person's rows, by table: of each at most 10,000, and of messages the latest 10,000. What is left off is counted.
create function private.assistant_export(person jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  members constant uuid[] := private.members_of(person);
  one record;
  all_ jsonb := '{"left_off": {}}';
begin
  for one in
    select t.relation, format('assistant.users as u inner join %s as t on %s', t.relation, t.joins) as source, '1' as rank
    from private.assistant_tables() as t
    union all
    select
      'assistant.messages'::regclass,
      'assistant.users as u
       inner join assistant.conversations as c on c.tenant_id = u.tenant_id and c.user_id = u.id
       inner join assistant.messages as t on t.conversation_id = c.id',
      't.created_at desc'
  loop
    all_ := private.export_rows(
      all_, one.relation::text, 'to_jsonb(t)', format('%s where u.id = any ($1::uuid[])', one.source), one.rank, members::text[]
    );
  end loop;
  return all_;
end
$$;
revoke execute on function private.assistant_export(jsonb) from public;

-- Hook: the ids of a person's own rows that name the person, by table.
create function private.assistant_rows_of(person jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  members constant uuid[] := private.members_of(person);
  keys constant text[] := private.contact_keys(private.contacts_of(person));
  one record;
  ids jsonb;
  all_ jsonb := '{}';
begin
  for one in
    select t.relation, t.joins, p.keys
    from private.assistant_tables() as t
    inner join private.mention_places as p on p.relation = t.relation::text
    union all
    select 'assistant.messages'::regclass, 'exists (
      select from assistant.conversations as c where c.id = t.conversation_id and c.tenant_id = u.tenant_id and c.user_id = u.id
    )', p.keys
    from private.mention_places as p where p.relation = 'assistant.messages'
  loop
    execute format(
      'select coalesce(jsonb_agg(t.id), ''[]'') from (select t.* from %s as t where (%s) && $1) as t
       inner join assistant.users as u on u.id = any ($2) and %s',
      one.relation, one.keys, one.joins
    ) into ids using keys, members;
    all_ := all_ || jsonb_build_object(one.relation::text, ids);
  end loop;
  return all_;
end
$$;
revoke execute on function private.assistant_rows_of(jsonb) from public;

insert into private.hooks (system, event, function) values
('assistant', 'account_erased', 'private.erase_assistant_account'),
('assistant', 'person_found', 'private.assistant_found'),
('assistant', 'person_rows', 'private.assistant_rows_of'),
('assistant', 'person_export', 'private.assistant_export'),
('assistant', 'person_erase', 'private.assistant_erase');

-- The same for service_role, where another system has the accounts.
create function assistant.erase_user(user_id uuid) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
begin
  perform private.mark_erased(erase_user.user_id);
  return private.erase_assistant_account(jsonb_build_object('id', erase_user.user_id));
end
$$;
comment on function assistant.erase_user(uuid) is
  'Erases what assistant stores about an account. Definer: it reaches tables of the schema private; for service_role only.';
revoke execute on function assistant.erase_user(uuid) from public;
grant execute on function assistant.erase_user(uuid) to service_role;

-- migrate:down
drop function assistant.erase_user(uuid);
delete from private.hooks where system = 'assistant' and event in ('account_erased', 'person_found', 'person_rows', 'person_export', 'person_erase');
drop function private.assistant_rows_of(jsonb);
drop function private.assistant_export(jsonb);
drop function private.assistant_erase(jsonb);
drop function private.erase_assistant_account(jsonb);
drop function private.erase_members(uuid[]);
drop function private.assistant_found(jsonb);
drop function private.members_of(jsonb);
drop function private.members_named(jsonb);
drop function private.assistant_tables();
