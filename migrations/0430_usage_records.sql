-- 0430: usage records. What each response of a model used, once for each user, however many lines and files repeat it.
-- migrate:up
create table observatory.usage_records (
  id                       uuid constraint usage_records_pkey primary key default private.uuid_v7(),
  -- The user who sent the transcript: the token's sub.
  owner_id                 uuid not null,
  api_message_id           text not null,
  part                     bigint not null default 0,
  project_id               uuid not null,
  conversation_id          uuid not null,
  -- No foreign key: when many messages are deleted, it would update this table once for each of them. Null: OpenTelemetry has reported the
  -- request, and no transcript has its message yet.
  message_id               uuid,
  entry_uuid               text not null,
  kind                     text not null,
  model                    text not null,
  source                   text not null,
  variant                  text not null default '',
  geo                      text not null default '',
  is_sidechain             boolean not null default false,
  input_tokens             bigint not null default 0,
  output_tokens            bigint not null default 0,
  cache_read_tokens        bigint not null default 0,
  cache_creation_5m_tokens bigint not null default 0,
  cache_creation_1h_tokens bigint not null default 0,
  total_tokens             bigint not null generated always as (
    input_tokens + output_tokens + cache_read_tokens + cache_creation_5m_tokens + cache_creation_1h_tokens
  ) stored,
  web_searches             bigint not null default 0,
  cost_micro_usd           bigint,
  reported_cost_micro_usd  bigint,
  price                    jsonb,
  priced_at                timestamptz,
  occurred_at              timestamptz not null,
  created_at               timestamptz not null default now(),
  constraint usage_records_conversation foreign key (conversation_id, project_id)
    references observatory.conversations (id, project_id) on update cascade on delete cascade,
  constraint usage_records_once unique (owner_id, api_message_id, part),
  constraint usage_records_api_message_id check (char_length(api_message_id) between 1 and 250),
  constraint usage_records_part check (part >= 0),
  constraint usage_records_entry_uuid check (char_length(entry_uuid) between 1 and 200),
  constraint usage_records_kind check (kind in ('message', 'advisor', 'compaction', 'auxiliary', 'web_search')),
  constraint usage_records_model check (char_length(model) between 1 and 200),
  constraint usage_records_source check (source in ('claude', 'codex', 'gemini', 'opencode')),
  constraint usage_records_variant check (char_length(variant) <= 40 and char_length(geo) <= 40),
  constraint usage_records_tokens check (
    input_tokens >= 0 and output_tokens >= 0 and cache_read_tokens >= 0 and cache_creation_5m_tokens >= 0
    and cache_creation_1h_tokens >= 0 and web_searches >= 0
  ),
  constraint usage_records_cost check (
    cost_micro_usd >= 0 and reported_cost_micro_usd >= 0 and (cost_micro_usd is null) = (price is null)
    and (price is null) = (priced_at is null)
  )
);
comment on table observatory.usage_records is
  'The usage of responses. Lines, subagents'' files and forks repeat a response; one of these copies counts.';
comment on column observatory.usage_records.api_message_id is
  'The provider''s id of the response. Where there is none: l: and the entry''s uuid, or w: and the id of the tool call that searched the web.';
comment on column observatory.usage_records.part is
  '0: the response itself. Others: what other models did for it, which its own numbers leave out.';
comment on column observatory.usage_records.entry_uuid is 'The line whose numbers these are.';
comment on column observatory.usage_records.variant is 'How it was served, such as fast, batch, flex, priority; empty: the usual way.';
comment on column observatory.usage_records.geo is 'Where the provider had to compute, such as us; empty: anywhere.';
comment on column observatory.usage_records.cost_micro_usd is 'Null: unpriced. By the prices of the time when it was priced; a later list changes it only when asked.';
comment on column observatory.usage_records.reported_cost_micro_usd is 'What the agent itself reported, for comparison. It is in no sum.';
comment on column observatory.usage_records.price is 'The row of prices that the cost is made of.';

create index usage_records_entry on observatory.usage_records (owner_id, entry_uuid);
-- With the project for the policies, as messages_order.
create index usage_records_by_conversation on observatory.usage_records (conversation_id, project_id);
create index usage_records_latest on observatory.usage_records (project_id, occurred_at desc, id desc);
create index usage_records_unpriced on observatory.usage_records (owner_id, id) where cost_micro_usd is null;
-- Records of requests whose responses no transcript has yet (0441).
create index usage_records_of_otel on observatory.usage_records (conversation_id) where kind = 'auxiliary';

alter table observatory.usage_records enable row level security;
alter table observatory.usage_records force row level security;
create policy member_select on observatory.usage_records for select to authenticated
  using (
    project_id = any ((select observatory.visible_projects())::uuid[])
    and conversation_id <> all ((select observatory.hidden_conversations())::uuid[])
  );
grant select on observatory.usage_records to authenticated, service_role;

create trigger usage_records_erased before insert or update on observatory.usage_records
  for each statement execute function private.refuse_erased_caller();

-- Counts what entries of a user's transcripts used, and returns how many records are new or have changed. Of the copies of one
-- response the same one wins in whatever order they come: one of the main conversation before a subagent's, then the one with more
-- tokens, as a response is written in several lines while its output grows. The caller holds the owner's lock and has stored the
-- entries' messages.
create function private.count_usage(owner uuid, entries private.entry[]) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  counted bigint;
  -- As in private.store_messages.
  stem constant text := left(private.uuid_v7()::text, 30);
begin
  insert into observatory.usage_records as u (
    id, owner_id, api_message_id, part, project_id, conversation_id, message_id, entry_uuid, kind, model, source, variant, geo, is_sidechain,
    input_tokens, output_tokens, cache_read_tokens, cache_creation_5m_tokens, cache_creation_1h_tokens, web_searches, cost_micro_usd,
    price, priced_at, occurred_at
  )
  with used as materialized (
    select
      e.uuid as entry_uuid, e.usage, e.model, coalesce(e.is_sidechain, false) as is_sidechain, m.id as message_id, m.project_id, m.conversation_id,
      m.source, coalesce(e.at, m.occurred_at) as occurred_at,
      -- Searches that the result of a tool reports belong to no response.
      e.api_id is null and not e.usage ?| array['input', 'output'] as is_search,
      case when e.api_id is null and not e.usage ?| array['input', 'output'] then (
        select t.tool #>> '{result,id}' from jsonb_array_elements(e.tools) as t (tool) where t.tool ? 'result' limit 1
      ) end as tool_use_id,
      coalesce(e.api_id, 'l:' || e.uuid) as api_message_id
    from unnest(count_usage.entries) as e
    cross join lateral (
      select s.id, s.project_id, s.conversation_id, s.occurred_at, c.source
      from observatory.messages as s
      inner join observatory.conversations as c on c.id = s.conversation_id
      where s.owner_id = count_usage.owner and s.entry_uuid = e.uuid
      order by s.is_copy, c.session_id collate "C", c.agent_id collate "C" nulls first
      limit 1
    ) as m
    where jsonb_typeof(e.usage) = 'object' and e.model is distinct from '<synthetic>'
  ),

  parts as (
    select
      u.*, 0::bigint as part, u.usage as numbers, u.model as part_model,
      case when u.is_search then 'web_search' else 'message' end as kind
    from used as u
    union all
    select
      u.*, x.numbers['n']::bigint, x.numbers, x.numbers ->> 'model',
      case when x.numbers ->> 'kind' in ('advisor', 'compaction', 'auxiliary') then x.numbers ->> 'kind' else 'auxiliary' end
    from used as u
    cross join lateral jsonb_array_elements(case when jsonb_typeof(u.usage -> 'extra') = 'array' then u.usage -> 'extra' end) as x (numbers)
    where x.numbers['n']::bigint > 0
  ),

  best as (
    select distinct on (n.api_message_id, n.part)
      n.*
    from (
      select
        p.entry_uuid, p.is_sidechain, p.message_id, p.project_id, p.conversation_id, p.source, p.occurred_at, p.part, p.kind,
        case when p.kind = 'web_search' then 'w:' || coalesce(p.tool_use_id, p.entry_uuid) else p.api_message_id end as api_message_id,
        coalesce(
          nullif(p.part_model, ''),
          case when p.kind = 'web_search' then (
            select m.model
            from observatory.tool_calls as t
            inner join observatory.messages as m on m.id = t.message_id
            where t.conversation_id = p.conversation_id and t.tool_use_id = p.tool_use_id
          ) end,
          'unknown'
        ) as model,
        left(coalesce(p.numbers ->> 'variant', ''), 40) as variant, left(coalesce(p.numbers ->> 'geo', ''), 40) as geo,
        -- No response has a trillion tokens: a larger number is a mistake, and sums stay within 64 bits.
        least(coalesce((p.numbers ->> 'input')::bigint, 0), 1000000000000) as input,
        least(coalesce((p.numbers ->> 'output')::bigint, 0), 1000000000000) as output,
        least(coalesce((p.numbers ->> 'cache_read')::bigint, 0), 1000000000000) as cache_read,
        least(coalesce((p.numbers ->> 'cache_write_5m')::bigint, 0), 1000000000000) as cache_write_5m,
        least(coalesce((p.numbers ->> 'cache_write_1h')::bigint, 0), 1000000000000) as cache_write_1h,
        least(coalesce((p.numbers ->> 'web_searches')::bigint, 0), 1000000000000) as web_searches
      from parts as p
    ) as n
    order by
      n.api_message_id, n.part, n.is_sidechain, n.input + n.output + n.cache_read + n.cache_write_5m + n.cache_write_1h desc, n.output desc,
      n.web_searches desc, n.occurred_at, n.entry_uuid collate "C"
  ),

  -- A batch has few different names.
  listed as materialized (
    select d.source, d.model, p.price, (p.price).speed, (p.price).geo, (p.price).effective_from, (p.price).above_tokens, p.until, p.most_tokens, p.shown
    from (select distinct b.source, b.model from best as b) as d
    cross join lateral private.priced_model(d.source, d.model) as n
    cross join lateral private.listed_prices(n.provider, n.listed) as p
  ),

  -- As private.usage_cost. Materialized: the cost is named three times below, and would be computed three times.
  priced as materialized (
    select b.*, l.shown, case when l.source is not null then
      private.cost_micro(l.price, b.input, b.output, b.cache_read, b.cache_write_5m, b.cache_write_1h, b.web_searches)
    end as cost_micro
    from best as b
    left join listed as l
      on l.source = b.source and l.model = b.model
      and l.speed = coalesce(nullif(b.variant, ''), 'standard') and l.geo = coalesce(nullif(b.geo, ''), 'global')
      and b.occurred_at >= l.effective_from and b.occurred_at < l.until
      and (l.above_tokens = 0 or b.input + b.cache_read + b.cache_write_5m + b.cache_write_1h > l.above_tokens)
      and b.input + b.cache_read + b.cache_write_5m + b.cache_write_1h <= l.most_tokens
  )

  select
    (stem || lpad(to_hex(row_number() over (order by b.api_message_id, b.part)), 6, '0'))::uuid,
    count_usage.owner, b.api_message_id, b.part, b.project_id, b.conversation_id, b.message_id, b.entry_uuid, b.kind, b.model, b.source,
    b.variant, b.geo, b.is_sidechain, b.input, b.output, b.cache_read, b.cache_write_5m, b.cache_write_1h, b.web_searches,
    b.cost_micro, case when b.cost_micro is not null then b.shown end, case when b.cost_micro is not null then now() end, b.occurred_at
  from priced as b
  order by b.api_message_id, b.part
  on conflict on constraint usage_records_once do update set
    project_id = excluded.project_id, conversation_id = excluded.conversation_id, message_id = excluded.message_id,
    entry_uuid = excluded.entry_uuid, kind = excluded.kind, model = excluded.model, source = excluded.source, variant = excluded.variant,
    geo = excluded.geo, is_sidechain = excluded.is_sidechain, input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens,
    cache_read_tokens = excluded.cache_read_tokens, cache_creation_5m_tokens = excluded.cache_creation_5m_tokens,
    cache_creation_1h_tokens = excluded.cache_creation_1h_tokens, web_searches = excluded.web_searches,
    cost_micro_usd = excluded.cost_micro_usd, price = excluded.price, priced_at = excluded.priced_at, occurred_at = excluded.occurred_at
  where (
    not excluded.is_sidechain, excluded.total_tokens, excluded.output_tokens, excluded.web_searches,
    -extract(epoch from excluded.occurred_at), excluded.model <> 'unknown'
  ) > (
    not u.is_sidechain, u.total_tokens, u.output_tokens, u.web_searches, -extract(epoch from u.occurred_at), u.model <> 'unknown'
  ) or (
    (
      excluded.is_sidechain, excluded.total_tokens, excluded.output_tokens, excluded.web_searches, excluded.occurred_at,
      excluded.model <> 'unknown'
    ) = (u.is_sidechain, u.total_tokens, u.output_tokens, u.web_searches, u.occurred_at, u.model <> 'unknown')
    and excluded.entry_uuid < u.entry_uuid collate "C"
  )
  -- A deleted conversation takes its usage along: what a session has that is sent again counts for the new one.
  or (u.conversation_id <> excluded.conversation_id and (
    select c.deleted_at is not null from observatory.conversations as c where c.id = u.conversation_id
  ));
  get diagnostics counted = row_count;
  return counted;
end
$$;
revoke execute on function private.count_usage(uuid, private.entry[]) from public;

-- migrate:down
drop function private.count_usage(uuid, private.entry[]);
drop table observatory.usage_records;
