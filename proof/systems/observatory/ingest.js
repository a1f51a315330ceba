// observatory: conversations, messages and tool calls are seen by the members of their project.
import { randomUUID } from 'node:crypto';
import { USERS, VOUCHED_USERS } from '../../personas.js';
import {
  changed,
  conversation,
  GIVERS,
  MAKERS,
  made,
  mended,
  message,
  OWN,
  own,
  READERS,
  readByAll,
  written,
} from './projects.js';

const all = (names, says) => Object.fromEntries(names.map((name) => [name, says]));
/** Read by members, written by nobody. */
const shown = (...names) => Object.fromEntries(names.map((name) => [name, { read: READERS }]));
const file = (who, marker, more) => ({
  ...{ project_id: own(who).project, conversation_id: own(who).conversation, owner_id: who.sub },
  ...{ session_id: marker, path: marker, ...more },
});
const sender = ({ sub, role }) => (role === 'service_role' ? { owner_id: sub } : {});

export default {
  relations: {
    'observatory.conversations': {
      alone: true,
      fixture: conversation,
      draft: (who, marker) => ({ project_id: own(who).project, session_id: marker, title: marker, ...sender(who) }),
      // In another's project.
      forAnother: ({ owner }, marker) => ({ project_id: own(owner).project, session_id: marker }),
      sample: { owner_id: ({ sub }) => sub, project_id: (who) => own(who)?.project },
      change: { title: 'changed' },
      states: { 'when it has ended': { status: 'ended' }, 'when it is archived': { status: 'archived' } },
      owner: 'owner_id',
      'give away': GIVERS,
      select: READERS,
      insert: MAKERS,
      'insert for another': ['owner'],
      update: OWN,
      delete: OWN,
      columns: readByAll({
        ...all(['title', 'status', 'metadata'], written),
        ...all(
          ['project_id', 'session_id', 'agent_id', 'source', 'model', 'cli_version', 'git_branch', 'cwd', 'started_at'],
          made,
        ),
        ...all(
          [
            ...[
              'id',
              'owner_id',
              'parent_conversation_id',
              'source_path',
              'title_source',
              'message_count',
              'tool_call_count',
            ],
            ...[
              'input_tokens',
              'output_tokens',
              'cache_read_tokens',
              'cache_creation_tokens',
              'cost_micro_usd',
              'raw_tokens',
            ],
            ...[
              'unpriced',
              'missing_agents',
              'is_unplaced',
              'forked_from',
              'last_message_at',
              'ended_at',
              'live_since',
              'live',
            ],
            ...['created_at', 'updated_at', 'deleted_at'],
          ],
          mended,
        ),
      }),
    },
    'observatory.messages': {
      alone: true,
      fixture: message,
      draft: (who, marker) => ({
        project_id: own(who).project,
        conversation_id: own(who).conversation,
        entry_uuid: marker,
        entry_type: 'user',
        ...sender(who),
      }),
      forAnother: ({ owner }, marker) => ({
        project_id: own(owner).project,
        conversation_id: own(owner).conversation,
        entry_uuid: marker,
        entry_type: 'user',
      }),
      sample: { owner_id: ({ sub }) => sub },
      change: { is_meta: true },
      states: { 'as a copy': { is_copy: true }, 'of a subagent': { is_sidechain: true } },
      owner: 'owner_id',
      'give away': GIVERS,
      select: READERS,
      insert: MAKERS,
      'insert for another': ['owner'],
      update: OWN,
      delete: OWN,
      columns: readByAll({
        metadata: written,
        is_meta: changed,
        ...all(
          [
            'project_id',
            'conversation_id',
            'entry_uuid',
            'parent_uuid',
            'entry_type',
            'role',
            'content',
            'content_blocks',
          ],
          made,
        ),
        occurred_at: made,
        ...all(
          [
            ...['id', 'owner_id', 'parent_id', 'depth', 'branch', 'seq', 'is_sidechain', 'is_copy', 'agent_id'],
            ...[
              'api_message_id',
              'request_id',
              'model',
              'stop_reason',
              'input_tokens',
              'output_tokens',
              'cache_read_tokens',
            ],
            ...['cache_creation_tokens', 'redaction_count', 'forked_from', 'file_id', 'created_at'],
          ],
          mended,
        ),
      }),
    },
    'observatory.tool_calls': {
      alone: true,
      fixture: async (add, people, marker, sql) => {
        const { id, project_id, conversation_id } = await message(add, people, marker, sql);
        return add('observatory.tool_calls', {
          ...{ project_id, conversation_id, message_id: id, owner_id: people.owner.sub },
          ...{ tool_use_id: marker, tool_name: 'Read', output: marker },
        });
      },
      draft: (who, marker) => ({
        project_id: own(who).project,
        conversation_id: own(who).conversation,
        tool_use_id: marker,
        tool_name: 'Read',
        ...sender(who),
      }),
      forAnother: ({ owner }, marker) => ({
        project_id: own(owner).project,
        conversation_id: own(owner).conversation,
        tool_use_id: marker,
        tool_name: 'Read',
      }),
      // A message of the draft's conversation.
      sample: { owner_id: ({ sub }) => sub, message_id: (who) => own(who)?.message, tool_use_id: () => randomUUID() },
      change: { error_message: 'changed' },
      states: { 'when it has failed': { status: 'failed', is_error: true }, 'as a copy': { is_copy: true } },
      owner: 'owner_id',
      'give away': GIVERS,
      select: READERS,
      insert: MAKERS,
      'insert for another': ['owner'],
      update: OWN,
      delete: OWN,
      columns: readByAll({
        ...all(['output', 'status', 'is_error', 'error_message', 'completed_at', 'metadata'], written),
        ...all(['project_id', 'conversation_id', 'message_id', 'tool_use_id', 'tool_name'], made),
        ...all(['input', 'started_at', 'file_path'], made),
        ...all(
          [
            ...['id', 'owner_id', 'output_truncated', 'is_copy', 'duration_ms', 'duration_source'],
            ...['spawned_agent_id', 'created_at', 'updated_at'],
          ],
          mended,
        ),
      }),
    },
    'observatory.ingest_files': {
      alone: true,
      fixture: async (add, people, marker, sql) => {
        const { id, project_id } = await conversation(add, people, marker, sql);
        const row = {
          project_id,
          conversation_id: id,
          owner_id: people.owner.sub,
          session_id: marker,
          name: marker,
          path: marker,
        };
        return add('observatory.ingest_files', { ...row, source: 'claude' });
      },
      draft: (who, marker) => file(who, marker, { name: marker, source: 'claude' }),
      forAnother: ({ owner }, marker) => file(owner, marker, { name: marker, source: 'claude' }),
      change: { generation: 2 },
      states: { 'of a subagent': { agent_id: 'agent' } },
      owner: 'owner_id',
      'give away': [],
      select: READERS,
      insert: [],
      'insert for another': [],
      update: [],
      delete: [],
      columns: shown(
        ...[
          'id',
          'owner_id',
          'project_id',
          'conversation_id',
          'session_id',
          'agent_id',
          'name',
          'path',
          'source',
          'generation',
          'variant',
        ],
        ...[
          'head_hash',
          'byte_offset',
          'line_no',
          'lines',
          'skipped',
          'errors',
          'reader_state',
          'created_at',
          'updated_at',
        ],
      ),
    },
    'observatory.session_files': {
      alone: true,
      fixture: async (add, people, marker, sql) => {
        const { id, project_id } = await conversation(add, people, marker, sql);
        const row = { project_id, conversation_id: id, owner_id: people.owner.sub, session_id: marker, path: marker };
        return add('observatory.session_files', { ...row, kind: 'other', content: marker, bytes: 1 });
      },
      draft: (who, marker) => file(who, marker, { kind: 'other', content: marker, bytes: 1 }),
      forAnother: ({ owner }, marker) => file(owner, marker, { kind: 'other', content: marker, bytes: 1 }),
      change: { content: 'changed' },
      states: { 'as an output': { kind: 'tool_result' } },
      owner: 'owner_id',
      'give away': [],
      select: READERS,
      insert: [],
      'insert for another': [],
      update: [],
      delete: [],
      columns: shown(
        ...[
          'id',
          'owner_id',
          'project_id',
          'conversation_id',
          'session_id',
          'path',
          'kind',
          'content',
          'bytes',
          'redactions',
        ],
        ...['created_at', 'updated_at'],
      ),
    },
  },
  functions: {
    'observatory.is_own(observatory.ingest_files)': {
      arguments: (_, fixtures) => ({ ingest_file: fixtures['observatory.ingest_files'] }),
      execute: USERS,
    },
    'observatory.is_own(observatory.session_files)': {
      arguments: (_, fixtures) => ({ session_file: fixtures['observatory.session_files'] }),
      execute: USERS,
    },
    'observatory.ingest_batch(json, bigint[], jsonb, text, text, text, text, bigint, bigint, bigint)': {
      arguments: () => ({ lines: [], offsets: [], redactions: {}, file: `${randomUUID()}.jsonl` }),
      ...VOUCHED_USERS,
      depends: 'the user whom the edge vouches for, and that secrets were taken out',
    },
    'observatory.attach_file(text, text, bigint, integer, text, text)': {
      arguments: () => ({ file: 'a.txt', session: randomUUID(), content: '', bytes: 0, redactions: 0 }),
      ...VOUCHED_USERS,
      depends: 'the user whom the edge vouches for, and that secrets were taken out',
    },
    'observatory.transcript_page(uuid, text, jsonb)': {
      arguments: (_, fixtures) => ({ id: fixtures['observatory.conversations'].id }),
      execute: USERS,
      depends: null,
    },
  },
  routes: {
    'POST /v1/transcripts': { path: '/v1/transcripts?file=a.jsonl', call: ['user'] },
    'POST /v1/transcripts/files': { path: '/v1/transcripts/files?file=a.txt', call: ['user'] },
    'GET /v1/conversations/{id}/transcript': { path: `/v1/conversations/${randomUUID()}/transcript`, call: ['user'] },
  },
};
