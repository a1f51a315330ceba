-- 0225: n8n. What each user's paths in n8n begin with, and workflows that have to be removed from it.
-- migrate:up
-- What a user's paths in n8n begin with, for n8n has one namespace for all. Random: neither the user's id nor that of a workflow tells
-- where its webhooks are.
create table private.n8n_slugs (
  user_id uuid constraint n8n_slugs_pkey primary key,
  slug    text not null default 'u' || left(replace(pg_catalog.gen_random_uuid()::text, '-', ''), 12)
    || right(pg_catalog.gen_random_uuid()::text, 12),
  constraint n8n_slugs_slug unique (slug),
  constraint n8n_slugs_slug_form check (slug ~ '^u[0-9a-f]{24}$')
);
comment on table private.n8n_slugs is 'The first part of each user''s paths in n8n: given at the first deployment, kept until the user is erased.';

alter table private.n8n_slugs enable row level security;
alter table private.n8n_slugs force row level security;

-- A user's slug, made at the first call.
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

-- Workflows of n8n that nothing here has any more.
create table private.n8n_removals (
  n8n_workflow_id text constraint n8n_removals_pkey primary key,
  due_at          timestamptz not null default now() + interval '2 minutes',
  attempts        bigint not null default 0
);
comment on table private.n8n_removals is 'Workflows to be taken out of n8n: their rows are gone here, or archived.';

create index n8n_removals_due_at on private.n8n_removals (due_at);

alter table private.n8n_removals enable row level security;
alter table private.n8n_removals force row level security;

-- Trigger: a deleted workflow does not run on in n8n.
create function private.remove_from_n8n() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  insert into private.n8n_removals (n8n_workflow_id)
  -- Of one whose id was never heard of the mark that its name ends in.
  select coalesce(o.n8n_workflow_id, 'mark:' || left(replace(o.id::text, '-', ''), 16))
  from old_rows as o
  where o.n8n_workflow_id is not null or o.deployment_status <> 'not_deployed'
  on conflict do nothing;
  return null;
end
$$;

-- Trigger: neither does an archived one. Another deployment makes it anew.
create function private.take_down() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  insert into private.n8n_removals (n8n_workflow_id)
  select old.n8n_workflow_id where old.n8n_workflow_id is not null
  on conflict do nothing;
  update clixen.mvp_workflows as w set n8n_workflow_id = null, deployment_status = 'not_deployed', deployment_url = null
  where w.id = new.id;
  return null;
end
$$;

-- Notes what came of taking a workflow out. What failed is due again after a pause that doubles.
create function edge.removed_from_n8n(n8n_workflow_id text, is_out boolean) returns boolean
  language plpgsql volatile security definer
  set search_path = ''
  as $$
begin
  if is_out then
    delete from private.n8n_removals as r where r.n8n_workflow_id = removed_from_n8n.n8n_workflow_id;
  else
    update private.n8n_removals as r
    set attempts = r.attempts + 1, due_at = now() + interval '2 minutes' * 2 ^ least(r.attempts, 9)
    where r.n8n_workflow_id = removed_from_n8n.n8n_workflow_id;
  end if;
  return found;
end
$$;
comment on function edge.removed_from_n8n(text, boolean) is 'Notes whether n8n has a workflow no more. Definer: the edge has no right on any table.';
revoke execute on function edge.removed_from_n8n(text, boolean) from public;
grant execute on function edge.removed_from_n8n(text, boolean) to edge;

-- migrate:down
drop function edge.removed_from_n8n(text, boolean);
drop function private.take_down();
drop function private.remove_from_n8n();
drop table private.n8n_removals;
drop function private.n8n_slug(uuid);
drop table private.n8n_slugs;
