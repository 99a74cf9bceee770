import { createHash } from "node:crypto";
import { EiderError, messageOf } from "../errors.ts";
import type { Authenticator } from "./authenticator.ts";
import type { Credentials, Peer } from "./credentials.ts";
import { type JwtSettings, JwtVerifier } from "./jwt.ts";
import { matchesHash, NO_USER, PasswordChecks } from "./password.ts";
import { keyOf, type Principal } from "./principal.ts";
import { type Refusal, Refusals } from "./refusals.ts";
import { Throttle } from "./throttle.ts";
import { hashToken } from "./token.ts";
import { readUsers, Users } from "./users.ts";
import { FileWatch } from "./watch.ts";

export interface GatekeeperOptions {
  /** Empty: none. */
  readonly usersFile: string;
  readonly jwt: JwtSettings;
  /** Client certificates are taken as proof of a name. */
  readonly takesCertificates: boolean;
  readonly refused: (why: Refusal) => void;
  readonly log: Record<"info" | "warn" | "error", (fields: object, message: string) => void>;
  /** Unix milliseconds, by which JWTs expire. */
  readonly nowMs: () => number;
  /** Of a clock that nobody sets: for waits. */
  readonly steadyMs: () => number;
}

/** How long a verified credential is believed without another look, and how many are kept. */
const CACHE_MS = 60_000;
const CACHE_ENTRIES = 10_000;

/** A user at an address, and an address as a whole: someone who tries many names. */
const PER_USER = { burst: 5, perSecond: 0.2 };
const PER_ADDRESS = { burst: 50, perSecond: 1 };

interface Verified {
  readonly principal: Principal;
  readonly untilMs: number;
}

/** Says who a caller is: by password, token, JWT or client certificate. Owns the watch on their files. */
export class Gatekeeper implements Authenticator, Disposable {
  readonly isOn = true;
  readonly #options: GatekeeperOptions;
  readonly #users: Users;
  readonly #jwt: JwtVerifier | undefined;
  readonly #checks = new PasswordChecks();
  readonly #refusals: Refusals;
  readonly #perUser: Throttle;
  readonly #perAddress: Throttle;
  /** By SHA-256 of the credential: secrets are not kept. */
  readonly #verified = new Map<string, Verified>();
  /** By the same, and the address that failures are counted by: the connections of a pool show one credential at once. */
  readonly #verifying = new Map<string, Promise<Verified>>();
  #watch: FileWatch | undefined;

  private constructor(options: GatekeeperOptions, users: Users, jwt: JwtVerifier | undefined) {
    this.#options = options;
    this.#users = users;
    this.#jwt = jwt;
    this.#refusals = new Refusals({ ...options, nowMs: options.steadyMs, count: options.refused });
    this.#perUser = new Throttle(PER_USER, options.steadyMs);
    this.#perAddress = new Throttle(PER_ADDRESS, options.steadyMs);
  }

  /** Throws `config_invalid` when a file cannot be read or is not valid. */
  static async open(options: GatekeeperOptions): Promise<Gatekeeper> {
    const { usersFile } = options;
    const jwt = await JwtVerifier.open(options.jwt);
    const users = new Users();
    const gatekeeper = new Gatekeeper(options, users, jwt);
    const paths = [...(usersFile === "" ? [] : [usersFile]), ...(jwt?.files ?? [])];
    gatekeeper.#watch = await FileWatch.start(paths, () => gatekeeper.#reload());
    try {
      if (usersFile !== "") users.replace(await readUsers(usersFile));
      return gatekeeper;
    } catch (error) {
      gatekeeper[Symbol.dispose]();
      throw error;
    }
  }

  async #reload(): Promise<void> {
    const { usersFile, log } = this.#options;
    try {
      if (usersFile !== "") this.#users.replace(await readUsers(usersFile));
      await this.#jwt?.reload();
      this.#verified.clear();
      log.info({}, "users and keys were read anew");
    } catch (error) {
      log.error({ error: messageOf(error) }, "users or keys could not be read anew; those from before hold");
    }
  }

  async authenticate(credentials: Credentials, peer: Peer): Promise<Principal> {
    if (credentials.kind === "none") return this.#ofCertificate(peer);
    const cacheKey = digest(credentials);
    const known = this.#verified.get(cacheKey);
    if (known && known.untilMs > this.#options.steadyMs() && known.principal.isCurrent()) return known.principal;
    const checkKey = `${peer.address} ${cacheKey}`;
    const running = this.#verifying.get(checkKey);
    if (running) return (await running).principal;
    const check = this.#verify(credentials, peer).finally(() => this.#verifying.delete(checkKey));
    this.#verifying.set(checkKey, check);
    const verified = await check;
    this.#remember(cacheKey, verified);
    return verified.principal;
  }

  async #verify(credentials: Exclude<Credentials, { kind: "none" }>, peer: Peer): Promise<Verified> {
    return await (credentials.kind === "basic"
      ? this.#ofPassword(credentials.username, credentials.password, peer)
      : this.#ofToken(credentials.token, peer));
  }

  async #ofPassword(username: string, password: string, { address }: Peer): Promise<Verified> {
    const userKey = `${address} ${username}`;
    const refuseThrottled = () => {
      const waitSeconds = Math.max(this.#perUser.waitSeconds(userKey), this.#perAddress.waitSeconds(address));
      this.#refuseThrottled(waitSeconds, address);
    };
    refuseThrottled();
    return await this.#checks.inTurn(address, async () => {
      // Again, now that those that came at the same time have failed.
      refuseThrottled();
      const user = this.#users.find(username);
      const matches = await matchesHash(password, user?.password ?? NO_USER);
      if (!user?.password || !matches) {
        this.#perUser.failed(userKey);
        this.#perAddress.failed(address);
        throw this.#refuse("password", address, "wrong user name or password");
      }
      return { principal: user.principal, untilMs: this.#options.steadyMs() + CACHE_MS };
    });
  }

  async #ofToken(token: string, { address }: Peer): Promise<Verified> {
    const user = this.#users.findByToken(hashToken(token));
    if (user) return { principal: user.principal, untilMs: this.#options.steadyMs() + CACHE_MS };
    this.#refuseThrottled(this.#perAddress.waitSeconds(address), address);
    const looksLikeJwt = token.split(".").length === 3;
    if (!this.#jwt || !looksLikeJwt) {
      this.#perAddress.failed(address);
      throw this.#refuse("token", address, "the bearer token is not known");
    }
    return await this.#ofJwt(this.#jwt, token, address);
  }

  async #ofJwt(jwt: JwtVerifier, token: string, address: string): Promise<Verified> {
    const { nowMs, steadyMs } = this.#options;
    try {
      const { name, grants: claimed, expiresAtMs } = await jwt.verify(token);
      const grants = claimed ?? this.#users.find(name)?.principal.grants;
      if (!grants) {
        throw new EiderError("unauthenticated", `the token gives ${name} no role, and users_file has no such user`);
      }
      const user = claimed ? undefined : this.#users.find(name)?.principal;
      const principal: Principal = {
        name,
        key: keyOf(name, grants),
        grants,
        isCurrent: () => nowMs() < expiresAtMs && (user?.isCurrent() ?? true),
      };
      return { principal, untilMs: steadyMs() + CACHE_MS };
    } catch (error) {
      if (!(error instanceof EiderError) || error.code !== "unauthenticated") throw error;
      this.#perAddress.failed(address);
      this.#refusals.note("jwt", address);
      throw error;
    }
  }

  #ofCertificate({ certificateName, address }: Peer): Principal {
    const { takesCertificates } = this.#options;
    if (!takesCertificates || certificateName === undefined) {
      throw this.#refuse(
        "no_credentials",
        address,
        "credentials are needed: a user name and password, or a bearer token",
      );
    }
    const user = this.#users.find(certificateName);
    if (user) return user.principal;
    throw this.#refuse(
      "certificate",
      address,
      `users_file has no user named as the client certificate, ${certificateName}`,
    );
  }

  #refuseThrottled(waitSeconds: number, address: string): void {
    if (waitSeconds === 0) return;
    this.#refusals.note("throttled", address);
    throw new EiderError("throttled", `too many failed logins: try again in ${waitSeconds} s`);
  }

  #refuse(why: Refusal, address: string, message: string): EiderError {
    this.#refusals.note(why, address);
    return new EiderError("unauthenticated", message);
  }

  #remember(key: string, verified: Verified): void {
    this.#verified.delete(key);
    this.#verified.set(key, verified);
    if (this.#verified.size <= CACHE_ENTRIES) return;
    const [oldest] = this.#verified.keys();
    if (oldest !== undefined) this.#verified.delete(oldest);
  }

  [Symbol.dispose](): void {
    this.#watch?.[Symbol.dispose]();
  }
}

function digest(credentials: Exclude<Credentials, { kind: "none" }>): string {
  const parts = credentials.kind === "basic" ? [credentials.username, credentials.password] : [credentials.token];
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64");
}
