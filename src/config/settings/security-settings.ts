import { choice, flag, identifier, optionalPath, optionalPathOrUrl, optionalText } from "../kinds.ts";
import type { SettingRows } from "../setting.ts";

export const SECURITY_SETTINGS = {
  insecure: {
    kind: flag,
    default: false,
    help: "serve without TLS or authentication although others can reach the address",
  },
  usersFile: {
    kind: optionalPath,
    default: "",
    help: "YAML file of users, their hashed passwords and tokens, and roles (`eider user add`); read anew when it changes",
  },
  tlsCertFile: {
    kind: optionalPath,
    default: "",
    help: "PEM file of the server's certificate chain, for Flight and HTTP; read anew when it changes",
  },
  tlsKeyFile: { kind: optionalPath, default: "", help: "PEM file of the certificate's private key" },
  tlsClientCaFile: {
    kind: optionalPath,
    default: "",
    help: "PEM file of those who sign client certificates; a verified one's common name is a user of users_file",
  },
  tlsClientAuth: {
    kind: choice("required", "optional"),
    default: "required",
    help: "whether a Flight client must show a certificate when tls_client_ca_file is set; over HTTP it may",
  },
  jwtJwks: {
    kind: optionalPathOrUrl,
    default: "",
    help: "JSON Web Key Set whose tokens are taken: a file or an https:// address",
  },
  jwtSecretFile: {
    kind: optionalPath,
    default: "",
    help: "file with the shared secret of tokens signed by HMAC, 32 bytes or more",
  },
  jwtIssuer: { kind: optionalText, default: "", help: "issuer that a token must have" },
  jwtAudience: {
    kind: optionalText,
    default: "",
    help: "audience that a token must have; needed with jwt_jwks",
  },
  jwtUserClaim: { kind: identifier, default: "sub", help: "claim with the user's name" },
  jwtRolesClaim: {
    kind: identifier,
    default: "eider",
    help: 'claim with the roles, `{"role": "read", "schemas": {"sales": "write"}}`; without it those of users_file count',
  },
  openHealth: {
    kind: flag,
    default: true,
    help: "answer /health and /ready without credentials",
  },
  openMetrics: { kind: flag, default: false, help: "answer /metrics without credentials" },
} satisfies SettingRows;
