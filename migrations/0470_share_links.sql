-- 0470: share links of observatory. A link shows one conversation to everybody who has it, until it expires or is revoked.
-- migrate:up
create table observatory.share_links (
  id              uuid constraint share_links_pkey primary key default gen_random_uuid(),
  project_id      uuid not null,
  conversation_id uuid not null,
  created_by      uuid not null,
  title           text,
  hide            text[] not null default array['thinking', 'paths'],
  include_later   boolean not null default false,
  expires_at      timestamptz not null,
  revoked_at      timestamptz,
  -- The time at which it is stored: what is stored later is not shown.
  created_at      timestamptz not null default clock_timestamp(),
  constraint share_links_conversation foreign key (conversation_id, project_id)
    references observatory.conversations (id, project_id) on update cascade on delete cascade,
  constraint share_links_title check (char_length(title) between 1 and 500),
  constraint share_links_hide check (hide <@ array['thinking', 'tool_inputs', 'tool_outputs', 'paths']),
  constraint share_links_expires_at check (expires_at > created_at and expires_at <= created_at + interval '366 days')
);
comment on table observatory.share_links is 'Links by which a conversation is read without signing in. The link''s token is stored as a digest only, elsewhere.';
comment on column observatory.share_links.hide is
  'What the link does not show: thinking, tool_inputs, tool_outputs; paths: names of home directories.';
comment on column observatory.share_links.include_later is 'Whether it also shows what was stored after it was made.';

create index share_links_by_conversation on observatory.share_links (conversation_id, project_id);
create index share_links_by_project on observatory.share_links (project_id, created_at desc);
create index share_links_created_by on observatory.share_links (created_by);

create table private.share_tokens (
  share_id uuid constraint share_tokens_pkey primary key references observatory.share_links (id) on delete cascade,
  hash     bytea not null,
  constraint share_tokens_hash unique (hash),
  constraint share_tokens_hash_length check (octet_length(hash) = 32)
);
comment on table private.share_tokens is 'SHA-256 of the tokens of share links.';

create table private.share_views (
  share_id uuid not null references observatory.share_links (id) on delete cascade,
  day      date not null,
  views    bigint not null default 1,
  constraint share_views_pkey primary key (share_id, day),
  constraint share_views_views check (views > 0)
);
comment on table private.share_views is 'How often a share link was opened, by day in UTC.';

alter table observatory.share_links enable row level security;
alter table observatory.share_links force row level security;
alter table private.share_tokens enable row level security;
alter table private.share_tokens force row level security;
alter table private.share_views enable row level security;
alter table private.share_views force row level security;
create policy member_select on observatory.share_links for select to authenticated
  using (
    project_id = any ((select observatory.visible_projects())::uuid[])
    and conversation_id <> all ((select observatory.hidden_conversations())::uuid[])
  );
grant select on observatory.share_links to authenticated;
grant select, insert, update, delete on observatory.share_links to service_role;

create trigger share_links_erased before insert or update on observatory.share_links
  for each statement execute function private.refuse_erased_caller();
create trigger share_links_filter before update or delete on observatory.share_links
  for each statement execute function private.require_filter();
create trigger share_links_audit after insert or delete or update of title, hide, include_later, expires_at, revoked_at
  on observatory.share_links for each row execute function private.audit();

select private.index_mentions('observatory.share_links', array['title']);

insert into private.secrets (name, secret) values ('observatory_shares', decode(
  replace(gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'
));

-- How often a link has been opened: a computed column of the data API.
create function observatory.view_count(link observatory.share_links) returns bigint
  language sql stable security definer
  set search_path = ''
  as $$
select coalesce(sum(v.views), 0)::bigint
from private.share_views as v
-- By the link itself: a caller may hand in any row.
inner join observatory.share_links as l on l.id = v.share_id
where v.share_id = link.id and l.project_id = any ((select observatory.visible_projects())::uuid[])
$$;
comment on function observatory.view_count(observatory.share_links) is
  'How often a share link was opened. Definer: it reads a table of the schema private, for links that the caller may see.';
revoke execute on function observatory.view_count(observatory.share_links) from public;
grant execute on function observatory.view_count(observatory.share_links) to authenticated;

-- Makes a share link of a conversation. Its token is in this answer and nowhere else.
create function observatory.share(
  id uuid, title text default null, hide jsonb default null, include_later boolean default false, expires_in_days bigint default 30
) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  caller constant uuid := private.require_user();
  hidden constant text[] := case when jsonb_typeof(hide) = 'array' then private.texts(hide) end;
  shared observatory.conversations;
  link observatory.share_links;
  token bytea;
  wrong text;
begin
  select c.* into shared
  from observatory.conversations as c
  where c.id = share.id and c.deleted_at is null;
  if private.role_in(shared.project_id, 'read') is null then
    perform private.refuse(404, 'RG662', 'You see no such conversation', null, 'Take an id of GET /rest/v1/conversations.');
  elsif private.role_in(shared.project_id, 'write') in ('editor', 'owner') is not true then
    perform private.refuse(403, 'RG661', 'You may only read in this project', null, 'Ask an owner of the project to make you an editor.');
  end if;
  wrong := case
    when hide is not null and jsonb_typeof(hide) not in ('array', 'null')
      or hidden <@ array['thinking', 'tool_inputs', 'tool_outputs', 'paths'] is false
      then 'hide is a list of thinking, tool_inputs, tool_outputs and paths'
    when expires_in_days is null or expires_in_days not between 1 and 365 then 'expires_in_days is from 1 to 365'
    when char_length(share.title) > 500 then 'title has at most 500 characters'
  end;
  if wrong is not null then
    perform private.refuse(422, 'RG675', 'A share link cannot be like this', wrong, 'Correct it and send it again.');
  end if;
  perform private.require_allowance('observatory');
  -- Uploads that were under way have ended then; rows of later ones are newer than the link.
  perform private.lock_observatory_owner(shared.owner_id);
  insert into observatory.share_links (project_id, conversation_id, created_by, title, hide, include_later, expires_at, created_at)
  values (
    shared.project_id, shared.id, caller, private.redact_secrets(nullif(btrim(coalesce(share.title, shared.title)), '')),
    coalesce(hidden, array['thinking', 'paths']), coalesce(share.include_later, false),
    clock_timestamp() + make_interval(days => share.expires_in_days::int), clock_timestamp()
  )
  returning * into link;
  token := private.digest('observatory_shares', uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(link.id));
  insert into private.share_tokens (share_id, hash) values (link.id, sha256(token));
  perform private.use_allowance('observatory', octet_length(to_jsonb(link)::text), 1);
  return jsonb_build_object(
    'id', link.id, 'token', private.base64url(token), 'path', '/v1/shared/' || private.base64url(token), 'expires_at', link.expires_at,
    'hide', link.hide, 'include_later', link.include_later
  );
end
$$;
comment on function observatory.share(uuid, text, jsonb, boolean, bigint) is
  'Makes a share link. Definer: it stores the digest of the token in the schema private; it asks what the caller may first.';
revoke execute on function observatory.share(uuid, text, jsonb, boolean, bigint) from public;
grant execute on function observatory.share(uuid, text, jsonb, boolean, bigint) to authenticated;

-- Revokes a share link at once. For the user who made it, and for owners of the project.
create function observatory.revoke_share(id uuid) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  caller constant uuid := private.require_user();
  link observatory.share_links;
  role text;
begin
  select l.* into link from observatory.share_links as l where l.id = revoke_share.id;
  role := private.role_in(link.project_id, 'write');
  if private.role_in(link.project_id, 'read') is null then
    perform private.refuse(404, 'RG667', 'There is no such share link', null, 'Take an id of GET /rest/v1/share_links.');
  elsif role is distinct from 'owner' and (link.created_by = caller and role = 'editor') is not true then
    perform private.refuse(
      403, 'RG666', 'Only the owner of this project may do this', 'Somebody else has made the link', 'Ask an owner of the project.'
    );
  end if;
  update observatory.share_links as l set revoked_at = coalesce(l.revoked_at, now()) where l.id = link.id returning l.* into link;
  return jsonb_build_object('id', link.id, 'revoked_at', link.revoked_at);
end
$$;
comment on function observatory.revoke_share(uuid) is
  'Revokes a share link. Definer: revoked_at is not users'' to write; it asks what the caller may first.';
revoke execute on function observatory.revoke_share(uuid) from public;
grant execute on function observatory.revoke_share(uuid) to authenticated;

-- Job: deletes links 90 days after they have expired or were revoked, with their tokens and views.
create function private.clean_share_links() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  deleted bigint;
begin
  delete from observatory.share_links as l
  where l.id = any (array(
    select old.id
    from observatory.share_links as old
    where least(old.expires_at, old.revoked_at) < now() - interval '90 days'
    -- With each go its views of up to a year.
    limit 500
    for update skip locked
  ));
  get diagnostics deleted = row_count;
  return deleted;
end
$$;
revoke execute on function private.clean_share_links() from public;

insert into private.jobs (name, function, schedule, description, more_from) values (
  'clean_share_links', 'private.clean_share_links', '17 3 * * *', 'Deletes share links of observatory 90 days after they have ended.', 500
);

-- migrate:down
delete from private.jobs where name = 'clean_share_links';
drop function private.clean_share_links();
drop function observatory.revoke_share(uuid);
drop function observatory.share(uuid, text, jsonb, boolean, bigint);
drop function observatory.view_count(observatory.share_links);
delete from private.secrets where name = 'observatory_shares';
delete from private.mention_places where relation = 'observatory.share_links';
drop table private.share_views;
drop table private.share_tokens;
drop table observatory.share_links;
