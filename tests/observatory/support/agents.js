// Sessions of other agents, as these write them: Codex CLI's rollouts, Gemini CLI's chats and opencode's export.
import { randomUUID } from 'node:crypto';

// Codex

let clock = 0;
export const codex = (type, payload, at = clock++) =>
  JSON.stringify({ timestamp: new Date(Date.UTC(2026, 10, 20, 10, 0, at)).toISOString(), type, payload });
export const item = (payload, at) => codex('response_item', payload, at);
export const totals = (input, cached, output) => ({
  input_tokens: input,
  cached_input_tokens: cached,
  output_tokens: output,
  reasoning_output_tokens: Math.floor(output / 2),
  total_tokens: input + output,
});
export const tokens = (total, last, at) =>
  codex(
    'event_msg',
    {
      type: 'token_count',
      info: total && { total_token_usage: total, ...(last && { last_token_usage: last }) },
      rate_limits: {},
    },
    at,
  );

/** The lines of a turn: a prompt, a tool, an answer, two responses. */
export const turn = (id, n, at) => [
  codex('turn_context', { turn_id: id, cwd: '/home/me/app', model: 'gpt-5.5', effort: 'high' }, at),
  item({ type: 'message', role: 'user', content: [{ type: 'input_text', text: `Prompt ${n}` }] }, at),
  codex('event_msg', { type: 'user_message', message: `Prompt ${n}` }, at),
  item({ type: 'reasoning', summary: [{ type: 'summary_text', text: 'I think' }], encrypted_content: 'gAAAAA' }, at),
  item({ type: 'function_call', name: 'shell', arguments: '{"command":["ls"]}', call_id: `call_${id}` }, at),
  tokens(totals(100 * n, 40 * n, 10 * n), totals(100, 40, 10), at),
  item(
    {
      type: 'function_call_output',
      call_id: `call_${id}`,
      output: JSON.stringify({ output: 'a.txt\n', metadata: { exit_code: 0, duration_seconds: 1.25 } }),
    },
    at,
  ),
  item({ type: 'message', role: 'assistant', content: [{ type: 'output_text', text: `Answer ${n}` }] }, at),
];
export const meta = (id, more = {}) =>
  codex('session_meta', {
    id,
    cwd: '/home/me/app',
    cli_version: '0.99.0',
    originator: 'codex_cli_rs',
    git: { branch: 'main' },
    ...more,
  });

// Gemini

export const prompt = (id, text) => ({ id, timestamp: '2026-11-20T10:00:00.000Z', type: 'user', content: text });
export const response = (id, text, more = {}) => ({
  id,
  timestamp: '2026-11-20T10:00:05.000Z',
  type: 'gemini',
  content: text,
  model: 'gemini-3-pro',
  thoughts: [{ subject: 'Plan', description: 'Look first' }],
  tokens: { input: 100, output: 10, cached: 40, thoughts: 7, tool: 3, total: 120 },
  toolCalls: [
    {
      id: `tool-${id}`,
      name: 'read_file',
      args: { file_path: '/home/me/app/a.txt' },
      status: 'success',
      result: [{ functionResponse: { id: `tool-${id}`, name: 'read_file', response: { output: 'contents' } } }],
    },
  ],
  ...more,
});
export const header = (session) => ({
  sessionId: session,
  projectHash: 'a33c',
  startTime: '2026-11-20T10:00:00.000Z',
  lastUpdated: '2026-11-20T10:00:00.000Z',
  kind: 'main',
});

// opencode

const START = 1_795_600_000_000;
export const ask = (session, id, text, at) => ({
  info: { id, sessionID: session, role: 'user', time: { created: START + at } },
  parts: [
    { id: `prt_${id}`, type: 'text', text },
    { id: `prt_s_${id}`, type: 'text', text: 'a file that was added', synthetic: true },
  ],
});
export const reply = (session, id, text, at, more = {}) => ({
  info: {
    id,
    sessionID: session,
    role: 'assistant',
    modelID: 'claude-opus-5',
    providerID: 'anthropic',
    path: { cwd: '/home/me/app', root: '/home/me/app' },
    time: { created: START + at, completed: START + at + 500 },
    cost: 0.0123,
    tokens: { input: 100, output: 10, reasoning: 5, cache: { read: 40, write: 20 } },
    finish: 'stop',
    ...more,
  },
  parts: [
    { type: 'step-start' },
    { type: 'reasoning', text: 'I think' },
    { type: 'text', text },
    {
      type: 'tool',
      callID: `call_${at}`,
      tool: 'bash',
      state: {
        status: 'completed',
        input: { command: 'ls' },
        output: 'a.txt',
        time: { start: START, end: START + 250 },
      },
    },
  ],
});
export const info = (session, more = {}) => ({
  info: {
    id: session,
    directory: '/home/me/app',
    title: 'Reading',
    version: '1.1.34',
    time: { created: START },
    ...more,
  },
});
// Version 2 writes a message as one object, which does not name its session.
export const ask2 = (id, text, at) => ({ id, type: 'user', text, time: { created: START + at } });
export const reply2 = (id, text, at, more = {}) => ({
  ...{ id, type: 'assistant', agent: 'build', model: { id: 'claude-opus-5', providerID: 'anthropic' }, finish: 'stop' },
  ...{ cost: 0.0123, tokens: { input: 100, output: 10, reasoning: 5, cache: { read: 40, write: 20 } } },
  time: { created: START + at, completed: START + at + 500 },
  content: [
    { type: 'reasoning', text: 'I think' },
    { type: 'text', text },
    {
      ...{ type: 'tool', id: `call_${at}`, name: 'bash', time: { created: START, ran: START, completed: START + 250 } },
      state: { status: 'completed', input: { command: 'ls' }, content: [{ type: 'text', text: 'a.txt' }] },
    },
  ],
  ...more,
});
export const info2 = (session, more = {}) => ({
  info: { id: session, location: { directory: '/home/me/app' }, title: 'Reading', time: { created: START }, ...more },
});
export const opencodeSession = () => `ses_${randomUUID().replaceAll('-', '')}`;
