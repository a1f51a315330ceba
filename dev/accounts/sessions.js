// Sessions and their refresh tokens, as https://supabase.com/docs/guides/auth/sessions describes them: each is used once. Used again,
// it gives the session's active token within the reuse interval, or if it is the parent of the active one: the client has not received
// that. Otherwise somebody else has a copy, and the session ends.
import { randomBytes } from 'node:crypto';
import { refuse } from './errors.js';

const REUSE_INTERVAL_SECONDS = 10;

const addToken = async (query, session, parent) => {
  const token = randomBytes(18).toString('base64url');
  await query(`insert into auth.refresh_tokens (token, parent, session_id, user_id) values ($1, $2, $3, $4)`, [
    token,
    parent,
    session.id,
    session.user_id,
  ]);
  return token;
};

/**
 * A new session of a user, with its first refresh token.
 * @param {Function} query the transaction's
 * @param {string} method how the user has signed in: password or otp
 */
export const startSession = async (query, userId, method) => {
  const [session] = await query(`insert into auth.sessions (user_id) values ($1) returning *`, [userId]);
  await query(`insert into auth.mfa_amr_claims (session_id, authentication_method) values ($1, $2)`, [
    session.id,
    method,
  ]);
  return { session, refreshToken: await addToken(query, session, null) };
};

/** The claim amr of a session. */
export const methodsOf = (query, sessionId) =>
  query(
    `select authentication_method as method, extract(epoch from updated_at)::bigint::int as timestamp
     from auth.mfa_amr_claims where session_id = $1 order by updated_at desc`,
    [sessionId],
  );

/**
 * Exchanges a refresh token. Gives the session and the next token, or `reused` where the token was a copy: the session has ended.
 * @param {Function} query the transaction's
 */
export const refresh = async (query, token) => {
  // One at a time for each session: of two tabs the second gets what the first has made.
  const [session] = await query(
    `select s.* from auth.refresh_tokens as t join auth.sessions as s on s.id = t.session_id
     where t.token = $1 for update of s`,
    [token],
  );
  if (!session) refuse(400, 'refresh_token_not_found', 'Invalid Refresh Token: Refresh Token Not Found');
  // A statement of its own sees what was committed while the lock was waited for.
  const [found] = await query(
    `select t.id, t.revoked, a.token as active,
      a.parent = t.token or t.updated_at > clock_timestamp() - make_interval(secs => $2) as excused
     from auth.refresh_tokens as t left join auth.refresh_tokens as a on a.session_id = t.session_id and not a.revoked
     where t.token = $1`,
    [token, REUSE_INTERVAL_SECONDS],
  );
  if (found.revoked && !found.excused) {
    await endSession(query, session.id);
    return { reused: true };
  }
  let refreshToken = found.active;
  if (!found.revoked) {
    await query(`update auth.refresh_tokens set revoked = true, updated_at = clock_timestamp() where id = $1`, [
      found.id,
    ]);
    refreshToken = await addToken(query, session, token);
  }
  await query(`update auth.sessions set refreshed_at = now(), updated_at = now() where id = $1`, [session.id]);
  return { session, refreshToken };
};

export const endSession = (query, id) => query(`delete from auth.sessions where id = $1`, [id]);

/** Ends the sessions of a user, all but one if that is named. */
export const endSessions = (query, userId, except) =>
  query(`delete from auth.sessions where user_id = $1 and id is distinct from $2`, [userId, except ?? null]);
