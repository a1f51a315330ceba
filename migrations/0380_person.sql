-- 0380: person. Exports and erases everything that flashfusion stores about a user, in every table of the schema; and keeps what the law
-- wants kept: subscriptions, and what was used in a month.
-- migrate:up
-- The tables of the schema whose rows belong to a user by user_id; children before projects, so that each row is counted where it is.
create function private.flashfusion_tables() returns setof regclass
  language sql stable
  set search_path = ''
  as $$
select c.oid::regclass
from pg_catalog.pg_class as c
inner join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attname = 'user_id' and not a.attisdropped
where c.relnamespace = 'flashfusion'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
order by c.relname = 'projects', c.relname
$$;
revoke execute on function private.flashfusion_tables() from public;

-- The customers of users at Stripe.
create function private.customers_of(users uuid[]) returns text[]
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return array(select c.stripe_customer_id from private.billing_customers as c where c.user_id = any (users));
end
$$;
revoke execute on function private.customers_of(uuid[]) from public;

-- Erases what flashfusion stores about users, and returns the number of rows by table. The records of what was sold stay; of Stripe's
-- events only which came.
create function private.erase_flashfusion_users(users uuid[]) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  relation regclass;
  one uuid;
  rows_ bigint;
  counts jsonb := '{}';
begin
  for one in select u.id from unnest(users) as u (id) order by u.id loop
    perform private.lock_flashfusion_user(one);
  end loop;
  -- First: a generation that ends meanwhile stores its usage before, or not at all. In the order of flashfusion.finish_generation: the
  -- generation, then its reservation.
  perform from flashfusion.code_generations as g
  where g.id = any (array(select r.generation_id from private.generation_reservations as r where r.user_id = any (users)))
  order by g.id for update;
  delete from private.generation_reservations as r where r.user_id = any (users);
  for relation in select t from private.flashfusion_tables() as t loop
    continue when relation = 'flashfusion.billing'::regclass;
    execute format('delete from %s where user_id = any ($1)', relation) using users;
    get diagnostics rows_ = row_count;
    counts := counts || jsonb_build_object(relation::text, rows_);
  end loop;
  -- After their tasks, as at the end of a task.
  delete from private.task_heads as h where h.user_id = any (users);
  delete from flashfusion.users as u where u.id = any (users);
  get diagnostics rows_ = row_count;
  counts := counts || jsonb_build_object('flashfusion.users', rows_);
  update private.billing_events as e
  set payload = '{}', fetched = null, due_at = null, processed_at = coalesce(e.processed_at, now())
  where e.customer_id = any (private.customers_of(users)) and e.payload <> '{}';
  get diagnostics rows_ = row_count;
  return counts || jsonb_build_object('private.billing_events', rows_);
end
$$;
revoke execute on function private.erase_flashfusion_users(uuid[]) from public;

-- Hook: an account was deleted.
create function private.erase_flashfusion_account(account jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  return private.erase_flashfusion_users(array[(account ->> 'id')::uuid]);
end
$$;
revoke execute on function private.erase_flashfusion_account(jsonb) from public;

-- Hook: erases a person's rows, and counts them by table. At most a part of them, from one table; the user's row, by which the user is found, and
-- everything else go when there is no more than one part of all.
create function private.flashfusion_erase(person jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  users constant uuid[] := private.texts(person -> 'users')::uuid[];
  most constant int := 10000;
  one record;
  ids uuid[];
  total bigint := 0;
  left_ jsonb := '{}';
begin
  for one in select u.id from unnest(users) as u (id) order by u.id loop
    perform private.lock_flashfusion_user(one.id);
  end loop;
  for one in select t.relation from private.flashfusion_tables() as t (relation) where t.relation <> 'flashfusion.billing'::regclass loop
    execute format('select array(select t.id from %s as t where t.user_id = any ($1) limit $2)', one.relation) into ids using users, 2 * most;
    total := total + cardinality(ids);
    if total > most then
      execute format('delete from %s as t where t.id = any ($1) and t.user_id = any ($2)', one.relation) using ids[:most], users;
      left_ := left_ || jsonb_build_object(one.relation::text, nullif(greatest(0, cardinality(ids) - most), 0));
      return jsonb_build_object(one.relation::text, least(cardinality(ids), most), 'left', jsonb_strip_nulls(left_));
    end if;
    left_ := left_ || jsonb_build_object(one.relation::text, nullif(cardinality(ids), 0));
  end loop;
  return private.erase_flashfusion_users(users);
end
$$;
revoke execute on function private.flashfusion_erase(jsonb) from public;

-- Hook: a person's rows, by table.
create function private.flashfusion_export(person jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  users constant uuid[] := private.texts(person -> 'users')::uuid[];
  customers constant text[] := private.customers_of(users);
  one record;
  all_ jsonb := jsonb_build_object('left_off', '{}'::jsonb, 'private.billing_customers', to_jsonb(customers));
begin
  for one in
    select t.relation::text, 'to_jsonb(t)' as expression, 't.user_id = any ($1::uuid[])' as condition, 't.id' as rank, users::text[] as keys
    from private.flashfusion_tables() as t (relation)
    union all
    values
      ('flashfusion.users', 'to_jsonb(t)', 't.id = any ($1::uuid[])', 't.id', users::text[]),
      (
        'private.billing_events', 'jsonb_build_object(''received_at'', t.received_at, ''type'', t.type, ''payload'', t.payload)',
        't.customer_id = any ($1)', 't.id', customers
      )
  loop
    all_ := private.export_rows(
      all_, one.relation, one.expression, format('%s as t where %s', one.relation, one.condition), one.rank, one.keys
    );
  end loop;
  return all_;
end
$$;
revoke execute on function private.flashfusion_export(jsonb) from public;

-- Hook: counts what stays.
create function private.flashfusion_kept(person jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  users constant uuid[] := private.texts(person -> 'users')::uuid[];
  customers constant text[] := private.customers_of(users);
begin
  return jsonb_build_object(
    'flashfusion.billing', (select count(*) from flashfusion.billing as b where b.user_id = any (users)),
    'private.usage_totals', (select count(*) from private.usage_totals as t where t.user_id = any (users)),
    'private.billing_customers', cardinality(customers),
    'private.billing_events', (select count(*) from private.billing_events as e where e.customer_id = any (customers))
  );
end
$$;
revoke execute on function private.flashfusion_kept(jsonb) from public;

-- Hook: the ids of a person's own rows, by table.
create function private.flashfusion_rows_of(person jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  users constant uuid[] := private.texts(person -> 'users')::uuid[];
  relation regclass;
  ids jsonb;
  all_ jsonb;
begin
  all_ := jsonb_build_object(
    'flashfusion.users', person -> 'users',
    'private.billing_events', to_jsonb(array(
      select e.id from private.billing_events as e where e.customer_id = any (private.customers_of(users))
    ))
  );
  for relation in select t from private.flashfusion_tables() as t loop
    execute format('select coalesce(jsonb_agg(t.id), ''[]'') from %s as t where t.user_id = any ($1)', relation) into ids using users;
    all_ := all_ || jsonb_build_object(relation::text, ids);
  end loop;
  return all_;
end
$$;
revoke execute on function private.flashfusion_rows_of(jsonb) from public;

insert into private.hooks (system, event, function) values
('flashfusion', 'account_erased', 'private.erase_flashfusion_account'),
('flashfusion', 'person_rows', 'private.flashfusion_rows_of'),
('flashfusion', 'person_export', 'private.flashfusion_export'),
('flashfusion', 'person_kept', 'private.flashfusion_kept'),
('flashfusion', 'person_erase', 'private.flashfusion_erase');

-- The same for service_role, where another system has the accounts.
create function flashfusion.erase_user(user_id uuid) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
begin
  perform private.mark_erased(erase_user.user_id);
  return private.erase_flashfusion_users(array[erase_user.user_id]);
end
$$;
comment on function flashfusion.erase_user(uuid) is
  'Erases what flashfusion stores about a user. Definer: it reaches tables of the schema private; for service_role only.';
revoke execute on function flashfusion.erase_user(uuid) from public;
grant execute on function flashfusion.erase_user(uuid) to service_role;

-- Trigger before each insert and update: a user whom service_role has deactivated changes nothing. Reading and deleting their own
-- rows is left to them.
create function private.refuse_deactivated() returns trigger
  language plpgsql
  -- Definer: request roles may call nothing in the schema private.
  security definer
  set search_path = ''
  as $$
declare
  caller constant uuid := private.user_id();
begin
  -- Without a query where nobody calls: workers write here all the time.
  if caller is null then
    return null;
  end if;
  if exists (select from flashfusion.users as u where u.id = caller and not u.is_active) then
    perform private.refuse(403, 'RG632', 'This account is deactivated', null, 'Ask the operator.');
  end if;
  return null;
end
$$;

do $$
declare
  relation regclass;
begin
  for relation in select t from private.flashfusion_tables() as t loop
    execute format(
      'create trigger %I before insert or update%s on %s for each statement execute function private.refuse_deactivated()',
      (select c.relname || '_active' from pg_catalog.pg_class as c where c.oid = relation),
      -- As for erased users: workers update tasks all the time, and name none of these columns.
      case when relation = 'flashfusion.agent_tasks'::regclass then ' of id, user_id, idempotency_key' else '' end, relation
    );
  end loop;
end
$$;

-- migrate:down
drop function private.refuse_deactivated() cascade;
drop function flashfusion.erase_user(uuid);
delete from private.hooks
where system = 'flashfusion' and event in ('account_erased', 'person_rows', 'person_export', 'person_kept', 'person_erase');
drop function private.flashfusion_rows_of(jsonb);
drop function private.flashfusion_kept(jsonb);
drop function private.flashfusion_export(jsonb);
drop function private.flashfusion_erase(jsonb);
drop function private.erase_flashfusion_account(jsonb);
drop function private.erase_flashfusion_users(uuid[]);
drop function private.customers_of(uuid[]);
drop function private.flashfusion_tables();
