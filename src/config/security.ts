import type { Config } from "./config.ts";

/** Whether callers have to say who they are. */
export function hasAuthentication({ usersFile, jwtJwks, jwtSecretFile, tlsClientCaFile }: Config): boolean {
  return [usersFile, jwtJwks, jwtSecretFile, tlsClientCaFile].some((file) => file !== "");
}

export function hasTls({ tlsCertFile }: Config): boolean {
  return tlsCertFile !== "";
}

/** What `access/tls.ts` takes. */
export function tlsSettings(config: Config) {
  return {
    certFile: config.tlsCertFile,
    keyFile: config.tlsKeyFile,
    clientCaFile: config.tlsClientCaFile,
    requiresClientCertificate: config.tlsClientAuth === "required",
  };
}

/** What `access/jwt.ts` takes. */
export function jwtSettings(config: Config) {
  return {
    jwks: config.jwtJwks,
    secretFile: config.jwtSecretFile,
    issuer: config.jwtIssuer,
    audience: config.jwtAudience,
    userClaim: config.jwtUserClaim,
    rolesClaim: config.jwtRolesClaim,
  };
}

/** What `access/gatekeeper.ts` takes. */
export function gatekeeperSettings(config: Config) {
  return {
    usersFile: config.usersFile,
    jwt: jwtSettings(config),
    takesCertificates: config.tlsClientCaFile !== "",
  };
}

/** Addresses that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i.test(host);
}

/** For the log of a server that is open to strangers because `insecure` allows it. */
export function securityWarnings(config: Config): string[] {
  if (isLoopback(config.host)) return [];
  return [
    ...(hasAuthentication(config) ? [] : ["insecure: anybody who reaches this address may read and change everything"]),
    ...(hasTls(config) ? [] : ["insecure: without TLS, data and passwords can be read on the way"]),
  ];
}

/** Combinations of security settings that do not hold what they seem to, and a server that strangers could use. */
export function securityProblems(config: Config): string[] {
  const problems: string[] = [];
  if ((config.tlsCertFile === "") !== (config.tlsKeyFile === "")) {
    problems.push("tls_cert_file and tls_key_file go together: one of them is not set");
  }
  if (config.tlsClientCaFile !== "" && !hasTls(config)) {
    problems.push("tls_client_ca_file needs tls_cert_file and tls_key_file: client certificates are part of TLS");
  }
  if (config.tlsClientCaFile !== "" && config.usersFile === "") {
    problems.push("tls_client_ca_file needs users_file, which gives the certificates' names their roles");
  }
  if (config.jwtJwks !== "" && config.jwtAudience === "") {
    problems.push(
      "jwt_jwks needs jwt_audience: without it the provider's tokens for other services would be taken, too",
    );
  }
  if (isLoopback(config.host) || config.insecure) return problems;
  const missing = [
    ...(hasTls(config) ? [] : ["TLS (tls_cert_file and tls_key_file)"]),
    ...(hasAuthentication(config)
      ? []
      : ["authentication (users_file, jwt_jwks, jwt_secret_file or tls_client_ca_file)"]),
  ];
  if (missing.length > 0) {
    problems.push(
      `host ${config.host} can be reached by others, and there is no ${missing.join(" and no ")}: ` +
        "set it up, keep host at 127.0.0.1, or set insecure to serve anybody all the same",
    );
  }
  return problems;
}
