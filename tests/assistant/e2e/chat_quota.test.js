// Quota of the chat through the edge: of 200 turns of a tenant with room for 37, exactly 37 pass, and the rest are told when to come again.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { waitFor } from '../../../dev/process.js';
import { close, userToken } from '../../support/stack.js';
import { chat, company, settled, startChat } from '../support/chat_edge.js';
import { budget, readList, runJob } from '../support/usage.js';
import { makeMember } from '../support/world.js';

const RUNS = 10;
const TURNS = 200;
const ROOM = 37;
const CONNECTIONS = 10;
/** Of the same length each, so that each reserves the same. */
const questionOf = (n) => `question ${String(n).padStart(4, '0')}`;
const turn = (n) => ({ message: questionOf(n), max_tokens: 50 });

let provider;
let edge;
let stop;
/** Tokens that a turn reserves. */
let reserves;

before(async () => {
  ({ provider, edge, stop } = await startChat());
  const { token } = await company({ daily_token_limit: 0 });
  const none = await chat(edge, token, turn(0));
  reserves = Number(/the request may need (\d+)/.exec(none.body.details)[1]);
  // A turn uses all that it has reserved, so that what is settled makes no room.
  provider.usage = { prompt_tokens: reserves - 50, completion_tokens: 50, total_tokens: reserves };
});
after(async () => {
  await stop();
  await close();
});

/** Members with tokens, of whom nothing is known but that they have joined. */
const membersOf = (tenant, count) =>
  Promise.all(
    Array.from({ length: count }, async () => {
      const member = await makeMember(tenant.id);
      return { ...member, token: await userToken(member.auth_id) };
    }),
  );

const assertRefused = (answers) => {
  for (const { status, headers, body } of answers) {
    assert.deepEqual([status, body?.code], [429, 'RG683'], JSON.stringify(body));
    const retry = Number(headers.get('retry-after'));
    const { day } = readList(headers.get('ratelimit'));
    const policy = readList(headers.get('ratelimit-policy'));
    assert.ok(retry > 0 && retry >= day.t, `${retry} is not before ${day.t}`);
    assert.ok(day.r < reserves, `${day.r} left`);
    assert.equal(policy.day.q, ROOM * reserves + reserves - 1);
    for (const name of ['limit', 'remaining', 'reset']) assert.ok(headers.has(`ratelimit-${name}`), name);
  }
};

for (let run = 1; run <= RUNS; run += 1) {
  test(`${TURNS} turns over ${CONNECTIONS} connections: ${ROOM} pass (${run} of ${RUNS})`, async () => {
    const { tenant } = await company({ daily_token_limit: ROOM * reserves + reserves - 1 });
    const members = await membersOf(tenant, CONNECTIONS);
    const answers = [];
    let next = 0;
    const connection = async (own) => {
      while (next < TURNS) {
        const n = next;
        next += 1;
        // Every tenth turn is the first one of a member who has just joined.
        const [{ token }] = n % 10 === 0 ? await membersOf(tenant, 1) : [own];
        answers.push(await chat(edge, token, turn(n)));
      }
    };
    await Promise.all(members.map(connection));
    const passed = answers.filter(({ status }) => status === 200);
    assert.deepEqual([answers.length, passed.length], [TURNS, ROOM]);
    assertRefused(answers.filter(({ status }) => status !== 200));
    assert.equal((await settled(tenant, ROOM)).length, ROOM);
    // What has ended counts as reserved until it is folded.
    await runJob('fold_usage');
    const { limit, used, reserved, left } = await budget(tenant.id);
    assert.deepEqual([limit, used, reserved, left], [limit, ROOM * reserves, 0, reserves - 1]);
  });
}

test(`${TURNS} turns at the same moment, all of new members, answered only when all have been decided: ${ROOM} pass`, async () => {
  const { tenant } = await company({ daily_token_limit: ROOM * reserves + reserves - 1 });
  const members = await membersOf(tenant, TURNS);
  const before_ = provider.requests.length;
  provider.pause();
  const all = members.map(({ token }, n) => chat(edge, token, turn(n)));
  const refused = [];
  for (const each of all) each.then((answer) => answer.status !== 200 && refused.push(answer));
  const decided = () => refused.length + provider.requests.length - before_ === TURNS;
  await waitFor('each turn to be refused or to reach the provider', decided).finally(provider.resume);
  const answers = await Promise.all(all);
  assert.equal(answers.filter(({ status }) => status === 200).length, ROOM);
  assert.equal(provider.requests.length - before_, ROOM);
  assertRefused(refused);
  assert.equal((await settled(tenant, ROOM)).length, ROOM);
});
