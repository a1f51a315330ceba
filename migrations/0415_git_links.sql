-- 0415: git links. Commits, pushes and pull requests that a conversation's tools made.
-- migrate:up
create table observatory.git_links (
  id              uuid constraint git_links_pkey primary key default gen_random_uuid(),
  project_id      uuid not null,
  conversation_id uuid not null,
  tool_call_id    uuid,
  kind            text not null,
  sha             text,
  branch          text,
  number          bigint,
  url             text,
  at              timestamptz not null default now(),
  created_at      timestamptz not null default now(),
  constraint git_links_conversation foreign key (conversation_id, project_id)
    references observatory.conversations (id, project_id) on update cascade on delete cascade,
  constraint git_links_tool_call foreign key (tool_call_id) references observatory.tool_calls (id) on delete cascade,
  -- With the project for the policies, as messages_order.
  constraint git_links_once unique nulls not distinct (conversation_id, project_id, kind, sha, branch, number, url),
  constraint git_links_kind check (kind in ('commit', 'push', 'pr')),
  constraint git_links_sha check (sha ~ '^[0-9a-f]{4,64}$'),
  constraint git_links_branch check (char_length(branch) between 1 and 250),
  constraint git_links_number check (number > 0),
  -- What is unique fits into an index, which takes 2,704 bytes.
  constraint git_links_url check (url ~ '^https://' and octet_length(url) <= 1500)
);
comment on table observatory.git_links is 'Commits, pushes and pull requests that tools of a conversation made, as their results say. Written by uploads only.';
comment on column observatory.git_links.tool_call_id is 'The call that made it; null if the agent noted it without one.';

create index git_links_tool_call on observatory.git_links (tool_call_id) where tool_call_id is not null;
create index git_links_latest on observatory.git_links (project_id, at desc, id desc);

alter table observatory.git_links enable row level security;
alter table observatory.git_links force row level security;
create policy member_select on observatory.git_links for select to authenticated
  using (
    project_id = any ((select observatory.visible_projects())::uuid[])
    and conversation_id <> all ((select observatory.hidden_conversations())::uuid[])
  );
grant select on observatory.git_links to authenticated, service_role;

create trigger git_links_erased before insert or update on observatory.git_links
  for each statement execute function private.refuse_erased_caller();

select private.index_mentions('observatory.git_links', array['branch', 'url']);

-- Stores the commits, pushes and pull requests that results of tools name, and the pull requests that an agent has noted.
create function private.link_git(conversation_ids uuid[], entries private.entry[]) returns void
  language sql volatile
  set search_path = ''
  as $$
with named as materialized (
  select e.session, e.agent, coalesce(e.at, now()) as at, t.one #>> '{result,id}' as tool_use_id, k.kind,
    t.one #> array['result', 'facts', 'git', k.kind] as made
  from unnest(link_git.entries) as e
  cross join jsonb_array_elements(case when jsonb_typeof(e.tools) = 'array' then e.tools else '[]' end) as t (one)
  cross join unnest(array['commit', 'push', 'pr']) as k (kind)
  where e.tools is not null and jsonb_typeof(t.one #> array['result', 'facts', 'git', k.kind]) = 'object'
  union all
  select e.session, e.agent, coalesce(e.at, now()), null, 'pr', e.facts -> 'pr'
  from unnest(link_git.entries) as e
  where jsonb_typeof(e.facts -> 'pr') = 'object'
),

read as (
  select
    c.project_id, c.id as conversation_id, t.id as tool_call_id, n.kind, n.at,
    case when n.made ->> 'sha' ~ '^[0-9a-f]{4,64}$' then n.made ->> 'sha' end as sha,
    nullif(left(n.made ->> 'branch', 250), '') as branch,
    case when n.made ->> 'number' ~ '^[1-9][0-9]{0,9}$' then (n.made ->> 'number')::bigint end as number,
    case when n.made ->> 'url' ~ '^https://[^\s<>"]+$' and octet_length(n.made ->> 'url') <= 1500 then n.made ->> 'url' end as url
  from named as n
  inner join observatory.conversations as c
    on c.id = any (link_git.conversation_ids) and c.session_id = n.session and c.agent_id is not distinct from n.agent
  left join observatory.tool_calls as t on t.conversation_id = c.id and t.tool_use_id = n.tool_use_id
)

insert into observatory.git_links (project_id, conversation_id, tool_call_id, kind, sha, branch, number, url, at)
select distinct on (r.conversation_id, r.kind, r.sha, r.branch, r.number, r.url)
  r.project_id, r.conversation_id, r.tool_call_id, r.kind, r.sha, r.branch, r.number, r.url, r.at
from read as r
where coalesce(r.sha, r.branch, r.number::text, r.url) is not null
order by r.conversation_id, r.kind, r.sha, r.branch, r.number, r.url, r.at
on conflict on constraint git_links_once do nothing
$$;
revoke execute on function private.link_git(uuid[], private.entry[]) from public;

-- migrate:down
drop function private.link_git(uuid[], private.entry[]);
delete from private.mention_places where relation = 'observatory.git_links';
drop table observatory.git_links;
