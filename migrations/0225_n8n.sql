-- 0225: n8n. The prefix of each user's paths in n8n, and the workflows that have to be removed from n8n.
-- migrate:up
-- The prefix of a user's paths in n8n, which has one namespace for all users. Random: neither the user's id nor a workflow's id
-- reveals the address of its webhooks.
create table private.n8n_slugs (
  user_id uuid constraint n8n_slugs_pkey primary key,
  slug    text not null default 'u' || left(replace(pg_catalog.gen_random_uuid()::text, '-', ''), 12)
    || right(pg_catalog.gen_random_uuid()::text, 12),
  constraint n8n_slugs_slug unique (slug),
  constraint n8n_slugs_slug_form check (slug ~ '^u[0-9a-f]{24}$')
);
comment on table private.n8n_slugs is 'The first part of each user''s paths in n8n: created at the first deployment, kept until the user is erased.';

alter table private.n8n_slugs enable row level security;
alter table private.n8n_slugs force row level security;

-- A user's prefix, created at the first call.
create function private.n8n_slug(user_id uuid) returns text
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  insert into private.n8n_slugs (user_id) values (n8n_slug.user_id) on conflict do nothing;
  return (select s.slug from private.n8n_slugs as s where s.user_id = n8n_slug.user_id);
end
$$;
revoke execute on function private.n8n_slug(uuid) from public;

-- Workflows in n8n that have no row here any more.
create table private.n8n_removals (
  n8n_workflow_id text constraint n8n_removals_pkey primary key, -- n8n's id, or a mark
  workflow_id     uuid,                    -- the workflow's id here
  due_at          timestamptz not null default now() + interval '2 minutes',
  attempts        bigint not null default 0,
  claimed_until   timestamptz              -- the edge removes it from n8n; until then no deployment of the workflow begins
);
comment on table private.n8n_removals is 'Workflows to remove from n8n: their rows were deleted here, or archived.';

create index n8n_removals_due_at on private.n8n_removals (due_at);

alter table private.n8n_removals enable row level security;
alter table private.n8n_removals force row level security;

-- Stands for n8n's id if that was never received: the mark that the workflow's name in n8n ends with.
create function private.n8n_mark(workflow_id uuid) returns text
  language sql immutable
  set search_path = ''
  as $$ select 'mark:' || left(replace(n8n_mark.workflow_id::text, '-', ''), 16) $$;
revoke execute on function private.n8n_mark(uuid) from public;

-- Trigger: removes a deleted workflow from n8n.
create function private.queue_n8n_removal() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  insert into private.n8n_removals (n8n_workflow_id, workflow_id)
  select coalesce(o.n8n_workflow_id, private.n8n_mark(o.id)), o.id
  from old_rows as o
  where o.n8n_workflow_id is not null or o.deployment_status <> 'not_deployed'
  on conflict do nothing;
  return null;
end
$$;

-- Trigger: removes an archived workflow from n8n. The next deployment creates it again, and no version before it serves.
create function private.queue_n8n_removal_of_archived() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  insert into private.n8n_removals (n8n_workflow_id, workflow_id)
  select coalesce(new.n8n_workflow_id, private.n8n_mark(new.id)), new.id
  where new.n8n_workflow_id is not null or new.deployment_status <> 'not_deployed'
  on conflict do nothing;
  update clixen.mvp_workflows as w set
    n8n_workflow_id = null, deployment_status = 'not_deployed', deployment_url = null, last_deployed_at = null
  where w.id = new.id;
  return null;
end
$$;

-- Records whether a workflow was removed from n8n. After a failure it is due again after a pause that doubles.
create function edge.removed_from_n8n(n8n_workflow_id text, is_out boolean) returns boolean
  language plpgsql volatile security definer
  set search_path = ''
  as $$
begin
  if is_out then
    delete from private.n8n_removals as r where r.n8n_workflow_id = removed_from_n8n.n8n_workflow_id;
  else
    update private.n8n_removals as r
    set attempts = r.attempts + 1, claimed_until = null, due_at = now() + interval '2 minutes' * 2 ^ least(r.attempts, 9)
    where r.n8n_workflow_id = removed_from_n8n.n8n_workflow_id;
  end if;
  return found;
end
$$;
comment on function edge.removed_from_n8n(text, boolean) is 'Records whether a workflow was removed from n8n. Definer: the edge has no right on any table.';
revoke execute on function edge.removed_from_n8n(text, boolean) from public;
grant execute on function edge.removed_from_n8n(text, boolean) to edge;

-- migrate:down
drop function edge.removed_from_n8n(text, boolean);
drop function private.queue_n8n_removal_of_archived();
drop function private.queue_n8n_removal();
drop function private.n8n_mark(uuid);
drop table private.n8n_removals;
drop function private.n8n_slug(uuid);
drop table private.n8n_slugs;
