// A hundred members of the large project who read at the same time, through the edge.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { token } from '../../dev/issuer.js';
import { SetupError } from '../../dev/setup.js';
import { needWrk, wrk } from '../wrk.js';
import { EVERYWHERE, PROJECT, WORDS } from './load.js';

const CONNECTIONS = 100;
/** Milliseconds within which 95 of 100 answers must have come. */
const MOST = 100;
/** Conversations whose first pages are read. */
const READ = 50;

const rounded = (value) => Number(value.toPrecision(3));

/** What each user reads, one after the other: paths and, for the data API, the header that names the schema. */
const readsOf = ({ project, conversations }) => {
  const rows = 'Accept-Profile: observatory';
  const list = (path) => [`/rest/v1/${path}`, rows];
  return conversations.flatMap((id) => [
    list('projects?order=last_activity_at.desc,id&limit=50'),
    list(`conversations?project_id=eq.${project}&order=last_message_at.desc,id.desc&limit=50`),
    [`/v1/conversations/${id}/thread`, ''],
    [`/v1/search?project=${project}&q=${WORDS.rare}`, ''],
    [`/v1/search/suggest?project=${project}&q=file_12`, ''],
  ]);
};

/**
 * Measures on a system with the rows of load.js.
 * @param {{stack: object, data: string, sql: Function, seconds: number, stopping: AbortController, say: Function, plan: string}} parts
 * @returns {Promise<object[]>} rows of the table
 */
export const measureReaders = async ({ stack, data, sql, seconds, stopping, say, plan }) => {
  needWrk();
  const [{ project }] = await sql(`select ${PROJECT} as project`);
  const members = await sql('select user_id from observatory.project_members where project_id = $1 and user_id <> $2', [
    project,
    EVERYWHERE,
  ]);
  const pages = await sql(
    'select id from observatory.conversations where project_id = $1 order by last_message_at desc limit $2',
    [project, READ],
  );
  const reads = readsOf({ project, conversations: pages.map(({ id }) => id) });
  const files = { tokens: join(data, 'readers-tokens'), reads: join(data, 'readers-reads') };
  const { issuer } = stack.issuer;
  const tokens = await Promise.all(members.map(({ user_id: sub }) => token(stack.keys, { issuer, sub })));
  if (tokens.length !== CONNECTIONS) throw new SetupError(`The project has ${tokens.length} members.`);
  writeFileSync(files.tokens, tokens.join('\n'), { mode: 0o600 });
  writeFileSync(files.reads, reads.map((read) => read.join('\t')).join('\n'));
  for (const [path, header] of reads.slice(0, 5)) {
    const [name, value] = header === '' ? ['accept', '*/*'] : header.split(': ');
    const headers = { authorization: `Bearer ${tokens[0]}`, [name]: value };
    const answer = await fetch(`${stack.edgeUrl}${path}`, { headers });
    const text = await answer.text();
    if (answer.status !== 200 || text.length < 100)
      throw new SetupError(`${path} was answered ${answer.status}: ${text}`);
  }
  const load = (length, pause) =>
    wrk({
      script: join(import.meta.dirname, 'readers.lua'),
      url: stack.edgeUrl,
      connections: CONNECTIONS,
      seconds: length,
      args: [files.tokens, files.reads, `${pause}`],
      signal: stopping.signal,
    });
  const measured = async (pause) => {
    // The first requests of each connection of the database are planned anew, and read from disk.
    await load(Math.ceil(seconds / 4), pause);
    const { p50, p95, p99, perSecond, refused, failed } = await load(seconds, pause);
    if (refused + failed > 0) throw new SetupError(`${refused} reads were refused, ${failed} got no answer.`);
    const text = `p95 ${rounded(p95)} ms (p50 ${rounded(p50)}, p99 ${rounded(p99)}), ${Math.round(perSecond)} requests/s`;
    return { p95, text };
  };
  const users = await measured(1000);
  const flood = await measured(0);
  const row = {
    name: '100 users reading at once, each a request a second',
    aim: `p95 under ${MOST} ms`,
    reached: users.text,
    met: users.p95 < MOST,
    rival: `as many connections that never pause, which is what the machine gives at most: ${flood.text}`,
    plan,
  };
  say(`${row.name}: ${row.reached} (${row.aim})`);
  return [row];
};
