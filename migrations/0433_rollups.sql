-- 0433: rollups. Sums by day of what projects hold, and the counters of conversations. Triggers keep them as rows come, change and go, so
-- that they always equal a recount. What a conversation holds counts in rollups until its deletion, and not until a job has removed its rows.
-- migrate:up
create table observatory.daily_rollups (
  project_id            uuid not null,
  day                   date not null,
  user_id               uuid not null,
  model                 text not null,
  source                text not null,
  requests              bigint not null,
  input_tokens          bigint not null,
  output_tokens         bigint not null,
  cache_read_tokens     bigint not null,
  cache_creation_tokens bigint not null,
  web_searches          bigint not null,
  cost_micro_usd        bigint,
  unpriced              bigint not null,
  constraint daily_rollups_pkey primary key (project_id, day, user_id, model, source),
  constraint daily_rollups_project foreign key (project_id) references observatory.projects (id) on delete cascade
) with (fillfactor = 80);
comment on table observatory.daily_rollups is 'What responses used and cost, by project, day of UTC, user, model and agent. Each response counts once.';
comment on column observatory.daily_rollups.cost_micro_usd is 'Without what has no price; null if nothing has one.';
comment on column observatory.daily_rollups.unpriced is 'Usage records without a price.';

create table observatory.activity_rollups (
  project_id uuid not null,
  day        date not null,
  hour       bigint not null,
  user_id    uuid not null,
  prompts    bigint not null,
  messages   bigint not null,
  tool_calls bigint not null,
  errors     bigint not null,
  sessions   bigint not null,
  raw_tokens bigint not null,
  constraint activity_rollups_pkey primary key (project_id, day, hour, user_id),
  constraint activity_rollups_project foreign key (project_id) references observatory.projects (id) on delete cascade,
  constraint activity_rollups_hour check (hour between 0 and 23)
) with (fillfactor = 80);
comment on table observatory.activity_rollups is 'What users and agents did, by project, day and hour of UTC, and user.';
comment on column observatory.activity_rollups.raw_tokens is
  'The sum over all lines of transcripts as they stand, repeated ones and copies included; only this column counts those.';

create table observatory.tool_rollups (
  project_id  uuid not null,
  day         date not null,
  user_id     uuid not null,
  tool_name   text not null,
  calls       bigint not null,
  errors      bigint not null,
  timed       bigint not null,
  duration_ms bigint not null,
  buckets     bigint[] not null,
  constraint tool_rollups_pkey primary key (project_id, day, user_id, tool_name),
  constraint tool_rollups_project foreign key (project_id) references observatory.projects (id) on delete cascade,
  constraint tool_rollups_buckets check (cardinality(buckets) = 24)
) with (fillfactor = 80);
comment on table observatory.tool_rollups is 'Calls of tools, by project, day of UTC, user and tool.';
comment on column observatory.tool_rollups.timed is 'Calls whose duration is known. duration_ms is their sum.';
comment on column observatory.tool_rollups.buckets is
  'How many of them took less than 2, 4, 8 ... milliseconds and not less than half of that. The last one has all longer ones.';

alter table observatory.daily_rollups enable row level security;
alter table observatory.daily_rollups force row level security;
alter table observatory.activity_rollups enable row level security;
alter table observatory.activity_rollups force row level security;
alter table observatory.tool_rollups enable row level security;
alter table observatory.tool_rollups force row level security;
create policy member_select on observatory.daily_rollups for select to authenticated
  using (project_id = any ((select observatory.visible_projects())::uuid[]));
create policy member_select on observatory.activity_rollups for select to authenticated
  using (project_id = any ((select observatory.visible_projects())::uuid[]));
create policy member_select on observatory.tool_rollups for select to authenticated
  using (project_id = any ((select observatory.visible_projects())::uuid[]));
grant select on observatory.daily_rollups, observatory.activity_rollups, observatory.tool_rollups to authenticated, service_role;

create trigger daily_rollups_erased before insert or update on observatory.daily_rollups
  for each statement execute function private.refuse_erased_caller();
create trigger activity_rollups_erased before insert or update on observatory.activity_rollups
  for each statement execute function private.refuse_erased_caller();
create trigger tool_rollups_erased before insert or update on observatory.tool_rollups
  for each statement execute function private.refuse_erased_caller();

-- The rows that a statement has changed, as a query: what is new with sign 1, what was before with sign -1. It can run only in the
-- trigger's function itself, so these functions make its text.
create function private.changed_rows(operation text, columns text) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return case operation
    when 'INSERT' then format('select 1 as sign, %s from new_rows', columns)
    when 'DELETE' then format('select -1 as sign, %s from old_rows', columns)
    else format('select 1 as sign, %1$s from new_rows union all select -1, %1$s from old_rows', columns)
  end;
end
$$;
revoke execute on function private.changed_rows(text, text) from public;

-- Whether a conversation is deleted whose rows are still there: mostly none is, and the rows of a batch are not compared with anything.
create function private.has_deleted() returns boolean
  language plpgsql stable
  set search_path = ''
  as $$
begin
  -- In the order of the index of deleted ones: a scan of all is expected to end soon where many are believed to be deleted.
  return (select true from observatory.conversations as c where c.deleted_at is not null order by c.project_id, c.id limit 1) is not null;
end
$$;
revoke execute on function private.has_deleted() from public;

-- Of such rows those that do not belong to a deleted conversation.
create function private.without_deleted(rows_ text) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return format(
    -- By the id of each: a join, or a condition on deleted_at, would read all deleted ones where few are expected.
    'select r.* from (%s) as r where (select d.deleted_at from observatory.conversations as d where d.id = r.conversation_id) is null', rows_
  );
end
$$;
revoke execute on function private.without_deleted(text) from public;

create function private.not_deleted(rows_ text) returns text
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return case when private.has_deleted() then private.without_deleted(rows_) else rows_ end;
end
$$;
revoke execute on function private.not_deleted(text) from public;

-- The time under which a row is counted, in UTC, as an expression. Times in transcripts may be wrong: nothing is counted before 2020, nor
-- in the future of the row.
create function private.counted_at(at text) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return format(
    'greatest(least(%s, r.created_at + interval ''24 hours''), timestamptz ''2020-01-01 00:00:00+00'') at time zone ''UTC''', counted_at.at
  );
end
$$;
revoke execute on function private.counted_at(text) from public;

-- The columns of each table that count.
create function private.counted_columns(relation text) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return case relation
    when 'messages' then
      'id, project_id, conversation_id, owner_id, file_id, role, is_meta, is_sidechain, is_copy, left(content, 40) as content, content_blocks, metadata,'
      ' input_tokens, output_tokens, cache_read_tokens, cache_creation_tokens, occurred_at, created_at'
    when 'tool_calls' then
      'id, project_id, conversation_id, owner_id, tool_name, is_error, is_copy, duration_ms, spawned_agent_id, started_at, completed_at,'
      ' created_at'
    when 'usage_records' then
      'id, project_id, conversation_id, owner_id, model, source, kind, input_tokens, output_tokens, cache_read_tokens,'
      ' cache_creation_5m_tokens, cache_creation_1h_tokens, web_searches, cost_micro_usd, occurred_at, created_at'
    when 'conversations' then 'id, project_id, owner_id, session_id, agent_id, started_at, created_at, deleted_at'
  end;
end
$$;
revoke execute on function private.counted_columns(text) from public;

-- What rows of a table add to rollups of each kind, as a query of the kind's key and sums.
create function private.activity_of(relation text, rows_ text) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return 'select n.project_id, n.at::date as day, extract(hour from n.at)::bigint as hour, n.owner_id as user_id, '
    || case relation
      when 'messages' then
        'case when n.counts and n.role = ''user'' and not n.is_sidechain
             and private.is_asked(n.is_meta, n.content, n.content_blocks, n.metadata)
           then n.sign else 0 end as prompts,
         case when n.counts then n.sign else 0 end as messages, 0 as tool_calls, 0 as errors, 0 as sessions,
         n.sign * (n.input_tokens + n.output_tokens + n.cache_read_tokens + n.cache_creation_tokens) as raw_tokens
         from (
           select r.*, not r.is_copy and coalesce(r.role in (''user'', ''assistant''), false) as counts, '
        || private.counted_at('r.occurred_at') || ' as at'
      when 'tool_calls' then
        '0 as prompts, 0 as messages, n.sign as tool_calls, case when n.is_error then n.sign else 0 end as errors, 0 as sessions, 0 as raw_tokens
         from (
           select r.*, not r.is_copy as counts, ' || private.counted_at('coalesce(r.started_at, r.completed_at, r.created_at)') || ' as at'
      when 'conversations' then
        '0 as prompts, 0 as messages, 0 as tool_calls, 0 as errors, n.sign as sessions, 0 as raw_tokens
         from (
           select r.*, r.agent_id is null and r.deleted_at is null as counts, ' || private.counted_at('coalesce(r.started_at, r.created_at)') || ' as at'
    end
    || format(' from (%s) as r) as n', rows_)
    || case relation when 'messages' then '' else ' where n.counts' end;
end
$$;
revoke execute on function private.activity_of(text, text) from public;

create function private.tools_of(rows_ text) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return format(
    'select n.project_id, n.at::date as day, n.owner_id as user_id, n.tool_name, n.sign as calls,
       case when n.is_error then n.sign else 0 end as errors, case when n.duration_ms is not null then n.sign else 0 end as timed,
       coalesce(n.sign * n.duration_ms, 0) as duration_ms,
       case when n.duration_ms is not null then least(24, 1 + floor(ln(greatest(n.duration_ms, 1)::float8) / ln(2::float8) + 1e-9)::int) end as bucket
     from (
       select r.*, %s as at from (%s) as r
     ) as n
     where not n.is_copy',
    private.counted_at('coalesce(r.started_at, r.completed_at, r.created_at)'), rows_
  );
end
$$;
revoke execute on function private.tools_of(text) from public;

create function private.usage_of(rows_ text) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return format(
    'select n.project_id, n.at::date as day, n.owner_id as user_id, n.model, n.source,
       case when n.kind <> ''web_search'' then n.sign else 0 end as requests, n.sign * n.input_tokens as input_tokens,
       n.sign * n.output_tokens as output_tokens, n.sign * n.cache_read_tokens as cache_read_tokens,
       n.sign * (n.cache_creation_5m_tokens + n.cache_creation_1h_tokens) as cache_creation_tokens, n.sign * n.web_searches as web_searches,
       n.sign * coalesce(n.cost_micro_usd, 0) as cost_micro_usd, case when n.cost_micro_usd is null then n.sign else 0 end as unpriced
     from (select r.*, %s as at from (%s) as r) as n',
    private.counted_at('r.occurred_at'), rows_
  );
end
$$;
revoke execute on function private.usage_of(text) from public;

-- Statements that add such sums to a rollup and give {changed, empty}: how many rows of it changed, and which count nothing any more.
-- Projects that are deleted are left out: their rollups go with them. Each is looked up by itself, for the few sums and not for the rows.
create function private.add_activity(sums text) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return format(
    'with added as (
       insert into observatory.activity_rollups as r (
         project_id, day, hour, user_id, prompts, messages, tool_calls, errors, sessions, raw_tokens
       )
       select s.*
       from (
         select a.project_id, a.day, a.hour, a.user_id, sum(a.prompts) as prompts, sum(a.messages) as messages, sum(a.tool_calls) as tool_calls,
           sum(a.errors) as errors, sum(a.sessions) as sessions, sum(a.raw_tokens) as raw_tokens
         from (%s) as a
         group by 1, 2, 3, 4
       ) as s
       where (s.prompts <> 0 or s.messages <> 0 or s.tool_calls <> 0 or s.errors <> 0 or s.sessions <> 0 or s.raw_tokens <> 0)
         and exists (select from observatory.projects as p where p.id = s.project_id and p.deleted_at is null offset 0)
       order by s.project_id, s.day, s.hour, s.user_id
       on conflict on constraint activity_rollups_pkey do update set
         prompts = r.prompts + excluded.prompts, messages = r.messages + excluded.messages, tool_calls = r.tool_calls + excluded.tool_calls,
         errors = r.errors + excluded.errors, sessions = r.sessions + excluded.sessions, raw_tokens = r.raw_tokens + excluded.raw_tokens
       returning r.ctid as place, (r.prompts, r.messages, r.tool_calls, r.errors, r.sessions, r.raw_tokens) = (0, 0, 0, 0, 0, 0) as is_empty
     )
     select count(*) as changed, array_agg(a.place) filter (where a.is_empty) as empty from added as a',
    sums
  );
end
$$;
revoke execute on function private.add_activity(text) from public;

-- Counts by bucket, of which there are 24. Rows of no bucket are passed.
create function private.bucket_sums(buckets int[], counts bigint[]) returns bigint[]
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  sums bigint[] := array_fill(0::bigint, array[24]);
begin
  for n in 1..cardinality(buckets) loop
    if buckets[n] is not null then
      sums[buckets[n]] := sums[buckets[n]] + counts[n];
    end if;
  end loop;
  return sums;
end
$$;
revoke execute on function private.bucket_sums(int[], bigint[]) from public;

create function private.add_tools(sums text) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  -- The buckets by a function: an aggregate for each would take longer to plan than the sums of an upload take.
  return format(
    'with added as (
       insert into observatory.tool_rollups as r (project_id, day, user_id, tool_name, calls, errors, timed, duration_ms, buckets)
       select s.*
       from (
         select a.project_id, a.day, a.user_id, a.tool_name, sum(a.calls) as calls, sum(a.errors) as errors, sum(a.timed) as timed,
           sum(a.duration_ms) as duration_ms, private.bucket_sums(array_agg(a.bucket), array_agg(a.timed::bigint)) as buckets
         from (%s) as a
         group by 1, 2, 3, 4
       ) as s
       where (s.calls <> 0 or s.errors <> 0 or s.timed <> 0 or s.duration_ms <> 0 or 0 <> any (s.buckets))
         and exists (select from observatory.projects as p where p.id = s.project_id and p.deleted_at is null offset 0)
       order by s.project_id, s.day, s.user_id, s.tool_name
       on conflict on constraint tool_rollups_pkey do update set
         calls = r.calls + excluded.calls, errors = r.errors + excluded.errors, timed = r.timed + excluded.timed,
         duration_ms = r.duration_ms + excluded.duration_ms,
         buckets = (select array_agg(b.mine + b.more order by b.n) from unnest(r.buckets, excluded.buckets) with ordinality as b (mine, more, n))
       returning r.ctid as place, (r.calls, r.errors, r.timed, r.duration_ms) = (0, 0, 0, 0) as is_empty
     )
     select count(*) as changed, array_agg(a.place) filter (where a.is_empty) as empty from added as a',
    sums
  );
end
$$;
revoke execute on function private.add_tools(text) from public;

create function private.add_usage(sums text) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return format(
    'with added as (
       insert into observatory.daily_rollups as r (
         project_id, day, user_id, model, source, requests, input_tokens, output_tokens, cache_read_tokens, cache_creation_tokens,
         web_searches, cost_micro_usd, unpriced
       )
       select s.project_id, s.day, s.user_id, s.model, s.source, s.requests, s.input_tokens, s.output_tokens, s.cache_read_tokens,
         s.cache_creation_tokens, s.web_searches, case when s.unpriced > 0 then nullif(s.cost_micro_usd, 0) else s.cost_micro_usd end, s.unpriced
       from (
         select a.project_id, a.day, a.user_id, a.model, a.source, sum(a.requests) as requests, sum(a.input_tokens) as input_tokens,
           sum(a.output_tokens) as output_tokens, sum(a.cache_read_tokens) as cache_read_tokens,
           sum(a.cache_creation_tokens) as cache_creation_tokens, sum(a.web_searches) as web_searches, sum(a.cost_micro_usd) as cost_micro_usd,
           sum(a.unpriced) as unpriced
         from (%s) as a
         group by 1, 2, 3, 4, 5
       ) as s
       where (
         s.requests <> 0 or s.input_tokens <> 0 or s.output_tokens <> 0 or s.cache_read_tokens <> 0 or s.cache_creation_tokens <> 0
         or s.web_searches <> 0 or s.cost_micro_usd <> 0 or s.unpriced <> 0
       )
         and exists (select from observatory.projects as p where p.id = s.project_id and p.deleted_at is null offset 0)
       order by s.project_id, s.day, s.user_id, s.model, s.source
       on conflict on constraint daily_rollups_pkey do update set
         requests = r.requests + excluded.requests, input_tokens = r.input_tokens + excluded.input_tokens,
         output_tokens = r.output_tokens + excluded.output_tokens, cache_read_tokens = r.cache_read_tokens + excluded.cache_read_tokens,
         cache_creation_tokens = r.cache_creation_tokens + excluded.cache_creation_tokens,
         web_searches = r.web_searches + excluded.web_searches, unpriced = r.unpriced + excluded.unpriced,
         cost_micro_usd = private.sum_of_costs(r.cost_micro_usd, excluded.cost_micro_usd, r.unpriced + excluded.unpriced)
       returning r.ctid as place, (
         r.requests, r.input_tokens, r.output_tokens, r.cache_read_tokens, r.cache_creation_tokens, r.web_searches, r.unpriced,
         coalesce(r.cost_micro_usd, 0)
       ) = (0, 0, 0, 0, 0, 0, 0, 0) as is_empty
     )
     select count(*) as changed, array_agg(a.place) filter (where a.is_empty) as empty from added as a',
    sums
  );
end
$$;
revoke execute on function private.add_usage(text) from public;

-- A sum of costs beside how many have no price: null, not 0, where none has one.
create function private.sum_of_costs(one bigint, other bigint, unpriced bigint) returns bigint
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return case when unpriced > 0 then nullif(coalesce(one, 0) + coalesce(other, 0), 0) else coalesce(one, 0) + coalesce(other, 0) end;
end
$$;
revoke execute on function private.sum_of_costs(bigint, bigint, bigint) from public;

-- A statement that adds what such rows count to the counters of their conversations.
create function private.count_in_conversations(relation text, rows_ text) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return format(case relation
    when 'messages' then
      'update observatory.conversations as c set
         message_count = c.message_count + d.messages, raw_tokens = c.raw_tokens + d.raw_tokens,
         started_at = least(c.started_at, d.first_at), last_message_at = greatest(c.last_message_at, d.last_at)
       from (
         select n.conversation_id, sum(case when not n.is_copy and n.role in (''user'', ''assistant'') then n.sign else 0 end)::bigint as messages,
           sum(n.sign * (n.input_tokens + n.output_tokens + n.cache_read_tokens + n.cache_creation_tokens))::bigint as raw_tokens,
           -- An upload sets them itself: it knows which entries have a time.
           min(n.occurred_at) filter (where n.sign = 1 and n.role is not null and n.file_id is null) as first_at,
           max(n.occurred_at) filter (where n.sign = 1 and n.role is not null and n.file_id is null) as last_at
         from (%s) as n
         group by n.conversation_id
       ) as d
       where c.id = d.conversation_id and (
         d.messages <> 0 or d.raw_tokens <> 0 or d.first_at < coalesce(c.started_at, ''infinity'') or d.last_at > coalesce(c.last_message_at, ''-infinity'')
       )'
    when 'tool_calls' then
      'update observatory.conversations as c set tool_call_count = c.tool_call_count + d.calls
       from (
         select n.conversation_id, sum(n.sign)::bigint as calls from (%s) as n where not n.is_copy group by n.conversation_id
       ) as d
       where c.id = d.conversation_id and d.calls <> 0'
    when 'usage_records' then
      'update observatory.conversations as c set
         input_tokens = c.input_tokens + d.input, output_tokens = c.output_tokens + d.output,
         cache_read_tokens = c.cache_read_tokens + d.cache_read, cache_creation_tokens = c.cache_creation_tokens + d.cache_creation,
         unpriced = c.unpriced + d.unpriced, cost_micro_usd = private.sum_of_costs(c.cost_micro_usd, d.cost, c.unpriced + d.unpriced)
       from (
         select n.conversation_id, sum(n.sign * n.input_tokens)::bigint as input, sum(n.sign * n.output_tokens)::bigint as output,
           sum(n.sign * n.cache_read_tokens)::bigint as cache_read,
           sum(n.sign * (n.cache_creation_5m_tokens + n.cache_creation_1h_tokens))::bigint as cache_creation,
           sum(n.sign * coalesce(n.cost_micro_usd, 0))::bigint as cost, sum(case when n.cost_micro_usd is null then n.sign else 0 end)::bigint as unpriced
         from (%s) as n
         group by n.conversation_id
       ) as d
       where c.id = d.conversation_id and (d.input, d.output, d.cache_read, d.cache_creation, d.cost, d.unpriced) <> (0, 0, 0, 0, 0, 0)'
  end, rows_);
end
$$;
revoke execute on function private.count_in_conversations(text, text) from public;

-- Trigger: counts messages.
create function private.roll_messages() returns trigger
  language plpgsql
  -- Definer: requests may write neither rollups nor counters.
  security definer
  set search_path = ''
  as $$
declare
  rows_ constant text := private.changed_rows(tg_op, private.counted_columns('messages'));
  done record;
  is_same boolean;
begin
  -- Most updates are of parents and branches, which do not count. As a text: a plan that was made for one row would compare each row of a
  -- batch with each.
  if tg_op = 'UPDATE' then
    if not exists (select from new_rows) then
      return null;
    end if;
    execute 'select not exists (
      select from new_rows as n inner join old_rows as o on o.id = n.id
      where (n.is_copy, n.role, n.is_meta, n.is_sidechain, n.input_tokens, n.output_tokens, n.cache_read_tokens, n.cache_creation_tokens)
        is distinct from (o.is_copy, o.role, o.is_meta, o.is_sidechain, o.input_tokens, o.output_tokens, o.cache_read_tokens, o.cache_creation_tokens)
        or (n.occurred_at, n.created_at, n.project_id, n.conversation_id, n.owner_id)
          is distinct from (o.occurred_at, o.created_at, o.project_id, o.conversation_id, o.owner_id)
        or (n.role = ''user'' and (n.content, n.content_blocks, n.metadata) is distinct from (o.content, o.content_blocks, o.metadata))
    )' into is_same;
    if is_same then
      return null;
    end if;
  end if;
  execute private.add_activity(private.activity_of('messages', private.not_deleted(rows_))) into done;
  delete from observatory.activity_rollups as r where r.ctid = any (done.empty);
  execute private.count_in_conversations('messages', rows_);
  return null;
end
$$;
revoke execute on function private.roll_messages() from public;
create trigger messages_roll_update after update on observatory.messages referencing old table as old_rows new table as new_rows
  for each statement execute function private.roll_messages();
create trigger messages_roll_delete after delete on observatory.messages referencing old table as old_rows
  for each statement execute function private.roll_messages();

-- Counts again which subagents conversations name whose own transcripts have not come. Those that ran elsewhere leave none here.
create function private.count_missing_agents(conversation_ids uuid[]) returns void
  language sql volatile
  set search_path = ''
  as $$
update observatory.conversations as c set missing_agents = m.missing
from (
  select k.id, (
    select count(distinct t.spawned_agent_id)
    from observatory.tool_calls as t
    where t.conversation_id = k.id and t.spawned_agent_id is not null and not t.is_copy
      and t.metadata ->> 'agent_status' is distinct from 'remote_launched'
      and not exists (
        select from observatory.conversations as a
        where a.owner_id = k.owner_id and a.session_id = k.session_id and a.agent_id = t.spawned_agent_id and a.deleted_at is null
      )
  ) as missing
  from observatory.conversations as k
  where k.id = any (count_missing_agents.conversation_ids)
) as m
where c.id = m.id and c.missing_agents <> m.missing
$$;
revoke execute on function private.count_missing_agents(uuid[]) from public;

-- Trigger: counts tool calls.
create function private.roll_tool_calls() returns trigger
  language plpgsql
  -- Definer: requests may write neither rollups nor counters.
  security definer
  set search_path = ''
  as $$
declare
  rows_ constant text := private.changed_rows(tg_op, private.counted_columns('tool_calls'));
  done record;
  spawning uuid[];
  is_same boolean;
begin
  -- As private.roll_messages.
  if tg_op = 'UPDATE' then
    if not exists (select from new_rows) then
      return null;
    end if;
    execute 'select not exists (
      select from new_rows as n inner join old_rows as o on o.id = n.id
      where (n.is_copy, n.tool_name, n.is_error, n.duration_ms, n.started_at, n.completed_at, n.spawned_agent_id, n.project_id)
        is distinct from (o.is_copy, o.tool_name, o.is_error, o.duration_ms, o.started_at, o.completed_at, o.spawned_agent_id, o.project_id)
        or (n.conversation_id, n.owner_id) is distinct from (o.conversation_id, o.owner_id)
    )' into is_same;
    if is_same then
      return null;
    end if;
  end if;
  execute private.add_activity(private.activity_of('tool_calls', private.not_deleted(rows_))) into done;
  delete from observatory.activity_rollups as r where r.ctid = any (done.empty);
  execute private.add_tools(private.tools_of(private.not_deleted(rows_))) into done;
  delete from observatory.tool_rollups as r where r.ctid = any (done.empty);
  execute private.count_in_conversations('tool_calls', rows_);
  execute format(
    'select array_agg(distinct n.conversation_id) from (%s) as n where n.spawned_agent_id is not null', rows_
  ) into spawning;
  if spawning is not null then
    perform private.count_missing_agents(spawning);
  end if;
  return null;
end
$$;
revoke execute on function private.roll_tool_calls() from public;
create trigger tool_calls_roll_update after update on observatory.tool_calls referencing old table as old_rows new table as new_rows
  for each statement execute function private.roll_tool_calls();
create trigger tool_calls_roll_delete after delete on observatory.tool_calls referencing old table as old_rows
  for each statement execute function private.roll_tool_calls();

-- Trigger: counts usage records.
create function private.roll_usage() returns trigger
  language plpgsql
  -- Definer: requests may write neither rollups nor counters.
  security definer
  set search_path = ''
  as $$
declare
  rows_ constant text := private.changed_rows(tg_op, private.counted_columns('usage_records'));
  done record;
begin
  -- An insert that may update fires the triggers of both.
  if tg_op = 'UPDATE' then
    if not exists (select from new_rows) then
      return null;
    end if;
  end if;
  execute private.add_usage(private.usage_of(private.not_deleted(rows_))) into done;
  delete from observatory.daily_rollups as r where r.ctid = any (done.empty);
  execute private.count_in_conversations('usage_records', rows_);
  return null;
end
$$;
revoke execute on function private.roll_usage() from public;
create trigger usage_records_roll_update after update on observatory.usage_records referencing old table as old_rows new table as new_rows
  for each statement execute function private.roll_usage();
create trigger usage_records_roll_delete after delete on observatory.usage_records referencing old table as old_rows
  for each statement execute function private.roll_usage();

-- Triggers: the same for rows that are inserted, as functions made of the same texts. The plans of their statements stay in the session: a
-- text is planned at each call, which takes longer than to count the rows of a small upload. What is added leaves no rollup empty. The block has
-- create function private.roll_new_messages(), private.roll_new_tool_calls(), private.roll_new_usage_records().
do $make$
declare
  relation text;
  rows_ text;
  counted text;
  statements text;
begin
  foreach relation in array array['messages', 'tool_calls', 'usage_records'] loop
    rows_ := private.changed_rows('INSERT', private.counted_columns(relation));
    statements := '';
    foreach counted in array array[private.without_deleted(rows_), rows_] loop
      statements := statements || case when counted = rows_ then 'else ' else 'if private.has_deleted() then ' end || case relation
        when 'messages' then private.add_activity(private.activity_of(relation, counted)) || ' into done; '
        when 'tool_calls' then private.add_activity(private.activity_of(relation, counted)) || ' into done; '
          || private.add_tools(private.tools_of(counted)) || ' into done; '
        else private.add_usage(private.usage_of(counted)) || ' into done; '
      end;
    end loop;
    execute format(
      'create function private.%1$I() returns trigger
         language plpgsql
         -- Definer: requests may write neither rollups nor counters.
         security definer
         set search_path = ''''
         as $function$
       declare
         done record;
       begin
         -- An insert that may update fires the triggers of both.
         if not exists (select from new_rows) then
           return null;
         end if;
         %2$s end if;
         %3$s;
         return null;
       end
       $function$;
       revoke execute on function private.%1$I() from public;
       create trigger %4$I after insert on observatory.%5$I referencing new table as new_rows
         for each statement execute function private.%1$I()',
      'roll_new_' || relation, statements, private.count_in_conversations(relation, rows_), relation || '_roll_insert', relation
    );
  end loop;
end
$make$;

-- Trigger: tool calls of subagents are new.
create function private.note_new_agents() returns trigger
  language plpgsql
  -- Definer: requests may not write this counter.
  security definer
  set search_path = ''
  as $$
declare
  spawning constant uuid[] := array(select distinct n.conversation_id from new_rows as n where n.spawned_agent_id is not null);
begin
  if spawning <> '{}' then
    perform private.count_missing_agents(spawning);
  end if;
  return null;
end
$$;
revoke execute on function private.note_new_agents() from public;
create trigger tool_calls_roll_agents after insert on observatory.tool_calls referencing new table as new_rows
  for each statement execute function private.note_new_agents();

-- Adds all that conversations hold to the rollups, or takes it out of them, by the sign.
create function private.roll_contents(conversation_ids uuid[], sign int) returns void
  language plpgsql volatile
  set search_path = ''
  -- By index, also where conversations are believed to have most of the rows.
  set enable_seqscan = off
  set jit = off
  as $$
declare
  rows_ constant text := format(
    'select %s as sign, %%s from observatory.%%I where conversation_id = any (%L::uuid[])', roll_contents.sign, roll_contents.conversation_ids
  );
  calls constant text := format(rows_, private.counted_columns('tool_calls'), 'tool_calls');
  done record;
begin
  execute private.add_usage(private.usage_of(format(rows_, private.counted_columns('usage_records'), 'usage_records'))) into done;
  delete from observatory.daily_rollups as r where r.ctid = any (done.empty);
  execute private.add_activity(
    private.activity_of('messages', format(rows_, private.counted_columns('messages'), 'messages'))
    || ' union all ' || private.activity_of('tool_calls', calls)
  ) into done;
  delete from observatory.activity_rollups as r where r.ctid = any (done.empty);
  execute private.add_tools(private.tools_of(calls)) into done;
  delete from observatory.tool_rollups as r where r.ctid = any (done.empty);
end
$$;
revoke execute on function private.roll_contents(uuid[], int) from public;

-- Trigger: counts sessions, takes what a deleted conversation holds out of the rollups, and tells conversations that the transcript of a
-- subagent has come or gone.
create function private.roll_conversations() returns trigger
  language plpgsql
  -- Definer: requests may write neither rollups nor counters.
  security definer
  set search_path = ''
  as $$
declare
  rows_ constant text := private.changed_rows(tg_op, private.counted_columns('conversations'));
  done record;
  hidden record;
  waiting uuid[];
begin
  -- Every upload changes the counters of conversations.
  if tg_op = 'UPDATE' then
    -- Not by a join: that is planned for one row, and would compare each of ten thousand with all others.
    if not exists (
      select n.id, n.project_id, n.owner_id, n.session_id, n.agent_id, n.started_at, n.deleted_at from new_rows as n
      except
      select o.id, o.project_id, o.owner_id, o.session_id, o.agent_id, o.started_at, o.deleted_at from old_rows as o
    ) then
      return null;
    end if;
    -- The rollups of a deleted project go as they are.
    for hidden in
      select c.sign, array_agg(c.id order by c.id) as ids
      from (
        select r.id, sum(r.sign)::int as sign, (array_agg(r.project_id) filter (where r.is_new))[1] as project_id
        from (
          select n.id, n.project_id, true as is_new, (n.deleted_at is null)::int as sign from new_rows as n
          union all
          select o.id, o.project_id, false, -(o.deleted_at is null)::int from old_rows as o
        ) as r
        group by r.id
        having sum(r.sign) <> 0
      ) as c
      where exists (select from observatory.projects as p where p.id = c.project_id and p.deleted_at is null offset 0)
      group by c.sign
    loop
      perform private.roll_contents(hidden.ids, hidden.sign);
    end loop;
  end if;
  execute private.add_activity(private.activity_of('conversations', rows_)) into done;
  delete from observatory.activity_rollups as r where r.ctid = any (done.empty);
  execute format(
    'select array_agg(distinct c.id)
     from (select distinct r.owner_id, r.session_id from (%s) as r where r.agent_id is not null) as a
     inner join observatory.conversations as c on c.owner_id = a.owner_id and c.session_id = a.session_id',
    rows_
  ) into waiting;
  if waiting is not null then
    perform private.count_missing_agents(waiting);
  end if;
  return null;
end
$$;
revoke execute on function private.roll_conversations() from public;
create trigger conversations_roll_insert after insert on observatory.conversations referencing new table as new_rows
  for each statement execute function private.roll_conversations();
create trigger conversations_roll_update after update on observatory.conversations
  referencing old table as old_rows new table as new_rows
  for each statement execute function private.roll_conversations();
create trigger conversations_roll_delete after delete on observatory.conversations referencing old table as old_rows
  for each statement execute function private.roll_conversations();

-- Trigger: a conversation that was deleted before is removed with rows that are still there. They count again, until each is taken away
-- by its own removal.
create function private.roll_contents_again() returns trigger
  language plpgsql
  -- Definer: requests may write neither rollups nor counters.
  security definer
  set search_path = ''
  as $$
begin
  if exists (select from observatory.projects as p where p.id = old.project_id and p.deleted_at is null) then
    perform private.roll_contents(array[old.id], 1);
  end if;
  return null;
end
$$;
revoke execute on function private.roll_contents_again() from public;
-- By its name before "Hand over", which moves some of them to other conversations.
create trigger "Count again" after delete on observatory.conversations
  for each row when (old.deleted_at is not null) execute function private.roll_contents_again();

-- Counts the rollups of a project on some days again, mends them, and returns how many rows were wrong. It compares and adds the
-- difference in one statement, so what others store at the same time is not lost.
create function private.recount_rollups(project uuid, first_day date default '2020-01-01', last_day date default 'infinity') returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  -- Rows that may count on these days, so that earlier ones are not read. What is later counts a day after it was stored, if that is earlier; and
  -- what is earlier than the first day of all counts on it.
  first_at constant timestamptz := case when first_day > '2020-01-01' then first_day::timestamp at time zone 'UTC' else '-infinity' end;
  end_at constant timestamptz := (last_day + 1)::timestamp at time zone 'UTC';
  in_time constant text := format(
    '(%%1$s >= %1$L and (%%1$s < %2$L or created_at < %3$L))', first_at, end_at, end_at - interval '24 hours'
  );
  rows_ constant text := 'select 1 as sign, %s from observatory.%I where project_id = %L and ';
  usage constant text := private.not_deleted(
    format(rows_, private.counted_columns('usage_records'), 'usage_records', project) || format(in_time, 'occurred_at')
  );
  messages constant text := private.not_deleted(
    format(rows_, private.counted_columns('messages'), 'messages', project) || format(in_time, 'occurred_at')
  );
  calls constant text := private.not_deleted(
    format(rows_, private.counted_columns('tool_calls'), 'tool_calls', project)
    || format('(%s or started_at is null)', format(in_time, 'started_at'))
  );
  sessions constant text := format(rows_, private.counted_columns('conversations'), 'conversations', project)
    || format('(%s or started_at is null)', format(in_time, 'started_at'));
  days constant text := format(' where d.day between %L and %L', first_day, last_day);
  stored constant text := ' from observatory.%I where project_id = %L';
  done record;
  wrong bigint := 0;
begin
  execute private.add_usage(
    'select d.* from (' || private.usage_of(usage)
    || ' union all select project_id, day, user_id, model, source, -requests, -input_tokens, -output_tokens, -cache_read_tokens,'
    || ' -cache_creation_tokens, -web_searches, -coalesce(cost_micro_usd, 0), -unpriced' || format(stored, 'daily_rollups', project)
    || ') as d' || days
  ) into done;
  delete from observatory.daily_rollups as r where r.ctid = any (done.empty);
  wrong := wrong + done.changed;
  execute private.add_activity(
    'select d.* from (' || private.activity_of('messages', messages) || ' union all ' || private.activity_of('tool_calls', calls)
    || ' union all ' || private.activity_of('conversations', sessions)
    || ' union all select project_id, day, hour, user_id, -prompts, -messages, -tool_calls, -errors, -sessions, -raw_tokens'
    || format(stored, 'activity_rollups', project) || ') as d' || days
  ) into done;
  delete from observatory.activity_rollups as r where r.ctid = any (done.empty);
  wrong := wrong + done.changed;
  execute private.add_tools(
    'select d.* from (' || private.tools_of(calls)
    || ' union all select t.project_id, t.day, t.user_id, t.tool_name, case when b.n = 1 then -t.calls else 0 end,'
    || ' case when b.n = 1 then -t.errors else 0 end, -b.timed, case when b.n = 1 then -t.duration_ms else 0 end, b.n::int'
    || ' from observatory.tool_rollups as t cross join lateral unnest(t.buckets) with ordinality as b (timed, n)'
    || format(' where t.project_id = %L', project) || ') as d' || days
  ) into done;
  delete from observatory.tool_rollups as r where r.ctid = any (done.empty);
  return wrong + done.changed;
end
$$;
revoke execute on function private.recount_rollups(uuid, date, date) from public;

-- Job: counts some days of some projects again, until a time. A difference is mended, and is a security event: somebody has written past the
-- triggers. Returns how many days it has looked at. Days come in another order each time, and one that cannot be counted, or takes too long,
-- undoes no other.
create function private.check_rollups() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  -- The job is one statement, which has eight seconds.
  until_ constant timestamptz := clock_timestamp() + interval '3 seconds';
  bucket record;
  wrong bigint;
  checked bigint := 0;
begin
  for bucket in
    select a.project_id, a.day
    from (
      select distinct r.project_id, r.day from observatory.activity_rollups as r where r.day >= current_date - 7
    ) as a
    inner join observatory.projects as p on p.id = a.project_id and p.deleted_at is null
    order by random()
    limit 50
  loop
    exit when clock_timestamp() > until_;
    begin
      wrong := private.recount_rollups(bucket.project_id, bucket.day, bucket.day);
      if wrong > 0 then
        perform private.note_security_event(
          'rollups_wrong', null, jsonb_build_object('project_id', bucket.project_id, 'day', bucket.day, 'rows', wrong)
        );
      end if;
      checked := checked + 1;
    exception
      when query_canceled then
        -- The time of the statement is over; what was mended stays.
        raise warning 'check_rollups: % of % takes too long', bucket.day, bucket.project_id;
        return checked;
      when others then
        raise warning 'check_rollups: % of % cannot be counted: %', bucket.day, bucket.project_id, sqlstate;
    end;
  end loop;
  return checked;
end
$$;
revoke execute on function private.check_rollups() from public;

insert into private.jobs (name, function, schedule, description) values (
  'check_rollups', 'private.check_rollups', '17 3 * * *', 'Counts some days of observatory''s projects again, and mends what differs.'
);

-- migrate:down
delete from private.jobs where name = 'check_rollups';
drop function private.check_rollups();
drop function private.recount_rollups(uuid, date, date);
drop trigger conversations_roll_insert on observatory.conversations;
drop trigger conversations_roll_update on observatory.conversations;
drop trigger conversations_roll_delete on observatory.conversations;
drop trigger tool_calls_roll_agents on observatory.tool_calls;
drop trigger usage_records_roll_insert on observatory.usage_records;
drop trigger usage_records_roll_update on observatory.usage_records;
drop trigger usage_records_roll_delete on observatory.usage_records;
drop trigger tool_calls_roll_insert on observatory.tool_calls;
drop trigger tool_calls_roll_update on observatory.tool_calls;
drop trigger tool_calls_roll_delete on observatory.tool_calls;
drop trigger messages_roll_insert on observatory.messages;
drop trigger messages_roll_update on observatory.messages;
drop trigger messages_roll_delete on observatory.messages;
drop trigger "Count again" on observatory.conversations;
drop function private.roll_contents_again();
drop function private.roll_conversations();
drop function private.roll_contents(uuid[], int);
drop function private.note_new_agents();
drop function private.roll_new_usage_records();
drop function private.roll_new_tool_calls();
drop function private.roll_new_messages();
drop function private.roll_usage();
drop function private.roll_tool_calls();
drop function private.roll_messages();
drop function private.count_missing_agents(uuid[]);
drop function private.count_in_conversations(text, text);
drop function private.sum_of_costs(bigint, bigint, bigint);
drop function private.add_usage(text);
drop function private.add_tools(text);
drop function private.bucket_sums(int[], bigint[]);
drop function private.add_activity(text);
drop function private.usage_of(text);
drop function private.tools_of(text);
drop function private.activity_of(text, text);
drop function private.counted_columns(text);
drop function private.counted_at(text);
drop function private.not_deleted(text);
drop function private.without_deleted(text);
drop function private.has_deleted();
drop function private.changed_rows(text, text);
drop table observatory.tool_rollups;
drop table observatory.activity_rollups;
drop table observatory.daily_rollups;
