// Ctrl-C, a closed terminal, or npm's own end: a command then stops what it has started instead of leaving it behind.
import { SetupError } from './setup.js';

/**
 * Runs the body with a controller that such a signal aborts; the body may abort it too, for instance when a part dies.
 * @param {(stopping: AbortController) => Promise<any>} body
 */
export const interruptible = async (body) => {
  const stopping = new AbortController();
  const stop = () => stopping.abort(new SetupError('Interrupted.'));
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, stop);
  // npm does not always pass a signal on; if it is gone, so are we.
  const parent = process.ppid;
  const orphaned = () => process.env.npm_lifecycle_event && process.ppid !== parent;
  const watch = setInterval(() => orphaned() && stop(), 500);
  try {
    return await body(stopping);
  } finally {
    clearInterval(watch);
    for (const signal of signals) process.off(signal, stop);
  }
};
