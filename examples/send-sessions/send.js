#!/usr/bin/env node
// Sends sessions of coding agents to observatory: everything the first time, and only what is new from then on. Needs nothing but Node 20.
//
//   ROWGATE_URL=https://edge.example.org ROWGATE_TOKEN=rgt_... node send.js [folder ...]
//
// Without folders: the sessions of Claude Code (CLAUDE_CONFIG_DIR, ~/.claude, ~/.config/claude). The server knows how far each file has
// come, so it can be stopped and started at any time, on any machine. It exits with 1 if something could not be sent.
import { createReadStream } from 'node:fs';
import { open, readdir, readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join, relative, sep } from 'node:path';
import { pipeline, Readable, Transform } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import * as zlib from 'node:zlib';

const MB = 1024 * 1024;
/** The most bytes of a file that one request sends. */
const PART_BYTES = 64 * MB;
/** The most bytes of a file beside a transcript. */
const MAX_FILE_BYTES = 8 * MB;
/** How often a request is tried that did not reach the server or that it could not take now. */
const TRIES = 6;

const HELP = `Usage: ROWGATE_URL=<address> ROWGATE_TOKEN=<token> node send.js [options] [folder ...]

  folder              a folder of Claude Code's projects, or one with a folder "projects" in it
  --project <name>    the project of new sessions; without it the one of the directory where the agent ran
  --codex [folder]    sessions of Codex CLI (~/.codex)
  --gemini [folder]   sessions of Gemini CLI (~/.gemini)
  --opencode <file>   an export of opencode ("opencode export <session> > file"); may stand several times
  --dry-run           says what would be sent
  --quiet             says nothing but errors

The token is an API token with the system observatory and the right to write: POST /v1/tokens.`;

/** Splits the arguments. An option may stand without its folder. */
const readArguments = (args) => {
  const withFolder = [];
  const rest = [];
  for (let at = 0; at < args.length; at += 1) {
    if (args[at] !== '--codex' && args[at] !== '--gemini') rest.push(args[at]);
    else if (args[at + 1] && !args[at + 1].startsWith('-')) withFolder.push([args[at].slice(2), args[++at]]);
    else withFolder.push([args[at].slice(2), join(homedir(), `.${args[at].slice(2)}`)]);
  }
  const { values, positionals } = parseArgs({
    args: rest,
    allowPositionals: true,
    options: {
      project: { type: 'string' },
      opencode: { type: 'string', multiple: true, default: [] },
      'dry-run': { type: 'boolean', default: false },
      quiet: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  return { ...values, dryRun: values['dry-run'], folders: positionals, agents: withFolder };
};

/** Every file below a folder. One that is not there has none. */
const walk = async (folder) => {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const lists = await Promise.all(
    entries.map((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return walk(path);
      return entry.isFile() ? [path] : [];
    }),
  );
  return lists.flat();
};

/** A path below a folder as the server gets it. */
const shown = (folder, path) => relative(folder, path).split(sep).join('/');

/** The folders of Claude Code's projects. */
const claudeFolders = async (given) => {
  const configured = process.env.CLAUDE_CONFIG_DIR?.split(',').map((one) => one.trim());
  const usual = configured?.filter(Boolean) ?? [join(homedir(), '.claude'), join(homedir(), '.config', 'claude')];
  const found = [];
  for (const folder of given.length > 0 ? given : usual) {
    const inside = join(folder, 'projects');
    const has = await stat(inside).then(
      (is) => is.isDirectory(),
      () => false,
    );
    if (has) found.push(inside);
    else if (given.length > 0) found.push(folder);
  }
  return found;
};

/** Transcripts and the files beside them: {path, file, kind, source, size, read(start, end)}. */
const claudeFiles = async (folder) => {
  const made = [];
  for (const path of await walk(folder)) {
    const file = shown(folder, path);
    const isBeside = file.endsWith('.meta.json') || /(^|\/)(tool-results|workflows)\//.test(besideOf(file)?.path ?? '');
    const isAgent = /(^|\/)subagents\/.*agent-[^/]*\.jsonl$/.test(file);
    if (file.endsWith('.jsonl') && (!isBeside || isAgent))
      made.push({ path, file, source: 'claude', isTranscript: true });
    else if (isBeside) made.push({ path, file, isTranscript: false });
  }
  return made;
};

const codexFiles = async (folder) => {
  const made = [];
  for (const path of await walk(folder)) {
    if (!/rollout-[^/\\]*\.jsonl(\.zst)?$/.test(path)) continue;
    const isZstd = path.endsWith('.zst');
    if (isZstd && !zlib.createZstdDecompress) {
      made.push({
        path,
        file: shown(folder, path),
        fault: 'It is compressed with Zstandard, which needs Node 22.15 or newer.',
      });
      continue;
    }
    const file = shown(folder, path).replace(/\.zst$/, '');
    made.push({ path, file, source: 'codex', isTranscript: true, isZstd });
  }
  return made;
};

/** A file that is no such document, or that its agent has moved or deleted meanwhile, costs itself alone. */
const unreadable = (error) => ({ fault: `It cannot be read: ${error.message}` });

/** One JSON document as lines: what it says about itself, then its messages. */
const asLines = async (path) => {
  try {
    const { messages = [], ...about } = JSON.parse(await readFile(path, 'utf8'));
    return { about, text: [about, ...messages].map((one) => `${JSON.stringify(one)}\n`).join('') };
  } catch (error) {
    return unreadable(error);
  }
};

const geminiFiles = async (folder) => {
  const made = [];
  for (const path of await walk(folder)) {
    if (!/[/\\]chats[/\\][^/\\]*\.jsonl?$/.test(path)) continue;
    const one = { path, file: shown(folder, path), source: 'gemini', isTranscript: true };
    made.push(path.endsWith('.json') ? { ...one, ...(await asLines(path)) } : one);
  }
  return made;
};

const opencodeFile = async (path) => {
  const document = await asLines(path);
  const session = document.about?.info?.id ?? document.about?.id;
  // Exports of several sessions may be written to one file, one after the other.
  const name = /^ses_\w+$/.test(session ?? '') ? `${session}.json` : basename(path);
  return { path, file: `opencode/${name}`, source: 'opencode', isTranscript: true, ...document };
};

/** A refusal of the server. */
class Refused extends Error {
  constructor(status, body) {
    super(
      `${body.code ?? status}: ${body.message ?? 'the server refused it'}${body.details ? ` (${body.details})` : ''}`,
    );
    Object.assign(this, { status, code: body.code, details: body.details, progress: body.progress });
  }
}

/** Sends requests to the server, again if it cannot take them now. */
const client = (url, token) => {
  const once = async (path, options) => {
    const response = await fetch(new URL(path, url), {
      ...options,
      headers: { authorization: `Bearer ${token}`, 'accept-profile': 'observatory', ...options.headers },
    });
    const text = await response.text();
    let body = {};
    try {
      body = JSON.parse(text);
    } catch {}
    if (response.ok) return body;
    const refused = new Refused(response.status, body);
    refused.wait = Number(response.headers.get('retry-after')) || undefined;
    throw refused;
  };
  /** `options` makes the request anew each time: a body can be read once. */
  return async (path, options = () => ({})) => {
    for (let tries = 1; ; tries += 1) {
      try {
        return await once(path, await options());
      } catch (error) {
        const isRefused = error instanceof Refused;
        // What has been stored stays stored: the caller goes on from there.
        if (isRefused && (error.progress?.offset > 0 || ![408, 425, 429, 502, 503, 504].includes(error.status)))
          throw error;
        if (tries === TRIES) throw error;
        const wait = (isRefused && error.wait) || Math.min(2 ** tries / 2, 10);
        // A daily allowance is used up: hours.
        if (wait > 120) throw error;
        await sleep(wait * 1000);
      }
    }
  };
};

/** All rows of a table of the data API. */
const rows = async (request, path) => {
  const all = [];
  for (;;) {
    const page = await request(`/rest/v1/${path}&order=id&limit=1000&offset=${all.length}`);
    all.push(...page);
    if (page.length < 1000) return all;
  }
};

/** What the server has: how far each transcript has come, once for each file of its name, and the sizes of the files beside them. */
const known = async (request) => {
  try {
    const files = await rows(request, 'ingest_files?select=session_id,agent_id,name,byte_offset&is_own=is.true');
    const beside = await rows(request, 'session_files?select=session_id,path,bytes&is_own=is.true');
    const offsets = new Map();
    for (const one of files) {
      const key = JSON.stringify([one.session_id, one.agent_id, one.name]);
      // A session that was continued on several machines has a file from each.
      offsets.set(key, [...(offsets.get(key) ?? []), one.byte_offset]);
    }
    return {
      offsets,
      sizes: new Map(beside.map((one) => [JSON.stringify([one.session_id, one.path]), one.bytes])),
    };
  } catch (error) {
    // A token for the endpoints alone reads no table: then everything is sent, and the server leaves out what it has.
    if (error instanceof Refused && [401, 403, 404].includes(error.status))
      return { offsets: new Map(), sizes: new Map() };
    throw error;
  }
};

/** Which session, subagent and name the server gives a transcript. Null: the session is in the lines alone. */
const placeOf = (file) => {
  const parts = file.split('/');
  const name = parts.at(-1);
  const base = name.replace(/\.jsonl?$/, '');
  const folder = parts.lastIndexOf('subagents');
  const agent = base.startsWith('agent-') ? base.slice(6) : null;
  const session = folder > 0 ? parts[folder - 1] : agent === null ? base : null;
  return { session, agent, name };
};

/** The session of a file beside a transcript, and its path there. Only a session's folder has such files: a project may have any name. */
const besideOf = (file) => {
  const found =
    /^(?:.*\/)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/((?:subagents|tool-results|workflows)\/.*)$/i.exec(file);
  return found ? { session: found[1], path: found[2] } : null;
};

/** Counts bytes as they pass. */
const counter = (note) =>
  new Transform({
    transform(chunk, _, done) {
      note(chunk.length);
      done(null, chunk);
    },
  });

/** Leaves out bytes at the beginning, and ends after so many. */
const slice = (start, end) => {
  let at = 0;
  return new Transform({
    transform(chunk, _, done) {
      const from = Math.max(start - at, 0);
      const to = Math.min(end - at, chunk.length);
      at += chunk.length;
      done(null, from < to ? chunk.subarray(from, to) : undefined);
    },
  });
};

/** The bytes of a transcript from `start` to `end`, as a stream. */
const read = (file, start, end) => {
  if (file.text !== undefined) return Readable.from([Buffer.from(file.text).subarray(start, end)]);
  if (file.isZstd)
    return pipeline(createReadStream(file.path), zlib.createZstdDecompress(), slice(start, end), () => {});
  return createReadStream(file.path, { start, end: end - 1 });
};

const sizeOf = async (file) => {
  if (file.text !== undefined) return Buffer.byteLength(file.text);
  if (!file.isZstd) return (await stat(file.path)).size;
  let size = 0;
  for await (const chunk of read(file, 0, Number.POSITIVE_INFINITY)) size += chunk.length;
  return size;
};

/** Sends what a transcript has more than the server. */
const sendTranscript = async (file, request, { project, note }) => {
  const query = (offset) =>
    `/v1/transcripts?${new URLSearchParams({ file: file.file, offset, source: file.source, ...(project && { project }) })}`;
  const sums = { messages: 0, tool_calls: 0, redactions: 0, skipped: 0 };
  let gaps = 0;
  let offset = file.from;
  while (offset < file.size) {
    const end = Math.min(offset + PART_BYTES, file.size);
    let answer;
    let sent = 0;
    try {
      answer = await request(query(offset), () => {
        note(-sent);
        sent = 0;
        const counted = counter((count) => {
          sent += count;
          note(count);
        });
        // Errors end the stream that is sent, which ends the request.
        const zipped = pipeline(read(file, offset, end), counted, zlib.createGzip({ level: 4 }), () => {});
        return {
          method: 'POST',
          duplex: 'half',
          headers: { 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip' },
          body: Readable.toWeb(zipped),
        };
      });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      note(-sent);
      const isGap = error.code === 'RG663' && gaps < 3;
      const reached = isGap ? Number(error.details) : Number(error.progress?.next_offset ?? offset);
      if (isGap) gaps += 1;
      if (!isGap && reached <= offset) throw error;
      note(reached - offset);
      offset = reached;
      answer = error.progress ?? {};
      add(sums, answer);
      await sleep((error.wait ?? 1) * 1000);
      continue;
    }
    add(sums, answer);
    const next = Number(answer.next_offset ?? end);
    // The rest is a line that has not ended yet.
    if (next >= file.size || (next <= offset && end === file.size)) break;
    if (next <= offset) throw new Error(`The line at byte ${offset} has more than ${PART_BYTES / MB} MB.`);
    offset = next;
  }
  return sums;
};

const add = (sums, { messages = 0, tool_calls = 0, redactions = 0, skipped = {} }) => {
  sums.messages += messages;
  sums.tool_calls += tool_calls;
  sums.redactions += redactions;
  sums.skipped += (skipped.malformed ?? 0) + (skipped.too_large ?? 0) + (skipped.refused ?? 0);
};

/** Sends a file that lies beside a transcript. */
const sendBeside = async (file, request, { project, note }) => {
  const body = await readFile(file.path);
  const path = `/v1/transcripts/files?${new URLSearchParams({ file: file.file, ...(project && { project }) })}`;
  const { redactions = 0 } = await request(path, () => ({
    method: 'POST',
    headers: { 'content-type': 'text/plain; charset=utf-8' },
    body,
  }));
  note(body.length);
  return { messages: 0, tool_calls: 0, redactions, skipped: 0 };
};

/** A bar on a terminal; nothing elsewhere. */
const progressBar = (total, isShown) => {
  const began = Date.now();
  let done = 0;
  let drawn = 0;
  let name = '';
  const draw = () => {
    const part = total === 0 ? 1 : Math.min(done / total, 1);
    const filled = Math.round(part * 24);
    const seconds = Math.max((Date.now() - began) / 1000, 0.1);
    const text = `[${'#'.repeat(filled)}${'-'.repeat(24 - filled)}] ${String(Math.floor(part * 100)).padStart(3)} %  ${(done / MB).toFixed(1)} of ${(total / MB).toFixed(1)} MB  ${(done / MB / seconds).toFixed(1)} MB/s  ${name}`;
    process.stderr.write(`\r${text.slice(0, (process.stderr.columns ?? 100) - 1)}\u001b[K`);
  };
  return {
    note: (bytes) => {
      done += bytes;
      if (!isShown || Date.now() - drawn < 100) return;
      drawn = Date.now();
      draw();
    },
    begin: (file) => {
      name = file;
      if (isShown) draw();
    },
    end: () => {
      if (!isShown) return;
      draw();
      process.stderr.write('\n');
    },
  };
};

/** What there is to send, the oldest first. */
const collect = async (options) => {
  const folders =
    options.agents.length + options.opencode.length > 0 && options.folders.length === 0
      ? []
      : await claudeFolders(options.folders);
  const lists = await Promise.all([
    ...folders.map(claudeFiles),
    ...options.agents.map(([agent, folder]) => (agent === 'codex' ? codexFiles(folder) : geminiFiles(folder))),
    ...options.opencode.map(async (path) => [await opencodeFile(path)]),
  ]);
  const files = lists.flat();
  for (const file of files.filter(({ fault }) => !fault)) {
    try {
      const { mtimeMs, size } = await stat(file.path);
      file.mtime = mtimeMs;
      file.size = file.isTranscript ? await sizeOf(file) : size;
    } catch (error) {
      Object.assign(file, unreadable(error));
    }
  }
  // Sessions before what belongs to them: they say which project it is.
  const isPart = (file) => !file.isTranscript || /(^|\/)agent-[^/]*$/.test(file.file);
  return files.sort((one, other) => isPart(one) - isPart(other) || (one.mtime ?? 0) - (other.mtime ?? 0));
};

/** Where the last line before an offset begins. Undefined: no line ends at the offset, so it is another file's. */
const lineBefore = async (path, offset) => {
  const file = await open(path);
  try {
    const read = async (start, length) => (await file.read({ buffer: Buffer.alloc(length), position: start })).buffer;
    const [last, next] = await read(offset - 1, 2);
    if (last !== 10 && next !== 10 && next !== 13) return undefined;
    let isBlank = true;
    for (let end = offset; end > 0; end -= Math.min(end, 65_536)) {
      const start = Math.max(end - 65_536, 0);
      const bytes = await read(start, end - start);
      for (let at = bytes.length - 1; at >= 0; at -= 1) {
        if (bytes[at] === 10 && !isBlank) return start + at + 1;
        if (bytes[at] > 32) isBlank = false;
      }
    }
    return 0;
  } finally {
    await file.close();
  }
};

/**
 * From where a transcript is sent: `offset` is what the server has of it, `from` the line before that. By this line the server sees that it
 * is the same file, and not that of another machine.
 */
const placeToSend = async (file, offsets) => {
  const nothing = { offset: 0, from: 0 };
  if (offsets.includes(file.size)) return { offset: file.size, from: file.size };
  // A JSON document is written anew as a whole: the server finds out what of it is new.
  if (file.text !== undefined || file.isZstd) return nothing;
  // One that has become shorter is another file.
  for (const offset of offsets.filter((one) => one > 0 && one < file.size).sort((one, other) => other - one)) {
    const from = await lineBefore(file.path, offset);
    if (from !== undefined) return { offset, from };
  }
  return nothing;
};

/** Leaves out what the server has, and says from where the rest goes on. */
const pending = async (files, { offsets, sizes }) => {
  for (const file of files.filter(({ fault, isTranscript }) => isTranscript && !fault)) {
    const { session, agent, name } = placeOf(file.file);
    const stored = offsets.get(JSON.stringify([session, agent, name])) ?? [];
    Object.assign(file, await placeToSend(file, stored).catch(unreadable));
  }
  return files.filter((file) => {
    if (file.fault) return true;
    if (!file.isTranscript) {
      const place = besideOf(file.file);
      // The path of a .meta.json of older versions names no session.
      if (!place) return false;
      return sizes.get(JSON.stringify([place.session, place.path])) !== file.size;
    }
    return file.offset < file.size;
  });
};

const main = async () => {
  let options;
  try {
    options = readArguments(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${HELP}\n`);
    return 2;
  }
  if (options.help) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const { ROWGATE_URL: url, ROWGATE_TOKEN: token } = process.env;
  if (!url || !token) {
    process.stderr.write(`ROWGATE_URL and ROWGATE_TOKEN must be set.\n\n${HELP}\n`);
    return 2;
  }
  const request = client(url, token);
  const files = await pending(await collect(options), await known(request));
  const total = files.reduce((sum, { size = 0, offset = 0 }) => sum + size - offset, 0);
  const say = (text) => options.quiet || process.stdout.write(`${text}\n`);
  if (options.dryRun) {
    for (const { file, size = 0, offset = 0 } of files) say(`${file}  ${size - offset} bytes`);
    say(`${files.length} files, ${(total / MB).toFixed(1)} MB`);
    return 0;
  }
  const sums = { messages: 0, tool_calls: 0, redactions: 0, skipped: 0 };
  const failed = [];
  const bar = progressBar(total, Boolean(process.stderr.isTTY) && !options.quiet);
  for (const file of files) {
    bar.begin(file.file);
    try {
      if (file.fault) throw new Error(file.fault);
      if (!file.isTranscript && file.size > MAX_FILE_BYTES) throw new Error('It has more than 8 MB.');
      const send = file.isTranscript ? sendTranscript : sendBeside;
      const made = await send(file, request, { project: options.project, note: bar.note });
      for (const key of Object.keys(sums)) sums[key] += made[key];
    } catch (error) {
      // Nothing else would pass either.
      if (error instanceof Refused && error.status === 401) throw error;
      failed.push(`${file.file}: ${error.message}`);
    }
  }
  bar.end();
  for (const line of failed) process.stderr.write(`${line}\n`);
  say(
    `${files.length - failed.length} files sent: ${sums.messages} new messages, ${sums.tool_calls} tool calls, ${sums.redactions} secrets taken out, ${sums.skipped} lines skipped${failed.length > 0 ? `; ${failed.length} files failed` : ''}`,
  );
  return failed.length > 0 ? 1 : 0;
};

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`\n${error.message}\n`);
  process.exitCode = 1;
}
