// Transcripts for the tests: records as Claude Code writes them, and how they are sent to the database in place of the edge.
import { randomUUID } from 'node:crypto';
import { as, onBehalf, sql } from '../../support/stack.js';

/** A user as the edge vouches for them. */
export const user = (sub, claims = {}) => onBehalf({ role: 'authenticated', claims: { sub, ...claims } });

/** Calls a function of the schema by named arguments, and gives its result. */
export const call = (who, name, given) =>
  as(who, async (query) => {
    const names = Object.keys(given).filter((key) => given[key] !== undefined);
    const list = names.map((key, at) => `"${key}" => $${at + 1}`).join(', ');
    const values = names.map((key) => {
      const value = given[key];
      return value !== null && typeof value === 'object' && key !== 'offsets' ? JSON.stringify(value) : value;
    });
    return (await query(`select observatory.${name}(${list}) as result`, values))[0].result;
  });

/** The time of a transcript's nth record. */
export const time = (n) => new Date(Date.UTC(2026, 10, 20, 10) + n * 1000).toISOString();

const USAGE = { input_tokens: 10, output_tokens: 5, cache_read_input_tokens: 100, cache_creation_input_tokens: 20 };

/** Records of one session, each below the one before. */
export class Session {
  constructor({ id = randomUUID(), cwd = `/home/me/${randomUUID()}`, agent, at = 0 } = {}) {
    Object.assign(this, { id, cwd, agent, at, last: null, records: [] });
  }

  /** The path of its file. */
  get file() {
    const folder = `projects/${this.cwd.replace(/[^A-Za-z0-9]/g, '-')}`;
    return this.agent ? `${folder}/${this.id}/subagents/agent-${this.agent}.jsonl` : `${folder}/${this.id}.jsonl`;
  }

  /** Adds a record as it is. */
  raw(record) {
    this.records.push(record);
    return record;
  }

  /** Adds a record of the chain. */
  add(type, more = {}) {
    this.at += 1;
    const record = {
      parentUuid: this.last,
      isSidechain: Boolean(this.agent),
      ...(this.agent && { agentId: this.agent }),
      userType: 'external',
      cwd: this.cwd,
      sessionId: this.id,
      version: '2.1.240',
      gitBranch: 'main',
      type,
      uuid: randomUUID(),
      timestamp: time(this.at),
      ...more,
    };
    this.last = record.uuid;
    return this.raw(record);
  }

  user(content, more) {
    return this.add('user', { message: { role: 'user', content }, ...more });
  }

  /** A line of a response. */
  assistant(
    content,
    { id = `msg_${randomUUID()}`, usage = USAGE, model = 'claude-opus-5', stop = null, ...more } = {},
  ) {
    return this.add('assistant', {
      requestId: `req_${id}`,
      message: {
        id,
        type: 'message',
        role: 'assistant',
        model,
        content: typeof content === 'string' ? [{ type: 'text', text: content }] : content,
        stop_reason: stop,
        usage,
      },
      ...more,
    });
  }

  /** A tool's use and its result. */
  tool(name, input, result, { output = 'done', isError, id = `toolu_${randomUUID()}` } = {}) {
    const use = this.assistant([{ type: 'tool_use', id, name, input }], { stop: 'tool_use' });
    this.user([{ type: 'tool_result', tool_use_id: id, content: output, ...(isError && { is_error: true }) }], {
      toolUseResult: result,
      sourceToolAssistantUUID: use.uuid,
    });
    return id;
  }

  /**
   * A compaction: its boundary, the summary, and the entries that it preserves, which are written once more: with their older times, the
   * first one below the summary.
   */
  compact(preserved = []) {
    const anchorUuid = randomUUID();
    const uuids = preserved.map(({ uuid }) => uuid);
    const boundary = this.add('system', {
      subtype: 'compact_boundary',
      content: 'Conversation compacted',
      parentUuid: null,
      logicalParentUuid: this.last,
      compactMetadata: {
        trigger: 'auto',
        preTokens: 155_000,
        ...(uuids.length > 0 && {
          preservedSegment: { headUuid: uuids[0], anchorUuid, tailUuid: uuids.at(-1) },
          preservedMessages: { anchorUuid, uuids },
        }),
      },
    });
    const summary = this.user('Continued', { isCompactSummary: true, uuid: anchorUuid });
    for (const record of preserved) {
      this.raw({ ...record, parentUuid: this.last });
      this.last = record.uuid;
    }
    return { boundary, summary };
  }

  get text() {
    return this.records.map((record) => `${JSON.stringify(record)}\n`).join('');
  }
}

/** The arguments that the edge makes of a piece of a file, in batches of so many lines. */
export const batches = (bytes, { size = 500 } = {}) => {
  const lines = [];
  let start = 0;
  while (start < bytes.length) {
    const found = bytes.indexOf(10, start);
    const end = found < 0 ? bytes.length : found;
    const text = bytes
      .subarray(start, end)
      .toString()
      .replace(/^\uFEFF/, '')
      .trim();
    if (text) lines.push({ text, offset: start, after: Math.min(end + 1, bytes.length), torn: found < 0 });
    start = end + 1;
  }
  const made = [];
  for (let at = 0; at === 0 || at < lines.length; at += size) {
    const part = lines.slice(at, at + size);
    const skipped = {};
    const texts = part.map(({ text, torn }, index) => {
      try {
        const value = JSON.parse(text);
        if (value !== null && typeof value === 'object' && !Array.isArray(value)) return text;
      } catch {}
      skipped[index] = torn ? 'unfinished' : 'malformed';
      return null;
    });
    made.push({
      lines: texts,
      offsets: part.map(({ offset }) => offset),
      redactions: { lines: {}, by: {}, skipped },
      start: at === 0 ? 0 : lines[at - 1].after,
      end: at + size >= lines.length ? bytes.length : part.at(-1).after,
    });
  }
  return made;
};

/** Sends a file, or a piece of it that begins at `offset`, as the edge does. Gives the sums of the answers. */
export const send = async (sub, file, text, { offset = 0, size, ...more } = {}) => {
  const totals = {};
  for (const one of batches(Buffer.from(text), { size })) {
    const answer = await call(user(sub), 'ingest_batch', { ...one, file, base: offset, ...more });
    for (const [name, value] of Object.entries(answer))
      totals[name] = typeof value === 'number' ? (totals[name] ?? 0) + value : value;
  }
  return totals;
};

/** Sends a session's file. */
export const sendSession = (sub, session, more) => send(sub, session.file, session.text, more);

/** The conversation of a session. */
export const conversation = async (sub, session, agent = null) =>
  (
    await sql(
      `select c.*, p.name as project, p.root_path from observatory.conversations as c inner join observatory.projects as p on p.id = c.project_id
       where c.owner_id = $1 and c.session_id = $2 and c.agent_id is not distinct from $3`,
      [sub, session, agent],
    )
  )[0];

/** The messages of a conversation, in the order of the file. */
export const messages = (id) =>
  sql('select * from observatory.messages where conversation_id = $1 order by seq, id', [id]);

export const toolCalls = (id) =>
  sql('select * from observatory.tool_calls where conversation_id = $1 order by started_at, tool_use_id', [id]);

/** A refusal by code and status. */
export const refused = (code, status, details) => (error) => {
  if (error.code !== 'PGRST') throw error;
  const body = JSON.parse(error.message);
  const found = [body.code, JSON.parse(error.detail).status];
  if (found[0] !== code || found[1] !== status || (details !== undefined && body.details !== details))
    throw new Error(`refused with ${found}: ${error.message}`);
  return true;
};

const uuids = Array.from({ length: 4 }, () => randomUUID());

/** One record of each documented type, without what all records of the chain have. */
export const RECORDS = {
  'user with a text': ['user', { message: { role: 'user', content: 'Why does it fail?' } }],
  'user with blocks': [
    'user',
    {
      message: {
        role: 'user',
        content: [
          { type: 'text', text: 'See' },
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'aGVsbG8=' } },
          { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'JVBERi0=' } },
        ],
      },
    },
  ],
  'user with a result': [
    'user',
    {
      message: { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_r', content: 'out' }] },
      toolUseResult: { stdout: 'out', stderr: '', interrupted: false, isImage: false },
    },
  ],
  'user that is meta': ['user', { isMeta: true, message: { role: 'user', content: 'Caveat: …' } }],
  'user with a compact summary': [
    'user',
    {
      isCompactSummary: true,
      isVisibleInTranscriptOnly: true,
      message: { role: 'user', content: 'This session is continued from …' },
    },
  ],
  assistant: [
    'assistant',
    {
      requestId: 'req_1',
      message: {
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        model: 'claude-opus-5',
        content: [
          { type: 'thinking', thinking: 'Hm', signature: 'c2ln' },
          { type: 'text', text: 'Because' },
          { type: 'tool_use', id: 'toolu_1', name: 'Bash', input: { command: 'ls' } },
        ],
        stop_reason: 'tool_use',
        usage: { input_tokens: 1, output_tokens: 2 },
      },
    },
  ],
  'assistant of the agent itself': [
    'assistant',
    {
      isApiErrorMessage: true,
      message: {
        id: 'x',
        model: '<synthetic>',
        role: 'assistant',
        content: [{ type: 'text', text: 'API Error' }],
        usage: { input_tokens: 0 },
      },
    },
  ],
  'system stop_hook_summary': ['system', { subtype: 'stop_hook_summary', hookCount: 1, level: 'info' }],
  'system local_command': ['system', { subtype: 'local_command', content: '<command-name>/cost</command-name>' }],
  'system turn_duration': ['system', { subtype: 'turn_duration', durationMs: 1234 }],
  'system compact_boundary': [
    'system',
    {
      subtype: 'compact_boundary',
      content: 'Conversation compacted',
      parentUuid: null,
      logicalParentUuid: uuids[0],
      compactMetadata: {
        trigger: 'auto',
        preTokens: 155000,
        preservedSegment: { headUuid: uuids[1], anchorUuid: uuids[2], tailUuid: uuids[3] },
        preservedMessages: { anchorUuid: uuids[2], uuids: [uuids[1], uuids[3]] },
      },
    },
  ],
  'system api_error': [
    'system',
    { subtype: 'api_error', error: { status: 529 }, retryInMs: 500, retryAttempt: 1, maxRetries: 10 },
  ],
  'system away_summary': ['system', { subtype: 'away_summary', content: 'While you were away' }],
  'system informational': ['system', { subtype: 'informational', content: 'Note' }],
  'system bridge_status': ['system', { subtype: 'bridge_status', content: 'connected' }],
  attachment: ['attachment', { attachment: { type: 'file', filename: 'a.rs', content: 'fn main() {}' } }],
  'attachment of deferred tools': [
    'attachment',
    { attachment: { type: 'deferred_tools_delta', addedNames: ['WebFetch'], removedNames: [], addedLines: [] } },
  ],
  'attachment of a hook': ['attachment', { attachment: { type: 'hook_success', hookName: 'PostToolUse' } }],
  'worktree-state': [
    'worktree-state',
    { worktreeSession: { originalCwd: '/a', worktreePath: '/b', worktreeName: 'fix', preEnterOriginalCwd: '/a' } },
  ],
};

/** Records without a uuid, as they are. */
export const RECORDS_WITHOUT_ID = {
  summary: { type: 'summary', summary: 'Mending the build', leafUuid: uuids[0] },
  'ai-title': { type: 'ai-title', aiTitle: 'Mend the build' },
  'custom-title': { type: 'custom-title', customTitle: 'My build' },
  'agent-name': { type: 'agent-name', agentName: 'builder' },
  'agent-setting': { type: 'agent-setting', agentSetting: 'reviewer' },
  'agent-color': { type: 'agent-color', agentColor: 'blue' },
  'permission-mode': { type: 'permission-mode', permissionMode: 'acceptEdits' },
  mode: { type: 'mode', mode: 'normal' },
  'last-prompt': { type: 'last-prompt', lastPrompt: 'Why does it fail?' },
  'bridge-session': { type: 'bridge-session', bridgeSessionId: 'b', lastSequenceNum: 3 },
  'pr-link': { type: 'pr-link', prNumber: 7, prUrl: 'https://github.com/a/b/pull/7', prRepository: 'a/b' },
  'queue-operation enqueue': { type: 'queue-operation', operation: 'enqueue', content: 'And then?' },
  'queue-operation dequeue': { type: 'queue-operation', operation: 'dequeue' },
  'queue-operation remove': { type: 'queue-operation', operation: 'remove', content: 'And then?' },
  'queue-operation popAll': { type: 'queue-operation', operation: 'popAll', content: 'And then?' },
  'file-history-snapshot': { type: 'file-history-snapshot', messageId: uuids[0], snapshot: { trackedFileBackups: {} } },
  'file-history-delta': { type: 'file-history-delta', trackingPath: 'a.rs', backup: 'b' },
  relocated: { type: 'relocated', from: '/a', to: '/b' },
  tag: { type: 'tag', tag: 'release' },
  'content-replacement': {
    type: 'content-replacement',
    replacements: [{ kind: 'tool_result', toolUseId: 'toolu_1', replacement: '…' }],
  },
  'isolation-latch': { type: 'isolation-latch', latched: true },
  'artifact-comment-monitor': { type: 'artifact-comment-monitor', ids: [] },
  'artifact-autoreact-ledger': { type: 'artifact-autoreact-ledger', entries: [] },
};
