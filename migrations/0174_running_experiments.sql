-- 0174: running experiments, as the edge keeps them to assign units while the database cannot be reached.
-- migrate:up
-- The first of so many steps, counted from 0, that lies at or above a bound: by the comparison that private.variant_of makes, so
-- that whoever counts in steps needs no arithmetic of its own.
create function private.first_step(bound double precision, steps int) returns int
  language sql immutable
  set search_path = ''
  as $$
select min(n)
from generate_series(floor(bound * steps)::int - 1, floor(bound * steps)::int + 2) as n
where n::double precision / steps >= bound
$$;

create function edge.running_experiments() returns jsonb
  language sql stable security definer
  set search_path = ''
  as $$
select coalesce(jsonb_agg(jsonb_build_object(
  'id', x.id, 'name', x.name, 'bucket_version', x.bucket_version, 'unit', x.unit, 'hash_seed', x.hash_seed,
  'hash_version', x.hash_version, 'control', x.control_variant ->> 'id', 'variants', ranges.all,
  'namespace', case when x.namespace is not null then jsonb_build_object(
    'id', x.namespace ->> 'id',
    'from', private.first_step((x.namespace ->> 'start')::double precision, 1000),
    'to', private.first_step((x.namespace ->> 'end')::double precision, 1000)
  ) end,
  'countries', x.targeting_rules -> 'countries', 'exclude_countries', x.targeting_rules -> 'exclude_countries'
) order by x.id), '[]')
from experiments.experiments as x
cross join lateral (
  select jsonb_agg(jsonb_build_object(
    'id', variant.id,
    'from', private.first_step(variant.below, variant.steps),
    'to', private.first_step(variant.below + x.traffic_percentage::double precision / 100 * variant.weight, variant.steps)
  ) order by variant.position) as all
  from (
    select v.value ->> 'id' as id, (v.value ->> 'weight')::double precision as weight, v.position,
      case x.hash_version when 1 then 1000 else 10000 end as steps,
      -- Added up in their order, as private.variant_of does.
      coalesce(sum((v.value ->> 'weight')::double precision) over (
        order by v.position rows between unbounded preceding and 1 preceding
      ), 0) as below
    from jsonb_array_elements(jsonb_build_array(x.control_variant) || x.test_variants) with ordinality as v (value, position)
  ) as variant
) as ranges
where x.status = 'running' and x.is_active
  and coalesce(x.start_date <= now(), true) and coalesce(x.end_date > now(), true)
$$;
comment on function edge.running_experiments() is
  'What decides who is in which variant, in steps of the hash. Definer: the edge has no right on the table, and keeps this in its memory.';
revoke execute on function private.first_step(double precision, int) from public;
revoke execute on function edge.running_experiments() from public;
grant execute on function edge.running_experiments() to edge;

-- migrate:down
drop function edge.running_experiments();
drop function private.first_step(double precision, int);
