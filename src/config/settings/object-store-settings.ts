import { choice, flag, text } from "../kinds.ts";
import type { SettingRows } from "../setting.ts";

export const OBJECT_STORE_SETTINGS = {
  storeEndpoint: {
    kind: text,
    default: "",
    help: "host:port of an S3 that is not Amazon's",
  },
  storeRegion: {
    kind: text,
    default: "",
    help: "region of the bucket",
  },
  storeUrlStyle: {
    kind: choice("", "vhost", "path"),
    default: "",
    help: "vhost (bucket.host) or path (host/bucket), which most S3s but Amazon's want",
  },
  storeUseSsl: {
    kind: flag,
    default: true,
    help: "TLS to the store",
  },
  storeKeyId: {
    kind: text,
    default: "",
    help: "access key; without it DuckDB's stored secrets are used, then the environment, profiles and the machine's role",
  },
  storeSecret: {
    kind: text,
    default: "",
    help: "secret of the access key",
    secret: "whole",
  },
  storeSessionToken: {
    kind: text,
    default: "",
    help: "session token of temporary credentials",
    secret: "whole",
  },
  storeAccount: {
    kind: text,
    default: "",
    help: "Azure's storage account, or R2's account id",
  },
  storeConnection: {
    kind: text,
    default: "",
    help: "Azure's connection string",
    secret: "whole",
  },
  guardStore: {
    kind: flag,
    default: true,
    help: "keep a copy of new files on this machine until their COMMIT is known; off only where the bucket keeps versions or nobody can delete",
  },
} satisfies SettingRows;
