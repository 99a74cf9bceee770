import { join } from "node:path";
import type { Config } from "../../src/config/config.ts";
import { S3_KEY_ID, S3_SECRET, startS3 } from "../support/s3-server.ts";
import type { LakePlace } from "./lake-run.ts";

/** One object store: what Eider is told, and what DuckDB itself. */
export interface StorePlace {
  readonly settings: Partial<Config>;
  readonly env?: Readonly<Record<string, string>>;
  readonly attach: Pick<LakePlace["attach"], "extensions" | "setup" | "dataPath">;
}

export interface StoreTestRow {
  readonly name: string;
  readonly make: (folder: string, use: <T extends AsyncDisposable>(resource: T) => T) => Promise<StorePlace>;
}

async function makeS3(use: <T extends AsyncDisposable>(resource: T) => T) {
  const server = use(await startS3());
  await server.createBucket("lake");
  const dataPath = "s3://lake/some folder/";
  const settings: Partial<Config> = {
    dataPath,
    storeEndpoint: server.endpoint,
    storeUrlStyle: "path",
    storeUseSsl: false,
    storeRegion: "us-east-1",
  };
  const secret = `KEY_ID '${S3_KEY_ID}', SECRET '${S3_SECRET}', ENDPOINT '${server.endpoint}', URL_STYLE 'path', USE_SSL false`;
  return {
    settings,
    attach: { extensions: ["httpfs"], setup: [`CREATE SECRET judge_store (TYPE s3, ${secret})`], dataPath },
  };
}

export const STORE_ROWS: readonly StoreTestRow[] = [
  {
    name: "a folder",
    async make(folder) {
      const dataPath = join(folder, "files/");
      return { settings: { dataPath }, attach: { extensions: [], setup: [], dataPath } };
    },
  },
  {
    name: "S3, keys in the settings",
    async make(_, use) {
      const { settings, attach } = await makeS3(use);
      return { settings: { ...settings, storeKeyId: S3_KEY_ID, storeSecret: S3_SECRET }, attach };
    },
  },
  {
    name: "S3, keys in the environment",
    async make(_, use) {
      const env = { AWS_ACCESS_KEY_ID: S3_KEY_ID, AWS_SECRET_ACCESS_KEY: S3_SECRET, AWS_SESSION_TOKEN: "a token" };
      return { ...(await makeS3(use)), env };
    },
  },
];
