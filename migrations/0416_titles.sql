-- 0416: titles of conversations, from transcripts.
-- migrate:up
-- Notes each summary at the message that it names. Older versions of Claude Code write the summary of a session into the file of a later session,
-- which may be sent first. `uuids` are new entries, `ids` new messages. Returns the conversations whose messages have changed.
create function private.note_summaries(owner uuid, uuids text[], ids uuid[]) returns uuid[]
  language sql volatile
  set search_path = ''
  as $$
with noted as (
  update observatory.messages as m
  set metadata = m.metadata || jsonb_build_object('session_summary', left(s.content, 500), 'session_summary_entry', s.entry_uuid)
  from (
    select distinct on (s.metadata ->> 'leafUuid') s.metadata ->> 'leafUuid' as leaf, s.content, s.entry_uuid
    from observatory.messages as s
    where s.owner_id = note_summaries.owner and s.entry_type = 'summary' and s.content <> ''
      and s.metadata ->> 'leafUuid' = any (
        note_summaries.uuids || array(
          select n.metadata ->> 'leafUuid' from observatory.messages as n where n.id = any (note_summaries.ids) and n.entry_type = 'summary'
        )
      )
    order by s.metadata ->> 'leafUuid', s.entry_uuid desc
  ) as s
  where m.owner_id = note_summaries.owner and m.entry_uuid = s.leaf and m.metadata ->> 'session_summary_entry' is distinct from s.entry_uuid
  returning m.conversation_id
)

select coalesce(array_agg(distinct noted.conversation_id), '{}') from noted
$$;
revoke execute on function private.note_summaries(uuid, text[], uuid[]) from public;

-- Sets the title of a conversation: the latest that a person gave, or else the agent's, a summary's, or the beginning of the first prompt. A
-- custom title that is the name of a worktree was not given by a person.
create function private.set_title(conversation_id uuid) returns void
  language sql volatile
  set search_path = ''
  as $$
update observatory.conversations as c set title = t.title, title_source = t.source
from (
  select u.title, u.source
  from (
    (
      select 1 as place, n.title, n.source
      from (
        select
          nullif(btrim(left(case
            when m.entry_type in ('custom-title', 'ai-title', 'summary') then m.content else m.metadata ->> 'session_summary'
          end, 500)), '') as title,
          case m.entry_type when 'custom-title' then 'custom' when 'ai-title' then 'ai' else 'summary' end as source,
          case m.entry_type when 'custom-title' then 1 when 'ai-title' then 2 else 3 end as strength,
          m.seq, m.created_at
        from observatory.messages as m
        where m.conversation_id = set_title.conversation_id
          and (m.entry_type in ('custom-title', 'ai-title', 'summary', 'worktree-state') or m.metadata ? 'session_summary')
          and case m.entry_type
            when 'custom-title' then not exists (
              select from observatory.messages as w
              where w.conversation_id = set_title.conversation_id and w.entry_type = 'worktree-state'
                and w.metadata #>> '{worktreeSession,worktreeName}' = m.content
            )
            when 'ai-title' then true
            -- A summary that names a message is noted at that message (note_summaries).
            when 'summary' then not m.metadata ? 'leafUuid'
            else m.metadata ? 'session_summary'
          end
      ) as n
      where n.title is not null
      -- In a document that its agent rewrites, the old and the new title have the same position.
      order by n.strength, n.seq desc, n.created_at desc
      limit 1
    )
    union all
    (
      select 2, nullif(btrim(left(regexp_replace(left(m.content, 2000), '\s+', ' ', 'g'), 200)), ''), 'prompt'
      from observatory.messages as m
      where m.conversation_id = set_title.conversation_id and m.role = 'user' and not m.is_meta and m.content <> ''
        and m.content !~ '^\s*<' and (not m.is_sidechain or m.agent_id is not null) and not m.metadata ? 'is_compact_summary'
      order by m.seq, m.id
      limit 1
    )
  ) as u
  where u.title is not null
  order by u.place
  limit 1
) as t
where c.id = set_title.conversation_id and (c.title, c.title_source) is distinct from (t.title, t.source)
$$;
revoke execute on function private.set_title(uuid) from public;

-- migrate:down
drop function private.set_title(uuid);
drop function private.note_summaries(uuid, text[], uuid[]);
