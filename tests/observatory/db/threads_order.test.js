// Threads do not depend on the order in which entries come: random conversations, with circles, links and parents that never come.
import assert from 'node:assert/strict';
import { randomInt, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { close, sql } from '../../support/stack.js';
import { makeConversation, makeProject, treeOf, upload } from '../support/search.js';

const owner = randomUUID();
const CASES = Number(process.env.ORDER_CASES ?? 40);
let project;
before(async () => {
  project = await makeProject(owner);
});
after(async () => {
  await sql('delete from observatory.projects where owner_id = $1', [owner]);
  await close();
});

/** A file of entries: most go on from the one before, some from anywhere, some from nowhere; some are no messages. */
const randomFile = () => {
  const size = randomInt(3, 40);
  return Array.from({ length: size }, (_, n) => {
    const kind = ['user', 'user', 'assistant', 'progress'][randomInt(4)];
    const from = randomInt(10);
    const parent =
      from < 6 ? (n === 0 ? null : `e${n - 1}`) : from < 8 ? `e${randomInt(size)}` : from < 9 ? null : 'nowhere';
    return { uuid: `e${n}`, parent, kind, pos: n * 100 };
  });
};

/** What the tree is, from the whole file. */
const oracle = (file) => {
  const at = new Map(file.map((entry) => [entry.uuid, entry]));
  const messages = file.filter(({ kind }) => kind !== 'progress');
  const parents = new Map();
  for (const { uuid, parent } of messages) {
    const seen = new Set([uuid]);
    let target = parent;
    while (at.get(target)?.kind === 'progress' && !seen.has(target)) {
      seen.add(target);
      target = at.get(target).parent;
    }
    parents.set(uuid, at.has(target) && at.get(target).kind !== 'progress' && target !== uuid ? target : null);
  }
  // A circle loses the parent of its first entry.
  for (const { uuid } of messages) {
    const circle = [uuid];
    let above = parents.get(uuid);
    while (above && above !== uuid && !circle.includes(above)) {
      circle.push(above);
      above = parents.get(above);
    }
    if (above === uuid) parents.set(circle.sort((a, b) => at.get(a).pos - at.get(b).pos)[0], null);
  }
  const depth = (uuid) => (parents.get(uuid) === null ? 0 : depth(parents.get(uuid)) + 1);
  return Object.fromEntries(messages.map(({ uuid }) => [uuid, [parents.get(uuid), depth(uuid)]]));
};

/** The entries in parts: cut anywhere and in any order, some parts twice. */
const parts = (file) => {
  const left = file.map((entry) => [randomInt(1_000_000), entry]).sort(([a], [b]) => a - b);
  const found = [];
  while (left.length > 0) found.push(left.splice(0, randomInt(1, 12)).map(([, entry]) => entry));
  return randomInt(3) === 0 ? [...found, found[0]] : found;
};

test(`in ${CASES} random conversations, each sent whole and in any order, parents, depths and branches are the same`, async () => {
  for (let n = 0; n < CASES; n += 1) {
    const file = randomFile();
    const whole = await makeConversation(project, owner);
    await upload(whole, file);
    const tree = await treeOf(whole);
    const shown = JSON.stringify(file.map(({ uuid, parent, kind }) => `${uuid}<${parent} ${kind}`));
    const plain = Object.fromEntries(Object.entries(tree).map(([uuid, [parent, depth]]) => [uuid, [parent, depth]]));
    assert.deepEqual(plain, oracle(file), shown);
    for (let again = 0; again < 2; again += 1) {
      const made = await makeConversation(project, owner);
      const sent = parts(file);
      for (const part of sent) await upload(made, part);
      assert.deepEqual(
        await treeOf(made),
        tree,
        `${shown} sent as ${JSON.stringify(sent.map((part) => part.map(({ uuid }) => uuid)))}`,
      );
    }
  }
});
