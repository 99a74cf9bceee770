import type { ExecuteOptions, Parameters, Prepared, StatementInfo, StatementResult } from "../flight/backend.ts";

/**
 * A statement that is checked again whenever it runs: between its preparation and that, the session may have moved to
 * another schema, where its names mean other tables.
 */
export class GuardedStatement implements Prepared {
  readonly #statement: Prepared;
  readonly #check: () => Promise<void>;

  constructor(statement: Prepared, check: () => Promise<void>) {
    this.#statement = statement;
    this.#check = check;
  }

  get info(): StatementInfo {
    return this.#statement.info;
  }

  async describe(parameters: Parameters): Promise<Uint8Array | undefined> {
    await this.#check();
    return await this.#statement.describe?.(parameters);
  }

  async execute(parameters: Parameters | undefined, options: ExecuteOptions): Promise<StatementResult> {
    await this.#check();
    return await this.#statement.execute(parameters, options);
  }

  progress(): number | undefined {
    return this.#statement.progress?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#statement[Symbol.asyncDispose]();
  }
}
