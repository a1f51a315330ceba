// examples/chat: the page in Chromium, from another origin, and the program for a terminal.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root } from '../../../dev/paths.js';
import { launch, screenshot } from '../../support/browser.js';
import { ask, close } from '../../support/stack.js';
import { company, conversationOf, heldQuestion, messagesOf, settled, startChat } from '../support/chat_edge.js';
import { TEXT } from '../support/provider.js';

const FOLDER = join(root, 'examples', 'chat');
let server;
let origin;
let browser;
let provider;
let edge;
let stop;

before(async () => {
  server = createServer(({ url }, response) => {
    const file = url === '/chat.js' ? 'chat.js' : 'index.html';
    response.setHeader('content-type', file === 'chat.js' ? 'text/javascript' : 'text/html');
    response.end(readFileSync(join(FOLDER, file)));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
  ({ provider, edge, stop } = await startChat({ variables: { ALLOWED_ORIGINS: origin } }));
  browser = await launch();
});
after(async () => {
  await browser?.close();
  server.closeAllConnections();
  server.close();
  await stop();
  await close();
});

const openPage = async (token) => {
  const page = await browser.newPage();
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(error.message));
  await page.goto(origin);
  await page.fill('[name=url]', edge.url);
  await page.fill('[name=token]', token);
  page.say = async (message) => {
    await page.fill('[name=message]', message);
    await page.click('text=Send');
  };
  page.talk = () => page.locator('#talk p').allTextContents();
  page.usage = (text) => page.waitForFunction((given) => document.querySelector('#usage').textContent === given, text);
  return page;
};

test('the page: a conversation of two questions, shown as it comes', async () => {
  const { tenant, token } = await company();
  const page = await openPage(token);
  await page.say('What is the capital of France?');
  await page.usage('29 tokens');
  const message = heldQuestion();
  await page.say(message);
  const held = await provider.held(message);
  held.begin();
  for (const word of ['<b>Madrid</b>', ' is', ' it']) {
    held.say(word);
    await page.waitForFunction((given) => document.querySelector('#talk').lastChild.textContent.endsWith(given), word);
  }
  held.end();
  await page.waitForSelector('#stop:disabled');
  const said = ['What is the capital of France?', TEXT, message, '<b>Madrid</b> is it'];
  assert.deepEqual(await page.talk(), said);
  await screenshot(page, 'chat-example');
  const conversation = await conversationOf(tenant);
  await settled(tenant, 2);
  assert.deepEqual(
    (await messagesOf(conversation.id)).map(({ content }) => content),
    said,
  );
  assert.deepEqual(page.faults, []);
  await page.close();
});

test('the page: a refusal is shown, and an answer can be stopped', async () => {
  const { tenant, token } = await company();
  const page = await openPage(token);
  await page.say('broken');
  await page.waitForFunction(() => document.querySelector('#problem').textContent.startsWith('RG410'));
  const message = heldQuestion();
  await page.say(message);
  const held = await provider.held(message);
  held.begin();
  held.say('half');
  await page.waitForFunction(() => document.querySelector('#talk').lastChild.textContent === 'half');
  await page.click('#stop');
  await page.waitForFunction(() => document.querySelector('#problem').textContent === 'Stopped.');
  held.say(' and half');
  held.end();
  assert.equal((await settled(tenant)).length, 1);
  assert.deepEqual(page.faults, []);
  await page.close();
});

/** Runs ask.js to its end. */
const run = (args, env, input = '') =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [join(FOLDER, 'ask.js'), ...args], { env: { ...process.env, ...env } });
    const out = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'])
      child[name].on('data', (text) => {
        out[name] += text;
      });
    child.on('close', (status) => resolve({ status, ...out }));
    child.stdin.end(input);
  });

test('the program: one question, a conversation by lines, an error', async () => {
  const { tenant, token } = await company();
  const made = await ask('/v1/tokens', {
    base: edge.url,
    token,
    json: { name: 'a terminal', endpoints: ['POST /v1/chat'], access: 'write' },
  });
  const env = { ROWGATE_URL: edge.url, ROWGATE_TOKEN: made.body.token };
  assert.deepEqual(await run(['What', 'is', 'it?'], env), { status: 0, stdout: `${TEXT}\n`, stderr: '' });
  assert.equal(provider.requests.at(-1).question, 'What is it?');
  const lines = await run([], env, 'first\n\nsecond\n');
  assert.deepEqual(lines, { status: 0, stdout: `${TEXT}\n${TEXT}\n`, stderr: '' });
  assert.equal(provider.requests.at(-1).body.messages.length, 3, 'the second question has the first one before it');
  assert.equal((await settled(tenant, 3)).length, 3);
  const broken = await run(['broken'], env);
  assert.deepEqual([broken.status, broken.stderr.slice(0, 6)], [1, 'RG410 ']);
  assert.equal((await run(['x'], { ROWGATE_URL: '', ROWGATE_TOKEN: '' })).status, 2);
});
