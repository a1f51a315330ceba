// Sets of files made from a seed, and all rows that the database has of a user: for tests of the order and the pieces in which files come.
import { randomUUID } from 'node:crypto';
import { sql } from '../../support/stack.js';
import { Session } from './transcripts.js';

/** Numbers from a seed: a case that fails can be run again. */
export const random = (seed) => {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return {
    below: (n) => Math.floor(next() * n),
    chance: (part) => next() < part,
    shuffle: (list) => {
      const all = [...list];
      for (let at = all.length - 1; at > 0; at -= 1) {
        const other = Math.floor(next() * (at + 1));
        [all[at], all[other]] = [all[other], all[at]];
      }
      return all;
    },
  };
};

/** Some turns of a session. A response comes in several lines, whose numbers grow. */
const talk = (one, dice, prefix) => {
  for (let turn = 0; turn < 1 + dice.below(3); turn += 1) {
    one.user(`Question №${turn} of ${prefix} — 为什么?`);
    const id = `msg_${prefix}_${turn}_${one.id.slice(0, 4)}`;
    for (let line = 1; line <= 1 + dice.below(3); line += 1)
      one.assistant(`Part ${line}`, {
        id,
        usage: {
          input_tokens: 10,
          output_tokens: line * 7,
          cache_read_input_tokens: 3,
          cache_creation_input_tokens: 2,
        },
      });
    if (dice.chance(0.6))
      one.tool(
        'Bash',
        { command: `run ${turn}` },
        { stdout: 'ok', durationMs: 3 },
        { id: `toolu_${prefix}_${turn}_${one.id.slice(0, 4)}` },
      );
    if (dice.chance(0.2))
      one.tool(
        'WebSearch',
        { query: `walrus ${turn}` },
        { results: [], searchCount: 2 },
        { id: `toolu_w_${prefix}_${turn}_${one.id.slice(0, 4)}` },
      );
    if (dice.chance(0.4)) one.add('progress', { data: { type: 'bash_progress' } });
    if (dice.chance(0.2)) one.raw({ type: 'mode', mode: `m${dice.below(3)}`, sessionId: one.id });
    if (dice.chance(0.2)) one.raw({ type: 'ai-title', aiTitle: `Title ${prefix} ${turn}`, sessionId: one.id });
    if (dice.chance(0.15)) one.add('system', { subtype: 'turn_duration', durationMs: 5 });
    if (dice.chance(0.1)) one.add('strange', { what: turn });
    if (dice.chance(0.15)) {
      const preserved = one.records.filter(({ type }) => type === 'assistant').slice(-2);
      // They may stand after the boundary alone.
      if (dice.chance(0.3)) one.records = one.records.filter((record) => !preserved.includes(record));
      one.compact(preserved);
    }
  }
};

/** A session with the beginning of another one. */
const fork = (from, dice, prefix) => {
  const one = new Session({ cwd: from.cwd, at: from.at + 100 });
  const isStamped = dice.chance(0.5);
  const copied = from.records.slice(0, 1 + dice.below(from.records.length));
  for (const record of copied)
    one.raw({
      ...record,
      ...('sessionId' in record && { sessionId: one.id }),
      ...(isStamped && record.uuid && { forkedFrom: { sessionId: from.id, messageUuid: record.uuid } }),
    });
  one.last = copied.findLast(({ uuid }) => uuid)?.uuid ?? null;
  talk(one, dice, prefix);
  return one;
};

/** The files of one user. The session itself has so many further lines of progress. */
export const filesOf = (dice, { progress = 0 } = {}) => {
  const main = new Session({ cwd: `/home/me/${randomUUID()}` });
  talk(main, dice, 'a');
  const files = [main];
  if (dice.chance(0.7)) {
    const agent = new Session({ id: main.id, cwd: main.cwd, agent: `ag${main.id.slice(0, 6)}`, at: main.at });
    talk(agent, dice, 'g');
    // The same response stands in the file of the subagent, under another request.
    const shared = main.records.find(({ type }) => type === 'assistant');
    agent.raw({ ...shared, uuid: randomUUID(), isSidechain: true, agentId: agent.agent, requestId: 'req_other' });
    files.push(agent);
    if (dice.chance(0.8)) main.tool('Agent', { prompt: 'x' }, { agentId: agent.agent, status: 'completed' });
  }
  for (let n = 0; n < progress; n += 1) main.add('progress', { data: { type: 'bash_progress', n } });
  talk(main, dice, 'b');
  if (dice.chance(0.7)) files.push(fork(main, dice, 'f'));
  if (dice.chance(0.4)) files.push(fork(files.at(-1).agent ? main : files.at(-1), dice, 'h'));
  return files.map((one) => {
    const lines = one.text.split('\n').slice(0, -1);
    if (dice.chance(0.3)) lines.splice(dice.below(lines.length), 0, '{"torn": "li');
    if (dice.chance(0.2)) lines.splice(dice.below(lines.length), 0, '');
    const end = dice.chance(0.2) ? '\r\n' : '\n';
    return { file: one.file, project: one.cwd, bytes: Buffer.from(lines.join(end) + (dice.chance(0.2) ? '' : end)) };
  });
};

/** Columns that differ from one time to the next. */
const LEFT_OUT = new Set([
  'id',
  'created_at',
  'updated_at',
  'last_activity_at',
  'file_id',
  'indexed_at',
  'priced_at',
  'deleted_at',
  'live_since',
]);

/** Everything that the database has of a user, with names in place of ids. */
export const stateOf = async (sub) => {
  const projects = (await sql('select id from observatory.projects where owner_id = $1', [sub])).map(({ id }) => id);
  const tables = await sql(
    `select c.oid::regclass::text as name, array_agg(a.attname::text) as columns
     from pg_catalog.pg_class as c
     inner join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.relkind = 'r' and (c.relnamespace = 'observatory'::regnamespace or c.oid::regclass::text in ('private.message_search', 'private.entry_links', 'private.transcript_chunks', 'private.search_terms'))
     group by c.oid order by 1`,
  );
  const names = new Map([[sub, 'the user']]);
  for (const [table, name] of [
    ['observatory.projects', `'project ' || coalesce(r.root_path, r.name)`],
    ['observatory.conversations', `'conversation ' || r.session_id || ' ' || coalesce(r.agent_id, '')`],
    [
      'observatory.messages',
      `'message ' || (select c.session_id || ' ' || coalesce(c.agent_id, '') from observatory.conversations as c where c.id = r.conversation_id) || ' ' || r.entry_uuid`,
    ],
    ['observatory.tool_calls', `'tool ' || r.conversation_id || r.tool_use_id`],
    ['observatory.ingest_files', `'file ' || r.name`],
  ]) {
    const own = table.endsWith('projects') ? 'r.id' : 'r.project_id';
    for (const row of await sql(`select r.id, ${name} as name from ${table} as r where ${own} = any ($1)`, [projects]))
      names.set(row.id, row.name);
  }
  const named = (value) => {
    if (typeof value === 'string')
      return value.replace(
        /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g,
        (id) => names.get(id) ?? id,
      );
    if (Array.isArray(value)) return value.map(named);
    if (value !== null && typeof value === 'object')
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [named(key), named(one)]));
    return value;
  };
  const state = {};
  for (const { name, columns } of tables) {
    const own = columns.includes('project_id')
      ? 'r.project_id = any ($1)'
      : columns.includes('conversation_id')
        ? 'r.conversation_id in (select id from observatory.conversations where project_id = any ($1))'
        : columns.includes('file_id')
          ? 'r.file_id in (select id from observatory.ingest_files where project_id = any ($1))'
          : name.endsWith('projects')
            ? 'r.id = any ($1)'
            : 'false and $1::uuid[] is null';
    const rows = await sql(`select to_jsonb(r) as row from ${name} as r where ${own}`, [projects]);
    if (name === 'private.transcript_chunks') {
      // Its rows are the pieces in which the lines came.
      const texts = {};
      for (const { row } of rows.sort((a, b) => a.row.start_offset - b.row.start_offset)) {
        const file = names.get(row.file_id);
        texts[file] = (texts[file] ?? '') + row.body;
      }
      state[name] = texts;
      continue;
    }
    state[name] = rows
      .map(({ row }) => {
        // The time of an entry without one is that of its coming.
        if ('occurred_at' in row && Date.now() - Date.parse(row.occurred_at) < 3_600_000) row.occurred_at = null;
        if (name === 'private.message_search') row.occurred_at = null;
        const kept = Object.entries(row).filter(([key]) => !LEFT_OUT.has(key));
        return JSON.stringify(named(Object.fromEntries(kept.sort(([a], [b]) => (a < b ? -1 : 1)))));
      })
      .sort();
  }
  return state;
};
