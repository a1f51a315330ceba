// Deployments in the database: who may open one, who carries it out, and what it leaves behind.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { close, sql } from '../../support/stack.js';
import {
  add,
  called,
  claim,
  clear,
  deploy,
  finish,
  note,
  one,
  open,
  owned,
  owner,
  projectWithChat,
  run,
  SERVICE,
  unfinished,
  wrong,
} from '../support/rows.js';

// What is limited is tested once; elsewhere it is in the way.
before(() => sql(`update private.limit_rules set burst = 100000 where name = 'deployments'`));
after(async () => {
  await sql(`update private.limit_rules set burst = 30 where name = 'deployments'`);
  await clear();
  await close();
});

const refusal = (code, status) => (error) => {
  assert.equal(error.code, 'PGRST', error.message);
  assert.equal(JSON.parse(error.message).code, code, error.message);
  assert.equal(JSON.parse(error.detail).status, status);
  return true;
};
const stored = async (id) => (await sql('select * from clixen.deployments where id = $1', [id]))[0];
const flow = async (id) => (await sql('select * from clixen.mvp_workflows where id = $1', [id]))[0];
const lapse = (id) =>
  sql(`update private.deployment_runs set lease_until = now() - interval '1 second' where deployment_id = $1`, [id]);
const removals = (...ids) =>
  sql('select n8n_workflow_id from private.n8n_removals where n8n_workflow_id = any ($1) order by 1', [ids]).then(
    (rows) => rows.map(({ n8n_workflow_id: id }) => id),
  );
const statuses = async (id) =>
  (
    await sql(
      'select deployment_version::int as version, status from clixen.deployments where workflow_id = $1 order by 1',
      [id],
    )
  ).map(({ version, status }) => `${version} ${status}`);
/** The versions of a workflow whose copies are there. */
const copies = async (id) =>
  (
    await sql(
      `select d.deployment_version::int as version from private.deployment_runs as r
       inner join clixen.deployments as d on d.id = r.deployment_id where r.workflow_id = $1 order by 1`,
      [id],
    )
  ).map(({ version }) => version);
const change = (who, id, json) =>
  run(who, 'update clixen.mvp_workflows set n8n_workflow_json = $2 where id = $1', [id, json]);

test('a deployment from its opening to its end', async () => {
  const { who, workflow, session } = await projectWithChat();
  const n8n = randomUUID();
  const opened = await open(who, workflow.id);
  assert.deepEqual([opened.status, opened.deployment_version, opened.n8n_workflow_id], ['pending', 1, null]);
  assert.equal((await flow(workflow.id)).deployment_status, 'deploying');

  const claimed = await claim(opened.id);
  assert.equal(claimed.deployment.status, 'deploying');
  assert.deepEqual(
    [claimed.workflow, claimed.name, claimed.n8n_workflow_id, claimed.may_exist],
    [{ a: 1 }, 'Flow', null, false],
  );

  assert.equal(await note(opened.id, claimed.lease, n8n), true);
  const outcome = {
    status: 'deployed',
    n8n_workflow_id: n8n,
    deployment_url: 'https://x',
    n8n_response: { webhooks: [] },
  };
  const done = await finish(opened.id, claimed.lease, outcome);
  assert.deepEqual(
    [done.status, done.n8n_workflow_id, done.deployment_url, done.error_message],
    ['deployed', n8n, 'https://x', null],
  );
  assert.ok(done.completed_at >= done.started_at && done.duration_ms >= 0);
  const now = await flow(workflow.id);
  assert.deepEqual(
    [now.status, now.deployment_status, now.n8n_workflow_id, now.version],
    ['deployed', 'deployed', n8n, '1'],
  );
  assert.equal(
    await one(who, 'select workflow_deployed from clixen.mvp_chat_sessions where id = $1', [session.id]),
    true,
  );

  // The next replaces it: it starts with what n8n has.
  await change(who, workflow.id, { a: 2 });
  const second = await claim((await open(who, workflow.id)).id);
  assert.deepEqual([second.n8n_workflow_id, second.may_exist, second.workflow], [n8n, false, { a: 2 }]);
  assert.equal((await flow(workflow.id)).deployment_status, 'updating');
  assert.deepEqual(await wrong([who.claims.sub]), {});
});

test('a failure leaves what serves, and says why; what never served is kept nowhere', async () => {
  const { who, workflow } = await projectWithChat();
  const first = await deploy(who, workflow.id, { status: 'failed', error_message: 'x'.repeat(3000) });
  assert.deepEqual([first.status, first.error_message.length, first.n8n_workflow_id], ['failed', 2000, null]);
  assert.deepEqual(
    [(await flow(workflow.id)).status, (await flow(workflow.id)).deployment_status],
    ['failed', 'failed'],
  );
  assert.deepEqual(await copies(workflow.id), []);
  await deploy(who, workflow.id);
  await change(who, workflow.id, { a: 2 });
  await deploy(who, workflow.id, { status: 'failed', error_message: 'n8n is away' });
  const {
    status,
    deployment_status: deployment,
    deployment_error: error,
    last_deployed_at: at,
  } = await flow(workflow.id);
  assert.deepEqual([status, deployment, error, Boolean(at)], ['draft', 'failed', 'n8n is away', true]);
  await assert.rejects(open(who, workflow.id, 1), refusal('RG525', 404), 'it never served');
});

test('what is changed meanwhile is not what is deployed', async () => {
  const { who, workflow } = await projectWithChat();
  const { id } = await open(who, workflow.id);
  const { lease } = await claim(id);
  await change(who, workflow.id, { a: 'later' });
  await finish(id, lease, { status: 'deployed' });
  const { status, deployment_status: deployment, version } = await flow(workflow.id);
  assert.deepEqual([status, deployment, version], ['draft', 'deployed', '2']);
});

test('a wrong lease, an old one and none change nothing', async () => {
  const { who, workflow } = await projectWithChat();
  const { id } = await open(who, workflow.id);
  const old = (await claim(id)).lease;
  await lapse(id);
  const { lease, may_exist: mayExist } = await claim(id);
  assert.notEqual(lease, old);
  assert.equal(mayExist, true, 'the first may have got that far');
  const before = [await stored(id), await flow(workflow.id)];
  for (const wrongLease of [old, randomUUID(), null]) {
    const stray = randomUUID();
    assert.equal((await finish(id, wrongLease, { status: 'deployed', n8n_workflow_id: stray })).status, 'deploying');
    assert.equal(await note(id, wrongLease, stray), false);
    assert.deepEqual(await removals(stray), [stray], 'what it made in n8n is taken out');
  }
  assert.deepEqual([await stored(id), await flow(workflow.id)], before);
  assert.deepEqual(await wrong([who.claims.sub]), {});
  assert.equal((await finish(id, lease, { status: 'deployed' })).status, 'deployed');
});

test('two claims at once give one lease; while it holds there is no other', async () => {
  const { who, workflow } = await projectWithChat();
  const { id } = await open(who, workflow.id);
  const claims = await Promise.all(Array.from({ length: 10 }, () => claim(id)));
  assert.equal(claims.filter(({ lease }) => lease).length, 1);
  for (const { deployment } of claims) assert.equal(deployment.id, id);
  assert.deepEqual(await claim(randomUUID()), { deployment: null }, 'of none');
});

test('ended twice it counts once, and its end stays', async () => {
  const { who, workflow } = await projectWithChat();
  const { id } = await open(who, workflow.id);
  const { lease } = await claim(id);
  const ends = await Promise.all(
    ['deployed', 'failed', 'deployed', 'failed'].map((status) => finish(id, lease, { status, error_message: 'x' })),
  );
  assert.equal(new Set(ends.map((end) => JSON.stringify(end))).size, 1);
  const { lease: again } = await claim(id);
  assert.equal(again, undefined);
  const { status } = await stored(id);
  assert.equal(
    await one(who, 'select total_deployments::int from clixen.user_profiles'),
    status === 'deployed' ? 1 : 0,
  );
  assert.deepEqual(await wrong([who.claims.sub]), {});
});

test('a workflow that goes while it is deployed is taken out of n8n', async () => {
  for (const how of ['mvp_workflows', 'projects']) {
    const { who, workflow, project } = await projectWithChat();
    const [noted, stray] = [randomUUID(), randomUUID()];
    const { id } = await open(who, workflow.id);
    const { lease } = await claim(id);
    await note(id, lease, noted);
    await run(who, `delete from clixen.${how} where id = $1`, [how === 'projects' ? project.id : workflow.id]);
    assert.equal(await note(id, lease, stray), false);
    assert.equal(await finish(id, lease, { status: 'deployed', n8n_workflow_id: noted }), null);
    assert.deepEqual((await removals(noted, stray)).sort(), [noted, stray].sort(), how);
    assert.deepEqual(await wrong([who.claims.sub]), {});
  }
});

test('what n8n calls it anew leaves the old one to be taken out; what is in use is not taken out', async () => {
  const { who, workflow } = await projectWithChat();
  const [first, second] = [randomUUID(), randomUUID()];
  await deploy(who, workflow.id, { n8n: first });
  await sql(`insert into private.n8n_removals (n8n_workflow_id, due_at) values ($1, now() - interval '1 hour')`, [
    second,
  ]);
  await deploy(who, workflow.id, { n8n: second });
  assert.deepEqual(await removals(first, second), [first]);
  await sql(`insert into private.n8n_removals (n8n_workflow_id) values ($1)`, [second]);
  await sql(`update private.n8n_removals set due_at = now() - interval '1 hour' where n8n_workflow_id = any ($1)`, [
    [first, second],
  ]);
  const due = (await unfinished()).removals;
  assert.deepEqual([due.includes(first), due.includes(second)], [true, false]);
  assert.equal((await unfinished()).removals.includes(first), true, 'until somebody has tried');
  const removed = (isOut) => one({ role: 'edge' }, 'select edge.removed_from_n8n($1, $2)', [first, isOut]);
  assert.equal(await removed(false), true);
  assert.equal((await unfinished()).removals.includes(first), false, 'due again later');
  assert.equal(await removed(true), true);
  assert.deepEqual(await removals(first, second), []);
});

test('a rollback brings back what was deployed, and marks what it replaces', async () => {
  const { who, workflow } = await projectWithChat();
  await deploy(who, workflow.id); // 1: a 1
  await change(who, workflow.id, { a: 2 });
  await deploy(who, workflow.id); // 2: a 2
  await deploy(who, workflow.id, { status: 'failed' }); // 3
  await deploy(who, workflow.id); // 4: a 2 again
  const { id } = await open(who, workflow.id, 0);
  const { workflow: sent, lease } = await claim(id);
  assert.deepEqual(sent, { a: 1 }, 'the one before that was another');
  await finish(id, lease, { status: 'deployed' });
  assert.deepEqual(await statuses(workflow.id), [
    '1 deployed',
    '2 rolled_back',
    '3 failed',
    '4 rolled_back',
    '5 deployed',
  ]);
  assert.deepEqual(await wrong([who.claims.sub]), {}, 'and they count as before');
  await assert.rejects(open(who, workflow.id, 0), refusal('RG525', 404), 'there is none before it');
  for (const version of [3, 99, -1])
    await assert.rejects(open(who, workflow.id, version), refusal('RG525', 404), `${version}`);
  // By number also one that was rolled back.
  const forward = await open(who, workflow.id, 2);
  assert.deepEqual((await claim(forward.id)).workflow, { a: 2 });
});

test('of what has served the latest twenty stay, and one with another content', async () => {
  const { who, workflow } = await projectWithChat();
  const versions = (from, to) => Array.from({ length: to - from + 1 }, (_, n) => from + n);
  await deploy(who, workflow.id); // 1: a 1
  await change(who, workflow.id, { a: 2 });
  await deploy(who, workflow.id); // 2: a 2
  await change(who, workflow.id, { a: 3 });
  for (let n = 3; n <= 24; n += 1) await deploy(who, workflow.id);
  assert.deepEqual(await copies(workflow.id), [2, ...versions(5, 24)]);
  for (const version of [1, 4]) await assert.rejects(open(who, workflow.id, version), refusal('RG525', 404));
  await deploy(who, workflow.id, { version: 0 }); // 25: a 2
  assert.deepEqual(await copies(workflow.id), versions(6, 25));
  assert.equal((await flow(workflow.id)).deployment_status, 'deployed');
  await deploy(who, workflow.id, { status: 'failed' });
  assert.deepEqual(await copies(workflow.id), versions(6, 25));
});

test('a rollback after a rollback finds the one before both, though twenty others have served', async () => {
  const { who, workflow } = await projectWithChat();
  await deploy(who, workflow.id); // 1: a 1
  await change(who, workflow.id, { a: 2 });
  await deploy(who, workflow.id); // 2: a 2
  await change(who, workflow.id, { a: 3 });
  for (let n = 3; n <= 20; n += 1) await deploy(who, workflow.id);
  await deploy(who, workflow.id, { version: 0 }); // 21: a 2
  const { id } = await open(who, workflow.id, 0);
  assert.deepEqual((await claim(id)).workflow, { a: 1 });
});

test('the copy that a deployment keeps counts against the day’s allowance of its user', async () => {
  const { who, workflow, sub } = await projectWithChat();
  const used = async () =>
    (
      await sql(
        `select bytes::int, rows::int from private.daily_usage where name = 'clixen' and caller = $1 order by day desc limit 1`,
        [`user ${sub}`],
      )
    )[0];
  await change(who, workflow.id, { a: Array.from({ length: 100 }, () => randomUUID()) });
  const before_ = await used();
  await deploy(who, workflow.id);
  const after_ = await used();
  assert.equal(after_.rows, before_.rows + 1);
  assert.ok(after_.bytes > before_.bytes + 3000, `${after_.bytes}`);
  await sql(`update private.daily_usage set rows = 100000 where name = 'clixen' and caller = $1`, [`user ${sub}`]);
  for (const version of [null, 0]) await assert.rejects(open(who, workflow.id, version), refusal('RG517', 429));
  assert.deepEqual(await statuses(workflow.id), ['1 deployed']);
});

test('a rollback that fails marks nothing', async () => {
  const { who, workflow } = await projectWithChat();
  await deploy(who, workflow.id);
  await change(who, workflow.id, { a: 2 });
  await deploy(who, workflow.id);
  await deploy(who, workflow.id, { version: 0, status: 'failed' });
  assert.deepEqual(await statuses(workflow.id), ['1 deployed', '2 deployed', '3 failed']);
});

test('one key gives one deployment, twenty in parallel too; without a key, all but one get Retry-After', async () => {
  const user = owner();
  const { workflow } = await projectWithChat(user);
  const keyed = { ...user, headers: { 'idempotency-key': randomUUID() } };
  const answers = await Promise.all(Array.from({ length: 20 }, () => open(keyed, workflow.id)));
  assert.equal(new Set(answers.map(({ id }) => id)).size, 1);
  const { lease } = await claim(answers[0].id);
  await finish(answers[0].id, lease, { status: 'deployed' });
  assert.equal((await open(keyed, workflow.id)).status, 'deployed', 'as it is now');
  await assert.rejects(open(keyed, workflow.id, 1), refusal('RG503', 422));
  const others = await Promise.allSettled(Array.from({ length: 20 }, () => open(user, workflow.id)));
  const refused = others.filter(({ status }) => status === 'rejected');
  assert.equal(refused.length, 19);
  for (const { reason } of refused) assert.ok(refusal('RG524', 409)(reason));
  // Another's key is another's.
  const stranger = { ...owner(), headers: keyed.headers };
  await assert.rejects(open(stranger, workflow.id), refusal('RG522', 404));
  assert.deepEqual(await statuses(workflow.id), ['1 deployed', '2 pending']);
});

test('what was interrupted is taken up five times, and then given up', async () => {
  const { who, workflow } = await projectWithChat();
  const { id } = await open(who, workflow.id);
  assert.equal(
    (await unfinished()).deployments.includes(id),
    false,
    'the caller who opened it has some seconds to begin',
  );
  for (let n = 0; n < 5; n += 1) {
    assert.ok((await claim(id)).lease, `${n}`);
    assert.equal((await unfinished()).deployments.includes(id), false, 'somebody is at it');
    await lapse(id);
    assert.equal((await unfinished()).deployments.includes(id), true);
  }
  const { deployment, lease } = await claim(id);
  assert.deepEqual([lease, deployment.status], [undefined, 'failed']);
  assert.match(deployment.error_message, /five times/);
  assert.equal((await flow(workflow.id)).deployment_status, 'failed');
  assert.equal((await unfinished()).deployments.includes(id), false);
});

test('one that nobody is at gives way to the next; its holder comes too late', async () => {
  const { who, workflow } = await projectWithChat();
  const first = await open(who, workflow.id);
  const { lease } = await claim(first.id);
  await lapse(first.id);
  const second = await open(who, workflow.id);
  const stray = randomUUID();
  assert.equal(await note(first.id, lease, stray), false);
  assert.deepEqual(await removals(stray), [stray]);
  assert.equal((await finish(first.id, lease, { status: 'deployed' })).status, 'failed');
  assert.deepEqual(await statuses(workflow.id), ['1 failed', '2 pending']);
  assert.deepEqual(await copies(workflow.id), [2]);
  assert.equal((await stored(second.id)).n8n_workflow_id, null);
  assert.equal((await claim(second.id)).may_exist, true);
});

test('what a deployment may use of n8n is its owner’s, by the lease', async () => {
  const mine = await projectWithChat();
  const theirs = await projectWithChat();
  const more = async ({ who, project }, json = {}) =>
    (await add(who, 'mvp_workflows', { project_id: project.id, name: 'More', n8n_workflow_json: json })).id;
  const [n8n, foreign] = [randomUUID(), randomUUID()];
  const deployed = await more(mine, { marker: 'deployed' });
  await deploy(mine.who, deployed, { n8n });
  await deploy(theirs.who, theirs.workflow.id, { n8n: foreign });
  const draft = await more(mine);
  const { id } = await open(mine.who, mine.workflow.id);
  const { lease } = await claim(id);
  const named = [deployed, deployed.toUpperCase(), n8n, draft, theirs.workflow.id, foreign, randomUUID(), '', 'x'];
  const own = await owned(id, lease, named);
  assert.deepEqual(own.named, { [deployed]: n8n, [deployed.toUpperCase()]: n8n, [n8n]: n8n });
  assert.deepEqual([own.deployed, own.had_error_workflow], [[n8n], false]);
  assert.deepEqual((await owned(id, lease)).named, {});
  const found = await called(id, lease, n8n);
  assert.deepEqual(found, { workflow_id: deployed, name: 'More', workflow: { marker: 'deployed' } });
  // What is deployed counts, not what it has become since.
  await change(mine.who, deployed, { marker: 'changed' });
  assert.deepEqual((await called(id, lease, n8n)).workflow, { marker: 'deployed' });
  assert.equal(await called(id, lease, foreign), null);
  for (const wrongLease of [randomUUID(), null]) {
    assert.equal(await owned(id, wrongLease, named), null);
    assert.equal(await called(id, wrongLease, n8n), null);
  }
  // The workflow itself, as soon as n8n has it.
  const itself = randomUUID();
  await note(id, lease, itself);
  assert.deepEqual((await owned(id, lease, [mine.workflow.id])).deployed, [itself, n8n]);
});

test('a slug is random, one for each user, the same for ever, and gone with the user', async () => {
  const slugs = new Map();
  const slugOf = async ({ who, workflow }) => {
    const { id } = await open(who, workflow.id);
    const { lease } = await claim(id);
    const [first, second] = await Promise.all([owned(id, lease), owned(id, lease)]);
    assert.equal(first.slug, second.slug);
    await finish(id, lease, { status: 'failed' });
    return first.slug;
  };
  for (let n = 0; n < 5; n += 1) {
    const one_ = await projectWithChat();
    const slug = await slugOf(one_);
    assert.match(slug, /^u[0-9a-f]{24}$/);
    assert.equal(await slugOf(one_), slug);
    slugs.set(slug, one_);
  }
  assert.equal(slugs.size, 5);
  const [[slug, { sub }]] = slugs;
  await one(SERVICE, 'select clixen.erase_user($1)', [sub]);
  assert.deepEqual(await sql('select 1 from private.n8n_slugs where slug = $1', [slug]), []);
});

test('a deployment that had an error workflow says so', async () => {
  const { who, workflow } = await projectWithChat();
  await change(who, workflow.id, { settings: { errorWorkflow: 'x' } });
  await deploy(who, workflow.id);
  await change(who, workflow.id, { settings: {} });
  const { id } = await open(who, workflow.id);
  const { lease } = await claim(id);
  assert.equal((await owned(id, lease)).had_error_workflow, true);
});

test('an archived workflow is not deployed; nor is anything thirty times at once', async () => {
  const { who, workflow } = await projectWithChat();
  await run(who, `update clixen.mvp_workflows set status = 'archived' where id = $1`, [workflow.id]);
  await assert.rejects(open(who, workflow.id), refusal('RG523', 409));
  await run(who, `update clixen.mvp_workflows set status = 'draft' where id = $1`, [workflow.id]);
  await sql(`update private.limit_rules set burst = 1 where name = 'deployments'`);
  try {
    const keyed = { ...who, headers: { 'idempotency-key': 'again' } };
    await sql('delete from private.rate_limits where bucket = $1', [`deployments user ${who.claims.sub}`]);
    const other = { ...who, headers: { 'idempotency-key': 'another' } };
    // One that is repeated is answered, and costs nothing.
    for (let n = 0; n < 5; n += 1) await open(keyed, workflow.id);
    await assert.rejects(open(other, workflow.id), refusal('RG501', 429));
  } finally {
    await sql(`update private.limit_rules set burst = 100000 where name = 'deployments'`);
  }
});

test('an archived workflow does not serve, though a deployment of it ends later; nor does an earlier version afterwards', async () => {
  const { who, workflow } = await projectWithChat();
  const mark = (status) => run(who, 'update clixen.mvp_workflows set status = $2 where id = $1', [workflow.id, status]);
  const isDown = async () => {
    const row = await flow(workflow.id);
    assert.deepEqual([row.deployment_status, row.n8n_workflow_id, row.last_deployed_at], ['not_deployed', null, null]);
  };
  for (const status of ['deployed', 'failed']) {
    const n8n = randomUUID();
    const { id } = await open(who, workflow.id);
    const { lease } = await claim(id);
    await mark('archived');
    assert.equal(await note(id, lease, n8n), true);
    await finish(id, lease, { status, n8n_workflow_id: n8n });
    await isDown();
    assert.deepEqual(await removals(n8n), [n8n]);
    await mark('draft');
  }
  await deploy(who, workflow.id);
  await mark('archived');
  await isDown();
  await mark('draft');
  const { id } = await open(who, workflow.id);
  assert.equal((await claim(id)).serves, false);
  assert.equal((await flow(workflow.id)).deployment_status, 'deploying');
});

test('an archived workflow whose id n8n did not return is taken out by its mark, unless it is deployed again', async () => {
  const { who, workflow } = await projectWithChat();
  const mark = `mark:${workflow.id.replaceAll('-', '').slice(0, 16)}`;
  const set = (status) => run(who, 'update clixen.mvp_workflows set status = $2 where id = $1', [workflow.id, status]);
  const isDue = async () => {
    await sql(`update private.n8n_removals set due_at = now() - interval '1 hour' where n8n_workflow_id = $1`, [mark]);
    return (await unfinished()).removals.includes(mark);
  };
  await set('archived');
  assert.deepEqual(await removals(mark), [], 'n8n never heard of it');
  await set('draft');

  // Archived while it is deployed, or after the deployment has failed.
  for (const archivesEarly of [true, false]) {
    const { id } = await open(who, workflow.id);
    const { lease } = await claim(id);
    if (archivesEarly) await set('archived');
    assert.equal(await isDue(), false, 'not while it is deployed');
    await sql('delete from private.n8n_removals where n8n_workflow_id = $1', [mark]);
    await finish(id, lease, { status: 'failed' });
    if (!archivesEarly) await set('archived');
    assert.deepEqual(await removals(mark), [mark]);
    assert.equal(await isDue(), true);
    await set('draft');
  }

  const { id } = await open(who, workflow.id);
  const { lease } = await claim(id);
  assert.equal(await isDue(), false, 'the deployment may find it');
  assert.deepEqual(await removals(mark), [mark]);
  const n8n = randomUUID();
  await note(id, lease, n8n);
  await finish(id, lease, { status: 'deployed', n8n_workflow_id: n8n });
  assert.equal(await isDue(), false);
  assert.deepEqual(await removals(mark, n8n), [], 'it serves');
});

test('a removal and a deployment of its workflow exclude each other, in either order', async () => {
  const { who, workflow } = await projectWithChat();
  const set = (status) => run(who, 'update clixen.mvp_workflows set status = $2 where id = $1', [workflow.id, status]);
  const claimRemoval = (id) => one({ role: 'edge' }, 'select edge.claim_removal($1)', [id]);
  const removed = (id, isOut) => one({ role: 'edge' }, 'select edge.removed_from_n8n($1, $2)', [id, isOut]);
  const n8n = randomUUID();
  await deploy(who, workflow.id, { n8n });
  await set('archived');
  await set('draft');
  const { id } = await open(who, workflow.id);
  assert.equal(await claimRemoval(n8n), false, 'a deployment may find it');
  const { lease } = await claim(id);
  assert.equal(await claimRemoval(n8n), false);
  await finish(id, lease, { status: 'failed' });

  assert.deepEqual([await claimRemoval(n8n), await claimRemoval(n8n)], [true, false], 'once');
  const next = await open(who, workflow.id);
  assert.equal((await claim(next.id)).lease, undefined, 'it is being removed');
  assert.equal(await removed(n8n, false), true);
  const { lease: later } = await claim(next.id);
  assert.ok(later, 'n8n did not remove it');
  await note(next.id, later, n8n);
  await finish(next.id, later, { status: 'deployed', n8n_workflow_id: n8n });
  assert.equal(await claimRemoval(n8n), false, 'it serves');
  assert.deepEqual(await removals(n8n), []);

  // Of a workflow that is gone there is no deployment.
  await run(who, 'delete from clixen.mvp_workflows where id = $1', [workflow.id]);
  assert.equal(await claimRemoval(n8n), true);
});

test('executions are counted by what n8n calls the workflow', async () => {
  const { who, workflow, sub } = await projectWithChat();
  const n8n = randomUUID();
  await deploy(who, workflow.id, { n8n });
  const heard = (at, ms) => one(SERVICE, 'select clixen.record_execution($1, $2, $3)', [n8n, at, ms]);
  await Promise.all([heard('2026-01-03', 30), heard('2026-01-01', 10), heard('2026-01-02', 20)]);
  const {
    execution_count: count,
    avg_execution_time_ms: average,
    last_execution_at: last,
    version,
  } = await flow(workflow.id);
  assert.deepEqual([count, average, last.toISOString().slice(0, 10), version], ['3', 20, '2026-01-03', '1']);
  // Of a workflow that has run many times, too, the average stays at the mean.
  await sql(
    'update clixen.mvp_workflows set execution_count = 10000, avg_execution_time_ms = 500 where n8n_workflow_id = $1',
    [n8n],
  );
  await sql(
    `select clixen.record_execution($1, '2026-01-04', 500 + (array[-100, 100])[1 + n % 2]) from generate_series(1, 200) as n`,
    [n8n],
  );
  const { avg_execution_time_ms: mean } = await flow(workflow.id);
  assert.ok(Math.abs(mean - 500) < 1, `${mean}`);
  assert.equal(await one(SERVICE, `select clixen.record_execution('nobody', now(), 1)`), false);
  assert.deepEqual(await wrong([sub]), {});
});
