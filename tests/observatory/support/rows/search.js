// Generated rows of search and threads.

/** A project, a conversation in it, and its owner. */
const CONVERSATION = `project as (
      insert into observatory.projects (owner_id, name) values (gen_random_uuid(), 'Searched ' || gen_random_uuid()) returning id, owner_id),
    conversation as (
      insert into observatory.conversations (project_id, owner_id, session_id)
      select p.id, p.owner_id, gen_random_uuid()::text from project as p returning id, project_id, owner_id)`;

/** Statements by table. */
export const rows = {
  'private.message_search': `insert into private.message_search (message_id, project_id, occurred_at, search)
    select m.id, m.project_id, m.occurred_at, private.search_vector('Text ' || m.entry_uuid)
    from observatory.messages as m limit $1::int on conflict do nothing`,
  'private.entry_links': `with ${CONVERSATION}
    insert into private.entry_links (conversation_id, entry_uuid, parent_uuid)
    select c.id, 'entry ' || n, 'entry ' || n - 1 from conversation as c, generate_series(1, $1::int) as n`,
  'observatory.git_links': `with ${CONVERSATION}
    insert into observatory.git_links (project_id, conversation_id, kind, sha, branch, number, url, at, created_at)
    select c.project_id, c.id, (array['commit', 'push', 'pr'])[1 + n % 3], md5(n::text), 'branch-' || n, n, 'https://git.example.org/' || n,
      timestamptz '2026-01-01' + make_interval(mins => n), timestamptz '2026-01-02' + make_interval(mins => n)
    from conversation as c, generate_series(1, $1::int) as n`,
  'observatory.search_terms': `with project as (
      insert into observatory.projects (owner_id, name) values (gen_random_uuid(), 'With terms ' || gen_random_uuid()) returning id)
    insert into observatory.search_terms (project_id, user_id, kind, term, uses)
    select p.id, gen_random_uuid(), (array['tool', 'file', 'word'])[1 + n % 3], 'Term ' || n, n from project as p, generate_series(1, $1::int) as n`,
  'private.stale_terms': `insert into private.stale_terms (project_id)
    select p.id from observatory.projects as p limit $1::int`,
  'observatory.search_history': `insert into observatory.search_history (user_id, query, filters, results, at, opened_at)
    select gen_random_uuid(), 'query ' || n, jsonb_build_object('role', 'user', 'n', n), n,
      timestamptz '2026-01-01' + make_interval(mins => n), timestamptz '2026-01-02' + make_interval(mins => n)
    from generate_series(1, $1::int) as n`,
};
