-- 0134: metrics. Computed figures: a value, what it measures, and over which time.
-- migrate:up
create table analytics.metrics (
  id                uuid primary key default pg_catalog.gen_random_uuid(),
  name              text not null,
  description       text,
  type              text not null default 'gauge',
  value_numeric     numeric,
  value_json        jsonb,
  dimensions        jsonb not null default '{}',
  dimensions_hash   text generated always as (md5(dimensions::text)) stored,
  tags              text[] not null default '{}',
  timestamp         timestamptz not null default now(),
  time_window_start timestamptz,
  time_window_end   timestamptz,
  granularity       text,
  source            text,
  aggregation       text,
  sample_count      bigint,
  created_at        timestamptz not null default now(),
  constraint metrics_name_length check (char_length(name) between 1 and 120),
  constraint metrics_description_length check (char_length(description) <= 1000),
  constraint metrics_type check (type in ('counter', 'gauge', 'histogram', 'ratio')),
  constraint metrics_value check (value_numeric is not null or value_json is not null),
  constraint metrics_value_json_size check (octet_length(value_json::text) <= 65536),
  constraint metrics_dimensions check (jsonb_typeof(dimensions) = 'object' and octet_length(dimensions::text) <= 4096),
  constraint metrics_tags check (cardinality(tags) <= 50),
  constraint metrics_window check (time_window_start <= time_window_end),
  constraint metrics_granularity check (granularity in ('minute', 'hour', 'day', 'week', 'month')),
  constraint metrics_source_length check (char_length(source) <= 120),
  constraint metrics_aggregation check (aggregation in ('sum', 'count', 'avg', 'min', 'max', 'p50', 'p95', 'p99', 'last')),
  constraint metrics_sample_count check (sample_count >= 0)
);
comment on table analytics.metrics is 'One row per figure. service_role writes them; admins read them.';
comment on column analytics.metrics.aggregation is 'How the figure was computed from sample_count values.';

create index metrics_name on analytics.metrics (name, timestamp desc);
create index metrics_timestamp on analytics.metrics using brin (timestamp);
create index metrics_window on analytics.metrics (granularity, time_window_start desc) where granularity is not null;
create index metrics_dimensions on analytics.metrics (name, dimensions_hash, timestamp desc);
create index metrics_tags on analytics.metrics using gin (tags);

alter table analytics.metrics enable row level security;
alter table analytics.metrics force row level security;
-- Not as a boolean: of one that it does not know the planner expects half of the rows, and it would sort those of a metric that it could read in
-- order.
create policy admin_select on analytics.metrics for select to authenticated
  using ((select nullif(private.is_admin(), false)) is not null);
grant select on analytics.metrics to authenticated, service_role;
grant insert (
  name, description, type, value_numeric, value_json, dimensions, tags, timestamp, time_window_start, time_window_end,
  granularity, source, aggregation, sample_count
), delete on analytics.metrics to service_role;
select private.scope_table('analytics.metrics');

create trigger metrics_erased before insert or update on analytics.metrics
  for each statement execute function private.refuse_erased_caller();
create trigger metrics_filter before update or delete on analytics.metrics
  for each statement execute function private.require_filter();

select private.index_mentions('analytics.metrics', array['name', 'description', 'value_json', 'dimensions', 'tags', 'source']);

-- migrate:down
delete from private.mention_places where relation = 'analytics.metrics';
drop table analytics.metrics;
