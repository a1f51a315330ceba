#!/usr/bin/env node
// Asks the assistant from a terminal. Needs nothing but Node 20.
//
//   ROWGATE_URL=https://edge.example.org ROWGATE_TOKEN=rgt_... node ask.js "What is the capital of France?"
//
// Without a question it reads one from each line of its input; they are one conversation. Ctrl-C ends the answer; what was said is stored.
import { createInterface } from 'node:readline';
import { ask, ChatError } from './chat.js';

const { ROWGATE_URL: url, ROWGATE_TOKEN: token } = process.env;
if (!url || !token) {
  console.error(
    'Set ROWGATE_URL to the address of the edge, and ROWGATE_TOKEN to an API token with the endpoint "POST /v1/chat".',
  );
  process.exit(2);
}

let conversation;

const answer = async (message) => {
  for await (const part of ask({ url, token, message, conversation })) {
    if (part.text) process.stdout.write(part.text);
    else conversation = part.conversation;
  }
  process.stdout.write('\n');
};

try {
  const question = process.argv.slice(2).join(' ');
  if (question) await answer(question);
  else for await (const line of createInterface({ input: process.stdin })) if (line.trim()) await answer(line);
} catch (error) {
  console.error(error instanceof ChatError ? `${error.code} ${error.message}` : error.message);
  process.exit(1);
}
