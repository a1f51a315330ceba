// However the files of a user come, in whatever pieces, order and company, twice or at once: the same rows are there in the end.
// ORDER_CASES says how many sets of files are tried.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { close, sql } from '../../support/stack.js';
import { filesOf, random, stateOf } from '../support/file_sets.js';
import { send } from '../support/transcripts.js';

after(close);

const CASES = Number(process.env.ORDER_CASES ?? 40);

/** Sends, again if the user's other upload takes too long. */
const patiently = async (...args) => {
  for (;;) {
    try {
      return await send(...args);
    } catch (error) {
      if (error.code !== 'PGRST' || JSON.parse(error.message).code !== 'RG674') throw error;
      await sleep(50);
    }
  }
};

/** Sends a file in pieces, some of them twice. */
const sendInPieces = async (sub, { file, project, bytes }, dice) => {
  const cuts = Array.from({ length: dice.below(4) }, () => dice.below(bytes.length)).sort((a, b) => a - b);
  let offset = 0;
  for (const cut of [...cuts, bytes.length]) {
    if (cut <= offset) continue;
    const size = 1 + dice.below(12);
    if (dice.chance(0.2)) await patiently(sub, file, bytes.subarray(0, cut), { size, project });
    const answer = await patiently(sub, file, bytes.subarray(offset, cut), { offset, size, project });
    if (dice.chance(0.2))
      await patiently(sub, file, bytes.subarray(offset, cut), { offset, size: 1 + dice.below(12), project });
    offset = Number(answer.next_offset);
  }
};

for (let seed = 1; seed <= CASES; seed += 1) {
  test(`files in other pieces and another order make the same rows (${seed})`, async () => {
    const dice = random(seed);
    const files = filesOf(dice);
    const whole = randomUUID();
    for (const { file, project, bytes } of files) await send(whole, file, bytes, { project });
    const wanted = await stateOf(whole);

    const sub = randomUUID();
    const order = dice.shuffle(files);
    if (dice.chance(0.5)) {
      for (const file of order) await sendInPieces(sub, file, dice);
    } else {
      // Each sender has numbers of its own: which one comes first must not change them.
      await Promise.all(order.map((file, at) => sendInPieces(sub, file, random(seed * 1000 + at))));
      if (dice.chance(0.5)) await Promise.all([1, 2].map((n) => sendInPieces(sub, order[0], random(seed * 5000 + n))));
    }
    assert.deepEqual(await stateOf(sub), wanted);

    const before = await sql(
      `select xmin::text, id from observatory.messages where owner_id = $1 union all select xmin::text, id from observatory.tool_calls where owner_id = $1
       union all select xmin::text, id from observatory.conversations where owner_id = $1 order by id`,
      [sub],
    );
    for (const { file, project, bytes } of dice.shuffle(files)) {
      const answer = await send(sub, file, bytes, { size: 1 + dice.below(30), project });
      assert.deepEqual([answer.messages, answer.tool_calls], [0, 0]);
    }
    assert.deepEqual(
      await sql(
        `select xmin::text, id from observatory.messages where owner_id = $1 union all select xmin::text, id from observatory.tool_calls where owner_id = $1
         union all select xmin::text, id from observatory.conversations where owner_id = $1 order by id`,
        [sub],
      ),
      before,
    );
    assert.deepEqual(await stateOf(sub), wanted);
  });
}
