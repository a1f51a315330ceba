// Generated rows of projects, their members, invitations, share links and audit chains.
import { CONVERSATION } from './sessions.js';

/** Statements by table. */
export const rows = {
  'observatory.projects': `insert into observatory.projects (
      owner_id, name, root_path, description, settings, metadata, is_active, last_activity_at, created_at, updated_at)
    select gen_random_uuid(), 'Project ' || n, '/home/user/project-' || n, 'Description ' || n, jsonb_build_object('n', n),
      jsonb_build_object('m', n), n % 5 > 0, timestamptz '2026-01-03' + make_interval(mins => n),
      timestamptz '2026-01-01' + make_interval(mins => n), timestamptz '2026-01-02' + make_interval(mins => n)
    from generate_series(1, $1::int) as n`,
  'observatory.project_paths': `with project as (
      insert into observatory.projects (owner_id, name) values (gen_random_uuid(), 'Project with paths') returning id, owner_id)
    insert into observatory.project_paths (owner_id, path, project_id, created_at)
    select p.owner_id, '/home/user/path-' || n, p.id, timestamptz '2026-01-01' + make_interval(mins => n)
    from project as p, generate_series(1, $1::int) as n`,
  'observatory.project_members': `with project as (
      insert into observatory.projects (owner_id, name) values (gen_random_uuid(), 'Project with members') returning id)
    insert into observatory.project_members (project_id, user_id, role, display_name, added_by, created_at)
    select p.id, gen_random_uuid(), (array['viewer', 'editor', 'owner'])[1 + n % 3], 'Member ' || n, gen_random_uuid(),
      timestamptz '2026-01-01' + make_interval(mins => n)
    from project as p, generate_series(1, $1::int) as n`,
  'observatory.project_invitations': `with project as (
      insert into observatory.projects (owner_id, name) values (gen_random_uuid(), 'Project with invitations') returning id)
    insert into observatory.project_invitations (
      project_id, email_key, user_id, role, invited_by, created_at, expires_at, accepted_at, declined_at)
    select p.id, case when n % 2 = 0 then 'guest' || n || '@example.org' end, case when n % 2 = 1 then gen_random_uuid() end,
      (array['viewer', 'editor', 'owner'])[1 + n % 3], gen_random_uuid(), timestamptz '2026-01-01' + make_interval(mins => n),
      timestamptz '2026-02-01' + make_interval(mins => n), case when n % 3 = 0 then timestamptz '2026-01-02' + make_interval(mins => n) end,
      case when n % 3 = 1 then timestamptz '2026-01-03' + make_interval(mins => n) end
    from project as p, generate_series(1, $1::int) as n`,
  'observatory.share_links': `with ${CONVERSATION}
    insert into observatory.share_links (
      project_id, conversation_id, created_by, title, hide, include_later, expires_at, revoked_at, created_at)
    select c.project_id, c.id, gen_random_uuid(), 'Link ' || n, case when n % 2 = 0 then array['thinking'] else array['paths', 'tool_inputs'] end,
      n % 2 = 0, timestamptz '2026-02-01' + make_interval(mins => n), case when n % 3 = 0 then timestamptz '2026-01-02' end,
      timestamptz '2026-01-01' + make_interval(mins => n)
    from conversation as c, generate_series(1, $1::int) as n`,
  'private.share_tokens': `insert into private.share_tokens (share_id, hash)
    select l.id, sha256(l.id::text::bytea) from observatory.share_links as l limit $1::int`,
  'private.share_views': `insert into private.share_views (share_id, day, views)
    select l.id, date '2026-01-01' + n, n from (select id from observatory.share_links limit 1) as l, generate_series(1, $1::int) as n`,
  'private.observatory_audit': `insert into private.observatory_audit (
      project_id, n, at, actor, action, relation, row_id, details, previous, hash)
    select gen_random_uuid(), n, timestamptz '2026-01-01' + make_interval(mins => n), gen_random_uuid(), 'update', 'observatory.projects',
      gen_random_uuid(), jsonb_build_object('n', n), sha256(n::text::bytea), sha256((n + 1)::text::bytea)
    from generate_series(1, $1::int) as n`,
  'private.audit_chains': `insert into private.audit_chains (project_id, n, hash, sealed_n)
    select gen_random_uuid(), n, sha256(n::text::bytea), n % 2 from generate_series(1, $1::int) as n`,
  'private.audit_heads': `insert into private.audit_heads (at, previous, digest)
    select timestamptz '2026-01-01' + make_interval(days => n), sha256(n::text::bytea),
      sha256((n + 1)::text::bytea)
    from generate_series(1, $1::int) as n`,
  'private.audit_ends': `with head as (
      insert into private.audit_heads (previous, digest) values (sha256('a'), sha256('b')) returning id
    )
    insert into private.audit_ends (head_id, project_id, n, hash)
    select head.id, gen_random_uuid(), n, sha256(n::text::bytea) from head, generate_series(1, $1::int) as n`,
  'private.audit_seals': `insert into private.audit_seals (head_id, sealed, key_version)
    select h.id, 'v1.' || h.place, 1 from private.audit_heads as h limit $1::int`,
};
