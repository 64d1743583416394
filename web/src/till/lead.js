// One tab sells. The lock goes with the tab, however it ends.
const NAME = "unioncard-till";

/** lead calls start when this tab holds the till, lost when another took it or has
 * it. The answer's take() takes it from whoever has it. */
export function lead({ start, lost }) {
  let waiting = new AbortController();
  const hold = () => {
    start();
    return new Promise(() => {}); // until the tab goes or the lock is stolen
  };
  const taken = (error) => {
    if (error?.name !== "AbortError") throw error;
    lost();
    queue();
  };
  function queue() {
    waiting = new AbortController();
    navigator.locks.request(NAME, { signal: waiting.signal }, hold).catch((error) => {
      // Given up for stealing, or stolen from us.
      if (!waiting.signal.aborted) taken(error);
    });
  }
  navigator.locks.request(NAME, { ifAvailable: true }, (lock) => {
    if (lock) return hold();
    lost();
    queue();
  }).catch(taken);
  return {
    take() {
      waiting.abort();
      navigator.locks.request(NAME, { steal: true }, hold).catch(taken);
    },
  };
}
