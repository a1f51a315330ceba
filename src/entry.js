// The Worker's entry, and what the edge asks of the runtime at each request. Rust decides; this file carries out. Requests and
// answers cross between the two as one text, since every object and every string that crosses by itself costs more than a line.
// A header is a line: the mark of its name, which is one character, and its value. A name without a mark has a line of its own,
// after the mark of such names. Names and values cannot contain a line break.
//
// The functions that Rust calls are hoisted: this module and index.js import each other.
import { answered, begin, failed, headerNames, hungUp, resume, scheduled, settle, startAfresh } from './index.js';

/** The code of the first mark, and the mark of the names that have none. */
const FIRST_MARK = 32;
const OTHER_MARK = '\u001f';
/** The names that have a mark, and the mark of each request header that the edge reads and of each header of an answer. */
let names;
const requestMarks = new Map();
const answerMarks = new Map();
/** What ends the promise of each request that waits, by the request's number. */
const waiting = new Map();
/**
 * The last number of a request or of something that it waits for. Rust starts afresh after a trap: the numbers go on, so that
 * nothing that was begun before it is taken for something else.
 */
let last = 0;
/** The number of the instance of Rust. */
let instance;
/** The answer of the request that is being begun, if it need not wait. */
let atOnce;
/**
 * What sends requests of the method HEAD, on connections that nothing else uses: PostgREST 12 closes a connection after each answer
 * to HEAD, and a write that was sent on it would be lost. On Cloudflare there is no such binding.
 */
let heads;

export default {
  fetch(request, env, ctx) {
    heads = env.HEAD_REQUESTS;
    if (keepInstance()) readNames(env);
    let text = `${request.method}\n${request.url}\n`;
    request.headers.forEach((value, name) => {
      const mark = requestMarks.get(name);
      if (mark) text += `${mark}${value}\n`;
    });
    const task = number();
    begin(task, request, env, ctx, text, Date.now());
    const answer = atOnce;
    atOnce = undefined;
    return answer ?? new Promise((resolve) => waiting.set(task, resolve));
  },
  scheduled: (controller, env, ctx) => scheduled(controller, env, ctx),
};

/** A number that nothing else has. Rust holds it in 32 bits. */
export function number() {
  last = (last + 1) >>> 0;
  return last;
}

/**
 * Has Rust start afresh after a trap, and forgets the requests that were lost with the instance of before. Whether it is another
 * instance.
 */
function keepInstance() {
  const current = startAfresh();
  if (current === instance) return false;
  waiting.clear();
  instance = current;
  return true;
}

/** Reads which names have a mark: first those of the request headers that the edge reads. */
function readNames(env) {
  const [read, ...all] = headerNames(env).split('\n');
  names = all;
  for (const [place, name] of names.entries()) {
    const mark = String.fromCharCode(FIRST_MARK + place);
    if (place < Number(read)) requestMarks.set(name, mark);
    if (!answerMarks.has(name)) answerMarks.set(name, mark);
  }
}

/**
 * Answers a request: a text has a line for the log, and status and headers of the answer. Gives what the runtime does not accept
 * of the answer.
 */
export function finish(task, text, body) {
  try {
    const end = text.indexOf('\n');
    if (end > 0) console.log(text.slice(0, end));
    const answer = answerOf(text, end + 1, body);
    const resolve = waiting.get(task);
    if (resolve) {
      waiting.delete(task);
      resolve(answer);
    } else {
      atOnce = answer;
    }
  } catch (fault) {
    return fault;
  }
}

/** Calls `hungUp` when the client of a request hangs up. */
export function listen(request, task) {
  const { signal } = request;
  if (signal.aborted) Promise.resolve(task).then(hungUp);
  else signal.addEventListener('abort', () => hungUp(task));
}

/** Continues the tasks that were woken, soon. */
export function soon() {
  Promise.resolve().then(resume);
}

/** Settles a wait with the outcome of a promise. */
export function watch(promise, wait) {
  promise.then(
    (value) => settle(wait, true, value),
    (fault) => settle(wait, false, fault),
  );
}

/** Settles a wait with whether a key made a signature. WebCrypto copies the bytes before it returns. */
export function verify(wait, parameters, key, signature, data) {
  crypto.subtle.verify(parameters, key, signature, data).then(
    (fits) => settle(wait, fits),
    () => settle(wait, false),
  );
}

/** Settles a wait after some milliseconds. */
export function timer(milliseconds, wait) {
  return setTimeout(settle, milliseconds, wait, true);
}

/** The headers in a text, from a position on. */
function headersFrom(text, start) {
  const headers = {};
  for (let at = start; at < text.length; ) {
    let name = names[text.charCodeAt(at) - FIRST_MARK];
    let value = at + 1;
    if (name === undefined) {
      const end = text.indexOf('\n', value);
      name = text.slice(value, end);
      value = end + 1;
    }
    const end = text.indexOf('\n', value);
    headers[name] = text.slice(value, end);
    at = end + 1;
  }
  return headers;
}

/** Status and headers of an answer. */
export function answerText(answer) {
  let text = `${answer.status}\n`;
  answer.headers.forEach((value, name) => {
    const mark = answerMarks.get(name);
    text += mark ? `${mark}${value}\n` : `${OTHER_MARK}${name}\n${value}\n`;
  });
  return text;
}

/**
 * Sends what a text of method, URL and headers names; `answered` gets the head of its answer. Gives what aborts it. Without
 * milliseconds it has no deadline of its own.
 */
export function send(wait, text, body, milliseconds) {
  const method = text.indexOf('\n');
  const url = text.indexOf('\n', method + 1);
  const controller = new AbortController();
  const timer = milliseconds ? setTimeout(failed, milliseconds, wait) : undefined;
  const failing = (fault) => {
    clearTimeout(timer);
    failed(wait, fault);
  };
  const name = text.slice(0, method);
  const sender = name === 'HEAD' && heads ? heads : globalThis;
  try {
    const answering = sender.fetch(text.slice(method + 1, url), {
      method: name,
      headers: headersFrom(text, url + 1),
      body,
      redirect: 'manual',
      signal: controller.signal,
    });
    answering.then((answer) => {
      clearTimeout(timer);
      keepInstance();
      answered(wait, answerText(answer), answer.body ?? undefined, Date.now());
    }, failing);
  } catch (fault) {
    Promise.reject(fault).catch(failing);
  }
  return controller;
}

/** The answer whose status and headers are in a text, from a position on. */
function answerOf(text, start, body) {
  const status = text.indexOf('\n', start);
  return new Response(body, { status: Number(text.slice(start, status)), headers: headersFrom(text, status + 1) });
}

/** An answer with the status and the headers of a text. */
export function respond(text, body) {
  return answerOf(text, 0, body);
}

/** All bytes of a body, if there are at most `limit` and they arrive within some milliseconds; it fails with `large` or `slow`. */
export function readWhole(body, limit, milliseconds) {
  return new Promise((resolve, reject) => {
    const reader = body.getReader();
    const chunks = [];
    let length = 0;
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      // The reader keeps its lock: the rest of a slow body is not awaited again.
      reject('slow');
    }, milliseconds);
    const failed = (fault) => {
      clearTimeout(timer);
      reject(fault);
    };
    const read = ({ done, value }) => {
      if (isLate) return;
      if (done) {
        clearTimeout(timer);
        resolve(joined(chunks, length));
        return;
      }
      length += value.byteLength;
      if (length > limit) {
        // Released so that the rest of a client's body can be discarded.
        reader.releaseLock();
        failed('large');
        return;
      }
      chunks.push(value);
      reader.read().then(read, failed);
    };
    reader.read().then(read, failed);
  });
}

/** A promise that fails with `slow` unless it is settled within some milliseconds. */
function inTime(promise, milliseconds) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(reject, milliseconds, 'slow');
    const settled = (settle) => (value) => {
      clearTimeout(timer);
      settle(value);
    };
    promise.then(settled(resolve), settled(reject));
  });
}

/** All bytes of a request's body that declares its length, if they arrive within some milliseconds; it fails with `slow`. */
export function readRequest(request, milliseconds) {
  return inTime(request.arrayBuffer(), milliseconds);
}

/** Bytes of a result into which most fit. */
const RESULT_BYTES = 16 * 1024;

/**
 * All bytes of an answer's body, if there are at most `limit` and they arrive within some milliseconds; it fails with `large` or
 * `slow`.
 */
export function readAnswer(body, limit, milliseconds) {
  return inTime(readPieces(body.getReader({ mode: 'byob' }), limit), milliseconds);
}

async function readPieces(reader, limit) {
  const chunks = [];
  let length = 0;
  for (let size = RESULT_BYTES; ; size = limit + 1 - length) {
    const { value } = await reader.readAtLeast(size, new Uint8Array(size));
    const got = value?.byteLength ?? 0;
    if (got > 0) chunks.push(value);
    length += got;
    if (length > limit) {
      reader.cancel().catch(() => {});
      throw 'large';
    }
    if (got < size) return joined(chunks, length);
  }
}

function joined(chunks, length) {
  if (chunks.length === 1) return chunks[0];
  const all = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.byteLength;
  }
  return all;
}

/** Bytes that are read of an answer before it is passed on, and of which one piece consists afterwards. */
const FIRST_BYTES = 16 * 1024;
const PIECE_BYTES = 128 * 1024;

/**
 * A body of at most `limit` bytes: its bytes if they are few, else a stream that breaks off after the limit and then logs a line.
 * Fails with `large` if the first bytes are too many.
 */
export async function bounded(body, limit, line) {
  const reader = body.getReader({ mode: 'byob' });
  const { value: first } = await reader.readAtLeast(FIRST_BYTES, new Uint8Array(FIRST_BYTES));
  const length = first?.byteLength ?? 0;
  if (length > limit) throw 'large';
  if (length < FIRST_BYTES) return first ?? new Uint8Array();
  let left = limit - length;
  return new ReadableStream(
    {
      start: (controller) => controller.enqueue(first),
      async pull(controller) {
        const { done, value } = await reader.readAtLeast(PIECE_BYTES, new Uint8Array(PIECE_BYTES));
        left -= value?.byteLength ?? 0;
        if (left < 0) {
          console.error(line);
          controller.error(new Error('the answer is too large'));
          reader.cancel().catch(() => {});
          return;
        }
        if (value?.byteLength) controller.enqueue(value);
        if (done || !value?.byteLength) controller.close();
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
