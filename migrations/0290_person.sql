-- 0290: person. Exports and erases everything that clixen stores about a user, in every table of the schema. Nothing of it is kept.
-- migrate:up
-- The tables with rows of users, `source` to select them from and the column `owner` that says whose: all of the schema, and the copies of what
-- was deployed.
create function private.clixen_tables(out relation regclass, out source text, out owner text) returns setof record
  language sql stable
  set search_path = ''
  as $$
select c.oid::regclass, format('%s as t', c.oid::regclass), 't.' || a.attname
from pg_catalog.pg_class as c
inner join pg_catalog.pg_attribute as a on a.attrelid = c.oid and not a.attisdropped
where c.relnamespace = 'clixen'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
  and a.attname = case when c.relname = 'user_profiles' then 'id' else 'user_id' end
union all
select
  'private.deployment_runs'::regclass, '(
    select r.id, r.workflow_id, r.workflow, r.workflow_version, r.of_version, d.created_at, d.user_id
    from private.deployment_runs as r
    inner join clixen.deployments as d on d.id = r.deployment_id
  ) as t', 't.user_id'
$$;
revoke execute on function private.clixen_tables() from public;

-- Hook: erases a person's rows, and counts them by table. Of what a user makes in large numbers at most a part; the profile, by which the user is
-- found, and everything else goes when there is no more than one part of it.
create function private.clixen_erase(person jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  users constant uuid[] := private.texts(person -> 'users')::uuid[];
  one record;
  ids uuid[];
begin
  for one in select u.id from unnest(users) as u (id) order by u.id loop
    perform private.lock_user(one.id);
  end loop;
  for one in
    values ('clixen.telemetry_events', 20000), ('clixen.mvp_chat_messages', 10000), ('clixen.mvp_chat_sessions', 2000)
  loop
    execute format('select array(select t.id from %s as t where t.user_id = any ($1) limit $2)', one.column1) into ids using users, 2 * one.column2;
    continue when cardinality(ids) <= one.column2;
    execute format('delete from %s as t where t.id = any ($1)', one.column1) using ids[:one.column2];
    return jsonb_build_object(one.column1, one.column2, 'left', jsonb_build_object(one.column1, cardinality(ids) - one.column2));
  end loop;
  return private.erase_clixen_users(users);
end
$$;
revoke execute on function private.clixen_erase(jsonb) from public;

-- Hook: a person's rows, by table, the latest first.
create function private.clixen_export(person jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  users constant uuid[] := private.texts(person -> 'users')::uuid[];
  one record;
  all_ jsonb := '{"left_off": {}}';
begin
  for one in select t.relation, t.source, t.owner from private.clixen_tables() as t order by t.relation::text loop
    all_ := private.export_rows(
      all_, one.relation::text, 'to_jsonb(t)', format('%s where %s = any ($1::uuid[])', one.source, one.owner), 't.created_at desc, t.id', users::text[]
    );
  end loop;
  return all_;
end
$$;
revoke execute on function private.clixen_export(jsonb) from public;

-- Hook: the ids of a person's own rows that name the person, by table.
create function private.clixen_rows_of(person jsonb) returns jsonb
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
    select t.relation, t.source, t.owner, p.keys
    from private.clixen_tables() as t
    inner join private.mention_places as p on p.relation = t.relation::text
  loop
    execute format(
      'select coalesce(jsonb_agg(t.id), ''[]'') from %s where (%s) && $1 and %s = any ($2)', one.source, one.keys, one.owner
    ) into ids using keys, users;
    all_ := all_ || jsonb_build_object(one.relation::text, ids);
  end loop;
  return all_;
end
$$;
revoke execute on function private.clixen_rows_of(jsonb) from public;

insert into private.hooks (system, event, function) values
('clixen', 'person_rows', 'private.clixen_rows_of'),
('clixen', 'person_export', 'private.clixen_export'),
('clixen', 'person_erase', 'private.clixen_erase');

-- migrate:down
delete from private.hooks where system = 'clixen' and event in ('person_rows', 'person_export', 'person_erase');
drop function private.clixen_rows_of(jsonb);
drop function private.clixen_export(jsonb);
drop function private.clixen_erase(jsonb);
drop function private.clixen_tables();
