// The schema whatsapp and the webhook's inbox: what Meta says reaches the rows of verified accounts once and in order, and who may
// read and write what.
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { as, ask, close, edgeToken, sql, stack, transaction, userToken } from '../../support/stack.js';
import {
  addAccount,
  addTemplate,
  change,
  delivery,
  EVENTS,
  freshIds,
  messages,
  ofTemplate,
  status,
  TIME,
  text,
} from '../support/whatsapp.js';

after(close);

const receive = async (payload) => {
  const [{ answer }] = await as({ role: 'edge' }, (query) =>
    query('select whatsapp.receive_webhook($1) as answer', [payload === null ? null : JSON.stringify(payload)]),
  );
  return answer;
};

const accountNow = async (id) =>
  (await sql('select to_jsonb(a) as row from whatsapp.accounts as a where id = $1', [id]))[0]?.row;
const templatesNow = async (id) =>
  (
    await sql('select to_jsonb(t) as row from whatsapp.templates as t where account_id = $1 order by template_name', [
      id,
    ])
  ).map(({ row }) => row);
const inbox = (ids) =>
  sql('select * from private.webhook_inbox where business_account_id = $1 or phone_number_id = $2 order by id', [
    ids.waba,
    ids.phoneId,
  ]);
const without = (row, ...names) => Object.fromEntries(Object.entries(row).filter(([name]) => !names.includes(name)));

const refusal = (code) => (error) => error.code === 'PGRST' && JSON.parse(error.message).code === code;
const seconds = (time) => new Date(time * 1000).toISOString();

for (const { name, account, template, payload, becomes, answer } of EVENTS) {
  test(`${name}; the same again changes nothing`, async () => {
    const ids = freshIds();
    const before = await addAccount(sql, ids, account);
    const made = template && (await addTemplate(sql, before, ids, template));
    const sent = payload(ids);
    assert.deepEqual(await receive(sent), answer);

    const afterwards = await accountNow(before.id);
    assert.ok(Date.parse(afterwards.last_webhook_at) > Date.now() - 60_000, 'when Meta last said anything');
    const noise = ['last_webhook_at', 'updated_at'];
    assert.deepEqual(without(afterwards, ...noise), { ...without(before, ...noise), ...becomes.account });

    const templates = await templatesNow(before.id);
    if (made) {
      const changed = { last_event_at: templates[0].last_event_at, whatsapp_template_id: `${ids.template}` };
      assert.deepEqual(
        templates.map((row) => without(row, 'updated_at')),
        [{ ...without(made, 'updated_at'), ...changed, ...becomes.template }],
      );
    } else {
      assert.equal(templates.length, becomes.template ? 1 : 0);
      for (const [column, value] of Object.entries(becomes.template ?? {}))
        assert.deepEqual(templates[0][column], value);
    }

    assert.deepEqual(await receive(sent), { stored: 0, repeated: answer.stored, applied: 0, outdated: 0, unknown: 0 });
    assert.deepEqual(await accountNow(before.id), afterwards);
    assert.deepEqual(await templatesNow(before.id), templates);
  });
}

test('a change is kept whole, with fields that nobody knows', async () => {
  const ids = freshIds();
  await addAccount(sql, ids);
  const whole = {
    ...change(
      'message_template_status_update',
      ofTemplate(ids, { event: 'APPROVED', new_thing: { deep: [1, null, 'ü'] } }),
    ),
    beside: true,
  };
  await receive(delivery(ids.waba, whole));
  const [row] = await inbox(ids);
  assert.deepEqual(row.payload, whole);
  assert.equal(row.source, 'whatsapp');
  assert.equal(row.happened_at.toISOString(), seconds(TIME));
  assert.deepEqual([row.field, row.event, row.outcome, row.attempts], [whole.field, 'APPROVED', 'applied', '1']);
  assert.ok(row.applied_at);
});

test('messages and statuses of one change are a row each; what else it says is kept with the first', async () => {
  const ids = freshIds();
  await addAccount(sql, ids);
  const error = { code: 131026, title: 'Message undeliverable', href: 'https://developers.facebook.com/x' };
  const whole = messages(ids, {
    contacts: [{ profile: { name: 'Sheena' }, wa_id: ids.user }],
    messages: [text(ids, { id: `wamid.1${ids.waba}` }), text(ids, { id: `wamid.2${ids.waba}` })],
    statuses: [status(ids, { id: `wamid.3${ids.waba}`, status: 'failed', errors: [error] })],
    unknown: { a: 1 },
  });
  assert.deepEqual(await receive(delivery(ids.waba, whole, null)), {
    ...{ stored: 3, repeated: 0, applied: 3, outdated: 0, unknown: 0 },
  });
  const rows = (await inbox(ids)).sort((a, b) => (a.dedupe_key < b.dedupe_key ? -1 : 1));
  assert.deepEqual(
    rows.map(({ dedupe_key: key, event, people }) => [key, event, people]),
    [
      [`wamid.1${ids.waba}`, 'message', [ids.user]],
      [`wamid.2${ids.waba}`, 'message', [ids.user]],
      [`wamid.3${ids.waba} failed`, 'failed', [ids.user]],
    ],
  );
  const {
    statuses,
    messages: [first, second],
    ...rest
  } = whole.value;
  const metadata = { phone_number_id: ids.phoneId };
  assert.deepEqual(
    rows.map(({ payload }) => payload.value),
    [
      { ...rest, messages: [first] },
      { metadata, messages: [second] },
      { metadata, statuses },
    ],
  );
});

test('a message comes once, in any company', async () => {
  const ids = freshIds();
  const { id } = await addAccount(sql, ids);
  const sent = (last) => status(ids, { id: ids.wamid + last });
  await receive(delivery(ids.waba, messages(ids, { statuses: [sent(1)] }), null));
  const again = messages(ids, { statuses: [sent(2), sent(1), sent(2)], messages: [text(ids, { id: ids.wamid + 1 })] });
  assert.deepEqual(await receive(delivery(ids.waba, again, null)), {
    stored: 2,
    repeated: 2,
    applied: 2,
    outdated: 0,
    unknown: 0,
  });
  assert.equal((await accountNow(id)).messages_sent_today, 2);
});

test('a change is the same with its fields in another order, and another one in another entry or at another time', async () => {
  const ids = freshIds();
  await addAccount(sql, ids);
  const value = { decision: 'PENDING', a: 1, b: 2 };
  await receive(delivery(ids.waba, change('account_review_update', value)));
  const { repeated } = await receive(
    delivery(ids.waba, { value: { b: 2, a: 1, decision: 'PENDING' }, field: 'account_review_update' }),
  );
  assert.equal(repeated, 1);
  assert.equal((await receive(delivery(ids.waba, change('account_review_update', value), TIME + 1))).stored, 1);
  assert.equal((await receive(delivery(freshIds().waba, change('account_review_update', value)))).stored, 1);
});

test('twenty of the same at once are stored and counted once', async () => {
  const ids = freshIds();
  const { id } = await addAccount(sql, ids);
  const statuses = Array.from({ length: 5 }, (_, n) => status(ids, { id: `${ids.wamid}${n}` }));
  const sent = delivery(ids.waba, [
    messages(ids, { statuses }),
    change('message_template_status_update', ofTemplate(ids, { event: 'APPROVED' })),
  ]);
  const answers = await Promise.all(Array.from({ length: 20 }, () => receive(sent)));
  assert.equal(
    answers.reduce((sum, { stored }) => sum + stored, 0),
    6,
  );
  assert.equal(
    answers.reduce((sum, { applied }) => sum + applied, 0),
    6,
  );
  assert.equal(
    answers.reduce((sum, { repeated }) => sum + repeated, 0),
    19 * 6,
  );
  assert.equal((await accountNow(id)).messages_sent_today, 5);
  assert.equal((await templatesNow(id)).length, 1);
});

test('deliveries that share messages and accounts, each in another order, do not wait for each other', async () => {
  const many = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const ids = freshIds();
      return { ids, account: await addAccount(sql, ids) };
    }),
  );
  const changes = many.flatMap(({ ids }) => [
    messages(ids, { statuses: [1, 2, 3].map((n) => status(ids, { id: `${ids.wamid}${n}` })) }),
    change('account_review_update', { decision: 'APPROVED' }),
  ]);
  const entry = many.flatMap(({ ids }, n) =>
    changes.slice(n * 2, n * 2 + 2).map((one) => ({ id: ids.waba, time: TIME, changes: [one] })),
  );
  const shuffled = () =>
    entry
      .map((one) => [Math.random(), one])
      .sort(([a], [b]) => a - b)
      .map(([, one]) => one);
  const answers = await Promise.all(
    Array.from({ length: 30 }, () => receive({ object: 'whatsapp_business_account', entry: shuffled() })),
  );
  assert.equal(
    answers.reduce((sum, { stored }) => sum + stored, 0),
    16,
  );
  for (const { account } of many) {
    const { messages_sent_today: sent, verification_status: standing } = await accountNow(account.id);
    assert.deepEqual([sent, standing], [3, 'APPROVED']);
  }
});

test('two deliveries of the same two messages, each in its order, do not wait for each other', async () => {
  // Slow inserts make them overlap for sure; a deadlock would reject one of them.
  await sql(`create function private.injected_pause() returns trigger language plpgsql set search_path = ''
    as 'begin perform pg_sleep(0.2); return new; end'`);
  await sql(`create trigger injected_pause before insert on private.webhook_inbox
    for each row execute function private.injected_pause()`);
  try {
    const ids = freshIds();
    await addAccount(sql, ids);
    const both = [1, 2].map((n) => status(ids, { id: `${ids.wamid}${n}` }));
    const orders = [both, both.toReversed()];
    const answers = await Promise.all(
      orders.map((statuses) => receive(delivery(ids.waba, messages(ids, { statuses }), null))),
    );
    assert.equal(answers[0].stored + answers[1].stored, 2);
  } finally {
    await sql('drop trigger injected_pause on private.webhook_inbox; drop function private.injected_pause()');
  }
});

/** What is said of each kind, by a word, and where it is then. */
const KINDS = {
  status: [
    (ids, word) => change('message_template_status_update', ofTemplate(ids, { event: word })),
    'template',
    'status',
  ],
  quality: [
    (ids, word) => change('message_template_quality_update', ofTemplate(ids, { new_quality_score: word })),
    'template',
    'quality_score',
  ],
  category: [
    (ids, word) => change('template_category_update', ofTemplate(ids, { new_category: word })),
    'template',
    'category',
  ],
  texts: [
    (ids, word) => change('message_template_components_update', ofTemplate(ids, { message_template_element: word })),
    'template',
    'body_text',
  ],
  tier: [
    (ids, word) =>
      change('phone_number_quality_update', {
        display_phone_number: ids.phone,
        event: 'X',
        current_limit: `TIER_${word}`,
      }),
    'account',
    'messaging_limit_tier',
    'TIER_',
  ],
  'tier, of the business': [
    (_, word) => change('business_capability_update', { max_daily_conversations_per_business: `TIER_${word}` }),
    'account',
    'messaging_limit_tier',
    'TIER_',
  ],
  name: [
    (ids, word) => change('phone_number_name_update', { display_phone_number: ids.phone, decision: word }),
    'account',
    'name_status',
  ],
  standing: [(_, word) => change('account_review_update', { decision: word }), 'account', 'verification_status'],
};

for (const [kind, [says, where, column, prefix = '']] of Object.entries(KINDS)) {
  test(`${kind}: an older event never undoes a newer one, and of two in one second the later counts`, async () => {
    const ids = freshIds();
    const { id } = await addAccount(sql, ids);
    await addTemplate(sql, { id }, ids);
    const now = async () => (where === 'account' ? await accountNow(id) : (await templatesNow(id))[0])[column];
    const say = (word, time) => receive(delivery(ids.waba, says(ids, word), time));
    await say('MIDDLE', TIME);
    assert.deepEqual(await say('OLD', TIME - 1), { stored: 1, repeated: 0, applied: 0, outdated: 1, unknown: 0 });
    assert.equal(await now(), `${prefix}MIDDLE`);
    await say('SAME', TIME);
    assert.equal(await now(), `${prefix}SAME`);
    await say('NEW', TIME + 1);
    assert.equal(await now(), `${prefix}NEW`);
    await say('OLDER', TIME - 5);
    assert.equal(await now(), `${prefix}NEW`);
    assert.deepEqual(
      (await inbox(ids)).map(({ outcome }) => outcome),
      ['applied', 'outdated', 'applied', 'applied', 'outdated'],
    );
  });
}

test('an older event of another kind says something new', async () => {
  const ids = freshIds();
  const { id } = await addAccount(sql, ids);
  await addTemplate(sql, { id }, ids);
  await receive(delivery(ids.waba, KINDS.status[0](ids, 'PAUSED'), TIME));
  await receive(delivery(ids.waba, KINDS.quality[0](ids, 'RED'), TIME - 60));
  const [template] = await templatesNow(id);
  assert.deepEqual([template.status, template.quality_score], ['PAUSED', 'RED']);
  assert.equal(new Date(template.last_event_at).toISOString(), seconds(TIME), 'the latest one’s');
});

test('events in one delivery are applied in the order in which they happened', async () => {
  const ids = freshIds();
  const { id } = await addAccount(sql, ids);
  const say = (word, time) => ({ id: ids.waba, time, changes: [KINDS.status[0](ids, word)] });
  await receive({
    object: 'whatsapp_business_account',
    entry: [say('APPROVED', TIME + 20), say('PENDING', TIME), say('IN_APPEAL', TIME + 10)],
  });
  assert.deepEqual(
    (await templatesNow(id)).map(({ status: word }) => word),
    ['APPROVED'],
  );
  assert.deepEqual(
    (await inbox(ids)).map(({ outcome }) => outcome),
    ['applied', 'applied', 'applied'],
  );
});

test('events of one second in one delivery are applied in the order in which they stand there', async () => {
  const words = ['ONE', 'TWO', 'THREE', 'FOUR', 'FIVE', 'SIX', 'SEVEN'];
  for (const order of [words, words.toReversed()]) {
    const ids = freshIds();
    const { id } = await addAccount(sql, ids);
    await receive(
      delivery(
        ids.waba,
        order.map((word) => KINDS.status[0](ids, word)),
      ),
    );
    assert.equal((await templatesNow(id))[0].status, order.at(-1));
  }
});

test('an event of the future does not silence those that come after it', async () => {
  const ids = freshIds();
  const { id } = await addAccount(sql, ids);
  const now = Math.floor(Date.now() / 1000);
  await receive(delivery(ids.waba, KINDS.status[0](ids, 'PAUSED'), now + 1e6));
  await receive(delivery(ids.waba, KINDS.status[0](ids, 'APPROVED'), now + 1));
  assert.equal((await templatesNow(id))[0].status, 'APPROVED');
});

test('a template that was made anew under an old name is not harmed by what is said of the old one', async () => {
  const ids = freshIds();
  const { id } = await addAccount(sql, ids);
  const reborn = { ...ids, template: ids.template + 1 };
  const say = (of, event, time) => receive(delivery(ids.waba, KINDS.status[0](of, event), time));
  await say(ids, 'APPROVED', TIME);
  await say(reborn, 'APPROVED', TIME + 10);
  await say(ids, 'REJECTED', TIME + 5);
  await say(ids, 'DELETED', TIME + 20);
  const [template, ...others] = await templatesNow(id);
  assert.deepEqual([template.status, template.whatsapp_template_id, others], ['APPROVED', `${reborn.template}`, []]);
});

test('a draft is not deleted because Meta deleted another of its name', async () => {
  const ids = freshIds();
  const { id } = await addAccount(sql, ids);
  await addTemplate(sql, { id }, ids, { status: 'DRAFT', whatsapp_template_id: null });
  await receive(delivery(ids.waba, KINDS.status[0](ids, 'DELETED')));
  assert.equal((await templatesNow(id))[0].status, 'DRAFT');
});

test('languages are one whether they are written en-US or en_US', async () => {
  const ids = freshIds();
  const { id } = await addAccount(sql, ids);
  for (const [language, time] of [
    ['en-US', TIME],
    ['en_US', TIME + 1],
    ['zh-CN', TIME],
    ['fil', TIME],
  ]) {
    const value = {
      ...ofTemplate({ ...ids, template: undefined }, { event: 'APPROVED' }),
      message_template_language: language,
    };
    assert.equal((await receive(delivery(ids.waba, change('message_template_status_update', value), time))).applied, 1);
  }
  assert.deepEqual((await templatesNow(id)).map(({ language }) => language).sort(), ['en_US', 'fil', 'zh_CN']);
});

test('a business with two numbers: what is said of one number, of its templates, and of all', async () => {
  const ids = freshIds();
  const other = { ...freshIds(), waba: ids.waba };
  const one = await addAccount(sql, ids);
  const two = await addAccount(sql, other);
  const now = async (column) => [(await accountNow(one.id))[column], (await accountNow(two.id))[column]];
  await receive(delivery(ids.waba, KINDS.tier[0](ids, '250')));
  assert.deepEqual(await now('messaging_limit_tier'), ['TIER_250', null]);
  await receive(delivery(ids.waba, KINDS.name[0](other, 'APPROVED')));
  assert.deepEqual(await now('name_status'), [null, 'APPROVED']);
  await receive(
    delivery(
      ids.waba,
      change('phone_number_quality_update', {
        display_phone_number: ids.phone,
        event: 'THROUGHPUT_UPGRADE',
        max_daily_conversations_per_business: 'TIER_2K',
      }),
      TIME + 1,
    ),
  );
  assert.deepEqual(await now('messaging_limit_tier'), ['TIER_2K', 'TIER_2K']);
  assert.deepEqual(await now('throughput_level'), ['HIGH', null]);
  await receive(delivery(ids.waba, KINDS.status[0](ids, 'APPROVED')));
  for (const { id } of [one, two])
    assert.deepEqual(
      (await templatesNow(id)).map(({ status: word }) => word),
      ['APPROVED'],
    );
  await receive(delivery(ids.waba, messages(ids, { statuses: [status(ids)] }), null));
  assert.deepEqual(await now('messages_sent_today'), [1, 0]);
});

test('what names a number or a business that is none is not said of all of them', async () => {
  const ids = freshIds();
  const { id } = await addAccount(sql, ids, { verification_status: 'APPROVED' });
  const other = freshIds();
  for (const [odd, outcome] of [
    [{ phone_number: 'x' }, 'odd shape'],
    [{ display_phone_number: {} }, 'odd shape'],
    [{ phone_number: other.phone }, 'unknown account'],
    [{ waba_info: { waba_id: 'x' } }, 'odd shape'],
    [{ waba_info: { waba_id: other.waba } }, 'unknown account'],
  ]) {
    await receive(delivery(ids.waba, change('account_update', { event: 'ACCOUNT_DELETED', ...odd })));
    assert.equal((await accountNow(id)).verification_status, 'APPROVED', JSON.stringify(odd));
    const [last] = await sql('select outcome from private.webhook_inbox order by id desc limit 1');
    assert.equal(last.outcome, outcome, JSON.stringify(odd));
  }
});

test('messages are counted by the UTC day on which they were sent; a late day is not brought back', async () => {
  const ids = freshIds();
  const { id } = await addAccount(sql, ids);
  const day = Date.UTC(2026, 0, 10) / 1000;
  let n = 0;
  const sent = (...times) =>
    receive(
      delivery(
        ids.waba,
        messages(ids, { statuses: times.map((timestamp) => status(ids, { id: `${ids.wamid}${n++}`, timestamp })) }),
        null,
      ),
    );
  const now = async () => {
    const { messages_sent_today: count, last_message_sent_at: last } = await accountNow(id);
    return [count, new Date(last).toISOString()];
  };
  await sent(day + 86399, day + 100, day + 200);
  assert.deepEqual(await now(), [3, '2026-01-10T23:59:59.000Z']);
  await sent(day + 50);
  assert.deepEqual(await now(), [4, '2026-01-10T23:59:59.000Z']);
  await sent(day + 86400, day + 50);
  assert.deepEqual(await now(), [1, '2026-01-11T00:00:00.000Z'], 'a new day begins at nought');
  await sent(day + 86400);
  await sent(day + 60);
  assert.deepEqual(await now(), [2, '2026-01-11T00:00:00.000Z']);
  await sent(day + 86400 * 2 + 5, day + 86400 + 5, day + 86400 * 2 + 6);
  assert.deepEqual(await now(), [2, '2026-01-12T00:00:06.000Z']);
  await receive(
    delivery(
      ids.waba,
      messages(ids, { statuses: ['delivered', 'read'].map((word) => status(ids, { status: word })) }),
      null,
    ),
  );
  assert.equal((await now())[0], 2, 'only what is sent counts');
});

test('a message of the future is of today', async () => {
  const ids = freshIds();
  const { id } = await addAccount(sql, ids);
  await receive(delivery(ids.waba, messages(ids, { statuses: [status(ids, { timestamp: 4102444800 })] }), null));
  const { last_message_sent_at: last } = await accountNow(id);
  assert.ok(Date.parse(last) <= Date.now() + 1000);
});

test('a delivery for an unknown account is kept and marked as such', async () => {
  const ids = freshIds();
  const known = freshIds();
  const { id } = await addAccount(sql, known);
  const sent = delivery(ids.waba, [
    messages(ids, { messages: [text(ids)] }),
    change('message_template_status_update', ofTemplate(ids, { event: 'APPROVED' })),
    change('account_review_update', { decision: 'APPROVED' }),
    messages(known, { statuses: [status(known)] }),
  ]);
  assert.deepEqual(await receive(sent), { stored: 4, repeated: 0, applied: 1, outdated: 0, unknown: 3 });
  const rows = await inbox(ids);
  assert.deepEqual(rows.map(({ outcome }) => outcome).sort(), [
    'applied',
    'unknown account',
    'unknown account',
    'unknown account',
  ]);
  assert.ok(rows.every(({ outcome, applied_at: at }) => (at !== null) === (outcome === 'applied')));
  assert.equal((await accountNow(id)).messages_sent_today, 1);
});

test('an account that claims another’s number gets none of its messages and does not block the owner', async () => {
  const ids = freshIds();
  // The attacker comes first.
  const attacker = await addAccount(sql, ids, { is_verified: false });
  await addTemplate(sql, attacker, ids);
  const victim = await addAccount(sql, ids, { is_verified: false });
  const changes = [
    messages(ids, { statuses: [status(ids)] }),
    ...Object.values(KINDS).map(([says]) => says(ids, 'APPROVED')),
  ];
  const before = [await accountNow(attacker.id), await templatesNow(attacker.id)];
  const first = await receive(delivery(ids.waba, changes));
  assert.equal(first.applied, 0, 'nobody is verified');
  assert.deepEqual([await accountNow(attacker.id), await templatesNow(attacker.id)], before);

  await sql('update whatsapp.accounts set is_verified = true where id = $1', [victim.id]);
  const second = await receive(
    delivery(
      ids.waba,
      changes.map((one) => ({ ...one, again: true })),
      TIME + 1,
    ),
  );
  assert.ok(second.applied > 0);
  assert.equal((await accountNow(victim.id)).verification_status, 'APPROVED');
  assert.deepEqual([await accountNow(attacker.id), await templatesNow(attacker.id)], before);

  await assert.rejects(sql('update whatsapp.accounts set is_verified = true where id = $1', [attacker.id]), {
    code: '23505',
    constraint: 'accounts_phone_number_id',
  });
});

test('an account that staff verify later catches up with what had come, but for messages', async () => {
  const ids = freshIds();
  const { id } = await addAccount(sql, ids, { is_verified: false });
  await receive(
    delivery(ids.waba, [
      messages(ids, { statuses: [status(ids)] }),
      KINDS.status[0](ids, 'PENDING'),
      KINDS.standing[0](ids, 'APPROVED'),
      change('security', { event: 'PIN_CHANGED' }),
    ]),
  );
  await receive(delivery(ids.waba, KINDS.status[0](ids, 'APPROVED'), TIME + 60));
  assert.deepEqual(await templatesNow(id), []);
  const admin = { role: 'authenticated', claims: { sub: randomUUID(), app_metadata: { role: 'admin' } } };
  await as(admin, (query) => query('update whatsapp.accounts set is_verified = true where id = $1', [id]));
  assert.deepEqual(
    (await templatesNow(id)).map(({ status: word }) => word),
    ['APPROVED'],
  );
  const { verification_status: standing, messages_sent_today: sent, last_webhook_at: heard } = await accountNow(id);
  assert.deepEqual([standing, sent], ['APPROVED', 0]);
  assert.ok(heard);
  assert.deepEqual((await inbox(ids)).map(({ field, outcome, attempts }) => [field, outcome, attempts]).sort(), [
    ['account_review_update', 'applied', '2'],
    ['message_template_status_update', 'applied', '2'],
    ['message_template_status_update', 'applied', '2'],
    ['messages', 'unknown account', '1'],
    ['security', 'unknown field', '2'],
  ]);
  // Verified from the start, as service_role may insert one: the second number of the business has its templates, too.
  const second = await addAccount(sql, { ...freshIds(), waba: ids.waba });
  assert.deepEqual(
    (await templatesNow(second.id)).map(({ status: word }) => word),
    ['APPROVED'],
  );
});

const HUGE = 'x'.repeat(100_000);
const ODD = {
  'a value that is no object': () => [5, 'x', null, true, [], [1]].map((value) => change('account_update', value)),
  'a field that is no text': () => [5, null, {}, [], ''].map((field) => ({ field, value: {} })),
  'a change that is no object': () => [5, 'x', null, [], {}],
  'messages that are none': (ids) => [
    messages(ids, { messages: 5 }),
    messages(ids, { messages: [5, null, [], {}, 'x', { id: 7 }, { id: {} }, { id: HUGE }] }),
    messages(ids, {
      statuses: [
        { id: `a${ids.waba}`, status: 7 },
        { id: `b${ids.waba}`, status: HUGE },
        { id: `c${ids.waba}`, status: ['sent'] },
        { status: 'sent' },
      ],
    }),
    change('messages', { metadata: null, messages: [{ id: `d${ids.waba}` }] }),
    change('messages', { metadata: { phone_number_id: { a: 1 } }, messages: [{ id: `e${ids.waba}` }] }),
    change('messages', {
      metadata: { phone_number_id: HUGE },
      messages: [{ id: `f${ids.waba}` }, { id: `g${ids.waba}` }],
    }),
  ],
  'times that are none': (ids) =>
    ['x', '', -1, 1e30, '99999999999999999999', 253402300800, null, {}, '1e9', 0.5].map((timestamp, n) =>
      messages(ids, { statuses: [{ ...status(ids, { id: `${ids.wamid}t${n}` }), timestamp }] }),
    ),
  'templates that are none': () => [
    ...[
      {},
      { event: 'APPROVED' },
      { event: 5, message_template_id: 1 },
      { event: 'NO WORD!', message_template_id: 2 },
      { event: HUGE, message_template_id: 3 },
    ].map((value) => change('message_template_status_update', value)),
    ...['Has Capitals', HUGE, 'a'.repeat(513), '', 5, null, ['x'], '../x', 'ü'].map((name) =>
      change('message_template_status_update', {
        event: 'APPROVED',
        message_template_name: name,
        message_template_language: 'en',
      }),
    ),
    ...['english', 'e', HUGE, '', 5, null, 'en_US_x_y_z', 'en US'].map((language) =>
      change('message_template_status_update', {
        event: 'APPROVED',
        message_template_name: 'a',
        message_template_language: language,
      }),
    ),
    ...[1e30, -1, 1.5, HUGE, {}, []].map((id) =>
      change('message_template_status_update', { event: 'APPROVED', message_template_id: id }),
    ),
  ],
  'accounts that are none': (ids) => [
    change('account_update', { event: 'DISABLED_UPDATE', ban_info: 5 }),
    change('account_update', {
      event: 'PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE',
      partner_client_certification_info: [],
    }),
    change('account_update', { event: 'ACCOUNT_DELETED', phone_number: HUGE }),
    change('account_update', { event: 'ACCOUNT_DELETED', waba_info: { waba_id: HUGE } }),
    change('account_review_update', { decision: 'two words' }),
    change('business_capability_update', { max_daily_conversations_per_business: 1e30 }),
    change('business_capability_update', { max_daily_conversations_per_business: 'TIER_99999999999999999999K' }),
    change('business_capability_update', { max_daily_conversations_per_business: `TIER_${HUGE}` }),
    change('phone_number_quality_update', { display_phone_number: ids.phone, current_limit: { a: 1 } }),
    change('phone_number_name_update', {
      display_phone_number: ids.phone,
      decision: 'APPROVED',
      requested_verified_name: HUGE,
    }),
    change('phone_number_name_update', {
      display_phone_number: ids.phone,
      decision: 'APPROVED',
      requested_verified_name: { a: 1 },
    }),
  ],
  'texts that are too long or none': (ids) =>
    [HUGE, 5, null, {}, '   '].flatMap((value) =>
      ['message_template_title', 'message_template_element', 'message_template_footer', 'message_template_buttons'].map(
        (key) =>
          change(
            'message_template_components_update',
            ofTemplate(ids, { message_template_element: 'x', [key]: value }),
          ),
      ),
    ),
  'reasons that are too long or none': (ids) =>
    [HUGE, 5, {}, [], ''].map((reason) =>
      change('message_template_status_update', ofTemplate(ids, { event: 'REJECTED', reason })),
    ),
  'buttons that are none': (ids) =>
    [[5], [null], [{}], [{ message_template_button_text: HUGE }], [[]]].map((buttons) =>
      change(
        'message_template_components_update',
        ofTemplate(ids, { message_template_element: 'x', message_template_buttons: buttons }),
      ),
    ),
};

for (const [name, make] of Object.entries(ODD)) {
  test(`${name}: kept, and what came with it is applied`, async () => {
    const ids = freshIds();
    const { id } = await addAccount(sql, ids);
    const changes = make(ids);
    // Alone, each at another time, and then all together.
    for (const [n, one] of changes.entries()) {
      const { stored, applied, outdated, unknown } = await receive(delivery(ids.waba, one, TIME + n));
      assert.equal(stored, applied + outdated + unknown);
      assert.ok(stored + unknown >= 0);
    }
    const good = change('account_review_update', { decision: 'FINE' });
    const together = delivery(ids.waba, changes, TIME + 1000);
    together.entry.push({ id: ids.waba, time: TIME + 2000, changes: [good] });
    await receive(together);
    assert.equal((await accountNow(id)).verification_status, 'FINE');
    const odd = (await inbox(ids)).filter(({ outcome }) => outcome === null);
    assert.deepEqual(odd, [], 'all have an outcome');
  });
}

test('entries of another shape are kept', async () => {
  const ids = freshIds();
  const entry = [
    5,
    null,
    'x',
    [],
    {},
    { id: ids.waba },
    { id: ids.waba, changes: 5 },
    { id: {}, changes: [] },
    { id: ids.waba, messaging: [{ sender: { id: ids.user } }] },
  ];
  const answer = await receive({ object: 'whatsapp_business_account', entry });
  assert.equal(answer.unknown, answer.stored);
  assert.ok(answer.stored + answer.repeated >= entry.length - 1);
  assert.deepEqual(await receive({ object: 'whatsapp_business_account', entry: [] }), {
    stored: 0,
    repeated: 0,
    applied: 0,
    outdated: 0,
    unknown: 0,
  });
});

test('a field that the documentation’s examples have in the wrong place is found', async () => {
  const ids = freshIds();
  const { id } = await addAccount(sql, ids);
  const entry = {
    id: ids.waba,
    time: TIME,
    field: 'account_review_update',
    changes: [{ value: { decision: 'PENDING' } }],
  };
  await receive({ entry: [entry] });
  assert.equal((await accountNow(id)).verification_status, 'PENDING');
  const inside = {
    value: { field: 'account_review_update', object: 'whatsapp_business_account', decision: 'APPROVED' },
  };
  await receive(delivery(ids.waba, inside, TIME + 1));
  assert.equal((await accountNow(id)).verification_status, 'APPROVED');
});

test('a body that is not one of Meta’s webhooks is refused', async () => {
  for (const payload of [
    null,
    5,
    'x',
    [],
    {},
    { entry: {} },
    { object: 'page', entry: [] },
    { object: 7, entry: [] },
    { object: 'whatsapp_business_account' },
  ]) {
    await assert.rejects(receive(payload), refusal('RG560'), JSON.stringify(payload));
  }
});

test('a thousand changes at once, as Meta sends at most, are taken, five thousand and one are not, nor what is too large', async () => {
  const ids = freshIds();
  const { id } = await addAccount(sql, ids);
  const of = (count) => Array.from({ length: count }, (_, n) => status(ids, { id: `${ids.wamid}${n}` }));
  await assert.rejects(receive(delivery(ids.waba, messages(ids, { statuses: of(5001) }), null)), refusal('RG562'));
  await assert.rejects(
    receive(
      delivery(
        ids.waba,
        Array.from({ length: 5001 }, (_, n) => change('security', { n })),
      ),
    ),
    refusal('RG562'),
  );
  assert.equal((await receive(delivery(ids.waba, messages(ids, { statuses: of(1000) }), null))).applied, 1000);
  assert.equal((await accountNow(id)).messages_sent_today, 1000);
  const large = (size) => receive(delivery(ids.waba, change('history', { a: 'x'.repeat(size) })));
  assert.equal((await large(3_000_000)).stored, 1);
  await assert.rejects(large(17_000_000), refusal('RG561'));
});

test('a thousand changes do not multiply what they have in common', async () => {
  const ids = freshIds();
  await addAccount(sql, ids);
  const statuses = Array.from({ length: 500 }, (_, n) => status(ids, { id: `${ids.wamid}${n}` }));
  await receive(delivery(ids.waba, messages(ids, { statuses, large: 'x'.repeat(1_000_000) }), null));
  const [{ size }] = await sql(
    'select sum(octet_length(payload::text))::int as size from private.webhook_inbox where phone_number_id = $1',
    [ids.phoneId],
  );
  assert.ok(size < 1_500_000, `${size}`);
});

const withFault = async (body, statements) => {
  await sql(
    `create function private.injected_fault() returns trigger language plpgsql set search_path = '' as $$ ${body} $$`,
  );
  try {
    await sql(
      `create trigger injected_fault before insert on whatsapp.templates for each row execute function private.injected_fault()`,
    );
    return await statements();
  } finally {
    await sql('drop trigger if exists injected_fault on whatsapp.templates; drop function private.injected_fault()');
  }
};

test('a change that fails by its data is kept with its error, and the others are applied', async () => {
  const ids = freshIds();
  const { id } = await addAccount(sql, ids);
  const sent = delivery(ids.waba, [KINDS.status[0](ids, 'APPROVED'), KINDS.standing[0](ids, 'APPROVED')]);
  const answer = await withFault(`begin raise 'injected' using errcode = 'numeric_value_out_of_range'; end`, () =>
    receive(sent),
  );
  assert.deepEqual(answer, { stored: 2, repeated: 0, applied: 1, outdated: 0, unknown: 1 });
  assert.equal((await accountNow(id)).verification_status, 'APPROVED');
  const outcomes = (await inbox(ids)).map(({ outcome }) => outcome).sort();
  assert.deepEqual(outcomes, ['applied', 'failed: 22003 injected']);
});

test('a delivery that fails by no fault of its own stores nothing, so that it is whole when Meta comes again', async () => {
  const ids = freshIds();
  const { id } = await addAccount(sql, ids);
  const sent = delivery(ids.waba, [KINDS.status[0](ids, 'APPROVED'), messages(ids, { statuses: [status(ids)] })]);
  await assert.rejects(
    withFault(`begin raise 'injected' using errcode = 'lock_not_available'; end`, () => receive(sent)),
    { code: '55P03' },
  );
  assert.deepEqual(await inbox(ids), []);
  assert.equal((await accountNow(id)).messages_sent_today, 0);
  assert.equal((await receive(sent)).applied, 2);
});

test('only the edge may deliver, and ask for a verify token', async () => {
  for (const call of [`whatsapp.receive_webhook('{"entry": []}')`, `whatsapp.verify_token_fits('x')`]) {
    for (const role of ['anon', 'authenticated', 'service_role']) {
      await assert.rejects(
        as({ role, claims: { sub: randomUUID() } }, (query) => query(`select ${call}`)),
        { code: '42501' },
        `${role} ${call}`,
      );
    }
    await as({ role: 'edge' }, (query) => query(`select ${call}`));
  }
  for (const table of ['accounts', 'templates']) {
    for (const role of ['anon', 'edge']) {
      await assert.rejects(
        as({ role }, (query) => query(`select 1 from whatsapp.${table}`)),
        { code: '42501' },
      );
    }
  }
});

test('a verify token fits where an active account has its hash, and no other answer differs', async () => {
  const token = randomUUID();
  const hash = `\\x${createHash('sha256').update(token).digest('hex')}`;
  const fits = async (asked) => {
    const [{ answer }] = await as({ role: 'edge' }, (query) =>
      query('select whatsapp.verify_token_fits($1) as answer', [asked]),
    );
    return answer;
  };
  const { id } = await addAccount(sql, freshIds(), { webhook_verify_token_hash: hash, is_verified: false });
  await addAccount(sql, freshIds());
  assert.equal(await fits(token), true);
  for (const wrong of [null, '', token.slice(1), `${token} `, token.toUpperCase(), hash, 'x'.repeat(2000), 'ü']) {
    assert.equal(await fits(wrong), false, `${wrong}`);
  }
  await sql('update whatsapp.accounts set is_active = false where id = $1', [id]);
  assert.equal(await fits(token), false);
});

const user = (sub, role) => ({
  role: 'authenticated',
  claims: { sub, ...(role && { app_metadata: { role } }), user_metadata: { role: 'admin' } },
});
const attempt = async (who, statement, values) => {
  try {
    return await as(who, (query) => query(statement, values));
  } catch (error) {
    return error.code;
  }
};

test('an owner reads their own accounts and templates, an admin all, a stranger none', async () => {
  const [owner, stranger] = [randomUUID(), randomUUID()];
  const ids = freshIds();
  const account = await addAccount(sql, ids, { owner_id: owner });
  const template = await addTemplate(sql, account, ids);
  const other = await addAccount(sql, freshIds());
  const reads = async (who) => [
    (await attempt(who, 'select id from whatsapp.accounts where id = any ($1)', [[account.id, other.id]])).map(
      ({ id }) => id,
    ),
    (await attempt(who, 'select id from whatsapp.templates where id = $1', [template.id])).map(({ id }) => id),
  ];
  assert.deepEqual(await reads(user(owner)), [[account.id], [template.id]]);
  assert.deepEqual(await reads(user(stranger)), [[], []]);
  assert.deepEqual(await reads(user(stranger, 'member')), [[], []]);
  const all = [[account.id, other.id].sort(), [template.id]];
  for (const who of [user(stranger, 'admin'), { role: 'service_role' }]) {
    const [accounts, templates] = await reads(who);
    assert.deepEqual([accounts.sort(), templates], all);
  }
});

test('an owner’s accounts are found by their index, however many others have', async () => {
  const [owner, marker] = [randomUUID(), freshIds().waba];
  await sql(
    `insert into whatsapp.accounts (owner_id, business_account_id, phone_number_id, phone_number)
     select case n when 1 then $1 else gen_random_uuid() end, $2, (100000 + n)::text, '+49 30 ' || (100000 + n) from generate_series(1, 3000) as n`,
    [owner, marker],
  );
  try {
    await sql('analyze whatsapp.accounts');
    const read = (who) =>
      as(who, async (query) => {
        const [{ 'QUERY PLAN': plan }] = await query(
          `explain (analyze, format json) select id from whatsapp.accounts where business_account_id <> '1'`,
        );
        return JSON.stringify(plan);
      });
    const plan = await read(user(owner));
    assert.match(plan, /"Index Name":"accounts_owner"/);
    assert.doesNotMatch(plan, /"Rows Removed by Filter":[1-9]/);
    assert.match(await read(user(owner, 'admin')), /"Actual Rows":(3\d{3}|[4-9]\d{3})/);
  } finally {
    await sql('delete from whatsapp.accounts where business_account_id = $1', [marker]);
  }
});

test('an owner’s templates are found by an index, however many others have', async () => {
  const [owner, stranger, marker] = [randomUUID(), randomUUID(), freshIds().waba];
  await sql(
    `with made as (
       insert into whatsapp.accounts (owner_id, business_account_id, phone_number_id, phone_number)
       select case when n <= 2 then $1 else gen_random_uuid() end, $2, (100000 + n)::text, '+49 30 ' || (100000 + n)
       from generate_series(1, 1000) as n returning id
     )
     insert into whatsapp.templates (account_id, template_name, language, body_text)
     select id, 'template_' || n, 'en', repeat('x', 200) from made, generate_series(1, 5) as n`,
    [owner, marker],
  );
  try {
    await sql('analyze whatsapp.accounts, whatsapp.templates');
    const read = (who) =>
      as(who, async (query) => {
        const [{ 'QUERY PLAN': plan }] = await query(
          'explain (analyze, format json) select template_name from whatsapp.templates',
        );
        return JSON.stringify(plan);
      });
    const plan = await read(user(owner));
    assert.match(plan, /"Actual Rows":10,/);
    assert.doesNotMatch(plan, /Seq Scan|"Rows Removed by Filter":[1-9]/);
    assert.match(await read(user(owner, 'admin')), /"Actual Rows":(5\d{3}|[6-9]\d{3})/);
    assert.match(await read(user(stranger)), /"Actual Rows":0,/);
  } finally {
    await sql('delete from whatsapp.accounts where business_account_id = $1', [marker]);
  }
});

test('one policy for each command says whose accounts and templates a caller reads and writes', async () => {
  const policies = await sql(
    `select c.relname as name, string_agg(p.polcmd::text, '' order by p.polcmd) as commands
     from pg_policy as p inner join pg_class as c on c.oid = p.polrelid
     where p.polrelid in ('whatsapp.accounts'::regclass, 'whatsapp.templates'::regclass) and p.polpermissive group by 1 order by 1`,
  );
  assert.deepEqual(policies, [
    { name: 'accounts', commands: 'adrw' },
    { name: 'templates', commands: 'adrw' },
  ]);
});

const STAFF_ACCOUNT = {
  lead_id: 'null',
  owner_id: 'owner_id',
  business_account_id: `'1'`,
  phone_number_id: `'1' || right(phone_number_id, 10)`,
  phone_number: `'+49 30 1234'`,
  webhook_verify_token_hash: `sha256('x')`,
  is_verified: 'not is_verified',
  verification_status: `'APPROVED'`,
  quality_rating: `'GREEN'`,
  messaging_limit_tier: `'TIER_2K'`,
  throughput_level: `'HIGH'`,
  name_status: `'APPROVED'`,
  messages_limit_daily: '2000',
};
const NOBODYS_ACCOUNT = {
  id: 'gen_random_uuid()',
  messages_sent_today: '0',
  last_message_sent_at: 'now()',
  last_webhook_at: 'now()',
  created_at: 'now()',
  updated_at: 'now()',
};
const STAFF_TEMPLATE = {
  status: `'APPROVED'`,
  whatsapp_template_id: `'1'`,
  quality_score: `'GREEN'`,
  rejected_reason: 'null',
  previous_category: `'UTILITY'`,
};
const NOBODYS_TEMPLATE = {
  id: 'gen_random_uuid()',
  account_id: 'account_id',
  last_event_at: 'now()',
  created_at: 'now()',
  updated_at: 'now()',
};
const OWN_ACCOUNT = { display_name: `'Mine'`, is_active: 'false' };
const OWN_TEMPLATE = {
  template_name: `'changed'`,
  category: `'MARKETING'`,
  language: `'de'`,
  header_type: `'TEXT'`,
  header_content: `'Hi'`,
  body_text: `'Hello {{1}}'`,
  footer_text: `'Bye'`,
  buttons: `'[{"type": "QUICK_REPLY", "text": "Stop"}]'`,
  components: `'[]'`,
  parameter_format: `'NAMED'`,
};

test('an owner writes what is theirs to say; what Meta says, and whose it is, only admins and service_role', async () => {
  const owner = randomUUID();
  const ids = freshIds();
  const account = await addAccount(sql, ids, { owner_id: owner, is_verified: false });
  const template = await addTemplate(sql, account, ids, { status: 'DRAFT' });
  const tables = [
    ['accounts', account.id, OWN_ACCOUNT, STAFF_ACCOUNT, NOBODYS_ACCOUNT],
    ['templates', template.id, OWN_TEMPLATE, STAFF_TEMPLATE, NOBODYS_TEMPLATE],
  ];
  for (const [table, id, own, staff, nobodys] of tables) {
    const set = (who, column, value) =>
      attempt(who, `update whatsapp.${table} set ${column} = ${value} where id = $1 returning id`, [id]);
    const columns = { ...own, ...staff, ...nobodys };
    const [{ all }] = await sql(
      `select array_agg(attname::text order by attname) as all from pg_attribute where attrelid = $1::regclass and attnum > 0`,
      [`whatsapp.${table}`],
    );
    assert.deepEqual(Object.keys(columns).sort(), all, 'every column is decided');
    for (const [column, value] of Object.entries(columns)) {
      const may = column in own ? [{ id }] : '42501';
      assert.deepEqual(await set(user(owner), column, value), may, `owner ${table}.${column}`);
      assert.deepEqual(
        await set(user(randomUUID()), column, value),
        column in nobodys ? '42501' : [],
        `stranger ${table}.${column}`,
      );
    }
    for (const [column, value] of Object.entries({ ...own, ...staff })) {
      assert.deepEqual(await set(user(randomUUID(), 'admin'), column, value), [{ id }], `admin ${table}.${column}`);
    }
    for (const [column, value] of Object.entries(nobodys)) {
      assert.deepEqual(await set(user(randomUUID(), 'admin'), column, value), '42501', `admin ${table}.${column}`);
      if (column === 'id') continue;
      assert.deepEqual(await set({ role: 'service_role' }, column, value), [{ id }], `service ${table}.${column}`);
    }
  }
});

test('one harmless column does not carry another along', async () => {
  const owner = randomUUID();
  const account = await addAccount(sql, freshIds(), { owner_id: owner, is_verified: false });
  const upsert = `insert into whatsapp.accounts (business_account_id, phone_number_id, phone_number) values ($1, $2, $3)
    on conflict (owner_id, phone_number_id) do update set business_account_id = excluded.business_account_id`;
  assert.equal(await attempt(user(owner), upsert, ['666', account.phone_number_id, account.phone_number]), '42501');
  assert.equal(
    await attempt(user(owner), `update whatsapp.accounts set display_name = 'x', is_verified = true where id = $1`, [
      account.id,
    ]),
    '42501',
  );
  assert.deepEqual(without(await accountNow(account.id), 'updated_at'), without(account, 'updated_at'));
});

test('an owner adds accounts of their own, unverified, and says nothing in Meta’s name', async () => {
  const owner = randomUUID();
  const add = (who, columns) => {
    const { waba, phoneId, phone } = freshIds();
    const row = {
      business_account_id: `'${waba}'`,
      phone_number_id: `'${phoneId}'`,
      phone_number: `'${phone}'`,
      ...columns,
    };
    return attempt(
      who,
      `insert into whatsapp.accounts (${Object.keys(row)}) values (${Object.values(row)}) returning owner_id, is_verified, is_active`,
    );
  };
  assert.deepEqual(await add(user(owner), { display_name: `'Shop'` }), [
    { owner_id: owner, is_verified: false, is_active: true },
  ]);
  assert.equal(await add(user(owner), { owner_id: `'${randomUUID()}'` }), '42501');
  for (const [column, value] of Object.entries({ ...STAFF_ACCOUNT, ...NOBODYS_ACCOUNT })) {
    if (['owner_id', 'business_account_id', 'phone_number_id', 'phone_number'].includes(column)) continue;
    const constant = { is_verified: 'true' }[column] ?? value;
    assert.equal(await add(user(owner), { [column]: constant }), '42501', column);
  }
  const someone = randomUUID();
  const made = await add(user(randomUUID(), 'admin'), { owner_id: `'${someone}'` });
  assert.deepEqual(made, [{ owner_id: someone, is_verified: false, is_active: true }], 'an admin, for somebody');
  const ids = freshIds();
  const twice = { phone_number_id: `'${ids.phoneId}'` };
  await add(user(owner), twice);
  assert.equal(await add(user(owner), twice), '23505', 'a number once');
  assert.ok(Array.isArray(await add(user(someone), twice)), 'a number that another account has');
});

test('a template’s account is the owner’s own; another’s and none at all are refused alike', async () => {
  const owner = randomUUID();
  const account = await addAccount(sql, freshIds(), { owner_id: owner });
  const foreign = await addAccount(sql, freshIds());
  const add = async (who, id, name = 'hello') => {
    try {
      // Without `returning`, for which the policies of `select` would be asked.
      await as(who, (query) =>
        query(`insert into whatsapp.templates (account_id, template_name, language) values ($1, $2, 'en')`, [id, name]),
      );
      return (await templatesNow(id)).map((row) => row.status);
    } catch ({ code, message, detail, hint }) {
      return { code, message, detail, hint };
    }
  };
  assert.deepEqual(await add(user(owner), account.id), ['DRAFT']);
  const answers = [await add(user(owner), foreign.id), await add(user(owner), randomUUID())];
  assert.equal(answers[0].code, '42501');
  assert.deepEqual(answers[0], answers[1]);
  assert.equal((await add(user(owner), account.id)).code, '23505', 'a name in a language once');
  assert.deepEqual(await add(user(randomUUID(), 'admin'), foreign.id), ['DRAFT']);
  // Neither is one moved to another's account, though every column were granted.
  await transaction(async (run) => {
    await run('grant update on whatsapp.templates to authenticated');
    await run(`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)`, [
      JSON.stringify({ sub: owner, role: 'authenticated' }),
    ]);
    await assert.rejects(
      run('update whatsapp.templates set account_id = $1 where account_id = $2', [foreign.id, account.id]),
      { code: '42501' },
    );
  });
});

test('an owner deletes their own, with all that hangs on it; nobody else’s', async () => {
  const owner = randomUUID();
  const ids = freshIds();
  const account = await addAccount(sql, ids, { owner_id: owner });
  const template = await addTemplate(sql, account, ids);
  await sql(`insert into private.whatsapp_access_tokens (account_id, sealed, key_version) values ($1, 'sealed', 1)`, [
    account.id,
  ]);
  await receive(delivery(ids.waba, KINDS.status[0](ids, 'APPROVED')));
  const remove = (who, table, id) => attempt(who, `delete from whatsapp.${table} where id = $1 returning id`, [id]);
  for (const [table, id] of [
    ['templates', template.id],
    ['accounts', account.id],
  ]) {
    assert.deepEqual(await remove(user(randomUUID()), table, id), []);
    assert.deepEqual(await remove(user(owner), table, id), [{ id }]);
  }
  const [left] = await sql(
    `select (select count(*) from private.whatsapp_access_tokens where account_id = $1)::int as tokens,
      (select count(*) from private.whatsapp_clocks where account_id = $1)::int as clocks`,
    [account.id],
  );
  assert.deepEqual(left, { tokens: 0, clocks: 0 });
});

test('a lead that is erased leaves the customer’s account', async () => {
  const [{ id: lead }] = await sql(
    `insert into marketing.leads (email, email_normalized, email_domain) values ($1::text, $1::text, 'example.org') returning id`,
    [`${randomUUID()}@example.org`],
  );
  const account = await addAccount(sql, freshIds(), { lead_id: lead });
  await sql('delete from marketing.leads where id = $1', [lead]);
  assert.equal((await accountNow(account.id)).lead_id, null);
});

test('what staff and owners change is audited; what every message moves is not', async () => {
  const ids = freshIds();
  const owner = randomUUID();
  const account = await addAccount(sql, ids, { owner_id: owner });
  const admin = randomUUID();
  await attempt(user(admin, 'admin'), `update whatsapp.accounts set quality_rating = 'GREEN' where id = $1`, [
    account.id,
  ]);
  await attempt(user(owner), `update whatsapp.accounts set display_name = 'x' where id = $1`, [account.id]);
  await receive(delivery(ids.waba, messages(ids, { statuses: [status(ids)], messages: [text(ids)] }), null));
  await receive(delivery(ids.waba, KINDS.tier[0](ids, '2K')));
  await receive(delivery(ids.waba, KINDS.tier[0](ids, '2K'), TIME + 1));
  const log = await sql(
    `select actor, actor_role, operation, columns from private.audit_log where relation = 'whatsapp.accounts' and row_id = $1 order by id`,
    [account.id],
  );
  assert.deepEqual(
    log.map(({ actor, actor_role: role, operation, columns }) => [actor, role, operation, columns]),
    [
      [null, 'postgres', 'INSERT', null],
      [admin, 'authenticated', 'UPDATE', ['quality_rating']],
      [owner, 'authenticated', 'UPDATE', ['display_name']],
      [null, 'edge', 'UPDATE', ['messages_limit_daily', 'messaging_limit_tier']],
    ],
  );
});

const BAD = {
  accounts: {
    accounts_business_account_id: { business_account_id: ['', 'abc', '1'.repeat(33), '1 ', '../1'] },
    accounts_phone_number_id_form: { phone_number_id: ['', 'abc', '1'.repeat(33), `1'`] },
    accounts_phone_number: { phone_number: ['', 'abc', '+', '1'.repeat(40), '+1\n555'] },
    accounts_display_name: { display_name: ['', 'x'.repeat(201)] },
    accounts_webhook_verify_token_hash: { webhook_verify_token_hash: ['\\x00'] },
    accounts_verification_status: { verification_status: ['', 'approved', 'TWO WORDS', 'X'.repeat(65)] },
    accounts_quality_rating: { quality_rating: ['green', '<b>'] },
    accounts_messaging_limit_tier: { messaging_limit_tier: ['tier', 'X'.repeat(65)] },
    accounts_throughput_level: { throughput_level: ['high!'] },
    accounts_name_status: { name_status: ['approved'] },
    accounts_messages_sent_today: { messages_sent_today: [-1] },
    accounts_messages_limit_daily: { messages_limit_daily: [-1] },
  },
  templates: {
    templates_template_name: { template_name: ['', 'Hello', 'a b', 'ü', 'a'.repeat(513)] },
    templates_language: { language: ['', 'e', 'english', 'en-US', 'en_', 'en US'] },
    templates_category: { category: ['marketing', ''] },
    templates_status: { status: ['approved', 'X'.repeat(65)] },
    templates_header_type: { header_type: ['text'] },
    templates_quality_score: { quality_score: ['green'] },
    templates_previous_category: { previous_category: ['utility'] },
    templates_parameter_format: { parameter_format: ['named'] },
    templates_whatsapp_template_id_form: { whatsapp_template_id: ['', 'x', '1'.repeat(33)] },
    templates_header_content: { header_content: ['x'.repeat(2001)] },
    templates_body_text: { body_text: ['x'.repeat(4097)] },
    templates_footer_text: { footer_text: ['x'.repeat(1001)] },
    templates_rejected_reason: { rejected_reason: ['x'.repeat(501)] },
    templates_buttons: { buttons: [{}, 5, 'x', ['x'.repeat(16384)]] },
    templates_components: { components: [{}, 5, ['x'.repeat(65536)]] },
  },
};

test('what has the wrong form or is too long is refused by name', async () => {
  const account = await addAccount(sql, freshIds());
  for (const [constraint, columns] of [...Object.entries(BAD.accounts), ...Object.entries(BAD.templates)]) {
    for (const [column, values] of Object.entries(columns)) {
      for (const value of values) {
        const ids = freshIds();
        const planting = constraint.startsWith('accounts')
          ? addAccount(sql, ids, { [column]: value })
          : addTemplate(sql, account, ids, { [column]: value });
        await assert.rejects(
          planting,
          { code: '23514', constraint },
          `${column} ${JSON.stringify(value).slice(0, 50)}`,
        );
      }
    }
  }
  const [{ checks }] = await sql(
    `select array_agg(conname::text order by conname) as checks from pg_constraint where contype = 'c' and conrelid in ('whatsapp.accounts'::regclass, 'whatsapp.templates'::regclass)`,
  );
  assert.deepEqual(
    Object.values(BAD)
      .flatMap((all) => Object.keys(all))
      .sort(),
    checks,
    'every check is tried',
  );
});

test('Meta’s words are taken as they come, even words of later days', async () => {
  const account = await addAccount(sql, freshIds(), {
    messaging_limit_tier: 'TIER_5M',
    quality_rating: 'PURPLE',
    throughput_level: 'NOT_APPLICABLE',
  });
  await addTemplate(sql, account, freshIds(), {
    category: 'AUTHENTICATION',
    language: 'zh_Hant_HK',
    parameter_format: 'POSITIONAL',
    header_type: 'PRODUCT',
  });
});

test('old deliveries are cleaned away, in bounded steps, and no others', async () => {
  const ids = freshIds();
  for (const n of [1, 2, 3]) await receive(delivery(ids.waba, change('security', { n })));
  await sql(
    `update private.webhook_inbox set received_at = timestamptz '2000-01-01' + make_interval(days => (payload #>> '{value,n}')::int) where business_account_id = $1`,
    [ids.waba],
  );
  const clean = async (before) => (await sql('select private.clean_webhook_inbox($1) as count', [before]))[0].count;
  assert.equal(await clean('2000-01-03T12:00:00Z'), '2');
  assert.equal(await clean('2000-01-03T12:00:00Z'), '0');
  assert.equal(await clean(null), '0');
  assert.equal((await inbox(ids)).length, 1);
});

test('all that the inbox has of a person is found by their number, however it is written, and by their WhatsApp id', async () => {
  const ids = freshIds();
  const other = freshIds();
  const bsuid = `US.${ids.waba}`;
  const sent = [
    messages(ids, { contacts: [{ wa_id: ids.user, user_id: bsuid }], messages: [text(ids)] }),
    messages(ids, { statuses: [status(ids)] }),
    messages(ids, {
      statuses: [status(ids, { id: `${ids.wamid}g`, recipient_id: 'Y2Fw', recipient_participant_id: ids.user })],
    }),
    // By the id alone.
    messages(ids, { messages: [{ id: `${ids.wamid}b`, from_user_id: bsuid, type: 'text', text: { body: 'x' } }] }),
    ...EVENTS.filter(({ name }) => /^(history|smb_|user_|group_|calls)/.test(name)).map(
      ({ payload }) => payload(ids).entry[0].changes[0],
    ),
    // Somebody else shows their card: it is that somebody's message.
    messages(other, {
      contacts: [{ wa_id: other.user, user_id: `US.${other.waba}` }],
      messages: [
        { ...text(other), type: 'contacts', contacts: [{ phones: [{ phone: `+${ids.user}`, wa_id: ids.user }] }] },
      ],
    }),
  ];
  const nobodys = [messages(other, { statuses: [status(other)] }), change('security', { event: 'PIN_CHANGED' })];
  await receive(delivery(ids.waba, [...sent, ...nobodys], null));
  const find = async (phone) =>
    (
      await sql(
        'select i.payload from private.webhook_inbox_of_phone($1) as id join private.webhook_inbox as i using (id)',
        [phone],
      )
    ).length;
  const us = ids.user;
  for (const written of [
    us,
    `+${us}`,
    `+1 (650) ${us.slice(4, 7)}-${us.slice(7)}`,
    `00${us}`,
    `+1.650.${us.slice(4)}`,
    bsuid,
  ]) {
    assert.equal(await find(written), sent.length - 1, written);
  }
  // By the ids that Meta gives instead of one another, and those of linked businesses.
  for (const id of ['2', 'ENT.1', 'ENT.2']) assert.equal(await find(`US.${id}${ids.waba}`), sent.length - 1, id);
  assert.equal(await find(other.user), 2);
  assert.equal(await find(`US.${other.waba}`), 2, 'nothing of whom the card is of');
  assert.equal(await find(ids.phone), 0, 'a business is nobody');
  for (const nobody of ['', '1', '+', null, 'x', 'US.', "'", '%', '1'.repeat(99)])
    assert.equal(await find(nobody), 0, `${nobody}`);
  await sql('delete from private.webhook_inbox where id in (select private.webhook_inbox_of_phone($1))', [us]);
  assert.equal(await find(us), 0);
  assert.equal(await find(other.user), 2);
});

const of = async (phone) =>
  (
    await sql(
      'select i.payload from private.webhook_inbox_of_phone($1) as id join private.webhook_inbox as i using (id) order by i.id',
      [phone],
    )
  ).map(({ payload }) => payload);

test('people who share nothing but a business, a chat or a delivery get nothing of each other', async () => {
  const ids = freshIds();
  const people = ['1', '2', '3'].map((n) => ({
    word: `secret${n}${ids.waba}`,
    phone: `49170${n}${ids.user.slice(4)}`,
    bsuid: `DE.${n}${ids.waba}`,
    parent: `DE.ENT.${n}${ids.waba}`,
  }));
  const contacts = people.map(({ word, phone, bsuid, parent }) => ({
    ...{ profile: { name: `name ${word}` }, wa_id: phone, user_id: bsuid, parent_user_id: parent },
  }));
  const others = (at) => people[(at + 1) % people.length];
  const business = { from: ids.phone, id: 'wamid.of the business' };
  const said = (at, more) => ({
    ...{
      id: `${ids.wamid}${at}${Object.keys(more)}`,
      type: 'text',
      timestamp: `${TIME}`,
      text: { body: people[at].word },
    },
    ...more,
  });
  const group = { recipient_type: 'group', recipient_id: '120363000000000000' };
  const each = (make) => people.map((person, at) => make(person, at));
  const sent = [
    // All answer the same business, and two quote each other.
    messages(ids, { contacts, messages: each(({ phone }, at) => said(at, { from: phone, context: business })) }),
    messages(ids, {
      contacts: contacts.toReversed(),
      messages: each(({ bsuid }, at) =>
        said(at, {
          from_user_id: bsuid,
          group_id: 'g',
          context: { from: others(at).phone, from_user_id: others(at).bsuid },
        }),
      ),
    }),
    messages(ids, { messages: each(({ parent }, at) => said(at, { from_parent_user_id: parent })) }),
    messages(ids, {
      contacts,
      statuses: each(({ bsuid, word }) =>
        status(ids, { id: `${ids.wamid}s`, ...group, recipient_participant_user_id: bsuid, note: word }),
      ),
    }),
    messages(ids, {
      statuses: each(({ phone, word }, at) => ({
        ...{ id: `${ids.wamid}f${at}`, status: 'failed', recipient_id: phone, errors: [{ message: word }] },
      })),
    }),
    change('smb_message_echoes', {
      contacts,
      message_echoes: each(({ phone, word }) => ({ from: '4930111111', to: phone, id: word })),
    }),
    change('calls', {
      metadata: { phone_number_id: ids.phoneId },
      calls: each(({ bsuid, word }, at) =>
        at % 2
          ? { from: '4930111111', to_user_id: bsuid, direction: 'BUSINESS_INITIATED', id: word }
          : { to: '4930111111', from_user_id: bsuid, direction: 'USER_INITIATED', id: word },
      ),
    }),
    change('history', {
      history: [
        {
          metadata: { phase: 0 },
          threads: each(({ phone, bsuid, word }, at) => ({
            ...(at ? { id: phone } : { context: { user_id: bsuid } }),
            messages: [
              { from: '4930111111', to: phone, text: { body: word } },
              { from: phone, text: { body: word } },
            ],
          })),
        },
      ],
    }),
    change('smb_app_state_sync', {
      state_sync: each(({ phone, word }) => ({ type: 'contact', contact: { full_name: word, phone_number: phone } })),
    }),
    change('user_preferences', {
      contacts,
      user_preferences: each(({ parent, word }) => ({ parent_user_id: parent, detail: word, value: 'stop' })),
    }),
    change('group_participants_update', {
      groups: [
        { group_id: 'g', added_participants: each(({ bsuid, word }) => ({ user_id: bsuid, username: word })) },
        { group_id: 'g', removed_participants: each(({ phone, word }) => ({ input: phone, username: word })) },
      ],
    }),
    change('user_id_update', {
      contacts,
      user_id_update: each(({ bsuid, parent, word }) => ({
        ...{ detail: word, user_id: { previous: `${bsuid}0`, current: bsuid }, parent_user_id: { current: parent } },
      })),
    }),
    change('a_list_of_2030', { new_things: each(({ bsuid, word }) => ({ to_user_id: bsuid, word })) }),
    // Of one thing that names several nobody knows whose it is.
    change('a_field_of_2030', { pair: { a: { from_user_id: people[0].bsuid }, b: { to_user_id: people[1].bsuid } } }),
  ];
  await receive(delivery(ids.waba, sent, null));
  for (const [at, { word, phone, bsuid, parent }] of people.entries()) {
    const all = await of(phone);
    const text = JSON.stringify(all);
    // Its own message each time, and in two of the lists one row for what is added and for what is removed.
    assert.equal(all.length, sent.length, text);
    assert.ok(
      all.every((payload) => JSON.stringify(payload).includes(word)),
      text,
    );
    for (const other of people.filter((_, n) => n !== at))
      assert.ok(!text.includes(other.word), `${other.word}: ${text}`);
    for (const name of [bsuid, parent, `${bsuid}0`]) assert.equal((await of(name)).length, all.length, name);
  }
  assert.deepEqual([await of(ids.phone), await of('4930111111'), await of('120363000000000000')], [[], [], []]);
});

test('the number of a verified account is nobody’s where a delivery does not say which number is the business’s', async () => {
  const ids = freshIds();
  await addAccount(sql, ids);
  const value = { messages: [{ ...text(ids), from: ids.phone, to: ids.user }] };
  await receive(delivery(ids.waba, change('messages', value), null));
  assert.equal((await of(ids.phone)).length, 0);
  assert.equal((await of(ids.user)).length, 1);
});

test('a contact whose message is not there is a row of its own, and what speaks of others does not stay with a message', async () => {
  const ids = freshIds();
  const other = freshIds();
  const whole = messages(ids, {
    contacts: [{ wa_id: ids.user }, { wa_id: other.user, profile: { name: 'Other' } }],
    messages: [text(ids)],
    novelty: { about: { wa_id: other.user } },
    errors: [{ code: 1 }],
  });
  assert.equal((await receive(delivery(ids.waba, whole, null))).stored, 3);
  assert.deepEqual(
    (await of(ids.user)).map(({ value }) => [value.messages.length, value.contacts]),
    [[1, [{ wa_id: ids.user }]]],
  );
  assert.equal((await of(other.user)).length, 2);
  assert.equal((await receive(delivery(ids.waba, whole, null))).repeated, 3);
});

test('a number that has had another owner does not lead to what is theirs', async () => {
  const ids = freshIds();
  const [before, now] = [`US.1${ids.waba}`, `US.2${ids.waba}`];
  const from = (bsuid, n) => ({ ...text(ids, { id: `${ids.wamid}${n}` }), from_user_id: bsuid });
  await receive(delivery(ids.waba, messages(ids, { messages: [from(before, 1), from(now, 2)] }), null));
  assert.equal((await of(before)).length, 1);
  assert.equal((await of(now)).length, 1);
});

test('every status of a group is kept, whichever field distinguishes its participants', async () => {
  const ids = freshIds();
  const group = { status: 'read', recipient_type: 'group', recipient_id: 'Y2Fw' };
  const statuses = [
    { recipient_participant_id: ids.user },
    { recipient_participant_id: `${ids.user}1` },
    { recipient_participant_user_id: `US.1${ids.waba}` },
    { recipient_participant_user_id: `US.2${ids.waba}` },
    { recipient_participant_parent_user_id: `US.ENT.1${ids.waba}` },
    { recipient_participant_parent_user_id: `US.ENT.2${ids.waba}` },
    { participant_recipient_id: `${ids.user}2` },
    { recipient_participant_id: ids.user, recipient_participant_user_id: `US.3${ids.waba}` },
    { recipient_participant_id: ids.user, recipient_participant_user_id: `US.4${ids.waba}` },
    { recipient_user_id: `US.5${ids.waba}` },
    { recipient_user_id: `US.6${ids.waba}` },
    { something_of_2030: 1 },
    { something_of_2030: 2 },
  ];
  const sent = delivery(
    ids.waba,
    messages(ids, { statuses: statuses.map((more) => status(ids, { ...group, ...more })) }),
    null,
  );
  assert.equal((await receive(sent)).stored, statuses.length);
  assert.equal((await receive(sent)).repeated, statuses.length);
});

/** Any JSON: the same for a seed. */
const anyJson = (random) => {
  const scalars = [
    null,
    true,
    false,
    0,
    -1,
    1.5,
    1e21,
    12345678901234567890n,
    '',
    ' ',
    'x',
    '\ufffd',
    '0',
    `${TIME}`,
    '1e9',
    '{}',
    '[]',
    'DE.1',
    '+49',
    HUGE,
  ];
  const pick = (list) => list[Math.floor(random() * list.length)];
  const names = [
    'id',
    'from',
    'to',
    'type',
    'system',
    'threads',
    'context',
    'wa_id',
    'user_id',
    'timestamp',
    'status',
    'field',
    'value',
    'entry',
    '',
  ];
  const make = (depth) => {
    const roll = random();
    if (depth === 0 || roll < 0.5) return pick(scalars);
    const count = Math.floor(random() * 4);
    if (roll < 0.75) return Array.from({ length: count }, () => make(depth - 1));
    return Object.fromEntries(Array.from({ length: count }, () => [pick(names), make(depth - 1)]));
  };
  return make(4);
};
const seeded = (seed) => () => {
  // mulberry32
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};
const written = (value) => JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? Number(one) : one));

/** Every place of a JSON value, as the path to it. */
const places = (value, path = []) => [
  path,
  ...(value !== null && typeof value === 'object'
    ? Object.entries(value).flatMap(([key, inner]) => places(inner, [...path, key]))
    : []),
];
const replaced = (value, [key, ...path], by) => {
  if (key === undefined) return by;
  const copy = Array.isArray(value) ? [...value] : { ...value };
  copy[key] = replaced(value[key], path, by);
  return copy;
};

test('any JSON in any place of any item of a delivery costs that item only', async () => {
  const random = seeded(13);
  let count = 0;
  for (const { name, payload } of EVENTS) {
    const good = freshIds();
    await addAccount(sql, good);
    const ids = freshIds();
    await addAccount(sql, ids);
    const [entry] = payload(ids).entry;
    const all = entry.changes.flatMap((one) => places(one).map((path) => ({ one, path })));
    // All of one event in one delivery, with good ones around.
    const bad = all.map(({ one, path }) => replaced(one, path, anyJson(random)));
    const sent = {
      object: 'whatsapp_business_account',
      entry: [
        { id: good.waba, changes: [messages(good, { statuses: [status(good, { id: `${good.wamid}1` })] })] },
        ...bad.map((one, n) => ({ id: ids.waba, time: TIME + n, changes: [one] })),
        { id: anyJson(random), time: anyJson(random), changes: bad.slice(0, 3) },
        { id: ids.waba, time: TIME, changes: anyJson(random) },
        anyJson(random),
        { id: good.waba, changes: [messages(good, { statuses: [status(good, { id: `${good.wamid}2` })] })] },
      ],
    };
    const [{ answer }] = await as({ role: 'edge' }, (query) =>
      query('select whatsapp.receive_webhook($1) as answer', [written(sent)]),
    );
    assert.ok(answer.stored >= 2, name);
    const kept = (await inbox(good)).filter(({ outcome, event }) => outcome === 'applied' && event === 'sent');
    assert.equal(kept.length, 2, name);
    count += bad.length;
  }
  assert.ok(count > 1000, `${count} places`);
});

test('a change that cannot be read is kept whole, and costs no other', async () => {
  const ids = freshIds();
  await addAccount(sql, ids);
  await transaction(async (run) => {
    await run(`create or replace function private.whatsapp_person(kind text, item jsonb, own_names text[]) returns text[]
      language plpgsql immutable set search_path = '' as
      'begin if kind = ''calls'' then raise numeric_value_out_of_range; end if; return ''{}''; end'`);
    const sent = delivery(ids.waba, [
      messages(ids, { statuses: [status(ids)] }),
      change('calls', { calls: [{ from: ids.user }] }),
      messages(ids, { statuses: [status(ids, { id: `${ids.wamid}2` })] }),
    ]);
    const [{ answer }] = await run('select whatsapp.receive_webhook($1) as answer', [JSON.stringify(sent)]);
    assert.deepEqual(answer, { stored: 3, repeated: 0, applied: 2, outdated: 0, unknown: 1 });
  });
});

test('a delivery by PostgREST: the edge’s token only, 4xx for what is wrong, and the answer as JSON', async () => {
  const ids = freshIds();
  await addAccount(sql, ids);
  const call = (token, body) =>
    ask('/rpc/receive_webhook', {
      base: stack.postgrest_url,
      token,
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', 'content-profile': 'whatsapp' },
    });
  const edge = await edgeToken({ role: 'edge' });
  const body = JSON.stringify({ payload: delivery(ids.waba, messages(ids, { statuses: [status(ids)] }), null) });
  const good = await call(edge, body);
  assert.deepEqual([good.status, good.body], [200, { stored: 1, repeated: 0, applied: 1, outdated: 0, unknown: 0 }]);
  assert.equal((await call(await userToken(), body)).status, 403);
  assert.equal((await call(stack.service_key, body)).status, 403);
  for (const bad of [
    '{}',
    '[]',
    'null',
    '5',
    '{"payload": null}',
    '{"payload": 5}',
    '{"payload": {"entry": {}}}',
    '{"payload": "\\u0000"}',
    '{',
    '{"payload": {"entry": [], "object": "page"}}',
  ]) {
    const { status: code } = await call(edge, bad);
    assert.ok(code >= 400 && code < 500, `${bad}: ${code}`);
  }
});

test('what is asked for is found by an index', async () => {
  await transaction(async (run) => {
    const owner = randomUUID();
    await run(
      `insert into whatsapp.accounts (owner_id, business_account_id, phone_number_id, phone_number, is_verified)
       select case when n = 1 then $1 else gen_random_uuid() end, (5000000 + n)::text, (6000000 + n)::text, '+49 30 ' || 100000 + n, true
       from generate_series(1, 5000) as n`,
      [owner],
    );
    await run(
      `insert into whatsapp.templates (account_id, template_name, language, status, whatsapp_template_id)
       select a.id, 'name_' || n, 'en', case when n = 1 then 'REJECTED' else 'APPROVED' end, (9000000 + row_number() over ())::text
       from whatsapp.accounts as a, generate_series(1, 4) as n`,
    );
    await run(
      `insert into private.webhook_inbox (source, dedupe_key, received_at, happened_at, field, business_account_id, people, payload)
       select 'whatsapp', 'fixture ' || n, now() - make_interval(mins => n), now(), case when n % 50 = 0 then 'security' else 'messages' end,
         (5000000 + n % 5000)::text, array[(4915000000 + n)::text], '{}' from generate_series(1, 20000) as n`,
    );
    await run('analyze whatsapp.accounts, whatsapp.templates, private.webhook_inbox');
    const [{ id }] = await run('select id from whatsapp.accounts where owner_id = $1', [owner]);
    const plans = {
      accounts_phone_number_id: `select from whatsapp.accounts where is_verified and phone_number_id = '6000007'`,
      accounts_business: `select from whatsapp.accounts where is_verified and business_account_id = '5000007'`,
      accounts_owner: `select from whatsapp.accounts where owner_id = '${owner}'`,
      accounts_lead_id: `select from whatsapp.accounts where lead_id = '${owner}'`,
      templates_account_name_language: `select from whatsapp.templates where account_id = '${id}' and template_name = 'name_1' and language = 'en'`,
      templates_whatsapp_template_id: `select from whatsapp.templates where account_id = '${id}' and whatsapp_template_id = '9000001'`,
      templates_account_status: `select from whatsapp.templates where account_id = '${id}' and status = 'APPROVED' order by updated_at desc limit 5`,
      templates_status: `select from whatsapp.templates where status = 'REJECTED' order by last_event_at desc limit 20`,
      webhook_inbox_people: `select private.webhook_inbox_of_phone('4915000007') limit 1`,
      webhook_inbox_received_at: `select from private.webhook_inbox where received_at < now() - interval '20000 minutes' + interval '1 hour' order by received_at limit 100`,
      webhook_inbox_business: `select from private.webhook_inbox where business_account_id = '5000050' and field <> 'messages' order by id desc limit 1000`,
    };
    for (const [index, query] of Object.entries(plans)) {
      if (index === 'webhook_inbox_people') continue;
      const lines = (await run(`explain ${query}`)).map((row) => row['QUERY PLAN']).join('\n');
      assert.match(lines, new RegExp(`using ${index}\\b|Scan on ${index}\\b`), lines);
    }
    const people = (await run(`explain select from private.webhook_inbox where people && array['4915000007']`))
      .map((row) => row['QUERY PLAN'])
      .join('\n');
    assert.match(people, /webhook_inbox_people/, people);
  });
});
