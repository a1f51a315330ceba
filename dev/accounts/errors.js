// Errors in the two shapes that Supabase Auth has: by X-Supabase-Api-Version, {code, message} since 2024-01-01, {code, error_code, msg}
// before (https://supabase.com/docs/guides/auth/debugging/error-codes).

/** An answer that is an error. */
export class AccountError extends Error {
  constructor(status, code, message, more = {}) {
    super(message);
    Object.assign(this, { status, code, more });
  }
}

/** Ends the request with an error. */
export const refuse = (status, code, message, more) => {
  throw new AccountError(status, code, message, more);
};

const FIRST_WITH_TEXT_CODES = '2024-01-01';

/**
 * The answer that an error is.
 * @param {AccountError} error
 * @param {string | undefined} version what the client names as its version of the API: a day
 */
export const answerOf = ({ status, code, message, more }, version = '') => {
  const isNew = /^\d{4}-\d\d-\d\d$/.test(version) && version >= FIRST_WITH_TEXT_CODES;
  return {
    status,
    headers: { 'x-sb-error-code': code, ...(isNew && { 'x-supabase-api-version': FIRST_WITH_TEXT_CODES }) },
    body: { ...(isNew ? { code, message } : { code: status, error_code: code, msg: message }), ...more },
  };
};
