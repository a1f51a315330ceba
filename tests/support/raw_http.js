// Requests byte by byte, for what no client library would send.
import { connect } from 'node:net';

/** Whether a whole answer is there: workerd keeps the connection open whatever it is asked. */
const isWhole = (bytes) => {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const head = bytes.subarray(0, end).toString('latin1');
  const length = /\r\ncontent-length: *(\d+)/i.exec(head);
  if (length) return bytes.length >= end + 4 + Number(length[1]);
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) return bytes.subarray(-5).toString('latin1') === '0\r\n\r\n';
  return / (204|304) /.test(head.slice(0, 13));
};

/**
 * Sends one request as it is given and gives the answer's status and text; no status where there was none.
 * Characters of the first line and the headers are bytes. The length is declared unless a header says otherwise.
 */
export const rawRequest = (url, first, { headers = [], body = '', seconds = 20 } = {}) =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const bytes = Buffer.from(body);
    const declared = headers.some((line) => /^(content-length|transfer-encoding):/i.test(line));
    const length = declared || first.startsWith('GET ') ? [] : [`Content-Length: ${bytes.length}`];
    const head = [first, `Host: ${hostname}`, ...headers, ...length, '', ''].join('\r\n');
    let answer = Buffer.alloc(0);
    const socket = connect(Number(port), hostname, () =>
      socket.write(Buffer.concat([Buffer.from(head, 'latin1'), bytes])),
    );
    const end = () => {
      clearTimeout(timer);
      socket.destroy();
      const text = answer.toString('utf8');
      resolve({ status: Number(text.split(' ')[1]) || undefined, text });
    };
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no answer within ${seconds} s to ${first.slice(0, 80)}`));
    }, seconds * 1000);
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk]);
      if (isWhole(answer)) end();
    });
    // What was answered before the connection broke counts.
    socket.on('error', end).on('close', end);
  });
