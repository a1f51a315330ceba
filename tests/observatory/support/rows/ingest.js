// Generated rows of files that users have sent.

/** A project and, in it, a conversation. */
const CONVERSATION = `project as (
      insert into observatory.projects (owner_id, name) values (gen_random_uuid(), 'Project ' || gen_random_uuid()) returning id, owner_id),
    conversation as (
      insert into observatory.conversations (project_id, owner_id, session_id)
      select p.id, p.owner_id, gen_random_uuid()::text from project as p returning id, project_id, owner_id)`;

/** Statements by table. */
export const rows = {
  'observatory.ingest_files': `with ${CONVERSATION}
    insert into observatory.ingest_files (
      owner_id, project_id, conversation_id, session_id, agent_id, name, variant, path, source, generation, head_hash, byte_offset, line_no, lines,
      skipped, errors, reader_state, created_at, updated_at)
    select c.owner_id, c.project_id, c.id, 'session ' || n, case when n % 2 = 0 then 'agent ' || n end, n || '.jsonl', n, 'p/' || n || '.jsonl',
      (array['claude', 'codex', 'gemini', 'opencode'])[1 + n % 4], n, sha256(n::text::bytea), n * 1000, n + 1, n,
      jsonb_build_object('malformed', n), jsonb_build_array(jsonb_build_object('offset', n, 'code', 'malformed')),
      jsonb_build_object('n', n), timestamptz '2026-01-01' + make_interval(mins => n), timestamptz '2026-01-02' + make_interval(mins => n)
    from conversation as c, generate_series(1, $1::int) as n`,
  'observatory.session_files': `with ${CONVERSATION}
    insert into observatory.session_files (
      owner_id, project_id, conversation_id, session_id, path, kind, content, bytes, redactions, created_at, updated_at)
    select c.owner_id, c.project_id, c.id, 'session ' || n, 'tool-results/' || n || '.txt',
      (array['tool_result', 'meta', 'journal', 'snapshot', 'other'])[1 + n % 5], 'Content ' || n, n, n % 3,
      timestamptz '2026-01-01' + make_interval(mins => n), timestamptz '2026-01-02' + make_interval(mins => n)
    from conversation as c, generate_series(1, $1::int) as n`,
  'private.transcript_chunks': `with ${CONVERSATION},
    file as (
      insert into observatory.ingest_files (owner_id, project_id, conversation_id, session_id, name, path, source)
      select c.owner_id, c.project_id, c.id, 'session', 'a.jsonl', 'a.jsonl', 'claude' from conversation as c returning id)
    insert into private.transcript_chunks (file_id, generation, start_offset, end_offset, body)
    select f.id, 1, n * 10, n * 10 + 9, '{"n": ' || n || '}' || chr(10) from file as f, generate_series(1, $1::int) as n`,
};
