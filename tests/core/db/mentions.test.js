// Contacts in texts: each kind is found by itself, in short texts and in long ones, which are looked through in different ways.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { close, sql } from '../../support/stack.js';

after(close);

const FOUND = {
  'jane@example': ['jane@example'],
  'jane%40example': ['jane@example'],
  'jane%2540example': ['jane@example'],
  '+49 151 2345678': ['491512345678'],
  '%2B491512345678': ['491512345678'],
  'DE.12345678': ['DE.12345678'],
  'DE%2E12345678': ['DE.12345678'],
  'no contact': null,
  'at 10:00+00:00, 50% of v1.2': null,
};
for (const [text, keys] of Object.entries(FOUND))
  for (const [length, padding] of [
    ['short', ''],
    ['long', 'words '.repeat(100)],
  ])
    test(`${text}, in a ${length} text`, async () => {
      const [{ found }] = await sql('select private.contacts_in(array[$1]) as found', [`${padding}${text}`]);
      assert.deepEqual(found, keys);
    });

const MANY = {
  'phone numbers': (n) => `+${10_000_000 + n}`,
  'WhatsApp ids': (n) => ` DE.${10_000_000 + n}`,
  addresses: (n) => ` a${n}@example`,
  'contacts of all kinds': (n) => ` a${n}@example +${10_000_000 + n} DE.${10_000_000 + n}`,
};
for (const [name, contact] of Object.entries(MANY))
  test(`of 20,000 ${name} a text has 10,000 keys`, async () => {
    const text = Array.from({ length: 20_000 }, (_, n) => contact(n)).join('');
    const [{ keys }] = await sql('select cardinality(private.contacts_in(array[$1])) as keys', [text]);
    assert.equal(keys, 10_000);
  });
