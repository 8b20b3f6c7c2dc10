// What lives as long as the process: the content that changes, who is told of a
// change, and the counters that a test asks for. Fronts subscribe to it; what is
// offered only reads and touches it.
import { Seal } from './seal.mjs';

export class World {
  seal = new Seal();
  // uri → how often it was touched
  versions = new Map();
  dynamicTool = false;
  dynamicPrompt = false;
  cancellations = 0;
  #watchers = new Set();

  watch(watcher) {
    this.#watchers.add(watcher);
  }

  unwatch(watcher) {
    this.#watchers.delete(watcher);
  }

  version(uri) {
    return this.versions.get(uri) ?? 0;
  }

  touch(uri) {
    this.versions.set(uri, this.version(uri) + 1);
    for (const watcher of this.#watchers) watcher.resourceUpdated(uri);
  }

  listChanged(kind) {
    for (const watcher of this.#watchers) watcher.listChanged(kind);
  }
}

export const LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];

// Waits, unless the call is cancelled first.
export function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const timer = setTimeout(done, ms, resolve);
    const cancel = () => done(reject, signal.reason);
    function done(settle, value) {
      clearTimeout(timer);
      signal.removeEventListener('abort', cancel);
      settle(value);
    }
    signal.addEventListener('abort', cancel);
  });
}
