// observatory: transcripts, hooks and logs as agents send them; searches, threads, analytics and shared conversations.
import { randomUUID } from 'node:crypto';
import { pick, prose, rows, visitor } from './tools.js';

/** The agents' users: few, so that each has more than one session. */
const CODERS = 20;
const LINES = 200;

/** Lines of a session that go on where the last ones ended. */
export class Session {
  constructor(home = `/home/me/${randomUUID()}`) {
    Object.assign(this, { id: randomUUID(), cwd: home, parent: null, sent: 0, start: 0 });
  }

  get file() {
    return `projects/${this.cwd.replace(/[^A-Za-z0-9]/g, '-')}/${this.id}.jsonl`;
  }

  #line() {
    const uuid = randomUUID();
    const n = this.sent;
    this.sent += 1;
    const base = {
      ...{ parentUuid: this.parent, isSidechain: false, userType: 'external', cwd: this.cwd, sessionId: this.id },
      ...{ version: '2.1.240', gitBranch: 'main', uuid, timestamp: new Date().toISOString() },
    };
    this.parent = uuid;
    if (n % 3 === 0) return { ...base, type: 'user', message: { role: 'user', content: prose(40) } };
    const tool = { type: 'tool_use', id: `toolu_${this.id}_${n}`, name: 'Bash', input: { command: `cargo test ${n}` } };
    const usage = {
      input_tokens: 10,
      output_tokens: 20,
      cache_read_input_tokens: 900,
      cache_creation_input_tokens: 30,
    };
    const message = {
      id: `msg_${this.id}_${n}`,
      type: 'message',
      role: 'assistant',
      model: 'claude-opus-5',
      stop_reason: null,
      usage,
    };
    const content = [n % 3 === 1 ? tool : { type: 'text', text: prose(60) }];
    return { ...base, type: 'assistant', requestId: `req_${uuid}`, message: { ...message, content } };
  }

  /** The request with so many more lines. */
  more(count, token) {
    const body = `${Array.from({ length: count }, () => JSON.stringify(this.#line())).join('\n')}\n`;
    const query = new URLSearchParams({ file: this.file, offset: this.start });
    this.start += Buffer.byteLength(body);
    return {
      method: 'POST',
      path: `/v1/transcripts?${query}`,
      token,
      body,
      headers: { 'content-type': 'application/x-ndjson' },
    };
  }
}

/** A project of each coder with some sessions, one of which is shared. */
export const prepare = async (_, { users, ask }) => {
  const coders = [];
  for (const { sub, token } of users.slice(0, CODERS)) {
    const { body } = await ask(new Session(`/home/me/${sub}`).more(LINES, token));
    const { conversation_id: conversation, project_id: project } = body;
    const share = await ask({ method: 'POST', path: `/v1/conversations/${conversation}/share`, token, json: {} });
    coders.push({ sub, token, conversation, project, share: share.body.token });
  }
  return { coders };
};

export const stored = {
  'lines of transcripts': 'select entry_uuid from observatory.messages',
  hooks: `select session_id from observatory.hook_events`,
};

export const kinds = ({ observatory: { coders } }) => {
  const sessions = new Map();
  /** The session of a coder that goes on; nobody else sends it meanwhile. */
  const sessionOf = ({ sub }) => {
    const free = sessions.get(sub)?.pop();
    return free && free.sent < 1000 ? free : new Session(`/home/me/${sub}`);
  };
  const back = ({ sub }, session) => sessions.set(sub, [...(sessions.get(sub) ?? []), session]);
  const search = (name, share, path) => ({
    ...{ name, group: 'search and analytics', share },
    run: ({ ask }) => {
      const one = pick(coders);
      return ask({ path: path(one), token: one.token });
    },
  });
  return [
    {
      name: 'POST /v1/transcripts, twenty lines',
      group: 'transcripts and hooks',
      share: 2,
      run: async ({ ask, acknowledge }) => {
        const coder = pick(coders);
        const session = sessionOf(coder);
        const request = session.more(20, coder.token);
        // One that was cut off is not continued: a new one begins.
        const { body } = await ask(request);
        if (body.messages !== 20) return;
        acknowledge(
          'lines of transcripts',
          ...request.body
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line).uuid),
        );
        back(coder, session);
      },
    },
    {
      name: 'POST /v1/hooks',
      group: 'transcripts and hooks',
      share: 4,
      run: async ({ ask, acknowledge }) => {
        const { sub, token } = pick(coders);
        const session_id = randomUUID();
        const json = {
          ...{
            session_id,
            transcript_path: `/home/me/.claude/projects/-home-me/${session_id}.jsonl`,
            cwd: `/home/me/${sub}`,
          },
          ...{ permission_mode: 'default', hook_event_name: 'PostToolUse', tool_name: 'Bash', tool_use_id: 'toolu_1' },
          ...{ tool_input: { command: 'cargo test' }, tool_response: { stdout: 'ok', stderr: '' }, duration_ms: 5310 },
        };
        await ask({ method: 'POST', path: '/v1/hooks', token, json });
        acknowledge('hooks', session_id);
      },
    },
    {
      name: 'POST /v1/otlp/v1/logs',
      group: 'transcripts and hooks',
      share: 2,
      run: async ({ ask }) => {
        const { token } = pick(coders);
        const attributes = {
          ...{ 'event.name': 'api_request', 'event.sequence': 1, 'session.id': randomUUID() },
          ...{ model: 'claude-opus-5', input_tokens: 10, output_tokens: 20 },
        };
        const logRecords = [
          {
            timeUnixNano: `${Date.now()}000000`,
            body: { stringValue: 'claude_code.api_request' },
            attributes: Object.entries(attributes).map(([name, value]) => ({
              key: name,
              value: typeof value === 'number' ? { intValue: value } : { stringValue: value },
            })),
          },
        ];
        const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'claude-code' } }] };
        const scopeLogs = [{ scope: { name: 'com.anthropic.claude_code.events' }, logRecords }];
        await ask({
          method: 'POST',
          path: '/v1/otlp/v1/logs',
          token,
          json: { resourceLogs: [{ resource, scopeLogs }] },
        });
      },
    },
    {
      name: 'observatory: conversations of a project',
      group: 'data API: reads',
      share: 4,
      run: ({ ask }) => {
        const { project, token } = pick(coders);
        return ask(
          rows(
            'observatory',
            `conversations?project_id=eq.${project}&order=last_message_at.desc,id.desc&limit=50`,
            token,
          ),
        );
      },
    },
    search(
      'GET /v1/search',
      2,
      ({ project }) => `/v1/search?project=${project}&q=${pick(['panic', 'getUserById', 'retry', 'pool'])}`,
    ),
    search('GET /v1/search/suggest', 1, ({ project }) => `/v1/search/suggest?project=${project}&q=file_1`),
    search('GET /v1/conversations/{id}/thread', 1, ({ conversation }) => `/v1/conversations/${conversation}/thread`),
    search('GET /v1/analytics/overview', 1, ({ project }) => `/v1/analytics/overview?project=${project}`),
    {
      name: 'GET /v1/shared/{token}',
      group: 'search and analytics',
      share: 1,
      run: ({ ask }) =>
        ask({ path: `/v1/shared/${pick(coders).share}`, headers: { accept: 'application/json', ...visitor() } }),
    },
  ];
};
