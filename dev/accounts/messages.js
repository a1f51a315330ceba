// What would be sent by e-mail is printed to the terminal: a code of six digits and a link. Who has either can use it once, within an hour.
import { createHash, randomInt } from 'node:crypto';

export const LIFE_SECONDS = 3600;

/** What is stored of a code, and what its link has. */
export const hashOfCode = (email, code) => createHash('sha224').update(`${email}${code}`).digest('hex');

/** A new code for an address, with its hash. */
export const newCode = (email) => {
  const code = randomInt(1_000_000).toString().padStart(6, '0');
  return { code, hash: hashOfCode(email, code) };
};

const SUBJECTS = { recovery: 'reset your password', email_change: 'confirm your new address' };

/**
 * The message as lines.
 * @param {{type: string, email: string, code: string, hash: string, base: string, redirectTo: string, withLink: boolean}} message
 */
export const linesOf = ({ type, email, code, hash, base, redirectTo, withLink }) => {
  const link = `${base}/verify?${new URLSearchParams({ token: hash, type, redirect_to: redirectTo })}`;
  return [
    `message to ${email}: ${SUBJECTS[type]}`,
    `  code: ${code}`,
    // With PKCE only the client that asked may use a link, and that is not built here.
    withLink ? `  link: ${link}` : `  token_hash: ${hash} (without a link: the local accounts have no PKCE)`,
  ];
};
