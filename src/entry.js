// The Worker's entry, and what the edge asks of the runtime at each request. Rust decides; this file carries out. Requests and
// answers cross between the two as one text, since every object and every string that crosses by itself costs more than a line:
// a header is two lines, its name and its value, and neither can contain a line break.
//
// The functions that Rust calls are hoisted: this module and index.js import each other.
import { answered, begin, failed, hungUp, requestHeaders, resume, scheduled, settle, startAfresh } from './index.js';

/** The names of the request headers that the edge reads. */
let read;
/** What ends the promise of each request that waits, by the request's number. */
const waiting = new Map();
/**
 * The last number of a request or of something that it waits for. Rust starts afresh after a trap: the numbers go on, so that
 * nothing that was begun before it is taken for something else.
 */
let last = 0;
/** The number of the instance of Rust. */
let instance;

export default {
  fetch(request, env, ctx) {
    read ??= new Set(requestHeaders(env).split('\n'));
    let text = `${request.method}\n${request.url}\n`;
    request.headers.forEach((value, name) => {
      if (read.has(name)) text += `${name}\n${value}\n`;
    });
    const task = number();
    keepInstance();
    const answer = begin(task, request, env, ctx, text, Date.now());
    return answer ?? new Promise((resolve) => waiting.set(task, resolve));
  },
  scheduled: (controller, env, ctx) => scheduled(controller, env, ctx),
};

/** A number that nothing else has. Rust holds it in 32 bits. */
export function number() {
  last = (last + 1) >>> 0;
  return last;
}

/** Has Rust start afresh after a trap, and forgets the requests that were lost with the instance of before. */
function keepInstance() {
  const current = startAfresh();
  if (current !== instance) waiting.clear();
  instance = current;
}

/** Answers a request that waits. */
export function finish(task, answer) {
  waiting.get(task)?.(answer);
  waiting.delete(task);
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

/** Settles a wait after some milliseconds. */
export function timer(milliseconds, wait) {
  return setTimeout(settle, milliseconds, wait, true);
}

/** The headers in a text, from a position on. */
function headersFrom(text, start) {
  const headers = {};
  for (let at = start; at < text.length; ) {
    const name = text.indexOf('\n', at);
    const end = text.indexOf('\n', name + 1);
    headers[text.slice(at, name)] = text.slice(name + 1, end);
    at = end + 1;
  }
  return headers;
}

/** Status and headers of an answer. */
export function answerText(answer) {
  let text = `${answer.status}\n`;
  answer.headers.forEach((value, name) => {
    text += `${name}\n${value}\n`;
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
  fetch(text.slice(method + 1, url), {
    method: text.slice(0, method),
    headers: headersFrom(text, url + 1),
    body,
    redirect: 'manual',
    signal: controller.signal,
  }).then(
    (answer) => {
      clearTimeout(timer);
      keepInstance();
      answered(wait, answerText(answer), answer.body ?? undefined, Date.now());
    },
    (fault) => {
      clearTimeout(timer);
      failed(wait, fault);
    },
  );
  return controller;
}

/** An answer with the status and the headers of a text. */
export function respond(text, body) {
  const status = text.indexOf('\n');
  return new Response(body, { status: Number(text.slice(0, status)), headers: headersFrom(text, status + 1) });
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
