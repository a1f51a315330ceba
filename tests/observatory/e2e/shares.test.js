// The page of a share link, in Chromium and past it: what it says, and what it lets nobody do.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import axe from 'axe-core';
import { launch, screenshot } from '../../support/browser.js';
import { ask, close, sql, stack, userToken } from '../../support/stack.js';
import { conversation, person, project, say } from '../support/world.js';

const owner = person();
let browser;
let link;
let talk;

before(async () => {
  browser = await launch();
  talk = await conversation(
    await project(owner),
    owner,
    Array.from({ length: 60 }, (_, n) => `message ${n}`),
    {
      title: 'How we found <the> leak',
    },
  );
  await say(talk, [
    { role: 'assistant', content: '</div><script>document.title = "run"</script><img src=x onerror=alert(1)>', seq: 0 },
  ]);
  await sql(
    `update observatory.messages set content_blocks = '[{"type": "text", "text": "ran it"}, {"type": "tool_use", "id": "u", "name": "Bash", "input": {"command": "ls"}}]'
     where conversation_id = $1 and content = 'message 1'`,
    [talk],
  );
  await sql(
    `insert into observatory.tool_calls (project_id, conversation_id, owner_id, tool_use_id, tool_name, input, output, status)
     select project_id, id, owner_id, 'u', 'Bash', '{"command": "ls"}', 'file.txt', 'completed' from observatory.conversations where id = $1`,
    [talk],
  );
  ({ body: link } = await ask(`/v1/conversations/${talk}/share`, {
    json: { hide: [] },
    token: await userToken(owner),
  }));
});
after(async () => {
  await browser?.close();
  await close();
});

/** Opens the page in a fresh browser window, and collects what it complains about. */
const open = async (path, viewport = { width: 390, height: 844 }) => {
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  const response = await page.goto(stack.edge_url + path);
  return { page, context, complaints, response };
};

test('a person reads it: title, speakers, tools, and the next page', async () => {
  const { page, context, complaints } = await open(link.path);
  assert.equal(await page.getByRole('heading', { level: 1 }).textContent(), 'How we found <the> leak');
  assert.equal(await page.getByText('message 0', { exact: true }).isVisible(), true);
  const tool = page.getByText('Bash completed');
  assert.equal(await page.getByText('file.txt').isVisible(), false);
  await tool.click();
  assert.equal(await page.getByText('file.txt').isVisible(), true);
  await screenshot(page, 'observatory-shared-phone');
  await page.getByRole('link', { name: 'Next page' }).click();
  assert.equal(await page.getByText('message 59', { exact: true }).isVisible(), true);
  assert.equal(await page.getByRole('link', { name: 'Next page' }).count(), 0);
  assert.deepEqual(complaints, []);
  await context.close();
});

test('a person reads what a subagent did, and comes back', async () => {
  const session_id = randomUUID();
  const id = await project(owner);
  const session = await conversation(id, owner, ['start it'], { session_id, title: 'With a subagent' });
  await conversation(id, owner, ['Find <it>', '<b>what it found</b>'], {
    session_id,
    agent_id: 'a&b',
    title: 'Find <it>',
    metadata: JSON.stringify({ agent_type: 'Explore' }),
  });
  const { body } = await ask(`/v1/conversations/${session}/share`, { json: {}, token: await userToken(owner) });
  assert.deepEqual((await ask(body.path)).body.agents, [{ id: 'a&b', type: 'Explore', title: 'Find <it>' }]);
  const { page, context, complaints } = await open(body.path);
  await page.getByRole('link', { name: 'Explore: Find <it>' }).click();
  assert.equal(await page.getByRole('heading', { name: 'Subagent: Explore: Find <it>' }).isVisible(), true);
  assert.equal(await page.getByText('<b>what it found</b>').isVisible(), true);
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  assert.deepEqual(
    violations.map(({ id: name }) => name),
    [],
  );
  await page.getByRole('link', { name: 'The whole conversation' }).click();
  assert.equal(await page.getByText('start it').isVisible(), true);
  assert.deepEqual(complaints, []);
  await context.close();
});

test('what was said runs nowhere', async () => {
  const { page, context, complaints } = await open(link.path);
  assert.equal(await page.title(), 'How we found <the> leak');
  assert.equal(await page.locator('script, img').count(), 0);
  assert.deepEqual(complaints, []);
  await context.close();
});

for (const [name, viewport] of Object.entries({
  phone: { width: 390, height: 844 },
  desktop: { width: 1280, height: 800 },
})) {
  test(`axe finds no fault with it on a ${name}, and nothing is cut off`, async () => {
    const { page, context } = await open(link.path, viewport);
    // Evaluated, not loaded: the page's policy lets no script in.
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    assert.deepEqual(
      violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]),
      [],
    );
    const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= room, `${wide} of ${room}`);
    await context.close();
  });
}

test('the page lets no script, no frame and no form in, and is kept by nobody', async () => {
  const { headers, text } = await ask(link.path, { headers: { accept: 'text/html' } });
  const policy = headers.get('content-security-policy');
  for (const part of ["default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "form-action 'none'"])
    assert.ok(policy.includes(part), part);
  assert.equal(headers.get('referrer-policy'), 'no-referrer');
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.match(text, /<meta name="robots" content="noindex, nofollow">/);
});

test('a script gets JSON, also without any token', async () => {
  const { status, body, headers } = await ask(link.path);
  assert.equal(status, 200);
  assert.equal(body.messages.length, 50);
  assert.equal(headers.get('cache-control'), 'no-store');
});

test('a link that does not work is a 404, and a page for a person', async () => {
  const path = `/v1/shared/${'A'.repeat(43)}`;
  const { status, body } = await ask(path);
  assert.deepEqual([status, body.code], [404, 'RG667']);
  const { page, context, response } = await open(path);
  assert.equal(response.status(), 404);
  assert.match(await page.textContent('main'), /does not work/);
  await context.close();
});

test('a link that was revoked shows nothing in the next request', async () => {
  const { body } = await ask(`/v1/conversations/${talk}/share`, { json: {}, token: await userToken(owner) });
  assert.equal((await ask(body.path)).status, 200);
  const { status } = await ask(`/v1/shares/${body.id}`, { method: 'DELETE', token: await userToken(owner) });
  assert.equal(status, 200);
  assert.equal((await ask(body.path)).status, 404);
});

test('the answer with a token is not stored for a repeated request', async () => {
  const headers = { 'idempotency-key': 'share-once' };
  const token = await userToken(owner);
  const answers = [];
  for (let n = 0; n < 2; n++)
    answers.push((await ask(`/v1/conversations/${talk}/share`, { json: {}, token, headers })).body);
  assert.notEqual(answers[0].token, answers[1].token);
  const [{ n }] = await sql(`select count(*)::int as n from private.idempotency_keys where key = 'share-once'`);
  assert.equal(n, 0);
});

test('the stylesheet is the page’s own, and the token stands in no address that it asks for', async () => {
  const { page, context } = await open(link.path);
  const asked = [];
  page.on('request', (request) => asked.push([request.url(), request.headers().referer ?? '']));
  await page.reload();
  const others = asked.filter(([url]) => !url.endsWith(link.path));
  assert.deepEqual(
    others.map(([url, referer]) => [new URL(url).pathname, referer]),
    [['/v1/shared/style.css', '']],
  );
  await context.close();
});
