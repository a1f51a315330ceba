// Batch endpoints: any JSON whatever, in any field of any item, costs that item and no other.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anything, batches, seed, spoiled, UNSTORABLE } from './any_json.js';
import { ask } from './stack.js';

const VALUES = [...anything(250), ...UNSTORABLE];

/**
 * A test of one endpoint that takes a batch.
 * @param {string} path
 * @param {{prepare: () => object, fields: string[], name: string, items: number, bytes: number, status: number}} endpoint
 * prepare: gives a maker of a good item, what reads the stored ones by name, and a token; fields: of an item; name: the field that
 * names an item; items and bytes: how large a call may be
 */
export const testAnyItem = (path, { prepare, fields, name, items, bytes, status }) =>
  test(`${path}: any JSON in any field of an item costs that item only`, { timeout: 170_000 }, async () => {
    const { token, good, stored } = await prepare();
    const lists = batches(spoiled(good, fields, VALUES), items - 2, bytes - 1000).filter(
      (list) => Buffer.byteLength(list.join()) < bytes,
    );
    assert.ok(lists.flat().length > VALUES.length * fields.length * 0.9, 'hardly one is too large for a call');
    for (const list of lists) {
      const [first, last] = [good(), good()];
      const body = `[${JSON.stringify(first)},${list.join(',')},${JSON.stringify(last)}]`;
      const answer = await ask(path, { method: 'POST', body, token, headers: { 'content-type': 'application/json' } });
      assert.equal(answer.status, status, `SEED=${seed} ${answer.text}`);
      const { accepted, duplicates = 0, rejected } = answer.body;
      assert.equal(accepted + duplicates + rejected.length, list.length + 2, `SEED=${seed}`);
      assert.equal((await stored([first[name], last[name]])).length, 2, `SEED=${seed}`);
    }
  });
