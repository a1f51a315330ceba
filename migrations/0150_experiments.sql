-- 0150: experiments. Who is in which variant, by a hash that anybody can compute again, and what came of it. The public asks
-- for its own variants through functions; only staff see an experiment or an assignment.
-- migrate:up
create type experiments.experiment_status as enum ('draft', 'running', 'paused', 'completed', 'archived');
create type experiments.unit_kind as enum ('user_id', 'session_id');
create type experiments.assignment_source as enum ('hash', 'override');

create table experiments.experiments (
  id                 uuid primary key default pg_catalog.gen_random_uuid(),
  name               text not null,
  description        text,
  hypothesis         text,
  is_active          boolean not null default true,
  traffic_percentage numeric(5, 2) not null default 100,
  control_variant    jsonb not null,
  test_variants      jsonb not null,
  targeting_rules    jsonb not null default '{}',
  start_date         timestamptz,
  end_date           timestamptz,
  status             experiments.experiment_status not null default 'draft',
  results            jsonb,
  winner_variant_id  text,
  hash_seed          text not null,
  -- squawk-ignore prefer-bigint-over-smallint
  hash_version       smallint not null default 2,
  bucket_version     bigint not null default 1,
  namespace          jsonb,
  unit               experiments.unit_kind not null default 'session_id',
  primary_metric     text,
  created_by         uuid default auth.uid(),
  created_at         timestamptz not null default now(),
  updated_at         timestamptz not null default now(),
  constraint experiments_name_length check (char_length(name) between 1 and 120),
  constraint experiments_description_length check (char_length(description) <= 5000),
  constraint experiments_hypothesis_length check (char_length(hypothesis) <= 5000),
  constraint experiments_traffic_percentage check (traffic_percentage between 0 and 100),
  constraint experiments_variants_size check (octet_length(control_variant::text) <= 2048 and octet_length(test_variants::text) <= 16384),
  constraint experiments_targeting_rules_size check (octet_length(targeting_rules::text) <= 16384),
  constraint experiments_namespace_size check (octet_length(namespace::text) <= 2048),
  constraint experiments_dates check (end_date > start_date),
  constraint experiments_hash_seed_length check (char_length(hash_seed) between 1 and 200),
  constraint experiments_hash_version check (hash_version in (1, 2)),
  constraint experiments_bucket_version check (bucket_version > 0),
  constraint experiments_primary_metric_length check (char_length(primary_metric) between 1 and 120)
);
comment on table experiments.experiments is
  'One row per experiment. It runs while its status is running, is_active is true and now is between its dates. Units are put into variants as GrowthBook does it: same hash, same ranges.';
comment on column experiments.experiments.is_active is 'A switch for emergencies: false takes everybody out at once, and leaves status and assignments as they are.';
comment on column experiments.experiments.traffic_percentage is
  'GrowthBook''s coverage, in percent. Variant i owns [sum of the weights before it, + coverage * its weight), so raising it moves nobody; a unit that was in stays in when it is lowered.';
comment on column experiments.experiments.control_variant is
  'The first variant: {"id", "weight", "name"?}. id: 1 to 60 characters; weight: its part of 1, at least 0.0001; name: 1 to 120 characters.';
comment on column experiments.experiments.test_variants is
  'The others: an array of 1 to 19 of the same form. Ids are unique, and all weights together are from 0.99 to 1 (three times 0.33 will do), as GrowthBook takes them.';
comment on column experiments.experiments.targeting_rules is
  'Who may enter: {"countries": ["DE", ...], "exclude_countries": ["US", ...]}, both optional, in capital letters. Whose country is not known is not in countries. Units that are in stay in.';
comment on column experiments.experiments.status is
  'draft -> running <-> paused -> completed -> archived; a running one may be completed, a draft or a paused one archived. A draft assigns nobody, and only a running experiment takes exposures.';
comment on column experiments.experiments.start_date is 'Set when it first runs, unless it was set before.';
comment on column experiments.experiments.end_date is 'Set when it is completed, unless it was set before. Later conversions do not count.';
comment on column experiments.experiments.results is 'What experiment_results gave when it was completed.';
comment on column experiments.experiments.hash_seed is 'The experiment''s id, unless it was set. GrowthBook''s seed.';
comment on column experiments.experiments.hash_version is 'GrowthBook''s: 2, or 1 with coarser steps for experiments that began elsewhere.';
comment on column experiments.experiments.bucket_version is
  'Goes up by itself when ids, weights or order of the variants, seed, hash version, namespace or unit change after the draft. Assignments of an earlier version count no more and are made anew.';
comment on column experiments.experiments.namespace is
  'Mutual exclusion: {"id", "start", "end"} with 0 <= start < end <= 1; GrowthBook''s [id, start, end]. Ranges of running experiments of one namespace never overlap, so a unit is in at most one of them.';
comment on column experiments.experiments.unit is 'What is assigned: a user or a session.';
comment on column experiments.experiments.primary_metric is 'The name of the events that are conversions.';

create index experiments_running on experiments.experiments (id) where status = 'running' and is_active;
create index experiments_status on experiments.experiments (status, created_at desc);
create index experiments_namespace on experiments.experiments ((namespace ->> 'id')) where status = 'running';

alter table experiments.experiments enable row level security;
alter table experiments.experiments force row level security;
create policy admin_select on experiments.experiments for select to authenticated
  using (((select auth.jwt()) -> 'app_metadata' ->> 'role') = 'admin');
create policy admin_insert on experiments.experiments for insert to authenticated
  with check (((select auth.jwt()) -> 'app_metadata' ->> 'role') = 'admin');
create policy admin_update on experiments.experiments for update to authenticated
  using (((select auth.jwt()) -> 'app_metadata' ->> 'role') = 'admin')
  with check (((select auth.jwt()) -> 'app_metadata' ->> 'role') = 'admin');
-- Nobody deletes one: it is archived, and what it has found stays.
grant select on experiments.experiments to authenticated, service_role;
grant insert (
  name, description, hypothesis, is_active, traffic_percentage, control_variant, test_variants, targeting_rules, start_date,
  end_date, status, winner_variant_id, hash_seed, hash_version, namespace, unit, primary_metric
) on experiments.experiments to authenticated, service_role;
grant update (
  name, description, hypothesis, is_active, traffic_percentage, control_variant, test_variants, targeting_rules, start_date,
  end_date, status, winner_variant_id, hash_seed, hash_version, namespace, unit, primary_metric
) on experiments.experiments to authenticated, service_role;

create table experiments.assignments (
  id                uuid primary key default pg_catalog.gen_random_uuid(),
  experiment_id     uuid not null,
  unit_key          text not null,
  user_id           uuid,
  session_id        text,
  variant_id        text not null,
  bucket_version    bigint not null,
  source            experiments.assignment_source not null default 'hash',
  assigned_at       timestamptz not null default now(),
  first_exposure_at timestamptz,
  last_exposure_at  timestamptz,
  exposure_count    bigint not null default 0,
  country           text,
  constraint assignments_experiment foreign key (experiment_id) references experiments.experiments (id) on delete cascade,
  -- A unit is in one variant: nobody is ever seen in several.
  constraint assignments_unit unique (experiment_id, unit_key),
  constraint assignments_unit_key_form check (unit_key ~ '^(user|claimed|session):.' and char_length(unit_key) <= 210),
  constraint assignments_session_id_length check (char_length(session_id) between 1 and 200),
  constraint assignments_variant_id_length check (char_length(variant_id) between 1 and 60),
  constraint assignments_country check (country ~ '^[A-Z][A-Z0-9]$'),
  constraint assignments_exposures check (
    case when exposure_count = 0 then first_exposure_at is null and last_exposure_at is null
      else exposure_count > 0 and first_exposure_at <= last_exposure_at end
  )
);
comment on table experiments.assignments is 'Which unit is in which variant, since when, and whether it has been shown. Written by functions only.';
comment on column experiments.assignments.unit_key is
  '"user:" and the id of a user whom a token or the back office vouches for, "claimed:" and an id that anybody may have typed, or "session:" and the session''s. One id is in one variant under either word; what is stored for a user nobody else can write.';
comment on column experiments.assignments.user_id is 'The user, where the id is a uuid: whose conversions count, and what is erased with them.';
comment on column experiments.assignments.session_id is 'The session that asked. Of a unit that is no session: the first one.';
comment on column experiments.assignments.source is 'hash, or override: staff have put the unit into this variant, and it counts in no result.';
comment on column experiments.assignments.exposure_count is
  'Exposures at different times, each later than the ones before: one that is sent again or that comes late is not counted again.';

create index assignments_unit_key on experiments.assignments (unit_key);
create index assignments_exposed on experiments.assignments (experiment_id, variant_id) where first_exposure_at is not null;
create index assignments_user_id on experiments.assignments (user_id) where user_id is not null;
create index assignments_session_id on experiments.assignments (session_id) where session_id is not null;

alter table experiments.assignments enable row level security;
alter table experiments.assignments force row level security;
create policy admin_select on experiments.assignments for select to authenticated
  using (((select auth.jwt()) -> 'app_metadata' ->> 'role') = 'admin');
grant select on experiments.assignments to authenticated, service_role;

insert into private.limit_rules (name, burst, refill, shared) values ('experiments', 300, '100 milliseconds', 60);
-- Assignments, whose size is bounded. None for everybody together: a page must be told its variants whoever else floods.
insert into private.daily_allowances (name, rows) values ('experiments', 500000);

-- FNV-1a, 32 bits, over the code units of UTF-16, as GrowthBook's JavaScript has it: charCodeAt gives those, two for a character
-- beyond U+FFFF. Of ASCII they are its bytes. About 0.1 microseconds a byte of ASCII: the fastest of the plain forms but for
-- unrolling, which saves half of it and is hard to read.
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
  'GrowthBook''s hash of a unit: from 0 to below 1, in steps of a thousandth (version 1) or a ten-thousandth (version 2). Null of any other version.';
revoke execute on function experiments.hash(text, text, int) from public;

-- What is wrong with the fields of an experiment that no plain check can judge, in words; null if nothing is.
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
  -- GrowthBook would take equal weights below 0.99.
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
  -- Its hash has steps of a thousandth.
  if (e.namespace ->> 'start')::numeric not between 0 and 0.999 or (e.namespace ->> 'end')::numeric not between 0.001 and 1
    or scale((e.namespace ->> 'start')::numeric) > 15 or scale((e.namespace ->> 'end')::numeric) > 15
    or (e.namespace ->> 'start')::numeric >= (e.namespace ->> 'end')::numeric then
    return 'start of a namespace must be from 0 to below end, and end at most 1, with at most 15 decimals';
  end if;
  return null;
end
$$;

-- What decides which unit is in which variant, but for the coverage and for who may enter.
create function private.experiment_buckets(e experiments.experiments) returns jsonb
  language sql immutable
  set search_path = ''
  as $$
select jsonb_build_array(e.hash_seed, e.hash_version, e.namespace, e.unit) || jsonb_agg(variant.value - 'name' order by variant.position)
from jsonb_array_elements(jsonb_build_array(e.control_variant) || e.test_variants) with ordinality as variant (value, position)
$$;

-- Where a unit belongs by its hash alone: a variant's id, or null where the namespace, the rules or the coverage leave it
-- out. In floating point and in GrowthBook's order, so that every implementation agrees to the last unit.
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

-- Whether a text can name a unit: 1 to 200 characters, none of them a control character (Unicode's category Cc, which needs no
-- locale). Units are opaque: hashed, stored and compared exactly as they were sent.
create function private.is_unit(value text) returns boolean
  language sql immutable strict
  set search_path = ''
  as $$ select value ~ '^[^\u0001-\u001f\u007f-\u009f]{1,200}$' $$;

-- Who asks, as units: a user, a session, or both.
create type private.experiment_units as (
  fault         text,    -- what is wrong with the arguments, in words
  claimed       boolean, -- whether the user is only said to be this one
  user_key      text,
  user_value    text,
  user_id       uuid,
  session_key   text,
  session_value text
);

-- A signed-in caller is the token's user, whatever they say. The back office is believed. Anybody else's user_id is a name that
-- they may have guessed: it is hashed to the same variant, but nothing of that user's is read or written under it.
create function private.experiment_units(user_id text, session_id text) returns private.experiment_units
  language plpgsql stable
  set search_path = ''
  as $$
declare
  caller_role constant text := private.caller_role();
  caller constant uuid := case when caller_role = 'authenticated' then (select auth.uid()) end;
  who private.experiment_units;
begin
  who.user_value := coalesce(caller::text, nullif(experiment_units.user_id, ''));
  who.session_value := nullif(experiment_units.session_id, '');
  if not private.is_unit(nullif(experiment_units.user_id, '')) or not private.is_unit(who.session_value) then
    who.fault := 'user_id and session_id have 1 to 200 characters, and no control characters';
  elsif who.user_value is null and who.session_value is null then
    who.fault := 'user_id and session_id are both missing';
  end if;
  if who.user_value ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
    who.user_id := who.user_value::uuid;
  end if;
  who.claimed := caller is null and caller_role is distinct from 'service_role';
  who.user_key := case when who.claimed then 'claimed:' else 'user:' end || who.user_value;
  who.session_key := 'session:' || who.session_value;
  return who;
end
$$;

-- The country of a request: what the edge vouches for, else what the caller says, in capitals; refused if that is none.
create function private.experiment_country(country text) returns text
  language plpgsql stable
  set search_path = ''
  as $$
begin
  if country !~ '^([A-Za-z][A-Za-z0-9])?$' then
    perform private.refuse(
      422, 'RG550', 'The country is not one', 'A code of two letters', 'Send a code such as DE, or leave it out.'
    );
  end if;
  return coalesce(substring(private.edge_claim() ->> 'country' from '^[A-Z][A-Z0-9]$'), upper(nullif(country, '') collate "C"));
end
$$;

-- An assignment as it is, or as it would have to be stored: by override, by the row of this bucket version, else by the hash.
-- Its id is null if nothing of this version is stored; its variant_id is null if the unit is not in the experiment.
create function private.place_unit(
  e experiments.experiments, who private.experiment_units, country text, out assignment experiments.assignments, out believed boolean
)
  language plpgsql stable
  set search_path = ''
  as $$
declare
  of_user constant boolean := e.unit = 'user_id';
  value constant text := case when of_user then who.user_value else who.session_value end;
  key constant text := case when of_user then who.user_key else who.session_key end;
begin
  believed := false;
  if value is null then
    return;
  end if;
  select a.* into assignment
  from experiments.assignments as a
  where a.experiment_id = e.id and a.unit_key = key;
  if assignment.source = 'override' and (
    e.control_variant ->> 'id' = assignment.variant_id
    or e.test_variants @> jsonb_build_array(jsonb_build_object('id', assignment.variant_id))
  ) then
    believed := true;
    return;
  end if;
  if assignment.bucket_version = e.bucket_version and assignment.source = 'hash' then
    -- A claimed user's row tells of them, so it speaks only to the session that it was made in.
    believed := not (of_user and who.claimed) or coalesce(assignment.session_id = who.session_value, false);
    if not believed then
      assignment.variant_id := private.variant_of(e, value, country);
    end if;
    return;
  end if;

  assignment := null;
  assignment.experiment_id := e.id;
  assignment.unit_key := key;
  assignment.variant_id := private.variant_of(e, value, country);
  assignment.bucket_version := e.bucket_version;
  assignment.source := 'hash';
  -- Nobody hangs another's user id on a session.
  assignment.user_id := case when of_user or not who.claimed then who.user_id end;
  assignment.session_id := who.session_value;
  assignment.country := country;
end
$$;

-- Stores assignments that somebody else has not just stored; one of an earlier bucket version begins anew. In the order of the
-- keys, as whoever writes here: two callers who store the same rows never wait for each other in turn.
create function private.store_assignments(drafts experiments.assignments[]) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  insert into experiments.assignments as a (
    experiment_id, unit_key, user_id, session_id, variant_id, bucket_version, source, assigned_at, country
  )
  select
    d.experiment_id, d.unit_key, d.user_id, d.session_id, d.variant_id, d.bucket_version, d.source,
    coalesce(d.assigned_at, now()), d.country
  from unnest(drafts) as d
  order by d.experiment_id, d.unit_key
  on conflict (experiment_id, unit_key) do update set
    user_id = excluded.user_id, session_id = excluded.session_id, variant_id = excluded.variant_id,
    bucket_version = excluded.bucket_version, source = excluded.source, assigned_at = excluded.assigned_at,
    first_exposure_at = null, last_exposure_at = null, exposure_count = 0, country = excluded.country
    where a.bucket_version < excluded.bucket_version;
end
$$;

create function experiments.auto_assign_experiments(
  user_id text default null, session_id text default null, country text default null
) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  place constant text := private.experiment_country(auto_assign_experiments.country);
  who constant private.experiment_units := private.experiment_units(
    auto_assign_experiments.user_id, auto_assign_experiments.session_id
  );
  e experiments.experiments;
  placed record;
  assignment experiments.assignments;
  fresh experiments.assignments[] := '{}';
  answer jsonb := '[]';
begin
  if who.fault is not null then
    perform private.refuse(422, 'RG550', 'There is nobody to assign', who.fault, 'Send a session_id, a user_id or both.');
  end if;
  perform private.limit_caller('experiments');

  for e in
    select x.*
    from experiments.experiments as x
    where x.status = 'running' and x.is_active
      and coalesce(x.start_date <= now(), true) and coalesce(x.end_date > now(), true)
    order by x.id
  loop
    placed := private.place_unit(e, who, place);
    assignment := placed.assignment;
    if assignment.variant_id is null then
      continue;
    end if;
    if assignment.id is null then
      fresh := fresh || assignment;
    end if;
    answer := answer || jsonb_build_object(
      'experiment_id', e.id, 'name', e.name, 'variant_id', assignment.variant_id, 'bucket_version', e.bucket_version,
      'is_control', assignment.variant_id = e.control_variant ->> 'id',
      'source', case when not placed.believed then 'hash' when assignment.source = 'override' then 'override' else 'sticky' end
    );
  end loop;
  if cardinality(fresh) > 0 then
    perform private.require_allowance('experiments');
    perform private.store_assignments(fresh);
    perform private.use_allowance('experiments', 0, cardinality(fresh));
  end if;
  return jsonb_build_object('assignments', answer);
end
$$;
comment on function experiments.auto_assign_experiments(text, text, text) is
  'The variant of every running experiment for a user, a session or both; experiments that the unit is not in are left out. Stores what is new. Definer: the public has no right on the tables, and what it is told is decided here.';
revoke execute on function experiments.auto_assign_experiments(text, text, text) from public;
grant execute on function experiments.auto_assign_experiments(text, text, text) to edge;

-- The time of an exposure: a time stamp of ISO 8601 with its zone, at most 5 days back and 24 hours ahead, as for events; a
-- clock that is fast is taken for now. Null if it is none of these.
create function private.exposure_time(at jsonb) returns timestamptz
  language plpgsql stable
  set search_path = ''
  as $$
declare
  moment timestamptz;
begin
  if at is null or at = 'null' then
    return now();
  end if;
  if jsonb_typeof(at) <> 'string' or at #>> '{}' !~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d(:?\d\d)?)$' then
    return null;
  end if;
  begin
    moment := (at #>> '{}')::timestamptz;
  exception
    when data_exception then
      return null;
  end;
  if moment < now() - interval '5 days' or moment > now() + interval '24 hours' then
    return null;
  end if;
  return least(moment, now());
end
$$;

-- One exposure of a call: the code that refuses it, or the assignment that it is for, with its time as last_exposure_at.
create function private.judge_exposure(exposure jsonb, place text, out code text, out assignment experiments.assignments)
  language plpgsql stable
  set search_path = ''
  as $$
declare
  e experiments.experiments;
  who private.experiment_units;
  moment timestamptz;
begin
  if jsonb_typeof(exposure) <> 'object' then
    code := 'RG551';
    return;
  end if;
  if exists (
    select from unnest(array['experiment_id', 'variant_id', 'user_id', 'session_id']) as field
    where jsonb_typeof(exposure -> field) in ('array', 'object', 'boolean')
  -- A number that is not whole has more than one spelling, and no unit may have two.
  ) or exists (
    select from unnest(array['user_id', 'session_id']) as field
    where jsonb_typeof(exposure -> field) = 'number' and exposure ->> field !~ '^-?[0-9]+$'
  ) or coalesce(exposure ->> 'experiment_id', '') !~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
    code := 'RG551';
    return;
  end if;
  moment := private.exposure_time(exposure -> 'at');
  if moment is null then
    code := 'RG551';
    return;
  end if;
  who := private.experiment_units(exposure ->> 'user_id', exposure ->> 'session_id');
  if who.fault is not null then
    code := 'RG550';
    return;
  end if;
  select x.* into e
  from experiments.experiments as x
  where x.id = (exposure ->> 'experiment_id')::uuid and x.status = 'running' and x.is_active
    and coalesce(x.start_date <= now(), true) and coalesce(x.end_date > now(), true);
  if not found then
    code := 'RG554';
    return;
  end if;

  select (p.assignment).* into assignment from private.place_unit(e, who, place) as p;
  if assignment.unit_key is null then
    code := 'RG550';
  elsif assignment.variant_id is null then
    code := 'RG555';
  elsif exposure ->> 'variant_id' <> assignment.variant_id then
    code := 'RG556';
  end if;
  -- Nobody has seen an experiment before it began.
  assignment.last_exposure_at := greatest(moment, e.start_date);
end
$$;

create function experiments.record_exposures(exposures jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  items constant jsonb := case jsonb_typeof(exposures) when 'object' then exposures -> 'exposures' else exposures end;
  -- What holds for all of them.
  unit constant jsonb := case jsonb_typeof(exposures) when 'object' then jsonb_strip_nulls(jsonb_build_object(
    'user_id', exposures -> 'user_id', 'session_id', exposures -> 'session_id', 'country', exposures -> 'country'
  )) else '{}' end;
  place text;
  answer jsonb;
  item record;
  judged record;
  drafts experiments.assignments[] := '{}';
  times record;
  draft experiments.assignments;
  rejected jsonb := '[]';
  made bigint := 0;
begin
  if jsonb_typeof(items) is distinct from 'array' or jsonb_typeof(unit -> 'country') <> 'string' then
    perform private.refuse(
      400, 'RG551', 'Exposures must be an array', null, 'Send {"session_id": "...", "exposures": [{"experiment_id": "..."}]}.'
    );
  end if;
  -- The edge counts the bytes as they were sent; here one of them may take eight.
  if pg_column_size(exposures) > 524288 or jsonb_array_length(items) > 100 then
    perform private.refuse(
      413, 'RG552', 'There are too many exposures', 'At most 100 and 64 KB in a call', 'Send them in several calls.'
    );
  end if;
  place := private.experiment_country(unit ->> 'country');
  perform private.limit_caller('experiments');
  answer := private.idempotency_begin('record_exposures', exposures);
  if answer is not null then
    return answer;
  end if;

  for item in select each.value, each.position - 1 as index from jsonb_array_elements(items) with ordinality as each (value, position) loop
    judged := private.judge_exposure(
      case when jsonb_typeof(item.value) = 'object' then unit || jsonb_strip_nulls(item.value) else item.value end, place
    );
    if judged.code is null then
      drafts := drafts || judged.assignment;
    else
      rejected := rejected || jsonb_build_object('index', item.index, 'code', judged.code);
    end if;
  end loop;

  if exists (select from unnest(drafts) as d where d.id is null) then
    perform private.require_allowance('experiments');
  end if;

  -- Each unit once, stored and counted before the next, in the order of the keys.
  for times in
    select (array_agg(d order by d.last_exposure_at))[1] as draft, array_agg(d.last_exposure_at) as all_, min(d.last_exposure_at) as first, max(d.last_exposure_at) as last
    from unnest(drafts) as d
    group by d.experiment_id, d.unit_key
    order by d.experiment_id, d.unit_key
  loop
    draft := times.draft;
    if draft.id is null then
      -- Whoever computed the variant elsewhere may tell of it later.
      draft.assigned_at := times.first;
      perform private.store_assignments(array[draft]);
      made := made + 1;
    end if;
    -- What is not later than the last one is known already, or comes too late to be told from that. Nobody is exposed before
    -- they are assigned.
    update experiments.assignments as a set
      first_exposure_at = least(a.first_exposure_at, greatest(times.first, a.assigned_at)),
      last_exposure_at = greatest(a.last_exposure_at, times.last, a.assigned_at),
      exposure_count = a.exposure_count + (
        select count(distinct greatest(each.at, a.assigned_at)) from unnest(times.all_) as each (at)
        where greatest(each.at, a.assigned_at) > coalesce(a.last_exposure_at, '-infinity')
      )
    where a.experiment_id = draft.experiment_id and a.unit_key = draft.unit_key and a.variant_id = draft.variant_id
      and (
        a.first_exposure_at is null or greatest(times.last, a.assigned_at) > a.last_exposure_at
        or greatest(times.first, a.assigned_at) < a.first_exposure_at
      );
  end loop;

  if made > 0 then
    perform private.use_allowance('experiments', 0, made);
  end if;
  answer := jsonb_build_object('accepted', jsonb_array_length(items) - jsonb_array_length(rejected), 'rejected', rejected);
  perform private.idempotency_end('record_exposures', answer);
  return answer;
end
$$;
comment on function experiments.record_exposures(jsonb) is
  'Takes up to 100 exposures: [{"experiment_id", "variant_id"?, "user_id"?, "session_id"?, "at"?}], or {"user_id"?, "session_id"?, "country"?, "exposures": [...]}. Each is for the variant that its unit is in; any other is reported with its index and a code, and loses none of the rest. Sent again with the same at, or with the same Idempotency-Key, it changes nothing. Definer: the public has no right on the tables, and what it may write is decided here.';
revoke execute on function experiments.record_exposures(jsonb) from public;
grant execute on function experiments.record_exposures(jsonb) to edge;

-- The logarithm of the gamma function for x > 0, to about 12 digits: Stirling's series, from 10 on.
create function private.ln_gamma(x double precision) returns double precision
  language plpgsql immutable strict
  set search_path = ''
  as $$
declare
  product double precision := 1;
begin
  while x < 10 loop
    product := product * x;
    x := x + 1;
  end loop;
  return (x - 0.5) * ln(x) - x + 0.9189385332046727 - ln(product)
    + (1 - (1 - (2 - 1.5 / (x * x)) / (7 * x * x)) / (30 * x * x)) / (12 * x);
end
$$;

-- The upper tail of the gamma distribution, Q(a, x): its series below a + 1, Lentz's continued fraction above.
-- A normal z is beyond its bounds with Q(1/2, z^2 / 2), a chi-square of k degrees above x with Q(k / 2, x / 2).
create function private.gamma_q(a double precision, x double precision) returns double precision
  language plpgsql immutable strict
  set search_path = ''
  as $$
declare
  scale double precision;
  n double precision := a;
  term double precision := 1 / a;
  sum double precision := 1 / a;
  b double precision := x + 1 - a;
  c double precision := 1e300;
  d double precision;
begin
  if x <= 0 then
    return 1;
  end if;
  scale := a * ln(x) - x - private.ln_gamma(a);
  -- exp() refuses to give less.
  if scale < -700 then
    return case when x < a then 1 else 0 end;
  end if;
  if x < a + 1 then
    for i in 1 .. 1000 loop
      n := n + 1;
      term := term * x / n;
      sum := sum + term;
      exit when term < sum * 1e-16;
    end loop;
    return greatest(0, 1 - sum * exp(scale));
  end if;
  d := 1 / b;
  sum := d;
  for i in 1 .. 1000 loop
    n := -i * (i - a);
    b := b + 2;
    d := 1 / (n * d + b);
    c := b + n / c;
    sum := sum * d * c;
    exit when abs(d * c - 1) < 1e-15;
  end loop;
  return sum * exp(scale);
end
$$;

-- The chance that a rate with the posterior Beta(win_b, lose_b) is above one with Beta(win_a, lose_a); whole numbers > 0.
-- Exact to about 9 digits at every size, no normal approximation: sum over i < win_b of
-- B(win_a + i, lose_a + lose_b) / ((lose_b + i) B(1 + i, lose_b) B(win_a, lose_a)). The terms are a distribution over i, so they are
-- added from the end of the sum away from their peak, and only as many as matter: some thousand for millions of units.
create function private.chance_to_win(
  win_a double precision, lose_a double precision, win_b double precision, lose_b double precision
) returns double precision
  language plpgsql immutable strict
  set search_path = ''
  as $$
declare
  least_ constant double precision := least(win_a, lose_a, win_b, lose_b);
  lose constant double precision := lose_a + lose_b;
  i double precision := win_b - 1;
  term double precision;
  sum double precision := 0;
  up boolean;
begin
  -- The same chance seen from elsewhere, so that win_b is the least of the four and the sum the shortest.
  if win_b > least_ then
    return case
      when lose_a = least_ then private.chance_to_win(lose_b, win_b, lose_a, win_a)
      else 1 - private.chance_to_win(win_b, lose_b, win_a, lose_a)
    end;
  end if;

  term := private.ln_gamma(win_a + i) + private.ln_gamma(lose) - private.ln_gamma(win_a + i + lose)
    - ln(lose_b + i) - private.ln_gamma(1 + i) - private.ln_gamma(lose_b) + private.ln_gamma(1 + i + lose_b)
    - private.ln_gamma(win_a) - private.ln_gamma(lose_a) + private.ln_gamma(win_a + lose_a);
  -- Beyond the peak the rest is shorter: one less what comes after. A short sum is added whole.
  up := i > 50 and (win_a + i) * (lose_b + i) < (win_a + i + lose) * (1 + i);
  loop
    if up then
      term := term + ln((win_a + i) * (lose_b + i) / ((win_a + i + lose) * (1 + i)));
      i := i + 1;
    end if;
    -- exp() refuses to give less.
    sum := sum + case when term > -700 then exp(term) else 0 end;
    exit when (i <= 0 and not up) or ((up or i > 50) and term < greatest(-700, ln(greatest(sum, 1e-300)) - 36));
    if not up then
      i := i - 1;
      term := term - ln((win_a + i) * (lose_b + i) / ((win_a + i + lose) * (1 + i)));
    end if;
  end loop;
  return least(1, greatest(0, case when up then 1 - sum else sum end));
end
$$;

-- Wilson's 95 % interval of a rate; nulls where there is none.
create function private.wilson_interval(hits double precision, n double precision, out low double precision, out high double precision)
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  z constant double precision := 1.959963984540054;
  rate double precision;
  center double precision;
  half double precision;
begin
  if n = 0 or hits is null then
    return;
  end if;
  rate := hits / n;
  center := (rate + z * z / (2 * n)) / (1 + z * z / n);
  half := z * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / (1 + z * z / n);
  low := case when hits = 0 then 0 else greatest(0, center - half) end;
  high := case when hits = n then 1 else least(1, center + half) end;
end
$$;

-- How a variant does against the control: rates, Newcombe's 95 % interval of their difference, the pooled two-proportion z with
-- its two-sided p. Null where one of them has no units.
create function private.compare_variants(hits_a double precision, n_a double precision, hits_b double precision, n_b double precision)
  returns jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  a record;
  b record;
  rate_a double precision;
  rate_b double precision;
  pooled double precision;
  z double precision;
begin
  if coalesce(n_a, 0) = 0 or coalesce(n_b, 0) = 0 or hits_a is null or hits_b is null then
    return null;
  end if;
  a := private.wilson_interval(hits_a, n_a);
  b := private.wilson_interval(hits_b, n_b);
  rate_a := hits_a / n_a;
  rate_b := hits_b / n_b;
  pooled := (hits_a + hits_b) / (n_a + n_b);
  -- Where nobody or everybody converts there is nothing to tell.
  if pooled > 0 and pooled < 1 then
    z := (rate_b - rate_a) / sqrt(pooled * (1 - pooled) * (1 / n_a + 1 / n_b));
  end if;
  return jsonb_build_object(
    'absolute', rate_b - rate_a,
    'relative', case when rate_a > 0 then (rate_b - rate_a) / rate_a end,
    'low', rate_b - rate_a - sqrt((rate_b - b.low) ^ 2 + (a.high - rate_a) ^ 2),
    'high', rate_b - rate_a + sqrt((b.high - rate_b) ^ 2 + (rate_a - a.low) ^ 2),
    'z', z,
    'p_value', private.gamma_q(0.5, z * z / 2)
  );
end
$$;

-- Whether units are spread over the variants as the weights say: chi-square of the exposed units. Alarm below 0.001: something
-- loses units of one variant, and no other number here is worth anything.
create function private.sample_ratio(units double precision[], weights double precision[]) returns jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  total constant double precision := (select sum(u) from unnest(units) as u);
  share constant double precision := (select sum(w) from unnest(weights) as w);
  degrees constant int := cardinality(units) - 1;
  chi_square double precision;
  p double precision;
begin
  if total > 0 then
    select sum((each.n - total * each.weight / share) ^ 2 / (total * each.weight / share)) into chi_square
    from unnest(units, weights) as each (n, weight);
    p := private.gamma_q(degrees / 2.0, chi_square / 2);
  end if;
  return jsonb_build_object(
    'chi_square', chi_square, 'degrees_of_freedom', degrees, 'p_value', p, 'alarm', coalesce(p < 0.001, false)
  );
end
$$;

-- Exposed units and conversions by variant, {"<id>": [units, conversions]}. A unit has converted if there is an event of the
-- metric's name, of a human, at or after its first exposure and before the experiment's end: if the last such event is not
-- before the exposure. So events are grouped once and joined by hash, whatever the number of units. A user whose id is no uuid
-- has no events of their own; those of the session in which they were assigned count.
create function private.experiment_counts(e experiments.experiments) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  since timestamptz;
  by_session boolean;
  counts jsonb;
begin
  select min(a.first_exposure_at), e.unit = 'session_id' or bool_or(a.user_id is null) into since, by_session
  from experiments.assignments as a
  where a.experiment_id = e.id and a.first_exposure_at is not null and a.bucket_version = e.bucket_version and a.source = 'hash';

  with
  last_of_user as (
    select v.user_id, max(v.occurred_at) as at
    from analytics.events as v
    where e.unit = 'user_id' and v.name = e.primary_metric and v.user_id is not null and not v.is_bot
      and v.occurred_at between since and coalesce(e.end_date, 'infinity')
    group by v.user_id
  ),
  last_of_session as (
    select v.session_id, max(v.occurred_at) as at
    from analytics.events as v
    where by_session and v.name = e.primary_metric and v.session_id is not null and not v.is_bot
      and v.occurred_at between since and coalesce(e.end_date, 'infinity')
    group by v.session_id
  )
  select jsonb_object_agg(found.variant_id, jsonb_build_array(found.units, found.conversions)) into counts
  from (
    select a.variant_id, count(*) as units,
      count(*) filter (where coalesce(u.at, s.at) >= a.first_exposure_at) as conversions
    from experiments.assignments as a
    left join last_of_user as u on u.user_id = a.user_id
    left join last_of_session as s on s.session_id = a.session_id and (e.unit = 'session_id' or a.user_id is null)
    where a.experiment_id = e.id and a.first_exposure_at is not null and a.bucket_version = e.bucket_version and a.source = 'hash'
    group by a.variant_id
  ) as found;
  return coalesce(counts, '{}');
end
$$;

create function private.results_of(e experiments.experiments) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  counts constant jsonb := private.experiment_counts(e);
  variants constant jsonb := jsonb_build_array(e.control_variant) || e.test_variants;
  variant jsonb;
  n double precision;
  hits double precision;
  n_control double precision;
  hits_control double precision;
  bounds record;
  units double precision[] := '{}';
  weights double precision[] := '{}';
  listed jsonb := '[]';
begin
  for variant in select value from jsonb_array_elements(variants) loop
    n := coalesce((counts -> (variant ->> 'id') ->> 0)::double precision, 0);
    -- Without a metric there are no conversions to be counted.
    hits := case when e.primary_metric is not null then coalesce((counts -> (variant ->> 'id') ->> 1)::double precision, 0) end;
    bounds := private.wilson_interval(hits, n);
    units := units || n;
    weights := weights || (variant ->> 'weight')::double precision;
    listed := listed || (jsonb_build_object(
      'variant_id', variant -> 'id', 'name', variant -> 'name', 'weight', variant -> 'weight',
      'is_control', cardinality(units) = 1, 'units', n::bigint, 'conversions', hits::bigint,
      'rate', case when n > 0 then hits / n end,
      'interval', case when bounds.low is not null then jsonb_build_object('low', bounds.low, 'high', bounds.high) end
    ) || case
      when cardinality(units) = 1 then jsonb_build_object('difference', null, 'chance_to_win', null)
      else jsonb_build_object(
        'difference', private.compare_variants(hits_control, n_control, hits, n),
        'chance_to_win', private.chance_to_win(1 + hits_control, 1 + n_control - hits_control, 1 + hits, 1 + n - hits)
      )
    end);
    if cardinality(units) = 1 then
      n_control := n;
      hits_control := hits;
    end if;
  end loop;
  return jsonb_build_object(
    'experiment_id', e.id, 'name', e.name, 'status', e.status, 'bucket_version', e.bucket_version, 'unit', e.unit,
    'primary_metric', e.primary_metric, 'computed_at', now(), 'variants', listed,
    'sample_ratio', private.sample_ratio(units, weights)
  );
end
$$;

create function experiments.experiment_results(experiment_id uuid) returns jsonb
  language plpgsql stable security definer
  set search_path = ''
  as $$
declare
  e experiments.experiments;
begin
  perform private.require_admin();
  select x.* into e from experiments.experiments as x where x.id = experiment_results.experiment_id;
  if not found then
    perform private.refuse(404, 'RG554', 'There is no such experiment', null, 'Check its id.');
  end if;
  return private.results_of(e);
end
$$;
comment on function experiments.experiment_results(uuid) is
  'What came of an experiment so far, by variant: exposed units of this bucket version, conversions, rate and Wilson''s interval; against the control the difference, z, p and the chance to win (posteriors of Beta(1, 1)); and whether units are spread as the weights say. For admins. p is for one look at the end: who looks every day will see a small one sooner or later. Definer: it reads events, and counts without asking a policy for every row.';
revoke execute on function experiments.experiment_results(uuid) from public;
grant execute on function experiments.experiment_results(uuid) to authenticated, service_role;

create function experiments.override_assignment(
  experiment_id uuid, variant_id text default null, user_id text default null, session_id text default null
) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  e experiments.experiments;
  draft experiments.assignments;
begin
  perform private.require_admin();
  select x.* into e from experiments.experiments as x where x.id = override_assignment.experiment_id for share;
  if not found then
    perform private.refuse(404, 'RG554', 'There is no such experiment', null, 'Check its id.');
  end if;
  if e.unit = 'user_id' then
    draft.unit_key := 'user:' || nullif(override_assignment.user_id, '');
    if override_assignment.user_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
      draft.user_id := override_assignment.user_id::uuid;
    end if;
  else
    draft.session_id := nullif(override_assignment.session_id, '');
    draft.unit_key := 'session:' || draft.session_id;
  end if;
  if not coalesce(private.is_unit(case when e.unit = 'user_id' then override_assignment.user_id else draft.session_id end), false) then
    perform private.refuse(
      422, 'RG550', 'There is nobody to assign', format('%s must have 1 to 200 characters', e.unit), format('Send the %s.', e.unit)
    );
  end if;
  if override_assignment.variant_id is null then
    delete from experiments.assignments as a
    where a.experiment_id = e.id and a.unit_key = draft.unit_key and a.source = 'override';
    return jsonb_build_object('variant_id', null);
  end if;
  if e.control_variant ->> 'id' <> override_assignment.variant_id
    and not e.test_variants @> jsonb_build_array(jsonb_build_object('id', override_assignment.variant_id)) then
    perform private.refuse(422, 'RG557', 'The experiment has no such variant', null, 'Send the id of one of its variants, or none.');
  end if;
  insert into experiments.assignments as a (experiment_id, unit_key, user_id, session_id, variant_id, bucket_version, source)
  values (e.id, draft.unit_key, draft.user_id, draft.session_id, override_assignment.variant_id, e.bucket_version, 'override')
  on conflict on constraint assignments_unit do update set
    variant_id = excluded.variant_id, bucket_version = excluded.bucket_version, source = 'override', assigned_at = now(),
    first_exposure_at = null, last_exposure_at = null, exposure_count = 0;
  return jsonb_build_object('variant_id', override_assignment.variant_id);
end
$$;
comment on function experiments.override_assignment(uuid, text, text, text) is
  'Puts a user or a session, whichever the experiment is for, into a variant, whatever the hash, the rules or the namespace say; without a variant it is left to them again. For admins, to look at a variant: such a unit counts in no result. Definer: assignments are written by functions only.';
revoke execute on function experiments.override_assignment(uuid, text, text, text) from public;
grant execute on function experiments.override_assignment(uuid, text, text, text) to authenticated, service_role;

-- Trigger: what a row of an experiment must be, and what follows from a change. Definer: request roles may call nothing in this
-- schema.
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

  if new.status <> old.status and (old.status::text, new.status::text) not in (
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
  -- By itself, and by nothing else.
  new.bucket_version := old.bucket_version + case when moved and old.status <> 'draft' then 1 else 0 end;
  if new.status = 'completed' and old.status <> 'completed' then
    new.end_date := coalesce(new.end_date, now());
    new.results := private.results_of(new);
  end if;
  return new;
end
$$;

-- Trigger: ranges of one namespace do not overlap among running experiments, and are for one kind of unit. After the policies have
-- let the row pass: a stranger must not learn what is taken. One lock for all, since a range is free only until it is taken.
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

create trigger experiments_erased before insert or update on experiments.experiments
  for each statement execute function private.refuse_erased_caller();
create trigger experiments_filter before update or delete on experiments.experiments
  for each statement execute function private.require_filter();
create trigger experiments_check before insert or update on experiments.experiments
  for each row execute function private.check_experiment();
create trigger experiments_updated_at before update on experiments.experiments
  for each row execute function private.update_updated_at();
create trigger experiments_namespace after insert or update on experiments.experiments
  for each row when (new.status = 'running' and new.namespace is not null) execute function private.check_namespace();
create trigger experiments_audit after insert or update or delete on experiments.experiments
  for each row execute function private.audit();
create trigger assignments_erased before insert or update on experiments.assignments
  for each statement execute function private.refuse_erased_caller();
-- Only what staff do: the rest is many, and nobody's decision.
create trigger assignments_audit after insert or update on experiments.assignments
  for each row when (new.source = 'override') execute function private.audit();

-- migrate:down
delete from private.limit_rules where name = 'experiments';
delete from private.daily_allowances where name = 'experiments';
drop function experiments.override_assignment(uuid, text, text, text);
drop function experiments.experiment_results(uuid);
drop function experiments.record_exposures(jsonb);
drop function experiments.auto_assign_experiments(text, text, text);
drop trigger experiments_check on experiments.experiments;
drop trigger experiments_namespace on experiments.experiments;
drop function private.check_namespace();
drop function private.check_experiment();
drop function private.results_of(experiments.experiments);
drop function private.experiment_counts(experiments.experiments);
drop function private.sample_ratio(double precision[], double precision[]);
drop function private.compare_variants(double precision, double precision, double precision, double precision);
drop function private.wilson_interval(double precision, double precision);
drop function private.chance_to_win(double precision, double precision, double precision, double precision);
drop function private.gamma_q(double precision, double precision);
drop function private.ln_gamma(double precision);
drop function private.judge_exposure(jsonb, text);
drop function private.exposure_time(jsonb);
drop function private.store_assignments(experiments.assignments[]);
drop function private.place_unit(experiments.experiments, private.experiment_units, text);
drop function private.experiment_country(text);
drop function private.experiment_units(text, text);
drop type private.experiment_units;
drop function private.is_unit(text);
drop function private.variant_of(experiments.experiments, text, text);
drop function private.experiment_buckets(experiments.experiments);
drop function private.experiment_fault(experiments.experiments);
drop function experiments.hash(text, text, int);
drop function experiments.fnv1a32(text);
drop table experiments.assignments;
drop table experiments.experiments;
drop type experiments.assignment_source;
drop type experiments.unit_kind;
drop type experiments.experiment_status;
