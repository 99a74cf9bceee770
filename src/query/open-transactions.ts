/** The open transactions of all sessions together, and how long one may be left alone. */
export class OpenTransactions {
  readonly idleSeconds: number;
  /** Those that have begun and not ended. */
  count = 0;
  /** Those that were rolled back because nobody used them, since the start. */
  leftAloneCount = 0;

  constructor(idleSeconds: number) {
    this.idleSeconds = idleSeconds;
  }
}
