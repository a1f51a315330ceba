-- 0414: threads. The parent, the depth and the branch of each message, and pages of a conversation as a thread.
-- migrate:up
create table private.entry_links (
  conversation_id uuid not null constraint entry_links_conversation references observatory.conversations (id) on delete cascade,
  entry_uuid      text not null,
  parent_uuid     text not null,
  constraint entry_links_pkey primary key (conversation_id, entry_uuid)
);
comment on table private.entry_links is
  'The parents of entries that are no messages, such as progress, because a message may name such an entry as its parent; and the logical parents of compactions.';
create index entry_links_by_parent on private.entry_links (conversation_id, parent_uuid);

alter table private.entry_links enable row level security;
alter table private.entry_links force row level security;

-- Conversations with branches.
-- squawk-ignore require-concurrent-index-creation
create index messages_branches on observatory.messages (conversation_id) where branch > 0;

-- Whether a message of the role user is something that a person asked: no result of a tool, no output of a command, no summary, nothing that
-- the agent itself has put in.
create function private.is_asked(is_meta boolean, content text, blocks jsonb, metadata jsonb) returns boolean
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return not is_meta and not metadata ?| array['is_compact_summary', 'is_transcript_only', 'source_tool_use']
    and not coalesce(blocks @> '[{"type": "tool_result"}]', false)
    and coalesce(content, '') !~ '^\s*<(local-command-|bash-stdout|bash-stderr|system-reminder|task-notification)';
end
$$;
revoke execute on function private.is_asked(boolean, text, jsonb, jsonb) from public;

-- Whether a message is a prompt of a person, at which a thread can branch.
create function private.is_prompt(message observatory.messages) returns boolean
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return (message).role = 'user' and (message).entry_type = 'user'
    and private.is_asked((message).is_meta, (message).content, (message).content_blocks, (message).metadata);
end
$$;
revoke execute on function private.is_prompt(observatory.messages) from public;

-- The first node of each circle. Nodes are numbered from 1, and nexts[n] is the one that node n leads to, 0 if to none. In one walk over all:
-- a query that starts at each node takes the square of a circle's length.
create function private.first_in_circles(nexts int[]) returns int[]
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  total constant int := coalesce(cardinality(nexts), 0);
  -- The node from which a walk has come by.
  walks int[] := array_fill(0, array[total]);
  node int;
  first_node int;
  found_ int[] := '{}';
begin
  for start in 1..total loop
    node := start;
    while node > 0 and walks[node] = 0 loop
      walks[node] := start;
      node := nexts[node];
    end loop;
    -- Where the walk meets itself, the circle begins.
    if node > 0 and walks[node] = start then
      first_node := node;
      walks[node] := -1;
      node := nexts[node];
      while walks[node] = start loop
        walks[node] := -1;
        first_node := least(first_node, node);
        node := nexts[node];
      end loop;
      found_ := found_ || first_node;
    end if;
  end loop;
  return found_;
end
$$;
revoke execute on function private.first_in_circles(int[]) from public;

-- Finds the parents of these entries' messages, and of messages that have waited for these entries: pairs of a conversation and an
-- entry's uuid. The parent is the nearest message above; entries that are no messages are passed. Parents may form a circle: then a
-- compaction in it has none or, without one, its first message in the file. Returns the conversations whose older messages have changed.
create function private.resolve_parents(conversation_ids uuid[], entry_uuids text[]) returns uuid[]
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  changed_ids uuid[];
  old_changed uuid[];
begin
  with recursive reached as (
    select u.conversation_id, u.entry_uuid
    from unnest(resolve_parents.conversation_ids, resolve_parents.entry_uuids) as u (conversation_id, entry_uuid)
    union
    select l.conversation_id, l.entry_uuid
    from reached as r
    inner join private.entry_links as l on l.conversation_id = r.conversation_id and l.parent_uuid = r.entry_uuid
  ),

  waiting as materialized (
    select m.id, m.conversation_id, m.entry_uuid, m.parent_uuid, m.parent_id, m.seq
    from reached as r
    inner join observatory.messages as m on m.conversation_id = r.conversation_id and m.entry_uuid = r.entry_uuid
    union
    select m.id, m.conversation_id, m.entry_uuid, m.parent_uuid, m.parent_id, m.seq
    from reached as r
    inner join observatory.messages as m on m.conversation_id = r.conversation_id and m.parent_uuid = r.entry_uuid
    where m.parent_id is null
  ),

  walk as (
    select w.id, w.conversation_id, coalesce(w.parent_uuid, l.parent_uuid) as target
    from waiting as w
    left join private.entry_links as l
      on w.parent_uuid is null and l.conversation_id = w.conversation_id and l.entry_uuid = w.entry_uuid
    union
    select w.id, w.conversation_id, l.parent_uuid
    from walk as w
    inner join private.entry_links as l on l.conversation_id = w.conversation_id and l.entry_uuid = w.target
    where not exists (
      select from observatory.messages as m where m.conversation_id = w.conversation_id and m.entry_uuid = w.target
    )
  ),

  above as materialized (
    select distinct on (walk.id) walk.id, p.id as parent_id, p.seq, p.depth, p.branch
    from walk
    inner join observatory.messages as p
      on p.conversation_id = walk.conversation_id and p.entry_uuid = walk.target and p.id <> walk.id
    order by walk.id
  ),

  changed as materialized (
    select w.id, w.conversation_id, w.seq, w.parent_uuid, w.parent_id as old_parent, a.parent_id, a.seq as parent_seq, a.depth, a.branch
    from waiting as w
    left join above as a on a.id = w.id
    where w.parent_id is distinct from a.parent_id
  ),

  -- Changed entries that can be reached from an entry whose parent does not change. The others are in a circle, or below one.
  led_to as (
    select c.id from changed as c
    where c.parent_id is null or not exists (select from changed as other where other.id = c.parent_id)
    union all
    select c.id from led_to as l inner join changed as c on c.parent_id = l.id
  ),

  -- A circle may also lead through unchanged children, back to an entry whose parent is unchanged.
  upwards as (
    select c.id, c.parent_id as next_id, c.seq, c.parent_uuid is null as is_compaction
    from changed as c
    where not exists (select from led_to as l where l.id = c.id)
      or (
        c.parent_id is not null and not exists (select from changed as other where other.id = c.parent_id)
        and exists (
          select from changed as other inner join observatory.messages as m on m.parent_id = other.id
          where not exists (select from changed as third where third.id = m.id)
        )
      )
    union
    select m.id, case when c.id is null then m.parent_id else c.parent_id end, m.seq, m.parent_uuid is null
    from upwards as u
    inner join observatory.messages as m on m.id = u.next_id
    left join changed as c on c.id = m.id
  ),

  numbered as materialized (
    select u.id, u.next_id, row_number() over (order by u.is_compaction desc, u.seq, u.id) as place from upwards as u
  ),

  roots as materialized (
    select n.id
    from unnest(private.first_in_circles(array(
      select coalesce(o.place, 0)::int from numbered as u left join numbered as o on o.id = u.next_id order by u.place
    ))) as r (place)
    inner join numbered as n on n.place = r.place
  ),

  final as materialized (
    select c.id, c.conversation_id, c.old_parent, case when r.id is null then c.parent_id end as parent_id,
      case when r.id is null then c.depth end as depth, case when r.id is null then c.branch end as branch
    from changed as c
    left join roots as r on r.id = c.id
    union all
    select m.id, m.conversation_id, m.parent_id, null, null, null
    from roots as r
    inner join observatory.messages as m on m.id = r.id
    where m.parent_id is not null and not exists (select from changed as c where c.id = r.id)
  ),

  placed as (
    select f.id, coalesce(f.depth + 1, 0) as depth, coalesce(f.branch, 0) as branch
    from final as f
    where f.parent_id is null or not exists (select from final as other where other.id = f.parent_id)
    union all
    select f.id, p.depth + 1, p.branch
    from placed as p
    inner join final as f on f.parent_id = p.id
  ),

  written as (
    update observatory.messages as m
    set parent_id = f.parent_id, depth = p.depth, branch = p.branch
    from final as f
    inner join placed as p on p.id = f.id
    where m.id = f.id
    returning m.id, m.conversation_id, m.entry_uuid, f.old_parent
  )

  select
    array_agg(w.id),
    array_agg(distinct w.conversation_id) filter (
      where w.old_parent is not null
        or not exists (
          select from unnest(resolve_parents.conversation_ids, resolve_parents.entry_uuids) as u (conversation_id, entry_uuid)
          where u.conversation_id = w.conversation_id and u.entry_uuid = w.entry_uuid
        )
    )
  into changed_ids, old_changed
  from written as w;

  -- Descendants of messages that have moved. A moved message below another moved message gets its depth from that one.
  with recursive below as (
    select m.id as start, c.id, m.depth + 1 as depth
    from observatory.messages as m
    -- Of each its own children: all messages would be read for a level, where a message is believed to have many.
    cross join lateral (select o.id, o.depth from observatory.messages as o where o.parent_id = m.id offset 0) as c
    where m.id = any (changed_ids) and c.depth <> m.depth + 1
    union all
    select b.start, c.id, b.depth + 1
    from below as b
    cross join lateral (select o.id from observatory.messages as o where o.parent_id = b.id offset 0) as c
  )

  update observatory.messages as m set depth = b.depth
  from below as b
  where m.id = b.id and m.depth <> b.depth and not exists (select from below as other where other.id = b.start);
  return coalesce(old_changed, '{}');
end
$$;
revoke execute on function private.resolve_parents(uuid[], text[]) from public;

-- The last position that each branch leads to, including the branches below it. `outers` has the place of the branch that each begins on, which
-- comes before it; 0 for the main branch.
create function private.branch_ends(outers int[], ends bigint[]) returns bigint[]
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  reached bigint[] := ends;
begin
  for n in reverse coalesce(cardinality(outers), 0)..1 loop
    if outers[n] > 0 then
      reached[outers[n]] := greatest(reached[outers[n]], reached[n]);
    end if;
  end loop;
  return reached;
end
$$;
revoke execute on function private.branch_ends(int[], bigint[]) from public;

-- The number of each branch: its own or, of what goes on a branch, that of the branch. `outers` as above.
create function private.branch_numbers(outers int[], numbers bigint[]) returns bigint[]
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  named bigint[] := numbers;
begin
  for n in 1..coalesce(cardinality(outers), 0) loop
    if named[n] is null then
      named[n] := case when outers[n] > 0 then named[outers[n]] else 0 end;
    end if;
  end loop;
  return named;
end
$$;
revoke execute on function private.branch_numbers(int[], bigint[]) from public;

-- Numbers the branches of a conversation. Where several prompts with different texts or times (in seconds) have the same parent, the prompt that
-- leads to the latest message stays on the parent's branch. Each of the others begins a branch; they are numbered in the order of the file.
create function private.mark_branches(conversation_id uuid) returns void
  language sql volatile
  set search_path = ''
  as $$
with recursive prompts as materialized (
  select
    m.id, m.parent_id, m.seq,
    first_value(m.id) over (
      partition by m.parent_id, m.content, m.content_blocks, date_trunc('second', m.occurred_at) order by m.seq, m.id
    ) as head
  from observatory.messages as m
  where m.conversation_id = mark_branches.conversation_id and m.parent_id is not null and private.is_prompt(m)
),

heads as materialized (
  select p.id, p.parent_id, p.seq, p.head
  from (
    select
      o.*,
      first_value(o.head) over (partition by o.parent_id order by o.head)
        <> first_value(o.head) over (partition by o.parent_id order by o.head desc) as is_one_of_several
    from prompts as o
  ) as p
  where p.is_one_of_several
),

labelled as (
  select m.id, m.seq, null::uuid as head, 0 as level
  from observatory.messages as m
  where m.conversation_id = mark_branches.conversation_id and m.parent_id is null
  union all
  select m.id, m.seq, coalesce(h.head, l.head), l.level + 1
  from labelled as l
  -- As in private.resolve_parents.
  cross join lateral (select o.id, o.seq from observatory.messages as o where o.parent_id = l.id offset 0) as m
  left join heads as h on h.id = m.id
),

-- Outer branches before those on them.
forks as materialized (
  select f.*, row_number() over (order by f.level, f.head) as place
  from (
    select distinct on (h.head) h.head, h.parent_id, h.seq, l.head as outer_head, l.level
    from heads as h
    inner join labelled as l on l.id = h.parent_id
    where h.id = h.head
  ) as f
),

outers as materialized (
  select array_agg(coalesce(o.place, 0)::int order by f.place) as places
  from forks as f
  left join forks as o on o.head = f.outer_head
),

lengths as (
  select l.head, max(l.seq) as last_seq from labelled as l where l.head is not null group by l.head
),

ends as materialized (
  select e.last_seq, e.place
  from unnest(private.branch_ends(
    (select o.places from outers as o),
    array(select l.last_seq from forks as f left join lengths as l on l.head = f.head order by f.place)
  )) with ordinality as e (last_seq, place)
),

ranked as materialized (
  select
    f.head, f.seq, f.place, row_number() over (partition by f.parent_id order by e.last_seq desc, f.seq) = 1 as goes_on
  from forks as f
  inner join ends as e on e.place = f.place
),

numbered as materialized (
  select r.*, case when not r.goes_on then row_number() over (partition by r.goes_on order by r.seq, r.head) end as number
  from ranked as r
),

named as materialized (
  select f.head, b.branch
  from unnest(private.branch_numbers(
    (select o.places from outers as o), array(select n.number from numbered as n order by n.place)
  )) with ordinality as b (branch, place)
  inner join forks as f on f.place = b.place
)

update observatory.messages as m
set branch = coalesce(n.branch, 0)
from labelled as l
left join named as n on n.head = l.head
where m.id = l.id and m.branch <> coalesce(n.branch, 0)
$$;
revoke execute on function private.mark_branches(uuid) from public;

-- Numbers branches again in conversations where they can have changed: those with a new prompt beside another one, with older messages that have
-- moved, or with a latest message that is on a branch. `prompts` are messages that may be new prompts.
create function private.update_branches(conversation_ids uuid[], prompts uuid[], moved uuid[]) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  conversation uuid;
begin
  for conversation in
    select m.conversation_id
    from observatory.messages as m
    inner join observatory.messages as other on other.parent_id = m.parent_id and other.id <> m.id
    where m.id = any (update_branches.prompts) and other.role = 'user' and private.is_prompt(m) and private.is_prompt(other)
      and (
        other.content is distinct from m.content
        or date_trunc('second', other.occurred_at) <> date_trunc('second', m.occurred_at)
      )
    union
    select u.id from unnest(moved) as u (id)
    union
    select c.id
    from (select distinct u.id from unnest(update_branches.conversation_ids) as u (id)) as c
    where exists (select from observatory.messages as m where m.conversation_id = c.id and m.branch > 0)
      and (select m.branch > 0 from observatory.messages as m where m.conversation_id = c.id order by m.seq desc, m.id desc limit 1)
    order by 1
  loop
    perform private.mark_branches(conversation);
  end loop;
end
$$;
revoke execute on function private.update_branches(uuid[], uuid[], uuid[]) from public;

-- Places a batch of entries in their threads: parents, depths, branches, and links to git. Called after the messages and tool calls of
-- the batch are stored; `conversation_ids` are those that the entries belong to.
create function private.link_entries(conversation_ids uuid[], entries private.entry[]) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  conversations uuid[];
  uuids text[];
  prompts uuid[];
  moved uuid[] := '{}';
  has_links boolean;
begin
  -- Entries that are no messages may stand between a message and its parent. A compaction has no parent; it continues from the entry that it
  -- names.
  insert into private.entry_links (conversation_id, entry_uuid, parent_uuid)
  select distinct on (c.id, e.uuid) c.id, e.uuid, coalesce(e.parent, e.logical_parent)
  from unnest(link_entries.entries) as e
  inner join observatory.conversations as c
    on c.id = any (link_entries.conversation_ids) and c.session_id = e.session and c.agent_id is not distinct from e.agent
  where e.uuid is not null and coalesce(e.parent, e.logical_parent) <> e.uuid
    and (
      e.parent is null
      or (
        e.kind = 'progress'
        and not exists (select from observatory.messages as m where m.conversation_id = c.id and m.entry_uuid = e.uuid)
      )
    )
  order by c.id, e.uuid, e.pos desc
  on conflict on constraint entry_links_pkey do nothing;
  has_links := exists (select from private.entry_links as l where l.conversation_id = any (link_entries.conversation_ids));

  -- Most messages were stored with their parents, and no other message has waited for them.
  select
    array_agg(g.conversation_id) filter (where g.is_open), array_agg(g.entry_uuid) filter (where g.is_open),
    array_agg(g.id) filter (where g.may_be_prompt)
  into conversations, uuids, prompts
  from (
    select
      e.conversation_id, e.entry_uuid, m.id,
      m.id is null or waits.found_ or linked.found_
        or case when m.parent_uuid is null then m.parent_id is not null or own.found_ else below.found_ is null end as is_open,
      m.role = 'user' and m.entry_type = 'user' and not m.is_meta
        and (m.content_blocks is null or not m.content_blocks @> '[{"type": "tool_result"}]') as may_be_prompt
    from (
      select distinct c.id as conversation_id, e.uuid as entry_uuid
      from unnest(link_entries.entries) as e
      inner join observatory.conversations as c
        on c.id = any (link_entries.conversation_ids) and c.session_id = e.session and c.agent_id is not distinct from e.agent
      where e.uuid is not null
    ) as e
    -- Forces one index look-up for each row, independent of the planner's estimates.
    left join lateral (
      select m.id, m.parent_id, m.parent_uuid, m.role, m.entry_type, m.is_meta, m.content_blocks
      from observatory.messages as m
      where m.conversation_id = e.conversation_id and m.entry_uuid = e.entry_uuid
      limit 1
    ) as m on true
    left join lateral (
      select true as found_ from observatory.messages as p where p.id = m.parent_id and p.entry_uuid = m.parent_uuid limit 1
    ) as below on true
    left join lateral (
      select true as found_
      from observatory.messages as w
      where w.conversation_id = e.conversation_id and w.parent_uuid = e.entry_uuid and w.parent_id is null
      limit 1
    ) as waits on true
    left join lateral (
      select true as found_ from private.entry_links as l
      where has_links and l.conversation_id = e.conversation_id and l.parent_uuid = e.entry_uuid
      limit 1
    ) as linked on true
    left join lateral (
      select true as found_ from private.entry_links as l
      where has_links and l.conversation_id = e.conversation_id and l.entry_uuid = e.entry_uuid
      limit 1
    ) as own on true
  ) as g;
  if conversations is not null then
    moved := private.resolve_parents(conversations, uuids);
  end if;
  perform private.update_branches(link_entries.conversation_ids, prompts, moved);
  if exists (select from unnest(link_entries.entries) as e where e.facts ? 'pr' or e.tools @? '$[*].result.facts.git') then
    perform private.link_git(link_entries.conversation_ids, link_entries.entries);
  end if;
end
$$;
revoke execute on function private.link_entries(uuid[], private.entry[]) from public;

-- Trigger: places messages that the data API has written in their threads. Uploads call private.link_entries once a batch.
create function private.link_direct_writes() returns trigger
  language plpgsql
  -- Definer: users may not write parents, and call nothing in the schema private.
  security definer
  set search_path = ''
  as $$
declare
  written record;
  moved uuid[];
begin
  select
    array_agg(n.conversation_id) as conversations, array_agg(n.entry_uuid) as uuids,
    array_agg(n.id) filter (where n.role = 'user' and n.entry_type = 'user') as prompts
  into written
  from new_rows as n
  -- service_role may name the parent itself.
  where n.parent_id is null;
  if written.conversations is null then
    return null;
  end if;
  -- One transaction at a time: otherwise neither of two would see the other's message, which may be the parent of its own. An upload has this
  -- lock since it has counted its messages.
  perform from observatory.conversations as c where c.id = any (written.conversations) order by c.id for no key update;
  moved := private.resolve_parents(written.conversations, written.uuids);
  perform private.update_branches(written.conversations, written.prompts, moved);
  return null;
end
$$;
revoke execute on function private.link_direct_writes() from public;
-- By its name after the messages are counted, and before their bytes are.
create trigger messages_thread_insert after insert on observatory.messages referencing new table as new_rows
  for each statement when (current_user in ('authenticated', 'service_role')) execute function private.link_direct_writes();

-- A cursor: the base64url of its parts, which clients send back.
create function private.cursor_of(variadic parts text[]) returns text
  language sql immutable
  set search_path = ''
  as $$
select translate(encode(convert_to(array_to_string(parts, '.'), 'UTF8'), 'base64'), E'+/=\n', '-_')
$$;
revoke execute on function private.cursor_of(text[]) from public;

-- The parts of a cursor. Ends the request if the text is no cursor with so many parts.
create function private.cursor_parts(cursor text, form text) returns text[]
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  words text;
begin
  if cursor ~ '^[A-Za-z0-9_-]+$' and char_length(cursor) <= 300 then
    begin
      words := convert_from(decode(rpad(translate(cursor, '-_', '+/'), (char_length(cursor) + 3) / 4 * 4, '='), 'base64'), 'UTF8');
    exception
      when data_exception or character_not_in_repertoire then
        words := null;
    end;
  end if;
  if words ~ form is not true then
    perform private.refuse(400, 'RG669', 'The cursor is not one of this list', null, 'Take the one of the answer before, or leave it out.');
  end if;
  return string_to_array(words, '.');
end
$$;
revoke execute on function private.cursor_parts(text, text) from public;

-- A text of at most so many characters.
create function private.shortened(words text, most int) returns text
  language sql immutable
  return case when octet_length(words) > most and char_length(words) > most then left(words, most) || '…' else words end;
revoke execute on function private.shortened(text, int) from public;

-- Tool calls of messages: {message: [call, ...]}, of each the first 200. Long inputs and outputs are cut.
create function private.thread_calls(message_ids uuid[], conversation observatory.conversations) returns jsonb
  language sql stable
  set search_path = ''
  as $$
select coalesce(jsonb_object_agg(c.message_id, c.calls), '{}')
from (
  select t.message_id, jsonb_agg(jsonb_build_object(
    'id', t.id, 'tool_use_id', t.tool_use_id, 'tool_name', t.tool_name, 'status', t.status, 'is_error', t.is_error,
    'input', case when octet_length(i.input_text) <= 2000 then t.input else to_jsonb(private.shortened(i.input_text, 2000)) end,
    'output', private.shortened(t.output, 2000), 'error_message', private.shortened(t.error_message, 500),
    'is_cut', coalesce(octet_length(i.input_text) > 2000, false) or coalesce(char_length(t.output) > 2000, false) or t.output_truncated,
    'duration_ms', t.duration_ms, 'duration_source', t.duration_source, 'file_path', t.file_path, 'started_at', t.started_at,
    'agent', (
      select jsonb_build_object(
        'conversation_id', a.id, 'agent_id', a.agent_id, 'title', a.title, 'status', a.status, 'message_count', a.message_count
      )
      from observatory.conversations as a
      where t.spawned_agent_id is not null and a.project_id = (conversation).project_id and a.session_id = (conversation).session_id
        and a.agent_id = t.spawned_agent_id and a.deleted_at is null
    )
  ) order by t.started_at, t.tool_use_id) as calls
  from unnest(message_ids) as m (id)
  cross join lateral (
    select o.* from observatory.tool_calls as o where o.message_id = m.id order by o.started_at, o.tool_use_id limit 200
  ) as t
  cross join lateral (select t.input::text as input_text offset 0) as i
  group by t.message_id
) as c
$$;
revoke execute on function private.thread_calls(uuid[], observatory.conversations) from public;

-- What the boundary of a compaction says: {trigger, pre_tokens, preserved: [uuid], preserved_segment: {head_uuid, anchor_uuid, tail_uuid}}.
-- Transcripts name the preserved entries by a list, by the ends of a segment, by both, or not at all.
create function private.shown_compaction(noted jsonb) returns jsonb
  language sql immutable strict
  set search_path = ''
  as $$
select jsonb_strip_nulls(jsonb_build_object(
  'trigger', noted ->> 'trigger',
  'pre_tokens', nullif(private.entry_count(noted -> 'preTokens'), 0),
  'preserved', case
    when jsonb_typeof(noted #> '{preservedMessages,uuids}') = 'array' then noted #> '{preservedMessages,uuids}'
  end,
  'preserved_segment', case when jsonb_typeof(noted -> 'preservedSegment') = 'object' then jsonb_build_object(
    'head_uuid', noted #>> '{preservedSegment,headUuid}', 'anchor_uuid', noted #>> '{preservedSegment,anchorUuid}',
    'tail_uuid', noted #>> '{preservedSegment,tailUuid}'
  ) end
))
$$;
revoke execute on function private.shown_compaction(jsonb) from public;

-- A page of a conversation: {conversation, messages, agents, git, next}. Its messages in the order of the file, each with its parent, its
-- depth, its branch and its tool calls; agents and git links with the first page. Long texts are cut; GET /rest/v1/messages has them.
create function observatory.thread(id uuid, cursor text default null, "limit" bigint default 100) returns jsonb
  language plpgsql stable security definer
  set search_path = ''
  -- Plans for an unknown conversation would scan whole tables.
  set plan_cache_mode = force_custom_plan
  as $$
declare
  after text[];
  conversation observatory.conversations;
  ids uuid[];
  seqs bigint[];
  calls jsonb;
  page jsonb;
  more boolean;
begin
  select c.* into conversation
  from observatory.conversations as c
  where c.id = thread.id and c.deleted_at is null;
  if private.role_in(conversation.project_id, 'read') is null then
    perform private.refuse(404, 'RG662', 'There is no such conversation', null, 'Take an id of GET /rest/v1/conversations.');
  end if;
  if "limit" is null or "limit" not between 1 and 200 then
    perform private.refuse(400, 'RG669', 'The limit is not one of this list', 'It is 1 to 200', 'Leave it out for 100.');
  end if;
  if thread.cursor is not null then
    after := private.cursor_parts(thread.cursor, '^\d{1,18}[.][0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$');
  end if;
  -- At most some hundred KB of text and 200 calls a page, but always one message.
  select array_agg(p.id order by p.seq, p.id), array_agg(p.seq order by p.seq, p.id) into ids, seqs
  from (
    select
      m.id, m.seq, sum(least(coalesce(octet_length(m.content), 0), 32000) + 500) over (order by m.seq, m.id) as bytes,
      sum(c.calls) over (order by m.seq, m.id) as calls, row_number() over (order by m.seq, m.id) as n
    from (
      select m.id, m.seq, m.content
      from observatory.messages as m
      where m.conversation_id = conversation.id
        and (after is null or (m.seq, m.id) > (after[1]::bigint, after[2]::uuid))
      order by m.seq, m.id
      limit thread."limit"
    ) as m
    cross join lateral (
      select count(*) as calls from (select from observatory.tool_calls as t where t.message_id = m.id limit 200) as t
    ) as c
  ) as p
  where p.n = 1 or (p.bytes <= 200000 and p.calls <= 200);
  calls := private.thread_calls(ids, conversation);
  select
    jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
      'id', m.id, 'entry_uuid', m.entry_uuid, 'parent_id', m.parent_id, 'depth', m.depth, 'branch', m.branch, 'seq', m.seq,
      'entry_type', m.entry_type, 'role', m.role, 'is_sidechain', m.is_sidechain, 'is_meta', m.is_meta, 'is_copy', m.is_copy,
      'model', m.model, 'content', private.shortened(m.content, 8000),
      'is_cut', case when char_length(m.content) > 8000 then true end,
      'output_tokens', nullif(m.output_tokens, 0), 'occurred_at', m.occurred_at,
      'compaction', private.shown_compaction(m.metadata -> 'compactMetadata')
    )) || case
      -- The text of a JSON value is seldom more than six times as long as the value. It is built, to be measured, only where it can exceed the limit.
      when calls ? m.id::text and (pg_column_size(calls) <= 50000 or octet_length((calls -> m.id::text)::text) <= 300000)
      then jsonb_build_object('tool_calls', calls -> m.id::text) else '{}'
    end order by m.seq, m.id)
  into page
  from observatory.messages as m
  -- The same messages, as the snapshot is the same: in the order of the index, without a look-up of each.
  where m.conversation_id = conversation.id
    and (m.seq, m.id) between (seqs[1], ids[1]) and (seqs[cardinality(seqs)], ids[cardinality(ids)]);
  -- The edge forwards at most a megabyte, which many calls, or characters that JSON writes as six, can exceed. The text is built only where it can
  -- be that long.
  if cardinality(ids) > 1 and pg_column_size(page) > 100000 and octet_length(page::text) > 600000 then
    return observatory.thread(thread.id, thread.cursor, cardinality(ids) / 2);
  end if;
  more := exists (
    select from observatory.messages as m
    where m.conversation_id = conversation.id and (m.seq, m.id) > (seqs[cardinality(seqs)], ids[cardinality(ids)])
  );
  return jsonb_build_object(
    'conversation', jsonb_build_object(
      'id', conversation.id, 'project_id', conversation.project_id, 'session_id', conversation.session_id,
      'agent_id', conversation.agent_id, 'parent_conversation_id', conversation.parent_conversation_id, 'title', conversation.title,
      'status', conversation.status, 'message_count', conversation.message_count, 'missing_agents', conversation.missing_agents
    ),
    'messages', coalesce(page, '[]'),
    'next', case when more then private.cursor_of(seqs[cardinality(seqs)]::text, ids[cardinality(ids)]::text) end
  ) || case when after is null then jsonb_build_object(
    'agents', coalesce((
      select jsonb_agg(jsonb_build_object(
        'conversation_id', a.id, 'agent_id', a.agent_id, 'title', a.title, 'status', a.status, 'message_count', a.message_count,
        'tool_use_id', (
          select t.tool_use_id from observatory.tool_calls as t
          where t.conversation_id = conversation.id and t.spawned_agent_id = a.agent_id limit 1
        )
      ) order by a.started_at, a.id)
      from (
        select c.* from observatory.conversations as c
        where c.parent_conversation_id = conversation.id and c.deleted_at is null
        order by c.started_at, c.id
        limit 500
      ) as a
    ), '[]'),
    'git', coalesce((
      select jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
        'kind', g.kind, 'sha', g.sha, 'branch', g.branch, 'number', g.number, 'url', g.url, 'tool_call_id', g.tool_call_id, 'at', g.at
      )) order by g.at, g.id)
      from (
        select l.* from observatory.git_links as l where l.conversation_id = conversation.id order by l.at, l.id limit 500
      ) as g
    ), '[]')
  ) else '{}' end;
end
$$;
comment on function observatory.thread(uuid, text, bigint) is
  'A page of a conversation as a tree. Definer: it checks once what the caller may see, and reads everything else by index.';
revoke execute on function observatory.thread(uuid, text, bigint) from public;
grant execute on function observatory.thread(uuid, text, bigint) to authenticated;

-- migrate:down
drop function observatory.thread(uuid, text, bigint);
drop function private.shown_compaction(jsonb);
drop function private.thread_calls(uuid[], observatory.conversations);
drop function private.shortened(text, int);
drop function private.cursor_parts(text, text);
drop function private.cursor_of(text[]);
drop trigger messages_thread_insert on observatory.messages;
drop function private.link_direct_writes();
drop function private.link_entries(uuid[], private.entry[]);
drop function private.update_branches(uuid[], uuid[], uuid[]);
drop function private.mark_branches(uuid);
drop function private.branch_numbers(int[], bigint[]);
drop function private.branch_ends(int[], bigint[]);
drop function private.resolve_parents(uuid[], text[]);
drop function private.first_in_circles(int[]);
drop function private.is_prompt(observatory.messages);
drop function private.is_asked(boolean, text, jsonb, jsonb);
drop index observatory.messages_branches;
drop table private.entry_links;
