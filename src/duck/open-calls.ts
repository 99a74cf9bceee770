/** What a call does: `plan` nothing but prepare a statement, `run` also what takes as long as the statement. */
export type CallKind = "plan" | "run";

/**
 * From when on a call that is still open is taken for planned: a plan that takes longer waits for a catalog that does not
 * answer; what runs for longer computes or writes.
 */
const LONG_MS: Readonly<Record<CallKind, number>> = { plan: 10_000, run: 1_000 };

interface OpenCall {
  readonly kind: CallKind;
  readonly answer: Promise<unknown>;
  /** It was waited for as long as its kind is. */
  isLong: boolean;
}

/** What connections of an instance have asked of DuckDB and it has not answered: while it plans, it may load what others load too. */
export class OpenCalls {
  readonly #calls = new Set<OpenCall>();

  track<T>(kind: CallKind, answer: Promise<T>): Promise<T> {
    const call: OpenCall = { kind, answer, isLong: false };
    this.#calls.add(call);
    const forget = () => void this.#calls.delete(call);
    answer.then(forget, forget);
    return answer;
  }

  /** Resolves once the calls that are open now have been planned: answered, or waited for long enough, once. */
  async planned(): Promise<void> {
    const calls = [...this.#calls].filter(({ isLong }) => !isLong);
    await Promise.all(calls.map(answeredOrLong));
  }
}

async function answeredOrLong(call: OpenCall): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const long = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      call.isLong = true;
      resolve();
    }, LONG_MS[call.kind]);
  });
  await Promise.race([call.answer.catch(() => undefined), long]);
  clearTimeout(timer);
}
