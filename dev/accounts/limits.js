// How often somebody may try: what guesses passwords or codes, and what sends messages.
import { refuse } from './errors.js';

/** Failures in a window, by account or kind of request. */
const MAX_FAILURES = 30;
const WINDOW_MS = 5 * 60_000;

/** Between two messages to one address. */
const PAUSE_MS = 60_000;

/** Names that are remembered, so that made-up addresses do not fill the memory. */
const MAX_NAMES = 10_000;

/** A map whose entries end; the oldest go where there are too many. */
class Passing {
  #entries = new Map();

  get(name) {
    const entry = this.#entries.get(name);
    if (entry && entry.until <= Date.now()) this.#entries.delete(name);
    return this.#entries.get(name);
  }

  set(name, entry) {
    this.#entries.set(name, entry);
    if (this.#entries.size > MAX_NAMES) this.#entries.delete(this.#entries.keys().next().value);
  }
}

export class Limits {
  #failures = new Passing();
  #messages = new Passing();

  /** Counts a guess, and refuses it where there were too many wrong ones. Gives what takes it back, for a right one. */
  guess(name) {
    const found = this.#failures.get(name) ?? { count: 0, until: Date.now() + WINDOW_MS };
    if (found.count >= MAX_FAILURES) refuse(429, 'over_request_rate_limit', 'Request rate limit reached');
    // Before the password is compared: others are compared at the same time.
    found.count += 1;
    this.#failures.set(name, found);
    return () => {
      found.count -= 1;
    };
  }

  /** Refuses a second message to an address within the pause, whether or not it has an account. */
  message(email) {
    const found = this.#messages.get(email);
    if (found) {
      const seconds = Math.ceil((found.until - Date.now()) / 1000);
      const why = `For security purposes, you can only request this after ${seconds} seconds.`;
      refuse(429, 'over_email_send_rate_limit', why);
    }
    this.#messages.set(email, { until: Date.now() + PAUSE_MS });
  }
}
