// The endpoints of Supabase Auth that supabase-js uses for e-mail and password. Each takes what the request says and gives
// {status, body} or {status, location}.
import { decodeJwt, importJWK, jwtVerify } from 'jose';
import { AUDIENCE, jwks, token } from '../issuer.js';
import { AccountError, refuse } from './errors.js';
import { emailOf, newPasswordOf } from './input.js';
import { hashOfCode, LIFE_SECONDS, linesOf, newCode } from './messages.js';
import { hashOf, isPassword } from './passwords.js';
import { endSession, endSessions, methodsOf, refresh, startSession } from './sessions.js';
import { isBanned, userOf } from './users.js';

/** An access token's life, as Supabase has it by default. */
const TOKEN_SECONDS = 3600;

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

const ok = (body) => ({ status: 200, body });

const noPhone = ({ phone }) => phone && refuse(400, 'phone_provider_disabled', 'Phone logins are disabled');

/** The answer for somebody who has signed in: claims as https://supabase.com/docs/guides/auth/jwt-fields lists them. */
const signedIn = async ({ made, issuer }, query, user, { session, refreshToken }) => {
  const claims = {
    email: user.email,
    phone: '',
    app_metadata: user.raw_app_meta_data,
    user_metadata: user.raw_user_meta_data,
    aal: session.aal,
    amr: await methodsOf(query, session.id),
    session_id: session.id,
    is_anonymous: user.is_anonymous,
  };
  const accessToken = await token(made, { issuer, sub: user.id, role: user.role, claims, ttl: TOKEN_SECONDS });
  return {
    access_token: accessToken,
    token_type: 'bearer',
    expires_in: TOKEN_SECONDS,
    expires_at: decodeJwt(accessToken).exp,
    refresh_token: refreshToken,
    user: userOf(user),
  };
};

/** Notes that a user signs in, and starts the session. */
const signIn = async (context, query, id, method) => {
  const [user] = await query(
    `update auth.users set last_sign_in_at = now(), updated_at = now() where id = $1 returning *`,
    [id],
  );
  return signedIn(context, query, user, await startSession(query, id, method));
};

/** The user and the session of the request's token. */
const callerOf = async ({ made, issuer }, query, { authorization = '' }) => {
  const [, bearer] = /^bearer +(\S+)$/i.exec(authorization) ?? [];
  if (!bearer) refuse(401, 'no_authorization', 'This endpoint requires a valid Bearer token');
  const [key] = jwks(made).keys;
  const checks = { algorithms: ['ES256'], issuer, audience: AUDIENCE };
  const claims = await jwtVerify(bearer, await importJWK(key, 'ES256'), checks).then(
    ({ payload }) => payload,
    () => refuse(403, 'bad_jwt', 'invalid JWT: unable to parse or verify signature'),
  );
  if (!UUID.test(claims.sub)) refuse(403, 'bad_jwt', 'invalid claim: missing sub claim');
  const [user] = await query(`select * from auth.users where id = $1`, [claims.sub]);
  if (!user) refuse(403, 'user_not_found', 'User from sub claim in JWT does not exist');
  if (isBanned(user)) refuse(403, 'user_banned', 'User is banned');
  // A token of `npm run token` has no session.
  if (claims.session_id === undefined) return { user };
  const sessions = `select * from auth.sessions where id::text = $1 and user_id = $2`;
  const [session] = await query(sessions, [claims.session_id, user.id]);
  if (!session) refuse(403, 'session_not_found', 'Session from session_id claim in JWT does not exist');
  return { user, session };
};

const signUp = async (context, { body }) => {
  noPhone(body);
  if (!body.email) refuse(422, 'anonymous_provider_disabled', 'Anonymous sign-ins are disabled');
  if (!body.password) refuse(400, 'validation_failed', 'Signup requires a valid password');
  const password = await hashOf(newPasswordOf(body.password));
  const email = emailOf(body.email);
  return context.store.transaction(async (query) => {
    // Confirmed at once: nobody reads e-mail for a development system.
    const [user] = await query(
      `insert into auth.users (email, encrypted_password, raw_user_meta_data, email_confirmed_at)
       values ($1, $2, $3, now()) on conflict (email) do nothing returning id`,
      [email, password, JSON.stringify(body.data ?? {})],
    );
    // As documented where addresses need no confirmation: https://supabase.com/docs/reference/javascript/auth-signup
    if (!user) refuse(422, 'user_already_exists', 'User already registered');
    return ok(await signIn(context, query, user.id, 'password'));
  });
};

const byPassword = async (context, body) => {
  noPhone(body);
  if (!body.email) refuse(400, 'validation_failed', 'missing email or phone');
  const email = body.email.toLowerCase();
  const takeBack = context.limits.guess(`password ${email}`);
  const found = `select * from auth.users where email = $1`;
  const [user] = await context.store.transaction((query) => query(found, [email]));
  const wrong = () => refuse(400, 'invalid_credentials', 'Invalid login credentials');
  if (!(await isPassword(body.password ?? '', user?.encrypted_password))) wrong();
  takeBack();
  if (isBanned(user)) refuse(400, 'user_banned', 'User is banned');
  if (user.email_confirmed_at === null) refuse(400, 'email_not_confirmed', 'Email not confirmed');
  return context.store.transaction(async (query) => {
    const still = `select from auth.users where id = $1 and encrypted_password = $2 for update`;
    if ((await query(still, [user.id, user.encrypted_password])).length === 0) wrong();
    return ok(await signIn(context, query, user.id, 'password'));
  });
};

const byRefreshToken = async (context, { refresh_token: given }) => {
  if (!given) refuse(400, 'validation_failed', 'refresh_token required');
  const answer = await context.store.transaction(async (query) => {
    const { reused, session, refreshToken } = await refresh(query, given);
    if (reused) return undefined;
    const [user] = await query(`select * from auth.users where id = $1`, [session.user_id]);
    if (isBanned(user)) refuse(400, 'user_banned', 'Invalid Refresh Token: User Banned');
    return signedIn(context, query, user, { session, refreshToken });
  });
  // After the commit: the session has ended.
  return answer ? ok(answer) : refuse(400, 'refresh_token_already_used', 'Invalid Refresh Token: Already Used');
};

const GRANTS = { password: byPassword, refresh_token: byRefreshToken };

const grant = (context, { body, query }) => {
  const type = query.get('grant_type') ?? '';
  if (!Object.hasOwn(GRANTS, type)) refuse(400, 'invalid_credentials', 'unsupported_grant_type');
  return GRANTS[type](context, body);
};

const getUser = (context, { headers }) =>
  context.store.transaction(async (query) => ok(userOf((await callerOf(context, query, headers)).user)));

/** Prints a message with a new code; gives the hash to store. */
const send = ({ issuer, limits, say, origins }, { type, email, redirectTo, withLink }) => {
  limits.message(email);
  const { code, hash } = newCode(email);
  const base = `${issuer}/auth/v1`;
  const lines = linesOf({ type, email, code, hash, base, redirectTo: targetOf(origins, redirectTo), withLink });
  for (const line of lines) say(line);
  return hash;
};

/** Where a link leads: an address of an origin that may call the edge, or the first of these. */
const targetOf = (origins, wanted) => {
  const url = URL.canParse(wanted ?? '') ? new URL(wanted) : undefined;
  return url && origins.includes(url.origin) ? url.href : origins[0];
};

const MERGED = `(
  select coalesce(jsonb_object_agg(m.key, m.value), '{}')
  from jsonb_each(u.raw_user_meta_data || coalesce($4::jsonb, '{}')) as m
  where $4::jsonb is null or not $4::jsonb ? m.key or jsonb_typeof(m.value) <> 'null'
)`;

const changeUser = async (context, { body, headers, query: parameters }) => {
  noPhone(body);
  if (body.app_metadata !== undefined) {
    refuse(403, 'not_admin', 'Updating app_metadata requires admin privileges');
  }
  const { user, session } = await context.store.transaction((query) => callerOf(context, query, headers));
  const email = body.email ? emailOf(body.email) : user.email;
  let password;
  if (body.password !== undefined) {
    newPasswordOf(body.password);
    if (await isPassword(body.password, user.encrypted_password)) {
      refuse(422, 'same_password', 'New password should be different from the old password.');
    }
    password = await hashOf(body.password);
  }
  return context.store.transaction(async (query) => {
    if (email !== user.email) {
      const [other] = await query(`select from auth.users where email = $1`, [email]);
      if (other) refuse(422, 'email_exists', 'A user with this email address has already been registered');
    }
    const changed = await query(
      `update auth.users as u set
        encrypted_password = coalesce($3, u.encrypted_password), raw_user_meta_data = ${MERGED}, updated_at = now()
       where u.id = $1 and u.encrypted_password = $2 returning u.id`,
      [user.id, user.encrypted_password, password, body.data && JSON.stringify(body.data)],
    );
    if (changed.length === 0) refuse(409, 'conflict', 'The password has changed at the same time: sign in again');
    if (password) {
      // Codes and other sessions belong to somebody who knew the old one.
      await query(
        `update auth.users set recovery_token = null, recovery_sent_at = null,
          email_change = null, email_change_token_new = null, email_change_sent_at = null where id = $1`,
        [user.id],
      );
      await endSessions(query, user.id, session?.id);
    }
    if (email !== user.email) {
      const redirectTo = parameters.get('redirect_to');
      const hash = send(context, { type: 'email_change', email, redirectTo, withLink: !body.code_challenge });
      await query(
        `update auth.users set email_change = $2, email_change_token_new = $3, email_change_sent_at = now() where id = $1`,
        [user.id, email, hash],
      );
    }
    const [now] = await query(`select * from auth.users where id = $1`, [user.id]);
    return ok(userOf(now));
  });
};

const SCOPES = ['global', 'local', 'others'];

const signOut = (context, { headers, query: parameters }) => {
  const scope = parameters.get('scope') || 'global';
  if (!SCOPES.includes(scope)) refuse(400, 'validation_failed', 'Unsupported logout scope: global, local or others');
  return context.store.transaction(async (query) => {
    const { user, session } = await callerOf(context, query, headers);
    if (scope === 'local' && session) await endSession(query, session.id);
    else await endSessions(query, user.id, scope === 'others' ? session?.id : undefined);
    return { status: 204 };
  });
};

const settings = () =>
  ok({
    external: { anonymous_users: false, email: true, phone: false },
    disable_signup: false,
    mailer_autoconfirm: true,
    phone_autoconfirm: false,
    sms_provider: '',
    saml_enabled: false,
  });

const recover = async (context, { body, query: parameters }) => {
  if (!body.email) refuse(400, 'validation_failed', 'Password recovery requires an email');
  const email = emailOf(body.email);
  await context.store.transaction(async (query) => {
    const [user] = await query(`select id from auth.users where email = $1 for update`, [email]);
    // The pause holds for addresses without an account, too, or its refusal would tell which have one.
    if (!user) return context.limits.message(email);
    const redirectTo = parameters.get('redirect_to');
    const hash = send(context, { type: 'recovery', email, redirectTo, withLink: !body.code_challenge });
    await query(`update auth.users set recovery_token = $2, recovery_sent_at = now() where id = $1`, [user.id, hash]);
  });
  // Whether the address has an account is no answer's business.
  return ok({});
};

/** What a code of each type does; it is used up by that. `$2` is the code's life. */
const BY_RECOVERY = `update auth.users set recovery_token = null, recovery_sent_at = null
  where recovery_token = $1 and recovery_sent_at > now() - make_interval(secs => $2) and ($3::text is null or email = $3)
  returning *`;
const BY_EMAIL_CHANGE = `update auth.users set email = email_change, email_confirmed_at = now(), email_change = null,
    email_change_token_new = null, email_change_sent_at = null
  where email_change_token_new = $1 and email_change_sent_at > now() - make_interval(secs => $2)
    and ($3::text is null or email_change = $3)
  returning *`;

/** Where addresses are confirmed at once there are no codes of sign-up. */
const TYPES = {
  recovery: BY_RECOVERY,
  magiclink: BY_RECOVERY,
  email: BY_RECOVERY,
  email_change: BY_EMAIL_CHANGE,
  signup: undefined,
  invite: undefined,
};

/** Signs in the holder of a code. */
const redeem = async (context, { type, hash, email, failure }) => {
  if (!Object.hasOwn(TYPES, type)) refuse(400, 'validation_failed', 'Unsupported verification type');
  const takeBack = context.limits.guess(`code ${email ?? ''}`);
  const expired = () => refuse(403, 'otp_expired', failure);
  try {
    const answer = await context.store.transaction(async (query) => {
      if (!TYPES[type]) expired();
      const [user] = await query(TYPES[type], [hash, LIFE_SECONDS, email]);
      if (!user) expired();
      if (isBanned(user)) refuse(403, 'user_banned', 'User is banned');
      return signIn(context, query, user.id, 'otp');
    });
    takeBack();
    return answer;
  } catch (error) {
    if (error.constraint === 'users_email_key') {
      refuse(422, 'email_exists', 'A user with this email address has already been registered');
    }
    throw error;
  }
};

const verify = async (context, { body }) => {
  const { type, token: code, token_hash: hash } = body;
  if (!type) refuse(400, 'validation_failed', 'Verify requires a verification type');
  if (!code === !hash) refuse(400, 'validation_failed', 'Verify requires either a token or a token hash');
  if (hash) return ok(await redeem(context, { type, hash, failure: 'Email link is invalid or has expired' }));
  noPhone(body);
  if (!body.email) {
    refuse(400, 'validation_failed', 'Only an email address or phone number should be provided on verify');
  }
  const email = emailOf(body.email);
  const failure = 'Token has expired or is invalid';
  return ok(await redeem(context, { type, hash: hashOfCode(email, code), email, failure }));
};

const OAUTH_ERRORS = { 400: 'invalid_request', 403: 'access_denied' };

/** A link: what comes of it is in the fragment of the address to which the browser is sent. */
const followLink = async (context, { query: parameters }) => {
  const target = new URL(targetOf(context.origins, parameters.get('redirect_to')));
  const type = parameters.get('type');
  const hash = parameters.get('token');
  if (!type) refuse(400, 'validation_failed', 'Verify requires a verification type');
  if (!hash) refuse(400, 'validation_failed', 'Verify requires a token or a token hash');
  const fragment = await redeem(context, { type, hash, failure: 'Email link is invalid or has expired' }).then(
    ({ user: _, ...session }) => ({ ...session, type }),
    (error) => {
      if (!(error instanceof AccountError)) throw error;
      const { status, code, message } = error;
      return {
        ...(OAUTH_ERRORS[status] && { error: OAUTH_ERRORS[status] }),
        error_code: code,
        error_description: message,
      };
    },
  );
  target.hash = new URLSearchParams({ ...fragment, sb: '' });
  return { status: 303, location: target.href };
};

/** By method and path. `body`: whether the request has one. */
export const ENDPOINTS = {
  'POST /signup': { run: signUp, body: true },
  'POST /token': { run: grant, body: true },
  'GET /user': { run: getUser },
  'PUT /user': { run: changeUser, body: true },
  'POST /logout': { run: signOut },
  'GET /settings': { run: settings },
  'POST /recover': { run: recover, body: true },
  'POST /verify': { run: verify, body: true },
  'GET /verify': { run: followLink },
};
