import { readFile } from "node:fs/promises";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import { EiderError, messageOf } from "../errors.ts";
import { FileWatch } from "./watch.ts";

export interface TlsSettings {
  /** PEM files; an empty name: none. */
  readonly certFile: string;
  readonly keyFile: string;
  /** Certificates of those who sign client certificates. */
  readonly clientCaFile: string;
  /** A client without a certificate is turned away. */
  readonly requiresClientCertificate: boolean;
}

export interface TlsLog {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** The server's certificate and key, read anew when their files change. Owned by who opened it. */
export class TlsFiles implements Disposable {
  readonly settings: TlsSettings;
  readonly #listeners = new Set<(context: SecureContextOptions) => void>();
  readonly #log: TlsLog;
  #context: SecureContextOptions = {};
  #watch: FileWatch | undefined;

  private constructor(settings: TlsSettings, log: TlsLog) {
    this.settings = settings;
    this.#log = log;
  }

  /** Throws `config_invalid` when a file cannot be read, or key and certificate do not fit. */
  static async open(settings: TlsSettings, log: TlsLog): Promise<TlsFiles> {
    const files = new TlsFiles(settings, log);
    const { certFile, keyFile, clientCaFile } = settings;
    const paths = [certFile, keyFile, ...(clientCaFile === "" ? [] : [clientCaFile])];
    files.#watch = await FileWatch.start(paths, () => files.#reload());
    try {
      files.#context = await readContext(settings);
      return files;
    } catch (error) {
      files[Symbol.dispose]();
      throw error;
    }
  }

  get context(): SecureContextOptions {
    return this.#context;
  }

  /** New connections are to use what `listener` is given. */
  onChange(listener: (context: SecureContextOptions) => void): void {
    this.#listeners.add(listener);
  }

  async #reload(): Promise<void> {
    try {
      this.#context = await readContext(this.settings);
      for (const listener of this.#listeners) listener(this.#context);
      this.#log.info({ certificate: this.settings.certFile }, "the TLS certificate was read anew");
    } catch (error) {
      // Key and certificate are two files, so that between their renewals they may not fit.
      this.#log.error(
        { error: messageOf(error) },
        "the TLS certificate could not be read anew; the one from before holds",
      );
    }
  }

  [Symbol.dispose](): void {
    this.#watch?.[Symbol.dispose]();
    this.#listeners.clear();
  }
}

async function readContext({ certFile, keyFile, clientCaFile }: TlsSettings): Promise<SecureContextOptions> {
  try {
    const [cert, key] = await Promise.all([readFile(certFile), readFile(keyFile)]);
    const ca = clientCaFile === "" ? {} : { ca: await readFile(clientCaFile) };
    const context: SecureContextOptions = { cert, key, ...ca, minVersion: "TLSv1.2" };
    // Throws when they do not fit.
    createSecureContext(context);
    return context;
  } catch (error) {
    throw new EiderError(
      "config_invalid",
      `TLS cannot be set up from ${[certFile, keyFile, clientCaFile].filter(Boolean).join(", ")}: ${messageOf(error)}`,
      { cause: error },
    );
  }
}
