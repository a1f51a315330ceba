-- 0145: experiment results. Units and conversions by variant, and how the variants compare.
-- migrate:up
-- The first exposure, and exposed units and conversions by variant: {"since", "variants": {"<id>": [units, conversions]}}. A unit has converted
-- if an event of the metric's name, not of a bot, is at or after its first exposure and before the experiment's end, that is, if the last such
-- event is not before the exposure. So events are grouped once and joined by hash, whatever the number of units. A user whose id is not a uuid
-- has no events; the events of the session in which they were assigned count.
create function private.experiment_counts(e experiments.experiments) returns jsonb
  language plpgsql stable
  set search_path = ''
  -- With the statistics of a smaller day the planner expects few users, and would compare each unit with each of them.
  set enable_nestloop = off
  set jit = off
  -- A hundred thousand sessions with a conversion take 21 MB in two hash tables. In temporary files, or sorted, they take half as long again.
  -- At most four tables, two each of users and of sessions, have so much memory times hash_mem_multiplier.
  set work_mem = '64MB'
  -- PL/pgSQL plans a select into variables for workers, but starts none: the plan would be one for cores that it does not get.
  set max_parallel_workers_per_gather = 0
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
  return jsonb_build_object('since', since, 'variants', coalesce(counts, '{}'));
end
$$;

create function private.results_of(e experiments.experiments) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  counted constant jsonb := private.experiment_counts(e);
  counts constant jsonb := counted -> 'variants';
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
    -- Without a metric there are no conversions to count.
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
    'primary_metric', e.primary_metric, 'computed_at', now(),
    'conversions_since', case when (counted ->> 'since')::timestamptz < private.events_since() then private.events_since() end,
    'variants', listed,
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
  if e.status in ('completed', 'archived') and e.results is not null then
    return e.results || jsonb_build_object('name', e.name, 'status', e.status);
  end if;
  return private.results_of(e);
end
$$;
comment on function experiments.experiment_results(uuid) is
  'The results of an experiment so far, or as they were at its end, by variant: exposed units of this bucket version, conversions, rate and Wilson''s interval; against the control the difference, z, p and the chance to win (posteriors of Beta(1, 1)); and whether units are spread as the weights say. conversions_since is null, or the time before which events may have been deleted, so that conversions are missing. For admins. p is valid for one look at the end: daily looks find a small one sooner or later. Definer: it reads events, and counts them without evaluating a policy for every row.';
revoke execute on function experiments.experiment_results(uuid) from public;
grant execute on function experiments.experiment_results(uuid) to authenticated, service_role;

-- migrate:down
drop function experiments.experiment_results(uuid);
drop function private.results_of(experiments.experiments);
drop function private.experiment_counts(experiments.experiments);
