/**
 * Unix time, whole milliseconds, as it was when the process started (in its worker threads too), going on by a clock that nobody sets: for ages
 * and waits within one life of the process. What is shown to people, kept over a restart, or compared with another machine's time, is Date.now().
 */
export function steadyNowMs(): number {
  return Math.floor(performance.timeOrigin + performance.now());
}
