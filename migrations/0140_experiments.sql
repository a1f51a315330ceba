-- 0140: experiments. Each compares a control variant with others. The public asks for its own variants through functions; only staff
-- see an experiment.
-- migrate:up
create type experiments.unit_kind as enum ('user_id', 'session_id');

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
  status             text not null default 'draft', -- not an enum, as the status of leads
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
  constraint experiments_status check (status in ('draft', 'running', 'paused', 'completed', 'archived')),
  constraint experiments_dates check (end_date > start_date),
  constraint experiments_hash_seed_length check (char_length(hash_seed) between 1 and 200),
  constraint experiments_hash_version check (hash_version in (1, 2)),
  constraint experiments_bucket_version check (bucket_version > 0),
  constraint experiments_primary_metric_length check (char_length(primary_metric) between 1 and 120)
);
comment on table experiments.experiments is
  'One row per experiment. It runs while its status is running, is_active is true and the time is between its dates. Units are assigned as GrowthBook does it: same hash, same ranges.';
comment on column experiments.experiments.is_active is 'An emergency switch: false takes all units out at once, and changes neither status nor assignments.';
comment on column experiments.experiments.traffic_percentage is
  'GrowthBook''s coverage, in percent. Variant i owns [sum of the weights before it, + coverage * its weight), so raising it moves no unit; lowering it keeps the units that are in.';
comment on column experiments.experiments.control_variant is
  'The first variant: {"id", "weight", "name"?}. id: 1 to 60 characters; weight: its share of 1, at least 0.0001; name: 1 to 120 characters.';
comment on column experiments.experiments.test_variants is
  'The others: an array of 1 to 19 of the same form. Ids are unique, and all weights add up to a value from 0.99 to 1 (three times 0.33 is accepted), as in GrowthBook.';
comment on column experiments.experiments.targeting_rules is
  'Who may enter: {"countries": ["DE", ...], "exclude_countries": ["US", ...]}, both optional, in capital letters. A unit of an unknown country is not in countries. Units that are in stay in.';
comment on column experiments.experiments.status is
  'draft -> running <-> paused -> completed -> archived; a running one may be completed, a draft or a paused one archived. A draft assigns nobody, and only a running experiment takes exposures.';
comment on column experiments.experiments.start_date is 'Set when it first runs, unless it was set before.';
comment on column experiments.experiments.end_date is 'Set when it is completed, unless it was set before. Later conversions do not count.';
comment on column experiments.experiments.results is 'The result of experiment_results when it was completed, or archived without; experiment_results returns it from then on.';
comment on column experiments.experiments.hash_seed is 'The experiment''s id, unless it was set. GrowthBook''s seed.';
comment on column experiments.experiments.hash_version is 'GrowthBook''s: 2, or 1 with coarser steps for experiments that were started in another tool.';
comment on column experiments.experiments.bucket_version is
  'Grows when ids, weights or order of the variants, seed, hash version, namespace or unit change after the draft. Assignments of an earlier version no longer count; new ones replace them.';
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
  using ((select private.is_admin()));
create policy admin_insert on experiments.experiments for insert to authenticated
  with check ((select private.is_admin()));
create policy admin_update on experiments.experiments for update to authenticated
  using ((select private.is_admin()))
  with check ((select private.is_admin()));
-- Nobody deletes an experiment: archive it, and its results stay.
grant select on experiments.experiments to authenticated, service_role;
grant insert (
  name, description, hypothesis, is_active, traffic_percentage, control_variant, test_variants, targeting_rules, start_date,
  end_date, status, winner_variant_id, hash_seed, hash_version, namespace, unit, primary_metric
) on experiments.experiments to authenticated, service_role;
grant update (
  name, description, hypothesis, is_active, traffic_percentage, control_variant, test_variants, targeting_rules, start_date,
  end_date, status, winner_variant_id, hash_seed, hash_version, namespace, unit, primary_metric
) on experiments.experiments to authenticated, service_role;
select private.scope_table('experiments.experiments');

create trigger experiments_erased before insert or update on experiments.experiments
  for each statement execute function private.refuse_erased_caller();
create trigger experiments_filter before update or delete on experiments.experiments
  for each statement execute function private.require_filter();
create trigger experiments_updated_at before update on experiments.experiments
  for each row execute function private.update_updated_at();
create trigger experiments_audit after insert or update or delete on experiments.experiments
  for each row execute function private.audit();

select private.index_mentions('experiments.experiments', array['name', 'description', 'hypothesis']);

-- migrate:down
delete from private.mention_places where relation = 'experiments.experiments';
drop table experiments.experiments;
drop type experiments.unit_kind;
