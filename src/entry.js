// The Worker's entry, and what the edge asks of the runtime at each request. Rust decides; this file carries out. Requests and
// answers cross between the two as one text, since every object and every string that crosses by itself costs more than a line.
// A header is a line: the mark of its name, which is one character, and its value. A name without a mark has a line of its own,
// after the mark of such names. Names and values cannot contain a line break.
//
// The functions that Rust calls are hoisted: this module and index.js import each other.
import {
  answered,
  begin,
  failed,
  headerNames,
  hungUp,
  resume,
  scheduled,
  settle,
  socketMessage,
  startAfresh,
} from './index.js';

/** The code of the first mark, and the mark of the names that have none. */
const FIRST_MARK = 32;
const OTHER_MARK = '\u001f';
/** The names that have a mark, and the mark of each request header that the edge reads and of each header of an answer. */
let names;
const requestMarks = new Map();
const answerMarks = new Map();
/** What ends the promise of each request that waits, by the request's number. */
const waiting = new Map();
/** What ends the promise of each task that outlives its request, by the task's number. */
const outliving = new Map();
/**
 * The last number of a request or of something that it waits for. Rust starts afresh after a trap: the numbers go on, so that
 * nothing that was begun before it is taken for something else.
 */
let last = 0;
/** The number of the instance of Rust. */
let instance;
/** The answer of the request that is being begun, if it need not wait. */
let atOnce;
/** The bindings, which are the same for all requests. */
let bindings;

export default {
  fetch(request, env, ctx) {
    keepInstance(env);
    let text = `${request.method}\n${request.url}\n`;
    request.headers.forEach((value, name) => {
      const mark = requestMarks.get(name);
      if (mark) text += `${mark}${value}\n`;
    });
    const task = number();
    // A trap may have left the answer of another request.
    atOnce = undefined;
    begin(task, request, env, ctx, utf8(text), Date.now());
    const answer = atOnce;
    atOnce = undefined;
    return answer ?? new Promise((resolve) => waiting.set(task, resolve));
  },
  scheduled(controller, env, ctx) {
    keepInstance(env);
    return scheduled(controller, env, ctx);
  },
};

/** A number that nothing else has. Rust holds it in 32 bits. */
export function number() {
  last = (last + 1) >>> 0;
  return last;
}

const encoder = new TextEncoder();
/** Into which texts are encoded: the runtime's encoder is faster than the generated code, which goes through the characters. */
const scratch = new Uint8Array(16 * 1024);

/** A text in UTF-8, until the next call. A character takes three bytes at most. */
function utf8(text) {
  if (text.length * 3 > scratch.length) return encoder.encode(text);
  return scratch.subarray(0, encoder.encodeInto(text, scratch).written);
}

/** A long text in UTF-8. */
export function encoded(text) {
  return encoder.encode(text);
}

/** The variables and secrets among bindings: names and values in turn, with a NUL after each. One with a NUL is none. */
export function variables(env) {
  const texts = Object.entries(env).filter(([, value]) => typeof value === 'string' && !value.includes('\0'));
  return encoder.encode(texts.map(([name, value]) => `${name}\0${value}\0`).join(''));
}

/** Has Rust start afresh after a trap, and forgets the requests that were lost with the instance of before. */
function keepInstance(env = bindings) {
  bindings = env;
  const current = startAfresh();
  if (current === instance) return;
  waiting.clear();
  outliving.clear();
  reserved.clear();
  allReserved = 0;
  instance = current;
  readNames();
}

/** Reads which names have a mark, as each instance has to be asked: first those of the request headers that the edge reads. */
function readNames() {
  const [read, ...all] = headerNames(bindings).split('\n');
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

/** Texts that the build has made for people and tools, each with a digest in its first line. They are read when one is asked for. */
let documents;

export async function document(name) {
  documents ??= await readDocuments();
  return documents[name];
}

async function readDocuments() {
  const { default: bytes } = await import('./documents.bin');
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).json();
}

/** Makes a call when the client of a request hangs up. */
function whenHungUp({ signal }, call) {
  if (signal.aborted) Promise.resolve().then(call);
  else signal.addEventListener('abort', call);
}

/** Calls `hungUp` when the client of a request hangs up. */
export function listen(request, task) {
  whenHungUp(request, () => hungUp(task));
}

/** Settles a wait when the client of a request hangs up. */
export function aborted(request, wait) {
  whenHungUp(request, () => settle(wait, true));
}

/** A promise that `ended` settles: until then the runtime lets the request's events go on, without its client, too. */
export function unended(task) {
  return new Promise((resolve) => outliving.set(task, resolve));
}

export function ended(task) {
  outliving.get(task)?.();
  outliving.delete(task);
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

/** Headers of an answer that nobody reads. */
const UNREAD = ['date', 'transfer-encoding'];

/** Status and headers of an answer. The runtime writes a date and the transfer's encoding itself. */
export function answerText(answer) {
  return withHeaders(`${answer.status}\n`, answer.headers, UNREAD);
}

/** All headers of a request. */
export function allHeaders(request) {
  return withHeaders('', request.headers);
}

/** A text and the lines of headers, but for some. */
function withHeaders(start, headers, without = []) {
  let text = start;
  headers.forEach((value, name) => {
    if (without.includes(name)) return;
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
  // PostgREST 12 closes a connection after each answer to HEAD, and a write that was sent on it would be lost. The local stack has a
  // binding for these requests, whose connections nothing else uses. On Cloudflare there is none.
  const sender = name === 'HEAD' && bindings.HEAD_REQUESTS ? bindings.HEAD_REQUESTS : globalThis;
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
      answered(wait, utf8(answerText(answer)), answer.webSocket ?? answer.body ?? undefined, Date.now());
    }, failing);
  } catch (fault) {
    Promise.reject(fault).catch(failing);
  }
  return controller;
}

/** Bytes of a body that declares no length which are passed on at a time. */
const SENT_BYTES = 64 * 1024;

/**
 * Sends a request whose body declares no length, piece by piece. `sent` is settled when all of it has been sent, and fails with
 * `large` or `broken`. The connection to the service is then cut: a stream that ends, also after an error, would tell the service
 * that this is all of the body.
 */
export function sendPieces(wait, sent, text, body, limit) {
  const { readable, writable } = new IdentityTransformStream();
  const reader = body.getReader({ mode: 'byob' });
  const controller = send(wait, text, readable, 0);
  passOn(reader, writable.getWriter(), limit).then(
    () => settle(sent, true),
    (fault) => {
      settle(sent, false, fault);
      if (typeof fault === 'string') controller.abort();
    },
  );
  return controller;
}

async function passOn(reader, writer, limit) {
  let buffer = new ArrayBuffer(SENT_BYTES);
  for (let length = 0; ; ) {
    const { value, done } = await reader.read(new Uint8Array(buffer)).catch(() => {
      throw 'broken';
    });
    if (done) return writer.close();
    length += value.byteLength;
    if (length > limit) {
      // Released so that the rest of a client's body can be discarded.
      reader.releaseLock();
      throw 'large';
    }
    await writer.write(value);
    buffer = value.buffer;
  }
}

/** The answer whose status and headers are in a text, from a position on. */
function answerOf(text, start, body) {
  const status = text.indexOf('\n', start);
  const init = { status: Number(text.slice(start, status)), headers: headersFrom(text, status + 1) };
  if (init.status === 101)
    return new Response(null, { ...init, webSocket: watched.has(body) ? watchedClient(body) : body });
  return new Response(body instanceof LongBody ? body.stream(init.headers['x-request-id']) : body, init);
}

/** An answer with the status and the headers of a text. */
export function respond(text, body) {
  return answerOf(text, 0, body);
}

// WebSockets, which stand in the place of a body. The runtime joins both ends, unless the messages of the client are read.

/** The sockets to services whose clients' messages are read. */
const watched = new WeakSet();

export function watchMessages(socket) {
  watched.add(socket);
}

/** Closes for a message that must not be handed on (RFC 6455, section 7.4.1), and for an error. */
const POLICY_VIOLATION = 1008;
const INTERNAL_ERROR = 1011;
/** Closes for an end that does not take what the other one sends (https://www.iana.org/assignments/websocket). */
const TRY_AGAIN_LATER = 1013;
/** Bytes that wait for an end that reads slowly. The runtime itself would keep all. */
const MAX_BUFFERED_BYTES = 4 * 1024 * 1024;
/** Codes of a close that nobody sends. */
const NOT_SENT = [1004, 1005, 1006, 1015];

/** What can stand in a message with a token. A backslash can hide it. */
const MAY_HAVE_TOKEN = /(?:access|user)_token|\\/;

/** The client's end of a socket to a service: what the client sends is read before it is handed on. */
function watchedClient(service) {
  const { 0: client, 1: edge } = new WebSocketPair();
  const closeBoth = (code, reason) => {
    for (const end of [edge, service]) end.close(code, reason);
  };
  for (const [from, to, seen] of [
    [service, edge, (data) => data],
    [edge, service, handedOn],
  ]) {
    from.binaryType = 'arraybuffer';
    from.addEventListener('message', ({ data }) => {
      if (to.readyState !== WebSocket.OPEN) return;
      const passed = seen(data);
      if (passed === undefined) closeBoth(POLICY_VIOLATION, 'RG209');
      else {
        to.send(passed);
        if (to.bufferedAmount > MAX_BUFFERED_BYTES) closeBoth(TRY_AGAIN_LATER, 'slow');
      }
    });
    from.addEventListener('close', ({ code, reason }) => {
      if (NOT_SENT.includes(code)) to.close();
      else to.close(code, reason);
    });
    from.addEventListener('error', () => to.close(INTERNAL_ERROR));
  }
  edge.accept();
  service.accept();
  return client;
}

/** Binary messages begin with their kind. No text of JSON begins with such a byte. */
const MAX_KIND = 8;

/**
 * A message as it is handed on. Version 1.0.0 of the protocol takes bytes for text, too: what could be such a text is read and handed on
 * as one. Other binary messages carry no token.
 */
function handedOn(data) {
  const isText = typeof data === 'string';
  if (!isText && !(new Uint8Array(data)[0] > MAX_KIND)) return data;
  const text = isText ? data : new TextDecoder().decode(data);
  if (!MAY_HAVE_TOKEN.test(text)) return text;
  keepInstance();
  return socketMessage(text);
}

// Bodies of services' answers, in pieces.

/** Bytes that are read of an answer at a time, and bytes of a piece at most. There may be hundreds of answers at once. */
const PIECE_BYTES = 8 * 1024;

/**
 * Has a body read in pieces: `next` settles a wait with the next one, or with nothing at the end. It fails with `large`, with `slow`
 * after a pause of some milliseconds, or with the body's fault.
 */
export function pieces(body, limit, idle) {
  return new Pieces(body.getReader({ mode: 'byob' }), limit, idle);
}

/**
 * The runtime gives what a service has written at once in a read of its own: a token. Rust gets no more pieces than there are turns
 * (src/isolate/turns.rs); what arrives in the time until the next one is joined here, for a small part of the cost. More than a piece
 * stays with the service until then.
 */
class Pieces {
  constructor(reader, limit, idle) {
    Object.assign(this, { reader, limit, idle });
    this.buffer = new ArrayBuffer(PIECE_BYTES);
    this.joined = new Uint8Array(PIECE_BYTES);
    /** Bytes in `joined`. */
    this.length = 0;
    this.isReading = false;
    this.hasEnded = false;
    this.read = this.read.bind(this);
    this.failed = this.failed.bind(this);
  }

  /** Settles a wait with what has arrived after some milliseconds; with what arrives first, if nothing has. */
  next(wait, milliseconds) {
    this.wait = wait;
    this.since = Date.now();
    this.idling ??= setTimeout(() => this.checkPause(), this.idle);
    const turn = () => {
      this.turn = undefined;
      this.proceed();
    };
    if (milliseconds > 0) this.turn = setTimeout(turn, milliseconds);
    // Rust must not be called while it calls.
    if (this.length > 0 || this.hasEnded) Promise.resolve().then(() => this.proceed());
    else this.proceed();
  }

  proceed() {
    if (this.wait === undefined) return;
    if (this.hasEnded || (this.length > 0 && this.turn === undefined)) {
      this.give();
    } else if (!this.isReading && this.length < PIECE_BYTES) {
      this.isReading = true;
      const into = new Uint8Array(this.buffer, 0, PIECE_BYTES - this.length);
      this.reader.readAtLeast(1, into).then(this.read, this.failed);
    }
  }

  read({ value = NOTHING }) {
    this.isReading = false;
    this.since = Date.now();
    this.limit -= value.byteLength;
    if (value.byteLength === 0) this.end();
    else if (this.limit < 0) this.end('large');
    else {
      this.joined.set(value, this.length);
      this.length += value.byteLength;
      this.buffer = value.buffer;
    }
    this.proceed();
  }

  failed(fault) {
    this.end(fault ?? 'broken');
    this.proceed();
  }

  give() {
    const { wait, length } = this;
    this.wait = undefined;
    clearTimeout(this.turn);
    this.turn = undefined;
    this.length = 0;
    if (length > 0) settle(wait, true, this.joined.slice(0, length));
    else settle(wait, this.fault === undefined, this.fault);
  }

  /** One timer for all pauses: one for each piece would cost as much as the piece. */
  checkPause() {
    this.idling = undefined;
    if (this.wait === undefined) return;
    const left = this.since + this.idle - Date.now();
    if (left > 0) {
      this.idling = setTimeout(() => this.checkPause(), left);
    } else {
      this.end('slow');
      this.proceed();
    }
  }

  end(fault) {
    this.hasEnded = true;
    this.fault ??= fault;
    clearTimeout(this.idling);
  }

  /** Reads no more, and closes the connection. */
  cancel() {
    this.wait = undefined;
    this.end();
    clearTimeout(this.turn);
    this.reader.cancel().catch(() => {});
  }
}

// Bodies. What Rust holds as a stream may also be the bytes of a body that has been read whole, or a `LongBody`.

/** All bytes of a body, if there are at most `limit` and they arrive within some milliseconds; it fails with `large` or `slow`. */
export function readWhole(body, limit, milliseconds) {
  if (body instanceof Uint8Array) return body.byteLength > limit ? Promise.reject('large') : Promise.resolve(body);
  const reading =
    body instanceof LongBody
      ? readChunks(body.stream().getReader(), limit)
      : readPieces(body.getReader({ mode: 'byob' }), limit);
  return inTime(reading, milliseconds);
}

async function readChunks(reader, limit) {
  const chunks = [];
  for (let length = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return joined(chunks, length);
    length += value.byteLength;
    if (length > limit) throw 'large';
    // Its buffer serves the next chunk.
    chunks.push(value.slice());
  }
}

/** Bytes of a result into which most fit. */
const RESULT_BYTES = 16 * 1024;

/**
 * Each piece is as long as those before it: a long body is read in few pieces, and a slow one takes no memory that it does not fill.
 * `reserve` gets the bytes that a piece may take before it is read, and may refuse them.
 */
async function readPieces(reader, limit, reserve = () => {}) {
  const chunks = [];
  let length = 0;
  for (let size = RESULT_BYTES; ; size = Math.min(length, limit + 1 - length)) {
    try {
      reserve(size);
    } catch (fault) {
      reader.releaseLock();
      throw fault;
    }
    const { value } = await reader.readAtLeast(size, new Uint8Array(size));
    const got = value?.byteLength ?? 0;
    if (got > 0) chunks.push(value);
    length += got;
    if (length > limit) {
      // Released so that the rest of a client's body can be discarded.
      reader.releaseLock();
      throw 'large';
    }
    if (got < size) return joined(chunks, length);
  }
}

/** Bytes reserved for each request body that is being read whole, by the number of the reading. Up to so many bytes reserve none. */
const reserved = new Map();
const UNRESERVED_BYTES = 64 * 1024;
/** The same of all bodies, and its maximum: an isolate has 128 MB. */
let allReserved = 0;
const MAX_RESERVED_BYTES = 32 * 1024 * 1024;

/**
 * All bytes of a request's body; fails with `large` or `slow`, and with `full` if all bodies together would exceed the maximum. Rust gives
 * the reserved bytes back (`endReading`): where the client has gone, this promise is never settled.
 */
export function readArriving(reading, body, limit, milliseconds) {
  reserved.set(reading, 0);
  let total = 0;
  const reserve = (bytes) => {
    total += bytes;
    if (total <= UNRESERVED_BYTES) return;
    const own = reserved.get(reading);
    const more = total - own;
    if (own === undefined || allReserved + more > MAX_RESERVED_BYTES) throw 'full';
    reserved.set(reading, total);
    allReserved += more;
  };
  return inTime(readPieces(body.getReader({ mode: 'byob' }), limit, reserve), milliseconds);
}

/** Ends a reading, read or not. */
export function endReading(reading) {
  allReserved -= reserved.get(reading) ?? 0;
  reserved.delete(reading);
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

/** Reads up to so many bytes of a body within some milliseconds, and keeps none of them; it fails with `slow`. */
export function discard(body, most, milliseconds) {
  return inTime(discarded(body.getReader({ mode: 'byob' }), most), milliseconds);
}

async function discarded(reader, most) {
  let buffer = takeBuffer();
  for (let left = most; left > 0; left -= WHOLE_BYTES) {
    const bytes = await readInto(reader, WHOLE_BYTES, buffer);
    buffer = bytes.buffer;
    if (bytes.byteLength < WHOLE_BYTES) break;
  }
  keepBuffer(buffer);
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

/**
 * The bytes of a body that declares its length. It fails with `slow` if they do not arrive within some milliseconds, and with an
 * error if they are fewer or more.
 */
export function readDeclared(body, length, milliseconds) {
  return inTime(readExactly(body.getReader({ mode: 'byob' }), length), milliseconds);
}

async function readExactly(reader, length) {
  const bytes = await readInto(reader, length + 1, new ArrayBuffer(length + 1));
  if (bytes.byteLength !== length) throw new Error('the body has another length than it declares');
  return bytes;
}

/** Reads up to `length` bytes of a body into a buffer: fewer than `least` only at the end of the body. */
async function readInto(reader, least, buffer, length = buffer.byteLength) {
  const { value } = await reader.readAtLeast(least, new Uint8Array(buffer, 0, length));
  return value ?? new Uint8Array();
}

/** Bytes of a short body, and whether the next one is expected to be short, as the last one was: then a small buffer does. */
const SHORT_BYTES = 4 * 1024;
let expectsShort = true;
const NOTHING = new Uint8Array();

/** Bytes of a body that are awaited first, and bytes up to which it is passed on whole if they follow within some milliseconds. */
const FIRST_BYTES = 16 * 1024;
const WHOLE_BYTES = 128 * 1024;
const WHOLE_MS = 2;
/** Most bodies are short and are copied out of a buffer, which then serves the next one. */
const spareBuffers = [];
const MAX_SPARE_BUFFERS = 8;

function takeBuffer() {
  return spareBuffers.pop() ?? new ArrayBuffer(WHOLE_BYTES);
}

function keepBuffer(buffer) {
  if (buffer.byteLength === WHOLE_BYTES && spareBuffers.length < MAX_SPARE_BUFFERS) spareBuffers.push(buffer);
}

/**
 * Settles a wait with a body of at most `limit` bytes: its bytes, or a `LongBody`. Fails with `large` if the first bytes are too many.
 */
export function bounded(wait, body, limit) {
  const failing = (fault) => settle(wait, false, fault);
  const whole = (bytes) => settle(wait, true, bytes);
  try {
    const reader = body.getReader({ mode: 'byob' });
    if (!expectsShort) {
      longer(reader, NOTHING, limit).then(whole, failing);
      return;
    }
    // The usual body, without a function that waits: it is read in one go.
    reader.readAtLeast(SHORT_BYTES, new Uint8Array(SHORT_BYTES)).then(({ value = NOTHING }) => {
      if (value.byteLength > limit) failing('large');
      else if (value.byteLength < SHORT_BYTES) whole(value);
      else longer(reader, value, limit).then(whole, failing);
    }, failing);
  } catch (fault) {
    Promise.reject(fault).catch(failing);
  }
}

/** The same of a body whose first bytes may have been read. */
async function longer(reader, head, limit) {
  const start = head.byteLength;
  const more = await readInto(reader, FIRST_BYTES - start, takeBuffer(), WHOLE_BYTES - start);
  const size = start + more.byteLength;
  if (size > limit) throw 'large';
  expectsShort = size < SHORT_BYTES;
  const isWhole = size < FIRST_BYTES;
  const first = isWhole || start > 0 ? joined([head, more], size) : more;
  if (first !== more) keepBuffer(more.buffer);
  if (isWhole) return first;
  const missing = WHOLE_BYTES - first.byteLength;
  if (missing === 0) return new LongBody({ reader, first, limit });
  const second = readInto(reader, missing, takeBuffer(), missing);
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, WHOLE_MS);
  });
  const rest = await Promise.race([second, late]);
  clearTimeout(timer);
  const length = first.byteLength + (rest?.byteLength ?? 0);
  if (length > limit) throw 'large';
  if (!rest || rest.byteLength >= missing) return new LongBody({ reader, first, second, limit });
  const bytes = rest.byteLength ? joined([first, rest], length) : first;
  keepBuffer(rest.buffer);
  return bytes;
}

/** Bytes of one piece of a long body, and of the pieces of all of them. The runtime itself receives 408 KB at a time. */
const MAX_PIECE_BYTES = 408 * 1024;
const MIN_PIECE_BYTES = 64 * 1024;
const ALL_PIECES_BYTES = 8 * 1024 * 1024;

/** Milliseconds before an answer breaks off. */
const BREAK_MS = 10;

/** How many long bodies are being read. The registry counts those whose client is gone, as the runtime does not report it. */
let streaming = 0;
const unfinished = new FinalizationRegistry(() => {
  streaming -= 1;
});

/** A body whose first bytes have been read, and whose next ones may be being read. */
class LongBody {
  constructor(parts) {
    Object.assign(this, parts);
  }

  /** A stream of the body that breaks off after the limit and then logs a line under the id of the request that it answers. */
  stream(id) {
    this.id = id;
    streaming += 1;
    unfinished.register(this, undefined, this);
    return new ReadableStream(
      {
        start: (controller) => {
          this.limit -= this.first.byteLength;
          controller.enqueue(this.first);
          this.first = undefined;
        },
        pull: (controller) => this.pull(controller),
        cancel: (reason) => this.cancel(reason),
      },
      { highWaterMark: 0 },
    );
  }

  async pull(controller) {
    const piece = await (this.second ?? this.next());
    this.limit -= piece.byteLength;
    if (this.limit < 0) {
      console.error(JSON.stringify({ event: 'answer_too_large', id: this.id }));
      this.cancel().catch(() => {});
      // The runtime discards what it has not sent of the answer, which may be its head.
      await new Promise((resolve) => setTimeout(resolve, BREAK_MS));
      controller.error(new Error('the answer is too large'));
      return;
    }
    if (piece.byteLength > 0) controller.enqueue(piece);
    if (!this.second && piece.byteLength < this.size) {
      controller.close();
      this.end();
    }
    this.second = undefined;
  }

  /** Reads the next piece into the buffer of the piece before, which has been sent when the runtime asks for more. */
  async next() {
    this.size = Math.max(MIN_PIECE_BYTES, Math.min(MAX_PIECE_BYTES, Math.floor(ALL_PIECES_BYTES / streaming)));
    if (this.buffer?.byteLength !== this.size) this.buffer = new ArrayBuffer(this.size);
    const piece = await readInto(this.reader, this.size, this.buffer);
    this.buffer = piece.buffer;
    return piece;
  }

  cancel(reason) {
    this.end();
    return this.reader.cancel(reason);
  }

  end() {
    if (unfinished.unregister(this)) streaming -= 1;
  }
}
