-- 0141: experiment rules. Which variant a unit gets, by a hash that anybody can compute again, and what makes an experiment
-- valid. The edge caches the running experiments, to assign units while it cannot reach the database.
-- migrate:up
-- FNV-1a, 32 bits, over the UTF-16 code units, as GrowthBook's JavaScript computes it: charCodeAt gives those, two for a
-- character beyond U+FFFF. For ASCII they are the bytes. About 0.1 microseconds per byte of ASCII; unrolling the loop would halve
-- that, but is hard to read.
create function experiments.fnv1a32(value text) returns bigint
  language plpgsql immutable strict parallel safe
  set search_path = ''
  as $$
declare
  bytes constant bytea := convert_to(value, 'UTF8');
  hash bigint := 2166136261;
  letter text;
  point int;
begin
  if length(bytes) = char_length(value) then
    for i in 0 .. length(bytes) - 1 loop
      hash := ((hash # get_byte(bytes, i)) * 16777619) & 4294967295;
    end loop;
    return hash;
  end if;
  foreach letter in array string_to_array(value, null) loop
    point := ascii(letter);
    if point > 65535 then
      -- The high surrogate, then the low one.
      hash := ((hash # (55232 + point / 1024)) * 16777619) & 4294967295;
      point := 56320 + point % 1024;
    end if;
    hash := ((hash # point) * 16777619) & 4294967295;
  end loop;
  return hash;
end
$$;
comment on function experiments.fnv1a32(text) is 'FNV-1a of 32 bits over the UTF-16 code units of a text.';
revoke execute on function experiments.fnv1a32(text) from public;

create function experiments.hash(seed text, value text, version int) returns double precision
  language plpgsql immutable strict parallel safe
  set search_path = ''
  as $$
begin
  return case version
    when 1 then (experiments.fnv1a32(value || seed) % 1000)::double precision / 1000
    when 2 then (experiments.fnv1a32(experiments.fnv1a32(seed || value)::text) % 10000)::double precision / 10000
  end;
end
$$;
comment on function experiments.hash(text, text, int) is
  'GrowthBook''s hash of a unit: from 0 to below 1, in steps of a thousandth (version 1) or a ten-thousandth (version 2). Null for any other version.';
revoke execute on function experiments.hash(text, text, int) from public;

-- What is wrong with an experiment, as a sentence, beyond what check constraints can test; null if it is valid.
create function private.experiment_fault(e experiments.experiments) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  variant jsonb;
  rule record;
  ids text[] := '{}';
  total double precision := 0;
begin
  -- Before the constraint, whose message does not name the values.
  if e.status not in ('draft', 'running', 'paused', 'completed', 'archived') then
    return 'status must be draft, running, paused, completed or archived';
  end if;
  if jsonb_typeof(e.test_variants) is distinct from 'array' then
    return 'test_variants must be an array';
  end if;
  if jsonb_array_length(e.test_variants) not between 1 and 19 then
    return 'test_variants must have 1 to 19 variants';
  end if;
  for variant in select value from jsonb_array_elements(jsonb_build_array(e.control_variant) || e.test_variants) loop
    if jsonb_typeof(variant) <> 'object' then
      return 'A variant must be an object of id, weight and, if you like, name';
    end if;
    if variant - array['id', 'weight', 'name'] <> '{}' then
      return 'A variant has id, weight and name, and nothing else';
    end if;
    if jsonb_typeof(variant -> 'id') is distinct from 'string' or variant ->> 'id' !~ '^[^[:cntrl:]]{1,60}$' then
      return 'The id of a variant must be text of 1 to 60 characters';
    end if;
    if jsonb_typeof(coalesce(variant -> 'name', '"-"')) <> 'string' or coalesce(variant ->> 'name', '-') !~ '^[^[:cntrl:]]{1,120}$' then
      return 'The name of a variant must be text of 1 to 120 characters';
    end if;
    if jsonb_typeof(variant -> 'weight') is distinct from 'number' then
      return 'The weight of a variant must be a number';
    end if;
    if (variant ->> 'weight')::numeric not between 0.0001 and 1 then
      return 'The weight of a variant must be from 0.0001 to 1';
    end if;
    if variant ->> 'id' = any (ids) then
      return 'The ids of the variants must be different';
    end if;
    ids := ids || (variant ->> 'id');
    total := total + (variant ->> 'weight')::double precision;
  end loop;
  -- GrowthBook would replace weights below 0.99 in all by equal ones.
  if total not between 0.99 and 1 + 1e-9 then
    return 'The weights of all variants, with the control''s, must add up to 1';
  end if;
  if e.winner_variant_id <> all (ids) then
    return 'winner_variant_id must be the id of one of the variants';
  end if;

  if jsonb_typeof(e.targeting_rules) is distinct from 'object' then
    return 'targeting_rules must be an object';
  end if;
  for rule in select key, value from jsonb_each(e.targeting_rules) loop
    if rule.key not in ('countries', 'exclude_countries') then
      return 'targeting_rules knows countries and exclude_countries, and nothing else';
    end if;
    if jsonb_typeof(rule.value) <> 'array' then
      return format('targeting_rules.%s must be an array', rule.key);
    end if;
    if jsonb_array_length(rule.value) not between 1 and 300 or exists (
      select from jsonb_array_elements(rule.value) as country
      where jsonb_typeof(country.value) <> 'string' or country.value #>> '{}' !~ '^[A-Z][A-Z0-9]$'
    ) then
      return format('targeting_rules.%s must have 1 to 300 countries of two capital letters', rule.key);
    end if;
  end loop;

  if e.namespace is null then
    return null;
  end if;
  if jsonb_typeof(e.namespace) <> 'object' then
    return 'namespace must be an object of id, start and end';
  end if;
  if e.namespace - array['id', 'start', 'end'] <> '{}' then
    return 'namespace has id, start and end, and nothing else';
  end if;
  if jsonb_typeof(e.namespace -> 'id') is distinct from 'string' or e.namespace ->> 'id' !~ '^[^[:cntrl:]]{1,60}$' then
    return 'The id of a namespace must be text of 1 to 60 characters';
  end if;
  if jsonb_typeof(e.namespace -> 'start') is distinct from 'number' or jsonb_typeof(e.namespace -> 'end') is distinct from 'number' then
    return 'start and end of a namespace must be numbers';
  end if;
  -- The namespace's hash has steps of a thousandth.
  if (e.namespace ->> 'start')::numeric not between 0 and 0.999 or (e.namespace ->> 'end')::numeric not between 0.001 and 1
    or scale((e.namespace ->> 'start')::numeric) > 15 or scale((e.namespace ->> 'end')::numeric) > 15
    or (e.namespace ->> 'start')::numeric >= (e.namespace ->> 'end')::numeric then
    return 'start of a namespace must be from 0 to below end, and end at most 1, with at most 15 decimals';
  end if;
  return null;
end
$$;

-- What decides which unit is in which variant, except the coverage and the targeting rules.
create function private.experiment_buckets(e experiments.experiments) returns jsonb
  language sql immutable
  set search_path = ''
  as $$
select jsonb_build_array(e.hash_seed, e.hash_version, e.namespace, e.unit) || jsonb_agg(variant.value - 'name' order by variant.position)
from jsonb_array_elements(jsonb_build_array(e.control_variant) || e.test_variants) with ordinality as variant (value, position)
$$;

-- The variant of a unit by its hash alone: its id, or null if namespace, rules or coverage exclude the unit. In floating point
-- and in GrowthBook's order, so that every implementation agrees on every unit.
create function private.variant_of(e experiments.experiments, unit text, country text) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  coverage constant double precision := e.traffic_percentage::double precision / 100;
  variants constant jsonb := jsonb_build_array(e.control_variant) || e.test_variants;
  place double precision;
  below double precision := 0;
  weight double precision;
begin
  if e.namespace is not null then
    place := experiments.hash('__' || (e.namespace ->> 'id'), unit, 1);
    if place < (e.namespace ->> 'start')::double precision or place >= (e.namespace ->> 'end')::double precision then
      return null;
    end if;
  end if;
  if e.targeting_rules <> '{}' and (
    not coalesce(e.targeting_rules -> 'countries' ? country, not e.targeting_rules ? 'countries')
    or coalesce(e.targeting_rules -> 'exclude_countries' ? country, false)
  ) then
    return null;
  end if;

  place := experiments.hash(e.hash_seed, unit, e.hash_version);
  for i in 0 .. jsonb_array_length(variants) - 1 loop
    weight := (variants -> i ->> 'weight')::double precision;
    if place >= below and place < below + coverage * weight then
      return variants -> i ->> 'id';
    end if;
    below := below + weight;
  end loop;
  return null;
end
$$;

-- Trigger: checks an experiment, and sets what follows from a change. Definer: request roles may call nothing in this schema.
create function private.check_experiment() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
declare
  fault text;
  moved boolean;
begin
  new.hash_seed := coalesce(new.hash_seed, new.id::text);
  fault := private.experiment_fault(new);
  if fault is not null then
    perform private.refuse(422, 'RG557', 'The experiment is not valid', fault, 'Correct it and send it again.');
  end if;
  if new.status = 'running' then
    new.start_date := coalesce(new.start_date, now());
  end if;
  if tg_op = 'INSERT' then
    return new;
  end if;

  if new.status <> old.status and (old.status, new.status) not in (
    ('draft', 'running'), ('draft', 'archived'), ('running', 'paused'), ('running', 'completed'),
    ('paused', 'running'), ('paused', 'completed'), ('paused', 'archived'), ('completed', 'archived')
  ) then
    perform private.refuse(
      409, 'RG559', format('An experiment that is %s cannot be %s', old.status, new.status), null, 'Make another experiment.'
    );
  end if;
  moved := private.experiment_buckets(new) <> private.experiment_buckets(old);
  if moved and old.status in ('completed', 'archived') then
    perform private.refuse(
      409, 'RG559', 'An experiment that is over keeps its variants', 'Its results would be lost', 'Make another experiment.'
    );
  end if;
  -- Only this trigger changes the bucket version.
  new.bucket_version := old.bucket_version + case when moved and old.status <> 'draft' then 1 else 0 end;
  if new.status = 'completed' and old.status <> 'completed' then
    new.end_date := coalesce(new.end_date, now());
  end if;
  -- Later its events are deleted.
  if new.status in ('completed', 'archived') and old.status in ('running', 'paused') then
    new.results := private.results_of(new);
  end if;
  return new;
end
$$;
create trigger experiments_check before insert or update on experiments.experiments
  for each row execute function private.check_experiment();

-- Trigger: the ranges of running experiments in one namespace do not overlap, and are for one kind of unit. It runs after the
-- policies have accepted the row, so that a stranger cannot learn which ranges are taken. One lock for all namespaces: a range is
-- free only until another transaction takes it.
create function private.check_namespace() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
declare
  other text;
begin
  perform pg_advisory_xact_lock(hashtextextended('experiments.namespace', 150));
  select x.name into other
  from experiments.experiments as x
  where x.status = 'running' and x.namespace ->> 'id' = new.namespace ->> 'id' and x.id <> new.id
    and (
      x.unit <> new.unit
      or (x.namespace ->> 'start')::numeric < (new.namespace ->> 'end')::numeric
      and (new.namespace ->> 'start')::numeric < (x.namespace ->> 'end')::numeric
    )
  limit 1;
  if found then
    perform private.refuse(
      409, 'RG558', 'This part of the namespace is taken by another running experiment', other,
      'Choose another range, and the same unit; or pause the other one.'
    );
  end if;
  return null;
end
$$;
create trigger experiments_namespace after insert or update on experiments.experiments
  for each row when (new.status = 'running' and new.namespace is not null) execute function private.check_namespace();

-- The first of so many steps, counted from 0, at or above a bound, by the same comparison as private.variant_of: a caller that
-- works in steps needs no floating-point arithmetic.
create function private.first_step(bound double precision, steps int) returns int
  language sql immutable
  set search_path = ''
  as $$
select min(n)
from generate_series(floor(bound * steps)::int - 1, floor(bound * steps)::int + 2) as n
where n::double precision / steps >= bound
$$;
revoke execute on function private.first_step(double precision, int) from public;

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
      -- Added up in order, as private.variant_of does.
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
  'What decides which unit is in which variant, in steps of the hash. Definer: the edge has no right on the table; it caches the result.';
revoke execute on function edge.running_experiments() from public;
grant execute on function edge.running_experiments() to edge;

-- migrate:down
drop trigger experiments_namespace on experiments.experiments;
drop trigger experiments_check on experiments.experiments;
drop function edge.running_experiments();
drop function private.first_step(double precision, int);
drop function private.check_namespace();
drop function private.check_experiment();
drop function private.variant_of(experiments.experiments, text, text);
drop function private.experiment_buckets(experiments.experiments);
drop function private.experiment_fault(experiments.experiments);
drop function experiments.hash(text, text, int);
drop function experiments.fnv1a32(text);
