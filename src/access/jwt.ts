import { createSecretKey, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
} from "jose";
import { z } from "zod";
import { EiderError, messageOf } from "../errors.ts";
import { type Grants, ROLES } from "./principal.ts";
import { grantsOf } from "./users.ts";

export interface JwtSettings {
  /** File or URL of a JSON Web Key Set (RFC 7517); empty: none. */
  readonly jwks: string;
  /** File whose text is the shared secret of HMAC signatures; empty: none. */
  readonly secretFile: string;
  /** Empty: not checked. */
  readonly issuer: string;
  /** Empty: not checked, which `jwks` does not allow. */
  readonly audience: string;
  /** The claim with the user's name. */
  readonly userClaim: string;
  /** The claim `{"role": …, "schemas": {…}}`. */
  readonly rolesClaim: string;
}

export interface JwtIdentity {
  readonly name: string;
  /** Undefined: the token says nothing of roles. */
  readonly grants: Grants | undefined;
  readonly expiresAtMs: number;
}

/** RFC 8725: the algorithms are ours to choose, never the token's. */
const PUBLIC_KEY_ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
];
const SECRET_ALGORITHMS = ["HS256", "HS384", "HS512"];
/** RFC 7518 3.2: as long as the hash. */
const MIN_SECRET_BYTES = 32;
const CLOCK_TOLERANCE_SECONDS = 30;

const roleSchema = z.enum(ROLES);
const rolesSchema = z.object({
  role: roleSchema.optional(),
  schemas: z.record(z.string(), roleSchema).optional(),
});

/** JSON Web Tokens (RFC 7519) of an identity provider, or signed with a shared secret. */
export class JwtVerifier {
  readonly #settings: JwtSettings;
  #keys: JWTVerifyGetKey | undefined;
  #secret: KeyObject | undefined;

  private constructor(settings: JwtSettings) {
    this.#settings = settings;
  }

  /** Throws `config_invalid`. Undefined: no keys are set. */
  static async open(settings: JwtSettings): Promise<JwtVerifier | undefined> {
    if (settings.jwks === "" && settings.secretFile === "") return undefined;
    const verifier = new JwtVerifier(settings);
    await verifier.reload();
    return verifier;
  }

  /** Files that `reload` reads. */
  get files(): string[] {
    const { jwks, secretFile } = this.#settings;
    return [jwks, secretFile].filter((path) => path !== "" && !isUrl(path));
  }

  /** Throws `config_invalid`, and goes on with the keys that it had. */
  async reload(): Promise<void> {
    const { jwks, secretFile } = this.#settings;
    const keys = jwks === "" ? undefined : isUrl(jwks) ? (this.#keys ?? remoteKeys(jwks)) : await localKeys(jwks);
    const secret = secretFile === "" ? undefined : await readSecret(secretFile);
    this.#keys = keys;
    this.#secret = secret;
  }

  /** Throws `unauthenticated` with what is wrong with the token, never with the token. */
  async verify(token: string): Promise<JwtIdentity> {
    const payload = await this.#payloadOf(token);
    const name: unknown = payload[this.#settings.userClaim];
    if (typeof name !== "string" || name === "") {
      throw new EiderError(
        "unauthenticated",
        `the token has no claim ${this.#settings.userClaim} with the user's name`,
      );
    }
    const claim: unknown = payload[this.#settings.rolesClaim];
    const roles = claim === undefined ? undefined : rolesSchema.safeParse(claim);
    if (roles && !roles.success) {
      throw new EiderError(
        "unauthenticated",
        `the token's claim ${this.#settings.rolesClaim} must be {"role": "read"|"write"|"admin", "schemas": {"name": role}}`,
      );
    }
    return {
      name,
      grants: roles && grantsOf(roles.data.role, roles.data.schemas),
      expiresAtMs: ((payload.exp ?? 0) + CLOCK_TOLERANCE_SECONDS) * 1000,
    };
  }

  async #payloadOf(token: string): Promise<JWTPayload> {
    const { issuer, audience } = this.#settings;
    const options: JWTVerifyOptions = {
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      requiredClaims: ["exp"],
      ...(issuer === "" ? {} : { issuer }),
      ...(audience === "" ? {} : { audience }),
    };
    try {
      if (this.#secret && isHmac(token)) {
        return (await jwtVerify(token, this.#secret, { ...options, algorithms: SECRET_ALGORITHMS })).payload;
      }
      if (this.#keys) {
        return (await jwtVerify(token, this.#keys, { ...options, algorithms: PUBLIC_KEY_ALGORITHMS })).payload;
      }
      throw new EiderError("unauthenticated", "the token is not one that this server takes");
    } catch (error) {
      throw refusal(error);
    }
  }
}

function refusal(error: unknown): EiderError {
  if (error instanceof EiderError) return error;
  if (error instanceof errors.JWTExpired) return new EiderError("unauthenticated", "the token has expired");
  if (error instanceof errors.JWTClaimValidationFailed) {
    return new EiderError("unauthenticated", `the token's claim ${error.claim} is missing or not the expected one`);
  }
  if (isOfProvider(error)) {
    return new EiderError(
      "lake_unavailable",
      "the identity provider's keys cannot be fetched (setting jwt_jwks): try again",
      {
        cause: error,
      },
    );
  }
  return new EiderError("unauthenticated", "the token is not valid");
}

/** The key set could not be fetched, or is none: that says nothing of the token. */
function isOfProvider(error: unknown): boolean {
  if (!(error instanceof errors.JOSEError)) return true;
  // Of no class of its own: an answer that is not 200, or not JSON.
  return (
    error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid || error.code === errors.JOSEError.code
  );
}

/** Reads the header's `alg`, unverified, to choose the key; which algorithms a key may be used with is fixed. */
function isHmac(token: string): boolean {
  try {
    const header: unknown = JSON.parse(Buffer.from(token.split(".", 1)[0] ?? "", "base64url").toString("utf8"));
    return (
      typeof header === "object" && header !== null && SECRET_ALGORITHMS.includes(String(Reflect.get(header, "alg")))
    );
  } catch {
    return false;
  }
}

const isUrl = (text: string) => /^https?:\/\//i.test(text);

function remoteKeys(jwks: string): JWTVerifyGetKey {
  return createRemoteJWKSet(new URL(jwks));
}

async function localKeys(path: string): Promise<JWTVerifyGetKey> {
  try {
    return createLocalJWKSet(JSON.parse(await readFile(path, "utf8")) as JSONWebKeySet);
  } catch (error) {
    throw new EiderError("config_invalid", `jwt_jwks ${path} cannot be read: ${messageOf(error)}`);
  }
}

async function readSecret(path: string): Promise<KeyObject> {
  let secret: string;
  try {
    secret = (await readFile(path, "utf8")).trim();
  } catch (error) {
    throw new EiderError("config_invalid", `jwt_secret_file cannot be read: ${messageOf(error)}`);
  }
  if (Buffer.byteLength(secret) < MIN_SECRET_BYTES) {
    throw new EiderError("config_invalid", `jwt_secret_file ${path} must hold at least ${MIN_SECRET_BYTES} bytes`);
  }
  return createSecretKey(Buffer.from(secret));
}
