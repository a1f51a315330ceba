// Members: invitations by address, roles, deactivation, leaving; an owner stays, also under simultaneous changes.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { close, freshEmail, sql } from '../../support/stack.js';
import {
  asServer,
  asUser,
  codeOf,
  forget,
  makeConversation,
  makeFeedback,
  makeMember,
  makeTenant,
  makeUsage,
} from '../support/world.js';

const tenants = [];
after(async () => {
  await forget(...tenants);
  await close();
});

/** A tenant with a member of each role, by account: {tenant, member, admin, owner}. */
const company = async (fields) => {
  const tenant = await makeTenant(fields);
  tenants.push(tenant);
  const people = {};
  for (const role of ['member', 'admin', 'owner']) people[role] = await makeMember(tenant.id, role);
  return { tenant, ...people };
};
const invite = async (sub, tenant, email, role = 'member', name = null) =>
  (await asUser(sub, 'select assistant.invite_member($1, $2, $3, $4) as made', [tenant.id, email, role, name]))[0].made;
const change = async (sub, id, { role = null, is_active = null }) =>
  (await asUser(sub, 'select assistant.change_member($1, $2, $3) as made', [id, role, is_active]))[0].made;
const verified = (email) => ({ email, email_verified: true });
const invitations = async (sub, claims) =>
  (await asUser(sub, 'select assistant.my_invitations() as list', [], claims))[0].list.invitations;
const join = async (sub, id, claims) =>
  (await asUser(sub, 'select assistant.join_tenant($1) as made', [id], claims))[0].made;
const leave = async (sub, tenant = null) =>
  (await asUser(sub, 'select assistant.leave_tenant($1) as made', [tenant]))[0].made;
const rowOf = async (id) => (await sql('select * from assistant.users where id = $1', [id]))[0];
const me = async (sub) => (await asUser(sub, 'select (assistant.me()).*'))[0];

test('who is invited joins with the verified address, in any spelling, and sees the tenant from then on', async () => {
  const { tenant, admin } = await company();
  const email = freshEmail();
  const made = await invite(admin.auth_id, tenant, ` ${email.toUpperCase()} `, 'admin', 'Ada');
  assert.deepEqual(made, {
    id: made.id,
    tenant_id: tenant.id,
    email: email.toUpperCase(),
    name: 'Ada',
    role: 'admin',
    status: 'invited',
  });
  const sub = randomUUID();
  assert.deepEqual(await invitations(sub, verified(email)), [
    {
      id: made.id,
      tenant_id: tenant.id,
      tenant: tenant.name,
      role: 'admin',
      expires_at: (await invitations(sub, verified(email)))[0].expires_at,
    },
  ]);
  assert.equal((await me(sub)).id, null);
  assert.deepEqual(await join(sub, made.id, verified(email)), { id: made.id, tenant_id: tenant.id, role: 'admin' });
  assert.deepEqual(await me(sub), {
    ...{ id: made.id, tenant_id: tenant.id },
    ...{ role: 'admin', is_private: false, usage_of: null },
  });
  assert.deepEqual(await invitations(sub, verified(email)), []);
  assert.equal((await asUser(sub, 'select id from assistant.tenants')).length, 1);
});

test('invitations and changes of members count against the daily allowance of who makes them', async () => {
  const { tenant, owner } = await company();
  const used = async () =>
    (
      await sql(`select rows::int from private.daily_usage where name = 'assistant' and caller = $1`, [
        `user ${owner.auth_id}`,
      ])
    )[0]?.rows;
  const { id } = await invite(owner.auth_id, tenant, freshEmail());
  assert.equal(await used(), 1);
  await change(owner.auth_id, id, { is_active: false });
  assert.equal(await used(), 2);
});

test('an API token makes somebody a member if its scope has the system', async () => {
  const { tenant, member } = await company();
  const { messages } = await makeConversation(member, ['a question']);
  await makeFeedback(messages[0].id, member.id);
  await makeUsage(tenant.id, member.id);
  const seen = async (systems) => {
    const claims = { api_token: { id: randomUUID(), systems, endpoints: [], access: 'read' } };
    const found = [(await asUser(member.auth_id, 'select assistant.my_tenant() as id', [], claims))[0].id];
    for (const table of ['tenants', 'users', 'conversations', 'messages', 'feedback', 'usage_metrics'])
      found.push(
        ...(await asUser(member.auth_id, `select '${table}' as name from assistant.${table} limit 1`, [], claims)),
      );
    return found.map((each) => each?.name ?? each);
  };
  assert.deepEqual(await seen(['assistant']), [
    tenant.id,
    ...['tenants', 'users', 'conversations', 'messages', 'feedback', 'usage_metrics'],
  ]);
  assert.deepEqual(await seen(['clixen']), [null]);
});

test('an invitation says nothing of who has an account, or is a member elsewhere', async () => {
  const { tenant, admin } = await company();
  const other = await company();
  const [known, unknown] = [other.member.email, freshEmail()];
  const answers = [];
  for (const email of [known, unknown]) {
    const { id, email: shown, ...answer } = await invite(admin.auth_id, tenant, email);
    assert.equal(shown, email);
    answers.push(answer);
  }
  assert.deepEqual(answers[0], answers[1]);
  const rows = await asUser(
    admin.auth_id,
    'select auth_id, is_active, last_active_at from assistant.users where email = any ($1)',
    [[known, unknown]],
  );
  assert.deepEqual(rows[0], rows[1]);
  assert.equal(rows.length, 2);
});

test('without the address, or without its verification, there is no invitation', async () => {
  const { tenant, admin } = await company();
  const email = freshEmail();
  const { id } = await invite(admin.auth_id, tenant, email);
  const CLAIMS = [
    {},
    { email },
    { email, email_verified: false },
    { email, email_verified: 'true' },
    { user_metadata: { email, email_verified: true } },
    verified(freshEmail()),
    verified(`x${email}`),
  ];
  for (const claims of CLAIMS) {
    const sub = randomUUID();
    assert.deepEqual(await invitations(sub, claims), [], JSON.stringify(claims));
    assert.equal(await codeOf(join(sub, id, claims)), 'RG692', JSON.stringify(claims));
    assert.equal(await codeOf(join(sub, randomUUID(), claims)), 'RG692');
  }
  assert.equal((await rowOf(id)).auth_id, null);
});

test('an invitation is renewed, taken back, and ends after 30 days; a job deletes it', async () => {
  const { tenant, admin } = await company();
  const email = freshEmail();
  const first = await invite(admin.auth_id, tenant, email);
  const again = await invite(admin.auth_id, tenant, email.toUpperCase(), 'admin');
  assert.deepEqual([again.id, again.role, again.email], [first.id, 'admin', email]);
  assert.equal((await change(admin.auth_id, first.id, { is_active: false })).status, 'deactivated');
  assert.deepEqual(await invitations(randomUUID(), verified(email)), []);
  assert.equal(await codeOf(join(randomUUID(), first.id, verified(email))), 'RG692');
  assert.equal(await codeOf(change(admin.auth_id, first.id, { is_active: true })), 'RG699');
  const next = await invite(admin.auth_id, tenant, email);
  assert.notEqual(next.id, first.id);
  const age = async (days) => {
    await sql('alter table assistant.users disable trigger users_updated_at');
    await sql(`update assistant.users set updated_at = now() - make_interval(days => $2) where id = $1`, [
      next.id,
      days,
    ]);
    await sql('alter table assistant.users enable trigger users_updated_at');
  };
  await age(29);
  assert.equal((await invitations(randomUUID(), verified(email))).length, 1);
  await age(31);
  assert.deepEqual(await invitations(randomUUID(), verified(email)), []);
  assert.equal(await codeOf(join(randomUUID(), next.id, verified(email))), 'RG692');
  await sql('select private.clean_member_invitations()');
  assert.equal(await rowOf(next.id), undefined);
  assert.ok(await rowOf(admin.id), 'members stay');
});

test('an account is a member of one tenant: it leaves one before it joins another', async () => {
  const one = await company();
  const other = await company();
  const email = freshEmail();
  const claims = verified(email);
  const [first, second] = [
    await invite(one.admin.auth_id, one.tenant, email),
    await invite(other.admin.auth_id, other.tenant, email),
  ];
  const sub = randomUUID();
  await join(sub, first.id, claims);
  assert.equal((await invitations(sub, claims)).length, 1);
  assert.equal(await codeOf(join(sub, second.id, claims)), 'RG697');
  const talk = await makeConversation({ id: first.id, tenant_id: one.tenant.id }, ['What was said']);
  assert.equal(await codeOf(leave(sub, other.tenant.id)), 'RG691', 'a tenant that is not the caller’s');
  assert.deepEqual(await leave(sub, one.tenant.id), { status: 'left' });
  assert.equal((await me(sub)).id, null);
  assert.equal(await codeOf(leave(sub)), 'RG680');
  await join(sub, second.id, claims);
  assert.equal((await me(sub)).tenant_id, other.tenant.id);
  assert.equal(await codeOf(leave(sub, one.tenant.id)), 'RG691', 'a repeated request leaves no other one');
  // Messages stay, and the next owner of the address does not see them.
  assert.equal((await sql('select id from assistant.conversations where id = $1', [talk.id])).length, 1);
  const third = await invite(one.admin.auth_id, one.tenant, email);
  assert.notEqual(third.id, first.id);
});

test('simultaneous acceptances make one membership', async () => {
  const email = freshEmail();
  const claims = verified(email);
  const sub = randomUUID();
  const ids = [];
  for (let n = 0; n < 5; n += 1) {
    const { tenant, admin } = await company();
    ids.push((await invite(admin.auth_id, tenant, email)).id);
  }
  const codes = await Promise.all(ids.map((id) => codeOf(join(sub, id, claims))));
  assert.deepEqual(codes.sort(), ['RG697', 'RG697', 'RG697', 'RG697', null]);
  // Two accounts of one address take one invitation once.
  const { tenant, admin } = await company();
  const { id } = await invite(admin.auth_id, tenant, freshEmail().replace('@', '+x@'));
  const { email: address } = await rowOf(id);
  const both = await Promise.all([1, 2, 3].map(() => codeOf(join(randomUUID(), id, verified(address)))));
  assert.deepEqual(both.filter((code) => code === null).length, 1);
});

/** Who may invite and change whom: the code of the refusal, or null. */
const ROLES = {
  member: {
    invite: { member: 'RG681', admin: 'RG681', owner: 'RG681' },
    change: { member: 'RG681', admin: 'RG681', owner: 'RG681' },
  },
  admin: {
    invite: { member: null, admin: null, owner: 'RG681' },
    change: { member: null, admin: null, owner: 'RG681' },
  },
  owner: { invite: { member: null, admin: null, owner: null }, change: { member: null, admin: null, owner: null } },
};

for (const [role, { invite: invites, change: changes }] of Object.entries(ROLES)) {
  test(`what a ${role} may decide about others`, async () => {
    const { tenant, ...people } = await company();
    const { auth_id: sub } = people[role];
    for (const [other, code] of Object.entries(invites))
      assert.equal(await codeOf(invite(sub, tenant, freshEmail(), other)), code, `invite ${other}`);
    for (const [other, code] of Object.entries(changes)) {
      const target = await makeMember(tenant.id, other);
      assert.equal(await codeOf(change(sub, target.id, { is_active: false })), code, `deactivate ${other}`);
      assert.equal(await codeOf(change(sub, target.id, { is_active: true })), code, `bring back ${other}`);
      assert.equal(await codeOf(change(sub, target.id, { role: 'member' })), code, `demote ${other}`);
    }
    const plain = await makeMember(tenant.id);
    assert.equal(await codeOf(change(sub, plain.id, { role: 'owner' })), changes.owner, 'make an owner');
    // Nobody writes rows of members by hand.
    for (const statement of [
      `update assistant.users set role = 'owner' where tenant_id = $1`,
      `update assistant.users set is_active = true where tenant_id = $1`,
      `update assistant.users set auth_id = gen_random_uuid() where tenant_id = $1`,
      `update assistant.users set email = 'x@example.org' where tenant_id = $1`,
      `insert into assistant.users (tenant_id, email) values ($1, 'x@example.org')`,
      'delete from assistant.users where tenant_id = $1',
    ])
      assert.equal(await codeOf(asUser(sub, statement, [tenant.id])), '42501', statement);
    const named = await asUser(sub, `update assistant.users set name = 'Me' where tenant_id = $1 returning id`, [
      tenant.id,
    ]);
    assert.deepEqual(named, [{ id: people[role].id }], 'one’s own name only');
  });
}

test('an admin or owner of one tenant is nobody in another: what is there does not exist for them', async () => {
  const [here, there] = [await company(), await company()];
  const state = () => sql('select * from assistant.users where tenant_id = $1 order by id', [there.tenant.id]);
  const before = await state();
  for (const role of ['admin', 'owner']) {
    const { auth_id: sub } = here[role];
    for (const id of [there.tenant.id, randomUUID()]) {
      assert.equal(await codeOf(invite(sub, { id }, freshEmail())), 'RG691', role);
      assert.equal(await codeOf(asUser(sub, 'select assistant.remove_provider_key($1)', [id])), 'RG691', role);
    }
    for (const { id } of [there.member, there.owner, { id: randomUUID() }])
      for (const changes of [{ role: 'admin' }, { is_active: false }])
        assert.equal(await codeOf(change(sub, id, changes)), 'RG692', role);
  }
  assert.deepEqual(await state(), before);
});

test('wrong invitations and changes are refused', async () => {
  const { tenant, owner, member } = await company();
  for (const email of ['nobody', 'a@b', 'a b@example.org', 'a@exämple.org', '', null, `${'x'.repeat(300)}@example.org`])
    assert.equal(await codeOf(invite(owner.auth_id, tenant, email)), 'RG699', email);
  assert.equal(await codeOf(invite(owner.auth_id, tenant, freshEmail(), 'root')), 'RG699');
  assert.equal(await codeOf(invite(owner.auth_id, tenant, freshEmail(), null)), 'RG699');
  assert.equal(await codeOf(invite(owner.auth_id, tenant, freshEmail(), 'member', 'x'.repeat(121))), 'RG699');
  assert.equal(await codeOf(invite(owner.auth_id, tenant, member.email)), 'RG697');
  await change(owner.auth_id, member.id, { is_active: false });
  assert.equal(
    await codeOf(invite(owner.auth_id, tenant, member.email)),
    'RG697',
    'a deactivated member is brought back, not invited',
  );
  assert.equal(await codeOf(change(owner.auth_id, member.id, {})), 'RG699');
  assert.equal(await codeOf(change(owner.auth_id, member.id, { role: 'root' })), 'RG699');
  await sql(
    `insert into assistant.users (tenant_id, email) select $1, n || '-' || gen_random_uuid() || '@example.org' from generate_series(1, 500) as n`,
    [tenant.id],
  );
  assert.equal(await codeOf(invite(owner.auth_id, tenant, freshEmail())), 'RG699', '500 invitations are open');
});

test('the last owner stays: neither demoted, deactivated nor gone, also by two owners at once', async () => {
  const { tenant, owner } = await company();
  const open = await invite(owner.auth_id, tenant, freshEmail(), 'owner');
  for (const attempt of [{ role: 'admin' }, { is_active: false }])
    assert.equal(await codeOf(change(owner.auth_id, owner.id, attempt)), 'RG693', 'an invited owner does not count');
  assert.equal(await codeOf(leave(owner.auth_id)), 'RG693');
  assert.equal(
    await codeOf(asServer('select assistant.change_member($1, $2)', [owner.id, 'member'])),
    'RG693',
    'not even by a server',
  );
  assert.equal(
    await codeOf(change(owner.auth_id, open.id, { is_active: false })),
    null,
    'the invitation is taken back',
  );
  for (let round = 0; round < 5; round += 1) {
    const [one, two] = [await makeMember(tenant.id, 'owner'), await makeMember(tenant.id, 'owner')];
    await sql(`update assistant.users set role = 'member' where tenant_id = $1 and id <> all ($2)`, [
      tenant.id,
      [one.id, two.id],
    ]);
    const codes = await Promise.all([
      codeOf(change(one.auth_id, two.id, { role: 'member' })),
      codeOf(change(two.auth_id, one.id, { is_active: false })),
      codeOf(leave(one.auth_id)),
      codeOf(leave(two.auth_id)),
    ]);
    const [{ owners }] = await sql(
      `select count(*)::int as owners from assistant.users where tenant_id = $1 and role = 'owner' and is_active and auth_id is not null`,
      [tenant.id],
    );
    assert.equal(owners, 1, codes.join());
  }
});

test('who is deactivated, and who belongs to a closed tenant, is out at the next statement', async () => {
  const { tenant, member, admin, owner } = await company();
  await makeConversation(member, ['a question']);
  const sees = async ({ auth_id }) => {
    const counts = [];
    for (const table of ['tenants', 'users', 'conversations', 'messages'])
      counts.push((await asUser(auth_id, `select from assistant.${table}`)).length > 0);
    return counts;
  };
  const [all, none] = [Array(4).fill(true), Array(4).fill(false)];
  assert.deepEqual(await sees(member), all);
  await change(admin.auth_id, member.id, { is_active: false });
  assert.deepEqual(await sees(member), none);
  assert.equal(await codeOf(asUser(member.auth_id, 'insert into assistant.conversations default values')), '42501');
  await change(admin.auth_id, member.id, { is_active: true });
  assert.deepEqual(await sees(member), all);
  await change(owner.auth_id, admin.id, { is_active: false });
  assert.equal(await codeOf(invite(admin.auth_id, tenant, freshEmail())), 'RG691');
  assert.equal(await codeOf(change(admin.auth_id, member.id, { role: 'admin' })), 'RG680');
  await asServer('select assistant.change_tenant($1, $2)', [tenant.id, '{"is_active": false}']);
  for (const who of [member, admin, owner]) assert.deepEqual(await sees(who), none);
  assert.equal(await codeOf(invite(owner.auth_id, tenant, freshEmail())), 'RG691');
  assert.equal(await codeOf(leave(member.auth_id)), null, 'one may leave a closed tenant');
});

test('an invitation of a closed tenant is void', async () => {
  const { tenant, admin } = await company();
  const email = freshEmail();
  const { id } = await invite(admin.auth_id, tenant, email);
  await sql('update assistant.tenants set is_active = false where id = $1', [tenant.id]);
  assert.deepEqual(await invitations(randomUUID(), verified(email)), []);
  assert.equal(await codeOf(join(randomUUID(), id, verified(email))), 'RG692');
});
