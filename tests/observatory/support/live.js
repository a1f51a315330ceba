// Hook events and logs of OpenTelemetry, as Claude Code sends them.
import { randomUUID } from 'node:crypto';
import { as, onBehalf, sql } from '../../support/stack.js';
import { logs } from './logs.js';

/** The body of every documented event, beside what all have. */
export const EVENTS = {
  SessionStart: { source: 'startup', model: 'claude-opus-5' },
  Setup: { trigger: 'init' },
  SessionEnd: { reason: 'prompt_input_exit' },
  InstructionsLoaded: { file_path: '/home/me/app/CLAUDE.md', memory_type: 'Project', load_reason: 'session_start' },
  UserPromptSubmit: { prompt: 'Fix the   test\nof getUserById' },
  UserPromptExpansion: { command_name: 'review', expansion: 'Review the diff' },
  MessageDisplay: { message: 'a piece of text that the transcript has as well' },
  PreToolUse: { tool_name: 'Bash', tool_use_id: 'toolu_1', tool_input: { command: 'cargo test' } },
  PermissionRequest: { tool_name: 'Bash', tool_use_id: 'toolu_1', tool_input: { command: 'cargo test' } },
  PermissionDenied: {
    tool_name: 'Bash',
    tool_use_id: 'toolu_2',
    tool_input: { command: 'rm -r /' },
    reason: 'not allowed',
  },
  PostToolUse: {
    tool_name: 'Bash',
    tool_use_id: 'toolu_1',
    tool_input: { command: 'cargo test' },
    tool_response: { stdout: 'ok', stderr: '', interrupted: false },
    duration_ms: 5310,
  },
  PostToolUseFailure: {
    tool_name: 'Bash',
    tool_use_id: 'toolu_3',
    tool_input: { command: 'false' },
    error: 'Exit code 1',
    is_interrupt: false,
    duration_ms: 12,
  },
  PostToolBatch: { tool_calls: [{ tool_name: 'Bash', tool_use_id: 'toolu_1', tool_response: 'ok' }] },
  Notification: { message: 'Claude is waiting for your input', notification_type: 'idle_prompt' },
  SubagentStart: { agent_id: 'a1b2c3', agent_type: 'Explore' },
  SubagentStop: {
    agent_id: 'a1b2c3',
    agent_type: 'Explore',
    stop_hook_active: false,
    last_assistant_message: 'Found it',
  },
  TaskCreated: { task_id: '1', task_subject: 'Fix the test' },
  TaskCompleted: { task_id: '1', task_subject: 'Fix the test' },
  TeammateIdle: { teammate_name: 'reviewer', team_name: 'team' },
  Stop: { stop_hook_active: false, last_assistant_message: 'Done', background_tasks: [], session_crons: [] },
  StopFailure: { error: 'rate_limit', error_details: '429' },
  ConfigChange: { source: 'user_settings', file_path: '/home/me/.claude/settings.json' },
  CwdChanged: { old_cwd: '/home/me/app', new_cwd: '/home/me/app/sub' },
  DirectoryAdded: { directory: '/home/me/lib' },
  FileChanged: { file_path: '/home/me/app/.env', event: 'change' },
  WorktreeCreate: { name: 'feature' },
  WorktreeRemove: { worktree_path: '/home/me/app/.claude/worktrees/feature' },
  PreCompact: { trigger: 'auto', custom_instructions: '' },
  PostCompact: { trigger: 'auto', compact_summary: 'The test was fixed' },
  Elicitation: { mcp_server_name: 'server', message: 'Which one?', mode: 'form' },
  ElicitationResult: { mcp_server_name: 'server', action: 'accept', content: { which: 'first' } },
};

/** What a session starts from. */
export const SOURCES = ['startup', 'resume', 'clear', 'compact', 'fork'];

/** An event of a session, with what all events have. */
export const hook = (session, event, fields = {}) => ({
  session_id: session,
  transcript_path: `/home/me/.claude/projects/-home-me-app/${session}.jsonl`,
  cwd: '/home/me/app',
  permission_mode: 'default',
  hook_event_name: event,
  ...EVENTS[event],
  ...fields,
});

/** A transaction as the edge makes one on behalf of a user. */
export const vouched = (user, body) => as(onBehalf({ role: 'authenticated', claims: { sub: user } }), body);

/** Delivers events as the edge does, one after the other. */
export const take = async (user, ...events) => {
  for (const event of events)
    await vouched(user, (query) => query('select observatory.take_hook($1)', [JSON.stringify(event)]));
};

/** Delivers records as the edge does, and gives the answer. */
export const takeLogs = async (user, ...records) => {
  const query = 'select observatory.take_otel($1) as answer';
  return (await vouched(user, (run) => run(query, [JSON.stringify(logs(...records))])))[0].answer;
};

/** The lines of a transcript, sent as the edge sends them. */
export const sendLines = async (user, file, lines, { base = 0 } = {}) => {
  const offsets = [];
  let end = 0;
  for (const line of lines) {
    offsets.push(end);
    end += Buffer.byteLength(line) + 1;
  }
  const query = `select observatory.ingest_batch(
    lines => $1, offsets => $2, redactions => '{}', file => $3, base => $4, "end" => $5) as answer`;
  const values = [JSON.stringify(lines), offsets, file, base, end];
  return (await vouched(user, (run) => run(query, values)))[0].answer;
};

/** Rows as objects. */
export const rowsOf = async (text, values) => (await sql(text, values)).map(({ row }) => row);

/** A session's conversations, the session itself first. */
export const conversationsOf = (user, session) =>
  rowsOf(
    `select to_jsonb(c) as row from observatory.conversations as c where owner_id = $1 and session_id = $2
    order by agent_id nulls first`,
    [user, session],
  );

/** A session's tool calls by id. */
export const callsOf = async (user, session) => {
  const rows = await rowsOf(
    `select to_jsonb(t) as row from observatory.tool_calls as t
    inner join observatory.conversations as c on c.id = t.conversation_id
    where c.owner_id = $1 and c.session_id = $2 order by t.tool_use_id`,
    [user, session],
  );
  return Object.fromEntries(rows.map((row) => [row.tool_use_id, row]));
};

/** A user who has sent nothing yet, and a session of theirs. */
export const somebody = () => ({ user: randomUUID(), session: randomUUID() });
