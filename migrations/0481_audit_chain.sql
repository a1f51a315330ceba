-- 0481: the audit chain of observatory. What was decided about a project, one entry after the other, each with the digest of the one
-- before: altering, removing, inserting or swapping an entry breaks the chain. The edge seals the chains' ends every day, so that a
-- rewrite of a whole chain is noticed, even if its author may write every table.
-- migrate:up
create table private.observatory_audit (
  project_id uuid not null,
  n          bigint not null,
  at         timestamptz not null,
  actor      uuid,
  action     text not null,
  relation   text not null,
  row_id     uuid,
  details    jsonb not null default '{}',
  previous   bytea not null,
  hash       bytea not null,
  constraint observatory_audit_pkey primary key (project_id, n),
  constraint observatory_audit_n check (n > 0)
);
comment on table private.observatory_audit is
  'What was decided about projects: ids, roles and names of columns, no texts of people. Entries of a project are numbered from 1 and chained.';

create index observatory_audit_actor on private.observatory_audit (actor) where actor is not null;
-- When somebody's membership was last changed: earlier invitations are void (0403).
create index observatory_audit_members on private.observatory_audit (project_id, (details ->> 'user_id'), at)
where relation = 'observatory.project_members' and action in ('update', 'delete');

-- The end of each chain. Locked last: everything else of a transaction is done by then.
create table private.audit_chains (
  project_id uuid constraint audit_chains_pkey primary key,
  n          bigint not null,
  hash       bytea not null,
  sealed_n   bigint not null default 0,
  constraint audit_chains_n check (n >= sealed_n and sealed_n >= 0)
);
comment on table private.audit_chains is 'The last entry of each chain, and up to which one a head has it.';

alter table private.observatory_audit enable row level security;
alter table private.observatory_audit force row level security;
alter table private.audit_chains enable row level security;
alter table private.audit_chains force row level security;

create trigger observatory_audit_append_only before update or delete or truncate on private.observatory_audit
  for each statement execute function private.refuse_change();

-- The digest of an entry. The time as a number: its text would depend on the session's time zone.
create function private.audit_hash(entry private.observatory_audit) returns bytea
  language sql immutable
  set search_path = ''
  as $$
select sha256(entry.previous || convert_to(jsonb_build_array(
  entry.project_id, entry.n, (extract(epoch from entry.at) * 1000000)::bigint, entry.actor, entry.action, entry.relation, entry.row_id,
  entry.details
)::text, 'UTF8'))
$$;
revoke execute on function private.audit_hash(private.observatory_audit) from public;

-- Appends an entry to a project's chain.
create function private.note_audit(project uuid, action text, relation text, row_id uuid, details jsonb default '{}') returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  last private.audit_chains;
  entry private.observatory_audit;
begin
  insert into private.audit_chains (project_id, n, hash) values (note_audit.project, 0, sha256(convert_to(note_audit.project::text, 'UTF8')))
  on conflict on constraint audit_chains_pkey do nothing;
  select c.* into last from private.audit_chains as c where c.project_id = note_audit.project for update;
  entry.project_id := note_audit.project;
  entry.n := last.n + 1;
  entry.at := clock_timestamp();
  entry.actor := private.user_id();
  entry.action := note_audit.action;
  entry.relation := note_audit.relation;
  entry.row_id := note_audit.row_id;
  entry.details := coalesce(note_audit.details, '{}');
  entry.previous := last.hash;
  entry.hash := private.audit_hash(entry);
  insert into private.observatory_audit select entry.*;
  update private.audit_chains as c set n = entry.n, hash = entry.hash where c.project_id = note_audit.project;
end
$$;
revoke execute on function private.note_audit(uuid, text, text, uuid, jsonb) from public;

-- Trigger, with names of columns: notes a change of a row, by the values of these columns, at the end of the transaction. Other columns
-- that have changed are named.
create function private.chain_change() returns trigger
  language plpgsql
  -- Definer: request roles may call nothing in the schema private.
  security definer
  set search_path = ''
  as $$
declare
  before constant jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) else '{}' end;
  after constant jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) else '{}' end;
  row_ constant jsonb := case when tg_op = 'DELETE' then before else after end;
  changed text[];
  details jsonb;
begin
  select jsonb_object_agg(name, row_ -> name) into details from unnest(tg_argv) as name where row_ -> name <> 'null';
  -- The deletion of the project, or of the row by deleted_at, has been noted.
  if tg_op = 'DELETE' and (before ->> 'deleted_at' is not null or tg_table_name <> 'projects' and not exists (
    select from observatory.projects as p where p.id = (before ->> 'project_id')::uuid
  )) then
    return null;
  end if;
  -- A project's conversations are deleted with it. Ten thousand entries of one transaction would each pass all earlier ends of the chain.
  if tg_op = 'UPDATE' and tg_table_name = 'conversations' and exists (
    select from observatory.projects as p where p.id = (after ->> 'project_id')::uuid and p.deleted_at is not null
  ) then
    return null;
  end if;
  if tg_op = 'UPDATE' then
    changed := array(
      select f.key from jsonb_each(after) as f
      where f.value is distinct from before -> f.key and f.key not in ('updated_at', 'last_activity_at')
      order by f.key
    );
    if changed = '{}' then
      return null;
    end if;
    details := coalesce(details, '{}') || jsonb_build_object('columns', changed);
  end if;
  perform private.note_audit(
    coalesce((row_ ->> 'project_id')::uuid, (row_ ->> 'id')::uuid), lower(tg_op collate "C"), tg_table_schema || '.' || tg_table_name,
    (row_ ->> 'id')::uuid, details
  );
  return null;
end
$$;
revoke execute on function private.chain_change() from public;

create constraint trigger projects_chain
  after insert or delete or update of owner_id, name, root_path, description, settings, metadata, is_active, deleted_at
  on observatory.projects deferrable initially deferred for each row execute function private.chain_change('owner_id');
create constraint trigger project_members_chain after insert or delete or update of user_id, role on observatory.project_members
  deferrable initially deferred for each row execute function private.chain_change('user_id', 'role');
create constraint trigger project_invitations_chain after insert or delete or update of role, accepted_at, declined_at
  on observatory.project_invitations deferrable initially deferred for each row execute function private.chain_change('user_id', 'role');
create constraint trigger share_links_chain after insert or update of title, hide, include_later, expires_at, revoked_at
  on observatory.share_links deferrable initially deferred
  for each row execute function private.chain_change('conversation_id', 'hide', 'include_later', 'expires_at');
create constraint trigger conversations_chain after delete or update of deleted_at on observatory.conversations
  deferrable initially deferred for each row execute function private.chain_change('owner_id');
-- Uploads set titles, too, often several in one batch.
create constraint trigger conversations_title_chain after update of title on observatory.conversations
  deferrable initially deferred for each row when (current_user in ('authenticated', 'service_role'))
  execute function private.chain_change('owner_id');
create constraint trigger reprice_receipts_chain after insert on private.reprice_receipts
  deferrable initially deferred for each row when (not new.is_dry_run) execute function private.chain_change('user_id');
create constraint trigger reprice_receipts_finished_chain after update of finished_at on private.reprice_receipts
  deferrable initially deferred for each row when (not new.is_dry_run and old.finished_at is null and new.finished_at is not null)
  execute function private.chain_change('user_id', 'lists', 'records', 'changed', 'newly_priced', 'unpriced', 'before_micro', 'after_micro');

-- Every day a head: the ends of all chains that have grown since the head before, with the digest of that head. Heads are chained like entries.
create table private.audit_heads (
  id       uuid constraint audit_heads_pkey primary key default gen_random_uuid(),
  place    bigint generated always as identity,
  at       timestamptz not null default clock_timestamp(),
  previous bytea not null,
  digest   bytea not null,
  constraint audit_heads_place unique (place)
);
comment on table private.audit_heads is 'The heads of the audit chains, one every day. private.audit_ends has what each of them holds.';

create table private.audit_ends (
  head_id    uuid not null constraint audit_ends_head references private.audit_heads (id) on delete cascade,
  project_id uuid not null,
  n          bigint not null,
  hash       bytea not null,
  constraint audit_ends_pkey primary key (head_id, project_id),
  constraint audit_ends_n check (n > 0)
);
comment on table private.audit_ends is 'The ends of chains in each head. As rows, so that to check one chain reads its own ends only.';
create index audit_ends_project on private.audit_ends (project_id, n);

create table private.audit_seals (
  head_id     uuid constraint audit_seals_pkey primary key references private.audit_heads (id) on delete cascade,
  sealed      text not null,
  key_version bigint not null,
  constraint audit_seals_sealed check (octet_length(sealed) between 1 and 4096),
  constraint audit_seals_key_version check (key_version > 0)
);
comment on table private.audit_seals is
  'The digests of heads and when they were sealed, sealed by the edge. A seal that opens needs the edge''s key: write access to the database is not enough to forge a head.';

alter table private.audit_heads enable row level security;
alter table private.audit_heads force row level security;
alter table private.audit_ends enable row level security;
alter table private.audit_ends force row level security;
alter table private.audit_seals enable row level security;
alter table private.audit_seals force row level security;

create trigger audit_heads_append_only before update or delete or truncate on private.audit_heads
  for each statement execute function private.refuse_change();
create trigger audit_ends_append_only before update or delete or truncate on private.audit_ends
  for each statement execute function private.refuse_change();

select private.register_sealed_column(
  'private.audit_seals', 'private.audit_heads.digest', 'head_id', $$'00000000-0000-0000-0000-000000000000'::uuid$$
);

-- What a head holds: {"<project>": [n, "<hash>"]}.
create function private.audit_ends_of(head_id uuid) returns jsonb
  language sql stable
  set search_path = ''
  as $$
select coalesce(jsonb_object_agg(e.project_id, jsonb_build_array(e.n, encode(e.hash, 'hex'))), '{}')
from private.audit_ends as e
where e.head_id = audit_ends_of.head_id
$$;
revoke execute on function private.audit_ends_of(uuid) from public;

-- The digest of a head that holds these ends.
create function private.audit_digest(head private.audit_heads, ends jsonb) returns bytea
  language sql immutable
  set search_path = ''
  as $$
select sha256(head.previous || convert_to(jsonb_build_array((extract(epoch from head.at) * 1000000)::bigint, ends)::text, 'UTF8'))
$$;
revoke execute on function private.audit_digest(private.audit_heads, jsonb) from public;

-- What is wrong in the chain of a project: entries that were altered, are missing, do not follow the one before, or are not what the heads
-- have.
create function private.check_audit_chain(project uuid) returns jsonb
  language sql stable
  set search_path = ''
  as $$
with chain as (
  select coalesce(max(c.n), 0) as n, max(encode(c.hash, 'hex')) as hash
  from private.audit_chains as c
  where c.project_id = check_audit_chain.project
), found_ as (
  select a.n, encode(a.hash, 'hex') as hash, a.hash = private.audit_hash(a) as is_own,
    a.previous = lag(a.hash, 1, sha256(convert_to(check_audit_chain.project::text, 'UTF8'))) over (order by a.n) as is_next
  from private.observatory_audit as a
  where a.project_id = check_audit_chain.project
), faults as (
  select f.n, 'altered' as fault from found_ as f where not f.is_own
  union all
  select f.n, 'does not follow the entry before' from found_ as f where not f.is_next
  union all
  select f.n, 'beyond the end' from found_ as f, chain where f.n > chain.n
  union all
  select f.n, 'not the end' from found_ as f, chain where f.n = chain.n and f.hash <> chain.hash
  union all
  select g.n, 'missing' from chain, generate_series(1, chain.n) as g (n) where not exists (select from found_ as f where f.n = g.n)
  union all
  select e.n, 'not as in the head of ' || (h.at at time zone 'UTC')::date
  from private.audit_ends as e
  inner join private.audit_heads as h on h.id = e.head_id
  where e.project_id = check_audit_chain.project and not exists (select from found_ as f where f.n = e.n and f.hash = encode(e.hash, 'hex'))
  union all
  select c.sealed_n, 'its head is missing'
  from private.audit_chains as c
  where c.project_id = check_audit_chain.project and c.sealed_n > 0 and not exists (
    select from private.audit_ends as e inner join private.audit_heads as h on h.id = e.head_id
    where e.project_id = c.project_id and e.n = c.sealed_n
  )
)
select jsonb_build_object(
  'entries', (select count(*) from found_),
  'intact', not exists (select from faults),
  'faults', (
    select coalesce(jsonb_agg(jsonb_build_object('n', f.n, 'fault', f.fault) order by f.n, f.fault), '[]')
    from (select f.n, f.fault from faults as f order by f.n, f.fault limit 20) as f
  )
)
$$;
revoke execute on function private.check_audit_chain(uuid) from public;

-- The audit chain of a project for its owners: whether it is whole, and its latest entries.
create function observatory.verify_audit(id uuid) returns jsonb
  language plpgsql stable security definer
  set search_path = ''
  as $$
declare
  role text;
begin
  perform private.require_user();
  role := private.role_in(verify_audit.id, 'read');
  if role is null then
    perform private.refuse(404, 'RG660', 'You see no such project', null, 'Take an id of GET /rest/v1/projects.');
  elsif role <> 'owner' then
    perform private.refuse(403, 'RG666', 'Only the owner of this project may do this', null, 'Ask an owner of the project.');
  end if;
  return private.check_audit_chain(verify_audit.id) || jsonb_build_object(
    'project_id', verify_audit.id,
    'latest', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'n', a.n, 'at', a.at, 'actor', a.actor, 'action', a.action, 'relation', a.relation, 'row_id', a.row_id, 'details', a.details
      ) order by a.n desc), '[]')
      from (
        select o.* from private.observatory_audit as o where o.project_id = verify_audit.id order by o.n desc limit 100
      ) as a
    ),
    'in_head_up_to', (select c.sealed_n from private.audit_chains as c where c.project_id = verify_audit.id)
  );
end
$$;
comment on function observatory.verify_audit(uuid) is
  'Whether the audit chain of a project of the caller''s is whole, and its latest entries. Definer: it reads tables of the schema private.';
revoke execute on function observatory.verify_audit(uuid) from public;
grant execute on function observatory.verify_audit(uuid) to authenticated;

-- Makes today's head, if there is none or chains have grown, and gives the heads that are to be sealed.
create function edge.audit_head() returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  head private.audit_heads;
  ends jsonb;
begin
  perform pg_advisory_xact_lock(hashtextextended('observatory audit head', 421));
  with grown as (
    select c.project_id, c.n, c.hash from private.audit_chains as c where c.n > c.sealed_n order by c.project_id limit 20000 for update
  ), noted as (
    update private.audit_chains as c set sealed_n = g.n from grown as g where c.project_id = g.project_id
  )
  select coalesce(jsonb_object_agg(g.project_id, jsonb_build_array(g.n, encode(g.hash, 'hex'))), '{}') into ends from grown as g;
  if ends <> '{}' or not exists (
    select from private.audit_heads as h where h.at >= date_trunc('day', now(), 'UTC')
  ) then
    head.at := clock_timestamp();
    head.previous := coalesce((select h.digest from private.audit_heads as h order by h.place desc limit 1), sha256(''::bytea));
    head.digest := private.audit_digest(head, ends);
    insert into private.audit_heads (at, previous, digest) values (head.at, head.previous, head.digest) returning id into head.id;
    insert into private.audit_ends (head_id, project_id, n, hash)
    select head.id, e.key::uuid, (e.value ->> 0)::bigint, decode(e.value ->> 1, 'hex') from jsonb_each(ends) as e;
  end if;
  return jsonb_build_object('heads', (
    select coalesce(jsonb_agg(jsonb_build_object('id', h.id, 'digest', encode(h.digest, 'hex')) order by h.place), '[]')
    from (
      select o.id, o.place, o.digest
      from private.audit_heads as o
      where not exists (select from private.audit_seals as s where s.head_id = o.id)
      order by o.place
      limit 100
    ) as h
  ));
end
$$;
comment on function edge.audit_head() is
  'Makes the head of observatory''s audit chains, for the edge to seal. Definer: the edge has no right on any table.';
revoke execute on function edge.audit_head() from public;
grant execute on function edge.audit_head() to edge;

-- Stores the seal of a head.
create function edge.audit_head_sealed(id uuid, sealed text, key_version bigint) returns boolean
  language plpgsql volatile security definer
  set search_path = ''
  as $$
begin
  insert into private.audit_seals (head_id, sealed, key_version)
  values (audit_head_sealed.id, audit_head_sealed.sealed, audit_head_sealed.key_version)
  on conflict on constraint audit_seals_pkey do nothing;
  return true;
end
$$;
comment on function edge.audit_head_sealed(uuid, text, bigint) is
  'Stores the seal of a head of observatory''s audit chains. Definer: the edge has no right on any table.';
revoke execute on function edge.audit_head_sealed(uuid, text, bigint) from public;
grant execute on function edge.audit_head_sealed(uuid, text, bigint) to edge;

-- Whether the caller may have heads sealed: a server with a service_role token, in place of crons.
create function observatory.may_seal_audit_head() returns boolean
  language sql stable
  set search_path = ''
  as $$ select true $$;
revoke execute on function observatory.may_seal_audit_head() from public;
grant execute on function observatory.may_seal_audit_head() to service_role;

-- Projects whose chains are checked, 1,000 after the one given. Not only those that have an end now: whoever removes a chain with its end has
-- left it in the heads, whose seals nobody can forge, and entries without an end are a fault, too. Each step is a look-up in three indexes, as a
-- project has an entry for each change and an end for each day.
create function private.audited_projects(after uuid) returns uuid[]
  language plpgsql stable
  set search_path = ''
  as $$
declare
  project uuid := coalesce(audited_projects.after, '00000000-0000-0000-0000-000000000000');
  projects uuid[] := '{}';
begin
  while cardinality(projects) < 1000 loop
    project := least(
      (select c.project_id from private.audit_chains as c where c.project_id > project order by c.project_id limit 1),
      (select e.project_id from private.audit_ends as e where e.project_id > project order by e.project_id limit 1),
      (select a.project_id from private.observatory_audit as a where a.project_id > project order by a.project_id limit 1)
    );
    exit when project is null;
    projects := projects || project;
  end loop;
  return projects;
end
$$;
revoke execute on function private.audited_projects(uuid) from public;

-- Heads with their seals, which the edge opens, and what is wrong with heads and chains as far as the database can tell. Of the heads the
-- latest 800, and older ones with a fault: each has the digest of the one before, so the seals of the latest protect them all. Of the chains
-- 1,000 after the one of a project. `known_id` and `known_digest` are those of a head that the caller knows of, from an earlier answer or from
-- the edge's log.
create function observatory.audit_heads(known_id uuid default null, known_digest text default null, after uuid default null) returns jsonb
  language plpgsql stable security definer
  set search_path = ''
  as $$
declare
  chains uuid[];
begin
  perform private.require_admin();
  perform private.refuse_api_token();
  chains := private.audited_projects(audit_heads.after);
  return jsonb_build_object(
    'heads', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'id', h.id, 'at', h.at, 'digest', encode(h.digest, 'hex'), 'sealed', s.sealed, 'key_version', s.key_version, 'fault', h.fault
      ) order by h.place), '[]')
      from (
        select o.id, o.at, o.digest, o.place, row_number() over (order by o.place desc) as age,
          case
            when o.digest <> private.audit_digest(o, private.audit_ends_of(o.id)) then 'altered'
            when o.previous <> lag(o.digest, 1, sha256(''::bytea)) over (order by o.place) then 'does not follow the head before'
          end as fault
        from private.audit_heads as o
      ) as h
      left join private.audit_seals as s on s.head_id = h.id
      where h.age <= 800 or h.fault is not null
    ),
    'known', case when known_id is not null then jsonb_build_object(
      'id', known_id, 'digest', lower(known_digest collate "C"),
      'stored', (select encode(h.digest, 'hex') from private.audit_heads as h where h.id = known_id)
    ) end,
    'chains', (select count(*) from private.audit_chains),
    'faults', (
      select coalesce(jsonb_agg(jsonb_build_object('project_id', c.project_id, 'faults', c.checked -> 'faults')), '[]')
      from (select o.project_id, private.check_audit_chain(o.project_id) as checked from unnest(chains) as o (project_id)) as c
      where c.checked -> 'intact' = 'false'
    ),
    'next', case when cardinality(chains) = 1000 then chains[1000] end
  );
end
$$;
comment on function observatory.audit_heads(uuid, text, uuid) is
  'Heads and faults of observatory''s audit chains. Definer: it reads tables of the schema private; only admins and service_role get past its first line.';
revoke execute on function observatory.audit_heads(uuid, text, uuid) from public;
grant execute on function observatory.audit_heads(uuid, text, uuid) to service_role;

-- migrate:down
drop function observatory.audit_heads(uuid, text, uuid);
drop function private.audited_projects(uuid);
drop function observatory.may_seal_audit_head();
drop function edge.audit_head_sealed(uuid, text, bigint);
drop function edge.audit_head();
drop function observatory.verify_audit(uuid);
drop function private.check_audit_chain(uuid);
drop function private.audit_digest(private.audit_heads, jsonb);
drop function private.audit_ends_of(uuid);
delete from private.sealed_columns where relation = 'private.audit_seals';
drop table private.audit_seals;
drop table private.audit_ends;
drop table private.audit_heads;
drop trigger share_links_chain on observatory.share_links;
drop trigger project_invitations_chain on observatory.project_invitations;
drop trigger reprice_receipts_finished_chain on private.reprice_receipts;
drop trigger reprice_receipts_chain on private.reprice_receipts;
drop trigger conversations_title_chain on observatory.conversations;
drop trigger conversations_chain on observatory.conversations;
drop trigger project_members_chain on observatory.project_members;
drop trigger projects_chain on observatory.projects;
drop function private.chain_change();
drop function private.note_audit(uuid, text, text, uuid, jsonb);
drop function private.audit_hash(private.observatory_audit);
drop table private.audit_chains;
drop table private.observatory_audit;
